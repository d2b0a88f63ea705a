/* Counting and failing allocations. The table of live pointers is needed because memory crosses the border:
 * the simulator hands out bodies that the rooms free. */
#include "memory.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static struct {
    struct memory_use use;
    uint64_t fail_at; /* of use.calls; UINT64_MAX: never */
    bool fails_on;
    uintptr_t *slots; /* open addressing; 0: free */
    size_t capacity, count;
} memory = {.fail_at = UINT64_MAX};

void *memory_malloc(size_t size);
void *memory_calloc(size_t count, size_t size);
void *memory_realloc(void *old, size_t size);
char *memory_strdup(const char *text);
char *memory_strndup(const char *text, size_t size);
void memory_free(void *p);

/* ---- who is alive ----------------------------------------------------------------------------- */

static size_t home_of(uintptr_t p)
{
    return (size_t)((p >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (memory.capacity - 1);
}

static void put(uintptr_t p)
{
    size_t i = home_of(p);
    while (memory.slots[i]) {
        i = (i + 1) & (memory.capacity - 1);
    }
    memory.slots[i] = p;
}

static void grow(void)
{
    uintptr_t *old = memory.slots;
    size_t capacity = memory.capacity;
    memory.capacity = capacity ? capacity * 2 : 4096;
    memory.slots = calloc(memory.capacity, sizeof *memory.slots);
    if (!memory.slots) {
        abort();
    }
    for (size_t i = 0; i < capacity; i++) {
        if (old[i]) {
            put(old[i]);
        }
    }
    free(old);
}

static void *born(void *p)
{
    if (p) {
        if (memory.count * 2 >= memory.capacity) {
            grow();
        }
        put((uintptr_t)p);
        memory.count++;
        memory.use.live++;
        memory.use.live_bytes += malloc_usable_size(p);
        if (memory.use.live_bytes > memory.use.peak_bytes) {
            memory.use.peak_bytes = memory.use.live_bytes;
        }
    }
    return p;
}

/* By number, since it may be gone by now. */
static void dies(uintptr_t p, size_t size)
{
    size_t mask = memory.capacity - 1;
    if (p == 0 || memory.capacity == 0) {
        return;
    }
    size_t i = home_of(p);
    while (memory.slots[i] && memory.slots[i] != p) {
        i = (i + 1) & mask;
    }
    if (!memory.slots[i]) {
        return; /* not of the rooms */
    }
    memory.use.live--;
    memory.use.live_bytes -= size;
    memory.count--;
    /* Those behind it that would not be found over a gap move up. */
    for (size_t j = (i + 1) & mask; memory.slots[j]; j = (j + 1) & mask) {
        size_t home = home_of(memory.slots[j]);
        if (((j - home) & mask) >= ((j - i) & mask)) {
            memory.slots[i] = memory.slots[j];
            i = j;
        }
    }
    memory.slots[i] = 0;
}

/* ---- what the rooms call ---------------------------------------------------------------------- */

static bool fails(void)
{
    uint64_t call = memory.use.calls++;
    return call == memory.fail_at || (memory.fails_on && call > memory.fail_at);
}

void *memory_malloc(size_t size)
{
    return fails() ? NULL : born(malloc(size));
}

void *memory_calloc(size_t count, size_t size)
{
    return fails() ? NULL : born(calloc(count, size));
}

void *memory_realloc(void *old, size_t size)
{
    if (fails()) {
        return NULL;
    }
    uintptr_t before = (uintptr_t)old;
    size_t held = malloc_usable_size(old);
    void *p = realloc(old, size);
    if (p) {
        dies(before, held);
    }
    return born(p);
}

char *memory_strdup(const char *text)
{
    return fails() ? NULL : born(strdup(text));
}

char *memory_strndup(const char *text, size_t size)
{
    return fails() ? NULL : born(strndup(text, size));
}

void memory_free(void *p)
{
    dies((uintptr_t)p, malloc_usable_size(p));
    free(p);
}

/* ---- for tests -------------------------------------------------------------------------------- */

struct memory_use memory_use(void)
{
    return memory.use;
}

void memory_begin(void)
{
    memory.use.peak_bytes = memory.use.live_bytes;
}

void memory_fail(uint64_t index, bool lasts)
{
    memory.fail_at = memory.use.calls + index;
    memory.fails_on = lasts;
}

void memory_heal(void)
{
    memory.fail_at = UINT64_MAX;
    memory.fails_on = false;
}
