/* Operations, timers, turns and watched descriptors over libuv.
 *
 * Timers are spate's own, in nanoseconds of CLOCK_BOOTTIME (which goes on while the machine
 * sleeps); libuv's only timer bounds the wait. libuv rounds to milliseconds, so the loop may wake a
 * little early and then waits again, but a deadline never fires before its time. */
#include "io/uv/io_uv_loop.h"

#include <limits.h>
#include <time.h>

static const int64_t ns_per_ms = 1000000;

int64_t io_uv_loop_read_clock(struct io_uv_loop *l)
{
    struct timespec t;
    if (clock_gettime(CLOCK_BOOTTIME, &t) != 0) {
        clock_gettime(CLOCK_MONOTONIC, &t);
    }
    int64_t now_ns = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
    if (now_ns > l->now_ns) {
        l->now_ns = now_ns;
    }
    return l->now_ns;
}

/* ---- operations ------------------------------------------------------------------------------ */

bool io_uv_loop_submit(struct io_uv_loop *l, struct io_op *op, enum io_uv_op kind)
{
    ASSERT(!op->active && op->done);
    op->active = true;
    op->cancelled = false;
    op->kind = (uint8_t)kind;
    op->status = 0;
    op->subject = NULL;
    list_init(&op->link);
    l->active++;
    if (l->ending) {
        io_uv_loop_complete(l, op, SPATE_ECANCELED);
        return false;
    }
    return true;
}

void io_uv_loop_complete(struct io_uv_loop *l, struct io_op *op, int status)
{
    op->kind = IO_UV_OP_DONE;
    op->status = status;
    list_push_back(&l->completed, &op->link);
}

void io_uv_loop_forget(struct io_uv_loop *l, struct io_op *op)
{
    if (!op->active) {
        return;
    }
    ASSERT(op->kind == IO_UV_OP_TIMER || op->kind == IO_UV_OP_DONE);
    if (op->kind == IO_UV_OP_TIMER) {
        heap_remove(&l->timers, &op->timer);
    }
    list_remove(&op->link);
    op->active = false;
    l->active--;
}

void io_uv_loop_timer(struct io_uv_loop *l, struct io_op *op, int64_t at_ns)
{
    if (op->active) {
        ASSERT(op->kind == IO_UV_OP_TIMER || op->kind == IO_UV_OP_DONE);
        if (op->kind == IO_UV_OP_TIMER) {
            heap_remove(&l->timers, &op->timer);
            heap_insert(&l->timers, &op->timer, at_ns);
        }
    } else if (io_uv_loop_submit(l, op, IO_UV_OP_TIMER)) {
        heap_insert(&l->timers, &op->timer, at_ns);
    }
}

void io_uv_loop_turn_end(struct io_uv_loop *l, struct io_op *op)
{
    if (io_uv_loop_submit(l, op, IO_UV_OP_TURN_END)) {
        list_push_back(&l->turn_ends, &op->link);
    }
}

void io_uv_loop_wait_wake(struct io_uv_loop *l, struct io_op *op)
{
    if (!io_uv_loop_submit(l, op, IO_UV_OP_WAKE)) {
        return;
    }
    ASSERT(!l->wake_op);
    if (l->woken) {
        l->woken = false;
        io_uv_loop_complete(l, op, 0);
    } else {
        l->wake_op = op;
    }
}

void io_uv_loop_wake(struct io_uv_loop *l)
{
    uv_async_send(&l->wake);
}

static void loop_on_wake(uv_async_t *async)
{
    struct io_uv_loop *l = async->data;
    if (l->wake_op) {
        struct io_op *op = l->wake_op;
        l->wake_op = NULL;
        io_uv_loop_complete(l, op, 0);
    } else {
        l->woken = true;
    }
}

void io_uv_loop_cancel(struct io_uv_loop *l, struct io_op *op)
{
    switch (op->kind) {
    case IO_UV_OP_TIMER:
        heap_remove(&l->timers, &op->timer);
        break;
    case IO_UV_OP_TURN_END:
        list_remove(&op->link);
        break;
    case IO_UV_OP_WAKE:
        l->wake_op = NULL;
        break;
    default:
        return;
    }
    io_uv_loop_complete(l, op, SPATE_ECANCELED);
}

void io_uv_loop_cancel_all(struct io_uv_loop *l)
{
    struct heap_node *node;
    while ((node = heap_min(&l->timers))) {
        io_uv_loop_cancel(l, list_entry(node, struct io_op, timer));
    }
    struct list *link;
    while ((link = list_first(&l->turn_ends))) {
        io_uv_loop_cancel(l, list_entry(link, struct io_op, link));
    }
    if (l->wake_op) {
        io_uv_loop_cancel(l, l->wake_op);
    }
}

/* ---- watched descriptors --------------------------------------------------------------------- */

static void watch_mark(struct io_uv_watch *w)
{
    if (!list_linked(&w->dirty)) {
        list_push_back(&w->loop->dirty, &w->dirty);
    }
}

static void watch_on_poll(uv_poll_t *poll, int status, int uv_events)
{
    struct io_uv_watch *w = poll->data;
    int events = ((uv_events & UV_READABLE) ? IO_READABLE : 0) |
                 ((uv_events & UV_WRITABLE) ? IO_WRITABLE : 0);
    if (status < 0) {
        /* An error condition: libuv has stopped polling. The next transfer says what it is. */
        events = IO_READABLE | IO_WRITABLE;
        w->polled = 0;
        watch_mark(w);
    }
    if (events & ~w->wanted) {
        w->unwanted = true;
        watch_mark(w);
    }
    if (events & w->wanted) {
        w->ready(w, events & w->wanted);
    }
}

static void watch_apply(struct io_uv_watch *w)
{
    int excess = w->polled & ~w->wanted;
    /* A socket is writable most of the time: that interest is dropped at once. */
    if ((w->wanted & ~w->polled) || (excess & IO_WRITABLE) || (excess && w->unwanted)) {
        if (w->wanted) {
            int events = ((w->wanted & IO_READABLE) ? UV_READABLE : 0) |
                         ((w->wanted & IO_WRITABLE) ? UV_WRITABLE : 0);
            ASSERT(uv_poll_start(&w->poll, events, watch_on_poll) == 0);
        } else {
            uv_poll_stop(&w->poll);
        }
        w->polled = w->wanted;
        w->loop->unregistered = true;
    }
    w->unwanted = false;
}

static void apply_watches(struct io_uv_loop *l)
{
    struct list *link;
    while ((link = list_pop_front(&l->dirty))) {
        watch_apply(list_entry(link, struct io_uv_watch, dirty));
    }
}

int io_uv_watch_init(struct io_uv_watch *w, struct io_uv_loop *l, int fd)
{
    w->loop = l;
    w->wanted = 0;
    w->polled = 0;
    w->unwanted = false;
    list_init(&w->dirty);
    w->poll.data = w;
    int rc = uv_poll_init(&l->uv, &w->poll, fd);
    return rc < 0 ? error_from_errno(-rc) : 0;
}

void io_uv_watch_want(struct io_uv_watch *w, int events)
{
    if (w->wanted != events) {
        w->wanted = events;
        watch_mark(w);
    }
}

static void watch_on_closed(uv_handle_t *handle)
{
    struct io_uv_watch *w = handle->data;
    w->closed(w);
}

void io_uv_watch_close(struct io_uv_watch *w)
{
    list_remove(&w->dirty);
    uv_close((uv_handle_t *)&w->poll, watch_on_closed);
}

/* ---- turns ----------------------------------------------------------------------------------- */

static void take_all(struct list *from, struct list *to)
{
    list_init(to);
    if (!list_empty(from)) {
        list_insert_between(to, from->prev, from->next);
        list_init(from);
    }
}

static void deliver_all(struct io_uv_loop *l, struct list *batch)
{
    struct list *link;
    while ((link = list_pop_front(batch))) {
        struct io_op *op = list_entry(link, struct io_op, link);
        if (op->subject) {
            *(struct io_op **)op->subject = NULL;
        }
        op->active = false;
        l->active--;
        op->done(op, op->status);
    }
}

static void turn(struct io_uv_loop *l)
{
    struct list batch;
    struct heap_node *node;
    l->in_turn = true;
    l->unregistered = false;
    io_uv_loop_read_clock(l);
    while ((node = heap_min(&l->timers)) && node->key <= l->now_ns) {
        heap_remove(&l->timers, node);
        io_uv_loop_complete(l, list_entry(node, struct io_op, timer), 0);
    }
    /* Only what is there now: completions that lead to completions must not keep the kernel
     * waiting. */
    take_all(&l->completed, &batch);
    deliver_all(l, &batch);
    take_all(&l->turn_ends, &batch);
    deliver_all(l, &batch);
    apply_watches(l);
    l->in_turn = false;
}

static void loop_after_poll(uv_check_t *check)
{
    turn(check->data);
}

static void loop_on_alarm(uv_timer_t *alarm)
{
    (void)alarm; /* the turn that follows looks at the clock */
}

/* How long the operations of this file let the loop wait; -1: for ever. */
static int due_in_ms(struct io_uv_loop *l)
{
    if (!list_empty(&l->completed) || !list_empty(&l->turn_ends)) {
        return 0;
    }
    struct heap_node *node = heap_min(&l->timers);
    if (!node) {
        return -1;
    }
    int64_t wait_ns = node->key - io_uv_loop_read_clock(l);
    int64_t wait_ms = wait_ns <= 0 ? 0 : (wait_ns - 1) / ns_per_ms + 1;
    return wait_ms > INT_MAX ? INT_MAX : (int)wait_ms;
}

/* The shorter of two waits, where -1 is for ever. */
static int shorter(int a_ms, int b_ms)
{
    return a_ms < 0 || (b_ms >= 0 && b_ms < a_ms) ? b_ms : a_ms;
}

int io_uv_loop_timeout_ms(struct io_uv_loop *l)
{
    if (!list_empty(&l->dirty) || l->unregistered) {
        return 0;
    }
    return shorter(due_in_ms(l), uv_backend_timeout(&l->uv));
}

void io_uv_loop_run(struct io_uv_loop *l, int timeout_ms)
{
    ASSERT(!l->in_turn);
    apply_watches(l);
    int wait_ms = timeout_ms == 0 ? 0 : shorter(due_in_ms(l), timeout_ms);
    if (wait_ms > 0) {
        /* libuv runs timers before it polls as well: one that falls due in between would be gone when it decides how
         * long to wait, so it repeats. */
        uv_update_time(&l->uv);
        uv_timer_start(&l->alarm, loop_on_alarm, (uint64_t)wait_ms, 1);
    }
    uv_run(&l->uv, wait_ms == 0 ? UV_RUN_NOWAIT : UV_RUN_ONCE);
    uv_timer_stop(&l->alarm);
}

/* ---- beginning and end ----------------------------------------------------------------------- */

int io_uv_loop_init(struct io_uv_loop *l)
{
    int rc = uv_loop_init(&l->uv);
    if (rc < 0) {
        return error_from_errno(-rc);
    }
    list_init(&l->completed);
    list_init(&l->turn_ends);
    list_init(&l->dirty);
    uv_check_init(&l->uv, &l->after_poll);
    uv_timer_init(&l->uv, &l->alarm);
    l->after_poll.data = l;
    l->wake.data = l;
    uv_check_start(&l->after_poll, loop_after_poll);
    rc = uv_async_init(&l->uv, &l->wake, loop_on_wake);
    if (rc < 0) {
        uv_close((uv_handle_t *)&l->after_poll, NULL);
        uv_close((uv_handle_t *)&l->alarm, NULL);
        uv_run(&l->uv, UV_RUN_NOWAIT);
        uv_loop_close(&l->uv);
        return error_from_errno(-rc);
    }
    /* The kernel learns of the descriptor behind wake-ups, so that io_uv_fd() shows them. */
    uv_run(&l->uv, UV_RUN_NOWAIT);
    return 0;
}

void io_uv_loop_deinit(struct io_uv_loop *l)
{
    ASSERT(l->active == 0);
    uv_close((uv_handle_t *)&l->after_poll, NULL);
    uv_close((uv_handle_t *)&l->alarm, NULL);
    uv_close((uv_handle_t *)&l->wake, NULL);
    uv_run(&l->uv, UV_RUN_DEFAULT);
    ASSERT(uv_loop_close(&l->uv) == 0);
}
