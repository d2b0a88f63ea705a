/* The nouns that UDP (BEP 15) and HTTP trackers (BEP 3) share: what a client says in an announce
 * and what a tracker answers, and scrape counts. tracker_udp and tracker_http turn them into bytes
 * and back. */
#ifndef CODEC_TRACKER_H
#define CODEC_TRACKER_H

#include "base/addr.h"
#include "base/limits.h"

/* The numbers are those of BEP 15; PAUSED (BEP 21, a partial seed) exists over HTTP only. */
enum tracker_event {
    TRACKER_EVENT_NONE = 0,
    TRACKER_EVENT_COMPLETED = 1,
    TRACKER_EVENT_STARTED = 2,
    TRACKER_EVENT_STOPPED = 3,
    TRACKER_EVENT_PAUSED = 4,
};

#define TRACKER_WANT_DEFAULT  (-1)       /* num_want: as many as the tracker likes (BEP 15) */
#define TRACKER_COUNT_UNKNOWN UINT32_MAX /* a count the tracker did not give */
#define TRACKER_RETRY_NEVER   (-1)       /* BEP 31 */

struct tracker_announce {
    uint8_t info_hash[20];
    uint8_t peer_id[20];
    uint64_t downloaded; /* bytes */
    uint64_t left;       /* bytes */
    uint64_t uploaded;   /* bytes */
    enum tracker_event event;
    uint32_t key;
    int32_t want; /* peers, or TRACKER_WANT_DEFAULT */
    uint16_t port;
};

/* What a tracker said. Spans point into the answer's bytes. */
struct tracker_answer {
    struct span failure; /* empty: it did not fail */
    struct span warning; /* empty: none */
    struct span tracker_id;
    int64_t retry_s;    /* BEP 31, with a failure; 0: not said; TRACKER_RETRY_NEVER */
    int64_t interval_s; /* as the tracker said it, not clamped; 0: not said */
    int64_t min_interval_s;
    uint32_t seeders, leechers; /* or TRACKER_COUNT_UNKNOWN */
    struct addr external; /* our address as the tracker sees it (BEP 24); ADDR_NONE: not said */
    uint32_t peer_count;  /* written to the caller's array */
};

/* Counts of one torrent (BEP 48). */
struct tracker_counts {
    uint32_t seeders, completed, leechers;
};

#endif
