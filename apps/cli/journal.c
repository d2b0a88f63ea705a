/* The log file: "2026-01-31T12:00:00.123Z info name: text". */
#include "apps/cli/journal.h"

#include "apps/cli/redact.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

bool journal_init(struct journal *j, const char *name, bool redact)
{
    *j = (struct journal){.fd = -1, .redact = redact};
    if (!name) {
        return true;
    }
    j->fd = open(name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    return j->fd >= 0;
}

void journal_deinit(struct journal *j)
{
    if (j->fd >= 0) {
        close(j->fd);
        j->fd = -1;
    }
}

const char *journal_level_name(uint32_t level)
{
    static const char *const names[] = {"none", "error", "warning", "info", "debug"};
    return level < sizeof names / sizeof *names ? names[level] : "?";
}

/* No buffer of ours: what a full disk did not take would stand before a later line. */
static bool put(int fd, const char *line, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, line, size);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        line += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

bool journal_write(struct journal *j, int64_t time_ns, uint32_t level, const char *subject,
                   const char *text)
{
    if (j->fd < 0) {
        return true;
    }
    char clean[1024], shown_text[4096], name[1024], when[32], line[6144];
    time_t seconds = (time_t)(time_ns / 1000000000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &utc);
    const char *shown = j->redact ? redact_text(text, clean, sizeof clean) : text;
    int size = snprintf(line, sizeof line, "%s.%03dZ %s %s%s%s\n", when,
                        (int)(time_ns / 1000000 % 1000), journal_level_name(level),
                        text_escape(span_text(subject), name, sizeof name), *subject ? ": " : "",
                        text_escape(span_text(shown), shown_text, sizeof shown_text));
    bool said = j->failed;
    j->failed = !put(j->fd, line, (size_t)size) || j->failed;
    return said || !j->failed;
}
