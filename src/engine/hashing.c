/* A world of its own for calls that hash files. */
#include "engine/hashing.h"

#include "base/limits.h"
#include "io/uv/io_uv.h"

#include <unistd.h>

enum { STEP_MS = 100 }; /* progress is told this often at least */

static uint32_t threads_for(uint32_t asked)
{
    long cores = asked ? (long)asked : sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : cores > (long)LIMIT_WORKERS ? LIMIT_WORKERS : (uint32_t)cores;
}

int hashing_init(struct hashing *h, uint32_t workers, spate_progress progress, void *user,
                 struct spate_error *error)
{
    *h = (struct hashing){.workers = threads_for(workers), .progress = progress, .user = user};
    int rc = io_uv_create(&(struct io_uv_settings){.workers = (int)h->workers}, &h->io);
    return rc < 0 ? error_set(error, rc, 0, "%s", spate_strerror(rc)) : 0;
}

void hashing_deinit(struct hashing *h)
{
    if (h->store) {
        store_destroy(h->store);
        while (!h->store_freed) {
            io_uv_run_once(h->io, STEP_MS);
        }
    }
    io_uv_destroy(h->io);
}

void hashing_wait(struct hashing *h, const struct io_op *op)
{
    while (op->active) {
        io_uv_run_once(h->io, STEP_MS);
    }
}

static void on_freed(void *user)
{
    struct hashing *h = user;
    h->store_freed = true;
}

int hashing_open(struct hashing *h, struct store_settings *settings)
{
    settings->io = h->io;
    settings->read_only = true;
    settings->on_freed = on_freed;
    settings->user = h;
    h->total_bytes = settings->layout->total_length;
    return store_create(settings, &h->store);
}

static void on_ready(void *user)
{
    (void)user; /* the loop below looks after each step */
}

int hashing_run(struct hashing *h, struct check_settings *settings,
                int (*each)(void *user, const struct check_event *), void *user)
{
    struct check *check;
    struct check_event event;
    settings->io = h->io;
    settings->store = h->store;
    settings->parallel = 2 * h->workers; /* one reads while the other is hashed */
    settings->on_ready = on_ready;
    int rc = check_create(settings, &check);
    if (rc < 0) {
        return rc;
    }
    check_start(check);
    bool done = false;
    while (!done && rc == 0) {
        while (rc == 0 && !done && check_next(check, &event)) {
            done = event.type == CHECK_DONE;
            if (!done) {
                h->done_bytes += layout_piece_length(settings->layout, event.piece);
                rc = each(user, &event);
            }
        }
        if (rc == 0 && h->progress && h->progress(h->user, h->done_bytes, h->total_bytes)) {
            rc = SPATE_ECANCELED;
        }
        if (rc == 0 && !done) {
            io_uv_run_once(h->io, STEP_MS);
        }
    }
    check_destroy(check);
    return rc;
}
