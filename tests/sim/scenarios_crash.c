/* Swarms whose machines lose their power and whose processes are killed, at any moment. */
#include "scenario.h"

/* Whoever has crashed comes back, some time after his session is gone. */
static void bring_back(struct run *r)
{
    struct world *w = r->world;
    for (int i = 0; i < w->peer_count && world_is_well(w); i++) {
        struct world_peer *p = &w->peers[i];
        if (io_sim_crashed(p->io) && !p->session && dice_below(&r->dice, 10) == 0) {
            world_restart(p);
        }
    }
}

static bool any_is_down(const struct world *w)
{
    bool any = false;
    for (int i = 0; i < w->peer_count; i++) {
        any = any || io_sim_crashed(w->peers[i].io);
    }
    return any;
}

/* Until nobody is down and everybody has everything. */
static void finish(struct run *r)
{
    struct world *w = r->world;
    int64_t until_ns = io_sim_now(w->sim) + r->set.within * WORLD_SECOND_NS;
    while (world_is_well(w) && (any_is_down(w) || !world_all_complete(w)) &&
           io_sim_now(w->sim) < until_ns) {
        run_until(r, io_sim_now(w->sim) + w->look_ns);
        bring_back(r);
    }
    run_finish(r);
    run_end(r);
}

/* A first world counts the disk calls of a leecher; in the second its power fails before one of them. Seed
 * after seed takes call after call. */
static void play_at_call(struct run *r)
{
    FILE *log = r->log;
    struct curve *curve = r->curve;
    r->log = NULL;
    r->curve = NULL;
    struct world *w = run_begin(r);
    run_populate(r);
    run_finish(r);
    uint64_t calls = io_sim_disk_calls(w->peers[w->peer_count - 1].io);
    run_end(r);
    r->log = log;
    r->curve = curve;
    if (r->outcome->verdict.checker[0]) {
        return;
    }
    *r->outcome = (struct outcome){.end_ns = 0};
    w = run_begin(r);
    run_populate(r);
    io_sim_set_crash_at(w->peers[w->peer_count - 1].io, r->set.fault_index >= 0
                                                            ? (uint64_t)r->set.fault_index
                                                            : (r->seed - 1) % calls);
    finish(r);
}

/* Every now and then one of them, seeds too, until it has been enough. */
static void play_at_times(struct run *r, enum io_sim_crash how)
{
    struct world *w = run_begin(r);
    run_populate(r);
    int64_t until_ns = io_sim_now(w->sim) + r->set.fault_for * 1000000;
    while (world_is_well(w) && io_sim_now(w->sim) < until_ns) {
        run_until(r, io_sim_now(w->sim) + w->look_ns);
        struct world_peer *p = &w->peers[dice_below(&r->dice, (uint32_t)w->peer_count)];
        if (dice_below(&r->dice, 30) == 0 && p->session && !io_sim_crashed(p->io)) {
            world_crash(p, how);
        }
        bring_back(r);
    }
    finish(r);
}

static void play_power(struct run *r)
{
    play_at_times(r, IO_SIM_CRASH_POWER);
}

static void play_kill(struct run *r)
{
    play_at_times(r, IO_SIM_CRASH_PROCESS);
}

const struct scenario scenarios_of_crashes[] = {
    {"power_may_fail_before_any_disk_call", "a leecher's power fails once, call after call",
     "peers=2 pieces=24 files=3 up=60 seed_up=60 state=1", play_at_call},
    {"power_may_fail_again_and_again", "the power of one after the other fails, seeds too",
     "peers=4 pieces=32 up=80 seed_up=80 sync=100000 state=1", play_power},
    {"processes_may_be_killed", "one process after the other is killed, seeds too",
     "peers=4 pieces=32 up=80 seed_up=80 state=1", play_kill},
    {NULL, NULL, NULL, NULL},
};
