/* Closing a session whose disk does not answer: fdatasync() is ours here, and waits until the test says so. */
#include "spate.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
/* cmocka wants the above first */
#include <cmocka.h>

enum { FILE_BYTES = 100000, PIECE_BYTES = 32768, PATIENCE_STEPS = 4000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool held;        /* fdatasync() does not return */
static uint32_t waiting; /* calls that are held */

int fdatasync(int fd)
{
    pthread_mutex_lock(&lock);
    waiting++;
    while (held) {
        pthread_cond_wait(&changed, &lock);
    }
    waiting--;
    pthread_mutex_unlock(&lock);
    return (int)syscall(SYS_fdatasync, fd);
}

static void hold(bool hold_them)
{
    pthread_mutex_lock(&lock);
    held = hold_them;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static uint32_t count_waiting(void)
{
    pthread_mutex_lock(&lock);
    uint32_t count = waiting;
    pthread_mutex_unlock(&lock);
    return count;
}

static uint32_t count_threads(void)
{
    char line[200];
    uint32_t count = 0;
    FILE *file = fopen("/proc/self/status", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "Threads: %u", &count) == 1) {
            break;
        }
    }
    fclose(file);
    return count;
}

static spate_session *open_session(bool own_thread)
{
    struct spate_settings settings;
    spate_session *session;
    spate_settings_init(&settings, sizeof settings);
    settings.own_thread = own_thread;
    settings.bind = "127.0.0.1";
    settings.allow_local = 1;
    assert_int_equal(spate_session_create(&settings, &session, NULL), 0);
    return session;
}

static void make_file(const char *path)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    for (uint32_t i = 0; i < FILE_BYTES; i++) {
        fputc((int)((i * 2654435761u) >> 13 & 0xff), file);
    }
    assert_int_equal(fclose(file), 0);
}

static spate_torrent add(spate_session *session, const void *bytes, size_t size, const char *where)
{
    struct spate_add add;
    spate_torrent torrent;
    spate_add_init(&add, sizeof add);
    add.metainfo = bytes;
    add.metainfo_size = size;
    add.save_path = where;
    assert_int_equal(spate_torrent_add(session, &add, &torrent, NULL), 0);
    return torrent;
}

static void turn(spate_session **sessions)
{
    for (int i = 0; i < 2; i++) {
        struct spate_event event = {.size = sizeof event};
        spate_session_wait(sessions[i], 5);
        while (spate_event_next(sessions[i], &event) == 1) {
        }
    }
}

static void close_with_a_stuck_disk(bool own_thread)
{
    char where[] = "/tmp/spate-close-XXXXXX", source[60], taken[60], command[200], address[40];
    struct spate_create create;
    void *bytes;
    size_t size;
    uint32_t threads_before = count_threads();
    assert_non_null(mkdtemp(where));
    snprintf(source, sizeof source, "%s/seed", where);
    snprintf(taken, sizeof taken, "%s/taken", where);
    snprintf(command, sizeof command, "mkdir '%s' '%s'", source, taken);
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof command, "%s/file", source);
    make_file(command);
    spate_create_init(&create, sizeof create);
    create.path = command;
    create.piece_length = PIECE_BYTES;
    assert_int_equal(spate_create(&create, &bytes, &size, NULL), 0);

    spate_session *sessions[2] = {open_session(own_thread), open_session(own_thread)};
    spate_torrent seed = add(sessions[0], bytes, size, source);
    struct spate_status status = {.size = sizeof status};
    for (int i = 0; i < PATIENCE_STEPS && status.state != SPATE_STATE_SEEDING; i++) {
        turn(sessions);
        assert_int_equal(spate_torrent_status(sessions[0], seed, &status), 0);
    }
    assert_int_equal(status.state, SPATE_STATE_SEEDING);
    hold(true);
    spate_torrent get = add(sessions[1], bytes, size, taken);
    struct spate_session_stats stats = {.size = sizeof stats};
    assert_int_equal(spate_session_stats(sessions[0], &stats), 0);
    snprintf(address, sizeof address, "127.0.0.1:%u", stats.port);
    assert_int_equal(spate_torrent_add_peer(sessions[1], get, address), 0);
    status.verified_bytes = 0;
    for (int i = 0;
         i < PATIENCE_STEPS && (status.verified_bytes < FILE_BYTES || count_waiting() == 0); i++) {
        turn(sessions);
        assert_int_equal(spate_torrent_status(sessions[1], get, &status), 0);
    }
    assert_int_equal(status.verified_bytes, FILE_BYTES);
    assert_int_equal(status.durable_bytes, 0);

    spate_session_close(sessions[1]);
    assert_true(count_waiting() > 0); /* it returned, and the disk has not */
    hold(false);
    spate_session_close(sessions[0]);
    for (int i = 0; i < PATIENCE_STEPS && count_threads() > threads_before; i++) {
        usleep(5000);
    }
    assert_int_equal(count_threads(), threads_before);
    snprintf(command, sizeof command, "cmp '%s/file' '%s/file' && rm -rf '%s'", source, taken,
             where);
    assert_int_equal(system(command), 0);
    spate_free(bytes);
}

static void a_stuck_disk_does_not_hold_the_caller_who_drives(void **state)
{
    (void)state;
    close_with_a_stuck_disk(false);
}

static void a_stuck_disk_does_not_hold_the_caller_beside_our_thread(void **state)
{
    (void)state;
    close_with_a_stuck_disk(true);
}

static void *nothing(void *argument)
{
    return argument;
}

int main(void)
{
    pthread_t
        first; /* with it a sanitizer starts its own, which is then counted before and after */
    if (pthread_create(&first, NULL, nothing, NULL) != 0 || pthread_join(first, NULL) != 0) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stuck_disk_does_not_hold_the_caller_who_drives),
        cmocka_unit_test(a_stuck_disk_does_not_hold_the_caller_beside_our_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
