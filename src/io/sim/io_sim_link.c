/* Links. A host's line sends one thing at a time: a datagram, or a quantum of one stream, and streams
 * take turns, so that a short message never waits for all that others have to say. What comes in
 * queues first come, first served, and is lost beyond the queue. */
#include "io/sim/io_sim_link.h"

#include "io/sim/io_sim_stream.h"
#include "io/sim/io_sim_udp.h"

static const int64_t ns_per_s = 1000000000;
static const int64_t loopback_ns = 20000;
static const int64_t quantum_ns = 20000000; /* how long one stream may take the line at once */
/* What takes a line for less than this is not worth an event of its own. */
static const int64_t instant_ns = 100000;
enum { QUANTUM_MIN_BYTES = 1448, QUANTUM_MAX_BYTES = 16384 + 1024 };

struct io_sim_link io_sim_link_default(void)
{
    return (struct io_sim_link){
        .delay_ns = 10000000,
        .queue_bytes = 256 << 10,
        .mtu_bytes = 1500,
    };
}

void io_sim_set_link(struct io *io, const struct io_sim_link *link)
{
    ASSERT(link->mtu_bytes >= 576);
    io_sim_host_of(io)->settings = *link;
}

void io_sim_set_up(struct io *io, bool up)
{
    io_sim_host_of(io)->is_up = up;
}

void io_sim_set_part(struct io *io, uint32_t part)
{
    io_sim_host_of(io)->part = part;
}

struct io_sim_traffic io_sim_traffic(const struct io *io)
{
    return ((const struct io_sim_host *)(const void *)io)->traffic;
}

int64_t io_sim_link_delay_ns(const struct io_sim_host *from, const struct io_sim_host *to)
{
    return from == to ? loopback_ns : from->settings.delay_ns + to->settings.delay_ns;
}

int64_t io_sim_link_jitter_ns(struct io_sim_host *from, const struct io_sim_host *to)
{
    int64_t most = from == to ? 0 : from->settings.jitter_ns + to->settings.jitter_ns;
    return most > 0 ? (int64_t)(dice_next(&from->chance) % (uint64_t)(most + 1)) : 0;
}

static bool survives(struct io_sim_host *from, const struct io_sim_host *to)
{
    return dice_below(&from->chance, 1000000) >= from->settings.loss_ppm &&
           dice_below(&from->chance, 1000000) >= to->settings.loss_ppm;
}

bool io_sim_link_loses(struct io_sim_host *from, const struct io_sim_host *to, uint32_t packets)
{
    bool lost = false;
    if (from == to || (from->settings.loss_ppm == 0 && to->settings.loss_ppm == 0)) {
        return false;
    }
    for (uint32_t i = 0; i < packets; i++) {
        lost |= !survives(from, to);
    }
    return lost;
}

bool io_sim_link_reaches(const struct io_sim_host *from, const struct io_sim_host *to)
{
    return from == to || (from->is_up && to->is_up && from->part == to->part);
}

int64_t io_sim_link_leave_ns(struct io_sim_host *from, uint64_t bytes)
{
    uint64_t rate = from->settings.up_bytes_per_s;
    int64_t now_ns = from->sim->now_ns;
    if (rate == 0) {
        return now_ns;
    }
    int64_t begin_ns = from->up.free_ns > now_ns ? from->up.free_ns : now_ns;
    from->up.free_ns = begin_ns + (int64_t)(bytes * (uint64_t)ns_per_s / rate);
    return from->up.free_ns;
}

int64_t io_sim_link_land_ns(struct io_sim_host *to, uint64_t bytes)
{
    uint64_t rate = to->settings.down_bytes_per_s;
    int64_t now_ns = to->sim->now_ns;
    if (rate == 0) {
        return now_ns;
    }
    int64_t begin_ns = to->down_free_ns > now_ns ? to->down_free_ns : now_ns;
    uint64_t queue_ns = (uint64_t)to->settings.queue_bytes * (uint64_t)ns_per_s / rate;
    if ((uint64_t)(begin_ns - now_ns) > queue_ns) {
        return -1;
    }
    to->down_free_ns = begin_ns + (int64_t)(bytes * (uint64_t)ns_per_s / rate);
    return to->down_free_ns - now_ns > instant_ns ? to->down_free_ns : now_ns;
}

/* How much of a stream leaves at once: little where the line is slow. */
static uint32_t quantum_bytes(const struct io_sim_host *host)
{
    uint64_t rate = host->settings.up_bytes_per_s;
    uint64_t fair = rate / (uint64_t)(ns_per_s / quantum_ns);
    if (rate == 0 || fair > QUANTUM_MAX_BYTES) {
        return QUANTUM_MAX_BYTES;
    }
    return fair < QUANTUM_MIN_BYTES ? QUANTUM_MIN_BYTES : (uint32_t)fair;
}

void io_sim_link_run(struct io_sim_host *host)
{
    struct io_sim_uplink *up = &host->up;
    while (!io_sim_event_armed(&up->free)) {
        struct list *datagram = list_first(&up->datagrams), *stream = list_first(&up->streams);
        if (!datagram && !stream) {
            return;
        }
        if (up->free_ns > host->sim->now_ns + instant_ns) {
            io_sim_event_arm(host->sim, &up->free, up->free_ns);
        } else if (datagram && (up->datagram_next || !stream)) {
            up->datagram_next = false;
            io_sim_udp_transmit(list_entry(datagram, struct io_sim_packet, link));
        } else {
            up->datagram_next = true;
            io_sim_stream_transmit(list_entry(stream, struct io_sim_stream, link),
                                   quantum_bytes(host));
        }
    }
}

static void uplink_fire(struct io_sim_event *event)
{
    io_sim_link_run(list_entry(event, struct io_sim_host, up.free));
}

void io_sim_link_init(struct io_sim_host *host)
{
    host->settings = io_sim_link_default();
    host->is_up = true;
    host->up.free.fire = uplink_fire;
    list_init(&host->up.datagrams);
    list_init(&host->up.streams);
}
