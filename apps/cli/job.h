/* One torrent of a running transfer, as the program knows it. */
#ifndef CLI_JOB_H
#define CLI_JOB_H

#include "apps/cli/watch.h"

#include <sys/types.h>

enum { JOB_TRACKERS_MAX = 16 };

struct job {
    spate_torrent torrent;      /* 0: it could not be added */
    char *directory;            /* where its files go, owned */
    struct spate_status status; /* as of the last look */
    struct watch watch;
    int exit_code;        /* how it ended */
    uint32_t shown_state; /* the state that was reported last, UINT32_MAX: none */
    int64_t reported_ms;  /* when its progress was reported last */
    int64_t reasoned_ms;  /* when its silence was explained last; 0: not in this silence */
    char reason[512];     /* why nothing comes, redacted but not escaped; "" while something does */
    pid_t hook;           /* the running command of --on-complete; 0: none */
    struct spate_tracker_status trackers[JOB_TRACKERS_MAX];
    unsigned tracker_count; /* of those in trackers[] */
};

#endif
