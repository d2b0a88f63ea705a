/* Spilling: with memory short, chunks are written to their final place before their piece is verified. First
 * the complete chunks of the frames that have waited longest for a block: in order from the front, where most
 * are hashed already and will not be read back. When that is not enough, blocks of incomplete chunks, or
 * pieces whose peers are gone would hold the memory for ever.
 *
 * Why the cap cannot lock up: after every block received, slot returned and job ended, either what stays in
 * memory is below the soft limit, or each chunk of the rest has a slot lent or a job working on it; and each
 * of those ends in one of these three calls. */
#include "disk/assembly_internal.h"

enum { SPILL_CHUNKS = 64 }; /* of one job */

static uint16_t spillable(const struct frame *f, uint32_t chunk, bool partial)
{
    const struct chunk *c = &f->chunks[chunk];
    if (c->lent || (!partial && !frame_chunk_is_complete(f, chunk))) {
        return 0;
    }
    return (uint16_t)(c->memory & ~c->disk);
}

bool assembly_spill_frame(struct frame *f, bool partial, uint64_t enough_bytes)
{
    uint64_t bytes = 0;
    uint32_t chunks = 0;
    for (uint32_t i = 0; i < f->chunk_count && chunks < SPILL_CHUNKS && bytes < enough_bytes; i++) {
        struct chunk *c = &f->chunks[i];
        c->spill = spillable(f, i, partial);
        if (c->spill) {
            chunks++;
            bytes += frame_chunk_bytes(f, i);
        }
    }
    if (chunks > 0) {
        assembly_set_leaving(f, bytes);
        assembly_start(f, FRAME_SPILL);
    }
    return chunks > 0;
}

void assembly_spill_done(struct frame *f, bool written)
{
    for (uint32_t i = 0; i < f->chunk_count; i++) {
        struct chunk *c = &f->chunks[i];
        if (!c->spill) {
            continue;
        }
        if (written) {
            c->disk |= c->spill;
        }
        c->spill = 0;
        if (!c->lent && (c->memory & ~c->disk) == 0) {
            assembly_free_chunk(f, i);
        }
    }
    assembly_set_leaving(f, 0);
}

/* Can the frame be asked to spill? One that is complete leaves by itself. */
static bool is_candidate(const struct frame *f)
{
    return f->memory_bytes > 0 && !f->op.active && f->verdict == FRAME_OPEN && !f->dropped &&
           f->have_blocks < f->block_count;
}

static void tell_of_room(struct frames *frames)
{
    bool slots =
        frames->slot_refused && frames->used_bytes + LIMIT_FRAME_CHUNK_BYTES <= frames->cap_bytes;
    bool starts = frames->start_refused && frames_may_start(frames);
    if (!slots && !starts) {
        return;
    }
    frames->slot_refused = frames->slot_refused && !slots;
    frames->start_refused = frames->start_refused && !starts;
    struct list *node;
    while ((node = list_pop_front(&frames->waiting))) {
        assembly_signal(list_entry(node, struct assembly, waiting));
    }
}

void assembly_relieve(struct frames *frames)
{
    for (int partial = 0; partial <= 1; partial++) {
        list_for_each (node, &frames->lru) {
            uint64_t excess = frames_excess_bytes(frames);
            if (excess == 0) {
                break;
            }
            struct frame *f = list_entry(node, struct frame, lru);
            if (is_candidate(f)) {
                assembly_spill_frame(f, partial, excess);
            }
        }
    }
    tell_of_room(frames);
}
