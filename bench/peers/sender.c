/* sender - the fixed seeder of the bench: one thread that answers every request at once, from a mapping of
 * the payload, in batches of up to 64 blocks a call. It knows nothing of choking: everybody is unchoked. It can put a
 * HAVE before every block, as the leechers of a real swarm do all the time, and it can listen at a second port as a
 * leecher without a piece that only notes when it is first told of one.
 *
 *   sender --torrents LIST --payload FILE --port N [--address A] [--have] [--witness PORT]
 *
 * Each line on standard input is answered by one of figures in JSON; it ends with its input. */
#include "wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    EXTENSION_BYTE = 25, /* of the handshake: BEP 10 */
    EXTENSION_BIT = 0x10,
    BATCH_BLOCKS = 64,
    REQQ = 2000,          /* requests of one peer that may wait, as it is told (BEP 10) */
    QUEUE_BLOCKS = 16384, /* for those that do not listen; more end the program */
    INPUT_BYTES = 65536,
    BEFORE_BYTES = HAVE_BYTES + PIECE_HEADER_BYTES,
};

struct request {
    uint32_t piece, offset, length;
};

struct peer {
    int fd;
    bool witness;
    bool writable_wanted;
    const struct torrent *torrent; /* NULL before the handshake */
    uint8_t input[INPUT_BYTES];
    size_t input_bytes;
    struct request queue[QUEUE_BLOCKS];
    uint32_t queue_first, queue_count;
    uint8_t *greeting; /* handshake, bitfield and unchoke, until they are sent */
    size_t greeting_bytes, greeting_sent;
    uint8_t headers[BATCH_BLOCKS][BEFORE_BYTES];
    struct iovec parts[2 * BATCH_BLOCKS];
    size_t part_first, part_count;
};

struct sender {
    int epoll;
    struct torrents torrents;
    struct mapping payload;
    bool have;
    uint32_t peers;
    uint64_t payload_bytes, calls;
    int64_t first_request_ns, last_block_ns, first_have_ns;
};

static void watch(struct sender *s, struct peer *p, int fd, int how, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = p};
    if (epoll_ctl(s->epoll, how, fd, &event) < 0) {
        fail("epoll_ctl");
    }
}

static void drop(struct peer *p)
{
    close(p->fd);
    free(p->greeting);
    free(p);
}

static void answer_handshake(struct sender *s, struct peer *p)
{
    p->torrent = find_torrent(&s->torrents, p->input + 28);
    if (p->torrent == NULL) {
        errno = 0;
        fail("sender: a peer asks for an unknown torrent");
    }
    size_t bitfield_bytes;
    uint8_t *bitfield = make_full_bitfield(p->torrent, &bitfield_bytes);
    p->greeting = malloc(HANDSHAKE_BYTES + bitfield_bytes + 64);
    if (p->greeting == NULL) {
        fail("greeting");
    }
    make_handshake(p->greeting, p->torrent->info_hash, ++s->peers);
    p->greeting_bytes = HANDSHAKE_BYTES;
    if (!p->witness) {
        memcpy(p->greeting + HANDSHAKE_BYTES, bitfield, bitfield_bytes);
        make_header(p->greeting + HANDSHAKE_BYTES + bitfield_bytes, 0, MESSAGE_UNCHOKE);
        p->greeting_bytes += bitfield_bytes + 5;
    }
    if ((p->input[EXTENSION_BYTE] & EXTENSION_BIT) != 0) {
        p->greeting[EXTENSION_BYTE] |= EXTENSION_BIT;
        char reqq[32];
        int bytes = snprintf(reqq, sizeof(reqq), "d1:mde4:reqqi%dee", REQQ);
        uint8_t *to = p->greeting + p->greeting_bytes;
        make_header(to, 1 + (uint32_t)bytes, MESSAGE_EXTENDED);
        to[5] = 0; /* the extended handshake */
        memcpy(to + 6, reqq, (size_t)bytes);
        p->greeting_bytes += 6 + (size_t)bytes;
    }
    free(bitfield);
}

static void note_pieces(struct sender *s, struct peer *p, const uint8_t *body, size_t size)
{
    bool any = size == 4; /* a HAVE */
    for (size_t i = 0; !any && i < size; i++) {
        any = body[i] != 0;
    }
    if (any && p->witness && s->first_have_ns == 0) {
        s->first_have_ns = now_ns();
    }
}

static void take_request(struct sender *s, struct peer *p, const uint8_t *body)
{
    struct request request = {read32(body), read32(body + 4), read32(body + 8)};
    const struct torrent *t = p->torrent;
    uint64_t at = (uint64_t)request.piece * t->piece_length + request.offset;
    if (p->queue_count == QUEUE_BLOCKS || request.length > BLOCK_BYTES ||
        at + request.length > t->length) {
        errno = 0;
        fail("sender: a request that it cannot answer");
    }
    if (s->first_request_ns == 0) {
        s->first_request_ns = now_ns();
    }
    p->queue[(p->queue_first + p->queue_count++) % QUEUE_BLOCKS] = request;
}

static void forget_request(struct peer *p, const uint8_t *body)
{
    for (uint32_t i = 0; i < p->queue_count; i++) {
        struct request *r = &p->queue[(p->queue_first + i) % QUEUE_BLOCKS];
        if (r->piece == read32(body) && r->offset == read32(body + 4)) {
            for (; i + 1 < p->queue_count; i++) {
                p->queue[(p->queue_first + i) % QUEUE_BLOCKS] =
                    p->queue[(p->queue_first + i + 1) % QUEUE_BLOCKS];
            }
            p->queue_count--;
        }
    }
}

/* Takes every whole message out of the input; false: this is not BitTorrent. */
static bool parse(struct sender *s, struct peer *p)
{
    size_t at = 0;
    if (p->input_bytes > 0 && p->torrent == NULL && p->input[0] != 19) {
        return false; /* an attempt at encryption: it comes again without */
    }
    if (p->torrent == NULL && p->input_bytes >= HANDSHAKE_BYTES) {
        answer_handshake(s, p);
        at = HANDSHAKE_BYTES;
    }
    while (p->torrent != NULL && p->input_bytes - at >= 4) {
        size_t length = read32(p->input + at);
        if (length > INPUT_BYTES - 4) {
            errno = 0;
            fail("sender: a message is too long");
        }
        if (p->input_bytes - at < 4 + length) {
            break;
        }
        const uint8_t *body = p->input + at + 5;
        switch (length > 0 ? body[-1] : MESSAGE_INTERESTED) {
        case MESSAGE_REQUEST:
            take_request(s, p, body);
            break;
        case MESSAGE_CANCEL:
            forget_request(p, body);
            break;
        case MESSAGE_HAVE:
        case MESSAGE_BITFIELD:
            note_pieces(s, p, body, length - 1);
            break;
        default:
            break;
        }
        at += 4 + length;
    }
    memmove(p->input, p->input + at, p->input_bytes - at);
    p->input_bytes -= at;
    return true;
}

static void fill_batch(struct sender *s, struct peer *p)
{
    p->part_first = p->part_count = 0;
    for (size_t i = 0; i < BATCH_BLOCKS && p->queue_count > 0; i++) {
        struct request r = p->queue[p->queue_first];
        p->queue_first = (p->queue_first + 1) % QUEUE_BLOCKS;
        p->queue_count--;
        uint8_t *header = p->headers[i];
        size_t header_bytes = PIECE_HEADER_BYTES;
        if (s->have) {
            make_have(header, r.piece);
            header_bytes = BEFORE_BYTES;
        }
        make_piece_header(header + header_bytes - PIECE_HEADER_BYTES, r.piece, r.offset, r.length);
        uint64_t at = p->torrent->offset + (uint64_t)r.piece * p->torrent->piece_length + r.offset;
        p->parts[p->part_count++] = (struct iovec){header, header_bytes};
        p->parts[p->part_count++] = (struct iovec){(uint8_t *)s->payload.bytes + at, r.length};
        s->payload_bytes += r.length;
    }
}

/* Sends as much as the socket takes; false: the peer is gone. */
static bool pump(struct sender *s, struct peer *p)
{
    while (p->greeting_sent < p->greeting_bytes) {
        ssize_t n = send(p->fd, p->greeting + p->greeting_sent,
                         p->greeting_bytes - p->greeting_sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0) {
            return errno == EAGAIN;
        }
        p->greeting_sent += (size_t)n;
    }
    for (;;) {
        if (p->part_first == p->part_count) {
            fill_batch(s, p);
        }
        if (p->part_count == 0) {
            return true;
        }
        struct msghdr message = {.msg_iov = p->parts + p->part_first,
                                 .msg_iovlen = p->part_count - p->part_first};
        ssize_t n = sendmsg(p->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0) {
            return errno == EAGAIN;
        }
        s->calls++;
        s->last_block_ns = now_ns();
        for (size_t sent = (size_t)n; sent > 0;) {
            struct iovec *part = &p->parts[p->part_first];
            size_t step = sent < part->iov_len ? sent : part->iov_len;
            part->iov_base = (uint8_t *)part->iov_base + step;
            part->iov_len -= step;
            p->part_first += part->iov_len == 0;
            sent -= step;
        }
    }
}

static void serve(struct sender *s, struct peer *p, uint32_t events)
{
    bool alive = true;
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        ssize_t n =
            recv(p->fd, p->input + p->input_bytes, INPUT_BYTES - p->input_bytes, MSG_DONTWAIT);
        alive = n > 0 || (n < 0 && errno == EAGAIN);
        if (n > 0) {
            p->input_bytes += (size_t)n;
            alive = parse(s, p);
        }
    }
    if (!alive || !pump(s, p)) {
        drop(p);
        return;
    }
    bool wanted = p->part_first < p->part_count || p->greeting_sent < p->greeting_bytes;
    if (wanted != p->writable_wanted) {
        p->writable_wanted = wanted;
        watch(s, p, p->fd, EPOLL_CTL_MOD, wanted ? EPOLLIN | EPOLLOUT : EPOLLIN);
    }
}

static void welcome(struct sender *s, const struct peer *door)
{
    int fd = accept4(door->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        fail("accept");
    }
    struct peer *p = calloc(1, sizeof(*p));
    if (p == NULL) {
        fail("peer");
    }
    p->fd = fd;
    p->witness = door->witness;
    watch(s, p, fd, EPOLL_CTL_ADD, EPOLLIN);
}

static void report(const struct sender *s)
{
    printf("{\"peers\": %u, \"payload_bytes\": %llu, \"calls\": %llu, \"first_request_ns\": %lld, "
           "\"last_block_ns\": %lld, \"first_have_ns\": %lld}\n",
           s->peers, (unsigned long long)s->payload_bytes, (unsigned long long)s->calls,
           (long long)s->first_request_ns, (long long)s->last_block_ns,
           (long long)s->first_have_ns);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    (void)argc;
    struct sender s = {.epoll = epoll_create1(EPOLL_CLOEXEC), .have = option_set(argv, "have")};
    s.torrents = read_torrents(option(argv, "torrents", NULL));
    s.payload = map_file(option(argv, "payload", NULL));
    const char *address = option(argv, "address", "0.0.0.0");
    struct peer doors[2] = {{.fd = listen_on(address, (unsigned)option_number(argv, "port", 0))},
                            {.fd = -1, .witness = true}};
    watch(&s, &doors[0], doors[0].fd, EPOLL_CTL_ADD, EPOLLIN);
    if (option_set(argv, "witness")) {
        doors[1].fd = listen_on(address, (unsigned)option_number(argv, "witness", 0));
        watch(&s, &doors[1], doors[1].fd, EPOLL_CTL_ADD, EPOLLIN);
    }
    watch(&s, NULL, STDIN_FILENO, EPOLL_CTL_ADD, EPOLLIN);
    report(&s); /* it listens */
    for (;;) {
        struct epoll_event events[64];
        int count = epoll_wait(s.epoll, events, 64, -1);
        for (int i = 0; i < count; i++) {
            struct peer *p = events[i].data.ptr;
            if (p == &doors[0] || p == &doors[1]) {
                welcome(&s, p);
            } else if (p != NULL) {
                serve(&s, p, events[i].events);
            } else {
                char line[64];
                if (read(STDIN_FILENO, line, sizeof(line)) <= 0) {
                    return 0;
                }
                report(&s);
            }
        }
    }
}
