/* Simulated TCP: handshakes, and connections of two streams. */
#ifndef IO_SIM_IO_SIM_TCP_H
#define IO_SIM_IO_SIM_TCP_H

#include "io/sim/io_sim_socket.h"
#include "io/sim/io_sim_stream.h"

struct io_sim_conn {
    struct io_sim *sim;
    struct list link;           /* of io_sim.conns */
    struct list pending;        /* of io_socket.embryos or .ready */
    struct io_socket *listener; /* in whose list it is */
    struct io_sim_host *hosts[2];
    struct addr addresses[2];   /* the side that connected is 0; as the other side knows them */
    struct io_sim_nat *nats[2]; /* between the ends, by side */
    uint32_t epochs[2];         /* of the boxes when it began */
    struct io_socket *ends[2];  /* NULL: closed, or not yet accepted */
    bool gone[2];               /* whatever comes is answered by a reset */
    bool established;           /* as side 0 sees it */
    bool has_streams;           /* the other side has answered */
    int errors[2];
    enum { IO_SIM_SYN, IO_SIM_REFUSED, IO_SIM_ANSWERED, IO_SIM_QUEUED, IO_SIM_OVER } phase;
    int tries;
    struct io_sim_event handshake;
    struct io_sim_event resets[2];   /* on its way to that side */
    struct io_sim_stream streams[2]; /* by sender */
};

int io_sim_tcp_listen(struct io_sim_host *, const struct io_bind *, struct io_socket **out);
int io_sim_tcp_connect(struct io_sim_host *, const struct io_bind *, const struct addr *to,
                       struct io_op *, struct io_socket **out);
int io_sim_tcp_accept(struct io_socket *listener, struct io_socket **out, struct addr *peer);
/* hash: goes on over what was received, for the event log. */
int64_t io_sim_tcp_receive(struct io_socket *, const struct iovec *, int count, uint64_t *hash);
/* How many bytes its stream would take now: at least one; SPATE_E... */
int64_t io_sim_tcp_room(struct io_socket *);
/* Whether it is ready; if not, the wait completes when it is. */
bool io_sim_tcp_await(struct io_socket *, enum io_ready);
void io_sim_tcp_close(struct io_socket *);
void io_sim_tcp_close_listener(struct io_socket *);

/* Frees the connections that are left when all sockets are closed. */
void io_sim_tcp_drop_all(struct io_sim *);

/* Whether a box between has forgotten the connection, or that side has moved behind another. */
bool io_sim_conn_is_cut(const struct io_sim_conn *, int side);

/* What a stream tells its connection. */
void io_sim_conn_on_arrival(struct io_sim_conn *, int receiver);
void io_sim_conn_on_room(struct io_sim_conn *, int sender);
void io_sim_conn_on_timeout(struct io_sim_conn *, int sender);
/* What it sends comes from an address that the other side does not know. */
void io_sim_conn_on_cut(struct io_sim_conn *, int sender);

#endif
