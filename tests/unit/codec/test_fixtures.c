/* Real torrents that nobody here made, in the directory that SPATE_FIXTURES names (scripts/fixtures.sh
 * fetches them). Without it the test is skipped. The expected values are libtorrent's. */
#include "base/text.h"
#include "codec/layout.h"
#include "codec/name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>

enum { SKIPPED = 77 };

static const struct {
    const char *file, *info_hash, *name;
    uint32_t files, pieces, piece_length;
    uint64_t bytes;
    uint32_t trackers, web_seeds;
    bool is_private;
} known[] = {
    {"alice.torrent", "722fe65b2aa26d14f35b4ad627d20236e481d924", "alice.txt", 1, 10, 16384, 163783,
     0, 0, false},
    {"bunny.torrent", "af8f10f30bf9aefecf3686922bfa0d5bd290a395",
     "bbb_sunflower_1080p_30fps_stereo_abl.mp4", 1, 830, 524288, 434839491, 0, 1, true},
    {"folder.torrent", "b88da2caac6648e6c7d7687e3f89085f7e230e6b", "folder", 1, 1, 16384, 15, 0, 0,
     false},
    {"leaves-metadata.torrent", "d2474e86c95b19b8bcfdb92bc12c9d44667cfa36",
     "Leaves of Grass by Walt Whitman.epub", 1, 23, 16384, 362017, 0, 0, false},
    {"leaves.torrent", "d2474e86c95b19b8bcfdb92bc12c9d44667cfa36",
     "Leaves of Grass by Walt Whitman.epub", 1, 23, 16384, 362017, 0, 0, false},
    {"lots-of-numbers.torrent", "114ead6243792ba56297edbb9a78dfba84d4fc00", "lots-of-numbers", 6, 1,
     16384, 12, 0, 0, false},
    {"numbers.torrent", "89d97c2261a21b040cf11caa661a3ba7233bb7e6", "numbers", 3, 1, 16384, 6, 0, 0,
     false},
    {"sintel.torrent", "c334138ef5bfc2d568ea7324e0e2a3a7ec229bdd",
     "Sintel.2010.4K.DMRip.x264.DD.DTS.SRT-MaLLIeHbKa.mkv", 1, 1310, 4194304, UINT64_C(5490455272),
     0, 0, false},
};
enum { KNOWN = sizeof known / sizeof *known };

static int parse_file(const char *name, struct metainfo *m, struct spate_error *error)
{
    static uint8_t bytes[1 << 20];
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", getenv("SPATE_FIXTURES"), name);
    FILE *file = fopen(path, "rb");
    if (!file) {
        fail_msg("%s is not there", path);
    }
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    return metainfo_parse(m, span_of(bytes, size), error);
}

static void known_torrents_read_as_libtorrent_reads_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < KNOWN; i++) {
        struct metainfo m;
        struct spate_error error = {.size = sizeof error};
        char hash[41];
        if (parse_file(known[i].file, &m, &error)) {
            fail_msg("%s: %s", known[i].file, error.text);
        }
        text_hex(m.info_hash, sizeof m.info_hash, hash);
        assert_string_equal(hash, known[i].info_hash);
        assert_string_equal(m.name, known[i].name);
        assert_int_equal(m.listed_count, known[i].files);
        assert_int_equal(m.piece_count, known[i].pieces);
        assert_int_equal(m.piece_length, known[i].piece_length);
        assert_int_equal(m.total_length, known[i].bytes);
        assert_int_equal(m.tracker_count, known[i].trackers);
        assert_int_equal(m.web_seed_count, known[i].web_seeds);
        assert_int_equal(m.is_private, known[i].is_private);
        metainfo_deinit(&m);
    }
}

static void a_corrupt_torrent_is_refused(void **state)
{
    (void)state;
    struct metainfo m;
    struct spate_error error = {.size = sizeof error};
    assert_int_equal(parse_file("corrupt.torrent", &m, &error), SPATE_EMETAINFO);
    assert_non_null(strstr(error.text, "name"));
}

static void every_torrent_there_is_known_and_has_a_layout_and_names(void **state)
{
    (void)state;
    DIR *directory = opendir(getenv("SPATE_FIXTURES"));
    assert_non_null(directory);
    size_t seen = 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        size_t length = strlen(entry->d_name);
        struct metainfo m;
        struct layout layout;
        struct arena arena;
        const char *const *paths;
        if (length < 8 || strcmp(entry->d_name + length - 8, ".torrent") != 0) {
            continue;
        }
        seen++;
        if (parse_file(entry->d_name, &m, NULL)) {
            assert_string_equal(entry->d_name, "corrupt.torrent");
            continue;
        }
        arena_init(&arena, 0);
        assert_int_equal(layout_init(&layout, &m), 0);
        assert_int_equal(name_map_build(&m, NULL, 255, false, &arena, &paths), 0);
        layout_deinit(&layout);
        arena_deinit(&arena);
        metainfo_deinit(&m);
    }
    closedir(directory);
    assert_int_equal(seen, KNOWN + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_torrents_read_as_libtorrent_reads_them),
        cmocka_unit_test(a_corrupt_torrent_is_refused),
        cmocka_unit_test(every_torrent_there_is_known_and_has_a_layout_and_names),
    };
    if (!getenv("SPATE_FIXTURES")) {
        return SKIPPED;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
