/* The number of upload slots.
 *
 * On a slow line many slots harm most of all whoever has it. What the sockets of those that are served hold (the
 * kernel takes 64 KiB and more of each) stands before every request of ours on the same connections: for
 * ten seconds at 40 kB/s and eight slots, so that we hardly get to ask. And a piece that only we have takes as many
 * times longer to be whole at anybody else's. So a slot should be worth SLOT_BYTES_WORTH, and fewer are given where
 * the line does not carry that.
 *
 * That little leaves may as well be the others' lines, though, and then each slot less is a loss. The two are told
 * apart by trying.
 *
 * Commandments:
 *   - As long as fewer slots send what all of them did, it is our line that is slow.
 *   - When they send hardly more than their share of that, all are given back, for some minutes.
 *   - Nothing holds for ever: all slots are tried again after some minutes, and when much more leaves than was
 *     measured.
 *   - A measurement counts while no slot is free, and begins when what was changed has settled. */
#include "swarm/slots.h"

#include "base/limits.h"

enum {
    SLOT_BYTES_LIMITED = 4 << 10, /* per second; what a slot of a limited upload must be worth */
    SLOT_BYTES_WORTH = 64 << 10,  /* of a line of which no limit is known */
    SLOT_BYTES_FREE =
        128 << 10, /* per second; slots that give so much each make room for one more */
};

#define NS_PER_S INT64_C(1000000000)
#define FILL_NS  (10 * NS_PER_S) /* until the sockets of those that were unchoked are full */
#define DRAIN_NS                                                                                   \
    (25 * NS_PER_S) /* until those of the others are empty, which hold as much as ever */
#define MEASURE_NS  (10 * NS_PER_S)
#define LOOK_MAX_NS (10 * NS_PER_S)
#define FINDING_NS  (300 * NS_PER_S)

static void begin_measuring(struct slots *s, int64_t at_ns)
{
    s->from_ns = at_ns;
    s->measuring = false;
}

static void become(struct slots *s, bool narrow, uint32_t count, int64_t until_ns, int64_t now_ns)
{
    s->narrow = narrow;
    s->count = count;
    s->until_ns = until_ns;
    begin_measuring(s, now_ns + (narrow ? DRAIN_NS : FILL_NS));
}

static uint32_t least_limited(uint64_t up_limit)
{
    uint64_t worth = up_limit / SLOT_BYTES_LIMITED;
    uint32_t least = worth < SLOTS_DEFAULT ? (uint32_t)worth : SLOTS_DEFAULT;
    return least < SLOTS_MIN ? SLOTS_MIN : least;
}

void slots_init(struct slots *s, uint64_t up_limit, int64_t now_ns)
{
    *s = (struct slots){.count = 0};
    become(s, false, up_limit > 0 ? least_limited(up_limit) : SLOTS_DEFAULT, now_ns, now_ns);
}

/* False: the measurement is not over. */
static bool measure(struct slots *s, const struct slots_view *v, int64_t now_ns, uint64_t *rate)
{
    bool missed = now_ns - s->looked_ns > LOOK_MAX_NS; /* nobody was there */
    s->looked_ns = now_ns;
    if (!v->all_taken || missed) {
        begin_measuring(s, now_ns > s->from_ns ? now_ns : s->from_ns);
    }
    if (!s->measuring && now_ns >= s->from_ns) {
        s->measuring = true;
        s->from_ns = now_ns;
        s->from_bytes = v->up_bytes;
    }
    if (!s->measuring || now_ns - s->from_ns < MEASURE_NS) {
        return false;
    }
    *rate = (uint64_t)((double)(v->up_bytes - s->from_bytes) * (double)NS_PER_S /
                       (double)(now_ns - s->from_ns));
    begin_measuring(s, now_ns);
    return true;
}

static uint32_t worth_of(uint64_t rate)
{
    uint64_t worth = rate / SLOT_BYTES_WORTH;
    return worth < SLOTS_MIN ? SLOTS_MIN : worth > SLOTS_DEFAULT ? SLOTS_DEFAULT : (uint32_t)worth;
}

static void adjust(struct slots *s, uint32_t least, bool has_room, bool too_many)
{
    if (s->count < least) {
        s->count = least;
    } else if (has_room && s->count < LIMIT_UPLOAD_SLOTS) {
        s->count++;
    } else if (too_many && s->count > least) {
        s->count--;
    }
}

static void look_limited(struct slots *s, const struct slots_view *v, int64_t now_ns)
{
    bool used_up = v->up_rate >= v->up_limit / 10 * 9;
    bool has_room = !used_up && v->all_taken && v->up_limit / SLOT_BYTES_LIMITED > s->count;
    become(s, false, s->count, now_ns, now_ns);
    adjust(s, least_limited(v->up_limit), has_room, used_up || !v->all_taken);
}

static void look_wide(struct slots *s, const struct slots_view *v, int64_t now_ns)
{
    uint64_t full = v->up_rate / SLOT_BYTES_FREE, rate;
    adjust(s, SLOTS_DEFAULT, full >= s->count, full < s->count / 2);
    if (measure(s, v, now_ns, &rate) && rate > 0 && s->count == SLOTS_DEFAULT &&
        worth_of(rate) < SLOTS_DEFAULT && now_ns >= s->until_ns) {
        s->wide_rate = rate;
        become(s, true, worth_of(rate), now_ns + FINDING_NS, now_ns);
    }
}

static void look_narrow(struct slots *s, const struct slots_view *v, int64_t now_ns)
{
    /* What would leave if each slot were worth as much as before, and a quarter of what is missing then: while sockets
     * fill more leaves than the line carries. */
    uint64_t rate, least = s->wide_rate * (3 * s->count + SLOTS_DEFAULT) / (4 * SLOTS_DEFAULT);
    bool measured = measure(s, v, now_ns, &rate);
    bool loses = measured && rate < least, grew = measured && rate > s->wide_rate / 2 * 3;
    if (loses || grew || now_ns >= s->until_ns) {
        become(s, false, SLOTS_DEFAULT, loses ? now_ns + FINDING_NS : now_ns, now_ns);
    }
}

void slots_look(struct slots *s, const struct slots_view *v, int64_t now_ns)
{
    if (v->up_limit > 0) {
        look_limited(s, v, now_ns);
    } else if (s->narrow) {
        look_narrow(s, v, now_ns);
    } else {
        look_wide(s, v, now_ns);
    }
}
