/* Which piece to start next: the rarest that a peer has, ties at random.
 *
 * Candidates are the pieces that are wanted, missing and not being assembled. Each candidate stands
 * in one rarity level; a level is a bitmap, so that a change of availability moves one bit and a
 * pick compares 64 pieces at a time with what the peer has. Peers that have everything are counted,
 * not listed. */
#ifndef SWARM_PICKER_H
#define SWARM_PICKER_H

#include "base/bitset.h"
#include "base/dice.h"

enum {
    PICKER_LEVELS = 32, /* rarity is exact below PICKER_EXACT peers, in growing steps above */
    PICKER_EXACT = 24,
    PICKER_SPREAD = 256, /* availability that statistics tell apart */
};

#define PICKER_NONE UINT32_MAX

struct picker {
    uint32_t piece_count;
    uint32_t seeds;         /* peers that have everything */
    uint16_t *availability; /* peers that have the piece, seeds apart; saturates */
    struct bitset candidates;
    struct bitset levels[PICKER_LEVELS]; /* of candidates; level 0: no peer but seeds */
    uint32_t spread[PICKER_SPREAD];      /* pieces by availability, seeds apart */
    struct dice dice;
};

/* No candidates, no peers. SPATE_ENOMEM. */
int picker_init(struct picker *, uint32_t piece_count, uint64_t seed);
void picker_deinit(struct picker *);

/* What peers have. A peer is told of either piece by piece or as a seed: one that gains its last
 * piece may be turned into a seed by picker_on_gone() and picker_on_seed(). */
void picker_on_have(struct picker *, uint32_t piece);
void picker_on_dont_have(struct picker *, uint32_t piece);
void picker_on_bitfield(struct picker *, const struct bitset *has);
void picker_on_gone(struct picker *, const struct bitset *has);
void picker_on_seed(struct picker *);
void picker_on_seed_gone(struct picker *);

/* Makes a piece a candidate or not. swarm/requests does so for pieces it starts and gives back. */
void picker_want(struct picker *, uint32_t piece, bool candidate);
static inline bool picker_is_candidate(const struct picker *p, uint32_t piece)
{
    return bitset_get(&p->candidates, piece);
}
static inline uint32_t picker_candidates(const struct picker *p)
{
    return p->candidates.ones;
}

/* The rarest candidate of has (NULL: a seed), ties at random; sequential: the lowest. PICKER_NONE
 * when there is none. Changes nothing but the dice. */
uint32_t picker_pick(struct picker *, const struct bitset *has, bool sequential);
/* The first candidate of has among pieces, which are in order of preference and need not be in
 * range. */
uint32_t picker_pick_among(const struct picker *, const struct bitset *has, const uint32_t *pieces,
                           uint32_t count);

/* Peers, seeds included, that have the piece. */
uint32_t picker_availability(const struct picker *, uint32_t piece);
/* Distributed copies in thousandths among the connected peers: the availability of the rarest
 * piece, and the share of pieces that are less rare. */
uint32_t picker_availability_milli(const struct picker *);

bool picker_is_consistent(const struct picker *);

#endif
