/* Standard output that may be slow, full or gone. */
#include "apps/cli/output.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void what_was_written_arrives_in_order(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct output o;
    output_init(&o, ends[1]);
    output_text(&o, "one ");
    output_format(&o, "%d\n", 2);
    assert_int_equal(output_waiting(&o), 6);
    output_flush(&o);
    assert_int_equal(output_waiting(&o), 0);
    char text[16] = "";
    assert_int_equal(read(ends[0], text, sizeof text), 6);
    assert_string_equal(text, "one 2\n");
    output_deinit(&o);
    close(ends[0]);
    close(ends[1]);
}

static void a_full_pipe_holds_nobody_up(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct output o;
    output_init(&o, ends[1]);
    static char block[10000];
    memset(block, 'x', sizeof block);
    size_t written = 0;
    while (!output_is_slow(&o)) {
        output_write(&o, block, sizeof block);
        written += sizeof block;
        output_flush(&o); /* would block for ever, did it write more than there is room for */
    }
    size_t read_bytes = 0;
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    while (read_bytes < written) {
        ssize_t n = read(ends[0], block, sizeof block);
        if (n > 0) {
            read_bytes += (size_t)n;
        }
        output_flush(&o);
    }
    assert_int_equal(output_waiting(&o), 0);
    output_deinit(&o);
    close(ends[0]);
    close(ends[1]);
}

static void a_reader_that_is_gone_ends_the_output(void **state)
{
    (void)state;
    int ends[2];
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    struct output o;
    output_init(&o, ends[1]);
    output_text(&o, "x");
    output_flush(&o);
    assert_true(o.failed);
    assert_int_equal(output_waiting(&o), 0);
    output_text(&o, "y");
    output_drain(&o);
    output_deinit(&o);
    close(ends[1]);
}

static void what_waits_is_bounded(void **state)
{
    (void)state;
    struct output o;
    output_init(&o, -1);
    static char block[1 << 20];
    for (int i = 0; i < 16; i++) {
        output_write(&o, block, sizeof block);
    }
    assert_false(o.failed);
    output_write(&o, block, 1);
    assert_true(o.failed);
    output_deinit(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_arrives_in_order),
        cmocka_unit_test(a_full_pipe_holds_nobody_up),
        cmocka_unit_test(a_reader_that_is_gone_ends_the_output),
        cmocka_unit_test(what_waits_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
