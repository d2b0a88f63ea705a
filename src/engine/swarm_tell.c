/* HAVE (BEP 3). Where many pieces come in a second, a packet to every peer for each of them would be most of what is
 * sent and received. So news wait for what leaves anyway, for others that come soon after, and for longest where
 * they make the least difference.
 *
 * Commandments:
 *   - What leaves for a peer takes along what it has not heard yet.
 *   - Of a piece that next to nobody has, who may download from us and asks for nothing hears within 50 ms.
 *   - Who may not download, and would not at once if it wanted to, hears within a second, everybody else within
 *     200 ms; at once, when there were no news for so long.
 *   - Losing interest in a peer that chokes us changes nothing for it: it hears so with the news. */
#include "engine/swarm_tell.h"

#include "base/plant.h"

static const int64_t interval_ns[SWARM_EARS] = {
    [SWARM_IDLE] = INT64_C(50000000),
    [SWARM_MOST] = INT64_C(200000000),
    [SWARM_ALL] = INT64_C(1000000000),
};
enum { TELL_RARE = 2 }; /* peers that have the piece */

void swarm_say(struct swarm_peer *sp)
{
    struct swarm *s = sp->swarm;
    struct peer *p = &sp->conn->peer;
    uint64_t end = s->news_count - (PLANT(LOSE_HAVE) && s->news_count - sp->heard > 1);
    for (; sp->heard < end; sp->heard++) {
        uint32_t piece = s->news[sp->heard % SWARM_NEWS_MAX];
        if (!bitset_get(&sp->told, piece) && bitset_get(&s->settings.pieces->have, piece)) {
            peer_have(p, piece);
        }
    }
    sp->heard = s->news_count;
    if (sp->interesting == 0) {
        peer_interest(p, false);
    }
}

static enum swarm_ears ears_of(const struct swarm_peer *sp)
{
    const struct peer *p = &sp->conn->peer;
    if (p->we_choke) {
        return p->interested || sp->swarm->slots_free == 0 ? SWARM_ALL : SWARM_MOST;
    }
    return peer_wants(p) == 0 && peer_serving(p) == 0 ? SWARM_IDLE : SWARM_MOST;
}

static bool is_due(const struct swarm *s, enum swarm_ears ears)
{
    return swarm_now(s) >= s->told_ns[ears] + interval_ns[ears];
}

/* When somebody has to hear of what there is; INT64_MAX: nobody has. */
static int64_t next_ns(const struct swarm *s)
{
    int64_t next = INT64_MAX;
    for (int i = s->rare_news ? SWARM_IDLE : SWARM_MOST; i < SWARM_EARS; i++) {
        int64_t at_ns = s->told_ns[i] + interval_ns[i];
        if (s->told_count[i] < s->news_count && at_ns < next) {
            next = at_ns;
        }
    }
    return next;
}

/* Those whose turn it is hear of everything. */
static void tell(struct swarm *s, enum swarm_ears ears)
{
    list_for_each (node, &s->peers) {
        struct swarm_peer *sp = list_entry(node, struct swarm_peer, link);
        if (sp->identified && ears_of(sp) <= ears) {
            swarm_say(sp);
            conn_touch(sp->conn);
        }
    }
    for (int i = 0; i <= (int)ears; i++) {
        s->told_ns[i] = swarm_now(s);
        s->told_count[i] = s->news_count;
    }
    s->rare_news = false;
    timer_set(&s->settings.env->timers, &s->tell_timer, next_ns(s));
}

static void tell_those_due(struct swarm *s)
{
    tell(s, is_due(s, SWARM_ALL) ? SWARM_ALL : is_due(s, SWARM_MOST) ? SWARM_MOST : SWARM_IDLE);
}

static void on_tell_timer(struct timer *timer, int64_t now_ns)
{
    (void)now_ns;
    tell_those_due(list_entry(timer, struct swarm, tell_timer));
}

void swarm_tell_all(struct swarm *s)
{
    tell(s, SWARM_ALL);
}

void swarm_tell_soon(struct swarm *s, uint32_t piece)
{
    if (s->news_count - s->told_count[SWARM_ALL] == SWARM_NEWS_MAX) {
        swarm_tell_all(s);
    }
    s->news[s->news_count++ % SWARM_NEWS_MAX] = piece;
    s->rare_news |= picker_availability(&s->picker, piece) <= TELL_RARE;
    int64_t at_ns = next_ns(s);
    if (at_ns <= swarm_now(s)) {
        tell_those_due(s);
    } else {
        timer_set(&s->settings.env->timers, &s->tell_timer, at_ns);
    }
}

void swarm_tell_init(struct swarm *s)
{
    s->tell_timer.fire = on_tell_timer;
}
