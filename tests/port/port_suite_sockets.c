/* TCP: meeting, bytes in order, full buffers, ends. */
#include "port_suite_inside.h"

static struct iovec room(void *bytes, size_t size)
{
    return (struct iovec){.iov_base = bytes, .iov_len = size};
}

static struct io_part part(const void *bytes, size_t size)
{
    return (struct io_part){.bytes = bytes, .size = size};
}

/* Waits until the socket is ready. */
static void ready(struct port_test *t, int host, struct io_socket *s, enum io_ready how)
{
    struct port_noted wait;
    port_noted_init(&wait, NULL);
    io_wait(t->io[host], s, how, &wait.op);
    port_await(t, &wait.op);
    assert_int_equal(wait.status, 0);
}

/* What receive says once it says anything but EAGAIN. */
static int64_t receive(struct port_test *t, int host, struct io_socket *s, void *bytes, size_t size)
{
    struct iovec v = room(bytes, size);
    int64_t n;
    while ((n = io_receive(t->io[host], s, &v, 1)) == SPATE_EAGAIN) {
        ready(t, host, s, IO_READABLE);
    }
    return n;
}

static void send_all(struct port_test *t, int host, struct io_socket *s, const char *text)
{
    size_t size = strlen(text), done = 0;
    while (done < size) {
        struct io_part v = part(text + done, size - done);
        int64_t n = io_send(t->io[host], s, &v, 1);
        if (n == SPATE_EAGAIN) {
            ready(t, host, s, IO_WRITABLE);
            continue;
        }
        assert_true(n > 0);
        done += (size_t)n;
    }
}

static void receive_text(struct port_test *t, int host, struct io_socket *s, const char *text)
{
    char got[64] = "";
    size_t size = strlen(text), done = 0;
    assert_true(size < sizeof got);
    while (done < size) {
        int64_t n = receive(t, host, s, got + done, size - done);
        assert_true(n > 0);
        done += (size_t)n;
    }
    assert_string_equal(got, text);
}

static void two_hosts_meet(struct port_test *t, enum addr_family family)
{
    struct addr at, peer, local;
    struct io_socket *listener, *a, *b;
    struct port_noted connecting;
    if (t->hooks->address(t->world, 1, family).family == ADDR_NONE) {
        return;
    }
    listener = port_listen(t, 1, family, &at);
    assert_int_not_equal(at.port, 0);
    assert_int_equal(io_accept(t->io[1], listener, &b, &peer), SPATE_EAGAIN);
    assert_null(b);
    bool inside = true;
    port_noted_init(&connecting, NULL);
    connecting.inside = &inside;
    assert_int_equal(io_tcp_connect(t->io[0], NULL, &at, &connecting.op, &a), 0);
    inside = false;
    ready(t, 1, listener, IO_READABLE);
    port_await(t, &connecting.op);
    assert_int_equal(connecting.status, 0);
    assert_int_equal(io_accept(t->io[1], listener, &b, &peer), 0);
    assert_int_equal(io_socket_address(t->io[0], a, &local), 0);
    assert_true(addr_equals(&local, &peer));
    assert_int_equal(io_socket_address(t->io[1], b, &local), 0);
    assert_true(addr_equals(&local, &at));
    send_all(t, 0, a, "from the left");
    send_all(t, 1, b, "from the right");
    receive_text(t, 1, b, "from the left");
    receive_text(t, 0, a, "from the right");
    io_close(t->io[0], a);
    io_close(t->io[1], b);
    io_close(t->io[1], listener);
}

static void two_hosts_meet_over_ipv4(void **state)
{
    two_hosts_meet(*state, ADDR_V4);
}

static void two_hosts_meet_over_ipv6(void **state)
{
    two_hosts_meet(*state, ADDR_V6);
}

static void a_taken_port_is_refused(void **state)
{
    struct port_test *t = *state;
    struct addr at;
    struct io_socket *listener = port_listen(t, 0, ADDR_V4, &at), *second = listener;
    struct io_bind bind = {.address = at};
    assert_int_equal(io_tcp_listen(t->io[0], &bind, &second), SPATE_EADDRINUSE);
    assert_null(second);
    /* Once it is free it can be had again. */
    io_close(t->io[0], listener);
    port_pass(t, PORT_SECOND_NS / 100);
    assert_int_equal(io_tcp_listen(t->io[0], &bind, &second), 0);
    io_close(t->io[0], second);
}

static void nothing_is_bound_to_what_is_not_ours(void **state)
{
    struct port_test *t = *state;
    const uint8_t elsewhere[4] = {192, 0, 2, 77}; /* TEST-NET-1 */
    struct io_bind address = {.address = addr_v4(elsewhere, 0)};
    struct io_bind interface = {.interface = "none-such-0"};
    struct addr at;
    struct io_socket *listener = port_listen(t, 1, ADDR_V4, &at), *s = listener;
    struct port_noted connecting;
    port_noted_init(&connecting, NULL);
    assert_int_equal(io_tcp_listen(t->io[0], &address, &s), SPATE_EADDRNOTAVAIL);
    assert_null(s);
    assert_true(io_tcp_listen(t->io[0], &interface, &s) < 0);
    assert_null(s);
    assert_true(io_udp_open(t->io[0], &interface, &s) < 0);
    assert_null(s);
    assert_true(io_tcp_connect(t->io[0], &interface, &at, &connecting.op, &s) < 0);
    assert_null(s);
    assert_false(connecting.op.active);
    assert_true(io_tcp_connect(t->io[0], &address, &at, &connecting.op, &s) < 0);
    assert_null(s);
    assert_false(connecting.op.active);
    io_close(t->io[1], listener);
}

static void connecting_where_nobody_listens_is_refused(void **state)
{
    struct port_test *t = *state;
    struct addr at;
    struct io_socket *listener = port_listen(t, 1, ADDR_V4, &at), *s;
    struct port_noted connecting;
    io_close(t->io[1], listener);
    port_pass(t, PORT_SECOND_NS / 100);
    port_noted_init(&connecting, NULL);
    assert_int_equal(io_tcp_connect(t->io[0], NULL, &at, &connecting.op, &s), 0);
    assert_true(connecting.op.active);
    port_await(t, &connecting.op);
    assert_int_equal(connecting.status, SPATE_EREFUSED);
    io_close(t->io[0], s);
}

static void an_address_that_is_none_is_refused_at_once(void **state)
{
    struct port_test *t = *state;
    struct addr none = {.family = ADDR_NONE}, no_port = t->hooks->address(t->world, 1, ADDR_V4);
    struct io_socket *s = (struct io_socket *)t;
    struct port_noted connecting;
    port_noted_init(&connecting, NULL);
    assert_true(io_tcp_connect(t->io[0], NULL, &none, &connecting.op, &s) < 0);
    assert_null(s);
    assert_true(io_tcp_connect(t->io[0], NULL, &no_port, &connecting.op, &s) < 0);
    assert_null(s);
    assert_false(connecting.op.active);
    io_close(t->io[0], NULL); /* allowed */
}

static void a_connection_that_is_being_made_can_be_cancelled_or_closed(void **state)
{
    struct port_test *t = *state;
    struct addr at;
    struct io_socket *listener = port_listen(t, 1, ADDR_V4, &at), *a, *b;
    struct port_noted first, second;
    port_noted_init(&first, NULL);
    port_noted_init(&second, NULL);
    assert_int_equal(io_tcp_connect(t->io[0], NULL, &at, &first.op, &a), 0);
    assert_int_equal(io_tcp_connect(t->io[0], NULL, &at, &second.op, &b), 0);
    io_cancel(t->io[0], &first.op);
    io_close(t->io[0], b);
    assert_true(first.op.active && second.op.active);
    port_await(t, &first.op);
    port_await(t, &second.op);
    assert_true(first.status == SPATE_ECANCELED || first.status == 0);
    assert_int_equal(second.status, SPATE_ECANCELED);
    io_close(t->io[0], a);
    io_close(t->io[1], listener);
}

static void receiving_what_is_not_there_says_so(void **state)
{
    struct port_test *t = *state;
    struct io_socket *a, *b;
    uint8_t byte;
    struct iovec v = room(&byte, 1);
    port_connect(t, &a, &b);
    assert_int_equal(io_receive(t->io[0], a, &v, 1), SPATE_EAGAIN);
    assert_int_equal(io_receive(t->io[1], b, &v, 1), SPATE_EAGAIN);
    io_close(t->io[0], a);
    io_close(t->io[1], b);
}

static void parts_are_gathered_and_scattered(void **state)
{
    struct port_test *t = *state;
    struct io_socket *a, *b;
    char text[] = "one two three";
    char got[3][8] = {"", "", ""};
    struct io_part out[] = {part(text, 4), part(text + 4, 0), part(text + 4, 4), part(text + 8, 5)};
    port_connect(t, &a, &b);
    assert_int_equal(io_send(t->io[0], a, out, 4), 13);
    for (int i = 0; i < 10; i++) {
        ready(t, 1, b, IO_READABLE);
    }
    struct iovec in[] = {room(got[0], 3), room(got[1], 5), room(got[2], 7)};
    assert_int_equal(io_receive(t->io[1], b, in, 3), 13);
    assert_string_equal(got[0], "one");
    assert_string_equal(got[1], " two ");
    assert_string_equal(got[2], "three");
    io_close(t->io[0], a);
    io_close(t->io[1], b);
}

static uint8_t pattern(uint64_t at, uint8_t salt)
{
    return (uint8_t)((at * 2654435761u) >> 13) ^ salt;
}

/* One direction of a long transfer, in pieces of odd sizes. */
struct flow {
    int from, to;
    struct io_socket *source, *sink;
    uint64_t sent, received;
    uint8_t salt;
};
enum { FLOW_BYTES = 5000000, FLOW_STEP = 70001 };

static bool flow_step(struct port_test *t, struct flow *f)
{
    static const size_t sizes[] = {1, 13, 16397, 70001, 500, 4096};
    uint8_t *bytes = malloc(FLOW_STEP);
    bool moved = false;
    assert_non_null(bytes);
    size_t size = sizes[(f->sent + f->received) % 6];
    if (f->sent < FLOW_BYTES) {
        size = size < FLOW_BYTES - f->sent ? size : (size_t)(FLOW_BYTES - f->sent);
        for (size_t i = 0; i < size; i++) {
            bytes[i] = pattern(f->sent + i, f->salt);
        }
        struct io_part v[2] = {part(bytes, size / 3), part(bytes + size / 3, size - size / 3)};
        int64_t n = io_send(t->io[f->from], f->source, v, 2);
        assert_true(n > 0 || n == SPATE_EAGAIN);
        f->sent += n > 0 ? (uint64_t)n : 0;
        moved = n > 0;
    }
    struct iovec v = room(bytes, sizes[f->received % 6]);
    int64_t n = io_receive(t->io[f->to], f->sink, &v, 1);
    assert_true(n > 0 || n == SPATE_EAGAIN);
    for (int64_t i = 0; i < n; i++) {
        assert_int_equal(bytes[i], pattern(f->received + (uint64_t)i, f->salt));
    }
    f->received += n > 0 ? (uint64_t)n : 0;
    free(bytes);
    return moved || n > 0;
}

static void many_bytes_arrive_in_order_both_ways_at_once(void **state)
{
    struct port_test *t = *state;
    struct io_socket *a, *b;
    port_connect(t, &a, &b);
    struct flow there = {.from = 0, .to = 1, .source = a, .sink = b, .salt = 3};
    struct flow back = {.from = 1, .to = 0, .source = b, .sink = a, .salt = 77};
    int64_t until_ns = io_now(t->io[0]) + 300 * PORT_SECOND_NS;
    while (there.received < FLOW_BYTES || back.received < FLOW_BYTES) {
        bool moved = flow_step(t, &there);
        moved |= flow_step(t, &back);
        if (!moved) {
            t->hooks->advance(t->world);
            assert_true(io_now(t->io[0]) < until_ns);
        }
    }
    assert_int_equal(there.received, FLOW_BYTES);
    io_close(t->io[0], a);
    io_close(t->io[1], b);
}

static void a_peer_that_does_not_read_stops_the_sender_until_it_does(void **state)
{
    struct port_test *t = *state;
    struct io_socket *a, *b;
    uint8_t *bytes = calloc(1, 65536);
    struct io_part v = part(bytes, 65536);
    uint64_t sent = 0, received = 0;
    struct port_noted writable;
    int quiet = 0;
    assert_non_null(bytes);
    port_connect(t, &a, &b);
    while (quiet < 20) {
        int64_t n = io_send(t->io[0], a, &v, 1);
        assert_true(n > 0 || n == SPATE_EAGAIN);
        sent += n > 0 ? (uint64_t)n : 0;
        assert_true(sent < 256u << 20);
        quiet = n > 0 ? 0 : quiet + 1;
        if (n < 0) {
            port_pass(t, PORT_SECOND_NS / 50);
        }
    }
    port_noted_init(&writable, NULL);
    io_wait(t->io[0], a, IO_WRITABLE, &writable.op);
    port_pass(t, PORT_SECOND_NS / 10);
    assert_true(writable.op.active);
    while (received < sent) {
        int64_t n = receive(t, 1, b, bytes, 65536);
        assert_true(n > 0);
        received += (uint64_t)n;
    }
    port_await(t, &writable.op);
    assert_int_equal(writable.status, 0);
    assert_true(io_send(t->io[0], a, &v, 1) > 0);
    free(bytes);
    io_close(t->io[0], a);
    io_close(t->io[1], b);
}

static void what_was_sent_before_the_end_arrives_before_the_end(void **state)
{
    struct port_test *t = *state;
    struct io_socket *a, *b;
    char byte;
    port_connect(t, &a, &b);
    send_all(t, 0, a, "last words");
    io_close(t->io[0], a);
    receive_text(t, 1, b, "last words");
    assert_int_equal(receive(t, 1, b, &byte, 1), 0);
    assert_int_equal(receive(t, 1, b, &byte, 1), 0); /* and it stays so */
    io_close(t->io[1], b);
}

static void sending_to_who_has_closed_ends_in_a_reset(void **state)
{
    struct port_test *t = *state;
    struct io_socket *a, *b;
    uint8_t bytes[1000] = {0};
    struct io_part v = part(bytes, sizeof bytes);
    int64_t n = 0;
    port_connect(t, &a, &b);
    io_close(t->io[1], b);
    for (int i = 0; i < 1000 && n >= 0; i++) {
        n = io_send(t->io[0], a, &v, 1);
        port_pass(t, PORT_SECOND_NS / 100);
    }
    assert_int_equal(n, SPATE_ERESET);
    io_close(t->io[0], a);
}

static void closing_with_bytes_unread_resets_the_other_side(void **state)
{
    struct port_test *t = *state;
    struct io_socket *a, *b;
    char byte;
    port_connect(t, &a, &b);
    send_all(t, 0, a, "nobody reads this");
    ready(t, 1, b, IO_READABLE);
    io_close(t->io[1], b);
    assert_int_equal(receive(t, 0, a, &byte, 1), SPATE_ERESET);
    io_close(t->io[0], a);
}

static void a_failed_connection_is_ready_for_everything(void **state)
{
    struct port_test *t = *state;
    struct io_socket *a, *b;
    struct port_noted reading, writing;
    port_connect(t, &a, &b);
    send_all(t, 0, a, "nobody reads this");
    ready(t, 1, b, IO_READABLE);
    port_noted_init(&reading, NULL);
    io_wait(t->io[0], a, IO_READABLE, &reading.op);
    io_close(t->io[1], b);
    port_await(t, &reading.op);
    assert_int_equal(reading.status, 0); /* the transfer says what failed */
    port_noted_init(&writing, NULL);
    io_wait(t->io[0], a, IO_WRITABLE, &writing.op);
    port_await(t, &writing.op);
    assert_int_equal(writing.status, 0);
    io_close(t->io[0], a);
}

static void both_directions_can_be_waited_for_at_once(void **state)
{
    struct port_test *t = *state;
    struct io_socket *a, *b;
    struct port_noted reading, writing;
    bool inside = true;
    port_connect(t, &a, &b);
    port_noted_init(&reading, NULL);
    port_noted_init(&writing, NULL);
    writing.inside = &inside;
    io_wait(t->io[0], a, IO_READABLE, &reading.op);
    io_wait(t->io[0], a, IO_WRITABLE, &writing.op);
    inside = false;
    port_await(t, &writing.op);
    port_pass(t, PORT_SECOND_NS / 20);
    assert_true(reading.op.active);
    send_all(t, 1, b, "now");
    port_await(t, &reading.op);
    assert_int_equal(reading.status, 0);
    receive_text(t, 0, a, "now");
    io_close(t->io[0], a);
    io_close(t->io[1], b);
}

static void a_wait_can_be_cancelled_and_asked_for_again(void **state)
{
    struct port_test *t = *state;
    struct io_socket *a, *b;
    struct port_noted reading;
    bool inside = true;
    port_connect(t, &a, &b);
    port_noted_init(&reading, NULL);
    reading.inside = &inside;
    io_wait(t->io[0], a, IO_READABLE, &reading.op);
    io_cancel(t->io[0], &reading.op);
    inside = false;
    port_await(t, &reading.op);
    assert_int_equal(reading.status, SPATE_ECANCELED);
    send_all(t, 1, b, "later");
    io_wait(t->io[0], a, IO_READABLE, &reading.op);
    port_await(t, &reading.op);
    assert_int_equal(reading.status, 0);
    assert_int_equal(reading.times, 2);
    receive_text(t, 0, a, "later");
    io_close(t->io[0], a);
    io_close(t->io[1], b);
}

static void closing_cancels_what_waits_but_not_inside_the_call(void **state)
{
    struct port_test *t = *state;
    struct addr at;
    struct io_socket *a, *b, *listener = port_listen(t, 0, ADDR_V4, &at);
    struct port_noted ops[3];
    bool inside = true;
    port_connect(t, &a, &b);
    for (int i = 0; i < 3; i++) {
        port_noted_init(&ops[i], NULL);
        ops[i].inside = &inside;
    }
    io_wait(t->io[0], a, IO_READABLE, &ops[0].op);
    io_wait(t->io[0], a, IO_WRITABLE, &ops[1].op); /* which is already known to be so */
    io_wait(t->io[0], listener, IO_READABLE, &ops[2].op);
    io_close(t->io[0], a);
    io_close(t->io[0], listener);
    inside = false;
    for (int i = 0; i < 3; i++) {
        assert_true(ops[i].op.active);
    }
    for (int i = 0; i < 3; i++) {
        port_await(t, &ops[i].op);
        assert_int_equal(ops[i].status, SPATE_ECANCELED);
    }
    io_close(t->io[1], b);
}

static void connections_wait_to_be_accepted_and_their_bytes_with_them(void **state)
{
    struct port_test *t = *state;
    enum { COUNT = 10 };
    struct addr at, peer;
    struct io_socket *listener = port_listen(t, 1, ADDR_V4, &at), *a[COUNT], *b;
    struct port_noted connecting[COUNT];
    for (int i = 0; i < COUNT; i++) {
        port_noted_init(&connecting[i], NULL);
        assert_int_equal(io_tcp_connect(t->io[0], NULL, &at, &connecting[i].op, &a[i]), 0);
    }
    for (int i = 0; i < COUNT; i++) {
        port_await(t, &connecting[i].op);
        assert_int_equal(connecting[i].status, 0);
        send_all(t, 0, a[i], "hello");
    }
    for (int i = 0; i < COUNT; i++) {
        while (io_accept(t->io[1], listener, &b, &peer) == SPATE_EAGAIN) {
            ready(t, 1, listener, IO_READABLE);
        }
        receive_text(t, 1, b, "hello");
        io_close(t->io[1], b);
    }
    assert_int_equal(io_accept(t->io[1], listener, &b, &peer), SPATE_EAGAIN);
    for (int i = 0; i < COUNT; i++) {
        io_close(t->io[0], a[i]);
    }
    io_close(t->io[1], listener);
}

static void closing_a_listener_resets_who_was_not_accepted(void **state)
{
    struct port_test *t = *state;
    struct addr at;
    struct io_socket *listener = port_listen(t, 1, ADDR_V4, &at), *a;
    struct port_noted connecting;
    char byte;
    port_noted_init(&connecting, NULL);
    assert_int_equal(io_tcp_connect(t->io[0], NULL, &at, &connecting.op, &a), 0);
    port_await(t, &connecting.op);
    ready(t, 1, listener, IO_READABLE);
    io_close(t->io[1], listener);
    assert_int_equal(receive(t, 0, a, &byte, 1), SPATE_ERESET);
    io_close(t->io[0], a);
}

static void without_descriptors_a_connection_is_refused_and_the_next_one_is_not(void **state)
{
    struct port_test *t = *state;
    struct addr at, peer;
    struct io_socket *listener = port_listen(t, 1, ADDR_V4, &at), *a, *b, *c;
    struct port_noted connecting;
    char byte;
    port_noted_init(&connecting, NULL);
    assert_int_equal(io_tcp_connect(t->io[0], NULL, &at, &connecting.op, &a), 0);
    port_await(t, &connecting.op);
    ready(t, 1, listener, IO_READABLE);
    t->hooks->starve(t->world, 1, true);
    assert_int_equal(io_accept(t->io[1], listener, &b, &peer), SPATE_EFDS);
    assert_null(b);
    assert_int_equal(io_udp_open(t->io[1], NULL, &b), SPATE_EFDS);
    assert_null(b);
    assert_int_equal(io_tcp_connect(t->io[1], NULL, &at, &connecting.op, &b), SPATE_EFDS);
    assert_null(b);
    assert_false(connecting.op.active);
    t->hooks->starve(t->world, 1, false);
    int64_t n = receive(t, 0, a, &byte, 1);
    assert_true(n == 0 || n == SPATE_ERESET);
    assert_int_equal(io_tcp_connect(t->io[0], NULL, &at, &connecting.op, &c), 0);
    port_await(t, &connecting.op);
    assert_int_equal(connecting.status, 0);
    ready(t, 1, listener, IO_READABLE);
    assert_int_equal(io_accept(t->io[1], listener, &b, &peer), 0);
    io_close(t->io[0], a);
    io_close(t->io[0], c);
    io_close(t->io[1], b);
    io_close(t->io[1], listener);
}

static void a_bound_connection_comes_from_where_it_is_bound(void **state)
{
    struct port_test *t = *state;
    struct addr at, peer;
    struct io_bind bind = {.address = t->hooks->address(t->world, 0, ADDR_V4)};
    struct io_socket *listener = port_listen(t, 1, ADDR_V4, &at), *a, *b;
    struct port_noted connecting;
    port_noted_init(&connecting, NULL);
    assert_int_equal(io_tcp_connect(t->io[0], &bind, &at, &connecting.op, &a), 0);
    port_await(t, &connecting.op);
    assert_int_equal(connecting.status, 0);
    ready(t, 1, listener, IO_READABLE);
    assert_int_equal(io_accept(t->io[1], listener, &b, &peer), 0);
    assert_true(addr_same_ip(&peer, &bind.address));
    io_close(t->io[0], a);
    io_close(t->io[1], b);
    io_close(t->io[1], listener);
}

const struct CMUnitTest *port_suite_sockets(size_t *count)
{
    static const struct CMUnitTest tests[] = {
        PORT_TEST(two_hosts_meet_over_ipv4),
        PORT_TEST(two_hosts_meet_over_ipv6),
        PORT_TEST(a_taken_port_is_refused),
        PORT_TEST(nothing_is_bound_to_what_is_not_ours),
        PORT_TEST(connecting_where_nobody_listens_is_refused),
        PORT_TEST(an_address_that_is_none_is_refused_at_once),
        PORT_TEST(a_connection_that_is_being_made_can_be_cancelled_or_closed),
        PORT_TEST(receiving_what_is_not_there_says_so),
        PORT_TEST(parts_are_gathered_and_scattered),
        PORT_TEST(many_bytes_arrive_in_order_both_ways_at_once),
        PORT_TEST(a_peer_that_does_not_read_stops_the_sender_until_it_does),
        PORT_TEST(what_was_sent_before_the_end_arrives_before_the_end),
        PORT_TEST(sending_to_who_has_closed_ends_in_a_reset),
        PORT_TEST(closing_with_bytes_unread_resets_the_other_side),
        PORT_TEST(a_failed_connection_is_ready_for_everything),
        PORT_TEST(both_directions_can_be_waited_for_at_once),
        PORT_TEST(a_wait_can_be_cancelled_and_asked_for_again),
        PORT_TEST(closing_cancels_what_waits_but_not_inside_the_call),
        PORT_TEST(connections_wait_to_be_accepted_and_their_bytes_with_them),
        PORT_TEST(closing_a_listener_resets_who_was_not_accepted),
        PORT_TEST(without_descriptors_a_connection_is_refused_and_the_next_one_is_not),
        PORT_TEST(a_bound_connection_comes_from_where_it_is_bound),
    };
    *count = sizeof tests / sizeof *tests;
    return tests;
}
