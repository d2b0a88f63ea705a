/* The peers of a swarm: what each has, how they come and go, and what they say. */
#include "engine/swarm_peer.h"

#include "base/limits.h"
#include "base/plant.h"
#include "base/text.h"
#include "engine/swarm_policy.h"
#include "engine/swarm_superseed.h"
#include "engine/swarm_tell.h"

#include <stdlib.h>

#define SWARM_BAN_NS      (3600 * INT64_C(1000000000))
#define SWARM_LAST_BAN_NS (60 * INT64_C(1000000000)) /* the last source is slowed down, not lost */

/* Becoming a seed and ceasing to be one takes a look at every piece: who does it again and again is counted as one
 * that has each piece by itself. */
enum { SWARM_UNSEEDED_MAX = 16 };

static const struct conn_owner swarm_conn_owner;

/* ---- what a peer has ------------------------------------------------------------------------- */

void swarm_recount(struct swarm_peer *sp)
{
    const struct pieces *pieces = sp->swarm->settings.pieces;
    uint32_t count = 0;
    if (pieces->missing > 0 && sp->told.ones > 0) {
        for (size_t i = 0; i < bitset_bytes(sp->told.count); i++) {
            count += (uint32_t)__builtin_popcount(sp->told.bytes[i] & pieces->wanted.bytes[i] &
                                                  (uint8_t)~pieces->have.bytes[i]);
        }
    }
    sp->interesting = count;
}

static void count_out(struct swarm_peer *sp)
{
    if (sp->is_seed) {
        picker_on_seed_gone(&sp->swarm->picker);
        sp->is_seed = false;
    } else if (sp->told.ones > 0) {
        picker_on_gone(&sp->swarm->picker, &sp->told);
    }
}

static void become_seed(struct swarm_peer *sp)
{
    picker_on_seed(&sp->swarm->picker);
    sp->is_seed = true;
    if (sp->listens.family) {
        peerbook_on_seed(&sp->swarm->peerbook, &sp->listens, true);
    }
}

/* The whole of what it has is new. */
static void on_has(struct swarm_peer *sp)
{
    const struct bitset *has = &sp->conn->peer.has;
    count_out(sp);
    memcpy(sp->told.bytes, has->bytes, bitset_bytes(has->count));
    sp->told.ones = has->ones;
    if (bitset_full(&sp->told)) {
        become_seed(sp);
    } else {
        picker_on_bitfield(&sp->swarm->picker, &sp->told);
    }
    swarm_recount(sp);
}

static void on_have(struct swarm_peer *sp, uint32_t piece)
{
    if (!bitset_set(&sp->told, piece)) {
        return; /* counted with a bitfield that came in the same breath */
    }
    picker_on_have(&sp->swarm->picker, piece);
    sp->interesting += pieces_is_missing(sp->swarm->settings.pieces, piece);
    if (bitset_full(&sp->told) && sp->unseeded < SWARM_UNSEEDED_MAX) {
        picker_on_gone(&sp->swarm->picker, &sp->told);
        become_seed(sp);
    }
}

static void on_dont_have(struct swarm_peer *sp, uint32_t piece)
{
    if (!bitset_get(&sp->told, piece)) {
        return;
    }
    if (sp->is_seed) {
        picker_on_seed_gone(&sp->swarm->picker);
        picker_on_bitfield(&sp->swarm->picker, &sp->told);
        sp->is_seed = false;
        sp->unseeded++;
    }
    bitset_clear(&sp->told, piece);
    picker_on_dont_have(&sp->swarm->picker, piece);
    sp->interesting -= pieces_is_missing(sp->swarm->settings.pieces, piece);
}

bool swarm_peer_is_redundant(const struct swarm_peer *sp)
{
    return sp->swarm->seeding && sp->identified &&
           (sp->is_seed || (sp->conn->peer.extended.upload_only && sp->interesting == 0));
}

/* ---- arrivals and departures ----------------------------------------------------------------- */

static void remember_ghost(struct swarm *s, const struct swarm_peer *sp)
{
    s->ghosts[s->ghost_next] =
        (struct swarm_ghost){.key = sp->conn->key, .address = sp->conn->address};
    s->ghost_next = (s->ghost_next + 1) % SWARM_GHOSTS;
}

static struct swarm_peer *peer_with_key(struct swarm *s, uint64_t key)
{
    list_for_each (node, &s->peers) {
        struct swarm_peer *sp = list_entry(node, struct swarm_peer, link);
        if (sp->conn->key == key) {
            return sp;
        }
    }
    return NULL;
}

void swarm_punish(struct swarm *s, uint64_t key, uint32_t piece)
{
    struct swarm_peer *sp = PLANT(BAN_NEIGHBOUR) && s->peer_count > 0
                                ? list_entry(list_first(&s->peers), struct swarm_peer, link)
                                : peer_with_key(s, key);
    const struct addr *address = sp ? &sp->conn->address : NULL;
    for (uint32_t i = 0; !address && i < SWARM_GHOSTS; i++) {
        if (s->ghosts[i].key == key) {
            address = &s->ghosts[i].address;
        }
    }
    if (!address || peerbook_is_banned(&s->peerbook, address, swarm_now(s))) {
        return;
    }
    char text[ADDR_TEXT_MAX];
    bool last = s->peer_count <= 1;
    log_write(&s->settings.env->log, SPATE_LOG_INFO, s->settings.torrent,
              "%s sent a corrupt block of piece %u and is banned", addr_format(address, text),
              piece);
    peerbook_ban(&s->peerbook, address, swarm_now(s) + (last ? SWARM_LAST_BAN_NS : SWARM_BAN_NS));
    s->banned++;
    if (sp) {
        conn_close(sp->conn, SPATE_EBLOCKED);
    }
}

static struct swarm_peer *peer_create(struct swarm *s)
{
    struct swarm_peer *sp = calloc(1, sizeof *sp);
    if (!sp) {
        return NULL;
    }
    if (bitset_init(&sp->told, s->settings.layout->piece_count)) {
        free(sp);
        return NULL;
    }
    sp->swarm = s;
    sp->expire.fire = swarm_policy_on_expire;
    sp->connected_ns = swarm_now(s);
    list_init(&sp->link);
    list_init(&sp->hungry);
    list_init(&sp->scratch);
    requester_init(&sp->requester, 0, swarm_now(s));
    return sp;
}

static void peer_destroy(struct swarm_peer *sp)
{
    timer_clear(&sp->swarm->settings.env->timers, &sp->expire);
    list_remove(&sp->hungry);
    bitset_deinit(&sp->told);
    free(sp);
}

/* Ties a connection to the swarm. */
static int peer_join(struct swarm_peer *sp, struct conn *c)
{
    struct swarm *s = sp->swarm;
    const struct layout *l = s->settings.layout;
    int failed = peer_set_pieces(&c->peer, l->piece_count, l->piece_length, l->total_length);
    if (failed) {
        return failed;
    }
    sp->conn = c;
    sp->requester.key = c->key;
    c->torrent_down = s->settings.down;
    c->torrent_up = s->settings.up;
    upload_open(&c->upload, s->settings.store, l, &s->settings.pieces->have);
    list_push_back(&s->peers, &sp->link);
    s->peer_count++;
    return 0;
}

static void introduce(struct swarm_peer *sp)
{
    struct swarm *s = sp->swarm;
    const struct env *env = s->settings.env;
    const struct bitset nothing = {.count = s->settings.layout->piece_count};
    bool hides = swarm_superseed_hides(sp);
    struct ext_handshake ours = {.dont_have_id = EXT_DONT_HAVE,
                                 .upload_only_id = EXT_UPLOAD_ONLY,
                                 .upload_only = s->seeding && !hides,
                                 .reqq = LIMIT_PEER_REQUESTS_IN,
                                 .port = env->port,
                                 .your_ip = sp->conn->address};
    text_copy(ours.client, sizeof ours.client, span_text("spate 0.1.0"));
    peer_introduce(&sp->conn->peer, hides ? &nothing : &s->settings.pieces->have, &ours);
    swarm_superseed_show(sp);
}

/* Another connection to the same client; NULL: none. */
static struct swarm_peer *double_of(const struct swarm_peer *sp)
{
    list_for_each (node, &sp->swarm->peers) {
        struct swarm_peer *other = list_entry(node, struct swarm_peer, link);
        if (other != sp && other->identified &&
            memcmp(other->conn->peer.remote.peer_id, sp->conn->peer.remote.peer_id, 20) == 0) {
            return other;
        }
    }
    return NULL;
}

/* Whoever has the greater peer id dialled it. */
static bool is_preferred(const struct swarm_peer *sp)
{
    const struct peer *p = &sp->conn->peer;
    return !p->incoming == (memcmp(p->peer_id, p->remote.peer_id, 20) > 0);
}

/* Of two connections to the same client one is enough. When both ends dial at once, both have to choose the
 * same one, or none is left. A peer id is only believed from where it was first seen. */
static bool goes_as_double(struct swarm_peer *sp)
{
    struct swarm_peer *other = double_of(sp);
    if (other && is_preferred(sp) && !is_preferred(other) &&
        addr_same_ip(&sp->conn->address, &other->conn->address)) {
        conn_close(other->conn, SPATE_EEXIST);
        return false;
    }
    return other != NULL;
}

static void on_identified(struct swarm_peer *sp)
{
    struct swarm *s = sp->swarm;
    if (goes_as_double(sp)) {
        conn_close(sp->conn, SPATE_EEXIST);
        return;
    }
    sp->identified = true;
    sp->heard = s->news_count; /* with the bitfield */
    sp->connected_ns = swarm_now(s);
    strangers_on_proven(&s->settings.env->strangers, &sp->conn->address);
    s->dialling -= !sp->conn->peer.incoming;
    peerbook_on_connected(&s->peerbook, &sp->conn->address, swarm_now(s));
    introduce(sp);
    swarm_rechoke_later(s);
    swarm_dial_soon(s);
    s->owner.on_change(s->owner.user, SPATE_CHANGED_PEERS);
}

static uint32_t connections_from(const struct swarm *s, const struct addr *address)
{
    uint32_t count = 0;
    list_for_each (node, &s->peers) {
        const struct swarm_peer *sp = list_entry(node, struct swarm_peer, link);
        count += addr_same_ip(&sp->conn->address, address);
    }
    return count;
}

bool swarm_adopt(struct swarm *s, struct conn *c)
{
    bool welcome = !s->closing && connections_from(s, &c->address) < LIMIT_CONNECTIONS_PER_IP &&
                   !peerbook_is_banned(&s->peerbook, &c->address, swarm_now(s)) &&
                   (s->peer_count < s->settings.max_peers || swarm_policy_make_room(s) ||
                    PLANT(TOO_MANY_PEERS));
    struct swarm_peer *sp = welcome ? peer_create(s) : NULL;
    if (!sp) {
        return false;
    }
    if (peer_accept(&c->peer, s->settings.info_hash) || peer_join(sp, c)) {
        peer_destroy(sp);
        return false;
    }
    conn_set_owner(c, &swarm_conn_owner, sp);
    conn_touch(c);
    return true;
}

bool swarm_policy_connect(struct swarm *s, const struct addr *address)
{
    struct conn *c;
    struct swarm_peer *sp = peer_create(s);
    if (!sp) {
        return false;
    }
    sp->listens = *address;
    if (conn_dial(s->settings.env, address, s->settings.info_hash, &swarm_conn_owner, sp, &c)) {
        peer_destroy(sp);
        return false;
    }
    s->dialling++;
    if (peer_join(sp, c)) {
        sp->conn = c;
        list_push_back(&s->peers, &sp->link);
        s->peer_count++;
        conn_close(c, SPATE_ENOMEM);
    }
    return true;
}

static void on_closed(struct conn *c, int error)
{
    struct swarm_peer *sp = swarm_peer_of(c);
    struct swarm *s = sp->swarm;
    char text[ADDR_TEXT_MAX];
    log_write(&s->settings.env->log, SPATE_LOG_DEBUG, s->settings.torrent, "%s closed: %s",
              addr_format(&c->address, text),
              c->peer.fault ? peer_fault_text(c->peer.fault)
              : error       ? spate_strerror(error)
                            : "by us, not needed any more");
    if (!PLANT(KEEP_REQUESTS)) {
        swarm_peer_release(sp);
    }
    if (sp->identified) {
        if (!PLANT(MISCOUNT_SEEDS)) {
            count_out(sp);
        }
        remember_ghost(s, sp);
        if (sp->listens.family) {
            peerbook_on_closed(&s->peerbook, &sp->listens, swarm_now(s));
        }
    } else if (!c->peer.incoming) {
        s->dialling--;
        if (c->peer.fault == PEER_FAULT_SELF) {
            peerbook_on_self(&s->peerbook, &sp->listens);
        } else if (error == 0) {
            peerbook_on_broken_off(&s->peerbook, &sp->listens, swarm_now(s));
        } else if (error == SPATE_EREFUSED) {
            peerbook_on_refused(&s->peerbook, &sp->listens, swarm_now(s));
        } else {
            peerbook_on_failed(&s->peerbook, &sp->listens, swarm_now(s));
        }
    }
    list_remove(&sp->link);
    s->peer_count--;
    peer_destroy(sp);
    c->owner_data = NULL;
    if (!s->closing) {
        swarm_superseed_on_gone(s, c->key);
        swarm_rechoke_later(s);
        swarm_dial_soon(s);
        s->owner.on_change(s->owner.user, SPATE_CHANGED_PEERS);
    }
}

/* ---- events of a peer ------------------------------------------------------------------------ */

static void on_extended(struct swarm_peer *sp)
{
    struct swarm *s = sp->swarm;
    const struct ext_handshake *extended = &sp->conn->peer.extended;
    requester_set_reqq(&sp->requester, extended->reqq);
    if (sp->conn->peer.incoming && extended->port && !sp->listens.family) {
        sp->listens = sp->conn->address;
        sp->listens.port = extended->port;
        if (peerbook_add(&s->peerbook, &sp->listens, PEER_SOURCE_INCOMING, swarm_now(s)) >= 0) {
            peerbook_on_connected(&s->peerbook, &sp->listens, swarm_now(s));
        }
    }
    if (sp->listens.family && extended->upload_only) {
        peerbook_on_seed(&s->peerbook, &sp->listens, true);
    }
}

static void on_choked(struct swarm_peer *sp)
{
    if (!sp->conn->peer.remote.fast) {
        swarm_peer_release(sp); /* BEP 3: a choke voids what was asked; BEP 6 rejects each block */
    }
}

static void on_allowed_fast(struct swarm_peer *sp, uint32_t piece)
{
    if (sp->allowed_fast_count < LIMIT_PEER_ALLOWED_FAST) {
        sp->allowed_fast[sp->allowed_fast_count++] = piece;
    }
}

static void on_event(struct conn *c, const struct peer_event *event)
{
    struct swarm_peer *sp = swarm_peer_of(c);
    switch (event->type) {
    case PEER_IDENTIFIED:
        on_identified(sp);
        break;
    case PEER_CHOKED:
        on_choked(sp);
        break;
    case PEER_INTERESTED:
    case PEER_NOT_INTERESTED:
        swarm_policy_on_interest(sp);
        break;
    case PEER_HAS:
        on_has(sp);
        swarm_superseed_on_has(sp);
        break;
    case PEER_HAVE:
        on_have(sp, event->piece);
        swarm_superseed_on_had(sp, event->piece);
        break;
    case PEER_DONT_HAVE:
        on_dont_have(sp, event->piece);
        break;
    case PEER_CANCEL:
        upload_trim(&c->upload);
        break;
    case PEER_BLOCK:
        if (event->unasked) {
            swarm_peer_on_unasked(sp, event->block);
        } else {
            swarm_peer_on_block(sp, event->block, event->destination);
        }
        break;
    case PEER_REJECT:
        swarm_peer_on_reject(sp, event->block, event->destination);
        break;
    case PEER_ALLOWED_FAST:
        on_allowed_fast(sp, event->piece);
        break;
    case PEER_EXTENDED:
        on_extended(sp);
        break;
    case PEER_REQUEST: /* the connection serves what may be served */
        swarm_superseed_on_asked(sp, event->block.piece);
        break;
    case PEER_UNCHOKED:
    case PEER_HANDSHAKE:
    case PEER_SUGGEST:
    case PEER_FAULT:
        break;
    }
}

static void on_drained(struct conn *c)
{
    struct swarm_peer *sp = swarm_peer_of(c);
    if (swarm_peer_is_redundant(sp)) {
        conn_close(c, 0);
    } else {
        swarm_peer_fill(sp);
    }
}

static void on_sending(struct conn *c)
{
    swarm_say(swarm_peer_of(c));
}

static void on_uploaded(struct conn *c, uint64_t bytes, int64_t now_ns)
{
    struct swarm *s = swarm_peer_of(c)->swarm;
    s->totals.uploaded_bytes += bytes;
    rate_add(&s->up_rate, bytes, now_ns);
    if (s->superseed) {
        turn_add(&s->settings.env->turn, &s->superseed_turn); /* not amid what is being sent */
    }
    s->owner.on_change(s->owner.user, 0);
}

static void on_read_failed(struct conn *c, uint32_t piece, int error, uint32_t file)
{
    struct swarm_peer *sp = swarm_peer_of(c);
    struct swarm *s = sp->swarm;
    if (error == SPATE_ENOMEM || error == SPATE_EFDS) {
        return; /* says nothing of the piece: who asked for it was refused, and may ask again */
    }
    if (pieces_on_lost(s->settings.pieces, piece)) {
        list_for_each (node, &s->peers) {
            struct swarm_peer *other = list_entry(node, struct swarm_peer, link);
            if (other->identified) {
                peer_dont_have(&other->conn->peer, piece);
                conn_touch(other->conn);
            }
        }
        s->owner.on_lost(s->owner.user, piece, file, error);
    }
}

static const struct conn_owner swarm_conn_owner = {
    .on_event = on_event,
    .on_drained = on_drained,
    .on_sending = on_sending,
    .on_uploaded = on_uploaded,
    .on_read_failed = on_read_failed,
    .on_closed = on_closed,
};
