/* Drawing in place with ECMA-48 controls: cursor up (CUU), erase line (EL), erase below (ED). The cursor
 * is neither hidden nor is another screen used, so there is nothing to restore when the program dies. */
#include "apps/cli/screen.h"

/* A terminal that became narrower has wrapped the lines drawn last time; each takes as many rows as its
 * width needs. */
static unsigned rows_above(const struct screen *s, unsigned columns)
{
    unsigned rows = 0;
    for (unsigned i = 0; i < s->rows; i++) {
        unsigned width = s->widths[i];
        rows += columns > 0 && width > columns ? (width + columns - 1) / columns : 1;
    }
    return rows;
}

static void go_to_top(struct screen *s, struct output *out, unsigned columns)
{
    unsigned rows = rows_above(s, columns);
    if (rows > 0) {
        output_format(out, "\x1b[%uA", rows);
    }
    output_text(out, "\r");
}

void screen_draw(struct screen *s, struct output *out, const struct sheet *sheet, unsigned columns)
{
    go_to_top(s, out, columns);
    for (unsigned i = 0; i < sheet->rows; i++) {
        struct span line = sheet_line(sheet, i);
        output_write(out, line.bytes, line.size);
        output_text(out, "\x1b[K\n");
        s->widths[i] = sheet->widths[i];
    }
    output_text(out, "\x1b[J");
    s->rows = sheet->rows;
}

void screen_clear(struct screen *s, struct output *out, unsigned columns)
{
    if (s->rows > 0) {
        go_to_top(s, out, columns);
        output_text(out, "\x1b[J");
        s->rows = 0;
    }
}
