/* Simulated datagrams. */
#ifndef IO_SIM_IO_SIM_UDP_H
#define IO_SIM_IO_SIM_UDP_H

#include "io/sim/io_sim_socket.h"

struct io_sim_packet {
    struct list link;          /* of io_sim_uplink.datagrams, or io_socket.packets */
    struct list all;           /* of io_sim.packets, while it is on its way */
    struct io_sim_event event; /* it comes to the receiver's line, or through it */
    struct io_sim_host *from, *to;
    struct addr source, destination;
    bool landing;
    bool dont_fragment;
    uint8_t tos;
    int64_t received_ns;
    uint32_t size;
    uint8_t bytes[];
};

int io_sim_udp_open(struct io_sim_host *, const struct io_bind *, struct io_socket **out);
int io_sim_udp_receive(struct io_socket *, struct io_datagram *, int max);
int io_sim_udp_send(struct io_socket *, const struct io_datagram *, int count);
void io_sim_udp_close(struct io_socket *);

/* Sends a datagram that has the line, which it leaves. */
void io_sim_udp_transmit(struct io_sim_packet *);
/* Frees what is on its way. */
void io_sim_udp_drop_all(struct io_sim *);

#endif
