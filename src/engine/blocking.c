/* A world of its own for calls that block their caller. */
#include "engine/blocking.h"

#include "io/uv/io_uv.h"

enum { TIMEOUT_DEFAULT_MS = 60000, STEP_MS = 100 };

int blocking_init(struct blocking *b, const struct spate_settings *given, int timeout_ms,
                  spate_progress progress, void *user, struct spate_error *error)
{
    struct spate_settings defaults;
    spate_settings_init(&defaults, sizeof defaults);
    *b = (struct blocking){.progress = progress, .user = user};
    int status = settings_init(&b->settings, given ? given : &defaults, error);
    if (status < 0) {
        return status;
    }
    status = io_uv_create(&(struct io_uv_settings){.workers = 2}, &b->io);
    if (status < 0) {
        settings_deinit(&b->settings);
        return error_set(error, status, 0, "%s", spate_strerror(status));
    }
    b->deadline_ns =
        io_now(b->io) + (int64_t)(timeout_ms > 0 ? timeout_ms : TIMEOUT_DEFAULT_MS) * 1000000;
    return 0;
}

void blocking_deinit(struct blocking *b)
{
    io_uv_destroy(b->io);
    settings_deinit(&b->settings);
}

int blocking_run(struct blocking *b, struct io_op *op, const size_t *done_bytes)
{
    int stopped = 0;
    while (op->active) {
        io_uv_run_once(b->io, STEP_MS);
        if (stopped < 0 || !op->active) {
            continue;
        }
        if (b->progress && b->progress(b->user, done_bytes ? *done_bytes : 0, 0)) {
            stopped = SPATE_ECANCELED;
        } else if (io_now(b->io) >= b->deadline_ns) {
            stopped = SPATE_ETIMEDOUT;
        }
        if (stopped < 0) {
            io_cancel(b->io, op);
        }
    }
    return stopped;
}

const struct io_bind *blocking_bind(const struct blocking *b)
{
    return b->settings.value.bind ? &b->settings.bind : NULL;
}
