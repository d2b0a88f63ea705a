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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(extents_agree_with_every_byte),
        cmocka_unit_test(pieces_cover_the_torrent_and_know_their_files),
        cmocka_unit_test(the_last_piece_and_block_may_be_short),
        cmocka_unit_test(offsets_beyond_32_bits_are_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
