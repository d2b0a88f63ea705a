/* A rate meter: bytes per second over the last five seconds or so, without a tick. */
#ifndef BASE_RATE_H
#define BASE_RATE_H

#include <stdint.h>

enum { RATE_SLOTS = 5 };

struct rate {
    uint64_t slots[RATE_SLOTS]; /* bytes in each of the last seconds */
    uint64_t total_bytes;       /* since the beginning */
    int64_t second;             /* the one slots[second % RATE_SLOTS] counts */
    int64_t first_second;       /* when counting began */
};

void rate_add(struct rate *, uint64_t bytes, int64_t now_ns);
/* Bytes per second. */
uint64_t rate_per_second(const struct rate *, int64_t now_ns);

#endif
