/* The peer machine's promises: what it says is what the BEPs say, blocks land in their slots
 * whatever order and size the bytes come in, and a stranger can end his own connection but nothing
 * else. */
#include "proto/peer.h"

#include "crypto/chacha.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>

enum { PIECE_BYTES = 65536, PIECES = 10, TOTAL = PIECE_BYTES * (PIECES - 1) + 20000 };

struct fixture {
    struct peer_scratch *scratch;
    struct peer peer;
    uint8_t slots[16][BLOCK_BYTES];
};

static const uint8_t info_hash[20] = "an info hash of 20 b";
static const uint8_t our_id[20] = "-SP0100-our own idxx";
static const uint8_t their_id[20] = "-XX0000-their own id";

static int teardown(void **state)
{
    struct fixture *f = *state;
    assert_true(peer_is_consistent(&f->peer));
    peer_deinit(&f->peer);
    free(f->scratch);
    free(f);
    return 0;
}

/* Takes everything that waits to be sent. */
static size_t take_output(struct peer *p, uint8_t *out, size_t capacity)
{
    size_t total = 0;
    while (peer_has_output(p)) {
        struct part parts[8];
        int count = peer_send(p, parts, 8);
        size_t n = 0;
        for (int i = 0; i < count; i++) {
            assert_true(total + n + parts[i].size <= capacity);
            if (parts[i].bytes) {
                memcpy(out + total + n, parts[i].bytes, parts[i].size);
            } else {
                memset(out + total + n, 0xbb, parts[i].size);
            }
            n += parts[i].size;
        }
        peer_sent(p, n, 1);
        total += n;
    }
    return total;
}

static void drop_output(struct peer *p)
{
    static uint8_t sink[1 << 20];
    take_output(p, sink, sizeof sink);
}

static void feed(struct peer *p, const void *bytes, size_t size)
{
    assert_int_equal(peer_receive(p, span_of(bytes, size), 1), size);
}

static void feed_handshake(struct peer *p, bool fast)
{
    uint8_t bytes[WIRE_HANDSHAKE_BYTES];
    struct wire_handshake theirs = {.fast = fast, .extended = true};
    memcpy(theirs.info_hash, info_hash, 20);
    memcpy(theirs.peer_id, their_id, 20);
    wire_write_handshake(&theirs, bytes);
    feed(p, bytes, sizeof bytes);
}

static bool next(struct peer *p, enum peer_event_type type, struct peer_event *out)
{
    return peer_next(p, out) && out->type == type;
}

static struct fixture *connected_of(void **state, bool fast, uint32_t pieces, uint32_t piece_bytes,
                                    uint64_t total)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->scratch = malloc(sizeof *f->scratch);
    const struct peer_settings settings = {
        .scratch = f->scratch, .info_hash = info_hash, .peer_id = our_id, .now_ns = 1};
    struct peer_event event;
    assert_int_equal(peer_init(&f->peer, &settings), 0);
    assert_int_equal(peer_set_pieces(&f->peer, pieces, piece_bytes, total), 0);
    feed_handshake(&f->peer, fast);
    assert_true(next(&f->peer, PEER_HANDSHAKE, &event));
    assert_true(next(&f->peer, PEER_IDENTIFIED, &event));
    drop_output(&f->peer);
    *state = f;
    return f;
}

static struct fixture *connected(void **state, bool fast)
{
    return connected_of(state, fast, PIECES, PIECE_BYTES, TOTAL);
}

static int setup_fast(void **state)
{
    connected(state, true);
    return 0;
}

static int setup_plain(void **state)
{
    connected(state, false);
    return 0;
}

static void feed_message(struct peer *p, uint8_t id, const uint8_t *body, uint32_t size)
{
    uint8_t head[5];
    store_be32(head, size + 1);
    head[4] = id;
    feed(p, head, sizeof head);
    feed(p, body, size);
}

static void feed_index(struct peer *p, uint8_t id, uint32_t piece)
{
    uint8_t body[4];
    store_be32(body, piece);
    feed_message(p, id, body, 4);
}

static void feed_block_message(struct peer *p, uint8_t id, struct block block)
{
    uint8_t body[12];
    store_be32(body, block.piece);
    store_be32(body + 4, block.offset);
    store_be32(body + 8, block.length);
    feed_message(p, id, body, 12);
}

static uint8_t pattern(struct block block, uint32_t i)
{
    return (uint8_t)(block.piece * 31 + (block.offset + i) * 7 + ((block.offset + i) >> 8));
}

/* A piece message whose data follows from its place. */
static size_t piece_message(struct block block, uint8_t *out)
{
    wire_write_piece_header(out, block);
    for (uint32_t i = 0; i < block.length; i++) {
        out[WIRE_PIECE_HEADER_BYTES + i] = pattern(block, i);
    }
    return WIRE_PIECE_HEADER_BYTES + block.length;
}

static void assert_block(const uint8_t *slot, struct block block)
{
    for (uint32_t i = 0; i < block.length; i++) {
        assert_int_equal(slot[i], pattern(block, i));
    }
}

static void assert_fault(struct peer *p, enum peer_fault fault)
{
    struct peer_event event;
    bool seen = false;
    while (peer_next(p, &event)) {
        seen |= event.type == PEER_FAULT && event.fault == fault;
    }
    assert_true(seen);
    assert_int_equal(p->fault, fault);
}

/* ---- handshake ------------------------------------------------------------------------------- */

static void our_handshake_promises_fast_and_extensions(void **state)
{
    struct peer p;
    struct peer_scratch *scratch = malloc(sizeof *scratch);
    uint8_t out[100];
    const struct peer_settings settings = {
        .scratch = scratch, .info_hash = info_hash, .peer_id = our_id, .now_ns = 1};
    (void)state;
    assert_int_equal(peer_init(&p, &settings), 0);
    assert_int_equal(take_output(&p, out, sizeof out), 68);
    assert_int_equal(out[0], 19);
    assert_memory_equal(out + 1, "BitTorrent protocol", 19);
    assert_memory_equal(out + 20, "\0\0\0\0\0\x10\0\x04", 8);
    assert_memory_equal(out + 28, info_hash, 20);
    assert_memory_equal(out + 48, our_id, 20);
    peer_deinit(&p);
    free(scratch);
}

static void handshake_fault(const uint8_t *hash, const uint8_t *id, uint8_t first,
                            enum peer_fault fault)
{
    struct peer p;
    struct peer_scratch *scratch = malloc(sizeof *scratch);
    uint8_t bytes[WIRE_HANDSHAKE_BYTES];
    struct wire_handshake theirs = {.fast = true};
    const struct peer_settings settings = {
        .scratch = scratch, .info_hash = info_hash, .peer_id = our_id, .now_ns = 1};
    memcpy(theirs.info_hash, hash, 20);
    memcpy(theirs.peer_id, id, 20);
    wire_write_handshake(&theirs, bytes);
    bytes[0] = first;
    assert_int_equal(peer_init(&p, &settings), 0);
    feed(&p, bytes, sizeof bytes);
    assert_fault(&p, fault);
    peer_deinit(&p);
    free(scratch);
}

static void a_wrong_handshake_ends_the_peer(void **state)
{
    static const uint8_t other[20] = "another torrent's id";
    (void)state;
    handshake_fault(other, their_id, 19, PEER_FAULT_INFO_HASH);
    handshake_fault(info_hash, our_id, 19, PEER_FAULT_SELF);
    handshake_fault(info_hash, their_id, 18, PEER_FAULT_HANDSHAKE);
}

static void an_incoming_peer_waits_until_its_torrent_is_known(void **state)
{
    struct peer p;
    struct peer_event event;
    struct peer_scratch *scratch = malloc(sizeof *scratch);
    const struct peer_settings settings = {.scratch = scratch, .peer_id = our_id, .now_ns = 1};
    uint8_t bytes[WIRE_HANDSHAKE_BYTES + 5] = {0}, out[100];
    struct wire_handshake theirs = {.fast = true};
    (void)state;
    memcpy(theirs.info_hash, info_hash, 20);
    memcpy(theirs.peer_id, their_id, 20);
    wire_write_handshake(&theirs, bytes);
    memcpy(bytes + WIRE_HANDSHAKE_BYTES, "\0\0\0\1\x0e", 5); /* have all, in the same packet */
    assert_int_equal(peer_init(&p, &settings), 0);
    assert_int_equal(peer_receive(&p, span_of(bytes, sizeof bytes), 1), WIRE_HANDSHAKE_BYTES);
    assert_false(peer_has_output(&p));
    assert_true(next(&p, PEER_HANDSHAKE, &event));
    assert_memory_equal(p.remote.info_hash, info_hash, 20);
    assert_int_equal(peer_accept(&p, info_hash), 0);
    assert_int_equal(peer_set_pieces(&p, PIECES, PIECE_BYTES, TOTAL), 0);
    feed(&p, bytes + WIRE_HANDSHAKE_BYTES, 5);
    assert_true(next(&p, PEER_IDENTIFIED, &event));
    assert_true(next(&p, PEER_HAS, &event));
    assert_true(bitset_full(&p.has));
    assert_int_equal(take_output(&p, out, sizeof out), 68);
    peer_deinit(&p);
    free(scratch);
}

/* ---- what it has ----------------------------------------------------------------------------- */

static void a_bitfield_must_be_exact(void **state)
{
    struct fixture *f = *state;
    struct peer_event event;
    feed_message(&f->peer, WIRE_BITFIELD, (const uint8_t *)"\x80\x40", 2);
    assert_true(next(&f->peer, PEER_HAS, &event));
    assert_int_equal(f->peer.has.ones, 2);
    feed_message(&f->peer, WIRE_BITFIELD, (const uint8_t *)"\x80\x60", 2); /* a spare bit */
    assert_fault(&f->peer, PEER_FAULT_BITFIELD);
}

static void a_short_bitfield_is_refused(void **state)
{
    struct fixture *f = *state;
    feed_message(&f->peer, WIRE_BITFIELD, (const uint8_t *)"\x80", 1);
    assert_fault(&f->peer, PEER_FAULT_BITFIELD);
}

static void a_piece_out_of_range_is_refused(void **state)
{
    struct fixture *f = *state;
    feed_index(&f->peer, WIRE_HAVE, PIECES - 1);
    assert_int_equal(f->peer.has.ones, 1);
    feed_index(&f->peer, WIRE_HAVE, PIECES);
    assert_fault(&f->peer, PEER_FAULT_PIECE);
}

static void fast_messages_need_the_extension(void **state)
{
    struct fixture *f = *state;
    feed_message(&f->peer, WIRE_HAVE_ALL, NULL, 0);
    assert_fault(&f->peer, PEER_FAULT_NOT_FAST);
}

static void an_oversize_length_is_refused_before_it_is_read(void **state)
{
    struct fixture *f = *state;
    uint8_t head[5] = {0xff, 0xff, 0xff, 0xff, WIRE_PIECE};
    feed(&f->peer, head, sizeof head);
    assert_fault(&f->peer, PEER_FAULT_LENGTH);
}

static void unknown_messages_are_skipped(void **state)
{
    struct fixture *f = *state;
    static uint8_t junk[70000];
    struct peer_event event;
    feed_message(&f->peer, 99, junk, sizeof junk);
    feed_message(&f->peer, WIRE_UNCHOKE, NULL, 0);
    assert_true(next(&f->peer, PEER_UNCHOKED, &event));
    assert_false(f->peer.chokes_us);
}

static void dont_have_takes_a_piece_away(void **state)
{
    struct fixture *f = *state;
    struct peer_event event;
    feed_index(&f->peer, WIRE_HAVE, 3);
    assert_true(next(&f->peer, PEER_HAVE, &event));
    feed_message(&f->peer, WIRE_EXTENDED, (const uint8_t *)"\x07\0\0\0\x03", 5);
    assert_true(next(&f->peer, PEER_DONT_HAVE, &event));
    assert_int_equal(event.piece, 3);
    assert_int_equal(f->peer.has.ones, 0);
}

/* ---- blocks come ----------------------------------------------------------------------------- */

static void ask(struct fixture *f, uint32_t slot, struct block block)
{
    assert_int_equal(peer_request(&f->peer, block, f->slots[slot]), 0);
}

static struct block block_number(uint32_t i)
{
    return (struct block){i / 4, i % 4 * BLOCK_BYTES, BLOCK_BYTES};
}

static void answers_in_order_land_in_their_slots_without_a_copy(void **state)
{
    struct fixture *f = *state;
    struct iovec v[PEER_SPACE_MAX];
    struct peer_event event;
    static uint8_t stream[8 * (BLOCK_BYTES + WIRE_PIECE_HEADER_BYTES)];
    size_t size = 0;
    for (uint32_t i = 0; i < 4; i++) {
        ask(f, i, block_number(i));
        size += piece_message(block_number(i), stream + size);
    }
    int count = peer_space(&f->peer, v);
    assert_int_equal(count, 9); /* the landing is behind them: more may have come */
    for (int i = 0; i < 4; i++) {
        assert_ptr_equal(v[2 * i + 1].iov_base, f->slots[i]);
    }
    size_t at = 0;
    for (int i = 0; i < 8; i++) {
        memcpy(v[i].iov_base, stream + at, v[i].iov_len);
        at += v[i].iov_len;
    }
    assert_int_equal(at, size);
    assert_int_equal(peer_received(&f->peer, at, 1), 0);
    for (uint32_t i = 0; i < 4; i++) {
        assert_true(next(&f->peer, PEER_BLOCK, &event));
        assert_ptr_equal(event.destination, f->slots[i]);
        assert_block(f->slots[i], block_number(i));
    }
    assert_int_equal(peer_outstanding(&f->peer), 0);
}

static void a_new_peers_first_answers_have_as_much_room_as_the_landing(void **state)
{
    struct fixture *f = *state;
    struct iovec v[PEER_SPACE_MAX];
    for (uint32_t i = 0; i < 16; i++) {
        ask(f, i, block_number(i));
    }
    assert_int_equal(peer_space(&f->peer, v), 32);
    for (int i = 0; i < 16; i++) {
        assert_ptr_equal(v[2 * i + 1].iov_base, f->slots[i]);
    }
}

/* Late, reordered, unasked, redirected and rejected answers with HAVEs between them, in pieces of
 * random size: every slot holds exactly its block at the event, and nothing is written into a slot
 * that was taken back. */
static void any_order_and_any_split_gives_the_same_blocks(void **state)
{
    struct fixture *f = *state;
    uint8_t key[32] = {7};
    struct chacha random;
    static uint8_t stream[40 * (BLOCK_BYTES + 64)];
    chacha_init(&random, key);
    for (int round = 0; round < 200; round++) {
        uint32_t order[12];
        bool taken_back[12] = {0}, rejected[12] = {0};
        size_t size = 0;
        uint32_t expected = 0, expected_unasked = 0;
        for (uint32_t i = 0; i < 12; i++) {
            order[i] = i;
            memset(f->slots[i], 0xee, BLOCK_BYTES);
            ask(f, i, block_number(i));
        }
        for (uint32_t i = 0; i < 12; i++) { /* mostly in order, now and then swapped */
            uint32_t j = chacha_u32(&random) % 12;
            if (chacha_u32(&random) % 4 == 0) {
                uint32_t t = order[i];
                order[i] = order[j];
                order[j] = t;
            }
            if (chacha_u32(&random) % 8 == 0) {
                taken_back[i] = true;
                assert_ptr_equal(peer_redirect(&f->peer, block_number(i), true), f->slots[i]);
            }
        }
        for (uint32_t i = 0; i < 12; i++) {
            uint32_t n = order[i];
            if (chacha_u32(&random) % 3 == 0) {
                struct writer w = writer_over(stream + size, 64);
                wire_write_index(&w, WIRE_HAVE, chacha_u32(&random) % PIECES);
                size += w.size;
            }
            if (chacha_u32(&random) % 8 == 0) {
                struct writer w = writer_over(stream + size, 64);
                wire_write_block(&w, WIRE_REJECT, block_number(n));
                size += w.size;
                rejected[n] = true;
                continue;
            }
            size += piece_message(block_number(n), stream + size);
            expected += !taken_back[n];
            if (chacha_u32(&random) % 10 == 0) { /* and once more, unasked */
                f->peer.unasked = 0;
                expected_unasked++;
                size += piece_message(block_number(n), stream + size);
            }
        }
        uint32_t blocks = 0, unasked = 0;
        for (size_t at = 0; at < size;) {
            struct iovec v[PEER_SPACE_MAX];
            int count = peer_space(&f->peer, v);
            size_t n = 1 + chacha_u32(&random) % 90000, put = 0;
            for (int i = 0; i < count && put < n && at + put < size; i++) {
                size_t part = v[i].iov_len;
                part = part < n - put ? part : n - put;
                part = part < size - at - put ? part : size - at - put;
                memcpy(v[i].iov_base, stream + at + put, part);
                put += part;
            }
            at += put;
            assert_int_equal(peer_received(&f->peer, put, 1), 0);
            struct peer_event event;
            while (peer_next(&f->peer, &event)) {
                assert_int_not_equal(event.type, PEER_FAULT);
                if (event.type == PEER_BLOCK && event.destination) {
                    assert_block(event.destination, event.block);
                    blocks++;
                }
                unasked += event.unasked;
            }
            assert_true(peer_is_consistent(&f->peer));
        }
        assert_int_equal(blocks, expected);
        assert_int_equal(unasked, expected_unasked);
        for (uint32_t i = 0; i < 12; i++) {
            if (!taken_back[i] && !rejected[i]) {
                assert_block(f->slots[i], block_number(i));
            }
        }
        assert_int_equal(peer_outstanding(&f->peer), 0);
        drop_output(&f->peer);
    }
}

static void a_block_cancelled_half_way_goes_to_the_sink(void **state)
{
    struct fixture *f = *state;
    static uint8_t message[BLOCK_BYTES + WIRE_PIECE_HEADER_BYTES];
    struct peer_event event;
    struct block block = block_number(5);
    ask(f, 0, block);
    piece_message(block, message);
    feed(&f->peer, message, 1000);
    assert_ptr_equal(peer_redirect(&f->peer, block, true), f->slots[0]);
    memset(f->slots[0], 0xee, BLOCK_BYTES); /* it is somebody else's */
    feed(&f->peer, message + 1000, sizeof message - 1000);
    assert_true(next(&f->peer, PEER_BLOCK, &event));
    assert_null(event.destination);
    for (uint32_t i = 0; i < BLOCK_BYTES; i++) {
        assert_int_equal(f->slots[0][i], 0xee);
    }
    assert_int_equal(f->peer.sunk_bytes, BLOCK_BYTES);
}

static void a_choke_without_the_fast_extension_returns_every_slot(void **state)
{
    struct fixture *f = *state;
    struct peer_pending pending;
    struct peer_event event;
    feed_message(&f->peer, WIRE_UNCHOKE, NULL, 0);
    ask(f, 0, block_number(0));
    ask(f, 1, block_number(1));
    feed_message(&f->peer, WIRE_CHOKE, NULL, 0);
    assert_true(next(&f->peer, PEER_UNCHOKED, &event));
    assert_true(next(&f->peer, PEER_CHOKED, &event));
    assert_true(peer_forget(&f->peer, &pending));
    assert_ptr_equal(pending.destination, f->slots[0]);
    assert_true(peer_forget(&f->peer, &pending));
    assert_ptr_equal(pending.destination, f->slots[1]);
    assert_false(peer_forget(&f->peer, &pending));
}

static void blocks_nobody_asked_for_end_the_peer_in_the_end(void **state)
{
    struct fixture *f = *state;
    static uint8_t message[BLOCK_BYTES + WIRE_PIECE_HEADER_BYTES];
    struct peer_event event;
    piece_message(block_number(0), message);
    for (int i = 0; i < 256; i++) {
        feed(&f->peer, message, sizeof message);
        while (peer_next(&f->peer, &event)) {
            assert_int_equal(event.type, PEER_BLOCK);
            assert_null(event.destination);
            assert_true(event.unasked);
        }
    }
    feed(&f->peer, message, sizeof message);
    assert_fault(&f->peer, PEER_FAULT_UNASKED);
}

/* The message ends the peer, or does not, before more than its length and id have come. */
static void check_length(uint8_t id, uint32_t length, bool taken)
{
    void *state;
    struct fixture *f = connected(&state, true);
    uint8_t head[5];
    struct peer_event event;
    store_be32(head, length);
    head[4] = id;
    feed(&f->peer, head, sizeof head);
    if (taken) {
        assert_false(peer_next(&f->peer, &event));
        assert_int_equal(f->peer.fault, 0);
    } else {
        assert_fault(&f->peer, PEER_FAULT_LENGTH);
    }
    teardown(&state);
}

static void messages_are_taken_up_to_their_longest(void **state)
{
    enum { UNKNOWN = 200 };
    static const struct {
        uint8_t id;
        uint32_t most; /* length, with the id */
    } rows[] = {{UNKNOWN, LIMIT_PEER_MESSAGE_BYTES},
                {WIRE_EXTENDED, 1 + LIMIT_PEER_EXT_BYTES},
                {WIRE_PIECE, 9 + LIMIT_PEER_REQUEST_BYTES}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        check_length(rows[i].id, rows[i].most - 1, true);
        check_length(rows[i].id, rows[i].most, true);
        check_length(rows[i].id, rows[i].most + 1, false);
    }
}

/* ---- requests come --------------------------------------------------------------------------- */

static void requests_out_of_range_end_the_peer(void **state)
{
    static const struct block bad[] = {{PIECES, 0, 100},
                                       {0, PIECE_BYTES, 1},
                                       {0, PIECE_BYTES - 10, 11},
                                       {PIECES - 1, 20000 - 5, 6},
                                       {0, 0xffffffff, 2},
                                       {0, 0, 0},
                                       {0, 0, LIMIT_PEER_REQUEST_BYTES + 1}};
    teardown(state);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct fixture *f = connected(state, true);
        peer_choke(&f->peer, false);
        feed_block_message(&f->peer, WIRE_REQUEST, bad[i]);
        assert_fault(&f->peer, PEER_FAULT_REQUEST);
        teardown(state);
    }
    connected(state, true);
}

static void requests_are_taken_up_to_their_longest(void **state)
{
    enum { LARGE_PIECE_BYTES = 1 << 20 };
    for (uint32_t length = LIMIT_PEER_REQUEST_BYTES - 1; length <= LIMIT_PEER_REQUEST_BYTES + 1;
         length++) {
        teardown(state);
        struct fixture *f = connected_of(state, true, 2, LARGE_PIECE_BYTES, 2 * LARGE_PIECE_BYTES);
        peer_choke(&f->peer, false);
        feed_block_message(&f->peer, WIRE_REQUEST, (struct block){0, 0, length});
        if (length <= LIMIT_PEER_REQUEST_BYTES) {
            assert_int_equal(peer_wants(&f->peer), 1);
            assert_int_equal(f->peer.fault, 0);
        } else {
            assert_fault(&f->peer, PEER_FAULT_REQUEST);
        }
    }
}

static void a_choked_peers_request_is_rejected(void **state)
{
    struct fixture *f = *state;
    uint8_t out[100];
    feed_block_message(&f->peer, WIRE_REQUEST, block_number(2));
    assert_int_equal(peer_wants(&f->peer), 0);
    assert_int_equal(take_output(&f->peer, out, sizeof out), 17);
    assert_int_equal(out[4], WIRE_REJECT);
}

static void the_request_queue_has_a_bound(void **state)
{
    struct fixture *f = *state;
    peer_choke(&f->peer, false);
    drop_output(&f->peer);
    for (uint32_t i = 0; i < LIMIT_PEER_REQUESTS_IN + 1; i++) {
        uint8_t out[100];
        feed_block_message(&f->peer, WIRE_REQUEST, block_number(i % 8));
        /* One too many is rejected, 17 bytes; those that are taken wait in silence. */
        assert_int_equal(take_output(&f->peer, out, sizeof out),
                         i < LIMIT_PEER_REQUESTS_IN ? 0 : 17);
    }
    assert_int_equal(peer_wants(&f->peer), LIMIT_PEER_REQUESTS_IN);
}

static void a_peer_that_floods_and_does_not_read_is_closed(void **state)
{
    struct fixture *f = *state;
    /* Choked: each is rejected with 17 bytes. What may wait grows with the bitfield that has to fit. */
    uint32_t fit = (LIMIT_PEER_CONTROL_BYTES + (uint32_t)bitset_bytes(PIECES)) / 17;
    for (uint32_t i = 0; i < fit; i++) {
        feed_block_message(&f->peer, WIRE_REQUEST, block_number(0));
        assert_int_equal(f->peer.fault, 0);
    }
    feed_block_message(&f->peer, WIRE_REQUEST, block_number(0));
    assert_fault(&f->peer, PEER_FAULT_FLOOD);
}

/* It asks for block after block; what it asks for comes from `distinct` of them in turn. How many leave until it is at
 * fault, at most `most`. */
static uint32_t blocks_taken(struct peer *p, uint32_t distinct, uint32_t most)
{
    struct peer_event event;
    uint32_t taken = 0;
    while (taken < most && !p->fault) {
        feed_block_message(p, WIRE_REQUEST, block_number(taken % distinct));
        assert_int_equal(peer_serve(p, 1), 0);
        drop_output(p);
        while (peer_next(p, &event)) {
        }
        taken++;
    }
    return taken;
}

static void who_takes_the_same_blocks_for_ever_is_closed(void **state)
{
    struct fixture *f = *state;
    peer_choke(&f->peer, false);
    drop_output(&f->peer);
    assert_int_equal(blocks_taken(&f->peer, 36, 400), 400); /* not what it took long ago */
    assert_int_equal(blocks_taken(&f->peer, 3, 50), 50);    /* nor a few of many */
    assert_int_equal(f->peer.fault, 0);
    assert_true(blocks_taken(&f->peer, 1, 1000) < 500);
    assert_int_equal(f->peer.fault, PEER_FAULT_AGAIN);
}

static void control_messages_overtake_blocks_but_never_split_one(void **state)
{
    struct fixture *f = *state;
    struct part parts[8];
    peer_choke(&f->peer, false);
    drop_output(&f->peer);
    feed_block_message(&f->peer, WIRE_REQUEST, block_number(0));
    feed_block_message(&f->peer, WIRE_REQUEST, block_number(1));
    assert_int_equal(peer_serve(&f->peer, 2), 0);
    assert_int_equal(peer_send(&f->peer, parts, 8), 4);
    peer_sent(&f->peer, 1000, 1); /* in the middle of the first block */
    peer_have(&f->peer, 3);
    int count = peer_send(&f->peer, parts, 8);
    assert_int_equal(count, 4); /* rest of the block, control, header, block */
    assert_null(parts[0].bytes);
    assert_int_equal(parts[0].block.offset, 1000 - WIRE_PIECE_HEADER_BYTES);
    assert_int_equal(parts[1].size, 9);
    assert_int_equal(parts[1].bytes[4], WIRE_HAVE);
    assert_int_equal(parts[2].size, WIRE_PIECE_HEADER_BYTES);
    assert_null(parts[3].bytes);
}

static void a_cancel_takes_back_what_has_not_begun(void **state)
{
    struct fixture *f = *state;
    struct peer_event event;
    uint8_t out[BLOCK_BYTES * 4];
    peer_choke(&f->peer, false);
    drop_output(&f->peer);
    for (uint32_t i = 0; i < 3; i++) {
        feed_block_message(&f->peer, WIRE_REQUEST, block_number(i));
    }
    peer_serve(&f->peer, 2);
    feed_block_message(&f->peer, WIRE_CANCEL, block_number(1));
    feed_block_message(&f->peer, WIRE_CANCEL, block_number(2));
    assert_int_equal(peer_serving(&f->peer), 1);
    assert_int_equal(peer_wants(&f->peer), 0);
    while (peer_next(&f->peer, &event)) {
        assert_int_not_equal(event.type, PEER_FAULT);
    }
    assert_int_equal(take_output(&f->peer, out, sizeof out),
                     2 * 17 + WIRE_PIECE_HEADER_BYTES + BLOCK_BYTES);
}

static void choking_refuses_what_was_asked(void **state)
{
    struct fixture *f = *state;
    static uint8_t out[BLOCK_BYTES * 4];
    peer_choke(&f->peer, false);
    drop_output(&f->peer);
    for (uint32_t i = 0; i < 3; i++) {
        feed_block_message(&f->peer, WIRE_REQUEST, block_number(i));
    }
    peer_serve(&f->peer, 1);
    peer_choke(&f->peer, true);
    assert_int_equal(take_output(&f->peer, out, sizeof out), 5 + 3 * 17);
    assert_int_equal(out[4], WIRE_CHOKE);
}

/* ---- introductions and time ------------------------------------------------------------------ */

static void introductions_are_as_short_as_can_be(void **state)
{
    struct fixture *f = *state;
    struct bitset have;
    struct ext_handshake ours = {.dont_have_id = EXT_DONT_HAVE, .reqq = 500, .client = "spate"};
    uint8_t out[200];
    bitset_init(&have, PIECES);
    bitset_fill(&have);
    peer_introduce(&f->peer, &have, &ours);
    size_t size = take_output(&f->peer, out, sizeof out);
    assert_int_equal(out[4], WIRE_HAVE_ALL);
    assert_int_equal(out[9], WIRE_EXTENDED);
    struct ext_handshake seen = {0};
    assert_int_equal(ext_parse_handshake(span_of(out + 11, size - 11), &seen, NULL), 0);
    assert_int_equal(seen.reqq, 500);
    assert_string_equal(seen.client, "spate");
    bitset_clear(&have, 2);
    peer_introduce(&f->peer, &have, &ours);
    take_output(&f->peer, out, sizeof out);
    assert_int_equal(out[4], WIRE_BITFIELD);
    assert_int_equal(out[5], 0xdf);
    assert_int_equal(out[6], 0xc0);
    bitset_deinit(&have);
}

static void silence_is_kept_alive_and_then_ended(void **state)
{
    struct fixture *f = *state;
    uint8_t out[16];
    int64_t keepalive_ns = peer_deadline(&f->peer);
    peer_wake(&f->peer, keepalive_ns);
    assert_int_equal(take_output(&f->peer, out, sizeof out), 4);
    assert_memory_equal(out, "\0\0\0\0", 4);
    f->peer.sent_ns = keepalive_ns;
    peer_wake(&f->peer, peer_deadline(&f->peer));
    assert_fault(&f->peer, PEER_FAULT_TIMEOUT);
    assert_int_equal(peer_deadline(&f->peer), INT64_MAX);
}

static void after_a_fault_everything_is_ignored(void **state)
{
    struct fixture *f = *state;
    struct peer_event event;
    feed_index(&f->peer, WIRE_HAVE, 1000);
    assert_fault(&f->peer, PEER_FAULT_PIECE);
    feed_index(&f->peer, WIRE_HAVE, 1);
    peer_have(&f->peer, 1);
    assert_false(peer_next(&f->peer, &event));
    assert_int_equal(f->peer.has.ones, 0);
    assert_false(peer_has_output(&f->peer));
}

#define FAST(test)  cmocka_unit_test_setup_teardown(test, setup_fast, teardown)
#define PLAIN(test) cmocka_unit_test_setup_teardown(test, setup_plain, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_handshake_promises_fast_and_extensions),
        cmocka_unit_test(a_wrong_handshake_ends_the_peer),
        cmocka_unit_test(an_incoming_peer_waits_until_its_torrent_is_known),
        FAST(a_bitfield_must_be_exact),
        FAST(a_short_bitfield_is_refused),
        FAST(a_piece_out_of_range_is_refused),
        PLAIN(fast_messages_need_the_extension),
        FAST(an_oversize_length_is_refused_before_it_is_read),
        FAST(unknown_messages_are_skipped),
        FAST(dont_have_takes_a_piece_away),
        FAST(answers_in_order_land_in_their_slots_without_a_copy),
        FAST(a_new_peers_first_answers_have_as_much_room_as_the_landing),
        FAST(any_order_and_any_split_gives_the_same_blocks),
        FAST(a_block_cancelled_half_way_goes_to_the_sink),
        PLAIN(a_choke_without_the_fast_extension_returns_every_slot),
        FAST(blocks_nobody_asked_for_end_the_peer_in_the_end),
        FAST(messages_are_taken_up_to_their_longest),
        FAST(requests_out_of_range_end_the_peer),
        FAST(requests_are_taken_up_to_their_longest),
        FAST(a_choked_peers_request_is_rejected),
        FAST(the_request_queue_has_a_bound),
        FAST(a_peer_that_floods_and_does_not_read_is_closed),
        FAST(who_takes_the_same_blocks_for_ever_is_closed),
        FAST(control_messages_overtake_blocks_but_never_split_one),
        FAST(a_cancel_takes_back_what_has_not_begun),
        FAST(choking_refuses_what_was_asked),
        FAST(introductions_are_as_short_as_can_be),
        FAST(silence_is_kept_alive_and_then_ended),
        FAST(after_a_fault_everything_is_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
