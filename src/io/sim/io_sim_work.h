/* Simulated workers: lanes that jobs queue for. */
#ifndef IO_SIM_IO_SIM_WORK_H
#define IO_SIM_IO_SIM_WORK_H

#include "io/sim/io_sim_world.h"

struct io_sim_lane {
    struct io_sim_event event; /* the job begins, or ends */
    struct list start;         /* of io_sim_host.starting: it begins after this turn */
    struct io_sim_pool *pool;
    struct io_op *op; /* NULL: the lane is free */
    bool begun;
};

void io_sim_work_init(struct io_sim_host *);
void io_sim_work_deinit(struct io_sim_host *);
/* As many lanes as another host, and as fast. */
void io_sim_work_take_over(struct io_sim_host *, const struct io_sim_host *from);
void io_sim_work_submit(struct io_sim_host *, enum io_pool, struct io_op *);
/* A turn is over: what it has submitted begins. */
void io_sim_work_begin_all(struct io_sim_host *);
/* Takes back what has not begun. */
void io_sim_work_cancel(struct io_sim_host *, struct io_op *);
void io_sim_work_cancel_all(struct io_sim_host *);

#endif
