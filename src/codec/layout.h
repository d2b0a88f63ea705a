/* Where the bytes of a torrent lie: pieces over files, blocks over pieces (BEP 3). Pure arithmetic;
 * the one place that does it. */
#ifndef CODEC_LAYOUT_H
#define CODEC_LAYOUT_H

#include "base/block.h"
#include "codec/metainfo.h"

struct layout_file {
    uint64_t offset; /* of its first byte in the torrent */
    uint64_t length; /* bytes, never 0 */
    uint32_t file;   /* its number in the metainfo */
    bool pad;
};

struct layout {
    uint32_t piece_length; /* bytes */
    uint32_t piece_count;
    uint64_t total_length;           /* bytes, padding included */
    const struct layout_file *files; /* owned; files of no bytes are left out */
    uint32_t file_count;
};

/* A stretch of one file. */
struct extent {
    uint32_t file; /* its number in the metainfo */
    bool pad;
    uint64_t file_offset;
    uint64_t length; /* bytes, never 0 */
};

/* Does not keep the metainfo. SPATE_ENOMEM. */
int layout_init(struct layout *, const struct metainfo *);
void layout_deinit(struct layout *);

/* Bytes of a piece; only the last may be shorter than piece_length. */
static inline uint32_t layout_piece_length(const struct layout *l, uint32_t piece)
{
    uint64_t left = l->total_length - (uint64_t)piece * l->piece_length;
    return left < l->piece_length ? (uint32_t)left : l->piece_length;
}

/* Of its first byte in the torrent. */
static inline uint64_t layout_piece_offset(const struct layout *l, uint32_t piece)
{
    return (uint64_t)piece * l->piece_length;
}

static inline uint32_t layout_block_count(const struct layout *l, uint32_t piece)
{
    return (layout_piece_length(l, piece) - 1) / BLOCK_BYTES + 1;
}

/* The place in files of the one that holds the byte at offset, which is inside the torrent. */
uint32_t layout_find(const struct layout *, uint64_t offset);
/* The extents of a range of the torrent, in order; what lies beyond the torrent's end is left out.
 * Writes at most max of them and returns how many there are. */
size_t layout_extents(const struct layout *, uint64_t offset, uint64_t length, struct extent *out,
                      size_t max);
/* The pieces that hold bytes of a file (numbered as in the metainfo), both included. False: it has
 * no bytes. */
bool layout_file_pieces(const struct layout *, uint32_t file, uint32_t *first, uint32_t *last);

#endif
