/* Answers of UDP trackers (BEP 15). How many peers or counts there are follows from the size of the
 * datagram, and how long a peer is from the family of the conversation. */
#include "codec/tracker_udp.h"

bool tracker_udp_parse_answer(struct tracker_udp_answer *out, struct span bytes,
                              enum addr_family family)
{
    struct reader r = reader_over(bytes);
    uint32_t action = reader_u32(&r);
    *out = (struct tracker_udp_answer){.transaction_id = reader_u32(&r)};
    size_t peer_bytes = family == ADDR_V4 ? 6 : 18;
    switch (action) {
    case TRACKER_UDP_CONNECT:
        out->connection_id = reader_u64(&r);
        break;
    case TRACKER_UDP_ANNOUNCE:
        out->announce.interval_s = reader_u32(&r);
        out->announce.leechers = reader_u32(&r);
        out->announce.seeders = reader_u32(&r);
        out->peers = span_of(r.rest.bytes, r.rest.size / peer_bytes * peer_bytes);
        break;
    case TRACKER_UDP_SCRAPE:
        out->counts = span_of(r.rest.bytes,
                              r.rest.size / TRACKER_UDP_COUNTS_BYTES * TRACKER_UDP_COUNTS_BYTES);
        break;
    case TRACKER_UDP_ERROR:
        out->error = r.rest;
        break;
    default:
        return false;
    }
    out->action = (enum tracker_udp_action)action;
    return !r.failed;
}

uint32_t tracker_udp_peers(const struct tracker_udp_answer *answer, enum addr_family family,
                           struct addr *out, uint32_t max)
{
    size_t size = family == ADDR_V4 ? 6 : 18;
    uint32_t count = 0;
    for (size_t at = 0; at < answer->peers.size && count < max; at += size) {
        out[count++] = addr_from_compact(answer->peers.bytes + at, family);
    }
    return count;
}

bool tracker_udp_counts(const struct tracker_udp_answer *answer, uint32_t index,
                        struct tracker_counts *out)
{
    struct reader r = reader_over(span_slice(
        answer->counts, (size_t)index * TRACKER_UDP_COUNTS_BYTES, TRACKER_UDP_COUNTS_BYTES));
    out->seeders = reader_u32(&r);
    out->completed = reader_u32(&r);
    out->leechers = reader_u32(&r);
    return !r.failed;
}

static void write_answer(struct writer *w, enum tracker_udp_action action, uint32_t transaction_id)
{
    writer_u32(w, (uint32_t)action);
    writer_u32(w, transaction_id);
}

void tracker_udp_write_connected(struct writer *w, uint32_t transaction_id, uint64_t connection_id)
{
    write_answer(w, TRACKER_UDP_CONNECT, transaction_id);
    writer_u64(w, connection_id);
}

void tracker_udp_write_announced(struct writer *w, uint32_t transaction_id, uint32_t interval_s,
                                 uint32_t leechers, uint32_t seeders)
{
    write_answer(w, TRACKER_UDP_ANNOUNCE, transaction_id);
    writer_u32(w, interval_s);
    writer_u32(w, leechers);
    writer_u32(w, seeders);
}

void tracker_udp_write_scraped(struct writer *w, uint32_t transaction_id)
{
    write_answer(w, TRACKER_UDP_SCRAPE, transaction_id);
}

void tracker_udp_write_counts(struct writer *w, struct tracker_counts counts)
{
    writer_u32(w, counts.seeders);
    writer_u32(w, counts.completed);
    writer_u32(w, counts.leechers);
}

void tracker_udp_write_error(struct writer *w, uint32_t transaction_id, const char *text)
{
    write_answer(w, TRACKER_UDP_ERROR, transaction_id);
    writer_text(w, text);
}
