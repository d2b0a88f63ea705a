/* What the files of the suite share: operations that remember how they ended, and waiting for them in
 * the world of the test that runs. */
#ifndef TESTS_PORT_PORT_SUITE_INSIDE_H
#define TESTS_PORT_PORT_SUITE_INSIDE_H

#include "port_suite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>

#define PORT_SECOND_NS INT64_C(1000000000)

/* The state of every test: a world of its own. */
struct port_test {
    const struct port_hooks *hooks;
    void *world;
    struct io *io[2];
};

/* An operation that remembers how it ended. It fails the test when it completes twice, or from inside a
 * call. */
struct port_noted {
    struct io_op op;
    int status;
    int times;    /* completed */
    int order;    /* place among all that share the counter */
    int *counter; /* may be NULL */
    bool *inside; /* true while a call is under way that must not complete it; may be NULL */
};
enum { PORT_PENDING = 1000 }; /* status of what has not completed */

void port_noted_init(struct port_noted *, int *counter);
/* Marks the end of every operation that is still to be noted elsewhere. */
void port_noted_on_done(struct io_op *, int status);

/* Lets the world go on until op has completed; fails after a minute of the port's clock. */
void port_await(struct port_test *, const struct io_op *op);
/* Lets it go on for that long. */
void port_pass(struct port_test *, int64_t for_ns);

/* A listener on a host's own address, and where it is. */
struct io_socket *port_listen(struct port_test *, int host, enum addr_family, struct addr *at);
/* A connection from host 0 to host 1. */
void port_connect(struct port_test *, struct io_socket **from, struct io_socket **to);

/* Each returns its tests, which live for ever. */
const struct CMUnitTest *port_suite_time(size_t *count);
const struct CMUnitTest *port_suite_sockets(size_t *count);
const struct CMUnitTest *port_suite_udp(size_t *count);
const struct CMUnitTest *port_suite_files(size_t *count);
const struct CMUnitTest *port_suite_web(size_t *count);
const struct CMUnitTest *port_suite_sqlite(size_t *count);

int port_setup(void **state);
int port_teardown(void **state);
#define PORT_TEST(f) cmocka_unit_test_setup_teardown(f, port_setup, port_teardown)

#endif
