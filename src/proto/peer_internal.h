/* What the three files of the peer machine share. */
#ifndef PROTO_PEER_INTERNAL_H
#define PROTO_PEER_INTERNAL_H

#include "proto/peer.h"

/* Queues an event; a machine that cannot is at fault (PEER_FAULT_MEMORY). */
void peer_push_event(struct peer *, struct peer_event);
/* Ends the conversation: from here on everything is ignored. */
void peer_set_fault(struct peer *, enum peer_fault);
/* Room for a control message of size bytes; a failed writer when the peer does not read. */
struct writer peer_control(struct peer *, size_t size);
/* Says that block will not be sent (BEP 6); silent without it. */
void peer_reject(struct peer *, struct block);

/* A ring of items in one array that doubles up to max: makes room for one more, or
 * SPATE_ENOMEM/ELIMIT. */
int peer_ring_grow(void **items, size_t item_bytes, uint32_t *first, uint32_t count,
                   uint32_t *capacity, uint32_t max);
static inline uint32_t peer_ring_at(uint32_t first, uint32_t i, uint32_t capacity)
{
    return (first + i) & (capacity - 1);
}
/* Drops the first item. An empty ring begins at its beginning again, where its memory is warm. */
static inline void peer_ring_pop(uint32_t *first, uint32_t *count, uint32_t capacity)
{
    *first = --*count > 0 ? peer_ring_at(*first, 1, capacity) : 0;
}

#endif
