/* One torrent from the moment it is added: what is on the disk is looked up, checked and made
 * ready, then a swarm and its trackers work, and what they achieve is recorded. An int per phase;
 * every phase ends in a completion that begins the next. */
#ifndef ENGINE_TORRENT_H
#define ENGINE_TORRENT_H

#include "base/arena.h"
#include "disk/check.h"
#include "engine/announce.h"
#include "engine/hub.h"
#include "engine/swarm.h"
#include "engine/torrent_options.h"

enum torrent_phase {
    TORRENT_IDLE,      /* paused, failed, or not begun */
    TORRENT_LOADING,   /* its record is read */
    TORRENT_LOOKING,   /* what is on the disk */
    TORRENT_CHECKING,  /* is hashed */
    TORRENT_PREPARING, /* files are made ready */
    TORRENT_ACTIVE,    /* it has a swarm */
    TORRENT_STOPPING,  /* what is in memory is written, what is known recorded */
};

enum { TORRENT_GIVEN_PEERS = 32 };

struct torrent;

/* What the session is told. */
struct torrent_owner {
    void (*on_gone)(struct torrent *); /* after torrent_remove(): it may be destroyed */
};

struct torrent {
    struct env *env;
    struct hub *hub;
    struct view *view; /* with a reference */
    struct torrent_options *options;
    struct torrent_owner owner;
    struct list link; /* the session's */
    spate_torrent id;
    const struct metainfo *metainfo;
    const struct layout *layout;
    enum torrent_phase phase;
    bool want_running; /* the user's wish: not paused */
    bool removing;
    bool held; /* one of the same info-hash has not ended yet: it has the record and the files */
    int error; /* why it stopped; 0: it did not fail */
    char text[240];

    /* What it has. */
    struct pieces pieces;
    uint8_t *wanted;      /* one byte a file, pad files too */
    uint8_t *wanted_lent; /* the choice that is being carried out */
    uint64_t wanted_bytes, verified_bytes, durable_bytes, checked_bytes;
    struct arena names;
    struct addr given_peers[TORRENT_GIVEN_PEERS]; /* by the user, before there is a swarm */
    uint32_t given_peer_count;
    const char *const *paths;       /* one a file; pad files NULL */
    struct store_file_found *found; /* one a file, as last looked at */

    /* Who works. */
    struct store *store;
    bool flushed;      /* while stopping: what was complete in memory is on the disk */
    bool store_ending; /* its last jobs read layout and paths: the torrent stays until it is gone */
    struct check *check;
    struct list check_turn; /* in env->checks_waiting, while its turn has not come */
    struct bitset to_check;
    struct bitset
        ours; /* files that may be written: recorded as ours, or found to be of this torrent */
    struct swarm *swarm;
    struct announce *announce;
    struct bucket down, up;

    /* What it remembers. */
    bool loaded; /* the record was read, and its lock is ours */
    bool has_record;
    struct resume_record record;                 /* as it stands in the database, once has_record */
    uint64_t uploaded_before, downloaded_before; /* payload bytes, by earlier sessions */
    struct swarm_totals earlier;                 /* of swarms that this session has ended */
    uint32_t key;
    bool completed_announced;
    bool complete_told; /* this run has said SEEDING */
    bool sync_needed;   /* pieces were written since the last sync */
    bool look_needed;   /* files were made since they were last looked at */
    bool
        begin_again; /* a newly wanted file has to be looked at, or all of it fetched: stop, and go on */
    bool
        choice_waits; /* newly wanted files are recorded as ours before the first of them is made */
    bool keeps_parts; /* bytes of unwanted files are kept: there is a state directory */
    bool unknown;     /* a sync failed: never call the record clean again */
    bool read_failed; /* a piece could not be read: hash it again at the next start */
    bool check_starved; /* a check ran out of memory: what it found is not the whole truth */
    enum { SAVE_IDLE, SAVE_LOOK, SAVE_RECORD, SAVE_SYNC } saving;
    bool save_clean; /* the save that runs is the last one */
    bool save_again, save_again_clean;
    struct bitset syncing; /* written before the sync that runs */

    /* Operations. */
    struct resume_load load;
    struct store_look look;
    struct store_want want;
    struct store_prepare prepare;
    struct store_sync sync;
    struct resume_save save;
    bool want_pending; /* the wanted set changed while one was being carried out */
    struct timer save_timer, retry_timer, publish_timer, stop_timer, need_timer;
    uint32_t needs;        /* times in a row that trackers were asked again for want of peers */
    struct turn_work step; /* begin, stop or destroy: never from inside a swarm's call */
    uint32_t changed;      /* aspects not yet published */
};

/* Takes over options and the view's reference. */
int torrent_create(struct env *, struct hub *, struct view *, struct torrent_options *,
                   struct torrent_owner, struct torrent **out);
/* Only when torrent_is_idle(). */
void torrent_destroy(struct torrent *);
/* Nothing of it is under way any more. */
bool torrent_is_idle(const struct torrent *);

void torrent_start(struct torrent *); /* begins, or goes on after a pause or an error */
/* What was held may begin. */
void torrent_let_go(struct torrent *);
void torrent_pause(struct torrent *);
void torrent_remove(struct torrent *); /* stops; on_gone follows */
/* Tries an address of the user's; before it is active, as soon as it is. */
void torrent_add_peer(struct torrent *, const struct addr *);
/* Gives up what is slow while stopping. */
void torrent_hurry(struct torrent *);
void torrent_set_wanted(struct torrent *, const uint8_t *wanted);
/* Files have become wanted of whose bytes nothing was kept: pieces that they share count as lost. */
bool torrent_lacks_kept_bytes(struct torrent *);
void torrent_set_limits(struct torrent *, uint64_t max_down, uint64_t max_up);

/* Payload of this session. */
struct swarm_totals torrent_totals(const struct torrent *);

/* torrent_disk.c: from the record to files that are ready. torrent_on_ready() or torrent_fail()
 * follows. */
void torrent_disk_init(struct torrent *);
void torrent_begin(struct torrent *);
void torrent_go_on_preparing(struct torrent *); /* the record stands */
/* The store learns which files are wanted; after the choice that it is about to carry out. */
void torrent_carry_out_choice(struct torrent *);
/* The one that waited for a record, if there is one. */
void torrent_carry_out_waiting_choice(struct torrent *);
/* The pieces that hold bytes of a file: first to last; false when it has none. */
bool torrent_piece_span(const struct torrent *, uint32_t file, uint32_t *first, uint32_t *last);

/* torrent.c */
void torrent_on_ready(struct torrent *);
/* The phase that was under way has been overtaken: pause and remove wait for its completion. */
bool torrent_was_called_off(struct torrent *);
/* The check is over, or is not waited for any more: another torrent's may begin. */
void torrent_end_check(struct torrent *);
/* "doing "name": error"; file UINT32_MAX: none in particular. */
void torrent_fail_file(struct torrent *, int error, uint32_t file, const char *doing);

/* torrent_save.c: the record. */
void torrent_save_soon(struct torrent *);
void torrent_save_now(struct torrent *, bool clean); /* torrent_on_saved follows */
void torrent_on_saved(struct torrent *, bool clean);
void torrent_save_init(struct torrent *);
void torrent_save_on_looked(struct torrent *, int status);
/* A sync has failed: what is not durable may be lost though it reads well from memory. */
void torrent_distrust(struct torrent *);
/* Which blocks of a piece lie on the disk unverified; NULL: none. */
void torrent_set_partial(struct torrent *, uint32_t piece, const struct bitset *blocks);

/* torrent_view.c: what people see. */
void torrent_publish_init(struct torrent *);
void torrent_touch(struct torrent *, uint32_t changed); /* soon */
void torrent_publish(struct torrent *,
                     uint32_t changed); /* at the end of the turn's work: at once */
/* Bytes of wanted files (pad files not counted) inside a piece. */
uint64_t torrent_wanted_in_piece(const struct torrent *, uint32_t piece);
void torrent_recount(struct torrent *);

/* torrent_need.c: asks trackers again while nobody has what is missing. */
void torrent_need_init(struct torrent *);
/* From now on, while it is active and lacks something. */
void torrent_watch_need(struct torrent *);

/* It cannot go on: says why; resume or the retry timer begin again. text may be NULL. */
void torrent_fail(struct torrent *, int error, const char *text);

#endif
