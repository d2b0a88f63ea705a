/* download - the floor of the download rows: the least a program can do that has a row's whole work to do. One thread
 * asks for blocks in order and receives, several blocks a call, each into its place in a piece; another advances the
 * piece's SHA-1 as its chunks arrive (one stream of OpenSSL) and writes the piece with one call once the hash is
 * right. There are no decisions: which block comes next is known, and whatever else arrives ends the program.
 *
 *   download --torrents LIST --address A --port N --out FILE [--have] [--no-hash] [--no-write]
 *
 * --have: the sender puts a HAVE before every block. Without hash and write it is the component "receive only". */
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CHUNK_BYTES = 256 * 1024, /* what is received before the other thread hears of it */
    CHUNK_BLOCKS = CHUNK_BYTES / BLOCK_BYTES,
    RING_CHUNKS = 32, /* 8 MiB */
    WINDOW_BLOCKS = 256,
    REQUEST_BATCH = 64,
    BEFORE_BYTES = HAVE_BYTES + PIECE_HEADER_BYTES,
};

struct floor {
    const struct torrent *torrent;
    int out;
    bool hash, write;
    uint8_t *ring;
    uint64_t chunk_count; /* of the torrent */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t received, finished; /* chunks */
};

/* ---- the thread that hashes and writes -------------------------------------------------------- */

static void finish_piece(struct floor *f, EVP_MD_CTX *context, uint64_t first_chunk, uint64_t bytes)
{
    uint64_t at = first_chunk * CHUNK_BYTES;
    uint64_t piece = at / f->torrent->piece_length;
    uint8_t digest[EVP_MAX_MD_SIZE];
    if (f->hash && (EVP_DigestFinal_ex(context, digest, NULL) != 1 ||
                    memcmp(digest, f->torrent->hashes + 20 * piece, 20) != 0)) {
        errno = 0;
        fail("floor: a piece is wrong");
    }
    const uint8_t *from = f->ring + first_chunk % RING_CHUNKS * CHUNK_BYTES;
    if (f->write && pwrite(f->out, from, bytes, (off_t)at) != (ssize_t)bytes) {
        fail("floor: write");
    }
}

static void *hash_and_write(void *argument)
{
    struct floor *f = argument;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    const EVP_MD *sha1 = EVP_sha1();
    uint64_t piece_chunks = f->torrent->piece_length / CHUNK_BYTES;
    for (uint64_t chunk = 0; chunk < f->chunk_count; chunk++) {
        pthread_mutex_lock(&f->lock);
        while (f->received == chunk) {
            pthread_cond_wait(&f->changed, &f->lock);
        }
        pthread_mutex_unlock(&f->lock);
        if (f->hash &&
            ((chunk % piece_chunks == 0 && EVP_DigestInit_ex(context, sha1, NULL) != 1) ||
             EVP_DigestUpdate(context, f->ring + chunk % RING_CHUNKS * CHUNK_BYTES, CHUNK_BYTES) !=
                 1)) {
            fail("floor: sha1");
        }
        if ((chunk + 1) % piece_chunks != 0) {
            continue;
        }
        finish_piece(f, context, chunk + 1 - piece_chunks, piece_chunks * CHUNK_BYTES);
        pthread_mutex_lock(&f->lock);
        f->finished = chunk + 1;
        pthread_cond_signal(&f->changed);
        pthread_mutex_unlock(&f->lock);
    }
    EVP_MD_CTX_free(context);
    return NULL;
}

/* ---- the thread that receives ----------------------------------------------------------------- */

static void greet(int fd, const struct torrent *t)
{
    uint8_t hello[HANDSHAKE_BYTES + 5];
    make_handshake(hello, t->info_hash, 1);
    make_header(hello + HANDSHAKE_BYTES, 0, MESSAGE_INTERESTED);
    send_fully(fd, hello, sizeof(hello));
    size_t bitfield_bytes;
    uint8_t *bitfield = make_full_bitfield(t, &bitfield_bytes);
    receive_fully(fd, hello, HANDSHAKE_BYTES);
    receive_fully(fd, bitfield, bitfield_bytes);
    free(bitfield);
    receive_fully(fd, hello, 5);
    if (hello[4] != MESSAGE_UNCHOKE) {
        errno = 0;
        fail("floor: an unchoke was due");
    }
}

static void request_batch(int fd, const struct torrent *t, uint64_t first, uint64_t count)
{
    uint8_t batch[REQUEST_BATCH * REQUEST_BYTES];
    for (uint64_t i = 0; i < count; i++) {
        uint64_t at = (first + i) * BLOCK_BYTES;
        make_request(batch + i * REQUEST_BYTES, (uint32_t)(at / t->piece_length),
                     (uint32_t)(at % t->piece_length), BLOCK_BYTES);
    }
    send_fully(fd, batch, count * REQUEST_BYTES);
}

static void receive_chunk(int fd, const struct floor *f, uint64_t chunk, size_t before)
{
    uint8_t headers[CHUNK_BLOCKS][BEFORE_BYTES];
    struct iovec parts[2 * CHUNK_BLOCKS], *first = parts;
    uint8_t *to = f->ring + chunk % RING_CHUNKS * CHUNK_BYTES;
    for (size_t i = 0; i < CHUNK_BLOCKS; i++) {
        parts[2 * i] = (struct iovec){headers[i], before};
        parts[2 * i + 1] = (struct iovec){to + i * BLOCK_BYTES, BLOCK_BYTES};
    }
    const struct iovec *end = parts + 2 * CHUNK_BLOCKS;
    while (first < end) {
        struct msghdr message = {.msg_iov = first, .msg_iovlen = (size_t)(end - first)};
        ssize_t n = recvmsg(fd, &message, MSG_WAITALL);
        if (n <= 0) {
            fail("floor: receive");
        }
        first = skip_parts(first, end, (size_t)n);
    }
    for (size_t i = 0; i < CHUNK_BLOCKS; i++) {
        uint64_t at = chunk * CHUNK_BYTES + i * BLOCK_BYTES;
        const uint8_t *header = headers[i] + before - PIECE_HEADER_BYTES;
        uint8_t due[PIECE_HEADER_BYTES];
        make_piece_header(due, (uint32_t)(at / f->torrent->piece_length),
                          (uint32_t)(at % f->torrent->piece_length), BLOCK_BYTES);
        if (memcmp(header, due, sizeof(due)) != 0) {
            errno = 0;
            fail("floor: not the answer that was due");
        }
    }
}

static void receive_all(struct floor *f, int fd, size_t before)
{
    uint64_t block_count = f->chunk_count * CHUNK_BLOCKS, requested = 0;
    for (uint64_t chunk = 0; chunk < f->chunk_count; chunk++) {
        uint64_t until = chunk * CHUNK_BLOCKS + WINDOW_BLOCKS;
        if (until > block_count) {
            until = block_count;
        }
        while (requested < until && (until - requested >= REQUEST_BATCH || until == block_count)) {
            uint64_t count = until - requested < REQUEST_BATCH ? until - requested : REQUEST_BATCH;
            request_batch(fd, f->torrent, requested, count);
            requested += count;
        }
        pthread_mutex_lock(&f->lock);
        while (chunk - f->finished >= RING_CHUNKS) {
            pthread_cond_wait(&f->changed, &f->lock);
        }
        pthread_mutex_unlock(&f->lock);
        receive_chunk(fd, f, chunk, before);
        pthread_mutex_lock(&f->lock);
        f->received = chunk + 1;
        pthread_cond_signal(&f->changed);
        pthread_mutex_unlock(&f->lock);
    }
}

int main(int argc, char **argv)
{
    (void)argc;
    struct torrents torrents = read_torrents(option(argv, "torrents", NULL));
    struct floor f = {.torrent = &torrents.list[0],
                      .hash = !option_set(argv, "no-hash"),
                      .write = !option_set(argv, "no-write"),
                      .lock = PTHREAD_MUTEX_INITIALIZER,
                      .changed = PTHREAD_COND_INITIALIZER};
    f.chunk_count = f.torrent->length / CHUNK_BYTES;
    if (torrents.count != 1 || f.torrent->length % f.torrent->piece_length != 0 ||
        f.torrent->piece_length % CHUNK_BYTES != 0 ||
        RING_CHUNKS * CHUNK_BYTES % f.torrent->piece_length != 0) {
        errno = 0;
        fail("floor: it wants one torrent of whole pieces of 256 KiB to 8 MiB");
    }
    f.ring = aligned_alloc(4096, (size_t)RING_CHUNKS * CHUNK_BYTES);
    f.out = open(option(argv, "out", NULL), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (f.ring == NULL || f.out < 0) {
        fail("floor: out");
    }
    int fd = connect_to(
        ipv4(option(argv, "address", NULL), (unsigned)option_number(argv, "port", 0)), 1000);
    greet(fd, f.torrent);
    pthread_t worker;
    if (pthread_create(&worker, NULL, hash_and_write, &f) != 0) {
        fail("floor: thread");
    }
    receive_all(&f, fd, option_set(argv, "have") ? BEFORE_BYTES : PIECE_HEADER_BYTES);
    pthread_join(worker, NULL);
    return 0;
}
