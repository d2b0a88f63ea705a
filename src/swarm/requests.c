/* The blocks of started pieces, and the questions that are out for them.
 *
 * Commandments:
 *   - A block is free, asked or received. A free block of a fetchable piece can always be found
 *     through the open list; an asked block is in the list of each peer that owes it.
 *   - What is started is finished first.
 *   - A block is asked of two peers only when nothing is left unasked, and then from the end of
 *     what the slowest peer owes, where a copy is most likely to be of use; what a peer owes that
 *     delivers nothing, as soon as one that delivers could get nothing else.
 *   - A peer that delivers anything is alive; one that is silent for longer than its pace
 *     explains gives everything back.
 *   - A piece on parole is one peer's alone, for as long as that peer is at work: one that delivers
 *     takes it over from one that does not, and it keeps nobody from copying other pieces. */
#include "swarm/requests.h"

#include "base/error.h"
#include "base/limits.h"
#include "base/plant.h"
#include "swarm/endgame.h"

#include <stdlib.h>

#define NS_PER_S        INT64_C(1000000000)
#define REJECT_PAUSE_NS (30 * NS_PER_S)

/* ---- memory ---------------------------------------------------------------------------------- */

int requests_init(struct requests *r, const struct layout *layout, struct picker *picker,
                  uint32_t partial_max)
{
    *r = (struct requests){.picker = picker, .serial = 1};
    list_init(&r->requesters);
    list_init(&r->spare);
    return partials_init(&r->partials, layout, picker, partial_max);
}

void requests_deinit(struct requests *r)
{
    ASSERT(r->outstanding == 0);
    partials_deinit(&r->partials);
    while (!list_empty(&r->spare)) {
        free(list_entry(list_pop_front(&r->spare), struct request, node));
    }
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

/* ---- requests -------------------------------------------------------------------------------- */

static struct request *find_request(const struct requests *r, const struct requester *q,
                                    struct block b)
{
    struct partial *p = partials_get(&r->partials, b.piece);
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
        partial_make_free(p, request->index);
    }
    q->outstanding--;
    q->copies -= request->copy;
    r->outstanding--;
    if (q->outstanding == 0) {
        list_remove(&q->node);
    }
    list_remove(&request->node);
    if (!PLANT(FORGET_TO_FREE)) {
        list_push_front(&r->spare, &request->node);
    }
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
        r->doubtful++;
    } else {
        cell->state = CELL_ASKED;
        cell->asked = request;
        p->free_count--;
        p->asked_count++;
        q->sole++;
        partial_find_free(p);
        partials_reopen(&r->partials, p);
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

/* ---- choice ---------------------------------------------------------------------------------- */

static bool is_excluded(const struct partial *p, uint64_t key)
{
    for (uint32_t i = 0; i < p->excluded_count; i++) {
        if (p->excluded[i] == key) {
            return true;
        }
    }
    return false;
}

/* May q be asked for free blocks of a piece it has? as_last_resort: it could get nothing else. A
 * peer that does not deliver would keep a piece on parole from those that do. */
static bool may_take(const struct requests *r, const struct partial *p, const struct requester *q,
                     bool as_last_resort)
{
    if (!p->parole || p->parole_key == q->key) {
        return true;
    }
    if (as_last_resort) {
        return p->asked_count == 0;
    }
    return p->parole_key == 0 && !is_excluded(p, q->key) && (q->reliable || !r->reliable_seen);
}

/* No free block is left but those of pieces on parole, which are another's. */
static bool nothing_is_unasked(const struct requests *r)
{
    if (picker_candidates(r->picker) > 0) {
        return false;
    }
    list_for_each (node, &r->partials.open) {
        const struct partial *p = list_entry(node, struct partial, node);
        if (!p->parole || p->parole_key == 0) {
            return false;
        }
    }
    return true;
}

static bool take(struct requests *r, struct requester *q, struct partial *p, int64_t now_ns,
                 struct request_choice *out)
{
    uint32_t index = p->first_free;
    bool starts = partial_is_empty(p);
    if (!ask(r, q, p, index, now_ns)) {
        partials_settle(&r->partials, p);
        return false;
    }
    if (p->parole) {
        p->parole_key = q->key;
    }
    q->piece = p->piece;
    *out = (struct request_choice){.block = partials_block(&r->partials, p->piece, index),
                                   .starts_piece = starts};
    return true;
}

/* The open piece to go on with: q's own, else the most complete; sequential: the first. */
static struct partial *choose_open(const struct requests *r, const struct requester *q,
                                   const struct bitset *has, bool sequential)
{
    struct partial *best = NULL;
    list_for_each (node, &r->partials.open) {
        struct partial *p = list_entry(node, struct partial, node);
        if (!request_has_piece(r, has, p->piece) || !may_take(r, p, q, false)) {
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
    list_for_each (node, &r->partials.open) {
        struct partial *p = list_entry(node, struct partial, node);
        if (request_has_piece(r, has, p->piece) && may_take(r, p, q, true)) {
            return p;
        }
    }
    return NULL;
}

static void look_again(struct requester *q, int64_t now_ns, int64_t pause_ns)
{
    q->retry_ns = pause_ns == INT64_MAX ? INT64_MAX : now_ns + pause_ns;
}

/* Asks for a block that somebody else was asked for. While blocks are unasked that q cannot be asked
 * for, only for what is owed by peers that deliver nothing: they may be the only ones that claim to
 * have the rest. */
static bool take_copy(struct requests *r, struct requester *q, const struct bitset *has,
                      int64_t now_ns, struct request_choice *out)
{
    int64_t pause_ns;
    const struct request *of = endgame_copy(r, q, has, nothing_is_unasked(r), now_ns, &pause_ns);
    if (!of) {
        look_again(q, now_ns, pause_ns);
        return false;
    }
    struct block block = partials_block(&r->partials, of->partial->piece, of->index);
    if (!ask(r, q, of->partial, of->index, now_ns)) {
        return false;
    }
    of->partial->parole_key = of->partial->parole ? q->key : 0; /* the rest of the piece too */
    *out = (struct request_choice){.block = block, .duplicate = true};
    return true;
}

bool requests_next(struct requests *r, struct requester *q, const struct bitset *has,
                   bool may_start, bool sequential, int64_t now_ns, struct request_choice *out)
{
    uint32_t piece = PICKER_NONE;
    int64_t pause_ns;
    int error;
    q->recent_ns = now_ns;
    q->retry_ns = INT64_MAX;
    q->has = has;
    struct partial *p = q->piece == PICKER_NONE ? NULL : partials_get(&r->partials, q->piece);
    if (!p || !list_linked(&p->node) || !request_has_piece(r, has, p->piece) ||
        !may_take(r, p, q, false)) {
        p = choose_open(r, q, has, sequential);
    }
    if (!p && may_start && !requests_is_full(r)) {
        piece = picker_pick(r->picker, has, sequential);
    }
    if (!p && piece == PICKER_NONE) {
        p = choose_suspect(r, q, has);
    }
    if (!p && piece == PICKER_NONE) {
        return take_copy(r, q, has, now_ns, out);
    }
    if (!(p && p->parole) && endgame_leaves_it(r, q, p ? p->piece : piece, now_ns, &pause_ns)) {
        look_again(q, now_ns, pause_ns);
        return false;
    }
    p = p ? p : partials_start(&r->partials, piece, &error);
    return p && take(r, q, p, now_ns, out);
}

bool requests_next_from(struct requests *r, struct requester *q, const struct bitset *has,
                        const uint32_t *pieces, uint32_t count, bool may_start, int64_t now_ns,
                        struct request_choice *out)
{
    q->recent_ns = now_ns;
    for (uint32_t i = 0; i < count; i++) {
        struct partial *p = partials_get(&r->partials, pieces[i]);
        if (p && list_linked(&p->node) && request_has_piece(r, has, p->piece) &&
            may_take(r, p, q, false)) {
            return take(r, q, p, now_ns, out);
        }
    }
    if (!may_start || requests_is_full(r)) {
        return false;
    }
    uint32_t piece = picker_pick_among(r->picker, has, pieces, count);
    int error;
    struct partial *p = piece == PICKER_NONE ? NULL : partials_start(&r->partials, piece, &error);
    return p && take(r, q, p, now_ns, out);
}

uint32_t requests_room(const struct requests *r, const struct requester *q, int64_t now_ns)
{
    uint32_t target = pipeline_target(&q->pipeline);
    if (now_ns < q->paused_until_ns) {
        return 0;
    }
    if (q->pipeline.rate == 0) {
        uint32_t share = endgame_share(r);
        target = target < share ? target : share;
    }
    if (q->snubbed) {
        target = 1;
    }
    target = target < q->reqq ? target : q->reqq;
    target = target < LIMIT_PEER_REQUESTS_OUT ? target : LIMIT_PEER_REQUESTS_OUT;
    return target > q->outstanding ? target - q->outstanding : 0;
}

/* ---- answers --------------------------------------------------------------------------------- */

static void on_sign_of_life(struct requester *q, int64_t now_ns)
{
    q->recent_ns = q->progress_ns = now_ns;
    q->rejects = 0;
    if (q->snubbed) {
        q->snubbed = false;
        pipeline_restart(&q->pipeline, now_ns);
    }
}

/* A block that was asked of two came from the other one. */
static void call_off(struct requests *r, const struct request *loser)
{
    if (endgame_is_in_time(loser)) {
        r->doubtful--;
        loser->owner->called_off++;
    }
}

/* A block came that was not to come any more. */
static void on_stray(struct requests *r, struct requester *q, uint32_t bytes)
{
    pipeline_on_stray(&q->pipeline, bytes);
    if (q->called_off > 0) {
        q->called_off--;
        r->doubtful++;
    }
}

void requests_on_late(struct requests *r, struct requester *q, uint32_t bytes, int64_t now_ns)
{
    on_sign_of_life(q, now_ns);
    on_stray(r, q, bytes);
}

void requests_on_unasked(struct requester *q)
{
    q->reliable = false;
    q->strays++;
}

enum request_verdict requests_on_block(struct requests *r, struct requester *q, struct block b,
                                       int64_t now_ns, struct requester **also,
                                       uint32_t *also_count)
{
    *also_count = 0;
    on_sign_of_life(q, now_ns);
    struct request *request = find_request(r, q, b);
    if (!request || !block_equals(b, partials_block(&r->partials, b.piece, request->index))) {
        const struct partial *p = partials_get(&r->partials, b.piece);
        uint32_t index = b.offset / BLOCK_BYTES;
        on_stray(r, q, b.length);
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
            call_off(r, asked);
        }
        forget_request(r, asked);
    }
    q->strays -= q->strays > 0; /* who answers at random hits now and then */
    q->reliable = q->strays == 0;
    r->reliable_seen = r->reliable_seen || q->reliable;
    p->cells[index] = (struct cell){.sender = q->key, .state = CELL_RECEIVED};
    r->received++;
    p->free_count--;
    partial_find_free(p);
    bitset_set(&p->received, index);
    partials_reopen(&r->partials, p);
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
        q->reliable = false;
        count_reject(r, q, request);
        forget_request(r, request);
        partials_settle(&r->partials, p);
    }
}

void requests_undo(struct requests *r, struct requester *q, struct block b)
{
    struct request *request = find_request(r, q, b);
    if (request) {
        struct partial *p = request->partial;
        forget_request(r, request);
        partials_settle(&r->partials, p);
    }
}

/* q does not work on its piece any more; one on parole may be taken over. */
static void leave_piece(struct requests *r, struct requester *q)
{
    list_for_each (node, &r->partials.open) {
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
        struct request *request = request_oldest(q);
        struct partial *p = request->partial;
        forget_request(r, request);
        partials_settle(&r->partials, p);
        q->reliable = false;
        released++;
    }
    leave_piece(r, q);
    return released;
}

/* ---- pieces from outside --------------------------------------------------------------------- */

void requests_want(struct requests *r, uint32_t piece, bool wanted)
{
    struct partial *p = partials_get(&r->partials, piece);
    if (!p) {
        picker_want(r->picker, piece, wanted);
        return;
    }
    p->wanted = wanted;
    partials_reopen(&r->partials, p);
}

int requests_restore(struct requests *r, uint32_t piece, const struct bitset *blocks)
{
    struct partial *p = partials_get(&r->partials, piece);
    int error = 0;
    if (piece >= r->partials.layout->piece_count ||
        blocks->count != layout_block_count(r->partials.layout, piece)) {
        return SPATE_EINVAL;
    }
    if (!p && blocks->ones == 0) {
        return 0;
    }
    if (!p) {
        p = partials_start(&r->partials, piece, &error);
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
            partial_make_free(p, i);
        }
    }
    partial_find_free(p);
    partials_settle(&r->partials, p);
    return 0;
}

void requests_on_piece_failed(struct requests *r, uint32_t piece, bool refetch_all)
{
    struct partial *p = partials_get(&r->partials, piece);
    if (!p) {
        return;
    }
    for (uint32_t i = 0; i < p->block_count; i++) {
        if (p->cells[i].state == CELL_RECEIVED) {
            partial_make_free(p, i);
        }
    }
    bitset_empty(&p->received);
    p->kept = refetch_all;
    p->parole = p->parole && refetch_all;
    partials_settle(&r->partials, p);
}

void requests_on_piece_done(struct requests *r, uint32_t piece)
{
    struct partial *p = partials_get(&r->partials, piece);
    for (uint32_t i = 0; p && i < p->block_count; i++) {
        while (p->cells[i].state == CELL_ASKED) {
            forget_request(r, p->cells[i].asked);
        }
    }
    if (p) {
        partials_forget(&r->partials, p);
    }
}

bool requests_are_in_doubt(const struct requests *r)
{
    list_for_each (node, &r->requesters) {
        if (!list_entry(node, struct requester, node)->reliable) {
            return true;
        }
    }
    return false;
}

bool requests_is_full(const struct requests *r)
{
    return r->partials.count == r->partials.max;
}

bool requests_piece_is_started(const struct requests *r, uint32_t piece)
{
    return partials_get(&r->partials, piece) != NULL;
}

bool requests_piece_is_complete(const struct requests *r, uint32_t piece)
{
    const struct partial *p = partials_get(&r->partials, piece);
    return p && partial_is_complete(p);
}

const struct bitset *requests_partial_blocks(const struct requests *r, uint32_t piece)
{
    const struct partial *p = partials_get(&r->partials, piece);
    return p ? &p->received : NULL;
}

uint32_t requests_each(const struct requests *r, uint32_t *cursor)
{
    while (*cursor < r->partials.max) {
        const struct partial *p = r->partials.slots[(*cursor)++];
        if (p) {
            return p->piece;
        }
    }
    return PICKER_NONE;
}

uint64_t requests_block_sender(const struct requests *r, uint32_t piece, uint32_t block_index)
{
    const struct partial *p = partials_get(&r->partials, piece);
    if (!p || block_index >= p->block_count || p->cells[block_index].state != CELL_RECEIVED) {
        return 0;
    }
    return p->cells[block_index].sender;
}

int requests_set_parole(struct requests *r, uint32_t piece, uint64_t sender,
                        const uint64_t *excluded, uint32_t excluded_count)
{
    struct partial *p = partials_get(&r->partials, piece);
    if (piece >= r->partials.layout->piece_count) {
        return SPATE_EINVAL;
    }
    if (!p) {
        int error;
        p = partials_start(&r->partials, piece, &error);
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
    partials_reopen(&r->partials, p);
    return 0;
}

/* ---- time ------------------------------------------------------------------------------------ */

/* When the oldest request of q, which has one, is to be taken away. */
static int64_t expiry_ns(const struct requester *q, bool *stalled)
{
    const struct request *oldest = request_oldest(q);
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
        struct request *request = request_oldest(q);
        struct partial *p = request->partial;
        out[count++] = partials_block(&r->partials, p->piece, request->index);
        q->reliable = false;
        forget_request(r, request);
        partials_settle(&r->partials, p);
    }
    if (count > 0 && q->snubbed) {
        leave_piece(r, q);
    }
    return count;
}

/* ---- consistency ----------------------------------------------------------------------------- */

static bool owners_are_consistent(const struct partial *p, uint32_t index)
{
    uint32_t owners = 0;
    const struct cell *cell = &p->cells[index];
    const struct request *request = cell->state == CELL_ASKED ? cell->asked : NULL;
    for (; request; request = request->other) {
        if (request->partial != p || request->index != index || ++owners > REQUEST_OWNERS_MAX ||
            (request->other && request->other->owner == request->owner)) {
            return false;
        }
    }
    return (cell->state == CELL_ASKED) == (owners > 0);
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
    uint64_t outstanding = 0, of_pieces = 0;
    for (uint32_t i = 0; i < r->partials.layout->piece_count; i++) {
        const struct partial *p = partials_get(&r->partials, i);
        for (uint32_t j = 0; p && j < p->block_count; j++) {
            if (!owners_are_consistent(p, j)) {
                return false;
            }
            if (p->cells[j].state == CELL_ASKED) {
                of_pieces += p->cells[j].asked->other ? 2 : 1;
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
    return partials_is_consistent(&r->partials) && outstanding == r->outstanding &&
           outstanding == of_pieces;
}
