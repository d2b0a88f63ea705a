/* The deadlines of a session in one heap behind one operation of the port, so that arming one costs
 * no system call and an idle session wakes only for what is due. */
#ifndef ENGINE_TIMERS_H
#define ENGINE_TIMERS_H

#include "io/io.h"

struct timer {
    struct heap_node node; /* while queued; its key is at most at_ns */
    int64_t at_ns;         /* while armed */
    bool armed, queued;
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

/* Arms, moves, or with INT64_MAX disarms. Moving to a later moment costs next to nothing. */
void timer_set(struct timers *, struct timer *, int64_t at_ns);
/* Disarms, and forgets it: its memory may go. */
void timer_clear(struct timers *, struct timer *);

#endif
