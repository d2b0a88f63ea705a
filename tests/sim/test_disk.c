/* A simulated disk: what it promises of bytes and names over a failing power, and how it can fail. */
#include "disk_scene.h"

#include <string.h>

enum { SEEDS = 200, PAGE = 4096, SECTOR = 512 };

/* ---- bytes ------------------------------------------------------------------------------------ */

/* A file of 'a's that is on the disk, name and all; 'b's over its second half that are not. */
static int write_half(struct io_fs *fs, void *user)
{
    uint8_t bytes[4 * PAGE];
    (void)user;
    memset(bytes, 'a', sizeof bytes);
    int rc = disk_write(fs, "/file", 0, bytes, sizeof bytes, true);
    rc = rc < 0 ? rc : disk_sync_directory(fs, "/");
    memset(bytes, 'b', sizeof bytes);
    return rc < 0 ? rc : disk_write(fs, "/file", 2 * PAGE, bytes, sizeof bytes, false);
}

static void what_was_synced_survives_and_the_rest_may_vanish_sector_by_sector(void **state)
{
    int all = 0, none = 0, torn = 0, shorter = 0;
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct disk_scene s;
        uint8_t *bytes;
        size_t size;
        disk_scene_open(&s, seed);
        assert_int_equal(disk_scene_work(&s, write_half, NULL), 0);
        disk_scene_crash(&s, IO_SIM_CRASH_POWER);
        assert_int_equal(io_sim_file_read(s.io, "/file", &bytes, &size), 0);
        assert_true(size >= 4 * PAGE && size <= 6 * PAGE);
        uint32_t fresh = 0, within = 0, sectors = 4 * PAGE / SECTOR;
        for (size_t i = 0; i < 2 * PAGE; i++) {
            assert_int_equal(bytes[i], 'a');
        }
        for (size_t at = 2 * PAGE; at + SECTOR <= size; at += SECTOR) {
            for (size_t i = 1; i < SECTOR; i++) {
                assert_int_equal(bytes[at + i], bytes[at]);
            }
            assert_true(bytes[at] == 'b' || bytes[at] == (at < 4 * PAGE ? 'a' : 0));
            fresh += bytes[at] == 'b';
            within += at % PAGE > 0 && bytes[at] != bytes[at - SECTOR];
        }
        all += fresh == sectors;
        none += fresh == 0;
        torn += within > 0;
        shorter += size < 6 * PAGE;
        free(bytes);
        disk_scene_close(&s);
    }
    assert_true(all > 0 && none > 0 && torn > 0 && shorter > 0);
}

static int rewrite(struct io_fs *fs, void *user)
{
    const char *letters = user;
    int rc = 0;
    for (const char *c = letters; rc == 0 && *c; c++) {
        uint8_t bytes[SECTOR];
        memset(bytes, *c, sizeof bytes);
        rc = disk_write(fs, "/file", 0, bytes, sizeof bytes, c == letters);
        rc = rc == 0 && c == letters ? disk_sync_directory(fs, "/") : rc;
    }
    return rc;
}

static void a_sector_is_as_it_was_at_some_moment_since_the_last_sync(void **state)
{
    int seen[128] = {0};
    char letters[] = "abc";
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct disk_scene s;
        disk_scene_open(&s, seed);
        assert_int_equal(disk_scene_work(&s, rewrite, letters), 0);
        disk_scene_crash(&s, IO_SIM_CRASH_POWER);
        int byte = disk_byte(&s, "/file", 0);
        assert_int_equal(disk_byte(&s, "/file", SECTOR - 1), byte);
        assert_true(byte >= 'a' && byte <= 'c');
        seen[byte]++;
        disk_scene_close(&s);
    }
    assert_true(seen['a'] > 0 && seen['b'] > 0 && seen['c'] > 0);
}

/* Long and synced, cut short, grown again with something else. */
static int cut_and_grow(struct io_fs *fs, void *user)
{
    uint8_t bytes[2 * PAGE];
    struct io_file *file;
    (void)user;
    memset(bytes, 'a', sizeof bytes);
    int rc = disk_write(fs, "/file", 0, bytes, sizeof bytes, true);
    rc = rc < 0 ? rc : disk_sync_directory(fs, "/");
    rc = rc < 0 ? rc : io_fs_open_path(fs, "/file", IO_OPEN_WRITE, &file);
    if (rc == 0) {
        rc = io_fs_truncate(fs, file, 100);
        io_fs_close(fs, file);
    }
    return rc < 0 ? rc : disk_write(fs, "/file", PAGE, "bb", 2, false);
}

static void a_cut_that_survives_leaves_nothing_of_what_it_cut_off(void **state)
{
    int uncut = 0, cut = 0;
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct disk_scene s;
        disk_scene_open(&s, seed);
        assert_int_equal(disk_scene_work(&s, cut_and_grow, NULL), 0);
        disk_scene_crash(&s, IO_SIM_CRASH_POWER);
        int64_t length = disk_length(&s, "/file");
        if (length == 2 * PAGE) {
            assert_int_equal(disk_byte(&s, "/file", 200), 'a');
            assert_int_equal(disk_byte(&s, "/file", PAGE), 'a');
            uncut++;
        } else {
            assert_true(length >= 100 && length <= PAGE + 2);
            assert_int_equal(disk_byte(&s, "/file", 99), 'a');
            assert_true(length == 100 || disk_byte(&s, "/file", 100) == 0);
            cut++;
        }
        disk_scene_close(&s);
    }
    assert_true(uncut > 0 && cut > 0);
}

static void a_killed_process_loses_nothing_that_it_wrote(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct disk_scene s;
        disk_scene_open(&s, seed);
        assert_int_equal(disk_scene_work(&s, write_half, NULL), 0);
        disk_scene_crash(&s, IO_SIM_CRASH_PROCESS);
        assert_int_equal(disk_length(&s, "/file"), 6 * PAGE);
        assert_int_equal(disk_byte(&s, "/file", 6 * PAGE - 1), 'b');
        disk_scene_close(&s);
    }
}

/* ---- names ------------------------------------------------------------------------------------ */

struct script {
    bool sync_directory;
};

/* "new" over "old", as a program that saves does. */
static int replace_file(struct io_fs *fs, void *user)
{
    const struct script *script = user;
    int rc = disk_write(fs, "/file", 0, "old", 3, true);
    rc = rc < 0 ? rc : disk_sync_directory(fs, "/");
    rc = rc < 0 ? rc : disk_write(fs, "/file.new", 0, "new", 3, true);
    rc = rc < 0 ? rc : disk_rename(fs, "/", "file.new", "file");
    return rc < 0 || !script->sync_directory ? rc : disk_sync_directory(fs, "/");
}

static void a_rename_is_whole_and_lost_only_without_a_sync_of_the_directory(void **state)
{
    (void)state;
    for (int sync = 0; sync < 2; sync++) {
        int old = 0, fresh = 0, left = 0;
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            struct script script = {.sync_directory = sync};
            struct disk_scene s;
            disk_scene_open(&s, seed);
            assert_int_equal(disk_scene_work(&s, replace_file, &script), 0);
            disk_scene_crash(&s, IO_SIM_CRASH_POWER);
            int byte = disk_byte(&s, "/file", 0);
            bool there = disk_length(&s, "/file.new") >= 0;
            assert_true(byte == 'o' || (byte == 'n' && !there));
            old += byte == 'o';
            fresh += byte == 'n';
            left += there;
            disk_scene_close(&s);
        }
        assert_true(fresh > 0);
        assert_true(sync ? old == 0 && left == 0 : old > 0 && left > 0);
    }
}

static int make_file(struct io_fs *fs, void *user)
{
    const struct script *script = user;
    struct io_file *directory;
    int rc =
        io_fs_open_path(fs, "/a/b", IO_OPEN_DIRECTORY | IO_OPEN_CREATE | IO_OPEN_READ, &directory);
    if (rc < 0) {
        return rc;
    }
    io_fs_close(fs, directory);
    rc = disk_write(fs, "/a/b/file", 0, "x", 1, true);
    rc = rc < 0 ? rc : disk_sync_directory(fs, "/a/b");
    if (script->sync_directory) {
        rc = rc < 0 ? rc : disk_sync_directory(fs, "/a");
        rc = rc < 0 ? rc : disk_sync_directory(fs, "/");
    }
    return rc;
}

static void a_file_is_lost_with_a_directory_above_it_that_was_not_synced(void **state)
{
    (void)state;
    for (int sync = 0; sync < 2; sync++) {
        int lost = 0;
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            struct script script = {.sync_directory = sync};
            struct disk_scene s;
            disk_scene_open(&s, seed);
            assert_int_equal(disk_scene_work(&s, make_file, &script), 0);
            disk_scene_crash(&s, IO_SIM_CRASH_POWER);
            lost += disk_length(&s, "/a/b/file") < 0;
            disk_scene_close(&s);
        }
        assert_true(sync ? lost == 0 : lost > 0 && lost < SEEDS);
    }
}

static int remove_two(struct io_fs *fs, void *user)
{
    (void)user;
    int rc = disk_unlink(fs, "/", "one");
    return rc < 0 ? rc : disk_unlink(fs, "/", "two");
}

static void removals_are_lost_in_any_order_and_bring_back_what_was_in_the_file(void **state)
{
    int seen[4] = {0};
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct disk_scene s;
        disk_scene_open(&s, seed);
        assert_int_equal(io_sim_file_write(s.io, "/one", span_text("1")), 0);
        assert_int_equal(io_sim_file_write(s.io, "/two", span_text("2")), 0);
        assert_int_equal(disk_scene_work(&s, remove_two, NULL), 0);
        disk_scene_crash(&s, IO_SIM_CRASH_POWER);
        int one = disk_byte(&s, "/one", 0), two = disk_byte(&s, "/two", 0);
        assert_true((one == '1' || one == -1) && (two == '2' || two == -1));
        seen[(one == '1') + 2 * (two == '2')]++;
        disk_scene_close(&s);
    }
    for (int i = 0; i < 4; i++) {
        assert_true(seen[i] > 0);
    }
}

/* ---- crashes in the middle -------------------------------------------------------------------- */

static int count_writes(struct io_fs *fs, void *user)
{
    int *status = user;
    int rc = 0;
    for (int i = 0; i < 10; i++) {
        char name[2] = {(char)('0' + i), 0}, path[3] = {'/', name[0], 0};
        rc = disk_write(fs, path, 0, name, 1, true);
        rc = rc < 0 ? rc : disk_sync_directory(fs, "/");
        status[i] = rc;
    }
    return rc;
}

static void the_power_fails_before_the_call_that_was_named(void **state)
{
    (void)state;
    for (uint64_t index = 0; index < 60; index++) {
        struct disk_scene s;
        int status[10];
        disk_scene_open(&s, index);
        io_sim_set_crash_at(s.io, index);
        disk_scene_work(&s, count_writes, status);
        /* open, write, sync; open, sync. */
        assert_int_equal(io_sim_crashed(s.io), index < 50);
        assert_int_equal(io_sim_disk_calls(s.io), index < 50 ? index : 50);
        disk_scene_crash(&s, IO_SIM_CRASH_POWER);
        assert_int_equal(io_sim_disk_calls(s.io), 0);
        for (int i = 0; i < 10; i++) {
            char path[3] = {'/', (char)('0' + i), 0};
            assert_int_equal(status[i], (uint64_t)(i + 1) * 5 <= index ? 0 : SPATE_EIO);
            assert_true(status[i] < 0 || disk_byte(&s, path, 0) == '0' + i);
        }
        disk_scene_close(&s);
    }
}

static int write_x(struct io_fs *fs, void *user)
{
    (void)user;
    return disk_write(fs, "/dir/x", 0, "x", 1, true);
}

static void a_ghost_changes_nothing(void **state)
{
    struct disk_scene s;
    (void)state;
    disk_scene_open(&s, 1);
    assert_int_equal(io_sim_file_write(s.io, "/dir/y", span_text("y")), 0);
    struct disk_scene ghost = s;
    disk_scene_crash(&s, IO_SIM_CRASH_PROCESS);
    assert_int_equal(disk_scene_work(&ghost, write_x, NULL), SPATE_EIO);
    assert_int_equal(disk_length(&s, "/dir/x"), -1);
    assert_int_equal(disk_scene_work(&s, write_x, NULL), 0);
    assert_int_equal(disk_byte(&s, "/dir/y", 0), 'y');
    disk_scene_close(&s);
}

/* ---- failures --------------------------------------------------------------------------------- */

static void each_call_fails_once_or_for_good(void **state)
{
    (void)state;
    for (uint64_t index = 0; index < 3; index++) {
        for (int for_good = 0; for_good < 2; for_good++) {
            struct disk_scene s;
            disk_scene_open(&s, 1);
            assert_int_equal(io_sim_file_write(s.io, "/dir/y", span_text("y")), 0);
            io_sim_set_disk_failure(s.io, index, for_good ? UINT64_MAX : index, SPATE_EIO);
            assert_int_equal(disk_scene_work(&s, write_x, NULL), SPATE_EIO);
            assert_int_equal(disk_scene_work(&s, write_x, NULL), for_good ? SPATE_EIO : 0);
            io_sim_set_disk_failure(s.io, UINT64_MAX, 0, SPATE_EIO);
            assert_int_equal(disk_scene_work(&s, write_x, NULL), 0);
            disk_scene_close(&s);
        }
    }
}

struct plan {
    enum io_sim_disk_kind kind;
    int64_t result;
    struct io_sim_disk_fault fault;
};

static int64_t plan_rule(void *user, const struct io_sim_disk_call *call)
{
    const struct plan *plan = user;
    if (call->kind != plan->kind) {
        return 0;
    }
    *call->fault = plan->fault;
    return plan->result;
}

static int write_ten(struct io_fs *fs, void *user)
{
    (void)user;
    return disk_write(fs, "/ten", 0, "0123456789", 10, false);
}

static int read_third(struct io_fs *fs, void *user)
{
    uint8_t bytes[10];
    struct iovec v[2] = {{bytes, 2}, {bytes + 2, 8}};
    struct io_file *file;
    (void)user;
    int rc = io_fs_open_path(fs, "/ten", IO_OPEN_READ, &file);
    if (rc == 0) {
        rc = (int)io_fs_read(fs, file, 0, v, 2);
        io_fs_close(fs, file);
    }
    return rc < 0 ? rc : bytes[3];
}

static void a_write_stops_half_way_and_says_that_the_disk_is_full(void **state)
{
    struct plan plan = {.kind = IO_SIM_DISK_WRITE, .result = 4};
    struct disk_scene s;
    (void)state;
    disk_scene_open(&s, 1);
    io_sim_set_disk_rule(s.io, plan_rule, &plan);
    assert_int_equal(disk_scene_work(&s, write_ten, NULL), SPATE_ENOSPC);
    assert_int_equal(disk_length(&s, "/ten"), 4);
    disk_scene_close(&s);
}

static void bits_turn_over_silently_for_one_reader_or_on_the_disk(void **state)
{
    struct plan plan = {.kind = IO_SIM_DISK_READ, .fault = {.flip_at = 3, .flip = 1}};
    struct disk_scene s;
    (void)state;
    disk_scene_open(&s, 1);
    assert_int_equal(disk_scene_work(&s, write_ten, NULL), 0);
    io_sim_set_disk_rule(s.io, plan_rule, &plan);
    assert_int_equal(disk_scene_work(&s, read_third, NULL), '2');
    plan.fault.flip = 0;
    assert_int_equal(disk_scene_work(&s, read_third, NULL), '3');
    plan = (struct plan){.kind = IO_SIM_DISK_WRITE, .fault = {.flip_at = 3, .flip = 1}};
    assert_int_equal(disk_scene_work(&s, write_ten, NULL), 0);
    assert_int_equal(disk_scene_work(&s, read_third, NULL), '2');
    disk_scene_close(&s);
}

static int sync_pages(struct io_fs *fs, void *user)
{
    uint8_t bytes[8 * PAGE];
    (void)user;
    memset(bytes, 'b', sizeof bytes);
    return disk_write(fs, "/file", 0, bytes, sizeof bytes, true);
}

static int sync_file(struct io_fs *fs, void *user)
{
    (void)user;
    return disk_write(fs, "/file", 0, "b", 1, true);
}

static void a_sync_that_fails_loses_pages_and_the_next_one_does_not_store_them(void **state)
{
    int lost = 0, stored = 0;
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct plan plan = {.kind = IO_SIM_DISK_SYNC, .result = SPATE_EIO};
        uint8_t bytes[8 * PAGE];
        struct disk_scene s;
        disk_scene_open(&s, seed);
        memset(bytes, 'a', sizeof bytes);
        assert_int_equal(io_sim_file_write(s.io, "/file", span_of(bytes, sizeof bytes)), 0);
        io_sim_set_disk_rule(s.io, plan_rule, &plan);
        assert_int_equal(disk_scene_work(&s, sync_pages, NULL), SPATE_EIO);
        io_sim_set_disk_rule(s.io, NULL, NULL);
        int before = disk_byte(&s, "/file", 5 * PAGE);
        assert_int_equal(disk_scene_work(&s, sync_file, NULL), 0);
        disk_scene_crash(&s, IO_SIM_CRASH_POWER);
        assert_int_equal(disk_byte(&s, "/file", 0), 'b');
        assert_int_equal(disk_byte(&s, "/file", 5 * PAGE), before);
        lost += before == 'a';
        stored += before == 'b';
        disk_scene_close(&s);
    }
    assert_true(lost > 0 && stored > 0);
}

static void a_mount_goes_and_comes_back_with_what_was_on_it(void **state)
{
    struct disk_scene s;
    (void)state;
    disk_scene_open(&s, 1);
    assert_int_equal(disk_scene_work(&s, write_ten, NULL), 0);
    assert_int_equal(io_sim_file_write(s.io, "/dir/x", span_text("y")), 0);
    io_sim_set_mount(s.io, "/dir", IO_SIM_MOUNT_FAILING);
    assert_int_equal(disk_scene_work(&s, write_x, NULL), SPATE_EIO);
    assert_int_equal(disk_scene_work(&s, read_third, NULL), '3');
    io_sim_set_mount(s.io, "/dir", IO_SIM_MOUNT_EMPTY);
    assert_int_equal(disk_scene_work(&s, write_x, NULL), SPATE_ENOENT);
    assert_int_equal(disk_scene_work(&s, read_third, NULL), '3');
    io_sim_set_mount(s.io, "/dir", IO_SIM_MOUNT_THERE);
    assert_int_equal(disk_byte(&s, "/dir/x", 0), 'y');
    assert_int_equal(disk_scene_work(&s, write_x, NULL), 0);
    disk_scene_close(&s);
}

static void nothing_changes_on_a_disk_that_is_read_only(void **state)
{
    struct io_sim_disk disk = io_sim_disk_default();
    struct disk_scene s;
    (void)state;
    disk_scene_open(&s, 1);
    assert_int_equal(disk_scene_work(&s, write_ten, NULL), 0);
    disk.read_only = true;
    io_sim_set_disk(s.io, &disk);
    assert_int_equal(disk_scene_work(&s, write_ten, NULL), SPATE_EROFS);
    assert_int_equal(disk_scene_work(&s, write_half, NULL), SPATE_EROFS);
    assert_int_equal(disk_length(&s, "/file"), -1);
    assert_int_equal(disk_scene_work(&s, read_third, NULL), '3');
    disk_scene_close(&s);
}

/* ---- payload ---------------------------------------------------------------------------------- */

enum { PAYLOAD_ID = 7, PAYLOAD_BYTES = 64 << 20 };

/* In blocks of 16 KiB, in an order of its own, behind so many other bytes. */
static int write_payload(struct io_fs *fs, void *user)
{
    const uint64_t *shift = user;
    enum { BLOCK = 16384, BLOCKS = PAYLOAD_BYTES / BLOCK };
    static const uint8_t before[64] = {1, 2, 3};
    struct io_file *file;
    int rc = io_fs_open_path(fs, "/payload", IO_OPEN_WRITE | IO_OPEN_CREATE, &file);
    if (rc < 0) {
        return rc;
    }
    struct iovec v = {(void *)(uintptr_t)before, *shift};
    int64_t n = *shift > 0 ? io_fs_write(fs, file, 0, &v, 1) : 0;
    for (uint64_t i = 0; n >= 0 && i < BLOCKS; i++) {
        uint64_t at = i * 1237 % BLOCKS * BLOCK;
        uint8_t block[BLOCK];
        io_sim_payload(PAYLOAD_ID, at, block, BLOCK);
        v = (struct iovec){block, BLOCK};
        n = io_fs_write(fs, file, *shift + at, &v, 1);
    }
    rc = n < 0 ? (int)n : io_fs_sync(fs, file);
    io_fs_close(fs, file);
    return rc;
}

static void payload_takes_no_memory_wherever_in_a_file_it_lies(void **state)
{
    static const uint64_t shifts[] = {0, 1, 8, 61};
    (void)state;
    for (size_t i = 0; i < sizeof shifts / sizeof shifts[0]; i++) {
        struct disk_scene s;
        uint8_t *bytes, *expected = malloc(PAYLOAD_BYTES);
        size_t size;
        assert_non_null(expected);
        disk_scene_open(&s, 1);
        io_sim_know_payload(s.sim, 3, 1000000);
        io_sim_know_payload(s.sim, PAYLOAD_ID, PAYLOAD_BYTES);
        uint64_t before = io_sim_disk_memory(s.io), shift = shifts[i];
        assert_int_equal(disk_scene_work(&s, write_payload, &shift), 0);
        assert_true(io_sim_disk_memory(s.io) - before < 65536);
        assert_int_equal(io_sim_file_read(s.io, "/payload", &bytes, &size), 0);
        assert_int_equal(size, PAYLOAD_BYTES + shift);
        io_sim_payload(PAYLOAD_ID, 0, expected, PAYLOAD_BYTES);
        assert_memory_equal(bytes + shift, expected, PAYLOAD_BYTES);
        assert_int_equal(io_sim_file_is_payload(s.io, "/payload", PAYLOAD_ID, 0, PAYLOAD_BYTES),
                         shift == 0);
        free(bytes);
        free(expected);
        disk_scene_close(&s);
    }
}

static void payload_is_one_function_however_it_is_asked(void **state)
{
    uint8_t whole[256], part[256];
    (void)state;
    io_sim_payload(1, 1000, whole, sizeof whole);
    for (size_t from = 0; from < 20; from++) {
        for (size_t size = 0; size < 40; size++) {
            memset(part, 0, sizeof part);
            io_sim_payload(1, 1000 + from, part, size);
            assert_memory_equal(part, whole + from, size);
            assert_int_equal(part[size], 0);
        }
    }
    io_sim_payload(2, 1000, part, sizeof part);
    assert_memory_not_equal(part, whole, sizeof part);
}

static void a_byte_that_is_not_payload_is_kept(void **state)
{
    struct disk_scene s;
    (void)state;
    disk_scene_open(&s, 1);
    io_sim_know_payload(s.sim, PAYLOAD_ID, 100000);
    assert_int_equal(io_sim_file_write_payload(s.io, "/p", PAYLOAD_ID, 0, 100000), 0);
    assert_true(io_sim_file_is_payload(s.io, "/p", PAYLOAD_ID, 0, 100000));
    assert_false(io_sim_file_is_payload(s.io, "/p", PAYLOAD_ID, 0, 99999));
    assert_false(io_sim_file_is_payload(s.io, "/p", PAYLOAD_ID, 1, 100000));
    assert_true(io_sim_file_has_payload(s.io, "/p", 5000, PAYLOAD_ID, 5000, 95000));
    assert_false(io_sim_file_has_payload(s.io, "/p", 5000, PAYLOAD_ID, 5001, 94999));
    assert_false(io_sim_file_has_payload(s.io, "/p", 5000, PAYLOAD_ID, 5000, 95001));
    for (uint64_t at = 0; at < 100000; at += 9973) {
        uint8_t byte = (uint8_t)disk_byte(&s, "/p", at) ^ 1;
        struct io_file *file;
        struct iovec v = {&byte, 1};
        assert_int_equal(io_fs_open_path(io_sim_fs(s.io), "/p", IO_OPEN_WRITE, &file), 0);
        assert_int_equal(io_fs_write(io_sim_fs(s.io), file, at, &v, 1), 1);
        assert_int_equal(disk_byte(&s, "/p", at), byte);
        assert_false(io_sim_file_is_payload(s.io, "/p", PAYLOAD_ID, 0, 100000));
        assert_false(io_sim_file_has_payload(s.io, "/p", at, PAYLOAD_ID, at, 1));
        assert_true(io_sim_file_has_payload(s.io, "/p", 0, PAYLOAD_ID, 0, at));
        assert_true(
            io_sim_file_has_payload(s.io, "/p", at + 1, PAYLOAD_ID, at + 1, 100000 - at - 1));
        byte ^= 1;
        assert_int_equal(io_fs_write(io_sim_fs(s.io), file, at, &v, 1), 1);
        assert_true(io_sim_file_is_payload(s.io, "/p", PAYLOAD_ID, 0, 100000));
        io_fs_close(io_sim_fs(s.io), file);
    }
    disk_scene_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_synced_survives_and_the_rest_may_vanish_sector_by_sector),
        cmocka_unit_test(a_sector_is_as_it_was_at_some_moment_since_the_last_sync),
        cmocka_unit_test(a_cut_that_survives_leaves_nothing_of_what_it_cut_off),
        cmocka_unit_test(a_killed_process_loses_nothing_that_it_wrote),
        cmocka_unit_test(a_rename_is_whole_and_lost_only_without_a_sync_of_the_directory),
        cmocka_unit_test(a_file_is_lost_with_a_directory_above_it_that_was_not_synced),
        cmocka_unit_test(removals_are_lost_in_any_order_and_bring_back_what_was_in_the_file),
        cmocka_unit_test(the_power_fails_before_the_call_that_was_named),
        cmocka_unit_test(a_ghost_changes_nothing),
        cmocka_unit_test(each_call_fails_once_or_for_good),
        cmocka_unit_test(a_write_stops_half_way_and_says_that_the_disk_is_full),
        cmocka_unit_test(bits_turn_over_silently_for_one_reader_or_on_the_disk),
        cmocka_unit_test(a_sync_that_fails_loses_pages_and_the_next_one_does_not_store_them),
        cmocka_unit_test(a_mount_goes_and_comes_back_with_what_was_on_it),
        cmocka_unit_test(nothing_changes_on_a_disk_that_is_read_only),
        cmocka_unit_test(payload_takes_no_memory_wherever_in_a_file_it_lies),
        cmocka_unit_test(payload_is_one_function_however_it_is_asked),
        cmocka_unit_test(a_byte_that_is_not_payload_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
