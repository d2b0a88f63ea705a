/* Files that become wanted while their torrent runs, when something is in their place already. */
#include "spate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants the above first */
#include <cmocka.h>

enum { FILE_BYTES = 400000, PIECE_BYTES = 32768, PATIENCE_STEPS = 6000 };

/* A seed of two files, and a download of which only the first is wanted and there. */
struct scene {
    char root[40];
    void *metainfo;
    size_t metainfo_size;
    spate_session *sessions[2];
    spate_torrent torrents[2];
};

static void run(const char *format, const char *root)
{
    char command[300];
    snprintf(command, sizeof command, format, root, root);
    assert_int_equal(system(command), 0);
}

static void make_file(const char *root, const char *name, uint32_t seed)
{
    char path[100];
    snprintf(path, sizeof path, "%s/%s", root, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    for (uint32_t i = 0; i < FILE_BYTES; i++) {
        fputc((int)(((i + seed) * 2654435761u) >> 13 & 0xff), file);
    }
    assert_int_equal(fclose(file), 0);
}

static struct spate_status status_of(const struct scene *s, int which)
{
    struct spate_status status = {.size = sizeof status};
    assert_int_equal(spate_torrent_status(s->sessions[which], s->torrents[which], &status), 0);
    return status;
}

static void turn(const struct scene *s)
{
    for (int i = 0; i < 2; i++) {
        struct spate_event event = {.size = sizeof event};
        struct spate_log_entry entry = {.size = sizeof entry};
        spate_session_wait(s->sessions[i], 5);
        while (spate_event_next(s->sessions[i], &event) == 1) {
        }
        while (spate_log_next(s->sessions[i], &entry) == 1) { /* or it would wait no more */
        }
    }
}

static void until_state(const struct scene *s, int which, uint32_t state)
{
    for (int i = 0; i < PATIENCE_STEPS && status_of(s, which).state != state; i++) {
        turn(s);
    }
    assert_int_equal(status_of(s, which).state, state);
}

static void until_durable(const struct scene *s)
{
    for (int i = 0; i < PATIENCE_STEPS && status_of(s, 1).durable_bytes < (uint64_t)2 * FILE_BYTES;
         i++) {
        turn(s);
    }
    until_state(s, 1, SPATE_STATE_SEEDING);
}

static void add(struct scene *s, int which, const char *where, const uint8_t *wanted,
                uint32_t flags)
{
    struct spate_add add;
    char path[80];
    snprintf(path, sizeof path, "%s/%s", s->root, where);
    spate_add_init(&add, sizeof add);
    add.metainfo = s->metainfo;
    add.metainfo_size = s->metainfo_size;
    add.save_path = path;
    add.wanted = wanted;
    add.wanted_count = wanted ? 2 : 0;
    add.flags = flags;
    assert_int_equal(spate_torrent_add(s->sessions[which], &add, &s->torrents[which], NULL), 0);
}

static void begin(struct scene *s, bool own_thread, bool with_state)
{
    static const uint8_t only_first[2] = {1, 0};
    struct spate_create create;
    char path[80], state_dir[80], address[40];
    *s = (struct scene){.root = "/tmp/spate-wanted-XXXXXX"};
    assert_non_null(mkdtemp(s->root));
    run("mkdir -p '%s/seed/t' '%s/get'", s->root);
    make_file(s->root, "seed/t/a", 1);
    make_file(s->root, "seed/t/b", 2);
    spate_create_init(&create, sizeof create);
    snprintf(path, sizeof path, "%s/seed/t", s->root);
    create.path = path;
    create.piece_length = PIECE_BYTES;
    assert_int_equal(spate_create(&create, &s->metainfo, &s->metainfo_size, NULL), 0);
    for (int i = 0; i < 2; i++) {
        struct spate_settings settings;
        spate_settings_init(&settings, sizeof settings);
        settings.own_thread = own_thread;
        settings.bind = "127.0.0.1";
        settings.allow_local = 1;
        snprintf(state_dir, sizeof state_dir, "%s/state%d", s->root, i);
        settings.state_dir = with_state ? state_dir : NULL;
        assert_int_equal(spate_session_create(&settings, &s->sessions[i], NULL), 0);
    }
    add(s, 0, "seed", NULL, SPATE_ADD_SEED_ONLY);
    until_state(s, 0, SPATE_STATE_SEEDING);
    add(s, 1, "get", only_first, 0);
    struct spate_session_stats stats = {.size = sizeof stats};
    assert_int_equal(spate_session_stats(s->sessions[0], &stats), 0);
    snprintf(address, sizeof address, "127.0.0.1:%u", stats.port);
    assert_int_equal(spate_torrent_add_peer(s->sessions[1], s->torrents[1], address), 0);
    until_state(s, 1, SPATE_STATE_SEEDING);
    assert_true(status_of(s, 1).downloaded_bytes < FILE_BYTES + PIECE_BYTES);
}

static void want_both(const struct scene *s)
{
    static const uint8_t both[2] = {1, 1};
    assert_int_equal(spate_torrent_set_wanted(s->sessions[1], s->torrents[1], both, 2), 0);
}

static void end(struct scene *s)
{
    spate_session_close(s->sessions[1]);
    spate_session_close(s->sessions[0]);
    spate_free(s->metainfo);
    run("rm -rf '%s'", s->root);
}

static void a_strangers_file_stops_the_torrent_and_stays(bool own_thread)
{
    struct scene s;
    begin(&s, own_thread, true);
    run("echo mine > '%s/get/t/b'", s.root);
    want_both(&s);
    until_state(&s, 1, SPATE_STATE_ERROR);
    struct spate_status status = status_of(&s, 1);
    assert_int_equal(status.error, SPATE_EFOREIGN);
    assert_non_null(strstr(status.message, "t/b"));
    run("test \"$(cat '%s/get/t/b')\" = mine && rm '%s/get/t/b'", s.root);
    assert_int_equal(spate_torrent_resume(s.sessions[1], s.torrents[1]), 0);
    until_state(&s, 1, SPATE_STATE_SEEDING);
    run("diff -r '%s/seed' '%s/get'", s.root);
    end(&s);
}

static void a_right_copy_is_checked_and_taken(bool own_thread)
{
    struct scene s;
    begin(&s, own_thread, true);
    uint64_t before = status_of(&s, 1).downloaded_bytes;
    run("cp '%s/seed/t/b' '%s/get/t/b'", s.root);
    want_both(&s);
    until_durable(&s);
    assert_int_equal(status_of(&s, 1).durable_bytes, 2 * FILE_BYTES);
    /* What came before it was stopped and looked at, at most. */
    assert_true(status_of(&s, 1).downloaded_bytes - before <= FILE_BYTES);
    run("diff -r '%s/seed' '%s/get'", s.root);
    end(&s);
}

/* Without a state directory nothing is kept of an unwanted file: what a piece had of it comes again. */
static void without_state_a_shared_piece_comes_again(void **state)
{
    (void)state;
    for (int paused = 0; paused < 2; paused++) {
        struct scene s;
        begin(&s, false, false);
        if (paused) {
            assert_int_equal(spate_torrent_pause(s.sessions[1], s.torrents[1]), 0);
            until_state(&s, 1, SPATE_STATE_PAUSED);
            for (int i = 0; i < 20; i++) { /* said before it has come to rest */
                turn(&s);
            }
        }
        want_both(&s);
        if (paused) {
            assert_int_equal(spate_torrent_resume(s.sessions[1], s.torrents[1]), 0);
        }
        until_durable(&s);
        run("diff -r '%s/seed' '%s/get'", s.root);
        end(&s);
    }
}

static void a_strangers_file_stops_the_torrent_and_stays_driven(void **state)
{
    (void)state;
    a_strangers_file_stops_the_torrent_and_stays(false);
}

static void a_strangers_file_stops_the_torrent_and_stays_on_its_thread(void **state)
{
    (void)state;
    a_strangers_file_stops_the_torrent_and_stays(true);
}

static void a_right_copy_is_checked_and_taken_driven(void **state)
{
    (void)state;
    a_right_copy_is_checked_and_taken(false);
}

static void a_right_copy_is_checked_and_taken_on_its_thread(void **state)
{
    (void)state;
    a_right_copy_is_checked_and_taken(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_strangers_file_stops_the_torrent_and_stays_driven),
        cmocka_unit_test(a_strangers_file_stops_the_torrent_and_stays_on_its_thread),
        cmocka_unit_test(a_right_copy_is_checked_and_taken_driven),
        cmocka_unit_test(a_right_copy_is_checked_and_taken_on_its_thread),
        cmocka_unit_test(without_state_a_shared_piece_comes_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
