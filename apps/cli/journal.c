/* The log file: "2026-01-31T12:00:00.123Z info name: text". */
#include "apps/cli/journal.h"

#include "apps/cli/redact.h"
#include "base/text.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

bool journal_init(struct journal *j, const char *name, bool redact)
{
    *j = (struct journal){.redact = redact};
    if (!name) {
        return true;
    }
    int fd = open(name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return false;
    }
    j->file = fdopen(fd, "a");
    if (!j->file) {
        close(fd);
        return false;
    }
    setvbuf(j->file, NULL, _IOLBF, 0);
    return true;
}

void journal_deinit(struct journal *j)
{
    if (j->file) {
        fclose(j->file);
        j->file = NULL;
    }
}

const char *journal_level_name(uint32_t level)
{
    static const char *const names[] = {"none", "error", "warning", "info", "debug"};
    return level < sizeof names / sizeof *names ? names[level] : "?";
}

void journal_write(struct journal *j, int64_t time_ns, uint32_t level, const char *subject,
                   const char *text)
{
    if (!j->file) {
        return;
    }
    char clean[1024], line[4096], name[1024], when[32];
    time_t seconds = (time_t)(time_ns / 1000000000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &utc);
    const char *shown = j->redact ? redact_text(text, clean, sizeof clean) : text;
    fprintf(j->file, "%s.%03dZ %s %s%s%s\n", when, (int)(time_ns / 1000000 % 1000),
            journal_level_name(level), text_escape(span_text(subject), name, sizeof name),
            *subject ? ": " : "", text_escape(span_text(shown), line, sizeof line));
}
