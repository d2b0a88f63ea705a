/* One torrent's life: begin, work, stop, and begin again; what its user wishes and what goes wrong.
 */
#include "engine/torrent.h"

#include <stdlib.h>

#define TORRENT_RETRY_NS (5 * INT64_C(1000000000)) /* after the disk was full */
#define TORRENT_STOP_NS  (1200 * INT64_C(1000000)) /* for flush and sync when stopping */

/* ---- failing --------------------------------------------------------------------------------- */

static const char *file_name(const struct torrent *t, uint32_t file)
{
    return file < t->metainfo->file_count && t->paths && t->paths[file] ? t->paths[file] : "";
}

void torrent_fail(struct torrent *t, int error, const char *text)
{
    t->error = error;
    snprintf(t->text, sizeof t->text, "%s", text && *text ? text : spate_strerror(error));
    log_write(&t->env->log, SPATE_LOG_ERROR, t->id, "%s", t->text);
    if (error == SPATE_ENOSPC && t->want_running) {
        timer_set(&t->env->timers, &t->retry_timer, io_now(t->env->io) + TORRENT_RETRY_NS);
    }
    if (t->phase == TORRENT_ACTIVE) {
        turn_add(&t->env->turn, &t->step); /* stops; never from inside a call of its swarm */
    } else if (t->phase != TORRENT_STOPPING && !torrent_was_called_off(t)) {
        t->phase = TORRENT_IDLE;
    }
    torrent_publish(t, SPATE_CHANGED_STATE);
}

void torrent_fail_file(struct torrent *t, int error, uint32_t file, const char *doing)
{
    char text[240];
    if (file == UINT32_MAX) {
        snprintf(text, sizeof text, "%s: %s", doing, spate_strerror(error));
    } else {
        snprintf(text, sizeof text, "%s \"%.150s\": %s", doing, file_name(t, file),
                 spate_strerror(error));
    }
    torrent_fail(t, error, text);
}

static void on_retry(struct timer *timer, int64_t now_ns)
{
    struct torrent *t = list_entry(timer, struct torrent, retry_timer);
    (void)now_ns;
    if (t->error && t->want_running && !t->removing) {
        torrent_start(t);
    }
}

/* The phase that was under way has been overtaken: pause and remove wait for its completion. */
bool torrent_was_called_off(struct torrent *t)
{
    if (t->want_running && !t->removing) {
        return false;
    }
    t->phase = TORRENT_IDLE;
    turn_add(&t->env->turn, &t->step);
    return true;
}

struct swarm_totals torrent_totals(const struct torrent *t)
{
    struct swarm_totals sum = t->earlier;
    if (t->swarm) {
        sum.downloaded_bytes += t->swarm->totals.downloaded_bytes;
        sum.uploaded_bytes += t->swarm->totals.uploaded_bytes;
        sum.wasted_bytes += t->swarm->totals.wasted_bytes;
        sum.failed_bytes += t->swarm->totals.failed_bytes;
        sum.wasted_blocks += t->swarm->totals.wasted_blocks;
    }
    return sum;
}

/* ---- at work --------------------------------------------------------------------------------- */

static void on_written(void *user, uint32_t piece)
{
    struct torrent *t = user;
    t->verified_bytes += torrent_wanted_in_piece(t, piece);
    t->sync_needed = true;
    torrent_set_partial(t, piece, NULL);
    pthread_mutex_lock(&t->hub->lock);
    bitset_set(&t->view->pieces, piece);
    pthread_mutex_unlock(&t->hub->lock);
    if (pieces_complete(&t->pieces)) {
        torrent_save_now(t, false);
        torrent_publish(t, SPATE_CHANGED_STATE | SPATE_CHANGED_PROGRESS);
    } else {
        torrent_save_soon(t);
        torrent_touch(t, SPATE_CHANGED_PROGRESS);
    }
}

static void on_spilled(void *user, uint32_t piece, const struct bitset *blocks)
{
    torrent_set_partial(user, piece, blocks);
    torrent_save_soon(user);
}

static void on_lost(void *user, uint32_t piece, uint32_t file, int error)
{
    struct torrent *t = user;
    log_write(&t->env->log, SPATE_LOG_ERROR, t->id, "piece %u cannot be read: \"%.150s\": %s",
              piece, file_name(t, file), spate_strerror(error));
    pthread_mutex_lock(&t->hub->lock);
    bitset_clear(&t->view->pieces, piece);
    pthread_mutex_unlock(&t->hub->lock);
    t->read_failed = true;
    torrent_recount(t);
    torrent_save_soon(t);
    if (!t->error) {
        torrent_fail_file(t, error, file, "cannot read");
    }
}

static void on_broken(void *user, int error, uint32_t file)
{
    struct torrent *t = user;
    if (!t->error) {
        torrent_fail_file(t, error, file, "cannot write");
    }
}

static void on_flushed(void *user)
{
    struct torrent *t = user;
    if (t->phase == TORRENT_STOPPING) {
        t->flushed = true;
        turn_add(&t->env->turn, &t->step);
    }
}

/* Nobody needs its files: they cost descriptors, of which there are fewer than torrents. */
static void rest(struct torrent *t)
{
    if (t->store) {
        store_close_files(t->store);
    }
}

static void on_swarm_change(void *user, uint32_t changed)
{
    struct torrent *t = user;
    if ((changed & SPATE_CHANGED_PEERS) && t->swarm && t->swarm->peer_count == 0 &&
        t->swarm->seeding) {
        rest(t);
    }
    torrent_touch(t, changed);
}

static void on_tracker_peers(void *user, const struct addr *peers, uint32_t count)
{
    struct torrent *t = user;
    for (uint32_t i = 0; t->swarm && i < count; i++) {
        swarm_add_peer(t->swarm, &peers[i], PEER_SOURCE_TRACKER);
    }
}

/* Twice as many peers as there is room for, since many addresses answer nobody; and of few places at least
 * so many, since all of few addresses may be full, and the tracker is asked again in half an hour. */
static int32_t peers_wanted(const struct torrent *t)
{
    enum { PEERS_WANTED_MIN = 50 };
    const struct swarm *s = t->swarm;
    uint32_t room =
        s && s->peer_count < s->settings.max_peers ? s->settings.max_peers - s->peer_count : 0;
    if (room > 0 && room < PEERS_WANTED_MIN / 2) {
        return PEERS_WANTED_MIN;
    }
    return (int32_t)(room < LIMIT_ANNOUNCE_PEERS / 2 ? room * 2 : LIMIT_ANNOUNCE_PEERS);
}

static void counters(void *user, struct tracker_announce *announce)
{
    struct torrent *t = user;
    const struct swarm_totals totals = torrent_totals(t);
    announce->uploaded = t->uploaded_before + totals.uploaded_bytes;
    announce->downloaded = t->downloaded_before + totals.downloaded_bytes;
    announce->left = t->wanted_bytes - t->verified_bytes;
    announce->want = peers_wanted(t);
}

static void on_tracker_change(void *user)
{
    torrent_touch(user, SPATE_CHANGED_TRACKERS);
}

static int create_announce(struct torrent *t)
{
    const struct spate_settings *value = &t->env->settings.value;
    const struct addr *bound = &t->env->settings.bind.address;
    const struct announce_settings settings = {
        .io = t->env->io,
        .udp = t->env->udp_trackers,
        .log = &t->env->log,
        .torrent = t->id,
        .info_hash = t->metainfo->info_hash,
        .peer_id = t->env->peer_id,
        .key = t->key,
        .random_seed = chacha_u64(&t->env->random),
        .port = t->env->port,
        .bind = &t->env->settings.bind,
        .user_agent = value->user_agent,
        .proxy = value->proxy,
        .ca_cert = value->ca_cert,
        .allow_private = value->allow_local,
        .use_v4 = bound->family != ADDR_V6,
        .use_v6 = bound->family != ADDR_V4,
        .trackers = t->metainfo->trackers,
        .tracker_count = t->metainfo->tracker_count,
    };
    const struct announce_owner owner = {.on_peers = on_tracker_peers,
                                         .counters = counters,
                                         .on_change = on_tracker_change,
                                         .user = t};
    int failed = announce_create(&settings, owner, &t->announce);
    for (uint32_t i = 0; !failed && i < t->options->tracker_count; i++) {
        int refused = announce_add(t->announce, t->options->trackers[i]);
        if (refused && refused != SPATE_EEXIST) {
            log_write(&t->env->log, SPATE_LOG_WARNING, t->id, "tracker %u of the user's: %s", i,
                      spate_strerror(refused));
        }
    }
    return failed;
}

static int create_swarm(struct torrent *t)
{
    const struct swarm_settings settings = {
        .env = t->env,
        .torrent = t->id,
        .info_hash = t->metainfo->info_hash,
        .layout = t->layout,
        .piece_hashes = t->metainfo->piece_hashes,
        .store = t->store,
        .pieces = &t->pieces,
        .down = &t->down,
        .up = &t->up,
        .max_peers =
            t->options->max_peers ? t->options->max_peers : t->env->settings.value.max_peers,
        .sequential = t->options->flags & SPATE_ADD_SEQUENTIAL,
    };
    const struct swarm_owner owner = {.on_written = on_written,
                                      .on_spilled = on_spilled,
                                      .on_lost = on_lost,
                                      .on_broken = on_broken,
                                      .on_flushed = on_flushed,
                                      .on_change = on_swarm_change,
                                      .user = t};
    return swarm_create(&settings, owner, &t->swarm);
}

static void restore_partials(struct torrent *t)
{
    for (uint32_t i = 0; t->has_record && i < t->record.partial_count; i++) {
        swarm_restore(t->swarm, t->record.partials[i].piece, &t->record.partials[i].blocks);
    }
}

void torrent_on_ready(struct torrent *t)
{
    int failed = create_swarm(t);
    if (!failed) {
        restore_partials(t);
        failed = create_announce(t);
    }
    if (failed) {
        if (t->swarm) {
            swarm_close(t->swarm);
            t->swarm = NULL;
        }
        torrent_fail(t, failed, NULL);
        return;
    }
    t->phase = TORRENT_ACTIVE;
    if (t->swarm->seeding) {
        rest(t);
    }
    t->complete_told = pieces_is_durable(&t->pieces);
    if (t->swarm->seeding && t->verified_bytes > 0) {
        t->completed_announced = true; /* it was complete before: nothing to tell */
    }
    announce_start(t->announce);
    t->needs = 0;
    torrent_watch_need(t);
    for (uint32_t i = 0; i < t->given_peer_count; i++) {
        swarm_add_peer(t->swarm, &t->given_peers[i], PEER_SOURCE_USER);
    }
    torrent_save_now(t, false);
    torrent_publish(t, SPATE_CHANGED_STATE | SPATE_CHANGED_PROGRESS | SPATE_CHANGED_FILES);
}

/* Everything is durable. */
static void on_durable(struct torrent *t)
{
    if (t->complete_told || t->phase != TORRENT_ACTIVE) {
        return;
    }
    t->complete_told = true;
    if (!t->completed_announced && t->verified_bytes > 0) {
        t->completed_announced = true;
        announce_completed(t->announce);
        torrent_save_soon(t);
    }
    torrent_publish(t, SPATE_CHANGED_STATE);
}

void torrent_on_saved(struct torrent *t, bool clean)
{
    if (t->phase == TORRENT_PREPARING) {
        torrent_go_on_preparing(t);
        return;
    }
    if (t->phase == TORRENT_STOPPING && clean) {
        t->phase = TORRENT_IDLE;
        turn_add(&t->env->turn, &t->step);
        torrent_publish(t, SPATE_CHANGED_STATE);
        return;
    }
    if (pieces_complete(&t->pieces) && pieces_is_durable(&t->pieces)) {
        on_durable(t);
    }
}

/* ---- stopping -------------------------------------------------------------------------------- */

static void close_swarm(struct torrent *t)
{
    if (!t->swarm) {
        return;
    }
    t->earlier = torrent_totals(t);
    swarm_close(t->swarm);
    t->swarm = NULL;
}

static void on_stop_timer(struct timer *timer, int64_t now_ns)
{
    struct torrent *t = list_entry(timer, struct torrent, stop_timer);
    (void)now_ns;
    if (t->phase == TORRENT_STOPPING && t->swarm) {
        close_swarm(t); /* flushing takes too long: what is recorded is enough */
        torrent_save_now(t, true);
    }
}

static void stop(struct torrent *t)
{
    torrent_carry_out_waiting_choice(t);
    t->phase = TORRENT_STOPPING;
    t->flushed = false;
    announce_stop(t->announce);
    timer_set(&t->env->timers, &t->stop_timer, io_now(t->env->io) + TORRENT_STOP_NS);
    swarm_flush(t->swarm);
    torrent_publish(t, SPATE_CHANGED_STATE);
}

/* What pause, start, remove and failures wish, done where no call of the swarm is on the stack. */
static void step(struct turn_work *work)
{
    struct torrent *t = list_entry(work, struct torrent, step);
    bool wants_stop = !t->want_running || t->removing || t->error || t->begin_again;
    if (t->phase == TORRENT_ACTIVE && wants_stop) {
        stop(t);
    } else if (t->phase == TORRENT_STOPPING && t->swarm && t->flushed) {
        timer_clear(&t->env->timers, &t->stop_timer);
        close_swarm(t);
        torrent_save_now(t, true);
    } else if (t->phase == TORRENT_IDLE) {
        if (t->announce && !announce_stopping(t->announce)) {
            announce_destroy(t->announce);
            t->announce = NULL;
        }
        if (t->removing) {
            if (torrent_is_idle(t) && t->store) {
                t->store_ending = true;
                store_destroy(t->store);
                t->store = NULL;
            }
            if (torrent_is_idle(t)) {
                t->owner.on_gone(t);
            } else {
                timer_set(&t->env->timers, &t->stop_timer, io_now(t->env->io) + INT64_C(20000000));
            }
        } else if (t->want_running && !t->error && !t->held) {
            if (t->announce) {
                announce_destroy(t->announce);
                t->announce = NULL;
            }
            torrent_begin(t);
        } else {
            rest(t);
            torrent_publish(t, SPATE_CHANGED_STATE);
        }
    }
}

bool torrent_is_idle(const struct torrent *t)
{
    return t->phase == TORRENT_IDLE && !t->load.op.active && !t->look.op.active &&
           !t->want.op.active && !t->prepare.op.active && !t->sync.op.active &&
           !t->save.op.active && t->saving == SAVE_IDLE && !t->check && !t->swarm &&
           !t->store_ending && (!t->announce || !announce_stopping(t->announce));
}

/* ---- what the user wishes -------------------------------------------------------------------- */

void torrent_start(struct torrent *t)
{
    t->want_running = true;
    t->error = 0;
    turn_add(&t->env->turn, &t->step);
}

void torrent_let_go(struct torrent *t)
{
    t->held = false;
    turn_add(&t->env->turn, &t->step);
}

void torrent_pause(struct torrent *t)
{
    t->want_running = false;
    timer_clear(&t->env->timers, &t->retry_timer);
    if (t->check || list_linked(&t->check_turn)) { /* nothing waits for the rest of it */
        torrent_end_check(t);
        t->phase = TORRENT_IDLE;
    }
    turn_add(&t->env->turn, &t->step);
    torrent_publish(t, SPATE_CHANGED_STATE);
}

void torrent_remove(struct torrent *t)
{
    t->removing = true;
    torrent_pause(t);
}

void torrent_set_limits(struct torrent *t, uint64_t max_down, uint64_t max_up)
{
    int64_t now_ns = io_now(t->env->io);
    bucket_set_rate(&t->down, max_down, now_ns);
    bucket_set_rate(&t->up, max_up, now_ns);
}

void torrent_add_peer(struct torrent *t, const struct addr *address)
{
    if (t->swarm) {
        swarm_add_peer(t->swarm, address, PEER_SOURCE_USER);
    }
    if (t->given_peer_count < TORRENT_GIVEN_PEERS) { /* kept for a later swarm, too */
        t->given_peers[t->given_peer_count++] = *address;
    }
}

void torrent_hurry(struct torrent *t)
{
    if (t->announce && t->phase == TORRENT_IDLE) {
        announce_destroy(t->announce);
        t->announce = NULL;
        turn_add(&t->env->turn, &t->step);
    }
}

/* A piece is wanted when it holds bytes of a wanted file. */
static void want_pieces(struct torrent *t)
{
    struct bitset wanted;
    if (bitset_init(&wanted, t->layout->piece_count)) {
        return;
    }
    for (uint32_t file = 0; file < t->metainfo->file_count; file++) {
        uint32_t first, last;
        bool pad = t->metainfo->files[file].flags & METAINFO_FILE_PAD;
        if (t->wanted[file] && !pad && torrent_piece_span(t, file, &first, &last)) {
            for (uint32_t piece = first; piece <= last; piece++) {
                bitset_set(&wanted, piece);
            }
        }
    }
    for (uint32_t piece = 0; piece < t->layout->piece_count; piece++) {
        pieces_want(&t->pieces, piece, bitset_get(&wanted, piece));
    }
    bitset_deinit(&wanted);
}

void torrent_set_wanted(struct torrent *t, const uint8_t *wanted)
{
    memcpy(t->wanted, wanted, t->metainfo->file_count);
    want_pieces(t);
    if (t->phase == TORRENT_ACTIVE && torrent_lacks_kept_bytes(t)) {
        t->begin_again = true;
        turn_add(&t->env->turn, &t->step);
    }
    torrent_recount(t);
    if (t->phase == TORRENT_ACTIVE && !t->begin_again) {
        bool was_seeding = t->swarm->seeding;
        t->choice_waits = t->look_needed = true;
        swarm_on_pieces_changed(t->swarm);
        if (was_seeding && !t->swarm->seeding) {
            announce_now(t->announce); /* who seeds is told of no seeds */
            t->needs = 0;
            torrent_watch_need(t);
        }
        t->complete_told = t->complete_told && pieces_is_durable(&t->pieces);
        torrent_save_now(t, false);
    } else if (t->phase == TORRENT_PREPARING && t->saving == SAVE_IDLE) {
        t->want_pending = true; /* the choice before is being carried out, or its files made */
    }
    torrent_publish(t, SPATE_CHANGED_FILES | SPATE_CHANGED_PROGRESS | SPATE_CHANGED_STATE);
}

/* ---- creation -------------------------------------------------------------------------------- */

static void on_stop_or_gone_timer(struct timer *timer, int64_t now_ns)
{
    struct torrent *t = list_entry(timer, struct torrent, stop_timer);
    if (t->phase == TORRENT_IDLE) {
        turn_add(&t->env->turn, &t->step); /* removing: is everything over? */
    } else {
        on_stop_timer(timer, now_ns);
    }
}

static int allocate(struct torrent *t)
{
    uint32_t files = t->metainfo->file_count, count = t->layout->piece_count;
    t->wanted = malloc(files + 1);
    t->wanted_lent = malloc(files + 1);
    t->found = calloc(files + 1, sizeof *t->found);
    if (!t->wanted || !t->wanted_lent || !t->found || pieces_init(&t->pieces, count) ||
        bitset_init(&t->to_check, count) || bitset_init(&t->syncing, count) ||
        bitset_init(&t->ours, files)) {
        return SPATE_ENOMEM;
    }
    memcpy(t->wanted, t->view->wanted, files);
    return 0;
}

int torrent_create(struct env *env, struct hub *hub, struct view *view,
                   struct torrent_options *options, struct torrent_owner owner,
                   struct torrent **out)
{
    struct torrent *t = calloc(1, sizeof *t);
    if (!t) {
        torrent_options_destroy(options);
        hub_release(hub, view);
        return SPATE_ENOMEM;
    }
    t->env = env;
    t->hub = hub;
    t->view = view;
    t->options = options;
    t->owner = owner;
    t->id = view->id;
    t->metainfo = &view->metainfo;
    t->layout = &view->layout;
    t->key = chacha_u32(&env->random);
    list_init(&t->link);
    list_init(&t->check_turn);
    bucket_init(&t->down, &env->timers, options->max_down);
    bucket_init(&t->up, &env->timers, options->max_up);
    turn_work_init(&t->step, step);
    torrent_disk_init(t);
    t->retry_timer.fire = on_retry;
    t->stop_timer.fire = on_stop_or_gone_timer;
    torrent_save_init(t);
    torrent_publish_init(t);
    torrent_need_init(t);
    if (allocate(t)) {
        torrent_destroy(t);
        return SPATE_ENOMEM;
    }
    want_pieces(t);
    torrent_recount(t);
    *out = t;
    return 0;
}

void torrent_destroy(struct torrent *t)
{
    struct timers *timers = &t->env->timers;
    timer_clear(timers, &t->save_timer);
    timer_clear(timers, &t->retry_timer);
    timer_clear(timers, &t->publish_timer);
    timer_clear(timers, &t->stop_timer);
    timer_clear(timers, &t->need_timer);
    turn_remove(&t->step);
    list_remove(&t->link);
    bucket_deinit(&t->down);
    bucket_deinit(&t->up);
    if (t->announce) {
        announce_destroy(t->announce);
    }
    if (t->loaded) {
        resume_unlock(t->env->resume, t->load.lock);
    }
    resume_record_deinit(&t->record);
    pieces_deinit(&t->pieces);
    bitset_deinit(&t->to_check);
    bitset_deinit(&t->syncing);
    bitset_deinit(&t->ours);
    arena_deinit(&t->names);
    torrent_options_destroy(t->options);
    free(t->wanted);
    free(t->wanted_lent);
    free(t->found);
    hub_release(t->hub, t->view);
    free(t);
}
