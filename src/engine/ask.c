/* Asking one tracker (BEP 3, 7, 15, 31). An ask that was cancelled, or has given its result, is freed with
 * the last of its operations. */
#include "engine/ask.h"

#include "base/text.h"
#include "codec/tracker_http.h"
#include "proto/announcer.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    HTTP_OK = 200,
    HTTP_GONE = 410,
    REQUEST_BYTES = LIMIT_URL_BYTES + 1024, /* the announce URL and our parameters */
};

struct ask {
    struct ask_settings s;
    bool ended; /* nobody waits for it any more */
    struct io *io;
    struct announce_udp *udp;
    char *request_url; /* HTTP */
    struct io_http http;
    struct io_resolve resolve;
    struct io_op soon; /* a failure that is known at once */
    int soon_error;
    struct announce_udp_talk talk;
};

int ask_target_init(struct ask_target *t, const char *url, bool trusted, struct spate_error *error)
{
    *t = (struct ask_target){.url = url, .trusted = trusted};
    int status = url_parse(&t->parts, span_text(url), error);
    if (status < 0) {
        return status;
    }
    t->udp = url_has_scheme(&t->parts, "udp");
    if (!t->udp && !url_has_scheme(&t->parts, "http") && !url_has_scheme(&t->parts, "https")) {
        return error_set(error, SPATE_EUNSUPPORTED, 0, "a tracker is udp, http or https");
    }
    if (t->parts.port == 0) {
        return error_set(error, SPATE_EURL, 0, "a tracker's URL needs a port");
    }
    if (t->parts.host.size >= sizeof((struct io_resolve *)0)->name) {
        return error_set(error, SPATE_EURL, 0, "a host name that is too long");
    }
    struct addr literal;
    if (addr_parse(&literal, t->parts.host)) {
        t->literal = literal;
    }
    return 0;
}

static bool is_announce_path(const struct ask_target *t)
{
    return span_equals(t->parts.path, span_text("/announce"));
}

bool ask_target_allows(const struct ask_target *t, const struct addr *a)
{
    if (addr_is_any(a) || addr_is_special(a)) {
        return false;
    }
    if (t->trusted) {
        return true;
    }
    return addr_is_loopback(a) ? is_announce_path(t) : !addr_is_private(a);
}

/* Before its name is looked up only these hosts are sure to mean this machine. */
bool ask_target_allows_private(const struct ask_target *t)
{
    bool local =
        addr_is_loopback(&t->literal) || span_equals(t->parts.host, span_text("localhost"));
    return t->trusted || (local && is_announce_path(t));
}

static void free_when_done(struct ask *ask)
{
    if (ask->ended && !ask->http.op.active && !ask->resolve.op.active && !ask->soon.active) {
        free(ask->http.body);
        free(ask->request_url);
        free(ask);
    }
}

void ask_cancel(struct ask *ask)
{
    ask->ended = true;
    announce_udp_end(ask->udp, &ask->talk);
    io_cancel(ask->io, &ask->http.op);
    io_cancel(ask->io, &ask->resolve.op);
    io_cancel(ask->io, &ask->soon);
    free_when_done(ask);
}

/* Hands the result over; the ask is gone after it. */
static void finish(struct ask *ask, const struct ask_result *result)
{
    ask->ended = true;
    announce_udp_end(ask->udp, &ask->talk);
    ask->s.done(ask->s.user, ask->s.tag, result);
    free_when_done(ask);
}

static void fail(struct ask *ask, int error, int64_t retry_s, struct span text)
{
    struct ask_result result = {.error = error, .retry_s = retry_s};
    text_copy(result.text, sizeof result.text, text);
    finish(ask, &result);
}

static void fail_by_code(struct ask *ask, int error)
{
    fail(ask, error, ANNOUNCER_BACK_OFF,
         span_text(error == SPATE_EBLOCKED
                       ? "a torrent may not name a tracker on a private or local address"
                       : spate_strerror(error)));
}

/* Fails at the end of this turn, since the caller is not to be called from inside its own call. */
static void fail_soon(struct ask *ask, int error)
{
    ask->soon_error = error;
    io_turn_end(ask->io, &ask->soon);
}

static void on_soon(struct io_op *op, int status)
{
    struct ask *ask = list_entry(op, struct ask, soon);
    const struct addr *literal = &ask->s.target->literal;
    (void)status;
    if (ask->ended) {
        free_when_done(ask);
    } else if (literal->family != ADDR_NONE && literal->family != ask->s.family) {
        finish(ask, &(struct ask_result){
                        .error = SPATE_EHOST, .absent = true, .retry_s = TRACKER_RETRY_NEVER});
    } else {
        fail_by_code(ask, ask->soon_error);
    }
}

/* ---- UDP ------------------------------------------------------------------------------------- */

static void on_udp(struct announce_udp_talk *talk, const struct udp_tracker_event *event)
{
    struct ask *ask = list_entry(talk, struct ask, talk);
    if (event->type == UDP_TRACKER_REFUSED) {
        fail(ask, SPATE_ETRACKER, ANNOUNCER_BACK_OFF, event->answer.error);
    } else if (event->type == UDP_TRACKER_ANSWERED) {
        struct addr peers[LIMIT_TRACKER_PEERS];
        struct ask_result result = {
            .answer = event->answer.announce, .peers = peers, .from = talk->tracker.peer};
        result.answer.peer_count =
            tracker_udp_peers(&event->answer, ask->s.family, peers, LIMIT_TRACKER_PEERS);
        finish(ask, &result);
    }
}

static int begin_udp(struct ask *ask, const struct addr *peer)
{
    const struct url *u = &ask->s.target->parts;
    udp_tracker_init(&ask->talk.tracker, peer, TRACKER_UDP_ANNOUNCE, &ask->s.announce,
                     url_path_and_query(u), ask->s.failures);
    ask->talk.on_event = on_udp;
    return announce_udp_begin(ask->udp, &ask->talk);
}

static void on_resolved(struct io_op *op, int status)
{
    struct ask *ask = list_entry(list_entry(op, struct io_resolve, op), struct ask, resolve);
    if (ask->ended) {
        free_when_done(ask);
        return;
    }
    struct addr allowed[IO_RESOLVE_ADDRESSES];
    uint32_t count = 0;
    for (int i = 0; status == 0 && i < ask->resolve.count; i++) {
        struct addr a = ask->resolve.addresses[i];
        a.port = ask->s.target->parts.port;
        if (a.family == ask->s.family && ask_target_allows(ask->s.target, &a)) {
            allowed[count++] = a;
        }
    }
    if (status < 0) {
        struct ask_result result = {.error = status, .absent = status == SPATE_EHOST};
        text_copy(result.text, sizeof result.text, span_text(spate_strerror(status)));
        finish(ask, &result);
    } else if (count == 0) {
        fail_by_code(ask, SPATE_EBLOCKED);
    } else {
        /* Another of its addresses after each silence. */
        status = begin_udp(ask, &allowed[ask->s.failures % count]);
        if (status < 0) {
            fail_by_code(ask, status);
        }
    }
}

static void start_udp(struct ask *ask)
{
    const struct ask_target *t = ask->s.target;
    struct addr peer = ask->s.hint.family == ask->s.family ? ask->s.hint : t->literal;
    if (peer.family == ADDR_NONE) {
        ask->resolve.op.done = on_resolved;
        ask->resolve.family = ask->s.family;
        memcpy(ask->resolve.name, t->parts.host.bytes, t->parts.host.size);
        io_resolve(ask->io, &ask->resolve);
        return;
    }
    peer.port = t->parts.port;
    int status = ask_target_allows(t, &peer) ? begin_udp(ask, &peer) : SPATE_EBLOCKED;
    if (status < 0) {
        fail_soon(ask, status);
    }
}

bool ask_may_have_arrived(const struct ask *ask)
{
    bool announced = ask->talk.listening && ask->talk.tracker.sent == TRACKER_UDP_ANNOUNCE;
    return announced || ask->http.op.active;
}

int64_t ask_deadline(const struct ask *ask)
{
    return ask->talk.listening ? udp_tracker_deadline(&ask->talk.tracker) : INT64_MAX;
}

void ask_wake(struct ask *ask, int64_t now_ns)
{
    if (now_ns >= ask_deadline(ask) &&
        udp_tracker_wake(&ask->talk.tracker, now_ns) == UDP_TRACKER_SILENT) {
        announce_udp_forget(ask->udp, &ask->talk.tracker.peer);
        fail(ask, SPATE_ETIMEDOUT, ANNOUNCER_SILENCE, span_text("it does not answer"));
    }
}

/* ---- HTTP ------------------------------------------------------------------------------------ */

static void on_http(struct io_op *op, int status)
{
    struct ask *ask = list_entry(list_entry(op, struct io_http, op), struct ask, http);
    const struct io_http *h = &ask->http;
    if (ask->ended) {
        free_when_done(ask);
        return;
    }
    struct addr peers[LIMIT_TRACKER_PEERS];
    struct ask_result result = {.error = status, .peers = peers};
    struct spate_error error = {.size = sizeof error};
    if (status < 0) {
        result.absent = status == SPATE_EHOST;
        text_copy(result.text, sizeof result.text,
                  span_text(h->error[0] ? h->error : spate_strerror(status)));
        finish(ask, &result);
        return;
    }
    status = tracker_http_parse_answer(&result.answer, span_of(h->body, h->body_size), peers,
                                       LIMIT_TRACKER_PEERS, &error);
    if (status < 0 || h->http_status != HTTP_OK) {
        result.error = status == 0                 ? SPATE_ETRACKER
                       : h->http_status == HTTP_OK ? status
                                                   : SPATE_EHTTP;
    }
    if (status == 0 && result.answer.failure.size > 0) {
        result.error = SPATE_ETRACKER;
        result.retry_s = result.answer.retry_s;
        text_copy(result.text, sizeof result.text, result.answer.failure);
    } else if (h->http_status != HTTP_OK) {
        snprintf(result.text, sizeof result.text, "HTTP status %d", h->http_status);
    } else if (status < 0) {
        text_copy(result.text, sizeof result.text, span_text(error.text));
    } else {
        text_copy(result.text, sizeof result.text, result.answer.warning);
    }
    if (h->http_status == HTTP_GONE) {
        result.error = SPATE_EHTTP;
        result.retry_s = TRACKER_RETRY_NEVER;
    }
    finish(ask, &result);
}

static void start_http(struct ask *ask)
{
    const struct ask_target *t = ask->s.target;
    const struct announce_settings *world = ask->s.world;
    ask->request_url = malloc(REQUEST_BYTES);
    if (!ask->request_url) {
        fail_soon(ask, SPATE_ENOMEM);
        return;
    }
    int status = tracker_http_announce_url(span_text(t->url), &ask->s.announce, ask->s.tracker_id,
                                           ask->request_url, REQUEST_BYTES);
    if (status < 0) {
        fail_soon(ask, status);
        return;
    }
    ask->http = (struct io_http){
        .op = {.done = on_http},
        .url = ask->request_url,
        .bind = world->bind,
        .family = ask->s.family,
        .allow_private = ask_target_allows_private(t),
        .proxy = world->proxy,
        .ca_cert = world->ca_cert,
        .user_agent = world->user_agent,
        .timeout_ns = ask->s.timeout_ns,
        .max_bytes = LIMIT_TRACKER_BODY_BYTES,
    };
    io_http(ask->io, &ask->http);
}

struct ask *ask_create(const struct ask_settings *s)
{
    struct ask *ask = calloc(1, sizeof *ask);
    if (!ask) {
        return NULL;
    }
    ask->s = *s;
    ask->io = s->world->io;
    ask->udp = s->world->udp;
    ask->soon.done = on_soon;
    if (s->target->literal.family != ADDR_NONE && s->target->literal.family != s->family) {
        fail_soon(ask, SPATE_EHOST);
    } else if (s->target->udp) {
        start_udp(ask);
    } else {
        start_http(ask);
    }
    return ask;
}
