/* Making what was written durable: fdatasync of files, fsync of directories. A file or directory is marked
 * when the write to it has completed, and the marks are taken when the sync begins: it covers every write
 * that had completed by then, and the rest stays marked for the next. */
#include "disk/store_internal.h"

#include "base/plant.h"
#include <stdlib.h>

/* The file that was written must still be the one that its name names: bytes in a deleted file are lost. */
static int is_in_place(struct store_walk *w, uint32_t file, struct io_file *open)
{
    struct io_file *directory;
    struct io_stat named, opened;
    int rc = store_walk_to(w, file, store_depth(w->store, file) - 1, STORE_FOR_READING, &directory);
    if (rc == 0) {
        rc = io_fs_stat_at(w->fs, directory, store_name(w->store, file), &named);
    }
    if (rc == 0) {
        rc = io_fs_stat(w->fs, open, &opened);
    }
    if (rc == 0 && (named.device != opened.device || named.inode != opened.inode)) {
        rc = named.type == IO_TYPE_SYMLINK ? SPATE_ESYMLINK : SPATE_ENOENT;
    }
    return rc;
}

static int sync_file(struct store_walk *w, uint32_t file)
{
    struct open_file *open;
    int rc = store_acquire(w->store, w->fs, w, file, STORE_FOR_READING, &open);
    if (rc < 0) {
        return rc;
    }
    rc = is_in_place(w, file, open->file);
    if (rc == 0) {
        rc = PLANT(SKIP_SYNC) ? 0 : io_fs_sync(w->fs, open->file);
    }
    open_files_put(w->store->open_files, w->fs, open);
    return rc;
}

static int sync_directory(struct store_walk *w, const struct store_directory *d)
{
    struct io_file *directory;
    int rc = store_walk_to(w, d->file, d->depth, STORE_FOR_READING, &directory);
    return rc < 0 || PLANT(SKIP_NAMES) ? rc : io_fs_sync(w->fs, directory);
}

/* What was not synced is marked again. */
static void put_back(struct store *s, struct store_directory *directories, uint32_t count)
{
    pthread_mutex_lock(&s->lock);
    uint32_t file = bitset_next(&s->syncing, 0);
    for (; file < s->syncing.count; file = bitset_next(&s->syncing, file + 1)) {
        bitset_set(&s->dirty, file);
    }
    if (!s->directories) {
        s->directories = directories;
        s->directory_count = s->directory_capacity = count;
        directories = NULL;
    } else if (count > 0) {
        uint32_t total = s->directory_count + count;
        struct store_directory *grown = realloc(s->directories, total * sizeof *grown);
        if (grown) {
            memcpy(grown + s->directory_count, directories, count * sizeof *grown);
            s->directories = grown;
            s->directory_count = s->directory_capacity = total;
        }
    }
    pthread_mutex_unlock(&s->lock);
    free(directories);
    bitset_empty(&s->syncing);
}

/* Caller holds sync_lock. */
static int sync_marked(struct store *s, struct io_fs *fs, uint32_t *file)
{
    pthread_mutex_lock(&s->lock);
    struct bitset taken = s->dirty;
    s->dirty = s->syncing;
    s->syncing = taken;
    struct store_directory *directories = s->directories;
    uint32_t count = s->directory_count;
    s->directories = NULL;
    s->directory_count = s->directory_capacity = 0;
    pthread_mutex_unlock(&s->lock);

    struct store_walk walk = {.store = s, .fs = fs};
    int rc = 0;
    uint32_t i = bitset_next(&s->syncing, 0);
    for (; rc == 0 && i < s->syncing.count; i = bitset_next(&s->syncing, i + 1)) {
        rc = sync_file(&walk, i);
        if (rc < 0) {
            *file = i;
        }
    }
    for (uint32_t d = 0; rc == 0 && d < count; d++) {
        rc = sync_directory(&walk, &directories[d]);
        if (rc < 0) {
            *file = directories[d].file;
        }
    }
    store_leave(&walk);
    if (rc == 0 && !PLANT(SKIP_PART)) {
        rc = part_file_sync(&s->part, fs);
    }
    if (rc == 0) {
        free(directories);
        bitset_empty(&s->syncing);
    } else {
        put_back(s, directories, count);
    }
    return rc;
}

int store_sync_now(struct store *s, struct io_fs *fs, uint32_t *file)
{
    *file = UINT32_MAX;
    pthread_mutex_lock(&s->sync_lock);
    pthread_mutex_lock(&s->lock);
    int rc = s->sync_failed;
    pthread_mutex_unlock(&s->lock);
    if (rc == 0) {
        rc = sync_marked(s, fs, file);
    }
    if (rc < 0) {
        pthread_mutex_lock(&s->lock);
        s->sync_failed = rc;
        pthread_mutex_unlock(&s->lock);
    }
    pthread_mutex_unlock(&s->sync_lock);
    return rc;
}

/* Memory may have been too short for putting back directories: the way to every file is marked anew. The loop does
 * not wait here for a sync that runs. */
void store_start_over(struct store *s)
{
    pthread_mutex_lock(&s->lock);
    if (s->sync_failed) {
        s->sync_failed = 0;
        bitset_empty(&s->led);
        s->last_led = UINT32_MAX;
    }
    pthread_mutex_unlock(&s->lock);
}

int store_run_sync(struct io_op *op, struct io_fs *fs)
{
    struct store_sync *sync = list_entry(op, struct store_sync, op);
    struct store *s = sync->store;
    int rc = store_lock_rules(s, fs, false);
    if (rc == 0) {
        rc = store_sync_now(s, fs, &sync->file);
        pthread_rwlock_unlock(&s->rules);
    }
    return rc;
}
