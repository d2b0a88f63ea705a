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

/* A whole answer to the oldest request, whose bytes an input cannot guess. */
static void answer(struct world *w, uint8_t which)
{
    static const uint8_t data[BLOCK_BYTES];
    uint8_t head[WIRE_PIECE_HEADER_BYTES];
    if (peer_outstanding(&w->peer) == 0 || w->peer.reading == PEER_READ_HANDSHAKE) {
        return;
    }
    struct block block = peer_pending_at(&w->peer, which % peer_outstanding(&w->peer))->block;
    wire_write_piece_header(head, block);
    peer_receive(&w->peer, span_of(head, sizeof head), 2);
    peer_receive(&w->peer, span_of(data, block.length), 2);
}

static void step(struct world *w, struct reader *input)
{
    uint8_t op = reader_u8(input), a = reader_u8(input), b = reader_u8(input);
    struct peer *p = &w->peer;
    switch (op % 10) {
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
        answer(w, a);
        break;
    default:
        if (peer_wants(p) > 0) {
            peer_refuse(p);
        }
        peer_wake(p, (int64_t)a * 1000000000);
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
    bool incoming = reader_u8(&input) & 1;
    const struct peer_settings settings = {
        .scratch = scratch, .info_hash = incoming ? NULL : info_hash, .peer_id = id, .now_ns = 1};
    if (!scratch || !w || peer_init(&w->peer, &settings) || bitset_init(&w->have, PIECES)) {
        abort();
    }
    bitset_set(&w->have, 3);
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
