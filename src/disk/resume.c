/* What spate remembers, in one SQLite database per state directory. Every call opens nothing on the loop: jobs
 * on the sync pool use one connection, one at a time. Many processes may share a directory: transactions are
 * short and wait for each other; a lock file per (info-hash, destination) keeps two from the same files.
 *
 * A database that is damaged is set aside under another name, never deleted; one of an unknown version is left
 * alone and refused. */
#include "disk/resume.h"

#include "base/list.h"
#include "base/text.h"
#include "crypto/sha.h"
#include "disk/directory.h"

#include <limits.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    RESUME_SCHEMA_VERSION = 1,
    RESUME_BUSY_MS = 20000, /* as long as others may hold the database */
    RESUME_ASIDE_MAX = 100, /* names tried for a damaged database */
};

#define RESUME_DATABASE "state.db"

struct resume {
    struct io *io;
    char *directory; /* NULL: nothing is remembered */
    pthread_mutex_t lock;
    sqlite3 *db; /* under the lock; opened by the first job */
};

struct resume_lock {
    struct io_op op;
    struct io_fs *fs;
    struct io_file *file; /* NULL: without a directory nothing is locked */
};

/* ---- the database ----------------------------------------------------------------------------- */

static int error_from_sqlite(int code)
{
    switch (code & 0xff) {
    case SQLITE_NOMEM:
        return SPATE_ENOMEM;
    case SQLITE_FULL:
        return SPATE_ENOSPC;
    case SQLITE_READONLY:
        return SPATE_EROFS;
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_CANTOPEN:
        return SPATE_EACCES;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return SPATE_EBUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return SPATE_ESTATE;
    default:
        return SPATE_EIO;
    }
}

static int execute(sqlite3 *db, const char *sql)
{
    int code = sqlite3_exec(db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? 0 : error_from_sqlite(code);
}

static int schema_version(sqlite3 *db, int *version)
{
    sqlite3_stmt *statement;
    int code = sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &statement, NULL);
    if (code == SQLITE_OK) {
        code = sqlite3_step(statement);
        *version = code == SQLITE_ROW ? sqlite3_column_int(statement, 0) : 0;
    }
    sqlite3_finalize(statement);
    return code == SQLITE_ROW ? 0 : error_from_sqlite(code);
}

/* Under an immediate transaction, so that of many processes that begin together one makes the table. */
static int make_schema(sqlite3 *db)
{
    int version = 0;
    int failed = execute(db, "BEGIN IMMEDIATE");
    if (failed) {
        return failed;
    }
    failed = schema_version(db, &version);
    if (!failed && version == 0) {
        failed = execute(db, "CREATE TABLE IF NOT EXISTS torrents ("
                             "info_hash BLOB NOT NULL, destination TEXT NOT NULL, "
                             "record BLOB NOT NULL, PRIMARY KEY (info_hash, destination)"
                             ") WITHOUT ROWID;"
                             "PRAGMA user_version = 1");
    } else if (!failed && version != RESUME_SCHEMA_VERSION) {
        failed = SPATE_EUNSUPPORTED;
    }
    int ended = execute(db, failed ? "ROLLBACK" : "COMMIT");
    return failed ? failed : ended;
}

/* A database of an unknown version is not touched. */
static int configure(sqlite3 *db)
{
    int version = 0;
    sqlite3_busy_timeout(db, RESUME_BUSY_MS);
    int failed = execute(db, "PRAGMA synchronous=EXTRA");
    if (!failed) {
        failed = schema_version(db, &version);
    }
    if (!failed && version != 0 && version != RESUME_SCHEMA_VERSION) {
        failed = SPATE_EUNSUPPORTED;
    }
    if (!failed) {
        failed = execute(db, "PRAGMA journal_mode=DELETE");
    }
    if (!failed && version == 0) {
        failed = make_schema(db);
    }
    return failed;
}

static int open_database(struct resume *r, struct io_fs *fs)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/" RESUME_DATABASE, r->directory);
    if (length < 0 || (size_t)length >= sizeof path) {
        return SPATE_ENAMETOOLONG;
    }
    int code = sqlite3_open_v2(path, &r->db,
                               SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX,
                               fs->sqlite_vfs);
    int failed = code == SQLITE_OK ? configure(r->db) : error_from_sqlite(code);
    if (failed) {
        sqlite3_close(r->db);
        r->db = NULL;
    }
    return failed;
}

/* What lies in it decides what is written where: nobody else may have a hand in it. */
static int open_directory(struct resume *r, struct io_fs *fs, struct io_file **out)
{
    struct io_stat stat;
    int failed =
        io_fs_open_path(fs, r->directory, IO_OPEN_READ | IO_OPEN_DIRECTORY | IO_OPEN_FOLLOW, out);
    if (failed == SPATE_ENOENT) {
        failed = directory_make(fs, r->directory, IO_OPEN_PRIVATE | IO_OPEN_FOLLOW, out);
    }
    if (failed) {
        return failed;
    }
    failed = io_fs_stat(fs, *out, &stat);
    if (!failed && stat.exposed) {
        failed = SPATE_EACCES;
    }
    if (failed) {
        io_fs_close(fs, *out);
        *out = NULL;
    }
    return failed;
}

/* A file below "locks", locked. */
static int take_lock(struct resume *r, struct io_fs *fs, const char *name, struct io_file **out)
{
    struct io_file *directory, *locks;
    *out = NULL;
    int failed = open_directory(r, fs, &directory);
    if (failed) {
        return failed;
    }
    failed =
        io_fs_open(fs, directory, "locks",
                   IO_OPEN_READ | IO_OPEN_CREATE | IO_OPEN_DIRECTORY | IO_OPEN_PRIVATE, &locks);
    io_fs_close(fs, directory);
    if (failed) {
        return failed;
    }
    failed = io_fs_open(fs, locks, name,
                        IO_OPEN_READ | IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_PRIVATE, out);
    io_fs_close(fs, locks);
    if (failed) {
        return failed;
    }
    failed = io_fs_lock(fs, *out);
    if (failed) {
        io_fs_close(fs, *out);
        *out = NULL;
    }
    return failed;
}

/* Renames the damaged database and its journal; what was remembered can be looked at, and is not believed. */
static int set_aside(struct resume *r, struct io_fs *fs)
{
    struct io_file *directory;
    char name[64];
    int failed = open_directory(r, fs, &directory);
    if (failed) {
        return failed;
    }
    failed = SPATE_EEXIST;
    for (int i = 1; failed == SPATE_EEXIST && i <= RESUME_ASIDE_MAX; i++) {
        struct io_stat stat;
        snprintf(name, sizeof name, RESUME_DATABASE ".damaged-%d", i);
        if (io_fs_stat_at(fs, directory, name, &stat) == SPATE_ENOENT) {
            /* The journal first: as soon as the database is gone, another process may make a new one, with a
             * journal of its own. */
            char journal[80];
            snprintf(journal, sizeof journal, "%s-journal", name);
            io_fs_rename(fs, directory, RESUME_DATABASE "-journal", directory, journal);
            failed = io_fs_rename(fs, directory, RESUME_DATABASE, directory, name);
        }
    }
    if (!failed) {
        failed = io_fs_sync(fs, directory);
    }
    io_fs_close(fs, directory);
    return failed;
}

static bool is_sound(sqlite3 *db)
{
    sqlite3_stmt *statement;
    int code = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &statement, NULL);
    bool sound = false;
    if (code == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW) {
        const unsigned char *text = sqlite3_column_text(statement, 0);
        sound = text && strcmp((const char *)text, "ok") == 0;
    }
    sqlite3_finalize(statement);
    return sound;
}

static void close_database(struct resume *r)
{
    sqlite3_close(r->db);
    r->db = NULL;
}

/* The database is damaged: begins anew, unless another process has done so meanwhile. The lock is held. */
static int replace_database(struct resume *r, struct io_fs *fs)
{
    struct io_file *lock;
    close_database(r);
    int failed = take_lock(r, fs, "database", &lock);
    if (failed) {
        return failed == SPATE_ELOCKED ? SPATE_EBUSY : failed;
    }
    failed = open_database(r, fs);
    if (failed == SPATE_ESTATE || (!failed && !is_sound(r->db))) {
        close_database(r);
        failed = set_aside(r, fs);
        failed = failed ? failed : open_database(r, fs);
    }
    io_fs_close(fs, lock);
    return failed;
}

/* Opens the database if need be. *damaged: it was set aside and begins anew. The lock is held. */
static int ensure_database(struct resume *r, struct io_fs *fs, bool *damaged)
{
    struct io_file *directory;
    *damaged = false;
    if (r->db) {
        return 0;
    }
    int failed = open_directory(r, fs, &directory);
    if (failed) {
        return failed;
    }
    io_fs_close(fs, directory);
    failed = open_database(r, fs);
    if (failed == SPATE_ESTATE) {
        *damaged = true;
        failed = replace_database(r, fs);
    }
    return failed;
}

/* ---- loading ---------------------------------------------------------------------------------- */

static void row_name(const uint8_t info_hash[20], const char *destination, char out[41])
{
    struct sha1 sha;
    uint8_t digest[SHA1_BYTES];
    sha1_init(&sha);
    sha1_update(&sha, info_hash, 20);
    sha1_update(&sha, destination, strlen(destination));
    sha1_final(&sha, digest);
    text_hex(digest, sizeof digest, out);
}

static int select_record(struct resume *r, struct resume_load *load, const char *destination)
{
    sqlite3_stmt *statement;
    struct spate_error error = {.size = sizeof error};
    int code = sqlite3_prepare_v2(
        r->db, "SELECT record FROM torrents WHERE info_hash = ? AND destination = ?", -1,
        &statement, NULL);
    if (code != SQLITE_OK) {
        return error_from_sqlite(code);
    }
    sqlite3_bind_blob(statement, 1, load->info_hash, 20, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, destination, -1, SQLITE_STATIC);
    code = sqlite3_step(statement);
    int failed = code == SQLITE_ROW || code == SQLITE_DONE ? 0 : error_from_sqlite(code);
    if (code == SQLITE_ROW) {
        struct span bytes =
            span_of(sqlite3_column_blob(statement, 0), (size_t)sqlite3_column_bytes(statement, 0));
        int bad = resume_record_decode(bytes, load->piece_count, load->file_count,
                                       load->piece_length, &load->record, &error);
        load->found = bad == 0;
        if (bad) { /* everything on the disk is checked then */
            snprintf(load->text, sizeof load->text, "the record of this torrent is damaged: %.150s",
                     error.text);
        }
    }
    sqlite3_finalize(statement);
    return failed;
}

static void say_unusable(struct resume *r, struct resume_load *load, int failed)
{
    snprintf(load->text, sizeof load->text, "cannot use the state directory \"%.120s\": %s%s",
             r->directory, spate_strerror(failed),
             failed == SPATE_EACCES ? " (it must be yours, and nobody else may write to it)" : "");
}

static int load_record(struct resume *r, struct io_fs *fs, struct resume_load *load,
                       const char *destination)
{
    bool damaged;
    pthread_mutex_lock(&r->lock);
    int failed = ensure_database(r, fs, &damaged);
    if (!failed) {
        failed = select_record(r, load, destination);
        if (failed == SPATE_ESTATE) {
            damaged = true;
            failed = replace_database(r, fs);
        }
    }
    pthread_mutex_unlock(&r->lock);
    if (damaged && !failed) {
        snprintf(load->text, sizeof load->text,
                 "the state database was damaged and has been set aside; what is on the disk is "
                 "checked");
    } else if (failed == SPATE_EUNSUPPORTED) {
        failed = SPATE_ESTATE;
        snprintf(load->text, sizeof load->text,
                 "the state database was written by another version of spate");
    } else if (failed) {
        say_unusable(r, load, failed);
    }
    return failed;
}

static int run_load(struct io_op *op, struct io_fs *fs)
{
    struct resume_load *load = list_entry(op, struct resume_load, op);
    struct resume *r = load->resume;
    char destination[PATH_MAX], name[41];
    struct resume_lock *lock = calloc(1, sizeof *lock);
    if (!lock) {
        return SPATE_ENOMEM;
    }
    lock->fs = fs;
    int failed = io_fs_real_path(fs, load->destination, destination, sizeof destination);
    if (!failed && r->directory) {
        row_name(load->info_hash, destination, name);
        failed = take_lock(r, fs, name, &lock->file);
        if (failed == SPATE_ELOCKED) {
            snprintf(load->text, sizeof load->text,
                     "another spate process is working on this torrent in \"%.150s\"", destination);
        } else if (failed) {
            say_unusable(r, load, failed);
        } else {
            failed = load_record(r, fs, load, destination);
        }
    }
    if (!failed && !load->found) {
        load->record.destination = strdup(destination);
        failed = load->record.destination ? 0 : SPATE_ENOMEM;
    }
    if (failed) {
        io_fs_close(fs, lock->file);
        free(lock);
        return failed;
    }
    load->lock = lock;
    return 0;
}

void resume_load(struct resume *r, struct resume_load *load)
{
    load->resume = r;
    load->found = false;
    load->lock = NULL;
    load->text[0] = 0;
    load->record = (struct resume_record){0};
    io_work(r->io, IO_POOL_SYNC, &load->op, run_load, 0);
}

static int run_unlock(struct io_op *op, struct io_fs *fs)
{
    struct resume_lock *lock = list_entry(op, struct resume_lock, op);
    io_fs_close(fs, lock->file);
    return 0;
}

static void on_unlocked(struct io_op *op, int status)
{
    struct resume_lock *lock = list_entry(op, struct resume_lock, op);
    if (status < 0) {
        /* The port is ending and has no worker for this any more. */
        io_fs_close(lock->fs, lock->file);
    }
    free(lock);
}

void resume_unlock(struct resume *r, void *token)
{
    struct resume_lock *lock = token;
    if (!lock->file) {
        free(lock);
        return;
    }
    lock->op.done = on_unlocked;
    io_work(r->io, IO_POOL_SYNC, &lock->op, run_unlock, 0);
}

/* ---- saving ----------------------------------------------------------------------------------- */

static int replace_row(struct resume *r, const struct resume_save *save)
{
    sqlite3_stmt *statement;
    const char *sql = save->forget
                          ? "DELETE FROM torrents WHERE info_hash = ? AND destination = ?"
                          : "INSERT OR REPLACE INTO torrents (info_hash, destination, record) "
                            "VALUES (?, ?, ?)";
    int code = sqlite3_prepare_v2(r->db, sql, -1, &statement, NULL);
    if (code != SQLITE_OK) {
        return error_from_sqlite(code);
    }
    sqlite3_bind_blob(statement, 1, save->info_hash, 20, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, save->destination, -1, SQLITE_STATIC);
    if (!save->forget) {
        sqlite3_bind_blob64(statement, 3, save->bytes, save->size, SQLITE_STATIC);
    }
    code = sqlite3_step(statement);
    sqlite3_finalize(statement);
    return code == SQLITE_DONE ? 0 : error_from_sqlite(code);
}

static int run_save(struct io_op *op, struct io_fs *fs)
{
    struct resume_save *save = list_entry(op, struct resume_save, op);
    struct resume *r = save->resume;
    bool damaged;
    if (!r->directory) {
        return 0;
    }
    pthread_mutex_lock(&r->lock);
    int failed = ensure_database(r, fs, &damaged);
    if (!failed) {
        failed = replace_row(r, save);
        if (failed == SPATE_ESTATE) {
            failed = replace_database(r, fs);
            failed = failed ? failed : replace_row(r, save);
        }
    }
    pthread_mutex_unlock(&r->lock);
    return failed == SPATE_EUNSUPPORTED ? SPATE_ESTATE : failed;
}

void resume_save(struct resume *r, struct resume_save *save)
{
    save->resume = r;
    io_work(r->io, IO_POOL_SYNC, &save->op, run_save, save->size);
}

/* ---- its life --------------------------------------------------------------------------------- */

int resume_create(struct io *io, const char *directory, struct resume **out)
{
    struct resume *r = calloc(1, sizeof *r);
    if (!r) {
        return SPATE_ENOMEM;
    }
    r->io = io;
    if (directory && !(r->directory = strdup(directory))) {
        free(r);
        return SPATE_ENOMEM;
    }
    int failed = pthread_mutex_init(&r->lock, NULL);
    ASSERT(failed == 0);
    *out = r;
    return 0;
}

void resume_destroy(struct resume *r)
{
    if (!r) {
        return;
    }
    sqlite3_close(r->db);
    pthread_mutex_destroy(&r->lock);
    free(r->directory);
    free(r);
}

char *resume_part_path(const struct resume *r, const uint8_t info_hash[20], const char *destination)
{
    char name[41], *path;
    if (!r->directory) {
        return NULL;
    }
    row_name(info_hash, destination, name);
    size_t size = strlen(r->directory) + sizeof "/.parts" + sizeof name;
    path = malloc(size);
    if (path) {
        snprintf(path, size, "%s/%s.parts", r->directory, name);
    }
    return path;
}
