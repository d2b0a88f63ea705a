/* Terminal facts: size, abilities, widths of characters (after Unicode's East Asian Width). */
#include "apps/cli/terminal.h"

#include <stdlib.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

bool terminal_is_live(int fd)
{
    const char *term = secure_getenv("TERM");
    return isatty(fd) && term && *term && strcmp(term, "dumb") != 0;
}

void terminal_size(int fd, unsigned *columns, unsigned *rows)
{
    struct winsize size;
    bool known = ioctl(fd, TIOCGWINSZ, &size) == 0;
    *columns = known && size.ws_col > 0 ? size.ws_col : 80;
    *rows = known && size.ws_row > 0 ? size.ws_row : 24;
}

bool terminal_speaks_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = secure_getenv(names[i]);
        if (value && *value) {
            return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
        }
    }
    return false;
}

bool terminal_has_color(int fd, bool no_color)
{
    const char *said = secure_getenv("NO_COLOR");
    return !no_color && !(said && *said) && terminal_is_live(fd);
}

struct range {
    uint32_t first, last;
};

static bool is_within(uint32_t c, const struct range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (c >= ranges[i].first && c <= ranges[i].last) {
            return true;
        }
    }
    return false;
}

static unsigned columns_of(uint32_t c)
{
    static const struct range none[] = {
        {0x0300, 0x036f}, {0x0483, 0x0489},   {0x0591, 0x05bd}, {0x0610, 0x061a}, {0x064b, 0x065f},
        {0x06d6, 0x06dc}, {0x0941, 0x0948},   {0x0e34, 0x0e3a}, {0x0e47, 0x0e4e}, {0x1ab0, 0x1aff},
        {0x1dc0, 0x1dff}, {0x200b, 0x200f},   {0x20d0, 0x20ff}, {0x3099, 0x309a}, {0xfe00, 0xfe0f},
        {0xfe20, 0xfe2f}, {0xe0100, 0xe01ef},
    };
    static const struct range wide[] = {
        {0x1100, 0x115f},   {0x231a, 0x231b},   {0x2e80, 0x303e},   {0x3041, 0xa4cf},
        {0xa960, 0xa97c},   {0xac00, 0xd7a3},   {0xf900, 0xfaff},   {0xfe30, 0xfe6f},
        {0xff01, 0xff60},   {0xffe0, 0xffe6},   {0x16fe0, 0x18cff}, {0x1b000, 0x1b2ff},
        {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x1fa70, 0x1faff},
        {0x20000, 0x3fffd},
    };
    if (c < 0x300) {
        return 1;
    }
    if (is_within(c, none, sizeof none / sizeof *none)) {
        return 0;
    }
    return is_within(c, wide, sizeof wide / sizeof *wide) ? 2 : 1;
}

size_t terminal_cut(struct span text, unsigned columns, unsigned *used)
{
    size_t size = 0;
    *used = 0;
    while (size < text.size) {
        uint32_t c = '?';
        size_t n = text_decode_utf8(span_slice(text, size, SIZE_MAX), &c);
        unsigned width = columns_of(c);
        if (*used + width > columns) {
            break;
        }
        *used += width;
        size += n ? n : 1;
    }
    return size;
}

unsigned terminal_columns(struct span text)
{
    unsigned used;
    terminal_cut(text, UINT32_MAX / 2, &used);
    return used;
}
