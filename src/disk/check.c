/* Hashing what is on the disk. A few jobs run side by side, in order; each reads a stretch of bounded size at a
 * time, so that memory does not grow with the piece length, and small pieces are read many at once. Reads
 * only. A job is started again when what it found has been told: who does not listen stops the reading. */
#include "disk/check.h"

#include "base/limits.h"
#include "crypto/sha.h"

#include <stdlib.h>

enum {
    CHECK_PARALLEL_DEFAULT = 4,
    CHECK_PARALLEL_MAX = 2 * LIMIT_WORKERS,
    CHECK_READ_BYTES =
        1 << 20, /* of one read: the kernel reads ahead, and a call costs little beside it */
    CHECK_PIECES_MAX = CHECK_READ_BYTES / BLOCK_BYTES, /* of one job */
};

struct check_result {
    int error;
    uint32_t file; /* where it failed */
};

struct check_job {
    struct io_op op;
    struct check *check;
    uint32_t first, count; /* pieces */
    uint32_t told;
    bool ready;
    struct check_result results[CHECK_PIECES_MAX];
    uint8_t bytes[CHECK_READ_BYTES];
};

struct check {
    struct check_settings settings;
    struct bitset pieces;
    uint32_t next; /* piece to be started */
    uint32_t busy; /* jobs that are on workers, or have something to tell */
    bool started, done_told, destroyed;
    uint32_t job_count;
    struct check_job *jobs[CHECK_PARALLEL_MAX];
};

static void free_check(struct check *c)
{
    for (uint32_t i = 0; i < c->job_count; i++) {
        free(c->jobs[i]);
    }
    bitset_deinit(&c->pieces);
    if (c->settings.store) {
        store_release(c->settings.store);
    }
    free(c);
}

/* ---- on a worker ---- */

static int verdict(struct check *c, struct io_fs *fs, uint32_t piece, struct sha1 *sha)
{
    const struct check_settings *s = &c->settings;
    uint8_t hash[SHA1_BYTES];
    sha1_final(sha, hash);
    if (s->digests) {
        memcpy(s->digests + (size_t)piece * SHA1_BYTES, hash, SHA1_BYTES);
        return 0;
    }
    const uint8_t *expected = s->piece_hashes + (size_t)piece * SHA1_BYTES;
    if (memcmp(hash, expected, SHA1_BYTES) != 0) {
        return SPATE_EMISMATCH;
    }
    return store_mark_found(s->store, fs, layout_piece_offset(s->layout, piece),
                            layout_piece_length(s->layout, piece));
}

static int hash_piece(struct check_job *job, struct io_fs *fs, uint32_t piece, uint32_t *file)
{
    const struct check_settings *s = &job->check->settings;
    uint64_t offset = layout_piece_offset(s->layout, piece);
    uint32_t left = layout_piece_length(s->layout, piece);
    struct sha1 sha;
    sha1_init(&sha);
    while (left > 0) {
        uint32_t n = left < CHECK_READ_BYTES ? left : CHECK_READ_BYTES;
        struct iovec v = {.iov_base = job->bytes, .iov_len = n};
        int rc = store_read_now(s->store, fs, offset, n, &v, 1, file);
        if (rc < 0) {
            return rc;
        }
        sha1_update(&sha, job->bytes, n);
        offset += n;
        left -= n;
    }
    return verdict(job->check, fs, piece, &sha);
}

/* All pieces of the job with one read. False: some of it cannot be read. */
static bool hash_together(struct check_job *job, struct io_fs *fs)
{
    const struct check_settings *s = &job->check->settings;
    uint64_t offset = layout_piece_offset(s->layout, job->first);
    uint32_t last = job->first + job->count - 1, file;
    uint64_t end = layout_piece_offset(s->layout, last) + layout_piece_length(s->layout, last);
    struct iovec v = {.iov_base = job->bytes, .iov_len = (size_t)(end - offset)};
    if (store_read_now(s->store, fs, offset, end - offset, &v, 1, &file) < 0) {
        return false;
    }
    const uint8_t *at = job->bytes;
    for (uint32_t i = 0; i < job->count; i++) {
        struct sha1 sha;
        uint32_t length = layout_piece_length(s->layout, job->first + i);
        sha1_init(&sha);
        sha1_update(&sha, at, length);
        at += length;
        job->results[i].error = verdict(job->check, fs, job->first + i, &sha);
    }
    return true;
}

static int run_job(struct io_op *op, struct io_fs *fs)
{
    struct check_job *job = list_entry(op, struct check_job, op);
    for (uint32_t i = 0; i < job->count; i++) {
        job->results[i] = (struct check_result){.file = UINT32_MAX};
    }
    if (job->count > 1 && hash_together(job, fs)) {
        return 0;
    }
    for (uint32_t i = 0; i < job->count; i++) {
        struct check_result *r = &job->results[i];
        r->error = hash_piece(job, fs, job->first + i, &r->file);
    }
    return 0;
}

/* ---- on the loop ---- */

static void start_job(struct check *c, struct check_job *job)
{
    const struct layout *l = c->settings.layout;
    uint32_t piece = bitset_next(&c->pieces, c->next);
    if (piece >= c->pieces.count) {
        return;
    }
    uint64_t bytes = layout_piece_length(l, piece);
    job->first = piece++;
    job->count = 1;
    while (piece < c->pieces.count && bitset_get(&c->pieces, piece) &&
           job->count < CHECK_PIECES_MAX &&
           bytes + layout_piece_length(l, piece) <= CHECK_READ_BYTES) {
        bytes += layout_piece_length(l, piece++);
        job->count++;
    }
    c->next = piece;
    job->told = 0;
    c->busy++;
    io_work(c->settings.io, IO_POOL_COMPUTE, &job->op, run_job, bytes);
}

static void on_job(struct io_op *op, int status)
{
    struct check_job *job = list_entry(op, struct check_job, op);
    struct check *c = job->check;
    if (c->destroyed) {
        if (--c->busy == 0) {
            free_check(c);
        }
        return;
    }
    for (uint32_t i = 0; status < 0 && i < job->count; i++) {
        job->results[i] = (struct check_result){.error = status, .file = UINT32_MAX};
    }
    job->ready = true;
    c->settings.on_ready(c->settings.user);
}

int check_create(const struct check_settings *settings, struct check **out)
{
    *out = NULL;
    struct check *c = calloc(1, sizeof *c);
    uint32_t jobs = settings->parallel ? settings->parallel : CHECK_PARALLEL_DEFAULT;
    if (!c) {
        return SPATE_ENOMEM;
    }
    bool failed = bitset_init(&c->pieces, settings->layout->piece_count) < 0;
    for (; !failed && c->job_count < jobs && c->job_count < CHECK_PARALLEL_MAX; c->job_count++) {
        struct check_job *job = malloc(sizeof *job);
        if (!job) {
            break;
        }
        memset(job, 0, offsetof(struct check_job, results));
        job->check = c;
        job->op.done = on_job;
        c->jobs[c->job_count] = job;
    }
    if (failed || c->job_count == 0) {
        free_check(c);
        return SPATE_ENOMEM;
    }
    c->settings = *settings;
    c->settings.pieces = NULL;
    store_hold(settings->store);
    if (settings->pieces) {
        bitset_load(&c->pieces, settings->pieces->bytes, bitset_bytes(c->pieces.count));
    } else {
        bitset_fill(&c->pieces);
    }
    *out = c;
    return 0;
}

void check_start(struct check *c)
{
    c->started = true;
    for (uint32_t i = 0; i < c->job_count; i++) {
        start_job(c, c->jobs[i]);
    }
}

bool check_next(struct check *c, struct check_event *out)
{
    for (uint32_t i = 0; i < c->job_count; i++) {
        struct check_job *job = c->jobs[i];
        if (!job->ready) {
            continue;
        }
        const struct check_result *r = &job->results[job->told];
        *out = (struct check_event){.type = CHECK_PIECE,
                                    .piece = job->first + job->told,
                                    .good = r->error == 0,
                                    .error = r->error,
                                    .file = r->file};
        if (++job->told == job->count) {
            job->ready = false;
            c->busy--;
            start_job(c, job);
        }
        return true;
    }
    if (c->started && c->busy == 0 && !c->done_told) {
        c->done_told = true;
        *out = (struct check_event){.type = CHECK_DONE};
        return true;
    }
    return false;
}

void check_destroy(struct check *c)
{
    if (!c) {
        return;
    }
    c->destroyed = true;
    for (uint32_t i = 0; i < c->job_count; i++) {
        c->busy -= c->jobs[i]->ready;
    }
    if (c->busy == 0) {
        free_check(c);
    }
}
