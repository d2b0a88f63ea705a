/* Swarms with peers that are scripts (actor.h): awkward ones that break no rule, and liars. */
#include "actor.h"
#include "scenario.h"

enum { ACTORS = 2 };

static void play_actors(struct run *r, const struct actor_habits *habits)
{
    struct world *w = run_begin(r);
    struct actor *actors[ACTORS];
    run_populate(r);
    for (int i = 0; i < ACTORS; i++) {
        actors[i] = actor_create(w, (uint8_t)(i + 1), r->seed * ACTORS + (uint64_t)i, habits);
        const struct world_peer named = {.address = actor_address(actors[i])};
        for (int peer = (int)r->set.seeds; peer < w->peer_count; peer++) {
            world_introduce(&w->peers[peer], &named);
        }
    }
    run_finish(r);
    run_end(r);
    for (int i = 0; i < ACTORS; i++) {
        if (!r->outcome->verdict.checker[0]) {
            actor_destroy(actors[i]);
        }
    }
}

static void play_awkward(struct run *r)
{
    static const struct actor_habits habits = {
        .late_percent = 10, .double_percent = 20, .half_percent = 30, .pause_ns = 10000000};
    play_actors(r, &habits);
}

static void play_corrupt(struct run *r)
{
    static const struct actor_habits habits = {.corrupt_percent = 30, .pause_ns = 5000000};
    play_actors(r, &habits);
}

const struct scenario scenarios_of_peers[] = {
    {"an_awkward_peer_harms_nobody", "blocks come late, twice, in halves and in any order",
     "peers=3 pieces=40", play_awkward},
    {"who_lies_is_found_out_and_nobody_else", "two peers that have everything send wrong bytes",
     "peers=4 pieces=40 up=300 seed_up=100", play_corrupt},
    {NULL, NULL, NULL, NULL},
};
