/* One conversation with a UDP tracker (BEP 15). A connection id serves for one minute after it
 * came; a tracker that refuses an older one (it may have been restarted) is asked for another,
 * once. */
#include "proto/udp_tracker.h"

#include "base/error.h"

#define SECOND_NS INT64_C(1000000000)

enum {
    CONNECTION_S = 60, /* "until one minute after it has received it", BEP 15 */
    RETRANSMIT_S = 15, /* times 2^n, BEP 15 */
    RETRANSMISSIONS_MAX = 8,
};

void udp_tracker_init(struct udp_tracker *t, const struct addr *peer,
                      enum tracker_udp_action action, const struct tracker_announce *announce,
                      struct span url_data, uint32_t retransmissions)
{
    *t = (struct udp_tracker){.peer = *peer,
                              .action = action,
                              .announce = *announce,
                              .url_data = span_slice(url_data, 0, LIMIT_URL_BYTES),
                              .retransmissions = retransmissions,
                              .state = UDP_TRACKER_TO_SEND};
}

void udp_tracker_reuse(struct udp_tracker *t, uint64_t connection_id, int64_t connected_ns)
{
    t->connection_id = connection_id;
    t->connected_ns = connected_ns;
    t->connected = true;
    t->fresh = false;
}

void udp_tracker_send(struct udp_tracker *t, struct writer *w, uint32_t transaction_id,
                      int64_t now_ns)
{
    ASSERT(t->state == UDP_TRACKER_TO_SEND);
    if (t->connected && now_ns - t->connected_ns >= CONNECTION_S * SECOND_NS) {
        t->connected = false;
    }
    t->transaction_id = transaction_id;
    t->sent = t->connected ? t->action : TRACKER_UDP_CONNECT;
    switch (t->sent) {
    case TRACKER_UDP_ANNOUNCE:
        tracker_udp_write_announce(w, t->connection_id, transaction_id, &t->announce, t->url_data);
        break;
    case TRACKER_UDP_SCRAPE:
        tracker_udp_write_scrape(w, t->connection_id, transaction_id, t->announce.info_hash, 1);
        break;
    default:
        tracker_udp_write_connect(w, transaction_id);
    }
    uint32_t n =
        t->retransmissions < RETRANSMISSIONS_MAX ? t->retransmissions : RETRANSMISSIONS_MAX;
    t->deadline_ns = now_ns + (INT64_C(1) << n) * RETRANSMIT_S * SECOND_NS;
    t->state = UDP_TRACKER_WAITING;
}

struct udp_tracker_event udp_tracker_receive(struct udp_tracker *t, const struct addr *from,
                                             struct span bytes, int64_t now_ns)
{
    struct udp_tracker_event event = {.type = UDP_TRACKER_IGNORED};
    struct tracker_udp_answer *answer = &event.answer;
    if (t->state != UDP_TRACKER_WAITING || !addr_equals(from, &t->peer) ||
        !tracker_udp_parse_answer(answer, bytes, (enum addr_family)t->peer.family) ||
        answer->transaction_id != t->transaction_id) {
        return event;
    }
    if (answer->action == TRACKER_UDP_ERROR) {
        if (t->sent != TRACKER_UDP_CONNECT && !t->fresh) {
            t->connected = false;
            t->state = UDP_TRACKER_TO_SEND;
            return event;
        }
        t->state = UDP_TRACKER_ENDED;
        event.type = UDP_TRACKER_REFUSED;
    } else if (answer->action == t->sent) {
        if (t->sent == TRACKER_UDP_CONNECT) {
            udp_tracker_reuse(t, answer->connection_id, now_ns);
            t->fresh = true;
            t->state = UDP_TRACKER_TO_SEND;
            event.type = UDP_TRACKER_CONNECTED;
        } else {
            t->state = UDP_TRACKER_ENDED;
            event.type = UDP_TRACKER_ANSWERED;
        }
    }
    return event;
}

int64_t udp_tracker_deadline(const struct udp_tracker *t)
{
    return t->state == UDP_TRACKER_WAITING ? t->deadline_ns : INT64_MAX;
}

enum udp_tracker_event_type udp_tracker_wake(struct udp_tracker *t, int64_t now_ns)
{
    if (t->state != UDP_TRACKER_WAITING || now_ns < t->deadline_ns) {
        return UDP_TRACKER_IGNORED;
    }
    t->retransmissions += t->retransmissions < RETRANSMISSIONS_MAX;
    t->state = UDP_TRACKER_TO_SEND;
    return UDP_TRACKER_SILENT;
}
