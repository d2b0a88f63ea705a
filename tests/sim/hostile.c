/* The hosts of strangers that break the rules: connections, handshakes and messages, with the breaking left to the
 * behaviour. */
#include "hostile.h"

#include "base/dice.h"
#include "codec/wire.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    HOSTILE_PORT = 6881,
    HOSTILE_CONNS = 24,
    HOSTILE_OUT_BYTES = 256 << 10,
    HOSTILE_IN_BYTES = 160 << 10,
    HOSTILE_TICK_NS = 100000000,
    HOSTILE_MEET_MAX = 24,
};

struct hostile_conn {
    struct hostile *host;
    struct io_socket *socket;
    struct io_op connect_op, read_op, write_op;
    struct addr victim; /* ADDR_NONE: it came to us */
    bool connected, shaken, sent_shake;
    uint8_t in[HOSTILE_IN_BYTES], out[HOSTILE_OUT_BYTES];
    size_t in_size, out_size;
    struct wire_handshake theirs;
    uint32_t counter;
    int64_t again_ns; /* not dialled before */
};

struct hostile {
    struct world *world;
    struct io *io;
    struct addr address;
    const struct hostile_behaviour *b;
    struct dice dice;
    struct io_socket *listener;
    struct io_op accept_op, timer_op;
    struct hostile_deeds deeds;
    uint8_t info_hash[20];
    struct hostile_conn *conns[HOSTILE_CONNS];
};

static void on_connected(struct io_op *op, int status);
static void on_readable(struct io_op *op, int status);
static void on_writable(struct io_op *op, int status);

static bool is_quiet(const struct hostile_conn *c)
{
    return !c->connect_op.active && !c->read_op.active && !c->write_op.active;
}

/* A free one, or NULL. */
static struct hostile_conn *conn_take(struct hostile *h)
{
    for (int i = 0; i < HOSTILE_CONNS; i++) {
        struct hostile_conn *c = h->conns[i];
        if (!c) {
            c = h->conns[i] = calloc(1, sizeof *c);
            if (!c) {
                abort();
            }
            c->host = h;
            c->connect_op.done = on_connected;
            c->read_op.done = on_readable;
            c->write_op.done = on_writable;
            return c;
        }
        if (!c->socket && is_quiet(c) && c->victim.family == ADDR_NONE) {
            return c;
        }
    }
    return NULL;
}

static void end_conn(struct hostile_conn *c)
{
    struct hostile *h = c->host;
    if (!c->socket) {
        return;
    }
    io_close(h->io, c->socket);
    c->socket = NULL;
    c->connected = c->shaken = c->sent_shake = false;
    c->in_size = c->out_size = 0;
    c->counter = 0;
    c->again_ns = h->b->flags & HOSTILE_AGAIN ? io_now(h->io) + HOSTILE_TICK_NS : INT64_MAX;
}

static void dial(struct hostile_conn *c)
{
    struct hostile *h = c->host;
    if (io_tcp_connect(h->io, NULL, &c->victim, &c->connect_op, &c->socket)) {
        c->socket = NULL;
        c->again_ns = io_now(h->io) + HOSTILE_TICK_NS;
    }
}

static void flush(struct hostile_conn *c)
{
    struct io_part part = {.bytes = c->out, .size = c->out_size};
    if (c->out_size == 0 || !c->socket || !c->connected || c->write_op.active) {
        return;
    }
    int64_t sent = io_send(c->host->io, c->socket, &part, 1);
    if (sent > 0) {
        memmove(c->out, c->out + sent, c->out_size - (size_t)sent);
        c->out_size -= (size_t)sent;
    }
    if (sent == SPATE_EAGAIN || (sent >= 0 && c->out_size > 0)) {
        io_wait(c->host->io, c->socket, IO_WRITABLE, &c->write_op);
    }
}

static void act(struct hostile_conn *c, enum hostile_moment moment,
                const struct hostile_message *message)
{
    const struct hostile_behaviour *b = c->host->b;
    if (moment == HOSTILE_BEGIN && b->size > 0) {
        hostile_say(c, b->bytes, b->size);
    }
    if (b->act) {
        b->act(c, moment, message);
    }
}

static void on_message(struct hostile_conn *c, const uint8_t *body, uint32_t size)
{
    struct reader r = reader_over(span_of(body, size));
    struct hostile_message message = {.id = reader_u8(&r)};
    message.block.piece = reader_u32(&r);
    message.block.offset = reader_u32(&r);
    message.block.length = reader_u32(&r);
    if (message.id == WIRE_PIECE && size > 9) {
        c->host->deeds.payload_bytes += size - 9;
    }
    act(c, HOSTILE_MESSAGE, &message);
}

static void shake_when_due(struct hostile_conn *c)
{
    if (!c->sent_shake && !(c->host->b->flags & HOSTILE_RAW)) {
        hostile_shake(c, false, false);
    }
}

static void parse(struct hostile_conn *c)
{
    size_t at = 0;
    if (!c->shaken && c->in_size >= WIRE_HANDSHAKE_BYTES) {
        if (!wire_parse_handshake_head(c->in, &c->theirs)) {
            abort(); /* an honest one begins so */
        }
        memcpy(c->theirs.peer_id, c->in + 48, 20);
        shake_when_due(c);
        c->shaken = true;
        at = WIRE_HANDSHAKE_BYTES;
        if (!(c->host->b->flags & HOSTILE_RAW)) {
            act(c, HOSTILE_BEGIN, NULL);
        }
    }
    while (c->socket && c->shaken && c->in_size - at >= 4) {
        uint32_t size = load_be32(c->in + at);
        if (c->in_size - at < 4 + (size_t)size) {
            break;
        }
        if (size > 0) {
            on_message(c, c->in + at + 4, size);
        }
        at += 4 + (size_t)size;
    }
    if (c->socket) {
        memmove(c->in, c->in + at, c->in_size - at);
        c->in_size -= at;
    }
}

static void begin(struct hostile_conn *c)
{
    struct hostile *h = c->host;
    c->connected = true;
    h->deeds.connections++;
    if (h->b->flags & HOSTILE_RAW) {
        act(c, HOSTILE_BEGIN, NULL);
    } else if (!(h->b->flags & HOSTILE_LISTENS)) {
        shake_when_due(c);
    }
    if (c->socket) {
        flush(c);
        io_wait(h->io, c->socket, IO_READABLE, &c->read_op);
    }
}

static void on_connected(struct io_op *op, int status)
{
    struct hostile_conn *c = list_entry(op, struct hostile_conn, connect_op);
    if (status == SPATE_ECANCELED) {
        return;
    }
    if (status < 0 || !c->socket) {
        end_conn(c);
        return;
    }
    begin(c);
}

static void on_readable(struct io_op *op, int status)
{
    struct hostile_conn *c = list_entry(op, struct hostile_conn, read_op);
    struct hostile *h = c->host;
    struct iovec v = {.iov_base = c->in + c->in_size, .iov_len = HOSTILE_IN_BYTES - c->in_size};
    if (status == SPATE_ECANCELED || !c->socket) {
        return;
    }
    int64_t n = status < 0 ? status : io_receive(h->io, c->socket, &v, 1);
    if (n <= 0 && n != SPATE_EAGAIN) {
        h->deeds.closed++;
        end_conn(c);
        return;
    }
    if (n > 0) {
        c->in_size += (size_t)n;
        parse(c);
    }
    if (c->socket) {
        flush(c);
    }
    if (c->socket && !(c->shaken && h->b->flags & HOSTILE_DEAF)) {
        io_wait(h->io, c->socket, IO_READABLE, &c->read_op);
    }
}

static void on_writable(struct io_op *op, int status)
{
    struct hostile_conn *c = list_entry(op, struct hostile_conn, write_op);
    if (status == SPATE_ECANCELED || !c->socket) {
        return;
    }
    if (status < 0) {
        c->host->deeds.closed++;
        end_conn(c);
        return;
    }
    flush(c);
}

static void on_acceptable(struct io_op *op, int status)
{
    struct hostile *h = list_entry(op, struct hostile, accept_op);
    struct io_socket *socket;
    struct addr peer;
    if (status < 0) {
        return;
    }
    while (io_accept(h->io, h->listener, &socket, &peer) == 0) {
        struct hostile_conn *c = conn_take(h);
        if (!c) {
            io_close(h->io, socket);
            continue;
        }
        c->socket = socket;
        begin(c);
    }
    io_wait(h->io, h->listener, IO_READABLE, &h->accept_op);
}

static void on_tick(struct io_op *op, int status)
{
    struct hostile *h = list_entry(op, struct hostile, timer_op);
    if (status < 0) {
        return;
    }
    for (int i = 0; i < HOSTILE_CONNS; i++) {
        struct hostile_conn *c = h->conns[i];
        if (!c) {
            continue;
        }
        bool under_way = c->connected && (c->shaken || h->b->flags & HOSTILE_RAW);
        if (under_way) {
            act(c, HOSTILE_TICK, NULL);
        }
        if (c->socket) {
            flush(c);
        } else if (c->victim.family != ADDR_NONE && is_quiet(c) && io_now(h->io) >= c->again_ns) {
            dial(c);
        }
    }
    io_timer(h->io, &h->timer_op, io_now(h->io) + HOSTILE_TICK_NS);
}

struct hostile *hostile_create(struct world *w, uint8_t number, uint64_t seed,
                               const struct hostile_behaviour *b)
{
    struct hostile *h = calloc(1, sizeof *h);
    struct metainfo m;
    struct spate_error error = {.size = sizeof error};
    char name[32];
    const uint8_t ip[4] = {10, 66, 0, number};
    if (!h || metainfo_parse(&m, span_of(w->metainfo, w->metainfo_bytes), &error)) {
        abort();
    }
    memcpy(h->info_hash, m.info_hash, sizeof h->info_hash);
    metainfo_deinit(&m);
    h->world = w;
    h->b = b;
    h->address = addr_v4(ip, HOSTILE_PORT);
    if (b->end == HOSTILE_BANNED) {
        world_add_liar(w, &h->address);
    }
    dice_init(&h->dice, seed);
    h->accept_op.done = on_acceptable;
    h->timer_op.done = on_tick;
    snprintf(name, sizeof name, "hostile-%u", number);
    const struct io_bind bind = {.address = {.family = ADDR_V4, .port = HOSTILE_PORT}};
    if (io_sim_host_create(w->sim, name, h->address, (struct addr){.family = ADDR_NONE}, &h->io) ||
        io_tcp_listen(h->io, &bind, &h->listener)) {
        abort();
    }
    io_wait(h->io, h->listener, IO_READABLE, &h->accept_op);
    io_timer(h->io, &h->timer_op, io_now(h->io) + HOSTILE_TICK_NS);
    return h;
}

struct addr hostile_address(const struct hostile *h)
{
    return h->address;
}

void hostile_meet(struct hostile *h, struct world_peer *victim)
{
    if (h->b->flags & HOSTILE_LISTENS) {
        const struct world_peer named = {.address = h->address};
        world_introduce(victim, &named);
        return;
    }
    struct hostile_conn *c = conn_take(h);
    if (c) {
        c->victim = victim->address;
        dial(c);
    }
}

struct hostile_deeds hostile_deeds(const struct hostile *h)
{
    return h->deeds;
}

void hostile_destroy(struct hostile *h)
{
    for (int i = 0; i < HOSTILE_CONNS; i++) {
        free(h->conns[i]);
    }
    free(h);
}

/* ---- for behaviours --------------------------------------------------------------------------- */

struct world *hostile_world(struct hostile_conn *c)
{
    return c->host->world;
}

uint32_t hostile_roll(struct hostile_conn *c, uint32_t sides)
{
    return dice_below(&c->host->dice, sides);
}

int64_t hostile_now(struct hostile_conn *c)
{
    return io_now(c->host->io);
}

uint32_t *hostile_counter(struct hostile_conn *c)
{
    return &c->counter;
}

bool hostile_say(struct hostile_conn *c, const void *bytes, size_t size)
{
    if (!c->socket || size > HOSTILE_OUT_BYTES - c->out_size) {
        return false;
    }
    memcpy(c->out + c->out_size, bytes, size);
    c->out_size += size;
    return true;
}

bool hostile_say_plain(struct hostile_conn *c, uint8_t id)
{
    uint8_t bytes[8];
    struct writer w = writer_over(bytes, sizeof bytes);
    wire_write_plain(&w, (enum wire_id)id);
    return hostile_say(c, bytes, w.size);
}

bool hostile_say_index(struct hostile_conn *c, uint8_t id, uint32_t piece)
{
    uint8_t bytes[16];
    struct writer w = writer_over(bytes, sizeof bytes);
    wire_write_index(&w, (enum wire_id)id, piece);
    return hostile_say(c, bytes, w.size);
}

bool hostile_say_block(struct hostile_conn *c, uint8_t id, uint32_t piece, uint32_t offset,
                       uint32_t length)
{
    uint8_t bytes[32];
    struct writer w = writer_over(bytes, sizeof bytes);
    wire_write_block(&w, (enum wire_id)id, (struct block){piece, offset, length});
    return hostile_say(c, bytes, w.size);
}

bool hostile_serve(struct hostile_conn *c, struct block block, bool wrong)
{
    const struct world *w = c->host->world;
    uint8_t bytes[WIRE_PIECE_HEADER_BYTES + (128 << 10)];
    uint64_t at = (uint64_t)block.piece * w->spec.piece_length + block.offset;
    if (block.length > 128 << 10 || at + block.length > w->payload_bytes) {
        return false;
    }
    wire_write_piece_header(bytes, block);
    world_payload(w, at, bytes + WIRE_PIECE_HEADER_BYTES, block.length);
    if (wrong && block.length > 0) {
        bytes[WIRE_PIECE_HEADER_BYTES + hostile_roll(c, block.length)] ^= 0x10;
    }
    return hostile_say(c, bytes, WIRE_PIECE_HEADER_BYTES + block.length);
}

void hostile_shake(struct hostile_conn *c, bool wrong_hash, bool mirror_id)
{
    bool able = !(c->host->b->flags & HOSTILE_SLOW);
    struct wire_handshake h = {.fast = able, .extended = able};
    uint8_t bytes[WIRE_HANDSHAKE_BYTES];
    memcpy(h.info_hash, c->host->info_hash, 20);
    h.info_hash[0] ^= wrong_hash ? 1 : 0;
    memcpy(h.peer_id, "-XX6660-a stranger..", 20);
    memcpy(h.peer_id + 18, &c->host->address.ip[2], 2);
    if (mirror_id) {
        memcpy(h.peer_id, c->theirs.peer_id, 20);
    }
    wire_write_handshake(&h, bytes);
    hostile_say(c, bytes, sizeof bytes);
    c->sent_shake = true;
}

void hostile_hang_up(struct hostile_conn *c)
{
    end_conn(c);
}
