/* Options: the syntax of getopt_long, values with units, and what is said when something is wrong. */
#include "apps/cli/rows.h"
#include "spate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct option table[] = {
    ROW('o', DIRECTORY, WHERE, directory, "output-dir", "DIR", ""),
    ROW('q', FLAG, OUTPUT, quiet, "quiet", NULL, ""),
    ROW('v', FLAG, OUTPUT, verbose, "verbose", NULL, ""),
    ROW('t', LIST, NETWORK, trackers, "tracker", "URL", ""),
    ROW(0, BYTES, NETWORK, max_down, "max-down", "RATE", ""),
    ROW(0, SECONDS, HOW, timeout_s, "timeout", "TIME", ""),
    ROW(0, NUMBER, NETWORK, port, "port", "N", "", .most = 65535),
    ROW(0, RATIO, HOW, seed_ratio_milli, "seed-ratio", "RATIO", ""),
    ROW(0, CHOICE, WHERE, allocation, "file-allocation", "HOW", "", .choices = "sparse|none|full"),
    ROW(0, COMMAND, HOW, on_complete, "on-complete", "CMD...", ""),
    ROW_END,
};

struct fixture {
    struct options o;
    char text[256];
    bool good;
};

/* Parses the words, ended by NULL. */
static void parse(struct fixture *f, const char *const *words)
{
    int argc = 1;
    char *argv[32];
    static char name[] = "get";
    argv[0] = name;
    for (; words[argc - 1]; argc++) {
        argv[argc] = (char *)(uintptr_t)words[argc - 1];
    }
    argv[argc] = NULL;
    options_init(&f->o);
    f->good = options_parse(&f->o, table, argc, argv, f->text, sizeof f->text);
}

#define PARSE(f, ...) parse(f, (const char *const[]){__VA_ARGS__, NULL})

static void values_may_stand_beside_or_behind_a_name(void **state)
{
    (void)state;
    struct fixture f;
    static const char *const ways[][3] = {
        {"--output-dir", "x", NULL},
        {"--output-dir=x", NULL},
        {"-o", "x", NULL},
        {"-ox", NULL},
        {"-qox", NULL},
    };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        parse(&f, ways[i]);
        assert_true(f.good);
        assert_string_equal(f.o.directory, "x");
        options_deinit(&f.o);
    }
    PARSE(&f, "--output-dir=");
    assert_true(f.good);
    assert_string_equal(f.o.directory, "");
    options_deinit(&f.o);
}

static void letters_may_stand_together(void **state)
{
    (void)state;
    struct fixture f;
    PARSE(&f, "-qv", "a");
    assert_true(f.good && f.o.quiet && f.o.verbose);
    assert_int_equal(f.o.operands.count, 1);
    options_deinit(&f.o);
}

static void operands_may_stand_between_options(void **state)
{
    (void)state;
    struct fixture f;
    PARSE(&f, "a", "-q", "-", "--", "-v", "--quiet");
    assert_true(f.good && f.o.quiet && !f.o.verbose);
    assert_int_equal(f.o.operands.count, 4);
    assert_string_equal(f.o.operands.items[1], "-");
    assert_string_equal(f.o.operands.items[2], "-v");
    assert_string_equal(f.o.operands.items[3], "--quiet");
    options_deinit(&f.o);
}

static void a_flag_can_be_taken_back(void **state)
{
    (void)state;
    struct fixture f;
    PARSE(&f, "--quiet", "--quiet=no");
    assert_true(f.good && !f.o.quiet);
    options_deinit(&f.o);
    PARSE(&f, "--quiet=perhaps");
    assert_false(f.good);
    assert_non_null(strstr(f.text, "yes or no"));
    options_deinit(&f.o);
}

static void lists_keep_every_word(void **state)
{
    (void)state;
    struct fixture f;
    PARSE(&f, "-t", "a", "--tracker=b", "-tc");
    assert_true(f.good);
    assert_int_equal(f.o.trackers.count, 3);
    assert_string_equal(f.o.trackers.items[2], "c");
    assert_null(f.o.trackers.items[3]);
    options_deinit(&f.o);
}

static void sizes_times_and_ratios_have_units(void **state)
{
    (void)state;
    struct fixture f;
    PARSE(&f, "--max-down=1.5M", "--timeout=10m", "--seed-ratio=1.25", "--port=65535");
    assert_true(f.good);
    assert_int_equal(f.o.max_down, 3 << 19);
    assert_int_equal(f.o.timeout_s, 600);
    assert_int_equal(f.o.seed_ratio_milli, 1250);
    assert_int_equal(f.o.port, 65535);
    options_deinit(&f.o);
}

static void the_choices_of_allocation_are_those_of_the_library(void **state)
{
    (void)state;
    static const struct {
        const char *word;
        unsigned value;
    } rows[] = {{"--file-allocation=sparse", SPATE_ALLOCATE_SPARSE},
                {"--file-allocation=none", SPATE_ALLOCATE_NONE},
                {"--file-allocation=full", SPATE_ALLOCATE_FULL}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fixture f;
        PARSE(&f, rows[i].word);
        assert_true(f.good);
        assert_int_equal(f.o.allocation, 1 + rows[i].value);
        options_deinit(&f.o);
    }
}

static void wrong_values_are_named(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "--max-down=fast",
        "--max-down=-1",
        "--timeout=soon",
        "--seed-ratio=1x",
        "--seed-ratio=.",
        "--port=65536",
        "--port=-1",
        "--port=",
        "--file-allocation=ful",
        "--seed-ratio=9999999999",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct fixture f;
        PARSE(&f, wrong[i]);
        assert_false(f.good);
        const char *value = strchr(wrong[i], '=') + 1;
        assert_non_null(strstr(f.text, value));
        options_deinit(&f.o);
    }
}

static void a_missing_value_is_said(void **state)
{
    (void)state;
    struct fixture f;
    PARSE(&f, "--port");
    assert_false(f.good);
    assert_string_equal(f.text, "--port needs N");
    options_deinit(&f.o);
    PARSE(&f, "-o");
    assert_false(f.good);
    options_deinit(&f.o);
}

static void unknown_options_get_a_hint(void **state)
{
    (void)state;
    struct fixture f;
    PARSE(&f, "--max-dwon=1M");
    assert_false(f.good);
    assert_string_equal(f.text, "unknown option --max-dwon; did you mean --max-down?");
    options_deinit(&f.o);
    PARSE(&f, "--zzzzzzzzzzzz");
    assert_string_equal(f.text, "unknown option --zzzzzzzzzzzz");
    options_deinit(&f.o);
    PARSE(&f, "-x");
    assert_string_equal(f.text, "unknown option -x");
    options_deinit(&f.o);
}

static void a_command_takes_every_word_up_to_a_semicolon(void **state)
{
    (void)state;
    struct fixture f;
    PARSE(&f, "--on-complete", "touch", "--quiet", "x", ";", "-v", "a");
    assert_true(f.good && f.o.verbose && !f.o.quiet);
    assert_int_equal(f.o.on_complete.count, 3);
    assert_string_equal(f.o.on_complete.items[1], "--quiet");
    assert_null(f.o.on_complete.items[3]);
    assert_int_equal(f.o.operands.count, 1);
    options_deinit(&f.o);
    PARSE(&f, "a", "--on-complete", "touch", "x");
    assert_true(f.good);
    assert_int_equal(f.o.on_complete.count, 2);
    options_deinit(&f.o);
    PARSE(&f, "--on-complete", ";");
    assert_false(f.good);
    options_deinit(&f.o);
}

static void an_endless_name_is_only_an_unknown_one(void **state)
{
    (void)state;
    struct fixture f;
    char *name = calloc(1, 100001);
    memset(name, 'a', 100000);
    memcpy(name, "--", 2);
    PARSE(&f, name);
    assert_false(f.good);
    options_deinit(&f.o);
    free(name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_may_stand_beside_or_behind_a_name),
        cmocka_unit_test(letters_may_stand_together),
        cmocka_unit_test(operands_may_stand_between_options),
        cmocka_unit_test(a_flag_can_be_taken_back),
        cmocka_unit_test(lists_keep_every_word),
        cmocka_unit_test(sizes_times_and_ratios_have_units),
        cmocka_unit_test(the_choices_of_allocation_are_those_of_the_library),
        cmocka_unit_test(wrong_values_are_named),
        cmocka_unit_test(a_missing_value_is_said),
        cmocka_unit_test(unknown_options_get_a_hint),
        cmocka_unit_test(a_command_takes_every_word_up_to_a_semicolon),
        cmocka_unit_test(an_endless_name_is_only_an_unknown_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
