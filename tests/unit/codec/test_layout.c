/* The layout against a table with one entry for each byte. */
#include "base/dice.h"
#include "codec/layout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>

enum { FILES_MAX = 30, BYTES_MAX = 4000 };

/* A torrent of which only the layout matters. */
struct world {
    struct metainfo m;
    struct metainfo_file files[FILES_MAX];
    uint32_t file_of[BYTES_MAX];
    uint64_t offset_of[BYTES_MAX];
};

static void make_world(struct world *w, struct dice *dice)
{
    memset(w, 0, sizeof *w);
    w->m.files = w->files;
    w->m.file_count = 1 + dice_below(dice, FILES_MAX);
    for (uint32_t i = 0; i < w->m.file_count; i++) {
        struct metainfo_file *file = &w->files[i];
        file->offset = w->m.total_length;
        file->length = dice_below(dice, 3) ? dice_below(dice, 100) : 0;
        if (i + 1 == w->m.file_count && w->m.total_length == 0) {
            file->length = 1;
        }
        file->flags = dice_below(dice, 4) ? 0 : METAINFO_FILE_PAD;
        for (uint64_t b = 0; b < file->length; b++) {
            w->file_of[w->m.total_length + b] = i;
            w->offset_of[w->m.total_length + b] = b;
        }
        w->m.total_length += file->length;
    }
    w->m.piece_length = 1 + dice_below(dice, 200);
    w->m.piece_count = (uint32_t)((w->m.total_length - 1) / w->m.piece_length + 1);
}

static void extents_agree_with_every_byte(void **state)
{
    (void)state;
    struct dice dice;
    dice_init(&dice, 10);
    for (int round = 0; round < 300; round++) {
        static struct world w;
        struct layout l;
        make_world(&w, &dice);
        assert_int_equal(layout_init(&l, &w.m), 0);
        for (int range = 0; range < 100; range++) {
            struct extent extents[FILES_MAX];
            uint64_t offset = dice_below(&dice, (uint32_t)l.total_length + 10);
            uint64_t length = dice_below(&dice, 500), at = offset;
            size_t count = layout_extents(&l, offset, length, extents, FILES_MAX);
            for (size_t i = 0; i < count; i++) {
                assert_true(extents[i].length > 0);
                assert_int_equal(extents[i].pad,
                                 (w.files[extents[i].file].flags & METAINFO_FILE_PAD) != 0);
                for (uint64_t b = 0; b < extents[i].length; b++, at++) {
                    assert_int_equal(w.file_of[at], extents[i].file);
                    assert_int_equal(w.offset_of[at], extents[i].file_offset + b);
                }
                if (i > 0) {
                    assert_true(extents[i].file > extents[i - 1].file);
                }
            }
            uint64_t end = offset + length < l.total_length ? offset + length : l.total_length;
            assert_int_equal(at, end > offset ? end : offset);
            /* With less room it says the same, and writes no more. */
            struct extent few[2] = {{.file = 77}, {.file = 77}};
            assert_int_equal(layout_extents(&l, offset, length, few, 1), count);
            assert_int_equal(few[1].file, 77);
            assert_int_equal(layout_extents(&l, offset, length, NULL, 0), count);
        }
        layout_deinit(&l);
    }
}

static void pieces_cover_the_torrent_and_know_their_files(void **state)
{
    (void)state;
    struct dice dice;
    dice_init(&dice, 11);
    for (int round = 0; round < 300; round++) {
        static struct world w;
        struct layout l;
        make_world(&w, &dice);
        assert_int_equal(layout_init(&l, &w.m), 0);
        uint64_t total = 0;
        for (uint32_t p = 0; p < l.piece_count; p++) {
            assert_int_equal(layout_piece_offset(&l, p), total);
            assert_true(layout_piece_length(&l, p) > 0);
            assert_int_equal(layout_block_count(&l, p), 1);
            total += layout_piece_length(&l, p);
        }
        assert_int_equal(total, l.total_length);
        for (uint32_t i = 0; i < w.m.file_count; i++) {
            uint32_t first = 0, last = 0;
            bool has_bytes = layout_file_pieces(&l, i, &first, &last);
            assert_int_equal(has_bytes, w.files[i].length > 0);
            if (has_bytes) {
                assert_int_equal(first, w.files[i].offset / l.piece_length);
                assert_int_equal(last,
                                 (w.files[i].offset + w.files[i].length - 1) / l.piece_length);
            }
        }
        uint32_t first, last;
        assert_false(layout_file_pieces(&l, w.m.file_count, &first, &last));
        assert_false(layout_file_pieces(&l, UINT32_MAX, &first, &last));
        layout_deinit(&l);
    }
}

static void the_last_piece_and_block_may_be_short(void **state)
{
    (void)state;
    struct metainfo_file file = {.length = 3 * (UINT64_C(1) << 20) + BLOCK_BYTES + 1};
    struct metainfo m = {.files = &file,
                         .file_count = 1,
                         .total_length = file.length,
                         .piece_length = 1 << 20,
                         .piece_count = 4};
    struct layout l;
    assert_int_equal(layout_init(&l, &m), 0);
    assert_int_equal(layout_piece_length(&l, 0), 1 << 20);
    assert_int_equal(layout_piece_length(&l, 3), BLOCK_BYTES + 1);
    assert_int_equal(layout_block_count(&l, 0), 64);
    assert_int_equal(layout_block_count(&l, 3), 2);
    layout_deinit(&l);
}

static void offsets_beyond_32_bits_are_right(void **state)
{
    (void)state;
    struct metainfo_file files[2] = {{.length = UINT64_C(1) << 40},
                                     {.length = 5, .offset = UINT64_C(1) << 40}};
    struct metainfo m = {.files = files,
                         .file_count = 2,
                         .total_length = (UINT64_C(1) << 40) + 5,
                         .piece_length = 1 << 29,
                         .piece_count = (1 << 11) + 1};
    struct layout l;
    struct extent e[2];
    assert_int_equal(layout_init(&l, &m), 0);
    assert_int_equal(layout_extents(&l, (UINT64_C(1) << 40) - 1, UINT64_MAX, e, 2), 2);
    assert_true(e[0].file_offset == (UINT64_C(1) << 40) - 1 && e[0].length == 1);
    assert_true(e[1].file_offset == 0 && e[1].length == 5);
    assert_int_equal(layout_piece_length(&l, 1 << 11), 5);
    assert_int_equal(layout_extents(&l, UINT64_MAX, UINT64_MAX, e, 2), 0);
    layout_deinit(&l);
}

/* Files of some multiples of UNIT bytes, each unit of which is padding or not. */
enum { UNIT = BLOCK_BYTES / 8, UNITS_MAX = FILES_MAX * 60 };

static void make_padded(struct metainfo *m, struct metainfo_file *files, bool *pad,
                        struct dice *dice)
{
    uint32_t units = 0;
    *m = (struct metainfo){.files = files, .file_count = 1 + dice_below(dice, FILES_MAX)};
    for (uint32_t i = 0; i < m->file_count; i++) {
        uint32_t length = dice_below(dice, 4) ? 1 + dice_below(dice, 59) : i == 0;
        bool is_pad = dice_below(dice, 2);
        files[i] = (struct metainfo_file){.offset = (uint64_t)units * UNIT,
                                          .length = (uint64_t)length * UNIT,
                                          .flags = is_pad ? METAINFO_FILE_PAD : 0};
        for (uint32_t u = 0; u < length; u++) {
            pad[units++] = is_pad;
        }
    }
    m->total_length = (uint64_t)units * UNIT;
    m->piece_length = (uint32_t)BLOCK_BYTES << dice_below(dice, 5);
    m->piece_count = (uint32_t)((m->total_length - 1) / m->piece_length + 1);
}

static uint32_t pad_units(const bool *pad, uint64_t offset, uint32_t length)
{
    uint32_t count = 0;
    for (uint64_t u = offset / UNIT; u < (offset + length) / UNIT; u++) {
        count += pad[u];
    }
    return count;
}

static void padding_agrees_with_every_byte(void **state)
{
    (void)state;
    struct dice dice;
    uint32_t blocks = 0, whole_pieces = 0;
    dice_init(&dice, 12);
    for (int round = 0; round < 500; round++) {
        static struct metainfo_file files[FILES_MAX];
        static bool pad[UNITS_MAX];
        struct metainfo m;
        struct layout l;
        make_padded(&m, files, pad, &dice);
        assert_int_equal(layout_init(&l, &m), 0);
        for (uint32_t p = 0; p < l.piece_count; p++) {
            uint64_t offset = layout_piece_offset(&l, p);
            uint32_t bytes = UNIT * pad_units(pad, offset, layout_piece_length(&l, p));
            bool all = bytes == layout_piece_length(&l, p);
            assert_int_equal(layout_padding(&l, p), bytes);
            assert_int_equal(layout_is_padding(&l, p), all);
            whole_pieces += all;
            struct padding walk = padding_begin(&l, p);
            for (uint32_t i = 0; i < layout_block_count(&l, p); i++) {
                uint32_t length = layout_block_length(&l, p, i);
                if (!all && UNIT * pad_units(pad, offset + i * BLOCK_BYTES, length) == length) {
                    assert_int_equal(padding_next(&walk), i);
                    blocks++;
                }
            }
            assert_int_equal(padding_next(&walk), PADDING_NONE);
            assert_int_equal(padding_next(&walk), PADDING_NONE);
        }
        layout_deinit(&l);
    }
    assert_true(blocks > 1000 && whole_pieces > 100);
}

static void a_short_last_block_of_padding_is_found(void **state)
{
    (void)state;
    struct metainfo_file files[2] = {
        {.length = BLOCK_BYTES + 1},
        {.offset = BLOCK_BYTES + 1, .length = 2 * BLOCK_BYTES, .flags = METAINFO_FILE_PAD}};
    struct metainfo m = {.files = files,
                         .file_count = 2,
                         .total_length = 3 * BLOCK_BYTES + 1,
                         .piece_length = 8 * BLOCK_BYTES,
                         .piece_count = 1};
    struct layout l;
    assert_int_equal(layout_init(&l, &m), 0);
    struct padding walk = padding_begin(&l, 0);
    assert_int_equal(padding_next(&walk), 2);
    assert_int_equal(padding_next(&walk), 3);
    assert_int_equal(padding_next(&walk), PADDING_NONE);
    assert_int_equal(layout_block_length(&l, 0, 2), BLOCK_BYTES);
    assert_int_equal(layout_block_length(&l, 0, 3), 1);
    layout_deinit(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(extents_agree_with_every_byte),
        cmocka_unit_test(pieces_cover_the_torrent_and_know_their_files),
        cmocka_unit_test(the_last_piece_and_block_may_be_short),
        cmocka_unit_test(offsets_beyond_32_bits_are_right),
        cmocka_unit_test(padding_agrees_with_every_byte),
        cmocka_unit_test(a_short_last_block_of_padding_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
