/* Planning a torrent (BEP 3): a walk over a directory without recursion, with the open directories on a stack of
 * bounded depth. Nothing is left out silently: what cannot be part of a torrent is an error that names it. */
#include "disk/create.h"

#include "base/limits.h"
#include "base/text.h"
#include "codec/name.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    PIECES_MAX = 2048, /* where no other bound says otherwise */
    PIECE_BYTES_USUAL = 64 << 10,
    PIECE_BYTES_MAX = 16 << 20,
};

struct entry {
    char *path; /* owned */
    struct create_file file;
};

struct level {
    struct io_file *directory;
    uint64_t cursor;
    size_t prefix; /* bytes of its path, with the slash at its end */
};

struct walk {
    struct create *create;
    struct io_fs *fs;
    struct level levels[LIMIT_PATH_DEPTH];
    uint32_t depth;
    char path[PATH_MAX]; /* of the present level, then of the present entry */
    struct entry *entries;
    uint32_t count, capacity;
};

static int refuse(struct create *c, int rc, const char *path, const char *why)
{
    char shown[150];
    text_escape(span_text(path), shown, sizeof shown);
    snprintf(c->text, sizeof c->text, "\"%s\" %s", shown, why);
    return rc;
}

static int fail(struct create *c, int rc, const char *path)
{
    char shown[150];
    text_escape(span_text(path), shown, sizeof shown);
    snprintf(c->text, sizeof c->text, "cannot read \"%s\": %s", shown, spate_strerror(rc));
    return rc;
}

/* A torrent may only hold names that every reader of it, our own store included, will use as they are: what
 * would be renamed there could not be seeded from here. */
static int check_name(struct create *c, const char *path, struct span name)
{
    static const uint8_t no_hash[NAME_HASH_BYTES] = {0};
    char safe[LIMIT_NAME_BYTES + 1], why[160];
    if (!text_is_utf8(name)) {
        return refuse(c, SPATE_EUNSUPPORTED, path, "has a name that is not UTF-8: rename it");
    }
    size_t length = name_make(name, LIMIT_NAME_BYTES, no_hash, safe);
    if (span_equals(name, span_of(safe, length))) {
        return 0;
    }
    char shown[81];
    text_copy(shown, sizeof shown, span_of(safe, length));
    snprintf(why, sizeof why,
             "has a name that not every system can store: rename it, e.g. to \"%s\"", shown);
    return refuse(c, SPATE_EUNSUPPORTED, path, why);
}

static struct create_file describe(const struct io_stat *st)
{
    return (struct create_file){.length = st->length,
                                .device = st->device,
                                .inode = st->inode,
                                .modified_ns = st->modified_ns,
                                .changed_ns = st->changed_ns};
}

/* ---- the walk ---- */

static int add(struct walk *w, const struct io_stat *st)
{
    struct create *c = w->create;
    if (w->count == LIMIT_FILES) {
        return refuse(c, SPATE_ELIMIT, c->path, "holds too many files");
    }
    if (st->length > LIMIT_TORRENT_BYTES - c->total_length) {
        return refuse(c, SPATE_ELIMIT, c->path, "holds too many bytes");
    }
    if (w->count == w->capacity) {
        uint32_t capacity = w->capacity ? 2 * w->capacity : 64;
        struct entry *grown = realloc(w->entries, capacity * sizeof *grown);
        if (!grown) {
            return SPATE_ENOMEM;
        }
        w->entries = grown;
        w->capacity = capacity;
    }
    char *path = strdup(w->path);
    if (!path) {
        return SPATE_ENOMEM;
    }
    w->entries[w->count++] = (struct entry){.path = path, .file = describe(st)};
    c->total_length += st->length;
    return 0;
}

static int enter(struct walk *w, const char *name)
{
    struct io_file *directory;
    size_t length = strlen(w->path);
    if (w->depth == LIMIT_PATH_DEPTH || length + 2 > sizeof w->path) {
        return refuse(w->create, SPATE_ELIMIT, w->path, "lies too deep");
    }
    int rc = io_fs_open(w->fs, w->levels[w->depth - 1].directory, name,
                        IO_OPEN_READ | IO_OPEN_DIRECTORY, &directory);
    if (rc < 0) {
        return fail(w->create, rc, w->path);
    }
    w->path[length] = '/';
    w->path[length + 1] = 0;
    w->levels[w->depth++] = (struct level){.directory = directory, .prefix = length + 1};
    return 0;
}

static int visit(struct walk *w, const char *name)
{
    struct create *c = w->create;
    const struct level *level = &w->levels[w->depth - 1];
    struct io_stat st;
    size_t length = strlen(name);
    if (level->prefix + length >= sizeof w->path) {
        return refuse(c, SPATE_ENAMETOOLONG, name, "has a path that is too long");
    }
    memcpy(w->path + level->prefix, name, length + 1);
    int rc = check_name(c, w->path, span_text(name));
    if (rc < 0) {
        return rc;
    }
    rc = io_fs_stat_at(w->fs, level->directory, name, &st);
    if (rc < 0) {
        return fail(c, rc, w->path);
    }
    switch (st.type) {
    case IO_TYPE_FILE:
        return add(w, &st);
    case IO_TYPE_DIRECTORY:
        return enter(w, name);
    case IO_TYPE_SYMLINK:
        return refuse(c, SPATE_ESYMLINK, w->path, "is a symbolic link, which is not followed");
    case IO_TYPE_OTHER:
        break;
    }
    return refuse(c, SPATE_EUNSUPPORTED, w->path, "is neither a file nor a directory");
}

static int walk_all(struct walk *w)
{
    char name[LIMIT_NAME_BYTES + 1];
    int rc = 0;
    while (rc >= 0 && w->depth > 0) {
        struct level *level = &w->levels[w->depth - 1];
        rc = io_fs_list(w->fs, level->directory, &level->cursor, name, sizeof name);
        if (rc < 0) {
            w->path[level->prefix] = 0;
            rc = fail(w->create, rc, level->prefix > 0 ? w->path : w->create->path);
        } else if (rc == 0) {
            io_fs_close(w->fs, level->directory);
            w->depth--;
        } else {
            rc = visit(w, name);
        }
    }
    while (w->depth > 0) {
        io_fs_close(w->fs, w->levels[--w->depth].directory);
    }
    return rc;
}

/* Element by element: a slash sorts before everything. */
static int compare_paths(const void *a, const void *b)
{
    const char *x = ((const struct entry *)a)->path, *y = ((const struct entry *)b)->path;
    while (*x && *x == *y) {
        x++;
        y++;
    }
    int cx = *x == '/' ? 1 : *x ? (uint8_t)*x + 1 : 0;
    int cy = *y == '/' ? 1 : *y ? (uint8_t)*y + 1 : 0;
    return cx - cy;
}

static int keep_entries(struct walk *w)
{
    struct create *c = w->create;
    if (w->count > 0) {
        qsort(w->entries, w->count, sizeof *w->entries, compare_paths);
    }
    const char **paths = arena_array(&c->memory, (size_t)w->count + 1, sizeof *paths);
    c->files = arena_array(&c->memory, (size_t)w->count + 1, sizeof *c->files);
    if (!paths || !c->files) {
        return SPATE_ENOMEM;
    }
    for (uint32_t i = 0; i < w->count; i++) {
        paths[i] = arena_text(&c->memory, span_text(w->entries[i].path));
        if (!paths[i]) {
            return SPATE_ENOMEM;
        }
        c->files[i] = w->entries[i].file;
    }
    c->paths = paths;
    c->file_count = w->count;
    return 0;
}

static int plan_directory(struct create *c, struct io_fs *fs, struct io_file *directory)
{
    struct walk *w = calloc(1, sizeof *w);
    if (!w) {
        io_fs_close(fs, directory);
        return SPATE_ENOMEM;
    }
    w->create = c;
    w->fs = fs;
    w->levels[w->depth++] = (struct level){.directory = directory};
    int rc = walk_all(w);
    if (rc == 0) {
        rc = keep_entries(w);
    }
    for (uint32_t i = 0; i < w->count; i++) {
        free(w->entries[i].path);
    }
    free(w->entries);
    free(w);
    c->save_path = c->path;
    return rc;
}

/* ---- a single file ---- */

static int plan_file(struct create *c, struct io_fs *fs)
{
    struct io_file *file;
    struct io_stat st;
    int rc = io_fs_open_path(fs, c->path, IO_OPEN_READ, &file);
    if (rc < 0) {
        return fail(c, rc, c->path);
    }
    rc = io_fs_stat(fs, file, &st);
    io_fs_close(fs, file);
    if (rc < 0) {
        return fail(c, rc, c->path);
    }
    if (st.type != IO_TYPE_FILE) {
        return refuse(c, SPATE_EUNSUPPORTED, c->path, "is neither a file nor a directory");
    }
    const char *slash = strrchr(c->path, '/');
    const char **paths = arena_array(&c->memory, 1, sizeof *paths);
    c->files = arena_array(&c->memory, 1, sizeof *c->files);
    c->save_path = !slash ? "."
                   : slash == c->path
                       ? "/"
                       : arena_text(&c->memory, span_of(c->path, (size_t)(slash - c->path)));
    if (!paths || !c->files || !c->save_path) {
        return SPATE_ENOMEM;
    }
    paths[0] = slash ? slash + 1 : c->path;
    c->paths = paths;
    c->files[0] = describe(&st);
    c->file_count = 1;
    c->total_length = st.length;
    c->single_file = true;
    return 0;
}

/* ---- the plan ---- */

/* The last element of a path; of the real path where the given one ends in "." or "..". */
static int find_name(struct create *c, struct io_fs *fs)
{
    char real[PATH_MAX];
    const char *path = c->path;
    for (int tries = 0; tries < 2; tries++) {
        size_t end = strlen(path);
        while (end > 0 && path[end - 1] == '/') {
            end--;
        }
        size_t start = end;
        while (start > 0 && path[start - 1] != '/') {
            start--;
        }
        struct span name = span_of(path + start, end - start);
        bool dots = (name.size == 1 || name.size == 2) && memcmp(name.bytes, "..", name.size) == 0;
        if (name.size > 0 && !dots) {
            c->name = arena_text(&c->memory, name);
            return c->name ? 0 : SPATE_ENOMEM;
        }
        int rc = io_fs_real_path(fs, c->path, real, sizeof real);
        if (rc < 0) {
            return fail(c, rc, c->path);
        }
        path = real;
    }
    return refuse(c, SPATE_EINVAL, c->path, "has no name");
}

static int run_plan(struct io_op *op, struct io_fs *fs)
{
    struct create *c = list_entry(op, struct create, op);
    struct io_file *directory;
    int rc = find_name(c, fs);
    if (rc < 0) {
        return rc;
    }
    rc = io_fs_open_path(fs, c->path, IO_OPEN_READ | IO_OPEN_DIRECTORY, &directory);
    if (rc == 0) {
        rc = plan_directory(c, fs, directory);
    } else if (rc == SPATE_ENOTDIR) {
        rc = plan_file(c, fs);
    } else {
        rc = fail(c, rc, c->path);
    }
    if (rc == 0 && !c->renamed) {
        rc = check_name(c, c->path, span_text(c->name));
    }
    if (rc == 0 && c->total_length == 0) {
        rc = refuse(c, SPATE_EINVAL, c->path, "holds no bytes, and a torrent needs some");
    }
    return rc;
}

void create_plan(struct io *io, struct create *c)
{
    arena_init(&c->memory, 0);
    c->text[0] = 0;
    io_work(io, IO_POOL_READ, &c->op, run_plan, 0);
}

void create_deinit(struct create *c)
{
    arena_deinit(&c->memory);
}

/* ---- comparing ---- */

/* Opened by its path as a whole: only its identity is looked at. */
static int compare_file(struct create *c, struct io_fs *fs, uint32_t index)
{
    size_t size = strlen(c->save_path) + strlen(c->paths[index]) + 2;
    char *path = malloc(size);
    struct io_file *file;
    struct io_stat st = {0};
    if (!path) {
        return SPATE_ENOMEM;
    }
    snprintf(path, size, "%s/%s", c->save_path, c->paths[index]);
    int rc = io_fs_open_path(fs, path, IO_OPEN_READ, &file);
    free(path);
    if (rc == 0) {
        rc = io_fs_stat(fs, file, &st);
        io_fs_close(fs, file);
    }
    if (rc < 0) {
        return fail(c, rc, c->paths[index]);
    }
    const struct create_file *planned = &c->files[index], now = describe(&st);
    if (now.length != planned->length || now.device != planned->device ||
        now.inode != planned->inode || now.modified_ns != planned->modified_ns ||
        now.changed_ns != planned->changed_ns) {
        return refuse(c, SPATE_EMISMATCH, c->paths[index], "changed while it was being read");
    }
    return 0;
}

static int run_compare(struct io_op *op, struct io_fs *fs)
{
    struct create *c = list_entry(op, struct create, op);
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < c->file_count; i++) {
        rc = compare_file(c, fs, i);
    }
    return rc;
}

void create_compare(struct io *io, struct create *c)
{
    io_work(io, IO_POOL_READ, &c->op, run_compare, 0);
}

/* ---- pieces ---- */

uint32_t create_piece_length(uint64_t total_length)
{
    static const struct {
        uint64_t total_max;
        uint32_t length;
    } small[] = {{8 << 20, 16 << 10}, {32 << 20, 32 << 10}};
    for (size_t i = 0; i < sizeof small / sizeof *small; i++) {
        if (total_length <= small[i].total_max) {
            return small[i].length;
        }
    }
    uint32_t length = PIECE_BYTES_USUAL;
    while (length < PIECE_BYTES_MAX && total_length > (uint64_t)length * PIECES_MAX) {
        length *= 2;
    }
    return length;
}

int create_layout(const struct create *c, uint32_t piece_length, struct layout *out)
{
    *out = (struct layout){0};
    uint64_t pieces = (c->total_length - 1) / piece_length + 1;
    if (pieces > LIMIT_PIECES) {
        return SPATE_ELIMIT;
    }
    struct layout_file *files = calloc(c->file_count, sizeof *files);
    if (!files) {
        return SPATE_ENOMEM;
    }
    uint64_t offset = 0;
    for (uint32_t i = 0; i < c->file_count; i++) {
        if (c->files[i].length > 0) {
            files[out->file_count++] =
                (struct layout_file){.offset = offset, .length = c->files[i].length, .file = i};
            offset += c->files[i].length;
        }
    }
    out->files = files;
    out->piece_length = piece_length;
    out->piece_count = (uint32_t)pieces;
    out->total_length = c->total_length;
    return 0;
}
