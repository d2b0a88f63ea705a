/* Work runs inline when its lane comes to it, after the turn that submits it; what it costs (its disk calls, and
 * its computing at the host's rate) keeps the lane taken, and then it completes. */
#include "io/sim/io_sim_work.h"

#include <stdlib.h>

static const uint64_t ns_per_s = 1000000000;

/* Gives waiting jobs to free lanes. */
static void start_waiting(struct io_sim_pool *pool)
{
    for (uint32_t i = 0; i < pool->lane_count && !list_empty(&pool->queue); i++) {
        struct io_sim_lane *lane = &pool->lanes[i];
        if (lane->op) {
            continue;
        }
        lane->op = list_entry(list_pop_front(&pool->queue), struct io_op, link);
        lane->op->subject = lane;
        lane->begun = false;
        if (pool->host->in_turn) {
            list_push_back(&pool->host->starting, &lane->start);
        } else {
            io_sim_event_arm(pool->host->sim, &lane->event, pool->host->sim->now_ns);
        }
    }
}

static void lane_end(struct io_sim_lane *lane, int status)
{
    struct io_sim_pool *pool = lane->pool;
    struct io_op *op = lane->op;
    lane->op = NULL;
    op->subject = NULL;
    io_sim_complete(pool->host, op, status);
    start_waiting(pool);
}

static void lane_begin(struct io_sim_lane *lane)
{
    struct io_sim_host *host = lane->pool->host;
    struct io_op *op = lane->op;
    lane->begun = true;
    op->kind = IO_SIM_OP_WORK_BEGUN;
    host->disk.job_ns = 0;
    host->sim->disks.working = host;
    op->status = op->run(op, &host->disk.inside.fs);
    host->sim->disks.working = NULL;
    int64_t cost_ns = host->disk.job_ns;
    if (host->compute_bytes_per_s > 0) {
        cost_ns += (int64_t)(op->work_bytes * ns_per_s / host->compute_bytes_per_s);
    }
    io_sim_event_arm(host->sim, &lane->event, host->sim->now_ns + cost_ns);
}

void io_sim_work_begin_all(struct io_sim_host *host)
{
    struct list *link;
    while ((link = list_pop_front(&host->starting))) {
        lane_begin(list_entry(link, struct io_sim_lane, start));
    }
}

static void lane_fire(struct io_sim_event *event)
{
    struct io_sim_lane *lane = list_entry(event, struct io_sim_lane, event);
    if (lane->begun) {
        lane_end(lane, lane->op->status);
    } else {
        lane_begin(lane);
    }
}

void io_sim_work_submit(struct io_sim_host *host, enum io_pool which, struct io_op *op)
{
    struct io_sim_pool *pool = &host->pools[which];
    if (io_sim_submit(host, op, IO_SIM_OP_WORK)) {
        op->subject = pool;
        list_push_back(&pool->queue, &op->link);
        start_waiting(pool);
    }
}

void io_sim_work_cancel(struct io_sim_host *host, struct io_op *op)
{
    if (op->kind == IO_SIM_OP_WORK_BEGUN) {
        return;
    }
    if (list_linked(&op->link)) {
        list_remove(&op->link);
        op->subject = NULL;
        io_sim_complete(host, op, SPATE_ECANCELED);
    } else {
        struct io_sim_lane *lane = op->subject;
        io_sim_event_disarm(host->sim, &lane->event);
        list_remove(&lane->start);
        lane_end(lane, SPATE_ECANCELED);
    }
}

void io_sim_work_cancel_all(struct io_sim_host *host)
{
    for (int i = 0; i < IO_POOL_COUNT; i++) {
        struct io_sim_pool *pool = &host->pools[i];
        struct list *link;
        while ((link = list_first(&pool->queue))) {
            io_sim_work_cancel(host, list_entry(link, struct io_op, link));
        }
        for (uint32_t lane = 0; lane < pool->lane_count; lane++) {
            if (pool->lanes[lane].op) {
                io_sim_work_cancel(host, pool->lanes[lane].op);
            }
        }
    }
}

static void set_lanes(struct io_sim_pool *pool, uint32_t count)
{
    for (uint32_t i = 0; i < pool->lane_count; i++) {
        ASSERT(!pool->lanes[i].op);
    }
    free(pool->lanes);
    pool->lanes = io_sim_take(count * sizeof *pool->lanes);
    pool->lane_count = count;
    for (uint32_t i = 0; i < count; i++) {
        pool->lanes[i].pool = pool;
        pool->lanes[i].event.fire = lane_fire;
        list_init(&pool->lanes[i].start);
    }
}

void io_sim_set_lanes(struct io *io, enum io_pool which, uint32_t lanes)
{
    ASSERT(lanes > 0 && lanes <= LIMIT_WORKERS);
    set_lanes(&io_sim_host_of(io)->pools[which], lanes);
}

void io_sim_set_compute(struct io *io, uint64_t bytes_per_s)
{
    io_sim_host_of(io)->compute_bytes_per_s = bytes_per_s;
}

void io_sim_work_take_over(struct io_sim_host *host, const struct io_sim_host *from)
{
    host->compute_bytes_per_s = from->compute_bytes_per_s;
    for (int i = 0; i < IO_POOL_COUNT; i++) {
        set_lanes(&host->pools[i], from->pools[i].lane_count);
    }
}

void io_sim_work_init(struct io_sim_host *host)
{
    host->compute_bytes_per_s = ns_per_s;
    list_init(&host->starting);
    for (int i = 0; i < IO_POOL_COUNT; i++) {
        host->pools[i].host = host;
        list_init(&host->pools[i].queue);
        set_lanes(&host->pools[i], i == IO_POOL_SYNC ? 1 : 2);
    }
}

void io_sim_work_deinit(struct io_sim_host *host)
{
    for (int i = 0; i < IO_POOL_COUNT; i++) {
        free(host->pools[i].lanes);
    }
}
