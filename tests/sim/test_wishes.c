/* What a user may wish at any moment: pausing, resuming, choosing files, removing and adding again, while the disk
 * is slow, so that each wish meets work that is under way. */
#include "world.h"

#include "base/dice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>

#define MS_NS INT64_C(1000000)

static const struct world_file nested[] = {
    {"a/first.bin", 1500000},
    {"a/empty.txt", 0},
    {"b/small.bin", 3},
    {"b/c/last.bin", 3000001},
};
enum { FILES = 4 };
static const struct world_torrent torrent = {nested, FILES, 65536, WORLD_TRACKER_UDP};

/* A seed, and a leecher whose disk takes so long for every call, and longer for a sync. */
static struct world_peer *pair(struct world *w, int64_t call_ns, int64_t sync_ns)
{
    struct io_sim_link link = io_sim_link_default();
    link.delay_ns = 5 * MS_NS;
    link.up_bytes_per_s = link.down_bytes_per_s = 3000000;
    world_set_torrent(w, &torrent);
    world_add(w, &link, true);
    w->settings.state_dir = "/state";
    w->disk.latency_ns = call_ns;
    w->disk.sync_ns = sync_ns;
    return world_add(w, &link, false);
}

static void until_some_pieces(struct world_peer *p)
{
    for (int i = 0; !world_torrent(p) || world_torrent(p)->pieces.have.ones == 0; i++) {
        assert_true(i < 10000 && world_run(p->world, MS_NS));
    }
    assert_int_equal(world_state(p), SPATE_STATE_DOWNLOADING);
}

static void wish_for_files(struct world_peer *p, const uint8_t wanted[FILES])
{
    struct command *command = calloc(1, sizeof *command);
    assert_non_null(command);
    *command = (struct command){.type = COMMAND_WANT, .torrent = p->torrent};
    list_init(&command->link);
    command->wanted = malloc(FILES);
    assert_non_null(command->wanted);
    memcpy(command->wanted, wanted, FILES);
    assert_int_equal(session_post(p->session, command), 0);
}

static void until_phase(struct world_peer *p, enum torrent_phase phase)
{
    for (int i = 0; !world_torrent(p) || world_torrent(p)->phase != phase; i++) {
        assert_true(i < 10000 && world_run(p->world, MS_NS));
    }
}

static int add_again(struct world_peer *p)
{
    struct spate_add add;
    spate_add_init(&add, sizeof add);
    add.metainfo = p->world->metainfo;
    add.metainfo_size = p->world->metainfo_bytes;
    add.save_path = "/data";
    return session_add(p->session, &add, &p->torrent, NULL);
}

static void a_wish_while_stopping_does_not_cut_short_what_is_being_written(void **state)
{
    (void)state;
    struct world *w = world_create(1);
    struct world_peer *p = pair(w, 50 * MS_NS, 50 * MS_NS);
    until_some_pieces(p);
    world_command(p, COMMAND_PAUSE);
    until_phase(p, TORRENT_STOPPING);
    world_command(p, COMMAND_RESUME);
    assert_true(world_finish(w, 600 * WORLD_SECOND_NS));
    assert_true(world_files_equal(p));
    assert_int_equal(world_totals(p).downloaded_bytes, w->payload_bytes);
    world_destroy(w);
}

static void a_torrent_that_is_removed_and_added_again_begins_when_the_first_has_ended(void **state)
{
    (void)state;
    struct world *w = world_create(1);
    struct world_peer *p = pair(w, MS_NS, 300 * MS_NS);
    until_some_pieces(p);
    world_command(p, COMMAND_REMOVE);
    assert_true(world_run(w, MS_NS));
    assert_int_equal(add_again(p), 0);
    assert_true(world_finish(w, 600 * WORLD_SECOND_NS));
    assert_true(world_files_equal(p));
    /* Who dials it finds it. */
    assert_ptr_equal(map_get(&p->session->by_hash, world_torrent(p)->metainfo->info_hash),
                     world_torrent(p));
    world_destroy(w);
}

static void a_choice_made_while_files_are_made_ready_is_carried_out(void **state)
{
    (void)state;
    static const uint8_t little[FILES] = {0, 0, 1, 0}, all[FILES] = {1, 1, 1, 1};
    struct world *w = world_create(1);
    struct world_peer *p = pair(w, 20 * MS_NS, 20 * MS_NS);
    assert_true(world_run(w, MS_NS));
    wish_for_files(p, little);
    until_phase(p, TORRENT_PREPARING);
    while (world_torrent(p)->saving != SAVE_IDLE) {
        assert_true(world_run(w, MS_NS));
    }
    wish_for_files(p, all);
    assert_true(world_finish(w, 600 * WORLD_SECOND_NS));
    assert_true(world_files_equal(p));
    world_destroy(w);
}

static void a_torrent_of_which_nothing_was_wanted_is_completed_when_it_is(void **state)
{
    (void)state;
    static const uint8_t none[FILES] = {0}, all[FILES] = {1, 1, 1, 1};
    struct world *w = world_create(1);
    struct world_peer *p = pair(w, MS_NS, MS_NS);
    wish_for_files(p, none);
    until_phase(p, TORRENT_ACTIVE);
    assert_false(world_torrent(p)->completed_announced);
    assert_true(world_run(w, WORLD_SECOND_NS));
    wish_for_files(p, all);
    assert_true(world_run(w, WORLD_SECOND_NS));
    assert_true(world_finish(w, 4000 * WORLD_SECOND_NS));
    assert_true(world_torrent(p)->completed_announced);
    world_destroy(w);
}

static void seeds_that_were_parted_from_are_dialled_when_more_is_wanted(void **state)
{
    (void)state;
    struct world *w = world_create(1);
    struct world_peer *p = pair(w, MS_NS, MS_NS);
    io_sim_set_up(w->tracker_io, false); /* nobody else tells of them */
    world_introduce(p, &w->peers[0]);
    world_want(p, 1);
    assert_true(world_run(w, WORLD_SECOND_NS / 10));
    assert_true(world_finish(w, 60 * WORLD_SECOND_NS));
    assert_true(world_run(w, 60 * WORLD_SECOND_NS));
    assert_int_equal(p->session->env.connections, 0);
    world_want(p, UINT32_MAX);
    assert_true(world_run(w, 20 * WORLD_SECOND_NS));
    assert_true(p->complete && world_files_equal(p));
    world_destroy(w);
}

static void what_lies_in_the_part_file_is_known_to_a_session_that_wants_its_file(void **state)
{
    (void)state;
    struct world *w = world_create(1);
    struct world_peer *p = pair(w, MS_NS, MS_NS);
    world_want(p, 1);
    assert_true(world_run(w, WORLD_SECOND_NS / 10));
    assert_true(world_finish(w, 600 * WORLD_SECOND_NS));
    assert_true(world_run(w, 15 * WORLD_SECOND_NS)); /* it is recorded */
    uint32_t shared = (uint32_t)(w->spec.files[0].length / w->spec.piece_length);
    assert_true(bitset_get(&world_torrent(p)->pieces.durable, shared));
    world_leave(p);
    assert_true(world_wait_for_leavers(w, 60 * WORLD_SECOND_NS));
    p->wanted = UINT32_MAX;
    world_start(p);
    assert_true(world_finish(w, 600 * WORLD_SECOND_NS));
    assert_true(world_files_equal(p));
    assert_int_equal(world_totals(p).downloaded_bytes, w->payload_bytes);
    world_destroy(w);
}

static void pausing_while_a_choice_is_carried_out_stops_it_and_it_ends(void **state)
{
    (void)state;
    static const uint8_t little[FILES] = {0, 0, 1, 0}, all[FILES] = {1, 1, 1, 1};
    for (int resume = 0; resume < 2; resume++) {
        struct world *w = world_create(1);
        struct world_peer *p = pair(w, MS_NS, 500 * MS_NS);
        until_some_pieces(p);
        wish_for_files(p, little);
        world_command(p, COMMAND_PAUSE);
        assert_true(world_run(w, 20 * MS_NS));
        if (resume) {
            world_command(p, COMMAND_RESUME);
            wish_for_files(p, all);
            assert_true(world_finish(w, 600 * WORLD_SECOND_NS));
            assert_true(world_files_equal(p));
        }
        world_destroy(w);
    }
}

static void wish(struct world_peer *p, struct dice *dice)
{
    uint8_t wanted[FILES];
    switch (dice_below(dice, 8)) {
    case 0:
    case 1:
        world_command(p, COMMAND_PAUSE);
        break;
    case 2:
    case 3:
        world_command(p, COMMAND_RESUME);
        break;
    case 4:
    case 5:
        for (int i = 0; i < FILES; i++) {
            wanted[i] = (uint8_t)dice_below(dice, 2);
        }
        wish_for_files(p, wanted);
        break;
    case 6:
        world_command(p, COMMAND_ANNOUNCE);
        break;
    default:
        world_command(p, COMMAND_REMOVE);
        world_run(p->world, MS_NS);
        assert_int_equal(add_again(p), 0);
    }
}

static void any_wishes_at_any_moment_end_in_the_whole_torrent(void **state)
{
    (void)state;
    static const uint8_t all[FILES] = {1, 1, 1, 1};
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world *w = world_create(seed);
        struct world_peer *p = pair(w, (int64_t)(seed % 4) * 30 * MS_NS + MS_NS, 300 * MS_NS);
        struct dice dice;
        dice_init(&dice, seed);
        for (int i = 0; i < 30; i++) {
            assert_true(world_run(w, (int64_t)dice_below(&dice, 400) * MS_NS + MS_NS));
            wish(p, &dice);
        }
        world_command(p, COMMAND_RESUME);
        wish_for_files(p, all);
        world_run(w, WORLD_SECOND_NS); /* the last wishes are heard */
        /* An address that did not answer when it was dialled is left alone for ten minutes. */
        if (!world_finish(w, 4000 * WORLD_SECOND_NS) || !world_files_equal(p)) {
            world_describe(w);
            fail_msg("the wishes of seed %llu end badly: %s", (unsigned long long)seed,
                     w->verdict.text);
        }
        world_destroy(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_wishes_at_any_moment_end_in_the_whole_torrent),
        cmocka_unit_test(a_choice_made_while_files_are_made_ready_is_carried_out),
        cmocka_unit_test(a_torrent_of_which_nothing_was_wanted_is_completed_when_it_is),
        cmocka_unit_test(seeds_that_were_parted_from_are_dialled_when_more_is_wanted),
        cmocka_unit_test(what_lies_in_the_part_file_is_known_to_a_session_that_wants_its_file),
        cmocka_unit_test(pausing_while_a_choice_is_carried_out_stops_it_and_it_ends),
        cmocka_unit_test(a_wish_while_stopping_does_not_cut_short_what_is_being_written),
        cmocka_unit_test(a_torrent_that_is_removed_and_added_again_begins_when_the_first_has_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
