/* Planning a torrent: which files, in which order, and what is refused by name. */
#include "disk_world.h"

#include "disk/create.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static struct disk_world *w;
static struct create plan;
static int status;
static char path[PATH_MAX];

static void on_done(struct io_op *op, int result)
{
    (void)op;
    status = result;
}

static int setup(void **state)
{
    (void)state;
    w = disk_world_create();
    memset(&plan, 0, sizeof plan);
    disk_world_make_directory(w, "d");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    create_deinit(&plan);
    disk_world_destroy(w);
    return 0;
}

static int run(const char *name)
{
    plan.path = disk_world_path(w, name, path);
    plan.op.done = on_done;
    create_plan(&w->io, &plan);
    disk_world_run(w);
    return status;
}

static int compare(void)
{
    create_compare(&w->io, &plan);
    disk_world_run(w);
    return status;
}

static void files_come_in_the_order_of_their_elements(void **state)
{
    (void)state;
    disk_world_make_directory(w, "d/a");
    disk_world_make_directory(w, "d/empty");
    disk_world_put(w, "d/a/z", "12", 2);
    disk_world_put(w, "d/a/\xc3\xa4", "3", 1);
    disk_world_put(w, "d/a.b", "45", 2);
    disk_world_put(w, "d/.hidden", "", 0);
    disk_world_put(w, "d/a b", "6", 1);
    assert_int_equal(run("d///"), 0);
    assert_false(plan.single_file);
    assert_string_equal(plan.name, "d");
    assert_int_equal(plan.file_count, 5);
    assert_int_equal(plan.total_length, 6);
    const char *expected[] = {".hidden", "a/z", "a/\xc3\xa4", "a b", "a.b"};
    for (uint32_t i = 0; i < 5; i++) {
        assert_string_equal(plan.paths[i], expected[i]);
    }
    struct layout layout;
    assert_int_equal(create_layout(&plan, 16384, &layout), 0);
    assert_int_equal(layout.piece_count, 1);
    assert_int_equal(layout.file_count, 4); /* the empty one has no place */
    assert_int_equal(layout.files[0].file, 1);
    layout_deinit(&layout);
}

static void a_single_file_is_a_torrent_too(void **state)
{
    (void)state;
    disk_world_put(w, "d/one", "abc", 3);
    assert_int_equal(run("d/one"), 0);
    assert_true(plan.single_file);
    assert_string_equal(plan.name, "one");
    assert_string_equal(plan.paths[0], "one");
    assert_int_equal(plan.total_length, 3);
}

static void the_given_path_may_be_a_link(void **state)
{
    (void)state;
    disk_world_put(w, "d/one", "abc", 3);
    disk_world_link(w, "d", "link");
    assert_int_equal(run("link"), 0);
    assert_string_equal(plan.name, "link");
    assert_int_equal(plan.file_count, 1);
}

static void a_path_of_dots_gets_the_name_of_what_it_is(void **state)
{
    (void)state;
    disk_world_make_directory(w, "d/sub");
    disk_world_put(w, "d/sub/one", "abc", 3);
    assert_int_equal(run("d/sub/."), 0);
    assert_string_equal(plan.name, "sub");
    create_deinit(&plan);
    assert_int_equal(run("d/sub/.."), 0);
    assert_string_equal(plan.name, "d");
    assert_string_equal(plan.paths[0], "sub/one");
}

static void expect_refused(int error, const char *named)
{
    assert_int_equal(run("d"), error);
    assert_non_null(strstr(plan.text, named));
}

static void a_link_below_is_refused_by_name(void **state)
{
    (void)state;
    disk_world_put(w, "d/one", "abc", 3);
    disk_world_link(w, "one", "d/two");
    expect_refused(SPATE_ESYMLINK, "\"two\" is a symbolic link");
}

static void a_pipe_is_refused_by_name(void **state)
{
    (void)state;
    char pipe_path[PATH_MAX];
    disk_world_put(w, "d/one", "abc", 3);
    assert_int_equal(mkfifo(disk_world_path(w, "d/pipe", pipe_path), 0600), 0);
    expect_refused(SPATE_EUNSUPPORTED, "pipe");
}

static void a_name_that_is_not_utf8_is_refused_and_shown_safely(void **state)
{
    (void)state;
    disk_world_put(w, "d/bad\xff\x1b", "abc", 3);
    expect_refused(SPATE_EUNSUPPORTED, "\\xff\\x1b");
}

static void
a_name_that_would_be_changed_elsewhere_is_refused_with_the_one_it_could_have(void **state)
{
    (void)state;
    static const char *const names[][3] = {
        {"d/tab\there", "\"tab\\x09here\"", "\"tab_here\""},
        {"d/dot.", "\"dot.\"", "\"dot_\""},
        {"d/aux.c", "\"aux.c\"", "\"_aux.c\""},
        {"d/back\\slash", "slash\"", "\"back_slash\""},
        {"d/\xe2\x80\xaegnp.exe", "\"", "\"_gnp.exe\""},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char file[PATH_MAX];
        disk_world_put(w, names[i][0], "abc", 3);
        expect_refused(SPATE_EUNSUPPORTED, names[i][1]);
        assert_non_null(strstr(plan.text, "rename it"));
        assert_non_null(strstr(plan.text, names[i][2]));
        create_deinit(&plan);
        /* As the torrent itself it is refused too, unless the torrent is called otherwise. */
        assert_int_equal(run(names[i][0]), SPATE_EUNSUPPORTED);
        create_deinit(&plan);
        plan.renamed = true;
        assert_int_equal(run(names[i][0]), 0);
        create_deinit(&plan);
        plan.renamed = false;
        assert_int_equal(unlink(disk_world_path(w, names[i][0], file)), 0);
    }
}

static void a_directory_has_to_have_such_a_name_too(void **state)
{
    (void)state;
    disk_world_make_directory(w, "d/end ");
    disk_world_put(w, "d/end /one", "abc", 3);
    expect_refused(SPATE_EUNSUPPORTED, "\"end \" has a name");
}

static void nothing_at_all_is_refused(void **state)
{
    (void)state;
    disk_world_put(w, "d/empty", "", 0);
    expect_refused(SPATE_EINVAL, "no bytes");
    create_deinit(&plan);
    assert_int_equal(run("missing"), SPATE_ENOENT);
    assert_non_null(strstr(plan.text, "missing"));
}

static void directories_without_end_are_refused(void **state)
{
    (void)state;
    int at = open(disk_world_path(w, "d", path), O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < 101; i++) {
        assert_int_equal(mkdirat(at, "x", 0777), 0);
        int next = openat(at, "x", O_RDONLY | O_DIRECTORY);
        close(at);
        at = next;
    }
    close(at);
    expect_refused(SPATE_ELIMIT, "too deep");
}

static void a_change_while_hashing_is_seen(void **state)
{
    (void)state;
    char changed[PATH_MAX];
    disk_world_put(w, "d/one", "abc", 3);
    disk_world_put(w, "d/two", "defg", 4);
    assert_int_equal(run("d"), 0);
    assert_int_equal(compare(), 0);
    struct timespec times[2] = {{.tv_sec = 5}, {.tv_sec = 5}};
    assert_int_equal(utimensat(AT_FDCWD, disk_world_path(w, "d/two", changed), times, 0), 0);
    assert_int_equal(compare(), SPATE_EMISMATCH);
    assert_non_null(strstr(plan.text, "two"));
}

static void the_piece_length_follows_the_size(void **state)
{
    (void)state;
    const uint64_t mib = 1 << 20;
    const uint64_t kib = 1 << 10;
    const uint64_t rows[][2] = {
        {1, 16 * kib},
        {8 * mib, 16 * kib},
        {8 * mib + 1, 32 * kib},
        {30 * 1000 * 1000, 32 * kib},
        {32 * mib, 32 * kib},
        {32 * mib + 1, 64 * kib},
        {128 * mib, 64 * kib},
        {128 * mib + 1, 128 * kib},
        {1024 * mib, 512 * kib},
        {1024 * mib + 1, mib},
        {UINT64_C(16) << 30, 8 * mib},
        {(UINT64_C(16) << 30) + 1, 16 * mib},
        {UINT64_C(1) << 50, 16 * mib},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(create_piece_length(rows[i][0]), rows[i][1]);
    }
    for (uint64_t size = 65 * mib; size < 16 * 2048 * mib; size += size / 7) {
        uint64_t pieces = (size - 1) / create_piece_length(size) + 1;
        assert_true(pieces >= 1024 && pieces <= 2048);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(files_come_in_the_order_of_their_elements),
        T(a_single_file_is_a_torrent_too),
        T(the_given_path_may_be_a_link),
        T(a_path_of_dots_gets_the_name_of_what_it_is),
        T(a_link_below_is_refused_by_name),
        T(a_pipe_is_refused_by_name),
        T(a_name_that_is_not_utf8_is_refused_and_shown_safely),
        T(a_name_that_would_be_changed_elsewhere_is_refused_with_the_one_it_could_have),
        T(a_directory_has_to_have_such_a_name_too),
        T(nothing_at_all_is_refused),
        T(directories_without_end_are_refused),
        T(a_change_while_hashing_is_seen),
        T(the_piece_length_follows_the_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
