/* spate_create: the bytes of a torrent file made from files (BEP 3, 12, 19, 27), on the caller's thread. */
#include "base/limits.h"
#include "base/text.h"
#include "codec/metainfo_write.h"
#include "disk/create.h"
#include "engine/hashing.h"

#include <stdio.h>
#include <stdlib.h>

enum { PIECE_BYTES_MIN = 16 << 10, HASH_BYTES = 20 };

struct making {
    struct spate_create settings; /* all of it, whatever the caller's header knew */
    struct spate_error *error;
    struct hashing hashing;
    struct create plan;
    struct layout layout;
    uint8_t *digests;
    int status; /* of the plan's operation */
};

void spate_create_init(struct spate_create *create, uint32_t size)
{
    memset(create, 0, size);
    create->size = size;
}

/* ---- what the caller asked for ---- */

static bool is_url(const char *text)
{
    size_t length = strlen(text);
    bool plain = length > 0 && length <= LIMIT_URL_BYTES && text_is_utf8(span_text(text));
    for (const char *p = text; plain && *p; p++) {
        plain = (uint8_t)*p > ' ' && *p != 0x7f;
    }
    return plain;
}

static int check_urls(const struct making *m, const char *const *urls, uint32_t count, uint32_t max,
                      const char *what)
{
    if (count > 0 && !urls) {
        return error_set(m->error, SPATE_EINVAL, 0, "no %ss given", what);
    }
    if (count > max) {
        return error_set(m->error, SPATE_ELIMIT, 0, "more than %u %ss", max, what);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!urls[i] || !is_url(urls[i])) {
            return error_set(m->error, SPATE_EURL, 0, "%s %u is not a URL", what, i + 1);
        }
    }
    return 0;
}

static int check_settings(const struct making *m)
{
    const struct spate_create *s = &m->settings;
    if (!s->path || s->path[0] == 0) {
        return error_set(m->error, SPATE_EINVAL, 0, "no path given");
    }
    uint32_t length = s->piece_length;
    if (length != 0 &&
        (length < PIECE_BYTES_MIN || length > LIMIT_PIECE_BYTES || (length & (length - 1)) != 0)) {
        return error_set(m->error, SPATE_EINVAL, 0,
                         "the piece length must be a power of two from 16 KiB to 512 MiB");
    }
    const char *texts[] = {s->name, s->comment, s->created_by};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (texts[i] && !text_is_utf8(span_text(texts[i]))) {
            return error_set(m->error, SPATE_EINVAL, 0, "a text is not UTF-8");
        }
    }
    if (s->name && (s->name[0] == 0 || strchr(s->name, '/') || strcmp(s->name, ".") == 0 ||
                    strcmp(s->name, "..") == 0)) {
        return error_set(m->error, SPATE_EINVAL, 0, "the name must be one element of a path");
    }
    int rc = check_urls(m, s->trackers, s->tracker_count, LIMIT_TRACKERS, "tracker");
    return rc < 0 ? rc
                  : check_urls(m, s->web_seeds, s->web_seed_count, LIMIT_WEB_SEEDS, "web seed");
}

/* ---- hashing ---- */

static void on_planned(struct io_op *op, int status)
{
    list_entry(list_entry(op, struct create, op), struct making, plan)->status = status;
}

static int run_plan(struct making *m, void (*submit)(struct io *, struct create *))
{
    m->plan.op.done = on_planned;
    submit(m->hashing.io, &m->plan);
    hashing_wait(&m->hashing, &m->plan.op);
    if (m->status < 0) {
        return error_set(m->error, m->status, 0, "%s",
                         m->plan.text[0] ? m->plan.text : spate_strerror(m->status));
    }
    return 0;
}

static int on_piece(void *user, const struct check_event *event)
{
    struct making *m = user;
    if (event->good) {
        return 0;
    }
    char shown[150] = "";
    if (event->file != UINT32_MAX) {
        text_escape(span_text(m->plan.paths[event->file]), shown, sizeof shown);
    }
    return error_set(m->error, event->error, 0, "cannot read \"%s\": %s", shown,
                     spate_strerror(event->error));
}

static int hash(struct making *m)
{
    uint32_t length = m->settings.piece_length ? m->settings.piece_length
                                               : create_piece_length(m->plan.total_length);
    int rc = create_layout(&m->plan, length, &m->layout);
    if (rc == SPATE_ELIMIT) {
        return error_set(m->error, rc, 0, "too many pieces: choose a longer piece length");
    }
    m->digests = rc == 0 ? malloc((size_t)m->layout.piece_count * HASH_BYTES) : NULL;
    if (!m->digests) {
        return error_set(m->error, SPATE_ENOMEM, 0, "out of memory");
    }
    struct store_settings store = {.layout = &m->layout,
                                   .paths = m->plan.paths,
                                   .file_count = m->plan.file_count,
                                   .save_path = m->plan.save_path,
                                   .follow_symlinks = m->plan.single_file};
    rc = hashing_open(&m->hashing, &store);
    if (rc < 0) {
        return error_set(m->error, rc, 0, "%s", spate_strerror(rc));
    }
    struct check_settings check = {.layout = &m->layout, .digests = m->digests};
    rc = hashing_run(&m->hashing, &check, on_piece, m);
    if (rc == SPATE_ECANCELED || rc == SPATE_ENOMEM) {
        return error_set(m->error, rc, 0, "%s", spate_strerror(rc));
    }
    return rc < 0 ? rc : run_plan(m, create_compare);
}

/* ---- writing ---- */

/* By ascending tiers; without tiers each tracker is one of its own. */
static void sort_trackers(const struct spate_create *s, struct metainfo_tracker *out)
{
    for (uint32_t i = 0; i < s->tracker_count; i++) {
        uint32_t tier = s->tiers ? s->tiers[i] : i, at = i;
        for (; at > 0 && out[at - 1].tier > tier; at--) {
            out[at] = out[at - 1];
        }
        out[at] = (struct metainfo_tracker){.url = s->trackers[i], .tier = tier};
    }
}

static int write_draft(struct making *m, const struct metainfo_draft *draft, void **bytes,
                       size_t *length)
{
    size_t capacity = metainfo_write_bound(draft);
    uint8_t *out = malloc(capacity);
    if (!out) {
        return error_set(m->error, SPATE_ENOMEM, 0, "out of memory");
    }
    struct writer w = writer_over(out, capacity);
    metainfo_write(draft, &w);
    ASSERT(!w.failed);
    if (w.size > LIMIT_METAINFO_BYTES) {
        free(out);
        return error_set(m->error, SPATE_ELIMIT, 0, "the torrent file would be too long");
    }
    *bytes = out;
    *length = w.size;
    return 0;
}

static int write_torrent(struct making *m, void **bytes, size_t *length)
{
    const struct spate_create *s = &m->settings;
    char creator[64];
    snprintf(creator, sizeof creator, "spate/%s", spate_version());
    const char *created_by = s->created_by ? s->created_by : creator;
    struct metainfo_draft_file *files = calloc(m->plan.file_count, sizeof *files);
    struct metainfo_tracker *trackers = calloc((size_t)s->tracker_count + 1, sizeof *trackers);
    int rc = SPATE_ENOMEM;
    if (files && trackers) {
        for (uint32_t i = 0; i < m->plan.file_count; i++) {
            files[i] = (struct metainfo_draft_file){.path = m->plan.paths[i],
                                                    .length = m->plan.files[i].length};
        }
        sort_trackers(s, trackers);
        const struct metainfo_draft draft = {
            .name = s->name ? s->name : m->plan.name,
            .single_file = m->plan.single_file,
            .is_private = s->private_torrent != 0,
            .files = files,
            .file_count = m->plan.file_count,
            .piece_length = m->layout.piece_length,
            .piece_count = m->layout.piece_count,
            .piece_hashes = m->digests,
            .trackers = trackers,
            .tracker_count = s->tracker_count,
            .web_seeds = s->web_seeds,
            .web_seed_count = s->web_seed_count,
            .comment = s->comment,
            .created_by = created_by[0] ? created_by : NULL,
            .creation_date =
                s->creation_date ? s->creation_date : io_wall(m->hashing.io) / 1000000000,
        };
        rc = write_draft(m, &draft, bytes, length);
    } else {
        error_set(m->error, rc, 0, "out of memory");
    }
    free(files);
    free(trackers);
    return rc;
}

/* ---- the call ---- */

int spate_create(const struct spate_create *create, void **bytes, size_t *length,
                 struct spate_error *error)
{
    struct making m = {.error = error};
    if (!create || create->size < sizeof create->size || !bytes || !length) {
        return error_set(error, SPATE_EINVAL, 0, "no settings or no place for the result given");
    }
    *bytes = NULL;
    *length = 0;
    memcpy(&m.settings, create,
           create->size < sizeof m.settings ? create->size : sizeof m.settings);
    int rc = check_settings(&m);
    if (rc == 0) {
        rc = hashing_init(&m.hashing, m.settings.workers, m.settings.progress, m.settings.user,
                          error);
    }
    if (rc < 0) {
        return rc;
    }
    m.plan.path = m.settings.path;
    rc = run_plan(&m, create_plan);
    if (rc == 0) {
        rc = hash(&m);
    }
    if (rc == 0) {
        rc = write_torrent(&m, bytes, length);
    }
    hashing_deinit(&m.hashing);
    layout_deinit(&m.layout);
    create_deinit(&m.plan);
    free(m.digests);
    return rc;
}
