/* Serving blocks to one peer in runs. A run is a stretch of one piece that consecutive requests ask
 * for, at most UPLOAD_RUN_BYTES long; up to UPLOAD_PEER_BYTES of runs are in memory for a peer, so
 * that one is being read while another leaves. When the session as a whole holds much, a peer gets
 * one run at a time. */
#include "engine/upload.h"

#include <stdlib.h>

enum {
    UPLOAD_RUN_BYTES = 256 << 10,
    UPLOAD_PEER_BYTES = 768 << 10,
    UPLOAD_SESSION_BYTES = 64 << 20,
};

struct upload_run {
    struct list link;
    struct upload *upload;
    struct store_transfer transfer;
    struct iovec iov;
    struct block range;
    bool ready;   /* bytes are there */
    bool dropped; /* nobody waits for it any more */
    uint8_t bytes[];
};

void upload_init(struct upload *u, struct env *env, struct peer *peer)
{
    *u = (struct upload){.env = env, .peer = peer};
    list_init(&u->runs);
}

void upload_open(struct upload *u, struct store *store, const struct layout *layout,
                 const struct bitset *have)
{
    u->store = store;
    u->layout = layout;
    u->have = have;
}

static bool run_holds(const struct upload_run *run, struct block block)
{
    return block.piece == run->range.piece && block.offset >= run->range.offset &&
           block.offset + block.length <= run->range.offset + run->range.length;
}

static void run_free(struct upload_run *run)
{
    struct upload *u = run->upload;
    u->bytes -= run->range.length;
    u->env->upload_bytes -= run->range.length;
    list_remove(&run->link);
    free(run);
}

/* Requests that ready runs at the front cover may leave. */
static void serve_ready(struct upload *u)
{
    list_for_each (node, &u->runs) {
        struct upload_run *run = list_entry(node, struct upload_run, link);
        if (!run->ready) {
            break;
        }
        while (peer_wants(u->peer) > 0 && run_holds(run, peer_want_at(u->peer, 0))) {
            if (peer_serve(u->peer, 1)) {
                peer_refuse(u->peer);
            }
        }
    }
    upload_trim(u);
}

static void on_read(struct io_op *op, int status)
{
    struct upload_run *run = list_entry(op, struct upload_run, transfer.op);
    struct upload *u = run->upload;
    u->reading--;
    if (run->dropped) {
        run_free(run);
        if (u->reading == 0 && u->on_idle) {
            u->on_idle(u);
        }
        return;
    }
    if (status < 0) {
        uint32_t piece = run->range.piece, file = run->transfer.file;
        while (peer_wants(u->peer) > 0 && run_holds(run, peer_want_at(u->peer, 0))) {
            peer_refuse(u->peer);
        }
        run_free(run);
        u->on_failed(u, piece, status, file);
        return;
    }
    run->ready = true;
    serve_ready(u);
    u->on_ready(u);
}

/* The first request that no run covers yet. */
static uint32_t first_uncovered(const struct upload *u)
{
    uint32_t i = 0;
    list_for_each (node, &u->runs) {
        const struct upload_run *run = list_entry(node, struct upload_run, link);
        while (i < peer_wants(u->peer) && run_holds(run, peer_want_at(u->peer, i))) {
            i++;
        }
    }
    return i;
}

/* The stretch that the requests from i on ask for one after the other. */
static struct block next_range(const struct upload *u, uint32_t i)
{
    struct block range = peer_want_at(u->peer, i);
    while (++i < peer_wants(u->peer)) {
        struct block next = peer_want_at(u->peer, i);
        if (next.piece != range.piece || next.offset != range.offset + range.length ||
            range.length + next.length > UPLOAD_RUN_BYTES) {
            break;
        }
        range.length += next.length;
    }
    return range;
}

static bool start_run(struct upload *u, struct block range)
{
    struct upload_run *run = malloc(sizeof *run + range.length);
    if (!run) {
        return false;
    }
    *run = (struct upload_run){.upload = u, .range = range};
    run->iov = (struct iovec){.iov_base = run->bytes, .iov_len = range.length};
    run->transfer.op.done = on_read;
    run->transfer.offset = layout_piece_offset(u->layout, range.piece) + range.offset;
    run->transfer.length = range.length;
    run->transfer.iov = &run->iov;
    run->transfer.iov_count = 1;
    list_push_back(&u->runs, &run->link);
    u->bytes += range.length;
    u->env->upload_bytes += range.length;
    u->reading++;
    store_read(u->store, &run->transfer);
    return true;
}

void upload_pump(struct upload *u)
{
    if (!u->store) {
        return;
    }
    serve_ready(u); /* a block may be asked for again while its run is still here */
    for (;;) {
        bool crowded = u->env->upload_bytes >= UPLOAD_SESSION_BYTES;
        if (u->bytes > 0 && (crowded || u->bytes + UPLOAD_RUN_BYTES > UPLOAD_PEER_BYTES)) {
            return;
        }
        uint32_t i = first_uncovered(u);
        if (i >= peer_wants(u->peer)) {
            return;
        }
        struct block range = next_range(u, i);
        if (!bitset_get(u->have, range.piece)) {
            if (i > 0) {
                return; /* its turn to be refused comes when it is the oldest */
            }
            peer_refuse(u->peer);
        } else if (!start_run(u, range)) {
            return;
        }
    }
}

const uint8_t *upload_bytes(const struct upload *u, struct block block)
{
    list_for_each (node, &u->runs) {
        const struct upload_run *run = list_entry(node, struct upload_run, link);
        if (run->ready && run_holds(run, block)) {
            return run->bytes + (block.offset - run->range.offset);
        }
    }
    return NULL;
}

bool upload_owns(const struct upload *u, const void *bytes)
{
    const uint8_t *at = bytes;
    list_for_each (node, &u->runs) {
        const struct upload_run *run = list_entry(node, struct upload_run, link);
        if (at >= run->bytes && at < run->bytes + run->range.length) {
            return true;
        }
    }
    return false;
}

/* Is any block of the run waiting to be sent? */
static bool run_is_needed(const struct upload *u, const struct upload_run *run)
{
    for (uint32_t i = 0; i < peer_serving(u->peer); i++) {
        if (run_holds(run, peer_serving_at(u->peer, i))) {
            return true;
        }
    }
    return peer_wants(u->peer) > 0 && run_holds(run, peer_want_at(u->peer, 0));
}

void upload_trim(struct upload *u)
{
    list_for_each_safe (node, &u->runs) {
        struct upload_run *run = list_entry(node, struct upload_run, link);
        if (!run->ready || run_is_needed(u, run)) {
            return; /* later runs are needed later */
        }
        run_free(run);
    }
}

void upload_close(struct upload *u)
{
    u->store = NULL;
    list_for_each_safe (node, &u->runs) {
        struct upload_run *run = list_entry(node, struct upload_run, link);
        if (run->ready) {
            run_free(run);
        } else {
            run->dropped = true;
        }
    }
}
