/* How many peers to serve at once: as many as the line serves well. */
#ifndef SWARM_SLOTS_H
#define SWARM_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    SLOTS_DEFAULT = 8,
    SLOTS_MIN = 2, /* one for who gives, one on trial */
};

struct slots {
    uint32_t count;
    bool narrow;         /* fewer than usual, since the line is slow */
    uint64_t wide_rate;  /* bytes per second, before it became narrow */
    int64_t until_ns;    /* narrow: wide again then, to see; wide: not narrow before */
    int64_t from_ns;     /* when the present measurement begins */
    uint64_t from_bytes; /* what had left by then */
    bool measuring;      /* it has begun */
    int64_t looked_ns;   /* when it was last looked at */
};

/* What the upload looks like. */
struct slots_view {
    uint64_t up_limit; /* bytes per second that the user allows, 0: all */
    uint64_t up_rate;  /* bytes per second, of late */
    uint64_t up_bytes; /* that have left since the beginning */
    bool all_taken;    /* each slot is some interested peer's */
};

void slots_init(struct slots *, uint64_t up_limit, int64_t now_ns);
/* Called every few seconds. */
void slots_look(struct slots *, const struct slots_view *, int64_t now_ns);

#endif
