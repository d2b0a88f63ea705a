/* The bytes of a simulated file: pages of 4 KiB, of which only those that were written or reserved take
 * room. */
#ifndef IO_SIM_IO_SIM_PAGES_H
#define IO_SIM_IO_SIM_PAGES_H

#include <stddef.h>
#include <stdint.h>

enum { IO_SIM_PAGE_BYTES = 4096 };

struct io_sim_pages {
    uint8_t **pages;   /* owned; NULL: a hole */
    uint64_t capacity; /* of pages */
    uint64_t count;    /* that take room */
};

void io_sim_pages_deinit(struct io_sim_pages *);
/* How many more pages a write there, or a reservation, would take. */
uint64_t io_sim_pages_missing(const struct io_sim_pages *, uint64_t offset, uint64_t size);
/* Makes them take room; they read as zeroes. */
void io_sim_pages_reserve(struct io_sim_pages *, uint64_t offset, uint64_t size);
void io_sim_pages_write(struct io_sim_pages *, uint64_t offset, const uint8_t *bytes, size_t size);
void io_sim_pages_read(const struct io_sim_pages *, uint64_t offset, uint8_t *bytes, size_t size);
/* Forgets what is at and beyond length. */
void io_sim_pages_cut(struct io_sim_pages *, uint64_t length);

#endif
