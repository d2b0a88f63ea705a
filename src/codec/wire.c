/* The peer wire protocol's layouts (BEP 3, 6, 10). */
#include "codec/wire.h"

static const uint8_t protocol_name[20] = {19,  'B', 'i', 't', 'T', 'o', 'r', 'r', 'e', 'n',
                                          't', ' ', 'p', 'r', 'o', 't', 'o', 'c', 'o', 'l'};

void wire_write_handshake(const struct wire_handshake *h, uint8_t out[WIRE_HANDSHAKE_BYTES])
{
    memcpy(out, protocol_name, sizeof protocol_name);
    memset(out + 20, 0, 8);
    out[25] = h->extended ? 0x10 : 0;
    out[27] = (uint8_t)((h->fast ? 0x04 : 0) | (h->v2 ? 0x10 : 0));
    memcpy(out + WIRE_INFO_HASH_OFFSET, h->info_hash, 20);
    memcpy(out + 48, h->peer_id, 20);
}

bool wire_parse_handshake_head(const uint8_t bytes[48], struct wire_handshake *out)
{
    if (memcmp(bytes, protocol_name, sizeof protocol_name) != 0) {
        return false;
    }
    out->extended = bytes[25] & 0x10;
    out->fast = bytes[27] & 0x04;
    out->v2 = bytes[27] & 0x10;
    memcpy(out->info_hash, bytes + WIRE_INFO_HASH_OFFSET, 20);
    return true;
}

void wire_write_keepalive(struct writer *w)
{
    writer_u32(w, 0);
}

void wire_write_plain(struct writer *w, enum wire_id id)
{
    writer_u32(w, 1);
    writer_u8(w, (uint8_t)id);
}

void wire_write_index(struct writer *w, enum wire_id id, uint32_t piece)
{
    writer_u32(w, 5);
    writer_u8(w, (uint8_t)id);
    writer_u32(w, piece);
}

void wire_write_block(struct writer *w, enum wire_id id, struct block block)
{
    writer_u32(w, 13);
    writer_u8(w, (uint8_t)id);
    writer_u32(w, block.piece);
    writer_u32(w, block.offset);
    writer_u32(w, block.length);
}

void wire_write_bitfield(struct writer *w, const uint8_t *bits, size_t size)
{
    writer_u32(w, (uint32_t)(1 + size));
    writer_u8(w, WIRE_BITFIELD);
    writer_bytes(w, bits, size);
}

void wire_write_extended(struct writer *w, uint8_t extended_id, struct span payload)
{
    writer_u32(w, (uint32_t)(2 + payload.size));
    writer_u8(w, WIRE_EXTENDED);
    writer_u8(w, extended_id);
    writer_span(w, payload);
}

void wire_write_piece_header(uint8_t out[WIRE_PIECE_HEADER_BYTES], struct block block)
{
    store_be32(out, 9 + block.length);
    out[4] = WIRE_PIECE;
    store_be32(out + 5, block.piece);
    store_be32(out + 9, block.offset);
}

int wire_body_length(uint8_t id)
{
    switch (id) {
    case WIRE_CHOKE:
    case WIRE_UNCHOKE:
    case WIRE_INTERESTED:
    case WIRE_NOT_INTERESTED:
    case WIRE_HAVE_ALL:
    case WIRE_HAVE_NONE:
        return 1;
    case WIRE_PORT:
        return 3;
    case WIRE_HAVE:
    case WIRE_SUGGEST:
    case WIRE_ALLOWED_FAST:
        return 5;
    case WIRE_REQUEST:
    case WIRE_CANCEL:
    case WIRE_REJECT:
        return 13;
    default:
        return -1;
    }
}

const char *wire_name(uint8_t id)
{
    static const char *const names[] = {
        "choke",   "unchoke", "interested", "not interested", "have",   "bitfield",
        "request", "piece",   "cancel",     "port",           "?",      "?",
        "?",       "suggest", "have all",   "have none",      "reject", "allowed fast",
        "?",       "?",       "extended"};
    return id < sizeof names / sizeof *names ? names[id] : "?";
}
