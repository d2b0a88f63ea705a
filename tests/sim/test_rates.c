/* Rate limits of whole sessions: what a session moves for more than ten seconds over lines and through peers that
 * could do several times as much. */
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>

enum {
    PEERS = 4,
    STEPS_PER_S = 200,
    CHECK_S = 5,  /* what they have */
    SETTLE_S = 1, /* connections, the first requests */
    WINDOW_S = 10,
    MEASURED_S = 14,
    STEPS = MEASURED_S * STEPS_PER_S,
};

static const uint64_t limit = 1000000; /* bytes per second */
static const struct world_file file = {NULL, 54000000};
static const struct world_torrent torrent = {&file, 1, 65536, WORLD_TRACKER_NONE};

static struct io_sim_link line(void)
{
    struct io_sim_link link = io_sim_link_default();
    link.delay_ns = 20000000;
    link.jitter_ns = 2000000;
    link.up_bytes_per_s = 4000000;
    link.down_bytes_per_s = 8000000;
    return link;
}

/* What moved until the end of each step, and of it for each peer. */
struct course {
    uint64_t bytes[STEPS + 1];
    uint64_t shares[PEERS];
};

/* Every window of ten seconds within two percent; no more above the limit at any moment than a tenth of a second is
 * worth, and what the way it is counted adds to a step. */
static void check_course(const struct course *c, uint64_t grain_bytes)
{
    double excess = 0, largest = 0;
    for (int i = 0; i + WINDOW_S * STEPS_PER_S <= STEPS; i++) {
        uint64_t moved = c->bytes[i + WINDOW_S * STEPS_PER_S] - c->bytes[i];
        assert_in_range(moved, limit * WINDOW_S * 98 / 100, limit * WINDOW_S * 102 / 100);
    }
    for (int i = 1; i <= STEPS; i++) {
        excess += (double)(c->bytes[i] - c->bytes[i - 1]) - (double)limit / STEPS_PER_S;
        excess = excess > 0 ? excess : 0;
        largest = excess > largest ? excess : largest;
    }
    print_message("%.4f of the limit, %.0f ms worth at once, shares", /* for who reads the log */
                  (double)(c->bytes[STEPS] - c->bytes[0]) / MEASURED_S / (double)limit,
                  largest * 1000 / (double)limit);
    for (int i = 0; i < PEERS; i++) {
        print_message(" %.3f", (double)c->shares[i] / (double)(c->bytes[STEPS] - c->bytes[0]));
    }
    print_message("\n");
    assert_true(largest <= (double)limit / 10 + (double)limit / STEPS_PER_S + (double)grain_bytes);
    for (int i = 0; i < PEERS; i++) {
        uint64_t fair = (c->bytes[STEPS] - c->bytes[0]) / PEERS;
        assert_in_range(c->shares[i], fair * 19 / 20, fair * 21 / 20);
    }
}

static void a_download_limit_is_kept_and_shared_by_the_seeds(void **state)
{
    (void)state;
    struct course course = {.bytes = {0}};
    struct world *w = world_create(1);
    struct io_sim_link link = line();
    world_set_torrent(w, &torrent);
    w->settings.max_down = limit;
    struct world_peer *leecher = world_add(w, &link, false);
    w->settings.max_down = 0;
    for (int i = 0; i < PEERS; i++) {
        world_introduce(leecher, world_add(w, &link, true));
    }
    assert_true(world_run(w, SETTLE_S * WORLD_SECOND_NS));
    for (int i = 0; i < PEERS; i++) {
        course.shares[i] = 0 - world_totals(leecher + 1 + i).uploaded_bytes;
    }
    for (int i = 0; i <= STEPS; i++) {
        course.bytes[i] = world_totals(leecher).downloaded_bytes;
        assert_true(world_run(w, WORLD_SECOND_NS / STEPS_PER_S));
    }
    for (int i = 0; i < PEERS; i++) {
        course.shares[i] += world_totals(leecher + 1 + i).uploaded_bytes;
    }
    /* Payload counts in whole blocks, and each seed is amid one. */
    check_course(&course, (uint64_t)PEERS * BLOCK_BYTES);
    world_destroy(w);
}

static void an_upload_limit_is_kept_and_shared_by_the_leechers(void **state)
{
    (void)state;
    struct course course = {.bytes = {0}};
    struct world *w = world_create(2);
    struct io_sim_link link = line();
    world_set_torrent(w, &torrent);
    w->settings.max_up = limit;
    struct world_peer *seed = world_add(w, &link, true);
    w->settings.max_up = 0;
    /* They know the seed only. Each lacks a ninth, the first or the last, and they come one after another: while a seed
     * knows of many pieces that nobody else has, it shows each peer but a few. */
    uint32_t ninth = w->piece_count / 9;
    for (int i = 0; i < PEERS; i++) {
        char name[32];
        snprintf(name, sizeof name, "leech%d", i);
        struct world_peer *leecher = world_add_host(w, &link, name);
        world_place(leecher, i % 2 ? ninth : 0, w->piece_count - (i % 2 ? 0 : ninth));
        world_start(leecher);
    }
    assert_true(world_run(w, CHECK_S * WORLD_SECOND_NS));
    for (int i = 0; i < PEERS; i++) {
        world_introduce(seed + 1 + i, seed);
        assert_true(world_run(w, WORLD_SECOND_NS / 4));
    }
    assert_true(world_run(w, SETTLE_S * WORLD_SECOND_NS));
    for (int i = 0; i < PEERS; i++) {
        course.shares[i] = 0 - world_totals(seed + 1 + i).downloaded_bytes;
    }
    for (int i = 0; i <= STEPS; i++) {
        course.bytes[i] = world_totals(seed).uploaded_bytes;
        assert_true(world_run(w, WORLD_SECOND_NS / STEPS_PER_S));
    }
    for (int i = 0; i < PEERS; i++) {
        course.shares[i] += world_totals(seed + 1 + i).downloaded_bytes;
    }
    check_course(&course, 0);
    world_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_download_limit_is_kept_and_shared_by_the_seeds),
        cmocka_unit_test(an_upload_limit_is_kept_and_shared_by_the_leechers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
