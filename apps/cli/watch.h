/* Watches one torrent from its status: complete, failed, silent for too long, seeded enough. Pure: the
 * caller brings the time. */
#ifndef CLI_WATCH_H
#define CLI_WATCH_H

#include "spate.h"

#include <stdbool.h>

struct watch_goals {
    bool for_ever; /* go on seeding until stopped, when neither of the next two is set */
    uint64_t
        seed_ratio_milli; /* uploaded to wanted bytes, over all sessions; UINT64_MAX: not a goal */
    int64_t seed_time_s;  /* since it is complete; -1: not a goal */
    int64_t timeout_s;    /* give up after so long without a verified byte; 0: never */
};

enum watch_phase {
    WATCH_RUNNING, /* not complete yet */
    WATCH_SEEDING, /* complete, and there is still a goal */
    WATCH_DONE,
    WATCH_FAILED,
    WATCH_TIMED_OUT,
};

struct watch {
    enum watch_phase phase;
    bool complete; /* every wanted byte was verified and durable */
    int64_t started_ms;
    int64_t completed_ms;
    int64_t progressed_ms; /* when something moved last */
    uint64_t verified_bytes, checked_bytes;
};

void watch_init(struct watch *, int64_t now_ms);
/* Looks at the status; true when the phase changed. */
bool watch_update(struct watch *, const struct watch_goals *, const struct spate_status *,
                  int64_t now_ms);
/* For how long a download has brought nothing. */
int64_t watch_silence_ms(const struct watch *, int64_t now_ms);
/* True when nothing more is expected of it. */
bool watch_is_settled(const struct watch *);

#endif
