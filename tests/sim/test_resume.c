/* The state database over a failing power and a failing disk: what was saved is found, as it was or as it was
 * about to be, and never anything else. */
#include "disk/resume.h"
#include "disk_scene.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TORRENTS = 3, PIECES = 60000, PIECE_BYTES = 16384, FILES = 1 };
#define STATE "/home/user/state"

/* One save: of which torrent, and with how many pieces durable; 0: it is forgotten. */
struct step {
    int torrent;
    uint32_t durable;
};
static const struct step script[] = {{0, 1}, {1, 2}, {0, 30000}, {2, 5}, {1, 0},
                                     {0, 7}, {2, 6}, {1, 9},     {0, 8}, {2, 59999}};
enum { STEPS = sizeof script / sizeof script[0] };

struct world {
    struct disk_scene scene;
    struct resume *resume;
    uint32_t saved[TORRENTS];     /* what the last save that succeeded said */
    uint32_t beginning[TORRENTS]; /* what the one that failed would have said */
};

struct loading {
    struct resume_load load;
    int status;
};

static void on_loaded(struct io_op *op, int status)
{
    list_entry(list_entry(op, struct resume_load, op), struct loading, load)->status = status;
}

static void finish(struct world *w, const struct io_op *op)
{
    while (op->active) {
        assert_true(io_sim_step(w->scene.sim));
    }
}

static void settle(struct world *w)
{
    while (!io_sim_idle(w->scene.sim)) {
        io_sim_step(w->scene.sim);
    }
}

static int load(struct world *w, int torrent, struct loading *out)
{
    *out = (struct loading){.load = {.op.done = on_loaded,
                                     .destination = "/data",
                                     .piece_count = PIECES,
                                     .file_count = FILES,
                                     .piece_length = PIECE_BYTES}};
    memset(out->load.info_hash, torrent + 1, 20);
    resume_load(w->resume, &out->load);
    finish(w, &out->load.op);
    return out->status;
}

static void unload(struct world *w, struct loading *l)
{
    resume_record_deinit(&l->load.record);
    if (l->load.lock) {
        resume_unlock(w->resume, l->load.lock);
    }
    settle(w);
}

struct saving {
    struct resume_save save;
    int status;
};

static void on_saved(struct io_op *op, int status)
{
    list_entry(list_entry(op, struct resume_save, op), struct saving, save)->status = status;
}

static int save(struct world *w, const struct step *step)
{
    struct resume_file file = {.path = (char *)(uintptr_t) "payload", .present = true};
    struct resume_record record = {.destination = (char *)(uintptr_t) "/data",
                                   .key = step->durable,
                                   .files = &file,
                                   .file_count = FILES};
    struct saving saving = {
        .save = {.op.done = on_saved, .destination = "/data", .forget = step->durable == 0}};
    memset(saving.save.info_hash, step->torrent + 1, 20);
    memset(record.info_hash, step->torrent + 1, 20);
    assert_int_equal(bitset_init(&record.written, PIECES), 0);
    assert_int_equal(bitset_init(&record.durable, PIECES), 0);
    for (uint32_t i = 0; i < step->durable; i++) {
        bitset_set(&record.durable, i);
        bitset_set(&record.written, i);
    }
    assert_int_equal(resume_record_encode(&record, &saving.save.bytes, &saving.save.size), 0);
    resume_save(w->resume, &saving.save);
    finish(w, &saving.save.op);
    free(saving.save.bytes);
    bitset_deinit(&record.written);
    bitset_deinit(&record.durable);
    return saving.status;
}

static void begin(struct world *w, uint64_t seed)
{
    *w = (struct world){.resume = NULL};
    disk_scene_open(&w->scene, seed);
    assert_int_equal(resume_create(w->scene.io, STATE, &w->resume), 0);
}

static void end(struct world *w)
{
    resume_destroy(w->resume);
    disk_scene_close(&w->scene);
}

/* Saves until one fails; returns how many did not. */
static int play(struct world *w)
{
    int done = 0;
    for (; done < STEPS; done++) {
        const struct step *step = &script[done];
        w->beginning[step->torrent] = step->durable;
        if (save(w, step) < 0) {
            break;
        }
        w->saved[step->torrent] = step->durable;
    }
    return done;
}

/* Every torrent is found as it was saved, or as it was about to be. With status, the load itself may fail. */
static void look(struct world *w, const char *when, uint64_t seed, uint64_t index)
{
    for (int i = 0; i < TORRENTS; i++) {
        struct loading l;
        int status = load(w, i, &l);
        uint32_t found = l.load.found ? l.load.record.durable.ones : 0;
        if (status < 0 || l.load.text[0] || (found != w->saved[i] && found != w->beginning[i]) ||
            (l.load.found && l.load.record.key != found)) {
            fail_msg("%s, seed %llu, call %llu: torrent %d has status %d, %u durable, not %u or "
                     "%u: %s",
                     when, (unsigned long long)seed, (unsigned long long)index, i, status, found,
                     w->saved[i], w->beginning[i], l.load.text);
        }
        w->saved[i] = w->beginning[i] = found;
        unload(w, &l);
    }
}

static void restart(struct world *w, enum io_sim_crash how)
{
    io_sim_crash(w->scene.io, how);
    settle(w);
    resume_destroy(w->resume);
    w->scene.io = io_sim_restart(w->scene.io);
    assert_int_equal(resume_create(w->scene.io, STATE, &w->resume), 0);
}

static uint64_t calls_of_script(void)
{
    struct world w;
    begin(&w, 1);
    assert_int_equal(play(&w), STEPS);
    uint64_t calls = io_sim_disk_calls(w.scene.io);
    look(&w, "no crash", 1, 0);
    end(&w);
    return calls;
}

static void a_crash_before_any_disk_call_leaves_the_old_record_or_the_next(void **state)
{
    uint64_t calls = calls_of_script(), recoveries = 0, moved = 0;
    clock_t before = clock();
    (void)state;
    assert_true(calls > 100);
    for (uint64_t index = 0; index <= calls; index++) {
        for (uint64_t seed = 0; seed < 6; seed++) {
            struct world w;
            begin(&w, seed * 100003 + index);
            io_sim_set_crash_at(w.scene.io, index);
            int done = play(&w);
            uint32_t wanted = done < STEPS ? w.saved[script[done].torrent] : 0;
            restart(&w, IO_SIM_CRASH_POWER);
            look(&w, "after a crash", seed, index);
            moved += done < STEPS && w.saved[script[done].torrent] != wanted;
            assert_int_equal(save(&w, &script[0]), 0);
            recoveries++;
            end(&w);
        }
    }
    /* Both ends of it are seen. */
    assert_true(moved > 0 && moved < recoveries / 2);
    printf("%llu recoveries of the database, %.3f ms each\n", (unsigned long long)recoveries,
           (double)(clock() - before) / CLOCKS_PER_SEC * 1000.0 / (double)recoveries);
}

/* Loads until the power fails again. */
static void half_recover(struct world *w, uint64_t index)
{
    io_sim_set_crash_at(w->scene.io, index);
    for (int i = 0; i < TORRENTS && !io_sim_crashed(w->scene.io); i++) {
        struct loading l;
        load(w, i, &l);
        unload(w, &l);
    }
}

static void a_crash_during_the_recovery_loses_nothing_either(void **state)
{
    uint64_t calls = calls_of_script();
    (void)state;
    for (uint64_t index = 0; index <= calls; index++) {
        struct world w;
        begin(&w, 77 + index);
        io_sim_set_crash_at(w.scene.io, index);
        play(&w);
        for (uint64_t again = 0; again < 40; again += 1 + index % 7) {
            restart(&w, IO_SIM_CRASH_POWER);
            half_recover(&w, again);
        }
        restart(&w, IO_SIM_CRASH_POWER);
        look(&w, "after two crashes", 77, index);
        end(&w);
    }
}

static void a_killed_process_leaves_its_last_save(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 5);
    assert_int_equal(play(&w), STEPS);
    restart(&w, IO_SIM_CRASH_PROCESS);
    look(&w, "after SIGKILL", 5, 0);
    end(&w);
}

/* What fails may be said to have failed and be there all the same. */
static void fail_and_look(uint64_t seed, uint64_t index, bool for_good, int error)
{
    struct world w;
    begin(&w, seed);
    io_sim_set_disk_failure(w.scene.io, index, for_good ? UINT64_MAX : index, error);
    for (int i = 0; i < STEPS; i++) {
        const struct step *step = &script[i];
        w.beginning[step->torrent] = step->durable;
        if (save(&w, step) == 0) {
            w.saved[step->torrent] = step->durable;
        } else {
            break;
        }
    }
    io_sim_set_disk_failure(w.scene.io, UINT64_MAX, 0, error);
    restart(&w, IO_SIM_CRASH_POWER);
    look(&w, for_good ? "failing for good" : "failing once", seed, index);
    end(&w);
}

static void each_disk_call_may_fail_once_and_for_good(void **state)
{
    static const int errors[] = {SPATE_EIO, SPATE_ENOSPC, SPATE_EROFS};
    uint64_t calls = calls_of_script();
    (void)state;
    for (uint64_t index = 0; index <= calls; index++) {
        for (int e = 0; e < 3; e++) {
            fail_and_look(index, index, false, errors[e]);
            fail_and_look(index, index, true, errors[e]);
        }
    }
}

/* The log of one crash and what follows. */
static uint64_t hash_of_a_crash(uint64_t seed)
{
    struct world w;
    begin(&w, seed);
    io_sim_set_crash_at(w.scene.io, 90);
    play(&w);
    restart(&w, IO_SIM_CRASH_POWER);
    look(&w, "again", seed, 90);
    uint64_t hash = io_sim_log_hash(w.scene.sim);
    end(&w);
    return hash;
}

static void two_runs_of_a_seed_are_one(void **state)
{
    (void)state;
    assert_true(hash_of_a_crash(9) == hash_of_a_crash(9));
    assert_true(hash_of_a_crash(9) != hash_of_a_crash(10));
}

enum { THREADS = 4, RUNS = 20 };

struct runner {
    pthread_t thread;
    uint64_t hashes[RUNS];
};

static void *run_many(void *user)
{
    struct runner *r = user;
    for (uint64_t i = 0; i < RUNS; i++) {
        r->hashes[i] = hash_of_a_crash(i);
    }
    return NULL;
}

static void worlds_in_threads_of_their_own_do_not_disturb_each_other(void **state)
{
    struct runner runners[THREADS];
    (void)state;
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&runners[i].thread, NULL, run_many, &runners[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(runners[i].thread, NULL), 0);
        for (uint64_t run = 0; run < RUNS; run++) {
            assert_true(runners[i].hashes[run] == runners[0].hashes[run]);
        }
    }
    assert_true(runners[0].hashes[9] == hash_of_a_crash(9));
}

/* A second session on the same host: it waits as long as it is told to, and then says so. */
static void two_processes_share_one_database(void **state)
{
    struct world w;
    struct resume *other;
    (void)state;
    begin(&w, 5);
    assert_int_equal(play(&w), STEPS);
    assert_int_equal(resume_create(w.scene.io, STATE, &other), 0);
    struct resume *first = w.resume;
    w.resume = other;
    look(&w, "in another process", 5, 0);
    assert_int_equal(save(&w, &script[2]), 0);
    w.saved[0] = w.beginning[0] = script[2].durable;
    w.resume = first;
    look(&w, "in the first", 5, 0);
    resume_destroy(other);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crash_before_any_disk_call_leaves_the_old_record_or_the_next),
        cmocka_unit_test(a_crash_during_the_recovery_loses_nothing_either),
        cmocka_unit_test(a_killed_process_leaves_its_last_save),
        cmocka_unit_test(each_disk_call_may_fail_once_and_for_good),
        cmocka_unit_test(two_runs_of_a_seed_are_one),
        cmocka_unit_test(worlds_in_threads_of_their_own_do_not_disturb_each_other),
        cmocka_unit_test(two_processes_share_one_database),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
