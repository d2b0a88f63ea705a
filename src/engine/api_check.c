/* spate_check: which files and pieces of a torrent on the disk are right, on the caller's thread. Reads only. */
#include "base/limits.h"
#include "codec/name.h"
#include "engine/api_metainfo.h"
#include "engine/hashing.h"

#include <stdlib.h>

struct checking {
    struct spate_check settings; /* all of it, whatever the caller's header knew */
    const struct metainfo *metainfo;
    struct layout layout;
    struct arena names;
    const char *const *paths;
    struct hashing hashing;
    struct store_look look;
    int look_status;
    struct bitset good;
    uint32_t bad_pieces;
    /* One a file of the metainfo. */
    uint64_t *bad_bytes;
    uint8_t *unreadable;
};

void spate_check_init(struct spate_check *check, uint32_t size)
{
    memset(check, 0, size);
    check->size = size;
}

/* ---- what is there ---- */

static void on_looked(struct io_op *op, int status)
{
    list_entry(list_entry(op, struct store_look, op), struct checking, look)->look_status = status;
}

static int look(struct checking *c, struct spate_error *error)
{
    c->look.op.done = on_looked;
    store_look(c->hashing.store, &c->look);
    hashing_wait(&c->hashing, &c->look.op);
    if (c->look_status == 0 && !c->look.destination_exists) {
        c->look_status = SPATE_ENOENT;
    }
    if (c->look_status < 0) {
        return error_set(error, c->look_status, 0, "cannot read \"%.150s\": %s",
                         c->settings.save_path, spate_strerror(c->look_status));
    }
    return 0;
}

/* ---- the pieces ---- */

static int on_piece(void *user, const struct check_event *event)
{
    struct checking *c = user;
    if (event->good) {
        bitset_set(&c->good, event->piece);
        return 0;
    }
    if (event->error == SPATE_ENOMEM) {
        return event->error;
    }
    c->bad_pieces++;
    if (event->file != UINT32_MAX && event->error != SPATE_ESHORT && event->error != SPATE_ENOENT) {
        c->unreadable[event->file] = 1;
    }
    const struct layout *l = &c->layout;
    uint64_t from = layout_piece_offset(l, event->piece);
    uint64_t to = from + layout_piece_length(l, event->piece);
    for (uint32_t i = layout_find(l, from); i < l->file_count && l->files[i].offset < to; i++) {
        const struct layout_file *f = &l->files[i];
        uint64_t start = f->offset > from ? f->offset : from;
        uint64_t end = f->offset + f->length < to ? f->offset + f->length : to;
        c->bad_bytes[f->file] += end - start;
    }
    return 0;
}

/* ---- the verdict on each file ---- */

static enum spate_check_file_state file_state(const struct checking *c, uint32_t file)
{
    const struct store_file_found *found = &c->look.found[file];
    uint64_t length = c->metainfo->files[file].length;
    if (!c->paths[file] || (c->metainfo->files[file].flags & METAINFO_FILE_SYMLINK)) {
        return SPATE_CHECK_GOOD; /* never on the disk */
    }
    if (found->what == STORE_ABSENT) {
        return SPATE_CHECK_MISSING;
    }
    if (found->what == STORE_NOT_A_FILE || c->unreadable[file]) {
        return SPATE_CHECK_UNREADABLE;
    }
    if (found->stat.length < length) {
        return SPATE_CHECK_SHORT;
    }
    if (c->bad_bytes[file] > 0) {
        return SPATE_CHECK_WRONG;
    }
    return found->stat.length > length ? SPATE_CHECK_LONG : SPATE_CHECK_GOOD;
}

/* The caller's entries are files[0].size bytes apart. */
static void report_files(const struct checking *c, struct spate_check_file *files,
                         uint32_t file_count)
{
    const struct metainfo *m = c->metainfo;
    uint32_t stride = files[0].size;
    for (uint32_t i = 0; i < file_count && i < m->listed_count; i++) {
        uint32_t file = m->listed[i];
        struct spate_check_file row = {.size = stride,
                                       .state = file_state(c, file),
                                       .length_found = c->look.found[file].stat.length,
                                       .bad_bytes = c->bad_bytes[file]};
        uint8_t *out = (uint8_t *)files + (size_t)i * stride;
        memcpy(out, &row, stride < sizeof row ? stride : sizeof row);
    }
}

/* ---- the call ---- */

static int open_world(struct checking *c, struct spate_error *error)
{
    const struct metainfo *m = c->metainfo;
    int rc = layout_init(&c->layout, m);
    if (rc == 0) {
        rc = name_map_build(m, c->settings.name, LIMIT_NAME_BYTES, false, &c->names, &c->paths);
    }
    if (rc == 0) {
        rc = bitset_init(&c->good, m->piece_count);
    }
    c->bad_bytes = calloc((size_t)m->file_count + 1, sizeof *c->bad_bytes);
    c->unreadable = calloc((size_t)m->file_count + 1, 1);
    c->look.found = calloc((size_t)m->file_count + 1, sizeof *c->look.found);
    if (rc == 0 && (!c->bad_bytes || !c->unreadable || !c->look.found)) {
        rc = SPATE_ENOMEM;
    }
    if (rc == 0) {
        struct store_settings store = {
            .layout = &c->layout,
            .paths = c->paths,
            .file_count = m->file_count,
            .save_path = c->settings.save_path,
            .follow_symlinks = (c->settings.flags & SPATE_ADD_FOLLOW_SYMLINKS) != 0,
        };
        rc = hashing_open(&c->hashing, &store);
    }
    return rc < 0 ? error_set(error, rc, 0, "%s", spate_strerror(rc)) : 0;
}

static int run(struct checking *c, struct spate_error *error)
{
    int rc = open_world(c, error);
    if (rc == 0) {
        rc = look(c, error);
    }
    if (rc == 0) {
        struct check_settings settings = {.layout = &c->layout,
                                          .piece_hashes = c->metainfo->piece_hashes};
        rc = hashing_run(&c->hashing, &settings, on_piece, c);
        if (rc < 0) {
            error_set(error, rc, 0, "%s", spate_strerror(rc));
        }
    }
    return rc;
}

int spate_check(const spate_metainfo *metainfo, const struct spate_check *check, uint8_t *pieces,
                size_t pieces_size, struct spate_check_file *files, uint32_t file_count,
                struct spate_error *error)
{
    if (!metainfo || !check || check->size < sizeof check->size ||
        (files && file_count > 0 && files[0].size < sizeof files[0].size)) {
        return error_set(error, SPATE_EINVAL, 0, "a struct without its size was given");
    }
    struct checking c = {.metainfo = &metainfo->metainfo};
    memcpy(&c.settings, check, check->size < sizeof c.settings ? check->size : sizeof c.settings);
    if (!c.settings.save_path) {
        return error_set(error, SPATE_EINVAL, 0, "no directory given");
    }
    int rc = metainfo_require_v1(c.metainfo, error);
    if (rc == 0) {
        rc = hashing_init(&c.hashing, c.settings.workers, c.settings.progress, c.settings.user,
                          error);
    }
    if (rc < 0) {
        return rc;
    }
    arena_init(&c.names, 0);
    rc = run(&c, error);
    if (rc == 0) {
        size_t size = bitset_bytes(c.good.count);
        if (pieces) {
            memcpy(pieces, c.good.bytes, size < pieces_size ? size : pieces_size);
        }
        if (files && file_count > 0) {
            report_files(&c, files, file_count);
        }
        rc = (int)c.bad_pieces;
    }
    hashing_deinit(&c.hashing);
    layout_deinit(&c.layout);
    arena_deinit(&c.names);
    bitset_deinit(&c.good);
    free(c.bad_bytes);
    free(c.unreadable);
    free(c.look.found);
    return rc;
}
