/* One simulated host, jobs on its disk, crashes: what the tests of disks share. */
#ifndef TESTS_SIM_DISK_SCENE_H
#define TESTS_SIM_DISK_SCENE_H

#include "io/sim/io_sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>

struct disk_scene {
    struct io_sim *sim;
    struct io *io; /* of the present life */
};

void disk_scene_open(struct disk_scene *, uint64_t seed);
void disk_scene_close(struct disk_scene *);
/* Runs body as a job of the host and returns its status. */
int disk_scene_work(struct disk_scene *, int (*body)(struct io_fs *, void *user), void *user);
/* Crashes the host unless it has crashed, and restarts it. */
void disk_scene_crash(struct disk_scene *, enum io_sim_crash);

/* Parts of jobs. All return SPATE_E... */
int disk_write(struct io_fs *, const char *path, uint64_t offset, const void *bytes, size_t size,
               bool sync);
int disk_sync_directory(struct io_fs *, const char *path);
int disk_rename(struct io_fs *, const char *directory, const char *from, const char *to);
int disk_unlink(struct io_fs *, const char *directory, const char *name);

/* From outside: the length, -1 when there is none. */
int64_t disk_length(struct disk_scene *, const char *path);
/* The byte at offset of a file, -1 beyond its end or without one. */
int disk_byte(struct disk_scene *, const char *path, uint64_t offset);

#endif
