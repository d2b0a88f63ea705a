/* What the program says to people outside of its real output: errors, warnings and notes on stderr, each
 * line escaped for the terminal. */
#ifndef CLI_MESSAGE_H
#define CLI_MESSAGE_H

#include <stddef.h>
#include <stdio.h>

/* "spate: ..." with everything that came out of the format escaped. */
void message_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The words for an errno value; never NULL, valid for ever. */
const char *message_errno(int problem);

/* A text of a stranger, escaped, in a buffer that the caller lends. */
struct printable {
    char text[1024];
};
/* Returns p->text; long texts are cut. */
const char *printable_of(struct printable *p, const char *text);
/* Writes the whole text, however long, escaped. */
void printable_put(FILE *file, const char *text);

#endif
