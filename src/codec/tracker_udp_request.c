/* Requests to UDP trackers (BEP 15) and the options a client may put behind an announce (BEP 41). Fixed
 * big-endian fields; only the number of hashes and options varies, and it follows from the size of the
 * datagram, never from a number inside it. */
#include "codec/tracker_udp.h"

/* BEP 41 option types. Types below URL_DATA are single bytes; all others carry a length byte. */
enum { OPTION_END = 0, OPTION_NOP = 1, OPTION_URL_DATA = 2, OPTION_DATA_MAX = 255 };

static void write_header(struct writer *w, uint64_t connection_id, enum tracker_udp_action action,
                         uint32_t transaction_id)
{
    writer_u64(w, connection_id);
    writer_u32(w, (uint32_t)action);
    writer_u32(w, transaction_id);
}

void tracker_udp_write_connect(struct writer *w, uint32_t transaction_id)
{
    write_header(w, TRACKER_UDP_MAGIC, TRACKER_UDP_CONNECT, transaction_id);
}

void tracker_udp_write_announce(struct writer *w, uint64_t connection_id, uint32_t transaction_id,
                                const struct tracker_announce *a, struct span url_data)
{
    write_header(w, connection_id, TRACKER_UDP_ANNOUNCE, transaction_id);
    writer_bytes(w, a->info_hash, 20);
    writer_bytes(w, a->peer_id, 20);
    writer_u64(w, a->downloaded);
    writer_u64(w, a->left);
    writer_u64(w, a->uploaded);
    writer_u32(w, a->event <= TRACKER_EVENT_STOPPED ? (uint32_t)a->event : 0);
    writer_u32(w, 0); /* IP address: the datagram's own */
    writer_u32(w, a->key);
    writer_u32(w, (uint32_t)a->want);
    writer_u16(w, a->port);
    while (url_data.size > 0) {
        struct span chunk = span_slice(url_data, 0, OPTION_DATA_MAX);
        writer_u8(w, OPTION_URL_DATA);
        writer_u8(w, (uint8_t)chunk.size);
        writer_span(w, chunk);
        url_data = span_slice(url_data, chunk.size, url_data.size);
    }
}

void tracker_udp_write_scrape(struct writer *w, uint64_t connection_id, uint32_t transaction_id,
                              const uint8_t *info_hashes, uint32_t count)
{
    write_header(w, connection_id, TRACKER_UDP_SCRAPE, transaction_id);
    writer_bytes(w, info_hashes, (size_t)count * 20);
}

static void parse_announce(struct tracker_udp_request *out, struct reader *r)
{
    struct tracker_announce *a = &out->announce;
    struct span hash = reader_take(r, 20);
    struct span id = reader_take(r, 20);
    a->downloaded = reader_u64(r);
    a->left = reader_u64(r);
    a->uploaded = reader_u64(r);
    uint32_t event = reader_u32(r);
    reader_u32(r); /* IP address: believing it would aim peers at a victim (BEP 7) */
    a->key = reader_u32(r);
    a->want = (int32_t)reader_u32(r);
    a->port = reader_u16(r);
    out->options = r->rest;
    if (!r->failed) {
        memcpy(a->info_hash, hash.bytes, 20);
        memcpy(a->peer_id, id.bytes, 20);
        a->event = event <= TRACKER_EVENT_STOPPED ? (enum tracker_event)event : TRACKER_EVENT_NONE;
    }
}

bool tracker_udp_parse_request(struct tracker_udp_request *out, struct span bytes)
{
    struct reader r = reader_over(bytes);
    *out = (struct tracker_udp_request){.connection_id = reader_u64(&r)};
    uint32_t action = reader_u32(&r);
    out->transaction_id = reader_u32(&r);
    switch (action) {
    case TRACKER_UDP_CONNECT:
        if (out->connection_id != TRACKER_UDP_MAGIC) {
            return false;
        }
        break;
    case TRACKER_UDP_ANNOUNCE:
        parse_announce(out, &r);
        break;
    case TRACKER_UDP_SCRAPE: {
        size_t count = r.rest.size / 20;
        if (count > LIMIT_SCRAPE_HASHES) {
            count = LIMIT_SCRAPE_HASHES;
        }
        out->info_hashes = reader_take(&r, count * 20);
        break;
    }
    default:
        return false;
    }
    out->action = (enum tracker_udp_action)action;
    return !r.failed;
}

size_t tracker_udp_url_data(struct span options, char *out, size_t size)
{
    struct reader r = reader_over(options);
    struct writer w = writer_over(out, size);
    while (r.rest.size > 0 && !r.failed) {
        uint8_t type = reader_u8(&r);
        if (type == OPTION_END) {
            break;
        }
        if (type == OPTION_NOP) {
            continue;
        }
        struct span data = reader_take(&r, reader_u8(&r));
        if (type == OPTION_URL_DATA) {
            writer_span(&w, data);
        }
    }
    return r.failed || w.failed ? 0 : w.size;
}
