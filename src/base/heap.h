/* A heap of deadlines: intrusive, so that arming a timer never fails, and any member can be removed.
 * Equal deadlines leave in the order they were armed, which keeps simulations reproducible. */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
    int64_t key;       /* smallest leaves first */
    uint64_t sequence; /* the heap's; order among equals */
    /* The first of those that are not before it, and its neighbours below one node; the first of
     * them has that node for previous. */
    struct heap_node *child, *next, *previous;
};

struct heap {
    struct heap_node *root;
    size_t count;
    uint64_t sequence;
};

/* node must be in no heap. O(1). */
void heap_insert(struct heap *, struct heap_node *node, int64_t key);
/* node must be in this heap. O(log n) on the average of a run. */
void heap_remove(struct heap *, struct heap_node *node);
/* The node with the smallest key, or NULL. */
static inline struct heap_node *heap_min(const struct heap *h)
{
    return h->root;
}

#endif
