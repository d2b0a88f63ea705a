/* Who sent the bad block. A failed piece is remembered as one digest and one sender a block; when
 * the piece has come again and verifies, whoever sent a block that differs from the true one is
 * guilty, and nobody else. */
#ifndef SWARM_PAROLE_H
#define SWARM_PAROLE_H

#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

struct parole {
    struct list records;   /* failed attempts, oldest first; a piece may have several */
    uint32_t record_count; /* at most LIMIT_PAROLE_RECORDS: beyond it the oldest is forgotten */
    uint32_t block_count;  /* of all records, at most LIMIT_PAROLE_BLOCKS */
};

void parole_init(struct parole *);
void parole_deinit(struct parole *);

/* A piece failed. digests and senders: one a block; sender 0: nobody (the block came from our
 * disk). Returns the sender when every block came from that one, which is then proven guilty, else
 * 0: who it was shows once the piece verifies. Whether the last source of a torrent is to be banned
 * is for the caller. */
uint64_t parole_on_failed(struct parole *, uint32_t piece, const uint64_t *digests,
                          const uint64_t *senders, uint32_t block_count);
/* The piece verified. Writes at most max different senders whose remembered blocks were wrong,
 * returns how many, and forgets the piece. */
uint32_t parole_on_verified(struct parole *, uint32_t piece, const uint64_t *digests,
                            uint32_t block_count, uint64_t *guilty, uint32_t max);
/* A failed attempt of this piece is remembered. */
bool parole_is_on(const struct parole *, uint32_t piece);
/* The different senders of remembered attempts (0 left out): whom not to ask again first. */
uint32_t parole_suspects(const struct parole *, uint32_t piece, uint64_t *out, uint32_t max);
/* The piece was failed by us (a disk error), or is not wanted any more. */
void parole_forget(struct parole *, uint32_t piece);

bool parole_is_consistent(const struct parole *);

#endif
