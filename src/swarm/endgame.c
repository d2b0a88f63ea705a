/* The endgame (BEP 3), with as few blocks that come twice as can be.
 *
 * Commandments:
 *   - What is left is given to peers in the measure of their speed, so that all are through at the
 *     same time: a slow peer takes no block that the others would have sooner.
 *   - A block whose answer is due within a round trip is on its way: nobody else is asked for it.
 *   - Copies are few: those that may have been in vain are a small part of what has come. Only what
 *     is owed by peers that deliver nothing may always be asked of others. */
#include "swarm/endgame.h"

#include "base/limits.h"

enum {
    UNKNOWN_RATE = 100000, /* bytes per second of a peer that has delivered nothing */
    COPIES_SHARE = 24,     /* of so many blocks that came, one may be a copy in vain */
    SHARE_PERCENT = 50,    /* of an even share is what a peer of unknown speed is trusted with */
    SLACK_PERCENT = 25,    /* by which others must be sooner */
    OVERDUE_SHARE = 4, /* of the time after which requests are taken away: twice the usual one */
};

#define NS_PER_S          INT64_C(1000000000)
#define UNKNOWN_RTT_NS    NS_PER_S
#define PATIENCE_NS       (3 * NS_PER_S) /* at most, with a peer that is not reliable */
#define ON_ITS_WAY_MAX_NS NS_PER_S
#define PAUSE_MIN_NS      (NS_PER_S / 20) /* between two looks */
#define PAUSE_MAX_NS      NS_PER_S

/* ---- expectations ---------------------------------------------------------------------------- */

/* The time that q takes for one block while it has more to send. */
static int64_t service_ns(const struct requester *q)
{
    uint64_t rate = q->pipeline.rate ? q->pipeline.rate : UNKNOWN_RATE;
    return (int64_t)((double)BLOCK_BYTES * (double)NS_PER_S / (double)rate);
}

static int64_t rtt_ns(const struct requester *q)
{
    return q->pipeline.rtt_us ? q->pipeline.rtt_us * 1000 : UNKNOWN_RTT_NS;
}

/* How long until one more block would come from q. */
static int64_t offer_ns(const struct requester *q)
{
    return rtt_ns(q) + q->outstanding * service_ns(q);
}

/* How long v takes for what it is asked before its request number position, from 1. Its rate still
 * doubles a round while it ramps. */
static int64_t queue_ns(const struct requester *v, uint32_t position)
{
    int64_t service = service_ns(v), rtt = rtt_ns(v);
    int64_t queue = (position - 1) * service, rounds = 0;
    if (v->pipeline.ramping) {
        for (uint32_t i = position; i > 1; i /= 2) {
            rounds += service > rtt ? service : rtt;
        }
        queue = rounds < queue ? rounds : queue;
    }
    return queue;
}

/* How long until v answers its request number position. Once its oldest is overdue, that is taken
 * to need as long again. */
static int64_t answer_ns(const struct requester *v, uint32_t position, int64_t now_ns)
{
    int64_t first = request_oldest(v)->sent_ns + rtt_ns(v);
    int64_t next = v->progress_ns + service_ns(v);
    int64_t wait = (next > first ? next : first) - now_ns;
    if (v->snubbed) {
        wait = pipeline_timeout_ns(&v->pipeline);
    }
    return (wait < 0 ? -wait / 2 : wait) + queue_ns(v, position);
}

/* When v, unless it answers its oldest request, is taken for silent: nothing is on its way from it.
 * Blocks that were not asked for are no answer. */
static int64_t overdue_ns(const struct requester *v)
{
    int64_t patience = pipeline_timeout_ns(&v->pipeline) / OVERDUE_SHARE;
    if (!v->reliable && patience > PATIENCE_NS) {
        patience = PATIENCE_NS;
    }
    return v->snubbed ? INT64_MIN : request_oldest(v)->sent_ns + patience;
}

/* How long an answer of v may be on its way. No path is as long as what somebody takes who answers at random. */
static int64_t on_its_way_ns(const struct requester *v)
{
    int64_t rtt = rtt_ns(v);
    return rtt < ON_ITS_WAY_MAX_NS ? rtt : ON_ITS_WAY_MAX_NS;
}

static bool delivers(const struct requester *v, int64_t now_ns)
{
    return v->reliable && overdue_ns(v) > now_ns;
}

static int64_t pause_of(int64_t ns)
{
    return ns < PAUSE_MIN_NS ? PAUSE_MIN_NS : ns > PAUSE_MAX_NS ? PAUSE_MAX_NS : ns;
}

/* ---- what is unasked ------------------------------------------------------------------------- */

uint64_t endgame_unasked(const struct requests *r, uint64_t most)
{
    uint64_t blocks = (uint64_t)picker_candidates(r->picker) *
                      ((r->partials.layout->piece_length - 1) / BLOCK_BYTES + 1);
    list_for_each (node, &r->partials.open) {
        if (blocks > most) {
            break;
        }
        blocks += list_entry(node, struct partial, node)->free_count;
    }
    return blocks;
}

uint32_t endgame_share(const struct requests *r)
{
    uint64_t seeds = r->picker->seeds;
    if (seeds < 2) {
        return UINT32_MAX;
    }
    uint64_t most = seeds * PIPELINE_START * 100 / SHARE_PERCENT;
    uint64_t share = endgame_unasked(r, most) * SHARE_PERCENT / 100 / seeds + 1;
    return share < PIPELINE_FLOOR ? PIPELINE_FLOOR : share > most ? UINT32_MAX : (uint32_t)share;
}

bool endgame_leaves_it(const struct requests *r, const struct requester *q, uint32_t piece,
                       int64_t now_ns, int64_t *pause_ns)
{
    uint64_t blocks = endgame_unasked(r, r->outstanding);
    double rates = 0, delay = 0;
    (void)now_ns;
    if (blocks > r->outstanding || q->pipeline.rate == 0) {
        return false;
    }
    list_for_each (node, &r->requesters) {
        const struct requester *v = list_entry(node, struct requester, node);
        if (v != q && !v->snubbed && v->pipeline.rate > 0 && request_has_piece(r, v->has, piece)) {
            double rate = 1 / (double)service_ns(v);
            rates += rate;
            delay += rate * (double)rtt_ns(v);
            blocks += v->outstanding;
        }
    }
    if (rates == 0) {
        return false;
    }
    double others_ns = (delay + (double)blocks - 1) / rates;
    double later_ns = (double)offer_ns(q) - others_ns * (100 + SLACK_PERCENT) / 100;
    *pause_ns = pause_of((int64_t)later_ns / 2);
    return later_ns > 0;
}

/* ---- copies ---------------------------------------------------------------------------------- */

/* May q be asked for blocks that v is asked for? A piece on parole stays with one that delivers. */
static bool may_copy(const struct partial *p, const struct requester *v, const struct requester *q,
                     int64_t now_ns)
{
    return p->wanted && (!p->parole || (q->reliable && !delivers(v, now_ns) &&
                                        (p->parole_key == v->key || p->parole_key == q->key)));
}

/* The youngest request of v that is its alone and that q could be asked for. */
static struct request *copyable(const struct requests *r, const struct requester *v,
                                const struct requester *q, const struct bitset *has, int64_t now_ns,
                                uint32_t *position)
{
    *position = v->outstanding;
    for (struct list *node = v->asked.prev; v->sole > 0 && node != &v->asked; node = node->prev) {
        struct request *request = list_entry(node, struct request, node);
        struct partial *p = request->partial;
        if (!request->other && may_copy(p, v, q, now_ns) &&
            p->cells[request->index].asked == request && request_has_piece(r, has, p->piece)) {
            return request;
        }
        --*position;
    }
    return NULL;
}

struct request *endgame_copy(const struct requests *r, const struct requester *q,
                             const struct bitset *has, bool of_all, int64_t now_ns,
                             int64_t *pause_ns)
{
    struct request *best = NULL;
    int64_t best_gain = INT64_MIN, offer = offer_ns(q), later_ns = INT64_MAX;
    bool enough = of_all && r->doubtful * COPIES_SHARE >= r->received + COPIES_SHARE;
    *pause_ns = INT64_MAX;
    if (q->copies >= REQUEST_COPIES_MAX || (!q->reliable && (r->reliable_seen || !of_all))) {
        return NULL;
    }
    list_for_each (node, &r->requesters) {
        struct requester *v = list_entry(node, struct requester, node);
        uint32_t position;
        if (v == q) {
            continue;
        }
        int64_t wait_ns = overdue_ns(v) > now_ns ? overdue_ns(v) - now_ns : 0;
        if (wait_ns > 0 && (!of_all || (enough && v->reliable))) {
            later_ns = wait_ns < later_ns ? wait_ns : later_ns;
            continue;
        }
        struct request *request = copyable(r, v, q, has, now_ns, &position);
        if (!request) {
            continue;
        }
        int64_t gain =
            answer_ns(v, position, now_ns) - offer - (wait_ns > 0 ? on_its_way_ns(v) : 0);
        if (gain > best_gain) {
            best = request;
            best_gain = gain;
        }
    }
    if (best_gain <= 0) {
        *pause_ns = best                   ? pause_of(-best_gain / 2)
                    : later_ns < INT64_MAX ? pause_of(later_ns)
                                           : INT64_MAX;
        return NULL;
    }
    return best;
}

bool endgame_is_in_time(const struct request *request)
{
    const struct requester *v = request->owner;
    uint32_t position = 1;
    for (const struct list *node = request->node.prev; node != &v->asked; node = node->prev) {
        position++;
    }
    return !v->reliable || queue_ns(v, position) > rtt_ns(v);
}
