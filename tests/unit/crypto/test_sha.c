/* Hashes and the random generator against published vectors and against the plain C truth. */
#include "crypto/chacha.h"
#include "crypto/sha.h"
#include "crypto/sha_reference.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>

static void assert_hex(const uint8_t *bytes, size_t size, const char *expected)
{
    char hex[129];
    text_hex(bytes, size, hex);
    assert_string_equal(hex, expected);
}

static void published_vectors_hold(void **state)
{
    (void)state;
    uint8_t out[32];
    sha1_reference(span_text("abc"), out);
    assert_hex(out, 20, "a9993e364706816aba3e25717850c26c9cd0d89d");
    sha1_of(span_text("abc"), out);
    assert_hex(out, 20, "a9993e364706816aba3e25717850c26c9cd0d89d");
    sha256_reference(span_text("abc"), out);
    assert_hex(out, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256_of(span_text("abc"), out);
    assert_hex(out, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void every_length_agrees_with_the_reference(void **state)
{
    (void)state;
    static uint8_t bytes[1000];
    uint8_t key[32] = {1}, a[32], b[32];
    struct chacha random;
    chacha_init(&random, key);
    chacha_bytes(&random, bytes, sizeof bytes);
    for (size_t size = 0; size < sizeof bytes; size++) {
        sha1_of(span_of(bytes, size), a);
        sha1_reference(span_of(bytes, size), b);
        assert_memory_equal(a, b, 20);
        sha256_of(span_of(bytes, size), a);
        sha256_reference(span_of(bytes, size), b);
        assert_memory_equal(a, b, 32);
    }
}

static void a_state_can_be_set_aside_and_taken_up(void **state)
{
    (void)state;
    static uint8_t bytes[300];
    uint8_t whole[20], parts[20];
    memset(bytes, 7, sizeof bytes);
    sha1_of(span_of(bytes, sizeof bytes), whole);
    for (size_t cut = 0; cut <= sizeof bytes; cut++) {
        struct sha1 first, second;
        sha1_init(&first);
        sha1_update(&first, bytes, cut);
        second = first;
        sha1_update(&second, bytes + cut, sizeof bytes - cut);
        sha1_final(&second, parts);
        assert_memory_equal(whole, parts, 20);
    }
}

static void chacha_matches_rfc_8439(void **state)
{
    (void)state;
    uint8_t key_bytes[32], out[64];
    uint32_t key[8];
    for (int i = 0; i < 32; i++) {
        key_bytes[i] = (uint8_t)i;
    }
    memcpy(key, key_bytes, 32);
    uint32_t nonce[3] = {0x09000000, 0x4a000000, 0};
    chacha_block(key, 1, nonce, out);
    assert_hex(out, 16, "10f1e7e4d13b5915500fdd1fa32071c4");
}

static void random_bytes_do_not_depend_on_how_they_are_drawn(void **state)
{
    (void)state;
    uint8_t key[32] = {9}, at_once[200], in_parts[200];
    struct chacha a, b;
    chacha_init(&a, key);
    chacha_init(&b, key);
    chacha_bytes(&a, at_once, sizeof at_once);
    for (size_t at = 0, n = 1; at < sizeof in_parts; at += n, n = n % 7 + 1) {
        chacha_bytes(&b, in_parts + at, n < sizeof in_parts - at ? n : sizeof in_parts - at);
    }
    assert_memory_equal(at_once, in_parts, sizeof at_once);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_vectors_hold),
        cmocka_unit_test(every_length_agrees_with_the_reference),
        cmocka_unit_test(a_state_can_be_set_aside_and_taken_up),
        cmocka_unit_test(chacha_matches_rfc_8439),
        cmocka_unit_test(random_bytes_do_not_depend_on_how_they_are_drawn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
