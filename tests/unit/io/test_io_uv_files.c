/* The real file system: nothing leads out of a directory, transfers are whole, and odd things that lie in
 * the way neither block nor mislead. */
#include "uv_world.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

struct place {
    struct io *io;
    struct io_fs *fs;
    struct io_file *dir;
    char path[PATH_MAX];
};

static struct place place;

static int place_open(void **state)
{
    (void)state;
    snprintf(place.path, sizeof place.path, "/tmp/spate-files-XXXXXX");
    assert_non_null(mkdtemp(place.path));
    place.io = world_create(NULL);
    place.fs = io_uv_fs(place.io);
    assert_int_equal(io_fs_open_path(place.fs, place.path, IO_OPEN_DIRECTORY, &place.dir), 0);
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

static int place_close(void **state)
{
    (void)state;
    io_fs_close(place.fs, place.dir);
    io_uv_destroy(place.io);
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): it changes no directory without FTW_CHDIR */
    return nftw(place.path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static struct io_file *create(const char *name)
{
    struct io_file *file;
    int flags = IO_OPEN_READ | IO_OPEN_WRITE | IO_OPEN_CREATE;
    assert_int_equal(io_fs_open(place.fs, place.dir, name, flags, &file), 0);
    return file;
}

static const char *below(const char *name)
{
    static char path[PATH_MAX + 256]; /* of the one place, until the next call */
    snprintf(path, sizeof path, "%s/%s", place.path, name);
    return path;
}

static void transfers_over_many_parts_are_whole(void **state)
{
    (void)state;
    enum { PARTS = 3000 }; /* more than the kernel takes at once */
    static uint8_t out[PARTS * 7], in[PARTS * 7 + 1];
    static struct iovec v[PARTS];
    struct io_file *file = create("parts");
    for (size_t i = 0; i < sizeof out; i++) {
        out[i] = (uint8_t)(i * 13 >> 2);
    }
    size_t at = 0;
    for (int i = 0; i < PARTS; i++) {
        size_t size = (size_t)(i % 15); /* some are empty */
        size = size < sizeof out - at ? size : sizeof out - at;
        v[i] = (struct iovec){out + at, i == PARTS - 1 ? sizeof out - at : size};
        at += v[i].iov_len;
    }
    assert_int_equal(at, sizeof out);
    assert_int_equal(io_fs_write(place.fs, file, 5, v, PARTS), sizeof out);
    struct io_stat st;
    assert_int_equal(io_fs_stat(place.fs, file, &st), 0);
    assert_int_equal(st.length, sizeof out + 5);
    for (int i = 0; i < PARTS; i++) {
        v[i].iov_base = in + ((uint8_t *)v[i].iov_base - out);
    }
    assert_int_equal(io_fs_read(place.fs, file, 5, v, PARTS), sizeof out);
    assert_memory_equal(in, out, sizeof out);
    /* Fewer only at the end of the file. */
    struct iovec one = {in, sizeof in};
    assert_int_equal(io_fs_read(place.fs, file, 5, &one, 1), sizeof out);
    assert_int_equal(io_fs_read(place.fs, file, 5 + sizeof out, &one, 1), 0);
    assert_int_equal(io_fs_read(place.fs, file, UINT64_MAX, &one, 1), SPATE_EINVAL);
    assert_int_equal(io_fs_read(place.fs, file, 0, NULL, 0), 0);
    assert_int_equal(io_fs_sync(place.fs, file), 0);
    assert_int_equal(io_fs_sync(place.fs, place.dir), 0);
    io_fs_close(place.fs, file);
}

static void a_symbolic_link_is_not_followed_unless_asked(void **state)
{
    (void)state;
    struct io_file *file = create("target");
    io_fs_close(place.fs, file);
    assert_int_equal(mkdir(below("folder"), 0755), 0);
    assert_int_equal(symlink("target", below("link")), 0);
    assert_int_equal(symlink("folder", below("folder-link")), 0);
    assert_int_equal(symlink("/etc/passwd", below("out")), 0);
    const int flags[] = {IO_OPEN_READ, IO_OPEN_WRITE, IO_OPEN_WRITE | IO_OPEN_CREATE};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        assert_int_equal(io_fs_open(place.fs, place.dir, "link", flags[i], &file), SPATE_ESYMLINK);
        assert_null(file);
        assert_int_equal(io_fs_open(place.fs, place.dir, "out", flags[i], &file), SPATE_ESYMLINK);
    }
    int directory = IO_OPEN_DIRECTORY;
    assert_int_equal(io_fs_open(place.fs, place.dir, "folder-link", directory, &file),
                     SPATE_ESYMLINK);
    assert_int_equal(
        io_fs_open(place.fs, place.dir, "folder-link", directory | IO_OPEN_CREATE, &file),
        SPATE_ESYMLINK);
    assert_int_equal(io_fs_open(place.fs, place.dir, "link", IO_OPEN_READ | IO_OPEN_FOLLOW, &file),
                     0);
    io_fs_close(place.fs, file);
    struct io_stat st;
    assert_int_equal(io_fs_stat_at(place.fs, place.dir, "link", &st), 0);
    assert_int_equal(st.type, IO_TYPE_SYMLINK);
}

static void only_single_names_are_opened(void **state)
{
    (void)state;
    const char *names[] = {"", ".", "..", "/", "a/b", "../x", "/etc/passwd", "folder/"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct io_file *file;
        struct io_stat st;
        assert_int_equal(io_fs_open(place.fs, place.dir, names[i], IO_OPEN_READ, &file),
                         SPATE_EINVAL);
        assert_int_equal(io_fs_stat_at(place.fs, place.dir, names[i], &st), SPATE_EINVAL);
        assert_int_equal(io_fs_unlink(place.fs, place.dir, names[i]), SPATE_EINVAL);
        assert_int_equal(io_fs_rename(place.fs, place.dir, "target", place.dir, names[i]),
                         SPATE_EINVAL);
    }
}

static void a_pipe_in_the_way_does_not_block(void **state)
{
    (void)state;
    struct io_file *file;
    assert_int_equal(mkfifo(below("pipe"), 0644), 0);
    assert_int_equal(io_fs_open(place.fs, place.dir, "pipe", IO_OPEN_READ, &file),
                     SPATE_EUNSUPPORTED);
    assert_int_not_equal(io_fs_open(place.fs, place.dir, "pipe", IO_OPEN_WRITE, &file), 0);
    assert_int_equal(io_fs_open(place.fs, place.dir, "folder", IO_OPEN_READ, &file), SPATE_EISDIR);
    assert_int_equal(io_fs_open(place.fs, place.dir, "target", IO_OPEN_DIRECTORY, &file),
                     SPATE_ENOTDIR);
    assert_int_equal(io_fs_open(place.fs, place.dir, "missing", IO_OPEN_READ, &file), SPATE_ENOENT);
}

static void exclusive_and_private_mean_what_they_say(void **state)
{
    (void)state;
    struct io_file *file;
    struct stat st;
    int flags = IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_EXCLUSIVE | IO_OPEN_PRIVATE;
    assert_int_equal(io_fs_open(place.fs, place.dir, "secret", flags, &file), 0);
    io_fs_close(place.fs, file);
    assert_int_equal(io_fs_open(place.fs, place.dir, "secret", flags, &file), SPATE_EEXIST);
    assert_int_equal(stat(below("secret"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    flags = IO_OPEN_DIRECTORY | IO_OPEN_CREATE | IO_OPEN_EXCLUSIVE | IO_OPEN_PRIVATE;
    assert_int_equal(io_fs_open(place.fs, place.dir, "vault", flags, &file), 0);
    io_fs_close(place.fs, file);
    assert_int_equal(io_fs_open(place.fs, place.dir, "vault", flags, &file), SPATE_EEXIST);
    assert_int_equal(stat(below("vault"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    flags &= ~IO_OPEN_EXCLUSIVE;
    assert_int_equal(io_fs_open(place.fs, place.dir, "vault", flags, &file), 0);
    io_fs_close(place.fs, file);
}

static void a_path_is_made_with_what_is_missing_above_it(void **state)
{
    (void)state;
    struct io_file *file;
    int flags = IO_OPEN_DIRECTORY | IO_OPEN_CREATE;
    assert_int_equal(io_fs_open_path(place.fs, below("a/b//c/"), flags, &file), 0);
    io_fs_close(place.fs, file);
    assert_int_equal(io_fs_open_path(place.fs, below("a/b/c"), flags, &file), 0);
    io_fs_close(place.fs, file);
    assert_int_equal(io_fs_open_path(place.fs, below("a/b/c"), flags | IO_OPEN_EXCLUSIVE, &file),
                     SPATE_EEXIST);
    assert_int_equal(io_fs_open_path(place.fs, below("target/x"), flags, &file), SPATE_ENOTDIR);
    assert_int_equal(io_fs_open_path(place.fs, below("x/y"), IO_OPEN_DIRECTORY, &file),
                     SPATE_ENOENT);
    assert_int_equal(io_fs_open_path(place.fs, "", flags, &file), SPATE_ENOENT);
    /* The user's own path may lead through links. */
    assert_int_equal(symlink("a", below("shortcut")), 0);
    assert_int_equal(io_fs_open_path(place.fs, below("shortcut/b"), IO_OPEN_DIRECTORY, &file), 0);
    io_fs_close(place.fs, file);
}

static void space_is_set_aside_and_never_taken_away(void **state)
{
    (void)state;
    struct io_file *file = create("space");
    struct io_stat st;
    assert_int_equal(io_fs_allocate(place.fs, file, 100000, IO_ALLOCATE_SPARSE), 0);
    assert_int_equal(io_fs_stat(place.fs, file, &st), 0);
    assert_int_equal(st.length, 100000);
    assert_int_equal(st.type, IO_TYPE_FILE);
    int rc = io_fs_allocate(place.fs, file, 200000, IO_ALLOCATE_FULL);
    assert_true(rc == 0 || rc == SPATE_EUNSUPPORTED);
    if (rc == 0) {
        assert_int_equal(io_fs_stat(place.fs, file, &st), 0);
        assert_int_equal(st.length, 200000);
        assert_true(st.allocated_bytes >= 200000);
        assert_int_equal(io_fs_allocate(place.fs, file, 10, IO_ALLOCATE_FULL), 0);
    }
    uint64_t length = st.length;
    assert_int_equal(io_fs_allocate(place.fs, file, 10, IO_ALLOCATE_SPARSE), 0);
    assert_int_equal(io_fs_allocate(place.fs, file, 0, IO_ALLOCATE_FULL), 0);
    assert_int_equal(io_fs_stat(place.fs, file, &st), 0);
    assert_int_equal(st.length, length);
    assert_int_equal(io_fs_truncate(place.fs, file, 3), 0);
    assert_int_equal(io_fs_stat(place.fs, file, &st), 0);
    assert_int_equal(st.length, 3);
    assert_int_equal(io_fs_truncate(place.fs, file, UINT64_MAX), SPATE_EINVAL);
    assert_int_equal(io_fs_allocate(place.fs, file, UINT64_MAX, IO_ALLOCATE_FULL), SPATE_EINVAL);
    uint64_t free_bytes = 0;
    assert_int_equal(io_fs_space(place.fs, place.dir, &free_bytes), 0);
    assert_true(free_bytes > 0);
    assert_in_range(io_fs_name_max(place.fs, place.dir), 100, NAME_MAX);
    io_fs_close(place.fs, file);
}

static void a_locked_file_is_locked_until_it_is_closed(void **state)
{
    (void)state;
    struct io_file *a = create("lock"), *b = create("lock");
    assert_int_equal(io_fs_lock(place.fs, a), 0);
    assert_int_equal(io_fs_lock(place.fs, b), SPATE_ELOCKED);
    io_fs_close(place.fs, a);
    assert_int_equal(io_fs_lock(place.fs, b), 0);
    io_fs_close(place.fs, b);
}

static void a_rename_replaces_and_a_removal_removes(void **state)
{
    (void)state;
    struct io_file *file = create("from"), *folder;
    struct iovec v = {(char[]){"abc"}, 3};
    struct io_stat st, before;
    assert_int_equal(io_fs_write(place.fs, file, 0, &v, 1), 3);
    assert_int_equal(io_fs_stat(place.fs, file, &before), 0);
    io_fs_close(place.fs, file);
    io_fs_close(place.fs, create("to"));
    assert_int_equal(io_fs_rename(place.fs, place.dir, "from", place.dir, "to"), 0);
    assert_int_equal(io_fs_stat_at(place.fs, place.dir, "to", &st), 0);
    assert_int_equal(st.inode, before.inode);
    assert_int_equal(st.length, 3);
    assert_int_equal(io_fs_stat_at(place.fs, place.dir, "from", &st), SPATE_ENOENT);
    assert_int_equal(io_fs_open(place.fs, place.dir, "folder", IO_OPEN_DIRECTORY, &folder), 0);
    assert_int_equal(io_fs_rename(place.fs, place.dir, "to", folder, "there"), 0);
    assert_int_equal(io_fs_stat_at(place.fs, folder, "there", &st), 0);
    assert_int_equal(io_fs_unlink(place.fs, folder, "there"), 0);
    assert_int_equal(io_fs_unlink(place.fs, folder, "there"), SPATE_ENOENT);
    io_fs_close(place.fs, folder);
}

static void a_list_names_everything_once_also_when_two_are_read_at_once(void **state)
{
    (void)state;
    struct io_file *dir;
    char name[NAME_MAX + 1];
    static uint8_t seen[2][2000];
    memset(seen, 0, sizeof seen);
    int flags = IO_OPEN_DIRECTORY | IO_OPEN_CREATE;
    assert_int_equal(io_fs_open(place.fs, place.dir, "many", flags, &dir), 0);
    for (int i = 0; i < 2000; i++) {
        struct io_file *file;
        snprintf(name, sizeof name, "file-with-a-name-%d", i);
        assert_int_equal(io_fs_open(place.fs, dir, name, IO_OPEN_WRITE | IO_OPEN_CREATE, &file), 0);
        io_fs_close(place.fs, file);
    }
    uint64_t cursors[2] = {0, 0};
    int rc[2] = {1, 1};
    for (int i = 0; rc[0] == 1 || rc[1] == 1; i++) {
        int which = i % 3 == 0; /* by turns, not evenly */
        if (rc[which] != 1) {
            continue;
        }
        rc[which] = io_fs_list(place.fs, dir, &cursors[which], name, sizeof name);
        if (rc[which] == 1) {
            seen[which][strtol(name + strlen("file-with-a-name-"), NULL, 10)]++;
        }
    }
    assert_int_equal(rc[0], 0);
    assert_int_equal(rc[1], 0);
    for (int i = 0; i < 2000; i++) {
        assert_int_equal(seen[0][i], 1);
        assert_int_equal(seen[1][i], 1);
    }
    char tiny[4];
    uint64_t cursor = 0;
    assert_int_equal(io_fs_list(place.fs, dir, &cursor, tiny, sizeof tiny), SPATE_ENAMETOOLONG);
    io_fs_close(place.fs, dir);
}

/* From here on, this process has an old kernel (ENOSYS) or an old container's filter (EPERM). */
static bool forbid_openat2(uint32_t system_errno)
{
    struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | system_errno),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = 4, .filter = steps};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* Exit status 0: all as it should be. */
static int open_without_openat2(uint32_t system_errno)
{
    static const struct {
        const char *name;
        int flags, result;
    } rows[] = {{"target", IO_OPEN_READ, 0},
                {"folder", IO_OPEN_DIRECTORY, 0},
                {"made", IO_OPEN_WRITE | IO_OPEN_CREATE, 0},
                {"link", IO_OPEN_READ, SPATE_ESYMLINK},
                {"link", IO_OPEN_WRITE | IO_OPEN_CREATE, SPATE_ESYMLINK},
                {"out", IO_OPEN_READ, SPATE_ESYMLINK},
                {"folder-link", IO_OPEN_DIRECTORY, SPATE_ESYMLINK},
                {"target", IO_OPEN_DIRECTORY, SPATE_ENOTDIR},
                {"..", IO_OPEN_DIRECTORY, SPATE_EINVAL}};
    int status;
    pid_t child = fork();
    if (child == 0) {
        struct open_how how = {.flags = O_RDONLY};
        if (!forbid_openat2(system_errno)) {
            _exit(100);
        }
        if (syscall(SYS_openat2, AT_FDCWD, "/", &how, sizeof how) != -1 ||
            errno != (int)system_errno) {
            _exit(101);
        }
        for (int i = 0; i < (int)(sizeof rows / sizeof *rows); i++) {
            struct io_file *file;
            if (io_fs_open(place.fs, place.dir, rows[i].name, rows[i].flags, &file) !=
                rows[i].result) {
                _exit(i + 1);
            }
        }
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void old_kernels_and_containers_follow_no_link_either(void **state)
{
    (void)state;
    assert_int_equal(open_without_openat2(ENOSYS), 0);
    assert_int_equal(open_without_openat2(EPERM), 0);
}

static void what_was_never_read_or_written_is_not_in_memory(void **state)
{
    (void)state;
    enum { KIB = 1024, THERE = 512 * KIB };
    static uint8_t bytes[64 * KIB];
    struct iovec v = {bytes, sizeof bytes};
    struct io_file *file = create("holes");
    assert_int_equal(io_fs_truncate(place.fs, file, 1024 * KIB), 0);
    assert_int_equal(io_fs_write(place.fs, file, THERE, &v, 1), sizeof bytes);
    assert_true(io_fs_is_in_memory(place.fs, file, THERE, sizeof bytes));
    assert_true(io_fs_is_in_memory(place.fs, file, THERE + 100, 16 * KIB));
    assert_false(io_fs_is_in_memory(place.fs, file, THERE - 1, 16 * KIB));
    assert_false(io_fs_is_in_memory(place.fs, file, THERE, sizeof bytes + 1));
    assert_false(io_fs_is_in_memory(place.fs, file, 0, 1024 * KIB));
    assert_false(io_fs_is_in_memory(place.fs, file, 2048 * KIB, 16 * KIB));
    io_fs_close(place.fs, file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transfers_over_many_parts_are_whole),
        cmocka_unit_test(a_symbolic_link_is_not_followed_unless_asked),
        cmocka_unit_test(old_kernels_and_containers_follow_no_link_either),
        cmocka_unit_test(only_single_names_are_opened),
        cmocka_unit_test(a_pipe_in_the_way_does_not_block),
        cmocka_unit_test(exclusive_and_private_mean_what_they_say),
        cmocka_unit_test(a_path_is_made_with_what_is_missing_above_it),
        cmocka_unit_test(space_is_set_aside_and_never_taken_away),
        cmocka_unit_test(a_locked_file_is_locked_until_it_is_closed),
        cmocka_unit_test(a_rename_replaces_and_a_removal_removes),
        cmocka_unit_test(a_list_names_everything_once_also_when_two_are_read_at_once),
        cmocka_unit_test(what_was_never_read_or_written_is_not_in_memory),
    };
    return cmocka_run_group_tests(tests, place_open, place_close);
}
