/* A hash map for keys that strangers choose (info-hashes, addresses): SipHash-1-3, open addressing,
 * at most three quarters full, backward-shift deletion so that no tombstones gather. */
#include "base/map.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

static uint64_t rotate_left(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate_left(v[1], 13) ^ v[0];
    v[0] = rotate_left(v[0], 32);
    v[2] += v[3];
    v[3] = rotate_left(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate_left(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate_left(v[1], 17) ^ v[2];
    v[2] = rotate_left(v[2], 32);
}

uint64_t map_siphash(const uint64_t key[2], const void *bytes, size_t size)
{
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du,
                     key[0] ^ 0x6c7967656e657261u, key[1] ^ 0x7465646279746573u};
    const uint8_t *p = bytes;
    uint64_t last = (uint64_t)size << 56;
    for (; size >= 8; size -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    for (size_t i = 0; i < size; i++) {
        last |= (uint64_t)p[i] << (8 * i);
    }
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void map_init(struct map *m, size_t key_bytes, const uint64_t seed[2])
{
    ASSERT(key_bytes <= MAP_KEY_MAX_BYTES);
    *m = (struct map){.key_bytes = key_bytes, .seed = {seed[0], seed[1]}};
}

void map_deinit(struct map *m)
{
    free(m->slots);
    m->slots = NULL;
    m->capacity = m->count = 0;
}

/* The slot that holds key, or the free one where it would go. */
static struct map_slot *find(const struct map *m, const void *key, uint32_t hash)
{
    size_t mask = m->capacity - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct map_slot *slot = &m->slots[i];
        if (!slot->value || (slot->hash == hash && memcmp(slot->key, key, m->key_bytes) == 0)) {
            return slot;
        }
    }
}

static int grow(struct map *m)
{
    struct map larger = *m;
    larger.capacity = m->capacity ? m->capacity * 2 : 8;
    larger.slots = calloc(larger.capacity, sizeof *larger.slots);
    if (!larger.slots) {
        return SPATE_ENOMEM;
    }
    for (size_t i = 0; i < m->capacity; i++) {
        if (m->slots[i].value) {
            *find(&larger, m->slots[i].key, m->slots[i].hash) = m->slots[i];
        }
    }
    free(m->slots);
    *m = larger;
    return 0;
}

static uint32_t hash_of(const struct map *m, const void *key)
{
    return (uint32_t)map_siphash(m->seed, key, m->key_bytes);
}

void *map_get(const struct map *m, const void *key)
{
    return m->count ? find(m, key, hash_of(m, key))->value : NULL;
}

int map_put(struct map *m, const void *key, void *value)
{
    ASSERT(value != NULL);
    if ((m->count + 1) * 4 > m->capacity * 3) {
        int failed = grow(m);
        if (failed) {
            return failed;
        }
    }
    uint32_t hash = hash_of(m, key);
    struct map_slot *slot = find(m, key, hash);
    if (!slot->value) {
        m->count++;
        slot->hash = hash;
        memcpy(slot->key, key, m->key_bytes);
    }
    slot->value = value;
    return 0;
}

void *map_remove(struct map *m, const void *key)
{
    if (m->count == 0) {
        return NULL;
    }
    struct map_slot *slot = find(m, key, hash_of(m, key));
    void *value = slot->value;
    if (!value) {
        return NULL;
    }
    size_t mask = m->capacity - 1, hole = (size_t)(slot - m->slots);
    for (size_t i = (hole + 1) & mask; m->slots[i].value; i = (i + 1) & mask) {
        size_t home = m->slots[i].hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole].value = NULL;
    m->count--;
    return value;
}

void *map_each(const struct map *m, size_t *cursor)
{
    while (*cursor < m->capacity) {
        void *value = m->slots[(*cursor)++].value;
        if (value) {
            return value;
        }
    }
    return NULL;
}
