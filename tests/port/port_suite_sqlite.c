/* SQLite over the driver's files, through the file system that io_fs names: only ever inside io_work, where each
 * body returns the line that does not hold, or 0. */
#include "port_suite_inside.h"

#include <sqlite3.h>
#include <stdio.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            return __LINE__;                                                                       \
        }                                                                                          \
    } while (0)

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
    io_work(t->io[0], IO_POOL_SYNC, &body.noted.op, body_run, 0);
    port_await(t, &body.noted.op);
    assert_int_equal(body.noted.status, 0); /* or the line of port_suite_sqlite.c that failed */
}

static sqlite3 *open_database(struct io_fs *fs, const char *directory)
{
    char path[4096];
    sqlite3 *db = NULL;
    snprintf(path, sizeof path, "%s/test.db", directory);
    int code =
        sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, fs->sqlite_vfs);
    if (code != SQLITE_OK) {
        sqlite3_close(db);
        db = NULL;
    }
    return db;
}

static int execute(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static int count_rows(sqlite3 *db)
{
    sqlite3_stmt *statement;
    int count = -1;
    if (sqlite3_prepare_v2(db, "SELECT count(*) FROM t", -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW) {
        count = sqlite3_column_int(statement, 0);
    }
    sqlite3_finalize(statement);
    return count;
}

/* Which of the names that SQLite uses are there. */
static bool is_there(struct io_fs *fs, const char *directory, const char *name)
{
    struct io_file *dir;
    struct io_stat stat;
    int rc = io_fs_open_path(fs, directory, IO_OPEN_DIRECTORY, &dir);
    if (rc == 0) {
        rc = io_fs_stat_at(fs, dir, name, &stat);
        io_fs_close(fs, dir);
    }
    return rc == 0;
}

static int keeping(struct io_fs *fs, const char *directory)
{
    sqlite3 *db = open_database(fs, directory);
    CHECK(db);
    CHECK(execute(db, "PRAGMA synchronous=EXTRA; CREATE TABLE t (n INTEGER, b BLOB)") == SQLITE_OK);
    CHECK(execute(db, "BEGIN") == SQLITE_OK);
    for (int i = 0; i < 50; i++) {
        CHECK(execute(db, "INSERT INTO t VALUES (1, zeroblob(10000))") == SQLITE_OK);
    }
    CHECK(execute(db, "COMMIT") == SQLITE_OK);
    CHECK(!is_there(fs, directory, "test.db-journal"));
    CHECK(sqlite3_close(db) == SQLITE_OK);
    CHECK(is_there(fs, directory, "test.db"));
    db = open_database(fs, directory);
    CHECK(db && count_rows(db) == 50);
    CHECK(execute(db, "BEGIN; DELETE FROM t") == SQLITE_OK && count_rows(db) == 0);
    CHECK(execute(db, "ROLLBACK") == SQLITE_OK && count_rows(db) == 50);
    CHECK(execute(db, "DELETE FROM t; VACUUM") == SQLITE_OK && count_rows(db) == 0);
    CHECK(execute(db, "PRAGMA integrity_check") == SQLITE_OK);
    CHECK(sqlite3_close(db) == SQLITE_OK);
    return 0;
}

static void a_database_lies_among_the_files(void **state)
{
    in_work(*state, keeping);
}

static int sharing(struct io_fs *fs, const char *directory)
{
    sqlite3 *one = open_database(fs, directory), *two = open_database(fs, directory);
    CHECK(one && two);
    CHECK(execute(one, "CREATE TABLE t (n INTEGER)") == SQLITE_OK);
    CHECK(execute(one, "BEGIN IMMEDIATE; INSERT INTO t VALUES (1)") == SQLITE_OK);
    CHECK(count_rows(two) == 0);
    CHECK(execute(two, "BEGIN IMMEDIATE") == SQLITE_BUSY);
    CHECK(execute(one, "COMMIT") == SQLITE_OK);
    CHECK(count_rows(two) == 1);
    CHECK(execute(two, "BEGIN; SELECT * FROM t") == SQLITE_OK);
    CHECK(execute(one, "INSERT INTO t VALUES (2)") == SQLITE_BUSY); /* somebody reads */
    CHECK(execute(two, "COMMIT") == SQLITE_OK);
    CHECK(execute(one, "INSERT INTO t VALUES (2)") == SQLITE_OK);
    CHECK(count_rows(two) == 2);
    CHECK(sqlite3_close(one) == SQLITE_OK && sqlite3_close(two) == SQLITE_OK);
    return 0;
}

static void two_connections_keep_out_of_each_others_way(void **state)
{
    in_work(*state, sharing);
}

const struct CMUnitTest *port_suite_sqlite(size_t *count)
{
    static const struct CMUnitTest tests[] = {
        PORT_TEST(a_database_lies_among_the_files),
        PORT_TEST(two_connections_keep_out_of_each_others_way),
    };
    *count = sizeof tests / sizeof *tests;
    return tests;
}
