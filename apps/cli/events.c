/* Events of --json. Names of fields are those of spate.h where the thing is the same. */
#include "apps/cli/events.h"

#include "apps/cli/exit_codes.h"
#include "apps/cli/journal.h"
#include "apps/cli/record.h"
#include "apps/cli/redact.h"
#include "apps/cli/view.h"

#include <string.h>

/* What every event begins with; job may be NULL. */
static json_t *begin(const char *event, int64_t now_ms, const struct job *job)
{
    json_t *object = json_object();
    json_object_set_new(object, "event", json_string(event));
    json_object_set_new(object, "time", json_real((double)now_ms / 1000));
    if (job) {
        json_object_set_new(object, "info_hash",
                            record_hex(job->status.info_hash, sizeof job->status.info_hash));
    }
    return object;
}

static void set_text(json_t *object, const char *name, const char *text)
{
    json_object_set_new(object, name, record_text(text));
}

static void set_number(json_t *object, const char *name, uint64_t number)
{
    json_object_set_new(object, name, record_number(number));
}

/* null where the library says -1, unknown. */
static void set_optional(json_t *object, const char *name, int64_t number)
{
    json_object_set_new(object, name, number < 0 ? json_null() : json_integer(number));
}

static void set_redacted(json_t *object, const char *name, const char *text, bool redact)
{
    char clean[1024];
    set_text(object, name, redact ? redact_text(text, clean, sizeof clean) : text);
}

/* The words of spate_features(). */
static json_t *features(void)
{
    json_t *list = json_array();
    for (const char *p = spate_features(); *p;) {
        size_t length = strcspn(p, " ");
        if (length > 0) {
            json_array_append_new(list, json_stringn(p, length));
        }
        p += length;
        p += strspn(p, " ");
    }
    return list;
}

json_t *events_session(int64_t now_ms, const struct spate_session_stats *stats)
{
    json_t *object = begin("session", now_ms, NULL);
    json_object_set_new(object, "version", json_string(spate_version()));
    json_object_set_new(object, "features", features());
    json_object_set_new(object, "port", stats->port ? json_integer(stats->port) : json_null());
    return object;
}

json_t *events_added(int64_t now_ms, const struct job *job, const struct spate_metainfo_info *info)
{
    json_t *object = begin("added", now_ms, job);
    set_text(object, "name", job->status.name);
    set_text(object, "save_path", job->directory);
    set_number(object, "total_bytes", info->total_bytes);
    set_number(object, "wanted_bytes", job->status.wanted_bytes);
    set_number(object, "file_count", info->file_count);
    set_number(object, "piece_length", info->piece_length);
    set_number(object, "piece_count", info->piece_count);
    set_number(object, "tracker_count", info->tracker_count);
    json_object_set_new(object, "private", json_boolean(info->flags & SPATE_METAINFO_PRIVATE));
    return object;
}

json_t *events_state(int64_t now_ms, const struct job *job)
{
    const struct spate_status *s = &job->status;
    json_t *object = begin("state", now_ms, job);
    set_text(object, "state", view_state_name(s->state));
    if (s->state == SPATE_STATE_ERROR) {
        json_object_set_new(object, "error", json_integer(s->error));
        set_text(object, "message", s->message[0] ? s->message : spate_strerror(s->error));
    }
    return object;
}

static void set_counters(json_t *object, const struct spate_status *s)
{
    set_number(object, "total_bytes", s->total_bytes);
    set_number(object, "wanted_bytes", s->wanted_bytes);
    set_number(object, "verified_bytes", s->verified_bytes);
    set_number(object, "durable_bytes", s->durable_bytes);
    set_number(object, "downloaded_bytes", s->downloaded_bytes);
    set_number(object, "uploaded_bytes", s->uploaded_bytes);
    set_number(object, "total_downloaded_bytes", s->total_downloaded_bytes);
    set_number(object, "total_uploaded_bytes", s->total_uploaded_bytes);
    set_number(object, "wasted_bytes", s->wasted_bytes);
    set_number(object, "failed_bytes", s->failed_bytes);
}

json_t *events_progress(int64_t now_ms, const struct job *job)
{
    const struct spate_status *s = &job->status;
    json_t *object = begin("progress", now_ms, job);
    set_text(object, "state", view_state_name(s->state));
    set_counters(object, s);
    set_number(object, "checked_bytes", s->checked_bytes);
    set_number(object, "down_rate", s->down_rate);
    set_number(object, "up_rate", s->up_rate);
    set_number(object, "pieces_verified", s->pieces_verified);
    set_number(object, "peers", s->peers);
    set_number(object, "seeds", s->seeds);
    set_number(object, "peers_known", s->peers_known);
    set_number(object, "peers_unchoking", s->peers_unchoking);
    set_number(object, "peers_downloading", s->peers_downloading);
    set_number(object, "banned_peers", s->banned_peers);
    json_object_set_new(object, "availability", json_real(s->availability_milli / 1000.0));
    set_optional(object, "eta_s", s->eta_s);
    set_optional(object, "next_announce_s", s->next_announce_s);
    return object;
}

json_t *events_waiting(int64_t now_ms, const struct job *job)
{
    json_t *object = begin("waiting", now_ms, job);
    set_text(object, "message", job->reason);
    return object;
}

static void set_count(json_t *object, const char *name, uint32_t count)
{
    json_object_set_new(object, name, count == UINT32_MAX ? json_null() : json_integer(count));
}

json_t *events_tracker(int64_t now_ms, const struct job *job,
                       const struct spate_tracker_status *tracker, bool redact)
{
    json_t *object = begin("tracker", now_ms, job);
    set_redacted(object, "url", tracker->url, redact);
    set_number(object, "tier", tracker->tier);
    json_object_set_new(object, "error", json_integer(tracker->error));
    set_redacted(object, "message", tracker->message, redact);
    set_count(object, "seeders", tracker->seeders);
    set_count(object, "leechers", tracker->leechers);
    set_number(object, "peers", tracker->peers);
    set_optional(object, "next_announce_s", tracker->next_announce_s);
    return object;
}

json_t *events_complete(int64_t now_ms, const struct job *job, double seconds)
{
    json_t *object = begin("complete", now_ms, job);
    set_text(object, "name", job->status.name);
    set_text(object, "save_path", job->directory);
    set_number(object, "wanted_bytes", job->status.wanted_bytes);
    json_object_set_new(object, "seconds", json_real(seconds));
    return object;
}

json_t *events_command(int64_t now_ms, const struct job *job, int status)
{
    json_t *object = begin("command", now_ms, job);
    json_object_set_new(object, "status", json_integer(status));
    return object;
}

json_t *events_log(int64_t now_ms, const struct job *job, const struct spate_log_entry *entry,
                   bool redact)
{
    json_t *object = begin("log", now_ms, job);
    set_text(object, "level", journal_level_name(entry->level));
    set_redacted(object, "message", entry->text, redact);
    set_number(object, "lost", entry->lost);
    return object;
}

json_t *events_error(int64_t now_ms, const char *source, const char *text)
{
    json_t *object = begin("error", now_ms, NULL);
    set_text(object, "source", source);
    set_text(object, "message", text);
    return object;
}

static const char *result_of(const struct job *job)
{
    switch (job->watch.phase) {
    case WATCH_FAILED:
        return "error";
    case WATCH_TIMED_OUT:
        return "timeout";
    default:
        return job->watch.complete ? "complete" : "stopped";
    }
}

json_t *events_summary(int64_t now_ms, const struct job *job, double seconds)
{
    json_t *object = begin("summary", now_ms, job);
    set_text(object, "name", job->status.name);
    set_text(object, "save_path", job->directory);
    set_text(object, "result", result_of(job));
    set_number(object, "exit_code", (uint64_t)job->exit_code);
    set_counters(object, &job->status);
    json_object_set_new(object, "seconds", json_real(seconds));
    return object;
}

json_t *events_exit(int64_t now_ms, int code)
{
    json_t *object = begin("exit", now_ms, NULL);
    json_object_set_new(object, "code", json_integer(code));
    json_object_set_new(object, "name", json_string(exit_code_name(code)));
    json_object_set_new(object, "message", json_string(exit_code_text(code)));
    return object;
}
