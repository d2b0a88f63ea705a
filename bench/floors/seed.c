/* seed - the floor of the seeding rows: one thread that takes what requests have come and answers them all, three ways:
 *
 *   sendfile   two calls a block: its header (with more to follow), then sendfile from the file
 *   mapped     up to 64 headers and blocks a call, the blocks from a mapping of the file
 *   pread      a run is read into memory of its own first, then leaves as above
 *
 *   seed --torrents LIST --payload FILE --address A --port N --way sendfile|mapped|pread
 *
 * It says when it listens, serves one peer, which asks in order, and ends when that has left. */
#include "wire.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BATCH_BLOCKS = 64,
    INPUT_BYTES = 65536,
};

struct floor {
    const struct torrent *torrent;
    struct mapping payload;
    uint8_t *memory; /* of the way pread */
    int fd;
    void (*answer)(struct floor *, const uint8_t *requests, size_t count);
    uint8_t headers[BATCH_BLOCKS][PIECE_HEADER_BYTES];
    struct iovec parts[2 * BATCH_BLOCKS];
};

/* Where a requested block is in the payload; its header is made. */
static uint64_t locate(const struct floor *f, const uint8_t *request, uint8_t *header)
{
    uint32_t piece = read32(request + 5), offset = read32(request + 9),
             length = read32(request + 13);
    uint64_t at = (uint64_t)piece * f->torrent->piece_length + offset;
    if (request[4] != MESSAGE_REQUEST || length != BLOCK_BYTES ||
        at + length > f->torrent->length) {
        errno = 0;
        fail("floor: not a request that it can answer");
    }
    make_piece_header(header, piece, offset, length);
    return f->torrent->offset + at;
}

static void answer_sendfile(struct floor *f, const uint8_t *requests, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        off_t at = (off_t)locate(f, requests + i * REQUEST_BYTES, f->headers[0]);
        if (send(f->fd, f->headers[0], PIECE_HEADER_BYTES, MSG_MORE | MSG_NOSIGNAL) !=
            PIECE_HEADER_BYTES) {
            fail("floor: send");
        }
        for (size_t left = BLOCK_BYTES; left > 0;) {
            ssize_t n = sendfile(f->fd, f->payload.fd, &at, left);
            if (n <= 0) {
                fail("floor: sendfile");
            }
            left -= (size_t)n;
        }
    }
}

static void answer_mapped(struct floor *f, const uint8_t *requests, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t at = locate(f, requests + i * REQUEST_BYTES, f->headers[i]);
        f->parts[2 * i] = (struct iovec){f->headers[i], PIECE_HEADER_BYTES};
        f->parts[2 * i + 1] = (struct iovec){(uint8_t *)f->payload.bytes + at, BLOCK_BYTES};
    }
    send_parts(f->fd, f->parts, 2 * count);
}

static void answer_pread(struct floor *f, const uint8_t *requests, size_t count)
{
    for (size_t i = 0; i < count;) {
        size_t first = i;
        uint64_t from = locate(f, requests + i * REQUEST_BYTES, f->headers[i]);
        for (i++; i < count; i++) {
            if (locate(f, requests + i * REQUEST_BYTES, f->headers[i]) !=
                from + (i - first) * BLOCK_BYTES) {
                break;
            }
        }
        size_t bytes = (i - first) * BLOCK_BYTES;
        uint8_t *to = f->memory + first * BLOCK_BYTES;
        if (pread(f->payload.fd, to, bytes, (off_t)from) != (ssize_t)bytes) {
            fail("floor: read");
        }
    }
    for (size_t i = 0; i < count; i++) {
        f->parts[2 * i] = (struct iovec){f->headers[i], PIECE_HEADER_BYTES};
        f->parts[2 * i + 1] = (struct iovec){f->memory + i * BLOCK_BYTES, BLOCK_BYTES};
    }
    send_parts(f->fd, f->parts, 2 * count);
}

static void greet(struct floor *f)
{
    uint8_t hello[HANDSHAKE_BYTES];
    size_t bitfield_bytes;
    uint8_t *bitfield = make_full_bitfield(f->torrent, &bitfield_bytes);
    receive_fully(f->fd, hello, HANDSHAKE_BYTES);
    make_handshake(hello, f->torrent->info_hash, 1);
    send_fully(f->fd, hello, HANDSHAKE_BYTES);
    send_fully(f->fd, bitfield, bitfield_bytes);
    free(bitfield);
    receive_fully(f->fd, hello, 5);
    if (hello[4] != MESSAGE_INTERESTED) {
        errno = 0;
        fail("floor: interest was due");
    }
    make_header(hello, 0, MESSAGE_UNCHOKE);
    send_fully(f->fd, hello, 5);
}

static void serve(struct floor *f)
{
    uint8_t input[INPUT_BYTES];
    size_t held = 0;
    for (;;) {
        ssize_t n = recv(f->fd, input + held, sizeof(input) - held, 0);
        if (n <= 0) {
            return;
        }
        held += (size_t)n;
        size_t whole = held / REQUEST_BYTES, done = 0;
        while (done < whole) {
            size_t count = whole - done < BATCH_BLOCKS ? whole - done : BATCH_BLOCKS;
            f->answer(f, input + done * REQUEST_BYTES, count);
            done += count;
        }
        held -= done * REQUEST_BYTES;
        memmove(input, input + done * REQUEST_BYTES, held);
    }
}

int main(int argc, char **argv)
{
    (void)argc;
    static const struct {
        const char *name;
        void (*answer)(struct floor *, const uint8_t *, size_t);
    } ways[] = {{"sendfile", answer_sendfile}, {"mapped", answer_mapped}, {"pread", answer_pread}};
    struct torrents torrents = read_torrents(option(argv, "torrents", NULL));
    struct floor f = {.torrent = &torrents.list[0],
                      .payload = map_file(option(argv, "payload", NULL))};
    const char *way = option(argv, "way", NULL);
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        if (strcmp(ways[i].name, way) == 0) {
            f.answer = ways[i].answer;
        }
    }
    f.memory = aligned_alloc(4096, (size_t)BATCH_BLOCKS * BLOCK_BYTES);
    if (f.answer == NULL || f.memory == NULL) {
        errno = 0;
        fail("floor: no such way");
    }
    int door = listen_on(option(argv, "address", NULL), (unsigned)option_number(argv, "port", 0));
    puts("listening");
    fflush(stdout);
    f.fd = accept(door, NULL, NULL);
    int on = 1;
    if (f.fd < 0 || setsockopt(f.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0) {
        fail("floor: accept");
    }
    greet(&f);
    serve(&f);
    return 0;
}
