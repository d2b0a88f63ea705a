/* Datagrams as the kernel has them: control messages, runs of datagrams, and sizes that do not fit. */
#include "uv_world.h"

enum { BUFFER_BYTES = 65536 };

struct pair {
    struct io *io;
    struct io_socket *from, *to;
    struct addr from_address, to_address;
};

static void pair_open(struct pair *p, const char *where)
{
    struct io_bind bind = bind_to(where);
    p->io = world_create(NULL);
    assert_int_equal(io_udp_open(p->io, &bind, &p->from), 0);
    assert_int_equal(io_udp_open(p->io, &bind, &p->to), 0);
    assert_int_equal(io_socket_address(p->io, p->from, &p->from_address), 0);
    assert_int_equal(io_socket_address(p->io, p->to, &p->to_address), 0);
}

static void pair_close(struct pair *p)
{
    io_close(p->io, p->from);
    io_close(p->io, p->to);
    io_uv_destroy(p->io);
}

static int receive(struct pair *p, struct io_datagram *d, int max)
{
    int n;
    while ((n = io_udp_receive(p->io, p->to, d, max)) == SPATE_EAGAIN) {
        struct noted reading = noted_make(NULL);
        io_wait(p->io, p->to, IO_READABLE, &reading.op);
        await(p->io, &reading.op);
    }
    return n;
}

static void check_fields(const char *where, const char *local)
{
    struct pair p;
    uint8_t in[2048], out[700];
    pair_open(&p, where);
    memset(out, 0x5a, sizeof out);
    struct addr to = address(local);
    to.port = p.to_address.port;
    struct io_datagram d = {.peer = to, .bytes = out, .size = sizeof out, .tos = 0x22};
    assert_int_equal(io_udp_send(p.io, p.from, &d, 1), 1);
    struct io_datagram got = {.bytes = in, .size = sizeof in};
    assert_int_equal(receive(&p, &got, 1), 1);
    assert_int_equal(got.size, sizeof out);
    assert_memory_equal(in, out, sizeof out);
    assert_int_equal(got.peer.port, p.from_address.port);
    assert_true(addr_same_ip(&got.local, &to));
    assert_int_equal(got.tos, 0x22);
    assert_int_not_equal(got.interface, 0);
    assert_int_equal(got.segment_bytes, 0);
    assert_int_equal(got.received_ns, io_now(p.io));
    /* The answer leaves from the address that was asked. */
    struct io_datagram back = {
        .peer = got.peer, .local = got.local, .interface = got.interface, .bytes = out, .size = 3};
    assert_int_equal(io_udp_send(p.io, p.to, &back, 1), 1);
    struct io_socket *swap = p.to;
    p.to = p.from;
    p.from = swap;
    got = (struct io_datagram){.bytes = in, .size = sizeof in};
    assert_int_equal(receive(&p, &got, 1), 1);
    assert_true(addr_same_ip(&got.peer, &to));
    pair_close(&p);
}

static void a_datagram_says_who_where_and_how(void **state)
{
    (void)state;
    check_fields("0.0.0.0:0", "127.0.0.5");
    check_fields("[::]:0", "::1");
}

static void a_batch_arrives_whole_and_in_order(void **state)
{
    (void)state;
    struct pair p;
    uint8_t out[100], in[100][64];
    struct io_datagram d[100];
    int done = 0;
    pair_open(&p, "127.0.0.1:0");
    for (int i = 0; i < 100; i++) {
        out[i] = (uint8_t)i;
        d[i] = (struct io_datagram){.peer = p.to_address, .bytes = &out[i], .size = 1};
    }
    assert_int_equal(io_udp_send(p.io, p.from, d, 100), 100);
    while (done < 100) {
        for (int i = 0; i < 100; i++) {
            d[i] = (struct io_datagram){.bytes = in[i], .size = sizeof in[i]};
        }
        int n = receive(&p, d, 100);
        assert_in_range(n, 1, 100 - done);
        for (int i = 0; i < n; i++) {
            assert_int_equal(d[i].size, 1);
            assert_int_equal(d[i].bytes[0], done++);
        }
    }
    pair_close(&p);
}

static void what_is_longer_than_its_buffer_is_dropped_and_the_buffers_are_kept(void **state)
{
    (void)state;
    struct pair p;
    uint8_t out[1000] = {0}, in[8][100];
    const uint32_t sizes[] = {10, 1000, 20, 101, 100, 1000};
    struct io_datagram d[8];
    pair_open(&p, "127.0.0.1:0");
    for (int i = 0; i < 6; i++) {
        d[i] = (struct io_datagram){.peer = p.to_address, .bytes = out, .size = sizes[i]};
    }
    assert_int_equal(io_udp_send(p.io, p.from, d, 6), 6);
    for (int i = 0; i < 8; i++) {
        d[i] = (struct io_datagram){.bytes = in[i], .size = sizeof in[i]};
    }
    assert_int_equal(receive(&p, d, 8), 3);
    assert_int_equal(d[0].size, 10);
    assert_int_equal(d[1].size, 20);
    assert_int_equal(d[2].size, 100);
    unsigned seen = 0;
    for (int i = 0; i < 8; i++) {
        seen |= 1u << ((size_t)(d[i].bytes - in[0]) / sizeof in[0]);
    }
    assert_int_equal(seen, 0xff); /* every buffer is still there, once */
    for (int i = 3; i < 8; i++) {
        assert_int_equal(d[i].size, sizeof in[0]);
    }
    /* Only long ones: nothing has arrived. */
    d[0] = (struct io_datagram){.peer = p.to_address, .bytes = out, .size = 1000};
    assert_int_equal(io_udp_send(p.io, p.from, d, 1), 1);
    struct noted reading = noted_make(NULL);
    io_wait(p.io, p.to, IO_READABLE, &reading.op);
    await(p.io, &reading.op);
    d[0] = (struct io_datagram){.bytes = in[0], .size = sizeof in[0]};
    assert_int_equal(io_udp_receive(p.io, p.to, d, 1), SPATE_EAGAIN);
    pair_close(&p);
}

static void a_run_leaves_in_one_call_and_arrives_as_its_datagrams(void **state)
{
    (void)state;
    for (int large = 0; large < 2; large++) {
        struct pair p;
        static uint8_t out[20 * 1200 + 100], in[64][BUFFER_BYTES];
        uint32_t capacity = large ? BUFFER_BYTES : 2048, done = 0;
        pair_open(&p, "127.0.0.1:0");
        for (size_t i = 0; i < sizeof out; i++) {
            out[i] = (uint8_t)(i * 31 >> 3);
        }
        struct io_datagram got = {.bytes = in[0], .size = capacity};
        /* Told once what buffers there are, the kernel joins datagrams or does not. */
        assert_int_equal(io_udp_receive(p.io, p.to, &got, 1), SPATE_EAGAIN);
        struct io_datagram run = {
            .peer = p.to_address, .bytes = out, .size = sizeof out, .segment_bytes = 1200};
        assert_int_equal(io_udp_send(p.io, p.from, &run, 1), 1);
        int datagrams = 0;
        while (done < sizeof out) {
            got = (struct io_datagram){.bytes = in[0], .size = capacity};
            assert_int_equal(receive(&p, &got, 1), 1);
            assert_memory_equal(in[0], out + done, got.size);
            done += got.size;
            uint32_t segment = got.segment_bytes ? got.segment_bytes : got.size;
            assert_true(segment == 1200 || segment == 100);
            datagrams += (int)((got.size + segment - 1) / segment);
        }
        assert_int_equal(datagrams, 21);
        pair_close(&p);
    }
}

static void more_segments_than_the_kernel_takes_at_once_leave_all_the_same(void **state)
{
    (void)state;
    struct pair p;
    static uint8_t out[150 * 10], in[2048];
    pair_open(&p, "127.0.0.1:0");
    struct io_datagram run = {
        .peer = p.to_address, .bytes = out, .size = sizeof out, .segment_bytes = 10};
    for (size_t i = 0; i < sizeof out; i++) {
        out[i] = (uint8_t)(i / 10);
    }
    assert_int_equal(io_udp_send(p.io, p.from, &run, 1), 1);
    for (int i = 0; i < 150; i++) {
        struct io_datagram got = {.bytes = in, .size = sizeof in};
        assert_int_equal(receive(&p, &got, 1), 1);
        assert_int_equal(got.size, 10);
        assert_int_equal(in[0], (uint8_t)i);
    }
    pair_close(&p);
}

static void too_big_for_the_way_is_said(void **state)
{
    (void)state;
    const char *wheres[] = {"127.0.0.1:0", "[::1]:0"};
    for (int i = 0; i < 2; i++) {
        struct pair p;
        static uint8_t out[BUFFER_BYTES + 4000];
        pair_open(&p, wheres[i]);
        struct io_datagram d[3] = {
            {.peer = p.to_address, .bytes = out, .size = 100},
            {.peer = p.to_address, .bytes = out, .size = sizeof out, .dont_fragment = true},
            {.peer = p.to_address, .bytes = out, .size = 200, .dont_fragment = true}};
        assert_int_equal(io_udp_send(p.io, p.from, d, 3), 1);
        assert_int_equal(io_udp_send(p.io, p.from, d + 1, 2), SPATE_EMSGSIZE);
        assert_int_equal(io_udp_send(p.io, p.from, d + 2, 1), 1);
        pair_close(&p);
    }
}

static void a_peer_that_cannot_be_is_refused(void **state)
{
    (void)state;
    struct pair p;
    uint8_t byte = 0;
    pair_open(&p, "127.0.0.1:0");
    struct io_datagram d[2] = {{.peer = p.to_address, .bytes = &byte, .size = 1},
                               {.peer = address("[::1]:9"), .bytes = &byte, .size = 1}};
    assert_int_equal(io_udp_send(p.io, p.from, d, 2), 1);
    assert_int_equal(io_udp_send(p.io, p.from, d + 1, 1), SPATE_EINVAL);
    d[1].peer = address("127.0.0.1");
    assert_int_equal(io_udp_send(p.io, p.from, d + 1, 1), SPATE_EINVAL);
    assert_int_equal(io_udp_receive(p.io, p.from, d, 0), SPATE_EINVAL);
    pair_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_datagram_says_who_where_and_how),
        cmocka_unit_test(a_batch_arrives_whole_and_in_order),
        cmocka_unit_test(what_is_longer_than_its_buffer_is_dropped_and_the_buffers_are_kept),
        cmocka_unit_test(a_run_leaves_in_one_call_and_arrives_as_its_datagrams),
        cmocka_unit_test(more_segments_than_the_kernel_takes_at_once_leave_all_the_same),
        cmocka_unit_test(too_big_for_the_way_is_said),
        cmocka_unit_test(a_peer_that_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
