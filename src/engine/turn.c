/* Work for the end of a turn. */
#include "engine/turn.h"

static void on_turn_end(struct io_op *op, int status)
{
    struct turn *t = list_entry(op, struct turn, op);
    struct list now;
    (void)status;
    list_init(&now);
    while (!list_empty(&t->work)) {
        list_push_back(&now, list_pop_front(&t->work));
    }
    struct list *node;
    while ((node = list_pop_front(&now))) {
        struct turn_work *work = list_entry(node, struct turn_work, link);
        work->run(work);
    }
    if (!list_empty(&t->work) && !t->closing && !t->op.active) {
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
    if (!t->op.active) {
        io_turn_end(t->io, &t->op);
    }
}
