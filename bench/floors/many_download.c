/* many_download - the floor of the download rows with many peers: any number of torrents, cut alike, with the same
 * number of connections each. Everything is decided beforehand: the blocks of all torrents are one sequence of runs of
 * up to 16, and connection k of the K of a torrent fetches its runs k, k + K, k + 2 K and so on. All connections are
 * opened and greeted first; then each run is asked for, in that order, as soon as there is memory for its piece. One
 * thread asks and receives, a run a call, each block into its place in a piece; another takes the pieces in order,
 * hashes each with one stream of OpenSSL and writes it with one call into the file of its torrent.
 *
 *   many_download --torrents LIST --address A --port N --connections K --out DIRECTORY
 *
 * Connection k goes to the k-th address from A on; after 200 they come round. */
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    RUN_BLOCKS = 16,
    ANSWER_BYTES = PIECE_HEADER_BYTES + BLOCK_BYTES,
    RING_BYTES = 64 * 1024 * 1024, /* a run each for more than 200 connections */
    ADDRESSES = 200,
    EVENTS = 64,
};

struct link {
    int fd;
    uint32_t torrent, run; /* which comes next */
    size_t got;            /* bytes of it */
    size_t awaited;        /* the socket is readable when there are so many */
    uint8_t headers[RUN_BLOCKS][PIECE_HEADER_BYTES];
};

struct floor {
    struct torrents torrents;
    uint32_t connections;                              /* a torrent */
    uint32_t blocks, pieces, piece_blocks, run_blocks; /* a torrent, a piece, a run */
    struct link *links;
    int epoll, out;
    uint8_t *ring;
    uint32_t slots;                /* of the ring, for a piece each */
    uint32_t ask_torrent, ask_run; /* which is asked for next */
    uint64_t asked, received;      /* runs */
    uint32_t *left;                /* blocks that the piece in a slot has still to get */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool *whole;       /* whether the piece in a slot has them all */
    uint64_t finished; /* pieces, of all torrents */
};

/* How many blocks there are from one on, up to a limit. */
static uint32_t blocks_from(const struct floor *f, uint32_t block, uint32_t limit)
{
    return f->blocks - block < limit ? f->blocks - block : limit;
}

static uint64_t piece_number(const struct floor *f, uint32_t torrent, uint32_t block)
{
    return (uint64_t)torrent * f->pieces + block / f->piece_blocks;
}

static uint8_t *place_of(const struct floor *f, uint32_t torrent, uint32_t block)
{
    uint64_t slot = piece_number(f, torrent, block) % f->slots;
    return f->ring + (slot * f->piece_blocks + block % f->piece_blocks) * BLOCK_BYTES;
}

/* ---- the thread that hashes and writes -------------------------------------------------------- */

static void finish_piece(const struct floor *f, EVP_MD_CTX *context, uint32_t torrent,
                         uint32_t piece, int file)
{
    uint32_t block = piece * f->piece_blocks;
    const uint8_t *from = place_of(f, torrent, block);
    size_t bytes = (size_t)blocks_from(f, block, f->piece_blocks) * BLOCK_BYTES;
    uint8_t digest[EVP_MAX_MD_SIZE];
    if (EVP_DigestInit_ex(context, EVP_sha1(), NULL) != 1 ||
        EVP_DigestUpdate(context, from, bytes) != 1 ||
        EVP_DigestFinal_ex(context, digest, NULL) != 1 ||
        memcmp(digest, f->torrents.list[torrent].hashes + 20 * (size_t)piece, 20) != 0) {
        errno = 0;
        fail("floor: a piece is wrong");
    }
    if (pwrite(file, from, bytes, (off_t)block * BLOCK_BYTES) != (ssize_t)bytes) {
        fail("floor: write");
    }
}

static void finish_torrent(struct floor *f, EVP_MD_CTX *context, uint32_t torrent)
{
    int file = openat(f->out, f->torrents.list[torrent].name,
                      O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file < 0) {
        fail("floor: out");
    }
    for (uint32_t piece = 0; piece < f->pieces; piece++) {
        uint64_t slot = piece_number(f, torrent, piece * f->piece_blocks) % f->slots;
        pthread_mutex_lock(&f->lock);
        while (!f->whole[slot]) {
            pthread_cond_wait(&f->changed, &f->lock);
        }
        f->whole[slot] = false;
        pthread_mutex_unlock(&f->lock);
        finish_piece(f, context, torrent, piece, file);
        pthread_mutex_lock(&f->lock);
        f->finished++;
        pthread_cond_signal(&f->changed);
        pthread_mutex_unlock(&f->lock);
    }
    close(file);
}

static void *hash_and_write(void *argument)
{
    struct floor *f = argument;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    for (uint32_t torrent = 0; torrent < f->torrents.count; torrent++) {
        finish_torrent(f, context, torrent);
    }
    EVP_MD_CTX_free(context);
    return NULL;
}

/* ---- the thread that asks and receives -------------------------------------------------------- */

static void open_links(struct floor *f, struct sockaddr_in to)
{
    struct link *l = f->links;
    uint8_t hello[HANDSHAKE_BYTES + 5];
    for (uint32_t i = 0; i < f->torrents.count * f->connections; i++, l++) {
        l->torrent = i / f->connections;
        l->run = i % f->connections;
        l->fd = connect_to(ipv4_after(to, l->run % ADDRESSES), 1000);
        make_handshake(hello, f->torrents.list[l->torrent].info_hash, i + 1);
        make_header(hello + HANDSHAKE_BYTES, 0, MESSAGE_INTERESTED);
        send_fully(l->fd, hello, sizeof(hello));
    }
}

/* Takes the handshakes, the bitfields and the unchokes. */
static void greet_links(struct floor *f)
{
    size_t bitfield_bytes;
    uint8_t *bitfield = make_full_bitfield(&f->torrents.list[0], &bitfield_bytes);
    size_t bytes = HANDSHAKE_BYTES + bitfield_bytes + 5;
    uint8_t *greeting = malloc(bytes);
    if (greeting == NULL) {
        fail("floor: greeting");
    }
    struct link *l = f->links;
    for (uint32_t i = 0; i < f->torrents.count * f->connections; i++, l++) {
        receive_fully(l->fd, greeting, bytes);
        if (memcmp(greeting + HANDSHAKE_BYTES, bitfield, bitfield_bytes) != 0 ||
            greeting[bytes - 1] != MESSAGE_UNCHOKE) {
            errno = 0;
            fail("floor: a seeder's greeting was due");
        }
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = l};
        if (epoll_ctl(f->epoll, EPOLL_CTL_ADD, l->fd, &event) < 0) {
            fail("floor: epoll_ctl");
        }
    }
    free(bitfield);
    free(greeting);
}

/* The socket wakes nobody before so much is there. */
static void await(struct link *l, size_t bytes)
{
    int value = (int)bytes;
    if (l->awaited != bytes &&
        setsockopt(l->fd, SOL_SOCKET, SO_RCVLOWAT, &value, sizeof(value)) < 0) {
        fail("floor: SO_RCVLOWAT");
    }
    l->awaited = bytes;
}

static void ask_run(struct floor *f, uint32_t torrent, uint32_t run)
{
    struct link *l = &f->links[torrent * f->connections + run % f->connections];
    uint32_t first = run * f->run_blocks, count = blocks_from(f, first, f->run_blocks);
    uint8_t batch[RUN_BLOCKS * REQUEST_BYTES];
    for (uint32_t i = 0; i < count; i++) {
        make_request(batch + (size_t)i * REQUEST_BYTES, (first + i) / f->piece_blocks,
                     (first + i) % f->piece_blocks * BLOCK_BYTES, BLOCK_BYTES);
    }
    if (first % f->piece_blocks == 0) {
        f->left[piece_number(f, torrent, first) % f->slots] =
            blocks_from(f, first, f->piece_blocks);
    }
    if (l->run == run) {
        await(l, (size_t)count * ANSWER_BYTES);
    }
    send_fully(l->fd, batch, (size_t)count * REQUEST_BYTES);
    f->asked++;
}

static void ask(struct floor *f, uint64_t finished)
{
    while (f->ask_torrent < f->torrents.count &&
           piece_number(f, f->ask_torrent, f->ask_run * f->run_blocks) < finished + f->slots) {
        ask_run(f, f->ask_torrent, f->ask_run++);
        if (f->ask_run * f->run_blocks >= f->blocks) {
            f->ask_torrent++;
            f->ask_run = 0;
        }
    }
}

static void take_run(struct floor *f, struct link *l, uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint8_t due[PIECE_HEADER_BYTES];
        make_piece_header(due, (first + i) / f->piece_blocks,
                          (first + i) % f->piece_blocks * BLOCK_BYTES, BLOCK_BYTES);
        if (memcmp(l->headers[i], due, sizeof(due)) != 0) {
            errno = 0;
            fail("floor: not the answer that was due");
        }
    }
    uint64_t slot = piece_number(f, l->torrent, first) % f->slots;
    f->left[slot] -= count;
    if (f->left[slot] == 0) {
        pthread_mutex_lock(&f->lock);
        f->whole[slot] = true;
        pthread_cond_signal(&f->changed);
        pthread_mutex_unlock(&f->lock);
    }
    f->received++;
    l->got = 0;
    l->run += f->connections;
}

static void receive(struct floor *f, struct link *l)
{
    uint32_t first = l->run * f->run_blocks, count = blocks_from(f, first, f->run_blocks);
    uint8_t *to = place_of(f, l->torrent, first);
    struct iovec parts[2 * RUN_BLOCKS];
    for (uint32_t i = 0; i < count; i++) {
        parts[2 * i] = (struct iovec){l->headers[i], PIECE_HEADER_BYTES};
        parts[2 * i + 1] = (struct iovec){to + (size_t)i * BLOCK_BYTES, BLOCK_BYTES};
    }
    const struct iovec *end = parts + (size_t)2 * count;
    struct iovec *left = skip_parts(parts, end, l->got);
    struct msghdr message = {.msg_iov = left, .msg_iovlen = (size_t)(end - left)};
    ssize_t n = recvmsg(l->fd, &message, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) {
        return;
    }
    if (n <= 0) {
        fail("floor: receive");
    }
    l->got += (size_t)n;
    if (l->got == (size_t)count * ANSWER_BYTES) {
        take_run(f, l, first, count);
        first = l->run * f->run_blocks;
        count = first < f->blocks ? blocks_from(f, first, f->run_blocks) : count;
    }
    await(l, (size_t)count * ANSWER_BYTES - l->got);
}

static void receive_all(struct floor *f)
{
    while (f->ask_torrent < f->torrents.count || f->received < f->asked) {
        pthread_mutex_lock(&f->lock);
        while (f->received == f->asked &&
               piece_number(f, f->ask_torrent, f->ask_run * f->run_blocks) >=
                   f->finished + f->slots) {
            pthread_cond_wait(&f->changed, &f->lock);
        }
        uint64_t finished = f->finished;
        pthread_mutex_unlock(&f->lock);
        ask(f, finished);
        struct epoll_event events[EVENTS];
        int count = epoll_wait(f->epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            receive(f, events[i].data.ptr);
        }
    }
}

/* ---- setting out ------------------------------------------------------------------------------ */

static void plan(struct floor *f)
{
    const struct torrent *t = &f->torrents.list[0];
    f->blocks = (uint32_t)(t->length / BLOCK_BYTES);
    f->pieces = t->piece_count;
    f->piece_blocks = t->piece_length / BLOCK_BYTES;
    f->slots = RING_BYTES / t->piece_length;
    for (size_t i = 0; i < f->torrents.count; i++, t++) {
        if (t->length != (uint64_t)f->blocks * BLOCK_BYTES ||
            t->piece_length != f->piece_blocks * BLOCK_BYTES || f->slots < 2 ||
            (f->piece_blocks & (f->piece_blocks - 1)) != 0) {
            errno = 0;
            fail("floor: it wants torrents of one size, whole blocks, and pieces up to 32 MiB");
        }
    }
    f->run_blocks = RUN_BLOCKS;
    while (f->run_blocks > 1 &&
           (f->run_blocks > f->piece_blocks || f->run_blocks * f->connections > f->blocks)) {
        f->run_blocks /= 2; /* so that everybody has something, and no run goes beyond its piece */
    }
    f->ring = aligned_alloc(4096, RING_BYTES);
    f->left = calloc(f->slots, sizeof(*f->left));
    f->whole = calloc(f->slots, sizeof(*f->whole));
    f->links = calloc(f->torrents.count * f->connections, sizeof(*f->links));
    if (f->ring == NULL || f->left == NULL || f->whole == NULL || f->links == NULL) {
        fail("floor: memory");
    }
}

int main(int argc, char **argv)
{
    (void)argc;
    struct floor f = {.torrents = read_torrents(option(argv, "torrents", NULL)),
                      .connections = (uint32_t)option_number(argv, "connections", 1),
                      .epoll = epoll_create1(EPOLL_CLOEXEC),
                      .out = open(option(argv, "out", NULL), O_RDONLY | O_DIRECTORY | O_CLOEXEC),
                      .lock = PTHREAD_MUTEX_INITIALIZER,
                      .changed = PTHREAD_COND_INITIALIZER};
    if (f.epoll < 0 || f.out < 0) {
        fail("floor: out");
    }
    plan(&f);
    open_links(&f, ipv4(option(argv, "address", NULL), (unsigned)option_number(argv, "port", 0)));
    greet_links(&f);
    pthread_t worker;
    if (pthread_create(&worker, NULL, hash_and_write, &f) != 0) {
        fail("floor: thread");
    }
    receive_all(&f);
    pthread_join(worker, NULL);
    return 0;
}
