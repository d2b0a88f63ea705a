/* The file of --log: one line an event, with its time, secrets removed. */
#ifndef CLI_JOURNAL_H
#define CLI_JOURNAL_H

#include "spate.h"

#include <stdbool.h>

struct journal {
    int fd; /* -1: there is none */
    bool redact;
    bool failed; /* a line is missing */
};

/* Opens the file to append to it (created 0600); name may be NULL. False with errno set. */
bool journal_init(struct journal *, const char *name, bool redact);
void journal_deinit(struct journal *);
/* level: enum spate_log_level; time_ns: since 1970 UTC; subject may be "". False, once, with errno set: it could
 * not be written. */
bool journal_write(struct journal *, int64_t time_ns, uint32_t level, const char *subject,
                   const char *text);
/* "error", "warning", "info", "debug". */
const char *journal_level_name(uint32_t level);

#endif
