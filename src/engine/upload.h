/* Serving blocks to one peer: its requests are gathered into runs, a worker reads a run into
 * memory, and the blocks of a run leave from there in as few calls as the socket takes. The loop
 * never waits for a disk. */
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
    uint64_t bytes;                    /* of memory in runs */
    uint32_t reading;                  /* runs whose memory a worker holds */
    void (*on_ready)(struct upload *); /* there is something to send */
    void (*on_failed)(struct upload *, uint32_t piece, int error, uint32_t file); /* disk trouble */
    void (*on_idle)(struct upload *); /* reading has become 0 */
};

void upload_init(struct upload *, struct env *, struct peer *);
void upload_open(struct upload *, struct store *, const struct layout *, const struct bitset *have);
/* Starts reading what the peer wants next, as far as memory allows; refuses what we do not have. */
void upload_pump(struct upload *);
/* The bytes of a block that is being sent; NULL is our mistake. */
const uint8_t *upload_bytes(const struct upload *, struct block);
/* Do these bytes belong to a run, so that they are payload? */
bool upload_owns(const struct upload *, const void *bytes);
/* Gives back the memory of runs that are no longer needed, after sending or a cancel. */
void upload_trim(struct upload *);
/* Drops everything. What a worker holds is freed when it comes back; then on_idle is called. */
void upload_close(struct upload *);

#endif
