/* Super-seeding, BEP 16.
 *
 * Commandments:
 *   - A piece is shown to one peer, as long as there are others to show.
 *   - Of what a peer may choose from, enough has been asked for by nobody else that it never waits for news
 *     of us.
 *   - What one says that it has, though we never sent it, may be a lie: others are shown it, after the rest.
 *   - What a peer holds for itself alone is bounded by what it was shown, whatever it asks for.
 *   - Who has asked for a piece and does not get it, or does not take it, leaves it to the others. */
#include "swarm/superseed.h"

#include "base/error.h"

#include <stdlib.h>

enum {
    PAYS_PEERS = 2,   /* with one there is nobody to forward anything */
    PAYS_SHARE = 8,   /* one piece in so many must be ours alone */
    PAYS_PIECES = 16, /* and so many in all: fewer are out in a moment */
    SLOW_SHARE = 8,   /* of what a peer should have taken: less is next to nothing */
    QUIET_LOOKS = 2,  /* in a row: the line is not what the crowd waits for */
    QUIET_SHARE = 4,  /* of what was once sent between two looks */
    IN_VAIN = 2,      /* times what was shown that may be sent and come to nothing */
};

bool superseed_pays(const struct picker *p, uint32_t peers)
{
    uint32_t alone = p->spread[0];
    return p->seeds == 0 && peers >= PAYS_PEERS && alone >= PAYS_PIECES &&
           alone >= p->piece_count / PAYS_SHARE;
}

int superseed_init(struct superseed *s, const struct picker *p, uint64_t seed)
{
    *s = (struct superseed){.holders = calloc(p->piece_count, sizeof *s->holders)};
    dice_init(&s->dice, seed);
    if (!s->holders || bitset_init(&s->alone, p->piece_count) ||
        bitset_init(&s->fresh, p->piece_count) || bitset_init(&s->unshown, p->piece_count)) {
        superseed_deinit(s);
        return SPATE_ENOMEM;
    }
    for (uint32_t i = 0; i < p->piece_count; i++) {
        if (p->availability[i] < SUPERSEED_BELIEVED) {
            bitset_set(&s->alone, i);
            bitset_set(&s->fresh, i);
        }
        if (p->availability[i] == 0) {
            bitset_set(&s->unshown, i);
        }
    }
    return 0;
}

void superseed_deinit(struct superseed *s)
{
    free(s->holders);
    bitset_deinit(&s->alone);
    bitset_deinit(&s->fresh);
    bitset_deinit(&s->unshown);
}

static uint32_t place_of(const struct superseed_view *v, uint32_t piece)
{
    uint32_t i = 0;
    while (i < v->count && v->shown[i].piece != piece) {
        i++;
    }
    return i;
}

static void hold(struct superseed *s, uint32_t piece, uint64_t key)
{
    if (bitset_clear(&s->fresh, piece)) {
        s->holders[piece] = key;
    }
}

static void is_out(struct superseed *s, uint32_t piece)
{
    bitset_clear(&s->unshown, piece);
    bitset_clear(&s->fresh, piece);
    bitset_clear(&s->alone, piece);
    s->holders[piece] = 0;
}

void superseed_on_asked(struct superseed_view *v, uint32_t piece)
{
    uint32_t i = place_of(v, piece);
    if (i < v->count && v->shown[i].unasked > 0) {
        v->shown[i].unasked--;
    }
}

void superseed_on_sent(struct superseed *s, struct superseed_view *v, uint64_t sent_bytes,
                       uint32_t piece_length)
{
    for (uint32_t i = v->count; i-- > 0;) {
        if (v->shown[i].unasked > 0) {
            continue;
        }
        if (sent_bytes - v->progress_bytes >= piece_length) {
            is_out(s, v->shown[i].piece);
            v->shown[i] = v->shown[--v->count];
            v->progress_bytes += piece_length;
            v->idle = false;
        } else {
            v->shown[i].unasked = 1; /* it was asked for and not taken */
        }
    }
}

void superseed_look(struct superseed *s, struct superseed_view *v, uint64_t key,
                    uint64_t sent_bytes, uint64_t fair_bytes, uint32_t piece_length)
{
    uint64_t shown_bytes = (uint64_t)(v->count + SUPERSEED_SHOWN_MIN) * piece_length;
    bool in_vain = sent_bytes - v->progress_bytes > IN_VAIN * shown_bytes;
    bool takes = sent_bytes - v->taken_bytes > fair_bytes / SLOW_SHARE;
    bool holds = v->idle; /* who has lost it once does not get it back by that */
    for (uint32_t i = 0; i < v->count; i++) {
        holds = holds || s->holders[v->shown[i].piece] == key;
    }
    v->idle = (holds && !takes) || in_vain;
    v->taken_bytes = sent_bytes;
    if (v->idle) {
        superseed_on_choked(s, key);
    }
}

void superseed_on_had(struct superseed *s, struct superseed_view *v, uint32_t piece, uint64_t key,
                      uint32_t availability, uint64_t sent_bytes)
{
    uint32_t i = place_of(v, piece);
    bitset_clear(&s->unshown, piece);
    if (s->holders[piece] == key || availability >= SUPERSEED_BELIEVED) {
        is_out(s, piece);
    }
    if (i < v->count) {
        v->shown[i] = v->shown[--v->count];
        v->progress_bytes = sent_bytes;
        v->idle = false;
    }
}

void superseed_on_choked(struct superseed *s, uint64_t key)
{
    for (uint32_t i = bitset_next(&s->alone, 0); i < s->alone.count;
         i = bitset_next(&s->alone, i + 1)) {
        if (s->holders[i] == key) {
            s->holders[i] = 0;
            bitset_set(&s->fresh, i);
        }
    }
}

bool superseed_is_stuck(struct superseed *s, uint64_t sent_bytes, uint64_t total_bytes)
{
    uint64_t sent = sent_bytes - s->sent_bytes;
    s->most_bytes = sent > s->most_bytes ? sent : s->most_bytes;
    s->quiet = sent <= s->most_bytes / QUIET_SHARE ? s->quiet + 1 : 0;
    s->sent_bytes = sent_bytes;
    return s->quiet >= QUIET_LOOKS || sent_bytes > IN_VAIN * total_bytes;
}

uint32_t superseed_quota(uint64_t bytes_per_s, uint32_t piece_length)
{
    uint64_t pieces = bytes_per_s / piece_length;
    return pieces > SUPERSEED_SHOWN_MAX - SUPERSEED_SHOWN_MIN
               ? SUPERSEED_SHOWN_MAX + 1
               : (uint32_t)pieces + SUPERSEED_SHOWN_MIN;
}

/* One of the set that the peer has not been shown, from a place on that the dice choose. */
static uint32_t draw(struct superseed *s, const struct bitset *set, const struct superseed_view *v)
{
    uint32_t at = dice_below(&s->dice, set->count);
    for (uint32_t tries = 0; set->ones > 0 && tries <= v->count; tries++) {
        at = bitset_next(set, at);
        at = at < set->count ? at : bitset_next(set, 0);
        if (place_of(v, at) == v->count) {
            return at;
        }
        at = at + 1 < set->count ? at + 1 : 0;
    }
    return PICKER_NONE;
}

static uint32_t show(struct superseed *s, struct superseed_view *v, uint32_t blocks)
{
    uint32_t piece = draw(s, &s->unshown, v);
    piece = piece == PICKER_NONE ? draw(s, &s->fresh, v) : piece;
    if (piece != PICKER_NONE) {
        bitset_clear(&s->unshown, piece);
        v->shown[v->count++] = (struct superseed_shown){piece, blocks};
    }
    return piece;
}

uint32_t superseed_show(struct superseed *s, struct superseed_view *v, uint64_t key, uint32_t quota,
                        uint32_t waiting, uint32_t blocks)
{
    uint32_t count = waiting;
    for (uint32_t i = v->count; i-- > 0 && !v->idle;) {
        hold(s, v->shown[i].piece, key); /* it was shown while we choked it */
        bool holds = s->holders[v->shown[i].piece] == key;
        count += holds && v->shown[i].unasked > 0;
        if (!holds && v->count == SUPERSEED_SHOWN_MAX) {
            v->shown[i] = v->shown[--v->count];
        }
    }
    if (v->idle || count >= quota || v->count == SUPERSEED_SHOWN_MAX) {
        return PICKER_NONE;
    }
    uint32_t piece = show(s, v, blocks);
    if (piece != PICKER_NONE) {
        hold(s, piece, key);
    }
    return piece;
}

uint32_t superseed_lure(struct superseed *s, struct superseed_view *v, uint32_t blocks)
{
    return v->count > 0 ? PICKER_NONE : show(s, v, blocks);
}

bool superseed_is_consistent(const struct superseed *s)
{
    bool fine = true;
    for (uint32_t i = 0; fine && i < s->alone.count; i++) {
        bool alone = bitset_get(&s->alone, i), fresh = bitset_get(&s->fresh, i);
        fine = (!bitset_get(&s->unshown, i) || fresh) && (!fresh || alone) &&
               (s->holders[i] != 0) == (alone && !fresh);
    }
    return fine;
}
