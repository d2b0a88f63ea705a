/* The UDP tracker conversations of a session: which transaction id belongs to whom, and the
 * connection ids that addresses gave in the last minute, which serve for all torrents. announce.h
 * has its creation. */
#ifndef ENGINE_ANNOUNCE_UDP_H
#define ENGINE_ANNOUNCE_UDP_H

#include "engine/announce.h"
#include "proto/udp_tracker.h"

/* A conversation under way, embedded in its owner, who begins it and ends it. */
struct announce_udp_talk {
    struct udp_tracker tracker;
    uint32_t transaction_id;
    bool listening; /* transaction_id is in the table */
    /* Something came; the owner may end the talk and free itself in this call. */
    void (*on_event)(struct announce_udp_talk *, const struct udp_tracker_event *);
};

/* Sends the first datagram of talk->tracker (udp_tracker_init), with a connection id that is at
 * hand. A datagram that cannot be sent is as good as lost: the deadline stays. SPATE_ENOMEM; or
 * SPATE_E... of the network when the address cannot be reached from here. */
int announce_udp_begin(struct announce_udp *, struct announce_udp_talk *);
/* Harmless on a talk that never began (zeroed). */
void announce_udp_end(struct announce_udp *, struct announce_udp_talk *);
/* An address that is silent may have forgotten its connection id: the next talk asks for another. */
void announce_udp_forget(struct announce_udp *, const struct addr *peer);

#endif
