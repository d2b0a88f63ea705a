/* The memory of the rooms of the house (everything but io/ and the tests): how much of it is in use, and
 * allocations that fail on demand. The rooms are linked into spate-sim with malloc and its kin renamed to the
 * functions of memory.c (see meson.build), so the simulator's own memory is not in question. */
#ifndef TESTS_SIM_MEMORY_H
#define TESTS_SIM_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct memory_use {
    uint64_t calls; /* that took memory, so far */
    uint64_t live;  /* pieces of memory in use */
    uint64_t live_bytes, peak_bytes;
};
struct memory_use memory_use(void);
/* From now on counts the peak anew. */
void memory_begin(void);
/* Fails the index-th call from now on, and with lasts all after it, until memory_heal(). */
void memory_fail(uint64_t index, bool lasts);
void memory_heal(void);

#endif
