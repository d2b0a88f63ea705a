/* The files of the real world: plain calls, made on workers. */
#ifndef IO_UV_IO_UV_FILES_H
#define IO_UV_IO_UV_FILES_H

#include "io/io.h"

/* Stateless; any number may be used from any thread. */
struct io_fs io_uv_files(void);
/* For sending stretches of it. */
int io_uv_file_fd(const struct io_file *);

#endif
