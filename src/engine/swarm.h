/* The exchange of one torrent while there is somebody to talk to: its peers, what to ask whom, whom
 * to let download, and the pieces in flight. It introduces the peer machines (proto), the policies
 * (swarm/) and the pieces in flight (disk/assembly) to each other; it owns no file and no record.
 */
#ifndef ENGINE_SWARM_H
#define ENGINE_SWARM_H

#include "engine/conn.h"
#include "engine/env.h"
#include "swarm/choker.h"
#include "swarm/parole.h"
#include "swarm/peerbook.h"
#include "swarm/picker.h"
#include "swarm/pieces.h"
#include "swarm/requests.h"
#include "swarm/slots.h"
#include "swarm/superseed.h"

/* What a swarm tells its torrent. Called from the loop, never from inside a call on the swarm but
 * for swarm_close(). The owner may close the swarm only from a later turn. */
struct swarm_owner {
    void (*on_written)(void *user, uint32_t piece); /* verified and on the disk, not yet synced */
    /* Which blocks of a piece lie on the disk unverified; NULL: none any more. */
    void (*on_spilled)(void *user, uint32_t piece, const struct bitset *blocks);
    void (*on_lost)(void *user, uint32_t piece, uint32_t file,
                    int error);                              /* it could not be read */
    void (*on_broken)(void *user, int error, uint32_t file); /* it could not be written */
    void (*on_flushed)(void *user);
    void (*on_change)(void *user, uint32_t changed); /* enum spate_changed */
    void *user;
};

struct swarm_settings {
    struct env *env;
    spate_torrent torrent;
    const uint8_t *info_hash;
    const struct layout *layout;
    const uint8_t *piece_hashes;
    struct store *store;
    struct pieces *pieces;    /* the torrent's; changed here when a piece is written or lost */
    struct bucket *down, *up; /* the torrent's */
    uint32_t max_peers;
    bool sequential;
};

struct swarm_totals {
    uint64_t downloaded_bytes, uploaded_bytes, wasted_bytes, failed_bytes; /* payload */
    uint64_t wasted_blocks; /* that came twice, or that nobody waited for */
};

struct swarm_ghost { /* somebody who has left: who was behind a key */
    uint64_t key;
    struct addr address;
};
enum { SWARM_GHOSTS = 256, SWARM_NEWS_MAX = 256 };

/* Who hears of news: those that may download and ask for nothing; those too that ask, or might once they know; all. */
enum swarm_ears { SWARM_IDLE, SWARM_MOST, SWARM_ALL, SWARM_EARS };

struct swarm {
    struct swarm_settings settings;
    struct swarm_owner owner;
    struct picker picker;
    struct requests requests;
    struct choker choker;
    struct parole parole;
    struct peerbook peerbook;
    struct assembly *assembly;
    struct list peers;   /* of struct swarm_peer */
    struct list hungry;  /* of swarm_peer.hungry */
    uint32_t peer_count; /* in the list, dialled ones too */
    uint32_t dialling;
    struct slots slots;                /* for uploading */
    uint32_t slots_free, slots_wanted; /* by peers that are choked; exact when the choker has run */
    uint32_t banned;
    struct turn_work refill, rechoke, superseed_turn;
    struct timer dial_timer, choke_timer, rechoke_timer, tell_timer, superseed_timer;
    struct superseed *superseed;     /* NULL: we show everybody all that we have */
    uint64_t superseed_from_bytes;   /* uploaded when it began */
    uint32_t news[SWARM_NEWS_MAX];   /* ring: the pieces that were written last */
    uint64_t news_count;             /* since the beginning */
    uint64_t told_count[SWARM_EARS]; /* of these, that they have heard of */
    int64_t told_ns[SWARM_EARS];     /* when they last did */
    bool rare_news;                  /* of a piece that next to nobody has */
    struct swarm_totals totals;
    struct rate down_rate, up_rate;
    uint64_t turnover_bytes; /* downloaded when places were last looked at */
    int64_t turnover_ns;     /* since when nothing has come */
    int64_t verified_ns;     /* when the last piece was written; 0: none yet */
    struct swarm_ghost ghosts[SWARM_GHOSTS];
    uint32_t ghost_next;
    struct list homeless; /* of struct swarm_scratch: copies that won while memory was full */
    uint32_t scratch_count;
    int64_t refilled_ns; /* when those that lacked something last had another chance */
    bool lacks_room; /* somebody was asked for less than there was, for want of memory or places */
    bool seeding;    /* everything wanted is there */
    bool closing;
};

int swarm_create(const struct swarm_settings *, struct swarm_owner, struct swarm **out);
/* Ends all connections and frees it. */
void swarm_close(struct swarm *);

/* Somebody connected and named this torrent. True: the swarm owns the connection. */
bool swarm_adopt(struct swarm *, struct conn *);
/* Addresses to try. */
void swarm_add_peer(struct swarm *, const struct addr *, enum peer_source);
/* Blocks of a piece that are on the disk, from the record. */
void swarm_restore(struct swarm *, uint32_t piece, const struct bitset *blocks);
/* pieces->wanted or pieces->have were changed by the torrent. */
void swarm_on_pieces_changed(struct swarm *);
/* Ends all connections and writes what is in memory; on_flushed follows, then nothing but swarm_close(). */
void swarm_flush(struct swarm *);

/* ---- for the status -------------------------------------------------------------------------- */
uint32_t swarm_fill_peers(const struct swarm *, struct spate_peer_status *out, uint32_t max);
void swarm_fill_status(const struct swarm *, struct spate_status *);
/* Why nothing comes, for people; "" when something does. */
const char *swarm_message(const struct swarm *);
/* Something is missing, and nobody who is connected has any of it. */
bool swarm_is_starved(const struct swarm *);

bool swarm_is_consistent(const struct swarm *);

#endif
