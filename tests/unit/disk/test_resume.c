/* The state database: what was saved is found again, by one process at a time, and damage is set aside. */
#include "disk/resume.h"

#include "io/uv/io_uv.h"

#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { PIECES = 16, FILES = 1, PIECE_BYTES = 16384, PROCESSES = 20 };

static char home[64], directory[128];
static struct io *io;
static struct resume *resume;

static void open_world(void)
{
    assert_int_equal(io_uv_create(&(struct io_uv_settings){.workers = 1}, &io), 0);
    assert_int_equal(resume_create(io, directory, &resume), 0);
}

static void close_world(void)
{
    resume_destroy(resume);
    io_uv_destroy(io);
    resume = NULL;
}

static int setup(void **state)
{
    (void)state;
    snprintf(home, sizeof home, "/tmp/spate-resume-XXXXXX");
    assert_non_null(mkdtemp(home));
    snprintf(directory, sizeof directory, "%s/state", home);
    open_world();
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

static int teardown(void **state)
{
    (void)state;
    if (resume) {
        close_world();
    }
    nftw(home, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}

struct loading {
    struct resume_load load;
    int status;
};

static void on_loaded(struct io_op *op, int status)
{
    list_entry(list_entry(op, struct resume_load, op), struct loading, load)->status = status;
}

static int load(uint8_t id, const char *destination, struct loading *out)
{
    *out = (struct loading){.load = {.op.done = on_loaded,
                                     .destination = destination,
                                     .piece_count = PIECES,
                                     .file_count = FILES,
                                     .piece_length = PIECE_BYTES}};
    memset(out->load.info_hash, id, 20);
    resume_load(resume, &out->load);
    while (out->load.op.active) {
        io_uv_run_once(io, 1000);
    }
    return out->status;
}

static void unload(struct loading *l)
{
    resume_record_deinit(&l->load.record);
    resume_unlock(resume, l->load.lock);
}

struct saving {
    struct resume_save save;
    int status;
};

static void on_saved(struct io_op *op, int status)
{
    list_entry(list_entry(op, struct resume_save, op), struct saving, save)->status = status;
}

static int save_bytes(struct saving *s)
{
    s->save.op.done = on_saved;
    resume_save(resume, &s->save);
    while (s->save.op.active) {
        io_uv_run_once(io, 1000);
    }
    return s->status;
}

static int save(uint8_t id, const char *destination, uint32_t key)
{
    struct resume_record r = {.destination = (char *)(uintptr_t)destination, .key = key};
    struct resume_file file = {.present = true, .inode = key};
    struct saving s = {0};
    memset(r.info_hash, id, 20);
    r.files = &file;
    r.file_count = FILES;
    assert_int_equal(bitset_init(&r.written, PIECES), 0);
    assert_int_equal(bitset_init(&r.durable, PIECES), 0);
    bitset_set(&r.written, key % PIECES);
    assert_int_equal(resume_record_encode(&r, &s.save.bytes, &s.save.size), 0);
    memset(s.save.info_hash, id, 20);
    s.save.destination = destination;
    int rc = save_bytes(&s);
    free(s.save.bytes);
    bitset_deinit(&r.written);
    bitset_deinit(&r.durable);
    return rc;
}

static bool exists(const char *name)
{
    char path[256];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return stat(path, &st) == 0;
}

static void a_record_is_found_again(void **state)
{
    (void)state;
    struct loading l;
    assert_int_equal(load(1, home, &l), 0);
    assert_false(l.load.found);
    assert_string_equal(l.load.record.destination, home);
    assert_int_equal(save(1, home, 77), 0);
    unload(&l);
    close_world();
    open_world();
    assert_int_equal(load(1, home, &l), 0);
    assert_true(l.load.found);
    assert_int_equal(l.load.record.key, 77);
    assert_true(bitset_get(&l.load.record.written, 77 % PIECES));
    unload(&l);
}

static void the_directory_is_private(void **state)
{
    (void)state;
    struct loading l;
    struct stat st;
    assert_int_equal(load(1, home, &l), 0);
    assert_int_equal(stat(directory, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    unload(&l);
}

static void a_directory_that_others_may_write_to_is_refused(void **state)
{
    (void)state;
    struct loading l;
    assert_int_equal(mkdir(directory, 0777), 0);
    assert_int_equal(chmod(directory, 0777), 0);
    assert_int_equal(load(1, home, &l), SPATE_EACCES);
    assert_non_null(strstr(l.load.text, directory));
    assert_false(exists("state.db"));
    assert_int_equal(save(1, home, 1), SPATE_EACCES);
}

static void rows_are_told_apart_by_torrent_and_destination(void **state)
{
    (void)state;
    struct loading l;
    assert_int_equal(save(1, "/a", 1), 0);
    assert_int_equal(save(1, "/b", 2), 0);
    assert_int_equal(save(2, "/a", 3), 0);
    assert_int_equal(save(1, "/a", 4), 0);
    assert_int_equal(load(1, "/a", &l), 0);
    assert_int_equal(l.load.record.key, 4);
    unload(&l);
    assert_int_equal(load(1, "/b", &l), 0);
    assert_int_equal(l.load.record.key, 2);
    unload(&l);
    assert_int_equal(load(2, "/b", &l), 0);
    assert_false(l.load.found);
    unload(&l);
}

static void a_destination_has_one_row_by_whatever_name(void **state)
{
    (void)state;
    struct loading l;
    char path[PATH_MAX], via[128];
    snprintf(path, sizeof path, "%s/link", home);
    assert_int_equal(symlink(home, path), 0);
    snprintf(path, sizeof path, "%s/x", home);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(via, sizeof via, "%s/link/./x/../y/", home);
    assert_int_equal(load(1, via, &l), 0);
    snprintf(path, sizeof path, "%s/y", home);
    assert_string_equal(l.load.record.destination, path);
    unload(&l);
}

static void a_forgotten_row_is_gone(void **state)
{
    (void)state;
    struct loading l;
    struct saving s = {.save = {.forget = true, .destination = "/a"}};
    memset(s.save.info_hash, 1, 20);
    assert_int_equal(save(1, "/a", 1), 0);
    assert_int_equal(save_bytes(&s), 0);
    assert_int_equal(load(1, "/a", &l), 0);
    assert_false(l.load.found);
    unload(&l);
}

static void a_row_in_use_is_locked(void **state)
{
    (void)state;
    struct loading first, second, other;
    assert_int_equal(load(1, home, &first), 0);
    assert_int_equal(load(1, home, &second), SPATE_ELOCKED);
    assert_non_null(strstr(second.load.text, "another spate process"));
    assert_int_equal(load(2, home, &other), 0);
    unload(&other);
    unload(&first);
    assert_int_equal(load(1, home, &second), 0);
    unload(&second);
}

static void a_lock_ends_with_its_process(void **state)
{
    (void)state;
    struct loading l;
    int ready[2];
    char byte;
    close_world();
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        open_world();
        byte = (char)(load(1, home, &l) == 0 ? 'y' : 'n');
        (void)!write(ready[1], &byte, 1);
        pause();
        _exit(0);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    open_world();
    assert_int_equal(load(1, home, &l), SPATE_ELOCKED);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(load(1, home, &l), 0);
    unload(&l);
    close(ready[0]);
    close(ready[1]);
}

static void twenty_processes_share_one_directory(void **state)
{
    (void)state;
    struct loading l;
    pid_t children[PROCESSES];
    close_world();
    for (uint8_t i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            int bad = 0;
            open_world();
            bad |= load((uint8_t)(i + 1), "/same", &l);
            for (uint32_t n = 0; n < 4; n++) {
                bad |= save((uint8_t)(i + 1), "/same", 1000u * i + n);
            }
            unload(&l);
            close_world();
            _exit(bad ? 1 : 0);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    open_world();
    for (uint8_t i = 0; i < PROCESSES; i++) {
        assert_int_equal(load((uint8_t)(i + 1), "/same", &l), 0);
        assert_true(l.load.found);
        assert_int_equal(l.load.record.key, 1000u * i + 3);
        unload(&l);
    }
}

static void spoil(const char *name, long offset, const char *bytes, size_t size)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    fseek(file, offset, SEEK_SET);
    fwrite(bytes, 1, size, file);
    fclose(file);
}

static void a_database_that_is_none_is_set_aside(void **state)
{
    (void)state;
    struct loading l;
    assert_int_equal(save(1, "/a", 1), 0);
    close_world();
    spoil("state.db", 0, "this is not a database at all", 29);
    open_world();
    assert_int_equal(load(1, "/a", &l), 0);
    assert_false(l.load.found);
    assert_non_null(strstr(l.load.text, "set aside"));
    assert_true(exists("state.db.damaged-1"));
    assert_int_equal(save(1, "/a", 5), 0);
    unload(&l);
    close_world();
    spoil("state.db", 0, "this is not a database at all", 29);
    open_world();
    assert_int_equal(save(1, "/a", 6), 0);
    assert_true(exists("state.db.damaged-2"));
    assert_int_equal(load(1, "/a", &l), 0);
    assert_int_equal(l.load.record.key, 6);
    unload(&l);
}

static void many_processes_that_find_damage_set_it_aside_once(void **state)
{
    (void)state;
    struct loading l;
    pid_t children[PROCESSES];
    assert_int_equal(save(1, "/a", 1), 0);
    close_world();
    spoil("state.db", 0, "this is not a database at all", 29);
    for (uint8_t i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            open_world();
            /* Somebody else may be replacing it just now. */
            int rc;
            for (int tries = 0;
                 (rc = save((uint8_t)(i + 1), "/a", i)) == SPATE_EBUSY && tries < 1000; tries++) {
                usleep(10000);
            }
            close_world();
            _exit(rc ? 1 : 0);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    open_world();
    assert_false(exists("state.db.damaged-2"));
    for (uint8_t i = 0; i < PROCESSES; i++) {
        assert_int_equal(load((uint8_t)(i + 1), "/a", &l), 0);
        assert_true(l.load.found);
        unload(&l);
    }
}

static void a_damaged_page_is_found_and_set_aside(void **state)
{
    (void)state;
    struct loading l;
    for (uint8_t i = 0; i < 60; i++) {
        assert_int_equal(save((uint8_t)(i + 1), "/a", i), 0);
    }
    close_world();
    static char junk[4096];
    memset(junk, 0x5a, sizeof junk);
    for (long page = 1; page < 3; page++) {
        spoil("state.db", page * 4096, junk, sizeof junk);
    }
    open_world();
    assert_int_equal(load(1, "/a", &l), 0);
    assert_false(l.load.found);
    assert_true(exists("state.db.damaged-1"));
    assert_int_equal(save(1, "/a", 5), 0);
    unload(&l);
}

static void a_damaged_record_is_not_believed(void **state)
{
    (void)state;
    struct loading l;
    struct saving s = {.save = {.destination = "/a", .bytes = (uint8_t[]){1, 2, 3}, .size = 3}};
    memset(s.save.info_hash, 1, 20);
    assert_int_equal(save_bytes(&s), 0);
    assert_int_equal(load(1, "/a", &l), 0);
    assert_false(l.load.found);
    assert_non_null(strstr(l.load.text, "damaged"));
    unload(&l);
}

static void read_all(const char *name, uint8_t *out, size_t *size, size_t max)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    *size = fread(out, 1, max, file);
    fclose(file);
}

static void a_database_of_another_version_is_left_alone(void **state)
{
    (void)state;
    static uint8_t before[65536], after[65536];
    size_t before_size, after_size;
    struct loading l;
    char path[256];
    sqlite3 *db;
    assert_int_equal(save(1, "/a", 1), 0);
    close_world();
    snprintf(path, sizeof path, "%s/state.db", directory);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    read_all("state.db", before, &before_size, sizeof before);
    open_world();
    assert_int_equal(load(1, "/a", &l), SPATE_ESTATE);
    assert_non_null(strstr(l.load.text, "version"));
    assert_int_equal(save(1, "/a", 2), SPATE_ESTATE);
    close_world();
    read_all("state.db", after, &after_size, sizeof after);
    assert_int_equal(before_size, after_size);
    assert_memory_equal(before, after, after_size);
    assert_false(exists("state.db.damaged-1"));
    open_world();
}

static void without_a_directory_everything_is_forgotten(void **state)
{
    (void)state;
    struct loading l, second;
    close_world();
    assert_int_equal(io_uv_create(&(struct io_uv_settings){.workers = 1}, &io), 0);
    assert_int_equal(resume_create(io, NULL, &resume), 0);
    assert_int_equal(save(1, "/a", 1), 0);
    assert_int_equal(load(1, "/a", &l), 0);
    assert_false(l.load.found);
    assert_int_equal(load(1, "/a", &second), 0);
    unload(&l);
    unload(&second);
    uint8_t hash[20] = {0};
    assert_null(resume_part_path(resume, hash, "/a"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_record_is_found_again),
        T(the_directory_is_private),
        T(a_directory_that_others_may_write_to_is_refused),
        T(rows_are_told_apart_by_torrent_and_destination),
        T(a_destination_has_one_row_by_whatever_name),
        T(a_forgotten_row_is_gone),
        T(a_row_in_use_is_locked),
        T(a_lock_ends_with_its_process),
        T(twenty_processes_share_one_directory),
        T(a_database_that_is_none_is_set_aside),
        T(many_processes_that_find_damage_set_it_aside_once),
        T(a_damaged_page_is_found_and_set_aside),
        T(a_damaged_record_is_not_believed),
        T(a_database_of_another_version_is_left_alone),
        T(without_a_directory_everything_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
