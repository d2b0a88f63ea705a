/* Choking, dialling and reporting of a swarm. */
#ifndef ENGINE_SWARM_POLICY_H
#define ENGINE_SWARM_POLICY_H

#include "engine/swarm_peer.h"

void swarm_policy_init(struct swarm *);
/* Who may download is decided anew at the end of the turn: a free slot is given at once. */
void swarm_rechoke_soon(struct swarm *);
/* The same for what can wait a moment: somebody might take another's place. */
void swarm_rechoke_later(struct swarm *);
/* This peer wants to download, or no longer. */
void swarm_policy_on_interest(struct swarm_peer *);
/* Places have come free, or addresses have come. */
void swarm_dial_soon(struct swarm *);
/* Every place is taken, and somebody dials in. True: there is a place now. */
bool swarm_policy_make_room(struct swarm *);
/* Dials one address; false when that failed at once. */
bool swarm_policy_connect(struct swarm *, const struct addr *);
void swarm_policy_on_expire(struct timer *, int64_t now_ns);

#endif
