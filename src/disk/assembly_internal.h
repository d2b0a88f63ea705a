/* What assembly.c and assembly_spill.c share. */
#ifndef DISK_ASSEMBLY_INTERNAL_H
#define DISK_ASSEMBLY_INTERNAL_H

#include "base/map.h"
#include "disk/frame.h"
#include "disk/frames.h"

struct assembly {
    struct assembly_settings settings;
    struct map frames;   /* by piece */
    struct list waiting; /* in frames->waiting */
    struct list events;  /* of frame.event */
    struct frame *told;  /* whose last event was handed out; goes with the next call */
    struct bitset
        suspects; /* pieces that failed before: digests are wanted; without memory until one did */
    struct io_op signal;   /* on_ready at the end of the turn */
    struct bitset spilled; /* of the event that was handed out; over the blocks of a whole piece */
    bool flushing, flushed;
    bool destroyed;
};

/* on_ready at the end of this turn. */
void assembly_signal(struct assembly *);
/* Submits the frame's job. */
void assembly_start(struct frame *, enum frame_job);
/* Memory of a chunk goes back. */
void assembly_free_chunk(struct frame *, uint32_t chunk);
/* How much of the frame's memory will go without anybody's help. */
void assembly_set_leaving(struct frame *, uint64_t bytes);

/* Submits a job that writes what the frame holds in memory and can be written (no slot of the chunk is
 * lent): complete chunks, or with partial any, until enough bytes are on their way. False: nothing to write. */
bool assembly_spill_frame(struct frame *, bool partial, uint64_t enough_bytes);
/* Takes note of what the job wrote, and frees what need not stay. */
void assembly_spill_done(struct frame *, bool written);
/* Spills until what stays is below the soft limit, the frames that waited longest first; tells those who
 * wait when there is room. */
void assembly_relieve(struct frames *);

#endif
