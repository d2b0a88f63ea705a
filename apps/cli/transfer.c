/* The loop of the driven mode: it lets the session run until there is news of it or a signal, and lets
 * everybody have a turn. */
#include "apps/cli/transfer.h"

#include "apps/cli/config.h"
#include "apps/cli/exit_codes.h"
#include "apps/cli/hook.h"
#include "apps/cli/message.h"
#include "apps/cli/network.h"
#include "apps/cli/reason.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    STATE_PATH_BYTES = 4096,
    OUTPUT_RETRY_MS = 20, /* a reader of stdout that has no room is tried again */
};

void transfer_remember(struct transfer *t, int exit_code)
{
    if (t->first_error == EXIT_CODE_OK) {
        t->first_error = exit_code;
    }
}

/* ---- beginning --------------------------------------------------------------------------------- */

/* Makes the directories above the state directory; the library makes the last one, private. */
static void make_parents(const char *path)
{
    char copy[STATE_PATH_BYTES];
    snprintf(copy, sizeof copy, "%s", path);
    for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(copy, 0700); /* whatever is wrong is found when the last one is made */
        *slash = '/';
    }
}

static int open_session(struct transfer *t)
{
    char state[STATE_PATH_BYTES];
    struct spate_settings settings;
    struct spate_error error = {.size = sizeof error};
    network_fill_settings(&settings, t->options, NETWORK_SESSION, "");
    settings.state_dir = t->options->state_dir;
    if (!settings.state_dir) {
        if (config_user_path("XDG_STATE_HOME", ".local/state", "", state, sizeof state)) {
            settings.state_dir = state;
        } else {
            report_error(
                &t->report, "",
                "neither XDG_STATE_HOME nor HOME is set: what is verified is not recorded");
        }
    }
    if (settings.state_dir) {
        make_parents(settings.state_dir);
    }
    int failed = spate_session_create(&settings, &t->session, &error);
    if (failed < 0) {
        report_error(&t->report, "", error.text[0] ? error.text : spate_strerror(failed));
        bool is_port = strncmp(error.text, "cannot listen", strlen("cannot listen")) == 0;
        return is_port ? EXIT_CODE_NETWORK : exit_code_from_error(failed);
    }
    failed = spate_session_watch(t->session, t->signals.fd);
    if (failed < 0) {
        report_error(&t->report, "", spate_strerror(failed));
        return EXIT_CODE_FAILED;
    }
    struct spate_session_stats stats = {.size = sizeof stats};
    spate_session_stats(t->session, &stats);
    report_session(&t->report, &stats);
    return EXIT_CODE_OK;
}

int transfer_init(struct transfer *t, const struct options *options, bool seeding, unsigned job_max)
{
    *t = (struct transfer){.options = options, .signals = {.fd = -1}};
    t->goals = (struct watch_goals){.for_ever = seeding,
                                    .seed_ratio_milli = options->seed_ratio_milli,
                                    .seed_time_s = options->seed_time_s,
                                    .timeout_s = options->timeout_s};
    if (options->no_seed) {
        t->goals.seed_ratio_milli = UINT64_MAX;
        t->goals.seed_time_s = -1;
    }
    char text[512];
    if (!report_init(&t->report, options, seeding, text, sizeof text)) {
        report_error(&t->report, "", text);
        return EXIT_CODE_DISK;
    }
    t->jobs = calloc(job_max + 1, sizeof *t->jobs);
    if (!t->jobs || !signals_init(&t->signals)) {
        report_error(&t->report, "", message_errno(errno));
        return EXIT_CODE_FAILED;
    }
    return open_session(t);
}

void transfer_deinit(struct transfer *t)
{
    if (t->signals.fd >= 0) {
        signals_release(&t->signals); /* another Ctrl-C from here on ends the program at once */
    }
    spate_session_close(t->session);
    t->session = NULL;
    output_drain(&t->report.out);
    report_deinit(&t->report);
    signals_deinit(&t->signals);
    for (unsigned i = 0; i < t->job_count; i++) {
        free(t->jobs[i].directory);
    }
    free(t->jobs);
    t->jobs = NULL;
}

/* One element of a path, which the library would take only as such. */
static bool is_element(const char *name)
{
    return *name && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

int transfer_check_place(const struct options *options, bool must_exist)
{
    if (options->name && !is_element(options->name)) {
        message_error(
            "the name '%s' must be one element of a path; the directory is an option of its own",
            options->name);
        return EXIT_CODE_USAGE;
    }
    if (options->directory && !*options->directory) {
        message_error("an empty word is no directory");
        return EXIT_CODE_USAGE;
    }
    struct stat found;
    int problem = 0;
    if (options->directory && stat(options->directory, &found) != 0) {
        problem = errno != ENOENT || must_exist ? errno : 0;
    } else if (options->directory && !S_ISDIR(found.st_mode)) {
        problem = ENOTDIR;
    }
    if (problem) {
        message_error("%s: %s", options->directory, message_errno(problem));
    }
    return problem ? EXIT_CODE_DISK : EXIT_CODE_OK;
}

/* The directory as others may use it: absolute, and without links where it exists already. */
static char *absolute(const char *directory)
{
    char *path = realpath(directory, NULL), *here = path ? NULL : realpath(".", NULL);
    if (path || !here || directory[0] == '/') {
        free(here);
        return path ? path : strdup(directory);
    }
    size_t size = strlen(here) + strlen(directory) + 2;
    path = malloc(size);
    if (path) {
        snprintf(path, size, "%s/%s", here, directory);
    }
    free(here);
    return path;
}

static void add_peers(struct transfer *t, const struct job *job)
{
    for (uint32_t i = 0; i < t->options->peers.count; i++) {
        int failed = spate_torrent_add_peer(t->session, job->torrent, t->options->peers.items[i]);
        if (failed < 0) {
            report_error(&t->report, t->options->peers.items[i], spate_strerror(failed));
        }
    }
}

/* What is known before the session has looked at it. */
static void describe(struct job *job, const struct source *source, const struct options *options,
                     const uint8_t *wanted)
{
    struct spate_status *s = &job->status;
    const char *name = options->name ? options->name : source->info.name;
    text_copy(s->name, sizeof s->name, span_text(name ? name : ""));
    memcpy(s->info_hash, source->info.info_hash, sizeof s->info_hash);
    s->total_bytes = source->info.total_bytes;
    s->wanted_bytes = source->info.total_bytes;
    for (uint32_t i = 0; wanted && i < source->info.file_count; i++) {
        struct spate_metainfo_file file = {.size = sizeof file};
        if (!wanted[i] && spate_metainfo_file(source->metainfo, i, &file) >= 0) {
            s->wanted_bytes -= file.length;
        }
    }
}

void transfer_add(struct transfer *t, const struct source *source, uint32_t flags,
                  const uint8_t *wanted, uint32_t wanted_count)
{
    const struct options *o = t->options;
    struct job *job = &t->jobs[t->job_count];
    struct spate_error error = {.size = sizeof error};
    struct spate_add add;
    spate_add_init(&add, sizeof add);
    add.flags = flags;
    add.metainfo = source->bytes;
    add.metainfo_size = source->size;
    add.save_path = o->directory ? o->directory : ".";
    add.name = o->name;
    add.wanted = wanted;
    add.wanted_count = wanted_count;
    add.allocation = (uint32_t)o->allocation;
    add.trackers = o->trackers.items;
    add.tracker_count = o->trackers.count;
    *job = (struct job){.shown_state = UINT32_MAX, .status = {.size = sizeof job->status}};
    int failed = spate_torrent_add(t->session, &add, &job->torrent, &error);
    if (failed < 0) {
        report_error(&t->report, source->info.name ? source->info.name : source->name,
                     error.text[0] ? error.text : spate_strerror(failed));
        transfer_remember(t, exit_code_from_error(failed));
        return;
    }
    job->directory = absolute(add.save_path);
    if (!job->directory) {
        transfer_remember(t, EXIT_CODE_FAILED);
        return;
    }
    t->job_count++;
    report_clock(&t->report);
    watch_init(&job->watch, t->report.now_ms);
    describe(job, source, o, wanted);
    report_added(&t->report, job, &source->info);
    add_peers(t, job);
}

/* ---- a job's turn ------------------------------------------------------------------------------ */

static void start_hook(struct transfer *t, struct job *job)
{
    if (t->options->on_complete.count == 0 || t->report.seeding) {
        return;
    }
    char hash[41];
    text_hex(job->status.info_hash, sizeof job->status.info_hash, hash);
    char *directory = absolute(job->directory);
    struct hook_facts facts = {.name = job->status.name,
                               .directory = directory ? directory : job->directory,
                               .info_hash = hash,
                               .keep_stdout_clean = t->options->json};
    report_step_aside(&t->report);
    pid_t pid = hook_start(&t->options->on_complete, &facts);
    free(directory);
    if (pid < 0) {
        char text[256];
        snprintf(text, sizeof text, "--on-complete %s: %s", t->options->on_complete.items[0],
                 message_errno(-pid));
        report_error(&t->report, job->status.name, text);
        transfer_remember(t, EXIT_CODE_COMMAND);
        return;
    }
    job->hook = pid;
}

/* What the user can do about it, where an option of ours helps. */
static const char *way_out(const struct transfer *t, int error, const char *message)
{
    if (error == SPATE_EFOREIGN && !t->report.seeding && !t->options->overwrite) {
        return " (--overwrite replaces it)";
    }
    if (error == SPATE_ENOENT && strstr(message, "is missing") && !t->report.seeding) {
        return " (--check begins anew with what there is)";
    }
    return "";
}

static void job_failed(struct transfer *t, struct job *job)
{
    const struct spate_status *s = &job->status;
    job->exit_code = exit_code_from_error(s->error);
    if (job->exit_code == EXIT_CODE_OK) {
        job->exit_code = EXIT_CODE_FAILED;
    }
    char text[512];
    snprintf(text, sizeof text, "%s%s", s->message[0] ? s->message : spate_strerror(s->error),
             way_out(t, s->error, s->message));
    report_error(&t->report, s->name, text);
    transfer_remember(t, job->exit_code);
}

static void job_timed_out(struct transfer *t, struct job *job)
{
    char text[768], cause[512], time[32];
    reason_compose(&job->status, job->trackers, job->tracker_count, cause, sizeof cause);
    snprintf(text, sizeof text, "given up: no verified byte for %s: %s",
             text_duration(t->goals.timeout_s, time, sizeof time), cause);
    job->exit_code = EXIT_CODE_TIMEOUT;
    report_error(&t->report, job->status.name, text);
    transfer_remember(t, job->exit_code);
    spate_torrent_pause(t->session, job->torrent);
}

/* Looks at the job's status and does what follows from it. */
static void look_at(struct transfer *t, struct job *job)
{
    job->status.size = sizeof job->status;
    if (watch_is_settled(&job->watch) && job->watch.phase != WATCH_DONE) {
        return; /* what it was when it ended stays on show */
    }
    if (spate_torrent_status(t->session, job->torrent, &job->status) < 0) {
        return;
    }
    bool was_complete = job->watch.complete;
    bool changed = watch_update(&job->watch, &t->goals, &job->status, t->report.now_ms);
    report_state(&t->report, job);
    if (job->watch.complete && !was_complete) {
        report_complete(&t->report, job);
        start_hook(t, job);
    }
    if (changed && job->watch.phase == WATCH_FAILED) {
        job_failed(t, job);
    } else if (changed && job->watch.phase == WATCH_TIMED_OUT) {
        job_timed_out(t, job);
    }
}

/* ---- a turn of the loop ------------------------------------------------------------------------ */

static struct job *find_job(struct transfer *t, spate_torrent torrent)
{
    for (unsigned i = 0; i < t->job_count; i++) {
        if (t->jobs[i].torrent == torrent) {
            return &t->jobs[i];
        }
    }
    return NULL;
}

static void take_trackers(struct transfer *t, struct job *job)
{
    for (unsigned i = 0; i < JOB_TRACKERS_MAX; i++) {
        job->trackers[i].size = sizeof job->trackers[i];
    }
    int count = spate_torrent_trackers(t->session, job->torrent, job->trackers, JOB_TRACKERS_MAX);
    job->tracker_count = count < 0 ? 0 : (unsigned)count;
    if (job->tracker_count > JOB_TRACKERS_MAX) {
        job->tracker_count = JOB_TRACKERS_MAX;
    }
}

static void take_events(struct transfer *t)
{
    struct spate_event event = {.size = sizeof event};
    while (spate_event_next(t->session, &event) > 0) {
        struct job *job = find_job(t, event.torrent);
        if (job && (event.changed & SPATE_CHANGED_TRACKERS)) {
            take_trackers(t, job);
            report_trackers(&t->report, job);
        }
        if (job && (event.changed & SPATE_CHANGED_STATE)) {
            look_at(t, job);
        }
    }
}

/* Whether the entry is why its torrent has failed, which job_failed says with all it means. */
static bool is_end_of_job(struct transfer *t, const struct job *job,
                          const struct spate_log_entry *entry)
{
    struct spate_status status = {.size = sizeof status};
    return job && entry->level == SPATE_LOG_ERROR && !watch_is_settled(&job->watch) &&
           spate_torrent_status(t->session, job->torrent, &status) >= 0 &&
           status.state == SPATE_STATE_ERROR && strcmp(status.message, entry->text) == 0;
}

static void take_log(struct transfer *t)
{
    struct spate_log_entry entry = {.size = sizeof entry};
    while (spate_log_next(t->session, &entry) > 0) {
        const struct job *job = find_job(t, entry.torrent);
        report_log(&t->report, job, &entry, is_end_of_job(t, job, &entry));
    }
}

static void take_children(struct transfer *t)
{
    for (unsigned i = 0; i < t->job_count; i++) {
        struct job *job = &t->jobs[i];
        int status;
        if (job->hook > 0 && hook_has_ended(job->hook, &status)) {
            job->hook = 0;
            report_command(&t->report, job, status);
            if (status != 0) {
                transfer_remember(t, EXIT_CODE_COMMAND);
            }
        }
    }
}

/* True when the view should be drawn at once. */
static bool take_signals(struct transfer *t)
{
    bool resized = false;
    int number;
    while ((number = signals_next(&t->signals)) != 0) {
        switch (number) {
        case SIGCHLD:
            take_children(t);
            break;
        case SIGWINCH:
            resized = true;
            break;
        case SIGCONT:
            report_come_back(&t->report);
            resized = true;
            break;
        default:
            t->stopped_by = number;
            break;
        }
    }
    return resized;
}

static bool is_over(const struct transfer *t)
{
    if (t->stopped_by || (t->report.out.failed && t->options->json)) {
        return true;
    }
    for (unsigned i = 0; i < t->job_count; i++) {
        if (!watch_is_settled(&t->jobs[i].watch) || t->jobs[i].hook > 0) {
            return false;
        }
    }
    return true;
}

/* Lets the session run until it has news or a signal has come, at most until the next tick. What
 * spate_session_wait() says. */
static int run_session(struct transfer *t, int64_t tick_ms)
{
    int64_t timeout_ms = tick_ms - t->report.now_ms;
    if (output_waiting(&t->report.out) > 0 && timeout_ms > OUTPUT_RETRY_MS) {
        timeout_ms = OUTPUT_RETRY_MS;
    }
    return spate_session_wait(t->session, timeout_ms > 0 ? (int)timeout_ms : 0);
}

static void tick(struct transfer *t)
{
    for (unsigned i = 0; i < t->job_count; i++) {
        look_at(t, &t->jobs[i]);
    }
    report_tick(&t->report, t->jobs, t->job_count);
}

static int exit_code(const struct transfer *t)
{
    if (t->first_error != EXIT_CODE_OK) {
        return t->first_error;
    }
    if (t->report.seeding) {
        return EXIT_CODE_OK;
    }
    for (unsigned i = 0; i < t->job_count; i++) {
        if (!t->jobs[i].watch.complete) {
            return t->stopped_by ? EXIT_CODE_INTERRUPTED : EXIT_CODE_FAILED;
        }
    }
    return EXIT_CODE_OK;
}

int transfer_run(struct transfer *t)
{
    int64_t tick_ms = 0;
    while (!is_over(t)) {
        int woken = run_session(t, tick_ms);
        if (woken < 0) {
            report_error(&t->report, "", "the session failed");
            transfer_remember(t, EXIT_CODE_FAILED);
            break;
        }
        report_clock(&t->report);
        bool due = (woken == 2 && take_signals(t)) || t->report.now_ms >= tick_ms;
        take_log(t);
        take_events(t);
        if (due) {
            tick_ms = t->report.now_ms + report_pace_ms(&t->report);
            tick(t);
        } else {
            output_flush(&t->report.out);
        }
    }
    take_log(t);
    for (unsigned i = 0; i < t->job_count; i++) {
        look_at(t, &t->jobs[i]);
        if (t->jobs[i].exit_code == EXIT_CODE_OK && !t->jobs[i].watch.complete) {
            t->jobs[i].exit_code = t->stopped_by ? EXIT_CODE_INTERRUPTED : EXIT_CODE_FAILED;
        }
    }
    int code = exit_code(t);
    report_summary(&t->report, t->jobs, t->job_count, code);
    return code;
}
