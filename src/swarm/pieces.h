/* What we have: which pieces are written, which are durable, which are wanted, with the counts that
 * make "how much is missing" a question of constant cost. */
#ifndef SWARM_PIECES_H
#define SWARM_PIECES_H

#include "base/bitset.h"

struct pieces {
    struct bitset have;    /* verified and written, or durable: may be claimed and served */
    struct bitset durable; /* synced too; a part of have */
    struct bitset wanted;  /* begins full */
    uint32_t missing;      /* wanted and not in have */
    uint32_t not_durable;  /* wanted and not in durable */
};

/* Nothing had, everything wanted. SPATE_ENOMEM. */
int pieces_init(struct pieces *, uint32_t count);
void pieces_deinit(struct pieces *);

/* These return true when they changed something. */
bool pieces_on_written(struct pieces *, uint32_t piece);
/* Ignored for a piece that is not in have: it was lost while its sync was under way. */
bool pieces_on_durable(struct pieces *, uint32_t piece);
/* Its bytes are wrong, gone, or unknown after a failed sync. */
bool pieces_on_lost(struct pieces *, uint32_t piece);
bool pieces_want(struct pieces *, uint32_t piece, bool wanted);

static inline uint32_t pieces_missing(const struct pieces *p)
{
    return p->missing;
}
/* Wanted and not in have. */
static inline bool pieces_is_missing(const struct pieces *p, uint32_t piece)
{
    return bitset_get(&p->wanted, piece) && !bitset_get(&p->have, piece);
}
/* Every wanted piece is written. */
static inline bool pieces_complete(const struct pieces *p)
{
    return p->missing == 0;
}
/* Every wanted piece is synced. */
static inline bool pieces_is_durable(const struct pieces *p)
{
    return p->not_durable == 0;
}

bool pieces_is_consistent(const struct pieces *);

#endif
