/* Strangers that break the rules: each comes to the end that its row demands, and the honest go on; and with half of a
 * swarm made of them, the honest finish in at most twice the time that they need alone. */
#include "hostile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>

static const struct world_file files[] = {{NULL, 2000000}};
static const struct world_torrent hostile_torrent = {files, 1, 65536, WORLD_TRACKER_NONE};

enum { HONEST = 4, PATIENCE_S = 600, CROWD = 8 };

/* What the logs of the honest say of the hosts at 10.66.0.x. */
struct heard {
    char closed[256][120]; /* why its first connection was closed */
};

static void listen_to(struct world_peer *p, struct heard *heard)
{
    struct spate_log_entry entry = {.size = sizeof entry};
    while (p->session && hub_next_log(&p->session->hub, &entry)) {
        unsigned number;
        const char *at = strstr(entry.text, "10.66.0.");
        const char *closed = at ? strstr(at, " closed") : NULL;
        if (closed && sscanf(at, "10.66.0.%u", &number) == 1 && number < 256 &&
            !heard->closed[number][0]) {
            snprintf(heard->closed[number], sizeof heard->closed[number], "%s", closed + 1);
        }
    }
}

static struct world *make_world(uint64_t seed, int honest)
{
    struct world *w = world_create(seed);
    struct io_sim_link slow = io_sim_link_default();
    slow.up_bytes_per_s = 400000;
    slow.down_bytes_per_s = 4000000;
    w->settings.log_level = SPATE_LOG_DEBUG;
    world_set_torrent(w, &hostile_torrent);
    for (int i = 0; i < honest; i++) {
        world_add(w, &slow, i == 0);
    }
    for (int i = 1; i < honest; i++) {
        for (int j = 0; j < i; j++) {
            world_introduce(&w->peers[i], &w->peers[j]);
        }
    }
    return w;
}

static bool is_done(const struct hostile_behaviour *b, const struct heard *heard, uint32_t banned)
{
    switch (b->end) {
    case HOSTILE_CLOSED:
        return heard->closed[1][0] != 0;
    case HOSTILE_BANNED:
        return banned > 0;
    case HOSTILE_ENDURED:
    case HOSTILE_STARVED:
        return true;
    }
    return true;
}

/* One behaviour against one honest peer of a small swarm. */
static void one_stranger(const struct hostile_behaviour *b, uint64_t seed)
{
    struct world *w = make_world(seed, HONEST);
    struct heard *heard = calloc(1, sizeof *heard);
    struct hostile *h = hostile_create(w, 1, seed, b);
    struct world_peer *victim = &w->peers[b->victim == HOSTILE_TO_SEED ? 0 : 1];
    uint64_t taken = 0;
    int64_t complete_s = -1;
    assert_non_null(heard);
    hostile_meet(h, victim);
    bool done = false;
    for (int64_t s = 0; s < PATIENCE_S && !done; s++) {
        assert_true(world_run(w, WORLD_SECOND_NS));
        listen_to(victim, heard);
        if (complete_s < 0 && world_all_complete(w)) {
            complete_s = s;
            taken = hostile_deeds(h).payload_bytes;
        }
        done = complete_s >= 0 && is_done(b, heard, world_status(victim).banned_peers);
    }
    if (!done) {
        world_describe(w);
        fail_msg("a stranger that %s: %s (seed %llu, \"%s\")", b->name,
                 complete_s < 0 ? "the honest are not done" : "it did not come to its end",
                 (unsigned long long)seed, heard->closed[1]);
    }
    if (b->end == HOSTILE_CLOSED && !strstr(heard->closed[1], b->reason)) {
        fail_msg("a stranger that %s: \"%s\" instead of \"%s\"", b->name, heard->closed[1],
                 b->reason);
    }
    if (b->end == HOSTILE_STARVED && taken > w->payload_bytes / 2) {
        fail_msg("a stranger that %s was given %llu bytes", b->name, (unsigned long long)taken);
    }
    for (int i = 0; i < HONEST; i++) {
        uint32_t expected = b->end == HOSTILE_BANNED && &w->peers[i] == victim;
        assert_int_equal(world_status(&w->peers[i]).banned_peers, expected);
        assert_true(world_files_equal(&w->peers[i]));
        assert_true(session_is_consistent(w->peers[i].session));
    }
    assert_true(hostile_deeds(h).connections > 0);
    world_destroy(w);
    hostile_destroy(h);
    free(heard);
}

static void every_stranger_comes_to_its_end(void **state)
{
    (void)state;
    assert_true(hostile_behaviour_count >= 40);
    for (int i = 0; i < hostile_behaviour_count; i++) {
        one_stranger(&hostile_behaviours[i], 1000 + (uint64_t)i);
    }
}

/* How long the honest take, and how many of them; strangers: as many as there are of them, each with a behaviour by
 * lot, each of which meets every honest one. */
static int64_t crowd_ns(uint64_t seed, int strangers)
{
    struct world *w = make_world(seed, CROWD);
    struct hostile *hostiles[CROWD] = {NULL};
    struct dice dice;
    uint32_t liars = 0;
    dice_init(&dice, seed);
    for (int i = 0; i < strangers; i++) {
        uint32_t which = dice_below(&dice, (uint32_t)hostile_behaviour_count);
        liars += hostile_behaviours[which].end == HOSTILE_BANNED;
        hostiles[i] =
            hostile_create(w, (uint8_t)(i + 1), seed + (uint64_t)i, &hostile_behaviours[which]);
        for (int j = 0; j < CROWD; j++) {
            hostile_meet(hostiles[i], &w->peers[j]);
        }
    }
    int64_t began_ns = io_sim_now(w->sim);
    if (!world_finish(w, 900 * WORLD_SECOND_NS)) {
        world_describe(w);
        fail_msg("seed %llu did not finish", (unsigned long long)seed);
    }
    int64_t took_ns = io_sim_now(w->sim) - began_ns;
    for (int i = 0; i < CROWD; i++) {
        assert_true(world_files_equal(&w->peers[i]));
        assert_true(world_status(&w->peers[i]).banned_peers <= liars);
    }
    world_destroy(w);
    for (int i = 0; i < strangers; i++) {
        hostile_destroy(hostiles[i]);
    }
    return took_ns;
}

static void half_a_swarm_of_strangers_costs_less_than_twice_the_time(void **state)
{
    (void)state;
    /* Seed 18 once never finished: two strangers passed the last block to and fro. In 47 and 97 a silent one held a
     * piece on parole for a minute, in 106 and 134 one that answers with other blocks held what it was asked for. */
    for (uint64_t seed = 1; seed <= 150; seed++) {
        int64_t alone_ns = crowd_ns(seed, 0), among_ns = crowd_ns(seed, CROWD);
        if (among_ns > 2 * alone_ns) {
            fail_msg("seed %llu: %.1f s among strangers, %.1f s alone", (unsigned long long)seed,
                     (double)among_ns / 1e9, (double)alone_ns / 1e9);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_stranger_comes_to_its_end),
        cmocka_unit_test(half_a_swarm_of_strangers_costs_less_than_twice_the_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
