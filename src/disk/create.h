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
    char text[240]; /* on failure, for people: UTF-8 */
};

/* Walks the path on a worker. Symbolic links and special files below it, and names that are not UTF-8, are
 * refused by name: SPATE_ESYMLINK, SPATE_EUNSUPPORTED. SPATE_ELIMIT; SPATE_EINVAL: there are no bytes. */
void create_plan(struct io *, struct create *);
/* Has no file changed since the plan? SPATE_EMISMATCH. */
void create_compare(struct io *, struct create *);
void create_deinit(struct create *);

/* A power of two from 16 KiB to 16 MiB that makes 1000 to 2000 pieces, where that is possible. */
uint32_t create_piece_length(uint64_t total_length);
/* Over the plan's files, which are numbered as they come. SPATE_ELIMIT: too many pieces; SPATE_ENOMEM. */
int create_layout(const struct create *, uint32_t piece_length, struct layout *out);

#endif
