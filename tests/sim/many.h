/* Many seeds of many scenarios. */
#ifndef TESTS_SIM_MANY_H
#define TESTS_SIM_MANY_H

#include "plants.h"
#include "scenario.h"

struct many {
    const struct scenario *scenario; /* NULL: all */
    uint64_t from, to;               /* seeds, both included */
    int workers;
    const char *program; /* for the command that repeats a failure */
    const char *changes; /* "key=value ..." on top of each scenario's defaults */
    enum plant plant;
    bool quiet; /* no bar */
};

/* Runs them, a progress bar on the terminal, a table at the end, and for every failure the command that
 * repeats it. Returns how many failed. */
int many_run(const struct many *);

/* A bar on standard error when that is a terminal, else a line now and then. begin_ms: 0 at first. */
struct progress {
    const char *what;
    int64_t total, done, failed, begin_ms, shown_ms;
    bool terminal, quiet;
};
void progress_init(struct progress *, const char *what, int64_t total, bool quiet);
void progress_step(struct progress *, bool failed);
void progress_end(struct progress *);

#endif
