/* The swarm table of the server in virtual time, with its caps made small. */
#include "tracker/swarm_table.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>

#define SECOND_NS INT64_C(1000000000)

static const uint64_t seed[2] = {1, 2};

struct scene {
    struct swarm_table table;
    int64_t now_ns;
    struct swarm_peer *peers[LIMIT_ANNOUNCE_PEERS];
    int count; /* what the last announce returned */
    struct swarm_counts counts;
};

static void begin(struct scene *s)
{
    struct swarm_table_settings settings;
    swarm_table_settings_init(&settings);
    settings.interval_s = 100;
    *s = (struct scene){.now_ns = 1000 * SECOND_NS};
    swarm_table_init(&s->table, &settings, seed);
}

static void end(struct scene *s)
{
    assert_true(swarm_table_is_consistent(&s->table));
    swarm_table_deinit(&s->table);
    assert_int_equal(s->table.swarms.count, 0);
    assert_int_equal(s->table.peers.count, 0);
    assert_int_equal(s->table.sources.count, 0);
}

static struct addr host(uint32_t number)
{
    uint8_t ip[4];
    store_be32(ip, 0x0a000000 + number);
    return addr_v4(ip, 40000);
}

static struct addr host6(uint64_t net, uint64_t number)
{
    uint8_t ip[16];
    store_be64(ip, 0x2001000000000000u + net);
    store_be64(ip + 8, number);
    return addr_v6(ip, 40000);
}

static void announce_as(struct scene *s, uint8_t torrent, struct addr from, uint16_t port,
                        uint64_t left, enum tracker_event event, int32_t want)
{
    struct tracker_announce a = {.left = left, .event = event, .want = want, .port = port};
    memset(a.info_hash, torrent, 20);
    memset(a.peer_id, (int)port, 20);
    s->count = swarm_table_announce(&s->table, &a, &from, s->now_ns, s->peers, LIMIT_ANNOUNCE_PEERS,
                                    &s->counts);
    assert_true(swarm_table_is_consistent(&s->table));
}

static void announce(struct scene *s, uint8_t torrent, struct addr from, uint64_t left)
{
    announce_as(s, torrent, from, 6881, left, TRACKER_EVENT_NONE, TRACKER_WANT_DEFAULT);
}

static void scrape(struct scene *s, uint8_t torrent)
{
    uint8_t info_hash[20];
    memset(info_hash, torrent, 20);
    swarm_table_scrape(&s->table, info_hash, s->now_ns, &s->counts);
}

static void peers_hear_of_each_other_but_not_of_themselves(void **state)
{
    struct scene s;
    (void)state;
    begin(&s);
    announce(&s, 1, host(1), 5);
    assert_int_equal(s.count, 0);
    announce(&s, 1, host(2), 5);
    assert_int_equal(s.count, 1);
    struct addr expected = host(1);
    expected.port = 6881; /* that of the announce, not of the datagram */
    assert_true(addr_equals(&s.peers[0]->address, &expected));
    announce(&s, 1, host(1), 5);
    assert_int_equal(s.count, 1);
    announce(&s, 2, host(3), 5);
    assert_int_equal(s.count, 0);
    end(&s);
}

static void seeds_hear_of_no_seeds(void **state)
{
    struct scene s;
    (void)state;
    begin(&s);
    announce(&s, 1, host(1), 0);
    announce(&s, 1, host(2), 0);
    announce(&s, 1, host(3), 7);
    assert_int_equal(s.count, 2);
    announce(&s, 1, host(4), 0);
    assert_int_equal(s.count, 1);
    assert_false(s.peers[0]->seed);
    assert_int_equal(s.counts.counts.seeders, 3);
    assert_int_equal(s.counts.counts.leechers, 1);
    end(&s);
}

static void families_never_mix(void **state)
{
    struct scene s;
    (void)state;
    begin(&s);
    announce(&s, 1, host(1), 5);
    announce(&s, 1, host6(1, 1), 5);
    assert_int_equal(s.count, 0);
    announce(&s, 1, host6(2, 1), 5);
    assert_int_equal(s.count, 1);
    assert_int_equal(s.peers[0]->address.family, ADDR_V6);
    assert_int_equal(s.counts.counts.leechers, 3);
    end(&s);
}

static void no_more_are_given_than_wanted_and_none_twice(void **state)
{
    struct scene s;
    (void)state;
    begin(&s);
    for (uint32_t i = 0; i < 500; i++) {
        announce(&s, 1, host(i), i % 5 == 0 ? 0 : 9);
    }
    static const struct {
        int32_t want;
        int given;
    } rows[] = {{0, 0},     {1, 1},     {49, 49},   {TRACKER_WANT_DEFAULT, 50},
                {199, 199}, {200, 200}, {201, 200}, {INT32_MAX, 200}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        announce_as(&s, 1, host(7), 6881, 9, TRACKER_EVENT_NONE, rows[i].want);
        assert_int_equal(s.count, rows[i].given);
        for (int a = 0; a < s.count; a++) {
            struct addr asker = host(7);
            assert_false(addr_same_ip(&s.peers[a]->address, &asker));
            for (int b = 0; b < a; b++) {
                assert_ptr_not_equal(s.peers[a], s.peers[b]);
            }
        }
    }
    end(&s);
}

static void everybody_is_given_about_as_often(void **state)
{
    struct scene s;
    uint32_t given[101] = {0};
    (void)state;
    begin(&s);
    for (uint32_t i = 0; i <= 100; i++) {
        announce(&s, 1, host(i), i < 20 ? 0 : 9);
    }
    for (int round = 0; round < 2000; round++) {
        announce_as(&s, 1, host(100), 6881, 9, TRACKER_EVENT_NONE, 10);
        assert_int_equal(s.count, 10);
        for (int i = 0; i < s.count; i++) {
            given[load_be32(s.peers[i]->address.ip) & 0xff]++;
        }
    }
    for (uint32_t i = 0; i < 100; i++) { /* 200 times each, on average */
        assert_in_range(given[i], 130, 280);
    }
    end(&s);
}

static void a_lone_seed_is_always_given_to_a_leecher(void **state)
{
    struct scene s;
    (void)state;
    begin(&s);
    announce(&s, 1, host(1000), 0);
    for (uint32_t i = 0; i < 300; i++) {
        announce_as(&s, 1, host(i), 6881, 9, TRACKER_EVENT_NONE, 5);
        bool seen = false;
        for (int p = 0; p < s.count; p++) {
            seen = seen || s.peers[p]->seed;
        }
        assert_true(seen);
    }
    end(&s);
}

static void a_peer_that_stops_is_forgotten_and_makes_no_swarm(void **state)
{
    struct scene s;
    (void)state;
    begin(&s);
    announce_as(&s, 1, host(1), 6881, 5, TRACKER_EVENT_STOPPED, 50);
    assert_int_equal(s.table.swarms.count, 0);
    announce(&s, 1, host(1), 5);
    announce(&s, 1, host(2), 5);
    announce_as(&s, 1, host(1), 6881, 5, TRACKER_EVENT_STOPPED, 50);
    assert_int_equal(s.count, 0);
    assert_int_equal(s.counts.counts.leechers, 1);
    announce_as(&s, 1, host(2), 6881, 5, TRACKER_EVENT_STOPPED, 50);
    assert_int_equal(s.table.swarms.count, 0);
    end(&s);
}

static void completions_are_counted_once_and_only_of_those_that_leeched(void **state)
{
    struct scene s;
    (void)state;
    begin(&s);
    announce_as(&s, 1, host(1), 6881, 0, TRACKER_EVENT_COMPLETED, 0);
    assert_int_equal(s.counts.counts.completed, 0);
    announce(&s, 1, host(2), 5);
    announce_as(&s, 1, host(2), 6881, 0, TRACKER_EVENT_COMPLETED, 0);
    assert_int_equal(s.counts.counts.completed, 1);
    announce_as(&s, 1, host(2), 6881, 0, TRACKER_EVENT_COMPLETED, 0);
    assert_int_equal(s.counts.counts.completed, 1);
    assert_int_equal(s.counts.counts.seeders, 2);
    announce(&s, 1, host(2), 3); /* lost something */
    assert_int_equal(s.counts.counts.seeders, 1);
    assert_int_equal(s.counts.counts.leechers, 1);
    end(&s);
}

static void partial_seeds_are_no_downloaders(void **state)
{
    struct scene s;
    (void)state;
    begin(&s);
    announce(&s, 1, host(1), 0);
    announce_as(&s, 1, host(2), 6881, 5, TRACKER_EVENT_PAUSED, 50);
    assert_int_equal(s.count, 0); /* they want no seeds either */
    assert_int_equal(s.counts.counts.leechers, 1);
    assert_int_equal(s.counts.downloaders, 0);
    announce(&s, 1, host(2), 5);
    assert_int_equal(s.counts.downloaders, 1);
    end(&s);
}

static void a_peer_without_a_port_is_answered_and_not_kept(void **state)
{
    struct scene s;
    (void)state;
    begin(&s);
    announce_as(&s, 1, host(1), 0, 5, TRACKER_EVENT_STARTED, 50);
    assert_int_equal(s.count, 0);
    assert_int_equal(s.table.swarms.count, 0);
    announce(&s, 1, host(2), 5);
    announce_as(&s, 1, host(1), 0, 5, TRACKER_EVENT_STARTED, 50);
    assert_int_equal(s.count, 1);
    assert_int_equal(s.table.peers.count, 1);
    end(&s);
}

static void two_intervals_of_silence_and_a_peer_is_forgotten(void **state)
{
    struct scene s;
    (void)state;
    begin(&s);
    announce(&s, 1, host(1), 5);
    s.now_ns += 100 * SECOND_NS;
    announce(&s, 1, host(2), 5);
    s.now_ns += 100 * SECOND_NS - 1;
    scrape(&s, 1);
    assert_int_equal(s.counts.counts.leechers, 2);
    s.now_ns += 1;
    scrape(&s, 1);
    assert_int_equal(s.counts.counts.leechers, 1);
    s.now_ns += 100 * SECOND_NS;
    scrape(&s, 1);
    assert_int_equal(s.counts.counts.leechers, 0);
    assert_int_equal(s.table.swarms.count, 0);
    end(&s);
}

static void forgetting_many_is_spread_over_many_announces(void **state)
{
    struct scene s;
    (void)state;
    begin(&s);
    for (uint32_t i = 0; i < 100; i++) {
        announce(&s, 1, host(i), 5);
    }
    s.now_ns += 1000 * SECOND_NS;
    size_t before = s.table.peers.count;
    for (int i = 0; s.table.peers.count > 0; i++) {
        scrape(&s, 2);
        assert_true(s.table.peers.count < before && before - s.table.peers.count <= 8);
        before = s.table.peers.count;
        assert_true(i < 100);
    }
    end(&s);
}

static void at_the_cap_the_longest_silent_swarm_makes_room(void **state)
{
    struct scene s;
    (void)state;
    begin(&s);
    s.table.settings.max_swarms = 3;
    for (uint8_t torrent = 1; torrent <= 3; torrent++) {
        announce(&s, torrent, host(torrent), 5);
        announce(&s, torrent, host(torrent + 10u), 5);
    }
    announce(&s, 1, host(1), 5); /* 2 is the oldest now */
    announce(&s, 4, host(4), 5);
    assert_int_equal(s.table.swarms.count, 3);
    scrape(&s, 2);
    assert_int_equal(s.counts.counts.leechers, 0);
    scrape(&s, 1);
    assert_int_equal(s.counts.counts.leechers, 2);
    end(&s);
}

static void at_the_caps_the_longest_silent_peer_makes_room(void **state)
{
    struct scene s;
    (void)state;
    begin(&s);
    s.table.settings.max_swarm_peers = 3;
    s.table.settings.max_peers = 5;
    for (uint32_t i = 1; i <= 4; i++) {
        announce(&s, 1, host(i), 5);
        assert_int_equal(s.counts.counts.leechers, i < 3 ? i : 3);
    }
    for (int i = 0; i < s.count; i++) {
        struct addr first = host(1);
        assert_false(addr_same_ip(&s.peers[i]->address, &first));
    }
    for (uint32_t i = 5; i <= 7; i++) {
        announce(&s, 2, host(i), 5);
    }
    assert_int_equal(s.table.peers.count, 5);
    scrape(&s, 1);
    assert_int_equal(s.counts.counts.leechers, 2);
    scrape(&s, 2);
    assert_int_equal(s.counts.counts.leechers, 3);
    end(&s);
}

static void one_source_can_only_be_so_many_peers(void **state)
{
    struct scene s;
    (void)state;
    begin(&s);
    s.table.settings.max_source_peers = 3;
    for (uint16_t port = 1; port <= 4; port++) {
        announce_as(&s, (uint8_t)port, host(1), port, 5, TRACKER_EVENT_NONE, 50);
        assert_int_equal(s.count, port <= 3 ? 0 : SPATE_ELIMIT);
    }
    assert_int_equal(s.table.swarms.count, 3);
    announce_as(&s, 1, host(1), 1, 5, TRACKER_EVENT_NONE, 50); /* one it already is */
    assert_int_equal(s.count, 0);
    announce_as(&s, 1, host(1), 1, 5, TRACKER_EVENT_STOPPED, 50);
    announce_as(&s, 4, host(1), 4, 5, TRACKER_EVENT_NONE, 50);
    assert_int_equal(s.count, 0);
    for (uint64_t i = 1; i <= 4; i++) { /* a /64 is one source, however many addresses it has */
        announce(&s, 9, host6(1, i), 5);
        assert_int_equal(s.count, i <= 3 ? (int)i - 1 : SPATE_ELIMIT);
    }
    announce(&s, 9, host6(2, 1), 5);
    assert_int_equal(s.count, 3);
    end(&s);
}

static void the_caps_are_those_that_are_published(void **state)
{
    struct scene s;
    (void)state;
    begin(&s);
    assert_int_equal(s.table.settings.max_swarms, LIMIT_SWARMS);
    assert_int_equal(s.table.settings.max_peers, LIMIT_SWARMS_PEERS);
    assert_int_equal(s.table.settings.max_swarm_peers, LIMIT_SWARM_PEERS);
    assert_int_equal(s.table.settings.max_source_peers, LIMIT_SOURCE_PEERS);
    end(&s);
}

static void a_flood_of_info_hashes_keeps_the_table_in_its_caps(void **state)
{
    struct scene s;
    uint64_t random = 99;
    (void)state;
    begin(&s);
    s.table.settings.max_swarms = 50;
    s.table.settings.max_peers = 200;
    s.table.settings.max_swarm_peers = 20;
    s.table.settings.max_source_peers = 30;
    for (int i = 0; i < 20000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint32_t r = (uint32_t)(random >> 33);
        struct addr from = r % 7 == 0 ? host6(r % 5, r % 97) : host(r % 61);
        s.now_ns += (int64_t)(r % 3) * SECOND_NS / 10;
        announce_as(&s, (uint8_t)(r >> 8), from, (uint16_t)(r % 11), r % 4, (r >> 5) % 5,
                    (int32_t)(r % 60) - 1);
    }
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(peers_hear_of_each_other_but_not_of_themselves),
        cmocka_unit_test(seeds_hear_of_no_seeds),
        cmocka_unit_test(families_never_mix),
        cmocka_unit_test(no_more_are_given_than_wanted_and_none_twice),
        cmocka_unit_test(everybody_is_given_about_as_often),
        cmocka_unit_test(a_lone_seed_is_always_given_to_a_leecher),
        cmocka_unit_test(a_peer_that_stops_is_forgotten_and_makes_no_swarm),
        cmocka_unit_test(completions_are_counted_once_and_only_of_those_that_leeched),
        cmocka_unit_test(partial_seeds_are_no_downloaders),
        cmocka_unit_test(a_peer_without_a_port_is_answered_and_not_kept),
        cmocka_unit_test(two_intervals_of_silence_and_a_peer_is_forgotten),
        cmocka_unit_test(forgetting_many_is_spread_over_many_announces),
        cmocka_unit_test(at_the_cap_the_longest_silent_swarm_makes_room),
        cmocka_unit_test(at_the_caps_the_longest_silent_peer_makes_room),
        cmocka_unit_test(one_source_can_only_be_so_many_peers),
        cmocka_unit_test(the_caps_are_those_that_are_published),
        cmocka_unit_test(a_flood_of_info_hashes_keeps_the_table_in_its_caps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
