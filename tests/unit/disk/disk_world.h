/* A world for tests of the disk: a temporary directory of the real file system, jobs that run one after the other
 * when the test says so, and faults on demand. */
#ifndef TESTS_UNIT_DISK_DISK_WORLD_H
#define TESTS_UNIT_DISK_DISK_WORLD_H

#include "codec/layout.h"
#include "disk/assembly.h"
#include "io/io.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

struct disk_world {
    struct io io;
    struct io_fs fs;
    struct io *uv; /* the real driver, for its files */
    struct io_fs *real;
    struct list jobs, ends; /* of io_op.link: work, and ends of turns */
    char path[PATH_MAX];    /* the temporary directory */
    /* Faults: the code that the call fails with; 0: it works. */
    int fail_write, fail_read, fail_sync, fail_allocate, fail_open;
    uint64_t fail_write_after; /* bytes that are written before fail_write counts */
    bool no_full_allocation;   /* SPATE_EUNSUPPORTED */
    uint64_t free_bytes;       /* what the file system says; UINT64_MAX: the truth */
    bool warm;                 /* what files have in memory can be known */
    /* What was done. */
    uint64_t written_bytes, read_bytes, fetched_bytes;
    uint32_t fetches, writes, opens_for_writing, file_syncs, directory_syncs;
    uint32_t open_now, open_peak; /* files and directories */
};

struct disk_world *disk_world_create(void);
/* Everything has been closed: no file is open any more. */
void disk_world_destroy(struct disk_world *);
/* Runs one job, or one end of a turn when no job waits; false: nothing waits. */
bool disk_world_step(struct disk_world *);
void disk_world_run(struct disk_world *);

/* Paths below the temporary directory. */
const char *disk_world_path(struct disk_world *, const char *name, char out[PATH_MAX]);
bool disk_world_exists(struct disk_world *, const char *name);
int64_t disk_world_length(struct disk_world *, const char *name); /* -1: not there */
void disk_world_put(struct disk_world *, const char *name, const void *bytes, size_t size);
void disk_world_make_directory(struct disk_world *, const char *name);
void disk_world_link(struct disk_world *, const char *target, const char *name);
/* The file holds exactly these bytes. */
void disk_world_expect(struct disk_world *, const char *name, const void *bytes, size_t size);

/* A torrent of some files with contents that follow from their offset. */
struct disk_torrent {
    struct layout layout;
    const char *const *paths;
    uint32_t file_count;
    uint8_t *bytes; /* all of it, padding zero */
    uint8_t *piece_hashes;
};

struct disk_file {
    const char *path; /* NULL: padding */
    uint64_t length;
};

void disk_torrent_init(struct disk_torrent *, const struct disk_file *, uint32_t count,
                       uint32_t piece_length);
void disk_torrent_deinit(struct disk_torrent *);
/* Bytes of the torrent that belong to a file. */
const uint8_t *disk_torrent_file(const struct disk_torrent *, uint32_t file, size_t *size);

/* Settings of a store for it, below "save" in the temporary directory, with the part file "parts". */
struct store_settings disk_store_settings(struct disk_world *, const struct disk_torrent *,
                                          char save_path[PATH_MAX], char part_path[PATH_MAX]);
/* Operations that are waited for; their status. */
int disk_prepare(struct disk_world *, struct store *, struct store_prepare *);
int disk_look(struct disk_world *, struct store *, struct store_look *);
int disk_sync(struct disk_world *, struct store *, uint32_t *file);
int disk_want(struct disk_world *, struct store *, const uint8_t *wanted);
int disk_want_of(struct disk_world *, struct store *, const uint8_t *wanted,
                 const struct bitset *ours, uint32_t *file);
int disk_read(struct disk_world *, struct store *, uint64_t offset, void *bytes, size_t size,
              uint32_t *file);
int disk_write(struct disk_world *, struct store *, uint64_t offset, const void *bytes, size_t size,
               uint32_t *file);

#endif
