/* The exchange of one torrent: what we have of it, and its life. Who is here and what each has is in swarm_peers.c,
 * asking for blocks and taking them in swarm_blocks.c, choking and dialling in swarm_policy.c. */
#include "engine/swarm_peer.h"

#include "base/limits.h"
#include "engine/swarm_policy.h"
#include "engine/swarm_superseed.h"
#include "engine/swarm_tell.h"

#include <stdlib.h>

/* ---- what we have ---------------------------------------------------------------------------- */

/* Everything wanted is here, or no longer: tell everybody, and part from those of whom neither has
 * any use. */
static void set_seeding(struct swarm *s, bool seeding)
{
    if (s->seeding == seeding) {
        return;
    }
    s->seeding = seeding;
    swarm_superseed_end(s);
    swarm_tell_all(s);
    peerbook_set_seeding(&s->peerbook, seeding, swarm_now(s));
    if (!seeding) {
        swarm_dial_soon(s); /* seeds are of use again */
    }
    list_for_each_safe (node, &s->peers) {
        struct swarm_peer *sp = list_entry(node, struct swarm_peer, link);
        if (sp->identified) {
            peer_upload_only(&sp->conn->peer, seeding);
            conn_touch(sp->conn);
        }
        if (swarm_peer_is_redundant(sp)) {
            conn_close(sp->conn, 0);
        }
    }
    swarm_rechoke_soon(s);
}

void swarm_have_piece(struct swarm *s, uint32_t piece)
{
    struct pieces *pieces = s->settings.pieces;
    bool was_missing = pieces_is_missing(pieces, piece);
    if (!pieces_on_written(pieces, piece)) {
        return;
    }
    s->verified_ns = swarm_now(s);
    list_for_each (node, &s->peers) {
        struct swarm_peer *sp = list_entry(node, struct swarm_peer, link);
        if (!sp->identified) {
            continue;
        }
        if (bitset_get(&sp->told, piece) && was_missing && --sp->interesting == 0 &&
            !sp->conn->peer.chokes_us) { /* its slot is for others now */
            swarm_say(sp);
            conn_touch(sp->conn);
        }
    }
    swarm_tell_soon(s, piece);
    s->owner.on_written(s->owner.user, piece);
    if (pieces_complete(pieces)) {
        set_seeding(s, true);
    }
}

void swarm_on_pieces_changed(struct swarm *s)
{
    const struct pieces *pieces = s->settings.pieces;
    for (uint32_t i = 0; i < pieces->have.count; i++) {
        requests_want(&s->requests, i, pieces_is_missing(pieces, i));
    }
    list_for_each (node, &s->peers) {
        swarm_recount(list_entry(node, struct swarm_peer, link));
    }
    set_seeding(s, pieces_complete(pieces));
    swarm_refill_all_soon(s);
}

/* ---- its life -------------------------------------------------------------------------------- */

/* Those that lacked something to be asked for get another chance: those that deliver choose first, and of them who
 * has got nothing for longest. When memory is short it comes back in small pieces, and the first takes all of it. */
static void on_refill(struct turn_work *work)
{
    struct swarm *s = list_entry(work, struct swarm, refill);
    s->refilled_ns = swarm_now(s);
    for (int reliable = 1; reliable >= 0; reliable--) {
        struct list end;
        list_push_back(&s->hungry, &end);
        for (struct list *at = s->hungry.next, *next; at != &end; at = next) {
            struct swarm_peer *sp = list_entry(at, struct swarm_peer, hungry);
            next = at->next;
            if (sp->requester.reliable == reliable) {
                swarm_peer_fill(sp);
            }
        }
        list_remove(&end);
    }
}

static int create_parts(struct swarm *s)
{
    const struct swarm_settings *settings = &s->settings;
    struct env *env = settings->env;
    uint32_t piece_count = settings->layout->piece_count;
    const struct assembly_settings assembly = {.io = env->io,
                                               .frames = env->frames,
                                               .store = settings->store,
                                               .layout = settings->layout,
                                               .piece_hashes = settings->piece_hashes,
                                               .on_ready = swarm_on_assembly_ready,
                                               .user = s};
    int failed = picker_init(&s->picker, piece_count, chacha_u64(&env->random));
    if (failed) {
        return failed;
    }
    failed = requests_init(&s->requests, settings->layout, &s->picker, LIMIT_PARTIAL_PIECES);
    if (!failed) {
        failed = assembly_create(&assembly, &s->assembly);
        if (!failed) {
            return 0;
        }
        requests_deinit(&s->requests);
    }
    picker_deinit(&s->picker);
    return failed;
}

int swarm_create(const struct swarm_settings *settings, struct swarm_owner owner,
                 struct swarm **out)
{
    struct swarm *s = calloc(1, sizeof *s);
    if (!s) {
        return SPATE_ENOMEM;
    }
    struct env *env = settings->env;
    s->settings = *settings;
    s->owner = owner;
    list_init(&s->peers);
    list_init(&s->hungry);
    list_init(&s->homeless);
    int failed = create_parts(s);
    if (failed) {
        free(s);
        return failed;
    }
    choker_init(&s->choker, chacha_u64(&env->random));
    parole_init(&s->parole);
    peerbook_init(&s->peerbook, &env->strangers, chacha_u64(&env->random));
    turn_work_init(&s->refill, on_refill);
    swarm_tell_init(s);
    swarm_policy_init(s);
    swarm_superseed_init(s);
    swarm_on_pieces_changed(s);
    *out = s;
    return 0;
}

/* Everybody is parted from, and nobody comes any more. */
static void part(struct swarm *s)
{
    struct timers *timers = &s->settings.env->timers;
    s->closing = true;
    list_for_each_safe (node, &s->peers) {
        conn_close(list_entry(node, struct swarm_peer, link)->conn, 0);
    }
    timer_clear(timers, &s->dial_timer);
    timer_clear(timers, &s->choke_timer);
    timer_clear(timers, &s->rechoke_timer);
    timer_clear(timers, &s->tell_timer);
    timer_clear(timers, &s->superseed_timer);
    swarm_superseed_end(s);
    turn_remove(&s->refill);
    turn_remove(&s->rechoke);
    turn_remove(&s->superseed_turn);
}

void swarm_close(struct swarm *s)
{
    part(s);
    struct list *node;
    while ((node = list_pop_front(&s->homeless))) {
        free(list_entry(node, struct swarm_scratch, link));
    }
    assembly_destroy(s->assembly);
    requests_deinit(&s->requests);
    picker_deinit(&s->picker);
    parole_deinit(&s->parole);
    peerbook_deinit(&s->peerbook);
    free(s);
}

void swarm_add_peer(struct swarm *s, const struct addr *address, enum peer_source source)
{
    bool allowed = source == PEER_SOURCE_USER || s->settings.env->settings.value.allow_local ||
                   !addr_is_loopback(address);
    if (allowed && peerbook_add(&s->peerbook, address, source, swarm_now(s)) >= 0) {
        swarm_dial_soon(s);
    }
}

void swarm_restore(struct swarm *s, uint32_t piece, const struct bitset *blocks)
{
    if (!pieces_is_missing(s->settings.pieces, piece) ||
        requests_restore(&s->requests, piece, blocks)) {
        return;
    }
    if (assembly_restore(s->assembly, piece, blocks)) {
        requests_on_piece_failed(&s->requests, piece, false);
    }
}

void swarm_flush(struct swarm *s)
{
    part(s); /* what still came would have to be written, too */
    assembly_flush(s->assembly);
}

bool swarm_is_consistent(const struct swarm *s)
{
    uint32_t peers = 0, seeds = 0;
    list_for_each (node, &s->peers) {
        const struct swarm_peer *sp = list_entry(node, struct swarm_peer, link);
        peers++;
        seeds += sp->is_seed;
        if (!peer_is_consistent(&sp->conn->peer)) {
            return false;
        }
    }
    return peers == s->peer_count && seeds == s->picker.seeds && picker_is_consistent(&s->picker) &&
           requests_is_consistent(&s->requests) && parole_is_consistent(&s->parole) &&
           peerbook_is_consistent(&s->peerbook) && assembly_is_consistent(s->assembly) &&
           pieces_is_consistent(s->settings.pieces) &&
           (!s->superseed || superseed_is_consistent(s->superseed));
}
