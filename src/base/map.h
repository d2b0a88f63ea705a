/* A hash map from fixed-size keys to pointers, seeded so that strangers cannot choose collisions.
 * Open addressing with backward-shift deletion; iteration order depends on the seed only. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAP_KEY_MAX_BYTES = 32 };

struct map_slot {
    void *value; /* NULL: the slot is free */
    uint32_t hash;
    uint8_t key[MAP_KEY_MAX_BYTES];
};

struct map {
    struct map_slot *slots;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
    size_t key_bytes;
    uint64_t seed[2];
};

/* Takes no memory. key_bytes is at most MAP_KEY_MAX_BYTES. */
void map_init(struct map *, size_t key_bytes, const uint64_t seed[2]);
void map_deinit(struct map *);
/* NULL when absent. */
void *map_get(const struct map *, const void *key);
/* Adds or replaces; value is not NULL. SPATE_ENOMEM. */
int map_put(struct map *, const void *key, void *value);
/* Returns what was removed, or NULL. */
void *map_remove(struct map *, const void *key);
/* Walks all values: start with *cursor = 0; NULL at the end. The map must not change meanwhile. */
void *map_each(const struct map *, size_t *cursor);

/* SipHash-1-3 of bytes under a 128-bit key. */
uint64_t map_siphash(const uint64_t key[2], const void *bytes, size_t size);

#endif
