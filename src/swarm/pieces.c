/* The state of each piece of a torrent as three sets with counters.
 *
 * Commandments:
 *   - durable is a part of have: a piece is written before it is synced.
 *   - A piece that is lost is lost in both, at once.
 *   - The counters are right after every call; nothing ever counts bits. */
#include "swarm/pieces.h"

#include "base/error.h"

int pieces_init(struct pieces *p, uint32_t count)
{
    *p = (struct pieces){.missing = count, .not_durable = count};
    if (bitset_init(&p->have, count) || bitset_init(&p->durable, count) ||
        bitset_init(&p->wanted, count)) {
        pieces_deinit(p);
        return SPATE_ENOMEM;
    }
    bitset_fill(&p->wanted);
    return 0;
}

void pieces_deinit(struct pieces *p)
{
    bitset_deinit(&p->have);
    bitset_deinit(&p->durable);
    bitset_deinit(&p->wanted);
    p->missing = p->not_durable = 0;
}

bool pieces_on_written(struct pieces *p, uint32_t piece)
{
    if (!bitset_set(&p->have, piece)) {
        return false;
    }
    p->missing -= bitset_get(&p->wanted, piece);
    return true;
}

bool pieces_on_durable(struct pieces *p, uint32_t piece)
{
    if (!bitset_get(&p->have, piece) || !bitset_set(&p->durable, piece)) {
        return false;
    }
    p->not_durable -= bitset_get(&p->wanted, piece);
    return true;
}

bool pieces_on_lost(struct pieces *p, uint32_t piece)
{
    bool wanted = bitset_get(&p->wanted, piece);
    if (bitset_clear(&p->durable, piece)) {
        p->not_durable += wanted;
    }
    if (!bitset_clear(&p->have, piece)) {
        return false;
    }
    p->missing += wanted;
    return true;
}

bool pieces_want(struct pieces *p, uint32_t piece, bool wanted)
{
    bool missing = !bitset_get(&p->have, piece);
    bool not_durable = !bitset_get(&p->durable, piece);
    if (wanted) {
        if (!bitset_set(&p->wanted, piece)) {
            return false;
        }
        p->missing += missing;
        p->not_durable += not_durable;
    } else {
        if (!bitset_clear(&p->wanted, piece)) {
            return false;
        }
        p->missing -= missing;
        p->not_durable -= not_durable;
    }
    return true;
}

bool pieces_is_consistent(const struct pieces *p)
{
    uint32_t have = 0, durable = 0, wanted = 0, missing = 0, not_durable = 0;
    for (uint32_t i = 0; i < p->have.count; i++) {
        bool h = bitset_get(&p->have, i);
        bool d = bitset_get(&p->durable, i);
        bool w = bitset_get(&p->wanted, i);
        if (d && !h) {
            return false;
        }
        have += h;
        durable += d;
        wanted += w;
        missing += w && !h;
        not_durable += w && !d;
    }
    return have == p->have.ones && durable == p->durable.ones && wanted == p->wanted.ones &&
           missing == p->missing && not_durable == p->not_durable;
}
