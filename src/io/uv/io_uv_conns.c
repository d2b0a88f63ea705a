/* Connections of HTTP that are kept.
 *
 * A session with many torrents at one tracker starts, stops and announces them by the dozen, and pays a connect,
 * perhaps a TLS handshake, and a close for each. It need not, as long as a kept connection is never more than another
 * way to where the request may go anyway:
 *
 * - Names are resolved and judged for each request, kept connection or not. A kept one is taken only if its far end is
 *   among the addresses that remained. So it serves nobody whom a policy or a redirect from the public internet
 *   forbids that address, and a host that has moved is not asked where it was.
 * - Host, port, scheme, proxy, certificates' file and bind must be the same. The bind is compared by what it says, so
 *   a changed setting counts from the next request on.
 * - One connection lives in one CURLSH, lent to one request at a time. libcurl finds there what it may use, or finds
 *   that the server has closed it and asks for a new socket, which is checked and bound like any other.
 *
 * It is kept for a few seconds only, enough for a burst or for the regular announces of some hundred torrents: a
 * tracker has a million clients with one torrent each, and their idle connections would be a burden to it. Most
 * servers wait longer, so that one seldom closes while a request is on its way; and a path that died (a tunnel gone
 * down, a mapping forgotten by a NAT) is soon not used again. libcurl would close by age only when the next request
 * comes: a timer of ours does it. */
#include "io/uv/io_uv_conns.h"

#include "base/limits.h"
#include "io/uv/io_uv_net.h"
#include "io/uv/io_uv_sigpipe.h"

#include <stdlib.h>
#include <string.h>

static const int64_t idle_ns = INT64_C(4) * 1000000000;

/* ---- routes ---------------------------------------------------------------------------------- */

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_bind(const struct io_bind *a, const struct io_bind *b)
{
    return a && b ? addr_equals(&a->address, &b->address) && same_text(a->interface, b->interface)
                  : a == b;
}

static bool same_route(const struct io_uv_route *a, const struct io_uv_route *b)
{
    return a->port == b->port && a->is_https == b->is_https && same_text(a->host, b->host) &&
           same_text(a->proxy, b->proxy) && same_text(a->ca_cert, b->ca_cert) &&
           same_bind(a->bind, b->bind);
}

/* False when memory is out. */
static bool copy_route(struct io_uv_conn *c, const struct io_uv_route *r)
{
    const char *texts[IO_UV_ROUTE_TEXTS] = {r->host, r->proxy, r->ca_cert,
                                            r->bind ? r->bind->interface : NULL};
    for (int i = 0; i < IO_UV_ROUTE_TEXTS; i++) {
        c->texts[i] = texts[i] ? strdup(texts[i]) : NULL;
        if (texts[i] && !c->texts[i]) {
            return false;
        }
    }
    c->route = (struct io_uv_route){.host = c->texts[0],
                                    .port = r->port,
                                    .is_https = r->is_https,
                                    .proxy = c->texts[1],
                                    .ca_cert = c->texts[2]};
    if (r->bind) {
        c->bind = (struct io_bind){.address = r->bind->address, .interface = c->texts[3]};
        c->route.bind = &c->bind;
    }
    return true;
}

/* ---- one connection -------------------------------------------------------------------------- */

static void conn_free(struct io_uv_conn *c)
{
    struct io_uv_sigpipe held;
    io_uv_sigpipe_hold(&held); /* TLS says goodbye */
    if (c->share) {
        ASSERT(curl_share_cleanup(c->share) == CURLSHE_OK);
    }
    io_uv_sigpipe_release(&held);
    for (int i = 0; i < IO_UV_ROUTE_TEXTS; i++) {
        free(c->texts[i]);
    }
    free(c);
}

static struct io_uv_conn *conn_create(const struct io_uv_route *route)
{
    struct io_uv_conn *c = calloc(1, sizeof *c);
    if (!c) {
        return NULL;
    }
    list_init(&c->link);
    c->share = curl_share_init();
    if (!c->share || !copy_route(c, route) ||
        curl_share_setopt(c->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_CONNECT) != CURLSHE_OK) {
        conn_free(c);
        return NULL;
    }
    return c;
}

void io_uv_conn_on_open(struct io_uv_conn *c, const struct addr *peer)
{
    c->replaced = c->lent_again;
    c->reached_public = c->reached_public || !(addr_is_private(peer) || addr_is_loopback(peer));
}

/* Where the connection leads that libcurl has kept; false: it has kept none. */
static bool read_peer(struct io_uv_conn *c, CURL *easy)
{
    curl_socket_t fd = CURL_SOCKET_BAD;
    struct sockaddr_storage peer;
    socklen_t size = sizeof peer;
    return curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &fd) == CURLE_OK &&
           fd != CURL_SOCKET_BAD && getpeername(fd, (struct sockaddr *)&peer, &size) == 0 &&
           io_uv_net_from_sockaddr(&c->peer, (struct sockaddr *)&peer);
}

void io_uv_conn_on_complete(struct io_uv_conn *c, CURL *easy)
{
    /* Beside one that was opened instead of it libcurl might still hold the former. */
    c->kept = !c->replaced && read_peer(c, easy);
}

/* ---- those that are idle --------------------------------------------------------------------- */

static struct io_uv_conn *longest_idle(struct io_uv_conns *p)
{
    struct list *link = list_first(&p->idle);
    return link ? list_entry(link, struct io_uv_conn, link) : NULL;
}

static void remove_idle(struct io_uv_conns *p, struct io_uv_conn *c)
{
    list_remove(&c->link);
    p->idle_count--;
}

static void trim(struct io_uv_conns *p, unsigned max)
{
    while (p->idle_count > max) {
        struct io_uv_conn *c = longest_idle(p);
        remove_idle(p, c);
        conn_free(c);
    }
}

static void await_age(struct io_uv_conns *p)
{
    struct io_uv_conn *c = longest_idle(p);
    if (c && !p->timer.active) {
        io_uv_loop_timer(p->loop, &p->timer, c->idle_from_ns + idle_ns);
    }
}

static void conns_on_timer(struct io_op *op, int status)
{
    struct io_uv_conns *p = list_entry(op, struct io_uv_conns, timer);
    struct io_uv_conn *c;
    if (status < 0) {
        return; /* the loop ends, and they with it */
    }
    while ((c = longest_idle(p)) && c->idle_from_ns + idle_ns <= p->loop->now_ns) {
        remove_idle(p, c);
        conn_free(c);
    }
    await_age(p);
}

struct io_uv_conn *io_uv_conns_take(struct io_uv_conns *p, const struct io_uv_route *route,
                                    const struct addr *allowed, int count)
{
    for (struct list *link = p->idle.prev; link != &p->idle; link = link->prev) {
        struct io_uv_conn *c = list_entry(link, struct io_uv_conn, link);
        for (int i = 0; i < count; i++) {
            if (addr_equals(&allowed[i], &c->peer) && same_route(&c->route, route)) {
                remove_idle(p, c);
                p->lent_count++;
                c->kept = false;
                c->lent_again = true;
                return c;
            }
        }
    }
    struct io_uv_conn *c = conn_create(route);
    if (c) {
        p->lent_count++;
        trim(p, LIMIT_HTTP_CONCURRENT - p->lent_count);
    }
    return c;
}

void io_uv_conns_give(struct io_uv_conns *p, struct io_uv_conn *c)
{
    p->lent_count--;
    if (!c->kept || p->loop->ending) {
        conn_free(c);
        return;
    }
    c->idle_from_ns = io_uv_loop_read_clock(p->loop);
    list_push_back(&p->idle, &c->link);
    p->idle_count++;
    await_age(p);
}

void io_uv_conns_rest(struct io_uv_conns *p)
{
    trim(p, LIMIT_HTTP_IDLE);
}

void io_uv_conns_init(struct io_uv_conns *p, struct io_uv_loop *loop)
{
    p->loop = loop;
    list_init(&p->idle);
    p->idle_count = 0;
    p->lent_count = 0;
    p->timer.done = conns_on_timer;
}

void io_uv_conns_deinit(struct io_uv_conns *p)
{
    io_uv_loop_forget(p->loop, &p->timer);
    trim(p, 0);
}
