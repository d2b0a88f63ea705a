/* What the user said when adding a torrent, as plain owned values. */
#ifndef ENGINE_TORRENT_OPTIONS_H
#define ENGINE_TORRENT_OPTIONS_H

#include "spate.h"

struct torrent_options {
    uint32_t flags;      /* enum spate_add_flags */
    uint32_t allocation; /* enum spate_allocation */
    char *save_path;
    char *name; /* NULL: the torrent's */
    char **trackers;
    uint32_t tracker_count;
    uint32_t max_peers; /* 0: the session's */
    uint64_t max_down, max_up;
};

/* Copies what add says. SPATE_ENOMEM, SPATE_EINVAL with *error filled. */
int torrent_options_create(const struct spate_add *, uint32_t allocation,
                           struct torrent_options **out, struct spate_error *error);
/* NULL is allowed. */
void torrent_options_destroy(struct torrent_options *);

#endif
