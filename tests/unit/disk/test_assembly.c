/* Pieces in flight: blocks in any order become verified pieces on the disk, memory stays under its cap, and
 * nothing that peers, disks or memory do can make it stop. */
#include "disk_world.h"

#include "base/dice.h"
#include "base/limits.h"
#include "crypto/sha.h"

#include <stdio.h>
#include <unistd.h>

enum { KIB = 1024, MIB = 1024 * KIB };

struct fixture {
    struct disk_world *w;
    struct disk_torrent t;
    struct store *store;
    struct frames *frames;
    struct assembly *assembly;
    char save[PATH_MAX], parts[PATH_MAX];
    uint32_t ready; /* calls of on_ready */
    /* Events, counted. */
    uint32_t written, failed, spilled, broken, flushed;
    struct assembly_event last;
    uint64_t digests[64]; /* of the last event that had some */
    struct bitset blocks; /* of the last SPILLED */
    struct bitset have;   /* pieces written */
};

static struct fixture f;

static void on_ready(void *user)
{
    (void)user;
    f.ready++;
}

static void begin(const struct disk_file *files, uint32_t count, uint32_t piece_length,
                  uint64_t cap)
{
    disk_torrent_init(&f.t, files, count, piece_length);
    struct store_settings store = disk_store_settings(f.w, &f.t, f.save, f.parts);
    assert_int_equal(store_create(&store, &f.store), 0);
    assert_int_equal(frames_create(cap, &f.frames), 0);
    const struct assembly_settings settings = {.io = &f.w->io,
                                               .frames = f.frames,
                                               .store = f.store,
                                               .layout = &f.t.layout,
                                               .piece_hashes = f.t.piece_hashes,
                                               .on_ready = on_ready};
    assert_int_equal(assembly_create(&settings, &f.assembly), 0);
    assert_int_equal(bitset_init(&f.have, f.t.layout.piece_count), 0);
}

static int setup(void **state)
{
    (void)state;
    memset(&f, 0, sizeof f);
    f.w = disk_world_create();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (f.assembly) {
        assert_true(assembly_is_consistent(f.assembly));
        assembly_destroy(f.assembly);
    }
    disk_world_run(f.w);
    assert_int_equal(frames_used_bytes(f.frames), 0);
    frames_destroy(f.frames);
    store_destroy(f.store);
    disk_world_destroy(f.w);
    disk_torrent_deinit(&f.t);
    bitset_deinit(&f.blocks);
    bitset_deinit(&f.have);
    return 0;
}

static void drain(void)
{
    struct assembly_event e;
    while (assembly_next(f.assembly, &e)) {
        f.last = e;
        f.written += e.type == ASSEMBLY_WRITTEN;
        f.failed += e.type == ASSEMBLY_FAILED;
        f.spilled += e.type == ASSEMBLY_SPILLED;
        f.broken += e.type == ASSEMBLY_BROKEN;
        f.flushed += e.type == ASSEMBLY_FLUSHED;
        if (e.type == ASSEMBLY_WRITTEN) {
            assert_true(bitset_set(&f.have, e.piece));
        }
        if (e.block_digests) {
            assert_true(e.block_count <= 64);
            memcpy(f.digests, e.block_digests, e.block_count * sizeof f.digests[0]);
        }
        if (e.blocks) {
            bitset_deinit(&f.blocks);
            assert_int_equal(bitset_init(&f.blocks, e.blocks->count), 0);
            assert_true(bitset_load(&f.blocks, e.blocks->bytes, bitset_bytes(e.blocks->count)));
        }
    }
}

static void run(void)
{
    do {
        disk_world_run(f.w);
        drain();
    } while (disk_world_step(f.w));
    drain();
    assert_true(assembly_is_consistent(f.assembly));
}

static struct block block_of(uint32_t piece, uint32_t index)
{
    uint32_t length = layout_piece_length(&f.t.layout, piece), offset = index * BLOCK_BYTES;
    return (struct block){piece, offset,
                          length - offset < BLOCK_BYTES ? length - offset : BLOCK_BYTES};
}

static void fill(uint8_t *slot, struct block b)
{
    memcpy(slot, f.t.bytes + layout_piece_offset(&f.t.layout, b.piece) + b.offset, b.length);
}

static void give(uint32_t piece, uint32_t index)
{
    struct block b = block_of(piece, index);
    uint8_t *slot = assembly_slot(f.assembly, b);
    assert_non_null(slot);
    fill(slot, b);
    assembly_received(f.assembly, b);
}

/* The same, with time for jobs where memory is short. */
static void give_patiently(uint32_t piece, uint32_t index)
{
    struct block b = block_of(piece, index);
    uint8_t *slot;
    while (!(slot = assembly_slot(f.assembly, b))) {
        uint32_t ready = f.ready;
        run();
        assert_true(f.ready > ready); /* we are told when there is room */
    }
    fill(slot, b);
    assembly_received(f.assembly, b);
}

static void give_piece(uint32_t piece)
{
    for (uint32_t i = 0; i < layout_block_count(&f.t.layout, piece); i++) {
        give(piece, i);
    }
}

static void expect_on_disk(const char *name)
{
    disk_world_expect(f.w, name, f.t.bytes, (size_t)f.t.layout.total_length);
}

static const struct disk_file one_megabyte[] = {{"file", MIB + 5000}};

static void a_piece_is_verified_and_written_and_its_memory_freed(void **state)
{
    (void)state;
    begin(one_megabyte, 1, 512 * KIB, 16 * MIB);
    give_piece(0);
    assert_int_equal(assembly_count(f.assembly), 1);
    run();
    assert_int_equal(f.written, 1);
    assert_int_equal(f.last.piece, 0);
    assert_true(f.ready > 0);
    assert_null(f.last.block_digests);
    assert_int_equal(assembly_count(f.assembly), 0);
    assert_int_equal(frames_used_bytes(f.frames), 0);
    give_piece(1);
    give_piece(2);
    run();
    assert_int_equal(f.written, 3);
    expect_on_disk("save/file");
    assert_true(f.w->writes == 3);
}

static void the_last_chunk_takes_only_the_memory_it_needs(void **state)
{
    (void)state;
    begin(one_megabyte, 1, 512 * KIB, 16 * MIB);
    assert_non_null(assembly_slot(f.assembly, block_of(2, 0)));
    assert_int_equal(frames_used_bytes(f.frames), 5000);
    assembly_return(f.assembly, block_of(2, 0));
    assert_int_equal(frames_used_bytes(f.frames), 0);
    assert_int_equal(assembly_count(f.assembly), 0);
}

static void blocks_come_in_any_order(void **state)
{
    (void)state;
    struct dice dice;
    begin(one_megabyte, 1, 512 * KIB, 16 * MIB);
    dice_init(&dice, 1);
    for (int round = 0; round < 20; round++) {
        uint32_t order[64], n = 0;
        for (uint32_t p = 0; p < 2; p++) {
            for (uint32_t i = 0; i < 32; i++) {
                order[n++] = p * 32 + i;
            }
        }
        for (uint32_t i = n - 1; i > 0; i--) {
            uint32_t other = dice_below(&dice, i + 1), kept = order[i];
            order[i] = order[other];
            order[other] = kept;
        }
        for (uint32_t i = 0; i < n; i++) {
            give(order[i] / 32, order[i] % 32);
            if (dice_below(&dice, 4) == 0) {
                disk_world_step(f.w);
            }
        }
        run();
        assert_int_equal(f.written, 2 * (round + 1));
        assert_int_equal(f.failed, 0);
        bitset_empty(&f.have);
    }
}

static void a_chunk_with_a_lent_slot_is_left_alone(void **state)
{
    (void)state;
    begin(one_megabyte, 1, 512 * KIB, 16 * MIB);
    uint8_t *slot = assembly_slot(f.assembly, block_of(0, 31));
    for (uint32_t i = 0; i < 31; i++) {
        give(0, i);
    }
    run();
    assembly_flush(f.assembly);
    run();
    assert_int_equal(f.flushed, 1);
    assert_int_equal(f.blocks.ones, 16); /* the first chunk only */
    assert_true(frames_used_bytes(f.frames) >= 256 * KIB);
    fill(slot, block_of(0, 31));
    assembly_received(f.assembly, block_of(0, 31));
    run();
    assert_int_equal(f.written, 1);
}

static void a_wrong_block_is_found_by_its_digest(void **state)
{
    (void)state;
    begin(one_megabyte, 1, 512 * KIB, 16 * MIB);
    uint64_t first[32];
    for (uint32_t i = 0; i < 32; i++) {
        struct block b = block_of(0, i);
        uint8_t *slot = assembly_slot(f.assembly, b);
        fill(slot, b);
        slot[7] = (uint8_t)(slot[7] ^ (i == 20));
        assembly_received(f.assembly, b);
    }
    run();
    assert_int_equal(f.failed, 1);
    assert_int_equal(f.written, 0);
    assert_int_equal(f.last.block_count, 32);
    memcpy(first, f.digests, sizeof first);
    assert_int_equal(f.w->writes, 0);
    assembly_want_digests(f.assembly, 0);
    memset(f.digests, 0, sizeof f.digests);
    give_piece(0);
    run();
    assert_int_equal(f.written, 1);
    for (uint32_t i = 0; i < 32; i++) {
        uint8_t hash[20];
        struct block b = block_of(0, i);
        sha1_of(span_of(f.t.bytes + b.offset, b.length), hash);
        assert_int_equal(f.digests[i], load_be64(hash));
        assert_int_equal(f.digests[i] == first[i], i != 20);
    }
}

static void a_failed_piece_can_be_asked_for_again_while_it_is_told(void **state)
{
    (void)state;
    begin(one_megabyte, 1, 512 * KIB, 16 * MIB);
    for (uint32_t i = 0; i < 32; i++) {
        struct block b = block_of(0, i);
        uint8_t *slot = assembly_slot(f.assembly, b);
        memset(slot, 1, b.length);
        assembly_received(f.assembly, b);
    }
    disk_world_run(f.w);
    struct assembly_event e;
    assert_true(assembly_next(f.assembly, &e));
    assert_int_equal(e.type, ASSEMBLY_FAILED);
    give(0, 0);
    assert_non_null(e.block_digests);
    assert_false(assembly_next(f.assembly, &e));
    assert_int_equal(assembly_count(f.assembly), 1);
}

/* ---- memory ---- */

static const struct disk_file big[] = {{"file", 40 * MIB}};

static void the_cap_is_never_passed(void **state)
{
    (void)state;
    begin(big, 1, 8 * MIB, 4 * MIB);
    uint32_t refused = 0;
    for (uint32_t i = 0; i < 512; i++) {
        struct block b = block_of(0, i);
        uint8_t *slot = assembly_slot(f.assembly, b);
        if (!slot) {
            refused++;
            uint32_t ready = f.ready;
            run();
            assert_true(f.ready > ready); /* we are told when there is room */
            slot = assembly_slot(f.assembly, b);
            assert_non_null(slot);
        }
        fill(slot, b);
        assembly_received(f.assembly, b);
        assert_true(assembly_is_consistent(f.assembly));
    }
    run();
    assert_true(refused > 0);
    assert_true(f.spilled > 0);
    assert_int_equal(f.written, 1);
    assert_true(frames_peak_bytes(f.frames) <= 4 * MIB);
    /* In order, so that nothing had to be read back. */
    assert_true(f.w->written_bytes == 8 * MIB);
}

static void no_piece_is_started_when_memory_is_short(void **state)
{
    (void)state;
    begin(big, 1, 8 * MIB, 4 * MIB);
    assert_true(assembly_may_start(f.assembly, 1));
    for (uint32_t i = 0; i < 12 * 16 + 1; i++) {
        assert_non_null(assembly_slot(f.assembly, block_of(0, i)));
    }
    assert_false(assembly_may_start(f.assembly, 1));
    uint32_t ready = f.ready;
    for (uint32_t i = 0; i < 12 * 16 + 1; i++) {
        assembly_return(f.assembly, block_of(0, i));
    }
    run();
    assert_true(f.ready > ready);
    assert_true(assembly_may_start(f.assembly, 1));
    assert_int_equal(frames_used_bytes(f.frames), 0);
}

static void spilled_blocks_are_read_back_for_the_hash(void **state)
{
    (void)state;
    begin(big, 1, 8 * MIB, 2 * MIB);
    /* From the back, so that nothing can be hashed before it is spilled. */
    for (uint32_t i = 512; i-- > 0;) {
        give_patiently(1, i);
    }
    run();
    assert_int_equal(f.written, 1);
    assert_int_equal(f.failed, 0);
    assert_true(f.w->read_bytes > 4 * MIB);
    assert_int_equal(f.w->written_bytes, 8 * MIB);
    assert_true(frames_peak_bytes(f.frames) <= 2 * MIB);
}

/* Peers with one piece each, of 64 MiB, at a cap of 64 MiB; blocks come in turns, some of them late, some peers
 * go away and come back. Everything must come to its end. */
static void twenty_slow_peers_with_pieces_as_large_as_the_cap_finish(void **state)
{
    (void)state;
    enum { PEERS = 20, PIECES = 2, WINDOW = 8 };
    const struct disk_file huge[] = {{"file", (uint64_t)PIECES * 64 * MIB}};
    begin(huge, 1, 64 * MIB, 64 * MIB);
    struct {
        struct block lent[WINDOW];
        uint8_t *slots[WINDOW];
        uint32_t count;
        uint32_t piece; /* the only one it has */
        bool away;
    } peers[PEERS] = {0};
    struct bitset asked[PIECES];
    struct dice dice;
    uint32_t blocks = layout_block_count(&f.t.layout, 0), quiet = 0;
    dice_init(&dice, 5);
    for (uint32_t p = 0; p < PIECES; p++) {
        assert_int_equal(bitset_init(&asked[p], blocks), 0);
    }
    for (uint32_t i = 0; i < PEERS; i++) {
        peers[i].piece = i % PIECES;
    }
    for (uint32_t turn = 0; f.written < PIECES; turn++) {
        bool any = false;
        for (uint32_t i = 0; i < PEERS; i++) {
            uint32_t piece = peers[i].piece;
            if (dice_below(&dice, 50) == 0) {
                /* It goes, or comes back: what it was lent comes back empty. */
                peers[i].away = !peers[i].away;
                while (peers[i].count > 0) {
                    struct block b = peers[i].lent[--peers[i].count];
                    bitset_clear(&asked[piece], b.offset / BLOCK_BYTES);
                    assembly_return(f.assembly, b);
                }
            }
            if (peers[i].away) {
                continue;
            }
            uint32_t next = bitset_next_clear(&asked[piece], dice_below(&dice, blocks));
            next = next < blocks ? next : bitset_next_clear(&asked[piece], 0);
            bool started = asked[piece].ones > 0;
            if (next < blocks && peers[i].count < WINDOW &&
                (started || assembly_may_start(f.assembly, piece))) {
                struct block b = block_of(piece, next);
                uint8_t *slot = assembly_slot(f.assembly, b);
                if (slot) {
                    bitset_set(&asked[piece], next);
                    peers[i].lent[peers[i].count] = b;
                    peers[i].slots[peers[i].count++] = slot;
                    any = true;
                }
            }
            if (peers[i].count > 0 && dice_below(&dice, 2)) {
                struct block b = peers[i].lent[--peers[i].count];
                fill(peers[i].slots[peers[i].count], b);
                assembly_received(f.assembly, b);
                any = true;
            }
        }
        any = disk_world_step(f.w) || any;
        drain();
        quiet = any ? 0 : quiet + 1;
        assert_true(quiet < 1000);
        if (turn % 256 == 0) {
            assert_true(assembly_is_consistent(f.assembly));
        }
    }
    run();
    assert_int_equal(f.written, PIECES);
    assert_int_equal(f.failed, 0);
    assert_true(f.spilled > 0);
    assert_true(frames_peak_bytes(f.frames) <= 64 * MIB);
    expect_on_disk("save/file");
    for (uint32_t p = 0; p < PIECES; p++) {
        bitset_deinit(&asked[p]);
    }
}

static void blocks_of_pieces_that_nobody_finishes_make_room_for_others(void **state)
{
    (void)state;
    begin(big, 1, MIB, 2 * MIB);
    /* One block of each chunk of eight pieces, and nobody who has more of them. */
    for (uint32_t piece = 0; piece < 8; piece++) {
        for (uint32_t i = 0; i < 64; i += 16) {
            give_patiently(piece, i);
        }
    }
    run();
    assert_true(assembly_may_start(f.assembly, 8));
    for (uint32_t piece = 8; piece < 16; piece++) {
        for (uint32_t i = 0; i < 64; i++) {
            give_patiently(piece, i);
        }
        run();
    }
    assert_int_equal(f.written, 8);
    for (uint32_t piece = 0; piece < 8; piece++) {
        for (uint32_t i = 0; i < 64; i++) {
            if (i % 16) {
                give_patiently(piece, i);
            }
        }
        run();
    }
    assert_int_equal(f.written, 16);
    assert_int_equal(f.failed, 0);
}

static void two_torrents_share_one_cap(void **state)
{
    (void)state;
    struct assembly *other;
    begin(big, 1, 4 * MIB, 4 * MIB);
    const struct assembly_settings settings = {.io = &f.w->io,
                                               .frames = f.frames,
                                               .store = f.store,
                                               .layout = &f.t.layout,
                                               .piece_hashes = f.t.piece_hashes,
                                               .on_ready = on_ready};
    assert_int_equal(assembly_create(&settings, &other), 0);
    for (uint32_t i = 0; i < 255; i++) {
        struct block b = block_of(0, i);
        uint8_t *slot = assembly_slot(other, b);
        if (!slot) {
            run();
            slot = assembly_slot(other, b);
        }
        fill(slot, b);
        assembly_received(other, b);
    }
    run();
    /* The first has filled most of it; the second gets room all the same. */
    for (uint32_t piece = 1; piece < 4; piece++) {
        for (uint32_t i = 0; i < 256; i++) {
            give_patiently(piece, i);
        }
        run();
    }
    assert_int_equal(f.written, 3);
    assert_true(frames_peak_bytes(f.frames) <= 4 * MIB);
    assembly_destroy(other);
    disk_world_run(f.w);
}

/* ---- spilling for the record ---- */

static void flushing_writes_every_block_that_is_there(void **state)
{
    (void)state;
    begin(one_megabyte, 1, 512 * KIB, 16 * MIB);
    give(0, 0);
    give(0, 1);
    give(0, 17);
    assembly_flush(f.assembly);
    run();
    assert_int_equal(f.flushed, 1);
    assert_int_equal(f.spilled, 1);
    assert_int_equal(f.blocks.count, 32);
    assert_int_equal(f.blocks.ones, 3);
    assert_true(bitset_get(&f.blocks, 17));
    assert_int_equal(f.w->written_bytes, 3 * BLOCK_BYTES);
    assert_int_equal(frames_used_bytes(f.frames), 0);
    /* And it goes on as if nothing had been. */
    for (uint32_t i = 0; i < 32; i++) {
        if (i != 0 && i != 1 && i != 17) {
            give(0, i);
        }
    }
    run();
    assert_int_equal(f.written, 1);
    assert_int_equal(f.w->written_bytes, 512 * KIB);
}

static void flushing_an_empty_assembly_ends_at_once(void **state)
{
    (void)state;
    begin(one_megabyte, 1, 512 * KIB, 16 * MIB);
    assembly_flush(f.assembly);
    run();
    assert_int_equal(f.flushed, 1);
    assert_true(f.ready > 0);
}

static void flushing_waits_for_pieces_under_way(void **state)
{
    (void)state;
    begin(one_megabyte, 1, 512 * KIB, 16 * MIB);
    give_piece(0);
    give(1, 5);
    assembly_flush(f.assembly);
    run();
    assert_int_equal(f.written, 1);
    assert_int_equal(f.flushed, 1);
    assert_int_equal(f.last.type, ASSEMBLY_FLUSHED);
    assert_int_equal(f.blocks.ones, 1);
}

static void restored_blocks_are_not_asked_for_again(void **state)
{
    (void)state;
    struct bitset blocks;
    begin(one_megabyte, 1, 512 * KIB, 16 * MIB);
    for (uint32_t i = 0; i < 32; i += 2) {
        give(0, i);
    }
    assembly_flush(f.assembly);
    run();
    assembly_drop(f.assembly, 0);
    assert_int_equal(assembly_count(f.assembly), 0);
    assert_int_equal(bitset_init(&blocks, 31), 0);
    bitset_set(&blocks, 0);
    assert_int_equal(assembly_restore(f.assembly, 0, &blocks), SPATE_EINVAL);
    assert_int_equal(assembly_restore(f.assembly, 3, &f.blocks), SPATE_EINVAL);
    bitset_deinit(&blocks);
    assert_int_equal(assembly_restore(f.assembly, 0, &f.blocks), 0);
    assert_int_equal(assembly_restore(f.assembly, 0, &f.blocks), SPATE_EINVAL);
    for (uint32_t i = 1; i < 32; i += 2) {
        give(0, i);
    }
    run();
    assert_int_equal(f.written, 1);
    assert_int_equal(f.w->written_bytes, 512 * KIB);
}

static void a_piece_restored_whole_is_verified_from_the_disk(void **state)
{
    (void)state;
    struct bitset blocks;
    begin(one_megabyte, 1, 512 * KIB, 16 * MIB);
    assert_int_equal(disk_write(f.w, f.store, 0, f.t.bytes, 512 * KIB, NULL), 0);
    assert_int_equal(bitset_init(&blocks, 32), 0);
    bitset_fill(&blocks);
    assert_int_equal(assembly_restore(f.assembly, 0, &blocks), 0);
    assert_int_equal(assembly_restore(f.assembly, 1, &blocks), 0); /* nothing is there */
    run();
    assert_int_equal(f.written, 1);
    assert_int_equal(f.broken, 1);
    assert_true(bitset_get(&f.have, 0));
    bitset_deinit(&blocks);
}

/* ---- padding (BEP 47) ---- */

/* Of the first piece blocks 3 to 15 and 20 to 31 are padding, 2 and 19 partly; the second is all
 * padding; the third begins with a chunk of padding and five blocks. */
static const struct disk_file padded[] = {
    {"a", 2 * BLOCK_BYTES + 100}, {NULL, 14 * BLOCK_BYTES - 100},
    {"b", 3 * BLOCK_BYTES + 1},   {NULL, 13 * BLOCK_BYTES - 1 + 512 * KIB + 21 * BLOCK_BYTES},
    {"c", 10 * BLOCK_BYTES + 7},
};
static const uint32_t padded_real[] = {0, 1, 2, 16, 17, 18, 19};
enum { PADDED_REAL = sizeof padded_real / sizeof *padded_real };

static void expect_padded_files(void)
{
    for (uint32_t i = 0; i < 3; i += 2) {
        char name[16];
        size_t size;
        const uint8_t *bytes = disk_torrent_file(&f.t, i, &size);
        snprintf(name, sizeof name, "save/%s", padded[i].path);
        disk_world_expect(f.w, name, bytes, size);
    }
}

static void padding_is_there_without_being_given(void **state)
{
    (void)state;
    begin(padded, 5, 512 * KIB, 16 * MIB);
    for (uint32_t i = 0; i < PADDED_REAL; i++) {
        assert_int_equal(f.written, 0);
        give(0, padded_real[i]);
        run();
    }
    assert_int_equal(f.written, 1);
    expect_padded_files();
    assert_int_equal(f.w->written_bytes, 5 * BLOCK_BYTES + 101);
    for (uint32_t i = 21; i < layout_block_count(&f.t.layout, 2); i++) {
        give(2, i);
    }
    run();
    assert_int_equal(f.written, 2);
    assert_true(bitset_get(&f.have, 2));
    assert_int_equal(frames_used_bytes(f.frames), 0);
}

static void a_piece_of_nothing_but_padding_can_be_given(void **state)
{
    (void)state;
    begin(padded, 5, 512 * KIB, 16 * MIB);
    give_piece(1);
    run();
    assert_int_equal(f.written, 1);
    assert_int_equal(f.w->written_bytes, 0);
}

static void a_frame_of_padding_alone_holds_nothing(void **state)
{
    (void)state;
    struct bitset blocks;
    begin(padded, 5, 512 * KIB, 16 * MIB);
    assert_non_null(assembly_slot(f.assembly, block_of(0, 17)));
    assembly_return(f.assembly, block_of(0, 17));
    assert_int_equal(assembly_count(f.assembly), 0);
    assert_int_equal(bitset_init(&blocks, 32), 0);
    bitset_set(&blocks, 5);
    assert_int_equal(assembly_restore(f.assembly, 0, &blocks), 0);
    assert_int_equal(assembly_count(f.assembly), 0);
    bitset_deinit(&blocks);
    assembly_flush(f.assembly);
    run();
    assert_int_equal(f.flushed, 1);
    assert_int_equal(f.spilled, 0);
}

static void padding_of_a_failed_piece_is_there_again(void **state)
{
    (void)state;
    uint64_t first[32];
    begin(padded, 5, 512 * KIB, 16 * MIB);
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < PADDED_REAL; i++) {
            struct block b = block_of(0, padded_real[i]);
            uint8_t *slot = assembly_slot(f.assembly, b);
            fill(slot, b);
            slot[9] = (uint8_t)(slot[9] ^ (round == 0 && padded_real[i] == 17));
            assembly_received(f.assembly, b);
        }
        run();
        if (round == 0) {
            assert_int_equal(f.failed, 1);
            memcpy(first, f.digests, sizeof first);
            assembly_want_digests(f.assembly, 0);
        }
    }
    assert_int_equal(f.failed, 1);
    assert_int_equal(f.written, 1);
    for (uint32_t i = 0; i < 32; i++) {
        assert_int_equal(f.digests[i] == first[i], i != 17);
    }
}

static void spilled_and_restored_pieces_keep_their_padding(void **state)
{
    (void)state;
    struct bitset real;
    begin(padded, 5, 512 * KIB, 16 * MIB);
    for (uint32_t i = 0; i < 5; i++) {
        give(0, padded_real[i]);
    }
    assembly_flush(f.assembly);
    run();
    assert_int_equal(f.spilled, 1);
    assert_int_equal(f.blocks.ones, 5 + 32 - PADDED_REAL);
    assert_int_equal(frames_used_bytes(f.frames), 0);
    for (int round = 0; round < 2; round++) {
        assembly_drop(f.assembly, 0);
        assert_int_equal(assembly_restore(f.assembly, 0, &f.blocks), 0);
        assert_int_equal(assembly_count(f.assembly), 1);
        assert_true(assembly_is_consistent(f.assembly));
        /* The second time from a record that knows nothing of padding. */
        bitset_empty(&f.blocks);
        for (uint32_t i = 0; i < 5; i++) {
            bitset_set(&f.blocks, padded_real[i]);
        }
    }
    give(0, 18);
    give(0, 19);
    run();
    assert_int_equal(f.written, 1);
    expect_padded_files();
    /* Everything that is no padding: from the disk, verified at once. */
    assert_int_equal(bitset_init(&real, 32), 0);
    for (uint32_t i = 0; i < PADDED_REAL; i++) {
        bitset_set(&real, padded_real[i]);
    }
    bitset_empty(&f.have);
    assert_int_equal(assembly_restore(f.assembly, 0, &real), 0);
    run();
    assert_int_equal(f.written, 2);
    bitset_deinit(&real);
}

static void padded_pieces_in_any_order_pass_through_a_small_memory(void **state)
{
    (void)state;
    struct dice dice;
    /* Each of 40 pieces: 9 blocks, padding for 40, 15 blocks. */
    static struct disk_file files[120];
    static char names[120][8];
    static struct block order[40 * 64];
    for (uint32_t i = 0; i < 120; i++) {
        snprintf(names[i], sizeof names[i], "f%u", i);
        uint32_t blocks = i % 3 == 0 ? 9 : i % 3 == 1 ? 40 : 15;
        files[i] = (struct disk_file){i % 3 == 1 ? NULL : names[i], blocks * BLOCK_BYTES};
    }
    begin(files, 120, MIB, 3 * MIB);
    dice_init(&dice, 3);
    uint32_t n = 0;
    for (uint32_t p = 0; p < 40; p++) {
        for (uint32_t i = 0; i < 64; i++) {
            if (i < 9 || i >= 49) {
                order[n++] = block_of(p, i);
            }
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t other = i + dice_below(&dice, n - i < 300 ? n - i : 300);
        struct block b = order[other];
        order[other] = order[i];
        order[i] = b;
        give_patiently(b.piece, b.offset / BLOCK_BYTES);
        if (dice_below(&dice, 4) == 0) {
            disk_world_step(f.w);
            drain();
        }
        assert_true(assembly_is_consistent(f.assembly));
    }
    run();
    assert_int_equal(f.written, 40);
    assert_int_equal(f.failed, 0);
    assert_true(f.spilled > 0);
    assert_true(bitset_full(&f.have));
    assert_int_equal(f.w->written_bytes, (uint64_t)n * BLOCK_BYTES);
}

/* ---- a disk that says no ---- */

static void a_full_disk_breaks_the_piece_and_blames_nobody(void **state)
{
    (void)state;
    begin(one_megabyte, 1, 512 * KIB, 16 * MIB);
    f.w->fail_write = SPATE_ENOSPC;
    give_piece(0);
    run();
    assert_int_equal(f.broken, 1);
    assert_int_equal(f.failed, 0);
    assert_int_equal(f.last.error, SPATE_ENOSPC);
    assert_int_equal(f.last.file, 0);
    assert_null(f.last.block_digests);
    assert_int_equal(frames_used_bytes(f.frames), 0);
    f.w->fail_write = 0;
    give_piece(0);
    run();
    assert_int_equal(f.written, 1);
}

static void a_piece_that_breaks_with_lent_slots_goes_when_they_return(void **state)
{
    (void)state;
    begin(big, 1, 8 * MIB, 4 * MIB);
    uint8_t *slot = assembly_slot(f.assembly, block_of(0, 500));
    assert_non_null(slot);
    f.w->fail_write = SPATE_EIO;
    for (uint32_t i = 0; i < 400; i++) {
        struct block b = block_of(0, i);
        uint8_t *place = assembly_slot(f.assembly, b);
        if (!place) {
            break;
        }
        fill(place, b);
        assembly_received(f.assembly, b);
    }
    disk_world_run(f.w);
    struct assembly_event e;
    assert_true(assembly_next(f.assembly, &e));
    assert_int_equal(e.type, ASSEMBLY_BROKEN);
    assert_null(assembly_slot(f.assembly, block_of(0, 450)));
    memset(slot, 1, BLOCK_BYTES); /* its memory is still there */
    assert_false(assembly_next(f.assembly, &e));
    memset(slot, 2, BLOCK_BYTES);
    f.w->fail_write = 0;
    assembly_received(f.assembly, block_of(0, 500));
    assert_int_equal(assembly_count(f.assembly), 0);
    assert_int_equal(frames_used_bytes(f.frames), 0);
    assert_non_null(assembly_slot(f.assembly, block_of(0, 450)));
    assembly_return(f.assembly, block_of(0, 450));
}

static void a_dropped_piece_waits_for_its_job(void **state)
{
    (void)state;
    begin(one_megabyte, 1, 512 * KIB, 16 * MIB);
    give_piece(0);
    assembly_drop(f.assembly, 0);
    assert_null(assembly_slot(f.assembly, block_of(0, 0)));
    uint32_t ready = f.ready;
    run();
    assert_int_equal(f.written, 0);
    assert_true(f.ready > ready);
    give_piece(0);
    run();
    assert_int_equal(f.written, 1);
}

static void an_assembly_can_go_while_its_jobs_run(void **state)
{
    (void)state;
    begin(one_megabyte, 1, 512 * KIB, 16 * MIB);
    give_piece(0);
    give(1, 0);
    assembly_destroy(f.assembly);
    f.assembly = NULL;
    disk_world_run(f.w);
    assert_int_equal(frames_used_bytes(f.frames), 0);
    assert_int_equal(f.ready, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_piece_is_verified_and_written_and_its_memory_freed),
        T(the_last_chunk_takes_only_the_memory_it_needs),
        T(blocks_come_in_any_order),
        T(a_chunk_with_a_lent_slot_is_left_alone),
        T(a_wrong_block_is_found_by_its_digest),
        T(a_failed_piece_can_be_asked_for_again_while_it_is_told),
        T(the_cap_is_never_passed),
        T(no_piece_is_started_when_memory_is_short),
        T(spilled_blocks_are_read_back_for_the_hash),
        T(twenty_slow_peers_with_pieces_as_large_as_the_cap_finish),
        T(blocks_of_pieces_that_nobody_finishes_make_room_for_others),
        T(two_torrents_share_one_cap),
        T(flushing_writes_every_block_that_is_there),
        T(flushing_an_empty_assembly_ends_at_once),
        T(flushing_waits_for_pieces_under_way),
        T(restored_blocks_are_not_asked_for_again),
        T(a_piece_restored_whole_is_verified_from_the_disk),
        T(padding_is_there_without_being_given),
        T(a_piece_of_nothing_but_padding_can_be_given),
        T(a_frame_of_padding_alone_holds_nothing),
        T(padding_of_a_failed_piece_is_there_again),
        T(spilled_and_restored_pieces_keep_their_padding),
        T(padded_pieces_in_any_order_pass_through_a_small_memory),
        T(a_full_disk_breaks_the_piece_and_blames_nobody),
        T(a_piece_that_breaks_with_lent_slots_goes_when_they_return),
        T(a_dropped_piece_waits_for_its_job),
        T(an_assembly_can_go_while_its_jobs_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
