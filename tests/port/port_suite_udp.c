/* Datagrams. */
#include "port_suite_inside.h"

enum { BUFFER_BYTES = 2048 };

static struct io_socket *open_at(struct port_test *t, int host, enum addr_family family,
                                 struct addr *at)
{
    struct io_bind bind = {.address = t->hooks->address(t->world, host, family)};
    struct io_socket *s;
    assert_int_equal(io_udp_open(t->io[host], &bind, &s), 0);
    assert_int_equal(io_socket_address(t->io[host], s, at), 0);
    assert_int_not_equal(at->port, 0);
    return s;
}

static struct io_datagram to(const struct addr *peer, const char *text)
{
    return (struct io_datagram){
        .peer = *peer, .bytes = (uint8_t *)(uintptr_t)text, .size = (uint32_t)strlen(text)};
}

/* One datagram, waited for; its text is terminated. */
static struct io_datagram take(struct port_test *t, int host, struct io_socket *s,
                               uint8_t buffer[BUFFER_BYTES])
{
    struct io_datagram d = {.bytes = buffer, .size = BUFFER_BYTES - 1};
    int n;
    while ((n = io_udp_receive(t->io[host], s, &d, 1)) == SPATE_EAGAIN) {
        struct port_noted wait;
        port_noted_init(&wait, NULL);
        io_wait(t->io[host], s, IO_READABLE, &wait.op);
        port_await(t, &wait.op);
        assert_int_equal(wait.status, 0);
    }
    assert_int_equal(n, 1);
    buffer[d.size] = 0;
    return d;
}

static void question_and_answer(struct port_test *t, enum addr_family family)
{
    struct addr at[2];
    uint8_t buffer[BUFFER_BYTES];
    if (t->hooks->address(t->world, 1, family).family == ADDR_NONE) {
        return;
    }
    struct io_socket *a = open_at(t, 0, family, &at[0]), *b = open_at(t, 1, family, &at[1]);
    struct io_datagram question = to(&at[1], "question");
    assert_int_equal(io_udp_send(t->io[0], a, &question, 1), 1);
    struct io_datagram got = take(t, 1, b, buffer);
    assert_string_equal(buffer, "question");
    assert_int_equal(got.size, 8);
    assert_int_equal(got.segment_bytes, 0);
    assert_true(addr_equals(&got.peer, &at[0]));
    assert_true(addr_same_ip(&got.local, &at[1]));
    assert_true(got.received_ns > 0 && got.received_ns <= io_now(t->io[1]) + 60 * PORT_SECOND_NS);
    struct io_datagram answer = to(&got.peer, "answer");
    answer.local = got.local;
    assert_int_equal(io_udp_send(t->io[1], b, &answer, 1), 1);
    got = take(t, 0, a, buffer);
    assert_string_equal(buffer, "answer");
    assert_true(addr_equals(&got.peer, &at[1]));
    io_close(t->io[0], a);
    io_close(t->io[1], b);
}

static void a_datagram_says_whence_and_whither_over_ipv4(void **state)
{
    question_and_answer(*state, ADDR_V4);
}

static void a_datagram_says_whence_and_whither_over_ipv6(void **state)
{
    question_and_answer(*state, ADDR_V6);
}

static void nothing_there_is_said_and_sending_is_always_possible(void **state)
{
    struct port_test *t = *state;
    struct addr at;
    uint8_t buffer[BUFFER_BYTES];
    struct io_socket *s = open_at(t, 0, ADDR_V4, &at);
    struct io_datagram d = {.bytes = buffer, .size = sizeof buffer};
    struct port_noted writable, readable;
    assert_int_equal(io_udp_receive(t->io[0], s, &d, 1), SPATE_EAGAIN);
    port_noted_init(&writable, NULL);
    port_noted_init(&readable, NULL);
    io_wait(t->io[0], s, IO_WRITABLE, &writable.op);
    io_wait(t->io[0], s, IO_READABLE, &readable.op);
    port_await(t, &writable.op);
    assert_int_equal(writable.status, 0);
    assert_true(readable.op.active);
    io_close(t->io[0], s);
    port_await(t, &readable.op);
    assert_int_equal(readable.status, SPATE_ECANCELED);
}

static void a_batch_leaves_and_arrives_whole(void **state)
{
    struct port_test *t = *state;
    enum { COUNT = 50 };
    struct addr at[2];
    struct io_socket *a = open_at(t, 0, ADDR_V4, &at[0]), *b = open_at(t, 1, ADDR_V4, &at[1]);
    struct io_datagram out[COUNT], in[COUNT];
    uint8_t bytes[COUNT][64], buffers[COUNT][64];
    bool seen[COUNT] = {false};
    int got = 0;
    for (int i = 0; i < COUNT; i++) {
        memset(bytes[i], i, sizeof bytes[i]);
        out[i] = (struct io_datagram){.peer = at[1], .bytes = bytes[i], .size = (uint32_t)(i + 1)};
    }
    assert_int_equal(io_udp_send(t->io[0], a, out, COUNT), COUNT);
    int64_t until_ns = io_now(t->io[0]) + 10 * PORT_SECOND_NS;
    while (got < COUNT) {
        for (int i = 0; i < COUNT; i++) {
            in[i] = (struct io_datagram){.bytes = buffers[i], .size = sizeof buffers[i]};
        }
        int n = io_udp_receive(t->io[1], b, in, COUNT);
        if (n == SPATE_EAGAIN) {
            t->hooks->advance(t->world);
            assert_true(io_now(t->io[0]) < until_ns);
            continue;
        }
        assert_true(n > 0);
        for (int i = 0; i < n; i++) {
            assert_in_range(in[i].size, 1, COUNT);
            assert_int_equal(in[i].bytes[0], in[i].size - 1);
            assert_int_equal(in[i].bytes[in[i].size - 1], in[i].size - 1);
            assert_false(seen[in[i].size - 1]);
            seen[in[i].size - 1] = true;
        }
        got += n;
    }
    io_close(t->io[0], a);
    io_close(t->io[1], b);
}

static void one_longer_than_its_buffer_is_dropped_and_the_next_is_not(void **state)
{
    struct port_test *t = *state;
    struct addr at[2];
    struct io_socket *a = open_at(t, 0, ADDR_V4, &at[0]), *b = open_at(t, 1, ADDR_V4, &at[1]);
    struct io_datagram out[2] = {to(&at[1], "far too long for ten"), to(&at[1], "fits")};
    uint8_t buffer[10];
    struct io_datagram in = {.bytes = buffer, .size = sizeof buffer};
    int n;
    assert_int_equal(io_udp_send(t->io[0], a, out, 2), 2);
    int64_t until_ns = io_now(t->io[0]) + 10 * PORT_SECOND_NS;
    while ((n = io_udp_receive(t->io[1], b, &in, 1)) == SPATE_EAGAIN) {
        t->hooks->advance(t->world);
        assert_true(io_now(t->io[0]) < until_ns);
        in.size = sizeof buffer;
    }
    assert_int_equal(n, 1);
    assert_int_equal(in.size, 4);
    assert_memory_equal(buffer, "fits", 4);
    io_close(t->io[0], a);
    io_close(t->io[1], b);
}

static void a_run_leaves_as_its_segments(void **state)
{
    struct port_test *t = *state;
    struct addr at[2];
    struct io_socket *a = open_at(t, 0, ADDR_V4, &at[0]), *b = open_at(t, 1, ADDR_V4, &at[1]);
    struct io_datagram run = to(&at[1], "aaaabbbbccccdd");
    uint8_t buffer[BUFFER_BYTES];
    char all[32] = "";
    size_t done = 0;
    run.segment_bytes = 4;
    assert_int_equal(io_udp_send(t->io[0], a, &run, 1), 1);
    /* Buffers that hold no run get single datagrams. */
    for (int i = 0; i < 4; i++) {
        struct io_datagram got = take(t, 1, b, buffer);
        assert_int_equal(got.size, i < 3 ? 4 : 2);
        memcpy(all + done, buffer, got.size);
        done += got.size;
    }
    assert_string_equal(all, "aaaabbbbccccdd");
    io_close(t->io[0], a);
    io_close(t->io[1], b);
}

static void an_empty_datagram_is_one(void **state)
{
    struct port_test *t = *state;
    struct addr at[2];
    struct io_socket *a = open_at(t, 0, ADDR_V4, &at[0]), *b = open_at(t, 1, ADDR_V4, &at[1]);
    struct io_datagram out = to(&at[1], "");
    uint8_t buffer[BUFFER_BYTES];
    assert_int_equal(io_udp_send(t->io[0], a, &out, 1), 1);
    assert_int_equal(take(t, 1, b, buffer).size, 0);
    io_close(t->io[0], a);
    io_close(t->io[1], b);
}

static void one_that_no_path_carries_is_too_long(void **state)
{
    struct port_test *t = *state;
    struct addr at[2];
    struct io_socket *a = open_at(t, 0, ADDR_V4, &at[0]), *b = open_at(t, 1, ADDR_V4, &at[1]);
    uint8_t *bytes = calloc(1, 65536);
    assert_non_null(bytes);
    struct io_datagram out = {.peer = at[1], .bytes = bytes, .size = 65535, .dont_fragment = true};
    assert_int_equal(io_udp_send(t->io[0], a, &out, 1), SPATE_EMSGSIZE);
    out.dont_fragment = false;
    assert_int_equal(io_udp_send(t->io[0], a, &out, 1), SPATE_EMSGSIZE);
    /* The first of a batch that fails says why; one further behind ends the batch before it. */
    struct io_datagram batch[2] = {to(&at[1], "short"), out};
    assert_int_equal(io_udp_send(t->io[0], a, batch, 2), 1);
    free(bytes);
    io_close(t->io[0], a);
    io_close(t->io[1], b);
}

static void the_type_of_service_arrives_with_its_ecn_bits(void **state)
{
    struct port_test *t = *state;
    struct addr at[2];
    struct io_socket *a = open_at(t, 0, ADDR_V4, &at[0]), *b = open_at(t, 1, ADDR_V4, &at[1]);
    struct io_datagram out = to(&at[1], "marked");
    uint8_t buffer[BUFFER_BYTES];
    out.tos = 0x20 | 2; /* CS1, ECT(0) */
    assert_int_equal(io_udp_send(t->io[0], a, &out, 1), 1);
    assert_int_equal(take(t, 1, b, buffer).tos, 0x22);
    io_close(t->io[0], a);
    io_close(t->io[1], b);
}

static void a_taken_udp_port_is_refused_and_a_tcp_port_is_another(void **state)
{
    struct port_test *t = *state;
    struct addr at;
    struct io_socket *s = open_at(t, 0, ADDR_V4, &at), *second = s;
    struct io_bind bind = {.address = at};
    assert_int_equal(io_udp_open(t->io[0], &bind, &second), SPATE_EADDRINUSE);
    assert_null(second);
    assert_int_equal(io_tcp_listen(t->io[0], &bind, &second), 0);
    io_close(t->io[0], second);
    io_close(t->io[0], s);
}

static void an_address_of_another_family_is_refused(void **state)
{
    struct port_test *t = *state;
    struct addr at, v6;
    assert_true(addr_parse(&v6, span_text("[::1]:9")));
    struct io_socket *s = open_at(t, 0, ADDR_V4, &at);
    struct io_datagram out = to(&v6, "lost");
    assert_true(io_udp_send(t->io[0], s, &out, 1) < 0);
    io_close(t->io[0], s);
}

const struct CMUnitTest *port_suite_udp(size_t *count)
{
    static const struct CMUnitTest tests[] = {
        PORT_TEST(a_datagram_says_whence_and_whither_over_ipv4),
        PORT_TEST(a_datagram_says_whence_and_whither_over_ipv6),
        PORT_TEST(nothing_there_is_said_and_sending_is_always_possible),
        PORT_TEST(a_batch_leaves_and_arrives_whole),
        PORT_TEST(one_longer_than_its_buffer_is_dropped_and_the_next_is_not),
        PORT_TEST(a_run_leaves_as_its_segments),
        PORT_TEST(an_empty_datagram_is_one),
        PORT_TEST(one_that_no_path_carries_is_too_long),
        PORT_TEST(the_type_of_service_arrives_with_its_ecn_bits),
        PORT_TEST(a_taken_udp_port_is_refused_and_a_tcp_port_is_another),
        PORT_TEST(an_address_of_another_family_is_refused),
    };
    *count = sizeof tests / sizeof *tests;
    return tests;
}
