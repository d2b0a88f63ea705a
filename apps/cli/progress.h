/* The progress of create and check on a terminal. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "apps/cli/options.h"
#include "apps/cli/output.h"
#include "apps/cli/screen.h"

struct progress {
    const char *what;
    bool live, utf8, color;
    int64_t drawn_ms;
    struct output out; /* stderr: stdout may carry the result */
    struct screen screen;
    struct sheet *sheet;
};

void progress_init(struct progress *, const struct options *, const char *what);
/* Takes it off the screen. */
void progress_deinit(struct progress *);
/* A spate_progress function; user is the struct progress. */
int progress_on_bytes(void *user, uint64_t done_bytes, uint64_t total_bytes);

#endif
