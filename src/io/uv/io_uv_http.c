/* HTTP GET. Every hop goes the same way: our resolver says the addresses, those that the caller's
 * policy forbids are dropped, libcurl is given the rest and opens its sockets through us, where the
 * address is compared once more and the socket bound. Redirects are hops of our own, so each is
 * judged again: libcurl never resolves, never follows, and sees no connection but the one that
 * io_uv_conns has lent to this hop: a new one, or one that was kept and leads, under the same bind, to
 * an address that is left.
 *
 * What a stranger's server may send is bounded while it arrives: header bytes, body bytes, and
 * decoded bytes per byte received. */
#include "io/uv/io_uv_http.h"

#include "base/limits.h"
#include "base/text.h"
#include "io/uv/io_uv_net.h"
#include "io/uv/io_uv_target.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

enum {
    RECEIVE_BYTES = 4096, /* libcurl's buffer: what may be decoded before it is counted */
    FIRST_BODY_BYTES = 16384,
    REDIRECT_BODY_BYTES = 65536, /* which nobody reads */
};
static const int64_t default_timeout_ns = INT64_C(60) * 1000000000;

struct transfer {
    struct list link; /* of io_uv_http.waiting or .running */
    struct io_uv_http *owner;
    struct io_http *http;
    struct io_op deadline;
    struct io_resolve resolve;
    struct io_uv_target target;
    char *proxy;            /* NULL: none */
    char connect_host[256]; /* the proxy's, or the target's */
    uint16_t connect_port;
    struct addr addresses[IO_RESOLVE_ADDRESSES]; /* with port: where sockets may connect */
    int address_count;
    CURL *easy;
    struct io_uv_conn *conn; /* borrowed for the hop */
    struct curl_slist *pins; /* name and addresses, as libcurl wants them */
    unsigned redirects;
    bool running;
    bool from_public;    /* some hop has been to a public address */
    bool has_location;   /* the answer says where to go */
    size_t header_bytes; /* of this hop */
    size_t body_capacity;
    size_t skipped_bytes;
    int failure;     /* why a callback stopped libcurl, and */
    const char *why; /* a text for it */
    char curl_text[CURL_ERROR_SIZE];
};

static void start_waiting(struct io_uv_http *);

/* ---- the end of a transfer ------------------------------------------------------------------- */

/* Lets go of what belongs to one hop; complete: its answer was read to the end. */
static void end_hop(struct transfer *t, bool complete)
{
    io_uv_names_forget(t->owner->names, &t->resolve);
    if (t->easy) {
        if (complete) {
            io_uv_conn_on_complete(t->conn, t->easy);
        }
        io_uv_curl_remove(&t->owner->curl, t->easy);
        t->easy = NULL;
    }
    if (t->conn) {
        io_uv_conns_give(&t->owner->conns, t->conn);
        t->conn = NULL;
    }
    curl_slist_free_all(t->pins);
    t->pins = NULL;
    free(t->proxy);
    t->proxy = NULL;
}

static void transfer_end(struct transfer *t, int status)
{
    struct io_uv_http *h = t->owner;
    struct io_http *http = t->http;
    end_hop(t, status == 0);
    io_uv_target_deinit(&t->target);
    io_uv_loop_forget(h->loop, &t->deadline);
    list_remove(&t->link);
    h->running_count -= t->running;
    free(t);
    if (status < 0) {
        free(http->body);
        http->body = NULL;
        http->body_size = 0;
        http->http_status = 0;
    }
    http->op.subject = NULL;
    io_uv_loop_complete(h->loop, &http->op, status);
    start_waiting(h);
    if (h->running_count == 0) {
        io_uv_conns_rest(&h->conns);
    }
}

static void transfer_fail(struct transfer *t, int status, const char *text)
{
    text_copy(t->http->error, sizeof t->http->error, span_text(text));
    transfer_end(t, status);
}

static void transfer_on_deadline(struct io_op *op, int status)
{
    struct transfer *t = list_entry(op, struct transfer, deadline);
    (void)status;
    transfer_fail(t, SPATE_ETIMEDOUT, "no complete answer in time");
}

/* ---- what libcurl asks while it works -------------------------------------------------------- */

/* Stops libcurl with a reason of ours. */
static size_t stop(struct transfer *t, int failure, const char *why)
{
    t->failure = failure;
    t->why = why;
    return 0;
}

static bool is_redirect(long status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static size_t transfer_on_header(char *bytes, size_t one, size_t size, void *data)
{
    struct transfer *t = data;
    (void)one;
    t->header_bytes += size;
    if (t->header_bytes > LIMIT_HTTP_HEADER_BYTES) {
        return stop(t, SPATE_ELIMIT, "the header is too long");
    }
    if (size >= 5 && memcmp(bytes, "HTTP/", 5) == 0) {
        t->has_location = false;
    } else if (size >= 9 && strncasecmp(bytes, "location:", 9) == 0) {
        t->has_location = true;
    }
    return size;
}

static size_t transfer_on_body(char *bytes, size_t one, size_t size, void *data)
{
    struct transfer *t = data;
    struct io_http *http = t->http;
    curl_off_t received = 0;
    long status = 0;
    (void)one;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (is_redirect(status) && t->has_location) {
        t->skipped_bytes += size;
        return t->skipped_bytes > REDIRECT_BODY_BYTES
                   ? stop(t, SPATE_ELIMIT, "a redirect with a long body")
                   : size;
    }
    if (size > http->max_bytes - http->body_size) {
        return stop(t, SPATE_ELIMIT, "the answer is too long");
    }
    /* A chunked body is counted after it was decoded, so what fits libcurl's buffer is added. */
    curl_easy_getinfo(t->easy, CURLINFO_SIZE_DOWNLOAD_T, &received);
    if (http->body_size + size >
        ((size_t)received + RECEIVE_BYTES) * (size_t)LIMIT_HTTP_INFLATE_RATIO) {
        return stop(t, SPATE_ELIMIT, "the answer unpacks to far more than was sent");
    }
    if (http->body_size + size > t->body_capacity) {
        size_t capacity = t->body_capacity ? t->body_capacity : FIRST_BODY_BYTES;
        while (capacity < http->body_size + size) {
            capacity *= 2;
        }
        uint8_t *body = realloc(http->body, capacity);
        if (!body) {
            return stop(t, SPATE_ENOMEM, "out of memory");
        }
        http->body = body;
        t->body_capacity = capacity;
    }
    memcpy(http->body + http->body_size, bytes, size);
    http->body_size += size;
    return size;
}

static curl_socket_t transfer_on_open(void *data, curlsocktype purpose, struct curl_sockaddr *to)
{
    struct transfer *t = data;
    struct addr wanted;
    bool allowed = false;
    int fd;
    (void)purpose;
    if (!io_uv_net_from_sockaddr(&wanted, &to->addr) || to->socktype != SOCK_STREAM) {
        return CURL_SOCKET_BAD;
    }
    for (int i = 0; i < t->address_count; i++) {
        allowed = allowed ||
                  (addr_same_ip(&t->addresses[i], &wanted) && t->addresses[i].port == wanted.port);
    }
    if (!allowed) {
        stop(t, SPATE_EBLOCKED, "the address is not allowed");
        return CURL_SOCKET_BAD;
    }
    enum addr_family family = (enum addr_family)wanted.family;
    int rc = io_uv_net_socket(family, SOCK_STREAM, &fd);
    if (rc == 0 && t->http->bind) {
        struct io_bind bind = *t->http->bind;
        bind.address.port = 0;
        rc = io_uv_net_restrict(fd, family, &bind, false);
        if (rc < 0) {
            close(fd);
        }
    }
    if (rc < 0) {
        stop(t, rc, "no socket on the interface or address that was asked for");
        return CURL_SOCKET_BAD;
    }
    io_uv_conn_on_open(t->conn, &wanted);
    return fd;
}

static bool host_is_literal(const struct transfer *t)
{
    struct addr literal;
    return addr_parse(&literal, span_text(t->connect_host));
}

/* Names come from us (t->pins); libcurl only has to read literal addresses. */
static int transfer_on_resolve(void *resolver, void *reserved, void *data)
{
    (void)resolver;
    (void)reserved;
    return host_is_literal(data) ? 0 : 1;
}

/* ---- one hop --------------------------------------------------------------------------------- */

static void set_tls(CURL *easy, const char *ca_cert)
{
    char *bundle = NULL;
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_PROXY_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY_SSL_VERIFYHOST, 2L);
    if (ca_cert) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, ca_cert);
        curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, ca_cert);
    } else {
        curl_easy_getinfo(easy, CURLINFO_CAINFO, &bundle);
    }
    if (ca_cert || bundle) {
        /* Exactly that file; and without a directory libcurl keeps the parsed bundle for a day. */
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
        curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, NULL);
    }
}

static void set_callbacks(CURL *easy, struct transfer *t)
{
    curl_easy_setopt(easy, CURLOPT_PRIVATE, (char *)(void *)t);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->curl_text);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, transfer_on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, transfer_on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, transfer_on_open);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, t);
    curl_easy_setopt(easy, CURLOPT_RESOLVER_START_FUNCTION, transfer_on_resolve);
    curl_easy_setopt(easy, CURLOPT_RESOLVER_START_DATA, t);
}

static bool set_options(CURL *easy, struct transfer *t)
{
    struct io_http *http = t->http;
    set_callbacks(easy, t);
    set_tls(easy, http->ca_cert);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)RECEIVE_BYTES);
    curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)http->max_bytes);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
    curl_easy_setopt(easy, CURLOPT_IPRESOLVE,
                     http->family == ADDR_V4   ? (long)CURL_IPRESOLVE_V4
                     : http->family == ADDR_V6 ? (long)CURL_IPRESOLVE_V6
                                               : (long)CURL_IPRESOLVE_WHATEVER);
    /* What would be less safe or plainly wrong when it failed. */
    return curl_easy_setopt(easy, CURLOPT_SHARE, t->conn->share) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CURLU, t->target.url) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip, deflate") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_USERAGENT, http->user_agent) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROXY, t->proxy ? t->proxy : "") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_RESOLVE, t->pins) == CURLE_OK;
}

/* "+host:port:1.2.3.4,[::1]": libcurl takes these addresses and forgets them after a minute. A literal
 * address needs none, and one of IPv6 could not be written there. False when memory is out. */
static bool make_pins(struct transfer *t)
{
    if (host_is_literal(t)) {
        return true;
    }
    char line[256 + 16 + IO_RESOLVE_ADDRESSES * (ADDR_TEXT_MAX + 3)];
    char text[ADDR_TEXT_MAX];
    int at = snprintf(line, sizeof line, "+%s:%u:", t->connect_host, t->connect_port);
    for (int i = 0; i < t->address_count; i++) {
        struct addr bare = t->addresses[i];
        bare.port = 0;
        addr_format(&bare, text);
        at += snprintf(line + at, sizeof line - (size_t)at,
                       bare.family == ADDR_V6 ? "%s[%s]" : "%s%s", i ? "," : "", text);
    }
    t->pins = curl_slist_append(NULL, line);
    return t->pins != NULL;
}

/* Loopback and private networks only when the caller says so, and never for a redirect that comes
 * from the public internet: a stranger's server must not reach what only we can reach. A proxy is
 * the user's own choice and lies wherever it lies. */
static bool is_allowed(const struct transfer *t, const struct addr *a)
{
    if (addr_is_special(a)) {
        return false;
    }
    if (t->proxy || !(addr_is_private(a) || addr_is_loopback(a))) {
        return true;
    }
    return t->http->allow_private && !t->from_public;
}

/* False when memory is out. */
static bool take_conn(struct transfer *t)
{
    struct io_uv_route route = {.host = t->target.host,
                                .port = t->target.port,
                                .is_https = t->target.is_https,
                                .proxy = t->proxy,
                                .ca_cert = t->http->ca_cert,
                                .bind = t->http->bind};
    t->conn = io_uv_conns_take(&t->owner->conns, &route, t->addresses, t->address_count);
    return t->conn != NULL;
}

static void hop_on_resolved(struct io_op *op, int status)
{
    struct transfer *t = list_entry(op, struct transfer, resolve.op);
    char text[320];
    if (status < 0) {
        snprintf(text, sizeof text, "%s: %s", t->connect_host, spate_strerror(status));
        transfer_fail(t, status, text);
        return;
    }
    t->address_count = 0;
    for (int i = 0; i < t->resolve.count; i++) {
        struct addr a = t->resolve.addresses[i];
        if (is_allowed(t, &a)) {
            a.port = t->connect_port;
            t->addresses[t->address_count++] = a;
        }
    }
    if (t->address_count == 0) {
        transfer_fail(t, SPATE_EBLOCKED,
                      t->from_public ? "redirected to an address of a private network"
                                     : "the host's address is private or special and not allowed");
        return;
    }
    t->header_bytes = 0;
    t->skipped_bytes = 0;
    t->has_location = false;
    t->failure = 0;
    t->curl_text[0] = 0;
    t->easy = curl_easy_init();
    if (!make_pins(t) || !take_conn(t) || !t->easy || !set_options(t->easy, t) ||
        io_uv_curl_add(&t->owner->curl, t->easy) < 0) {
        transfer_fail(t, SPATE_ENOMEM, "out of memory");
    }
}

static void begin_hop(struct transfer *t)
{
    struct io_http *http = t->http;
    const char *why = "";
    int rc = io_uv_target_proxy(&t->target, http->proxy, &t->proxy, t->connect_host,
                                &t->connect_port, &why);
    if (rc < 0) {
        transfer_fail(t, rc, why);
        return;
    }
    if (!t->proxy) {
        snprintf(t->connect_host, sizeof t->connect_host, "%s", t->target.host);
        t->connect_port = t->target.port;
    }
    t->resolve.op.done = hop_on_resolved;
    t->resolve.family = http->family;
    t->resolve.bind = http->bind;
    if (http->bind && http->family == ADDR_NONE) {
        t->resolve.family = (enum addr_family)http->bind->address.family;
    }
    snprintf(t->resolve.name, sizeof t->resolve.name, "%s", t->connect_host);
    io_uv_names_resolve(t->owner->names, &t->resolve);
}

/* The code for a failure of libcurl's. */
static int code_from_curl(struct transfer *t, CURLcode result)
{
    long system_errno = 0;
    switch (result) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return SPATE_EHOST;
    case CURLE_COULDNT_CONNECT:
        curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &system_errno);
        return system_errno ? io_uv_net_error((int)system_errno) : SPATE_EREFUSED;
    case CURLE_OPERATION_TIMEDOUT:
        return SPATE_ETIMEDOUT;
    case CURLE_OUT_OF_MEMORY:
        return SPATE_ENOMEM;
    case CURLE_FILESIZE_EXCEEDED:
        return SPATE_ELIMIT;
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
        return SPATE_EEOF;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
        return SPATE_ERESET;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ENGINE_INITFAILED:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_SHUTDOWN_FAILED:
        return SPATE_ETLS;
    default:
        return SPATE_EHTTP;
    }
}

/* True when the answer sends us elsewhere; then the transfer goes on or has ended. */
static bool follow(struct transfer *t, long status)
{
    char *location = NULL;
    const char *why = "";
    t->from_public = t->from_public || (!t->proxy && t->conn->reached_public);
    if (!is_redirect(status) || !t->has_location ||
        curl_easy_getinfo(t->easy, CURLINFO_REDIRECT_URL, &location) != CURLE_OK || !location) {
        return false;
    }
    if (t->redirects == LIMIT_HTTP_REDIRECTS) {
        transfer_fail(t, SPATE_ELIMIT, "too many redirects");
        return true;
    }
    t->redirects++;
    int rc = io_uv_target_redirect(&t->target, location, &why);
    if (rc < 0) {
        transfer_fail(t, rc, why);
        return true;
    }
    end_hop(t, true);
    begin_hop(t);
    return true;
}

static void hop_on_done(CURL *easy, CURLcode result)
{
    char *private = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
    struct transfer *t = (struct transfer *)(void *)private;
    struct io_http *http = t->http;
    char *type = NULL;
    long status = 0;
    if (result != CURLE_OK) {
        /* A second address may have connected after the first was refused: only the result counts.
         */
        if (t->failure) {
            transfer_fail(t, t->failure, t->why);
        } else {
            /* libcurl's words do not always say of what they speak. */
            char text[CURL_ERROR_SIZE + 32];
            int code = code_from_curl(t, result);
            snprintf(text, sizeof text, "%s%s",
                     code == SPATE_ETLS ? "TLS: "
                     : t->proxy         ? "through the proxy: "
                                        : "",
                     t->curl_text[0] ? t->curl_text : curl_easy_strerror(result));
            transfer_fail(t, code, text);
        }
        return;
    }
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (follow(t, status)) {
        return;
    }
    http->http_status = (int)status;
    if (curl_easy_getinfo(t->easy, CURLINFO_CONTENT_TYPE, &type) == CURLE_OK && type) {
        text_copy(http->content_type, sizeof http->content_type, span_text(type));
    }
    transfer_end(t, 0);
}

/* ---- requests -------------------------------------------------------------------------------- */

static void transfer_start(struct transfer *t)
{
    const char *why = "";
    list_push_back(&t->owner->running, &t->link);
    t->owner->running_count++;
    t->running = true;
    int rc = io_uv_curl_start(&t->owner->curl);
    if (rc < 0) {
        transfer_fail(t, rc, "libcurl could not be started");
        return;
    }
    rc = io_uv_target_parse(&t->target, t->http->url, &why);
    if (rc < 0) {
        transfer_fail(t, rc, why);
        return;
    }
    begin_hop(t);
}

static void start_waiting(struct io_uv_http *h)
{
    if (h->starting) {
        return; /* one that failed at once makes room for the next: a loop, not a recursion */
    }
    h->starting = true;
    while (h->running_count < LIMIT_HTTP_CONCURRENT && !h->loop->ending) {
        struct list *link = list_pop_front(&h->waiting);
        if (!link) {
            break;
        }
        transfer_start(list_entry(link, struct transfer, link));
    }
    h->starting = false;
}

void io_uv_http_get(struct io_uv_http *h, struct io_http *http)
{
    http->http_status = 0;
    http->body = NULL;
    http->body_size = 0;
    http->content_type[0] = 0;
    http->error[0] = 0;
    if (!io_uv_loop_submit(h->loop, &http->op, IO_UV_OP_HTTP)) {
        return;
    }
    struct transfer *t = calloc(1, sizeof *t);
    if (!t) {
        io_uv_loop_complete(h->loop, &http->op, SPATE_ENOMEM);
        return;
    }
    t->owner = h;
    t->http = http;
    http->op.subject = t;
    t->deadline.done = transfer_on_deadline;
    int64_t timeout_ns = http->timeout_ns > 0 ? http->timeout_ns : default_timeout_ns;
    io_uv_loop_timer(h->loop, &t->deadline, io_uv_loop_read_clock(h->loop) + timeout_ns);
    list_push_back(&h->waiting, &t->link);
    start_waiting(h);
}

void io_uv_http_cancel(struct io_uv_http *h, struct io_op *op)
{
    (void)h;
    transfer_fail(op->subject, SPATE_ECANCELED, spate_strerror(SPATE_ECANCELED));
}

void io_uv_http_cancel_all(struct io_uv_http *h)
{
    struct list *link;
    while ((link = list_first(&h->waiting)) || (link = list_first(&h->running))) {
        io_uv_http_cancel(h, &list_entry(link, struct transfer, link)->http->op);
    }
}

void io_uv_http_init(struct io_uv_http *h, struct io_uv_loop *loop, struct io_uv_names *names)
{
    h->loop = loop;
    h->names = names;
    list_init(&h->waiting);
    list_init(&h->running);
    io_uv_conns_init(&h->conns, loop);
    io_uv_curl_init(&h->curl, loop, hop_on_done);
}

void io_uv_http_deinit(struct io_uv_http *h)
{
    ASSERT(list_empty(&h->running) && list_empty(&h->waiting));
    io_uv_conns_deinit(&h->conns);
    io_uv_curl_deinit(&h->curl);
}
