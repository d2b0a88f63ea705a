/* libspate's promises, through spate.h alone, each in both modes: driven by the caller and on a thread of its
 * own. */
#include "spate.h"

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

enum { WAIT_MS = 20000, FILE_BYTES = 300000 };

static int driven(void **state)
{
    *state = (void *)0;
    return 0;
}

static int own_thread(void **state)
{
    *state = (void *)1;
    return 0;
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* What the test that is running has made. */
static char *directories[8];

static char *make_directory(void)
{
    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
        if (!directories[i]) {
            directories[i] = strdup("/tmp/spate-api-XXXXXX");
            assert_non_null(mkdtemp(directories[i]));
            return directories[i];
        }
    }
    fail_msg("too many directories");
    return NULL;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

/* The teardown of each test: it runs when the test has failed, too. */
static int remove_directories(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
        if (directories[i]) {
            nftw(directories[i], remove_one, 16, FTW_DEPTH | FTW_PHYS);
            free(directories[i]);
            directories[i] = NULL;
        }
    }
    return 0;
}

static spate_session *open_session_with(void **state, const char *state_dir)
{
    struct spate_settings settings;
    struct spate_error error = {.size = sizeof error};
    spate_session *session;
    spate_settings_init(&settings, sizeof settings);
    settings.own_thread = *state != NULL;
    settings.bind = "127.0.0.1";
    settings.allow_local = 1;
    settings.state_dir = state_dir;
    assert_int_equal(spate_session_create(&settings, &session, &error), 0);
    return session;
}

static spate_session *open_session(void **state)
{
    return open_session_with(state, NULL);
}

/* A torrent of one byte whose hash nobody knows: made by hand, as nothing is to be read. */
static size_t tiny_metainfo(uint32_t number, char *out, size_t size)
{
    char hash[21];
    snprintf(hash, sizeof hash, "%020u", number);
    return (size_t)snprintf(out, size,
                            "d4:infod6:lengthi1e4:name8:f%07u12:piece lengthi16384e"
                            "6:pieces20:%see",
                            number, hash);
}

static spate_torrent add_tiny(spate_session *session, uint32_t number, uint32_t flags)
{
    char bytes[200];
    struct spate_add add;
    spate_torrent torrent;
    struct spate_error error = {.size = sizeof error};
    spate_add_init(&add, sizeof add);
    add.metainfo = bytes;
    add.metainfo_size = tiny_metainfo(number, bytes, sizeof bytes);
    add.save_path = "/dev/null/nowhere"; /* cannot be made, whoever we are */
    add.flags = flags;
    assert_int_equal(spate_torrent_add(session, &add, &torrent, &error), 0);
    return torrent;
}

static struct spate_status status_of(spate_session *session, spate_torrent torrent)
{
    struct spate_status status = {.size = sizeof status};
    assert_int_equal(spate_torrent_status(session, torrent, &status), 0);
    return status;
}

static void turn(spate_session **sessions, int count)
{
    for (int i = 0; i < count; i++) {
        struct spate_event event = {.size = sizeof event};
        spate_session_wait(sessions[i], 5);
        while (spate_event_next(sessions[i], &event) == 1) {
        }
    }
}

/* Lets the session work until the torrent is in a state; other sessions are driven along. */
static void until_state(spate_session **sessions, int count, int which, spate_torrent torrent,
                        uint32_t state)
{
    double end = seconds() + WAIT_MS / 1000.0;
    while (status_of(sessions[which], torrent).state != state) {
        assert_true(seconds() < end);
        turn(sessions, count);
    }
}

/* ---- a file, a torrent of it, and a transfer ------------------------------------------------------- */

struct sample {
    char *directory;
    char path[100];
    void *torrent;
    size_t torrent_size;
};

static struct sample make_sample_of(uint32_t bytes, uint32_t piece_length)
{
    struct sample s = {.directory = make_directory()};
    struct spate_create create;
    struct spate_error error = {.size = sizeof error};
    snprintf(s.path, sizeof s.path, "%s/file.bin", s.directory);
    FILE *file = fopen(s.path, "wb");
    assert_non_null(file);
    for (uint32_t i = 0; i < bytes; i++) {
        fputc((int)((i * 2654435761u) >> 13 & 0xff), file);
    }
    fclose(file);
    spate_create_init(&create, sizeof create);
    create.path = s.path;
    create.piece_length = piece_length;
    assert_int_equal(spate_create(&create, &s.torrent, &s.torrent_size, &error), 0);
    return s;
}

static struct sample make_sample(void)
{
    return make_sample_of(FILE_BYTES, 32768);
}

static void free_sample(struct sample *s)
{
    spate_free(s->torrent);
}

static spate_torrent add_sample(spate_session *session, const struct sample *s, const char *where,
                                uint32_t flags)
{
    struct spate_add add;
    struct spate_error error = {.size = sizeof error};
    spate_torrent torrent;
    spate_add_init(&add, sizeof add);
    add.metainfo = s->torrent;
    add.metainfo_size = s->torrent_size;
    add.save_path = where;
    add.flags = flags;
    assert_int_equal(spate_torrent_add(session, &add, &torrent, &error), 0);
    return torrent;
}

/* The session's own counters are a moment behind on a thread of its own. */
static void until_session_has(spate_session **sessions, int which, uint64_t down, uint64_t up)
{
    struct spate_session_stats stats = {.size = sizeof stats};
    double end = seconds() + WAIT_MS / 1000.0;
    while (stats.downloaded_bytes != down || stats.uploaded_bytes != up) {
        assert_true(seconds() < end);
        spate_session_wait(sessions[0], 5);
        spate_session_wait(sessions[1], 5);
        assert_int_equal(spate_session_stats(sessions[which], &stats), 0);
    }
    assert_int_equal(stats.torrents, 1);
    if (down > 0) {
        assert_true(stats.frame_peak_bytes > 0);
    }
}

static void a_file_goes_from_one_session_to_another(void **state)
{
    struct sample s = make_sample();
    char *where = make_directory(), address[64], path[120];
    spate_session *sessions[2] = {open_session(state), open_session(state)};
    struct spate_session_stats stats = {.size = sizeof stats};
    spate_torrent seed = add_sample(sessions[0], &s, s.directory, SPATE_ADD_SEED_ONLY);
    until_state(sessions, 2, 0, seed, SPATE_STATE_SEEDING);
    spate_torrent get = add_sample(sessions[1], &s, where, 0);
    assert_int_equal(spate_session_stats(sessions[0], &stats), 0);
    assert_true(stats.port > 0);
    snprintf(address, sizeof address, "127.0.0.1:%u", stats.port);
    assert_int_equal(spate_torrent_add_peer(sessions[1], get, address), 0);
    until_state(sessions, 2, 1, get, SPATE_STATE_SEEDING);

    struct spate_status status = status_of(sessions[1], get);
    assert_int_equal(status.verified_bytes, FILE_BYTES);
    assert_int_equal(status.durable_bytes, FILE_BYTES);
    assert_int_equal(status.downloaded_bytes, FILE_BYTES);
    assert_string_equal(status.name, "file.bin");
    struct spate_file_status file = {.size = sizeof file};
    assert_int_equal(spate_torrent_files(sessions[1], get, &file, 1), 1);
    assert_int_equal(file.verified_bytes, FILE_BYTES);
    uint8_t bits[2] = {0};
    assert_int_equal(spate_torrent_pieces(sessions[1], get, bits, sizeof bits), 10);
    assert_int_equal(bits[0], 0xff);
    assert_int_equal(bits[1], 0xc0);
    until_session_has(sessions, 0, 0, FILE_BYTES);
    until_session_has(sessions, 1, FILE_BYTES, 0);
    spate_session_close(sessions[1]);
    spate_session_close(sessions[0]);

    snprintf(path, sizeof path, "cmp '%s' '%s/file.bin'", s.path, where);
    assert_int_equal(system(path), 0);
    free_sample(&s);
}

static void a_foreign_file_is_named_and_left_alone(void **state)
{
    struct sample s = make_sample();
    char *where = make_directory(), path[120], line[20] = "";
    snprintf(path, sizeof path, "%s/file.bin", where);
    FILE *file = fopen(path, "w");
    fputs("mine", file);
    fclose(file);
    spate_session *session = open_session(state);
    spate_torrent torrent = add_sample(session, &s, where, 0);
    until_state(&session, 1, 0, torrent, SPATE_STATE_ERROR);
    struct spate_status status = status_of(session, torrent);
    assert_int_equal(status.error, SPATE_EFOREIGN);
    assert_non_null(strstr(status.message, "file.bin"));
    spate_session_close(session);
    file = fopen(path, "r");
    assert_non_null(fgets(line, sizeof line, file));
    fclose(file);
    assert_string_equal(line, "mine");
    free_sample(&s);
}

/* A piece that is not complete when the torrent pauses is on the disk as far as it has come. */
static void what_came_before_a_pause_is_not_asked_for_again(void **state)
{
    struct sample s = make_sample_of(4000000, 4 << 20);
    char *where = make_directory(), address[64];
    spate_session *sessions[2] = {open_session(state), open_session_with(state, make_directory())};
    struct spate_session_stats stats = {.size = sizeof stats};
    spate_torrent seed = add_sample(sessions[0], &s, s.directory, SPATE_ADD_SEED_ONLY);
    until_state(sessions, 2, 0, seed, SPATE_STATE_SEEDING);
    assert_int_equal(spate_torrent_set_limits(sessions[0], seed, 0, 1000000), 0);
    spate_torrent get = add_sample(sessions[1], &s, where, 0);
    assert_int_equal(spate_session_stats(sessions[0], &stats), 0);
    snprintf(address, sizeof address, "127.0.0.1:%u", stats.port);
    assert_int_equal(spate_torrent_add_peer(sessions[1], get, address), 0);
    double end = seconds() + WAIT_MS / 1000.0;
    while (status_of(sessions[1], get).downloaded_bytes < 1000000) {
        assert_true(seconds() < end);
        turn(sessions, 2);
    }
    assert_int_equal(spate_torrent_pause(sessions[1], get), 0);
    until_state(sessions, 2, 1, get, SPATE_STATE_PAUSED); /* said before it has come to rest */
    uint64_t before = status_of(sessions[1], get).downloaded_bytes;
    assert_int_equal(spate_torrent_resume(sessions[1], get), 0);
    until_state(sessions, 2, 1, get, SPATE_STATE_DOWNLOADING);
    assert_int_equal(spate_torrent_add_peer(sessions[1], get, address), 0);
    until_state(sessions, 2, 1, get, SPATE_STATE_SEEDING);
    uint64_t twice = status_of(sessions[1], get).downloaded_bytes - 4000000;
    assert_true(before < 4000000 && twice < 100000);
    spate_session_close(sessions[1]);
    spate_session_close(sessions[0]);
    free_sample(&s);
}

/* ---- errors -------------------------------------------------------------------------------------------- */

static void what_is_wrong_with_a_torrent_is_said_at_once(void **state)
{
    spate_session *session = open_session(state);
    struct spate_add add;
    struct spate_error error = {.size = sizeof error};
    spate_torrent torrent;
    spate_add_init(&add, sizeof add);
    add.metainfo = "d4:infod4:name1:xe";
    add.metainfo_size = 18;
    add.save_path = "/tmp";
    assert_true(spate_torrent_add(session, &add, &torrent, &error) < 0);
    assert_true(error.code < 0);
    assert_true(error.text[0] != 0);
    add.metainfo = NULL;
    assert_int_equal(spate_torrent_add(session, &add, &torrent, &error), SPATE_EINVAL);
    spate_session_close(session);
}

static void a_stale_torrent_is_an_error_and_never_a_crash(void **state)
{
    spate_session *session = open_session(state);
    struct spate_status status = {.size = sizeof status};
    spate_torrent torrent = add_tiny(session, 1, SPATE_ADD_PAUSED);
    assert_int_equal(spate_torrent_remove(session, torrent), 0);
    double end = seconds() + WAIT_MS / 1000.0;
    while (spate_torrent_status(session, torrent, &status) == 0) {
        assert_true(seconds() < end);
        spate_session_wait(session, 5);
    }
    assert_int_equal(spate_torrent_status(session, torrent, &status), SPATE_ENOTFOUND);
    assert_int_equal(spate_torrent_pause(session, torrent), SPATE_ENOTFOUND);
    assert_int_equal(spate_torrent_peers(session, torrent, NULL, 0), SPATE_ENOTFOUND);
    assert_int_equal(spate_torrent_status(session, 0, &status), SPATE_ENOTFOUND);
    spate_session_close(session);
}

static void a_torrent_can_be_added_once(void **state)
{
    spate_session *session = open_session(state);
    char bytes[200];
    struct spate_add add;
    struct spate_error error = {.size = sizeof error};
    spate_torrent torrent;
    add_tiny(session, 7, SPATE_ADD_PAUSED);
    spate_add_init(&add, sizeof add);
    add.metainfo = bytes;
    add.metainfo_size = tiny_metainfo(7, bytes, sizeof bytes);
    add.save_path = "/elsewhere";
    assert_int_equal(spate_torrent_add(session, &add, &torrent, &error), SPATE_EEXIST);
    spate_session_close(session);
}

static void a_program_built_against_an_older_header_keeps_working(void **state)
{
    spate_session *session = open_session(state);
    spate_torrent torrent = add_tiny(session, 1, SPATE_ADD_PAUSED);
    struct {
        uint32_t size, state;
        int32_t error;
        uint8_t fence[16];
    } older = {.size = 12};
    memset(older.fence, 0xee, sizeof older.fence);
    assert_int_equal(spate_torrent_status(session, torrent, (void *)&older), 0);
    for (size_t i = 0; i < sizeof older.fence; i++) {
        assert_int_equal(older.fence[i], 0xee);
    }
    struct spate_settings small = {.size = 8, .own_thread = *state != NULL};
    spate_session *second;
    assert_int_equal(spate_session_create(&small, &second, NULL), 0);
    spate_session_close(second);
    spate_session_close(session);
}

/* ---- events and logs --------------------------------------------------------------------------------------- */

/* Ten thousand torrents change again and again while nobody looks: each is told once, with its final state. */
static void a_sleeping_consumer_misses_nothing(void **state)
{
    enum { COUNT = 10000 };
    spate_session *session = open_session(state);
    static spate_torrent torrents[COUNT];
    static uint8_t told[COUNT + 1];
    struct spate_event event = {.size = sizeof event};
    memset(told, 0, sizeof told);
    for (uint32_t i = 0; i < COUNT; i++) {
        torrents[i] = add_tiny(session, i, SPATE_ADD_PAUSED);
    }
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < COUNT; i++) {
            if (*state == NULL && i % 100 == 0) {
                spate_session_step(session);
            }
            assert_int_equal(round == 0 ? spate_torrent_resume(session, torrents[i])
                                        : spate_torrent_pause(session, torrents[i]),
                             0);
        }
    }
    /* Messages are carried out in order: when this one has been, all have. */
    spate_torrent last = add_tiny(session, COUNT, SPATE_ADD_PAUSED);
    double end = seconds() + WAIT_MS / 1000.0;
    while (status_of(session, last).state != SPATE_STATE_PAUSED) {
        assert_true(seconds() < end);
        if (*state == NULL) {
            spate_session_step(session);
        }
        usleep(1000);
    }
    /* The consumer sleeps on; what was under way comes to its end. */
    for (int i = 0; i < 200; i++) {
        if (*state == NULL) {
            spate_session_step(session);
        }
        usleep(10000);
    }
    uint32_t events = 0;
    while (spate_event_next(session, &event) == 1) {
        if (event.torrent == last) {
            continue;
        }
        assert_in_range(event.torrent, torrents[0], torrents[COUNT - 1]);
        told[event.torrent - torrents[0]]++;
        assert_true(event.changed & SPATE_CHANGED_STATE);
        assert_int_equal(status_of(session, event.torrent).state, SPATE_STATE_PAUSED);
        events++;
    }
    assert_int_equal(events, COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(told[i], 1);
    }
    spate_session_close(session);
}

static void the_log_says_how_much_it_lost(void **state)
{
    enum { COUNT = 1500 };
    spate_session *session = open_session(state);
    struct spate_log_entry entry = {.size = sizeof entry};
    uint64_t seen = 0, lost = 0;
    for (uint32_t i = 0; i < COUNT; i++) { /* each fails to use its destination and says so */
        add_tiny(session, i, SPATE_ADD_SEED_ONLY);
    }
    double end = seconds() + WAIT_MS / 1000.0;
    bool all_failed = false;
    while (!all_failed) {
        struct spate_status status = {.size = sizeof status};
        assert_true(seconds() < end);
        if (*state == NULL) {
            spate_session_step(session);
        }
        usleep(1000);
        all_failed = true;
        for (spate_torrent t = 1; t <= COUNT && all_failed; t++) {
            all_failed =
                spate_torrent_status(session, t, &status) == 0 && status.state == SPATE_STATE_ERROR;
        }
    }
    while (spate_log_next(session, &entry) == 1) {
        seen++;
        lost += entry.lost;
    }
    assert_true(lost > 0);
    assert_true(seen + lost >= COUNT);
    spate_session_close(session);
}

/* ---- its end -------------------------------------------------------------------------------------------------- */

static void who_reads_no_log_may_still_sleep(void **state)
{
    spate_session *session = open_session(state);
    spate_torrent torrent = add_tiny(session, 1, 0);
    until_state(&session, 1, 0, torrent, SPATE_STATE_ERROR);
    bool sleeps = false;
    for (int i = 0; i < 200 && !sleeps; i++) {
        struct spate_event event = {.size = sizeof event};
        spate_session_step(session);
        while (spate_event_next(session, &event) == 1) {
        }
        sleeps = spate_session_timeout_ms(session) != 0;
    }
    assert_true(sleeps);
    struct spate_log_entry entry = {.size = sizeof entry};
    assert_int_equal(spate_log_next(session, &entry), 1); /* there was one all the time */
    spate_session_close(session);
}

static void a_wait_ends_when_the_callers_own_descriptor_is_readable(void **state)
{
    spate_session *session = open_session(state);
    int pipes[2][2];
    assert_int_equal(pipe(pipes[0]) | pipe(pipes[1]), 0);
    assert_int_equal(spate_session_watch(session, pipes[0][0]), 0);
    assert_int_equal(spate_session_wait(session, 20), 0);
    assert_int_equal(write(pipes[0][1], "x", 1), 1);
    double began = seconds();
    assert_int_equal(spate_session_wait(session, WAIT_MS), 2);
    assert_int_equal(spate_session_wait(session, -1), 2); /* it still is */
    assert_true(seconds() - began < WAIT_MS / 2000.0);
    assert_int_equal(spate_session_watch(session, pipes[1][0]), 0); /* in its place */
    close(pipes[0][0]);
    assert_int_equal(spate_session_wait(session, 20), 0);
    assert_int_equal(write(pipes[1][1], "x", 1), 1);
    assert_int_equal(spate_session_wait(session, -1), 2);
    assert_int_equal(spate_session_watch(session, -1), 0);
    assert_int_equal(spate_session_wait(session, 20), 0);
    assert_int_equal(spate_session_watch(session, pipes[1][0]), 0);
    spate_session_close(session);
    assert_int_equal(write(pipes[1][1], "x", 1), 1); /* both ends are ours still */
    close(pipes[0][1]);
    close(pipes[1][0]);
    close(pipes[1][1]);
}

static void who_never_waits_sees_everything_done_all_the_same(void **state)
{
    spate_session *session = open_session(state);
    spate_torrent torrent = add_tiny(session, 1, 0);
    struct spate_status status = {.size = sizeof status};
    for (int i = 0; i < WAIT_MS && status.state != SPATE_STATE_ERROR; i++) {
        assert_in_range(spate_session_wait(session, 0), 0, 1); /* log entries are left unread */
        assert_int_equal(spate_torrent_status(session, torrent, &status), 0);
        usleep(1000);
    }
    assert_int_equal(status.state, SPATE_STATE_ERROR);
    spate_session_close(session);
}

static void a_descriptor_that_cannot_be_waited_for_is_refused(void **state)
{
    spate_session *session = open_session(state);
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_true(spate_session_watch(session, fileno(file)) < 0);
    assert_int_equal(spate_session_wait(session, 20), 0);
    spate_session_close(session);
    fclose(file);
}

static void closing_takes_less_than_two_seconds_whatever_is_slow(void **state)
{
    spate_session *session = open_session(state);
    char bytes[400], hash[21] = "abcdefghijklmnopqrst";
    struct spate_add add;
    spate_torrent torrent;
    char *where = make_directory();
    /* A tracker that takes connections and never answers: our own listening port of a second session. */
    spate_session *silent = open_session(state);
    struct spate_session_stats stats = {.size = sizeof stats};
    spate_session_stats(silent, &stats);
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/announce", stats.port);
    spate_add_init(&add, sizeof add);
    add.metainfo = bytes;
    add.metainfo_size = (size_t)snprintf(bytes, sizeof bytes,
                                         "d8:announce%zu:%s4:infod6:lengthi1e4:name1:x12:piece "
                                         "lengthi16384e6:pieces20:%see",
                                         strlen(url), url, hash);
    add.save_path = where;
    assert_int_equal(spate_torrent_add(session, &add, &torrent, NULL), 0);
    until_state(&session, 1, 0, torrent, SPATE_STATE_DOWNLOADING);
    spate_session_wait(session, 200);
    double began = seconds();
    spate_session_close(session);
    assert_true(seconds() - began < 2.0);
    spate_session_close(silent);
}

static void ten_sessions_live_side_by_side(void **state)
{
    spate_session *sessions[10];
    for (int i = 0; i < 10; i++) {
        sessions[i] = open_session(state);
    }
    for (int i = 0; i < 10; i++) {
        spate_session_close(sessions[i]);
    }
    spate_session_close(NULL);
}

#define BOTH(test)                                                                                 \
    {#test " (driven)", test, driven, remove_directories, NULL},                                   \
    {                                                                                              \
#test " (own thread)", test, own_thread, remove_directories, NULL                          \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_file_goes_from_one_session_to_another),
        BOTH(what_came_before_a_pause_is_not_asked_for_again),
        BOTH(a_foreign_file_is_named_and_left_alone),
        BOTH(what_is_wrong_with_a_torrent_is_said_at_once),
        BOTH(a_stale_torrent_is_an_error_and_never_a_crash),
        BOTH(a_torrent_can_be_added_once),
        BOTH(a_program_built_against_an_older_header_keeps_working),
        BOTH(a_sleeping_consumer_misses_nothing),
        BOTH(the_log_says_how_much_it_lost),
        BOTH(who_reads_no_log_may_still_sleep),
        BOTH(a_wait_ends_when_the_callers_own_descriptor_is_readable),
        BOTH(who_never_waits_sees_everything_done_all_the_same),
        {"a_descriptor_that_cannot_be_waited_for_is_refused (driven)",
         a_descriptor_that_cannot_be_waited_for_is_refused, driven, remove_directories, NULL},
        BOTH(closing_takes_less_than_two_seconds_whatever_is_slow),
        BOTH(ten_sessions_live_side_by_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
