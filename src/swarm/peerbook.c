/* Known addresses. Each is waiting for its time, ready, being dialled, connected, or parked (a
 * seed, while we are one ourselves; our own address).
 *
 * Commandments:
 *   - Bounded: when full, one that failed makes room for one that did not; a peer that was ever
 *     connected goes after those that never were, one in use never goes.
 *   - An address that never completed a handshake is dialled only with the strangers' leave and
 *     backs off by itself: 15 minutes, 30, 60, then 6 hours.
 *   - Of those that were never tried, the ones that were named last come first: trackers name a peer
 *     for half an hour after it has gone.
 *   - One that did is tried again after 30 s, 1 and 2 minutes, then every hour.
 *   - What the user named is tried at once and again after 1 s, 2 s, 4 s ... up to a minute, for
 *     ever.
 *   - Every pause gets up to a quarter more by lot, so that many clients do not come at once.
 *   - A ban is of an IP address, of this torrent, and ends. */
#include "swarm/peerbook.h"

#include "base/error.h"
#include "base/limits.h"

#include <stdlib.h>

enum {
    FAILURES_MAX = 3, /* libtorrent's max_failcount: then the long pause */
    PORT_MIN = 1024,  /* services live below, not peers */
    USER_PAUSE_MAX_S = 60,
    RANK_MINUTES_BITS = 24, /* thirty years of uptime */
    RANK_MINUTES_MAX = (1 << RANK_MINUTES_BITS) - 1,
};

#define NS_PER_S         INT64_C(1000000000)
#define STRANGER_PAUSE_S INT64_C(900)
#define STRANGER_LONG_S  INT64_C(21600)
#define PROVEN_PAUSE_S   INT64_C(30)
#define PROVEN_LONG_S    INT64_C(3600)
#define SHORT_LIFE_NS    (60 * NS_PER_S) /* a connection that ends sooner counts as a failure */

enum entry_state { ENTRY_WAITING, ENTRY_READY, ENTRY_DIALLING, ENTRY_CONNECTED, ENTRY_PARKED };

struct peerbook_entry {
    struct heap_node node; /* in waiting or ready */
    struct addr addr;
    enum entry_state state;
    enum peer_source source;
    uint32_t failures; /* in a row */
    bool proven;       /* a handshake with it has completed */
    bool is_seed;
    bool is_self;
    bool is_stranger; /* it waits because the strangers said so */
    int64_t connected_ns;
    int64_t named_ns; /* when its source last named it */
};

struct peerbook_ban {
    struct addr ip; /* without port */
    int64_t until_ns;
};

#define entry_of(heap_node)                                                                        \
    ((struct peerbook_entry *)(void *)((char *)(heap_node)-offsetof(struct peerbook_entry, node)))

static struct addr ip_of(const struct addr *address)
{
    struct addr ip = *address;
    ip.port = 0;
    return ip;
}

static void on_allowed(struct strangers_waiter *waiter, const struct addr *address);

void peerbook_init(struct peerbook *b, struct strangers *strangers, uint64_t seed)
{
    *b = (struct peerbook){.strangers = strangers, .waiter = {.on_allowed = on_allowed}};
    list_init(&b->waiter.link);
    dice_init(&b->dice, seed);
    uint64_t keys[2] = {dice_next(&b->dice), dice_next(&b->dice)};
    map_init(&b->by_addr, sizeof(struct addr), keys);
    map_init(&b->bans, sizeof(struct addr), keys);
}

void peerbook_deinit(struct peerbook *b)
{
    size_t cursor = 0;
    void *value;
    list_remove(&b->waiter.link);
    while ((value = map_each(&b->by_addr, &cursor))) {
        free(value);
    }
    cursor = 0;
    while ((value = map_each(&b->bans, &cursor))) {
        free(value);
    }
    map_deinit(&b->by_addr);
    map_deinit(&b->bans);
    b->waiting = b->ready = (struct heap){0};
}

/* ---- states ---------------------------------------------------------------------------------- */

static void leave_state(struct peerbook *b, struct peerbook_entry *e)
{
    if (e->state == ENTRY_WAITING) {
        heap_remove(&b->waiting, &e->node);
    } else if (e->state == ENTRY_READY) {
        heap_remove(&b->ready, &e->node);
    }
    e->is_stranger = false;
}

static void wait_until(struct peerbook *b, struct peerbook_entry *e, int64_t at_ns)
{
    leave_state(b, e);
    e->state = ENTRY_WAITING;
    heap_insert(&b->waiting, &e->node, at_ns);
}

/* The best first: source, what it was worth before, who was named last, then by lot. */
static int64_t rank_of(struct peerbook *b, const struct peerbook_entry *e)
{
    uint32_t failures = e->failures < FAILURES_MAX ? e->failures : FAILURES_MAX;
    int64_t rank = e->source == PEER_SOURCE_USER ? 0 : 1;
    rank = rank * 2 + (e->proven ? 0 : 1);
    rank = rank * (FAILURES_MAX + 1) + failures;
    rank = rank * (PEER_SOURCE_PEX + 1) + (int64_t)e->source;
    /* To the minute: names of one answer are alike. */
    int64_t minutes = e->named_ns / (60 * NS_PER_S);
    rank = (rank << RANK_MINUTES_BITS) | (RANK_MINUTES_MAX - (minutes & RANK_MINUTES_MAX));
    return (rank << 32) | (int64_t)(dice_next(&b->dice) >> 32);
}

static void make_ready(struct peerbook *b, struct peerbook_entry *e)
{
    leave_state(b, e);
    e->state = ENTRY_READY;
    heap_insert(&b->ready, &e->node, rank_of(b, e));
}

static void set_state(struct peerbook *b, struct peerbook_entry *e, enum entry_state state)
{
    leave_state(b, e);
    e->state = state;
}

/* The pause after failures in a row, of which there is at least one. */
static int64_t pause_ns(struct peerbook *b, const struct peerbook_entry *e)
{
    uint32_t n = e->failures - 1;
    int64_t seconds;
    if (e->source == PEER_SOURCE_USER) {
        seconds = n < 6 ? INT64_C(1) << n : USER_PAUSE_MAX_S;
    } else if (e->proven) {
        seconds = n < FAILURES_MAX ? PROVEN_PAUSE_S << n : PROVEN_LONG_S;
    } else {
        seconds = n < FAILURES_MAX ? STRANGER_PAUSE_S << n : STRANGER_LONG_S;
    }
    /* In milliseconds, so that a quarter of the longest fits the dice. */
    uint32_t quarter_ms = (uint32_t)(seconds * 250);
    return seconds * NS_PER_S + dice_below(&b->dice, quarter_ms) * (NS_PER_S / 1000);
}

static struct peerbook_entry *find(const struct peerbook *b, const struct addr *address)
{
    return map_get(&b->by_addr, address);
}

static void drop(struct peerbook *b, struct peerbook_entry *e)
{
    leave_state(b, e);
    map_remove(&b->by_addr, &e->addr);
    free(e);
}

/* ---- adding ---------------------------------------------------------------------------------- */

/* How little it is worth; 0: it stays. */
static uint32_t worthlessness(const struct peerbook_entry *e)
{
    if (e->state == ENTRY_DIALLING || e->state == ENTRY_CONNECTED || e->is_self ||
        e->source == PEER_SOURCE_USER) {
        return 0;
    }
    uint32_t failures = e->failures < FAILURES_MAX ? e->failures : FAILURES_MAX;
    return (failures > 0 ? 100 + failures * 10 : 0) + (e->proven ? 0 : 50) + (uint32_t)e->source;
}

/* Makes room for an untried address from source; false when all that are there are worth more. */
static bool evict_for(struct peerbook *b, enum peer_source source)
{
    struct peerbook_entry candidate = {.state = ENTRY_WAITING, .source = source};
    struct peerbook_entry *worst = NULL, *e;
    uint32_t most = worthlessness(&candidate);
    size_t cursor = 0;
    while ((e = map_each(&b->by_addr, &cursor))) {
        uint32_t worthless = worthlessness(e);
        if (worthless > most) {
            worst = e;
            most = worthless;
        }
    }
    if (worst) {
        drop(b, worst);
    }
    return worst != NULL;
}

static bool is_acceptable(const struct addr *address, enum peer_source source)
{
    return !addr_is_special(address) &&
           address->port >= (source == PEER_SOURCE_USER ? 1 : PORT_MIN);
}

int peerbook_add(struct peerbook *b, const struct addr *address, enum peer_source source,
                 int64_t now_ns)
{
    if (!is_acceptable(address, source)) {
        return SPATE_EINVAL;
    }
    struct peerbook_entry *e = find(b, address);
    if (peerbook_is_banned(b, address, now_ns) || (e && e->is_self)) {
        return SPATE_EBLOCKED;
    }
    if (e) {
        bool promoted = source < e->source;
        e->source = promoted ? source : e->source;
        e->named_ns = now_ns;
        if (e->state == ENTRY_READY ||
            (promoted && source == PEER_SOURCE_USER && e->state == ENTRY_WAITING)) {
            make_ready(b, e);
        }
        return 0;
    }
    if (b->by_addr.count >= LIMIT_PEERBOOK && !evict_for(b, source)) {
        return SPATE_ELIMIT;
    }
    e = calloc(1, sizeof *e);
    if (!e) {
        return SPATE_ENOMEM;
    }
    *e = (struct peerbook_entry){
        .addr = *address, .state = ENTRY_PARKED, .source = source, .named_ns = now_ns};
    if (map_put(&b->by_addr, &e->addr, e)) {
        free(e);
        return SPATE_ENOMEM;
    }
    make_ready(b, e);
    return 1;
}

/* ---- dialling -------------------------------------------------------------------------------- */

static int64_t ban_end_ns(const struct peerbook *b, const struct addr *address)
{
    struct addr ip = ip_of(address);
    const struct peerbook_ban *ban = map_get(&b->bans, &ip);
    return ban ? ban->until_ns : INT64_MIN;
}

bool peerbook_next(struct peerbook *b, int64_t now_ns, struct addr *out)
{
    struct heap_node *node;
    while ((node = heap_min(&b->waiting)) && node->key <= now_ns) {
        make_ready(b, entry_of(node));
    }
    while ((node = heap_min(&b->ready))) {
        struct peerbook_entry *e = entry_of(node);
        int64_t retry_ns = ban_end_ns(b, &e->addr);
        if (retry_ns > now_ns) {
            wait_until(b, e, retry_ns);
        } else if (e->is_self || (e->is_seed && b->seeding)) {
            set_state(b, e, ENTRY_PARKED);
        } else if (b->strangers && e->source != PEER_SOURCE_USER &&
                   !strangers_dial(b->strangers, &e->addr, now_ns, &retry_ns)) {
            wait_until(b, e, retry_ns);
            e->is_stranger = true;
            strangers_wait(b->strangers, &b->waiter);
        } else {
            set_state(b, e, ENTRY_DIALLING);
            *out = e->addr;
            return true;
        }
    }
    return false;
}

/* Those at this IP address that waited only because the strangers said so. */
static void on_allowed(struct strangers_waiter *waiter, const struct addr *address)
{
    struct peerbook *b = list_entry(waiter, struct peerbook, waiter);
    struct peerbook_entry *e;
    bool released = false, waits = false;
    size_t cursor = 0;
    while ((e = map_each(&b->by_addr, &cursor))) {
        if (e->is_stranger && addr_same_ip(&e->addr, address)) {
            make_ready(b, e);
            released = true;
        }
        waits |= e->is_stranger;
    }
    if (!waits) {
        list_remove(&waiter->link);
    }
    if (released && b->on_ready) {
        b->on_ready(b);
    }
}

void peerbook_on_connected(struct peerbook *b, const struct addr *address, int64_t now_ns)
{
    struct peerbook_entry *e = find(b, address);
    if (b->strangers) {
        strangers_on_proven(b->strangers, address);
    }
    if (!e || e->is_self) {
        return;
    }
    set_state(b, e, ENTRY_CONNECTED);
    e->proven = true;
    e->connected_ns = now_ns;
}

void peerbook_on_failed(struct peerbook *b, const struct addr *address, int64_t now_ns)
{
    struct peerbook_entry *e = find(b, address);
    /* Not while it is connected: the other of two connections that crossed has lived. */
    if (e && e->state == ENTRY_DIALLING) {
        e->failures++;
        wait_until(b, e, now_ns + pause_ns(b, e));
    }
}

void peerbook_on_refused(struct peerbook *b, const struct addr *address, int64_t now_ns)
{
    peerbook_on_failed(b, address, now_ns);
    if (b->strangers) {
        strangers_on_refused(b->strangers, address);
    }
}

void peerbook_on_broken_off(struct peerbook *b, const struct addr *address, int64_t now_ns)
{
    struct peerbook_entry *e = find(b, address);
    if (e && e->state == ENTRY_DIALLING) {
        wait_until(b, e, now_ns);
    }
}

void peerbook_undo(struct peerbook *b, const struct addr *address, int64_t retry_ns)
{
    struct peerbook_entry *e = find(b, address);
    if (!e || e->state != ENTRY_DIALLING) {
        return;
    }
    if (b->strangers && e->source != PEER_SOURCE_USER) {
        strangers_undo(b->strangers, address);
    }
    wait_until(b, e, retry_ns);
}

void peerbook_on_closed(struct peerbook *b, const struct addr *address, int64_t now_ns)
{
    struct peerbook_entry *e = find(b, address);
    if (!e || e->state != ENTRY_CONNECTED) {
        return;
    }
    e->failures = now_ns - e->connected_ns < SHORT_LIFE_NS ? e->failures + 1 : 1;
    wait_until(b, e, now_ns + pause_ns(b, e));
    if (now_ns - e->connected_ns >= SHORT_LIFE_NS) {
        e->failures = 0;
    }
}

void peerbook_on_self(struct peerbook *b, const struct addr *address)
{
    struct peerbook_entry *e = find(b, address);
    if (e) {
        e->is_self = true;
        set_state(b, e, ENTRY_PARKED);
    }
}

void peerbook_on_seed(struct peerbook *b, const struct addr *address, bool is_seed)
{
    struct peerbook_entry *e = find(b, address);
    if (e) {
        e->is_seed = is_seed;
    }
}

void peerbook_set_seeding(struct peerbook *b, bool seeding, int64_t now_ns)
{
    struct peerbook_entry *e;
    size_t cursor = 0;
    if (b->seeding && !seeding) {
        while ((e = map_each(&b->by_addr, &cursor))) {
            if (e->state == ENTRY_PARKED && !e->is_self) {
                wait_until(b, e, now_ns);
            }
        }
    }
    b->seeding = seeding;
}

/* ---- bans ------------------------------------------------------------------------------------ */

/* The ban that ends first makes room. */
static void drop_first_ban(struct peerbook *b)
{
    struct peerbook_ban *first = NULL, *ban;
    size_t cursor = 0;
    while ((ban = map_each(&b->bans, &cursor))) {
        if (!first || ban->until_ns < first->until_ns) {
            first = ban;
        }
    }
    if (first) {
        map_remove(&b->bans, &first->ip);
        free(first);
    }
}

int peerbook_ban(struct peerbook *b, const struct addr *address, int64_t until_ns)
{
    struct addr ip = ip_of(address);
    struct peerbook_ban *ban = map_get(&b->bans, &ip);
    if (ban) {
        ban->until_ns = until_ns;
        return 0;
    }
    if (b->bans.count >= LIMIT_PEERBOOK_BANS) {
        drop_first_ban(b);
    }
    ban = malloc(sizeof *ban);
    if (!ban) {
        return SPATE_ENOMEM;
    }
    *ban = (struct peerbook_ban){ip, until_ns};
    if (map_put(&b->bans, &ip, ban)) {
        free(ban);
        return SPATE_ENOMEM;
    }
    return 0;
}

bool peerbook_is_banned(const struct peerbook *b, const struct addr *address, int64_t now_ns)
{
    return ban_end_ns(b, address) > now_ns;
}

const struct addr *peerbook_each_ban(const struct peerbook *b, size_t *cursor)
{
    const struct peerbook_ban *ban = map_each(&b->bans, cursor);
    return ban ? &ban->ip : NULL;
}

/* ---- questions ------------------------------------------------------------------------------- */

int64_t peerbook_deadline(const struct peerbook *b, int64_t now_ns)
{
    if (heap_min(&b->ready)) {
        return now_ns;
    }
    const struct heap_node *first = heap_min(&b->waiting);
    return first ? first->key : INT64_MAX;
}

uint32_t peerbook_count(const struct peerbook *b)
{
    return (uint32_t)b->by_addr.count;
}

bool peerbook_is_consistent(const struct peerbook *b)
{
    const struct peerbook_entry *e;
    size_t cursor = 0, waiting = 0, ready = 0;
    while ((e = map_each(&b->by_addr, &cursor))) {
        waiting += e->state == ENTRY_WAITING;
        ready += e->state == ENTRY_READY;
        if ((e->is_stranger && !list_linked(&b->waiter.link)) || find(b, &e->addr) != e ||
            !is_acceptable(&e->addr, e->source) || (e->is_self && e->state != ENTRY_PARKED) ||
            (e->is_stranger && e->state != ENTRY_WAITING) ||
            (e->state == ENTRY_CONNECTED && !e->proven)) {
            return false;
        }
    }
    return waiting == b->waiting.count && ready == b->ready.count &&
           b->by_addr.count <= LIMIT_PEERBOOK && b->bans.count <= LIMIT_PEERBOOK_BANS;
}
