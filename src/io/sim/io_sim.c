/* The simulated world behind the table of the port. */
#include "io/sim/io_sim.h"
