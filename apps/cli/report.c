/* The three faces of a transfer. All human text on stdout passes through text_escape here or in view.c,
 * and URLs lose their secrets unless --verbose. */
#include "apps/cli/report.h"

#include "apps/cli/events.h"
#include "apps/cli/exit_codes.h"
#include "apps/cli/message.h"
#include "apps/cli/reason.h"
#include "apps/cli/record.h"
#include "apps/cli/redact.h"
#include "apps/cli/terminal.h"
#include "apps/cli/view.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    PACE_LIVE_MS = 250,
    PACE_MS = 1000,
    LINE_MS = 10000,         /* between two plain lines about a torrent that moves */
    SILENCE_MS = 10000,      /* of no verified byte, before it is explained */
    SILENCE_AGAIN_MS = 60000 /* between two plain lines that explain */
};

static int64_t clock_ms(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void report_clock(struct report *r)
{
    r->now_ms = clock_ms(CLOCK_MONOTONIC);
    r->wall_ms = clock_ms(CLOCK_REALTIME);
}

bool report_init(struct report *r, const struct options *options, bool seeding, char *text,
                 size_t size)
{
    *r = (struct report){.options = options, .seeding = seeding};
    output_init(&r->out, STDOUT_FILENO);
    report_clock(r);
    if (!journal_init(&r->journal, options->log, !options->verbose)) {
        snprintf(text, size, "--log %s: %s", options->log, message_errno(errno));
        return false;
    }
    r->live = !options->json && !options->quiet && terminal_is_live(STDOUT_FILENO);
    r->utf8 = terminal_speaks_utf8();
    r->color = terminal_has_color(STDOUT_FILENO, options->no_color);
    r->sheet = r->live ? malloc(sizeof *r->sheet) : NULL;
    if (r->live && !r->sheet) {
        snprintf(text, size, "out of memory");
        return false;
    }
    return true;
}

void report_deinit(struct report *r)
{
    output_deinit(&r->out);
    journal_deinit(&r->journal);
    free(r->sheet);
    r->sheet = NULL;
}

int report_pace_ms(const struct report *r)
{
    return r->live ? PACE_LIVE_MS : PACE_MS;
}

/* ---- the ways out ------------------------------------------------------------------------------ */

static void put_event(struct report *r, json_t *event)
{
    char *line = record_line(event);
    if (line) {
        output_text(&r->out, line);
        free(line);
    }
}

static unsigned columns_now(void)
{
    unsigned columns, rows;
    terminal_size(STDOUT_FILENO, &columns, &rows);
    return columns;
}

void report_step_aside(struct report *r)
{
    if (r->live) {
        screen_clear(&r->screen, &r->out, columns_now());
        output_flush(&r->out);
    }
}

void report_come_back(struct report *r)
{
    r->screen.rows = 0;
}

static bool is_for_people(const struct report *r)
{
    return !r->options->json && !r->options->quiet;
}

/* A line for people, above the live view where there is one. The text is escaped already. */
__attribute__((format(printf, 2, 3))) static void put_line(struct report *r, const char *format,
                                                           ...)
{
    if (!is_for_people(r)) {
        return;
    }
    char text[8192];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    report_step_aside(r);
    output_text(&r->out, text);
    output_text(&r->out, "\n");
}

static const char *clean(const struct report *r, const char *text, char *out, size_t size)
{
    return r->options->verbose ? text : redact_text(text, out, size);
}

static void log_line(struct report *r, int64_t time_ns, uint32_t level, const char *subject,
                     const char *text)
{
    if (!journal_write(&r->journal, time_ns, level, subject, text)) {
        const char *problem = message_errno(errno);
        report_step_aside(r);
        message_error("--log %s: %s; lines are missing from it", r->options->log, problem);
    }
}

static void note(struct report *r, uint32_t level, const char *subject, const char *text)
{
    log_line(r, r->wall_ms * 1000000, level, subject, text);
}

static double seconds_of(const struct report *r, const struct job *job)
{
    int64_t end = job->watch.complete && !r->seeding ? job->watch.completed_ms : r->now_ms;
    return (double)(end - job->watch.started_ms) / 1000;
}

/* ---- what happens ------------------------------------------------------------------------------ */

void report_session(struct report *r, const struct spate_session_stats *stats)
{
    if (r->options->json) {
        put_event(r, events_session(r->wall_ms, stats));
    }
    char text[64];
    snprintf(text, sizeof text, "spate %s, port %u", spate_version(), stats->port);
    note(r, SPATE_LOG_INFO, "", text);
}

void report_added(struct report *r, const struct job *job, const struct spate_metainfo_info *info)
{
    struct printable name, directory;
    char size[32];
    if (r->options->json) {
        put_event(r, events_added(r->wall_ms, job, info));
    }
    if (!r->live) {
        put_line(r, "%s: %s, %s %s", printable_of(&name, job->status.name),
                 text_bytes(job->status.wanted_bytes, size, sizeof size),
                 r->seeding ? "seeding from" : "downloading to",
                 printable_of(&directory, job->directory));
    }
    note(r, SPATE_LOG_INFO, job->status.name, "added");
}

/* A download that ends when it is complete has no time to seed, though the engine calls it so. */
static bool is_worth_a_line(const struct report *r, uint32_t state)
{
    const struct options *o = r->options;
    bool stays =
        r->seeding || (!o->no_seed && (o->seed_ratio_milli != UINT64_MAX || o->seed_time_s >= 0));
    return state != SPATE_STATE_STARTING && state != SPATE_STATE_ERROR &&
           (state != SPATE_STATE_SEEDING || stays);
}

/* What begins, and where it stands; rates and peers are not known yet. */
static void put_state_line(struct report *r, const struct spate_status *s)
{
    struct printable name;
    char whole[32];
    unsigned permille = view_permille(s->verified_bytes, s->wanted_bytes);
    printable_of(&name, s->name);
    if (s->state == SPATE_STATE_DOWNLOADING) {
        put_line(r, "%s: %s, %u.%u %% of %s is there", name.text, view_state_name(s->state),
                 permille / 10, permille % 10, text_bytes(s->wanted_bytes, whole, sizeof whole));
    } else {
        put_line(r, "%s: %s", name.text, view_state_name(s->state));
    }
}

void report_state(struct report *r, struct job *job)
{
    if (job->shown_state == job->status.state) {
        return;
    }
    job->shown_state = job->status.state;
    if (r->options->json) {
        put_event(r, events_state(r->wall_ms, job));
    } else if (!r->live && is_for_people(r) && is_worth_a_line(r, job->status.state)) {
        put_state_line(r, &job->status);
        job->reported_ms = r->now_ms;
    }
    note(r, SPATE_LOG_INFO, job->status.name, view_state_name(job->status.state));
}

void report_trackers(struct report *r, const struct job *job)
{
    for (unsigned i = 0; r->options->json && i < job->tracker_count; i++) {
        put_event(r, events_tracker(r->wall_ms, job, &job->trackers[i], !r->options->verbose));
    }
}

void report_complete(struct report *r, const struct job *job)
{
    if (r->options->json && !r->seeding) {
        put_event(r, events_complete(r->wall_ms, job, seconds_of(r, job)));
    }
    note(r, SPATE_LOG_INFO, job->status.name, "complete: everything wanted is verified and synced");
}

void report_command(struct report *r, const struct job *job, int status)
{
    if (r->options->json) {
        put_event(r, events_command(r->wall_ms, job, status));
    }
    if (status != 0) {
        char text[64];
        snprintf(text, sizeof text, "the command of --on-complete ended with %d", status);
        report_error(r, job->status.name, text);
    }
}

void report_log(struct report *r, const struct job *job, const struct spate_log_entry *entry,
                bool said_elsewhere)
{
    char text[1024];
    struct printable name, line;
    log_line(r, entry->time_ns, entry->level, job ? job->status.name : "", entry->text);
    if (r->options->json && entry->level <= SPATE_LOG_INFO) {
        put_event(r, events_log(r->wall_ms, job, entry, !r->options->verbose));
    } else if (!said_elsewhere && (r->options->verbose || entry->level <= SPATE_LOG_WARNING)) {
        put_line(r, "%s%s%s: %s", job ? printable_of(&name, job->status.name) : "", job ? ": " : "",
                 journal_level_name(entry->level),
                 printable_of(&line, clean(r, entry->text, text, sizeof text)));
    }
}

void report_error(struct report *r, const char *subject, const char *text)
{
    char shown[1024];
    const char *said = clean(r, text, shown, sizeof shown);
    if (r->options->json) {
        put_event(r, events_error(r->wall_ms, subject, said));
    }
    report_step_aside(r);
    message_error("%s%s%s", subject, *subject ? ": " : "", said);
    note(r, SPATE_LOG_ERROR, subject, text);
}

/* ---- progress ---------------------------------------------------------------------------------- */

static void update_reason(struct report *r, struct job *job)
{
    if (job->status.state != SPATE_STATE_DOWNLOADING || watch_is_settled(&job->watch) ||
        watch_silence_ms(&job->watch, r->now_ms) < SILENCE_MS) {
        job->reason[0] = 0;
        job->reasoned_ms = 0;
        return;
    }
    char text[sizeof job->reason], cause[sizeof job->reason], time[32];
    reason_compose(&job->status, job->trackers, job->tracker_count, text, sizeof text);
    int64_t silence_s = watch_silence_ms(&job->watch, r->now_ms) / 1000;
    size_t used = (size_t)snprintf(job->reason, sizeof job->reason,
                                   "nothing for %s: ", text_duration(silence_s, time, sizeof time));
    text_copy(job->reason + used, sizeof job->reason - used,
              span_text(clean(r, text, cause, sizeof cause)));
}

static void draw(struct report *r, const struct job *jobs, unsigned count)
{
    struct view_item *items = calloc(count + 1, sizeof *items);
    char(*reasons)[sizeof jobs->reason * 4] = calloc(count + 1, sizeof *reasons);
    if (items && reasons && !output_is_slow(&r->out)) {
        struct view_style style = {.utf8 = r->utf8, .color = r->color};
        terminal_size(STDOUT_FILENO, &style.columns, &style.rows);
        for (unsigned i = 0; i < count; i++) {
            items[i].status = &jobs[i].status;
            items[i].settled = watch_is_settled(&jobs[i].watch);
            items[i].reason = text_escape(span_text(jobs[i].reason), reasons[i], sizeof reasons[i]);
        }
        view_render(r->sheet, &style, items, count);
        screen_draw(&r->screen, &r->out, r->sheet, style.columns);
    }
    free(items);
    free(reasons);
}

/* A plain line about progress every ten seconds; about silence when it begins, and every minute. */
static void tick_line(struct report *r, struct job *job)
{
    char line[2048];
    struct printable name, reason;
    if (job->reason[0]) {
        if (job->reasoned_ms == 0 || r->now_ms - job->reasoned_ms >= SILENCE_AGAIN_MS) {
            job->reasoned_ms = r->now_ms;
            put_line(r, "%s: %s", printable_of(&name, job->status.name),
                     printable_of(&reason, job->reason));
        }
    } else if (r->now_ms - job->reported_ms >= LINE_MS &&
               (job->status.state == SPATE_STATE_DOWNLOADING ||
                job->status.state == SPATE_STATE_CHECKING)) {
        job->reported_ms = r->now_ms;
        put_line(r, "%s", view_line(&job->status, line, sizeof line));
    }
}

static void tick_event(struct report *r, struct job *job)
{
    if (r->options->quiet || output_is_slow(&r->out)) {
        return;
    }
    if (r->now_ms - job->reported_ms >= PACE_MS) {
        job->reported_ms = r->now_ms;
        put_event(r, events_progress(r->wall_ms, job));
    }
    if (job->reason[0] &&
        (job->reasoned_ms == 0 || r->now_ms - job->reasoned_ms >= SILENCE_AGAIN_MS)) {
        job->reasoned_ms = r->now_ms;
        put_event(r, events_waiting(r->wall_ms, job));
    }
}

void report_tick(struct report *r, struct job *jobs, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct job *job = &jobs[i];
        update_reason(r, job);
        if (r->options->json) {
            tick_event(r, job);
        } else if (!r->live) {
            tick_line(r, job);
        }
    }
    if (r->live) {
        draw(r, jobs, count);
    }
    output_flush(&r->out);
}

/* ---- the last word ----------------------------------------------------------------------------- */

static void summarize_seed(struct report *r, const struct job *job, const char *name)
{
    char sent[32], time[32], total[32];
    put_line(r, "%s: sent %s in %s (%s over all sessions)", name,
             text_bytes(job->status.uploaded_bytes, sent, sizeof sent),
             text_duration((int64_t)seconds_of(r, job), time, sizeof time),
             text_bytes(job->status.total_uploaded_bytes, total, sizeof total));
}

static void summarize_complete(struct report *r, const struct job *job, const char *name)
{
    const struct spate_status *s = &job->status;
    char size[32], came[32], rate[32], sent[32], wasted[64] = "";
    struct printable directory;
    double seconds = seconds_of(r, job);
    uint64_t per_second = seconds > 0.001 ? (uint64_t)((double)s->downloaded_bytes / seconds) : 0;
    if (s->wasted_bytes + s->failed_bytes > 0) {
        char bytes[32];
        snprintf(wasted, sizeof wasted, ", %s wasted",
                 text_bytes(s->wasted_bytes + s->failed_bytes, bytes, sizeof bytes));
    }
    put_line(r, "%s: complete, %s verified and synced in %s", name,
             text_bytes(s->wanted_bytes, size, sizeof size),
             printable_of(&directory, job->directory));
    put_line(r, "    received %s in %.1f s (%s/s), sent %s%s",
             text_bytes(s->downloaded_bytes, came, sizeof came), seconds,
             text_bytes(per_second, rate, sizeof rate),
             text_bytes(s->uploaded_bytes, sent, sizeof sent), wasted);
}

/* Whether the same command, given again, gets further than this time. */
static bool goes_on(const struct report *r, const struct job *job)
{
    return !r->seeding && (job->watch.phase != WATCH_FAILED || job->status.error == SPATE_ENOSPC);
}

static void summarize(struct report *r, const struct job *job)
{
    const struct spate_status *s = &job->status;
    struct printable name;
    char there[32], whole[32];
    printable_of(&name, s->name);
    if (r->options->json) {
        put_event(r, events_summary(r->wall_ms, job, seconds_of(r, job)));
    } else if (r->seeding && job->watch.phase != WATCH_FAILED) {
        summarize_seed(r, job, name.text);
    } else if (job->watch.complete && job->watch.phase != WATCH_FAILED) {
        summarize_complete(r, job, name.text);
    } else {
        unsigned permille = view_permille(s->verified_bytes, s->wanted_bytes);
        put_line(r, "%s: not complete, %u.%u %% (%s of %s) verified%s", name.text, permille / 10,
                 permille % 10, text_bytes(s->verified_bytes, there, sizeof there),
                 text_bytes(s->wanted_bytes, whole, sizeof whole),
                 goes_on(r, job) ? "; the same command goes on from there" : "");
    }
}

void report_summary(struct report *r, const struct job *jobs, unsigned count, int code)
{
    report_step_aside(r);
    for (unsigned i = 0; i < count; i++) {
        if (jobs[i].torrent != 0) {
            summarize(r, &jobs[i]);
        }
    }
    if (r->options->json) {
        put_event(r, events_exit(r->wall_ms, code));
    }
    char text[128];
    snprintf(text, sizeof text, "exit code %d: %s", code, exit_code_text(code));
    note(r, SPATE_LOG_INFO, "", text);
    output_flush(&r->out);
}
