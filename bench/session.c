/* session - one session of libspate with any number of torrents and connections, for the rows that the program
 * spate has no options for: hundreds of torrents that transfer at once, ten thousand that wait.
 *
 *   session --list FILE --save DIRECTORY --bind A --port N --connections N [--get]
 *
 * FILE names a torrent file a line. It says "ready" once every torrent is complete, and with --get ends then; otherwise
 * it seeds until its standard input ends. As the program spate does, it runs the session on its only thread. */
#include <errno.h>
#include <spate.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire.h"

static void add_torrent(spate_session *session, const char *path, const char *save)
{
    struct mapping file = map_file(path);
    struct spate_add add;
    spate_add_init(&add, sizeof(add));
    add.metainfo = file.bytes;
    add.metainfo_size = file.size;
    add.save_path = save;
    spate_torrent torrent;
    struct spate_error error = {.size = sizeof(error)};
    if (spate_torrent_add(session, &add, &torrent, &error) < 0) {
        errno = 0;
        fail(error.text);
    }
    unmap_file(file);
}

static size_t add_all(spate_session *session, const char *list, const char *save)
{
    FILE *file = fopen(list, "r");
    if (file == NULL) {
        fail(list);
    }
    char path[4096];
    size_t count = 0;
    while (fgets(path, sizeof(path), file) != NULL) {
        path[strcspn(path, "\n")] = 0;
        add_torrent(session, path, save);
        count++;
    }
    fclose(file);
    return count;
}

/* How many torrents became complete, by the events that wait. */
static size_t count_complete(spate_session *session)
{
    size_t count = 0;
    struct spate_event event = {.size = sizeof(event)};
    while (spate_event_next(session, &event) > 0) {
        struct spate_status status = {.size = sizeof(status)};
        if ((event.changed & SPATE_CHANGED_STATE) == 0 ||
            spate_torrent_status(session, event.torrent, &status) < 0) {
            continue;
        }
        if (status.state == SPATE_STATE_ERROR) {
            errno = 0;
            fail(status.message);
        }
        count += status.state == SPATE_STATE_SEEDING;
    }
    return count;
}

int main(int argc, char **argv)
{
    (void)argc;
    struct spate_settings settings;
    spate_settings_init(&settings, sizeof(settings));
    settings.allow_local = 1;
    settings.bind = option(argv, "bind", NULL);
    settings.port = (uint16_t)option_number(argv, "port", 0);
    settings.max_connections = (uint32_t)option_number(argv, "connections", 0);
    spate_session *session;
    struct spate_error error = {.size = sizeof(error)};
    if (spate_session_create(&settings, &session, &error) < 0) {
        errno = 0;
        fail(error.text);
    }
    size_t left = add_all(session, option(argv, "list", NULL), option(argv, "save", NULL));
    while (left > 0) {
        spate_session_wait(session, -1);
        left -= count_complete(session);
    }
    puts("ready");
    fflush(stdout);
    bool seeds = !option_set(argv, "get");
    if (seeds && spate_session_watch(session, STDIN_FILENO) < 0) {
        fail("session: its standard input");
    }
    while (seeds && spate_session_wait(session, -1) != 2) {
        count_complete(session);
    }
    spate_session_close(session);
    return 0;
}
