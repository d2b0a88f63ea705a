/* Swarms among strangers that break the rules (hostile.h): each comes to the end that its row demands, and with half of
 * a swarm made of them the honest finish in at most twice the time that they need alone. */
#include "hostile.h"
#include "scenario.h"

#include <stdlib.h>

enum { CLOSED_TEXT_MAX = 120 };

/* Everybody knows everybody; the torrent is the one that the behaviours are about. */
static struct world *populate(struct run *r)
{
    r->set.pieces = HOSTILE_PIECES;
    r->set.piece = HOSTILE_PIECE_BYTES;
    struct world *w = run_begin(r);
    w->settings.log_level = SPATE_LOG_DEBUG;
    run_populate(r);
    for (int i = 1; i < w->peer_count; i++) {
        for (int j = 0; j < i; j++) {
            world_introduce(&w->peers[i], &w->peers[j]);
        }
    }
    return w;
}

/* ---- one stranger ----------------------------------------------------------------------------- */

/* Why the victim closed the stranger's first connection, from its log; closed[0] is 0 until it has. */
static void listen_to(struct world_peer *victim, const struct hostile *h, char *closed)
{
    struct spate_log_entry entry = {.size = sizeof entry};
    struct addr ip = hostile_address(h);
    char name[ADDR_TEXT_MAX];
    ip.port = 0;
    addr_format(&ip, name);
    while (victim->session && hub_next_log(&victim->session->hub, &entry)) {
        const char *at = strstr(entry.text, name);
        const char *why = at ? strstr(at, " closed") : NULL;
        if (why && !closed[0]) {
            snprintf(closed, CLOSED_TEXT_MAX, "%s", why + 1);
        }
    }
}

static void check_end(struct run *r, const struct hostile_behaviour *b, struct world_peer *victim,
                      const char *closed)
{
    bool banned = world_status(victim).banned_peers > 0;
    if (b->end == HOSTILE_CLOSED && !strstr(closed, b->reason)) {
        world_complain(r->world, checker_name(CHECKER_STRANGERS),
                       "a stranger that %s: \"%s\" instead of \"%s\"", b->name, closed, b->reason);
    }
    if ((b->end == HOSTILE_BANNED) != banned) {
        world_complain(r->world, checker_name(CHECKER_STRANGERS), "a stranger that %s is%s banned",
                       b->name, banned ? "" : " not");
    }
}

/* When the honest are done, and the stranger's end has come; what it was given until they were. */
static void see_it_end(struct run *r, const struct hostile *h, struct world_peer *victim,
                       const struct hostile_behaviour *b)
{
    char closed[CLOSED_TEXT_MAX] = "";
    struct world *w = r->world;
    int64_t until_ns = io_sim_now(w->sim) + r->set.within * WORLD_SECOND_NS;
    bool complete = false, ended = false;
    uint64_t taken = 0;
    while (!(complete && ended) && io_sim_now(w->sim) < until_ns &&
           run_until(r, io_sim_now(w->sim) + WORLD_SECOND_NS)) {
        listen_to(victim, h, closed);
        if (!complete && world_all_complete(w)) {
            complete = true;
            taken = hostile_deeds(h).payload_bytes;
        }
        ended = (b->end != HOSTILE_CLOSED || closed[0]) &&
                (b->end != HOSTILE_BANNED || world_status(victim).banned_peers > 0);
    }
    if (!complete && world_is_well(w)) {
        world_complain(w, checker_name(CHECKER_FINISH),
                       "a stranger that %s: the honest are not done", b->name);
    }
    check_end(r, b, victim, closed);
    if (b->end == HOSTILE_STARVED && taken > w->payload_bytes / 2) {
        world_complain(w, checker_name(CHECKER_STRANGERS),
                       "a stranger that %s was given %llu bytes", b->name,
                       (unsigned long long)taken);
    }
    if (hostile_deeds(h).connections == 0) {
        world_complain(w, checker_name(CHECKER_STRANGERS), "a stranger that %s met nobody",
                       b->name);
    }
}

static void play_stranger(struct run *r)
{
    struct world *w = populate(r);
    uint64_t of_seed = (r->seed - 1) % (uint64_t)hostile_behaviour_count;
    uint64_t index = r->set.stranger >= 0 ? (uint64_t)r->set.stranger : of_seed;
    const struct hostile_behaviour *b = &hostile_behaviours[index];
    struct hostile *h = hostile_create(w, 1, r->seed, b);
    struct world_peer *victim = &w->peers[b->victim == HOSTILE_TO_SEED ? 0 : 1];
    hostile_meet(h, victim);
    see_it_end(r, h, victim, b);
    run_end(r);
    if (!r->outcome->verdict.checker[0]) {
        hostile_destroy(h);
    }
}

/* ---- as many strangers as honest peers -------------------------------------------------------- */

/* Each has a behaviour by lot and meets every honest one. Returns how long the honest took. */
static int64_t play_crowd(struct run *r, int strangers)
{
    struct world *w = populate(r);
    struct hostile **hostiles = calloc((size_t)strangers + 1, sizeof *hostiles);
    uint32_t liars = 0;
    if (!hostiles) {
        abort();
    }
    for (int i = 0; i < strangers; i++) {
        uint32_t which = dice_below(&r->dice, (uint32_t)hostile_behaviour_count);
        liars += hostile_behaviours[which].end == HOSTILE_BANNED;
        hostiles[i] =
            hostile_create(w, (uint8_t)(i + 1), r->seed + (uint64_t)i, &hostile_behaviours[which]);
        for (int j = 0; j < w->peer_count; j++) {
            hostile_meet(hostiles[i], &w->peers[j]);
        }
    }
    int64_t began_ns = io_sim_now(w->sim);
    run_finish(r);
    int64_t took_ns = io_sim_now(w->sim) - began_ns;
    for (int i = 0; i < w->peer_count; i++) {
        uint32_t banned = world_status(&w->peers[i]).banned_peers;
        if (banned > liars) {
            world_complain(w, checker_name(CHECKER_STRANGERS), "peer %d banned %u, and %u lied", i,
                           banned, liars);
        }
    }
    run_end(r);
    for (int i = 0; i < strangers && !r->outcome->verdict.checker[0]; i++) {
        hostile_destroy(hostiles[i]);
    }
    free(hostiles);
    return took_ns;
}

static void play_half(struct run *r)
{
    FILE *log = r->log;
    struct curve *curve = r->curve;
    r->log = NULL;
    r->curve = NULL;
    int64_t alone_ns = play_crowd(r, 0);
    r->log = log;
    r->curve = curve;
    if (r->outcome->verdict.checker[0]) {
        return;
    }
    *r->outcome = (struct outcome){.end_ns = 0};
    int64_t among_ns = play_crowd(r, (int)(r->set.peers + r->set.seeds));
    struct world_verdict *v = &r->outcome->verdict;
    if (!v->checker[0] && among_ns > 2 * alone_ns) {
        snprintf(v->checker, sizeof v->checker, "%s", checker_name(CHECKER_STRANGERS));
        snprintf(v->text, sizeof v->text, "the honest took %.1f s among strangers, %.1f s alone",
                 (double)among_ns / 1e9, (double)alone_ns / 1e9);
    }
}

const struct scenario scenarios_of_strangers[] = {
    {"a_stranger_comes_to_its_end",
     "somebody breaks a rule, seed after seed another one; the torrent is always the same",
     "peers=3 up=400 seed_up=400 down=4000 tracker=0 loss=0 within=600", play_stranger},
    {"half_a_swarm_of_strangers_costs_little",
     "the honest are first alone, and then among as many who break rules",
     "peers=7 up=400 seed_up=400 down=4000 tracker=0 loss=0 within=900", play_half},
    {NULL, NULL, NULL, NULL},
};
