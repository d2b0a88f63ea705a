/* Where a module's words go: a function of whoever created it. Levels are those of spate.h. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "spate.h"

#include <stdarg.h>
#include <stdio.h>

struct log {
    void (*write)(void *user, int level, spate_torrent torrent, const char *text); /* may be NULL */
    void *user;
    int level; /* entries above it are not formatted */
};

static inline void log_write(const struct log *log, int level, spate_torrent torrent,
                             const char *format, ...) __attribute__((format(printf, 4, 5)));

static inline void log_write(const struct log *log, int level, spate_torrent torrent,
                             const char *format, ...)
{
    char text[360];
    if (!log->write || level > log->level) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    log->write(log->user, level, torrent, text);
}

#endif
