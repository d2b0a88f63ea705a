/* What has to hold in every world at every moment, whatever befalls it. Each checker has a name; the first
 * that complains ends the run. That each can complain is proved by planted bugs (base/plant.h). */
#ifndef TESTS_SIM_CHECKERS_H
#define TESTS_SIM_CHECKERS_H

#include "world.h"

/* name, what it promises. */
#define CHECKER_MAP(X)                                                                             \
    X(FILES, "files", "every finished file equals its source")                                     \
    X(CLAIMS, "claims", "nobody claims a piece whose bytes on his disk are not right")             \
    X(DURABLE, "durable", "nothing recorded as durable is lost over a crash")                      \
    X(LIMITS, "limits", "no bound of limits.h or of the settings is exceeded")                     \
    X(MEMORY, "memory", "memory of pieces in flight keeps to its cap, and is given back")          \
    X(REQUESTS, "requests", "no request outlives its peer, none is counted twice")                 \
    X(BANS, "bans", "nobody honest is banned")                                                     \
    X(CONSISTENT, "consistent", "every part of every session is consistent with itself")           \
    X(NEWS, "news", "who is connected is told of every piece")                                     \
    X(STRANGERS, "strangers", "who breaks a rule comes to his end, and costs the honest little")   \
    X(FINISH, "finish", "once faults stop, everybody finishes")                                    \
    X(GOODBYE, "goodbye", "every session ends in bounded time")                                    \
    X(LEAKS, "leaks", "a world that has ended holds no memory")                                    \
    X(REPEAT, "repeat", "the same seed gives the same run, event by event")                        \
    X(CRASH, "crash", "the process neither stops nor runs for ever")

enum checker {
#define CHECKER_ENUM(name, text, promise) CHECKER_##name,
    CHECKER_MAP(CHECKER_ENUM)
#undef CHECKER_ENUM
        CHECKER_COUNT
};
const char *checker_name(enum checker);
const char *checker_promise(enum checker);

/* Looks at a world whenever it looks at itself: sets on_look and on_gone. */
void checkers_attach(struct world *);
/* Looks at all peers once more, and at the files of those that are complete. */
void checkers_at_end(struct world *);

#endif
