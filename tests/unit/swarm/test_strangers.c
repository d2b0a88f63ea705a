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

static void an_ip_address_that_refuses_gets_twenty_attempts_an_hour(void **state)
{
    (void)state;
    struct strangers s;
    int64_t retry;
    strangers_init(&s, seed);
    for (uint16_t i = 0; i < 100; i++) {
        struct addr a = host(1, (uint16_t)(2000 + i));
        assert_int_equal(strangers_dial(&s, &a, (1000 + i) * S, &retry), i < 20);
        strangers_on_refused(&s, &a);
        assert_true(strangers_is_consistent(&s));
    }
    assert_int_equal(retry, (1000 + 3600) * S);
    struct addr again = host(1, 2099), other = host(2, 2099);
    assert_true(strangers_dial(&s, &other, 1100 * S, &retry));
    assert_false(strangers_dial(&s, &again, 4600 * S - 1, &retry));
    assert_true(strangers_dial(&s, &again, 4600 * S, &retry));
    strangers_deinit(&s);
}

static void a_port_that_refuses_gets_three_attempts_an_hour(void **state)
{
    (void)state;
    struct strangers s;
    struct addr a = host(1, 6881), b = host(1, 6882);
    int64_t retry;
    strangers_init(&s, seed);
    for (int i = 0; i < 3; i++) {
        assert_true(strangers_dial(&s, &a, (1000 + i * 600) * S, &retry));
        strangers_on_refused(&s, &a);
        assert_false(strangers_dial(&s, &a, (1599 + i * 600) * S, &retry));
        assert_int_equal(retry, (i < 2 ? 1600 + i * 600 : 4600) * S);
    }
    assert_false(strangers_dial(&s, &a, 4600 * S - 1, &retry));
    assert_true(strangers_dial(&s, &b, 4600 * S - 1, &retry));
    assert_true(strangers_dial(&s, &a, 4600 * S, &retry));
    strangers_deinit(&s);
}

static void three_that_get_no_answer_are_enough_whatever_was_refused_before(void **state)
{
    (void)state;
    struct strangers s;
    int64_t retry;
    uint32_t silent = 0;
    strangers_init(&s, seed);
    for (uint16_t i = 0; i < 20; i++) {
        struct addr a = host(1, (uint16_t)(2000 + i));
        if (strangers_dial(&s, &a, (1000 + i) * S, &retry)) {
            silent += i >= 5;
            if (i < 5) {
                strangers_on_refused(&s, &a);
            }
        }
    }
    assert_int_equal(silent, 3);
    assert_int_equal(retry, (1005 + 3600) * S);
    /* the answer that was waited for */
    struct addr late = host(1, 2006), next = host(1, 2100);
    strangers_on_refused(&s, &late);
    assert_true(strangers_dial(&s, &next, 1100 * S, &retry));
    /* a second answer to one attempt is none */
    strangers_on_refused(&s, &late);
    struct addr one_more = host(1, 2101);
    assert_false(strangers_dial(&s, &one_more, 1100 * S, &retry));
    assert_true(strangers_is_consistent(&s));
    strangers_deinit(&s);
}

static void no_order_of_answers_gets_more_than_was_promised(void **state)
{
    (void)state;
    struct strangers s;
    struct dice dice;
    static struct {
        int64_t at_ns;
        uint16_t port;
        bool refused;
    } made[3000];
    int64_t now = S;
    uint32_t count = 0, refusals = 0;
    dice_init(&dice, 4);
    strangers_init(&s, seed);
    while (now < 100 * 3600 * S) {
        int64_t retry;
        struct addr a = host(7, (uint16_t)(6881 + dice_below(&dice, 12)));
        bool dialled = strangers_dial(&s, &a, now, &retry);
        if (!dialled && dice_below(&dice, 4) == 0) { /* what was said is true */
            assert_true(retry > now);
            now = retry;
            dialled = strangers_dial(&s, &a, now, &retry);
            assert_true(dialled);
        }
        if (dialled) {
            made[count].at_ns = now;
            made[count].port = a.port;
            made[count].refused = dice_below(&dice, 10) > 0;
            if (made[count++].refused) {
                strangers_on_refused(&s, &a);
                refusals++;
            }
        }
        assert_true(strangers_is_consistent(&s));
        now += (int64_t)dice_below(&dice, 200) * S;
    }
    assert_true(refusals > 300);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t all = 0, silent = 0, at_port = 0;
        for (uint32_t k = i; k < count && made[k].at_ns - made[i].at_ns < 3600 * S; k++) {
            bool same = k > i && made[k].port == made[i].port;
            all++;
            silent += !made[k].refused;
            at_port += same;
            assert_true(!same || made[k].at_ns - made[i].at_ns >= 600 * S);
        }
        assert_true(all <= 20 && silent <= 3 && at_port <= 2);
    }
    strangers_deinit(&s);
}

struct listener {
    struct strangers_waiter waiter;
    uint32_t told;
};

static void on_allowed(struct strangers_waiter *waiter, const struct addr *address)
{
    (void)address;
    ((struct listener *)(void *)waiter)->told++;
}

static void who_was_turned_away_hears_of_a_refusal_once(void **state)
{
    (void)state;
    struct strangers s;
    struct listener l = {.waiter = {.on_allowed = on_allowed}};
    int64_t retry;
    strangers_init(&s, seed);
    list_init(&l.waiter.link);
    strangers_wait(&s, &l.waiter);
    for (uint16_t port = 2000; port < 2004; port++) {
        struct addr a = host(1, port);
        assert_int_equal(strangers_dial(&s, &a, S, &retry), port < 2003);
    }
    struct addr first = host(1, 2000), second = host(1, 2001), unknown = host(2, 2000);
    strangers_on_refused(&s, &unknown);
    assert_int_equal(l.told, 0);
    strangers_on_refused(&s, &first);
    assert_int_equal(l.told, 1);
    strangers_on_refused(&s, &second); /* nobody has been turned away since */
    assert_int_equal(l.told, 1);
    list_remove(&l.waiter.link);
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
        cmocka_unit_test(an_ip_address_that_refuses_gets_twenty_attempts_an_hour),
        cmocka_unit_test(a_port_that_refuses_gets_three_attempts_an_hour),
        cmocka_unit_test(three_that_get_no_answer_are_enough_whatever_was_refused_before),
        cmocka_unit_test(no_order_of_answers_gets_more_than_was_promised),
        cmocka_unit_test(who_was_turned_away_hears_of_a_refusal_once),
        cmocka_unit_test(a_proven_address_is_no_stranger_on_any_port),
        cmocka_unit_test(an_attempt_that_was_not_made_does_not_count),
        cmocka_unit_test(a_full_table_refuses_rather_than_forgets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
