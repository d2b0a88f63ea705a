/* A program that has functions of its own by names that libspate uses inside: linked with the archive or
 * with the shared library, each side must keep calling its own. And what belongs to the whole process is
 * after a session's life as it was before. */
#include <spate.h>

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static int calls;

int sha1_init(void *unused);
int map_get(void *unused);

int sha1_init(void *unused)
{
    (void)unused;
    calls++;
    return 41;
}

int map_get(void *unused)
{
    (void)unused;
    calls++;
    return 42;
}

/* What a library must leave alone. */
struct household {
    struct sigaction actions[65];
    sigset_t blocked;
    mode_t mask;
    char directory[4096], locale[256];
    char environment[65536];
};

static void look_around(struct household *h)
{
    memset(h, 0, sizeof *h);
    for (int signal = 1; signal < 65; signal++) {
        sigaction(signal, NULL, &h->actions[signal]);
    }
    sigprocmask(SIG_BLOCK, NULL, &h->blocked);
    h->mask = umask(022);
    umask(h->mask);
    if (!getcwd(h->directory, sizeof h->directory)) {
        h->directory[0] = 0;
    }
    snprintf(h->locale, sizeof h->locale, "%s", setlocale(LC_ALL, NULL));
    size_t used = 0;
    for (char **variable = environ; *variable && used < sizeof h->environment; variable++) {
        int size = snprintf(h->environment + used, sizeof h->environment - used, "%s\n", *variable);
        used += size > 0 ? (size_t)size : 0;
    }
}

static const char *difference(const struct household *a, const struct household *b)
{
    for (int signal = 1; signal < 65; signal++) {
        if (a->actions[signal].sa_handler != b->actions[signal].sa_handler ||
            a->actions[signal].sa_flags != b->actions[signal].sa_flags) {
            return "a signal's handler";
        }
        if (sigismember(&a->blocked, signal) != sigismember(&b->blocked, signal)) {
            return "the signal mask";
        }
    }
    return a->mask != b->mask                       ? "the umask"
           : strcmp(a->directory, b->directory)     ? "the working directory"
           : strcmp(a->locale, b->locale)           ? "the locale"
           : strcmp(a->environment, b->environment) ? "the environment"
                                                    : NULL;
}

/* A session with state and a torrent that goes to the disk, and a request over HTTP that nobody answers. */
static int live(uint32_t own_thread, const void *torrent, size_t torrent_size, const char *where)
{
    struct spate_settings settings;
    struct spate_add add;
    struct spate_error error = {.size = sizeof(error)};
    spate_session *session;
    spate_torrent handle;
    char state[100];
    void *bytes;
    size_t length;
    snprintf(state, sizeof state, "%s/state", where);
    spate_settings_init(&settings, sizeof settings);
    settings.own_thread = own_thread;
    settings.state_dir = state;
    settings.bind = "127.0.0.1";
    settings.allow_local = 1;
    if (spate_session_create(&settings, &session, &error) < 0) {
        fprintf(stderr, "guest: %s\n", error.text);
        return -1;
    }
    spate_add_init(&add, sizeof add);
    add.metainfo = torrent;
    add.metainfo_size = torrent_size;
    add.save_path = where;
    int failed = spate_torrent_add(session, &add, &handle, &error);
    struct spate_status status = {.size = sizeof status};
    for (int i = 0; !failed && i < 2000 && status.state != SPATE_STATE_DOWNLOADING; i++) {
        struct spate_event event = {.size = sizeof event};
        struct spate_log_entry entry = {.size = sizeof entry};
        spate_session_wait(session, 5);
        while (spate_event_next(session, &event) == 1 || spate_log_next(session, &entry) == 1) {
        }
        failed = spate_torrent_status(session, handle, &status);
    }
    if (spate_fetch(&settings, "http://127.0.0.1:1/x", 1000, 1000, NULL, NULL, &bytes, &length,
                    &error) == 0) {
        spate_free(bytes);
    }
    spate_session_close(session);
    return failed || status.state != SPATE_STATE_DOWNLOADING ? -1 : 0;
}

static int check_manners(const void *torrent, size_t torrent_size)
{
    static struct household before, after;
    char where[] = "/tmp/spate-guest-XXXXXX", command[100];
    if (!mkdtemp(where)) {
        return 1;
    }
    look_around(&before);
    int failed = live(0, torrent, torrent_size, where) || live(1, torrent, torrent_size, where);
    look_around(&after);
    snprintf(command, sizeof command, "rm -rf '%s'", where);
    const char *changed = difference(&before, &after);
    if (failed || changed) {
        fprintf(stderr, "guest: %s\n", failed ? "the session did not work" : changed);
    }
    return system(command) != 0 || failed || changed;
}

int main(void)
{
    /* A small torrent: parsing it hashes its info dictionary, inside, with the library's sha1_init.
     */
    static const char torrent[] =
        "d4:infod6:lengthi5e4:name5:hello12:piece lengthi16384e6:pieces20:"
        "aaaaaaaaaaaaaaaaaaaaee";
    static const uint8_t expected[20] = {0x96, 0x1d, 0x86, 0xb2, 0xd5, 0x65, 0xbb,
                                         0x5c, 0xfd, 0x7d, 0x64, 0x81, 0xf2, 0x2e,
                                         0x4d, 0x3f, 0xf5, 0x41, 0xc8, 0x06};
    struct spate_error error = {.size = sizeof(error)};
    struct spate_metainfo_info info = {.size = sizeof(info)};
    spate_metainfo *metainfo = NULL;
    if (spate_metainfo_parse(torrent, sizeof(torrent) - 1, &metainfo, &error) < 0) {
        fprintf(stderr, "guest: %s\n", error.text);
        return 1;
    }
    spate_metainfo_info(metainfo, &info);
    if (memcmp(info.info_hash, expected, sizeof(expected)) != 0) {
        fputs("guest: the info-hash is wrong\n", stderr);
        return 1;
    }
    spate_metainfo_free(metainfo);
    if (calls != 0) {
        fputs("guest: the library called a function of the guest\n", stderr);
        return 1;
    }
    if (sha1_init(NULL) != 41 || map_get(NULL) != 42 || calls != 2) {
        fputs("guest: the guest called a function of the library\n", stderr);
        return 1;
    }
    if (check_manners(torrent, sizeof(torrent) - 1) != 0) {
        return 1;
    }
    return strcmp(spate_version(), "0.1.0") == 0 ? 0 : 1;
}
