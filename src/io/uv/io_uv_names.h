/* Host names through c-ares on our loop. Every lookup is a channel of its own: it can be cancelled
 * alone, asks only from where its caller allows, and follows /etc/resolv.conf when the network
 * changes. */
#ifndef IO_UV_IO_UV_NAMES_H
#define IO_UV_IO_UV_NAMES_H

#include "io/uv/io_uv_loop.h"

struct io_uv_names {
    struct io_uv_loop *loop;
    char *servers;       /* as io_uv_settings.dns_servers, or NULL */
    struct list waiting; /* of lookups, for their turn */
    struct list running;
    unsigned running_count; /* at most LIMIT_RESOLVE_CONCURRENT */
    bool starting;          /* start_waiting is on the stack */
};

/* servers is copied. After a failure deinit is still due. */
int io_uv_names_init(struct io_uv_names *, struct io_uv_loop *, const char *servers);
/* No lookup may be left. */
void io_uv_names_deinit(struct io_uv_names *);

/* As io_resolve(). */
void io_uv_names_resolve(struct io_uv_names *, struct io_resolve *);
void io_uv_names_cancel(struct io_uv_names *, struct io_op *);
void io_uv_names_cancel_all(struct io_uv_names *);
/* For the driver's own lookups: ends one without calling done. Harmless when it is not active. */
void io_uv_names_forget(struct io_uv_names *, struct io_resolve *);

#endif
