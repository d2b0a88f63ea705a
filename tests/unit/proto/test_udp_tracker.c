/* One conversation with a UDP tracker in virtual time, along the examples of BEP 15. */
#include "proto/udp_tracker.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>

#define SECOND_NS INT64_C(1000000000)

struct scene {
    struct udp_tracker t;
    int64_t now_ns;
    uint32_t transaction_id;
    struct tracker_udp_request sent; /* the last datagram, as a tracker reads it */
    size_t sent_bytes;
};

static struct addr tracker_address(void)
{
    return addr_v4((const uint8_t[4]){192, 0, 2, 1}, 6969);
}

static void begin(struct scene *s, enum tracker_udp_action action, uint32_t retransmissions)
{
    struct addr peer = tracker_address();
    struct tracker_announce a = {.left = 1, .port = 6881, .want = 50};
    *s = (struct scene){.now_ns = 100 * SECOND_NS};
    udp_tracker_init(&s->t, &peer, action, &a, span_text("/announce"), retransmissions);
}

static enum tracker_udp_action send_next(struct scene *s)
{
    static uint8_t bytes[UDP_TRACKER_SEND_BYTES];
    struct writer w = writer_over(bytes, sizeof bytes);
    assert_true(udp_tracker_wants_send(&s->t));
    udp_tracker_send(&s->t, &w, ++s->transaction_id, s->now_ns);
    assert_false(w.failed);
    assert_false(udp_tracker_wants_send(&s->t));
    assert_true(tracker_udp_parse_request(&s->sent, span_of(bytes, w.size)));
    assert_int_equal(s->sent.transaction_id, s->transaction_id);
    s->sent_bytes = w.size;
    return s->sent.action;
}

static enum udp_tracker_event_type receive(struct scene *s, const struct addr *from,
                                           const struct writer *w)
{
    return udp_tracker_receive(&s->t, from, span_of(w->bytes, w->size), s->now_ns).type;
}

static enum udp_tracker_event_type receive_connected(struct scene *s, uint64_t id)
{
    uint8_t bytes[16];
    struct addr from = tracker_address();
    struct writer w = writer_over(bytes, sizeof bytes);
    tracker_udp_write_connected(&w, s->transaction_id, id);
    return receive(s, &from, &w);
}

static enum udp_tracker_event_type receive_announced(struct scene *s)
{
    uint8_t bytes[32];
    struct addr from = tracker_address();
    struct writer w = writer_over(bytes, sizeof bytes);
    tracker_udp_write_announced(&w, s->transaction_id, 1800, 1, 2);
    return receive(s, &from, &w);
}

static enum udp_tracker_event_type receive_error(struct scene *s)
{
    uint8_t bytes[32];
    struct addr from = tracker_address();
    struct writer w = writer_over(bytes, sizeof bytes);
    tracker_udp_write_error(&w, s->transaction_id, "connection id");
    return receive(s, &from, &w);
}

/* Lets the deadline pass, which must be so many seconds away. */
static void expect_silence(struct scene *s, int64_t seconds)
{
    assert_int_equal(udp_tracker_deadline(&s->t), s->now_ns + seconds * SECOND_NS);
    s->now_ns = udp_tracker_deadline(&s->t);
    assert_int_equal(udp_tracker_wake(&s->t, s->now_ns - 1), UDP_TRACKER_IGNORED);
    assert_int_equal(udp_tracker_wake(&s->t, s->now_ns), UDP_TRACKER_SILENT);
}

static void an_announce_connects_first_and_carries_the_connection_id(void **state)
{
    struct scene s;
    (void)state;
    begin(&s, TRACKER_UDP_ANNOUNCE, 0);
    assert_int_equal(send_next(&s), TRACKER_UDP_CONNECT);
    assert_int_equal(receive_connected(&s, 0x1234), UDP_TRACKER_CONNECTED);
    assert_int_equal(send_next(&s), TRACKER_UDP_ANNOUNCE);
    assert_int_equal(s.sent.connection_id, 0x1234);
    assert_int_equal(s.sent.announce.port, 6881);
    assert_int_equal(s.sent_bytes, 98 + 2 + strlen("/announce"));
    assert_int_equal(receive_announced(&s), UDP_TRACKER_ANSWERED);
    assert_false(udp_tracker_wants_send(&s.t));
    assert_int_equal(udp_tracker_deadline(&s.t), INT64_MAX);
}

static void a_connect_that_times_out_is_sent_again_after_15_30_60_seconds(void **state)
{
    struct scene s;
    (void)state;
    begin(&s, TRACKER_UDP_ANNOUNCE, 0);
    for (int n = 0; n <= 10; n++) {
        assert_int_equal(send_next(&s), TRACKER_UDP_CONNECT);
        expect_silence(&s, INT64_C(15) << (n < 8 ? n : 8));
    }
}

static void an_announce_that_times_out_reconnects_when_its_id_is_a_minute_old(void **state)
{
    struct scene s;
    (void)state;
    begin(&s, TRACKER_UDP_ANNOUNCE, 0);
    send_next(&s);
    s.now_ns += 1 * SECOND_NS;
    receive_connected(&s, 1);
    s.now_ns += 1 * SECOND_NS;
    assert_int_equal(send_next(&s), TRACKER_UDP_ANNOUNCE); /* t = 2 */
    expect_silence(&s, 15);
    assert_int_equal(send_next(&s), TRACKER_UDP_ANNOUNCE); /* t = 17 */
    expect_silence(&s, 30);
    assert_int_equal(send_next(&s), TRACKER_UDP_ANNOUNCE); /* t = 47 */
    expect_silence(&s, 60);
    assert_int_equal(send_next(&s), TRACKER_UDP_CONNECT); /* t = 107 */
    expect_silence(&s, 120);
    assert_int_equal(send_next(&s), TRACKER_UDP_CONNECT); /* t = 227 */
}

static void a_connection_id_serves_for_one_minute(void **state)
{
    struct scene s;
    (void)state;
    begin(&s, TRACKER_UDP_ANNOUNCE, 0);
    udp_tracker_reuse(&s.t, 9, s.now_ns - 60 * SECOND_NS + 1);
    assert_int_equal(send_next(&s), TRACKER_UDP_ANNOUNCE);
    begin(&s, TRACKER_UDP_ANNOUNCE, 0);
    udp_tracker_reuse(&s.t, 9, s.now_ns - 60 * SECOND_NS);
    assert_int_equal(send_next(&s), TRACKER_UDP_CONNECT);
}

static void a_refused_old_connection_id_is_renewed_once(void **state)
{
    struct scene s;
    (void)state;
    begin(&s, TRACKER_UDP_ANNOUNCE, 0);
    udp_tracker_reuse(&s.t, 9, s.now_ns);
    assert_int_equal(send_next(&s), TRACKER_UDP_ANNOUNCE);
    assert_int_equal(receive_error(&s), UDP_TRACKER_IGNORED);
    assert_int_equal(send_next(&s), TRACKER_UDP_CONNECT);
    assert_int_equal(receive_connected(&s, 10), UDP_TRACKER_CONNECTED);
    assert_int_equal(send_next(&s), TRACKER_UDP_ANNOUNCE);
    assert_int_equal(receive_error(&s), UDP_TRACKER_REFUSED);
    assert_int_equal(udp_tracker_deadline(&s.t), INT64_MAX);
}

static void only_the_tracker_with_the_right_transaction_is_heard(void **state)
{
    struct scene s;
    uint8_t bytes[16];
    struct addr tracker = tracker_address();
    struct addr other_port = addr_v4(tracker.ip, 6970);
    struct addr other_host = addr_v4((const uint8_t[4]){192, 0, 2, 2}, 6969);
    (void)state;
    begin(&s, TRACKER_UDP_ANNOUNCE, 0);
    send_next(&s);
    struct writer w = writer_over(bytes, sizeof bytes);
    tracker_udp_write_connected(&w, s.transaction_id, 1);
    assert_int_equal(receive(&s, &other_port, &w), UDP_TRACKER_IGNORED);
    assert_int_equal(receive(&s, &other_host, &w), UDP_TRACKER_IGNORED);
    w = writer_over(bytes, sizeof bytes);
    tracker_udp_write_connected(&w, s.transaction_id ^ 1, 1);
    assert_int_equal(receive(&s, &tracker, &w), UDP_TRACKER_IGNORED);
    assert_int_equal(receive_announced(&s), UDP_TRACKER_IGNORED); /* not what was asked */
    assert_int_equal(receive_connected(&s, 1), UDP_TRACKER_CONNECTED);
    assert_int_equal(receive_connected(&s, 1), UDP_TRACKER_IGNORED); /* a second time */
}

static void cut_off_answers_are_ignored(void **state)
{
    struct scene s;
    uint8_t bytes[16];
    struct addr tracker = tracker_address();
    (void)state;
    begin(&s, TRACKER_UDP_ANNOUNCE, 0);
    send_next(&s);
    struct writer w = writer_over(bytes, sizeof bytes);
    tracker_udp_write_connected(&w, s.transaction_id, 1);
    for (w.size = 0; w.size < 16; w.size++) {
        assert_int_equal(receive(&s, &tracker, &w), UDP_TRACKER_IGNORED);
    }
    assert_int_equal(receive(&s, &tracker, &w), UDP_TRACKER_CONNECTED);
}

static void earlier_silence_makes_it_more_patient(void **state)
{
    struct scene s;
    (void)state;
    begin(&s, TRACKER_UDP_ANNOUNCE, 3);
    send_next(&s);
    expect_silence(&s, 120);
}

static void a_scrape_asks_for_its_torrent(void **state)
{
    struct scene s;
    (void)state;
    begin(&s, TRACKER_UDP_SCRAPE, 0);
    memcpy(s.t.announce.info_hash, "hhhhhhhhhhhhhhhhhhhh", 20);
    send_next(&s);
    receive_connected(&s, 5);
    assert_int_equal(send_next(&s), TRACKER_UDP_SCRAPE);
    assert_true(span_equals(s.sent.info_hashes, span_text("hhhhhhhhhhhhhhhhhhhh")));
}

static void the_longest_url_fits(void **state)
{
    struct scene s;
    static char url[LIMIT_URL_BYTES + 10];
    (void)state;
    memset(url, 'x', sizeof url);
    begin(&s, TRACKER_UDP_ANNOUNCE, 0);
    s.t.url_data = span_of(url, LIMIT_URL_BYTES);
    udp_tracker_reuse(&s.t, 9, s.now_ns);
    assert_int_equal(send_next(&s), TRACKER_UDP_ANNOUNCE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_announce_connects_first_and_carries_the_connection_id),
        cmocka_unit_test(a_connect_that_times_out_is_sent_again_after_15_30_60_seconds),
        cmocka_unit_test(an_announce_that_times_out_reconnects_when_its_id_is_a_minute_old),
        cmocka_unit_test(a_connection_id_serves_for_one_minute),
        cmocka_unit_test(a_refused_old_connection_id_is_renewed_once),
        cmocka_unit_test(only_the_tracker_with_the_right_transaction_is_heard),
        cmocka_unit_test(cut_off_answers_are_ignored),
        cmocka_unit_test(earlier_silence_makes_it_more_patient),
        cmocka_unit_test(a_scrape_asks_for_its_torrent),
        cmocka_unit_test(the_longest_url_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
