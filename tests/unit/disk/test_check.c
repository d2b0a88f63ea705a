/* Hashing what is on the disk: each piece is judged once, reading only, and a bad file spoils no other's
 * pieces. */
#include "disk_world.h"

#include "disk/check.h"

#include <stdio.h>
#include <unistd.h>

enum { KIB = 1024, PIECES = 25 };

static const struct disk_file files[] = {
    {"a", 100 * KIB}, {"b", 200 * KIB}, {NULL, 4 * KIB}, {"c", 96 * KIB - 1}};
enum { FILE_COUNT = sizeof files / sizeof *files };

struct fixture {
    struct disk_world *w;
    struct disk_torrent t;
    struct store_settings settings;
    struct store *store;
    struct check *check;
    char save[PATH_MAX], parts[PATH_MAX];
    uint32_t ready, seen, good;
    int errors[PIECES];
    uint32_t failed_file[PIECES];
    bool done;
};

static struct fixture f;

static void on_ready(void *user)
{
    (void)user;
    f.ready++;
}

static void put(void)
{
    disk_world_make_directory(f.w, "save");
    for (uint32_t i = 0; i < FILE_COUNT; i++) {
        char name[64];
        size_t size;
        const uint8_t *bytes = disk_torrent_file(&f.t, i, &size);
        if (files[i].path) {
            snprintf(name, sizeof name, "save/%s", files[i].path);
            disk_world_put(f.w, name, bytes, size);
        }
    }
}

static int setup(void **state)
{
    (void)state;
    memset(&f, 0, sizeof f);
    f.w = disk_world_create();
    disk_torrent_init(&f.t, files, FILE_COUNT, 16 * KIB);
    assert_int_equal(f.t.layout.piece_count, PIECES);
    f.settings = disk_store_settings(f.w, &f.t, f.save, f.parts);
    f.settings.read_only = true;
    put();
    assert_int_equal(store_create(&f.settings, &f.store), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    check_destroy(f.check);
    store_destroy(f.store);
    disk_world_destroy(f.w);
    disk_torrent_deinit(&f.t);
    return 0;
}

static void begin(const struct bitset *pieces, uint8_t *digests, uint32_t parallel)
{
    const struct check_settings settings = {.io = &f.w->io,
                                            .store = f.store,
                                            .layout = &f.t.layout,
                                            .piece_hashes = f.t.piece_hashes,
                                            .pieces = pieces,
                                            .digests = digests,
                                            .parallel = parallel,
                                            .on_ready = on_ready};
    assert_int_equal(check_create(&settings, &f.check), 0);
    check_start(f.check);
}

static void drain(void)
{
    struct check_event e;
    while (check_next(f.check, &e)) {
        assert_false(f.done);
        if (e.type == CHECK_DONE) {
            f.done = true;
            continue;
        }
        f.seen++;
        f.good += e.good;
        assert_int_equal(e.good, e.error == 0);
        f.errors[e.piece] = e.error;
        f.failed_file[e.piece] = e.file;
    }
}

static void run(void)
{
    while (disk_world_step(f.w)) {
        drain();
    }
    drain();
    assert_true(f.done);
}

static void everything_right_is_found_right(void **state)
{
    (void)state;
    begin(NULL, NULL, 0);
    run();
    assert_int_equal(f.seen, PIECES);
    assert_int_equal(f.good, PIECES);
    assert_true(f.ready > 0);
    assert_int_equal(f.w->opens_for_writing, 0);
}

static void one_wrong_byte_spoils_one_piece(void **state)
{
    (void)state;
    size_t size;
    uint8_t *bytes = (uint8_t *)(uintptr_t)disk_torrent_file(&f.t, 1, &size);
    bytes[size - 1] ^= 1;
    disk_world_put(f.w, "save/b", bytes, size);
    begin(NULL, NULL, 2);
    run();
    assert_int_equal(f.good, PIECES - 1);
    assert_int_equal(f.errors[18], SPATE_EMISMATCH);
    assert_int_equal(f.failed_file[18], UINT32_MAX);
}

static void a_missing_and_a_short_file_are_named(void **state)
{
    (void)state;
    char path[PATH_MAX];
    assert_int_equal(unlink(disk_world_path(f.w, "save/a", path)), 0);
    assert_int_equal(truncate(disk_world_path(f.w, "save/c", path), 20 * KIB), 0);
    begin(NULL, NULL, 1);
    run();
    assert_int_equal(f.seen, PIECES);
    assert_int_equal(f.errors[0], SPATE_ENOENT);
    assert_int_equal(f.failed_file[0], 0);
    assert_int_equal(f.errors[6], SPATE_ENOENT); /* shared by a and b */
    assert_int_equal(f.errors[7], 0);
    assert_int_equal(f.errors[19], 0);
    assert_int_equal(f.errors[20], SPATE_ESHORT);
    assert_int_equal(f.failed_file[24], 3);
}

static void only_what_was_asked_for_is_read(void **state)
{
    (void)state;
    struct bitset pieces;
    assert_int_equal(bitset_init(&pieces, PIECES), 0);
    bitset_set(&pieces, 3);
    bitset_set(&pieces, 4);
    bitset_set(&pieces, 24);
    begin(&pieces, NULL, 0);
    bitset_deinit(&pieces);
    run();
    assert_int_equal(f.seen, 3);
    assert_int_equal(f.good, 3);
    assert_int_equal(f.w->read_bytes, 2 * 16 * KIB + layout_piece_length(&f.t.layout, 24));
}

static void nothing_to_check_is_done_at_once(void **state)
{
    (void)state;
    struct bitset pieces;
    assert_int_equal(bitset_init(&pieces, PIECES), 0);
    begin(&pieces, NULL, 0);
    bitset_deinit(&pieces);
    drain();
    assert_true(f.done);
    assert_int_equal(f.seen, 0);
}

static void digests_are_those_of_the_pieces(void **state)
{
    (void)state;
    uint8_t digests[PIECES * 20];
    begin(NULL, digests, 3);
    run();
    assert_int_equal(f.good, PIECES);
    assert_memory_equal(digests, f.t.piece_hashes, sizeof digests);
}

static void pieces_longer_than_a_read_are_hashed_whole(void **state)
{
    (void)state;
    const struct disk_file long_file[] = {{"long", 5 * 1024 * KIB + 77}};
    store_destroy(f.store);
    disk_world_run(f.w);
    disk_torrent_deinit(&f.t);
    disk_torrent_init(&f.t, long_file, 1, 2048 * KIB);
    f.settings = disk_store_settings(f.w, &f.t, f.save, f.parts);
    disk_world_put(f.w, "save/long", f.t.bytes, (size_t)f.t.layout.total_length);
    assert_int_equal(store_create(&f.settings, &f.store), 0);
    begin(NULL, NULL, 0);
    run();
    assert_int_equal(f.good, 3);
}

static void an_unreadable_disk_is_an_error_of_each_piece(void **state)
{
    (void)state;
    f.w->fail_read = SPATE_EIO;
    begin(NULL, NULL, 0);
    run();
    assert_int_equal(f.good, 0);
    assert_int_equal(f.errors[5], SPATE_EIO);
}

static void a_check_can_be_called_off(void **state)
{
    (void)state;
    struct check_event e;
    begin(NULL, NULL, 2);
    disk_world_step(f.w);
    assert_true(check_next(f.check, &e));
    check_destroy(f.check);
    f.check = NULL;
    uint32_t ready = f.ready;
    disk_world_run(f.w);
    assert_int_equal(f.ready, ready);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(everything_right_is_found_right),
        T(one_wrong_byte_spoils_one_piece),
        T(a_missing_and_a_short_file_are_named),
        T(only_what_was_asked_for_is_read),
        T(nothing_to_check_is_done_at_once),
        T(digests_are_those_of_the_pieces),
        T(pieces_longer_than_a_read_are_hashed_whole),
        T(an_unreadable_disk_is_an_error_of_each_piece),
        T(a_check_can_be_called_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
