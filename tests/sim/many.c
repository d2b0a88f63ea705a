/* Runs of many seeds: which is next, what came of them. Seeds go round the scenarios, so that whatever part
 * of it has run says something of all of them. */
#include "many.h"

#include "fleet.h"
#include "summary.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { TWICE_EVERY = 16, FAILURES_SHOWN = 20, TIMEOUT_S = 300 };

/* ---- progress --------------------------------------------------------------------------------- */

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void progress_init(struct progress *p, const char *what, int64_t total, bool quiet)
{
    *p = (struct progress){.what = what,
                           .total = total,
                           .begin_ms = now_ms(),
                           .terminal = isatty(STDERR_FILENO),
                           .quiet = quiet};
    p->shown_ms = p->begin_ms;
}

static void show(struct progress *p)
{
    enum { CELLS = 30 };
    int64_t spent_ms = now_ms() - p->begin_ms, total = p->total > 0 ? p->total : 1;
    int64_t left_s = p->done > 0 ? spent_ms * (total - p->done) / p->done / 1000 : 0;
    left_s = p->most_ms > 0 && left_s > (p->most_ms - spent_ms) / 1000
                 ? (p->most_ms - spent_ms) / 1000
                 : left_s;
    char bar[CELLS + 1];
    for (int i = 0; i < CELLS; i++) {
        bar[i] = i < p->done * CELLS / total ? '#' : '.';
    }
    bar[CELLS] = 0;
    fprintf(stderr,
            "%s%s [%s] %" PRId64 "/%" PRId64 ", %" PRId64 " failed, %" PRId64 ":%02d left%s",
            p->terminal ? "\r" : "", p->what, bar, p->done, p->total, p->failed, left_s / 60,
            (int)(left_s % 60), p->terminal ? "\033[K" : "\n");
    fflush(stderr);
}

void progress_step(struct progress *p, int64_t done, bool failed)
{
    int64_t now = now_ms();
    p->done += done;
    p->failed += failed;
    if (!p->quiet && now - p->shown_ms > (p->terminal ? 200 : 20000)) {
        p->shown_ms = now;
        show(p);
    }
}

void progress_end(struct progress *p)
{
    if (!p->quiet && p->terminal) {
        fprintf(stderr, "\r\033[K");
    }
}

/* ---- the runs --------------------------------------------------------------------------------- */

struct tally {
    int runs, failed, twice, bounded;
    uint64_t cpu_ns, most_cpu_ns;
    int64_t virtual_ns;
    double of_bound, most_of_bound;
    uint64_t downloaded_bytes, wasted_bytes;
    uint64_t recoveries, recovering_ns;
};

struct failure {
    struct job job;
    struct world_verdict verdict;
};

struct pass {
    const struct many *many;
    const struct scenario **scenarios; /* owned */
    struct tally *tallies;             /* owned; one a scenario */
    int scenario_count, next_scenario;
    uint64_t next_seed;
    uint64_t recoveries; /* so far */
    int64_t runs;
    struct progress progress;
    struct failure failures[FAILURES_SHOWN]; /* the first */
    int failure_count;
};

static bool next_job(void *user, struct job *out)
{
    struct pass *p = user;
    const struct many *m = p->many;
    const char *why;
    bool enough = (m->recoveries > 0 && p->recoveries >= m->recoveries) ||
                  (m->seconds > 0 && now_ms() - p->progress.begin_ms >= m->seconds * 1000);
    if (enough || p->next_seed > m->to) {
        return false;
    }
    int i = p->next_scenario;
    *out = (struct job){.scenario = p->scenarios[i],
                        .seed = p->next_seed,
                        .plant = m->plant,
                        .twice = (p->next_seed + (uint64_t)i) % TWICE_EVERY == 0,
                        .tag = i};
    scenario_defaults(p->scenarios[i], &out->set);
    settings_set(&out->set, m->changes, &why);
    if (++p->next_scenario == p->scenario_count) {
        p->next_scenario = 0;
        p->next_seed++;
    }
    return true;
}

static void print_failure(const struct pass *p, const struct failure *f, FILE *out)
{
    const struct many *m = p->many;
    fprintf(out, "\nFAILED %s, seed %" PRIu64 ": %s: %s\n  %s %s --seed %" PRIu64,
            f->job.scenario->name, f->job.seed, f->verdict.checker, f->verdict.text, m->program,
            f->job.scenario->name, f->job.seed);
    if (m->changes[0]) {
        fprintf(out, " --set \"%s\"", m->changes);
    }
    if (f->job.twice) {
        fprintf(out, " --twice");
    }
    if (m->plant != PLANT_NONE) {
        fprintf(out, " --plant %s", plants_at((int)m->plant)->name);
    }
    fprintf(out, "\n");
}

static void job_done(void *user, const struct job *job, const struct outcome *o)
{
    struct pass *p = user;
    struct tally *t = &p->tallies[job->tag];
    bool failed = o->verdict.checker[0] != 0;
    double of_bound = summary_of_bound(o);
    t->runs++;
    t->failed += failed;
    t->twice += job->twice;
    t->cpu_ns += o->cpu_ns;
    t->most_cpu_ns = o->cpu_ns > t->most_cpu_ns ? o->cpu_ns : t->most_cpu_ns;
    t->virtual_ns += o->end_ns;
    t->bounded += of_bound > 0;
    t->of_bound += of_bound;
    t->most_of_bound = of_bound > t->most_of_bound ? of_bound : t->most_of_bound;
    t->downloaded_bytes += o->totals.downloaded_bytes;
    t->wasted_bytes += o->totals.wasted_bytes;
    t->recoveries += o->recoveries;
    t->recovering_ns += o->recovering_ns;
    p->recoveries += o->recoveries;
    p->runs++;
    if (failed && p->failure_count < FAILURES_SHOWN) {
        struct failure *f = &p->failures[p->failure_count++];
        *f = (struct failure){.job = *job, .verdict = o->verdict};
        if (!p->many->quiet) { /* whoever watches need not wait for the end */
            print_failure(p, f, stderr);
        }
    }
    progress_step(&p->progress, p->many->recoveries > 0 ? (int64_t)o->recoveries : 1, failed);
}

static void print_table(const struct pass *p)
{
    printf("%-46s %6s %6s %5s %8s %8s %9s %6s %11s\n", "scenario", "runs", "failed", "twice",
           "cpu ms", "most ms", "virtual s", "waste", "last/bound");
    for (int i = 0; i < p->scenario_count; i++) {
        const struct tally *t = &p->tallies[i];
        double runs = t->runs > 0 ? t->runs : 1, all = (double)t->downloaded_bytes;
        printf("%-46s %6d %6d %5d %8.1f %8.1f %9.1f %5.2f%%", p->scenarios[i]->name, t->runs,
               t->failed, t->twice, (double)t->cpu_ns / runs / 1e6, (double)t->most_cpu_ns / 1e6,
               (double)t->virtual_ns / runs / 1e9,
               all > 0 ? 100 * (double)t->wasted_bytes / all : 0);
        if (t->bounded > 0) {
            printf(" %5.2f %5.2f", t->of_bound / t->bounded, t->most_of_bound);
        }
        printf("\n");
    }
}

static void print_recoveries(const struct pass *p)
{
    for (int i = 0; i < p->scenario_count; i++) {
        const struct tally *t = &p->tallies[i];
        if (t->recoveries > 0) {
            double count = (double)t->recoveries;
            printf("\n%s:\n  %" PRIu64 " recoveries, %.3f ms of processor each; %.3f ms with the "
                   "transfer between them and the checkers\n",
                   p->scenarios[i]->name, t->recoveries, (double)t->recovering_ns / count / 1e6,
                   (double)t->cpu_ns / count / 1e6);
        }
    }
}

int many_run(const struct many *m)
{
    struct pass p = {.many = m, .next_seed = m->from};
    int count = 0;
    while (scenario_at(count)) {
        count++;
    }
    p.scenarios = calloc((size_t)count + 1, sizeof *p.scenarios);
    p.tallies = calloc((size_t)count + 1, sizeof *p.tallies);
    if (!p.scenarios || !p.tallies) {
        abort();
    }
    for (int i = 0; i < count; i++) {
        if (!m->scenario || m->scenario == scenario_at(i)) {
            p.scenarios[p.scenario_count++] = scenario_at(i);
        }
    }
    int64_t total = (int64_t)(m->to - m->from + 1) * p.scenario_count;
    total = m->recoveries > 0 ? (int64_t)m->recoveries : total;
    progress_init(&p.progress, m->recoveries > 0 ? "crashes" : "sim", total, m->quiet);
    p.progress.most_ms = m->seconds * 1000;
    const struct fleet fleet = {.workers = m->workers,
                                .timeout_s = TIMEOUT_S,
                                .next = next_job,
                                .done = job_done,
                                .user = &p};
    fleet_run(&fleet);
    progress_end(&p.progress);
    print_table(&p);
    print_recoveries(&p);
    for (int i = 0; i < p.failure_count; i++) {
        print_failure(&p, &p.failures[i], stdout);
    }
    printf("\n%" PRId64 " runs, %" PRId64 " failed\n", p.runs, p.progress.failed);
    free(p.scenarios);
    free(p.tallies);
    return (int)p.progress.failed;
}
