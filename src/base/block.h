/* The nouns of the data path. A piece is what has a hash; a block is what one request asks for: 16 KiB,
 * the last of a piece maybe shorter (BEP 3). */
#ifndef BASE_BLOCK_H
#define BASE_BLOCK_H

#include <stdint.h>

enum { BLOCK_BYTES = 16384 };

struct block {
    uint32_t piece;
    uint32_t offset; /* bytes from the start of the piece */
    uint32_t length; /* bytes */
};

static inline int block_equals(struct block a, struct block b)
{
    return a.piece == b.piece && a.offset == b.offset && a.length == b.length;
}

/* A part of what must leave: bytes in memory, or a block that lies in files. */
struct part {
    const uint8_t *bytes; /* NULL: the bytes are those of block */
    uint32_t size;
    struct block block; /* where bytes is NULL: the rest of a block that is still to be sent */
};

#endif
