/* Bitsets against an array of booleans, at every size around a byte and a word. */
#include "base/bitset.h"
#include "base/dice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>

enum { COUNT_MAX = 150 };

static uint32_t model_next(const bool *model, uint32_t count, uint32_t from, bool wanted)
{
    while (from < count && model[from] != wanted) {
        from++;
    }
    return from < count ? from : count;
}

static void it_agrees_with_an_array_of_booleans(void **state)
{
    (void)state;
    struct dice dice;
    dice_init(&dice, 1);
    for (uint32_t count = 0; count < COUNT_MAX; count++) {
        struct bitset a, b;
        bool model[COUNT_MAX] = {false}, other[COUNT_MAX] = {false};
        uint32_t ones = 0;
        assert_int_equal(bitset_init(&a, count), 0);
        assert_int_equal(bitset_init(&b, count), 0);
        for (uint32_t i = 0; i < count; i++) {
            other[i] = dice_below(&dice, 3) == 0;
            if (other[i]) {
                bitset_set(&b, i);
            }
        }
        for (int step = 0; step < 200 && count > 0; step++) {
            uint32_t i = dice_below(&dice, count);
            bool set = dice_below(&dice, 2);
            assert_int_equal(set ? bitset_set(&a, i) : bitset_clear(&a, i), model[i] != set);
            ones += (uint32_t)set - model[i];
            model[i] = set;
            assert_int_equal(a.ones, ones);
            assert_int_equal(bitset_get(&a, i), set);
            uint32_t from = dice_below(&dice, count + 3);
            assert_int_equal(bitset_next(&a, from), model_next(model, count, from, true));
            assert_int_equal(bitset_next_clear(&a, from), model_next(model, count, from, false));
            uint32_t common = from;
            while (common < count && !(model[common] && other[common])) {
                common++;
            }
            assert_int_equal(bitset_next_common(&a, &b, from), common < count ? common : count);
        }
        bitset_deinit(&a);
        bitset_deinit(&b);
    }
}

static void full_and_empty_keep_the_spare_bits_zero(void **state)
{
    (void)state;
    for (uint32_t count = 0; count < 70; count++) {
        struct bitset b;
        assert_int_equal(bitset_init(&b, count), 0);
        bitset_fill(&b);
        assert_true(bitset_full(&b));
        assert_int_equal(b.ones, count);
        assert_int_equal(bitset_next_clear(&b, 0), count);
        if (count % 8) {
            assert_int_equal(b.bytes[bitset_bytes(count) - 1] & (0xff >> (count % 8)), 0);
        }
        bitset_empty(&b);
        assert_int_equal(bitset_next(&b, 0), count);
        assert_int_equal(b.ones, 0);
        bitset_deinit(&b);
    }
}

static void the_first_number_is_the_high_bit(void **state)
{
    (void)state;
    struct bitset b;
    assert_int_equal(bitset_init(&b, 10), 0);
    bitset_set(&b, 0);
    bitset_set(&b, 9);
    assert_int_equal(b.bytes[0], 0x80);
    assert_int_equal(b.bytes[1], 0x40);
    bitset_deinit(&b);
}

static void a_bitfield_of_the_wrong_size_or_with_spare_bits_is_refused(void **state)
{
    (void)state;
    struct bitset b;
    const uint8_t good[2] = {0xff, 0xc0}, spare[2] = {0, 0x20}, more[3] = {0};
    assert_int_equal(bitset_init(&b, 10), 0);
    assert_false(bitset_load(&b, good, 1));
    assert_false(bitset_load(&b, more, 3));
    assert_false(bitset_load(&b, spare, 2));
    assert_int_equal(b.ones, 0);
    assert_int_equal(bitset_next(&b, 0), 10);
    assert_true(bitset_load(&b, good, 2));
    assert_true(bitset_full(&b));
    bitset_deinit(&b);
    assert_int_equal(bitset_init(&b, 0), 0);
    assert_true(bitset_load(&b, NULL, 0));
    assert_true(bitset_full(&b));
    bitset_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_agrees_with_an_array_of_booleans),
        cmocka_unit_test(full_and_empty_keep_the_spare_bits_zero),
        cmocka_unit_test(the_first_number_is_the_high_bit),
        cmocka_unit_test(a_bitfield_of_the_wrong_size_or_with_spare_bits_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
