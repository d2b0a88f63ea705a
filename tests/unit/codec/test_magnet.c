/* Magnet links: both kinds of hash, all parameters, and nothing that is not one. */
#include "base/limits.h"
#include "base/text.h"
#include "codec/magnet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>
#include <stdio.h>

#define V1 "c12fe1c06bba254a9dc9f519b335aa7c1367a88a"
#define V2 "caf1e1c30e81cb361b9ee167c4aa64228a7fa4fa9f6105232b28ad099f3a302e"

static void take(const char *text, struct magnet *m)
{
    struct spate_error error = {.size = sizeof error};
    if (magnet_parse(m, span_text(text), &error)) {
        fail_msg("%s: %s", text, error.text);
    }
}

static void a_link_is_read(void **state)
{
    (void)state;
    struct magnet m;
    char hex[65];
    take("magnet:?xt=urn:btih:" V1
         "&dn=A+name%20%2B%c3%bc&tr=udp%3A%2F%2Ft%3A80%2Fa&tr.1=http://u/?a%26b"
         "&ws=http://w/"
         "&x.pe=1.2.3.4:5&x.pe=%5B::1%5D:6&x.pe=bad&xl=99&so=0,2,4,6-8&xt.2=urn:btmh:1220" V2,
         &m);
    assert_true(m.has_v1 && m.has_v2);
    text_hex(m.info_hash, 20, hex);
    assert_string_equal(hex, V1);
    text_hex(m.info_hash_v2, 32, hex);
    assert_string_equal(hex, V2);
    assert_string_equal(m.name, "A name +\xc3\xbc");
    assert_int_equal(m.tracker_count, 2);
    assert_string_equal(m.trackers[0], "udp://t:80/a");
    assert_string_equal(m.trackers[1], "http://u/?a&b");
    assert_int_equal(m.web_seed_count, 1);
    assert_int_equal(m.peer_count, 2);
    assert_string_equal(m.peers[0], "1.2.3.4:5");
    assert_string_equal(m.peers[1], "[::1]:6");
    assert_int_equal(m.range_count, 4);
    assert_int_equal(m.ranges[3].first, 6);
    assert_int_equal(m.ranges[3].last, 8);
    magnet_deinit(&m);
}

static void base32_says_the_same_as_hexadecimal(void **state)
{
    (void)state;
    static const char *const links[] = {
        "magnet:?xt=urn:btih:YEX6DQDLXISUVHOJ6UM3GNNKPQJWPKEK",
        "magnet:?xt=urn:btih:yex6dqdlxisuvhoj6um3gnnkpqjwpkek",
        "MAGNET:?XT=URN:BTIH:C12FE1C06BBA254A9DC9F519B335AA7C1367A88A",
        "magnet:?xt.1=urn:btih:" V1 "&xt.2=urn:btih:" V1
        "&xt=urn:ed2k:354B15E68FB8F36D7CD88FF94116CDC1"};
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        struct magnet m;
        char hex[41];
        take(links[i], &m);
        text_hex(m.info_hash, 20, hex);
        assert_string_equal(hex, V1);
        assert_null(m.name);
        magnet_deinit(&m);
    }
}

static void what_is_no_magnet_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "magnet:",
        "magnet:?",
        "http://x/?xt=urn:btih:" V1,
        "magnet:?dn=name",
        "magnet:?xt=" V1,
        "magnet:?xt=urn:btih:",
        "magnet:?xt=urn:btih:1234",
        "magnet:?xt=urn:btih:" V1 "0",
        "magnet:?xt=urn:btih:z12fe1c06bba254a9dc9f519b335aa7c1367a88a",
        "magnet:?xt=urn:btih:1EX6DQDLXISUVHOJ6UM3GNNKPQJWPKEK",
        "magnet:?xt=urn:btih:0EX6DQDLXISUVHOJ6UM3GNNKPQJWPKE=",
        "magnet:?xt=urn:btmh:" V2,
        "magnet:?xt=urn:btmh:1120" V2,
        "magnet:?xt=urn:btmh:1220" V2 "00",
        "magnet:?xt=urn:btih:" V1 "&xt=urn:btih:d12fe1c06bba254a9dc9f519b335aa7c1367a88a",
        "magnet:?xt=urn:btmh:1220" V2
        "&xt=urn:btmh:1220daf1e1c30e81cb361b9ee167c4aa64228a7fa4fa9f6105232b28"
        "ad099f3a302e",
        "magnet:?xt=urn:btih:" V1 "&dn=%",
        "magnet:?xt=urn:btih:" V1 "&tr=%zz",
        "magnet:?xt=urn:btih:" V1 "&so=1,",
        "magnet:?xt=urn:btih:" V1 "&so=,1",
        "magnet:?xt=urn:btih:" V1 "&so=5-2",
        "magnet:?xt=urn:btih:" V1 "&so=1-",
        "magnet:?xt=urn:btih:" V1 "&so=1--2",
        "magnet:?xt=urn:btih:" V1 "&so=a",
        "magnet:?xt=urn:btih:" V1 "&so=4294967296",
        "magnet:?xt=urn:btih:" V1 "&so=1 2",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct magnet m;
        struct spate_error error = {.size = sizeof error};
        int failed = magnet_parse(&m, span_text(bad[i]), &error);
        if (failed != SPATE_EMAGNET || error.offset > strlen(bad[i]) || m.arena.blocks) {
            fail_msg("'%s': %d", bad[i], failed);
        }
    }
}

static void parameters_that_are_no_use_are_left_out(void **state)
{
    (void)state;
    struct magnet m;
    take("magnet:?&&=&tr&tr=&tr=a%20b&tr=%0d%0a&tr=%ff&dn=&dn=x%00y%ffz&dn=second&x.pe=h:0&x.pe=%"
         "0a:1"
         "&xt.=urn:btih:no&xtra=1&ws=%7f&so=&xt=urn:btih:" V1,
         &m);
    assert_int_equal(m.tracker_count, 0);
    assert_int_equal(m.web_seed_count, 0);
    assert_int_equal(m.peer_count, 0);
    assert_int_equal(m.range_count, 0);
    assert_string_equal(m.name, "x?y?z");
    magnet_deinit(&m);
}

static void lists_stop_at_their_limits(void **state)
{
    (void)state;
    static char text[LIMIT_MAGNET_BYTES + 100];
    for (uint32_t extra = 0; extra < 3; extra++) {
        size_t used = (size_t)snprintf(text, sizeof text, "magnet:?xt=urn:btih:" V1);
        for (uint32_t i = 0; i < LIMIT_TRACKERS - 1 + extra; i++) {
            used += (size_t)snprintf(text + used, sizeof text - used, "&tr=u%u&ws=w%u", i, i);
        }
        for (uint32_t i = 0; i < LIMIT_MAGNET_PEERS - 1 + extra; i++) {
            used += (size_t)snprintf(text + used, sizeof text - used, "&x.pe=h:%u", i + 1);
        }
        struct magnet m;
        take(text, &m);
        assert_int_equal(m.tracker_count, LIMIT_TRACKERS - (extra == 0));
        assert_int_equal(m.web_seed_count, LIMIT_WEB_SEEDS - (extra == 0));
        assert_int_equal(m.peer_count, LIMIT_MAGNET_PEERS - (extra == 0));
        magnet_deinit(&m);
    }
    for (size_t size = LIMIT_MAGNET_BYTES - 1; size <= LIMIT_MAGNET_BYTES + 1; size++) {
        struct magnet m;
        memset(text, 'a', sizeof text);
        size_t used = (size_t)snprintf(text, sizeof text, "magnet:?xt=urn:btih:" V1 "&dn=");
        text[used] = 'a';
        int failed = magnet_parse(&m, span_of(text, size), NULL);
        assert_int_equal(failed, size > LIMIT_MAGNET_BYTES ? SPATE_ELIMIT : 0);
        if (!failed) {
            assert_int_equal(strlen(m.name), size - used);
            magnet_deinit(&m);
        }
    }
    /* The longest list of files a link can hold. */
    struct magnet m;
    size_t used = (size_t)snprintf(text, sizeof text, "magnet:?xt=urn:btih:" V1 "&so=");
    for (; used < LIMIT_MAGNET_BYTES - 1; used += 2) {
        memcpy(text + used, "1,", 2);
    }
    text[used - 1] = 0;
    take(text, &m);
    assert_true(m.range_count > 8000);
    magnet_deinit(&m);
}

static void what_is_written_reads_back(void **state)
{
    (void)state;
    const char *trackers[] = {"http://t/a?b=c&d", "udp://[::1]:80"},
               *web_seeds[] = {"http://w/x y"};
    const char *peers[] = {"[::1]:80"};
    const struct magnet_range ranges[] = {{0, 0}, {2, 4}};
    struct magnet m = {.has_v1 = true,
                       .has_v2 = true,
                       .info_hash = {0xab},
                       .info_hash_v2 = {0xcd},
                       .name = "a+b c&d=\xc3\xbc%",
                       .trackers = trackers,
                       .tracker_count = 2,
                       .web_seeds = web_seeds,
                       .web_seed_count = 1,
                       .peers = peers,
                       .peer_count = 1,
                       .ranges = ranges,
                       .range_count = 2};
    char text[600];
    size_t length = magnet_write(&m, text, sizeof text);
    assert_int_equal(length, strlen(text));
    struct magnet back;
    take(text, &back);
    assert_true(back.has_v1 && back.has_v2);
    assert_memory_equal(back.info_hash, m.info_hash, 20);
    assert_memory_equal(back.info_hash_v2, m.info_hash_v2, 32);
    assert_string_equal(back.name, m.name);
    assert_int_equal(back.tracker_count, 2);
    assert_string_equal(back.trackers[0], trackers[0]);
    assert_string_equal(back.trackers[1], trackers[1]);
    assert_int_equal(back.web_seed_count, 0); /* a space is no part of a URL */
    assert_string_equal(back.peers[0], peers[0]);
    assert_int_equal(back.range_count, 2);
    assert_int_equal(back.ranges[1].last, 4);
    magnet_deinit(&back);
    for (size_t size = 0; size <= length; size++) {
        char *exact = malloc(size + !size);
        assert_int_equal(magnet_write(&m, exact, size), length);
        if (size > 0) {
            assert_int_equal(strlen(exact), size - 1);
            assert_memory_equal(exact, text, size - 1);
        }
        free(exact);
    }
    const struct magnet v2 = {.has_v2 = true};
    magnet_write(&v2, text, sizeof text);
    assert_memory_equal(text, "magnet:?xt=urn:btmh:12200000", 28);
}

static void every_change_of_one_byte_is_taken_or_refused(void **state)
{
    (void)state;
    static const char text[] =
        "magnet:?xt=urn:btih:" V1 "&dn=a%20b&tr=udp%3A%2F%2Ft&x.pe=[::1]:6&so=1,2-3";
    for (size_t at = 0; at < sizeof text - 1; at++) {
        for (int value = 0; value < 256; value++) {
            char *exact = malloc(sizeof text - 1);
            struct magnet m;
            struct spate_error error = {.size = sizeof error};
            memcpy(exact, text, sizeof text - 1);
            exact[at] = (char)value;
            if (magnet_parse(&m, span_of(exact, sizeof text - 1), &error)) {
                assert_true(error.offset <= sizeof text - 1 && error.text[0]);
            } else {
                assert_true(m.has_v1);
                magnet_deinit(&m);
            }
            free(exact);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_link_is_read),
        cmocka_unit_test(base32_says_the_same_as_hexadecimal),
        cmocka_unit_test(what_is_no_magnet_is_refused),
        cmocka_unit_test(parameters_that_are_no_use_are_left_out),
        cmocka_unit_test(lists_stop_at_their_limits),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(every_change_of_one_byte_is_taken_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
