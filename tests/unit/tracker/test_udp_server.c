/* A UDP tracker without sockets: connection ids, and that it cannot be made to send more than it got. */
#include "tracker/udp_server.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>

#define SECOND_NS INT64_C(1000000000)

struct scene {
    struct swarm_table table;
    struct udp_server server;
    int64_t now_ns;
    uint8_t out[UDP_SERVER_ANSWER_BYTES];
    size_t size;
};

static void begin(struct scene *s)
{
    static const uint64_t random[4] = {1, 2, 3, 4};
    struct swarm_table_settings settings;
    swarm_table_settings_init(&settings);
    *s = (struct scene){.now_ns = 1200 * SECOND_NS}; /* the beginning of a slot */
    swarm_table_init(&s->table, &settings, random);
    udp_server_init(&s->server, &s->table, random + 2);
}

static void end(struct scene *s)
{
    assert_true(swarm_table_is_consistent(&s->table));
    swarm_table_deinit(&s->table);
}

static struct addr host(uint8_t number)
{
    return addr_v4((const uint8_t[4]){192, 0, 2, number}, (uint16_t)(1000 + number));
}

static void ask(struct scene *s, struct addr from, const struct writer *w)
{
    s->size = udp_server_answer(&s->server, &from, span_of(w->bytes, w->size), s->now_ns, s->out);
}

static uint64_t connect_from(struct scene *s, struct addr from)
{
    uint8_t bytes[16];
    struct writer w = writer_over(bytes, sizeof bytes);
    tracker_udp_write_connect(&w, 77);
    ask(s, from, &w);
    assert_int_equal(s->size, 16);
    return load_be64(s->out + 8);
}

static void announce_from(struct scene *s, struct addr from, uint64_t id)
{
    uint8_t bytes[98];
    struct tracker_announce a = {.left = 1, .port = 5000, .want = 200};
    struct writer w = writer_over(bytes, sizeof bytes);
    tracker_udp_write_announce(&w, id, 78, &a, span_text(""));
    ask(s, from, &w);
}

static void a_connection_id_is_good_for_two_to_four_minutes(void **state)
{
    struct scene s;
    (void)state;
    begin(&s);
    uint64_t id = connect_from(&s, host(1));
    s.now_ns += 240 * SECOND_NS - 1;
    announce_from(&s, host(1), id);
    assert_int_equal(s.size, 20);
    s.now_ns += 1;
    announce_from(&s, host(1), id);
    assert_int_equal(s.size, 0);
    s.now_ns += 119 * SECOND_NS; /* the end of a slot */
    id = connect_from(&s, host(1));
    s.now_ns += 120 * SECOND_NS;
    announce_from(&s, host(1), id);
    assert_int_equal(s.size, 20);
    end(&s);
}

static void a_connection_id_is_good_for_its_address_only(void **state)
{
    struct scene s;
    (void)state;
    begin(&s);
    uint64_t id = connect_from(&s, host(1));
    announce_from(&s, host(2), id);
    assert_int_equal(s.size, 0);
    struct addr other_port = host(1);
    other_port.port++;
    announce_from(&s, other_port, id);
    assert_int_equal(s.size, 20);
    assert_true(connect_from(&s, host(2)) != id);
    end(&s);
}

static void another_key_gives_other_connection_ids(void **state)
{
    struct scene s, other;
    (void)state;
    begin(&s);
    begin(&other);
    other.server.key[1]++;
    assert_true(connect_from(&s, host(1)) != connect_from(&other, host(1)));
    end(&s);
    end(&other);
}

static void spoofed_announces_cost_no_memory_and_no_bytes(void **state)
{
    struct scene s;
    (void)state;
    begin(&s);
    for (uint64_t i = 0; i < 100000; i++) {
        announce_from(&s, host((uint8_t)i), i * 0x9e3779b97f4a7c15u);
        assert_int_equal(s.size, 0);
    }
    assert_int_equal(s.table.peers.count, 0);
    assert_int_equal(s.table.sources.count, 0);
    end(&s);
}

static void answers_fit_one_packet(void **state)
{
    struct scene s;
    (void)state;
    begin(&s);
    for (int v6 = 0; v6 < 2; v6++) {
        uint8_t ip[16] = {0x20, 1};
        for (uint16_t i = 0; i < 300; i++) {
            store_be16(ip + 2, i);
            struct addr from = v6 ? addr_v6(ip, 1) : addr_v4(ip, 1);
            announce_from(&s, from, connect_from(&s, from));
        }
        assert_int_equal(s.size, v6 ? 20 + 79 * 18 : 20 + 200 * 6);
    }
    end(&s);
}

static void a_scrape_of_74_is_answered_in_its_order(void **state)
{
    struct scene s;
    uint8_t bytes[16 + 20 * 80] = {0}, hashes[20 * 75] = {0};
    (void)state;
    begin(&s);
    announce_from(&s, host(1), connect_from(&s, host(1)));
    memset(hashes + 20, 1, 20 * 74);
    for (uint32_t count = 0; count <= 75; count += count == 1 ? 72 : 1) {
        struct writer w = writer_over(bytes, sizeof bytes);
        tracker_udp_write_scrape(&w, connect_from(&s, host(1)), 79, hashes, count);
        ask(&s, host(1), &w);
        assert_int_equal(s.size, 8 + 12 * (count < 74 ? count : 74));
        if (count > 0) {
            assert_int_equal(load_be32(s.out + 16), 1);
        }
        if (count > 1) {
            assert_int_equal(load_be32(s.out + 28), 0);
        }
    }
    end(&s);
}

static void a_source_with_too_many_peers_is_told_so(void **state)
{
    struct scene s;
    (void)state;
    begin(&s);
    s.table.settings.max_source_peers = 0;
    announce_from(&s, host(1), connect_from(&s, host(1)));
    assert_int_equal(load_be32(s.out), TRACKER_UDP_ERROR);
    assert_int_equal(load_be32(s.out + 4), 78);
    assert_true(s.size > 8 && s.size <= 98); /* no longer than the question */
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_id_is_good_for_two_to_four_minutes),
        cmocka_unit_test(a_connection_id_is_good_for_its_address_only),
        cmocka_unit_test(another_key_gives_other_connection_ids),
        cmocka_unit_test(spoofed_announces_cost_no_memory_and_no_bytes),
        cmocka_unit_test(answers_fit_one_packet),
        cmocka_unit_test(a_scrape_of_74_is_answered_in_its_order),
        cmocka_unit_test(a_source_with_too_many_peers_is_told_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
