/* HTTP GET through libcurl on our loop: our addresses, our sockets, our redirects. */
#ifndef IO_UV_IO_UV_HTTP_H
#define IO_UV_IO_UV_HTTP_H

#include "io/uv/io_uv_conns.h"
#include "io/uv/io_uv_curl.h"
#include "io/uv/io_uv_loop.h"
#include "io/uv/io_uv_names.h"

struct io_uv_http {
    struct io_uv_loop *loop;
    struct io_uv_names *names;
    struct io_uv_curl curl;
    struct io_uv_conns conns;
    struct list waiting; /* of transfers, for their turn */
    struct list running;
    unsigned running_count; /* at most LIMIT_HTTP_CONCURRENT */
    bool starting;          /* start_waiting is on the stack */
};

void io_uv_http_init(struct io_uv_http *, struct io_uv_loop *, struct io_uv_names *);
/* No transfer may be left. The loop must run once more before *http is freed. */
void io_uv_http_deinit(struct io_uv_http *);

/* As io_http(). */
void io_uv_http_get(struct io_uv_http *, struct io_http *);
void io_uv_http_cancel(struct io_uv_http *, struct io_op *);
void io_uv_http_cancel_all(struct io_uv_http *);

#endif
