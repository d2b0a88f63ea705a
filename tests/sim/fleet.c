/* The fleet. A worker is a forked process with a pipe for jobs and a pipe for outcomes; its stderr goes to a
 * file in memory, so that what an assertion said is at hand when it dies. After a run in which a checker
 * complained the worker ends: what lies in its memory may be anything. */
#include "fleet.h"

#include "repeat.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WORKERS_MAX = 64 };

struct worker {
    pid_t pid; /* 0: not running */
    int jobs, outcomes, says;
    bool busy;
    struct job job;
    int64_t since_ms;
};

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- in the worker ---------------------------------------------------------------------------- */

static void play(const struct job *job, struct outcome *out)
{
    struct outcome again;
    struct run run = {.scenario = job->scenario, .seed = job->seed, .set = job->set};
    run.outcome = out;
    scenario_run(&run);
    if (!job->twice || out->verdict.checker[0]) {
        return;
    }
    if (!repeat_run(&run, &again)) {
        snprintf(out->verdict.checker, sizeof out->verdict.checker, "%s",
                 checker_name(CHECKER_REPEAT));
        snprintf(out->verdict.text, sizeof out->verdict.text,
                 "a second run of it had log hash %016llx instead of %016llx",
                 (unsigned long long)again.log_hash, (unsigned long long)out->log_hash);
    }
}

static void serve(int jobs, int outcomes)
{
    struct job job;
    struct outcome out;
    while (read(jobs, &job, sizeof job) == (ssize_t)sizeof job) {
        plants_choose(job.plant);
        play(&job, &out);
        if (write(outcomes, &out, sizeof out) != (ssize_t)sizeof out || out.verdict.checker[0]) {
            break;
        }
    }
    _exit(0);
}

/* ---- in the parent ---------------------------------------------------------------------------- */

static bool start_worker(struct worker *w, struct worker *all, int count)
{
    int jobs[2], outcomes[2];
    if (pipe(jobs) || pipe(outcomes)) {
        return false;
    }
    w->says = memfd_create("says", 0);
    fflush(NULL);
    w->pid = fork();
    if (w->pid == 0) {
        for (int i = 0; i < count; i++) { /* so that the others see when their jobs end */
            if (all[i].pid > 0 && &all[i] != w) {
                close(all[i].jobs);
                close(all[i].outcomes);
            }
        }
        close(jobs[1]);
        close(outcomes[0]);
        dup2(w->says, STDERR_FILENO);
        serve(jobs[0], outcomes[1]);
    }
    close(jobs[0]);
    close(outcomes[1]);
    w->jobs = jobs[1];
    w->outcomes = outcomes[0];
    w->busy = false;
    if (w->pid < 0) {
        w->pid = 0;
        close(w->jobs);
        close(w->outcomes);
        close(w->says);
        return false;
    }
    return true;
}

static int end_worker(struct worker *w)
{
    int status = 0;
    close(w->jobs);
    close(w->outcomes);
    close(w->says);
    while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR) {
    }
    w->pid = 0;
    w->busy = false;
    return status;
}

/* The last line it said. */
static void last_words(const struct worker *w, char *out, size_t size)
{
    char text[2048];
    off_t end = lseek(w->says, 0, SEEK_END);
    off_t from = end > (off_t)sizeof text - 1 ? end - (off_t)sizeof text + 1 : 0;
    ssize_t n = pread(w->says, text, sizeof text - 1, from);
    text[n > 0 ? n : 0] = 0;
    /* A sanitizer's first line says it; an assertion has only one. */
    char *error = strstr(text, "ERROR: ");
    char *line = error ? error : text;
    for (char *p = line; *p; p++) {
        if (*p == '\n' && (error || !p[1])) {
            *p = 0;
            break;
        }
        *p = *p == '\n' ? ' ' : *p;
    }
    /* The end of it names the place. */
    size_t length = strlen(line), kept = length < size ? length : size - 1;
    memcpy(out, line + (length - kept), kept);
    out[kept] = 0;
}

static void worker_died(const struct fleet *f, struct worker *w, bool hung)
{
    struct outcome out = {.end_ns = 0};
    struct job job = w->job;
    char words[300];
    last_words(w, words, sizeof words);
    int status = end_worker(w);
    snprintf(out.verdict.checker, sizeof out.verdict.checker, "%s", checker_name(CHECKER_CRASH));
    if (hung) {
        snprintf(out.verdict.text, sizeof out.verdict.text, "runs for more than %d s: %s",
                 f->timeout_s, words);
    } else {
        snprintf(out.verdict.text, sizeof out.verdict.text, "ended by %s %d: %s",
                 WIFSIGNALED(status) ? "signal" : "exit", /* what it said names the place */
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), words);
    }
    f->done(f->user, &job, &out);
}

static bool give(struct worker *w)
{
    w->busy = true;
    w->since_ms = now_ms();
    return write(w->jobs, &w->job, sizeof w->job) == (ssize_t)sizeof w->job;
}

/* Gives jobs to all who have none. False: nobody works any more. */
static bool employ(const struct fleet *f, struct worker *all, int count)
{
    bool any = false;
    for (int i = 0; i < count; i++) {
        struct worker *w = &all[i];
        if (!w->busy && f->next(f->user, &w->job)) {
            if (w->pid == 0 && !start_worker(w, all, count)) {
                fprintf(stderr, "fleet: no process to be had\n");
                exit(1);
            }
            if (!give(w)) {
                worker_died(f, w, false);
            }
        }
        any = any || w->busy;
    }
    return any;
}

static void take(const struct fleet *f, struct worker *w)
{
    struct outcome out;
    ssize_t n = read(w->outcomes, &out, sizeof out);
    if (n != (ssize_t)sizeof out) {
        worker_died(f, w, false);
        return;
    }
    w->busy = false;
    struct job job = w->job;
    if (out.verdict.checker[0]) {
        end_worker(w);
    }
    f->done(f->user, &job, &out);
}

static void wait_for_one(const struct fleet *f, struct worker *all, int count)
{
    struct pollfd fds[WORKERS_MAX];
    for (int i = 0; i < count; i++) {
        fds[i] = (struct pollfd){.fd = all[i].busy ? all[i].outcomes : -1, .events = POLLIN};
    }
    poll(fds, (nfds_t)count, 1000);
    for (int i = 0; i < count; i++) {
        if (all[i].busy && fds[i].revents) {
            take(f, &all[i]);
        } else if (all[i].busy && now_ms() - all[i].since_ms > f->timeout_s * INT64_C(1000)) {
            kill(all[i].pid, SIGKILL);
            worker_died(f, &all[i], true);
        }
    }
}

void fleet_run(const struct fleet *f)
{
    struct worker all[WORKERS_MAX] = {{.pid = 0}};
    int count = f->workers < 1 ? 1 : f->workers > WORKERS_MAX ? WORKERS_MAX : f->workers;
    signal(SIGPIPE, SIG_IGN);
    while (employ(f, all, count)) {
        wait_for_one(f, all, count);
    }
    for (int i = 0; i < count; i++) {
        if (all[i].pid > 0) {
            end_worker(&all[i]);
        }
    }
}
