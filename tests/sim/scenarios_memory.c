/* Swarms in which memory runs out. Memory is taken on admission: what cannot be had is an ordinary error of
 * the one who asked, and the user may try again. */
#include "memory.h"
#include "scenario.h"

/* From here on allocations are counted, and one of them fails. */
static void play_world(struct run *r, uint64_t index, bool lasts)
{
    struct world *w = run_begin(r);
    w->resume_after_ns = 2 * WORLD_SECOND_NS;
    run_populate(r);
    r->fault_calls = memory_use().calls;
    memory_fail(index, lasts);
    if (lasts) {
        run_until(r, io_sim_now(w->sim) + (int64_t)dice_below(&r->dice, 300) * 1000000);
        memory_heal();
    }
    run_finish(r);
    r->fault_calls = memory_use().calls - r->fault_calls;
    memory_heal();
    run_end(r);
}

/* A first world counts the allocations; in the second one of them fails. Seed after seed takes allocation
 * after allocation. */
static void play_allocations(struct run *r, bool lasts)
{
    FILE *log = r->log;
    struct curve *curve = r->curve;
    r->log = NULL;
    r->curve = NULL;
    play_world(r, UINT64_MAX / 2, false);
    r->log = log;
    r->curve = curve;
    if (r->outcome->verdict.checker[0]) {
        return;
    }
    play_world(r, run_fault_index(r, r->fault_calls), lasts);
}

static void play_once(struct run *r)
{
    play_allocations(r, false);
}

static void play_for_a_while(struct run *r)
{
    play_allocations(r, true);
}

const struct scenario scenarios_of_memory[] = {
    {"any_allocation_may_fail_once",
     "one allocation of a transfer fails, allocation after allocation",
     "peers=2 pieces=12 files=3 up=0 seed_up=0 state=1", play_once},
    {"memory_may_run_out_for_a_while", "from one allocation on none succeeds, until it is over",
     "peers=2 pieces=12 files=3 up=0 seed_up=0 state=1 within=7200", play_for_a_while},
    {NULL, NULL, NULL, NULL},
};
