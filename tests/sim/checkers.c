/* The checkers. At each look every peer of a small world is asked, and a few of a large one in turn, so
 * that looking costs a share of the run and not its square. */
#include "checkers.h"

#include "base/limits.h"
#include "disk/frames.h"
#include "engine/swarm_peer.h"
#include "io/sim/io_sim_tcp.h"

enum { PEERS_A_LOOK = 32 };
enum { OTHER_SOCKETS = 2 * SESSION_FAMILIES }; /* that listen, for connections and for datagrams */

/* How long a peer may claim what a failed sync has lost. */
#define WRONG_NS (2 * WORLD_SECOND_NS)

/* News are said within a second, and then stand behind what the socket took before. */
#define NEWS_NS (2 * WORLD_SECOND_NS)
/* So many times less than its share is what a stream may get of a full line at the other end. */
enum { NEWS_UNFAIR = 4 };
/* On a line that loses this much, they stand behind segments that are lost several times over. */
#define NEWS_LOSS_PPM 10000
#define NEWS_LOST_NS  (60 * WORLD_SECOND_NS)
/* Until what was lost while a line was dark has been sent again. */
#define DARK_NS (120 * WORLD_SECOND_NS)

static const struct {
    const char *name, *promise;
} checkers[] = {
#define CHECKER_ROW(name, text, promise) {text, promise},
    CHECKER_MAP(CHECKER_ROW)
#undef CHECKER_ROW
};

const char *checker_name(enum checker c)
{
    return checkers[c].name;
}

const char *checker_promise(enum checker c)
{
    return checkers[c].promise;
}

#define COMPLAIN(w, checker, ...) world_complain(w, checker_name(checker), __VA_ARGS__)

static int number_of(const struct world_peer *p)
{
    return (int)(p - p->world->peers);
}

/* The first number from `from` on that is in a and not in b; a->count when there is none. */
static uint32_t next_beyond(const struct bitset *a, const struct bitset *b, uint32_t from)
{
    uint32_t i = from;
    while (i < a->count && (i & 7) && (!bitset_get(a, i) || bitset_get(b, i))) {
        i++;
    }
    if (i < a->count && (i & 7) == 0) {
        while (i < a->count && !(a->bytes[i >> 3] & ~b->bytes[i >> 3])) {
            i += 8;
        }
        while (i < a->count && (!bitset_get(a, i) || bitset_get(b, i))) {
            i++;
        }
    }
    return i < a->count ? i : a->count;
}

/* ---- claims ----------------------------------------------------------------------------------- */

static void complain_of_claim(struct world_peer *p, uint32_t piece, const struct world_peer *by)
{
    int64_t now_ns = io_sim_now(p->world->sim);
    p->wrong_ns = p->wrong_ns > 0 ? p->wrong_ns : now_ns;
    if (p->world->disks_fail && now_ns - p->wrong_ns < WRONG_NS) {
        return;
    }
    COMPLAIN(p->world, CHECKER_CLAIMS, "peer %d claims piece %u, which is not right, says %d",
             number_of(p), piece, number_of(by));
}

/* What it claims was found on its disk, once. */
static void check_claims(struct world_peer *p, const struct torrent *t)
{
    const struct bitset *have = &t->pieces.have;
    for (uint32_t i = next_beyond(have, &p->proven, 0); i < have->count;
         i = next_beyond(have, &p->proven, i + 1)) {
        if (!world_piece_equal(p, i)) {
            complain_of_claim(p, i, p);
            return;
        }
        bitset_set(&p->proven, i);
    }
    p->wrong_ns = 0;
}

/* After a crash the next session believes what its record says is durable. */
static void check_durable(struct world_peer *p, const struct torrent *t)
{
    const struct bitset *durable = &t->pieces.durable;
    for (uint32_t i = next_beyond(durable, &p->proven, 0); p->has_crashed && i < durable->count;
         i = next_beyond(durable, &p->proven, i + 1)) {
        if (!world_piece_equal(p, i)) {
            COMPLAIN(p->world, CHECKER_DURABLE,
                     "peer %d has piece %u recorded as durable, and it is not right", number_of(p),
                     i);
            return;
        }
    }
}

/* What others were told of it by its own connection. */
static void check_told(struct world_peer *p, const struct swarm *s)
{
    list_for_each (node, &s->peers) {
        struct swarm_peer *sp = list_entry(node, struct swarm_peer, link);
        struct world_peer *other = world_find(p->world, &sp->conn->address);
        const struct bitset *told = &sp->told;
        if (!other || !sp->identified || io_sim_crashed(other->io) ||
            sp->connected_ns <= other->started_again_ns) {
            continue;
        }
        for (uint32_t i = next_beyond(told, &other->proven, 0); i < told->count;
             i = next_beyond(told, &other->proven, i + 1)) {
            if (!world_piece_equal(other, i)) {
                complain_of_claim(other, i, p);
                return;
            }
            bitset_set(&other->proven, i);
        }
    }
}

/* ---- news ------------------------------------------------------------------------------------- */

static struct swarm_peer *connection_to(const struct swarm *s, const struct world_peer *p)
{
    list_for_each (node, &s->peers) {
        struct swarm_peer *sp = list_entry(node, struct swarm_peer, link);
        if (sp->identified && sp->conn->state == CONN_OPEN &&
            addr_same_ip(&sp->conn->address, &p->address)) {
            return sp;
        }
    }
    return NULL;
}

/* Bytes that the socket has taken and that have not got to the other end, and what of a block it may take before
 * news. */
static uint64_t before_news(const struct swarm_peer *sp)
{
    const struct io_socket *socket = sp->conn->socket;
    if (!sp->identified || sp->conn->state != CONN_OPEN) {
        return 0;
    }
    const struct io_sim_stream *stream = &socket->conn->streams[socket->side];
    return stream->written > stream->acked ? stream->written - stream->acked + BLOCK_BYTES : 0;
}

static int64_t on_line_ns(uint64_t bytes, uint64_t bytes_per_s)
{
    return bytes_per_s > 0
               ? (int64_t)((double)bytes * (double)WORLD_SECOND_NS / (double)bytes_per_s)
               : 0;
}

/* How many peers it waits for blocks of. */
static uint64_t streams_to(const struct world_peer *p)
{
    const struct torrent *t = world_torrent(p);
    uint64_t count = 0;
    if (t && t->swarm) {
        list_for_each (node, &t->swarm->peers) {
            count += list_entry(node, struct swarm_peer, link)->requester.outstanding > 0;
        }
    }
    return count;
}

/* Streams take turns on a line. So the one with the most before its news waits for as much of each other one that
 * has anything to send; and again at the other end, where a queue
 * that is full drops what comes over the longest ways most often. */
static void measure_backlog(struct world_peer *p, const struct swarm *s)
{
    uint64_t streams = 0, most = 0;
    int64_t there_ns = 0;
    list_for_each (node, &s->peers) {
        const struct swarm_peer *sp = list_entry(node, struct swarm_peer, link);
        uint64_t bytes = before_news(sp);
        const struct world_peer *other =
            bytes > 0 ? world_find(p->world, &sp->conn->address) : NULL;
        int64_t ns = other ? on_line_ns(NEWS_UNFAIR * bytes * streams_to(other),
                                        other->link.down_bytes_per_s)
                           : 0;
        there_ns = ns > there_ns ? ns : there_ns;
        streams += bytes > 0;
        most = bytes > most ? bytes : most;
    }
    int64_t ns = on_line_ns(streams * most, p->link.up_bytes_per_s) + there_ns;
    p->news_behind_ns = ns > p->news_behind_ns ? ns : p->news_behind_ns;
}

/* How long news may be on their way. */
static int64_t news_ns(const struct world_peer *p)
{
    int64_t lost_ns = p->link.loss_ppm > NEWS_LOSS_PPM ? NEWS_LOST_NS : 0;
    return NEWS_NS + lost_ns + p->news_behind_ns;
}

static bool was_dark(const struct world_peer *p)
{
    return p->dark_ns > 0 && io_sim_now(p->world->sim) - p->dark_ns < DARK_NS;
}

/* The other end of one of its connections, when that has lasted long enough. */
static struct swarm_peer *who_should_know(struct world_peer *p, const struct swarm_peer *ours,
                                          struct torrent **theirs)
{
    int64_t now_ns = io_sim_now(p->world->sim), wait_ns = news_ns(p);
    struct world_peer *other = world_find(p->world, &ours->conn->address);
    /* A box may have forgotten the connection, and then only one end of it knows. */
    *theirs = other && other->outside_count == 0 ? world_torrent(other) : NULL;
    struct swarm_peer *sp = *theirs && (*theirs)->swarm ? connection_to((*theirs)->swarm, p) : NULL;
    bool lasted = sp && ours->identified && ours->conn->state == CONN_OPEN &&
                  now_ns - ours->connected_ns > wait_ns && now_ns - sp->connected_ns > wait_ns &&
                  !was_dark(p) && !was_dark(other) && !p->has_crashed && !other->has_crashed;
    return lasted ? sp : NULL;
}

/* Super-seeding, it has not told everybody of everything. */
static bool hides(const struct swarm *s)
{
    bool any = s->superseed != NULL;
    list_for_each (node, &s->peers) {
        any = any || list_entry(node, struct swarm_peer, link)->view.hidden;
    }
    return any;
}

/* What it has had for a while is known to everybody who is connected and lacks it. */
static void check_news(struct world_peer *p, const struct torrent *t)
{
    int64_t now_ns = io_sim_now(p->world->sim);
    struct torrent *theirs;
    for (size_t i = 0; i < bitset_bytes(p->news.count); i++) {
        p->news.bytes[i] &= t->pieces.have.bytes[i];
    }
    if (hides(t->swarm)) {
        bitset_empty(&p->news);
        p->news_ns = now_ns;
        p->news_behind_ns = 0;
    }
    measure_backlog(p, t->swarm);
    if (now_ns - p->news_ns < news_ns(p)) {
        return;
    }
    list_for_each (node, &t->swarm->peers) {
        const struct swarm_peer *ours = list_entry(node, struct swarm_peer, link);
        struct swarm_peer *sp = who_should_know(p, ours, &theirs);
        for (uint32_t i = sp ? next_beyond(&p->news, &sp->told, 0) : p->news.count;
             i < p->news.count; i = next_beyond(&p->news, &sp->told, i + 1)) {
            if (!bitset_get(&theirs->pieces.have, i)) {
                char text[ADDR_TEXT_MAX];
                COMPLAIN(p->world, CHECKER_NEWS, "%s has not heard that peer %d has piece %u",
                         addr_format(&ours->conn->address, text), number_of(p), i);
                return;
            }
        }
    }
    p->news_ns = now_ns;
    p->news_behind_ns = 0;
    bitset_load(&p->news, t->pieces.have.bytes, bitset_bytes(p->news.count));
}

/* ---- bounds ----------------------------------------------------------------------------------- */

static void check_bound(struct world_peer *p, const char *what, uint64_t value, uint64_t limit)
{
    if (value > limit) {
        COMPLAIN(p->world, CHECKER_LIMITS, "peer %d: %llu %s, at most %llu", number_of(p),
                 (unsigned long long)value, what, (unsigned long long)limit);
    }
}

static void check_swarm_bounds(struct world_peer *p, const struct swarm *s)
{
    uint32_t dialled = 0, unchoked = 0;
    check_bound(p, "peers", s->peer_count, s->settings.max_peers);
    check_bound(p, "known addresses", peerbook_count(&s->peerbook), LIMIT_PEERBOOK);
    check_bound(p, "started pieces", s->requests.partials.count, LIMIT_PARTIAL_PIECES);
    list_for_each (node, &s->peers) {
        const struct swarm_peer *sp = list_entry(node, struct swarm_peer, link);
        uint32_t same = 0;
        list_for_each (again, &s->peers) {
            same += addr_same_ip(&list_entry(again, struct swarm_peer, link)->conn->address,
                                 &sp->conn->address);
        }
        dialled += !sp->identified && !sp->conn->peer.incoming;
        unchoked += sp->identified && !sp->conn->peer.we_choke && sp->conn->peer.interested;
        /* One more may be dialled than may come in. */
        check_bound(p, "connections to one address", same, LIMIT_CONNECTIONS_PER_IP + 1);
        check_bound(p, "requests", peer_outstanding(&sp->conn->peer),
                    (uint64_t)LIMIT_PEER_REQUESTS_OUT * 2);
        check_bound(p, "requests that count", sp->requester.outstanding, LIMIT_PEER_REQUESTS_OUT);
        check_bound(p, "requests of a peer", peer_wants(&sp->conn->peer), LIMIT_PEER_REQUESTS_IN);
        check_bound(p, "bytes to say", sp->conn->peer.control_size,
                    (uint64_t)LIMIT_PEER_CONTROL_BYTES +
                        bitset_bytes(s->settings.layout->piece_count));
    }
    check_bound(p, "connections being dialled", dialled, LIMIT_DIALLING);
    check_bound(p, "peers served at once", unchoked, LIMIT_UPLOAD_SLOTS);
    if (dialled != s->dialling) {
        COMPLAIN(p->world, CHECKER_CONSISTENT, "peer %d dials %u and counts %u", number_of(p),
                 dialled, s->dialling);
    }
}

static void check_bounds(struct world_peer *p)
{
    const struct session *s = p->session;
    check_bound(p, "connections", s->env.connections,
                s->env.settings.value.max_connections + LIMIT_UNNAMED_CONNECTIONS);
    check_bound(p, "sockets", io_sim_sockets(p->io), (uint64_t)s->env.connections + OTHER_SOCKETS);
    check_bound(p, "unnamed connections", s->unnamed_count, LIMIT_UNNAMED_CONNECTIONS);
    check_bound(p, "messages", s->hub.command_count, LIMIT_COMMANDS);
    check_bound(p, "checks under way", s->env.checks, LIMIT_CHECKS);
    check_bound(p, "windows on files", windows_count(s->env.windows), LIMIT_WINDOWS);
    /* Files in use are never closed: those of workers, and of windows. */
    check_bound(p, "open files", open_files_count(s->env.open_files),
                (uint64_t)LIMIT_OPEN_FILES + LIMIT_WORKERS + windows_count(s->env.windows));
    /* At the maximum everybody may still have one run, and the last one may go beyond it. */
    check_bound(p, "bytes read for others", s->env.upload_bytes,
                LIMIT_UPLOAD_BYTES +
                    (s->env.settings.value.max_connections + UINT64_C(1)) * LIMIT_UPLOAD_RUN_BYTES);
    if (s->env.frames->used_bytes > s->env.frames->cap_bytes) {
        COMPLAIN(p->world, CHECKER_MEMORY, "peer %d: %llu bytes of pieces in flight, at most %llu",
                 number_of(p), (unsigned long long)s->env.frames->used_bytes,
                 (unsigned long long)s->env.frames->cap_bytes);
    }
}

/* ---- requests --------------------------------------------------------------------------------- */

/* Only addresses are compared: what hangs in the list may be gone. */
static bool is_of_a_peer(const struct swarm *s, const struct list *node)
{
    list_for_each (peer, &s->peers) {
        if (&list_entry(peer, struct swarm_peer, link)->requester.node == node) {
            return true;
        }
    }
    return false;
}

static void check_requests(struct world_peer *p, const struct swarm *s)
{
    uint64_t sum = 0;
    list_for_each (node, &s->requests.requesters) {
        if (!is_of_a_peer(s, node)) {
            COMPLAIN(p->world, CHECKER_REQUESTS, "peer %d asks somebody who has left",
                     number_of(p));
            return;
        }
    }
    list_for_each (node, &s->peers) {
        const struct swarm_peer *sp = list_entry(node, struct swarm_peer, link);
        uint32_t placed = 0;
        for (uint32_t i = 0; i < peer_outstanding(&sp->conn->peer); i++) {
            placed += peer_pending_at(&sp->conn->peer, i)->destination != NULL;
        }
        placed += sp->conn->peer.reading == PEER_READ_BLOCK && sp->conn->peer.arriving_asked &&
                  sp->conn->peer.arriving.destination != NULL;
        if (placed != sp->requester.outstanding) {
            COMPLAIN(p->world, CHECKER_REQUESTS,
                     "peer %d has lent %u places to a connection and counts %u requests",
                     number_of(p), placed, sp->requester.outstanding);
            return;
        }
        sum += sp->requester.outstanding;
    }
    if (sum != s->requests.outstanding) {
        COMPLAIN(p->world, CHECKER_REQUESTS, "peer %d: requests of peers %llu, of the torrent %llu",
                 number_of(p), (unsigned long long)sum,
                 (unsigned long long)s->requests.outstanding);
    }
}

/* ---- bans ------------------------------------------------------------------------------------- */

/* Whoever is not known to lie is honest, whatever address he is seen from. */
static void check_bans(struct world_peer *p, const struct swarm *s)
{
    const struct addr *banned;
    size_t cursor = 0;
    while ((banned = peerbook_each_ban(&s->peerbook, &cursor))) {
        if (!world_has_liar(p->world, banned)) {
            char text[ADDR_TEXT_MAX];
            COMPLAIN(p->world, CHECKER_BANS, "peer %d banned %s", number_of(p),
                     addr_format(banned, text));
            return;
        }
    }
}

/* ---- all of them ------------------------------------------------------------------------------ */

static void check_peer(struct world_peer *p)
{
    struct world *w = p->world;
    const struct torrent *t = world_torrent(p);
    check_bounds(p);
    if (t && t->swarm) {
        check_requests(p, t->swarm); /* first: the next ones follow what hangs in lists */
    }
    if (world_is_well(w) && !session_is_consistent(p->session)) {
        COMPLAIN(w, CHECKER_CONSISTENT, "peer %d is not", number_of(p));
    }
    if (!t || !world_is_well(w)) {
        return;
    }
    if (!pieces_is_consistent(&t->pieces)) {
        COMPLAIN(w, CHECKER_CONSISTENT, "what peer %d has is not", number_of(p));
    }
    check_durable(p, t);
    check_claims(p, t);
    if (t->swarm) {
        check_told(p, t->swarm);
        check_swarm_bounds(p, t->swarm);
        check_bans(p, t->swarm);
        check_news(p, t);
    }
}

static void on_look(struct world *w)
{
    int64_t looks = io_sim_now(w->sim) / w->look_ns;
    int from = w->peer_count > PEERS_A_LOOK ? (int)(looks * PEERS_A_LOOK % w->peer_count) : 0;
    for (int i = 0; i < w->peer_count && i < PEERS_A_LOOK && world_is_well(w); i++) {
        struct world_peer *p = &w->peers[(from + i) % w->peer_count];
        if (p->session && !io_sim_crashed(p->io)) {
            check_peer(p);
        }
    }
}

static void on_gone(struct world_peer *p)
{
    if (frames_used_bytes(p->session->env.frames) > 0) {
        COMPLAIN(p->world, CHECKER_MEMORY, "peer %d ended with %llu bytes of pieces in flight",
                 number_of(p), (unsigned long long)frames_used_bytes(p->session->env.frames));
    }
    if (p->session->env.upload_bytes > 0) {
        COMPLAIN(p->world, CHECKER_MEMORY, "peer %d ended with %llu bytes read for others",
                 number_of(p), (unsigned long long)p->session->env.upload_bytes);
    }
}

void checkers_attach(struct world *w)
{
    w->on_look = on_look;
    w->on_gone = on_gone;
}

void checkers_at_end(struct world *w)
{
    for (int i = 0; i < w->peer_count && world_is_well(w); i++) {
        struct world_peer *p = &w->peers[i];
        if (p->session && !p->leaving && !io_sim_crashed(p->io)) {
            check_peer(p);
        }
        if (p->finished_ns > 0 && (p->complete || !p->session) && world_is_well(w) &&
            !world_files_equal(p)) {
            COMPLAIN(w, CHECKER_FILES, "a file of peer %d is not its source", i);
        }
    }
}
