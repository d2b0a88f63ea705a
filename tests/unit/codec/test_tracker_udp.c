/* Messages of UDP trackers, field by field as BEP 15 and BEP 41 lay them out. */
#include "codec/tracker_udp.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>

static void assert_written(const struct writer *w, const char *hex)
{
    char text[4096];
    assert_false(w->failed);
    assert_true(w->size * 2 < sizeof text);
    text_hex(w->bytes, w->size, text);
    assert_string_equal(text, hex);
}

static const struct tracker_announce announce = {
    .info_hash = "aaaaaaaaaaaaaaaaaaaa",
    .peer_id = "bbbbbbbbbbbbbbbbbbbb",
    .downloaded = 0x0102030405060708,
    .left = 0x1112131415161718,
    .uploaded = 0x2122232425262728,
    .event = TRACKER_EVENT_STARTED,
    .key = 0xdeadbeef,
    .want = TRACKER_WANT_DEFAULT,
    .port = 0x1ae1,
};

#define HASH_HEX "6161616161616161616161616161616161616161"
#define ID_HEX   "6262626262626262626262626262626262626262"
#define ANNOUNCE_HEX                                                                               \
    "1122334455667788"                                                                             \
    "00000001"                                                                                     \
    "cafebabe" HASH_HEX ID_HEX "0102030405060708"                                                  \
    "1112131415161718"                                                                             \
    "2122232425262728"                                                                             \
    "00000002"                                                                                     \
    "00000000"                                                                                     \
    "deadbeef"                                                                                     \
    "ffffffff"                                                                                     \
    "1ae1"

static void a_connect_request_is_the_magic_and_16_bytes(void **state)
{
    uint8_t bytes[16];
    struct writer w = writer_over(bytes, sizeof bytes);
    (void)state;
    tracker_udp_write_connect(&w, 0xcafebabe);
    assert_written(&w, "000004172710198000000000cafebabe");
}

static void an_announce_request_has_98_bytes_and_all_fields(void **state)
{
    uint8_t bytes[98];
    struct writer w = writer_over(bytes, sizeof bytes);
    (void)state;
    tracker_udp_write_announce(&w, 0x1122334455667788, 0xcafebabe, &announce, span_text(""));
    assert_int_equal(w.size, TRACKER_UDP_ANNOUNCE_BYTES);
    assert_written(&w, ANNOUNCE_HEX);
}

static void path_and_query_follow_as_an_option(void **state)
{
    uint8_t bytes[200];
    struct writer w = writer_over(bytes, sizeof bytes);
    (void)state;
    tracker_udp_write_announce(&w, 0x1122334455667788, 0xcafebabe, &announce,
                               span_text("/dir?a=b&c=d"));
    assert_written(&w, ANNOUNCE_HEX "020c2f6469723f613d6226633d64");
}

static void long_url_data_is_cut_into_options_and_put_together_again(void **state)
{
    uint8_t bytes[2000];
    char url[1000], again[1000];
    struct writer w = writer_over(bytes, sizeof bytes);
    struct tracker_udp_request request;
    (void)state;
    for (size_t i = 0; i < sizeof url; i++) {
        url[i] = (char)('a' + i % 26);
    }
    tracker_udp_write_announce(&w, 1, 2, &announce, span_of(url, sizeof url));
    assert_int_equal(w.size, 98 + 1000 + 4 * 2);
    assert_true(tracker_udp_parse_request(&request, span_of(bytes, w.size)));
    assert_int_equal(tracker_udp_url_data(request.options, again, sizeof again), sizeof url);
    assert_memory_equal(url, again, sizeof url);
    assert_int_equal(tracker_udp_url_data(request.options, again, sizeof again - 1), 0);
}

static void options_end_where_they_say(void **state)
{
    static const struct {
        const char *options;
        size_t size, url_size;
    } rows[] = {
        {"", 0, 0},
        {"\x02\x00", 2, 0},
        {"\x02\x03/ab\x01\x01\x00\x02\x01x", 11, 3},
        {"\x01\x02\x01/\x02\x01z", 7, 2},
        {"\x05\x02zz\x02\x01/", 7, 1}, /* an unknown option is stepped over */
        {"\x02\x09/", 3, 0},           /* cut off */
        {"\x02", 1, 0},
    };
    char out[16];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(
            tracker_udp_url_data(span_of(rows[i].options, rows[i].size), out, sizeof out),
            rows[i].url_size);
    }
}

static void a_request_is_read_as_it_was_written(void **state)
{
    uint8_t bytes[300];
    struct writer w = writer_over(bytes, sizeof bytes);
    struct tracker_udp_request request;
    (void)state;
    tracker_udp_write_announce(&w, 7, 8, &announce, span_text("/announce"));
    assert_true(tracker_udp_parse_request(&request, span_of(bytes, w.size)));
    assert_int_equal(request.action, TRACKER_UDP_ANNOUNCE);
    assert_int_equal(request.connection_id, 7);
    assert_int_equal(request.transaction_id, 8);
    assert_memory_equal(&request.announce, &announce, sizeof announce);
    for (size_t size = 0; size < TRACKER_UDP_ANNOUNCE_BYTES; size++) {
        assert_false(tracker_udp_parse_request(&request, span_of(bytes, size)));
    }
}

static void a_connect_without_the_magic_is_refused(void **state)
{
    uint8_t bytes[16];
    struct writer w = writer_over(bytes, sizeof bytes);
    struct tracker_udp_request request;
    (void)state;
    tracker_udp_write_connect(&w, 5);
    assert_true(tracker_udp_parse_request(&request, span_of(bytes, 16)));
    assert_false(tracker_udp_parse_request(&request, span_of(bytes, 15)));
    for (size_t i = 0; i < 12; i++) {
        bytes[i] ^= 1;
        assert_false(i < 8 && tracker_udp_parse_request(&request, span_of(bytes, 16)));
        bytes[i] ^= 1;
    }
}

static void a_scrape_reads_at_most_74_hashes(void **state)
{
    uint8_t bytes[16 + 20 * 80];
    static const uint8_t hashes[20 * 80];
    struct tracker_udp_request request;
    (void)state;
    for (uint32_t count = 0; count <= 80; count++) {
        struct writer w = writer_over(bytes, sizeof bytes);
        tracker_udp_write_scrape(&w, 1, 2, hashes, count);
        assert_true(tracker_udp_parse_request(&request, span_of(bytes, w.size)));
        uint32_t expected = count < LIMIT_SCRAPE_HASHES ? count : LIMIT_SCRAPE_HASHES;
        assert_int_equal(request.info_hashes.size, expected * 20);
    }
}

static void answers_are_read_as_they_were_written(void **state)
{
    uint8_t bytes[200];
    struct tracker_udp_answer answer;
    struct tracker_counts counts;
    (void)state;
    struct writer w = writer_over(bytes, sizeof bytes);
    tracker_udp_write_connected(&w, 3, 0x1020304050607080);
    assert_written(&w, "00000000000000031020304050607080");
    assert_true(tracker_udp_parse_answer(&answer, span_of(bytes, w.size), ADDR_V4));
    assert_int_equal(answer.connection_id, 0x1020304050607080);

    w = writer_over(bytes, sizeof bytes);
    tracker_udp_write_scraped(&w, 4);
    tracker_udp_write_counts(&w, (struct tracker_counts){1, 2, 3});
    assert_written(&w, "0000000200000004000000010000000200000003");
    assert_true(tracker_udp_parse_answer(&answer, span_of(bytes, w.size), ADDR_V4));
    assert_true(tracker_udp_counts(&answer, 0, &counts));
    assert_int_equal(counts.seeders, 1);
    assert_int_equal(counts.completed, 2);
    assert_int_equal(counts.leechers, 3);
    assert_false(tracker_udp_counts(&answer, 1, &counts));

    w = writer_over(bytes, sizeof bytes);
    tracker_udp_write_error(&w, 5, "no");
    assert_written(&w, "00000003000000056e6f");
    assert_true(tracker_udp_parse_answer(&answer, span_of(bytes, w.size), ADDR_V4));
    assert_true(span_equals(answer.error, span_text("no")));
}

static void peers_are_6_or_18_bytes_by_the_family_of_the_conversation(void **state)
{
    uint8_t bytes[20 + 40] = {0};
    struct tracker_udp_answer answer;
    struct addr peers[10];
    (void)state;
    struct writer w = writer_over(bytes, sizeof bytes);
    tracker_udp_write_announced(&w, 9, 1800, 5, 6);
    for (size_t i = 20; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)i;
    }
    assert_true(tracker_udp_parse_answer(&answer, span_of(bytes, sizeof bytes), ADDR_V4));
    assert_int_equal(answer.announce.interval_s, 1800);
    assert_int_equal(answer.announce.leechers, 5);
    assert_int_equal(answer.announce.seeders, 6);
    assert_int_equal(tracker_udp_peers(&answer, ADDR_V4, peers, 10), 6);
    char text[ADDR_TEXT_MAX];
    assert_string_equal(addr_format(&peers[0], text), "20.21.22.23:6169");
    assert_int_equal(tracker_udp_peers(&answer, ADDR_V4, peers, 2), 2);
    assert_true(tracker_udp_parse_answer(&answer, span_of(bytes, sizeof bytes), ADDR_V6));
    assert_int_equal(tracker_udp_peers(&answer, ADDR_V6, peers, 10), 2);
    assert_string_equal(addr_format(&peers[1], text),
                        "[2627:2829:2a2b:2c2d:2e2f:3031:3233:3435]:13879");
}

static void short_answers_and_unknown_actions_are_refused(void **state)
{
    static const uint8_t least[] = {16, 20, 8, 8};
    uint8_t bytes[32] = {0};
    struct tracker_udp_answer answer;
    (void)state;
    for (uint8_t action = 0; action < 4; action++) {
        bytes[3] = action;
        for (size_t size = 0; size <= sizeof bytes; size++) {
            assert_int_equal(tracker_udp_parse_answer(&answer, span_of(bytes, size), ADDR_V4),
                             size >= least[action]);
        }
    }
    bytes[3] = 4;
    assert_false(tracker_udp_parse_answer(&answer, span_of(bytes, sizeof bytes), ADDR_V4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connect_request_is_the_magic_and_16_bytes),
        cmocka_unit_test(an_announce_request_has_98_bytes_and_all_fields),
        cmocka_unit_test(path_and_query_follow_as_an_option),
        cmocka_unit_test(long_url_data_is_cut_into_options_and_put_together_again),
        cmocka_unit_test(options_end_where_they_say),
        cmocka_unit_test(a_request_is_read_as_it_was_written),
        cmocka_unit_test(a_connect_without_the_magic_is_refused),
        cmocka_unit_test(a_scrape_reads_at_most_74_hashes),
        cmocka_unit_test(answers_are_read_as_they_were_written),
        cmocka_unit_test(peers_are_6_or_18_bytes_by_the_family_of_the_conversation),
        cmocka_unit_test(short_answers_and_unknown_actions_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
