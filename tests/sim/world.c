/* Making worlds and looking at them. */
#include "world.h"

#include "base/dice.h"
#include "codec/metainfo_write.h"
#include "crypto/sha.h"
#include "tracker/http_server.h"
#include "tracker/udp_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>

enum { PEER_PORT = 6881, TRACKER_PORT = 6969, WEB_PORT = 8080 };
static const int64_t look_ns = 50000000; /* how often the world is looked at */

struct world_tracker {
    struct io *io;
    struct io_socket *socket;
    struct io_op readable;
    struct swarm_table table;
    struct udp_server udp;
    struct http_server http;
    uint8_t body[HTTP_SERVER_BODY_BYTES];
};

/* ---- the tracker ------------------------------------------------------------------------------ */

static void tracker_on_datagrams(struct io_op *op, int status)
{
    struct world_tracker *t = list_entry(op, struct world_tracker, readable);
    uint8_t bytes[LIMIT_DATAGRAM_BYTES], out[UDP_SERVER_ANSWER_BYTES];
    struct io_datagram in = {.bytes = bytes, .size = sizeof bytes};
    if (status < 0) {
        return;
    }
    while (io_udp_receive(t->io, t->socket, &in, 1) == 1) {
        size_t size =
            udp_server_answer(&t->udp, &in.peer, span_of(bytes, in.size), io_now(t->io), out);
        struct io_datagram answer = {.peer = in.peer, .bytes = out, .size = (uint32_t)size};
        if (size > 0) {
            io_udp_send(t->io, t->socket, &answer, 1);
        }
        in = (struct io_datagram){.bytes = bytes, .size = sizeof bytes};
    }
    io_wait(t->io, t->socket, IO_READABLE, &t->readable);
}

static void tracker_on_http(void *user, const struct io_sim_http_request *request,
                            struct io_sim_http_answer *answer)
{
    struct world_tracker *t = user;
    struct writer body = writer_over(t->body, sizeof t->body);
    struct span path = span_of(request->path, strcspn(request->path, "?"));
    answer->status = http_server_answer(&t->http, path, span_text(request->query), &request->peer,
                                        request->now_ns, &body);
    answer->body = span_of(t->body, body.size);
}

static struct world_tracker *tracker_create(struct io *io)
{
    const uint64_t seed[2] = {1, 2};
    struct world_tracker *t = calloc(1, sizeof *t);
    struct swarm_table_settings settings;
    struct io_bind bind = {.address = {.family = ADDR_V4, .port = TRACKER_PORT}};
    assert_non_null(t);
    swarm_table_settings_init(&settings);
    swarm_table_init(&t->table, &settings, seed);
    udp_server_init(&t->udp, &t->table, seed);
    http_server_init(&t->http, &t->table);
    t->io = io;
    t->readable.done = tracker_on_datagrams;
    assert_int_equal(io_udp_open(io, &bind, &t->socket), 0);
    io_wait(io, t->socket, IO_READABLE, &t->readable);
    io_sim_http_serve(io, WEB_PORT, tracker_on_http, t);
    return t;
}

/* ---- the torrent ------------------------------------------------------------------------------ */

static const char *announce_url(enum world_tracker_kind kind)
{
    return kind == WORLD_TRACKER_UDP ? "udp://10.255.0.1:6969/announce"
                                     : "http://tracker.sim:8080/announce";
}

void world_set_torrent(struct world *w, const struct world_torrent *spec)
{
    struct metainfo_draft_file files[WORLD_FILES_MAX];
    struct dice dice;
    assert_true(!w->metainfo && spec->file_count <= WORLD_FILES_MAX);
    w->spec = *spec;
    for (int i = 0; i < spec->file_count; i++) {
        files[i] = (struct metainfo_draft_file){.path = spec->files[i].path ? spec->files[i].path
                                                                            : "payload",
                                                .length = spec->files[i].length};
        w->payload_bytes += spec->files[i].length;
    }
    w->payload = malloc(w->payload_bytes + sizeof(uint64_t));
    assert_non_null(w->payload);
    dice_init(&dice, 20260601);
    for (uint64_t at = 0; at < w->payload_bytes; at += sizeof(uint64_t)) {
        uint64_t word = dice_next(&dice);
        memcpy(w->payload + at, &word, sizeof word);
    }
    uint32_t pieces = (uint32_t)((w->payload_bytes + spec->piece_length - 1) / spec->piece_length);
    uint8_t *hashes = malloc((size_t)pieces * SHA1_BYTES);
    assert_non_null(hashes);
    for (uint32_t i = 0; i < pieces; i++) {
        uint64_t at = (uint64_t)i * spec->piece_length, left = w->payload_bytes - at;
        sha1_of(span_of(w->payload + at, left < spec->piece_length ? left : spec->piece_length),
                hashes + (size_t)i * SHA1_BYTES);
    }
    struct metainfo_tracker tracker = {.url = announce_url(spec->tracker)};
    struct metainfo_draft draft = {
        .name = "payload",
        .single_file = !spec->files[0].path,
        .files = files,
        .file_count = (uint32_t)spec->file_count,
        .piece_length = spec->piece_length,
        .piece_count = pieces,
        .piece_hashes = hashes,
        .trackers = &tracker,
        .tracker_count = spec->tracker != WORLD_TRACKER_NONE,
        .creation_date = -1,
    };
    size_t bound = metainfo_write_bound(&draft);
    w->metainfo = malloc(bound);
    assert_non_null(w->metainfo);
    struct writer out = writer_over(w->metainfo, bound);
    metainfo_write(&draft, &out);
    assert_false(out.failed);
    w->metainfo_bytes = out.size;
    free(hashes);
}

/* Where a peer's copy of a file lies. */
static void file_path(const struct world *w, int index, char *out, size_t size)
{
    const char *path = w->spec.files[index].path;
    snprintf(out, size, "/data/payload%s%s", path ? "/" : "", path ? path : "");
}

/* ---- peers ------------------------------------------------------------------------------------ */

static void place_files(struct world_peer *p)
{
    const struct world *w = p->world;
    uint64_t at = 0;
    for (int i = 0; i < w->spec.file_count; i++) {
        char path[512];
        file_path(w, i, path, sizeof path);
        uint64_t length = w->spec.files[i].length;
        assert_int_equal(io_sim_file_write(p->io, path, span_of(w->payload + at, length)), 0);
        at += length;
    }
}

struct world_peer *world_add(struct world *w, const struct io_sim_link *link, bool seed)
{
    assert_true(w->metainfo && w->peer_count < WORLD_PEERS_MAX);
    struct world_peer *p = &w->peers[w->peer_count++];
    const uint8_t ip[4] = {10, 0, (uint8_t)(w->peer_count >> 8), (uint8_t)w->peer_count};
    struct spate_settings settings;
    struct spate_add add;
    struct spate_error error = {.size = sizeof error};
    char name[32];
    p->world = w;
    p->seed = seed;
    p->address = addr_v4(ip, PEER_PORT);
    snprintf(name, sizeof name, "%s-%d", seed ? "seed" : "leech", w->peer_count);
    assert_int_equal(
        io_sim_host_create(w->sim, name, p->address, (struct addr){.family = ADDR_NONE}, &p->io),
        0);
    io_sim_set_link(p->io, link);
    if (seed) {
        place_files(p);
    }
    spate_settings_init(&settings, sizeof settings);
    settings.port = PEER_PORT;
    settings.allow_local = 1;
    settings.log_level = SPATE_LOG_WARNING;
    if (session_create(p->io, &settings, false, &p->session, &error) < 0) {
        fail_msg("session_create: %s", error.text);
    }
    spate_add_init(&add, sizeof add);
    add.metainfo = w->metainfo;
    add.metainfo_size = w->metainfo_bytes;
    add.save_path = "/data";
    if (session_add(p->session, &add, &p->torrent, &error) < 0) {
        fail_msg("session_add: %s", error.text);
    }
    return p;
}

void world_introduce(struct world_peer *p, const struct world_peer *other)
{
    struct command *command = calloc(1, sizeof *command);
    assert_non_null(command);
    *command =
        (struct command){.type = COMMAND_PEER, .torrent = p->torrent, .address = other->address};
    list_init(&command->link);
    assert_int_equal(session_post(p->session, command), 0);
}

struct spate_status world_status(struct world_peer *p)
{
    struct view *view = hub_find(&p->session->hub, p->torrent);
    assert_non_null(view);
    struct spate_status status = view->status;
    hub_release(&p->session->hub, view);
    return status;
}

bool world_files_equal(struct world_peer *p)
{
    const struct world *w = p->world;
    uint64_t at = 0;
    bool equal = true;
    for (int i = 0; i < w->spec.file_count && equal; i++) {
        char path[512];
        uint8_t *bytes;
        size_t size;
        file_path(w, i, path, sizeof path);
        uint64_t length = w->spec.files[i].length;
        equal = io_sim_file_read(p->io, path, &bytes, &size) == 0 && size == length &&
                memcmp(bytes, w->payload + at, size) == 0;
        free(bytes);
        at += length;
    }
    return equal;
}

/* ---- the world -------------------------------------------------------------------------------- */

struct world *world_create(uint64_t seed)
{
    static const uint8_t ip[4] = {10, 255, 0, 1};
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    struct addr at = addr_v4(ip, 0);
    w->sim = io_sim_create(seed);
    assert_int_equal(io_sim_host_create(w->sim, "tracker", at, (struct addr){.family = ADDR_NONE},
                                        &w->tracker_io),
                     0);
    io_sim_set_name(w->sim, "tracker.sim", &at, 1);
    w->tracker = tracker_create(w->tracker_io);
    return w;
}

static bool all_closed(struct world *w)
{
    bool closed = true;
    for (int i = 0; i < w->peer_count; i++) {
        closed &= session_closed(w->peers[i].session);
    }
    return closed;
}

void world_destroy(struct world *w)
{
    int64_t until_ns = io_sim_now(w->sim) + 60 * WORLD_SECOND_NS;
    for (int i = 0; i < w->peer_count; i++) {
        session_close(w->peers[i].session);
    }
    while (!all_closed(w)) {
        io_sim_run_until(w->sim, io_sim_now(w->sim) + look_ns);
        assert_true(io_sim_now(w->sim) < until_ns);
    }
    for (int i = 0; i < w->peer_count; i++) {
        session_destroy(w->peers[i].session);
    }
    io_close(w->tracker_io, w->tracker->socket);
    io_sim_destroy(w->sim);
    assert_true(swarm_table_is_consistent(&w->tracker->table));
    swarm_table_deinit(&w->tracker->table);
    free(w->tracker);
    free(w->payload);
    free(w->metainfo);
    free(w);
}

bool world_finish(struct world *w, int64_t within_ns)
{
    int64_t until_ns = io_sim_now(w->sim) + within_ns;
    for (;;) {
        bool finished = true;
        for (int i = 0; i < w->peer_count; i++) {
            struct world_peer *p = &w->peers[i];
            assert_true(session_is_consistent(p->session));
            if (world_status(p).state == SPATE_STATE_SEEDING && p->finished_ns == 0) {
                p->finished_ns = io_sim_now(w->sim);
            }
            finished &= p->finished_ns > 0;
        }
        if (finished || io_sim_now(w->sim) >= until_ns) {
            return finished;
        }
        io_sim_run_until(w->sim, io_sim_now(w->sim) + look_ns);
    }
}

void world_describe(struct world *w)
{
    for (int i = 0; i < w->peer_count; i++) {
        struct spate_status s = world_status(&w->peers[i]);
        struct io_sim_traffic traffic = io_sim_traffic(w->peers[i].io);
        fprintf(stderr,
                "%s %d: state %u error %d, %u of %u pieces, %u peers (%u known), down %llu up %llu "
                "wasted %llu failed %llu, lost packets %llu: %s\n",
                w->peers[i].seed ? "seed" : "leech", i, s.state, s.error, s.pieces_verified,
                s.piece_count, s.peers, s.peers_known, (unsigned long long)s.downloaded_bytes,
                (unsigned long long)s.uploaded_bytes, (unsigned long long)s.wasted_bytes,
                (unsigned long long)s.failed_bytes, (unsigned long long)traffic.lost_packets,
                s.message);
        struct spate_log_entry entry = {.size = sizeof entry};
        while (hub_next_log(&w->peers[i].session->hub, &entry)) {
            fprintf(stderr, "    %s\n", entry.text);
        }
    }
}
