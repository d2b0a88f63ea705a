/* Files: calls that wait, made inside io_work. They may run on another thread, where cmocka cannot fail
 * a test, so each body returns the line that does not hold, or 0. */
#include "port_suite_inside.h"

#include "base/text.h"

#include <stdio.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            return __LINE__;                                                                       \
        }                                                                                          \
    } while (0)

enum { READ_WRITE = IO_OPEN_READ | IO_OPEN_WRITE, MAKE = READ_WRITE | IO_OPEN_CREATE };

struct body {
    struct port_noted noted;
    const char *directory;
    int (*run)(struct io_fs *, const char *directory);
};

static int body_run(struct io_op *op, struct io_fs *fs)
{
    const struct body *body = list_entry(op, struct body, noted.op);
    return body->run(fs, body->directory);
}

static void in_work(struct port_test *t, int (*run)(struct io_fs *, const char *directory))
{
    struct body body = {.directory = t->hooks->directory(t->world, 0), .run = run};
    port_noted_init(&body.noted, NULL);
    io_work(t->io[0], IO_POOL_WRITE, &body.noted.op, body_run, 0);
    port_await(t, &body.noted.op);
    assert_int_equal(body.noted.status, 0); /* or the line of port_suite_files.c that failed */
}

static int64_t write_text(struct io_fs *fs, struct io_file *file, uint64_t offset, const char *text)
{
    struct iovec v = {(char *)(uintptr_t)text, strlen(text)};
    return io_fs_write(fs, file, offset, &v, 1);
}

/* Whether the file holds exactly this text from offset to its end. */
static bool has_text(struct io_fs *fs, struct io_file *file, uint64_t offset, const char *text)
{
    char got[64] = "";
    struct iovec v = {got, sizeof got - 1};
    int64_t n = io_fs_read(fs, file, offset, &v, 1);
    return n == (int64_t)strlen(text) && memcmp(got, text, (size_t)n) == 0;
}

static int make_file(struct io_fs *fs, struct io_file *dir, const char *name, const char *text)
{
    struct io_file *file;
    CHECK(io_fs_open(fs, dir, name, MAKE | IO_OPEN_EXCLUSIVE, &file) == 0);
    CHECK(write_text(fs, file, 0, text) == (int64_t)strlen(text));
    io_fs_close(fs, file);
    return 0;
}

static bool file_is(struct io_fs *fs, struct io_file *dir, const char *name, const char *text)
{
    struct io_file *file;
    if (io_fs_open(fs, dir, name, IO_OPEN_READ, &file) != 0) {
        return false;
    }
    bool is = has_text(fs, file, 0, text);
    io_fs_close(fs, file);
    return is;
}

/* ---- opening ---------------------------------------------------------------------------------- */

static int opening(struct io_fs *fs, const char *directory)
{
    struct io_file *dir, *file, *below;
    CHECK(io_fs_open_path(fs, directory, IO_OPEN_DIRECTORY, &dir) == 0);
    file = dir;
    CHECK(io_fs_open(fs, dir, "missing", READ_WRITE, &file) == SPATE_ENOENT && !file);
    CHECK(io_fs_open(fs, dir, "file", MAKE | IO_OPEN_EXCLUSIVE, &file) == 0 && file);
    io_fs_close(fs, file);
    CHECK(io_fs_open(fs, dir, "file", MAKE | IO_OPEN_EXCLUSIVE, &file) == SPATE_EEXIST && !file);
    CHECK(io_fs_open(fs, dir, "file", MAKE, &file) == 0);
    io_fs_close(fs, file);
    CHECK(io_fs_open(fs, dir, "file", IO_OPEN_DIRECTORY, &file) == SPATE_ENOTDIR && !file);
    CHECK(io_fs_open(fs, dir, "folder", IO_OPEN_DIRECTORY, &below) == SPATE_ENOENT && !below);
    CHECK(io_fs_open(fs, dir, "folder", IO_OPEN_DIRECTORY | IO_OPEN_CREATE, &below) == 0);
    CHECK(make_file(fs, below, "deep", "down") == 0);
    io_fs_close(fs, below);
    CHECK(io_fs_open(fs, dir, "folder", READ_WRITE, &file) == SPATE_EISDIR && !file);
    CHECK(io_fs_open(fs, dir, "folder", IO_OPEN_DIRECTORY | IO_OPEN_CREATE, &below) == 0);
    CHECK(file_is(fs, below, "deep", "down"));
    io_fs_close(fs, below);
    CHECK(io_fs_open(fs, dir, "folder", IO_OPEN_DIRECTORY | IO_OPEN_CREATE | IO_OPEN_EXCLUSIVE,
                     &below) == SPATE_EEXIST);
    CHECK(io_fs_open(fs, dir, "secret", MAKE | IO_OPEN_PRIVATE, &file) == 0);
    io_fs_close(fs, file);
    io_fs_close(fs, NULL); /* allowed */
    io_fs_close(fs, dir);
    return 0;
}

static void files_and_directories_open_as_asked(void **state)
{
    in_work(*state, opening);
}

static int names(struct io_fs *fs, const char *directory)
{
    static const char *const bad[] = {"", ".", "..", "a/b", "/", "/etc", "../up"};
    char longest[600];
    struct io_file *dir, *file;
    struct io_stat st;
    CHECK(io_fs_open_path(fs, directory, IO_OPEN_DIRECTORY, &dir) == 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK(io_fs_open(fs, dir, bad[i], MAKE, &file) == SPATE_EINVAL && !file);
        CHECK(io_fs_stat_at(fs, dir, bad[i], &st) == SPATE_EINVAL);
        CHECK(io_fs_unlink(fs, dir, bad[i]) == SPATE_EINVAL);
        CHECK(io_fs_rename(fs, dir, bad[i], dir, "good") == SPATE_EINVAL);
        CHECK(io_fs_rename(fs, dir, "good", dir, bad[i]) == SPATE_EINVAL);
    }
    int max = io_fs_name_max(fs, dir);
    CHECK(max >= 14 && max < (int)sizeof longest - 1);
    memset(longest, 'n', sizeof longest);
    longest[max] = 0;
    CHECK(make_file(fs, dir, longest, "long") == 0);
    CHECK(file_is(fs, dir, longest, "long"));
    longest[max] = 'n';
    longest[max + 1] = 0;
    CHECK(io_fs_open(fs, dir, longest, MAKE, &file) == SPATE_ENAMETOOLONG && !file);
    io_fs_close(fs, dir);
    return 0;
}

static void a_name_is_one_name_and_not_too_long(void **state)
{
    in_work(*state, names);
}

static int parents(struct io_fs *fs, const char *directory)
{
    char path[4096];
    struct io_file *dir, *file;
    snprintf(path, sizeof path, "%s/a/b//c/", directory);
    CHECK(io_fs_open_path(fs, path, IO_OPEN_DIRECTORY, &dir) == SPATE_ENOENT && !dir);
    CHECK(io_fs_open_path(fs, path, IO_OPEN_DIRECTORY | IO_OPEN_CREATE, &dir) == 0);
    CHECK(make_file(fs, dir, "file", "here") == 0);
    io_fs_close(fs, dir);
    CHECK(io_fs_open_path(fs, path, IO_OPEN_DIRECTORY | IO_OPEN_CREATE, &dir) == 0);
    CHECK(file_is(fs, dir, "file", "here"));
    io_fs_close(fs, dir);
    snprintf(path, sizeof path, "%s/a/b/c/file", directory);
    CHECK(io_fs_open_path(fs, path, IO_OPEN_READ, &file) == 0);
    CHECK(has_text(fs, file, 0, "here"));
    io_fs_close(fs, file);
    CHECK(io_fs_open_path(fs, path, IO_OPEN_DIRECTORY, &dir) == SPATE_ENOTDIR);
    CHECK(io_fs_open_path(fs, path, IO_OPEN_DIRECTORY | IO_OPEN_CREATE, &dir) < 0);
    /* For a file no directory is made. */
    snprintf(path, sizeof path, "%s/x/file", directory);
    CHECK(io_fs_open_path(fs, path, MAKE, &file) == SPATE_ENOENT && !file);
    return 0;
}

static void a_path_makes_what_is_missing_above_a_directory(void **state)
{
    in_work(*state, parents);
}

static int links(struct io_fs *fs, const char *directory)
{
    char path[4096];
    struct io_file *dir, *file;
    struct io_stat st;
    CHECK(io_fs_open_path(fs, directory, IO_OPEN_DIRECTORY, &dir) == 0);
    CHECK(make_file(fs, dir, "target", "behind") == 0);
    CHECK(io_fs_open(fs, dir, "link", IO_OPEN_READ, &file) == SPATE_ESYMLINK && !file);
    CHECK(io_fs_open(fs, dir, "link", MAKE, &file) == SPATE_ESYMLINK);
    CHECK(io_fs_open(fs, dir, "link", IO_OPEN_READ | IO_OPEN_FOLLOW, &file) == 0);
    CHECK(has_text(fs, file, 0, "behind"));
    io_fs_close(fs, file);
    CHECK(io_fs_open(fs, dir, "folder-link", IO_OPEN_DIRECTORY, &file) == SPATE_ESYMLINK);
    CHECK(io_fs_stat_at(fs, dir, "link", &st) == 0 && st.type == IO_TYPE_SYMLINK);
    snprintf(path, sizeof path, "%s/folder-link/target", directory);
    CHECK(io_fs_open_path(fs, path, IO_OPEN_READ, &file) == 0);
    CHECK(has_text(fs, file, 0, "behind"));
    io_fs_close(fs, file);
    /* The link goes, not what it points at. */
    CHECK(io_fs_unlink(fs, dir, "link") == 0);
    CHECK(file_is(fs, dir, "target", "behind"));
    io_fs_close(fs, dir);
    return 0;
}

static void a_symbolic_link_is_followed_only_where_asked(void **state)
{
    struct port_test *t = *state;
    char path[4096];
    const char *directory = t->hooks->directory(t->world, 0);
    snprintf(path, sizeof path, "%s/link", directory);
    t->hooks->symlink(t->world, 0, path, "target");
    snprintf(path, sizeof path, "%s/folder-link", directory);
    t->hooks->symlink(t->world, 0, path, directory);
    in_work(t, links);
}

/* ---- bytes ------------------------------------------------------------------------------------ */

static int bytes(struct io_fs *fs, const char *directory)
{
    char first[4] = "", second[10] = "", three[] = "three", one[] = "one", two[] = "two";
    struct io_file *dir, *file;
    CHECK(io_fs_open_path(fs, directory, IO_OPEN_DIRECTORY, &dir) == 0);
    CHECK(io_fs_open(fs, dir, "file", MAKE, &file) == 0);
    struct iovec out[] = {{one, 3}, {NULL, 0}, {two, 3}, {three, 5}};
    CHECK(io_fs_write(fs, file, 0, out, 4) == 11);
    struct iovec in[] = {{first, 3}, {second, 9}};
    CHECK(io_fs_read(fs, file, 0, in, 2) == 11); /* fewer than asked: the end */
    CHECK(strcmp(first, "one") == 0 && strcmp(second, "twothree") == 0);
    CHECK(io_fs_read(fs, file, 11, in, 2) == 0);
    CHECK(io_fs_read(fs, file, 1000, in, 2) == 0);
    CHECK(write_text(fs, file, 3, "TWO") == 3);
    CHECK(has_text(fs, file, 0, "oneTWOthree"));
    CHECK(write_text(fs, file, 100000, "far") == 3); /* a hole reads as zeroes */
    CHECK(has_text(fs, file, 100000, "far"));
    CHECK(io_fs_read(fs, file, 99990, in, 1) == 3);
    CHECK(first[0] == 0 && first[1] == 0 && first[2] == 0);
    CHECK(io_fs_sync(fs, file) == 0);
    CHECK(io_fs_sync(fs, dir) == 0);
    CHECK(io_fs_write(fs, file, 0, out, 0) == 0);
    io_fs_close(fs, file);
    io_fs_close(fs, dir);
    return 0;
}

static void bytes_are_gathered_scattered_and_zero_where_never_written(void **state)
{
    in_work(*state, bytes);
}

static int lengths(struct io_fs *fs, const char *directory)
{
    struct io_file *dir, *file;
    struct io_stat st;
    CHECK(io_fs_open_path(fs, directory, IO_OPEN_DIRECTORY, &dir) == 0);
    CHECK(io_fs_open(fs, dir, "file", MAKE, &file) == 0);
    CHECK(write_text(fs, file, 0, "0123456789") == 10);
    CHECK(io_fs_allocate(fs, file, 5, IO_ALLOCATE_SPARSE) == 0); /* never shortens */
    CHECK(io_fs_stat(fs, file, &st) == 0 && st.length == 10);
    CHECK(io_fs_allocate(fs, file, 50000000, IO_ALLOCATE_SPARSE) == 0);
    CHECK(io_fs_stat(fs, file, &st) == 0 && st.length == 50000000);
    CHECK(st.allocated_bytes < 10000000);
    CHECK(io_fs_truncate(fs, file, 4) == 0);
    CHECK(has_text(fs, file, 0, "0123"));
    CHECK(io_fs_truncate(fs, file, 8) == 0); /* what was cut does not come back */
    CHECK(io_fs_stat(fs, file, &st) == 0 && st.length == 8);
    char got[8];
    struct iovec v = {got, sizeof got};
    CHECK(io_fs_read(fs, file, 0, &v, 1) == 8 && memcmp(got, "0123\0\0\0\0", 8) == 0);
    int rc = io_fs_allocate(fs, file, 3000000, IO_ALLOCATE_FULL);
    CHECK(rc == 0 || rc == SPATE_EUNSUPPORTED);
    if (rc == 0) {
        CHECK(io_fs_stat(fs, file, &st) == 0 && st.length == 3000000);
        CHECK(st.allocated_bytes >= 3000000);
        CHECK(io_fs_allocate(fs, file, 1000, IO_ALLOCATE_FULL) == 0);
        CHECK(io_fs_stat(fs, file, &st) == 0 && st.length == 3000000);
        CHECK(io_fs_read(fs, file, 0, &v, 1) == 8 && memcmp(got, "0123\0\0\0\0", 8) == 0);
    }
    CHECK(io_fs_allocate(fs, file, 0, IO_ALLOCATE_FULL) == 0);
    io_fs_close(fs, file);
    io_fs_close(fs, dir);
    return 0;
}

static void allocating_never_shortens_and_truncating_forgets(void **state)
{
    in_work(*state, lengths);
}

static int describing(struct io_fs *fs, const char *directory)
{
    struct io_file *dir, *file;
    struct io_stat st, at, other;
    uint64_t free_bytes = 0;
    CHECK(io_fs_open_path(fs, directory, IO_OPEN_DIRECTORY, &dir) == 0);
    CHECK(make_file(fs, dir, "file", "abc") == 0 && make_file(fs, dir, "other", "") == 0);
    CHECK(io_fs_open(fs, dir, "file", IO_OPEN_READ, &file) == 0);
    CHECK(io_fs_stat(fs, file, &st) == 0 && io_fs_stat_at(fs, dir, "file", &at) == 0);
    CHECK(st.type == IO_TYPE_FILE && st.length == 3 && !st.executable);
    CHECK(st.device == at.device && st.inode == at.inode && st.length == at.length);
    CHECK(st.modified_ns > INT64_C(1500000000) * PORT_SECOND_NS && st.changed_ns >= st.modified_ns);
    CHECK(io_fs_stat_at(fs, dir, "other", &other) == 0 && other.inode != st.inode);
    CHECK(io_fs_stat_at(fs, dir, "missing", &other) == SPATE_ENOENT);
    CHECK(io_fs_stat(fs, dir, &other) == 0 && other.type == IO_TYPE_DIRECTORY);
    CHECK(!other.exposed && !st.exposed);
    CHECK(io_fs_space(fs, dir, &free_bytes) == 0 && free_bytes > 0);
    io_fs_close(fs, file);
    io_fs_close(fs, dir);
    return 0;
}

static void files_are_described(void **state)
{
    in_work(*state, describing);
}

/* ---- names that come and go ------------------------------------------------------------------- */

static int renaming(struct io_fs *fs, const char *directory)
{
    struct io_file *dir, *below, *file;
    struct io_stat before, after;
    CHECK(io_fs_open_path(fs, directory, IO_OPEN_DIRECTORY, &dir) == 0);
    CHECK(io_fs_open(fs, dir, "below", IO_OPEN_DIRECTORY | IO_OPEN_CREATE, &below) == 0);
    CHECK(make_file(fs, dir, "a", "first") == 0 && make_file(fs, below, "b", "second") == 0);
    CHECK(io_fs_stat_at(fs, dir, "a", &before) == 0);
    CHECK(io_fs_rename(fs, dir, "a", below, "b") == 0); /* and replaces it */
    CHECK(io_fs_stat_at(fs, dir, "a", &after) == SPATE_ENOENT);
    CHECK(io_fs_stat_at(fs, below, "b", &after) == 0 && after.inode == before.inode);
    CHECK(file_is(fs, below, "b", "first"));
    CHECK(io_fs_rename(fs, dir, "missing", dir, "x") == SPATE_ENOENT);
    CHECK(make_file(fs, dir, "c", "third") == 0);
    CHECK(io_fs_rename(fs, dir, "c", dir, "below") == SPATE_EISDIR);
    CHECK(io_fs_rename(fs, dir, "below", dir, "c") == SPATE_ENOTDIR);
    CHECK(io_fs_rename(fs, dir, "below", dir, "moved") == 0);
    CHECK(io_fs_open(fs, dir, "moved", IO_OPEN_DIRECTORY, &file) == 0);
    CHECK(file_is(fs, file, "b", "first"));
    io_fs_close(fs, file);
    io_fs_close(fs, below);
    io_fs_close(fs, dir);
    return 0;
}

static void renaming_moves_and_replaces(void **state)
{
    in_work(*state, renaming);
}

static int unlinking(struct io_fs *fs, const char *directory)
{
    struct io_file *dir, *file;
    struct io_stat st;
    CHECK(io_fs_open_path(fs, directory, IO_OPEN_DIRECTORY, &dir) == 0);
    CHECK(make_file(fs, dir, "file", "still here") == 0);
    CHECK(io_fs_open(fs, dir, "file", READ_WRITE, &file) == 0);
    CHECK(io_fs_unlink(fs, dir, "file") == 0);
    CHECK(io_fs_stat_at(fs, dir, "file", &st) == SPATE_ENOENT);
    CHECK(io_fs_unlink(fs, dir, "file") == SPATE_ENOENT);
    CHECK(has_text(fs, file, 0, "still here"));
    CHECK(write_text(fs, file, 0, "HELLO") == 5 && has_text(fs, file, 0, "HELLO here"));
    CHECK(make_file(fs, dir, "file", "another") == 0);
    CHECK(has_text(fs, file, 0, "HELLO here"));
    io_fs_close(fs, file);
    CHECK(file_is(fs, dir, "file", "another"));
    io_fs_close(fs, dir);
    return 0;
}

static void an_open_file_outlives_its_name(void **state)
{
    in_work(*state, unlinking);
}

static int listing(struct io_fs *fs, const char *directory)
{
    enum { COUNT = 300 };
    bool seen[COUNT] = {false};
    char name[300];
    struct io_file *dir;
    uint64_t cursor = 0;
    uint64_t number;
    int rc, found = 0;
    CHECK(io_fs_open_path(fs, directory, IO_OPEN_DIRECTORY, &dir) == 0);
    CHECK(io_fs_list(fs, dir, &cursor, name, sizeof name) == 0);
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "file-%d", i);
        CHECK(make_file(fs, dir, name, "") == 0);
    }
    for (int round = 0; round < 2; round++) {
        memset(seen, 0, sizeof seen);
        cursor = 0;
        found = 0;
        while ((rc = io_fs_list(fs, dir, &cursor, name, sizeof name)) == 1) {
            CHECK(strncmp(name, "file-", 5) == 0);
            CHECK(text_parse_number(name + 5, COUNT - 1, &number) && !seen[number]);
            seen[number] = true;
            found++;
        }
        CHECK(rc == 0 && found == COUNT);
    }
    io_fs_close(fs, dir);
    return 0;
}

static void a_listing_names_everything_once_and_never_the_dots(void **state)
{
    in_work(*state, listing);
}

static int real_paths(struct io_fs *fs, const char *directory)
{
    static const char *const same[] = {"",       "/", "//", "/link", "/link/", "/link//link/.",
                                       "/./x/.."};
    static const char *const none[] = {"/link/none/such/", "/none//./such", "/none/x/../such",
                                       "/none/../none/such/x/.."};
    char path[4096], real[4096], wanted[4096], small[4];
    struct io_file *dir, *below;
    CHECK(io_fs_open_path(fs, directory, IO_OPEN_DIRECTORY, &dir) == 0);
    CHECK(io_fs_open(fs, dir, "x", IO_OPEN_DIRECTORY | IO_OPEN_CREATE, &below) == 0);
    CHECK(io_fs_real_path(fs, directory, wanted, sizeof wanted) == 0 && wanted[0] == '/');
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        snprintf(path, sizeof path, "%s%s", directory, same[i]);
        CHECK(io_fs_real_path(fs, path, real, sizeof real) == 0 && strcmp(real, wanted) == 0);
    }
    /* What does not exist has no links to follow. */
    strncat(wanted, "/none/such", sizeof wanted - strlen(wanted) - 1);
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        snprintf(path, sizeof path, "%s%s", directory, none[i]);
        CHECK(io_fs_real_path(fs, path, real, sizeof real) == 0 && strcmp(real, wanted) == 0);
    }
    CHECK(io_fs_real_path(fs, "/", real, sizeof real) == 0 && strcmp(real, "/") == 0);
    CHECK(io_fs_real_path(fs, path, small, sizeof small) == SPATE_ENAMETOOLONG);
    io_fs_close(fs, below);
    io_fs_close(fs, dir);
    return 0;
}

static void a_real_path_is_one_however_it_is_written(void **state)
{
    struct port_test *t = *state;
    char path[4096];
    const char *directory = t->hooks->directory(t->world, 0);
    snprintf(path, sizeof path, "%s/link", directory);
    t->hooks->symlink(t->world, 0, path, directory);
    in_work(t, real_paths);
}

static int locking(struct io_fs *fs, const char *directory)
{
    struct io_file *dir, *first, *second;
    CHECK(io_fs_open_path(fs, directory, IO_OPEN_DIRECTORY, &dir) == 0);
    CHECK(io_fs_open(fs, dir, "lock", MAKE, &first) == 0);
    CHECK(io_fs_open(fs, dir, "lock", MAKE, &second) == 0);
    CHECK(io_fs_lock(fs, first) == 0);
    CHECK(io_fs_lock(fs, second) == SPATE_ELOCKED);
    CHECK(io_fs_lock(fs, first) == 0);
    io_fs_close(fs, first);
    CHECK(io_fs_lock(fs, second) == 0);
    io_fs_close(fs, second);
    io_fs_close(fs, dir);
    return 0;
}

static void a_lock_is_exclusive_and_ends_with_its_file(void **state)
{
    in_work(*state, locking);
}

/* ---- sending stretches ------------------------------------------------------------------------ */

static const char stretch_text[] = "0123456789abcdefghijklmnopqrstuvwxyz";

static int fetching(struct io_fs *fs, const char *directory)
{
    struct io_file *dir, *file;
    CHECK(io_fs_open_path(fs, directory, IO_OPEN_DIRECTORY, &dir) == 0);
    CHECK(make_file(fs, dir, "fetched", stretch_text) == 0);
    CHECK(io_fs_open(fs, dir, "fetched", IO_OPEN_READ, &file) == 0);
    CHECK(io_fs_fetch(fs, file, 0, 36) == 0);
    CHECK(io_fs_fetch(fs, file, 10, 26) == 0);
    CHECK(io_fs_fetch(fs, file, 10, 27) == SPATE_ESHORT);
    CHECK(io_fs_fetch(fs, file, 36, 1) == SPATE_ESHORT);
    CHECK(io_fs_fetch(fs, file, 1000, 1) == SPATE_ESHORT);
    CHECK(!io_fs_is_in_memory(fs, file, 10, 27)); /* though the page that holds the rest may be */
    io_fs_close(fs, file);
    io_fs_close(fs, dir);
    return 0;
}

static void what_lies_beyond_the_end_is_neither_fetched_nor_there(void **state)
{
    in_work(*state, fetching);
}

enum stretch_what { STRETCH_OPEN, STRETCH_CUT, STRETCH_CLOSE };

/* A file that a worker opens, the loop sends from, and a worker cuts short and closes. */
struct stretch_job {
    struct port_noted noted;
    const char *directory;
    struct io_fs *fs;
    struct io_file *file;
    enum stretch_what what;
};

static int stretch_run(struct io_op *op, struct io_fs *fs)
{
    struct stretch_job *job = list_entry(op, struct stretch_job, noted.op);
    if (job->what == STRETCH_CUT) {
        return io_fs_truncate(fs, job->file, 20);
    }
    if (job->what == STRETCH_CLOSE) {
        io_fs_close(fs, job->file);
        return 0;
    }
    struct io_file *dir;
    int rc = io_fs_open_path(fs, job->directory, IO_OPEN_DIRECTORY, &dir);
    if (rc == 0) {
        rc = make_file(fs, dir, "sent", stretch_text);
        rc = rc == 0 ? io_fs_open(fs, dir, "sent", READ_WRITE, &job->file) : rc;
        io_fs_close(fs, dir);
    }
    return rc;
}

static void stretch_do(struct port_test *t, struct stretch_job *job, enum stretch_what what)
{
    job->what = what;
    port_noted_init(&job->noted, NULL);
    io_work(t->io[0], IO_POOL_READ, &job->noted.op, stretch_run, 0);
    port_await(t, &job->noted.op);
    assert_int_equal(job->noted.status, 0);
}

static void expect_received(struct port_test *t, struct io_socket *s, const char *text)
{
    char got[64] = "";
    for (size_t done = 0; done < strlen(text);) {
        struct iovec v = {got + done, sizeof got - 1 - done};
        int64_t n = io_receive(t->io[1], s, &v, 1);
        if (n == SPATE_EAGAIN) {
            struct port_noted wait;
            port_noted_init(&wait, NULL);
            io_wait(t->io[1], s, IO_READABLE, &wait.op);
            port_await(t, &wait.op);
            continue;
        }
        assert_true(n > 0);
        done += (size_t)n;
    }
    assert_string_equal(got, text);
}

static void a_stretch_of_a_file_is_sent_between_bytes(void **state)
{
    struct port_test *t = *state;
    struct io_socket *from, *to;
    struct stretch_job job = {.directory = t->hooks->directory(t->world, 0)};
    stretch_do(t, &job, STRETCH_OPEN);
    port_connect(t, &from, &to);
    const struct io_part parts[] = {
        {.bytes = (const uint8_t *)"<", .size = 1},  {.file = job.file, .offset = 10, .size = 6},
        {.file = job.file, .offset = 0, .size = 3},  {.bytes = (const uint8_t *)">(", .size = 2},
        {.file = job.file, .offset = 34, .size = 2}, {.bytes = (const uint8_t *)")", .size = 1},
    };
    assert_int_equal(io_send(t->io[0], from, parts, 6), 15);
    expect_received(t, to, "<abcdef012>(yz)");
    io_close(t->io[0], from);
    io_close(t->io[1], to);
    stretch_do(t, &job, STRETCH_CLOSE);
}

static void a_file_that_ends_early_ends_the_sending_there(void **state)
{
    struct port_test *t = *state;
    struct io_socket *from, *to;
    struct stretch_job job = {.directory = t->hooks->directory(t->world, 0)};
    stretch_do(t, &job, STRETCH_OPEN);
    port_connect(t, &from, &to);
    stretch_do(t, &job, STRETCH_CUT);
    const struct io_part parts[] = {
        {.bytes = (const uint8_t *)"<", .size = 1},
        {.file = job.file, .offset = 18, .size = 4},
        {.bytes = (const uint8_t *)">", .size = 1},
    };
    assert_int_equal(io_send(t->io[0], from, parts, 3), 3);
    const struct io_part rest = {.file = job.file, .offset = 20, .size = 2};
    assert_int_equal(io_send(t->io[0], from, &rest, 1), SPATE_ESHORT);
    expect_received(t, to, "<ij");
    io_close(t->io[0], from);
    io_close(t->io[1], to);
    stretch_do(t, &job, STRETCH_CLOSE);
}

const struct CMUnitTest *port_suite_files(size_t *count)
{
    static const struct CMUnitTest tests[] = {
        PORT_TEST(files_and_directories_open_as_asked),
        PORT_TEST(a_name_is_one_name_and_not_too_long),
        PORT_TEST(a_path_makes_what_is_missing_above_a_directory),
        PORT_TEST(a_symbolic_link_is_followed_only_where_asked),
        PORT_TEST(bytes_are_gathered_scattered_and_zero_where_never_written),
        PORT_TEST(allocating_never_shortens_and_truncating_forgets),
        PORT_TEST(files_are_described),
        PORT_TEST(renaming_moves_and_replaces),
        PORT_TEST(an_open_file_outlives_its_name),
        PORT_TEST(a_listing_names_everything_once_and_never_the_dots),
        PORT_TEST(a_real_path_is_one_however_it_is_written),
        PORT_TEST(a_lock_is_exclusive_and_ends_with_its_file),
        PORT_TEST(what_lies_beyond_the_end_is_neither_fetched_nor_there),
        PORT_TEST(a_stretch_of_a_file_is_sent_between_bytes),
        PORT_TEST(a_file_that_ends_early_ends_the_sending_there),
    };
    *count = sizeof tests / sizeof *tests;
    return tests;
}
