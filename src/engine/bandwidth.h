/* Rate limits: token buckets that connections wait at in turn. A bucket holds at most 100 ms worth,
 * so bursts are short; those who wait are woken one after another, so nobody starves. */
#ifndef ENGINE_BANDWIDTH_H
#define ENGINE_BANDWIDTH_H

#include "engine/timers.h"

struct bucket {
    struct timers *timers;
    uint64_t rate;  /* bytes per second; 0: no limit */
    int64_t tokens; /* bytes that may pass; below zero after a transfer larger than asked for */
    int64_t filled_ns;
    struct list waiters; /* of struct bucket_waiter */
    struct timer timer;
};

struct bucket_waiter {
    struct list link;
    void (*go)(struct bucket_waiter *); /* set by the owner: some bytes may pass again */
};

void bucket_init(struct bucket *, struct timers *, uint64_t rate);
void bucket_deinit(struct bucket *);
void bucket_set_rate(struct bucket *, uint64_t rate, int64_t now_ns);
/* How many of want bytes may pass now; 0: wait. */
uint64_t bucket_allows(struct bucket *, uint64_t want, int64_t now_ns);
void bucket_spend(struct bucket *, uint64_t bytes);
/* Puts the waiter at the end of the queue; go() is called once, later. A waiter waits at one
 * bucket, and only at one that has a limit. */
void bucket_wait(struct bucket *, struct bucket_waiter *, int64_t now_ns);
static inline void bucket_waiter_init(struct bucket_waiter *w, void (*go)(struct bucket_waiter *))
{
    list_init(&w->link);
    w->go = go;
}

#endif
