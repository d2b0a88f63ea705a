/* Cheap randomness for choices that no stranger sees: ties, jitter, rotation (splitmix64). The seed
 * comes from whoever may ask the port for randomness, so simulations repeat. Never for secrets. */
#ifndef BASE_DICE_H
#define BASE_DICE_H

#include <stdint.h>

struct dice {
    uint64_t state;
};

static inline void dice_init(struct dice *d, uint64_t seed)
{
    d->state = seed;
}

static inline uint64_t dice_next(struct dice *d)
{
    uint64_t z = d->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* A number below bound, which is not 0. */
static inline uint32_t dice_below(struct dice *d, uint32_t bound)
{
    return (uint32_t)(((dice_next(d) >> 32) * bound) >> 32);
}

#endif
