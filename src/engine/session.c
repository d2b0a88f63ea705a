/* A session on its loop. */
#include "engine/session.h"

#include "base/limits.h"
#include "base/plant.h"

#include <stdlib.h>

enum {
    SESSION_ACCEPTS_PER_WAKE = 32,
    SESSION_DATAGRAMS = 16,
    SESSION_PORT_TRIES = 8, /* a free TCP port whose UDP twin is free too */
};
/* In which nobody has to make room for others: a handshake is on its way. */
#define NAMING_NS INT64_C(1000000000)

/* ---- incoming connections -------------------------------------------------------------------- */

/* Perhaps there is room again: listeners that were left alone are watched. */
static void on_room_due(struct timer *timer, int64_t now_ns)
{
    struct session *s = list_entry(timer, struct session, room_timer);
    (void)now_ns;
    for (int i = 0; i < SESSION_FAMILIES; i++) {
        struct session_socket *listener = &s->listeners[i];
        if (listener->socket && !listener->op.active) {
            io_wait(s->env.io, listener->socket, IO_READABLE, &listener->op);
        }
    }
}

/* One that had not named a torrent has gone, or has named one. */
static void unnamed_leaves(struct session *s)
{
    s->unnamed_count--;
    if (s->room_timer.armed) {
        timer_set(&s->env.timers, &s->room_timer, io_now(s->env.io));
    }
}

static void unnamed_event(struct conn *c, const struct peer_event *event)
{
    struct session *s = c->owner_data;
    if (event->type != PEER_HANDSHAKE) {
        return;
    }
    struct torrent *t = map_get(&s->by_hash, c->peer.remote.info_hash);
    bool room = s->env.connections - s->unnamed_count < s->env.settings.value.max_connections;
    if (!t || !t->swarm || !room || !swarm_adopt(t->swarm, c)) {
        conn_close(c, SPATE_ENOTFOUND);
        return;
    }
    unnamed_leaves(s);
}

static void unnamed_drained(struct conn *c)
{
    (void)c;
}

static void unnamed_closed(struct conn *c, int error)
{
    struct session *s = c->owner_data;
    char text[ADDR_TEXT_MAX];
    log_write(&s->env.log, SPATE_LOG_DEBUG, 0, "%s closed before it named a torrent of ours: %s",
              addr_format(&c->address, text),
              c->peer.fault ? peer_fault_text(c->peer.fault) : spate_strerror(error));
    unnamed_leaves(s);
}

static const struct conn_owner unnamed_owner = {
    .on_event = unnamed_event,
    .on_drained = unnamed_drained,
    .on_closed = unnamed_closed,
};

/* Those who have not named a torrent are few. When there are as many as may be, the one that has had time to do so
 * makes room for the next; while none has, who dials waits in the listener's queue. From one network there are never
 * so many that others would have to wait: its own oldest makes room, whatever its age. */
static void make_room(struct session *s, const struct addr *next)
{
    struct conn *oldest = NULL;
    uint32_t count = 0;
    list_for_each (node, &s->unnamed) {
        struct conn *c = list_entry(node, struct conn, link);
        if (addr_same_network(&c->address, next)) {
            oldest = oldest ? oldest : c;
            count++;
        }
    }
    if (count < LIMIT_UNNAMED_PER_NETWORK) {
        struct list *first = list_first(&s->unnamed);
        bool full = s->unnamed_count >= LIMIT_UNNAMED_CONNECTIONS && first;
        oldest = full ? list_entry(first, struct conn, link) : NULL;
    }
    if (oldest) {
        conn_close(oldest, SPATE_ELIMIT);
    }
}

/* When the next may be taken. */
static int64_t room_at_ns(const struct session *s)
{
    const struct list *oldest = list_first(&s->unnamed);
    return s->unnamed_count < LIMIT_UNNAMED_CONNECTIONS || !oldest
               ? 0
               : list_entry(oldest, struct conn, link)->created_at_ns + NAMING_NS;
}

static void accept_one(struct session *s, struct io_socket *socket, const struct addr *peer)
{
    struct conn *c;
    if (s->env.connections >= s->env.settings.value.max_connections + LIMIT_UNNAMED_CONNECTIONS) {
        io_close(s->env.io, socket);
        return;
    }
    make_room(s, peer);
    if (conn_adopt(&s->env, socket, peer, &unnamed_owner, s, &c) == 0) {
        list_push_back(&s->unnamed, &c->link);
        s->unnamed_count++;
    }
}

static void on_acceptable(struct io_op *op, int status)
{
    struct session_socket *listener = list_entry(op, struct session_socket, op);
    struct session *s = listener->session;
    if (s->closing || status < 0) {
        return;
    }
    for (int i = 0; i < SESSION_ACCEPTS_PER_WAKE; i++) {
        struct io_socket *socket;
        struct addr peer;
        int64_t at_ns = room_at_ns(s);
        if (at_ns > io_now(s->env.io)) {
            timer_set(&s->env.timers, &s->room_timer, at_ns);
            return;
        }
        int failed = io_accept(s->env.io, listener->socket, &socket, &peer);
        if (failed == SPATE_EAGAIN) {
            break;
        }
        if (!failed) {
            accept_one(s, socket, &peer);
        }
    }
    io_wait(s->env.io, listener->socket, IO_READABLE, &listener->op);
}

/* ---- datagrams ------------------------------------------------------------------------------- */

static void on_datagrams(struct io_op *op, int status)
{
    struct session_socket *udp = list_entry(op, struct session_socket, op);
    struct session *s = udp->session;
    struct io_datagram batch[SESSION_DATAGRAMS];
    if (s->closing || status < 0) {
        return;
    }
    for (int i = 0; i < SESSION_DATAGRAMS; i++) {
        batch[i] = (struct io_datagram){.bytes = s->datagram_bytes + i * (int)LIMIT_DATAGRAM_BYTES,
                                        .size = LIMIT_DATAGRAM_BYTES};
    }
    int count = io_udp_receive(s->env.io, udp->socket, batch, SESSION_DATAGRAMS);
    for (int i = 0; i < count; i++) {
        announce_udp_receive(s->env.udp_trackers, &batch[i].peer,
                             span_of(batch[i].bytes, batch[i].size));
    }
    io_wait(s->env.io, udp->socket, IO_READABLE, &udp->op);
}

static int send_datagram(void *user, const struct addr *to, struct span bytes)
{
    struct session *s = user;
    struct session_socket *udp = &s->datagrams[to->family == ADDR_V6];
    const struct io_datagram datagram = {
        .peer = *to, .bytes = (uint8_t *)(uintptr_t)bytes.bytes, .size = (uint32_t)bytes.size};
    if (!udp->socket || s->closing) {
        return SPATE_EUNREACHABLE;
    }
    int sent = io_udp_send(s->env.io, udp->socket, &datagram, 1);
    return sent < 0 ? sent : 0;
}

/* ---- its beginning --------------------------------------------------------------------------- */

static void on_wake(struct io_op *op, int status)
{
    struct session *s = list_entry(op, struct session, wake_op);
    if (!s->closing && status == 0) {
        io_wait_wake(s->env.io, op);
        session_carry_out(s);
    }
}

static struct io_bind bind_for(const struct session *s, int family, uint16_t port)
{
    struct io_bind bind = s->env.settings.bind;
    if (bind.address.family == ADDR_NONE) {
        bind.address.family = family ? ADDR_V6 : ADDR_V4;
    }
    bind.address.port = port;
    return bind;
}

static bool family_is_bound(const struct session *s, int family)
{
    uint16_t bound = s->env.settings.bind.address.family;
    return bound == ADDR_NONE || (bound == ADDR_V6) == (family == 1);
}

static void close_sockets(struct session *s)
{
    for (int i = 0; i < SESSION_FAMILIES; i++) {
        io_close(s->env.io, s->listeners[i].socket);
        io_close(s->env.io, s->datagrams[i].socket);
        s->listeners[i].socket = s->datagrams[i].socket = NULL;
    }
}

static uint16_t port_of(struct session *s, struct io_socket *socket)
{
    struct addr address;
    return io_socket_address(s->env.io, socket, &address) == 0 ? address.port : 0;
}

/* One TCP and one UDP socket a family, all on one port. A family that the machine does not have is
 * left out. */
static int open_sockets(struct session *s, uint16_t port)
{
    bool listening = !s->env.settings.value.disable_listen;
    int failed = SPATE_EADDRNOTAVAIL;
    uint32_t open = 0;
    for (int family = 0; family < SESSION_FAMILIES; family++) {
        if (!family_is_bound(s, family)) {
            continue;
        }
        struct io_bind bind = bind_for(s, family, port);
        int result = 0;
        if (listening) {
            result = io_tcp_listen(s->env.io, &bind, &s->listeners[family].socket);
            if (!result && port == 0) {
                port = port_of(s, s->listeners[family].socket);
                bind.address.port = port;
            }
        }
        if (!result) {
            result = io_udp_open(s->env.io, &bind, &s->datagrams[family].socket);
        }
        if (!result) {
            open++;
        } else if (result == SPATE_EADDRINUSE || result == SPATE_EACCES) {
            close_sockets(s);
            return result;
        } else {
            failed = result;
        }
    }
    s->env.port = listening ? port : 0;
    return open > 0 ? 0 : failed;
}

static int start_sockets(struct session *s, struct spate_error *error)
{
    uint16_t port = s->env.settings.value.port;
    int failed = open_sockets(s, port);
    for (int tries = 1; failed == SPATE_EADDRINUSE && port == 0 && tries < SESSION_PORT_TRIES;
         tries++) {
        failed = open_sockets(s, 0);
    }
    if (failed) {
        const char *bound = s->env.settings.value.bind;
        return error_set(error, failed, 0, "cannot listen on %s port %u: %s",
                         bound ? bound : "any address", port, spate_strerror(failed));
    }
    for (int i = 0; i < SESSION_FAMILIES; i++) {
        if (s->listeners[i].socket) {
            io_wait(s->env.io, s->listeners[i].socket, IO_READABLE, &s->listeners[i].op);
        }
        if (s->datagrams[i].socket) {
            io_wait(s->env.io, s->datagrams[i].socket, IO_READABLE, &s->datagrams[i].op);
        }
    }
    return 0;
}

static void write_log(void *user, int level, spate_torrent torrent, const char *text)
{
    struct session *s = user;
    hub_log(&s->hub, level, torrent, io_wall(s->env.io), text);
}

/* "-SP0100-" and twelve random characters (BEP 20). */
static void make_peer_id(struct env *env)
{
    static const char letters[] =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
    memcpy(env->peer_id, "-SP0100-", 8);
    for (int i = 8; i < 20; i++) {
        env->peer_id[i] = (uint8_t)letters[chacha_u32(&env->random) % 64];
    }
}

static int create_env(struct session *s, struct io *io, const struct spate_settings *settings,
                      struct spate_error *error)
{
    struct env *env = &s->env;
    uint8_t key[32];
    uint64_t seed[2];
    int failed = settings_init(&env->settings, settings, error);
    if (failed) {
        return failed;
    }
    env->io = io;
    env->next_key = 1;
    env->log =
        (struct log){.write = write_log, .user = s, .level = (int)env->settings.value.log_level};
    io_entropy(io, key, sizeof key);
    chacha_init(&env->random, key);
    timers_init(&env->timers, io);
    turn_init(&env->turn, io);
    bucket_init(&env->down, &env->timers, env->settings.value.max_down);
    bucket_init(&env->up, &env->timers, env->settings.value.max_up);
    chacha_bytes(&env->random, seed, sizeof seed);
    strangers_init(&env->strangers, seed);
    make_peer_id(env);
    env->scratch = malloc(sizeof *env->scratch);
    s->datagram_bytes = malloc((size_t)SESSION_DATAGRAMS * LIMIT_DATAGRAM_BYTES);
    if (!env->scratch || !s->datagram_bytes) {
        return error_set(error, SPATE_ENOMEM, 0, "out of memory");
    }
    failed = frames_create(env->settings.value.frame_bytes, &env->frames);
    if (!failed) {
        failed = open_files_create(LIMIT_OPEN_FILES, &env->open_files);
    }
    if (!failed) {
        failed = windows_create(LIMIT_WINDOWS, &env->windows);
    }
    if (!failed) {
        failed = announce_udp_create(io, send_datagram, s, &env->udp_trackers);
    }
    if (failed) {
        return error_set(error, failed, 0, "%s", spate_strerror(failed));
    }
    failed = resume_create(io, env->settings.value.state_dir, &env->resume);
    return failed ? error_set(error, failed, 0, "cannot use the state directory \"%s\": %s",
                              env->settings.value.state_dir, spate_strerror(failed))
                  : 0;
}

static void init_socket(struct session *s, struct session_socket *socket,
                        void (*done)(struct io_op *, int))
{
    *socket = (struct session_socket){.session = s, .op = {.done = done}};
}

int session_create(struct io *io, const struct spate_settings *settings, bool with_event_fd,
                   struct session **out, struct spate_error *error)
{
    uint64_t seed[2];
    struct session *s = calloc(1, sizeof *s);
    if (!s) {
        return error_set(error, SPATE_ENOMEM, 0, "out of memory");
    }
    io_entropy(io, seed, sizeof seed);
    int failed = hub_init(&s->hub, seed, with_event_fd);
    if (failed) {
        free(s);
        return error_set(error, failed, 0, "%s", spate_strerror(failed));
    }
    list_init(&s->torrents);
    list_init(&s->env.checks_waiting);
    list_init(&s->unnamed);
    map_init(&s->by_hash, 20, seed);
    map_init(&s->by_id, sizeof(spate_torrent), seed);
    for (int i = 0; i < SESSION_FAMILIES; i++) {
        init_socket(s, &s->listeners[i], on_acceptable);
        init_socket(s, &s->datagrams[i], on_datagrams);
    }
    s->room_timer.fire = on_room_due;
    s->wake_op.done = on_wake;
    failed = create_env(s, io, settings, error);
    if (!failed) {
        failed = start_sockets(s, error);
    }
    if (failed) {
        s->closing = true;
        session_destroy(s);
        return failed;
    }
    s->env.totals_timer.fire = session_on_totals_due;
    session_refresh_totals(s);
    io_wait_wake(io, &s->wake_op);
    *out = s;
    return 0;
}

/* ---- its end --------------------------------------------------------------------------------- */

void session_close(struct session *s)
{
    session_carry_out(s);
    list_for_each_safe (node, &s->torrents) {
        torrent_remove(list_entry(node, struct torrent, link));
    }
    list_for_each_safe (node, &s->unnamed) {
        conn_close(list_entry(node, struct conn, link), SPATE_ECANCELED);
    }
    for (int i = 0; i < SESSION_FAMILIES; i++) { /* nobody new; trackers still hear goodbye */
        io_close(s->env.io, s->listeners[i].socket);
        s->listeners[i].socket = NULL;
    }
    timer_set(&s->env.timers, &s->room_timer, INT64_MAX);
}

void session_hurry(struct session *s)
{
    list_for_each_safe (node, &s->torrents) {
        torrent_hurry(list_entry(node, struct torrent, link));
    }
}

/* Sockets and the loop's own operations go last. */
static void wind_up(struct session *s)
{
    if (s->closing) {
        return;
    }
    s->closing = true;
    close_sockets(s);
    announce_udp_destroy(s->env.udp_trackers);
    s->env.udp_trackers = NULL;
    if (!PLANT(NEVER_ENDS)) {
        io_cancel(s->env.io, &s->wake_op);
    }
    timers_close(&s->env.timers);
    turn_close(&s->env.turn);
}

bool session_closed(struct session *s)
{
    if (!list_empty(&s->torrents) || s->env.connections > 0) {
        return false;
    }
    wind_up(s);
    for (int i = 0; i < SESSION_FAMILIES; i++) {
        if (s->listeners[i].op.active || s->datagrams[i].op.active) {
            return false;
        }
    }
    return !s->wake_op.active && timers_idle(&s->env.timers) && turn_idle(&s->env.turn);
}

void session_destroy(struct session *s)
{
    struct env *env = &s->env;
    if (env->udp_trackers) {
        announce_udp_destroy(env->udp_trackers);
    }
    if (env->resume) {
        resume_destroy(env->resume);
    }
    if (env->frames) {
        frames_destroy(env->frames);
    }
    open_files_destroy(env->open_files);
    windows_destroy(env->windows);
    if (env->io) {
        strangers_deinit(&env->strangers);
    }
    settings_deinit(&env->settings);
    free(env->scratch);
    free(s->datagram_bytes);
    map_deinit(&s->by_hash);
    map_deinit(&s->by_id);
    hub_deinit(&s->hub);
    free(s);
}

bool session_is_consistent(const struct session *s)
{
    uint32_t unnamed = 0;
    list_for_each (node, &s->unnamed) {
        unnamed++;
    }
    list_for_each (node, &s->torrents) {
        const struct torrent *t = list_entry(node, struct torrent, link);
        if (t->swarm && !swarm_is_consistent(t->swarm)) {
            return false;
        }
    }
    return unnamed == s->unnamed_count && strangers_is_consistent(&s->env.strangers);
}
