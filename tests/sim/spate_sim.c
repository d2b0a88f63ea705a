/* spate-sim: whole swarms of real sessions on one virtual clock, for people.
 *
 *   spate-sim SCENARIO [--seed S] [--peers N] [--set key=value]... [--log] [--svg FILE] [--json] [--twice]
 *   spate-sim --all | SCENARIO --seeds A..B [--jobs N] [--set key=value]...
 *   spate-sim SCENARIO --recoveries N | --for SECONDS [--jobs N] [--set key=value]...
 *   spate-sim --list | --checkers | --plants | --prove
 *
 * The same scenario, seed and settings are the same run, bit for bit, on every machine of one byte order. */
#include "fleet.h"
#include "many.h"
#include "prove.h"
#include "repeat.h"
#include "summary.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

enum { CHANGES_MAX = 1024 };

struct options {
    const char *program, *name, *svg;
    uint64_t seed, from, to, recoveries, seconds;
    char changes[CHANGES_MAX];
    enum plant plant;
    int jobs;
    bool all, many, log, json, twice, prove, quiet;
};

static void list_scenarios(void)
{
    printf("Scenarios, with the settings they change:\n\n");
    for (int i = 0; scenario_at(i); i++) {
        const struct scenario *s = scenario_at(i);
        printf("  %s\n      %s\n      %s\n", s->name, s->text, s->defaults);
    }
    printf("\nSettings (--set key=value), with their defaults:\n\n");
    for (int i = 0; setting_at(i); i++) {
        const struct setting_row *row = setting_at(i);
        printf("  %-12s %8" PRId64 "  %s\n", row->name, row->value, row->text);
    }
}

static void list_checkers(void)
{
    for (int i = 0; i < CHECKER_COUNT; i++) {
        printf("  %-12s %s\n", checker_name((enum checker)i), checker_promise((enum checker)i));
    }
}

static void list_plants(void)
{
    for (int i = 0; plants_at(i); i++) {
        printf("  %-20s %s\n", plants_at(i)->name, plants_at(i)->text);
    }
}

static int usage(const char *why, const char *what)
{
    fprintf(stderr,
            "spate-sim: %s%s\n"
            "spate-sim SCENARIO [--seed S] [--peers N] [--set key=value]... [--log] [--svg FILE] "
            "[--json] [--twice]\n"
            "spate-sim --all|SCENARIO --seeds A..B [--jobs N] [--set key=value]...\n"
            "spate-sim SCENARIO --recoveries N|--for SECONDS [--jobs N] [--set key=value]...\n"
            "spate-sim --list | --checkers | --plants | --prove\n",
            why, what);
    return 2;
}

/* ---- one run ---------------------------------------------------------------------------------- */

static int play_one(const struct options *o, const struct scenario *scenario)
{
    struct outcome outcome, again;
    struct curve curve = {.points = NULL};
    struct run run = {.scenario = scenario, .seed = o->seed, .describe = true};
    const char *why;
    scenario_defaults(scenario, &run.set);
    settings_set(&run.set, o->changes, &why);
    run.outcome = &outcome;
    run.curve = o->svg ? &curve : NULL;
    run.log = o->log ? stdout : NULL;
    plants_choose(o->plant);
    scenario_run(&run);
    if (o->json) {
        summary_print_json(&run, stdout);
    } else {
        summary_print(&run, o->log ? stderr : stdout);
    }
    bool drawn = !o->svg || summary_draw(&run, o->svg);
    if (!drawn) {
        fprintf(stderr, "spate-sim: cannot write %s\n", o->svg);
    }
    free(curve.points);
    if (outcome.verdict.checker[0] || !drawn) {
        return 1;
    }
    if (o->twice) {
        bool same = repeat_run(&run, &again);
        printf("  again        %016" PRIx64 ": %s\n", again.log_hash,
               same ? "the same" : "ANOTHER RUN");
        return !same;
    }
    return 0;
}

/* ---- options ---------------------------------------------------------------------------------- */

static bool add_change(struct options *o, const char *key, const char *value)
{
    size_t used = strlen(o->changes);
    int n = snprintf(o->changes + used, sizeof o->changes - used, "%s%s%s", used > 0 ? " " : "",
                     key, value);
    return n >= 0 && (size_t)n < sizeof o->changes - used;
}

static bool parse_range(const char *text, uint64_t *from, uint64_t *to)
{
    char *end;
    *from = *to = strtoull(text, &end, 10);
    if (end != text && strncmp(end, "..", 2) == 0) {
        text = end + 2;
        *to = strtoull(text, &end, 10);
    }
    return end != text && *end == 0 && *from > 0 && *from <= *to;
}

/* Seeds go on until there were enough. */
static bool parse_enough(struct options *o, const char *text, uint64_t *out)
{
    uint64_t same;
    o->to = o->many ? o->to : UINT64_MAX - 1;
    o->many = true;
    return parse_range(text, out, &same) && *out == same && *out < INT32_MAX;
}

static bool parse_plant(const char *name, enum plant *out)
{
    for (int i = 0; plants_at(i); i++) {
        if (strcmp(plants_at(i)->name, name) == 0) {
            *out = (enum plant)i;
            return plants_exist() || i == PLANT_NONE;
        }
    }
    return false;
}

/* One option with a value. */
static bool parse_value(struct options *o, const char *option, const char *value)
{
    if (strcmp(option, "--seed") == 0) {
        return parse_range(value, &o->seed, &o->to) && o->seed == o->to;
    }
    if (strcmp(option, "--seeds") == 0) {
        o->many = true;
        return parse_range(value, &o->from, &o->to);
    }
    if (strcmp(option, "--recoveries") == 0) {
        return parse_enough(o, value, &o->recoveries);
    }
    if (strcmp(option, "--for") == 0) {
        return parse_enough(o, value, &o->seconds);
    }
    if (strcmp(option, "--peers") == 0) {
        return add_change(o, "peers=", value);
    }
    if (strcmp(option, "--set") == 0) {
        return add_change(o, "", value);
    }
    if (strcmp(option, "--jobs") == 0) {
        o->jobs = atoi(value);
        return o->jobs > 0;
    }
    if (strcmp(option, "--plant") == 0) {
        return parse_plant(value, &o->plant);
    }
    if (strcmp(option, "--svg") == 0) {
        o->svg = value;
        return true;
    }
    return false;
}

static bool parse_flag(struct options *o, const char *option)
{
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {{"--all", &o->all},     {"--log", &o->log},     {"--json", &o->json},
                 {"--twice", &o->twice}, {"--prove", &o->prove}, {"--quiet", &o->quiet}};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        if (strcmp(option, flags[i].name) == 0) {
            *flags[i].flag = true;
            return true;
        }
    }
    if (option[0] != '-' && !o->name) {
        o->name = option;
        return true;
    }
    return false;
}

static int run_many(const struct options *o, const struct scenario *scenario)
{
    const struct many many = {.scenario = scenario,
                              .from = o->from,
                              .to = o->to,
                              .recoveries = o->recoveries,
                              .seconds = (int64_t)o->seconds,
                              .workers = o->jobs,
                              .program = o->program,
                              .changes = o->changes,
                              .plant = o->plant,
                              .quiet = o->quiet};
    return many_run(&many) > 0;
}

int main(int argc, char **argv)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct options o = {.program = argv[0], .seed = 1, .from = 1, .to = 1};
    struct settings_of_run scratch;
    const char *why;
    o.jobs = cores > 0 ? (int)cores : 1;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--list") == 0) {
            list_scenarios();
            return 0;
        }
        if (strcmp(argv[i], "--checkers") == 0) {
            list_checkers();
            return 0;
        }
        if (strcmp(argv[i], "--plants") == 0) {
            list_plants();
            return 0;
        }
        if (!parse_flag(&o, argv[i]) && (i + 1 == argc || !parse_value(&o, argv[i], argv[i + 1]))) {
            return usage("not understood: ", argv[i]);
        } else if (argv[i][0] == '-' && !parse_flag(&o, argv[i])) {
            i++;
        }
    }
    const struct scenario *scenario = o.name ? scenario_find(o.name) : NULL;
    scenario_defaults(scenario ? scenario : scenario_at(0), &scratch);
    if (!settings_set(&scratch, o.changes, &why)) {
        return usage("--set: ", why);
    }
    if (o.prove) {
        return prove_run(o.jobs, o.quiet);
    }
    if (o.name && !scenario) {
        return usage("no one scenario is meant by ", o.name);
    }
    if (!scenario && !o.all) {
        return usage("which scenario?", "");
    }
    return o.many || o.all ? run_many(&o, scenario) : play_one(&o, scenario);
}
