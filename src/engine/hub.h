/* The meeting place of a session's loop and the threads that use it: what is known of each torrent
 * (views), the event queue, the log ring and the messages to the loop. The only part of the engine
 * that two threads touch; one lock, held for copies only.
 *
 * A torrent is queued at most once with the set of its changed aspects, so the event queue needs no
 * bound of its own and loses nothing. */
#ifndef ENGINE_HUB_H
#define ENGINE_HUB_H

#include "base/addr.h"
#include "base/bitset.h"
#include "base/list.h"
#include "base/map.h"
#include "codec/layout.h"
#include "codec/metainfo.h"
#include "spate.h"

#include <pthread.h>

/* What everybody may know of one torrent. Everything is guarded by the hub's lock, but for what
 * never changes: id, metainfo, layout. */
struct view {
    spate_torrent id;
    struct metainfo metainfo; /* owned; immutable */
    struct layout layout;     /* owned; immutable */
    struct spate_status status;
    struct bitset pieces; /* verified */
    uint8_t *wanted;      /* one byte a file of the metainfo, pad files too */
    struct spate_peer_status *peers;
    uint32_t peer_count, peer_capacity;
    struct spate_tracker_status *trackers;
    uint32_t tracker_count, tracker_capacity;
    uint32_t changed;    /* aspects not yet told */
    struct list queued;  /* in the event queue */
    uint32_t references; /* the hub's map, the loop, and calls that are running */
    bool removed;
};

enum command_type {
    COMMAND_ADD,
    COMMAND_REMOVE,
    COMMAND_PAUSE,
    COMMAND_RESUME,
    COMMAND_WANT,
    COMMAND_LIMITS,
    COMMAND_PEER,
    COMMAND_ANNOUNCE,
    COMMAND_SESSION_LIMITS,
};

/* A message to the loop. Owned by the queue, then by whoever takes it out. */
struct command {
    struct list link;
    enum command_type type;
    spate_torrent torrent;
    struct view *view;               /* ADD: with a reference */
    struct torrent_options *options; /* ADD: owned */
    uint8_t *wanted;                 /* WANT: one byte a file of the metainfo; owned */
    uint64_t max_down, max_up;
    struct addr address;
};

struct hub {
    pthread_mutex_t lock;
    struct map views; /* by id, 8 bytes */
    struct map ids;   /* by info-hash: the view */
    spate_torrent next_id;
    struct list events; /* of views */
    struct list commands;
    uint32_t command_count;
    struct spate_log_entry *log; /* ring of LIMIT_LOG_ENTRIES */
    uint32_t log_first, log_count;
    uint64_t log_lost;
    struct spate_session_stats stats;
    int event_fd; /* readable while events or log entries wait; -1: nobody polls it */
};

int hub_init(struct hub *, const uint64_t seed[2], bool with_event_fd);
void hub_deinit(struct hub *);

/* ---- any thread ------------------------------------------------------------------------------ */

/* Takes over metainfo (also when it fails). *out has a reference for the loop's command.
 * SPATE_EEXIST when its info-hash is there already. */
int hub_add_view(struct hub *, struct metainfo *, const uint8_t *wanted, struct view **out);
/* The loop will never hear of it: gives back the reference of its command, and nobody finds it any more. */
void hub_withdraw_view(struct hub *, struct view *);
/* With a reference, to be given back with hub_release; NULL when there is none. */
struct view *hub_find(struct hub *, spate_torrent);
void hub_release(struct hub *, struct view *);
int hub_post(struct hub *, struct command *);
bool hub_next_event(struct hub *, struct spate_event *);
bool hub_next_log(struct hub *, struct spate_log_entry *);
/* 1: something waits; 2: fd (-1: none) is readable; 0: the time is over. -1 waits for ever. Needs the event
 * descriptor. */
int hub_wait(struct hub *, int fd, int timeout_ms);
bool hub_has_news(struct hub *);
bool hub_has_events(struct hub *);

/* ---- the loop -------------------------------------------------------------------------------- */

struct command *hub_take_command(struct hub *);
void command_destroy(struct command *);
/* Tells that aspects of a torrent have changed. The lock must not be held. */
void hub_notify(struct hub *, struct view *, uint32_t changed);
/* No longer found; its last event is REMOVED. */
void hub_remove_view(struct hub *, struct view *);
/* time_ns: wall clock. */
void hub_log(struct hub *, int level, spate_torrent, int64_t time_ns, const char *text);

#endif
