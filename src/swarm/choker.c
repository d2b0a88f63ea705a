/* Choking (BEP 3): a few peers get all of the upload, so that what they get is worth paying for.
 *
 * Commandments:
 *   - A slot is free while fewer interested peers than slots are unchoked; a free slot is given
 *     at once.
 *   - Who wants nothing for a moment stays unchoked until somebody else wants the slot: choked, it
 *     could not be served for 10 s when it is interested again.
 *   - What was decided for a peer stands for 10 s (BEP 3: against fibrillation).
 *   - Downloading: those that send us most; one slot in five, at least one, is on trial: its
 *     holder changes every 30 s, and whoever was never unchoked is three times as likely to get
 *     it.
 *   - Seeding: whoever has had a slot for 30 s, or does not use it, yields to whoever has waited
 *     longest.
 *   - Nobody yields while nobody waits. */
#include "swarm/choker.h"

#include <stddef.h>

#define NS_PER_S      INT64_C(1000000000)
#define HOLD_NS       (10 * NS_PER_S)
#define OPTIMISTIC_NS (30 * NS_PER_S)
#define TURN_NS       (30 * NS_PER_S) /* of a peer when seeding */

enum {
    OPTIMISTIC_SHARE = 5, /* one slot in so many is on trial */
    NEWCOMER_WEIGHT = 3,
};

void choker_init(struct choker *c, uint64_t seed)
{
    *c = (struct choker){.deadline_ns = INT64_MAX};
    dice_init(&c->dice, seed);
}

/* One call's business. A peer changes at most once in it, since what was decided is held. */
struct run {
    struct choker *choker;
    struct choker_peer *peers;
    uint32_t count;
    uint32_t slots;
    bool seeding;
    int64_t now_ns;
    uint32_t changes;
};

static bool eligible(const struct choker_peer *p)
{
    return p->interested && !p->is_seed;
}

/* For what will be decided of it: to be unchoked, or as a seed to be choked. */
static bool waits(const struct choker_peer *p)
{
    return p->unchoked ? p->is_seed : eligible(p);
}

static bool takes_slot(const struct choker_peer *p)
{
    return p->unchoked && eligible(p);
}

static int64_t hold_end_ns(const struct choker_peer *p)
{
    int64_t decided_ns = p->unchoked ? p->unchoked_at_ns : p->choked_at_ns;
    return decided_ns ? decided_ns + HOLD_NS : INT64_MIN;
}

static bool is_held(const struct choker_peer *p, int64_t now_ns)
{
    return hold_end_ns(p) > now_ns;
}

static bool may_enter(const struct choker_peer *p, int64_t now_ns)
{
    return !p->unchoked && eligible(p) && !is_held(p, now_ns);
}

static int64_t waiting_since_ns(const struct choker_peer *p)
{
    return p->choked_at_ns ? p->choked_at_ns : p->connected_at_ns;
}

/* Does a send us more than b? Snubbed is less than nothing. */
static bool gives_more(const struct choker_peer *a, const struct choker_peer *b)
{
    return a->snubbed == b->snubbed ? a->down_rate > b->down_rate : b->snubbed;
}

static void unchoke(struct run *run, struct choker_peer *p, bool optimistic)
{
    p->unchoked = true;
    p->optimistic = optimistic;
    p->unchoked_at_ns = run->now_ns;
    p->uploaded_since_unchoke = 0;
    run->changes++;
}

static void choke(struct run *run, struct choker_peer *p)
{
    p->unchoked = false;
    p->optimistic = false;
    p->choked_at_ns = run->now_ns;
    run->changes++;
}

/* How many more peers are unchoked than there are slots, whether they want something or not. */
static uint32_t surplus(const struct choker_peer *peers, uint32_t count, uint32_t slots)
{
    uint32_t unchoked = 0;
    for (uint32_t i = 0; i < count; i++) {
        unchoked += peers[i].unchoked;
    }
    return unchoked > slots ? unchoked - slots : 0;
}

static uint32_t slots_taken(const struct run *run)
{
    uint32_t taken = 0;
    for (uint32_t i = 0; i < run->count; i++) {
        taken += takes_slot(&run->peers[i]);
    }
    return taken;
}

static uint32_t trials_taken(const struct run *run)
{
    uint32_t taken = 0;
    for (uint32_t i = 0; i < run->count; i++) {
        taken += takes_slot(&run->peers[i]) && run->peers[i].optimistic;
    }
    return taken;
}

static uint32_t trials_wanted(const struct run *run)
{
    if (run->seeding || run->slots < 2) {
        return 0;
    }
    uint32_t trials = run->slots / OPTIMISTIC_SHARE;
    return trials > 0 ? trials : 1;
}

/* Who deserves the next slot: when downloading whoever sends most; among equals, and when seeding,
 * whoever has waited longest. */
static struct choker_peer *best_entrant(const struct run *run)
{
    struct choker_peer *best = NULL;
    for (uint32_t i = 0; i < run->count; i++) {
        struct choker_peer *p = &run->peers[i];
        if (!may_enter(p, run->now_ns)) {
            continue;
        }
        bool better = !best || waiting_since_ns(p) < waiting_since_ns(best);
        if (best && !run->seeding && gives_more(p, best) != gives_more(best, p)) {
            better = gives_more(p, best);
        }
        best = better ? p : best;
    }
    return best;
}

/* The choked peer for a trial slot, by lot. */
static struct choker_peer *draw_entrant(struct run *run)
{
    struct choker_peer *drawn = NULL;
    uint32_t weights = 0;
    for (uint32_t i = 0; i < run->count; i++) {
        struct choker_peer *p = &run->peers[i];
        if (may_enter(p, run->now_ns)) {
            uint32_t weight = p->unchoked_at_ns == 0 ? NEWCOMER_WEIGHT : 1;
            weights += weight;
            drawn = dice_below(&run->choker->dice, weights) < weight ? p : drawn;
        }
    }
    return drawn;
}

/* The holder that least deserves its slot and may be choked at this moment. */
static struct choker_peer *worst_holder(const struct run *run, bool trials_too)
{
    struct choker_peer *worst = NULL;
    for (uint32_t i = 0; i < run->count; i++) {
        struct choker_peer *p = &run->peers[i];
        if (!takes_slot(p) || is_held(p, run->now_ns) || (p->optimistic && !trials_too)) {
            continue;
        }
        if (!worst ||
            (run->seeding ? p->unchoked_at_ns < worst->unchoked_at_ns : gives_more(worst, p))) {
            worst = p;
        }
    }
    return worst;
}

static void swap(struct run *run, struct choker_peer *out, struct choker_peer *in, bool optimistic)
{
    choke(run, out);
    unchoke(run, in, optimistic);
}

/* Those that want nothing yield to those that hold a slot, who was unchoked first before the others. */
static void choke_idle(struct run *run)
{
    for (uint32_t extra = surplus(run->peers, run->count, run->slots); extra > 0; extra--) {
        struct choker_peer *out = NULL;
        for (uint32_t i = 0; i < run->count; i++) {
            struct choker_peer *p = &run->peers[i];
            if (p->unchoked && !eligible(p) && !is_held(p, run->now_ns) &&
                (!out || p->unchoked_at_ns < out->unchoked_at_ns)) {
                out = p;
            }
        }
        if (!out) {
            return;
        }
        choke(run, out);
    }
}

/* As many holders as slots, as far as there are peers that want one. */
static void fit(struct run *run)
{
    for (uint32_t i = 0; i < run->count; i++) {
        struct choker_peer *p = &run->peers[i];
        if (p->unchoked && p->is_seed && !is_held(p, run->now_ns)) {
            choke(run, p);
        }
        p->optimistic = p->optimistic && takes_slot(p) && !run->seeding;
    }
    for (uint32_t i = 0, extra = trials_taken(run); i < run->count; i++) {
        if (run->peers[i].optimistic && extra > trials_wanted(run)) {
            run->peers[i].optimistic = false;
            extra--;
        }
    }
    while (slots_taken(run) > run->slots) {
        struct choker_peer *out = worst_holder(run, true);
        if (!out) {
            break;
        }
        choke(run, out);
    }
    while (slots_taken(run) < run->slots) {
        uint32_t regular = slots_taken(run) - trials_taken(run);
        bool optimistic = regular >= run->slots - trials_wanted(run);
        struct choker_peer *in = optimistic ? draw_entrant(run) : best_entrant(run);
        if (!in) {
            break;
        }
        unchoke(run, in, optimistic);
        run->choker->optimistic_ns = optimistic ? run->now_ns : run->choker->optimistic_ns;
    }
    choke_idle(run);
}

/* Seeding: whose turn is over makes room. */
static void rotate(struct run *run)
{
    for (uint32_t i = 0; i < run->count; i++) {
        struct choker_peer *out = NULL, *in = best_entrant(run);
        for (uint32_t j = 0; in && j < run->count; j++) {
            struct choker_peer *p = &run->peers[j];
            bool idle = p->uploaded_since_unchoke == 0 || p->up_rate == 0;
            if (takes_slot(p) && !is_held(p, run->now_ns) &&
                (idle || run->now_ns - p->unchoked_at_ns >= TURN_NS) &&
                (!out || p->unchoked_at_ns < out->unchoked_at_ns)) {
                out = p;
            }
        }
        if (!out) {
            return;
        }
        swap(run, out, in, false);
    }
}

/* Downloading: a trial that sends more than a regular holder takes its place, and the other is the
 * trial. */
static void promote(struct run *run)
{
    for (uint32_t i = 0; i < run->count; i++) {
        struct choker_peer *trial = &run->peers[i], *worst = NULL;
        for (uint32_t j = 0; trial->optimistic && j < run->count; j++) {
            struct choker_peer *p = &run->peers[j];
            if (takes_slot(p) && !p->optimistic && (!worst || gives_more(worst, p))) {
                worst = p;
            }
        }
        if (worst && gives_more(trial, worst)) {
            trial->optimistic = false;
            worst->optimistic = true;
        }
    }
}

/* Downloading: better sources displace worse ones; trials move on. */
static void compete(struct run *run)
{
    struct choker *c = run->choker;
    promote(run);
    for (uint32_t i = 0; i < run->count; i++) {
        struct choker_peer *in = best_entrant(run), *out = worst_holder(run, false);
        if (!in || !out || !gives_more(in, out)) {
            break;
        }
        swap(run, out, in, false);
    }
    if (run->now_ns - c->optimistic_ns >= OPTIMISTIC_NS) {
        for (uint32_t i = 0; i < run->count; i++) {
            struct choker_peer *out = &run->peers[i];
            struct choker_peer *in =
                out->optimistic && !is_held(out, run->now_ns) ? draw_entrant(run) : NULL;
            if (in) {
                swap(run, out, in, true);
                c->optimistic_ns = run->now_ns;
            }
        }
    }
    while (trials_taken(run) < trials_wanted(run)) {
        struct choker_peer *out = worst_holder(run, false);
        struct choker_peer *in = out ? draw_entrant(run) : NULL;
        if (!in) {
            break;
        }
        swap(run, out, in, true);
        c->optimistic_ns = run->now_ns;
    }
}

/* When something may be decided without news: a hold, a trial or a turn ends, or rates have
 * changed. */
static int64_t next_run_ns(const struct run *run)
{
    int64_t deadline = run->now_ns + HOLD_NS;
    int64_t trial_end = run->choker->optimistic_ns + OPTIMISTIC_NS;
    bool pending = surplus(run->peers, run->count, run->slots) > 0;
    for (uint32_t i = 0; i < run->count; i++) {
        const struct choker_peer *p = &run->peers[i];
        int64_t end = hold_end_ns(p);
        pending |= waits(p);
        deadline = end > run->now_ns && end < deadline ? end : deadline;
    }
    if (!run->seeding && trial_end > run->now_ns && trial_end < deadline) {
        deadline = trial_end;
    }
    return pending ? deadline : INT64_MAX;
}

uint32_t choker_run(struct choker *c, struct choker_peer *peers, uint32_t count, uint32_t slots,
                    bool seeding, int64_t now_ns)
{
    struct run run = {.choker = c,
                      .peers = peers,
                      .count = count,
                      .slots = slots,
                      .seeding = seeding,
                      .now_ns = now_ns};
    fit(&run);
    if (seeding) {
        rotate(&run);
    } else {
        compete(&run);
    }
    c->deadline_ns = next_run_ns(&run);
    return run.changes;
}

bool choker_is_consistent(const struct choker *c, const struct choker_peer *peers, uint32_t count,
                          uint32_t slots, int64_t now_ns)
{
    uint32_t taken = 0, held = 0, enterable = 0, extra = surplus(peers, count, slots);
    bool pending = extra > 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct choker_peer *p = &peers[i];
        taken += takes_slot(p);
        held += takes_slot(p) && is_held(p, now_ns);
        pending |= waits(p);
        enterable += may_enter(p, now_ns);
        bool idle = p->unchoked && !eligible(p) && !is_held(p, now_ns);
        if ((p->optimistic && !p->unchoked) || (idle && (p->is_seed || extra > 0))) {
            return false;
        }
    }
    return (taken <= slots || taken == held) && (taken >= slots || enterable == 0) &&
           c->deadline_ns > now_ns && pending == (c->deadline_ns != INT64_MAX);
}
