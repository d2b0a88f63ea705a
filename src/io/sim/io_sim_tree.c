/* The tree of names. A directory finds a child by the hash of its name and lists its children in the
 * order in which they came, so that a listing is the same in every run. */
#include "io/sim/io_sim_tree.h"

#include "base/error.h"
#include "io/path.h"
#include "io/sim/io_sim_journal.h"

#include <stdio.h>
#include <stdlib.h>

enum { LINKS_MAX = 40 }; /* symbolic links on one path, as Linux */

static uint64_t name_key(const struct io_sim_tree *tree, const char *name)
{
    return map_siphash(tree->seed, name, strlen(name));
}

static char *copy_text(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = malloc(size);
    ASSERT(copy);
    memcpy(copy, text, size);
    return copy;
}

struct io_sim_node *io_sim_tree_make(struct io_sim_tree *tree, int type, int64_t wall_ns)
{
    struct io_sim_node *node = calloc(1, sizeof *node);
    ASSERT(node);
    list_init(&node->link);
    list_init(&node->children);
    map_init(&node->by_name, sizeof(uint64_t), tree->seed);
    io_sim_pages_init(&node->pages, tree->payloads);
    node->type = type;
    node->inode = ++tree->next_inode;
    node->modified_ns = node->changed_ns = node->synced_ns = wall_ns;
    return node;
}

void io_sim_tree_count(struct io_sim_tree *tree, struct io_sim_node *node)
{
    uint64_t pages = node->parent || node->opens > 0 ? node->pages.count : 0;
    tree->used_pages += pages;
    tree->used_pages -= node->counted_pages;
    node->counted_pages = pages;
}

static void node_destroy(struct io_sim_tree *tree, struct io_sim_node *node)
{
    tree->used_pages -= node->counted_pages;
    list_remove(&node->link);
    io_sim_pages_deinit(&node->pages);
    map_deinit(&node->by_name);
    free(node->name);
    free(node->target);
    free(node);
}

/* With all that is below it. */
static void destroy_all(struct io_sim_tree *tree, struct io_sim_node *top)
{
    struct io_sim_node *node = top;
    bool is_top = false;
    while (!is_top) {
        struct list *child = list_first(&node->children);
        if (child) {
            node = list_entry(child, struct io_sim_node, link);
            continue;
        }
        struct io_sim_node *parent = node->parent;
        is_top = node == top;
        node_destroy(tree, node);
        node = parent;
    }
}

void io_sim_tree_init(struct io_sim_tree *tree, const struct io_sim_payloads *payloads,
                      uint64_t seed)
{
    *tree = (struct io_sim_tree){.payloads = payloads, .seed = {seed, 0x74726565}};
    list_init(&tree->unnamed);
    list_init(&tree->journal);
    tree->root = io_sim_tree_make(tree, IO_TYPE_DIRECTORY, 0);
}

void io_sim_tree_deinit(struct io_sim_tree *tree)
{
    ASSERT(list_empty(&tree->unnamed) && list_empty(&tree->journal));
    destroy_all(tree, tree->root);
}

struct io_sim_node *io_sim_tree_child(const struct io_sim_tree *tree, const struct io_sim_node *dir,
                                      const char *name)
{
    uint64_t key = name_key(tree, name);
    struct io_sim_node *child = map_get(&dir->by_name, &key);
    return child && strcmp(child->name, name) == 0 ? child : NULL;
}

void io_sim_tree_attach(struct io_sim_tree *tree, struct io_sim_node *node, struct io_sim_node *dir,
                        const char *name, int64_t wall_ns)
{
    uint64_t key = name_key(tree, name);
    ASSERT(!node->parent && !map_get(&dir->by_name, &key));
    ASSERT(map_put(&dir->by_name, &key, node) == 0);
    list_remove(&node->link);
    node->parent = dir;
    node->name = copy_text(name);
    node->place = ++tree->next_place;
    node->changed_ns = wall_ns;
    dir->modified_ns = dir->changed_ns = wall_ns;
    list_push_back(&dir->children, &node->link);
    io_sim_tree_count(tree, node);
}

void io_sim_tree_detach(struct io_sim_tree *tree, struct io_sim_node *node, int64_t wall_ns)
{
    uint64_t key = name_key(tree, node->name);
    map_remove(&node->parent->by_name, &key);
    node->parent->removals++;
    node->parent->modified_ns = node->parent->changed_ns = wall_ns;
    node->changed_ns = wall_ns;
    node->parent = NULL;
    free(node->name);
    node->name = NULL;
    list_remove(&node->link);
    list_push_back(&tree->unnamed, &node->link);
    io_sim_tree_count(tree, node);
}

void io_sim_tree_drop(struct io_sim_tree *tree, struct io_sim_node *node)
{
    if (!node->parent && node != tree->root && node->opens == 0 && node->journaled == 0) {
        destroy_all(tree, node);
    }
}

void io_sim_tree_release(struct io_sim_tree *tree, struct io_sim_node *node)
{
    node->opens--;
    io_sim_tree_count(tree, node);
    io_sim_tree_drop(tree, node);
}

struct io_sim_node *io_sim_tree_next(const struct io_sim_tree *tree, struct io_sim_node *node)
{
    struct list *child = list_first(&node->children);
    if (child) {
        return list_entry(child, struct io_sim_node, link);
    }
    while (node != tree->root && node->link.next == &node->parent->children) {
        node = node->parent;
    }
    return node == tree->root ? NULL : list_entry(node->link.next, struct io_sim_node, link);
}

bool io_sim_tree_is_below(const struct io_sim_node *node, const struct io_sim_node *dir)
{
    while (node && node != dir) {
        node = node->parent;
    }
    return node != NULL;
}

/* ---- paths ------------------------------------------------------------------------------------ */

/* Cuts the next name off a path. False at its end; SPATE_ENAMETOOLONG in *rc. */
static bool next_name(const char **path, char name[IO_SIM_NAME_MAX + 1], int *rc)
{
    *path += strspn(*path, "/");
    size_t size = strcspn(*path, "/");
    if (size > IO_SIM_NAME_MAX) {
        *rc = SPATE_ENAMETOOLONG;
        return false;
    }
    memcpy(name, *path, size);
    name[size] = 0;
    *path += size;
    return size > 0;
}

int io_sim_tree_follow(struct io_sim_tree *tree, struct io_sim_node *from, const char *path,
                       struct io_sim_node **out)
{
    char rest[IO_SIM_PATH_MAX], name[IO_SIM_NAME_MAX + 1];
    struct io_sim_node *at = path[0] == '/' ? tree->root : from;
    const char *next = rest;
    int links = 0, rc = 0;
    *out = NULL;
    if ((size_t)snprintf(rest, sizeof rest, "%s", path) >= sizeof rest) {
        return SPATE_ENAMETOOLONG;
    }
    while (next_name(&next, name, &rc)) {
        if (at->type != IO_TYPE_DIRECTORY) {
            return SPATE_ENOTDIR;
        }
        if (strcmp(name, ".") == 0) {
            continue;
        }
        if (strcmp(name, "..") == 0) {
            at = at->parent ? at->parent : at;
            continue;
        }
        struct io_sim_node *child = io_sim_tree_child(tree, at, name);
        if (!child) {
            return SPATE_ENOENT;
        }
        if (child->type != IO_TYPE_SYMLINK) {
            at = child;
            continue;
        }
        char joined[IO_SIM_PATH_MAX];
        int size = snprintf(joined, sizeof joined, "%s/%s", child->target, next);
        if (++links > LINKS_MAX || (size_t)size >= sizeof joined) {
            return links > LINKS_MAX ? SPATE_ESYMLINK : SPATE_ENAMETOOLONG;
        }
        memcpy(rest, joined, (size_t)size + 1);
        next = rest;
        at = rest[0] == '/' ? tree->root : at;
    }
    *out = rc == 0 ? at : NULL;
    return rc;
}

int io_sim_tree_parent(struct io_sim_tree *tree, const char *path, bool make, int64_t wall_ns,
                       struct io_sim_node **dir, char name[IO_SIM_NAME_MAX + 1])
{
    struct io_sim_node *at = tree->root;
    char next[IO_SIM_NAME_MAX + 1];
    int rc = 0;
    name[0] = 0;
    while (next_name(&path, next, &rc)) {
        if (name[0]) {
            struct io_sim_node *below;
            rc = io_sim_tree_follow(tree, at, name, &below);
            if (rc == SPATE_ENOENT && make && !io_sim_tree_child(tree, at, name)) {
                below = io_sim_journal_add(tree, at, name, IO_TYPE_DIRECTORY, wall_ns);
                rc = 0;
            }
            if (rc == 0 && below->type != IO_TYPE_DIRECTORY) {
                rc = SPATE_ENOTDIR;
            }
            if (rc < 0) {
                return rc;
            }
            at = below;
        }
        memcpy(name, next, sizeof next);
    }
    *dir = at;
    return rc;
}

void io_sim_tree_path(const struct io_sim_node *node, const char *below, char out[IO_SIM_PATH_MAX])
{
    char text[IO_SIM_PATH_MAX];
    size_t at = sizeof text - 1;
    text[at] = 0;
    for (; below || (node && node->name); node = below ? node : node->parent, below = NULL) {
        const char *name = below ? below : node->name;
        size_t size = strlen(name);
        if (size + 1 > at) {
            break;
        }
        at -= size;
        memcpy(text + at, name, size);
        text[--at] = '/';
    }
    memcpy(out, text + at, sizeof text - at);
}

int io_sim_tree_real_path(struct io_sim_tree *tree, const char *path, char *out, size_t size)
{
    char prefix[IO_SIM_PATH_MAX], real[IO_SIM_PATH_MAX];
    size_t cut = strlen(path);
    struct io_sim_node *node;
    if (cut >= sizeof prefix) {
        return SPATE_ENAMETOOLONG;
    }
    memcpy(prefix, path, cut + 1);
    while (io_sim_tree_follow(tree, tree->root, prefix, &node) < 0) {
        while (cut > 0 && prefix[cut - 1] == '/') {
            cut--;
        }
        while (cut > 0 && prefix[cut - 1] != '/') {
            cut--;
        }
        prefix[cut] = 0;
    }
    io_sim_tree_path(node, NULL, real);
    size_t length = strlen(real);
    if (length >= size) {
        return SPATE_ENAMETOOLONG;
    }
    memcpy(out, real, length);
    return path_append(out, size, length, path + cut);
}
