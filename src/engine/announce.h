/* The trackers of one torrent, brought to the world: proto/announcer decides whom to ask and when, this
 * asks them over HTTP (io_http) or UDP (names by io_resolve, datagrams on the session's UDP socket) and
 * hands peers to the torrent. */
#ifndef ENGINE_ANNOUNCE_H
#define ENGINE_ANNOUNCE_H

#include "base/log.h"
#include "codec/metainfo.h"
#include "codec/tracker.h"
#include "io/io.h"

struct announce;
struct announce_udp; /* UDP tracker conversations of a session, by transaction id */

/* What an announce asks its torrent. All pointers live as long as the announce. */
struct announce_owner {
    /* Peers from a tracker; the array lives for the call. */
    void (*on_peers)(void *user, const struct addr *peers, uint32_t count);
    /* Fills uploaded, downloaded and left, over all sessions of this torrent, and how many peers the torrent
     * would like. */
    void (*counters)(void *user, struct tracker_announce *);
    /* Something that status shows has changed. */
    void (*on_change)(void *user);
    void *user;
};

struct announce_settings {
    struct io *io;
    struct announce_udp *udp;
    const struct log *log;
    spate_torrent torrent;    /* for log entries */
    const uint8_t *info_hash; /* 20 bytes */
    const uint8_t *peer_id;   /* 20 bytes */
    uint32_t key;             /* stable over the torrent's life (BEP 7) */
    uint64_t random_seed;     /* for shuffling tiers and jitter */
    uint16_t port;            /* that we listen on */
    const struct io_bind *bind;
    const char *user_agent, *proxy, *ca_cert;
    bool allow_private;
    bool use_v4, use_v6; /* which families we have */
    const struct metainfo_tracker *trackers;
    uint32_t tracker_count; /* the torrent's, in tiers (BEP 12) */
};

int announce_create(const struct announce_settings *, struct announce_owner, struct announce **out);
/* Cancels everything; freed once its operations have completed (the loop must still turn). Never calls the
 * owner again. */
void announce_destroy(struct announce *);

/* Begins with `started` (left from counters). */
void announce_start(struct announce *);
/* Says `completed` once, and only when called: the torrent calls it when it has just completed it. */
void announce_completed(struct announce *);
/* Says `stopped` to those that know us; announce_stopping() is false once all have answered or the
 * deadline (2 s) has passed. */
void announce_stop(struct announce *);
bool announce_stopping(const struct announce *);
/* As soon as the minimum interval allows. */
void announce_now(struct announce *);
/* The same for want of peers: only where trackers named a minimum interval. */
void announce_need(struct announce *);
/* A tracker of the user's, in a tier of its own. SPATE_EURL, SPATE_EEXIST, SPATE_ELIMIT. */
int announce_add(struct announce *, const char *url);
/* Fills up to max rows (each with its size set by the caller); returns the number of trackers. */
uint32_t announce_status(const struct announce *, struct spate_tracker_status *out, uint32_t max);
/* The last failure or what is being waited for, for people; "" when all is well. */
const char *announce_message(const struct announce *);
/* Seconds until the next announce; -1: none planned. */
int64_t announce_next_s(const struct announce *);

/* The UDP side of a session. send hands one datagram to the session's socket of the peer's family. */
int announce_udp_create(struct io *,
                        int (*send)(void *user, const struct addr *to, struct span bytes),
                        void *user, struct announce_udp **out);
void announce_udp_destroy(struct announce_udp *);
/* True when the datagram was an answer to a UDP tracker conversation of ours. */
bool announce_udp_receive(struct announce_udp *, const struct addr *from, struct span bytes);

#endif
