/* One peer connection's protocol (BEP 3, 6, 10, 21, 54) as a machine: bytes in, events out; calls
 * in, bytes out. It knows no socket, no clock and no file.
 *
 * Receiving is in place: peer_space() says where the next bytes should land, with the slots of the
 * blocks whose answers are due first in line; peer_received() says how many did. Sending yields
 * parts, where a block is a part without bytes that the engine fills in.
 *
 * A fault of the peer is the event PEER_FAULT; after it the machine accepts and ignores everything.
 */
#ifndef PROTO_PEER_H
#define PROTO_PEER_H

#include "base/bitset.h"
#include "base/block.h"
#include "base/limits.h"
#include "codec/ext.h"
#include "codec/wire.h"

#include <sys/uio.h>

enum {
    PEER_SENT_LAST = 16,            /* blocks remembered of what was sent */
    PEER_SPECULATE_BYTES = 1 << 20, /* how far ahead answers are guessed, at most */
    PEER_SPECULATE_BLOCKS = PEER_SPECULATE_BYTES / BLOCK_BYTES,
    PEER_LANDING_BYTES = 256 << 10, /* room when there is no more to guess */
    /* Of a new peer as many blocks are guessed as the landing has room for, from where each would be copied. */
    PEER_GUESSES_AT_FIRST = 4 * (PEER_LANDING_BYTES / BLOCK_BYTES),
    PEER_SPACE_MAX = 2 * PEER_SPECULATE_BLOCKS + 2, /* parts peer_space() may use */
    /* What fills all of them. */
    PEER_SPACE_BYTES = PEER_SPECULATE_BYTES + LIMIT_PEER_REQUEST_BYTES + PEER_LANDING_BYTES +
                       PEER_SPACE_MAX * WIRE_PIECE_HEADER_BYTES,
    PEER_SEND_BLOCKS = 64,    /* that peer_send() yields at once */
    PEER_EVENTS_MAX = 524288, /* more than a receive holds of the shortest messages with an event */
};
_Static_assert(PEER_EVENTS_MAX > PEER_SPACE_BYTES / 5, "the events of one receive always fit");

/* Memory that all peers of a session share within a turn. */
struct peer_scratch {
    uint8_t landing[PEER_LANDING_BYTES];    /* bytes nobody predicted */
    uint8_t flat[PEER_SPACE_BYTES];         /* a failed prediction, laid out straight */
    uint8_t sink[LIMIT_PEER_REQUEST_BYTES]; /* blocks nobody wants any more */
    struct {
        uint8_t *bytes;
        size_t size;
    } plan[PEER_SPACE_MAX]; /* what peer_space() last promised */
    int plan_count;
    uint8_t plan_heads[PEER_SPECULATE_BLOCKS + 1][WIRE_PIECE_HEADER_BYTES];
    uint8_t send_heads[PEER_SEND_BLOCKS]
                      [WIRE_PIECE_HEADER_BYTES]; /* what peer_send() last yielded */
};

enum peer_fault {
    PEER_FAULT_NONE = 0,
    PEER_FAULT_HANDSHAKE, /* not BitTorrent */
    PEER_FAULT_INFO_HASH, /* another torrent than the one dialled */
    PEER_FAULT_SELF,      /* our own peer id */
    PEER_FAULT_LENGTH,    /* a message of a wrong or excessive length */
    PEER_FAULT_BITFIELD,  /* wrong length or spare bits, or too many of them */
    PEER_FAULT_PIECE,     /* a piece number out of range */
    PEER_FAULT_REQUEST,   /* a request out of range or too long */
    PEER_FAULT_NOT_FAST,  /* a message of BEP 6 without having said so */
    PEER_FAULT_FLOOD,     /* more than our bounds, and it does not read our answers */
    PEER_FAULT_EXTENSION, /* malformed extension payload */
    PEER_FAULT_UNASKED,   /* blocks that nobody asked for, again and again */
    PEER_FAULT_AGAIN,     /* takes the same few blocks again and again */
    PEER_FAULT_TIMEOUT_HANDSHAKE,
    PEER_FAULT_TIMEOUT, /* silent for too long */
    PEER_FAULT_MEMORY,  /* ours: no memory for what it sent */
};
const char *peer_fault_text(enum peer_fault);

enum peer_event_type {
    PEER_HANDSHAKE,  /* info_hash known; incoming: call peer_accept() or close */
    PEER_IDENTIFIED, /* its peer id has come too, and both have shaken hands */
    PEER_CHOKED,     /* without BEP 6 every outstanding request is void: see peer_forget() */
    PEER_UNCHOKED,
    PEER_INTERESTED,
    PEER_NOT_INTERESTED,
    PEER_HAS,       /* has changed by a bitfield, have all or have none: all of it; had is void */
    PEER_HAVE,      /* has gained piece */
    PEER_DONT_HAVE, /* has lost piece (BEP 54) */
    PEER_REQUEST,   /* wants block; answer with peer_serve or peer_refuse */
    PEER_CANCEL,    /* does not want block any more; it is forgotten unless it is being sent */
    PEER_BLOCK,     /* block has arrived at destination; NULL: it went to the sink */
    PEER_REJECT,    /* will not send block (BEP 6); destination is ours again */
    PEER_SUGGEST,   /* piece (BEP 6) */
    PEER_ALLOWED_FAST, /* piece may be asked for while choked (BEP 6) */
    PEER_EXTENDED,     /* the extension handshake has come: peer->extended */
    PEER_FAULT,
};

struct peer_event {
    enum peer_event_type type;
    enum peer_fault fault;
    uint32_t piece;
    struct block block;
    uint8_t *destination;
    bool unasked; /* PEER_BLOCK: no request was open for it, redirected ones included */
};

/* One request of ours that is outstanding. */
struct peer_pending {
    struct block block;
    uint8_t *destination; /* NULL: redirected to the sink */
};

struct peer_settings {
    struct peer_scratch *scratch;
    const uint8_t *info_hash; /* NULL: incoming, not known yet */
    const uint8_t *peer_id;   /* ours, 20 bytes */
    int64_t now_ns;
};

/* How far the bytes of the present message have come. */
enum peer_reading {
    PEER_READ_HANDSHAKE,
    PEER_READ_HEAD, /* length, id, and all of a short message */
    PEER_READ_BODY, /* of a bitfield or an extension message */
    PEER_READ_BLOCK,
    PEER_READ_SKIP, /* a message that we do not know */
};

struct peer {
    /* What it is and has; read by the engine. */
    struct wire_handshake remote;  /* its handshake */
    struct ext_handshake extended; /* its extension handshake, zero until PEER_EXTENDED */
    struct bitset has;             /* pieces it has */
    bool incoming;
    bool handshaked;            /* both ways */
    bool chokes_us, interested; /* it; chokes_us begins true */
    bool we_choke, we_are_interested;
    enum peer_fault fault;
    uint64_t received_bytes, sent_bytes; /* everything on the wire */
    uint64_t sunk_bytes;                 /* payload that went to the sink */

    /* The machine's own. */
    struct peer_scratch *scratch;
    uint8_t peer_id[20];
    uint32_t piece_count, piece_length;
    uint64_t total_length;
    enum peer_reading reading;
    uint8_t head[WIRE_HANDSHAKE_BYTES];
    uint32_t head_size;
    uint8_t id;                    /* of the message being read */
    uint32_t body_size, body_left; /* PEER_READ_BODY: size, still to come; _SKIP: still to come */
    uint8_t *body;                 /* grown as bytes come */
    uint32_t body_capacity;
    struct peer_pending arriving; /* PEER_READ_BLOCK */
    bool arriving_asked;
    uint32_t arrived_bytes;

    struct peer_pending *pending; /* ring of requests of ours, oldest first */
    uint32_t pending_first, pending_count, pending_capacity;

    int right_guesses; /* in a row */

    uint8_t *control; /* control messages waiting to leave */
    uint32_t control_first, control_size, control_capacity, control_max;
    struct block *wants; /* ring: requests of the peer, not yet served */
    uint32_t wants_first, wants_count, wants_capacity;
    struct block *serving; /* ring: blocks to be sent, in order */
    uint32_t serving_first, serving_count, serving_capacity;
    uint32_t serving_sent; /* bytes of header and data of the first that have left */
    uint32_t
        sent_last[PEER_SENT_LAST];    /* the latest blocks that left, a number for each; 0: none */
    uint32_t sent_blocks, sent_again; /* and how many of them were among the ones just before */

    struct peer_event *events; /* ring */
    uint32_t events_first, events_count, events_capacity;
    uint32_t bitfields, unasked;
    int64_t received_ns, sent_ns, created_ns, deadline_ns;
};

/* Takes little memory; more grows with use and is freed by peer_deinit. With an info-hash the
 * handshake waits to be sent. */
int peer_init(struct peer *, const struct peer_settings *);
void peer_deinit(struct peer *);

/* After PEER_HANDSHAKE of an incoming peer: its torrent was found; our handshake waits to be sent.
 */
int peer_accept(struct peer *, const uint8_t info_hash[20]);
/* The torrent's shape, known from the start or once the metadata is: before that `has` is empty and
 * requests cannot be made. SPATE_ENOMEM. */
int peer_set_pieces(struct peer *, uint32_t piece_count, uint32_t piece_length,
                    uint64_t total_length);
/* The first messages after the handshakes: what we have (all, none or a bitfield) and our extension
 * handshake. */
int peer_introduce(struct peer *, const struct bitset *have, const struct ext_handshake *ours);

/* ---- receiving ------------------------------------------------------------------------------- */

/* Where the next bytes should land; valid until the next call on a peer with this scratch. v has
 * PEER_SPACE_MAX entries. */
int peer_space(struct peer *, struct iovec *v);
/* n bytes have landed there. 0, or SPATE_ENOMEM. */
int peer_received(struct peer *, size_t n, int64_t now_ns);
/* The same for bytes that lie elsewhere (tests, transports that decrypt into their own memory).
 * Returns how many it took: fewer only while an incoming peer waits for peer_accept();
 * SPATE_ENOMEM. */
int64_t peer_receive(struct peer *, struct span bytes, int64_t now_ns);
bool peer_next(struct peer *, struct peer_event *);

/* ---- what we say --------------------------------------------------------------------------------
 * All queue bytes to be sent; when the queue is at its bound the peer is at fault
 * (PEER_FAULT_FLOOD): it does not read. */
void peer_choke(struct peer *,
                bool choke); /* choking refuses what is asked for but not yet begun */
void peer_interest(struct peer *, bool interested);
void peer_have(struct peer *, uint32_t piece);
void peer_upload_only(struct peer *, bool upload_only);
void peer_dont_have(struct peer *, uint32_t piece);
/* Asks for a block; destination is lent until PEER_BLOCK, PEER_REJECT, peer_redirect or
 * peer_forget. SPATE_ELIMIT, SPATE_ENOMEM. */
int peer_request(struct peer *, struct block, uint8_t *destination);
/* The destination is ours again at once; the answer, should it still come, goes to the sink. With
 * cancel the peer is told. Returns the destination, NULL when the block was not outstanding. */
uint8_t *peer_redirect(struct peer *, struct block, bool cancel);
/* Takes back the oldest outstanding request; false when there is none. For a peer that choked
 * without BEP 6, and before closing. */
bool peer_forget(struct peer *, struct peer_pending *out);
static inline uint32_t peer_outstanding(const struct peer *p)
{
    return p->pending_count;
}
/* The i-th outstanding request, oldest first. */
const struct peer_pending *peer_pending_at(const struct peer *, uint32_t i);

/* What the peer asked for and is still to be served, oldest first. */
static inline uint32_t peer_wants(const struct peer *p)
{
    return p->wants_count;
}
struct block peer_want_at(const struct peer *, uint32_t i);
/* The oldest count wants will now be sent, in order. SPATE_ENOMEM. */
int peer_serve(struct peer *, uint32_t count);
/* The oldest want is refused (rejected with BEP 6, else silently). */
void peer_refuse(struct peer *);
static inline uint32_t peer_serving(const struct peer *p)
{
    return p->serving_count;
}
/* The i-th block that is to be sent, oldest first. */
struct block peer_serving_at(const struct peer *, uint32_t i);

/* ---- sending --------------------------------------------------------------------------------- */

static inline bool peer_has_output(const struct peer *p)
{
    return p->control_size > 0 || p->serving_count > 0;
}
/* Parts of what must leave, at most max; those without bytes are the rest of a block. Valid until the next
 * call on a peer with this scratch. */
int peer_send(struct peer *, struct part *out, int max);
/* n bytes of them have left. */
void peer_sent(struct peer *, size_t n, int64_t now_ns);

/* ---- time ------------------------------------------------------------------------------------ */

int64_t peer_deadline(const struct peer *);
void peer_wake(struct peer *, int64_t now_ns);

bool peer_is_consistent(const struct peer *);

#endif
