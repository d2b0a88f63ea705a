/* The swarms of a tracker: who announced which info-hash, in memory, under hard caps. Pure: it is
 * told the time and a seed. A peer is its address and port; IPv4 and IPv6 peers of a swarm never
 * mix.
 *
 * A peer that has not announced for two intervals is forgotten. Each announce forgets at most a few
 * such peers, so no announce pays for a sweep. At a cap the peer (or swarm) that has been silent
 * for longest makes room; only a source with too many peers is refused, since it is its own victim.
 */
#ifndef TRACKER_SWARM_TABLE_H
#define TRACKER_SWARM_TABLE_H

#include "base/list.h"
#include "base/map.h"
#include "codec/tracker.h"

struct swarm_table_settings {
    uint32_t interval_s; /* that peers are told */
    uint32_t max_swarms;
    uint32_t max_peers; /* of all swarms */
    uint32_t max_swarm_peers;
    uint32_t max_source_peers; /* of one IPv4 address or one IPv6 /64, in all swarms */
};

/* Defaults from limits.h. */
void swarm_table_settings_init(struct swarm_table_settings *);

/* One peer, owned by the table. */
struct swarm_peer {
    struct addr address;
    uint8_t id[20]; /* what it calls itself */
    bool seed;
    bool paused; /* a partial seed (BEP 21) */
    struct swarm *swarm;
    struct swarm_source *source;
    uint32_t place; /* in its set */
    int64_t announced_ns;
    struct list by_age;   /* of swarm_table.peers_by_age */
    struct list in_swarm; /* of swarm.peers_by_age */
};

struct swarm_table {
    struct swarm_table_settings settings;
    struct map swarms;         /* info-hash -> struct swarm */
    struct map peers;          /* swarm number and address -> struct swarm_peer */
    struct map sources;        /* IPv4 address or IPv6 /64 -> struct swarm_source */
    struct list peers_by_age;  /* longest silent first */
    struct list swarms_by_age; /* longest silent first */
    uint64_t next_swarm;       /* numbers of swarms are never used twice */
    uint64_t random;
};

struct swarm_counts {
    struct tracker_counts counts;
    uint32_t downloaders; /* leechers that are not partial seeds (BEP 21) */
};

/* Takes no memory. */
void swarm_table_init(struct swarm_table *, const struct swarm_table_settings *,
                      const uint64_t seed[2]);
void swarm_table_deinit(struct swarm_table *);

/* Handles one announce of the peer at from (its port is that of the announce). Writes up to max
 * random other peers of its family (seeds hear of no seeds, one that stops of nobody); pointers
 * live until the next call. Returns how many; SPATE_ELIMIT when the source has too many peers,
 * SPATE_ENOMEM. A port of 0 is answered and not kept. */
int swarm_table_announce(struct swarm_table *, const struct tracker_announce *,
                         const struct addr *from, int64_t now_ns, struct swarm_peer **out,
                         uint32_t max, struct swarm_counts *counts);
/* Zeroes for a swarm that is not known. */
void swarm_table_scrape(struct swarm_table *, const uint8_t info_hash[20], int64_t now_ns,
                        struct swarm_counts *out);
/* True when all tables, sets and counters agree; for tests. */
bool swarm_table_is_consistent(const struct swarm_table *);

#endif
