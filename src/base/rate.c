/* A rate meter in one-second slots. */
#include "base/rate.h"

enum { NS_PER_SECOND = 1000000000 };

static void advance(struct rate *r, int64_t second)
{
    if (second - r->second >= RATE_SLOTS) {
        for (int i = 0; i < RATE_SLOTS; i++) {
            r->slots[i] = 0;
        }
        r->first_second = second; /* it was idle: measure the new burst on its own */
        r->second = second;
    }
    while (r->second < second) {
        r->second++;
        r->slots[r->second % RATE_SLOTS] = 0;
    }
}

void rate_add(struct rate *r, uint64_t bytes, int64_t now_ns)
{
    advance(r, now_ns / NS_PER_SECOND);
    r->slots[r->second % RATE_SLOTS] += bytes;
    r->total_bytes += bytes;
}

uint64_t rate_per_second(const struct rate *r, int64_t now_ns)
{
    if (now_ns / NS_PER_SECOND - r->second >= RATE_SLOTS) {
        return 0; /* idle for so long: most peers are */
    }
    int64_t second = now_ns / NS_PER_SECOND > r->second ? now_ns / NS_PER_SECOND : r->second;
    int64_t from = second - (RATE_SLOTS - 1);
    uint64_t sum = 0;
    for (int64_t at = from > 0 ? from : 0; at <= r->second; at++) {
        sum += r->slots[at % RATE_SLOTS];
    }
    /* The present second counts as far as it has gone; a young meter divides by its age. */
    if (from < r->first_second) {
        from = r->first_second;
    }
    int64_t span_ns = now_ns - from * NS_PER_SECOND;
    if (span_ns < NS_PER_SECOND / 4) {
        span_ns = NS_PER_SECOND / 4;
    }
    return (uint64_t)((double)sum * NS_PER_SECOND / (double)span_ns);
}
