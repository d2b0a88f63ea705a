/* libcurl (OpenSSL) and c-ares write to sockets in ways that raise SIGPIPE. A guest must neither
 * die of it nor change what the program does about it: the signal is held back from this thread
 * during the call, and one that the call raised is taken away. */
#ifndef IO_UV_IO_UV_SIGPIPE_H
#define IO_UV_IO_UV_SIGPIPE_H

#include <signal.h>
#include <stdbool.h>

struct io_uv_sigpipe {
    sigset_t before;
    bool was_pending;
};

void io_uv_sigpipe_hold(struct io_uv_sigpipe *);
void io_uv_sigpipe_release(const struct io_uv_sigpipe *);

#endif
