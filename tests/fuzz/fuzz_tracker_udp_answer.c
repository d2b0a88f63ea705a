/* What a UDP tracker sends us (BEP 15), met by a conversation in each of its states. The first byte chooses
 * family, action, and whether a connection id is at hand; the rest are datagrams, each behind its length.
 * The transaction id of each is made right when its bit says so, or nothing would ever get past it. */
#include "proto/udp_tracker.h"

#include "base/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct addr tracker_of(bool v6)
{
    static const uint8_t ip[16] = {0x20, 1, 0xd, 0xb8};
    return v6 ? addr_v6(ip, 6969) : addr_v4(ip, 6969);
}

static void look_at(const struct tracker_udp_answer *answer, enum addr_family family)
{
    static struct addr peers[LIMIT_TRACKER_PEERS];
    struct tracker_counts counts;
    uint32_t count = tracker_udp_peers(answer, family, peers, LIMIT_TRACKER_PEERS);
    ASSERT(count <= LIMIT_TRACKER_PEERS);
    ASSERT(answer->action != TRACKER_UDP_ANNOUNCE || count == LIMIT_TRACKER_PEERS ||
           answer->peers.size == count * (family == ADDR_V4 ? 6u : 18u));
    for (uint32_t i = 0; tracker_udp_counts(answer, i, &counts); i++) {
        ASSERT((i + 1) * TRACKER_UDP_COUNTS_BYTES <= answer->counts.size);
    }
}

/* What the server writes from what was read is read as the same. */
static void write_again(const struct tracker_udp_answer *first)
{
    uint8_t bytes[128 + 1];
    struct tracker_udp_answer second;
    struct tracker_counts counts;
    struct writer w = writer_over(bytes, sizeof bytes);
    char text[128] = "";
    switch (first->action) {
    case TRACKER_UDP_CONNECT:
        tracker_udp_write_connected(&w, first->transaction_id, first->connection_id);
        break;
    case TRACKER_UDP_ANNOUNCE:
        tracker_udp_write_announced(&w, first->transaction_id, (uint32_t)first->announce.interval_s,
                                    first->announce.leechers, first->announce.seeders);
        writer_span(&w, first->peers);
        break;
    case TRACKER_UDP_SCRAPE:
        tracker_udp_write_scraped(&w, first->transaction_id);
        for (uint32_t i = 0; tracker_udp_counts(first, i, &counts); i++) {
            tracker_udp_write_counts(&w, counts);
        }
        break;
    case TRACKER_UDP_ERROR:
        memcpy(text, first->error.bytes, first->error.size);
        tracker_udp_write_error(&w, first->transaction_id, text);
        break;
    }
    ASSERT(!w.failed);
    ASSERT(tracker_udp_parse_answer(&second, span_of(bytes, w.size), ADDR_V4));
    ASSERT(second.action == first->action && second.transaction_id == first->transaction_id);
    ASSERT(second.connection_id == first->connection_id);
    ASSERT(second.announce.seeders == first->announce.seeders);
    ASSERT(span_equals(second.counts, first->counts));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader r = reader_over(span_of(data, size));
    uint8_t flags = reader_u8(&r);
    struct addr peer = tracker_of(flags & 1);
    struct tracker_announce a = {.port = 6881};
    struct udp_tracker t;
    int64_t now_ns = 1;
    uint32_t transaction_id = 0x01020304;
    udp_tracker_init(&t, &peer, flags & 2 ? TRACKER_UDP_SCRAPE : TRACKER_UDP_ANNOUNCE, &a,
                     span_text("/announce?x=y"), flags >> 4);
    if (flags & 4) {
        udp_tracker_reuse(&t, 7, now_ns);
    }
    while (r.rest.size > 0) {
        if (udp_tracker_wants_send(&t)) {
            uint8_t out[UDP_TRACKER_SEND_BYTES];
            struct writer w = writer_over(out, sizeof out);
            udp_tracker_send(&t, &w, ++transaction_id, now_ns);
            ASSERT(!w.failed && w.size >= 16);
        }
        uint8_t length = reader_u8(&r);
        struct span datagram = span_slice(r.rest, 0, length & 0x7f);
        reader_take(&r, datagram.size);
        uint8_t bytes[128] = {0};
        if (datagram.size > 0) {
            memcpy(bytes, datagram.bytes, datagram.size);
        }
        if ((length & 0x80) && datagram.size >= 8) {
            store_be32(bytes + 4, transaction_id);
        }
        struct tracker_udp_answer answer;
        if (tracker_udp_parse_answer(&answer, span_of(bytes, datagram.size), ADDR_V4)) {
            write_again(&answer);
        }
        struct udp_tracker_event event =
            udp_tracker_receive(&t, &peer, span_of(bytes, datagram.size), now_ns);
        look_at(&event.answer, (enum addr_family)peer.family);
        if (event.type == UDP_TRACKER_ANSWERED || event.type == UDP_TRACKER_REFUSED) {
            ASSERT(!udp_tracker_wants_send(&t) && udp_tracker_deadline(&t) == INT64_MAX);
            break;
        }
        if (length == 0) {
            now_ns = udp_tracker_deadline(&t) == INT64_MAX ? now_ns : udp_tracker_deadline(&t);
            udp_tracker_wake(&t, now_ns);
        }
    }
    return 0;
}
