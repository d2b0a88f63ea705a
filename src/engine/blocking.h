/* A world of its own for calls that block their caller: created, run until one operation has completed,
 * and destroyed again. */
#ifndef ENGINE_BLOCKING_H
#define ENGINE_BLOCKING_H

#include "engine/settings.h"

struct blocking {
    struct settings settings;
    struct io *io;
    spate_progress progress; /* may be NULL */
    void *user;
    int64_t deadline_ns;
};

/* given NULL: the defaults. timeout_ms <= 0: a minute. Nothing is left to free on failure. */
int blocking_init(struct blocking *, const struct spate_settings *given, int timeout_ms,
                  spate_progress progress, void *user, struct spate_error *error);
/* Every operation has completed and every socket is closed; see blocking_run(). */
void blocking_deinit(struct blocking *);

/* Runs until op has completed, which it also does (cancelled) when the time is over or progress says so;
 * zero, SPATE_ETIMEDOUT or SPATE_ECANCELED says which. done_bytes: what progress is told; may be NULL. */
int blocking_run(struct blocking *, struct io_op *op, const size_t *done_bytes);
/* What is to be given to the port. */
const struct io_bind *blocking_bind(const struct blocking *);

#endif
