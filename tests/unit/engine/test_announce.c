/* The trackers of a torrent in the simulated world: a client host, and a tracker host that runs spate's own
 * tracker over UDP and HTTP, with what it was asked written down. */
#include "engine/announce.h"

#include "base/text.h"
#include "io/sim/io_sim.h"
#include "tracker/http_server.h"
#include "tracker/udp_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>

#define SECOND_NS INT64_C(1000000000)

enum { PORT = 6969, TRACKERS_MAX = 4 };

/* A UDP socket that hands what arrives to somebody. */
struct udp_end {
    struct io *io;
    struct io_socket *socket;
    struct io_op readable;
    void (*on_datagram)(struct udp_end *, struct io_datagram *);
    struct scene *scene;
};

struct scene {
    struct io_sim *sim;
    struct io *client, *tracker;
    struct udp_end client_ends[2], tracker_ends[2];
    struct io_bind binds[2];
    /* The tracker. */
    struct swarm_table table;
    struct udp_server udp_server;
    struct http_server http_server;
    uint8_t http_body[HTTP_SERVER_BODY_BYTES];
    int http_status; /* instead of the tracker's own answer; 0: none */
    const char *http_text;
    bool silent;      /* over UDP */
    char asked[4000]; /* "seconds:what" of each question, connects left out unless silent */
    char last_query[1000];
    /* The client. */
    struct announce_udp *udp;
    struct announce *announce;
    struct metainfo_tracker trackers[TRACKERS_MAX];
    uint32_t peers;
    uint32_t changes;
    uint64_t left;
    bool destroy_on_peers;
    bool use_v6;
    bool allow_private;
    struct log log;
    char logged[4000];
};

/* ---- the world ---------------------------------------------------------------------------------- */

static void note(struct scene *s, const char *what)
{
    size_t used = strlen(s->asked);
    snprintf(s->asked + used, sizeof s->asked - used, "%s%lld:%s", used ? " " : "",
             (long long)((io_sim_now(s->sim) - SECOND_NS) / SECOND_NS), what);
}

static void end_on_readable(struct io_op *op, int status)
{
    struct udp_end *e = list_entry(op, struct udp_end, readable);
    uint8_t bytes[LIMIT_DATAGRAM_BYTES];
    struct io_datagram d = {.bytes = bytes, .size = sizeof bytes};
    if (status < 0) {
        return;
    }
    while (io_udp_receive(e->io, e->socket, &d, 1) == 1) {
        e->on_datagram(e, &d);
        d = (struct io_datagram){.bytes = bytes, .size = sizeof bytes};
    }
    io_wait(e->io, e->socket, IO_READABLE, &e->readable);
}

static void end_open(struct scene *s, struct udp_end *e, struct io *io, struct io_bind *bind,
                     void (*on_datagram)(struct udp_end *, struct io_datagram *))
{
    *e = (struct udp_end){.io = io, .on_datagram = on_datagram, .scene = s};
    e->readable.done = end_on_readable;
    assert_int_equal(io_udp_open(io, bind, &e->socket), 0);
    io_wait(io, e->socket, IO_READABLE, &e->readable);
}

static void tracker_on_datagram(struct udp_end *e, struct io_datagram *d)
{
    static const char *const names[] = {"udp", "udp+completed", "udp+started", "udp+stopped"};
    struct scene *s = e->scene;
    uint8_t out[UDP_SERVER_ANSWER_BYTES];
    struct tracker_udp_request request;
    assert_true(tracker_udp_parse_request(&request, span_of(d->bytes, d->size)));
    if (s->silent) {
        note(s, "udp?");
        return;
    }
    if (request.action == TRACKER_UDP_ANNOUNCE) {
        note(s, names[request.announce.event]);
    }
    size_t size =
        udp_server_answer(&s->udp_server, &d->peer, span_of(d->bytes, d->size), io_now(e->io), out);
    struct io_datagram answer = {.peer = d->peer, .bytes = out, .size = (uint32_t)size};
    if (size > 0) {
        io_udp_send(e->io, e->socket, &answer, 1);
    }
}

static void client_on_datagram(struct udp_end *e, struct io_datagram *d)
{
    announce_udp_receive(e->scene->udp, &d->peer, span_of(d->bytes, d->size));
}

static int client_send(void *user, const struct addr *to, struct span bytes)
{
    struct scene *s = user;
    struct udp_end *e = &s->client_ends[to->family == ADDR_V6];
    uint8_t copy[LIMIT_DATAGRAM_BYTES];
    memcpy(copy, bytes.bytes, bytes.size);
    struct io_datagram d = {.peer = *to, .bytes = copy, .size = (uint32_t)bytes.size};
    int sent = io_udp_send(e->io, e->socket, &d, 1);
    return sent < 0 ? sent : 0;
}

static void tracker_on_http(void *user, const struct io_sim_http_request *request,
                            struct io_sim_http_answer *answer)
{
    struct scene *s = user;
    const char *event = strstr(request->query, "&event=");
    char what[40];
    snprintf(what, sizeof what, "http%s%.*s", event ? "+" : "",
             event ? (int)strcspn(event + 7, "&") : 0, event ? event + 7 : "");
    note(s, what);
    snprintf(s->last_query, sizeof s->last_query, "%s", request->query);
    if (s->http_status) {
        answer->status = s->http_status;
        answer->body = span_text(s->http_text);
        return;
    }
    struct writer body = writer_over(s->http_body, sizeof s->http_body);
    struct span path = span_of(request->path, strcspn(request->path, "?"));
    answer->status = http_server_answer(&s->http_server, path, span_text(request->query),
                                        &request->peer, request->now_ns, &body);
    answer->body = span_of(s->http_body, body.size);
}

static void keep_log(void *user, int level, spate_torrent torrent, const char *text)
{
    struct scene *s = user;
    (void)level;
    (void)torrent;
    size_t used = strlen(s->logged);
    snprintf(s->logged + used, sizeof s->logged - used, "%s\n", text);
}

static struct addr address(const char *text)
{
    struct addr a;
    assert_true(addr_parse(&a, span_text(text)));
    return a;
}

static void begin(struct scene *s)
{
    static const uint64_t random[4] = {1, 2, 3, 4};
    struct swarm_table_settings settings;
    *s = (struct scene){.left = 10, .use_v6 = true, .log = {keep_log, NULL, SPATE_LOG_DEBUG}};
    s->log.user = s;
    s->sim = io_sim_create(1);
    assert_int_equal(
        io_sim_host_create(s->sim, "client", address("1.2.3.4"), address("2600::4"), &s->client),
        0);
    assert_int_equal(
        io_sim_host_create(s->sim, "tracker", address("5.6.7.8"), address("2600::8"), &s->tracker),
        0);
    struct addr both[2] = {address("5.6.7.8"), address("2600::8")};
    struct addr local = address("127.0.0.1");
    io_sim_set_name(s->sim, "both.example", both, 2);
    io_sim_set_name(s->sim, "v4.example", both, 1);
    io_sim_set_name(s->sim, "mute.example", both, 0);
    io_sim_set_name(s->sim, "local.example", &local, 1);
    swarm_table_settings_init(&settings);
    swarm_table_init(&s->table, &settings, random);
    udp_server_init(&s->udp_server, &s->table, random + 2);
    http_server_init(&s->http_server, &s->table);
    io_sim_http_serve(s->tracker, PORT, tracker_on_http, s);
    for (int v6 = 0; v6 < 2; v6++) {
        uint8_t any[16] = {0};
        s->binds[v6].address = v6 ? addr_v6(any, 0) : addr_v4(any, 0);
        end_open(s, &s->client_ends[v6], s->client, &s->binds[v6], client_on_datagram);
        s->binds[v6].address.port = PORT;
        end_open(s, &s->tracker_ends[v6], s->tracker, &s->binds[v6], tracker_on_datagram);
    }
    assert_int_equal(announce_udp_create(s->client, client_send, s, &s->udp), 0);
}

static void on_peers(void *user, const struct addr *peers, uint32_t count)
{
    struct scene *s = user;
    assert_true(count > 0 && peers[0].family != ADDR_NONE);
    s->peers += count;
    if (s->destroy_on_peers) {
        announce_destroy(s->announce);
        s->announce = NULL;
    }
}

static void counters(void *user, struct tracker_announce *announce)
{
    struct scene *s = user;
    announce->uploaded = 1;
    announce->downloaded = 2;
    announce->left = s->left;
    announce->want = 77;
}

static void on_change(void *user)
{
    struct scene *s = user;
    assert_non_null(s->announce);
    s->changes++;
}

/* An announce to these trackers, each in a tier of its own; NULL ends the list. */
static void create(struct scene *s, const char *const *urls)
{
    uint32_t count = 0;
    for (; urls[count]; count++) {
        s->trackers[count] = (struct metainfo_tracker){.url = urls[count], .tier = count};
    }
    const struct announce_settings settings = {
        .io = s->client,
        .udp = s->udp,
        .log = &s->log,
        .torrent = 1,
        .info_hash = (const uint8_t *)"hhhhhhhhhhhhhhhhhhhh",
        .peer_id = (const uint8_t *)"-SP0100-abcdefghijkl",
        .key = 7,
        .random_seed = 3,
        .port = 6881,
        .user_agent = "spate/test",
        .use_v4 = true,
        .use_v6 = s->use_v6,
        .allow_private = s->allow_private,
        .trackers = s->trackers,
        .tracker_count = count,
    };
    const struct announce_owner owner = {on_peers, counters, on_change, s};
    assert_int_equal(announce_create(&settings, owner, &s->announce), 0);
}

static void start(struct scene *s, const char *const *urls)
{
    create(s, urls);
    announce_start(s->announce);
}

#define URLS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void run_until(struct scene *s, int64_t second)
{
    io_sim_run_until(s->sim, (second + 1) * SECOND_NS);
}

static void end(struct scene *s)
{
    announce_destroy(s->announce);
    announce_udp_destroy(s->udp);
    for (int v6 = 0; v6 < 2; v6++) {
        io_close(s->client, s->client_ends[v6].socket);
        io_close(s->tracker, s->tracker_ends[v6].socket);
    }
    io_sim_destroy(s->sim);
    swarm_table_deinit(&s->table);
}

static struct tracker_counts counts(struct scene *s)
{
    struct swarm_counts out;
    swarm_table_scrape(&s->table, (const uint8_t *)"hhhhhhhhhhhhhhhhhhhh", io_sim_now(s->sim),
                       &out);
    return out.counts;
}

/* Other peers of the torrent, so that there is something to be told. */
static void populate(struct scene *s)
{
    struct swarm_peer *out[1];
    struct swarm_counts ignored;
    struct tracker_announce a = {.left = 0, .port = 5000, .want = 0};
    memset(a.info_hash, 'h', 20);
    for (uint8_t i = 1; i <= 3; i++) {
        uint8_t ip[16] = {0x26, i};
        struct addr v4 = addr_v4(ip, 1), v6 = addr_v6(ip, 1);
        swarm_table_announce(&s->table, &a, &v4, io_sim_now(s->sim), out, 1, &ignored);
        swarm_table_announce(&s->table, &a, &v6, io_sim_now(s->sim), out, 1, &ignored);
    }
}

static struct spate_tracker_status status_of(struct scene *s, uint32_t index)
{
    struct spate_tracker_status rows[TRACKERS_MAX];
    for (uint32_t i = 0; i < TRACKERS_MAX; i++) {
        rows[i].size = sizeof rows[i];
    }
    assert_true(announce_status(s->announce, rows, TRACKERS_MAX) > index);
    return rows[index];
}

/* ---- what is promised --------------------------------------------------------------------------- */

static void both_families_are_announced_over_both_protocols(void **state)
{
    static const char *const urls[] = {"udp://both.example:6969/announce",
                                       "http://both.example:6969/announce",
                                       "udp://both.example:6969"};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct scene s;
        begin(&s);
        populate(&s);
        start(&s, URLS(urls[i]));
        run_until(&s, 5);
        assert_string_equal(s.asked, i == 1 ? "0:http+started 0:http+started"
                                            : "0:udp+started 0:udp+started");
        assert_int_equal(s.peers, 6);
        assert_int_equal(counts(&s).leechers, 2);
        assert_string_equal(announce_message(s.announce), "");
        struct spate_tracker_status row = status_of(&s, 0);
        assert_string_equal(row.url, urls[i]);
        assert_string_equal(row.message, "");
        assert_int_equal(row.error, 0);
        assert_int_equal(row.seeders, 6);
        assert_int_equal(row.peers, 6);
        assert_in_range(row.next_announce_s, 1790, 1800);
        assert_in_range(announce_next_s(s.announce), 1790, 1800);
        end(&s);
    }
}

static void a_name_with_one_family_is_no_failure(void **state)
{
    static const char *const urls[] = {"udp://v4.example:6969", "udp://5.6.7.8:6969",
                                       "http://v4.example:6969/announce",
                                       "http://5.6.7.8:6969/announce"};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct scene s;
        begin(&s);
        populate(&s);
        start(&s, URLS(urls[i]));
        run_until(&s, 5);
        assert_int_equal(s.peers, 3);
        assert_string_equal(announce_message(s.announce), "");
        assert_int_equal(status_of(&s, 0).error, 0);
        assert_null(strstr(s.logged, "not found"));
        end(&s);
    }
}

static void the_life_of_a_torrent_is_started_completed_stopped(void **state)
{
    (void)state;
    for (int http = 0; http < 2; http++) {
        struct scene s;
        begin(&s);
        s.use_v6 = false;
        start(&s, URLS(http ? "http://both.example:6969/announce" : "udp://both.example:6969"));
        run_until(&s, 10);
        assert_int_equal(counts(&s).leechers, 1);
        s.left = 0;
        announce_completed(s.announce);
        run_until(&s, 20);
        assert_int_equal(counts(&s).seeders, 1);
        assert_int_equal(counts(&s).completed, 1);
        announce_stop(s.announce);
        assert_true(announce_stopping(s.announce));
        run_until(&s, 21);
        assert_false(announce_stopping(s.announce));
        assert_int_equal(counts(&s).seeders, 0);
        assert_string_equal(s.asked, http ? "0:http+started 10:http+completed 20:http+stopped"
                                          : "0:udp+started 10:udp+completed 20:udp+stopped");
        assert_int_equal(announce_next_s(s.announce), -1);
        end(&s);
    }
}

static void a_silent_tracker_is_asked_again_along_bep_15(void **state)
{
    struct scene s;
    (void)state;
    begin(&s);
    s.use_v6 = false;
    s.silent = true;
    start(&s, URLS("udp://5.6.7.8:6969"));
    run_until(&s, 240);
    assert_string_equal(s.asked, "0:udp? 15:udp? 45:udp? 105:udp? 225:udp?");
    assert_non_null(strstr(announce_message(s.announce), "5.6.7.8:6969: it does not answer"));
    end(&s);
}

static void after_five_seconds_the_next_tier_is_asked(void **state)
{
    struct scene s;
    (void)state;
    begin(&s);
    populate(&s);
    s.use_v6 = false;
    s.silent = true;
    start(&s, URLS("udp://5.6.7.8:6969", "http://5.6.7.8:6969/announce"));
    run_until(&s, 1000);
    assert_string_equal(s.asked, "0:udp? 5:http+started");
    assert_int_equal(s.peers, 3);
    assert_string_equal(announce_message(s.announce), "");
    end(&s);
}

static void a_late_answer_is_taken(void **state)
{
    struct scene s;
    (void)state;
    begin(&s);
    populate(&s);
    s.use_v6 = false;
    struct io_sim_link far = io_sim_link_default();
    far.delay_ns = 4 * SECOND_NS; /* an announce over UDP takes four times that */
    io_sim_set_link(s.tracker, &far);
    start(&s, URLS("udp://5.6.7.8:6969", "udp://nothing.example:1"));
    run_until(&s, 30);
    assert_int_equal(s.peers, 3);
    assert_string_equal(s.asked, "12:udp+started");
    end(&s);
}

static void stopping_is_bounded_to_two_seconds(void **state)
{
    (void)state;
    for (int http = 0; http < 2; http++) {
        struct scene s;
        begin(&s);
        start(&s, URLS(http ? "http://both.example:6969/announce" : "udp://both.example:6969"));
        run_until(&s, 10);
        io_sim_set_up(s.tracker, false);
        announce_stop(s.announce);
        run_until(&s, 11);
        assert_true(announce_stopping(s.announce));
        uint32_t changes = s.changes;
        run_until(&s, 12);
        assert_false(announce_stopping(s.announce));
        assert_true(s.changes > changes);
        end(&s);
    }
}

/* A download that ends within the first round trip leaves no ghost behind to which the tracker sends others. */
static void who_leaves_before_the_first_answer_is_forgotten_by_the_tracker(void **state)
{
    (void)state;
    for (int http = 0; http < 2; http++) {
        struct scene s;
        begin(&s);
        s.use_v6 = false;
        struct io_sim_link far = io_sim_link_default();
        far.delay_ns = SECOND_NS / 5;
        io_sim_set_link(s.tracker, &far);
        start(&s, URLS(http ? "http://both.example:6969/announce" : "udp://5.6.7.8:6969"));
        while (!strstr(s.asked, "started")) {
            assert_true(io_sim_step(s.sim));
        }
        announce_stop(s.announce);
        assert_true(announce_stopping(s.announce));
        run_until(&s, 5);
        assert_false(announce_stopping(s.announce));
        assert_string_equal(s.asked,
                            http ? "0:http+started 1:http+stopped" : "0:udp+started 1:udp+stopped");
        assert_int_equal(s.table.peers.count, 0);
        end(&s);
    }
}

static void a_torrent_nobody_knows_stops_at_once(void **state)
{
    struct scene s;
    (void)state;
    begin(&s);
    start(&s, URLS("http://mute.example:6969/announce", "udp://mute.example:6969"));
    run_until(&s, 3);
    announce_stop(s.announce);
    assert_false(announce_stopping(s.announce));
    end(&s);
}

static void names_that_do_not_exist_are_said(void **state)
{
    (void)state;
    for (int http = 0; http < 2; http++) {
        struct scene s;
        begin(&s);
        start(&s, URLS(http ? "http://nothing.example/announce" : "udp://nothing.example:1"));
        run_until(&s, 3);
        assert_non_null(strstr(announce_message(s.announce), "nothing.example:"));
        assert_int_equal(status_of(&s, 0).error, SPATE_EHOST);
        assert_in_range(status_of(&s, 0).next_announce_s, 10, 20);
        end(&s);
    }
}

static void what_a_tracker_refuses_is_shown(void **state)
{
    static const struct {
        int status;
        const char *body, *message;
        int error;
    } rows[] = {
        {200, "d14:failure reason15:unknown torrente", "unknown torrent", SPATE_ETRACKER},
        {403, "d14:failure reason11:bad passkeye", "bad passkey", SPATE_ETRACKER},
        {200, "<html></html>", "a web page answers, not a tracker", SPATE_ETRACKER},
        {404, "<html></html>", "HTTP status 404", SPATE_EHTTP},
        {500, "", "HTTP status 500", SPATE_EHTTP},
        {200, "", "the tracker's answer is empty", SPATE_ETRACKER},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct scene s;
        begin(&s);
        s.http_status = rows[i].status;
        s.http_text = rows[i].body;
        start(&s, URLS("http://both.example:6969/announce?passkey=0123456789abcdef0123"));
        run_until(&s, 3);
        assert_non_null(strstr(announce_message(s.announce), rows[i].message));
        assert_string_equal(status_of(&s, 0).message, rows[i].message);
        assert_int_equal(status_of(&s, 0).error, rows[i].error);
        assert_null(strstr(s.logged, "0123456789abcdef0123"));
        assert_non_null(strstr(s.last_query, "passkey=0123456789abcdef0123&info_hash="));
        assert_non_null(strstr(s.last_query, "&numwant=77"));
        end(&s);
    }
}

static void a_warning_is_shown_and_harms_nothing(void **state)
{
    struct scene s;
    (void)state;
    begin(&s);
    s.http_status = 200;
    s.http_text = "d8:intervali1800e15:warning message8:old porte";
    start(&s, URLS("http://both.example:6969/announce"));
    run_until(&s, 3);
    assert_int_equal(status_of(&s, 0).error, 0);
    assert_string_equal(status_of(&s, 0).message, "old port");
    assert_non_null(strstr(announce_message(s.announce), "warns: old port"));
    end(&s);
}

static void of_one_answer_so_many_peers_are_taken_and_no_more(void **state)
{
    static char text[LIMIT_TRACKER_PEERS * 60];
    (void)state;
    for (uint32_t count = LIMIT_TRACKER_PEERS - 1; count <= LIMIT_TRACKER_PEERS + 1; count++) {
        struct scene s;
        begin(&s);
        s.http_status = 200;
        s.http_text = text;
        size_t used = (size_t)snprintf(text, sizeof text, "d8:intervali1800e5:peersl");
        for (uint32_t i = 0; i < count; i++) {
            used += (size_t)snprintf(text + used, sizeof text - used, "d2:ip8:9.9.9.994:porti%uee",
                                     10000 + i);
        }
        snprintf(text + used, sizeof text - used, "ee");
        s.use_v6 = false;
        start(&s, URLS("http://5.6.7.8:6969/announce"));
        run_until(&s, 3);
        assert_int_equal(s.peers, count < LIMIT_TRACKER_PEERS ? count : LIMIT_TRACKER_PEERS);
        end(&s);
    }
}

static void an_answer_of_too_many_bytes_is_none(void **state)
{
    static char text[LIMIT_TRACKER_BODY_BYTES + 100];
    (void)state;
    for (uint32_t size = LIMIT_TRACKER_BODY_BYTES - 1; size <= LIMIT_TRACKER_BODY_BYTES + 1;
         size++) {
        struct scene s;
        begin(&s);
        int head = snprintf(text, sizeof text, "d8:intervali1800e5:peers0:1:x%u:", size - 40);
        memset(text + head, 'x', size - (uint32_t)head);
        text[head + (int)size - 40] = 'e';
        text[size] = 0; /* what is behind the dictionary is nobody's */
        s.http_status = 200;
        s.http_text = text;
        s.use_v6 = false;
        start(&s, URLS("http://5.6.7.8:6969/announce"));
        run_until(&s, 10);
        assert_int_equal(status_of(&s, 0).error,
                         size > LIMIT_TRACKER_BODY_BYTES ? SPATE_ELIMIT : 0);
        end(&s);
    }
}

static void the_words_of_a_tracker_are_cut(void **state)
{
    (void)state;
    for (uint32_t size = LIMIT_TRACKER_TEXT_BYTES - 1; size <= LIMIT_TRACKER_TEXT_BYTES + 1;
         size++) {
        struct scene s;
        char words[LIMIT_TRACKER_TEXT_BYTES + 2], text[sizeof words + 40];
        begin(&s);
        memset(words, 'w', size - 1); /* and a zero byte make size bytes */
        words[size - 1] = 0;
        snprintf(text, sizeof text, "d14:failure reason%u:%se", size - 1, words);
        s.http_status = 200;
        s.http_text = text;
        s.use_v6 = false;
        start(&s, URLS("http://5.6.7.8:6969/announce"));
        run_until(&s, 3);
        size_t kept = strlen(status_of(&s, 0).message);
        assert_true(size > LIMIT_TRACKER_TEXT_BYTES ? kept < LIMIT_TRACKER_TEXT_BYTES
                                                    : kept == size - 1);
        end(&s);
    }
}

static void a_tracker_that_says_never_hears_no_more(void **state)
{
    (void)state;
    for (int gone = 0; gone < 2; gone++) {
        struct scene s;
        begin(&s);
        s.use_v6 = false;
        s.http_status = gone ? 410 : 200;
        s.http_text = gone ? "gone" : "d14:failure reason2:no8:retry in5:nevere";
        start(&s, URLS("http://both.example:6969/announce"));
        run_until(&s, 100000);
        announce_now(s.announce);
        run_until(&s, 200000);
        assert_string_equal(s.asked, "0:http+started");
        assert_int_equal(announce_next_s(s.announce), -1);
        end(&s);
    }
}

static void the_tracker_id_is_said_again(void **state)
{
    struct scene s;
    (void)state;
    begin(&s);
    s.use_v6 = false;
    s.http_status = 200;
    s.http_text = "d8:intervali60e10:tracker id3:a be";
    start(&s, URLS("http://both.example:6969/announce"));
    run_until(&s, 3);
    assert_null(strstr(s.last_query, "trackerid"));
    run_until(&s, 70);
    assert_non_null(strstr(s.last_query, "&trackerid=a%20b"));
    end(&s);
}

static void a_torrent_cannot_make_us_poke_at_local_services(void **state)
{
    static const char *const refused[] = {
        "udp://127.0.0.1:6969",
        "udp://127.0.0.1:6969/x",
        "http://127.0.0.1:6969/admin",
        "http://local.example:6969/x",
        "udp://local.example:6969/other",
        "udp://192.168.1.1:6969/announce",
        "http://10.0.0.1/announce",
        "udp://169.254.169.254:80/announce",
        "udp://[::1]:6969",
        "udp://0.0.0.0:6969/announce",
        "udp://224.0.0.1:6969/announce",
    };
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct scene s;
        begin(&s);
        uint64_t before = io_sim_traffic(s.client).sent_bytes;
        start(&s, URLS(refused[i]));
        run_until(&s, 10);
        assert_int_equal(io_sim_traffic(s.client).sent_bytes, before);
        if (status_of(&s, 0).error != SPATE_EBLOCKED) {
            fail_msg("%s: %s", refused[i], announce_message(s.announce));
        }
        end(&s);
    }
}

static void a_tracker_of_the_users_may_be_anywhere(void **state)
{
    struct scene s;
    (void)state;
    begin(&s);
    create(&s, (const char *const[]){NULL});
    assert_string_equal(announce_message(s.announce), "");
    announce_start(s.announce);
    assert_non_null(strstr(announce_message(s.announce), "no tracker"));
    assert_int_equal(announce_add(s.announce, "wss://x.example/"), SPATE_EURL);
    assert_int_equal(announce_add(s.announce, "rubbish"), SPATE_EURL);
    assert_int_equal(announce_add(s.announce, "udp://127.0.0.1:6969"), 0);
    assert_int_equal(announce_add(s.announce, "udp://127.0.0.1:6969"), SPATE_EEXIST);
    uint64_t before = io_sim_traffic(s.client).sent_bytes;
    run_until(&s, 3);
    assert_int_not_equal(status_of(&s, 0).error, SPATE_EBLOCKED);
    assert_true(io_sim_traffic(s.client).sent_bytes >= before);
    end(&s);
}

static void adding_a_tracker_of_the_torrent_makes_it_the_users(void **state)
{
    struct scene s;
    (void)state;
    begin(&s);
    start(&s, URLS("udp://192.168.1.1:6969"));
    run_until(&s, 3);
    assert_int_equal(status_of(&s, 0).error, SPATE_EBLOCKED);
    assert_int_equal(announce_add(s.announce, "udp://192.168.1.1:6969"), SPATE_EEXIST);
    run_until(&s, 60);
    assert_int_equal(status_of(&s, 0).error, SPATE_ETIMEDOUT);
    end(&s);
}

static void trackers_are_bounded_in_number(void **state)
{
    struct scene s;
    (void)state;
    begin(&s);
    create(&s, (const char *const[]){NULL});
    for (uint32_t i = 0; i <= LIMIT_TRACKERS; i++) {
        char url[64];
        snprintf(url, sizeof url, "udp://5.6.7.8:%u", i + 1);
        assert_int_equal(announce_add(s.announce, url), i < LIMIT_TRACKERS ? 0 : SPATE_ELIMIT);
    }
    end(&s);
}

static void it_can_be_destroyed_at_any_moment(void **state)
{
    static const char *const urls[] = {"udp://both.example:6969",
                                       "http://both.example:6969/announce", "udp://mute.example:1",
                                       "http://10.0.0.1/announce"};
    (void)state;
    for (int tracker = 0; tracker < 4; tracker++) {
        for (int steps = 0; steps < 60; steps++) {
            struct scene s;
            begin(&s);
            populate(&s);
            start(&s, URLS(urls[tracker]));
            for (int i = 0; i < steps && io_sim_step(s.sim); i++) {
            }
            if (steps % 2) {
                announce_stop(s.announce);
            }
            announce_destroy(s.announce);
            s.announce = NULL;
            run_until(&s, 100);
            end(&s);
        }
    }
}

static void the_owner_may_destroy_it_when_peers_come(void **state)
{
    (void)state;
    for (int http = 0; http < 2; http++) {
        struct scene s;
        begin(&s);
        populate(&s);
        s.destroy_on_peers = true;
        start(&s, URLS(http ? "http://both.example:6969/announce" : "udp://both.example:6969"));
        run_until(&s, 100);
        assert_int_equal(s.peers, 3);
        end(&s);
    }
}

static void one_connection_id_serves_several_torrents(void **state)
{
    struct scene s;
    (void)state;
    begin(&s);
    s.use_v6 = false;
    start(&s, URLS("udp://5.6.7.8:6969"));
    run_until(&s, 10);
    struct announce *first = s.announce;
    start(&s, URLS("udp://5.6.7.8:6969"));
    run_until(&s, 20);
    assert_string_equal(s.asked, "0:udp+started 10:udp+started");
    assert_int_equal(s.udp_server.connects, 1);
    announce_destroy(first);
    end(&s);
}

/* One announce to the tracker at that port, from beginning to end. */
static void announce_to_port(struct scene *s, uint32_t port)
{
    char url[40];
    snprintf(url, sizeof url, "udp://5.6.7.8:%u", port);
    start(s, URLS(url));
    io_sim_run_until(s->sim, io_sim_now(s->sim) + SECOND_NS / 4);
    announce_destroy(s->announce);
    s->announce = NULL;
}

static void so_many_connection_ids_are_kept_and_the_oldest_goes(void **state)
{
    enum { FIRST_PORT = 7000, MOST = LIMIT_TRACKER_CONNECTIONS + 1 };
    (void)state;
    for (uint32_t count = MOST - 2; count <= MOST; count++) {
        struct scene s;
        struct io_bind binds[MOST];
        struct udp_end ends[MOST];
        begin(&s);
        s.use_v6 = false;
        for (uint32_t i = 0; i < count; i++) {
            binds[i] = s.binds[0];
            binds[i].address.port = (uint16_t)(FIRST_PORT + i);
            end_open(&s, &ends[i], s.tracker, &binds[i], tracker_on_datagram);
            announce_to_port(&s, FIRST_PORT + i);
        }
        assert_int_equal(s.udp_server.connects, count);
        announce_to_port(&s, FIRST_PORT + count - 1);
        announce_to_port(&s, FIRST_PORT + 1);
        assert_int_equal(s.udp_server.connects, count);
        announce_to_port(&s, FIRST_PORT);
        assert_int_equal(s.udp_server.connects, count + (count == MOST));
        for (uint32_t i = 0; i < count; i++) {
            io_close(s.tracker, ends[i].socket);
        }
        end(&s);
    }
}

static void a_restarted_tracker_is_connected_to_again(void **state)
{
    struct scene s;
    (void)state;
    begin(&s);
    s.use_v6 = false;
    start(&s, URLS("udp://5.6.7.8:6969"));
    run_until(&s, 10);
    s.udp_server.key[0]++;
    announce_completed(s.announce);
    run_until(&s, 30); /* after 15 s of silence the old id is given up */
    assert_int_equal(s.udp_server.connects, 2);
    assert_string_equal(announce_message(s.announce), "");
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_families_are_announced_over_both_protocols),
        cmocka_unit_test(a_name_with_one_family_is_no_failure),
        cmocka_unit_test(the_life_of_a_torrent_is_started_completed_stopped),
        cmocka_unit_test(a_silent_tracker_is_asked_again_along_bep_15),
        cmocka_unit_test(after_five_seconds_the_next_tier_is_asked),
        cmocka_unit_test(a_late_answer_is_taken),
        cmocka_unit_test(stopping_is_bounded_to_two_seconds),
        cmocka_unit_test(who_leaves_before_the_first_answer_is_forgotten_by_the_tracker),
        cmocka_unit_test(a_torrent_nobody_knows_stops_at_once),
        cmocka_unit_test(names_that_do_not_exist_are_said),
        cmocka_unit_test(what_a_tracker_refuses_is_shown),
        cmocka_unit_test(a_warning_is_shown_and_harms_nothing),
        cmocka_unit_test(of_one_answer_so_many_peers_are_taken_and_no_more),
        cmocka_unit_test(an_answer_of_too_many_bytes_is_none),
        cmocka_unit_test(the_words_of_a_tracker_are_cut),
        cmocka_unit_test(a_tracker_that_says_never_hears_no_more),
        cmocka_unit_test(the_tracker_id_is_said_again),
        cmocka_unit_test(a_torrent_cannot_make_us_poke_at_local_services),
        cmocka_unit_test(a_tracker_of_the_users_may_be_anywhere),
        cmocka_unit_test(adding_a_tracker_of_the_torrent_makes_it_the_users),
        cmocka_unit_test(trackers_are_bounded_in_number),
        cmocka_unit_test(it_can_be_destroyed_at_any_moment),
        cmocka_unit_test(the_owner_may_destroy_it_when_peers_come),
        cmocka_unit_test(one_connection_id_serves_several_torrents),
        cmocka_unit_test(so_many_connection_ids_are_kept_and_the_oldest_goes),
        cmocka_unit_test(a_restarted_tracker_is_connected_to_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
