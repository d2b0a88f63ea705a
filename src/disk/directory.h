/* Directories whose names are on the disk. */
#ifndef DISK_DIRECTORY_H
#define DISK_DIRECTORY_H

#include "io/io.h"

/* Makes a directory that is not there, with those above it, and syncs each that gained an entry by that: what
 * is known to be durable must not outlive the way to it. flags (IO_OPEN_PRIVATE, IO_OPEN_FOLLOW) are added to
 * those of the opening. On failure *out is NULL. */
int directory_make(struct io_fs *, const char *path, int flags, struct io_file **out);

#endif
