/* What all simulated sockets share: a place at a host, a port, and at most one wait a direction. */
#ifndef IO_SIM_IO_SIM_SOCKET_H
#define IO_SIM_IO_SIM_SOCKET_H

#include "io/sim/io_sim_world.h"

enum io_sim_socket_type { IO_SIM_LISTENER, IO_SIM_STREAM, IO_SIM_DATAGRAM };

struct io_sim_conn;

/* Key of a port that is taken; no padding. */
struct io_sim_port {
    uint32_t host;
    uint16_t port;
    uint8_t type; /* enum io_sim_socket_type */
    uint8_t family;
    uint8_t ip[16]; /* zero: every address of the host */
};

struct io_socket {
    struct io_sim_host *host;
    struct list link; /* of io_sim_host.sockets */
    enum io_sim_socket_type type;
    bool bound;               /* it is in io_sim.ports */
    bool loopback_only;       /* bound to the interface "lo" */
    bool interface_only;      /* bound to "sim0": no loopback */
    struct addr local;        /* with port */
    struct io_op *waits[2];   /* for IO_READABLE, IO_WRITABLE or the connection; until delivered */
    struct list embryos;      /* listener: io_sim_conn.pending, their handshake not yet over */
    struct list ready;        /* listener: io_sim_conn.pending, to be accepted */
    uint32_t pending_count;   /* both */
    struct io_sim_conn *conn; /* stream */
    int side;                 /* stream: which end of conn */
    struct list packets;      /* datagram: io_sim_packet.link, received */
    uint64_t queued_bytes;    /* datagram */
};

void io_sim_socket_host_init(struct io_sim_host *);
void io_sim_socket_close_all(struct io_sim_host *);

/* A socket of the host with local set; SPATE_EFDS when it has too many. */
int io_sim_socket_create(struct io_sim_host *, enum io_sim_socket_type, struct io_socket **out);
/* Checks bind and sets what it says of the socket; local.port stays what bind says, maybe 0, and
 * local.family becomes the given one. */
int io_sim_socket_restrict(struct io_socket *, enum addr_family, const struct io_bind *);
/* Takes local.port, or a free port when it is 0. SPATE_EADDRINUSE. */
int io_sim_socket_take_port(struct io_socket *);
/* The port is free again; nothing finds the socket any more. Harmless when it has none. */
void io_sim_socket_give_port(struct io_socket *);
/* A port number that nobody listens on. */
uint16_t io_sim_socket_free_port(struct io_sim_host *, enum io_sim_socket_type, enum addr_family);
/* Whether the socket's interface leads from this host to that one. */
bool io_sim_socket_leads(const struct io_socket *, const struct io_sim_host *to);
/* Who has this port of the host; NULL: nobody. */
struct io_socket *io_sim_socket_find(struct io_sim_host *, enum io_sim_socket_type,
                                     const struct addr *);

/* Takes op in as the wait of that direction. False: the world is ending. */
bool io_sim_socket_hold(struct io_socket *, enum io_ready, struct io_op *, enum io_sim_op kind);
/* Completes the wait of that direction, if there is one. */
void io_sim_socket_finish(struct io_socket *, enum io_ready, int status);
void io_sim_socket_wait(struct io_socket *, enum io_ready, struct io_op *);
void io_sim_socket_cancel(struct io_sim_host *, struct io_op *);
void io_sim_socket_close(struct io_socket *);

#endif
