/* Scenarios of one swarm, each named as what it promises. */
#include "world.h"

#include "engine/swarm_peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>

static const struct world_file nested[] = {
    {"a/first.bin", 1500000},
    {"a/empty.txt", 0},
    {"b/\xc3\xbcml\xc3\xa4ut.bin", 3},
    {"b/c/last.bin", 3000001},
};
static const struct world_file single[] = {{NULL, 2500000}};

/* A home line: 20 ms to the middle of the network, a little jitter, loss_ppm of its packets lost. */
static struct io_sim_link home(uint32_t loss_ppm)
{
    struct io_sim_link link = io_sim_link_default();
    link.delay_ns = 20000000;
    link.jitter_ns = 2000000;
    link.loss_ppm = loss_ppm;
    link.up_bytes_per_s = 2000000;
    link.down_bytes_per_s = 10000000;
    return link;
}

struct outcome {
    uint64_t log_hash;
    int64_t last_ns;
};

/* One seed and so many leechers until all are complete, their files compared. */
static struct outcome one_swarm(uint64_t seed, int leechers, uint32_t loss_ppm,
                                const struct world_torrent *torrent)
{
    struct world *w = world_create(seed);
    struct io_sim_link link = home(loss_ppm);
    struct outcome out = {.log_hash = 0};
    world_set_torrent(w, torrent);
    for (int i = 0; i <= leechers; i++) {
        world_add(w, &link, i == 0);
    }
    if (torrent->tracker == WORLD_TRACKER_NONE) {
        for (int i = 1; i <= leechers; i++) {
            world_introduce(&w->peers[i], &w->peers[i - 1]);
        }
    }
    if (!world_finish(w, 600 * WORLD_SECOND_NS)) {
        world_describe(w);
        fail_msg("the swarm of seed %llu did not finish", (unsigned long long)seed);
    }
    for (int i = 0; i <= leechers; i++) {
        struct spate_status status = world_status(&w->peers[i]);
        assert_true(world_files_equal(&w->peers[i]));
        assert_int_equal(status.verified_bytes, w->payload_bytes);
        assert_int_equal(status.failed_bytes, 0);
        assert_int_equal(status.banned_peers, 0);
        if (w->peers[i].finished_ns > out.last_ns) {
            out.last_ns = w->peers[i].finished_ns;
        }
    }
    out.log_hash = io_sim_log_hash(w->sim);
    world_destroy(w);
    return out;
}

static void one_seed_and_eight_leechers_finish_twice_alike(void **state)
{
    (void)state;
    /* Each end loses half a percent, so one packet in a hundred is lost between any two. */
    const struct world_torrent torrent = {nested, 4, 65536, WORLD_TRACKER_UDP};
    struct outcome first = one_swarm(1, 8, 5000, &torrent);
    struct outcome second = one_swarm(1, 8, 5000, &torrent);
    assert_true(first.log_hash == second.log_hash);
    assert_true(first.last_ns == second.last_ns);
}

static void another_seed_is_another_run_with_the_same_end(void **state)
{
    (void)state;
    const struct world_torrent torrent = {nested, 4, 65536, WORLD_TRACKER_UDP};
    struct outcome first = one_swarm(2, 8, 5000, &torrent);
    struct outcome second = one_swarm(3, 8, 5000, &torrent);
    assert_true(first.log_hash != second.log_hash);
}

static void peers_meet_through_an_http_tracker(void **state)
{
    (void)state;
    const struct world_torrent torrent = {single, 1, 32768, WORLD_TRACKER_HTTP};
    one_swarm(4, 8, 5000, &torrent);
}

static void peers_that_were_named_by_hand_need_no_tracker(void **state)
{
    (void)state;
    const struct world_torrent torrent = {single, 1, 32768, WORLD_TRACKER_NONE};
    one_swarm(5, 4, 5000, &torrent);
}

static void one_leecher_takes_about_what_the_line_takes(void **state)
{
    (void)state;
    const struct world_torrent torrent = {single, 1, 65536, WORLD_TRACKER_UDP};
    struct outcome out = one_swarm(6, 1, 0, &torrent);
    /* 2.5 MB at 2 MB/s, from one second on. */
    int64_t took_ns = out.last_ns - WORLD_SECOND_NS;
    assert_true(took_ns > 5 * WORLD_SECOND_NS / 4);
    assert_true(took_ns < 5 * WORLD_SECOND_NS);
}

static void who_dials_in_counts_as_a_connection_of_the_session(void **state)
{
    (void)state;
    const struct world_torrent torrent = {single, 1, 65536, WORLD_TRACKER_NONE};
    struct world *w = world_create(7);
    struct io_sim_link link = home(0);
    world_set_torrent(w, &torrent);
    w->settings.max_connections = 2;
    struct world_peer *seed = world_add(w, &link, true);
    w->settings.max_connections = 0;
    for (int i = 0; i < 5; i++) {
        struct world_peer *leecher = world_add(w, &link, false);
        world_introduce(leecher, seed);
        world_introduce(leecher, leecher - 1);
    }
    for (int i = 0; i < 100; i++) {
        assert_true(world_run(w, WORLD_SECOND_NS / 20));
        assert_true(seed->session->env.connections - seed->session->unnamed_count <= 2);
    }
    assert_true(world_finish(w, 600 * WORLD_SECOND_NS));
    world_destroy(w);
}

/* A tracker names it to the peer; the real ones of a world name only who announces. */
static void name_to(const struct world_peer *p, const struct world_peer *host, uint16_t port)
{
    struct addr address = host->address;
    address.port = port;
    swarm_add_peer(world_torrent(p)->swarm, &address, PEER_SOURCE_TRACKER);
}

static void the_only_seed_is_found_behind_many_dead_ports_of_its_host(void **state)
{
    (void)state;
    const struct world_torrent torrent = {single, 1, 65536, WORLD_TRACKER_NONE};
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world *w = world_create(seed);
        struct io_sim_link link = home(0);
        world_set_torrent(w, &torrent);
        struct world_peer *host = world_add(w, &link, true);
        struct world_peer *leecher = world_add(w, &link, false);
        assert_true(world_run(w, WORLD_SECOND_NS));
        for (uint16_t i = 1; i <= 12; i++) {
            name_to(leecher, host, (uint16_t)(host->address.port + i));
        }
        name_to(leecher, host, host->address.port);
        assert_true(world_finish(w, 10 * WORLD_SECOND_NS));
        world_destroy(w);
    }
}

static void a_victim_that_never_answers_is_dialled_three_times_an_hour(void **state)
{
    (void)state;
    enum { SYNS_OF_A_DIAL = 4, HOURS = 3 }; /* at 0, 1, 3 and 7 seconds: it is given up after 10 */
    const struct world_torrent torrent = {single, 1, 65536, WORLD_TRACKER_NONE};
    struct world *w = world_create(8);
    struct io_sim_link link = home(0);
    world_set_torrent(w, &torrent);
    struct world_peer *victim = world_add_host(w, &link, "victim");
    struct world_peer *leecher = world_add(w, &link, false);
    world_set_up(victim, false);
    assert_true(world_run(w, WORLD_SECOND_NS));
    int64_t look_ns = w->look_ns;
    w->look_ns = 60 * WORLD_SECOND_NS; /* hours pass */
    for (int minute = 0; minute < HOURS * 60; minute++) {
        for (uint16_t i = 0; i < 10; i++) {
            name_to(leecher, victim, (uint16_t)(6000 + minute * 10 + i));
        }
        assert_true(world_run(w, 60 * WORLD_SECOND_NS));
    }
    assert_int_equal(io_sim_traffic(leecher->io).lost_packets, HOURS * 3 * SYNS_OF_A_DIAL);
    w->look_ns = look_ns;
    world_destroy(w);
}

static void who_was_told_of_nobody_asks_again_before_the_interval_is_over(void **state)
{
    (void)state;
    const struct world_torrent torrent = {single, 1, 65536, WORLD_TRACKER_HTTP};
    const uint8_t ip[4] = {10, 7, 0, 1};
    struct world *w = world_create(10);
    struct io_sim_link link = home(0);
    struct io_sim_nat *box;
    world_set_torrent(w, &torrent);
    /* Nobody can dial it: it has to learn of the seed by itself. */
    struct world_peer *leecher = world_add_host(w, &link, "leech");
    assert_int_equal(io_sim_nat_create(w->sim, IO_SIM_NAT_SYMMETRIC, addr_v4(ip, 0), &box), 0);
    io_sim_set_nat(leecher->io, box);
    world_start(leecher);
    assert_true(world_run(w, 10 * WORLD_SECOND_NS));
    world_add(w, &link, true);
    assert_true(world_finish(
        w, 1000 * WORLD_SECOND_NS)); /* of 1,800, of which it may ask again after 900 */
    world_destroy(w);
}

/* Whose disk has no descriptor to spare for as long as the flag stands. */
struct shortage {
    bool now;
    int refused;
};

static int64_t refuse_to_open(void *user, const struct io_sim_disk_call *call)
{
    struct shortage *shortage = user;
    if (!shortage->now || call->kind != IO_SIM_DISK_OPEN) {
        return 0;
    }
    shortage->refused++;
    return SPATE_EFDS;
}

static void a_seed_without_descriptors_for_a_while_loses_no_piece(void **state)
{
    (void)state;
    const struct world_torrent torrent = {nested, 4, 65536, WORLD_TRACKER_NONE};
    struct world *w = world_create(9);
    struct io_sim_link link = home(0);
    struct shortage shortage = {.now = false};
    world_set_torrent(w, &torrent);
    struct world_peer *seed = world_add(w, &link, true);
    assert_true(world_run(w, 60 * WORLD_SECOND_NS)); /* files that nobody asks for are closed */
    io_sim_set_disk_rule(seed->io, refuse_to_open, &shortage);
    shortage.now = true;
    struct world_peer *leecher = world_add(w, &link, false);
    world_introduce(leecher, seed);
    assert_true(world_run(w, 20 * WORLD_SECOND_NS));
    assert_true(shortage.refused > 0);
    assert_false(leecher->complete);
    assert_int_equal(world_status(seed).verified_bytes, w->payload_bytes);
    shortage.now = false;
    assert_true(world_finish(w, 60 * WORLD_SECOND_NS));
    assert_int_equal(world_state(seed), SPATE_STATE_SEEDING);
    assert_true(world_files_equal(leecher));
    world_destroy(w);
}

/* Somebody who opens a connection and says nothing, or shakes hands and says nothing more. */
struct mute {
    struct io *io; /* crowd_dial()'s */
    struct io_socket *socket;
    struct io_op connected;
};

static void mute_on_connected(struct io_op *op, int status)
{
    (void)op;
    (void)status;
}

static void mute_dial(struct mute *m, struct io *io, const struct world_peer *p)
{
    m->connected.done = mute_on_connected;
    assert_int_equal(io_tcp_connect(io, NULL, &p->address, &m->connected, &m->socket), 0);
}

static void mute_shake(struct mute *m, struct io *io, const struct world_peer *p, uint32_t number)
{
    uint8_t bytes[WIRE_HANDSHAKE_BYTES];
    struct wire_handshake shake = {.fast = true};
    memcpy(shake.info_hash, world_torrent(p)->swarm->settings.info_hash, 20);
    store_be32(shake.peer_id, number);
    wire_write_handshake(&shake, bytes);
    const struct io_part part = {.bytes = bytes, .size = sizeof bytes};
    assert_int_equal(io_send(io, m->socket, &part, 1), sizeof bytes);
}

static struct io *stranger(struct world *w, uint8_t number)
{
    struct io *io;
    const uint8_t ip[4] = {10, 77, 0, number};
    struct addr none = {.family = ADDR_NONE};
    assert_int_equal(io_sim_host_create(w->sim, "stranger", addr_v4(ip, 0), none, &io), 0);
    return io;
}

static void one_address_has_so_many_connections_of_a_torrent_and_no_more(void **state)
{
    (void)state;
    const struct world_torrent torrent = {single, 1, 65536, WORLD_TRACKER_NONE};
    for (uint32_t count = LIMIT_CONNECTIONS_PER_IP - 1; count <= LIMIT_CONNECTIONS_PER_IP + 1;
         count++) {
        struct mute mutes[LIMIT_CONNECTIONS_PER_IP + 1] = {0};
        struct world *w = world_create(9);
        struct io_sim_link link = home(0);
        world_set_torrent(w, &torrent);
        struct world_peer *seed = world_add(w, &link, true);
        struct io *io = stranger(w, 1);
        assert_true(world_run(w, WORLD_SECOND_NS));
        for (uint32_t i = 0; i < count; i++) {
            mute_dial(&mutes[i], io, seed);
        }
        assert_true(world_run(w, WORLD_SECOND_NS));
        for (uint32_t i = 0; i < count; i++) {
            mute_shake(&mutes[i], io, seed, i);
        }
        assert_true(world_run(w, WORLD_SECOND_NS));
        assert_int_equal(world_torrent(seed)->swarm->peer_count,
                         count < LIMIT_CONNECTIONS_PER_IP ? count : LIMIT_CONNECTIONS_PER_IP);
        for (uint32_t i = 0; i < count; i++) {
            io_close(io, mutes[i].socket);
        }
        world_destroy(w);
    }
}

static void so_many_pieces_are_allowed_fast_and_no_more(void **state)
{
    (void)state;
    const struct world_torrent torrent = {single, 1, 65536, WORLD_TRACKER_NONE};
    struct mute mute = {0};
    struct world *w = world_create(11);
    struct io_sim_link link = home(0);
    world_set_torrent(w, &torrent);
    struct world_peer *leecher = world_add(w, &link, false);
    struct io *io = stranger(w, 1);
    assert_true(world_run(w, WORLD_SECOND_NS));
    mute_dial(&mute, io, leecher);
    assert_true(world_run(w, WORLD_SECOND_NS));
    mute_shake(&mute, io, leecher, 1);
    assert_true(world_run(w, WORLD_SECOND_NS));
    const struct swarm *swarm = world_torrent(leecher)->swarm;
    assert_int_equal(swarm->peer_count, 1);
    const struct swarm_peer *peer = list_entry(list_first(&swarm->peers), struct swarm_peer, link);
    for (uint32_t count = 1; count <= LIMIT_PEER_ALLOWED_FAST + 1; count++) {
        uint8_t bytes[16];
        struct writer message = writer_over(bytes, sizeof bytes);
        wire_write_index(&message, WIRE_ALLOWED_FAST, count % w->piece_count);
        const struct io_part part = {.bytes = bytes, .size = message.size};
        assert_int_equal(io_send(io, mute.socket, &part, 1), message.size);
        assert_true(world_run(w, WORLD_SECOND_NS / 5));
        assert_int_equal(peer->allowed_fast_count,
                         count < LIMIT_PEER_ALLOWED_FAST ? count : LIMIT_PEER_ALLOWED_FAST);
    }
    io_close(io, mute.socket);
    world_destroy(w);
}

/* Who dials in takes the place of a dial under way; that must not lead to the next at once. */
static void a_dial_that_is_broken_off_is_not_repeated_at_a_victim(void **state)
{
    (void)state;
    const struct world_torrent torrent = {single, 1, 65536, WORLD_TRACKER_NONE};
    struct world *w = world_create(12);
    struct io_sim_link link = home(0);
    world_set_torrent(w, &torrent);
    struct world_peer *victim = world_add_host(w, &link, "victim");
    world_set_up(victim, false);
    w->settings.max_peers = 1;
    struct world_peer *leecher = world_add(w, &link, false);
    struct io *io = stranger(w, 1);
    assert_true(world_run(w, WORLD_SECOND_NS));
    for (uint32_t i = 0; i < 20; i++) {
        struct mute mute = {0};
        name_to(leecher, victim, 6881);
        mute_dial(&mute, io, leecher);
        assert_true(world_run(w, WORLD_SECOND_NS / 2));
        mute_shake(&mute, io, leecher, i);
        assert_true(world_run(w, WORLD_SECOND_NS / 2));
        assert_int_equal(world_torrent(leecher)->swarm->peer_count, 1);
        io_close(io, mute.socket);
        assert_true(world_run(w, WORLD_SECOND_NS / 2));
    }
    assert_in_range(io_sim_traffic(leecher->io).lost_packets, 1, 4); /* one dial tries four times */
    world_destroy(w);
}

/* So many from each host that none has more than its share of the places. */
enum { MUTES_PER_HOST = LIMIT_UNNAMED_PER_NETWORK - 5 };

static void crowd_dial(struct world *w, struct mute *mutes, uint32_t count,
                       const struct world_peer *p)
{
    struct io *io = NULL;
    for (uint32_t i = 0; i < count; i++) {
        io = i % MUTES_PER_HOST == 0 ? stranger(w, (uint8_t)(i / MUTES_PER_HOST + 1)) : io;
        mutes[i].io = io;
        mute_dial(&mutes[i], io, p);
    }
}

static void so_many_may_wait_without_naming_a_torrent_and_the_oldest_goes(void **state)
{
    (void)state;
    const struct world_torrent torrent = {single, 1, 65536, WORLD_TRACKER_NONE};
    struct mute first = {0}, mutes[LIMIT_UNNAMED_CONNECTIONS] = {0};
    struct world *w = world_create(10);
    struct io_sim_link link = home(0);
    uint8_t byte;
    const struct iovec v = {.iov_base = &byte, .iov_len = 1};
    world_set_torrent(w, &torrent);
    struct world_peer *seed = world_add(w, &link, true);
    struct io *io = stranger(w, 99);
    assert_true(world_run(w, WORLD_SECOND_NS));
    mute_dial(&first, io, seed);
    assert_true(world_run(w, WORLD_SECOND_NS / 2));
    assert_int_equal(seed->session->unnamed_count, 1);
    crowd_dial(w, mutes, LIMIT_UNNAMED_CONNECTIONS - 1, seed);
    assert_true(world_run(w, WORLD_SECOND_NS));
    assert_int_equal(seed->session->unnamed_count, LIMIT_UNNAMED_CONNECTIONS);
    mutes[LIMIT_UNNAMED_CONNECTIONS - 1].io = io;
    mute_dial(&mutes[LIMIT_UNNAMED_CONNECTIONS - 1], io, seed);
    assert_true(world_run(w, WORLD_SECOND_NS / 2));
    assert_int_equal(seed->session->unnamed_count, LIMIT_UNNAMED_CONNECTIONS);
    assert_int_not_equal(io_receive(io, first.socket, &v, 1), SPATE_EAGAIN);
    io_close(io, first.socket);
    for (uint32_t i = 0; i < LIMIT_UNNAMED_CONNECTIONS; i++) {
        assert_int_equal(io_receive(mutes[i].io, mutes[i].socket, &v, 1), SPATE_EAGAIN);
        io_close(mutes[i].io, mutes[i].socket);
    }
    world_destroy(w);
}

static void one_network_has_its_share_of_the_places_and_no_more(void **state)
{
    (void)state;
    enum { ALL = 3 * LIMIT_UNNAMED_CONNECTIONS };
    const struct world_torrent torrent = {single, 1, 65536, WORLD_TRACKER_NONE};
    static struct mute mutes[ALL];
    struct mute other = {0};
    struct world *w = world_create(13);
    struct io_sim_link link = home(0);
    uint8_t byte;
    const struct iovec v = {.iov_base = &byte, .iov_len = 1};
    world_set_torrent(w, &torrent);
    struct world_peer *seed = world_add(w, &link, true);
    struct io *io = stranger(w, 1), *honest = stranger(w, 2);
    assert_true(world_run(w, WORLD_SECOND_NS));
    mute_dial(&other, honest, seed);
    for (int i = 0; i < ALL; i++) {
        mute_dial(&mutes[i], io, seed);
    }
    assert_true(world_run(w, WORLD_SECOND_NS / 2));
    assert_int_equal(seed->session->unnamed_count, LIMIT_UNNAMED_PER_NETWORK + 1);
    assert_int_equal(io_receive(honest, other.socket, &v, 1), SPATE_EAGAIN);
    io_close(honest, other.socket);
    for (int i = 0; i < ALL; i++) {
        io_close(io, mutes[i].socket);
    }
    world_destroy(w);
}

static void who_has_just_come_makes_no_room_for_the_next(void **state)
{
    (void)state;
    enum { MORE = 50, ALL = LIMIT_UNNAMED_CONNECTIONS + MORE };
    const struct world_torrent torrent = {single, 1, 65536, WORLD_TRACKER_NONE};
    struct mute mutes[ALL] = {0};
    struct world *w = world_create(11);
    struct io_sim_link link = home(0);
    uint8_t byte;
    const struct iovec v = {.iov_base = &byte, .iov_len = 1};
    world_set_torrent(w, &torrent);
    struct world_peer *seed = world_add(w, &link, true);
    assert_true(world_run(w, WORLD_SECOND_NS));
    crowd_dial(w, mutes, ALL, seed);
    assert_true(world_run(w, WORLD_SECOND_NS / 2));
    assert_int_equal(seed->session->unnamed_count, LIMIT_UNNAMED_CONNECTIONS);
    io_close(mutes[0].io, mutes[0].socket); /* its place is another's at once */
    assert_true(world_run(w, WORLD_SECOND_NS / 4));
    assert_int_equal(seed->session->unnamed_count, LIMIT_UNNAMED_CONNECTIONS);
    for (int i = 1; i < ALL; i++) {
        assert_int_equal(io_receive(mutes[i].io, mutes[i].socket, &v, 1), SPATE_EAGAIN);
    }
    assert_true(world_run(w, WORLD_SECOND_NS));
    assert_int_equal(seed->session->unnamed_count, LIMIT_UNNAMED_CONNECTIONS);
    uint32_t open = 0;
    for (int i = 1; i < ALL; i++) {
        open += io_receive(mutes[i].io, mutes[i].socket, &v, 1) == SPATE_EAGAIN;
        io_close(mutes[i].io, mutes[i].socket);
    }
    assert_int_equal(open, LIMIT_UNNAMED_CONNECTIONS); /* the others had their second */
    world_destroy(w);
}

static void who_dials_in_over_either_family_waits_and_gets_in(void **state)
{
    (void)state;
    const struct world_torrent torrent = {single, 1, 65536, WORLD_TRACKER_NONE};
    struct mute mutes[LIMIT_UNNAMED_CONNECTIONS] = {0}, late[2] = {0};
    struct world *w = world_create(12);
    struct io_sim_link link = home(0);
    struct addr from, to;
    struct io *io;
    w->has_v6 = true;
    world_set_torrent(w, &torrent);
    struct world_peer *seed = world_add(w, &link, true);
    assert_true(addr_parse(&from, span_text("[fd00::7:1]:0")));
    assert_true(addr_parse(&to, span_text("[fd00::1]:6881")));
    to.port = seed->address.port;
    const uint8_t ip[4] = {10, 77, 0, 99};
    assert_int_equal(io_sim_host_create(w->sim, "stranger", addr_v4(ip, 0), from, &io), 0);
    assert_true(world_run(w, WORLD_SECOND_NS));
    crowd_dial(w, mutes, LIMIT_UNNAMED_CONNECTIONS, seed);
    assert_true(world_run(w, WORLD_SECOND_NS / 4));
    assert_int_equal(seed->session->unnamed_count, LIMIT_UNNAMED_CONNECTIONS);
    mute_dial(&late[0], io, seed);
    late[1].connected.done = mute_on_connected;
    assert_int_equal(io_tcp_connect(io, NULL, &to, &late[1].connected, &late[1].socket), 0);
    assert_true(world_run(w, WORLD_SECOND_NS / 4));
    assert_int_equal(seed->session->unnamed_count, LIMIT_UNNAMED_CONNECTIONS);
    for (uint32_t i = 0; i < LIMIT_UNNAMED_CONNECTIONS; i++) {
        io_close(mutes[i].io, mutes[i].socket);
    }
    assert_true(world_run(w, WORLD_SECOND_NS / 4));
    assert_int_equal(seed->session->unnamed_count, 2);
    io_close(io, late[0].socket);
    io_close(io, late[1].socket);
    world_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_seed_and_eight_leechers_finish_twice_alike),
        cmocka_unit_test(another_seed_is_another_run_with_the_same_end),
        cmocka_unit_test(who_dials_in_counts_as_a_connection_of_the_session),
        cmocka_unit_test(the_only_seed_is_found_behind_many_dead_ports_of_its_host),
        cmocka_unit_test(a_victim_that_never_answers_is_dialled_three_times_an_hour),
        cmocka_unit_test(who_was_told_of_nobody_asks_again_before_the_interval_is_over),
        cmocka_unit_test(a_seed_without_descriptors_for_a_while_loses_no_piece),
        cmocka_unit_test(one_address_has_so_many_connections_of_a_torrent_and_no_more),
        cmocka_unit_test(so_many_pieces_are_allowed_fast_and_no_more),
        cmocka_unit_test(a_dial_that_is_broken_off_is_not_repeated_at_a_victim),
        cmocka_unit_test(so_many_may_wait_without_naming_a_torrent_and_the_oldest_goes),
        cmocka_unit_test(one_network_has_its_share_of_the_places_and_no_more),
        cmocka_unit_test(who_has_just_come_makes_no_room_for_the_next),
        cmocka_unit_test(who_dials_in_over_either_family_waits_and_gets_in),
        cmocka_unit_test(peers_meet_through_an_http_tracker),
        cmocka_unit_test(peers_that_were_named_by_hand_need_no_tracker),
        cmocka_unit_test(one_leecher_takes_about_what_the_line_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
