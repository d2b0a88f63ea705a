/* A session that runs in the foreground until every torrent has got what was asked for, or Ctrl-C: what
 * `spate get` and `spate seed` share. */
#ifndef CLI_TRANSFER_H
#define CLI_TRANSFER_H

#include "apps/cli/report.h"
#include "apps/cli/signals.h"
#include "apps/cli/source.h"

struct transfer {
    const struct options *options;
    struct watch_goals goals;
    struct report report;
    struct signals signals;
    spate_session *session;
    struct job *jobs;
    unsigned job_count;
    int stopped_by;  /* the signal that asked to stop, 0: none */
    int first_error; /* exit code of the first failure */
};

/* Looks at the directory and the name of the options, before any torrent is fetched. An exit code, with a message
 * unless it is 0: EXIT_CODE_USAGE for the name, EXIT_CODE_DISK when the directory is none or cannot be reached; when
 * it is not there, too, if it must exist. */
int transfer_check_place(const struct options *, bool must_exist);
/* seeding: the torrents are only given away. Returns an exit code; transfer_deinit is due in any case. */
int transfer_init(struct transfer *, const struct options *, bool seeding, unsigned job_max);
/* Closes the session. */
void transfer_deinit(struct transfer *);
/* Adds a torrent with the flags and wanted files given; what else is to be said of it comes from the
 * options. A failure is reported and remembered. */
void transfer_add(struct transfer *, const struct source *, uint32_t flags, const uint8_t *wanted,
                  uint32_t wanted_count);
/* Remembers a failure that has been reported already. */
void transfer_remember(struct transfer *, int exit_code);
/* Runs to the end and says the last word. Returns the exit code. */
int transfer_run(struct transfer *);

#endif
