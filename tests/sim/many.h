/* Many seeds of many scenarios. */
#ifndef TESTS_SIM_MANY_H
#define TESTS_SIM_MANY_H

#include "plants.h"
#include "scenario.h"

struct many {
    const struct scenario *scenario; /* NULL: all */
    uint64_t from, to;               /* seeds, both included */
    uint64_t recoveries; /* enough after so many crashes were recovered from; 0: all seeds */
    int64_t seconds;     /* enough after so long; 0: all seeds */
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
    int64_t most_ms; /* it ends by then; 0: when all is done */
    bool terminal, quiet;
};
void progress_init(struct progress *, const char *what, int64_t total, bool quiet);
void progress_step(struct progress *, int64_t done, bool failed);
void progress_end(struct progress *);

#endif
