/* Super-seeding of a swarm: it begins and ends by itself. */
#ifndef ENGINE_SWARM_SUPERSEED_H
#define ENGINE_SWARM_SUPERSEED_H

#include "engine/swarm_peer.h"

void swarm_superseed_init(struct swarm *);
/* Whether a peer that is to be introduced is told of nothing yet; it may begin here. */
bool swarm_superseed_hides(struct swarm_peer *);
/* The peer, from whom things are hidden or not, may lack something to choose from. */
void swarm_superseed_show(struct swarm_peer *);
void swarm_superseed_on_asked(struct swarm_peer *, uint32_t piece);
void swarm_superseed_on_had(struct swarm_peer *, uint32_t piece);
/* We choke it. */
void swarm_superseed_on_choked(struct swarm_peer *);
/* The whole of what it has is new. */
void swarm_superseed_on_has(struct swarm_peer *);
/* A peer with this key has left. */
void swarm_superseed_on_gone(struct swarm *, uint64_t key);
void swarm_superseed_end(struct swarm *);

#endif
