/* What will happen, in order of time, and of arming at equal times. */
#ifndef IO_SIM_IO_SIM_QUEUE_H
#define IO_SIM_IO_SIM_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

/* Memory of whoever owns it. */
struct io_sim_event {
    void (*fire)(struct io_sim_event *);
    uint32_t place; /* in the queue, from 1; 0: it is not armed */
};

struct io_sim_queue_entry {
    int64_t at_ns;
    uint64_t sequence;
    struct io_sim_event *event;
};

struct io_sim_queue {
    struct io_sim_queue_entry *entries; /* owned */
    uint32_t count, capacity;
    uint64_t sequence;
};

static inline bool io_sim_event_armed(const struct io_sim_event *event)
{
    return event->place > 0;
}

/* event must not be armed. */
void io_sim_queue_insert(struct io_sim_queue *, struct io_sim_event *, int64_t at_ns);
/* event must be armed, in this queue. */
void io_sim_queue_remove(struct io_sim_queue *, struct io_sim_event *);
/* Does not look at the events. */
void io_sim_queue_deinit(struct io_sim_queue *);

/* The time of the first; INT64_MAX: there is none. */
static inline int64_t io_sim_queue_first_ns(const struct io_sim_queue *q)
{
    return q->count > 0 ? q->entries[0].at_ns : INT64_MAX;
}

#endif
