/* An arena hands out zeroed, aligned memory within its limit. */
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>

static void memory_is_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 0);
    uint8_t *previous = NULL;
    for (size_t size = 0; size < 3000; size += 7) {
        uint8_t *memory = arena_allocate(&a, size);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++) {
            assert_int_equal(memory[i], 0);
        }
        memset(memory, 0xff, size);
        if (previous) {
            assert_ptr_not_equal(memory, previous);
        }
        previous = size ? memory : NULL;
    }
    uint8_t *large = arena_allocate(&a, 5 << 20);
    assert_non_null(large);
    assert_int_equal(large[0] | large[(5 << 20) - 1], 0);
    arena_deinit(&a);
    assert_int_equal(a.used, 0);
}

static void the_limit_is_kept_exactly(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1024);
    assert_non_null(arena_allocate(&a, 1000));
    assert_null(arena_allocate(&a, 17));
    assert_non_null(arena_allocate(&a, 16));
    assert_null(arena_allocate(&a, 1));
    assert_null(arena_allocate(&a, SIZE_MAX));
    assert_null(arena_allocate(&a, SIZE_MAX - 15));
    assert_int_equal(a.used, 1024);
    arena_deinit(&a);
}

static void a_product_that_overflows_is_refused(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 0);
    for (size_t below = 0; below < 32; below++) {
        assert_null(
            arena_allocate(&a, SIZE_MAX - below)); /* with its header it would be a small one */
    }
    assert_null(arena_array(&a, SIZE_MAX / 2, 3));
    assert_null(arena_array(&a, SIZE_MAX, SIZE_MAX));
    assert_non_null(arena_array(&a, 3, 5));
    arena_deinit(&a);
}

static void a_text_gets_its_final_zero(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 0);
    assert_string_equal(arena_text(&a, span_of("abcdef", 3)), "abc");
    assert_string_equal(arena_text(&a, span_of(NULL, 0)), "");
    arena_deinit(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_aligned_and_apart),
        cmocka_unit_test(the_limit_is_kept_exactly),
        cmocka_unit_test(a_product_that_overflows_is_refused),
        cmocka_unit_test(a_text_gets_its_final_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
