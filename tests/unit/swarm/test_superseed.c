/* Who is told of which piece while we alone have it. */
#include "swarm/superseed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { PIECES = 40, QUOTA = 3, BLOCKS = 1, ANNA = 7, BERTA = 9 };

struct scene {
    struct picker picker;
    struct superseed superseed;
};

static void begin(struct scene *s)
{
    assert_int_equal(picker_init(&s->picker, PIECES, 1), 0);
    assert_int_equal(superseed_init(&s->superseed, &s->picker, 2), 0);
}

static void end(struct scene *s)
{
    assert_true(superseed_is_consistent(&s->superseed));
    superseed_deinit(&s->superseed);
    picker_deinit(&s->picker);
}

/* As many as the peer is to have. */
static uint32_t show_all(struct scene *s, struct superseed_view *v, uint64_t key)
{
    uint32_t count = 0;
    while (superseed_show(&s->superseed, v, key, QUOTA, 0, BLOCKS) != PICKER_NONE) {
        count++;
    }
    return count;
}

static void it_pays_with_peers_that_lack_what_we_alone_have(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    assert_false(superseed_pays(&s.picker, 1));
    assert_true(superseed_pays(&s.picker, 2));
    picker_on_seed(&s.picker);
    assert_false(superseed_pays(&s.picker, 2));
    picker_on_seed_gone(&s.picker);
    for (uint32_t i = 0; i < PIECES - 15; i++) {
        picker_on_have(&s.picker, i);
    }
    assert_false(superseed_pays(&s.picker, 2));
    end(&s);
}

static void what_several_say_that_they_have_is_out_and_what_one_says_comes_last(void **state)
{
    (void)state;
    struct scene s;
    struct superseed_view anna = {.hidden = true};
    begin(&s);
    superseed_on_had(&s.superseed, &anna, 3, ANNA, 1, 0);
    superseed_on_had(&s.superseed, &anna, 4, ANNA, SUPERSEED_BELIEVED, 0);
    assert_int_equal(s.superseed.alone.ones, PIECES - 1);
    assert_false(bitset_get(&s.superseed.alone, 4));
    for (uint32_t i = 0; i < PIECES - 2; i++) {
        struct superseed_view berta = {.hidden = true};
        assert_int_not_equal(superseed_show(&s.superseed, &berta, BERTA, 1, 0, BLOCKS), 3);
    }
    struct superseed_view berta = {.hidden = true};
    assert_int_equal(superseed_show(&s.superseed, &berta, BERTA, 1, 0, BLOCKS), 3);
    end(&s);

    struct picker picker;
    struct superseed superseed;
    assert_int_equal(picker_init(&picker, PIECES, 1), 0);
    for (int i = 0; i < SUPERSEED_BELIEVED; i++) {
        picker_on_have(&picker, 3);
    }
    assert_int_equal(superseed_init(&superseed, &picker, 2), 0);
    assert_int_equal(superseed.alone.ones, PIECES - 1);
    superseed_deinit(&superseed);
    picker_deinit(&picker);
}

static void no_two_peers_are_to_bring_out_the_same_piece(void **state)
{
    (void)state;
    struct scene s;
    struct superseed_view anna = {.hidden = true}, berta = {.hidden = true};
    uint32_t times[PIECES] = {0}, rounds = 0;
    begin(&s);
    while (!superseed_is_over(&s.superseed)) {
        show_all(&s, &anna, ANNA);
        show_all(&s, &berta, BERTA);
        assert_true(superseed_is_consistent(&s.superseed));
        struct superseed_view *v = rounds % 2 ? &anna : &berta;
        if (v->count > 0) {
            uint32_t piece = v->shown[0].piece;
            times[piece]++;
            superseed_on_asked(v, piece);
            superseed_on_had(&s.superseed, v, piece, rounds % 2 ? ANNA : BERTA, 1, 0);
        }
        assert_true(++rounds < 1000);
    }
    for (uint32_t i = 0; i < PIECES; i++) {
        assert_int_equal(times[i], 1);
    }
    end(&s);
}

static void a_peer_has_as_many_to_bring_out_as_its_quota_and_no_more(void **state)
{
    (void)state;
    struct scene s;
    struct superseed_view anna = {.hidden = true};
    begin(&s);
    assert_int_equal(show_all(&s, &anna, ANNA), QUOTA);
    superseed_on_asked(&anna, anna.shown[1].piece);
    /* what it has asked for and waits for counts */
    assert_int_equal(superseed_show(&s.superseed, &anna, ANNA, QUOTA, 1, BLOCKS), PICKER_NONE);
    assert_int_not_equal(superseed_show(&s.superseed, &anna, ANNA, QUOTA, 0, BLOCKS), PICKER_NONE);
    end(&s);
}

static void a_choked_peer_is_shown_one_piece_that_it_lacks(void **state)
{
    (void)state;
    struct scene s;
    struct superseed_view anna = {.hidden = true};
    begin(&s);
    uint32_t piece = superseed_lure(&s.superseed, &anna, BLOCKS);
    assert_int_not_equal(piece, PICKER_NONE);
    assert_true(bitset_get(&s.superseed.fresh, piece)); /* others may have it meanwhile */
    assert_int_equal(superseed_lure(&s.superseed, &anna, BLOCKS), PICKER_NONE);
    superseed_on_had(&s.superseed, &anna, piece, ANNA, 1, 0);
    assert_int_not_equal(superseed_lure(&s.superseed, &anna, BLOCKS), PICKER_NONE);
    /* once it may ask, that piece is its to bring out */
    assert_int_equal(show_all(&s, &anna, ANNA), QUOTA - 1);
    end(&s);
}

static void who_is_choked_leaves_its_pieces_to_the_others(void **state)
{
    (void)state;
    struct scene s;
    struct superseed_view anna = {.hidden = true};
    begin(&s);
    show_all(&s, &anna, ANNA);
    superseed_on_asked(&anna, anna.shown[0].piece);
    assert_int_equal(s.superseed.fresh.ones, PIECES - QUOTA);
    superseed_on_choked(&s.superseed, ANNA);
    assert_int_equal(s.superseed.fresh.ones, PIECES);
    end(&s);
}

static void what_was_sent_is_out_though_nobody_says_so(void **state)
{
    (void)state;
    struct scene s;
    struct superseed_view anna = {.hidden = true};
    begin(&s);
    show_all(&s, &anna, ANNA);
    uint32_t piece = anna.shown[0].piece;
    superseed_on_sent(&s.superseed, &anna, 5000, 1000); /* it has not asked for all of any piece */
    assert_int_equal(s.superseed.alone.ones, PIECES);
    superseed_on_asked(&anna, piece);
    superseed_on_sent(&s.superseed, &anna, 999, 1000); /* asked for, and called off */
    assert_int_equal(s.superseed.alone.ones, PIECES);
    superseed_on_asked(&anna, piece);
    superseed_on_sent(&s.superseed, &anna, 1000, 1000);
    assert_int_equal(s.superseed.alone.ones, PIECES - 1);
    assert_false(bitset_get(&s.superseed.alone, piece));
    end(&s);
}

static void who_takes_nothing_is_to_bring_nothing_out(void **state)
{
    (void)state;
    struct scene s;
    struct superseed_view anna = {.hidden = true}, berta = {.hidden = true};
    begin(&s);
    while (superseed_show(&s.superseed, &anna, ANNA, PIECES, 0, BLOCKS) != PICKER_NONE) {
    }
    uint32_t left = PIECES - SUPERSEED_SHOWN_MAX;
    assert_int_equal(s.superseed.fresh.ones, left);
    while (superseed_show(&s.superseed, &berta, BERTA, PIECES, 0, BLOCKS) != PICKER_NONE) {
    }
    assert_int_equal(berta.count, left);
    superseed_look(&s.superseed, &anna, ANNA, 100, 1000, 1000);
    assert_true(anna.idle);
    superseed_look(&s.superseed, &anna, ANNA, 200, 1000, 1000);
    assert_true(anna.idle);
    assert_int_equal(show_all(&s, &anna, ANNA), 0);
    assert_int_not_equal(superseed_show(&s.superseed, &berta, BERTA, PIECES, 0, BLOCKS),
                         PICKER_NONE);
    end(&s);
}

static void who_takes_more_than_it_was_shown_and_gets_nowhere_is_seen(void **state)
{
    (void)state;
    struct scene s;
    struct superseed_view anna = {.hidden = true};
    begin(&s);
    show_all(&s, &anna, ANNA);
    uint64_t most = 2 * (QUOTA + SUPERSEED_SHOWN_MIN) * 1000;
    superseed_look(&s.superseed, &anna, ANNA, most, 1000, 1000);
    assert_false(anna.idle);
    assert_int_equal(s.superseed.fresh.ones, PIECES - QUOTA);
    superseed_look(&s.superseed, &anna, ANNA, most + 1, 1, 1000);
    assert_true(anna.idle);
    assert_int_equal(s.superseed.fresh.ones, PIECES);
    superseed_on_had(&s.superseed, &anna, anna.shown[0].piece, ANNA, 1, most + 1);
    assert_false(anna.idle);
    assert_int_equal(show_all(&s, &anna, ANNA), 1);
    end(&s);
}

static void when_nothing_is_sent_or_too_much_it_is_over(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    assert_false(superseed_is_stuck(&s.superseed, 0, 1000));
    assert_false(superseed_is_stuck(&s.superseed, 500, 1000));
    assert_false(superseed_is_stuck(&s.superseed, 600, 1000));
    assert_false(superseed_is_stuck(&s.superseed, 2000, 1000));
    assert_true(superseed_is_stuck(&s.superseed, 2001, 1000));
    assert_false(superseed_is_stuck(&s.superseed, 900, 1000));
    assert_false(superseed_is_stuck(&s.superseed, 900, 1000));
    assert_true(superseed_is_stuck(&s.superseed, 900, 1000));
    end(&s);
}

static void fast_lines_are_shown_more_and_the_fastest_everything(void **state)
{
    (void)state;
    assert_int_equal(superseed_quota(0, 1 << 20), SUPERSEED_SHOWN_MIN);
    assert_int_equal(superseed_quota(10 << 20, 1 << 20), SUPERSEED_SHOWN_MIN + 10);
    assert_int_equal(superseed_quota(UINT64_MAX, 1), SUPERSEED_SHOWN_MAX + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_pays_with_peers_that_lack_what_we_alone_have),
        cmocka_unit_test(what_several_say_that_they_have_is_out_and_what_one_says_comes_last),
        cmocka_unit_test(no_two_peers_are_to_bring_out_the_same_piece),
        cmocka_unit_test(a_peer_has_as_many_to_bring_out_as_its_quota_and_no_more),
        cmocka_unit_test(a_choked_peer_is_shown_one_piece_that_it_lacks),
        cmocka_unit_test(who_is_choked_leaves_its_pieces_to_the_others),
        cmocka_unit_test(what_was_sent_is_out_though_nobody_says_so),
        cmocka_unit_test(who_takes_nothing_is_to_bring_nothing_out),
        cmocka_unit_test(who_takes_more_than_it_was_shown_and_gets_nowhere_is_seen),
        cmocka_unit_test(when_nothing_is_sent_or_too_much_it_is_over),
        cmocka_unit_test(fast_lines_are_shown_more_and_the_fastest_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
