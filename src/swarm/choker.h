/* Whom to unchoke: a plain function over what is known of the peers.
 *
 * The engine calls it whenever interest changes, a peer comes or goes, or choker_deadline() has
 * passed, and carries out what it changed. */
#ifndef SWARM_CHOKER_H
#define SWARM_CHOKER_H

#include "base/dice.h"

#include <stdbool.h>
#include <stdint.h>

struct choker_peer {
    uint64_t key;                /* the caller's; not looked at */
    bool interested;             /* the peer, in us */
    bool unchoked;               /* in: as it is; out: as it shall be */
    bool snubbed;                /* it stopped sending to us */
    bool optimistic;             /* in and out: it holds a trial slot; keep it for the next run */
    bool is_seed;                /* has everything or is upload only: never unchoked */
    uint64_t down_rate, up_rate; /* bytes per second it sends us, and takes */
    uint64_t uploaded_since_unchoke; /* bytes */
    int64_t unchoked_at_ns;          /* 0: never */
    int64_t choked_at_ns;            /* when we choked it again; 0: never */
    int64_t connected_at_ns;
};

struct choker {
    struct dice dice;
    int64_t optimistic_ns; /* when trial slots were last given anew */
    int64_t deadline_ns;
};

void choker_init(struct choker *, uint64_t seed);

/* Rewrites unchoked and optimistic of all peers; returns how many changed unchoked. Downloading:
 * those that send us most, and trial slots that move every 30 s; seeding: everybody in turn. A
 * peer's state is never reversed within 10 s; a free slot is given at once. */
uint32_t choker_run(struct choker *, struct choker_peer *peers, uint32_t count, uint32_t slots,
                    bool seeding, int64_t now_ns);
/* When the last run should be repeated though nothing happened; INT64_MAX: never. */
static inline int64_t choker_deadline(const struct choker *c)
{
    return c->deadline_ns;
}

bool choker_is_consistent(const struct choker *, const struct choker_peer *peers, uint32_t count,
                          uint32_t slots, int64_t now_ns);

#endif
