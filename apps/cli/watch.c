/* The judgement over one torrent: which status means success, failure, or silence. Only SEEDING is
 * success: FINISHING still waits for the disk's sync. */
#include "apps/cli/watch.h"

void watch_init(struct watch *w, int64_t now_ms)
{
    *w = (struct watch){.started_ms = now_ms, .progressed_ms = now_ms};
}

bool watch_is_settled(const struct watch *w)
{
    return w->phase == WATCH_DONE || w->phase == WATCH_FAILED || w->phase == WATCH_TIMED_OUT;
}

int64_t watch_silence_ms(const struct watch *w, int64_t now_ms)
{
    return w->phase == WATCH_RUNNING ? now_ms - w->progressed_ms : 0;
}

static bool is_seeded_enough(const struct watch *w, const struct watch_goals *goals,
                             const struct spate_status *status, int64_t now_ms)
{
    bool by_ratio = goals->seed_ratio_milli != UINT64_MAX, by_time = goals->seed_time_s >= 0;
    if (!by_ratio && !by_time) {
        return !goals->for_ever;
    }
    double sent = (double)status->total_uploaded_bytes * 1000;
    double due = (double)status->wanted_bytes * (double)goals->seed_ratio_milli;
    return (by_ratio && sent >= due) ||
           (by_time && (now_ms - w->completed_ms) / 1000 >= goals->seed_time_s);
}

static enum watch_phase judge(struct watch *w, const struct watch_goals *goals,
                              const struct spate_status *status, int64_t now_ms)
{
    switch (status->state) {
    case SPATE_STATE_ERROR:
    case SPATE_STATE_REMOVED:
        return WATCH_FAILED;
    case SPATE_STATE_SEEDING:
        if (!w->complete) {
            w->complete = true;
            w->completed_ms = now_ms;
        }
        return is_seeded_enough(w, goals, status, now_ms) ? WATCH_DONE : WATCH_SEEDING;
    case SPATE_STATE_DOWNLOADING:
        return goals->timeout_s > 0 && now_ms - w->progressed_ms >= goals->timeout_s * 1000
                   ? WATCH_TIMED_OUT
                   : WATCH_RUNNING;
    default:
        return WATCH_RUNNING;
    }
}

bool watch_update(struct watch *w, const struct watch_goals *goals,
                  const struct spate_status *status, int64_t now_ms)
{
    if (watch_is_settled(w)) {
        return false;
    }
    if (status->state != SPATE_STATE_DOWNLOADING || status->verified_bytes != w->verified_bytes ||
        status->checked_bytes != w->checked_bytes) {
        w->progressed_ms = now_ms;
    }
    w->verified_bytes = status->verified_bytes;
    w->checked_bytes = status->checked_bytes;
    enum watch_phase before = w->phase;
    w->phase = judge(w, goals, status, now_ms);
    return w->phase != before;
}
