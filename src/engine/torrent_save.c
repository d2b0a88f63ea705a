/* A torrent's record. One save: what is written is recorded first, then synced, then known to be
 * durable, which the next save records. A save that ends the work syncs first, and records the
 * files' times: such a record is clean. After a failed sync nothing that it covered is believed
 * until it has been hashed again. */
#include "engine/torrent.h"

#include "base/plant.h"
#include <stdlib.h>

#define TORRENT_SAVE_NS INT64_C(5000000000)

static void step(struct torrent *t);

/* ---- partial pieces -------------------------------------------------------------------------- */

void torrent_set_partial(struct torrent *t, uint32_t piece, const struct bitset *blocks)
{
    struct resume_record *r = &t->record;
    uint32_t i = 0;
    while (i < r->partial_count && r->partials[i].piece != piece) {
        i++;
    }
    if (i < r->partial_count) {
        bitset_deinit(&r->partials[i].blocks);
        r->partials[i] = r->partials[--r->partial_count];
    }
    if (!blocks || blocks->ones == 0 || r->partial_count >= LIMIT_PARTIAL_PIECES) {
        return;
    }
    struct resume_partial *grown =
        realloc(r->partials, (r->partial_count + 1) * sizeof *r->partials);
    if (!grown) {
        return; /* those blocks are fetched again */
    }
    r->partials = grown;
    struct resume_partial *added = &r->partials[r->partial_count];
    added->piece = piece;
    if (bitset_init(&added->blocks, blocks->count) == 0) {
        bitset_load(&added->blocks, blocks->bytes, bitset_bytes(blocks->count));
        r->partial_count++;
    }
}

/* ---- building the record --------------------------------------------------------------------- */

/* Memory that every later save uses again. */
static int allocate(struct torrent *t)
{
    struct resume_record *r = &t->record;
    uint32_t files = t->metainfo->file_count;
    if (!r->written.bytes && bitset_init(&r->written, t->layout->piece_count)) {
        return SPATE_ENOMEM;
    }
    if (!r->durable.bytes && bitset_init(&r->durable, t->layout->piece_count)) {
        return SPATE_ENOMEM;
    }
    if (!r->files) {
        r->files = calloc(files + 1, sizeof *r->files);
        r->file_count = r->files ? files : 0;
    }
    if (!r->wanted) {
        r->wanted = malloc(files + 1);
    }
    for (uint32_t i = 0; r->files && i < files; i++) {
        if (t->paths[i] && !r->files[i].path && !(r->files[i].path = strdup(t->paths[i]))) {
            return SPATE_ENOMEM;
        }
    }
    return r->destination && r->files && r->wanted ? 0 : SPATE_ENOMEM;
}

/* A file that is there and has not been looked into is not known: when it becomes wanted, it is hashed. */
static void record_file(struct torrent *t, uint32_t index)
{
    struct resume_file *file = &t->record.files[index];
    const struct store_file_found *found = &t->found[index];
    file->owned = bitset_get(&t->ours, index);
    file->present =
        found->what == STORE_PRESENT && (file->owned || (t->options->flags & SPATE_ADD_SEED_ONLY));
    file->device = found->stat.device;
    file->inode = found->stat.inode;
    file->length = found->stat.length;
    file->modified_ns = found->stat.modified_ns;
}

static int build(struct torrent *t)
{
    struct resume_record *r = &t->record;
    int failed = allocate(t);
    if (failed) {
        return failed;
    }
    memcpy(r->info_hash, t->metainfo->info_hash, 20);
    r->clean = t->save_clean && !t->unknown && !t->read_failed;
    r->completed = pieces_complete(&t->pieces);
    r->completed_announced = t->completed_announced;
    r->key = t->key;
    const struct swarm_totals totals = torrent_totals(t);
    r->uploaded_bytes = t->uploaded_before + totals.uploaded_bytes;
    r->downloaded_bytes = t->downloaded_before + totals.downloaded_bytes;
    bitset_load(&r->written, t->pieces.have.bytes, bitset_bytes(r->written.count));
    const struct bitset *durable = PLANT(RECORD_EARLY) ? &t->pieces.have : &t->pieces.durable;
    bitset_load(&r->durable, durable->bytes, bitset_bytes(r->durable.count));
    memcpy(r->wanted, t->wanted, t->metainfo->file_count);
    for (uint32_t i = 0; i < r->file_count; i++) {
        if (t->paths[i] && !t->look_needed) {
            record_file(t, i);
        }
    }
    return 0;
}

/* ---- the steps of a save --------------------------------------------------------------------- */

static void finish(struct torrent *t)
{
    bool clean = t->save_clean;
    t->saving = SAVE_IDLE;
    if (t->save_again) {
        bool again_clean = t->save_again_clean;
        t->save_again = t->save_again_clean = false;
        torrent_save_now(t, again_clean);
        return;
    }
    torrent_on_saved(t, clean);
}

static void on_recorded(struct io_op *op, int status)
{
    struct torrent *t = list_entry(op, struct torrent, save.op);
    free(t->save.bytes);
    t->save.bytes = NULL;
    if (status < 0) {
        log_write(&t->env->log, SPATE_LOG_ERROR, t->id, "cannot record what is on the disk: %s",
                  spate_strerror(status));
    } else {
        t->has_record = true;
    }
    if (!t->look_needed) { /* else the record is one from before the choice */
        torrent_carry_out_waiting_choice(t);
    }
    if (t->save_clean || !t->sync_needed) {
        finish(t);
        return;
    }
    t->saving = SAVE_SYNC;
    step(t);
}

static void record(struct torrent *t)
{
    int failed = build(t);
    if (!failed) {
        failed = resume_record_encode(&t->record, &t->save.bytes, &t->save.size);
    }
    if (failed) {
        log_write(&t->env->log, SPATE_LOG_ERROR, t->id, "cannot record what is on the disk: %s",
                  spate_strerror(failed));
        if (!t->save_clean) {
            torrent_save_soon(t);
        }
        finish(t);
        return;
    }
    memcpy(t->save.info_hash, t->metainfo->info_hash, 20);
    t->save.destination = t->record.destination;
    resume_save(t->env->resume, &t->save);
}

static void mark_durable(struct torrent *t)
{
    for (uint32_t i = bitset_next(&t->syncing, 0); i < t->syncing.count;
         i = bitset_next(&t->syncing, i + 1)) {
        if (pieces_on_durable(&t->pieces, i)) {
            t->durable_bytes += torrent_wanted_in_piece(t, i);
        }
    }
}

void torrent_distrust(struct torrent *t)
{
    const struct bitset *have = &t->pieces.have;
    for (uint32_t i = bitset_next(have, 0); i < have->count; i = bitset_next(have, i + 1)) {
        if (!bitset_get(&t->pieces.durable, i)) {
            pieces_on_lost(&t->pieces, i);
        }
    }
    bitset_empty(&t->syncing);
    t->unknown = true;
    torrent_recount(t);
}

static void on_synced(struct io_op *op, int status)
{
    struct torrent *t = list_entry(op, struct torrent, sync.op);
    if (status < 0) {
        torrent_distrust(t);
        if (!t->error) {
            torrent_fail(t, status, "the disk could not store what was written");
        }
    } else {
        mark_durable(t);
        torrent_touch(t, SPATE_CHANGED_PROGRESS);
    }
    if (t->save_clean) {
        t->saving = SAVE_LOOK;
        step(t);
    } else {
        if (!t->unknown) {
            torrent_save_soon(t); /* the record does not know yet that they are durable */
        }
        finish(t);
    }
}

/* Wanted files that are not there will be made: should the power fail right after that, they are known to be ours. */
static void claim_absent_files(struct torrent *t)
{
    for (uint32_t i = 0; i < t->metainfo->file_count; i++) {
        if (t->wanted[i] && t->found[i].what == STORE_ABSENT) {
            bitset_set(&t->ours, i);
        }
    }
}

void torrent_save_on_looked(struct torrent *t, int status)
{
    if (status == 0) {
        t->look_needed = false;
        if (t->choice_waits && t->phase == TORRENT_ACTIVE) {
            claim_absent_files(t);
        }
    }
    t->saving = SAVE_RECORD;
    step(t);
}

static void step(struct torrent *t)
{
    switch (t->saving) {
    case SAVE_LOOK:
        t->look.found = t->found;
        store_look(t->store, &t->look);
        break;
    case SAVE_RECORD:
        record(t);
        break;
    case SAVE_SYNC:
        t->sync_needed = false;
        bitset_load(&t->syncing, t->pieces.have.bytes, bitset_bytes(t->syncing.count));
        store_sync(t->store, &t->sync);
        break;
    case SAVE_IDLE:
        break;
    }
}

void torrent_save_now(struct torrent *t, bool clean)
{
    timer_clear(&t->env->timers, &t->save_timer);
    if (t->saving != SAVE_IDLE) {
        t->save_again = true;
        t->save_again_clean = t->save_again_clean || clean;
        return;
    }
    t->save_clean = clean;
    if (clean && t->sync_needed) {
        t->saving = SAVE_SYNC;
    } else if (clean || t->look_needed) {
        t->saving = SAVE_LOOK;
    } else {
        t->saving = SAVE_RECORD;
    }
    step(t);
}

static void on_save_timer(struct timer *timer, int64_t now_ns)
{
    struct torrent *t = list_entry(timer, struct torrent, save_timer);
    (void)now_ns;
    if (t->phase == TORRENT_ACTIVE) {
        torrent_save_now(t, false);
    }
}

void torrent_save_soon(struct torrent *t)
{
    if (!t->save_timer.armed) {
        timer_set(&t->env->timers, &t->save_timer, io_now(t->env->io) + TORRENT_SAVE_NS);
    }
}

void torrent_save_init(struct torrent *t)
{
    t->save_timer.fire = on_save_timer;
    t->sync.op.done = on_synced;
    t->save.op.done = on_recorded;
}
