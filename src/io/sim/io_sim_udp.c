/* Datagrams. Each is one piece of memory from sending to receiving; a run leaves as single datagrams.
 * Nobody is told of one that is lost: not by the queue of the sender's line, which drops at its end. */
#include "io/sim/io_sim_udp.h"

#include "io/sim/io_sim_link.h"
#include "io/sim/io_sim_nat.h"

#include <stdlib.h>

enum {
    SIZE_MAX_BYTES = 65507,        /* as IPv4 */
    RECEIVE_BUFFER_BYTES = 212992, /* as Linux, */
    PACKET_COST_BYTES = 256,       /* where each counts for more than its payload */
    HEADER_V4_BYTES = 28,          /* IP and UDP */
    HEADER_V6_BYTES = 48,
};
static const int64_t reorder_ns = 1000000;

static uint32_t header_bytes(const struct addr *a)
{
    return a->family == ADDR_V6 ? HEADER_V6_BYTES : HEADER_V4_BYTES;
}

static void packet_destroy(struct io_sim *sim, struct io_sim_packet *p)
{
    io_sim_event_disarm(sim, &p->event);
    list_remove(&p->link);
    list_remove(&p->all);
    free(p);
}

/* ---- arriving --------------------------------------------------------------------------------- */

static void deliver(struct io_sim_packet *p)
{
    struct io_sim *sim = p->from->sim;
    struct io_socket *s = io_sim_socket_find(p->to, IO_SIM_DATAGRAM, &p->destination);
    if (!s || !io_sim_socket_leads(s, p->from) ||
        s->queued_bytes + p->size + PACKET_COST_BYTES > RECEIVE_BUFFER_BYTES) {
        packet_destroy(sim, p);
        return;
    }
    p->received_ns = sim->now_ns;
    p->to->traffic.received_bytes += p->size;
    list_remove(&p->all);
    list_push_back(&s->packets, &p->link);
    s->queued_bytes += p->size + PACKET_COST_BYTES;
    io_sim_socket_finish(s, IO_READABLE, 0);
}

static void packet_fire(struct io_sim_event *event)
{
    struct io_sim_packet *p = list_entry(event, struct io_sim_packet, event);
    struct io_sim *sim = p->from->sim;
    bool too_long =
        p->dont_fragment && p->size + header_bytes(&p->source) > p->to->settings.mtu_bytes;
    if (!p->landing && p->from != p->to) {
        bool lost =
            too_long || !io_sim_link_reaches(p->from, p->to) ||
            io_sim_nat_enter(p->from, IO_SIM_DATAGRAM, &p->source, &p->destination) != p->to;
        int64_t land_ns = lost ? -1 : io_sim_link_land_ns(p->to, p->size);
        if (land_ns < 0) {
            p->from->traffic.lost_packets++;
            packet_destroy(sim, p);
            return;
        }
        if (land_ns > sim->now_ns) {
            p->landing = true;
            io_sim_event_arm(sim, event, land_ns);
            return;
        }
    }
    deliver(p);
}

/* ---- sending ---------------------------------------------------------------------------------- */

static struct io_sim_packet *packet_copy(const struct io_sim_packet *p)
{
    struct io_sim_packet *copy = malloc(sizeof *copy + p->size);
    ASSERT(copy);
    memcpy(copy, p, sizeof *copy + p->size);
    copy->event.place = 0;
    list_init(&copy->link);
    list_init(&copy->all);
    list_push_back(&p->from->sim->packets, &copy->all);
    return copy;
}

static void fly(struct io_sim_packet *p, int64_t leave_ns)
{
    struct io_sim_host *from = p->from;
    int64_t delay_ns = io_sim_link_delay_ns(from, p->to) + io_sim_link_jitter_ns(from, p->to);
    if (from != p->to && from->settings.reorder_ppm > 0 &&
        dice_below(&from->chance, 1000000) < from->settings.reorder_ppm) {
        delay_ns += delay_ns / 2 + reorder_ns;
    }
    io_sim_event_arm(from->sim, &p->event, leave_ns + delay_ns);
}

void io_sim_udp_transmit(struct io_sim_packet *p)
{
    struct io_sim_host *from = p->from;
    uint32_t room = from->settings.mtu_bytes - header_bytes(&p->source);
    uint32_t fragments = p->size > room ? (p->size + room - 1) / room : 1;
    if (list_linked(&p->link)) {
        list_remove(&p->link);
        from->up.datagram_bytes -= p->size;
    }
    from->traffic.sent_bytes += p->size;
    bool left = io_sim_nat_leave(from, IO_SIM_DATAGRAM, &p->destination, &p->source);
    p->to = left ? io_sim_nat_towards(from, IO_SIM_DATAGRAM, &p->destination) : NULL;
    int64_t leave_ns = from == p->to ? from->sim->now_ns : io_sim_link_leave_ns(from, p->size);
    if (!p->to || !io_sim_link_reaches(from, p->to) || io_sim_link_loses(from, p->to, fragments)) {
        from->traffic.lost_packets++;
        packet_destroy(from->sim, p);
        return;
    }
    if (from != p->to && from->settings.duplicate_ppm > 0 &&
        dice_below(&from->chance, 1000000) < from->settings.duplicate_ppm) {
        fly(packet_copy(p), leave_ns);
    }
    fly(p, leave_ns);
}

static void send_one(struct io_sim_host *from, const struct io_datagram *d,
                     const struct addr *source, const uint8_t *bytes, uint32_t size)
{
    struct io_sim_packet *p = io_sim_take(sizeof *p + size);
    p->from = from;
    p->source = *source;
    p->destination = d->peer;
    p->destination.scope = 0;
    p->tos = d->tos;
    p->dont_fragment = d->dont_fragment;
    p->size = size;
    p->event.fire = packet_fire;
    if (size > 0) {
        memcpy(p->bytes, bytes, size);
    }
    list_init(&p->link);
    list_push_back(&from->sim->packets, &p->all);
    if (addr_is_loopback(&p->destination) || io_sim_host_has(from, &p->destination)) {
        io_sim_udp_transmit(p);
    } else if (from->up.datagram_bytes + size > from->settings.queue_bytes) {
        from->traffic.lost_packets++;
        packet_destroy(from->sim, p);
    } else {
        list_push_back(&from->up.datagrams, &p->link);
        from->up.datagram_bytes += size;
        io_sim_link_run(from);
    }
}

/* Where a datagram leaves from; SPATE_E... when it cannot. */
static int choose_source(const struct io_socket *s, const struct io_datagram *d,
                         struct addr *source)
{
    *source = s->local;
    if (d->local.family != ADDR_NONE && !addr_is_any(&d->local)) {
        if (!io_sim_host_has(s->host, &d->local)) {
            return SPATE_EADDRNOTAVAIL;
        }
        *source = d->local;
    } else if (addr_is_any(&s->local)) {
        *source = io_sim_host_source(s->host, &d->peer);
    }
    source->port = s->local.port;
    bool to_self = addr_is_loopback(&d->peer) || io_sim_host_has(s->host, &d->peer);
    bool leads = to_self ? !s->interface_only : !s->loopback_only;
    return source->family == ADDR_NONE || !leads ? SPATE_EUNREACHABLE : 0;
}

static int send_run(struct io_socket *s, const struct io_datagram *d)
{
    struct addr source;
    uint32_t step = d->segment_bytes > 0 && d->segment_bytes < d->size ? d->segment_bytes : d->size;
    if (d->peer.family != s->local.family || d->peer.port == 0 ||
        (d->local.family != ADDR_NONE && d->local.family != s->local.family)) {
        return SPATE_EINVAL;
    }
    if (d->size > SIZE_MAX_BYTES ||
        (d->dont_fragment && step + header_bytes(&s->local) > s->host->settings.mtu_bytes)) {
        return SPATE_EMSGSIZE;
    }
    int rc = choose_source(s, d, &source);
    if (rc < 0) {
        return rc;
    }
    uint32_t offset = 0;
    do {
        uint32_t rest = d->size - offset;
        uint32_t size = rest < step ? rest : step;
        send_one(s->host, d, &source, d->bytes + offset, size);
        offset += step;
    } while (offset < d->size);
    return 0;
}

int io_sim_udp_send(struct io_socket *s, const struct io_datagram *d, int count)
{
    for (int i = 0; i < count; i++) {
        int rc = send_run(s, &d[i]);
        if (rc < 0) {
            return i > 0 ? i : rc;
        }
    }
    return count;
}

/* ---- sockets ---------------------------------------------------------------------------------- */

int io_sim_udp_open(struct io_sim_host *host, const struct io_bind *bind, struct io_socket **out)
{
    enum addr_family family = bind && bind->address.family == ADDR_V6 ? ADDR_V6 : ADDR_V4;
    int rc = io_sim_socket_create(host, IO_SIM_DATAGRAM, out);
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

int io_sim_udp_receive(struct io_socket *s, struct io_datagram *d, int max)
{
    struct list *link;
    int count = 0;
    if (max <= 0) {
        return SPATE_EINVAL;
    }
    while (count < max && (link = list_first(&s->packets))) {
        struct io_sim_packet *p = list_entry(link, struct io_sim_packet, link);
        s->queued_bytes -= p->size + PACKET_COST_BYTES;
        if (p->size <= d[count].size) {
            struct io_datagram *out = &d[count++];
            *out = (struct io_datagram){.peer = p->source,
                                        .local = p->destination,
                                        .interface = p->from == p->to ? 1 : 2,
                                        .size = p->size,
                                        .bytes = out->bytes,
                                        .tos = p->tos,
                                        .received_ns = p->received_ns};
            out->local.port = 0;
            if (p->size > 0) {
                memcpy(out->bytes, p->bytes, p->size);
            }
        }
        packet_destroy(s->host->sim, p);
    }
    return count > 0 ? count : SPATE_EAGAIN;
}

void io_sim_udp_close(struct io_socket *s)
{
    struct list *link;
    while ((link = list_first(&s->packets))) {
        packet_destroy(s->host->sim, list_entry(link, struct io_sim_packet, link));
    }
}

void io_sim_udp_drop_all(struct io_sim *sim)
{
    struct list *link;
    while ((link = list_first(&sim->packets))) {
        packet_destroy(sim, list_entry(link, struct io_sim_packet, all));
    }
}
