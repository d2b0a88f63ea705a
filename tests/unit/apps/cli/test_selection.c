/* Which files are wanted: numbers, ranges, patterns. */
#include "apps/cli/selection.h"
#include "fake_spate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FILES = 6 };

static int set_up(void **state)
{
    (void)state;
    static const char *const paths[FILES] = {
        "a.txt", "music/one.flac", "music/two.flac", "music/live/three.flac", "b,c.txt", "7"};
    memset(&fake, 0, sizeof fake);
    for (unsigned i = 0; i < FILES; i++) {
        fake.paths[i] = paths[i];
        fake.lengths[i] = 1;
    }
    fake.file_count = FILES;
    return 0;
}

/* "101000" for the files that the words select; the message when they fit nothing. */
static const char *select_words(const char *a, const char *b)
{
    static char text[256];
    uint8_t wanted[FILES];
    struct option_list words = {0};
    option_list_add(&words, a);
    if (b) {
        option_list_add(&words, b);
    }
    if (selection_make((const spate_metainfo *)(const void *)&fake, &words, wanted, FILES, text,
                       sizeof text)) {
        for (unsigned i = 0; i < FILES; i++) {
            text[i] = wanted[i] ? '1' : '0';
        }
        text[FILES] = 0;
    }
    option_list_free(&words, false);
    return text;
}

static void numbers_and_ranges_count_from_one(void **state)
{
    (void)state;
    assert_string_equal(select_words("1", NULL), "100000");
    assert_string_equal(select_words("1,3-5", NULL), "101110");
    assert_string_equal(select_words("-2", "5-"), "110011");
    assert_string_equal(select_words("2,", ",2"), "010000");
}

static void patterns_look_at_the_path_and_at_the_name(void **state)
{
    (void)state;
    assert_string_equal(select_words("*.flac", NULL), "011100");
    assert_string_equal(select_words("music/[ot]*", NULL), "011000");
    assert_string_equal(select_words("three.flac,1", NULL), "100100");
    assert_string_equal(select_words("*.txt", "music/live/*"), "100110");
}

static void a_directory_stands_for_what_is_in_it(void **state)
{
    (void)state;
    assert_string_equal(select_words("music", NULL), "011100");
    assert_string_equal(select_words("music/live", NULL), "000100");
}

static void a_name_with_a_comma_can_be_said(void **state)
{
    (void)state;
    assert_string_equal(select_words("b,c.txt", NULL), "000010");
}

static void what_fits_nothing_is_an_error(void **state)
{
    (void)state;
    assert_string_equal(select_words("0", NULL), "files '0': there are files 1 to 6");
    assert_string_equal(select_words("5-7", NULL), "files '5-7': there are files 1 to 6");
    assert_string_equal(select_words("4-2", NULL), "files '4-2': there are files 1 to 6");
    assert_string_equal(select_words("99999999999999999999", NULL),
                        "files '99999999999999999999': no file of the torrent is called so");
    assert_string_equal(select_words("*.iso", NULL),
                        "files '*.iso': no file of the torrent is called so");
    assert_string_equal(select_words(",", NULL), "files: no file is selected");
    assert_string_equal(select_words("", NULL), "files: no file is selected");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(numbers_and_ranges_count_from_one, set_up),
        cmocka_unit_test_setup(patterns_look_at_the_path_and_at_the_name, set_up),
        cmocka_unit_test_setup(a_directory_stands_for_what_is_in_it, set_up),
        cmocka_unit_test_setup(a_name_with_a_comma_can_be_said, set_up),
        cmocka_unit_test_setup(what_fits_nothing_is_an_error, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
