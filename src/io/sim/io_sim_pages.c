/* Pages behind an array of pointers. A page that is reserved and was never written is one shared marker
 * until then, so that preallocating costs a simulated file no memory. */
#include "io/sim/io_sim_pages.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

static const uint8_t reserved_page[1]; /* only its address counts */

static uint8_t *reserved(void)
{
    return (uint8_t *)(uintptr_t)reserved_page;
}

static void page_free(uint8_t *page)
{
    if (page != reserved()) {
        free(page);
    }
}

static uint8_t *page_at(const struct io_sim_pages *p, uint64_t index)
{
    return index < p->capacity ? p->pages[index] : NULL;
}

static void grow(struct io_sim_pages *p, uint64_t count)
{
    if (count <= p->capacity) {
        return;
    }
    uint64_t capacity = p->capacity * 2 > count ? p->capacity * 2 : count;
    uint8_t **pages = realloc(p->pages, capacity * sizeof *pages);
    ASSERT(pages);
    memset(pages + p->capacity, 0, (capacity - p->capacity) * sizeof *pages);
    p->pages = pages;
    p->capacity = capacity;
}

void io_sim_pages_deinit(struct io_sim_pages *p)
{
    for (uint64_t i = 0; i < p->capacity; i++) {
        page_free(p->pages[i]);
    }
    free(p->pages);
    *p = (struct io_sim_pages){.pages = NULL};
}

static uint64_t pages_end(uint64_t offset, uint64_t size)
{
    return size == 0 ? offset / IO_SIM_PAGE_BYTES : (offset + size - 1) / IO_SIM_PAGE_BYTES + 1;
}

uint64_t io_sim_pages_missing(const struct io_sim_pages *p, uint64_t offset, uint64_t size)
{
    uint64_t begin = offset / IO_SIM_PAGE_BYTES, end = pages_end(offset, size), missing = 0;
    uint64_t known = end < p->capacity ? end : p->capacity;
    for (uint64_t i = begin; i < known; i++) {
        missing += !p->pages[i];
    }
    known = known > begin ? known : begin;
    return missing + (end > known ? end - known : 0);
}

void io_sim_pages_reserve(struct io_sim_pages *p, uint64_t offset, uint64_t size)
{
    uint64_t end = pages_end(offset, size);
    grow(p, end);
    for (uint64_t i = offset / IO_SIM_PAGE_BYTES; i < end; i++) {
        if (!p->pages[i]) {
            p->pages[i] = reserved();
            p->count++;
        }
    }
}

void io_sim_pages_write(struct io_sim_pages *p, uint64_t offset, const uint8_t *bytes, size_t size)
{
    io_sim_pages_reserve(p, offset, size);
    while (size > 0) {
        uint8_t **page = &p->pages[offset / IO_SIM_PAGE_BYTES];
        size_t within = offset % IO_SIM_PAGE_BYTES, n = IO_SIM_PAGE_BYTES - within;
        n = n < size ? n : size;
        if (*page == reserved()) {
            *page = calloc(1, IO_SIM_PAGE_BYTES);
            ASSERT(*page);
        }
        memcpy(*page + within, bytes, n);
        offset += n;
        bytes += n;
        size -= n;
    }
}

void io_sim_pages_read(const struct io_sim_pages *p, uint64_t offset, uint8_t *bytes, size_t size)
{
    while (size > 0) {
        const uint8_t *page = page_at(p, offset / IO_SIM_PAGE_BYTES);
        size_t within = offset % IO_SIM_PAGE_BYTES, n = IO_SIM_PAGE_BYTES - within;
        n = n < size ? n : size;
        if (page && page != reserved()) {
            memcpy(bytes, page + within, n);
        } else {
            memset(bytes, 0, n);
        }
        offset += n;
        bytes += n;
        size -= n;
    }
}

void io_sim_pages_cut(struct io_sim_pages *p, uint64_t length)
{
    uint64_t first = pages_end(0, length), within = length % IO_SIM_PAGE_BYTES;
    for (uint64_t i = first; i < p->capacity; i++) {
        if (p->pages[i]) {
            page_free(p->pages[i]);
            p->pages[i] = NULL;
            p->count--;
        }
    }
    uint8_t *last = within > 0 ? page_at(p, length / IO_SIM_PAGE_BYTES) : NULL;
    if (last && last != reserved()) {
        memset(last + within, 0, IO_SIM_PAGE_BYTES - within);
    }
}
