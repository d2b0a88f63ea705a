/* The simulated world behind the table of the port: each call does its part of the world and leaves a
 * line in the event log. */
#include "io/sim/io_sim_disk.h"
#include "io/sim/io_sim_http.h"
#include "io/sim/io_sim_names.h"
#include "io/sim/io_sim_tcp.h"
#include "io/sim/io_sim_udp.h"
#include "io/sim/io_sim_work.h"

static int64_t sim_port_now(struct io *io)
{
    return io_sim_host_of(io)->sim->now_ns;
}

static int64_t sim_port_wall(struct io *io)
{
    const struct io_sim_host *host = io_sim_host_of(io);
    return host->sim->now_ns + host->wall_offset_ns;
}

static void sim_port_entropy(struct io *io, void *out, size_t size)
{
    struct io_sim_host *host = io_sim_host_of(io);
    uint8_t *at = out;
    for (size_t left = size; left > 0;) {
        uint64_t word = dice_next(&host->entropy);
        size_t n = left < sizeof word ? left : sizeof word;
        memcpy(at, &word, n);
        at += n;
        left -= n;
    }
    io_sim_note(host, IO_SIM_LOG_ENTROPY, size, 0, 0);
}

static void sim_port_timer(struct io *io, struct io_op *op, int64_t at_ns)
{
    io_sim_note(io_sim_host_of(io), IO_SIM_LOG_TIMER, 0, at_ns, 0);
    io_sim_timer(io_sim_host_of(io), op, at_ns, IO_SIM_OP_TIMER);
}

static void sim_port_turn_end(struct io *io, struct io_op *op)
{
    io_sim_note(io_sim_host_of(io), IO_SIM_LOG_TURN_END, 0, 0, 0);
    io_sim_turn_end(io_sim_host_of(io), op);
}

static void sim_port_wait_wake(struct io *io, struct io_op *op)
{
    io_sim_note(io_sim_host_of(io), IO_SIM_LOG_WAIT_WAKE, 0, 0, 0);
    io_sim_wait_wake(io_sim_host_of(io), op);
}

static void sim_port_wake(struct io *io)
{
    io_sim_note(io_sim_host_of(io), IO_SIM_LOG_WAKE, 0, 0, 0);
    io_sim_wake(io_sim_host_of(io));
}

static void sim_port_cancel(struct io *io, struct io_op *op)
{
    struct io_sim_host *host = io_sim_host_of(io);
    io_sim_note(host, IO_SIM_LOG_CANCEL, op->kind, 0, 0);
    switch ((enum io_sim_op)op->kind) {
    case IO_SIM_OP_DONE:
        break;
    case IO_SIM_OP_TIMER:
    case IO_SIM_OP_TURN_END:
    case IO_SIM_OP_WAKE:
    case IO_SIM_OP_RESOLVE:
        io_sim_cancel(host, op);
        break;
    case IO_SIM_OP_WAIT:
    case IO_SIM_OP_CONNECT:
        io_sim_socket_cancel(host, op);
        break;
    case IO_SIM_OP_WORK:
    case IO_SIM_OP_WORK_BEGUN:
        io_sim_work_cancel(host, op);
        break;
    case IO_SIM_OP_HTTP:
        io_sim_http_cancel(host, op);
        break;
    }
}

/* Of an address, for the log. */
static uint64_t hash_addr(const struct addr *a)
{
    return io_sim_log_bytes(0, a, sizeof *a);
}

static int sim_port_tcp_listen(struct io *io, const struct io_bind *bind, struct io_socket **out)
{
    int rc = io_sim_tcp_listen(io_sim_host_of(io), bind, out);
    io_sim_note(io_sim_host_of(io), IO_SIM_LOG_LISTEN, *out ? (*out)->local.port : 0, rc, 0);
    return rc;
}

static int sim_port_tcp_connect(struct io *io, const struct io_bind *bind, const struct addr *to,
                                struct io_op *op, struct io_socket **out)
{
    int rc = io_sim_tcp_connect(io_sim_host_of(io), bind, to, op, out);
    io_sim_note(io_sim_host_of(io), IO_SIM_LOG_CONNECT, to->port, rc, hash_addr(to));
    return rc;
}

static int sim_port_accept(struct io *io, struct io_socket *listener, struct io_socket **out,
                           struct addr *peer)
{
    int rc = io_sim_tcp_accept(listener, out, peer);
    io_sim_note(io_sim_host_of(io), IO_SIM_LOG_ACCEPT, peer->port, rc, hash_addr(peer));
    return rc;
}

static int sim_port_udp_open(struct io *io, const struct io_bind *bind, struct io_socket **out)
{
    int rc = io_sim_udp_open(io_sim_host_of(io), bind, out);
    io_sim_note(io_sim_host_of(io), IO_SIM_LOG_UDP_OPEN, *out ? (*out)->local.port : 0, rc, 0);
    return rc;
}

static int sim_port_socket_address(struct io *io, struct io_socket *s, struct addr *out)
{
    (void)io;
    *out = s->local;
    return 0;
}

static void sim_port_wait(struct io *io, struct io_socket *s, enum io_ready ready, struct io_op *op)
{
    io_sim_note(io_sim_host_of(io), IO_SIM_LOG_WAIT, ready, s->local.port, 0);
    io_sim_socket_wait(s, ready, op);
}

static int64_t sim_port_receive(struct io *io, struct io_socket *s, const struct iovec *v,
                                int count)
{
    uint64_t hash = 0;
    int64_t n = io_sim_tcp_receive(s, v, count, &hash);
    io_sim_note(io_sim_host_of(io), IO_SIM_LOG_RECEIVE, s->local.port, n, hash);
    return n;
}

/* Puts a stretch of a file into a stream, as far as it is there. Returns how much that was. */
static uint64_t put_file(struct io_sim_stream *out, const struct io_part *part, uint64_t size,
                         uint64_t *hash)
{
    uint8_t *bytes = out->conn->sim->peeked;
    uint64_t done = 0, there, want;
    do {
        struct io_sim_payload_place place;
        bool is_payload;
        want = size - done < IO_SIM_PEEK_BYTES ? size - done : IO_SIM_PEEK_BYTES;
        there = io_sim_disk_peek(part->file, part->offset + done, bytes, want, &place, &is_payload);
        if (is_payload) {
            *hash = io_sim_log_payload(*hash, &place, there);
            io_sim_stream_write_payload(out, &place, (uint32_t)there);
        } else {
            struct iovec v = {.iov_base = bytes, .iov_len = there};
            *hash = io_sim_log_bytes(*hash, bytes, there);
            io_sim_stream_write(out, &v, 1, there);
        }
        done += there;
    } while (done < size && there == want);
    return done;
}

static uint64_t put_bytes(struct io_sim_stream *out, const struct io_part *part, uint64_t size,
                          uint64_t *hash)
{
    struct iovec v = {.iov_base = (void *)(uintptr_t)part->bytes, .iov_len = size};
    *hash = io_sim_log_bytes(*hash, part->bytes, size);
    io_sim_stream_write(out, &v, 1, size);
    return size;
}

static int64_t sim_port_send(struct io *io, struct io_socket *s, const struct io_part *parts,
                             int count)
{
    uint64_t sent = 0, hash = 0;
    int64_t room = io_sim_tcp_room(s);
    bool is_short = false;
    struct io_sim_stream *out = &s->conn->streams[s->side];
    for (int i = 0; i < count && (int64_t)sent < room && !is_short; i++) {
        uint64_t left = (uint64_t)room - sent;
        uint64_t size = parts[i].size < left ? parts[i].size : left;
        uint64_t there = parts[i].bytes ? put_bytes(out, &parts[i], size, &hash)
                                        : put_file(out, &parts[i], size, &hash);
        is_short = there < size;
        sent += there;
    }
    if (sent > 0) {
        io_sim_stream_push(out);
    }
    int64_t status = room < 0 ? room : sent == 0 && is_short ? SPATE_ESHORT : (int64_t)sent;
    io_sim_note(io_sim_host_of(io), IO_SIM_LOG_SEND, s->local.port, status, hash);
    return status;
}

static void note_datagrams(struct io_sim_host *host, enum io_sim_log_kind kind,
                           const struct io_datagram *d, int count)
{
    if (count < 0) {
        io_sim_note(host, kind, 0, count, 0);
    }
    for (int i = 0; i < count; i++) {
        io_sim_note(host, kind, d[i].size, 0,
                    io_sim_log_bytes(hash_addr(&d[i].peer), d[i].bytes, d[i].size));
    }
}

static int sim_port_udp_receive(struct io *io, struct io_socket *s, struct io_datagram *d, int max)
{
    int n = io_sim_udp_receive(s, d, max);
    note_datagrams(io_sim_host_of(io), IO_SIM_LOG_UDP_RECEIVE, d, n);
    return n;
}

static int sim_port_udp_send(struct io *io, struct io_socket *s, const struct io_datagram *d,
                             int count)
{
    int n = io_sim_udp_send(s, d, count);
    note_datagrams(io_sim_host_of(io), IO_SIM_LOG_UDP_SEND, d, n);
    return n;
}

static void sim_port_close(struct io *io, struct io_socket *s)
{
    io_sim_note(io_sim_host_of(io), IO_SIM_LOG_CLOSE, s->local.port, 0, 0);
    io_sim_socket_close(s);
}

static void sim_port_work(struct io *io, enum io_pool pool, struct io_op *op)
{
    io_sim_note(io_sim_host_of(io), IO_SIM_LOG_WORK, op->work_bytes, pool, 0);
    io_sim_work_submit(io_sim_host_of(io), pool, op);
}

static void sim_port_resolve(struct io *io, struct io_resolve *resolve)
{
    size_t size = strnlen(resolve->name, sizeof resolve->name);
    io_sim_note(io_sim_host_of(io), IO_SIM_LOG_RESOLVE, size, 0,
                io_sim_log_bytes(0, resolve->name, size));
    io_sim_names_resolve(io_sim_host_of(io), resolve);
}

static void sim_port_http(struct io *io, struct io_http *http)
{
    size_t size = strlen(http->url);
    io_sim_note(io_sim_host_of(io), IO_SIM_LOG_HTTP, size, 0, io_sim_log_bytes(0, http->url, size));
    io_sim_http_get(io_sim_host_of(io), http);
}

static const struct io_driver sim_port = {
    .now = sim_port_now,
    .wall = sim_port_wall,
    .entropy = sim_port_entropy,
    .timer = sim_port_timer,
    .turn_end = sim_port_turn_end,
    .wait_wake = sim_port_wait_wake,
    .wake = sim_port_wake,
    .cancel = sim_port_cancel,
    .tcp_listen = sim_port_tcp_listen,
    .tcp_connect = sim_port_tcp_connect,
    .accept = sim_port_accept,
    .udp_open = sim_port_udp_open,
    .socket_address = sim_port_socket_address,
    .wait = sim_port_wait,
    .receive = sim_port_receive,
    .send = sim_port_send,
    .udp_receive = sim_port_udp_receive,
    .udp_send = sim_port_udp_send,
    .close = sim_port_close,
    .work = sim_port_work,
    .resolve = sim_port_resolve,
    .http = sim_port_http,
};

const struct io_driver *io_sim_driver(void)
{
    return &sim_port;
}
