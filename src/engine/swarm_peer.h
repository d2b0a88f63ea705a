/* One peer as its swarm sees it. */
#ifndef ENGINE_SWARM_PEER_H
#define ENGINE_SWARM_PEER_H

#include "engine/swarm.h"

/* The place of an endgame copy, until it wins or loses. */
struct swarm_scratch {
    struct list link;
    struct block block;
    uint8_t bytes[BLOCK_BYTES];
};

struct swarm_peer {
    struct list link;
    struct list hungry; /* in swarm.hungry while there is too little to ask it for */
    struct swarm *swarm;
    struct conn *conn;
    struct requester requester;
    struct bitset told; /* what the picker was told that it has */
    uint64_t heard;     /* how many of swarm.news it was told of */
    bool is_seed;       /* told is full, and the picker counts it as a seed */
    uint32_t unseeded;  /* times it was a seed and lost a piece */
    bool identified;    /* handshakes are done */
    bool optimistic;
    uint32_t interesting; /* pieces it has that we want and miss */
    uint32_t allowed_fast[LIMIT_PEER_ALLOWED_FAST];
    uint32_t allowed_fast_count;
    struct superseed_view view;
    bool telling;        /* super-seeding is over: it is told of the rest, from tell_next on */
    uint32_t tell_next;  /* piece */
    struct list scratch; /* of struct swarm_scratch */
    struct timer expire; /* of its requests */
    int64_t connected_ns, unchoked_ns, choked_ns;
    uint64_t uploaded_at_unchoke;
    struct addr listens; /* where it can be dialled; ADDR_NONE: not known */
};

/* swarm_blocks.c: asking for blocks and taking them. */
void swarm_peer_fill(struct swarm_peer *); /* asks for as much as it should */
void swarm_peer_on_unasked(struct swarm_peer *, struct block);
void swarm_peer_on_block(struct swarm_peer *, struct block, uint8_t *destination);
void swarm_peer_on_reject(struct swarm_peer *, struct block, uint8_t *destination);
void swarm_peer_release(struct swarm_peer *); /* nothing is asked of it any more */
void swarm_peer_expire(struct swarm_peer *, int64_t now_ns);
void swarm_refill_soon(
    struct swarm *); /* blocks or memory have come free: for those that lacked some */
void swarm_refill_all_soon(
    struct swarm *); /* for everybody: what is wanted, or asked of them, has changed */
void swarm_on_assembly_ready(void *user);

/* swarm.c */
void swarm_have_piece(struct swarm *, uint32_t piece); /* it was just written */

/* swarm_peers.c */
void swarm_recount(struct swarm_peer *); /* interesting, from the beginning */
void swarm_punish(struct swarm *, uint64_t key, uint32_t piece);
/* Neither has any use of the other. */
bool swarm_peer_is_redundant(const struct swarm_peer *);

static inline struct swarm_peer *swarm_peer_of(const struct conn *c)
{
    return c->owner_data;
}
static inline int64_t swarm_now(const struct swarm *s)
{
    return io_now(s->settings.env->io);
}

#endif
