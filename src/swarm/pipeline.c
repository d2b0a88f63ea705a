/* The request window of one peer. BEP 3 asks that several requests be kept in flight; how many
 * decides how fast one peer can be.
 *
 * The window is 1.5 times the bandwidth-delay product and 50 ms more: the half covers a path that
 * became longer or faster, the 50 ms the jitter of short ones. Rate is the best of the rounds of
 * the last seconds, a round being the time until a request made at its beginning is answered; round
 * trip is the shortest answer. While each round is faster than the one before, the window doubles a
 * round instead.
 *
 * Commandments:
 *   - Our own queue at the peer lengthens answers. When for seconds all are longer than that
 *     queue explains, the path may have become longer: the queue runs dry once, to see.
 *   - A round in which we asked for less than we might says nothing against the peer.
 *   - Nothing here waits for a tick: all changes follow requests and blocks. */
#include "swarm/pipeline.h"

#include "base/block.h"
#include "base/limits.h"

enum {
    ROUND_MIN_NS = 5000000, /* shorter rounds measure batches, not rates */
    GROWTH_PERCENT = 125,   /* a round this much faster than the best before is growth */
    FLAT_ROUNDS = 2,        /* without growth end the ramp */
    MARGIN_US = 50000,      /* above 1.5 round trips */
    RTT_PERIOD_SAMPLES = 8,
    TIMEOUT_RESPONSES = 8, /* usual responses that make a silence */
};

#define NS_PER_S       INT64_C(1000000000)
#define BEST_PERIOD_NS NS_PER_S /* for how long the best round counts, once or twice */
#define RTT_PERIOD_NS  (10 * NS_PER_S)
#define IDLE_NS        (10 * NS_PER_S) /* without a request, after which measures are stale */
#define TIMEOUT_NS     (60 * NS_PER_S) /* libtorrent's request_timeout */
#define TIMEOUT_MIN_NS (5 * NS_PER_S)
#define TIMEOUT_ADD_NS (2 * NS_PER_S)
#define TIMEOUT_MAX_NS (300 * NS_PER_S)

void pipeline_init(struct pipeline *p, int64_t now_ns)
{
    *p = (struct pipeline){0};
    pipeline_restart(p, now_ns);
}

void pipeline_restart(struct pipeline *p, int64_t now_ns)
{
    *p = (struct pipeline){
        .rtt_us = p->rtt_us,
        .response_us = p->response_us,
        .ramping = true,
        .window = PIPELINE_START,
        .round_serial = UINT64_MAX,
        .round_ns = now_ns,
        .best_ns = now_ns,
        .period_rtt_us = INT64_MAX,
        .period_ns = now_ns,
    };
}

static void begin_round(struct pipeline *p, uint64_t serial, int64_t now_ns)
{
    p->round_serial = serial;
    p->round_ns = now_ns;
    p->round_bytes = 0;
    p->used = false;
}

void pipeline_on_request(struct pipeline *p, uint64_t serial, uint32_t outstanding, int64_t now_ns)
{
    if (outstanding == 0 || p->round_serial == UINT64_MAX) {
        if (now_ns - p->round_ns >= IDLE_NS) {
            pipeline_restart(p, now_ns);
        }
        begin_round(p, serial, now_ns);
    }
    if (p->probing && p->probe_serial == 0 && outstanding < PIPELINE_FLOOR) {
        p->probe_serial = serial;
    }
    if (outstanding + 1 >= p->window) {
        p->full_serial = serial;
    }
}

/* The time that the window is worth. */
static int64_t horizon_us(const struct pipeline *p)
{
    return p->rtt_us + p->rtt_us / 2 + MARGIN_US;
}

/* The window by what was measured. */
static uint32_t measured_window(const struct pipeline *p)
{
    double blocks = (double)p->rate * (double)horizon_us(p) / 1e6 / BLOCK_BYTES + 1;
    uint32_t window = blocks < LIMIT_PEER_REQUESTS_OUT ? (uint32_t)blocks : LIMIT_PEER_REQUESTS_OUT;
    return window > PIPELINE_FLOOR ? window : PIPELINE_FLOOR;
}

static void begin_period(struct pipeline *p, int64_t now_ns)
{
    p->period_rtt_us = INT64_MAX;
    p->period_samples = 0;
    p->period_ns = now_ns;
}

static void measure_rtt(struct pipeline *p, int64_t sample_us, int64_t now_ns)
{
    p->response_us = p->response_us ? p->response_us + (sample_us - p->response_us) / 8 : sample_us;
    if (p->response_us < 1) {
        p->response_us = 1;
    }
    if (p->rtt_us == 0 || sample_us < p->rtt_us) {
        p->rtt_us = sample_us;
    }
    p->period_samples++;
    if (sample_us < p->period_rtt_us) {
        p->period_rtt_us = sample_us;
    }
    if (now_ns - p->period_ns < RTT_PERIOD_NS || p->period_samples < RTT_PERIOD_SAMPLES) {
        return;
    }
    if (p->period_rtt_us > horizon_us(p) / 4 * 5) {
        p->probing = true;
        p->probe_serial = 0;
    }
    begin_period(p, now_ns);
}

/* The response to a request that found no queue. */
static void end_probe(struct pipeline *p, int64_t sample_us, uint64_t next_serial, int64_t now_ns)
{
    p->probing = false;
    if (sample_us > p->rtt_us) {
        p->ramping = sample_us > p->rtt_us / 4 * 5;
        p->flat_rounds = 0;
        p->rtt_us = sample_us;
        p->window = measured_window(p);
    }
    p->best_ns = now_ns;
    begin_period(p, now_ns);
    begin_round(p, next_serial, now_ns);
}

static void end_round(struct pipeline *p, uint64_t next_serial, int64_t now_ns)
{
    uint64_t rate =
        (uint64_t)((double)p->round_bytes * (double)NS_PER_S / (double)(now_ns - p->round_ns));
    if (p->ramping && p->used) {
        bool grew = rate * 100 >= p->rate * GROWTH_PERCENT;
        p->flat_rounds = grew ? 0 : p->flat_rounds + 1;
        p->ramping = p->flat_rounds < FLAT_ROUNDS;
    }
    if (rate > p->best_rate[0]) {
        p->best_rate[0] = rate;
    }
    p->best_rounds++;
    p->rate = p->best_rate[0] > p->best_rate[1] ? p->best_rate[0] : p->best_rate[1];
    if (now_ns - p->best_ns >= BEST_PERIOD_NS && p->best_rounds >= 2) {
        p->best_rate[1] = p->best_rate[0];
        p->best_rate[0] = 0;
        p->best_rounds = 0;
        p->best_ns = now_ns;
    }
    begin_round(p, next_serial, now_ns);
}

void pipeline_on_block(struct pipeline *p, uint64_t serial, int64_t sent_ns, uint32_t bytes,
                       uint64_t next_serial, int64_t now_ns)
{
    int64_t sample_us = (now_ns - sent_ns) / 1000;
    p->round_bytes += bytes;
    if (serial <= p->full_serial) {
        p->used = true;
        /* No further than the next doubling of what was measured: a slow peer's rounds are long. */
        uint32_t most = 2 * measured_window(p) + PIPELINE_START;
        if (p->ramping && p->window < most && p->window < LIMIT_PEER_REQUESTS_OUT) {
            p->window++;
        }
    }
    sample_us = sample_us > 1 ? sample_us : 1;
    measure_rtt(p, sample_us, now_ns);
    if (p->probing) {
        if (p->probe_serial != 0 && serial >= p->probe_serial) {
            end_probe(p, sample_us, next_serial, now_ns);
        }
    } else if (serial >= p->round_serial && now_ns - p->round_ns >= ROUND_MIN_NS) {
        end_round(p, next_serial, now_ns);
    }
}

void pipeline_on_stray(struct pipeline *p, uint32_t bytes)
{
    p->round_bytes += bytes;
}

uint32_t pipeline_target(const struct pipeline *p)
{
    if (p->probing) {
        return PIPELINE_FLOOR;
    }
    uint32_t measured = p->rate ? measured_window(p) : 0;
    return p->rate == 0 || (p->ramping && p->window > measured) ? p->window : measured;
}

int64_t pipeline_timeout_ns(const struct pipeline *p)
{
    if (p->response_us == 0) {
        return TIMEOUT_NS;
    }
    int64_t response_ns = p->response_us * 1000;
    int64_t most = 2 * response_ns > TIMEOUT_NS ? 2 * response_ns : TIMEOUT_NS;
    int64_t timeout = TIMEOUT_RESPONSES * response_ns + TIMEOUT_ADD_NS;
    timeout = timeout < TIMEOUT_MIN_NS ? TIMEOUT_MIN_NS : timeout;
    timeout = timeout > most ? most : timeout;
    return timeout > TIMEOUT_MAX_NS ? TIMEOUT_MAX_NS : timeout;
}

bool pipeline_is_consistent(const struct pipeline *p)
{
    uint32_t target = pipeline_target(p);
    int64_t timeout_ns = pipeline_timeout_ns(p);
    return p->window >= 1 && p->window <= LIMIT_PEER_REQUESTS_OUT && target >= PIPELINE_FLOOR &&
           target <= LIMIT_PEER_REQUESTS_OUT && timeout_ns >= TIMEOUT_MIN_NS &&
           timeout_ns <= TIMEOUT_MAX_NS && p->rtt_us >= 0 && p->response_us >= 0;
}
