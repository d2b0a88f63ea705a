/* One question to one peer. Shared by requests.c, which asks, and endgame.c, which judges. */
#ifndef SWARM_REQUEST_H
#define SWARM_REQUEST_H

#include "swarm/requests.h"

struct request {
    struct list node; /* in its owner's asked, or spare */
    struct requester *owner;
    struct partial *partial;
    struct request *other; /* to another owner, for the same block */
    uint32_t index;        /* of the block in the piece */
    bool copy;
    int64_t sent_ns;
    uint64_t serial;
};

/* The oldest request of a requester that has one. */
static inline struct request *request_oldest(const struct requester *q)
{
    return list_entry(list_first(&q->asked), struct request, node);
}

/* Whether a peer with these pieces (NULL: a seed) has this one. */
static inline bool request_has_piece(const struct requests *r, const struct bitset *has,
                                     uint32_t piece)
{
    return !has || (has->count == r->partials.layout->piece_count && bitset_get(has, piece));
}

#endif
