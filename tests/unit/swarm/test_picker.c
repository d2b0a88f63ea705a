/* Which piece to start next. */
#include "base/dice.h"
#include "swarm/picker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>

static void want_all(struct picker *p)
{
    for (uint32_t i = 0; i < p->piece_count; i++) {
        picker_want(p, i, true);
    }
}

static void the_rarest_piece_that_the_peer_has_comes_first(void **state)
{
    (void)state;
    struct picker p;
    struct bitset has;
    assert_int_equal(picker_init(&p, 10, 1), 0);
    assert_int_equal(bitset_init(&has, 10), 0);
    want_all(&p);
    for (uint32_t i = 0; i < 10; i++) {
        for (uint32_t n = 0; n < 10 - i; n++) {
            picker_on_have(&p, i); /* piece 9 is the rarest */
        }
    }
    assert_int_equal(picker_pick(&p, NULL, false), 9);
    bitset_set(&has, 2);
    bitset_set(&has, 5);
    assert_int_equal(picker_pick(&p, &has, false), 5);
    picker_want(&p, 5, false);
    assert_int_equal(picker_pick(&p, &has, false), 2);
    picker_want(&p, 2, false);
    assert_int_equal(picker_pick(&p, &has, false), PICKER_NONE);
    assert_true(picker_is_consistent(&p));
    bitset_deinit(&has);
    picker_deinit(&p);
}

static void ties_are_broken_at_random(void **state)
{
    (void)state;
    uint32_t picked[16] = {0};
    for (uint64_t seed = 0; seed < 1600; seed++) {
        struct picker p;
        assert_int_equal(picker_init(&p, 16, seed), 0);
        want_all(&p);
        picked[picker_pick(&p, NULL, false)]++;
        picker_deinit(&p);
    }
    for (int i = 0; i < 16; i++) {
        assert_in_range(picked[i], 60, 140);
    }
}

static void the_same_seed_picks_the_same(void **state)
{
    (void)state;
    struct picker a, b;
    assert_int_equal(picker_init(&a, 500, 77), 0);
    assert_int_equal(picker_init(&b, 500, 77), 0);
    want_all(&a);
    want_all(&b);
    for (int i = 0; i < 500; i++) {
        uint32_t piece = picker_pick(&a, NULL, false);
        assert_int_equal(picker_pick(&b, NULL, false), piece);
        picker_want(&a, piece, false);
        picker_want(&b, piece, false);
    }
    picker_deinit(&a);
    picker_deinit(&b);
}

static void sequential_takes_the_lowest(void **state)
{
    (void)state;
    struct picker p;
    struct bitset has;
    assert_int_equal(picker_init(&p, 300, 1), 0);
    assert_int_equal(bitset_init(&has, 300), 0);
    want_all(&p);
    picker_on_have(&p, 0);
    assert_int_equal(picker_pick(&p, NULL, true), 0);
    bitset_set(&has, 299);
    bitset_set(&has, 131);
    assert_int_equal(picker_pick(&p, &has, true), 131);
    bitset_deinit(&has);
    picker_deinit(&p);
}

static void seeds_make_nothing_rarer_and_count_everywhere(void **state)
{
    (void)state;
    struct picker p;
    assert_int_equal(picker_init(&p, 4, 1), 0);
    want_all(&p);
    picker_on_have(&p, 0);
    picker_on_have(&p, 1);
    picker_on_have(&p, 3);
    picker_on_seed(&p);
    picker_on_seed(&p);
    assert_int_equal(picker_availability(&p, 0), 3);
    assert_int_equal(picker_availability(&p, 2), 2);
    assert_int_equal(picker_availability_milli(&p), 2750);
    assert_int_equal(picker_pick(&p, NULL, false), 2);
    picker_on_seed_gone(&p);
    assert_int_equal(picker_availability_milli(&p), 1750);
    picker_on_dont_have(&p, 0);
    assert_int_equal(picker_availability_milli(&p), 1500);
    picker_deinit(&p);
}

static void a_peer_without_a_bitfield_has_nothing(void **state)
{
    (void)state;
    struct picker p;
    struct bitset none = {0};
    const uint32_t pieces[] = {4, 99, 2};
    assert_int_equal(picker_init(&p, 5, 1), 0);
    want_all(&p);
    picker_on_bitfield(&p, &none);
    picker_on_gone(&p, &none);
    assert_int_equal(picker_pick(&p, &none, false), PICKER_NONE);
    assert_int_equal(picker_pick(&p, &none, true), PICKER_NONE);
    assert_int_equal(picker_pick_among(&p, &none, pieces, 3), PICKER_NONE);
    assert_int_equal(picker_pick_among(&p, NULL, pieces, 3), 4);
    picker_want(&p, 4, false);
    assert_int_equal(picker_pick_among(&p, NULL, pieces, 3), 2);
    picker_deinit(&p);
}

static void a_torrent_without_pieces_has_nothing_to_pick(void **state)
{
    (void)state;
    struct picker p;
    assert_int_equal(picker_init(&p, 0, 1), 0);
    assert_int_equal(picker_pick(&p, NULL, false), PICKER_NONE);
    assert_int_equal(picker_availability_milli(&p), 0);
    picker_deinit(&p);
}

/* Random histories: availability, candidates and picks against a plain model. */
static void picks_are_right_after_any_history(void **state)
{
    (void)state;
    enum { COUNT = 200, PEERS = 60 };
    struct picker p;
    static struct bitset peers[PEERS];
    bool here[PEERS] = {0}, seed[PEERS] = {0}, candidate[COUNT] = {0};
    struct dice dice;
    dice_init(&dice, 9);
    assert_int_equal(picker_init(&p, COUNT, 3), 0);
    for (int i = 0; i < PEERS; i++) {
        assert_int_equal(bitset_init(&peers[i], COUNT), 0);
    }
    for (int step = 0; step < 4000; step++) {
        uint32_t peer = dice_below(&dice, PEERS), piece = dice_below(&dice, COUNT);
        if (!here[peer]) {
            here[peer] = true;
            seed[peer] = dice_below(&dice, 8) == 0;
            bitset_empty(&peers[peer]);
            for (uint32_t i = 0; i < COUNT && !seed[peer]; i++) {
                if (dice_below(&dice, 4) < peer % 4) {
                    bitset_set(&peers[peer], i);
                }
            }
            if (seed[peer]) {
                picker_on_seed(&p);
            } else {
                picker_on_bitfield(&p, &peers[peer]);
            }
        } else if (dice_below(&dice, 12) == 0) {
            here[peer] = false;
            if (seed[peer]) {
                picker_on_seed_gone(&p);
            } else {
                picker_on_gone(&p, &peers[peer]);
            }
        } else if (!seed[peer] && bitset_set(&peers[peer], piece)) {
            picker_on_have(&p, piece);
        } else if (!seed[peer] && bitset_clear(&peers[peer], piece)) {
            picker_on_dont_have(&p, piece);
        }
        piece = dice_below(&dice, COUNT);
        candidate[piece] = dice_below(&dice, 3) > 0;
        picker_want(&p, piece, candidate[piece]);
        assert_true(picker_is_consistent(&p));

        peer = dice_below(&dice, PEERS);
        const struct bitset *has = seed[peer] ? NULL : &peers[peer];
        uint32_t rarest = UINT32_MAX;
        for (uint32_t i = 0; i < COUNT; i++) {
            uint32_t availability = 0;
            for (int j = 0; j < PEERS; j++) {
                availability += here[j] && (seed[j] || bitset_get(&peers[j], i));
            }
            assert_int_equal(picker_availability(&p, i), availability);
            if (candidate[i] && (!has || bitset_get(has, i)) && availability < rarest) {
                rarest = availability;
            }
        }
        uint32_t pick = picker_pick(&p, has, false);
        if (rarest == UINT32_MAX) {
            assert_int_equal(pick, PICKER_NONE);
            continue;
        }
        assert_true(pick < COUNT && candidate[pick] && (!has || bitset_get(has, pick)));
        if (rarest - p.seeds < PICKER_EXACT) {
            assert_int_equal(picker_availability(&p, pick), rarest);
        } else {
            assert_true(picker_availability(&p, pick) < rarest * 2);
        }
    }
    for (int i = 0; i < PEERS; i++) {
        bitset_deinit(&peers[i]);
    }
    picker_deinit(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rarest_piece_that_the_peer_has_comes_first),
        cmocka_unit_test(ties_are_broken_at_random),
        cmocka_unit_test(the_same_seed_picks_the_same),
        cmocka_unit_test(sequential_takes_the_lowest),
        cmocka_unit_test(seeds_make_nothing_rarer_and_count_everywhere),
        cmocka_unit_test(a_peer_without_a_bitfield_has_nothing),
        cmocka_unit_test(a_torrent_without_pieces_has_nothing_to_pick),
        cmocka_unit_test(picks_are_right_after_any_history),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
