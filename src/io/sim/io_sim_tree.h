/* The names of a simulated disk: a tree of directories, files and symbolic links. */
#ifndef IO_SIM_IO_SIM_TREE_H
#define IO_SIM_IO_SIM_TREE_H

#include "base/list.h"
#include "base/map.h"
#include "io/io.h"
#include "io/sim/io_sim_pages.h"

enum { IO_SIM_NAME_MAX = 255, IO_SIM_PATH_MAX = 4096 };

struct io_sim_node {
    struct list link;           /* of the parent's children, or of io_sim_tree.unnamed */
    struct io_sim_node *parent; /* NULL: the root, or unlinked */
    uint64_t inode;
    uint64_t place;  /* grows along the children; what a listing remembers */
    int type;        /* IO_TYPE_... */
    char *name;      /* owned */
    char *target;    /* owned; of a symbolic link */
    uint64_t length; /* bytes */
    struct io_sim_pages pages;
    int64_t modified_ns, changed_ns;
    uint32_t opens;
    struct io_file *locker; /* NULL: nobody */
    struct list children;   /* in the order they came */
    struct map by_name;     /* hash of the name -> child */
    uint64_t removals;      /* of children */
};

struct io_sim_tree {
    struct io_sim_node *root;
    struct list unnamed; /* of io_sim_node.link: unlinked and still open */
    uint64_t used_pages;
    uint64_t next_inode, next_place;
    uint64_t seed[2];
};

void io_sim_tree_init(struct io_sim_tree *, uint64_t seed);
void io_sim_tree_deinit(struct io_sim_tree *);

struct io_sim_node *io_sim_tree_child(const struct io_sim_tree *, const struct io_sim_node *dir,
                                      const char *name);
struct io_sim_node *io_sim_tree_add(struct io_sim_tree *, struct io_sim_node *dir, const char *name,
                                    int type, int64_t wall_ns);
/* The name goes; the node as well unless it is open. */
void io_sim_tree_remove(struct io_sim_tree *, struct io_sim_node *, int64_t wall_ns);
/* Gives it another name, where none of that name may be. */
void io_sim_tree_move(struct io_sim_tree *, struct io_sim_node *, struct io_sim_node *dir,
                      const char *name, int64_t wall_ns);
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
