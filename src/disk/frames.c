/* The memory of pieces in flight. Whole chunks are kept for the next piece, since memory fresh from the
 * system costs a page fault every 4 KiB. How many are in use goes up and down, more so with many torrents: up to three
 * times as many are kept, and a few. */
#include "disk/frames.h"

#include "base/limits.h"
#include "base/plant.h"

#include <stdlib.h>

enum { KEPT_CHUNKS = 16, KEPT_PER_USED = 3, CAP_CHUNKS_MIN = 8 };

int frames_create(uint64_t cap_bytes, struct frames **out)
{
    struct frames *f = calloc(1, sizeof *f);
    *out = f;
    if (!f) {
        return SPATE_ENOMEM;
    }
    uint64_t least = (uint64_t)CAP_CHUNKS_MIN * LIMIT_FRAME_CHUNK_BYTES;
    f->cap_bytes = cap_bytes > least ? cap_bytes : least;
    f->soft_bytes = f->cap_bytes / 4 * 3;
    f->holds = 1;
    list_init(&f->lru);
    list_init(&f->waiting);
    return 0;
}

static void trim(struct frames *f, uint32_t keep)
{
    while (f->free_count > keep) {
        uint8_t *chunk = f->free_chunks;
        memcpy(&f->free_chunks, chunk, sizeof f->free_chunks);
        f->free_count--;
        free(chunk);
    }
}

void frames_hold(struct frames *f)
{
    f->holds++;
}

void frames_release(struct frames *f)
{
    ASSERT(f->holds > 0);
    if (--f->holds == 0) {
        ASSERT(f->used_bytes == 0);
        trim(f, 0);
        free(f);
    }
}

void frames_destroy(struct frames *f)
{
    if (f) {
        frames_release(f);
    }
}

uint64_t frames_used_bytes(const struct frames *f)
{
    return f->used_bytes;
}

uint64_t frames_peak_bytes(const struct frames *f)
{
    return f->peak_bytes;
}

uint8_t *frames_take(struct frames *f, uint32_t size)
{
    if (f->used_bytes + size > f->cap_bytes && !PLANT(NO_MEMORY_CAP)) {
        return NULL;
    }
    uint8_t *chunk;
    if (size == LIMIT_FRAME_CHUNK_BYTES && f->free_count > 0) {
        chunk = f->free_chunks;
        memcpy(&f->free_chunks, chunk, sizeof f->free_chunks);
        f->free_count--;
    } else {
        chunk = malloc(size);
    }
    if (chunk) {
        f->used_bytes += size;
        f->peak_bytes = f->used_bytes > f->peak_bytes ? f->used_bytes : f->peak_bytes;
    }
    return chunk;
}

void frames_give(struct frames *f, uint8_t *chunk, uint32_t size)
{
    ASSERT(f->used_bytes >= size);
    f->used_bytes -= PLANT(KEEP_CHUNK) ? 0 : size;
    if (size != LIMIT_FRAME_CHUNK_BYTES) {
        free(chunk);
        return;
    }
    memcpy(chunk, &f->free_chunks, sizeof f->free_chunks);
    f->free_chunks = chunk;
    f->free_count++;
    trim(f, KEPT_PER_USED * (uint32_t)(f->used_bytes / LIMIT_FRAME_CHUNK_BYTES) + KEPT_CHUNKS);
}

bool frames_may_start(const struct frames *f)
{
    return frames_excess_bytes(f) == 0 && f->leaving_bytes <= f->cap_bytes / 3;
}

uint64_t frames_excess_bytes(const struct frames *f)
{
    uint64_t staying = f->used_bytes - f->leaving_bytes;
    return staying > f->soft_bytes ? staying - f->soft_bytes : 0;
}
