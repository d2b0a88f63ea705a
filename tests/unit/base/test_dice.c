/* Cheap randomness: bounded, repeatable, and not visibly lopsided. */
#include "base/dice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>

static void the_same_seed_gives_the_same_throws(void **state)
{
    (void)state;
    struct dice a, b, c;
    dice_init(&a, 5);
    dice_init(&b, 5);
    dice_init(&c, 6);
    int same = 0;
    for (int i = 0; i < 100; i++) {
        uint64_t throw = dice_next(&a);
        assert_true(throw == dice_next(&b));
        same += throw == dice_next(&c);
    }
    assert_int_equal(same, 0);
}

static void throws_stay_below_the_bound_and_reach_all_of_it(void **state)
{
    (void)state;
    struct dice dice;
    dice_init(&dice, 7);
    int counts[10] = {0};
    for (int i = 0; i < 10000; i++) {
        uint32_t n = dice_below(&dice, 10);
        assert_true(n < 10);
        counts[n]++;
        assert_int_equal(dice_below(&dice, 1), 0);
    }
    for (int i = 0; i < 10; i++) {
        assert_in_range(counts[i], 800, 1200);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_gives_the_same_throws),
        cmocka_unit_test(throws_stay_below_the_bound_and_reach_all_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
