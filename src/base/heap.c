/* A binary heap in pointers: the path to the n-th place is read off the bits of n, so no array has to
 * grow and inserting cannot fail. */
#include "base/heap.h"

#include "base/error.h"

static bool before(const struct heap_node *a, const struct heap_node *b)
{
    return a->key < b->key || (a->key == b->key && a->sequence < b->sequence);
}

/* The link that holds (or will hold) place number n, counted from 1; *parent is the node that owns it. */
static struct heap_node **place(struct heap *h, size_t n, struct heap_node **parent)
{
    struct heap_node **link = &h->root;
    *parent = NULL;
    int depth = 63 - __builtin_clzll(n);
    for (int bit = depth - 1; bit >= 0; bit--) {
        *parent = *link;
        link = (n >> bit) & 1 ? &(*link)->right : &(*link)->left;
    }
    return link;
}

static void set_parents(struct heap_node *node)
{
    if (node->left) {
        node->left->parent = node;
    }
    if (node->right) {
        node->right->parent = node;
    }
}

static struct heap_node **link_to(struct heap *h, struct heap_node *node)
{
    if (!node->parent) {
        return &h->root;
    }
    return node->parent->left == node ? &node->parent->left : &node->parent->right;
}

/* Exchanges a node with its child. */
static void swap_down(struct heap *h, struct heap_node *node, struct heap_node *child)
{
    struct heap_node **link = link_to(h, node);
    struct heap_node *left = child->left, *right = child->right;
    child->parent = node->parent;
    *link = child;
    if (node->left == child) {
        child->left = node;
        child->right = node->right;
    } else {
        child->right = node;
        child->left = node->left;
    }
    node->left = left;
    node->right = right;
    set_parents(node);
    set_parents(child);
}

static void sift_up(struct heap *h, struct heap_node *node)
{
    while (node->parent && before(node, node->parent)) {
        swap_down(h, node->parent, node);
    }
}

static void sift_down(struct heap *h, struct heap_node *node)
{
    for (;;) {
        struct heap_node *least = node;
        if (node->left && before(node->left, least)) {
            least = node->left;
        }
        if (node->right && before(node->right, least)) {
            least = node->right;
        }
        if (least == node) {
            return;
        }
        swap_down(h, node, least);
    }
}

void heap_insert(struct heap *h, struct heap_node *node, int64_t key)
{
    *node = (struct heap_node){.key = key, .sequence = h->sequence++};
    h->count++;
    struct heap_node *parent;
    struct heap_node **link = place(h, h->count, &parent);
    node->parent = parent;
    *link = node;
    sift_up(h, node);
}

void heap_remove(struct heap *h, struct heap_node *node)
{
    ASSERT(h->count > 0);
    struct heap_node *parent;
    struct heap_node **last_link = place(h, h->count, &parent);
    struct heap_node *last = *last_link;
    *last_link = NULL;
    h->count--;
    if (last == node) {
        return;
    }
    last->left = node->left;
    last->right = node->right;
    last->parent = node->parent;
    *link_to(h, node) = last; /* still finds the place: the parent points at node */
    set_parents(last);
    sift_up(h, last);
    sift_down(h, last);
}
