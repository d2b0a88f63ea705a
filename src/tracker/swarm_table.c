/* The swarms of a tracker (BEP 3, 7, 15, 21, 48).
 *
 * The peers of a swarm stand in four dense sets, by family and by whether they are complete. Random
 * peers come from a partial Fisher-Yates shuffle: the chosen ones are swapped to the front of their
 * set, so an answer costs what it holds and never what the swarm holds. The asker is swapped to the
 * very front first, where the shuffle does not look. */
#include "tracker/swarm_table.h"

#include "base/error.h"

#include <stdlib.h>

#define SECOND_NS INT64_C(1000000000)

enum {
    INTERVAL_DEFAULT_S = 1800,
    INTERVALS_KEPT = 2,      /* a peer is forgotten after so many without a word */
    FORGET_PER_ANNOUNCE = 8, /* more than one, so that forgetting keeps up with announces */
    ANSWER_DEFAULT = 50,     /* peers, for one that does not say how many it wants */
    PEER_KEY_BYTES = 8 + 16 + 2 + 2,
    SOURCE_KEY_BYTES = 8 + 1,
};

struct peer_set {
    struct swarm_peer **peers;
    uint32_t count, capacity;
};

struct swarm {
    uint8_t info_hash[20];
    uint64_t number;
    struct peer_set sets[2][2]; /* by IPv6, by seed */
    uint32_t count;             /* in all sets */
    uint32_t paused;
    uint32_t completed;       /* how many said so */
    struct list peers_by_age; /* of swarm_peer.in_swarm, longest silent first */
    struct list by_age;       /* of swarm_table.swarms_by_age */
};

/* Where peers come from: one IPv4 address, or one IPv6 /64. */
struct swarm_source {
    uint8_t key[SOURCE_KEY_BYTES];
    uint32_t count;
};

void swarm_table_settings_init(struct swarm_table_settings *s)
{
    *s = (struct swarm_table_settings){.interval_s = INTERVAL_DEFAULT_S,
                                       .max_swarms = LIMIT_SWARMS,
                                       .max_peers = LIMIT_SWARMS_PEERS,
                                       .max_swarm_peers = LIMIT_SWARM_PEERS,
                                       .max_source_peers = LIMIT_SOURCE_PEERS};
}

void swarm_table_init(struct swarm_table *t, const struct swarm_table_settings *s,
                      const uint64_t seed[2])
{
    *t = (struct swarm_table){.settings = *s, .random = seed[0] ^ seed[1]};
    map_init(&t->swarms, 20, seed);
    map_init(&t->peers, PEER_KEY_BYTES, seed);
    map_init(&t->sources, SOURCE_KEY_BYTES, seed);
    list_init(&t->peers_by_age);
    list_init(&t->swarms_by_age);
}

/* SplitMix64 for the choice of peers: nothing a stranger gains by foreseeing it. */
static uint32_t draw(struct swarm_table *t, uint32_t below)
{
    uint64_t z = (t->random += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    return (uint32_t)(((z >> 32) * below) >> 32);
}

static void make_peer_key(uint64_t swarm, const struct addr *a, uint8_t out[PEER_KEY_BYTES])
{
    store_be64(out, swarm);
    memcpy(out + 8, a->ip, 16);
    store_be16(out + 24, a->port);
    store_be16(out + 26, a->family);
}

static void make_source_key(const struct addr *a, uint8_t out[SOURCE_KEY_BYTES])
{
    memcpy(out, a->ip, 8);
    out[8] = (uint8_t)a->family;
}

static struct peer_set *set_of(struct swarm_peer *p)
{
    return &p->swarm->sets[p->address.family == ADDR_V6][p->seed];
}

/* ---- sets ------------------------------------------------------------------------------------ */

static void set_put(struct peer_set *s, uint32_t place, struct swarm_peer *p)
{
    s->peers[place] = p;
    p->place = place;
}

static void set_swap(struct peer_set *s, uint32_t a, uint32_t b)
{
    struct swarm_peer *p = s->peers[a];
    set_put(s, a, s->peers[b]);
    set_put(s, b, p);
}

static int set_reserve(struct peer_set *s)
{
    if (s->count < s->capacity) {
        return 0;
    }
    uint32_t capacity = s->capacity ? s->capacity * 2 : 4;
    struct swarm_peer **peers = realloc(s->peers, capacity * sizeof *peers);
    if (!peers) {
        return SPATE_ENOMEM;
    }
    s->peers = peers;
    s->capacity = capacity;
    return 0;
}

static void set_remove(struct peer_set *s, struct swarm_peer *p)
{
    s->count--;
    set_put(s, p->place, s->peers[s->count]);
}

/* ---- swarms ---------------------------------------------------------------------------------- */

static void source_release(struct swarm_table *t, struct swarm_source *s)
{
    if (--s->count == 0) {
        map_remove(&t->sources, s->key);
        free(s);
    }
}

/* An empty swarm is forgotten, its count of completions with it. */
static void swarm_free(struct swarm_table *t, struct swarm *s)
{
    map_remove(&t->swarms, s->info_hash);
    list_remove(&s->by_age);
    for (int v6 = 0; v6 < 2; v6++) {
        for (int seed = 0; seed < 2; seed++) {
            free(s->sets[v6][seed].peers);
        }
    }
    free(s);
}

static void peer_free(struct swarm_table *t, struct swarm_peer *p)
{
    struct swarm *s = p->swarm;
    uint8_t key[PEER_KEY_BYTES];
    make_peer_key(s->number, &p->address, key);
    map_remove(&t->peers, key);
    set_remove(set_of(p), p);
    s->count--;
    s->paused -= p->paused;
    list_remove(&p->by_age);
    list_remove(&p->in_swarm);
    source_release(t, p->source);
    free(p);
}

/* Frees a peer, and its swarm when that was the last one. */
static void forget(struct swarm_table *t, struct swarm_peer *p)
{
    struct swarm *s = p->swarm;
    peer_free(t, p);
    if (s->count == 0) {
        swarm_free(t, s);
    }
}

static void forget_swarm(struct swarm_table *t, struct swarm *s)
{
    list_for_each_safe (node, &s->peers_by_age) {
        peer_free(t, list_entry(node, struct swarm_peer, in_swarm));
    }
    swarm_free(t, s);
}

void swarm_table_deinit(struct swarm_table *t)
{
    struct list *node;
    while ((node = list_first(&t->swarms_by_age))) {
        forget_swarm(t, list_entry(node, struct swarm, by_age));
    }
    map_deinit(&t->swarms);
    map_deinit(&t->peers);
    map_deinit(&t->sources);
}

static void expire(struct swarm_table *t, int64_t now_ns)
{
    int64_t kept_ns = (int64_t)t->settings.interval_s * INTERVALS_KEPT * SECOND_NS;
    for (int i = 0; i < FORGET_PER_ANNOUNCE; i++) {
        struct list *node = list_first(&t->peers_by_age);
        struct swarm_peer *p = node ? list_entry(node, struct swarm_peer, by_age) : NULL;
        if (!p || now_ns - p->announced_ns < kept_ns) {
            return;
        }
        forget(t, p);
    }
}

/* The swarm of an info-hash, made when missing; NULL when out of memory. */
static struct swarm *swarm_make(struct swarm_table *t, const uint8_t info_hash[20])
{
    struct swarm *s = map_get(&t->swarms, info_hash);
    if (s) {
        return s;
    }
    if (t->swarms.count >= t->settings.max_swarms) {
        forget_swarm(t, list_entry(list_first(&t->swarms_by_age), struct swarm, by_age));
    }
    s = calloc(1, sizeof *s);
    if (!s || map_put(&t->swarms, info_hash, s) < 0) {
        free(s);
        return NULL;
    }
    memcpy(s->info_hash, info_hash, 20);
    s->number = t->next_swarm++;
    list_init(&s->peers_by_age);
    list_init(&s->by_age);
    list_push_back(&t->swarms_by_age, &s->by_age);
    return s;
}

/* Counts one more peer of a source; NULL with *status set when that is too many. */
static struct swarm_source *source_take(struct swarm_table *t, const struct addr *a, int *status)
{
    uint8_t key[SOURCE_KEY_BYTES];
    make_source_key(a, key);
    struct swarm_source *s = map_get(&t->sources, key);
    if ((s ? s->count : 0) >= t->settings.max_source_peers) {
        *status = SPATE_ELIMIT;
        return NULL;
    }
    if (!s) {
        s = calloc(1, sizeof *s);
        if (!s || map_put(&t->sources, key, s) < 0) {
            free(s);
            *status = SPATE_ENOMEM;
            return NULL;
        }
        memcpy(s->key, key, sizeof key);
    }
    s->count++;
    return s;
}

/* Makes room for one more peer in s by forgetting who has been silent for longest, but never keep.
 */
static void make_room(struct swarm_table *t, struct swarm *s)
{
    if (s->count > 0 && s->count >= t->settings.max_swarm_peers) {
        peer_free(t, list_entry(list_first(&s->peers_by_age), struct swarm_peer, in_swarm));
    }
    if (t->peers.count > 0 && t->peers.count >= t->settings.max_peers) {
        struct swarm_peer *oldest =
            list_entry(list_first(&t->peers_by_age), struct swarm_peer, by_age);
        if (oldest->swarm == s) {
            peer_free(t, oldest); /* s is about to gain one, so it must not go */
        } else {
            forget(t, oldest);
        }
    }
}

static struct swarm_peer *peer_make(struct swarm_table *t, struct swarm *s, const struct addr *from,
                                    bool seed, int *status)
{
    struct swarm_source *source = source_take(t, from, status);
    if (!source) {
        return NULL;
    }
    make_room(t, s);
    uint8_t key[PEER_KEY_BYTES];
    make_peer_key(s->number, from, key);
    struct swarm_peer *p = calloc(1, sizeof *p);
    struct peer_set *set = &s->sets[from->family == ADDR_V6][seed];
    if (!p || set_reserve(set) < 0 || map_put(&t->peers, key, p) < 0) {
        free(p);
        source_release(t, source);
        *status = SPATE_ENOMEM;
        return NULL;
    }
    p->address = *from;
    p->swarm = s;
    p->source = source;
    p->seed = seed;
    list_init(&p->by_age);
    list_init(&p->in_swarm);
    set_put(set, set->count++, p);
    s->count++;
    return p;
}

/* A peer that completed, or lost data, changes its set. */
static int set_seed(struct swarm_peer *p, bool seed)
{
    if (p->seed == seed) {
        return 0;
    }
    struct peer_set *to = &p->swarm->sets[p->address.family == ADDR_V6][seed];
    if (set_reserve(to) < 0) {
        return SPATE_ENOMEM;
    }
    set_remove(set_of(p), p);
    p->seed = seed;
    set_put(to, to->count++, p);
    return 0;
}

/* ---- announces ------------------------------------------------------------------------------- */

static void count_up(const struct swarm *s, struct swarm_counts *out)
{
    *out = (struct swarm_counts){.downloaders = 0};
    if (s) {
        out->counts.seeders = s->sets[0][1].count + s->sets[1][1].count;
        out->counts.leechers = s->sets[0][0].count + s->sets[1][0].count;
        out->counts.completed = s->completed;
        out->downloaders = out->counts.leechers - s->paused;
    }
}

/* Up to max random members of set from place `from` on. */
static uint32_t choose(struct swarm_table *t, struct peer_set *set, uint32_t from,
                       struct swarm_peer **out, uint32_t max)
{
    uint32_t count = 0;
    for (uint32_t i = from; i < set->count && count < max; i++) {
        set_swap(set, i, i + draw(t, set->count - i));
        out[count++] = set->peers[i];
    }
    return count;
}

/* Peers for one that asks; asker is NULL when it is not kept. */
static uint32_t answer(struct swarm_table *t, struct swarm *s, const struct swarm_peer *asker,
                       const struct addr *from, bool wants_seeds, struct swarm_peer **out,
                       uint32_t max)
{
    struct peer_set *leechers = &s->sets[from->family == ADDR_V6][0];
    struct peer_set *seeds = &s->sets[from->family == ADDR_V6][1];
    uint32_t skip_leechers = 0, skip_seeds = 0;
    if (asker && asker->seed) {
        set_swap(seeds, asker->place, 0);
        skip_seeds = 1;
    } else if (asker) {
        set_swap(leechers, asker->place, 0);
        skip_leechers = 1;
    }
    uint64_t leecher_count = leechers->count - skip_leechers;
    uint64_t seed_count = wants_seeds ? seeds->count - skip_seeds : 0;
    uint64_t total = leecher_count + seed_count;
    /* Each kind in its proportion, rounded so that a lone seed is always among them. */
    uint32_t from_seeds = total ? (uint32_t)((seed_count * max + total - 1) / total) : 0;
    from_seeds = from_seeds > max ? max : from_seeds;
    uint32_t count = wants_seeds ? choose(t, seeds, skip_seeds, out, from_seeds) : 0;
    return count + choose(t, leechers, skip_leechers, out + count, max - count);
}

/* Brings the peer's entry up to date; NULL with *status set when it cannot be kept. */
static struct swarm_peer *keep(struct swarm_table *t, struct swarm *s,
                               const struct tracker_announce *a, const struct addr *from,
                               int64_t now_ns, int *status)
{
    uint8_t key[PEER_KEY_BYTES];
    make_peer_key(s->number, from, key);
    struct swarm_peer *p = map_get(&t->peers, key);
    bool seed = a->left == 0;
    if (!p) {
        p = peer_make(t, s, from, seed, status);
    } else {
        if (a->event == TRACKER_EVENT_COMPLETED && !p->seed && seed) {
            s->completed += s->completed < UINT32_MAX;
        }
        *status = set_seed(p, seed);
    }
    if (!p || *status < 0) {
        return NULL;
    }
    bool paused = a->event == TRACKER_EVENT_PAUSED && !seed;
    s->paused += (uint32_t)paused - (uint32_t)p->paused;
    p->paused = paused;
    p->announced_ns = now_ns;
    memcpy(p->id, a->peer_id, 20);
    list_remove(&p->by_age);
    list_push_back(&t->peers_by_age, &p->by_age);
    list_remove(&p->in_swarm);
    list_push_back(&s->peers_by_age, &p->in_swarm);
    list_remove(&s->by_age);
    list_push_back(&t->swarms_by_age, &s->by_age);
    return p;
}

/* A peer that stops is forgotten; it makes no swarm. */
static void stop(struct swarm_table *t, const struct tracker_announce *a, const struct addr *from,
                 struct swarm_counts *counts)
{
    struct swarm *s = map_get(&t->swarms, a->info_hash);
    if (s) {
        uint8_t key[PEER_KEY_BYTES];
        make_peer_key(s->number, from, key);
        struct swarm_peer *p = map_get(&t->peers, key);
        if (p) {
            forget(t, p);
            s = map_get(&t->swarms, a->info_hash);
        }
    }
    count_up(s, counts);
}

int swarm_table_announce(struct swarm_table *t, const struct tracker_announce *a,
                         const struct addr *from, int64_t now_ns, struct swarm_peer **out,
                         uint32_t max, struct swarm_counts *counts)
{
    expire(t, now_ns);
    struct addr address = *from;
    address.port = a->port;
    address.scope = 0;
    if (a->event == TRACKER_EVENT_STOPPED) {
        stop(t, a, &address, counts);
        return 0;
    }
    struct swarm *s = map_get(&t->swarms, a->info_hash);
    struct swarm_peer *asker = NULL;
    int status = 0;
    if (address.port != 0) {
        s = swarm_make(t, a->info_hash);
        asker = s ? keep(t, s, a, &address, now_ns, &status) : NULL;
        if (s && s->count == 0) {
            swarm_free(t, s); /* made for a peer that could not be kept */
            s = NULL;
        }
        if (!asker) {
            return status < 0 ? status : SPATE_ENOMEM;
        }
    }
    count_up(s, counts);
    uint32_t want = a->want < 0 ? ANSWER_DEFAULT : (uint32_t)a->want;
    want = want < max ? want : max;
    want = want < LIMIT_ANNOUNCE_PEERS ? want : LIMIT_ANNOUNCE_PEERS;
    bool wants_seeds = a->left != 0 && a->event != TRACKER_EVENT_PAUSED;
    return s ? (int)answer(t, s, asker, &address, wants_seeds, out, want) : 0;
}

void swarm_table_scrape(struct swarm_table *t, const uint8_t info_hash[20], int64_t now_ns,
                        struct swarm_counts *out)
{
    expire(t, now_ns);
    count_up(map_get(&t->swarms, info_hash), out);
}

bool swarm_table_is_consistent(const struct swarm_table *t)
{
    size_t peers = 0, swarms = 0, cursor = 0;
    struct swarm *s;
    while ((s = map_each(&t->swarms, &cursor))) {
        uint32_t count = 0, paused = 0;
        swarms++;
        for (int kind = 0; kind < 4; kind++) {
            const struct peer_set *set = &s->sets[kind / 2][kind % 2];
            for (uint32_t i = 0; i < set->count; i++) {
                struct swarm_peer *p = set->peers[i];
                if (p->swarm != s || p->place != i || set_of(p) != set || p->source->count == 0) {
                    return false;
                }
                paused += p->paused;
            }
            count += set->count;
        }
        if (count != s->count || paused != s->paused || count == 0) {
            return false;
        }
        peers += count;
    }
    cursor = 0;
    struct swarm_source *source;
    while ((source = map_each(&t->sources, &cursor))) {
        peers -= source->count;
    }
    return peers == 0 && swarms == t->swarms.count && swarms <= t->settings.max_swarms &&
           t->peers.count <= t->settings.max_peers;
}
