/* One direction of a simulated TCP connection: what is written, sent, lost, acknowledged and read. */
#ifndef IO_SIM_IO_SIM_STREAM_H
#define IO_SIM_IO_SIM_STREAM_H

#include "io/sim/io_sim_world.h"

struct io_sim_conn;

/* Bytes that were taken from the sender and not yet read by the receiver. What is known to be payload is kept as
 * where it is from, so that a swarm takes no memory for all that is under way in it. */
struct io_sim_chunk {
    struct list link;
    enum io_sim_chunk_kind kind;
    uint32_t start, end, capacity;     /* of bytes */
    struct io_sim_payload_place place; /* IO_SIM_CHUNK_PAYLOAD: of its first byte */
    uint8_t bytes[];                   /* the world keeps each size for the next */
};

/* Part of a stream on its way: first to the receiver's line, then through it, then its acknowledgement
 * back. One record goes through all three queues, each in order of time. */
struct io_sim_segment {
    struct list link;
    uint32_t size;
    bool is_end; /* nothing follows */
    int64_t sent_ns;
    int64_t at_ns;    /* when it leaves the queue it is in */
    int64_t retry_ns; /* waited before the last retransmission over a way that was down */
};

/* One direction. Positions count bytes from the beginning: read <= arrived <= sent <= written. */
struct io_sim_stream {
    struct io_sim_conn *conn;
    int side;           /* the sender's */
    struct list link;   /* of io_sim_uplink.streams */
    struct list chunks; /* read .. written */
    uint64_t written, sent, arrived, read;
    uint64_t acked;                         /* that the sender knows of */
    struct list flying, landing, acking;    /* of io_sim_segment.link */
    struct io_sim_event reach, land, ack;   /* of the first of each */
    uint64_t window_bytes, threshold_bytes; /* congestion window, and where it grows slowly */
    int64_t round_trip_ns;
    int64_t cut_until_ns; /* the window shrinks once a round trip */
    bool end_wanted, end_sent, end_arrived;
    bool dead; /* nothing more is sent */
};
void io_sim_stream_init(struct io_sim_stream *, struct io_sim_conn *, int side);
void io_sim_stream_deinit(struct io_sim_stream *);

/* How many bytes the sender may add; bytes are then taken with io_sim_stream_write(). */
uint64_t io_sim_stream_room(struct io_sim_stream *);
/* Whether there is room enough that the sender is told. */
bool io_sim_stream_is_writable(struct io_sim_stream *);
void io_sim_stream_write(struct io_sim_stream *, const struct iovec *, int count, uint64_t size);
/* The next bytes, which are payload from that place, are taken as such. */
void io_sim_stream_write_payload(struct io_sim_stream *, const struct io_sim_payload_place *,
                                 uint32_t size);
/* What was taken may leave. */
void io_sim_stream_push(struct io_sim_stream *);
/* Bytes that have arrived, at most; fewer when fewer are there. hash goes on over them. */
uint64_t io_sim_stream_read(struct io_sim_stream *, const struct iovec *, int count,
                            uint64_t *hash);
/* Nothing follows what was written. */
void io_sim_stream_end(struct io_sim_stream *);
/* Nothing more is sent, and what is on its way is lost. */
void io_sim_stream_kill(struct io_sim_stream *);
/* The sender waits for room: acknowledgements are events from now on. */
void io_sim_stream_await_room(struct io_sim_stream *);

/* Sends the next of a stream that has the line, which then is at the line's end or leaves it. */
void io_sim_stream_transmit(struct io_sim_stream *, uint32_t max_bytes);

#endif
