/* Who is asked for what is left at the end, and what is asked of a second peer. */
#include "swarm/endgame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#define MS INT64_C(1000000)
#define S  (1000 * MS)

enum { BLOCKS = 4 };

/* A torrent of whole pieces of 4 blocks. */
struct world {
    struct layout layout;
    struct picker picker;
    struct requests requests;
};

static void begin(struct world *w, uint32_t pieces, uint64_t received)
{
    memset(&w->layout, 0, sizeof w->layout);
    w->layout.piece_length = BLOCKS * BLOCK_BYTES;
    w->layout.piece_count = pieces;
    w->layout.total_length = (uint64_t)pieces * BLOCKS * BLOCK_BYTES;
    assert_int_equal(picker_init(&w->picker, pieces, 5), 0);
    assert_int_equal(requests_init(&w->requests, &w->layout, &w->picker, pieces), 0);
    for (uint32_t i = 0; i < pieces; i++) {
        requests_want(&w->requests, i, true);
    }
    w->requests.received = received;
}

static void end(struct world *w)
{
    assert_true(requests_is_consistent(&w->requests));
    requests_deinit(&w->requests);
    picker_deinit(&w->picker);
}

/* A peer that is known to take so long for one block more and for one round trip. */
static void join(struct requester *q, uint64_t key, int64_t service_ms, int64_t rtt_ms)
{
    requester_init(q, 500, S);
    q->key = key;
    q->reliable = true;
    q->pipeline.ramping = false;
    q->pipeline.rate = (uint64_t)(BLOCK_BYTES * 1000 / service_ms);
    q->pipeline.rtt_us = rtt_ms * 1000;
}

static bool ask(struct world *w, struct requester *q, int64_t now_ns, struct request_choice *out)
{
    bool asked = requests_next(&w->requests, q, NULL, true, true, now_ns, out);
    assert_true(requests_is_consistent(&w->requests));
    return asked;
}

static int ask_all(struct world *w, struct requester *q, int64_t now_ns)
{
    struct request_choice choice;
    int count = 0;
    while (ask(w, q, now_ns, &choice)) {
        count++;
    }
    return count;
}

static void a_slow_peer_leaves_the_end_to_a_fast_one(void **state)
{
    (void)state;
    struct world w;
    struct requester fast, slow;
    struct request_choice choice;
    begin(&w, 3, 1000);
    join(&fast, 1, 10, 20);
    join(&slow, 2, 2000, 2000);
    /* while more is unasked than asked, everybody takes some */
    assert_true(ask(&w, &fast, S, &choice));
    assert_true(ask(&w, &slow, S, &choice));
    for (int i = 0; i < 9; i++) {
        assert_true(ask(&w, &fast, S, &choice));
    }
    assert_false(ask(&w, &slow, S, &choice));
    int64_t again_ns = requests_deadline(&w.requests, &slow);
    assert_true(again_ns > S && again_ns <= 2 * S);
    /* when the fast one is gone, the slow one is better than nobody */
    requests_release(&w.requests, &fast);
    assert_true(ask(&w, &slow, again_ns, &choice));
    assert_false(choice.duplicate);
    requests_release(&w.requests, &slow);
    end(&w);
}

static void what_only_a_slow_peer_has_is_asked_of_it(void **state)
{
    (void)state;
    struct world w;
    struct requester fast, slow;
    struct request_choice choice;
    struct bitset has;
    begin(&w, 2, 1000);
    join(&fast, 1, 10, 20);
    join(&slow, 2, 2000, 2000);
    assert_int_equal(bitset_init(&has, 2), 0);
    bitset_set(&has, 0);
    while (requests_next(&w.requests, &fast, &has, true, true, S, &choice)) {
    }
    assert_int_equal(fast.outstanding, BLOCKS);
    assert_true(ask(&w, &slow, S, &choice));
    assert_int_equal(choice.block.piece, 1);
    requests_release(&w.requests, &fast);
    requests_release(&w.requests, &slow);
    bitset_deinit(&has);
    end(&w);
}

static void equals_share_the_end_equally(void **state)
{
    (void)state;
    struct world w;
    struct requester a, b;
    struct request_choice choice;
    begin(&w, 8, 1000);
    join(&a, 1, 100, 100);
    join(&b, 2, 100, 100);
    for (int i = 0; i < 4; i++) {
        assert_true(ask(&w, &b, S, &choice));
    }
    int taken = 0;
    while (ask(&w, &a, S, &choice)) {
        assert_false(choice.duplicate);
        assert_true(++taken <= 24);
    }
    assert_in_range(taken, 14, 20);
    requests_release(&w.requests, &a);
    requests_release(&w.requests, &b);
    end(&w);
}

static void a_block_that_is_on_its_way_is_not_asked_twice(void **state)
{
    (void)state;
    struct world w;
    struct requester a, b;
    struct request_choice choice;
    begin(&w, 1, 1000);
    join(&a, 1, 20, 100);
    join(&b, 2, 20, 100);
    assert_int_equal(ask_all(&w, &a, S), BLOCKS);
    assert_false(ask(&w, &b, S, &choice));
    assert_false(ask(&w, &b, S + 90 * MS, &choice));
    /* not before it is as overdue as a cancel and another answer would take */
    assert_false(ask(&w, &b, S + 250 * MS, &choice));
    assert_true(requests_deadline(&w.requests, &b) < S + 600 * MS);
    assert_true(ask(&w, &b, S + 900 * MS, &choice));
    assert_true(choice.duplicate);
    assert_int_equal(choice.block.offset, (BLOCKS - 1) * BLOCK_BYTES);
    requests_release(&w.requests, &a);
    requests_release(&w.requests, &b);
    end(&w);
}

static void a_deep_queue_is_shortened_from_its_end(void **state)
{
    (void)state;
    struct world w;
    struct requester slow, fast;
    begin(&w, 2, 1000);
    join(&slow, 1, 1000, 1000);
    join(&fast, 2, 10, 20);
    assert_int_equal(ask_all(&w, &slow, S), 2 * BLOCKS);
    int copies = ask_all(&w, &fast, S);
    assert_int_equal(copies, 2 * BLOCKS - 1); /* but for what is on its way */
    requests_release(&w.requests, &slow);
    requests_release(&w.requests, &fast);
    end(&w);
}

static void copies_are_a_small_part_of_what_came(void **state)
{
    (void)state;
    struct world w;
    struct requester slow, fast;
    begin(&w, 8, 48);
    join(&slow, 1, 1000, 1000);
    join(&fast, 2, 10, 20);
    assert_int_equal(ask_all(&w, &slow, S), 8 * BLOCKS);
    assert_int_equal(ask_all(&w, &fast, S), 3);
    assert_true(requests_deadline(&w.requests, &fast) <= 2 * S);
    requests_release(&w.requests, &slow);
    requests_release(&w.requests, &fast);
    end(&w);
}

static void a_copy_whose_loser_heard_in_time_was_not_in_vain(void **state)
{
    (void)state;
    struct world w;
    struct requester slow, fast, *also[REQUEST_OWNERS_MAX];
    struct request_choice choice;
    uint32_t also_count;
    begin(&w, 8, 0);
    join(&slow, 1, 1000, 1000);
    join(&fast, 2, 10, 20);
    ask_all(&w, &slow, S);
    assert_true(ask(&w, &fast, S, &choice));
    assert_int_equal(w.requests.doubtful, 1);
    assert_int_equal(
        requests_on_block(&w.requests, &fast, choice.block, S + 20 * MS, also, &also_count),
        REQUEST_WANTED);
    assert_int_equal(also_count, 1);
    assert_int_equal(w.requests.doubtful, 0);
    /* it comes all the same */
    requests_on_late(&w.requests, &slow, BLOCK_BYTES, 2 * S);
    assert_int_equal(w.requests.doubtful, 1);
    requests_on_late(&w.requests, &slow, BLOCK_BYTES, 2 * S);
    assert_int_equal(w.requests.doubtful, 1);
    requests_release(&w.requests, &slow);
    requests_release(&w.requests, &fast);
    end(&w);
}

static void no_answer_is_on_its_way_for_seconds(void **state)
{
    (void)state;
    struct world w;
    struct requester slow, fast;
    begin(&w, 1, 1000);
    join(&slow, 1, 6000, 6000); /* its shortest answer took so long */
    join(&fast, 2, 10, 20);
    assert_int_equal(ask_all(&w, &slow, S), BLOCKS);
    assert_int_equal(ask_all(&w, &fast, 2 * S), BLOCKS); /* the oldest too */
    requests_release(&w.requests, &slow);
    requests_release(&w.requests, &fast);
    end(&w);
}

static void what_a_silent_peer_owes_may_always_be_asked_again(void **state)
{
    (void)state;
    struct world w;
    struct requester silent, fast;
    begin(&w, 2, 0);
    join(&silent, 1, 10, 20);
    join(&fast, 2, 10, 20);
    ask_all(&w, &silent, S);
    silent.snubbed = true;
    silent.reliable = false;
    assert_int_equal(ask_all(&w, &fast, S + 10 * MS), 2 * BLOCKS);
    requests_release(&w.requests, &silent);
    requests_release(&w.requests, &fast);
    end(&w);
}

/* The first piece is owed by one peer, the second is nobody's and the other peer does not have it. */
static void begin_idle(struct world *w, struct requester *owner, struct requester *idle,
                       struct bitset *has)
{
    struct request_choice choice;
    begin(w, 2, 1000);
    w->requests.reliable_seen = true;
    join(owner, 1, 10, 20);
    join(idle, 2, 10, 20);
    assert_int_equal(bitset_init(has, 2), 0);
    bitset_set(has, 0);
    for (int i = 0; i < BLOCKS; i++) {
        assert_true(ask(w, owner, S, &choice));
        assert_int_equal(choice.block.piece, 0);
    }
}

static void end_idle(struct world *w, struct requester *owner, struct requester *idle,
                     struct bitset *has)
{
    requests_release(&w->requests, owner);
    requests_release(&w->requests, idle);
    bitset_deinit(has);
    end(w);
}

static void an_idle_peer_is_asked_for_what_a_silent_one_owes(void **state)
{
    (void)state;
    for (int known = 0; known < 2; known++) {
        struct world w;
        struct requester silent, idle;
        struct request_choice choice;
        struct bitset has;
        begin_idle(&w, &silent, &idle, &has);
        if (!known) { /* it has never delivered */
            silent.reliable = false;
            silent.pipeline.rate = 0;
            silent.pipeline.rtt_us = 0;
        }
        /* at first its answers may be on their way; nobody has to tell when they are not */
        int64_t now_ns = S;
        while (!requests_next(&w.requests, &idle, &has, true, true, now_ns, &choice)) {
            assert_true(now_ns < 20 * S);
            int64_t again_ns = requests_deadline(&w.requests, &idle);
            assert_true(again_ns > now_ns && again_ns <= now_ns + S);
            now_ns = again_ns;
        }
        assert_true(choice.duplicate);
        assert_int_equal(choice.block.piece, 0);
        assert_true(now_ns > 2 * S);
        assert_true(known || now_ns < 6 * S);
        end_idle(&w, &silent, &idle, &has);
    }
}

static void an_idle_peer_copies_nothing_while_its_owner_delivers(void **state)
{
    (void)state;
    struct world w;
    struct requester owner, idle, *also[REQUEST_OWNERS_MAX];
    struct request_choice choice;
    struct bitset has;
    uint32_t also_count;
    begin_idle(&w, &owner, &idle, &has);
    for (uint32_t i = 0; i + 1 < BLOCKS; i++) {
        struct block block = {0, i * BLOCK_BYTES, BLOCK_BYTES};
        int64_t now_ns = S + i * 400 * MS;
        requests_on_block(&w.requests, &owner, block, now_ns, also, &also_count);
        assert_false(requests_next(&w.requests, &idle, &has, true, true, now_ns, &choice));
    }
    end_idle(&w, &owner, &idle, &has);
}

static void seeds_of_unknown_speed_begin_with_even_shares(void **state)
{
    (void)state;
    struct world w;
    struct requester q;
    begin(&w, 6, 0); /* 24 blocks */
    requester_init(&q, 500, S);
    assert_int_equal(requests_room(&w.requests, &q, S), PIPELINE_START);
    picker_on_seed(&w.picker);
    assert_int_equal(requests_room(&w.requests, &q, S), PIPELINE_START);
    for (int i = 0; i < 3; i++) {
        picker_on_seed(&w.picker);
    }
    assert_int_equal(requests_room(&w.requests, &q, S), 4); /* half of six, and one */
    for (int i = 0; i < 50; i++) {
        picker_on_seed(&w.picker);
    }
    assert_int_equal(requests_room(&w.requests, &q, S), PIPELINE_FLOOR);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slow_peer_leaves_the_end_to_a_fast_one),
        cmocka_unit_test(what_only_a_slow_peer_has_is_asked_of_it),
        cmocka_unit_test(equals_share_the_end_equally),
        cmocka_unit_test(a_block_that_is_on_its_way_is_not_asked_twice),
        cmocka_unit_test(a_deep_queue_is_shortened_from_its_end),
        cmocka_unit_test(copies_are_a_small_part_of_what_came),
        cmocka_unit_test(a_copy_whose_loser_heard_in_time_was_not_in_vain),
        cmocka_unit_test(no_answer_is_on_its_way_for_seconds),
        cmocka_unit_test(what_a_silent_peer_owes_may_always_be_asked_again),
        cmocka_unit_test(an_idle_peer_is_asked_for_what_a_silent_one_owes),
        cmocka_unit_test(an_idle_peer_copies_nothing_while_its_owner_delivers),
        cmocka_unit_test(seeds_of_unknown_speed_begin_with_even_shares),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
