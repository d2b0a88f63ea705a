/* Changes of names that the disk may not have yet. A directory's entries are on the disk when the directory
 * has been synced; until then a crash keeps some of the changes and loses the others, each as a whole, and
 * none without those it builds upon. */
#ifndef IO_SIM_IO_SIM_JOURNAL_H
#define IO_SIM_IO_SIM_JOURNAL_H

#include "base/dice.h"
#include "io/sim/io_sim_tree.h"

/* How a crash chooses. */
enum io_sim_names_loss {
    IO_SIM_NAMES_LOSE_ALL,
    IO_SIM_NAMES_LOSE_NONE,
    IO_SIM_NAMES_LOSE_LATER, /* all after some moment, as a file system with a journal does */
    IO_SIM_NAMES_LOSE_SOME,  /* any that nothing else builds upon */
    IO_SIM_NAMES_LOSE_KINDS,
};

/* Makes a node with a name in dir, where none of that name may be. */
struct io_sim_node *io_sim_journal_add(struct io_sim_tree *, struct io_sim_node *dir,
                                       const char *name, int type, int64_t wall_ns);
/* The name goes; the node as well once nobody needs it. */
void io_sim_journal_unlink(struct io_sim_tree *, struct io_sim_node *, int64_t wall_ns);
/* Gives it another name; what has that name loses it. */
void io_sim_journal_rename(struct io_sim_tree *, struct io_sim_node *, struct io_sim_node *dir,
                           const char *name, int64_t wall_ns);

/* The directory's entries are on the disk, and all that they build upon. */
void io_sim_journal_sync(struct io_sim_tree *, const struct io_sim_node *dir);
/* Those of every directory above a node. */
void io_sim_journal_sync_above(struct io_sim_tree *, const struct io_sim_node *);
/* Everything is on the disk. */
void io_sim_journal_settle(struct io_sim_tree *);
/* The names become what a crash leaves; nothing may be open. What has no name any more is freed. */
void io_sim_journal_crash(struct io_sim_tree *, enum io_sim_names_loss, struct dice *,
                          int64_t wall_ns);

#endif
