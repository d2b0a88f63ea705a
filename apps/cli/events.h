/* The events of --json as objects; docs/json.md is their description, and a test compares the two. */
#ifndef CLI_EVENTS_H
#define CLI_EVENTS_H

#include "apps/cli/job.h"

#include <jansson.h>

/* Each returns a fresh object; NULL when memory is out. now_ms: since 1970 UTC. */
json_t *events_session(int64_t now_ms, const struct spate_session_stats *stats);
json_t *events_added(int64_t now_ms, const struct job *, const struct spate_metainfo_info *info);
json_t *events_state(int64_t now_ms, const struct job *);
json_t *events_progress(int64_t now_ms, const struct job *);
json_t *events_waiting(int64_t now_ms, const struct job *);
json_t *events_tracker(int64_t now_ms, const struct job *, const struct spate_tracker_status *,
                       bool redact);
json_t *events_complete(int64_t now_ms, const struct job *, double seconds);
json_t *events_command(int64_t now_ms, const struct job *, int status);
json_t *events_log(int64_t now_ms, const struct job *, const struct spate_log_entry *, bool redact);
json_t *events_error(int64_t now_ms, const char *source, const char *text);
json_t *events_summary(int64_t now_ms, const struct job *, double seconds);
json_t *events_exit(int64_t now_ms, int code);

#endif
