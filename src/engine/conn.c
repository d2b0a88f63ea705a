/* One connection's bytes. Received: the peer machine says where they should land, one receive call
 * fills it, the events go to the owner. Sent: everything a turn has gathered leaves in one call at
 * its end. */
#include "engine/conn.h"

#include <stdlib.h>

#define CONN_CONNECT_TIMEOUT_NS INT64_C(10000000000)
/* Who reads nothing for so long is closed, however alive he says he is: he holds our memory. */
#define CONN_UNREAD_TIMEOUT_NS INT64_C(150000000000)

/* A peer from which CONN_WAKE_BYTES come within CONN_PAUSE_MAX_NS is fast: it is left alone for a moment, so that one
 * receive finds many blocks, and the loop does not wake for each few packets. */
#define CONN_PAUSE_MIN_NS INT64_C(1000000)
#define CONN_PAUSE_MAX_NS INT64_C(4000000)

enum {
    CONN_WAKE_BYTES = 64 << 10,
    CONN_PAUSE_BYTES = 1 << 20, /* worth a pause, if it need not be longer than the maximum */
    CONN_RECEIVES_PER_WAKE = 4, /* then others get their turn */
    CONN_PARTS_MAX = 128,
};

static void wait_readable(struct conn *c);

/* ---- its end --------------------------------------------------------------------------------- */

static void reap(struct turn_work *work)
{
    struct conn *c = list_entry(work, struct conn, reap);
    if (c->connect_op.active || c->read_op.active || c->write_op.active || c->upload.working > 0) {
        return; /* whoever completes last comes here again */
    }
    peer_deinit(&c->peer);
    c->env->connections--;
    free(c);
}

static void reap_later(struct conn *c)
{
    turn_add(&c->env->turn, &c->reap);
}

void conn_close(struct conn *c, int error)
{
    if (c->state == CONN_CLOSED) {
        return;
    }
    c->owner->on_closed(c, error);
    c->state = CONN_CLOSED;
    upload_close(&c->upload);
    list_remove(&c->link);
    list_remove(&c->down_waiter.link);
    list_remove(&c->up_waiter.link);
    timer_clear(&c->env->timers, &c->timer);
    timer_clear(&c->env->timers, &c->pause);
    turn_remove(&c->flush);
    io_cancel(c->env->io, &c->connect_op);
    io_close(c->env->io, c->socket);
    c->socket = NULL;
    reap_later(c);
}

/* ---- time ------------------------------------------------------------------------------------ */

static void arm(struct conn *c)
{
    int64_t at_ns = c->state == CONN_CONNECTING ? c->connect_by_ns : peer_deadline(&c->peer);
    if (c->write_op.active && c->unread_by_ns < at_ns) {
        at_ns = c->unread_by_ns;
    }
    timer_set(&c->env->timers, &c->timer, at_ns);
}

static void open_now(struct conn *c)
{
    c->state = CONN_OPEN;
    c->unread_by_ns = io_now(c->env->io) + CONN_UNREAD_TIMEOUT_NS;
}

static bool drain(struct conn *c)
{
    struct peer_event event;
    while (c->state != CONN_CLOSED && peer_next(&c->peer, &event)) {
        if (event.type == PEER_FAULT) {
            conn_close(c, SPATE_EPROTO);
            return false;
        }
        c->owner->on_event(c, &event);
    }
    if (c->state == CONN_CLOSED) {
        return false;
    }
    c->owner->on_drained(c);
    return c->state != CONN_CLOSED;
}

static void on_timer(struct timer *timer, int64_t now_ns)
{
    struct conn *c = list_entry(timer, struct conn, timer);
    if (c->state == CONN_CONNECTING || (c->write_op.active && now_ns >= c->unread_by_ns)) {
        conn_close(c, SPATE_ETIMEDOUT);
        return;
    }
    peer_wake(&c->peer, now_ns);
    if (drain(c)) {
        conn_touch(c);
        arm(c);
    }
}

/* ---- receiving ------------------------------------------------------------------------------- */

/* The bucket that lets nothing pass, or NULL; *allowed is what may pass. */
static struct bucket *dry_bucket(struct bucket *session, struct bucket *torrent, uint64_t want,
                                 int64_t now_ns, uint64_t *allowed)
{
    *allowed = bucket_allows(session, want, now_ns);
    if (*allowed == 0) {
        return session;
    }
    if (torrent) {
        *allowed = bucket_allows(torrent, *allowed, now_ns);
        if (*allowed == 0) {
            return torrent;
        }
    }
    return NULL;
}

/* Cuts v to at most allowed bytes; returns the entries left. */
static int cut(struct iovec *v, int count, uint64_t allowed)
{
    for (int i = 0; i < count; i++) {
        if (v[i].iov_len >= allowed) {
            v[i].iov_len = (size_t)allowed;
            return i + 1;
        }
        allowed -= v[i].iov_len;
    }
    return count;
}

static size_t total_of(const struct iovec *v, int count)
{
    size_t total = 0;
    for (int i = 0; i < count; i++) {
        total += v[i].iov_len;
    }
    return total;
}

enum receipt { RECEIPT_MORE, RECEIPT_ALL, RECEIPT_NONE };

/* One receive call: there may be more, that was all for now, or somebody else will call again. */
static enum receipt receive_once(struct conn *c)
{
    struct env *env = c->env;
    struct iovec v[PEER_SPACE_MAX];
    int64_t now_ns = io_now(env->io);
    int count = peer_space(&c->peer, v);
    size_t room = total_of(v, count);
    uint64_t allowed;
    struct bucket *dry = dry_bucket(&env->down, c->torrent_down, room, now_ns, &allowed);
    if (dry) {
        bucket_wait(dry, &c->down_waiter, now_ns);
        return RECEIPT_NONE;
    }
    count = cut(v, count, allowed);
    int64_t n = io_receive(env->io, c->socket, v, count);
    if (n == SPATE_EAGAIN) {
        return RECEIPT_ALL;
    }
    if (n <= 0) {
        conn_close(c, n == 0 ? SPATE_EEOF : (int)n);
        return RECEIPT_NONE;
    }
    c->received_then += (uint64_t)n;
    bucket_spend(&env->down, (uint64_t)n);
    if (c->torrent_down) {
        bucket_spend(c->torrent_down, (uint64_t)n);
    }
    if (peer_received(&c->peer, (size_t)n, now_ns)) {
        conn_close(c, SPATE_ENOMEM);
        return RECEIPT_NONE;
    }
    if (!drain(c)) {
        return RECEIPT_NONE;
    }
    conn_touch(c);
    return (uint64_t)n < allowed ? RECEIPT_ALL : RECEIPT_MORE;
}

/* How long to leave the peer alone that sent so many bytes in so long; 0: it is slow. */
static int64_t pause_after(uint64_t bytes, int64_t in_ns)
{
    if (bytes == 0 || in_ns / CONN_PAUSE_MAX_NS > (int64_t)(bytes / CONN_WAKE_BYTES) ||
        in_ns * CONN_WAKE_BYTES / (int64_t)bytes > CONN_PAUSE_MAX_NS) {
        return 0;
    }
    int64_t pause_ns = in_ns * CONN_PAUSE_BYTES / (int64_t)bytes;
    pause_ns = pause_ns < CONN_PAUSE_MAX_NS ? pause_ns : CONN_PAUSE_MAX_NS;
    return pause_ns > CONN_PAUSE_MIN_NS ? pause_ns : CONN_PAUSE_MIN_NS;
}

static void receive(struct conn *c)
{
    enum receipt receipt = RECEIPT_MORE;
    int64_t now_ns = io_now(c->env->io), since_ns = now_ns - c->received_at_ns;
    c->received_at_ns = now_ns;
    c->received_then = 0;
    for (int calls = 0; receipt == RECEIPT_MORE && calls < CONN_RECEIVES_PER_WAKE; calls++) {
        receipt = receive_once(c);
    }
    if (receipt != RECEIPT_NONE) {
        int64_t pause_ns = receipt == RECEIPT_ALL ? pause_after(c->received_then, since_ns) : 0;
        if (pause_ns > 0) {
            timer_set(&c->env->timers, &c->pause, now_ns + pause_ns);
        } else {
            wait_readable(c);
        }
    }
    if (c->state == CONN_OPEN) {
        arm(c);
    }
}

static void on_pause_over(struct timer *timer, int64_t now_ns)
{
    (void)now_ns;
    receive(list_entry(timer, struct conn, pause));
}

static void on_readable(struct io_op *op, int status)
{
    struct conn *c = list_entry(op, struct conn, read_op);
    if (c->state == CONN_CLOSED) {
        reap_later(c);
    } else if (status < 0) {
        conn_close(c, status);
    } else {
        receive(c);
    }
}

static void wait_readable(struct conn *c)
{
    if (!c->read_op.active) {
        io_wait(c->env->io, c->socket, IO_READABLE, &c->read_op);
    }
}

static void on_down_allowed(struct bucket_waiter *waiter)
{
    receive(list_entry(waiter, struct conn, down_waiter));
}

/* ---- sending --------------------------------------------------------------------------------- */

/* Parts with bytes as they are, blocks from the runs that hold them; at most allowed bytes of them. Returns how many
 * parts. */
static int gather(const struct conn *c, const struct part *parts, int count, uint64_t allowed,
                  struct io_part *out)
{
    int n = 0;
    for (; n < count && allowed > 0; n++) {
        out[n] = parts[n].bytes ? (struct io_part){.bytes = parts[n].bytes, .size = parts[n].size}
                                : upload_part(&c->upload, parts[n].block);
        out[n].size = out[n].size < allowed ? out[n].size : (size_t)allowed;
        allowed -= out[n].size;
    }
    return n;
}

static size_t parts_bytes(const struct part *parts, int count)
{
    size_t total = 0;
    for (int i = 0; i < count; i++) {
        total += parts[i].size;
    }
    return total;
}

static void account_sent(struct conn *c, uint64_t n, uint64_t payload, int64_t now_ns)
{
    bucket_spend(&c->env->up, n);
    if (c->torrent_up) {
        bucket_spend(c->torrent_up, n);
    }
    if (payload > 0) {
        rate_add(&c->up, payload, now_ns);
        rate_add(&c->env->up_rate, payload, now_ns);
        c->env->uploaded_bytes += payload;
        if (c->owner->on_uploaded) {
            c->owner->on_uploaded(c, payload, now_ns);
        }
    }
}

/* How much of the first n bytes of what peer_send yielded was block data. */
static uint64_t payload_in(const struct part *parts, uint64_t n)
{
    uint64_t payload = 0;
    for (int i = 0; n > 0; i++) {
        uint64_t take = parts[i].size < n ? parts[i].size : n;
        n -= take;
        payload += parts[i].bytes ? 0 : take;
    }
    return payload;
}

/* What the first of them was to come from is not there. */
static void on_unsent(struct conn *c, const struct part *parts, int count, int error)
{
    for (int i = 0; i < count; i++) {
        if (!parts[i].bytes) {
            upload_on_unsent(&c->upload, parts[i].block, error);
            break;
        }
    }
}

/* One send call. False when the rest must wait. */
static bool send_once(struct conn *c)
{
    struct env *env = c->env;
    struct part parts[CONN_PARTS_MAX];
    struct io_part out[CONN_PARTS_MAX];
    int64_t now_ns = io_now(env->io);
    if (peer_serving(&c->peer) > 0 && c->owner->on_sending) {
        c->owner->on_sending(c);
    }
    int count = peer_send(&c->peer, parts, CONN_PARTS_MAX);
    size_t total = parts_bytes(parts, count);
    uint64_t allowed;
    struct bucket *dry = dry_bucket(&env->up, c->torrent_up, total, now_ns, &allowed);
    if (dry) {
        bucket_wait(dry, &c->up_waiter, now_ns);
        return false;
    }
    int64_t n = io_send(env->io, c->socket, out, gather(c, parts, count, allowed, out));
    if (n == SPATE_EAGAIN) {
        io_wait(env->io, c->socket, IO_WRITABLE, &c->write_op);
        return false;
    }
    if (n < 0) {
        if (n == SPATE_EIO || n == SPATE_ESHORT) {
            on_unsent(c, parts, count, (int)n);
        }
        conn_close(c, (int)n);
        return false;
    }
    c->unread_by_ns = now_ns + CONN_UNREAD_TIMEOUT_NS;
    account_sent(c, (uint64_t)n, payload_in(parts, (uint64_t)n), now_ns);
    peer_sent(&c->peer, (size_t)n, now_ns);
    upload_trim(&c->upload);
    if ((uint64_t)n < allowed) {
        io_wait(env->io, c->socket, IO_WRITABLE, &c->write_op);
        return false;
    }
    return true;
}

static void flush(struct turn_work *work)
{
    struct conn *c = list_entry(work, struct conn, flush);
    if (c->state != CONN_OPEN) {
        return;
    }
    upload_pump(&c->upload);
    while (c->state == CONN_OPEN && !c->write_op.active && !list_linked(&c->up_waiter.link) &&
           peer_has_output(&c->peer) && send_once(c)) {
        upload_pump(&c->upload);
    }
    if (c->state == CONN_OPEN) {
        upload_pump(&c->upload);
        if (c->peer.fault) {
            drain(c);
        }
    }
}

static void on_writable(struct io_op *op, int status)
{
    struct conn *c = list_entry(op, struct conn, write_op);
    if (c->state == CONN_CLOSED) {
        reap_later(c);
    } else if (status < 0) {
        conn_close(c, status);
    } else {
        conn_touch(c);
    }
}

static void on_up_allowed(struct bucket_waiter *waiter)
{
    conn_touch(list_entry(waiter, struct conn, up_waiter));
}

void conn_touch(struct conn *c)
{
    if (c->state == CONN_OPEN) {
        turn_add(&c->env->turn, &c->flush);
    }
}

/* ---- what the upload reports ----------------------------------------------------------------- */

static void on_upload_ready(struct upload *u)
{
    conn_touch(list_entry(u, struct conn, upload));
}

static void on_upload_failed(struct upload *u, uint32_t piece, int error, uint32_t file)
{
    struct conn *c = list_entry(u, struct conn, upload);
    c->owner->on_read_failed(c, piece, error, file);
    conn_touch(c);
}

static void on_upload_idle(struct upload *u)
{
    struct conn *c = list_entry(u, struct conn, upload);
    if (c->state == CONN_CLOSED) {
        reap_later(c);
    }
}

/* ---- its beginning --------------------------------------------------------------------------- */

static void on_connected(struct io_op *op, int status)
{
    struct conn *c = list_entry(op, struct conn, connect_op);
    if (c->state == CONN_CLOSED) {
        reap_later(c);
        return;
    }
    if (status < 0) {
        conn_close(c, status);
        return;
    }
    open_now(c);
    if (c->owner->on_connected) {
        c->owner->on_connected(c);
    }
    wait_readable(c);
    conn_touch(c);
    arm(c);
}

static struct conn *create(struct env *env, const struct addr *address, const uint8_t *info_hash,
                           const struct conn_owner *owner, void *owner_data)
{
    struct conn *c = calloc(1, sizeof *c);
    if (!c) {
        return NULL;
    }
    const struct peer_settings settings = {.scratch = env->scratch,
                                           .info_hash = info_hash,
                                           .peer_id = env->peer_id,
                                           .now_ns = io_now(env->io)};
    if (peer_init(&c->peer, &settings)) {
        free(c);
        return NULL;
    }
    c->env = env;
    c->owner = owner;
    c->owner_data = owner_data;
    c->key = env->next_key++;
    c->address = *address;
    c->created_at_ns = io_now(env->io);
    list_init(&c->link);
    turn_work_init(&c->flush, flush);
    turn_work_init(&c->reap, reap);
    bucket_waiter_init(&c->down_waiter, on_down_allowed);
    bucket_waiter_init(&c->up_waiter, on_up_allowed);
    c->connect_op.done = on_connected;
    c->read_op.done = on_readable;
    c->write_op.done = on_writable;
    c->timer.fire = on_timer;
    c->pause.fire = on_pause_over;
    upload_init(&c->upload, env, &c->peer);
    c->upload.on_ready = on_upload_ready;
    c->upload.on_failed = on_upload_failed;
    c->upload.on_idle = on_upload_idle;
    env->connections++;
    return c;
}

int conn_dial(struct env *env, const struct addr *address, const uint8_t info_hash[20],
              const struct conn_owner *owner, void *owner_data, struct conn **out)
{
    struct conn *c = create(env, address, info_hash, owner, owner_data);
    if (!c) {
        return SPATE_ENOMEM;
    }
    c->state = CONN_CONNECTING;
    c->connect_by_ns = io_now(env->io) + CONN_CONNECT_TIMEOUT_NS;
    int failed = io_tcp_connect(env->io, &env->settings.bind, address, &c->connect_op, &c->socket);
    if (failed) {
        peer_deinit(&c->peer);
        env->connections--;
        free(c);
        return failed;
    }
    arm(c);
    *out = c;
    return 0;
}

int conn_adopt(struct env *env, struct io_socket *socket, const struct addr *address,
               const struct conn_owner *owner, void *owner_data, struct conn **out)
{
    struct conn *c = create(env, address, NULL, owner, owner_data);
    if (!c) {
        io_close(env->io, socket);
        return SPATE_ENOMEM;
    }
    c->socket = socket;
    open_now(c);
    wait_readable(c);
    arm(c);
    *out = c;
    return 0;
}

void conn_set_owner(struct conn *c, const struct conn_owner *owner, void *owner_data)
{
    c->owner = owner;
    c->owner_data = owner_data;
    list_remove(&c->link);
}
