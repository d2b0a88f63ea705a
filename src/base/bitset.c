/* A set of small numbers in the wire's bit order (BEP 3, bitfield). */
#include "base/bitset.h"

#include "base/bytes.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

int bitset_init(struct bitset *b, uint32_t count)
{
    *b = (struct bitset){.count = count};
    if (count == 0) {
        return 0;
    }
    b->bytes = calloc(1, bitset_bytes(count));
    return b->bytes ? 0 : SPATE_ENOMEM;
}

void bitset_deinit(struct bitset *b)
{
    free(b->bytes);
    *b = (struct bitset){0};
}

static uint8_t spare_mask(uint32_t count)
{
    return (uint8_t)(count % 8 ? 0xff >> (count % 8) : 0);
}

void bitset_fill(struct bitset *b)
{
    if (b->count == 0) {
        return;
    }
    size_t size = bitset_bytes(b->count);
    memset(b->bytes, 0xff, size);
    b->bytes[size - 1] = (uint8_t)~spare_mask(b->count);
    b->ones = b->count;
}

void bitset_empty(struct bitset *b)
{
    if (b->count > 0) {
        memset(b->bytes, 0, bitset_bytes(b->count));
    }
    b->ones = 0;
}

bool bitset_load(struct bitset *b, const uint8_t *bytes, size_t size)
{
    if (size != bitset_bytes(b->count)) {
        return false;
    }
    if (size == 0) {
        return true;
    }
    if (bytes[size - 1] & spare_mask(b->count)) {
        return false;
    }
    uint32_t ones = 0;
    for (size_t i = 0; i < size; i++) {
        ones += (uint32_t)__builtin_popcount(bytes[i]);
    }
    memcpy(b->bytes, bytes, size);
    b->ones = ones;
    return true;
}

static uint32_t next_with(const struct bitset *b, uint32_t from, uint8_t flip)
{
    if (from >= b->count) {
        return b->count;
    }
    size_t i = from >> 3;
    uint8_t byte = (uint8_t)((b->bytes[i] ^ flip) & (0xff >> (from & 7)));
    size_t size = bitset_bytes(b->count);
    while (byte == 0) {
        if (++i == size) {
            return b->count;
        }
        byte = b->bytes[i] ^ flip;
    }
    uint32_t found = (uint32_t)(i * 8) + (uint32_t)__builtin_clz((unsigned)byte << 24);
    return found < b->count ? found : b->count;
}

uint32_t bitset_next(const struct bitset *b, uint32_t from)
{
    return next_with(b, from, 0);
}

uint32_t bitset_next_clear(const struct bitset *b, uint32_t from)
{
    return next_with(b, from, 0xff);
}

uint32_t bitset_next_common(const struct bitset *a, const struct bitset *b, uint32_t from)
{
    if (from >= a->count) {
        return a->count;
    }
    size_t size = bitset_bytes(a->count);
    size_t i = from >> 3;
    uint8_t first = (uint8_t)(a->bytes[i] & b->bytes[i] & (0xff >> (from & 7)));
    if (first) {
        return (uint32_t)(i * 8) + (uint32_t)__builtin_clz((unsigned)first << 24);
    }
    i++;
    for (; size - i >= 8; i += 8) {
        uint64_t word = load_be64(a->bytes + i) & load_be64(b->bytes + i);
        if (word) {
            return (uint32_t)(i * 8) + (uint32_t)__builtin_clzll(word);
        }
    }
    for (; i < size; i++) {
        uint8_t byte = a->bytes[i] & b->bytes[i];
        if (byte) {
            return (uint32_t)(i * 8) + (uint32_t)__builtin_clz((unsigned)byte << 24);
        }
    }
    return a->count;
}
