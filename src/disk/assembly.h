/* Pieces in flight: blocks arrive in frames, complete chunks are hashed in order on a worker, a verified
 * piece is written in one gathered write, then its memory is free. Frames of all torrents of a session
 * share one cap; at the cap complete chunks are spilled: written to their final place unverified, read back
 * by the hasher. A block that is nothing but padding (BEP 47) is there from the start, and has no slot.
 *
 * A slot (the place of one block) is lent to exactly one connection, from assembly_slot() until
 * assembly_received() or assembly_return(). A chunk with a lent slot is not hashed, written, spilled or
 * freed. */
#ifndef DISK_ASSEMBLY_H
#define DISK_ASSEMBLY_H

#include "base/bitset.h"
#include "base/block.h"
#include "codec/layout.h"
#include "disk/store.h"

/* The memory of pieces in flight of a session, in chunks of LIMIT_FRAME_CHUNK_BYTES. */
struct frames;
int frames_create(uint64_t cap_bytes, struct frames **out);
void frames_destroy(struct frames *);
uint64_t frames_used_bytes(const struct frames *);
uint64_t frames_peak_bytes(const struct frames *);

struct assembly; /* the pieces in flight of one torrent */

struct assembly_settings {
    struct io *io;
    struct frames *frames;
    struct store *store;
    const struct layout *layout;
    const uint8_t *piece_hashes; /* 20 bytes a piece (BEP 3); lives as long as the assembly */
    /* An event waits, or room for slots has come back after assembly_slot() refused. Never called from
     * inside a call on the assembly. */
    void (*on_ready)(void *user);
    void *user;
};

int assembly_create(const struct assembly_settings *, struct assembly **out);
/* Waits for nothing: freed once its last operation has completed. Lent slots must have been returned. */
void assembly_destroy(struct assembly *);

/* Where the block's bytes go, now lent; NULL when the memory is at its cap, or while what was dropped of this
 * piece is still under way. */
uint8_t *assembly_slot(struct assembly *, struct block);
/* The block is in its slot; the slot is no longer lent. */
void assembly_received(struct assembly *, struct block);
/* The slot is no longer lent, and the block is not in it. */
void assembly_return(struct assembly *, struct block);
/* May another piece be started? False while the cap is so near that started pieces might not finish; on_ready
 * follows when that is over. */
bool assembly_may_start(struct assembly *, uint32_t piece);
/* Blocks of a piece that lie on the disk unverified, from the resume record. */
int assembly_restore(struct assembly *, uint32_t piece, const struct bitset *blocks);
/* Forgets everything about a piece; none of its slots is lent. */
void assembly_drop(struct assembly *, uint32_t piece);
/* Frames that hold anything, written or not. */
uint32_t assembly_count(const struct assembly *);
/* Writes every block that is only in memory, but for chunks with lent slots (before closing);
 * ASSEMBLY_SPILLED for each piece concerned, then ASSEMBLY_FLUSHED follow. */
void assembly_flush(struct assembly *);

enum assembly_event_type {
    ASSEMBLY_WRITTEN, /* verified and written: claim it */
    ASSEMBLY_FAILED,  /* its hash was wrong; all its blocks are wanted again */
    ASSEMBLY_SPILLED, /* blocks of a piece lie on the disk unverified; for the resume record */
    ASSEMBLY_BROKEN, /* reading or writing failed: error, file; the piece is dropped, nobody is blamed */
    ASSEMBLY_FLUSHED,
};

struct assembly_event {
    enum assembly_event_type type;
    uint32_t piece;
    int error;     /* BROKEN */
    uint32_t file; /* BROKEN; UINT32_MAX: none */
    /* WRITTEN and FAILED: one a block, to find who sent a bad one (when asked for by assembly_want_digests,
     * and always for FAILED). NULL: none. */
    const uint64_t *block_digests;
    uint32_t block_count;
    const struct bitset *blocks; /* SPILLED: one bit a block that is on the disk, or padding */
};
/* Drains what happened; pointers live until the next call. */
bool assembly_next(struct assembly *, struct assembly_event *);
/* This piece failed before: WRITTEN shall carry digests too. */
void assembly_want_digests(struct assembly *, uint32_t piece);

bool assembly_is_consistent(const struct assembly *);

#endif
