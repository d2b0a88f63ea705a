/* Telling peers which pieces we have come to have, and that they have nothing for us any more. */
#ifndef ENGINE_SWARM_TELL_H
#define ENGINE_SWARM_TELL_H

#include "engine/swarm_peer.h"

void swarm_tell_init(struct swarm *);
/* The piece was written: those who lack it will hear. */
void swarm_tell_soon(struct swarm *, uint32_t piece);
/* Something leaves for this one anyway: so does all it has not heard of. */
void swarm_say(struct swarm_peer *);
/* Everybody does. */
void swarm_tell_all(struct swarm *);

#endif
