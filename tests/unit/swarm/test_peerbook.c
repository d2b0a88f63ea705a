/* Known addresses of one torrent. */
#include "base/dice.h"
#include "base/limits.h"
#include "swarm/peerbook.h"

#include "spate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
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

static struct addr parsed(const char *text)
{
    struct addr a;
    assert_true(addr_parse(&a, span_text(text)));
    return a;
}

static int add(struct peerbook *b, uint32_t number, enum peer_source source)
{
    struct addr a = host(number, 6881);
    int result = peerbook_add(b, &a, source, S);
    assert_true(peerbook_is_consistent(b));
    return result;
}

static struct addr next(struct peerbook *b, int64_t now_ns)
{
    struct addr a;
    assert_int_equal(peerbook_deadline(b, now_ns), now_ns);
    assert_true(peerbook_next(b, now_ns, &a));
    assert_true(peerbook_is_consistent(b));
    return a;
}

static bool none(struct peerbook *b, int64_t now_ns)
{
    struct addr a;
    return !peerbook_next(b, now_ns, &a);
}

static void addresses_that_cannot_be_peers_are_refused(void **state)
{
    (void)state;
    struct peerbook b;
    peerbook_init(&b, NULL, 1);
    const char *bad[] = {
        "0.0.0.0:6881", "224.1.2.3:6881", "255.255.255.255:6881", "1.2.3.4",
        "[::]:6881",    "[ff02::1]:6881", "1.2.3.4:80",           "[64:ff9b::e000:1]:9999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct addr a = parsed(bad[i]);
        assert_int_equal(peerbook_add(&b, &a, PEER_SOURCE_TRACKER, S), SPATE_EINVAL);
    }
    assert_int_equal(peerbook_count(&b), 0);
    struct addr low = parsed("1.2.3.4:80"), zero = parsed("1.2.3.4");
    assert_int_equal(peerbook_add(&b, &low, PEER_SOURCE_USER, S), 1);
    assert_int_equal(peerbook_add(&b, &zero, PEER_SOURCE_USER, S), SPATE_EINVAL);
    assert_int_equal(peerbook_add(&b, &low, PEER_SOURCE_USER, S), 0);
    assert_true(peerbook_is_consistent(&b));
    peerbook_deinit(&b);
}

static void the_users_peers_come_first_and_then_the_trackers(void **state)
{
    (void)state;
    struct peerbook b;
    peerbook_init(&b, NULL, 1);
    add(&b, 1, PEER_SOURCE_PEX);
    add(&b, 2, PEER_SOURCE_TRACKER);
    add(&b, 3, PEER_SOURCE_USER);
    const uint32_t order[] = {3, 2, 1};
    for (int i = 0; i < 3; i++) {
        struct addr a = next(&b, S), expected = host(order[i], 6881);
        assert_true(addr_equals(&a, &expected));
    }
    assert_true(none(&b, S));
    assert_int_equal(peerbook_deadline(&b, S), INT64_MAX);
    peerbook_deinit(&b);
}

/* The pauses after failures in a row, in seconds, are within a quarter above these. */
static void check_pauses(struct peerbook *b, int64_t now, const int64_t *pauses, int count)
{
    for (int i = 0; i < count; i++) {
        struct addr a = next(b, now);
        peerbook_on_failed(b, &a, now);
        int64_t pause = peerbook_deadline(b, now) - now;
        assert_true(pause >= pauses[i] * S && pause <= pauses[i] * S * 5 / 4);
        assert_true(none(b, now + pause - 1));
        now += pause;
    }
}

static void a_user_given_peer_is_retried_quickly_and_for_ever(void **state)
{
    (void)state;
    struct peerbook b;
    const int64_t pauses[] = {1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60};
    struct strangers s;
    strangers_init(&s, seed);
    peerbook_init(&b, &s, 1);
    add(&b, 1, PEER_SOURCE_USER);
    check_pauses(&b, S, pauses, 11);
    peerbook_deinit(&b);
    strangers_deinit(&s);
}

static void a_stranger_backs_off_for_long(void **state)
{
    (void)state;
    struct peerbook b;
    const int64_t pauses[] = {900, 1800, 3600, 21600, 21600};
    struct strangers s;
    strangers_init(&s, seed);
    peerbook_init(&b, &s, 1);
    add(&b, 1, PEER_SOURCE_TRACKER);
    check_pauses(&b, S, pauses, 5);
    peerbook_deinit(&b);
    strangers_deinit(&s);
}

static void a_proven_peer_is_tried_again_soon(void **state)
{
    (void)state;
    struct peerbook b;
    const int64_t pauses[] = {30, 60, 120, 3600, 3600};
    struct strangers s;
    strangers_init(&s, seed);
    peerbook_init(&b, &s, 1);
    add(&b, 1, PEER_SOURCE_TRACKER);
    struct addr a = next(&b, S);
    peerbook_on_connected(&b, &a, S);
    assert_int_equal(peerbook_deadline(&b, S), INT64_MAX);
    peerbook_on_closed(&b, &a, 1000 * S);
    int64_t again = peerbook_deadline(&b, 1000 * S);
    assert_true(again >= 1030 * S && again <= 1038 * S);
    check_pauses(&b, again, pauses, 5);
    peerbook_deinit(&b);
    strangers_deinit(&s);
}

static void a_connection_that_ends_at_once_is_a_failure(void **state)
{
    (void)state;
    struct peerbook b;
    int64_t now = S, last = 0;
    peerbook_init(&b, NULL, 1);
    add(&b, 1, PEER_SOURCE_TRACKER);
    for (int i = 0; i < 4; i++) {
        struct addr a = next(&b, now);
        peerbook_on_connected(&b, &a, now);
        peerbook_on_closed(&b, &a, now + S);
        int64_t pause = peerbook_deadline(&b, now + S) - now - S;
        assert_true(pause > last);
        last = pause;
        now += S + pause;
    }
    assert_true(last >= 3600 * S);
    peerbook_deinit(&b);
}

/* How often an address named in many torrents, with many ports, is dialled in an hour. */
static uint32_t attempts_at_a_victim(void (*answers)(struct peerbook *, const struct addr *,
                                                     int64_t))
{
    enum { TORRENTS = 40 };
    struct peerbook books[TORRENTS];
    struct strangers s;
    uint32_t attempts = 0;
    strangers_init(&s, seed);
    for (uint32_t i = 0; i < TORRENTS; i++) {
        peerbook_init(&books[i], &s, i);
        for (uint16_t port = 6881; port < 6900; port++) {
            struct addr a = host(1, port);
            assert_int_equal(peerbook_add(&books[i], &a, PEER_SOURCE_TRACKER, S), 1);
        }
    }
    for (int64_t now = S; now < 3601 * S; now += S) {
        for (uint32_t i = 0; i < TORRENTS; i++) {
            struct addr a;
            while (peerbook_next(&books[i], now, &a)) {
                attempts++;
                answers(&books[i], &a, now);
            }
        }
    }
    for (uint32_t i = 0; i < TORRENTS; i++) {
        assert_true(peerbook_is_consistent(&books[i]));
        peerbook_deinit(&books[i]);
    }
    strangers_deinit(&s);
    return attempts;
}

static void a_victim_named_in_many_torrents_gets_few_attempts(void **state)
{
    (void)state;
    assert_int_equal(attempts_at_a_victim(peerbook_on_failed), 3);
    assert_int_equal(attempts_at_a_victim(peerbook_on_broken_off), 3);
    assert_int_equal(attempts_at_a_victim(peerbook_on_refused), 20);
}

static void a_peer_behind_dead_ports_of_its_address_is_found_at_once(void **state)
{
    (void)state;
    enum { DEAD = 12 };
    for (uint64_t lot = 1; lot <= 50; lot++) {
        struct peerbook b;
        struct strangers s;
        struct addr under_way[3], a, alive = host(1, 6881 + DEAD);
        uint32_t count = 0, dialled = 0;
        bool found = false;
        strangers_init(&s, seed);
        peerbook_init(&b, &s, lot);
        for (uint16_t i = 0; i <= DEAD; i++) {
            a = host(1, (uint16_t)(6881 + i));
            assert_int_equal(peerbook_add(&b, &a, PEER_SOURCE_TRACKER, S), 1);
        }
        while (!found) {
            while (count < 3 && peerbook_next(&b, S, &under_way[count])) {
                count++;
                dialled++;
            }
            assert_true(count > 0 && none(&b, S));
            found = addr_equals(&under_way[0], &alive);
            if (!found) {
                peerbook_on_refused(&b, &under_way[0], S);
                under_way[0] = under_way[--count];
            }
            assert_true(peerbook_is_consistent(&b));
        }
        assert_true(dialled <= DEAD + 1);
        peerbook_deinit(&b);
        strangers_deinit(&s);
    }
}

static void a_port_that_was_refused_goes_behind_those_that_were_not_tried(void **state)
{
    (void)state;
    struct peerbook b;
    struct strangers s;
    struct addr a, refused = host(1, 6881);
    strangers_init(&s, seed);
    peerbook_init(&b, &s, 1);
    add(&b, 1, PEER_SOURCE_TRACKER);
    a = next(&b, S);
    peerbook_on_refused(&b, &a, S);
    int64_t later = 3700 * S;
    for (uint16_t port = 6882; port < 6884; port++) {
        a = host(1, port);
        peerbook_add(&b, &a, PEER_SOURCE_TRACKER, S);
    }
    peerbook_add(&b, &refused, PEER_SOURCE_TRACKER, later); /* even when it is named again */
    for (int i = 0; i < 3; i++) {
        a = next(&b, later);
        assert_int_equal(addr_equals(&a, &refused), i == 2);
    }
    peerbook_deinit(&b);
    strangers_deinit(&s);
}

static void who_was_named_last_is_dialled_first(void **state)
{
    (void)state;
    struct peerbook b;
    peerbook_init(&b, NULL, 1);
    for (uint32_t i = 0; i < 40; i++) {
        add(&b, i, PEER_SOURCE_TRACKER);
    }
    for (uint32_t i = 0; i < 40;
         i += 10) { /* the next answer; three of the four were there before */
        struct addr a = host(i ? i : 100, 6881);
        peerbook_add(&b, &a, PEER_SOURCE_TRACKER, 1800 * S);
    }
    for (int i = 0; i < 41; i++) {
        struct addr a = next(&b, 1800 * S);
        uint32_t number =
            (uint32_t)(a.ip[0] << 24 | a.ip[1] << 16 | a.ip[2] << 8 | a.ip[3]) - 0x50000000;
        bool named_last = number == 10 || number == 20 || number == 30 || number == 100;
        assert_int_equal(named_last, i < 4);
    }
    peerbook_deinit(&b);
}

static void a_dial_that_was_broken_off_is_an_attempt_and_no_failure(void **state)
{
    (void)state;
    struct peerbook b;
    struct strangers s;
    strangers_init(&s, seed);
    peerbook_init(&b, &s, 1);
    add(&b, 1, PEER_SOURCE_TRACKER);
    struct addr a = next(&b, S);
    peerbook_on_broken_off(&b, &a, 5 * S);
    assert_true(none(&b, 5 * S));
    assert_int_equal(peerbook_deadline(&b, 5 * S), 601 * S);
    a = next(&b, 601 * S);
    peerbook_on_failed(&b, &a, 601 * S);
    assert_true(peerbook_deadline(&b, 601 * S) <= (601 + 900 * 5 / 4) * S);
    peerbook_deinit(&b);
    strangers_deinit(&s);
}

static void many_peers_behind_one_address_are_dialled_once_one_is_proven(void **state)
{
    (void)state;
    struct peerbook b;
    struct strangers s;
    struct addr first = {0}, a;
    uint32_t dialled = 0;
    strangers_init(&s, seed);
    peerbook_init(&b, &s, 1);
    for (uint16_t port = 6881; port < 6891; port++) {
        a = host(1, port);
        peerbook_add(&b, &a, PEER_SOURCE_TRACKER, S);
    }
    while (peerbook_next(&b, S, &a)) {
        first = dialled++ == 0 ? a : first;
    }
    assert_int_equal(dialled, 3);
    strangers_on_proven(&s, &first); /* the session knows already */
    peerbook_on_connected(&b, &first, S);
    assert_true(peerbook_is_consistent(&b));
    while (peerbook_next(&b, S, &a)) {
        dialled++;
    }
    assert_int_equal(dialled, 10);
    peerbook_deinit(&b);
    strangers_deinit(&s);
}

static uint32_t told;

static void count_ready(struct peerbook *b)
{
    (void)b;
    told++;
}

static void what_one_torrent_proves_is_dialled_by_the_others_at_once(void **state)
{
    (void)state;
    struct peerbook first, second;
    struct strangers s;
    struct addr a;
    strangers_init(&s, seed);
    peerbook_init(&first, &s, 1);
    peerbook_init(&second, &s, 2);
    second.on_ready = count_ready;
    told = 0;
    add(&first, 1, PEER_SOURCE_TRACKER);
    add(&second, 1, PEER_SOURCE_TRACKER);
    add(&second, 2, PEER_SOURCE_TRACKER);
    struct addr proven = next(&first, S);
    struct addr other = next(&second, S);
    assert_false(addr_equals(&proven, &other));
    assert_false(peerbook_next(&second, S, &a));
    assert_true(peerbook_is_consistent(&second));
    assert_true(peerbook_deadline(&second, S) >= 600 * S);
    strangers_on_proven(&s, &other); /* somebody else: no news */
    assert_int_equal(told, 0);
    peerbook_on_connected(&first, &proven, S);
    assert_int_equal(told, 1);
    assert_true(peerbook_is_consistent(&second));
    assert_int_equal(peerbook_deadline(&second, S), S);
    a = next(&second, S);
    assert_true(addr_equals(&proven, &a));
    peerbook_on_connected(&first, &proven, S);
    assert_int_equal(told, 1);
    peerbook_deinit(&first);
    peerbook_deinit(&second);
    strangers_deinit(&s);
}

static void who_is_gone_hears_of_no_proof(void **state)
{
    (void)state;
    struct peerbook first, second;
    struct strangers s;
    struct addr a;
    strangers_init(&s, seed);
    peerbook_init(&first, &s, 1);
    peerbook_init(&second, &s, 2);
    second.on_ready = count_ready;
    told = 0;
    add(&first, 1, PEER_SOURCE_TRACKER);
    add(&second, 1, PEER_SOURCE_TRACKER);
    struct addr proven = next(&first, S);
    assert_false(peerbook_next(&second, S, &a));
    peerbook_deinit(&second);
    peerbook_on_connected(&first, &proven, S);
    assert_int_equal(told, 0);
    peerbook_deinit(&first);
    strangers_deinit(&s);
}

static void a_dial_that_was_not_made_is_no_failure(void **state)
{
    (void)state;
    struct peerbook b;
    struct strangers s;
    strangers_init(&s, seed);
    peerbook_init(&b, &s, 1);
    add(&b, 1, PEER_SOURCE_TRACKER);
    struct addr a = next(&b, S);
    peerbook_undo(&b, &a, 5 * S);
    assert_int_equal(peerbook_deadline(&b, S), 5 * S);
    a = next(&b, 5 * S);
    peerbook_on_failed(&b, &a, 5 * S);
    assert_true(peerbook_deadline(&b, 5 * S) <= (5 + 900 * 5 / 4) * S);
    peerbook_deinit(&b);
    strangers_deinit(&s);
}

static void the_loser_of_two_crossing_connections_is_no_failure(void **state)
{
    (void)state;
    struct peerbook b;
    peerbook_init(&b, NULL, 1);
    add(&b, 1, PEER_SOURCE_TRACKER);
    struct addr a = next(&b, S);
    peerbook_on_connected(&b, &a, 2 * S); /* it came to us meanwhile */
    peerbook_on_failed(&b, &a, 3 * S);    /* ours was closed as the second */
    assert_int_equal(peerbook_deadline(&b, 3 * S), INT64_MAX);
    peerbook_on_closed(&b, &a, 500 * S);
    assert_true(peerbook_deadline(&b, 500 * S) <= 540 * S);
    peerbook_deinit(&b);
}

static void a_ban_is_of_the_ip_address_and_ends(void **state)
{
    (void)state;
    struct peerbook b, other;
    struct addr a = host(1, 6881), same_ip = host(1, 7000);
    peerbook_init(&b, NULL, 1);
    peerbook_init(&other, NULL, 1);
    add(&b, 1, PEER_SOURCE_TRACKER);
    assert_int_equal(peerbook_ban(&b, &same_ip, 100 * S), 0);
    assert_true(peerbook_is_banned(&b, &a, 99 * S));
    assert_false(peerbook_is_banned(&b, &a, 100 * S));
    assert_false(peerbook_is_banned(&other, &a, 50 * S));
    assert_int_equal(peerbook_add(&b, &same_ip, PEER_SOURCE_TRACKER, 50 * S), SPATE_EBLOCKED);
    assert_true(none(&b, 50 * S));
    assert_int_equal(peerbook_deadline(&b, 50 * S), 100 * S);
    struct addr got = next(&b, 100 * S);
    assert_true(addr_equals(&got, &a));
    peerbook_deinit(&b);
    peerbook_deinit(&other);
}

static void bans_are_bounded(void **state)
{
    (void)state;
    struct peerbook b;
    struct addr first = host(0, 1), second = host(1, 1), last = host(LIMIT_PEERBOOK_BANS, 1);
    peerbook_init(&b, NULL, 1);
    for (uint32_t i = 0; i <= LIMIT_PEERBOOK_BANS; i++) {
        struct addr a = host(i, 1);
        assert_int_equal(peerbook_ban(&b, &a, (1000 + i) * S), 0);
    }
    assert_false(peerbook_is_banned(&b, &first, S));
    assert_true(peerbook_is_banned(&b, &second, S));
    assert_true(peerbook_is_banned(&b, &last, S));
    assert_true(peerbook_is_consistent(&b));
    peerbook_deinit(&b);
}

static void a_seed_does_not_dial_seeds(void **state)
{
    (void)state;
    struct peerbook b;
    struct addr a = host(1, 6881);
    peerbook_init(&b, NULL, 1);
    add(&b, 1, PEER_SOURCE_TRACKER);
    peerbook_on_seed(&b, &a, true);
    peerbook_set_seeding(&b, true, S);
    assert_true(none(&b, S));
    assert_int_equal(peerbook_deadline(&b, S), INT64_MAX);
    peerbook_set_seeding(&b, false, S);
    struct addr got = next(&b, S);
    assert_true(addr_equals(&got, &a));
    peerbook_deinit(&b);
}

static void we_never_dial_ourselves_again(void **state)
{
    (void)state;
    struct peerbook b;
    peerbook_init(&b, NULL, 1);
    add(&b, 1, PEER_SOURCE_USER);
    struct addr a = next(&b, S);
    peerbook_on_self(&b, &a);
    peerbook_on_failed(&b, &a, S);
    peerbook_on_closed(&b, &a, S);
    peerbook_set_seeding(&b, true, S);
    peerbook_set_seeding(&b, false, S);
    assert_true(none(&b, 100000 * S));
    assert_int_equal(peerbook_add(&b, &a, PEER_SOURCE_USER, S), SPATE_EBLOCKED);
    assert_true(peerbook_is_consistent(&b));
    peerbook_deinit(&b);
}

static void a_full_book_drops_the_least_useful(void **state)
{
    (void)state;
    struct peerbook b;
    peerbook_init(&b, NULL, 1);
    add(&b, 0, PEER_SOURCE_TRACKER);
    struct addr failed = next(&b, S);
    peerbook_on_failed(&b, &failed, S);
    for (uint32_t i = 1; i < LIMIT_PEERBOOK; i++) {
        struct addr a = host(i, 6881);
        assert_int_equal(peerbook_add(&b, &a, PEER_SOURCE_TRACKER, S), 1);
    }
    assert_int_equal(peerbook_count(&b), LIMIT_PEERBOOK);
    /* the one that failed goes, then nobody */
    assert_int_equal(add(&b, LIMIT_PEERBOOK, PEER_SOURCE_TRACKER), 1);
    assert_int_equal(peerbook_count(&b), LIMIT_PEERBOOK);
    assert_int_equal(add(&b, LIMIT_PEERBOOK + 1, PEER_SOURCE_TRACKER), SPATE_ELIMIT);
    assert_int_equal(add(&b, LIMIT_PEERBOOK + 1, PEER_SOURCE_PEX), SPATE_ELIMIT);
    /* but for the user's there is room */
    assert_int_equal(add(&b, LIMIT_PEERBOOK + 1, PEER_SOURCE_USER), 1);
    assert_int_equal(peerbook_count(&b), LIMIT_PEERBOOK);
    struct addr got = next(&b, S), user = host(LIMIT_PEERBOOK + 1, 6881);
    assert_true(addr_equals(&got, &user));
    peerbook_deinit(&b);
}

static void no_history_confuses_it(void **state)
{
    (void)state;
    enum { HOSTS = 60 };
    struct peerbook b;
    struct strangers s;
    struct dice dice;
    struct addr a;
    int64_t now = S;
    dice_init(&dice, 5);
    strangers_init(&s, seed);
    peerbook_init(&b, &s, 3);
    for (int step = 0; step < 30000; step++) {
        now += (int64_t)dice_below(&dice, 100) * S;
        a = host(dice_below(&dice, HOSTS), (uint16_t)(6881 + dice_below(&dice, 3)));
        switch (dice_below(&dice, 14)) {
        case 0:
            peerbook_add(&b, &a, (enum peer_source)dice_below(&dice, 4), now);
            break;
        case 1:
            peerbook_on_connected(&b, &a, now);
            break;
        case 2:
            peerbook_on_failed(&b, &a, now);
            break;
        case 3:
        case 4:
            peerbook_on_closed(&b, &a, now);
            break;
        case 5:
            peerbook_on_seed(&b, &a, dice_below(&dice, 2));
            break;
        case 6:
            peerbook_set_seeding(&b, dice_below(&dice, 3) == 0, now);
            break;
        case 7:
            if (dice_below(&dice, 20) == 0) {
                assert_int_equal(peerbook_ban(&b, &a, now + 3600 * S), 0);
            }
            break;
        case 8:
            if (dice_below(&dice, 400) == 0) {
                peerbook_on_self(&b, &a);
            }
            break;
        case 9:
            peerbook_on_refused(&b, &a, now);
            break;
        case 10:
            peerbook_on_broken_off(&b, &a, now);
            break;
        default: {
            struct addr out;
            int64_t deadline = peerbook_deadline(&b, now);
            bool found = peerbook_next(&b, now, &out);
            assert_true(!found || deadline <= now);
            assert_true(!found || !peerbook_is_banned(&b, &out, now));
            assert_true(found || peerbook_deadline(&b, now) > now);
        }
        }
        assert_true(peerbook_is_consistent(&b));
        assert_true(strangers_is_consistent(&s));
    }
    peerbook_deinit(&b);
    strangers_deinit(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_that_cannot_be_peers_are_refused),
        cmocka_unit_test(the_users_peers_come_first_and_then_the_trackers),
        cmocka_unit_test(a_user_given_peer_is_retried_quickly_and_for_ever),
        cmocka_unit_test(a_stranger_backs_off_for_long),
        cmocka_unit_test(a_proven_peer_is_tried_again_soon),
        cmocka_unit_test(a_connection_that_ends_at_once_is_a_failure),
        cmocka_unit_test(a_victim_named_in_many_torrents_gets_few_attempts),
        cmocka_unit_test(a_peer_behind_dead_ports_of_its_address_is_found_at_once),
        cmocka_unit_test(a_port_that_was_refused_goes_behind_those_that_were_not_tried),
        cmocka_unit_test(who_was_named_last_is_dialled_first),
        cmocka_unit_test(a_dial_that_was_broken_off_is_an_attempt_and_no_failure),
        cmocka_unit_test(many_peers_behind_one_address_are_dialled_once_one_is_proven),
        cmocka_unit_test(what_one_torrent_proves_is_dialled_by_the_others_at_once),
        cmocka_unit_test(who_is_gone_hears_of_no_proof),
        cmocka_unit_test(a_dial_that_was_not_made_is_no_failure),
        cmocka_unit_test(the_loser_of_two_crossing_connections_is_no_failure),
        cmocka_unit_test(a_ban_is_of_the_ip_address_and_ends),
        cmocka_unit_test(bans_are_bounded),
        cmocka_unit_test(a_seed_does_not_dial_seeds),
        cmocka_unit_test(we_never_dial_ourselves_again),
        cmocka_unit_test(a_full_book_drops_the_least_useful),
        cmocka_unit_test(no_history_confuses_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
