/* spate.h's sessions and torrents: every call is a message to the loop or a copy of a view. The
 * loop runs on the caller's thread (driven) or on one of our own. */
#include "engine/session.h"

#include "base/error.h"
#include "base/limits.h"
#include "engine/sized.h"
#include "io/uv/io_uv.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define API_HURRY_NS INT64_C(1600000000) /* then trackers are left without goodbye */
#define API_CLOSE_NS INT64_C(1950000000) /* then the caller waits no longer */
#define API_SLICE_NS INT64_C(50000000)

enum fate { FATE_OPEN, FATE_ENDED, FATE_ABANDONED };

struct spate_session {
    struct io *io;
    struct session *session;
    bool own_thread;
    atomic_bool stopping;
    pthread_t thread;
    /* A disk may keep a sync for minutes, and a worker with it: the end of the closing or the end of the caller's
     * patience, whichever comes second, frees the session. */
    atomic_int fate; /* enum fate */
    int end_fd;      /* readable once the closing has ended; -1: driven */
    /* The caller's descriptor, which ends a wait of his. */
    int watched_fd; /* -1: none */
    bool watched_is_readable;
    struct io_socket *watched; /* driven, or NULL */
    struct io_op watched_op;
};

const char *spate_version(void)
{
    return "0.1.0";
}

const char *spate_features(void)
{
    return "tcp ipv4 ipv6 fast-extension udp-tracker http-tracker https v1 v1-hybrid create check";
}

void spate_free(void *memory)
{
    free(memory);
}

void spate_add_init(struct spate_add *add, uint32_t size)
{
    memset(add, 0, size);
    add->size = size;
}

/* ---- structs that cross the boundary --------------------------------------------------------- */

/* Rows lie out[0].size bytes apart, whatever our struct's size is. */
static int copy_rows(void *out, uint32_t max, const void *rows, uint32_t count, size_t row_bytes)
{
    uint32_t size;
    if (!out || max == 0) {
        return 0;
    }
    memcpy(&size, out, sizeof size);
    for (uint32_t i = 0; i < max && i < count; i++) {
        uint8_t *at = (uint8_t *)out + (size_t)i * size;
        memcpy(at, &size, sizeof size);
        int failed = sized_copy_out(at, (const uint8_t *)rows + i * row_bytes, row_bytes);
        if (failed) {
            return failed;
        }
    }
    return 0;
}

/* ---- the loop -------------------------------------------------------------------------------- */

/* Runs until everything has ended; false when the patience is over before. */
static bool settle(struct spate_session *s, int64_t patience_ns)
{
    int64_t began_ns = io_now(s->io);
    while (!session_closed(s->session)) {
        io_uv_run_once(s->io, 20);
        int64_t spent_ns = io_now(s->io) - began_ns;
        if (spent_ns > API_HURRY_NS) {
            session_hurry(s->session); /* again and again: some come to their trackers only now */
        }
        if (spent_ns > patience_ns) {
            return session_closed(s->session);
        }
    }
    return true;
}

static void release(struct spate_session *s)
{
    io_uv_destroy(s->io);
    session_destroy(s->session);
    if (s->end_fd >= 0) {
        close(s->end_fd);
    }
    free(s);
}

static void *run(void *argument)
{
    struct spate_session *s = argument;
    while (!atomic_load(&s->stopping)) {
        io_uv_run_once(s->io, -1);
    }
    session_close(s->session);
    settle(s, INT64_MAX);
    int open = FATE_OPEN;
    uint64_t one = 1;
    if (!atomic_compare_exchange_strong(&s->fate, &open, FATE_ENDED)) {
        release(s);
    } else if (write(s->end_fd, &one, sizeof one) < 0) {
        /* It cannot be full; and who waits looks at the fate. */
    }
    return NULL;
}

/* What is left of a driven session when its caller's patience is over. */
static void *linger(void *argument)
{
    struct spate_session *s = argument;
    settle(s, INT64_MAX);
    release(s);
    return NULL;
}

/* No signal of the program's is handled on our thread. */
static int start_thread(struct spate_session *s, void *(*body)(void *), pthread_t *thread)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(thread, NULL, body, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed ? SPATE_ENOMEM : 0;
}

static void on_watched(struct io_op *op, int status)
{
    struct spate_session *s = list_entry(op, struct spate_session, watched_op);
    s->watched_is_readable = status == 0;
}

int spate_session_create(const struct spate_settings *settings, spate_session **out,
                         struct spate_error *error)
{
    *out = NULL;
    if (!settings) {
        return error_set(error, SPATE_EINVAL, 0, "no settings given");
    }
    struct spate_session *s = calloc(1, sizeof *s);
    if (!s) {
        return error_set(error, SPATE_ENOMEM, 0, "out of memory");
    }
    s->own_thread = settings->own_thread;
    s->end_fd = -1;
    s->watched_fd = -1;
    s->watched_op.done = on_watched;
    const struct io_uv_settings world = {.workers = (int)settings->workers};
    int failed = io_uv_create(&world, &s->io);
    if (failed) {
        free(s);
        return error_set(error, failed, 0, "cannot begin: %s", spate_strerror(failed));
    }
    failed = session_create(s->io, settings, s->own_thread, &s->session, error);
    if (failed) {
        io_uv_destroy(s->io);
        free(s);
        return failed;
    }
    if (s->own_thread) {
        s->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        failed = s->end_fd < 0 ? error_from_errno(errno) : start_thread(s, run, &s->thread);
        if (failed) {
            session_close(s->session);
            settle(s, INT64_MAX);
            release(s);
            return error_set(error, failed, 0, "cannot start a thread");
        }
    }
    *out = s;
    return 0;
}

/* Waits for the end of the loop's thread, as long as the caller's patience lasts; a signal costs a slice of it. */
static bool await_end(struct spate_session *s)
{
    struct pollfd end = {.fd = s->end_fd, .events = POLLIN};
    for (int slice = 0; slice < API_CLOSE_NS / API_SLICE_NS && end.revents == 0; slice++) {
        if (poll(&end, 1, (int)(API_SLICE_NS / 1000000)) < 0) {
            end.revents = 0;
        }
    }
    int open = FATE_OPEN;
    return !atomic_compare_exchange_strong(&s->fate, &open, FATE_ABANDONED);
}

static void close_own_thread(struct spate_session *s)
{
    pthread_t thread = s->thread; /* s is the thread's own once it is abandoned */
    atomic_store(&s->stopping, true);
    io_wake(s->io);
    if (await_end(s)) {
        pthread_join(thread, NULL);
        release(s);
    } else {
        pthread_detach(thread);
    }
}

static void close_driven(struct spate_session *s)
{
    pthread_t thread;
    spate_session_watch(s, -1);
    session_close(s->session);
    if (settle(s, API_CLOSE_NS)) {
        release(s);
    } else if (start_thread(s, linger, &thread) == 0) {
        pthread_detach(thread);
    } else {
        linger(s); /* without a thread there is only the caller's */
    }
}

void spate_session_close(spate_session *s)
{
    if (s && s->own_thread) {
        close_own_thread(s);
    } else if (s) {
        close_driven(s);
    }
}

int spate_session_fd(spate_session *s)
{
    return s->own_thread ? s->session->hub.event_fd : io_uv_fd(s->io);
}

int spate_session_timeout_ms(spate_session *s)
{
    if (s->own_thread) {
        return -1;
    }
    /* Log entries come from a step, and some programs read none of them. */
    return hub_has_events(&s->session->hub) ? 0 : io_uv_timeout_ms(s->io);
}

int spate_session_step(spate_session *s)
{
    if (s->own_thread) {
        return SPATE_EINVAL;
    }
    io_uv_step(s->io);
    return 0;
}

int spate_session_watch(spate_session *s, int fd)
{
    if (s->watched) {
        io_close(s->io, s->watched);
        s->watched = NULL;
    }
    int failed = fd >= 0 && !s->own_thread ? io_uv_adopt(s->io, fd, &s->watched) : 0;
    s->watched_fd = failed ? -1 : fd;
    return failed;
}

/* Whether the caller's descriptor has become readable since the wait began. */
static bool look_at_watched(struct spate_session *s)
{
    if (s->watched && !s->watched_is_readable && !s->watched_op.active) {
        io_wait(s->io, s->watched, IO_READABLE, &s->watched_op);
    }
    return s->watched_is_readable;
}

int spate_session_wait(spate_session *s, int timeout_ms)
{
    if (s->own_thread) {
        return hub_wait(&s->session->hub, s->watched_fd, timeout_ms);
    }
    int64_t until_ns = io_now(s->io) + (int64_t)timeout_ms * 1000000;
    s->watched_is_readable = false;
    for (bool has_run = false;;
         has_run = true) { /* at least once, or who never waits would see nothing done */
        int64_t left_ns = until_ns - io_now(s->io);
        bool is_late = timeout_ms >= 0 && left_ns <= 0;
        bool any = look_at_watched(s) || hub_has_news(&s->session->hub);
        if (has_run && (any || is_late)) {
            return s->watched_is_readable ? 2 : any;
        }
        int wait_ms = timeout_ms < 0 ? -1 : (int)(left_ns / 1000000) + 1;
        io_uv_run_once(s->io, any || is_late ? 0 : wait_ms);
    }
}

/* ---- messages -------------------------------------------------------------------------------- */

static struct command *command_create(enum command_type type, spate_torrent torrent)
{
    struct command *command = calloc(1, sizeof *command);
    if (command) {
        command->type = type;
        command->torrent = torrent;
        list_init(&command->link);
    }
    return command;
}

/* Says no when there is no such torrent: the caller need not wait for the loop to learn it. */
static int post(struct spate_session *s, struct command *command)
{
    if (!command) {
        return SPATE_ENOMEM;
    }
    if (command->type != COMMAND_SESSION_LIMITS) {
        struct view *view = hub_find(&s->session->hub, command->torrent);
        if (!view) {
            command_destroy(command);
            return SPATE_ENOTFOUND;
        }
        hub_release(&s->session->hub, view);
    }
    return session_post(s->session, command);
}

static int post_plain(struct spate_session *s, enum command_type type, spate_torrent torrent)
{
    return post(s, command_create(type, torrent));
}

int spate_torrent_add(spate_session *s, const struct spate_add *add, spate_torrent *out,
                      struct spate_error *error)
{
    struct spate_add whole = {0};
    *out = 0;
    if (!add || add->size < sizeof add->size || !add->metainfo) {
        return error_set(error, SPATE_EINVAL, 0, "no torrent given");
    }
    memcpy(&whole, add, add->size < sizeof whole ? add->size : sizeof whole);
    return session_add(s->session, &whole, out, error);
}

int spate_torrent_remove(spate_session *s, spate_torrent torrent)
{
    return post_plain(s, COMMAND_REMOVE, torrent);
}

int spate_torrent_pause(spate_session *s, spate_torrent torrent)
{
    return post_plain(s, COMMAND_PAUSE, torrent);
}

int spate_torrent_resume(spate_session *s, spate_torrent torrent)
{
    return post_plain(s, COMMAND_RESUME, torrent);
}

int spate_torrent_announce(spate_session *s, spate_torrent torrent)
{
    return post_plain(s, COMMAND_ANNOUNCE, torrent);
}

int spate_torrent_set_limits(spate_session *s, spate_torrent torrent, uint64_t max_down,
                             uint64_t max_up)
{
    struct command *command = command_create(COMMAND_LIMITS, torrent);
    if (command) {
        command->max_down = max_down;
        command->max_up = max_up;
    }
    return post(s, command);
}

int spate_session_set_limits(spate_session *s, uint64_t max_down, uint64_t max_up)
{
    struct command *command = command_create(COMMAND_SESSION_LIMITS, 0);
    if (command) {
        command->max_down = max_down;
        command->max_up = max_up;
    }
    return post(s, command);
}

int spate_torrent_add_peer(spate_session *s, spate_torrent torrent, const char *address)
{
    struct addr parsed;
    if (!address || !addr_parse(&parsed, span_text(address)) || parsed.port == 0) {
        return SPATE_EINVAL;
    }
    struct command *command = command_create(COMMAND_PEER, torrent);
    if (command) {
        command->address = parsed;
    }
    return post(s, command);
}

int spate_torrent_set_wanted(spate_session *s, spate_torrent torrent, const uint8_t *wanted,
                             uint32_t count)
{
    struct view *view = hub_find(&s->session->hub, torrent);
    if (!view) {
        return SPATE_ENOTFOUND;
    }
    struct command *command = command_create(COMMAND_WANT, torrent);
    int failed = command ? session_widen_wanted(&view->metainfo, wanted, count, &command->wanted)
                         : SPATE_ENOMEM;
    hub_release(&s->session->hub, view);
    if (failed) {
        free(command);
        return failed;
    }
    return post(s, command);
}

/* ---- snapshots ------------------------------------------------------------------------------- */

int spate_session_stats(spate_session *s, struct spate_session_stats *out)
{
    struct hub *hub = &s->session->hub;
    if (!s->own_thread) {
        session_refresh_totals(s->session);
    }
    pthread_mutex_lock(&hub->lock);
    struct spate_session_stats stats = hub->stats;
    stats.torrents = (uint32_t)hub->views.count;
    pthread_mutex_unlock(&hub->lock);
    return sized_copy_out(out, &stats, sizeof stats);
}

int spate_torrent_status(spate_session *s, spate_torrent torrent, struct spate_status *out)
{
    struct hub *hub = &s->session->hub;
    struct view *view = hub_find(hub, torrent);
    if (!view) {
        return SPATE_ENOTFOUND;
    }
    if (!s->own_thread) {
        session_refresh(s->session, torrent); /* nobody else runs: it need not be old */
    }
    pthread_mutex_lock(&hub->lock);
    struct spate_status status = view->status;
    pthread_mutex_unlock(&hub->lock);
    hub_release(hub, view);
    return sized_copy_out(out, &status, sizeof status);
}

int spate_torrent_pieces(spate_session *s, spate_torrent torrent, uint8_t *bits, size_t size)
{
    struct hub *hub = &s->session->hub;
    struct view *view = hub_find(hub, torrent);
    if (!view) {
        return SPATE_ENOTFOUND;
    }
    uint32_t count = view->layout.piece_count;
    size_t bytes = bitset_bytes(count);
    pthread_mutex_lock(&hub->lock);
    if (bits && size > 0 && bytes > 0) {
        memcpy(bits, view->pieces.bytes, size < bytes ? size : bytes);
    }
    pthread_mutex_unlock(&hub->lock);
    hub_release(hub, view);
    return (int)count;
}

/* How much of a file lies in verified pieces. The hub's lock is held. */
static uint64_t verified_bytes_of(const struct view *view, const struct metainfo_file *file)
{
    uint64_t bytes = 0, at = file->offset, end = file->offset + file->length;
    while (at < end) {
        uint32_t piece = (uint32_t)(at / view->layout.piece_length);
        uint64_t piece_end = ((uint64_t)piece + 1) * view->layout.piece_length;
        uint64_t stop = piece_end < end ? piece_end : end;
        if (bitset_get(&view->pieces, piece)) {
            bytes += stop - at;
        }
        at = stop;
    }
    return bytes;
}

int spate_torrent_files(spate_session *s, spate_torrent torrent, struct spate_file_status *out,
                        uint32_t max)
{
    struct hub *hub = &s->session->hub;
    struct view *view = hub_find(hub, torrent);
    if (!view) {
        return SPATE_ENOTFOUND;
    }
    uint32_t count = view->metainfo.listed_count, row_bytes = out && max > 0 ? out->size : 0;
    int failed = 0;
    pthread_mutex_lock(&hub->lock);
    for (uint32_t i = 0; i < count && i < max && !failed; i++) {
        uint32_t file = view->metainfo.listed[i];
        const struct spate_file_status row = {
            .size = sizeof row,
            .wanted = view->wanted[file],
            .length = view->metainfo.files[file].length,
            .verified_bytes = verified_bytes_of(view, &view->metainfo.files[file])};
        uint8_t *at = (uint8_t *)out + (size_t)i * row_bytes;
        memcpy(at, &row_bytes, sizeof row_bytes);
        failed = sized_copy_out(at, &row, sizeof row);
    }
    pthread_mutex_unlock(&hub->lock);
    hub_release(hub, view);
    return failed ? failed : (int)count;
}

int spate_torrent_peers(spate_session *s, spate_torrent torrent, struct spate_peer_status *out,
                        uint32_t max)
{
    struct hub *hub = &s->session->hub;
    struct view *view = hub_find(hub, torrent);
    if (!view) {
        return SPATE_ENOTFOUND;
    }
    pthread_mutex_lock(&hub->lock);
    uint32_t count = view->peer_count;
    int failed = copy_rows(out, max, view->peers, count, sizeof *view->peers);
    pthread_mutex_unlock(&hub->lock);
    hub_release(hub, view);
    return failed ? failed : (int)count;
}

int spate_torrent_trackers(spate_session *s, spate_torrent torrent,
                           struct spate_tracker_status *out, uint32_t max)
{
    struct hub *hub = &s->session->hub;
    struct view *view = hub_find(hub, torrent);
    if (!view) {
        return SPATE_ENOTFOUND;
    }
    pthread_mutex_lock(&hub->lock);
    uint32_t count = view->tracker_count;
    int failed = copy_rows(out, max, view->trackers, count, sizeof *view->trackers);
    pthread_mutex_unlock(&hub->lock);
    hub_release(hub, view);
    return failed ? failed : (int)count;
}

int spate_event_next(spate_session *s, struct spate_event *out)
{
    struct spate_event event = {.size = sizeof event};
    if (!hub_next_event(&s->session->hub, &event)) {
        return 0;
    }
    int failed = sized_copy_out(out, &event, sizeof event);
    return failed ? failed : 1;
}

int spate_log_next(spate_session *s, struct spate_log_entry *out)
{
    struct spate_log_entry entry = {.size = sizeof entry};
    if (!hub_next_log(&s->session->hub, &entry)) {
        return 0;
    }
    int failed = sized_copy_out(out, &entry, sizeof entry);
    return failed ? failed : 1;
}
