/* Whom to unchoke. */
#include "base/dice.h"
#include "swarm/choker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#define S INT64_C(1000000000)

enum { PEERS = 12 };

struct world {
    struct choker choker;
    struct choker_peer peers[PEERS];
};

static void begin(struct world *w, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    choker_init(&w->choker, seed);
    for (uint32_t i = 0; i < PEERS; i++) {
        w->peers[i] = (struct choker_peer){.key = i, .interested = true, .connected_at_ns = S + i};
    }
}

static uint32_t run(struct world *w, uint32_t slots, bool seeding, int64_t now_ns)
{
    uint32_t changes = choker_run(&w->choker, w->peers, PEERS, slots, seeding, now_ns);
    assert_true(choker_is_consistent(&w->choker, w->peers, PEERS, slots, now_ns));
    return changes;
}

static uint32_t unchoked(const struct world *w)
{
    uint32_t count = 0;
    for (int i = 0; i < PEERS; i++) {
        count += w->peers[i].unchoked;
    }
    return count;
}

static void a_free_slot_is_given_at_once(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 1);
    assert_int_equal(run(&w, 4, false, 10 * S), 4);
    assert_int_equal(unchoked(&w), 4);
    int holder = 0;
    while (!w.peers[holder].unchoked) {
        holder++;
    }
    /* a holder loses interest after its 10 s: another takes over in the same call */
    w.peers[holder].interested = false;
    run(&w, 4, false, 21 * S);
    assert_false(w.peers[holder].unchoked);
    assert_int_equal(unchoked(&w), 4);
    /* and when slots grow */
    run(&w, 6, false, 21 * S);
    assert_int_equal(unchoked(&w), 6);
}

static void who_wants_nothing_keeps_the_slot_until_somebody_wants_it(void **state)
{
    (void)state;
    struct world w;
    for (int seeding = 0; seeding < 2; seeding++) {
        begin(&w, 1);
        for (int i = 4; i < PEERS; i++) {
            w.peers[i].interested = false;
        }
        assert_int_equal(run(&w, 4, seeding, 10 * S), 4);
        w.peers[0].interested = false;
        assert_int_equal(run(&w, 4, seeding, 25 * S), 0);
        assert_true(w.peers[0].unchoked);
        assert_int_equal(choker_deadline(&w.choker), INT64_MAX);
        w.peers[0].interested = true; /* and need not wait */
        assert_int_equal(run(&w, 4, seeding, 26 * S), 0);
        w.peers[0].interested = false;
        w.peers[5].interested = true;
        assert_int_equal(run(&w, 4, seeding, 27 * S), 2);
        assert_false(w.peers[0].unchoked);
        assert_true(w.peers[5].unchoked);
    }
}

static void nobody_uninterested_and_no_seed_is_unchoked(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 1);
    for (int i = 0; i < PEERS; i++) {
        w.peers[i].interested = i == 3 || i == 5;
    }
    w.peers[5].is_seed = true;
    run(&w, 8, false, 10 * S);
    assert_int_equal(unchoked(&w), 1);
    assert_true(w.peers[3].unchoked);
    assert_int_equal(choker_deadline(&w.choker), INT64_MAX);
}

static void nothing_is_reversed_within_ten_seconds(void **state)
{
    (void)state;
    struct dice dice;
    dice_init(&dice, 8);
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct world w;
        bool before[PEERS] = {0};
        int64_t changed[PEERS] = {0}, now = 10 * S;
        begin(&w, seed);
        for (int step = 0; step < 400; step++) {
            now += dice_below(&dice, 2000) * (S / 1000);
            struct choker_peer *p = &w.peers[dice_below(&dice, PEERS)];
            p->interested = dice_below(&dice, 4) > 0;
            p->down_rate = dice_below(&dice, 1000);
            p->uploaded_since_unchoke += dice_below(&dice, 2);
            p->snubbed = dice_below(&dice, 9) == 0;
            bool seeding = seed % 2 == 0;
            uint32_t slots = 2 + dice_below(&dice, 3);
            uint32_t reported = run(&w, slots, seeding, now), changes = 0;
            for (int i = 0; i < PEERS; i++) {
                if (w.peers[i].unchoked != before[i]) {
                    assert_true(changed[i] == 0 || now - changed[i] >= 10 * S);
                    changed[i] = now;
                    before[i] = w.peers[i].unchoked;
                    changes++;
                }
            }
            assert_int_equal(reported, changes);
            /* a second look in the same moment changes nothing */
            assert_int_equal(run(&w, slots, seeding, now), 0);
        }
    }
}

static void those_that_send_most_are_served(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 1);
    int64_t now = 10 * S;
    for (int i = 0; i < PEERS; i++) {
        w.peers[i].down_rate = (uint64_t)i * 1000;
    }
    for (int i = 0; i < 20; i++, now += 10 * S) {
        run(&w, 4, false, now);
    }
    assert_int_equal(unchoked(&w), 4);
    assert_true(w.peers[PEERS - 1].unchoked);
    assert_true(w.peers[PEERS - 2].unchoked);
    assert_true(w.peers[PEERS - 3].unchoked);
    /* the best stops sending */
    w.peers[PEERS - 1].snubbed = true;
    run(&w, 4, false, now);
    assert_true(w.peers[PEERS - 4].unchoked);
    assert_true(!w.peers[PEERS - 1].unchoked || w.peers[PEERS - 1].optimistic);
}

static void one_slot_is_on_trial_and_moves_every_thirty_seconds(void **state)
{
    (void)state;
    struct world w;
    bool tried[PEERS] = {0};
    int64_t now = 10 * S, since = 0;
    int last = -1;
    begin(&w, 3);
    for (int i = 0; i < 3; i++) {
        w.peers[i].down_rate = 1000;
    }
    for (int step = 0; step < 20000; step++, now += S / 10) {
        run(&w, 4, false, now);
        int trial = -1;
        for (int i = 0; i < PEERS; i++) {
            if (w.peers[i].optimistic) {
                assert_int_equal(trial, -1);
                trial = i;
            }
        }
        assert_true(trial >= 3);
        if (trial != last) {
            assert_true(last < 0 || now - since >= 30 * S);
            assert_true(last < 0 || now - since <= 31 * S);
            last = trial;
            since = now;
        }
        tried[trial] = true;
    }
    for (int i = 3; i < PEERS; i++) {
        assert_true(tried[i]);
    }
}

static void newcomers_are_three_times_as_likely(void **state)
{
    (void)state;
    uint32_t newcomer = 0, runs = 4000;
    for (uint64_t seed = 0; seed < runs; seed++) {
        struct world w;
        begin(&w, seed);
        for (int i = 0; i < PEERS; i++) {
            w.peers[i].interested = i < 4;
            w.peers[i].unchoked_at_ns = 2 * S;
            w.peers[i].choked_at_ns = 20 * S;
        }
        w.peers[0].down_rate = w.peers[1].down_rate = 10;
        w.peers[0].unchoked = w.peers[1].unchoked = true;
        w.peers[2].unchoked_at_ns = w.peers[2].choked_at_ns = 0;
        w.choker.optimistic_ns = 90 * S;
        choker_run(&w.choker, w.peers, PEERS, 3, false, 100 * S);
        assert_int_equal(unchoked(&w), 3);
        newcomer += w.peers[2].unchoked;
    }
    assert_in_range(newcomer, runs * 70 / 100, runs * 80 / 100);
}

static void a_trial_that_pays_becomes_regular(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 3);
    w.peers[0].down_rate = w.peers[1].down_rate = w.peers[2].down_rate = 1000;
    run(&w, 4, false, 10 * S);
    int trial = 0;
    while (!w.peers[trial].optimistic) {
        trial++;
    }
    w.peers[trial].down_rate = 5000;
    run(&w, 4, false, 22 * S);
    assert_true(w.peers[trial].unchoked);
    assert_false(w.peers[trial].optimistic);
}

static void a_seed_serves_everybody_in_turn(void **state)
{
    (void)state;
    struct world w;
    int64_t served_ns[PEERS] = {0}, now = 10 * S;
    begin(&w, 3);
    int64_t end = now + 3600 * S;
    while (now < end) {
        for (int i = 0; i < PEERS; i++) {
            w.peers[i].uploaded_since_unchoke += w.peers[i].unchoked;
        }
        run(&w, 3, true, now);
        int64_t next = choker_deadline(&w.choker);
        assert_true(next > now && next <= now + 10 * S);
        for (int i = 0; i < PEERS; i++) {
            served_ns[i] += w.peers[i].unchoked ? next - now : 0;
        }
        assert_int_equal(unchoked(&w), 3);
        now = next;
    }
    int64_t fair = 3600 * S * 3 / PEERS;
    for (int i = 0; i < PEERS; i++) {
        assert_true(served_ns[i] > fair * 8 / 10 && served_ns[i] < fair * 12 / 10);
    }
}

static void a_seed_does_not_keep_an_idle_peer(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 3);
    run(&w, 2, true, 10 * S);
    assert_true(w.peers[0].unchoked && w.peers[1].unchoked);
    w.peers[1].uploaded_since_unchoke = w.peers[1].up_rate = 1;
    run(&w, 2, true, 20 * S);
    assert_false(w.peers[0].unchoked);
    assert_true(w.peers[1].unchoked && w.peers[2].unchoked);
    w.peers[1].up_rate = 0; /* it has taken something, and takes no more */
    run(&w, 2, true, 21 * S);
    assert_false(w.peers[1].unchoked);
    assert_true(w.peers[2].unchoked && w.peers[3].unchoked);
}

static void fewer_slots_choke_the_worst(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 3);
    for (int i = 0; i < PEERS; i++) {
        w.peers[i].down_rate = (uint64_t)(PEERS - i);
    }
    run(&w, PEERS, false, 10 * S);
    assert_int_equal(unchoked(&w), PEERS);
    run(&w, 3, false, 15 * S); /* held */
    assert_int_equal(unchoked(&w), PEERS);
    run(&w, 3, false, 20 * S);
    assert_int_equal(unchoked(&w), 3);
    assert_true(w.peers[0].unchoked);
    run(&w, 0, false, 40 * S);
    assert_int_equal(unchoked(&w), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_free_slot_is_given_at_once),
        cmocka_unit_test(who_wants_nothing_keeps_the_slot_until_somebody_wants_it),
        cmocka_unit_test(nobody_uninterested_and_no_seed_is_unchoked),
        cmocka_unit_test(nothing_is_reversed_within_ten_seconds),
        cmocka_unit_test(those_that_send_most_are_served),
        cmocka_unit_test(one_slot_is_on_trial_and_moves_every_thirty_seconds),
        cmocka_unit_test(newcomers_are_three_times_as_likely),
        cmocka_unit_test(a_trial_that_pays_becomes_regular),
        cmocka_unit_test(a_seed_serves_everybody_in_turn),
        cmocka_unit_test(a_seed_does_not_keep_an_idle_peer),
        cmocka_unit_test(fewer_slots_choke_the_worst),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
