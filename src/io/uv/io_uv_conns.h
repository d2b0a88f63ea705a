/* Connections of HTTP that are kept for a moment after their request, each for requests of its own kind.
 *
 * libcurl would choose by the names of host and proxy alone; here a request is lent a kept connection only
 * when everything it was opened for is the same and its far end is among the addresses that this very
 * request may reach. So each connection lives in a share of its own, which is all that libcurl sees. */
#ifndef IO_UV_IO_UV_CONNS_H
#define IO_UV_IO_UV_CONNS_H

#include "io/uv/io_uv_loop.h"

#include <curl/curl.h>

enum { IO_UV_ROUTE_TEXTS = 4 };

/* What a connection is opened for. */
struct io_uv_route {
    const char *host; /* of the URL, not of the proxy */
    uint16_t port;
    bool is_https;
    const char *proxy;   /* with its scheme and who signs in there; NULL: none */
    const char *ca_cert; /* NULL: the system's */
    const struct io_bind *bind;
};

/* A connection, or the place for one: lent to one request at a time. */
struct io_uv_conn {
    struct list link; /* of io_uv_conns.idle */
    CURLSH *share;    /* for CURLOPT_SHARE; holds what libcurl keeps */
    struct io_uv_route route;
    struct io_bind bind;            /* of route */
    char *texts[IO_UV_ROUTE_TEXTS]; /* of route and bind; owned */
    bool reached_public;            /* a socket of it led, or was to lead, to a public address */
    bool lent_again;                /* after it was kept */
    bool replaced;                  /* libcurl found it closed then, and opened another */
    bool kept;                      /* it is open, and */
    struct addr peer;               /* leads there */
    int64_t idle_from_ns;           /* when its last request ended */
};

struct io_uv_conns {
    struct io_uv_loop *loop;
    struct list idle;                /* of struct io_uv_conn, the longest idle first */
    unsigned idle_count, lent_count; /* together at most LIMIT_HTTP_CONCURRENT */
    struct io_op timer;
};

void io_uv_conns_init(struct io_uv_conns *, struct io_uv_loop *);
/* Every one has been given back. Before libcurl's multi handle is freed. */
void io_uv_conns_deinit(struct io_uv_conns *);

/* An idle connection of that route to one of the addresses (with port), or an empty place for a new one; NULL
 * when memory is out. */
struct io_uv_conn *io_uv_conns_take(struct io_uv_conns *, const struct io_uv_route *,
                                    const struct addr *allowed, int count);
/* After the request's handle was freed. It stays open if io_uv_conn_on_complete() has found it so. */
void io_uv_conns_give(struct io_uv_conns *, struct io_uv_conn *);
/* No request is left: closes those that have been idle for longest, beyond LIMIT_HTTP_IDLE. */
void io_uv_conns_rest(struct io_uv_conns *);

/* libcurl is handed a socket for it. */
void io_uv_conn_on_open(struct io_uv_conn *, const struct addr *peer);
/* The answer has been read to its end, and the handle is still there. */
void io_uv_conn_on_complete(struct io_uv_conn *, CURL *);

#endif
