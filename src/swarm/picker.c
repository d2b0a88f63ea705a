/* Rarest first (BEP 3 leaves the order open; this is what every client does): pieces that few peers
 * have are fetched before they are gone, and peers that choose at random among equals have
 * different pieces to trade.
 *
 * Commandments:
 *   - A candidate stands in exactly one level, that of its availability.
 *   - Moving a piece costs the same in a torrent of any size; picking never looks at a piece by
 *     itself.
 *   - Seeds change nobody's rank, so they are a number.
 *   - A set of another size than the torrent (a peer before its bitfield) has nothing. */
#include "swarm/picker.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* Where the levels above the exact ones begin. */
static const uint32_t coarse_from[] = {PICKER_EXACT, 32, 48, 64, 96, 128, 192, 256};
_Static_assert(PICKER_EXACT + sizeof coarse_from / sizeof *coarse_from == PICKER_LEVELS, "levels");

static uint32_t level_of(uint32_t availability)
{
    if (availability < PICKER_EXACT) {
        return availability;
    }
    uint32_t level = PICKER_LEVELS - 1;
    while (availability < coarse_from[level - PICKER_EXACT]) {
        level--;
    }
    return level;
}

static uint32_t spread_of(uint32_t availability)
{
    return availability < PICKER_SPREAD ? availability : PICKER_SPREAD - 1;
}

int picker_init(struct picker *p, uint32_t piece_count, uint64_t seed)
{
    *p = (struct picker){.piece_count = piece_count};
    dice_init(&p->dice, seed);
    p->availability = calloc(piece_count ? piece_count : 1, sizeof *p->availability);
    bool failed = !p->availability || bitset_init(&p->candidates, piece_count);
    for (int i = 0; i < PICKER_LEVELS && !failed; i++) {
        failed = bitset_init(&p->levels[i], piece_count);
    }
    if (failed) {
        picker_deinit(p);
        return SPATE_ENOMEM;
    }
    p->spread[0] = piece_count;
    return 0;
}

void picker_deinit(struct picker *p)
{
    free(p->availability);
    p->availability = NULL;
    bitset_deinit(&p->candidates);
    for (int i = 0; i < PICKER_LEVELS; i++) {
        bitset_deinit(&p->levels[i]);
    }
    p->piece_count = 0;
}

static void set_availability(struct picker *p, uint32_t piece, uint16_t after)
{
    uint16_t before = p->availability[piece];
    p->availability[piece] = after;
    p->spread[spread_of(before)]--;
    p->spread[spread_of(after)]++;
    uint32_t from = level_of(before), to = level_of(after);
    if (from != to && bitset_clear(&p->levels[from], piece)) {
        bitset_set(&p->levels[to], piece);
    }
}

void picker_on_have(struct picker *p, uint32_t piece)
{
    if (p->availability[piece] < UINT16_MAX) {
        set_availability(p, piece, (uint16_t)(p->availability[piece] + 1));
    }
}

void picker_on_dont_have(struct picker *p, uint32_t piece)
{
    if (p->availability[piece] > 0) {
        set_availability(p, piece, (uint16_t)(p->availability[piece] - 1));
    }
}

void picker_on_bitfield(struct picker *p, const struct bitset *has)
{
    if (has->count != p->piece_count) {
        return;
    }
    for (uint32_t i = bitset_next(has, 0); i < has->count; i = bitset_next(has, i + 1)) {
        picker_on_have(p, i);
    }
}

void picker_on_gone(struct picker *p, const struct bitset *has)
{
    if (has->count != p->piece_count) {
        return;
    }
    for (uint32_t i = bitset_next(has, 0); i < has->count; i = bitset_next(has, i + 1)) {
        picker_on_dont_have(p, i);
    }
}

void picker_on_seed(struct picker *p)
{
    p->seeds++;
}

void picker_on_seed_gone(struct picker *p)
{
    ASSERT(p->seeds > 0);
    p->seeds--;
}

void picker_want(struct picker *p, uint32_t piece, bool candidate)
{
    struct bitset *level = &p->levels[level_of(p->availability[piece])];
    if (candidate) {
        bitset_set(&p->candidates, piece);
        bitset_set(level, piece);
    } else {
        bitset_clear(&p->candidates, piece);
        bitset_clear(level, piece);
    }
}

/* The first of set that has (NULL: everything) has too, from a place on, around the end;
 * PICKER_NONE. */
static uint32_t first_common(const struct bitset *set, const struct bitset *has, uint32_t from)
{
    for (int round = 0; round < 2; round++) {
        uint32_t found = has ? bitset_next_common(set, has, from) : bitset_next(set, from);
        if (found < set->count) {
            return found;
        }
        if (from == 0) {
            break;
        }
        from = 0;
    }
    return PICKER_NONE;
}

uint32_t picker_pick(struct picker *p, const struct bitset *has, bool sequential)
{
    if (p->candidates.ones == 0 || (has && (has->count != p->piece_count || has->ones == 0))) {
        return PICKER_NONE;
    }
    if (sequential) {
        return first_common(&p->candidates, has, 0);
    }
    for (int i = 0; i < PICKER_LEVELS; i++) {
        if (p->levels[i].ones == 0) {
            continue;
        }
        uint32_t piece = first_common(&p->levels[i], has, dice_below(&p->dice, p->piece_count));
        if (piece != PICKER_NONE) {
            return piece;
        }
    }
    return PICKER_NONE;
}

uint32_t picker_pick_among(const struct picker *p, const struct bitset *has, const uint32_t *pieces,
                           uint32_t count)
{
    if (has && has->count != p->piece_count) {
        return PICKER_NONE;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (pieces[i] < p->piece_count && bitset_get(&p->candidates, pieces[i]) &&
            (!has || bitset_get(has, pieces[i]))) {
            return pieces[i];
        }
    }
    return PICKER_NONE;
}

uint32_t picker_availability(const struct picker *p, uint32_t piece)
{
    return p->seeds + p->availability[piece];
}

uint32_t picker_availability_milli(const struct picker *p)
{
    uint32_t rarest = 0;
    if (p->piece_count == 0) {
        return 0;
    }
    while (rarest < PICKER_SPREAD - 1 && p->spread[rarest] == 0) {
        rarest++;
    }
    uint64_t more = p->piece_count - p->spread[rarest];
    return (p->seeds + rarest) * 1000 + (uint32_t)(more * 1000 / p->piece_count);
}

bool picker_is_consistent(const struct picker *p)
{
    uint32_t spread[PICKER_SPREAD] = {0};
    uint32_t in_levels = 0, candidates = 0;
    for (uint32_t i = 0; i < p->piece_count; i++) {
        bool candidate = bitset_get(&p->candidates, i);
        candidates += candidate;
        spread[spread_of(p->availability[i])]++;
        if (bitset_get(&p->levels[level_of(p->availability[i])], i) != candidate) {
            return false;
        }
    }
    for (int i = 0; i < PICKER_LEVELS; i++) {
        uint32_t ones = 0;
        for (uint32_t j = bitset_next(&p->levels[i], 0); j < p->piece_count;
             j = bitset_next(&p->levels[i], j + 1)) {
            ones++;
        }
        if (ones != p->levels[i].ones) {
            return false;
        }
        in_levels += ones;
    }
    return in_levels == candidates && candidates == p->candidates.ones &&
           memcmp(spread, p->spread, sizeof spread) == 0;
}
