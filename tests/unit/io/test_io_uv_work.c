/* Workers of one's own: side by side, cancelled in the queue, deaf to signals; and SIGPIPE held back. */
#include "uv_world.h"

#include "io/uv/io_uv_sigpipe.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

struct job {
    struct noted noted;
    atomic_bool *gate; /* runs until it opens */
    atomic_int *begun;
    sigset_t mask;
};

static int job_run(struct io_op *op, struct io_fs *fs)
{
    struct job *job = list_entry(op, struct job, noted.op);
    assert_non_null(fs);
    pthread_sigmask(SIG_BLOCK, NULL, &job->mask);
    if (job->begun) {
        atomic_fetch_add(job->begun, 1);
    }
    while (job->gate && !atomic_load(job->gate)) {
        usleep(100);
    }
    return 7;
}

static void many_jobs_all_come_back(void **state)
{
    (void)state;
    struct io *io = world_create(NULL);
    static struct job jobs[1000];
    for (int i = 0; i < 1000; i++) {
        jobs[i] = (struct job){.noted = noted_make(NULL)};
        io_work(io, (enum io_pool)(i % IO_POOL_COUNT), &jobs[i].noted.op, job_run, 0);
        assert_int_equal(jobs[i].noted.times, 0);
    }
    for (int i = 0; i < 1000; i++) {
        await(io, &jobs[i].noted.op);
        assert_int_equal(jobs[i].noted.status, 7);
        assert_int_equal(jobs[i].noted.times, 1);
    }
    io_uv_destroy(io);
}

static void a_sync_does_not_delay_a_read(void **state)
{
    (void)state;
    struct io *io = world_create(NULL);
    atomic_bool gate = false;
    struct job syncs[8], read = {.noted = noted_make(NULL)};
    for (int i = 0; i < 8; i++) {
        syncs[i] = (struct job){.noted = noted_make(NULL), .gate = &gate};
        io_work(io, IO_POOL_SYNC, &syncs[i].noted.op, job_run, 0);
    }
    io_work(io, IO_POOL_READ, &read.noted.op, job_run, 0);
    await(io, &read.noted.op); /* would never come if it stood behind them */
    atomic_store(&gate, true);
    for (int i = 0; i < 8; i++) {
        await(io, &syncs[i].noted.op);
    }
    io_uv_destroy(io);
}

static void what_waits_is_cancelled_and_what_runs_goes_on(void **state)
{
    (void)state;
    struct io *io = world_create(NULL);
    atomic_bool gate = false;
    atomic_int begun = 0;
    struct job jobs[6];
    for (int i = 0; i < 6; i++) {
        jobs[i] = (struct job){.noted = noted_make(NULL), .gate = &gate, .begun = &begun};
        io_work(io, IO_POOL_COMPUTE, &jobs[i].noted.op, job_run, 0);
    }
    while (atomic_load(&begun) < 2) { /* the pool has two threads */
        usleep(100);
    }
    for (int i = 0; i < 6; i++) {
        io_cancel(io, &jobs[i].noted.op);
    }
    int cancelled = 0;
    for (int i = 0; i < 100 && cancelled < 4; i++) {
        io_uv_run_once(io, 10);
        cancelled = 0;
        for (int j = 0; j < 6; j++) {
            cancelled += jobs[j].noted.status == SPATE_ECANCELED;
        }
    }
    assert_int_equal(cancelled, 4);
    assert_int_equal(atomic_load(&begun), 2);
    atomic_store(&gate, true);
    int finished = 0;
    for (int i = 0; i < 6; i++) {
        await(io, &jobs[i].noted.op);
        finished += jobs[i].noted.status == 7;
    }
    assert_int_equal(finished, 2);
    io_uv_destroy(io);
}

static void *open_later(void *gate)
{
    usleep(20000);
    atomic_store((atomic_bool *)gate, true);
    return NULL;
}

static void the_end_waits_for_work_that_has_begun(void **state)
{
    (void)state;
    struct io *io = world_create(NULL);
    atomic_bool gate = false;
    atomic_int begun = 0;
    struct job job = {.noted = noted_make(NULL), .gate = &gate, .begun = &begun};
    pthread_t thread;
    io_work(io, IO_POOL_WRITE, &job.noted.op, job_run, 0);
    while (atomic_load(&begun) < 1) {
        usleep(100);
    }
    pthread_create(&thread, NULL, open_later, &gate);
    io_uv_destroy(io);
    assert_int_equal(job.noted.status, 7);
    pthread_join(thread, NULL);
}

static void workers_take_no_signals(void **state)
{
    (void)state;
    struct io *io = world_create(NULL);
    struct job job = {.noted = noted_make(NULL)};
    sigset_t mine;
    io_work(io, IO_POOL_READ, &job.noted.op, job_run, 0);
    await(io, &job.noted.op);
    const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGPIPE, SIGALRM, SIGUSR1, SIGXFSZ};
    pthread_sigmask(SIG_BLOCK, NULL, &mine);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        assert_int_equal(sigismember(&job.mask, signals[i]), 1);
        assert_int_equal(sigismember(&mine, signals[i]), 0); /* and ours are as they were */
    }
    io_uv_destroy(io);
}

/* Exit status 0: alive, and nothing was left pending. */
static int write_to_nobody(bool hold, bool own_pending)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        struct io_uv_sigpipe held;
        sigset_t pipe_only, pending;
        int ends[2];
        signal(SIGPIPE, SIG_DFL);
        sigemptyset(&pipe_only);
        sigaddset(&pipe_only, SIGPIPE);
        if (own_pending) {
            pthread_sigmask(SIG_BLOCK, &pipe_only, NULL);
            raise(SIGPIPE);
        }
        if (pipe(ends) != 0 || close(ends[0]) != 0) {
            _exit(9);
        }
        if (hold) {
            io_uv_sigpipe_hold(&held);
        }
        bool refused = write(ends[1], "x", 1) < 0 && errno == EPIPE;
        if (hold) {
            io_uv_sigpipe_release(&held);
        }
        sigpending(&pending);
        bool left = sigismember(&pending, SIGPIPE) == 1;
        _exit(refused && left == own_pending ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void a_held_sigpipe_is_gone_and_the_programs_own_stays(void **state)
{
    (void)state;
    assert_int_equal(write_to_nobody(false, false), 1000 + SIGPIPE); /* so it would be */
    assert_int_equal(write_to_nobody(true, false), 0);
    assert_int_equal(write_to_nobody(true, true), 0);
}

static void sending_to_who_has_gone_raises_nothing(void **state)
{
    (void)state;
    struct io *io = world_create(NULL);
    struct io_socket *a, *b;
    struct noted writing = noted_make(NULL);
    static uint8_t bytes[1 << 16];
    struct io_part part = {.bytes = bytes, .size = sizeof bytes};
    int64_t n = 0;
    signal(SIGPIPE, SIG_DFL);
    connect_pair(io, &a, &b);
    io_close(io, b);
    for (int i = 0; i < 1000 && (n >= 0 || n == SPATE_EAGAIN); i++) {
        n = io_send(io, a, &part, 1);
        io_wait(io, a, IO_WRITABLE, &writing.op);
        await(io, &writing.op);
    }
    assert_int_equal(n, SPATE_ERESET);
    io_close(io, a);
    io_uv_destroy(io);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_jobs_all_come_back),
        cmocka_unit_test(a_sync_does_not_delay_a_read),
        cmocka_unit_test(what_waits_is_cancelled_and_what_runs_goes_on),
        cmocka_unit_test(the_end_waits_for_work_that_has_begun),
        cmocka_unit_test(workers_take_no_signals),
        cmocka_unit_test(a_held_sigpipe_is_gone_and_the_programs_own_stays),
        cmocka_unit_test(sending_to_who_has_gone_raises_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
