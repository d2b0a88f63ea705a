/* Work for the end of a turn. Running some makes more as a rule (who got new work has something to send), and that
 * should not cost a turn of its own. */
#include "engine/turn.h"

enum { TURN_ROUNDS_MAX = 4 }; /* then the loop gets to see what has come meanwhile */

static void run_all(struct turn *t)
{
    struct list now, *node;
    list_init(&now);
    while ((node = list_pop_front(&t->work))) {
        list_push_back(&now, node);
    }
    while ((node = list_pop_front(&now))) {
        struct turn_work *work = list_entry(node, struct turn_work, link);
        work->run(work);
    }
}

static void on_turn_end(struct io_op *op, int status)
{
    struct turn *t = list_entry(op, struct turn, op);
    (void)status;
    t->running = true;
    for (int round = 0; round < TURN_ROUNDS_MAX && !list_empty(&t->work); round++) {
        run_all(t);
    }
    t->running = false;
    if (!list_empty(&t->work) && !t->closing) {
        io_turn_end(t->io, &t->op);
    }
}

void turn_init(struct turn *t, struct io *io)
{
    *t = (struct turn){.io = io, .op = {.done = on_turn_end}};
    list_init(&t->work);
}

void turn_close(struct turn *t)
{
    t->closing = true;
    while (list_pop_front(&t->work)) {
    }
    io_cancel(t->io, &t->op);
}

bool turn_idle(const struct turn *t)
{
    return !t->op.active;
}

void turn_add(struct turn *t, struct turn_work *work)
{
    if (t->closing || list_linked(&work->link)) {
        return;
    }
    list_push_back(&t->work, &work->link);
    if (!t->op.active && !t->running) {
        io_turn_end(t->io, &t->op);
    }
}
