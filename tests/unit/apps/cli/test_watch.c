/* The judgement over one torrent: when it is complete, failed, silent, seeded enough. */
#include "apps/cli/watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct watch_goals no_goals = {.seed_ratio_milli = UINT64_MAX, .seed_time_s = -1};

static enum watch_phase look(struct watch *w, const struct watch_goals *goals, uint32_t s,
                             uint64_t verified, int64_t now_ms)
{
    struct spate_status status = {.state = s, .verified_bytes = verified, .wanted_bytes = 1000};
    watch_update(w, goals, &status, now_ms);
    return w->phase;
}

static void only_durable_bytes_are_success(void **state)
{
    (void)state;
    struct watch w;
    watch_init(&w, 0);
    assert_int_equal(look(&w, &no_goals, SPATE_STATE_STARTING, 0, 1), WATCH_RUNNING);
    assert_int_equal(look(&w, &no_goals, SPATE_STATE_DOWNLOADING, 999, 2), WATCH_RUNNING);
    assert_int_equal(look(&w, &no_goals, SPATE_STATE_DOWNLOADING, 1000, 3), WATCH_RUNNING);
    assert_int_equal(look(&w, &no_goals, SPATE_STATE_FINISHING, 1000, 4), WATCH_RUNNING);
    assert_false(w.complete);
    assert_int_equal(look(&w, &no_goals, SPATE_STATE_SEEDING, 1000, 5), WATCH_DONE);
    assert_true(w.complete);
    assert_int_equal(w.completed_ms, 5);
}

static void an_error_is_a_failure(void **state)
{
    (void)state;
    struct watch w;
    watch_init(&w, 0);
    assert_int_equal(look(&w, &no_goals, SPATE_STATE_ERROR, 0, 1), WATCH_FAILED);
    assert_true(watch_is_settled(&w));
    assert_int_equal(look(&w, &no_goals, SPATE_STATE_SEEDING, 1000, 2), WATCH_FAILED);
    assert_false(w.complete);
}

static void silence_is_counted_since_the_last_verified_byte(void **state)
{
    (void)state;
    struct watch_goals goals = no_goals;
    goals.timeout_s = 10;
    struct watch w;
    watch_init(&w, 0);
    assert_int_equal(look(&w, &goals, SPATE_STATE_DOWNLOADING, 0, 0), WATCH_RUNNING);
    assert_int_equal(look(&w, &goals, SPATE_STATE_DOWNLOADING, 1, 9000), WATCH_RUNNING);
    assert_int_equal(watch_silence_ms(&w, 18999), 9999);
    assert_int_equal(look(&w, &goals, SPATE_STATE_DOWNLOADING, 1, 18999), WATCH_RUNNING);
    assert_int_equal(look(&w, &goals, SPATE_STATE_DOWNLOADING, 1, 19000), WATCH_TIMED_OUT);
}

static void checking_and_waiting_for_the_disk_are_no_silence(void **state)
{
    (void)state;
    struct watch_goals goals = no_goals;
    goals.timeout_s = 1;
    struct watch w;
    watch_init(&w, 0);
    assert_int_equal(look(&w, &goals, SPATE_STATE_CHECKING, 0, 100000), WATCH_RUNNING);
    assert_int_equal(look(&w, &goals, SPATE_STATE_FINISHING, 0, 200000), WATCH_RUNNING);
    assert_int_equal(watch_silence_ms(&w, 200000), 0);
}

static void seeding_ends_with_the_first_goal(void **state)
{
    (void)state;
    struct watch_goals goals = {.seed_ratio_milli = 1500, .seed_time_s = 60};
    struct spate_status s = {.state = SPATE_STATE_SEEDING, .wanted_bytes = 1000};
    struct watch w;
    watch_init(&w, 0);
    watch_update(&w, &goals, &s, 0);
    assert_int_equal(w.phase, WATCH_SEEDING);
    s.total_uploaded_bytes = 1499;
    watch_update(&w, &goals, &s, 1000);
    assert_int_equal(w.phase, WATCH_SEEDING);
    s.total_uploaded_bytes = 1500;
    watch_update(&w, &goals, &s, 2000);
    assert_int_equal(w.phase, WATCH_DONE);

    watch_init(&w, 0);
    s.total_uploaded_bytes = 0;
    watch_update(&w, &goals, &s, 5000);
    watch_update(&w, &goals, &s, 64999);
    assert_int_equal(w.phase, WATCH_SEEDING);
    watch_update(&w, &goals, &s, 65000);
    assert_int_equal(w.phase, WATCH_DONE);
}

static void a_seeder_goes_on_until_it_is_stopped(void **state)
{
    (void)state;
    struct watch_goals goals = no_goals;
    goals.for_ever = true;
    struct watch w;
    watch_init(&w, 0);
    assert_int_equal(look(&w, &goals, SPATE_STATE_SEEDING, 1000, INT64_C(1) << 40), WATCH_SEEDING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_durable_bytes_are_success),
        cmocka_unit_test(an_error_is_a_failure),
        cmocka_unit_test(silence_is_counted_since_the_last_verified_byte),
        cmocka_unit_test(checking_and_waiting_for_the_disk_are_no_silence),
        cmocka_unit_test(seeding_ends_with_the_first_goal),
        cmocka_unit_test(a_seeder_goes_on_until_it_is_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
