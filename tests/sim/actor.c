/* A seed that a script plays. */
#include "actor.h"

#include "base/dice.h"
#include "codec/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>

enum {
    ACTOR_PORT = 6881,
    ACTOR_ASKED_MAX = 600,
    ACTOR_OUT_BYTES = 1 << 20,
    ACTOR_IN_BYTES = 1 << 16
};

struct asked {
    struct block block;
    int64_t not_before_ns;
};

struct actor {
    struct world *world;
    struct io *io;
    struct addr address;
    struct actor_habits habits;
    struct dice dice;
    struct actor_deeds deeds;
    struct io_socket *listener, *socket;
    struct io_op accept_op, read_op, write_op, timer_op;
    uint8_t in[ACTOR_IN_BYTES];
    size_t in_size;
    bool handshaked;
    uint8_t out[ACTOR_OUT_BYTES];
    size_t out_size;
    size_t hold_at; /* bytes of out that may leave for now; SIZE_MAX: all */
    int64_t hold_until_ns;
    struct asked asked[ACTOR_ASKED_MAX];
    uint32_t asked_count;
};

static uint32_t roll(struct actor *a, uint32_t sides)
{
    return dice_below(&a->dice, sides);
}

static void flush(struct actor *a)
{
    size_t n = a->out_size < a->hold_at ? a->out_size : a->hold_at;
    struct io_part part = {.bytes = a->out, .size = n};
    if (n == 0 || !a->socket || a->write_op.active) {
        return;
    }
    int64_t sent = io_send(a->io, a->socket, &part, 1);
    if (sent > 0) {
        memmove(a->out, a->out + sent, a->out_size - (size_t)sent);
        a->out_size -= (size_t)sent;
        a->hold_at -= a->hold_at == SIZE_MAX ? 0 : (size_t)sent;
    }
    if (sent == SPATE_EAGAIN || (sent > 0 && (size_t)sent < n)) {
        io_wait(a->io, a->socket, IO_WRITABLE, &a->write_op);
    }
}

static struct writer say(struct actor *a)
{
    return writer_over(a->out + a->out_size, ACTOR_OUT_BYTES - a->out_size);
}

static void said(struct actor *a, const struct writer *w)
{
    assert_false(w->failed);
    a->out_size += w->size;
}

static void say_block(struct actor *a, struct block block)
{
    struct writer w = say(a);
    wire_write_index(&w, WIRE_HAVE, block.piece);
    uint8_t head[WIRE_PIECE_HEADER_BYTES];
    wire_write_piece_header(head, block);
    writer_bytes(&w, head, sizeof head);
    uint64_t at = (uint64_t)block.piece * a->world->spec.piece_length + block.offset;
    uint8_t *data = w.bytes + w.size, bytes[BLOCK_BYTES];
    assert_true(block.length <= sizeof bytes);
    world_payload(a->world, at, bytes, block.length);
    writer_bytes(&w, bytes, block.length);
    if (roll(a, 100) < a->habits.corrupt_percent) {
        data[roll(a, block.length)] ^= 0x40;
    }
    bool half = a->hold_at == SIZE_MAX && roll(a, 100) < a->habits.half_percent;
    if (half) { /* stop in the middle, and go on a while later */
        a->hold_at = a->out_size + w.size - block.length / 2;
        a->hold_until_ns = io_now(a->io) + 300000000;
        a->deeds.halves++;
    }
    said(a, &w);
    a->deeds.answers++;
}

/* One answer, any of those that may be given. */
static void answer_one(struct actor *a)
{
    int64_t now_ns = io_now(a->io);
    if (a->asked_count == 0 || a->out_size > ACTOR_OUT_BYTES - 100000) {
        return;
    }
    uint32_t i = roll(a, a->asked_count);
    if (a->asked[i].not_before_ns > now_ns) {
        return;
    }
    struct block block = a->asked[i].block;
    a->asked[i] = a->asked[--a->asked_count];
    say_block(a, block);
    if (roll(a, 100) < a->habits.double_percent) {
        say_block(a, block);
        a->deeds.doubles++;
    }
}

static void on_timer(struct io_op *op, int status)
{
    struct actor *a = list_entry(op, struct actor, timer_op);
    if (status < 0) {
        return;
    }
    if (a->hold_at != SIZE_MAX && io_now(a->io) >= a->hold_until_ns) {
        a->hold_at = SIZE_MAX;
    }
    answer_one(a);
    flush(a);
    io_timer(a->io, &a->timer_op, io_now(a->io) + a->habits.pause_ns);
}

static void on_message(struct actor *a, const uint8_t *body, uint32_t size)
{
    struct reader r = reader_over(span_of(body, size));
    uint8_t id = reader_u8(&r);
    struct block block = {reader_u32(&r), reader_u32(&r), reader_u32(&r)};
    if (id == WIRE_REQUEST && a->asked_count < ACTOR_ASKED_MAX) {
        bool late = roll(a, 100) < a->habits.late_percent;
        int64_t wait_ns = late ? (int64_t)roll(a, 30000) * 1000000 : 0;
        a->deeds.late += late;
        a->asked[a->asked_count++] =
            (struct asked){.block = block, .not_before_ns = io_now(a->io) + wait_ns};
    } else if (id == WIRE_CANCEL) {
        a->deeds.cancels++;
        for (uint32_t i = 0; i < a->asked_count; i++) {
            if (block_equals(a->asked[i].block, block) && roll(a, 2) == 0) {
                struct writer w = say(a); /* refused; the other half is sent all the same */
                wire_write_block(&w, WIRE_REJECT, block);
                said(a, &w);
                a->asked[i] = a->asked[--a->asked_count];
                break;
            }
        }
    }
}

static void parse(struct actor *a)
{
    size_t at = 0;
    if (!a->handshaked && a->in_size >= WIRE_HANDSHAKE_BYTES) {
        struct wire_handshake h = {.fast = true};
        assert_true(wire_parse_handshake_head(a->in, &h));
        h.fast = true;
        memcpy(h.peer_id, "-XX0001-an actor ....", 20);
        h.peer_id[19] = (uint8_t)('0' + a->address.ip[3]);
        struct writer w = say(a);
        uint8_t *room = writer_room(&w, WIRE_HANDSHAKE_BYTES);
        assert_non_null(room);
        wire_write_handshake(&h, room);
        wire_write_plain(&w, WIRE_HAVE_ALL);
        wire_write_plain(&w, WIRE_UNCHOKE);
        said(a, &w);
        a->handshaked = true;
        at = WIRE_HANDSHAKE_BYTES;
    }
    while (a->handshaked && a->in_size - at >= 4) {
        uint32_t size = load_be32(a->in + at);
        if (a->in_size - at < 4 + (size_t)size) {
            break;
        }
        if (size > 0) {
            on_message(a, a->in + at + 4, size);
        }
        at += 4 + (size_t)size;
    }
    memmove(a->in, a->in + at, a->in_size - at);
    a->in_size -= at;
}

static void forget_connection(struct actor *a)
{
    io_close(a->io, a->socket);
    a->socket = NULL;
    a->in_size = a->out_size = a->asked_count = 0;
    a->hold_at = SIZE_MAX;
    a->handshaked = false;
}

static void on_readable(struct io_op *op, int status)
{
    struct actor *a = list_entry(op, struct actor, read_op);
    struct iovec v = {.iov_base = a->in + a->in_size, .iov_len = ACTOR_IN_BYTES - a->in_size};
    int64_t n = status < 0 || !a->socket ? status : io_receive(a->io, a->socket, &v, 1);
    if (n == SPATE_EAGAIN) {
        io_wait(a->io, a->socket, IO_READABLE, &a->read_op);
        return;
    }
    if (n <= 0) {
        forget_connection(a);
        return;
    }
    a->in_size += (size_t)n;
    parse(a);
    flush(a);
    io_wait(a->io, a->socket, IO_READABLE, &a->read_op);
}

static void on_writable(struct io_op *op, int status)
{
    struct actor *a = list_entry(op, struct actor, write_op);
    if (status >= 0) {
        flush(a);
    }
}

static void on_acceptable(struct io_op *op, int status)
{
    struct actor *a = list_entry(op, struct actor, accept_op);
    struct io_socket *socket;
    struct addr peer;
    if (status < 0) {
        return;
    }
    while (io_accept(a->io, a->listener, &socket, &peer) == 0) {
        if (a->socket || a->read_op.active || a->write_op.active) {
            io_close(a->io, socket); /* one at a time */
            continue;
        }
        a->socket = socket;
        a->deeds.connections++;
        io_wait(a->io, socket, IO_READABLE, &a->read_op);
    }
    io_wait(a->io, a->listener, IO_READABLE, &a->accept_op);
}

struct actor *actor_create(struct world *w, uint8_t number, uint64_t seed,
                           const struct actor_habits *habits)
{
    struct actor *a = calloc(1, sizeof *a);
    char name[32];
    assert_non_null(a);
    const uint8_t ip[4] = {10, 9, 0, number};
    a->world = w;
    a->habits = *habits;
    a->address = addr_v4(ip, ACTOR_PORT);
    if (habits->corrupt_percent > 0) {
        world_add_liar(w, &a->address);
    }
    a->hold_at = SIZE_MAX;
    dice_init(&a->dice, seed);
    a->accept_op.done = on_acceptable;
    a->read_op.done = on_readable;
    a->write_op.done = on_writable;
    a->timer_op.done = on_timer;
    snprintf(name, sizeof name, "actor-%u", number);
    assert_int_equal(
        io_sim_host_create(w->sim, name, a->address, (struct addr){.family = ADDR_NONE}, &a->io),
        0);
    const struct io_bind bind = {.address = {.family = ADDR_V4, .port = ACTOR_PORT}};
    assert_int_equal(io_tcp_listen(a->io, &bind, &a->listener), 0);
    io_wait(a->io, a->listener, IO_READABLE, &a->accept_op);
    io_timer(a->io, &a->timer_op, io_now(a->io) + habits->pause_ns);
    return a;
}

struct addr actor_address(const struct actor *a)
{
    return a->address;
}

struct actor_deeds actor_deeds(const struct actor *a)
{
    return a->deeds;
}

void actor_destroy(struct actor *a)
{
    free(a);
}
