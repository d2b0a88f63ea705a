/* The UDP socket of a tracker: datagrams in, answers out, in batches. */
#ifndef TRACKER_UDP_FRONT_H
#define TRACKER_UDP_FRONT_H

#include "io/io.h"
#include "tracker/udp_server.h"

struct udp_front;

/* Listens on an address (port 0: any free one, which *bound then says). server is the caller's. */
int udp_front_create(struct io *, struct udp_server *, const struct addr *, struct udp_front **out,
                     struct addr *bound);
/* Closes the socket; freed once its operation has completed. NULL is allowed. */
void udp_front_destroy(struct udp_front *);

#endif
