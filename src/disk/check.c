/* Hashing what is on the disk. A few jobs run side by side, each reading one piece in stretches of
 * at most a chunk and hashing it as it goes, so that memory does not grow with the piece length.
 * Reads only. */
#include "disk/check.h"

#include "base/limits.h"
#include "crypto/sha.h"

#include <stdlib.h>

enum { CHECK_PARALLEL_DEFAULT = 4, CHECK_PARALLEL_MAX = 64 };

struct check_job {
    struct io_op op;
    struct check *check;
    uint32_t piece;
    uint32_t file; /* where it failed */
    bool busy, ready;
    int error;
    uint8_t bytes[LIMIT_FRAME_CHUNK_BYTES];
};

struct check {
    struct check_settings settings;
    struct bitset pieces;
    uint32_t next; /* piece to be started */
    uint32_t busy; /* jobs on workers */
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
    free(c);
}

/* On a worker. */
static int hash_piece(struct io_op *op, struct io_fs *fs)
{
    struct check_job *job = list_entry(op, struct check_job, op);
    const struct check_settings *s = &job->check->settings;
    uint64_t offset = layout_piece_offset(s->layout, job->piece);
    uint32_t left = layout_piece_length(s->layout, job->piece);
    struct sha1 sha;
    uint8_t hash[SHA1_BYTES];
    sha1_init(&sha);
    while (left > 0) {
        uint32_t n = left < sizeof job->bytes ? left : (uint32_t)sizeof job->bytes;
        struct iovec iov = {.iov_base = job->bytes, .iov_len = n};
        int failed = store_read_now(s->store, fs, offset, n, &iov, 1, &job->file);
        if (failed < 0) {
            return failed;
        }
        sha1_update(&sha, job->bytes, n);
        offset += n;
        left -= n;
    }
    sha1_final(&sha, hash);
    return memcmp(hash, s->piece_hashes + (size_t)job->piece * SHA1_BYTES, SHA1_BYTES) == 0
               ? 0
               : SPATE_EMISMATCH;
}

static void start_job(struct check *c, struct check_job *job)
{
    uint32_t piece = bitset_next(&c->pieces, c->next);
    if (piece >= c->pieces.count) {
        return;
    }
    c->next = piece + 1;
    job->piece = piece;
    job->file = UINT32_MAX;
    job->busy = true;
    c->busy++;
    io_work(c->settings.io, IO_POOL_COMPUTE, &job->op, hash_piece,
            layout_piece_length(c->settings.layout, piece));
}

static void on_hashed(struct io_op *op, int status)
{
    struct check_job *job = list_entry(op, struct check_job, op);
    struct check *c = job->check;
    job->busy = false;
    c->busy--;
    if (c->destroyed) {
        if (c->busy == 0) {
            free_check(c);
        }
        return;
    }
    job->ready = true;
    job->error = status;
    c->settings.on_ready(c->settings.user);
}

int check_create(const struct check_settings *settings, struct check **out)
{
    struct check *c = calloc(1, sizeof *c);
    uint32_t jobs = settings->parallel ? settings->parallel : CHECK_PARALLEL_DEFAULT;
    if (!c || bitset_init(&c->pieces, settings->layout->piece_count)) {
        free(c);
        return SPATE_ENOMEM;
    }
    c->settings = *settings;
    if (settings->pieces) {
        bitset_load(&c->pieces, settings->pieces->bytes, bitset_bytes(c->pieces.count));
    } else {
        bitset_fill(&c->pieces);
    }
    for (; c->job_count < jobs && c->job_count < CHECK_PARALLEL_MAX; c->job_count++) {
        struct check_job *job = malloc(sizeof *job);
        if (!job) {
            break;
        }
        memset(job, 0, offsetof(struct check_job, bytes));
        job->check = c;
        job->op.done = on_hashed;
        c->jobs[c->job_count] = job;
    }
    if (c->job_count == 0) {
        free_check(c);
        return SPATE_ENOMEM;
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
        if (job->ready) {
            job->ready = false;
            *out = (struct check_event){.type = CHECK_PIECE,
                                        .piece = job->piece,
                                        .good = job->error == 0,
                                        .error = job->error,
                                        .file = job->file};
            start_job(c, job);
            return true;
        }
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
    c->destroyed = true;
    if (c->busy == 0) {
        free_check(c);
    }
}
