/* A seed that a script plays: it speaks the wire byte by byte and breaks no rule, but answers as awkwardly as the
 * rules allow: in any order, late, twice, with a HAVE before every block, stopping half way through a block while
 * a cancel comes in. */
#ifndef TESTS_SIM_ACTOR_H
#define TESTS_SIM_ACTOR_H

#include "world.h"

struct actor_habits {
    uint32_t late_percent;    /* answers held back for up to half a minute */
    uint32_t double_percent;  /* answers sent twice */
    uint32_t half_percent;    /* blocks that stop half way for a while */
    uint32_t corrupt_percent; /* blocks with a wrong byte: breaks a rule after all */
    int64_t pause_ns;         /* between two answers */
};

struct actor;

/* Listens on a host of its own at 10.9.0.number. */
struct actor *actor_create(struct world *, uint8_t number, uint64_t seed,
                           const struct actor_habits *);
struct addr actor_address(const struct actor *);
/* What it did, so that a test can see that the awkward things happened. */
struct actor_deeds {
    uint32_t answers, doubles, halves, late, cancels, connections;
};
struct actor_deeds actor_deeds(const struct actor *);
/* After the world has ended. */
void actor_destroy(struct actor *);

#endif
