/* The map against an array indexed by key. */
#include "base/dice.h"
#include "base/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>
#include <string.h>

enum { KEYS = 700, STEPS = 60000 };

static void random_operations_agree_with_the_model(void **state)
{
    (void)state;
    static int values[KEYS];
    void *model[KEYS] = {NULL};
    const uint64_t seed[2] = {3, 4};
    struct map map;
    struct dice dice;
    size_t count = 0;
    dice_init(&dice, 3);
    map_init(&map, sizeof(uint32_t), seed);
    for (int step = 0; step < STEPS; step++) {
        uint32_t key = dice_below(&dice, KEYS);
        uint32_t odds = step / 3000 % 2 ? 5 : 1; /* grows, shrinks, grows */
        if (dice_below(&dice, 6) < odds) {
            void *value = &values[dice_below(&dice, KEYS)];
            assert_int_equal(map_put(&map, &key, value), 0);
            count += !model[key];
            model[key] = value;
        } else {
            assert_ptr_equal(map_remove(&map, &key), model[key]);
            count -= model[key] != NULL;
            model[key] = NULL;
        }
        assert_int_equal(map.count, count);
        uint32_t other = dice_below(&dice, KEYS);
        assert_ptr_equal(map_get(&map, &other), model[other]);
    }
    size_t seen = 0, cursor = 0;
    while (map_each(&map, &cursor)) {
        seen++;
    }
    assert_int_equal(seen, count);
    for (uint32_t key = 0; key < KEYS; key++) {
        assert_ptr_equal(map_get(&map, &key), model[key]);
    }
    map_deinit(&map);
}

static void an_empty_map_finds_and_removes_nothing(void **state)
{
    (void)state;
    const uint64_t seed[2] = {0, 0};
    struct map map;
    uint8_t key[32] = {1};
    size_t cursor = 0;
    map_init(&map, sizeof key, seed);
    assert_null(map_get(&map, key));
    assert_null(map_remove(&map, key));
    assert_null(map_each(&map, &cursor));
    map_deinit(&map);
}

/* SipHash-1-3 by its definition, byte by byte, as the second opinion. */
static uint64_t siphash_slowly(const uint64_t key[2], const uint8_t *bytes, size_t size)
{
    uint64_t v0 = key[0] ^ UINT64_C(0x736f6d6570736575), v1 = key[1] ^ UINT64_C(0x646f72616e646f6d);
    uint64_t v2 = key[0] ^ UINT64_C(0x6c7967656e657261), v3 = key[1] ^ UINT64_C(0x7465646279746573);
    size_t words = size / 8 + 1;
    for (size_t w = 0; w < words + 3; w++) {
        uint64_t m = 0;
        for (size_t i = 0; i < 8 && w < words; i++) {
            uint64_t byte = w * 8 + i < size             ? bytes[w * 8 + i]
                            : w * 8 + i == words * 8 - 1 ? size
                                                         : 0;
            m |= (byte & 0xff) << (8 * i);
        }
        if (w == words) {
            v2 ^= 0xff;
        }
        v3 ^= m;
        v0 += v1;
        v1 = (v1 << 13 | v1 >> 51) ^ v0;
        v0 = v0 << 32 | v0 >> 32;
        v2 += v3;
        v3 = (v3 << 16 | v3 >> 48) ^ v2;
        v0 += v3;
        v3 = (v3 << 21 | v3 >> 43) ^ v0;
        v2 += v1;
        v1 = (v1 << 17 | v1 >> 47) ^ v2;
        v2 = v2 << 32 | v2 >> 32;
        v0 ^= m;
    }
    return v0 ^ v1 ^ v2 ^ v3;
}

static void the_hash_is_siphash_1_3(void **state)
{
    (void)state;
    const uint64_t key[2] = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
    uint8_t bytes[64];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)i;
        assert_true(map_siphash(key, bytes, i) == siphash_slowly(key, bytes, i));
    }
    assert_true(map_siphash(key, bytes, 0) == UINT64_C(0xabac0158050fc4dc));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations_agree_with_the_model),
        cmocka_unit_test(an_empty_map_finds_and_removes_nothing),
        cmocka_unit_test(the_hash_is_siphash_1_3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
