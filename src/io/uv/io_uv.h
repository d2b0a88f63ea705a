/* The real world as a driver of the port: libuv owns the loop, timers, threads and wake-ups;
 * sockets are raw descriptors that it watches; names through c-ares, HTTP through libcurl. */
#ifndef IO_UV_IO_UV_H
#define IO_UV_IO_UV_H

#include "io/io.h"

struct io_uv_settings {
    int workers; /* threads of the compute pool; 0: one per core, at least 2. The other pools have
                    1-2 */
    const char *dns_servers; /* "127.0.0.1:5353,[::1]:53"; NULL: those of the system */
};

/* Creates a world; *out is ended by io_uv_destroy(). */
int io_uv_create(const struct io_uv_settings *, struct io **out);
/* Cancels what is pending, runs the loop until every operation has completed and all workers have
 * ended, then frees it. What is submitted meanwhile completes with SPATE_ECANCELED. Every socket
 * must be closed by its owner before. Not to be called from inside a completion. */
void io_uv_destroy(struct io *);

/* Driving it from outside. Step, run and destroy are not to be called from inside a completion. */
int io_uv_fd(struct io *);         /* readable when io_uv_step() has something to do */
int io_uv_timeout_ms(struct io *); /* -1: none */
void io_uv_step(struct io *);      /* does what is due, never waits */
void io_uv_run_once(struct io *,
                    int timeout_ms); /* waits for something to do, then does it; -1: no limit */

/* Watches a descriptor that somebody else owns (an HTTP server's) as a socket of the port, for
 * io_wait only; io_close forgets it and does not close the descriptor. */
int io_uv_adopt(struct io *, int fd, struct io_socket **out);
/* A file system for blocking use on the caller's own thread. */
struct io_fs *io_uv_fs(struct io *);

#endif
