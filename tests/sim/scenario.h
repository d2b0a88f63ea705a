/* Scenarios: what may befall a swarm, each named as what it promises. A scenario and a seed and settings are
 * one run; a run has an outcome. Nothing else goes in, so the same run comes out the same. */
#ifndef TESTS_SIM_SCENARIO_H
#define TESTS_SIM_SCENARIO_H

#include "base/dice.h"
#include "checkers.h"

#include <stdio.h>

/* name, default, what it is. A scenario has defaults of its own; all may be set by hand. */
#define SETTING_MAP(X)                                                                             \
    X(peers, 12, "leechers")                                                                       \
    X(seeds, 1, "peers that have everything from the start")                                       \
    X(pieces, 64, "pieces of the torrent")                                                         \
    X(piece, 32768, "bytes of a piece")                                                            \
    X(files, 1, "files of the torrent")                                                            \
    X(up, 1000, "uplink of a leecher, kB/s; 0: no limit")                                          \
    X(down, 0, "downlink of a leecher, kB/s; 0: no limit")                                         \
    X(seed_up, 1000, "uplink of a seed, kB/s; 0: no limit")                                        \
    X(delay, 20, "from a host to the middle of the network, ms")                                   \
    X(jitter, 2, "at most so much more, ms")                                                       \
    X(loss, 500, "packets lost at each end, ppm")                                                  \
    X(reorder, 0, "datagrams held back at each end, ppm")                                          \
    X(duplicate, 0, "datagrams that arrive twice, ppm")                                            \
    X(disk_rate, 500000, "a disk moves, kB/s")                                                     \
    X(disk, 50, "a call of the disk takes, us")                                                    \
    X(sync, 2000, "a sync of the disk takes, us")                                                  \
    X(frames, 64, "memory of pieces in flight of a session, MiB")                                  \
    X(state, 0, "1: sessions keep records in a state directory")                                   \
    X(tracker, 1, "0: none, peers are named by hand; 1: UDP; 2: HTTP")                             \
    X(connections, 80, "peers a torrent is connected to, at most")                                 \
    X(fault_at, 0, "when the fault begins, ms; 0: the seed chooses")                               \
    X(fault_for, 20000, "how long the fault lasts, ms")                                            \
    X(fault_index, -1, "which call is failed; -1: the seed chooses")                               \
    X(crashes, 0, "crashes of a run that has many")                                                \
    X(stranger, -1, "which behaviour of those that break rules; -1: the seed chooses")             \
    X(look, 50, "how often the checkers look, ms")                                                 \
    X(within, 1800, "by when everybody has to be complete, s")

struct settings_of_run {
#define SETTING_FIELD(name, value, text) int64_t name;
    SETTING_MAP(SETTING_FIELD)
#undef SETTING_FIELD
};

struct setting_row {
    const char *name, *text;
    int64_t value;
    size_t offset; /* in struct settings_of_run */
};
/* NULL after the last. */
const struct setting_row *setting_at(int index);
/* "key=value", several separated by spaces. On failure *why is what is wrong with it. */
bool settings_set(struct settings_of_run *, const char *text, const char **why);

/* ---- outcomes --------------------------------------------------------------------------------- */

enum { OUTCOME_PERCENTILES = 5 }; /* the first, the quarters, the last */

/* A plain value: it crosses pipes. Times are of the world, from its beginning. */
struct outcome {
    struct world_verdict verdict;
    uint64_t log_hash, events;
    uint64_t cpu_ns; /* of the process that ran it */
    /* Sessions that were at work again after a crash, and what that took of cpu_ns. */
    uint64_t recoveries, recovering_ns;
    uint64_t fault_index, fault_calls; /* which call was failed, of how many; 0: none was */
    int64_t end_ns;
    int peers, finished;
    int64_t finished_ns[OUTCOME_PERCENTILES]; /* of those who had to finish */
    int64_t bound_ns;           /* nobody could have been the last any earlier; 0: not known */
    uint64_t payload_bytes;     /* of the torrent */
    uint32_t pieces;            /* of it */
    struct world_totals totals; /* of all peers */
    uint64_t wire_bytes;        /* sent by all hosts */
    uint64_t memory_bytes;      /* most that the sessions had at once */
    uint32_t
        fairness_ppm; /* Jain's index over what leechers gave for what they took; 0: not known */
};

/* ---- a run ------------------------------------------------------------------------------------ */

struct curve_point {
    int64_t at_ns;
    uint32_t finished;                      /* peers */
    uint32_t least_ppm, mean_ppm, most_ppm; /* of the torrent, among those who have to finish */
};
/* How the swarm grew, for drawing. */
struct curve {
    struct curve_point *points; /* owned */
    size_t count, capacity;
};

struct run {
    const struct scenario *scenario;
    uint64_t seed;
    struct settings_of_run set;
    struct world *world;
    struct dice dice; /* for what the seed chooses */
    struct outcome *outcome;
    struct curve *curve;  /* NULL: nobody draws */
    FILE *log;            /* NULL: nobody reads along */
    bool describe;        /* what every peer is doing goes to stderr when it fails */
    uint64_t live_before; /* pieces of memory in use before the world was made */
    /* For faults of disks and memory. */
    uint64_t fault_index, fault_calls;
    const struct io *fault_host;
    bool fault_lasts, fault_over;
    int64_t fault_code;
    struct world_file files[WORLD_FILES_MAX];
    char paths[WORLD_FILES_MAX][32];
};

struct scenario {
    const char *name; /* a promise */
    const char *text; /* one line: what happens */
    const char *defaults;
    void (*play)(struct run *);
};

/* All of them: NULL after the last. */
const struct scenario *scenario_at(int index);
/* By its name, or a part of it that no other has. NULL: none, or several. */
const struct scenario *scenario_find(const char *name);

/* Plays it. settings are the scenario's defaults, changed by hand or not. */
void scenario_run(struct run *);
void scenario_defaults(const struct scenario *, struct settings_of_run *);
/* Of this process so far. */
uint64_t run_cpu_ns(void);

/* ---- for those who write scenarios ------------------------------------------------------------ */

/* The world of the run, with checkers and a torrent, and nobody in it. */
struct world *run_begin(struct run *);
/* Hosts with the links of the settings. */
struct world_peer *run_add_seed(struct run *);
struct world_peer *run_add_leecher(struct run *);
/* seeds, then peers; without a tracker each is told of the one before. */
void run_populate(struct run *);
struct io_sim_link run_link(const struct run *, int64_t up_kb, int64_t down_kb);
/* When the fault begins: as set, or the seed's choice in [from, to). */
int64_t run_fault_at_ns(struct run *, int64_t from_ms, int64_t to_ms);
/* After a first world has counted the calls: the outcome begins anew, and so many calls from the first is the
 * one to fail. Seed after seed takes call after call. */
uint64_t run_fault_index(struct run *, uint64_t calls);
/* Goes on until that time of the world. */
bool run_until(struct run *, int64_t at_ns);
/* Everybody finishes, which is what most promise; complains if not. */
bool run_finish(struct run *);
/* The lower bound of the last finish, from the links of who is there. */
void run_bound(struct run *);
/* Ends the world and frees it; sums up first. Every scenario ends with it. */
void run_end(struct run *);

/* Tables of scenarios, one a file. */
extern const struct scenario scenarios_of_swarms[], scenarios_of_faults[], scenarios_of_disks[],
    scenarios_of_peers[], scenarios_of_strangers[], scenarios_of_memory[], scenarios_of_crashes[];

#endif
