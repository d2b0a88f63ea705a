/* What workers do with a frame. SHA-1 of a piece (BEP 3) advances chunk by chunk over a state that the frame
 * keeps; blocks that were spilled are read back for it. A good piece is written in runs as long as its chunks
 * allow, without what lies on the disk already. */
#include "disk/hasher.h"

#include "base/plant.h"
#include <stdlib.h>

enum { GATHER_PARTS = 64 };

/* ---- reading back ---- */

/* The first run of ones in mask; false when there is none. */
static bool first_run(uint16_t mask, uint32_t *first, uint32_t *count)
{
    if (mask == 0) {
        return false;
    }
    *first = (uint32_t)__builtin_ctz(mask);
    *count = (uint32_t)__builtin_ctz(~((uint32_t)mask >> *first));
    return true;
}

static uint16_t run_mask(uint32_t first, uint32_t count)
{
    return (uint16_t)(((1u << count) - 1) << first);
}

/* Bytes from the first block of a run to its end, inside the chunk. */
static uint32_t run_bytes(const struct frame *f, uint32_t chunk, uint32_t first, uint32_t count)
{
    uint32_t end = (first + count) * BLOCK_BYTES, chunk_end = frame_chunk_bytes(f, chunk);
    return (end < chunk_end ? end : chunk_end) - first * BLOCK_BYTES;
}

/* Brings the chunk's blocks that are only on the disk into bytes. */
static int read_back(struct frame *f, struct io_fs *fs, uint32_t chunk, uint8_t *bytes)
{
    const struct chunk *c = &f->chunks[chunk];
    uint16_t missing = c->bytes ? (uint16_t)(c->disk & ~c->memory) : c->disk;
    uint32_t first, count;
    int rc = 0;
    while (rc == 0 && first_run(missing, &first, &count)) {
        uint64_t at = (uint64_t)chunk * LIMIT_FRAME_CHUNK_BYTES + first * BLOCK_BYTES;
        struct iovec v = {.iov_base = bytes + first * BLOCK_BYTES,
                          .iov_len = run_bytes(f, chunk, first, count)};
        rc = store_read_now(f->store, fs, f->offset + at, v.iov_len, &v, 1, &f->job_file);
        missing = (uint16_t)(missing & ~run_mask(first, count));
    }
    return rc;
}

/* Does something with the bytes of each of some chunks in order, reading back what is needed. */
static int for_chunks(struct frame *f, struct io_fs *fs, uint32_t from, uint32_t to,
                      void (*act)(struct frame *, uint32_t chunk, const uint8_t *bytes))
{
    uint8_t *spare = NULL;
    int rc = 0;
    for (uint32_t i = from; rc == 0 && i < to; i++) {
        uint8_t *bytes = f->chunks[i].bytes;
        if (!bytes && !spare) {
            spare = malloc(LIMIT_FRAME_CHUNK_BYTES);
        }
        bytes = bytes ? bytes : spare;
        rc = bytes ? read_back(f, fs, i, bytes) : SPATE_ENOMEM;
        if (rc == 0) {
            act(f, i, bytes);
        }
    }
    free(spare);
    return rc;
}

/* ---- hashing ---- */

static void hash_chunk(struct frame *f, uint32_t chunk, const uint8_t *bytes)
{
    sha1_update(&f->sha, bytes, frame_chunk_bytes(f, chunk));
}

/* Eight bytes tell two versions of a block apart well enough: it is we who compare. */
static void digest_chunk(struct frame *f, uint32_t chunk, const uint8_t *bytes)
{
    uint32_t size = frame_chunk_bytes(f, chunk);
    uint64_t *out = f->digests + (size_t)chunk * CHUNK_BLOCKS;
    for (uint32_t at = 0; at < size; at += BLOCK_BYTES) {
        uint8_t hash[SHA1_BYTES];
        uint32_t left = size - at;
        sha1_of(span_of(bytes + at, left < BLOCK_BYTES ? left : BLOCK_BYTES), hash);
        *out++ = load_be64(hash);
    }
}

static int digest_all(struct frame *f, struct io_fs *fs)
{
    f->digests = calloc(f->block_count, sizeof *f->digests);
    return f->digests ? for_chunks(f, fs, 0, f->chunk_count, digest_chunk) : SPATE_ENOMEM;
}

int hasher_run_hash(struct io_op *op, struct io_fs *fs)
{
    struct frame *f = list_entry(op, struct frame, op);
    return for_chunks(f, fs, f->hashed_chunks, f->job_end, hash_chunk);
}

/* ---- writing ---- */

/* Neighbouring bytes of the piece, gathered for one write. */
struct gather {
    struct frame *frame;
    struct io_fs *fs;
    uint64_t from, to; /* of the piece */
    struct iovec parts[GATHER_PARTS];
    int count;
};

static int gather_flush(struct gather *g)
{
    struct frame *f = g->frame;
    int rc = 0;
    if (PLANT(SWAP_BLOCKS) && g->count > 1) {
        struct iovec first = g->parts[0];
        g->parts[0] = g->parts[1];
        g->parts[1] = first;
    }
    if (g->count > 0) {
        rc = store_write_now(f->store, g->fs, f->offset + g->from, g->to - g->from, g->parts,
                             g->count, &f->job_file);
    }
    g->count = 0;
    return rc;
}

static int gather_add(struct gather *g, uint64_t at, uint8_t *bytes, uint32_t size)
{
    int rc = 0;
    if (g->count == GATHER_PARTS || (g->count > 0 && at != g->to)) {
        rc = gather_flush(g);
    }
    if (g->count == 0) {
        g->from = at;
    }
    g->parts[g->count++] = (struct iovec){.iov_base = bytes, .iov_len = size};
    g->to = at + size;
    return rc;
}

static int gather_blocks(struct gather *g, uint32_t chunk, uint16_t mask)
{
    struct frame *f = g->frame;
    uint32_t first, count;
    int rc = 0;
    while (rc == 0 && first_run(mask, &first, &count)) {
        rc = gather_add(g, (uint64_t)chunk * LIMIT_FRAME_CHUNK_BYTES + first * BLOCK_BYTES,
                        f->chunks[chunk].bytes + first * BLOCK_BYTES,
                        run_bytes(f, chunk, first, count));
        mask = (uint16_t)(mask & ~run_mask(first, count));
    }
    return rc;
}

int hasher_run_spill(struct io_op *op, struct io_fs *fs)
{
    struct frame *f = list_entry(op, struct frame, op);
    struct gather g = {.frame = f, .fs = fs};
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < f->chunk_count; i++) {
        rc = gather_blocks(&g, i, f->chunks[i].spill);
    }
    return rc == 0 ? gather_flush(&g) : rc;
}

int hasher_run_finish(struct io_op *op, struct io_fs *fs)
{
    struct frame *f = list_entry(op, struct frame, op);
    uint8_t hash[SHA1_BYTES];
    int rc = for_chunks(f, fs, f->hashed_chunks, f->chunk_count, hash_chunk);
    if (rc < 0) {
        return rc;
    }
    sha1_final(&f->sha, hash);
    f->good = memcmp(hash, f->expected, SHA1_BYTES) == 0 || PLANT(BAD_PIECE_GOOD);
    struct gather g = {.frame = f, .fs = fs};
    for (uint32_t i = 0; f->good && rc == 0 && i < f->chunk_count; i++) {
        const struct chunk *c = &f->chunks[i];
        rc = gather_blocks(&g, i, (uint16_t)(c->memory & ~c->disk));
    }
    if (rc == 0 && f->good) {
        rc = gather_flush(&g);
    }
    if (rc == 0 && (!f->good || f->want_digests)) {
        rc = digest_all(f, fs);
    }
    return rc;
}
