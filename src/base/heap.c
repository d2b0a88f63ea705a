/* A pairing heap: a tree in which no node is before the one above it. Inserting compares once with the
 * root. What a removed node leaves behind is merged two by two, then from the last pair to the first,
 * which is what keeps the average removal logarithmic. */
#include "base/heap.h"

#include "base/error.h"

static bool before(const struct heap_node *a, const struct heap_node *b)
{
    return a->key < b->key || (a->key == b->key && a->sequence < b->sequence);
}

/* Two trees become one. */
static struct heap_node *meld(struct heap_node *a, struct heap_node *b)
{
    struct heap_node *top = before(b, a) ? b : a, *below = top == a ? b : a;
    below->previous = top;
    below->next = top->child;
    if (top->child) {
        top->child->previous = below;
    }
    top->child = below;
    return top;
}

/* All trees of a chain of neighbours become one; NULL when there is none. */
static struct heap_node *meld_all(struct heap_node *first)
{
    struct heap_node *pairs = NULL, *whole = NULL;
    while (first) {
        struct heap_node *a = first, *b = a->next;
        first = b ? b->next : NULL;
        struct heap_node *pair = b ? meld(a, b) : a;
        pair->next = pairs;
        pairs = pair;
    }
    while (pairs) {
        struct heap_node *pair = pairs;
        pairs = pair->next;
        whole = whole ? meld(whole, pair) : pair;
    }
    if (whole) {
        whole->next = whole->previous = NULL;
    }
    return whole;
}

void heap_insert(struct heap *h, struct heap_node *node, int64_t key)
{
    *node = (struct heap_node){.key = key, .sequence = h->sequence++};
    h->root = h->root ? meld(h->root, node) : node;
    h->count++;
}

void heap_remove(struct heap *h, struct heap_node *node)
{
    ASSERT(h->count > 0);
    h->count--;
    struct heap_node *rest = meld_all(node->child);
    if (node == h->root) {
        h->root = rest;
        return;
    }
    if (node->previous->child == node) {
        node->previous->child = node->next;
    } else {
        node->previous->next = node->next;
    }
    if (node->next) {
        node->next->previous = node->previous;
    }
    if (rest) {
        h->root = meld(h->root, rest);
    }
}
