/* Names: whatever a torrent says, what comes out is safe on a disk, unique, and always the same. */
#include "base/dice.h"
#include "base/limits.h"
#include "base/text.h"
#include "codec/name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>

static const uint8_t some_hash[NAME_HASH_BYTES] = {0x12, 0x34, 0xab, 0xcd};

static void names_become_safe(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } table[] = {
        {"file.iso", "file.iso"},
        {"gr\xc3\xbc\xc3\x9f"
         "e \xe6\x97\xa5\xe6\x9c\xac.txt",
         "gr\xc3\xbc\xc3\x9f"
         "e \xe6\x97\xa5\xe6\x9c\xac.txt"},
        {"a:b?c*d|e<f>g\"h", "a:b?c*d|e<f>g\"h"},
        {" leading", " leading"},
        {".hidden", ".hidden"},
        {"...x", "...x"},
        {"", "_"},
        {".", "_"},
        {"..", "._"},
        {"...", ".._"},
        {" ", "_"},
        {"a.", "a_"},
        {"a ", "a_"},
        {"a. .", "a. _"},
        {"/", "_"},
        {"a/b", "a_b"},
        {"../../etc/passwd", ".._.._etc_passwd"},
        {"..\\..\\x", ".._.._x"},
        {"C:\\x", "C:_x"},
        {"a\nb\x1b[31m\x7f", "a_b_[31m_"},
        {"\xc2\x85", "_"},
        {"\xff\xfe"
         "a",
         "__a"},
        {"\xc0\xae\xc0\xae", "____"}, /* overlong dots */
        {"\xed\xa0\x80", "___"},
        {"\xc3", "_"},
        {"gpj.\xe2\x80\xae"
         "exe",
         "gpj._exe"},
        {"CON", "_CON"},
        {"con.txt", "_con.txt"},
        {"Aux .x.y", "_Aux .x.y"},
        {"nul ", "_nul_"},
        {"COM1", "_COM1"},
        {"lpt9.", "_lpt9_"},
        {"COM0", "COM0"},
        {"COM10", "COM10"},
        {"conin$", "_conin$"},
        {"CONSOLE", "CONSOLE"},
        {"com", "com"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char out[LIMIT_NAME_BYTES + 1];
        size_t length = name_make(span_text(table[i].in), 255, some_hash, out);
        assert_string_equal(out, table[i].out);
        assert_int_equal(length, strlen(out));
    }
    char out[LIMIT_NAME_BYTES + 1];
    name_make(span_of("a\0b", 3), 255, some_hash, out);
    assert_string_equal(out, "a_b");
}

static void a_name_as_long_as_allowed_stays_and_a_longer_one_is_cut(void **state)
{
    (void)state;
    char name[300], out[LIMIT_NAME_BYTES + 1];
    memset(name, 'n', sizeof name);
    for (uint32_t max = NAME_BYTES_MIN; max <= LIMIT_NAME_BYTES; max++) {
        memset(name, 'n', sizeof name);
        assert_int_equal(name_make(span_of(name, max - 1), max, some_hash, out), max - 1);
        assert_int_equal(name_make(span_of(name, max), max, some_hash, out), max);
        assert_memory_equal(out, name, max);
        assert_int_equal(name_make(span_of(name, max + 1), max, some_hash, out), max);
        assert_string_equal(out + max - 9, "~1234abcd");
        memcpy(name + max - 3, ".mkv", 4);
        assert_int_equal(name_make(span_of(name, max + 1), max, some_hash, out), max);
        assert_string_equal(out + max - 13, "~1234abcd.mkv");
    }
    /* Limits outside what file systems have are pulled in. */
    assert_int_equal(name_make(span_of(name, 299), 1, some_hash, out), NAME_BYTES_MIN);
    assert_int_equal(name_make(span_of(name, 299), UINT32_MAX, some_hash, out), LIMIT_NAME_BYTES);
}

static void cutting_respects_characters_and_extensions(void **state)
{
    (void)state;
    char out[LIMIT_NAME_BYTES + 1], name[400];
    for (size_t shift = 0; shift < 4; shift++) {
        memset(name, 'a', shift);
        for (size_t i = 0; i < 80; i++) {
            memcpy(name + shift + 4 * i, "\xf0\x9f\x8c\x8a", 4);
        }
        size_t length = name_make(span_of(name, shift + 320), 255, some_hash, out);
        assert_true(length <= 255 && length > 251 && text_is_utf8(span_text(out)));
    }
    memset(name, 'n', sizeof name);
    name[380] = '.'; /* too long for an extension */
    name_make(span_of(name, sizeof name), 255, some_hash, out);
    assert_string_equal(out + 246, "~1234abcd");
    name[385] = '.'; /* 15 bytes with its dot */
    name_make(span_of(name, sizeof name), 255, some_hash, out);
    assert_string_equal(out + 231, "~1234abcd.nnnnnnnnnnnnnn");
    name[399] = '.'; /* an extension of nothing, made safe first */
    name_make(span_of(name, sizeof name), 255, some_hash, out);
    assert_string_equal(out + 231, "~1234abcd.nnnnnnnnnnnnn_");
}

/* What a component may be, without asking how it came to be. */
static void check_component(struct span c, uint32_t max)
{
    static const char *const devices[] = {"CON", "PRN", "AUX", "NUL", "COM1", "LPT9", "CONIN$"};
    assert_true(c.size > 0 && c.size <= max);
    assert_true(text_is_utf8(c));
    assert_true(c.bytes[c.size - 1] != '.' && c.bytes[c.size - 1] != ' ');
    for (size_t i = 0; i < c.size; i++) {
        assert_true(c.bytes[i] >= 0x20 && c.bytes[i] != 0x7f && c.bytes[i] != '/' &&
                    c.bytes[i] != '\\');
    }
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
        size_t n = strlen(devices[i]);
        bool is = c.size >= n && strncasecmp((const char *)c.bytes, devices[i], n) == 0 &&
                  (c.size == n || c.bytes[n] == '.');
        assert_false(is);
    }
}

/* Mostly what hurts: dots, separators, device names, bidi, broken UTF-8, and runs of any length. */
static size_t hostile_name(struct dice *dice, uint8_t *out, size_t max)
{
    static const char *const parts[] = {".",
                                        "..",
                                        "/",
                                        "\\",
                                        " ",
                                        "CON",
                                        "nul",
                                        ".txt",
                                        "\xc3\xbc",
                                        "\xff",
                                        "\xe2",
                                        "\xe2\x80\xae",
                                        "\xf0\x9f\x8c\x8a",
                                        "\n",
                                        "\x1b[",
                                        "A",
                                        "a",
                                        "~",
                                        "COM1",
                                        "\xc2\x9b"};
    size_t size = 0;
    size_t wanted = 1 + (dice_below(dice, 4)   ? dice_below(dice, 12)
                         : dice_below(dice, 8) ? dice_below(dice, 600)
                                               : dice_below(dice, (uint32_t)max));
    while (size < wanted) {
        if (dice_below(dice, 8) == 0) {
            out[size++] = (uint8_t)dice_next(dice);
            continue;
        }
        const char *part = parts[dice_below(dice, sizeof parts / sizeof *parts)];
        uint32_t times = dice_below(dice, 20) ? 1 : 1 + dice_below(dice, 300);
        for (uint32_t i = 0; i < times && size < wanted; i++) {
            size_t n = strlen(part) < wanted - size ? strlen(part) : wanted - size;
            memcpy(out + size, part, n);
            size += n;
        }
    }
    return size;
}

static void any_name_becomes_safe(void **state)
{
    (void)state;
    static uint8_t bytes[LIMIT_PATH_ELEMENT_BYTES];
    struct dice dice;
    dice_init(&dice, 12);
    for (int i = 0; i < 6000; i++) {
        size_t size = i < 300 ? (size_t)i : i == 300 ? sizeof bytes : 0;
        if (size == 0) {
            size = hostile_name(&dice, bytes, sizeof bytes);
        } else {
            for (size_t j = 0; j < size; j++) {
                bytes[j] = (uint8_t)dice_next(&dice);
            }
        }
        uint32_t max = NAME_BYTES_MIN + dice_below(&dice, LIMIT_NAME_BYTES - NAME_BYTES_MIN + 1);
        uint8_t *exact = malloc(size + !size);
        char *out = malloc(LIMIT_NAME_BYTES + 1), again[LIMIT_NAME_BYTES + 1];
        memcpy(exact, bytes, size);
        size_t length = name_make(span_of(exact, size), max, some_hash, out);
        assert_int_equal(length, strlen(out));
        check_component(span_text(out), max);
        /* A safe name is its own safe name. */
        name_make(span_text(out), max, some_hash, again);
        assert_string_equal(out, again);
        free(out);
        free(exact);
    }
}

/* ---- whole torrents -------------------------------------------------------------------------- */

enum { FILES_MAX = 40, DEPTH_MAX = 4 };

struct world {
    struct metainfo m;
    struct metainfo_file files[FILES_MAX];
    struct span elements[FILES_MAX][DEPTH_MAX];
    uint32_t listed[FILES_MAX];
};

static void add_file(struct world *w, uint32_t flags)
{
    struct metainfo_file *file = &w->files[w->m.file_count];
    w->m.files = w->files;
    w->m.listed = w->listed;
    file->elements = w->elements[w->m.file_count];
    file->flags = flags;
    if (!(flags & METAINFO_FILE_PAD)) {
        w->listed[w->m.listed_count++] = w->m.file_count;
    }
    w->m.file_count++;
}

static void add_path(struct world *w, const char *path)
{
    uint32_t depth = 0;
    for (;;) {
        size_t size = strcspn(path, "/");
        w->elements[w->m.file_count][depth++] = span_of(path, size);
        if (!path[size]) {
            break;
        }
        path += size + 1;
    }
    w->files[w->m.file_count].element_count = depth;
    add_file(w, 0);
}

static void check_map(const struct metainfo *m, const char *const *paths, uint32_t max,
                      bool fold_case)
{
    for (uint32_t i = 0; i < m->file_count; i++) {
        bool pad = m->files[i].flags & METAINFO_FILE_PAD;
        assert_int_equal(paths[i] == NULL, pad);
        if (pad) {
            continue;
        }
        uint32_t components = 0;
        for (const char *p = paths[i];; components++) {
            size_t size = strcspn(p, "/");
            check_component(span_of(p, size), max);
            if (!p[size]) {
                break;
            }
            p += size + 1;
        }
        assert_int_equal(components, m->single_file ? 0 : m->files[i].element_count);
        for (uint32_t j = 0; j < m->file_count; j++) {
            if (j == i || !paths[j]) {
                continue;
            }
            size_t size = strlen(paths[i]);
            int different = fold_case ? strncasecmp(paths[i], paths[j], size)
                                      : strncmp(paths[i], paths[j], size);
            if (!different && (paths[j][size] == 0 || paths[j][size] == '/')) {
                fail_msg("'%s' and '%s'", paths[i], paths[j]);
            }
        }
    }
}

static void paths_begin_with_the_torrents_own_directory(void **state)
{
    (void)state;
    struct world w = {.m.raw_name = span_text("torrent.")};
    const char *const *paths;
    struct arena arena;
    add_path(&w, "dir/a");
    add_file(&w, METAINFO_FILE_PAD);
    add_path(&w, "../b\\");
    arena_init(&arena, 0);
    assert_int_equal(name_map_build(&w.m, NULL, 255, false, &arena, &paths), 0);
    assert_string_equal(paths[0], "torrent_/dir/a");
    assert_null(paths[1]);
    assert_string_equal(paths[2], "torrent_/._/b_");
    assert_string_equal(name_below_root(&w.m, paths[2]), "._/b_");
    assert_int_equal(name_map_build(&w.m, "mine/x", 255, false, &arena, &paths), 0);
    assert_string_equal(paths[0], "mine_x/dir/a");
    arena_deinit(&arena);
    struct world single = {.m.raw_name = span_text("file"), .m.single_file = true};
    add_path(&single, "file");
    arena_init(&arena, 0);
    assert_int_equal(name_map_build(&single.m, NULL, 255, false, &arena, &paths), 0);
    assert_string_equal(paths[0], "file");
    assert_string_equal(name_below_root(&single.m, paths[0]), "file");
    assert_int_equal(name_map_build(&single.m, "other", 255, false, &arena, &paths), 0);
    assert_string_equal(paths[0], "other");
    arena_deinit(&arena);
}

static void collisions_are_resolved_and_the_first_keeps_its_name(void **state)
{
    (void)state;
    for (int fold_case = 0; fold_case < 2; fold_case++) {
        struct world w = {.m.raw_name = span_text("t")};
        const char *const *paths;
        struct arena arena;
        add_path(&w, "same.txt");
        add_path(&w, "same.txt");
        add_path(&w, "dir");   /* a file where ... */
        add_path(&w, "dir/x"); /* ... a directory must be */
        add_path(&w, "Same.TXT");
        add_path(&w, "a\x01");
        add_path(&w, "a\x02");
        add_path(&w, "dir!"); /* sorts between dir and dir/x for who does not take care */
        add_path(&w, "\xc3\x84/\xd0\x96");
        add_path(&w, "\xc3\xa4/\xd0\xb6");
        add_path(&w, "DIR");
        arena_init(&arena, 0);
        assert_int_equal(name_map_build(&w.m, NULL, 255, fold_case, &arena, &paths), 0);
        check_map(&w.m, paths, 255, fold_case);
        assert_string_equal(paths[0], "t/same.txt");
        assert_int_equal(strlen(paths[1]), strlen("t/same~12345678.txt"));
        assert_memory_equal(paths[1], "t/same~", 7);
        assert_memory_equal(paths[2], "t/dir~", 6);
        assert_string_equal(paths[3], "t/dir/x");
        assert_int_equal(strcmp(paths[4], "t/Same.TXT") == 0, !fold_case);
        assert_string_equal(paths[5], "t/a_");
        assert_memory_equal(paths[6], "t/a_~", 5);
        assert_string_equal(paths[7], "t/dir!");
        assert_string_equal(paths[8], "t/\xc3\x84/\xd0\x96");
        assert_int_equal(strcmp(paths[9], "t/\xc3\xa4/\xd0\xb6") == 0, !fold_case);
        assert_int_equal(strcmp(paths[10], "t/DIR") == 0, !fold_case);
        arena_deinit(&arena);
    }
}

static void files_of_one_long_directory_stay_together(void **state)
{
    (void)state;
    static char long_a[1000], long_b[1000];
    memset(long_a, 'd', sizeof long_a);
    memset(long_b, 'd', sizeof long_b);
    memcpy(long_a + 990, "a/x", 4);
    memcpy(long_b + 990, "b/x", 4);
    struct world w = {.m.raw_name = span_text("t")};
    const char *const *paths;
    struct arena arena;
    add_path(&w, long_a);
    long_a[992] = 'y';
    add_path(&w, long_a);
    add_path(&w, long_b);
    arena_init(&arena, 0);
    assert_int_equal(name_map_build(&w.m, NULL, 143, false, &arena, &paths), 0);
    size_t directory = 2 + 143;
    assert_int_equal(strlen(paths[0]), directory + 2);
    assert_memory_equal(paths[0], paths[1], directory);
    assert_true(memcmp(paths[0], paths[2], directory) != 0);
    arena_deinit(&arena);
}

static void any_torrent_gets_safe_and_unique_paths_and_always_the_same(void **state)
{
    (void)state;
    static uint8_t bytes[FILES_MAX][DEPTH_MAX][2000];
    struct dice dice;
    dice_init(&dice, 13);
    for (int round = 0; round < 400; round++) {
        static struct world w;
        memset(&w, 0, sizeof w);
        w.m.raw_name = span_of(bytes[0][0], 5);
        uint32_t count = 1 + dice_below(&dice, FILES_MAX);
        uint32_t variety = 1 + dice_below(&dice, 6); /* few names: many collisions */
        for (uint32_t i = 0; i < count; i++) {
            uint32_t depth = 1 + dice_below(&dice, DEPTH_MAX);
            for (uint32_t d = 0; d < depth; d++) {
                static const char *const few[] = {"a", "A", "a.", "b", "a\x01", "a_"};
                if (dice_below(&dice, 5)) {
                    w.elements[i][d] = span_text(few[dice_below(&dice, variety)]);
                } else {
                    size_t size = hostile_name(&dice, bytes[i][d], sizeof bytes[i][d]);
                    w.elements[i][d] = span_of(bytes[i][d], size);
                }
            }
            w.files[i].element_count = depth;
            add_file(&w, dice_below(&dice, 10) ? 0 : METAINFO_FILE_PAD);
        }
        uint32_t max = NAME_BYTES_MIN + dice_below(&dice, 224);
        bool fold_case = dice_below(&dice, 2);
        struct arena arena;
        const char *const *paths, *const *again;
        arena_init(&arena, 0);
        assert_int_equal(name_map_build(&w.m, NULL, max, fold_case, &arena, &paths), 0);
        check_map(&w.m, paths, max, fold_case);
        assert_int_equal(name_map_build(&w.m, NULL, max, fold_case, &arena, &again), 0);
        for (uint32_t i = 0; i < count; i++) {
            if (paths[i]) {
                assert_string_equal(paths[i], again[i]);
            }
        }
        arena_deinit(&arena);
    }
}

static void paths_that_repeat_too_much_are_refused(void **state)
{
    (void)state;
    enum { FILES_HERE = LIMIT_PATHS_BYTES / LIMIT_PATH_ELEMENT_BYTES + 2 };
    static uint8_t name[LIMIT_PATH_ELEMENT_BYTES];
    struct span element = span_of(name, sizeof name);
    struct metainfo_file *files = calloc(FILES_HERE, sizeof *files);
    uint32_t *listed = calloc(FILES_HERE, sizeof *listed);
    struct metainfo m = {.raw_name = span_text("t"), .files = files, .listed = listed};
    memset(name, 'x', sizeof name);
    for (uint32_t i = 0; i < FILES_HERE; i++) {
        files[i] = (struct metainfo_file){.elements = &element, .element_count = 1};
        listed[i] = i;
    }
    for (uint32_t count = FILES_HERE - 3; count <= FILES_HERE; count += 3) {
        struct arena arena;
        const char *const *paths;
        arena_init(&arena, 0);
        m.file_count = m.listed_count = count;
        assert_int_equal(name_map_build(&m, NULL, 255, false, &arena, &paths),
                         count == FILES_HERE ? SPATE_ELIMIT : 0);
        arena_deinit(&arena);
    }
    free(files);
    free(listed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_become_safe),
        cmocka_unit_test(a_name_as_long_as_allowed_stays_and_a_longer_one_is_cut),
        cmocka_unit_test(cutting_respects_characters_and_extensions),
        cmocka_unit_test(any_name_becomes_safe),
        cmocka_unit_test(paths_begin_with_the_torrents_own_directory),
        cmocka_unit_test(collisions_are_resolved_and_the_first_keeps_its_name),
        cmocka_unit_test(files_of_one_long_directory_stay_together),
        cmocka_unit_test(any_torrent_gets_safe_and_unique_paths_and_always_the_same),
        cmocka_unit_test(paths_that_repeat_too_much_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
