/* One connection: a socket, the peer machine that speaks over it, what it uploads, and its share of
 * the rate limits. It carries bytes and hands events to its owner: the session until the peer has
 * named its torrent, then that torrent's swarm. */
#ifndef ENGINE_CONN_H
#define ENGINE_CONN_H

#include "base/rate.h"
#include "engine/env.h"
#include "engine/upload.h"

struct conn;

struct conn_owner {
    /* The TCP connection of a dialled peer stands; its handshake is on the way. May be NULL. */
    void (*on_connected)(struct conn *);
    void (*on_event)(struct conn *, const struct peer_event *);
    /* The events of one receive have been handled. */
    void (*on_drained)(struct conn *);
    /* Blocks are about to leave: what else there is to say may go with them. May be NULL. */
    void (*on_sending)(struct conn *);
    /* Block data has left. It runs amid a send, whose parts are views of the output: it must not
     * queue messages. May be NULL. */
    void (*on_uploaded)(struct conn *, uint64_t bytes, int64_t now_ns);
    /* A file could not be read for the peer. */
    void (*on_read_failed)(struct conn *, uint32_t piece, int error, uint32_t file);
    /* It ends: take back what was lent to it; error is why (0: we closed it; a fault of the peer is
     * SPATE_EPROTO, see peer.fault). Afterwards it must not be used. */
    void (*on_closed)(struct conn *, int error);
};

enum conn_state { CONN_CONNECTING, CONN_OPEN, CONN_CLOSED };

struct conn {
    struct env *env;
    const struct conn_owner *owner;
    void *owner_data;
    struct list link; /* the owner's */
    uint64_t key;     /* unique in the session */
    struct addr address;
    int64_t created_at_ns;
    enum conn_state state;
    struct peer peer;
    struct rate down, up;                     /* payload */
    struct bucket *torrent_down, *torrent_up; /* NULL until the torrent is known */
    struct upload upload;

    /* Its own. */
    struct io_socket *socket;
    struct io_op connect_op, read_op, write_op;
    struct turn_work flush, reap;
    struct bucket_waiter down_waiter, up_waiter;
    struct timer timer;
    struct timer pause;     /* then it is received from, readable or not */
    int64_t received_at_ns; /* when that was done last */
    uint64_t received_then; /* bytes */
    int64_t connect_by_ns;
    int64_t unread_by_ns; /* while write_op is active: by then some of it must have left */
};

/* Opens a connection; info_hash is what we will say. On failure nothing is left. */
int conn_dial(struct env *, const struct addr *, const uint8_t info_hash[20],
              const struct conn_owner *, void *owner_data, struct conn **out);
/* Takes over an accepted socket (also when it fails). */
int conn_adopt(struct env *, struct io_socket *, const struct addr *, const struct conn_owner *,
               void *owner_data, struct conn **out);
/* From here on the swarm owns it. */
void conn_set_owner(struct conn *, const struct conn_owner *, void *owner_data);
/* Ends it: calls on_closed now, frees it once its operations have completed. */
void conn_close(struct conn *, int error);
/* Something may be waiting to be sent: it leaves at the end of the turn. */
void conn_touch(struct conn *);

#endif
