/* The deadlines of a session. The port's one timer is only ever moved to an earlier moment; a
 * deadline that moved to a later one is noticed when the old moment comes. */
#include "engine/timers.h"

static void on_due(struct io_op *op, int status);

static void arm(struct timers *t)
{
    struct heap_node *first = heap_min(&t->heap);
    if (t->closing || !first) {
        return;
    }
    if (t->op.active) {
        if (first->key < t->op_at_ns) {
            io_cancel(t->io, &t->op); /* completes soon, and is armed again there */
            t->op_at_ns = first->key;
        }
        return;
    }
    t->op_at_ns = first->key;
    io_timer(t->io, &t->op, first->key);
}

static void on_due(struct io_op *op, int status)
{
    struct timers *t = list_entry(op, struct timers, op);
    (void)status;
    int64_t now_ns = io_now(t->io);
    struct heap_node *first;
    while (!t->closing && (first = heap_min(&t->heap)) && first->key <= now_ns) {
        struct timer *timer = list_entry(first, struct timer, node);
        heap_remove(&t->heap, first);
        timer->armed = false;
        timer->fire(timer, now_ns);
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
        struct timer *timer = list_entry(heap_min(&t->heap), struct timer, node);
        heap_remove(&t->heap, &timer->node);
        timer->armed = false;
    }
    io_cancel(t->io, &t->op);
}

bool timers_idle(const struct timers *t)
{
    return !t->op.active;
}

void timer_set(struct timers *t, struct timer *timer, int64_t at_ns)
{
    if (timer->armed) {
        if (timer->node.key == at_ns) {
            return;
        }
        heap_remove(&t->heap, &timer->node);
        timer->armed = false;
    }
    if (at_ns == INT64_MAX || t->closing) {
        return;
    }
    heap_insert(&t->heap, &timer->node, at_ns);
    timer->armed = true;
    arm(t);
}
