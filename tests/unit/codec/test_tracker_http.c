/* Messages of HTTP trackers: our requests as text, the answers of trackers good and bad, and the server's
 * side read back by the client's. */
#include "codec/tracker_http.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>

enum { PEERS_MAX = 8 };

static struct tracker_announce announce_of(enum tracker_event event, int32_t want)
{
    struct tracker_announce a = {.downloaded = 1,
                                 .left = UINT64_MAX,
                                 .uploaded = 2,
                                 .event = event,
                                 .key = 0xab,
                                 .want = want,
                                 .port = 6881};
    memcpy(a.info_hash, "\x00 %&+/?#=\xff-._~azAZ09", 20);
    memcpy(a.peer_id, "-SP0100-abcdefghijkl", 20);
    return a;
}

#define OURS                                                                                       \
    "info_hash=%00%20%25%26%2B%2F%3F%23%3D%FF-._~azAZ09&peer_id=-SP0100-abcdefghijkl&port=6881"    \
    "&uploaded=2&downloaded=1&left=18446744073709551615&key=000000AB"

static void the_announce_url_keeps_its_own_query(void **state)
{
    static const struct {
        const char *url, *begin;
    } rows[] = {
        {"http://t.example/announce", "http://t.example/announce?" OURS},
        {"http://t.example/announce?", "http://t.example/announce?" OURS},
        {"http://t.example/announce?pass=1", "http://t.example/announce?pass=1&" OURS},
        {"http://t.example/announce?pass=1&", "http://t.example/announce?pass=1&" OURS},
        {"http://t.example/announce?pass=1#top", "http://t.example/announce?pass=1&" OURS},
        {"http://t.example", "http://t.example?" OURS},
    };
    struct tracker_announce a = announce_of(TRACKER_EVENT_NONE, TRACKER_WANT_DEFAULT);
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char out[1000], expected[1000];
        int size =
            tracker_http_announce_url(span_text(rows[i].url), &a, span_text(""), out, sizeof out);
        snprintf(expected, sizeof expected, "%s&compact=1&no_peer_id=1", rows[i].begin);
        assert_string_equal(out, expected);
        assert_int_equal(size, strlen(expected));
        for (size_t small = 0; small <= (size_t)size; small++) {
            assert_int_equal(
                tracker_http_announce_url(span_text(rows[i].url), &a, span_text(""), out, small),
                SPATE_ELIMIT);
        }
    }
}

static void event_want_and_tracker_id_are_said_when_there_are_any(void **state)
{
    char out[1000];
    struct tracker_announce a = announce_of(TRACKER_EVENT_STOPPED, 0);
    (void)state;
    assert_true(tracker_http_announce_url(span_text("http://t/a"), &a, span_text("x y"), out,
                                          sizeof out) > 0);
    assert_string_equal(out, "http://t/a?" OURS
                             "&event=stopped&numwant=0&compact=1&no_peer_id=1&trackerid=x%20y");
}

static void a_url_that_speaks_in_our_name_is_refused(void **state)
{
    static const char *const urls[] = {
        "http://t/announce?info_hash=x",
        "http://t/announce?a=b&event=stopped",
        "http://t/announce?%65vent=x",
        "http://t/announce?left",
        "http://t/announce?port=1&x=y",
        "http://t/announce?peer%5Fid=1",
        "http://t/announce?uploaded=9999",
        "http://t/announce?&&downloaded=1",
        "http://t/an nounce",
        "http://t/announce\r\nX: y",
        "http://t/\x7f",
        "http://t/\xc3\xa9",
    };
    char out[1000];
    struct tracker_announce a = announce_of(TRACKER_EVENT_NONE, 1);
    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        assert_int_equal(
            tracker_http_announce_url(span_text(urls[i]), &a, span_text(""), out, sizeof out),
            SPATE_EURL);
    }
}

static void the_scrape_url_follows_the_convention(void **state)
{
    static const struct {
        const char *announce, *scrape;
    } rows[] = {
        {"http://t/announce", "http://t/scrape?info_hash=hhhhhhhhhhhhhhhhhhhh"},
        {"http://t/x/announce", "http://t/x/scrape?info_hash=hhhhhhhhhhhhhhhhhhhh"},
        {"http://t/announce.php?k=1", "http://t/scrape.php?k=1&info_hash=hhhhhhhhhhhhhhhhhhhh"},
        {"http://t/announce?x=/a", "http://t/scrape?x=/a&info_hash=hhhhhhhhhhhhhhhhhhhh"},
        {"http://t/announce#f", "http://t/scrape?info_hash=hhhhhhhhhhhhhhhhhhhh"},
        {"http://t/a", NULL},
        {"http://t/xannounce", NULL},
        {"http://t/announce/x", NULL},
        {"http://announce", NULL},
        {"http://t", NULL},
    };
    char out[1000];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int status = tracker_http_scrape_url(
            span_text(rows[i].announce), (const uint8_t *)"hhhhhhhhhhhhhhhhhhhh", out, sizeof out);
        if (rows[i].scrape) {
            assert_string_equal(out, rows[i].scrape);
            assert_int_equal(status, strlen(rows[i].scrape));
        } else if (status != SPATE_EUNSUPPORTED) {
            fail_msg("%s has a scrape: %d", rows[i].announce, status);
        }
    }
}

static int parse(struct tracker_answer *answer, const char *body, struct addr *peers)
{
    struct spate_error error = {.size = sizeof error};
    return tracker_http_parse_answer(answer, span_text(body), peers, PEERS_MAX, &error);
}

static void compact_peers_of_both_families_are_read(void **state)
{
    struct tracker_answer answer;
    struct addr peers[PEERS_MAX];
    char text[ADDR_TEXT_MAX];
    (void)state;
    assert_int_equal(parse(&answer,
                           "d8:completei7e11:external ip4:abcd10:incompletei9e8:intervali1800e"
                           "12:min intervali300e5:peers12:ABCDEFGHIJKL6:peers618:abcdefghijklmnopqr"
                           "10:tracker id3:xyz15:warning message4:hmm.e",
                           peers),
                     0);
    assert_int_equal(answer.peer_count, 3);
    assert_string_equal(addr_format(&peers[1], text), "71.72.73.74:19276");
    assert_string_equal(addr_format(&peers[2], text),
                        "[6162:6364:6566:6768:696a:6b6c:6d6e:6f70]:29042");
    assert_int_equal(answer.seeders, 7);
    assert_int_equal(answer.leechers, 9);
    assert_int_equal(answer.interval_s, 1800);
    assert_int_equal(answer.min_interval_s, 300);
    assert_string_equal(addr_format(&answer.external, text), "97.98.99.100");
    assert_true(span_equals(answer.tracker_id, span_text("xyz")));
    assert_true(span_equals(answer.warning, span_text("hmm.")));
    assert_int_equal(answer.failure.size, 0);
}

static void lists_of_peers_are_read_but_names_are_not_looked_up(void **state)
{
    struct tracker_answer answer;
    struct addr peers[PEERS_MAX];
    char text[ADDR_TEXT_MAX];
    (void)state;
    assert_int_equal(parse(&answer,
                           "d5:peersl"
                           "d2:ip7:1.2.3.44:porti80ee"
                           "d2:ip3:::17:peer id20:xxxxxxxxxxxxxxxxxxxx4:porti6881ee"
                           "d2:ip11:example.com4:porti80ee"
                           "d2:ip10:1.2.3.4:994:porti80ee"
                           "d2:ip7:1.2.3.44:porti0ee"
                           "d2:ip7:1.2.3.44:porti65536ee"
                           "d2:ip7:1.2.3.44:porti-1ee"
                           "d2:ip7:1.2.3.4e"
                           "i5e"
                           "4:text"
                           "ee",
                           peers),
                     0);
    assert_int_equal(answer.peer_count, 2);
    assert_string_equal(addr_format(&peers[0], text), "1.2.3.4:80");
    assert_string_equal(addr_format(&peers[1], text), "[::1]:6881");
}

static void no_more_peers_are_taken_than_there_is_room_for(void **state)
{
    char body[1000] = "d5:peers";
    struct tracker_answer answer;
    struct addr peers[PEERS_MAX];
    (void)state;
    for (uint32_t count = PEERS_MAX - 1; count <= PEERS_MAX + 1; count++) {
        snprintf(body, sizeof body, "d5:peers%u:%0*de", count * 6, (int)count * 6, 0);
        assert_int_equal(parse(&answer, body, peers), 0);
        assert_int_equal(answer.peer_count, count < PEERS_MAX ? count : PEERS_MAX);
    }
}

static void a_cut_off_entry_is_no_peer(void **state)
{
    struct tracker_answer answer;
    struct addr peers[PEERS_MAX];
    (void)state;
    assert_int_equal(parse(&answer, "d5:peers11:ABCDEFGHIJKe", peers), 0);
    assert_int_equal(answer.peer_count, 1);
    assert_int_equal(parse(&answer, "d6:peers617:abcdefghijklmnopqe", peers), 0);
    assert_int_equal(answer.peer_count, 0);
}

static void a_refusal_says_why_and_when_to_come_again(void **state)
{
    static const struct {
        const char *body;
        int64_t retry_s;
    } rows[] = {
        {"d14:failure reason2:no8:retry in1:5e", 300},
        {"d14:failure reason2:no8:retry ini5ee", 300},
        {"d14:failure reason2:no8:retry in5:nevere", TRACKER_RETRY_NEVER},
        {"d14:failure reason2:noe", 0},
        {"d14:failure reason2:no8:retry in3:abce", 0},
        {"d14:failure reason2:no8:retry ini-5ee", 0},
        {"d14:failure reason2:no8:retry in20:99999999999999999999e", 86400},
        {"d14:failure reason2:no8:retry ini9223372036854775807ee", 86400},
    };
    struct tracker_answer answer;
    struct addr peers[PEERS_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(parse(&answer, rows[i].body, peers), 0);
        assert_true(span_equals(answer.failure, span_text("no")));
        assert_int_equal(answer.retry_s, rows[i].retry_s);
    }
    assert_int_equal(parse(&answer, "d14:failure reason0:e", peers), 0);
    assert_true(answer.failure.size > 0);
}

static void what_is_no_trackers_answer_is_an_error_with_a_text(void **state)
{
    static const struct {
        const char *body, *text;
    } rows[] = {
        {"", "the tracker's answer is empty"},
        {"<!DOCTYPE html>", "a web page answers, not a tracker"},
        {"not found", NULL},
        {"d8:intervali1800e", NULL},
        {"i5e", "the tracker's answer is no dictionary"},
        {"le", "the tracker's answer is no dictionary"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct spate_error error = {.size = sizeof error};
        struct tracker_answer answer;
        assert_int_equal(
            tracker_http_parse_answer(&answer, span_text(rows[i].body), NULL, 0, &error),
            SPATE_ETRACKER);
        assert_true(error.text[0]);
        if (rows[i].text) {
            assert_string_equal(error.text, rows[i].text);
        }
    }
}

static void every_prefix_and_every_changed_byte_of_an_answer_is_survived(void **state)
{
    static const char whole[] =
        "d8:completei7e11:external ip4:abcd14:failure reason2:no10:incompletei9e8:intervali1800e"
        "5:peersld2:ip7:1.2.3.44:porti80eee6:peers618:abcdefghijklmnopqr8:retry in1:5e";
    struct tracker_answer answer;
    struct addr peers[PEERS_MAX];
    (void)state;
    for (size_t size = 0; size < sizeof whole - 1; size++) {
        char *cut = malloc(size ? size : 1); /* a read beyond it is noticed */
        memcpy(cut, whole, size);
        assert_int_equal(
            tracker_http_parse_answer(&answer, span_of(cut, size), peers, PEERS_MAX, NULL),
            SPATE_ETRACKER);
        free(cut);
    }
    for (size_t i = 0; i < sizeof whole - 1; i++) {
        for (int value = 0; value < 256; value++) {
            char body[sizeof whole];
            memcpy(body, whole, sizeof whole);
            body[i] = (char)value;
            tracker_http_parse_answer(&answer, span_of(body, sizeof whole - 1), peers, PEERS_MAX,
                                      NULL);
            assert_true(answer.peer_count <= PEERS_MAX);
        }
    }
}

static void negative_and_huge_numbers_are_as_if_not_said(void **state)
{
    struct tracker_answer answer;
    (void)state;
    assert_int_equal(parse(&answer,
                           "d8:completei-1e10:incompletei4294967295e8:intervali-5e"
                           "12:min interval3:abce",
                           NULL),
                     0);
    assert_int_equal(answer.seeders, TRACKER_COUNT_UNKNOWN);
    assert_int_equal(answer.leechers, TRACKER_COUNT_UNKNOWN);
    assert_int_equal(answer.interval_s, 0);
    assert_int_equal(answer.min_interval_s, 0);
}

static void a_scrape_finds_its_torrent_among_others(void **state)
{
    static const char body[] =
        "d5:filesd20:aaaaaaaaaaaaaaaaaaaad8:completei1ee"
        "20:hhhhhhhhhhhhhhhhhhhhd8:completei2e10:downloadedi3e10:incompletei4eeee";
    struct tracker_counts counts;
    struct span failure;
    (void)state;
    assert_int_equal(tracker_http_parse_scrape(&counts, &failure, span_text(body),
                                               (const uint8_t *)"hhhhhhhhhhhhhhhhhhhh", NULL),
                     0);
    assert_int_equal(counts.seeders, 2);
    assert_int_equal(counts.completed, 3);
    assert_int_equal(counts.leechers, 4);
    assert_int_equal(tracker_http_parse_scrape(&counts, &failure, span_text(body),
                                               (const uint8_t *)"xxxxxxxxxxxxxxxxxxxx", NULL),
                     SPATE_ETRACKER);
    assert_int_equal(tracker_http_parse_scrape(&counts, &failure,
                                               span_text("d14:failure reason2:noe"),
                                               (const uint8_t *)"xxxxxxxxxxxxxxxxxxxx", NULL),
                     0);
    assert_true(span_equals(failure, span_text("no")));
}

static void the_server_reads_what_the_client_wrote(void **state)
{
    char url[1000];
    struct tracker_http_request request;
    struct tracker_announce a = announce_of(TRACKER_EVENT_COMPLETED, 33);
    (void)state;
    tracker_http_announce_url(span_text("http://t/announce?x=y"), &a, span_text(""), url,
                              sizeof url);
    assert_int_equal(tracker_http_parse_announce(&request, span_text(strchr(url, '?') + 1), NULL),
                     0);
    a.key = 0; /* which the server does not keep */
    assert_memory_equal(&request.announce, &a, sizeof a);
    assert_true(request.compact);
    assert_true(request.no_peer_id);
}

static void the_server_refuses_what_is_missing_or_malformed(void **state)
{
#define GOOD "info_hash=hhhhhhhhhhhhhhhhhhhh&peer_id=pppppppppppppppppppp&port=1"
    static const struct {
        const char *query, *names;
    } rows[] = {
        {"", "info_hash"},
        {"info_hash=hhhhhhhhhhhhhhhhhhh", "info_hash"},
        {"info_hash=hhhhhhhhhhhhhhhhhhhhh", "info_hash"},
        {"info_hash=hhhhhhhhhhhhhhhhhhh%4", "info_hash"},
        {"info_hash=hhhhhhhhhhhhhhhhhhh%4g", "info_hash"},
        {"info_hash=hhhhhhhhhhhhhhhhhhhh", "peer_id"},
        {"info_hash=hhhhhhhhhhhhhhhhhhhh&peer_id=pppppppppppppppppppp", "port"},
        {GOOD "x", "port"},
        {GOOD "99999", "port"},
        {GOOD "&port=", "port"},
        {GOOD, NULL},
        {"&&=&x&" GOOD "&left=99999999999999999999&numwant=-5&event=&compact", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct spate_error error = {.size = sizeof error};
        struct tracker_http_request request;
        int status = tracker_http_parse_announce(&request, span_text(rows[i].query), &error);
        assert_int_equal(status, rows[i].names ? SPATE_EINVAL : 0);
        if (rows[i].names && !strstr(error.text, rows[i].names)) {
            fail_msg("%s: %s", rows[i].query, error.text);
        }
    }
}

static void the_client_reads_what_the_server_wrote(void **state)
{
    uint8_t bytes[4000], id[20] = "pppppppppppppppppppp";
    struct tracker_http_peer entries[3];
    struct addr peers[PEERS_MAX];
    (void)state;
    for (int compact = 0; compact < 2; compact++) {
        for (int v6 = 0; v6 < 2; v6++) {
            struct addr external = v6 ? addr_v6((const uint8_t *)"0123456789abcdef", 0)
                                      : addr_v4((const uint8_t *)"0123", 0);
            for (uint16_t i = 0; i < 3; i++) {
                entries[i] = (struct tracker_http_peer){external, id};
                entries[i].address.port = (uint16_t)(7000 + i);
            }
            struct tracker_http_request request = {.compact = compact};
            struct tracker_http_reply reply = {.interval_s = 1800,
                                               .min_interval_s = 900,
                                               .counts = {1, 2, 3},
                                               .external = external,
                                               .peers = entries,
                                               .peer_count = 3};
            struct tracker_answer answer;
            struct writer w = writer_over(bytes, sizeof bytes);
            tracker_http_write_reply(&w, &request, &reply);
            assert_false(w.failed);
            assert_int_equal(
                tracker_http_parse_answer(&answer, span_of(bytes, w.size), peers, PEERS_MAX, NULL),
                0);
            assert_int_equal(answer.peer_count, 3);
            assert_true(addr_equals(&peers[2], &entries[2].address));
            assert_true(addr_equals(&answer.external, &external));
            assert_int_equal(answer.seeders, 1);
            assert_int_equal(answer.leechers, 3);
            assert_int_equal(answer.interval_s, 1800);
            assert_int_equal(answer.min_interval_s, 900);
        }
    }
}

static void a_scrape_is_written_in_order_and_once_each(void **state)
{
    uint8_t bytes[1000];
    struct tracker_http_scraped files[3] = {{.counts = {1, 2, 3}, .downloaders = 3},
                                            {.counts = {4, 5, 6}, .downloaders = 1}};
    (void)state;
    memcpy(files[0].info_hash, "bbbbbbbbbbbbbbbbbbbb", 20);
    memcpy(files[1].info_hash, "aaaaaaaaaaaaaaaaaaaa", 20);
    files[2] = files[0];
    struct writer w = writer_over(bytes, sizeof bytes);
    tracker_http_write_scrape(&w, files, 3);
    assert_true(span_equals(span_of(bytes, w.size),
                            span_text("d5:filesd"
                                      "20:aaaaaaaaaaaaaaaaaaaad8:completei4e10:downloadedi5e11:"
                                      "downloadersi1e10:incompletei6ee"
                                      "20:bbbbbbbbbbbbbbbbbbbbd8:completei1e10:downloadedi2e11:"
                                      "downloadersi3e10:incompletei3ee"
                                      "ee")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_announce_url_keeps_its_own_query),
        cmocka_unit_test(event_want_and_tracker_id_are_said_when_there_are_any),
        cmocka_unit_test(a_url_that_speaks_in_our_name_is_refused),
        cmocka_unit_test(the_scrape_url_follows_the_convention),
        cmocka_unit_test(compact_peers_of_both_families_are_read),
        cmocka_unit_test(lists_of_peers_are_read_but_names_are_not_looked_up),
        cmocka_unit_test(no_more_peers_are_taken_than_there_is_room_for),
        cmocka_unit_test(a_cut_off_entry_is_no_peer),
        cmocka_unit_test(a_refusal_says_why_and_when_to_come_again),
        cmocka_unit_test(what_is_no_trackers_answer_is_an_error_with_a_text),
        cmocka_unit_test(every_prefix_and_every_changed_byte_of_an_answer_is_survived),
        cmocka_unit_test(negative_and_huge_numbers_are_as_if_not_said),
        cmocka_unit_test(a_scrape_finds_its_torrent_among_others),
        cmocka_unit_test(the_server_reads_what_the_client_wrote),
        cmocka_unit_test(the_server_refuses_what_is_missing_or_malformed),
        cmocka_unit_test(the_client_reads_what_the_server_wrote),
        cmocka_unit_test(a_scrape_is_written_in_order_and_once_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
