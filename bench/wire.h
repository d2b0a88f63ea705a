/* wire - what the floors and the fixed counterparts of the bench share: the handshake and the framing of
 * BEP 3, blocking and non-blocking sockets, the clock, files as mappings, command lines and the list of torrents. These
 * programs speak as little of the protocol as their counterpart needs; whatever fails ends the program. */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum {
    BLOCK_BYTES = 16384,
    HANDSHAKE_BYTES = 68,
    PIECE_HEADER_BYTES = 13, /* length, id, piece, offset */
    REQUEST_BYTES = 17,
    HAVE_BYTES = 9,
    CANCEL_BYTES = 17,
};

enum message_id {
    MESSAGE_CHOKE = 0,
    MESSAGE_UNCHOKE = 1,
    MESSAGE_INTERESTED = 2,
    MESSAGE_HAVE = 4,
    MESSAGE_BITFIELD = 5,
    MESSAGE_REQUEST = 6,
    MESSAGE_PIECE = 7,
    MESSAGE_CANCEL = 8,
    MESSAGE_EXTENDED = 20,
};

/* One torrent: a slice of the payload. */
struct torrent {
    uint8_t info_hash[20];
    uint64_t offset; /* of its first byte in the payload */
    uint64_t length;
    uint32_t piece_length;
    uint32_t piece_count;
    const uint8_t *hashes; /* 20 bytes a piece */
    const char *name;      /* of its only file */
};

struct torrents {
    struct torrent *list;
    size_t count;
};

/* A file that is mapped for reading, whole. */
struct mapping {
    const uint8_t *bytes;
    size_t size;
    int fd;
};

/* Prints a message (and errno's text) and ends the program with 2. */
_Noreturn void fail(const char *what);

int64_t now_ns(void); /* CLOCK_MONOTONIC, as Python's time.monotonic_ns() */
uint32_t read32(const uint8_t *bytes);
void write32(uint8_t *bytes, uint32_t value);

/* The text after "--name" among the arguments; fallback where it is absent (NULL: it must be there). */
const char *option(char **argv, const char *name, const char *fallback);
uint64_t option_number(char **argv, const char *name, uint64_t fallback);
bool option_set(char **argv, const char *name);

struct mapping map_file(const char *path);
void unmap_file(struct mapping mapping);
/* Lines of "info-hash offset length piece-length hashes name" in hexadecimal and decimal; the name is the rest. */
struct torrents read_torrents(const char *path);
const struct torrent *find_torrent(const struct torrents *torrents, const uint8_t *info_hash);
/* The bytes of one block; the last one of a torrent may be shorter. */
uint32_t block_length(const struct torrent *t, uint32_t piece, uint32_t offset);

struct sockaddr_in ipv4(const char *address, unsigned port);
/* The address n after another, at the same port. */
struct sockaddr_in ipv4_after(struct sockaddr_in first, uint32_t n);
int listen_on(const char *address, unsigned port);
/* Connects, again and again for patience_ms while nobody listens there. */
int connect_to(struct sockaddr_in to, int64_t patience_ms);
void send_fully(int fd, const void *bytes, size_t size);
void receive_fully(int fd, void *bytes, size_t size);
/* The first part of which something is left once so many bytes are done; it is cut by what is. */
struct iovec *skip_parts(struct iovec *first, const struct iovec *end, size_t bytes);
/* Sends everything of the parts, which it changes. */
void send_parts(int fd, struct iovec *parts, size_t count);

/* 68 bytes without any extension; serial tells one peer of this program from another. */
void make_handshake(uint8_t *out, const uint8_t *info_hash, uint32_t serial);
/* Header of a message with a body of the given size. */
void make_header(uint8_t *out, uint32_t body_bytes, enum message_id id);
void make_request(uint8_t *out, uint32_t piece, uint32_t offset, uint32_t length);
void make_piece_header(uint8_t *out, uint32_t piece, uint32_t offset, uint32_t length);
void make_have(uint8_t *out, uint32_t piece);
/* A bitfield message of a peer that has everything; *size is set, freed by the caller. */
uint8_t *make_full_bitfield(const struct torrent *t, size_t *size);

#endif
