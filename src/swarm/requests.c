/* The blocks of started pieces, and the questions that are out for them.
 *
 * Commandments:
 *   - A block is free, asked or received. A free block of a fetchable piece can always be found
 * through the open list; an asked block is in the list of each peer that owes it.
 *   - What is started is finished first; a piece of which nothing is asked or received is not
 * started.
 *   - A block is asked of two peers only when nothing is left unasked, and then from the end of
 * what the slowest peer owes, where a copy is most likely to be of use.
 *   - A peer that delivers anything is alive; one that is silent for longer than its pace explains
 * gives everything back.
 *   - A piece on parole is one peer's alone, for as long as that peer is at work. */
#include "swarm/requests.h"

#include "base/error.h"
#include "base/limits.h"

#include <stdlib.h>

#define NS_PER_MS       INT64_C(1000000)
#define NS_PER_S        INT64_C(1000000000)
#define REJECT_PAUSE_NS (30 * NS_PER_S)
#define RETRY_MIN_NS    (50 * NS_PER_MS) /* between looks for a copy worth asking */
#define RETRY_MAX_NS    NS_PER_S

struct request {
    struct list node; /* in its owner's asked, or spare */
    struct requester *owner;
    struct partial *partial;
    struct request *other; /* to another owner, for the same block */
    uint32_t index;        /* of the block in the piece */
    bool copy;
    int64_t sent_ns;
    uint64_t serial;
};

enum cell_state { CELL_FREE, CELL_ASKED, CELL_RECEIVED };

struct cell {
    union {
        struct request *asked; /* CELL_ASKED: the first of its requests */
        uint64_t sender;       /* CELL_RECEIVED */
    };
    enum cell_state state;
};

struct partial {
    struct list node; /* in open while it is wanted and has a free block */
    uint32_t piece;
    uint32_t block_count;
    uint32_t free_count;
    uint32_t asked_count;
    uint32_t first_free; /* the first free block; block_count when there is none */
    bool wanted;
    bool kept; /* stays started though nothing of it is asked or received: it failed */
    bool parole;
    uint64_t parole_key; /* whose piece it is; 0: nobody's yet */
    uint64_t excluded[REQUEST_EXCLUDED_MAX];
    uint32_t excluded_count;
    struct bitset received;
    struct cell cells[];
};

/* ---- memory ---------------------------------------------------------------------------------- */

int requests_init(struct requests *r, const struct layout *layout, struct picker *picker,
                  uint32_t partial_max)
{
    ASSERT(partial_max > 0 && partial_max <= LIMIT_PARTIAL_PIECES);
    ASSERT(layout->piece_count == picker->piece_count);
    *r = (struct requests){
        .layout = layout, .picker = picker, .partial_max = partial_max, .serial = 1};
    list_init(&r->open);
    list_init(&r->requesters);
    list_init(&r->spare);
    r->slot_of = calloc(layout->piece_count ? layout->piece_count : 1, sizeof *r->slot_of);
    r->partials = calloc(partial_max, sizeof *r->partials);
    r->free_slots = calloc(partial_max, sizeof *r->free_slots);
    if (!r->slot_of || !r->partials || !r->free_slots) {
        requests_deinit(r);
        return SPATE_ENOMEM;
    }
    for (uint32_t i = 0; i < partial_max; i++) {
        r->free_slots[i] = (uint16_t)(partial_max - 1 - i);
    }
    return 0;
}

static void partial_free(struct partial *p)
{
    bitset_deinit(&p->received);
    free(p);
}

void requests_deinit(struct requests *r)
{
    ASSERT(r->outstanding == 0);
    for (uint32_t i = 0; r->partials && i < r->partial_max; i++) {
        if (r->partials[i]) {
            partial_free(r->partials[i]);
        }
    }
    while (!list_empty(&r->spare)) {
        free(list_entry(list_pop_front(&r->spare), struct request, node));
    }
    free(r->slot_of);
    free(r->partials);
    free(r->free_slots);
    r->slot_of = NULL;
    r->partials = NULL;
    r->free_slots = NULL;
    r->partial_count = 0;
}

void requester_init(struct requester *q, uint32_t reqq, int64_t now_ns)
{
    *q = (struct requester){
        .piece = PICKER_NONE, .recent_ns = now_ns, .progress_ns = now_ns, .retry_ns = INT64_MAX};
    list_init(&q->asked);
    list_init(&q->node);
    pipeline_init(&q->pipeline, now_ns);
    requester_set_reqq(q, reqq);
}

void requester_set_reqq(struct requester *q, uint32_t reqq)
{
    /* libtorrent's assumption of a peer that says nothing. */
    q->reqq = reqq ? reqq : 250;
}

/* ---- pieces ---------------------------------------------------------------------------------- */

static struct partial *partial_of(const struct requests *r, uint32_t piece)
{
    if (piece >= r->layout->piece_count || r->slot_of[piece] == 0) {
        return NULL;
    }
    return r->partials[r->slot_of[piece] - 1];
}

/* The piece leaves the picker: it is started. NULL and *error. */
static struct partial *start(struct requests *r, uint32_t piece, int *error)
{
    if (r->partial_count == r->partial_max) {
        *error = SPATE_ELIMIT;
        return NULL;
    }
    uint32_t blocks = layout_block_count(r->layout, piece);
    struct partial *p = calloc(1, sizeof *p + (size_t)blocks * sizeof p->cells[0]);
    if (!p || bitset_init(&p->received, blocks)) {
        free(p);
        *error = SPATE_ENOMEM;
        return NULL;
    }
    p->piece = piece;
    p->block_count = p->free_count = blocks;
    p->wanted = picker_is_candidate(r->picker, piece);
    list_init(&p->node);
    picker_want(r->picker, piece, false);
    uint16_t slot = r->free_slots[r->partial_max - ++r->partial_count];
    r->partials[slot] = p;
    r->slot_of[piece] = (uint16_t)(slot + 1);
    return p;
}

/* Nothing is asked of it. */
static void forget_piece(struct requests *r, struct partial *p)
{
    ASSERT(p->asked_count == 0);
    uint16_t slot = (uint16_t)(r->slot_of[p->piece] - 1);
    r->slot_of[p->piece] = 0;
    r->partials[slot] = NULL;
    r->free_slots[r->partial_max - r->partial_count--] = slot;
    list_remove(&p->node);
    partial_free(p);
}

/* Its place in the open list after a change. */
static void reopen(struct requests *r, struct partial *p)
{
    bool open = p->wanted && p->free_count > 0;
    if (open && !list_linked(&p->node)) {
        list_push_back(&r->open, &p->node);
    } else if (!open) {
        list_remove(&p->node);
    }
}

/* Gives a piece of which we have and expect nothing back to the picker; otherwise finds its place.
 */
static void settle(struct requests *r, struct partial *p)
{
    if (p->free_count == p->block_count && !p->kept) {
        uint32_t piece = p->piece;
        bool wanted = p->wanted;
        forget_piece(r, p);
        picker_want(r->picker, piece, wanted);
        return;
    }
    reopen(r, p);
}

static void cell_make_free(struct partial *p, uint32_t index)
{
    p->cells[index].asked = NULL;
    p->cells[index].state = CELL_FREE;
    p->free_count++;
    if (index < p->first_free) {
        p->first_free = index;
    }
}

/* Its first free block has been taken, maybe. */
static void find_first_free(struct partial *p)
{
    while (p->first_free < p->block_count && p->cells[p->first_free].state != CELL_FREE) {
        p->first_free++;
    }
}

/* ---- requests -------------------------------------------------------------------------------- */

static struct request *find_request(const struct requests *r, const struct requester *q,
                                    struct block b)
{
    struct partial *p = partial_of(r, b.piece);
    uint32_t index = b.offset / BLOCK_BYTES;
    if (!p || b.offset % BLOCK_BYTES || index >= p->block_count ||
        p->cells[index].state != CELL_ASKED) {
        return NULL;
    }
    struct request *request = p->cells[index].asked;
    while (request && request->owner != q) {
        request = request->other;
    }
    return request;
}

static struct block block_at(const struct requests *r, uint32_t piece, uint32_t index)
{
    uint32_t offset = index * BLOCK_BYTES;
    uint32_t left = layout_piece_length(r->layout, piece) - offset;
    return (struct block){piece, offset, left < BLOCK_BYTES ? left : BLOCK_BYTES};
}

/* Takes a request out of its cell and its owner's list; the block is free when it was the last. */
static void forget_request(struct requests *r, struct request *request)
{
    struct partial *p = request->partial;
    struct requester *q = request->owner;
    struct cell *cell = &p->cells[request->index];
    struct request *other = cell->asked == request ? request->other : cell->asked;
    if (other) {
        other->other = NULL;
        other->owner->sole++;
        cell->asked = other;
    } else {
        q->sole--;
        p->asked_count--;
        cell_make_free(p, request->index);
    }
    q->outstanding--;
    q->copies -= request->copy;
    r->outstanding--;
    if (q->outstanding == 0) {
        list_remove(&q->node);
    }
    list_remove(&request->node);
    list_push_front(&r->spare, &request->node);
}

/* Marks block index of p as asked of q. */
static bool ask(struct requests *r, struct requester *q, struct partial *p, uint32_t index,
                int64_t now_ns)
{
    struct request *request;
    if (list_empty(&r->spare)) {
        request = malloc(sizeof *request);
        if (!request) {
            return false;
        }
    } else {
        request = list_entry(list_pop_front(&r->spare), struct request, node);
    }
    struct cell *cell = &p->cells[index];
    *request = (struct request){.owner = q,
                                .partial = p,
                                .index = index,
                                .copy = cell->state == CELL_ASKED,
                                .sent_ns = now_ns,
                                .serial = r->serial++};
    if (request->copy) {
        cell->asked->other = request;
        cell->asked->owner->sole--;
        q->copies++;
    } else {
        cell->state = CELL_ASKED;
        cell->asked = request;
        p->free_count--;
        p->asked_count++;
        q->sole++;
        find_first_free(p);
        reopen(r, p);
    }
    if (q->outstanding == 0) {
        q->progress_ns = now_ns;
        list_push_back(&r->requesters, &q->node);
    }
    pipeline_on_request(&q->pipeline, request->serial, q->outstanding, now_ns);
    q->outstanding++;
    r->outstanding++;
    list_push_back(&q->asked, &request->node);
    return true;
}

static struct request *oldest_of(const struct requester *q)
{
    return list_entry(list_first(&q->asked), struct request, node);
}

/* ---- choice ---------------------------------------------------------------------------------- */

static bool peer_has(const struct requests *r, const struct bitset *has, uint32_t piece)
{
    return !has || (has->count == r->layout->piece_count && bitset_get(has, piece));
}

static bool is_excluded(const struct partial *p, uint64_t key)
{
    for (uint32_t i = 0; i < p->excluded_count; i++) {
        if (p->excluded[i] == key) {
            return true;
        }
    }
    return false;
}

/* May q be asked for free blocks of a piece it has? as_last_resort: it could get nothing else. */
static bool may_take(const struct partial *p, const struct requester *q, bool as_last_resort)
{
    if (!p->parole || p->parole_key == q->key) {
        return true;
    }
    if (as_last_resort) {
        return p->asked_count == 0;
    }
    return p->parole_key == 0 && !is_excluded(p, q->key);
}

static bool take(struct requests *r, struct requester *q, struct partial *p, int64_t now_ns,
                 struct request_choice *out)
{
    uint32_t index = p->first_free;
    bool starts = p->free_count == p->block_count;
    if (!ask(r, q, p, index, now_ns)) {
        settle(r, p);
        return false;
    }
    if (p->parole) {
        p->parole_key = q->key;
    }
    q->piece = p->piece;
    *out = (struct request_choice){.block = block_at(r, p->piece, index), .starts_piece = starts};
    return true;
}

/* The open piece to go on with: q's own, else the most complete; sequential: the first. */
static struct partial *choose_open(const struct requests *r, const struct requester *q,
                                   const struct bitset *has, bool sequential)
{
    struct partial *best = NULL;
    list_for_each (node, &r->open) {
        struct partial *p = list_entry(node, struct partial, node);
        if (!peer_has(r, has, p->piece) || !may_take(p, q, false)) {
            continue;
        }
        if (!best || (sequential ? p->piece < best->piece : p->free_count < best->free_count)) {
            best = p;
        }
    }
    return best;
}

static struct partial *choose_suspect(const struct requests *r, const struct requester *q,
                                      const struct bitset *has)
{
    list_for_each (node, &r->open) {
        struct partial *p = list_entry(node, struct partial, node);
        if (peer_has(r, has, p->piece) && may_take(p, q, true)) {
            return p;
        }
    }
    return NULL;
}

/* How long it may take until v has delivered what it owes; grows with its silence. */
static int64_t wait_ns(const struct requester *v, int64_t now_ns)
{
    int64_t since = oldest_of(v)->sent_ns;
    since = v->progress_ns > since ? v->progress_ns : since;
    int64_t wait = 2 * (now_ns - since);
    double owed = NS_PER_S;
    if (v->pipeline.rate > 0) {
        owed = (double)v->outstanding * BLOCK_BYTES * (double)NS_PER_S / (double)v->pipeline.rate;
    }
    if (v->snubbed) {
        owed = (double)pipeline_timeout_ns(&v->pipeline);
    }
    return owed > (double)wait ? (int64_t)owed : wait;
}

/* The time after which one more block would come from q. */
static int64_t cost_ns(const struct requester *q)
{
    double queue = 0;
    if (q->pipeline.rate > 0) {
        queue = (double)(q->outstanding + 1) * BLOCK_BYTES * (double)NS_PER_S /
                (double)q->pipeline.rate;
    }
    return q->pipeline.rtt_us * 1000 + (int64_t)queue;
}

/* The youngest request of v that is its alone and that q could be asked for. */
static struct request *copyable(const struct requests *r, const struct requester *v,
                                const struct bitset *has)
{
    for (struct list *node = v->asked.prev; v->sole > 0 && node != &v->asked; node = node->prev) {
        struct request *request = list_entry(node, struct request, node);
        struct partial *p = request->partial;
        if (!request->other && !p->parole && p->wanted &&
            p->cells[request->index].asked == request && peer_has(r, has, p->piece)) {
            return request;
        }
    }
    return NULL;
}

static bool copy_from_slowest(struct requests *r, struct requester *q, const struct bitset *has,
                              int64_t now_ns, struct request_choice *out)
{
    struct request *best = NULL;
    int64_t best_wait = 0;
    if (q->copies >= REQUEST_COPIES_MAX) {
        return false;
    }
    list_for_each (node, &r->requesters) {
        struct requester *v = list_entry(node, struct requester, node);
        int64_t wait = wait_ns(v, now_ns);
        if (v == q || wait <= best_wait) {
            continue;
        }
        struct request *request = copyable(r, v, has);
        if (request) {
            best = request;
            best_wait = wait;
        }
    }
    if (!best) {
        return false;
    }
    if (best_wait <= cost_ns(q)) {
        int64_t pause = best_wait / 2;
        pause = pause < RETRY_MIN_NS ? RETRY_MIN_NS : pause > RETRY_MAX_NS ? RETRY_MAX_NS : pause;
        q->retry_ns = now_ns + pause;
        return false;
    }
    struct block block = block_at(r, best->partial->piece, best->index);
    if (!ask(r, q, best->partial, best->index, now_ns)) {
        return false;
    }
    *out = (struct request_choice){.block = block, .duplicate = true};
    return true;
}

bool requests_next(struct requests *r, struct requester *q, const struct bitset *has,
                   bool may_start, bool sequential, int64_t now_ns, struct request_choice *out)
{
    q->recent_ns = now_ns;
    q->retry_ns = INT64_MAX;
    struct partial *p = q->piece == PICKER_NONE ? NULL : partial_of(r, q->piece);
    if (!p || !list_linked(&p->node) || !peer_has(r, has, p->piece) || !may_take(p, q, false)) {
        p = choose_open(r, q, has, sequential);
    }
    if (!p && may_start && r->partial_count < r->partial_max) {
        uint32_t piece = picker_pick(r->picker, has, sequential);
        int error;
        p = piece == PICKER_NONE ? NULL : start(r, piece, &error);
    }
    if (!p) {
        p = choose_suspect(r, q, has);
    }
    if (p) {
        return take(r, q, p, now_ns, out);
    }
    bool nothing_unasked = list_empty(&r->open) && picker_candidates(r->picker) == 0;
    return nothing_unasked && copy_from_slowest(r, q, has, now_ns, out);
}

bool requests_next_from(struct requests *r, struct requester *q, const struct bitset *has,
                        const uint32_t *pieces, uint32_t count, bool may_start, int64_t now_ns,
                        struct request_choice *out)
{
    q->recent_ns = now_ns;
    for (uint32_t i = 0; i < count; i++) {
        struct partial *p = partial_of(r, pieces[i]);
        if (p && list_linked(&p->node) && peer_has(r, has, p->piece) && may_take(p, q, false)) {
            return take(r, q, p, now_ns, out);
        }
    }
    if (!may_start || r->partial_count == r->partial_max) {
        return false;
    }
    uint32_t piece = picker_pick_among(r->picker, has, pieces, count);
    int error;
    struct partial *p = piece == PICKER_NONE ? NULL : start(r, piece, &error);
    return p && take(r, q, p, now_ns, out);
}

uint32_t requests_room(const struct requests *r, const struct requester *q, int64_t now_ns)
{
    (void)r;
    uint32_t target = pipeline_target(&q->pipeline);
    if (now_ns < q->paused_until_ns) {
        return 0;
    }
    if (q->snubbed) {
        target = 1;
    }
    target = target < q->reqq ? target : q->reqq;
    target = target < LIMIT_PEER_REQUESTS_OUT ? target : LIMIT_PEER_REQUESTS_OUT;
    return target > q->outstanding ? target - q->outstanding : 0;
}

/* ---- answers --------------------------------------------------------------------------------- */

enum request_verdict requests_on_block(struct requests *r, struct requester *q, struct block b,
                                       int64_t now_ns, struct requester **also,
                                       uint32_t *also_count)
{
    *also_count = 0;
    q->recent_ns = q->progress_ns = now_ns;
    q->rejects = 0;
    if (q->snubbed) {
        q->snubbed = false;
        pipeline_restart(&q->pipeline, now_ns);
    }
    struct request *request = find_request(r, q, b);
    if (!request || !block_equals(b, block_at(r, b.piece, request->index))) {
        const struct partial *p = partial_of(r, b.piece);
        uint32_t index = b.offset / BLOCK_BYTES;
        pipeline_on_stray(&q->pipeline, b.length);
        bool there = p && index < p->block_count ? p->cells[index].state == CELL_RECEIVED : false;
        return there ? REQUEST_DUPLICATE : REQUEST_UNASKED;
    }
    struct partial *p = request->partial;
    uint32_t index = request->index;
    if (request->serial > q->answered_serial) {
        q->answered_serial = request->serial;
    }
    pipeline_on_block(&q->pipeline, request->serial, request->sent_ns, b.length, r->serial, now_ns);
    while (p->cells[index].state == CELL_ASKED) {
        struct request *asked = p->cells[index].asked;
        if (asked->owner != q) {
            also[(*also_count)++] = asked->owner;
        }
        forget_request(r, asked);
    }
    p->cells[index] = (struct cell){.sender = q->key, .state = CELL_RECEIVED};
    p->free_count--;
    find_first_free(p);
    bitset_set(&p->received, index);
    reopen(r, p);
    return REQUEST_WANTED;
}

/* Rejects of one volley (a peer that chokes rejects all) count once. */
static void count_reject(struct requests *r, struct requester *q, const struct request *request)
{
    if (request->serial < q->rejected_serial) {
        return;
    }
    q->rejected_serial = r->serial;
    if (++q->rejects >= LIMIT_PEER_REJECTS) {
        q->rejects = 0;
        q->paused_until_ns = q->recent_ns + REJECT_PAUSE_NS;
    }
}

void requests_on_reject(struct requests *r, struct requester *q, struct block b)
{
    struct request *request = find_request(r, q, b);
    if (request) {
        struct partial *p = request->partial;
        count_reject(r, q, request);
        forget_request(r, request);
        settle(r, p);
    }
}

void requests_undo(struct requests *r, struct requester *q, struct block b)
{
    struct request *request = find_request(r, q, b);
    if (request) {
        struct partial *p = request->partial;
        forget_request(r, request);
        settle(r, p);
    }
}

/* q does not work on its piece any more; one on parole may be taken over. */
static void leave_piece(struct requests *r, struct requester *q)
{
    list_for_each (node, &r->open) {
        struct partial *p = list_entry(node, struct partial, node);
        if (p->parole && p->parole_key == q->key) {
            p->parole_key = 0;
        }
    }
    q->piece = PICKER_NONE;
}

uint32_t requests_release(struct requests *r, struct requester *q)
{
    uint32_t released = 0;
    while (q->outstanding > 0) {
        struct request *request = oldest_of(q);
        struct partial *p = request->partial;
        forget_request(r, request);
        settle(r, p);
        released++;
    }
    leave_piece(r, q);
    return released;
}

/* ---- pieces from outside --------------------------------------------------------------------- */

void requests_want(struct requests *r, uint32_t piece, bool wanted)
{
    struct partial *p = partial_of(r, piece);
    if (!p) {
        picker_want(r->picker, piece, wanted);
        return;
    }
    p->wanted = wanted;
    reopen(r, p);
}

int requests_restore(struct requests *r, uint32_t piece, const struct bitset *blocks)
{
    struct partial *p = partial_of(r, piece);
    int error = 0;
    if (piece >= r->layout->piece_count || blocks->count != layout_block_count(r->layout, piece)) {
        return SPATE_EINVAL;
    }
    if (!p && blocks->ones == 0) {
        return 0;
    }
    if (!p) {
        p = start(r, piece, &error);
        if (!p) {
            return error;
        }
    }
    for (uint32_t i = 0; i < p->block_count; i++) {
        bool there = bitset_get(blocks, i);
        if (there && p->cells[i].state == CELL_FREE) {
            p->cells[i] = (struct cell){.sender = 0, .state = CELL_RECEIVED};
            p->free_count--;
            bitset_set(&p->received, i);
        } else if (!there && p->cells[i].state == CELL_RECEIVED) {
            bitset_clear(&p->received, i);
            cell_make_free(p, i);
        }
    }
    find_first_free(p);
    settle(r, p);
    return 0;
}

void requests_on_piece_failed(struct requests *r, uint32_t piece, bool refetch_all)
{
    struct partial *p = partial_of(r, piece);
    if (!p) {
        return;
    }
    for (uint32_t i = 0; i < p->block_count; i++) {
        if (p->cells[i].state == CELL_RECEIVED) {
            cell_make_free(p, i);
        }
    }
    bitset_empty(&p->received);
    p->kept = refetch_all;
    p->parole = p->parole && refetch_all;
    settle(r, p);
}

void requests_on_piece_done(struct requests *r, uint32_t piece)
{
    struct partial *p = partial_of(r, piece);
    for (uint32_t i = 0; p && i < p->block_count; i++) {
        while (p->cells[i].state == CELL_ASKED) {
            forget_request(r, p->cells[i].asked);
        }
    }
    if (p) {
        forget_piece(r, p);
    }
}

bool requests_piece_is_started(const struct requests *r, uint32_t piece)
{
    return partial_of(r, piece) != NULL;
}

bool requests_piece_is_complete(const struct requests *r, uint32_t piece)
{
    const struct partial *p = partial_of(r, piece);
    return p && bitset_full(&p->received);
}

const struct bitset *requests_partial_blocks(const struct requests *r, uint32_t piece)
{
    const struct partial *p = partial_of(r, piece);
    return p ? &p->received : NULL;
}

uint32_t requests_each(const struct requests *r, uint32_t *cursor)
{
    while (*cursor < r->partial_max) {
        const struct partial *p = r->partials[(*cursor)++];
        if (p) {
            return p->piece;
        }
    }
    return PICKER_NONE;
}

uint64_t requests_block_sender(const struct requests *r, uint32_t piece, uint32_t block_index)
{
    const struct partial *p = partial_of(r, piece);
    if (!p || block_index >= p->block_count || p->cells[block_index].state != CELL_RECEIVED) {
        return 0;
    }
    return p->cells[block_index].sender;
}

int requests_set_parole(struct requests *r, uint32_t piece, uint64_t sender,
                        const uint64_t *excluded, uint32_t excluded_count)
{
    struct partial *p = partial_of(r, piece);
    if (piece >= r->layout->piece_count) {
        return SPATE_EINVAL;
    }
    if (!p) {
        int error;
        p = start(r, piece, &error);
        if (!p) {
            return error;
        }
    }
    p->kept = p->parole = true;
    p->parole_key = sender;
    p->excluded_count = 0;
    for (uint32_t i = 0; i < excluded_count && i < REQUEST_EXCLUDED_MAX; i++) {
        p->excluded[p->excluded_count++] = excluded[i];
    }
    reopen(r, p);
    return 0;
}

/* ---- time ------------------------------------------------------------------------------------ */

/* When the oldest request of q, which has one, is to be taken away. */
static int64_t expiry_ns(const struct requester *q, bool *stalled)
{
    const struct request *oldest = oldest_of(q);
    int64_t timeout = q->snubbed ? 60 * NS_PER_S : pipeline_timeout_ns(&q->pipeline);
    *stalled = false;
    if (oldest->serial < q->lost_serial) {
        return INT64_MIN;
    }
    if (oldest->serial < q->answered_serial) {
        return oldest->sent_ns + timeout; /* skipped */
    }
    *stalled = true;
    int64_t since = q->progress_ns > oldest->sent_ns ? q->progress_ns : oldest->sent_ns;
    return since + timeout;
}

int64_t requests_deadline(const struct requests *r, const struct requester *q)
{
    (void)r;
    bool stalled;
    int64_t deadline = q->retry_ns;
    if (q->outstanding > 0) {
        int64_t expiry = expiry_ns(q, &stalled);
        deadline = expiry < deadline ? expiry : deadline;
    }
    if (q->paused_until_ns > q->recent_ns && q->paused_until_ns < deadline) {
        deadline = q->paused_until_ns;
    }
    return deadline;
}

uint32_t requests_expire(struct requests *r, struct requester *q, int64_t now_ns, struct block *out,
                         uint32_t max)
{
    uint32_t count = 0;
    q->recent_ns = now_ns;
    if (q->retry_ns <= now_ns) {
        q->retry_ns = INT64_MAX;
    }
    while (q->outstanding > 0 && count < max) {
        bool stalled;
        if (expiry_ns(q, &stalled) > now_ns) {
            break;
        }
        if (stalled) {
            q->snubbed = true;
            q->lost_serial = r->serial;
        }
        struct request *request = oldest_of(q);
        struct partial *p = request->partial;
        out[count++] = block_at(r, p->piece, request->index);
        forget_request(r, request);
        settle(r, p);
    }
    if (count > 0 && q->snubbed) {
        leave_piece(r, q);
    }
    return count;
}

/* ---- consistency ----------------------------------------------------------------------------- */

static bool partial_is_consistent(const struct requests *r, const struct partial *p)
{
    uint32_t free_count = 0, asked = 0, received = 0;
    bool open = false;
    for (uint32_t i = 0; i < p->block_count; i++) {
        const struct cell *cell = &p->cells[i];
        free_count += cell->state == CELL_FREE;
        asked += cell->state == CELL_ASKED;
        received += cell->state == CELL_RECEIVED;
        if ((cell->state == CELL_FREE && i < p->first_free) ||
            (cell->state != CELL_FREE && i == p->first_free) ||
            (cell->state == CELL_RECEIVED) != bitset_get(&p->received, i)) {
            return false;
        }
        uint32_t owners = 0;
        const struct request *request = cell->state == CELL_ASKED ? cell->asked : NULL;
        for (; request; request = request->other) {
            if (request->partial != p || request->index != i || ++owners > REQUEST_OWNERS_MAX ||
                (request->other && request->other->owner == request->owner)) {
                return false;
            }
        }
        if ((cell->state == CELL_ASKED) != (owners > 0)) {
            return false;
        }
    }
    list_for_each (node, &r->open) {
        open |= node == &p->node;
    }
    return p->block_count == layout_block_count(r->layout, p->piece) &&
           free_count == p->free_count && asked == p->asked_count && received == p->received.ones &&
           open == (p->wanted && p->free_count > 0) && !picker_is_candidate(r->picker, p->piece) &&
           (p->kept || p->free_count < p->block_count) && (p->kept || !p->parole);
}

static bool requester_is_consistent(const struct requests *r, const struct requester *q)
{
    uint32_t outstanding = 0, copies = 0, sole = 0;
    uint64_t serial = 0;
    list_for_each (node, &q->asked) {
        const struct request *request = list_entry(node, struct request, node);
        const struct cell *cell = &request->partial->cells[request->index];
        if (request->owner != q || request->serial <= serial || request->serial >= r->serial ||
            cell->state != CELL_ASKED ||
            (cell->asked != request && cell->asked->other != request)) {
            return false;
        }
        serial = request->serial;
        outstanding++;
        copies += request->copy;
        sole += !cell->asked->other;
    }
    return outstanding > 0 && outstanding == q->outstanding && copies == q->copies &&
           sole == q->sole && pipeline_is_consistent(&q->pipeline);
}

bool requests_is_consistent(const struct requests *r)
{
    uint32_t started = 0;
    uint64_t outstanding = 0, requests_of_pieces = 0;
    for (uint32_t i = 0; i < r->layout->piece_count; i++) {
        const struct partial *p = partial_of(r, i);
        if (!p) {
            continue;
        }
        started++;
        if (p->piece != i || !partial_is_consistent(r, p)) {
            return false;
        }
        for (uint32_t j = 0; j < p->block_count; j++) {
            if (p->cells[j].state == CELL_ASKED) {
                requests_of_pieces += p->cells[j].asked->other ? 2 : 1;
            }
        }
    }
    list_for_each (node, &r->requesters) {
        const struct requester *q = list_entry(node, struct requester, node);
        if (!requester_is_consistent(r, q)) {
            return false;
        }
        outstanding += q->outstanding;
    }
    return started == r->partial_count && outstanding == r->outstanding &&
           outstanding == requests_of_pieces;
}
