/* The request window against a simulated peer: a path with a round trip, behind it a server that
 * sends at a rate, in order. Time is virtual. */
#include "base/block.h"
#include "base/limits.h"
#include "swarm/pipeline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>

#define MS INT64_C(1000000)
#define S  (1000 * MS)

enum { QUEUE = 1024 };

struct path {
    int64_t rtt_ns;
    double rate;            /* bytes per second */
    int64_t batch_ns;       /* blocks that come within it are seen together */
    int64_t server_free_ns; /* when the server has sent what it was asked */
    struct {
        uint64_t serial;
        int64_t sent_ns, arrives_ns;
    } queue[QUEUE];
    uint32_t first, count;
    uint64_t serial;
    uint64_t delivered_bytes;
    uint32_t most; /* outstanding */
};

static void ask(struct path *path, struct pipeline *p, int64_t now_ns)
{
    int64_t at_server = now_ns + path->rtt_ns / 2;
    int64_t begins = path->server_free_ns > at_server ? path->server_free_ns : at_server;
    path->server_free_ns = begins + (int64_t)(BLOCK_BYTES * (double)S / path->rate);
    int64_t arrives = path->server_free_ns + path->rtt_ns / 2;
    arrives = (arrives + path->batch_ns - 1) / path->batch_ns * path->batch_ns;
    uint32_t at = (path->first + path->count) % QUEUE;
    path->queue[at].serial = ++path->serial;
    path->queue[at].sent_ns = now_ns;
    path->queue[at].arrives_ns = arrives;
    pipeline_on_request(p, path->serial, path->count++, now_ns);
    path->most = path->count > path->most ? path->count : path->most;
}

/* Keeps asking until a moment; returns the bytes that came in between. */
static uint64_t run(struct path *path, struct pipeline *p, int64_t *now_ns, int64_t until_ns)
{
    uint64_t before = path->delivered_bytes;
    while (*now_ns < until_ns) {
        while (path->count < pipeline_target(p)) {
            ask(path, p, *now_ns);
        }
        assert_true(pipeline_is_consistent(p));
        if (path->queue[path->first].arrives_ns > until_ns) {
            *now_ns = until_ns;
            break;
        }
        *now_ns = path->queue[path->first].arrives_ns;
        while (path->count > 0 && path->queue[path->first].arrives_ns <= *now_ns) {
            uint32_t at = path->first;
            path->first = (path->first + 1) % QUEUE;
            path->count--;
            path->delivered_bytes += BLOCK_BYTES;
            pipeline_on_block(p, path->queue[at].serial, path->queue[at].sent_ns, BLOCK_BYTES,
                              path->serial + 1, *now_ns);
        }
    }
    return path->delivered_bytes - before;
}

static void check_fills(int64_t rtt_ns, double rate, int64_t batch_ns, int round_trips)
{
    struct path *path = calloc(1, sizeof *path);
    struct pipeline p;
    int64_t now = S;
    assert_non_null(path);
    path->rtt_ns = rtt_ns;
    path->rate = rate;
    path->batch_ns = batch_ns;
    pipeline_init(&p, now);
    int64_t warm = (rtt_ns > 10 * MS ? rtt_ns : 10 * MS) * round_trips;
    run(path, &p, &now, now + warm);
    uint64_t bytes = run(path, &p, &now, now + 10 * S);
    if ((double)bytes < 0.97 * 10 * rate) {
        fail_msg("rtt %lld ms, rate %.0f: %.0f bytes/s", (long long)(rtt_ns / MS), rate,
                 (double)bytes / 10);
    }
    /* and not much more than that is asked at once */
    path->most = 0;
    run(path, &p, &now, now + 10 * S);
    double horizon_s = 1.5 * ((double)(rtt_ns + batch_ns) / S + BLOCK_BYTES / rate) + 0.05;
    double enough = rate * horizon_s * 1.25 / BLOCK_BYTES + 3;
    if ((double)path->most > enough && path->most > PIPELINE_START) {
        fail_msg("rtt %lld ms, rate %.0f: %u requests", (long long)(rtt_ns / MS), rate, path->most);
    }
    free(path);
}

static void the_pipe_is_full_within_a_few_round_trips(void **state)
{
    (void)state;
    check_fills(1 * MS, 100e6, 1, 10);
    check_fills(10 * MS, 100e6, 1, 10);
    check_fills(50 * MS, 20e6, 1, 10);
    check_fills(100 * MS, 10e6, 1, 10);
    check_fills(100 * MS, 1e6, 1, 10);
    check_fills(200 * MS, 2e6, 1, 10);
    check_fills(400 * MS, 5e6, 1, 10);
    check_fills(30 * MS, 200e3, 1, 10);
}

static void blocks_that_come_in_batches_fill_it_too(void **state)
{
    (void)state;
    check_fills(100 * MS, 10e6, 5 * MS, 12);
    check_fills(50 * MS, 20e6, 10 * MS, 12);
    check_fills(20 * MS, 5e6, 20 * MS, 12);
}

static void a_slow_peer_is_not_flooded(void **state)
{
    (void)state;
    struct path *path = calloc(1, sizeof *path);
    struct pipeline p;
    int64_t now = S;
    assert_non_null(path);
    path->rtt_ns = 100 * MS;
    path->rate = 5e3;
    path->batch_ns = 1;
    pipeline_init(&p, now);
    run(path, &p, &now, 120 * S);
    path->most = 0;
    run(path, &p, &now, 600 * S);
    assert_in_range(path->most, PIPELINE_FLOOR, 4);
    free(path);
}

static void a_path_that_becomes_longer_is_filled_again(void **state)
{
    (void)state;
    struct path *path = calloc(1, sizeof *path);
    struct pipeline p;
    int64_t now = S;
    assert_non_null(path);
    path->rtt_ns = 10 * MS;
    path->rate = 5e6;
    path->batch_ns = 1;
    pipeline_init(&p, now);
    run(path, &p, &now, 30 * S);
    path->rtt_ns = 300 * MS;
    run(path, &p, &now, 60 * S);
    uint64_t bytes = run(path, &p, &now, 70 * S);
    assert_true((double)bytes > 0.95 * 10 * path->rate);
    free(path);
}

static void a_peer_that_becomes_faster_is_used(void **state)
{
    (void)state;
    struct path *path = calloc(1, sizeof *path);
    struct pipeline p;
    int64_t now = S;
    assert_non_null(path);
    path->rtt_ns = 80 * MS;
    path->rate = 200e3;
    path->batch_ns = 1;
    pipeline_init(&p, now);
    run(path, &p, &now, 30 * S);
    path->rate = 20e6;
    run(path, &p, &now, 33 * S);
    uint64_t bytes = run(path, &p, &now, 43 * S);
    assert_true((double)bytes > 0.95 * 10 * path->rate);
    free(path);
}

static void an_old_measure_is_not_trusted_after_idleness(void **state)
{
    (void)state;
    struct path *path = calloc(1, sizeof *path);
    struct pipeline p;
    int64_t now = S;
    assert_non_null(path);
    path->rtt_ns = 50 * MS;
    path->rate = 20e6;
    path->batch_ns = 1;
    pipeline_init(&p, now);
    run(path, &p, &now, 10 * S);
    assert_true(pipeline_target(&p) > PIPELINE_START);
    path->count = 0;
    path->serial++;
    pipeline_on_request(&p, path->serial, 0, 300 * S);
    assert_int_equal(pipeline_target(&p), PIPELINE_START);
    free(path);
}

static void patience_follows_the_pace(void **state)
{
    (void)state;
    struct pipeline p;
    pipeline_init(&p, S);
    assert_int_equal(pipeline_timeout_ns(&p), 60 * S);
    struct path *path = calloc(1, sizeof *path);
    int64_t now = S;
    assert_non_null(path);
    path->rtt_ns = 50 * MS;
    path->rate = 20e6;
    path->batch_ns = 1;
    run(path, &p, &now, 10 * S);
    assert_true(pipeline_timeout_ns(&p) <= 6 * S);
    path->rate = 1e3;
    run(path, &p, &now, 2000 * S);
    assert_true(pipeline_timeout_ns(&p) >= 60 * S);
    assert_true(pipeline_timeout_ns(&p) <= 300 * S);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_pipe_is_full_within_a_few_round_trips),
        cmocka_unit_test(blocks_that_come_in_batches_fill_it_too),
        cmocka_unit_test(a_slow_peer_is_not_flooded),
        cmocka_unit_test(a_path_that_becomes_longer_is_filled_again),
        cmocka_unit_test(a_peer_that_becomes_faster_is_used),
        cmocka_unit_test(an_old_measure_is_not_trusted_after_idleness),
        cmocka_unit_test(patience_follows_the_pace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
