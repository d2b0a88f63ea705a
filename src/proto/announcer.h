/* Whom to announce to, and when: the trackers of one torrent over one address family, in tiers (BEP
 * 12), with intervals, retries and events. A pure machine: it is told what the caller wants and
 * what trackers answered, and yields questions to ask and a deadline. It holds no URL and sends
 * nothing: a tracker is an index. After every call but the const ones, drain announcer_next() and
 * look at the deadline again. */
#ifndef PROTO_ANNOUNCER_H
#define PROTO_ANNOUNCER_H

#include "codec/tracker.h"

#define ANNOUNCER_NONE UINT32_MAX /* no tracker */

/* What may follow a failure, beside TRACKER_RETRY_NEVER and a positive number of seconds (BEP 31).
 */
enum {
    ANNOUNCER_BACK_OFF =
        0, /* 15 s, doubled with each failure in a row up to an hour, with jitter */
    ANNOUNCER_SILENCE =
        -2, /* the retransmission time of BEP 15 has passed: may be asked again at once */
};

struct announcer_tracker {
    uint32_t tier;
    uint32_t failures;  /* in a row; the n of BEP 15's 15 * 2^n */
    int64_t asked_ns;   /* when the open question was asked */
    int64_t retry_ns;   /* after a failure: not before */
    int64_t due_ns;     /* after an answer: not before, by its interval */
    int64_t min_ns;     /* after an answer: not even when told to, by its minimum interval */
    uint8_t event;      /* enum tracker_event of the open question */
    bool open;          /* asked and not yet answered */
    bool to_ask;        /* open, and not yet handed out by announcer_next() */
    bool reached;       /* open, and may have arrived: the tracker may count us in */
    bool known;         /* has answered since the start: it counts us in */
    bool never;         /* told us never to come again (BEP 31, HTTP 410) */
    bool completed_due; /* is still to hear that we completed */
    bool min_named;     /* its last answer said how soon it may be asked again */
};

struct announcer {
    struct announcer_tracker *trackers;
    uint32_t *order; /* indices by tier; within a tier as they are tried (BEP 12) */
    uint32_t count, capacity;
    enum { ANNOUNCER_IDLE, ANNOUNCER_RUNNING, ANNOUNCER_STOPPING } state;
    bool hurried;     /* told to announce soon while a question was open */
    bool walking;     /* a walk through order looks for a tracker that works */
    uint32_t cursor;  /* of the walk, in order */
    uint32_t current; /* the tracker that works, or ANNOUNCER_NONE */
    int64_t next_ns;  /* not walking: when the next walk begins; walking: when it goes on */
    int64_t stop_ns;  /* stopping: when it is given up */
    uint64_t random;
};

struct announcer_ask {
    uint32_t tracker;
    enum tracker_event event;
    uint32_t failures; /* of this tracker before this question */
};

/* Takes no memory. seed: for the order within tiers and for jitter. */
void announcer_init(struct announcer *, uint64_t seed);
void announcer_deinit(struct announcer *);
/* Makes room for one more tracker, so that the next announcer_add() cannot fail. SPATE_ENOMEM, SPATE_ELIMIT. */
int announcer_reserve(struct announcer *);
/* Adds a tracker at a random place of its tier; returns its index (0, 1, ...), SPATE_ENOMEM or
 * SPATE_ELIMIT. */
int announcer_add(struct announcer *, uint32_t tier, int64_t now_ns);

/* Every question that was open before start or stop is void: its answer must not be told. But at the stop the
 * questions of announcer_outlives_stop() go on, and what is due follows them. */
void announcer_start(struct announcer *, int64_t now_ns);
void announcer_stop(struct announcer *, int64_t now_ns);
/* The open question to this tracker is `completed`, or comes before a `completed` that is due, or is a `started`
 * of less than a second ago that may have arrived. */
bool announcer_outlives_stop(const struct announcer *, uint32_t tracker, int64_t now_ns);
/* The open question of a tracker, if there is one, may have arrived: said before a stop. */
void announcer_on_reached(struct announcer *, uint32_t tracker);
/* The torrent has just been completed: every tracker that was told of a download hears of it once.
 */
void announcer_completed(struct announcer *, int64_t now_ns);
/* Announce as soon as the minimum interval allows. */
void announcer_now(struct announcer *, int64_t now_ns);
/* The same for want of peers, which nobody need know of: only where the tracker that works named a minimum interval.
 * Otherwise it is not to be asked before its interval is over (BEP 15). */
void announcer_need(struct announcer *, int64_t now_ns);

/* The open question of a tracker was answered; seconds as the tracker said them, 0: not said. */
void announcer_on_answer(struct announcer *, uint32_t tracker, int64_t interval_s,
                         int64_t min_interval_s, int64_t now_ns);
/* The open question of a tracker failed. retry_s: seconds, TRACKER_RETRY_NEVER, or one of the
 * above. */
void announcer_on_failure(struct announcer *, uint32_t tracker, int64_t retry_s, int64_t now_ns);

/* The next question to ask; replaces one to the same tracker that is under way. */
bool announcer_next(struct announcer *, struct announcer_ask *);
/* When to call announcer_wake(); INT64_MAX: not before something else happens. */
int64_t announcer_deadline(const struct announcer *);
void announcer_wake(struct announcer *, int64_t now_ns);

/* Trackers are still being told that we stop. */
static inline bool announcer_stopping(const struct announcer *a)
{
    return a->state == ANNOUNCER_STOPPING;
}
/* Some tracker works and nothing is being asked beyond it. */
static inline bool announcer_works(const struct announcer *a)
{
    return a->state == ANNOUNCER_RUNNING && a->current != ANNOUNCER_NONE;
}
/* When the next announce is planned; INT64_MAX: none is, or one is under way. */
int64_t announcer_next_ns(const struct announcer *);
/* The same for one tracker: when it may be asked next. */
int64_t announcer_tracker_next_ns(const struct announcer *, uint32_t tracker);

#endif
