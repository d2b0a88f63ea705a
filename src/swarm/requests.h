/* Which block to ask next, who was asked, how many questions a peer should have, and when to give
 * up.
 *
 * One struct requests a torrent; one struct requester embedded in each connection. The order of
 * choice: the piece this peer works on, the most complete started piece it has, the picker's; then,
 * when no block is left unasked, copies of what the slowest peers owe (the endgame).
 *
 * A block is free, asked of one peer (of two in the endgame, the second one reliable), or received;
 * one that is nothing but padding (BEP 47) is never asked. A started piece stays
 * known until requests_on_piece_done(). Blocks come free again by reject, expiry, release and
 * failure: whoever causes that should afterwards offer work to idle peers, the reliable ones first,
 * or two peers that never answer could pass a block to and fro for ever. */
#ifndef SWARM_REQUESTS_H
#define SWARM_REQUESTS_H

#include "base/bitset.h"
#include "base/block.h"
#include "base/list.h"
#include "codec/layout.h"
#include "swarm/partials.h"
#include "swarm/picker.h"
#include "swarm/pipeline.h"

enum {
    REQUEST_OWNERS_MAX = 2,  /* peers that are asked for the same block */
    REQUEST_COPIES_MAX = 16, /* endgame copies outstanding at one peer */
    REQUEST_EXCLUDED_MAX = PARTIAL_EXCLUDED_MAX,
};

/* A peer as one who is asked. The first group may be read (key: written) by the connection. */
struct requester {
    uint64_t key;         /* unique among the connections of a torrent, not 0; set by the engine */
    uint32_t outstanding; /* requests it has not answered */
    uint32_t copies;      /* those of them that are endgame copies */
    bool snubbed;         /* it stopped sending: one request at a time until it delivers */
    bool reliable;        /* it has delivered, and since then given back nothing, nor sent others */
    uint32_t
        strays; /* blocks it sent that nobody asked it for, less those that it delivered since */
    struct pipeline pipeline; /* its rate and round trip */

    uint32_t reqq;            /* most requests it accepts */
    const struct bitset *has; /* as requests_next() was told; lent while outstanding > 0 */
    uint32_t piece;           /* the one it works on, or PICKER_NONE */
    uint32_t called_off;      /* its requests that were called off in time, so it seemed */
    uint32_t sole;            /* outstanding requests for blocks asked of nobody else */
    struct list asked;        /* struct request, oldest first */
    struct list node;         /* in requests.requesters while outstanding > 0 */
    int64_t recent_ns;        /* the latest time it was told */
    int64_t progress_ns;      /* when a block last came, or the first request after idleness left */
    int64_t paused_until_ns;  /* after too many rejects */
    int64_t retry_ns;         /* when a copy that is not worth asking yet may be; INT64_MAX: none */
    uint32_t rejects;         /* in a row; several for requests of one volley count once */
    uint64_t
        rejected_serial; /* requests from this one on were made after the last counted reject */
    uint64_t answered_serial; /* of the youngest request it answered */
    uint64_t lost_serial;     /* requests before this one are being taken away */
};

struct requests {
    struct picker *picker;
    struct partials partials;
    struct list requesters; /* those with something outstanding */
    struct list spare;      /* requests to be used again */
    uint64_t serial;        /* of the next request */
    uint64_t received;      /* blocks */
    uint64_t doubtful;      /* copies that did come or may come in vain */
    uint64_t outstanding;   /* requests at all peers */
    bool reliable_seen;     /* some peer has delivered */
};

struct request_choice {
    struct block block;
    bool duplicate; /* endgame copy: the block is asked of somebody else too */
    bool starts_piece;
};

/* Lends layout and picker. partial_max is at most LIMIT_PARTIAL_PIECES. SPATE_ENOMEM. */
int requests_init(struct requests *, const struct layout *, struct picker *, uint32_t partial_max);
/* No requester may have anything outstanding. */
void requests_deinit(struct requests *);

/* reqq: what the peer says it queues (BEP 10), 0: it did not say. Sets key to 0. */
void requester_init(struct requester *, uint32_t reqq, int64_t now_ns);
/* It has said so later. */
void requester_set_reqq(struct requester *, uint32_t reqq);

/* Pieces that may be fetched: wanted and missing. Tells the picker, or, when the piece is started,
 * keeps its free blocks from being asked (what is outstanding may still come). Use this rather than
 * picker_want(). */
void requests_want(struct requests *, uint32_t piece, bool wanted);

/* How many more requests this peer should have: 1.5 times the measured bandwidth-delay product and
 * 50 ms, doubling per round trip while the rate grows, at least PIPELINE_FLOOR, at most reqq and
 * LIMIT_PEER_REQUESTS_OUT; 1 when it is snubbed; 0 while it pauses after rejects. */
uint32_t requests_room(const struct requests *, const struct requester *, int64_t now_ns);

/* Chooses the next block for this peer and marks it as asked. has: NULL for a seed. may_start
 * false: the memory is at its cap, only started pieces. False: nothing for it (then
 * requests_deadline() may say when to ask again). */
bool requests_next(struct requests *, struct requester *, const struct bitset *has, bool may_start,
                   bool sequential, int64_t now_ns, struct request_choice *out);
/* The same among pieces only (allowed fast while choked, suggestions), and without copies. */
bool requests_next_from(struct requests *, struct requester *, const struct bitset *has,
                        const uint32_t *pieces, uint32_t count, bool may_start, int64_t now_ns,
                        struct request_choice *out);

enum request_verdict {
    REQUEST_WANTED,    /* it is received */
    REQUEST_DUPLICATE, /* we have it from somebody else */
    REQUEST_UNASKED,   /* this peer is not (or no longer) asked for it */
};
/* A block came. also (REQUEST_OWNERS_MAX entries): the others that were asked for it; their
 * requests are forgotten here, the engine cancels them. Measures rate and round trip in every case.
 */
enum request_verdict requests_on_block(struct requests *, struct requester *, struct block,
                                       int64_t now_ns, struct requester **also,
                                       uint32_t *also_count);
/* Bytes of a block that this peer is not asked for any more and that lie nowhere: it is alive. */
void requests_on_late(struct requests *, struct requester *, uint32_t bytes, int64_t now_ns);
/* It sent a block that no request was open for, which answers nothing: it is no sign of life, and
 * until it has delivered as many as it sent of them the peer is not reliable. */
void requests_on_unasked(struct requester *);
/* The peer will not send it. */
void requests_on_reject(struct requests *, struct requester *, struct block);
/* We did not ask for it after all. */
void requests_undo(struct requests *, struct requester *, struct block);
/* Choked without BEP 6, or closed: it is asked for nothing any more. Returns how many requests that
 * were. */
uint32_t requests_release(struct requests *, struct requester *);

/* Blocks of a piece that are already there (the resume record); those not in the set are free again
 * unless asked. SPATE_ENOMEM; SPATE_ELIMIT when too many pieces are started; SPATE_EINVAL when
 * blocks is not of this piece's size. */
int requests_restore(struct requests *, uint32_t piece, const struct bitset *blocks);
/* Its hash was wrong or its memory is lost: no block of it is there. refetch_all: it stays started,
 * so that it is fetched before others; false: where nothing of it is asked it goes back to the
 * picker. */
void requests_on_piece_failed(struct requests *, uint32_t piece, bool refetch_all);
/* Verified: forget it. What is still asked of it is forgotten too. */
void requests_on_piece_done(struct requests *, uint32_t piece);

/* Somebody owes blocks who is not reliable. */
bool requests_are_in_doubt(const struct requests *);
/* So many pieces are started that no other can be. */
bool requests_is_full(const struct requests *);
bool requests_piece_is_started(const struct requests *, uint32_t piece);
/* All its blocks but padding are received; its hash is awaited. */
bool requests_piece_is_complete(const struct requests *, uint32_t piece);
/* Which of its blocks are received; NULL when not started. Valid until the next call that changes
 * it. */
const struct bitset *requests_partial_blocks(const struct requests *, uint32_t piece);
/* The started pieces: *cursor begins at 0. PICKER_NONE at the end. */
uint32_t requests_each(const struct requests *, uint32_t *cursor);
/* key of whoever sent this block; 0: not received, from the disk, or padding. */
uint64_t requests_block_sender(const struct requests *, uint32_t piece, uint32_t block_index);

/* A piece that failed is asked whole of one peer: sender, or with 0 the first reliable one that
 * takes it (the first, while none has delivered). Those excluded and those not reliable take it only
 * when they could get nothing else. When its peer leaves, chokes or is snubbed, the next may take
 * over; a reliable one also by a copy, from a peer that is not. Starts the piece if need be:
 * SPATE_ENOMEM, SPATE_ELIMIT. */
int requests_set_parole(struct requests *, uint32_t piece, uint64_t sender,
                        const uint64_t *excluded, uint32_t excluded_count);

/* When to call requests_expire() and then offer this peer work as usual; INT64_MAX: no need. */
int64_t requests_deadline(const struct requests *, const struct requester *);
/* Takes requests away from a peer that stopped sending (it is then snubbed), or that skipped them.
 * The timeout follows its own pace: 60 s until it has delivered, then some multiple of its usual
 * response between 5 s and 60 s. Fills at most max; call again while it returns max. */
uint32_t requests_expire(struct requests *, struct requester *, int64_t now_ns, struct block *out,
                         uint32_t max);

bool requests_is_consistent(const struct requests *);

#endif
