/* Windows on the files of torrents. A torrent is cut into windows of WINDOW_BYTES: some pieces, or a part of
 * one, and less where a file begins or ends. A window that nobody uses keeps no file open; which blocks of it
 * were brought into memory is remembered for a while only: the kernel may drop them whenever it likes, and
 * the send that finds one missing holds up the loop while the disk is read. */
#include "disk/windows.h"

#include "disk/store_internal.h"

#include <stdlib.h>

enum {
    WINDOW_BYTES = 1 << 20,
    WINDOW_LEAST_BYTES = 64 << 10, /* for less, opening costs more than a copy */
};
#define WINDOW_READY_NS INT64_C(10000000000)

_Static_assert(WINDOW_BYTES / BLOCK_BYTES <= 64, "the blocks of a window are bits of one word");

struct window {
    struct windows *table;
    struct store *store; /* NULL: it has forgotten the window */
    struct list link;    /* in table->idle, while nobody uses it */
    uint32_t uses;
    uint32_t file;           /* its number in the metainfo */
    uint64_t offset, length; /* bytes of the torrent */
    uint64_t file_offset;
    uint64_t ready; /* a bit for each BLOCK_BYTES from offset on; void after ready_until_ns */
    int64_t ready_until_ns;
    struct open_file *open; /* while it is in use; NULL: not yet */
    struct io_fs *fs;       /* that the file was opened with; NULL: it never was */

    /* One job at a time brings something in. */
    struct list waits; /* of window_wait.link */
    struct io_op op;
    struct store *op_store; /* held by the job */
    uint64_t op_offset, op_length;
    struct open_file *op_open; /* out */
    struct io_fs *op_fs;       /* out */
    bool op_unsendable;        /* out: files of this store cannot be sent */
};

struct windows {
    uint32_t limit, count;
    struct list idle; /* the one that has waited longest first */
};

int windows_create(uint32_t limit, struct windows **out)
{
    struct windows *t = calloc(1, sizeof *t);
    *out = t;
    if (!t) {
        return SPATE_ENOMEM;
    }
    t->limit = limit;
    list_init(&t->idle);
    return 0;
}

void windows_destroy(struct windows *t)
{
    if (t) {
        ASSERT(t->count == 0);
        free(t);
    }
}

uint32_t windows_count(const struct windows *t)
{
    return t->count;
}

/* ---- where they are -------------------------------------------------------------------------- */

static uint64_t lesser(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The window around an offset, before it is cut to its file: some pieces, or a part of one. */
static void find_bounds(const struct layout *l, uint64_t offset, uint64_t *from, uint64_t *to)
{
    uint64_t pieces = l->piece_length;
    if (pieces <= WINDOW_BYTES) {
        pieces *= WINDOW_BYTES / pieces;
        *from = offset - offset % pieces;
        *to = *from + pieces;
    } else {
        uint64_t piece = offset - offset % pieces;
        *from = offset - (offset - piece) % WINDOW_BYTES;
        *to = lesser(*from + WINDOW_BYTES, piece + pieces);
    }
    *to = lesser(*to, l->total_length);
}

/* The same, cut to the file that holds the offset. */
static const struct layout_file *find_in_file(const struct layout *l, uint64_t offset,
                                              uint64_t *from, uint64_t *to)
{
    const struct layout_file *f = &l->files[layout_find(l, offset)];
    find_bounds(l, offset, from, to);
    *from = *from > f->offset ? *from : f->offset;
    *to = lesser(*to, f->offset + f->length);
    return f;
}

uint64_t window_end(const struct store *s, uint64_t offset)
{
    uint64_t from, to;
    find_bounds(s->settings.layout, offset, &from, &to);
    return to;
}

/* The blocks that the range touches. */
static uint64_t blocks_of(const struct window *w, uint64_t offset, uint64_t length)
{
    uint64_t first = (offset - w->offset) / BLOCK_BYTES;
    uint64_t count = (offset - w->offset + length - 1) / BLOCK_BYTES - first + 1;
    return (count == 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1) << first;
}

/* ---- their life ------------------------------------------------------------------------------ */

static void window_free(struct window *w)
{
    if (w->store) {
        map_remove(&w->store->windows, &w->offset);
    }
    list_remove(&w->link);
    w->table->count--;
    free(w);
}

static struct window *window_create(struct store *s, const struct layout_file *f, uint64_t from,
                                    uint64_t to)
{
    struct windows *t = s->settings.windows;
    struct list *oldest = list_first(&t->idle);
    if (t->count >= t->limit && oldest) {
        window_free(list_entry(oldest, struct window, link));
    }
    struct window *w = t->count < t->limit ? calloc(1, sizeof *w) : NULL;
    if (!w || map_put(&s->windows, &from, w) < 0) {
        free(w);
        return NULL;
    }
    w->table = t;
    w->store = w->op_store = s;
    w->offset = from;
    w->length = to - from;
    w->file = f->file;
    w->file_offset = from - f->offset;
    list_init(&w->link);
    list_init(&w->waits);
    t->count++;
    return w;
}

/* The file, if it is open already and its bytes are in it; else a job finds out. */
static void take_open_file(struct window *w)
{
    struct store *s = w->store;
    if (pthread_rwlock_tryrdlock(&s->rules) != 0) {
        return;
    }
    if (s->rules_known && !(s->in_part && s->in_part[w->file])) {
        w->open = open_files_get(s->open_files, s, w->file, false);
    }
    pthread_rwlock_unlock(&s->rules);
    if (w->open) {
        pthread_mutex_lock(&s->lock);
        w->fs = s->fs;
        pthread_mutex_unlock(&s->lock);
    }
}

struct window *window_get(struct store *s, uint64_t offset, uint64_t length)
{
    uint64_t from, to;
    if (!s->settings.windows || s->unsendable) {
        return NULL;
    }
    const struct layout_file *f = find_in_file(s->settings.layout, offset, &from, &to);
    if (offset + length > to || to - from < WINDOW_LEAST_BYTES || store_is_pad(s, f->file)) {
        return NULL;
    }
    struct window *w = map_get(&s->windows, &from);
    w = w ? w : window_create(s, f, from, to);
    if (w) {
        list_remove(&w->link);
        w->uses++;
    }
    if (w && !w->open) {
        take_open_file(w);
    }
    return w;
}

static void close_file(struct window *w)
{
    if (w->open) {
        open_files_put(w->op_store->open_files, w->fs, w->open);
        w->open = NULL;
    }
}

void window_put(struct window *w)
{
    ASSERT(w->uses > 0);
    if (--w->uses > 0) {
        return;
    }
    close_file(w);
    if (w->store && w->ready) {
        list_push_back(&w->table->idle, &w->link);
    } else {
        window_free(w);
    }
}

void windows_forget(struct store *s)
{
    for (;;) {
        size_t cursor = 0;
        struct window *w = map_each(&s->windows, &cursor);
        if (!w) {
            break;
        }
        map_remove(&s->windows, &w->offset);
        w->store = NULL;
        if (w->uses == 0) {
            window_free(w);
        }
    }
}

/* ---- bringing in ----------------------------------------------------------------------------- */

/* What is brought in for a range, or looked for: the rest of its piece as well. */
static uint64_t stretch_of(const struct window *w, uint64_t offset, uint64_t length)
{
    uint64_t piece_bytes = w->op_store->settings.layout->piece_length;
    uint64_t piece_end = offset - offset % piece_bytes + piece_bytes;
    uint64_t end = lesser(piece_end, w->offset + w->length);
    return end > offset + length ? end - offset : length;
}

static void note_ready(struct window *w, uint64_t offset, uint64_t length, int64_t now_ns)
{
    if (now_ns >= w->ready_until_ns) {
        w->ready = 0;
        w->ready_until_ns = now_ns + WINDOW_READY_NS;
    }
    w->ready |= blocks_of(w, offset, length);
}

bool window_is_ready(struct window *w, uint64_t offset, uint64_t length, int64_t now_ns)
{
    uint64_t blocks = blocks_of(w, offset, length);
    if (w->open && now_ns < w->ready_until_ns && (w->ready & blocks) == blocks) {
        return true;
    }
    if (!w->open || w->op.active) {
        return false;
    }
    length = stretch_of(w, offset, length);
    if (!io_fs_is_in_memory(w->fs, w->open->file, w->file_offset + (offset - w->offset), length)) {
        return false;
    }
    note_ready(w, offset, length, now_ns);
    return true;
}

struct io_part window_part(const struct window *w, uint64_t offset, size_t size)
{
    return (struct io_part){
        .file = w->open->file, .offset = w->file_offset + (offset - w->offset), .size = size};
}

uint32_t window_file(const struct window *w)
{
    return w->file;
}

/* With the rules held for reading. */
static int open_file(struct window *w, struct io_fs *fs)
{
    struct store *s = w->op_store;
    if (s->in_part && s->in_part[w->file]) {
        return SPATE_EUNSUPPORTED;
    }
    w->op_fs = fs;
    return store_acquire(s, fs, NULL, w->file, STORE_FOR_READING, &w->op_open);
}

static int run_bring(struct io_op *op, struct io_fs *fs)
{
    struct window *w = list_entry(op, struct window, op);
    int rc = store_lock_rules(w->op_store, fs, false);
    if (rc < 0) {
        return rc;
    }
    rc = open_file(w, fs);
    pthread_rwlock_unlock(&w->op_store->rules);
    if (rc == 0) {
        rc = io_fs_fetch(fs, w->op_open->file, w->file_offset + (w->op_offset - w->offset),
                         w->op_length);
        w->op_unsendable = rc == SPATE_EUNSUPPORTED;
    }
    return rc;
}

static void on_brought(struct io_op *op, int status);

/* For the one that has waited longest, and what follows it in the same piece. */
static void bring_next(struct window *w)
{
    struct list *first = list_first(&w->waits);
    if (!first || w->op.active) {
        return;
    }
    const struct window_wait *wait = list_entry(first, struct window_wait, link);
    w->op_offset = wait->offset;
    w->op_length = stretch_of(w, wait->offset, wait->length);
    w->op.done = on_brought;
    store_hold(w->op_store);
    io_work(w->op_store->settings.io, IO_POOL_READ, &w->op, run_bring, 0);
}

/* What the job has opened is the window's, unless it has it already. */
static void take_file(struct window *w)
{
    if (!w->op_open) {
        return;
    }
    if (w->open) {
        open_files_put(w->op_store->open_files, w->op_fs, w->op_open);
    } else {
        w->open = w->op_open;
        w->fs = w->op_fs;
    }
    w->op_open = NULL;
}

/* Whose range the job has dealt with. */
static bool is_answered(const struct window *w, const struct window_wait *wait)
{
    return wait->offset >= w->op_offset &&
           wait->offset + wait->length <= w->op_offset + w->op_length;
}

static void on_brought(struct io_op *op, int status)
{
    struct window *w = list_entry(op, struct window, op);
    struct store *s = w->op_store;
    struct list answered;
    list_init(&answered);
    take_file(w);
    if (status == 0) {
        note_ready(w, w->op_offset, w->op_length, io_now(s->settings.io));
    }
    s->unsendable = s->unsendable || w->op_unsendable;
    list_for_each_safe (node, &w->waits) {
        if (is_answered(w, list_entry(node, struct window_wait, link))) {
            list_remove(node);
            list_push_back(&answered, node);
        }
    }
    w->uses++; /* those who hear of it may put the window */
    bring_next(w);
    struct list *node;
    while ((node = list_pop_front(&answered))) {
        struct window_wait *wait = list_entry(node, struct window_wait, link);
        wait->done(wait, status);
    }
    window_put(w);
    store_release(s);
}

void window_bring(struct window *w, struct window_wait *wait)
{
    list_push_back(&w->waits, &wait->link);
    bring_next(w);
}
