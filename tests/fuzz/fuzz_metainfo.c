/* Torrent files (BEP 3, 12, 19, 27, 47, 52): what is accepted keeps its own promises, has a layout in which
 * every byte has its place, and paths that are safe. */
#include "codec/layout.h"
#include "codec/name.h"

#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_files(const struct metainfo *m)
{
    uint64_t total = 0;
    uint32_t listed = 0;
    for (uint32_t i = 0; i < m->file_count; i++) {
        const struct metainfo_file *file = &m->files[i];
        bool pad = file->flags & METAINFO_FILE_PAD;
        ASSERT(file->offset == total);
        ASSERT(file->index == (pad ? UINT32_MAX : listed));
        ASSERT(pad || (file->element_count > 0 && m->listed[listed] == i));
        ASSERT(file->element_count <= LIMIT_PATH_DEPTH);
        listed += !pad;
        total += file->length;
    }
    ASSERT(total == m->total_length && total > 0 && total <= LIMIT_TORRENT_BYTES);
    ASSERT(listed == m->listed_count);
    ASSERT((total - 1) / m->piece_length + 1 == m->piece_count && m->piece_count <= LIMIT_PIECES);
}

static void check_texts(const struct metainfo *m)
{
    ASSERT(text_is_utf8(span_text(m->name)));
    ASSERT(!m->comment || text_is_utf8(span_text(m->comment)));
    for (uint32_t i = 0; i < m->tracker_count; i++) {
        ASSERT(m->trackers[i].url[0] && m->trackers[i].tier <= i);
        ASSERT(i == 0 || m->trackers[i].tier - m->trackers[i - 1].tier <= 1);
    }
}

/* What is padding is so by the files' own account, and a block that nobody is asked for holds nothing else. */
static void check_padding(const struct metainfo *m, const struct layout *l, uint32_t piece)
{
    uint64_t begin = layout_piece_offset(l, piece), end = begin + layout_piece_length(l, piece);
    uint64_t pads = 0;
    for (uint32_t i = 0; i < m->file_count; i++) {
        const struct metainfo_file *file = &m->files[i];
        uint64_t from = file->offset > begin ? file->offset : begin;
        uint64_t to = file->offset + file->length < end ? file->offset + file->length : end;
        pads += (file->flags & METAINFO_FILE_PAD) && from < to ? to - from : 0;
    }
    ASSERT(layout_padding(l, piece) == pads);
    struct padding walk = padding_begin(l, piece);
    uint32_t before = PADDING_NONE, block;
    uint64_t left_out = 0;
    while ((block = padding_next(&walk)) != PADDING_NONE) {
        ASSERT(block < layout_block_count(l, piece) && (before == PADDING_NONE || block > before));
        left_out += layout_block_length(l, piece, block);
        before = block;
    }
    ASSERT(left_out <= pads && (left_out == 0 || !layout_is_padding(l, piece)));
}

static void check_layout(const struct metainfo *m)
{
    struct layout l;
    struct extent extents[8];
    ASSERT(layout_init(&l, m) == 0);
    for (uint32_t piece = 0; piece < l.piece_count && piece < 50; piece++) {
        uint64_t offset = layout_piece_offset(&l, piece), length = layout_piece_length(&l, piece);
        size_t count = layout_extents(&l, offset, length, extents, 8);
        for (size_t i = 0; i < count && i < 8; i++) {
            const struct metainfo_file *file = &m->files[extents[i].file];
            ASSERT(file->offset + extents[i].file_offset == offset);
            ASSERT(extents[i].length <= file->length - extents[i].file_offset);
            offset += extents[i].length;
        }
        if (m->file_count <= 1000) {
            check_padding(m, &l, piece);
        }
        uint32_t holder = layout_find(&l, layout_piece_offset(&l, piece));
        ASSERT(l.files[holder].offset <= layout_piece_offset(&l, piece) &&
               layout_piece_offset(&l, piece) < l.files[holder].offset + l.files[holder].length);
    }
    ASSERT(layout_extents(&l, l.total_length, 1, extents, 8) == 0);
    ASSERT(layout_extents(&l, l.total_length - 1, UINT64_MAX, extents, 8) == 1);
    for (uint32_t i = 0; i < m->file_count && i < 50; i++) {
        uint32_t first = 0, last = 0;
        ASSERT(layout_file_pieces(&l, i, &first, &last) == (m->files[i].length > 0));
        ASSERT(first <= last && last < l.piece_count);
    }
    layout_deinit(&l);
}

static void check_paths(const struct metainfo *m)
{
    struct arena arena;
    const char *const *paths;
    arena_init(&arena, 0);
    ASSERT(name_map_build(m, NULL, LIMIT_NAME_BYTES, false, &arena, &paths) == 0);
    for (uint32_t i = 0; i < m->file_count; i++) {
        ASSERT((paths[i] == NULL) == ((m->files[i].flags & METAINFO_FILE_PAD) != 0));
        ASSERT(!paths[i] ||
               (paths[i][0] != '/' && !strstr(paths[i], "//") && !strstr(paths[i], "../")));
    }
    arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct metainfo m;
    struct spate_error error = {.size = sizeof error};
    if (metainfo_parse(&m, span_of(data, size), &error)) {
        ASSERT(error.code < 0 && error.offset <= size && error.text[0]);
        return 0;
    }
    ASSERT(m.info.bytes >= m.bytes.bytes &&
           m.info.bytes + m.info.size <= m.bytes.bytes + m.bytes.size);
    ASSERT(metainfo_require_v1(&m, &error) == (m.has_v1 ? 0 : SPATE_EV2ONLY));
    check_files(&m);
    check_texts(&m);
    check_layout(&m);
    check_paths(&m);
    metainfo_deinit(&m);
    return 0;
}
