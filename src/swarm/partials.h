/* The started pieces of a torrent, block by block: what is free, asked and received, and what is
 * padding and never asked (BEP 47). The memory of swarm/requests, which is the only one to use it. */
#ifndef SWARM_PARTIALS_H
#define SWARM_PARTIALS_H

#include "base/bitset.h"
#include "base/block.h"
#include "base/list.h"
#include "codec/layout.h"
#include "swarm/picker.h"

enum { PARTIAL_EXCLUDED_MAX = 16 }; /* suspects remembered for a piece on parole */

struct request; /* one question to one peer: swarm/requests.c */

enum cell_state { CELL_FREE, CELL_ASKED, CELL_RECEIVED, CELL_PADDING };

struct cell {
    union {
        struct request *asked; /* CELL_ASKED: the first of its requests */
        uint64_t sender;       /* CELL_RECEIVED: key of whoever sent it, 0: from the disk */
    };
    enum cell_state state;
};

struct partial {
    struct list node; /* in open while it is wanted and has a free block */
    uint32_t piece;
    uint32_t block_count;
    uint32_t free_count;
    uint32_t asked_count;
    uint32_t first_free; /* the first free block; block_count when there is none */
    bool wanted;
    bool kept; /* stays started though nothing of it is asked or received: it failed */
    bool parole;
    uint64_t parole_key; /* whose piece it is; 0: nobody's yet */
    uint64_t excluded[PARTIAL_EXCLUDED_MAX];
    uint32_t excluded_count;
    struct bitset received;
    struct cell cells[];
};

struct partials {
    const struct layout *layout;
    struct picker *picker;
    uint32_t max;
    uint32_t count;
    uint16_t *slot_of;      /* by piece: 1 + index in slots, 0: not started */
    struct partial **slots; /* max entries, NULL where free */
    uint16_t *free_slots;   /* a stack of max - count numbers */
    struct list open;       /* oldest first */
};

/* Lends layout and picker. max is at most LIMIT_PARTIAL_PIECES. SPATE_ENOMEM. */
int partials_init(struct partials *, const struct layout *, struct picker *, uint32_t max);
void partials_deinit(struct partials *);

/* NULL when it is not started, or no piece at all. */
struct partial *partials_get(const struct partials *, uint32_t piece);
/* The piece leaves the picker, all blocks free but for padding; call partials_settle once something
 * is asked or received. NULL: *error is SPATE_ENOMEM or SPATE_ELIMIT. */
struct partial *partials_start(struct partials *, uint32_t piece, int *error);
/* Nothing of it is asked. The picker is not told. */
void partials_forget(struct partials *, struct partial *);
/* After blocks became free or were taken, or wanted changed: its place in the open list. */
void partials_reopen(struct partials *, struct partial *);
/* The same, but a piece of which we have and expect nothing goes back to the picker and is freed. */
void partials_settle(struct partials *, struct partial *);
struct block partials_block(const struct partials *, uint32_t piece, uint32_t index);

/* Nothing of it is asked or received. */
static inline bool partial_is_empty(const struct partial *p)
{
    return p->asked_count == 0 && p->received.ones == 0;
}
/* Nothing more need be asked for it or come. */
static inline bool partial_is_complete(const struct partial *p)
{
    return p->free_count == 0 && p->asked_count == 0;
}
void partial_make_free(struct partial *, uint32_t index);
/* Its first free block may have been taken: looks for the next. */
void partial_find_free(struct partial *);

/* But for the requests behind asked blocks. */
bool partials_is_consistent(const struct partials *);

#endif
