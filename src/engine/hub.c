/* The meeting place of a session's loop and the threads that use it. */
#include "engine/hub.h"

#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"
#include "engine/torrent_options.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

int hub_init(struct hub *hub, const uint64_t seed[2], bool with_event_fd)
{
    *hub = (struct hub){.next_id = 1, .event_fd = -1};
    list_init(&hub->events);
    list_init(&hub->commands);
    map_init(&hub->views, sizeof(spate_torrent), seed);
    map_init(&hub->ids, 20, seed);
    hub->log = calloc(LIMIT_LOG_ENTRIES, sizeof *hub->log);
    if (!hub->log) {
        return SPATE_ENOMEM;
    }
    if (with_event_fd) {
        hub->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (hub->event_fd < 0) {
            int failed = error_from_errno(errno);
            free(hub->log);
            return failed;
        }
    }
    pthread_mutex_init(&hub->lock, NULL);
    return 0;
}

static void view_destroy(struct view *view)
{
    bitset_deinit(&view->pieces);
    layout_deinit(&view->layout);
    metainfo_deinit(&view->metainfo);
    free(view->wanted);
    free(view->peers);
    free(view->trackers);
    free(view);
}

void command_destroy(struct command *command)
{
    torrent_options_destroy(command->options);
    free(command->wanted);
    free(command);
}

void hub_deinit(struct hub *hub)
{
    struct command *command;
    while ((command = hub_take_command(hub))) {
        if (command->view) {
            hub_release(hub, command->view);
        }
        command_destroy(command);
    }
    struct list *node;
    struct view *view;
    while (
        (node = list_pop_front(&hub->events))) { /* removed ones were kept for their last event */
        view = list_entry(node, struct view, queued);
        if (view->removed) {
            view_destroy(view);
        }
    }
    size_t cursor = 0;
    while ((view = map_each(&hub->views, &cursor))) {
        view_destroy(view);
    }
    map_deinit(&hub->views);
    map_deinit(&hub->ids);
    free(hub->log);
    if (hub->event_fd >= 0) {
        close(hub->event_fd);
    }
    pthread_mutex_destroy(&hub->lock);
}

/* ---- news ------------------------------------------------------------------------------------ */

static bool has_news(const struct hub *hub)
{
    return !list_empty(&hub->events) || hub->log_count > 0;
}

static void news(struct hub *hub)
{
    uint64_t one = 1;
    if (hub->event_fd >= 0 && write(hub->event_fd, &one, sizeof one) < 0) {
        /* Full: it is readable already. */
    }
}

static void settle_event_fd(struct hub *hub)
{
    uint64_t count;
    if (hub->event_fd >= 0 && !has_news(hub) && read(hub->event_fd, &count, sizeof count) < 0) {
        /* Nothing to take back. */
    }
}

bool hub_has_news(struct hub *hub)
{
    pthread_mutex_lock(&hub->lock);
    bool yes = has_news(hub);
    pthread_mutex_unlock(&hub->lock);
    return yes;
}

bool hub_has_events(struct hub *hub)
{
    pthread_mutex_lock(&hub->lock);
    bool yes = !list_empty(&hub->events);
    pthread_mutex_unlock(&hub->lock);
    return yes;
}

int hub_wait(struct hub *hub, int fd, int timeout_ms)
{
    struct pollfd fds[] = {{.fd = hub->event_fd, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    ASSERT(hub->event_fd >= 0);
    if (poll(fds, sizeof fds / sizeof *fds, timeout_ms) < 0 && errno != EINTR) {
        return error_from_errno(errno);
    }
    if (fds[1].revents & POLLNVAL) {
        return SPATE_EINVAL;
    }
    return fds[1].revents ? 2 : hub_has_news(hub);
}

void hub_notify(struct hub *hub, struct view *view, uint32_t changed)
{
    pthread_mutex_lock(&hub->lock);
    if (!view->removed || (changed & SPATE_CHANGED_REMOVED)) { /* that was its last event */
        view->changed |= changed;
        if (!list_linked(&view->queued)) {
            list_push_back(&hub->events, &view->queued);
        }
        news(hub);
    }
    pthread_mutex_unlock(&hub->lock);
}

bool hub_next_event(struct hub *hub, struct spate_event *out)
{
    pthread_mutex_lock(&hub->lock);
    struct list *node = list_pop_front(&hub->events);
    if (node) {
        struct view *view = list_entry(node, struct view, queued);
        out->torrent = view->id;
        out->changed = view->changed;
        view->changed = 0;
        if (view->removed && view->references == 0) {
            view_destroy(view);
        }
    }
    settle_event_fd(hub);
    pthread_mutex_unlock(&hub->lock);
    return node != NULL;
}

void hub_log(struct hub *hub, int level, spate_torrent torrent, int64_t time_ns, const char *text)
{
    pthread_mutex_lock(&hub->lock);
    if (hub->log_count == LIMIT_LOG_ENTRIES) {
        hub->log_first = (hub->log_first + 1) % LIMIT_LOG_ENTRIES;
        hub->log_count--;
        hub->log_lost++;
    }
    struct spate_log_entry *entry =
        &hub->log[(hub->log_first + hub->log_count) % LIMIT_LOG_ENTRIES];
    *entry = (struct spate_log_entry){
        .size = sizeof *entry, .level = (uint32_t)level, .torrent = torrent, .time_ns = time_ns};
    text_copy(entry->text, sizeof entry->text, span_text(text));
    hub->log_count++;
    news(hub);
    pthread_mutex_unlock(&hub->lock);
}

bool hub_next_log(struct hub *hub, struct spate_log_entry *out)
{
    pthread_mutex_lock(&hub->lock);
    bool found = hub->log_count > 0;
    if (found) {
        *out = hub->log[hub->log_first];
        out->lost = hub->log_lost;
        hub->log_lost = 0;
        hub->log_first = (hub->log_first + 1) % LIMIT_LOG_ENTRIES;
        hub->log_count--;
    }
    settle_event_fd(hub);
    pthread_mutex_unlock(&hub->lock);
    return found;
}

/* ---- views ----------------------------------------------------------------------------------- */

/* What is known before the loop has heard of it. */
static void describe(struct view *view)
{
    const struct metainfo *m = &view->metainfo;
    view->status = (struct spate_status){.private_torrent = m->is_private,
                                         .file_count = m->listed_count,
                                         .total_bytes = m->listed_length,
                                         .wanted_bytes = m->listed_length,
                                         .piece_length = m->piece_length,
                                         .piece_count = m->piece_count,
                                         .eta_s = -1,
                                         .idle_ms = -1,
                                         .next_announce_s = -1};
    memcpy(view->status.info_hash, m->info_hash, sizeof m->info_hash);
    text_copy(view->status.name, sizeof view->status.name, span_text(m->name));
}

static int view_create(struct metainfo *metainfo, const uint8_t *wanted, struct view **out)
{
    struct view *view = calloc(1, sizeof *view);
    if (!view) {
        metainfo_deinit(metainfo);
        return SPATE_ENOMEM;
    }
    view->metainfo = *metainfo;
    list_init(&view->queued);
    int failed = layout_init(&view->layout, &view->metainfo);
    if (!failed) {
        failed = bitset_init(&view->pieces, view->metainfo.piece_count);
    }
    view->wanted = malloc(view->metainfo.file_count + 1);
    if (!failed && !view->wanted) {
        failed = SPATE_ENOMEM;
    }
    if (failed) {
        view_destroy(view);
        return failed;
    }
    describe(view);
    if (wanted) {
        memcpy(view->wanted, wanted, view->metainfo.file_count);
    } else {
        memset(view->wanted, 1, view->metainfo.file_count);
    }
    *out = view;
    return 0;
}

static int insert_view(struct hub *hub, struct view *view)
{
    if (map_get(&hub->ids, view->metainfo.info_hash)) {
        return SPATE_EEXIST;
    }
    if (hub->views.count >= LIMIT_TORRENTS) {
        return SPATE_ELIMIT;
    }
    view->id = hub->next_id;
    if (map_put(&hub->views, &view->id, view)) {
        return SPATE_ENOMEM;
    }
    if (map_put(&hub->ids, view->metainfo.info_hash, view)) {
        map_remove(&hub->views, &view->id);
        return SPATE_ENOMEM;
    }
    hub->next_id++;
    view->references = 2; /* the map and the loop */
    return 0;
}

int hub_add_view(struct hub *hub, struct metainfo *metainfo, const uint8_t *wanted,
                 struct view **out)
{
    struct view *view;
    int failed = view_create(metainfo, wanted, &view);
    if (failed) {
        return failed;
    }
    pthread_mutex_lock(&hub->lock);
    failed = insert_view(hub, view);
    pthread_mutex_unlock(&hub->lock);
    if (failed) {
        view_destroy(view);
        return failed;
    }
    *out = view;
    return 0;
}

struct view *hub_find(struct hub *hub, spate_torrent id)
{
    pthread_mutex_lock(&hub->lock);
    struct view *view = map_get(&hub->views, &id);
    if (view) {
        view->references++;
    }
    pthread_mutex_unlock(&hub->lock);
    return view;
}

void hub_release(struct hub *hub, struct view *view)
{
    pthread_mutex_lock(&hub->lock);
    bool last = --view->references == 0 && !list_linked(&view->queued);
    pthread_mutex_unlock(&hub->lock);
    if (last) {
        view_destroy(view);
    }
}

void hub_remove_view(struct hub *hub, struct view *view)
{
    pthread_mutex_lock(&hub->lock);
    map_remove(&hub->views, &view->id);
    map_remove(&hub->ids, view->metainfo.info_hash);
    view->references--; /* the map's; the caller has its own */
    view->removed = true;
    view->status.state = SPATE_STATE_REMOVED;
    pthread_mutex_unlock(&hub->lock);
    hub_notify(hub, view, SPATE_CHANGED_REMOVED | SPATE_CHANGED_STATE);
}

void hub_withdraw_view(struct hub *hub, struct view *view)
{
    pthread_mutex_lock(&hub->lock);
    map_remove(&hub->views, &view->id);
    map_remove(&hub->ids, view->metainfo.info_hash);
    view->references--;
    view->removed = true;
    pthread_mutex_unlock(&hub->lock);
    hub_release(hub, view);
}

/* ---- messages -------------------------------------------------------------------------------- */

int hub_post(struct hub *hub, struct command *command)
{
    pthread_mutex_lock(&hub->lock);
    bool full = hub->command_count >= LIMIT_COMMANDS;
    if (!full) {
        list_push_back(&hub->commands, &command->link);
        hub->command_count++;
    }
    pthread_mutex_unlock(&hub->lock);
    return full ? SPATE_ELIMIT : 0;
}

struct command *hub_take_command(struct hub *hub)
{
    pthread_mutex_lock(&hub->lock);
    struct list *node = list_pop_front(&hub->commands);
    hub->command_count -= node != NULL;
    pthread_mutex_unlock(&hub->lock);
    return node ? list_entry(node, struct command, link) : NULL;
}
