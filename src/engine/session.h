/* A session on its loop: it listens, finds the torrent that an incoming peer names, hands datagrams
 * to whom they concern, and carries out what the users' threads ask for. The simulator creates it
 * on a simulated port; spate.h's functions (api.c) on the real one. */
#ifndef ENGINE_SESSION_H
#define ENGINE_SESSION_H

#include "engine/conn.h"
#include "engine/env.h"
#include "engine/hub.h"
#include "engine/torrent.h"

enum { SESSION_FAMILIES = 2 }; /* IPv4, IPv6 */

struct session_socket {
    struct session *session;
    struct io_socket *socket; /* NULL: this family is not to be had */
    struct io_op op;
};

struct session {
    struct env env;
    struct hub hub;
    struct list torrents;
    struct map by_hash;  /* by info-hash: struct torrent */
    struct map by_id;    /* by id: struct torrent */
    uint32_t held_count; /* of torrents that are held */
    struct list unnamed; /* connections that have not named their torrent */
    uint32_t unnamed_count;
    /* Armed: nobody is accepted until then, or until one of them has gone. */
    struct timer room_timer;
    struct session_socket listeners[SESSION_FAMILIES], datagrams[SESSION_FAMILIES];
    uint8_t *datagram_bytes; /* of one batch */
    struct io_op wake_op;
    bool closing;
};

/* Runs on io, which it does not own. with_event_fd: somebody polls for news. On failure nothing is
 * left but operations that complete soon: io must be run or destroyed. */
int session_create(struct io *, const struct spate_settings *, bool with_event_fd,
                   struct session **out, struct spate_error *);
/* Begins to end: torrents record and say goodbye, connections close. */
void session_close(struct session *);
/* Nothing is under way any more: io may be ended, then session_destroy() called. */
bool session_closed(struct session *);
/* What is slow (trackers, flushing) is given up. */
void session_hurry(struct session *);
/* After io has ended: files that torrents had open may still be on their way to be closed before. */
void session_destroy(struct session *);

/* The same as spate_torrent_add: any thread. */
int session_add(struct session *, const struct spate_add *, spate_torrent *out,
                struct spate_error *);
/* The user's choice counts files without pad files: one byte a file with them; *out is freed with
 * free(). wanted NULL: everything. SPATE_EINVAL when count is not the number of files. */
int session_widen_wanted(const struct metainfo *, const uint8_t *wanted, uint32_t count,
                         uint8_t **out);
/* The loop's thread: what people see of this torrent is brought up to date, if it is not. */
void session_refresh(struct session *, spate_torrent);
/* The same for what is of the whole session. */
void session_refresh_totals(struct session *);
/* Posts a message and wakes the loop: any thread. Takes over command. */
int session_post(struct session *, struct command *);

/* For session.c: carries out the messages that wait; what people see of the whole session is due. */
void session_carry_out(struct session *);
void session_on_totals_due(struct timer *, int64_t now_ns);

bool session_is_consistent(const struct session *);

#endif
