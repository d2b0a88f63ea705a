/* What the user sees of a running transfer: a live view on a terminal, plain lines now and then
 * elsewhere, or events in JSON; and the log file. */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include "apps/cli/job.h"
#include "apps/cli/journal.h"
#include "apps/cli/options.h"
#include "apps/cli/output.h"
#include "apps/cli/screen.h"

struct report {
    const struct options *options;
    bool seeding; /* spate seed: what was sent matters */
    bool live, utf8, color;
    struct output out; /* stdout */
    struct screen screen;
    struct sheet *sheet;
    struct journal journal;
    int64_t now_ms;  /* monotonic, as of the last report_clock() */
    int64_t wall_ms; /* since 1970 UTC */
};

/* Opens the log file. False with a sentence in *text. */
bool report_init(struct report *, const struct options *, bool seeding, char *text, size_t size);
void report_deinit(struct report *);
/* Reads the clocks; call it once a turn. */
void report_clock(struct report *);
/* Milliseconds between two calls of report_tick(). */
int report_pace_ms(const struct report *);

void report_session(struct report *, const struct spate_session_stats *);
void report_added(struct report *, const struct job *, const struct spate_metainfo_info *);
/* The state of the job may have changed. */
void report_state(struct report *, struct job *);
void report_trackers(struct report *, const struct job *);
void report_complete(struct report *, const struct job *);
void report_command(struct report *, const struct job *, int status);
/* said_elsewhere: people hear of it by report_error. */
void report_log(struct report *, const struct job *, const struct spate_log_entry *,
                bool said_elsewhere);
/* A failure in words, on stderr and wherever else it belongs; job may be NULL. */
void report_error(struct report *, const char *subject, const char *text);
/* Progress of all jobs, and why nothing comes where nothing does. */
void report_tick(struct report *, struct job *jobs, unsigned count);
/* A last word about each job, and the exit code. */
void report_summary(struct report *, const struct job *jobs, unsigned count, int code);
/* Gives the terminal to somebody else for a while: the view is drawn anew at the next tick. */
void report_step_aside(struct report *);
/* Somebody else may have written to the terminal meanwhile: what was drawn there is left alone. */
void report_come_back(struct report *);

#endif
