/* Where the bytes of a torrent lie: pieces over files, blocks over pieces (BEP 3), and which of them
 * are padding (BEP 47). Pure arithmetic; the one place that does it. */
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
    bool has_padding; /* some file is padding; without, no question about padding looks at files */
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

static inline uint32_t layout_block_length(const struct layout *l, uint32_t piece, uint32_t block)
{
    uint32_t left = layout_piece_length(l, piece) - block * BLOCK_BYTES;
    return left < BLOCK_BYTES ? left : BLOCK_BYTES;
}

/* The place in files of the one that holds the byte at offset, which is inside the torrent. */
uint32_t layout_find(const struct layout *, uint64_t offset);
/* The extents of a range of the torrent, in order; what lies beyond the torrent's end is left out.
 * Writes at most max of them and returns how many there are. */
size_t layout_extents(const struct layout *, uint64_t offset, uint64_t length, struct extent *out,
                      size_t max);
/* Padding (BEP 47) is zeros that everybody has from the start. Bytes of it in a piece. */
uint32_t layout_padding(const struct layout *, uint32_t piece);
static inline bool layout_is_padding(const struct layout *l, uint32_t piece)
{
    return l->has_padding && layout_padding(l, piece) == layout_piece_length(l, piece);
}

/* A walk over the blocks of a piece that nobody need be asked for: they are nothing but padding. A
 * piece that is nothing but padding has none of them: its hash is checked before anything is
 * fetched, and if zeros are not what it stands for, peers are asked for all of it. */
struct padding {
    const struct layout *layout;
    uint64_t from, at, end; /* of the piece; of the block to look at next: bytes of the torrent */
    uint32_t file;          /* the place of the one that holds the byte at `at` */
};
#define PADDING_NONE UINT32_MAX
struct padding padding_begin(const struct layout *, uint32_t piece);
/* The number of the next block, PADDING_NONE behind the last. */
uint32_t padding_next(struct padding *);

/* The pieces that hold bytes of a file (numbered as in the metainfo), both included. False: it has
 * no bytes. */
bool layout_file_pieces(const struct layout *, uint32_t file, uint32_t *first, uint32_t *last);

#endif
