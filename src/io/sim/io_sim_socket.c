/* Ports and waiting. A port is taken for every address of a host or for one of them; both at once is
 * SPATE_EADDRINUSE, as it is without SO_REUSEPORT. */
#include "io/sim/io_sim_socket.h"

#include "io/sim/io_sim_tcp.h"
#include "io/sim/io_sim_udp.h"

#include <stdlib.h>

enum { PORT_FIRST = 32768, PORT_LAST = 60999 }; /* those nobody asked for, as Linux */

void io_sim_socket_host_init(struct io_sim_host *host)
{
    list_init(&host->sockets);
    host->max_sockets = UINT32_MAX;
    host->next_port = PORT_FIRST;
}

void io_sim_set_max_sockets(struct io *io, uint32_t count)
{
    io_sim_host_of(io)->max_sockets = count;
}

uint32_t io_sim_sockets(const struct io *io)
{
    return ((const struct io_sim_host *)(const void *)io)->socket_count;
}

int io_sim_socket_create(struct io_sim_host *host, enum io_sim_socket_type type,
                         struct io_socket **out)
{
    *out = NULL;
    if (host->sim->ending) {
        return SPATE_ECANCELED;
    }
    if (host->socket_count >= host->max_sockets) {
        return SPATE_EFDS;
    }
    struct io_socket *s = io_sim_take(sizeof *s);
    s->host = host;
    s->type = type;
    list_init(&s->embryos);
    list_init(&s->ready);
    list_init(&s->packets);
    list_push_back(&host->sockets, &s->link);
    host->socket_count++;
    *out = s;
    return 0;
}

/* ---- ports ------------------------------------------------------------------------------------ */

static struct io_sim_port port_key(const struct io_sim_host *host, enum io_sim_socket_type type,
                                   const struct addr *a, bool every)
{
    struct io_sim_port key = {
        .host = host->id, .port = a->port, .type = (uint8_t)type, .family = (uint8_t)a->family};
    if (!every && !addr_is_any(a)) {
        memcpy(key.ip, a->ip, sizeof key.ip);
    }
    return key;
}

static struct io_socket *port_get(struct io_sim_host *host, enum io_sim_socket_type type,
                                  const struct addr *a, bool every)
{
    struct io_sim_port key = port_key(host, type, a, every);
    return map_get(&host->sim->ports, &key);
}

struct io_socket *io_sim_socket_find(struct io_sim_host *host, enum io_sim_socket_type type,
                                     const struct addr *a)
{
    struct io_socket *s = port_get(host, type, a, false);
    s = s ? s : port_get(host, type, a, true);
    return s && addr_is_loopback(a) && s->interface_only ? NULL : s;
}

/* Whether a socket with this address would collide with one that is there. */
static bool port_taken(struct io_sim_host *host, enum io_sim_socket_type type, const struct addr *a)
{
    static const uint8_t loopback_v4[4] = {127, 0, 0, 1};
    static const uint8_t loopback_v6[16] = {[15] = 1};
    if (port_get(host, type, a, true) || port_get(host, type, a, false)) {
        return true;
    }
    if (!addr_is_any(a)) {
        return false;
    }
    struct addr own = a->family == ADDR_V6 ? host->v6 : host->v4;
    struct addr loopback =
        a->family == ADDR_V6 ? addr_v6(loopback_v6, a->port) : addr_v4(loopback_v4, a->port);
    own.port = a->port;
    return port_get(host, type, &own, false) || port_get(host, type, &loopback, false);
}

uint16_t io_sim_socket_free_port(struct io_sim_host *host, enum io_sim_socket_type type,
                                 enum addr_family family)
{
    struct addr a = {.family = (uint16_t)family};
    for (int i = 0; i <= PORT_LAST - PORT_FIRST; i++) {
        a.port = host->next_port;
        host->next_port = host->next_port == PORT_LAST ? PORT_FIRST : (uint16_t)(a.port + 1);
        if (!port_taken(host, type, &a)) {
            return a.port;
        }
    }
    return 0;
}

int io_sim_socket_restrict(struct io_socket *s, enum addr_family family, const struct io_bind *bind)
{
    s->local = (struct addr){.family = (uint16_t)family};
    if (!bind) {
        return 0;
    }
    if (bind->interface) {
        s->interface_only = strcmp(bind->interface, "sim0") == 0;
        s->loopback_only = strcmp(bind->interface, "lo") == 0;
        if (!s->interface_only && !s->loopback_only) {
            return SPATE_ENOENT;
        }
    }
    if (bind->address.family == ADDR_NONE) {
        s->local.port = bind->address.port;
        return 0;
    }
    if (bind->address.family != family ||
        (!addr_is_any(&bind->address) && !io_sim_host_has(s->host, &bind->address))) {
        return SPATE_EADDRNOTAVAIL;
    }
    s->local = bind->address;
    s->local.scope = 0;
    return 0;
}

int io_sim_socket_take_port(struct io_socket *s)
{
    if (s->local.port == 0) {
        s->local.port =
            io_sim_socket_free_port(s->host, s->type, (enum addr_family)s->local.family);
    }
    if (s->local.port == 0 || port_taken(s->host, s->type, &s->local)) {
        return SPATE_EADDRINUSE;
    }
    struct io_sim_port key = port_key(s->host, s->type, &s->local, false);
    ASSERT(map_put(&s->host->sim->ports, &key, s) == 0);
    s->bound = true;
    return 0;
}

void io_sim_socket_give_port(struct io_socket *s)
{
    if (s->bound) {
        struct io_sim_port key = port_key(s->host, s->type, &s->local, false);
        map_remove(&s->host->sim->ports, &key);
        s->bound = false;
    }
}

bool io_sim_socket_leads(const struct io_socket *s, const struct io_sim_host *to)
{
    return s->host == to ? !s->interface_only : !s->loopback_only;
}

/* ---- waiting ---------------------------------------------------------------------------------- */

bool io_sim_socket_hold(struct io_socket *s, enum io_ready ready, struct io_op *op,
                        enum io_sim_op kind)
{
    struct io_op **slot = &s->waits[ready == IO_READABLE ? 0 : 1];
    ASSERT(!*slot);
    if (!io_sim_submit(s->host, op, kind)) {
        return false;
    }
    *slot = op;
    op->subject = slot;
    return true;
}

void io_sim_socket_finish(struct io_socket *s, enum io_ready ready, int status)
{
    struct io_op *op = s->waits[ready == IO_READABLE ? 0 : 1];
    if (op && op->kind != IO_SIM_OP_DONE) {
        io_sim_complete(s->host, op, status);
    }
}

void io_sim_socket_wait(struct io_socket *s, enum io_ready ready, struct io_op *op)
{
    bool is_ready = false;
    if (!io_sim_socket_hold(s, ready, op, IO_SIM_OP_WAIT)) {
        return;
    }
    switch (s->type) {
    case IO_SIM_LISTENER:
        is_ready = ready == IO_READABLE && !list_empty(&s->ready);
        break;
    case IO_SIM_DATAGRAM:
        is_ready = ready == IO_WRITABLE || !list_empty(&s->packets);
        break;
    case IO_SIM_STREAM:
        is_ready = io_sim_tcp_await(s, ready);
        break;
    }
    if (is_ready) {
        io_sim_complete(s->host, op, 0);
    }
}

void io_sim_socket_cancel(struct io_sim_host *host, struct io_op *op)
{
    *(struct io_op **)op->subject = NULL;
    op->subject = NULL;
    io_sim_complete(host, op, SPATE_ECANCELED);
}

void io_sim_socket_close(struct io_socket *s)
{
    for (int i = 0; i < 2; i++) {
        struct io_op *op = s->waits[i];
        if (!op) {
            continue;
        }
        op->subject = NULL;
        if (op->kind == IO_SIM_OP_DONE) {
            op->status = SPATE_ECANCELED; /* its owner must not touch the socket any more */
        } else {
            io_sim_complete(s->host, op, SPATE_ECANCELED);
        }
    }
    switch (s->type) {
    case IO_SIM_LISTENER:
        io_sim_tcp_close_listener(s);
        break;
    case IO_SIM_DATAGRAM:
        io_sim_udp_close(s);
        break;
    case IO_SIM_STREAM:
        io_sim_tcp_close(s);
        break;
    }
    io_sim_socket_give_port(s);
    list_remove(&s->link);
    s->host->socket_count--;
    free(s);
}

void io_sim_socket_close_all(struct io_sim_host *host)
{
    struct list *link;
    while ((link = list_first(&host->sockets))) {
        io_sim_socket_close(list_entry(link, struct io_socket, link));
    }
}
