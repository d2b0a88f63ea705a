/* The inside of the simulated world: hosts, events, turns, operations.
 *
 * What happens calls io_sim_complete(), which only notes the result and asks for a turn of that host;
 * the turn calls op->done for all that was noted. So no completion is ever called from inside a
 * submission. An event is memory of whoever owns it, and lies in one heap with all others. */
#ifndef IO_SIM_IO_SIM_WORLD_H
#define IO_SIM_IO_SIM_WORLD_H

#include "base/dice.h"
#include "base/limits.h"
#include "base/map.h"
#include "io/sim/io_sim.h"
#include "io/sim/io_sim_disk.h"
#include "io/sim/io_sim_log.h"
#include "io/sim/io_sim_queue.h"

/* What op->kind says. */
enum io_sim_op {
    IO_SIM_OP_DONE, /* noted for delivery; cancelling changes nothing any more */
    IO_SIM_OP_TIMER,
    IO_SIM_OP_TURN_END,
    IO_SIM_OP_WAKE,
    IO_SIM_OP_WAIT,
    IO_SIM_OP_CONNECT,
    IO_SIM_OP_WORK, /* waits for a lane */
    IO_SIM_OP_WORK_BEGUN,
    IO_SIM_OP_RESOLVE,
    IO_SIM_OP_HTTP,
};

enum { IO_SIM_PEEK_BYTES = 16384 };

enum io_sim_chunk_kind {
    IO_SIM_CHUNK_PAYLOAD,
    IO_SIM_CHUNK_SMALL,
    IO_SIM_CHUNK_BIG,
    IO_SIM_CHUNK_KINDS,
};

struct io_sim {
    uint64_t seed;
    int64_t now_ns;
    uint64_t event_count; /* so far */
    struct io_sim_queue events;
    struct heap timers; /* of io_op.timer: TIMER and RESOLVE; op->subject is the host */
    struct list hosts;  /* of io_sim_host.link */
    uint32_t host_count;
    struct map addresses;              /* struct addr with port 0 -> struct io_sim_host */
    struct map outsides;               /* struct addr with port 0 -> struct io_sim_nat */
    struct list nats;                  /* of io_sim_nat.link */
    struct map ports;                  /* struct io_sim_port -> struct io_socket */
    struct map names;                  /* hash of the name -> struct io_sim_name */
    struct list conns;                 /* of io_sim_conn.link */
    struct list packets;               /* of io_sim_packet.all: datagrams on their way */
    struct list spare_segments;        /* of io_sim_segment.link */
    uint8_t peeked[IO_SIM_PEEK_BYTES]; /* of a file that is being sent */
    struct list spare_chunks[IO_SIM_CHUNK_KINDS]; /* of io_sim_chunk.link */
    struct io_sim_disks disks;                    /* what the disks of all hosts share */
    size_t active; /* operations submitted and not yet delivered, of all hosts */
    struct io_sim_log log;
    bool ending; /* submissions complete with SPATE_ECANCELED */
};

struct io_sim_lane;

struct io_sim_pool {
    struct io_sim_host *host;
    struct list queue; /* of io_op.link */
    uint32_t lane_count;
    struct io_sim_lane *lanes; /* owned */
};

/* What leaves a host: one thing at a time at the up rate, datagrams and streams by turns. */
struct io_sim_uplink {
    struct io_sim_event free; /* armed when something waits for the line */
    int64_t free_ns;          /* when all that has the line has left */
    struct list datagrams;    /* of io_sim_packet.link */
    struct list streams;      /* of io_sim_stream.link: those that may send */
    uint64_t datagram_bytes;
    bool datagram_next;
};

struct io_sim_host {
    struct io io; /* first: the port is the host */
    struct io_sim *sim;
    struct list link;
    uint32_t id;
    char name[32];
    struct addr v4, v6; /* port 0; family ADDR_NONE: it has none */
    int64_t wall_offset_ns;
    struct dice entropy; /* what the host asks for */
    struct dice chance;  /* what befalls its packets */

    struct io_sim_event turn;
    bool in_turn;
    int64_t next_turn_ns;  /* not before */
    struct list completed; /* of io_op.link, to be delivered */
    struct list turn_ends; /* of io_op.link */
    struct io_op *wake_op; /* waiting for io_wake, or NULL */
    bool woken;            /* io_wake was called and nobody has been told */

    struct io_sim_link settings;
    struct io_sim_uplink up;
    int64_t down_free_ns; /* when all that came in so far is through */
    bool is_up;
    uint32_t part;          /* of the net; hosts reach those of their own */
    struct io_sim_nat *nat; /* that it stands behind, or NULL */
    struct io_sim_traffic traffic;

    struct list sockets; /* of io_socket.link */
    uint32_t socket_count, max_sockets;
    uint16_t next_port;

    struct io_sim_pool pools[IO_POOL_COUNT];
    struct list starting; /* of io_sim_lane.start: jobs that begin when the turn is over */
    uint64_t compute_bytes_per_s;
    struct io_sim_disk_state disk;

    struct io_driver ghost; /* its port after a crash */

    struct list requests; /* of io_sim_request.link: HTTP */
    struct list origins;  /* of io_sim_origin.link */
};

/* The table of every host. */
const struct io_driver *io_sim_driver(void);

static inline struct io_sim_host *io_sim_host_of(struct io *io)
{
    return (struct io_sim_host *)(void *)io;
}

/* Adds a line to the event log. */
void io_sim_note(struct io_sim_host *, enum io_sim_log_kind, uint64_t length, int64_t status,
                 uint64_t bytes);

/* Zeroed memory; the process stops when there is none. */
void *io_sim_take(size_t size);

/* Arms an event, or moves one that is armed; never before the present. */
void io_sim_event_arm(struct io_sim *, struct io_sim_event *, int64_t at_ns);
/* Harmless when it is not armed. */
void io_sim_event_disarm(struct io_sim *, struct io_sim_event *);

/* Takes an operation in. False: the world is ending, and op completes with SPATE_ECANCELED. */
bool io_sim_submit(struct io_sim_host *, struct io_op *, enum io_sim_op kind);
/* Notes the result and asks for a turn. op must be in no list or heap. If op->subject is not NULL it is
 * a struct io_op * that becomes NULL on delivery. */
void io_sim_complete(struct io_sim_host *, struct io_op *, int status);

void io_sim_timer(struct io_sim_host *, struct io_op *, int64_t at_ns, enum io_sim_op kind);
void io_sim_turn_end(struct io_sim_host *, struct io_op *);
void io_sim_wait_wake(struct io_sim_host *, struct io_op *);
void io_sim_wake(struct io_sim_host *);
/* For operations of this file: timers, turn ends, wake-ups. */
void io_sim_cancel(struct io_sim_host *, struct io_op *);

/* The host with this address, seen from another: a loopback address is the asking host. NULL: none, or
 * it stands behind a box (io_sim_nat_enter() looks through). */
struct io_sim_host *io_sim_host_find(struct io_sim_host *from, const struct addr *address);
/* Whether address (port ignored) is one of the host's, its loopback included. */
bool io_sim_host_has(const struct io_sim_host *, const struct addr *address);
/* The host's own address on the way to another; family ADDR_NONE: it has none of that family. */
struct addr io_sim_host_source(const struct io_sim_host *, const struct addr *to);

#endif
