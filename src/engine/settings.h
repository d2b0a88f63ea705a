/* The settings of a session: one table of names, defaults and bounds, and the session's own copy.
 */
#ifndef ENGINE_SETTINGS_H
#define ENGINE_SETTINGS_H

#include "io/io.h"
#include "spate.h"

struct settings {
    struct spate_settings value; /* its strings are owned by this struct */
    struct io_bind bind;         /* what value.bind says */
};

/* Copies and completes what the caller gave. SPATE_EINVAL with *error filled; SPATE_ENOMEM. */
int settings_init(struct settings *, const struct spate_settings *given, struct spate_error *error);
void settings_deinit(struct settings *);

#endif
