/* A bounded queue in front of a descriptor that may be slow. The descriptor is often shared with other
 * programs, so it is not made non-blocking: poll() promises room for PIPE_BUF bytes, and no more are
 * written at a time. */
#include "apps/cli/output.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    OUTPUT_SLOW_BYTES = 64 << 10,
    OUTPUT_MAX_BYTES = 16 << 20, /* a reader this far behind is given up */
    OUTPUT_FORMAT_BYTES = 4096,
};

void output_init(struct output *o, int fd)
{
    *o = (struct output){.fd = fd};
}

void output_deinit(struct output *o)
{
    free(o->bytes);
    *o = (struct output){.fd = -1};
}

static bool reserve(struct output *o, size_t more)
{
    if (o->start > 0) {
        memmove(o->bytes, o->bytes + o->start, o->size - o->start);
        o->size -= o->start;
        o->start = 0;
    }
    size_t needed = o->size + more;
    if (needed <= o->capacity) {
        return true;
    }
    size_t capacity = o->capacity ? o->capacity : 4096;
    while (capacity < needed) {
        capacity *= 2;
    }
    char *bytes = needed <= OUTPUT_MAX_BYTES ? realloc(o->bytes, capacity) : NULL;
    if (!bytes) {
        return false;
    }
    o->bytes = bytes;
    o->capacity = capacity;
    return true;
}

void output_write(struct output *o, const void *bytes, size_t size)
{
    if (o->failed || size == 0) {
        return;
    }
    if (!reserve(o, size)) {
        o->failed = true;
        return;
    }
    memcpy(o->bytes + o->size, bytes, size);
    o->size += size;
}

void output_text(struct output *o, const char *text)
{
    output_write(o, text, strlen(text));
}

void output_format(struct output *o, const char *format, ...)
{
    char text[OUTPUT_FORMAT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    output_text(o, text);
}

size_t output_waiting(const struct output *o)
{
    return o->failed ? 0 : o->size - o->start;
}

bool output_is_slow(const struct output *o)
{
    return output_waiting(o) > OUTPUT_SLOW_BYTES;
}

static void write_up_to(struct output *o, size_t most)
{
    size_t size = o->size - o->start;
    ssize_t written = write(o->fd, o->bytes + o->start, size < most ? size : most);
    if (written > 0) {
        o->start += (size_t)written;
    } else if (written < 0 && errno != EINTR && errno != EAGAIN) {
        o->failed = true;
    }
}

void output_flush(struct output *o)
{
    while (output_waiting(o) > 0) {
        struct pollfd room = {.fd = o->fd, .events = POLLOUT};
        if (poll(&room, 1, 0) <= 0) {
            return;
        }
        write_up_to(o, PIPE_BUF);
    }
}

void output_drain(struct output *o)
{
    while (output_waiting(o) > 0) {
        write_up_to(o, OUTPUT_MAX_BYTES);
    }
}
