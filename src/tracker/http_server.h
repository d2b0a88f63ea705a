/* An HTTP tracker without sockets: a path and a query in, a status and a body out (BEP 3, 7, 23,
 * 48). */
#ifndef TRACKER_HTTP_SERVER_H
#define TRACKER_HTTP_SERVER_H

#include "codec/tracker_http.h"
#include "tracker/swarm_table.h"

/* Room for any body: the longest is a list of peers with their ids. */
enum { HTTP_SERVER_BODY_BYTES = 32768 };

struct http_server {
    struct swarm_table *table;
    uint64_t announces, scrapes, refused;
};

void http_server_init(struct http_server *, struct swarm_table *);
/* Answers a GET of path?query (still escaped) from an address; writes the body and returns the HTTP
 * status. What is wrong with a request is said in the body of a 200, as clients expect of trackers.
 */
int http_server_answer(struct http_server *, struct span path, struct span query,
                       const struct addr *from, int64_t now_ns, struct writer *body);

#endif
