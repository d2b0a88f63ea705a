/* The HTTP listener of a tracker. libmicrohttpd watches its sockets with an epoll descriptor of its
 * own, which is one more descriptor of our loop: when it is readable, or when libmicrohttpd's
 * timeout is over, MHD_run() does what there is to do. The query is taken from the request line as
 * it came, since an info-hash may hold zero bytes, which libmicrohttpd's own parsing would cut.
 *
 * Connections are kept, as HTTP/1.1 has it: who has many torrents here comes again soon. While many are
 * open each answer is the last of its connection, so that those who idle keep nobody else out; of one address
 * they count against its maximum until they have been idle for long enough. */
#include "apps/tracker/http_front.h"

#include "io/uv/io_uv.h"
#include "io/uv/io_uv_net.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>

enum {
    CONNECTIONS_MAX = 1000,
    CONNECTIONS_KEPT = CONNECTIONS_MAX / 2, /* with more than these none is kept after its answer */
    CONNECTIONS_PER_ADDRESS = 200,
    CONNECTION_BYTES = 16384, /* request line and header */
    IDLE_S = 5,               /* more than the program spate keeps them idle */
};

struct request {
    bool begun;    /* its header has been seen */
    char target[]; /* as it came */
};

struct http_front {
    struct io *io;
    struct http_server *server;
    struct MHD_Daemon *daemon;
    struct io_socket *epoll;
    struct io_op readable;
    struct io_op timer;
    int64_t timer_ns; /* when timer is due, while it is active */
    bool destroyed;
};

static bool is_crowded(struct http_front *f)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(f->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
    return info && info->num_connections > CONNECTIONS_KEPT;
}

static enum MHD_Result send_text(struct http_front *f, struct MHD_Connection *connection,
                                 int status, struct span body)
{
    /* The library copies the body and never writes to it. */
    struct MHD_Response *response = MHD_create_response_from_buffer(
        body.size, (void *)(uintptr_t)body.bytes, MHD_RESPMEM_MUST_COPY);
    if (!response) {
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain");
    if (is_crowded(f)) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    }
    enum MHD_Result result = MHD_queue_response(connection, (unsigned)status, response);
    MHD_destroy_response(response);
    return result;
}

/* Keeps the request line's target, escaped as it came, for the length of the request. */
static void *on_uri(void *user, const char *uri, struct MHD_Connection *connection)
{
    size_t size = strlen(uri) + 1;
    struct request *r = malloc(sizeof *r + size);
    (void)user;
    (void)connection;
    if (r) {
        r->begun = false;
        memcpy(r->target, uri, size);
    }
    return r;
}

static bool has_body(struct MHD_Connection *connection)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                       MHD_HTTP_HEADER_CONTENT_LENGTH) ||
           MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                       MHD_HTTP_HEADER_TRANSFER_ENCODING);
}

static void on_completed(void *user, struct MHD_Connection *connection, void **kept,
                         enum MHD_RequestTerminationCode how)
{
    (void)user;
    (void)connection;
    (void)how;
    free(*kept);
    *kept = NULL;
}

static enum MHD_Result on_request(void *user, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **kept)
{
    struct http_front *f = user;
    struct request *r = *kept;
    (void)url;
    (void)version;
    (void)upload;
    (void)upload_size;
    struct addr from;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (!r || !info || !io_uv_net_from_sockaddr(&from, info->client_addr)) {
        return MHD_NO;
    }
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0) {
        return send_text(f, connection, MHD_HTTP_METHOD_NOT_ALLOWED, span_text("GET only\n"));
    }
    if (!r->begun && !has_body(connection)) {
        r->begun = true; /* what is answered now, before its end, would be the connection's last */
        return MHD_YES;
    }
    struct span target = span_text(r->target);
    const uint8_t *mark = memchr(target.bytes, '?', target.size);
    size_t path_size = mark ? (size_t)(mark - target.bytes) : target.size;
    uint8_t bytes[HTTP_SERVER_BODY_BYTES];
    struct writer body = writer_over(bytes, sizeof bytes);
    int status = http_server_answer(f->server, span_slice(target, 0, path_size),
                                    span_slice(target, path_size + 1, target.size), &from,
                                    io_now(f->io), &body);
    if (body.failed) {
        return MHD_NO;
    }
    return send_text(f, connection, status, span_of(bytes, body.size));
}

/* Lets the library do what is ready, and asks to be called again. */
static void run(struct http_front *f)
{
    MHD_UNSIGNED_LONG_LONG timeout_ms;
    MHD_run(f->daemon);
    if (!f->readable.active) {
        io_wait(f->io, f->epoll, IO_READABLE, &f->readable);
    }
    if (MHD_get_timeout(f->daemon, &timeout_ms) != MHD_YES) {
        return;
    }
    int64_t at_ns = io_now(f->io) + (int64_t)timeout_ms * 1000000;
    if (!f->timer.active) {
        f->timer_ns = at_ns;
        io_timer(f->io, &f->timer, at_ns);
    } else if (at_ns < f->timer_ns) {
        f->timer_ns = at_ns;
        io_cancel(f->io, &f->timer); /* completes soon, and then runs the library */
    }
}

static void continue_or_free(struct http_front *f)
{
    if (!f->destroyed) {
        run(f);
    } else if (!f->readable.active && !f->timer.active) {
        free(f);
    }
}

static void on_readable(struct io_op *op, int status)
{
    (void)status;
    continue_or_free(list_entry(op, struct http_front, readable));
}

static void on_timer(struct io_op *op, int status)
{
    (void)status;
    continue_or_free(list_entry(op, struct http_front, timer));
}

static int start_daemon(struct http_front *f, const struct addr *address)
{
    struct sockaddr_storage to;
    io_uv_net_to_sockaddr(address, &to);
    unsigned flags = MHD_USE_EPOLL | (address->family == ADDR_V6 ? MHD_USE_IPv6 : 0);
    errno = 0;
    f->daemon = MHD_start_daemon(
        flags, address->port, NULL, NULL, on_request, f, MHD_OPTION_SOCK_ADDR, &to,
        MHD_OPTION_URI_LOG_CALLBACK, on_uri, f, MHD_OPTION_NOTIFY_COMPLETED, on_completed, f,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        (unsigned)CONNECTIONS_PER_ADDRESS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_BYTES, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S, MHD_OPTION_END);
    if (!f->daemon) {
        return errno ? io_uv_net_error(errno) : SPATE_EADDRINUSE;
    }
    return 0;
}

static int read_bound(struct http_front *f, struct addr *bound)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(f->daemon, MHD_DAEMON_INFO_BIND_PORT);
    if (!info) {
        return SPATE_EINTERNAL;
    }
    bound->port = info->port;
    return 0;
}

int http_front_create(struct io *io, struct http_server *server, const struct addr *address,
                      struct http_front **out, struct addr *bound)
{
    struct http_front *f = calloc(1, sizeof *f);
    *out = NULL;
    if (!f) {
        return SPATE_ENOMEM;
    }
    f->io = io;
    f->server = server;
    f->readable.done = on_readable;
    f->timer.done = on_timer;
    *bound = *address;
    int status = start_daemon(f, address);
    if (status < 0) {
        free(f);
        return status;
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(f->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    status = read_bound(f, bound);
    if (status == 0) {
        status = info ? io_uv_adopt(io, info->epoll_fd, &f->epoll) : SPATE_EINTERNAL;
    }
    if (status < 0) {
        MHD_stop_daemon(f->daemon);
        free(f);
        return status;
    }
    run(f);
    *out = f;
    return 0;
}

void http_front_destroy(struct http_front *f)
{
    if (!f) {
        return;
    }
    f->destroyed = true;
    io_close(f->io, f->epoll); /* completes the wait; the last operation frees */
    io_cancel(f->io, &f->timer);
    MHD_stop_daemon(f->daemon);
}
