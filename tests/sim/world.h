/* Whole sessions in one simulated world: hosts that seed or download one torrent, and a host that runs
 * spate's own tracker. A scenario makes a world, sets it going and looks at what came of it. */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include "engine/session.h"
#include "io/sim/io_sim.h"

#define WORLD_SECOND_NS INT64_C(1000000000)

enum { WORLD_PEERS_MAX = 64, WORLD_FILES_MAX = 16 };

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

struct world_peer {
    struct world *world;
    struct io *io;
    struct addr address; /* with the port it listens on */
    struct session *session;
    spate_torrent torrent;
    bool seed;
    int64_t finished_ns; /* when it was first seen complete; 0: not yet */
};

struct world {
    struct io_sim *sim;
    struct io *tracker_io;
    struct world_tracker *tracker;
    struct world_torrent spec;
    uint8_t *payload;
    uint64_t payload_bytes;
    uint8_t *metainfo;
    size_t metainfo_bytes;
    struct world_peer peers[WORLD_PEERS_MAX];
    int peer_count;
};

/* A world from a seed, with a tracker that nobody knows yet. */
struct world *world_create(uint64_t seed);
/* Says goodbye in every session, and frees everything. */
void world_destroy(struct world *);

/* Makes up the bytes of a torrent. Once a world. spec's files live as long as the world. */
void world_set_torrent(struct world *, const struct world_torrent *spec);
/* A host with a session that seeds the torrent or downloads it. */
struct world_peer *world_add(struct world *, const struct io_sim_link *, bool seed);
/* Tells a peer of another. */
void world_introduce(struct world_peer *, const struct world_peer *other);

/* Lets the world go on for so long, or until every peer is complete: true. Sessions are asked for their
 * consistency meanwhile. */
bool world_finish(struct world *, int64_t within_ns);
struct spate_status world_status(struct world_peer *);
/* Whether every file of the peer equals its source. */
bool world_files_equal(struct world_peer *);
/* One line for each peer, to stderr: for a scenario that failed. */
void world_describe(struct world *);

#endif
