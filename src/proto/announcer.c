/* Tiers and times of announces (BEP 3, 12, 15, 31).
 *
 * A walk goes through the trackers in BEP 12's order and asks one after the other until one works.
 * It waits five seconds at each, or shorter when that one fails at once; the question to a silent
 * tracker stays open meanwhile, and its answer is taken whenever it comes. A tracker that answers
 * moves to the front of its tier and ends the walk; the next one begins when its interval is over.
 * When nobody answers, the next walk begins as soon as some tracker may be asked again.
 *
 * Events are facts about one tracker: one that has not answered since the start hears `started`,
 * one that is still to hear of the completion hears `completed` at once, outside any walk, and
 * those that know us hear `stopped`. Who leaves as soon as he is done is counted nevertheless: a
 * `completed` that is under way at the stop is waited for, and so is a `started` that it must follow. A
 * `started` that may have arrived is waited for, too: without the `stopped` after it the tracker would
 * send others to us for as long as its interval lasts. */
#include "proto/announcer.h"

#include "base/error.h"
#include "base/plant.h"

#include <stdlib.h>

#define SECOND_NS INT64_C(1000000000)

enum {
    SILENCE_S = 5, /* before the next tracker is asked */
    BACK_OFF_FIRST_S = 15,
    BACK_OFF_LAST_S = 3600,
    BACK_OFF_DOUBLINGS = 8,
    INTERVAL_DEFAULT_S = 1800, /* of a tracker that does not say */
    STOP_S = 2,                /* for telling trackers that we stop */
    STOP_STARTED_S = 1, /* the same while all that is open is a `started` that may have arrived */
};

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* SplitMix64: nothing here has to be unforeseeable. */
static uint64_t draw(struct announcer *a)
{
    uint64_t z = (a->random += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void announcer_init(struct announcer *a, uint64_t seed)
{
    *a = (struct announcer){.current = ANNOUNCER_NONE, .next_ns = INT64_MAX, .random = seed};
}

void announcer_deinit(struct announcer *a)
{
    free(a->trackers);
    free(a->order);
    announcer_init(a, 0);
}

int announcer_reserve(struct announcer *a)
{
    if (a->count < a->capacity) {
        return 0;
    }
    if (a->count >= LIMIT_TRACKERS) {
        return SPATE_ELIMIT;
    }
    uint32_t capacity = a->capacity ? a->capacity * 2 : 4;
    struct announcer_tracker *trackers = realloc(a->trackers, capacity * sizeof *trackers);
    if (!trackers) {
        return SPATE_ENOMEM;
    }
    a->trackers = trackers;
    uint32_t *order = realloc(a->order, capacity * sizeof *order);
    if (!order) {
        return SPATE_ENOMEM;
    }
    a->order = order;
    a->capacity = capacity;
    return 0;
}

int announcer_add(struct announcer *a, uint32_t tier, int64_t now_ns)
{
    int status = announcer_reserve(a);
    if (status < 0) {
        return status;
    }
    uint32_t first = 0;
    while (first < a->count && a->trackers[a->order[first]].tier < tier) {
        first++;
    }
    uint32_t end = first;
    while (end < a->count && a->trackers[a->order[end]].tier == tier) {
        end++;
    }
    /* A random place for each newcomer makes every order of the tier equally likely. */
    uint32_t place = first + (uint32_t)(draw(a) % (end - first + 1));
    memmove(a->order + place + 1, a->order + place, (a->count - place) * sizeof *a->order);
    a->order[place] = a->count;
    a->trackers[a->count] = (struct announcer_tracker){.tier = tier};
    if (a->walking && place < a->cursor) {
        a->cursor++;
    }
    if (a->state == ANNOUNCER_RUNNING && !a->walking && a->current == ANNOUNCER_NONE) {
        a->next_ns = now_ns;
    }
    return (int)a->count++;
}

static void ask(struct announcer *a, uint32_t tracker, enum tracker_event event, int64_t now_ns)
{
    struct announcer_tracker *t = &a->trackers[tracker];
    t->open = t->to_ask = true;
    t->reached = false;
    t->asked_ns = now_ns;
    t->event = (uint8_t)event;
}

bool announcer_outlives_stop(const struct announcer *a, uint32_t tracker, int64_t now_ns)
{
    const struct announcer_tracker *t = &a->trackers[tracker];
    bool counts_us_in = t->reached && t->event == TRACKER_EVENT_STARTED &&
                        now_ns - t->asked_ns < STOP_STARTED_S * SECOND_NS;
    return t->open && (t->event == TRACKER_EVENT_COMPLETED || t->completed_due || counts_us_in);
}

void announcer_on_reached(struct announcer *a, uint32_t tracker)
{
    a->trackers[tracker].reached = a->trackers[tracker].open;
}

static void void_questions(struct announcer *a, bool all, int64_t now_ns)
{
    for (uint32_t i = 0; i < a->count; i++) {
        if (all || !announcer_outlives_stop(a, i, now_ns)) {
            a->trackers[i].open = a->trackers[i].to_ask = false;
        }
    }
    a->walking = false;
    a->current = ANNOUNCER_NONE;
    a->next_ns = INT64_MAX;
}

void announcer_start(struct announcer *a, int64_t now_ns)
{
    void_questions(a, true, now_ns);
    for (uint32_t i = 0; i < a->count; i++) {
        struct announcer_tracker *t = &a->trackers[i];
        t->known = t->completed_due = false;
        t->retry_ns = t->due_ns = t->min_ns = 0;
    }
    a->state = ANNOUNCER_RUNNING;
    a->hurried = false;
    a->next_ns = now_ns;
    announcer_wake(a, now_ns);
}

static void finish_stop_when_done(struct announcer *a)
{
    for (uint32_t i = 0; i < a->count; i++) {
        if (a->trackers[i].open) {
            return;
        }
    }
    a->state = ANNOUNCER_IDLE;
}

/* A question that was asked before or while we stop is over: what comes after `started` is `completed`, if that is
 * due, and after anything `stopped`. */
static void go_on_stopping(struct announcer *a, struct announcer_tracker *t, bool answered,
                           int64_t now_ns)
{
    enum tracker_event event = (enum tracker_event)t->event;
    t->known |= answered;
    if (a->state != ANNOUNCER_STOPPING || !t->known || event == TRACKER_EVENT_STOPPED) {
        t->known = false;
        finish_stop_when_done(a);
    } else if (t->completed_due && event != TRACKER_EVENT_COMPLETED) {
        ask(a, (uint32_t)(t - a->trackers), TRACKER_EVENT_COMPLETED, now_ns);
    } else {
        ask(a, (uint32_t)(t - a->trackers), TRACKER_EVENT_STOPPED, now_ns);
    }
}

void announcer_stop(struct announcer *a, int64_t now_ns)
{
    if (a->state != ANNOUNCER_RUNNING) {
        return;
    }
    void_questions(a, false, now_ns);
    int64_t patience_s = STOP_STARTED_S;
    for (uint32_t i = 0; i < a->count; i++) {
        struct announcer_tracker *t = &a->trackers[i];
        if (t->known && !t->open) {
            ask(a, i, TRACKER_EVENT_STOPPED, now_ns);
        }
        if (t->open && (t->event != TRACKER_EVENT_STARTED || t->completed_due)) {
            patience_s = STOP_S;
        }
    }
    a->state = ANNOUNCER_STOPPING;
    a->stop_ns = now_ns + patience_s * SECOND_NS;
    finish_stop_when_done(a);
}

void announcer_completed(struct announcer *a, int64_t now_ns)
{
    if (a->state != ANNOUNCER_RUNNING) {
        return;
    }
    for (uint32_t i = 0; i < a->count; i++) {
        struct announcer_tracker *t = &a->trackers[i];
        /* Others will hear `started` with nothing left, which says it all. */
        t->completed_due = t->known || t->open;
    }
    announcer_wake(a, now_ns);
}

/* When the first of the trackers that are not being asked may be asked. */
static int64_t earliest(const struct announcer *a)
{
    int64_t at_ns = INT64_MAX;
    for (uint32_t i = 0; i < a->count; i++) {
        const struct announcer_tracker *t = &a->trackers[i];
        if (!t->open && !t->never) {
            at_ns = earlier(at_ns, later(t->retry_ns, t->due_ns));
        }
    }
    return at_ns;
}

void announcer_now(struct announcer *a, int64_t now_ns)
{
    for (uint32_t i = 0; i < a->count; i++) {
        struct announcer_tracker *t = &a->trackers[i];
        t->due_ns = earlier(t->due_ns, t->min_ns);
        a->hurried |= a->state == ANNOUNCER_RUNNING && t->open;
    }
    if (a->state == ANNOUNCER_RUNNING && !a->walking) {
        int64_t at_ns = a->current == ANNOUNCER_NONE ? earliest(a) : a->trackers[a->current].due_ns;
        a->next_ns = earlier(a->next_ns, later(at_ns, now_ns));
        announcer_wake(a, now_ns);
    }
}

void announcer_need(struct announcer *a, int64_t now_ns)
{
    if (!announcer_works(a) || a->walking) {
        return;
    }
    struct announcer_tracker *t = &a->trackers[a->current];
    if (t->min_named && !t->open) {
        t->due_ns = earlier(t->due_ns, t->min_ns);
        a->next_ns = earlier(a->next_ns, later(t->due_ns, now_ns));
        announcer_wake(a, now_ns);
    }
}

static uint32_t place_of(const struct announcer *a, uint32_t tracker)
{
    uint32_t place = 0;
    while (a->order[place] != tracker) {
        place++;
    }
    return place;
}

/* BEP 12: a tracker that answers is the first of its tier from then on. */
static void move_to_front(struct announcer *a, uint32_t tracker)
{
    uint32_t place = place_of(a, tracker);
    uint32_t tier = a->trackers[tracker].tier;
    for (; place > 0 && a->trackers[a->order[place - 1]].tier == tier; place--) {
        a->order[place] = a->order[place - 1];
    }
    a->order[place] = tracker;
}

static void settle_on(struct announcer *a, uint32_t tracker)
{
    a->walking = false;
    a->current = tracker;
    a->next_ns = a->trackers[tracker].due_ns;
}

void announcer_on_answer(struct announcer *a, uint32_t tracker, int64_t interval_s,
                         int64_t min_interval_s, int64_t now_ns)
{
    ASSERT(tracker < a->count);
    struct announcer_tracker *t = &a->trackers[tracker];
    if (!t->open) {
        return;
    }
    t->open = t->to_ask = false;
    t->failures = 0;
    t->retry_ns = 0;
    if (a->state != ANNOUNCER_RUNNING) {
        go_on_stopping(a, t, true, now_ns);
        return;
    }
    interval_s = clamp(interval_s > 0 ? interval_s : INTERVAL_DEFAULT_S,
                       LIMIT_TRACKER_INTERVAL_MIN_S, LIMIT_TRACKER_INTERVAL_MAX_S);
    t->min_named = min_interval_s > 0;
    min_interval_s = clamp(min_interval_s, LIMIT_TRACKER_INTERVAL_MIN_S, interval_s);
    t->due_ns = now_ns + interval_s * SECOND_NS;
    t->min_ns = now_ns + min_interval_s * SECOND_NS;
    if (a->hurried) { /* that question was asked before we knew better */
        a->hurried = false;
        t->due_ns = t->min_ns;
    }
    t->known = true;
    if (t->event == TRACKER_EVENT_COMPLETED) {
        t->completed_due = false;
    }
    move_to_front(a, tracker);
    /* A late answer only matters when that tracker comes before the one that works. */
    if (a->walking || a->current == ANNOUNCER_NONE ||
        place_of(a, tracker) <= place_of(a, a->current)) {
        settle_on(a, tracker);
    }
    announcer_wake(a, now_ns);
}

static int64_t back_off_ns(struct announcer *a, uint32_t failures)
{
    uint32_t doublings = failures - 1 < BACK_OFF_DOUBLINGS ? failures - 1 : BACK_OFF_DOUBLINGS;
    int64_t delay_ns = (INT64_C(1) << doublings) * BACK_OFF_FIRST_S * SECOND_NS;
    delay_ns += (int64_t)(draw(a) % (uint64_t)(delay_ns / 4));
    return earlier(delay_ns, BACK_OFF_LAST_S * SECOND_NS);
}

void announcer_on_failure(struct announcer *a, uint32_t tracker, int64_t retry_s, int64_t now_ns)
{
    ASSERT(tracker < a->count);
    struct announcer_tracker *t = &a->trackers[tracker];
    if (!t->open) {
        return;
    }
    t->open = t->to_ask = false;
    if (a->state != ANNOUNCER_RUNNING) {
        go_on_stopping(a, t, false, now_ns);
        return;
    }
    t->failures += t->failures < UINT32_MAX;
    t->due_ns = 0;
    t->retry_ns = now_ns;
    if (retry_s == TRACKER_RETRY_NEVER || PLANT(NEVER_RETRY)) {
        t->never = true;
        t->known = false;
    } else if (retry_s > 0) {
        retry_s = clamp(retry_s, LIMIT_TRACKER_INTERVAL_MIN_S, LIMIT_TRACKER_INTERVAL_MAX_S);
        t->retry_ns += retry_s * SECOND_NS;
    } else if (retry_s != ANNOUNCER_SILENCE) {
        t->retry_ns += back_off_ns(a, t->failures);
    }
    if (a->walking) {
        a->next_ns = now_ns;
    } else if (a->current == tracker) {
        a->current = ANNOUNCER_NONE;
        a->next_ns = now_ns;
    } else if (a->current == ANNOUNCER_NONE) {
        a->next_ns = earlier(a->next_ns, later(earliest(a), now_ns));
    }
    announcer_wake(a, now_ns);
}

/* Goes on with the walk: asks one tracker, or ends. */
static void walk(struct announcer *a, int64_t now_ns)
{
    for (; a->cursor < a->count; a->cursor++) {
        uint32_t tracker = a->order[a->cursor];
        struct announcer_tracker *t = &a->trackers[tracker];
        if (t->never) {
            continue;
        }
        if (!t->open && t->known && t->failures == 0 && now_ns < t->due_ns) {
            settle_on(a, tracker);
            return;
        }
        if (!t->open && now_ns >= t->retry_ns) {
            ask(a, tracker,
                !t->known          ? TRACKER_EVENT_STARTED
                : t->completed_due ? TRACKER_EVENT_COMPLETED
                                   : TRACKER_EVENT_NONE,
                now_ns);
        }
        if (t->open && now_ns < t->asked_ns + SILENCE_S * SECOND_NS) {
            a->next_ns = t->asked_ns + SILENCE_S * SECOND_NS;
            return;
        }
    }
    a->walking = false;
    a->next_ns = earliest(a);
}

static bool completed_is_due(const struct announcer_tracker *t)
{
    return t->completed_due && t->known && !t->open && !t->never;
}

void announcer_wake(struct announcer *a, int64_t now_ns)
{
    if (a->state == ANNOUNCER_STOPPING && now_ns >= a->stop_ns) {
        void_questions(a, true, now_ns);
        a->state = ANNOUNCER_IDLE;
    }
    if (a->state != ANNOUNCER_RUNNING) {
        return;
    }
    for (uint32_t i = 0; i < a->count; i++) {
        if (completed_is_due(&a->trackers[i]) && now_ns >= a->trackers[i].retry_ns) {
            ask(a, i, TRACKER_EVENT_COMPLETED, now_ns);
        }
    }
    if (now_ns >= a->next_ns) {
        if (!a->walking) {
            a->walking = true;
            a->cursor = 0;
            a->current = ANNOUNCER_NONE;
        }
        walk(a, now_ns);
    }
}

bool announcer_next(struct announcer *a, struct announcer_ask *out)
{
    for (uint32_t i = 0; i < a->count; i++) {
        struct announcer_tracker *t = &a->trackers[i];
        if (t->to_ask) {
            t->to_ask = false;
            *out = (struct announcer_ask){i, (enum tracker_event)t->event, t->failures};
            return true;
        }
    }
    return false;
}

int64_t announcer_deadline(const struct announcer *a)
{
    if (a->state == ANNOUNCER_STOPPING) {
        return a->stop_ns;
    }
    if (a->state != ANNOUNCER_RUNNING) {
        return INT64_MAX;
    }
    int64_t at_ns = a->next_ns;
    for (uint32_t i = 0; i < a->count; i++) {
        if (completed_is_due(&a->trackers[i])) {
            at_ns = earlier(at_ns, a->trackers[i].retry_ns);
        }
    }
    return at_ns;
}

int64_t announcer_next_ns(const struct announcer *a)
{
    return a->state == ANNOUNCER_RUNNING && !a->walking ? a->next_ns : INT64_MAX;
}

int64_t announcer_tracker_next_ns(const struct announcer *a, uint32_t tracker)
{
    const struct announcer_tracker *t = &a->trackers[tracker];
    bool planned = t->known || t->failures > 0;
    return a->state == ANNOUNCER_RUNNING && planned && !t->open && !t->never
               ? later(t->retry_ns, t->due_ns)
               : INT64_MAX;
}
