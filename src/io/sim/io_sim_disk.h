/* A simulated disk: one synchronous core, call -> result + cost, all in memory. The tree of names is in
 * io_sim_tree, the bytes of a file in io_sim_pages, the file calls of the port in io_sim_disk.c. */
#ifndef IO_SIM_IO_SIM_DISK_H
#define IO_SIM_IO_SIM_DISK_H

#include "io/sim/io_sim.h"
#include "io/sim/io_sim_tree.h"

struct io_sim_host;

/* One of the two views of a disk. */
struct io_sim_fs {
    struct io_fs fs; /* first */
    struct io_sim_host *host;
    bool outside; /* a test's own: no cost, no rule, no log */
};

struct io_sim_disk_state {
    struct io_sim_disk settings;
    struct io_sim_tree tree;
    struct io_sim_fs inside, outside;
    uint64_t calls;
    int64_t free_ns;   /* when the disk has moved all it was given */
    int64_t job_ns;    /* cost of the job that runs, so far */
    struct list files; /* of io_file.link: open */
    io_sim_disk_rule *rule;
    void *rule_user;
};

void io_sim_disk_init(struct io_sim_disk_state *, struct io_sim_host *);
/* Closes what is open and frees the tree. */
void io_sim_disk_deinit(struct io_sim_disk_state *);

#endif
