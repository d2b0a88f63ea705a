/* What a UDP tracker is sent (BEP 15, BEP 41): a request that parses says the same when it is written
 * again. */
#include "codec/tracker_udp.h"

#include "base/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(const struct tracker_udp_request *q, struct span url_data, struct writer *w)
{
    switch (q->action) {
    case TRACKER_UDP_CONNECT:
        tracker_udp_write_connect(w, q->transaction_id);
        break;
    case TRACKER_UDP_ANNOUNCE:
        tracker_udp_write_announce(w, q->connection_id, q->transaction_id, &q->announce, url_data);
        break;
    default:
        tracker_udp_write_scrape(w, q->connection_id, q->transaction_id, q->info_hashes.bytes,
                                 (uint32_t)(q->info_hashes.size / 20));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tracker_udp_request first, second;
    char url[1024], url_again[1024];
    uint8_t out[4096];
    if (!tracker_udp_parse_request(&first, span_of(data, size))) {
        return 0;
    }
    size_t url_size = tracker_udp_url_data(first.options, url, sizeof url);
    struct writer w = writer_over(out, sizeof out);
    write_again(&first, span_of(url, url_size), &w);
    ASSERT(!w.failed);
    ASSERT(tracker_udp_parse_request(&second, span_of(out, w.size)));
    ASSERT(second.action == first.action && second.transaction_id == first.transaction_id &&
           second.connection_id == first.connection_id);
    ASSERT(span_equals(second.info_hashes, first.info_hashes));
    ASSERT(memcmp(&second.announce, &first.announce, sizeof first.announce) == 0);
    ASSERT(tracker_udp_url_data(second.options, url_again, sizeof url_again) == url_size);
    ASSERT(memcmp(url, url_again, url_size) == 0);
    return 0;
}
