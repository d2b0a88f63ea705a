/* Memory that is freed all at once: a chain of blocks, bump-allocated. */
#include "base/arena.h"

#include <stdalign.h>
#include <stdlib.h>

struct arena_block {
    struct arena_block *next;
    size_t size, used;
    alignas(max_align_t) uint8_t bytes[];
};

enum { ARENA_BLOCK_MIN_BYTES = 4096 };

void arena_deinit(struct arena *a)
{
    while (a->blocks) {
        struct arena_block *next = a->blocks->next;
        free(a->blocks);
        a->blocks = next;
    }
    a->used = 0;
}

static struct arena_block *grow(struct arena *a, size_t size)
{
    size_t last = a->blocks ? a->blocks->size : ARENA_BLOCK_MIN_BYTES / 2;
    size_t capacity = last < (1 << 20) ? last * 2 : last;
    if (capacity < size) {
        capacity = size;
    }
    if (capacity > SIZE_MAX - sizeof(struct arena_block)) {
        return NULL;
    }
    struct arena_block *block = malloc(sizeof *block + capacity);
    if (!block) {
        return NULL;
    }
    block->next = a->blocks;
    block->size = capacity;
    block->used = 0;
    a->blocks = block;
    return block;
}

void *arena_allocate(struct arena *a, size_t size)
{
    if (size > SIZE_MAX - alignof(max_align_t)) {
        return NULL;
    }
    size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    if (a->limit && (size > a->limit || a->used > a->limit - size)) {
        return NULL;
    }
    struct arena_block *block = a->blocks;
    if (!block || block->size - block->used < size) {
        block = grow(a, size);
        if (!block) {
            return NULL;
        }
    }
    void *memory = block->bytes + block->used;
    block->used += size;
    a->used += size;
    memset(memory, 0, size);
    return memory;
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
    size_t product;
    if (__builtin_mul_overflow(count, size, &product)) {
        return NULL;
    }
    return arena_allocate(a, product);
}

char *arena_text(struct arena *a, struct span text)
{
    if (text.size == SIZE_MAX) {
        return NULL;
    }
    char *copy = arena_allocate(a, text.size + 1);
    if (copy && text.size > 0) {
        memcpy(copy, text.bytes, text.size);
    }
    return copy;
}
