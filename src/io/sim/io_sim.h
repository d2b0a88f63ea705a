/* A simulated world as a driver of the port: many hosts on one virtual clock, each a struct io of
 * its own, so that whole swarms of whole sessions run in one process and a 64-bit seed repeats a
 * run bit for bit.
 *
 * What is modelled
 *   time      An event heap with stable order. All that happens to one host at one instant is one
 * turn, followed by its turn ends; two turns of one host are at least a microsecond apart, so a
 *             host that never rests still lets the clock go on.
 *   links     One a host, to everybody: the way between two hosts has the delays of both ends, the
 *             sender's up rate and the receiver's down rate. Rates count payload, not headers.
 *   TCP       A reliable stream of segments with a window. A lost segment is never missing: it and
 * all behind it come later (by a round trip, or by the retransmission timeout, doubled while it is
 * lost again) and the window shrinks. Acknowledgements take the way's delay and are not lost.
 * Handshake, refusal, reset, a peer that closes or vanishes, full buffers. UDP       Datagrams with
 * loss, duplication, reordering, a queue, the MTU for don't-fragment. files     One disk a host, in
 * memory, with capacity, latency, rate and failures by rule. work      Runs inline when its lane is
 * free; its files and computing delay its completion. names, HTTP origins: tables of the world.
 *
 * Not modelled: headers, SYN cookies, selective acknowledgements, ECN marks, TLS, gzip, proxies. */
#ifndef IO_SIM_IO_SIM_H
#define IO_SIM_IO_SIM_H

#include "io/io.h"

struct io_sim;

/* The clock begins at one second. The simulator's own memory is not in question: when the process
 * has none left, it stops. */
struct io_sim *io_sim_create(uint64_t seed);
/* Cancels what is pending, delivers the completions and frees the world with all its hosts; what is
 * submitted meanwhile completes with SPATE_ECANCELED. Not to be called from inside a completion. */
void io_sim_destroy(struct io_sim *);

/* A host with these addresses (port ignored; family ADDR_NONE: it has none of that family), its own
 * loopback and the interface "sim0". The name is for the log, at most 31 bytes. SPATE_EADDRINUSE.
 */
int io_sim_host_create(struct io_sim *, const char *name, struct addr v4, struct addr v6,
                       struct io **out);

/* ---- time -------------------------------------------------------------------------------------
 */

int64_t io_sim_now(const struct io_sim *);
/* The next event; false when nothing is pending and nothing will ever happen again. */
bool io_sim_step(struct io_sim *);
/* Everything that is due up to and including at_ns, which is then the time. */
void io_sim_run_until(struct io_sim *, int64_t at_ns);
bool io_sim_idle(const struct io_sim *);
/* Events so far: what the cost of a run grows with. */
uint64_t io_sim_events(const struct io_sim *);
/* From now on io_wall() of this host begins here and advances with the clock. */
void io_sim_set_wall(struct io *, int64_t wall_ns);

/* ---- the event log ----------------------------------------------------------------------------
 */

/* Every port operation and completion so far, in order: time, host, kind, length, hash of bytes. */
uint64_t io_sim_log_hash(const struct io_sim *);
/* The same as one line each, for people and for diff(1); NULL: none. */
void io_sim_set_log(struct io_sim *, void (*line)(void *user, const char *text), void *user);

/* ---- links ------------------------------------------------------------------------------------
 */

struct io_sim_link {
    int64_t delay_ns;          /* one way; a way between two hosts adds both ends */
    int64_t jitter_ns;         /* at most so much more, evenly spread */
    uint32_t loss_ppm;         /* chance of each packet, in each direction */
    uint32_t reorder_ppm;      /* chance that a datagram is held back a while */
    uint32_t duplicate_ppm;    /* chance that a datagram arrives twice */
    uint64_t up_bytes_per_s;   /* 0: no limit */
    uint64_t down_bytes_per_s; /* 0: no limit */
    uint32_t queue_bytes;      /* datagrams waiting to leave; anything waiting to come in */
    uint32_t mtu_bytes;        /* of an IP packet */
};

/* 10 ms, no loss, no limits, queues of 256 KiB, MTU 1500. */
struct io_sim_link io_sim_link_default(void);
void io_sim_set_link(struct io *, const struct io_sim_link *);
/* A host that is down goes on running, but no packet leaves or reaches it. */
void io_sim_set_up(struct io *, bool up);
/* How many sockets the host may have; at most that many exist, and io_accept says SPATE_EFDS. */
void io_sim_set_max_sockets(struct io *, uint32_t count);
/* Sockets that are open. */
uint32_t io_sim_sockets(const struct io *);

struct io_sim_traffic {
    uint64_t sent_bytes,
        received_bytes;    /* payload of TCP and UDP, once for each time it was sent */
    uint64_t lost_packets; /* that this host sent */
};
struct io_sim_traffic io_sim_traffic(const struct io *);

/* ---- names and HTTP ---------------------------------------------------------------------------
 */

/* What a host name resolves to; replaces what it was. With count 0 the name is not answered at all
 * and questions time out. A name that was never set does not exist. */
void io_sim_set_name(struct io_sim *, const char *name, const struct addr *addresses, int count);

struct io_sim_http_request {
    const char *url;   /* of this hop */
    const char *host;  /* as the URL says it */
    const char *path;  /* "/announce?info_hash=..." */
    const char *query; /* what follows the first '?' of path, "" when there is none */
    const char *user_agent;
    bool is_https;
    struct addr peer; /* who asks; port 0 */
    int64_t now_ns;
};
struct io_sim_http_answer {
    int status;               /* preset to 200 */
    const char *content_type; /* preset to "text/plain" */
    const char *location;     /* with a redirect status: where to */
    struct span body;         /* copied before anything else happens */
    int64_t delay_ns;         /* until the answer leaves */
    bool never;               /* the request times out */
};
typedef void io_sim_http_handler(void *user, const struct io_sim_http_request *,
                                 struct io_sim_http_answer *);
/* Every address of this host answers HTTP and HTTPS on port; NULL: no longer. */
void io_sim_http_serve(struct io *, uint16_t port, io_sim_http_handler *, void *user);

/* ---- disks and work ---------------------------------------------------------------------------
 */

struct io_sim_disk {
    uint64_t capacity_bytes; /* what is beyond it is SPATE_ENOSPC; room counts in pages of 4 KiB */
    int64_t latency_ns;      /* of each call */
    int64_t sync_ns;         /* of each sync, on top */
    uint64_t bytes_per_s;    /* 0: no limit; shared by all that read and write */
};
/* 1 TiB, 50 us, 2 ms, 500 MB/s. */
struct io_sim_disk io_sim_disk_default(void);
void io_sim_set_disk(struct io *, const struct io_sim_disk *);

enum io_sim_disk_kind {
    IO_SIM_DISK_OPEN,
    IO_SIM_DISK_READ,
    IO_SIM_DISK_WRITE,
    IO_SIM_DISK_SYNC,
    IO_SIM_DISK_ALLOCATE,
    IO_SIM_DISK_TRUNCATE,
    IO_SIM_DISK_STAT,
    IO_SIM_DISK_RENAME,
    IO_SIM_DISK_UNLINK,
    IO_SIM_DISK_LIST,
    IO_SIM_DISK_SPACE,
    IO_SIM_DISK_LOCK,
};
struct io_sim_disk_call {
    struct io *host;
    enum io_sim_disk_kind kind;
    const char *path; /* absolute; of a file without a name: "" */
    uint64_t offset, length;
    uint64_t index; /* calls of this host before this one */
};
/* Asked before every disk call. 0: it goes on; < 0: it fails with that code; > 0, for a read: it
 * ends after so many bytes, as if the file did. */
typedef int64_t io_sim_disk_rule(void *user, const struct io_sim_disk_call *);
void io_sim_set_disk_rule(struct io *, io_sim_disk_rule *, void *user);

/* A disk call costs time only inside io_work. Through this a test looks and touches from outside,
 * past the rule, free of cost and unlogged. Lives as long as the host. */
struct io_fs *io_sim_fs(struct io *);
/* Replaces a file, making the directories above it. */
int io_sim_file_write(struct io *, const char *path, struct span bytes);
/* *out is freed by the caller with free(). SPATE_E... */
int io_sim_file_read(struct io *, const char *path, uint8_t **out, size_t *size);
int io_sim_symlink(struct io *, const char *path, const char *target);

/* Worker lanes of a pool: 2 to compute, read and write, 1 to sync unless set. At most
 * LIMIT_WORKERS. */
void io_sim_set_lanes(struct io *, enum io_pool, uint32_t lanes);
/* What io_work's work_bytes take; 1 GB/s unless set. 0: no time. */
void io_sim_set_compute(struct io *, uint64_t bytes_per_s);

#endif
