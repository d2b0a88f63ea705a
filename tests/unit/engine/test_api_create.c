/* spate_create and spate_check: what is made of files parses, and says the truth about them. */
#include "spate.h"

#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char home[64];
static struct spate_error error;

static const char *below(const char *name, char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%s/%s", home, name);
    return out;
}

static void put(const char *name, size_t size)
{
    char path[PATH_MAX];
    FILE *file = fopen(below(name, path), "wb");
    assert_non_null(file);
    for (size_t i = 0; i < size; i++) {
        fputc((int)((i * 2654435761u) >> 11 & 0xff), file);
    }
    assert_int_equal(fclose(file), 0);
}

static void make(const char *name)
{
    char path[PATH_MAX];
    assert_int_equal(mkdir(below(name, path), 0777), 0);
}

static int setup(void **state)
{
    (void)state;
    snprintf(home, sizeof home, "/tmp/spate-create-XXXXXX");
    assert_non_null(mkdtemp(home));
    make("d");
    make("d/sub");
    put("d/a", 100000);
    put("d/empty", 0);
    put("d/sub/b", 250001);
    error = (struct spate_error){.size = sizeof error};
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

static int teardown(void **state)
{
    (void)state;
    nftw(home, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}

static spate_metainfo *create(struct spate_create *settings, const char *name)
{
    char path[PATH_MAX];
    void *bytes;
    size_t size;
    spate_metainfo *metainfo;
    settings->path = below(name, path);
    assert_int_equal(spate_create(settings, &bytes, &size, &error), 0);
    assert_int_equal(spate_metainfo_parse(bytes, size, &metainfo, &error), 0);
    spate_free(bytes);
    return metainfo;
}

static int refused(struct spate_create *settings)
{
    void *bytes = home;
    size_t size = 1;
    int rc = spate_create(settings, &bytes, &size, &error);
    assert_true(rc < 0);
    assert_int_equal(error.code, rc);
    assert_true(error.text[0] != 0);
    assert_null(bytes);
    assert_int_equal(size, 0);
    return rc;
}

static struct spate_create plain(void)
{
    struct spate_create settings;
    spate_create_init(&settings, sizeof settings);
    return settings;
}

static void what_was_asked_for_stands_in_the_torrent(void **state)
{
    (void)state;
    const char *const trackers[] = {"udp://c:1", "http://a/x?p=1", "udp://b:2"};
    const uint32_t tiers[] = {7, 3, 3};
    const char *const seeds[] = {"http://seed/"};
    struct spate_create settings = plain();
    settings.private_torrent = 1;
    settings.comment = "a comment";
    settings.created_by = "";
    settings.creation_date = 1234;
    settings.piece_length = 32768;
    settings.trackers = trackers;
    settings.tiers = tiers;
    settings.tracker_count = 3;
    settings.web_seeds = seeds;
    settings.web_seed_count = 1;
    spate_metainfo *m = create(&settings, "d");
    struct spate_metainfo_info info = {.size = sizeof info};
    assert_int_equal(spate_metainfo_info(m, &info), 0);
    assert_int_equal(info.flags, SPATE_METAINFO_PRIVATE | SPATE_METAINFO_V1);
    assert_string_equal(info.name, "d");
    assert_string_equal(info.comment, "a comment");
    assert_null(info.created_by);
    assert_int_equal(info.creation_date, 1234);
    assert_int_equal(info.piece_length, 32768);
    assert_int_equal(info.piece_count, 11);
    assert_int_equal(info.total_bytes, 350001);
    assert_int_equal(info.file_count, 3);
    struct spate_metainfo_file file = {.size = sizeof file};
    assert_int_equal(spate_metainfo_file(m, 2, &file), 0);
    assert_string_equal(file.path, "sub/b");
    assert_int_equal(file.offset, 100000);
    uint32_t tier;
    assert_string_equal(spate_metainfo_tracker(m, 0, &tier), "http://a/x?p=1");
    assert_int_equal(tier, 0);
    assert_string_equal(spate_metainfo_tracker(m, 1, &tier), "udp://b:2");
    assert_int_equal(tier, 0);
    assert_string_equal(spate_metainfo_tracker(m, 2, &tier), "udp://c:1");
    assert_int_equal(tier, 1);
    assert_string_equal(spate_metainfo_web_seed(m, 0), "http://seed/");
    spate_metainfo_free(m);
}

static void the_same_files_make_the_same_torrent(void **state)
{
    (void)state;
    struct spate_create settings = plain();
    struct spate_metainfo_info one = {.size = sizeof one}, many = {.size = sizeof many};
    settings.workers = 1;
    spate_metainfo *m = create(&settings, "d");
    assert_int_equal(spate_metainfo_info(m, &one), 0);
    assert_true(one.creation_date > 1000000000);
    assert_non_null(strstr(one.created_by, "spate/"));
    settings.workers = 8;
    spate_metainfo *n = create(&settings, "d/");
    assert_int_equal(spate_metainfo_info(n, &many), 0);
    assert_memory_equal(one.info_hash, many.info_hash, 20);
    spate_metainfo_free(m);
    spate_metainfo_free(n);
}

static void bad_settings_are_refused_with_a_reason(void **state)
{
    (void)state;
    char path[PATH_MAX];
    struct spate_create settings = plain();
    assert_int_equal(refused(&settings), SPATE_EINVAL);
    settings.path = below("missing", path);
    assert_int_equal(refused(&settings), SPATE_ENOENT);
    assert_non_null(strstr(error.text, "missing"));
    below("d", path);
    settings.piece_length = 8192;
    assert_int_equal(refused(&settings), SPATE_EINVAL);
    settings.piece_length = 16385;
    assert_int_equal(refused(&settings), SPATE_EINVAL);
    settings.piece_length = 0;
    const char *const names[] = {"a/b", "", "..", "a\tb", "end.", "aux"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        settings.name = names[i];
        assert_int_equal(refused(&settings), SPATE_EINVAL);
    }
    settings.name = NULL;
    settings.comment = "\xff";
    assert_int_equal(refused(&settings), SPATE_EINVAL);
    settings.comment = NULL;
    const char *const trackers[] = {"http://a b/"};
    settings.trackers = trackers;
    settings.tracker_count = 1;
    assert_int_equal(refused(&settings), SPATE_EURL);
    assert_non_null(strstr(error.text, "tracker \"http://a b/\" is not a URL"));
    const char *const wrong[] = {"tracker.example", "upd://tracker.example:1/announce", "udp://",
                                 ""};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        settings.trackers = &wrong[i];
        assert_int_equal(refused(&settings), SPATE_EURL);
    }
    settings.trackers = trackers;
    settings.tracker_count = 257;
    assert_int_equal(refused(&settings), SPATE_ELIMIT);
    assert_int_equal(spate_create(NULL, NULL, NULL, &error), SPATE_EINVAL);
}

static void a_link_in_the_directory_is_refused(void **state)
{
    (void)state;
    char path[PATH_MAX], link[PATH_MAX];
    struct spate_create settings = plain();
    assert_int_equal(symlink("/etc/passwd", below("d/link", link)), 0);
    settings.path = below("d", path);
    assert_int_equal(refused(&settings), SPATE_ESYMLINK);
    assert_non_null(strstr(error.text, "link"));
}

static int stop_soon(void *user, uint64_t done, uint64_t total)
{
    uint64_t *seen = user;
    assert_true(done <= total && total == 350001);
    ++*seen;
    return *seen >= 2;
}

static void progress_can_call_it_off(void **state)
{
    (void)state;
    char path[PATH_MAX];
    uint64_t calls = 0;
    struct spate_create settings = plain();
    settings.path = below("d", path);
    settings.progress = stop_soon;
    settings.user = &calls;
    assert_int_equal(refused(&settings), SPATE_ECANCELED);
    assert_int_equal(calls, 2);
}

/* ---- checking ---- */

enum { FILES = 3, PIECES = 22 };

static uint8_t pieces[3];
static struct spate_check_file files[FILES];

static int check(spate_metainfo *m, const char *directory)
{
    char path[PATH_MAX];
    struct spate_check settings;
    spate_check_init(&settings, sizeof settings);
    settings.save_path = directory ? below(directory, path) : home;
    for (int i = 0; i < FILES; i++) {
        files[i] = (struct spate_check_file){.size = sizeof files[i]};
    }
    memset(pieces, 0, sizeof pieces);
    return spate_check(m, &settings, pieces, sizeof pieces, files, FILES, &error);
}

static void what_is_right_is_said_to_be(void **state)
{
    (void)state;
    struct spate_create settings = plain();
    spate_metainfo *m = create(&settings, "d");
    assert_int_equal(check(m, NULL), 0);
    assert_memory_equal(pieces, "\xff\xff\xfc", 3);
    for (int i = 0; i < FILES; i++) {
        assert_int_equal(files[i].state, SPATE_CHECK_GOOD);
        assert_int_equal(files[i].bad_bytes, 0);
    }
    assert_int_equal(files[2].length_found, 250001);
    spate_metainfo_free(m);
}

static void each_kind_of_damage_has_its_name(void **state)
{
    (void)state;
    char path[PATH_MAX];
    struct spate_create settings = plain();
    spate_metainfo *m = create(&settings, "d");
    /* b: one byte wrong, in piece 10 */
    FILE *file = fopen(below("d/sub/b", path), "r+b");
    assert_non_null(file);
    fseek(file, 70000, SEEK_SET);
    fputc('x' + 1, file);
    fclose(file);
    assert_int_equal(check(m, NULL), 1);
    assert_int_equal(files[2].state, SPATE_CHECK_WRONG);
    assert_int_equal(files[2].bad_bytes, 16384);
    assert_int_equal(files[0].state, SPATE_CHECK_GOOD);
    assert_int_equal(pieces[1], 0xdf);
    /* a: longer */
    put("d/sub/b", 250001);
    file = fopen(below("d/a", path), "ab");
    fputc(0, file);
    fclose(file);
    assert_int_equal(check(m, NULL), 0);
    assert_int_equal(files[0].state, SPATE_CHECK_LONG);
    assert_int_equal(files[0].length_found, 100001);
    /* a: shorter, and the piece it shares with b is bad for both */
    assert_int_equal(truncate(path, 99999), 0);
    assert_int_equal(check(m, NULL), 1);
    assert_int_equal(files[0].state, SPATE_CHECK_SHORT);
    assert_int_equal(files[2].bad_bytes, 7 * 16384 - 100000);
    /* missing; and the empty one */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(unlink(below("d/empty", path)), 0);
    assert_int_equal(check(m, NULL), 7);
    assert_int_equal(files[0].state, SPATE_CHECK_MISSING);
    assert_int_equal(files[1].state, SPATE_CHECK_MISSING);
    make("d/a");
    assert_int_equal(check(m, NULL), 7);
    assert_int_equal(files[0].state, SPATE_CHECK_UNREADABLE);
    assert_int_equal(check(m, "elsewhere"), SPATE_ENOENT);
    assert_non_null(strstr(error.text, "elsewhere"));
    spate_metainfo_free(m);
}

static void checking_writes_nothing(void **state)
{
    (void)state;
    char path[PATH_MAX];
    struct stat before, after;
    struct spate_create settings = plain();
    spate_metainfo *m = create(&settings, "d");
    assert_int_equal(unlink(below("d/a", path)), 0);
    assert_int_equal(stat(below("d", path), &before), 0);
    assert_true(check(m, NULL) > 0);
    assert_int_equal(stat(path, &after), 0);
    assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof before.st_mtim);
    spate_metainfo_free(m);
}

static void an_older_struct_is_enough(void **state)
{
    (void)state;
    char path[PATH_MAX];
    struct {
        uint32_t size, flags;
        const char *save_path;
    } old = {sizeof old, 0, home};
    struct {
        uint32_t size, state;
    } short_files[FILES] = {{8, 9}, {8, 9}, {8, 9}};
    struct spate_create settings = plain();
    settings.size = offsetof(struct spate_create, piece_length);
    spate_metainfo *m = create(&settings, "d");
    assert_int_equal(unlink(below("d/a", path)), 0);
    assert_int_equal(spate_check(m, (const struct spate_check *)(const void *)&old, NULL, 0,
                                 (struct spate_check_file *)(void *)short_files, FILES, NULL),
                     7);
    assert_int_equal(short_files[0].state, SPATE_CHECK_MISSING);
    assert_int_equal(short_files[1].size, 8);
    assert_int_equal(short_files[2].state, SPATE_CHECK_WRONG);
    spate_metainfo_free(m);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(what_was_asked_for_stands_in_the_torrent),
        T(the_same_files_make_the_same_torrent),
        T(bad_settings_are_refused_with_a_reason),
        T(a_link_in_the_directory_is_refused),
        T(progress_can_call_it_off),
        T(what_is_right_is_said_to_be),
        T(each_kind_of_damage_has_its_name),
        T(checking_writes_nothing),
        T(an_older_struct_is_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
