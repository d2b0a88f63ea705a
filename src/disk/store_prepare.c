/* Looking at what is there without changing it, and making the wanted files ready for writing. Nothing is
 * ever cut or deleted here: a longer file is reported by the look and left as it is. */
#include "disk/store_internal.h"

#include "base/plant.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

static bool is_in_part(const struct store *s, uint32_t file)
{
    return s->in_part && s->in_part[file];
}

static bool has_place(const struct store *s, uint32_t file)
{
    return !store_is_pad(s, file) && !is_in_part(s, file);
}

/* The length the torrent gives each file; walks beside a loop over all files. */
struct lengths {
    const struct layout *layout;
    uint32_t next;
};

static uint64_t length_of(struct lengths *lengths, uint32_t file)
{
    const struct layout *l = lengths->layout;
    while (lengths->next < l->file_count && l->files[lengths->next].file < file) {
        lengths->next++;
    }
    bool found = lengths->next < l->file_count && l->files[lengths->next].file == file;
    return found ? l->files[lengths->next].length : 0;
}

/* ---- look ---- */

/* Free space where the destination is to be: of the closest directory above it that is there. */
static int space_above(struct io_fs *fs, const char *save_path, uint64_t *free_bytes)
{
    char *path = strdup(save_path);
    if (!path) {
        return SPATE_ENOMEM;
    }
    int rc = SPATE_ENOENT;
    struct io_file *directory = NULL;
    for (char *slash = path; rc == SPATE_ENOENT && slash;) {
        slash = strrchr(path, '/');
        if (slash == path) {
            rc = io_fs_open_path(fs, "/", IO_OPEN_READ | IO_OPEN_DIRECTORY, &directory);
            break;
        }
        if (slash) {
            *slash = 0;
        }
        rc = io_fs_open_path(fs, slash ? path : ".", IO_OPEN_READ | IO_OPEN_DIRECTORY, &directory);
    }
    if (rc == 0) {
        rc = io_fs_space(fs, directory, free_bytes);
        io_fs_close(fs, directory);
    }
    free(path);
    return rc;
}

/* Follows a link where reading may. */
static int stat_followed(struct store *s, struct io_fs *fs, struct io_file *directory,
                         uint32_t file, struct io_stat *out)
{
    struct io_file *target;
    int rc = io_fs_open(fs, directory, store_name(s, file), IO_OPEN_READ | IO_OPEN_FOLLOW, &target);
    if (rc == 0) {
        rc = io_fs_stat(fs, target, out);
        io_fs_close(fs, target);
    }
    return rc;
}

static void look_at(struct store_walk *w, uint32_t file, struct store_file_found *out)
{
    struct store *s = w->store;
    struct io_file *directory;
    int rc = store_walk_to(w, file, store_depth(s, file) - 1, STORE_FOR_READING, &directory);
    if (rc == 0) {
        rc = io_fs_stat_at(w->fs, directory, store_name(s, file), &out->stat);
    }
    if (rc == 0 && out->stat.type == IO_TYPE_SYMLINK && s->settings.follow_symlinks) {
        rc = stat_followed(s, w->fs, directory, file, &out->stat);
    }
    if (rc == 0) {
        rc = store_refusal(&out->stat, false);
    }
    out->what = rc == 0 ? STORE_PRESENT : rc == SPATE_ENOENT ? STORE_ABSENT : STORE_NOT_A_FILE;
    out->error = out->what == STORE_NOT_A_FILE ? rc : 0;
}

int store_run_look(struct io_op *op, struct io_fs *fs)
{
    struct store_look *look = list_entry(op, struct store_look, op);
    struct store *s = look->store;
    int rc = store_lock_rules(s, fs, true);
    if (rc < 0) {
        return rc;
    }
    for (uint32_t i = 0; i < s->settings.file_count; i++) {
        look->found[i] = (struct store_file_found){.in_part = is_in_part(s, i)};
    }
    rc = store_reopen_destination(s, fs, STORE_FOR_READING);
    look->destination_exists = rc == 0;
    if (rc == SPATE_ENOENT) {
        store_close_now(s, fs);
        rc = space_above(fs, s->settings.save_path, &look->free_bytes);
    } else if (rc == 0) {
        rc = io_fs_space(fs, s->destination, &look->free_bytes);
        struct store_walk walk = {.store = s, .fs = fs};
        for (uint32_t i = 0; rc == 0 && i < s->settings.file_count; i++) {
            if (!store_is_pad(s, i)) {
                look_at(&walk, i, &look->found[i]);
            }
        }
        store_leave(&walk);
    }
    pthread_rwlock_unlock(&s->rules);
    return rc;
}

/* ---- prepare ---- */

static int fail(struct store_prepare *prepare, uint32_t file, int rc, const char *what)
{
    const struct store *s = prepare->store;
    prepare->file = file;
    snprintf(prepare->text, sizeof prepare->text, "%s %s: %s", what,
             file == UINT32_MAX ? s->settings.save_path : s->settings.paths[file],
             spate_strerror(rc));
    return rc;
}

/* Bytes that wanted files will still take on the disk. */
static uint64_t still_to_come(struct store *s, struct io_fs *fs)
{
    struct store_walk walk = {.store = s, .fs = fs};
    struct lengths lengths = {.layout = s->settings.layout};
    uint64_t needed = 0;
    for (uint32_t i = 0; i < s->settings.file_count; i++) {
        uint64_t length = length_of(&lengths, i);
        if (length == 0 || !has_place(s, i)) {
            continue;
        }
        struct io_file *directory;
        struct io_stat st = {0};
        int rc = store_walk_to(&walk, i, store_depth(s, i) - 1, STORE_FOR_READING, &directory);
        if (rc == 0) {
            rc = io_fs_stat_at(fs, directory, store_name(s, i), &st);
        }
        uint64_t have = rc == 0 && st.type == IO_TYPE_FILE ? st.allocated_bytes : 0;
        needed += length > have ? length - have : 0;
    }
    store_leave(&walk);
    return needed;
}

static int check_space(struct store_prepare *prepare, struct io_fs *fs)
{
    struct store *s = prepare->store;
    uint64_t free_bytes;
    if (io_fs_space(fs, s->destination, &free_bytes) < 0) {
        return 0; /* a file system that does not say: writing will tell */
    }
    uint64_t needed = still_to_come(s, fs);
    if (needed <= free_bytes) {
        return 0;
    }
    char need_text[32], free_text[32];
    snprintf(prepare->text, sizeof prepare->text, "%s needs %s more, and %s are free",
             s->settings.save_path, text_bytes(needed, need_text, sizeof need_text),
             text_bytes(free_bytes, free_text, sizeof free_text));
    return SPATE_ENOSPC;
}

static int allocate(struct store *s, struct io_fs *fs, struct io_file *file, uint64_t length)
{
    struct io_stat st;
    int rc = io_fs_stat(fs, file, &st);
    if (rc < 0 || length == 0 || s->settings.allocate_none) {
        return rc;
    }
    if (s->settings.allocate == IO_ALLOCATE_FULL && st.allocated_bytes < length) {
        rc = io_fs_allocate(fs, file, length, IO_ALLOCATE_FULL);
        if (rc != SPATE_EUNSUPPORTED) {
            return rc;
        }
    }
    return st.length < length ? io_fs_allocate(fs, file, length, IO_ALLOCATE_SPARSE) : 0;
}

static int prepare_file(struct store_prepare *prepare, struct store_walk *w, uint32_t file,
                        uint64_t length)
{
    struct store *s = prepare->store;
    struct open_file *open;
    int rc = store_acquire(s, w->fs, w, file, STORE_FOR_WRITING, &open);
    if (rc < 0) {
        return fail(prepare, file, rc, "cannot open");
    }
    rc = allocate(s, w->fs, open->file, length + PLANT(LONG_FILE));
    store_mark_dirty(s, file);
    open_files_put(s->open_files, w->fs, open);
    rc = rc < 0 ? rc : store_mark_way(s, file);
    return rc < 0 ? fail(prepare, file, rc, "cannot reserve space for") : 0;
}

static int prepare_all(struct store_prepare *prepare, struct io_fs *fs)
{
    struct store *s = prepare->store;
    int rc = store_reopen_destination(s, fs, STORE_FOR_WRITING);
    if (rc < 0) {
        return fail(prepare, UINT32_MAX, rc, "cannot use");
    }
    rc = check_space(prepare, fs);
    struct store_walk walk = {.store = s, .fs = fs};
    struct lengths lengths = {.layout = s->settings.layout};
    for (uint32_t i = 0; rc == 0 && i < s->settings.file_count; i++) {
        uint64_t length = length_of(&lengths, i);
        if (has_place(s, i)) {
            rc = prepare_file(prepare, &walk, i, length);
        }
    }
    store_leave(&walk);
    return rc;
}

int store_run_prepare(struct io_op *op, struct io_fs *fs)
{
    struct store_prepare *prepare = list_entry(op, struct store_prepare, op);
    struct store *s = prepare->store;
    if (s->settings.read_only) {
        return fail(prepare, UINT32_MAX, SPATE_EROFS, "not to be written:");
    }
    int rc = store_lock_rules(s, fs, true);
    if (rc < 0) {
        return fail(prepare, UINT32_MAX, rc, "cannot read the part file of");
    }
    rc = prepare_all(prepare, fs);
    pthread_rwlock_unlock(&s->rules);
    return rc;
}
