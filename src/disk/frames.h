/* The memory of pieces in flight of a session: chunks under one cap, and who waits for some of it. The frames
 * themselves (disk/frame.h) belong to the assemblies. */
#ifndef DISK_FRAMES_H
#define DISK_FRAMES_H

#include "disk/assembly.h"

struct frames {
    uint64_t cap_bytes;
    uint64_t soft_bytes; /* above it chunks are spilled, and no piece is started */
    uint64_t used_bytes;
    uint64_t peak_bytes;
    uint64_t leaving_bytes; /* of those in use: of complete pieces, or being spilled */
    struct list lru;        /* of frame.lru; the one that has waited longest for a block first */
    struct list waiting;    /* of assembly.waiting: those that were refused something */
    bool slot_refused, start_refused; /* somebody waits for room */
    uint8_t *
        free_chunks; /* whole chunks kept for the next, each beginning with the next one's address */
    uint32_t free_count;
    uint32_t holds; /* the session, and each assembly */
};

/* Bytes of a chunk, at most LIMIT_FRAME_CHUNK_BYTES; NULL beyond the cap or when out of memory. */
uint8_t *frames_take(struct frames *, uint32_t size);
void frames_give(struct frames *, uint8_t *chunk, uint32_t size);
void frames_hold(struct frames *);
void frames_release(struct frames *);
/* Is it time for another piece? Not near the cap, nor while many complete ones wait to be hashed and written: more of
 * them would only grow cold. */
bool frames_may_start(const struct frames *);
/* Bytes that will have to go to get below the soft limit; 0: none. */
uint64_t frames_excess_bytes(const struct frames *);

#endif
