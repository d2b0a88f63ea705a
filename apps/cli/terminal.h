/* What is known about the terminal, and how many of its columns a text takes. */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include "base/text.h"

/* True when fd is a terminal that can move its cursor. */
bool terminal_is_live(int fd);
/* Its size at this moment; 80 x 24 when it does not say. */
void terminal_size(int fd, unsigned *columns, unsigned *rows);
/* True when the user's language settings say UTF-8. */
bool terminal_speaks_utf8(void);
/* Colours: a terminal, and neither --no-color nor NO_COLOR. */
bool terminal_has_color(int fd, bool no_color);

/* Columns that well-formed UTF-8 takes: two for East Asian wide characters, none for combining ones. */
unsigned terminal_columns(struct span text);
/* The largest front of text that takes at most `columns`; *used says how many in fact. */
size_t terminal_cut(struct span text, unsigned columns, unsigned *used);

#endif
