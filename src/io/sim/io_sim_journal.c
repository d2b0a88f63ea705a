/* The journal of names. Each entry takes a node from one place, or puts it at one, or both (a rename is one
 * entry, and what it replaces goes with it). A crash undoes all entries, newest first, and does those again
 * that it keeps. An entry builds upon the earlier ones of the same node, of the directories it is about and
 * of the same name in the same directory. */
#include "io/sim/io_sim_journal.h"

#include "base/error.h"

#include <stdlib.h>

enum {
    ENTRIES_MAX = 4096
}; /* more: the oldest are on the disk, as the kernel does in its own time */

struct io_sim_entry {
    struct list link;
    struct io_sim_node *node;
    struct io_sim_node *from, *to; /* directories; NULL: it was made, or removed */
    struct io_sim_node *victim;    /* that had the name; NULL: none had */
    char *from_name, *to_name;     /* owned */
    bool kept;
};

static char *copy_text(const char *text)
{
    char *copy = strdup(text);
    ASSERT(copy);
    return copy;
}

static void need(struct io_sim_node *node)
{
    if (node) {
        node->journaled++;
    }
}

static void need_no_more(struct io_sim_node *node)
{
    if (node) {
        node->journaled--;
    }
}

static void entry_destroy(struct io_sim_tree *tree, struct io_sim_entry *e)
{
    list_remove(&e->link);
    tree->journal_count--;
    need_no_more(e->node);
    need_no_more(e->victim);
    need_no_more(e->from);
    need_no_more(e->to);
    free(e->from_name);
    free(e->to_name);
    free(e);
}

/* The entry is over: it is on the disk. */
static void entry_end(struct io_sim_tree *tree, struct io_sim_entry *e)
{
    struct io_sim_node *nodes[] = {e->node, e->victim, e->from, e->to};
    entry_destroy(tree, e);
    for (int i = 0; i < 4; i++) {
        bool seen = !nodes[i];
        for (int j = 0; j < i; j++) {
            seen |= nodes[j] == nodes[i];
        }
        if (!seen) {
            io_sim_tree_drop(tree, nodes[i]);
        }
    }
}

static struct io_sim_entry *entry_add(struct io_sim_tree *tree, struct io_sim_node *node,
                                      struct io_sim_node *from, const char *from_name,
                                      struct io_sim_node *to, const char *to_name)
{
    struct io_sim_entry *e = calloc(1, sizeof *e);
    ASSERT(e);
    e->node = node;
    e->from = from;
    e->to = to;
    e->from_name = from ? copy_text(from_name) : NULL;
    e->to_name = to ? copy_text(to_name) : NULL;
    e->victim = to ? io_sim_tree_child(tree, to, to_name) : NULL;
    need(node);
    need(from);
    need(to);
    need(e->victim);
    if (tree->journal_count == ENTRIES_MAX) {
        entry_end(tree, list_entry(list_first(&tree->journal), struct io_sim_entry, link));
    }
    list_push_back(&tree->journal, &e->link);
    tree->journal_count++;
    return e;
}

static void apply(struct io_sim_tree *tree, const struct io_sim_entry *e, int64_t wall_ns)
{
    if (e->victim) {
        io_sim_tree_detach(tree, e->victim, wall_ns);
    }
    if (e->from) {
        io_sim_tree_detach(tree, e->node, wall_ns);
    }
    if (e->to) {
        io_sim_tree_attach(tree, e->node, e->to, e->to_name, wall_ns);
    }
}

static void undo(struct io_sim_tree *tree, const struct io_sim_entry *e, int64_t wall_ns)
{
    if (e->to) {
        io_sim_tree_detach(tree, e->node, wall_ns);
    }
    if (e->from) {
        io_sim_tree_attach(tree, e->node, e->from, e->from_name, wall_ns);
    }
    if (e->victim) {
        io_sim_tree_attach(tree, e->victim, e->to, e->to_name, wall_ns);
    }
}

struct io_sim_node *io_sim_journal_add(struct io_sim_tree *tree, struct io_sim_node *dir,
                                       const char *name, int type, int64_t wall_ns)
{
    struct io_sim_node *node = io_sim_tree_make(tree, type, wall_ns);
    apply(tree, entry_add(tree, node, NULL, NULL, dir, name), wall_ns);
    return node;
}

void io_sim_journal_unlink(struct io_sim_tree *tree, struct io_sim_node *node, int64_t wall_ns)
{
    apply(tree, entry_add(tree, node, node->parent, node->name, NULL, NULL), wall_ns);
}

void io_sim_journal_rename(struct io_sim_tree *tree, struct io_sim_node *node,
                           struct io_sim_node *dir, const char *name, int64_t wall_ns)
{
    apply(tree, entry_add(tree, node, node->parent, node->name, dir, name), wall_ns);
}

/* ---- syncing ---------------------------------------------------------------------------------- */

static bool is_stamped(const struct io_sim_tree *tree, const struct io_sim_node *node)
{
    return node && node->stamp == tree->stamp;
}

static void stamp(const struct io_sim_tree *tree, struct io_sim_node *node)
{
    if (node) {
        node->stamp = tree->stamp;
    }
}

static bool is_in(const struct io_sim_tree *tree, const struct io_sim_node *dir)
{
    return dir && dir->directory_stamp == tree->stamp;
}

static void stamp_directory(const struct io_sim_tree *tree, struct io_sim_node *dir)
{
    if (dir) {
        dir->directory_stamp = tree->stamp;
    }
}

/* An entry of the directory brings with it every earlier one of the same node, and of the other directory
 * that it is about. Its own name is in the directory above. */
void io_sim_journal_sync(struct io_sim_tree *tree, const struct io_sim_node *dir)
{
    tree->stamp++;
    for (struct list *link = tree->journal.prev; link != &tree->journal; link = link->prev) {
        struct io_sim_entry *e = list_entry(link, struct io_sim_entry, link);
        e->kept = e->from == dir || e->to == dir || is_stamped(tree, e->node) ||
                  is_in(tree, e->from) || is_in(tree, e->to);
        if (e->kept) {
            stamp(tree, e->node);
            stamp_directory(tree, e->from);
            stamp_directory(tree, e->to);
        }
    }
    list_for_each_safe (link, &tree->journal) {
        struct io_sim_entry *e = list_entry(link, struct io_sim_entry, link);
        if (e->kept) {
            entry_end(tree, e);
        }
    }
}

void io_sim_journal_sync_above(struct io_sim_tree *tree, const struct io_sim_node *node)
{
    for (; node->parent; node = node->parent) {
        io_sim_journal_sync(tree, node->parent);
    }
}

void io_sim_journal_settle(struct io_sim_tree *tree)
{
    struct list *link;
    while ((link = list_first(&tree->journal))) {
        entry_end(tree, list_entry(link, struct io_sim_entry, link));
    }
}

/* ---- crashing --------------------------------------------------------------------------------- */

static void choose(struct io_sim_tree *tree, enum io_sim_names_loss loss, struct dice *dice)
{
    uint32_t keep = loss == IO_SIM_NAMES_LOSE_ALL    ? 0
                    : loss == IO_SIM_NAMES_LOSE_NONE ? tree->journal_count
                                                     : dice_below(dice, tree->journal_count + 1);
    uint32_t odds = 1 + dice_below(dice, 7), at = 0;
    list_for_each (link, &tree->journal) {
        struct io_sim_entry *e = list_entry(link, struct io_sim_entry, link);
        e->kept = loss == IO_SIM_NAMES_LOSE_SOME ? dice_below(dice, 8) < odds : at < keep;
        at++;
    }
}

static uint64_t slot_key(const struct io_sim_node *dir, const char *name)
{
    const uint64_t seed[2] = {dir->inode, 0x736c6f74};
    return map_siphash(seed, name, strlen(name));
}

static bool slot_needed(const struct map *slots, const struct io_sim_node *dir, const char *name)
{
    uint64_t key = dir ? slot_key(dir, name) : 0;
    return dir && map_get(slots, &key);
}

static void slot_need(struct map *slots, struct io_sim_node *dir, const char *name)
{
    if (dir) {
        uint64_t key = slot_key(dir, name);
        ASSERT(map_put(slots, &key, dir) == 0);
    }
}

/* What is kept keeps what it builds upon. */
static void close_choice(struct io_sim_tree *tree)
{
    struct map slots;
    map_init(&slots, sizeof(uint64_t), tree->seed);
    tree->stamp++;
    for (struct list *link = tree->journal.prev; link != &tree->journal; link = link->prev) {
        struct io_sim_entry *e = list_entry(link, struct io_sim_entry, link);
        e->kept = e->kept || is_stamped(tree, e->node) || is_stamped(tree, e->victim) ||
                  slot_needed(&slots, e->from, e->from_name) ||
                  slot_needed(&slots, e->to, e->to_name);
        if (e->kept) {
            stamp(tree, e->node);
            stamp(tree, e->victim);
            stamp(tree, e->from);
            stamp(tree, e->to);
            slot_need(&slots, e->from, e->from_name);
            slot_need(&slots, e->to, e->to_name);
        }
    }
    map_deinit(&slots);
}

/* Two moves of directories of which only the later is kept could make one lie in itself. */
static bool is_possible(const struct io_sim_entry *e)
{
    return !e->to || e->node->type != IO_TYPE_DIRECTORY || !io_sim_tree_is_below(e->to, e->node);
}

static void undo_and_redo(struct io_sim_tree *tree, int64_t wall_ns)
{
    for (struct list *link = tree->journal.prev; link != &tree->journal; link = link->prev) {
        undo(tree, list_entry(link, struct io_sim_entry, link), wall_ns);
    }
    bool possible = true;
    list_for_each (link, &tree->journal) {
        const struct io_sim_entry *e = list_entry(link, struct io_sim_entry, link);
        possible = possible && (!e->kept || is_possible(e));
        if (e->kept && possible) {
            apply(tree, e, wall_ns);
        }
    }
}

void io_sim_journal_crash(struct io_sim_tree *tree, enum io_sim_names_loss loss, struct dice *dice,
                          int64_t wall_ns)
{
    struct list *link;
    choose(tree, loss, dice);
    close_choice(tree);
    undo_and_redo(tree, wall_ns);
    while ((link = list_first(&tree->journal))) {
        entry_destroy(tree, list_entry(link, struct io_sim_entry, link));
    }
    while ((link = list_first(&tree->unnamed))) {
        io_sim_tree_drop(tree, list_entry(link, struct io_sim_node, link));
    }
}
