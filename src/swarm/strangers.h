/* How often an address that never spoke BitTorrent with us may be dialled, over all torrents of a
 * session: trackers and peers can name a victim in place of a peer, and many clients dialling it
 * would be an attack. Once a handshake with an IP address completed it is proven, and back-off is
 * each torrent's own. */
#ifndef SWARM_STRANGERS_H
#define SWARM_STRANGERS_H

#include "base/addr.h"
#include "base/list.h"
#include "base/map.h"

/* Somebody who was turned away, and who would like to know when it is worth asking again earlier than was
 * said: the IP address was proven, or answered with a refusal. */
struct strangers_waiter {
    struct list link; /* in strangers.waiters while it waits; it leaves by itself */
    void (*on_allowed)(struct strangers_waiter *, const struct addr *);
};

struct strangers {
    struct map by_ip;     /* struct stranger, by struct addr without port */
    struct list waiters;  /* struct strangers_waiter */
    struct list unproven; /* oldest attempt first */
    struct list proven;   /* longest unused first */
    uint32_t unproven_count;
    uint32_t proven_count; /* each at most LIMIT_STRANGERS */
};

void strangers_init(struct strangers *, const uint64_t seed[2]);
void strangers_deinit(struct strangers *);

/* May this address be dialled at this moment? True: counted as an attempt. False: *retry_ns is when
 * to ask again. An address once in 10 minutes and 3 times an hour; an IP address (all ports) 3 times
 * an hour without an answer, 20 times with those that were refused; when the table is full of
 * attempts younger than that, nobody new. */
bool strangers_dial(struct strangers *, const struct addr *, int64_t now_ns, int64_t *retry_ns);
/* The attempt that was just counted was not made. */
void strangers_undo(struct strangers *, const struct addr *);
/* That address answered the attempt with a refusal: there is a host, and nobody at that port. */
void strangers_on_refused(struct strangers *, const struct addr *);
/* Until it removes its link, it hears of every address that is proven, and of refusals that let somebody
 * who was turned away try another port. */
void strangers_wait(struct strangers *, struct strangers_waiter *);
/* A handshake with it completed: tells those who wait, if that is new. */
void strangers_on_proven(struct strangers *, const struct addr *);
bool strangers_is_proven(const struct strangers *, const struct addr *);

bool strangers_is_consistent(const struct strangers *);

#endif
