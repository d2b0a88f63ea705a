/* Requests to HTTP trackers, both ways. The input is an announce URL of a torrent: what we make of it must
 * hold no byte that ends a request line, and the server's reader must find in it what we meant, whatever
 * the torrent put there. The same input is read as a query by the server. */
#include "codec/tracker_http.h"

#include "codec/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tracker_announce announce_of(void)
{
    struct tracker_announce a = {.downloaded = 1,
                                 .left = 2,
                                 .uploaded = 3,
                                 .event = TRACKER_EVENT_STARTED,
                                 .key = 4,
                                 .want = 5,
                                 .port = 6};
    memcpy(a.info_hash, "\x00\r\n &?=%+#hhhhhhhhhh", 20);
    memcpy(a.peer_id, "-SP0100-abcdefghijkl", 20);
    return a;
}

/* The query of a request that we built, as a server splits it off. */
static struct span query_of(const char *url)
{
    const char *mark = strchr(url, '?');
    ASSERT(mark);
    return span_text(mark + 1);
}

static void check_bytes(const char *url)
{
    for (; *url; url++) {
        ASSERT((uint8_t)*url > ' ' && (uint8_t)*url < 0x7f && *url != '#');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char out[LIMIT_URL_BYTES * 2];
    struct spate_error error = {.size = sizeof error};
    struct span input = span_of(data, size);
    struct tracker_announce a = announce_of();
    struct tracker_http_request request;
    uint8_t hashes[4 * 20];
    if (size <= LIMIT_URL_BYTES &&
        tracker_http_announce_url(input, &a, span_text("i d"), out, sizeof out) >= 0) {
        check_bytes(out);
        ASSERT(tracker_http_parse_announce(&request, query_of(out), NULL) == 0);
        a.key = 0;                      /* which the server does not keep */
        a.want = request.announce.want; /* a URL may set it: it harms nobody */
        ASSERT(memcmp(&request.announce, &a, sizeof a) == 0);
    }
    if (tracker_http_scrape_url(input, a.info_hash, out, sizeof out) >= 0) {
        check_bytes(out);
        int count = tracker_http_parse_scrape_query(query_of(out), hashes, 4, NULL);
        ASSERT(count == 1 && memcmp(hashes, a.info_hash, 20) == 0);
    }
    if (tracker_http_parse_announce(&request, input, &error) < 0) {
        ASSERT(error.code == SPATE_EINVAL && error.text[0]);
    }
    int count = tracker_http_parse_scrape_query(input, hashes, 4, &error);
    ASSERT(count <= 4);
    return 0;
}
