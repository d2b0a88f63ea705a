/* The HTTP listener of a tracker: libmicrohttpd, driven by the same loop as everything else. */
#ifndef TRACKER_HTTP_FRONT_H
#define TRACKER_HTTP_FRONT_H

#include "io/io.h"
#include "tracker/http_server.h"

struct http_front;

/* Listens on an address (port 0: any free one, which *bound then says). server is the caller's. */
int http_front_create(struct io *, struct http_server *, const struct addr *,
                      struct http_front **out, struct addr *bound);
/* Closes all connections; freed once its operations have completed. NULL is allowed. */
void http_front_destroy(struct http_front *);

#endif
