/* Tiers and times in virtual time: each scenario is a set of trackers with a behaviour, and the
 * list of questions that must be asked, with their seconds. */
#include "proto/announcer.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
/* cmocka wants the above first */
#include <cmocka.h>

#define SECOND_NS INT64_C(1000000000)
#define START_NS  (1000 * SECOND_NS)

enum { TRACKERS_MAX = 6 };

struct behaviour {
    uint32_t tier;
    int delay_s;     /* until it answers or fails; -1: silent */
    int fails;       /* 0: answers */
    int64_t retry_s; /* of its failures */
    int64_t interval_s;
    int64_t min_interval_s;
};

struct world {
    struct announcer a;
    struct behaviour behaviour[TRACKERS_MAX];
    int64_t due_ns[TRACKERS_MAX]; /* of its reaction */
    uint32_t failures[TRACKERS_MAX];
    int64_t now_ns;
    char log[4000];
};

static void drain(struct world *w)
{
    static const char *const names[] = {"", "+completed", "+started", "+stopped"};
    struct announcer_ask ask;
    while (announcer_next(&w->a, &ask)) {
        size_t used = strlen(w->log);
        snprintf(w->log + used, sizeof w->log - used, "%s%lld:%c%s", used ? " " : "",
                 (long long)((w->now_ns - START_NS) / SECOND_NS), 'A' + (int)ask.tracker,
                 names[ask.event]);
        const struct behaviour *b = &w->behaviour[ask.tracker];
        int64_t delay_ns = b->delay_s * SECOND_NS;
        if (b->delay_s < 0) {
            delay_ns = (15 * SECOND_NS) << (ask.failures < 8 ? ask.failures : 8);
        }
        w->due_ns[ask.tracker] = w->now_ns + delay_ns;
    }
}

static void react(struct world *w, uint32_t i)
{
    const struct behaviour *b = &w->behaviour[i];
    w->due_ns[i] = INT64_MAX;
    if (b->delay_s < 0) {
        announcer_on_failure(&w->a, i, ANNOUNCER_SILENCE, w->now_ns);
    } else if (b->fails) {
        announcer_on_failure(&w->a, i, b->retry_s, w->now_ns);
    } else {
        announcer_on_answer(&w->a, i, b->interval_s, b->min_interval_s, w->now_ns);
    }
}

/* Runs until that second after the start, and lets the machine be woken only when it asked for it.
 */
static void run_until(struct world *w, int64_t second)
{
    int64_t end_ns = START_NS + second * SECOND_NS;
    for (;;) {
        drain(w);
        int64_t next_ns = announcer_deadline(&w->a);
        uint32_t who = TRACKERS_MAX;
        for (uint32_t i = 0; i < TRACKERS_MAX; i++) {
            if (w->due_ns[i] < next_ns) {
                next_ns = w->due_ns[i];
                who = i;
            }
        }
        if (next_ns > end_ns) {
            w->now_ns = end_ns;
            return;
        }
        assert_true(next_ns >= w->now_ns || who == TRACKERS_MAX);
        w->now_ns = next_ns > w->now_ns ? next_ns : w->now_ns;
        if (who < TRACKERS_MAX) {
            react(w, who);
        } else {
            announcer_wake(&w->a, w->now_ns);
        }
    }
}

static void begin(struct world *w, const struct behaviour *behaviour, uint32_t count)
{
    *w = (struct world){.now_ns = START_NS};
    announcer_init(&w->a, 1);
    for (uint32_t i = 0; i < TRACKERS_MAX; i++) {
        w->due_ns[i] = INT64_MAX;
    }
    for (uint32_t i = 0; i < count; i++) {
        w->behaviour[i] = behaviour[i];
        assert_int_equal(announcer_add(&w->a, behaviour[i].tier, w->now_ns), i);
    }
    announcer_start(&w->a, w->now_ns);
}

static const struct scenario {
    const char *promise;
    struct behaviour trackers[TRACKERS_MAX];
    uint32_t count;
    int64_t until_s;
    const char *asked;
} scenarios[] = {
    {"one that answers is asked again after its interval",
     {{.delay_s = 1, .interval_s = 1800}},
     1,
     4000,
     "0:A+started 1801:A 3602:A"},
    {"an interval below a minute becomes a minute",
     {{.delay_s = 0, .interval_s = 1}},
     1,
     130,
     "0:A+started 60:A 120:A"},
    {"an interval above a day becomes a day",
     {{.delay_s = 0, .interval_s = 1000000}},
     1,
     100000,
     "0:A+started 86400:A"},
    {"no interval means half an hour", {{.delay_s = 0}}, 1, 2000, "0:A+started 1800:A"},
    {"a silent one is followed by the next tier after five seconds",
     {{.tier = 0, .delay_s = -1}, {.tier = 1, .delay_s = 1, .interval_s = 600}},
     2,
     100,
     "0:A+started 5:B+started"},
    {"one that fails is followed by the next at once",
     {{.tier = 0, .delay_s = 2, .fails = 1}, {.tier = 1, .delay_s = 1, .interval_s = 600}},
     2,
     100,
     "0:A+started 2:B+started"},
    {"a silent one is asked again after 15, 30, 60... seconds while nobody works",
     {{.delay_s = -1}},
     1,
     1000,
     "0:A+started 15:A+started 45:A+started 105:A+started 225:A+started 465:A+started "
     "945:A+started"},
    {"each silent one keeps its own schedule",
     {{.tier = 0, .delay_s = -1}, {.tier = 1, .delay_s = -1}},
     2,
     100,
     "0:A+started 5:B+started 15:A+started 20:B+started 45:A+started 50:B+started"},
    {"once another works the silent one waits for the next round",
     {{.tier = 0, .delay_s = -1}, {.tier = 1, .delay_s = 1, .interval_s = 600}},
     2,
     700,
     "0:A+started 5:B+started 606:A+started 611:B"},
    {"a late answer of a better tracker is taken and it stays",
     {{.tier = 0, .delay_s = 9, .interval_s = 900}, {.tier = 1, .delay_s = 1, .interval_s = 600}},
     2,
     1000,
     "0:A+started 5:B+started 909:A 914:B"},
    {"a tracker that says how long to wait is left alone so long",
     {{.delay_s = 1, .fails = 1, .retry_s = 300}},
     1,
     700,
     "0:A+started 301:A+started 602:A+started"},
    {"one that says never is not asked again",
     {{.delay_s = 1, .fails = 1, .retry_s = TRACKER_RETRY_NEVER}},
     1,
     1000000,
     "0:A+started"},
    {"without trackers nothing happens", {{0}}, 0, 1000, ""},
};

static void scenarios_ask_what_they_promise(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
        const struct scenario *s = &scenarios[i];
        struct world w;
        begin(&w, s->trackers, s->count);
        run_until(&w, s->until_s);
        if (strcmp(w.log, s->asked) != 0) {
            fail_msg("%s:\n  expected %s\n  asked    %s", s->promise, s->asked, w.log);
        }
        announcer_deinit(&w.a);
    }
}

static void failures_back_off_from_15_s_to_an_hour_with_jitter(void **state)
{
    (void)state;
    struct world w;
    begin(&w, &(struct behaviour){.delay_s = 0, .fails = 1}, 1);
    int64_t expected_s = 15;
    for (int i = 0; i < 14; i++) {
        drain(&w);
        react(&w, 0);
        int64_t wait_ns = announcer_deadline(&w.a) - w.now_ns;
        assert_in_range(wait_ns, expected_s * SECOND_NS, expected_s * SECOND_NS * 5 / 4);
        assert_in_range(wait_ns, 15 * SECOND_NS, 3600 * SECOND_NS);
        w.now_ns += wait_ns;
        announcer_wake(&w.a, w.now_ns);
        expected_s = expected_s * 2 > 3600 ? 3600 : expected_s * 2;
    }
    announcer_deinit(&w.a);
}

static void the_one_that_answers_moves_to_the_front_of_its_tier(void **state)
{
    (void)state;
    const struct behaviour b[] = {{.delay_s = 0, .fails = 1},
                                  {.delay_s = 0, .fails = 1},
                                  {.delay_s = 0, .interval_s = 600},
                                  {.tier = 1, .delay_s = 0}};
    struct world w;
    begin(&w, b, 4);
    run_until(&w, 1);
    assert_int_equal(w.a.order[0], 2);
    assert_int_equal(w.a.order[3], 3);
    w.log[0] = 0;
    run_until(&w, 601);
    assert_string_equal(w.log, "600:C");
    announcer_deinit(&w.a);
}

static void tiers_are_shuffled_and_stay_in_order(void **state)
{
    (void)state;
    uint32_t first[4] = {0};
    for (uint64_t seed = 0; seed < 400; seed++) {
        struct announcer a;
        announcer_init(&a, seed);
        for (uint32_t i = 0; i < 8; i++) {
            announcer_add(&a, i / 4, 0);
        }
        uint32_t seen = 0;
        for (uint32_t i = 0; i < 8; i++) {
            seen |= 1u << a.order[i];
            assert_int_equal(a.trackers[a.order[i]].tier, i / 4);
        }
        assert_int_equal(seen, 0xff);
        first[a.order[0]]++;
        announcer_deinit(&a);
    }
    for (uint32_t i = 0; i < 4; i++) {
        assert_in_range(first[i], 60, 140);
    }
}

static void completed_is_said_once_at_once_and_only_by_the_call(void **state)
{
    (void)state;
    struct world w;
    begin(&w, &(struct behaviour){.delay_s = 1, .interval_s = 1800}, 1);
    run_until(&w, 50);
    announcer_completed(&w.a, w.now_ns);
    run_until(&w, 2000);
    assert_string_equal(w.log, "0:A+started 50:A+completed 1851:A");
    announcer_deinit(&w.a);
}

static void completed_waits_for_the_answer_to_started(void **state)
{
    (void)state;
    struct world w;
    begin(&w, &(struct behaviour){.delay_s = 4, .interval_s = 1800}, 1);
    run_until(&w, 2);
    announcer_completed(&w.a, w.now_ns);
    run_until(&w, 100);
    assert_string_equal(w.log, "0:A+started 4:A+completed");
    announcer_deinit(&w.a);
}

static void completed_is_said_again_when_it_failed(void **state)
{
    (void)state;
    struct world w;
    begin(&w, &(struct behaviour){.delay_s = 1, .interval_s = 1800}, 1);
    run_until(&w, 50);
    w.behaviour[0] = (struct behaviour){.delay_s = 1, .fails = 1, .retry_s = 100};
    announcer_completed(&w.a, w.now_ns);
    run_until(&w, 60);
    w.behaviour[0] = (struct behaviour){.delay_s = 1, .interval_s = 1800};
    run_until(&w, 1000);
    assert_string_equal(w.log, "0:A+started 50:A+completed 151:A+completed");
    announcer_deinit(&w.a);
}

static void a_tracker_never_asked_does_not_hear_completed(void **state)
{
    (void)state;
    const struct behaviour b[] = {{.delay_s = 1, .interval_s = 600}, {.tier = 1, .delay_s = 1}};
    struct world w;
    begin(&w, b, 2);
    run_until(&w, 10);
    announcer_completed(&w.a, w.now_ns);
    run_until(&w, 20);
    w.behaviour[0].fails = 1;
    run_until(&w, 620);
    assert_string_equal(w.log, "0:A+started 10:A+completed 611:A 612:B+started");
    announcer_deinit(&w.a);
}

static void stopped_goes_to_those_that_know_us_and_ends_in_two_seconds(void **state)
{
    (void)state;
    const struct behaviour b[] = {{.delay_s = -1}, {.tier = 1, .delay_s = 0, .interval_s = 600}};
    struct world w;
    begin(&w, b, 2);
    run_until(&w, 10);
    w.behaviour[1].delay_s = 60;
    w.due_ns[0] = INT64_MAX;
    announcer_stop(&w.a, w.now_ns);
    assert_true(announcer_stopping(&w.a));
    run_until(&w, 11);
    assert_true(announcer_stopping(&w.a));
    run_until(&w, 12);
    assert_false(announcer_stopping(&w.a));
    assert_string_equal(w.log, "0:A+started 5:B+started 10:B+stopped");
    announcer_deinit(&w.a);
}

static void who_leaves_as_soon_as_he_is_done_says_completed_then_stopped(void **state)
{
    (void)state;
    for (int fails = 0; fails < 2; fails++) {
        struct world w;
        begin(&w, &(struct behaviour){.delay_s = 0, .interval_s = 600}, 1);
        run_until(&w, 10);
        w.behaviour[0].delay_s = 1;
        w.behaviour[0].fails = fails;
        announcer_completed(&w.a, w.now_ns);
        run_until(&w, 10);
        assert_true(announcer_outlives_stop(&w.a, 0, w.now_ns));
        announcer_stop(&w.a, w.now_ns);
        run_until(&w, 10);
        assert_true(announcer_stopping(&w.a));
        w.behaviour[0].delay_s = 0;
        run_until(&w, 11);
        assert_false(announcer_stopping(&w.a));
        assert_string_equal(w.log, "0:A+started 10:A+completed 11:A+stopped");
        announcer_deinit(&w.a);
    }
}

static void who_completes_before_the_first_answer_says_all_three(void **state)
{
    (void)state;
    for (int fails = 0; fails < 2; fails++) {
        struct world w;
        begin(&w, &(struct behaviour){.delay_s = 2, .fails = fails, .interval_s = 600}, 1);
        run_until(&w, 1);
        announcer_completed(&w.a, w.now_ns);
        assert_true(announcer_outlives_stop(&w.a, 0, w.now_ns));
        announcer_stop(&w.a, w.now_ns);
        run_until(&w, 1);
        assert_true(announcer_stopping(&w.a));
        w.behaviour[0].delay_s = 0;
        run_until(&w, 2);
        assert_false(announcer_stopping(&w.a));
        assert_string_equal(w.log, fails ? "0:A+started" : "0:A+started 2:A+completed 2:A+stopped");
        announcer_deinit(&w.a);
    }
}

static void a_completion_that_is_never_answered_holds_nobody_back(void **state)
{
    (void)state;
    struct world w;
    begin(&w, &(struct behaviour){.delay_s = 0, .interval_s = 600}, 1);
    run_until(&w, 10);
    w.behaviour[0].delay_s = 60;
    announcer_completed(&w.a, w.now_ns);
    run_until(&w, 10);
    announcer_stop(&w.a, w.now_ns);
    run_until(&w, 12);
    assert_false(announcer_stopping(&w.a));
    assert_string_equal(w.log, "0:A+started 10:A+completed");
    announcer_deinit(&w.a);
}

static void stopping_ends_with_the_last_answer(void **state)
{
    (void)state;
    struct world w;
    begin(&w, &(struct behaviour){.delay_s = 0, .interval_s = 600}, 1);
    run_until(&w, 10);
    announcer_stop(&w.a, w.now_ns);
    run_until(&w, 10);
    assert_false(announcer_stopping(&w.a));
    assert_int_equal(announcer_deadline(&w.a), INT64_MAX);
    announcer_deinit(&w.a);
}

static void one_that_nobody_knows_stops_without_a_word(void **state)
{
    (void)state;
    struct world w;
    begin(&w, &(struct behaviour){.delay_s = -1}, 1);
    run_until(&w, 3);
    w.due_ns[0] = INT64_MAX;
    announcer_stop(&w.a, w.now_ns);
    assert_false(announcer_stopping(&w.a));
    announcer_deinit(&w.a);
}

/* Who leaves before the first answer: the tracker that may have counted us in hears of it; one that cannot have
 * heard us, or has been silent for a second, holds nobody back for longer. */
static void a_started_that_may_have_arrived_is_followed_by_stopped(void **state)
{
    (void)state;
    struct {
        int delay_s, leave_s;
        bool reached;
        const char *log;
    } const cases[] = {
        {0, 0, true, "0:A+started 0:A+stopped"},
        {0, 0, false, "0:A+started"},
        {9, 0, true, "0:A+started"},
        {9, 1, true, "0:A+started"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct world w;
        begin(&w, &(struct behaviour){.delay_s = 9, .interval_s = 600}, 1);
        run_until(&w, cases[i].leave_s);
        w.due_ns[0] = w.now_ns + cases[i].delay_s * SECOND_NS + SECOND_NS / 2;
        if (cases[i].reached) {
            announcer_on_reached(&w.a, 0);
        }
        announcer_stop(&w.a, w.now_ns);
        bool waits = cases[i].reached && cases[i].leave_s < 1;
        assert_int_equal(announcer_stopping(&w.a), waits);
        if (waits) {
            w.behaviour[0].delay_s = 0;
            run_until(&w, cases[i].leave_s + 1);
        }
        assert_false(announcer_stopping(&w.a));
        assert_string_equal(w.log, cases[i].log);
        announcer_deinit(&w.a);
    }
}

static void a_second_start_says_started_again(void **state)
{
    (void)state;
    struct world w;
    begin(&w, &(struct behaviour){.delay_s = 0, .interval_s = 600}, 1);
    run_until(&w, 10);
    announcer_stop(&w.a, w.now_ns);
    run_until(&w, 20);
    announcer_start(&w.a, w.now_ns);
    run_until(&w, 30);
    assert_string_equal(w.log, "0:A+started 10:A+stopped 20:A+started");
    announcer_deinit(&w.a);
}

static void announcing_now_respects_the_minimum_interval(void **state)
{
    (void)state;
    struct world w;
    begin(&w, &(struct behaviour){.delay_s = 0, .interval_s = 1800, .min_interval_s = 300}, 1);
    run_until(&w, 10);
    announcer_now(&w.a, w.now_ns);
    run_until(&w, 400);
    announcer_now(&w.a, w.now_ns);
    run_until(&w, 900);
    announcer_now(&w.a, w.now_ns);
    run_until(&w, 901);
    assert_string_equal(w.log, "0:A+started 300:A 600:A 900:A");
    announcer_deinit(&w.a);
}

static void for_want_of_peers_only_who_named_a_minimum_is_asked_again(void **state)
{
    (void)state;
    struct world w;
    for (int named = 0; named < 2; named++) {
        const struct behaviour answers = {
            .delay_s = 10, .interval_s = 1800, .min_interval_s = named ? 120 : 0};
        begin(&w, &answers, 1);
        run_until(&w, 5);
        announcer_need(&w.a,
                       w.now_ns); /* a question is open: nothing is asked a second time for it */
        run_until(&w, 300);
        announcer_need(&w.a, w.now_ns);
        run_until(&w, 1000);
        assert_string_equal(w.log, named ? "0:A+started 300:A" : "0:A+started");
        announcer_deinit(&w.a);
    }
}

static void announcing_now_while_a_question_is_open_is_not_forgotten(void **state)
{
    (void)state;
    struct world w;
    begin(&w, &(struct behaviour){.delay_s = 10, .interval_s = 1800, .min_interval_s = 120}, 1);
    run_until(&w, 5);
    announcer_now(&w.a, w.now_ns);
    run_until(&w, 1000);
    assert_string_equal(w.log, "0:A+started 130:A");
    announcer_deinit(&w.a);
}

static void one_that_is_added_while_nobody_works_is_asked_at_once(void **state)
{
    (void)state;
    struct world w;
    begin(&w, &(struct behaviour){.delay_s = 1, .fails = 1, .retry_s = 1000}, 1);
    run_until(&w, 10);
    w.behaviour[1] = (struct behaviour){.delay_s = 1, .interval_s = 600};
    assert_int_equal(announcer_add(&w.a, 1, w.now_ns), 1);
    run_until(&w, 20);
    assert_string_equal(w.log, "0:A+started 10:B+started");
    assert_true(announcer_works(&w.a));
    announcer_deinit(&w.a);
}

/* Whatever is called in whatever order: a tracker is asked at most once at a time, never again after it
 * said never, and no deadline lets the machine spin without the time moving on. */
static void any_order_of_calls_is_survived(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct announcer a;
        uint64_t random = seed;
        int64_t now_ns = START_NS;
        bool never[8] = {false};
        announcer_init(&a, seed);
        for (int step = 0; step < 500; step++) {
            struct announcer_ask ask;
            random = random * 6364136223846793005u + 1442695040888963407u;
            uint32_t r = (uint32_t)(random >> 33);
            uint32_t tracker = a.count ? (r >> 8) % a.count : ANNOUNCER_NONE;
            bool open = a.count && a.trackers[tracker].open;
            switch (r % 16) {
            case 0:
                if (a.count < 8) {
                    announcer_add(&a, r % 3, now_ns);
                }
                break;
            case 1:
                announcer_start(&a, now_ns);
                break;
            case 2:
                for (uint32_t i = 0; i < a.count && r % 3 > 0; i++) {
                    announcer_on_reached(&a, i);
                }
                announcer_stop(&a, now_ns);
                break;
            case 3:
                announcer_completed(&a, now_ns);
                break;
            case 4:
                announcer_now(&a, now_ns);
                break;
            case 5:
            case 6:
            case 7:
                if (a.count) {
                    announcer_on_answer(&a, tracker, r % 4000, r % 500, now_ns);
                }
                break;
            case 8:
            case 9:
            case 10:
                if (a.count) {
                    int64_t retry_s = (int64_t)(r >> 4) % 40 - 2;
                    retry_s = retry_s > 30 ? TRACKER_RETRY_NEVER : retry_s;
                    never[tracker] |=
                        open && retry_s == TRACKER_RETRY_NEVER && a.state == ANNOUNCER_RUNNING;
                    announcer_on_failure(&a, tracker, retry_s, now_ns);
                }
                break;
            default:
                now_ns = announcer_deadline(&a) == INT64_MAX ? now_ns + SECOND_NS
                         : announcer_deadline(&a) > now_ns   ? announcer_deadline(&a)
                                                             : now_ns;
                announcer_wake(&a, now_ns);
            }
            while (announcer_next(&a, &ask)) {
                assert_true(a.trackers[ask.tracker].open);
                assert_false(never[ask.tracker]);
            }
            int spins = 0;
            for (; announcer_deadline(&a) <= now_ns; spins++) {
                announcer_wake(&a, now_ns);
                while (announcer_next(&a, &ask)) {
                    assert_false(never[ask.tracker]);
                }
                assert_in_range(spins, 0, 20);
            }
        }
        announcer_deinit(&a);
    }
}

/* Of an answer, or of a failure that says when to come again. */
static int64_t waits_s(int64_t said_s, bool fails)
{
    struct world w;
    begin(&w, &(struct behaviour){0}, 1);
    drain(&w);
    if (fails) {
        announcer_on_failure(&w.a, 0, said_s, w.now_ns);
    } else {
        announcer_on_answer(&w.a, 0, said_s, 0, w.now_ns);
    }
    int64_t waits_ns = announcer_deadline(&w.a) - w.now_ns;
    announcer_deinit(&w.a);
    return waits_ns / SECOND_NS;
}

static void what_a_tracker_says_of_time_is_believed_between_a_minute_and_a_day(void **state)
{
    (void)state;
    for (int fails = 0; fails < 2; fails++) {
        for (int64_t i = -1; i <= 1; i++) {
            int64_t least = LIMIT_TRACKER_INTERVAL_MIN_S + i,
                    most = LIMIT_TRACKER_INTERVAL_MAX_S + i;
            assert_int_equal(waits_s(least, fails), i < 0 ? LIMIT_TRACKER_INTERVAL_MIN_S : least);
            assert_int_equal(waits_s(most, fails), i > 0 ? LIMIT_TRACKER_INTERVAL_MAX_S : most);
        }
    }
}

static void the_number_of_trackers_is_bounded(void **state)
{
    (void)state;
    struct announcer a;
    announcer_init(&a, 7);
    for (uint32_t i = 0; i < LIMIT_TRACKERS; i++) {
        assert_int_equal(announcer_add(&a, i % 3, 0), i);
    }
    assert_int_equal(announcer_add(&a, 0, 0), SPATE_ELIMIT);
    announcer_deinit(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scenarios_ask_what_they_promise),
        cmocka_unit_test(failures_back_off_from_15_s_to_an_hour_with_jitter),
        cmocka_unit_test(the_one_that_answers_moves_to_the_front_of_its_tier),
        cmocka_unit_test(tiers_are_shuffled_and_stay_in_order),
        cmocka_unit_test(completed_is_said_once_at_once_and_only_by_the_call),
        cmocka_unit_test(completed_waits_for_the_answer_to_started),
        cmocka_unit_test(completed_is_said_again_when_it_failed),
        cmocka_unit_test(a_tracker_never_asked_does_not_hear_completed),
        cmocka_unit_test(stopped_goes_to_those_that_know_us_and_ends_in_two_seconds),
        cmocka_unit_test(who_leaves_as_soon_as_he_is_done_says_completed_then_stopped),
        cmocka_unit_test(who_completes_before_the_first_answer_says_all_three),
        cmocka_unit_test(a_completion_that_is_never_answered_holds_nobody_back),
        cmocka_unit_test(stopping_ends_with_the_last_answer),
        cmocka_unit_test(one_that_nobody_knows_stops_without_a_word),
        cmocka_unit_test(a_started_that_may_have_arrived_is_followed_by_stopped),
        cmocka_unit_test(a_second_start_says_started_again),
        cmocka_unit_test(announcing_now_respects_the_minimum_interval),
        cmocka_unit_test(for_want_of_peers_only_who_named_a_minimum_is_asked_again),
        cmocka_unit_test(announcing_now_while_a_question_is_open_is_not_forgotten),
        cmocka_unit_test(one_that_is_added_while_nobody_works_is_asked_at_once),
        cmocka_unit_test(any_order_of_calls_is_survived),
        cmocka_unit_test(what_a_tracker_says_of_time_is_believed_between_a_minute_and_a_day),
        cmocka_unit_test(the_number_of_trackers_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
