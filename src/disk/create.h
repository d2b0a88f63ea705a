/* The plan of a torrent that is to be made of a file or a directory: which files, in which order, how long. */
#ifndef DISK_CREATE_H
#define DISK_CREATE_H

#include "base/arena.h"
#include "codec/layout.h"
#include "io/io.h"

struct create_file {
    uint64_t length;
    uint64_t device, inode;
    int64_t modified_ns, changed_ns;
};

struct create {
    struct io_op op;
    const char *path; /* in; lent; as the user gave it, links are followed in it and not below it */
    bool renamed;     /* in; the torrent gets another name than the path's last element */
    /* Out; memory is the arena's. */
    struct arena memory;
    const char *name; /* last element of the path */
    bool single_file;
    const char *save_path; /* directory that the paths are relative to */
    const char *const
        *paths; /* in the order of their elements, byte by byte; '/' between elements */
    struct create_file *files;
    uint32_t file_count;
    uint64_t total_length;
    char text[400]; /* on failure, for people: UTF-8 */
};

/* Walks the path on a worker. Symbolic links and special files below it, names that are not UTF-8 and those that
 * codec/name would change are refused by name: SPATE_ESYMLINK, SPATE_EUNSUPPORTED. SPATE_ELIMIT; SPATE_EINVAL:
 * there are no bytes. */
void create_plan(struct io *, struct create *);
/* Has no file changed since the plan? SPATE_EMISMATCH. */
void create_compare(struct io *, struct create *);
void create_deinit(struct create *);

/* 16 KiB up to 8 MiB in all, 32 KiB up to 32 MiB, 64 KiB up to 128 MiB; beyond, the power of two that makes 1024
 * to 2048 pieces, at most 16 MiB. */
uint32_t create_piece_length(uint64_t total_length);
/* Over the plan's files, which are numbered as they come. SPATE_ELIMIT: too many pieces; SPATE_ENOMEM. */
int create_layout(const struct create *, uint32_t piece_length, struct layout *out);

#endif
