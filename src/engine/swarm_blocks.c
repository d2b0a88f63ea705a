/* Asking for blocks and taking them: the middle of the anatomy of a block. A slot (the place of a
 * block in its frame) is lent to one connection; an endgame copy arrives in a scratch block, and is
 * copied into the slot only when it wins. */
#include "engine/swarm_tell.h"

#include "base/limits.h"
#include "base/plant.h"

#include <stdlib.h>

enum { SWARM_SCRATCH_MAX = 256 }; /* endgame copies under way at a time: 4 MiB */
/* While pieces come, those that found nothing to ask for look again so often: what others owe may be worth a copy. With
 * every piece while somebody owes blocks who does not deliver, or when there was more than room for it. */
#define SWARM_REFILL_NS INT64_C(100000000)

/* ---- places ---------------------------------------------------------------------------------- */

static struct swarm_scratch *find_scratch(const struct swarm_peer *sp, const uint8_t *destination)
{
    list_for_each (node, &sp->scratch) {
        struct swarm_scratch *scratch = list_entry(node, struct swarm_scratch, link);
        if (scratch->bytes == destination) {
            return scratch;
        }
    }
    return NULL;
}

static void free_scratch(struct swarm_peer *sp, struct swarm_scratch *scratch)
{
    list_remove(&scratch->link);
    sp->swarm->scratch_count--;
    free(scratch);
}

/* A place that was lent comes back empty. */
static void give_back(struct swarm_peer *sp, struct block block, uint8_t *destination)
{
    if (!destination) {
        return; /* it went to the sink */
    }
    struct swarm_scratch *scratch = find_scratch(sp, destination);
    if (scratch) {
        free_scratch(sp, scratch);
    } else {
        assembly_return(sp->swarm->assembly, block);
    }
}

static uint8_t *place_for(struct swarm_peer *sp, const struct request_choice *choice)
{
    struct swarm *s = sp->swarm;
    if (!choice->duplicate) {
        return assembly_slot(s->assembly, choice->block);
    }
    if (s->scratch_count >= SWARM_SCRATCH_MAX) {
        return NULL;
    }
    struct swarm_scratch *scratch = malloc(sizeof *scratch);
    if (!scratch) {
        return NULL;
    }
    scratch->block = choice->block;
    list_push_back(&sp->scratch, &scratch->link);
    s->scratch_count++;
    return scratch->bytes;
}

/* ---- asking ---------------------------------------------------------------------------------- */

static bool ask(struct swarm_peer *sp, const struct request_choice *choice)
{
    uint8_t *destination = place_for(sp, choice);
    if (destination && peer_request(&sp->conn->peer, choice->block, destination) == 0) {
        return true;
    }
    sp->swarm->lacks_room = true;
    give_back(sp, choice->block, destination);
    requests_undo(&sp->swarm->requests, &sp->requester, choice->block);
    return false;
}

static bool choose(struct swarm_peer *sp, int64_t now_ns, struct request_choice *choice)
{
    struct swarm *s = sp->swarm;
    const struct bitset *has = sp->is_seed ? NULL : &sp->told;
    bool may_start = assembly_may_start(s->assembly, 0);
    s->lacks_room |= !may_start || requests_is_full(&s->requests);
    if (sp->conn->peer.chokes_us) {
        return requests_next_from(&s->requests, &sp->requester, has, sp->allowed_fast,
                                  sp->allowed_fast_count, may_start, now_ns, choice);
    }
    return requests_next(&s->requests, &sp->requester, has, may_start, s->settings.sequential,
                         now_ns, choice);
}

static void become_hungry(struct swarm_peer *sp)
{
    if (!list_linked(&sp->hungry)) {
        list_push_back(&sp->swarm->hungry, &sp->hungry);
    }
}

/* As much as it should be asked for. When there was less, it is hungry: those that have got nothing for longest
 * are the first of these. */
static void ask_for_more(struct swarm_peer *sp)
{
    struct swarm *s = sp->swarm;
    struct request_choice choice;
    int64_t now_ns = swarm_now(s);
    uint32_t room = requests_room(&s->requests, &sp->requester, now_ns), left = room;
    while (left > 0 && choose(sp, now_ns, &choice) && ask(sp, &choice)) {
        left--;
    }
    bool sated = left == 0 && sp->requester.outstanding >= pipeline_target(&sp->requester.pipeline);
    if (sated || left < room) {
        list_remove(&sp->hungry);
    }
    if (!sated) {
        become_hungry(sp);
    }
}

void swarm_peer_fill(struct swarm_peer *sp)
{
    struct swarm *s = sp->swarm;
    const struct peer *p = &sp->conn->peer;
    if (!sp->identified || sp->conn->state != CONN_OPEN || s->closing) {
        return;
    }
    if (!sp->requester.reliable && list_linked(&s->refill.link)) {
        become_hungry(sp); /* its turn comes there, after those that deliver */
        return;
    }
    if (sp->interesting > 0 || !p->chokes_us) {
        peer_interest(&sp->conn->peer, sp->interesting > 0);
    }
    bool may_ask = sp->interesting > 0 && (!p->chokes_us || sp->allowed_fast_count > 0);
    if (may_ask) {
        ask_for_more(sp);
    } else {
        list_remove(&sp->hungry);
    }
    if (peer_has_output(p) || p->fault) {
        swarm_say(sp);
        conn_touch(sp->conn);
    }
    if (may_ask || sp->requester.outstanding > 0) {
        timer_set(&s->settings.env->timers, &sp->expire,
                  requests_deadline(&s->requests, &sp->requester));
    }
}

void swarm_refill_soon(struct swarm *s)
{
    if (!s->closing) {
        turn_add(&s->settings.env->turn, &s->refill);
    }
}

void swarm_refill_all_soon(struct swarm *s)
{
    list_for_each (node, &s->peers) {
        become_hungry(list_entry(node, struct swarm_peer, link));
    }
    swarm_refill_soon(s);
}

void swarm_peer_expire(struct swarm_peer *sp, int64_t now_ns)
{
    struct block expired[16];
    uint32_t count, max = sizeof expired / sizeof *expired;
    bool any = false;
    do {
        count = requests_expire(&sp->swarm->requests, &sp->requester, now_ns, expired, max);
        for (uint32_t i = 0; i < count; i++) {
            give_back(sp, expired[i], peer_redirect(&sp->conn->peer, expired[i], true));
            any = true;
        }
    } while (count == max);
    if (any) {
        become_hungry(sp);
        swarm_refill_soon(sp->swarm);
    } else {
        swarm_peer_fill(sp);
    }
}

void swarm_peer_release(struct swarm_peer *sp)
{
    struct peer_pending pending;
    while (peer_forget(&sp->conn->peer, &pending)) {
        give_back(sp, pending.block, pending.destination);
    }
    if (requests_release(&sp->swarm->requests, &sp->requester) > 0) {
        swarm_refill_soon(sp->swarm);
    }
}

/* ---- taking ---------------------------------------------------------------------------------- */

/* Somebody else was faster: the other's answer is not wanted any more. Returns the slot when it was
 * the other that had it; it stays lent. */
static uint8_t *call_off(struct swarm_peer *other, struct block block)
{
    uint8_t *destination = peer_redirect(&other->conn->peer, block, true);
    conn_touch(other->conn);
    become_hungry(other);
    swarm_refill_soon(other->swarm);
    struct swarm_scratch *scratch = destination ? find_scratch(other, destination) : NULL;
    if (scratch) {
        free_scratch(other, scratch);
        return NULL;
    }
    return destination;
}

/* A copy has won: its bytes move into the slot. While memory is at its cap it waits where it is. */
static void settle_copy(struct swarm *s, struct swarm_scratch *copy, uint8_t *slot)
{
    slot = slot ? slot : assembly_slot(s->assembly, copy->block);
    if (!slot) {
        list_push_back(&s->homeless, &copy->link);
        return;
    }
    memcpy(slot, copy->bytes, copy->block.length);
    assembly_received(s->assembly, copy->block);
    s->scratch_count--;
    free(copy);
}

static void settle_homeless(struct swarm *s)
{
    struct list waiting;
    struct list *node;
    list_init(&waiting);
    while ((node = list_pop_front(&s->homeless))) {
        list_push_back(&waiting, node);
    }
    while ((node = list_pop_front(&waiting))) {
        settle_copy(s, list_entry(node, struct swarm_scratch, link), NULL);
    }
}

static void count_payload(struct swarm_peer *sp, uint32_t bytes, bool wasted)
{
    struct swarm *s = sp->swarm;
    int64_t now_ns = swarm_now(s);
    rate_add(&sp->conn->down, bytes, now_ns);
    rate_add(&s->down_rate, bytes, now_ns);
    rate_add(&s->settings.env->down_rate, bytes, now_ns);
    s->settings.env->downloaded_bytes += bytes;
    s->totals.downloaded_bytes += bytes;
    s->totals.wasted_bytes += wasted ? bytes : 0;
    s->totals.wasted_blocks += wasted;
}

void swarm_peer_on_unasked(struct swarm_peer *sp, struct block block)
{
    requests_on_unasked(&sp->requester);
    count_payload(sp, block.length, true);
}

void swarm_peer_on_block(struct swarm_peer *sp, struct block block, uint8_t *destination)
{
    struct swarm *s = sp->swarm;
    struct requester *also[REQUEST_OWNERS_MAX];
    uint32_t also_count = 0;
    if (!destination) { /* late: somebody else may have been asked for it since */
        requests_on_late(&s->requests, &sp->requester, block.length, swarm_now(s));
        count_payload(sp, block.length, true);
        return;
    }
    struct swarm_scratch *scratch = find_scratch(sp, destination);
    enum request_verdict verdict =
        requests_on_block(&s->requests, &sp->requester, block, swarm_now(s), also, &also_count);
    uint8_t *slot = NULL;
    for (uint32_t i = 0; i < also_count; i++) {
        uint8_t *theirs = call_off(list_entry(also[i], struct swarm_peer, requester), block);
        slot = theirs ? theirs : slot;
    }
    count_payload(sp, block.length, verdict != REQUEST_WANTED);
    if (verdict != REQUEST_WANTED) {
        give_back(sp, block, destination);
    } else if (!scratch) {
        assembly_received(s->assembly, block);
        if (PLANT(CLAIM_EARLY) && requests_piece_is_complete(&s->requests, block.piece)) {
            swarm_have_piece(s, block.piece);
        }
    } else {
        list_remove(&scratch->link);
        settle_copy(s, scratch, slot);
    }
}

void swarm_peer_on_reject(struct swarm_peer *sp, struct block block, uint8_t *destination)
{
    if (!destination) {
        return; /* of a request that was taken back; the block may have been asked again since */
    }
    give_back(sp, block, destination);
    if (PLANT(GIVE_TWICE)) {
        give_back(sp, block, destination);
    }
    requests_on_reject(&sp->swarm->requests, &sp->requester, block);
    swarm_refill_soon(sp->swarm);
}

/* ---- pieces ---------------------------------------------------------------------------------- */

static void on_piece_written(struct swarm *s, const struct assembly_event *event)
{
    uint64_t guilty[16];
    uint32_t count = 0;
    if (event->block_digests && parole_is_on(&s->parole, event->piece)) {
        count = parole_on_verified(&s->parole, event->piece, event->block_digests,
                                   event->block_count, guilty, sizeof guilty / sizeof *guilty);
    }
    requests_on_piece_done(&s->requests, event->piece);
    swarm_have_piece(s, event->piece);
    for (uint32_t i = 0; i < count; i++) {
        swarm_punish(s, guilty[i], event->piece);
    }
}

/* Who sent each block of a piece. Padding is nobody's, but its bytes cannot differ from the right
 * ones: it goes with the first block that was sent, and does not hide that all of those are one
 * peer's. NULL: no memory. */
static uint64_t *find_senders(const struct swarm *s, uint32_t piece, uint32_t block_count)
{
    uint64_t *senders = calloc(block_count, sizeof *senders);
    uint32_t sent = 0;
    for (uint32_t i = 0; senders && i < block_count; i++) {
        senders[i] = requests_block_sender(&s->requests, piece, i);
    }
    struct padding padding = padding_begin(s->settings.layout, piece);
    for (uint32_t i; (i = padding_next(&padding)) != PADDING_NONE;) {
        sent += i == sent;
    }
    padding = padding_begin(s->settings.layout, piece);
    for (uint32_t i; senders && (i = padding_next(&padding)) != PADDING_NONE;) {
        senders[i] = senders[sent];
    }
    return senders;
}

/* What peers sent of a piece: all but the blocks that are padding. */
static uint32_t sent_bytes(const struct swarm *s, uint32_t piece)
{
    const struct layout *l = s->settings.layout;
    uint32_t bytes = layout_piece_length(l, piece);
    struct padding padding = padding_begin(l, piece);
    for (uint32_t i; (i = padding_next(&padding)) != PADDING_NONE;) {
        bytes -= layout_block_length(l, piece, i);
    }
    return bytes;
}

static void on_piece_failed(struct swarm *s, const struct assembly_event *event)
{
    uint32_t piece = event->piece;
    uint64_t suspects[REQUEST_EXCLUDED_MAX], guilty = 0;
    uint64_t *senders = find_senders(s, piece, event->block_count);
    s->totals.failed_bytes += sent_bytes(s, piece);
    if (senders) {
        guilty =
            parole_on_failed(&s->parole, piece, event->block_digests, senders, event->block_count);
        free(senders);
    }
    log_write(&s->settings.env->log, SPATE_LOG_INFO, s->settings.torrent,
              "piece %u failed its hash", piece);
    s->owner.on_spilled(s->owner.user, piece, NULL);
    requests_on_piece_failed(&s->requests, piece, true);
    uint32_t count = parole_suspects(&s->parole, piece, suspects, REQUEST_EXCLUDED_MAX);
    requests_set_parole(&s->requests, piece, 0, suspects, count);
    assembly_want_digests(s->assembly, piece);
    if (guilty) {
        swarm_punish(s, guilty, piece);
    }
    swarm_refill_all_soon(s);
}

void swarm_on_assembly_ready(void *user)
{
    struct swarm *s = user;
    struct assembly_event event;
    while (assembly_next(s->assembly, &event)) {
        switch (event.type) {
        case ASSEMBLY_WRITTEN:
            on_piece_written(s, &event);
            break;
        case ASSEMBLY_FAILED:
            on_piece_failed(s, &event);
            break;
        case ASSEMBLY_SPILLED:
            s->owner.on_spilled(s->owner.user, event.piece, event.blocks);
            break;
        case ASSEMBLY_BROKEN:
            s->owner.on_spilled(s->owner.user, event.piece, NULL);
            requests_on_piece_failed(&s->requests, event.piece, false);
            swarm_refill_all_soon(s);
            s->owner.on_broken(s->owner.user, event.error, event.file);
            break;
        case ASSEMBLY_FLUSHED:
            s->owner.on_flushed(s->owner.user);
            break;
        }
    }
    settle_homeless(s);
    if (s->lacks_room || requests_are_in_doubt(&s->requests) ||
        swarm_now(s) - s->refilled_ns >= SWARM_REFILL_NS) {
        s->lacks_room = false;
        swarm_refill_soon(s);
    }
}
