/* One peer connection's protocol (BEP 3, 6, 10, 21, 54): its life, what we say, and time. Receiving
 * is in peer_input.c, sending in peer_output.c.
 *
 * Timers: 15 s for the handshake, a keep-alive after 110 s without sending (BEP 3 says two
 * minutes), the end after 150 s without receiving. */
#include "proto/peer_internal.h"

#include "base/error.h"

#include <stdlib.h>

#define PEER_HANDSHAKE_TIMEOUT_NS  (15 * INT64_C(1000000000))
#define PEER_KEEPALIVE_INTERVAL_NS (110 * INT64_C(1000000000))
#define PEER_SILENCE_TIMEOUT_NS    (150 * INT64_C(1000000000))

enum { PEER_CONTROL_FIRST_BYTES = 512 };

const char *peer_fault_text(enum peer_fault fault)
{
    static const char *const texts[] = {
        [PEER_FAULT_NONE] = "no fault",
        [PEER_FAULT_HANDSHAKE] = "does not speak BitTorrent",
        [PEER_FAULT_INFO_HASH] = "wrong info-hash",
        [PEER_FAULT_SELF] = "it is ourselves",
        [PEER_FAULT_LENGTH] = "message of a wrong length",
        [PEER_FAULT_BITFIELD] = "bad bitfield",
        [PEER_FAULT_PIECE] = "piece number out of range",
        [PEER_FAULT_REQUEST] = "request out of range",
        [PEER_FAULT_NOT_FAST] = "fast extension message without the extension",
        [PEER_FAULT_FLOOD] = "floods us without reading",
        [PEER_FAULT_EXTENSION] = "malformed extension message",
        [PEER_FAULT_UNASKED] = "sends blocks nobody asked for",
        [PEER_FAULT_AGAIN] = "takes the same blocks again and again",
        [PEER_FAULT_TIMEOUT_HANDSHAKE] = "no handshake in time",
        [PEER_FAULT_TIMEOUT] = "silent for too long",
        [PEER_FAULT_MEMORY] = "out of memory",
    };
    return (size_t)fault < sizeof texts / sizeof *texts ? texts[fault] : "?";
}

int peer_init(struct peer *p, const struct peer_settings *settings)
{
    *p = (struct peer){
        .scratch = settings->scratch,
        .incoming = settings->info_hash == NULL,
        .chokes_us = true,
        .we_choke = true,
        .reading = PEER_READ_HANDSHAKE,
        .right_guesses = PEER_GUESSES_AT_FIRST,
        .created_ns = settings->now_ns,
        .received_ns = settings->now_ns,
        .sent_ns = settings->now_ns,
        .control_max = LIMIT_PEER_CONTROL_BYTES,
    };
    memcpy(p->peer_id, settings->peer_id, sizeof p->peer_id);
    int failed = settings->info_hash ? peer_accept(p, settings->info_hash) : 0;
    if (failed) {
        peer_deinit(p);
    }
    return failed;
}

void peer_deinit(struct peer *p)
{
    bitset_deinit(&p->has);
    free(p->body);
    free(p->pending);
    free(p->control);
    free(p->wants);
    free(p->serving);
    free(p->events);
    *p = (struct peer){0};
}

int peer_ring_grow(void **items, size_t item_bytes, uint32_t *first, uint32_t count,
                   uint32_t *capacity, uint32_t max)
{
    if (count < *capacity) {
        return 0;
    }
    if (count >= max) {
        return SPATE_ELIMIT;
    }
    uint32_t larger = *capacity ? *capacity * 2 : 16;
    uint8_t *grown = malloc(larger * item_bytes);
    if (!grown) {
        return SPATE_ENOMEM;
    }
    uint32_t until_end = *capacity - *first < count ? *capacity - *first : count;
    if (count > 0) {
        uint8_t *old = *items;
        memcpy(grown, old + *first * item_bytes, until_end * item_bytes);
        memcpy(grown + until_end * item_bytes, old, (count - until_end) * item_bytes);
    }
    free(*items);
    *items = grown;
    *first = 0;
    *capacity = larger;
    return 0;
}

/* ---- events ---------------------------------------------------------------------------------- */

void peer_push_event(struct peer *p, struct peer_event event)
{
    if (peer_ring_grow((void **)&p->events, sizeof *p->events, &p->events_first, p->events_count,
                       &p->events_capacity, PEER_EVENTS_MAX)) {
        p->fault = PEER_FAULT_MEMORY;
        return;
    }
    p->events[peer_ring_at(p->events_first, p->events_count, p->events_capacity)] = event;
    p->events_count++;
}

void peer_set_fault(struct peer *p, enum peer_fault fault)
{
    if (p->fault) {
        return;
    }
    p->fault = fault;
    peer_push_event(p, (struct peer_event){.type = PEER_FAULT, .fault = fault});
}

bool peer_next(struct peer *p, struct peer_event *out)
{
    if (p->events_count == 0) {
        if (p->fault == PEER_FAULT_MEMORY && !p->events) {
            return false;
        }
        if (p->events_capacity > 256) { /* a burst is over: give its memory back */
            free(p->events);
            p->events = NULL;
            p->events_capacity = p->events_first = 0;
        }
        return false;
    }
    *out = p->events[p->events_first];
    peer_ring_pop(&p->events_first, &p->events_count, p->events_capacity);
    return true;
}

/* ---- what we say ----------------------------------------------------------------------------- */

struct writer peer_control(struct peer *p, size_t size)
{
    struct writer failed = {.failed = true};
    if (p->fault) {
        return failed;
    }
    if (p->control_size + size > p->control_max) {
        peer_set_fault(p, PEER_FAULT_FLOOD);
        return failed;
    }
    if (p->control_first + p->control_size + size > p->control_capacity) {
        uint32_t capacity = p->control_capacity ? p->control_capacity : PEER_CONTROL_FIRST_BYTES;
        while (capacity < p->control_size + size) {
            capacity *= 2;
        }
        if (capacity != p->control_capacity) {
            uint8_t *grown = malloc(capacity);
            if (!grown) {
                peer_set_fault(p, PEER_FAULT_MEMORY);
                return failed;
            }
            if (p->control_size > 0) {
                memcpy(grown, p->control + p->control_first, p->control_size);
            }
            free(p->control);
            p->control = grown;
            p->control_capacity = capacity;
        } else {
            memmove(p->control, p->control + p->control_first, p->control_size);
        }
        p->control_first = 0;
    }
    struct writer w = writer_over(p->control + p->control_first + p->control_size, size);
    p->control_size += (uint32_t)size;
    return w;
}

int peer_accept(struct peer *p, const uint8_t info_hash[20])
{
    struct wire_handshake ours = {.fast = true, .extended = true};
    uint8_t bytes[WIRE_HANDSHAKE_BYTES];
    memcpy(ours.info_hash, info_hash, 20);
    memcpy(ours.peer_id, p->peer_id, 20);
    memcpy(p->remote.info_hash, info_hash, 20);
    wire_write_handshake(&ours, bytes);
    p->handshaked = p->incoming;
    struct writer w = peer_control(p, sizeof bytes);
    writer_bytes(&w, bytes, sizeof bytes);
    return w.failed ? SPATE_ENOMEM : 0;
}

int peer_set_pieces(struct peer *p, uint32_t piece_count, uint32_t piece_length,
                    uint64_t total_length)
{
    ASSERT(p->piece_count == 0);
    int failed = bitset_init(&p->has, piece_count);
    if (failed) {
        return failed;
    }
    p->piece_count = piece_count;
    p->piece_length = piece_length;
    p->total_length = total_length;
    p->control_max = LIMIT_PEER_CONTROL_BYTES + (uint32_t)bitset_bytes(piece_count);
    return 0;
}

int peer_introduce(struct peer *p, const struct bitset *have, const struct ext_handshake *ours)
{
    struct writer w;
    if (p->remote.fast && (bitset_full(have) || have->ones == 0)) {
        w = peer_control(p, 5);
        wire_write_plain(&w, have->ones ? WIRE_HAVE_ALL : WIRE_HAVE_NONE);
    } else if (have->ones > 0) {
        w = peer_control(p, 5 + bitset_bytes(have->count));
        wire_write_bitfield(&w, have->bytes, bitset_bytes(have->count));
    }
    if (p->remote.extended) {
        uint8_t payload[512];
        size_t size = ext_write_handshake(ours, payload, sizeof payload);
        ASSERT(size > 0);
        w = peer_control(p, 6 + size);
        wire_write_extended(&w, EXT_HANDSHAKE, span_of(payload, size));
    }
    return p->fault ? SPATE_ENOMEM : 0;
}

static void say_plain(struct peer *p, enum wire_id id)
{
    struct writer w = peer_control(p, 5);
    wire_write_plain(&w, id);
}

static void say_block(struct peer *p, enum wire_id id, struct block block)
{
    struct writer w = peer_control(p, 17);
    wire_write_block(&w, id, block);
}

void peer_reject(struct peer *p, struct block block)
{
    if (p->remote.fast) {
        say_block(p, WIRE_REJECT, block);
    }
}

void peer_choke(struct peer *p, bool choke)
{
    if (p->we_choke == choke) {
        return;
    }
    p->we_choke = choke;
    say_plain(p, choke ? WIRE_CHOKE : WIRE_UNCHOKE);
    if (!choke) {
        return;
    }
    while (p->wants_count > 0) {
        peer_refuse(p);
    }
    /* What has begun to leave must be finished; the rest is refused. */
    uint32_t keep = p->serving_sent > 0 ? 1 : 0;
    for (uint32_t i = keep; i < p->serving_count; i++) {
        peer_reject(p, p->serving[peer_ring_at(p->serving_first, i, p->serving_capacity)]);
    }
    p->serving_count = p->serving_count < keep ? p->serving_count : keep;
}

void peer_interest(struct peer *p, bool interested)
{
    if (p->we_are_interested != interested) {
        p->we_are_interested = interested;
        say_plain(p, interested ? WIRE_INTERESTED : WIRE_NOT_INTERESTED);
    }
}

void peer_have(struct peer *p, uint32_t piece)
{
    struct writer w = peer_control(p, 9);
    wire_write_index(&w, WIRE_HAVE, piece);
}

void peer_upload_only(struct peer *p, bool upload_only)
{
    if (p->extended.upload_only_id) {
        uint8_t value = upload_only;
        struct writer w = peer_control(p, 7);
        wire_write_extended(&w, p->extended.upload_only_id, span_of(&value, 1));
    }
}

void peer_dont_have(struct peer *p, uint32_t piece)
{
    if (p->extended.dont_have_id) {
        uint8_t value[4];
        store_be32(value, piece);
        struct writer w = peer_control(p, 10);
        wire_write_extended(&w, p->extended.dont_have_id, span_of(value, sizeof value));
    }
}

int peer_request(struct peer *p, struct block block, uint8_t *destination)
{
    if (p->fault) {
        return SPATE_EPROTO;
    }
    int failed = peer_ring_grow((void **)&p->pending, sizeof *p->pending, &p->pending_first,
                                p->pending_count, &p->pending_capacity, LIMIT_PEER_REQUESTS_OUT);
    if (failed) {
        return failed;
    }
    say_block(p, WIRE_REQUEST, block);
    if (p->fault) {
        return SPATE_EPROTO;
    }
    p->pending[peer_ring_at(p->pending_first, p->pending_count, p->pending_capacity)] =
        (struct peer_pending){.block = block, .destination = destination};
    p->pending_count++;
    return 0;
}

uint8_t *peer_redirect(struct peer *p, struct block block, bool cancel)
{
    struct peer_pending *found = NULL;
    if (p->reading == PEER_READ_BLOCK && p->arriving.destination &&
        block_equals(p->arriving.block, block)) {
        found = &p->arriving; /* on its way: too late to cancel */
        cancel = false;
    }
    for (uint32_t i = 0; !found && i < p->pending_count; i++) {
        struct peer_pending *at =
            &p->pending[peer_ring_at(p->pending_first, i, p->pending_capacity)];
        if (at->destination && block_equals(at->block, block)) {
            found = at;
        }
    }
    if (!found) {
        return NULL;
    }
    uint8_t *destination = found->destination;
    found->destination = NULL;
    if (cancel) {
        say_block(p, WIRE_CANCEL, block);
    }
    return destination;
}

bool peer_forget(struct peer *p, struct peer_pending *out)
{
    if (p->reading == PEER_READ_BLOCK && p->arriving.destination) {
        *out = p->arriving;
        p->arriving.destination = NULL;
        return true;
    }
    if (p->pending_count == 0) {
        return false;
    }
    *out = p->pending[p->pending_first];
    peer_ring_pop(&p->pending_first, &p->pending_count, p->pending_capacity);
    return true;
}

const struct peer_pending *peer_pending_at(const struct peer *p, uint32_t i)
{
    return &p->pending[peer_ring_at(p->pending_first, i, p->pending_capacity)];
}

struct block peer_want_at(const struct peer *p, uint32_t i)
{
    return p->wants[peer_ring_at(p->wants_first, i, p->wants_capacity)];
}

static struct block pop_want(struct peer *p)
{
    struct block block = p->wants[p->wants_first];
    peer_ring_pop(&p->wants_first, &p->wants_count, p->wants_capacity);
    return block;
}

int peer_serve(struct peer *p, uint32_t count)
{
    for (; count > 0 && p->wants_count > 0; count--) {
        int failed =
            peer_ring_grow((void **)&p->serving, sizeof *p->serving, &p->serving_first,
                           p->serving_count, &p->serving_capacity, LIMIT_PEER_REQUESTS_IN * 2);
        if (failed) {
            return failed;
        }
        p->serving[peer_ring_at(p->serving_first, p->serving_count, p->serving_capacity)] =
            pop_want(p);
        p->serving_count++;
    }
    return 0;
}

void peer_refuse(struct peer *p)
{
    peer_reject(p, pop_want(p));
}

/* ---- time ------------------------------------------------------------------------------------ */

int64_t peer_deadline(const struct peer *p)
{
    if (p->fault) {
        return INT64_MAX;
    }
    if (!p->handshaked || p->reading == PEER_READ_HANDSHAKE) {
        return p->created_ns + PEER_HANDSHAKE_TIMEOUT_NS;
    }
    int64_t silence = p->received_ns + PEER_SILENCE_TIMEOUT_NS;
    int64_t keepalive = p->sent_ns + PEER_KEEPALIVE_INTERVAL_NS;
    return silence < keepalive ? silence : keepalive;
}

void peer_wake(struct peer *p, int64_t now_ns)
{
    if (p->fault || now_ns < peer_deadline(p)) {
        return;
    }
    if (!p->handshaked || p->reading == PEER_READ_HANDSHAKE) {
        peer_set_fault(p, PEER_FAULT_TIMEOUT_HANDSHAKE);
    } else if (now_ns >= p->received_ns + PEER_SILENCE_TIMEOUT_NS) {
        peer_set_fault(p, PEER_FAULT_TIMEOUT);
    } else {
        p->sent_ns = now_ns;
        if (!peer_has_output(p)) {
            struct writer w = peer_control(p, WIRE_LENGTH_BYTES);
            wire_write_keepalive(&w);
        }
    }
}

bool peer_is_consistent(const struct peer *p)
{
    bool rings = p->pending_count <= p->pending_capacity && p->wants_count <= p->wants_capacity &&
                 p->serving_count <= p->serving_capacity && p->events_count <= p->events_capacity &&
                 p->control_first + p->control_size <= p->control_capacity;
    bool bounds = p->pending_count <= LIMIT_PEER_REQUESTS_OUT + 12 &&
                  p->wants_count <= LIMIT_PEER_REQUESTS_IN && p->control_size <= p->control_max;
    bool sending = p->serving_sent == 0 || p->serving_count > 0;
    bool arriving = p->reading != PEER_READ_BLOCK || p->arrived_bytes < p->arriving.block.length;
    return rings && bounds && sending && arriving && (p->piece_count == p->has.count);
}
