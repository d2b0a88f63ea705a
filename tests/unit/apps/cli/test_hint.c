/* "Did you mean": what is near, and what is not. */
#include "apps/cli/hint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *nearest(const char *word)
{
    static const char *const words[] = {"get",   "seed",     "create", "show",
                                        "check", "max-down", "max-up"};
    struct hint hint;
    hint_init(&hint, word);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        hint_offer(&hint, words[i]);
    }
    return hint.nearest ? hint.nearest : "";
}

static void a_typing_error_finds_its_word(void **state)
{
    (void)state;
    assert_string_equal(nearest("geet"), "get");
    assert_string_equal(nearest("sede"), "seed");
    assert_string_equal(nearest("craete"), "create");
    assert_string_equal(nearest("max-dwon"), "max-down");
    assert_string_equal(nearest("gt"), "get");
}

static void a_beginning_finds_its_word(void **state)
{
    (void)state;
    assert_string_equal(nearest("cre"), "create");
    assert_string_equal(nearest("max-d"), "max-down");
}

static void what_is_far_finds_nothing(void **state)
{
    (void)state;
    assert_string_equal(nearest("download"), "");
    assert_string_equal(nearest(""), "");
    assert_string_equal(nearest("xyz"), "");
    char word[200];
    memset(word, 'g', sizeof word);
    word[sizeof word - 1] = 0;
    assert_string_equal(nearest(word), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_typing_error_finds_its_word),
        cmocka_unit_test(a_beginning_finds_its_word),
        cmocka_unit_test(what_is_far_finds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
