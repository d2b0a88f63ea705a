/* Torrent files: what is taken, what is refused, and where every limit lies. */
#include "base/limits.h"
#include "base/text.h"
#include "codec/metainfo.h"
#include "codec/metainfo_write.h"
#include "crypto/sha.h"
#include "notation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>
#include <stdio.h>

static int parse(const char *text, const struct span *arguments, struct metainfo *m,
                 struct spate_error *error)
{
    struct span bytes = notation(text, arguments);
    *error = (struct spate_error){.size = sizeof *error};
    int failed = metainfo_parse(m, bytes, error);
    free((void *)(uintptr_t)bytes.bytes);
    return failed;
}

static void take(const char *text, struct metainfo *m)
{
    struct spate_error error;
    if (parse(text, NULL, m, &error)) {
        fail_msg("%s: %s", text, error.text);
    }
}

static void refuse_with(const char *text, const struct span *arguments, int code, const char *words)
{
    struct metainfo m;
    struct spate_error error;
    int failed = parse(text, arguments, &m, &error);
    if (failed != code || error.code != code || !strstr(error.text, words) || m.arena.blocks) {
        fail_msg("%.200s: %d '%s' instead of %d '%s'", text, failed, error.text, code, words);
    }
}

static void refuse(const char *text, const char *words)
{
    refuse_with(text, NULL, SPATE_EMETAINFO, words);
}

static const char single[] = "{'announce': 'http://t/a', 'info': {'length': 20000, 'name': 'a.iso',"
                             " 'piece length': 16384, 'pieces': #40}}";

static void a_single_file_is_read(void **state)
{
    (void)state;
    struct metainfo m;
    take(single, &m);
    assert_true(m.has_v1 && !m.has_v2 && m.single_file && !m.is_private);
    assert_string_equal(m.name, "a.iso");
    assert_int_equal(m.total_length, 20000);
    assert_int_equal(m.listed_length, 20000);
    assert_int_equal(m.piece_length, 16384);
    assert_int_equal(m.piece_count, 2);
    assert_int_equal(m.piece_hashes[39], 'h');
    assert_int_equal(m.file_count, 1);
    assert_int_equal(m.files[0].element_count, 1);
    assert_true(span_equals(m.files[0].elements[0], span_text("a.iso")));
    assert_int_equal(m.files[0].length, 20000);
    assert_int_equal(m.listed_count, 1);
    assert_int_equal(m.listed[0], 0);
    assert_int_equal(m.tracker_count, 1);
    assert_string_equal(m.trackers[0].url, "http://t/a");
    assert_int_equal(m.creation_date, -1);
    assert_null(m.comment);
    assert_null(m.created_by);
    assert_int_equal(metainfo_require_v1(&m, NULL), 0);
    metainfo_deinit(&m);
}

static void several_files_lie_one_after_the_other(void **state)
{
    (void)state;
    struct metainfo m;
    take("{'comment': 'hello', 'created by': 'us', 'creation date': 1234, 'info': {'files': ["
         "{'length': 10, 'path': ['one']},"
         "{'length': 0, 'path': ['dir', 'empty']},"
         "{'attr': 'p', 'length': 16374, 'path': ['.pad', '16374']},"
         "{'attr': 'xhq', 'length': 7, 'path': ['dir', 'sub', 'two']},"
         "{'attr': 'l', 'length': 99, 'path': ['link'], 'symlink path': ['dir', 'empty']},"
         "{'attr': 'p', 'length': 3}],"
         "'name': 'folder', 'piece length': 16384, 'pieces': #40, 'private': 1}}",
         &m);
    assert_false(m.single_file);
    assert_true(m.is_private);
    assert_string_equal(m.comment, "hello");
    assert_string_equal(m.created_by, "us");
    assert_int_equal(m.creation_date, 1234);
    assert_int_equal(m.file_count, 6);
    assert_int_equal(m.total_length, 16394);
    assert_int_equal(m.listed_length, 17);
    static const uint64_t offsets[] = {0, 10, 10, 16384, 16391, 16391};
    static const uint32_t flags[] = {0,
                                     0,
                                     METAINFO_FILE_PAD,
                                     METAINFO_FILE_EXECUTABLE | METAINFO_FILE_HIDDEN,
                                     METAINFO_FILE_SYMLINK,
                                     METAINFO_FILE_PAD};
    static const uint32_t listed[] = {0, 1, UINT32_MAX, 2, 3, UINT32_MAX};
    for (uint32_t i = 0; i < m.file_count; i++) {
        assert_int_equal(m.files[i].offset, offsets[i]);
        assert_int_equal(m.files[i].flags, flags[i]);
        assert_int_equal(m.files[i].index, listed[i]);
        if (listed[i] != UINT32_MAX) {
            assert_int_equal(m.listed[listed[i]], i);
        }
    }
    assert_int_equal(m.listed_count, 4);
    assert_int_equal(m.files[3].element_count, 3);
    assert_true(span_equals(m.files[3].elements[1], span_text("sub")));
    assert_int_equal(m.files[4].length, 0);
    assert_int_equal(m.files[4].link_count, 2);
    assert_true(span_equals(m.files[4].link[1], span_text("empty")));
    assert_int_equal(m.files[5].element_count, 0);
    metainfo_deinit(&m);
}

static void the_info_hash_is_taken_over_the_original_bytes(void **state)
{
    (void)state;
    /* Unsorted, with a key nobody knows and one twice: encoding it again would change it. */
    const struct span info = span_text("d6:pieces20:hhhhhhhhhhhhhhhhhhhh4:name1:a4:name1:b3:zzzi1e"
                                       "6:lengthi5e12:piece lengthi16384ee");
    struct metainfo m;
    struct spate_error error;
    uint8_t hash[20];
    assert_int_equal(parse("{'zz': 1, 'info': ~0, 'announce': ''}", &info, &m, &error), 0);
    sha1_of(info, hash);
    assert_memory_equal(m.info_hash, hash, sizeof hash);
    assert_true(span_equals(m.info, info));
    assert_string_equal(m.name, "a");
    assert_int_equal(m.tracker_count, 0);
    metainfo_deinit(&m);
}

static void utf8_variants_win_when_they_are_utf8(void **state)
{
    (void)state;
    struct metainfo m;
    take("{'comment': '\xe9', 'comment.utf-8': '\xc3\xa9', 'info': {'files': ["
         "{'length': 1, 'path': ['\xe9'], 'path.utf-8': ['\xc3\xa9']},"
         "{'length': 1, 'path': ['\xe8'], 'path.utf-8': ['\xe8']},"
         "{'length': 1, 'path': ['x'], 'path.utf-8': []},"
         "{'length': 1, 'path': ['y'], 'path.utf-8': ['a', 5]}],"
         "'name': '\xff/\xff', 'name.utf-8': '\xc3\xbc', 'piece length': 16384, 'pieces': #20}}",
         &m);
    assert_string_equal(m.name, "\xc3\xbc");
    assert_string_equal(m.comment, "\xc3\xa9");
    assert_true(span_equals(m.files[0].elements[0], span_text("\xc3\xa9")));
    assert_true(span_equals(m.files[1].elements[0], span_text("\xe8")));
    assert_true(span_equals(m.files[2].elements[0], span_text("x")));
    assert_true(span_equals(m.files[3].elements[0], span_text("y")));
    metainfo_deinit(&m);
    take("{'info': {'length': 1, 'name': 'a\xff', 'name.utf-8': '\xff', 'piece length': 1,"
         " 'pieces': #20}}",
         &m);
    assert_string_equal(m.name, "a?");
    assert_true(span_equals(m.raw_name, span_text("a\xff")));
    metainfo_deinit(&m);
}

static void trackers_keep_their_tiers_and_come_once(void **state)
{
    (void)state;
    struct metainfo m;
    take("{'announce': 'http://hidden/', 'announce-list': [[], ['udp://a:1', ' http://b/ '], "
         "'stray',"
         "['udp://a:1', '', 'bad url', 'with\ttab', 7], ['wss://c']],"
         "'info': {'length': 1, 'name': 'a', 'piece length': 1, 'pieces': #20},"
         "'url-list': ['http://w/1', '', 'http://w/2', 'no good']}",
         &m);
    assert_int_equal(m.tracker_count, 3);
    assert_string_equal(m.trackers[0].url, "udp://a:1");
    assert_string_equal(m.trackers[1].url, "http://b/");
    assert_string_equal(m.trackers[2].url, "wss://c");
    assert_int_equal(m.trackers[0].tier, 0);
    assert_int_equal(m.trackers[1].tier, 0);
    assert_int_equal(m.trackers[2].tier, 1);
    assert_int_equal(m.web_seed_count, 2);
    assert_string_equal(m.web_seeds[1], "http://w/2");
    metainfo_deinit(&m);
    take("{'announce': 'http://shown/', 'announce-list': [['']], 'info': {'length': 1, 'name': 'a',"
         "'piece length': 1, 'pieces': #20}, 'url-list': 'http://only/'}",
         &m);
    assert_int_equal(m.tracker_count, 1);
    assert_string_equal(m.trackers[0].url, "http://shown/");
    assert_string_equal(m.web_seeds[0], "http://only/");
    metainfo_deinit(&m);
    take("{'info': {'length': 1, 'name': 'a', 'piece length': 1, 'pieces': #20}, 'url-list': ''}",
         &m);
    assert_int_equal(m.web_seed_count, 0);
    metainfo_deinit(&m);
}

static void trackers_and_web_seeds_stop_at_their_limits(void **state)
{
    (void)state;
    for (uint32_t count = LIMIT_TRACKERS - 1; count <= LIMIT_TRACKERS + 1; count++) {
        static char list[40 * (LIMIT_TRACKERS + 2)], text[100 * (LIMIT_TRACKERS + 2)];
        size_t used = 0;
        for (uint32_t i = 0; i < count; i++) {
            used += (size_t)snprintf(list + used, sizeof list - used, "['http://t/%u'],", i);
        }
        snprintf(text, sizeof text,
                 "{'announce-list': [%s], 'info': {'length': 1, 'name': 'a', 'piece length': 1,"
                 "'pieces': #20}, 'url-list': [",
                 list);
        used = strlen(text);
        for (uint32_t i = 0; i < count; i++) {
            used += (size_t)snprintf(text + used, sizeof text - used, "'http://w/%u',", i);
        }
        snprintf(text + used, sizeof text - used, "]}");
        struct metainfo m;
        take(text, &m);
        uint32_t kept = count < LIMIT_TRACKERS ? count : LIMIT_TRACKERS;
        assert_int_equal(m.tracker_count, kept);
        assert_int_equal(m.trackers[kept - 1].tier, kept - 1);
        assert_int_equal(m.web_seed_count, count < LIMIT_WEB_SEEDS ? count : LIMIT_WEB_SEEDS);
        metainfo_deinit(&m);
    }
    for (uint32_t size = LIMIT_URL_BYTES - 1; size <= LIMIT_URL_BYTES + 1; size++) {
        char text[200];
        struct metainfo m;
        snprintf(text, sizeof text,
                 "{'announce': #%u, 'info': {'length': 1, 'name': 'a', 'piece length': 1, "
                 "'pieces': #20}}",
                 size);
        take(text, &m);
        assert_int_equal(m.tracker_count, size <= LIMIT_URL_BYTES);
        metainfo_deinit(&m);
    }
}

static void what_is_no_torrent_is_refused_with_a_reason(void **state)
{
    (void)state;
    refuse("5", "no dictionary");
    refuse("['info']", "no dictionary");
    refuse("{'announce': 'x'}", "no info dictionary");
    refuse("{'info': 'x'}", "no info dictionary");
    refuse("{'info': {'length': 1, 'piece length': 1, 'pieces': #20}}", "no name");
    refuse("{'info': {'length': 1, 'name': '', 'piece length': 1, 'pieces': #20}}", "no name");
    refuse("{'info': {'length': 1, 'name': 5, 'piece length': 1, 'pieces': #20}}", "no name");
    refuse("{'info': {'length': 1, 'name': 'a', 'pieces': #20}}", "piece length");
    refuse("{'info': {'length': 1, 'name': 'a', 'piece length': 0, 'pieces': #20}}",
           "piece length");
    refuse("{'info': {'length': 1, 'name': 'a', 'piece length': -1, 'pieces': #20}}",
           "piece length");
    refuse("{'info': {'length': 1, 'name': 'a', 'piece length': '1', 'pieces': #20}}",
           "piece length");
    refuse("{'info': {'length': 0, 'name': 'a', 'piece length': 1, 'pieces': #0}}",
           "holds no bytes");
    refuse("{'info': {'name': 'a', 'piece length': 1, 'pieces': #20}}", "valid length");
    refuse("{'info': {'length': -5, 'name': 'a', 'piece length': 1, 'pieces': #20}}",
           "valid length");
    refuse("{'info': {'length': 1, 'name': 'a', 'piece length': 1}}", "no piece hashes");
    refuse("{'info': {'length': 1, 'name': 'a', 'piece length': 1, 'pieces': 1}}",
           "no piece hashes");
    refuse("{'info': {'length': 2, 'name': 'a', 'piece length': 1, 'pieces': #20}}",
           "for 2 pieces");
    refuse("{'info': {'length': 2, 'name': 'a', 'piece length': 2, 'pieces': #40}}",
           "for 1 pieces");
    refuse("{'info': {'length': 2, 'name': 'a', 'piece length': 2, 'pieces': #19}}",
           "for 1 pieces");
    refuse("{'info': {'files': [], 'name': 'a', 'piece length': 1, 'pieces': #20}}", "no files");
    refuse("{'info': {'files': [5], 'name': 'a', 'piece length': 1, 'pieces': #20}}",
           "no dictionary");
#define FILES(x) "{'info': {'files': [" x "], 'name': 'a', 'piece length': 9, 'pieces': #20}}"
    refuse(FILES("{'path': ['x']}"), "valid length");
    refuse(FILES("{'length': -1, 'path': ['x']}"), "valid length");
    refuse(FILES("{'length': 1}"), "without a path");
    refuse(FILES("{'length': 1, 'path': []}"), "without a path");
    refuse(FILES("{'length': 1, 'path': 'x'}"), "without a path");
    refuse(FILES("{'length': 1, 'path': ['x', 5]}"), "no text");
    refuse(FILES("{'attr': 'p', 'length': 1, 'path': ['x']}"), "holds no bytes");
    refuse(FILES("{'attr': 'l', 'path': ['x']}"), "holds no bytes");
    refuse(FILES("{'length': 0, 'path': ['x']}"), "holds no bytes");
    refuse_with(
        "{'info': {'length': 1, 'meta version': 3, 'name': 'a', 'piece length': 1, 'pieces': #20}}",
        NULL, SPATE_EUNSUPPORTED, "version");
}

static void sizes_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    struct metainfo m;
    struct spate_error error;
    refuse_with("{'info': {'length': 1, 'name': 'a', 'piece length': 536870913, 'pieces': #20}}",
                NULL, SPATE_ELIMIT, "piece length");
    take("{'info': {'length': 1, 'name': 'a', 'piece length': 536870912, 'pieces': #20}}", &m);
    metainfo_deinit(&m);
    refuse_with("{'info': {'length': 9223372036854775807, 'name': 'a', 'piece length': 1,"
                "'pieces': #20}}",
                NULL, SPATE_ELIMIT, "longer than");
    /* Exactly 2^62 bytes is too many pieces; two halves and a byte are too many bytes. */
    refuse_with(FILES("{'length': 4611686018427387904, 'path': ['a']}"), NULL, SPATE_ELIMIT,
                "pieces");
    refuse_with(
        FILES("{'length': 4611686018427387904, 'path': ['a']}, {'length': 1, 'path': ['b']}"), NULL,
        SPATE_ELIMIT, "longer than");
    for (uint32_t count = LIMIT_PIECES - 1; count <= LIMIT_PIECES + 1; count++) {
        char text[200];
        snprintf(text, sizeof text,
                 "{'info': {'length': %u, 'name': 'a', 'piece length': 1, 'pieces': #%zu}}", count,
                 (size_t)count * 20 > LIMIT_METAINFO_BYTES - 200 ? 20 : (size_t)count * 20);
        int failed = parse(text, NULL, &m, &error);
        /* The hashes of so many pieces do not fit into a torrent file: what differs is the reason. */
        assert_int_equal(failed, count > LIMIT_PIECES ? SPATE_ELIMIT : SPATE_EMETAINFO);
    }
}

/* A torrent of n files by hand: notation would be slow. */
static struct span many_files(uint32_t n, const char *file)
{
    static const char head[] = "d4:infod5:filesl",
                      tail[] =
                          "e4:name1:a12:piece lengthi1048576e6:pieces20:hhhhhhhhhhhhhhhhhhhhee";
    size_t size = sizeof head + (size_t)n * strlen(file) + sizeof tail;
    struct writer w = writer_over(malloc(size), size);
    writer_text(&w, head);
    for (uint32_t i = 0; i < n; i++) {
        writer_text(&w, file);
    }
    writer_text(&w, tail);
    return span_of(w.bytes, w.size);
}

static void the_number_of_files_is_bounded(void **state)
{
    (void)state;
    for (uint32_t count = LIMIT_FILES - 1; count <= LIMIT_FILES + 1; count++) {
        struct span bytes = many_files(count, "d6:lengthi1e4:pathl1:aee");
        struct metainfo m;
        int failed = metainfo_parse(&m, bytes, NULL);
        assert_int_equal(failed, count > LIMIT_FILES ? SPATE_ELIMIT : 0);
        if (!failed) {
            assert_int_equal(m.file_count, count);
            metainfo_deinit(&m);
        }
        free((void *)(uintptr_t)bytes.bytes);
    }
}

static void paths_are_bounded_in_depth_and_length(void **state)
{
    (void)state;
    for (uint32_t depth = LIMIT_PATH_DEPTH - 1; depth <= LIMIT_PATH_DEPTH + 1; depth++) {
        char text[2000] = "{'info': {'files': [{'length': 1, 'path': [";
        for (uint32_t i = 0; i < depth; i++) {
            strncat(text, "'d',", sizeof text - strlen(text) - 1);
        }
        strncat(text, "]}], 'name': 'a', 'piece length': 1, 'pieces': #20}}",
                sizeof text - strlen(text) - 1);
        struct metainfo m;
        struct spate_error error;
        int failed = parse(text, NULL, &m, &error);
        assert_int_equal(failed, depth > LIMIT_PATH_DEPTH ? SPATE_ELIMIT : 0);
        if (!failed) {
            metainfo_deinit(&m);
        }
    }
    for (uint32_t size = LIMIT_PATH_ELEMENT_BYTES - 1; size <= LIMIT_PATH_ELEMENT_BYTES + 1;
         size++) {
        static const char *const formats[] = {
            "{'info': {'files': [{'length': 1, 'path': ['a', #%u]}], 'name': 'a', 'piece length': "
            "1,"
            "'pieces': #20}}",
            "{'info': {'length': 1, 'name': #%u, 'piece length': 1, 'pieces': #20}}"};
        for (int i = 0; i < 2; i++) {
            char text[200];
            struct metainfo m;
            struct spate_error error;
            snprintf(text, sizeof text, i ? formats[1] : formats[0], size);
            int failed = parse(text, NULL, &m, &error);
            assert_int_equal(failed, size > LIMIT_PATH_ELEMENT_BYTES ? SPATE_ELIMIT : 0);
            if (!failed) {
                metainfo_deinit(&m);
            }
        }
    }
}

static void a_file_of_too_many_bytes_is_not_even_copied(void **state)
{
    (void)state;
    struct metainfo m;
    struct spate_error error = {.size = sizeof error};
    uint8_t *bytes = calloc(1, LIMIT_METAINFO_BYTES + 1);
    struct span torrent = notation(single, NULL);
    memcpy(bytes, torrent.bytes, torrent.size);
    assert_int_equal(metainfo_parse(&m, span_of(bytes, LIMIT_METAINFO_BYTES + 1), &error),
                     SPATE_ELIMIT);
    assert_int_equal(metainfo_parse(&m, span_of(bytes, LIMIT_METAINFO_BYTES), &error), 0);
    metainfo_deinit(&m);
    free((void *)(uintptr_t)torrent.bytes);
    free(bytes);
}

static void bytes_behind_the_torrent_are_ignored(void **state)
{
    (void)state;
    struct span torrent = notation(single, NULL);
    char bytes[500];
    struct metainfo m;
    memcpy(bytes, torrent.bytes, torrent.size);
    memcpy(bytes + torrent.size, "\r\n", 2);
    assert_int_equal(metainfo_parse(&m, span_of(bytes, torrent.size + 2), NULL), 0);
    metainfo_deinit(&m);
    free((void *)(uintptr_t)torrent.bytes);
}

/* ---- every prefix, every byte ---------------------------------------------------------------- */

static const char *const small_torrents[] = {
    single,
    "{'announce-list': [['udp://a:1'], ['http://b/']], 'info': {'files': [{'attr': 'x', 'length': "
    "3,"
    "'path': ['d', 'e']}, {'attr': 'p', 'length': 1, 'path': ['.pad', '1']}, {'length': 4,"
    "'path': ['f']}], 'name': 'n', 'piece length': 4, 'pieces': #40, 'private': 1},"
    "'url-list': 'http://w/'}",
    "{'info': {'file tree': {'a': {'': {'length': 5, 'pieces root': #32}}, 'd': {'b': {'':"
    "{'length': 0}}}}, 'meta version': 2, 'name': 'n', 'piece length': 16384}, 'piece layers': {}}",
};

static void check_accepted(const struct metainfo *m, size_t size)
{
    uint64_t total = 0, listed = 0;
    assert_true(m->has_v1 || m->has_v2);
    assert_true(m->info.size <= size && m->info.size > 0);
    assert_true(m->piece_length > 0 && m->piece_count > 0);
    for (uint32_t i = 0; i < m->file_count; i++) {
        assert_true(m->files[i].offset == total);
        total += m->files[i].length;
        listed += m->files[i].flags & METAINFO_FILE_PAD ? 0 : m->files[i].length;
        for (uint32_t e = 0; e < m->files[i].element_count; e++) {
            assert_true(m->files[i].elements[e].bytes >= m->bytes.bytes);
            assert_true(m->files[i].elements[e].bytes + m->files[i].elements[e].size <=
                        m->bytes.bytes + m->bytes.size);
        }
    }
    assert_true(total == m->total_length && listed == m->listed_length);
    assert_true((total - 1) / m->piece_length + 1 == m->piece_count);
    assert_true(text_is_utf8(span_text(m->name)));
}

static void every_prefix_of_a_torrent_is_refused(void **state)
{
    (void)state;
    for (size_t t = 0; t < sizeof small_torrents / sizeof *small_torrents; t++) {
        struct span torrent = notation(small_torrents[t], NULL);
        for (size_t size = 0; size < torrent.size; size++) {
            uint8_t *exact = malloc(size + !size);
            struct metainfo m;
            struct spate_error error = {.size = sizeof error};
            memcpy(exact, torrent.bytes, size);
            assert_int_equal(metainfo_parse(&m, span_of(exact, size), &error), SPATE_EBENCODE);
            assert_true(error.offset <= size);
            assert_non_null(strstr(error.text, "byte"));
            free(exact);
        }
        free((void *)(uintptr_t)torrent.bytes);
    }
}

static void every_change_of_one_byte_is_taken_or_refused_with_a_reason(void **state)
{
    (void)state;
    for (size_t t = 0; t < sizeof small_torrents / sizeof *small_torrents; t++) {
        struct span torrent = notation(small_torrents[t], NULL);
        uint8_t *copy = malloc(torrent.size);
        memcpy(copy, torrent.bytes, torrent.size);
        for (size_t at = 0; at < torrent.size; at++) {
            for (int value = 0; value < 256; value++) {
                struct metainfo m;
                struct spate_error error = {.size = sizeof error};
                copy[at] = (uint8_t)value;
                int failed = metainfo_parse(&m, span_of(copy, torrent.size), &error);
                if (failed) {
                    assert_true(failed == SPATE_EBENCODE || failed == SPATE_EMETAINFO ||
                                failed == SPATE_ELIMIT || failed == SPATE_EUNSUPPORTED);
                    assert_true(error.offset <= torrent.size && error.text[0]);
                } else {
                    check_accepted(&m, torrent.size);
                    metainfo_deinit(&m);
                }
            }
            copy[at] = torrent.bytes[at];
        }
        free(copy);
        free((void *)(uintptr_t)torrent.bytes);
    }
}

/* ---- BEP 52 ---------------------------------------------------------------------------------- */

enum { LEAF = 16384 };

/* The root over count leaf hashes, the plain way: fill up to a power of two, then halve. */
static void plain_root(const uint8_t *leaves, size_t count, uint8_t root[32])
{
    static uint8_t level[64][32];
    size_t width = 1;
    while (width < count) {
        width *= 2;
    }
    memset(level, 0, sizeof level);
    memcpy(level, leaves, count * 32);
    for (; width > 1; width /= 2) {
        for (size_t i = 0; i < width / 2; i++) {
            uint8_t pair[64];
            memcpy(pair, level[2 * i], 64);
            sha256_of(span_of(pair, 64), level[i]);
        }
    }
    memcpy(root, level[0], 32);
}

/* A layer for pieces of two leaves, from leaves whose hash is their number. */
static size_t make_layer(size_t leaf_count, uint8_t root[32], uint8_t layer[32][32])
{
    uint8_t leaves[64][32] = {{0}};
    for (size_t i = 0; i < leaf_count; i++) {
        memset(leaves[i], (int)i + 1, 32);
    }
    plain_root(leaves[0], leaf_count, root);
    size_t pieces = (leaf_count + 1) / 2;
    for (size_t i = 0; i < pieces; i++) {
        sha256_of(span_of(leaves[2 * i], 64), layer[i]);
    }
    return pieces;
}

static void v2_only_is_shown_but_not_downloaded(void **state)
{
    (void)state;
    struct metainfo m;
    struct spate_error error = {.size = sizeof error};
    take("{'info': {'file tree': {'a': {'': {'length': 5, 'pieces root': #32}}, 'b': {'c': {'':"
         "{'length': 0}}, 'd': {'': {'attr': 'x', 'length': 40000, 'pieces root': #32}}}, 'e': {'':"
         "{'length': 1, 'pieces root': #32}}}, 'meta version': 2, 'name': 'n', 'piece length': "
         "32768}}",
         &m);
    assert_true(m.has_v2 && !m.has_v1 && !m.single_file);
    assert_int_equal(metainfo_require_v1(&m, &error), SPATE_EV2ONLY);
    assert_int_equal(m.listed_count, 4);
    assert_int_equal(m.file_count, 6); /* with the two gaps */
    static const uint64_t offsets[] = {0, 5, 32768, 98304}, lengths[] = {5, 0, 40000, 1};
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(m.files[m.listed[i]].offset, offsets[i]);
        assert_int_equal(m.files[m.listed[i]].length, lengths[i]);
        assert_int_equal(m.files[m.listed[i]].pieces_root != NULL, lengths[i] > 0);
    }
    assert_int_equal(m.total_length, 98305);
    assert_int_equal(m.piece_count, 4);
    assert_int_equal(m.listed_length, 40006);
    assert_null(m.piece_hashes);
    uint8_t hash[32], zero[20] = {0};
    sha256_of(m.info, hash);
    assert_memory_equal(m.info_hash_v2, hash, 32);
    assert_memory_equal(m.info_hash, zero, 20);
    metainfo_deinit(&m);
    take("{'info': {'file tree': {'n': {'': {'length': 5, 'pieces root': #32}}}, 'meta version': 2,"
         "'name': 'n', 'piece length': 16384}}",
         &m);
    assert_true(m.single_file);
    metainfo_deinit(&m);
}

static void broken_file_trees_are_refused(void **state)
{
    (void)state;
#define TREE(x)                                                                                    \
    "{'info': {'file tree': " x ", 'meta version': 2, 'name': 'n', 'piece length': 16384}}"
    refuse("{'info': {'meta version': 2, 'name': 'n', 'piece length': 16384}}", "file tree");
    refuse(TREE("{}"), "no files");
    refuse(TREE("{'d': {}}"), "no files");
    refuse(TREE("{'': {'length': 5, 'pieces root': #32}}"), "root of the file tree");
    refuse(TREE("{'a': 5}"), "no dictionary");
    refuse(TREE("{'a': {'': 5}}"), "neither file nor directory");
    refuse(TREE("{'a': {'': {'length': 1, 'pieces root': #32}, 'b': {}}}"), "neither");
    refuse(TREE("{'a': {'': {'pieces root': #32}}}"), "valid length");
    refuse(TREE("{'a': {'': {'length': 1}}}"), "pieces root");
    refuse(TREE("{'a': {'': {'length': 1, 'pieces root': #31}}}"), "pieces root");
    refuse_with(TREE("{#70001: {'': {'length': 1, 'pieces root': #32}}}"), NULL, SPATE_ELIMIT,
                "element");
    refuse_with(TREE("{'a': {'': {'length': 4611686018427387905, 'pieces root': #32}}}"), NULL,
                SPATE_ELIMIT, "longer");
    refuse(
        "{'info': {'file tree': {'a': {'': {'length': 1, 'pieces root': #32}}}, 'meta version': 2,"
        "'name': 'n', 'piece length': 16383}}",
        "power of two");
    refuse(
        "{'info': {'file tree': {'a': {'': {'length': 1, 'pieces root': #32}}}, 'meta version': 2,"
        "'name': 'n', 'piece length': 8192}}",
        "power of two");
}

static void a_deep_tree_of_many_files_cannot_take_memory_by_repetition(void **state)
{
    (void)state;
    /* One long path that a hundred thousand files share: few bytes, many path elements. */
    enum { DEPTH = 90, FILES_HERE = 100000 };
    size_t size = 8 << 20;
    struct writer w = writer_over(malloc(size), size);
    writer_text(&w, "d4:infod9:file treed");
    for (int i = 0; i < DEPTH; i++) {
        writer_text(&w, "1:dd");
    }
    for (int i = 0; i < FILES_HERE; i++) {
        char file[64];
        snprintf(file, sizeof file, "6:%06dd0:d6:lengthi0eee", i);
        writer_text(&w, file);
    }
    for (int i = 0; i < DEPTH; i++) {
        writer_u8(&w, 'e');
    }
    writer_text(&w, "e12:meta versioni2e4:name1:n12:piece lengthi16384eee");
    assert_false(w.failed);
    struct metainfo m;
    struct spate_error error = {.size = sizeof error};
    assert_int_equal(metainfo_parse(&m, span_of(w.bytes, w.size), &error), SPATE_ELIMIT);
    assert_non_null(strstr(error.text, "path elements"));
    free(w.bytes);
}

/* Empty files in one deep directory, and one more with fewer elements in its path, or 0. Whether those are too many
 * path elements. */
static bool too_many_elements(uint32_t files, uint32_t elements_each, uint32_t elements_of_one_more)
{
    size_t size = 8 << 20;
    struct writer w = writer_over(malloc(size), size);
    writer_text(&w, "d4:infod9:file treed");
    for (uint32_t i = 1; i < elements_each; i++) {
        if (i == elements_of_one_more) {
            writer_text(&w, "1:ad0:d6:lengthi0eee");
        }
        writer_text(&w, "1:dd");
    }
    for (uint32_t i = 0; i < files; i++) {
        char file[64];
        snprintf(file, sizeof file, "6:%06ud0:d6:lengthi0eee", i);
        writer_text(&w, file);
    }
    for (uint32_t i = 0; i < elements_each; i++) {
        writer_u8(&w, 'e');
    }
    writer_text(&w, "12:meta versioni2e4:name1:n12:piece lengthi16384eee");
    assert_false(w.failed);
    struct metainfo m;
    struct spate_error error = {.size = sizeof error};
    int failed = metainfo_parse(&m, span_of(w.bytes, w.size), &error);
    free(w.bytes);
    /* Otherwise it is refused for what comes later: it has no bytes. */
    assert_int_equal(failed, strstr(error.text, "path elements") ? SPATE_ELIMIT : SPATE_EMETAINFO);
    assert_true(failed == SPATE_ELIMIT || strstr(error.text, "holds no bytes"));
    return failed == SPATE_ELIMIT;
}

static void path_elements_are_bounded_in_all(void **state)
{
    enum { EACH = 80, FILES_HERE = LIMIT_PATH_ELEMENTS / EACH };
    (void)state;
    assert_int_equal(FILES_HERE * EACH, LIMIT_PATH_ELEMENTS);
    assert_false(too_many_elements(FILES_HERE - 1, EACH, EACH - 1));
    assert_false(too_many_elements(FILES_HERE, EACH, 0));
    assert_true(too_many_elements(FILES_HERE, EACH, 1));
}

static void the_number_of_bencoded_items_is_bounded(void **state)
{
    (void)state;
    static const char head[] =
        "d4:infod6:lengthi1e4:name1:a12:piece lengthi16384e6:pieces20:hhhhhhhhhhhhhhhhhhhhe"
        "1:xl";
    /* Two dictionaries, a list, and what is in them but the items of the list: keys count. */
    enum { OTHERS = 13 };
    size_t size = sizeof head + 2 * (size_t)LIMIT_BENCODE_TOKENS + 10;
    for (uint32_t count = LIMIT_BENCODE_TOKENS - 1; count <= LIMIT_BENCODE_TOKENS + 1; count++) {
        struct writer w = writer_over(malloc(size), size);
        writer_text(&w, head);
        for (uint32_t i = OTHERS; i < count; i++) {
            writer_text(&w, "0:");
        }
        writer_text(&w, "ee");
        assert_false(w.failed);
        struct metainfo m;
        struct spate_error error = {.size = sizeof error};
        int failed = metainfo_parse(&m, span_of(w.bytes, w.size), &error);
        assert_int_equal(failed, count > LIMIT_BENCODE_TOKENS ? SPATE_ELIMIT : 0);
        if (!failed) {
            metainfo_deinit(&m);
        }
        free(w.bytes);
    }
}

static void a_hybrid_must_agree_with_itself(void **state)
{
    (void)state;
#define HYBRID(files, tree)                                                                        \
    "{'info': {'file tree': " tree ", 'files': [" files "], 'meta version': 2, 'name': 'n',"       \
    "'piece length': 16384, 'pieces': #40}}"
#define TWO_FILES                                                                                  \
    "{'length': 5, 'path': ['a']}, {'attr': 'p', 'length': 16379, 'path': ['.pad', '16379']},"     \
    "{'length': 6, 'path': ['d', 'b']}"
#define TWO_LEAVES                                                                                 \
    "{'a': {'': {'length': 5, 'pieces root': #32}}, 'd': {'b': {'': {'length': 6,"                 \
    "'pieces root': #32}}}}"
    struct metainfo m;
    take(HYBRID(TWO_FILES, TWO_LEAVES), &m);
    assert_true(m.has_v1 && m.has_v2);
    assert_int_equal(metainfo_require_v1(&m, NULL), 0);
    assert_non_null(m.files[0].pieces_root);
    assert_null(m.files[1].pieces_root);
    assert_non_null(m.files[2].pieces_root);
    metainfo_deinit(&m);
    refuse(HYBRID(TWO_FILES, "{'a': {'': {'length': 5, 'pieces root': #32}}}"),
           "v1 part has a file");
    refuse(HYBRID(TWO_FILES, "{'a': {'': {'length': 5, 'pieces root': #32}}, 'd': {'b': {'':"
                             "{'length': 6, 'pieces root': #32}}}, 'z': {'': {'length': 0}}}"),
           "v2 part has a file");
    refuse(HYBRID(TWO_FILES, "{'a': {'': {'length': 4, 'pieces root': #32}}, 'd': {'b': {'':"
                             "{'length': 6, 'pieces root': #32}}}}"),
           "disagree");
    refuse(HYBRID(TWO_FILES, "{'a': {'': {'length': 5, 'pieces root': #32}}, 'd': {'c': {'':"
                             "{'length': 6, 'pieces root': #32}}}}"),
           "disagree");
    refuse(HYBRID(TWO_FILES, "{'a': {'': {'length': 5, 'pieces root': #32}}, 'b': {'':"
                             "{'length': 6, 'pieces root': #32}}}"),
           "disagree");
    /* Not aligned. */
    refuse(HYBRID("{'length': 16380, 'path': ['a']}, {'length': 6, 'path': ['d', 'b']}",
                  "{'a': {'': {'length': 16380, 'pieces root': #32}}, 'd': {'b': {'': {'length': 6,"
                  "'pieces root': #32}}}}"),
           "disagree");
    take("{'info': {'file tree': {'n': {'': {'length': 5, 'pieces root': #32}}}, 'length': 5,"
         "'meta version': 2, 'name': 'n', 'piece length': 16384, 'pieces': #20}}",
         &m);
    assert_true(m.single_file && m.has_v1 && m.has_v2);
    metainfo_deinit(&m);
}

static void piece_layers_must_hash_up_to_their_roots(void **state)
{
    (void)state;
    for (size_t leaves = 3; leaves <= 33; leaves++) {
        uint8_t root[32], layer[32][32];
        size_t pieces = make_layer(leaves, root, layer);
        char text[400];
        struct metainfo m;
        struct spate_error error;
        snprintf(text, sizeof text,
                 "{'info': {'file tree': {'a': {'': {'length': %zu, 'pieces root': $0}}}, 'meta "
                 "version':"
                 "2, 'name': 'n', 'piece length': 32768}, 'piece layers': {$0: $1}}",
                 leaves * LEAF - 1);
        struct span arguments[] = {span_of(root, 32), span_of(layer, pieces * 32)};
        if (parse(text, arguments, &m, &error)) {
            fail_msg("%zu leaves: %s", leaves, error.text);
        }
        metainfo_deinit(&m);
        layer[pieces / 2][7] ^= 1;
        refuse_with(text, arguments, SPATE_EMETAINFO, "does not match");
        layer[pieces / 2][7] ^= 1;
        arguments[1].size -= 32;
        refuse_with(text, arguments, SPATE_EMETAINFO, "wrong size");
        arguments[1].size += 33;
        refuse_with(text, arguments, SPATE_EMETAINFO, "wrong size");
    }
}

static void piece_layers_of_no_file_are_refused(void **state)
{
    (void)state;
#define LAYERS(x)                                                                                  \
    "{'info': {'file tree': {'a': {'': {'length': 40000, 'pieces root': #32}}, 'b': {'': "         \
    "{'length':"                                                                                   \
    "5, 'pieces root': 'rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr'}}}, 'meta version': 2, 'name': 'n',"     \
    "'piece length': 32768}, 'piece layers': " x "}"
    refuse(LAYERS("5"), "no dictionary");
    refuse(LAYERS("{'short': #64}"), "of no file");
    refuse(LAYERS("{'qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq': #64}"), "of no file");
    refuse(LAYERS("{'rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr': #32}"),
           "of no file"); /* one piece: no layer */
    refuse(LAYERS("{#32: 5}"), "wrong size");
    refuse(LAYERS("{#32: #64}"), "does not match");
    struct metainfo m;
    take(LAYERS("{}"), &m); /* layers that are not there can be asked of peers */
    metainfo_deinit(&m);
    refuse(
        "{'info': {'file tree': {'a': {'': {'length': 40000, 'pieces root': #32}}, 'b': {'':"
        "{'length': 50000, 'pieces root': #32}}}, 'meta version': 2, 'name': 'n', 'piece length':"
        "16384}, 'piece layers': {}}",
        "one pieces root");
}

/* ---- writing --------------------------------------------------------------------------------- */

static void what_is_written_reads_back(void **state)
{
    (void)state;
    uint8_t hashes[60];
    memset(hashes, 0xab, sizeof hashes);
    const struct metainfo_draft_file files[] = {
        {"a", 10}, {"dir/b c/\xc3\xbc", 0}, {"dir/d", 40000}};
    const struct metainfo_tracker trackers[] = {
        {"udp://a:1/x", 0}, {"http://b/", 0}, {"http://c/", 4}};
    const char *const web_seeds[] = {"http://w/1", "http://w/2"};
    struct metainfo_draft draft = {.name = "n\xc3\xa4me",
                                   .files = files,
                                   .file_count = 3,
                                   .is_private = true,
                                   .piece_length = 16384,
                                   .piece_count = 3,
                                   .piece_hashes = hashes,
                                   .trackers = trackers,
                                   .tracker_count = 3,
                                   .web_seeds = web_seeds,
                                   .web_seed_count = 2,
                                   .comment = "why",
                                   .created_by = "spate/0",
                                   .creation_date = 99};
    uint8_t bytes[4096];
    struct writer out = writer_over(bytes, sizeof bytes);
    metainfo_write(&draft, &out);
    assert_false(out.failed);
    assert_true(out.size <= metainfo_write_bound(&draft));
    struct metainfo m;
    assert_int_equal(metainfo_parse(&m, span_of(bytes, out.size), NULL), 0);
    assert_string_equal(m.name, draft.name);
    assert_string_equal(m.comment, "why");
    assert_string_equal(m.created_by, "spate/0");
    assert_int_equal(m.creation_date, 99);
    assert_true(m.is_private && !m.single_file);
    assert_int_equal(m.file_count, 3);
    assert_int_equal(m.files[1].element_count, 3);
    assert_true(span_equals(m.files[1].elements[1], span_text("b c")));
    assert_int_equal(m.total_length, 40010);
    assert_memory_equal(m.piece_hashes, hashes, sizeof hashes);
    assert_int_equal(m.tracker_count, 3);
    assert_int_equal(m.trackers[1].tier, 0);
    assert_int_equal(m.trackers[2].tier, 1);
    assert_int_equal(m.web_seed_count, 2);
    metainfo_deinit(&m);

    const struct metainfo_draft_file file = {NULL, 5};
    draft = (struct metainfo_draft){.name = "one",
                                    .single_file = true,
                                    .files = &file,
                                    .file_count = 1,
                                    .piece_length = 16384,
                                    .piece_count = 1,
                                    .piece_hashes = hashes,
                                    .trackers = trackers,
                                    .tracker_count = 1,
                                    .creation_date = -1};
    out = writer_over(bytes, sizeof bytes);
    metainfo_write(&draft, &out);
    static const char expected[] =
        "d8:announce11:udp://a:1/x4:infod6:lengthi5e4:name3:one12:piece length"
        "i16384e6:pieces20:";
    assert_memory_equal(bytes, expected, sizeof expected - 1);
    for (size_t room = 0; room < out.size; room++) {
        struct writer small = writer_over(bytes, room);
        metainfo_write(&draft, &small);
        assert_true(small.failed);
    }
}

static void the_bound_holds_for_paths_of_many_short_elements(void **state)
{
    (void)state;
    char path[2001];
    for (int i = 0; i < 2000; i++) {
        path[i] = i % 2 ? '/' : 'x';
    }
    path[1999] = 'x';
    path[2000] = 0;
    uint8_t hash[20] = {0};
    const struct metainfo_draft_file file = {path, INT64_MAX};
    const struct metainfo_draft draft = {.name = "n",
                                         .files = &file,
                                         .file_count = 1,
                                         .piece_length = UINT32_MAX,
                                         .piece_count = 1,
                                         .piece_hashes = hash,
                                         .creation_date = INT64_MAX};
    size_t bound = metainfo_write_bound(&draft);
    struct writer out = writer_over(malloc(bound), bound);
    metainfo_write(&draft, &out);
    assert_false(out.failed);
    free(out.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_single_file_is_read),
        cmocka_unit_test(several_files_lie_one_after_the_other),
        cmocka_unit_test(the_info_hash_is_taken_over_the_original_bytes),
        cmocka_unit_test(utf8_variants_win_when_they_are_utf8),
        cmocka_unit_test(trackers_keep_their_tiers_and_come_once),
        cmocka_unit_test(trackers_and_web_seeds_stop_at_their_limits),
        cmocka_unit_test(what_is_no_torrent_is_refused_with_a_reason),
        cmocka_unit_test(sizes_that_do_not_fit_are_refused),
        cmocka_unit_test(the_number_of_files_is_bounded),
        cmocka_unit_test(paths_are_bounded_in_depth_and_length),
        cmocka_unit_test(a_file_of_too_many_bytes_is_not_even_copied),
        cmocka_unit_test(bytes_behind_the_torrent_are_ignored),
        cmocka_unit_test(every_prefix_of_a_torrent_is_refused),
        cmocka_unit_test(every_change_of_one_byte_is_taken_or_refused_with_a_reason),
        cmocka_unit_test(v2_only_is_shown_but_not_downloaded),
        cmocka_unit_test(broken_file_trees_are_refused),
        cmocka_unit_test(a_deep_tree_of_many_files_cannot_take_memory_by_repetition),
        cmocka_unit_test(path_elements_are_bounded_in_all),
        cmocka_unit_test(the_number_of_bencoded_items_is_bounded),
        cmocka_unit_test(a_hybrid_must_agree_with_itself),
        cmocka_unit_test(piece_layers_must_hash_up_to_their_roots),
        cmocka_unit_test(piece_layers_of_no_file_are_refused),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(the_bound_holds_for_paths_of_many_short_elements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
