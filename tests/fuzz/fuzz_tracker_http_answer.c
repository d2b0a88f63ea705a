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
    } else {
        ASSERT(error.code == SPATE_ETRACKER && error.text[0]);
    }
    tracker_http_parse_scrape(&counts, &failure, body, info_hash, &error);
    check_span(failure, body);
    return 0;
}
