/* Connections: the handshake in three steps, refusal, reset, both ends closing one after the other.
 *
 * A connection lives as long as one of its ends is open or waits to be accepted. An end that is gone
 * (closed, or failed) answers what still arrives with a reset, as a real one does, and so does an end
 * that closes with bytes unread. What has arrived before a reset can still be read. */
#include "io/sim/io_sim_tcp.h"

#include "io/sim/io_sim_link.h"
#include "io/sim/io_sim_nat.h"
#include "io/sim/io_sim_stream.h"

#include <stdlib.h>

enum { SYN_RETRIES = 6, BACKLOG = 4096 }; /* as Linux */
static const int64_t syn_retry_ns = 1000000000;

/* ---- ends ------------------------------------------------------------------------------------- */

static void end_wake(struct io_sim_conn *conn, int side)
{
    if (conn->ends[side]) {
        io_sim_socket_finish(conn->ends[side], IO_READABLE, 0);
        io_sim_socket_finish(conn->ends[side], IO_WRITABLE, 0);
    }
}

/* The end hears of a failure; its connection is over. */
static void end_fail(struct io_sim_conn *conn, int side, int error)
{
    if (!conn->gone[side]) {
        conn->gone[side] = true;
        conn->errors[side] = error;
        io_sim_stream_kill(&conn->streams[side]);
        end_wake(conn, side);
    }
}

/* The side that connects hears that nothing comes of it. */
static void connect_fail(struct io_sim_conn *conn, int error)
{
    conn->phase = IO_SIM_OVER;
    io_sim_event_disarm(conn->sim, &conn->handshake);
    conn->gone[0] = true;
    conn->errors[0] = error;
    io_sim_socket_finish(conn->ends[0], IO_WRITABLE, error);
    io_sim_socket_finish(conn->ends[0], IO_READABLE, 0);
}

/* Sends a reset to that side. */
static void end_reset(struct io_sim_conn *conn, int side)
{
    struct io_sim_event *reset = &conn->resets[side];
    if (!conn->gone[side] && !io_sim_event_armed(reset)) {
        io_sim_event_arm(conn->sim, reset,
                         conn->sim->now_ns +
                             io_sim_link_delay_ns(conn->hosts[1 - side], conn->hosts[side]));
    }
}

static void reset_fire(struct io_sim_conn *conn, int side)
{
    if (!io_sim_link_reaches(conn->hosts[0], conn->hosts[1])) {
        return;
    }
    if (!conn->established) {
        connect_fail(conn, SPATE_EREFUSED);
    } else {
        /* The sender of a reset sends nothing after it, unless it was for a stranger. */
        if (!io_sim_conn_is_cut(conn, side)) {
            io_sim_stream_kill(&conn->streams[1 - side]);
        }
        end_fail(conn, side, SPATE_ERESET);
    }
}

static void reset_fire_0(struct io_sim_event *event)
{
    reset_fire(list_entry(event, struct io_sim_conn, resets[0]), 0);
}

static void reset_fire_1(struct io_sim_event *event)
{
    reset_fire(list_entry(event, struct io_sim_conn, resets[1]), 1);
}

void io_sim_conn_on_arrival(struct io_sim_conn *conn, int receiver)
{
    struct io_sim_stream *in = &conn->streams[1 - receiver];
    if (conn->gone[receiver]) {
        if (in->arrived > in->read) {
            end_reset(conn, 1 - receiver);
        }
    } else if (conn->ends[receiver]) {
        io_sim_socket_finish(conn->ends[receiver], IO_READABLE, 0);
    }
}

void io_sim_conn_on_room(struct io_sim_conn *conn, int sender)
{
    struct io_socket *s = conn->ends[sender];
    if (s && conn->established && s->waits[1]) {
        if (io_sim_stream_is_writable(&conn->streams[sender])) {
            io_sim_socket_finish(s, IO_WRITABLE, 0);
        } else {
            io_sim_stream_await_room(&conn->streams[sender]);
        }
    }
}

bool io_sim_conn_is_cut(const struct io_sim_conn *conn, int side)
{
    const struct io_sim_nat *nat = conn->hosts[side]->nat;
    bool direct = conn->hosts[1 - side]->nat == nat || conn->addresses[0].family != ADDR_V4;
    return nat != conn->nats[side] || (nat && !direct && nat->epoch != conn->epochs[side]);
}

void io_sim_conn_on_cut(struct io_sim_conn *conn, int sender)
{
    io_sim_stream_kill(&conn->streams[sender]);
    end_reset(conn, sender);
}

void io_sim_conn_on_timeout(struct io_sim_conn *conn, int sender)
{
    end_fail(conn, sender, SPATE_ETIMEDOUT);
    io_sim_stream_kill(&conn->streams[sender]);
}

/* ---- the connection --------------------------------------------------------------------------- */

static void conn_destroy(struct io_sim_conn *conn)
{
    for (int i = 0; i < 2; i++) {
        io_sim_event_disarm(conn->sim, &conn->resets[i]);
        if (conn->has_streams) {
            io_sim_stream_deinit(&conn->streams[i]);
        }
    }
    io_sim_event_disarm(conn->sim, &conn->handshake);
    if (conn->listener) {
        conn->listener->pending_count--;
        list_remove(&conn->pending);
    }
    list_remove(&conn->link);
    free(conn);
}

/* Takes a connection that is not yet accepted away from its listener. */
static void conn_leave(struct io_sim_conn *conn)
{
    list_remove(&conn->pending);
    conn->listener->pending_count--;
    conn->listener = NULL;
}

/* The side that listened will not have it, and the other is told. */
static void conn_abandon(struct io_sim_conn *conn)
{
    conn_leave(conn);
    end_reset(conn, 0);
    conn->gone[1] = true;
    io_sim_stream_kill(&conn->streams[1]);
    if (!conn->ends[0]) {
        conn_destroy(conn);
    }
}

/* ---- the handshake ---------------------------------------------------------------------------- */

/* The first packet has come, or should have. */
static void handshake_on_syn(struct io_sim_conn *conn)
{
    struct io_sim *sim = conn->sim;
    struct io_sim_host *from = conn->hosts[0];
    struct addr target = conn->addresses[1];
    struct io_sim_host *to = io_sim_nat_enter(from, IO_SIM_STREAM, &conn->addresses[0], &target);
    bool lost = !to || !io_sim_link_reaches(from, to) || !io_sim_socket_leads(conn->ends[0], to) ||
                io_sim_link_loses(from, to, 1);
    struct io_socket *listener = lost ? NULL : io_sim_socket_find(to, IO_SIM_LISTENER, &target);
    lost = lost || (listener && listener->pending_count >= BACKLOG);
    if (lost) {
        from->traffic.lost_packets++;
        if (conn->tries == SYN_RETRIES) {
            connect_fail(conn, SPATE_ETIMEDOUT);
        } else {
            io_sim_event_arm(sim, &conn->handshake, sim->now_ns + (syn_retry_ns << conn->tries++));
        }
        return;
    }
    conn->phase = listener ? IO_SIM_ANSWERED : IO_SIM_REFUSED;
    if (listener) {
        conn->hosts[1] = to;
        conn->addresses[1] = target;
        for (int i = 0; i < 2; i++) {
            conn->nats[i] = conn->hosts[i]->nat;
            conn->epochs[i] = conn->nats[i] ? conn->nats[i]->epoch : 0;
        }
        conn->listener = listener;
        list_push_back(&listener->embryos, &conn->pending);
        listener->pending_count++;
        conn->has_streams = true;
        io_sim_stream_init(&conn->streams[0], conn, 0);
        io_sim_stream_init(&conn->streams[1], conn, 1);
    }
    io_sim_event_arm(sim, &conn->handshake, sim->now_ns + io_sim_link_delay_ns(to, from));
}

static void handshake_fire(struct io_sim_event *event)
{
    struct io_sim_conn *conn = list_entry(event, struct io_sim_conn, handshake);
    struct io_sim *sim = conn->sim;
    switch (conn->phase) {
    case IO_SIM_SYN:
        handshake_on_syn(conn);
        break;
    case IO_SIM_REFUSED:
        connect_fail(conn, SPATE_EREFUSED);
        break;
    case IO_SIM_ANSWERED:
        conn->established = true;
        conn->phase = IO_SIM_QUEUED;
        io_sim_socket_finish(conn->ends[0], IO_WRITABLE, 0);
        io_sim_event_arm(sim, event,
                         sim->now_ns + io_sim_link_delay_ns(conn->hosts[0], conn->hosts[1]));
        break;
    case IO_SIM_QUEUED:
        conn->phase = IO_SIM_OVER;
        if (conn->listener) {
            list_remove(&conn->pending);
            list_push_back(&conn->listener->ready, &conn->pending);
            io_sim_socket_finish(conn->listener, IO_READABLE, 0);
        }
        break;
    case IO_SIM_OVER:
        break;
    }
}

int io_sim_tcp_listen(struct io_sim_host *host, const struct io_bind *bind, struct io_socket **out)
{
    enum addr_family family = bind && bind->address.family == ADDR_V6 ? ADDR_V6 : ADDR_V4;
    int rc = io_sim_socket_create(host, IO_SIM_LISTENER, out);
    if (rc == 0) {
        rc = io_sim_socket_restrict(*out, family, bind);
        rc = rc < 0 ? rc : io_sim_socket_take_port(*out);
        if (rc < 0) {
            io_sim_socket_close(*out);
            *out = NULL;
        }
    }
    return rc;
}

/* Fills the local address of a socket that connects. SPATE_E... when it cannot be done at all. */
static int choose_source(struct io_socket *s, const struct io_bind *bind, const struct addr *to)
{
    int rc = io_sim_socket_restrict(s, (enum addr_family)to->family, bind);
    if (rc < 0) {
        return rc;
    }
    uint16_t port = s->local.port;
    if (addr_is_any(&s->local)) {
        s->local = io_sim_host_source(s->host, to);
    }
    if (port == 0) {
        port = io_sim_socket_free_port(s->host, IO_SIM_LISTENER, (enum addr_family)to->family);
    }
    s->local.port = port;
    return port == 0 ? SPATE_EADDRINUSE : 0;
}

int io_sim_tcp_connect(struct io_sim_host *host, const struct io_bind *bind, const struct addr *to,
                       struct io_op *op, struct io_socket **out)
{
    *out = NULL;
    if (to->family == ADDR_NONE || to->port == 0) {
        return SPATE_EINVAL;
    }
    int rc = io_sim_socket_create(host, IO_SIM_STREAM, out);
    if (rc < 0) {
        return rc;
    }
    struct io_socket *s = *out;
    struct io_sim *sim = host->sim;
    struct io_sim_conn *conn = io_sim_take(sizeof *conn);
    conn->sim = sim;
    list_push_back(&sim->conns, &conn->link);
    list_init(&conn->pending);
    conn->hosts[0] = host;
    conn->ends[0] = s;
    conn->addresses[1] = *to;
    conn->handshake.fire = handshake_fire;
    conn->resets[0].fire = reset_fire_0;
    conn->resets[1].fire = reset_fire_1;
    s->conn = conn;
    rc = choose_source(s, bind, to);
    if (rc < 0) {
        io_sim_socket_close(s);
        *out = NULL;
        return rc;
    }
    conn->addresses[0] = s->local;
    if (!io_sim_nat_leave(host, IO_SIM_STREAM, to, &conn->addresses[0])) {
        io_sim_socket_close(s);
        *out = NULL;
        return SPATE_EADDRINUSE;
    }
    ASSERT(io_sim_socket_hold(s, IO_WRITABLE, op, IO_SIM_OP_CONNECT));
    struct io_sim_host *peer = io_sim_nat_towards(host, IO_SIM_STREAM, to);
    if (s->local.family == ADDR_NONE || (peer && !io_sim_socket_leads(s, peer))) {
        connect_fail(conn, SPATE_EUNREACHABLE);
        return 0;
    }
    int64_t delay_ns = peer ? io_sim_link_delay_ns(host, peer) + io_sim_link_jitter_ns(host, peer)
                            : host->settings.delay_ns;
    io_sim_event_arm(sim, &conn->handshake, sim->now_ns + delay_ns);
    return 0;
}

int io_sim_tcp_accept(struct io_socket *listener, struct io_socket **out, struct addr *peer)
{
    struct list *link = list_first(&listener->ready);
    *out = NULL;
    *peer = (struct addr){.family = ADDR_NONE};
    if (!link) {
        return SPATE_EAGAIN;
    }
    struct io_sim_conn *conn = list_entry(link, struct io_sim_conn, pending);
    int rc = io_sim_socket_create(listener->host, IO_SIM_STREAM, out);
    if (rc < 0) {
        conn_abandon(conn);
        return rc;
    }
    conn_leave(conn);
    conn->ends[1] = *out;
    (*out)->conn = conn;
    (*out)->side = 1;
    (*out)->local = conn->addresses[1];
    *peer = conn->addresses[0];
    return 0;
}

/* ---- transfers -------------------------------------------------------------------------------- */

int64_t io_sim_tcp_receive(struct io_socket *s, const struct iovec *v, int count, uint64_t *hash)
{
    struct io_sim_conn *conn = s->conn;
    struct io_sim_stream *in = &conn->streams[1 - s->side];
    if (!conn->established) {
        return conn->errors[s->side] ? conn->errors[s->side] : SPATE_EAGAIN;
    }
    if (in->arrived > in->read) {
        return (int64_t)io_sim_stream_read(in, v, count, hash);
    }
    if (in->end_arrived) {
        return 0;
    }
    return conn->errors[s->side] ? conn->errors[s->side] : SPATE_EAGAIN;
}

int64_t io_sim_tcp_room(struct io_socket *s)
{
    struct io_sim_conn *conn = s->conn;
    if (conn->errors[s->side]) {
        return conn->errors[s->side];
    }
    uint64_t room = conn->established ? io_sim_stream_room(&conn->streams[s->side]) : 0;
    return room > 0 ? (int64_t)room : SPATE_EAGAIN;
}

bool io_sim_tcp_await(struct io_socket *s, enum io_ready ready)
{
    struct io_sim_conn *conn = s->conn;
    if (conn->errors[s->side]) {
        return true;
    }
    if (!conn->established) {
        return false;
    }
    if (ready == IO_READABLE) {
        const struct io_sim_stream *in = &conn->streams[1 - s->side];
        return in->arrived > in->read || in->end_arrived;
    }
    if (io_sim_stream_is_writable(&conn->streams[s->side])) {
        return true;
    }
    io_sim_stream_await_room(&conn->streams[s->side]);
    return false;
}

/* ---- closing ---------------------------------------------------------------------------------- */

void io_sim_tcp_close(struct io_socket *s)
{
    struct io_sim_conn *conn = s->conn;
    int side = s->side;
    bool failed = conn->gone[side];
    conn->ends[side] = NULL;
    conn->gone[side] = true;
    if (!conn->established || (!conn->ends[1 - side] && !conn->listener)) {
        conn_destroy(conn);
    } else if (!failed) {
        struct io_sim_stream *in = &conn->streams[1 - side], *out = &conn->streams[side];
        if (in->arrived > in->read) {
            io_sim_stream_kill(out);
            end_reset(conn, 1 - side);
        } else {
            io_sim_stream_end(out);
        }
    }
}

void io_sim_tcp_close_listener(struct io_socket *listener)
{
    struct list *link;
    while ((link = list_first(&listener->ready)) || (link = list_first(&listener->embryos))) {
        conn_abandon(list_entry(link, struct io_sim_conn, pending));
    }
}

void io_sim_tcp_drop_all(struct io_sim *sim)
{
    struct list *link;
    while ((link = list_first(&sim->conns))) {
        conn_destroy(list_entry(link, struct io_sim_conn, link));
    }
    while ((link = list_pop_front(&sim->spare_segments))) {
        free(list_entry(link, struct io_sim_segment, link));
    }
    for (int i = 0; i < IO_SIM_CHUNK_KINDS; i++) {
        while ((link = list_pop_front(&sim->spare_chunks[i]))) {
            free(list_entry(link, struct io_sim_chunk, link));
        }
    }
}
