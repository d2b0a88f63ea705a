/* The simulated world: what it promises beyond the port, which is what links, disks and seeds do. */
#include "io/sim/io_sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>

#define SECOND_NS INT64_C(1000000000)
#define MS_NS     INT64_C(1000000)

enum { HOSTS = 3, PORT = 7000 };

struct noted {
    struct io_op op;
    struct io *io;
    int status, times;
    int64_t at_ns;
};

static void noted_on_done(struct io_op *op, int status)
{
    struct noted *n = list_entry(op, struct noted, op);
    n->status = status;
    n->times++;
    n->at_ns = io_now(n->io);
}

static struct noted noted_make(struct io *io)
{
    return (struct noted){.op.done = noted_on_done, .io = io, .status = 1};
}

/* Three hosts with quiet links of 10 ms: 20 ms from one to another. */
struct scene {
    struct io_sim *sim;
    struct io *io[HOSTS];
    struct addr at[HOSTS];
};

static void scene_init(struct scene *s, uint64_t seed)
{
    static const char *const names[HOSTS] = {"a", "b", "c"};
    s->sim = io_sim_create(seed);
    for (int i = 0; i < HOSTS; i++) {
        const uint8_t ip[4] = {10, 0, 0, (uint8_t)(i + 1)};
        s->at[i] = addr_v4(ip, PORT);
        assert_int_equal(io_sim_host_create(s->sim, names[i], s->at[i],
                                            (struct addr){.family = ADDR_NONE}, &s->io[i]),
                         0);
    }
}

static void pass(struct scene *s, int64_t for_ns)
{
    io_sim_run_until(s->sim, io_sim_now(s->sim) + for_ns);
}

static void await(struct scene *s, const struct io_op *op)
{
    while (op->active) {
        assert_true(io_sim_step(s->sim));
    }
}

/* ---- streams ---------------------------------------------------------------------------------- */

/* One end that sends so many bytes as fast as it can, and one that reads them. */
struct stream {
    struct io *from, *to;
    struct io_socket *source, *sink;
    struct io_op writable, readable;
    uint64_t left, received;
    int64_t done_ns;
    int64_t failed; /* what the transfer said */
};

static void stream_on_writable(struct io_op *op, int status)
{
    struct stream *f = list_entry(op, struct stream, writable);
    static const uint8_t bytes[16384] = {1, 2, 3};
    int64_t n = status;
    while (status == 0 && f->left > 0) {
        struct io_part part = {.bytes = bytes,
                               .size = f->left < sizeof bytes ? (size_t)f->left : sizeof bytes};
        n = io_send(f->from, f->source, &part, 1);
        if (n < 0) {
            break;
        }
        f->left -= (uint64_t)n;
    }
    if (n == SPATE_EAGAIN) {
        io_wait(f->from, f->source, IO_WRITABLE, op);
    } else if (n < 0 && f->failed == 0) {
        f->failed = n;
    }
}

static void stream_on_readable(struct io_op *op, int status)
{
    struct stream *f = list_entry(op, struct stream, readable);
    uint8_t bytes[16384];
    struct iovec v = {bytes, sizeof bytes};
    int64_t n = status;
    while (status == 0 && (n = io_receive(f->to, f->sink, &v, 1)) > 0) {
        f->received += (uint64_t)n;
        f->done_ns = io_now(f->to);
    }
    if (n == SPATE_EAGAIN) {
        io_wait(f->to, f->sink, IO_READABLE, op);
    }
}

/* A connection from one host to another. */
static void meet(struct scene *s, int from, int to, struct io_socket **source,
                 struct io_socket **sink)
{
    struct io_bind bind = {.address = s->at[to]};
    struct io_socket *listener;
    struct noted connecting = noted_make(s->io[from]), arriving = noted_make(s->io[to]);
    struct addr peer;
    assert_int_equal(io_tcp_listen(s->io[to], &bind, &listener), 0);
    io_wait(s->io[to], listener, IO_READABLE, &arriving.op);
    assert_int_equal(io_tcp_connect(s->io[from], NULL, &s->at[to], &connecting.op, source), 0);
    await(s, &arriving.op);
    assert_int_equal(connecting.status, 0);
    assert_int_equal(io_accept(s->io[to], listener, sink, &peer), 0);
    io_close(s->io[to], listener);
}

static void stream_begin(struct scene *s, struct stream *f, int from, int to, uint64_t bytes)
{
    *f = (struct stream){.from = s->io[from], .to = s->io[to], .left = bytes};
    f->writable.done = stream_on_writable;
    f->readable.done = stream_on_readable;
    meet(s, from, to, &f->source, &f->sink);
    io_wait(f->from, f->source, IO_WRITABLE, &f->writable);
    io_wait(f->to, f->sink, IO_READABLE, &f->readable);
}

/* Seconds that so many bytes take from host 0 to host 1. */
static double transfer_s(struct scene *s, uint64_t bytes)
{
    struct stream f;
    stream_begin(s, &f, 0, 1, bytes);
    int64_t begin_ns = io_sim_now(s->sim);
    pass(s, 1000 * SECOND_NS);
    assert_int_equal(f.received, bytes);
    io_close(f.from, f.source);
    io_close(f.to, f.sink);
    pass(s, SECOND_NS); /* what waited completes while it is still there */
    return (double)(f.done_ns - begin_ns) / 1e9;
}

static void set_rates(struct scene *s, int host, uint64_t up, uint64_t down)
{
    struct io_sim_link link = io_sim_link_default();
    link.up_bytes_per_s = up;
    link.down_bytes_per_s = down;
    io_sim_set_link(s->io[host], &link);
}

static void set_loss(struct scene *s, int host, uint32_t loss_ppm)
{
    struct io_sim_link link = io_sim_link_default();
    link.loss_ppm = loss_ppm;
    io_sim_set_link(s->io[host], &link);
}

static void a_connection_takes_one_round_trip(void **state)
{
    (void)state;
    struct scene s;
    struct io_bind bind;
    struct io_socket *listener, *a;
    scene_init(&s, 1);
    struct noted connecting = noted_make(s.io[0]);
    bind = (struct io_bind){.address = s.at[1]};
    assert_int_equal(io_tcp_listen(s.io[1], &bind, &listener), 0);
    int64_t begin_ns = io_sim_now(s.sim);
    assert_int_equal(io_tcp_connect(s.io[0], NULL, &s.at[1], &connecting.op, &a), 0);
    await(&s, &connecting.op);
    assert_true(connecting.at_ns - begin_ns >= 40 * MS_NS);
    assert_true(connecting.at_ns - begin_ns < 41 * MS_NS);
    io_sim_destroy(s.sim);
}

static void a_line_takes_what_its_rate_says(void **state)
{
    (void)state;
    for (int down = 0; down < 2; down++) {
        struct scene s;
        scene_init(&s, 2);
        set_rates(&s, down, down ? 0 : 100000, down ? 100000 : 0);
        double took_s = transfer_s(&s, 1000000);
        assert_true(took_s > 10.0);
        assert_true(took_s <
                    (down ? 14.0 : 10.5)); /* a queue that overflows costs retransmissions */
        io_sim_destroy(s.sim);
    }
}

static void streams_share_a_line_evenly(void **state)
{
    (void)state;
    struct scene s;
    struct stream one, two;
    scene_init(&s, 3);
    set_rates(&s, 0, 200000, 0);
    stream_begin(&s, &one, 0, 1, 5000000);
    stream_begin(&s, &two, 0, 2, 5000000);
    pass(&s, 15 * SECOND_NS);
    uint64_t sum = one.received + two.received;
    assert_in_range(sum, 2800000, 3100000);
    assert_in_range(one.received * 100 / sum, 45, 55);
    io_sim_destroy(s.sim);
}

static void a_short_message_does_not_wait_for_a_long_one(void **state)
{
    (void)state;
    struct scene s;
    struct stream bulk, word;
    scene_init(&s, 4);
    set_rates(&s, 0, 100000, 0);
    stream_begin(&s, &bulk, 0, 1, 10000000);
    stream_begin(&s, &word, 0, 2, 0);
    pass(&s, 5 * SECOND_NS);
    word.left = 20;
    io_wait(word.from, word.source, IO_WRITABLE, &word.writable);
    int64_t begin_ns = io_sim_now(s.sim);
    while (word.received < 20) {
        assert_true(io_sim_step(s.sim));
    }
    assert_true(word.done_ns - begin_ns < 100 * MS_NS);
    io_sim_destroy(s.sim);
}

static void loss_costs_time_and_no_byte(void **state)
{
    (void)state;
    struct scene clean, lossy;
    scene_init(&clean, 5);
    scene_init(&lossy, 5);
    set_loss(&lossy, 0, 20000);
    double clean_s = transfer_s(&clean, 5000000), lossy_s = transfer_s(&lossy, 5000000);
    assert_true(lossy_s > 2 * clean_s);
    assert_int_equal(io_sim_traffic(clean.io[0]).lost_packets, 0);
    assert_true(io_sim_traffic(lossy.io[0]).lost_packets > 20);
    io_sim_destroy(clean.sim);
    io_sim_destroy(lossy.sim);
}

static void a_connection_survives_an_outage_and_dies_of_a_long_one(void **state)
{
    (void)state;
    struct scene s;
    struct stream f;
    scene_init(&s, 6);
    stream_begin(&s, &f, 0, 1, 1000000000);
    pass(&s, SECOND_NS);
    io_sim_set_up(s.io[1], false);
    pass(&s, SECOND_NS);
    uint64_t before = f.received;
    assert_true(before > 0);
    pass(&s, 20 * SECOND_NS);
    assert_int_equal(f.received, before);
    io_sim_set_up(s.io[1], true);
    pass(&s, 30 * SECOND_NS);
    assert_true(f.received > before);
    io_sim_set_up(s.io[1], false);
    pass(&s, 1200 * SECOND_NS);
    assert_int_equal(f.failed, SPATE_ETIMEDOUT);
    io_sim_destroy(s.sim);
}

static void nobody_there_is_a_timeout(void **state)
{
    (void)state;
    struct scene s;
    struct io_socket *a, *b;
    scene_init(&s, 7);
    struct addr nowhere = s.at[0];
    nowhere.ip[3] = 99;
    io_sim_set_up(s.io[1], false);
    struct noted absent = noted_make(s.io[0]), down = noted_make(s.io[0]);
    int64_t begin_ns = io_sim_now(s.sim);
    assert_int_equal(io_tcp_connect(s.io[0], NULL, &nowhere, &absent.op, &a), 0);
    assert_int_equal(io_tcp_connect(s.io[0], NULL, &s.at[1], &down.op, &b), 0);
    await(&s, &absent.op);
    await(&s, &down.op);
    assert_int_equal(absent.status, SPATE_ETIMEDOUT);
    assert_int_equal(down.status, SPATE_ETIMEDOUT);
    assert_true(down.at_ns - begin_ns > 60 * SECOND_NS && down.at_ns - begin_ns < 180 * SECOND_NS);
    io_sim_destroy(s.sim);
}

static void without_a_way_there_is_no_connection(void **state)
{
    (void)state;
    struct scene s;
    struct io_socket *a, *b;
    struct addr v6;
    scene_init(&s, 8);
    assert_true(addr_parse(&v6, span_text("[2001:db8::1]:80")));
    struct noted other_family = noted_make(s.io[0]), loopback = noted_make(s.io[0]);
    struct io_bind lo = {.interface = "lo"};
    assert_int_equal(io_tcp_connect(s.io[0], NULL, &v6, &other_family.op, &a), 0);
    assert_int_equal(io_tcp_connect(s.io[0], &lo, &s.at[1], &loopback.op, &b), 0);
    await(&s, &other_family.op);
    await(&s, &loopback.op);
    assert_int_equal(other_family.status, SPATE_EUNREACHABLE);
    assert_int_equal(loopback.status, SPATE_EUNREACHABLE);
    io_sim_destroy(s.sim);
}

/* ---- datagrams -------------------------------------------------------------------------------- */

static struct io_socket *open_udp(struct scene *s, int host)
{
    struct io_bind bind = {.address = s->at[host]};
    struct io_socket *socket;
    assert_int_equal(io_udp_open(s->io[host], &bind, &socket), 0);
    return socket;
}

struct count {
    uint32_t received, backwards;
};

/* Sends numbered datagrams, one a millisecond, from host 0 to host 1. */
static struct count send_numbers(struct scene *s, uint32_t count)
{
    struct io_socket *a = open_udp(s, 0), *b = open_udp(s, 1);
    struct count out = {0};
    uint32_t number = 0, last = 0;
    uint8_t bytes[100] = {0};
    for (uint32_t i = 0; i < count + 1000; i++) {
        struct io_datagram d = {.peer = s->at[1], .bytes = bytes, .size = sizeof bytes};
        if (i < count) {
            store_be32(bytes, i);
            assert_int_equal(io_udp_send(s->io[0], a, &d, 1), 1);
        }
        pass(s, MS_NS);
        d.size = sizeof bytes;
        while (io_udp_receive(s->io[1], b, &d, 1) == 1) {
            number = load_be32(d.bytes);
            out.backwards += number < last;
            last = number;
            out.received++;
            d.size = sizeof bytes;
        }
    }
    return out;
}

static void datagrams_are_lost_doubled_and_reordered_as_the_link_says(void **state)
{
    (void)state;
    struct scene s;
    struct io_sim_link link = io_sim_link_default();
    scene_init(&s, 9);
    struct count quiet = send_numbers(&s, 2000);
    assert_int_equal(quiet.received, 2000);
    assert_int_equal(quiet.backwards, 0);
    io_sim_destroy(s.sim);

    scene_init(&s, 9);
    link.loss_ppm = 100000;
    io_sim_set_link(s.io[1], &link);
    assert_in_range(send_numbers(&s, 2000).received, 1700, 1900);
    io_sim_destroy(s.sim);

    scene_init(&s, 9);
    link = io_sim_link_default();
    link.duplicate_ppm = 100000;
    link.reorder_ppm = 100000;
    io_sim_set_link(s.io[0], &link);
    struct count odd = send_numbers(&s, 2000);
    assert_in_range(odd.received, 2100, 2300);
    assert_in_range(odd.backwards, 100, 500);
    io_sim_destroy(s.sim);
}

static void a_full_queue_drops_and_a_long_datagram_says_so(void **state)
{
    (void)state;
    struct scene s;
    struct io_sim_link link = io_sim_link_default();
    uint8_t bytes[2000] = {0};
    uint32_t received = 0;
    scene_init(&s, 10);
    link.up_bytes_per_s = 100000;
    link.queue_bytes = 10000;
    io_sim_set_link(s.io[0], &link);
    struct io_socket *a = open_udp(&s, 0), *b = open_udp(&s, 1);
    struct io_datagram d = {.peer = s.at[1], .bytes = bytes, .size = 1472, .dont_fragment = true};
    assert_int_equal(io_udp_send(s.io[0], a, &d, 1), 1); /* with its headers just 1500 */
    d.size = 1473;
    assert_int_equal(io_udp_send(s.io[0], a, &d, 1), SPATE_EMSGSIZE);
    d.dont_fragment = false;
    assert_int_equal(io_udp_send(s.io[0], a, &d, 1), 1);
    pass(&s, SECOND_NS);
    d.size = 1000;
    for (int i = 0; i < 50; i++) {
        assert_int_equal(io_udp_send(s.io[0], a, &d, 1), 1);
    }
    pass(&s, 10 * SECOND_NS);
    d.size = sizeof bytes;
    while (io_udp_receive(s.io[1], b, &d, 1) == 1) {
        received++;
        d.size = sizeof bytes;
    }
    assert_int_equal(received, 2 + 1 + 10); /* one on the line, ten in the queue */
    assert_int_equal(io_sim_traffic(s.io[0]).lost_packets, 39);
    /* The receiver's line is narrower than anybody said: such a datagram never arrives. */
    link.mtu_bytes = 1400;
    io_sim_set_link(s.io[1], &link);
    d = (struct io_datagram){.peer = s.at[1], .bytes = bytes, .size = 1472, .dont_fragment = true};
    assert_int_equal(io_udp_send(s.io[0], a, &d, 1), 1);
    pass(&s, SECOND_NS);
    assert_int_equal(io_udp_receive(s.io[1], b, &d, 1), SPATE_EAGAIN);
    io_sim_destroy(s.sim);
}

/* ---- time and the log ------------------------------------------------------------------------- */

struct restless {
    struct io_op op;
    struct io *io;
    uint64_t turns;
};

static void restless_on_done(struct io_op *op, int status)
{
    struct restless *r = list_entry(op, struct restless, op);
    r->turns++;
    if (status == 0) {
        io_timer(r->io, op, io_now(r->io));
    }
}

static void a_host_that_never_rests_lets_the_clock_go_on(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, 11);
    struct restless r = {.op.done = restless_on_done, .io = s.io[0]};
    assert_true(io_sim_idle(s.sim));
    io_timer(s.io[0], &r.op, 0);
    assert_false(io_sim_idle(s.sim));
    pass(&s, 10 * MS_NS);
    assert_in_range(r.turns, 9000, 11000);
    io_sim_destroy(s.sim);
}

static void the_wall_clock_can_be_set(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, 12);
    int64_t now_ns = io_now(s.io[0]), other_ns = io_wall(s.io[1]);
    io_sim_set_wall(s.io[0], 5000 * SECOND_NS);
    pass(&s, SECOND_NS);
    assert_true(io_wall(s.io[0]) == 5001 * SECOND_NS);
    assert_true(io_now(s.io[0]) == now_ns + SECOND_NS);
    assert_true(io_wall(s.io[1]) == other_ns + SECOND_NS);
    io_sim_destroy(s.sim);
}

struct text_log {
    char *text;
    size_t size;
    FILE *file;
};

static void text_log_line(void *user, const char *text)
{
    struct text_log *log = user;
    fprintf(log->file, "%s\n", text);
}

/* Some of everything that a seed decides. */
static uint64_t run_of(uint64_t seed, uint8_t byte, struct text_log *log)
{
    struct scene s;
    struct io_sim_link link = io_sim_link_default();
    struct stream f;
    uint8_t chance[8];
    scene_init(&s, seed);
    if (log) {
        log->file = open_memstream(&log->text, &log->size);
        assert_non_null(log->file);
        io_sim_set_log(s.sim, text_log_line, log);
    }
    link.jitter_ns = 3 * MS_NS;
    link.loss_ppm = 10000;
    io_sim_set_link(s.io[0], &link);
    stream_begin(&s, &f, 0, 1, 300000);
    io_entropy(s.io[0], chance, sizeof chance);
    pass(&s, 20 * SECOND_NS);
    struct io_part part = {.bytes = &byte, .size = 1};
    assert_int_equal(io_send(s.io[0], f.source, &part, 1), 1);
    pass(&s, SECOND_NS);
    uint64_t hash = io_sim_log_hash(s.sim);
    io_sim_destroy(s.sim);
    if (log) {
        fclose(log->file);
    }
    return hash;
}

static void the_same_seed_is_the_same_run_and_one_byte_makes_another(void **state)
{
    (void)state;
    struct text_log first = {0}, second = {0};
    uint64_t hash = run_of(100, 1, &first);
    assert_true(hash == run_of(100, 1, &second));
    assert_true(hash == run_of(100, 1, NULL)); /* whether anybody reads along or not */
    assert_string_equal(first.text, second.text);
    assert_non_null(strstr(first.text, " a send "));
    assert_non_null(strstr(first.text, " b receive "));
    assert_true(hash != run_of(101, 1, NULL));
    assert_true(hash != run_of(100, 2, NULL));
    free(first.text);
    free(second.text);
}

static void two_hosts_never_share_an_address(void **state)
{
    (void)state;
    struct scene s;
    struct io *io = (struct io *)&s;
    scene_init(&s, 13);
    assert_int_equal(
        io_sim_host_create(s.sim, "d", s.at[0], (struct addr){.family = ADDR_NONE}, &io),
        SPATE_EADDRINUSE);
    assert_null(io);
    io_sim_destroy(s.sim);
}

static void a_world_ends_in_the_middle_of_everything(void **state)
{
    (void)state;
    struct scene s;
    struct stream f;
    struct io_socket *a;
    uint8_t bytes[100] = {0};
    scene_init(&s, 14);
    stream_begin(&s, &f, 0, 1, 100000000);
    struct io_socket *udp = open_udp(&s, 2);
    struct io_datagram d = {.peer = s.at[1], .bytes = bytes, .size = sizeof bytes};
    struct noted connecting = noted_make(s.io[2]);
    pass(&s, SECOND_NS);
    assert_int_equal(io_udp_send(s.io[2], udp, &d, 1), 1);
    assert_int_equal(io_tcp_connect(s.io[2], NULL, &s.at[1], &connecting.op, &a), 0);
    io_sim_destroy(s.sim);
    assert_int_equal(connecting.status, SPATE_ECANCELED);
    assert_int_equal(connecting.times, 1);
    assert_false(f.writable.active || f.readable.active);
}

/* ---- disks and work --------------------------------------------------------------------------- */

struct job {
    struct noted noted;
    int (*body)(struct io_fs *, void *user);
    void *user;
};

static int job_run(struct io_op *op, struct io_fs *fs)
{
    const struct job *job = list_entry(op, struct job, noted.op);
    return job->body ? job->body(fs, job->user) : 0;
}

static void job_begin(struct scene *s, struct job *job, enum io_pool pool,
                      int (*body)(struct io_fs *, void *), void *user, uint64_t work_bytes)
{
    *job = (struct job){.noted = noted_make(s->io[0]), .body = body, .user = user};
    io_work(s->io[0], pool, &job->noted.op, job_run, work_bytes);
}

/* Runs it and returns its status; *took_ns is how long it took. */
static int in_work(struct scene *s, int (*body)(struct io_fs *, void *), void *user,
                   int64_t *took_ns)
{
    struct job job;
    int64_t begin_ns = io_sim_now(s->sim);
    job_begin(s, &job, IO_POOL_WRITE, body, user, 0);
    await(s, &job.noted.op);
    if (took_ns) {
        *took_ns = job.noted.at_ns - begin_ns;
    }
    return job.noted.status;
}

struct range {
    uint64_t offset, size;
};

static int write_range(struct io_fs *fs, void *user)
{
    const struct range *range = user;
    struct io_file *file;
    int rc = io_fs_open_path(fs, "/file", IO_OPEN_WRITE | IO_OPEN_CREATE, &file);
    if (rc < 0) {
        return rc;
    }
    uint8_t *bytes = calloc(1, range->size);
    struct iovec v = {bytes, range->size};
    int64_t n = io_fs_write(fs, file, range->offset, &v, 1);
    free(bytes);
    io_fs_close(fs, file);
    return n < 0 ? (int)n : 0;
}

static int reserve_range(struct io_fs *fs, void *user)
{
    const struct range *range = user;
    struct io_file *file;
    int rc = io_fs_open_path(fs, "/reserved", IO_OPEN_WRITE | IO_OPEN_CREATE, &file);
    if (rc == 0) {
        rc = io_fs_allocate(fs, file, range->size, IO_ALLOCATE_FULL);
        io_fs_close(fs, file);
    }
    return rc;
}

static int remove_file(struct io_fs *fs, void *user)
{
    struct io_file *dir;
    (void)user;
    int rc = io_fs_open_path(fs, "/", IO_OPEN_DIRECTORY, &dir);
    if (rc == 0) {
        rc = io_fs_unlink(fs, dir, "file");
        io_fs_close(fs, dir);
    }
    return rc;
}

static void a_disk_is_full_at_its_capacity_and_not_before(void **state)
{
    (void)state;
    struct scene s;
    struct io_sim_disk disk = io_sim_disk_default();
    struct range nearly = {0, 4096 * 9}, last = {4096 * 9, 4096}, beyond = {4096 * 10, 1};
    struct range within = {100, 200}, reserved = {0, 4096 * 3};
    scene_init(&s, 15);
    disk.capacity_bytes = 4096 * 10;
    io_sim_set_disk(s.io[0], &disk);
    assert_int_equal(in_work(&s, write_range, &nearly, NULL), 0);
    assert_int_equal(in_work(&s, write_range, &last, NULL), 0);
    assert_int_equal(in_work(&s, write_range, &beyond, NULL), SPATE_ENOSPC);
    assert_int_equal(in_work(&s, write_range, &within, NULL), 0); /* it has its room */
    assert_int_equal(in_work(&s, reserve_range, &reserved, NULL), SPATE_ENOSPC);
    /* What failed left the file as it was. */
    uint8_t *bytes;
    size_t size;
    assert_int_equal(io_sim_file_read(s.io[0], "/file", &bytes, &size), 0);
    assert_int_equal(size, 4096 * 10);
    free(bytes);
    assert_int_equal(in_work(&s, remove_file, NULL, NULL), 0);
    assert_int_equal(in_work(&s, reserve_range, &reserved, NULL), 0);
    assert_int_equal(in_work(&s, write_range, &nearly, NULL), SPATE_ENOSPC); /* 3 are reserved */
    io_sim_destroy(s.sim);
}

static void a_disk_takes_its_time(void **state)
{
    (void)state;
    struct scene s;
    struct io_sim_disk disk = {
        .capacity_bytes = UINT64_C(1) << 40, .latency_ns = 5 * MS_NS, .bytes_per_s = 1000000};
    struct range range = {0, 500000};
    int64_t took_ns;
    struct job one, two;
    scene_init(&s, 16);
    io_sim_set_disk(s.io[0], &disk);
    assert_int_equal(in_work(&s, write_range, &range, &took_ns), 0);
    assert_true(took_ns >= 510 * MS_NS && took_ns < 512 * MS_NS); /* open, write, bytes */
    /* Two lanes, and yet one disk. */
    int64_t begin_ns = io_sim_now(s.sim);
    job_begin(&s, &one, IO_POOL_READ, write_range, &range, 0);
    job_begin(&s, &two, IO_POOL_WRITE, write_range, &range, 0);
    await(&s, &one.noted.op);
    await(&s, &two.noted.op);
    took_ns = io_sim_now(s.sim) - begin_ns;
    assert_true(took_ns > 1000 * MS_NS && took_ns < 1020 * MS_NS);
    io_sim_destroy(s.sim);
}

static void jobs_queue_for_lanes_and_pools_do_not_wait_for_each_other(void **state)
{
    (void)state;
    struct scene s;
    struct job jobs[6], other;
    scene_init(&s, 17);
    io_sim_set_compute(s.io[0], 1000000);
    io_sim_set_lanes(s.io[0], IO_POOL_COMPUTE, 3);
    int64_t begin_ns = io_sim_now(s.sim);
    for (int i = 0; i < 6; i++) {
        job_begin(&s, &jobs[i], IO_POOL_COMPUTE, NULL, NULL, 1000000); /* a second each */
    }
    job_begin(&s, &other, IO_POOL_SYNC, NULL, NULL, 100000);
    pass(&s, 10 * SECOND_NS);
    for (int i = 0; i < 6; i++) {
        int64_t took_ns = jobs[i].noted.at_ns - begin_ns;
        int64_t wanted_ns = (i < 3 ? 1 : 2) * SECOND_NS;
        assert_true(took_ns >= wanted_ns && took_ns < wanted_ns + MS_NS);
    }
    assert_true(other.noted.at_ns - begin_ns < 101 * MS_NS);
    io_sim_destroy(s.sim);
}

struct rule {
    enum io_sim_disk_kind kind;
    const char *path;
    int64_t verdict;
    int skip; /* so many go on before */
    int asked;
};

static int64_t rule_judge(void *user, const struct io_sim_disk_call *call)
{
    struct rule *rule = user;
    if (call->kind != rule->kind || strcmp(call->path, rule->path) != 0) {
        return 0;
    }
    return rule->asked++ < rule->skip ? 0 : rule->verdict;
}

static int read_some(struct io_fs *fs, void *user)
{
    uint8_t bytes[100];
    struct iovec v = {bytes, sizeof bytes};
    struct io_file *file;
    (void)user;
    int rc = io_fs_open_path(fs, "/dir/file", IO_OPEN_READ, &file);
    if (rc == 0) {
        rc = (int)io_fs_read(fs, file, 0, &v, 1);
        io_fs_close(fs, file);
    }
    return rc;
}

static void a_rule_fails_the_call_it_means_and_no_other(void **state)
{
    (void)state;
    struct scene s;
    uint8_t bytes[100] = {7}, *got;
    size_t size;
    struct rule second_read = {IO_SIM_DISK_READ, "/dir/file", SPATE_EIO, 1, 0};
    struct rule short_read = {IO_SIM_DISK_READ, "/dir/file", 60, 0, 0};
    struct rule no_open = {IO_SIM_DISK_OPEN, "/dir/file", SPATE_EACCES, 0, 0};
    scene_init(&s, 18);
    assert_int_equal(io_sim_file_write(s.io[0], "/dir/file", span_of(bytes, sizeof bytes)), 0);
    io_sim_set_disk_rule(s.io[0], rule_judge, &second_read);
    assert_int_equal(in_work(&s, read_some, NULL, NULL), 100);
    assert_int_equal(in_work(&s, read_some, NULL, NULL), SPATE_EIO);
    io_sim_set_disk_rule(s.io[0], rule_judge, &short_read);
    assert_int_equal(in_work(&s, read_some, NULL, NULL), 60);
    io_sim_set_disk_rule(s.io[0], rule_judge, &no_open);
    assert_int_equal(in_work(&s, read_some, NULL, NULL), SPATE_EACCES);
    /* A test looks past the rule. */
    assert_int_equal(io_sim_file_read(s.io[0], "/dir/file", &got, &size), 0);
    assert_int_equal(size, 100);
    assert_int_equal(got[0], 7);
    free(got);
    io_sim_set_disk_rule(s.io[0], NULL, NULL);
    assert_int_equal(in_work(&s, read_some, NULL, NULL), 100);
    io_sim_destroy(s.sim);
}

/* ---- HTTP ------------------------------------------------------------------------------------- */

struct page {
    const char *location;
    struct addr seen;
};

static void page_answer(void *user, const struct io_sim_http_request *request,
                        struct io_sim_http_answer *answer)
{
    struct page *page = user;
    page->seen = request->peer;
    if (strcmp(request->path, "/away") == 0) {
        answer->status = 302;
        answer->location = page->location;
    } else {
        answer->body = span_text(request->is_https ? "secret" : "plain");
    }
}

struct request {
    struct io_http http;
    int status;
};

static void request_on_done(struct io_op *op, int status)
{
    list_entry(op, struct request, http.op)->status = status;
}

/* Whether a page comes, and is this one. */
static int fetch(struct scene *s, const char *url, const char *wanted)
{
    struct request r = {
        .http = {.op.done = request_on_done, .url = url, .proxy = "", .max_bytes = 100}};
    io_http(s->io[0], &r.http);
    await(s, &r.http.op);
    if (r.status == 0) {
        assert_true(span_equals(span_of(r.http.body, r.http.body_size), span_text(wanted)));
    }
    free(r.http.body);
    return r.status;
}

static void a_redirect_never_leads_to_less_safety_or_into_a_private_network(void **state)
{
    (void)state;
    struct scene s;
    struct io *public_io;
    struct page page = {.location = "/here"};
    struct addr at;
    scene_init(&s, 19);
    assert_true(addr_parse(&at, span_text("8.8.4.4")));
    assert_int_equal(
        io_sim_host_create(s.sim, "public", at, (struct addr){.family = ADDR_NONE}, &public_io), 0);
    io_sim_set_name(s.sim, "origin.example", &at, 1);
    io_sim_http_serve(public_io, 443, page_answer, &page);
    io_sim_http_serve(public_io, 80, page_answer, &page);
    assert_int_equal(fetch(&s, "https://origin.example/away", "secret"), 0);
    assert_true(addr_same_ip(&page.seen, &s.at[0]));
    page.location = "https://origin.example/";
    assert_int_equal(fetch(&s, "http://origin.example/away", "secret"), 0);
    page.location = "http://origin.example/";
    assert_int_equal(fetch(&s, "https://origin.example/away", ""), SPATE_EBLOCKED);
    page.location = "https://10.0.0.2/";
    assert_int_equal(fetch(&s, "https://origin.example/away", ""), SPATE_EBLOCKED);
    io_sim_http_serve(public_io, 80, NULL, NULL);
    assert_int_equal(fetch(&s, "http://origin.example/", ""), SPATE_EREFUSED);
    io_sim_destroy(s.sim);
}

/* ---- parts of the net ------------------------------------------------------------------------- */

static void parts_do_not_hear_each_other_until_they_are_one(void **state)
{
    (void)state;
    struct scene s;
    struct stream across, within;
    scene_init(&s, 21);
    set_rates(&s, 0, 1000000, 0);
    stream_begin(&s, &across, 0, 1, 100000000);
    stream_begin(&s, &within, 0, 2, 100000000);
    pass(&s, SECOND_NS);
    io_sim_set_part(s.io[1], 1);
    pass(&s, SECOND_NS);
    uint64_t before = across.received, other = within.received;
    pass(&s, 5 * SECOND_NS);
    assert_true(before > 0);
    assert_int_equal(across.received, before);
    assert_true(within.received > other + 4000000);
    io_sim_set_part(s.io[1], 0);
    pass(&s, 20 * SECOND_NS);
    assert_true(across.received > before + 4000000);
    io_sim_destroy(s.sim);
}

static void a_line_that_changes_is_at_once_as_fast_as_it_then_is(void **state)
{
    (void)state;
    struct scene s;
    struct stream f;
    scene_init(&s, 22);
    set_rates(&s, 0, 100000, 0);
    stream_begin(&s, &f, 0, 1, 100000000);
    pass(&s, 10 * SECOND_NS);
    assert_in_range(f.received, 900000, 1000000);
    set_rates(&s, 0, 1000000, 0);
    uint64_t before = f.received;
    pass(&s, 10 * SECOND_NS);
    assert_in_range(f.received - before, 9000000, 10000000);
    set_rates(&s, 0, 10000, 0);
    pass(&s, SECOND_NS);
    before = f.received;
    pass(&s, 10 * SECOND_NS);
    assert_in_range(f.received - before, 90000, 105000);
    io_sim_destroy(s.sim);
}

static void a_host_without_power_is_silent_and_resets_when_it_is_back(void **state)
{
    (void)state;
    struct scene s;
    struct stream f;
    scene_init(&s, 23);
    stream_begin(&s, &f, 0, 1, 1000000000);
    pass(&s, SECOND_NS);
    struct io *old = s.io[1];
    uint64_t before = f.received;
    io_sim_crash(old, IO_SIM_CRASH_POWER);
    pass(&s, 5 * SECOND_NS);
    assert_true(before > 0 && f.received == before && f.failed == 0);
    s.io[1] = io_sim_restart(old);
    pass(&s, 30 * SECOND_NS);
    assert_int_equal(f.failed, SPATE_ERESET);
    stream_begin(&s, &f, 0, 1, 100000); /* the same address again */
    pass(&s, 5 * SECOND_NS);
    assert_int_equal(f.received, 100000);
    io_sim_destroy(s.sim);
}

static void a_jump_of_the_wall_clock_moves_no_timer(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, 24);
    struct noted timer = noted_make(s.io[0]);
    int64_t at_ns = io_sim_now(s.sim) + 10 * SECOND_NS, other_ns = io_wall(s.io[1]);
    io_timer(s.io[0], &timer.op, at_ns);
    pass(&s, SECOND_NS);
    io_sim_set_wall(s.io[0], io_wall(s.io[0]) + 365 * 86400 * SECOND_NS);
    pass(&s, SECOND_NS);
    io_sim_set_wall(s.io[0], 0);
    await(&s, &timer.op);
    assert_int_equal(timer.at_ns, at_ns);
    assert_int_equal(io_wall(s.io[0]), 8 * SECOND_NS);
    assert_int_equal(io_wall(s.io[1]) - other_ns, 10 * SECOND_NS);
    io_sim_destroy(s.sim);
}

/* ---- address translation ---------------------------------------------------------------------- */

/* Hosts 0 and 1 behind a box at 203.0.113.1, host 2 outside; each with a UDP socket. */
struct behind {
    struct scene s;
    struct io_sim_nat *nat;
    struct io_socket *sockets[HOSTS];
};

static void behind_init(struct behind *b, enum io_sim_nat_kind kind)
{
    const uint8_t outside[4] = {203, 0, 113, 1};
    scene_init(&b->s, 31);
    assert_int_equal(io_sim_nat_create(b->s.sim, kind, addr_v4(outside, 0), &b->nat), 0);
    for (int i = 0; i < HOSTS; i++) {
        if (i < 2) {
            io_sim_set_nat(b->s.io[i], b->nat);
        }
        b->sockets[i] = open_udp(&b->s, i);
    }
}

/* Sends a datagram of one byte. */
static void say(struct behind *b, int from, struct io_socket *socket, const struct addr *to)
{
    uint8_t byte = 7;
    struct io_datagram d = {.peer = *to, .size = 1, .bytes = &byte};
    assert_int_equal(io_udp_send(b->s.io[from], socket, &d, 1), 1);
    pass(&b->s, 100 * MS_NS);
}

/* What came, and from whom. */
static bool hears(struct behind *b, int host, struct addr *from)
{
    uint8_t bytes[16];
    struct io_datagram d = {.bytes = bytes, .size = sizeof bytes};
    bool any = io_udp_receive(b->s.io[host], b->sockets[host], &d, 1) == 1;
    *from = any ? d.peer : (struct addr){.family = ADDR_NONE};
    return any;
}

static void hosts_behind_a_box_share_its_address_and_have_ports_of_their_own(void **state)
{
    (void)state;
    struct behind b;
    struct addr first, second, answer;
    behind_init(&b, IO_SIM_NAT_OPEN);
    say(&b, 0, b.sockets[0], &b.s.at[2]);
    assert_true(hears(&b, 2, &first));
    say(&b, 1, b.sockets[1], &b.s.at[2]);
    assert_true(hears(&b, 2, &second));
    assert_true(addr_same_ip(&first, &second) && first.port != second.port);
    assert_int_equal(first.ip[0], 203);
    assert_int_equal(first.port, PORT); /* kept, since it was free */
    say(&b, 2, b.sockets[2], &second);
    assert_false(hears(&b, 0, &answer));
    assert_true(hears(&b, 1, &answer));
    assert_true(addr_equals(&answer, &b.s.at[2]));
    /* Behind the box they are neighbours; from outside nobody knows their own addresses. */
    say(&b, 0, b.sockets[0], &b.s.at[1]);
    assert_true(hears(&b, 1, &answer));
    assert_true(addr_equals(&answer, &b.s.at[0]));
    say(&b, 2, b.sockets[2], &b.s.at[0]);
    assert_false(hears(&b, 0, &answer));
    io_sim_destroy(b.s.sim);
}

/* Whether host 2 gets in where host 0 has sent to it: from the same port, from another port. */
static void a_box_lets_in_whom_its_kind_says(void **state)
{
    (void)state;
    static const struct {
        enum io_sim_nat_kind kind;
        bool stranger, port;
    } kinds[] = {{IO_SIM_NAT_OPEN, true, true},
                 {IO_SIM_NAT_RESTRICTED, false, true},
                 {IO_SIM_NAT_PORT_RESTRICTED, false, false},
                 {IO_SIM_NAT_SYMMETRIC, false, false}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct behind b;
        struct addr outside, from;
        struct io_socket *other_port, *stranger;
        struct io *io;
        struct io_bind bind = {.address = {.family = ADDR_V4, .port = PORT + 1}};
        const uint8_t ip[4] = {10, 0, 0, 77};
        behind_init(&b, kinds[i].kind);
        assert_int_equal(io_sim_host_create(b.s.sim, "stranger", addr_v4(ip, 0),
                                            (struct addr){.family = ADDR_NONE}, &io),
                         0);
        assert_int_equal(io_udp_open(io, &bind, &stranger), 0);
        assert_int_equal(io_udp_open(b.s.io[2], &bind, &other_port), 0);
        say(&b, 0, b.sockets[0], &b.s.at[2]);
        assert_true(hears(&b, 2, &outside));
        say(&b, 2, b.sockets[2], &outside);
        assert_true(hears(&b, 0, &from));
        say(&b, 2, other_port, &outside);
        assert_int_equal(hears(&b, 0, &from), kinds[i].port);
        struct io *own = b.s.io[2];
        b.s.io[2] = io;
        say(&b, 2, stranger, &outside);
        b.s.io[2] = own;
        assert_int_equal(hears(&b, 0, &from), kinds[i].stranger);
        /* Silence closes it. */
        pass(&b.s, 121 * SECOND_NS);
        say(&b, 2, b.sockets[2], &outside);
        assert_false(hears(&b, 0, &from));
        io_sim_destroy(b.s.sim);
    }
}

static void a_symmetric_box_has_a_port_for_every_destination(void **state)
{
    (void)state;
    static const enum io_sim_nat_kind kinds[] = {IO_SIM_NAT_PORT_RESTRICTED, IO_SIM_NAT_SYMMETRIC};
    for (int i = 0; i < 2; i++) {
        struct behind b;
        struct addr here, there;
        behind_init(&b, kinds[i]);
        struct addr other = b.s.at[2];
        other.port++;
        struct io_bind bind = {.address = other};
        struct io_socket *first = b.sockets[2], *second;
        assert_int_equal(io_udp_open(b.s.io[2], &bind, &second), 0);
        say(&b, 0, b.sockets[0], &b.s.at[2]);
        assert_true(hears(&b, 2, &here));
        say(&b, 0, b.sockets[0], &other);
        b.sockets[2] = second;
        assert_true(hears(&b, 2, &there));
        b.sockets[2] = first;
        assert_int_equal(here.port == there.port, kinds[i] != IO_SIM_NAT_SYMMETRIC);
        io_sim_destroy(b.s.sim);
    }
}

static void from_behind_a_box_one_connects_and_is_not_connected_to(void **state)
{
    (void)state;
    struct behind b;
    struct io_socket *listener, *socket, *sink;
    struct addr peer;
    behind_init(&b, IO_SIM_NAT_RESTRICTED);
    struct io_bind bind = {.address = {.family = ADDR_V4, .port = 80}};
    assert_int_equal(io_tcp_listen(b.s.io[2], &bind, &listener), 0);
    struct addr to = b.s.at[2];
    to.port = 80;
    struct noted out = noted_make(b.s.io[0]), in = noted_make(b.s.io[2]);
    assert_int_equal(io_tcp_connect(b.s.io[0], NULL, &to, &out.op, &socket), 0);
    await(&b.s, &out.op);
    pass(&b.s, 100 * MS_NS);
    assert_int_equal(out.status, 0);
    assert_int_equal(io_accept(b.s.io[2], listener, &sink, &peer), 0);
    assert_int_equal(peer.ip[0], 203);

    const uint8_t outside[4] = {203, 0, 113, 1};
    struct addr box = addr_v4(outside, 80);
    assert_int_equal(io_tcp_listen(b.s.io[1], &bind, &listener), 0);
    assert_int_equal(io_tcp_connect(b.s.io[2], NULL, &box, &in.op, &socket), 0);
    await(&b.s, &in.op);
    assert_int_equal(in.status, SPATE_ETIMEDOUT);
    assert_int_equal(io_sim_nat_forward(b.nat, 80, b.s.io[1], 80), 0);
    assert_int_equal(io_sim_nat_forward(b.nat, 80, b.s.io[0], 80), SPATE_EADDRINUSE);
    assert_int_equal(io_tcp_connect(b.s.io[2], NULL, &box, &in.op, &socket), 0);
    await(&b.s, &in.op);
    assert_int_equal(in.status, 0);
    io_sim_destroy(b.s.sim);
}

static void a_box_that_forgets_ends_connections_and_moves_datagrams(void **state)
{
    (void)state;
    const uint8_t moved[4] = {203, 0, 113, 9};
    struct addr before, after, lost, outside = addr_v4(moved, 0);
    for (int way = 0; way < 2; way++) {
        struct behind b;
        struct stream f;
        behind_init(&b, IO_SIM_NAT_OPEN);
        say(&b, 0, b.sockets[0], &b.s.at[2]);
        assert_true(hears(&b, 2, &before));
        meet(&b.s, 0, 2, &f.source, &f.sink);
        f = (struct stream){.from = b.s.io[way ? 2 : 0],
                            .to = b.s.io[way ? 0 : 2],
                            .source = way ? f.sink : f.source,
                            .sink = way ? f.source : f.sink,
                            .left = 1000000000,
                            .writable.done = stream_on_writable,
                            .readable.done = stream_on_readable};
        io_wait(f.from, f.source, IO_WRITABLE, &f.writable);
        io_wait(f.to, f.sink, IO_READABLE, &f.readable);
        pass(&b.s, SECOND_NS);
        uint64_t received = f.received;
        assert_true(received > 0);
        assert_int_equal(io_sim_nat_rebind(b.nat, &b.s.at[2]), SPATE_EADDRINUSE);
        assert_int_equal(io_sim_nat_rebind(b.nat, &outside), 0);
        pass(&b.s, 2 * SECOND_NS);
        assert_int_equal(f.received, received);
        assert_int_equal(f.failed, way ? 0 : SPATE_ERESET);
        say(&b, 2, b.sockets[2], &before);
        assert_false(hears(&b, 0, &lost));
        say(&b, 0, b.sockets[0], &b.s.at[2]);
        assert_true(hears(&b, 2, &after));
        assert_int_equal(after.ip[3], 9);
        pass(&b.s, 1200 * SECOND_NS);
        assert_int_equal(f.failed, way ? SPATE_ETIMEDOUT : SPATE_ERESET);
        io_sim_destroy(b.s.sim);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_takes_one_round_trip),
        cmocka_unit_test(a_line_takes_what_its_rate_says),
        cmocka_unit_test(streams_share_a_line_evenly),
        cmocka_unit_test(a_short_message_does_not_wait_for_a_long_one),
        cmocka_unit_test(loss_costs_time_and_no_byte),
        cmocka_unit_test(a_connection_survives_an_outage_and_dies_of_a_long_one),
        cmocka_unit_test(nobody_there_is_a_timeout),
        cmocka_unit_test(without_a_way_there_is_no_connection),
        cmocka_unit_test(datagrams_are_lost_doubled_and_reordered_as_the_link_says),
        cmocka_unit_test(a_full_queue_drops_and_a_long_datagram_says_so),
        cmocka_unit_test(a_host_that_never_rests_lets_the_clock_go_on),
        cmocka_unit_test(the_wall_clock_can_be_set),
        cmocka_unit_test(the_same_seed_is_the_same_run_and_one_byte_makes_another),
        cmocka_unit_test(two_hosts_never_share_an_address),
        cmocka_unit_test(a_world_ends_in_the_middle_of_everything),
        cmocka_unit_test(a_disk_is_full_at_its_capacity_and_not_before),
        cmocka_unit_test(a_disk_takes_its_time),
        cmocka_unit_test(jobs_queue_for_lanes_and_pools_do_not_wait_for_each_other),
        cmocka_unit_test(a_rule_fails_the_call_it_means_and_no_other),
        cmocka_unit_test(parts_do_not_hear_each_other_until_they_are_one),
        cmocka_unit_test(a_line_that_changes_is_at_once_as_fast_as_it_then_is),
        cmocka_unit_test(a_host_without_power_is_silent_and_resets_when_it_is_back),
        cmocka_unit_test(a_jump_of_the_wall_clock_moves_no_timer),
        cmocka_unit_test(hosts_behind_a_box_share_its_address_and_have_ports_of_their_own),
        cmocka_unit_test(a_box_lets_in_whom_its_kind_says),
        cmocka_unit_test(a_symmetric_box_has_a_port_for_every_destination),
        cmocka_unit_test(from_behind_a_box_one_connects_and_is_not_connected_to),
        cmocka_unit_test(a_box_that_forgets_ends_connections_and_moves_datagrams),
        cmocka_unit_test(a_redirect_never_leads_to_less_safety_or_into_a_private_network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
