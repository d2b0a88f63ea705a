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
    struct rate copy = *r;
    advance(&copy, now_ns / NS_PER_SECOND);
    uint64_t sum = 0;
    for (int i = 0; i < RATE_SLOTS; i++) {
        sum += copy.slots[i];
    }
    /* The present second counts as far as it has gone; a young meter divides by its age. */
    int64_t from = copy.second - (RATE_SLOTS - 1);
    if (from < copy.first_second) {
        from = copy.first_second;
    }
    int64_t span_ns = now_ns - from * NS_PER_SECOND;
    if (span_ns < NS_PER_SECOND / 4) {
        span_ns = NS_PER_SECOND / 4;
    }
    return (uint64_t)((double)sum * NS_PER_SECOND / (double)span_ns);
}
