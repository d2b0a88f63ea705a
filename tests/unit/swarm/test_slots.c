/* How many peers to serve at once. */
#include "base/limits.h"
#include "swarm/slots.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants the above first */
#include <cmocka.h>

#define S INT64_C(1000000000)

enum { LOOK_S = 5, KB = 1024 };

/* A line, and what those that are served take at most. */
struct scene {
    struct slots slots;
    uint64_t line, each; /* bytes per second */
    uint64_t up_bytes;
    int64_t now_ns;
    bool free_slot;
};

static void begin(struct scene *s, uint64_t line, uint64_t each)
{
    *s = (struct scene){.line = line, .each = each};
    slots_init(&s->slots, 0, 0);
}

static void go_on(struct scene *s, int seconds)
{
    for (int64_t end_ns = s->now_ns + seconds * S; s->now_ns < end_ns;) {
        uint64_t rate = s->slots.count * s->each;
        rate = rate < s->line ? rate : s->line;
        s->now_ns += LOOK_S * S;
        s->up_bytes += rate * LOOK_S;
        struct slots_view view = {
            .up_rate = rate, .up_bytes = s->up_bytes, .all_taken = !s->free_slot};
        slots_look(&s->slots, &view, s->now_ns);
    }
}

static void a_slow_line_gets_few_slots(void **state)
{
    (void)state;
    struct scene s;
    begin(&s, 40 * KB, 1000 * KB);
    assert_int_equal(s.slots.count, SLOTS_DEFAULT);
    go_on(&s, 30);
    assert_int_equal(s.slots.count, SLOTS_MIN);
    go_on(&s, 240);
    assert_int_equal(s.slots.count, SLOTS_MIN);
    begin(&s, 200 * KB, 1000 * KB);
    go_on(&s, 30);
    assert_int_equal(s.slots.count, 3);
    begin(&s, 600 * KB, 1000 * KB);
    go_on(&s, 300);
    assert_int_equal(s.slots.count, SLOTS_DEFAULT);
}

static void slow_peers_of_a_fast_line_keep_their_slots(void **state)
{
    (void)state;
    for (uint64_t each = 1; each < 64; each += 7) {
        struct scene s;
        int fewer = 0;
        begin(&s, 10000 * KB, each * KB);
        for (int i = 0; i < 3600 / LOOK_S; i++) {
            go_on(&s, LOOK_S);
            fewer += s.slots.count < SLOTS_DEFAULT;
        }
        assert_true(fewer > 0); /* it was tried */
        assert_true(fewer * LOOK_S < 3600 / 6);
    }
}

static void a_line_that_sends_more_is_measured_anew(void **state)
{
    (void)state;
    struct scene s;
    begin(&s, 5 * KB, 1000 * KB);
    go_on(&s, 60);
    assert_int_equal(s.slots.count, SLOTS_MIN);
    s.line = 5000 * KB;
    go_on(&s, 60);
    assert_true(s.slots.count >= SLOTS_DEFAULT);
}

static void all_slots_are_tried_again_after_minutes(void **state)
{
    (void)state;
    struct scene s;
    int wide = 0;
    begin(&s, 40 * KB, 1000 * KB);
    go_on(&s, 60);
    for (int i = 0; i < 400 / LOOK_S; i++) {
        go_on(&s, LOOK_S);
        wide += s.slots.count == SLOTS_DEFAULT;
    }
    assert_in_range(wide * LOOK_S, 10, 40);
    assert_int_equal(s.slots.count, SLOTS_MIN);
}

static void who_has_a_free_slot_loses_none(void **state)
{
    (void)state;
    struct scene s;
    begin(&s, 40 * KB, 1000 * KB);
    s.free_slot = true;
    go_on(&s, 300);
    assert_int_equal(s.slots.count, SLOTS_DEFAULT);
}

static void a_fast_line_gets_more_slots(void **state)
{
    (void)state;
    struct scene s;
    begin(&s, 100000 * KB, 200 * KB);
    go_on(&s, LOOK_S);
    assert_int_equal(s.slots.count, SLOTS_DEFAULT + 1);
    go_on(&s, 3600);
    assert_int_equal(s.slots.count, LIMIT_UPLOAD_SLOTS);
    s.line = 10 * KB;
    go_on(&s, LOOK_S);
    assert_int_equal(s.slots.count, LIMIT_UPLOAD_SLOTS - 1);
    go_on(&s, 3600);
    assert_true(s.slots.count <= SLOTS_DEFAULT);
}

static uint32_t limited(uint64_t limit, uint64_t rate, uint32_t count)
{
    struct slots s;
    struct slots_view view = {.up_limit = limit, .up_rate = rate, .all_taken = true};
    slots_init(&s, limit, 0);
    s.count = count;
    slots_look(&s, &view, 5 * S);
    return s.count;
}

static void a_limit_decides_how_many(void **state)
{
    (void)state;
    struct slots s;
    slots_init(&s, 10 * KB, 0);
    assert_int_equal(s.count, 2);
    slots_init(&s, 1, 0);
    assert_int_equal(s.count, SLOTS_MIN);
    slots_init(&s, 1000 * KB, 0);
    assert_int_equal(s.count, SLOTS_DEFAULT);
    assert_int_equal(limited(10 * KB, 10 * KB, 2), 2);
    assert_int_equal(limited(1000 * KB, 500 * KB, 8), 9);
    assert_int_equal(limited(1000 * KB, 1000 * KB, 9), 8);
}

static void a_limit_that_nobody_uses_gives_no_more_slots(void **state)
{
    (void)state;
    struct slots s;
    struct slots_view view = {.up_limit = 1000 * KB, .up_rate = 0, .all_taken = false};
    slots_init(&s, view.up_limit, 0);
    for (int64_t now_ns = 0; now_ns < 3600 * S; now_ns += LOOK_S * S) {
        slots_look(&s, &view, now_ns);
        assert_int_equal(s.count, SLOTS_DEFAULT);
    }
}

static void an_outage_says_nothing_of_the_line(void **state)
{
    (void)state;
    struct scene s;
    begin(&s, 0, 1000 * KB);
    go_on(&s, 120); /* connections hold their slots, and nothing leaves */
    assert_int_equal(s.slots.count, SLOTS_DEFAULT);
    begin(&s, 600 * KB, 1000 * KB);
    go_on(&s, 15);
    s.now_ns += 1000 * S; /* nobody was there */
    go_on(&s, 10);
    assert_int_equal(s.slots.count, SLOTS_DEFAULT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slow_line_gets_few_slots),
        cmocka_unit_test(slow_peers_of_a_fast_line_keep_their_slots),
        cmocka_unit_test(a_line_that_sends_more_is_measured_anew),
        cmocka_unit_test(all_slots_are_tried_again_after_minutes),
        cmocka_unit_test(who_has_a_free_slot_loses_none),
        cmocka_unit_test(a_fast_line_gets_more_slots),
        cmocka_unit_test(a_limit_decides_how_many),
        cmocka_unit_test(a_limit_that_nobody_uses_gives_no_more_slots),
        cmocka_unit_test(an_outage_says_nothing_of_the_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
