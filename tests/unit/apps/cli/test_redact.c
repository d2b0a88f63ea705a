/* Secrets in URLs do not reach screens; local addresses are known by their looks. */
#include "apps/cli/locality.h"
#include "apps/cli/redact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_redacted(const char *text, const char *expected)
{
    char out[512];
    assert_string_equal(redact_text(text, out, sizeof out), expected);
}

static void secrets_become_stars(void **state)
{
    (void)state;
    assert_redacted("http://t.example/a1b2c3d4e5f60718293a4b5c6d7e8f90/announce",
                    "http://t.example/***/announce");
    assert_redacted("https://t.example:443/announce?passkey=secret&x=1",
                    "https://t.example:443/announce?passkey=***&x=***");
    assert_redacted("http://user:pass@t.example/announce", "http://***@t.example/announce");
    assert_redacted("https://t.example/announce.php?0123456789abcdef0123",
                    "https://t.example/announce.php?***");
    assert_redacted("udp://t.example:6969/abcdef0123456789", "udp://t.example:6969/***");
}

static void what_is_no_secret_stays(void **state)
{
    (void)state;
    static const char *const harmless[] = {
        "",
        "no url at all",
        "udp://tracker.example:6969/announce",
        "http://[2001:db8::1]:80/announce",
        "https://example.org/debian.torrent",
        "://",
        "http://",
        "http://example.org/a-rather-long-word-without-numbers",
    };
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++) {
        assert_redacted(harmless[i], harmless[i]);
    }
}

static void urls_inside_a_sentence_are_found(void **state)
{
    (void)state;
    assert_redacted("tracker http://t/?k=v says: 'see https://u:p@w/x' now",
                    "tracker http://t/?k=*** says: 'see https://***@w/x' now");
}

static void it_fits_wherever_it_has_to(void **state)
{
    (void)state;
    char out[64];
    for (size_t size = 1; size <= sizeof out; size++) {
        redact_text("http://user:pass@t.example/a1b2c3d4e5f60718293a4b5c6d7e8f90/?a=b&c=d#e", out,
                    size);
        assert_true(strlen(out) < size);
    }
}

static void local_addresses_are_known(void **state)
{
    (void)state;
    static const char *const local[] = {
        "http://127.0.0.1:80/announce",
        "udp://10.1.2.3:6969",
        "http://192.168.0.1/",
        "172.31.0.1:80",
        "[::1]:6881",
        "http://[fe80::1]/",
        "http://[fd00::1]:80/x",
        "::1",
        "169.254.1.1",
        "localhost:80",
        "http://u:p@nas/x",
        "http://printer.local/",
        "http://a.localhost",
        "100.64.0.1",
        "[::ffff:10.0.0.1]:1",
    };
    static const char *const global[] = {
        "http://example.org/",
        "udp://8.8.8.8:1",
        "172.32.0.1",
        "[2001:db8::1]:80",
        "100.128.0.1",
        "http://local.example.org/",
        "https://10.0.0.1.example.org/",
        "",
    };
    for (size_t i = 0; i < sizeof local / sizeof *local; i++) {
        assert_true(locality_is_local(local[i]));
    }
    for (size_t i = 0; i < sizeof global / sizeof *global; i++) {
        assert_false(locality_is_local(global[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets_become_stars),
        cmocka_unit_test(what_is_no_secret_stays),
        cmocka_unit_test(urls_inside_a_sentence_are_found),
        cmocka_unit_test(it_fits_wherever_it_has_to),
        cmocka_unit_test(local_addresses_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
