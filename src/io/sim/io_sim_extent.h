/* How the pages of a simulated file are kept: what io_sim_pages.c and io_sim_pages_crash.c share.
 *
 * A slot is one page: 0 is a hole; with the lowest bit set it is zeroes that take room, or payload (its
 * source and offset); else it is the address of 4096 bytes. Sixty-four pages are an extent. An entry of the
 * table of extents is 0 where all are holes; with the lowest bit set it is the slot of the first page and
 * the others follow from it; else it is the address of a struct io_sim_extent. */
#ifndef IO_SIM_IO_SIM_EXTENT_H
#define IO_SIM_IO_SIM_EXTENT_H

#include "io/sim/io_sim_pages.h"

enum { IO_SIM_EXTENT_PAGES = 64 };

/* One change of a page since the last sync; the newest first. */
struct io_sim_change {
    struct io_sim_change *older;
    uint64_t before; /* the slot as it was; owned */
    uint32_t epoch;  /* when it happened */
    uint16_t depth;  /* older ones */
    bool is_cut;     /* the file was cut: what the page held is gone with the old length */
};

struct io_sim_extent {
    struct list dirty; /* of io_sim_pages.dirty */
    uint64_t index;
    struct io_sim_change **changes; /* owned, one a page; NULL: none has any */
    uint64_t slots[IO_SIM_EXTENT_PAGES];
};

static inline bool io_sim_slot_is_tagged(uint64_t slot)
{
    return (slot & 1) != 0;
}

static inline struct io_sim_epoch *io_sim_epoch_at(struct io_sim_pages *p, uint32_t epoch)
{
    return epoch == 0 ? &p->since_sync : &p->later[epoch - 1];
}

/* There is one epoch again: the disk has durable_length, and may have the present one. */
void io_sim_pages_begin(struct io_sim_pages *, uint64_t durable_length);

void io_sim_slot_free(uint64_t slot);
/* A slot of that content. */
uint64_t io_sim_slot_of(struct io_sim_pages *, uint64_t page, const uint8_t *bytes);
void io_sim_slot_read(const struct io_sim_pages *, uint64_t slot, size_t within, uint8_t *out,
                      size_t size);

/* The extent, opened where it was an entry of the table; NULL: it lies beyond the table. */
struct io_sim_extent *io_sim_extent_open(struct io_sim_pages *, uint64_t index);
/* Becomes an entry of the table again if it can. It must have no changes. */
void io_sim_extent_close(struct io_sim_pages *, struct io_sim_extent *);
/* The page becomes slot. What it was is kept if the disk may still have it. */
void io_sim_extent_put(struct io_sim_pages *, struct io_sim_extent *, uint32_t place, uint64_t slot,
                       bool is_cut);
/* Forgets all changes. */
void io_sim_extent_settle(struct io_sim_extent *);
/* Pages at and beyond length become holes, and the end of the last one zeroes. */
void io_sim_pages_cut(struct io_sim_pages *, uint64_t length);

#endif
