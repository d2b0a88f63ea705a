/* Simulated HTTP: requests, and origins that a test answers for. */
#ifndef IO_SIM_IO_SIM_HTTP_H
#define IO_SIM_IO_SIM_HTTP_H

#include "io/sim/io_sim_world.h"

void io_sim_http_get(struct io_sim_host *, struct io_http *);
void io_sim_http_cancel(struct io_sim_host *, struct io_op *);
void io_sim_http_cancel_all(struct io_sim_host *);
/* Frees the origins. */
void io_sim_http_deinit(struct io_sim_host *);

#endif
