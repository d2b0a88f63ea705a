/* Time, turns, wake-ups, cancelling: what holds for operations as such, and for work. */
#include "port_suite_inside.h"

#include <stdatomic.h>

static void the_clock_is_above_zero_and_advances(void **state)
{
    struct port_test *t = *state;
    int64_t begin_ns = io_now(t->io[0]);
    assert_true(begin_ns > 0);
    port_pass(t, PORT_SECOND_NS / 100);
    assert_true(io_now(t->io[0]) >= begin_ns + PORT_SECOND_NS / 100);
}

static void the_wall_clock_is_of_this_age(void **state)
{
    struct port_test *t = *state;
    int64_t wall_ns = io_wall(t->io[0]);
    assert_true(wall_ns > INT64_C(1500000000) * PORT_SECOND_NS);
    port_pass(t, PORT_SECOND_NS / 100);
    assert_true(io_wall(t->io[0]) > wall_ns);
}

struct clock_reader {
    struct port_noted noted;
    struct io *io;
    int64_t seen_ns;
};

static void clock_reader_on_done(struct io_op *op, int status)
{
    struct clock_reader *r = list_entry(op, struct clock_reader, noted.op);
    r->seen_ns = io_now(r->io);
    port_noted_on_done(op, status);
}

static void the_clock_stands_still_within_a_turn(void **state)
{
    struct port_test *t = *state;
    struct clock_reader a = {.io = t->io[0]}, b = {.io = t->io[0]}, end = {.io = t->io[0]};
    struct clock_reader *all[] = {&a, &b, &end};
    for (int i = 0; i < 3; i++) {
        port_noted_init(&all[i]->noted, NULL);
        all[i]->noted.op.done = clock_reader_on_done;
    }
    io_timer(t->io[0], &a.noted.op, 1);
    io_timer(t->io[0], &b.noted.op, 1);
    io_turn_end(t->io[0], &end.noted.op);
    port_await(t, &a.noted.op);
    port_await(t, &b.noted.op);
    port_await(t, &end.noted.op);
    assert_true(a.seen_ns == b.seen_ns && b.seen_ns == end.seen_ns);
}

static void a_timer_never_completes_early(void **state)
{
    struct port_test *t = *state;
    struct clock_reader timers[8];
    int64_t begin_ns = io_now(t->io[0]);
    for (int i = 0; i < 8; i++) {
        timers[i].io = t->io[0];
        port_noted_init(&timers[i].noted, NULL);
        timers[i].noted.op.done = clock_reader_on_done;
        io_timer(t->io[0], &timers[i].noted.op, begin_ns + 1 + i * 1234567);
    }
    for (int i = 7; i >= 0; i--) {
        port_await(t, &timers[i].noted.op);
        assert_int_equal(timers[i].noted.status, 0);
        assert_true(timers[i].seen_ns >= begin_ns + 1 + i * 1234567);
    }
}

static void timers_complete_in_order_and_equal_ones_as_they_came(void **state)
{
    struct port_test *t = *state;
    struct port_noted timers[6];
    const int in_ms[6] = {9, 3, 5, 3, 9, 3};
    const int order[6] = {5, 1, 4, 2, 6, 3};
    int counter = 0;
    int64_t begin_ns = io_now(t->io[0]);
    for (int i = 0; i < 6; i++) {
        port_noted_init(&timers[i], &counter);
        io_timer(t->io[0], &timers[i].op, begin_ns + in_ms[i] * 1000000);
    }
    port_pass(t, PORT_SECOND_NS / 50);
    for (int i = 0; i < 6; i++) {
        port_await(t, &timers[i].op);
        assert_int_equal(timers[i].order, order[i]);
        assert_int_equal(timers[i].times, 1);
    }
}

static void a_timer_that_runs_is_moved_and_completes_once(void **state)
{
    struct port_test *t = *state;
    struct port_noted timers[4];
    const int first_ms[4] = {2, 60000, 4, 60000}, then_ms[4] = {8, 3, 6, 1};
    const int order[4] = {4, 2, 3, 1};
    int counter = 0;
    int64_t begin_ns = io_now(t->io[0]);
    for (int i = 0; i < 4; i++) {
        port_noted_init(&timers[i], &counter);
        io_timer(t->io[0], &timers[i].op, begin_ns + first_ms[i] * INT64_C(1000000));
    }
    for (int i = 0; i < 4; i++) {
        io_timer(t->io[0], &timers[i].op, begin_ns + then_ms[i] * 1000000);
    }
    port_pass(t, PORT_SECOND_NS / 50);
    for (int i = 0; i < 4; i++) {
        port_await(t, &timers[i].op);
        assert_int_equal(timers[i].status, 0);
        assert_int_equal(timers[i].order, order[i]);
        assert_int_equal(timers[i].times, 1);
    }
}

static void a_timer_whose_moment_has_come_is_moved_no_more(void **state)
{
    struct port_test *t = *state;
    struct port_noted timer;
    port_noted_init(&timer, NULL);
    io_timer(t->io[0], &timer.op, io_now(t->io[0]) + 60 * PORT_SECOND_NS);
    io_cancel(t->io[0], &timer.op);
    io_timer(t->io[0], &timer.op, io_now(t->io[0]) + 60 * PORT_SECOND_NS);
    port_await(t, &timer.op);
    assert_int_equal(timer.status, SPATE_ECANCELED);
}

static void a_timer_of_the_past_completes_but_not_inside_the_call(void **state)
{
    struct port_test *t = *state;
    struct port_noted timer;
    bool inside = true;
    port_noted_init(&timer, NULL);
    timer.inside = &inside;
    io_timer(t->io[0], &timer.op, -5);
    assert_true(timer.op.active);
    inside = false;
    port_await(t, &timer.op);
    assert_int_equal(timer.status, 0);
}

struct again {
    struct port_noted noted;
    struct io *io;
    int left;
};

static void again_on_done(struct io_op *op, int status)
{
    struct again *a = list_entry(op, struct again, noted.op);
    port_noted_on_done(op, status);
    if (--a->left > 0) {
        io_timer(a->io, op, io_now(a->io));
    }
}

static void a_completed_operation_can_be_submitted_from_its_own_completion(void **state)
{
    struct port_test *t = *state;
    struct again a = {.io = t->io[0], .left = 100};
    port_noted_init(&a.noted, NULL);
    a.noted.op.done = again_on_done;
    io_timer(t->io[0], &a.noted.op, 0);
    port_await(t, &a.noted.op);
    assert_int_equal(a.noted.times, 100);
}

struct gatherer {
    struct port_noted noted;
    struct port_noted *end;
    struct io *io;
};

static void gatherer_on_done(struct io_op *op, int status)
{
    struct gatherer *g = list_entry(op, struct gatherer, noted.op);
    port_noted_on_done(op, status);
    io_turn_end(g->io, &g->end->op);
}

static void a_turn_ends_after_all_that_was_ready_in_it(void **state)
{
    struct port_test *t = *state;
    int counter = 0;
    struct port_noted end, last;
    struct gatherer first = {.end = &end, .io = t->io[0]};
    port_noted_init(&first.noted, &counter);
    first.noted.op.done = gatherer_on_done;
    port_noted_init(&last, &counter);
    port_noted_init(&end, &counter);
    int64_t at_ns = io_now(t->io[0]);
    io_timer(t->io[0], &first.noted.op, at_ns);
    io_timer(t->io[0], &last.op, at_ns);
    port_await(t, &first.noted.op);
    port_await(t, &last.op);
    port_await(t, &end.op);
    assert_int_equal(first.noted.order, 1);
    assert_int_equal(last.order, 2);
    assert_int_equal(end.order, 3);
    assert_int_equal(end.status, 0);
}

static void a_turn_end_asked_for_before_comes_after_what_was_ready(void **state)
{
    struct port_test *t = *state;
    int counter = 0;
    struct port_noted end, timers[2];
    port_noted_init(&end, &counter);
    io_turn_end(t->io[0], &end.op);
    for (int i = 0; i < 2; i++) {
        port_noted_init(&timers[i], &counter);
        io_timer(t->io[0], &timers[i].op, 1);
    }
    port_await(t, &timers[0].op);
    port_await(t, &timers[1].op);
    port_await(t, &end.op);
    assert_int_equal(end.order, 3);
}

static void a_turn_end_comes_without_anything_else_to_do(void **state)
{
    struct port_test *t = *state;
    struct port_noted end;
    bool inside = true;
    port_noted_init(&end, NULL);
    end.inside = &inside;
    io_turn_end(t->io[0], &end.op);
    inside = false;
    port_await(t, &end.op);
    assert_int_equal(end.status, 0);
}

static void waking_completes_the_wait(void **state)
{
    struct port_test *t = *state;
    struct port_noted wake;
    port_noted_init(&wake, NULL);
    io_wait_wake(t->io[0], &wake.op);
    port_pass(t, PORT_SECOND_NS / 100);
    assert_true(wake.op.active);
    t->hooks->wake(t->world, 0);
    port_await(t, &wake.op);
    assert_int_equal(wake.status, 0);
}

static void waking_before_the_wait_is_not_forgotten_and_counts_once(void **state)
{
    struct port_test *t = *state;
    struct port_noted wake;
    port_noted_init(&wake, NULL);
    t->hooks->wake(t->world, 0);
    t->hooks->wake(t->world, 0);
    port_pass(t, PORT_SECOND_NS / 100);
    bool inside = true;
    wake.inside = &inside;
    io_wait_wake(t->io[0], &wake.op);
    inside = false;
    port_await(t, &wake.op);
    assert_int_equal(wake.status, 0);
    io_wait_wake(t->io[0], &wake.op);
    port_pass(t, PORT_SECOND_NS / 100);
    assert_true(wake.op.active);
    assert_int_equal(wake.times, 1);
    io_cancel(t->io[0], &wake.op);
    port_await(t, &wake.op);
}

static void entropy_fills_every_byte_and_does_not_repeat(void **state)
{
    struct port_test *t = *state;
    uint8_t seen[3][33] = {{0}}, all[33] = {0};
    for (int i = 0; i < 64; i++) {
        io_entropy(t->io[0], seen[0], sizeof seen[0]);
        for (size_t at = 0; at < sizeof all; at++) {
            all[at] |= seen[0][at];
        }
    }
    for (size_t at = 0; at < sizeof all; at++) {
        assert_int_not_equal(all[at], 0);
    }
    io_entropy(t->io[0], seen[1], sizeof seen[1]);
    io_entropy(t->io[1], seen[2], sizeof seen[2]);
    assert_memory_not_equal(seen[0], seen[1], sizeof seen[0]);
    assert_memory_not_equal(seen[1], seen[2], sizeof seen[0]);
}

static void cancelling_a_timer_completes_it_soon_once_and_not_inside(void **state)
{
    struct port_test *t = *state;
    struct port_noted timer;
    bool inside = true;
    port_noted_init(&timer, NULL);
    timer.inside = &inside;
    io_timer(t->io[0], &timer.op, io_now(t->io[0]) + 3600 * PORT_SECOND_NS);
    io_cancel(t->io[0], &timer.op);
    io_cancel(t->io[0], &timer.op);
    inside = false;
    assert_true(timer.op.active);
    port_await(t, &timer.op);
    assert_int_equal(timer.status, SPATE_ECANCELED);
    port_pass(t, PORT_SECOND_NS / 100);
    assert_int_equal(timer.times, 1);
}

static void cancelling_what_is_not_active_is_harmless(void **state)
{
    struct port_test *t = *state;
    struct port_noted timer;
    port_noted_init(&timer, NULL);
    io_cancel(t->io[0], &timer.op);
    io_timer(t->io[0], &timer.op, 0);
    port_await(t, &timer.op);
    io_cancel(t->io[0], &timer.op);
    port_pass(t, PORT_SECOND_NS / 100);
    assert_int_equal(timer.times, 1);
    assert_int_equal(timer.status, 0);
}

static void turn_ends_and_wake_waits_can_be_cancelled(void **state)
{
    struct port_test *t = *state;
    struct port_noted end, wake;
    port_noted_init(&end, NULL);
    port_noted_init(&wake, NULL);
    io_turn_end(t->io[0], &end.op);
    io_wait_wake(t->io[0], &wake.op);
    io_cancel(t->io[0], &end.op);
    io_cancel(t->io[0], &wake.op);
    port_await(t, &end.op);
    port_await(t, &wake.op);
    assert_int_equal(end.status, SPATE_ECANCELED);
    assert_int_equal(wake.status, SPATE_ECANCELED);
    /* Both can be had again. */
    io_wait_wake(t->io[0], &wake.op);
    t->hooks->wake(t->world, 0);
    port_await(t, &wake.op);
    assert_int_equal(wake.status, 0);
}

struct pair {
    struct port_noted noted;
    struct io *io;
    struct io_op *other;
};

static void pair_on_done(struct io_op *op, int status)
{
    struct pair *p = list_entry(op, struct pair, noted.op);
    port_noted_on_done(op, status);
    io_cancel(p->io, p->other);
}

static void cancelling_what_is_due_in_the_same_turn_completes_it_once(void **state)
{
    struct port_test *t = *state;
    struct pair a = {.io = t->io[0]}, b = {.io = t->io[0]};
    port_noted_init(&a.noted, NULL);
    port_noted_init(&b.noted, NULL);
    a.noted.op.done = b.noted.op.done = pair_on_done;
    a.other = &b.noted.op;
    b.other = &a.noted.op;
    io_timer(t->io[0], &a.noted.op, 0);
    io_timer(t->io[0], &b.noted.op, 0);
    port_await(t, &a.noted.op);
    port_await(t, &b.noted.op);
    port_pass(t, PORT_SECOND_NS / 100);
    assert_int_equal(a.noted.times, 1);
    assert_int_equal(b.noted.times, 1);
    assert_true(b.noted.status == 0 || b.noted.status == SPATE_ECANCELED);
}

static void what_is_pending_at_the_end_is_cancelled(void **state)
{
    struct port_test *t = *state;
    struct port_noted ops[4];
    for (int i = 0; i < 4; i++) {
        port_noted_init(&ops[i], NULL);
    }
    io_timer(t->io[0], &ops[0].op, io_now(t->io[0]) + 3600 * PORT_SECOND_NS);
    io_timer(t->io[1], &ops[1].op, io_now(t->io[1]) + 3600 * PORT_SECOND_NS);
    io_wait_wake(t->io[0], &ops[2].op);
    io_turn_end(t->io[1], &ops[3].op);
    t->hooks->destroy(t->world);
    t->world = NULL;
    for (int i = 0; i < 4; i++) {
        assert_false(ops[i].op.active);
        assert_int_equal(ops[i].times, 1);
        assert_int_equal(ops[i].status, SPATE_ECANCELED);
    }
}

/* ---- work ------------------------------------------------------------------------------------- */

struct job {
    struct port_noted noted;
    int result;
    atomic_int ran; /* times; other threads count here */
};

static int job_run(struct io_op *op, struct io_fs *fs)
{
    struct job *job = list_entry(op, struct job, noted.op);
    atomic_fetch_add(&job->ran, fs != NULL);
    return job->result;
}

static void work_runs_once_and_its_value_is_the_status(void **state)
{
    struct port_test *t = *state;
    for (int pool = 0; pool < IO_POOL_COUNT; pool++) {
        struct job jobs[20];
        bool inside = true;
        for (int i = 0; i < 20; i++) {
            jobs[i] = (struct job){.result = i - 10};
            port_noted_init(&jobs[i].noted, NULL);
            jobs[i].noted.inside = &inside;
            io_work(t->io[0], (enum io_pool)pool, &jobs[i].noted.op, job_run, 1000);
        }
        inside = false;
        for (int i = 0; i < 20; i++) {
            port_await(t, &jobs[i].noted.op);
            assert_int_equal(jobs[i].noted.status, i - 10);
            assert_int_equal(atomic_load(&jobs[i].ran), 1);
            assert_int_equal(jobs[i].noted.times, 1);
        }
    }
}

static void cancelled_work_did_not_run_and_the_rest_did(void **state)
{
    struct port_test *t = *state;
    struct job jobs[50];
    for (int i = 0; i < 50; i++) {
        jobs[i] = (struct job){.result = 7};
        port_noted_init(&jobs[i].noted, NULL);
        io_work(t->io[0], IO_POOL_SYNC, &jobs[i].noted.op, job_run, 0);
    }
    for (int i = 0; i < 50; i += 2) {
        io_cancel(t->io[0], &jobs[i].noted.op);
    }
    for (int i = 0; i < 50; i++) {
        port_await(t, &jobs[i].noted.op);
        assert_int_equal(jobs[i].noted.times, 1);
        /* Work that has begun is not interrupted. */
        assert_int_equal(jobs[i].noted.status, atomic_load(&jobs[i].ran) ? 7 : SPATE_ECANCELED);
        assert_true(i % 2 == 0 || atomic_load(&jobs[i].ran) == 1);
    }
}

static void work_that_has_begun_is_not_interrupted(void **state)
{
    struct port_test *t = *state;
    struct job job = {.result = 7};
    int64_t until_ns = io_now(t->io[0]) + 60 * PORT_SECOND_NS;
    port_noted_init(&job.noted, NULL);
    io_work(t->io[0], IO_POOL_COMPUTE, &job.noted.op, job_run, 100000000);
    while (atomic_load(&job.ran) == 0) {
        t->hooks->advance(t->world);
        assert_true(io_now(t->io[0]) < until_ns);
    }
    io_cancel(t->io[0], &job.noted.op);
    port_await(t, &job.noted.op);
    assert_int_equal(job.noted.status, 7);
    assert_int_equal(job.noted.times, 1);
}

const struct CMUnitTest *port_suite_time(size_t *count)
{
    static const struct CMUnitTest tests[] = {
        PORT_TEST(the_clock_is_above_zero_and_advances),
        PORT_TEST(the_wall_clock_is_of_this_age),
        PORT_TEST(the_clock_stands_still_within_a_turn),
        PORT_TEST(a_timer_never_completes_early),
        PORT_TEST(a_timer_that_runs_is_moved_and_completes_once),
        PORT_TEST(a_timer_whose_moment_has_come_is_moved_no_more),
        PORT_TEST(timers_complete_in_order_and_equal_ones_as_they_came),
        PORT_TEST(a_timer_of_the_past_completes_but_not_inside_the_call),
        PORT_TEST(a_completed_operation_can_be_submitted_from_its_own_completion),
        PORT_TEST(a_turn_ends_after_all_that_was_ready_in_it),
        PORT_TEST(a_turn_end_asked_for_before_comes_after_what_was_ready),
        PORT_TEST(a_turn_end_comes_without_anything_else_to_do),
        PORT_TEST(waking_completes_the_wait),
        PORT_TEST(waking_before_the_wait_is_not_forgotten_and_counts_once),
        PORT_TEST(entropy_fills_every_byte_and_does_not_repeat),
        PORT_TEST(cancelling_a_timer_completes_it_soon_once_and_not_inside),
        PORT_TEST(cancelling_what_is_not_active_is_harmless),
        PORT_TEST(turn_ends_and_wake_waits_can_be_cancelled),
        PORT_TEST(cancelling_what_is_due_in_the_same_turn_completes_it_once),
        PORT_TEST(what_is_pending_at_the_end_is_cancelled),
        PORT_TEST(work_runs_once_and_its_value_is_the_status),
        PORT_TEST(cancelled_work_did_not_run_and_the_rest_did),
        PORT_TEST(work_that_has_begun_is_not_interrupted),
    };
    *count = sizeof tests / sizeof *tests;
    return tests;
}
