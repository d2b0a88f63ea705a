/* Work for the end of a turn: whoever has something to send says so once, and it leaves in one
 * write when everything that was ready in this turn has been handled. */
#ifndef ENGINE_TURN_H
#define ENGINE_TURN_H

#include "io/io.h"

struct turn_work {
    struct list link;
    void (*run)(struct turn_work *); /* set by the owner */
};

struct turn {
    struct io *io;
    struct list work;
    struct io_op op;
    bool running; /* work is being run */
    bool closing;
};

static inline void turn_work_init(struct turn_work *w, void (*run)(struct turn_work *))
{
    list_init(&w->link);
    w->run = run;
}

void turn_init(struct turn *, struct io *);
/* Forgets all work; turn_idle() once the operation has completed. */
void turn_close(struct turn *);
bool turn_idle(const struct turn *);
/* Runs at the end of this turn, once, however often it is added; what is added by running work runs after it, or
 * when that goes on for long at the end of the next one. */
void turn_add(struct turn *, struct turn_work *);
static inline void turn_remove(struct turn_work *w)
{
    list_remove(&w->link);
}

#endif
