/* The config file: lines of "option = value", read and never written. */
#include "apps/cli/config.h"
#include "apps/cli/rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct option get_rows[] = {
    ROW('o', DIRECTORY, WHERE, directory, "output-dir", "DIR", "", .in_config = true),
    ROW(0, BYTES, NETWORK, max_down, "max-down", "RATE", "", .in_config = true),
    ROW('t', LIST, NETWORK, trackers, "tracker", "URL", "", .in_config = true),
    ROW(0, FLAG, HOW, sequential, "sequential", NULL, "", .in_config = true),
    ROW(0, FLAG, WHERE, overwrite, "overwrite", NULL, ""),
    ROW(0, COMMAND, HOW, on_complete, "on-complete", "CMD...", "", .in_config = true),
    ROW_END,
};
static const struct option seed_rows[] = {
    ROW(0, RATIO, HOW, seed_ratio_milli, "seed-ratio", "RATIO", "", .in_config = true),
    ROW_END,
};
static const struct command get = {.name = "get", .options = get_rows};
static const struct command seed = {.name = "seed", .options = seed_rows};
static const struct command *const commands[] = {&get, &seed, NULL};

struct fixture {
    struct options o;
    char message[512];
    bool good;
};

static void apply(struct fixture *f, const char *text)
{
    options_init(&f->o);
    f->o.config_text = strdup(text);
    f->good = config_apply(&f->o, &get, commands, f->o.config_text, "spate.conf", f->message,
                           sizeof f->message);
}

static void lines_set_options(void **state)
{
    (void)state;
    struct fixture f;
    apply(&f, "# comment\n\n  max-down =  5M \r\ntracker=udp://a:1\ntracker = udp://b:2\n"
              "; another\noutput-dir = /a dir/with = sign\nsequential\n");
    assert_true(f.good);
    assert_int_equal(f.o.max_down, 5 << 20);
    assert_int_equal(f.o.trackers.count, 2);
    assert_string_equal(f.o.trackers.items[1], "udp://b:2");
    assert_string_equal(f.o.directory, "/a dir/with = sign");
    assert_true(f.o.sequential);
    options_deinit(&f.o);
}

static void the_last_line_needs_no_line_feed(void **state)
{
    (void)state;
    struct fixture f;
    apply(&f, "sequential = no\nmax-down = 1k");
    assert_true(f.good && !f.o.sequential);
    assert_int_equal(f.o.max_down, 1024);
    options_deinit(&f.o);
}

static void keys_of_other_commands_are_passed_over(void **state)
{
    (void)state;
    struct fixture f;
    apply(&f, "seed-ratio = 2\n");
    assert_true(f.good);
    assert_true(f.o.seed_ratio_milli == UINT64_MAX);
    options_deinit(&f.o);
}

static void unknown_keys_are_named_with_their_line(void **state)
{
    (void)state;
    struct fixture f;
    apply(&f, "sequential\n\nmax-dwon = 1M\n");
    assert_false(f.good);
    assert_string_equal(f.message,
                        "spate.conf, line 3: unknown option 'max-dwon'; did you mean 'max-down'?");
    options_deinit(&f.o);
}

static void an_option_that_destroys_is_not_for_the_file(void **state)
{
    (void)state;
    struct fixture f;
    apply(&f, "overwrite = yes\n");
    assert_false(f.good);
    assert_false(f.o.overwrite);
    options_deinit(&f.o);
}

static void wrong_values_are_named_with_their_line(void **state)
{
    (void)state;
    struct fixture f;
    apply(&f, "max-down = fast\n");
    assert_false(f.good);
    assert_non_null(strstr(f.message, "line 1: max-down: 'fast' is not a size"));
    options_deinit(&f.o);
    apply(&f, "max-down\n");
    assert_false(f.good);
    options_deinit(&f.o);
}

static void a_command_is_cut_at_blanks(void **state)
{
    (void)state;
    struct fixture f;
    apply(&f, "on-complete = notify-send  all done\n");
    assert_true(f.good);
    assert_int_equal(f.o.on_complete.count, 3);
    assert_string_equal(f.o.on_complete.items[0], "notify-send");
    assert_string_equal(f.o.on_complete.items[2], "done");
    options_deinit(&f.o);
}

static void a_tilde_is_the_home_directory(void **state)
{
    (void)state;
    struct fixture f;
    setenv("HOME", "/home/someone", 1);
    apply(&f, "output-dir = ~/iso\n");
    assert_true(f.good);
    assert_string_equal(f.o.directory, "/home/someone/iso");
    options_deinit(&f.o);
}

static void the_users_directories_follow_the_specification(void **state)
{
    (void)state;
    char path[128];
    setenv("HOME", "/home/someone", 1);
    unsetenv("XDG_CONFIG_HOME");
    assert_true(config_user_path("XDG_CONFIG_HOME", ".config", "spate.conf", path, sizeof path));
    assert_string_equal(path, "/home/someone/.config/spate/spate.conf");
    setenv("XDG_CONFIG_HOME", "relative", 1);
    assert_true(config_user_path("XDG_CONFIG_HOME", ".config", "", path, sizeof path));
    assert_string_equal(path, "/home/someone/.config/spate");
    setenv("XDG_CONFIG_HOME", "/c", 1);
    assert_true(config_user_path("XDG_CONFIG_HOME", ".config", "", path, sizeof path));
    assert_string_equal(path, "/c/spate");
    assert_false(config_user_path("XDG_CONFIG_HOME", ".config", "", path, 5));
    unsetenv("XDG_CONFIG_HOME");
    unsetenv("HOME");
    assert_false(config_user_path("XDG_CONFIG_HOME", ".config", "", path, sizeof path));
}

static void a_file_that_was_named_must_be_there(void **state)
{
    (void)state;
    char message[512];
    struct options o;
    options_init(&o);
    o.config = "/nonexistent/spate.conf";
    assert_false(config_read(&o, &get, commands, message, sizeof message));
    o.config = NULL;
    setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
    assert_true(config_read(&o, &get, commands, message, sizeof message));
    o.config = "/dev/zero";
    assert_false(config_read(&o, &get, commands, message, sizeof message));
    options_deinit(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_set_options),
        cmocka_unit_test(the_last_line_needs_no_line_feed),
        cmocka_unit_test(keys_of_other_commands_are_passed_over),
        cmocka_unit_test(unknown_keys_are_named_with_their_line),
        cmocka_unit_test(an_option_that_destroys_is_not_for_the_file),
        cmocka_unit_test(wrong_values_are_named_with_their_line),
        cmocka_unit_test(a_command_is_cut_at_blanks),
        cmocka_unit_test(a_tilde_is_the_home_directory),
        cmocka_unit_test(the_users_directories_follow_the_specification),
        cmocka_unit_test(a_file_that_was_named_must_be_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
