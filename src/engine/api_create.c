/* spate_create: the bytes of a torrent file made from files (BEP 3, 12, 19, 27), on the caller's thread. */
#include "base/limits.h"
#include "base/text.h"
#include "codec/metainfo_write.h"
#include "codec/name.h"
#include "codec/url.h"
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

/* The URLs of one kind, and which of them others understand. */
struct url_kind {
    const char *what, *example;
    const char *schemes[6]; /* up to NULL */
    uint32_t max;
};

static const struct url_kind tracker_urls = {"tracker",
                                             "udp://tracker.example:6969/announce",
                                             {"udp", "http", "https", "ws", "wss"},
                                             LIMIT_TRACKERS};
static const struct url_kind web_seed_urls = {
    "web seed", "https://files.example/", {"http", "https", "ftp"}, LIMIT_WEB_SEEDS};

static bool is_url(const struct url_kind *kind, const char *text)
{
    struct url url;
    if (!text_is_utf8(span_text(text)) || url_parse(&url, span_text(text), NULL) < 0) {
        return false;
    }
    for (const char *const *scheme = kind->schemes; *scheme; scheme++) {
        if (url_has_scheme(&url, *scheme)) {
            return true;
        }
    }
    return false;
}

static int check_urls(const struct making *m, const struct url_kind *kind, const char *const *urls,
                      uint32_t count)
{
    char shown[100];
    if (count > 0 && !urls) {
        return error_set(m->error, SPATE_EINVAL, 0, "no %ss given", kind->what);
    }
    if (count > kind->max) {
        return error_set(m->error, SPATE_ELIMIT, 0, "more than %u %ss", kind->max, kind->what);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!urls[i] || !is_url(kind, urls[i])) {
            text_escape(span_text(urls[i] ? urls[i] : ""), shown, sizeof shown);
            return error_set(m->error, SPATE_EURL, 0, "%s \"%s\" is not a URL such as %s",
                             kind->what, shown, kind->example);
        }
    }
    return 0;
}

/* One element of a path, and one that nobody has to rename. */
static int check_name(const struct making *m, const char *name)
{
    static const uint8_t no_hash[NAME_HASH_BYTES] = {0};
    char safe[LIMIT_NAME_BYTES + 1], shown[150];
    if (name[0] == 0 || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        return error_set(m->error, SPATE_EINVAL, 0, "the name must be one element of a path");
    }
    size_t length = name_make(span_text(name), LIMIT_NAME_BYTES, no_hash, safe);
    if (!span_equals(span_text(name), span_of(safe, length))) {
        return error_set(m->error, SPATE_EINVAL, 0,
                         "the name \"%s\" is one that not every system can store",
                         text_escape(span_text(name), shown, sizeof shown));
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
    int rc = s->name ? check_name(m, s->name) : 0;
    if (rc == 0) {
        rc = check_urls(m, &tracker_urls, s->trackers, s->tracker_count);
    }
    return rc < 0 ? rc : check_urls(m, &web_seed_urls, s->web_seeds, s->web_seed_count);
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
    m.plan.renamed = m.settings.name != NULL;
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
