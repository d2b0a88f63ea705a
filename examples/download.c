/* A complete downloader: download FILE.torrent DIRECTORY [PEER]
 * Build it with: cc download.c $(pkg-config --cflags --libs libspate) */
#include <spate.h>
#include <stdio.h>

static char bytes[32 << 20]; /* no torrent file is longer */

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "download: %s: %s\n", what, why);
    return 1;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        return fail("usage", "download FILE.torrent DIRECTORY [PEER]");
    }
    FILE *file = fopen(argv[1], "rb");
    if (file == NULL) {
        return fail(argv[1], "cannot be opened");
    }
    size_t size = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);

    struct spate_settings settings;
    spate_settings_init(&settings, sizeof(settings));
    settings.allow_local = 1;
    struct spate_error error = {.size = sizeof(error)};
    spate_session *session;
    if (spate_session_create(&settings, &session, &error) < 0) {
        return fail("session", error.text);
    }
    struct spate_add add;
    spate_add_init(&add, sizeof(add));
    add.metainfo = bytes;
    add.metainfo_size = size;
    add.save_path = argv[2];
    spate_torrent torrent;
    struct spate_status status = {.size = sizeof(status)};
    if (spate_torrent_add(session, &add, &torrent, &error) < 0) {
        fail(argv[1], error.text);
    } else if (argc > 3 && spate_torrent_add_peer(session, torrent, argv[3]) < 0) {
        fail(argv[3], "not an address");
    } else {
        do {
            spate_session_wait(session, 1000); /* the session runs meanwhile */
            struct spate_event event = {.size = sizeof(event)};
            while (spate_event_next(session, &event) > 0) {
                spate_torrent_status(session, event.torrent, &status);
                printf("%s: %u of %u pieces\n", status.name, status.pieces_verified,
                       status.piece_count);
            }
        } while (status.state != SPATE_STATE_SEEDING && status.state != SPATE_STATE_ERROR);
        fputs(status.message, stderr);
    }
    spate_session_close(session);
    return status.state == SPATE_STATE_SEEDING ? 0 : 1;
}
