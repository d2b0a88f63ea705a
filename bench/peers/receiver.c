/* receiver - the fixed downloader of the bench: one thread and any number of connections to one seeder. Each keeps a
 * deep window of requests open; what comes is compared with the payload where the receive call put it, and thrown
 * away. The connections of a torrent share its blocks, piece by piece; what a choke takes back is asked for again.
 *
 *   receiver --torrents LIST --payload FILE --address A --port N [--connections N a torrent] [--from A.B.C.D]
 *            [--window BLOCKS] [--part N] [--shuffle] [--hash] [--patience SECONDS]
 *
 * --part: only an N-th of each torrent. --hash: what comes is hashed as well, as every client does; it is then slower
 * than a seeder. --from: the address of the first connection; the others follow it, so that
 * each has one of its own. Ends with one line of figures in JSON: 0 when every byte was right, 3 when one was not, 4 when patience has run out. */
#include "wire.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BUFFER_BYTES = 256 * 1024, /* of one receive call, all connections' */
    WINDOW_MAX = 1024,
    HEAD_BYTES = PIECE_HEADER_BYTES,
    RETRY_MS = 5,
    DIALS_PER_TURN = 32,
};

/* What is shared by the connections of one torrent. */
struct share {
    const struct torrent *torrent;
    uint32_t *order; /* blocks, in the order in which they are asked for */
    uint32_t block_count, next, done;
    uint32_t piece_blocks;
    uint32_t *returned; /* blocks that a choke took back */
    uint32_t returned_count;
    uint8_t *have; /* a byte a block */
};

enum stage {
    STAGE_CONNECTING,
    STAGE_HANDSHAKE,
    STAGE_MESSAGES,
};

struct peer {
    struct share *share;
    int fd;
    uint32_t serial;
    enum stage stage;
    bool choked;
    uint8_t head[HANDSHAKE_BYTES]; /* of the handshake, or of the message that is being read */
    size_t head_bytes;
    uint64_t skip;                           /* bytes of a message that nobody reads */
    uint64_t block_at;                       /* where the next byte of a block is in the payload */
    uint32_t block_left;                     /* bytes of a block that are still to come */
    uint32_t block;                          /* whose they are */
    uint32_t run_next, run_end;              /* of share->order: this connection's piece */
    uint32_t asked[WINDOW_MAX], asked_count; /* blocks */
    int64_t retry_at_ns;
};

struct receiver {
    int epoll;
    struct mapping payload;
    struct sockaddr_in to, from;
    bool from_set;
    uint32_t window;
    EVP_MD_CTX *hash; /* of all that comes, in the order of its coming; NULL: none */
    struct peer *peers;
    uint32_t peer_count;
    uint64_t left_blocks, payload_bytes, twice, wrong_bytes, calls, chokes, lost;
    int64_t first_request_ns, last_block_ns;
    uint8_t buffer[BUFFER_BYTES];
};

/* ---- which block next ------------------------------------------------------------------------- */

static bool next_block(struct peer *p, uint32_t *block)
{
    struct share *s = p->share;
    if (p->run_next == p->run_end && s->next < s->block_count) {
        p->run_next = s->next;
        s->next =
            s->next + s->piece_blocks < s->block_count ? s->next + s->piece_blocks : s->block_count;
        p->run_end = s->next;
    }
    if (p->run_next < p->run_end) {
        *block = s->order[p->run_next++];
        return true;
    }
    if (s->returned_count > 0) {
        *block = s->returned[--s->returned_count];
        return true;
    }
    return false;
}

/* Asks for more once half of the window is free. */
static void ask(struct receiver *r, struct peer *p)
{
    if (p->choked || p->asked_count > r->window / 2) {
        return;
    }
    uint8_t batch[WINDOW_MAX * REQUEST_BYTES];
    size_t bytes = 0;
    uint32_t block;
    while (p->asked_count < r->window && next_block(p, &block)) {
        const struct torrent *t = p->share->torrent;
        uint64_t at = (uint64_t)block * BLOCK_BYTES;
        uint32_t piece = (uint32_t)(at / t->piece_length),
                 offset = (uint32_t)(at % t->piece_length);
        make_request(batch + bytes, piece, offset, block_length(t, piece, offset));
        bytes += REQUEST_BYTES;
        p->asked[p->asked_count++] = block;
    }
    if (bytes > 0) {
        if (r->first_request_ns == 0) {
            r->first_request_ns = now_ns();
        }
        if (send(p->fd, batch, bytes, MSG_NOSIGNAL) != (ssize_t)bytes) {
            fail("receiver: send");
        }
    }
}

static void give_back(struct peer *p)
{
    struct share *s = p->share;
    while (p->asked_count > 0) {
        s->returned[s->returned_count++] = p->asked[--p->asked_count];
    }
    while (p->run_next < p->run_end) {
        s->returned[s->returned_count++] = s->order[p->run_next++];
    }
}

static void forget_asked(struct peer *p, uint32_t block)
{
    for (uint32_t i = 0; i < p->asked_count; i++) {
        if (p->asked[i] == block) {
            memmove(p->asked + i, p->asked + i + 1, (p->asked_count - i - 1) * sizeof(*p->asked));
            p->asked_count--;
            return;
        }
    }
}

/* ---- what comes ------------------------------------------------------------------------------- */

static void on_block_begin(struct receiver *r, struct peer *p, uint32_t length)
{
    const struct torrent *t = p->share->torrent;
    uint32_t piece = read32(p->head + 5), offset = read32(p->head + 9);
    uint64_t at = (uint64_t)piece * t->piece_length + offset;
    if (at + length > t->length || offset % BLOCK_BYTES != 0 ||
        length != block_length(t, piece, offset)) {
        errno = 0;
        fail("receiver: a block that was not asked for");
    }
    p->block = (uint32_t)(at / BLOCK_BYTES);
    p->block_at = t->offset + at;
    p->block_left = length;
    r->payload_bytes += length;
}

static void on_block_end(struct receiver *r, struct peer *p)
{
    forget_asked(p, p->block);
    r->last_block_ns = now_ns();
    if (p->share->have[p->block]) {
        r->twice++;
        return;
    }
    p->share->have[p->block] = 1;
    p->share->done++;
    r->left_blocks--;
}

static void on_message(struct receiver *r, struct peer *p)
{
    switch (p->head[4]) {
    case MESSAGE_CHOKE:
        r->chokes += !p->choked;
        p->choked = true;
        give_back(p);
        break;
    case MESSAGE_UNCHOKE:
        p->choked = false;
        break;
    default:
        break;
    }
}

/* Reads the head of a message: as much as tells what follows. Returns the bytes taken. */
static size_t take_head(struct receiver *r, struct peer *p, const uint8_t *bytes, size_t size)
{
    size_t wanted = p->stage == STAGE_HANDSHAKE ? HANDSHAKE_BYTES : 4;
    if (p->stage == STAGE_MESSAGES && p->head_bytes >= 4 && read32(p->head) > 0) {
        bool piece = p->head_bytes >= 5 && p->head[4] == MESSAGE_PIECE;
        wanted = piece ? HEAD_BYTES : 5;
    }
    size_t step = wanted - p->head_bytes < size ? wanted - p->head_bytes : size;
    memcpy(p->head + p->head_bytes, bytes, step);
    p->head_bytes += step;
    if (p->head_bytes < wanted) {
        return step;
    }
    if (p->stage == STAGE_HANDSHAKE) {
        if (memcmp(p->head + 28, p->share->torrent->info_hash, 20) != 0) {
            errno = 0;
            fail("receiver: another torrent's handshake");
        }
        p->stage = STAGE_MESSAGES;
        p->head_bytes = 0;
        uint8_t interested[5]; /* not before: some take nothing but a handshake first */
        make_header(interested, 0, MESSAGE_INTERESTED);
        send_fully(p->fd, interested, sizeof(interested));
    } else if (read32(p->head) == 0) {
        p->head_bytes = 0;
    } else if (wanted == HEAD_BYTES) {
        on_block_begin(r, p, read32(p->head) - 9);
        p->head_bytes = 0;
    } else if (wanted == 5 && p->head[4] != MESSAGE_PIECE) {
        on_message(r, p);
        p->skip = read32(p->head) - 1;
        p->head_bytes = 0;
    }
    return step;
}

static size_t take_block(struct receiver *r, struct peer *p, const uint8_t *bytes, size_t size)
{
    size_t step = p->block_left < size ? p->block_left : size;
    if (memcmp(bytes, r->payload.bytes + p->block_at, step) != 0) {
        r->wrong_bytes += step;
    }
    if (r->hash && EVP_DigestUpdate(r->hash, bytes, step) != 1) {
        fail("receiver: hash");
    }
    p->block_at += step;
    p->block_left -= (uint32_t)step;
    if (p->block_left == 0) {
        on_block_end(r, p);
    }
    return step;
}

static void take(struct receiver *r, struct peer *p, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        size_t step;
        if (p->block_left > 0) {
            step = take_block(r, p, bytes, size);
        } else if (p->skip > 0) {
            step = p->skip < size ? (size_t)p->skip : size;
            p->skip -= step;
        } else {
            step = take_head(r, p, bytes, size);
        }
        bytes += step;
        size -= step;
    }
}

/* ---- connections ------------------------------------------------------------------------------ */

static void dial(struct receiver *r, struct peer *p)
{
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    if (p->fd < 0 || setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0) {
        fail("receiver: socket");
    }
    if (r->from_set) {
        struct sockaddr_in from = ipv4_after(r->from, p->serial % 200);
        if (bind(p->fd, (struct sockaddr *)&from, sizeof(from)) < 0) {
            fail("receiver: bind");
        }
    }
    if (connect(p->fd, (struct sockaddr *)&r->to, sizeof(r->to)) < 0 && errno != EINPROGRESS &&
        errno != ECONNREFUSED) {
        fail("receiver: connect");
    }
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = p};
    if (epoll_ctl(r->epoll, EPOLL_CTL_ADD, p->fd, &event) < 0) {
        fail("receiver: epoll_ctl");
    }
    p->stage = STAGE_CONNECTING;
    p->choked = true;
    p->head_bytes = 0;
    p->skip = p->block_left = 0;
    p->retry_at_ns = 0;
}

/* Nobody listens yet, or the seeder does not know the torrent yet, or has no room for a peer. */
static void lost(struct receiver *r, struct peer *p)
{
    r->lost++;
    give_back(p);
    close(p->fd);
    p->fd = -1;
    p->retry_at_ns = now_ns() + RETRY_MS * INT64_C(1000000);
}

static void on_connected(struct receiver *r, struct peer *p)
{
    int error = 0;
    socklen_t size = sizeof(error);
    if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 || error != 0) {
        lost(r, p);
        return;
    }
    uint8_t hello[HANDSHAKE_BYTES];
    make_handshake(hello, p->share->torrent->info_hash, p->serial + 1);
    send_fully(p->fd, hello, sizeof(hello));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = p};
    epoll_ctl(r->epoll, EPOLL_CTL_MOD, p->fd, &event);
    p->stage = STAGE_HANDSHAKE;
}

static void receive(struct receiver *r, struct peer *p)
{
    if (p->fd < 0) {
        return;
    }
    if (p->stage == STAGE_CONNECTING) {
        on_connected(r, p);
        return;
    }
    for (;;) {
        ssize_t n = recv(p->fd, r->buffer, sizeof(r->buffer), MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) {
            break;
        }
        if (n <= 0) {
            lost(r, p);
            return;
        }
        r->calls++;
        take(r, p, r->buffer, (size_t)n);
        if ((size_t)n < sizeof(r->buffer)) {
            break;
        }
    }
    ask(r, p);
}

/* A few a turn: peers of their own would each send a handshake as soon as they are connected. True: there are more. */
static bool redial(struct receiver *r)
{
    int64_t now = now_ns();
    uint32_t count = 0;
    for (uint32_t i = 0; i < r->peer_count && count < DIALS_PER_TURN; i++) {
        if (r->peers[i].fd < 0 && now >= r->peers[i].retry_at_ns) {
            dial(r, &r->peers[i]);
            count++;
        }
    }
    return count == DIALS_PER_TURN;
}

/* ---- setting out ------------------------------------------------------------------------------ */

static void make_share(struct share *s, const struct torrent *t, uint32_t part, bool shuffle)
{
    *s = (struct share){.torrent = t};
    s->block_count = (uint32_t)((t->length + BLOCK_BYTES - 1) / BLOCK_BYTES);
    s->piece_blocks = t->piece_length / BLOCK_BYTES;
    s->order = calloc(s->block_count, sizeof(*s->order));
    s->returned = calloc(s->block_count, sizeof(*s->returned));
    s->have = calloc(s->block_count, 1);
    uint32_t *pieces = calloc(t->piece_count, sizeof(*pieces));
    if (s->order == NULL || s->returned == NULL || s->have == NULL || pieces == NULL) {
        fail("receiver: memory");
    }
    uint64_t dice = 88172645463325252u; /* xorshift: the same order every time */
    for (uint32_t i = 0; i < t->piece_count; i++) {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        uint32_t other = shuffle ? (uint32_t)(dice % (i + 1)) : i;
        pieces[i] = pieces[other];
        pieces[other] = i;
    }
    uint32_t at = 0;
    for (uint32_t i = 0; i < t->piece_count; i++) {
        for (uint32_t k = 0; k < s->piece_blocks; k++) {
            uint32_t block = pieces[i] * s->piece_blocks + k;
            if (block < s->block_count) {
                s->order[at++] = block;
            }
        }
    }
    free(pieces);
    s->block_count = s->block_count / part;
}

static void run(struct receiver *r, int64_t until_ns)
{
    int64_t redial_at = now_ns();
    while (r->left_blocks > 0 && now_ns() < until_ns) {
        struct epoll_event events[64];
        int count = epoll_wait(r->epoll, events, 64, RETRY_MS);
        for (int i = 0; i < count; i++) {
            receive(r, events[i].data.ptr);
        }
        if (now_ns() >= redial_at && !redial(r)) {
            redial_at = now_ns() + RETRY_MS * INT64_C(1000000);
        }
    }
}

static int report(const struct receiver *r)
{
    uint32_t connected = 0;
    for (uint32_t i = 0; i < r->peer_count; i++) {
        connected += r->peers[i].fd >= 0 && r->peers[i].stage == STAGE_MESSAGES;
    }
    printf("{\"connections\": %u, \"payload_bytes\": %llu, \"left_blocks\": %llu, \"wrong_bytes\": "
           "%llu, "
           "\"blocks_twice\": %llu, \"chokes\": %llu, \"lost\": %llu, \"calls\": %llu, "
           "\"first_request_ns\": %lld, \"last_block_ns\": %lld}\n",
           connected, (unsigned long long)r->payload_bytes, (unsigned long long)r->left_blocks,
           (unsigned long long)r->wrong_bytes, (unsigned long long)r->twice,
           (unsigned long long)r->chokes, (unsigned long long)r->lost, (unsigned long long)r->calls,
           (long long)r->first_request_ns, (long long)r->last_block_ns);
    if (r->wrong_bytes > 0) {
        return 3;
    }
    return r->left_blocks > 0 ? 4 : 0;
}

int main(int argc, char **argv)
{
    (void)argc;
    static struct receiver r;
    struct torrents torrents = read_torrents(option(argv, "torrents", NULL));
    r.epoll = epoll_create1(EPOLL_CLOEXEC);
    r.payload = map_file(option(argv, "payload", NULL));
    r.to = ipv4(option(argv, "address", NULL), (unsigned)option_number(argv, "port", 0));
    r.from_set = option_set(argv, "from");
    if (r.from_set) {
        r.from = ipv4(option(argv, "from", NULL), 0);
    }
    r.window = (uint32_t)option_number(argv, "window", 250);
    uint32_t connections = (uint32_t)option_number(argv, "connections", 1);
    r.peer_count = connections * (uint32_t)torrents.count;
    struct share *shares = calloc(torrents.count, sizeof(*shares));
    r.peers = calloc(r.peer_count, sizeof(*r.peers));
    if (option_set(argv, "hash")) {
        r.hash = EVP_MD_CTX_new();
        if (r.hash == NULL || EVP_DigestInit_ex(r.hash, EVP_sha1(), NULL) != 1) {
            fail("receiver: hash");
        }
    }
    if (r.window > WINDOW_MAX || shares == NULL || r.peers == NULL) {
        errno = 0;
        fail("receiver: too much");
    }
    for (uint32_t i = 0; i < r.peer_count; i++) {
        struct share *s = &shares[i / connections];
        if (i % connections == 0) {
            make_share(s, &torrents.list[i / connections], (uint32_t)option_number(argv, "part", 1),
                       option_set(argv, "shuffle"));
            r.left_blocks += s->block_count;
        }
        r.peers[i] = (struct peer){.share = s, .fd = -1, .serial = i};
    }
    run(&r, now_ns() + (int64_t)option_number(argv, "patience", 60) * 1000000000);
    return report(&r);
}
