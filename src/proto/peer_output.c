/* Sending (BEP 3): what must leave, as views. A block that has begun is finished first, then
 * control messages, then further blocks, so that a HAVE or a CHOKE never waits for a queue of
 * blocks. */
#include "proto/peer_internal.h"

#include "base/error.h"

/* So many may come again: what got lost on their disk, or was spoilt by somebody else. */
enum { PEER_AGAIN_MAX = 32 };

struct block peer_serving_at(const struct peer *p, uint32_t i)
{
    return p->serving[peer_ring_at(p->serving_first, i, p->serving_capacity)];
}

/* Adds header and data of one block from byte `skip` on; the number of parts. */
static int add_block(struct peer *p, struct part *out, uint32_t i, uint32_t skip)
{
    struct block block = peer_serving_at(p, i);
    uint8_t *head = p->scratch->send_heads[i];
    int count = 0;
    if (skip < WIRE_PIECE_HEADER_BYTES) {
        wire_write_piece_header(head, block);
        out[count++] = (struct part){.bytes = head + skip, .size = WIRE_PIECE_HEADER_BYTES - skip};
        skip = WIRE_PIECE_HEADER_BYTES;
    }
    uint32_t sent = skip - WIRE_PIECE_HEADER_BYTES;
    struct block rest = {block.piece, block.offset + sent, block.length - sent};
    out[count++] = (struct part){.bytes = NULL, .size = rest.length, .block = rest};
    return count;
}

int peer_send(struct peer *p, struct part *out, int max)
{
    ASSERT(max >= 5);
    int count = 0;
    uint32_t i = 0;
    if (p->serving_sent > 0) {
        count += add_block(p, out, 0, p->serving_sent);
        i = 1;
    }
    if (p->control_size > 0) {
        out[count++] =
            (struct part){.bytes = p->control + p->control_first, .size = p->control_size};
    }
    for (; i < p->serving_count && i < PEER_SEND_BLOCKS && count + 2 <= max; i++) {
        count += add_block(p, out + count, i, 0);
    }
    return count;
}

/* Whoever takes the same few blocks for ever wastes what others could use. */
static void note_sent(struct peer *p, struct block block)
{
    uint64_t offset = (uint64_t)block.piece * p->piece_length + block.offset;
    uint32_t number = (uint32_t)(offset ^ offset >> 32) + 1;
    bool again = false;
    for (int i = 0; i < PEER_SENT_LAST; i++) {
        again |= p->sent_last[i] == number;
    }
    p->sent_last[p->sent_blocks++ % PEER_SENT_LAST] = number;
    p->sent_again += again;
    if (p->sent_again > PEER_AGAIN_MAX && p->sent_again > p->sent_blocks / 2) {
        peer_set_fault(p, PEER_FAULT_AGAIN);
    }
}

/* The first block has advanced by up to n bytes; how many. */
static size_t advance_block(struct peer *p, size_t n)
{
    size_t total = WIRE_PIECE_HEADER_BYTES + peer_serving_at(p, 0).length;
    size_t left = total - p->serving_sent;
    if (n < left) {
        p->serving_sent += (uint32_t)n;
        return n;
    }
    p->serving_sent = 0;
    note_sent(p, peer_serving_at(p, 0));
    peer_ring_pop(&p->serving_first, &p->serving_count, p->serving_capacity);
    return left;
}

void peer_sent(struct peer *p, size_t n, int64_t now_ns)
{
    p->sent_bytes += n;
    p->sent_ns = now_ns;
    if (p->serving_sent > 0) {
        n -= advance_block(p, n);
    }
    size_t control = n < p->control_size ? n : p->control_size;
    p->control_first += (uint32_t)control;
    p->control_size -= (uint32_t)control;
    n -= control;
    while (n > 0) {
        ASSERT(p->serving_count > 0);
        n -= advance_block(p, n);
    }
    if (p->control_size == 0) {
        p->control_first = 0;
    }
}
