/* The peer wire protocol's numbers and layouts (BEP 3 "peer protocol", BEP 6, BEP 10, BEP 54). */
#ifndef CODEC_WIRE_H
#define CODEC_WIRE_H

#include "base/block.h"
#include "base/bytes.h"

enum {
    WIRE_HANDSHAKE_BYTES = 68, /* 1 + 19 + 8 reserved + 20 info-hash + 20 peer id */
    WIRE_INFO_HASH_OFFSET = 28,
    WIRE_LENGTH_BYTES = 4,        /* the length prefix of every message */
    WIRE_PIECE_HEADER_BYTES = 13, /* length, id, index, begin: what stands before a block */
};

enum wire_id {
    WIRE_CHOKE = 0,
    WIRE_UNCHOKE = 1,
    WIRE_INTERESTED = 2,
    WIRE_NOT_INTERESTED = 3,
    WIRE_HAVE = 4,
    WIRE_BITFIELD = 5,
    WIRE_REQUEST = 6,
    WIRE_PIECE = 7,
    WIRE_CANCEL = 8,
    WIRE_PORT = 9,     /* BEP 5 */
    WIRE_SUGGEST = 13, /* BEP 6 from here */
    WIRE_HAVE_ALL = 14,
    WIRE_HAVE_NONE = 15,
    WIRE_REJECT = 16,
    WIRE_ALLOWED_FAST = 17,
    WIRE_EXTENDED = 20, /* BEP 10 */
};

/* What the reserved bytes of a handshake promise. */
struct wire_handshake {
    uint8_t info_hash[20];
    uint8_t peer_id[20];
    bool fast;     /* BEP 6: reserved[7] & 0x04 */
    bool extended; /* BEP 10: reserved[5] & 0x10 */
    bool v2;       /* BEP 52: reserved[7] & 0x10 */
};

void wire_write_handshake(const struct wire_handshake *, uint8_t out[WIRE_HANDSHAKE_BYTES]);
/* False when the 48 bytes up to the peer id are not a BitTorrent handshake. The peer id may come
 * later: some clients send it only after our answer. */
bool wire_parse_handshake_head(const uint8_t bytes[48], struct wire_handshake *out);

/* Messages as they leave; w fails when its memory is too small. */
void wire_write_keepalive(struct writer *);
void wire_write_plain(struct writer *, enum wire_id); /* choke ... have none */
void wire_write_index(struct writer *, enum wire_id,
                      uint32_t piece); /* have, suggest, allowed fast */
void wire_write_block(struct writer *, enum wire_id, struct block); /* request, cancel, reject */
void wire_write_bitfield(struct writer *, const uint8_t *bits, size_t size);
void wire_write_extended(struct writer *, uint8_t extended_id, struct span payload);
/* The 13 bytes before the block's data. */
void wire_write_piece_header(uint8_t out[WIRE_PIECE_HEADER_BYTES], struct block);

/* The body length (without the length prefix) that a message of this id must have; -1: any length.
 */
int wire_body_length(uint8_t id);
/* The name of a message, for logs; "?" when unknown. */
const char *wire_name(uint8_t id);

#endif
