/* Worker pools: threads of spate's own (libuv's pool belongs to the whole process, and so perhaps
 * to the program that embeds spate). Threads start when there is work, with every signal blocked.
 */
#ifndef IO_UV_IO_UV_WORK_H
#define IO_UV_IO_UV_WORK_H

#include "base/limits.h"
#include "io/uv/io_uv_loop.h"

#include <stdatomic.h>

struct io_uv_pool {
    struct io_uv_work *work;
    uv_mutex_t lock; /* for all that follows */
    uv_cond_t wanted;
    struct list queue; /* of io_op.link */
    int queued, idle;
    int count, max; /* threads */
    bool stopping;
    uv_thread_t threads[LIMIT_WORKERS];
};

struct io_uv_work {
    struct io_uv_loop *loop;
    struct io_fs *fs;
    uv_async_t finishing;
    _Atomic(struct list *) finished; /* of io_op.link, by next; the last one first */
    struct io_uv_pool pools[IO_POOL_COUNT];
};

/* compute_threads as in io_uv_settings. */
int io_uv_work_init(struct io_uv_work *, struct io_uv_loop *, struct io_fs *, int compute_threads);
/* Ends the threads; no operation may be left. The loop must run once more before *work is freed. */
void io_uv_work_deinit(struct io_uv_work *);

void io_uv_work_submit(struct io_uv_work *, enum io_pool, struct io_op *);
/* Work that has begun goes on. */
void io_uv_work_cancel(struct io_uv_work *, struct io_op *);
void io_uv_work_cancel_all(struct io_uv_work *);

#endif
