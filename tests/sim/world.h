/* Whole sessions in one simulated world: hosts that seed or download one torrent, and a host that runs
 * spate's own tracker. A scenario makes a world, sets it going and looks at what came of it. A world is a
 * value: any number of them live side by side. */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include "engine/session.h"
#include "io/sim/io_sim.h"

#define WORLD_SECOND_NS INT64_C(1000000000)

enum { WORLD_PEERS_MAX = 16384, WORLD_FILES_MAX = 16, WORLD_OUTSIDES = 2 };

enum world_tracker_kind {
    WORLD_TRACKER_NONE, /* peers are added by address */
    WORLD_TRACKER_UDP,
    WORLD_TRACKER_HTTP, /* by name */
};

struct world_file {
    const char *path; /* below the torrent's name; NULL: the torrent is this one file */
    uint64_t length;  /* bytes */
};

struct world_torrent {
    const struct world_file *files;
    int file_count;
    uint32_t piece_length;
    enum world_tracker_kind tracker;
};

struct world;

struct world_totals {
    uint64_t downloaded_bytes, uploaded_bytes, wasted_bytes, failed_bytes; /* payload */
    uint64_t wasted_blocks; /* that came twice, or that nobody waited for */
};

struct world_peer {
    struct world *world;
    struct io *io;
    struct io_sim_link link;
    struct addr address; /* with the port it listens on */
    struct addr outside
        [WORLD_OUTSIDES]; /* what others see instead: of the box it is behind, now or earlier */
    int outside_count;
    struct session *session; /* NULL: it does not run */
    spate_torrent torrent;
    uint32_t wanted;            /* files, a bit each */
    bool seed;                  /* had everything from the beginning */
    bool leaving;               /* says goodbye; session becomes NULL */
    bool excused;               /* nobody waits until it is complete */
    bool complete;              /* as last seen */
    int64_t started_ns;         /* when its first session began */
    int64_t finished_ns;        /* when it was first seen complete; 0: not yet */
    int64_t failed_ns;          /* since when its torrent is in error; 0: it is not */
    int64_t dark_ns;            /* when its line was last touched; 0: never */
    struct world_totals before; /* of the sessions it has ended */
    /* The checkers': pieces it claimed, whose bytes were found on its disk; those it had at news_ns. */
    struct bitset proven, news;
    int64_t news_ns;
    int64_t news_behind_ns; /* what news stand behind takes so long, at most since then */
    struct bitset durable;  /* what any session of it knew to be durable, as last seen */
    bool has_crashed;
    /* Files of which bytes may lie in the part file, a bit each: those it did not want at some time. */
    uint32_t elsewhere;
    int64_t started_again_ns; /* after its last crash: connections from before are to a ghost */
    int64_t wrong_ns; /* since when it has claimed a piece that is not right; 0: it does not */
};

/* What a checker had to say first. */
struct world_verdict {
    char checker[32]; /* "": nothing */
    char text[400];
};

struct world {
    struct io_sim *sim;
    struct io *tracker_io;
    struct world_tracker *tracker;
    struct world_torrent spec;
    uint64_t payload_bytes;
    uint32_t piece_count;
    uint8_t *metainfo;
    size_t metainfo_bytes;
    struct world_peer *peers; /* WORLD_PEERS_MAX of them */
    int peer_count;
    int boxed_count;    /* of them, those behind boxes */
    struct addr *liars; /* owned: who may be banned */
    int liar_count;
    struct world_verdict verdict;

    /* For hosts that are added or started later. */
    struct spate_settings settings;
    struct io_sim_disk disk;
    /* A user who tries again: torrents in error are resumed after so long, those that were removed are
     * added again; 0: never. */
    int64_t resume_after_ns;
    /* Syncs fail, and lose what was written: its owner may learn that a moment later. */
    bool disks_fail;
    bool has_v6; /* hosts that are added have an IPv6 address as well */

    /* Called every look_ns of the world's time, and before a session that has said goodbye is freed.
     * NULL: sessions are only asked for their consistency. */
    int64_t look_ns;
    void (*on_look)(struct world *);
    void (*on_gone)(struct world_peer *); /* NULL: sessions of hosts that crash are the caller's */
    void *user;
};

/* A world from a seed, with a tracker that nobody knows yet. */
struct world *world_create(uint64_t seed);
/* Says goodbye in every session, and frees everything; what lasts longer than a minute is a complaint.
 * After a complaint nothing can be trusted to end: the memory is left to the process. */
void world_destroy(struct world *);
/* The same, but keeps the world's values for those who want to look: world_free() follows. */
void world_end(struct world *);
void world_free(struct world *);

/* Makes up the bytes of a torrent. Once a world. spec's files live as long as the world. */
void world_set_torrent(struct world *, const struct world_torrent *spec);

/* Bytes of the torrent. */
void world_payload(const struct world *, uint64_t offset, void *out, size_t size);

/* A host with a session that seeds the torrent or downloads it. */
struct world_peer *world_add(struct world *, const struct io_sim_link *, bool seed);
/* The same in steps: a host without files, files of which pieces in [from, to) are right, a session. */
struct world_peer *world_add_host(struct world *, const struct io_sim_link *, const char *name);
void world_place(struct world_peer *, uint32_t from, uint32_t to);
void world_start(struct world_peer *);
/* Takes its files away. */
void world_clear(struct world_peer *);
/* Whether packets leave and reach its host. */
void world_set_up(struct world_peer *, bool up);
/* Files it wants from now on, a bit each; the next session of it begins with the same wish. */
void world_want(struct world_peer *, uint32_t files);
/* Its session begins to say goodbye. What it knows to be durable is kept. */
void world_leave(struct world_peer *);
/* Its host crashes; it may also do so by itself (io_sim_set_crash_at()). What its session knew to be durable
 * is kept, and the session ends when the world is next looked at. */
void world_crash(struct world_peer *, enum io_sim_crash);
/* After a crash, when its session is gone: the host begins its next life, its session too. What was durable
 * has to be on the disk. */
void world_restart(struct world_peer *);
/* Tells a peer of another. */
void world_introduce(struct world_peer *, const struct world_peer *other);
/* Posts a command without arguments about its torrent. */
void world_command(struct world_peer *, enum command_type);
/* From now on others see it at this address, since it is behind a box. */
void world_set_outside(struct world_peer *, const struct addr *);
/* Whoever has this IP address sends wrong bytes, and may be banned for it. */
void world_add_liar(struct world *, const struct addr *);
bool world_has_liar(const struct world *, const struct addr *);
/* The peer with this IP address, its own or outside; NULL: nobody's. */
struct world_peer *world_find(struct world *, const struct addr *);

/* Goes on for so long. False: something was complained of. */
bool world_run(struct world *, int64_t for_ns);
/* Goes on for so long, or until every peer that runs and is not excused is complete: true. */
bool world_finish(struct world *, int64_t within_ns);
bool world_all_complete(const struct world *);
/* Waits until who leaves has left. */
bool world_wait_for_leavers(struct world *, int64_t within_ns);

struct spate_status world_status(struct world_peer *);
enum spate_state world_state(struct world_peer *);
/* NULL: the loop has not seen it yet, or the peer does not run. */
struct torrent *world_torrent(const struct world_peer *);
/* Over all its sessions. */
struct world_totals world_totals(struct world_peer *);
/* Whether every file of the peer equals its source; and one piece of it, but for what may lie elsewhere. */
bool world_files_equal(struct world_peer *);
bool world_piece_equal(struct world_peer *, uint32_t piece);

/* The first complaint stays. */
void world_complain(struct world *, const char *checker, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static inline bool world_is_well(const struct world *w)
{
    return !w->verdict.checker[0];
}

/* One line for each peer, to stderr: for a scenario that failed. */
void world_describe(struct world *);

#endif
