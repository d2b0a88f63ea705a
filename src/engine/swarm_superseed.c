/* Super-seeding (swarm/superseed) carried out: what each peer is told of, and that everybody is told of
 * everything when it is over. A peer that was there before it began has been told already. */
#include "engine/swarm_superseed.h"

#include <stdlib.h>

/* So many pieces at a time, so that those of a large torrent do not fill the queue of what is to be said. */
enum { TELL_PIECES = 1024, TELL_QUEUE_BYTES = 9 * TELL_PIECES };
#define TELL_INTERVAL_NS INT64_C(100000000)
#define LOOK_NS          INT64_C(1500000000)

bool swarm_superseed_hides(struct swarm_peer *sp)
{
    struct swarm *s = sp->swarm;
    if (!s->seeding || !bitset_full(&s->settings.pieces->have)) {
        return false;
    }
    if (!s->superseed && superseed_pays(&s->picker, s->peer_count)) {
        struct superseed *superseed = calloc(1, sizeof *superseed);
        if (superseed &&
            superseed_init(superseed, &s->picker, chacha_u64(&s->settings.env->random))) {
            free(superseed);
            superseed = NULL;
        }
        s->superseed = superseed;
        s->superseed_from_bytes = s->totals.uploaded_bytes;
        if (superseed) {
            timer_set(&s->settings.env->timers, &s->superseed_timer, swarm_now(s) + LOOK_NS);
        }
    }
    sp->view.hidden = s->superseed != NULL;
    return sp->view.hidden;
}

/* ---- telling everything ---------------------------------------------------------------------- */

/* Goes on with what the peer has not been told. */
static void tell_more(struct swarm_peer *sp)
{
    struct swarm *s = sp->swarm;
    const struct bitset *have = &s->settings.pieces->have;
    if (sp->conn->peer.control_size > TELL_QUEUE_BYTES) {
        return;
    }
    for (uint32_t told = 0; sp->tell_next < have->count && told < TELL_PIECES; sp->tell_next++) {
        if (bitset_get(have, sp->tell_next) && !bitset_get(&sp->told, sp->tell_next)) {
            peer_have(&sp->conn->peer, sp->tell_next);
            told++;
        }
    }
    if (sp->tell_next == have->count) {
        sp->telling = sp->view.hidden = false;
        peer_upload_only(&sp->conn->peer, s->seeding);
    }
    conn_touch(sp->conn);
}

static bool tell_all_more(struct swarm *s)
{
    bool any = false;
    list_for_each (node, &s->peers) {
        struct swarm_peer *sp = list_entry(node, struct swarm_peer, link);
        if (sp->identified && sp->telling) {
            tell_more(sp);
            any = any || sp->telling;
        }
    }
    return any;
}

static void tell_everything(struct swarm_peer *sp)
{
    struct swarm *s = sp->swarm;
    sp->telling = true;
    sp->tell_next = 0;
    tell_more(sp);
    if (sp->telling) {
        timer_set(&s->settings.env->timers, &s->superseed_timer, swarm_now(s) + TELL_INTERVAL_NS);
    }
}

void swarm_superseed_end(struct swarm *s)
{
    if (!s->superseed) {
        return;
    }
    superseed_deinit(s->superseed);
    free(s->superseed);
    s->superseed = NULL;
    list_for_each (node, &s->peers) {
        struct swarm_peer *sp = list_entry(node, struct swarm_peer, link);
        if (!s->closing && sp->identified && sp->view.hidden && !sp->telling) {
            tell_everything(sp);
        }
    }
}

/* ---- telling of one more --------------------------------------------------------------------- */

static void say(struct swarm_peer *sp, uint32_t piece)
{
    if (piece != PICKER_NONE) {
        peer_have(&sp->conn->peer, piece);
        conn_touch(sp->conn);
    }
}

void swarm_superseed_show(struct swarm_peer *sp)
{
    struct swarm *s = sp->swarm;
    const struct peer *p = &sp->conn->peer;
    uint32_t piece, piece_length = s->settings.layout->piece_length;
    uint32_t blocks = layout_block_count(s->settings.layout, 0);
    if (!s->superseed || !sp->view.hidden || sp->telling) {
        return;
    }
    if (p->we_choke) {
        say(sp, superseed_lure(s->superseed, &sp->view, blocks));
        return;
    }
    uint64_t waiting = (uint64_t)(peer_wants(p) + peer_serving(p)) * BLOCK_BYTES / piece_length;
    uint32_t quota = superseed_quota(rate_per_second(&sp->conn->up, swarm_now(s)), piece_length);
    if (quota > SUPERSEED_SHOWN_MAX) {
        tell_everything(sp);
        return;
    }
    do {
        piece = superseed_show(s->superseed, &sp->view, sp->conn->key, quota, (uint32_t)waiting,
                               blocks);
        say(sp, piece);
    } while (piece != PICKER_NONE);
}

void swarm_superseed_on_asked(struct swarm_peer *sp, uint32_t piece)
{
    if (sp->swarm->superseed) {
        superseed_on_asked(&sp->view, piece);
        swarm_superseed_show(sp);
    }
}

void swarm_superseed_on_had(struct swarm_peer *sp, uint32_t piece)
{
    struct swarm *s = sp->swarm;
    if (!s->superseed) {
        return;
    }
    superseed_on_had(s->superseed, &sp->view, piece, sp->conn->key,
                     picker_availability(&s->picker, piece), sp->conn->up.total_bytes);
    if (superseed_is_over(s->superseed)) {
        swarm_superseed_end(s);
    } else {
        swarm_superseed_show(sp);
    }
}

void swarm_superseed_on_has(struct swarm_peer *sp)
{
    struct swarm *s = sp->swarm;
    if (sp->is_seed) {
        return; /* we part from it, if it is true */
    }
    for (uint32_t i = bitset_next(&sp->told, 0); s->superseed && i < sp->told.count;
         i = bitset_next(&sp->told, i + 1)) {
        swarm_superseed_on_had(sp, i);
    }
}

void swarm_superseed_on_choked(struct swarm_peer *sp)
{
    if (sp->swarm->superseed) {
        superseed_on_choked(sp->swarm->superseed, sp->conn->key);
    }
}

void swarm_superseed_on_gone(struct swarm *s, uint64_t key)
{
    if (!s->superseed) {
        return;
    }
    superseed_on_choked(s->superseed, key);
    if (s->peer_count < 2) {
        swarm_superseed_end(s);
    }
}

/* Blocks have left. */
static void on_turn(struct turn_work *work)
{
    struct swarm *s = list_entry(work, struct swarm, superseed_turn);
    list_for_each (node, &s->peers) {
        struct swarm_peer *sp = list_entry(node, struct swarm_peer, link);
        const struct peer *p = &sp->conn->peer;
        if (!s->superseed || !sp->identified || p->we_choke || !sp->view.hidden) {
            continue;
        }
        if (peer_wants(p) + peer_serving(p) == 0) {
            superseed_on_sent(s->superseed, &sp->view, sp->conn->up.total_bytes,
                              s->settings.layout->piece_length);
        }
        swarm_superseed_show(sp);
    }
    if (s->superseed && superseed_is_over(s->superseed)) {
        swarm_superseed_end(s);
    }
}

static void see_who_is_idle(struct swarm *s)
{
    uint64_t sent_bytes = s->totals.uploaded_bytes - s->superseed_from_bytes;
    uint64_t fair_bytes = (sent_bytes - s->superseed->sent_bytes) / (s->slots.count + 1);
    list_for_each (node, &s->peers) {
        struct swarm_peer *sp = list_entry(node, struct swarm_peer, link);
        if (sp->identified && !sp->conn->peer.we_choke &&
            swarm_now(s) - sp->unchoked_ns >= LOOK_NS) {
            superseed_look(s->superseed, &sp->view, sp->conn->key, sp->conn->up.total_bytes,
                           fair_bytes, s->settings.layout->piece_length);
        }
    }
    if (superseed_is_stuck(s->superseed, sent_bytes, s->settings.layout->total_length)) {
        swarm_superseed_end(s);
    }
    turn_add(&s->settings.env->turn, &s->superseed_turn);
}

static void on_timer(struct timer *timer, int64_t now_ns)
{
    struct swarm *s = list_entry(timer, struct swarm, superseed_timer);
    bool telling = tell_all_more(s);
    if (s->superseed) {
        see_who_is_idle(s);
    }
    timer_set(&s->settings.env->timers, timer,
              s->superseed ? now_ns + LOOK_NS
              : telling    ? now_ns + TELL_INTERVAL_NS
                           : INT64_MAX);
}

void swarm_superseed_init(struct swarm *s)
{
    turn_work_init(&s->superseed_turn, on_turn);
    s->superseed_timer.fire = on_timer;
}
