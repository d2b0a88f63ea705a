/* The way from a file's index to an open file. The destination is resolved as the user gave it, links and
 * all; below it every element is opened under the descriptor of the one before, and a symbolic link is an
 * error, unless reading was allowed to follow it. */
#include "disk/directory.h"
#include "disk/store_internal.h"

#include "base/limits.h"

#include <stdlib.h>

bool store_is_pad(const struct store *s, uint32_t file)
{
    return !s->settings.paths[file];
}

/* ---- the destination ------------------------------------------------------------------------- */

static int open_destination(struct store *s, struct io_fs *fs, enum store_mode mode,
                            struct io_file **out)
{
    *out = NULL;
    int rc = io_fs_open_path(fs, s->settings.save_path, IO_OPEN_READ | IO_OPEN_DIRECTORY, out);
    if (rc == SPATE_ENOENT && mode == STORE_FOR_WRITING) {
        rc = directory_make(fs, s->settings.save_path, 0, out);
    }
    return rc;
}

static struct io_file *destination_of(struct store *s)
{
    pthread_mutex_lock(&s->lock);
    struct io_file *destination = s->destination;
    pthread_mutex_unlock(&s->lock);
    return destination;
}

int store_open_destination(struct store *s, struct io_fs *fs, enum store_mode mode)
{
    if (destination_of(s)) {
        return 0;
    }
    struct io_file *opened;
    int rc = open_destination(s, fs, mode, &opened);
    if (rc < 0) {
        return rc;
    }
    pthread_mutex_lock(&s->lock);
    s->fs = fs;
    if (!s->destination) {
        s->destination = opened;
        opened = NULL;
    }
    pthread_mutex_unlock(&s->lock);
    io_fs_close(fs, opened);
    return 0;
}

int store_reopen_destination(struct store *s, struct io_fs *fs, enum store_mode mode)
{
    struct io_file *opened;
    int rc = open_destination(s, fs, mode, &opened);
    if (rc < 0) {
        return rc;
    }
    struct io_stat before, now;
    if (s->destination && io_fs_stat(fs, s->destination, &before) == 0 &&
        io_fs_stat(fs, opened, &now) == 0 && before.device == now.device &&
        before.inode == now.inode) {
        io_fs_close(fs, opened);
        return 0;
    }
    store_close_now(s, fs);
    store_note_fs(s, fs);
    s->destination = opened;
    return 0;
}

/* ---- directories below it -------------------------------------------------------------------- */

uint32_t store_depth(const struct store *s, uint32_t file)
{
    uint32_t depth = 1;
    for (const char *p = s->settings.paths[file]; *p; p++) {
        depth += *p == '/';
    }
    return depth;
}

const char *store_name(const struct store *s, uint32_t file)
{
    const char *slash = strrchr(s->settings.paths[file], '/');
    return slash ? slash + 1 : s->settings.paths[file];
}

/* Bytes of the first depth elements, without a slash at the end. */
static size_t prefix_of(const char *path, uint32_t depth)
{
    const char *p = path;
    for (; depth > 0; depth--) {
        p += strcspn(p, "/");
        p += *p == '/' && depth > 1;
    }
    return (size_t)(p - path);
}

/* The directory that is the first depth elements gained an entry. Out of memory the next sync fails rather
 * than claim too much: ENOMEM ends the job that created the entry. */
static int mark_directory(struct store *s, uint32_t file, uint32_t depth)
{
    const char *path = s->settings.paths[file];
    size_t size = prefix_of(path, depth);
    int rc = 0;
    pthread_mutex_lock(&s->lock);
    /* Files come in the order of their directories: the last few entries are the ones to look at. */
    for (uint32_t i = s->directory_count; i > 0 && i + 4 > s->directory_count; i--) {
        const struct store_directory *d = &s->directories[i - 1];
        const char *other = s->settings.paths[d->file];
        if (d->depth == depth && prefix_of(other, depth) == size &&
            memcmp(path, other, size) == 0) {
            pthread_mutex_unlock(&s->lock);
            return 0;
        }
    }
    if (s->directory_count == s->directory_capacity) {
        uint32_t capacity = s->directory_capacity ? 2 * s->directory_capacity : 16;
        struct store_directory *grown = realloc(s->directories, capacity * sizeof *grown);
        rc = grown ? 0 : SPATE_ENOMEM;
        s->directories = grown ? grown : s->directories;
        s->directory_capacity = grown ? capacity : s->directory_capacity;
    }
    if (rc == 0) {
        s->directories[s->directory_count++] = (struct store_directory){file, depth};
    }
    pthread_mutex_unlock(&s->lock);
    return rc;
}

static bool shares_prefix(const struct store *s, uint32_t file, uint32_t other, uint32_t depth)
{
    const char *path = s->settings.paths[file], *other_path = s->settings.paths[other];
    size_t size = prefix_of(path, depth);
    return store_depth(s, other) > depth && prefix_of(other_path, depth) == size &&
           memcmp(path, other_path, size) == 0;
}

int store_mark_way(struct store *s, uint32_t file)
{
    pthread_mutex_lock(&s->lock);
    bool led = bitset_get(&s->led, file);
    uint32_t last = s->last_led;
    pthread_mutex_unlock(&s->lock);
    int rc = 0;
    for (uint32_t depth = 0; rc == 0 && !led && depth < store_depth(s, file); depth++) {
        if (last == UINT32_MAX || !shares_prefix(s, file, last, depth)) {
            rc = mark_directory(s, file, depth);
        }
    }
    if (rc == 0 && !led) {
        pthread_mutex_lock(&s->lock);
        bitset_set(&s->led, file);
        s->last_led = file;
        pthread_mutex_unlock(&s->lock);
    }
    return rc;
}

void store_leave(struct store_walk *w)
{
    io_fs_close(w->fs, w->directory);
    w->directory = NULL;
    w->prefix = NULL;
    w->prefix_size = 0;
}

/* Opens the directory called by the depth-th element of the file's path (counted from 0) below parent. */
static int enter(struct store_walk *w, struct io_file *parent, uint32_t file, uint32_t depth,
                 const char *name, enum store_mode mode, struct io_file **out)
{
    int flags = IO_OPEN_READ | IO_OPEN_DIRECTORY;
    bool follow = mode == STORE_FOR_READING && w->store->settings.follow_symlinks;
    int rc = io_fs_open(w->fs, parent, name, flags | (follow ? IO_OPEN_FOLLOW : 0), out);
    if (rc == SPATE_ENOENT && mode == STORE_FOR_WRITING) {
        rc = io_fs_open(w->fs, parent, name, flags | IO_OPEN_CREATE, out);
        if (rc == 0) {
            rc = mark_directory(w->store, file, depth);
            if (rc < 0) {
                io_fs_close(w->fs, *out);
            }
        }
    }
    return rc;
}

int store_walk_to(struct store_walk *w, uint32_t file, uint32_t depth, enum store_mode mode,
                  struct io_file **out)
{
    struct store *s = w->store;
    const char *path = s->settings.paths[file];
    size_t size = prefix_of(path, depth);
    *out = NULL;
    int rc = store_open_destination(s, w->fs, mode);
    if (rc < 0) {
        return rc;
    }
    if (w->directory &&
        (w->mode != mode || size != w->prefix_size || memcmp(path, w->prefix, size) != 0)) {
        store_leave(w);
    }
    if (w->directory || depth == 0) {
        *out = w->directory ? w->directory : destination_of(s);
        return 0;
    }
    char name[LIMIT_NAME_BYTES + 1];
    struct io_file *parent = destination_of(s), *owned = NULL;
    const char *at = path;
    for (uint32_t i = 0; i < depth; i++) {
        size_t length = strcspn(at, "/");
        if (length > LIMIT_NAME_BYTES) {
            rc = SPATE_ENAMETOOLONG;
            break;
        }
        memcpy(name, at, length);
        name[length] = 0;
        at += length + 1;
        struct io_file *next = NULL;
        rc = enter(w, parent, file, i, name, mode, &next);
        if (rc < 0) {
            break;
        }
        io_fs_close(w->fs, owned);
        parent = owned = next;
    }
    if (rc < 0) {
        io_fs_close(w->fs, owned);
        return rc;
    }
    w->directory = owned;
    w->mode = mode;
    w->prefix = path;
    w->prefix_size = size;
    *out = owned;
    return 0;
}

/* ---- files ----------------------------------------------------------------------------------- */

int store_refusal(const struct io_stat *st, bool follow)
{
    switch (st->type) {
    case IO_TYPE_FILE:
        return 0;
    case IO_TYPE_DIRECTORY:
        return SPATE_EISDIR;
    case IO_TYPE_SYMLINK:
        return follow ? 0 : SPATE_ESYMLINK;
    case IO_TYPE_OTHER:
        break;
    }
    return SPATE_EFOREIGN;
}

static int open_file(struct store_walk *w, uint32_t file, enum store_mode mode,
                     struct io_file **out)
{
    struct store *s = w->store;
    struct io_file *directory;
    uint32_t depth = store_depth(s, file) - 1;
    int rc = store_walk_to(w, file, depth, mode, &directory);
    if (rc < 0) {
        return rc;
    }
    bool writing = mode == STORE_FOR_WRITING;
    bool follow = !writing && s->settings.follow_symlinks;
    const char *name = store_name(s, file);
    struct io_stat st;
    rc = io_fs_stat_at(w->fs, directory, name, &st);
    bool absent = rc == SPATE_ENOENT;
    if (rc == 0) {
        rc = store_refusal(&st, follow);
    }
    if (rc < 0 && !(absent && writing)) {
        return rc;
    }
    int flags = IO_OPEN_READ | (writing ? IO_OPEN_WRITE : 0) | (follow ? IO_OPEN_FOLLOW : 0) |
                (absent ? IO_OPEN_CREATE : 0);
    rc = io_fs_open(w->fs, directory, name, flags, out);
    if (rc < 0) {
        return rc;
    }
    rc = io_fs_stat(w->fs, *out, &st);
    if (rc == 0) {
        rc = store_refusal(&st, false);
    }
    if (rc == 0 && absent) {
        rc = mark_directory(s, file, depth);
    }
    if (rc < 0) {
        io_fs_close(w->fs, *out);
        *out = NULL;
    }
    return rc;
}

int store_acquire(struct store *s, struct io_fs *fs, struct store_walk *walk, uint32_t file,
                  enum store_mode mode, struct open_file **out)
{
    bool writing = mode == STORE_FOR_WRITING;
    *out = open_files_get(s->open_files, s, file, writing);
    if (*out) {
        return 0;
    }
    if (writing && s->settings.read_only) {
        return SPATE_EROFS;
    }
    struct store_walk own = {.store = s, .fs = fs};
    struct store_walk *w = walk ? walk : &own;
    struct io_file *opened = NULL;
    int rc = open_file(w, file, mode, &opened);
    if (rc == SPATE_EFDS) {
        open_files_close(s->open_files, fs, NULL);
        rc = open_file(w, file, mode, &opened);
    }
    store_leave(&own);
    if (rc < 0) {
        return rc;
    }
    if (writing) {
        pthread_mutex_lock(&s->lock);
        bitset_set(&s->made, file);
        pthread_mutex_unlock(&s->lock);
    }
    *out = open_files_add(s->open_files, fs, s, file, opened, writing);
    return *out ? 0 : SPATE_ENOMEM;
}

void store_mark_dirty(struct store *s, uint32_t file)
{
    pthread_mutex_lock(&s->lock);
    bitset_set(&s->dirty, file);
    pthread_mutex_unlock(&s->lock);
}
