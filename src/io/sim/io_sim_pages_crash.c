/* What becomes of pages at a sync and at a crash.
 *
 * A page that was written goes to the disk when the kernel likes: the disk has it as it was at some moment
 * since the last sync, sector by sector if the power fails while it is written. The length is metadata: a
 * cut takes with it what it cut off, so a page may not be older than a cut that the disk has seen, nor
 * younger than one that it has not. */
#include "io/sim/io_sim_extent.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

enum {
    SECTORS = IO_SIM_PAGE_BYTES / IO_SIM_SECTOR_BYTES,
    VERSIONS_MAX = 2 * IO_SIM_EPOCHS_MAX + 16,
    ODDS = 8,
};

bool io_sim_pages_are_durable(const struct io_sim_pages *p)
{
    return list_empty(&p->dirty) && p->epoch == 0 && p->since_sync.base == p->since_sync.top;
}

void io_sim_pages_sync(struct io_sim_pages *p)
{
    struct list *link;
    while ((link = list_first(&p->dirty))) {
        struct io_sim_extent *x = list_entry(link, struct io_sim_extent, dirty);
        io_sim_extent_settle(x);
        io_sim_extent_close(p, x);
    }
    io_sim_pages_begin(p, p->length);
}

/* What a crash decides for one file. */
struct fate {
    enum io_sim_loss loss;
    uint32_t epoch; /* the last that the disk has seen */
    uint32_t odds;  /* of ODDS, that something has come to the disk as it was last */
    struct dice *dice;
};

/* Every state of a page since the last sync, oldest first; those from first to last may be on the disk. */
struct versions {
    uint64_t slots[VERSIONS_MAX];
    uint32_t count, first, last;
};

static void collect(struct versions *v, const struct fate *fate, const struct io_sim_change *newest,
                    uint64_t present)
{
    uint32_t count = 1;
    for (const struct io_sim_change *c = newest; c; c = c->older) {
        count++;
    }
    ASSERT(count <= VERSIONS_MAX);
    v->count = count;
    v->first = v->last = 0;
    v->slots[count - 1] = present;
    uint32_t at = count - 1; /* the version that the change made */
    for (const struct io_sim_change *c = newest; c; c = c->older, at--) {
        v->slots[at - 1] = c->before;
        if (c->epoch <= fate->epoch) {
            v->last = at > v->last ? at : v->last;
            if (c->is_cut && v->first == 0) {
                v->first = at;
            }
        }
    }
}

static uint32_t choose(const struct versions *v, const struct fate *fate)
{
    uint32_t range = v->last - v->first + 1;
    if (range == 1 || fate->loss == IO_SIM_LOSE_ALL) {
        return v->first;
    }
    if (fate->loss == IO_SIM_LOSE_NONE || dice_below(fate->dice, ODDS) < fate->odds) {
        return v->last;
    }
    return dice_below(fate->dice, 2) ? v->first : v->first + dice_below(fate->dice, range);
}

/* Frees every version but one, or all of them. */
static uint64_t keep(const struct versions *v, uint32_t which)
{
    for (uint32_t i = 0; i < v->count; i++) {
        if (i != which) {
            io_sim_slot_free(v->slots[i]);
        }
    }
    return which < v->count ? v->slots[which] : 0;
}

/* Each sector as it was at a moment of its own. */
static uint64_t tear(struct io_sim_pages *p, const struct versions *v, const struct fate *fate,
                     uint64_t page)
{
    uint32_t chosen[SECTORS];
    bool alike = true;
    for (uint32_t i = 0; i < SECTORS; i++) {
        chosen[i] = choose(v, fate);
        alike &= chosen[i] == chosen[0];
    }
    if (alike) {
        return keep(v, chosen[0]);
    }
    uint8_t whole[IO_SIM_PAGE_BYTES];
    for (uint32_t i = 0; i < SECTORS; i++) {
        size_t within = (size_t)i * IO_SIM_SECTOR_BYTES;
        io_sim_slot_read(p, v->slots[chosen[i]], within, whole + within, IO_SIM_SECTOR_BYTES);
    }
    keep(v, v->count);
    return io_sim_slot_of(p, page, whole);
}

static void settle_page(struct io_sim_pages *p, struct io_sim_extent *x, uint32_t place,
                        const struct fate *fate)
{
    struct io_sim_change *change = x->changes[place];
    uint64_t before = x->slots[place];
    struct versions v;
    if (!change) {
        return;
    }
    collect(&v, fate, change, before);
    x->slots[place] = fate->loss == IO_SIM_LOSE_SECTORS
                          ? tear(p, &v, fate, x->index * IO_SIM_EXTENT_PAGES + place)
                          : keep(&v, choose(&v, fate));
    p->count += x->slots[place] != 0;
    p->count -= before != 0;
    while (change) { /* their slots are gone or in use */
        struct io_sim_change *older = change->older;
        free(change);
        change = older;
    }
    x->changes[place] = NULL;
}

/* Every page becomes what fate picks. */
static void settle(struct io_sim_pages *p, const struct fate *fate)
{
    struct list *link;
    while ((link = list_first(&p->dirty))) {
        struct io_sim_extent *x = list_entry(link, struct io_sim_extent, dirty);
        for (uint32_t place = 0; place < IO_SIM_EXTENT_PAGES; place++) {
            settle_page(p, x, place, fate);
        }
        io_sim_extent_settle(x);
        io_sim_extent_close(p, x);
    }
}

static uint64_t choose_length(struct io_sim_pages *p, const struct fate *fate)
{
    const struct io_sim_epoch *epoch = io_sim_epoch_at(p, fate->epoch);
    uint64_t range = epoch->top - epoch->base;
    if (fate->loss == IO_SIM_LOSE_ALL) {
        return epoch->base;
    }
    if (fate->loss == IO_SIM_LOSE_NONE || dice_below(fate->dice, ODDS) < fate->odds) {
        return epoch->top;
    }
    return dice_below(fate->dice, 2) ? epoch->base
                                     : epoch->base + dice_next(fate->dice) % (range + 1);
}

void io_sim_pages_crash(struct io_sim_pages *p, enum io_sim_loss loss, struct dice *dice)
{
    struct fate fate = {.loss = loss, .dice = dice, .odds = 1 + dice_below(dice, ODDS - 1)};
    if (io_sim_pages_are_durable(p)) {
        return;
    }
    if (loss == IO_SIM_LOSE_NONE) {
        fate.epoch = p->epoch;
    } else if (loss != IO_SIM_LOSE_ALL) {
        fate.epoch = dice_below(dice, p->epoch + 1);
    }
    settle(p, &fate);
    p->length = choose_length(p, &fate);
    io_sim_pages_begin(p, p->length);
    p->durable_only = true;
    io_sim_pages_cut(p, p->length);
    p->durable_only = false;
}

/* The length is metadata: it is still there, and as little on the disk as before. */
void io_sim_pages_fail_sync(struct io_sim_pages *p, struct dice *dice)
{
    const struct fate fate = {
        .loss = IO_SIM_LOSE_PAGES, .epoch = p->epoch, .dice = dice, .odds = dice_below(dice, ODDS)};
    if (!io_sim_pages_are_durable(p)) {
        uint64_t base = p->since_sync.base;
        settle(p, &fate);
        io_sim_pages_begin(p, base < p->length ? base : p->length);
    }
}
