/* Reading and writing pages, and the changes that writing leaves behind. The end of a file, a page that
 * two writes share and what SQLite writes are bytes; what a download writes is payload, found as such page
 * by page, so that a file of any size costs a few words for each quarter of a mebibyte. */
#include "io/sim/io_sim_extent.h"

#include "base/error.h"
#include "io/sim/io_sim.h"

#include <stdlib.h>
#include <string.h>

enum { CHANGES_MAX = 8 }; /* of one page that are told apart */

static const uint64_t zeroes = 0xff; /* the slot of a page of them */

/* ---- slots ------------------------------------------------------------------------------------ */

static uint8_t *slot_bytes(uint64_t slot)
{
    return (uint8_t *)(uintptr_t)slot;
}

static uint64_t payload_slot(uint32_t source, uint64_t offset)
{
    return offset << 8 | (uint64_t)source << 1 | 1;
}

static uint32_t slot_source(uint64_t slot)
{
    return (uint32_t)(slot & 0xff) >> 1;
}

static uint64_t slot_offset(uint64_t slot)
{
    return slot >> 8;
}

void io_sim_slot_free(uint64_t slot)
{
    if (!io_sim_slot_is_tagged(slot)) {
        free(slot_bytes(slot));
    }
}

static bool is_zero(const uint8_t *bytes)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, IO_SIM_PAGE_BYTES - 1) == 0;
}

/* Whether a page is what the payload goes on with after the last page that was payload. */
static bool goes_on(const struct io_sim_pages *p, uint64_t offset, const uint8_t *bytes)
{
    const struct io_sim_payload_source *source = &p->payloads->sources[p->source];
    return p->source < p->payloads->count && offset <= source->length &&
           source->length - offset >= IO_SIM_PAGE_BYTES &&
           io_sim_payload_equals(source->id, offset, bytes, IO_SIM_PAGE_BYTES);
}

uint64_t io_sim_slot_of(struct io_sim_pages *p, uint64_t page, const uint8_t *bytes)
{
    struct io_sim_payload_place place;
    uint64_t offset = page * IO_SIM_PAGE_BYTES + p->source_shift;
    if (goes_on(p, offset, bytes)) {
        return payload_slot(p->source, offset);
    }
    if (is_zero(bytes)) {
        return zeroes;
    }
    if (io_sim_payload_find(p->payloads, bytes, IO_SIM_PAGE_BYTES, &place)) {
        p->source = place.source;
        p->source_shift = place.offset - page * IO_SIM_PAGE_BYTES;
        return payload_slot(place.source, place.offset);
    }
    uint8_t *copy = malloc(IO_SIM_PAGE_BYTES);
    ASSERT(copy);
    memcpy(copy, bytes, IO_SIM_PAGE_BYTES);
    return (uint64_t)(uintptr_t)copy;
}

void io_sim_slot_read(const struct io_sim_pages *p, uint64_t slot, size_t within, uint8_t *out,
                      size_t size)
{
    if (slot == 0 || slot == zeroes) {
        memset(out, 0, size);
    } else if (io_sim_slot_is_tagged(slot)) {
        io_sim_payload(p->payloads->sources[slot_source(slot)].id, slot_offset(slot) + within, out,
                       size);
    } else {
        memcpy(out, slot_bytes(slot) + within, size);
    }
}

/* ---- extents ---------------------------------------------------------------------------------- */

static struct io_sim_extent *extent_at(uint64_t entry)
{
    return (struct io_sim_extent *)(uintptr_t)entry;
}

/* The slot of a page that follows from an entry of the table. */
static uint64_t entry_slot(uint64_t entry, uint32_t place)
{
    if (entry == 0 || entry == zeroes) {
        return entry;
    }
    return payload_slot(slot_source(entry),
                        slot_offset(entry) + (uint64_t)place * IO_SIM_PAGE_BYTES);
}

static bool is_open(uint64_t entry)
{
    return entry != 0 && !io_sim_slot_is_tagged(entry);
}

static uint64_t slot_at(const struct io_sim_pages *p, uint64_t page)
{
    uint64_t index = page / IO_SIM_EXTENT_PAGES;
    uint32_t place = page % IO_SIM_EXTENT_PAGES;
    if (index >= p->capacity) {
        return 0;
    }
    uint64_t entry = p->extents[index];
    return is_open(entry) ? extent_at(entry)->slots[place] : entry_slot(entry, place);
}

static void grow(struct io_sim_pages *p, uint64_t count)
{
    if (count <= p->capacity) {
        return;
    }
    uint64_t capacity = p->capacity * 2 > count ? p->capacity * 2 : count;
    uint64_t *extents = realloc(p->extents, capacity * sizeof *extents);
    ASSERT(extents);
    memset(extents + p->capacity, 0, (capacity - p->capacity) * sizeof *extents);
    p->extents = extents;
    p->capacity = capacity;
}

struct io_sim_extent *io_sim_extent_open(struct io_sim_pages *p, uint64_t index)
{
    uint64_t entry = index < p->capacity ? p->extents[index] : 0;
    if (index >= p->capacity || is_open(entry)) {
        return extent_at(entry);
    }
    struct io_sim_extent *x = calloc(1, sizeof *x);
    ASSERT(x);
    list_init(&x->dirty);
    x->index = index;
    for (uint32_t i = 0; entry && i < IO_SIM_EXTENT_PAGES; i++) {
        x->slots[i] = entry_slot(entry, i);
    }
    p->extents[index] = (uint64_t)(uintptr_t)x;
    return x;
}

void io_sim_extent_close(struct io_sim_pages *p, struct io_sim_extent *x)
{
    uint64_t entry = x->slots[0];
    if (is_open(entry)) {
        return;
    }
    for (uint32_t i = 1; i < IO_SIM_EXTENT_PAGES; i++) {
        if (x->slots[i] != entry_slot(entry, i)) {
            return;
        }
    }
    p->extents[x->index] = entry;
    list_remove(&x->dirty);
    free(x);
}

static void settle_page(struct io_sim_extent *x, uint32_t place)
{
    struct io_sim_change *change = x->changes ? x->changes[place] : NULL;
    while (change) {
        struct io_sim_change *older = change->older;
        io_sim_slot_free(change->before);
        free(change);
        change = older;
    }
    if (x->changes) {
        x->changes[place] = NULL;
    }
}

void io_sim_extent_settle(struct io_sim_extent *x)
{
    for (uint32_t i = 0; x->changes && i < IO_SIM_EXTENT_PAGES; i++) {
        settle_page(x, i);
    }
    free(x->changes);
    x->changes = NULL;
    list_remove(&x->dirty);
}

static void remember(struct io_sim_pages *p, struct io_sim_extent *x, uint32_t place,
                     uint64_t before, bool is_cut)
{
    if (!x->changes) {
        x->changes = calloc(IO_SIM_EXTENT_PAGES, sizeof(struct io_sim_change *));
        ASSERT(x->changes);
        list_push_back(&p->dirty, &x->dirty);
    }
    struct io_sim_change *newest = x->changes[place];
    if (newest && newest->depth >= CHANGES_MAX && !newest->is_cut && !is_cut) {
        newest->epoch = p->epoch; /* the state between the two is no longer told apart */
        io_sim_slot_free(before);
        return;
    }
    struct io_sim_change *change = malloc(sizeof *change);
    ASSERT(change);
    *change = (struct io_sim_change){.older = newest,
                                     .before = before,
                                     .epoch = p->epoch,
                                     .depth = (uint16_t)(newest ? newest->depth + 1 : 0),
                                     .is_cut = is_cut};
    x->changes[place] = change;
}

void io_sim_extent_put(struct io_sim_pages *p, struct io_sim_extent *x, uint32_t place,
                       uint64_t slot, bool is_cut)
{
    uint64_t before = x->slots[place];
    p->count += slot != 0;
    p->count -= before != 0;
    x->slots[place] = slot;
    if (p->durable_only) {
        settle_page(x, place);
        io_sim_slot_free(before);
    } else {
        remember(p, x, place, before, is_cut);
    }
}

/* ---- the pages -------------------------------------------------------------------------------- */

void io_sim_pages_init(struct io_sim_pages *p, const struct io_sim_payloads *payloads)
{
    *p = (struct io_sim_pages){.payloads = payloads};
    list_init(&p->dirty);
}

void io_sim_pages_deinit(struct io_sim_pages *p)
{
    for (uint64_t i = 0; i < p->capacity; i++) {
        if (is_open(p->extents[i])) {
            struct io_sim_extent *x = extent_at(p->extents[i]);
            io_sim_extent_settle(x);
            for (uint32_t place = 0; place < IO_SIM_EXTENT_PAGES; place++) {
                io_sim_slot_free(x->slots[place]);
            }
            free(x);
        }
    }
    free(p->extents);
    free(p->later);
    io_sim_pages_init(p, p->payloads);
}

uint64_t io_sim_pages_memory(const struct io_sim_pages *p)
{
    uint64_t bytes = p->capacity * sizeof *p->extents;
    for (uint64_t i = 0; i < p->capacity; i++) {
        if (!is_open(p->extents[i])) {
            continue;
        }
        const struct io_sim_extent *x = extent_at(p->extents[i]);
        bytes += sizeof *x + (x->changes ? IO_SIM_EXTENT_PAGES * sizeof *x->changes : 0);
        for (uint32_t place = 0; place < IO_SIM_EXTENT_PAGES; place++) {
            bytes += is_open(x->slots[place]) ? IO_SIM_PAGE_BYTES : 0;
            for (const struct io_sim_change *c = x->changes ? x->changes[place] : NULL; c;
                 c = c->older) {
                bytes += sizeof *c + (is_open(c->before) ? IO_SIM_PAGE_BYTES : 0);
            }
        }
    }
    return bytes;
}

static uint64_t pages_end(uint64_t offset, uint64_t size)
{
    return size == 0 ? offset / IO_SIM_PAGE_BYTES : (offset + size - 1) / IO_SIM_PAGE_BYTES + 1;
}

uint64_t io_sim_pages_missing(const struct io_sim_pages *p, uint64_t offset, uint64_t size)
{
    uint64_t begin = offset / IO_SIM_PAGE_BYTES, end = pages_end(offset, size), missing = 0;
    uint64_t known = p->capacity * IO_SIM_EXTENT_PAGES;
    known = known < end ? known : end;
    for (uint64_t i = begin; i < known; i++) {
        missing += slot_at(p, i) == 0;
    }
    known = known > begin ? known : begin;
    return missing + (end > known ? end - known : 0);
}

static void reserve_part(struct io_sim_pages *p, uint64_t index, uint32_t first, uint32_t last)
{
    if (p->extents[index] == 0 && last - first == IO_SIM_EXTENT_PAGES) {
        p->extents[index] = zeroes;
        p->count += IO_SIM_EXTENT_PAGES;
        return;
    }
    if (io_sim_slot_is_tagged(p->extents[index])) {
        return;
    }
    struct io_sim_extent *x = io_sim_extent_open(p, index);
    for (uint32_t place = first; place < last; place++) {
        if (x->slots[place] == 0) {
            x->slots[place] = zeroes;
            p->count++;
        }
    }
}

/* Zeroes instead of a hole: as nobody can tell them apart by reading, no crash has to undo it. */
void io_sim_pages_reserve(struct io_sim_pages *p, uint64_t offset, uint64_t size)
{
    uint64_t page = offset / IO_SIM_PAGE_BYTES, end = pages_end(offset, size);
    grow(p, (end + IO_SIM_EXTENT_PAGES - 1) / IO_SIM_EXTENT_PAGES);
    while (page < end) {
        uint32_t first = page % IO_SIM_EXTENT_PAGES;
        uint64_t n = IO_SIM_EXTENT_PAGES - first;
        n = n < end - page ? n : end - page;
        reserve_part(p, page / IO_SIM_EXTENT_PAGES, first, first + (uint32_t)n);
        page += n;
    }
}

static void write_page(struct io_sim_pages *p, uint64_t page, size_t within, const uint8_t *bytes,
                       size_t size)
{
    struct io_sim_extent *x = io_sim_extent_open(p, page / IO_SIM_EXTENT_PAGES);
    uint32_t place = page % IO_SIM_EXTENT_PAGES;
    uint8_t whole[IO_SIM_PAGE_BYTES];
    if (size < IO_SIM_PAGE_BYTES) {
        io_sim_slot_read(p, x->slots[place], 0, whole, sizeof whole);
        memcpy(whole + within, bytes, size);
        bytes = whole;
    }
    io_sim_extent_put(p, x, place, io_sim_slot_of(p, page, bytes), false);
    if (p->durable_only && place == IO_SIM_EXTENT_PAGES - 1 && !x->changes) {
        io_sim_extent_close(p, x);
    }
}

void io_sim_pages_write(struct io_sim_pages *p, uint64_t offset, const uint8_t *bytes, size_t size)
{
    uint64_t end = pages_end(offset, size);
    if (size == 0) {
        return;
    }
    if (offset + size > p->length) {
        io_sim_pages_set_length(p, offset + size);
    }
    grow(p, (end + IO_SIM_EXTENT_PAGES - 1) / IO_SIM_EXTENT_PAGES);
    while (size > 0) {
        size_t within = offset % IO_SIM_PAGE_BYTES, n = IO_SIM_PAGE_BYTES - within;
        n = n < size ? n : size;
        write_page(p, offset / IO_SIM_PAGE_BYTES, within, bytes, n);
        offset += n;
        bytes += n;
        size -= n;
    }
}

void io_sim_pages_read(const struct io_sim_pages *p, uint64_t offset, uint8_t *bytes, size_t size)
{
    while (size > 0) {
        size_t within = offset % IO_SIM_PAGE_BYTES, n = IO_SIM_PAGE_BYTES - within;
        n = n < size ? n : size;
        io_sim_slot_read(p, slot_at(p, offset / IO_SIM_PAGE_BYTES), within, bytes, n);
        offset += n;
        bytes += n;
        size -= n;
    }
}

/* A page that is kept as payload need not be looked at. */
static bool page_is_payload(const struct io_sim_pages *p, uint64_t slot, size_t within, uint64_t id,
                            uint64_t offset, size_t size)
{
    uint8_t bytes[IO_SIM_PAGE_BYTES];
    if (io_sim_slot_is_tagged(slot) && slot != zeroes &&
        p->payloads->sources[slot_source(slot)].id == id) {
        return slot_offset(slot) + within == offset;
    }
    io_sim_slot_read(p, slot, within, bytes, size);
    return io_sim_payload_equals(id, offset, bytes, size);
}

bool io_sim_pages_are_payload(const struct io_sim_pages *p, uint64_t at, uint64_t id,
                              uint64_t offset, uint64_t size)
{
    bool equal = true;
    while (equal && size > 0) {
        size_t within = at % IO_SIM_PAGE_BYTES, n = IO_SIM_PAGE_BYTES - within;
        n = n < size ? n : (size_t)size;
        equal = page_is_payload(p, slot_at(p, at / IO_SIM_PAGE_BYTES), within, id, offset, n);
        at += n;
        offset += n;
        size -= n;
    }
    return equal;
}

bool io_sim_pages_find(const struct io_sim_pages *p, uint64_t offset, uint64_t size,
                       struct io_sim_payload_place *out)
{
    uint64_t first = offset / IO_SIM_PAGE_BYTES, last = (offset + size - 1) / IO_SIM_PAGE_BYTES;
    uint64_t slot = slot_at(p, first);
    if (size == 0 || slot == zeroes || !io_sim_slot_is_tagged(slot)) {
        return false;
    }
    out->source = slot_source(slot);
    out->offset = slot_offset(slot) + offset % IO_SIM_PAGE_BYTES;
    for (uint64_t page = first + 1; page <= last; page++) {
        uint64_t expected = slot_offset(slot) + (page - first) * IO_SIM_PAGE_BYTES;
        if (slot_at(p, page) != payload_slot(out->source, expected)) {
            return false;
        }
    }
    return offset + size <= p->length;
}

/* ---- the length ------------------------------------------------------------------------------- */

static void cut_page(struct io_sim_pages *p, struct io_sim_extent *x, uint32_t place)
{
    bool has_changes = x->changes && x->changes[place];
    if (x->slots[place] != 0 || has_changes) {
        io_sim_extent_put(p, x, place, 0, true);
    }
}

void io_sim_pages_cut(struct io_sim_pages *p, uint64_t length)
{
    uint64_t page = length / IO_SIM_PAGE_BYTES;
    size_t within = length % IO_SIM_PAGE_BYTES;
    if (within > 0 && slot_at(p, page) != 0) {
        struct io_sim_extent *x = io_sim_extent_open(p, page / IO_SIM_EXTENT_PAGES);
        uint8_t whole[IO_SIM_PAGE_BYTES] = {0};
        uint32_t place = page % IO_SIM_EXTENT_PAGES;
        io_sim_slot_read(p, x->slots[place], 0, whole, within);
        io_sim_extent_put(p, x, place, io_sim_slot_of(p, page, whole), true);
    }
    page += within > 0;
    for (; page < p->capacity * IO_SIM_EXTENT_PAGES; page++) {
        uint64_t index = page / IO_SIM_EXTENT_PAGES;
        if (p->extents[index] == 0) {
            page = (index + 1) * IO_SIM_EXTENT_PAGES - 1;
        } else {
            cut_page(p, io_sim_extent_open(p, index), page % IO_SIM_EXTENT_PAGES);
        }
    }
}

void io_sim_pages_begin(struct io_sim_pages *p, uint64_t durable_length)
{
    free(p->later);
    p->later = NULL;
    p->epoch = 0;
    p->since_sync = (struct io_sim_epoch){.base = durable_length, .top = p->length};
}

static void begin_epoch(struct io_sim_pages *p, uint64_t length)
{
    if (p->epoch + 1 == IO_SIM_EPOCHS_MAX) {
        io_sim_pages_sync(p); /* as the kernel does in its own time */
    }
    if (!p->later) {
        p->later = calloc(IO_SIM_EPOCHS_MAX, sizeof *p->later);
        ASSERT(p->later);
    }
    *io_sim_epoch_at(p, ++p->epoch) = (struct io_sim_epoch){.base = length, .top = length};
}

void io_sim_pages_set_length(struct io_sim_pages *p, uint64_t length)
{
    bool is_cut = length < p->length;
    if (is_cut && !p->durable_only) {
        begin_epoch(p, length);
    }
    if (is_cut) {
        io_sim_pages_cut(p, length);
    }
    p->length = length;
    struct io_sim_epoch *epoch = io_sim_epoch_at(p, p->epoch);
    epoch->top = epoch->top > length ? epoch->top : length;
    if (p->durable_only) {
        io_sim_pages_begin(p, length);
    }
}
