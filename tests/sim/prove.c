/* Where each planted bug shows, and who catches it. */
#include "prove.h"

#include "fleet.h"
#include "many.h"

#include <inttypes.h>

enum { SEEDS_MAX = 200, TIMEOUT_S = 120 };

static const struct proof_row {
    enum plant plant;
    enum checker checker;
    const char *scenario;
    bool twice; /* only a second run can tell */
} rows[] = {
    {PLANT_SKIP_SYNC, CHECKER_DURABLE, "power_may_fail_again", false},
    {PLANT_SKIP_NAMES, CHECKER_DURABLE, "crash_after_crash", false},
    {PLANT_SKIP_PART, CHECKER_DURABLE, "crash_after_crash", false},
    {PLANT_RECORD_EARLY, CHECKER_DURABLE, "power_may_fail_again", false},
    {PLANT_CLAIM_EARLY, CHECKER_CLAIMS, "who_lies_is_found_out", false},
    {PLANT_BAD_PIECE_GOOD, CHECKER_CLAIMS, "who_lies_is_found_out", false},
    {PLANT_SWAP_BLOCKS, CHECKER_CLAIMS, "little_memory", false},
    {PLANT_WRONG_OFFSET, CHECKER_CLAIMS, "flash_crowd", false},
    {PLANT_LONG_FILE, CHECKER_FILES, "whoever_is_done", false},
    {PLANT_BAN_NEIGHBOUR, CHECKER_BANS, "who_lies_is_found_out", false},
    {PLANT_KEEP_REQUESTS, CHECKER_REQUESTS, "may_go_and_come_back", false},
    {PLANT_FORGET_TO_FREE, CHECKER_LEAKS, "flash_crowd", false},
    {PLANT_GIVE_TWICE, CHECKER_CRASH, "slow_lines_and_fast_ones", false},
    {PLANT_LOSE_HAVE, CHECKER_NEWS, "slow_lines_and_fast_ones", false},
    {PLANT_BITFIELDS_AGAIN, CHECKER_STRANGERS, "a_stranger_comes", false},
    {PLANT_MISCOUNT_SEEDS, CHECKER_CONSISTENT, "whoever_is_done", false},
    {PLANT_TOO_MANY_PEERS, CHECKER_LIMITS, "few_connections", false},
    {PLANT_NO_MEMORY_CAP, CHECKER_MEMORY, "little_memory", false},
    {PLANT_KEEP_CHUNK, CHECKER_CONSISTENT, "flash_crowd", false},
    {PLANT_NEVER_RETRY, CHECKER_FINISH, "a_tracker_may_die", false},
    {PLANT_NEVER_ENDS, CHECKER_GOODBYE, "whoever_is_done", false},
    {PLANT_CHANCE_OF_ITS_OWN, CHECKER_REPEAT, "flash_crowd", true},
};
enum { ROWS = sizeof rows / sizeof rows[0] };

struct proof {
    uint64_t next_seed[ROWS];
    uint64_t caught_at[ROWS]; /* the lowest seed; 0: not yet */
    int by_others[ROWS];      /* complaints of other checkers */
    struct world_verdict verdicts[ROWS];
    int next_row;
    struct progress progress;
};

static bool next_job(void *user, struct job *out)
{
    struct proof *p = user;
    for (int tries = 0; tries < ROWS; tries++) {
        int i = p->next_row;
        p->next_row = (p->next_row + 1) % ROWS;
        if (p->caught_at[i] == 0 && p->next_seed[i] < SEEDS_MAX) {
            *out = (struct job){.scenario = scenario_find(rows[i].scenario),
                                .seed = ++p->next_seed[i],
                                .plant = rows[i].plant,
                                .twice = rows[i].twice,
                                .tag = i};
            scenario_defaults(out->scenario, &out->set);
            return true;
        }
    }
    return false;
}

static void job_done(void *user, const struct job *job, const struct outcome *o)
{
    struct proof *p = user;
    int i = job->tag;
    bool caught = strcmp(o->verdict.checker, checker_name(rows[i].checker)) == 0;
    if (caught && (p->caught_at[i] == 0 || job->seed < p->caught_at[i])) {
        p->caught_at[i] = job->seed;
        p->verdicts[i] = o->verdict;
        progress_step(&p->progress, 1, false);
    } else if (!caught && o->verdict.checker[0]) {
        p->by_others[i]++;
    }
}

static int print_proofs(const struct proof *p)
{
    int missing = 0;
    for (int i = 0; i < ROWS; i++) {
        const char *plant = plants_at((int)rows[i].plant)->name;
        if (p->caught_at[i] > 0) {
            printf("caught  %-18s by %-10s seed %3" PRIu64 "  %s: %s\n", plant,
                   checker_name(rows[i].checker), p->caught_at[i], rows[i].scenario,
                   p->verdicts[i].text);
        } else {
            printf("MISSED  %-18s by %-10s in %d seeds of %s; others complained %d times\n", plant,
                   checker_name(rows[i].checker), SEEDS_MAX, rows[i].scenario, p->by_others[i]);
            missing++;
        }
    }
    return missing;
}

/* A bug that nobody looks for, and a checker that never caught any, prove nothing. */
static int print_gaps(void)
{
    int gaps = 0;
    for (int plant = PLANT_NONE + 1; plant < PLANT_COUNT; plant++) {
        bool any = false;
        for (int i = 0; i < ROWS; i++) {
            any = any || (int)rows[i].plant == plant;
        }
        if (!any) {
            printf("MISSED  %-18s is not looked for\n", plants_at(plant)->name);
            gaps++;
        }
    }
    for (int checker = 0; checker < CHECKER_COUNT; checker++) {
        bool any = false;
        for (int i = 0; i < ROWS; i++) {
            any = any || (int)rows[i].checker == checker;
        }
        if (!any) {
            printf("MISSED  checker %s has never caught anything\n",
                   checker_name((enum checker)checker));
            gaps++;
        }
    }
    return gaps;
}

int prove_run(int workers, bool quiet)
{
    struct proof p = {.next_row = 0};
    if (!plants_exist()) {
        fprintf(stderr,
                "spate-sim: this build has no bugs in it: configure one with -Dplants=true\n");
        return 2;
    }
    progress_init(&p.progress, "prove", ROWS, quiet);
    const struct fleet fleet = {
        .workers = workers, .timeout_s = TIMEOUT_S, .next = next_job, .done = job_done, .user = &p};
    fleet_run(&fleet);
    progress_end(&p.progress);
    int missing = print_proofs(&p) + print_gaps();
    printf("\n%d planted bugs, %d missed\n", (int)ROWS, missing);
    return missing > 0;
}
