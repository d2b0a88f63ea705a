/* Timers and the end of a turn, in virtual time. */
#include "engine/timers.h"

#include "engine/turn.h"
#include "io/sim/io_sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
/* cmocka wants the above first */
#include <cmocka.h>

#define MS_NS INT64_C(1000000)

enum { TIMERS = 20, STEPS = 5000 };

struct alarm {
    struct timer timer;
    int64_t wanted_ns; /* INT64_MAX: it must not fire */
    uint32_t fired;
};

static void on_alarm(struct timer *timer, int64_t now_ns)
{
    struct alarm *a = list_entry(timer, struct alarm, timer);
    assert_false(timer->armed);
    assert_true(a->wanted_ns != INT64_MAX && now_ns >= a->wanted_ns);
    assert_true(now_ns < a->wanted_ns + MS_NS);
    a->wanted_ns = INT64_MAX;
    a->fired++;
}

/* Set, moved to and fro, disarmed, forgotten, in any order: each fires once, when it is due, and else not. */
static void every_timer_fires_once_when_it_is_due(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct io_sim *sim = io_sim_create(seed);
        struct io *io;
        struct timers timers;
        struct alarm alarms[TIMERS] = {0};
        uint64_t random = seed;
        uint32_t fired = 0;
        assert_int_equal(io_sim_host_create(sim, "host", addr_v4((const uint8_t[4]){1, 2, 3, 4}, 0),
                                            (struct addr){.family = ADDR_NONE}, &io),
                         0);
        timers_init(&timers, io);
        for (int i = 0; i < TIMERS; i++) {
            alarms[i].wanted_ns = INT64_MAX;
            alarms[i].timer.fire = on_alarm;
        }
        for (int step = 0; step < STEPS; step++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            uint32_t r = (uint32_t)(random >> 33);
            struct alarm *a = &alarms[r % TIMERS];
            int64_t now_ns = io_sim_now(sim);
            switch (r / TIMERS % 8) {
            case 0:
                timer_clear(&timers, &a->timer);
                a->wanted_ns = INT64_MAX;
                break;
            case 1:
                timer_set(&timers, &a->timer, INT64_MAX);
                a->wanted_ns = INT64_MAX;
                break;
            case 2:
            case 3:
                io_sim_run_until(sim, now_ns + (int64_t)(r / 160 % 50) * MS_NS);
                break;
            default:
                a->wanted_ns = now_ns + (int64_t)(1 + r / 160 % 200) * MS_NS;
                timer_set(&timers, &a->timer, a->wanted_ns);
            }
            now_ns = io_sim_now(sim);
            for (int i = 0; i < TIMERS; i++) {
                assert_int_equal(alarms[i].timer.armed, alarms[i].wanted_ns != INT64_MAX);
                assert_true(alarms[i].wanted_ns == INT64_MAX ||
                            alarms[i].wanted_ns + MS_NS > now_ns);
            }
        }
        for (int i = 0; i < TIMERS; i++) {
            fired += alarms[i].fired;
            alarms[i].wanted_ns = INT64_MAX;
        }
        assert_true(fired > STEPS / 20);
        timers_close(&timers); /* what is armed fires no more */
        io_sim_run_until(sim, io_sim_now(sim) + 1000 * MS_NS);
        assert_true(timers_idle(&timers));
        io_sim_destroy(sim);
    }
}

struct job {
    struct turn_work work;
    struct turn *turn;
    struct job *next; /* added, and removed, when it runs */
    struct job *victim;
    uint32_t runs;
};

static void run_job(struct turn_work *work)
{
    struct job *j = list_entry(work, struct job, work);
    j->runs++;
    if (j->next && j->runs < 3) {
        turn_add(j->turn, &j->next->work);
    }
    if (j->victim) {
        turn_remove(&j->victim->work);
    }
}

static void work_runs_once_a_turn_and_not_when_it_was_removed(void **state)
{
    (void)state;
    struct io_sim *sim = io_sim_create(1);
    struct io *io;
    struct turn turn;
    struct job first, second, third;
    assert_int_equal(io_sim_host_create(sim, "host", addr_v4((const uint8_t[4]){1, 2, 3, 4}, 0),
                                        (struct addr){.family = ADDR_NONE}, &io),
                     0);
    turn_init(&turn, io);
    struct job *all[] = {&first, &second, &third};
    for (int i = 0; i < 3; i++) {
        *all[i] = (struct job){.turn = &turn};
        turn_work_init(&all[i]->work, run_job);
    }
    first.next = &first; /* work that adds itself runs again */
    first.victim = &third;
    turn_add(&turn, &first.work);
    turn_add(&turn, &second.work);
    turn_add(&turn, &second.work);
    turn_add(&turn, &third.work);
    assert_int_equal(first.runs, 0);
    io_sim_run_until(sim, io_sim_now(sim) + MS_NS);
    assert_int_equal(first.runs, 3);
    assert_int_equal(second.runs, 1);
    assert_int_equal(third.runs, 0);
    turn_add(&turn, &third.work);
    turn_close(&turn);
    turn_add(&turn, &second.work);
    io_sim_run_until(sim, io_sim_now(sim) + MS_NS);
    assert_int_equal(second.runs, 1);
    assert_int_equal(third.runs, 0);
    assert_true(turn_idle(&turn));
    io_sim_destroy(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_timer_fires_once_when_it_is_due),
        cmocka_unit_test(work_runs_once_a_turn_and_not_when_it_was_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
