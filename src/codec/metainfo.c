/* Torrent files: everything but the files themselves. BEP 3 (info dictionary, info-hash), BEP 12
 * (tiers), BEP 19 (url-list), BEP 27 (private), BEP 52 (meta version). Where the texts are silent
 * we do as libtorrent does: the ".utf-8" variant of a key wins, an unusable tracker or web seed is
 * left out instead of refusing the torrent, and bytes behind the torrent are ignored. */
#include "codec/metainfo.h"

#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"
#include "codec/metainfo_build.h"
#include "crypto/sha.h"

#include <inttypes.h>

enum {
    META_VERSION = 2,               /* BEP 52 */
    V2_PIECE_LENGTH_MIN = 16 << 10, /* BEP 52, "piece length" */
    /* A list of thousands of equal trackers must not cost thousands times the trackers we keep. */
    TRACKERS_LOOKED_AT_MAX = 16 * LIMIT_TRACKERS,
};

int metainfo_refuse(const struct metainfo_build *b, struct bencode_item where, const char *what)
{
    uint64_t offset = bencode_offset(where);
    return error_set(b->error, SPATE_EMETAINFO, offset, "%s (byte %" PRIu64 ")", what, offset);
}

int metainfo_no_memory(const struct metainfo_build *b)
{
    return error_set(b->error, SPATE_ENOMEM, 0, "out of memory");
}

/* UTF-8 without zero bytes and with a final one; NULL when out of memory. */
static const char *keep_text(struct metainfo *m, struct span text)
{
    char *copy = arena_allocate(&m->arena, text.size + 1);
    if (copy) {
        text_copy(copy, text.size + 1, text);
    }
    return copy;
}

/* A text under key, or under its variant key.utf-8 when that is what it says it is. */
static bool find_utf8(struct bencode_item dict, const char *key, const char *key_utf8,
                      struct span *out)
{
    struct span text;
    if (bencode_find_text(dict, key_utf8, &text) && text.size > 0 && text_is_utf8(text)) {
        *out = text;
        return true;
    }
    return bencode_find_text(dict, key, out);
}

static int read_versions(struct metainfo_build *b)
{
    int64_t version;
    struct bencode_item item = bencode_dict_find(b->info, "meta version");
    if (bencode_type(item) != BENCODE_ABSENT) {
        if (!bencode_int(item, &version) || version != META_VERSION) {
            return error_set(b->error, SPATE_EUNSUPPORTED, bencode_offset(item),
                             "the torrent is of a version that this program does not know");
        }
        b->m->has_v2 = true;
    }
    b->m->has_v1 =
        !b->m->has_v2 || bencode_type(bencode_dict_find(b->info, "pieces")) != BENCODE_ABSENT;
    return 0;
}

static int read_name(struct metainfo_build *b)
{
    struct metainfo *m = b->m;
    if (!find_utf8(b->info, "name", "name.utf-8", &m->raw_name) || m->raw_name.size == 0) {
        return metainfo_refuse(b, b->info, "the torrent has no name");
    }
    if (m->raw_name.size > LIMIT_PATH_ELEMENT_BYTES) {
        return error_set(b->error, SPATE_ELIMIT, bencode_offset(b->info),
                         "the torrent's name is longer than %u bytes", LIMIT_PATH_ELEMENT_BYTES);
    }
    m->name = keep_text(m, m->raw_name);
    return m->name ? 0 : metainfo_no_memory(b);
}

static int read_piece_length(struct metainfo_build *b)
{
    int64_t length;
    struct bencode_item item = bencode_dict_find(b->info, "piece length");
    if (!bencode_int(item, &length) || length < 1) {
        return metainfo_refuse(b, bencode_type(item) == BENCODE_ABSENT ? b->info : item,
                               "no valid piece length");
    }
    if (length > LIMIT_PIECE_BYTES) {
        return error_set(b->error, SPATE_ELIMIT, bencode_offset(item),
                         "a piece length of %" PRId64 " bytes is more than %u", length,
                         LIMIT_PIECE_BYTES);
    }
    if (b->m->has_v2 && (length < V2_PIECE_LENGTH_MIN || (length & (length - 1)) != 0)) {
        return metainfo_refuse(b, item,
                               "the piece length of a v2 torrent is a power of two from 16 KiB");
    }
    b->m->piece_length = (uint32_t)length;
    return 0;
}

/* Counts the pieces and takes their hashes. */
static int read_pieces(struct metainfo_build *b)
{
    struct metainfo *m = b->m;
    if (m->total_length == 0) {
        return metainfo_refuse(b, b->info, "the torrent holds no bytes");
    }
    uint64_t count = (m->total_length - 1) / m->piece_length + 1;
    if (count > LIMIT_PIECES) {
        return error_set(b->error, SPATE_ELIMIT, bencode_offset(b->info),
                         "%" PRIu64 " pieces are more than %u", count, LIMIT_PIECES);
    }
    m->piece_count = (uint32_t)count;
    if (!m->has_v1) {
        return 0;
    }
    struct span hashes;
    struct bencode_item item = bencode_dict_find(b->info, "pieces");
    if (!bencode_text(item, &hashes)) {
        return metainfo_refuse(b, b->info, "no piece hashes");
    }
    if (hashes.size != count * SHA1_BYTES) {
        return error_set(b->error, SPATE_EMETAINFO, bencode_offset(item),
                         "%zu bytes of piece hashes for %" PRIu64 " pieces (byte %" PRIu64 ")",
                         hashes.size, count, bencode_offset(item));
    }
    m->piece_hashes = hashes.bytes;
    return 0;
}

/* The public API counts files without padding. */
static int list_files(struct metainfo_build *b)
{
    struct metainfo *m = b->m;
    uint32_t *listed = arena_array(&m->arena, m->file_count, sizeof *listed);
    if (!listed) {
        return metainfo_no_memory(b);
    }
    for (uint32_t i = 0; i < m->file_count; i++) {
        struct metainfo_file *file = &m->files[i];
        file->index = UINT32_MAX;
        if (!(file->flags & METAINFO_FILE_PAD)) {
            file->index = m->listed_count;
            listed[m->listed_count++] = i;
            m->listed_length += file->length;
        }
    }
    m->listed = listed;
    if (m->listed_length == 0) {
        return metainfo_refuse(b, b->info, "the torrent holds no bytes");
    }
    return 0;
}

static int read_info(struct metainfo_build *b)
{
    struct metainfo *m = b->m;
    int failed = read_versions(b);
    if (!failed) {
        failed = read_name(b);
    }
    if (!failed) {
        failed = read_piece_length(b);
    }
    if (!failed) {
        failed = m->has_v1 ? metainfo_read_files(b) : metainfo_read_tree(b);
    }
    if (!failed) {
        failed = read_pieces(b);
    }
    if (!failed) {
        failed = list_files(b);
    }
    if (!failed && m->has_v1 && m->has_v2) {
        failed = metainfo_match_tree(b);
    }
    if (failed) {
        return failed;
    }
    int64_t is_private;
    m->is_private = bencode_find_int(b->info, "private", &is_private) && is_private != 0;
    m->info = bencode_raw(b->info);
    if (m->has_v1) {
        sha1_of(m->info, m->info_hash);
    }
    if (m->has_v2) {
        sha256_of(m->info, m->info_hash_v2);
        failed = metainfo_check_layers(b);
    }
    return failed;
}

/* A URL worth keeping, without the spaces around it; what it means is for codec/url.h to say. */
static bool usable_url(struct bencode_item item, struct span *url)
{
    if (!bencode_text(item, url)) {
        return false;
    }
    while (url->size > 0 && url->bytes[0] == ' ') {
        *url = span_slice(*url, 1, SIZE_MAX);
    }
    while (url->size > 0 && url->bytes[url->size - 1] == ' ') {
        url->size--;
    }
    for (size_t i = 0; i < url->size; i++) {
        if (url->bytes[i] <= ' ' || url->bytes[i] == 0x7f) {
            return false;
        }
    }
    return url->size > 0 && url->size <= LIMIT_URL_BYTES && text_is_utf8(*url);
}

/* Adds a tracker unless it is there already or no use. False when out of memory. */
static bool add_tracker(struct metainfo *m, struct bencode_item item, uint32_t tier)
{
    struct span url;
    if (m->tracker_count == LIMIT_TRACKERS || !usable_url(item, &url)) {
        return true;
    }
    for (uint32_t i = 0; i < m->tracker_count; i++) {
        if (span_equals(span_text(m->trackers[i].url), url)) {
            return true;
        }
    }
    const char *copy = arena_text(&m->arena, url);
    if (!copy) {
        return false;
    }
    m->trackers[m->tracker_count++] = (struct metainfo_tracker){.url = copy, .tier = tier};
    return true;
}

/* announce-list (BEP 12) hides announce, unless there is no usable tracker in it. */
static int read_trackers(struct metainfo_build *b)
{
    struct metainfo *m = b->m;
    m->trackers = arena_array(&m->arena, LIMIT_TRACKERS, sizeof *m->trackers);
    if (!m->trackers) {
        return metainfo_no_memory(b);
    }
    uint32_t tier = 0, looked_at = 0;
    struct bencode_walk tiers = bencode_walk_list(bencode_find_list(b->root, "announce-list"));
    for (struct bencode_item list; bencode_next(&tiers, &list);) {
        uint32_t before = m->tracker_count;
        struct bencode_walk urls = bencode_walk_list(list);
        for (struct bencode_item url; bencode_next(&urls, &url);) {
            if (looked_at++ == TRACKERS_LOOKED_AT_MAX) {
                return 0;
            }
            if (!add_tracker(m, url, tier)) {
                return metainfo_no_memory(b);
            }
        }
        tier += m->tracker_count > before;
    }
    if (m->tracker_count == 0 && !add_tracker(m, bencode_dict_find(b->root, "announce"), 0)) {
        return metainfo_no_memory(b);
    }
    return 0;
}

static bool add_web_seed(struct metainfo *m, struct bencode_item item)
{
    struct span url;
    if (m->web_seed_count == LIMIT_WEB_SEEDS || !usable_url(item, &url)) {
        return true;
    }
    const char *copy = arena_text(&m->arena, url);
    if (copy) {
        m->web_seeds[m->web_seed_count++] = copy;
    }
    return copy != NULL;
}

/* url-list (BEP 19) is one URL or a list of them. */
static int read_web_seeds(struct metainfo_build *b)
{
    struct metainfo *m = b->m;
    m->web_seeds = arena_array(&m->arena, LIMIT_WEB_SEEDS, sizeof *m->web_seeds);
    struct bencode_item list = bencode_dict_find(b->root, "url-list");
    if (!m->web_seeds || !add_web_seed(m, list)) {
        return metainfo_no_memory(b);
    }
    struct bencode_walk urls = bencode_walk_list(list);
    for (struct bencode_item url; bencode_next(&urls, &url);) {
        if (!add_web_seed(m, url)) {
            return metainfo_no_memory(b);
        }
    }
    return 0;
}

static int read_about(struct metainfo_build *b)
{
    struct metainfo *m = b->m;
    struct span text;
    if (find_utf8(b->root, "comment", "comment.utf-8", &text) &&
        !(m->comment = keep_text(m, text))) {
        return metainfo_no_memory(b);
    }
    if (find_utf8(b->root, "created by", "created by.utf-8", &text) &&
        !(m->created_by = keep_text(m, text))) {
        return metainfo_no_memory(b);
    }
    m->creation_date = -1;
    int64_t date;
    if (bencode_find_int(b->root, "creation date", &date) && date >= 0) {
        m->creation_date = date;
    }
    return 0;
}

static int read_root(struct metainfo_build *b)
{
    if (bencode_type(b->root) != BENCODE_DICT) {
        return metainfo_refuse(b, b->root, "not a torrent: no dictionary");
    }
    b->info = bencode_find_dict(b->root, "info");
    if (bencode_type(b->info) == BENCODE_ABSENT) {
        return metainfo_refuse(b, b->root, "not a torrent: no info dictionary");
    }
    int failed = read_info(b);
    if (!failed) {
        failed = read_trackers(b);
    }
    if (!failed) {
        failed = read_web_seeds(b);
    }
    return failed ? failed : read_about(b);
}

int metainfo_parse(struct metainfo *m, struct span bytes, struct spate_error *error)
{
    *m = (struct metainfo){0};
    if (bytes.size > LIMIT_METAINFO_BYTES) {
        return error_set(error, SPATE_ELIMIT, LIMIT_METAINFO_BYTES,
                         "a torrent file of %zu bytes is longer than %u", bytes.size,
                         LIMIT_METAINFO_BYTES);
    }
    struct metainfo_build b = {.m = m, .error = error};
    arena_init(&m->arena, 0);
    uint8_t *copy = arena_allocate(&m->arena, bytes.size + 1);
    if (!copy) {
        return metainfo_no_memory(&b);
    }
    if (bytes.size > 0) {
        memcpy(copy, bytes.bytes, bytes.size);
    }
    m->bytes = span_of(copy, bytes.size);
    struct bencode tree;
    size_t consumed;
    int failed = bencode_parse_prefix(&tree, m->bytes, LIMIT_BENCODE_TOKENS, &consumed, error);
    if (!failed) {
        b.root = bencode_root(&tree);
        failed = read_root(&b);
        bencode_deinit(&tree);
    }
    if (failed) {
        metainfo_deinit(m);
    }
    return failed;
}

void metainfo_deinit(struct metainfo *m)
{
    arena_deinit(&m->arena);
    *m = (struct metainfo){0};
}

int metainfo_require_v1(const struct metainfo *m, struct spate_error *error)
{
    if (m->has_v1) {
        return 0;
    }
    return error_set(
        error, SPATE_EV2ONLY, 0,
        "this is a BitTorrent v2-only torrent, which can be shown but not downloaded yet");
}
