/* Names: asked of a server of the test's own, cancelled while it says nothing, bound as told. */
#include "uv_world.h"

#include "base/limits.h"
#include "dns_server.h"

static const struct dns_entry entries[] = {
    {"one.test", "192.0.2.1"},
    {"both.test", "192.0.2.7 2001:db8::7 192.0.2.8"},
    {"six.test", "2001:db8::6"},
    {"empty.test", ""},
    {"silent.test", NULL},
    {"many.test", "192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 192.0.2.6 192.0.2.7 192.0.2.8 "
                  "192.0.2.9 192.0.2.10 192.0.2.11 192.0.2.12 192.0.2.13 192.0.2.14 192.0.2.15 "
                  "192.0.2.16 192.0.2.17 192.0.2.18 192.0.2.19 192.0.2.20"},
    {NULL, NULL}};

static struct dns_server server;

static int start(void **state)
{
    (void)state;
    dns_server_start(&server, entries);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    dns_server_stop(&server);
    return 0;
}

static int status_of;

static void resolve_on_done(struct io_op *op, int status)
{
    (void)op;
    status_of = status;
}

static struct io_resolve resolve(struct io *io, const char *name, enum addr_family family,
                                 const struct io_bind *bind)
{
    struct io_resolve r = {.op.done = resolve_on_done, .family = family, .bind = bind};
    snprintf(r.name, sizeof r.name, "%s", name);
    status_of = 1;
    io_resolve(io, &r);
    assert_int_equal(status_of, 1); /* not inside the call */
    await(io, &r.op);
    return r;
}

static bool contains(const struct io_resolve *r, const char *text)
{
    struct addr a = address(text);
    for (int i = 0; i < r->count; i++) {
        if (addr_equals(&r->addresses[i], &a)) {
            return true;
        }
    }
    return false;
}

static void what_needs_no_server_asks_none(void **state)
{
    (void)state;
    struct io *io = world_create(server.csv);
    int before = atomic_load(&server.asked);
    struct io_resolve r = resolve(io, "192.0.2.55", ADDR_NONE, NULL);
    assert_int_equal(status_of, 0);
    assert_int_equal(r.count, 1);
    assert_true(contains(&r, "192.0.2.55"));
    r = resolve(io, "2001:db8::1", ADDR_NONE, NULL);
    assert_true(status_of == 0 && contains(&r, "2001:db8::1"));
    r = resolve(io, "2001:db8::1", ADDR_V4, NULL);
    assert_int_equal(status_of, SPATE_EHOST);
    assert_int_equal(r.count, 0);
    r = resolve(io, "192.0.2.55:80", ADDR_NONE, NULL);
    assert_int_equal(status_of, SPATE_EHOST);
    r = resolve(io, "LocalHost", ADDR_NONE, NULL);
    assert_true(status_of == 0 && r.count == 2);
    assert_true(contains(&r, "127.0.0.1") && contains(&r, "::1"));
    r = resolve(io, "a.localhost.", ADDR_V6, NULL);
    assert_true(status_of == 0 && r.count == 1 && contains(&r, "::1"));
    r = resolve(io, "", ADDR_NONE, NULL);
    assert_int_equal(status_of, SPATE_EHOST);
    r = resolve(io, "something.onion", ADDR_NONE, NULL);
    assert_int_equal(status_of, SPATE_EHOST);
    assert_int_equal(atomic_load(&server.asked), before);
    io_uv_destroy(io);
}

static void the_server_is_asked_and_its_families_kept_apart(void **state)
{
    (void)state;
    struct io *io = world_create(server.csv);
    struct io_resolve r = resolve(io, "one.test", ADDR_NONE, NULL);
    assert_int_equal(status_of, 0);
    assert_int_equal(r.count, 1);
    assert_true(contains(&r, "192.0.2.1"));
    r = resolve(io, "both.test", ADDR_NONE, NULL);
    assert_int_equal(status_of, 0);
    assert_int_equal(r.count, 3);
    assert_true(contains(&r, "192.0.2.7") && contains(&r, "192.0.2.8") &&
                contains(&r, "2001:db8::7"));
    r = resolve(io, "BOTH.test", ADDR_V6, NULL);
    assert_true(status_of == 0 && r.count == 1 && contains(&r, "2001:db8::7"));
    r = resolve(io, "both.test", ADDR_V4, NULL);
    assert_true(status_of == 0 && r.count == 2);
    r = resolve(io, "many.test", ADDR_NONE, NULL);
    assert_true(status_of == 0 && r.count == IO_RESOLVE_ADDRESSES);
    io_uv_destroy(io);
}

static void a_name_that_is_not_there_is_said(void **state)
{
    (void)state;
    struct io *io = world_create(server.csv);
    struct io_resolve r = resolve(io, "nothing.test", ADDR_NONE, NULL);
    assert_int_equal(status_of, SPATE_EHOST);
    assert_int_equal(r.count, 0);
    resolve(io, "empty.test", ADDR_NONE, NULL);
    assert_int_equal(status_of, SPATE_EHOST);
    resolve(io, "six.test", ADDR_V4, NULL);
    assert_int_equal(status_of, SPATE_EHOST);
    char longest[256];
    memset(longest, 'x', sizeof longest);
    longest[255] = 0;
    resolve(io, longest, ADDR_NONE, NULL);
    assert_int_equal(status_of, SPATE_EHOST);
    resolve(io, "a..b", ADDR_NONE, NULL);
    assert_int_equal(status_of, SPATE_EHOST);
    io_uv_destroy(io);
}

static void a_silent_server_is_left_by_cancelling_and_by_the_end(void **state)
{
    (void)state;
    struct io *io = world_create(server.csv);
    struct io_resolve r[2] = {{.op.done = resolve_on_done, .name = "silent.test"},
                              {.op.done = resolve_on_done, .name = "silent.test"}};
    int before = atomic_load(&server.asked);
    io_resolve(io, &r[0]);
    io_resolve(io, &r[1]);
    while (atomic_load(&server.asked) < before + 4) { /* A and AAAA of each */
        io_uv_run_once(io, 10);
    }
    status_of = 1;
    io_cancel(io, &r[0].op);
    assert_int_equal(status_of, 1);
    await(io, &r[0].op);
    assert_int_equal(status_of, SPATE_ECANCELED);
    assert_true(r[1].op.active); /* only the one that was meant */
    status_of = 1;
    io_uv_destroy(io);
    assert_int_equal(status_of, SPATE_ECANCELED);
}

static void names_beyond_the_limit_wait_their_turn(void **state)
{
    (void)state;
    enum { COUNT = LIMIT_RESOLVE_CONCURRENT + 3 };
    struct io *io = world_create(server.csv);
    static struct io_resolve silent[COUNT], last;
    for (int i = 0; i < COUNT; i++) {
        silent[i] = (struct io_resolve){.op.done = resolve_on_done, .name = "silent.test"};
        io_resolve(io, &silent[i]);
    }
    last = (struct io_resolve){.op.done = resolve_on_done, .name = "one.test"};
    io_resolve(io, &last);
    for (int i = 0; i < 5; i++) {
        io_uv_run_once(io, 10);
    }
    assert_true(last.op.active);
    for (int i = COUNT - 1; i > 0; i--) {
        io_cancel(io, &silent[i].op);
    }
    await(io, &last.op);
    assert_int_equal(last.count, 1);
    assert_true(silent[0].op.active);
    io_uv_destroy(io);
}

static void questions_leave_from_where_they_are_bound_or_not_at_all(void **state)
{
    (void)state;
    struct io *io = world_create(server.csv);
    struct io_bind from = bind_to("127.0.0.77:6881"), six = bind_to("[::1]:0"),
                   nowhere = {.interface = "no-such-if0"};
    struct io_resolve r = resolve(io, "one.test", ADDR_NONE, &from);
    assert_int_equal(status_of, 0);
    assert_int_equal(r.count, 1);
    assert_int_equal(atomic_load(&server.last_source), htonl(0x7f00004d));
    int before = atomic_load(&server.asked);
    resolve(io, "one.test", ADDR_NONE, &nowhere);
    assert_true(status_of < 0);
    resolve(io, "one.test", ADDR_NONE, &six); /* the server has no address of that family */
    assert_true(status_of < 0);
    assert_int_equal(atomic_load(&server.asked), before);
    io_uv_destroy(io);
}

static void no_server_there_is_told_from_no_such_name(void **state)
{
    (void)state;
    struct io *io = world_create("127.0.0.1:1");
    resolve(io, "one.test", ADDR_V4, NULL);
    assert_int_equal(status_of, SPATE_EUNREACHABLE);
    io_uv_destroy(io);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_needs_no_server_asks_none),
        cmocka_unit_test(the_server_is_asked_and_its_families_kept_apart),
        cmocka_unit_test(a_name_that_is_not_there_is_said),
        cmocka_unit_test(a_silent_server_is_left_by_cancelling_and_by_the_end),
        cmocka_unit_test(names_beyond_the_limit_wait_their_turn),
        cmocka_unit_test(questions_leave_from_where_they_are_bound_or_not_at_all),
        cmocka_unit_test(no_server_there_is_told_from_no_such_name),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
