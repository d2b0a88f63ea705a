/* Links: what the way between two hosts does to a packet, and whose turn it is on the line that leaves a
 * host. */
#ifndef IO_SIM_IO_SIM_LINK_H
#define IO_SIM_IO_SIM_LINK_H

#include "io/sim/io_sim_world.h"

void io_sim_link_init(struct io_sim_host *);

/* One way, without jitter. */
int64_t io_sim_link_delay_ns(const struct io_sim_host *from, const struct io_sim_host *to);
/* What this packet takes on top. */
int64_t io_sim_link_jitter_ns(struct io_sim_host *from, const struct io_sim_host *to);
/* Whether one of so many packets is lost on the way. */
bool io_sim_link_loses(struct io_sim_host *from, const struct io_sim_host *to, uint32_t packets);
/* False while either end is down, or they are in different parts of the net. */
bool io_sim_link_reaches(const struct io_sim_host *from, const struct io_sim_host *to);
/* Gives the sender's line to so many bytes; when the last of them leaves. */
int64_t io_sim_link_leave_ns(struct io_sim_host *from, uint64_t bytes);
/* When so many bytes that have come to the receiver's line are through: the present when that is soon;
 * -1: its queue is full. */
int64_t io_sim_link_land_ns(struct io_sim_host *to, uint64_t bytes);
/* Sends what waits while the line is free. */
void io_sim_link_run(struct io_sim_host *);

#endif
