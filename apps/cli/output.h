/* Standard output of a running transfer. What is said is kept in a bounded buffer and leaves when the
 * reader has room, so that a stopped pager or a full pipe never holds up the transfer or Ctrl-C. */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

struct output {
    int fd;
    bool failed; /* the reader is gone, or memory is; everything more is dropped */
    char *bytes;
    size_t start, size, capacity; /* bytes[start..size) wait */
};

void output_init(struct output *, int fd);
void output_deinit(struct output *);
void output_write(struct output *, const void *bytes, size_t size);
void output_text(struct output *, const char *text);
void output_format(struct output *, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Bytes that wait. */
size_t output_waiting(const struct output *);
/* True while so much waits that news which will be followed by newer ones had better be left out. */
bool output_is_slow(const struct output *);
/* Writes what the reader has room for, without waiting. */
void output_flush(struct output *);
/* Writes everything, and waits for the reader. */
void output_drain(struct output *);

#endif
