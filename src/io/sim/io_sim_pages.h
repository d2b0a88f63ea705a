/* The bytes of a simulated file: pages of 4 KiB, of which only those that were written or reserved take
 * room, with what was there before and is still what a crash may bring back. A page of known payload, or of
 * zeroes, is kept as what it is and takes no memory. */
#ifndef IO_SIM_IO_SIM_PAGES_H
#define IO_SIM_IO_SIM_PAGES_H

#include "base/dice.h"
#include "base/list.h"
#include "io/sim/io_sim_payload.h"

enum {
    IO_SIM_PAGE_BYTES = 4096,
    IO_SIM_SECTOR_BYTES = 512, /* what a disk writes whole */
    IO_SIM_EPOCHS_MAX = 32,
};

/* What the length was between two cuts that the disk may not have seen yet. */
struct io_sim_epoch {
    uint64_t base, top; /* it grew from base to top */
};

struct io_sim_pages {
    const struct io_sim_payloads *payloads; /* of the world */
    uint64_t *extents;                      /* owned; see io_sim_extent.h */
    uint64_t capacity;                      /* of extents */
    uint64_t count;                         /* pages that take room */
    uint64_t length;                        /* bytes of the file */
    bool durable_only;                      /* writes are on the disk at once */
    struct list dirty;                      /* of io_sim_extent.dirty: those with changes */
    struct io_sim_epoch since_sync;         /* the first epoch, */
    struct io_sim_epoch *later;             /* owned; and those after a cut; NULL: there was none */
    uint32_t epoch;                         /* the present one; those before it ended with a cut */
    uint32_t source;                        /* of the last page that was payload, */
    uint64_t source_shift; /* whose offset there is so much more than in the file */
};

/* How a crash chooses. */
enum io_sim_loss {
    IO_SIM_LOSE_ALL,     /* nothing that was not synced survives */
    IO_SIM_LOSE_NONE,    /* everything does */
    IO_SIM_LOSE_PAGES,   /* each page is as it was at some moment since the last sync */
    IO_SIM_LOSE_SECTORS, /* each sector is */
    IO_SIM_LOSE_KINDS,
};

void io_sim_pages_init(struct io_sim_pages *, const struct io_sim_payloads *);
void io_sim_pages_deinit(struct io_sim_pages *);
/* How many more pages a write there, or a reservation, would take. */
uint64_t io_sim_pages_missing(const struct io_sim_pages *, uint64_t offset, uint64_t size);
/* Makes them take room; they read as zeroes. */
void io_sim_pages_reserve(struct io_sim_pages *, uint64_t offset, uint64_t size);
/* The file grows if need be. */
void io_sim_pages_write(struct io_sim_pages *, uint64_t offset, const uint8_t *bytes, size_t size);
/* Beyond the length are zeroes. */
void io_sim_pages_read(const struct io_sim_pages *, uint64_t offset, uint8_t *bytes, size_t size);
/* Whether the bytes from `at` on are what the payload of this id has from offset on. */
bool io_sim_pages_are_payload(const struct io_sim_pages *, uint64_t at, uint64_t id,
                              uint64_t offset, uint64_t size);
/* Whether all of that stretch is one stretch of payload; then where. */
bool io_sim_pages_find(const struct io_sim_pages *, uint64_t offset, uint64_t size,
                       struct io_sim_payload_place *out);
/* Longer, or shorter: what was beyond reads as zeroes should the file grow again. */
void io_sim_pages_set_length(struct io_sim_pages *, uint64_t length);
/* Bytes of memory behind them. */
uint64_t io_sim_pages_memory(const struct io_sim_pages *);

/* Whether everything is on the disk. */
bool io_sim_pages_are_durable(const struct io_sim_pages *);
/* All of it is on the disk now. */
void io_sim_pages_sync(struct io_sim_pages *);
/* A sync failed: some of it is on the disk now, and the rest is as it was, and no longer dirty. */
void io_sim_pages_fail_sync(struct io_sim_pages *, struct dice *);
/* The pages become what a crash leaves: some state between the last sync and now. */
void io_sim_pages_crash(struct io_sim_pages *, enum io_sim_loss, struct dice *);

#endif
