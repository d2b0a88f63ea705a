/* Swarms around which things fail: trackers, lines, clocks, sessions. */
#include "scenario.h"

static bool chance(struct run *r, uint32_t percent)
{
    return dice_below(&r->dice, 100) < percent;
}

static void play_tracker(struct run *r)
{
    struct world *w = run_begin(r);
    run_add_seed(r);
    for (int64_t i = 0; i < r->set.peers / 2; i++) {
        run_add_leecher(r);
    }
    int64_t at_ns = run_fault_at_ns(r, 0, 4000);
    run_until(r, at_ns);
    io_sim_set_up(w->tracker_io, false);
    for (int64_t i = r->set.peers / 2; i < r->set.peers; i++) {
        run_add_leecher(r);
    }
    run_until(r, at_ns + r->set.fault_for * 1000000);
    io_sim_set_up(w->tracker_io, true);
    run_finish(r);
    run_end(r);
}

/* Hosts lose their line and get it back, at times of their own. */
static void play_darkness(struct run *r)
{
    struct world *w = run_begin(r);
    run_populate(r);
    int64_t from_ns = run_fault_at_ns(r, 0, 3000), step_ns = r->set.fault_for * 1000000 / 16;
    for (int step = 0; step < 16; step++) {
        run_until(r, from_ns + step * step_ns);
        for (int i = 0; i < w->peer_count; i++) {
            world_set_up(&w->peers[i], !chance(r, 30));
        }
    }
    for (int i = 0; i < w->peer_count; i++) {
        world_set_up(&w->peers[i], true);
    }
    run_finish(r);
    run_end(r);
}

/* The network falls into two halves, which find each other again. */
static void play_partition(struct run *r)
{
    struct world *w = run_begin(r);
    run_populate(r);
    run_until(r, run_fault_at_ns(r, 0, 6000));
    for (int i = 0; i < w->peer_count; i++) {
        w->peers[i].dark_ns = io_sim_now(w->sim);
        io_sim_set_part(w->peers[i].io, chance(r, 50));
    }
    run_until(r, io_sim_now(w->sim) + r->set.fault_for * 1000000);
    for (int i = 0; i < w->peer_count; i++) {
        w->peers[i].dark_ns = io_sim_now(w->sim);
        io_sim_set_part(w->peers[i].io, 0);
    }
    run_finish(r);
    run_end(r);
}

/* Every other leecher stands behind a box of its own, and at some time the boxes forget all ports;
 * some have another address then. */
static void play_nat(struct run *r)
{
    enum { BOXES_MAX = 256 };
    struct world *w = run_begin(r);
    struct io_sim_nat *boxes[BOXES_MAX];
    struct world_peer *owners[BOXES_MAX];
    struct io_sim_link link = run_link(r, r->set.up, r->set.down);
    int count = 0;
    run_add_seed(r);
    for (int64_t i = 0; i < r->set.peers; i++) {
        struct world_peer *p = world_add_host(w, &link, "leech");
        const uint8_t ip[4] = {10, 7, 0, (uint8_t)i};
        const struct addr outside = addr_v4(ip, 0);
        enum io_sim_nat_kind kind = (enum io_sim_nat_kind)dice_below(&r->dice, 4);
        if (i % 2 == 0 && count < BOXES_MAX &&
            io_sim_nat_create(w->sim, kind, outside, &boxes[count]) == 0) {
            owners[count] = p;
            io_sim_set_nat(p->io, boxes[count++]);
            world_set_outside(p, &outside);
        }
        world_start(p);
    }
    run_until(r, run_fault_at_ns(r, 1000, 6000));
    for (int i = 0; i < count; i++) {
        const uint8_t ip[4] = {10, 8, 0, (uint8_t)i};
        struct addr other = addr_v4(ip, 0);
        bool moves = chance(r, 50);
        io_sim_nat_rebind(boxes[i], moves ? &other : NULL);
        if (moves) {
            world_set_outside(owners[i], &other);
        }
    }
    for (int i = 0; i < w->peer_count; i++) {
        w->peers[i].dark_ns = io_sim_now(w->sim);
    }
    run_finish(r);
    run_end(r);
}

/* Forward by a year, back by a year, to 1970. */
static void play_clock(struct run *r)
{
    static const int64_t year_s = 31556952, now_s = INT64_C(1790000000);
    struct world *w = run_begin(r);
    run_populate(r);
    for (int i = 0; i < 12; i++) {
        int64_t jumps_s[] = {now_s + year_s, now_s - year_s, now_s, 0};
        run_until(r, io_sim_now(w->sim) + r->set.fault_for * 1000000 / 12);
        struct world_peer *p = &w->peers[dice_below(&r->dice, (uint32_t)w->peer_count)];
        io_sim_set_wall(p->io, jumps_s[dice_below(&r->dice, 4)] * WORLD_SECOND_NS);
    }
    run_finish(r);
    run_end(r);
}

/* A file in which nothing fits would be somebody else's, if there is no record of it. */
static void start(struct world_peer *p)
{
    if (!p->seed && p->proven.ones == 0 && !p->world->settings.state_dir) {
        world_clear(p);
    }
    world_start(p);
}

static void start_all(struct world *w)
{
    for (int i = 0; i < w->peer_count; i++) {
        if (!w->peers[i].session) {
            start(&w->peers[i]);
        }
    }
}

/* Everybody says goodbye in the middle of it and comes back: without a record everything on the disk is
 * hashed again. */
static void play_restart(struct run *r)
{
    struct world *w = run_begin(r);
    run_populate(r);
    run_until(r, run_fault_at_ns(r, 500, 6000));
    for (int i = 0; i < w->peer_count; i++) {
        world_leave(&w->peers[i]);
    }
    world_wait_for_leavers(w, 60 * WORLD_SECOND_NS);
    if (world_is_well(w)) {
        start_all(w);
    }
    run_finish(r);
    run_end(r);
}

/* One after the other goes and comes back. */
static void play_churn(struct run *r)
{
    struct world *w = run_begin(r);
    run_populate(r);
    int64_t until_ns = io_sim_now(w->sim) + r->set.fault_for * 1000000;
    while (world_is_well(w) && io_sim_now(w->sim) < until_ns) {
        struct world_peer *p = &w->peers[dice_below(&r->dice, (uint32_t)w->peer_count)];
        if (!p->session) {
            start(p);
        } else if (!p->leaving) {
            world_leave(p);
        }
        run_until(r, io_sim_now(w->sim) + (int64_t)dice_below(&r->dice, 1500) * 1000000);
    }
    world_wait_for_leavers(w, 60 * WORLD_SECOND_NS);
    if (world_is_well(w)) {
        start_all(w);
    }
    run_finish(r);
    run_end(r);
}

/* The user pauses and goes on. */
static void play_pauses(struct run *r)
{
    struct world *w = run_begin(r);
    run_populate(r);
    int64_t until_ns = io_sim_now(w->sim) + r->set.fault_for * 1000000;
    while (world_is_well(w) && io_sim_now(w->sim) < until_ns) {
        struct world_peer *p = &w->peers[dice_below(&r->dice, (uint32_t)w->peer_count)];
        world_command(p, chance(r, 50) ? COMMAND_PAUSE : COMMAND_RESUME);
        run_until(r, io_sim_now(w->sim) + (int64_t)dice_below(&r->dice, 700) * 1000000);
    }
    for (int i = 0; i < w->peer_count; i++) {
        world_command(&w->peers[i], COMMAND_RESUME);
    }
    run_finish(r);
    run_end(r);
}

const struct scenario scenarios_of_faults[] = {
    {"a_tracker_may_die_and_return", "half come while the tracker is dead",
     "peers=10 pieces=48 fault_for=30000", play_tracker},
    {"lines_may_go_dark_and_come_back", "hosts lose all packets for a while, again and again",
     "peers=8 pieces=48 fault_for=24000", play_darkness},
    {"two_halves_of_the_network_find_each_other_again", "half the hosts cannot reach the others",
     "peers=8 pieces=48 fault_for=60000 look=100", play_partition},
    {"half_may_stand_behind_nat",
     "boxes of all kinds, which forget their ports in the middle of it, some with a new address",
     "peers=10 pieces=48 within=4000 look=250", play_nat},
    {"the_clock_may_jump_a_year", "the wall clock of one host after the other jumps",
     "peers=6 pieces=48 fault_for=6000", play_clock},
    {"everyone_may_restart", "all sessions end in the middle and begin again from their records",
     "peers=6 pieces=48 up=400 seed_up=400 state=1", play_restart},
    {"everyone_may_restart_and_forget", "the same without any record: all is hashed again",
     "peers=6 pieces=48 up=400 seed_up=400", play_restart},
    {"peers_may_go_and_come_back", "sessions end and begin again all the time",
     "peers=8 pieces=48 up=400 seed_up=400 state=1", play_churn},
    {"users_may_pause_and_resume", "torrents pause and go on all the time",
     "peers=8 pieces=48 up=400 seed_up=400 fault_for=10000", play_pauses},
    {NULL, NULL, NULL, NULL},
};
