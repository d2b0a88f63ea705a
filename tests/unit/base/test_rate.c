/* The rate meter on a made-up clock. */
#include "base/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>

#define SECOND INT64_C(1000000000)

static void a_steady_stream_shows_its_rate(void **state)
{
    (void)state;
    struct rate rate = {0};
    const int64_t start = 1000 * SECOND;
    for (int64_t t = 0; t < 20 * SECOND; t += SECOND / 10) {
        rate_add(&rate, 1000, start + t);
        if (t >= SECOND) {
            assert_in_range(rate_per_second(&rate, start + t), 9000, 11000);
        }
    }
    assert_int_equal(rate.total_bytes, 200 * 1000);
}

static void silence_brings_it_to_zero(void **state)
{
    (void)state;
    struct rate rate = {0};
    rate_add(&rate, 1 << 20, 50 * SECOND);
    assert_true(rate_per_second(&rate, 50 * SECOND) > 0);
    uint64_t last = UINT64_MAX;
    for (int i = 0; i < 5; i++) {
        uint64_t shown = rate_per_second(&rate, (51 + i) * SECOND);
        assert_true(shown <= last);
        last = shown;
    }
    assert_int_equal(rate_per_second(&rate, 55 * SECOND), 0);
    assert_int_equal(rate_per_second(&rate, 55000 * SECOND), 0);
    assert_int_equal(rate.total_bytes, 1 << 20);
}

static void asking_changes_nothing(void **state)
{
    (void)state;
    struct rate rate = {0};
    rate_add(&rate, 5000, 9 * SECOND);
    uint64_t before = rate_per_second(&rate, 10 * SECOND);
    rate_per_second(&rate, 100 * SECOND);
    assert_int_equal(rate_per_second(&rate, 10 * SECOND), before);
}

static void a_burst_after_idling_is_measured_on_its_own(void **state)
{
    (void)state;
    struct rate rate = {0};
    rate_add(&rate, 1000, 10 * SECOND);
    rate_add(&rate, 4000, 1000 * SECOND);
    rate_add(&rate, 4000, 1001 * SECOND);
    assert_in_range(rate_per_second(&rate, 1002 * SECOND), 3900, 4100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_steady_stream_shows_its_rate),
        cmocka_unit_test(silence_brings_it_to_zero),
        cmocka_unit_test(asking_changes_nothing),
        cmocka_unit_test(a_burst_after_idling_is_measured_on_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
