/* spate_scrape: what a tracker knows of one torrent (BEP 15, BEP 48), on the caller's thread. */
#include "base/text.h"
#include "codec/tracker_http.h"
#include "crypto/chacha.h"
#include "engine/ask.h"
#include "engine/blocking.h"
#include "proto/udp_tracker.h"

#include <stdio.h>
#include <stdlib.h>

enum { HTTP_OK = 200, SCRAPE_URL_BYTES = LIMIT_URL_BYTES + 128 };

struct scrape {
    struct blocking b;
    struct ask_target target;
    const uint8_t *info_hash;
    struct spate_scrape *out;
    struct io_http http;
    struct io_resolve resolve;
    int status; /* of http or resolve */
    /* UDP */
    struct udp_tracker talk;
    struct io_socket *socket;
    struct io_op readable;
    struct io_op timer;
    struct chacha random;
    bool answered;
};

static int refuse(struct scrape *s, int error, struct span text)
{
    s->out->error = error;
    text_copy(s->out->message, sizeof s->out->message, text);
    return error;
}

static int refuse_by_code(struct scrape *s, int error)
{
    return refuse(s, error, span_text(spate_strerror(error)));
}

static void take_counts(struct scrape *s, const struct tracker_counts *counts)
{
    s->out->seeders = counts->seeders;
    s->out->leechers = counts->leechers;
    s->out->completed = counts->completed;
}

/* ---- HTTP ------------------------------------------------------------------------------------ */

static void http_on_done(struct io_op *op, int status)
{
    list_entry(list_entry(op, struct io_http, op), struct scrape, http)->status = status;
}

static int read_http(struct scrape *s)
{
    struct spate_error error = {.size = sizeof error};
    struct tracker_counts counts;
    struct span failure;
    const struct io_http *h = &s->http;
    int status = tracker_http_parse_scrape(&counts, &failure, span_of(h->body, h->body_size),
                                           s->info_hash, &error);
    if (failure.size > 0) {
        return refuse(s, SPATE_ETRACKER, failure);
    }
    if (h->http_status != HTTP_OK) {
        char text[32];
        snprintf(text, sizeof text, "HTTP status %d", h->http_status);
        return refuse(s, SPATE_EHTTP, span_text(text));
    }
    if (status < 0) {
        return refuse(s, status, span_text(error.text));
    }
    take_counts(s, &counts);
    return 0;
}

static int scrape_http(struct scrape *s)
{
    char url[SCRAPE_URL_BYTES];
    int status = tracker_http_scrape_url(span_text(s->target.url), s->info_hash, url, sizeof url);
    if (status == SPATE_EUNSUPPORTED) {
        return refuse(s, status, span_text("the tracker's URL has no form for scraping"));
    }
    if (status < 0) {
        return refuse_by_code(s, status);
    }
    const struct spate_settings *settings = &s->b.settings.value;
    s->http = (struct io_http){.op = {.done = http_on_done},
                               .url = url,
                               .bind = blocking_bind(&s->b),
                               .allow_private = ask_target_allows_private(&s->target),
                               .proxy = settings->proxy,
                               .ca_cert = settings->ca_cert,
                               .user_agent = settings->user_agent,
                               .timeout_ns = s->b.deadline_ns - io_now(s->b.io),
                               .max_bytes = LIMIT_TRACKER_BODY_BYTES};
    io_http(s->b.io, &s->http);
    int stopped = blocking_run(&s->b, &s->http.op, NULL);
    if (s->status < 0) {
        status = stopped < 0        ? refuse_by_code(s, stopped)
                 : s->http.error[0] ? refuse(s, s->status, span_text(s->http.error))
                                    : refuse_by_code(s, s->status);
    } else {
        status = read_http(s);
    }
    free(s->http.body);
    return status;
}

/* ---- UDP ------------------------------------------------------------------------------------- */

static void wait_again(struct scrape *s)
{
    if (!s->answered && !s->readable.active) {
        io_wait(s->b.io, s->socket, IO_READABLE, &s->readable);
    }
}

/* Sends what is due. Beyond the first datagram a failure is silence, which the schedule repairs. */
static int send_due(struct scrape *s)
{
    uint8_t bytes[UDP_TRACKER_SEND_BYTES];
    struct writer w = writer_over(bytes, sizeof bytes);
    if (!udp_tracker_wants_send(&s->talk)) {
        return 0;
    }
    udp_tracker_send(&s->talk, &w, chacha_u32(&s->random), io_now(s->b.io));
    struct io_datagram d = {.peer = s->talk.peer, .bytes = bytes, .size = (uint32_t)w.size};
    int sent = io_udp_send(s->b.io, s->socket, &d, 1);
    return sent < 0 && sent != SPATE_EAGAIN ? sent : 0;
}

static void talk_on_datagram(struct scrape *s, const struct io_datagram *d)
{
    struct udp_tracker_event event =
        udp_tracker_receive(&s->talk, &d->peer, span_of(d->bytes, d->size), io_now(s->b.io));
    if (event.type == UDP_TRACKER_REFUSED) {
        s->answered = true;
        refuse(s, SPATE_ETRACKER, event.answer.error);
    } else if (event.type == UDP_TRACKER_ANSWERED) {
        struct tracker_counts counts;
        s->answered = true;
        if (tracker_udp_counts(&event.answer, 0, &counts)) {
            take_counts(s, &counts);
        } else {
            refuse(s, SPATE_ETRACKER, span_text("the answer says nothing about the torrent"));
        }
    }
}

static void socket_on_readable(struct io_op *op, int status)
{
    struct scrape *s = list_entry(op, struct scrape, readable);
    uint8_t bytes[LIMIT_DATAGRAM_BYTES];
    struct io_datagram d = {.bytes = bytes, .size = sizeof bytes};
    if (status < 0) {
        return;
    }
    while (!s->answered && io_udp_receive(s->b.io, s->socket, &d, 1) == 1) {
        talk_on_datagram(s, &d);
        d = (struct io_datagram){.bytes = bytes, .size = sizeof bytes};
    }
    send_due(s);
    wait_again(s);
    if (s->answered) {
        io_cancel(s->b.io, &s->timer);
    }
}

static void timer_on_due(struct io_op *op, int status)
{
    struct scrape *s = list_entry(op, struct scrape, timer);
    (void)status;
    if (udp_tracker_wake(&s->talk, io_now(s->b.io)) == UDP_TRACKER_SILENT) {
        send_due(s);
    }
}

static void resolve_on_done(struct io_op *op, int status)
{
    list_entry(list_entry(op, struct io_resolve, op), struct scrape, resolve)->status = status;
}

static int look_up(struct scrape *s)
{
    const struct io_bind *bind = blocking_bind(&s->b);
    struct span host = s->target.parts.host;
    s->resolve.op.done = resolve_on_done;
    s->resolve.family = bind ? (enum addr_family)bind->address.family : ADDR_NONE;
    memcpy(s->resolve.name, host.bytes, host.size);
    io_resolve(s->b.io, &s->resolve);
    int stopped = blocking_run(&s->b, &s->resolve.op, NULL);
    return s->status < 0 && stopped < 0 ? stopped : s->status;
}

/* Opens a socket and sends the first datagram. */
static int begin_talk(struct scrape *s, const struct addr *peer)
{
    struct tracker_announce announce = {.left = 0};
    struct io_bind bind = {.address = {.family = peer->family}};
    if (blocking_bind(&s->b)) {
        bind = *blocking_bind(&s->b);
        bind.address.family = peer->family;
    }
    if (!ask_target_allows(&s->target, peer)) {
        return SPATE_EBLOCKED;
    }
    int status = io_udp_open(s->b.io, &bind, &s->socket);
    if (status < 0) {
        return status;
    }
    memcpy(announce.info_hash, s->info_hash, 20);
    udp_tracker_init(&s->talk, peer, TRACKER_UDP_SCRAPE, &announce, span_text(""), 0);
    status = send_due(s);
    if (status < 0) {
        io_close(s->b.io, s->socket);
    }
    return status;
}

static int scrape_udp(struct scrape *s)
{
    uint8_t key[32];
    int stopped = 0;
    io_entropy(s->b.io, key, sizeof key);
    chacha_init(&s->random, key);
    int status = look_up(s);
    if (status < 0) {
        return refuse_by_code(s, status);
    }
    /* The first of its addresses that can be sent to from here. */
    status = SPATE_EHOST;
    for (int i = 0; status < 0 && i < s->resolve.count; i++) {
        struct addr peer = s->resolve.addresses[i];
        peer.port = s->target.parts.port;
        status = begin_talk(s, &peer);
    }
    if (status < 0) {
        return refuse_by_code(s, status);
    }
    s->readable.done = socket_on_readable;
    s->timer.done = timer_on_due;
    wait_again(s);
    while (!s->answered && stopped == 0) {
        /* Each silence sends again; the caller's time ends it. */
        io_timer(s->b.io, &s->timer, udp_tracker_deadline(&s->talk));
        stopped = blocking_run(&s->b, &s->timer, NULL);
    }
    io_close(s->b.io, s->socket);
    return s->answered ? s->out->error : refuse_by_code(s, stopped);
}

/* ------------------------------------------------------------------------------------------------- */

int spate_scrape(const struct spate_settings *settings, const char *tracker_url,
                 const uint8_t info_hash[20], int timeout_ms, spate_progress progress, void *user,
                 struct spate_scrape *out)
{
    struct spate_error error = {.size = sizeof error};
    struct spate_scrape result = {.size = sizeof result};
    if (!tracker_url || !info_hash || !out || out->size < sizeof out->size) {
        return SPATE_EINVAL;
    }
    struct scrape s = {.info_hash = info_hash, .out = &result};
    int status = blocking_init(&s.b, settings, timeout_ms, progress, user, &error);
    if (status < 0) {
        refuse(&s, status, span_text(error.text));
    } else {
        status =
            ask_target_init(&s.target, tracker_url, s.b.settings.value.allow_local != 0, &error);
        if (status < 0) {
            refuse(&s, status, span_text(error.text));
        } else {
            status = s.target.udp ? scrape_udp(&s) : scrape_http(&s);
        }
        blocking_deinit(&s.b);
    }
    result.size = out->size < sizeof result ? out->size : (uint32_t)sizeof result;
    memcpy(out, &result, result.size);
    return status;
}
