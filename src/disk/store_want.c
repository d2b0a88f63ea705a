/* Changing which files are wanted. An unwanted file that we have not made yet is not made: its bytes of shared
 * pieces go to the part file from then on. When a file becomes wanted its bytes move out of the part file into
 * place, and are synced there before the part file lets go of them. */
#include "disk/store_internal.h"

#include <stdlib.h>

enum { COPY_BYTES = 256 << 10 };

struct change {
    struct store *store;
    const uint8_t *before; /* the rule so far; NULL: no file's */
    uint8_t *after;        /* the rule to come */
};

static int copy_into_place(struct store *s, struct io_fs *fs, struct io_file *to, uint8_t *buffer,
                           const struct extent *e, uint64_t offset)
{
    int rc = 0;
    for (uint64_t done = 0; rc == 0 && done < e->length;) {
        uint64_t left = e->length - done;
        struct iovec v = {.iov_base = buffer,
                          .iov_len = left < COPY_BYTES ? (size_t)left : COPY_BYTES};
        memset(buffer, 0, v.iov_len);
        rc = part_file_read(&s->part, fs, offset + done, &v, 1, v.iov_len);
        if (rc == 0 || rc == SPATE_ESHORT) {
            /* Short: the rest was never written, and its piece is not complete. */
            int64_t wrote = io_fs_write(fs, to, e->file_offset + done, &v, 1);
            rc = wrote < 0 ? (int)wrote : 0;
        }
        done += v.iov_len;
    }
    return rc;
}

/* The other way. */
static int copy_out(struct store *s, struct io_fs *fs, struct io_file *from, uint8_t *buffer,
                    const struct extent *e, uint64_t offset)
{
    int rc = 0;
    for (uint64_t done = 0; rc == 0 && done < e->length;) {
        uint64_t left = e->length - done;
        struct iovec v = {.iov_base = buffer,
                          .iov_len = left < COPY_BYTES ? (size_t)left : COPY_BYTES};
        int64_t got = io_fs_read(fs, from, e->file_offset + done, &v, 1);
        if (got <= 0) {
            return (int)got; /* a file that ends here has nothing more to save */
        }
        v.iov_len = (size_t)got;
        rc = part_file_write(&s->part, fs, offset + done, &v, 1);
        done += (uint64_t)got;
    }
    return rc;
}

/* Moves one file's bytes of the pieces that the part file has into their place, or out of it. */
static int move_file(struct store *s, struct io_fs *fs, const struct layout_file *f,
                     uint8_t *buffer, bool into_place)
{
    enum store_mode mode = into_place ? STORE_FOR_WRITING : STORE_FOR_READING;
    const struct layout *l = s->settings.layout;
    struct open_file *open = NULL;
    uint32_t first = (uint32_t)(f->offset / l->piece_length);
    uint32_t last = (uint32_t)((f->offset + f->length - 1) / l->piece_length);
    int rc = 0;
    for (uint32_t piece = first; rc == 0 && piece <= last; piece++) {
        int here = part_file_has(&s->part, fs, piece);
        if (here <= 0) {
            rc = here;
            continue;
        }
        if (!open) {
            rc = store_acquire(s, fs, NULL, f->file, mode, &open);
        }
        struct store_extents extents;
        struct extent e;
        uint64_t offset;
        store_extents_init(&extents, l, layout_piece_offset(l, piece),
                           layout_piece_length(l, piece));
        while (rc == 0 && store_extents_next(&extents, &e, &offset)) {
            if (e.file == f->file) {
                rc = (into_place ? copy_into_place : copy_out)(s, fs, open->file, buffer, &e,
                                                               offset);
            }
        }
    }
    if (open) {
        if (into_place) {
            /* The part file lets go of these bytes: a name that an earlier run left unsynced has to be there, too. */
            store_mark_dirty(s, f->file);
            rc = rc < 0 ? rc : store_mark_way(s, f->file);
        }
        open_files_put(s->open_files, fs, open);
    }
    /* A file that is not there has nothing that could be saved. */
    return rc == SPATE_ENOENT && !into_place ? 0 : rc;
}

static int move_changed(struct change *c, struct io_fs *fs, uint32_t *file)
{
    struct store *s = c->store;
    const struct layout *l = s->settings.layout;
    uint8_t *buffer = malloc(COPY_BYTES);
    int rc = buffer ? 0 : SPATE_ENOMEM;
    for (uint32_t i = 0; rc == 0 && i < l->file_count; i++) {
        const struct layout_file *f = &l->files[i];
        if (c->before[f->file] != c->after[f->file]) {
            rc = move_file(s, fs, f, buffer, !c->after[f->file]);
            if (rc < 0) {
                *file = f->file;
            }
        }
    }
    free(buffer);
    return rc;
}

/* An empty file has no bytes that would make it when they come. Files of the layout are not empty. */
static int make_empty(struct change *c, struct io_fs *fs, uint32_t *file)
{
    struct store *s = c->store;
    const struct layout *l = s->settings.layout;
    struct open_file *open;
    uint32_t next = 0;
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < s->settings.file_count; i++) {
        while (next < l->file_count && l->files[next].file < i) {
            next++;
        }
        bool is_empty = next == l->file_count || l->files[next].file != i;
        if (is_empty && c->before[i] && !c->after[i] && !store_is_pad(s, i)) {
            rc = store_acquire(s, fs, NULL, i, STORE_FOR_WRITING, &open);
            if (rc == 0) {
                store_mark_dirty(s, i);
                open_files_put(s->open_files, fs, open);
                rc = store_mark_way(s, i);
            }
            *file = i;
        }
    }
    return rc;
}

/* Does a piece still hold bytes of a file that goes to the part file? */
static bool keeps(void *user, uint32_t piece)
{
    const struct change *c = user;
    const struct layout *l = c->store->settings.layout;
    struct store_extents extents;
    struct extent e;
    uint64_t offset;
    store_extents_init(&extents, l, layout_piece_offset(l, piece), layout_piece_length(l, piece));
    while (store_extents_next(&extents, &e, &offset)) {
        if (!e.pad && c->after[e.file]) {
            return true;
        }
    }
    return false;
}

/* What stands at the place of a newly wanted file and is not ours is for somebody else to judge. */
static int find_strangers(struct change *c, struct io_fs *fs, const struct bitset *ours,
                          uint32_t *file)
{
    struct store *s = c->store;
    struct store_walk walk = {.store = s, .fs = fs};
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && ours && i < s->settings.file_count; i++) {
        struct io_file *directory;
        struct io_stat st;
        if (!c->before[i] || c->after[i] || store_is_pad(s, i) || bitset_get(ours, i)) {
            continue;
        }
        *file = i;
        rc = store_walk_to(&walk, i, store_depth(s, i) - 1, STORE_FOR_READING, &directory);
        if (rc == 0) {
            rc = io_fs_stat_at(fs, directory, store_name(s, i), &st);
        }
        if (rc == 0) {
            rc = store_refusal(&st, false);
            rc = rc == 0 && st.length > 0 ? SPATE_EFOREIGN : rc;
        }
        rc = rc == SPATE_ENOENT ? 0 : rc;
    }
    store_leave(&walk);
    return rc;
}

static uint8_t *new_rule(struct store *s, const uint8_t *wanted)
{
    uint8_t *in_part = calloc(1, (size_t)s->settings.file_count + 1);
    for (uint32_t i = 0; in_part && i < s->settings.file_count; i++) {
        bool unwanted = wanted && !wanted[i] && !store_is_pad(s, i);
        bool was_in_part = s->in_part && s->in_part[i];
        in_part[i] = unwanted && (was_in_part || !bitset_get(&s->made, i));
    }
    return in_part;
}

static int change(struct store *s, struct io_fs *fs, struct store_want *want)
{
    int rc = 0;
    struct change c = {.store = s, .before = s->in_part, .after = new_rule(s, want->wanted)};
    if (!c.after) {
        rc = SPATE_ENOMEM;
    }
    if (rc == 0 && c.before && !s->settings.read_only) {
        rc = find_strangers(&c, fs, want->ours, &want->file);
        rc = rc < 0 ? rc : move_changed(&c, fs, &want->file);
        rc = rc < 0 ? rc : make_empty(&c, fs, &want->file);
        if (rc == 0) {
            rc = store_sync_now(s, fs, &want->file);
            want->sync_failed = rc < 0;
        }
    }
    if (rc == 0) {
        rc = part_file_change(&s->part, fs, c.after, keeps, &c);
    }
    if (rc < 0) {
        free(c.after);
    } else {
        free(s->in_part);
        s->in_part = c.after;
    }
    return rc;
}

int store_run_want(struct io_op *op, struct io_fs *fs)
{
    struct store_want *want = list_entry(op, struct store_want, op);
    struct store *s = want->store;
    want->sync_failed = false;
    int rc = store_lock_rules(s, fs, true);
    if (rc == 0) {
        rc = change(s, fs, want);
        pthread_rwlock_unlock(&s->rules);
    }
    return rc;
}
