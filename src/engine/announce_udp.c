/* The session's side of UDP trackers (BEP 15): datagrams to conversations and back. Transaction ids
 * are random for each datagram and looked up together with the sender's address, so an answer can
 * be forged only by who sees the question. */
#include "engine/announce_udp.h"

#include "base/map.h"
#include "crypto/chacha.h"

#include <stdlib.h>

struct connection {
    struct addr peer; /* family ADDR_NONE: free */
    uint64_t id;
    int64_t connected_ns;
};

struct announce_udp {
    struct io *io;
    int (*send)(void *user, const struct addr *to, struct span bytes);
    void *user;
    struct chacha random;
    struct map talks; /* transaction id -> struct announce_udp_talk */
    struct connection connections[LIMIT_TRACKER_CONNECTIONS];
};

int announce_udp_create(struct io *io,
                        int (*send)(void *user, const struct addr *to, struct span bytes),
                        void *user, struct announce_udp **out)
{
    struct announce_udp *u = calloc(1, sizeof *u);
    *out = u;
    if (!u) {
        return SPATE_ENOMEM;
    }
    u->io = io;
    u->send = send;
    u->user = user;
    uint8_t key[32];
    io_entropy(io, key, sizeof key);
    chacha_init(&u->random, key);
    uint64_t seed[2] = {chacha_u64(&u->random), chacha_u64(&u->random)};
    map_init(&u->talks, sizeof(uint32_t), seed);
    return 0;
}

void announce_udp_destroy(struct announce_udp *u)
{
    if (u) {
        map_deinit(&u->talks);
        free(u);
    }
}

static struct connection *find_connection(struct announce_udp *u, const struct addr *peer)
{
    for (uint32_t i = 0; i < LIMIT_TRACKER_CONNECTIONS; i++) {
        if (addr_equals(&u->connections[i].peer, peer)) {
            return &u->connections[i];
        }
    }
    return NULL;
}

void announce_udp_forget(struct announce_udp *u, const struct addr *peer)
{
    struct connection *c = find_connection(u, peer);
    if (c) {
        *c = (struct connection){.id = 0};
    }
}

/* Keeps what the conversation knows of its connection, in the place of the oldest when all are
 * taken. */
static void keep_connection(struct announce_udp *u, const struct udp_tracker *t)
{
    if (!t->connected) {
        announce_udp_forget(u, &t->peer);
        return;
    }
    struct connection *c = find_connection(u, &t->peer);
    for (uint32_t i = 0; !c && i < LIMIT_TRACKER_CONNECTIONS; i++) {
        c = u->connections[i].peer.family == ADDR_NONE ? &u->connections[i] : NULL;
    }
    if (!c) {
        c = &u->connections[0];
        for (uint32_t i = 1; i < LIMIT_TRACKER_CONNECTIONS; i++) {
            if (u->connections[i].connected_ns < c->connected_ns) {
                c = &u->connections[i];
            }
        }
    }
    *c = (struct connection){t->peer, t->connection_id, t->connected_ns};
}

static void stop_listening(struct announce_udp *u, struct announce_udp_talk *talk)
{
    if (talk->listening) {
        map_remove(&u->talks, &talk->transaction_id);
        talk->listening = false;
    }
}

/* Sends the datagram that is due, under a transaction id of its own. */
static int send_due(struct announce_udp *u, struct announce_udp_talk *talk)
{
    uint8_t bytes[UDP_TRACKER_SEND_BYTES];
    struct writer w = writer_over(bytes, sizeof bytes);
    stop_listening(u, talk);
    do {
        talk->transaction_id = chacha_u32(&u->random);
    } while (map_get(&u->talks, &talk->transaction_id));
    udp_tracker_send(&talk->tracker, &w, talk->transaction_id, io_now(u->io));
    if (map_put(&u->talks, &talk->transaction_id, talk) < 0) {
        return SPATE_ENOMEM;
    }
    talk->listening = true;
    int status = u->send(u->user, &talk->tracker.peer, span_of(bytes, w.size));
    return status == SPATE_EAGAIN ? 0 : status;
}

int announce_udp_begin(struct announce_udp *u, struct announce_udp_talk *talk)
{
    const struct connection *c = find_connection(u, &talk->tracker.peer);
    if (c) {
        udp_tracker_reuse(&talk->tracker, c->id, c->connected_ns);
    }
    int status = send_due(u, talk);
    if (status < 0) {
        stop_listening(u, talk);
    }
    return status < 0 ? status : 0;
}

void announce_udp_end(struct announce_udp *u, struct announce_udp_talk *talk)
{
    stop_listening(u, talk);
}

bool announce_udp_receive(struct announce_udp *u, const struct addr *from, struct span bytes)
{
    if (bytes.size < TRACKER_UDP_HEADER_BYTES) {
        return false;
    }
    uint32_t transaction_id = load_be32(bytes.bytes + 4);
    struct announce_udp_talk *talk = map_get(&u->talks, &transaction_id);
    if (!talk || !addr_equals(from, &talk->tracker.peer)) {
        return false;
    }
    struct udp_tracker_event event =
        udp_tracker_receive(&talk->tracker, from, bytes, io_now(u->io));
    if (udp_tracker_wants_send(&talk->tracker)) {
        keep_connection(u, &talk->tracker);
        send_due(u, talk); /* a failure is silence, which the owner's deadline notices */
    }
    if (event.type != UDP_TRACKER_IGNORED) {
        talk->on_event(talk, &event);
    }
    return true;
}
