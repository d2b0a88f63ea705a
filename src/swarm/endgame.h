/* The end of a torrent, when fewer blocks are unasked than asked: who should be asked for what is
 * left, and what should be asked of a second peer. Decisions only; swarm/requests carries them out.
 *
 * A copy is of use when its answer comes sooner than the first one would; it costs nothing when the
 * loser is called off before he sends. Both are judged by what was measured of the two peers. */
#ifndef SWARM_ENDGAME_H
#define SWARM_ENDGAME_H

#include "swarm/request.h"

/* Blocks that nobody is asked for; counts no further than to some number above most. */
uint64_t endgame_unasked(const struct requests *, uint64_t most);

/* How many requests a peer of unknown speed should have at most, so that others who are as good can
 * have as many. */
uint32_t endgame_share(const struct requests *);

/* Should one more block of a piece be left to the others that have it, since together they would be
 * through with everything sooner than it came from q? Then *pause_ns is when to look again. */
bool endgame_leaves_it(const struct requests *, const struct requester *q, uint32_t piece,
                       int64_t now_ns, int64_t *pause_ns);

/* The request, the only one for its block, that q should be asked for too. of_all false: only among
 * those at peers that are silent. NULL: none; *pause_ns is then when to look again, INT64_MAX:
 * never. */
struct request *endgame_copy(const struct requests *, const struct requester *q,
                             const struct bitset *has, bool of_all, int64_t now_ns,
                             int64_t *pause_ns);

/* Would its owner, told now, be told before he sends the answer? */
bool endgame_is_in_time(const struct request *);

#endif
