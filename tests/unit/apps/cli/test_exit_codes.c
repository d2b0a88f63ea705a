/* The table of exit codes, and that no failure of the library ends as success. */
#include "apps/cli/exit_codes.h"
#include "spate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void every_code_is_used_once_and_says_something(void **state)
{
    (void)state;
    unsigned count = 0;
    for (int code; (code = exit_code_at(count)) >= 0; count++) {
        assert_in_range(code, 0, 255);
        assert_true(strlen(exit_code_text(code)) > 10);
        for (unsigned i = 0; i < count; i++) {
            assert_int_not_equal(exit_code_at(i), code);
        }
    }
    assert_true(count > 5);
    assert_string_equal(exit_code_name(EXIT_CODE_NO_SPACE), "no-space");
    assert_string_equal(exit_code_name(77), "?");
    assert_string_equal(exit_code_text(77), "");
}

static void no_failure_of_the_library_is_success(void **state)
{
    (void)state;
    static const int errors[] = {
#define ERROR_NUMBER(name, number, text) number,
        SPATE_ERROR_MAP(ERROR_NUMBER)
#undef ERROR_NUMBER
    };
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        int code = exit_code_from_error(errors[i]);
        assert_int_not_equal(code, EXIT_CODE_OK);
        assert_string_not_equal(exit_code_name(code), "?");
    }
    assert_int_equal(exit_code_from_error(SPATE_OK), EXIT_CODE_OK);
    assert_int_equal(exit_code_from_error(SPATE_ENOSPC), EXIT_CODE_NO_SPACE);
    assert_int_equal(exit_code_from_error(SPATE_EFOREIGN), EXIT_CODE_IN_THE_WAY);
    assert_int_equal(exit_code_from_error(SPATE_ELOCKED), EXIT_CODE_LOCKED);
    assert_int_equal(exit_code_from_error(SPATE_EMISMATCH), EXIT_CODE_MISMATCH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_is_used_once_and_says_something),
        cmocka_unit_test(no_failure_of_the_library_is_success),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
