/* See wire.h. */
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

_Noreturn void fail(const char *what)
{
    int error = errno;
    fprintf(stderr, "%s%s%s\n", what, error != 0 ? ": " : "", error != 0 ? strerror(error) : "");
    exit(2);
}

int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

uint32_t read32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

void write32(uint8_t *bytes, uint32_t value)
{
    bytes[0] = (uint8_t)(value >> 24);
    bytes[1] = (uint8_t)(value >> 16);
    bytes[2] = (uint8_t)(value >> 8);
    bytes[3] = (uint8_t)value;
}

/* ---- the command line ------------------------------------------------------------------------- */

static char **find_option(char **argv, const char *name)
{
    for (char **word = argv + 1; *word != NULL; word++) {
        if (strncmp(*word, "--", 2) == 0 && strcmp(*word + 2, name) == 0) {
            return word;
        }
    }
    return NULL;
}

const char *option(char **argv, const char *name, const char *fallback)
{
    char **found = find_option(argv, name);
    if (found != NULL && found[1] != NULL) {
        return found[1];
    }
    if (fallback == NULL) {
        errno = 0;
        fprintf(stderr, "%s: --%s is missing\n", argv[0], name);
        exit(2);
    }
    return fallback;
}

uint64_t option_number(char **argv, const char *name, uint64_t fallback)
{
    const char *text = option(argv, name, "");
    return *text != 0 ? strtoull(text, NULL, 10) : fallback;
}

bool option_set(char **argv, const char *name)
{
    return find_option(argv, name) != NULL;
}

/* ---- files ------------------------------------------------------------------------------------ */

struct mapping map_file(const char *path)
{
    struct mapping mapping = {.fd = open(path, O_RDONLY | O_CLOEXEC)};
    struct stat status;
    if (mapping.fd < 0 || fstat(mapping.fd, &status) < 0) {
        fail(path);
    }
    mapping.size = (size_t)status.st_size;
    void *bytes = mmap(NULL, mapping.size, PROT_READ, MAP_SHARED | MAP_POPULATE, mapping.fd, 0);
    if (bytes == MAP_FAILED) {
        fail(path);
    }
    mapping.bytes = bytes;
    return mapping;
}

void unmap_file(struct mapping mapping)
{
    munmap((void *)(uintptr_t)mapping.bytes, mapping.size);
    close(mapping.fd);
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void read_hex(const char *text, uint8_t *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int high = digit(text[2 * i]), low = high < 0 ? -1 : digit(text[2 * i + 1]);
        if (low < 0) {
            errno = 0;
            fail("bad hexadecimal digits in the list of torrents");
        }
        out[i] = (uint8_t)(high << 4 | low);
    }
}

struct torrents read_torrents(const char *path)
{
    struct torrents torrents = {0};
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        fail(path);
    }
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, file) > 0) {
        unsigned long long offset, length;
        unsigned piece_length;
        int hashes_at = 0;
        if (sscanf(line, "%*40s %llu %llu %u %n", &offset, &length, &piece_length, &hashes_at) !=
                3 ||
            piece_length == 0 || hashes_at == 0) {
            errno = 0;
            fail("bad line in the list of torrents");
        }
        torrents.list = realloc(torrents.list, (torrents.count + 1) * sizeof(*torrents.list));
        if (torrents.list == NULL) {
            fail("torrents");
        }
        struct torrent *t = &torrents.list[torrents.count++];
        *t = (struct torrent){.offset = offset, .length = length, .piece_length = piece_length};
        t->piece_count = (uint32_t)((length + piece_length - 1) / piece_length);
        read_hex(line, t->info_hash, sizeof(t->info_hash));
        uint8_t *hashes = malloc((size_t)t->piece_count * 20);
        if (hashes == NULL) {
            fail("hashes");
        }
        read_hex(line + hashes_at, hashes, (size_t)t->piece_count * 20);
        t->hashes = hashes;
        const char *name = line + hashes_at + (size_t)t->piece_count * 40;
        name += strspn(name, " ");
        t->name = strndup(name, strcspn(name, "\n"));
        if (t->name == NULL) {
            fail("name");
        }
    }
    free(line);
    fclose(file);
    return torrents;
}

const struct torrent *find_torrent(const struct torrents *torrents, const uint8_t *info_hash)
{
    for (size_t i = 0; i < torrents->count; i++) {
        if (memcmp(torrents->list[i].info_hash, info_hash, 20) == 0) {
            return &torrents->list[i];
        }
    }
    return NULL;
}

uint32_t block_length(const struct torrent *t, uint32_t piece, uint32_t offset)
{
    uint64_t at = (uint64_t)piece * t->piece_length + offset;
    uint64_t left = t->length - at;
    return left < BLOCK_BYTES ? (uint32_t)left : BLOCK_BYTES;
}

/* ---- sockets ---------------------------------------------------------------------------------- */

struct sockaddr_in ipv4(const char *address, unsigned port)
{
    struct sockaddr_in out = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, address, &out.sin_addr) != 1) {
        errno = 0;
        fail(address);
    }
    return out;
}

struct sockaddr_in ipv4_after(struct sockaddr_in first, uint32_t n)
{
    first.sin_addr.s_addr = htonl(ntohl(first.sin_addr.s_addr) + n);
    return first;
}

int listen_on(const char *address, unsigned port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = ipv4(address, port);
    int on = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0 || listen(fd, 4096) < 0) {
        fail("listen");
    }
    return fd;
}

int connect_to(struct sockaddr_in to, int64_t patience_ms)
{
    int64_t until = now_ns() + patience_ms * 1000000;
    for (;;) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0) {
            fail("socket");
        }
        if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0) {
            int on = 1;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
            return fd;
        }
        if (errno != ECONNREFUSED || now_ns() > until) {
            fail("connect");
        }
        close(fd);
        usleep(2000);
    }
}

void send_fully(int fd, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    while (size > 0) {
        ssize_t n = send(fd, at, size, MSG_NOSIGNAL);
        if (n < 0) {
            fail("send");
        }
        at += n;
        size -= (size_t)n;
    }
}

void receive_fully(int fd, void *bytes, size_t size)
{
    uint8_t *at = bytes;
    while (size > 0) {
        ssize_t n = recv(fd, at, size, MSG_WAITALL);
        if (n <= 0) {
            fail("receive");
        }
        at += n;
        size -= (size_t)n;
    }
}

struct iovec *skip_parts(struct iovec *first, const struct iovec *end, size_t bytes)
{
    while (first < end && bytes >= first->iov_len) {
        bytes -= first->iov_len;
        first++;
    }
    if (first < end) {
        first->iov_base = (uint8_t *)first->iov_base + bytes;
        first->iov_len -= bytes;
    }
    return first;
}

void send_parts(int fd, struct iovec *parts, size_t count)
{
    const struct iovec *end = parts + count;
    while (parts < end) {
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t)(end - parts)};
        ssize_t n = sendmsg(fd, &message, MSG_NOSIGNAL);
        if (n < 0) {
            fail("send");
        }
        parts = skip_parts(parts, end, (size_t)n);
    }
}

/* ---- messages --------------------------------------------------------------------------------- */

void make_handshake(uint8_t *out, const uint8_t *info_hash, uint32_t serial)
{
    memset(out, 0, HANDSHAKE_BYTES);
    out[0] = 19;
    memcpy(out + 1, "BitTorrent protocol", 19);
    memcpy(out + 28, info_hash, 20);
    char id[21];
    snprintf(id, sizeof(id), "-BE0001-%012u", serial);
    memcpy(out + 48, id, 20);
}

void make_header(uint8_t *out, uint32_t body_bytes, enum message_id id)
{
    write32(out, body_bytes + 1);
    out[4] = (uint8_t)id;
}

void make_request(uint8_t *out, uint32_t piece, uint32_t offset, uint32_t length)
{
    make_header(out, 12, MESSAGE_REQUEST);
    write32(out + 5, piece);
    write32(out + 9, offset);
    write32(out + 13, length);
}

void make_piece_header(uint8_t *out, uint32_t piece, uint32_t offset, uint32_t length)
{
    make_header(out, 8 + length, MESSAGE_PIECE);
    write32(out + 5, piece);
    write32(out + 9, offset);
}

void make_have(uint8_t *out, uint32_t piece)
{
    make_header(out, 4, MESSAGE_HAVE);
    write32(out + 5, piece);
}

uint8_t *make_full_bitfield(const struct torrent *t, size_t *size)
{
    size_t bytes = (t->piece_count + 7) / 8;
    *size = 5 + bytes;
    uint8_t *out = malloc(*size);
    if (out == NULL) {
        fail("bitfield");
    }
    make_header(out, (uint32_t)bytes, MESSAGE_BITFIELD);
    memset(out + 5, 0xff, bytes);
    if (t->piece_count % 8 != 0) {
        out[*size - 1] = (uint8_t)(0xff << (8 - t->piece_count % 8));
    }
    return out;
}
