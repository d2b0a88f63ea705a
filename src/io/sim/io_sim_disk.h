/* A simulated disk: one synchronous core, call -> result + cost, all in memory. The tree of names is in
 * io_sim_tree, what the disk may not have of it yet in io_sim_journal, the bytes of a file in io_sim_pages;
 * the file calls of the port are in io_sim_disk.c and io_sim_disk_names.c, SQLite's in io_sim_sqlite.c. */
#ifndef IO_SIM_IO_SIM_DISK_H
#define IO_SIM_IO_SIM_DISK_H

#include "io/sim/io_sim.h"
#include "io/sim/io_sim_journal.h"
#include "io/sim/io_sim_tree.h"

struct io_sim_host;
struct io_sim_sqlite;

/* One of the two views of a disk. */
struct io_sim_fs {
    struct io_fs fs; /* first */
    struct io_sim_host *host;
    bool outside; /* a test's own: no cost, no rule, no log, and on the disk at once */
};

struct io_file {
    struct list link;         /* of io_sim_disk_state.files */
    struct io_sim_node *node; /* NULL: the process that had it open is gone */
    int flags;
    bool
        is_opaque; /* what is written into it holds chance of another world: the log notes only its size */
    /* Where a listing stands, while removals of the directory says that it is still there. */
    struct io_sim_node *listed;
    uint64_t removals;
};

struct io_sim_disk_state {
    struct io_sim_disk settings;
    struct io_sim_tree *tree; /* owned; NULL: a restarted host has taken it over */
    uint64_t device;          /* its number, for as many lives as the host has */
    struct io_sim_fs inside, outside;
    struct dice dice; /* what a crash loses */
    uint64_t calls;
    uint64_t crash_at;           /* the power fails before this call; UINT64_MAX: before none */
    uint64_t fail_at, fail_last; /* calls that fail, with fail_error; fail_at UINT64_MAX: none */
    int fail_error;
    bool dead;         /* the process is gone: every call from inside fails */
    int64_t free_ns;   /* when the disk has moved all it was given */
    int64_t job_ns;    /* cost of the job that runs, so far */
    struct list files; /* of io_file.link: open */
    io_sim_disk_rule *rule;
    void *rule_user;
    enum io_sim_mount mount;
    char *mount_path; /* owned; NULL: none was named */
};

/* What the disks of a world share. */
struct io_sim_disks {
    struct io_sim_payloads payloads;
    struct io_sim_sqlite *sqlite;
    struct io_sim_host *working; /* whose job runs; NULL: none does */
};

void io_sim_disks_init(struct io_sim_disks *, struct io_sim *);
void io_sim_disks_deinit(struct io_sim_disks *);

void io_sim_disk_init(struct io_sim_disk_state *, struct io_sim_host *);
/* Closes what is open and frees the tree. */
void io_sim_disk_deinit(struct io_sim_disk_state *);

/* The process is gone: its files are closed, and no call of it does anything any more. */
void io_sim_disk_kill(struct io_sim_disk_state *);
/* The power has failed: what was not synced survives or not, as the dice fall. After io_sim_disk_kill(). */
void io_sim_disk_lose(struct io_sim_disk_state *);
/* Another host goes on with this one's tree and settings. */
void io_sim_disk_take_over(struct io_sim_disk_state *, struct io_sim_disk_state *from);

/* ---- what the files of the disk share ---------------------------------------------------------- */

/* A call by handle, or by a name below it (or below the root, when file is NULL). */
struct io_sim_disk_ask {
    enum io_sim_disk_kind kind;
    const struct io_file *file;
    const char *name; /* NULL: the handle itself */
    uint64_t offset, length;
};
/* Begins a call: counts it, charges its latency and asks who may refuse it. < 0: it has failed. fault is
 * zeroed. */
int64_t io_sim_disk_begin(struct io_fs *, const struct io_sim_disk_ask *,
                          struct io_sim_disk_fault *fault);
/* The same for calls that cannot be half done. */
int io_sim_disk_ask(struct io_fs *, enum io_sim_disk_kind, const struct io_file *, const char *name,
                    uint64_t length);
/* The disk moves so many bytes, after what it was given before. */
void io_sim_disk_charge(struct io_fs *, uint64_t bytes);
void io_sim_disk_note(struct io_fs *, enum io_sim_disk_kind, uint64_t length, int64_t status,
                      uint64_t bytes);
/* Notes a call by the name it is about, and returns its result. */
int io_sim_disk_noted(struct io_fs *, enum io_sim_disk_kind, const char *name, int status);
/* SPATE_EINVAL, SPATE_ENAMETOOLONG. */
int io_sim_disk_check_name(const char *name);
/* What is written from outside is on the disk at once, with every directory above it. */
void io_sim_disk_settle(struct io_fs *, struct io_sim_node *);
/* Opens or makes one name of a directory. */
int io_sim_disk_open_child(struct io_fs *, struct io_sim_node *dir, const char *name, int flags,
                           struct io_file **out);
int64_t io_sim_disk_wall_ns(struct io_fs *);

/* Calls by name. */
int io_sim_disk_stat(struct io_fs *, struct io_file *, struct io_stat *out);
int io_sim_disk_stat_at(struct io_fs *, struct io_file *dir, const char *name, struct io_stat *out);
int io_sim_disk_rename(struct io_fs *, struct io_file *dir, const char *from,
                       struct io_file *to_dir, const char *to);
int io_sim_disk_unlink(struct io_fs *, struct io_file *dir, const char *name);
int io_sim_disk_list(struct io_fs *, struct io_file *dir, uint64_t *cursor, char *name,
                     size_t size);
int io_sim_disk_space(struct io_fs *, struct io_file *dir, uint64_t *free_bytes);
int io_sim_disk_name_max(struct io_fs *, struct io_file *dir);
int io_sim_disk_lock(struct io_fs *, struct io_file *);
int io_sim_disk_real_path(struct io_fs *, const char *path, char *out, size_t size);

static inline struct io_sim_fs *io_sim_view(struct io_fs *fs)
{
    return (struct io_sim_fs *)(void *)fs;
}

static inline uint64_t io_sim_disk_pages(const struct io_sim_disk_state *disk)
{
    return disk->settings.capacity_bytes / IO_SIM_PAGE_BYTES;
}

/* What a file holds just now, for sending it: no call of the disk's. Returns how much is there; *is_payload: all of
 * the stretch is, at *place, and bytes are not filled in. */
uint64_t io_sim_disk_peek(const struct io_file *, uint64_t offset, uint8_t *bytes, uint64_t size,
                          struct io_sim_payload_place *place, bool *is_payload);

#endif
