/* The layout of pieces over files (BEP 3): files lie one after the other in the order of the
 * torrent, and are found by binary search. */
#include "codec/layout.h"

#include "base/error.h"

#include <stdlib.h>

int layout_init(struct layout *l, const struct metainfo *m)
{
    *l = (struct layout){.piece_length = m->piece_length,
                         .piece_count = m->piece_count,
                         .total_length = m->total_length};
    struct layout_file *files = calloc((size_t)m->file_count + 1, sizeof *files);
    if (!files) {
        return SPATE_ENOMEM;
    }
    for (uint32_t i = 0; i < m->file_count; i++) {
        const struct metainfo_file *file = &m->files[i];
        if (file->length > 0) {
            files[l->file_count++] = (struct layout_file){.offset = file->offset,
                                                          .length = file->length,
                                                          .file = i,
                                                          .pad = file->flags & METAINFO_FILE_PAD};
            l->has_padding = l->has_padding || file->flags & METAINFO_FILE_PAD;
        }
    }
    l->files = files;
    return 0;
}

void layout_deinit(struct layout *l)
{
    free((void *)(uintptr_t)l->files);
    *l = (struct layout){0};
}

uint32_t layout_find(const struct layout *l, uint64_t offset)
{
    uint32_t low = 0, high = l->file_count - 1;
    while (low < high) {
        uint32_t middle = low + (high - low + 1) / 2;
        if (l->files[middle].offset <= offset) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

size_t layout_extents(const struct layout *l, uint64_t offset, uint64_t length, struct extent *out,
                      size_t max)
{
    size_t count = 0;
    if (offset >= l->total_length) {
        return 0;
    }
    if (length > l->total_length - offset) {
        length = l->total_length - offset;
    }
    for (uint32_t i = layout_find(l, offset); length > 0; i++, count++) {
        const struct layout_file *file = &l->files[i];
        uint64_t inside = offset - file->offset;
        uint64_t here = file->length - inside < length ? file->length - inside : length;
        if (count < max) {
            out[count] = (struct extent){
                .file = file->file, .pad = file->pad, .file_offset = inside, .length = here};
        }
        offset += here;
        length -= here;
    }
    return count;
}

static uint64_t file_end(const struct layout_file *file)
{
    return file->offset + file->length;
}

uint32_t layout_padding(const struct layout *l, uint32_t piece)
{
    uint64_t at = layout_piece_offset(l, piece), end = at + layout_piece_length(l, piece);
    uint32_t bytes = 0;
    if (!l->has_padding) {
        return 0;
    }
    for (uint32_t i = layout_find(l, at); at < end; i++) {
        uint64_t stop = file_end(&l->files[i]) < end ? file_end(&l->files[i]) : end;
        bytes += l->files[i].pad ? (uint32_t)(stop - at) : 0;
        at = stop;
    }
    return bytes;
}

struct padding padding_begin(const struct layout *l, uint32_t piece)
{
    uint64_t from = layout_piece_offset(l, piece);
    struct padding p = {.layout = l, .from = from, .at = from, .end = from};
    if (l->has_padding && !layout_is_padding(l, piece)) {
        p.end += layout_piece_length(l, piece);
        p.file = layout_find(l, from);
    }
    return p;
}

/* To the first block that begins at an offset or behind it. */
static void padding_go(struct padding *p, uint64_t offset)
{
    const struct layout_file *files = p->layout->files;
    p->at = p->from + (offset - p->from + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
    while (p->at < p->end && file_end(&files[p->file]) <= p->at) {
        p->file++;
    }
}

uint32_t padding_next(struct padding *p)
{
    const struct layout_file *files = p->layout->files;
    while (p->at < p->end) {
        uint64_t at = p->at, stop = at + BLOCK_BYTES < p->end ? at + BLOCK_BYTES : p->end;
        while (files[p->file].pad && file_end(&files[p->file]) < stop) {
            p->file++;
        }
        if (files[p->file].pad) {
            padding_go(p, stop);
            return (uint32_t)((at - p->from) / BLOCK_BYTES);
        }
        padding_go(p, file_end(&files[p->file]));
    }
    return PADDING_NONE;
}

bool layout_file_pieces(const struct layout *l, uint32_t file, uint32_t *first, uint32_t *last)
{
    uint32_t low = 0, high = l->file_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (l->files[middle].file < file) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == l->file_count || l->files[low].file != file) {
        return false;
    }
    const struct layout_file *found = &l->files[low];
    *first = (uint32_t)(found->offset / l->piece_length);
    *last = (uint32_t)((found->offset + found->length - 1) / l->piece_length);
    return true;
}
