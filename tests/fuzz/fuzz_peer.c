/* The peer machine against a stranger: the input is a program of bytes received (split anywhere) and of calls
 * that an engine makes meanwhile. Slots are checked to be written only while they are lent, and the machine's
 * own invariants after every step. */
#include "proto/peer.h"

#include "base/error.h"

#include <stdlib.h>

enum { PIECE_BYTES = 40000, PIECES = 21, SLOTS = 32 };

struct world {
    struct peer peer;
    struct bitset have;
    struct {
        uint8_t bytes[BLOCK_BYTES + 8]; /* the last eight are a fence */
        bool lent;
    } slots[SLOTS];
};

static void check_fences(const struct world *w)
{
    for (int i = 0; i < SLOTS; i++) {
        for (int k = 0; k < 8; k++) {
            ASSERT(w->slots[i].bytes[BLOCK_BYTES + k] == 0xfe);
        }
    }
}

static void take_back(struct world *w, const uint8_t *destination)
{
    for (int i = 0; destination && i < SLOTS; i++) {
        if (w->slots[i].bytes == destination) {
            ASSERT(w->slots[i].lent);
            w->slots[i].lent = false;
            return;
        }
    }
    ASSERT(destination == NULL);
}

static struct block any_block(uint8_t a, uint8_t b)
{
    uint32_t piece = a % PIECES, offset = (b % 3u) * BLOCK_BYTES;
    uint32_t left = (piece == PIECES - 1 ? 1000u : PIECE_BYTES);
    offset = offset < left ? offset : 0;
    left -= offset;
    return (struct block){piece, offset, left < BLOCK_BYTES ? left : BLOCK_BYTES};
}

static void ask(struct world *w, struct block block)
{
    for (int i = 0; i < SLOTS; i++) {
        if (!w->slots[i].lent) {
            w->slots[i].lent = peer_request(&w->peer, block, w->slots[i].bytes) == 0;
            return;
        }
    }
}

static void drain(struct world *w)
{
    struct peer_event event;
    struct peer_pending pending;
    while (peer_next(&w->peer, &event)) {
        if (event.type == PEER_BLOCK || event.type == PEER_REJECT) {
            take_back(w, event.destination);
        } else if (event.type == PEER_CHOKED && !w->peer.remote.fast) {
            while (peer_forget(&w->peer, &pending)) {
                take_back(w, pending.destination);
            }
        } else if (event.type == PEER_HANDSHAKE && w->peer.incoming) {
            peer_accept(&w->peer, w->peer.remote.info_hash);
            peer_set_pieces(&w->peer, PIECES, PIECE_BYTES,
                            (uint64_t)PIECE_BYTES * (PIECES - 1) + 1000);
        } else if (event.type == PEER_IDENTIFIED) {
            const struct ext_handshake ours = {.dont_have_id = 7, .reqq = 500};
            peer_introduce(&w->peer, &w->have, &ours);
        }
    }
}

static void send_some(struct world *w, uint32_t most)
{
    struct part parts[8];
    int count = peer_send(&w->peer, parts, 8);
    size_t total = 0;
    for (int i = 0; i < count; i++) {
        total += parts[i].size;
    }
    peer_sent(&w->peer, total < most ? total : most, 2);
}

static void receive(struct world *w, struct reader *input, size_t size)
{
    struct iovec v[PEER_SPACE_MAX];
    int count = peer_space(&w->peer, v);
    size_t n = 0;
    for (int i = 0; i < count && n < size; i++) {
        size_t part = v[i].iov_len < size - n ? v[i].iov_len : size - n;
        struct span bytes = reader_take(input, part < input->rest.size ? part : input->rest.size);
        if (bytes.size > 0) {
            memcpy(v[i].iov_base, bytes.bytes, bytes.size);
        }
        n += bytes.size;
        if (bytes.size < part) {
            break;
        }
    }
    peer_received(&w->peer, n, 2);
}

/* Bytes that an input cannot guess: answers to requests that are outstanding, in any order, some with a message
 * between. They arrive at once, so that guesses about them fail. */
static void answer(struct world *w, uint8_t which, uint8_t count)
{
    static uint8_t stream[8 * (BLOCK_BYTES + 64)];
    struct writer out = writer_over(stream, sizeof stream);
    struct peer *p = &w->peer;
    if (p->reading == PEER_READ_HANDSHAKE || (p->incoming && !p->handshaked)) {
        return;
    }
    for (uint8_t i = 0; i < count % 8 && i < peer_outstanding(p); i++) {
        uint32_t n = (uint32_t)(which + i * (which & 3u)) % peer_outstanding(p);
        struct block block = peer_pending_at(p, n)->block;
        if (count & 16) {
            wire_write_index(&out, WIRE_HAVE, (uint32_t)(which + i) % PIECES);
        }
        if (count & 32 && p->remote.fast) {
            wire_write_block(&out, WIRE_REJECT, block);
        }
        uint8_t *head = writer_room(&out, WIRE_PIECE_HEADER_BYTES);
        ASSERT(head && writer_room(&out, block.length));
        wire_write_piece_header(head, block);
    }
    if (count & 64) { /* the last one stops half way */
        out.size -= out.size / 3;
    }
    struct reader input = reader_over(span_of(stream, out.size));
    while (input.rest.size > 0 && !p->fault) {
        receive(w, &input, count & 128 ? 5000 : sizeof stream);
    }
}

/* Everything it ever asks for, again and again, without reading our answers. */
static void flood(struct world *w, uint8_t id, uint8_t count)
{
    uint8_t message[17];
    struct writer out = writer_over(message, sizeof message);
    wire_write_block(&out, id & 1 ? WIRE_REQUEST : WIRE_CANCEL, any_block(id, count));
    if (w->peer.reading == PEER_READ_HEAD && w->peer.head_size == 0 && w->peer.piece_count > 0) {
        for (uint32_t i = 0; i < count * 20u; i++) {
            peer_receive(&w->peer, span_of(message, sizeof message), 2);
        }
    }
}

static void step(struct world *w, struct reader *input)
{
    uint8_t op = reader_u8(input), a = reader_u8(input), b = reader_u8(input);
    struct peer *p = &w->peer;
    switch (op % 13) {
    case 0:
    case 1:
        receive(w, input, ((size_t)a << 8) | b);
        break;
    case 2:
        ask(w, any_block(a, b));
        break;
    case 3:
        take_back(w, peer_redirect(p, any_block(a, b), a & 1));
        break;
    case 4:
        send_some(w, (uint32_t)a * 300 + b);
        break;
    case 5:
        peer_choke(p, a & 1);
        break;
    case 6:
        peer_serve(p, a % 8u);
        break;
    case 7:
        peer_have(p, a % PIECES);
        peer_interest(p, b & 1);
        break;
    case 8:
        answer(w, a, b);
        break;
    case 9:
        flood(w, a, b);
        break;
    case 10:
        peer_upload_only(p, a & 1);
        peer_dont_have(p, b % PIECES);
        break;
    case 11:
        for (uint8_t i = 0; i < b; i++) {
            ask(w, any_block((uint8_t)(a + i), i));
        }
        break;
    default:
        if (peer_wants(p) > 0) {
            peer_refuse(p);
        }
        peer_wake(p, (int64_t)a * 1000000000);
        ASSERT(peer_deadline(p) > 0 && peer_fault_text(p->fault) != NULL);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t info_hash[20] = "an info hash of 20 b", id[20] = "-SP0100-our own idxx";
    struct peer_scratch *scratch = malloc(sizeof *scratch);
    struct world *w = calloc(1, sizeof *w);
    struct reader input = reader_over(span_of(data, size));
    uint8_t kind = reader_u8(&input);
    bool incoming = kind & 1;
    const struct peer_settings settings = {
        .scratch = scratch, .info_hash = incoming ? NULL : info_hash, .peer_id = id, .now_ns = 1};
    if (!scratch || !w || peer_init(&w->peer, &settings) || bitset_init(&w->have, PIECES)) {
        abort();
    }
    bitset_set(&w->have, 3);
    if (kind & 2) {
        bitset_fill(&w->have);
    }
    for (int i = 0; i < SLOTS; i++) {
        memset(w->slots[i].bytes + BLOCK_BYTES, 0xfe, 8);
    }
    if (!incoming) {
        peer_set_pieces(&w->peer, PIECES, PIECE_BYTES, (uint64_t)PIECE_BYTES * (PIECES - 1) + 1000);
    }
    while (input.rest.size > 0) {
        step(w, &input);
        drain(w);
        ASSERT(peer_is_consistent(&w->peer));
    }
    check_fences(w);
    peer_deinit(&w->peer);
    bitset_deinit(&w->have);
    free(w);
    free(scratch);
    return 0;
}
