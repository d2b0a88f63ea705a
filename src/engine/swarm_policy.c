/* A swarm's policies brought to its peers: the choker's decisions carried out, addresses dialled,
 * and what people are told. */
#include "engine/swarm_policy.h"

#include "base/plant.h"
#include "base/text.h"
#include "engine/swarm_superseed.h"
#include "engine/swarm_tell.h"

#include <stdlib.h>

#define SWARM_SLOTS_INTERVAL_NS INT64_C(5000000000)
#define SWARM_TURNOVER_NS       INT64_C(60000000000)
#define SWARM_RECHOKE_NS        INT64_C(200000000) /* while all slots are taken */

/* ---- choking --------------------------------------------------------------------------------- */

void swarm_rechoke_soon(struct swarm *s)
{
    if (!s->closing) {
        turn_add(&s->settings.env->turn, &s->rechoke);
    }
}

void swarm_rechoke_later(struct swarm *s)
{
    if (!s->rechoke_timer.armed && !s->closing) {
        timer_set(&s->settings.env->timers, &s->rechoke_timer, swarm_now(s) + SWARM_RECHOKE_NS);
    }
}

void swarm_policy_on_interest(struct swarm_peer *sp)
{
    struct swarm *s = sp->swarm;
    const struct peer *p = &sp->conn->peer;
    uint32_t *count = p->we_choke ? &s->slots_wanted : &s->slots_free;
    if (p->we_choke == p->interested) {
        ++*count; /* one more waits, or has no use for its slot */
    } else if (*count > 0) {
        --*count;
    }
    if (s->slots_free > 0 && s->slots_wanted > 0) {
        swarm_rechoke_soon(s);
    } else {
        swarm_rechoke_later(s);
    }
}

static void on_rechoke_timer(struct timer *timer, int64_t now_ns)
{
    (void)now_ns;
    swarm_rechoke_soon(list_entry(timer, struct swarm, rechoke_timer));
}

static struct choker_peer describe(const struct swarm_peer *sp, int64_t now_ns)
{
    const struct conn *c = sp->conn;
    bool counts = c->peer.interested || !c->peer.we_choke;
    return (struct choker_peer){
        .key = c->key,
        .interested = c->peer.interested,
        .unchoked = !c->peer.we_choke,
        .snubbed = sp->requester.snubbed,
        .optimistic = sp->optimistic,
        .is_seed = sp->is_seed || c->peer.extended.upload_only,
        .down_rate = PLANT(CHANCE_OF_ITS_OWN) ? (uintptr_t)c >> 4
                     : counts                 ? rate_per_second(&c->down, now_ns)
                                              : 0,
        .up_rate = counts ? rate_per_second(&c->up, now_ns) : 0,
        .uploaded_since_unchoke = c->up.total_bytes - sp->uploaded_at_unchoke,
        .unchoked_at_ns = sp->unchoked_ns,
        .choked_at_ns = sp->choked_ns,
        .connected_at_ns = sp->connected_ns,
    };
}

static void carry_out(struct swarm_peer *sp, const struct choker_peer *decision, int64_t now_ns)
{
    sp->optimistic = decision->optimistic;
    if (decision->unchoked == !sp->conn->peer.we_choke) {
        return;
    }
    if (decision->unchoked) {
        swarm_say(sp); /* it has to know what it may ask for */
        sp->unchoked_ns = now_ns;
        sp->uploaded_at_unchoke = sp->conn->up.total_bytes;
    } else {
        sp->choked_ns = now_ns;
        swarm_superseed_on_choked(sp);
    }
    peer_choke(&sp->conn->peer, !decision->unchoked);
    upload_trim(&sp->conn->upload);
    swarm_superseed_show(sp);
    conn_touch(sp->conn);
}

static void on_rechoke(struct turn_work *work)
{
    struct swarm *s = list_entry(work, struct swarm, rechoke);
    struct env *env = s->settings.env;
    int64_t now_ns = swarm_now(s);
    struct choker_peer *table = calloc(s->peer_count + 1, sizeof *table);
    struct swarm_peer **owners = calloc(s->peer_count + 1, sizeof *owners);
    uint32_t count = 0, taken = 0, wanted = 0;
    if (table && owners) {
        list_for_each (node, &s->peers) {
            struct swarm_peer *sp = list_entry(node, struct swarm_peer, link);
            if (sp->identified) {
                owners[count] = sp;
                table[count++] = describe(sp, now_ns);
            }
        }
        choker_run(&s->choker, table, count, s->slots.count, s->seeding, now_ns);
        for (uint32_t i = 0; i < count; i++) {
            bool wants = table[i].interested && !table[i].is_seed;
            taken += wants && table[i].unchoked;
            wanted += wants && !table[i].unchoked;
            carry_out(owners[i], &table[i], now_ns);
        }
    }
    s->slots_free = taken < s->slots.count ? s->slots.count - taken : 0;
    s->slots_wanted = wanted;
    timer_clear(&env->timers, &s->rechoke_timer);
    free(table);
    free(owners);
    int64_t next_ns = count > 0 ? now_ns + SWARM_SLOTS_INTERVAL_NS : INT64_MAX;
    int64_t choker_ns = choker_deadline(&s->choker);
    timer_set(&env->timers, &s->choke_timer, choker_ns < next_ns ? choker_ns : next_ns);
}

static void on_choke_timer(struct timer *timer, int64_t now_ns)
{
    struct swarm *s = list_entry(timer, struct swarm, choke_timer);
    const struct env *env = s->settings.env;
    uint64_t own = s->settings.up->rate, all = env->up.rate;
    bool of_session = own == 0 || (all > 0 && all < own); /* then others use it up as well */
    const struct rate *rate = of_session && all > 0 ? &env->up_rate : &s->up_rate;
    struct slots_view view = {.up_limit = of_session ? all : own,
                              .up_rate = rate_per_second(rate, now_ns),
                              .up_bytes = s->totals.uploaded_bytes,
                              .all_taken = s->slots_free == 0};
    slots_look(&s->slots, &view, now_ns);
    swarm_rechoke_soon(s);
}

/* ---- dialling -------------------------------------------------------------------------------- */

void swarm_dial_soon(struct swarm *s)
{
    if (!s->closing) {
        timer_set(&s->settings.env->timers, &s->dial_timer, swarm_now(s));
    }
}

static void on_addresses_ready(struct peerbook *book)
{
    swarm_dial_soon(list_entry(book, struct swarm, peerbook));
}

/* How little a peer is missed: who has nothing for us least, then who chokes us; the earliest of those. */
static uint32_t dispensable(const struct swarm_peer *sp)
{
    return sp->interesting == 0 ? 3 : sp->conn->peer.chokes_us ? 2 : 1;
}

/* Every place is taken, there are others to try, and for a minute nothing has come: without this, peers that have
 * filled their places with each other never meet a seed. */
static void make_place(struct swarm *s, int64_t now_ns)
{
    struct swarm_peer *least = NULL;
    if (s->totals.downloaded_bytes != s->turnover_bytes || s->seeding) {
        s->turnover_bytes = s->totals.downloaded_bytes;
        s->turnover_ns = now_ns;
        return;
    }
    if (now_ns - s->turnover_ns < SWARM_TURNOVER_NS ||
        peerbook_deadline(&s->peerbook, now_ns) > now_ns) {
        return;
    }
    list_for_each (node, &s->peers) {
        struct swarm_peer *sp = list_entry(node, struct swarm_peer, link);
        if (sp->identified && (!least || dispensable(sp) > dispensable(least))) {
            least = sp;
        }
    }
    if (least) {
        s->turnover_ns = now_ns;
        conn_close(least->conn, 0);
    }
}

/* Who dials in has shown that he is there, which an address that we dial has not; and while nothing comes, who
 * has had a minute and has nothing for us makes room, too. Whoever is turned away tries again only a quarter of an
 * hour later: peers that turn each other away would all wait that long. */
bool swarm_policy_make_room(struct swarm *s)
{
    int64_t now_ns = swarm_now(s);
    bool starves = !s->seeding && rate_per_second(&s->down_rate, now_ns) == 0;
    list_for_each (node, &s->peers) {
        struct swarm_peer *sp = list_entry(node, struct swarm_peer, link);
        bool is_dial = !sp->identified && !sp->conn->peer.incoming;
        bool is_idle = starves && sp->identified && sp->interesting == 0 &&
                       now_ns - sp->connected_ns >= SWARM_TURNOVER_NS;
        if (is_dial || is_idle) {
            conn_close(sp->conn, 0);
            return true;
        }
    }
    return false;
}

static void on_dial_timer(struct timer *timer, int64_t now_ns)
{
    struct swarm *s = list_entry(timer, struct swarm, dial_timer);
    struct env *env = s->settings.env;
    struct addr address;
    if (s->peer_count >= s->settings.max_peers) {
        make_place(s, now_ns);
    }
    while (s->dialling < LIMIT_DIALLING && s->peer_count < s->settings.max_peers &&
           env->connections < env->settings.value.max_connections &&
           peerbook_next(&s->peerbook, now_ns, &address)) {
        if (!swarm_policy_connect(s, &address)) {
            peerbook_undo(&s->peerbook, &address, now_ns + SWARM_SLOTS_INTERVAL_NS);
            break; /* ours or the machine's fault: not now */
        }
    }
    bool full = s->dialling >= LIMIT_DIALLING || s->peer_count >= s->settings.max_peers ||
                env->connections >= env->settings.value.max_connections;
    int64_t next_ns = peerbook_deadline(&s->peerbook, now_ns);
    if (full) {
        next_ns = now_ns + SWARM_SLOTS_INTERVAL_NS; /* a departure says so earlier */
    } else if (next_ns <= now_ns) {
        next_ns = now_ns + 1;
    }
    timer_set(&env->timers, timer, next_ns);
}

void swarm_policy_on_expire(struct timer *timer, int64_t now_ns)
{
    swarm_peer_expire(list_entry(timer, struct swarm_peer, expire), now_ns);
}

void swarm_policy_init(struct swarm *s)
{
    turn_work_init(&s->rechoke, on_rechoke);
    s->choke_timer.fire = on_choke_timer;
    s->rechoke_timer.fire = on_rechoke_timer;
    s->dial_timer.fire = on_dial_timer;
    s->peerbook.on_ready = on_addresses_ready;
    slots_init(&s->slots, s->settings.up->rate, swarm_now(s));
    s->slots_free = s->slots.count;
    s->turnover_ns = swarm_now(s);
}

/* ---- for people ------------------------------------------------------------------------------ */

static uint32_t peer_flags(const struct swarm_peer *sp)
{
    const struct peer *p = &sp->conn->peer;
    return (p->incoming ? SPATE_PEER_INCOMING : 0u) | (sp->is_seed ? SPATE_PEER_SEED : 0u) |
           (p->chokes_us ? SPATE_PEER_CHOKES_US : 0u) | (p->we_choke ? SPATE_PEER_WE_CHOKE : 0u) |
           (p->interested ? SPATE_PEER_INTERESTED : 0u) |
           (p->we_are_interested ? SPATE_PEER_WE_ARE_INTERESTED : 0u) |
           (sp->requester.snubbed ? SPATE_PEER_SNUBBED : 0u);
}

/* "-TR3000-" when it does not say its name. */
static void client_name(const struct peer *p, char *out, size_t size)
{
    if (p->extended.client[0]) {
        text_copy(out, size, span_text(p->extended.client));
    } else {
        text_copy(out, size, span_of(p->remote.peer_id, 8));
    }
}

uint32_t swarm_fill_peers(const struct swarm *s, struct spate_peer_status *out, uint32_t max)
{
    int64_t now_ns = io_now(s->settings.env->io);
    uint32_t count = 0;
    list_for_each (node, &s->peers) {
        const struct swarm_peer *sp = list_entry(node, struct swarm_peer, link);
        if (!sp->identified || count == max) {
            continue;
        }
        struct spate_peer_status *row = &out[count++];
        *row = (struct spate_peer_status){.size = sizeof *row,
                                          .flags = peer_flags(sp),
                                          .downloaded_bytes = sp->conn->down.total_bytes,
                                          .uploaded_bytes = sp->conn->up.total_bytes,
                                          .down_rate = rate_per_second(&sp->conn->down, now_ns),
                                          .up_rate = rate_per_second(&sp->conn->up, now_ns),
                                          .pieces = sp->told.ones,
                                          .requests = peer_outstanding(&sp->conn->peer)};
        addr_format(&sp->conn->address, row->address);
        client_name(&sp->conn->peer, row->client, sizeof row->client);
    }
    return count;
}

void swarm_fill_status(const struct swarm *s, struct spate_status *out)
{
    int64_t now_ns = io_now(s->settings.env->io);
    out->down_rate = rate_per_second(&s->down_rate, now_ns);
    out->up_rate = rate_per_second(&s->up_rate, now_ns);
    out->peers = out->seeds = out->peers_unchoking = out->peers_downloading = 0;
    list_for_each (node, &s->peers) {
        const struct swarm_peer *sp = list_entry(node, struct swarm_peer, link);
        if (sp->identified) {
            out->peers++;
            out->seeds += sp->is_seed;
            out->peers_unchoking += !sp->conn->peer.chokes_us;
            out->peers_downloading += sp->conn->peer.interested && !sp->conn->peer.we_choke;
        }
    }
    out->peers_known = peerbook_count(&s->peerbook);
    out->availability_milli = picker_availability_milli(&s->picker);
    out->banned_peers = s->banned;
}

const char *swarm_message(const struct swarm *s)
{
    bool any = false, interesting = false, unchoked = false;
    list_for_each (node, &s->peers) {
        const struct swarm_peer *sp = list_entry(node, struct swarm_peer, link);
        any |= sp->identified;
        interesting |= sp->identified && sp->interesting > 0;
        unchoked |= sp->identified && sp->interesting > 0 && !sp->conn->peer.chokes_us;
    }
    if (s->seeding || unchoked) {
        return "";
    }
    if (!any) {
        return s->dialling > 0                    ? "connecting to peers"
               : peerbook_count(&s->peerbook) > 0 ? "no peer answers"
                                                  : "no peers known";
    }
    return interesting ? "all peers choke us" : "no peer has a piece that is missing";
}

bool swarm_is_starved(const struct swarm *s)
{
    list_for_each (node, &s->peers) {
        const struct swarm_peer *sp = list_entry(node, struct swarm_peer, link);
        if (sp->identified && sp->interesting > 0) {
            return false;
        }
    }
    return !s->seeding;
}
