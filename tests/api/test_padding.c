/* Torrents with pad files (BEP 47): padding is on no disk and on no line, and yet everything is complete. */
#include "spate.h"

#include "crypto/sha.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
/* cmocka wants the above first */
#include <cmocka.h>

enum {
    WAIT_S = 30,
    BLOCK = 16384,
    PIECE = 16 * BLOCK,
    PIECES = 8,
    FILES = 3, /* of the public API: padding is not counted */
    FILE_BYTES = 300000 + 5000 + 700000,
    /* Whole blocks with at least one byte of a file. */
    LINE_BYTES = (19 + 1 + 43) * BLOCK,
};

/* Two pieces of "a", the second mostly padding, two of nothing but padding, one of "b", three of "c". */
static const struct part {
    const char *name; /* NULL: padding */
    uint32_t length;
} parts[] = {
    {"a", 300000}, {NULL, 2 * PIECE - 300000 + 2 * PIECE},
    {"b", 5000},   {NULL, PIECE - 5000},
    {"c", 700000}, {NULL, 3 * PIECE - 700000},
};

enum { PARTS = sizeof parts / sizeof *parts };

struct fixture {
    char directory[40];
    uint8_t bytes[PIECES * PIECE];
    char metainfo[2000];
    size_t metainfo_size;
    char seed[80], get[80], state[80]; /* directories */
    spate_session *sessions[2];        /* the seed's; who downloads */
    spate_torrent torrents[2];
};

static struct fixture f;

static void append(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void append(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(f.metainfo + f.metainfo_size, sizeof f.metainfo - f.metainfo_size,
                           format, arguments);
    va_end(arguments);
    assert_true(length > 0 && f.metainfo_size + (size_t)length < sizeof f.metainfo);
    f.metainfo_size += (size_t)length;
}

static void make_directory(char *out, size_t size, const char *name)
{
    snprintf(out, size, "%s/%s", f.directory, name);
    assert_int_equal(mkdir(out, 0700), 0);
}

static void make_files(void)
{
    char path[200];
    uint32_t at = 0;
    snprintf(path, sizeof path, "%s/t", f.seed);
    assert_int_equal(mkdir(path, 0700), 0);
    for (int i = 0; i < PARTS; i++) {
        if (parts[i].name) {
            for (uint32_t b = at; b < at + parts[i].length; b++) {
                f.bytes[b] = (uint8_t)(((b * 2654435761u) >> 13) | 1);
            }
            snprintf(path, sizeof path, "%s/t/%s", f.seed, parts[i].name);
            FILE *file = fopen(path, "wb");
            assert_non_null(file);
            assert_int_equal(fwrite(f.bytes + at, 1, parts[i].length, file), parts[i].length);
            fclose(file);
        }
        at += parts[i].length;
    }
    assert_int_equal(at, PIECES * PIECE);
}

static void make_metainfo(void)
{
    append("d4:infod5:filesl");
    for (int i = 0; i < PARTS; i++) {
        if (parts[i].name) {
            append("d6:lengthi%ue4:pathl1:%see", parts[i].length, parts[i].name);
        } else {
            append("d4:attr1:p6:lengthi%ue4:pathl4:.pad1:%dee", parts[i].length, i);
        }
    }
    append("e4:name1:t12:piece lengthi%de6:pieces%d:", PIECE, PIECES * SHA1_BYTES);
    for (int i = 0; i < PIECES; i++) {
        sha1_of(span_of(f.bytes + i * PIECE, PIECE), (uint8_t *)f.metainfo + f.metainfo_size);
        f.metainfo_size += SHA1_BYTES;
    }
    append("ee");
}

static int setup(void **state)
{
    (void)state;
    memset(&f, 0, sizeof f);
    snprintf(f.directory, sizeof f.directory, "/tmp/spate-padding-XXXXXX");
    assert_non_null(mkdtemp(f.directory));
    make_directory(f.seed, sizeof f.seed, "seed");
    make_directory(f.get, sizeof f.get, "get");
    make_directory(f.state, sizeof f.state, "state");
    make_files();
    make_metainfo();
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
    spate_session_close(f.sessions[1]);
    spate_session_close(f.sessions[0]);
    return nftw(f.directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- sessions -------------------------------------------------------------------------------------- */

static void open_session(int which, const uint8_t *wanted, uint64_t max_down)
{
    struct spate_settings settings;
    struct spate_add add;
    struct spate_error error = {.size = sizeof error};
    spate_settings_init(&settings, sizeof settings);
    settings.bind = "127.0.0.1";
    settings.allow_local = 1;
    settings.state_dir = which == 1 ? f.state : NULL;
    settings.max_down = max_down;
    assert_int_equal(spate_session_create(&settings, &f.sessions[which], &error), 0);
    spate_add_init(&add, sizeof add);
    add.metainfo = f.metainfo;
    add.metainfo_size = f.metainfo_size;
    add.save_path = which == 0 ? f.seed : f.get;
    add.flags = which == 0 ? SPATE_ADD_SEED_ONLY : 0;
    add.wanted = wanted;
    add.wanted_count = wanted ? FILES : 0;
    assert_int_equal(spate_torrent_add(f.sessions[which], &add, &f.torrents[which], &error), 0);
}

static struct spate_status status_of(int which)
{
    struct spate_status status = {.size = sizeof status};
    assert_int_equal(spate_torrent_status(f.sessions[which], f.torrents[which], &status), 0);
    return status;
}

static void work(void)
{
    for (int i = 0; i < 2; i++) {
        struct spate_event event = {.size = sizeof event};
        if (f.sessions[i]) {
            spate_session_wait(f.sessions[i], 5);
        }
        while (f.sessions[i] && spate_event_next(f.sessions[i], &event) == 1) {
        }
    }
}

static void until(int which, uint32_t state, uint64_t downloaded_bytes)
{
    time_t end = time(NULL) + WAIT_S;
    struct spate_status status = status_of(which);
    while (status.state != state || status.downloaded_bytes < downloaded_bytes) {
        assert_true(time(NULL) < end);
        assert_int_equal(status.error, 0);
        work();
        status = status_of(which);
    }
}

static void begin_transfer(const uint8_t *wanted, uint64_t max_down)
{
    struct spate_session_stats stats = {.size = sizeof stats};
    char address[64];
    open_session(1, wanted, max_down);
    assert_int_equal(spate_session_stats(f.sessions[0], &stats), 0);
    snprintf(address, sizeof address, "127.0.0.1:%u", stats.port);
    assert_int_equal(spate_torrent_add_peer(f.sessions[1], f.torrents[1], address), 0);
}

static void expect_files(const char *names)
{
    for (; *names; names++) {
        char command[300];
        snprintf(command, sizeof command, "cmp '%s/t/%c' '%s/t/%c'", f.seed, *names, f.get, *names);
        assert_int_equal(system(command), 0);
    }
}

/* ---- promises -------------------------------------------------------------------------------------- */

static void padding_is_not_downloaded(void **state)
{
    (void)state;
    open_session(0, NULL, 0);
    until(0, SPATE_STATE_SEEDING, 0);
    begin_transfer(NULL, 0);
    until(1, SPATE_STATE_SEEDING, 0);
    struct spate_status seed = status_of(0), get = status_of(1);
    assert_int_equal(seed.pieces_verified, PIECES);
    assert_int_equal(get.pieces_verified, PIECES);
    assert_int_equal(get.total_bytes, FILE_BYTES);
    assert_int_equal(get.wanted_bytes, FILE_BYTES);
    assert_int_equal(get.verified_bytes, FILE_BYTES);
    assert_int_equal(get.durable_bytes, FILE_BYTES);
    assert_int_equal(get.downloaded_bytes, LINE_BYTES);
    assert_int_equal(get.wasted_bytes, 0);
    assert_int_equal(get.failed_bytes, 0);
    expect_files("abc");
}

static void pieces_of_padding_alone_need_nobody(void **state)
{
    (void)state;
    open_session(1, NULL, 0);
    until(1, SPATE_STATE_DOWNLOADING, 0);
    uint8_t pieces = 0;
    assert_int_equal(spate_torrent_pieces(f.sessions[1], f.torrents[1], &pieces, 1), PIECES);
    assert_int_equal(pieces, 0x30);
    struct spate_status status = status_of(1);
    assert_int_equal(status.pieces_verified, 2);
    assert_int_equal(status.verified_bytes, 0);
    assert_int_equal(status.wanted_bytes, FILE_BYTES);
}

static void one_small_file_costs_one_block(void **state)
{
    (void)state;
    const uint8_t wanted[FILES] = {0, 1, 0};
    open_session(0, NULL, 0);
    until(0, SPATE_STATE_SEEDING, 0);
    begin_transfer(wanted, 0);
    until(1, SPATE_STATE_SEEDING, 0);
    struct spate_status get = status_of(1);
    assert_int_equal(get.wanted_bytes, 5000);
    assert_int_equal(get.durable_bytes, 5000);
    assert_int_equal(get.downloaded_bytes, BLOCK);
    expect_files("b");
}

static void what_was_begun_goes_on_without_padding(void **state)
{
    (void)state;
    open_session(0, NULL, 0);
    until(0, SPATE_STATE_SEEDING, 0);
    begin_transfer(NULL, 500000);
    until(1, SPATE_STATE_DOWNLOADING, 20 * BLOCK);
    spate_session_close(f.sessions[1]);
    f.sessions[1] = NULL;
    begin_transfer(NULL, 0);
    until(1, SPATE_STATE_SEEDING, 0);
    struct spate_status get = status_of(1);
    assert_int_equal(get.verified_bytes, FILE_BYTES);
    assert_true(get.downloaded_bytes < LINE_BYTES);
    assert_int_equal(get.failed_bytes, 0);
    expect_files("abc");
}

static void padding_does_not_hide_who_lied(void **state)
{
    (void)state;
    char path[200];
    time_t end = time(NULL) + WAIT_S;
    open_session(0, NULL, 0);
    until(0, SPATE_STATE_SEEDING, 0);
    snprintf(path, sizeof path, "%s/t/a", f.seed);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, PIECE + BLOCK, SEEK_SET), 0);
    fputc(0, file); /* no byte of a file is 0 */
    fclose(file);
    begin_transfer(NULL, 0);
    while (status_of(1).banned_peers == 0) {
        assert_true(time(NULL) < end);
        work();
    }
    /* The three blocks that were sent of the piece, once. */
    assert_int_equal(status_of(1).failed_bytes, 3 * BLOCK);
}

static void a_finished_download_is_checked_clean(void **state)
{
    (void)state;
    spate_metainfo *metainfo;
    struct spate_check check;
    struct spate_check_file files[FILES];
    struct spate_error error = {.size = sizeof error};
    uint8_t pieces = 0;
    assert_int_equal(spate_metainfo_parse(f.metainfo, f.metainfo_size, &metainfo, &error), 0);
    spate_check_init(&check, sizeof check);
    check.save_path = f.seed;
    for (int i = 0; i < FILES; i++) {
        files[i].size = sizeof files[i];
    }
    assert_int_equal(spate_check(metainfo, &check, &pieces, 1, files, FILES, &error), 0);
    assert_int_equal(pieces, 0xff);
    for (int i = 0; i < FILES; i++) {
        assert_int_equal(files[i].state, SPATE_CHECK_GOOD);
    }
    spate_metainfo_free(metainfo);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(padding_is_not_downloaded),      T(pieces_of_padding_alone_need_nobody),
        T(one_small_file_costs_one_block), T(what_was_begun_goes_on_without_padding),
        T(padding_does_not_hide_who_lied), T(a_finished_download_is_checked_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
