/* URLs: what is a URL, what must never become part of a request, and what must never reach a log. */
#include "base/limits.h"
#include "codec/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>

static bool is(struct span text, const char *expected)
{
    return span_equals(text, span_text(expected));
}

static void the_parts_of_a_url_are_found(void **state)
{
    (void)state;
    static const struct {
        const char *text, *scheme, *userinfo, *host;
        uint16_t port;
        const char *path, *query, *path_and_query;
    } table[] = {
        {"http://t.example/announce", "http", "", "t.example", 80, "/announce", "", "/announce"},
        {"HTTPS://T.Example", "HTTPS", "", "T.Example", 443, "", "", ""},
        {"udp://t.example:6969/a/b?c=d&e", "udp", "", "t.example", 6969, "/a/b", "c=d&e",
         "/a/b?c=d&e"},
        {"udp://t.example", "udp", "", "t.example", 0, "", "", ""},
        {"udp://t.example:80?x", "udp", "", "t.example", 80, "", "x", "?x"},
        {"http://[2001:db8::1]:8080/x#frag", "http", "", "2001:db8::1", 8080, "/x", "", "/x"},
        {"http://[::1]", "http", "", "::1", 80, "", "", ""},
        {"http://1.2.3.4:1/?", "http", "", "1.2.3.4", 1, "/", "", "/?"},
        {"http://us%20er:p@h/", "http", "us%20er:p", "h", 80, "/", "", "/"},
        {"http://h:/x", "http", "", "h", 80, "/x", "", "/x"},
        {"http://h/a?b?c/d", "http", "", "h", 80, "/a", "b?c/d", "/a?b?c/d"},
        {"http://h/a:b@c", "http", "", "h", 80, "/a:b@c", "", "/a:b@c"},
        {"http://a_b-c.d.:65535/", "http", "", "a_b-c.d.", 65535, "/", "", "/"},
        {"ws+x://h/", "ws+x", "", "h", 0, "/", "", "/"},
        {"http://h/%41%20%c3%bc", "http", "", "h", 80, "/%41%20%c3%bc", "", "/%41%20%c3%bc"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct url u;
        struct spate_error error = {.size = sizeof error};
        if (url_parse(&u, span_text(table[i].text), &error)) {
            fail_msg("%s: %s", table[i].text, error.text);
        }
        if (!is(u.scheme, table[i].scheme) || !is(u.userinfo, table[i].userinfo) ||
            !is(u.host, table[i].host) || u.port != table[i].port || !is(u.path, table[i].path) ||
            !is(u.query, table[i].query) || !is(url_path_and_query(&u), table[i].path_and_query)) {
            fail_msg("%s: a part is wrong", table[i].text);
        }
        assert_int_equal(u.host_is_v6, memchr(u.host.bytes, ':', u.host.size) != NULL);
    }
}

static void what_is_no_url_is_refused_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t offset;
    } table[] = {
        {"", 0},
        {"announce", 8},
        {"://h/", 0},
        {"http:/h/", 4},
        {"http//h/", 4},
        {"1http://h/", 0},
        {"ht*tp://h/", 2},
        {"http://", 7},
        {"http:///path", 7},
        {"http://?x", 7},
        {"http://:80/", 7},
        {"http://h h/", 8},
        {"http://h/a b", 10},
        {" http://h/", 0},
        {"http://h/ ", 9},
        {"http://h/\r\nHost: x", 9},
        {"http://h\t/", 8},
        {"http://h/\x7f", 9},
        {"http://h/\x01", 9},
        {"http://h/%0d%0aX", 9},
        {"http://h/%00", 9},
        {"http://h/?a=%0A", 12},
        {"http://h/%1F", 9},
        {"http://h/%7f", 9},
        {"http://h/%", 9},
        {"http://h/%4", 9},
        {"http://h/%4g", 9},
        {"http://h/\xc3\xbc", 9},
        {"http://\xd0\xb0pple.com/", 7},
        {"http://h\\@evil/", 8},
        {"http://h/<x>", 9},
        {"http://h/\"", 9},
        {"http://a@b@c/", 7},
        {"http://h:80:80/", 7 + 2},
        {"http://h:0/", 9},
        {"http://h:65536/", 9},
        {"http://h:999999/", 9},
        {"http://h:-1/", 9},
        {"http://h:+1/", 9},
        {"http://h:8a/", 9},
        {"http://h%41/", 7},
        {"http://h,x/", 7},
        {"http://.h/", 7},
        {"http://a..b/", 7},
        {"http://./", 7},
        {"http://127.1/", 7},
        {"http://2130706433/", 7},
        {"http://0x7f000001/", 7},
        {"http://0x7f.0.0.1/", 7},
        {"http://127.0.0.0x1/", 7},
        {"http://0177.0.0.1/", 7},
        {"http://1.2.3.4.5/", 7},
        {"http://256.1.1.1/", 7},
        {"http://[::1/", 7},
        {"http://[::1]x/", 7},
        {"http://[]/", 7},
        {"http://[1.2.3.4]/", 7},
        {"http://[fe80::1%25eth0]/", 7},
        {"http://::1/", 7},
        {"http://[v1.x]/", 7},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct url u;
        struct spate_error error = {.size = sizeof error};
        int failed = url_parse(&u, span_text(table[i].text), &error);
        if (failed != SPATE_EURL || error.offset != table[i].offset) {
            fail_msg("'%s': %d at %d: %s", table[i].text, failed, (int)error.offset, error.text);
        }
    }
    struct url u;
    assert_int_equal(url_parse(&u, span_of("http://h/\0", 10), NULL), SPATE_EURL);
}

static void lengths_are_bounded(void **state)
{
    (void)state;
    static char text[LIMIT_URL_BYTES + 2];
    for (size_t size = LIMIT_URL_BYTES - 1; size <= LIMIT_URL_BYTES + 1; size++) {
        struct url u;
        memset(text, 'a', sizeof text);
        memcpy(text, "http://h/", 9);
        assert_int_equal(url_parse(&u, span_of(text, size), NULL),
                         size > LIMIT_URL_BYTES ? SPATE_ELIMIT : 0);
    }
    for (size_t label = 62; label <= 64; label++) {
        struct url u;
        memset(text, 'a', label);
        memcpy(text, "http://", 7);
        memset(text + 7, 'b', label);
        assert_int_equal(url_parse(&u, span_of(text, 7 + label), NULL),
                         label > 63 ? SPATE_EURL : 0);
    }
    for (size_t name = 252; name <= 254; name++) {
        struct url u;
        memcpy(text, "http://", 7);
        for (size_t i = 0; i < name; i++) {
            text[7 + i] = i % 50 == 49 ? '.' : 'c';
        }
        assert_int_equal(url_parse(&u, span_of(text, 7 + name), NULL), name > 253 ? SPATE_EURL : 0);
    }
}

static void schemes_compare_without_case(void **state)
{
    (void)state;
    struct url u;
    assert_int_equal(url_parse(&u, span_text("HtTp://h/"), NULL), 0);
    assert_true(url_has_scheme(&u, "http"));
    assert_false(url_has_scheme(&u, "https"));
    assert_false(url_has_scheme(&u, "htt"));
    assert_false(url_has_scheme(&u, ""));
}

static void every_byte_in_every_place_is_taken_or_refused(void **state)
{
    (void)state;
    static const char text[] = "http://us:pw@[::1]:80/a%41?b=c#d";
    for (size_t at = 0; at < sizeof text - 1; at++) {
        for (int value = 0; value < 256; value++) {
            char copy[sizeof text];
            struct url u;
            struct spate_error error = {.size = sizeof error};
            memcpy(copy, text, sizeof text);
            copy[at] = (char)value;
            if (url_parse(&u, span_of(copy, sizeof copy - 1), &error)) {
                assert_true(error.offset <= sizeof copy - 1);
            } else {
                assert_true(value > 0x20 && value < 0x7f);
                assert_true(u.host.size > 0);
            }
        }
    }
}

static void a_host_and_port_are_just_that(void **state)
{
    (void)state;
    static const char *const bad[] = {"",         "h",     "h:",         ":1",      "h:0",
                                      "h:65536",  "[::1]", "::1:80",     "[::1]80", "h:1 ",
                                      " h:1",     "u@h:1", "h:1/x",      "h/:1",    "[h]:1",
                                      "127.1:80", "h:1:2", "http://h:1", "h\n:1"};
    struct span host;
    uint16_t port;
    assert_true(url_parse_host_port(span_text("[2001:db8::1]:6881"), &host, &port));
    assert_true(is(host, "2001:db8::1") && port == 6881);
    assert_true(url_parse_host_port(span_text("peer.example:1"), &host, &port));
    assert_true(is(host, "peer.example") && port == 1);
    assert_true(url_parse_host_port(span_text("1.2.3.4:65535"), &host, &port));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (url_parse_host_port(span_text(bad[i]), &host, &port)) {
            fail_msg("'%s' was taken", bad[i]);
        }
    }
    assert_false(url_parse_host_port(span_of("h\0:1", 4), &host, &port));
}

static void encoding_goes_both_ways(void **state)
{
    (void)state;
    uint8_t bytes[256], back[256];
    char text[3 * sizeof bytes + 1];
    for (int i = 0; i < 256; i++) {
        bytes[i] = (uint8_t)i;
    }
    assert_true(url_encode(span_of(bytes, sizeof bytes), "", text, sizeof text));
    assert_int_equal(url_decode(span_text(text), back, sizeof back), 256);
    assert_memory_equal(bytes, back, sizeof bytes);
    assert_true(url_encode(span_text("a/b c~\xc3"), "/", text, sizeof text));
    assert_string_equal(text, "a/b%20c~%C3");
    assert_true(url_encode(span_of("\0", 1), "/", text, sizeof text));
    assert_string_equal(text, "%00");
    assert_false(url_encode(span_text("abc"), "", text, 3));
    assert_string_equal(text, "ab");
    assert_false(url_encode(span_text("a b"), "", text, 4));
    assert_string_equal(text, "a");
    assert_int_equal(url_decode(span_text("%4"), back, 9), -1);
    assert_int_equal(url_decode(span_text("%"), back, 9), -1);
    assert_int_equal(url_decode(span_text("%zz"), back, 9), -1);
    assert_int_equal(url_decode(span_text("abc"), back, 2), -1);
    assert_int_equal(url_decode(span_text("a+b"), back, 9), 3);
    assert_memory_equal(back, "a+b", 3);
}

static void secrets_do_not_survive_redaction(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } table[] = {
        {"http://t.example/announce", "http://t.example/announce"},
        {"http://user:SECRET@t.example/a", "http://***@t.example/a"},
        {"http://@t.example/a", "http://***@t.example/a"},
        {"http://a:SECRET@b:SECRET@h/", "http://***@h/"},
        {"http://t/0123456789abcdef0123456789abcdef/announce", "http://t/***/announce"},
        {"http://t/announce.php?passkey=SECRET1&x=1#y",
         "http://t/announce.php?passkey=***&x=***#***"},
        {"http://t/a?SECRETSECRET", "http://t/a?***"},
        {"udp://t:80/?=SECRET&&a=", "udp://t:80/?=***&&a="},
        {"user:SECRET@h/x", "***@h/x"},
        {"http://t/announcements-directory/x", "http://t/announcements-directory/x"},
        {"", ""},
        {"?SECRET", "?***"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char out[200];
        assert_string_equal(url_redact(span_text(table[i].in), out, sizeof out), table[i].out);
        for (size_t size = 1; size < sizeof out; size++) {
            char *exact = malloc(size);
            url_redact(span_text(table[i].in), exact, size);
            assert_true(strlen(exact) < size);
            assert_null(strstr(exact, "SECRET"));
            assert_memory_equal(exact, table[i].out, strlen(exact));
            free(exact);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_parts_of_a_url_are_found),
        cmocka_unit_test(what_is_no_url_is_refused_with_its_place),
        cmocka_unit_test(lengths_are_bounded),
        cmocka_unit_test(schemes_compare_without_case),
        cmocka_unit_test(every_byte_in_every_place_is_taken_or_refused),
        cmocka_unit_test(a_host_and_port_are_just_that),
        cmocka_unit_test(encoding_goes_both_ways),
        cmocka_unit_test(secrets_do_not_survive_redaction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
