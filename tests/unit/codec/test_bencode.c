/* Bencoding: strict, bounded, and exact about where it fails. */
#include "base/dice.h"
#include "base/limits.h"
#include "codec/bencode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>

enum { TOKENS_MAX = 100000 };

static int parse_text(struct bencode *tree, const char *text, struct spate_error *error)
{
    return bencode_parse(tree, span_text(text), TOKENS_MAX, error);
}

static void what_is_not_bencode_is_refused_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t offset;
    } table[] = {
        {"", 0},
        {"e", 0},
        {"x", 0},
        {"-5:hello", 0},
        {"i", 1},
        {"ie", 1},
        {"i-e", 2},
        {"i--1e", 2},
        {"i+1e", 1},
        {"i1.5e", 2},
        {"i 1e", 1},
        {"i12", 3},
        {"i01e", 1},
        {"i-0e", 2},
        {"i-01e", 2},
        {"i00e", 1},
        {"i9223372036854775808e", 0},
        {"i-9223372036854775809e", 0},
        {"i99999999999999999999999999e", 0},
        {"5:hell", 0},
        {"5", 0},
        {"5hello", 1},
        {"05:hello", 0},
        {"00:", 0},
        {"99999999999999999999:x", 0},
        {"18446744073709551617:x", 0},
        {"l", 1},
        {"l1:a", 4},
        {"li1ex", 4},
        {"d", 1},
        {"d1:a", 4},
        {"d1:ae", 4},
        {"di1ei2ee", 1},
        {"dl1:aei2ee", 1},
        {"d1:ai1e2:bbe", 11},
        {"i1ei2e", 3},
        {"dee", 2},
        {"0:x", 2},
        {"i1e\n", 3},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct bencode tree;
        struct spate_error error = {.size = sizeof error};
        int failed = parse_text(&tree, table[i].text, &error);
        if (failed != SPATE_EBENCODE || error.code != failed || error.offset != table[i].offset ||
            !error.text[0] || tree.tokens) {
            fail_msg("'%s': %d at %d: %s", table[i].text, failed, (int)error.offset, error.text);
        }
    }
}

static void integers_reach_both_ends_of_64_bits(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } table[] = {{"i0e", 0},
                 {"i-1e", -1},
                 {"i42e", 42},
                 {"i9223372036854775807e", INT64_MAX},
                 {"i-9223372036854775808e", INT64_MIN}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct bencode tree;
        int64_t value = 7;
        assert_int_equal(parse_text(&tree, table[i].text, NULL), 0);
        assert_true(bencode_int(bencode_root(&tree), &value));
        assert_true(value == table[i].value);
        bencode_deinit(&tree);
    }
}

static void every_prefix_is_refused_at_or_before_its_end(void **state)
{
    (void)state;
    static const char text[] = "d4:infod6:lengthi1024e4:name8:file.iso5:piecel1:a0:i-7eee3:zzzlee";
    for (size_t size = 0; size < sizeof text - 1; size++) {
        uint8_t *exact = malloc(size + 1);
        struct bencode tree;
        struct spate_error error = {.size = sizeof error};
        memcpy(exact, text, size);
        assert_int_equal(bencode_parse(&tree, span_of(exact, size), TOKENS_MAX, &error),
                         SPATE_EBENCODE);
        assert_true(error.offset <= size);
        free(exact);
    }
}

/* What holds for any tree that was accepted. */
static void check_tree(const struct bencode *tree, size_t consumed)
{
    assert_int_equal(tree->tokens[0].offset, 0);
    assert_int_equal(tree->tokens[0].size, consumed);
    assert_int_equal(tree->tokens[0].next, tree->count);
    for (uint32_t i = 0; i < tree->count; i++) {
        const struct bencode_token *t = &tree->tokens[i];
        assert_true(t->size >= 2 && t->offset + t->size <= consumed);
        assert_true(t->next > i && t->next <= tree->count);
        for (uint32_t child = i + 1; child < t->next; child = tree->tokens[child].next) {
            assert_true(tree->tokens[child].offset > t->offset);
            assert_true(tree->tokens[child].offset + tree->tokens[child].size <
                        t->offset + t->size);
            assert_true(tree->tokens[child].next <= t->next);
        }
    }
}

static void every_change_of_one_byte_is_taken_or_refused_cleanly(void **state)
{
    (void)state;
    static const char text[] = "d1:ad2:xyi12e3:abcl1:q0:i-3eee2:bbli0e4:spamdee1:ci1ee";
    size_t size = sizeof text - 1;
    uint8_t *bytes = malloc(size);
    for (size_t at = 0; at < size; at++) {
        for (int value = 0; value < 256; value++) {
            struct bencode tree;
            size_t consumed;
            struct spate_error error = {.size = sizeof error};
            memcpy(bytes, text, size);
            bytes[at] = (uint8_t)value;
            int failed =
                bencode_parse_prefix(&tree, span_of(bytes, size), TOKENS_MAX, &consumed, &error);
            if (failed) {
                assert_int_equal(failed, SPATE_EBENCODE);
                assert_true(error.offset <= size && error.text[0]);
            } else {
                check_tree(&tree, consumed);
                bencode_deinit(&tree);
            }
        }
    }
    free(bytes);
}

static void depth_is_bounded_without_recursion(void **state)
{
    (void)state;
    enum { FAR = 1 << 20 };
    char *text = malloc(2 * FAR);
    for (uint32_t depth = LIMIT_BENCODE_DEPTH - 1; depth <= LIMIT_BENCODE_DEPTH + 1; depth++) {
        struct bencode tree;
        struct spate_error error = {.size = sizeof error};
        memset(text, 'l', depth);
        memset(text + depth, 'e', depth);
        int failed = bencode_parse(&tree, span_of(text, 2 * depth), TOKENS_MAX, &error);
        assert_int_equal(failed, depth > LIMIT_BENCODE_DEPTH ? SPATE_ELIMIT : 0);
        if (failed) {
            assert_int_equal(error.offset, LIMIT_BENCODE_DEPTH);
        } else {
            bencode_deinit(&tree);
        }
    }
    struct bencode tree;
    memset(text, 'd', 2 * FAR);
    assert_int_equal(bencode_parse(&tree, span_of(text, 2 * FAR), TOKENS_MAX, NULL),
                     SPATE_EBENCODE);
    memset(text, 'l', 2 * FAR);
    assert_int_equal(bencode_parse(&tree, span_of(text, 2 * FAR), TOKENS_MAX, NULL), SPATE_ELIMIT);
    free(text);
}

static void tokens_are_bounded(void **state)
{
    (void)state;
    for (uint32_t max = 0; max < 40; max++) {
        char text[100];
        for (uint32_t members = 0; members < 40; members++) {
            struct bencode tree;
            size_t size = 0;
            text[size++] = 'l';
            for (uint32_t i = 0; i < members; i++, size += 2) {
                memcpy(text + size, "0:", 2);
            }
            text[size++] = 'e';
            int failed = bencode_parse(&tree, span_of(text, size), max, NULL);
            assert_int_equal(failed, members + 1 > max ? SPATE_ELIMIT : 0);
            if (!failed) {
                assert_int_equal(tree.count, members + 1);
                bencode_deinit(&tree);
            }
        }
    }
}

static void a_claimed_length_allocates_nothing(void **state)
{
    (void)state;
    struct bencode tree;
    struct spate_error error = {.size = sizeof error};
    assert_int_equal(parse_text(&tree, "2147483647:abc", &error), SPATE_EBENCODE);
    assert_string_equal(error.text, "text is longer than what follows at byte 0");
}

static void keys_may_be_unsorted_and_the_first_of_equal_ones_counts(void **state)
{
    (void)state;
    struct bencode tree;
    int64_t value = 0;
    assert_int_equal(parse_text(&tree, "d1:bi1e1:ai2e1:bi3e0:i4ee", NULL), 0);
    struct bencode_item root = bencode_root(&tree);
    assert_true(bencode_find_int(root, "b", &value));
    assert_int_equal(value, 1);
    assert_true(bencode_find_int(root, "a", &value));
    assert_int_equal(value, 2);
    assert_true(bencode_find_int(root, "", &value));
    assert_int_equal(value, 4);
    assert_false(bencode_find_int(root, "c", &value));
    assert_int_equal(value, 4);
    assert_int_equal(bencode_length(root), 4);
    bencode_deinit(&tree);
}

static void finders_find_their_own_type_only(void **state)
{
    (void)state;
    struct bencode tree;
    int64_t number = -1;
    struct span text = span_text("untouched");
    assert_int_equal(parse_text(&tree, "d1:dd1:xi1ee1:ii5e1:lli1ei2ee1:t4:spame", NULL), 0);
    struct bencode_item root = bencode_root(&tree);
    assert_false(bencode_find_int(root, "t", &number));
    assert_false(bencode_find_text(root, "i", &text));
    assert_true(span_equals(text, span_text("untouched")));
    assert_int_equal(bencode_type(bencode_find_list(root, "d")), BENCODE_ABSENT);
    assert_int_equal(bencode_type(bencode_find_dict(root, "l")), BENCODE_ABSENT);
    assert_true(bencode_find_text(root, "t", &text));
    assert_true(span_equals(text, span_text("spam")));
    struct bencode_item inner = bencode_find_dict(root, "d");
    assert_true(bencode_find_int(inner, "x", &number));
    assert_int_equal(number, 1);
    assert_true(span_equals(bencode_raw(inner), span_text("d1:xi1ee")));
    assert_int_equal(bencode_offset(inner), 4);
    struct bencode_item nothing = bencode_dict_find(inner, "nothing");
    assert_int_equal(bencode_type(bencode_dict_find(nothing, "x")), BENCODE_ABSENT);
    assert_int_equal(bencode_raw(nothing).size, 0);
    assert_int_equal(bencode_length(nothing), 0);
    assert_int_equal(bencode_offset(nothing), 0);
    assert_false(bencode_int(nothing, &number));
    /* A text "x" as a member of a list is no key. */
    assert_int_equal(bencode_type(bencode_dict_find(bencode_find_list(root, "l"), "x")),
                     BENCODE_ABSENT);
    bencode_deinit(&tree);
}

static void walks_visit_members_in_order(void **state)
{
    (void)state;
    struct bencode tree;
    assert_int_equal(parse_text(&tree, "d1:ali1eli9ei9eei2ee1:bd1:xi5eee", NULL), 0);
    struct bencode_walk pairs = bencode_walk_dict(bencode_root(&tree));
    struct span key;
    struct bencode_item value, member;
    assert_true(bencode_next_pair(&pairs, &key, &value));
    assert_true(span_equals(key, span_text("a")));
    assert_int_equal(bencode_length(value), 3);
    struct bencode_walk members = bencode_walk_list(value);
    int64_t number;
    assert_true(bencode_next(&members, &member) && bencode_int(member, &number) && number == 1);
    assert_true(bencode_next(&members, &member) && bencode_type(member) == BENCODE_LIST);
    assert_true(bencode_next(&members, &member) && bencode_int(member, &number) && number == 2);
    assert_false(bencode_next(&members, &member));
    assert_true(bencode_next_pair(&pairs, &key, &value));
    assert_true(span_equals(key, span_text("b")));
    assert_false(bencode_next_pair(&pairs, &key, &value));
    struct bencode_walk none = bencode_walk_list(bencode_root(&tree));
    assert_false(bencode_next(&none, &member));
    bencode_deinit(&tree);
}

static void a_prefix_says_how_far_it_reached(void **state)
{
    (void)state;
    static const char message[] = "d8:msg_typei1e5:piecei0eeDATA BEHIND IT";
    struct bencode tree;
    size_t consumed = 0;
    assert_int_equal(bencode_parse_prefix(&tree, span_text(message), 16, &consumed, NULL), 0);
    assert_int_equal(consumed, strlen(message) - strlen("DATA BEHIND IT"));
    bencode_deinit(&tree);
    struct spate_error error = {.size = sizeof error};
    assert_int_equal(bencode_parse(&tree, span_text(message), 16, &error), SPATE_EBENCODE);
    assert_int_equal(error.offset, consumed);
    struct bencode empty = {0};
    assert_int_equal(bencode_type(bencode_root(&empty)), BENCODE_ABSENT);
}

/* ---- writing --------------------------------------------------------------------------------- */

static void write_random(struct bencode_writer *w, struct dice *dice, uint32_t depth)
{
    uint8_t bytes[20];
    uint32_t members = dice_below(dice, 6);
    switch (dice_below(dice, depth < 8 ? 5 : 2)) {
    case 0:
        bencode_write_int(w, (int64_t)(dice_next(dice) >> dice_below(dice, 64)) *
                                 (dice_below(dice, 2) ? 1 : -1));
        break;
    case 1:
        for (size_t i = 0; i < sizeof bytes; i++) {
            bytes[i] = (uint8_t)dice_next(dice);
        }
        bencode_write_text(w, span_of(bytes, dice_below(dice, sizeof bytes)));
        break;
    case 2:
        bencode_write_list(w);
        for (uint32_t i = 0; i < members; i++) {
            write_random(w, dice, depth + 1);
        }
        bencode_write_end(w);
        break;
    default:
        bencode_write_dict(w);
        for (uint32_t i = 0; i < members; i++) {
            char key[2] = {(char)('a' + i), 0};
            bencode_write_key(w, key);
            write_random(w, dice, depth + 1);
        }
        bencode_write_end(w);
        break;
    }
}

static void write_again(struct bencode_writer *w, struct bencode_item item, uint32_t depth)
{
    int64_t number;
    struct span text, key;
    struct bencode_item member;
    assert_true(depth <= LIMIT_BENCODE_DEPTH);
    if (bencode_int(item, &number)) {
        bencode_write_int(w, number);
    } else if (bencode_text(item, &text)) {
        bencode_write_text(w, text);
    } else if (bencode_type(item) == BENCODE_LIST) {
        struct bencode_walk walk = bencode_walk_list(item);
        bencode_write_list(w);
        while (bencode_next(&walk, &member)) {
            write_again(w, member, depth + 1);
        }
        bencode_write_end(w);
    } else {
        struct bencode_walk walk = bencode_walk_dict(item);
        bencode_write_dict(w);
        while (bencode_next_pair(&walk, &key, &member)) {
            bencode_write_text(w, key);
            write_again(w, member, depth + 1);
        }
        bencode_write_end(w);
    }
}

static void what_is_written_reads_back_the_same(void **state)
{
    (void)state;
    enum { ROOM = 1 << 20 };
    uint8_t *first = malloc(ROOM), *second = malloc(ROOM);
    struct dice dice;
    dice_init(&dice, 9);
    for (int i = 0; i < 2000; i++) {
        struct writer out = writer_over(first, ROOM), copy = writer_over(second, ROOM);
        struct bencode_writer w = {&out}, again = {&copy};
        write_random(&w, &dice, 0);
        assert_false(out.failed);
        struct bencode tree;
        assert_int_equal(bencode_parse(&tree, span_of(first, out.size), ROOM, NULL), 0);
        check_tree(&tree, out.size);
        write_again(&again, bencode_root(&tree), 0);
        assert_true(span_equals(span_of(first, out.size), span_of(second, copy.size)));
        bencode_deinit(&tree);
    }
    free(first);
    free(second);
}

static void a_writer_without_room_says_so(void **state)
{
    (void)state;
    uint8_t bytes[20];
    for (size_t room = 0; room < sizeof bytes; room++) {
        struct writer out = writer_over(bytes, room);
        struct bencode_writer w = {&out};
        bencode_write_dict(&w);
        bencode_write_key(&w, "key");
        bencode_write_int(&w, -12);
        bencode_write_raw(&w, span_text("1:x"));
        bencode_write_end(&w);
        assert_int_equal(out.failed, room < strlen("d3:keyi-12e1:xe"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_bencode_is_refused_with_its_place),
        cmocka_unit_test(integers_reach_both_ends_of_64_bits),
        cmocka_unit_test(every_prefix_is_refused_at_or_before_its_end),
        cmocka_unit_test(every_change_of_one_byte_is_taken_or_refused_cleanly),
        cmocka_unit_test(depth_is_bounded_without_recursion),
        cmocka_unit_test(tokens_are_bounded),
        cmocka_unit_test(a_claimed_length_allocates_nothing),
        cmocka_unit_test(keys_may_be_unsorted_and_the_first_of_equal_ones_counts),
        cmocka_unit_test(finders_find_their_own_type_only),
        cmocka_unit_test(walks_visit_members_in_order),
        cmocka_unit_test(a_prefix_says_how_far_it_reached),
        cmocka_unit_test(what_is_written_reads_back_the_same),
        cmocka_unit_test(a_writer_without_room_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
