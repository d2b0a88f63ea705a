/* Worker pools. One lock guards all queues: a job is tens of microseconds or more, taking it is
 * not. A job that a worker has taken has op->run cleared, which is what cancelling looks at. */
#include "io/uv/io_uv_work.h"

#include <pthread.h>
#include <signal.h>

/* Threads of the pools that mostly wait for a disk. */
enum { READ_THREADS = 2, WRITE_THREADS = 2, SYNC_THREADS = 1 };

static void work_main(void *argument)
{
    struct io_uv_pool *pool = argument;
    struct io_uv_work *work = pool->work;
    pthread_setname_np(pthread_self(), "spate-work");
    uv_mutex_lock(&work->lock);
    for (;;) {
        struct list *link = list_pop_front(&pool->queue);
        if (!link) {
            if (work->stopping) {
                break;
            }
            pool->idle++;
            uv_cond_wait(&pool->wanted, &work->lock);
            pool->idle--;
            continue;
        }
        struct io_op *op = list_entry(link, struct io_op, link);
        int (*run)(struct io_op *, struct io_fs *) = op->run;
        op->run = NULL;
        pool->queued--;
        uv_mutex_unlock(&work->lock);

        int status = run(op, work->fs);

        uv_mutex_lock(&work->lock);
        op->status = status;
        bool first = list_empty(&work->finished);
        list_push_back(&work->finished, &op->link);
        if (first) {
            uv_mutex_unlock(&work->lock);
            uv_async_send(&work->finishing); /* who is woken wants the lock */
            uv_mutex_lock(&work->lock);
        }
    }
    uv_mutex_unlock(&work->lock);
}

static void finish(struct io_uv_work *work, struct io_op *op, int status)
{
    op->subject = NULL;
    io_uv_loop_complete(work->loop, op, status);
}

static void work_on_finishing(uv_async_t *async)
{
    struct io_uv_work *work = async->data;
    uv_mutex_lock(&work->lock);
    struct list *link;
    while ((link = list_pop_front(&work->finished))) {
        struct io_op *op = list_entry(link, struct io_op, link);
        finish(work, op, op->status);
    }
    uv_mutex_unlock(&work->lock);
}

/* The signals of the program go to the program's threads. */
static int start_thread(struct io_uv_pool *pool)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = uv_thread_create(&pool->threads[pool->count], work_main, pool);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc == 0) {
        pool->count++;
    }
    return rc;
}

void io_uv_work_submit(struct io_uv_work *work, enum io_pool which, struct io_op *op)
{
    struct io_uv_pool *pool = &work->pools[which];
    if (!io_uv_loop_submit(work->loop, op, IO_UV_OP_WORK)) {
        return;
    }
    op->subject = pool;
    uv_mutex_lock(&work->lock);
    list_push_back(&pool->queue, &op->link);
    pool->queued++;
    if (pool->queued > pool->idle && pool->count < pool->max && start_thread(pool) != 0 &&
        pool->count == 0) {
        list_remove(&op->link);
        pool->queued--;
        finish(work, op, SPATE_ENOMEM);
    }
    bool wake = pool->idle > 0;
    uv_mutex_unlock(&work->lock);
    if (wake) {
        uv_cond_signal(&pool->wanted);
    }
}

void io_uv_work_cancel(struct io_uv_work *work, struct io_op *op)
{
    uv_mutex_lock(&work->lock);
    if (op->run) {
        struct io_uv_pool *pool = op->subject;
        list_remove(&op->link);
        pool->queued--;
        finish(work, op, SPATE_ECANCELED);
    }
    uv_mutex_unlock(&work->lock);
}

void io_uv_work_cancel_all(struct io_uv_work *work)
{
    uv_mutex_lock(&work->lock);
    for (int i = 0; i < IO_POOL_COUNT; i++) {
        struct list *link;
        while ((link = list_pop_front(&work->pools[i].queue))) {
            work->pools[i].queued--;
            finish(work, list_entry(link, struct io_op, link), SPATE_ECANCELED);
        }
    }
    uv_mutex_unlock(&work->lock);
}

static int compute_threads_for(int asked)
{
    if (asked <= 0) {
        int cores = (int)uv_available_parallelism();
        asked = cores < 2 ? 2 : cores;
    }
    return asked > (int)LIMIT_WORKERS ? (int)LIMIT_WORKERS : asked;
}

int io_uv_work_init(struct io_uv_work *work, struct io_uv_loop *loop, struct io_fs *fs,
                    int compute_threads)
{
    const int threads[IO_POOL_COUNT] = {
        [IO_POOL_COMPUTE] = compute_threads_for(compute_threads),
        [IO_POOL_READ] = READ_THREADS,
        [IO_POOL_WRITE] = WRITE_THREADS,
        [IO_POOL_SYNC] = SYNC_THREADS,
    };
    work->loop = loop;
    work->fs = fs;
    work->finishing.data = work;
    list_init(&work->finished);
    int rc = uv_async_init(&loop->uv, &work->finishing, work_on_finishing);
    if (rc < 0) {
        return error_from_errno(-rc);
    }
    rc = uv_mutex_init(&work->lock);
    ASSERT(rc == 0);
    for (int i = 0; i < IO_POOL_COUNT; i++) {
        struct io_uv_pool *pool = &work->pools[i];
        pool->work = work;
        pool->max = threads[i];
        list_init(&pool->queue);
        rc = uv_cond_init(&pool->wanted);
        ASSERT(rc == 0);
    }
    return 0;
}

void io_uv_work_deinit(struct io_uv_work *work)
{
    uv_mutex_lock(&work->lock);
    work->stopping = true;
    for (int i = 0; i < IO_POOL_COUNT; i++) {
        uv_cond_broadcast(&work->pools[i].wanted);
    }
    uv_mutex_unlock(&work->lock);
    for (int i = 0; i < IO_POOL_COUNT; i++) {
        struct io_uv_pool *pool = &work->pools[i];
        for (int t = 0; t < pool->count; t++) {
            uv_thread_join(&pool->threads[t]);
        }
        uv_cond_destroy(&pool->wanted);
    }
    uv_mutex_destroy(&work->lock);
    uv_close((uv_handle_t *)&work->finishing, NULL);
}
