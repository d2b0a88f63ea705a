/* Text from strangers, and numbers for people. */
#include "base/dice.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>

static void what_could_steer_a_terminal_is_escaped(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } table[] = {
        {"plain name.iso", "plain name.iso"},
        {"\x1b[31mred", "\\x1b[31mred"},
        {"\x1b]0;title\x07", "\\x1b]0;title\\x07"},
        {"a\nb\tc\rd", "a\\x0ab\\x09c\\x0dd"},
        {"\x7f", "\\x7f"},
        {"\xc2\x9b"
         "31m",
         "\\x9b31m"}, /* C1: CSI */
        {"gpj.\xe2\x80\xae"
         "exe",
         "gpj.\\u{202e}exe"}, /* right-to-left override */
        {"\xe2\x81\xa6x\xe2\x81\xa9", "\\u{2066}x\\u{2069}"},
        {"\xe2\x80\x8b", "\\u{200b}"},
        {"\xef\xbb\xbf"
         "bom",
         "\\u{feff}bom"},
        {"\xf3\xa0\x81\x81", "\\u{e0041}"}, /* tag characters */
        {"\xe2\x80\xa8", "\\u{2028}"},
        {"\xff\xfe", "\\xff\\xfe"},
        {"\xc3", "\\xc3"},
        {"\xc0\xaf", "\\xc0\\xaf"},          /* overlong '/' */
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"}, /* surrogate */
        {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},
        {"gr\xc3\xbc\xc3\x9f"
         "e \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x8c\x8a",
         "gr\xc3\xbc\xc3\x9f"
         "e \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x8c\x8a"},
    };
    char out[200];
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        assert_string_equal(text_escape(span_text(table[i].in), out, sizeof out), table[i].out);
    }
    assert_string_equal(text_escape(span_of("a\0b", 3), out, sizeof out), "a\\x00b");
}

static void escaping_any_bytes_leaves_printable_utf8_that_fits(void **state)
{
    (void)state;
    struct dice dice;
    dice_init(&dice, 8);
    for (int i = 0; i < 20000; i++) {
        uint8_t bytes[24];
        char out[64];
        size_t size = dice_below(&dice, sizeof bytes + 1);
        for (size_t j = 0; j < size; j++) {
            bytes[j] = (uint8_t)(dice_below(&dice, 2) ? dice_next(&dice) : 0x80 | dice_next(&dice));
        }
        size_t room = 1 + dice_below(&dice, sizeof out);
        out[room - 1] = 'x';
        text_escape(span_of(bytes, size), out, room);
        struct span text = span_text(out);
        assert_true(text.size < room);
        assert_true(text_is_utf8(text));
        for (size_t j = 0; j < text.size; j++) {
            assert_true(text.bytes[j] >= 0x20 && text.bytes[j] != 0x7f);
        }
        text_copy(out, room, span_of(bytes, size));
        assert_true(strlen(out) < room);
        assert_true(text_is_utf8(span_text(out)));
        assert_true(strlen(out) <= size);
    }
}

static void every_code_point_decodes_to_itself(void **state)
{
    (void)state;
    for (uint32_t c = 1; c < 0x110000; c++) {
        uint8_t bytes[4];
        size_t n;
        uint32_t decoded = 0;
        if (c < 0x80) {
            n = 1;
            bytes[0] = (uint8_t)c;
        } else if (c < 0x800) {
            n = 2;
            bytes[0] = (uint8_t)(0xc0 | c >> 6);
        } else if (c < 0x10000) {
            n = 3;
            bytes[0] = (uint8_t)(0xe0 | c >> 12);
        } else {
            n = 4;
            bytes[0] = (uint8_t)(0xf0 | c >> 18);
        }
        for (size_t i = 1; i < n; i++) {
            bytes[i] = (uint8_t)(0x80 | ((c >> (6 * (n - 1 - i))) & 0x3f));
        }
        size_t got = text_decode_utf8(span_of(bytes, n), &decoded);
        if (c >= 0xd800 && c < 0xe000) {
            assert_int_equal(got, 0);
        } else {
            assert_int_equal(got, n);
            assert_int_equal(decoded, c);
            assert_int_equal(text_decode_utf8(span_of(bytes, n - 1), &decoded), 0);
        }
    }
}

static void cutting_never_splits_a_character(void **state)
{
    (void)state;
    struct span text = span_text("a\xc3\xbc\xe6\x97\xa5\xf0\x9f\x8c\x8a");
    static const size_t cuts[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};
    for (size_t limit = 0; limit < sizeof cuts / sizeof *cuts; limit++) {
        assert_int_equal(text_cut_utf8(text, limit), cuts[limit]);
    }
}

static void sizes_read_as_people_write_them(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"0", 0},
                {"4096", 4096},
                {"5M", 5 << 20},
                {"5MiB", 5 << 20},
                {"5MB", 5 << 20},
                {"1.5G", 3u << 29},
                {"800k", 800 << 10},
                {"800K", 800 << 10},
                {"12B", 12},
                {"2T", UINT64_C(2) << 40},
                {".5k", 512},
                {"1.k", 1024}};
    static const char *const bad[] = {"",     "M",   "5X",   "5MM", "-1", "1 M", "1.2.3", "9E",
                                      "5Mi ", "1e3", "0x10", " 5",  ".",  "inf", "nan"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        uint64_t bytes = 1;
        assert_true(text_parse_bytes(good[i].text, &bytes));
        assert_true(bytes == good[i].bytes);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint64_t bytes;
        if (text_parse_bytes(bad[i], &bytes)) {
            fail_msg("'%s' was taken for a size", bad[i]);
        }
    }
}

static void durations_read_as_people_write_them(void **state)
{
    (void)state;
    int64_t s;
    assert_true(text_parse_duration("90", &s) && s == 90);
    assert_true(text_parse_duration("90s", &s) && s == 90);
    assert_true(text_parse_duration("1.5h", &s) && s == 5400);
    assert_true(text_parse_duration("10m", &s) && s == 600);
    assert_true(text_parse_duration("1d", &s) && s == 86400);
    static const char *const bad[] = {"", "s", "5x", "5mm", "-5", "5 s", "1e3", "99999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(text_parse_duration(bad[i], &s));
    }
}

static void a_number_is_digits_and_within_its_bound(void **state)
{
    (void)state;
    uint64_t n;
    assert_true(text_parse_number("0", 0, &n) && n == 0);
    assert_true(text_parse_number("65535", 65535, &n) && n == 65535);
    assert_false(text_parse_number("65536", 65535, &n));
    assert_true(text_parse_number("18446744073709551615", UINT64_MAX, &n) && n == UINT64_MAX);
    assert_false(text_parse_number("18446744073709551616", UINT64_MAX, &n));
    assert_false(text_parse_number("", UINT64_MAX, &n));
    assert_false(text_parse_number("+1", UINT64_MAX, &n));
    assert_false(text_parse_number("1 ", UINT64_MAX, &n));
}

static void numbers_are_shown_with_units(void **state)
{
    (void)state;
    char out[32];
    assert_string_equal(text_bytes(0, out, sizeof out), "0 B");
    assert_string_equal(text_bytes(1023, out, sizeof out), "1023 B");
    assert_string_equal(text_bytes(1024, out, sizeof out), "1.0 KiB");
    assert_string_equal(text_bytes(1536 << 10, out, sizeof out), "1.5 MiB");
    assert_string_equal(text_bytes((1 << 20) - 1, out, sizeof out), "1.0 MiB");
    assert_string_equal(text_bytes(UINT64_MAX, out, sizeof out), "16.0 EiB");
    assert_string_equal(text_duration(45, out, sizeof out), "45s");
    assert_string_equal(text_duration(200, out, sizeof out), "3m 20s");
    assert_string_equal(text_duration(3720, out, sizeof out), "1h 02m");
    assert_string_equal(text_duration(90000, out, sizeof out), "1d 01h");
    assert_string_equal(text_duration(-5, out, sizeof out), "0s");
}

static void hexadecimal_goes_both_ways_and_is_exact(void **state)
{
    (void)state;
    uint8_t bytes[3], back[3];
    char hex[7];
    for (int i = 0; i < 256; i++) {
        memset(bytes, i, sizeof bytes);
        text_hex(bytes, sizeof bytes, hex);
        assert_true(text_parse_hex(span_text(hex), back, sizeof back));
        assert_memory_equal(bytes, back, sizeof bytes);
    }
    assert_true(text_parse_hex(span_text("aAfF09"), back, 3));
    assert_false(text_parse_hex(span_text("aaff0"), back, 3));
    assert_false(text_parse_hex(span_text("aaff000"), back, 3));
    assert_false(text_parse_hex(span_text("aaff0g"), back, 3));
    assert_false(text_parse_hex(span_text("aaff0\x10"), back, 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_could_steer_a_terminal_is_escaped),
        cmocka_unit_test(escaping_any_bytes_leaves_printable_utf8_that_fits),
        cmocka_unit_test(every_code_point_decodes_to_itself),
        cmocka_unit_test(cutting_never_splits_a_character),
        cmocka_unit_test(sizes_read_as_people_write_them),
        cmocka_unit_test(durations_read_as_people_write_them),
        cmocka_unit_test(a_number_is_digits_and_within_its_bound),
        cmocka_unit_test(numbers_are_shown_with_units),
        cmocka_unit_test(hexadecimal_goes_both_ways_and_is_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
