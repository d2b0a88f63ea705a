/* What people see of a torrent: its view, filled in at most a few times a second while something
 * moves, at once when its state changes, and not at all while it rests. */
#include "engine/torrent.h"

#include "base/text.h"

#include <stdlib.h>

#define PUBLISH_SOON_NS INT64_C(200000000)
#define PUBLISH_PACE_NS INT64_C(1000000000) /* while rates move or a download waits */

enum { PUBLISH_TRACKERS_MAX = 64 };

/* ---- counting -------------------------------------------------------------------------------- */

uint64_t torrent_wanted_in_piece(const struct torrent *t, uint32_t piece)
{
    struct extent extents[32];
    uint64_t offset = layout_piece_offset(t->layout, piece);
    uint64_t left = layout_piece_length(t->layout, piece), bytes = 0;
    while (left > 0) {
        size_t count = layout_extents(t->layout, offset, left, extents, 32);
        for (size_t i = 0; i < count && i < 32; i++) {
            if (!extents[i].pad && t->wanted[extents[i].file]) {
                bytes += extents[i].length;
            }
            offset += extents[i].length;
            left -= extents[i].length;
        }
        if (count == 0) {
            break;
        }
    }
    return bytes;
}

static uint64_t wanted_bytes_of(const struct torrent *t, const struct bitset *pieces)
{
    uint64_t bytes = 0;
    for (uint32_t i = bitset_next(pieces, 0); i < pieces->count; i = bitset_next(pieces, i + 1)) {
        bytes += torrent_wanted_in_piece(t, i);
    }
    return bytes;
}

void torrent_recount(struct torrent *t)
{
    t->wanted_bytes = 0;
    for (uint32_t i = 0; i < t->metainfo->file_count; i++) {
        const struct metainfo_file *file = &t->metainfo->files[i];
        if (t->wanted[i] && !(file->flags & METAINFO_FILE_PAD)) {
            t->wanted_bytes += file->length;
        }
    }
    t->verified_bytes = wanted_bytes_of(t, &t->pieces.have);
    t->durable_bytes = wanted_bytes_of(t, &t->pieces.durable);
    pthread_mutex_lock(&t->hub->lock);
    bitset_load(&t->view->pieces, t->pieces.have.bytes, bitset_bytes(t->view->pieces.count));
    memcpy(t->view->wanted, t->wanted, t->metainfo->file_count);
    pthread_mutex_unlock(&t->hub->lock);
}

/* ---- the status ------------------------------------------------------------------------------ */

static uint32_t state_of(const struct torrent *t)
{
    if (!t->want_running) {
        return SPATE_STATE_PAUSED;
    }
    if (t->error) {
        return SPATE_STATE_ERROR;
    }
    switch (t->phase) {
    case TORRENT_CHECKING:
        return SPATE_STATE_CHECKING;
    case TORRENT_ACTIVE:
        if (!pieces_complete(&t->pieces)) {
            return SPATE_STATE_DOWNLOADING;
        }
        return pieces_is_durable(&t->pieces) ? SPATE_STATE_SEEDING : SPATE_STATE_FINISHING;
    default:
        return SPATE_STATE_STARTING;
    }
}

/* Why nothing comes: the swarm's reason, and what the trackers say. */
static void explain(const struct torrent *t, struct spate_status *out)
{
    const char *swarm = t->swarm ? swarm_message(t->swarm) : "";
    const char *tracker = t->announce ? announce_message(t->announce) : "";
    char text[sizeof out->message];
    if (t->error) {
        snprintf(text, sizeof text, "%s", t->text);
    } else {
        snprintf(text, sizeof text, "%s%s%.150s", swarm, *swarm && *tracker ? "; " : "",
                 *swarm ? tracker : "");
    }
    text_copy(out->message, sizeof out->message, span_text(text));
}

static void fill_status(const struct torrent *t, struct spate_status *out)
{
    *out = (struct spate_status){.size = sizeof *out,
                                 .state = state_of(t),
                                 .error = t->error,
                                 .private_torrent = t->metainfo->is_private,
                                 .wanted_bytes = t->wanted_bytes,
                                 .verified_bytes = t->verified_bytes,
                                 .durable_bytes = t->durable_bytes,
                                 .checked_bytes = t->checked_bytes,
                                 .piece_length = t->layout->piece_length,
                                 .piece_count = t->layout->piece_count,
                                 .pieces_verified = t->pieces.have.ones,
                                 .eta_s = -1,
                                 .idle_ms = -1,
                                 .next_announce_s = -1};
    memcpy(out->info_hash, t->metainfo->info_hash, 20);
    const char *name = t->options->name ? t->options->name : t->metainfo->name;
    text_copy(out->name, sizeof out->name, span_text(name));
    out->file_count = t->metainfo->listed_count;
    out->total_bytes = t->metainfo->listed_length;
    const struct swarm_totals totals = torrent_totals(t);
    out->downloaded_bytes = totals.downloaded_bytes;
    out->uploaded_bytes = totals.uploaded_bytes;
    out->wasted_bytes = totals.wasted_bytes;
    out->failed_bytes = totals.failed_bytes;
    out->total_uploaded_bytes = t->uploaded_before + totals.uploaded_bytes;
    out->total_downloaded_bytes = t->downloaded_before + totals.downloaded_bytes;
    if (t->swarm) {
        swarm_fill_status(t->swarm, out);
        if (t->swarm->verified_ns) {
            out->idle_ms = (io_now(t->env->io) - t->swarm->verified_ns) / 1000000;
        }
        if (out->down_rate > 0 && out->state == SPATE_STATE_DOWNLOADING) {
            out->eta_s = (int64_t)((t->wanted_bytes - t->verified_bytes) / out->down_rate);
        }
    }
    if (t->announce) {
        out->next_announce_s = announce_next_s(t->announce);
    }
    explain(t, out);
}

/* Room for count rows; false when there is none. */
static bool reserve(void **rows, uint32_t *capacity, uint32_t count, size_t row_bytes)
{
    if (count <= *capacity) {
        return true;
    }
    void *grown = realloc(*rows, count * row_bytes);
    if (grown) {
        *rows = grown;
        *capacity = count;
    }
    return grown != NULL;
}

static void fill_peers(const struct torrent *t, struct view *view)
{
    uint32_t count = t->swarm ? t->swarm->peer_count : 0;
    view->peer_count = 0;
    if (count > 0 &&
        reserve((void **)&view->peers, &view->peer_capacity, count, sizeof *view->peers)) {
        view->peer_count = swarm_fill_peers(t->swarm, view->peers, count);
    }
}

static void fill_trackers(const struct torrent *t, struct view *view)
{
    uint32_t count = t->announce ? announce_status(t->announce, NULL, 0) : 0;
    count = count < PUBLISH_TRACKERS_MAX ? count : PUBLISH_TRACKERS_MAX;
    view->tracker_count = 0;
    if (count == 0 || !reserve((void **)&view->trackers, &view->tracker_capacity, count,
                               sizeof *view->trackers)) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        view->trackers[i].size = sizeof *view->trackers;
    }
    announce_status(t->announce, view->trackers, count);
    view->tracker_count = count;
}

void torrent_publish(struct torrent *t, uint32_t changed)
{
    struct spate_status status;
    fill_status(t, &status);
    changed |= t->changed;
    t->changed = 0;
    pthread_mutex_lock(&t->hub->lock);
    if (status.state != t->view->status.state || status.error != t->view->status.error ||
        t->view->status.size == 0) {
        changed |= SPATE_CHANGED_STATE;
    } else {
        changed &= ~(uint32_t)SPATE_CHANGED_STATE; /* nobody is woken for what he knows */
    }
    t->view->status = status;
    fill_peers(t, t->view);
    fill_trackers(t, t->view);
    pthread_mutex_unlock(&t->hub->lock);
    if (changed) {
        hub_notify(t->hub, t->view, changed);
    }
    if (!t->env->totals_timer.armed) {
        timer_set(&t->env->timers, &t->env->totals_timer, io_now(t->env->io) + PUBLISH_SOON_NS);
    }
    bool moves = status.down_rate > 0 || status.up_rate > 0 ||
                 status.state == SPATE_STATE_DOWNLOADING || status.state == SPATE_STATE_CHECKING;
    timer_set(&t->env->timers, &t->publish_timer,
              moves ? io_now(t->env->io) + PUBLISH_PACE_NS : INT64_MAX);
}

static void on_publish_timer(struct timer *timer, int64_t now_ns)
{
    struct torrent *t = list_entry(timer, struct torrent, publish_timer);
    (void)now_ns;
    torrent_publish(t, SPATE_CHANGED_PROGRESS);
}

void torrent_touch(struct torrent *t, uint32_t changed)
{
    int64_t soon_ns = io_now(t->env->io) + PUBLISH_SOON_NS;
    t->changed |= changed;
    if (!t->publish_timer.armed || t->publish_timer.at_ns > soon_ns) {
        timer_set(&t->env->timers, &t->publish_timer, soon_ns);
    }
}

void torrent_publish_init(struct torrent *t)
{
    t->publish_timer.fire = on_publish_timer;
}
