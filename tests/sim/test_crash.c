/* Whole sessions over a failing power: a download that is crashed before any of its disk calls, again and again,
 * goes on from what was durable and finishes. */
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
/* cmocka wants the above first */
#include <cmocka.h>

enum { PIECE_BYTES = 32768, CRASHES_A_RUN = 6 };

static const struct world_file files[] = {
    {"a/first.bin", 700000},
    {"a/empty.txt", 0},
    {"b/\xc3\xbcml\xc3\xa4ut.bin", 3},
    {"b/c/last.bin", 900001},
};
static const struct world_torrent torrent = {files, 4, PIECE_BYTES, WORLD_TRACKER_NONE};

/* Takes fifteen seconds or so, and so records what it has a few times. */
static struct io_sim_link line(void)
{
    struct io_sim_link link = io_sim_link_default();
    link.up_bytes_per_s = 100000;
    return link;
}

struct play {
    struct world *world;
    struct world_peer *seed, *leecher;
    struct bitset durable; /* what the session knew to be durable when the power failed */
    uint64_t recoveries;
    clock_t recovering;
};

static void begin(struct play *p, uint64_t seed)
{
    const struct io_sim_link link = line();
    *p = (struct play){.world = world_create(seed)};
    p->world->settings.state_dir = "/var/lib/spate";
    world_set_torrent(p->world, &torrent);
    p->seed = world_add(p->world, &link, true);
    p->leecher = world_add(p->world, &link, false);
    world_introduce(p->leecher, p->seed);
    assert_int_equal(bitset_init(&p->durable, p->world->piece_count), 0);
}

static void end(struct play *p)
{
    bitset_deinit(&p->durable);
    world_destroy(p->world);
}

/* Until the host has crashed or has everything. True: it has crashed. */
static bool go_on(struct play *p)
{
    int64_t until_ns = io_sim_now(p->world->sim) + 300 * WORLD_SECOND_NS;
    while (!io_sim_crashed(p->leecher->io) && !world_all_complete(p->world)) {
        if (!world_run(p->world, WORLD_SECOND_NS / 20) || io_sim_now(p->world->sim) > until_ns) {
            world_describe(p->world);
            fail_msg("it does not go on: %s", p->world->verdict.text);
        }
    }
    return io_sim_crashed(p->leecher->io);
}

/* The session of a ghost ends as any other, but for nobody. */
static void bury(struct play *p)
{
    struct world_peer *peer = p->leecher;
    session_close(peer->session);
    session_hurry(peer->session);
    while (!session_closed(peer->session)) {
        assert_true(io_sim_step(p->world->sim));
    }
    session_destroy(peer->session);
    peer->session = NULL;
}

static bool is_at_work(struct world_peer *peer)
{
    enum spate_state state = world_state(peer);
    return state == SPATE_STATE_DOWNLOADING || state == SPATE_STATE_SEEDING;
}

static void check_durable(const struct play *p, const char *when,
                          bool (*has)(struct play *, uint32_t))
{
    struct play *play = (struct play *)(uintptr_t)p;
    for (uint32_t i = bitset_next(&p->durable, 0); i < p->durable.count;
         i = bitset_next(&p->durable, i + 1)) {
        if (!has(play, i)) {
            fail_msg("%s: piece %u was durable", when, i);
        }
    }
}

static bool is_on_disk(struct play *p, uint32_t piece)
{
    return world_piece_equal(p->leecher, piece);
}

static bool is_had(struct play *p, uint32_t piece)
{
    return bitset_get(&world_torrent(p->leecher)->pieces.have, piece);
}

/* What was durable is there, byte by byte, and the next session knows it. */
static void recover(struct play *p, uint64_t next_crash)
{
    const struct torrent *t = world_torrent(p->leecher);
    bitset_empty(&p->durable);
    if (t && t->pieces.durable.count == p->durable.count) {
        bitset_load(&p->durable, t->pieces.durable.bytes, bitset_bytes(p->durable.count));
    }
    clock_t before = clock();
    bury(p);
    p->leecher->io = io_sim_restart(p->leecher->io);
    p->recovering += clock() - before;
    check_durable(p, "on the disk", is_on_disk);
    io_sim_set_crash_at(p->leecher->io, next_crash);
    before = clock();
    world_start(p->leecher);
    while (!io_sim_crashed(p->leecher->io) && !is_at_work(p->leecher)) {
        bool well = world_run(p->world, WORLD_SECOND_NS / 1000);
        if (!io_sim_crashed(p->leecher->io) &&
            (!well || world_state(p->leecher) == SPATE_STATE_ERROR)) {
            world_describe(p->world);
            fail_msg("the next session does not begin");
        }
    }
    p->recovering += clock() - before;
    if (!io_sim_crashed(p->leecher->io)) {
        check_durable(p, "to the next session", is_had);
        world_introduce(p->leecher, p->seed);
    }
    p->recoveries++;
}

/* The user tries again every second; the disk is repaired after three. True: the session said that it failed. */
static bool fail_and_finish(uint64_t index, bool for_good, int error)
{
    struct play p;
    begin(&p, 2000 + index);
    p.world->resume_after_ns = WORLD_SECOND_NS;
    io_sim_set_disk_failure(p.leecher->io, index, for_good ? UINT64_MAX : index, error);
    int64_t until_ns = io_sim_now(p.world->sim) + 300 * WORLD_SECOND_NS, failing_ns = 0;
    bool said = false;
    while (!world_all_complete(p.world)) {
        int64_t now_ns = io_sim_now(p.world->sim);
        failing_ns = io_sim_disk_calls(p.leecher->io) > index && !failing_ns ? now_ns : failing_ns;
        if (failing_ns && now_ns - failing_ns > 3 * WORLD_SECOND_NS) {
            io_sim_set_disk_failure(p.leecher->io, UINT64_MAX, 0, error);
        }
        if (!world_run(p.world, WORLD_SECOND_NS / 20) || now_ns > until_ns) {
            world_describe(p.world);
            fail_msg("call %llu: it does not go on", (unsigned long long)index);
        }
        said |= world_state(p.leecher) == SPATE_STATE_ERROR;
    }
    /* Once all of it is recorded, it stays. */
    world_run(p.world, 15 * WORLD_SECOND_NS);
    assert_int_equal(world_torrent(p.leecher)->pieces.durable.ones, p.world->piece_count);
    io_sim_crash(p.leecher->io, IO_SIM_CRASH_POWER);
    recover(&p, UINT64_MAX);
    assert_false(go_on(&p));
    assert_true(world_files_equal(p.leecher));
    end(&p);
    return said;
}

static uint64_t calls_of_a_run(void)
{
    struct play p;
    begin(&p, 1);
    assert_false(go_on(&p));
    uint64_t calls = io_sim_disk_calls(p.leecher->io);
    end(&p);
    return calls;
}

static void finish(struct play *p)
{
    assert_true(world_files_equal(p->leecher));
    assert_int_equal(world_totals(p->leecher).failed_bytes, 0);
    end(p);
}

/* Crashed once, at that call. */
static void crash_once(uint64_t seed, uint64_t index, uint64_t *recoveries, clock_t *took)
{
    struct play p;
    begin(&p, seed);
    io_sim_set_crash_at(p.leecher->io, index);
    while (go_on(&p)) {
        recover(&p, UINT64_MAX);
    }
    *recoveries += p.recoveries;
    *took += p.recovering;
    finish(&p);
}

static void a_crash_before_any_disk_call_costs_nothing_that_was_durable(void **state)
{
    uint64_t calls = calls_of_a_run(), recoveries = 0;
    clock_t took = 0;
    (void)state;
    for (uint64_t index = 0; index < calls; index += 7) {
        crash_once(1000 + index, index, &recoveries, &took);
    }
    assert_true(recoveries >= calls / 7);
    printf("%llu calls; %llu recoveries of a session, %.2f ms each\n", (unsigned long long)calls,
           (unsigned long long)recoveries,
           (double)took / CLOCKS_PER_SEC * 1000.0 / (double)recoveries);
}

/* One in four lives ends by SIGKILL. */
static void maybe_kill(struct play *p, struct dice *dice)
{
    if (dice_below(dice, 4) == 0) {
        world_run(p->world, (int64_t)dice_below(dice, 3000) * WORLD_SECOND_NS / 1000);
        io_sim_crash(p->leecher->io, IO_SIM_CRASH_PROCESS);
    }
}

/* Crashed at calls that the seed chooses, some of them while it recovers. */
static void crash_often(uint64_t seed, uint64_t calls, uint64_t *recoveries, clock_t *took)
{
    struct dice dice;
    struct play p;
    dice_init(&dice, seed);
    begin(&p, seed);
    io_sim_set_crash_at(p.leecher->io, dice_below(&dice, (uint32_t)calls));
    while (go_on(&p)) {
        uint32_t most = dice_below(&dice, 2) ? (uint32_t)calls : 60;
        bool again = p.recoveries < CRASHES_A_RUN;
        recover(&p, again ? dice_below(&dice, most) : UINT64_MAX);
        if (again) {
            maybe_kill(&p, &dice);
        }
    }
    *recoveries += p.recoveries;
    *took += p.recovering;
    finish(&p);
}

static void a_session_that_is_crashed_again_and_again_finishes(void **state)
{
    uint64_t calls = calls_of_a_run(), recoveries = 0;
    clock_t took = 0;
    (void)state;
    for (uint64_t seed = 0; seed < 12; seed++) {
        crash_often(seed, calls, &recoveries, &took);
    }
    assert_true(recoveries > 24);
}

static void each_disk_call_of_a_session_may_fail_once_and_for_good(void **state)
{
    static const int errors[] = {SPATE_EIO, SPATE_ENOSPC, SPATE_EROFS};
    uint64_t calls = calls_of_a_run(), once = 0, for_good = 0;
    (void)state;
    for (uint64_t index = 0; index < calls; index += 11) {
        once += fail_and_finish(index, false, errors[index % 3]);
        for_good += fail_and_finish(index + 5, true, errors[index % 3]);
    }
    assert_true(once > 0 && for_good > calls / 22);
}

/* Of the syncs of a leecher's files one fails. */
struct failing_sync {
    uint32_t seen, which;
};

static int64_t fail_one_sync(void *user, const struct io_sim_disk_call *call)
{
    struct failing_sync *f = user;
    bool counts = call->kind == IO_SIM_DISK_SYNC && strstr(call->path, ".bin");
    return counts && f->seen++ == f->which ? SPATE_EIO : 0;
}

/* The power fails when the session has said that it failed, and has stopped; what it called durable is there. */
static void lose_a_sync(struct play *p, uint32_t which)
{
    struct failing_sync failing = {.which = which};
    int64_t until_ns = io_sim_now(p->world->sim) + 300 * WORLD_SECOND_NS;
    io_sim_set_disk_rule(p->leecher->io, fail_one_sync, &failing);
    while (world_state(p->leecher) != SPATE_STATE_ERROR && io_sim_now(p->world->sim) < until_ns) {
        world_run(p->world, WORLD_SECOND_NS / 20);
    }
    assert_int_equal(world_state(p->leecher), SPATE_STATE_ERROR);
    world_run(p->world, 3 * WORLD_SECOND_NS);
    io_sim_set_disk_rule(p->leecher->io, NULL, NULL);
    io_sim_crash(p->leecher->io, IO_SIM_CRASH_POWER);
    recover(p, UINT64_MAX);
    world_want(p->leecher, UINT32_MAX);
    world_run(p->world, WORLD_SECOND_NS);
    assert_false(go_on(p));
    assert_true(world_files_equal(p->leecher));
    end(p);
}

/* A choice of files syncs what was written, too, and a save that follows has the same files synced again: that
 * stores nothing of what the first has lost. */
static void a_sync_that_fails_while_files_are_chosen_makes_nothing_durable(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 24; seed++) {
        struct play p;
        begin(&p, 5000 + seed);
        world_run(p.world, (int64_t)(40 + seed) * WORLD_SECOND_NS / 10);
        world_want(p.leecher, 3);
        lose_a_sync(&p, (uint32_t)(seed % 4));
    }
}

/* Its bytes go with the others', and it is known to be written only afterwards. */
static void a_piece_that_is_being_written_when_a_sync_fails_is_not_durable(void **state)
{
    struct io_sim_disk slow = io_sim_disk_default();
    (void)state;
    slow.latency_ns = WORLD_SECOND_NS / 8;
    for (uint64_t seed = 0; seed < 24; seed++) {
        struct play p;
        begin(&p, 6000 + seed);
        io_sim_set_disk(p.leecher->io, &slow);
        lose_a_sync(&p, (uint32_t)(seed % 4));
    }
}

static void a_mount_that_goes_and_returns_costs_nothing_that_was_durable(void **state)
{
    static const enum io_sim_mount kinds[] = {IO_SIM_MOUNT_FAILING, IO_SIM_MOUNT_EMPTY};
    static const char *const paths[] = {"/data", "/data/payload", "/var/lib/spate"};
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        struct play p;
        begin(&p, 3000 + i);
        p.world->resume_after_ns = WORLD_SECOND_NS;
        world_run(p.world, 8 * WORLD_SECOND_NS);
        assert_true(world_torrent(p.leecher)->pieces.durable.ones > 0);
        io_sim_set_mount(p.leecher->io, paths[i / 2], kinds[i % 2]);
        world_run(p.world, 8 * WORLD_SECOND_NS);
        io_sim_set_mount(p.leecher->io, paths[i / 2], IO_SIM_MOUNT_THERE);
        assert_false(go_on(&p));
        /* What was not synced may be fetched again, and no more than that. */
        assert_true(world_totals(p.leecher).downloaded_bytes < 3 * p.world->payload_bytes / 2);
        finish(&p);
    }
}

static void a_killed_session_finishes_and_its_peers_hear_of_it(void **state)
{
    struct play p;
    (void)state;
    begin(&p, 3);
    for (int i = 0; i < 3; i++) {
        world_run(p.world, 3 * WORLD_SECOND_NS);
        const struct torrent *t = world_torrent(p.seed);
        assert_int_equal(p.seed->session->env.connections, 1);
        assert_non_null(t);
        io_sim_crash(p.leecher->io, IO_SIM_CRASH_PROCESS);
        world_run(p.world, WORLD_SECOND_NS);
        assert_int_equal(p.seed->session->env.connections, 0);
        recover(&p, UINT64_MAX);
    }
    assert_false(go_on(&p));
    finish(&p);
}

/* What a process left to the kernel is still to be synced by the next one that finds it. */
static void what_a_killed_session_wrote_is_durable_only_when_the_next_has_synced_it(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct play p;
        begin(&p, 4000 + seed);
        for (int64_t at = 0; at < 4; at++) {
            world_run(p.world, (int64_t)(2 + seed % 5) * WORLD_SECOND_NS / 2);
            io_sim_crash(p.leecher->io, IO_SIM_CRASH_PROCESS);
            recover(&p, UINT64_MAX);
            world_run(p.world, 6 * WORLD_SECOND_NS / 10 * (1 + at));
            io_sim_crash(p.leecher->io, IO_SIM_CRASH_POWER);
            recover(&p, UINT64_MAX);
        }
        assert_false(go_on(&p));
        finish(&p);
    }
}

static void a_host_that_comes_back_resets_the_connections_of_its_former_life(void **state)
{
    struct play p;
    (void)state;
    begin(&p, 4);
    world_run(p.world, 4 * WORLD_SECOND_NS);
    io_sim_crash(p.leecher->io, IO_SIM_CRASH_POWER);
    world_run(p.world, WORLD_SECOND_NS);
    assert_int_equal(p.seed->session->env.connections, 1);
    recover(&p, UINT64_MAX);
    world_run(p.world, 2 * WORLD_SECOND_NS);
    assert_int_equal(p.seed->session->env.connections, 1);
    assert_false(go_on(&p));
    finish(&p);
}

static void a_crashed_run_is_the_same_run_again(void **state)
{
    uint64_t hash[2];
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct play p;
        begin(&p, 5);
        io_sim_set_crash_at(p.leecher->io, 150);
        while (go_on(&p)) {
            recover(&p, UINT64_MAX);
        }
        assert_int_equal(p.recoveries, 1);
        hash[i] = io_sim_log_hash(p.world->sim);
        finish(&p);
    }
    assert_true(hash[0] == hash[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crash_before_any_disk_call_costs_nothing_that_was_durable),
        cmocka_unit_test(a_session_that_is_crashed_again_and_again_finishes),
        cmocka_unit_test(each_disk_call_of_a_session_may_fail_once_and_for_good),
        cmocka_unit_test(a_sync_that_fails_while_files_are_chosen_makes_nothing_durable),
        cmocka_unit_test(a_piece_that_is_being_written_when_a_sync_fails_is_not_durable),
        cmocka_unit_test(a_mount_that_goes_and_returns_costs_nothing_that_was_durable),
        cmocka_unit_test(a_killed_session_finishes_and_its_peers_hear_of_it),
        cmocka_unit_test(what_a_killed_session_wrote_is_durable_only_when_the_next_has_synced_it),
        cmocka_unit_test(a_host_that_comes_back_resets_the_connections_of_its_former_life),
        cmocka_unit_test(a_crashed_run_is_the_same_run_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
