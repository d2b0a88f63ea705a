/* Host names: literal addresses and localhost (RFC 6761) without asking anybody, /etc/hosts and DNS
 * through c-ares. getaddrinfo would do neither: it cannot be cancelled, and cannot be told which
 * interface its questions may leave by. */
#include "io/uv/io_uv_names.h"

#include "base/limits.h"
#include "io/uv/io_uv_net.h"
#include "io/uv/io_uv_sigpipe.h"

#include <ares.h>
#include <stdlib.h>
#include <strings.h>

enum {
    FIRST_ANSWER_MS = 3000,
    TRIES = 3
}; /* of each server; c-ares doubles the time every round */
static const int64_t lookup_ns = INT64_C(30) * 1000000000;

struct lookup {
    struct list link; /* of io_uv_names.waiting or .running */
    struct io_uv_names *names;
    struct io_resolve *resolve;
    ares_channel channel; /* NULL while it waits */
    struct list sockets;  /* of name_socket */
    struct io_op timer;
    int64_t deadline_ns;
    int status;
    bool finished; /* the answer is there; c-ares is still on the stack */
};

/* One of c-ares's sockets. */
struct name_socket {
    struct io_uv_watch watch;
    struct list link;
    struct lookup *lookup;
    ares_socket_t fd;
};

static void lookup_continue(struct lookup *);

/* ---- c-ares's sockets ------------------------------------------------------------------------ */

static void name_socket_on_ready(struct io_uv_watch *w, int events)
{
    struct name_socket *s = list_entry(w, struct name_socket, watch);
    struct lookup *lookup = s->lookup;
    struct io_uv_sigpipe held;
    io_uv_sigpipe_hold(&held);
    ares_process_fd(lookup->channel, (events & IO_READABLE) ? s->fd : ARES_SOCKET_BAD,
                    (events & IO_WRITABLE) ? s->fd : ARES_SOCKET_BAD);
    io_uv_sigpipe_release(&held);
    lookup_continue(lookup);
}

static void name_socket_on_closed(struct io_uv_watch *w)
{
    free(list_entry(w, struct name_socket, watch));
}

static void name_socket_close(struct name_socket *s)
{
    list_remove(&s->link);
    io_uv_watch_close(&s->watch);
}

/* c-ares says which of its sockets it wants to hear about; neither means that it closes one. */
static void lookup_on_socket(void *data, ares_socket_t fd, int readable, int writable)
{
    struct lookup *lookup = data;
    struct name_socket *s = NULL;
    list_for_each (node, &lookup->sockets) {
        struct name_socket *known = list_entry(node, struct name_socket, link);
        s = known->fd == fd ? known : s;
    }
    if (!readable && !writable) {
        if (s) {
            name_socket_close(s);
        }
        return;
    }
    if (!s) {
        s = calloc(1, sizeof *s);
        if (!s || io_uv_watch_init(&s->watch, lookup->names->loop, fd) < 0) {
            free(s); /* this server's answer is then not heard, and its question times out */
            return;
        }
        s->watch.ready = name_socket_on_ready;
        s->watch.closed = name_socket_on_closed;
        s->lookup = lookup;
        s->fd = fd;
        list_push_back(&lookup->sockets, &s->link);
    }
    io_uv_watch_want(&s->watch, (readable ? IO_READABLE : 0) | (writable ? IO_WRITABLE : 0));
}

/* c-ares's own binding goes on when the interface cannot be bound; this refuses the socket. */
static int lookup_on_new_socket(ares_socket_t fd, int type, void *data)
{
    struct lookup *lookup = data;
    int domain = AF_INET;
    socklen_t size = sizeof domain;
    (void)type;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0) {
        return -1;
    }
    enum addr_family family = domain == AF_INET6 ? ADDR_V6 : ADDR_V4;
    struct io_bind bind = *lookup->resolve->bind;
    bind.address.port = 0; /* the port is the traffic's, not the question's */
    return io_uv_net_restrict(fd, family, &bind, false) == 0 ? 0 : -1;
}

/* ---- the answer ------------------------------------------------------------------------------ */

static void add_address(struct io_resolve *r, struct addr a)
{
    a.port = 0;
    if (r->family != ADDR_NONE && a.family != r->family) {
        return;
    }
    for (int i = 0; i < r->count; i++) {
        if (addr_equals(&r->addresses[i], &a)) {
            return;
        }
    }
    if (r->count < IO_RESOLVE_ADDRESSES) {
        r->addresses[r->count++] = a;
    }
}

static int status_from_ares(int status)
{
    switch (status) {
    case ARES_SUCCESS:
        return 0;
    case ARES_ENOMEM:
        return SPATE_ENOMEM;
    case ARES_ETIMEOUT:
        return SPATE_ETIMEDOUT;
    case ARES_ECONNREFUSED:
        return SPATE_EUNREACHABLE;
    case ARES_ECANCELLED:
    case ARES_EDESTRUCTION:
        return SPATE_ECANCELED;
    default:
        return SPATE_EHOST;
    }
}

static void lookup_on_answer(void *data, int status, int timeouts, struct ares_addrinfo *answer)
{
    struct lookup *lookup = data;
    (void)timeouts;
    if (answer) {
        for (struct ares_addrinfo_node *node = answer->nodes; node; node = node->ai_next) {
            struct addr a;
            if (io_uv_net_from_sockaddr(&a, node->ai_addr)) {
                add_address(lookup->resolve, a);
            }
        }
        ares_freeaddrinfo(answer);
    }
    lookup->status = status_from_ares(status);
    if (lookup->status == 0 && lookup->resolve->count == 0) {
        lookup->status = SPATE_EHOST;
    }
    lookup->finished = true;
}

static bool has_suffix(const char *name, const char *suffix)
{
    size_t size = strlen(name), suffix_size = strlen(suffix);
    return size >= suffix_size && strcasecmp(name + size - suffix_size, suffix) == 0;
}

/* Names that need nobody else. True when *status is the answer. */
static bool answer_locally(struct io_resolve *r, int *status)
{
    static const uint8_t loopback_v4[4] = {127, 0, 0, 1};
    static const uint8_t loopback_v6[16] = {[15] = 1};
    struct addr literal;
    char name[sizeof r->name];
    size_t size = strnlen(r->name, sizeof name - 1);
    memcpy(name, r->name, size);
    name[size] = 0;
    *status = SPATE_EHOST;
    if (addr_parse(&literal, span_of(name, size))) {
        if (literal.port == 0) {
            add_address(r, literal);
        }
        *status = r->count > 0 ? 0 : SPATE_EHOST;
        return true;
    }
    if (size > 0 && name[size - 1] == '.') {
        name[--size] = 0;
    }
    if (strcasecmp(name, "localhost") == 0 || has_suffix(name, ".localhost")) {
        add_address(r, addr_v4(loopback_v4, 0));
        add_address(r, addr_v6(loopback_v6, 0));
        *status = 0;
        return true;
    }
    /* RFC 7686: names of Tor are not for DNS. */
    return size == 0 || has_suffix(name, ".onion");
}

/* ---- lookups --------------------------------------------------------------------------------- */

static void start_waiting(struct io_uv_names *);

/* Frees it without a word to its owner. */
static void lookup_destroy(struct lookup *lookup)
{
    struct io_uv_names *names = lookup->names;
    list_remove(&lookup->link);
    io_uv_loop_forget(names->loop, &lookup->timer);
    if (lookup->channel) {
        ares_destroy(lookup->channel);
        names->running_count--;
    }
    struct list *link;
    while ((link = list_first(&lookup->sockets))) {
        name_socket_close(list_entry(link, struct name_socket, link));
    }
    free(lookup);
}

static void lookup_end(struct lookup *lookup, int status)
{
    struct io_uv_names *names = lookup->names;
    struct io_resolve *r = lookup->resolve;
    if (status < 0) {
        r->count = 0;
    }
    lookup_destroy(lookup);
    r->op.subject = NULL;
    io_uv_loop_complete(names->loop, &r->op, status);
    start_waiting(names);
}

static void lookup_on_timer(struct io_op *op, int status)
{
    struct lookup *lookup = list_entry(op, struct lookup, timer);
    (void)status;
    if (lookup->names->loop->now_ns >= lookup->deadline_ns) {
        lookup_end(lookup, SPATE_ETIMEDOUT);
        return;
    }
    struct io_uv_sigpipe held;
    io_uv_sigpipe_hold(&held);
    ares_process_fd(lookup->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    io_uv_sigpipe_release(&held);
    lookup_continue(lookup);
}

/* After every call of c-ares: ends the lookup, or sleeps as long as c-ares says. */
static void lookup_continue(struct lookup *lookup)
{
    struct io_uv_loop *loop = lookup->names->loop;
    struct timeval room;
    if (lookup->finished) {
        lookup_end(lookup, lookup->status);
        return;
    }
    int64_t at_ns = lookup->deadline_ns;
    struct timeval *next = ares_timeout(lookup->channel, NULL, &room);
    if (next) {
        int64_t in_ns = (int64_t)next->tv_sec * 1000000000 + (int64_t)next->tv_usec * 1000;
        int64_t next_ns = io_uv_loop_read_clock(loop) + in_ns;
        at_ns = next_ns < at_ns ? next_ns : at_ns;
    }
    io_uv_loop_forget(loop, &lookup->timer);
    io_uv_loop_timer(loop, &lookup->timer, at_ns);
}

static void lookup_start(struct lookup *lookup)
{
    struct io_uv_names *names = lookup->names;
    struct io_resolve *r = lookup->resolve;
    struct ares_options options = {.timeout = FIRST_ANSWER_MS,
                                   .tries = TRIES,
                                   .sock_state_cb = lookup_on_socket,
                                   .sock_state_cb_data = lookup};
    struct ares_addrinfo_hints hints = {.ai_family = r->family == ADDR_V4   ? AF_INET
                                                     : r->family == ADDR_V6 ? AF_INET6
                                                                            : AF_UNSPEC};
    list_push_back(&names->running, &lookup->link);
    lookup->timer.done = lookup_on_timer;
    lookup->deadline_ns = io_uv_loop_read_clock(names->loop) + lookup_ns;
    int rc = ares_init_options(&lookup->channel, &options,
                               ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
    if (rc != ARES_SUCCESS) {
        lookup->channel = NULL;
        lookup_end(lookup, status_from_ares(rc));
        return;
    }
    names->running_count++;
    if (names->servers) {
        rc = ares_set_servers_ports_csv(lookup->channel, names->servers);
    }
    if (rc != ARES_SUCCESS) {
        lookup_end(lookup, status_from_ares(rc));
        return;
    }
    if (r->bind) {
        ares_set_socket_configure_callback(lookup->channel, lookup_on_new_socket, lookup);
    }
    struct io_uv_sigpipe held;
    io_uv_sigpipe_hold(&held);
    ares_getaddrinfo(lookup->channel, r->name, NULL, &hints, lookup_on_answer, lookup);
    io_uv_sigpipe_release(&held);
    lookup_continue(lookup);
}

static void start_waiting(struct io_uv_names *names)
{
    if (names->starting) {
        return; /* one that was answered at once makes room for the next: a loop, not a recursion */
    }
    names->starting = true;
    while (names->running_count < LIMIT_RESOLVE_CONCURRENT && !names->loop->ending) {
        struct list *link = list_pop_front(&names->waiting);
        if (!link) {
            break;
        }
        lookup_start(list_entry(link, struct lookup, link));
    }
    names->starting = false;
}

void io_uv_names_resolve(struct io_uv_names *names, struct io_resolve *r)
{
    int status;
    r->count = 0;
    r->name[sizeof r->name - 1] = 0;
    if (!io_uv_loop_submit(names->loop, &r->op, IO_UV_OP_RESOLVE)) {
        return;
    }
    if (answer_locally(r, &status)) {
        io_uv_loop_complete(names->loop, &r->op, status);
        return;
    }
    struct lookup *lookup = calloc(1, sizeof *lookup);
    if (!lookup) {
        io_uv_loop_complete(names->loop, &r->op, SPATE_ENOMEM);
        return;
    }
    lookup->names = names;
    lookup->resolve = r;
    list_init(&lookup->sockets);
    list_push_back(&names->waiting, &lookup->link);
    r->op.subject = lookup;
    start_waiting(names);
}

void io_uv_names_cancel(struct io_uv_names *names, struct io_op *op)
{
    (void)names;
    lookup_end(op->subject, SPATE_ECANCELED);
}

void io_uv_names_cancel_all(struct io_uv_names *names)
{
    struct list *link;
    while ((link = list_first(&names->waiting)) || (link = list_first(&names->running))) {
        lookup_end(list_entry(link, struct lookup, link), SPATE_ECANCELED);
    }
}

void io_uv_names_forget(struct io_uv_names *names, struct io_resolve *r)
{
    if (r->op.active && r->op.kind == IO_UV_OP_RESOLVE) {
        lookup_destroy(r->op.subject);
        r->op.subject = NULL;
        io_uv_loop_complete(names->loop, &r->op, SPATE_ECANCELED);
    }
    io_uv_loop_forget(names->loop, &r->op);
    start_waiting(names);
}

int io_uv_names_init(struct io_uv_names *names, struct io_uv_loop *loop, const char *servers)
{
    names->loop = loop;
    list_init(&names->waiting);
    list_init(&names->running);
    names->servers = servers ? strdup(servers) : NULL;
    return servers && !names->servers ? SPATE_ENOMEM : 0;
}

void io_uv_names_deinit(struct io_uv_names *names)
{
    ASSERT(list_empty(&names->running) && list_empty(&names->waiting));
    free(names->servers);
}
