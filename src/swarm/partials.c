/* Started pieces. A block takes 16 bytes here while its 16 KiB come in.
 *
 * Commandments:
 *   - A piece is either the picker's candidate or started, never both.
 *   - A wanted piece with a free block is in the open list, and nothing else is.
 *   - A piece of which nothing is asked or received is not started, unless it failed.
 *   - A block of padding is that and nothing else for as long as its piece is started. */
#include "swarm/partials.h"

#include "base/error.h"
#include "base/limits.h"

#include <stdlib.h>

int partials_init(struct partials *t, const struct layout *layout, struct picker *picker,
                  uint32_t max)
{
    ASSERT(max > 0 && max <= LIMIT_PARTIAL_PIECES);
    ASSERT(layout->piece_count == picker->piece_count);
    *t = (struct partials){.layout = layout, .picker = picker, .max = max};
    list_init(&t->open);
    t->slot_of = calloc(layout->piece_count ? layout->piece_count : 1, sizeof *t->slot_of);
    t->slots = calloc(max, sizeof *t->slots);
    t->free_slots = calloc(max, sizeof *t->free_slots);
    if (!t->slot_of || !t->slots || !t->free_slots) {
        partials_deinit(t);
        return SPATE_ENOMEM;
    }
    for (uint32_t i = 0; i < max; i++) {
        t->free_slots[i] = (uint16_t)(max - 1 - i);
    }
    return 0;
}

static void partial_destroy(struct partial *p)
{
    bitset_deinit(&p->received);
    free(p);
}

void partials_deinit(struct partials *t)
{
    for (uint32_t i = 0; t->slots && i < t->max; i++) {
        if (t->slots[i]) {
            partial_destroy(t->slots[i]);
        }
    }
    free(t->slot_of);
    free(t->slots);
    free(t->free_slots);
    t->slot_of = NULL;
    t->slots = NULL;
    t->free_slots = NULL;
    t->count = 0;
}

struct partial *partials_get(const struct partials *t, uint32_t piece)
{
    if (piece >= t->layout->piece_count || t->slot_of[piece] == 0) {
        return NULL;
    }
    return t->slots[t->slot_of[piece] - 1];
}

struct partial *partials_start(struct partials *t, uint32_t piece, int *error)
{
    if (t->count == t->max) {
        *error = SPATE_ELIMIT;
        return NULL;
    }
    uint32_t blocks = layout_block_count(t->layout, piece);
    struct partial *p = calloc(1, sizeof *p + (size_t)blocks * sizeof p->cells[0]);
    if (!p || bitset_init(&p->received, blocks)) {
        free(p);
        *error = SPATE_ENOMEM;
        return NULL;
    }
    p->piece = piece;
    p->block_count = p->free_count = blocks;
    struct padding padding = padding_begin(t->layout, piece);
    for (uint32_t i; (i = padding_next(&padding)) != PADDING_NONE;) {
        p->cells[i].state = CELL_PADDING;
        p->free_count--;
    }
    partial_find_free(p);
    p->wanted = picker_is_candidate(t->picker, piece);
    list_init(&p->node);
    picker_want(t->picker, piece, false);
    uint16_t slot = t->free_slots[t->max - ++t->count];
    t->slots[slot] = p;
    t->slot_of[piece] = (uint16_t)(slot + 1);
    return p;
}

void partials_forget(struct partials *t, struct partial *p)
{
    ASSERT(p->asked_count == 0);
    uint16_t slot = (uint16_t)(t->slot_of[p->piece] - 1);
    t->slot_of[p->piece] = 0;
    t->slots[slot] = NULL;
    t->free_slots[t->max - t->count--] = slot;
    list_remove(&p->node);
    partial_destroy(p);
}

void partials_reopen(struct partials *t, struct partial *p)
{
    bool open = p->wanted && p->free_count > 0;
    if (open && !list_linked(&p->node)) {
        list_push_back(&t->open, &p->node);
    } else if (!open) {
        list_remove(&p->node);
    }
}

void partials_settle(struct partials *t, struct partial *p)
{
    if (!partial_is_empty(p) || p->kept) {
        partials_reopen(t, p);
        return;
    }
    uint32_t piece = p->piece;
    bool wanted = p->wanted;
    partials_forget(t, p);
    picker_want(t->picker, piece, wanted);
}

struct block partials_block(const struct partials *t, uint32_t piece, uint32_t index)
{
    return (struct block){piece, index * BLOCK_BYTES, layout_block_length(t->layout, piece, index)};
}

void partial_make_free(struct partial *p, uint32_t index)
{
    p->cells[index] = (struct cell){.state = CELL_FREE};
    p->free_count++;
    if (index < p->first_free) {
        p->first_free = index;
    }
}

void partial_find_free(struct partial *p)
{
    while (p->first_free < p->block_count && p->cells[p->first_free].state != CELL_FREE) {
        p->first_free++;
    }
}

static bool partial_is_consistent(const struct partials *t, const struct partial *p)
{
    uint32_t free_count = 0, asked = 0, received = 0, first_free = p->block_count;
    struct padding padding = padding_begin(t->layout, p->piece);
    uint32_t next_padding = padding_next(&padding);
    for (uint32_t i = 0; i < p->block_count; i++) {
        enum cell_state state = p->cells[i].state;
        first_free = state == CELL_FREE && first_free == p->block_count ? i : first_free;
        free_count += state == CELL_FREE;
        asked += state == CELL_ASKED;
        received += state == CELL_RECEIVED;
        if ((state == CELL_RECEIVED) != bitset_get(&p->received, i) ||
            (state == CELL_PADDING) != (i == next_padding)) {
            return false;
        }
        next_padding = i == next_padding ? padding_next(&padding) : next_padding;
    }
    return p->block_count == layout_block_count(t->layout, p->piece) &&
           free_count == p->free_count && asked == p->asked_count && received == p->received.ones &&
           first_free == p->first_free &&
           list_linked(&p->node) == (p->wanted && p->free_count > 0) &&
           !picker_is_candidate(t->picker, p->piece) &&
           (p->kept || (!partial_is_empty(p) && !p->parole));
}

bool partials_is_consistent(const struct partials *t)
{
    uint32_t started = 0, open = 0, listed = 0;
    for (uint32_t i = 0; i < t->layout->piece_count; i++) {
        const struct partial *p = partials_get(t, i);
        if (p && (p->piece != i || !partial_is_consistent(t, p))) {
            return false;
        }
        started += p != NULL;
        open += p && list_linked(&p->node);
    }
    list_for_each (node, &t->open) {
        listed++;
    }
    return started == t->count && open == listed;
}
