/* many_seed - the floor of the seeding rows with many peers: one thread that greets whoever comes and answers all
 * requests that have come, two of the ways of the floor with one peer (seed.c):
 *
 *   sendfile   two calls a block: its header (with more to follow), then sendfile from the torrent's file
 *   mapped     up to 64 headers and blocks a call, the blocks from a mapping of the torrent's file
 *
 *   many_seed --torrents LIST --directory D --address A --port N --peers N --way sendfile|mapped
 *
 * A file is opened when the first peer names its torrent; the only one beforehand, as the floor with one peer does.
 * Whoever has named a torrent is unchoked. A socket that is full is left alone until it has room, and its peer's further
 * requests with it. It says when it listens, and ends when the given number of peers have come and gone. */
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BATCH_BLOCKS = 64,
    ANSWER_BYTES = PIECE_HEADER_BYTES + BLOCK_BYTES,
    INPUT_BYTES = 8192,
    EVENTS = 64,
};

struct link {
    int fd;
    const struct torrent *torrent; /* NULL before the handshake */
    const struct mapping *file;
    bool interested;
    uint8_t input[INPUT_BYTES]; /* the first request in it is the one that is being answered */
    size_t input_bytes;
    size_t sent; /* bytes of that answer */
};

struct floor {
    struct torrents torrents;
    const char *directory;
    struct mapping *files; /* of the torrents, once they are open */
    bool map;
    size_t (*answer)(const struct link *, size_t first, size_t count);
    int epoll;
    struct link *links;
    uint64_t come, gone;
};

/* Where a requested block is in its file; its header is made. */
static uint64_t locate(const struct link *l, size_t request, uint8_t *header)
{
    const uint8_t *bytes = l->input + request * REQUEST_BYTES;
    uint32_t piece = read32(bytes + 5), offset = read32(bytes + 9), length = read32(bytes + 13);
    uint64_t at = (uint64_t)piece * l->torrent->piece_length + offset;
    if (bytes[4] != MESSAGE_REQUEST || length != BLOCK_BYTES || at + length > l->torrent->length) {
        errno = 0;
        fail("floor: not a request that it can answer");
    }
    make_piece_header(header, piece, offset, length);
    return at;
}

/* Bytes that a call has sent: none where the socket is full. */
static size_t sent_by(ssize_t n)
{
    if (n < 0 && errno != EAGAIN) {
        fail("floor: send");
    }
    return n < 0 ? 0 : (size_t)n;
}

/* The ways: each answers requests from one on until the socket is full, and returns the bytes that it took. */
static size_t answer_sendfile(const struct link *l, size_t first, size_t count)
{
    size_t sent = l->sent;
    while (sent < count * ANSWER_BYTES) {
        uint8_t header[PIECE_HEADER_BYTES];
        size_t skip = sent % ANSWER_BYTES, n;
        off_t at = (off_t)locate(l, first + sent / ANSWER_BYTES, header);
        if (skip < PIECE_HEADER_BYTES) {
            n = sent_by(
                send(l->fd, header + skip, PIECE_HEADER_BYTES - skip, MSG_MORE | MSG_NOSIGNAL));
        } else {
            at += (off_t)(skip - PIECE_HEADER_BYTES);
            n = sent_by(sendfile(l->fd, l->file->fd, &at, ANSWER_BYTES - skip));
        }
        if (n == 0) {
            break;
        }
        sent += n;
    }
    return sent - l->sent;
}

static size_t answer_mapped(const struct link *l, size_t first, size_t count)
{
    uint8_t headers[BATCH_BLOCKS][PIECE_HEADER_BYTES];
    struct iovec parts[2 * BATCH_BLOCKS];
    for (size_t i = 0; i < count; i++) {
        uint64_t at = locate(l, first + i, headers[i]);
        parts[2 * i] = (struct iovec){headers[i], PIECE_HEADER_BYTES};
        parts[2 * i + 1] = (struct iovec){(uint8_t *)l->file->bytes + at, BLOCK_BYTES};
    }
    const struct iovec *end = parts + 2 * count;
    struct iovec *left = skip_parts(parts, end, l->sent);
    struct msghdr message = {.msg_iov = left, .msg_iovlen = (size_t)(end - left)};
    return sent_by(sendmsg(l->fd, &message, MSG_NOSIGNAL));
}

static void drop_input(struct link *l, size_t bytes)
{
    l->input_bytes -= bytes;
    memmove(l->input, l->input + bytes, l->input_bytes);
}

/* Answers the requests that have come; false: the socket is full, and epoll tells when it is not. */
static bool answer_all(const struct floor *f, struct link *l)
{
    size_t whole = l->interested ? l->input_bytes / REQUEST_BYTES : 0, done = 0;
    bool room = true;
    while (room && done < whole) {
        size_t count = whole - done < BATCH_BLOCKS ? whole - done : BATCH_BLOCKS;
        size_t bytes = l->sent + f->answer(l, done, count);
        done += bytes / ANSWER_BYTES;
        l->sent = bytes % ANSWER_BYTES;
        room = bytes == count * ANSWER_BYTES;
    }
    if (done > 0) {
        drop_input(l, done * REQUEST_BYTES);
    }
    return room;
}

static const struct mapping *open_file(struct floor *f, const struct torrent *t)
{
    struct mapping *file = &f->files[t - f->torrents.list];
    if (file->size == 0) {
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", f->directory, t->name);
        *file = f->map
                    ? map_file(path)
                    : (struct mapping){.fd = open(path, O_RDONLY | O_CLOEXEC), .size = t->length};
    }
    if (file->fd < 0) {
        fail("floor: file");
    }
    return file;
}

/* Takes a handshake, which is answered together with a bitfield and an unchoke, and later the interest. */
static void greet(struct floor *f, struct link *l)
{
    if (l->torrent == NULL && l->input_bytes >= HANDSHAKE_BYTES) {
        l->torrent = find_torrent(&f->torrents, l->input + 28);
        if (l->torrent == NULL) {
            errno = 0;
            fail("floor: an unknown torrent");
        }
        l->file = open_file(f, l->torrent);
        uint8_t hello[HANDSHAKE_BYTES], unchoke[5];
        make_handshake(hello, l->torrent->info_hash, (uint32_t)f->come);
        size_t bitfield_bytes;
        uint8_t *bitfield = make_full_bitfield(l->torrent, &bitfield_bytes);
        make_header(unchoke, 0, MESSAGE_UNCHOKE);
        struct iovec parts[] = {{hello, sizeof(hello)}, {bitfield, bitfield_bytes}, {unchoke, 5}};
        send_parts(l->fd, parts, 3);
        free(bitfield);
        drop_input(l, HANDSHAKE_BYTES);
    }
    if (l->torrent != NULL && l->input_bytes >= 5) {
        if (l->input[4] != MESSAGE_INTERESTED) {
            errno = 0;
            fail("floor: interest was due");
        }
        l->interested = true;
        drop_input(l, 5);
    }
}

static void serve(struct floor *f, struct link *l)
{
    bool more = true;
    while (answer_all(f, l) && more) {
        size_t space = INPUT_BYTES - l->input_bytes;
        ssize_t n = recv(l->fd, l->input + l->input_bytes, space, 0);
        if (n < 0 && errno == EAGAIN) {
            return;
        }
        if (n <= 0) {
            close(l->fd);
            f->gone++;
            return;
        }
        l->input_bytes += (size_t)n;
        if (!l->interested) {
            greet(f, l);
        }
        more =
            (size_t)n == space; /* with less there is nothing more, and epoll tells of what comes */
    }
}

static void welcome(struct floor *f, int door, uint64_t peers)
{
    while (f->come < peers) {
        struct link *l = &f->links[f->come];
        l->fd = accept4(door, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (l->fd < 0 && errno == EAGAIN) {
            return;
        }
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = l};
        if (l->fd < 0 || epoll_ctl(f->epoll, EPOLL_CTL_ADD, l->fd, &event) < 0) {
            fail("floor: accept");
        }
        f->come++;
    }
}

int main(int argc, char **argv)
{
    (void)argc;
    struct floor f = {.torrents = read_torrents(option(argv, "torrents", NULL)),
                      .directory = option(argv, "directory", NULL),
                      .epoll = epoll_create1(EPOLL_CLOEXEC)};
    const char *way = option(argv, "way", NULL);
    f.map = strcmp(way, "mapped") == 0;
    f.answer = f.map ? answer_mapped : answer_sendfile;
    uint64_t peers = option_number(argv, "peers", 1);
    f.files = calloc(f.torrents.count, sizeof(*f.files));
    f.links = calloc(peers, sizeof(*f.links));
    if (f.files == NULL || f.links == NULL || (!f.map && strcmp(way, "sendfile") != 0)) {
        errno = 0;
        fail("floor: no such way");
    }
    if (f.torrents.count == 1) {
        open_file(&f, f.torrents.list);
    }
    int door = listen_on(option(argv, "address", NULL), (unsigned)option_number(argv, "port", 0));
    int on = 1; /* those who come inherit it */
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    if (setsockopt(door, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 ||
        fcntl(door, F_SETFL, O_NONBLOCK) < 0 ||
        epoll_ctl(f.epoll, EPOLL_CTL_ADD, door, &event) < 0) {
        fail("floor: listen");
    }
    puts("listening");
    fflush(stdout);
    while (f.gone < peers) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(f.epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == NULL) {
                welcome(&f, door, peers);
            } else {
                serve(&f, events[i].data.ptr);
            }
        }
    }
    return 0;
}
