/* Address translation after RFC 4787 and RFC 5382: an inside address and port is given an outside port (the
 * same number when that is free), for every destination or, symmetric, for each its own; who may use it to
 * come in is a matter of the kind. What leaves keeps a mapping alive, what enters does not. A box is no hop:
 * it has neither delay nor queue, and does not turn packets round (no hairpinning). */
#include "io/sim/io_sim_nat.h"

#include <stdlib.h>

static const int64_t udp_idle_ns = INT64_C(120000000000);  /* RFC 4787 REQ-5 */
static const int64_t tcp_idle_ns = INT64_C(7440000000000); /* RFC 5382 REQ-5 */
enum { PORT_FIRST = 1024, PORT_LAST = 65535 };

/* Keys of the maps; no padding. */
struct nat_inside {
    uint8_t ip[4], to_ip[4]; /* to_ip and to_port: of a symmetric mapping */
    uint16_t port, to_port;
    uint32_t type;
};
struct nat_port {
    uint16_t port, type;
};
struct nat_permit_key {
    struct nat_port at;
    uint8_t ip[4];
    uint32_t port; /* 0: any */
};

struct nat_mapping {
    struct list link;
    struct nat_inside key;
    struct addr inside;
    struct nat_port at;
    int64_t used_ns;
    bool forwarded; /* by hand: for everybody, for good */
};
struct nat_permit {
    struct list link;
    int64_t used_ns;
};

/* ---- boxes ------------------------------------------------------------------------------------ */

static void forget(struct io_sim_nat *nat, bool forwarded_too)
{
    struct list *link;
    list_for_each_safe (node, &nat->mappings) {
        struct nat_mapping *m = list_entry(node, struct nat_mapping, link);
        if (!m->forwarded || forwarded_too) {
            map_remove(&nat->inside, &m->key);
            map_remove(&nat->ports, &m->at);
            list_remove(&m->link);
            free(m);
        }
    }
    while ((link = list_pop_front(&nat->granted))) {
        free(list_entry(link, struct nat_permit, link));
    }
    map_deinit(&nat->permits);
    map_init(&nat->permits, sizeof(struct nat_permit_key), nat->ports.seed);
}

static int enter_address(struct io_sim_nat *nat, const struct addr *outside)
{
    struct addr key = *outside;
    struct io_sim *sim = nat->sim;
    key.port = 0;
    ASSERT(key.family == ADDR_V4);
    if (map_get(&sim->addresses, &key) || map_get(&sim->outsides, &key)) {
        return SPATE_EADDRINUSE;
    }
    if (nat->outside.family != ADDR_NONE) {
        map_remove(&sim->outsides, &nat->outside);
    }
    nat->outside = key;
    ASSERT(map_put(&sim->outsides, &key, nat) == 0);
    return 0;
}

int io_sim_nat_create(struct io_sim *sim, enum io_sim_nat_kind kind, struct addr outside,
                      struct io_sim_nat **out)
{
    const uint64_t keys[2] = {sim->seed, 0x6e6174};
    struct io_sim_nat *nat = io_sim_take(sizeof *nat);
    *out = NULL;
    nat->sim = sim;
    nat->kind = kind;
    nat->idle_ns = udp_idle_ns;
    nat->next_port = PORT_FIRST;
    int rc = enter_address(nat, &outside);
    if (rc < 0) {
        free(nat);
        return rc;
    }
    map_init(&nat->inside, sizeof(struct nat_inside), keys);
    map_init(&nat->ports, sizeof(struct nat_port), keys);
    map_init(&nat->permits, sizeof(struct nat_permit_key), keys);
    list_init(&nat->mappings);
    list_init(&nat->granted);
    list_push_back(&sim->nats, &nat->link);
    *out = nat;
    return 0;
}

void io_sim_set_nat(struct io *io, struct io_sim_nat *nat)
{
    io_sim_host_of(io)->nat = nat;
}

void io_sim_nat_set_idle(struct io_sim_nat *nat, int64_t idle_ns)
{
    nat->idle_ns = idle_ns;
}

int io_sim_nat_rebind(struct io_sim_nat *nat, const struct addr *outside)
{
    int rc = outside ? enter_address(nat, outside) : 0;
    if (rc == 0) {
        forget(nat, false);
        nat->epoch++;
    }
    return rc;
}

void io_sim_nat_drop_all(struct io_sim *sim)
{
    struct list *link;
    while ((link = list_pop_front(&sim->nats))) {
        struct io_sim_nat *nat = list_entry(link, struct io_sim_nat, link);
        forget(nat, true);
        map_deinit(&nat->inside);
        map_deinit(&nat->ports);
        map_deinit(&nat->permits);
        free(nat);
    }
}

/* ---- mappings --------------------------------------------------------------------------------- */

static bool is_stale(const struct io_sim_nat *nat, uint32_t type, int64_t used_ns)
{
    int64_t idle_ns =
        type == IO_SIM_STREAM && nat->idle_ns < tcp_idle_ns ? tcp_idle_ns : nat->idle_ns;
    return nat->sim->now_ns - used_ns > idle_ns;
}

/* Listeners and those that connect share their numbers. */
static uint16_t type_of(enum io_sim_socket_type type)
{
    return type == IO_SIM_DATAGRAM ? IO_SIM_DATAGRAM : IO_SIM_STREAM;
}

/* Makes a stale mapping's port free. False: the port is taken. */
static bool port_is_free(struct io_sim_nat *nat, struct nat_port at)
{
    struct nat_mapping *m = map_get(&nat->ports, &at);
    if (!m) {
        return true;
    }
    if (m->forwarded || !is_stale(nat, at.type, m->used_ns)) {
        return false;
    }
    map_remove(&nat->inside, &m->key);
    map_remove(&nat->ports, &at);
    list_remove(&m->link);
    free(m);
    return true;
}

static bool choose_port(struct io_sim_nat *nat, struct nat_port *at, bool keep)
{
    if (keep && port_is_free(nat, *at)) {
        return true;
    }
    for (int i = 0; i <= PORT_LAST - PORT_FIRST; i++) {
        at->port = nat->next_port;
        nat->next_port = at->port == PORT_LAST ? PORT_FIRST : (uint16_t)(at->port + 1);
        if (port_is_free(nat, *at)) {
            return true;
        }
    }
    return false;
}

static struct nat_inside inside_key(const struct addr *source, uint16_t type, const struct addr *to)
{
    struct nat_inside key = {.port = source->port, .type = type};
    memcpy(key.ip, source->ip, sizeof key.ip);
    if (to) {
        memcpy(key.to_ip, to->ip, sizeof key.to_ip);
        key.to_port = to->port;
    }
    return key;
}

static struct nat_mapping *mapping_add(struct io_sim_nat *nat, const struct nat_inside *key,
                                       const struct addr *inside, struct nat_port at)
{
    struct nat_mapping *m = io_sim_take(sizeof *m);
    *m =
        (struct nat_mapping){.key = *key, .inside = *inside, .at = at, .used_ns = nat->sim->now_ns};
    list_init(&m->link);
    list_push_back(&nat->mappings, &m->link);
    ASSERT(map_put(&nat->inside, key, m) == 0 && map_put(&nat->ports, &at, m) == 0);
    return m;
}

/* The mapping for what leaves; NULL: no port is left. */
static struct nat_mapping *mapping_take(struct io_sim_nat *nat, uint16_t type,
                                        const struct addr *source, const struct addr *to)
{
    bool symmetric = nat->kind == IO_SIM_NAT_SYMMETRIC;
    struct nat_inside key = inside_key(source, type, NULL);
    struct nat_mapping *m = map_get(&nat->inside, &key);
    struct nat_port at = {.port = source->port, .type = type};
    if (symmetric && !m) {
        key = inside_key(source, type, to);
        m = map_get(&nat->inside, &key);
    }
    if (m && !m->forwarded && is_stale(nat, type, m->used_ns)) {
        at = m->at;
        ASSERT(port_is_free(nat, at));
        at.port = source->port;
        m = NULL;
    }
    if (!m) {
        if (!choose_port(nat, &at, !symmetric)) {
            return NULL;
        }
        m = mapping_add(nat, &key, source, at);
    }
    m->used_ns = nat->sim->now_ns;
    return m;
}

static struct nat_permit_key permit_key(const struct io_sim_nat *nat, struct nat_port at,
                                        const struct addr *who)
{
    struct nat_permit_key key = {.at = at};
    memcpy(key.ip, who->ip, sizeof key.ip);
    key.port = nat->kind == IO_SIM_NAT_RESTRICTED ? 0 : who->port;
    return key;
}

static void grant(struct io_sim_nat *nat, struct nat_port at, const struct addr *to)
{
    struct nat_permit_key key = permit_key(nat, at, to);
    struct nat_permit *permit = map_get(&nat->permits, &key);
    if (!permit) {
        permit = io_sim_take(sizeof *permit);
        list_push_back(&nat->granted, &permit->link);
        ASSERT(map_put(&nat->permits, &key, permit) == 0);
    }
    permit->used_ns = nat->sim->now_ns;
}

static bool lets_in(struct io_sim_nat *nat, const struct nat_mapping *m, const struct addr *source)
{
    if (m->forwarded) {
        return true;
    }
    if (is_stale(nat, m->at.type, m->used_ns)) {
        return false;
    }
    struct nat_permit_key key = permit_key(nat, m->at, source);
    const struct nat_permit *permit = map_get(&nat->permits, &key);
    return nat->kind == IO_SIM_NAT_OPEN || (permit && !is_stale(nat, m->at.type, permit->used_ns));
}

int io_sim_nat_forward(struct io_sim_nat *nat, uint16_t outside_port, struct io *io, uint16_t port)
{
    static const uint16_t types[] = {IO_SIM_STREAM, IO_SIM_DATAGRAM};
    struct addr inside = io_sim_host_of(io)->v4;
    inside.port = port;
    for (int i = 0; i < 2; i++) {
        struct nat_port at = {.port = outside_port, .type = types[i]};
        struct nat_inside key = inside_key(&inside, types[i], NULL);
        if (map_get(&nat->inside, &key) || !port_is_free(nat, at)) {
            return SPATE_EADDRINUSE;
        }
    }
    for (int i = 0; i < 2; i++) {
        struct nat_port at = {.port = outside_port, .type = types[i]};
        struct nat_inside key = inside_key(&inside, types[i], NULL);
        mapping_add(nat, &key, &inside, at)->forwarded = true;
    }
    return 0;
}

/* ---- packets ---------------------------------------------------------------------------------- */

bool io_sim_nat_leave(struct io_sim_host *from, enum io_sim_socket_type type, const struct addr *to,
                      struct addr *source)
{
    struct io_sim_nat *nat = from->nat;
    if (!nat || to->family != ADDR_V4 || io_sim_host_has(from, to)) {
        return true;
    }
    const struct io_sim_host *direct = io_sim_host_find(from, to);
    if (direct && direct->nat == nat) {
        return true;
    }
    struct nat_mapping *m = mapping_take(nat, type_of(type), source, to);
    if (m) {
        grant(nat, m->at, to);
        *source = nat->outside;
        source->port = m->at.port;
    }
    return m != NULL;
}

/* The mapping at an address of the outside, and its box. */
static struct nat_mapping *mapping_at(struct io_sim_host *from, enum io_sim_socket_type type,
                                      const struct addr *destination, struct io_sim_nat **nat)
{
    struct addr key = *destination;
    key.port = 0;
    key.scope = 0;
    struct nat_port at = {.port = destination->port, .type = type_of(type)};
    *nat = map_get(&from->sim->outsides, &key);
    return *nat && *nat != from->nat ? map_get(&(*nat)->ports, &at) : NULL;
}

static struct io_sim_host *host_behind(const struct io_sim_nat *nat, const struct nat_mapping *m)
{
    struct addr key = m->inside;
    key.port = 0;
    struct io_sim_host *host = map_get(&nat->sim->addresses, &key);
    return host && host->nat == nat ? host : NULL;
}

struct io_sim_host *io_sim_nat_towards(struct io_sim_host *from, enum io_sim_socket_type type,
                                       const struct addr *destination)
{
    struct io_sim_nat *nat;
    struct io_sim_host *host = io_sim_host_find(from, destination);
    const struct nat_mapping *m = host ? NULL : mapping_at(from, type, destination, &nat);
    return m ? host_behind(nat, m) : host;
}

struct io_sim_host *io_sim_nat_enter(struct io_sim_host *from, enum io_sim_socket_type type,
                                     const struct addr *source, struct addr *destination)
{
    struct io_sim_nat *nat;
    struct io_sim_host *host = io_sim_host_find(from, destination);
    const struct nat_mapping *m = host ? NULL : mapping_at(from, type, destination, &nat);
    if (m) {
        host = lets_in(nat, m, source) ? host_behind(nat, m) : NULL;
        *destination = host ? m->inside : *destination;
    }
    return host;
}
