/* Addresses: parsing, formatting, and the kinds that decide whom we talk to. */
#include "base/addr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>

static struct addr parsed(const char *text)
{
    struct addr a = {0};
    if (!addr_parse(&a, span_text(text))) {
        a.family = ADDR_NONE;
    }
    return a;
}

static void what_is_formatted_parses_again(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "1.2.3.4:80", "255.255.255.255:65535", "0.0.0.0", "[::1]:6881", "2001:db8::1",
        "::",         "[fe80::1]:443",         "10.0.0.1"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char text[ADDR_TEXT_MAX];
        struct addr a = parsed(texts[i]);
        assert_int_not_equal(a.family, ADDR_NONE);
        assert_string_equal(addr_format(&a, text), texts[i]);
    }
    char text[ADDR_TEXT_MAX];
    struct addr none = {0}, bare = parsed("[2001:db8::1]");
    assert_string_equal(addr_format(&none, text), "-");
    assert_string_equal(addr_format(&bare, text), "2001:db8::1");
}

static void what_is_no_address_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",           "1.2.3",     "1.2.3.4:",     "1.2.3.4:65536", "1.2.3.4:-1",     "1.2.3.4:80x",
        "01.2.3.4",   "256.1.1.1", "[::1",         "[::1]80",       "[::1]:",         "::1:80:x",
        "[1.2.3.4]x", "localhost", "fe80::1%eth0", " 1.2.3.4",      "1.2.3.4 ",       "0x7f.0.0.1",
        "1.2.3.4:+8", "[]",        "[]:80",        ":80",           "1.2.3.4:000001", "[:::]:1",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct addr a;
        if (addr_parse(&a, span_text(texts[i]))) {
            fail_msg("'%s' was taken for an address", texts[i]);
        }
    }
    struct addr a;
    assert_false(addr_parse(&a, span_of("1.2.3.4\0", 8)));
    uint8_t endless[300] = {0};
    memset(endless, '1', sizeof endless);
    assert_false(addr_parse(&a, span_of(endless, sizeof endless)));
}

static void the_compact_form_is_that_of_bep_23_and_bep_7(void **state)
{
    (void)state;
    uint8_t bytes[18];
    struct addr a = parsed("1.2.3.4:6881");
    assert_int_equal(addr_compact_bytes(&a), 6);
    addr_compact(&a, bytes);
    assert_memory_equal(bytes, "\x01\x02\x03\x04\x1a\xe1", 6);
    struct addr back = addr_from_compact(bytes, ADDR_V4);
    assert_true(addr_equals(&a, &back));
    a = parsed("[2001:db8::7]:6881");
    assert_int_equal(addr_compact_bytes(&a), 18);
    addr_compact(&a, bytes);
    back = addr_from_compact(bytes, ADDR_V6);
    assert_true(addr_equals(&a, &back));
    struct addr other = parsed("[2001:db8::7]:6882");
    assert_false(addr_equals(&a, &other));
    assert_true(addr_same_ip(&a, &other));
}

static void a_network_is_an_ipv4_address_or_an_ipv6_64(void **state)
{
    (void)state;
    struct addr a = parsed("1.2.3.4:1"), b = parsed("1.2.3.4:2"), c = parsed("1.2.3.5:1");
    assert_true(addr_same_network(&a, &b));
    assert_false(addr_same_network(&a, &c));
    struct addr d = parsed("[2001:db8::7]:1"), e = parsed("[2001:db8::8:7]:1"),
                f = parsed("[2001:db8:0:1::7]:1"), g = parsed("[102:304::]:1");
    assert_true(addr_same_network(&d, &e));
    assert_false(addr_same_network(&d, &f));
    assert_false(addr_same_network(&a, &g));
}

static void a_mapped_address_is_the_ipv4_one(void **state)
{
    (void)state;
    struct addr a = parsed("::ffff:1.2.3.4"), b = parsed("1.2.3.4");
    assert_int_equal(a.family, ADDR_V4);
    assert_true(addr_equals(&a, &b));
}

static void kinds_of_address_are_known(void **state)
{
    (void)state;
    enum { LOOPBACK = 1, SPECIAL = 2, PRIVATE = 4 };
    static const struct {
        const char *text;
        int kind;
    } table[] = {
        {"8.8.8.8", 0},
        {"2001:db8::1", 0},
        {"127.0.0.1", LOOPBACK},
        {"127.255.0.9", LOOPBACK},
        {"::1", LOOPBACK},
        {"::ffff:127.0.0.1", LOOPBACK},
        {"64:ff9b::7f00:1", LOOPBACK},
        {"2002:7f00:1::", LOOPBACK},
        {"0.0.0.0", SPECIAL},
        {"0.1.2.3", SPECIAL},
        {"::", SPECIAL},
        {"224.0.0.1", SPECIAL},
        {"240.0.0.1", SPECIAL},
        {"255.255.255.255", SPECIAL},
        {"ff02::1", SPECIAL},
        {"64:ff9b::e000:1", SPECIAL},
        {"10.0.0.1", PRIVATE},
        {"11.0.0.1", 0},
        {"172.16.0.1", PRIVATE},
        {"172.31.255.255", PRIVATE},
        {"172.32.0.1", 0},
        {"192.168.1.1", PRIVATE},
        {"192.169.1.1", 0},
        {"169.254.169.254", PRIVATE},
        {"100.64.0.1", PRIVATE},
        {"100.128.0.1", 0},
        {"fe80::1", PRIVATE},
        {"fc00::1", PRIVATE},
        {"fdff::1", PRIVATE},
        {"fec0::1", 0},
        {"64:ff9b::c0a8:101", PRIVATE},
        {"2002:c0a8:101::", PRIVATE},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct addr a = parsed(table[i].text);
        int kind = (addr_is_loopback(&a) ? LOOPBACK : 0) | (addr_is_special(&a) ? SPECIAL : 0) |
                   (addr_is_private(&a) ? PRIVATE : 0);
        if (kind != table[i].kind) {
            fail_msg("%s: %d", table[i].text, kind);
        }
    }
    struct addr none = {0}, any = parsed("::");
    assert_true(addr_is_special(&none));
    assert_true(addr_is_any(&any));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_formatted_parses_again),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(the_compact_form_is_that_of_bep_23_and_bep_7),
        cmocka_unit_test(a_network_is_an_ipv4_address_or_an_ipv6_64),
        cmocka_unit_test(a_mapped_address_is_the_ipv4_one),
        cmocka_unit_test(kinds_of_address_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
