/* Pieces in flight: the loop's side. A frame is a piece with some of its blocks; one job at a time works on
 * it. Blocks fill chunks; when enough complete chunks stand in a row after those already hashed, they are
 * hashed; when the piece is complete its last job hashes the rest, compares and writes. */
#include "disk/assembly_internal.h"
#include "disk/hasher.h"

#include <stdlib.h>

enum {
    /* Complete chunks that are worth a job before the piece is complete; then, how many one job hashes at
     * most, so that a piece read back from the disk does not hold a worker for long. */
    HASH_CHUNKS_MIN = 4,
    HASH_CHUNKS_MAX = 32,
};

static void on_job(struct io_op *, int status);
static void advance(struct frame *);

/* ---- memory ---- */

void assembly_set_leaving(struct frame *f, uint64_t bytes)
{
    struct frames *frames = f->assembly->settings.frames;
    frames->leaving_bytes = frames->leaving_bytes - f->leaving_bytes + bytes;
    f->leaving_bytes = bytes;
}

void assembly_free_chunk(struct frame *f, uint32_t chunk)
{
    struct chunk *c = &f->chunks[chunk];
    uint32_t size = frame_chunk_bytes(f, chunk);
    if (c->bytes) {
        frames_give(f->assembly->settings.frames, c->bytes, size);
        f->memory_bytes -= size;
    }
    c->bytes = NULL;
    c->memory = 0;
}

/* All memory but that of chunks with lent slots. */
static void free_chunks(struct frame *f)
{
    assembly_set_leaving(f, 0);
    for (uint32_t i = 0; i < f->chunk_count; i++) {
        if (!f->chunks[i].lent) {
            assembly_free_chunk(f, i);
        }
    }
}

/* ---- frames ---- */

static struct frame *find(const struct assembly *a, uint32_t piece)
{
    return map_get(&a->frames, &piece);
}

/* True when it was not there before. */
static bool have_on_disk(struct frame *f, uint32_t block)
{
    struct chunk *c = &f->chunks[block / CHUNK_BLOCKS];
    uint16_t bit = (uint16_t)(1u << (block % CHUNK_BLOCKS));
    if (c->disk & bit) {
        return false;
    }
    c->disk |= bit;
    f->have_blocks++;
    return true;
}

static struct frame *create(struct assembly *a, uint32_t piece)
{
    const struct layout *l = a->settings.layout;
    uint32_t length = layout_piece_length(l, piece);
    uint32_t chunks = (length - 1) / LIMIT_FRAME_CHUNK_BYTES + 1;
    struct frame *f = calloc(1, sizeof *f + chunks * sizeof f->chunks[0]);
    if (!f || map_put(&a->frames, &piece, f) < 0) {
        free(f);
        return NULL;
    }
    f->assembly = a;
    f->piece = piece;
    f->length = length;
    f->block_count = layout_block_count(l, piece);
    f->chunk_count = chunks;
    f->store = a->settings.store;
    f->expected = a->settings.piece_hashes + (size_t)piece * SHA1_BYTES;
    f->offset = layout_piece_offset(l, piece);
    f->want_digests = a->suspects.bytes && bitset_get(&a->suspects, piece);
    struct padding padding = padding_begin(l, piece);
    for (uint32_t i; (i = padding_next(&padding)) != PADDING_NONE;) {
        f->padding_blocks += have_on_disk(f, i);
    }
    list_init(&f->event);
    list_push_back(&a->settings.frames->lru, &f->lru);
    sha1_init(&f->sha);
    return f;
}

static void assembly_free(struct assembly *a)
{
    bitset_deinit(&a->spilled);
    bitset_deinit(&a->suspects);
    map_deinit(&a->frames);
    store_release(a->settings.store);
    frames_release(a->settings.frames);
    free(a);
}

static void free_when_done(struct assembly *a)
{
    if (a->destroyed && a->frames.count == 0 && !a->signal.active) {
        assembly_free(a);
    }
}

static void frame_free(struct frame *f)
{
    ASSERT(!f->op.active && f->lent_blocks == 0);
    free_chunks(f);
    list_remove(&f->event);
    list_remove(&f->lru);
    if (find(f->assembly, f->piece) == f) {
        map_remove(&f->assembly->frames, &f->piece);
    }
    free(f->digests);
    free(f);
}

/* Dropped frames go once nothing holds them. */
static void free_dropped(struct frame *f)
{
    if (f->dropped && !f->op.active && f->lent_blocks == 0) {
        frame_free(f);
    }
}

/* ---- events ---- */

static void on_signal(struct io_op *op, int status)
{
    struct assembly *a = list_entry(op, struct assembly, signal);
    if (a->destroyed) {
        free_when_done(a);
    } else if (status == 0) {
        a->settings.on_ready(a->settings.user);
    }
}

void assembly_signal(struct assembly *a)
{
    if (!a->signal.active && !a->destroyed) {
        a->signal.done = on_signal;
        io_turn_end(a->settings.io, &a->signal);
    }
}

static void tell(struct frame *f)
{
    if (!list_linked(&f->event)) {
        list_push_back(&f->assembly->events, &f->event);
    }
    assembly_signal(f->assembly);
}

static void conclude(struct frame *f, enum frame_verdict verdict, int error)
{
    f->verdict = verdict;
    f->error = error;
    f->error_file = f->job_file;
    free_chunks(f);
    tell(f);
}

/* Everything that can be written has been. */
static void check_flushed(struct assembly *a)
{
    if (!a->flushing || a->flushed) {
        return;
    }
    size_t cursor = 0;
    for (struct frame *f; (f = map_each(&a->frames, &cursor));) {
        if (f->op.active) {
            return;
        }
    }
    a->flushed = true;
    assembly_signal(a);
}

/* ---- jobs ---- */

void assembly_start(struct frame *f, enum frame_job job)
{
    static int (*const run[])(struct io_op *, struct io_fs *) = {
        [FRAME_HASH] = hasher_run_hash,
        [FRAME_FINISH] = hasher_run_finish,
        [FRAME_SPILL] = hasher_run_spill,
    };
    uint32_t end = job == FRAME_FINISH ? f->chunk_count : job == FRAME_HASH ? f->job_end : 0;
    uint64_t bytes =
        end > f->hashed_chunks ? (uint64_t)(end - f->hashed_chunks) * LIMIT_FRAME_CHUNK_BYTES : 0;
    f->job = job;
    f->job_file = UINT32_MAX;
    f->op.done = on_job;
    io_work(f->assembly->settings.io, job == FRAME_HASH ? IO_POOL_COMPUTE : IO_POOL_WRITE, &f->op,
            run[job], bytes < f->length ? bytes : f->length);
}

static void hash_done(struct frame *f)
{
    for (uint32_t i = f->hashed_chunks; i < f->job_end; i++) {
        if (f->chunks[i].bytes) {
            /* What was on the disk has been read into its place. */
            f->chunks[i].memory = frame_chunk_mask(f, i);
        }
    }
    f->hashed_chunks = f->job_end;
}

/* Memory of chunks that nobody fills and whose blocks are all on the disk. */
static void free_idle_chunks(struct frame *f)
{
    for (uint32_t i = 0; i < f->chunk_count; i++) {
        const struct chunk *c = &f->chunks[i];
        if (c->bytes && !c->lent && !c->spill && (c->memory & ~c->disk) == 0) {
            assembly_free_chunk(f, i);
        }
    }
}

static void on_job(struct io_op *op, int status)
{
    struct frame *f = list_entry(op, struct frame, op);
    struct assembly *a = f->assembly;
    struct frames *frames = a->settings.frames;
    if (f->job == FRAME_SPILL) {
        assembly_spill_done(f, status == 0);
    } else if (f->job == FRAME_HASH && status == 0) {
        hash_done(f);
    }
    if (f->dropped) {
        free_chunks(f);
        free_dropped(f);
    } else if (status < 0) {
        conclude(f, FRAME_BROKEN, status);
    } else if (f->job == FRAME_FINISH) {
        conclude(f, f->good ? FRAME_WRITTEN : FRAME_FAILED, 0);
    } else {
        if (f->job == FRAME_SPILL) {
            tell(f);
        }
        free_idle_chunks(f);
        advance(f);
    }
    /* Held: freeing the last frame of a destroyed assembly must not take the frames with it. */
    frames_hold(frames);
    check_flushed(a);
    free_when_done(a);
    assembly_relieve(frames);
    frames_release(frames);
}

/* Starts the frame's next job, if there is something to do. */
static void advance(struct frame *f)
{
    if (f->op.active || f->verdict != FRAME_OPEN || f->dropped) {
        return;
    }
    bool complete = f->have_blocks == f->block_count;
    uint32_t end = f->hashed_chunks;
    while (end < f->chunk_count && end - f->hashed_chunks < HASH_CHUNKS_MAX &&
           frame_chunk_is_complete(f, end)) {
        end++;
    }
    uint32_t ready = end - f->hashed_chunks;
    f->job_end = end;
    if (complete) {
        assembly_set_leaving(f, f->memory_bytes);
        bool last = f->chunk_count - f->hashed_chunks <= HASH_CHUNKS_MIN;
        assembly_start(f, last ? FRAME_FINISH : FRAME_HASH);
    } else if (f->assembly->flushing) {
        assembly_spill_frame(f, true, UINT64_MAX);
    } else if (ready >= HASH_CHUNKS_MIN) {
        assembly_start(f, FRAME_HASH);
    }
}

/* ---- the assembly ---- */

int assembly_create(const struct assembly_settings *settings, struct assembly **out)
{
    *out = NULL;
    struct assembly *a = calloc(1, sizeof *a);
    if (!a) {
        return SPATE_ENOMEM;
    }
    uint64_t seed[2];
    a->settings = *settings;
    io_entropy(settings->io, seed, sizeof seed);
    map_init(&a->frames, sizeof(uint32_t), seed);
    list_init(&a->events);
    uint32_t blocks = (settings->layout->piece_length - 1) / BLOCK_BYTES + 1;
    if (bitset_init(&a->spilled, blocks) < 0) {
        free(a);
        return SPATE_ENOMEM;
    }
    list_init(&a->waiting);
    store_hold(settings->store);
    frames_hold(settings->frames);
    *out = a;
    return 0;
}

/* The event handed out last is over. */
static void finish_told(struct assembly *a)
{
    struct frame *f = a->told;
    a->told = NULL;
    if (f) {
        f->dropped = true;
        free_dropped(f);
    }
}

void assembly_destroy(struct assembly *a)
{
    if (!a) {
        return;
    }
    struct frames *frames = a->settings.frames;
    a->told = NULL;
    a->destroyed = true;
    list_remove(&a->waiting);
    if (a->signal.active) {
        io_cancel(a->settings.io, &a->signal);
    }
    list_for_each_safe (node, &frames->lru) {
        struct frame *f = list_entry(node, struct frame, lru);
        if (f->assembly == a) {
            ASSERT(f->lent_blocks == 0);
            f->dropped = true;
            free_dropped(f);
        }
    }
    frames_hold(frames);
    free_when_done(a);
    assembly_relieve(frames);
    frames_release(frames);
}

static struct chunk *chunk_of(struct frame *f, struct block b, uint16_t *bit)
{
    uint32_t block = b.offset / BLOCK_BYTES;
    ASSERT(b.offset % BLOCK_BYTES == 0 && block < f->block_count &&
           b.length == frame_block_bytes(f, block));
    *bit = (uint16_t)(1u << (block % CHUNK_BLOCKS));
    return &f->chunks[block / CHUNK_BLOCKS];
}

static bool is_empty(const struct frame *f)
{
    return f->have_blocks == f->padding_blocks && f->lent_blocks == 0 && !f->op.active &&
           f->verdict == FRAME_OPEN;
}

/* on_ready follows when there is room. */
static void refuse(struct assembly *a, bool *what)
{
    *what = true;
    if (!list_linked(&a->waiting)) {
        list_push_back(&a->settings.frames->waiting, &a->waiting);
    }
}

uint8_t *assembly_slot(struct assembly *a, struct block b)
{
    ASSERT(b.piece < a->settings.layout->piece_count);
    struct frames *frames = a->settings.frames;
    struct frame *f = find(a, b.piece);
    if (f && (f->dropped || f->verdict != FRAME_OPEN)) {
        /* What was there before is still going. */
        refuse(a, &frames->slot_refused);
        return NULL;
    }
    f = f ? f : create(a, b.piece);
    if (!f) {
        refuse(a, &frames->slot_refused);
        return NULL;
    }
    uint16_t bit;
    struct chunk *c = chunk_of(f, b, &bit);
    uint32_t index = b.offset / LIMIT_FRAME_CHUNK_BYTES;
    ASSERT(((c->lent | c->memory | c->disk) & bit) == 0);
    if (!c->bytes) {
        uint32_t size = frame_chunk_bytes(f, index);
        c->bytes = frames_take(frames, size);
        if (!c->bytes) {
            refuse(a, &frames->slot_refused);
            if (is_empty(f)) {
                frame_free(f);
            }
            assembly_relieve(frames);
            return NULL;
        }
        f->memory_bytes += size;
    }
    c->lent |= bit;
    f->lent_blocks++;
    return c->bytes + b.offset % LIMIT_FRAME_CHUNK_BYTES;
}

/* A lent slot has come back. */
static struct frame *take_back(struct assembly *a, struct block b, struct chunk **chunk,
                               uint16_t *bit)
{
    struct frame *f = find(a, b.piece);
    ASSERT(f);
    *chunk = chunk_of(f, b, bit);
    ASSERT((*chunk)->lent & *bit);
    (*chunk)->lent = (uint16_t)((*chunk)->lent & ~*bit);
    f->lent_blocks--;
    return f;
}

/* Of a chunk that nobody fills and nothing is in, and of a frame without anything. */
static void release_idle(struct frame *f, struct block b)
{
    uint32_t index = b.offset / LIMIT_FRAME_CHUNK_BYTES;
    struct chunk *c = &f->chunks[index];
    bool going = f->dropped || f->verdict != FRAME_OPEN;
    if (!c->lent && !f->op.active && (going || (c->memory & ~c->disk) == 0)) {
        assembly_free_chunk(f, index);
    }
    if (going) {
        free_dropped(f);
    } else if (is_empty(f)) {
        frame_free(f);
    }
}

void assembly_received(struct assembly *a, struct block b)
{
    struct chunk *c;
    uint16_t bit;
    struct frame *f = take_back(a, b, &c, &bit);
    if (f->dropped || f->verdict != FRAME_OPEN) {
        release_idle(f, b);
    } else {
        c->memory |= bit;
        f->have_blocks++;
        list_remove(&f->lru);
        list_push_back(&a->settings.frames->lru, &f->lru);
        if (c->lent) {
            return; /* nothing more can be done with the chunk yet */
        }
        if (frame_chunk_is_complete(f, b.offset / LIMIT_FRAME_CHUNK_BYTES)) {
            advance(f);
        }
    }
    assembly_relieve(a->settings.frames);
}

void assembly_return(struct assembly *a, struct block b)
{
    struct chunk *c;
    uint16_t bit;
    struct frame *f = take_back(a, b, &c, &bit);
    release_idle(f, b);
    assembly_relieve(a->settings.frames);
}

bool assembly_may_start(struct assembly *a, uint32_t piece)
{
    struct frames *frames = a->settings.frames;
    (void)piece;
    if (frames_may_start(frames)) {
        return true;
    }
    refuse(a, &frames->start_refused);
    return false;
}

int assembly_restore(struct assembly *a, uint32_t piece, const struct bitset *blocks)
{
    const struct layout *l = a->settings.layout;
    if (piece >= l->piece_count || blocks->count != layout_block_count(l, piece) ||
        find(a, piece)) {
        return SPATE_EINVAL;
    }
    if (blocks->ones == 0) {
        return 0;
    }
    struct frame *f = create(a, piece);
    if (!f) {
        return SPATE_ENOMEM;
    }
    for (uint32_t i = bitset_next(blocks, 0); i < blocks->count; i = bitset_next(blocks, i + 1)) {
        have_on_disk(f, i);
    }
    if (is_empty(f)) {
        frame_free(f);
    } else {
        advance(f);
    }
    return 0;
}

void assembly_drop(struct assembly *a, uint32_t piece)
{
    struct frame *f = find(a, piece);
    if (f && !f->dropped) {
        ASSERT(f->lent_blocks == 0);
        if (a->told == f) {
            a->told = NULL;
        }
        list_remove(&f->event);
        f->dropped = true;
        free_dropped(f);
        assembly_relieve(a->settings.frames);
    }
}

uint32_t assembly_count(const struct assembly *a)
{
    return (uint32_t)a->frames.count;
}

void assembly_flush(struct assembly *a)
{
    a->flushing = true;
    a->flushed = false;
    size_t cursor = 0;
    for (struct frame *f; (f = map_each(&a->frames, &cursor));) {
        advance(f);
    }
    check_flushed(a);
}

void assembly_want_digests(struct assembly *a, uint32_t piece)
{
    if (!a->suspects.bytes && bitset_init(&a->suspects, a->settings.layout->piece_count) < 0) {
        return; /* without memory nobody can be shown to have lied */
    }
    bitset_set(&a->suspects, piece);
    struct frame *f = find(a, piece);
    if (f && !f->op.active) {
        f->want_digests = true;
    }
}

static void fill_spilled(struct assembly *a, const struct frame *f)
{
    /* The last piece has fewer blocks than the set has room for. */
    a->spilled.count = f->block_count;
    bitset_empty(&a->spilled);
    for (uint32_t i = 0; i < f->block_count; i++) {
        if (f->chunks[i / CHUNK_BLOCKS].disk & (1u << (i % CHUNK_BLOCKS))) {
            bitset_set(&a->spilled, i);
        }
    }
}

static void fill_verdict(const struct frame *f, struct assembly_event *e)
{
    e->type = f->verdict == FRAME_WRITTEN  ? ASSEMBLY_WRITTEN
              : f->verdict == FRAME_FAILED ? ASSEMBLY_FAILED
                                           : ASSEMBLY_BROKEN;
    e->error = f->error;
    e->file = f->error_file;
    if (f->verdict != FRAME_BROKEN) {
        e->block_digests = f->digests;
        e->block_count = f->block_count;
    }
}

bool assembly_next(struct assembly *a, struct assembly_event *e)
{
    finish_told(a);
    *e = (struct assembly_event){.file = UINT32_MAX};
    struct list *node = list_pop_front(&a->events);
    if (node) {
        struct frame *f = list_entry(node, struct frame, event);
        e->piece = f->piece;
        if (f->verdict == FRAME_OPEN) {
            fill_spilled(a, f);
            e->type = ASSEMBLY_SPILLED;
            e->blocks = &a->spilled;
        } else {
            fill_verdict(f, e);
            a->told = f;
            if (f->lent_blocks == 0) {
                /* The piece may be started again at once. */
                map_remove(&a->frames, &f->piece);
            }
            if (f->verdict == FRAME_WRITTEN && a->suspects.bytes) {
                bitset_clear(&a->suspects, f->piece);
            }
        }
        return true;
    }
    if (a->flushed) {
        a->flushing = a->flushed = false;
        e->type = ASSEMBLY_FLUSHED;
        return true;
    }
    return false;
}

static bool frame_is_consistent(const struct frame *f)
{
    uint64_t memory_bytes = 0;
    uint32_t have = 0, lent = 0;
    for (uint32_t i = 0; i < f->chunk_count; i++) {
        const struct chunk *c = &f->chunks[i];
        memory_bytes += c->bytes ? frame_chunk_bytes(f, i) : 0;
        have += (uint32_t)__builtin_popcount(c->memory | c->disk);
        lent += (uint32_t)__builtin_popcount(c->lent);
        if ((c->lent & (c->memory | c->disk)) || (c->lent && !c->bytes) ||
            (c->memory && !c->bytes) || (c->spill & ~c->memory)) {
            return false;
        }
    }
    bool open = f->verdict == FRAME_OPEN && !f->dropped;
    return memory_bytes == f->memory_bytes && lent == f->lent_blocks &&
           f->leaving_bytes <= f->memory_bytes && (!open || have == f->have_blocks) &&
           (!open || f->op.active || f->have_blocks < f->block_count);
}

bool assembly_is_consistent(const struct assembly *a)
{
    const struct frames *frames = a->settings.frames;
    uint64_t used = 0, leaving = 0;
    list_for_each (node, &frames->lru) {
        const struct frame *f = list_entry(node, struct frame, lru);
        used += f->memory_bytes;
        leaving += f->leaving_bytes;
        if (!frame_is_consistent(f)) {
            return false;
        }
    }
    return used == frames->used_bytes && leaving == frames->leaving_bytes &&
           used <= frames->cap_bytes && frames->peak_bytes <= frames->cap_bytes;
}
