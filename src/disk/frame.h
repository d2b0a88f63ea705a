/* A piece in flight: its chunks, which blocks are where, and the one job that works on it. Fields are the
 * loop's, but for what a job reads and writes while it runs: then the chunks of the job are its own. */
#ifndef DISK_FRAME_H
#define DISK_FRAME_H

#include "base/limits.h"
#include "crypto/sha.h"
#include "disk/assembly.h"

enum { CHUNK_BLOCKS = LIMIT_FRAME_CHUNK_BYTES / BLOCK_BYTES };

/* Masks have one bit a block, the first block in the lowest bit. */
struct chunk {
    uint8_t *bytes; /* NULL: no memory */
    uint16_t lent;
    uint16_t memory; /* received, and in bytes */
    uint16_t disk;   /* written to its final place, or padding, which the store reads as zeroes */
    uint16_t spill;  /* being written by the job */
};

enum frame_job {
    FRAME_IDLE,
    FRAME_HASH,   /* some complete chunks, in order */
    FRAME_FINISH, /* the rest of them, the verdict, and the write of a good piece */
    FRAME_SPILL,
};

enum frame_verdict { FRAME_OPEN, FRAME_WRITTEN, FRAME_FAILED, FRAME_BROKEN };

struct frame {
    struct assembly *assembly;
    struct list lru;   /* in frames->lru */
    struct list event; /* in assembly->events, while there is one */
    uint32_t piece;
    uint32_t length; /* bytes */
    uint32_t block_count, chunk_count;
    uint32_t have_blocks;    /* in memory or on the disk */
    uint32_t padding_blocks; /* of these: there from the start (BEP 47) */
    uint32_t lent_blocks;
    uint32_t hashed_chunks; /* from the front, in sha */
    uint64_t memory_bytes;
    uint64_t leaving_bytes; /* of these; counted in frames->leaving_bytes */
    bool want_digests;
    bool dropped; /* waits for its job or its lent slots, then goes */
    enum frame_verdict verdict;
    int error;
    uint32_t error_file;
    uint64_t *digests; /* one a block; NULL: none */

    /* The job's. */
    struct io_op op;
    enum frame_job job;
    struct store *store;
    const uint8_t *expected; /* hash of the piece */
    uint64_t offset;         /* of the piece in the torrent */
    uint32_t job_end;        /* hashes chunks from hashed_chunks to before job_end */
    bool good;               /* out */
    uint32_t job_file;       /* out */
    struct sha1 sha;

    struct chunk chunks[];
};

static inline uint32_t frame_chunk_bytes(const struct frame *f, uint32_t chunk)
{
    uint32_t from = chunk * LIMIT_FRAME_CHUNK_BYTES;
    uint32_t left = f->length - from;
    return left < LIMIT_FRAME_CHUNK_BYTES ? left : LIMIT_FRAME_CHUNK_BYTES;
}

/* The mask of all its blocks. */
static inline uint16_t frame_chunk_mask(const struct frame *f, uint32_t chunk)
{
    uint32_t blocks = (frame_chunk_bytes(f, chunk) - 1) / BLOCK_BYTES + 1;
    return (uint16_t)((1u << blocks) - 1);
}

static inline bool frame_chunk_is_complete(const struct frame *f, uint32_t chunk)
{
    const struct chunk *c = &f->chunks[chunk];
    return (c->memory | c->disk) == frame_chunk_mask(f, chunk);
}

static inline uint32_t frame_block_bytes(const struct frame *f, uint32_t block)
{
    uint32_t left = f->length - block * BLOCK_BYTES;
    return left < BLOCK_BYTES ? left : BLOCK_BYTES;
}

#endif
