/* Crashes. The host becomes a ghost: its port goes on for those who still hold operations and sockets, but
 * leads nowhere. Its files are no longer open, its sockets no longer those of a connection. The next life is
 * another host of the same name and addresses that takes over the disk. */
#include "io/sim/io_sim_http.h"
#include "io/sim/io_sim_link.h"
#include "io/sim/io_sim_tcp.h"
#include "io/sim/io_sim_udp.h"
#include "io/sim/io_sim_work.h"

/* ---- the port of a ghost ----------------------------------------------------------------------- */

static int ghost_listen(struct io *io, const struct io_bind *bind, struct io_socket **out)
{
    (void)io;
    (void)bind;
    *out = NULL;
    return SPATE_EUNREACHABLE;
}

static int ghost_connect(struct io *io, const struct io_bind *bind, const struct addr *to,
                         struct io_op *op, struct io_socket **out)
{
    (void)to;
    (void)op;
    return ghost_listen(io, bind, out);
}

static int ghost_accept(struct io *io, struct io_socket *listener, struct io_socket **out,
                        struct addr *peer)
{
    (void)io;
    (void)listener;
    *out = NULL;
    *peer = (struct addr){.family = ADDR_NONE};
    return SPATE_EAGAIN;
}

static int ghost_udp_send(struct io *io, struct io_socket *s, const struct io_datagram *d,
                          int count)
{
    (void)io;
    (void)s;
    (void)d;
    (void)count;
    return SPATE_EUNREACHABLE;
}

static void ghost_http(struct io *io, struct io_http *http)
{
    struct io_sim_host *host = io_sim_host_of(io);
    if (io_sim_submit(host, &http->op, IO_SIM_OP_HTTP)) {
        io_sim_complete(host, &http->op, SPATE_EUNREACHABLE);
    }
}

static void become_ghost(struct io_sim_host *host)
{
    host->ghost = *host->io.driver;
    host->ghost.tcp_listen = host->ghost.udp_open = ghost_listen;
    host->ghost.tcp_connect = ghost_connect;
    host->ghost.accept = ghost_accept;
    host->ghost.udp_send = ghost_udp_send;
    host->ghost.http = ghost_http;
    host->io.driver = &host->ghost;
}

/* ---- sockets ----------------------------------------------------------------------------------- */

/* A connection that was reset: whoever holds the socket finds that and nothing else. */
static struct io_sim_conn *dead_conn(struct io_socket *s)
{
    struct io_sim_conn *conn = io_sim_take(sizeof *conn);
    conn->sim = s->host->sim;
    list_push_back(&conn->sim->conns, &conn->link);
    list_init(&conn->pending);
    conn->hosts[0] = conn->hosts[1] = s->host;
    conn->addresses[s->side] = s->local;
    conn->ends[s->side] = s;
    conn->gone[0] = conn->gone[1] = true;
    conn->established = true;
    conn->errors[s->side] = SPATE_ERESET;
    conn->phase = IO_SIM_OVER;
    return conn;
}

/* The connection goes on without the socket: as if it were closed, or in silence. */
static void orphan_stream(struct io_socket *s, bool silently)
{
    struct io_sim_conn *conn = s->conn;
    if (silently && conn->has_streams) {
        io_sim_stream_kill(&conn->streams[s->side]);
    }
    io_sim_tcp_close(s);
    s->conn = dead_conn(s);
}

static void orphan(struct io_socket *s, bool silently)
{
    switch (s->type) {
    case IO_SIM_STREAM:
        orphan_stream(s, silently);
        break;
    case IO_SIM_LISTENER:
        io_sim_tcp_close_listener(s);
        break;
    case IO_SIM_DATAGRAM:
        io_sim_udp_close(s);
        break;
    }
    io_sim_socket_give_port(s);
    io_sim_socket_finish(s, IO_READABLE, SPATE_ERESET);
    io_sim_socket_finish(s, IO_WRITABLE, SPATE_ERESET);
}

/* ---- crash and restart ------------------------------------------------------------------------- */

static void leave_address(struct io_sim_host *host, const struct addr *address)
{
    if (address->family != ADDR_NONE) {
        map_remove(&host->sim->addresses, address);
    }
}

void io_sim_crash(struct io *io, enum io_sim_crash how)
{
    struct io_sim_host *host = io_sim_host_of(io);
    if (host->disk.dead) {
        return;
    }
    io_sim_note(host, IO_SIM_LOG_CRASH, how, 0, host->disk.calls);
    if (how == IO_SIM_CRASH_POWER) {
        host->is_up = false;
    }
    list_for_each (link, &host->sockets) {
        orphan(list_entry(link, struct io_socket, link), how == IO_SIM_CRASH_POWER);
    }
    io_sim_http_cancel_all(host);
    become_ghost(host);
    io_sim_disk_kill(&host->disk);
    if (how == IO_SIM_CRASH_POWER) {
        io_sim_disk_lose(&host->disk);
    }
}

bool io_sim_crashed(const struct io *io)
{
    return ((const struct io_sim_host *)(const void *)io)->disk.dead;
}

void io_sim_set_crash_at(struct io *io, uint64_t index)
{
    io_sim_host_of(io)->disk.crash_at = index;
}

struct io *io_sim_restart(struct io *crashed)
{
    struct io_sim_host *old = io_sim_host_of(crashed);
    struct io *io;
    ASSERT(old->disk.dead && old->disk.tree);
    leave_address(old, &old->v4);
    leave_address(old, &old->v6);
    int rc = io_sim_host_create(old->sim, old->name, old->v4, old->v6, &io);
    ASSERT(rc == 0);
    struct io_sim_host *host = io_sim_host_of(io);
    io_sim_disk_take_over(&host->disk, &old->disk);
    io_sim_work_take_over(host, old);
    /* Another life has other luck. */
    dice_init(&host->entropy, dice_next(&old->entropy));
    dice_init(&host->chance, dice_next(&old->chance));
    host->wall_offset_ns = old->wall_offset_ns;
    host->settings = old->settings;
    host->part = old->part;
    host->nat = old->nat;
    host->max_sockets = old->max_sockets;
    host->traffic = old->traffic;
    struct list *origin;
    while ((origin = list_pop_front(&old->origins))) {
        list_push_back(&host->origins, origin);
    }
    old->is_up = true; /* for what still comes to its connections, and is answered by a reset */
    return io;
}
