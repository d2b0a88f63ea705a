/* Simulated names: one table for all hosts. */
#ifndef IO_SIM_IO_SIM_NAMES_H
#define IO_SIM_IO_SIM_NAMES_H

#include "io/sim/io_sim_world.h"

void io_sim_names_deinit(struct io_sim *);
void io_sim_names_resolve(struct io_sim_host *, struct io_resolve *);
/* Its time has come: fills the addresses, and returns the status. */
int io_sim_names_answer(struct io_sim_host *, struct io_op *);
/* The same at once; *delay_ns is what an answer takes. Returns the status, and 0 says that *count
 * addresses are in out. */
int io_sim_names_look_up(struct io_sim_host *, const char *name, enum addr_family,
                         struct addr out[IO_RESOLVE_ADDRESSES], int *count, int64_t *delay_ns);

#endif
