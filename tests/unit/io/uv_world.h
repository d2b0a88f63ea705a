/* What the tests of io_uv share: a world of the real kind, and waiting for an operation in it. */
#ifndef TESTS_UNIT_IO_UV_WORLD_H
#define TESTS_UNIT_IO_UV_WORLD_H

#include "io/uv/io_uv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
/* cmocka wants the above first */
#include <cmocka.h>

/* An operation that remembers how it ended. */
struct noted {
    struct io_op op;
    int status;
    int times; /* completed */
    int order; /* place among all that completed with the same counter */
    int *counter;
};

static inline void noted_on_done(struct io_op *op, int status)
{
    struct noted *n = list_entry(op, struct noted, op);
    n->status = status;
    n->times++;
    if (n->counter) {
        n->order = ++*n->counter;
    }
}

static inline struct noted noted_make(int *counter)
{
    return (struct noted){.op.done = noted_on_done, .status = 1, .counter = counter};
}

static inline struct io *world_create(const char *dns_servers)
{
    struct io *io;
    struct io_uv_settings settings = {.workers = 2, .dns_servers = dns_servers};
    alarm(120); /* a test that hangs is a failure, not a wait */
    assert_int_equal(io_uv_create(&settings, &io), 0);
    return io;
}

static inline void await(struct io *io, const struct io_op *op)
{
    while (op->active) {
        io_uv_run_once(io, -1);
    }
}

static inline struct addr address(const char *text)
{
    struct addr a;
    assert_true(addr_parse(&a, span_text(text)));
    return a;
}

static inline struct io_bind bind_to(const char *text)
{
    return (struct io_bind){.address = address(text)};
}

/* A listener on loopback, and a connection to it; *accepted is the listener's side. */
static inline void connect_pair(struct io *io, struct io_socket **connected,
                                struct io_socket **accepted)
{
    struct io_socket *listener;
    struct io_bind bind = bind_to("127.0.0.1:0");
    struct addr to, peer;
    struct noted connecting = noted_make(NULL), arriving = noted_make(NULL);
    assert_int_equal(io_tcp_listen(io, &bind, &listener), 0);
    assert_int_equal(io_socket_address(io, listener, &to), 0);
    assert_int_equal(io_tcp_connect(io, NULL, &to, &connecting.op, connected), 0);
    io_wait(io, listener, IO_READABLE, &arriving.op);
    await(io, &connecting.op);
    await(io, &arriving.op);
    assert_int_equal(connecting.status, 0);
    assert_int_equal(io_accept(io, listener, accepted, &peer), 0);
    io_close(io, listener);
}

#endif
