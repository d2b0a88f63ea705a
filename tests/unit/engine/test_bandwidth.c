/* Rate limits and timers in virtual time: how much passes in ten seconds, how it is shared, how often it wakes. */
#include "engine/bandwidth.h"
#include "engine/timers.h"
#include "io/sim/io_sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
/* cmocka wants the above first */
#include <cmocka.h>

#define MS_NS     INT64_C(1000000)
#define SECOND_NS INT64_C(1000000000)

enum { TAKERS_MAX = 8 };

struct world;

/* Takes as much as it may, and waits for more while there is a limit. */
struct taker {
    struct world *w;
    struct bucket_waiter waiter;
    uint64_t want; /* at a time */
    uint64_t taken_bytes;
    uint32_t woken;
};

struct world {
    struct io_sim *sim;
    struct io *io;
    struct timers timers;
    struct bucket bucket;
    struct taker takers[TAKERS_MAX];
    uint64_t window_bytes, largest_window_bytes;
    int64_t window_ns;
};

static void count(struct world *w, uint64_t bytes, int64_t now_ns)
{
    if (now_ns - w->window_ns >= 100 * MS_NS) {
        w->window_ns = now_ns;
        w->window_bytes = 0;
    }
    w->window_bytes += bytes;
    if (w->window_bytes > w->largest_window_bytes) {
        w->largest_window_bytes = w->window_bytes;
    }
}

static void take(struct bucket_waiter *waiter)
{
    struct taker *t = list_entry(waiter, struct taker, waiter);
    struct world *w = t->w;
    int64_t now_ns = io_now(w->io);
    uint64_t allowed = bucket_allows(&w->bucket, t->want, now_ns);
    t->woken++;
    bucket_spend(&w->bucket, allowed);
    t->taken_bytes += allowed;
    count(w, allowed, now_ns);
    if (w->bucket.rate > 0) {
        bucket_wait(&w->bucket, waiter, now_ns);
    }
}

static void begin(struct world *w, uint64_t rate)
{
    struct addr none = {.family = ADDR_NONE};
    *w = (struct world){.sim = io_sim_create(1)};
    assert_int_equal(io_sim_host_create(w->sim, "one", none, none, &w->io), 0);
    timers_init(&w->timers, w->io);
    bucket_init(&w->bucket, &w->timers, rate);
    w->window_ns = io_now(w->io);
}

static void add_taker(struct world *w, uint32_t i, uint64_t want)
{
    w->takers[i] = (struct taker){.w = w, .want = want};
    bucket_waiter_init(&w->takers[i].waiter, take);
    bucket_wait(&w->bucket, &w->takers[i].waiter, io_now(w->io));
}

static void run(struct world *w, int64_t ns)
{
    io_sim_run_until(w->sim, io_sim_now(w->sim) + ns);
}

static void end(struct world *w)
{
    bucket_deinit(&w->bucket);
    timers_close(&w->timers);
    run(w, MS_NS);
    assert_true(timers_idle(&w->timers));
    io_sim_destroy(w->sim);
}

static void ten_seconds_bring_ten_times_the_rate(void **state)
{
    static const uint64_t rates[] = {1000, 10000, 123456, 1000000, 50000000, 1000000000};
    (void)state;
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        struct world w;
        begin(&w, rates[i]);
        add_taker(&w, 0, UINT64_MAX);
        run(&w, 10 * SECOND_NS);
        double share = (double)w.takers[0].taken_bytes / (double)(rates[i] * 10);
        if (share < 0.98 || share > 1.02) {
            fail_msg("%llu bytes/s: %.4f of what is allowed", (unsigned long long)rates[i], share);
        }
        assert_true(w.largest_window_bytes <= rates[i] / 5 + 16384 + 2);
        end(&w);
    }
}

static void a_bucket_that_is_looked_at_all_the_time_loses_nothing(void **state)
{
    (void)state;
    struct world w;
    uint64_t passed = 0;
    begin(&w, 10000); /* ten bytes and a half in the 1,050 us between two looks */
    for (int64_t ns = 0; ns < 10 * SECOND_NS; ns += 1050000) {
        run(&w, 1050000);
        uint64_t allowed = bucket_allows(&w.bucket, 16384, io_now(w.io));
        bucket_spend(&w.bucket, allowed);
        passed += allowed;
    }
    assert_true(passed > 98000 && passed < 102000);
    end(&w);
}

static void those_who_wait_get_equal_shares(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 1000000);
    for (uint32_t i = 0; i < TAKERS_MAX; i++) {
        add_taker(&w, i, 16384);
    }
    run(&w, 10 * SECOND_NS);
    for (uint32_t i = 0; i < TAKERS_MAX; i++) {
        double share = (double)w.takers[i].taken_bytes / (10000000.0 / TAKERS_MAX);
        assert_true(share > 0.95 && share < 1.05);
    }
    end(&w);
}

static void a_transfer_larger_than_allowed_is_paid_back(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 10000);
    run(&w, SECOND_NS);
    assert_true(bucket_allows(&w.bucket, 1, io_now(w.io)) == 1);
    bucket_spend(&w.bucket, 51000); /* it held 1,000 */
    run(&w, 4900 * MS_NS);
    assert_true(bucket_allows(&w.bucket, 1, io_now(w.io)) == 0);
    run(&w, 300 * MS_NS);
    assert_true(bucket_allows(&w.bucket, 1, io_now(w.io)) == 1);
    end(&w);
}

static void a_limit_that_is_lifted_wakes_everybody_at_once(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 1);
    for (uint32_t i = 0; i < TAKERS_MAX; i++) {
        add_taker(&w, i, 100);
    }
    run(&w, MS_NS);
    bucket_set_rate(&w.bucket, 0, io_now(w.io));
    run(&w, MS_NS);
    for (uint32_t i = 0; i < TAKERS_MAX; i++) {
        assert_true(w.takers[i].taken_bytes >= 100);
    }
    end(&w);
}

static void any_rate_over_any_time_stays_a_number(void **state)
{
    (void)state;
    struct world w;
    begin(&w, UINT64_MAX);
    io_sim_run_until(w.sim, INT64_C(300) * 86400 * SECOND_NS);
    assert_true(bucket_allows(&w.bucket, 1000, io_now(w.io)) == 1000);
    bucket_set_rate(&w.bucket, 1, io_now(w.io));
    assert_true(bucket_allows(&w.bucket, 1000, io_now(w.io)) <= 1);
    end(&w);
}

static void nothing_wakes_while_nobody_waits(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 1000);
    run(&w, SECOND_NS);
    assert_true(io_sim_idle(w.sim));
    end(&w);
}

/* ---- timers ---------------------------------------------------------------------------------- */

struct alarm {
    struct timer timer;
    struct timers *timers;
    int64_t fired_ns;
    int64_t again_ns; /* after it fired; 0: not */
    uint32_t times;
};

static void on_alarm(struct timer *timer, int64_t now_ns)
{
    struct alarm *a = list_entry(timer, struct alarm, timer);
    assert_false(timer->armed);
    a->fired_ns = now_ns;
    a->times++;
    if (a->again_ns > 0) {
        timer_set(a->timers, timer, now_ns + a->again_ns);
    }
}

static void timers_fire_in_time_and_once(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 0);
    struct alarm alarms[100];
    int64_t start_ns = io_now(w.io);
    for (int i = 0; i < 100; i++) {
        alarms[i] = (struct alarm){.timer = {.fire = on_alarm}, .timers = &w.timers};
        timer_set(&w.timers, &alarms[i].timer, start_ns + ((i * 37) % 100 + 1) * MS_NS);
    }
    run(&w, SECOND_NS);
    for (int i = 0; i < 100; i++) {
        int64_t due_ns = start_ns + ((i * 37) % 100 + 1) * MS_NS;
        assert_int_equal(alarms[i].times, 1);
        assert_true(alarms[i].fired_ns >= due_ns && alarms[i].fired_ns < due_ns + MS_NS);
    }
    end(&w);
}

static void a_timer_moves_both_ways_and_can_be_disarmed(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 0);
    int64_t start_ns = io_now(w.io);
    struct alarm a = {.timer = {.fire = on_alarm}, .timers = &w.timers};
    struct alarm b = {.timer = {.fire = on_alarm}, .timers = &w.timers};
    timer_set(&w.timers, &a.timer, start_ns + 50 * MS_NS);
    timer_set(&w.timers, &b.timer, start_ns + 60 * MS_NS);
    timer_set(&w.timers, &a.timer, start_ns + 90 * MS_NS);
    timer_set(&w.timers, &b.timer, start_ns + 10 * MS_NS);
    run(&w, 20 * MS_NS);
    assert_int_equal(b.times, 1);
    run(&w, 60 * MS_NS);
    assert_int_equal(a.times, 0);
    run(&w, 20 * MS_NS);
    assert_int_equal(a.times, 1);
    timer_set(&w.timers, &a.timer, start_ns + 500 * MS_NS);
    timer_clear(&w.timers, &a.timer);
    run(&w, SECOND_NS);
    assert_int_equal(a.times, 1);
    end(&w);
}

static void a_timer_may_arm_itself_again_and_closing_disarms_all(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 0);
    struct alarm a = {.timer = {.fire = on_alarm}, .timers = &w.timers, .again_ns = 10 * MS_NS};
    timer_set(&w.timers, &a.timer, io_now(w.io) + 10 * MS_NS);
    run(&w, 105 * MS_NS);
    assert_int_equal(a.times, 10);
    end(&w);
    assert_false(a.timer.armed);
    assert_int_equal(a.times, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_seconds_bring_ten_times_the_rate),
        cmocka_unit_test(a_bucket_that_is_looked_at_all_the_time_loses_nothing),
        cmocka_unit_test(those_who_wait_get_equal_shares),
        cmocka_unit_test(a_transfer_larger_than_allowed_is_paid_back),
        cmocka_unit_test(a_limit_that_is_lifted_wakes_everybody_at_once),
        cmocka_unit_test(any_rate_over_any_time_stays_a_number),
        cmocka_unit_test(nothing_wakes_while_nobody_waits),
        cmocka_unit_test(timers_fire_in_time_and_once),
        cmocka_unit_test(a_timer_moves_both_ways_and_can_be_disarmed),
        cmocka_unit_test(a_timer_may_arm_itself_again_and_closing_disarms_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
