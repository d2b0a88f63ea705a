/* The live view: nothing wider or higher than the terminal, nothing of a stranger that it would obey. */
#include "apps/cli/screen.h"
#include "apps/cli/terminal.h"
#include "apps/cli/view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct sheet sheet;

static struct spate_status sample(void)
{
    struct spate_status s = {.size = sizeof s,
                             .state = SPATE_STATE_DOWNLOADING,
                             .name = "debian.iso",
                             .total_bytes = 256 << 20,
                             .wanted_bytes = 256 << 20,
                             .verified_bytes = 64 << 20,
                             .down_rate = 40 << 20,
                             .up_rate = 512,
                             .peers = 3,
                             .seeds = 2,
                             .peers_known = 14,
                             .availability_milli = 2130,
                             .eta_s = 200};
    return s;
}

static const char *line(unsigned row)
{
    static char text[4096];
    struct span bytes = sheet_line(&sheet, row);
    memcpy(text, bytes.bytes, bytes.size);
    text[bytes.size] = 0;
    return text;
}

static void one_torrent_takes_three_lines(void **state)
{
    (void)state;
    struct spate_status s = sample();
    struct view_item item = {.status = &s, .reason = ""};
    struct view_style style = {.columns = 81, .rows = 24};
    view_render(&sheet, &style, &item, 1);
    assert_int_equal(sheet.rows, 3);
    assert_string_equal(line(0), "debian.iso");
    assert_string_equal(
        line(1), "############------------------------------------   25.0 %  64.0 of 256.0 MiB");
    assert_string_equal(
        line(2),
        "down 40.0 MiB/s  up 512 B/s  ETA 3m 20s  peers 3 (2 seeds, 14 known)  avail 2.13");
}

static void a_reason_takes_the_place_of_the_numbers(void **state)
{
    (void)state;
    struct spate_status s = sample();
    struct view_item item = {.status = &s, .reason = "nothing for 12s: no peers known"};
    struct view_style style = {.columns = 80, .rows = 24};
    view_render(&sheet, &style, &item, 1);
    assert_string_equal(line(2), "nothing for 12s: no peers known");
}

static void no_line_is_wider_and_no_view_higher_than_the_terminal(void **state)
{
    (void)state;
    struct spate_status statuses[12];
    struct view_item items[12];
    for (unsigned i = 0; i < 12; i++) {
        statuses[i] = sample();
        statuses[i].state = i % 8;
        snprintf(statuses[i].name, sizeof statuses[i].name, "%s",
                 i % 2 ? "日本語の長い名前のファイルです.bin"
                       : "a rather long name of a torrent, with words");
        items[i] = (struct view_item){.status = &statuses[i],
                                      .reason = i % 3 ? "" : "réason, a long one",
                                      .settled = i % 4 == 0};
    }
    for (unsigned columns = 1; columns < 130; columns++) {
        for (unsigned rows = 1; rows < 45; rows++) {
            struct view_style style = {columns, rows, columns % 2, rows % 2};
            for (unsigned count = 0; count <= 12; count += 3) {
                view_render(&sheet, &style, items, count);
                assert_true(sheet.rows < rows || rows <= 2);
                for (unsigned i = 0; i < sheet.rows; i++) {
                    assert_true(sheet.widths[i] < columns || columns == 1);
                }
            }
        }
    }
}

static void widths_are_those_of_what_is_written(void **state)
{
    (void)state;
    struct spate_status s = sample();
    snprintf(s.name, sizeof s.name, "日本語 e\xcc\x81t\xc3\xa9");
    struct view_item item = {.status = &s, .reason = ""};
    struct view_style style = {.columns = 60, .rows = 24, .utf8 = true};
    view_render(&sheet, &style, &item, 1);
    assert_int_equal(sheet.widths[0], 6 + 1 + 3);
    for (unsigned i = 0; i < sheet.rows; i++) {
        assert_int_equal(sheet.widths[i], terminal_columns(sheet_line(&sheet, i)));
    }
}

static void a_name_cannot_command_the_terminal(void **state)
{
    (void)state;
    struct spate_status s = sample();
    snprintf(s.name, sizeof s.name, "a\x1b]0;x\x07\xe2\x80\xae.exe\n\xff");
    snprintf(s.message, sizeof s.message, "\x1b[2J");
    s.state = SPATE_STATE_ERROR;
    struct view_item item = {.status = &s, .reason = ""};
    for (unsigned rows = 3; rows < 6; rows++) {
        struct view_style style = {.columns = 80, .rows = rows};
        view_render(&sheet, &style, &item, 1);
        for (unsigned i = 0; i < sheet.rows; i++) {
            for (const char *p = line(i); *p; p++) {
                assert_in_range((unsigned char)*p, 0x20, 0x7e);
            }
        }
    }
    char text[2048];
    view_line(&s, text, sizeof text);
    assert_null(strpbrk(text, "\x1b\n\x07"));
}

static void per_cent_is_rounded_down(void **state)
{
    (void)state;
    assert_int_equal(view_permille(0, 1000), 0);
    assert_int_equal(view_permille(999999999, 1000000000), 999);
    assert_int_equal(view_permille(UINT64_MAX - 1, UINT64_MAX), 999);
    assert_int_equal(view_permille(1000, 1000), 1000);
    assert_int_equal(view_permille(0, 0), 1000);
}

static void a_plain_line_says_the_same(void **state)
{
    (void)state;
    struct spate_status s = sample();
    char text[512];
    assert_string_equal(
        view_line(&s, text, sizeof text),
        "debian.iso: downloading, 25.0 % of 256.0 MiB, down 40.0 MiB/s, up 512 B/s, 3 "
        "peers, ETA 3m 20s, availability 2.13");
    for (size_t size = 1; size < 100; size++) {
        view_line(&s, text, size);
        assert_true(strlen(text) < size);
    }
}

static void colors_are_only_there_when_asked_for(void **state)
{
    (void)state;
    struct spate_status s = sample();
    struct view_item item = {.status = &s, .reason = ""};
    struct view_style style = {.columns = 80, .rows = 24};
    view_render(&sheet, &style, &item, 1);
    assert_null(memchr(sheet.bytes, 0x1b, sheet.size));
    style.color = true;
    view_render(&sheet, &style, &item, 1);
    assert_non_null(memchr(sheet.bytes, 0x1b, sheet.size));
}

static char *drawn(struct output *out)
{
    static char text[8192];
    size_t size = output_waiting(out);
    memcpy(text, out->bytes + out->start, size);
    text[size] = 0;
    out->start = out->size = 0;
    return text;
}

static void drawing_again_covers_what_was_drawn(void **state)
{
    (void)state;
    struct output out;
    struct screen screen = {0};
    output_init(&out, -1);
    sheet_init(&sheet, 79, false);
    sheet_put(&sheet, SHEET_PLAIN, "one");
    sheet_end_line(&sheet);
    sheet_put(&sheet, SHEET_PLAIN, "two");
    sheet_end_line(&sheet);
    screen_draw(&screen, &out, &sheet, 80);
    assert_string_equal(drawn(&out), "\rone\x1b[K\ntwo\x1b[K\n\x1b[J");
    screen_draw(&screen, &out, &sheet, 80);
    assert_string_equal(drawn(&out), "\x1b[2A\rone\x1b[K\ntwo\x1b[K\n\x1b[J");
    screen_clear(&screen, &out, 80);
    assert_string_equal(drawn(&out), "\x1b[2A\r\x1b[J");
    screen_clear(&screen, &out, 80);
    assert_string_equal(drawn(&out), "");
    output_deinit(&out);
}

static void a_narrower_terminal_has_wrapped_the_old_lines(void **state)
{
    (void)state;
    struct output out;
    struct screen screen = {0};
    output_init(&out, -1);
    sheet_init(&sheet, 79, false);
    sheet_put(&sheet, SHEET_PLAIN, "0123456789012345678901234567890123456789"); /* 40 columns */
    sheet_end_line(&sheet);
    screen_draw(&screen, &out, &sheet, 80);
    drawn(&out);
    screen_clear(&screen, &out, 15);
    assert_string_equal(drawn(&out), "\x1b[3A\r\x1b[J");
    output_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_torrent_takes_three_lines),
        cmocka_unit_test(a_reason_takes_the_place_of_the_numbers),
        cmocka_unit_test(no_line_is_wider_and_no_view_higher_than_the_terminal),
        cmocka_unit_test(widths_are_those_of_what_is_written),
        cmocka_unit_test(a_name_cannot_command_the_terminal),
        cmocka_unit_test(per_cent_is_rounded_down),
        cmocka_unit_test(a_plain_line_says_the_same),
        cmocka_unit_test(colors_are_only_there_when_asked_for),
        cmocka_unit_test(drawing_again_covers_what_was_drawn),
        cmocka_unit_test(a_narrower_terminal_has_wrapped_the_old_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
