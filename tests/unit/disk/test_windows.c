/* Windows on files: which ranges they show, what is brought into memory once, and what is left to reading. */
#include "disk/windows.h"

#include "disk_world.h"

#include <unistd.h>

enum { KIB = 1024, MIB = 1024 * 1024, LIMIT = 3 };

static const struct disk_file files[] = {
    {"t/a", 4 * MIB}, {"t/small", 20 * KIB}, {NULL, 12 * KIB}, {"t/b", 3 * MIB}};
enum { FILE_A, FILE_SMALL, FILE_PAD, FILE_B, FILE_COUNT };

struct fixture {
    struct disk_world *w;
    struct disk_torrent t;
    struct windows *windows;
    struct store *store;
    char save[PATH_MAX], parts[PATH_MAX];
};
static struct fixture f;

static int setup_with(uint32_t piece_bytes, const uint8_t *wanted)
{
    memset(&f, 0, sizeof f);
    f.w = disk_world_create();
    disk_torrent_init(&f.t, files, FILE_COUNT, piece_bytes);
    assert_int_equal(windows_create(LIMIT, &f.windows), 0);
    struct store_settings settings = disk_store_settings(f.w, &f.t, f.save, f.parts);
    settings.windows = f.windows;
    assert_int_equal(store_create(&settings, &f.store), 0);
    if (wanted) {
        assert_int_equal(disk_want(f.w, f.store, wanted), 0);
    }
    assert_int_equal(disk_prepare(f.w, f.store, NULL), 0);
    assert_int_equal(disk_write(f.w, f.store, 0, f.t.bytes, (size_t)f.t.layout.total_length, NULL),
                     0);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    return setup_with(256 * KIB, NULL);
}

static int setup_large_pieces(void **state)
{
    (void)state;
    return setup_with(4 * MIB, NULL);
}

static int setup_without_b(void **state)
{
    const uint8_t wanted[FILE_COUNT] = {[FILE_A] = 1, [FILE_SMALL] = 1, [FILE_PAD] = 1};
    (void)state;
    return setup_with(256 * KIB, wanted);
}

static int teardown(void **state)
{
    (void)state;
    store_destroy(f.store);
    disk_world_run(f.w);
    windows_destroy(f.windows);
    disk_world_destroy(f.w);
    disk_torrent_deinit(&f.t);
    return 0;
}

struct wait {
    struct window_wait wait;
    int status, times;
};

static void on_done(struct window_wait *wait, int status)
{
    struct wait *w = list_entry(wait, struct wait, wait);
    w->status = status;
    w->times++;
}

static void begin(struct wait *wait, struct window *w, uint64_t offset, uint64_t length)
{
    *wait = (struct wait){.wait = {.done = on_done, .offset = offset, .length = length}};
    window_bring(w, &wait->wait);
    assert_int_equal(wait->times, 0);
}

static int bring(struct window *w, uint64_t offset, uint64_t length)
{
    struct wait wait;
    begin(&wait, w, offset, length);
    disk_world_run(f.w);
    assert_int_equal(wait.times, 1);
    return wait.status;
}

static bool is_ready(struct window *w, uint64_t offset, uint64_t length)
{
    return window_is_ready(w, offset, length, io_now(&f.w->io));
}

/* What the part stands for is what the torrent has there. */
static void expect_part(const struct window *w, uint64_t offset, size_t size)
{
    uint8_t *got = malloc(size);
    struct io_part part = window_part(w, offset, size);
    struct iovec v = {got, size};
    assert_null(part.bytes);
    assert_int_equal(part.size, size);
    assert_int_equal(io_fs_read(f.w->real, part.file, part.offset, &v, 1), size);
    assert_memory_equal(got, f.t.bytes + offset, size);
    free(got);
}

static void what_was_brought_in_is_ready_with_the_rest_of_its_piece(void **state)
{
    (void)state;
    struct window *w = window_get(f.store, 2 * MIB + 16 * KIB, 32 * KIB);
    assert_non_null(w);
    assert_false(is_ready(w, 2 * MIB + 16 * KIB, 32 * KIB));
    assert_int_equal(bring(w, 2 * MIB + 16 * KIB, 32 * KIB), 0);
    assert_true(is_ready(w, 2 * MIB + 16 * KIB, 240 * KIB));
    assert_false(is_ready(w, 2 * MIB, 16 * KIB));
    assert_false(is_ready(w, 2 * MIB + 240 * KIB, 32 * KIB));
    assert_int_equal(f.w->fetched_bytes, 240 * KIB);
    assert_int_equal(f.w->read_bytes, 0);
    expect_part(w, 2 * MIB + 16 * KIB, 32 * KIB);
    assert_int_equal(window_file(w), FILE_A);
    window_put(w);
}

static void it_is_ready_for_the_next_who_asks_and_not_for_ever(void **state)
{
    (void)state;
    struct window *w = window_get(f.store, 0, 16 * KIB);
    assert_int_equal(bring(w, 0, 16 * KIB), 0);
    window_put(w);
    w = window_get(f.store, 16 * KIB, 16 * KIB);
    assert_true(is_ready(w, 16 * KIB, 16 * KIB));
    assert_false(
        window_is_ready(w, 16 * KIB, 16 * KIB, io_now(&f.w->io) + 3600 * INT64_C(1000000000)));
    window_put(w);
}

static void what_is_seen_to_be_in_memory_needs_no_job(void **state)
{
    (void)state;
    f.w->warm = true; /* all of it was written a moment ago */
    struct window *first = window_get(f.store, 0, 16 * KIB);
    assert_true(is_ready(first, 0, 256 * KIB)); /* the file was open from the writing */
    struct window *next = window_get(f.store, MIB + 16 * KIB, 16 * KIB);
    assert_ptr_not_equal(next, first);
    assert_true(is_ready(next, MIB + 16 * KIB, 16 * KIB));
    assert_int_equal(f.w->fetches, 0);
    expect_part(next, MIB + 16 * KIB, 240 * KIB);
    f.w->warm = false; /* it is remembered with the rest of its piece, and of that only */
    assert_true(is_ready(next, MIB + 16 * KIB, 240 * KIB));
    assert_false(is_ready(next, MIB + 256 * KIB, 16 * KIB));
    window_put(first);
    window_put(next);
}

static void a_file_that_is_not_open_is_opened_by_a_job(void **state)
{
    (void)state;
    store_close_files(f.store);
    disk_world_run(f.w);
    f.w->warm = true;
    struct window *w = window_get(f.store, 0, 16 * KIB);
    assert_false(is_ready(w, 0, 16 * KIB));
    assert_int_equal(bring(w, 0, 16 * KIB), 0);
    assert_true(is_ready(w, 512 * KIB, 16 * KIB));
    window_put(w);
}

static void those_who_wait_for_one_window_share_a_job(void **state)
{
    (void)state;
    struct wait waits[4];
    struct window *w[4];
    for (int i = 0; i < 4; i++) {
        w[i] = window_get(f.store, (uint64_t)i * 64 * KIB, 64 * KIB);
        assert_ptr_equal(w[i], w[0]);
        begin(&waits[i], w[i], (uint64_t)i * 64 * KIB, 64 * KIB);
    }
    disk_world_run(f.w);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(waits[i].times, 1);
        assert_int_equal(waits[i].status, 0);
        window_put(w[i]);
    }
    assert_int_equal(f.w->fetches, 1);
}

static void who_waits_for_another_piece_of_it_gets_a_job_of_his_own(void **state)
{
    (void)state;
    struct wait first, second;
    struct window *w = window_get(f.store, 0, 16 * KIB);
    assert_ptr_equal(window_get(f.store, 512 * KIB, 16 * KIB), w);
    begin(&first, w, 0, 16 * KIB);
    begin(&second, w, 512 * KIB, 16 * KIB);
    disk_world_run(f.w);
    assert_int_equal(first.times, 1);
    assert_int_equal(second.times, 1);
    assert_true(is_ready(w, 0, 256 * KIB));
    assert_true(is_ready(w, 512 * KIB, 256 * KIB));
    assert_false(is_ready(w, 256 * KIB, 256 * KIB));
    window_put(w);
    window_put(w);
}

static void a_large_piece_is_cut_into_windows(void **state)
{
    (void)state;
    assert_int_equal(window_end(f.store, 16 * KIB), MIB);
    assert_int_equal(window_end(f.store, MIB), 2 * MIB);
    struct window *w = window_get(f.store, MIB - 16 * KIB, 16 * KIB);
    assert_non_null(w);
    assert_null(window_get(f.store, MIB - 16 * KIB, 32 * KIB));
    assert_int_equal(bring(w, MIB - 16 * KIB, 16 * KIB), 0);
    expect_part(w, MIB - 16 * KIB, 16 * KIB);
    window_put(w);
}

static void no_window_shows_two_files_padding_or_a_small_file(void **state)
{
    (void)state;
    uint64_t small = 4 * MIB, pad = small + 20 * KIB, b = pad + 12 * KIB;
    assert_null(window_get(f.store, small - 16 * KIB, 32 * KIB));
    assert_null(window_get(f.store, small, 16 * KIB));
    assert_null(window_get(f.store, pad, 12 * KIB));
    struct window *w = window_get(f.store, b, 16 * KIB);
    assert_non_null(w);
    assert_int_equal(bring(w, b, 16 * KIB), 0);
    assert_int_equal(window_file(w), FILE_B);
    expect_part(w, b, 16 * KIB);
    window_put(w);
}

static void the_oldest_window_that_nobody_uses_makes_room(void **state)
{
    (void)state;
    struct window *held[LIMIT];
    for (uint64_t i = 0; i < LIMIT; i++) {
        held[i] = window_get(f.store, i * MIB, 16 * KIB);
        assert_int_equal(bring(held[i], i * MIB, 16 * KIB), 0);
    }
    assert_null(window_get(f.store, LIMIT * MIB, 16 * KIB)); /* all are in use */
    window_put(held[1]);
    window_put(held[0]);
    struct window *w = window_get(f.store, LIMIT * MIB, 16 * KIB);
    assert_non_null(w);
    held[0] = window_get(f.store, 0, 16 * KIB);
    assert_true(is_ready(held[0], 0, 16 * KIB)); /* it was the other that went */
    window_put(held[0]);
    window_put(held[2]);
    window_put(w);
}

static void a_file_that_was_cut_short_is_said_to_be(void **state)
{
    (void)state;
    char path[PATH_MAX];
    struct window *w = window_get(f.store, 3 * MIB, 64 * KIB);
    assert_int_equal(truncate(disk_world_path(f.w, "save/t/a", path), 3 * MIB + 20 * KIB), 0);
    assert_int_equal(bring(w, 3 * MIB, 64 * KIB), SPATE_ESHORT);
    assert_false(is_ready(w, 3 * MIB, 16 * KIB));
    window_put(w);
}

static void a_disk_that_fails_is_told_and_asked_again(void **state)
{
    (void)state;
    struct window *w = window_get(f.store, 0, 16 * KIB);
    f.w->fail_read = SPATE_EIO;
    assert_int_equal(bring(w, 0, 16 * KIB), SPATE_EIO);
    f.w->fail_read = 0;
    assert_int_equal(bring(w, 0, 16 * KIB), 0);
    window_put(w);
}

static void a_file_system_that_cannot_send_is_asked_once(void **state)
{
    (void)state;
    struct window *w = window_get(f.store, 0, 16 * KIB);
    f.w->fail_read = SPATE_EUNSUPPORTED;
    assert_int_equal(bring(w, 0, 16 * KIB), SPATE_EUNSUPPORTED);
    window_put(w);
    assert_null(window_get(f.store, 0, 16 * KIB));
}

static void bytes_in_the_part_file_are_left_to_reading(void **state)
{
    (void)state;
    struct window *w = window_get(f.store, 5 * MIB, 16 * KIB);
    assert_non_null(w);
    assert_int_equal(bring(w, 5 * MIB, 16 * KIB), SPATE_EUNSUPPORTED);
    window_put(w);
    w = window_get(f.store, 0, 16 * KIB);
    assert_non_null(w);
    assert_int_equal(bring(w, 0, 16 * KIB), 0);
    window_put(w);
}

static void closing_the_files_forgets_windows_and_spares_those_in_use(void **state)
{
    (void)state;
    struct window *idle = window_get(f.store, 0, 16 * KIB),
                  *used = window_get(f.store, MIB, 16 * KIB);
    assert_int_equal(bring(idle, 0, 16 * KIB), 0);
    assert_int_equal(bring(used, MIB, 16 * KIB), 0);
    window_put(idle);
    store_close_files(f.store);
    disk_world_run(f.w);
    assert_true(is_ready(used, MIB, 16 * KIB));
    expect_part(used, MIB, 16 * KIB);
    window_put(used);
    assert_int_equal(f.w->open_now, 0);
    idle = window_get(f.store, 0, 16 * KIB);
    assert_false(is_ready(idle, 0, 16 * KIB));
    window_put(idle);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_was_brought_in_is_ready_with_the_rest_of_its_piece),
        TEST(it_is_ready_for_the_next_who_asks_and_not_for_ever),
        TEST(what_is_seen_to_be_in_memory_needs_no_job),
        TEST(a_file_that_is_not_open_is_opened_by_a_job),
        TEST(those_who_wait_for_one_window_share_a_job),
        TEST(who_waits_for_another_piece_of_it_gets_a_job_of_his_own),
        cmocka_unit_test_setup_teardown(a_large_piece_is_cut_into_windows, setup_large_pieces,
                                        teardown),
        TEST(no_window_shows_two_files_padding_or_a_small_file),
        TEST(the_oldest_window_that_nobody_uses_makes_room),
        TEST(a_file_that_was_cut_short_is_said_to_be),
        TEST(a_disk_that_fails_is_told_and_asked_again),
        TEST(a_file_system_that_cannot_send_is_asked_once),
        cmocka_unit_test_setup_teardown(bytes_in_the_part_file_are_left_to_reading, setup_without_b,
                                        teardown),
        TEST(closing_the_files_forgets_windows_and_spares_those_in_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
