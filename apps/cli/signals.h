/* Signals of a running transfer, read from a descriptor: nothing happens inside a handler. */
#ifndef CLI_SIGNALS_H
#define CLI_SIGNALS_H

#include <stdbool.h>

struct signals {
    int fd;
};

/* Call it before the first thread starts, since threads inherit what is blocked. False with errno. */
bool signals_init(struct signals *);
void signals_deinit(struct signals *);
/* The next signal that came, 0 when there is none. */
int signals_next(struct signals *);
/* From here on SIGINT, SIGTERM and SIGHUP end the process at once, also those that have come since. */
void signals_release(struct signals *);

#endif
