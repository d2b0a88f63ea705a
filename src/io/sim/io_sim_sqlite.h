/* SQLite's file system over the simulated disks of a world: one name, and the files of whichever host runs
 * the job that opens them. */
#ifndef IO_SIM_IO_SIM_SQLITE_H
#define IO_SIM_IO_SIM_SQLITE_H

struct io_sim;
struct io_sim_sqlite;

struct io_sim_sqlite *io_sim_sqlite_create(struct io_sim *);
/* What SQLite calls it. */
const char *io_sim_sqlite_name(const struct io_sim_sqlite *);
/* The world ends. Databases that are still open can be closed, and no more. */
void io_sim_sqlite_end(struct io_sim_sqlite *);

#endif
