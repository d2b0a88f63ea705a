/* The names of a simulated disk: a tree of directories, files and symbolic links. What has changed in it
 * since a directory was synced is in io_sim_journal. */
#ifndef IO_SIM_IO_SIM_TREE_H
#define IO_SIM_IO_SIM_TREE_H

#include "base/list.h"
#include "base/map.h"
#include "io/io.h"
#include "io/sim/io_sim_pages.h"

enum { IO_SIM_NAME_MAX = 255, IO_SIM_PATH_MAX = 4096 };

/* SQLite's locks on a file; who holds one is an address of its own. */
struct io_sim_sqlite_locks {
    uint32_t shared;
    const void *reserved, *pending, *exclusive; /* NULL: nobody */
};

struct io_sim_node {
    struct list link;           /* of the parent's children, or of io_sim_tree.unnamed */
    struct io_sim_node *parent; /* NULL: the root, or without a name */
    uint64_t inode;
    uint64_t place; /* grows along the children; what a listing remembers */
    int type;       /* IO_TYPE_... */
    char *name;     /* owned */
    char *target;   /* owned; of a symbolic link */
    struct io_sim_pages pages;
    int64_t modified_ns, changed_ns;
    int64_t synced_ns; /* modified_ns as the disk has it */
    uint32_t opens;
    uint64_t counted_pages;          /* of them, in used_pages of the tree */
    uint32_t journaled;              /* entries of the journal that mean it */
    uint64_t stamp, directory_stamp; /* the journal's */
    struct io_file *locker;          /* NULL: nobody */
    struct io_sim_sqlite_locks sqlite;
    struct list children; /* in the order they came */
    struct map by_name;   /* hash of the name -> child */
    uint64_t removals;    /* of children */
};

struct io_sim_tree {
    struct io_sim_node *root;
    struct list unnamed; /* of io_sim_node.link: without a name, but open or in the journal */
    struct list journal; /* of io_sim_entry.link: what the disk may not have, oldest first */
    uint32_t journal_count;
    uint64_t stamp;
    const struct io_sim_payloads *payloads; /* of the world */
    uint64_t used_pages;
    uint64_t next_inode, next_place;
    uint64_t seed[2];
};

void io_sim_tree_init(struct io_sim_tree *, const struct io_sim_payloads *, uint64_t seed);
void io_sim_tree_deinit(struct io_sim_tree *);

struct io_sim_node *io_sim_tree_child(const struct io_sim_tree *, const struct io_sim_node *dir,
                                      const char *name);
/* A node without a name. */
struct io_sim_node *io_sim_tree_make(struct io_sim_tree *, int type, int64_t wall_ns);
/* Gives a name to a node that has none; none of that name may be there. */
void io_sim_tree_attach(struct io_sim_tree *, struct io_sim_node *, struct io_sim_node *dir,
                        const char *name, int64_t wall_ns);
/* The name goes; the node stays until io_sim_tree_drop(). */
void io_sim_tree_detach(struct io_sim_tree *, struct io_sim_node *, int64_t wall_ns);
/* Frees a node that has no name and that nobody needs, with all that is below it. */
void io_sim_tree_drop(struct io_sim_tree *, struct io_sim_node *);
/* The node after this one of all that have a name, directories before what is in them; NULL: none is left. */
struct io_sim_node *io_sim_tree_next(const struct io_sim_tree *, struct io_sim_node *);
/* Whether node is dir, or below it. */
bool io_sim_tree_is_below(const struct io_sim_node *node, const struct io_sim_node *dir);
/* Its pages count as used while it has a name or is open. To be called when they have changed. */
void io_sim_tree_count(struct io_sim_tree *, struct io_sim_node *);
/* One user less; frees a node that has no name either. */
void io_sim_tree_release(struct io_sim_tree *, struct io_sim_node *);

/* Follows one symbolic link, or a path, from a directory. SPATE_ENOENT, SPATE_ENOTDIR, SPATE_ESYMLINK. */
int io_sim_tree_follow(struct io_sim_tree *, struct io_sim_node *from, const char *path,
                       struct io_sim_node **out);
/* The directory of a path's last name, which is copied out; with make, what is missing is made.
 * name is "" for the root itself. */
int io_sim_tree_parent(struct io_sim_tree *, const char *path, bool make, int64_t wall_ns,
                       struct io_sim_node **dir, char name[IO_SIM_NAME_MAX + 1]);
/* The absolute path of a node and, when not NULL, a name below it; "" for one without a name. */
void io_sim_tree_path(const struct io_sim_node *, const char *below, char out[IO_SIM_PATH_MAX]);

/* The absolute path that a path stands for, with links resolved as far as it exists.
 * SPATE_ENAMETOOLONG. */
int io_sim_tree_real_path(struct io_sim_tree *, const char *path, char *out, size_t size);

#endif
