/* Lines of text with colours (ECMA-48 SGR), cut to a width in columns. */
#include "apps/cli/sheet.h"

#include "apps/cli/terminal.h"

#include <stdarg.h>
#include <stdio.h>

enum { SHEET_RESERVE = 16 }; /* bytes for the end of a colour */

void sheet_init(struct sheet *s, unsigned columns, bool color)
{
    s->columns = columns;
    s->color = color;
    s->used = 0;
    s->rows = 0;
    s->size = 0;
    s->starts[0] = 0;
}

static void append(struct sheet *s, const void *bytes, size_t size)
{
    memcpy(s->bytes + s->size, bytes, size);
    s->size += size;
}

void sheet_put(struct sheet *s, enum sheet_style style, const char *text)
{
    static const char *const codes[] = {
        [SHEET_PLAIN] = "",         [SHEET_BOLD] = "\x1b[1m",    [SHEET_DIM] = "\x1b[2m",
        [SHEET_GREEN] = "\x1b[32m", [SHEET_YELLOW] = "\x1b[33m", [SHEET_RED] = "\x1b[31m",
        [SHEET_CYAN] = "\x1b[36m",
    };
    unsigned used;
    size_t size = terminal_cut(span_text(text), sheet_left(s), &used);
    const char *code = s->color ? codes[style] : "";
    size_t length = strlen(code);
    if (size == 0 || s->rows >= SHEET_ROWS_MAX ||
        s->size + size + length + SHEET_RESERVE > sizeof s->bytes) {
        return;
    }
    append(s, code, length);
    append(s, text, size);
    if (length > 0) {
        append(s, "\x1b[0m", 4);
    }
    s->used += used;
}

void sheet_format(struct sheet *s, enum sheet_style style, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    text[text_cut_utf8(span_text(text), sizeof text - 5)] = 0; /* a cut leaves whole characters */
    sheet_put(s, style, text);
}

unsigned sheet_left(const struct sheet *s)
{
    return s->used < s->columns ? s->columns - s->used : 0;
}

void sheet_end_line(struct sheet *s)
{
    if (s->rows < SHEET_ROWS_MAX) {
        s->widths[s->rows++] = (uint16_t)s->used;
        s->starts[s->rows] = s->size;
    }
    s->used = 0;
}

struct span sheet_line(const struct sheet *s, unsigned row)
{
    return span_of(s->bytes + s->starts[row], s->starts[row + 1] - s->starts[row]);
}
