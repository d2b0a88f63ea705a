/* Who sent the bad block. */
#include "base/dice.h"
#include "base/limits.h"
#include "swarm/parole.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

static void only_the_sender_of_a_wrong_block_is_guilty(void **state)
{
    (void)state;
    struct parole p;
    const uint64_t failed[] = {11, 12, 666, 14}, right[] = {11, 12, 13, 14};
    const uint64_t senders[] = {1, 2, 3, 1};
    uint64_t guilty[4];
    parole_init(&p);
    assert_int_equal(parole_on_failed(&p, 5, failed, senders, 4), 0);
    assert_true(parole_is_on(&p, 5));
    assert_false(parole_is_on(&p, 4));
    assert_int_equal(parole_suspects(&p, 5, guilty, 4), 3);
    assert_int_equal(parole_on_verified(&p, 5, right, 4, guilty, 4), 1);
    assert_int_equal(guilty[0], 3);
    assert_false(parole_is_on(&p, 5));
    assert_true(parole_is_consistent(&p));
    parole_deinit(&p);
}

static void who_sent_a_whole_failed_piece_is_guilty_at_once(void **state)
{
    (void)state;
    struct parole p;
    const uint64_t digests[] = {1, 2, 3}, senders[] = {9, 9, 9};
    parole_init(&p);
    assert_int_equal(parole_on_failed(&p, 0, digests, senders, 3), 9);
    assert_false(parole_is_on(&p, 0));
    parole_deinit(&p);
}

static void blocks_from_our_own_disk_blame_nobody(void **state)
{
    (void)state;
    struct parole p;
    const uint64_t failed[] = {1, 2}, right[] = {3, 4}, nobody[] = {0, 0}, some[] = {0, 7};
    uint64_t guilty[4];
    parole_init(&p);
    assert_int_equal(parole_on_failed(&p, 0, failed, nobody, 2), 0);
    assert_int_equal(parole_on_verified(&p, 0, right, 2, guilty, 4), 0);
    assert_int_equal(parole_on_failed(&p, 0, failed, some, 2), 0);
    assert_int_equal(parole_on_verified(&p, 0, right, 2, guilty, 4), 1);
    assert_int_equal(guilty[0], 7);
    parole_deinit(&p);
}

static void several_attempts_are_judged_together(void **state)
{
    (void)state;
    struct parole p;
    const uint64_t first[] = {1, 66}, second[] = {77, 2}, right[] = {1, 2};
    const uint64_t who1[] = {1, 2}, who2[] = {3, 2};
    uint64_t guilty[4];
    parole_init(&p);
    parole_on_failed(&p, 0, first, who1, 2);
    parole_on_failed(&p, 1, first, who1, 2);
    parole_on_failed(&p, 0, second, who2, 2);
    assert_int_equal(parole_on_verified(&p, 0, right, 2, guilty, 4), 2);
    assert_int_equal(guilty[0], 2);
    assert_int_equal(guilty[1], 3);
    assert_true(parole_is_on(&p, 1));
    parole_forget(&p, 1);
    assert_false(parole_is_on(&p, 1));
    assert_true(parole_is_consistent(&p));
    parole_deinit(&p);
}

static void no_more_guilty_are_written_than_there_is_room_for(void **state)
{
    (void)state;
    struct parole p;
    const uint64_t failed[] = {5, 6, 7}, right[] = {1, 2, 3}, senders[] = {1, 2, 3};
    uint64_t guilty[3] = {0, 0, 99};
    parole_init(&p);
    parole_on_failed(&p, 0, failed, senders, 3);
    assert_int_equal(parole_on_verified(&p, 0, right, 3, guilty, 2), 2);
    assert_int_equal(guilty[2], 99);
    parole_deinit(&p);
}

static void the_oldest_attempt_makes_room(void **state)
{
    (void)state;
    struct parole p;
    const uint64_t digests[] = {1, 2}, senders[] = {1, 2};
    parole_init(&p);
    for (uint32_t i = 0; i < LIMIT_PAROLE_RECORDS; i++) {
        parole_on_failed(&p, i, digests, senders, 2);
    }
    assert_true(parole_is_on(&p, 0));
    parole_on_failed(&p, LIMIT_PAROLE_RECORDS, digests, senders, 2);
    assert_false(parole_is_on(&p, 0));
    assert_true(parole_is_on(&p, 1) && parole_is_on(&p, LIMIT_PAROLE_RECORDS));
    assert_true(parole_is_consistent(&p));
    parole_deinit(&p);
}

static void blocks_are_bounded_too(void **state)
{
    (void)state;
    struct parole p;
    uint32_t most = LIMIT_PAROLE_BLOCKS;
    uint64_t *digests = calloc(most + 1, sizeof *digests);
    uint64_t *senders = calloc(most + 1, sizeof *senders);
    assert_non_null(digests);
    assert_non_null(senders);
    senders[0] = 1;
    parole_init(&p);
    parole_on_failed(&p, 1, digests, senders, most - 1);
    parole_on_failed(&p, 2, digests, senders, 1); /* one sender: not remembered */
    parole_on_failed(&p, 3, digests, senders, 2);
    assert_false(parole_is_on(&p, 1));
    assert_true(parole_is_on(&p, 3));
    parole_on_failed(&p, 4, digests, senders, most);
    assert_true(parole_is_on(&p, 4));
    assert_false(parole_is_on(&p, 3));
    parole_on_failed(&p, 5, digests, senders, most + 1);
    assert_false(parole_is_on(&p, 5));
    assert_true(parole_is_on(&p, 4));
    assert_true(parole_is_consistent(&p));
    parole_deinit(&p);
    free(digests);
    free(senders);
}

/* One liar among honest peers: whatever the order of events, nobody honest is found guilty, and the liar is
 * once a piece he spoiled verifies. */
static void no_honest_peer_is_ever_blamed(void **state)
{
    (void)state;
    enum { BLOCKS = 16, LIAR = 4 };
    struct parole p;
    struct dice dice;
    uint32_t convictions = 0;
    dice_init(&dice, 2);
    parole_init(&p);
    for (int round = 0; round < 3000; round++) {
        uint64_t digests[BLOCKS], senders[BLOCKS], guilty[8];
        uint32_t piece = dice_below(&dice, 20);
        bool spoiled = false;
        for (uint32_t i = 0; i < BLOCKS; i++) {
            senders[i] = 1 + dice_below(&dice, dice_below(&dice, 3) ? 3 : 5);
            bool lie = senders[i] == LIAR && dice_below(&dice, 2);
            spoiled |= lie;
            digests[i] = piece * 1000 + i + (lie ? 500 : 0);
        }
        bool was_on = parole_is_on(&p, piece);
        if (spoiled) {
            assert_int_equal(parole_on_failed(&p, piece, digests, senders, BLOCKS), 0);
            continue;
        }
        uint32_t count = parole_on_verified(&p, piece, digests, BLOCKS, guilty, 8);
        assert_int_equal(count, was_on ? 1 : 0);
        assert_true(count == 0 || guilty[0] == LIAR);
        convictions += count;
        assert_true(parole_is_consistent(&p));
    }
    assert_true(convictions > 20);
    parole_deinit(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_sender_of_a_wrong_block_is_guilty),
        cmocka_unit_test(who_sent_a_whole_failed_piece_is_guilty_at_once),
        cmocka_unit_test(blocks_from_our_own_disk_blame_nobody),
        cmocka_unit_test(several_attempts_are_judged_together),
        cmocka_unit_test(no_more_guilty_are_written_than_there_is_room_for),
        cmocka_unit_test(the_oldest_attempt_makes_room),
        cmocka_unit_test(blocks_are_bounded_too),
        cmocka_unit_test(no_honest_peer_is_ever_blamed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
