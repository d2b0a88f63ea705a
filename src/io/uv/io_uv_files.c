/* Files through descriptors. What lies below a directory is opened one name at a time with openat2
 * and no symbolic link is followed, so that no path can lead out of the directory the user gave.
 * Old kernels (ENOSYS) and old container filters (EPERM) get openat with O_NOFOLLOW, which says the
 * same of a single name. fallocate(2) is used, never posix_fallocate, which writes every block
 * where the file system cannot reserve. */
#include "io/uv/io_uv_files.h"

#include "io/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

struct io_file {
    int fd;
    bool is_directory;
    bool may_look;   /* files_is_in_memory() may be asked of it */
    DIR *names;      /* of a directory that is being listed */
    uint64_t cursor; /* where names stands */
};

/* ---- opening --------------------------------------------------------------------------------- */

static mode_t mode_of(int flags)
{
    mode_t mode = (flags & IO_OPEN_DIRECTORY) ? 0777 : 0666;
    return (flags & IO_OPEN_PRIVATE) ? mode & 0700 : mode;
}

static int system_flags(int flags)
{
    int out = O_CLOEXEC | O_NOCTTY;
    if (flags & IO_OPEN_DIRECTORY) {
        return out | O_RDONLY | O_DIRECTORY;
    }
    out |= (flags & IO_OPEN_WRITE) ? ((flags & IO_OPEN_READ) ? O_RDWR : O_WRONLY) : O_RDONLY;
    out |= (flags & IO_OPEN_CREATE) ? O_CREAT : 0;
    out |= (flags & IO_OPEN_EXCLUSIVE) ? O_EXCL : 0;
    return out;
}

static bool is_one_name(const char *name)
{
    return name[0] != 0 && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* Takes the descriptor over. */
static int file_create(int fd, int flags, struct io_file **out)
{
    struct io_file *file = calloc(1, sizeof *file);
    if (!file) {
        close(fd);
        return SPATE_ENOMEM;
    }
    file->fd = fd;
    file->is_directory = (flags & IO_OPEN_DIRECTORY) != 0;
    *out = file;
    return 0;
}

/* Makes a directory and what is missing above it. */
static int make_path(const char *path, int flags)
{
    char *copy = strdup(path);
    int rc = 0;
    if (!copy) {
        return SPATE_ENOMEM;
    }
    for (char *at = copy + 1; copy[0] != 0 && rc == 0; at++) {
        if (*at != '/' && *at != 0) {
            continue;
        }
        char kept = *at;
        bool last = kept == 0 || at[1 + strspn(at + 1, "/")] == 0;
        *at = 0;
        if (mkdir(copy, mode_of(flags)) != 0 &&
            (errno != EEXIST || (last && (flags & IO_OPEN_EXCLUSIVE)))) {
            rc = error_from_errno(errno);
        }
        *at = kept;
        if (last) {
            break;
        }
    }
    free(copy);
    return rc;
}

static int files_open_path(struct io_fs *fs, const char *path, int flags, struct io_file **out)
{
    (void)fs;
    *out = NULL;
    if ((flags & IO_OPEN_DIRECTORY) && (flags & IO_OPEN_CREATE)) {
        int rc = make_path(path, flags);
        if (rc < 0) {
            return rc;
        }
    }
    int fd;
    do {
        fd = open(path, system_flags(flags), mode_of(flags));
    } while (fd < 0 && errno == EINTR);
    return fd < 0 ? error_from_errno(errno) : file_create(fd, flags, out);
}

/* openat of one name that is not a symbolic link; -1 with errno. */
static int open_beneath(int dir_fd, const char *name, int flags)
{
    struct open_how how = {
        /* Without O_NONBLOCK a pipe that lies in the way would hold the worker for ever. */
        .flags = (unsigned)(system_flags(flags) | O_NONBLOCK),
        .mode = (flags & IO_OPEN_CREATE) && !(flags & IO_OPEN_DIRECTORY) ? mode_of(flags) : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    int fd;
    do {
        fd = (int)syscall(SYS_openat2, dir_fd, name, &how, sizeof how);
    } while (fd < 0 && (errno == EINTR || errno == EAGAIN));
    if (fd >= 0 || (errno != ENOSYS && errno != EPERM)) {
        return fd;
    }
    do {
        fd = openat(dir_fd, name, (int)how.flags | O_NOFOLLOW, (mode_t)how.mode);
    } while (fd < 0 && errno == EINTR);
    struct stat st;
    if (fd < 0 && errno == ENOTDIR && fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        errno = S_ISLNK(st.st_mode) ? ELOOP : ENOTDIR;
    }
    return fd;
}

/* Whether the loop may ask which pages of it are in memory. The kernel tells a file's owner, and tells some others that
 * all are (mincore); and on file systems that ask a server or a daemon the question itself may have to wait. */
static bool may_look(int fd, const struct stat *st)
{
    static const uint32_t local[] = {EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC,       BTRFS_SUPER_MAGIC,
                                     F2FS_SUPER_MAGIC, OVERLAYFS_SUPER_MAGIC, TMPFS_MAGIC};
    struct statfs system;
    if (!S_ISREG(st->st_mode) || st->st_uid != geteuid() || fstatfs(fd, &system) != 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof local / sizeof *local; i++) {
        if ((uint32_t)system.f_type == local[i]) {
            return true;
        }
    }
    return false;
}

static int files_open(struct io_fs *fs, struct io_file *dir, const char *name, int flags,
                      struct io_file **out)
{
    (void)fs;
    *out = NULL;
    if (!is_one_name(name)) {
        return SPATE_EINVAL;
    }
    if ((flags & IO_OPEN_DIRECTORY) && (flags & IO_OPEN_CREATE) &&
        mkdirat(dir->fd, name, mode_of(flags)) != 0 &&
        (errno != EEXIST || (flags & IO_OPEN_EXCLUSIVE))) {
        return error_from_errno(errno);
    }
    int fd = (flags & IO_OPEN_FOLLOW)
                 ? openat(dir->fd, name, system_flags(flags) | O_NONBLOCK, mode_of(flags))
                 : open_beneath(dir->fd, name, flags);
    if (fd < 0) {
        return error_from_errno(errno);
    }
    struct stat st;
    int rc = fstat(fd, &st) != 0 ? error_from_errno(errno) : 0;
    if (rc == 0 && !(flags & IO_OPEN_DIRECTORY) && !S_ISREG(st.st_mode)) {
        rc = S_ISDIR(st.st_mode) ? SPATE_EISDIR : SPATE_EUNSUPPORTED;
    }
    if (rc < 0) {
        close(fd);
        return rc;
    }
    rc = file_create(fd, flags, out);
    if (rc == 0) {
        (*out)->may_look = may_look(fd, &st);
    }
    return rc;
}

static void files_close(struct io_fs *fs, struct io_file *file)
{
    (void)fs;
    if (file->names) {
        closedir(file->names);
    }
    close(file->fd);
    free(file);
}

/* ---- reading and writing --------------------------------------------------------------------- */

enum { IOV_BATCH = 256 }; /* parts of one system call; below IOV_MAX */

/* Where a transfer over many parts has come to. */
struct position {
    const struct iovec *v;
    int count, index;
    size_t skip; /* bytes of v[index] that are done */
};

/* The next parts; returns how many, 0 at the end. */
static int position_parts(struct position *p, struct iovec *out)
{
    int n = 0;
    while (p->index < p->count && p->skip == p->v[p->index].iov_len) {
        p->index++; /* empty parts too, so that nothing asked means the end */
        p->skip = 0;
    }
    for (int i = p->index; i < p->count && n < IOV_BATCH; i++, n++) {
        size_t skip = i == p->index ? p->skip : 0;
        out[n].iov_base = (uint8_t *)p->v[i].iov_base + skip;
        out[n].iov_len = p->v[i].iov_len - skip;
    }
    return n;
}

static void position_advance(struct position *p, size_t size)
{
    while (size > 0) {
        size_t left = p->v[p->index].iov_len - p->skip;
        if (size < left) {
            p->skip += size;
            return;
        }
        size -= left;
        p->index++;
        p->skip = 0;
    }
}

static int64_t transfer(struct io_file *file, uint64_t offset, const struct iovec *v, int count,
                        bool writing)
{
    struct position p = {.v = v, .count = count};
    struct iovec parts[IOV_BATCH];
    uint64_t done = 0;
    int n;
    if (offset > INT64_MAX) {
        return SPATE_EINVAL;
    }
    while ((n = position_parts(&p, parts)) > 0) {
        ssize_t moved = writing ? pwritev(file->fd, parts, n, (off_t)(offset + done))
                                : preadv(file->fd, parts, n, (off_t)(offset + done));
        if (moved < 0 && errno == EINTR) {
            continue;
        }
        if (moved < 0) {
            return error_from_errno(errno);
        }
        if (moved == 0) {
            return writing ? SPATE_EIO : (int64_t)done;
        }
        done += (uint64_t)moved;
        position_advance(&p, (size_t)moved);
    }
    return (int64_t)done;
}

static int64_t files_read(struct io_fs *fs, struct io_file *file, uint64_t offset,
                          const struct iovec *v, int count)
{
    (void)fs;
    return transfer(file, offset, v, count, false);
}

static int64_t files_write(struct io_fs *fs, struct io_file *file, uint64_t offset,
                           const struct iovec *v, int count)
{
    (void)fs;
    return transfer(file, offset, v, count, true);
}

static int files_sync(struct io_fs *fs, struct io_file *file)
{
    (void)fs;
    int rc = file->is_directory ? fsync(file->fd) : fdatasync(file->fd);
    if (rc == 0) {
        return 0;
    }
    int failed = error_from_errno(errno);
    /* Linux calls the pages clean that it could not write, and would go on reading them: without them, what is read
     * from here on is what the disk has. */
    posix_fadvise(file->fd, 0, 0, POSIX_FADV_DONTNEED);
    return failed;
}

static int files_truncate(struct io_fs *fs, struct io_file *file, uint64_t length)
{
    (void)fs;
    int rc;
    if (length > INT64_MAX) {
        return SPATE_EINVAL;
    }
    do {
        rc = ftruncate(file->fd, (off_t)length);
    } while (rc != 0 && errno == EINTR);
    return rc == 0 ? 0 : error_from_errno(errno);
}

static int files_allocate(struct io_fs *fs, struct io_file *file, uint64_t length,
                          enum io_allocate how)
{
    struct stat st;
    int rc;
    if (length > INT64_MAX) {
        return SPATE_EINVAL;
    }
    if (how == IO_ALLOCATE_SPARSE) {
        if (fstat(file->fd, &st) != 0) {
            return error_from_errno(errno);
        }
        return (uint64_t)st.st_size < length ? files_truncate(fs, file, length) : 0;
    }
    if (length == 0) {
        return 0;
    }
    do {
        rc = fallocate(file->fd, 0, 0, (off_t)length);
    } while (rc != 0 && errno == EINTR);
    return rc == 0 ? 0 : error_from_errno(errno);
}

/* ---- names and their properties -------------------------------------------------------------- */

static int64_t nanoseconds(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void stat_convert(const struct stat *st, struct io_stat *out)
{
    *out = (struct io_stat){
        .device = st->st_dev,
        .inode = st->st_ino,
        .length = (uint64_t)st->st_size,
        .allocated_bytes = (uint64_t)st->st_blocks * 512,
        .modified_ns = nanoseconds(st->st_mtim),
        .changed_ns = nanoseconds(st->st_ctim),
        .type = S_ISREG(st->st_mode)   ? IO_TYPE_FILE
                : S_ISDIR(st->st_mode) ? IO_TYPE_DIRECTORY
                : S_ISLNK(st->st_mode) ? IO_TYPE_SYMLINK
                                       : IO_TYPE_OTHER,
        .executable = (st->st_mode & S_IXUSR) != 0,
        .exposed = st->st_uid != geteuid() || (st->st_mode & (S_IWGRP | S_IWOTH)) != 0,
    };
}

static int files_stat(struct io_fs *fs, struct io_file *file, struct io_stat *out)
{
    (void)fs;
    struct stat st;
    if (fstat(file->fd, &st) != 0) {
        return error_from_errno(errno);
    }
    stat_convert(&st, out);
    return 0;
}

static int files_stat_at(struct io_fs *fs, struct io_file *dir, const char *name,
                         struct io_stat *out)
{
    (void)fs;
    struct stat st;
    if (!is_one_name(name)) {
        return SPATE_EINVAL;
    }
    if (fstatat(dir->fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return error_from_errno(errno);
    }
    stat_convert(&st, out);
    return 0;
}

static int files_rename(struct io_fs *fs, struct io_file *dir, const char *from,
                        struct io_file *to_dir, const char *to)
{
    (void)fs;
    if (!is_one_name(from) || !is_one_name(to)) {
        return SPATE_EINVAL;
    }
    return renameat(dir->fd, from, to_dir->fd, to) == 0 ? 0 : error_from_errno(errno);
}

static int files_unlink(struct io_fs *fs, struct io_file *dir, const char *name)
{
    (void)fs;
    if (!is_one_name(name)) {
        return SPATE_EINVAL;
    }
    return unlinkat(dir->fd, name, 0) == 0 ? 0 : error_from_errno(errno);
}

/* Makes dir->names stand at cursor. */
static int list_seek(struct io_file *dir, uint64_t cursor)
{
    if (!dir->names) {
        /* A description of its own: its position is nobody else's. */
        int fd = openat(dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        dir->names = fd >= 0 ? fdopendir(fd) : NULL;
        if (!dir->names) {
            int system_errno = errno;
            if (fd >= 0) {
                close(fd);
            }
            return error_from_errno(system_errno);
        }
        dir->cursor = 0;
    }
    if (cursor == 0) {
        rewinddir(dir->names);
    } else if (cursor != dir->cursor) {
        seekdir(dir->names, (long)cursor);
    }
    dir->cursor = cursor;
    return 0;
}

static int files_list(struct io_fs *fs, struct io_file *dir, uint64_t *cursor, char *name,
                      size_t size)
{
    (void)fs;
    int rc = list_seek(dir, *cursor);
    if (rc < 0) {
        return rc;
    }
    struct dirent *entry;
    do {
        errno = 0;
        /* The C library locks each stream, and this one is nobody else's. */
        entry = readdir(dir->names); /* NOLINT(concurrency-mt-unsafe) */
        if (!entry) {
            return errno ? error_from_errno(errno) : 0;
        }
    } while (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0);
    dir->cursor = (uint64_t)telldir(dir->names);
    *cursor = dir->cursor;
    if (strlen(entry->d_name) >= size) {
        return SPATE_ENAMETOOLONG;
    }
    snprintf(name, size, "%s", entry->d_name);
    return 1;
}

static int files_space(struct io_fs *fs, struct io_file *dir, uint64_t *free_bytes)
{
    (void)fs;
    struct statvfs st;
    if (fstatvfs(dir->fd, &st) != 0) {
        return error_from_errno(errno);
    }
    if (__builtin_mul_overflow((uint64_t)st.f_bavail, (uint64_t)st.f_frsize, free_bytes)) {
        *free_bytes = UINT64_MAX;
    }
    return 0;
}

static int files_name_max(struct io_fs *fs, struct io_file *dir)
{
    (void)fs;
    errno = 0;
    long max = fpathconf(dir->fd, _PC_NAME_MAX);
    if (max <= 0) {
        return errno ? error_from_errno(errno) : NAME_MAX;
    }
    return max > NAME_MAX ? NAME_MAX : (int)max;
}

static int files_lock(struct io_fs *fs, struct io_file *file)
{
    (void)fs;
    int rc;
    do {
        rc = flock(file->fd, LOCK_EX | LOCK_NB);
    } while (rc != 0 && errno == EINTR);
    if (rc == 0) {
        return 0;
    }
    return errno == EWOULDBLOCK ? SPATE_ELOCKED : error_from_errno(errno);
}

/* The longest part of path that exists, resolved; *rest is what follows it. */
static char *resolve_existing(const char *path, const char **rest)
{
    char *prefix = strdup(path);
    char *resolved = NULL;
    size_t cut = prefix ? strlen(prefix) : 0;
    while (prefix && !resolved) {
        prefix[cut] = 0;
        resolved = realpath(cut > 0 ? prefix : *path == '/' ? "/" : ".", NULL);
        if (resolved || cut == 0) {
            break;
        }
        while (cut > 0 && prefix[cut - 1] == '/') {
            cut--;
        }
        while (cut > 0 && prefix[cut - 1] != '/') {
            cut--;
        }
    }
    free(prefix);
    *rest = path + cut;
    return resolved;
}

static int files_real_path(struct io_fs *fs, const char *path, char *out, size_t size)
{
    const char *rest;
    char *resolved = resolve_existing(path, &rest);
    (void)fs;
    if (!resolved) {
        return error_from_errno(errno);
    }
    size_t length = strcmp(resolved, "/") == 0 ? 0 : strlen(resolved);
    int status = SPATE_ENAMETOOLONG;
    if (length < size) {
        memcpy(out, resolved, length);
        status = path_append(out, size, length, rest);
    }
    free(resolved);
    return status;
}

/* ---- fetching -------------------------------------------------------------------------------- */

int io_uv_file_fd(const struct io_file *file)
{
    return file->fd;
}

/* Sends it nowhere: of what is in memory each page is referred to for a moment, the rest is read, and nothing is
 * copied. */
static int files_fetch(struct io_fs *fs, struct io_file *file, uint64_t offset, uint64_t length)
{
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    int rc = nowhere >= 0 ? 0 : error_from_errno(errno);
    off_t at = (off_t)offset;
    (void)fs;
    while (rc == 0 && length > 0) {
        ssize_t n = sendfile(nowhere, file->fd, &at, (size_t)length);
        if (n > 0) {
            length -= (uint64_t)n;
        } else if (n == 0) {
            rc = SPATE_ESHORT;
        } else if (errno != EINTR) {
            rc = errno == EINVAL ? SPATE_EUNSUPPORTED : error_from_errno(errno);
        }
    }
    if (nowhere >= 0) {
        close(nowhere);
    }
    return rc;
}

/* The mapping is for this question only: nobody ever touches it. */
static bool files_is_in_memory(struct io_fs *fs, struct io_file *file, uint64_t offset,
                               uint64_t length)
{
    enum { PAGES_MAX = 1024 };
    unsigned char there[PAGES_MAX]; /* a byte a page, of which one bit says so */
    uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t from = offset - offset % page_bytes;
    uint64_t pages = (offset + length - from + page_bytes - 1) / page_bytes;
    struct stat st;
    (void)fs;
    if (!file->may_look || pages > PAGES_MAX || fstat(file->fd, &st) != 0 ||
        (uint64_t)st.st_size < offset + length) {
        return false;
    }
    void *mapped = mmap(NULL, pages * page_bytes, PROT_NONE, MAP_SHARED, file->fd, (off_t)from);
    if (mapped == MAP_FAILED) {
        return false;
    }
    bool all = mincore(mapped, pages * page_bytes, there) == 0;
    munmap(mapped, pages * page_bytes);
    for (uint64_t i = 0; all && i < pages; i++) {
        all = there[i] & 1;
    }
    return all;
}

static const struct io_fs_driver files_driver = {
    .open_path = files_open_path,
    .open = files_open,
    .close = files_close,
    .read = files_read,
    .write = files_write,
    .sync = files_sync,
    .allocate = files_allocate,
    .truncate = files_truncate,
    .stat = files_stat,
    .stat_at = files_stat_at,
    .rename = files_rename,
    .unlink = files_unlink,
    .list = files_list,
    .space = files_space,
    .name_max = files_name_max,
    .lock = files_lock,
    .real_path = files_real_path,
    .fetch = files_fetch,
    .is_in_memory = files_is_in_memory,
};

struct io_fs io_uv_files(void)
{
    return (struct io_fs){.driver = &files_driver};
}
