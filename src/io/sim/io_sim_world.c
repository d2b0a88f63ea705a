/* The clock, the event heap and turns.
 *
 * An event at time t may make others at t; they come after all that were there, in the order in which
 * they were made. Timers lie in a heap of their own and go first at equal times, so that a turn, which
 * is an event armed by what happens at t, finds all of it. */
#include "io/sim/io_sim_world.h"

#include "io/sim/io_sim_http.h"
#include "io/sim/io_sim_link.h"
#include "io/sim/io_sim_names.h"
#include "io/sim/io_sim_nat.h"
#include "io/sim/io_sim_socket.h"
#include "io/sim/io_sim_tcp.h"
#include "io/sim/io_sim_udp.h"
#include "io/sim/io_sim_work.h"

#include <stdio.h>
#include <stdlib.h>

static const int64_t first_ns = INT64_C(1000000000);
static const int64_t first_wall_ns = INT64_C(1700000000) * 1000000000;
static const int64_t turn_gap_ns = 1000; /* least time between two turns of a host */

void *io_sim_take(size_t size)
{
    void *memory = calloc(1, size);
    ASSERT(memory);
    return memory;
}

void io_sim_note(struct io_sim_host *host, enum io_sim_log_kind kind, uint64_t length,
                 int64_t status, uint64_t bytes)
{
    io_sim_log_add(&host->sim->log, host->sim->now_ns, host->id, host->name, kind, length, status,
                   bytes);
}

/* ---- events ----------------------------------------------------------------------------------- */

void io_sim_event_arm(struct io_sim *sim, struct io_sim_event *event, int64_t at_ns)
{
    io_sim_event_disarm(sim, event);
    io_sim_queue_insert(&sim->events, event, at_ns > sim->now_ns ? at_ns : sim->now_ns);
}

void io_sim_event_disarm(struct io_sim *sim, struct io_sim_event *event)
{
    if (io_sim_event_armed(event)) {
        io_sim_queue_remove(&sim->events, event);
    }
}

/* ---- operations ------------------------------------------------------------------------------- */

static void ask_turn(struct io_sim_host *host)
{
    if (!host->in_turn && !io_sim_event_armed(&host->turn)) {
        io_sim_event_arm(host->sim, &host->turn, host->next_turn_ns);
    }
}

bool io_sim_submit(struct io_sim_host *host, struct io_op *op, enum io_sim_op kind)
{
    ASSERT(!op->active && op->done);
    op->active = true;
    op->cancelled = false;
    op->kind = (uint8_t)kind;
    op->status = 0;
    op->subject = NULL;
    list_init(&op->link);
    host->sim->active++;
    if (host->sim->ending) {
        io_sim_complete(host, op, SPATE_ECANCELED);
        return false;
    }
    return true;
}

void io_sim_complete(struct io_sim_host *host, struct io_op *op, int status)
{
    io_sim_note(host, IO_SIM_LOG_DONE, op->kind, status, 0);
    op->kind = IO_SIM_OP_DONE;
    op->status = status;
    list_push_back(&host->completed, &op->link);
    ask_turn(host);
}

void io_sim_timer(struct io_sim_host *host, struct io_op *op, int64_t at_ns, enum io_sim_op kind)
{
    if (op->active) {
        ASSERT(op->kind == kind || op->kind == IO_SIM_OP_DONE);
        if (op->kind == kind) {
            heap_remove(&host->sim->timers, &op->timer);
            heap_insert(&host->sim->timers, &op->timer, at_ns);
        }
    } else if (io_sim_submit(host, op, kind)) {
        op->subject = host;
        heap_insert(&host->sim->timers, &op->timer, at_ns);
    }
}

void io_sim_turn_end(struct io_sim_host *host, struct io_op *op)
{
    if (io_sim_submit(host, op, IO_SIM_OP_TURN_END)) {
        list_push_back(&host->turn_ends, &op->link);
        ask_turn(host);
    }
}

void io_sim_wait_wake(struct io_sim_host *host, struct io_op *op)
{
    if (!io_sim_submit(host, op, IO_SIM_OP_WAKE)) {
        return;
    }
    ASSERT(!host->wake_op);
    if (host->woken) {
        host->woken = false;
        io_sim_complete(host, op, 0);
    } else {
        host->wake_op = op;
    }
}

void io_sim_wake(struct io_sim_host *host)
{
    if (host->wake_op) {
        struct io_op *op = host->wake_op;
        host->wake_op = NULL;
        io_sim_complete(host, op, 0);
    } else {
        host->woken = true;
    }
}

void io_sim_cancel(struct io_sim_host *host, struct io_op *op)
{
    if (op->kind == IO_SIM_OP_TIMER || op->kind == IO_SIM_OP_RESOLVE) {
        heap_remove(&host->sim->timers, &op->timer);
    } else if (op->kind == IO_SIM_OP_TURN_END) {
        list_remove(&op->link);
    } else {
        host->wake_op = NULL;
    }
    op->subject = NULL;
    io_sim_complete(host, op, SPATE_ECANCELED);
}

/* ---- turns ------------------------------------------------------------------------------------ */

static void deliver_all(struct io_sim_host *host, struct list *from)
{
    struct list batch, *link;
    list_init(&batch);
    if (!list_empty(from)) {
        list_insert_between(&batch, from->prev, from->next);
        list_init(from);
    }
    while ((link = list_pop_front(&batch))) {
        struct io_op *op = list_entry(link, struct io_op, link);
        if (op->subject) {
            *(struct io_op **)op->subject = NULL;
        }
        op->active = false;
        host->sim->active--;
        op->done(op, op->status);
    }
}

static void turn_fire(struct io_sim_event *event)
{
    struct io_sim_host *host = list_entry(event, struct io_sim_host, turn);
    host->in_turn = true;
    host->next_turn_ns = host->sim->now_ns + turn_gap_ns;
    /* Only what is there now: what is completed meanwhile belongs to the next turn. */
    deliver_all(host, &host->completed);
    deliver_all(host, &host->turn_ends);
    host->in_turn = false;
    io_sim_work_begin_all(host);
    if (!list_empty(&host->completed) || !list_empty(&host->turn_ends)) {
        ask_turn(host);
    }
}

static void timer_fire(struct io_op *op)
{
    struct io_sim_host *host = op->subject;
    int status = op->kind == IO_SIM_OP_RESOLVE ? io_sim_names_answer(host, op) : 0;
    op->subject = NULL;
    io_sim_complete(host, op, status);
}

/* The time of what comes next; INT64_MAX: nothing does. */
static int64_t next_ns(const struct io_sim *sim)
{
    const struct heap_node *timer = heap_min(&sim->timers);
    int64_t event_ns = io_sim_queue_first_ns(&sim->events);
    return timer && timer->key < event_ns ? timer->key : event_ns;
}

bool io_sim_step(struct io_sim *sim)
{
    struct heap_node *timer = heap_min(&sim->timers);
    int64_t event_ns = io_sim_queue_first_ns(&sim->events);
    if (io_sim_idle(sim)) {
        return false;
    }
    int64_t at_ns = timer && timer->key <= event_ns ? timer->key : event_ns;
    sim->now_ns = at_ns > sim->now_ns ? at_ns : sim->now_ns;
    if (timer && timer->key <= event_ns) {
        heap_remove(&sim->timers, timer);
        timer_fire(list_entry(timer, struct io_op, timer));
    } else {
        struct io_sim_event *event = sim->events.entries[0].event;
        io_sim_queue_remove(&sim->events, event);
        event->fire(event);
    }
    sim->event_count++;
    return true;
}

uint64_t io_sim_events(const struct io_sim *sim)
{
    return sim->event_count;
}

void io_sim_run_until(struct io_sim *sim, int64_t at_ns)
{
    while (next_ns(sim) <= at_ns && io_sim_step(sim)) {
    }
    if (sim->now_ns < at_ns) {
        sim->now_ns = at_ns;
    }
}

bool io_sim_idle(const struct io_sim *sim)
{
    return sim->events.count == 0 && !heap_min(&sim->timers);
}

int64_t io_sim_now(const struct io_sim *sim)
{
    return sim->now_ns;
}

void io_sim_set_wall(struct io *io, int64_t wall_ns)
{
    struct io_sim_host *host = io_sim_host_of(io);
    host->wall_offset_ns = wall_ns - host->sim->now_ns;
}

uint64_t io_sim_log_hash(const struct io_sim *sim)
{
    return sim->log.hash;
}

void io_sim_set_log(struct io_sim *sim, void (*line)(void *user, const char *text), void *user)
{
    sim->log.line = line;
    sim->log.user = user;
}

/* ---- hosts ------------------------------------------------------------------------------------ */

struct io_sim_host *io_sim_host_find(struct io_sim_host *from, const struct addr *address)
{
    struct addr key = *address;
    if (addr_is_loopback(address)) {
        return from;
    }
    key.port = 0;
    key.scope = 0;
    struct io_sim_host *host = map_get(&from->sim->addresses, &key);
    /* Nobody outside knows the inside address of a host behind a box. */
    bool hidden = host && host->nat && host->nat != from->nat && key.family == ADDR_V4;
    return hidden && host != from ? NULL : host;
}

bool io_sim_host_has(const struct io_sim_host *host, const struct addr *address)
{
    static const uint8_t loopback_v4[4] = {127, 0, 0, 1};
    static const uint8_t loopback_v6[16] = {[15] = 1};
    struct addr a = addr_v4(loopback_v4, 0), b = addr_v6(loopback_v6, 0);
    return address->family != ADDR_NONE &&
           (addr_same_ip(address, &host->v4) || addr_same_ip(address, &host->v6) ||
            addr_same_ip(address, &a) || addr_same_ip(address, &b));
}

struct addr io_sim_host_source(const struct io_sim_host *host, const struct addr *to)
{
    struct addr source = to->family == ADDR_V6 ? host->v6 : host->v4;
    if (addr_is_loopback(to)) {
        source = *to;
        source.port = 0;
    }
    return source;
}

static int host_enter(struct io_sim_host *host, const struct addr *address)
{
    struct addr key = *address;
    key.port = 0;
    key.scope = 0;
    if (map_get(&host->sim->addresses, &key) || map_get(&host->sim->outsides, &key)) {
        return SPATE_EADDRINUSE;
    }
    ASSERT(map_put(&host->sim->addresses, &key, host) == 0);
    return 0;
}

int io_sim_host_create(struct io_sim *sim, const char *name, struct addr v4, struct addr v6,
                       struct io **out)
{
    const uint64_t keys[2] = {sim->seed, 0x686f7374};
    struct io_sim_host *host = io_sim_take(sizeof *host);
    *out = NULL;
    host->sim = sim;
    v4.port = v6.port = 0;
    host->v4 = v4;
    host->v6 = v6;
    int rc = v4.family != ADDR_NONE ? host_enter(host, &v4) : 0;
    if (rc == 0 && v6.family != ADDR_NONE) {
        rc = host_enter(host, &v6);
        if (rc < 0 && v4.family != ADDR_NONE) {
            map_remove(&sim->addresses, &v4);
        }
    }
    if (rc < 0) {
        free(host);
        return rc;
    }
    host->io.driver = io_sim_driver();
    snprintf(host->name, sizeof host->name, "%s", name);
    host->id = ++sim->host_count;
    host->wall_offset_ns = first_wall_ns - first_ns;
    /* Its own, so that another host more or less changes no host's luck. */
    uint64_t seed = map_siphash(keys, host->name, strlen(host->name));
    dice_init(&host->entropy, seed);
    dice_init(&host->chance, seed ^ UINT64_C(0x5bf03635f0935ad5));
    host->turn.fire = turn_fire;
    list_init(&host->completed);
    list_init(&host->turn_ends);
    io_sim_link_init(host);
    io_sim_socket_host_init(host);
    io_sim_work_init(host);
    io_sim_disk_init(&host->disk, host);
    list_init(&host->requests);
    list_init(&host->origins);
    list_push_back(&sim->hosts, &host->link);
    io_sim_note(host, IO_SIM_LOG_HOST, host->id, 0, seed);
    *out = &host->io;
    return 0;
}

static void host_cancel_all(struct io_sim_host *host)
{
    struct list *link;
    io_sim_socket_close_all(host);
    io_sim_work_cancel_all(host);
    io_sim_http_cancel_all(host);
    while ((link = list_first(&host->turn_ends))) {
        io_sim_cancel(host, list_entry(link, struct io_op, link));
    }
    if (host->wake_op) {
        io_sim_cancel(host, host->wake_op);
    }
}

static void host_destroy(struct io_sim_host *host)
{
    list_remove(&host->link);
    io_sim_http_deinit(host);
    io_sim_work_deinit(host);
    io_sim_disk_deinit(&host->disk);
    free(host);
}

/* ---- beginning and end ------------------------------------------------------------------------ */

struct io_sim *io_sim_create(uint64_t seed)
{
    struct io_sim *sim = io_sim_take(sizeof *sim);
    const uint64_t keys[2] = {seed, 0x73706174652d7369};
    sim->seed = seed;
    sim->now_ns = first_ns;
    sim->log.hash = seed;
    list_init(&sim->hosts);
    list_init(&sim->conns);
    list_init(&sim->packets);
    list_init(&sim->spare_segments);
    for (int i = 0; i < IO_SIM_CHUNK_KINDS; i++) {
        list_init(&sim->spare_chunks[i]);
    }
    io_sim_disks_init(&sim->disks, sim);
    list_init(&sim->nats);
    map_init(&sim->addresses, sizeof(struct addr), keys);
    map_init(&sim->outsides, sizeof(struct addr), keys);
    map_init(&sim->ports, sizeof(struct io_sim_port), keys);
    map_init(&sim->names, sizeof(uint64_t), keys);
    return sim;
}

void io_sim_destroy(struct io_sim *sim)
{
    struct list *link;
    struct heap_node *timer;
    sim->ending = true;
    list_for_each (host, &sim->hosts) {
        host_cancel_all(list_entry(host, struct io_sim_host, link));
    }
    while ((timer = heap_min(&sim->timers))) {
        struct io_op *op = list_entry(timer, struct io_op, timer);
        io_sim_cancel(op->subject, op);
    }
    while (sim->active > 0) {
        ASSERT(io_sim_step(sim));
    }
    io_sim_udp_drop_all(sim);
    io_sim_tcp_drop_all(sim);
    while ((link = list_first(&sim->hosts))) {
        host_destroy(list_entry(link, struct io_sim_host, link));
    }
    io_sim_queue_deinit(&sim->events);
    io_sim_disks_deinit(&sim->disks);
    io_sim_names_deinit(sim);
    io_sim_nat_drop_all(sim);
    map_deinit(&sim->addresses);
    map_deinit(&sim->outsides);
    map_deinit(&sim->ports);
    map_deinit(&sim->names);
    free(sim);
}
