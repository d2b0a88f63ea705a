/* Rate limits as token buckets. A bucket that ran dry wakes its waiters in quanta of at most 50 ms,
 * in the order in which they came; nothing ticks while nobody waits. */
#include "engine/bandwidth.h"

#include "base/block.h"

#define BUCKET_DEPTH_NS   INT64_C(100000000)
#define BUCKET_QUANTUM_NS INT64_C(50000000)
#define NS_PER_SECOND     INT64_C(1000000000)
#define BUCKET_MAX_BYTES  4e18 /* more than any time brings; sums of two of them still fit */

static int64_t bytes_in(const struct bucket *b, int64_t ns)
{
    double bytes = (double)b->rate * (double)ns / (double)NS_PER_SECOND;
    return bytes < BUCKET_MAX_BYTES ? (int64_t)bytes : (int64_t)BUCKET_MAX_BYTES;
}

static int64_t ns_of(const struct bucket *b, int64_t bytes)
{
    return (int64_t)((double)bytes * (double)NS_PER_SECOND / (double)b->rate);
}

static void fill(struct bucket *b, int64_t now_ns)
{
    int64_t depth = bytes_in(b, BUCKET_DEPTH_NS) + 1;
    int64_t gained = bytes_in(b, now_ns - b->filled_ns);
    if (gained <= 0) {
        return;
    }
    /* Part of a byte is kept as time: a bucket that is looked at often loses nothing. */
    if (gained >= depth - b->tokens) {
        b->tokens = depth;
        b->filled_ns = now_ns;
    } else {
        b->tokens += gained;
        b->filled_ns += ns_of(b, gained);
    }
}

/* A waiter is woken when at least this much may pass, so that slow limits do not cause a storm of
 * crumbs. */
static int64_t quantum(const struct bucket *b)
{
    int64_t bytes = bytes_in(b, BUCKET_QUANTUM_NS);
    return bytes < 1 ? 1 : bytes > BLOCK_BYTES ? BLOCK_BYTES : bytes;
}

static void rearm(struct bucket *b, int64_t least_ns)
{
    if (list_empty(&b->waiters)) {
        timer_clear(b->timers, &b->timer);
        return;
    }
    int64_t missing = quantum(b) - b->tokens;
    int64_t wait_ns = missing > 0 ? ns_of(b, missing) + 1 : 0;
    int64_t at_ns = b->filled_ns + wait_ns;
    timer_set(b->timers, &b->timer, at_ns > least_ns ? at_ns : least_ns);
}

static void wake_first(struct bucket *b)
{
    struct bucket_waiter *waiter =
        list_entry(list_pop_front(&b->waiters), struct bucket_waiter, link);
    waiter->go(waiter);
}

/* Who is woken takes its bytes later in the same turn, and may take all there are. So one is woken at a time: of several
 * the first would leave nothing, and, the first to wait again, be in front of the others for ever. */
static void on_timer(struct timer *timer, int64_t now_ns)
{
    struct bucket *b = list_entry(timer, struct bucket, timer);
    if (b->rate > 0) {
        fill(b, now_ns);
        if (b->tokens >= quantum(b) && !list_empty(&b->waiters)) {
            wake_first(b);
        }
    }
    while (b->rate == 0 && !list_empty(&b->waiters)) {
        wake_first(b);
    }
    rearm(b, now_ns + 1); /* in another turn */
}

void bucket_init(struct bucket *b, struct timers *timers, uint64_t rate)
{
    *b = (struct bucket){.timers = timers, .rate = rate, .timer = {.fire = on_timer}};
    list_init(&b->waiters);
    b->filled_ns = io_now(timers->io);
}

void bucket_deinit(struct bucket *b)
{
    timer_clear(b->timers, &b->timer);
    while (list_pop_front(&b->waiters)) {
    }
}

void bucket_set_rate(struct bucket *b, uint64_t rate, int64_t now_ns)
{
    if (b->rate > 0) {
        fill(b, now_ns);
    }
    b->rate = rate;
    b->tokens = b->tokens < 0 ? b->tokens : 0;
    b->filled_ns = now_ns;
    if (rate == 0 && !list_empty(&b->waiters)) {
        timer_set(b->timers, &b->timer, now_ns);
    } else if (rate > 0) {
        rearm(b, 0);
    }
}

uint64_t bucket_allows(struct bucket *b, uint64_t want, int64_t now_ns)
{
    if (b->rate == 0) {
        return want;
    }
    fill(b, now_ns);
    if (b->tokens < quantum(b)) {
        return 0;
    }
    return want < (uint64_t)b->tokens ? want : (uint64_t)b->tokens;
}

void bucket_spend(struct bucket *b, uint64_t bytes)
{
    if (b->rate > 0) {
        b->tokens -= (int64_t)bytes;
    }
}

void bucket_wait(struct bucket *b, struct bucket_waiter *waiter, int64_t now_ns)
{
    if (list_linked(&waiter->link)) {
        return;
    }
    if (b->rate > 0) {
        fill(b, now_ns);
    }
    list_push_back(&b->waiters, &waiter->link);
    rearm(b, 0);
}
