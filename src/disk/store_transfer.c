/* Reading and writing ranges of the torrent: a range becomes extents of files, and the caller's parts of
 * memory are cut to them without a copy. Pad bytes (BEP 47) read as zeroes and are never written; the bytes
 * of unwanted files go to the part file, piece by piece. */
#include "disk/store_internal.h"

#include "base/plant.h"
#include <stdlib.h>

enum {
    PART_BATCH = 64,       /* parts of memory of one file call */
    COPY_BYTES = 256 << 10 /* of bytes that move between a file and the part file */
};

/* Where a transfer has come to in the caller's memory. */
struct cursor {
    const struct iovec *v;
    int count;
    size_t skip; /* bytes of *v that are done */
};

/* Cuts the next parts off, at most size bytes of them; *n: how many parts. Returns their bytes. */
static uint64_t cursor_cut(struct cursor *c, uint64_t size, struct iovec *out, int *n)
{
    uint64_t taken = 0;
    *n = 0;
    while (c->count > 0 && taken < size && *n < PART_BATCH) {
        size_t left = c->v->iov_len - c->skip;
        size_t part = size - taken < left ? (size_t)(size - taken) : left;
        if (part > 0) {
            out[*n] =
                (struct iovec){.iov_base = (uint8_t *)c->v->iov_base + c->skip, .iov_len = part};
            ++*n;
        }
        taken += part;
        c->skip += part;
        if (c->skip == c->v->iov_len) {
            c->v++;
            c->count--;
            c->skip = 0;
        }
    }
    return taken;
}

struct transfer {
    struct store *store;
    struct io_fs *fs;
    struct cursor memory;
    bool writing;
};

/* ---- one stretch of one place ---------------------------------------------------------------- */

static int move_pad(struct transfer *t, uint64_t length)
{
    struct iovec parts[PART_BATCH];
    int n;
    while (length > 0) {
        uint64_t size = cursor_cut(&t->memory, length, parts, &n);
        for (int i = 0; i < n && !t->writing; i++) {
            memset(parts[i].iov_base, 0, parts[i].iov_len);
        }
        ASSERT(size > 0);
        length -= size;
    }
    return 0;
}

static int move_file(struct transfer *t, uint32_t file, uint64_t file_offset, uint64_t length)
{
    struct open_file *open;
    int rc = store_acquire(t->store, t->fs, NULL, file,
                           t->writing ? STORE_FOR_WRITING : STORE_FOR_READING, &open);
    if (rc < 0) {
        return rc;
    }
    struct iovec parts[PART_BATCH];
    int n;
    while (length > 0 && rc == 0) {
        uint64_t size = cursor_cut(&t->memory, length, parts, &n);
        ASSERT(size > 0);
        file_offset += PLANT(WRONG_OFFSET) && t->writing && length > 20000 ? 16 : 0;
        int64_t moved = t->writing ? io_fs_write(t->fs, open->file, file_offset, parts, n)
                                   : io_fs_read(t->fs, open->file, file_offset, parts, n);
        if (moved < 0) {
            rc = (int)moved;
        } else if ((uint64_t)moved < size) {
            rc = t->writing ? SPATE_EIO : SPATE_ESHORT;
        }
        file_offset += size;
        length -= size;
    }
    if (t->writing) {
        /* Only now: a sync that runs meanwhile does not cover this write. */
        store_mark_dirty(t->store, file);
    }
    open_files_put(t->store->open_files, t->fs, open);
    return rc;
}

static int move_part_file(struct transfer *t, uint64_t offset, uint64_t length)
{
    struct iovec parts[PART_BATCH];
    int n, rc = 0;
    while (length > 0 && rc == 0) {
        uint64_t size = cursor_cut(&t->memory, length, parts, &n);
        ASSERT(size > 0);
        rc = t->writing ? part_file_write(&t->store->part, t->fs, offset, parts, n)
                        : part_file_read(&t->store->part, t->fs, offset, parts, n, size);
        offset += size;
        length -= size;
    }
    return rc;
}

/* ---- what an unwanted file has in itself moves to the part file with the first write to its piece ---- */

static int copy_to_part_file(struct store *s, struct io_fs *fs, struct io_file *from,
                             uint64_t file_offset, uint64_t offset, uint64_t length)
{
    uint8_t *buffer = malloc(COPY_BYTES);
    int rc = buffer ? 0 : SPATE_ENOMEM;
    while (rc == 0 && length > 0) {
        struct iovec v = {.iov_base = buffer,
                          .iov_len = length < COPY_BYTES ? (size_t)length : COPY_BYTES};
        int64_t got = io_fs_read(fs, from, file_offset, &v, 1);
        if (got <= 0) {
            rc = (int)got;
            break; /* a file that ends here has nothing more to save */
        }
        v.iov_len = (size_t)got;
        rc = part_file_bring(&s->part, fs, offset, &v, 1);
        file_offset += (uint64_t)got;
        offset += (uint64_t)got;
        length -= (uint64_t)got;
    }
    free(buffer);
    return rc;
}

static int bring_existing(void *user, struct io_fs *fs, uint32_t piece)
{
    struct store *s = user;
    const struct layout *l = s->settings.layout;
    struct store_extents extents;
    struct extent e;
    uint64_t offset;
    int rc = 0;
    store_extents_init(&extents, l, layout_piece_offset(l, piece), layout_piece_length(l, piece));
    while (rc == 0 && store_extents_next(&extents, &e, &offset)) {
        struct open_file *open;
        if (!e.pad && s->in_part[e.file] &&
            store_acquire(s, fs, NULL, e.file, STORE_FOR_READING, &open) == 0) {
            rc = copy_to_part_file(s, fs, open->file, e.file_offset, offset, e.length);
            open_files_put(s->open_files, fs, open);
        }
    }
    return rc;
}

/* An extent of an unwanted file that does not leave its piece. */
static int move_unwanted(struct transfer *t, const struct extent *e, uint64_t offset,
                         uint32_t piece)
{
    struct store *s = t->store;
    store_note_fs(s, t->fs);
    if (!t->writing) {
        int here = part_file_has(&s->part, t->fs, piece);
        return here < 0 ? here
               : here   ? move_part_file(t, offset, e->length)
                        : move_file(t, e->file, e->file_offset, e->length);
    }
    if (s->settings.read_only) {
        return SPATE_EROFS;
    }
    int rc = part_file_claim(&s->part, t->fs, piece, bring_existing, s);
    return rc < 0 ? rc : move_part_file(t, offset, e->length);
}

/* ---- extents ---- */

void store_extents_init(struct store_extents *x, const struct layout *l, uint64_t offset,
                        uint64_t length)
{
    *x = (struct store_extents){.layout = l, .offset = offset, .left = length};
    if (length > 0) {
        x->next = layout_find(l, offset);
    }
}

bool store_extents_next(struct store_extents *x, struct extent *out, uint64_t *offset)
{
    if (x->left == 0) {
        return false;
    }
    const struct layout_file *f = &x->layout->files[x->next++];
    uint64_t inside = x->offset - f->offset;
    uint64_t length = f->length - inside < x->left ? f->length - inside : x->left;
    *out = (struct extent){.file = f->file, .pad = f->pad, .file_offset = inside, .length = length};
    *offset = x->offset;
    x->offset += length;
    x->left -= length;
    return true;
}

static int move_extent(struct transfer *t, const struct extent *e, uint64_t offset)
{
    struct store *s = t->store;
    if (e->pad || store_is_pad(s, e->file)) {
        return move_pad(t, e->length);
    }
    if (!s->in_part || !s->in_part[e->file]) {
        return move_file(t, e->file, e->file_offset, e->length);
    }
    const struct layout *l = s->settings.layout;
    int rc = 0;
    for (uint64_t done = 0; rc == 0 && done < e->length;) {
        uint32_t piece = (uint32_t)((offset + done) / l->piece_length);
        uint64_t in_piece = layout_piece_offset(l, piece) + l->piece_length - (offset + done);
        uint64_t left = e->length - done;
        struct extent part = {.file = e->file,
                              .file_offset = e->file_offset + done,
                              .length = in_piece < left ? in_piece : left};
        rc = move_unwanted(t, &part, offset + done, piece);
        done += part.length;
    }
    return rc;
}

static int move(struct store *s, struct io_fs *fs, uint64_t offset, uint64_t length,
                const struct iovec *iov, int iov_count, uint32_t *file, bool writing)
{
    const struct layout *l = s->settings.layout;
    ASSERT(offset <= l->total_length && length <= l->total_length - offset);
    struct transfer t = {
        .store = s, .fs = fs, .memory = {.v = iov, .count = iov_count}, .writing = writing};
    struct store_extents extents;
    struct extent e;
    uint64_t at;
    *file = UINT32_MAX;
    store_extents_init(&extents, l, offset, length);
    int rc = store_lock_rules(s, fs, false);
    if (rc < 0) {
        return rc;
    }
    while (rc == 0 && store_extents_next(&extents, &e, &at)) {
        rc = move_extent(&t, &e, at);
        if (rc < 0) {
            *file = e.file;
        }
    }
    pthread_rwlock_unlock(&s->rules);
    return rc;
}

int store_read_now(struct store *s, struct io_fs *fs, uint64_t offset, uint64_t length,
                   const struct iovec *iov, int iov_count, uint32_t *file)
{
    return move(s, fs, offset, length, iov, iov_count, file, false);
}

int store_write_now(struct store *s, struct io_fs *fs, uint64_t offset, uint64_t length,
                    const struct iovec *iov, int iov_count, uint32_t *file)
{
    return move(s, fs, offset, length, iov, iov_count, file, true);
}

static int mark_extent(struct store *s, struct io_fs *fs, const struct extent *e, uint32_t piece)
{
    if (e->pad || store_is_pad(s, e->file)) {
        return 0;
    }
    int in_part = s->in_part && s->in_part[e->file] ? part_file_has(&s->part, fs, piece) : 0;
    if (in_part != 0) {
        part_file_mark(&s->part);
        return in_part < 0 ? in_part : 0;
    }
    store_mark_dirty(s, e->file);
    return store_mark_way(s, e->file);
}

int store_mark_found(struct store *s, struct io_fs *fs, uint64_t offset, uint64_t length)
{
    struct store_extents extents;
    struct extent e;
    uint64_t at;
    if (s->settings.read_only) {
        return 0;
    }
    int rc = store_lock_rules(s, fs, false);
    if (rc < 0) {
        return rc;
    }
    store_extents_init(&extents, s->settings.layout, offset, length);
    while (rc == 0 && store_extents_next(&extents, &e, &at)) {
        rc = mark_extent(s, fs, &e, (uint32_t)(at / s->settings.layout->piece_length));
    }
    pthread_rwlock_unlock(&s->rules);
    return rc;
}

int store_run_read(struct io_op *op, struct io_fs *fs)
{
    struct store_transfer *t = list_entry(op, struct store_transfer, op);
    return store_read_now(t->store, fs, t->offset, t->length, t->iov, t->iov_count, &t->file);
}

int store_run_write(struct io_op *op, struct io_fs *fs)
{
    struct store_transfer *t = list_entry(op, struct store_transfer, op);
    return store_write_now(t->store, fs, t->offset, t->length, t->iov, t->iov_count, &t->file);
}
