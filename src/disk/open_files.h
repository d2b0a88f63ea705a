/* The open payload files of a session: least recently used first out, under one maximum. A file that is in
 * use is never closed; then the maximum may be passed by as many files as there are workers. Any thread;
 * opening and closing files is for workers, but for the last reference that the loop puts. */
#ifndef DISK_OPEN_FILES_H
#define DISK_OPEN_FILES_H

#include "io/io.h"

struct open_files;

struct open_file {
    struct io_file *file; /* for the holder of a reference */
    bool writable;
    /* open_files' own, guarded by its lock */
    bool closing; /* close it with its last reference */
    uint32_t references;
    const void *owner;
    uint32_t index;
    struct list link;
};

int open_files_create(uint32_t limit, struct open_files **out);
/* NULL is allowed. No file is open any more. */
void open_files_destroy(struct open_files *);

/* The open file of (owner, index), now referenced; NULL when there is none, or none for writing. */
struct open_file *open_files_get(struct open_files *, const void *owner, uint32_t index,
                                 bool write);
/* Those that are open, but for replaced ones that are still in use. */
uint32_t open_files_count(struct open_files *);
/* Takes file over and returns it referenced; closes others to stay within the limit. NULL when out of
 * memory: then file is closed. */
struct open_file *open_files_add(struct open_files *, struct io_fs *, const void *owner,
                                 uint32_t index, struct io_file *file, bool writable);
/* Ends a reference. NULL is allowed. */
void open_files_put(struct open_files *, struct io_fs *, struct open_file *);
/* Closes what is not in use: of one owner (the rest of it when it is put), or with owner NULL of all. */
void open_files_close(struct open_files *, struct io_fs *, const void *owner);

#endif
