/* The disk with real workers: blocks arrive, pieces are hashed and written, files are read, synced, closed and
 * chosen at the same time. Meant for the thread sanitizer as much as for its assertions. */
#include "disk_world.h"

#include "base/dice.h"
#include "disk/check.h"
#include "disk/open_files.h"
#include "io/uv/io_uv.h"

#include <stdio.h>

enum { KIB = 1024, MIB = 1024 * KIB, FILES = 40, READS = 4, READ_BYTES = 100 * KIB };

struct side {
    struct store *store;
    struct assembly *assembly;
    struct bitset have;
    bool freed;
};

static struct io *io;
static struct disk_world *world; /* its directory only */
static struct disk_torrent t;
static struct frames *frames;
static struct open_files *open_files;
static struct side sides[2];
static uint32_t ready;

static void on_ready(void *user)
{
    struct side *s = user;
    struct assembly_event e;
    ready++;
    while (assembly_next(s->assembly, &e)) {
        assert_true(e.type == ASSEMBLY_WRITTEN || e.type == ASSEMBLY_SPILLED);
        if (e.type == ASSEMBLY_WRITTEN) {
            assert_true(bitset_set(&s->have, e.piece));
        }
    }
}

static void on_freed(void *user)
{
    ((struct side *)user)->freed = true;
}

static void open_side(struct side *s, const char *save, const char *parts)
{
    char save_path[PATH_MAX], part_path[PATH_MAX];
    struct store_settings settings = disk_store_settings(world, &t, save_path, part_path);
    settings.io = io;
    settings.save_path = disk_world_path(world, save, save_path);
    settings.part_path = disk_world_path(world, parts, part_path);
    settings.open_files = open_files;
    settings.on_freed = on_freed;
    settings.user = s;
    assert_int_equal(store_create(&settings, &s->store), 0);
    const struct assembly_settings assembly = {.io = io,
                                               .frames = frames,
                                               .store = s->store,
                                               .layout = &t.layout,
                                               .piece_hashes = t.piece_hashes,
                                               .on_ready = on_ready,
                                               .user = s};
    assert_int_equal(assembly_create(&assembly, &s->assembly), 0);
    assert_int_equal(bitset_init(&s->have, t.layout.piece_count), 0);
}

static void on_done(struct io_op *op, int status)
{
    (void)op;
    assert_int_equal(status, 0);
}

static void wait_for(struct io_op *op)
{
    while (op->active) {
        io_uv_run_once(io, 1000);
    }
}

struct reading {
    struct store_transfer transfer;
    struct iovec v;
    uint8_t bytes[READ_BYTES];
};

static void on_read(struct io_op *op, int status)
{
    struct reading *r =
        list_entry(list_entry(op, struct store_transfer, op), struct reading, transfer);
    assert_int_equal(status, 0);
    assert_memory_equal(r->bytes, t.bytes + r->transfer.offset, READ_BYTES);
}

/* Reads a piece that is there, while others are written. */
static void read_some(struct side *s, struct reading *r, struct dice *dice)
{
    uint32_t piece = bitset_next(&s->have, dice_below(dice, t.layout.piece_count));
    if (r->transfer.op.active || piece >= t.layout.piece_count) {
        return;
    }
    r->v = (struct iovec){.iov_base = r->bytes, .iov_len = READ_BYTES};
    r->transfer = (struct store_transfer){.op.done = on_read,
                                          .offset = layout_piece_offset(&t.layout, piece),
                                          .length = READ_BYTES,
                                          .iov = &r->v,
                                          .iov_count = 1};
    store_read(s->store, &r->transfer);
}

static void give(struct side *s, uint32_t piece, uint32_t index)
{
    uint32_t offset = index * BLOCK_BYTES, length = layout_piece_length(&t.layout, piece) - offset;
    struct block b = {piece, offset, length < BLOCK_BYTES ? length : BLOCK_BYTES};
    uint8_t *slot;
    while (!(slot = assembly_slot(s->assembly, b))) {
        io_uv_run_once(io, 1000);
    }
    memcpy(slot, t.bytes + layout_piece_offset(&t.layout, piece) + offset, b.length);
    assembly_received(s->assembly, b);
}

static void everything_at_once(void **state)
{
    (void)state;
    static struct reading readings[READS];
    struct dice dice;
    struct store_sync sync = {.op.done = on_done};
    dice_init(&dice, 9);
    uint32_t blocks = layout_block_count(&t.layout, 0);
    for (uint32_t piece = 0; piece + 1 < t.layout.piece_count; piece += 2) {
        /* Two pieces of each side at a time, their blocks in no order. */
        for (uint32_t i = 0; i < blocks; i++) {
            uint32_t index = (i * 7 + piece) % blocks;
            for (uint32_t n = 0; n < 4; n++) {
                if (index < layout_block_count(&t.layout, piece + n / 2)) {
                    give(&sides[n % 2], piece + n / 2, index);
                }
            }
        }
        for (uint32_t i = 0; i < READS; i++) {
            read_some(&sides[i % 2], &readings[i], &dice);
        }
        if (!sync.op.active) {
            store_sync(sides[piece / 2 % 2].store, &sync);
        }
        if (piece % 8 == 0) {
            store_close_files(sides[0].store);
        }
        io_uv_run_once(io, 0);
        assert_true(assembly_is_consistent(sides[0].assembly));
    }
    while (assembly_count(sides[0].assembly) + assembly_count(sides[1].assembly) > 0) {
        io_uv_run_once(io, 1000);
    }
    for (uint32_t i = 0; i < READS; i++) {
        wait_for(&readings[i].transfer.op);
    }
    wait_for(&sync.op);
    for (uint32_t i = 0; i < 2; i++) {
        assert_true(bitset_full(&sides[i].have));
    }
    for (uint32_t i = 0; i < FILES; i++) {
        char name[64];
        size_t size;
        const uint8_t *bytes = disk_torrent_file(&t, i, &size);
        snprintf(name, sizeof name, "one/%s", t.paths[i]);
        disk_world_expect(world, name, bytes, size);
    }
}

static uint32_t good;

static void on_check_ready(void *user)
{
    struct check **check = user;
    struct check_event e;
    while (*check && check_next(*check, &e)) {
        if (e.type == CHECK_DONE) {
            check_destroy(*check);
            *check = NULL;
            return;
        }
        good += e.good;
    }
}

/* While the choice of files changes, every piece stays readable. */
static void a_check_goes_on_while_the_choice_changes(void **state)
{
    (void)state;
    struct check *check;
    struct store_want want = {.op.done = on_done};
    uint8_t wanted[FILES];
    const struct check_settings settings = {.io = io,
                                            .store = sides[1].store,
                                            .layout = &t.layout,
                                            .piece_hashes = t.piece_hashes,
                                            .parallel = 4,
                                            .on_ready = on_check_ready,
                                            .user = &check};
    good = 0;
    assert_int_equal(check_create(&settings, &check), 0);
    check_start(check);
    uint32_t round = 0;
    while (check) {
        for (uint32_t i = 0; i < FILES; i++) {
            wanted[i] = (i + round) % 3 != 0;
        }
        round++;
        want.wanted = wanted;
        store_want(sides[1].store, &want);
        wait_for(&want.op);
    }
    assert_int_equal(good, t.layout.piece_count);
}

static int begin(void **state)
{
    (void)state;
    static char names[FILES][32];
    struct disk_file files[FILES];
    for (int i = 0; i < FILES; i++) {
        snprintf(names[i], sizeof names[i], "d%d/f%d", i % 5, i);
        files[i] = (struct disk_file){names[i], (uint64_t)(300 + 17 * i) * KIB + (uint64_t)i};
    }
    world = disk_world_create();
    disk_torrent_init(&t, files, FILES, 512 * KIB);
    assert_int_equal(io_uv_create(&(struct io_uv_settings){.workers = 3}, &io), 0);
    assert_int_equal(frames_create(4 * MIB, &frames), 0);
    assert_int_equal(open_files_create(16, &open_files), 0);
    open_side(&sides[0], "one", "parts1");
    open_side(&sides[1], "two", "parts2");
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        assembly_destroy(sides[i].assembly);
        store_destroy(sides[i].store);
        while (!sides[i].freed) {
            io_uv_run_once(io, 1000);
        }
        bitset_deinit(&sides[i].have);
    }
    frames_destroy(frames);
    open_files_destroy(open_files);
    io_uv_destroy(io);
    disk_world_destroy(world);
    disk_torrent_deinit(&t);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_at_once),
        cmocka_unit_test(a_check_goes_on_while_the_choice_changes),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
