/* A world of its own for calls that hash files and block their caller: workers, a store that only reads, and
 * progress told on the caller's thread. */
#ifndef ENGINE_HASHING_H
#define ENGINE_HASHING_H

#include "disk/check.h"
#include "disk/store.h"

struct hashing {
    struct io *io;
    struct store *store;
    uint32_t workers;
    spate_progress progress; /* may be NULL */
    void *user;
    uint64_t done_bytes, total_bytes;
    bool store_freed;
};

/* workers 0: one per core. */
int hashing_init(struct hashing *, uint32_t workers, spate_progress progress, void *user,
                 struct spate_error *error);
/* Ends everything that is still under way. */
void hashing_deinit(struct hashing *);
/* Runs until op has completed. */
void hashing_wait(struct hashing *, const struct io_op *op);
/* Opens the store: io, read_only and on_freed of the settings are filled in here. */
int hashing_open(struct hashing *, struct store_settings *);
/* Hashes all pieces: io, store, parallel and on_ready of the settings are filled in here. each() is told of
 * every piece; when it returns an error that ends the run, as does progress (SPATE_ECANCELED). */
int hashing_run(struct hashing *, struct check_settings *,
                int (*each)(void *user, const struct check_event *), void *user);

#endif
