/* What we have, against a plain model. */
#include "base/dice.h"
#include "swarm/pieces.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants the above first */
#include <cmocka.h>

static void everything_is_wanted_and_missing_at_first(void **state)
{
    (void)state;
    struct pieces p;
    assert_int_equal(pieces_init(&p, 11), 0);
    assert_int_equal(pieces_missing(&p), 11);
    assert_false(pieces_complete(&p));
    for (uint32_t i = 0; i < 11; i++) {
        assert_true(pieces_is_missing(&p, i));
        assert_true(pieces_on_written(&p, i));
    }
    assert_true(pieces_complete(&p));
    assert_false(pieces_is_durable(&p));
    for (uint32_t i = 0; i < 11; i++) {
        assert_true(pieces_on_durable(&p, i));
        assert_false(pieces_on_durable(&p, i));
    }
    assert_true(pieces_is_durable(&p));
    pieces_deinit(&p);
}

static void a_sync_that_ends_after_the_loss_claims_nothing(void **state)
{
    (void)state;
    struct pieces p;
    assert_int_equal(pieces_init(&p, 3), 0);
    pieces_on_written(&p, 1);
    assert_true(pieces_on_lost(&p, 1));
    assert_false(pieces_on_durable(&p, 1));
    assert_true(pieces_is_missing(&p, 1));
    assert_int_equal(pieces_missing(&p), 3);
    pieces_deinit(&p);
}

static void an_unwanted_piece_is_not_missed(void **state)
{
    (void)state;
    struct pieces p;
    assert_int_equal(pieces_init(&p, 2), 0);
    pieces_on_written(&p, 0);
    assert_true(pieces_want(&p, 1, false));
    assert_false(pieces_want(&p, 1, false));
    assert_true(pieces_complete(&p));
    assert_true(pieces_want(&p, 1, true));
    assert_false(pieces_complete(&p));
    pieces_deinit(&p);
}

static void a_torrent_without_pieces_is_complete(void **state)
{
    (void)state;
    struct pieces p;
    assert_int_equal(pieces_init(&p, 0), 0);
    assert_true(pieces_complete(&p));
    assert_true(pieces_is_durable(&p));
    assert_true(pieces_is_consistent(&p));
    pieces_deinit(&p);
}

static void counters_are_right_after_any_history(void **state)
{
    (void)state;
    enum { COUNT = 67 };
    struct pieces p;
    bool have[COUNT] = {0}, durable[COUNT] = {0}, wanted[COUNT];
    struct dice dice;
    dice_init(&dice, 4);
    assert_int_equal(pieces_init(&p, COUNT), 0);
    for (int i = 0; i < COUNT; i++) {
        wanted[i] = true;
    }
    for (int step = 0; step < 20000; step++) {
        uint32_t i = dice_below(&dice, COUNT);
        bool want = dice_below(&dice, 3) > 0;
        switch (dice_below(&dice, 4)) {
        case 0:
            assert_int_equal(pieces_on_written(&p, i), !have[i]);
            have[i] = true;
            break;
        case 1:
            assert_int_equal(pieces_on_durable(&p, i), have[i] && !durable[i]);
            durable[i] = have[i];
            break;
        case 2:
            assert_int_equal(pieces_on_lost(&p, i), have[i]);
            have[i] = durable[i] = false;
            break;
        default:
            assert_int_equal(pieces_want(&p, i, want), wanted[i] != want);
            wanted[i] = want;
        }
        uint32_t missing = 0, not_durable = 0;
        for (int j = 0; j < COUNT; j++) {
            missing += wanted[j] && !have[j];
            not_durable += wanted[j] && !durable[j];
        }
        assert_int_equal(pieces_missing(&p), missing);
        assert_int_equal(pieces_is_durable(&p), not_durable == 0);
        assert_true(pieces_is_consistent(&p));
    }
    pieces_deinit(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_wanted_and_missing_at_first),
        cmocka_unit_test(a_sync_that_ends_after_the_loss_claims_nothing),
        cmocka_unit_test(an_unwanted_piece_is_not_missed),
        cmocka_unit_test(a_torrent_without_pieces_is_complete),
        cmocka_unit_test(counters_are_right_after_any_history),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
