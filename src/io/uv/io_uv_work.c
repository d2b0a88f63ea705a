/* Worker pools. Each has a queue under a lock, which is held for a few instructions: a job is tens of microseconds or
 * more. A job that a worker has taken has op->run cleared, which is what cancelling looks at. What is finished goes
 * back without a lock. */
#include "io/uv/io_uv_work.h"

#include <pthread.h>
#include <signal.h>

/* Threads of the pools that mostly wait for a disk. */
enum { READ_THREADS = 2, WRITE_THREADS = 2, SYNC_THREADS = 1 };

/* For the loop, which is woken unless it has been for one before. Who finds the list empty must also see that libuv has
 * noted the wake-up before as delivered, or it would send none: hence acquire as well as release, here and there. */
static void hand_over(struct io_uv_work *work, struct io_op *op)
{
    struct list *before = atomic_load_explicit(&work->finished, memory_order_relaxed);
    do {
        op->link.next = before;
    } while (!atomic_compare_exchange_weak_explicit(&work->finished, &before, &op->link,
                                                    memory_order_acq_rel, memory_order_relaxed));
    if (!before) {
        uv_async_send(&work->finishing);
    }
}

static void work_main(void *argument)
{
    struct io_uv_pool *pool = argument;
    struct io_uv_work *work = pool->work;
    pthread_setname_np(pthread_self(), "spate-work");
    uv_mutex_lock(&pool->lock);
    for (;;) {
        struct list *link = list_pop_front(&pool->queue);
        if (!link) {
            if (pool->stopping) {
                break;
            }
            pool->idle++;
            uv_cond_wait(&pool->wanted, &pool->lock);
            pool->idle--;
            continue;
        }
        struct io_op *op = list_entry(link, struct io_op, link);
        int (*run)(struct io_op *, struct io_fs *) = op->run;
        op->run = NULL;
        pool->queued--;
        uv_mutex_unlock(&pool->lock);
        op->status = run(op, work->fs);
        hand_over(work, op);
        uv_mutex_lock(&pool->lock);
    }
    uv_mutex_unlock(&pool->lock);
}

static void finish(struct io_uv_work *work, struct io_op *op, int status)
{
    op->subject = NULL;
    io_uv_loop_complete(work->loop, op, status);
}

static void work_on_finishing(uv_async_t *async)
{
    struct io_uv_work *work = async->data;
    struct list *last = atomic_exchange_explicit(&work->finished, NULL, memory_order_acq_rel);
    struct list *first = NULL;
    while (last) { /* turned round: in the order in which they ended */
        struct list *before = last->next;
        last->next = first;
        first = last;
        last = before;
    }
    while (first) {
        struct io_op *op = list_entry(first, struct io_op, link);
        first = first->next;
        finish(work, op, op->status);
    }
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
    uv_mutex_lock(&pool->lock);
    list_push_back(&pool->queue, &op->link);
    pool->queued++;
    if (pool->queued > pool->idle && pool->count < pool->max && start_thread(pool) != 0 &&
        pool->count == 0) {
        list_remove(&op->link);
        pool->queued--;
        finish(work, op, SPATE_ENOMEM);
    }
    bool wake = pool->idle > 0;
    uv_mutex_unlock(&pool->lock);
    if (wake) {
        uv_cond_signal(&pool->wanted);
    }
}

void io_uv_work_cancel(struct io_uv_work *work, struct io_op *op)
{
    struct io_uv_pool *pool = op->subject;
    uv_mutex_lock(&pool->lock);
    if (op->run) {
        list_remove(&op->link);
        pool->queued--;
        finish(work, op, SPATE_ECANCELED);
    }
    uv_mutex_unlock(&pool->lock);
}

void io_uv_work_cancel_all(struct io_uv_work *work)
{
    for (int i = 0; i < IO_POOL_COUNT; i++) {
        struct io_uv_pool *pool = &work->pools[i];
        struct list *link;
        uv_mutex_lock(&pool->lock);
        while ((link = list_pop_front(&pool->queue))) {
            pool->queued--;
            finish(work, list_entry(link, struct io_op, link), SPATE_ECANCELED);
        }
        uv_mutex_unlock(&pool->lock);
    }
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
    atomic_init(&work->finished, NULL);
    int rc = uv_async_init(&loop->uv, &work->finishing, work_on_finishing);
    if (rc < 0) {
        return error_from_errno(-rc);
    }
    for (int i = 0; i < IO_POOL_COUNT; i++) {
        struct io_uv_pool *pool = &work->pools[i];
        pool->work = work;
        pool->max = threads[i];
        list_init(&pool->queue);
        rc = uv_mutex_init(&pool->lock);
        ASSERT(rc == 0);
        rc = uv_cond_init(&pool->wanted);
        ASSERT(rc == 0);
    }
    return 0;
}

void io_uv_work_deinit(struct io_uv_work *work)
{
    for (int i = 0; i < IO_POOL_COUNT; i++) {
        struct io_uv_pool *pool = &work->pools[i];
        uv_mutex_lock(&pool->lock);
        pool->stopping = true;
        uv_cond_broadcast(&pool->wanted);
        uv_mutex_unlock(&pool->lock);
    }
    for (int i = 0; i < IO_POOL_COUNT; i++) {
        struct io_uv_pool *pool = &work->pools[i];
        for (int t = 0; t < pool->count; t++) {
            uv_thread_join(&pool->threads[t]);
        }
        uv_cond_destroy(&pool->wanted);
        uv_mutex_destroy(&pool->lock);
    }
    uv_close((uv_handle_t *)&work->finishing, NULL);
}
