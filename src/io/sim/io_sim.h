/* A simulated world as a driver of the port: many hosts on one virtual clock, each a struct io of
 * its own, so that whole swarms of whole sessions run in one process and a 64-bit seed repeats a
 * run bit for bit.
 *
 * What is modelled:
 *
 * - Time. An event heap with stable order. All that happens to one host at one instant is one turn,
 *   followed by its turn ends; two turns of one host are at least a microsecond apart, so a host that
 *   never rests still lets the clock go on. The wall clock is the host's own and may jump.
 *
 * - Links. One a host, to everybody: the way between two hosts has the delays of both ends, the sender's
 *   up rate and the receiver's down rate. Rates count payload, not headers. A line is exact to a tenth
 *   of a millisecond: what takes it for less is not told apart. Links change while traffic is on them;
 *   hosts go down, and parts of the net are cut off from each other.
 *
 * - TCP. A reliable stream of segments with a window. A lost segment is never missing: it and all behind
 *   it come later (by a round trip, or by the retransmission timeout, doubled while it is lost again) and
 *   the window shrinks. Acknowledgements take the way's delay and are not lost. Handshake, refusal, reset,
 *   a peer that closes or vanishes, full buffers.
 *
 * - UDP. Datagrams with loss, duplication, reordering, a queue, the MTU for don't-fragment.
 *
 * - NAT. Boxes with an outside address for the IPv4 hosts behind them: mapping by source or by source and
 *   destination, filtering by nothing, address, or address and port, idle timeouts, ports forwarded by
 *   hand, and boxes that forget everything and come back with another address.
 *
 * - Files. One disk a host, in memory, with capacity, latency, rate and failures by rule; what a failing
 *   power leaves of what was not synced. Hosts whose process or power goes, and that come back.
 *
 * - Work. Runs inline when its lane is free; its files and computing delay its completion.
 *
 * - Names, HTTP origins: tables of the world.
 *
 * Not modelled: headers, SYN cookies, selective acknowledgements, the loss of acknowledgements, ECN marks,
 * routes that change or are shared by hosts, delay that grows with the load of others but at the two ends,
 * TCP connections that are opened from both sides at once (hole punching), NAT hairpinning, NAT of IPv6,
 * port mapping protocols, ICMP but refusal, TLS, gzip, proxies. */
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
/* Hosts in different parts of the net do not reach each other, until they are in one again. All begin
 * in part 0. */
void io_sim_set_part(struct io *, uint32_t part);
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

/* ---- address translation ----------------------------------------------------------------------
 *
 * A host behind a box is known to others by the box's outside address and a port of the box; its own
 * address leads to it only from behind the same box. IPv6 is not translated. */

enum io_sim_nat_kind {
    IO_SIM_NAT_OPEN,            /* "full cone": what comes to a port in use gets in */
    IO_SIM_NAT_RESTRICTED,      /* from addresses that the port has sent to */
    IO_SIM_NAT_PORT_RESTRICTED, /* from addresses and ports that it has sent to */
    IO_SIM_NAT_SYMMETRIC,       /* the same, and another port for every destination */
};
struct io_sim_nat;

/* Lives as long as the world. outside is an IPv4 address (port ignored) of its own: SPATE_EADDRINUSE. */
int io_sim_nat_create(struct io_sim *, enum io_sim_nat_kind, struct addr outside,
                      struct io_sim_nat **out);
/* The host stands behind this box from now on; NULL: behind none. Its connections do not follow. */
void io_sim_set_nat(struct io *, struct io_sim_nat *);
/* How long a port is kept for UDP after it was last sent from; 120 s unless set. For TCP it is at least
 * 7440 s. */
void io_sim_nat_set_idle(struct io_sim_nat *, int64_t idle_ns);
/* TCP and UDP to the outside port reach that port of the host behind it, whoever sends, and what the
 * host sends from there leaves from the outside port. SPATE_EADDRINUSE. */
int io_sim_nat_forward(struct io_sim_nat *, uint16_t outside_port, struct io *, uint16_t port);
/* The box forgets all ports but forwarded ones, and has another address from now on (NULL: the same).
 * Datagrams leave from other ports; connections are dead: who sends from behind the box is reset, who
 * sends from outside hears nothing. SPATE_EADDRINUSE. */
int io_sim_nat_rebind(struct io_sim_nat *, const struct addr *outside);

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

/* ---- payload ----------------------------------------------------------------------------------
 */

/* What the torrent of this id holds at an offset. */
void io_sim_payload(uint64_t id, uint64_t offset, void *out, size_t size);
/* From now on the disks of this world do not keep what they can tell to be this payload, wherever in
 * a file it lies. At most 126 ids a world. */
void io_sim_know_payload(struct io_sim *, uint64_t id, uint64_t length);

/* ---- disks and work ---------------------------------------------------------------------------
 *
 * What is written is on the disk once the file has been synced; its name, once the directory has
 * (so have a removal and a rename, which are whole or not at all). Until then a failing power keeps
 * or loses it, sector by sector, in any order that the syncs allow. SQLite finds the same disk
 * through io_fs.sqlite_vfs, inside a job. */

struct io_sim_disk {
    uint64_t capacity_bytes; /* what is beyond it is SPATE_ENOSPC; room counts in pages of 4 KiB */
    int64_t latency_ns;      /* of each call */
    int64_t sync_ns;         /* of each sync, on top */
    uint64_t bytes_per_s;    /* 0: no limit; shared by all that read and write */
    bool read_only;          /* every change is SPATE_EROFS */
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
/* Silent corruption: one byte of the call is not what it was. Of a read only the reader's copy is
 * wrong, of a write the disk's. */
struct io_sim_disk_fault {
    uint64_t flip_at; /* of the call's bytes */
    uint8_t flip;     /* bits that turn over; 0: none */
};
struct io_sim_disk_call {
    struct io *host;
    enum io_sim_disk_kind kind;
    const char *path; /* absolute; of a file without a name: "" */
    uint64_t offset, length;
    uint64_t index;                  /* calls of this host before this one */
    struct io_sim_disk_fault *fault; /* zeroed; for the rule to fill */
};
/* Asked before every disk call. 0: it goes on; < 0: it fails with that code; > 0: a read ends after
 * so many bytes, as if the file did, and a write fails with SPATE_ENOSPC after so many. A sync that
 * fails loses some of what it should have stored, and reads show it. */
typedef int64_t io_sim_disk_rule(void *user, const struct io_sim_disk_call *);
void io_sim_set_disk_rule(struct io *, io_sim_disk_rule *, void *user);
/* Disk calls of this host so far; a restarted host begins with 0. */
uint64_t io_sim_disk_calls(const struct io *);
/* Calls first to last (by index, both included) fail with error; for good: last is UINT64_MAX.
 * first UINT64_MAX: none does. */
void io_sim_set_disk_failure(struct io *, uint64_t first, uint64_t last, int error);

enum io_sim_mount {
    IO_SIM_MOUNT_THERE,
    IO_SIM_MOUNT_FAILING, /* every call at or below it is SPATE_EIO */
    IO_SIM_MOUNT_EMPTY, /* an empty directory is in its place; what is open below it is SPATE_EIO */
};
/* The file system that is mounted at this directory goes, or comes back. One a host. */
void io_sim_set_mount(struct io *, const char *path, enum io_sim_mount);

/* A disk call costs time only inside io_work. Through this a test looks and touches from outside,
 * past the rule, free of cost and unlogged; what it changes is on the disk at once. Lives as long as
 * the host. */
struct io_fs *io_sim_fs(struct io *);
/* Replaces a file, making the directories above it. */
int io_sim_file_write(struct io *, const char *path, struct span bytes);
/* The same with bytes of a payload, which take no memory. */
int io_sim_file_write_payload(struct io *, const char *path, uint64_t id, uint64_t offset,
                              uint64_t length);
/* *out is freed by the caller with free(). SPATE_E... */
int io_sim_file_read(struct io *, const char *path, uint8_t **out, size_t *size);
/* Whether the file is that payload, no more and no less. */
bool io_sim_file_is_payload(struct io *, const char *path, uint64_t id, uint64_t offset,
                            uint64_t length);
/* Whether bytes of the file from `at` on are that payload. */
bool io_sim_file_has_payload(struct io *, const char *path, uint64_t at, uint64_t id,
                             uint64_t offset, uint64_t length);
int io_sim_symlink(struct io *, const char *path, const char *target);
/* Bytes of this process's memory that the host's files take. */
uint64_t io_sim_disk_memory(const struct io *);
/* Everything is on the disk, as after sync(2). */
void io_sim_disk_settle_all(struct io *);

/* Worker lanes of a pool: 2 to compute, read and write, 1 to sync unless set. At most
 * LIMIT_WORKERS. */
void io_sim_set_lanes(struct io *, enum io_pool, uint32_t lanes);
/* What io_work's work_bytes take; 1 GB/s unless set. 0: no time. */
void io_sim_set_compute(struct io *, uint64_t bytes_per_s);

/* ---- crashes ----------------------------------------------------------------------------------
 *
 * After a crash the old port is a ghost's: nothing it sends leaves, nothing reaches it, and its disk
 * calls fail with SPATE_EIO and change nothing. So the session on it can be ended in the usual way
 * (session_close(), session_hurry(), turns until session_closed(), session_destroy()), whenever it
 * suits; the port is freed with the world. io_sim_restart() gives the port of the next life. */

enum io_sim_crash {
    IO_SIM_CRASH_POWER, /* what was not synced survives or not; others hear nothing until the restart */
    IO_SIM_CRASH_PROCESS, /* SIGKILL: all that was written is there; connections close */
};
/* Not to be called from inside a job, but from a completion. Harmless after a crash. */
void io_sim_crash(struct io *, enum io_sim_crash);
/* The power fails right before the disk call of this index (io_sim_disk_calls()), in the middle of
 * the job that makes it. UINT64_MAX: it does not. */
void io_sim_set_crash_at(struct io *, uint64_t index);
bool io_sim_crashed(const struct io *);
/* The host begins again: the same name, addresses, link, disk (as the crash left it) and settings,
 * and nothing open. Connections of its former life are answered by a reset. Once for each crash. */
struct io *io_sim_restart(struct io *crashed);

#endif
