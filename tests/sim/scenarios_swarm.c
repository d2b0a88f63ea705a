/* Swarms in which nothing fails: crowds, lines of all kinds, who comes and who goes. */
#include "scenario.h"

static void play_plain(struct run *r)
{
    run_begin(r);
    run_populate(r);
    run_bound(r);
    run_finish(r);
    run_end(r);
}

/* Every piece is held by somebody who is not a seed. */
static bool copy_is_out(const struct world *w)
{
    struct torrent *t;
    for (uint32_t piece = 0; piece < w->piece_count; piece++) {
        bool held = false;
        for (int i = 0; i < w->peer_count && !held; i++) {
            held = !w->peers[i].seed && (t = world_torrent(&w->peers[i])) &&
                   bitset_get(&t->pieces.have, piece);
        }
        if (!held) {
            return false;
        }
    }
    return true;
}

static void play_seed_leaves(struct run *r)
{
    struct world *w = run_begin(r);
    run_populate(r);
    int64_t until_ns = io_sim_now(w->sim) + r->set.within * WORLD_SECOND_NS;
    while (world_is_well(w) && !copy_is_out(w) && io_sim_now(w->sim) < until_ns) {
        run_until(r, io_sim_now(w->sim) + w->look_ns);
    }
    for (int i = 0; i < w->peer_count; i++) {
        if (w->peers[i].seed) {
            world_leave(&w->peers[i]);
        }
    }
    run_finish(r);
    run_end(r);
}

/* From a tenth to three times the settings' line, as many slow ones as fast ones. */
static void play_lines(struct run *r)
{
    static const int64_t percent[] = {10, 30, 60, 100, 200, 300};
    struct world *w = run_begin(r);
    run_add_seed(r);
    for (int64_t i = 0; i < r->set.peers; i++) {
        int64_t share = percent[dice_below(&r->dice, sizeof percent / sizeof *percent)];
        int64_t up = r->set.up * share / 100 + 1;
        struct io_sim_link link = run_link(r, up, r->set.down ? r->set.down * share / 100 : up * 8);
        link.delay_ns += (int64_t)dice_below(&r->dice, 80) * 1000000;
        world_add(w, &link, false);
    }
    run_bound(r);
    run_finish(r);
    run_end(r);
}

static void play_alone(struct run *r)
{
    struct world *w = run_begin(r);
    struct world_peer *p = run_add_leecher(r);
    run_until(r, run_fault_at_ns(r, 1000, 300000));
    if (p->complete) {
        world_complain(w, checker_name(CHECKER_CLAIMS), "complete of nothing");
    }
    run_add_seed(r);
    run_finish(r);
    run_end(r);
}

static void play_same_half(struct run *r)
{
    struct world *w = run_begin(r);
    struct torrent *t;
    struct io_sim_link link = run_link(r, r->set.up, r->set.down);
    uint32_t half = w->piece_count / 2;
    for (int64_t i = 0; i < r->set.peers; i++) {
        struct world_peer *p = world_add_host(w, &link, "half");
        world_place(p, 0, half);
        world_start(p);
    }
    run_until(r, run_fault_at_ns(r, 5000, 30000));
    for (int i = 0; i < w->peer_count; i++) {
        if ((t = world_torrent(&w->peers[i])) && t->pieces.have.ones != half) {
            world_complain(w, checker_name(CHECKER_CLAIMS), "peer %d has %u pieces of %u", i,
                           t->pieces.have.ones, half);
        }
    }
    run_add_seed(r);
    run_finish(r);
    run_end(r);
}

/* Nobody stays longer than he must, but for the seed. */
static void play_leavers(struct run *r)
{
    struct world *w = run_begin(r);
    run_populate(r);
    int64_t until_ns = io_sim_now(w->sim) + r->set.within * WORLD_SECOND_NS;
    bool any = true;
    while (any && world_is_well(w) && io_sim_now(w->sim) < until_ns) {
        run_until(r, io_sim_now(w->sim) + w->look_ns);
        any = false;
        for (int i = 0; i < w->peer_count; i++) {
            struct world_peer *p = &w->peers[i];
            any = any || (!p->seed && p->session);
            if (!p->seed && p->complete) {
                world_leave(p);
            }
        }
    }
    run_finish(r);
    run_end(r);
}

/* One comes after the other. */
static void play_stream(struct run *r)
{
    struct world *w = run_begin(r);
    run_add_seed(r);
    for (int64_t i = 0; i < r->set.peers; i++) {
        run_until(r, io_sim_now(w->sim) + (int64_t)dice_below(&r->dice, 4000) * 1000000);
        run_add_leecher(r);
    }
    run_finish(r);
    run_end(r);
}

const struct scenario scenarios_of_swarms[] = {
    {"one_seed_serves_a_flash_crowd", "everybody comes at once, one peer has everything",
     "peers=20", play_plain},
    {"the_seed_may_leave_after_one_copy",
     "the seed goes as soon as every piece is somewhere else too", "peers=12", play_seed_leaves},
    {"slow_lines_and_fast_ones_all_finish", "lines differ by a factor of thirty",
     "peers=12 pieces=48 up=400 seed_up=800", play_lines},
    {"a_swarm_of_one_waits_unharmed", "a leecher alone for minutes, then a seed", "pieces=32",
     play_alone},
    {"who_holds_the_same_half_waits_for_the_other",
     "all have the same half and nobody the rest; then a seed", "peers=8 pieces=48",
     play_same_half},
    {"ten_thousand_pieces_are_not_too_many", "small pieces, and very many of them",
     "peers=2 pieces=10000 piece=1024 up=0 seed_up=0 delay=1 loss=0 look=500", play_plain},
    {"whoever_is_done_may_go", "leechers leave the moment they are complete", "peers=12 pieces=48",
     play_leavers},
    {"one_may_come_after_the_other", "leechers come seconds apart", "peers=10 pieces=48",
     play_stream},
    {"bad_lines_only_take_longer",
     "one packet in ten is lost, as many datagrams come twice or late",
     "peers=6 pieces=32 loss=50000 reorder=50000 duplicate=50000", play_plain},
    {"many_small_files_become_whole", "files that end inside pieces",
     "peers=6 files=15 pieces=40 piece=20000 up=0 seed_up=0", play_plain},
    {"little_memory_is_enough", "pieces that do not fit into memory by twos are spilled",
     "peers=4 seeds=2 pieces=6 piece=1048576 frames=2 up=4000 seed_up=4000", play_plain},
    {"an_http_tracker_will_do", "the tracker is asked by name over HTTP",
     "peers=8 tracker=2 pieces=32", play_plain},
    {"peers_named_by_hand_will_do", "no tracker: each is told of one other",
     "peers=6 tracker=0 pieces=32", play_plain},
    {"few_connections_will_do", "nobody may have more than four peers",
     "peers=16 connections=4 pieces=32 look=250", play_plain},
    {NULL, NULL, NULL, NULL},
};
