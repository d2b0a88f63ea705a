/* Bugs that a build for proving the simulator's checkers carries on purpose (meson -Dplants=true), each in one
 * line where such a bug would live. In every other build PLANT() is false and nothing is left of it. */
#ifndef BASE_PLANT_H
#define BASE_PLANT_H

#include <stdbool.h>

/* name, what is wrong then. */
#define PLANT_MAP(X)                                                                               \
    X(SKIP_SYNC, "skip-sync", "files are not synced before their pieces are called durable")       \
    X(CLAIM_EARLY, "claim-early", "a piece is claimed before it is written")                       \
    X(BAD_PIECE_GOOD, "bad-piece-good", "a piece whose hash is wrong counts as good")              \
    X(SWAP_BLOCKS, "swap-blocks", "two blocks of a piece change places on their way to the disk")  \
    X(WRONG_OFFSET, "wrong-offset", "now and then a write goes sixteen bytes too far")             \
    X(BAN_NEIGHBOUR, "ban-neighbour", "somebody else is banned for a corrupt block")               \
    X(KEEP_REQUESTS, "keep-requests", "the requests of a peer that left are not taken back")       \
    X(FORGET_REQUEST, "forget-request", "a request that was answered is not freed")                \
    X(LOSE_HAVE, "lose-have", "a HAVE is not sent to one of the peers")                            \
    X(TOO_MANY_PEERS, "too-many-peers", "a full torrent goes on accepting connections")            \
    X(NO_MEMORY_CAP, "no-memory-cap", "the cap of the memory of pieces in flight is not heeded")   \
    X(KEEP_CHUNK, "keep-chunk", "a chunk of a written piece is not given back")                    \
    X(RECORD_EARLY, "record-early", "a piece is recorded durable before it is synced")             \
    X(FORGET_TIMER, "forget-timer", "an expired request is never asked again")                     \
    X(NEVER_RETRY, "never-retry", "a tracker that failed once is never asked again")               \
    X(MISCOUNT_PICKER, "miscount-picker", "a peer that leaves is still counted as having pieces")  \
    X(READ_PAST, "read-past", "one check of a message's length is missing")                        \
    X(CHANCE_OF_ITS_OWN, "chance-of-its-own", "an order depends on where memory happens to lie")

enum plant {
    PLANT_NONE,
#define PLANT_ENUM(name, option, text) PLANT_##name,
    PLANT_MAP(PLANT_ENUM)
#undef PLANT_ENUM
        PLANT_COUNT
};

#ifdef SPATE_PLANTS
/* The test program says which; the library's own answer is never. */
bool plant_is(enum plant);
#define PLANT(name) plant_is(PLANT_##name)
#else
#define PLANT(name) false
#endif

#endif
