/* How many requests keep one peer's pipe full, and how long its silence is ordinary: measured from
 * when requests left and blocks came. */
#ifndef SWARM_PIPELINE_H
#define SWARM_PIPELINE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PIPELINE_FLOOR = 2, /* requests at a peer that delivers, however slowly */
    PIPELINE_START = 8, /* at one that has not delivered yet */
};

struct pipeline {
    int64_t rtt_us;      /* shortest time from request to block; 0: not measured */
    uint64_t rate;       /* bytes per second it delivers lately; 0: not measured */
    int64_t response_us; /* smoothed rtt_us with the queue at the peer included; 0: not measured */

    bool ramping;          /* the window doubles each round trip */
    bool used;             /* the window was full in this round */
    uint64_t full_serial;  /* the request that last filled the window */
    uint32_t window;       /* requests while ramping */
    uint32_t flat_rounds;  /* in a row, without growth */
    uint64_t round_serial; /* the round ends when this request or a younger one is answered */
    int64_t round_ns;      /* when it began */
    uint64_t round_bytes;  /* delivered since */
    uint64_t best_rate[2]; /* of the rounds of this period, and of the period before */
    uint32_t best_rounds;  /* in this period */
    int64_t best_ns;       /* when this period began */
    int64_t period_rtt_us; /* shortest response of the present RTT period; INT64_MAX: none */
    uint32_t period_samples;
    int64_t period_ns;     /* when it began */
    bool probing;          /* the queue is let run dry, to see the path alone */
    uint64_t probe_serial; /* the request whose response tells; 0: not made yet */
};

void pipeline_init(struct pipeline *, int64_t now_ns);
/* Request number serial leaves; serials grow, from 1. outstanding: requests before it. */
void pipeline_on_request(struct pipeline *, uint64_t serial, uint32_t outstanding, int64_t now_ns);
/* Its block came. next_serial: of the next request to leave. */
void pipeline_on_block(struct pipeline *, uint64_t serial, int64_t sent_ns, uint32_t bytes,
                       uint64_t next_serial, int64_t now_ns);
/* A block came that was not outstanding (any more): it tells of the rate only. */
void pipeline_on_stray(struct pipeline *, uint32_t bytes);
/* It delivers again after a long silence: measure anew, from a small window. */
void pipeline_restart(struct pipeline *, int64_t now_ns);

/* Requests to have outstanding, not yet capped by what the peer queues. */
uint32_t pipeline_target(const struct pipeline *);
/* The silence after which it is taken to have stopped. */
int64_t pipeline_timeout_ns(const struct pipeline *);

bool pipeline_is_consistent(const struct pipeline *);

#endif
