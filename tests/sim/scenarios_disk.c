/* Swarms whose disks fail: full, slow, or one call that goes wrong. */
#include "scenario.h"

static void play_plain(struct run *r)
{
    run_begin(r);
    run_populate(r);
    run_finish(r);
    run_end(r);
}

/* Room for a part of it; then room for all. */
static void play_full(struct run *r)
{
    struct world *w = run_begin(r);
    w->settings.allocation = (uint32_t)(SPATE_ALLOCATE_SPARSE + dice_below(&r->dice, 3));
    w->resume_after_ns = 3 * WORLD_SECOND_NS;
    w->disks_fail = true;
    run_populate(r);
    struct io_sim_disk small = w->disk;
    for (int i = (int)r->set.seeds; i < w->peer_count; i++) {
        small.capacity_bytes = dice_below(&r->dice, (uint32_t)w->payload_bytes);
        io_sim_set_disk(w->peers[i].io, &small);
    }
    run_until(r, run_fault_at_ns(r, 5000, 40000));
    for (int i = 0; i < w->peer_count; i++) {
        io_sim_set_disk(w->peers[i].io, &w->disk);
    }
    run_finish(r);
    run_end(r);
}

/* ---- one call --------------------------------------------------------------------------------- */

static int64_t fail_one(void *user, const struct io_sim_disk_call *call)
{
    struct run *r = user;
    uint64_t index = r->fault_calls++;
    if (r->fault_over || index < r->fault_index) {
        return 0;
    }
    if (index == r->fault_index) {
        r->fault_host = call->host;
        return r->fault_code;
    }
    return r->fault_lasts && call->host == r->fault_host ? r->fault_code : 0;
}

static void play_world_of_calls(struct run *r)
{
    struct world *w = run_begin(r);
    w->resume_after_ns = 2 * WORLD_SECOND_NS;
    w->disks_fail = true;
    r->fault_calls = 0;
    r->fault_over = false;
    run_populate(r);
    for (int i = 0; i < w->peer_count; i++) {
        io_sim_set_disk_rule(w->peers[i].io, fail_one, r);
    }
    if (r->fault_lasts) {
        run_until(r, r->set.fault_for * 1000000);
        r->fault_over = true;
    }
    run_finish(r);
    run_end(r);
}

/* A first world, in which nothing fails, counts the calls; in the second one of them fails. Seed after
 * seed takes call after call. */
static void play_calls(struct run *r, bool lasts)
{
    static const int64_t codes[] = {SPATE_EIO, SPATE_ENOSPC, SPATE_EACCES, SPATE_EROFS, SPATE_EFDS};
    FILE *log = r->log;
    struct curve *curve = r->curve;
    r->log = NULL;
    r->curve = NULL;
    r->fault_index = UINT64_MAX;
    r->fault_lasts = false;
    play_world_of_calls(r);
    r->log = log;
    r->curve = curve;
    if (r->outcome->verdict.checker[0]) {
        return;
    }
    *r->outcome = (struct outcome){.end_ns = 0};
    r->fault_index =
        r->set.fault_index >= 0 ? (uint64_t)r->set.fault_index : (r->seed - 1) % r->fault_calls;
    r->fault_lasts = lasts;
    r->fault_code = codes[dice_below(&r->dice, sizeof codes / sizeof *codes)];
    play_world_of_calls(r);
}

static void play_call_once(struct run *r)
{
    play_calls(r, false);
}

static void play_call_for_good(struct run *r)
{
    play_calls(r, true);
}

const struct scenario scenarios_of_disks[] = {
    {"a_slow_disk_only_takes_longer", "every call of the disk takes long, a sync very long",
     "peers=6 pieces=40 disk=20000 sync=400000", play_plain},
    {"a_full_disk_is_waited_for", "disks of leechers are too small, and then large enough",
     "peers=5 pieces=40", play_full},
    {"any_disk_call_may_fail_once", "one call of one disk fails, call after call",
     "peers=2 pieces=12 files=3 up=0 seed_up=0", play_call_once},
    {"any_disk_call_may_fail_for_good", "from one call on a disk fails, until it is repaired",
     "peers=2 pieces=12 files=3 up=0 seed_up=0", play_call_for_good},
    {NULL, NULL, NULL, NULL},
};
