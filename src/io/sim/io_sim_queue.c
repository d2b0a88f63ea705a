/* A heap in an array, four children to a node, the times beside the pointers: a swarm of thousands has
 * hundreds of thousands of events under way, and a step must not touch many lines of memory. */
#include "io/sim/io_sim_queue.h"

#include "base/error.h"

#include <stdlib.h>

enum { CHILDREN = 4 };

static bool before(const struct io_sim_queue_entry *a, const struct io_sim_queue_entry *b)
{
    return a->at_ns < b->at_ns || (a->at_ns == b->at_ns && a->sequence < b->sequence);
}

static void put(struct io_sim_queue *q, uint32_t index, struct io_sim_queue_entry entry)
{
    q->entries[index] = entry;
    entry.event->place = index + 1;
}

/* Finds the place of an entry upwards from a free one. */
static void rise(struct io_sim_queue *q, uint32_t index, struct io_sim_queue_entry entry)
{
    while (index > 0) {
        uint32_t parent = (index - 1) / CHILDREN;
        if (!before(&entry, &q->entries[parent])) {
            break;
        }
        put(q, index, q->entries[parent]);
        index = parent;
    }
    put(q, index, entry);
}

/* The same downwards. */
static void sink(struct io_sim_queue *q, uint32_t index, struct io_sim_queue_entry entry)
{
    for (;;) {
        uint32_t first = index * CHILDREN + 1, least = first;
        if (first >= q->count) {
            break;
        }
        uint32_t end = q->count - first < CHILDREN ? q->count : first + CHILDREN;
        for (uint32_t i = first + 1; i < end; i++) {
            least = before(&q->entries[i], &q->entries[least]) ? i : least;
        }
        if (!before(&q->entries[least], &entry)) {
            break;
        }
        put(q, index, q->entries[least]);
        index = least;
    }
    put(q, index, entry);
}

void io_sim_queue_insert(struct io_sim_queue *q, struct io_sim_event *event, int64_t at_ns)
{
    if (q->count == q->capacity) {
        q->capacity = q->capacity > 0 ? 2 * q->capacity : 256;
        q->entries = realloc(q->entries, q->capacity * sizeof *q->entries);
        ASSERT(q->entries);
    }
    rise(q, q->count++, (struct io_sim_queue_entry){at_ns, q->sequence++, event});
}

void io_sim_queue_remove(struct io_sim_queue *q, struct io_sim_event *event)
{
    uint32_t index = event->place - 1;
    struct io_sim_queue_entry last = q->entries[--q->count];
    event->place = 0;
    if (last.event == event) {
        return;
    }
    if (index > 0 && before(&last, &q->entries[(index - 1) / CHILDREN])) {
        rise(q, index, last);
    } else {
        sink(q, index, last);
    }
}

void io_sim_queue_deinit(struct io_sim_queue *q)
{
    free(q->entries);
    *q = (struct io_sim_queue){.entries = NULL};
}
