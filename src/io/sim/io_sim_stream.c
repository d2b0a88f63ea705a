/* A stream's segments and its congestion control, after RFC 5681 where that is cheap: slow start, a
 * window that grows by a segment a round trip, and shrinks to 7/10 (as CUBIC's) at a loss. A loss is
 * decided when the segment is sent: instead of vanishing, it arrives later by what its retransmission
 * would have taken. The window's other bound is the receiver's buffer.
 *
 * Acknowledgements are not events unless somebody waits for one: each segment says when its own comes
 * back, and whoever asks first takes note of all that have. */
#include "io/sim/io_sim_stream.h"

#include "io/sim/io_sim_link.h"
#include "io/sim/io_sim_tcp.h"

#include <stdlib.h>

enum {
    BUFFER_BYTES = 1 << 20,      /* of the sender and of the receiver, at most */
    BUFFER_MIN_BYTES = 64 << 10, /* of the sender */
    WINDOW_SEGMENTS = 10,        /* RFC 6928 */
    CHUNK_SMALL_BYTES = 512 - sizeof(struct io_sim_chunk),
    CHUNK_BIG_BYTES = 17408 - sizeof(struct io_sim_chunk), /* a block and what goes with it */
    HEADER_BYTES = 40,                                     /* IP and TCP, of what the MTU allows */
};
static const int64_t rto_min_ns = 200000000, rto_max_ns = INT64_C(60000000000);
static const int64_t give_up_ns = INT64_C(900000000000); /* about tcp_retries2 of Linux */

static struct io_sim_host *sender_of(const struct io_sim_stream *s)
{
    return s->conn->hosts[s->side];
}

static struct io_sim_host *receiver_of(const struct io_sim_stream *s)
{
    return s->conn->hosts[1 - s->side];
}

static uint32_t segment_bytes(const struct io_sim_stream *s)
{
    uint32_t a = sender_of(s)->settings.mtu_bytes, b = receiver_of(s)->settings.mtu_bytes;
    return (a < b ? a : b) - HEADER_BYTES;
}

static int64_t rto_ns(const struct io_sim_stream *s)
{
    return 2 * s->round_trip_ns > rto_min_ns ? 2 * s->round_trip_ns : rto_min_ns;
}

/* ---- segments ---------------------------------------------------------------------------------- */

static struct io_sim_segment *segment_take(struct io_sim *sim)
{
    struct list *link = list_pop_front(&sim->spare_segments);
    struct io_sim_segment *segment =
        link ? list_entry(link, struct io_sim_segment, link) : io_sim_take(sizeof *segment);
    *segment = (struct io_sim_segment){.sent_ns = sim->now_ns};
    list_init(&segment->link);
    return segment;
}

static void segment_give(struct io_sim *sim, struct io_sim_segment *segment)
{
    list_push_front(&sim->spare_segments, &segment->link);
}

static void segments_give_all(struct io_sim *sim, struct list *from)
{
    struct list *link;
    while ((link = list_pop_front(from))) {
        segment_give(sim, list_entry(link, struct io_sim_segment, link));
    }
}

/* The first segment of a queue when its time has come, else NULL. */
static struct io_sim_segment *segment_due(struct list *queue, int64_t now_ns)
{
    struct list *link = list_first(queue);
    struct io_sim_segment *segment = link ? list_entry(link, struct io_sim_segment, link) : NULL;
    return segment && segment->at_ns <= now_ns ? segment : NULL;
}

/* Arms a queue's event for its first segment. */
static void arm_first(struct io_sim *sim, struct list *queue, struct io_sim_event *event)
{
    struct list *link = list_first(queue);
    if (link && !io_sim_event_armed(event)) {
        io_sim_event_arm(sim, event, list_entry(link, struct io_sim_segment, link)->at_ns);
    }
}

/* Puts a segment at the end of a queue, not before what is there. */
static void enqueue(struct list *queue, struct io_sim_segment *segment, int64_t at_ns)
{
    if (!list_empty(queue)) {
        int64_t last_ns = list_entry(queue->prev, struct io_sim_segment, link)->at_ns;
        at_ns = at_ns > last_ns ? at_ns : last_ns;
    }
    segment->at_ns = at_ns;
    list_push_back(queue, &segment->link);
}

/* ---- the window ------------------------------------------------------------------------------- */

static void window_cut(struct io_sim_stream *s)
{
    int64_t now_ns = s->conn->sim->now_ns;
    uint64_t least = 2 * (uint64_t)segment_bytes(s);
    if (now_ns < s->cut_until_ns) {
        return;
    }
    s->window_bytes = s->window_bytes * 7 / 10;
    s->window_bytes = s->window_bytes > least ? s->window_bytes : least;
    s->threshold_bytes = s->window_bytes;
    s->cut_until_ns = now_ns + s->round_trip_ns;
}

static void window_grow(struct io_sim_stream *s, uint64_t bytes, uint64_t flight_bytes)
{
    if (flight_bytes * 2 < s->window_bytes) {
        return; /* the window is not what limits it */
    }
    if (s->window_bytes < s->threshold_bytes) {
        s->window_bytes += bytes;
    } else {
        s->window_bytes += segment_bytes(s) * bytes / s->window_bytes;
    }
    if (s->window_bytes > BUFFER_BYTES) {
        s->window_bytes = BUFFER_BYTES;
    }
}

/* Takes note of the acknowledgements that have come. */
static void take_acks(struct io_sim_stream *s)
{
    struct io_sim_segment *segment;
    while ((segment = segment_due(&s->acking, s->conn->sim->now_ns))) {
        int64_t sample_ns = segment->at_ns - segment->sent_ns;
        s->round_trip_ns += (sample_ns - s->round_trip_ns) / 8;
        window_grow(s, segment->size, s->sent - s->acked);
        s->acked += segment->size;
        list_remove(&segment->link);
        segment_give(s->conn->sim, segment);
    }
}

/* How many bytes may leave as things stand. */
static uint64_t sendable_bytes(const struct io_sim_stream *s)
{
    uint64_t unsent = s->written - s->sent, flight = s->sent - s->acked;
    uint64_t unread = s->sent - s->read;
    uint64_t size = s->window_bytes > flight ? s->window_bytes - flight : 0;
    if (s->dead) {
        return 0;
    }
    size = size < BUFFER_BYTES - unread ? size : BUFFER_BYTES - unread;
    size = size < unsent ? size : unsent;
    /* No silly little segments while something is under way anyway. */
    return size < unsent && size < segment_bytes(s) && flight > 0 ? 0 : size;
}

/* ---- sending ---------------------------------------------------------------------------------- */

/* How much later a segment arrives because it, or what repeats it, is lost. */
static int64_t loss_delay_ns(struct io_sim_stream *s, uint32_t size)
{
    struct io_sim_host *from = sender_of(s), *to = receiver_of(s);
    uint32_t packets = (size + segment_bytes(s) - 1) / segment_bytes(s);
    int64_t rto = rto_ns(s), delay_ns = 0;
    if (!io_sim_link_loses(from, to, packets > 0 ? packets : 1)) {
        return 0;
    }
    from->traffic.lost_packets++;
    /* With three more under way the receiver's duplicates tell at once. */
    delay_ns = s->sent - s->acked >= 4 * segment_bytes(s) ? s->round_trip_ns : rto;
    while (delay_ns < give_up_ns && io_sim_link_loses(from, to, 1)) {
        from->traffic.lost_packets++;
        delay_ns += rto;
        rto = rto * 2 < rto_max_ns ? rto * 2 : rto_max_ns;
    }
    window_cut(s);
    return delay_ns;
}

static void launch(struct io_sim_stream *s, uint32_t size, bool is_end)
{
    struct io_sim *sim = s->conn->sim;
    struct io_sim_host *from = sender_of(s), *to = receiver_of(s);
    struct io_sim_segment *segment = segment_take(sim);
    segment->size = size;
    segment->is_end = is_end;
    s->sent += size;
    from->traffic.sent_bytes += size;
    int64_t leave_ns = from == to ? sim->now_ns : io_sim_link_leave_ns(from, size);
    int64_t at_ns = leave_ns + io_sim_link_delay_ns(from, to) + io_sim_link_jitter_ns(from, to) +
                    loss_delay_ns(s, size);
    enqueue(&s->flying, segment, at_ns);
    arm_first(sim, &s->flying, &s->reach);
}

static void launch_end(struct io_sim_stream *s)
{
    if (s->end_wanted && !s->end_sent && !s->dead && s->sent == s->written) {
        s->end_sent = true;
        launch(s, 0, true);
    }
}

/* The sender has to learn of the next acknowledgement when it comes. */
static void watch_acks(struct io_sim_stream *s)
{
    arm_first(s->conn->sim, &s->acking, &s->ack);
}

/* Lets what may leave stand in line for it. */
static void push(struct io_sim_stream *s)
{
    struct io_sim_host *from = sender_of(s);
    take_acks(s);
    uint64_t size = sendable_bytes(s);
    if (from == receiver_of(s)) {
        for (; size > 0; size = sendable_bytes(s)) {
            launch(s, (uint32_t)(size < 65536 ? size : 65536), false);
        }
    } else if (size > 0 && !list_linked(&s->link)) {
        /* A short message goes before those who have much to say. */
        if (s->written - s->sent <= segment_bytes(s)) {
            list_push_front(&from->up.streams, &s->link);
        } else {
            list_push_back(&from->up.streams, &s->link);
        }
        io_sim_link_run(from);
    }
    launch_end(s);
    if (s->written > s->sent) {
        watch_acks(s);
    }
}

void io_sim_stream_transmit(struct io_sim_stream *s, uint32_t max_bytes)
{
    list_remove(&s->link);
    take_acks(s);
    uint64_t size = sendable_bytes(s);
    size = size < max_bytes ? size : max_bytes;
    if (size > 0) {
        launch(s, (uint32_t)size, false);
    }
    if (sendable_bytes(s) > 0) {
        list_push_back(&sender_of(s)->up.streams, &s->link);
    }
    launch_end(s);
    if (s->written > s->sent) {
        watch_acks(s);
    }
}

static void ack_fire(struct io_sim_event *event)
{
    struct io_sim_stream *s = list_entry(event, struct io_sim_stream, ack);
    push(s);
    io_sim_conn_on_room(s->conn, s->side);
}

/* ---- arriving --------------------------------------------------------------------------------- */

static void arrive(struct io_sim_stream *s, struct io_sim_segment *segment)
{
    struct io_sim *sim = s->conn->sim;
    s->arrived += segment->size;
    s->end_arrived |= segment->is_end;
    receiver_of(s)->traffic.received_bytes += segment->size;
    list_remove(&segment->link);
    if (segment->size > 0) {
        enqueue(&s->acking, segment,
                sim->now_ns + io_sim_link_delay_ns(receiver_of(s), sender_of(s)));
        const struct io_socket *sender = s->conn->ends[s->side];
        if (s->written > s->sent || (sender && sender->waits[1])) {
            watch_acks(s);
        }
    } else {
        segment_give(sim, segment);
    }
    io_sim_conn_on_arrival(s->conn, 1 - s->side);
}

/* The way is down: the segment is sent again and again, ever more slowly. False: for too long. */
static bool retry(struct io_sim_stream *s, struct io_sim_segment *segment)
{
    int64_t wait_ns = segment->retry_ns > 0 ? 2 * segment->retry_ns : rto_ns(s);
    segment->retry_ns = wait_ns < rto_max_ns ? wait_ns : rto_max_ns;
    segment->at_ns = s->conn->sim->now_ns + segment->retry_ns;
    sender_of(s)->traffic.lost_packets++;
    window_cut(s);
    return segment->at_ns - segment->sent_ns < give_up_ns;
}

/* A segment has come to the receiver's line. False: it stays first in its queue. */
static bool reach(struct io_sim_stream *s, struct io_sim_segment *segment)
{
    struct io_sim *sim = s->conn->sim;
    struct io_sim_host *to = receiver_of(s);
    if (io_sim_conn_is_cut(s->conn, s->side)) {
        io_sim_conn_on_cut(s->conn, s->side);
        return false;
    }
    if (!io_sim_link_reaches(sender_of(s), to) || io_sim_conn_is_cut(s->conn, 1 - s->side)) {
        if (!retry(s, segment)) {
            io_sim_conn_on_timeout(s->conn, s->side);
        }
        return false;
    }
    if ((to->settings.down_bytes_per_s == 0 || sender_of(s) == to) && list_empty(&s->landing)) {
        arrive(s, segment);
        return true;
    }
    int64_t land_ns = io_sim_link_land_ns(to, segment->size);
    if (land_ns < 0) {
        sender_of(s)->traffic.lost_packets++;
        window_cut(s);
        segment->at_ns = sim->now_ns + s->round_trip_ns;
        return false;
    }
    if (land_ns == sim->now_ns && list_empty(&s->landing)) {
        arrive(s, segment);
        return true;
    }
    list_remove(&segment->link);
    enqueue(&s->landing, segment, land_ns);
    arm_first(sim, &s->landing, &s->land);
    return true;
}

static void reach_fire(struct io_sim_event *event)
{
    struct io_sim_stream *s = list_entry(event, struct io_sim_stream, reach);
    struct io_sim *sim = s->conn->sim;
    struct io_sim_segment *segment;
    while ((segment = segment_due(&s->flying, sim->now_ns)) && reach(s, segment)) {
    }
    arm_first(sim, &s->flying, &s->reach);
}

static void land_fire(struct io_sim_event *event)
{
    struct io_sim_stream *s = list_entry(event, struct io_sim_stream, land);
    struct io_sim *sim = s->conn->sim;
    struct io_sim_segment *segment;
    while ((segment = segment_due(&s->landing, sim->now_ns))) {
        arrive(s, segment);
    }
    arm_first(sim, &s->landing, &s->land);
}

/* ---- both ends -------------------------------------------------------------------------------- */

static uint64_t buffer_bytes(const struct io_sim_stream *s)
{
    uint64_t size = 2 * s->window_bytes;
    size = size > BUFFER_MIN_BYTES ? size : BUFFER_MIN_BYTES;
    return size < BUFFER_BYTES ? size : BUFFER_BYTES;
}

uint64_t io_sim_stream_room(struct io_sim_stream *s)
{
    take_acks(s);
    uint64_t held = s->written - s->acked, size = buffer_bytes(s);
    return held < size ? size - held : 0;
}

bool io_sim_stream_is_writable(struct io_sim_stream *s)
{
    return io_sim_stream_room(s) * 3 >= buffer_bytes(s);
}

void io_sim_stream_await_room(struct io_sim_stream *s)
{
    watch_acks(s);
}

/* The one used last is the warmest. */
static struct io_sim_chunk *chunk_take(struct io_sim_stream *s, enum io_sim_chunk_kind kind)
{
    static const uint32_t capacities[] = {
        [IO_SIM_CHUNK_SMALL] = CHUNK_SMALL_BYTES,
        [IO_SIM_CHUNK_BIG] = CHUNK_BIG_BYTES,
    };
    struct list *link = list_pop_front(&s->conn->sim->spare_chunks[kind]);
    struct io_sim_chunk *chunk = link ? list_entry(link, struct io_sim_chunk, link)
                                      : malloc(sizeof *chunk + capacities[kind]);
    ASSERT(chunk);
    chunk->kind = kind;
    chunk->start = chunk->end = 0;
    chunk->capacity = capacities[kind];
    list_push_back(&s->chunks, &chunk->link);
    return chunk;
}

static void chunk_give(struct io_sim *sim, struct io_sim_chunk *chunk)
{
    list_push_front(&sim->spare_chunks[chunk->kind], &chunk->link);
}

static void copy_in(struct io_sim_stream *s, const uint8_t *from, size_t size, uint64_t left)
{
    while (size > 0) {
        struct io_sim_chunk *chunk =
            list_empty(&s->chunks) ? NULL : list_entry(s->chunks.prev, struct io_sim_chunk, link);
        if (!chunk || chunk->end >= chunk->capacity) {
            chunk = chunk_take(s, left > CHUNK_SMALL_BYTES ? IO_SIM_CHUNK_BIG : IO_SIM_CHUNK_SMALL);
        }
        size_t n = chunk->capacity - chunk->end;
        n = n < size ? n : size;
        memcpy(chunk->bytes + chunk->end, from, n);
        chunk->end += (uint32_t)n;
        from += n;
        size -= n;
        left -= n;
    }
}

void io_sim_stream_write(struct io_sim_stream *s, const struct iovec *v, int count, uint64_t size)
{
    s->written += size;
    for (int i = 0; i < count && size > 0; i++) {
        size_t n = v[i].iov_len < size ? v[i].iov_len : (size_t)size;
        copy_in(s, v[i].iov_base, n, size);
        size -= n;
    }
}

void io_sim_stream_write_payload(struct io_sim_stream *s, const struct io_sim_payload_place *place,
                                 uint32_t size)
{
    struct io_sim_chunk *chunk = chunk_take(s, IO_SIM_CHUNK_PAYLOAD);
    chunk->place = *place;
    chunk->end = size;
    s->written += size;
}

void io_sim_stream_push(struct io_sim_stream *s)
{
    push(s);
}

static void copy_from(const struct io_sim_stream *s, const struct io_sim_chunk *chunk, uint8_t *to,
                      size_t size, uint64_t *hash)
{
    if (chunk->kind == IO_SIM_CHUNK_PAYLOAD) {
        const struct io_sim_payloads *payloads = &s->conn->sim->disks.payloads;
        const struct io_sim_payload_place place = {.source = chunk->place.source,
                                                   .offset = chunk->place.offset + chunk->start};
        io_sim_payload(payloads->sources[place.source].id, place.offset, to, size);
        *hash = io_sim_log_payload(*hash, &place, size);
    } else {
        memcpy(to, chunk->bytes + chunk->start, size);
        *hash = io_sim_log_bytes(*hash, to, size);
    }
}

static size_t copy_out(struct io_sim_stream *s, uint8_t *to, size_t size, uint64_t *hash)
{
    size_t done = 0;
    while (done < size) {
        struct io_sim_chunk *chunk = list_entry(s->chunks.next, struct io_sim_chunk, link);
        size_t n = chunk->end - chunk->start;
        n = n < size - done ? n : size - done;
        copy_from(s, chunk, to + done, n, hash);
        chunk->start += (uint32_t)n;
        done += n;
        if (chunk->start == chunk->end) {
            list_remove(&chunk->link);
            chunk_give(s->conn->sim, chunk);
        }
    }
    return done;
}

uint64_t io_sim_stream_read(struct io_sim_stream *s, const struct iovec *v, int count,
                            uint64_t *hash)
{
    uint64_t there = s->arrived - s->read, done = 0;
    bool was_full = s->sent - s->read + segment_bytes(s) > BUFFER_BYTES;
    for (int i = 0; i < count && done < there; i++) {
        size_t n = v[i].iov_len < there - done ? v[i].iov_len : (size_t)(there - done);
        done += copy_out(s, v[i].iov_base, n, hash);
    }
    s->read += done;
    if (done > 0 && was_full && s->written > s->sent && !s->dead && !io_sim_event_armed(&s->ack)) {
        /* The sender learns that there is room again. */
        io_sim_event_arm(s->conn->sim, &s->ack,
                         s->conn->sim->now_ns + io_sim_link_delay_ns(receiver_of(s), sender_of(s)));
    }
    return done;
}

void io_sim_stream_end(struct io_sim_stream *s)
{
    s->end_wanted = true;
    push(s);
}

void io_sim_stream_kill(struct io_sim_stream *s)
{
    struct io_sim *sim = s->conn->sim;
    s->dead = true;
    io_sim_event_disarm(sim, &s->reach);
    io_sim_event_disarm(sim, &s->land);
    io_sim_event_disarm(sim, &s->ack);
    segments_give_all(sim, &s->flying);
    segments_give_all(sim, &s->landing);
    segments_give_all(sim, &s->acking);
    list_remove(&s->link);
}

void io_sim_stream_init(struct io_sim_stream *s, struct io_sim_conn *conn, int side)
{
    s->conn = conn;
    s->side = side;
    list_init(&s->link);
    list_init(&s->chunks);
    list_init(&s->flying);
    list_init(&s->landing);
    list_init(&s->acking);
    s->reach.fire = reach_fire;
    s->land.fire = land_fire;
    s->ack.fire = ack_fire;
    s->window_bytes = WINDOW_SEGMENTS * (uint64_t)segment_bytes(s);
    s->threshold_bytes = UINT64_MAX;
    s->round_trip_ns = io_sim_link_delay_ns(sender_of(s), receiver_of(s)) +
                       io_sim_link_delay_ns(receiver_of(s), sender_of(s));
}

void io_sim_stream_deinit(struct io_sim_stream *s)
{
    struct list *link;
    io_sim_stream_kill(s);
    while ((link = list_pop_front(&s->chunks))) {
        chunk_give(s->conn->sim, list_entry(link, struct io_sim_chunk, link));
    }
}
