/* JSON of hostile texts. */
#include "apps/cli/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *line_of(const char *text)
{
    json_t *object = json_object();
    json_object_set_new(object, "t", record_text(text));
    return record_line(object);
}

static void assert_line(const char *text, const char *expected)
{
    char *line = line_of(text);
    assert_string_equal(line, expected);
    free(line);
}

static void a_text_is_a_string_and_none_is_null(void **state)
{
    (void)state;
    assert_line("abc", "{\"t\":\"abc\"}\n");
    assert_line(NULL, "{\"t\":null}\n");
}

static void what_a_page_or_a_terminal_would_obey_is_escaped(void **state)
{
    (void)state;
    assert_line("<b>&\x7f", "{\"t\":\"\\u003cb\\u003e\\u0026\\u007f\"}\n");
    assert_line("\x1b[31m\n", "{\"t\":\"\\u001B[31m\\n\"}\n");
    assert_line("\xe2\x80\xa8\xe2\x80\xae", "{\"t\":\"\\u2028\\u202E\"}\n");
}

static void bytes_that_are_no_utf8_are_replaced(void **state)
{
    (void)state;
    assert_line("a\xff\xc3z", "{\"t\":\"a\\uFFFD\\uFFFDz\"}\n");
}

static void any_bytes_give_one_line_of_ascii_that_parses(void **state)
{
    (void)state;
    uint32_t random = 1;
    for (int round = 0; round < 2000; round++) {
        char text[64];
        size_t length = (size_t)round % sizeof text;
        for (size_t i = 0; i < length; i++) {
            random = random * 1664525u + 1013904223u;
            text[i] = (char)(random >> 24 ? random >> 24 : 1);
        }
        text[length ? length - 1 : 0] = 0;
        char *line = line_of(text);
        assert_non_null(line);
        size_t size = strlen(line);
        for (size_t i = 0; i + 1 < size; i++) {
            assert_in_range((unsigned char)line[i], 0x20, 0x7e);
            assert_null(strchr("<>&", line[i]));
        }
        assert_int_equal(line[size - 1], '\n');
        json_t *back = json_loads(line, 0, NULL);
        assert_non_null(back);
        json_decref(back);
        free(line);
    }
}

static void numbers_and_hashes(void **state)
{
    (void)state;
    json_t *object = json_object();
    uint8_t hash[2] = {0x0a, 0xff};
    json_object_set_new(object, "n", record_number(UINT64_MAX));
    json_object_set_new(object, "h", record_hex(hash, sizeof hash));
    char *line = record_line(object);
    assert_string_equal(line, "{\"n\":9223372036854775807,\"h\":\"0aff\"}\n");
    free(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_a_string_and_none_is_null),
        cmocka_unit_test(what_a_page_or_a_terminal_would_obey_is_escaped),
        cmocka_unit_test(bytes_that_are_no_utf8_are_replaced),
        cmocka_unit_test(any_bytes_give_one_line_of_ascii_that_parses),
        cmocka_unit_test(numbers_and_hashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
