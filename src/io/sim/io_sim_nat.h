/* Boxes that translate addresses (NAT): behind one, IPv4 hosts share an outside address. */
#ifndef IO_SIM_IO_SIM_NAT_H
#define IO_SIM_IO_SIM_NAT_H

#include "io/sim/io_sim_socket.h"

struct io_sim_nat {
    struct io_sim *sim;
    struct list link; /* of io_sim.nats */
    enum io_sim_nat_kind kind;
    struct addr outside; /* port 0 */
    int64_t idle_ns;
    uint32_t epoch; /* how often it has forgotten everything */
    uint16_t next_port;
    struct map inside;    /* struct nat_inside -> struct nat_mapping */
    struct map ports;     /* struct nat_port -> struct nat_mapping */
    struct map permits;   /* struct nat_permit_key -> struct nat_permit */
    struct list mappings; /* of nat_mapping.link, owned */
    struct list granted;  /* of nat_permit.link, owned */
};

/* What becomes of the source of a packet on its way from a host to another address, which it may then be
 * answered from. False: the box has no port left, and the packet is lost. */
bool io_sim_nat_leave(struct io_sim_host *from, enum io_sim_socket_type, const struct addr *to,
                      struct addr *source);
/* The host to which a packet to destination is on its way, whether or not it will be let in. */
struct io_sim_host *io_sim_nat_towards(struct io_sim_host *from, enum io_sim_socket_type,
                                       const struct addr *destination);
/* The host that a packet from source, as others see it, reaches; destination becomes the host's own
 * address. NULL: nobody. */
struct io_sim_host *io_sim_nat_enter(struct io_sim_host *from, enum io_sim_socket_type,
                                     const struct addr *source, struct addr *destination);

void io_sim_nat_drop_all(struct io_sim *);

#endif
