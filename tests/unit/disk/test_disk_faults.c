/* A download on a simulated disk whose n-th call fails, for every n there is: what fails says so, nothing is
 * claimed that is not there, and with the disk working again it comes to its end. */
#include "disk_world.h"

#include "io/sim/io_sim.h"

#include <stdio.h>

enum { KIB = 1024, FILES = 5, PIECE_BYTES = 96 * KIB, TRIES = 4 };

static const struct disk_file files[FILES] = {{"t/a", 150 * KIB},
                                              {"t/s/b", 700 * KIB},
                                              {"t/empty", 0},
                                              {"t/s/d/c", 10 * KIB},
                                              {"t/e", 90 * KIB}};
static const uint8_t first_choice[FILES] = {[1] = 1, [2] = 1};

struct run {
    struct io_sim *sim;
    struct io *io;
    struct disk_torrent t;
    struct store *store;
    struct frames *frames;
    struct assembly *assembly;
    struct bitset have;
    uint64_t fail_at; /* call of the disk */
    int fail_with;
    bool fired;
    uint32_t broken, flushed;
    bool freed;
    int status; /* of the operation waited for */
    bool done;
};

static int64_t rule(void *user, const struct io_sim_disk_call *call)
{
    struct run *r = user;
    if (call->index != r->fail_at) {
        return 0;
    }
    r->fired = true;
    return r->fail_with;
}

static void on_ready(void *user)
{
    struct run *r = user;
    struct assembly_event e;
    while (assembly_next(r->assembly, &e)) {
        assert_true(e.type != ASSEMBLY_FAILED); /* nobody sent a wrong byte */
        r->broken += e.type == ASSEMBLY_BROKEN;
        r->flushed += e.type == ASSEMBLY_FLUSHED;
        if (e.type == ASSEMBLY_WRITTEN) {
            assert_true(bitset_set(&r->have, e.piece));
        }
    }
}

static void on_freed(void *user)
{
    ((struct run *)user)->freed = true;
}

static void open_disk(struct run *r)
{
    const struct store_settings store = {.io = r->io,
                                         .layout = &r->t.layout,
                                         .paths = r->t.paths,
                                         .file_count = FILES,
                                         .save_path = "/home/x/save",
                                         .part_path = "/home/x/parts",
                                         .allocate = IO_ALLOCATE_FULL,
                                         .on_freed = on_freed,
                                         .user = r};
    r->freed = false;
    assert_int_equal(store_create(&store, &r->store), 0);
    const struct assembly_settings assembly = {.io = r->io,
                                               .frames = r->frames,
                                               .store = r->store,
                                               .layout = &r->t.layout,
                                               .piece_hashes = r->t.piece_hashes,
                                               .on_ready = on_ready,
                                               .user = r};
    assert_int_equal(assembly_create(&assembly, &r->assembly), 0);
}

static void close_disk(struct run *r)
{
    assembly_destroy(r->assembly);
    store_destroy(r->store);
    while (!r->freed) {
        assert_true(io_sim_step(r->sim));
    }
}

/* ---- operations, tried again after the one failure ---- */

struct waited {
    union {
        struct store_prepare prepare;
        struct store_look look;
        struct store_sync sync;
        struct store_want want;
        struct store_transfer transfer;
    } u;
    struct run *run;
};

static void on_done(struct io_op *op, int status)
{
    struct run *r = ((struct waited *)(void *)op)->run;
    r->status = status;
    r->done = true;
}

static int wait_for(struct run *r)
{
    while (!r->done) {
        assert_true(io_sim_step(r->sim));
    }
    return r->status;
}

/* After a failure nothing that was not synced is believed: what is not on the disk is fetched again. */
static void hash_again(struct run *r)
{
    store_start_over(r->store);
    for (uint32_t piece = 0; piece < r->t.layout.piece_count; piece++) {
        uint8_t bytes[PIECE_BYTES];
        uint64_t offset = layout_piece_offset(&r->t.layout, piece);
        struct iovec v = {bytes, layout_piece_length(&r->t.layout, piece)};
        struct waited w = {.run = r};
        if (!bitset_get(&r->have, piece)) {
            continue;
        }
        w.u.transfer = (struct store_transfer){
            .op.done = on_done, .offset = offset, .length = v.iov_len, .iov = &v, .iov_count = 1};
        r->done = false;
        store_read(r->store, &w.u.transfer);
        if (wait_for(r) < 0 || memcmp(bytes, r->t.bytes + offset, v.iov_len) != 0) {
            bitset_clear(&r->have, piece);
        }
    }
}

static void again(struct run *r, void (*submit)(struct run *, struct waited *))
{
    for (int i = 0;; i++) {
        struct waited w = {.run = r};
        w.u.prepare.op.done = on_done;
        r->done = false;
        submit(r, &w);
        if (wait_for(r) == 0) {
            return;
        }
        assert_true(r->fired && r->status == r->fail_with && i < TRIES);
        hash_again(r);
    }
}

static void prepare(struct run *r, struct waited *w)
{
    store_prepare(r->store, &w->u.prepare);
}

static void sync_all(struct run *r, struct waited *w)
{
    store_sync(r->store, &w->u.sync);
}

static void want_first(struct run *r, struct waited *w)
{
    w->u.want.wanted = first_choice;
    store_want(r->store, &w->u.want);
}

static void want_all(struct run *r, struct waited *w)
{
    store_want(r->store, &w->u.want);
}

static struct store_file_found found[FILES];

static void look(struct run *r, struct waited *w)
{
    w->u.look.found = found;
    store_look(r->store, &w->u.look);
}

/* ---- the download ---- */

static void give(struct run *r, uint32_t piece)
{
    const struct layout *l = &r->t.layout;
    for (uint32_t i = 0; i < layout_block_count(l, piece); i++) {
        uint32_t offset = i * BLOCK_BYTES, left = layout_piece_length(l, piece) - offset;
        struct block b = {piece, offset, left < BLOCK_BYTES ? left : BLOCK_BYTES};
        uint8_t *slot = assembly_slot(r->assembly, b);
        assert_non_null(slot);
        memcpy(slot, r->t.bytes + layout_piece_offset(l, piece) + offset, b.length);
        assembly_received(r->assembly, b);
    }
}

static void fetch(struct run *r, uint32_t from, uint32_t to)
{
    for (int tries = 0;; tries++) {
        uint32_t missing = 0;
        for (uint32_t piece = from; piece <= to; piece++) {
            if (!bitset_get(&r->have, piece)) {
                give(r, piece);
                missing++;
            }
        }
        if (missing == 0) {
            return;
        }
        assert_true(tries < TRIES);
        while (assembly_count(r->assembly) > 0) {
            assert_true(io_sim_step(r->sim));
        }
        assert_true(assembly_is_consistent(r->assembly));
    }
}

/* Half of a piece goes to the disk, and the rest of it comes in another life of the store. */
static void fetch_in_two_lives(struct run *r, uint32_t piece)
{
    const struct layout *l = &r->t.layout;
    uint32_t half = layout_block_count(l, piece) / 2, broken = r->broken;
    for (uint32_t i = 0; i < half; i++) {
        struct block b = {piece, i * BLOCK_BYTES, BLOCK_BYTES};
        uint8_t *slot = assembly_slot(r->assembly, b);
        memcpy(slot, r->t.bytes + layout_piece_offset(l, piece) + b.offset, b.length);
        assembly_received(r->assembly, b);
    }
    uint32_t flushed = r->flushed;
    assembly_flush(r->assembly);
    while (r->flushed == flushed) {
        assert_true(io_sim_step(r->sim));
    }
    close_disk(r);
    open_disk(r);
    if (r->broken > broken) {
        return; /* the record would not know those blocks */
    }
    struct bitset blocks;
    assert_int_equal(bitset_init(&blocks, layout_block_count(l, piece)), 0);
    for (uint32_t i = 0; i < half; i++) {
        bitset_set(&blocks, i);
    }
    assert_int_equal(assembly_restore(r->assembly, piece, &blocks), 0);
    bitset_deinit(&blocks);
    for (uint32_t i = half; i < layout_block_count(l, piece); i++) {
        uint32_t offset = i * BLOCK_BYTES, left = layout_piece_length(l, piece) - offset;
        struct block b = {piece, offset, left < BLOCK_BYTES ? left : BLOCK_BYTES};
        uint8_t *slot = assembly_slot(r->assembly, b);
        memcpy(slot, r->t.bytes + layout_piece_offset(l, piece) + offset, b.length);
        assembly_received(r->assembly, b);
    }
    while (assembly_count(r->assembly) > 0) {
        assert_true(io_sim_step(r->sim));
    }
}

static void expect_files(struct run *r)
{
    for (uint32_t i = 0; i < FILES; i++) {
        char path[128];
        uint8_t *bytes;
        size_t size, expected_size;
        const uint8_t *expected = disk_torrent_file(&r->t, i, &expected_size);
        snprintf(path, sizeof path, "/home/x/save/%s", files[i].path);
        assert_int_equal(io_sim_file_read(r->io, path, &bytes, &size), 0);
        assert_int_equal(size, expected_size);
        assert_memory_equal(bytes, expected, size);
        free(bytes);
    }
    uint8_t *bytes;
    size_t size;
    assert_int_equal(io_sim_file_read(r->io, "/home/x/parts", &bytes, &size), SPATE_ENOENT);
}

/* False when there are fewer calls than that. */
static bool download(const struct disk_torrent *t, uint64_t fail_at, int fail_with)
{
    struct run r = {.t = *t, .fail_at = fail_at, .fail_with = fail_with};
    r.sim = io_sim_create(1);
    assert_int_equal(io_sim_host_create(r.sim, "host", addr_v4((uint8_t[]){10, 0, 0, 1}, 0),
                                        (struct addr){0}, &r.io),
                     0);
    assert_int_equal(io_sim_file_write(r.io, "/home/x/kept", span_text("kept")), 0);
    io_sim_set_disk_rule(r.io, rule, &r);
    assert_int_equal(frames_create(0, &r.frames), 0);
    assert_int_equal(bitset_init(&r.have, r.t.layout.piece_count), 0);
    open_disk(&r);

    again(&r, look);
    again(&r, want_first);
    again(&r, prepare);
    fetch(&r, 1, 4);
    again(&r, sync_all);
    fetch_in_two_lives(&r, 5);
    fetch(&r, 5, 8);
    again(&r, want_all);
    again(&r, prepare);
    do {
        fetch(&r, 0, r.t.layout.piece_count - 1);
        again(&r, sync_all);
    } while (r.have.ones < r.t.layout.piece_count);
    close_disk(&r);
    expect_files(&r);

    frames_destroy(r.frames);
    io_sim_destroy(r.sim);
    bitset_deinit(&r.have);
    return r.fired;
}

static void whichever_call_fails_the_download_goes_on(void **state)
{
    (void)state;
    const int failures[] = {SPATE_EIO, SPATE_EFDS};
    struct disk_torrent t;
    disk_torrent_init(&t, files, FILES, PIECE_BYTES);
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        uint64_t n = 0;
        while (download(&t, n, failures[i])) {
            n++;
        }
        assert_true(n > 100);
    }
    disk_torrent_deinit(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(whichever_call_fails_the_download_goes_on)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
