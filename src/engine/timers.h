/* The deadlines of a session in one heap behind one operation of the port, so that arming one costs
 * no system call and an idle session wakes only for what is due. */
#ifndef ENGINE_TIMERS_H
#define ENGINE_TIMERS_H

#include "io/io.h"

struct timer {
    struct heap_node node;
    bool armed;
    void (*fire)(struct timer *,
                 int64_t now_ns); /* set by the owner; the timer is no longer armed */
};

struct timers {
    struct io *io;
    struct heap heap;
    struct io_op op;
    int64_t op_at_ns; /* when op is due, while it is active */
    bool closing;
};

void timers_init(struct timers *, struct io *);
/* No timer is armed any more; timers_idle() once the operation has completed. */
void timers_close(struct timers *);
bool timers_idle(const struct timers *);

/* Arms, moves, or with INT64_MAX disarms. */
void timer_set(struct timers *, struct timer *, int64_t at_ns);
static inline void timer_clear(struct timers *t, struct timer *timer)
{
    timer_set(t, timer, INT64_MAX);
}

#endif
