/* The layouts of the peer wire: a handshake that parses is written back as it was (but for reserved bits that we
 * do not know), and every message that we write has the length that we would ask of it. */
#include "codec/wire.h"

#include "base/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_handshake(const uint8_t *data)
{
    struct wire_handshake first, second;
    uint8_t out[WIRE_HANDSHAKE_BYTES];
    if (!wire_parse_handshake_head(data, &first)) {
        return;
    }
    memcpy(first.peer_id, data + 48, 20);
    wire_write_handshake(&first, out);
    ASSERT(wire_parse_handshake_head(out, &second));
    ASSERT(memcmp(out, data, 20) == 0 && memcmp(out + 28, data + 28, 40) == 0);
    ASSERT(second.fast == first.fast && second.extended == first.extended);
}

static void check_length(const struct writer *w, bool fixed)
{
    ASSERT(!w->failed);
    ASSERT(load_be32(w->bytes) + WIRE_LENGTH_BYTES == w->size);
    if (fixed) {
        ASSERT(wire_body_length(w->bytes[4]) + WIRE_LENGTH_BYTES == (int)w->size);
    }
}

static void check_messages(struct reader *r)
{
    static const enum wire_id plain[] = {WIRE_CHOKE, WIRE_UNCHOKE, WIRE_INTERESTED, WIRE_HAVE_NONE};
    static const enum wire_id indexed[] = {WIRE_HAVE, WIRE_SUGGEST, WIRE_ALLOWED_FAST};
    static const enum wire_id blocks[] = {WIRE_REQUEST, WIRE_CANCEL, WIRE_REJECT};
    uint8_t id = reader_u8(r), out[512];
    struct block block = {reader_u32(r), reader_u32(r), reader_u32(r)};
    struct writer w = writer_over(out, sizeof out);
    wire_write_plain(&w, plain[id % 4]);
    check_length(&w, true);
    w = writer_over(out, sizeof out);
    wire_write_index(&w, indexed[id % 3], block.piece);
    check_length(&w, true);
    w = writer_over(out, sizeof out);
    wire_write_block(&w, blocks[id % 3], block);
    check_length(&w, true);
    struct span rest = span_slice(r->rest, 0, 200);
    w = writer_over(out, sizeof out);
    wire_write_bitfield(&w, rest.bytes, rest.size);
    check_length(&w, false);
    w = writer_over(out, sizeof out);
    wire_write_extended(&w, id, rest);
    check_length(&w, false);
    w = writer_over(out, sizeof out);
    wire_write_keepalive(&w);
    check_length(&w, false);
    wire_write_piece_header(out, block);
    ASSERT(load_be32(out) == (uint32_t)(9 + block.length) && load_be32(out + 5) == block.piece);
    ASSERT(wire_name(id) != NULL && wire_body_length(id) >= -1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size >= WIRE_HANDSHAKE_BYTES) {
        check_handshake(data);
    }
    struct reader r = reader_over(span_of(data, size));
    check_messages(&r);
    return 0;
}
