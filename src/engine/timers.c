/* The deadlines of a session. Most of them are silences that every message moves further away, so nothing
 * is done for a move to a later moment: the heap keeps the old one, and what has moved is noticed when that
 * comes. The same goes for the port's one timer. */
#include "engine/timers.h"

static void on_due(struct io_op *op, int status);

static void arm(struct timers *t)
{
    struct heap_node *first = heap_min(&t->heap);
    if (t->closing || !first) {
        return;
    }
    if (t->op.active && first->key >= t->op_at_ns) {
        return;
    }
    t->op_at_ns = first->key;
    io_timer(t->io, &t->op, first->key);
}

static void take_out(struct timers *t, struct timer *timer)
{
    heap_remove(&t->heap, &timer->node);
    timer->queued = false;
}

static void put_in(struct timers *t, struct timer *timer)
{
    heap_insert(&t->heap, &timer->node, timer->at_ns);
    timer->queued = true;
}

static void on_due(struct io_op *op, int status)
{
    struct timers *t = list_entry(op, struct timers, op);
    (void)status;
    int64_t now_ns = io_now(t->io);
    struct heap_node *first;
    while (!t->closing && (first = heap_min(&t->heap)) && first->key <= now_ns) {
        struct timer *timer = list_entry(first, struct timer, node);
        take_out(t, timer);
        if (timer->armed && timer->at_ns > now_ns) {
            put_in(t, timer);
        } else if (timer->armed) {
            timer->armed = false;
            timer->fire(timer, now_ns);
        }
    }
    arm(t);
}

void timers_init(struct timers *t, struct io *io)
{
    *t = (struct timers){.io = io, .op = {.done = on_due}};
}

void timers_close(struct timers *t)
{
    t->closing = true;
    while (heap_min(&t->heap)) {
        timer_clear(t, list_entry(heap_min(&t->heap), struct timer, node));
    }
    io_cancel(t->io, &t->op);
}

bool timers_idle(const struct timers *t)
{
    return !t->op.active;
}

void timer_set(struct timers *t, struct timer *timer, int64_t at_ns)
{
    timer->armed = at_ns != INT64_MAX && !t->closing;
    timer->at_ns = at_ns;
    if (!timer->armed || (timer->queued && timer->node.key <= at_ns)) {
        return;
    }
    if (timer->queued) {
        take_out(t, timer);
    }
    put_in(t, timer);
    arm(t);
}

void timer_clear(struct timers *t, struct timer *timer)
{
    timer->armed = false;
    if (timer->queued) {
        take_out(t, timer);
    }
}
