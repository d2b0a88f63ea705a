/* What the end of a download costs: bytes that come twice because blocks were asked of two peers, and the time
 * until the last leecher is complete. Small torrents over long and lossy ways, where the end is most of it.
 *
 *   sim_endgame             the promises, over a few seeds
 *   sim_endgame 100 [5]     a table over so many seeds of every shape (of up to 5 MB), for people who change the
 *                           policy; of large torrents fewer seeds */
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>

struct shape {
    int seeds, leechers;
    uint64_t bytes;
    int64_t rtt_ms;
    bool unequal; /* lines of very different rates and delays */
};

struct sums {
    uint64_t runs;
    double waste, worst_waste; /* bytes that came in vain, in parts of those that were needed */
    double time, worst_time;   /* seconds until the last leecher was complete */
};

static void look_at_nothing(struct world *w)
{
    (void)w;
}

static struct io_sim_link line_of(const struct shape *shape, int peer)
{
    static const uint64_t rates[] = {2000000, 100000, 5000000, 400000, 1000000};
    static const int64_t delay_percent[] = {100, 150, 50, 80, 200};
    struct io_sim_link link = io_sim_link_default();
    int kind = peer % 5;
    link.delay_ns = shape->rtt_ms * 1000000 / 4; /* a round trip passes each end twice */
    link.jitter_ns = link.delay_ns / 10;
    link.loss_ppm = 5000;
    link.up_bytes_per_s = rates[0];
    if (shape->unequal) {
        link.up_bytes_per_s = rates[kind];
        link.delay_ns = link.delay_ns * delay_percent[kind] / 100;
    }
    link.down_bytes_per_s = 10000000;
    return link;
}

static void one_run(const struct shape *shape, uint64_t seed, struct sums *sums)
{
    const struct world_file file = {NULL, shape->bytes};
    const struct world_torrent torrent = {&file, 1, shape->bytes > 20000000 ? 262144 : 65536,
                                          WORLD_TRACKER_NONE};
    struct world *w = world_create(seed);
    uint64_t wasted = 0;
    int64_t last_ns = 0;
    int count = shape->seeds + shape->leechers;
    w->on_look = look_at_nothing;
    w->look_ns = 10000000;
    world_set_torrent(w, &torrent);
    for (int i = 0; i < count; i++) {
        struct io_sim_link link = line_of(shape, i);
        world_add(w, &link, i < shape->seeds);
    }
    for (int i = shape->seeds; i < count; i++) {
        for (int j = 0; j < i; j++) {
            world_introduce(&w->peers[i], &w->peers[j]);
        }
    }
    if (!world_finish(w, 1800 * WORLD_SECOND_NS)) {
        world_describe(w);
        fail_msg("seed %llu did not finish", (unsigned long long)seed);
    }
    for (int i = shape->seeds; i < count; i++) {
        wasted += world_totals(&w->peers[i]).wasted_bytes;
        int64_t finished_ns = w->peers[i].finished_ns;
        last_ns = finished_ns > last_ns ? finished_ns : last_ns;
    }
    world_destroy(w);
    double waste = (double)wasted / (double)(shape->bytes * (uint64_t)shape->leechers);
    double time = (double)(last_ns - WORLD_SECOND_NS) / (double)WORLD_SECOND_NS;
    sums->runs++;
    sums->waste += waste;
    sums->time += time;
    sums->worst_waste = waste > sums->worst_waste ? waste : sums->worst_waste;
    sums->worst_time = time > sums->worst_time ? time : sums->worst_time;
}

static struct sums many_runs(const struct shape *shape, uint64_t seeds)
{
    struct sums sums = {0};
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        one_run(shape, seed, &sums);
    }
    sums.waste /= (double)sums.runs;
    sums.time /= (double)sums.runs;
    return sums;
}

/* ---- the table -------------------------------------------------------------------------------- */

static void print_row(const struct shape *shape, uint64_t seeds)
{
    struct sums sums = many_runs(shape, seeds);
    printf("%dx%d %4.0f MB %3lld ms %-7s  %6.2f %6.2f   %7.2f %7.2f\n", shape->seeds,
           shape->leechers, (double)shape->bytes / 1e6, (long long)shape->rtt_ms,
           shape->unequal ? "unequal" : "equal", 100 * sums.waste, 100 * sums.worst_waste,
           sums.time, sums.worst_time);
    fflush(stdout);
}

static void print_table(uint64_t seeds, uint64_t most_bytes)
{
    static const int peers[][2] = {{2, 1}, {4, 1}, {9, 1}, {1, 2}, {1, 4}, {1, 9}};
    static const uint64_t sizes[] = {1000000, 5000000, 50000000};
    static const int64_t rtts_ms[] = {10, 100, 300};
    printf("seeds x leechers, size, round trip | waste %%: mean worst | seconds: mean worst\n");
    for (int size = 0; size < 3 && sizes[size] <= most_bytes; size++) {
        for (int p = 0; p < 6; p++) {
            for (int rtt = 0; rtt < 3; rtt++) {
                for (int unequal = 0; unequal < 2; unequal++) {
                    const struct shape shape = {peers[p][0], peers[p][1], sizes[size], rtts_ms[rtt],
                                                unequal};
                    uint64_t runs =
                        seeds * 5000000 / (sizes[size] > 5000000 ? sizes[size] : 5000000);
                    print_row(&shape, runs > 0 ? runs : 1);
                }
            }
        }
    }
}

/* ---- the promises ----------------------------------------------------------------------------- */

/* Every run's waste is below most, the mean of all below mean_most: parts of the payload. */
static void check_waste(uint64_t bytes, uint64_t seeds, double mean_most, double most)
{
    static const int peers[][2] = {{4, 1}, {9, 1}, {1, 4}, {1, 9}};
    double mean = 0;
    for (int i = 0; i < 8; i++) {
        const struct shape shape = {peers[i / 2][0], peers[i / 2][1], bytes, 100, i % 2 == 1};
        struct sums sums = many_runs(&shape, seeds);
        if (sums.worst_waste >= most) {
            fail_msg("%d seeds, %d leechers: %.1f %% came twice", shape.seeds, shape.leechers,
                     100 * sums.worst_waste);
        }
        mean += sums.waste / 8;
    }
    if (mean >= mean_most) {
        fail_msg("%.1f %% came twice in the mean", 100 * mean);
    }
}

static void little_of_a_small_torrent_comes_twice(void **state)
{
    (void)state;
    check_waste(5000000, 3, 0.02, 0.06);
}

static void even_when_all_of_it_is_the_end(void **state)
{
    (void)state;
    check_waste(1000000, 5, 0.05, 0.12);
}

static void equal_seeds_give_equal_shares_though_memory_is_short(void **state)
{
    /* More comes in than the disk takes, so that all room for pieces in flight is in use. */
    static const struct world_file file = {NULL, 96000000};
    const struct world_torrent torrent = {&file, 1, 262144, WORLD_TRACKER_NONE};
    const struct io_sim_link link = io_sim_link_default();
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct world *w = world_create(seed);
        w->on_look = look_at_nothing;
        w->settings.frame_bytes = 4 << 20;
        world_set_torrent(w, &torrent);
        world_add(w, &link, true);
        world_add(w, &link, true);
        w->disk.bytes_per_s = 20000000;
        struct world_peer *leech = world_add(w, &link, false);
        world_introduce(leech, &w->peers[0]);
        world_introduce(leech, &w->peers[1]);
        assert_true(world_finish(w, 600 * WORLD_SECOND_NS));
        double shares[2];
        for (int i = 0; i < 2; i++) {
            shares[i] = (double)world_totals(&w->peers[i]).uploaded_bytes / (double)file.length;
        }
        if (shares[0] < 0.35 || shares[1] < 0.35) {
            fail_msg("seed %llu: shares of %.2f and %.2f", (unsigned long long)seed, shares[0],
                     shares[1]);
        }
        world_destroy(w);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(little_of_a_small_torrent_comes_twice),
        cmocka_unit_test(even_when_all_of_it_is_the_end),
        cmocka_unit_test(equal_seeds_give_equal_shares_though_memory_is_short),
    };
    if (argc > 1) {
        uint64_t most = argc > 2 ? strtoull(argv[2], NULL, 10) * 1000000 : UINT64_MAX;
        print_table(strtoull(argv[1], NULL, 10), most);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
