/* Cursors never leave their bytes. */
#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>

static void numbers_are_big_endian_both_ways(void **state)
{
    (void)state;
    uint8_t bytes[15];
    struct writer w = writer_over(bytes, sizeof bytes);
    writer_u8(&w, 0x01);
    writer_u16(&w, 0x0203);
    writer_u32(&w, 0x04050607);
    writer_u64(&w, UINT64_C(0x08090a0b0c0d0e0f));
    assert_false(w.failed);
    for (size_t i = 0; i < sizeof bytes; i++) {
        assert_int_equal(bytes[i], i + 1);
    }
    struct reader r = reader_over(span_of(bytes, sizeof bytes));
    assert_int_equal(reader_u8(&r), 0x01);
    assert_int_equal(reader_u16(&r), 0x0203);
    assert_int_equal(reader_u32(&r), 0x04050607);
    assert_true(reader_u64(&r) == UINT64_C(0x08090a0b0c0d0e0f));
    assert_false(r.failed);
    assert_int_equal(r.rest.size, 0);
}

static void a_reader_stays_failed_after_reading_past_the_end(void **state)
{
    (void)state;
    const uint8_t bytes[3] = {1, 2, 3};
    struct reader r = reader_over(span_of(bytes, sizeof bytes));
    assert_int_equal(reader_u32(&r), 0);
    assert_true(r.failed);
    assert_int_equal(reader_u8(&r), 0);
    assert_null(reader_take(&r, 1).bytes);
    r = reader_over(span_of(bytes, sizeof bytes));
    assert_int_equal(reader_take(&r, 3).size, 3);
    assert_int_equal(reader_take(&r, 0).size, 0);
    assert_false(r.failed);
    reader_take(&r, SIZE_MAX);
    assert_true(r.failed);
}

static void a_full_writer_writes_nothing_more(void **state)
{
    (void)state;
    uint8_t bytes[4] = {9, 9, 9, 9};
    struct writer w = writer_over(bytes, 3);
    writer_u16(&w, 0x0102);
    writer_u16(&w, 0x0304);
    assert_true(w.failed);
    assert_int_equal(w.size, 2);
    writer_u8(&w, 5);
    assert_int_equal(w.size, 2);
    assert_int_equal(bytes[2], 9);
    assert_int_equal(bytes[3], 9);
    assert_null(writer_room(&w, 0));
}

static void a_slice_stays_inside(void **state)
{
    (void)state;
    struct span text = span_text("piece");
    assert_true(span_equals(span_slice(text, 1, 2), span_text("ie")));
    assert_true(span_equals(span_slice(text, 3, SIZE_MAX), span_text("ce")));
    assert_int_equal(span_slice(text, 5, 1).size, 0);
    assert_int_equal(span_slice(text, SIZE_MAX, SIZE_MAX).size, 0);
    assert_true(span_equals(span_of(NULL, 0), span_text("")));
    assert_false(span_equals(text, span_text("pieces")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_big_endian_both_ways),
        cmocka_unit_test(a_reader_stays_failed_after_reading_past_the_end),
        cmocka_unit_test(a_full_writer_writes_nothing_more),
        cmocka_unit_test(a_slice_stays_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
