/* Serving blocks to one peer in runs. A run is a stretch of one piece that consecutive requests ask
 * for, at most LIMIT_UPLOAD_RUN_BYTES long; some are under way or ready ahead of the socket, so that one is
 * brought into memory while another leaves. Runs that had to be read take memory of ours: less of it is
 * used ahead, and when the session as a whole holds much, a peer gets one such run at a time. */
#include "engine/upload.h"

#include "base/limits.h"
#include "disk/windows.h"

#include <stdlib.h>

enum {
    UPLOAD_AHEAD_BYTES = 2 << 20,
    UPLOAD_PEER_BYTES = 768 << 10, /* of memory of ours */
};

struct upload_run {
    struct list link;
    struct upload *upload;
    struct block range;
    bool ready;            /* its bytes are in memory, ours or the kernel's */
    bool dropped;          /* nobody waits for it any more */
    struct window *window; /* NULL: it is read */
    uint8_t *memory;       /* owned; NULL: none */
    struct iovec iov;
    union {
        struct window_wait wait;
        struct store_transfer transfer;
    };
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

static void give_memory(struct upload_run *run)
{
    if (run->memory) {
        run->upload->memory_bytes -= run->range.length;
        run->upload->env->upload_bytes -= run->range.length;
        free(run->memory);
        run->memory = NULL;
    }
}

static void run_free(struct upload_run *run)
{
    run->upload->ahead_bytes -= run->range.length;
    list_remove(&run->link);
    give_memory(run);
    if (run->window) {
        window_put(run->window);
    }
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

/* Whoever waits for the run is refused, and the owner hears of it. */
static void fail_run(struct upload_run *run, int error, uint32_t file)
{
    struct upload *u = run->upload;
    uint32_t piece = run->range.piece;
    while (peer_wants(u->peer) > 0 && run_holds(run, peer_want_at(u->peer, 0))) {
        peer_refuse(u->peer);
    }
    run_free(run);
    u->on_failed(u, piece, error, file);
}

/* The worker is through with it. False: nobody wanted it any more. */
static bool take_back(struct upload_run *run)
{
    struct upload *u = run->upload;
    u->working--;
    if (!run->dropped) {
        return true;
    }
    run_free(run);
    if (u->working == 0 && u->on_idle) {
        u->on_idle(u);
    }
    return false;
}

static void on_read(struct io_op *op, int status)
{
    struct upload_run *run = list_entry(op, struct upload_run, transfer.op);
    struct upload *u = run->upload;
    if (!take_back(run)) {
        return;
    }
    if (status < 0) {
        fail_run(run, status, run->transfer.file);
        return;
    }
    run->ready = true;
    serve_ready(u);
    u->on_ready(u);
}

static uint64_t run_offset(const struct upload_run *run)
{
    return layout_piece_offset(run->upload->layout, run->range.piece) + run->range.offset;
}

/* False: no memory. */
static bool start_reading(struct upload_run *run)
{
    struct upload *u = run->upload;
    run->memory = malloc(run->range.length);
    if (!run->memory) {
        return false;
    }
    u->memory_bytes += run->range.length;
    u->env->upload_bytes += run->range.length;
    run->iov = (struct iovec){.iov_base = run->memory, .iov_len = run->range.length};
    run->transfer = (struct store_transfer){.op.done = on_read,
                                            .offset = run_offset(run),
                                            .length = run->range.length,
                                            .iov = &run->iov,
                                            .iov_count = 1};
    u->working++;
    store_read(u->store, &run->transfer);
    return true;
}

static void on_brought(struct window_wait *wait, int status)
{
    struct upload_run *run = list_entry(wait, struct upload_run, wait);
    struct upload *u = run->upload;
    if (!take_back(run)) {
        return;
    }
    if (status == SPATE_EUNSUPPORTED) {
        window_put(run->window);
        run->window = NULL;
        if (!start_reading(run)) {
            fail_run(run, SPATE_ENOMEM, UINT32_MAX);
        }
        return;
    }
    if (status < 0) {
        fail_run(run, status, window_file(run->window));
        return;
    }
    run->ready = true;
    serve_ready(u);
    u->on_ready(u);
}

static void start_bringing(struct upload_run *run)
{
    struct upload *u = run->upload;
    uint64_t offset = run_offset(run);
    if (window_is_ready(run->window, offset, run->range.length, io_now(u->env->io))) {
        run->ready = true;
        return;
    }
    run->wait =
        (struct window_wait){.done = on_brought, .offset = offset, .length = run->range.length};
    u->working++;
    window_bring(run->window, &run->wait);
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

/* The stretch that the requests from i on ask for one after the other, inside one window. */
static struct block next_range(const struct upload *u, uint32_t i)
{
    struct block range = peer_want_at(u->peer, i);
    uint64_t offset = layout_piece_offset(u->layout, range.piece) + range.offset;
    uint64_t most = window_end(u->store, offset) - offset;
    most = most < LIMIT_UPLOAD_RUN_BYTES ? most : LIMIT_UPLOAD_RUN_BYTES;
    while (++i < peer_wants(u->peer)) {
        struct block next = peer_want_at(u->peer, i);
        if (next.piece != range.piece || next.offset != range.offset + range.length ||
            range.length + next.length > most) {
            break;
        }
        range.length += next.length;
    }
    return range;
}

static bool start_run(struct upload *u, struct block range)
{
    struct upload_run *run = calloc(1, sizeof *run);
    if (!run) {
        return false;
    }
    run->upload = u;
    run->range = range;
    list_push_back(&u->runs, &run->link);
    u->ahead_bytes += range.length;
    run->window = window_get(u->store, run_offset(run), range.length);
    if (run->window) {
        start_bringing(run);
    } else if (!start_reading(run)) {
        run_free(run);
        return false;
    }
    return true;
}

/* May another run begin? The first one always may. */
static bool has_room(const struct upload *u)
{
    if (u->ahead_bytes + LIMIT_UPLOAD_RUN_BYTES > UPLOAD_AHEAD_BYTES) {
        return false;
    }
    bool crowded = u->env->upload_bytes >= LIMIT_UPLOAD_BYTES;
    return u->memory_bytes == 0 ||
           (!crowded && u->memory_bytes + LIMIT_UPLOAD_RUN_BYTES <= UPLOAD_PEER_BYTES);
}

void upload_pump(struct upload *u)
{
    if (!u->store) {
        return;
    }
    serve_ready(u); /* a block may be asked for again while its run is still here */
    bool any = false;
    while (has_room(u)) {
        uint32_t i = first_uncovered(u);
        if (i >= peer_wants(u->peer)) {
            break;
        }
        struct block range = next_range(u, i);
        if (!bitset_get(u->have, range.piece)) {
            if (i > 0) {
                break; /* its turn to be refused comes when it is the oldest */
            }
            peer_refuse(u->peer);
        } else if (!start_run(u, range)) {
            break;
        } else {
            any = true;
        }
    }
    if (any) {
        serve_ready(u); /* what lies in a window that is ready needs no worker */
    }
}

static struct upload_run *find_run(const struct upload *u, struct block block)
{
    list_for_each (node, &u->runs) {
        struct upload_run *run = list_entry(node, struct upload_run, link);
        if (run->ready && run_holds(run, block)) {
            return run;
        }
    }
    return NULL;
}

struct io_part upload_part(const struct upload *u, struct block block)
{
    const struct upload_run *run = find_run(u, block);
    ASSERT(run);
    uint32_t skip = block.offset - run->range.offset;
    if (run->window) {
        return window_part(run->window, run_offset(run) + skip, block.length);
    }
    return (struct io_part){.bytes = run->memory + skip, .size = block.length};
}

void upload_on_unsent(struct upload *u, struct block block, int error)
{
    const struct upload_run *run = find_run(u, block);
    u->on_failed(u, block.piece, error, run && run->window ? window_file(run->window) : UINT32_MAX);
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
