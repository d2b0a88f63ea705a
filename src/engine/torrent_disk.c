/* One torrent's disk before it can work: load the record, look at what is there, check what is in
 * doubt, make files ready.
 *
 * What is believed of the disk at a start: a record that was closed cleanly is believed for files
 * whose identity, length and time are as recorded; after a crash identity and length decide,
 * durable pieces are believed, and every other piece of a file that is there is hashed again.
 * Without a record everything there is hashed. A wanted file that is not recorded as ours and in
 * which nothing fits the torrent is somebody else's, also when it becomes wanted later. Pieces of nothing but padding are hashed unless the record believes them. */
#include "engine/torrent.h"

#include "base/limits.h"
#include "codec/name.h"

#include <stdlib.h>

static void check_what_is_in_doubt(struct torrent *t);
static void prepare(struct torrent *t);

/* ---- the record ------------------------------------------------------------------------------ */

static bool has_same_root(const char *a, const char *b)
{
    size_t size = strcspn(a, "/");
    return strcspn(b, "/") == size && memcmp(a, b, size) == 0;
}

/* The user calls it something else than it is recorded as: he has renamed it, or wants another copy. A file that
 * was renamed is known by its inode; what else is at the new names is not ours, and what is at the old ones stays. */
static bool is_renamed(struct torrent *t)
{
    for (uint32_t i = 0; t->options->name && i < t->metainfo->file_count; i++) {
        const char *recorded = t->record.files[i].path;
        if (recorded && t->paths[i]) {
            return !has_same_root(recorded, t->paths[i]);
        }
    }
    return false;
}

static void forget_recorded_names(struct torrent *t)
{
    bitset_empty(&t->ours);
    for (uint32_t i = 0; i < t->metainfo->file_count; i++) {
        free(t->record.files[i].path);
        t->record.files[i].path = NULL;
    }
}

/* The recorded names win, unless the user gives another: files on the disk keep theirs. */
static int build_names(struct torrent *t)
{
    uint32_t count = t->metainfo->file_count;
    bool recorded = t->has_record && t->record.file_count == count;
    if (t->paths) {
        return 0;
    }
    arena_deinit(&t->names); /* of a try for which there was no memory */
    arena_init(&t->names, 0);
    if (!recorded || t->options->name) {
        int failed = name_map_build(t->metainfo, t->options->name, LIMIT_NAME_BYTES, false,
                                    &t->names, &t->paths);
        if (failed || !recorded) {
            return failed;
        }
        if (is_renamed(t)) {
            forget_recorded_names(t);
            return 0;
        }
    }
    const char **paths = arena_array(&t->names, count + 1, sizeof *paths);
    for (uint32_t i = 0; paths && i < count; i++) {
        paths[i] = t->record.files[i].path;
    }
    t->paths = paths;
    return paths ? 0 : SPATE_ENOMEM;
}

static void on_store_freed(void *user)
{
    struct torrent *t = user;
    t->store_ending = false;
    turn_add(&t->env->turn, &t->step);
}

static int open_store(struct torrent *t)
{
    /* The same part file, however the destination was named. */
    char *part_path =
        resume_part_path(t->env->resume, t->metainfo->info_hash, t->record.destination);
    const struct store_settings settings = {
        .io = t->env->io,
        .open_files = t->env->open_files,
        .windows = t->env->windows,
        .on_freed = on_store_freed,
        .user = t,
        .layout = t->layout,
        .paths = t->paths,
        .file_count = t->metainfo->file_count,
        .save_path = t->options->save_path,
        .part_path = part_path,
        .allocate =
            t->options->allocation == SPATE_ALLOCATE_FULL ? IO_ALLOCATE_FULL : IO_ALLOCATE_SPARSE,
        .allocate_none = t->options->allocation == SPATE_ALLOCATE_NONE,
        .read_only = t->options->flags & SPATE_ADD_SEED_ONLY,
        .follow_symlinks = t->options->flags & SPATE_ADD_FOLLOW_SYMLINKS,
    };
    int failed = store_create(&settings, &t->store);
    t->keeps_parts = part_path != NULL;
    free(part_path);
    return failed;
}

static void look(struct torrent *t)
{
    t->phase = TORRENT_LOOKING;
    t->look.found = t->found;
    store_look(t->store, &t->look);
}

/* The names are known once the record is. */
static void go_on_after_load(struct torrent *t)
{
    int failed = build_names(t);
    if (!failed && !t->store) {
        failed = open_store(t);
    }
    if (failed) {
        torrent_fail(t, failed, NULL);
    } else {
        look(t);
    }
}

static void on_loaded(struct io_op *op, int status)
{
    struct torrent *t = list_entry(op, struct torrent, load.op);
    if (status == 0) {
        t->loaded = true;
        t->has_record = t->load.found;
        t->record = t->load.record;
        if (t->load.found) {
            t->key = t->record.key;
            t->uploaded_before = t->record.uploaded_bytes;
            t->downloaded_before = t->record.downloaded_bytes;
            t->completed_announced = t->record.completed_announced;
            for (uint32_t i = 0; i < t->record.file_count && i < t->ours.count; i++) {
                if (t->record.files[i].owned) {
                    bitset_set(&t->ours, i);
                }
            }
        }
        if (t->load.text[0]) {
            log_write(&t->env->log, SPATE_LOG_WARNING, t->id, "%s", t->load.text);
        }
    }
    if (torrent_was_called_off(t)) {
        return;
    }
    if (status < 0) {
        torrent_fail(t, status, t->load.text);
    } else {
        go_on_after_load(t);
    }
}

void torrent_begin(struct torrent *t)
{
    t->error = 0;
    t->text[0] = 0;
    t->read_failed = false;
    t->begin_again = t->choice_waits = false;
    timer_clear(&t->env->timers, &t->retry_timer);
    if (t->loaded) {
        go_on_after_load(t);
    } else {
        t->phase = TORRENT_LOADING;
        memcpy(t->load.info_hash, t->metainfo->info_hash, 20);
        t->load.destination = t->options->save_path;
        t->load.piece_count = t->layout->piece_count;
        t->load.piece_length = t->layout->piece_length;
        t->load.file_count = t->metainfo->file_count;
        resume_load(t->env->resume, &t->load);
    }
    torrent_publish(t, SPATE_CHANGED_STATE);
}

/* ---- what is on the disk --------------------------------------------------------------------- */

static bool is_payload(const struct torrent *t, uint32_t file)
{
    return t->paths[file] != NULL && t->metainfo->files[file].length > 0;
}

/* The pieces that hold bytes of a file: first to last; false when it has none. */
bool torrent_piece_span(const struct torrent *t, uint32_t file, uint32_t *first, uint32_t *last)
{
    const struct metainfo_file *f = &t->metainfo->files[file];
    if (f->length == 0) {
        return false;
    }
    *first = (uint32_t)(f->offset / t->layout->piece_length);
    *last = (uint32_t)((f->offset + f->length - 1) / t->layout->piece_length);
    return true;
}

enum file_trust { FILE_AS_RECORDED, FILE_CHANGED, FILE_GONE };

static enum file_trust trust(const struct torrent *t, uint32_t file)
{
    const struct store_file_found *found = &t->found[file];
    const struct resume_file *recorded = &t->record.files[file];
    if (found->what == STORE_ABSENT) {
        return FILE_GONE;
    }
    bool same = recorded->present && found->stat.inode == recorded->inode &&
                found->stat.device == recorded->device && found->stat.length >= recorded->length;
    if (t->record.clean) {
        same = same && found->stat.length == recorded->length &&
               found->stat.modified_ns == recorded->modified_ns;
    }
    return same ? FILE_AS_RECORDED : FILE_CHANGED;
}

static void doubt_span(struct torrent *t, uint32_t first, uint32_t last)
{
    for (uint32_t piece = first; piece <= last; piece++) {
        bitset_set(&t->to_check, piece);
    }
}

static void distrust_span(struct torrent *t, uint32_t first, uint32_t last)
{
    for (uint32_t piece = first; piece <= last; piece++) {
        pieces_on_lost(&t->pieces, piece);
    }
}

/* It was never made: what is had of it are bytes of pieces that it shares, and the part file has them. */
static bool lies_in_part(const struct torrent *t, uint32_t file)
{
    const struct store_file_found *found = &t->found[file];
    if (found->what == STORE_PRESENT) { /* somebody else's, until it is wanted */
        return found->in_part && !t->wanted[file] && !bitset_get(&t->ours, file);
    }
    return found->in_part && !t->record.files[file].present && (t->keeps_parts || !t->wanted[file]);
}

bool torrent_lacks_kept_bytes(struct torrent *t)
{
    bool keeps = t->keeps_parts || (t->options->flags & SPATE_ADD_SEED_ONLY);
    bool lacks = false;
    for (uint32_t file = 0; !keeps && file < t->metainfo->file_count; file++) {
        uint32_t first, last;
        if (t->wanted[file] && !bitset_get(&t->ours, file) && is_payload(t, file) &&
            torrent_piece_span(t, file, &first, &last)) {
            distrust_span(t, first, last);
            lacks = true;
        }
    }
    return lacks;
}

/* What the record says, for files that are still those it means. */
static void believe_record(struct torrent *t)
{
    for (uint32_t i = 0; i < t->layout->piece_count; i++) {
        if (bitset_get(&t->record.durable, i)) {
            pieces_on_written(&t->pieces, i);
            pieces_on_durable(&t->pieces, i);
        } else if (bitset_get(&t->record.written, i)) {
            bitset_set(&t->to_check, i);
        }
    }
    for (uint32_t file = 0; file < t->metainfo->file_count; file++) {
        uint32_t first, last;
        if (!is_payload(t, file) || !torrent_piece_span(t, file, &first, &last) ||
            lies_in_part(t, file)) {
            continue;
        }
        switch (trust(t, file)) {
        case FILE_GONE:
            distrust_span(t, first, last);
            if (t->found[file].in_part) {
                doubt_span(t, first, last);
            }
            break;
        case FILE_CHANGED:
            distrust_span(t, first, last);
            doubt_span(t, first, last);
            break;
        case FILE_AS_RECORDED:
            if (!t->record.clean) {
                doubt_span(t, first, last);
            }
            break;
        }
    }
    for (uint32_t i = 0; i < t->layout->piece_count; i++) {
        if (bitset_get(&t->pieces.have, i)) {
            bitset_clear(&t->to_check, i);
        }
    }
}

static void doubt_what_is_there(struct torrent *t)
{
    for (uint32_t file = 0; file < t->metainfo->file_count; file++) {
        uint32_t first, last;
        if (is_payload(t, file) && t->found[file].what == STORE_PRESENT &&
            t->found[file].stat.length > 0 && torrent_piece_span(t, file, &first, &last)) {
            doubt_span(t, first, last);
        }
    }
}

/* A drive that is not there must not look like an empty one. */
static bool is_offline(const struct torrent *t)
{
    return t->has_record && !t->look.destination_exists && t->record.durable.ones > 0 &&
           !(t->options->flags & (SPATE_ADD_CHECK | SPATE_ADD_OVERWRITE));
}

/* Something that is neither absent nor a file stands where a file must be. */
static bool obstacle(struct torrent *t)
{
    for (uint32_t file = 0; file < t->metainfo->file_count; file++) {
        if (t->paths[file] && t->wanted[file] && t->found[file].what == STORE_NOT_A_FILE) {
            torrent_fail_file(t, t->found[file].error, file, "cannot use");
            return true;
        }
    }
    return false;
}

static void report_longer_files(struct torrent *t)
{
    for (uint32_t file = 0; file < t->metainfo->file_count; file++) {
        if (t->paths[file] && t->found[file].what == STORE_PRESENT &&
            t->found[file].stat.length > t->metainfo->files[file].length) {
            log_write(&t->env->log, SPATE_LOG_WARNING, t->id,
                      "\"%.200s\" is longer than it should be; it is left as it is",
                      t->paths[file]);
        }
    }
}

static void on_looked(struct io_op *op, int status)
{
    struct torrent *t = list_entry(op, struct torrent, look.op);
    if (t->saving == SAVE_LOOK) {
        torrent_save_on_looked(t, status);
        return;
    }
    if (torrent_was_called_off(t)) {
        return;
    }
    if (status < 0) {
        torrent_fail_file(t, status, UINT32_MAX, "cannot use the destination");
    } else if (is_offline(t)) {
        torrent_fail(t, SPATE_ENOENT,
                     "the destination is missing; finished pieces were there before");
    } else if (!obstacle(t)) {
        report_longer_files(t);
        check_what_is_in_doubt(t);
    }
}

/* ---- checking -------------------------------------------------------------------------------- */

static void after_check(struct torrent *t);
static void on_check_ready(void *user);

static void begin_check(struct torrent *t)
{
    const struct check_settings settings = {.io = t->env->io,
                                            .store = t->store,
                                            .layout = t->layout,
                                            .piece_hashes = t->metainfo->piece_hashes,
                                            .pieces = &t->to_check,
                                            .on_ready = on_check_ready,
                                            .user = t};
    int failed = check_create(&settings, &t->check);
    if (failed) {
        torrent_fail(t, failed, NULL);
        return;
    }
    t->env->checks++;
    check_start(t->check);
}

/* Those whose turn has come: a check takes memory, and disks do not like many at once. */
static void begin_checks(struct env *env)
{
    struct list *node;
    while (env->checks < LIMIT_CHECKS && (node = list_pop_front(&env->checks_waiting))) {
        begin_check(list_entry(node, struct torrent, check_turn));
    }
}

void torrent_end_check(struct torrent *t)
{
    list_remove(&t->check_turn);
    if (t->check) {
        check_destroy(t->check);
        t->check = NULL;
        t->env->checks--;
        begin_checks(t->env);
    }
}

/* What could not be looked at for want of memory is neither there nor missing: the user tries again. */
static void on_check_done(struct torrent *t)
{
    torrent_end_check(t);
    if (torrent_was_called_off(t)) {
        return;
    }
    if (t->check_starved) {
        torrent_fail(t, SPATE_ENOMEM, NULL);
        return;
    }
    t->options->flags &= ~(uint32_t)SPATE_ADD_CHECK; /* once */
    after_check(t);
}

static void on_check_ready(void *user)
{
    struct torrent *t = user;
    struct check_event event;
    while (t->check && check_next(t->check, &event)) {
        if (event.type == CHECK_DONE) {
            on_check_done(t);
            return;
        }
        t->check_starved = t->check_starved || event.error == SPATE_ENOMEM;
        t->checked_bytes +=
            layout_piece_length(t->layout, event.piece) - layout_padding(t->layout, event.piece);
        if (event.good) {
            pieces_on_written(&t->pieces, event.piece);
            t->sync_needed = true;
        } else {
            pieces_on_lost(&t->pieces, event.piece);
        }
        torrent_touch(t, SPATE_CHANGED_PROGRESS);
    }
}

static void forget_pieces(struct torrent *t)
{
    for (uint32_t i = 0; i < t->layout->piece_count; i++) {
        pieces_on_lost(&t->pieces, i);
    }
}

/* A piece of nothing but padding (BEP 47) lies in no file: its hash alone says whether it is had. */
static void doubt_padding(struct torrent *t)
{
    for (uint32_t i = 0; t->layout->has_padding && i < t->layout->piece_count; i++) {
        if (!bitset_get(&t->pieces.have, i) && layout_is_padding(t->layout, i)) {
            bitset_set(&t->to_check, i);
        }
    }
}

static void check_what_is_in_doubt(struct torrent *t)
{
    forget_pieces(t);
    store_start_over(t->store);
    bitset_empty(&t->to_check);
    if (t->options->flags & SPATE_ADD_CHECK) {
        bitset_fill(&t->to_check);
    } else if (t->has_record) {
        believe_record(t);
    } else {
        doubt_what_is_there(t);
    }
    doubt_padding(t);
    t->checked_bytes = 0;
    t->check_starved = false;
    if (t->to_check.ones == 0) {
        after_check(t);
        return;
    }
    t->phase = TORRENT_CHECKING;
    list_push_back(&t->env->checks_waiting, &t->check_turn);
    begin_checks(t->env);
    torrent_publish(t, SPATE_CHANGED_STATE);
}

/* A file that was there before us and in which nothing fits is not ours to write over. While its bytes go to the
 * part file, a piece that it shares with others may be right without it. */
static bool is_foreign(const struct torrent *t, uint32_t file)
{
    const struct metainfo_file *f = &t->metainfo->files[file];
    uint32_t first, last;
    if (!is_payload(t, file) || !t->wanted[file] || bitset_get(&t->ours, file) ||
        t->found[file].what != STORE_PRESENT || t->found[file].stat.length == 0 ||
        !torrent_piece_span(t, file, &first, &last)) {
        return false;
    }
    if (t->found[file].in_part) {
        first += f->offset % t->layout->piece_length != 0;
        uint64_t end = f->offset + f->length;
        bool shared = end % t->layout->piece_length != 0 && end < t->layout->total_length;
        if (shared && last == 0) {
            return true;
        }
        last -= shared;
    }
    return first > last || bitset_next(&t->pieces.have, first) > last;
}

static void take_wanted_files(struct torrent *t, const uint8_t *wanted)
{
    for (uint32_t file = 0; file < t->metainfo->file_count; file++) {
        if (wanted[file]) {
            bitset_set(&t->ours, file);
        }
    }
}

static void after_check(struct torrent *t)
{
    bool may_take = t->options->flags & SPATE_ADD_OVERWRITE;
    torrent_recount(t);
    if (t->options->flags & SPATE_ADD_SEED_ONLY) {
        if (!pieces_complete(&t->pieces)) {
            char text[128];
            snprintf(text, sizeof text, "%u of %u pieces are missing or wrong",
                     pieces_missing(&t->pieces), t->pieces.wanted.ones);
            torrent_fail(t, SPATE_EMISMATCH, text);
        } else {
            torrent_on_ready(t);
        }
        return;
    }
    for (uint32_t file = 0; !may_take && file < t->metainfo->file_count; file++) {
        if (is_foreign(t, file)) {
            torrent_fail_file(t, SPATE_EFOREIGN, file, "will not overwrite");
            return;
        }
    }
    take_wanted_files(t, t->wanted);
    prepare(t);
}

/* ---- making files ready ---------------------------------------------------------------------- */

void torrent_carry_out_choice(struct torrent *t)
{
    t->want_pending = t->want.op.active;
    if (!t->want_pending) {
        memcpy(t->wanted_lent, t->wanted, t->metainfo->file_count);
        t->want.wanted = t->wanted_lent;
        t->want.ours = t->options->flags & SPATE_ADD_OVERWRITE ? NULL : &t->ours;
        store_want(t->store, &t->want);
    }
}

void torrent_carry_out_waiting_choice(struct torrent *t)
{
    if (t->choice_waits && t->phase == TORRENT_ACTIVE) {
        t->choice_waits = false;
        torrent_carry_out_choice(t);
    }
}

/* A choice was made while one was being carried out: it is carried out as well. */
static bool want_again(struct torrent *t)
{
    bool again = t->want_pending;
    if (again) {
        torrent_carry_out_choice(t);
    }
    return again;
}

static void on_prepared(struct io_op *op, int status)
{
    struct torrent *t = list_entry(op, struct torrent, prepare.op);
    t->look_needed = true;
    if (torrent_was_called_off(t)) {
        return;
    }
    if (status < 0) {
        if (t->prepare.text[0]) {
            torrent_fail(t, status, t->prepare.text);
        } else {
            torrent_fail_file(t, status, t->prepare.file, "cannot prepare");
        }
    } else if (!want_again(t)) { /* newly wanted files have to be prepared, too */
        torrent_on_ready(t);
    }
}

static void on_wanted(struct io_op *op, int status)
{
    struct torrent *t = list_entry(op, struct torrent, want.op);
    bool preparing = t->phase == TORRENT_PREPARING;
    if (status == 0 && !(t->options->flags & SPATE_ADD_SEED_ONLY)) {
        take_wanted_files(t, t->wanted_lent);
    }
    if (t->want.sync_failed) {
        torrent_distrust(t);
    }
    if (want_again(t) || (preparing && torrent_was_called_off(t))) {
        return;
    }
    if (status == SPATE_EFOREIGN && (preparing || t->phase == TORRENT_ACTIVE)) {
        t->begin_again = true;
        t->phase = preparing ? TORRENT_IDLE : TORRENT_ACTIVE;
        turn_add(&t->env->turn, &t->step);
    } else if (status < 0 && (preparing || t->phase == TORRENT_ACTIVE)) {
        torrent_fail_file(t, status, t->want.file, "cannot prepare");
    } else if (preparing && t->saving == SAVE_IDLE) {
        store_prepare(t->store, &t->prepare);
    }
}

/* A record stands before the first file does, so that after a crash what is there is known to be
 * ours. */
static void prepare(struct torrent *t)
{
    t->phase = TORRENT_PREPARING;
    torrent_save_now(t, false);
    torrent_publish(t, SPATE_CHANGED_STATE);
}

void torrent_go_on_preparing(struct torrent *t)
{
    if (torrent_was_called_off(t)) {
        return;
    }
    torrent_carry_out_choice(t);
}

void torrent_disk_init(struct torrent *t)
{
    t->load.op.done = on_loaded;
    t->look.op.done = on_looked;
    t->want.op.done = on_wanted;
    t->prepare.op.done = on_prepared;
}
