/* A request goes: name, address, one and a half round trips until the origin has it, the answer, and
 * what its body takes at the slower of the two lines. Redirects are hops of the same kind, judged by the
 * same rules as in the real world. What meets a host that is down or was never there waits for the
 * request's own deadline. */
#include "io/sim/io_sim_http.h"

#include "base/text.h"
#include "io/sim/io_sim_link.h"
#include "io/sim/io_sim_names.h"
#include "io/sim/io_sim_nat.h"
#include "io/sim/io_sim_socket.h"
#include "io/sim/io_sim_url.h"

#include <stdio.h>
#include <stdlib.h>

static const int64_t default_timeout_ns = INT64_C(60) * 1000000000;

struct io_sim_origin {
    struct list link; /* of io_sim_host.origins */
    uint16_t port;
    io_sim_http_handler *handler;
    void *user;
};

enum request_phase { RESOLVED, ASKED, REFUSED, ANSWERED };

struct io_sim_request {
    struct list link; /* of io_sim_host.requests */
    struct io_sim_host *host, *peer;
    struct io_http *http;
    struct io_sim_event next, deadline;
    enum request_phase phase;
    struct io_sim_url url;
    struct addr address; /* of the origin, this hop */
    bool from_public;    /* some hop was answered from a public address */
    unsigned redirects;
    int status;
    char content_type[64];
    char *location; /* owned; NULL: none */
    uint8_t *body;  /* owned */
    size_t body_size;
};

static void request_end(struct io_sim_request *r, int status, const char *text)
{
    struct io_http *http = r->http;
    struct io_sim_host *host = r->host;
    if (status < 0) {
        text_copy(http->error, sizeof http->error, span_text(text));
    }
    io_sim_event_disarm(host->sim, &r->next);
    io_sim_event_disarm(host->sim, &r->deadline);
    list_remove(&r->link);
    free(r->location);
    free(r->body);
    free(r);
    http->op.subject = NULL;
    io_sim_complete(host, &http->op, status);
}

static void arm(struct io_sim_request *r, enum request_phase phase, int64_t in_ns)
{
    struct io_sim *sim = r->host->sim;
    r->phase = phase;
    io_sim_event_arm(sim, &r->next, sim->now_ns + in_ns);
}

/* ---- the steps of one hop --------------------------------------------------------------------- */

/* Loopback and private networks only when the caller says so, and never for a redirect that comes
 * from the public internet. */
static bool is_allowed(const struct io_sim_request *r, const struct addr *a)
{
    if (addr_is_special(a)) {
        return false;
    }
    return !(addr_is_private(a) || addr_is_loopback(a)) ||
           (r->http->allow_private && !r->from_public);
}

static void begin_hop(struct io_sim_request *r)
{
    struct addr found[IO_RESOLVE_ADDRESSES];
    int count;
    int64_t delay_ns;
    io_sim_names_look_up(r->host, r->url.host, r->http->family, found, &count, &delay_ns);
    arm(r, RESOLVED, delay_ns);
}

static void on_resolved(struct io_sim_request *r)
{
    struct addr found[IO_RESOLVE_ADDRESSES];
    struct io_socket probe = {.host = r->host};
    int count;
    int64_t delay_ns;
    enum addr_family family = r->http->family;
    if (r->http->bind && family == ADDR_NONE) {
        family = (enum addr_family)r->http->bind->address.family;
    }
    int rc = io_sim_names_look_up(r->host, r->url.host, family, found, &count, &delay_ns);
    if (rc < 0) {
        request_end(r, rc, spate_strerror(rc));
        return;
    }
    int chosen = 0;
    while (chosen < count && !is_allowed(r, &found[chosen])) {
        chosen++;
    }
    if (chosen == count) {
        request_end(r, SPATE_EBLOCKED,
                    r->from_public ? "redirected to an address of a private network"
                                   : "the host's address is private or special and not allowed");
        return;
    }
    r->address = found[chosen];
    r->peer = io_sim_host_find(r->host, &r->address);
    rc = io_sim_socket_restrict(&probe, (enum addr_family)r->address.family, r->http->bind);
    if (rc < 0 || (r->peer && !io_sim_socket_leads(&probe, r->peer))) {
        request_end(r, rc < 0 ? rc : SPATE_EUNREACHABLE,
                    "no socket on the interface or address that was asked for");
    } else if (r->peer && io_sim_link_reaches(r->host, r->peer)) {
        arm(r, ASKED,
            2 * io_sim_link_delay_ns(r->host, r->peer) + io_sim_link_delay_ns(r->peer, r->host));
    }
}

static int64_t transfer_ns(const struct io_sim_request *r)
{
    uint64_t rate = r->peer->settings.up_bytes_per_s, down = r->host->settings.down_bytes_per_s;
    rate = rate == 0 || (down > 0 && down < rate) ? down : rate;
    return rate > 0 ? (int64_t)(r->body_size * UINT64_C(1000000000) / rate) : 0;
}

static void on_asked(struct io_sim_request *r)
{
    const struct io_sim_origin *origin = NULL;
    if (!io_sim_link_reaches(r->host, r->peer)) {
        return;
    }
    list_for_each (link, &r->peer->origins) {
        const struct io_sim_origin *o = list_entry(link, struct io_sim_origin, link);
        origin = o->port == r->url.port ? o : origin;
    }
    if (!origin) {
        arm(r, REFUSED, 0);
        return;
    }
    char url[LIMIT_HTTP_URL_BYTES + 300];
    const char *query = strchr(r->url.path, '?');
    io_sim_url_format(&r->url, url, sizeof url);
    struct addr who = io_sim_host_source(r->host, &r->address), to = r->address;
    to.port = r->url.port;
    io_sim_nat_leave(r->host, IO_SIM_STREAM, &to, &who);
    who.port = 0;
    struct io_sim_http_request request = {
        .url = url,
        .host = r->url.host,
        .path = r->url.path,
        .query = query ? query + 1 : "",
        .user_agent = r->http->user_agent ? r->http->user_agent : "",
        .is_https = r->url.is_https,
        .peer = who,
        .now_ns = r->host->sim->now_ns,
    };
    struct io_sim_http_answer answer = {.status = 200, .content_type = "text/plain"};
    origin->handler(origin->user, &request, &answer);
    if (answer.never) {
        return;
    }
    r->status = answer.status;
    r->body_size = answer.body.size;
    if (answer.body.size > 0) {
        r->body = io_sim_take(answer.body.size);
        memcpy(r->body, answer.body.bytes, answer.body.size);
    }
    text_copy(r->content_type, sizeof r->content_type, span_text(answer.content_type));
    if (answer.location) {
        r->location = io_sim_take(strlen(answer.location) + 1);
        memcpy(r->location, answer.location, strlen(answer.location));
    }
    arm(r, ANSWERED,
        answer.delay_ns + io_sim_link_delay_ns(r->peer, r->host) +
            io_sim_link_jitter_ns(r->peer, r->host) + transfer_ns(r));
}

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static void follow(struct io_sim_request *r)
{
    const char *why = "";
    if (r->redirects == LIMIT_HTTP_REDIRECTS) {
        request_end(r, SPATE_ELIMIT, "too many redirects");
        return;
    }
    r->redirects++;
    int rc = io_sim_url_redirect(&r->url, r->location, &why);
    if (rc < 0) {
        request_end(r, rc, why);
        return;
    }
    free(r->location);
    free(r->body);
    r->location = NULL;
    r->body = NULL;
    begin_hop(r);
}

static void on_answered(struct io_sim_request *r)
{
    struct io_http *http = r->http;
    if (!io_sim_link_reaches(r->host, r->peer)) {
        return;
    }
    if (!addr_is_private(&r->address) && !addr_is_loopback(&r->address)) {
        r->from_public = true;
    }
    r->peer->traffic.sent_bytes += r->body_size;
    r->host->traffic.received_bytes += r->body_size;
    if (is_redirect(r->status) && r->location) {
        follow(r);
    } else if (r->body_size > http->max_bytes) {
        request_end(r, SPATE_ELIMIT, "the answer is too long");
    } else {
        http->http_status = r->status;
        http->body = r->body;
        http->body_size = r->body_size;
        memcpy(http->content_type, r->content_type, sizeof http->content_type);
        io_sim_note(r->host, IO_SIM_LOG_HTTP, http->body_size, http->http_status,
                    io_sim_log_bytes(0, http->body, http->body_size));
        r->body = NULL;
        request_end(r, 0, "");
    }
}

static void next_fire(struct io_sim_event *event)
{
    struct io_sim_request *r = list_entry(event, struct io_sim_request, next);
    switch (r->phase) {
    case RESOLVED:
        on_resolved(r);
        break;
    case ASKED:
        on_asked(r);
        break;
    case REFUSED:
        request_end(r, SPATE_EREFUSED, spate_strerror(SPATE_EREFUSED));
        break;
    case ANSWERED:
        on_answered(r);
        break;
    }
}

static void deadline_fire(struct io_sim_event *event)
{
    request_end(list_entry(event, struct io_sim_request, deadline), SPATE_ETIMEDOUT,
                "no complete answer in time");
}

/* ---- requests --------------------------------------------------------------------------------- */

void io_sim_http_get(struct io_sim_host *host, struct io_http *http)
{
    struct io_sim *sim = host->sim;
    const char *why = "";
    http->http_status = 0;
    http->body = NULL;
    http->body_size = 0;
    http->content_type[0] = 0;
    http->error[0] = 0;
    if (!io_sim_submit(host, &http->op, IO_SIM_OP_HTTP)) {
        return;
    }
    struct io_sim_request *r = io_sim_take(sizeof *r);
    r->host = host;
    r->http = http;
    r->next.fire = next_fire;
    r->deadline.fire = deadline_fire;
    list_push_back(&host->requests, &r->link);
    http->op.subject = r;
    int rc = io_sim_url_parse(&r->url, http->url, &why);
    if (rc == 0 && http->proxy && http->proxy[0]) {
        rc = SPATE_EUNSUPPORTED;
        why = "there are no proxies in the simulated world";
    }
    if (rc < 0) {
        request_end(r, rc, why);
        return;
    }
    io_sim_event_arm(sim, &r->deadline,
                     sim->now_ns + (http->timeout_ns > 0 ? http->timeout_ns : default_timeout_ns));
    begin_hop(r);
}

void io_sim_http_cancel(struct io_sim_host *host, struct io_op *op)
{
    (void)host;
    request_end(op->subject, SPATE_ECANCELED, spate_strerror(SPATE_ECANCELED));
}

void io_sim_http_cancel_all(struct io_sim_host *host)
{
    struct list *link;
    while ((link = list_first(&host->requests))) {
        io_sim_http_cancel(host, &list_entry(link, struct io_sim_request, link)->http->op);
    }
}

/* ---- origins ---------------------------------------------------------------------------------- */

void io_sim_http_serve(struct io *io, uint16_t port, io_sim_http_handler *handler, void *user)
{
    struct io_sim_host *host = io_sim_host_of(io);
    list_for_each_safe (link, &host->origins) {
        struct io_sim_origin *old = list_entry(link, struct io_sim_origin, link);
        if (old->port == port) {
            list_remove(&old->link);
            free(old);
        }
    }
    if (handler) {
        struct io_sim_origin *origin = io_sim_take(sizeof *origin);
        origin->port = port;
        origin->handler = handler;
        origin->user = user;
        list_push_back(&host->origins, &origin->link);
    }
}

void io_sim_http_deinit(struct io_sim_host *host)
{
    struct list *link;
    while ((link = list_pop_front(&host->origins))) {
        free(list_entry(link, struct io_sim_origin, link));
    }
}
