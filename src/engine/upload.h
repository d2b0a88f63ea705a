/* Serving blocks to one peer: its requests are gathered into runs, a worker brings a run into memory
 * (the kernel's, behind a window on its file, or ours where there is none), and the blocks of a run leave
 * from there in as few calls as the socket takes. The loop never waits for a disk. */
#ifndef ENGINE_UPLOAD_H
#define ENGINE_UPLOAD_H

#include "disk/store.h"
#include "engine/env.h"

struct upload {
    struct env *env;
    struct peer *peer;
    struct store *store;       /* NULL until the torrent is known */
    const struct bitset *have; /* pieces that may be served */
    const struct layout *layout;
    struct list runs;                  /* of struct upload_run, in the order of the requests */
    uint64_t ahead_bytes;              /* in runs */
    uint64_t memory_bytes;             /* of these, in memory of ours */
    uint32_t working;                  /* runs that a worker is at */
    void (*on_ready)(struct upload *); /* there is something to send */
    void (*on_failed)(struct upload *, uint32_t piece, int error, uint32_t file); /* disk trouble */
    void (*on_idle)(struct upload *); /* working has become 0 */
};

void upload_init(struct upload *, struct env *, struct peer *);
void upload_open(struct upload *, struct store *, const struct layout *, const struct bitset *have);
/* Begins with what the peer wants next, as far as memory allows; refuses what we do not have. */
void upload_pump(struct upload *);
/* Where the bytes of a block that is being sent come from. */
struct io_part upload_part(const struct upload *, struct block);
/* The system could not send this block: its file was cut short, or its disk fails. */
void upload_on_unsent(struct upload *, struct block, int error);
/* Gives back the memory of runs that are no longer needed, after sending or a cancel. */
void upload_trim(struct upload *);
/* Drops everything. What a worker holds is freed when it comes back; then on_idle is called. */
void upload_close(struct upload *);

#endif
