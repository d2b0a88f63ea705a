/* A UDP tracker without sockets: a datagram in, at most one out (BEP 15). Connection ids are
 * stateless: a keyed hash of the sender's address and a two-minute slot, of which this one and the
 * last are good. So no packet costs memory before its sender has shown that it receives what is
 * sent to its address, and nobody can be made to receive more than was sent in his name: 16 bytes
 * for 16. */
#ifndef TRACKER_UDP_SERVER_H
#define TRACKER_UDP_SERVER_H

#include "codec/tracker_udp.h"
#include "tracker/swarm_table.h"

/* Longest answer: what an IPv6 packet of 1500 bytes holds. */
enum { UDP_SERVER_ANSWER_BYTES = 1452 };

struct udp_server {
    struct swarm_table *table;
    uint64_t key[2];                                /* of the connection ids */
    uint64_t connects, announces, scrapes, refused; /* refused: nothing or an error was answered */
};

/* key: random and kept secret. */
void udp_server_init(struct udp_server *, struct swarm_table *, const uint64_t key[2]);
/* Answers a datagram; returns the bytes written to out (UDP_SERVER_ANSWER_BYTES), 0: nothing. */
size_t udp_server_answer(struct udp_server *, const struct addr *from, struct span request,
                         int64_t now_ns, uint8_t *out);

#endif
