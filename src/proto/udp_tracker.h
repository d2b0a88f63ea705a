/* One conversation with a UDP tracker (BEP 15): connect where no connection id is at hand, then one
 * announce or scrape, each datagram retransmitted after 15 * 2^n seconds. A pure machine: the
 * caller gives it a random transaction id for each datagram, what arrives, and the time. */
#ifndef PROTO_UDP_TRACKER_H
#define PROTO_UDP_TRACKER_H

#include "codec/tracker_udp.h"

#include <stdbool.h>

/* Room for any datagram of udp_tracker_send(): an announce and the options of the longest URL, or a
 * scrape. */
enum { UDP_TRACKER_SEND_BYTES = TRACKER_UDP_ANNOUNCE_BYTES + LIMIT_URL_BYTES * 257 / 255 + 2 };

struct udp_tracker {
    struct addr peer;
    enum tracker_udp_action action;   /* what is wanted: ANNOUNCE or SCRAPE */
    struct tracker_announce announce; /* SCRAPE: only info_hash */
    struct span url_data;             /* BEP 41; lives as long as the conversation */
    uint32_t retransmissions;         /* the n of 15 * 2^n */
    enum { UDP_TRACKER_TO_SEND, UDP_TRACKER_WAITING, UDP_TRACKER_ENDED } state;
    enum tracker_udp_action sent; /* CONNECT, or action */
    uint32_t transaction_id;
    int64_t deadline_ns;
    uint64_t connection_id;
    int64_t connected_ns; /* when connection_id came */
    bool connected;
    bool fresh; /* connection_id came in this conversation */
};

enum udp_tracker_event_type {
    UDP_TRACKER_CONNECTED, /* connection_id may be kept for other conversations with this address */
    UDP_TRACKER_SILENT,    /* no answer in 15 * 2^n seconds; it will be asked again */
    UDP_TRACKER_ANSWERED,  /* answer is what was wanted; the end */
    UDP_TRACKER_REFUSED,   /* answer.error says why; the end */
    UDP_TRACKER_IGNORED,   /* the datagram was not for this conversation */
};

struct udp_tracker_event {
    enum udp_tracker_event_type type;
    struct tracker_udp_answer answer; /* points into the datagram */
};

/* retransmissions: how often this tracker has been silent before. */
void udp_tracker_init(struct udp_tracker *, const struct addr *peer, enum tracker_udp_action action,
                      const struct tracker_announce *, struct span url_data,
                      uint32_t retransmissions);
/* A connection id that this address gave at connected_ns; used while it is younger than 60 s. */
void udp_tracker_reuse(struct udp_tracker *, uint64_t connection_id, int64_t connected_ns);

/* True while a datagram must leave. */
static inline bool udp_tracker_wants_send(const struct udp_tracker *t)
{
    return t->state == UDP_TRACKER_TO_SEND;
}
/* Writes that datagram under a random transaction_id. */
void udp_tracker_send(struct udp_tracker *, struct writer *, uint32_t transaction_id,
                      int64_t now_ns);
/* What a datagram meant. One from elsewhere, with another transaction id, or malformed is ignored.
 */
struct udp_tracker_event udp_tracker_receive(struct udp_tracker *, const struct addr *from,
                                             struct span bytes, int64_t now_ns);
/* When silence becomes an event; INT64_MAX: never. */
int64_t udp_tracker_deadline(const struct udp_tracker *);
/* SILENT when the deadline has passed, else IGNORED. */
enum udp_tracker_event_type udp_tracker_wake(struct udp_tracker *, int64_t now_ns);

#endif
