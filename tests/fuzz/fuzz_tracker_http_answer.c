/* What an HTTP tracker sends us, read as the answer to an announce and to a scrape (BEP 3, 7, 23, 24, 31,
 * 48). */
#include "codec/tracker_http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_span(struct span inside, struct span body)
{
    /* "refused without a reason" is ours. */
    ASSERT(inside.size == 0 || inside.bytes < body.bytes ||
           inside.bytes + inside.size <= body.bytes + body.size ||
           inside.bytes > body.bytes + body.size);
}

/* What the server writes from what was read is read as the same. */
static void write_again(const struct tracker_answer *answer, const struct addr *peers,
                        enum addr_family family, bool compact)
{
    static const uint8_t id[20] = "pppppppppppppppppppp";
    static uint8_t bytes[4096];
    struct tracker_http_peer entries[16];
    struct tracker_http_request request = {.compact = compact, .no_peer_id = answer->retry_s != 0};
    struct tracker_http_reply reply = {.interval_s = (uint32_t)(answer->interval_s & 0xffff) + 1,
                                       .min_interval_s = 1,
                                       .counts = {answer->seeders, 2, answer->leechers},
                                       .external = {.family = (uint16_t)family},
                                       .peers = entries};
    for (uint32_t i = 0; i < answer->peer_count; i++) {
        if (peers[i].family == family && peers[i].port != 0) {
            entries[reply.peer_count++] = (struct tracker_http_peer){peers[i], id};
        }
    }
    struct writer w = writer_over(bytes, sizeof bytes);
    struct tracker_answer again;
    struct addr peers_again[16];
    tracker_http_write_reply(&w, &request, &reply);
    ASSERT(!w.failed);
    ASSERT(tracker_http_parse_answer(&again, span_of(bytes, w.size), peers_again, 16, NULL) == 0);
    ASSERT(again.failure.size == 0 && again.interval_s == reply.interval_s);
    ASSERT(again.seeders == answer->seeders && again.leechers == answer->leechers);
    ASSERT(again.peer_count == reply.peer_count);
    for (uint32_t i = 0; i < again.peer_count; i++) {
        ASSERT(addr_equals(&peers_again[i], &entries[i].address));
    }
}

/* The same of scrape counts and of a failure. */
static void write_counts_again(const struct tracker_counts *counts, const uint8_t info_hash[20])
{
    uint8_t bytes[512];
    struct tracker_http_scraped files[3] = {{.counts = *counts}, {.counts = *counts}};
    struct tracker_counts again;
    struct span failure;
    memcpy(files[0].info_hash, info_hash, 20);
    files[2] = files[0];
    struct writer w = writer_over(bytes, sizeof bytes);
    tracker_http_write_scrape(&w, files, 3);
    ASSERT(!w.failed);
    ASSERT(tracker_http_parse_scrape(&again, &failure, span_of(bytes, w.size), info_hash, NULL) ==
           0);
    ASSERT(failure.size == 0 && memcmp(&again, counts, sizeof again) == 0);
    w = writer_over(bytes, sizeof bytes);
    tracker_http_write_failure(&w, "no");
    ASSERT(tracker_http_parse_scrape(&again, &failure, span_of(bytes, w.size), info_hash, NULL) ==
           0);
    ASSERT(span_equals(failure, span_text("no")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t info_hash[20] = "hhhhhhhhhhhhhhhhhhhh";
    struct span body = span_of(data, size), failure;
    struct addr peers[16];
    struct tracker_answer answer;
    struct tracker_counts counts;
    struct spate_error error = {.size = sizeof error};
    if (tracker_http_parse_answer(&answer, body, peers, 16, &error) == 0) {
        ASSERT(answer.peer_count <= 16);
        ASSERT(answer.interval_s >= 0 && answer.min_interval_s >= 0);
        ASSERT(answer.retry_s >= TRACKER_RETRY_NEVER &&
               answer.retry_s <= LIMIT_TRACKER_INTERVAL_MAX_S);
        check_span(answer.failure, body);
        check_span(answer.warning, body);
        check_span(answer.tracker_id, body);
        for (uint32_t i = 0; i < answer.peer_count; i++) {
            ASSERT(peers[i].family == ADDR_V4 || peers[i].family == ADDR_V6);
        }
        for (int way = 0; way < 4; way++) {
            write_again(&answer, peers, way & 1 ? ADDR_V4 : ADDR_V6, way & 2);
        }
    } else {
        ASSERT(error.code == SPATE_ETRACKER && error.text[0]);
    }
    if (tracker_http_parse_scrape(&counts, &failure, body, info_hash, &error) == 0) {
        check_span(failure, body);
        write_counts_again(&counts, info_hash);
    }
    return 0;
}
