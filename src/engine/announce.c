/* The trackers of one torrent in the world. Each address family has an announcer (proto/announcer) of its
 * own, since a peer that is reachable over both is registered over both (BEP 7); what either wants asked
 * becomes an ask (engine/ask), and what comes back is told to the announcer, to the torrent, and to people. */
#include "engine/announce.h"

#include "base/text.h"
#include "engine/ask.h"
#include "proto/announcer.h"

#include <stdio.h>
#include <stdlib.h>

#define SECOND_NS INT64_C(1000000000)

enum {
    HTTP_TIMEOUT_S = 30,
    STOP_TIMEOUT_S = 2,
    TRACKER_ID_MAX = 256,
    HOST_TEXT_MAX = 300,
    MESSAGE_MAX = HOST_TEXT_MAX + LIMIT_TRACKER_TEXT_BYTES + 40,
    FAMILIES = 2,
};

static const enum addr_family family_of[FAMILIES] = {ADDR_V4, ADDR_V6};

/* What came of asking one tracker over one family. */
struct reach {
    struct ask *ask;  /* under way, or NULL */
    struct addr hint; /* UDP: where it answered from */
    char *text;       /* failure or warning; NULL: none */
    char *tracker_id; /* BEP 3; NULL: none */
    int error;        /* of the last question */
    bool answered;    /* the last question */
    bool absent;      /* the name has no address of this family */
    uint32_t seeders, leechers, peers;
};

struct announce_tracker {
    char *url;
    struct ask_target target;
    struct reach reach[FAMILIES];
};

struct announce {
    struct announce_settings s;
    struct announce_owner owner;
    uint8_t info_hash[20], peer_id[20];
    struct announcer lanes[FAMILIES]; /* one per family; a tracker has the same index in both */
    bool uses[FAMILIES];
    struct announce_tracker **trackers;
    uint32_t count, capacity;
    struct io_op timer;
    int64_t timer_ns; /* when timer is due, while it is active */
    char *message;    /* for people; NULL: all is well */
    char *failure;    /* the last one since an answer; NULL: none */
    uint32_t calling; /* inside a call of the owner, who may destroy us meanwhile */
    bool destroyed;
};

static void on_timer(struct io_op *op, int status);
static void pump(struct announce *a);

/* "host:port", escaped by whoever shows it. */
static const char *host_of(const struct announce_tracker *t, char out[HOST_TEXT_MAX])
{
    const struct url *u = &t->target.parts;
    snprintf(out, HOST_TEXT_MAX, u->host_is_v6 ? "[%.*s]:%u" : "%.*s:%u", (int)u->host.size,
             (const char *)u->host.bytes, u->port);
    return out;
}

static void set_text(char **to, const char *text)
{
    free(*to);
    *to = text[0] ? strdup(text) : NULL; /* without memory people see less, that is all */
}

/* ---- the list of trackers -------------------------------------------------------------------- */

static void tracker_free(struct announce_tracker *t)
{
    if (t) {
        for (uint32_t lane = 0; lane < FAMILIES; lane++) {
            free(t->reach[lane].text);
            free(t->reach[lane].tracker_id);
        }
        free(t->url);
        free(t);
    }
}

static int tracker_create(const char *url, bool trusted, struct announce_tracker **out,
                          struct spate_error *error)
{
    struct announce_tracker *t = calloc(1, sizeof *t);
    *out = NULL;
    if (!t || !(t->url = strdup(url))) {
        free(t);
        return SPATE_ENOMEM;
    }
    for (uint32_t lane = 0; lane < FAMILIES; lane++) {
        t->reach[lane].seeders = t->reach[lane].leechers = TRACKER_COUNT_UNKNOWN;
    }
    int status = ask_target_init(&t->target, t->url, trusted, error);
    if (status < 0) {
        tracker_free(t);
        return status;
    }
    *out = t;
    return 0;
}

/* Makes room in all tables first, so that they never disagree. */
static int reserve(struct announce *a)
{
    for (uint32_t lane = 0; lane < FAMILIES; lane++) {
        int status = announcer_reserve(&a->lanes[lane]);
        if (status < 0) {
            return status;
        }
    }
    if (a->count < a->capacity) {
        return 0;
    }
    uint32_t capacity = a->capacity ? a->capacity * 2 : 4;
    struct announce_tracker **trackers = realloc(a->trackers, capacity * sizeof *trackers);
    if (!trackers) {
        return SPATE_ENOMEM;
    }
    a->trackers = trackers;
    a->capacity = capacity;
    return 0;
}

static int add(struct announce *a, const char *url, uint32_t tier, bool trusted,
               struct spate_error *error)
{
    for (uint32_t i = 0; i < a->count; i++) {
        if (strcmp(a->trackers[i]->url, url) == 0) {
            a->trackers[i]->target.trusted |= trusted;
            return SPATE_EEXIST;
        }
    }
    struct announce_tracker *t;
    int status = reserve(a);
    if (status == 0) {
        status = tracker_create(url, trusted || a->s.allow_private, &t, error);
    }
    if (status < 0) {
        return status;
    }
    for (uint32_t lane = 0; lane < FAMILIES; lane++) {
        announcer_add(&a->lanes[lane], tier, io_now(a->s.io));
    }
    a->trackers[a->count++] = t;
    return 0;
}

int announce_add(struct announce *a, const char *url)
{
    uint32_t tier = 0;
    for (uint32_t i = 0; i < a->count; i++) {
        uint32_t taken = a->lanes[0].trackers[i].tier;
        tier = taken >= tier ? taken + 1 : tier;
    }
    int status = add(a, url, tier, true, NULL);
    if (status == 0) {
        pump(a);
    }
    return status == SPATE_EUNSUPPORTED ? SPATE_EURL : status;
}

/* ---- the life of an announce ----------------------------------------------------------------- */

int announce_create(const struct announce_settings *s, struct announce_owner owner,
                    struct announce **out)
{
    struct announce *a = calloc(1, sizeof *a);
    *out = NULL;
    if (!a) {
        return SPATE_ENOMEM;
    }
    a->s = *s;
    a->owner = owner;
    memcpy(a->info_hash, s->info_hash, 20);
    memcpy(a->peer_id, s->peer_id, 20);
    a->uses[0] = s->use_v4;
    a->uses[1] = s->use_v6;
    a->timer.done = on_timer;
    for (uint32_t lane = 0; lane < FAMILIES; lane++) {
        announcer_init(&a->lanes[lane], s->random_seed + lane);
    }
    for (uint32_t i = 0; i < s->tracker_count; i++) {
        struct spate_error error = {.size = sizeof error};
        int status = add(a, s->trackers[i].url, s->trackers[i].tier, false, &error);
        if (status == SPATE_ENOMEM) {
            announce_destroy(a);
            return status;
        }
        if (status < 0 && status != SPATE_EEXIST) {
            log_write(s->log, SPATE_LOG_WARNING, s->torrent, "tracker %u left out: %s", i,
                      error.text[0] ? error.text : spate_strerror(status));
        }
    }
    *out = a;
    return 0;
}

static void free_when_done(struct announce *a)
{
    if (!a->destroyed || a->calling > 0 || a->timer.active) {
        return;
    }
    for (uint32_t i = 0; i < a->count; i++) {
        tracker_free(a->trackers[i]);
    }
    for (uint32_t lane = 0; lane < FAMILIES; lane++) {
        announcer_deinit(&a->lanes[lane]);
    }
    free(a->trackers);
    free(a->message);
    free(a->failure);
    free(a);
}

static void cancel_asks(struct announce *a, uint32_t lane, bool all)
{
    int64_t now_ns = io_now(a->s.io);
    for (uint32_t i = 0; i < a->count; i++) {
        struct reach *r = &a->trackers[i]->reach[lane];
        if (r->ask && (all || !announcer_outlives_stop(&a->lanes[lane], i, now_ns))) {
            ask_cancel(r->ask);
            r->ask = NULL;
        }
    }
}

void announce_destroy(struct announce *a)
{
    if (!a) {
        return;
    }
    for (uint32_t lane = 0; lane < FAMILIES; lane++) {
        cancel_asks(a, lane, true);
    }
    a->destroyed = true;
    io_cancel(a->s.io, &a->timer);
    free_when_done(a);
}

/* ---- what the torrent wants ------------------------------------------------------------------ */

/* Tells the announcers of the families we have, and does what they then want. */
static void tell(struct announce *a, void (*what)(struct announcer *, int64_t now_ns))
{
    int64_t now_ns = io_now(a->s.io);
    for (uint32_t lane = 0; lane < FAMILIES; lane++) {
        if (a->uses[lane]) {
            what(&a->lanes[lane], now_ns);
        }
    }
    pump(a);
}

/* Starting and stopping make every question that is under way void, but that stopping lets
 * `completed` arrive, and the `started` before it, and `stopped` follow a `started`. */
void announce_start(struct announce *a)
{
    for (uint32_t lane = 0; lane < FAMILIES; lane++) {
        cancel_asks(a, lane, true);
    }
    tell(a, announcer_start);
}

void announce_stop(struct announce *a)
{
    for (uint32_t lane = 0; lane < FAMILIES; lane++) {
        for (uint32_t i = 0; i < a->count; i++) {
            const struct ask *ask = a->trackers[i]->reach[lane].ask;
            if (ask && ask_may_have_arrived(ask)) {
                announcer_on_reached(&a->lanes[lane], i);
            }
        }
        cancel_asks(a, lane, false);
    }
    tell(a, announcer_stop);
}

void announce_completed(struct announce *a)
{
    tell(a, announcer_completed);
}

void announce_now(struct announce *a)
{
    tell(a, announcer_now);
}

void announce_need(struct announce *a)
{
    tell(a, announcer_need);
}

bool announce_stopping(const struct announce *a)
{
    return announcer_stopping(&a->lanes[0]) || announcer_stopping(&a->lanes[1]);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static void keep_tracker_id(struct reach *r, struct span id)
{
    if (id.size > 0 && id.size <= TRACKER_ID_MAX && !memchr(id.bytes, 0, id.size)) {
        char text[TRACKER_ID_MAX + 1];
        memcpy(text, id.bytes, id.size);
        text[id.size] = 0;
        set_text(&r->tracker_id, text);
    }
}

static void keep_answer(struct announce *a, struct announce_tracker *t, struct reach *r,
                        const struct ask_result *result)
{
    char host[HOST_TEXT_MAX];
    r->answered = true;
    set_text(&a->failure, "");
    r->hint = result->from;
    r->peers = result->answer.peer_count;
    r->seeders = result->answer.seeders;
    r->leechers = result->answer.leechers;
    keep_tracker_id(r, result->answer.tracker_id);
    log_write(a->s.log, SPATE_LOG_DEBUG, a->s.torrent, "tracker %s: %u peers", host_of(t, host),
              r->peers);
    if (result->answer.external.family != ADDR_NONE) {
        char external[ADDR_TEXT_MAX];
        log_write(a->s.log, SPATE_LOG_DEBUG, a->s.torrent, "tracker %s sees us at %s", host,
                  addr_format(&result->answer.external, external));
    }
    if (r->text) {
        log_write(a->s.log, SPATE_LOG_WARNING, a->s.torrent, "tracker %s warns: %s", host, r->text);
    }
}

/* That a name has no address of one family is worth no word while it has one of the other. */
static bool is_plain(const struct announce *a, const struct announce_tracker *t, uint32_t lane)
{
    return t->reach[lane].absent && a->uses[1 - lane] && !t->reach[1 - lane].absent;
}

static void keep_failure(struct announce *a, struct announce_tracker *t, uint32_t lane)
{
    char host[HOST_TEXT_MAX], text[MESSAGE_MAX];
    struct reach *r = &t->reach[lane];
    r->answered = false;
    r->hint = (struct addr){.family = ADDR_NONE};
    if (is_plain(a, t, lane)) {
        return;
    }
    snprintf(text, sizeof text, "tracker %s: %s", host_of(t, host),
             r->text ? r->text : spate_strerror(r->error));
    set_text(&a->failure, text);
    log_write(a->s.log, SPATE_LOG_INFO, a->s.torrent, "%s", text);
}

static void on_result(void *user, uint32_t tag, const struct ask_result *result)
{
    struct announce *a = user;
    uint32_t lane = tag % FAMILIES;
    struct announce_tracker *t = a->trackers[tag / FAMILIES];
    struct reach *r = &t->reach[lane];
    int64_t now_ns = io_now(a->s.io);
    r->ask = NULL;
    r->error = result->error;
    r->absent = result->absent;
    set_text(&r->text, result->text);
    if (result->error) {
        keep_failure(a, t, lane);
        announcer_on_failure(&a->lanes[lane], tag / FAMILIES, result->retry_s, now_ns);
    } else {
        keep_answer(a, t, r, result);
        announcer_on_answer(&a->lanes[lane], tag / FAMILIES, result->answer.interval_s,
                            result->answer.min_interval_s, now_ns);
    }
    a->calling++;
    if (!result->error && result->answer.peer_count > 0) {
        a->owner.on_peers(a->owner.user, result->peers, result->answer.peer_count);
    }
    if (!a->destroyed) {
        pump(a);
        a->owner.on_change(a->owner.user);
    }
    a->calling--;
    free_when_done(a);
}

static void start_ask(struct announce *a, uint32_t lane, const struct announcer_ask *wanted)
{
    struct announce_tracker *t = a->trackers[wanted->tracker];
    struct reach *r = &t->reach[lane];
    bool stopping = wanted->event == TRACKER_EVENT_STOPPED;
    struct ask_settings s = {
        .world = &a->s,
        .target = &t->target,
        .family = family_of[lane],
        .announce = {.event = wanted->event, .key = a->s.key, .port = a->s.port},
        .tracker_id = r->tracker_id ? span_text(r->tracker_id) : span_text(""),
        .hint = r->hint,
        .failures = wanted->failures,
        .timeout_ns = (stopping ? STOP_TIMEOUT_S : HTTP_TIMEOUT_S) * SECOND_NS,
        .done = on_result,
        .user = a,
        .tag = wanted->tracker * FAMILIES + lane,
    };
    memcpy(s.announce.info_hash, a->info_hash, 20);
    memcpy(s.announce.peer_id, a->peer_id, 20);
    a->owner.counters(a->owner.user, &s.announce);
    s.announce.want = stopping ? 0 : s.announce.want;
    if (r->ask) {
        ask_cancel(r->ask);
    }
    r->ask = ask_create(&s);
    if (!r->ask) {
        r->error = SPATE_ENOMEM;
        announcer_on_failure(&a->lanes[lane], wanted->tracker, ANNOUNCER_BACK_OFF, io_now(a->s.io));
    }
}

/* ---- time ------------------------------------------------------------------------------------ */

static int64_t deadline(const struct announce *a)
{
    int64_t at_ns = INT64_MAX;
    for (uint32_t lane = 0; lane < FAMILIES; lane++) {
        int64_t lane_ns = announcer_deadline(&a->lanes[lane]);
        at_ns = lane_ns < at_ns ? lane_ns : at_ns;
        for (uint32_t i = 0; i < a->count; i++) {
            const struct ask *ask = a->trackers[i]->reach[lane].ask;
            int64_t ask_ns = ask ? ask_deadline(ask) : INT64_MAX;
            at_ns = ask_ns < at_ns ? ask_ns : at_ns;
        }
    }
    return at_ns;
}

static void set_timer(struct announce *a)
{
    int64_t at_ns = deadline(a);
    if (a->timer.active) {
        if (at_ns < a->timer_ns) {
            io_cancel(a->s.io, &a->timer); /* it is set again when that completes */
        }
    } else if (at_ns != INT64_MAX) {
        a->timer_ns = at_ns;
        io_timer(a->s.io, &a->timer, at_ns);
    }
}

static void on_timer(struct io_op *op, int status)
{
    struct announce *a = list_entry(op, struct announce, timer);
    (void)status;
    int64_t now_ns = io_now(a->s.io);
    bool stopping = announce_stopping(a);
    a->calling++;
    for (uint32_t lane = 0; lane < FAMILIES && !a->destroyed; lane++) {
        announcer_wake(&a->lanes[lane], now_ns);
        for (uint32_t i = 0; i < a->count && !a->destroyed; i++) {
            struct ask *ask = a->trackers[i]->reach[lane].ask;
            if (ask) {
                ask_wake(ask, now_ns);
            }
        }
    }
    if (!a->destroyed) {
        pump(a);
        if (stopping != announce_stopping(a)) {
            a->owner.on_change(a->owner.user);
        }
    }
    a->calling--;
    free_when_done(a);
}

/* ---- for people ------------------------------------------------------------------------------ */

/* What is being waited for, or went wrong, while no tracker works; a warning of one that does. */
static void compose_message(struct announce *a)
{
    char host[HOST_TEXT_MAX], text[MESSAGE_MAX] = "";
    bool works = false, waits = false;
    for (uint32_t lane = 0; lane < FAMILIES; lane++) {
        if (!works && announcer_works(&a->lanes[lane])) {
            const struct announce_tracker *t = a->trackers[a->lanes[lane].current];
            works = true;
            if (t->reach[lane].text) {
                snprintf(text, sizeof text, "tracker %s warns: %s", host_of(t, host),
                         t->reach[lane].text);
            }
        }
    }
    for (uint32_t i = 0; !works && !a->failure && !waits && i < a->count; i++) {
        const struct announce_tracker *t = a->trackers[i];
        waits = t->reach[0].ask || t->reach[1].ask;
        if (waits) {
            snprintf(text, sizeof text, "waiting for an answer of tracker %s", host_of(t, host));
        }
    }
    if (a->count == 0) {
        snprintf(text, sizeof text, "there is no tracker to ask");
    } else if (!works && a->failure) {
        snprintf(text, sizeof text, "%s", a->failure);
    }
    set_text(&a->message, text);
}

const char *announce_message(const struct announce *a)
{
    return a->message ? a->message : "";
}

static int64_t seconds_until(const struct announce *a, int64_t at_ns)
{
    if (at_ns == INT64_MAX) {
        return -1;
    }
    int64_t now_ns = io_now(a->s.io);
    return at_ns <= now_ns ? 0 : (at_ns - now_ns + SECOND_NS - 1) / SECOND_NS;
}

int64_t announce_next_s(const struct announce *a)
{
    int64_t at_ns = INT64_MAX;
    for (uint32_t lane = 0; lane < FAMILIES; lane++) {
        int64_t lane_ns = announcer_next_ns(&a->lanes[lane]);
        at_ns = lane_ns < at_ns ? lane_ns : at_ns;
    }
    return seconds_until(a, at_ns);
}

static uint32_t larger_known(uint32_t a, uint32_t b)
{
    return a == TRACKER_COUNT_UNKNOWN || (b != TRACKER_COUNT_UNKNOWN && b > a) ? b : a;
}

/* One row for both families: the better news of the two, since that is what the user has. */
static void fill_row(const struct announce *a, uint32_t tracker, struct spate_tracker_status *row)
{
    const struct announce_tracker *t = a->trackers[tracker];
    int64_t next_ns = INT64_MAX;
    const struct reach *shown = NULL;
    row->tier = a->lanes[0].trackers[tracker].tier;
    row->seeders = row->leechers = TRACKER_COUNT_UNKNOWN;
    text_copy(row->url, sizeof row->url, span_text(t->url));
    for (uint32_t lane = 0; lane < FAMILIES; lane++) {
        const struct reach *r = &t->reach[lane];
        int64_t lane_ns = announcer_tracker_next_ns(&a->lanes[lane], tracker);
        if (!a->uses[lane]) {
            continue;
        }
        next_ns = lane_ns < next_ns ? lane_ns : next_ns;
        row->seeders = larger_known(row->seeders, r->seeders);
        row->leechers = larger_known(row->leechers, r->leechers);
        row->peers += r->peers;
        if (!shown || r->answered || (shown->absent && !shown->answered)) {
            shown = r;
        }
    }
    row->next_announce_s = seconds_until(a, next_ns);
    if (shown) {
        row->error = shown->error;
        const char *text = shown->text    ? shown->text
                           : shown->error ? spate_strerror(shown->error)
                                          : "";
        text_copy(row->message, sizeof row->message,
                  span_text(text[0] || !shown->ask ? text : "waiting for an answer"));
    }
}

uint32_t announce_status(const struct announce *a, struct spate_tracker_status *out, uint32_t max)
{
    for (uint32_t i = 0; i < a->count && i < max; i++) {
        struct spate_tracker_status row = {.size = sizeof row};
        fill_row(a, i, &row);
        uint32_t size = out[i].size < sizeof row ? out[i].size : (uint32_t)sizeof row;
        memcpy(&out[i], &row, size);
        out[i].size = size;
    }
    return a->count;
}

/* ---- bringing it together -------------------------------------------------------------------- */

/* Does what the announcers want. */
static void pump(struct announce *a)
{
    for (uint32_t lane = 0; lane < FAMILIES; lane++) {
        struct announcer_ask wanted;
        if (a->lanes[lane].state == ANNOUNCER_IDLE) {
            cancel_asks(a, lane, true);
        }
        while (announcer_next(&a->lanes[lane], &wanted)) {
            start_ask(a, lane, &wanted);
        }
    }
    set_timer(a);
    compose_message(a);
}
