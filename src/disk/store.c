/* The store's life and its operations: each is one job on a worker. What the jobs do stands in
 * store_files.c (opening), store_prepare.c, store_transfer.c, store_sync.c and store_want.c. */
#include "disk/store_internal.h"

#include "base/limits.h"
#include "disk/windows.h"

#include <stdlib.h>

static void store_free(struct store *s)
{
    void (*on_freed)(void *) = s->settings.on_freed;
    void *user = s->settings.user;
    if (s->owns_open_files) {
        open_files_destroy(s->open_files);
    }
    windows_forget(s);
    map_deinit(&s->windows);
    part_file_deinit(&s->part);
    pthread_rwlock_destroy(&s->rules);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->sync_lock);
    bitset_deinit(&s->dirty);
    bitset_deinit(&s->made);
    bitset_deinit(&s->led);
    bitset_deinit(&s->syncing);
    free(s->in_part);
    free(s->directories);
    free((char *)s->settings.save_path);
    free((char *)s->settings.part_path);
    free(s);
    if (on_freed) {
        on_freed(user);
    }
}

int store_create(const struct store_settings *settings, struct store **out)
{
    *out = NULL;
    struct store *s = calloc(1, sizeof *s);
    if (!s) {
        return SPATE_ENOMEM;
    }
    s->settings = *settings;
    s->settings.on_freed = NULL;
    s->settings.save_path = strdup(settings->save_path);
    s->settings.part_path = settings->part_path ? strdup(settings->part_path) : NULL;
    s->open_files = settings->open_files;
    s->last_led = UINT32_MAX;
    map_init(&s->windows, sizeof(uint64_t), (const uint64_t[2]){0}); /* no stranger's keys */
    /* Writers first, or a stream of transfers would put off a change of the rules for ever. */
    pthread_rwlockattr_t attributes;
    int rc = pthread_rwlockattr_init(&attributes);
    rc |= pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    rc |= pthread_rwlock_init(&s->rules, &attributes);
    rc |= pthread_rwlockattr_destroy(&attributes);
    rc |= pthread_mutex_init(&s->lock, NULL);
    rc |= pthread_mutex_init(&s->sync_lock, NULL);
    ASSERT(rc == 0);
    bool failed = !s->settings.save_path || (settings->part_path && !s->settings.part_path) ||
                  bitset_init(&s->dirty, settings->file_count) < 0 ||
                  bitset_init(&s->made, settings->file_count) < 0 ||
                  bitset_init(&s->led, settings->file_count) < 0 ||
                  bitset_init(&s->syncing, settings->file_count) < 0 ||
                  part_file_init(&s->part, s->settings.part_path, settings->layout,
                                 settings->file_count, settings->read_only) < 0;
    if (!failed && !s->open_files) {
        s->owns_open_files = true;
        failed = open_files_create(LIMIT_OPEN_FILES, &s->open_files) < 0;
    }
    if (failed) {
        store_free(s);
        return SPATE_ENOMEM;
    }
    s->settings.on_freed = settings->on_freed;
    s->holds = 1;
    *out = s;
    return 0;
}

void store_note_fs(struct store *s, struct io_fs *fs)
{
    pthread_mutex_lock(&s->lock);
    s->fs = fs;
    pthread_mutex_unlock(&s->lock);
}

/* Caller holds rules for writing. */
static int learn_rules(struct store *s, struct io_fs *fs)
{
    int rc = 0;
    if (!s->rules_known) {
        store_note_fs(s, fs);
        s->in_part = part_file_found(&s->part, fs, &rc);
        s->part.files = s->in_part;
        s->rules_known = rc == 0;
    }
    return rc;
}

int store_lock_rules(struct store *s, struct io_fs *fs, bool writing)
{
    int rc = 0;
    if (!writing) {
        pthread_rwlock_rdlock(&s->rules);
        if (s->rules_known) {
            return 0;
        }
        pthread_rwlock_unlock(&s->rules);
    }
    pthread_rwlock_wrlock(&s->rules);
    rc = learn_rules(s, fs);
    if (rc == 0 && writing) {
        return 0;
    }
    pthread_rwlock_unlock(&s->rules);
    if (rc == 0) {
        pthread_rwlock_rdlock(&s->rules);
    }
    return rc;
}

void store_close_now(struct store *s, struct io_fs *fs)
{
    open_files_close(s->open_files, fs, s);
    part_file_close(&s->part, fs);
    io_fs_close(fs, s->destination);
    s->destination = NULL;
}

static int run_close(struct io_op *op, struct io_fs *fs)
{
    struct store *s = list_entry(op, struct store, close_op);
    pthread_rwlock_wrlock(&s->rules);
    store_close_now(s, fs);
    pthread_rwlock_unlock(&s->rules);
    return 0;
}

static void on_last_close(struct io_op *op, int status)
{
    struct store *s = list_entry(op, struct store, close_op);
    if (status < 0 && s->fs) {
        /* The port is ending and has no worker for this any more. */
        store_close_now(s, s->fs);
    }
    store_free(s);
}

void store_hold(struct store *s)
{
    s->holds++;
}

void store_release(struct store *s)
{
    ASSERT(s->holds > 0);
    if (--s->holds == 0) {
        s->close_op.done = on_last_close;
        io_work(s->settings.io, IO_POOL_WRITE, &s->close_op, run_close, 0);
    }
}

void store_destroy(struct store *s)
{
    if (s) {
        ASSERT(!s->destroyed);
        s->destroyed = true;
        store_release(s);
    }
}

static void on_close(struct io_op *op, int status)
{
    (void)status;
    store_release(list_entry(op, struct store, close_op));
}

void store_close_files(struct store *s)
{
    windows_forget(s);
    if (!s->close_op.active) {
        store_hold(s);
        s->close_op.done = on_close;
        io_work(s->settings.io, IO_POOL_WRITE, &s->close_op, run_close, 0);
    }
}

/* ---- operations: held from submission to completion, whatever becomes of the job ------------- */

typedef void completion(struct io_op *, int);

static void submit(struct store *s, struct io_op *op, completion **saved, completion *mine,
                   enum io_pool pool, int (*run)(struct io_op *, struct io_fs *))
{
    store_hold(s);
    *saved = op->done;
    op->done = mine;
    io_work(s->settings.io, pool, op, run, 0);
}

static void complete(struct store *s, struct io_op *op, completion *saved, int status)
{
    op->done = saved;
    saved(op, status); /* which may free op */
    store_release(s);
}

static void on_look(struct io_op *op, int status)
{
    struct store_look *look = list_entry(op, struct store_look, op);
    complete(look->store, op, look->done, status);
}

void store_look(struct store *s, struct store_look *look)
{
    look->store = s;
    look->free_bytes = 0;
    look->destination_exists = false;
    submit(s, &look->op, &look->done, on_look, IO_POOL_READ, store_run_look);
}

static void on_prepare(struct io_op *op, int status)
{
    struct store_prepare *prepare = list_entry(op, struct store_prepare, op);
    complete(prepare->store, op, prepare->done, status);
}

void store_prepare(struct store *s, struct store_prepare *prepare)
{
    prepare->store = s;
    prepare->file = UINT32_MAX;
    prepare->text[0] = 0;
    submit(s, &prepare->op, &prepare->done, on_prepare, IO_POOL_WRITE, store_run_prepare);
}

static void on_transfer(struct io_op *op, int status)
{
    struct store_transfer *t = list_entry(op, struct store_transfer, op);
    complete(t->store, op, t->done, status);
}

static void transfer(struct store *s, struct store_transfer *t, enum io_pool pool,
                     int (*run)(struct io_op *, struct io_fs *))
{
    t->store = s;
    t->file = UINT32_MAX;
    submit(s, &t->op, &t->done, on_transfer, pool, run);
}

void store_read(struct store *s, struct store_transfer *t)
{
    transfer(s, t, IO_POOL_READ, store_run_read);
}

void store_write(struct store *s, struct store_transfer *t)
{
    transfer(s, t, IO_POOL_WRITE, store_run_write);
}

static void on_sync(struct io_op *op, int status)
{
    struct store_sync *sync = list_entry(op, struct store_sync, op);
    complete(sync->store, op, sync->done, status);
}

void store_sync(struct store *s, struct store_sync *sync)
{
    sync->store = s;
    sync->file = UINT32_MAX;
    submit(s, &sync->op, &sync->done, on_sync, IO_POOL_SYNC, store_run_sync);
}

static void on_want(struct io_op *op, int status)
{
    struct store_want *want = list_entry(op, struct store_want, op);
    complete(want->store, op, want->done, status);
}

void store_want(struct store *s, struct store_want *want)
{
    want->store = s;
    want->file = UINT32_MAX;
    submit(s, &want->op, &want->done, on_want, IO_POOL_WRITE, store_run_want);
}
