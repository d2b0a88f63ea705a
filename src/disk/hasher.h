/* What workers do with a frame: hash its chunks in order, give the verdict, write, spill. */
#ifndef DISK_HASHER_H
#define DISK_HASHER_H

#include "disk/frame.h"

/* Jobs: run(op, fs) of a frame's operation. A failure is that of the store, with frame->job_file. */
int hasher_run_hash(struct io_op *, struct io_fs *);
int hasher_run_finish(struct io_op *, struct io_fs *);
int hasher_run_spill(struct io_op *, struct io_fs *);

#endif
