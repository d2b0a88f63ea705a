/* The addresses of one torrent's peers: whom to dial next, who has to wait, who is banned. */
#ifndef SWARM_PEERBOOK_H
#define SWARM_PEERBOOK_H

#include "base/addr.h"
#include "base/dice.h"
#include "base/heap.h"
#include "base/map.h"
#include "swarm/strangers.h"

/* The most trustworthy first. */
enum peer_source { PEER_SOURCE_USER, PEER_SOURCE_TRACKER, PEER_SOURCE_INCOMING, PEER_SOURCE_PEX };

struct peerbook {
    struct strangers *strangers; /* lent; NULL: nobody is a stranger */
    struct map by_addr;          /* struct peerbook_entry; at most LIMIT_PEERBOOK */
    struct heap waiting;         /* by the time they may be dialled */
    struct heap ready;           /* may be dialled, best first */
    struct map bans;             /* struct peerbook_ban, by struct addr without port */
    struct dice dice;
    bool seeding; /* we have everything: seeds are not dialled */
    struct strangers_waiter waiter;
    void (*on_ready)(
        struct peerbook *); /* peerbook_next() may have something: an address was proven or
                                            refused; set by the owner, may be NULL */
};

/* Takes no memory until something is added. */
void peerbook_init(struct peerbook *, struct strangers *, uint64_t seed);
void peerbook_deinit(struct peerbook *);

/* 1: new; 0: known already. SPATE_EINVAL: never a peer (special address, port 0; below 1024 unless
 * the user says so); SPATE_EBLOCKED: banned or ourselves; SPATE_ELIMIT: full of better ones;
 * SPATE_ENOMEM. */
int peerbook_add(struct peerbook *, const struct addr *, enum peer_source, int64_t now_ns);

/* Whom to dial; it counts as being dialled until one of the next five. False: nobody yet. */
bool peerbook_next(struct peerbook *, int64_t now_ns, struct addr *out);
/* The handshake completed (also incoming, when its listening address is known; proves the IP address to
 * the strangers). Unknown addresses are ignored otherwise. */
void peerbook_on_connected(struct peerbook *, const struct addr *, int64_t now_ns);
/* No connection, or no handshake. Ignored when it is not being dialled. */
void peerbook_on_failed(struct peerbook *, const struct addr *, int64_t now_ns);
/* The same, and its host answered that nobody is at that port: others there may be tried the sooner. */
void peerbook_on_refused(struct peerbook *, const struct addr *, int64_t now_ns);
/* The dial was under way when we gave it up: no failure, but an attempt. */
void peerbook_on_broken_off(struct peerbook *, const struct addr *, int64_t now_ns);
/* We did not dial it after all, for reasons of ours: no failure, and no attempt. */
void peerbook_undo(struct peerbook *, const struct addr *, int64_t retry_ns);
/* A completed connection has ended. */
void peerbook_on_closed(struct peerbook *, const struct addr *, int64_t now_ns);
/* This address is ourselves: never dial it again. */
void peerbook_on_self(struct peerbook *, const struct addr *);
/* It has everything, or says it only uploads. */
void peerbook_on_seed(struct peerbook *, const struct addr *, bool is_seed);
/* We have everything we want, or no longer. */
void peerbook_set_seeding(struct peerbook *, bool seeding, int64_t now_ns);

/* Bans the IP address, for this torrent. SPATE_ENOMEM. */
int peerbook_ban(struct peerbook *, const struct addr *, int64_t until_ns);
bool peerbook_is_banned(const struct peerbook *, const struct addr *, int64_t now_ns);
/* Goes through those that were banned, without ports; *cursor begins with 0. NULL after the last. */
const struct addr *peerbook_each_ban(const struct peerbook *, size_t *cursor);

/* When peerbook_next() may say something: not after now_ns when it would now; INT64_MAX: not by
 * itself. */
int64_t peerbook_deadline(const struct peerbook *, int64_t now_ns);
/* Addresses known. */
uint32_t peerbook_count(const struct peerbook *);

bool peerbook_is_consistent(const struct peerbook *);

#endif
