/* Which block next, who was asked, when to give up. */
#include "base/dice.h"
#include "base/limits.h"
#include "swarm/requests.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "spate.h"

#define MS INT64_C(1000000)
#define S  (1000 * MS)

/* A torrent of `pieces` pieces of 4 blocks, the last of which is 2 blocks, the second short. */
enum { BLOCKS = 4, LAST_BYTES = BLOCK_BYTES + 100, FILES_MAX = 160 };

struct world {
    struct layout layout;
    struct layout_file files[FILES_MAX]; /* a block each, where there is padding */
    struct picker picker;
    struct requests requests;
};

/* padding: one a block; NULL: there is none. */
static void begin_padded(struct world *w, uint32_t pieces, uint32_t partial_max,
                         const bool *padding)
{
    memset(&w->layout, 0, sizeof w->layout);
    w->layout.piece_length = BLOCKS * BLOCK_BYTES;
    w->layout.piece_count = pieces;
    w->layout.total_length = (uint64_t)(pieces - 1) * BLOCKS * BLOCK_BYTES + LAST_BYTES;
    for (uint32_t i = 0; padding && i < (pieces - 1) * BLOCKS + 2; i++) {
        uint64_t left = w->layout.total_length - (uint64_t)i * BLOCK_BYTES;
        assert_true(i < FILES_MAX);
        w->files[i] = (struct layout_file){.offset = (uint64_t)i * BLOCK_BYTES,
                                           .length = left < BLOCK_BYTES ? left : BLOCK_BYTES,
                                           .file = i,
                                           .pad = padding[i]};
        w->layout.has_padding = w->layout.has_padding || padding[i];
        w->layout.files = w->files;
        w->layout.file_count = i + 1;
    }
    assert_int_equal(picker_init(&w->picker, pieces, 5), 0);
    assert_int_equal(requests_init(&w->requests, &w->layout, &w->picker, partial_max), 0);
    for (uint32_t i = 0; i < pieces; i++) {
        requests_want(&w->requests, i, true);
    }
}

static void begin(struct world *w, uint32_t pieces, uint32_t partial_max)
{
    begin_padded(w, pieces, partial_max, NULL);
}

static void end(struct world *w)
{
    assert_true(requests_is_consistent(&w->requests));
    requests_deinit(&w->requests);
    picker_deinit(&w->picker);
}

static void join(struct requester *q, uint64_t key)
{
    requester_init(q, 500, S);
    q->key = key;
}

static struct request_choice next(struct world *w, struct requester *q, int64_t now_ns)
{
    struct request_choice choice;
    assert_true(requests_next(&w->requests, q, NULL, true, true, now_ns, &choice));
    assert_true(requests_is_consistent(&w->requests));
    return choice;
}

static bool nothing(struct world *w, struct requester *q, int64_t now_ns)
{
    struct request_choice choice;
    return !requests_next(&w->requests, q, NULL, true, true, now_ns, &choice);
}

static enum request_verdict deliver(struct world *w, struct requester *q, struct block b,
                                    int64_t now_ns)
{
    struct requester *also[REQUEST_OWNERS_MAX];
    uint32_t also_count;
    enum request_verdict verdict = requests_on_block(&w->requests, q, b, now_ns, also, &also_count);
    assert_true(requests_is_consistent(&w->requests));
    return verdict;
}

static void a_peer_finishes_its_piece_before_it_starts_another(void **state)
{
    (void)state;
    struct world w;
    struct requester a, b;
    begin(&w, 10, 10);
    join(&a, 1);
    join(&b, 2);
    for (uint32_t i = 0; i < BLOCKS; i++) {
        struct request_choice choice = next(&w, &a, S);
        assert_int_equal(choice.block.piece, 0);
        assert_int_equal(choice.block.offset, i * BLOCK_BYTES);
        assert_int_equal(choice.block.length, BLOCK_BYTES);
        assert_int_equal(choice.starts_piece, i == 0);
        assert_false(choice.duplicate);
    }
    assert_int_equal(next(&w, &a, S).block.piece, 1);
    /* another shares what is started */
    assert_int_equal(next(&w, &b, S).block.piece, 1);
    assert_int_equal(next(&w, &b, S).block.piece, 1);
    requests_release(&w.requests, &a);
    requests_release(&w.requests, &b);
    end(&w);
}

static void the_most_complete_piece_comes_first(void **state)
{
    (void)state;
    struct world w;
    struct requester a;
    struct bitset blocks;
    struct request_choice choice;
    begin(&w, 10, 10);
    join(&a, 1);
    assert_int_equal(bitset_init(&blocks, BLOCKS), 0);
    bitset_set(&blocks, 0);
    assert_int_equal(requests_restore(&w.requests, 7, &blocks), 0);
    bitset_set(&blocks, 2);
    assert_int_equal(requests_restore(&w.requests, 4, &blocks), 0);
    assert_true(requests_next(&w.requests, &a, NULL, true, false, S, &choice));
    assert_int_equal(choice.block.piece, 4);
    assert_int_equal(choice.block.offset, BLOCK_BYTES);
    requests_release(&w.requests, &a);
    bitset_deinit(&blocks);
    end(&w);
}

static void the_last_block_is_as_short_as_it_is(void **state)
{
    (void)state;
    struct world w;
    struct requester a;
    begin(&w, 1, 1);
    join(&a, 1);
    assert_int_equal(next(&w, &a, S).block.length, BLOCK_BYTES);
    struct request_choice choice = next(&w, &a, S);
    assert_int_equal(choice.block.length, 100);
    struct block wrong = choice.block;
    wrong.length = BLOCK_BYTES;
    assert_int_equal(deliver(&w, &a, wrong, S), REQUEST_UNASKED);
    assert_int_equal(deliver(&w, &a, choice.block, S), REQUEST_WANTED);
    requests_release(&w.requests, &a);
    end(&w);
}

static void only_pieces_that_the_peer_has_are_asked(void **state)
{
    (void)state;
    struct world w;
    struct requester a, b;
    struct bitset has, none = {0};
    struct request_choice choice;
    begin(&w, 10, 10);
    join(&a, 1);
    join(&b, 2);
    assert_int_equal(bitset_init(&has, 10), 0);
    bitset_set(&has, 6);
    next(&w, &a, S); /* starts piece 0 */
    for (int i = 0; i < BLOCKS; i++) {
        assert_true(requests_next(&w.requests, &b, &has, true, false, S, &choice));
        assert_int_equal(choice.block.piece, 6);
    }
    assert_false(requests_next(&w.requests, &b, &has, true, false, S, &choice));
    assert_false(requests_next(&w.requests, &b, &none, true, false, S, &choice));
    requests_release(&w.requests, &a);
    requests_release(&w.requests, &b);
    bitset_deinit(&has);
    end(&w);
}

static void at_the_memory_cap_only_started_pieces_go_on(void **state)
{
    (void)state;
    struct world w;
    struct requester a;
    struct request_choice choice;
    begin(&w, 10, 10);
    join(&a, 1);
    assert_false(requests_next(&w.requests, &a, NULL, false, true, S, &choice));
    next(&w, &a, S);
    for (int i = 1; i < BLOCKS; i++) {
        assert_true(requests_next(&w.requests, &a, NULL, false, true, S, &choice));
    }
    assert_false(requests_next(&w.requests, &a, NULL, false, true, S, &choice));
    requests_release(&w.requests, &a);
    end(&w);
}

static void no_more_pieces_are_started_than_allowed(void **state)
{
    (void)state;
    struct world w;
    struct requester a;
    begin(&w, 10, 2);
    join(&a, 1);
    for (int i = 0; i < 2 * BLOCKS; i++) {
        next(&w, &a, S);
    }
    assert_true(nothing(&w, &a, S));
    assert_int_equal(requests_set_parole(&w.requests, 9, 0, NULL, 0), SPATE_ELIMIT);
    requests_release(&w.requests, &a);
    end(&w);
}

static void an_undone_start_goes_back_to_the_picker(void **state)
{
    (void)state;
    struct world w;
    struct requester a;
    begin(&w, 3, 3);
    join(&a, 1);
    struct request_choice choice = next(&w, &a, S);
    assert_true(requests_piece_is_started(&w.requests, 0));
    requests_undo(&w.requests, &a, choice.block);
    assert_false(requests_piece_is_started(&w.requests, 0));
    assert_true(picker_is_candidate(&w.picker, 0));
    assert_int_equal(a.outstanding, 0);
    end(&w);
}

static void a_piece_with_something_received_stays_started(void **state)
{
    (void)state;
    struct world w;
    struct requester a;
    begin(&w, 3, 3);
    join(&a, 1);
    struct request_choice one = next(&w, &a, S), two = next(&w, &a, S);
    assert_int_equal(deliver(&w, &a, one.block, S + MS), REQUEST_WANTED);
    requests_on_reject(&w.requests, &a, two.block);
    assert_true(requests_piece_is_started(&w.requests, 0));
    assert_int_equal(requests_partial_blocks(&w.requests, 0)->ones, 1);
    assert_int_equal(requests_block_sender(&w.requests, 0, 0), 1);
    assert_int_equal(requests_block_sender(&w.requests, 0, 1), 0);
    assert_int_equal(deliver(&w, &a, one.block, S + MS), REQUEST_DUPLICATE);
    assert_int_equal(deliver(&w, &a, two.block, S + MS), REQUEST_UNASKED);
    end(&w);
}

static void blocks_nobody_could_have_asked_are_unasked(void **state)
{
    (void)state;
    struct world w;
    struct requester a;
    begin(&w, 3, 3);
    join(&a, 1);
    next(&w, &a, S);
    const struct block odd[] = {{0, 1, BLOCK_BYTES},
                                {0, BLOCKS * BLOCK_BYTES, BLOCK_BYTES},
                                {0, UINT32_MAX, UINT32_MAX},
                                {3, 0, BLOCK_BYTES},
                                {UINT32_MAX, 0, 0}};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        assert_int_equal(deliver(&w, &a, odd[i], S), REQUEST_UNASKED);
        requests_on_reject(&w.requests, &a, odd[i]);
        requests_undo(&w.requests, &a, odd[i]);
    }
    assert_int_equal(a.outstanding, 1);
    requests_release(&w.requests, &a);
    end(&w);
}

static void the_endgame_asks_two_peers_and_cancels_the_loser(void **state)
{
    (void)state;
    struct world w;
    struct requester slow, fast, third, *also[REQUEST_OWNERS_MAX];
    uint32_t also_count;
    begin(&w, 1, 1);
    w.requests.received = 1000; /* of which copies may be a part */
    join(&slow, 1);
    join(&fast, 2);
    join(&third, 3);
    next(&w, &slow, S);
    struct request_choice last = next(&w, &slow, S);
    assert_true(nothing(&w, &slow, S)); /* not of itself */
    struct request_choice copy = next(&w, &fast, 20 * S);
    assert_true(copy.duplicate);
    assert_true(block_equals(copy.block, last.block)); /* what would come last */
    assert_true(next(&w, &fast, 20 * S).duplicate);
    assert_true(nothing(&w, &third, 20 * S)); /* two owners are enough */
    assert_int_equal(fast.copies, 2);

    assert_int_equal(requests_on_block(&w.requests, &fast, copy.block, 21 * S, also, &also_count),
                     REQUEST_WANTED);
    assert_int_equal(also_count, 1);
    assert_ptr_equal(also[0], &slow);
    assert_int_equal(slow.outstanding, 1);
    assert_int_equal(deliver(&w, &slow, copy.block, 21 * S), REQUEST_DUPLICATE);

    /* the one who was asked first may win too; when he leaves, the copy remains */
    requests_release(&w.requests, &slow);
    assert_int_equal(fast.outstanding, 1);
    assert_true(nothing(&w, &third, 40 * S)); /* it has never delivered */
    third.reliable = true;
    assert_true(next(&w, &third, 40 * S).duplicate);
    requests_release(&w.requests, &fast);
    requests_release(&w.requests, &third);
    end(&w);
}

static void who_answers_at_random_is_not_reliable_for_a_hit(void **state)
{
    (void)state;
    struct world w;
    struct requester a;
    begin(&w, 2, 2);
    join(&a, 1);
    struct request_choice first = next(&w, &a, S), second = next(&w, &a, S),
                          third = next(&w, &a, S);
    requests_on_unasked(&a);
    requests_on_unasked(&a);
    assert_int_equal(deliver(&w, &a, first.block, 2 * S), REQUEST_WANTED);
    assert_false(a.reliable);
    requests_on_unasked(&a);
    assert_int_equal(deliver(&w, &a, second.block, 2 * S), REQUEST_WANTED);
    assert_false(a.reliable);
    assert_int_equal(deliver(&w, &a, third.block, 2 * S), REQUEST_WANTED);
    assert_true(a.reliable);
    requests_release(&w.requests, &a);
    end(&w);
}

static void who_gives_back_what_it_was_asked_for_makes_no_copies(void **state)
{
    (void)state;
    struct world w;
    struct requester a, b;
    begin(&w, 2, 2);
    w.requests.received = 1000;
    join(&a, 1);
    join(&b, 2);
    struct request_choice first = next(&w, &a, S);
    struct request_choice second = next(&w, &b, S);
    assert_int_equal(deliver(&w, &a, first.block, 2 * S), REQUEST_WANTED);
    assert_int_equal(deliver(&w, &b, second.block, 2 * S), REQUEST_WANTED);
    assert_true(a.reliable && b.reliable);
    second = next(&w, &b, 2 * S);
    requests_on_reject(&w.requests, &b, second.block);
    assert_false(b.reliable);
    struct request_choice choice;
    while (requests_next(&w.requests, &a, NULL, true, true, 2 * S, &choice)) {
    }
    assert_true(nothing(&w, &b, 30 * S));
    b.reliable = true;
    assert_true(next(&w, &b, 30 * S).duplicate);
    requests_release(&w.requests, &a);
    assert_false(a.reliable);
    requests_release(&w.requests, &b);
    end(&w);
}

static void there_is_no_endgame_while_a_block_is_unasked(void **state)
{
    (void)state;
    struct world w;
    struct requester a, b;
    struct bitset has;
    struct request_choice choice;
    begin(&w, 3, 3);
    join(&a, 1);
    join(&b, 2);
    assert_int_equal(bitset_init(&has, 3), 0);
    bitset_set(&has, 0);
    for (int i = 0; i < BLOCKS; i++) {
        next(&w, &a, S);
    }
    assert_false(requests_next(&w.requests, &b, &has, true, false, 20 * S, &choice));
    for (int i = 0; i < BLOCKS + 2; i++) {
        next(&w, &a, S);
    }
    assert_true(requests_next(&w.requests, &b, &has, true, false, 20 * S, &choice));
    assert_true(choice.duplicate);
    assert_int_equal(choice.block.piece, 0); /* the only one b has */
    requests_release(&w.requests, &a);
    requests_release(&w.requests, &b);
    bitset_deinit(&has);
    end(&w);
}

static void copies_at_one_peer_are_bounded(void **state)
{
    (void)state;
    struct world w;
    struct requester a, b;
    begin(&w, 20, 20);
    w.requests.received = 1000;
    join(&a, 1);
    join(&b, 2);
    struct request_choice choice;
    uint32_t copies = 0;
    while (requests_next(&w.requests, &a, NULL, true, true, S, &choice)) {
    }
    while (requests_next(&w.requests, &b, NULL, true, true, 90 * S, &choice)) {
        copies++;
    }
    assert_int_equal(copies, REQUEST_COPIES_MAX);
    requests_release(&w.requests, &a);
    requests_release(&w.requests, &b);
    end(&w);
}

static void a_copy_that_would_come_too_late_is_asked_when_the_owner_falls_silent(void **state)
{
    (void)state;
    struct world w;
    struct requester quick, far;
    struct block blocks[BLOCKS];
    begin(&w, 3, 3);
    join(&quick, 1);
    join(&far, 2);
    /* quick delivers a piece within 10 ms each, far within 2 s each */
    struct request_choice choice = next(&w, &far, S);
    assert_int_equal(deliver(&w, &far, choice.block, 3 * S), REQUEST_WANTED);
    for (int i = 0; i < BLOCKS - 1; i++) {
        choice = next(&w, &quick, 3 * S + i * 10 * MS);
        assert_int_equal(deliver(&w, &quick, choice.block, 3 * S + (i + 1) * 10 * MS),
                         REQUEST_WANTED);
    }
    requests_on_piece_done(&w.requests, 0);
    int64_t now = 4 * S;
    for (int i = 0; i < BLOCKS + 2; i++) {
        choice = next(&w, &quick, now);
        if (i < BLOCKS) {
            blocks[i] = choice.block;
        }
    }
    assert_true(nothing(&w, &far, now + MS));
    int64_t deadline = requests_deadline(&w.requests, &far);
    assert_true(deadline > now + MS && deadline <= now + 2 * S);
    int looks = 0;
    while (nothing(&w, &far, deadline)) {
        assert_true(++looks < 100);
        assert_int_equal(requests_expire(&w.requests, &far, deadline, blocks, BLOCKS), 0);
        assert_true(requests_deadline(&w.requests, &far) > deadline);
        deadline = requests_deadline(&w.requests, &far);
    }
    assert_true(deadline < now + 5 * S);
    assert_int_equal(far.copies, 1);
    requests_release(&w.requests, &quick);
    requests_release(&w.requests, &far);
    end(&w);
}

static void a_silent_peer_gives_everything_back_and_is_snubbed(void **state)
{
    (void)state;
    struct world w;
    struct requester a, b;
    struct block out[BLOCKS * 3];
    begin(&w, 10, 10);
    join(&a, 1);
    join(&b, 2);
    assert_int_equal(requests_deadline(&w.requests, &a), INT64_MAX);
    for (int i = 0; i < 7; i++) {
        next(&w, &a, 2 * S);
    }
    int64_t deadline = requests_deadline(&w.requests, &a);
    assert_int_equal(deadline, 62 * S);
    assert_int_equal(requests_expire(&w.requests, &a, deadline - 1, out, 12), 0);
    assert_int_equal(requests_expire(&w.requests, &a, deadline, out, 5), 5);
    assert_true(requests_deadline(&w.requests, &a) <= deadline); /* there is more */
    assert_int_equal(requests_expire(&w.requests, &a, deadline, out, 5), 2);
    assert_true(a.snubbed);
    assert_int_equal(a.outstanding, 0);
    assert_int_equal(requests_room(&w.requests, &a, deadline), 1);
    assert_int_equal(next(&w, &b, deadline).block.piece, 0); /* free for others */

    struct request_choice choice = next(&w, &a, deadline);
    assert_int_equal(requests_room(&w.requests, &a, deadline), 0);
    requests_on_late(&w.requests, &a, BLOCK_BYTES, deadline + MS);
    assert_false(a.snubbed);
    a.snubbed = true;
    assert_int_equal(deliver(&w, &a, choice.block, deadline + S), REQUEST_WANTED);
    assert_false(a.snubbed);
    assert_int_equal(requests_room(&w.requests, &a, deadline + S), PIPELINE_START);
    requests_release(&w.requests, &a);
    requests_release(&w.requests, &b);
    end(&w);
}

static void a_fast_peer_that_stops_is_noticed_sooner(void **state)
{
    (void)state;
    struct world w;
    struct requester a;
    begin(&w, 10, 10);
    join(&a, 1);
    int64_t now = 2 * S;
    for (int i = 0; i < 20; i++, now += 10 * MS) {
        assert_int_equal(deliver(&w, &a, next(&w, &a, now).block, now + 10 * MS), REQUEST_WANTED);
    }
    next(&w, &a, now);
    assert_true(requests_deadline(&w.requests, &a) <= now + 6 * S);
    requests_release(&w.requests, &a);
    end(&w);
}

static void a_skipped_request_is_taken_back_without_a_snub(void **state)
{
    (void)state;
    struct world w;
    struct requester a;
    struct block out[8];
    begin(&w, 30, 30);
    join(&a, 1);
    int64_t now = 2 * S;
    struct request_choice skipped = next(&w, &a, now);
    for (int i = 0; i < 100; i++, now += 100 * MS) {
        assert_int_equal(deliver(&w, &a, next(&w, &a, now).block, now + 100 * MS), REQUEST_WANTED);
    }
    assert_true(requests_deadline(&w.requests, &a) <= now);
    assert_int_equal(requests_expire(&w.requests, &a, now, out, 8), 1);
    assert_true(block_equals(out[0], skipped.block));
    assert_false(a.snubbed);
    assert_int_equal(requests_deadline(&w.requests, &a), INT64_MAX);
    end(&w);
}

static void rejects_again_and_again_earn_a_pause(void **state)
{
    (void)state;
    struct world w;
    struct requester a;
    begin(&w, 10, 10);
    join(&a, 1);
    for (uint32_t i = 0; i < LIMIT_PEER_REJECTS; i++) {
        assert_true(requests_room(&w.requests, &a, S) > 0);
        requests_on_reject(&w.requests, &a, next(&w, &a, S).block);
    }
    assert_int_equal(requests_room(&w.requests, &a, S), 0);
    int64_t until = requests_deadline(&w.requests, &a);
    assert_true(until > S && until < 120 * S);
    assert_true(requests_room(&w.requests, &a, until) > 0);
    end(&w);
}

static void a_choke_that_rejects_all_earns_none(void **state)
{
    (void)state;
    struct world w;
    struct requester a;
    struct block asked[LIMIT_PEER_REJECTS * 2];
    begin(&w, 40, 40);
    join(&a, 1);
    for (uint32_t i = 0; i < LIMIT_PEER_REJECTS * 2; i++) {
        asked[i] = next(&w, &a, S).block;
    }
    for (uint32_t i = 0; i < LIMIT_PEER_REJECTS * 2; i++) {
        requests_on_reject(&w.requests, &a, asked[i]);
    }
    assert_int_equal(a.outstanding, 0);
    assert_true(requests_room(&w.requests, &a, S) > 0);
    end(&w);
}

static void no_peer_is_asked_more_than_it_queues(void **state)
{
    (void)state;
    struct world w;
    struct requester a;
    begin(&w, 10, 10);
    join(&a, 1);
    requester_set_reqq(&a, 3);
    assert_int_equal(requests_room(&w.requests, &a, S), 3);
    next(&w, &a, S);
    assert_int_equal(requests_room(&w.requests, &a, S), 2);
    requester_set_reqq(&a, 1);
    assert_int_equal(requests_room(&w.requests, &a, S), 0);
    a.pipeline.window = UINT32_MAX;
    requester_set_reqq(&a, UINT32_MAX);
    assert_int_equal(requests_room(&w.requests, &a, S), LIMIT_PEER_REQUESTS_OUT - 1);
    a.pipeline.window = PIPELINE_START;
    requests_release(&w.requests, &a);
    end(&w);
}

static void a_failed_piece_is_fetched_again_before_others(void **state)
{
    (void)state;
    struct world w;
    struct requester a;
    begin(&w, 3, 3);
    join(&a, 1);
    for (int i = 0; i < BLOCKS; i++) {
        assert_int_equal(deliver(&w, &a, next(&w, &a, S).block, S), REQUEST_WANTED);
    }
    assert_true(requests_piece_is_complete(&w.requests, 0));
    requests_on_piece_failed(&w.requests, 0, true);
    assert_true(requests_is_consistent(&w.requests));
    assert_false(requests_piece_is_complete(&w.requests, 0));
    struct request_choice choice = next(&w, &a, S);
    assert_int_equal(choice.block.piece, 0);
    requests_undo(&w.requests, &a, choice.block);
    assert_true(requests_piece_is_started(&w.requests, 0));
    requests_on_piece_failed(&w.requests, 0, false);
    assert_false(requests_piece_is_started(&w.requests, 0));
    assert_true(picker_is_candidate(&w.picker, 0));
    end(&w);
}

static void a_piece_on_parole_is_one_peers_alone(void **state)
{
    (void)state;
    struct world w;
    struct requester suspect, judge, other;
    const uint64_t excluded[] = {1};
    begin(&w, 2, 2);
    join(&suspect, 1);
    join(&judge, 2);
    join(&other, 3);
    assert_int_equal(requests_set_parole(&w.requests, 0, 0, excluded, 1), 0);
    assert_int_equal(next(&w, &suspect, S).block.piece, 1);
    assert_int_equal(next(&w, &judge, S).block.piece, 0);
    assert_int_equal(next(&w, &other, S).block.piece, 1);
    assert_true(nothing(&w, &other, S));
    for (int i = 1; i < BLOCKS; i++) {
        assert_int_equal(next(&w, &judge, S).block.piece, 0);
    }
    /* no copies of it either */
    struct request_choice choice;
    while (requests_next(&w.requests, &other, NULL, true, true, 50 * S, &choice)) {
        assert_int_equal(choice.block.piece, 1);
    }
    /* another takes over when its peer leaves; the suspect only for want of anything else */
    requests_release(&w.requests, &judge);
    assert_int_equal(next(&w, &other, S).block.piece, 0);
    assert_true(nothing(&w, &suspect, S));
    requests_release(&w.requests, &other);
    assert_int_equal(next(&w, &suspect, S).block.piece, 1);
    assert_int_equal(next(&w, &suspect, S).block.piece, 0);
    requests_release(&w.requests, &suspect);
    end(&w);
}

/* One who has delivered a block. */
static void join_reliable(struct world *w, struct requester *q, uint64_t key, struct block block)
{
    struct request_choice choice;
    join(q, key);
    assert_true(requests_next_from(&w->requests, q, NULL, &block.piece, 1, true, S, &choice));
    assert_int_equal(deliver(w, q, block, S), REQUEST_WANTED);
    assert_true(q->reliable);
}

static void a_silent_peer_does_not_hold_a_piece_on_parole(void **state)
{
    (void)state;
    struct world w;
    struct requester suspect, silent, judge;
    struct request_choice choice;
    const uint64_t excluded[] = {1};
    begin(&w, 2, 2);
    join_reliable(&w, &suspect, 1, (struct block){0, 0, BLOCK_BYTES});
    join(&silent, 2);
    join(&judge, 3);
    requests_on_piece_failed(&w.requests, 0, true);
    assert_int_equal(requests_set_parole(&w.requests, 0, 0, excluded, 1), 0);
    /* one that has not delivered takes it only for want of anything else */
    assert_int_equal(next(&w, &silent, S).block.piece, 1);
    assert_int_equal(next(&w, &silent, S).block.piece, 1);
    assert_int_equal(next(&w, &silent, S).block.piece, 0);
    assert_true(nothing(&w, &judge, S));
    assert_int_equal(deliver(&w, &silent, (struct block){1, 0, BLOCK_BYTES}, S), REQUEST_WANTED);
    silent.reliable = false; /* and then no more */
    /* one that delivers takes it over: what is asked already, and then the rest */
    judge.reliable = true;
    int64_t now_ns = 30 * S;
    uint32_t copies = 0, rest = 0;
    while (requests_next(&w.requests, &judge, NULL, true, true, now_ns, &choice)) {
        copies += choice.duplicate && choice.block.piece == 0;
        rest += !choice.duplicate;
        assert_true(choice.duplicate || choice.block.piece == 0);
    }
    assert_int_equal(copies, 1);
    assert_int_equal(rest, BLOCKS - 1);
    assert_true(requests_is_consistent(&w.requests));
    /* from now on it is that one's alone */
    assert_true(nothing(&w, &suspect, now_ns));
    requests_release(&w.requests, &silent);
    requests_release(&w.requests, &judge);
    end(&w);
}

static void a_piece_on_parole_keeps_nobody_from_copies_of_others(void **state)
{
    (void)state;
    struct world w;
    struct requester slow, judge, fast;
    struct request_choice choice;
    begin(&w, 2, 2);
    join(&slow, 1);
    join(&judge, 2);
    join(&fast, 3);
    for (int i = 0; i < BLOCKS; i++) {
        assert_int_equal(next(&w, &slow, S).block.piece, 0);
    }
    assert_int_equal(requests_set_parole(&w.requests, 1, 2, NULL, 0), 0);
    assert_int_equal(next(&w, &judge, S).block.piece, 1);
    assert_true(requests_next(&w.requests, &fast, NULL, true, true, 30 * S, &choice));
    assert_true(choice.duplicate);
    assert_int_equal(choice.block.piece, 0);
    requests_release(&w.requests, &slow);
    requests_release(&w.requests, &judge);
    requests_release(&w.requests, &fast);
    end(&w);
}

static void a_block_that_was_not_asked_is_no_sign_of_life(void **state)
{
    (void)state;
    struct world w;
    struct requester a;
    begin(&w, 2, 2);
    join(&a, 1);
    struct request_choice choice = next(&w, &a, S);
    assert_int_equal(next(&w, &a, S).block.piece, 0);
    assert_int_equal(deliver(&w, &a, choice.block, S), REQUEST_WANTED);
    int64_t deadline_ns = requests_deadline(&w.requests, &a);
    requests_on_unasked(&a);
    assert_false(a.reliable);
    assert_int_equal(requests_deadline(&w.requests, &a), deadline_ns);
    requests_release(&w.requests, &a);
    end(&w);
}

static void an_unwanted_piece_is_not_asked_but_what_comes_is_taken(void **state)
{
    (void)state;
    struct world w;
    struct requester a;
    begin(&w, 3, 3);
    join(&a, 1);
    struct request_choice choice = next(&w, &a, S);
    requests_want(&w.requests, 0, false);
    requests_want(&w.requests, 1, false);
    assert_int_equal(next(&w, &a, S).block.piece, 2);
    assert_int_equal(deliver(&w, &a, choice.block, S), REQUEST_WANTED);
    requests_want(&w.requests, 0, true);
    assert_int_equal(next(&w, &a, S).block.piece, 2);
    assert_int_equal(next(&w, &a, S).block.piece, 0);
    requests_release(&w.requests, &a);
    end(&w);
}

static void restored_blocks_are_not_asked_again(void **state)
{
    (void)state;
    struct world w;
    struct requester a;
    struct bitset blocks, wrong;
    begin(&w, 3, 3);
    join(&a, 1);
    assert_int_equal(bitset_init(&blocks, BLOCKS), 0);
    assert_int_equal(bitset_init(&wrong, BLOCKS - 1), 0);
    assert_int_equal(requests_restore(&w.requests, 1, &wrong), SPATE_EINVAL);
    assert_int_equal(requests_restore(&w.requests, 3, &blocks), SPATE_EINVAL);
    assert_int_equal(requests_restore(&w.requests, 1, &blocks), 0);
    assert_false(requests_piece_is_started(&w.requests, 1));
    bitset_set(&blocks, 0);
    bitset_set(&blocks, 2);
    assert_int_equal(requests_restore(&w.requests, 1, &blocks), 0);
    struct request_choice choice = next(&w, &a, S);
    assert_int_equal(choice.block.piece, 1);
    assert_int_equal(choice.block.offset, BLOCK_BYTES);
    assert_int_equal(next(&w, &a, S).block.offset, 3 * BLOCK_BYTES);
    assert_int_equal(next(&w, &a, S).block.piece, 0);
    requests_release(&w.requests, &a);
    /* unknown again */
    bitset_empty(&blocks);
    assert_int_equal(requests_restore(&w.requests, 1, &blocks), 0);
    assert_false(requests_piece_is_started(&w.requests, 1));
    assert_true(picker_is_candidate(&w.picker, 1));
    bitset_deinit(&blocks);
    bitset_deinit(&wrong);
    end(&w);
}

static void while_choked_only_allowed_pieces_are_asked(void **state)
{
    (void)state;
    struct world w;
    struct requester a, b;
    const uint32_t allowed[] = {77, 5, 1};
    struct request_choice choice;
    begin(&w, 10, 10);
    join(&a, 1);
    join(&b, 2);
    next(&w, &b, S); /* starts piece 0, which is not allowed */
    for (int i = 0; i < 2 * BLOCKS; i++) {
        assert_true(requests_next_from(&w.requests, &a, NULL, allowed, 3, true, S, &choice));
        assert_int_equal(choice.block.piece, i < BLOCKS ? 5 : 1);
        assert_true(requests_is_consistent(&w.requests));
    }
    assert_false(requests_next_from(&w.requests, &a, NULL, allowed, 3, true, S, &choice));
    requests_release(&w.requests, &a);
    requests_release(&w.requests, &b);
    end(&w);
}

static void a_piece_that_came_another_way_is_forgotten_with_its_requests(void **state)
{
    (void)state;
    struct world w;
    struct requester a;
    begin(&w, 3, 3);
    join(&a, 1);
    struct request_choice choice = next(&w, &a, S);
    next(&w, &a, S);
    requests_on_piece_done(&w.requests, 0);
    assert_int_equal(a.outstanding, 0);
    assert_false(picker_is_candidate(&w.picker, 0));
    assert_int_equal(deliver(&w, &a, choice.block, S), REQUEST_UNASKED);
    assert_int_equal(next(&w, &a, S).block.piece, 1);
    requests_release(&w.requests, &a);
    end(&w);
}

/* ---- padding (BEP 47) ------------------------------------------------------------------------ */

/* Padding: of the first piece the first and third block, the whole of the second, the end of the
 * last. */
static const bool padding_here_and_there[] = {true, false, true, false, true,
                                              true, true,  true, false, true};

static void padding_is_never_asked(void **state)
{
    (void)state;
    struct world w;
    struct requester a;
    begin_padded(&w, 3, 3, padding_here_and_there);
    join(&a, 1);
    struct request_choice first = next(&w, &a, S), second = next(&w, &a, S);
    assert_true(first.starts_piece && !second.starts_piece);
    assert_int_equal(first.block.piece, 0);
    assert_int_equal(first.block.offset, BLOCK_BYTES);
    assert_int_equal(second.block.piece, 0);
    assert_int_equal(second.block.offset, 3 * BLOCK_BYTES);
    /* what would be zeros if it were wanted at all may be had from peers */
    for (uint32_t i = 0; i < BLOCKS; i++) {
        struct request_choice choice = next(&w, &a, S);
        assert_int_equal(choice.block.piece, 1);
        assert_int_equal(choice.block.offset, i * BLOCK_BYTES);
    }
    struct request_choice last = next(&w, &a, S);
    assert_int_equal(last.block.piece, 2);
    assert_int_equal(last.block.offset, 0);
    assert_true(nothing(&w, &a, S));
    assert_int_equal(deliver(&w, &a, first.block, S), REQUEST_WANTED);
    assert_false(requests_piece_is_complete(&w.requests, 0));
    assert_int_equal(deliver(&w, &a, second.block, S), REQUEST_WANTED);
    assert_true(requests_piece_is_complete(&w.requests, 0));
    assert_int_equal(deliver(&w, &a, last.block, S), REQUEST_WANTED);
    assert_true(requests_piece_is_complete(&w.requests, 2));
    assert_int_equal(requests_block_sender(&w.requests, 0, 0), 0);
    assert_int_equal(requests_block_sender(&w.requests, 0, 1), 1);
    const struct block padding = {0, 0, BLOCK_BYTES};
    assert_int_equal(deliver(&w, &a, padding, S), REQUEST_UNASKED);
    requests_release(&w.requests, &a);
    end(&w);
}

static void a_piece_with_padding_alone_goes_back_to_the_picker(void **state)
{
    (void)state;
    struct world w;
    struct requester a;
    struct bitset blocks;
    begin_padded(&w, 3, 3, padding_here_and_there);
    join(&a, 1);
    requests_undo(&w.requests, &a, next(&w, &a, S).block);
    assert_false(requests_piece_is_started(&w.requests, 0));
    assert_true(picker_is_candidate(&w.picker, 0));
    assert_int_equal(bitset_init(&blocks, BLOCKS), 0);
    bitset_set(&blocks, 2);
    assert_int_equal(requests_restore(&w.requests, 0, &blocks), 0);
    assert_false(requests_piece_is_started(&w.requests, 0));
    assert_true(picker_is_candidate(&w.picker, 0));
    bitset_deinit(&blocks);
    end(&w);
}

static void a_record_need_not_know_of_padding(void **state)
{
    (void)state;
    struct world w;
    struct requester a;
    struct bitset blocks;
    begin_padded(&w, 3, 3, padding_here_and_there);
    join(&a, 1);
    assert_int_equal(bitset_init(&blocks, BLOCKS), 0);
    bitset_set(&blocks, 3);
    assert_int_equal(requests_restore(&w.requests, 0, &blocks), 0);
    assert_true(requests_is_consistent(&w.requests));
    struct request_choice choice = next(&w, &a, S);
    assert_int_equal(choice.block.piece, 0);
    assert_int_equal(choice.block.offset, BLOCK_BYTES);
    assert_int_equal(deliver(&w, &a, choice.block, S), REQUEST_WANTED);
    assert_true(requests_piece_is_complete(&w.requests, 0));
    requests_release(&w.requests, &a);
    bitset_deinit(&blocks);
    end(&w);
}

static void a_failed_piece_keeps_its_padding(void **state)
{
    (void)state;
    struct world w;
    struct requester a;
    begin_padded(&w, 3, 3, padding_here_and_there);
    join(&a, 1);
    for (int attempt = 0; attempt < 3; attempt++) {
        struct request_choice first = next(&w, &a, S), second = next(&w, &a, S);
        assert_int_equal(first.block.piece, 0);
        assert_int_equal(first.block.offset, BLOCK_BYTES);
        assert_int_equal(second.block.offset, 3 * BLOCK_BYTES);
        deliver(&w, &a, first.block, S);
        deliver(&w, &a, second.block, S);
        assert_true(requests_piece_is_complete(&w.requests, 0));
        requests_on_piece_failed(&w.requests, 0, attempt == 0);
        assert_int_equal(requests_piece_is_started(&w.requests, 0), attempt == 0);
        assert_true(requests_is_consistent(&w.requests));
        if (attempt == 1) {
            assert_int_equal(requests_set_parole(&w.requests, 0, 0, NULL, 0), 0);
            assert_true(requests_is_consistent(&w.requests));
        }
    }
    requests_release(&w.requests, &a);
    end(&w);
}

/* ---- any history --------------------------------------------------------------------------------
 */

enum { PEERS = 12, PIECES = 40 };

struct model_peer {
    struct requester q;
    struct bitset has;
    bool here, seed;
    struct block asked[LIMIT_PEER_REQUESTS_OUT];
    uint32_t asked_count;
};

static void model_forget(struct model_peer *peer, struct block b)
{
    for (uint32_t i = 0; i < peer->asked_count; i++) {
        if (block_equals(peer->asked[i], b)) {
            peer->asked[i] = peer->asked[--peer->asked_count];
            return;
        }
    }
    fail_msg("a block that was not asked");
}

struct model {
    struct world w;
    struct model_peer peers[PEERS];
    bool done[PIECES], padding[PIECES * BLOCKS];
    uint32_t done_count, copies, snubs, failures;
    uint64_t keys;
    struct dice dice;
    int64_t now_ns;
};

static void model_ask(struct model *m, struct model_peer *peer)
{
    struct request_choice choice;
    const struct bitset *has = peer->seed ? NULL : &peer->has;
    uint32_t room = requests_room(&m->w.requests, &peer->q, m->now_ns);
    bool sequential = dice_below(&m->dice, 3) == 0;
    for (; room > 0; room--) {
        if (!requests_next(&m->w.requests, &peer->q, has, dice_below(&m->dice, 20) > 0, sequential,
                           m->now_ns, &choice)) {
            return;
        }
        bool elsewhere = false;
        for (int i = 0; i < PEERS; i++) {
            for (uint32_t j = 0; j < m->peers[i].asked_count; j++) {
                if (block_equals(m->peers[i].asked[j], choice.block)) {
                    assert_ptr_not_equal(&m->peers[i], peer);
                    elsewhere = true;
                }
            }
        }
        assert_int_equal(elsewhere, choice.duplicate);
        assert_false(m->done[choice.block.piece]);
        assert_false(m->padding[choice.block.piece * BLOCKS + choice.block.offset / BLOCK_BYTES]);
        assert_true(!has || bitset_get(has, choice.block.piece));
        m->copies += choice.duplicate;
        if (dice_below(&m->dice, 30) == 0) {
            requests_undo(&m->w.requests, &peer->q, choice.block);
            return;
        }
        peer->asked[peer->asked_count++] = choice.block;
    }
}

static void model_finish(struct model *m, uint32_t piece)
{
    if (!requests_piece_is_complete(&m->w.requests, piece)) {
        return;
    }
    if (dice_below(&m->dice, 6) == 0) {
        uint32_t sent = m->padding[piece * BLOCKS];
        uint64_t sender = requests_block_sender(&m->w.requests, piece, sent);
        assert_true(sender > 0);
        m->failures++;
        requests_on_piece_failed(&m->w.requests, piece, dice_below(&m->dice, 2));
        if (dice_below(&m->dice, 2)) {
            assert_int_equal(requests_set_parole(&m->w.requests, piece, 0, &sender, 1), 0);
        }
        return;
    }
    requests_on_piece_done(&m->w.requests, piece);
    m->done[piece] = true;
    m->done_count++;
}

static void model_answer(struct model *m, struct model_peer *peer)
{
    struct requester *also[REQUEST_OWNERS_MAX];
    uint32_t also_count;
    if (peer->asked_count == 0) {
        return;
    }
    struct block b = peer->asked[dice_below(&m->dice, peer->asked_count)];
    model_forget(peer, b);
    assert_int_equal(requests_on_block(&m->w.requests, &peer->q, b, m->now_ns, also, &also_count),
                     REQUEST_WANTED);
    for (uint32_t i = 0; i < also_count; i++) {
        bool found = false;
        for (int j = 0; j < PEERS; j++) {
            if (also[i] == &m->peers[j].q) {
                model_forget(&m->peers[j], b);
                found = true;
            }
        }
        assert_true(found);
    }
    model_finish(m, b.piece);
}

static void model_leave(struct model *m, struct model_peer *peer)
{
    assert_int_equal(requests_release(&m->w.requests, &peer->q), peer->asked_count);
    peer->asked_count = 0;
    if (peer->seed) {
        picker_on_seed_gone(&m->w.picker);
    } else {
        picker_on_gone(&m->w.picker, &peer->has);
        bitset_deinit(&peer->has);
    }
    peer->here = false;
}

static void model_join(struct model *m, struct model_peer *peer)
{
    peer->here = true;
    peer->seed = dice_below(&m->dice, 4) == 0;
    requester_init(&peer->q, dice_below(&m->dice, 2) ? 500 : 5, m->now_ns);
    peer->q.key = ++m->keys;
    if (peer->seed) {
        picker_on_seed(&m->w.picker);
        return;
    }
    assert_int_equal(bitset_init(&peer->has, PIECES), 0);
    for (uint32_t i = 0; i < PIECES; i++) {
        if (dice_below(&m->dice, 2)) {
            bitset_set(&peer->has, i);
        }
    }
    picker_on_bitfield(&m->w.picker, &peer->has);
}

static void model_expire(struct model *m, struct model_peer *peer)
{
    struct block out[3];
    uint32_t count;
    bool before = peer->q.snubbed;
    do {
        count = requests_expire(&m->w.requests, &peer->q, m->now_ns, out, 3);
        for (uint32_t i = 0; i < count; i++) {
            model_forget(peer, out[i]);
        }
    } while (count == 3);
    m->snubs += peer->q.snubbed && !before;
    assert_true(requests_deadline(&m->w.requests, &peer->q) > m->now_ns);
}

static void model_step(struct model *m)
{
    struct model_peer *peer = &m->peers[dice_below(&m->dice, PEERS)];
    m->now_ns += (int64_t)dice_below(&m->dice, 40) * MS;
    if (!peer->here) {
        model_join(m, peer);
        return;
    }
    switch (dice_below(&m->dice, 24)) {
    case 0:
        model_leave(m, peer);
        break;
    case 1:
        if (peer->asked_count > 0) {
            struct block b = peer->asked[0];
            model_forget(peer, b);
            requests_on_reject(&m->w.requests, &peer->q, b);
        }
        break;
    case 2:
        m->now_ns += dice_below(&m->dice, 10) == 0 ? 70 * S : 0;
        model_expire(m, peer);
        break;
    case 3:
    case 4:
    case 5:
    case 6:
    case 7:
        model_ask(m, peer);
        break;
    default:
        model_answer(m, peer);
    }
    if (peer->here) {
        assert_int_equal(peer->q.outstanding, peer->asked_count);
    }
}

/* Up to three blocks of each piece. */
static void model_pad(struct model *m)
{
    for (uint32_t i = 0; i < PIECES; i++) {
        bool *padding = m->padding + (size_t)i * BLOCKS;
        padding[dice_below(&m->dice, 2)] = dice_below(&m->dice, 2);
        for (uint32_t j = 2; j < BLOCKS; j++) {
            padding[j] = dice_below(&m->dice, 2);
        }
    }
}

static void any_swarm_finishes_every_piece_once(void **state)
{
    (void)state;
    struct model *m = calloc(1, sizeof *m);
    uint32_t copies = 0, snubs = 0, failures = 0;
    assert_non_null(m);
    for (uint64_t seed = 1; seed <= 40; seed++) {
        memset(m, 0, sizeof *m);
        dice_init(&m->dice, seed);
        m->now_ns = S;
        if (seed % 2) {
            model_pad(m);
        }
        begin_padded(&m->w, PIECES, seed % 3 ? PIECES : 7, m->padding);
        int steps = 0;
        while (m->done_count < PIECES) {
            model_step(m);
            if (steps % 7 == 0) {
                assert_true(requests_is_consistent(&m->w.requests));
                assert_true(picker_is_consistent(&m->w.picker));
            }
            assert_true(++steps < 200000);
        }
        for (int i = 0; i < PEERS; i++) {
            if (m->peers[i].here) {
                model_leave(m, &m->peers[i]);
            }
        }
        copies += m->copies;
        snubs += m->snubs;
        failures += m->failures;
        assert_int_equal(m->w.requests.partials.count, 0);
        end(&m->w);
    }
    /* the model did meet what it is about */
    assert_true(copies > 100 && snubs > 20 && failures > 100);
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peer_finishes_its_piece_before_it_starts_another),
        cmocka_unit_test(the_most_complete_piece_comes_first),
        cmocka_unit_test(the_last_block_is_as_short_as_it_is),
        cmocka_unit_test(only_pieces_that_the_peer_has_are_asked),
        cmocka_unit_test(at_the_memory_cap_only_started_pieces_go_on),
        cmocka_unit_test(no_more_pieces_are_started_than_allowed),
        cmocka_unit_test(an_undone_start_goes_back_to_the_picker),
        cmocka_unit_test(a_piece_with_something_received_stays_started),
        cmocka_unit_test(blocks_nobody_could_have_asked_are_unasked),
        cmocka_unit_test(the_endgame_asks_two_peers_and_cancels_the_loser),
        cmocka_unit_test(who_answers_at_random_is_not_reliable_for_a_hit),
        cmocka_unit_test(who_gives_back_what_it_was_asked_for_makes_no_copies),
        cmocka_unit_test(there_is_no_endgame_while_a_block_is_unasked),
        cmocka_unit_test(copies_at_one_peer_are_bounded),
        cmocka_unit_test(a_copy_that_would_come_too_late_is_asked_when_the_owner_falls_silent),
        cmocka_unit_test(a_silent_peer_gives_everything_back_and_is_snubbed),
        cmocka_unit_test(a_fast_peer_that_stops_is_noticed_sooner),
        cmocka_unit_test(a_skipped_request_is_taken_back_without_a_snub),
        cmocka_unit_test(rejects_again_and_again_earn_a_pause),
        cmocka_unit_test(a_choke_that_rejects_all_earns_none),
        cmocka_unit_test(no_peer_is_asked_more_than_it_queues),
        cmocka_unit_test(a_failed_piece_is_fetched_again_before_others),
        cmocka_unit_test(a_piece_on_parole_is_one_peers_alone),
        cmocka_unit_test(a_silent_peer_does_not_hold_a_piece_on_parole),
        cmocka_unit_test(a_piece_on_parole_keeps_nobody_from_copies_of_others),
        cmocka_unit_test(a_block_that_was_not_asked_is_no_sign_of_life),
        cmocka_unit_test(an_unwanted_piece_is_not_asked_but_what_comes_is_taken),
        cmocka_unit_test(restored_blocks_are_not_asked_again),
        cmocka_unit_test(while_choked_only_allowed_pieces_are_asked),
        cmocka_unit_test(a_piece_that_came_another_way_is_forgotten_with_its_requests),
        cmocka_unit_test(padding_is_never_asked),
        cmocka_unit_test(a_piece_with_padding_alone_goes_back_to_the_picker),
        cmocka_unit_test(a_record_need_not_know_of_padding),
        cmocka_unit_test(a_failed_piece_keeps_its_padding),
        cmocka_unit_test(any_swarm_finishes_every_piece_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
