/* Strangers that break the rules, each in one way of its own: a table of behaviours, and the hosts that play them. What
 * must come of each stands in its row. */
#ifndef TESTS_SIM_HOSTILE_H
#define TESTS_SIM_HOSTILE_H

#include "world.h"

enum { HOSTILE_PIECES = 31, HOSTILE_PIECE_BYTES = 131072 };

enum hostile_victim { HOSTILE_TO_LEECH, HOSTILE_TO_SEED };

/* What must come of it, apart from this: every honest peer finishes with the right bytes, and none is banned. */
enum hostile_end {
    HOSTILE_CLOSED,  /* its connection is closed for the reason of the row */
    HOSTILE_BANNED,  /* its address is */
    HOSTILE_ENDURED, /* nothing need come of it */
    HOSTILE_STARVED, /* it is given less than half of the payload while the honest ones are not done */
};

enum hostile_flags {
    HOSTILE_LISTENS = 1, /* it is dialled by its victim; otherwise it dials */
    HOSTILE_RAW = 2,     /* no handshake but what the row itself sends */
    HOSTILE_SLOW = 4,    /* without BEP 6 and BEP 10 */
    HOSTILE_DEAF = 8,    /* reads nothing after the handshake */
    HOSTILE_AGAIN = 16,  /* dials again as soon as it is closed */
};

struct hostile;
struct hostile_conn;

enum hostile_moment {
    HOSTILE_BEGIN,   /* connected (raw), or both handshakes are done */
    HOSTILE_MESSAGE, /* one has come: see hostile_message */
    HOSTILE_TICK,    /* ten times a second */
};

struct hostile_message {
    uint8_t id;
    struct block block; /* its first three numbers, as far as it has them */
};

struct hostile_behaviour {
    const char *name; /* goes on from "a stranger that ..." */
    enum hostile_victim victim;
    uint32_t flags;
    enum hostile_end end;
    const char *reason; /* CLOSED: what the victim's log says */
    const char *bytes;  /* sent at the beginning */
    size_t size;
    void (*act)(struct hostile_conn *, enum hostile_moment, const struct hostile_message *);
};

extern const struct hostile_behaviour hostile_behaviours[];
extern const int hostile_behaviour_count;

/* A host of its own at 10.66.0.number. */
struct hostile *hostile_create(struct world *, uint8_t number, uint64_t seed,
                               const struct hostile_behaviour *);
struct addr hostile_address(const struct hostile *);
/* Begins to do what it does to this peer. */
void hostile_meet(struct hostile *, struct world_peer *);
struct hostile_deeds {
    uint32_t connections, closed; /* by the other side */
    uint64_t payload_bytes;       /* that it was given */
};
struct hostile_deeds hostile_deeds(const struct hostile *);
/* After the world has ended. */
void hostile_destroy(struct hostile *);

/* ---- for behaviours --------------------------------------------------------------------------- */

struct world *hostile_world(struct hostile_conn *);
uint32_t hostile_roll(struct hostile_conn *, uint32_t sides);
int64_t hostile_now(struct hostile_conn *);
/* A number of the behaviour's own, zero at first. */
uint32_t *hostile_counter(struct hostile_conn *);
/* All false: no room. What is said leaves as fast as the link lets it. */
bool hostile_say(struct hostile_conn *, const void *bytes, size_t size);
bool hostile_say_plain(struct hostile_conn *, uint8_t id);
bool hostile_say_index(struct hostile_conn *, uint8_t id, uint32_t piece);
bool hostile_say_block(struct hostile_conn *, uint8_t id, uint32_t piece, uint32_t offset,
                       uint32_t length);
/* A block of the payload; wrong: with a byte changed. */
bool hostile_serve(struct hostile_conn *, struct block, bool wrong);
/* A handshake with another torrent's hash, or with the victim's own peer id. */
void hostile_shake(struct hostile_conn *, bool wrong_hash, bool mirror_id);
void hostile_hang_up(struct hostile_conn *);

#endif
