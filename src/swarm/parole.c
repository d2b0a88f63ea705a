/* Blame. SHA-1 (BEP 3) covers a whole piece, so a failed piece says only that somebody lied;
 * banning all its senders would let one liar remove everybody else.
 *
 * Commandments:
 *   - Guilty is whose remembered block differs from the verified one, or who sent a whole failed
 *     piece.
 *   - An attempt is remembered until its piece verifies or is forgotten; beyond the bounds the
 *     oldest goes.
 *   - No memory means no memory of the attempt, and nobody blamed. */
#include "swarm/parole.h"

#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

struct parole_block {
    uint64_t digest, sender;
};

/* One failed attempt at a piece. */
struct record {
    struct list node;
    uint32_t piece;
    uint32_t block_count;
    struct parole_block blocks[];
};

void parole_init(struct parole *p)
{
    *p = (struct parole){0};
    list_init(&p->records);
}

static void drop(struct parole *p, struct record *record)
{
    list_remove(&record->node);
    p->record_count--;
    p->block_count -= record->block_count;
    free(record);
}

void parole_deinit(struct parole *p)
{
    list_for_each_safe (node, &p->records) {
        drop(p, list_entry(node, struct record, node));
    }
}

/* The sender of all blocks, or 0. */
static uint64_t only_sender(const uint64_t *senders, uint32_t block_count)
{
    for (uint32_t i = 1; i < block_count; i++) {
        if (senders[i] != senders[0]) {
            return 0;
        }
    }
    return block_count > 0 ? senders[0] : 0;
}

uint64_t parole_on_failed(struct parole *p, uint32_t piece, const uint64_t *digests,
                          const uint64_t *senders, uint32_t block_count)
{
    uint64_t guilty = only_sender(senders, block_count);
    if (guilty || block_count == 0 || block_count > LIMIT_PAROLE_BLOCKS) {
        return guilty;
    }
    struct record *record = malloc(sizeof *record + block_count * sizeof record->blocks[0]);
    if (!record) {
        return 0;
    }
    while (p->record_count >= LIMIT_PAROLE_RECORDS ||
           p->block_count > LIMIT_PAROLE_BLOCKS - block_count) {
        drop(p, list_entry(list_first(&p->records), struct record, node));
    }
    record->piece = piece;
    record->block_count = block_count;
    for (uint32_t i = 0; i < block_count; i++) {
        record->blocks[i] = (struct parole_block){digests[i], senders[i]};
    }
    list_push_back(&p->records, &record->node);
    p->record_count++;
    p->block_count += block_count;
    return 0;
}

/* Adds a sender to a set, unless it is nobody or there already. */
static uint32_t add_sender(uint64_t *set, uint32_t count, uint32_t max, uint64_t sender)
{
    if (sender == 0 || count == max) {
        return count;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (set[i] == sender) {
            return count;
        }
    }
    set[count] = sender;
    return count + 1;
}

uint32_t parole_on_verified(struct parole *p, uint32_t piece, const uint64_t *digests,
                            uint32_t block_count, uint64_t *guilty, uint32_t max)
{
    uint32_t count = 0;
    list_for_each_safe (node, &p->records) {
        struct record *record = list_entry(node, struct record, node);
        if (record->piece != piece) {
            continue;
        }
        for (uint32_t i = 0; i < record->block_count && record->block_count == block_count; i++) {
            if (record->blocks[i].digest != digests[i]) {
                count = add_sender(guilty, count, max, record->blocks[i].sender);
            }
        }
        drop(p, record);
    }
    return count;
}

bool parole_is_on(const struct parole *p, uint32_t piece)
{
    list_for_each (node, &p->records) {
        if (list_entry(node, struct record, node)->piece == piece) {
            return true;
        }
    }
    return false;
}

uint32_t parole_suspects(const struct parole *p, uint32_t piece, uint64_t *out, uint32_t max)
{
    uint32_t count = 0;
    list_for_each (node, &p->records) {
        const struct record *record = list_entry(node, struct record, node);
        for (uint32_t i = 0; record->piece == piece && i < record->block_count; i++) {
            count = add_sender(out, count, max, record->blocks[i].sender);
        }
    }
    return count;
}

void parole_forget(struct parole *p, uint32_t piece)
{
    list_for_each_safe (node, &p->records) {
        struct record *record = list_entry(node, struct record, node);
        if (record->piece == piece) {
            drop(p, record);
        }
    }
}

bool parole_is_consistent(const struct parole *p)
{
    uint32_t records = 0, blocks = 0;
    list_for_each (node, &p->records) {
        records++;
        blocks += list_entry(node, struct record, node)->block_count;
    }
    return records == p->record_count && blocks == p->block_count &&
           records <= LIMIT_PAROLE_RECORDS && blocks <= LIMIT_PAROLE_BLOCKS;
}
