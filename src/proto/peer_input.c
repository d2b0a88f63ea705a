/* Receiving (BEP 3, 6, 10, 54). Bytes land where they are expected to belong; then the stream is
 * read once from front to back, wherever its bytes lie. A block whose bytes landed in its own slot
 * is not copied. When a guess was wrong, bytes are moved; when moving would overwrite bytes not yet
 * read, the rest of the stream is first laid out straight in the scratch. How far ahead is guessed follows
 * how often the guesses were right. */
#include "proto/peer_internal.h"

#include "base/error.h"
#include "base/plant.h"

#include <stdlib.h>

enum {
    PEER_GUESSES_TRUSTED = 16, /* right guesses in a row before several blocks are guessed again */
    PEER_BITFIELDS_MAX = 16,   /* some clients correct themselves; nobody does it this often */
    PEER_UNASKED_MAX = 256,
};

/* ---- where the next bytes should land -------------------------------------------------------- */

static void plan_add(struct peer *p, uint8_t *bytes, size_t size)
{
    struct peer_scratch *scratch = p->scratch;
    scratch->plan[scratch->plan_count].bytes = bytes;
    scratch->plan[scratch->plan_count].size = size;
    scratch->plan_count++;
}

/* Could the message that has begun be the answer to the oldest request? */
static bool head_may_be_answer(const struct peer *p)
{
    uint8_t expected[WIRE_PIECE_HEADER_BYTES];
    if (p->head_size > WIRE_PIECE_HEADER_BYTES) {
        return false;
    }
    wire_write_piece_header(expected, peer_pending_at(p, 0)->block);
    return memcmp(p->head, expected, p->head_size) == 0;
}

/* The more have been right in a row, the more are guessed: what a wrong guess makes us move stays a small part of what
 * the right ones spared us. */
static uint32_t blocks_to_guess(const struct peer *p)
{
    int guesses = p->right_guesses;
    if (guesses < PEER_GUESSES_TRUSTED) {
        return 1;
    }
    return guesses / 4 < PEER_SPECULATE_BLOCKS ? (uint32_t)guesses / 4 : PEER_SPECULATE_BLOCKS;
}

static void plan_answers(struct peer *p, size_t *planned)
{
    bool sink_taken = p->reading == PEER_READ_BLOCK && !p->arriving.destination;
    uint32_t blocks = blocks_to_guess(p);
    size_t head_done = p->reading == PEER_READ_HEAD ? p->head_size : 0;
    for (uint32_t i = 0; i < p->pending_count && i < blocks; i++) {
        const struct peer_pending *next = peer_pending_at(p, i);
        /* The sink once at most: if the guess is wrong, its bytes are needed after all. */
        if (*planned + next->block.length > PEER_SPECULATE_BYTES ||
            (!next->destination && sink_taken)) {
            return;
        }
        sink_taken = sink_taken || !next->destination;
        plan_add(p, p->scratch->plan_heads[i], WIRE_PIECE_HEADER_BYTES - head_done);
        plan_add(p, next->destination ? next->destination : p->scratch->sink, next->block.length);
        *planned += next->block.length;
        head_done = 0;
    }
}

int peer_space(struct peer *p, struct iovec *v)
{
    size_t planned = 0;
    p->scratch->plan_count = 0;
    if (p->reading == PEER_READ_HANDSHAKE && !p->fault) {
        plan_add(p, p->head + p->head_size, WIRE_HANDSHAKE_BYTES - p->head_size);
    } else {
        if (p->reading == PEER_READ_BLOCK) {
            uint32_t left = p->arriving.block.length - p->arrived_bytes;
            uint8_t *to = p->arriving.destination ? p->arriving.destination : p->scratch->sink;
            plan_add(p, to + p->arrived_bytes, left);
            planned = left;
        }
        bool between = p->reading == PEER_READ_BLOCK || p->reading == PEER_READ_HEAD;
        if (between && !p->fault && p->pending_count > 0 &&
            (p->reading == PEER_READ_BLOCK || head_may_be_answer(p))) {
            plan_answers(p, &planned);
        }
        if (planned < PEER_LANDING_BYTES) {
            plan_add(p, p->scratch->landing, PEER_LANDING_BYTES - planned);
        }
    }
    for (int i = 0; i < p->scratch->plan_count; i++) {
        v[i] = (struct iovec){.iov_base = p->scratch->plan[i].bytes,
                              .iov_len = p->scratch->plan[i].size};
    }
    return p->scratch->plan_count;
}

/* ---- the stream of what landed --------------------------------------------------------------- */

/* A cursor over the bytes that landed, segment after segment. */
struct input {
    struct peer *p;
    uint8_t *at;
    size_t size; /* of the segment, from at on */
    int segment;
    size_t beyond; /* bytes in later segments */
};

static bool input_more(struct input *in)
{
    while (in->size == 0 && in->beyond > 0) {
        in->segment++;
        in->at = in->p->scratch->plan[in->segment].bytes;
        in->size = in->p->scratch->plan[in->segment].size;
        if (in->size > in->beyond) {
            in->size = in->beyond;
        }
        in->beyond -= in->size;
    }
    return in->size > 0;
}

static void input_skip(struct input *in, size_t n)
{
    in->at += n;
    in->size -= n;
}

static bool ranges_meet(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size)
{
    uintptr_t a0 = (uintptr_t)a, b0 = (uintptr_t)b;
    return a0 < b0 + b_size && b0 < a0 + a_size;
}

/* Would writing size bytes at `to` destroy bytes that are still to be read after the next size
 * ones? */
static bool input_would_lose(const struct input *in, const uint8_t *to, size_t size)
{
    if (ranges_meet(to, size, in->at + size, in->size - size)) {
        return true;
    }
    size_t beyond = in->beyond;
    for (int i = in->segment + 1; beyond > 0; i++) {
        size_t filled =
            in->p->scratch->plan[i].size < beyond ? in->p->scratch->plan[i].size : beyond;
        if (ranges_meet(to, size, in->p->scratch->plan[i].bytes, filled)) {
            return true;
        }
        beyond -= filled;
    }
    return false;
}

/* Lays out everything still unread in one straight run. */
static void input_flatten(struct input *in)
{
    struct peer_scratch *scratch = in->p->scratch;
    size_t total = 0;
    ASSERT(in->size + in->beyond <= sizeof scratch->flat);
    while (input_more(in)) {
        memcpy(scratch->flat + total, in->at, in->size);
        total += in->size;
        in->size = 0;
    }
    in->at = scratch->flat;
    in->size = total;
}

/* ---- messages -------------------------------------------------------------------------------- */

static bool block_in_range(const struct peer *p, struct block b)
{
    if (b.piece >= p->piece_count || b.length == 0 || b.length > LIMIT_PEER_REQUEST_BYTES) {
        return false;
    }
    uint64_t start = (uint64_t)b.piece * p->piece_length;
    uint64_t left = p->total_length - start;
    uint64_t piece_length = left < p->piece_length ? left : p->piece_length;
    return (uint64_t)b.offset + b.length <= piece_length;
}

static void on_request(struct peer *p, struct block block)
{
    if (!block_in_range(p, block)) {
        peer_set_fault(p, PEER_FAULT_REQUEST);
        return;
    }
    if (p->we_choke || p->wants_count >= LIMIT_PEER_REQUESTS_IN) {
        peer_reject(p, block);
        return;
    }
    if (peer_ring_grow((void **)&p->wants, sizeof *p->wants, &p->wants_first, p->wants_count,
                       &p->wants_capacity, LIMIT_PEER_REQUESTS_IN)) {
        peer_set_fault(p, PEER_FAULT_MEMORY);
        return;
    }
    p->wants[peer_ring_at(p->wants_first, p->wants_count, p->wants_capacity)] = block;
    p->wants_count++;
    peer_push_event(p, (struct peer_event){.type = PEER_REQUEST, .block = block});
}

/* Takes the first equal block at or after place `from` out of a ring. */
static bool ring_remove(struct block *ring, uint32_t first, uint32_t *count, uint32_t capacity,
                        uint32_t from, struct block block)
{
    for (uint32_t i = from; i < *count; i++) {
        if (block_equals(ring[peer_ring_at(first, i, capacity)], block)) {
            for (; i + 1 < *count; i++) {
                ring[peer_ring_at(first, i, capacity)] = ring[peer_ring_at(first, i + 1, capacity)];
            }
            --*count;
            return true;
        }
    }
    return false;
}

static void on_cancel(struct peer *p, struct block block)
{
    if (ring_remove(p->wants, p->wants_first, &p->wants_count, p->wants_capacity, 0, block) ||
        ring_remove(p->serving, p->serving_first, &p->serving_count, p->serving_capacity,
                    p->serving_sent > 0, block)) {
        peer_reject(p, block);
        peer_push_event(p, (struct peer_event){.type = PEER_CANCEL, .block = block});
    }
}

/* Takes the request for a block out of the ring; usually it is the oldest. */
static bool take_pending(struct peer *p, struct block block, struct peer_pending *out)
{
    for (uint32_t i = 0; i < p->pending_count; i++) {
        struct peer_pending *at =
            &p->pending[peer_ring_at(p->pending_first, i, p->pending_capacity)];
        if (!block_equals(at->block, block)) {
            continue;
        }
        *out = *at;
        for (; i > 0; i--) {
            p->pending[peer_ring_at(p->pending_first, i, p->pending_capacity)] =
                p->pending[peer_ring_at(p->pending_first, i - 1, p->pending_capacity)];
        }
        peer_ring_pop(&p->pending_first, &p->pending_count, p->pending_capacity);
        return true;
    }
    return false;
}

static void on_reject(struct peer *p, struct block block)
{
    struct peer_pending pending;
    if (take_pending(p, block, &pending)) {
        peer_push_event(p, (struct peer_event){.type = PEER_REJECT,
                                               .block = block,
                                               .destination = pending.destination});
    }
}

static void on_have(struct peer *p, uint32_t piece)
{
    if (bitset_set(&p->has, piece)) {
        peer_push_event(p, (struct peer_event){.type = PEER_HAVE, .piece = piece});
    }
}

static void on_has_all_or_none(struct peer *p, bool all)
{
    if (++p->bitfields > PEER_BITFIELDS_MAX) {
        peer_set_fault(p, PEER_FAULT_BITFIELD);
        return;
    }
    if (all) {
        bitset_fill(&p->has);
    } else {
        bitset_empty(&p->has);
    }
    peer_push_event(p, (struct peer_event){.type = PEER_HAS});
}

static void on_bitfield(struct peer *p, struct span bits)
{
    bool again = ++p->bitfields > PEER_BITFIELDS_MAX && !PLANT(BITFIELDS_AGAIN);
    if (again || !bitset_load(&p->has, bits.bytes, bits.size)) {
        peer_set_fault(p, PEER_FAULT_BITFIELD);
        return;
    }
    peer_push_event(p, (struct peer_event){.type = PEER_HAS});
}

static void on_extended(struct peer *p, struct span body)
{
    uint8_t id = body.bytes[0];
    struct span payload = span_slice(body, 1, SIZE_MAX);
    if (id == EXT_HANDSHAKE) {
        if (ext_parse_handshake(payload, &p->extended, NULL)) {
            peer_set_fault(p, PEER_FAULT_EXTENSION);
            return;
        }
        peer_push_event(p, (struct peer_event){.type = PEER_EXTENDED});
    } else if (id == EXT_DONT_HAVE) {
        if (payload.size != 4 || load_be32(payload.bytes) >= p->piece_count) {
            peer_set_fault(p, PEER_FAULT_EXTENSION);
            return;
        }
        uint32_t piece = load_be32(payload.bytes);
        if (bitset_clear(&p->has, piece)) {
            peer_push_event(p, (struct peer_event){.type = PEER_DONT_HAVE, .piece = piece});
        }
    } else if (id == EXT_UPLOAD_ONLY && payload.size == 1) {
        p->extended.upload_only = payload.bytes[0] != 0;
        peer_push_event(p, (struct peer_event){.type = PEER_EXTENDED});
    }
}

static bool is_fast_message(uint8_t id)
{
    return id >= WIRE_SUGGEST && id <= WIRE_ALLOWED_FAST;
}

static void on_state(struct peer *p, bool *flag, bool value, enum peer_event_type type)
{
    if (*flag != value) {
        *flag = value;
        peer_push_event(p, (struct peer_event){.type = type});
    }
}

/* A message of fixed length lies complete in head. */
static void on_short_message(struct peer *p)
{
    struct reader r = reader_over(span_of(p->head + 5, p->head_size - 5));
    struct block block = {0};
    if (p->head_size >= 9) {
        block.piece = reader_u32(&r);
        if (block.piece >= p->piece_count) {
            peer_set_fault(p, p->id == WIRE_REQUEST ? PEER_FAULT_REQUEST : PEER_FAULT_PIECE);
            return;
        }
    }
    if (p->head_size >= 17) {
        block.offset = reader_u32(&r);
        block.length = reader_u32(&r);
    }
    switch (p->id) {
    case WIRE_CHOKE:
        on_state(p, &p->chokes_us, true, PEER_CHOKED);
        break;
    case WIRE_UNCHOKE:
        on_state(p, &p->chokes_us, false, PEER_UNCHOKED);
        break;
    case WIRE_INTERESTED:
        on_state(p, &p->interested, true, PEER_INTERESTED);
        break;
    case WIRE_NOT_INTERESTED:
        on_state(p, &p->interested, false, PEER_NOT_INTERESTED);
        break;
    case WIRE_HAVE:
        on_have(p, block.piece);
        break;
    case WIRE_REQUEST:
        on_request(p, block);
        break;
    case WIRE_CANCEL:
        on_cancel(p, block);
        break;
    case WIRE_REJECT:
        on_reject(p, block);
        break;
    case WIRE_HAVE_ALL:
    case WIRE_HAVE_NONE:
        on_has_all_or_none(p, p->id == WIRE_HAVE_ALL);
        break;
    case WIRE_SUGGEST:
        peer_push_event(p, (struct peer_event){.type = PEER_SUGGEST, .piece = block.piece});
        break;
    case WIRE_ALLOWED_FAST:
        peer_push_event(p, (struct peer_event){.type = PEER_ALLOWED_FAST, .piece = block.piece});
        break;
    default: /* WIRE_PORT: there is no DHT to tell */
        break;
    }
}

/* ---- the reading states ---------------------------------------------------------------------- */

/* Moves bytes into head until it holds `until`; false when there are not enough yet. */
static bool fill_head(struct input *in, uint32_t until)
{
    struct peer *p = in->p;
    while (p->head_size < until) {
        if (!input_more(in)) {
            return false;
        }
        size_t n = until - p->head_size;
        n = n < in->size ? n : in->size;
        if (p->head + p->head_size != in->at) {
            memcpy(p->head + p->head_size, in->at, n);
        }
        p->head_size += (uint32_t)n;
        input_skip(in, n);
    }
    return true;
}

static void next_message(struct peer *p)
{
    p->reading = PEER_READ_HEAD;
    p->head_size = 0;
}

static bool read_handshake(struct input *in)
{
    struct peer *p = in->p;
    struct wire_handshake seen;
    uint32_t before = p->head_size;
    if (before < 48) {
        if (!fill_head(in, 48)) {
            /* Not BitTorrent is said as soon as it shows. */
            if (p->head_size > 0 && p->head[0] != 19) {
                peer_set_fault(p, PEER_FAULT_HANDSHAKE);
            }
            return false;
        }
        if (!wire_parse_handshake_head(p->head, &seen)) {
            peer_set_fault(p, PEER_FAULT_HANDSHAKE);
            return false;
        }
        if (!p->incoming && memcmp(seen.info_hash, p->remote.info_hash, 20) != 0) {
            peer_set_fault(p, PEER_FAULT_INFO_HASH);
            return false;
        }
        p->remote = seen;
        peer_push_event(p, (struct peer_event){.type = PEER_HANDSHAKE});
    }
    if (!fill_head(in, WIRE_HANDSHAKE_BYTES)) {
        return false;
    }
    memcpy(p->remote.peer_id, p->head + 48, 20);
    if (memcmp(p->remote.peer_id, p->peer_id, 20) == 0) {
        peer_set_fault(p, PEER_FAULT_SELF);
        return false;
    }
    p->handshaked = p->handshaked || !p->incoming;
    peer_push_event(p, (struct peer_event){.type = PEER_IDENTIFIED});
    next_message(p);
    return true;
}

/* The id is known: how is the rest to be read? False after a fault. */
static bool begin_message(struct peer *p, uint32_t length)
{
    int expected = wire_body_length(p->id);
    if (is_fast_message(p->id) && !p->remote.fast) {
        peer_set_fault(p, PEER_FAULT_NOT_FAST);
        return false;
    }
    if (expected >= 0) {
        if (length != (uint32_t)expected) {
            peer_set_fault(p, PEER_FAULT_LENGTH);
            return false;
        }
        return true;
    }
    uint32_t least = 1, most = LIMIT_PEER_MESSAGE_BYTES;
    p->body_size = p->body_left = length - 1;
    p->reading = PEER_READ_SKIP;
    if (p->id == WIRE_PIECE) {
        least = WIRE_PIECE_HEADER_BYTES - WIRE_LENGTH_BYTES;
        most = least + LIMIT_PEER_REQUEST_BYTES;
        p->reading = PEER_READ_HEAD;
    } else if (p->id == WIRE_BITFIELD) {
        least = most = 1 + (uint32_t)bitset_bytes(p->piece_count);
        p->reading = PEER_READ_BODY;
    } else if (p->id == WIRE_EXTENDED) {
        least = 2;
        most = 1 + LIMIT_PEER_EXT_BYTES;
        p->reading = PEER_READ_BODY;
    }
    if (length < least || length > most) {
        peer_set_fault(p, p->id == WIRE_BITFIELD ? PEER_FAULT_BITFIELD : PEER_FAULT_LENGTH);
        return false;
    }
    return true;
}

static void begin_block(struct peer *p)
{
    struct block block = {load_be32(p->head + 5), load_be32(p->head + 9), p->body_size - 8};
    p->arriving = (struct peer_pending){.block = block};
    p->arriving_asked = take_pending(p, block, &p->arriving);
    p->arrived_bytes = 0;
    if (!p->arriving_asked && ++p->unasked > PEER_UNASKED_MAX) {
        peer_set_fault(p, PEER_FAULT_UNASKED);
    }
    if (block.length == 0) {
        next_message(p);
    } else {
        p->reading = PEER_READ_BLOCK;
    }
}

static bool read_head(struct input *in)
{
    struct peer *p = in->p;
    if (!fill_head(in, WIRE_LENGTH_BYTES)) {
        return false;
    }
    uint32_t length = load_be32(p->head);
    if (length == 0) {
        next_message(p); /* keep-alive */
        return true;
    }
    if (!fill_head(in, WIRE_LENGTH_BYTES + 1)) {
        return false;
    }
    if (p->head_size == WIRE_LENGTH_BYTES + 1) {
        p->id = p->head[4];
        if (!begin_message(p, length)) {
            return false;
        }
        if (p->reading != PEER_READ_HEAD) {
            return true;
        }
    }
    if (p->id == WIRE_PIECE) {
        if (!fill_head(in, WIRE_PIECE_HEADER_BYTES)) {
            return false;
        }
        begin_block(p);
        return true;
    }
    if (!fill_head(in, WIRE_LENGTH_BYTES + length)) {
        return false;
    }
    on_short_message(p);
    next_message(p);
    return true;
}

static void block_arrived(struct peer *p)
{
    struct peer_pending arrived = p->arriving;
    next_message(p);
    if (!arrived.destination) {
        p->sunk_bytes += arrived.block.length;
    }
    peer_push_event(p, (struct peer_event){.type = PEER_BLOCK,
                                           .block = arrived.block,
                                           .destination = arrived.destination,
                                           .unasked = !p->arriving_asked});
}

static bool read_block(struct input *in)
{
    struct peer *p = in->p;
    while (p->arrived_bytes < p->arriving.block.length) {
        if (!input_more(in)) {
            return false;
        }
        uint8_t *to = p->arriving.destination;
        size_t n = p->arriving.block.length - p->arrived_bytes;
        n = n < in->size ? n : in->size;
        if (to && to + p->arrived_bytes != in->at) {
            to += p->arrived_bytes;
            if (in->at < p->scratch->landing ||
                in->at >= p->scratch->landing + sizeof p->scratch->landing) {
                p->right_guesses = -1; /* this very block ends the row */
            }
            if (input_would_lose(in, to, n)) {
                input_flatten(in);
                continue;
            }
            memmove(to, in->at, n);
        }
        p->arrived_bytes += (uint32_t)n;
        input_skip(in, n);
    }
    p->right_guesses += p->right_guesses < 4 * PEER_SPECULATE_BLOCKS;
    block_arrived(p);
    return true;
}

/* Room for what has come, not for what was promised. */
static bool body_grow(struct peer *p, size_t needed)
{
    if (needed <= p->body_capacity) {
        return true;
    }
    uint32_t capacity = p->body_capacity ? p->body_capacity : 256;
    while (capacity < needed) {
        capacity *= 2;
    }
    uint8_t *grown = realloc(p->body, capacity);
    if (!grown) {
        peer_set_fault(p, PEER_FAULT_MEMORY);
        return false;
    }
    p->body = grown;
    p->body_capacity = capacity;
    return true;
}

static bool read_body(struct input *in)
{
    struct peer *p = in->p;
    while (p->body_left > 0) {
        if (!input_more(in)) {
            return false;
        }
        size_t n = p->body_left < in->size ? p->body_left : in->size;
        size_t have = p->body_size - p->body_left;
        if (!body_grow(p, have + n)) {
            return false;
        }
        memcpy(p->body + have, in->at, n);
        p->body_left -= (uint32_t)n;
        input_skip(in, n);
    }
    struct span body = span_of(p->body, p->body_size);
    if (p->id == WIRE_BITFIELD) {
        on_bitfield(p, body);
    } else {
        on_extended(p, body);
    }
    free(p->body);
    p->body = NULL;
    p->body_capacity = 0;
    next_message(p);
    return true;
}

static bool read_skip(struct input *in)
{
    struct peer *p = in->p;
    while (p->body_left > 0) {
        if (!input_more(in)) {
            return false;
        }
        size_t n = p->body_left < in->size ? p->body_left : in->size;
        p->body_left -= (uint32_t)n;
        input_skip(in, n);
    }
    next_message(p);
    return true;
}

int peer_received(struct peer *p, size_t n, int64_t now_ns)
{
    struct input in = {.p = p, .segment = -1, .beyond = n};
    p->received_bytes += n;
    p->received_ns = now_ns;
    bool more = true;
    while (more && !p->fault && (input_more(&in) || p->reading != PEER_READ_HANDSHAKE)) {
        switch (p->reading) {
        case PEER_READ_HANDSHAKE:
            more = read_handshake(&in);
            break;
        case PEER_READ_HEAD:
            more = read_head(&in);
            break;
        case PEER_READ_BLOCK:
            more = read_block(&in);
            break;
        case PEER_READ_BODY:
            more = read_body(&in);
            break;
        case PEER_READ_SKIP:
            more = read_skip(&in);
            break;
        }
    }
    return p->fault == PEER_FAULT_MEMORY ? SPATE_ENOMEM : 0;
}

int64_t peer_receive(struct peer *p, struct span bytes, int64_t now_ns)
{
    size_t taken = 0;
    while (taken < bytes.size && !p->fault) {
        struct iovec v[PEER_SPACE_MAX];
        if (p->incoming && !p->handshaked && p->reading != PEER_READ_HANDSHAKE) {
            break; /* its torrent is not known yet */
        }
        int count = peer_space(p, v);
        size_t n = 0;
        for (int i = 0; i < count && taken + n < bytes.size; i++) {
            size_t part = bytes.size - taken - n;
            part = part < v[i].iov_len ? part : v[i].iov_len;
            memcpy(v[i].iov_base, bytes.bytes + taken + n, part);
            n += part;
        }
        taken += n;
        int failed = peer_received(p, n, now_ns);
        if (failed) {
            return failed;
        }
    }
    return p->fault ? (int64_t)bytes.size : (int64_t)taken;
}
