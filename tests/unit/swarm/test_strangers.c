/* How often strangers are dialled. */
#include "base/dice.h"
#include "base/limits.h"
#include "swarm/strangers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants the above first */
#include <cmocka.h>

#define S INT64_C(1000000000)

static const uint64_t seed[2] = {1, 2};

static struct addr host(uint32_t number, uint16_t port)
{
    uint8_t ip[4];
    store_be32(ip, 0x50000000 + number);
    return addr_v4(ip, port);
}

static void a_stranger_is_dialled_once_in_ten_minutes(void **state)
{
    (void)state;
    struct strangers s;
    struct addr a = host(1, 6881);
    int64_t retry;
    strangers_init(&s, seed);
    assert_true(strangers_dial(&s, &a, 1000 * S, &retry));
    assert_false(strangers_dial(&s, &a, 1000 * S, &retry));
    assert_int_equal(retry, 1600 * S);
    assert_false(strangers_dial(&s, &a, 1600 * S - 1, &retry));
    assert_true(strangers_dial(&s, &a, 1600 * S, &retry));
    assert_true(strangers_is_consistent(&s));
    strangers_deinit(&s);
}

static void an_ip_address_gets_three_attempts_an_hour_whatever_the_port(void **state)
{
    (void)state;
    struct strangers s;
    int64_t retry;
    strangers_init(&s, seed);
    for (uint16_t port = 2000; port < 2100; port++) {
        struct addr a = host(1, port);
        bool dialled = strangers_dial(&s, &a, (1000 + port) * S, &retry);
        assert_int_equal(dialled, port < 2003);
    }
    assert_int_equal(retry, (3000 + 3600) * S);
    struct addr again = host(1, 2099);
    assert_false(strangers_dial(&s, &again, retry - 1, &retry));
    assert_true(strangers_dial(&s, &again, retry, &retry));
    assert_true(strangers_is_consistent(&s));
    strangers_deinit(&s);
}

static void a_silent_victim_gets_at_most_three_an_hour_from_many_torrents(void **state)
{
    (void)state;
    struct strangers s;
    struct dice dice;
    int64_t attempts[1000], now = S;
    uint32_t count = 0;
    dice_init(&dice, 3);
    strangers_init(&s, seed);
    while (now < 24 * 3600 * S) {
        int64_t retry;
        struct addr a = host(7, (uint16_t)(6881 + dice_below(&dice, 50)));
        if (strangers_dial(&s, &a, now, &retry)) {
            attempts[count++] = now;
        } else {
            assert_true(retry > now);
        }
        now += (int64_t)dice_below(&dice, 20) * S;
    }
    assert_true(count > 24);
    for (uint32_t i = 3; i < count; i++) {
        assert_true(attempts[i] - attempts[i - 3] >= 3600 * S);
    }
    strangers_deinit(&s);
}

static void a_proven_address_is_no_stranger_on_any_port(void **state)
{
    (void)state;
    struct strangers s;
    struct addr a = host(1, 6881), b = host(1, 6882), other = host(2, 6881);
    int64_t retry;
    strangers_init(&s, seed);
    assert_true(strangers_dial(&s, &a, S, &retry));
    strangers_on_proven(&s, &a);
    for (int i = 0; i < 10; i++) {
        assert_true(strangers_dial(&s, &a, 2 * S, &retry));
        assert_true(strangers_dial(&s, &b, 2 * S, &retry));
    }
    assert_true(strangers_is_proven(&s, &b));
    assert_false(strangers_is_proven(&s, &other));
    strangers_on_proven(&s, &other); /* it came to us */
    assert_true(strangers_is_proven(&s, &other));
    assert_true(strangers_is_consistent(&s));
    strangers_deinit(&s);
}

static void an_attempt_that_was_not_made_does_not_count(void **state)
{
    (void)state;
    struct strangers s;
    struct addr a = host(1, 6881), b = host(2, 6881), other_port = host(1, 6882);
    int64_t retry;
    strangers_init(&s, seed);
    strangers_undo(&s, &a);
    assert_true(strangers_dial(&s, &a, S, &retry));
    strangers_undo(&s, &other_port);
    assert_false(strangers_dial(&s, &a, S, &retry));
    strangers_undo(&s, &a);
    assert_int_equal(s.unproven_count, 0);
    assert_true(strangers_dial(&s, &a, S, &retry));
    assert_true(strangers_dial(&s, &b, 2 * S, &retry));
    assert_true(strangers_dial(&s, &other_port, 3 * S, &retry));
    strangers_undo(&s, &other_port);
    assert_true(strangers_is_consistent(&s));
    assert_false(strangers_dial(&s, &a, 3 * S, &retry));
    assert_true(strangers_dial(&s, &other_port, 3 * S, &retry));
    assert_true(strangers_is_consistent(&s));
    strangers_deinit(&s);
}

static void a_full_table_refuses_rather_than_forgets(void **state)
{
    (void)state;
    struct strangers s;
    int64_t retry;
    strangers_init(&s, seed);
    for (uint32_t i = 0; i < LIMIT_STRANGERS; i++) {
        struct addr a = host(i, 6881);
        assert_true(strangers_dial(&s, &a, 10 * S, &retry));
    }
    struct addr one_more = host(LIMIT_STRANGERS, 6881), first = host(0, 6881);
    assert_false(strangers_dial(&s, &one_more, 11 * S, &retry));
    assert_false(strangers_dial(&s, &first, 11 * S, &retry));
    assert_true(strangers_dial(&s, &one_more, 3610 * S, &retry));
    assert_true(strangers_is_consistent(&s));
    /* proof is always remembered, at the expense of the oldest */
    for (uint32_t i = 0; i <= LIMIT_STRANGERS; i++) {
        struct addr a = host(i, 6881);
        strangers_on_proven(&s, &a);
    }
    struct addr second = host(1, 6881);
    assert_false(strangers_is_proven(&s, &first));
    assert_true(strangers_is_proven(&s, &second));
    assert_true(strangers_is_proven(&s, &one_more));
    assert_true(strangers_is_consistent(&s));
    strangers_deinit(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stranger_is_dialled_once_in_ten_minutes),
        cmocka_unit_test(an_ip_address_gets_three_attempts_an_hour_whatever_the_port),
        cmocka_unit_test(a_silent_victim_gets_at_most_three_an_hour_from_many_torrents),
        cmocka_unit_test(a_proven_address_is_no_stranger_on_any_port),
        cmocka_unit_test(an_attempt_that_was_not_made_does_not_count),
        cmocka_unit_test(a_full_table_refuses_rather_than_forgets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
