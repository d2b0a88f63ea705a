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
    uint64_t index = run_fault_index(r, calls);
    w = run_begin(r);
    run_populate(r);
    io_sim_set_crash_at(w->peers[w->peer_count - 1].io, index);
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

/* ---- crash after crash ------------------------------------------------------------------------
 *
 * Each life of a session ends at a moment or before a disk call that the seed chooses, many while it recovers
 * from the one before; what the disk then has is any state that the syncs allow. */

/* What befalls one life of a session, as the seed has it. */
struct life {
    struct run *run;
    struct world_peer *peer;
    bool
        may_fail; /* calls of its disk do at times: then what one knew may be in doubt to the next */
};

/* Settings are the most that a run of many small transfers takes of each: there are as many crashes in it as
 * the sizes of a torrent, the times of a disk and the memory of a session make different. */
static void choose_shape(struct run *r)
{
    static const int64_t times[] = {1, 1, 10, 100};
    r->set.peers = 1 + dice_below(&r->dice, (uint32_t)r->set.peers);
    r->set.pieces = 1 + dice_below(&r->dice, (uint32_t)r->set.pieces);
    r->set.files = 1 + dice_below(&r->dice, (uint32_t)r->set.files);
    r->set.piece >>= dice_below(&r->dice, 3);
    r->set.disk *= times[dice_below(&r->dice, 4)];
    r->set.sync *= times[dice_below(&r->dice, 4)];
}

/* Early calls, which are those of a recovery, as often as the many of a transfer. */
static uint64_t choose_call(struct run *r)
{
    return dice_below(&r->dice, UINT32_C(1) << (3 + dice_below(&r->dice, 8)));
}

/* Before its session begins. The power fails before a call of it; or nothing does by itself. */
static void arm(struct life *l)
{
    static const int codes[] = {SPATE_EIO, SPATE_ENOSPC, SPATE_EROFS};
    struct run *r = l->run;
    if (l->may_fail && dice_below(&r->dice, 4) == 0) {
        uint64_t first = choose_call(r), last = dice_below(&r->dice, 2) ? first : first + 20;
        io_sim_set_disk_failure(l->peer->io, first, last, codes[dice_below(&r->dice, 3)]);
    }
    if (dice_below(&r->dice, 2)) {
        io_sim_set_crash_at(l->peer->io, choose_call(r));
    }
}

static bool goes_on(const struct life *l)
{
    return world_is_well(l->run->world) && l->peer->session && !io_sim_crashed(l->peer->io);
}

static void step(const struct life *l)
{
    run_until(l->run, io_sim_now(l->run->world->sim) + l->run->world->look_ns);
}

/* For so long, if nothing happens. */
static void live(const struct life *l, int64_t for_ns)
{
    int64_t until_ns = io_sim_now(l->run->world->sim) + for_ns;
    while (goes_on(l) && io_sim_now(l->run->world->sim) < until_ns) {
        step(l);
    }
}

static bool is_at_work(const struct life *l)
{
    enum spate_state state = world_state(l->peer);
    return state == SPATE_STATE_DOWNLOADING || state == SPATE_STATE_SEEDING;
}

/* It ends by itself, or by one of all the ways there are. */
static void end_life(struct life *l)
{
    struct run *r = l->run;
    live(l, (int64_t)dice_below(&r->dice, 6000) * 1000000);
    if (goes_on(l) && r->set.files > 1 && dice_below(&r->dice, 4) == 0) {
        world_want(l->peer, dice_below(&r->dice, UINT32_C(1) << r->set.files));
        live(l, (int64_t)dice_below(&r->dice, 1500) * 1000000);
    }
    switch (goes_on(l) ? dice_below(&r->dice, 4) : 3) {
    case 0:
        world_crash(l->peer, IO_SIM_CRASH_PROCESS);
        break;
    case 1: /* after a goodbye, or in the middle of it */
        io_sim_set_crash_at(l->peer->io, io_sim_disk_calls(l->peer->io) + choose_call(r));
        world_leave(l->peer);
        live(l, 60 * WORLD_SECOND_NS);
        break;
    default:
        break;
    }
    if (world_is_well(r->world)) {
        world_crash(l->peer, IO_SIM_CRASH_POWER);
    }
}

/* What was durable is known to the next session. */
static void check_known(const struct life *l)
{
    const struct world_peer *p = l->peer;
    const struct torrent *t = world_torrent(p);
    for (uint32_t i = bitset_next(&p->durable, 0); !l->may_fail && i < p->durable.count;
         i = bitset_next(&p->durable, i + 1)) {
        if (!bitset_get(&t->pieces.have, i)) {
            world_complain(l->run->world, checker_name(CHECKER_DURABLE),
                           "piece %u was durable, and the next session does not know", i);
            return;
        }
    }
}

/* From the crash until the next session is at work, unless the power fails before that, too. */
static void recover(struct life *l, bool is_last)
{
    struct run *r = l->run;
    struct world *w = r->world;
    uint64_t begin_ns = run_cpu_ns();
    while (world_is_well(w) && l->peer->session) {
        step(l);
    }
    if (!world_is_well(w)) {
        return;
    }
    world_restart(l->peer);
    if (!world_is_well(w)) {
        return; /* what was durable is not there */
    }
    if (!is_last) {
        arm(l);
    }
    if (dice_below(&r->dice, 8) == 0) { /* the battery of its clock was empty */
        io_sim_set_wall(l->peer->io, (int64_t)(dice_next(&r->dice) >> 2));
    }
    world_introduce(l->peer, &w->peers[0]);
    int64_t until_ns = io_sim_now(w->sim) + r->set.within * WORLD_SECOND_NS;
    while (goes_on(l) && !is_at_work(l) && io_sim_now(w->sim) < until_ns) {
        step(l);
    }
    if (goes_on(l)) {
        if (is_at_work(l)) {
            check_known(l);
        } else {
            world_complain(w, checker_name(CHECKER_FINISH), "the next session does not begin");
        }
        r->outcome->recoveries++;
        r->outcome->recovering_ns += run_cpu_ns() - begin_ns;
    }
}

/* A choice of files that is not carried out yet: some of their bytes lie in the part file. */
static bool any_chooses(const struct world *w)
{
    bool any = false;
    for (int i = 0; i < w->peer_count; i++) {
        const struct torrent *t = world_torrent(&w->peers[i]);
        any = any || (t && (t->choice_waits || t->want.op.active));
    }
    return any;
}

/* The last life of each is an undisturbed one, in which everything is wanted. */
static void finish_storm(struct run *r)
{
    struct world *w = r->world;
    int64_t until_ns = io_sim_now(w->sim) + r->set.within * WORLD_SECOND_NS;
    for (int i = (int)r->set.seeds; i < w->peer_count && world_is_well(w); i++) {
        struct life l = {.run = r, .peer = &w->peers[i]};
        if (io_sim_crashed(l.peer->io)) {
            recover(&l, true);
        }
        io_sim_set_crash_at(l.peer->io, UINT64_MAX);
        io_sim_set_disk_failure(l.peer->io, UINT64_MAX, 0, SPATE_EIO);
        if (world_is_well(w)) {
            world_want(l.peer, UINT32_MAX);
        }
    }
    run_until(r, io_sim_now(w->sim) + WORLD_SECOND_NS); /* the wishes are heard */
    run_finish(r);
    while (world_is_well(w) && any_chooses(w) && io_sim_now(w->sim) < until_ns) {
        run_until(r, io_sim_now(w->sim) + w->look_ns);
    }
    run_end(r);
}

static void play_storm(struct run *r)
{
    choose_shape(r);
    struct world *w = run_begin(r);
    w->settings.allocation = (uint32_t)(SPATE_ALLOCATE_SPARSE + dice_below(&r->dice, 3));
    w->resume_after_ns = WORLD_SECOND_NS;
    run_populate(r);
    struct life l = {.run = r, .may_fail = dice_below(&r->dice, 4) == 0};
    w->disks_fail = l.may_fail;
    for (int64_t i = 0; i < r->set.crashes && world_is_well(w); i++) {
        l.peer = &w->peers[r->set.seeds + dice_below(&r->dice, (uint32_t)r->set.peers)];
        end_life(&l);
        recover(&l, false);
    }
    finish_storm(r);
}

const struct scenario scenarios_of_crashes[] = {
    {"power_may_fail_before_any_disk_call", "a leecher's power fails once, call after call",
     "peers=2 pieces=24 files=3 up=60 seed_up=60 state=1", play_at_call},
    {"power_may_fail_again_and_again", "the power of one after the other fails, seeds too",
     "peers=4 pieces=32 up=80 seed_up=80 sync=100000 state=1", play_power},
    {"processes_may_be_killed", "one process after the other is killed, seeds too",
     "peers=4 pieces=32 up=80 seed_up=80 state=1", play_kill},
    {"a_transfer_outlives_crash_after_crash",
     "small torrents of any shape, crashed at any disk call and any moment, also while they "
     "recover",
     "peers=2 pieces=32 piece=32768 files=5 crashes=12 up=200 seed_up=200 tracker=0 state=1 "
     "look=20",
     play_storm},
    {NULL, NULL, NULL, NULL},
};
