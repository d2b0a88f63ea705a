/* Making worlds and looking at them. */
#include "world.h"

#include "codec/metainfo_write.h"
#include "crypto/sha.h"
#include "tracker/http_server.h"
#include "tracker/udp_server.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    PAYLOAD_ID = 20260601,
    PEER_PORT = 6881,
    TRACKER_PORT = 6969,
    WEB_PORT = 8080,
    LOOK_NS = 50000000
};

/* What the scenery itself needs: its failure is no finding. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: the world is not to be had: %s\n", __FILE__, __LINE__,         \
                    #condition);                                                                   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

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
    MUST(t);
    swarm_table_settings_init(&settings);
    swarm_table_init(&t->table, &settings, seed);
    udp_server_init(&t->udp, &t->table, seed);
    http_server_init(&t->http, &t->table);
    t->io = io;
    t->readable.done = tracker_on_datagrams;
    MUST(io_udp_open(io, &bind, &t->socket) == 0);
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

static uint64_t piece_bytes(const struct world *w, uint32_t piece)
{
    uint64_t left = w->payload_bytes - (uint64_t)piece * w->spec.piece_length;
    return left < w->spec.piece_length ? left : w->spec.piece_length;
}

void world_payload(const struct world *w, uint64_t offset, void *out, size_t size)
{
    MUST(offset + size <= w->payload_bytes);
    io_sim_payload(PAYLOAD_ID, offset, out, size);
}

static void write_metainfo(struct world *w, const struct metainfo_draft_file *files)
{
    const struct world_torrent *spec = &w->spec;
    uint8_t *hashes = malloc((size_t)w->piece_count * SHA1_BYTES);
    uint8_t *piece = malloc(spec->piece_length);
    MUST(hashes && piece);
    for (uint32_t i = 0; i < w->piece_count; i++) {
        size_t size = (size_t)piece_bytes(w, i);
        world_payload(w, (uint64_t)i * spec->piece_length, piece, size);
        sha1_of(span_of(piece, size), hashes + (size_t)i * SHA1_BYTES);
    }
    free(piece);
    struct metainfo_tracker tracker = {.url = announce_url(spec->tracker)};
    struct metainfo_draft draft = {
        .name = "payload",
        .single_file = !spec->files[0].path,
        .files = files,
        .file_count = (uint32_t)spec->file_count,
        .piece_length = spec->piece_length,
        .piece_count = w->piece_count,
        .piece_hashes = hashes,
        .trackers = &tracker,
        .tracker_count = spec->tracker != WORLD_TRACKER_NONE,
        .creation_date = -1,
    };
    size_t bound = metainfo_write_bound(&draft);
    w->metainfo = malloc(bound);
    MUST(w->metainfo);
    struct writer out = writer_over(w->metainfo, bound);
    metainfo_write(&draft, &out);
    MUST(!out.failed);
    w->metainfo_bytes = out.size;
    free(hashes);
}

void world_set_torrent(struct world *w, const struct world_torrent *spec)
{
    struct metainfo_draft_file files[WORLD_FILES_MAX];
    MUST(!w->metainfo && spec->file_count <= WORLD_FILES_MAX);
    w->spec = *spec;
    for (int i = 0; i < spec->file_count; i++) {
        files[i] = (struct metainfo_draft_file){.path = spec->files[i].path ? spec->files[i].path
                                                                            : "payload",
                                                .length = spec->files[i].length};
        w->payload_bytes += spec->files[i].length;
    }
    io_sim_know_payload(w->sim, PAYLOAD_ID, w->payload_bytes);
    w->piece_count = (uint32_t)((w->payload_bytes + spec->piece_length - 1) / spec->piece_length);
    write_metainfo(w, files);
}

/* Where a peer's copy of a file lies. */
static void file_path(const struct world *w, int index, char *out, size_t size)
{
    const char *path = w->spec.files[index].path;
    snprintf(out, size, "/data/payload%s%s", path ? "/" : "", path ? path : "");
}

/* ---- peers ------------------------------------------------------------------------------------ */

struct world_peer *world_add_host(struct world *w, const struct io_sim_link *link, const char *name)
{
    MUST(w->metainfo && w->peer_count < WORLD_PEERS_MAX);
    struct world_peer *p = &w->peers[w->peer_count++];
    const uint8_t ip[4] = {10, 0, (uint8_t)(w->peer_count >> 8), (uint8_t)w->peer_count};
    char host[32];
    p->world = w;
    p->address = addr_v4(ip, PEER_PORT);
    p->link = *link;
    p->wanted = UINT32_MAX;
    snprintf(host, sizeof host, "%s-%d", name, w->peer_count);
    struct addr v6 = {.family = ADDR_NONE};
    if (w->has_v6) {
        const uint8_t bytes[16] = {[0] = 0xfd, [14] = ip[2], [15] = ip[3]};
        v6 = addr_v6(bytes, PEER_PORT);
    }
    MUST(io_sim_host_create(w->sim, host, p->address, v6, &p->io) == 0);
    MUST(bitset_init(&p->proven, w->piece_count) == 0);
    MUST(bitset_init(&p->news, w->piece_count) == 0);
    MUST(bitset_init(&p->durable, w->piece_count) == 0);
    io_sim_set_link(p->io, link);
    io_sim_set_disk(p->io, &w->disk);
    return p;
}

void world_place(struct world_peer *p, uint32_t from, uint32_t to)
{
    const struct world *w = p->world;
    uint64_t begin = (uint64_t)from * w->spec.piece_length;
    uint64_t end = (uint64_t)to * w->spec.piece_length;
    uint64_t at = 0;
    for (int i = 0; i < w->spec.file_count; i++) {
        char path[512];
        file_path(w, i, path, sizeof path);
        uint64_t next = at + w->spec.files[i].length;
        uint64_t first = begin > at ? begin : at, last = end < next ? end : next;
        if (first == at && last == next) {
            MUST(io_sim_file_write_payload(p->io, path, PAYLOAD_ID, at, next - at) == 0);
        } else {
            uint8_t *bytes = calloc(1, next - at);
            MUST(bytes);
            if (first < last) {
                world_payload(w, first, bytes + (first - at), (size_t)(last - first));
            }
            MUST(io_sim_file_write(p->io, path, span_of(bytes, next - at)) == 0);
            free(bytes);
        }
        at = next;
    }
}

void world_clear(struct world_peer *p)
{
    const struct world *w = p->world;
    struct io_fs *fs = io_sim_fs(p->io);
    for (int i = 0; i < w->spec.file_count; i++) {
        struct io_file *directory;
        char path[512];
        file_path(w, i, path, sizeof path);
        char *name = strrchr(path, '/');
        *name++ = 0;
        if (io_fs_open_path(fs, path, IO_OPEN_READ | IO_OPEN_DIRECTORY, &directory) == 0) {
            io_fs_unlink(fs, directory, name);
            io_fs_close(fs, directory);
        }
    }
}

void world_set_up(struct world_peer *p, bool up)
{
    p->dark_ns = io_sim_now(p->world->sim);
    io_sim_set_up(p->io, up);
}

/* The user adds the torrent. */
static int add_torrent(struct world_peer *p, struct spate_error *error)
{
    struct world *w = p->world;
    struct spate_add add;
    spate_add_init(&add, sizeof add);
    add.metainfo = w->metainfo;
    add.metainfo_size = w->metainfo_bytes;
    add.save_path = "/data";
    uint8_t wanted[WORLD_FILES_MAX];
    for (int i = 0; i < w->spec.file_count; i++) {
        wanted[i] = p->wanted >> i & 1;
    }
    add.wanted = p->wanted == UINT32_MAX ? NULL : wanted;
    add.wanted_count = (uint32_t)w->spec.file_count;
    return session_add(p->session, &add, &p->torrent, error);
}

void world_start(struct world_peer *p)
{
    struct world *w = p->world;
    struct spate_error error = {.size = sizeof error};
    MUST(!p->session);
    int failed = session_create(p->io, &w->settings, false, &p->session, &error);
    if (!failed) {
        failed = add_torrent(p, &error);
    }
    if (failed) {
        fprintf(stderr, "starting a session: %s\n", error.text);
    }
    MUST(!failed);
    p->complete = p->leaving = false;
    p->failed_ns = 0;
    p->started_ns = p->started_ns ? p->started_ns : io_sim_now(w->sim);
}

struct world_peer *world_add(struct world *w, const struct io_sim_link *link, bool seed)
{
    struct world_peer *p = world_add_host(w, link, seed ? "seed" : "leech");
    p->seed = seed;
    if (seed) {
        world_place(p, 0, w->piece_count);
    }
    world_start(p);
    return p;
}

/* What was durable once stays so. */
static void remember_durable(struct world_peer *p)
{
    const struct torrent *t = world_torrent(p);
    uint32_t count = t ? t->pieces.durable.count : 0; /* 0: it has not begun */
    for (uint32_t i = bitset_next(count ? &t->pieces.durable : &p->durable, 0); i < count;
         i = bitset_next(&t->pieces.durable, i + 1)) {
        bitset_set(&p->durable, i);
    }
}

void world_leave(struct world_peer *p)
{
    if (p->session && !p->leaving) {
        remember_durable(p);
        p->before = world_totals(p);
        p->leaving = true;
        session_close(p->session);
    }
}

/* What its session knew when the power failed; the ghost of it ends as any session, but for nobody. */
static void see_crash(struct world_peer *p)
{
    if (!p->leaving) {
        p->has_crashed = true;
        p->complete = false;
        world_leave(p);
    }
    session_hurry(p->session);
}

void world_crash(struct world_peer *p, enum io_sim_crash how)
{
    io_sim_crash(p->io, how);
    if (p->session) {
        see_crash(p);
    }
}

void world_restart(struct world_peer *p)
{
    MUST(io_sim_crashed(p->io) && !p->session);
    p->io = io_sim_restart(p->io);
    bitset_empty(&p->proven);
    bitset_empty(&p->news);
    p->has_crashed = true;
    p->started_again_ns = io_sim_now(p->world->sim);
    for (uint32_t i = bitset_next(&p->durable, 0); i < p->durable.count;
         i = bitset_next(&p->durable, i + 1)) {
        if (!world_piece_equal(p, i)) {
            world_complain(p->world, "durable",
                           "peer %d lost piece %u, which it knew to be durable",
                           (int)(p - p->world->peers), i);
            return;
        }
    }
    world_start(p);
}

static struct command *command_about(const struct world_peer *p, enum command_type type)
{
    struct command *command = calloc(1, sizeof *command);
    MUST(command);
    *command = (struct command){.type = type, .torrent = p->torrent};
    list_init(&command->link);
    return command;
}

void world_introduce(struct world_peer *p, const struct world_peer *other)
{
    struct command *command = command_about(p, COMMAND_PEER);
    command->address = other->address;
    MUST(session_post(p->session, command) == 0);
}

void world_command(struct world_peer *p, enum command_type type)
{
    if (p->session && !p->leaving) {
        MUST(session_post(p->session, command_about(p, type)) == 0);
    }
}

void world_want(struct world_peer *p, uint32_t files)
{
    int count = p->world->spec.file_count;
    uint32_t all = (UINT32_C(1) << count) - 1;
    struct command *command = command_about(p, COMMAND_WANT);
    command->wanted = malloc((size_t)count);
    MUST(command->wanted);
    for (int i = 0; i < count; i++) {
        command->wanted[i] = files >> i & 1;
    }
    p->wanted = files;
    p->elsewhere |= all & ~files;
    MUST(session_post(p->session, command) == 0);
}

void world_set_outside(struct world_peer *p, const struct addr *address)
{
    MUST(p->outside_count < WORLD_OUTSIDES);
    p->world->boxed_count += p->outside_count == 0;
    p->outside[p->outside_count++] = *address;
}

void world_add_liar(struct world *w, const struct addr *address)
{
    struct addr *liars = realloc(w->liars, ((size_t)w->liar_count + 1) * sizeof *liars);
    MUST(liars);
    w->liars = liars;
    w->liars[w->liar_count++] = *address;
}

bool world_has_liar(const struct world *w, const struct addr *address)
{
    for (int i = 0; i < w->liar_count; i++) {
        if (addr_same_ip(&w->liars[i], address)) {
            return true;
        }
    }
    return false;
}

static struct world_peer *find_outside(struct world *w, const struct addr *address)
{
    for (int i = 0; w->boxed_count > 0 && i < w->peer_count; i++) {
        struct world_peer *p = &w->peers[i];
        for (int j = 0; j < p->outside_count; j++) {
            if (addr_same_ip(&p->outside[j], address)) {
                return p;
            }
        }
    }
    return NULL;
}

struct world_peer *world_find(struct world *w, const struct addr *address)
{
    int index = address->ip[2] << 8 | address->ip[3];
    if (address->family != ADDR_V4 || address->ip[0] != 10 || address->ip[1] != 0 || index < 1 ||
        index > w->peer_count) {
        return find_outside(w, address);
    }
    return &w->peers[index - 1];
}

struct spate_status world_status(struct world_peer *p)
{
    struct spate_status status = {.size = sizeof status};
    struct view *view = p->session ? hub_find(&p->session->hub, p->torrent) : NULL;
    if (view) {
        status = view->status;
        hub_release(&p->session->hub, view);
    }
    return status;
}

enum spate_state world_state(struct world_peer *p)
{
    uint32_t state = SPATE_STATE_REMOVED;
    struct view *view = p->session ? hub_find(&p->session->hub, p->torrent) : NULL;
    if (view) {
        state = view->status.state;
        hub_release(&p->session->hub, view);
    }
    return (enum spate_state)state;
}

struct torrent *world_torrent(const struct world_peer *p)
{
    return p->session ? map_get(&p->session->by_id, &p->torrent) : NULL;
}

struct world_totals world_totals(struct world_peer *p)
{
    struct world_totals sum = p->before;
    const struct torrent *t = p->leaving ? NULL : world_torrent(p);
    if (t) {
        const struct swarm_totals now = torrent_totals(t);
        sum.downloaded_bytes += now.downloaded_bytes;
        sum.uploaded_bytes += now.uploaded_bytes;
        sum.wasted_bytes += now.wasted_bytes;
        sum.failed_bytes += now.failed_bytes;
        sum.wasted_blocks += now.wasted_blocks;
    }
    return sum;
}

/* ---- its files -------------------------------------------------------------------------------- */

bool world_files_equal(struct world_peer *p)
{
    const struct world *w = p->world;
    uint64_t at = 0;
    bool equal = true;
    for (int i = 0; i < w->spec.file_count && equal; i++) {
        char path[512];
        file_path(w, i, path, sizeof path);
        equal = io_sim_file_is_payload(p->io, path, PAYLOAD_ID, at, w->spec.files[i].length);
        at += w->spec.files[i].length;
    }
    return equal;
}

bool world_piece_equal(struct world_peer *p, uint32_t piece)
{
    const struct world *w = p->world;
    uint64_t begin = (uint64_t)piece * w->spec.piece_length, end = begin + piece_bytes(w, piece);
    uint64_t at = 0;
    bool equal = true;
    for (int i = 0; i < w->spec.file_count && equal; i++) {
        bool is_here = !(p->elsewhere >> i & 1);
        uint64_t next = at + w->spec.files[i].length;
        uint64_t from = begin > at ? begin : at, to = end < next ? end : next;
        if (from < to && is_here) {
            char path[512];
            file_path(w, i, path, sizeof path);
            equal = io_sim_file_has_payload(p->io, path, from - at, PAYLOAD_ID, from, to - from);
        }
        at = next;
    }
    return equal;
}

/* ---- time goes on ----------------------------------------------------------------------------- */

void world_complain(struct world *w, const char *checker, const char *format, ...)
{
    va_list arguments;
    if (!world_is_well(w)) {
        return;
    }
    snprintf(w->verdict.checker, sizeof w->verdict.checker, "%s", checker);
    int used = snprintf(w->verdict.text, sizeof w->verdict.text,
                        "at %.3f s: ", (double)io_sim_now(w->sim) / (double)WORLD_SECOND_NS);
    va_start(arguments, format);
    vsnprintf(w->verdict.text + used, sizeof w->verdict.text - (size_t)used, format, arguments);
    va_end(arguments);
}

static void see_off(struct world_peer *p)
{
    struct world *w = p->world;
    if (!session_closed(p->session)) {
        return;
    }
    if (w->on_gone) {
        w->on_gone(p);
    }
    session_destroy(p->session);
    p->session = NULL;
    p->leaving = p->complete = false;
}

static void see_failure(struct world_peer *p, enum spate_state state)
{
    struct world *w = p->world;
    int64_t now_ns = io_sim_now(w->sim);
    if (state != SPATE_STATE_ERROR && state != SPATE_STATE_REMOVED) {
        p->failed_ns = 0;
    } else if (p->failed_ns == 0) {
        p->failed_ns = now_ns;
    } else if (w->resume_after_ns > 0 && now_ns - p->failed_ns >= w->resume_after_ns) {
        p->failed_ns = now_ns;
        if (state == SPATE_STATE_ERROR) {
            world_command(p, COMMAND_RESUME);
        } else if (!p->leaving) {
            add_torrent(p, NULL);
        }
    }
}

static void look(struct world *w)
{
    for (int i = 0; i < w->peer_count; i++) {
        struct world_peer *p = &w->peers[i];
        if (!p->session) {
            continue;
        }
        if (w->on_gone && io_sim_crashed(p->io)) {
            see_crash(p);
            continue;
        }
        enum spate_state state = world_state(p);
        if (state != SPATE_STATE_REMOVED) {
            p->complete = state == SPATE_STATE_SEEDING;
        }
        if (p->complete && p->finished_ns == 0) {
            p->finished_ns = io_sim_now(w->sim);
        }
        see_failure(p, state);
        if (!w->on_look && !session_is_consistent(p->session)) {
            world_complain(w, "consistent", "peer %d is not", i);
        }
    }
    if (w->on_look) {
        w->on_look(w);
    }
    for (int i = 0; i < w->peer_count; i++) {
        if (w->peers[i].leaving) {
            see_off(&w->peers[i]);
        }
    }
}

/* Goes on until at_ns or the next look. */
static void go_on(struct world *w, int64_t at_ns)
{
    int64_t next_ns = io_sim_now(w->sim) + w->look_ns;
    io_sim_run_until(w->sim, next_ns < at_ns ? next_ns : at_ns);
    look(w);
}

bool world_run(struct world *w, int64_t for_ns)
{
    int64_t until_ns = io_sim_now(w->sim) + for_ns;
    while (world_is_well(w) && io_sim_now(w->sim) < until_ns) {
        go_on(w, until_ns);
    }
    return world_is_well(w);
}

bool world_all_complete(const struct world *w)
{
    bool all = true;
    for (int i = 0; i < w->peer_count; i++) {
        const struct world_peer *p = &w->peers[i];
        all = all && (!p->session || p->leaving || p->excused || p->complete);
    }
    return all;
}

bool world_finish(struct world *w, int64_t within_ns)
{
    int64_t until_ns = io_sim_now(w->sim) + within_ns;
    look(w);
    while (world_is_well(w) && !world_all_complete(w) && io_sim_now(w->sim) < until_ns) {
        go_on(w, until_ns);
    }
    return world_is_well(w) && world_all_complete(w);
}

static bool any_leaves(const struct world *w)
{
    bool any = false;
    for (int i = 0; i < w->peer_count; i++) {
        any = any || w->peers[i].leaving;
    }
    return any;
}

bool world_wait_for_leavers(struct world *w, int64_t within_ns)
{
    int64_t until_ns = io_sim_now(w->sim) + within_ns;
    while (world_is_well(w) && any_leaves(w) && io_sim_now(w->sim) < until_ns) {
        go_on(w, until_ns);
    }
    if (any_leaves(w)) {
        world_complain(w, "goodbye", "a session has not ended after %.0f s",
                       (double)within_ns / (double)WORLD_SECOND_NS);
    }
    return world_is_well(w);
}

/* ---- the world -------------------------------------------------------------------------------- */

struct world *world_create(uint64_t seed)
{
    static const uint8_t ip[4] = {10, 255, 0, 1};
    struct world *w = calloc(1, sizeof *w);
    MUST(w);
    struct addr at = addr_v4(ip, 0);
    w->peers = calloc(WORLD_PEERS_MAX, sizeof *w->peers);
    MUST(w->peers);
    w->look_ns = LOOK_NS;
    w->disk = io_sim_disk_default();
    spate_settings_init(&w->settings, sizeof w->settings);
    w->settings.port = PEER_PORT;
    w->settings.allow_local = 1;
    w->settings.log_level = SPATE_LOG_WARNING;
    w->sim = io_sim_create(seed);
    MUST(io_sim_host_create(w->sim, "tracker", at, (struct addr){.family = ADDR_NONE},
                            &w->tracker_io) == 0);
    io_sim_set_name(w->sim, "tracker.sim", &at, 1);
    w->tracker = tracker_create(w->tracker_io);
    return w;
}

void world_end(struct world *w)
{
    for (int i = 0; i < w->peer_count && world_is_well(w); i++) {
        world_leave(&w->peers[i]);
    }
    world_wait_for_leavers(w, 60 * WORLD_SECOND_NS);
}

void world_free(struct world *w)
{
    if (!world_is_well(w)) {
        return;
    }
    io_close(w->tracker_io, w->tracker->socket);
    io_sim_destroy(w->sim);
    MUST(swarm_table_is_consistent(&w->tracker->table));
    swarm_table_deinit(&w->tracker->table);
    for (int i = 0; i < w->peer_count; i++) {
        bitset_deinit(&w->peers[i].proven);
        bitset_deinit(&w->peers[i].news);
        bitset_deinit(&w->peers[i].durable);
    }
    free(w->peers);
    free(w->liars);
    free(w->tracker);
    free(w->metainfo);
    free(w);
}

void world_destroy(struct world *w)
{
    world_end(w);
    if (!world_is_well(w)) {
        fprintf(stderr, "%s: %s\n", w->verdict.checker, w->verdict.text);
    }
    MUST(world_is_well(w));
    world_free(w);
}

void world_describe(struct world *w)
{
    for (int i = 0; i < w->peer_count; i++) {
        if (!w->peers[i].session) {
            continue;
        }
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
