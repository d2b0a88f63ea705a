/* Lines for a terminal, built in memory: every line is cut to the width, colours do not count. */
#ifndef CLI_SHEET_H
#define CLI_SHEET_H

#include "base/text.h"

enum { SHEET_ROWS_MAX = 200, SHEET_BYTES_MAX = 128 << 10 };

enum sheet_style {
    SHEET_PLAIN,
    SHEET_BOLD,
    SHEET_DIM,
    SHEET_GREEN,
    SHEET_YELLOW,
    SHEET_RED,
    SHEET_CYAN
};

struct sheet {
    unsigned columns; /* a line takes at most so many */
    bool color;
    unsigned used;                     /* columns of the line that is being written */
    unsigned rows;                     /* finished lines */
    uint16_t widths[SHEET_ROWS_MAX];   /* columns of each */
    size_t starts[SHEET_ROWS_MAX + 1]; /* where each begins in bytes */
    size_t size;
    char bytes[SHEET_BYTES_MAX];
};

void sheet_init(struct sheet *, unsigned columns, bool color);
/* Appends to the line; what does not fit is left out. The text must be harmless (escaped). */
void sheet_put(struct sheet *, enum sheet_style, const char *text);
void sheet_format(struct sheet *, enum sheet_style, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Columns left on the line. */
unsigned sheet_left(const struct sheet *);
void sheet_end_line(struct sheet *);
/* The bytes of one finished line. */
struct span sheet_line(const struct sheet *, unsigned row);

#endif
