/* Super-seeding (BEP 16): while we alone have pieces, who is told of which. A seed whose line is what a
 * crowd waits for should send every piece once before it sends any twice. So it shows each peer but a few
 * pieces, different ones to different peers, and more as those are asked for; what is out, the peers get from
 * each other.
 *
 * It is over when every piece is somewhere else, or has been sent to somebody: then everybody is shown
 * everything. It waits for no news: a peer that forwards nothing, or does not say what it has, delays nobody,
 * and who takes nothing of what it was shown loses it to the others. */
#ifndef SWARM_SUPERSEED_H
#define SWARM_SUPERSEED_H

#include "base/bitset.h"
#include "base/dice.h"
#include "swarm/picker.h"

enum {
    SUPERSEED_SHOWN_MAX = 32, /* pieces that one peer may choose from */
    SUPERSEED_SHOWN_MIN = 2,  /* so that the next is there while one is sent */
    SUPERSEED_BELIEVED = 3, /* so many say that they have a piece which we never sent: it is out */
};

struct superseed {
    struct bitset alone;   /* pieces that nobody else is known to have, and that we have not sent */
    struct bitset fresh;   /* those of them that nobody is to bring out */
    struct bitset unshown; /* those of them that nobody has been told of */
    uint64_t *holders;     /* by piece: the key of the peer that is to bring it out; 0: nobody */
    struct dice dice;
    uint64_t sent_bytes; /* to everybody, as of the last look */
    uint64_t most_bytes; /* between two looks */
    uint32_t quiet;      /* looks in a row that saw next to nothing sent */
};

/* A piece that a peer was told of and lacks. */
struct superseed_shown {
    uint32_t piece;
    uint32_t unasked; /* blocks that it has not asked for */
};

/* What one peer may choose from. */
struct superseed_view {
    bool hidden;             /* it has not been told of everything */
    bool idle;               /* it gets nowhere, and is to bring nothing out */
    uint64_t taken_bytes;    /* of what we sent it, when it was last looked at */
    uint64_t progress_bytes; /* when a piece that it was shown last got to it */
    uint32_t count;
    struct superseed_shown shown[SUPERSEED_SHOWN_MAX];
};

/* Whether it pays, with so many peers: many pieces are ours alone, and none of the peers has everything. */
bool superseed_pays(const struct picker *, uint32_t peers);

/* SPATE_ENOMEM. */
int superseed_init(struct superseed *, const struct picker *, uint64_t seed);
void superseed_deinit(struct superseed *);

/* The peer has asked for a block of the piece. */
void superseed_on_asked(struct superseed_view *, uint32_t piece);
/* All that the peer asked for has left. */
void superseed_on_sent(struct superseed *, struct superseed_view *, uint64_t sent_bytes,
                       uint32_t piece_length);
/* A peer with this key says that it has the piece, as so many peers say by now. */
void superseed_on_had(struct superseed *, struct superseed_view *, uint32_t piece, uint64_t key,
                      uint32_t availability, uint64_t sent_bytes);
/* Whether a peer to which so much was sent so far has got anywhere since the last look: if it is to bring something
 * out it has taken some of what would be fair, and not twice as much as it was shown without having got any of it.
 * Called every second or two while it is not choked. */
void superseed_look(struct superseed *, struct superseed_view *, uint64_t key, uint64_t sent_bytes,
                    uint64_t fair_bytes, uint32_t piece_length);
/* What a peer was to bring out it does not get: we choke it, it takes nothing, or it is gone. */
void superseed_on_choked(struct superseed *, uint64_t key);
/* Every piece is somewhere else, or was sent. */
static inline bool superseed_is_over(const struct superseed *s)
{
    return s->alone.ones == 0;
}

/* Called as often, with what was sent to everybody since it began: it is over when two calls saw next to nothing
 * sent, or twice what there is in all. Then what is shown to whom is not what the line is to be spent on. */
bool superseed_is_stuck(struct superseed *, uint64_t sent_bytes, uint64_t total_bytes);

/* How many pieces a peer should have to choose from or wait for: what it takes in a second at this rate, which
 * is more than it takes until it hears of the next one. Beyond SUPERSEED_SHOWN_MAX it is to be shown
 * everything: the lines are too fast for the pieces. */
uint32_t superseed_quota(uint64_t bytes_per_s, uint32_t piece_length);

/* One more piece of so many blocks to tell a peer with this key, which is not 0, of, so that it has quota pieces to bring out; PICKER_NONE when
 * it has, or nothing is left. waiting: how many it has asked for that have not left. */
uint32_t superseed_show(struct superseed *, struct superseed_view *, uint64_t key, uint32_t quota,
                        uint32_t waiting, uint32_t blocks);
/* The same for a peer that we choke: one piece that it lacks makes it interested, and is nobody's yet. */
uint32_t superseed_lure(struct superseed *, struct superseed_view *, uint32_t blocks);

bool superseed_is_consistent(const struct superseed *);

#endif
