/* A set of small numbers in the bit order of BEP 3's bitfield: number 0 is the high bit of byte 0, so
 * that what arrives from the wire is a bitset as it stands. Spare bits stay zero. */
#ifndef BASE_BITSET_H
#define BASE_BITSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bitset {
    uint8_t *bytes; /* owned; NULL while count is 0 */
    uint32_t count; /* how many numbers it ranges over */
    uint32_t ones;  /* how many of them are in the set */
};

/* Bytes that count bits take. */
static inline size_t bitset_bytes(uint32_t count)
{
    return ((size_t)count + 7) / 8;
}

/* Empty set over count numbers. SPATE_ENOMEM. */
int bitset_init(struct bitset *, uint32_t count);
void bitset_deinit(struct bitset *);

static inline bool bitset_get(const struct bitset *b, uint32_t i)
{
    return (b->bytes[i >> 3] >> (7 - (i & 7))) & 1;
}

/* True when it changed something. */
static inline bool bitset_set(struct bitset *b, uint32_t i)
{
    uint8_t mask = (uint8_t)(0x80 >> (i & 7));
    if (b->bytes[i >> 3] & mask) {
        return false;
    }
    b->bytes[i >> 3] |= mask;
    b->ones++;
    return true;
}

static inline bool bitset_clear(struct bitset *b, uint32_t i)
{
    uint8_t mask = (uint8_t)(0x80 >> (i & 7));
    if (!(b->bytes[i >> 3] & mask)) {
        return false;
    }
    b->bytes[i >> 3] = (uint8_t)(b->bytes[i >> 3] & ~mask);
    b->ones--;
    return true;
}

static inline bool bitset_full(const struct bitset *b)
{
    return b->ones == b->count;
}

void bitset_fill(struct bitset *);
void bitset_empty(struct bitset *);
/* Takes bytes as they came from the wire. False, and unchanged, when the length is not exactly
 * bitset_bytes(count) or a spare bit is set. */
bool bitset_load(struct bitset *, const uint8_t *bytes, size_t size);
/* The first number at or after from that is in the set; count when there is none. */
uint32_t bitset_next(const struct bitset *, uint32_t from);
/* The first number at or after from that is not in the set; count when there is none. */
uint32_t bitset_next_clear(const struct bitset *, uint32_t from);
/* The first number at or after from that is in both sets, which range over as many numbers; their count
 * when there is none. */
uint32_t bitset_next_common(const struct bitset *, const struct bitset *, uint32_t from);

#endif
