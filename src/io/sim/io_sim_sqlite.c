/* SQLite's virtual file system (sqlite.org/c3ref/vfs.html) over the file calls of a simulated host, so that
 * a database pays, fails and crashes with everything else on the disk. It does what SQLite's own does on
 * Linux: the same calls in the same order, the same promises of the disk (4096-byte sectors, overwriting is
 * power-safe), a directory synced after the first sync of a new journal and after its removal.
 *
 * A journal holds a nonce from SQLite's own generator, which all worlds of the process share. It decides
 * nothing, and the event log leaves the bytes of journals out. */
#include "io/sim/io_sim_sqlite.h"

#include "io/sim/io_sim_world.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

enum { SECTOR_BYTES = 4096, NAME_BYTES = 40 };
static const int64_t julian_ms_1970 = INT64_C(210866760000000); /* 2440587.5 days */

struct io_sim_sqlite {
    sqlite3_vfs vfs; /* first */
    char name[NAME_BYTES];
    struct io_sim *sim; /* NULL: the world has ended */
    struct list files;  /* of sqlite_file.link */
    uint64_t temporary; /* names given to files that came without */
};

struct sqlite_file {
    sqlite3_file base; /* first */
    struct io_sim_sqlite *sqlite;
    struct list link;
    struct io_fs *fs;     /* NULL: the world has ended */
    struct io_file *file; /* NULL as well */
    int lock;             /* SQLITE_LOCK_... */
    bool sync_directory;  /* with the next sync: its name is new */
    bool delete_on_close;
    char path[IO_SIM_PATH_MAX];
};

static struct io_sim_sqlite *sqlite_of(sqlite3_vfs *vfs)
{
    return (struct io_sim_sqlite *)(void *)vfs;
}

static struct sqlite_file *file_of(sqlite3_file *file)
{
    return (struct sqlite_file *)(void *)file;
}

/* The host whose job this is. NULL: none runs. */
static struct io_sim_host *host_of(sqlite3_vfs *vfs)
{
    const struct io_sim *sim = sqlite_of(vfs)->sim;
    return sim ? sim->disks.working : NULL;
}

static int code_of(int64_t error, int otherwise)
{
    return error == SPATE_ENOSPC ? SQLITE_FULL : error == SPATE_EROFS ? SQLITE_READONLY : otherwise;
}

/* ---- directories ------------------------------------------------------------------------------ */

/* Opens the directory of a path; *name is the rest. */
static int open_directory(struct io_fs *fs, const char *path, struct io_file **out,
                          const char **name)
{
    char directory[IO_SIM_PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t size = slash && slash > path ? (size_t)(slash - path) : 1;
    *name = slash ? slash + 1 : path;
    memcpy(directory, size > 1 ? path : "/", size);
    directory[size] = 0;
    return io_fs_open_path(fs, directory, IO_OPEN_READ | IO_OPEN_DIRECTORY, out);
}

static int sync_directory(struct io_fs *fs, const char *path)
{
    struct io_file *directory;
    const char *name;
    int rc = open_directory(fs, path, &directory, &name);
    if (rc == 0) {
        rc = io_fs_sync(fs, directory);
        io_fs_close(fs, directory);
    }
    return rc;
}

static int remove_name(struct io_fs *fs, const char *path, bool sync)
{
    struct io_file *directory;
    const char *name;
    int rc = open_directory(fs, path, &directory, &name);
    if (rc < 0) {
        return rc == SPATE_ENOENT ? SQLITE_IOERR_DELETE_NOENT : SQLITE_IOERR_DELETE;
    }
    rc = io_fs_unlink(fs, directory, name);
    int code = rc == SPATE_ENOENT ? SQLITE_IOERR_DELETE_NOENT
               : rc < 0           ? SQLITE_IOERR_DELETE
                                  : SQLITE_OK;
    if (code == SQLITE_OK && sync && io_fs_sync(fs, directory) < 0) {
        code = SQLITE_IOERR_DIR_FSYNC;
    }
    io_fs_close(fs, directory);
    return code;
}

/* ---- a file ----------------------------------------------------------------------------------- */

static int file_close(sqlite3_file *file);

static int file_read(sqlite3_file *file, void *out, int size, sqlite3_int64 offset)
{
    struct sqlite_file *f = file_of(file);
    struct iovec v = {out, (size_t)size};
    int64_t n = f->fs ? io_fs_read(f->fs, f->file, (uint64_t)offset, &v, 1) : SPATE_EIO;
    if (n < 0) {
        return SQLITE_IOERR_READ;
    }
    if (n < size) {
        memset((uint8_t *)out + n, 0, (size_t)(size - n));
        return SQLITE_IOERR_SHORT_READ;
    }
    return SQLITE_OK;
}

static int file_write(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 offset)
{
    struct sqlite_file *f = file_of(file);
    struct iovec v = {(void *)(uintptr_t)bytes, (size_t)size};
    int64_t n = f->fs ? io_fs_write(f->fs, f->file, (uint64_t)offset, &v, 1) : SPATE_EIO;
    return n < 0 ? code_of(n, SQLITE_IOERR_WRITE) : SQLITE_OK;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct sqlite_file *f = file_of(file);
    int rc = f->fs ? io_fs_truncate(f->fs, f->file, (uint64_t)size) : SPATE_EIO;
    return rc < 0 ? code_of(rc, SQLITE_IOERR_TRUNCATE) : SQLITE_OK;
}

static int file_sync(sqlite3_file *file, int flags)
{
    struct sqlite_file *f = file_of(file);
    (void)flags;
    if (!f->fs || io_fs_sync(f->fs, f->file) < 0) {
        return SQLITE_IOERR_FSYNC;
    }
    if (f->sync_directory) {
        f->sync_directory = false;
        if (sync_directory(f->fs, f->path) < 0) {
            return SQLITE_IOERR_DIR_FSYNC;
        }
    }
    return SQLITE_OK;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    const struct sqlite_file *f = file_of(file);
    *size = 0;
    if (!f->fs || !f->file->node) {
        return SQLITE_IOERR_FSTAT;
    }
    *size = (sqlite3_int64)f->file->node->pages.length;
    return SQLITE_OK;
}

/* ---- locks ------------------------------------------------------------------------------------ */

/* NULL: the process is gone, and its locks with it. */
static struct io_sim_sqlite_locks *locks_of(const struct sqlite_file *f)
{
    return f->fs && f->file->node ? &f->file->node->sqlite : NULL;
}

static bool is_other(const void *holder, const struct sqlite_file *f)
{
    return holder && holder != f;
}

static int take_lock(struct sqlite_file *f, struct io_sim_sqlite_locks *locks, int level)
{
    if (level == SQLITE_LOCK_SHARED) {
        if (is_other(locks->pending, f) || is_other(locks->exclusive, f)) {
            return SQLITE_BUSY;
        }
        locks->shared++;
    } else if (level == SQLITE_LOCK_RESERVED) {
        if (is_other(locks->reserved, f) || is_other(locks->pending, f)) {
            return SQLITE_BUSY;
        }
        locks->reserved = f;
    } else {
        if (is_other(locks->reserved, f) || is_other(locks->pending, f)) {
            return SQLITE_BUSY;
        }
        locks->pending = f;
        f->lock = SQLITE_LOCK_PENDING;
        if (locks->shared > 1) {
            return SQLITE_BUSY;
        }
        locks->exclusive = f;
    }
    f->lock = level;
    return SQLITE_OK;
}

static int file_lock(sqlite3_file *file, int level)
{
    struct sqlite_file *f = file_of(file);
    struct io_sim_sqlite_locks *locks = locks_of(f);
    if (f->lock >= level) {
        return SQLITE_OK;
    }
    return locks ? take_lock(f, locks, level) : SQLITE_IOERR_LOCK;
}

static int file_unlock(sqlite3_file *file, int level)
{
    struct sqlite_file *f = file_of(file);
    struct io_sim_sqlite_locks *locks = locks_of(f);
    if (f->lock <= level) {
        return SQLITE_OK;
    }
    if (locks) {
        locks->reserved = locks->reserved == f ? NULL : locks->reserved;
        locks->pending = locks->pending == f ? NULL : locks->pending;
        locks->exclusive = locks->exclusive == f ? NULL : locks->exclusive;
        locks->shared -= level == SQLITE_LOCK_NONE;
    }
    f->lock = level;
    return SQLITE_OK;
}

static int file_check_reserved(sqlite3_file *file, int *out)
{
    const struct io_sim_sqlite_locks *locks = locks_of(file_of(file));
    *out = locks && (locks->reserved || locks->pending || locks->exclusive);
    return SQLITE_OK;
}

static int file_control(sqlite3_file *file, int op, void *argument)
{
    (void)file;
    (void)op;
    (void)argument;
    return SQLITE_NOTFOUND;
}

static int file_sector_size(sqlite3_file *file)
{
    (void)file;
    return SECTOR_BYTES;
}

static int file_characteristics(sqlite3_file *file)
{
    (void)file;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods file_methods = {
    .iVersion = 1,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
};

static void sqlite_free(struct io_sim_sqlite *sqlite)
{
    if (!sqlite->sim && list_empty(&sqlite->files)) {
        free(sqlite);
    }
}

static int file_close(sqlite3_file *file)
{
    struct sqlite_file *f = file_of(file);
    struct io_sim_sqlite *sqlite = f->sqlite;
    file_unlock(file, SQLITE_LOCK_NONE);
    if (f->fs) {
        if (f->delete_on_close) {
            remove_name(f->fs, f->path, false);
        }
        io_fs_close(f->fs, f->file);
    }
    list_remove(&f->link);
    file->pMethods = NULL;
    sqlite_free(sqlite);
    return SQLITE_OK;
}

/* ---- the file system -------------------------------------------------------------------------- */

static int open_flags(int flags)
{
    int out = IO_OPEN_READ;
    out |= flags & SQLITE_OPEN_READWRITE ? IO_OPEN_WRITE : 0;
    out |= flags & SQLITE_OPEN_CREATE ? IO_OPEN_CREATE : 0;
    out |= flags & SQLITE_OPEN_EXCLUSIVE ? IO_OPEN_EXCLUSIVE : 0;
    return out;
}

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out)
{
    struct io_sim_sqlite *sqlite = sqlite_of(vfs);
    struct sqlite_file *f = file_of(file);
    struct io_sim_host *host = host_of(vfs);
    f->base.pMethods = NULL;
    if (!host) {
        return SQLITE_CANTOPEN;
    }
    f->sqlite = sqlite;
    f->fs = &host->disk.inside.fs;
    f->lock = SQLITE_LOCK_NONE;
    f->delete_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
    f->sync_directory = (flags & SQLITE_OPEN_CREATE) && (flags & SQLITE_OPEN_MAIN_JOURNAL);
    if (path) {
        snprintf(f->path, sizeof f->path, "%s", path);
    } else {
        snprintf(f->path, sizeof f->path, "/.sqlite-%llu", (unsigned long long)++sqlite->temporary);
    }
    int rc = io_fs_open_path(f->fs, f->path, open_flags(flags), &f->file);
    if ((rc == SPATE_EROFS || rc == SPATE_EACCES) && (flags & SQLITE_OPEN_READWRITE) && path) {
        flags &= ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
        flags |= SQLITE_OPEN_READONLY;
        rc = io_fs_open_path(f->fs, f->path, IO_OPEN_READ, &f->file);
    }
    if (rc < 0) {
        return SQLITE_CANTOPEN;
    }
    f->file->is_opaque = (flags & SQLITE_OPEN_MAIN_DB) == 0;
    list_push_back(&sqlite->files, &f->link);
    f->base.pMethods = &file_methods;
    if (out) {
        *out = flags;
    }
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync)
{
    struct io_sim_host *host = host_of(vfs);
    return host ? remove_name(&host->disk.inside.fs, path, sync) : SQLITE_IOERR_DELETE;
}

/* An empty file counts as none, as SQLite's own does on Linux: it is what a lost journal may leave. */
static int vfs_access(sqlite3_vfs *vfs, const char *path, int flags, int *out)
{
    struct io_sim_host *host = host_of(vfs);
    struct io_file *directory;
    struct io_stat stat;
    const char *name;
    *out = 0;
    if (!host) {
        return SQLITE_IOERR_ACCESS;
    }
    struct io_fs *fs = &host->disk.inside.fs;
    int rc = open_directory(fs, path, &directory, &name);
    if (rc == 0) {
        rc = io_fs_stat_at(fs, directory, name, &stat);
        io_fs_close(fs, directory);
    }
    if (rc < 0) {
        return rc == SPATE_ENOENT ? SQLITE_OK : SQLITE_IOERR_ACCESS;
    }
    *out = flags != SQLITE_ACCESS_EXISTS || stat.type != IO_TYPE_FILE || stat.length > 0;
    return SQLITE_OK;
}

static int vfs_full_path(sqlite3_vfs *vfs, const char *path, int size, char *out)
{
    struct io_sim_host *host = host_of(vfs);
    int rc = host ? io_fs_real_path(&host->disk.inside.fs, path, out, (size_t)size) : SPATE_EIO;
    return rc < 0 ? SQLITE_CANTOPEN : SQLITE_OK;
}

static int vfs_randomness(sqlite3_vfs *vfs, int size, char *out)
{
    struct io_sim_host *host = host_of(vfs);
    for (int i = 0; i < size; i++) {
        out[i] = (char)(host ? dice_next(&host->disk.dice) & 0x7f : 0);
    }
    return size;
}

/* The job waits, and nobody else meanwhile. */
static int vfs_sleep(sqlite3_vfs *vfs, int microseconds)
{
    struct io_sim_host *host = host_of(vfs);
    if (host) {
        host->disk.job_ns += (int64_t)microseconds * 1000;
    }
    return microseconds;
}

static int vfs_time_ms(sqlite3_vfs *vfs, sqlite3_int64 *out)
{
    struct io_sim_host *host = host_of(vfs);
    int64_t wall_ns = host ? host->sim->now_ns + host->wall_offset_ns : 0;
    *out = julian_ms_1970 + wall_ns / 1000000;
    return SQLITE_OK;
}

static int vfs_time(sqlite3_vfs *vfs, double *out)
{
    sqlite3_int64 ms;
    vfs_time_ms(vfs, &ms);
    *out = (double)ms / 86400000.0;
    return SQLITE_OK;
}

static int vfs_last_error(sqlite3_vfs *vfs, int size, char *out)
{
    (void)vfs;
    (void)size;
    (void)out;
    return 0;
}

struct io_sim_sqlite *io_sim_sqlite_create(struct io_sim *sim)
{
    struct io_sim_sqlite *sqlite = io_sim_take(sizeof *sqlite);
    sqlite->sim = sim;
    list_init(&sqlite->files);
    snprintf(sqlite->name, sizeof sqlite->name, "spate-sim-%p", (void *)sqlite);
    sqlite->vfs = (sqlite3_vfs){
        .iVersion = 2,
        .szOsFile = sizeof(struct sqlite_file),
        .mxPathname = IO_SIM_PATH_MAX - 1,
        .zName = sqlite->name,
        .xOpen = vfs_open,
        .xDelete = vfs_delete,
        .xAccess = vfs_access,
        .xFullPathname = vfs_full_path,
        .xRandomness = vfs_randomness,
        .xSleep = vfs_sleep,
        .xCurrentTime = vfs_time,
        .xGetLastError = vfs_last_error,
        .xCurrentTimeInt64 = vfs_time_ms,
    };
    int code = sqlite3_vfs_register(&sqlite->vfs, 0);
    ASSERT(code == SQLITE_OK);
    return sqlite;
}

const char *io_sim_sqlite_name(const struct io_sim_sqlite *sqlite)
{
    return sqlite->name;
}

void io_sim_sqlite_end(struct io_sim_sqlite *sqlite)
{
    sqlite3_vfs_unregister(&sqlite->vfs);
    list_for_each (link, &sqlite->files) {
        struct sqlite_file *f = list_entry(link, struct sqlite_file, link);
        f->fs = NULL;
        f->file = NULL; /* closed with the disk */
    }
    sqlite->sim = NULL;
    sqlite_free(sqlite);
}
