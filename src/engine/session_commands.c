/* What users ask of a session: messages of their threads, carried out on its loop, and what they see of it. */
#include "engine/session.h"

#include "base/limits.h"

#include <stdlib.h>

#define SESSION_TOTALS_NS INT64_C(1000000000)

/* The first of those that wait for a torrent of the same info-hash to end; NULL: none does. */
static struct torrent *heir_of(struct session *s, const struct torrent *t)
{
    struct torrent *heir = NULL;
    list_for_each (node, &s->torrents) {
        struct torrent *other = list_entry(node, struct torrent, link);
        if (!heir && other->held &&
            memcmp(other->metainfo->info_hash, t->metainfo->info_hash, 20) == 0) {
            heir = other;
        }
    }
    return heir;
}

static void on_gone(struct torrent *t)
{
    struct session *s = list_entry(t->env, struct session, env);
    struct torrent *heir = !t->held && s->held_count > 0 ? heir_of(s, t) : NULL;
    s->held_count -= t->held || heir;
    if (!t->held) {
        map_remove(&s->by_hash, t->metainfo->info_hash);
    }
    if (heir) {
        int failed = map_put(&s->by_hash, heir->metainfo->info_hash, heir);
        ASSERT(!failed); /* there is room: a place was just left */
        torrent_let_go(heir);
    }
    map_remove(&s->by_id, &t->id);
    torrent_destroy(t);
}

/* There was no memory for a torrent that its user knows already: it is removed, and he is told. */
static void add_failed(struct session *s, spate_torrent id)
{
    struct view *view = hub_find(&s->hub, id);
    if (view) {
        log_write(&s->env.log, SPATE_LOG_ERROR, id, "the torrent is removed: %s",
                  spate_strerror(SPATE_ENOMEM));
        hub_remove_view(&s->hub, view);
        hub_release(&s->hub, view);
    }
}

static void add_torrent(struct session *s, struct command *command)
{
    struct torrent *t;
    struct view *view = command->view;
    struct torrent_options *options = command->options;
    const struct torrent_owner owner = {.on_gone = on_gone};
    command->view = NULL;
    command->options = NULL;
    spate_torrent id = view->id;
    if (torrent_create(&s->env, &s->hub, view, options, owner, &t)) {
        add_failed(s, id);
        return;
    }
    /* Removed and added again: what was removed may still be ending. */
    t->held = map_get(&s->by_hash, t->metainfo->info_hash) != NULL;
    if (map_put(&s->by_id, &t->id, t)) {
        torrent_destroy(t);
        add_failed(s, id);
        return;
    }
    if (!t->held && map_put(&s->by_hash, t->metainfo->info_hash, t)) {
        map_remove(&s->by_id, &t->id);
        torrent_destroy(t);
        add_failed(s, id);
        return;
    }
    s->held_count += t->held;
    list_push_back(&s->torrents, &t->link);
    if (t->options->flags & SPATE_ADD_PAUSED) {
        torrent_publish(t, SPATE_CHANGED_STATE);
    } else {
        torrent_start(t);
    }
}

void session_refresh(struct session *s, spate_torrent id)
{
    struct torrent *t = map_get(&s->by_id, &id);
    if (t && t->publish_timer.armed) {
        torrent_publish(t, 0);
    }
}

void session_refresh_totals(struct session *s)
{
    const struct env *env = &s->env;
    int64_t now_ns = io_now(env->io);
    const struct spate_session_stats stats = {
        .size = sizeof stats,
        .connections = env->connections,
        .port = env->port,
        .downloaded_bytes = env->downloaded_bytes,
        .uploaded_bytes = env->uploaded_bytes,
        .down_rate = rate_per_second(&env->down_rate, now_ns),
        .up_rate = rate_per_second(&env->up_rate, now_ns),
        .frame_bytes = frames_used_bytes(env->frames),
        .frame_peak_bytes = frames_peak_bytes(env->frames),
    };
    pthread_mutex_lock(&s->hub.lock);
    s->hub.stats = stats;
    pthread_mutex_unlock(&s->hub.lock);
}

/* Some torrent has news; then as long as rates move. */
void session_on_totals_due(struct timer *timer, int64_t now_ns)
{
    struct session *s = list_entry(timer, struct session, env.totals_timer);
    session_refresh_totals(s);
    if (s->hub.stats.down_rate > 0 || s->hub.stats.up_rate > 0) {
        timer_set(&s->env.timers, timer, now_ns + SESSION_TOTALS_NS);
    }
}

static void command_torrent(struct session *s, struct torrent *t, struct command *command)
{
    switch (command->type) {
    case COMMAND_REMOVE:
        hub_remove_view(&s->hub, t->view);
        torrent_remove(t);
        break;
    case COMMAND_PAUSE:
        torrent_pause(t);
        break;
    case COMMAND_RESUME:
        torrent_start(t);
        break;
    case COMMAND_WANT:
        torrent_set_wanted(t, command->wanted);
        break;
    case COMMAND_LIMITS:
        torrent_set_limits(t, command->max_down, command->max_up);
        break;
    case COMMAND_PEER:
        torrent_add_peer(t, &command->address);
        break;
    case COMMAND_ANNOUNCE:
        if (t->announce) {
            announce_now(t->announce);
        }
        break;
    case COMMAND_ADD:
    case COMMAND_SESSION_LIMITS:
        break;
    }
}

static void carry_out(struct session *s, struct command *command)
{
    if (command->type == COMMAND_ADD) {
        add_torrent(s, command);
    } else if (command->type == COMMAND_SESSION_LIMITS) {
        int64_t now_ns = io_now(s->env.io);
        bucket_set_rate(&s->env.down, command->max_down, now_ns);
        bucket_set_rate(&s->env.up, command->max_up, now_ns);
    } else {
        struct torrent *t = map_get(&s->by_id, &command->torrent);
        if (t && !t->removing) {
            command_torrent(s, t, command);
        }
    }
    command_destroy(command);
}

void session_carry_out(struct session *s)
{
    struct command *command;
    while ((command = hub_take_command(&s->hub))) {
        carry_out(s, command);
    }
}

int session_post(struct session *s, struct command *command)
{
    int failed = hub_post(&s->hub, command);
    if (failed) {
        if (command->view) {
            hub_withdraw_view(&s->hub, command->view);
        }
        command_destroy(command);
        return failed;
    }
    io_wake(s->env.io);
    return 0;
}

static int parse_add(const struct spate_add *add, struct metainfo *metainfo,
                     struct spate_error *error)
{
    int failed = metainfo_parse(metainfo, span_of(add->metainfo, add->metainfo_size), error);
    if (failed) {
        return failed;
    }
    failed = metainfo_require_v1(metainfo, error);
    if (failed) {
        metainfo_deinit(metainfo);
    }
    return failed;
}

/* The user's choice counts files without pad files; ours with them. */
int session_widen_wanted(const struct metainfo *metainfo, const uint8_t *wanted, uint32_t count,
                         uint8_t **out)
{
    *out = malloc(metainfo->file_count + 1);
    if (!*out) {
        return SPATE_ENOMEM;
    }
    if (wanted && count != metainfo->listed_count) {
        free(*out);
        *out = NULL;
        return SPATE_EINVAL;
    }
    memset(*out, 0, metainfo->file_count);
    for (uint32_t i = 0; i < metainfo->listed_count; i++) {
        (*out)[metainfo->listed[i]] = !wanted || wanted[i];
    }
    return 0;
}

int session_add(struct session *s, const struct spate_add *add, spate_torrent *out,
                struct spate_error *error)
{
    struct metainfo metainfo;
    struct torrent_options *options;
    uint8_t *wanted;
    int failed = torrent_options_create(add, s->env.settings.value.allocation, &options, error);
    if (failed) {
        return failed;
    }
    failed = parse_add(add, &metainfo, error);
    if (failed) {
        torrent_options_destroy(options);
        return failed;
    }
    failed = session_widen_wanted(&metainfo, add->wanted, add->wanted_count, &wanted);
    if (failed) {
        uint32_t count = metainfo.listed_count;
        metainfo_deinit(&metainfo);
        torrent_options_destroy(options);
        return error_set(error, failed, 0, "the choice of files does not fit the torrent's %u",
                         count);
    }
    struct command *command = calloc(1, sizeof *command);
    struct view *view = NULL;
    if (command) {
        failed = hub_add_view(&s->hub, &metainfo, wanted, &view);
    } else {
        metainfo_deinit(&metainfo);
        failed = SPATE_ENOMEM;
    }
    free(wanted);
    if (failed) {
        free(command);
        torrent_options_destroy(options);
        return error_set(error, failed, 0,
                         failed == SPATE_EEXIST ? "this torrent is there already"
                                                : "cannot add the torrent");
    }
    *out = view->id;
    *command = (struct command){.type = COMMAND_ADD, .view = view, .options = options};
    list_init(&command->link);
    failed = session_post(s, command);
    return failed ? error_set(error, failed, 0, "too many messages wait") : 0;
}
