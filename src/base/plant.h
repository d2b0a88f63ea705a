/* Bugs that a build for proving the simulator's checkers carries on purpose (meson -Dplants=true), each in one
 * line where such a bug would live. In every other build PLANT() is false and nothing is left of it. */
#ifndef BASE_PLANT_H
#define BASE_PLANT_H

#include <stdbool.h>

/* name, what is wrong then. */
#define PLANT_MAP(X)                                                                               \
    X(SKIP_SYNC, "skip-sync", "files are not synced before their pieces are called durable")       \
    X(SKIP_NAMES, "skip-names", "directories that gained entries are not synced")                  \
    X(SKIP_PART, "skip-part", "the part file is not synced")                                       \
    X(RECORD_EARLY, "record-early", "a piece is recorded as durable before it is synced")          \
    X(CLAIM_EARLY, "claim-early", "a piece is claimed before it is written")                       \
    X(BAD_PIECE_GOOD, "bad-piece-good", "a piece whose hash is wrong counts as good")              \
    X(SWAP_BLOCKS, "swap-blocks", "of blocks that are written at once two change places")          \
    X(WRONG_OFFSET, "wrong-offset", "long writes go sixteen bytes too far")                        \
    X(LONG_FILE, "long-file", "files are made one byte too long")                                  \
    X(BAN_NEIGHBOUR, "ban-neighbour", "somebody else is banned for a corrupt block")               \
    X(KEEP_REQUESTS, "keep-requests", "the requests of a peer that left are not taken back")       \
    X(FORGET_TO_FREE, "forget-to-free", "a request that is over is not freed")                     \
    X(GIVE_TWICE, "give-twice", "the place of a rejected block is given back twice")               \
    X(LOSE_HAVE, "lose-have", "of several HAVE the last is not sent")                              \
    X(BITFIELDS_AGAIN, "bitfields-again", "a peer may send bitfields again and again")             \
    X(MISCOUNT_SEEDS, "miscount-seeds", "a peer that left is still counted by the picker")         \
    X(TOO_MANY_PEERS, "too-many-peers", "a full torrent goes on accepting connections")            \
    X(NO_MEMORY_CAP, "no-memory-cap", "the cap of the memory of pieces in flight is not heeded")   \
    X(KEEP_CHUNK, "keep-chunk", "memory of pieces in flight stays counted when it is given back")  \
    X(NEVER_RETRY, "never-retry", "a tracker that failed once is never asked again")               \
    X(NEVER_ENDS, "never-ends", "a session that closes goes on waiting for its user")              \
    X(CHANCE_OF_ITS_OWN, "chance-of-its-own", "who is unchoked depends on where memory lies")

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
