/* Running the suite, and what its files share. */
#include "port_suite_inside.h"

#include <stdio.h>

enum { TESTS_MAX = 200 };

void port_noted_init(struct port_noted *n, int *counter)
{
    *n = (struct port_noted){
        .op.done = port_noted_on_done, .status = PORT_PENDING, .counter = counter};
}

void port_noted_on_done(struct io_op *op, int status)
{
    struct port_noted *n = list_entry(op, struct port_noted, op);
    assert_false(op->active);
    assert_true(!n->inside || !*n->inside);
    n->status = status;
    n->times++;
    if (n->counter) {
        n->order = ++*n->counter;
    }
}

void port_await(struct port_test *t, const struct io_op *op)
{
    int64_t until_ns = io_now(t->io[0]) + 60 * PORT_SECOND_NS;
    while (op->active) {
        t->hooks->advance(t->world);
        assert_true(io_now(t->io[0]) < until_ns);
    }
}

void port_pass(struct port_test *t, int64_t for_ns)
{
    struct port_noted timer;
    port_noted_init(&timer, NULL);
    io_timer(t->io[0], &timer.op, io_now(t->io[0]) + for_ns);
    port_await(t, &timer.op);
}

struct io_socket *port_listen(struct port_test *t, int host, enum addr_family family,
                              struct addr *at)
{
    struct io_socket *listener;
    struct io_bind bind = {.address = t->hooks->address(t->world, host, family)};
    assert_int_equal(io_tcp_listen(t->io[host], &bind, &listener), 0);
    assert_int_equal(io_socket_address(t->io[host], listener, at), 0);
    return listener;
}

void port_connect(struct port_test *t, struct io_socket **from, struct io_socket **to)
{
    struct addr at, peer;
    struct io_socket *listener = port_listen(t, 1, ADDR_V4, &at);
    struct port_noted connecting, arriving;
    port_noted_init(&connecting, NULL);
    port_noted_init(&arriving, NULL);
    io_wait(t->io[1], listener, IO_READABLE, &arriving.op);
    assert_int_equal(io_tcp_connect(t->io[0], NULL, &at, &connecting.op, from), 0);
    port_await(t, &connecting.op);
    port_await(t, &arriving.op);
    assert_int_equal(connecting.status, 0);
    assert_int_equal(arriving.status, 0);
    assert_int_equal(io_accept(t->io[1], listener, to, &peer), 0);
    io_close(t->io[1], listener);
}

int port_setup(void **state)
{
    const struct port_hooks *hooks = *state;
    struct port_test *t = calloc(1, sizeof *t);
    if (!t) {
        return -1;
    }
    t->hooks = hooks;
    t->world = hooks->create();
    t->io[0] = hooks->io(t->world, 0);
    t->io[1] = hooks->io(t->world, 1);
    *state = t;
    return 0;
}

int port_teardown(void **state)
{
    struct port_test *t = *state;
    if (t->world) {
        t->hooks->destroy(t->world);
    }
    free(t);
    return 0;
}

static size_t add(struct CMUnitTest *all, size_t count, const struct port_hooks *hooks,
                  const struct CMUnitTest *tests, size_t more)
{
    for (size_t i = 0; i < more && count < TESTS_MAX; i++, count++) {
        all[count] = tests[i];
        all[count].initial_state = (void *)(uintptr_t)hooks;
    }
    return count;
}

int port_suite_run(const char *driver, const struct port_hooks *hooks)
{
    static const struct CMUnitTest *(*const groups[])(size_t *) = {
        port_suite_time,  port_suite_sockets, port_suite_udp,
        port_suite_files, port_suite_web,     port_suite_sqlite};
    struct CMUnitTest all[TESTS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        size_t more;
        const struct CMUnitTest *tests = groups[i](&more);
        count = add(all, count, hooks, tests, more);
    }
    return _cmocka_run_group_tests(driver, all, count, NULL, NULL);
}
