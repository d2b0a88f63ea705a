/* The error table. */
#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>
#include <errno.h>
#include <string.h>

static void every_code_has_a_name_a_text_and_a_number_of_its_own(void **state)
{
    (void)state;
    static const int codes[] = {
#define CODE(name, number, text) number,
        SPATE_ERROR_MAP(CODE)
#undef CODE
    };
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        assert_true(codes[i] < 0);
        assert_string_not_equal(spate_strerror(codes[i]), "unknown error");
        assert_string_not_equal(error_name(codes[i]), "?");
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(codes[i], codes[j]);
        }
    }
    assert_string_equal(spate_strerror(0), "no error");
    assert_string_equal(error_name(SPATE_ENOSPC), "ENOSPC");
    assert_string_equal(spate_strerror(-12345), "unknown error");
    assert_string_equal(error_name(1), "?");
}

static void setting_an_error_fills_it_and_cuts_its_text(void **state)
{
    (void)state;
    struct spate_error error = {.size = sizeof error};
    char long_text[400];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = 0;
    assert_int_equal(error_set(&error, SPATE_EURL, 7, "%s", long_text), SPATE_EURL);
    assert_int_equal(error.code, SPATE_EURL);
    assert_int_equal(error.offset, 7);
    assert_int_equal(strlen(error.text), sizeof error.text - 1);
    assert_int_equal(error_set(NULL, SPATE_EIO, 0, "nobody asked"), SPATE_EIO);
}

static void every_errno_becomes_an_error(void **state)
{
    (void)state;
    for (int e = 0; e < 200; e++) {
        assert_true(error_from_errno(e) < 0);
    }
    assert_int_equal(error_from_errno(ENOSPC), SPATE_ENOSPC);
    assert_int_equal(error_from_errno(EDQUOT), SPATE_ENOSPC);
    assert_int_equal(error_from_errno(EMFILE), SPATE_EFDS);
    assert_int_equal(error_from_errno(ELOOP), SPATE_ESYMLINK);
    assert_int_equal(error_from_errno(0), SPATE_EIO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_a_name_a_text_and_a_number_of_its_own),
        cmocka_unit_test(setting_an_error_fills_it_and_cuts_its_text),
        cmocka_unit_test(every_errno_becomes_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
