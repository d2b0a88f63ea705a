/* The port: everything spate asks of the world. io_uv is the real world, io_sim a simulated one; the
 * rest of the house cannot tell them apart, so thousands of whole clients can run on one virtual clock.
 *
 * The contract, which tests/port checks on every driver:
 *   - The caller owns each operation's memory; nothing is allocated per operation by the caller's leave.
 *   - A submitted operation completes exactly once, by calling op->done, never from inside the call that
 *     submitted or cancelled it. Its owner is freed only after that.
 *   - Cancelling hastens completion (with SPATE_ECANCELED, or with the result if that came first).
 *   - Calls that end in a socket or file transfer are immediate: they never wait.
 *   - All of it on the loop's thread, but for the io_fs calls, which run where io_work runs them, and
 *     io_wake, which may be called from anywhere.
 *   - The kernel holds no memory of ours between turns, except what lent operations say. */
#ifndef IO_IO_H
#define IO_IO_H

#include "base/addr.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/heap.h"
#include "base/list.h"

#include <sys/uio.h>

struct io;
struct io_fs;
struct io_socket; /* a TCP listener, a TCP connection or a UDP socket */
struct io_file;   /* an open file or directory */

/* Embedded in its owner (list_entry finds it). Zero it before the first use; it may be submitted again
 * once it has completed. */
struct io_op {
    void (*done)(struct io_op *, int status); /* set by the submitter; status < 0 is SPATE_E... */
    bool active;                              /* submitted and not yet completed; read only */
    /* The driver's until completion. */
    uint8_t kind;
    bool cancelled;
    int status;
    struct list link;
    struct heap_node timer;
    void *subject;
    int (*run)(struct io_op *, struct io_fs *);
    uint64_t work_bytes;
};

enum io_ready { IO_READABLE = 1, IO_WRITABLE = 2 };

/* Where traffic may leave and arrive. An interface fails closed: no interface, no traffic. */
struct io_bind {
    struct addr address;   /* family ADDR_NONE: any */
    const char *interface; /* SO_BINDTODEVICE; NULL: any. Lives as long as the call */
};

/* A part of what is sent: bytes, or a stretch of an open file that io_fs_fetch() has brought into memory. */
struct io_part {
    const uint8_t *bytes; /* NULL: of the file */
    struct io_file *file;
    uint64_t offset;
    size_t size;
};

/* One datagram, or with segment_bytes a run of datagrams of that size to or from one peer. */
struct io_datagram {
    struct addr peer;
    struct addr local;  /* our address; family ADDR_NONE on sending: the kernel chooses */
    uint32_t interface; /* index, 0: unknown */
    uint32_t size;      /* bytes; on receiving: in capacity, out size */
    uint8_t *bytes;
    uint16_t segment_bytes; /* 0: one datagram */
    uint8_t tos;            /* with the ECN bits */
    bool dont_fragment;     /* sending may then fail with SPATE_EMSGSIZE */
    int64_t received_ns;
};

/* Worker pools, so that a sync never delays a read or a hash. */
enum io_pool { IO_POOL_COMPUTE, IO_POOL_READ, IO_POOL_WRITE, IO_POOL_SYNC, IO_POOL_COUNT };

enum { IO_RESOLVE_ADDRESSES = 16 };
struct io_resolve {
    struct io_op op;
    char name[256];             /* in; zero-terminated */
    enum addr_family family;    /* in; ADDR_NONE: both */
    const struct io_bind *bind; /* in; where questions leave; NULL: anywhere. Lives until
                                                completion */
    struct addr addresses[IO_RESOLVE_ADDRESSES]; /* out, port 0 */
    int count;                                   /* out; > 0 when status is 0 */
};

/* One GET. Redirects (LIMIT_HTTP_REDIRECTS) are followed to http and https only, never from https to
 * http, each hop resolved and checked again. A driver may keep a connection for later requests whose bind,
 * proxy and ca_cert say the same, to an address that they may reach as well. */
struct io_http {
    struct io_op op;
    const char *url; /* in; lives until completion, as do the other strings */
    const struct io_bind *bind;
    enum addr_family family; /* in; which family to connect over; ADDR_NONE: either */
    bool allow_private;      /* in; loopback, private and link-local addresses are allowed */
    const char *proxy;       /* in; NULL: from the environment */
    const char *ca_cert;     /* in; file; NULL: the system's */
    const char *user_agent;  /* in */
    int64_t timeout_ns;      /* in; for the whole request */
    size_t max_bytes;        /* in; of the decoded body; more is SPATE_ELIMIT */
    int http_status;         /* out; status is 0 whenever an answer came, also for 404 */
    uint8_t *body;           /* out; freed by the caller with free() */
    size_t body_size;
    char content_type[64]; /* out */
    char error[200];       /* out; text when status < 0 */
};

struct io_stat {
    uint64_t device, inode;
    uint64_t length; /* bytes */
    uint64_t allocated_bytes;
    int64_t modified_ns; /* wall clock */
    int64_t changed_ns;
    enum { IO_TYPE_FILE, IO_TYPE_DIRECTORY, IO_TYPE_SYMLINK, IO_TYPE_OTHER } type;
    bool executable;
    bool exposed; /* another user owns it, or may write to it */
};

struct io_driver {
    int64_t (*now)(struct io *);
    int64_t (*wall)(struct io *);
    void (*entropy)(struct io *, void *out, size_t size);
    void (*timer)(struct io *, struct io_op *, int64_t at_ns);
    void (*turn_end)(struct io *, struct io_op *);
    void (*wait_wake)(struct io *, struct io_op *);
    void (*wake)(struct io *);
    void (*cancel)(struct io *, struct io_op *);

    int (*tcp_listen)(struct io *, const struct io_bind *, struct io_socket **out);
    int (*tcp_connect)(struct io *, const struct io_bind *, const struct addr *to, struct io_op *,
                       struct io_socket **out);
    int (*accept)(struct io *, struct io_socket *listener, struct io_socket **out,
                  struct addr *peer);
    int (*udp_open)(struct io *, const struct io_bind *, struct io_socket **out);
    int (*socket_address)(struct io *, struct io_socket *, struct addr *out);
    void (*wait)(struct io *, struct io_socket *, enum io_ready, struct io_op *);
    int64_t (*receive)(struct io *, struct io_socket *, const struct iovec *, int count);
    int64_t (*send)(struct io *, struct io_socket *, const struct io_part *, int count);
    int (*udp_receive)(struct io *, struct io_socket *, struct io_datagram *, int max);
    int (*udp_send)(struct io *, struct io_socket *, const struct io_datagram *, int count);
    void (*close)(struct io *, struct io_socket *);

    void (*work)(struct io *, enum io_pool, struct io_op *);
    void (*resolve)(struct io *, struct io_resolve *);
    void (*http)(struct io *, struct io_http *);
};

struct io {
    const struct io_driver *driver;
};

/* ---- time, chance, turns --------------------------------------------------------------------- */

/* Monotonic nanoseconds, read once a turn; > 0. */
static inline int64_t io_now(struct io *io)
{
    return io->driver->now(io);
}
/* Wall clock, nanoseconds since 1970 UTC: for people and records, never for timers. */
static inline int64_t io_wall(struct io *io)
{
    return io->driver->wall(io);
}
/* Bytes nobody can foresee (getrandom; in a simulation: from the seed). For keys and generators. */
static inline void io_entropy(struct io *io, void *out, size_t size)
{
    io->driver->entropy(io, out, size);
}
/* Completes with 0 once io_now() >= at_ns. A timer that is still running moves to at_ns; one whose moment has come
 * completes all the same. */
static inline void io_timer(struct io *io, struct io_op *op, int64_t at_ns)
{
    io->driver->timer(io, op, at_ns);
}
/* Completes with 0 when everything that was ready in this turn has been handled, before the loop waits:
 * the place to send what a turn has gathered. */
static inline void io_turn_end(struct io *io, struct io_op *op)
{
    io->driver->turn_end(io, op);
}
/* Completes with 0 after io_wake() was called from any thread since the last completion. */
static inline void io_wait_wake(struct io *io, struct io_op *op)
{
    io->driver->wait_wake(io, op);
}
static inline void io_wake(struct io *io)
{
    io->driver->wake(io);
}
/* Harmless on an operation that is not active. Timers, turn ends, waits, connects, names and HTTP end
 * soon; work that has begun is not interrupted. */
static inline void io_cancel(struct io *io, struct io_op *op)
{
    if (op->active) {
        io->driver->cancel(io, op);
    }
}

/* ---- sockets --------------------------------------------------------------------------------- */

/* All fail with SPATE_E... at once, and then *out is NULL. TCP sockets have Nagle off. */
static inline int io_tcp_listen(struct io *io, const struct io_bind *bind, struct io_socket **out)
{
    return io->driver->tcp_listen(io, bind, out);
}
/* op completes with 0 when connected. A failure that is known at once completes op all the same when the
 * call returned 0; when it returned an error, op was not submitted. */
static inline int io_tcp_connect(struct io *io, const struct io_bind *bind, const struct addr *to,
                                 struct io_op *op, struct io_socket **out)
{
    return io->driver->tcp_connect(io, bind, to, op, out);
}
/* SPATE_EAGAIN: none waits. SPATE_EFDS: the connection was refused with the spare descriptor. */
static inline int io_accept(struct io *io, struct io_socket *listener, struct io_socket **out,
                            struct addr *peer)
{
    return io->driver->accept(io, listener, out, peer);
}
static inline int io_udp_open(struct io *io, const struct io_bind *bind, struct io_socket **out)
{
    return io->driver->udp_open(io, bind, out);
}
/* The local address and port. */
static inline int io_socket_address(struct io *io, struct io_socket *s, struct addr *out)
{
    return io->driver->socket_address(io, s, out);
}
/* Completes with 0 when the socket is ready (or failed: then the transfer says so). One wait for each
 * direction at a time. */
static inline void io_wait(struct io *io, struct io_socket *s, enum io_ready ready,
                           struct io_op *op)
{
    io->driver->wait(io, s, ready, op);
}
/* Bytes received; 0: the other side has closed; SPATE_EAGAIN: nothing there. */
static inline int64_t io_receive(struct io *io, struct io_socket *s, const struct iovec *v,
                                 int count)
{
    return io->driver->receive(io, s, v, count);
}
/* Bytes taken; SPATE_EAGAIN: no room. Stretches of files are not copied through our memory. SPATE_ESHORT: the first
 * part is of a file that ends before it; SPATE_EIO: of a disk that fails. Never raises SIGPIPE. */
static inline int64_t io_send(struct io *io, struct io_socket *s, const struct io_part *parts,
                              int count)
{
    return io->driver->send(io, s, parts, count);
}
/* Datagrams received, or SPATE_EAGAIN. One longer than its buffer is dropped. */
static inline int io_udp_receive(struct io *io, struct io_socket *s, struct io_datagram *d, int max)
{
    return io->driver->udp_receive(io, s, d, max);
}
/* Datagrams taken (the first may fail: its error is then returned). */
static inline int io_udp_send(struct io *io, struct io_socket *s, const struct io_datagram *d,
                              int count)
{
    return io->driver->udp_send(io, s, d, count);
}
/* Frees the socket. Its pending operations complete with SPATE_ECANCELED, later. NULL is allowed. */
static inline void io_close(struct io *io, struct io_socket *s)
{
    if (s) {
        io->driver->close(io, s);
    }
}

/* ---- work ------------------------------------------------------------------------------------ */

/* Runs run(op, fs) on a worker of the pool; its return value is the status. What the work touches is lent
 * to it until completion. Jobs of one pool may run side by side. work_bytes says how much computing it
 * is, for simulated time; file calls have their own cost. */
static inline void io_work(struct io *io, enum io_pool pool, struct io_op *op,
                           int (*run)(struct io_op *, struct io_fs *), uint64_t work_bytes)
{
    op->run = run;
    op->work_bytes = work_bytes;
    io->driver->work(io, pool, op);
}

/* Addresses of a host name, by completion. A literal address resolves to itself. */
static inline void io_resolve(struct io *io, struct io_resolve *resolve)
{
    io->driver->resolve(io, resolve);
}
static inline void io_http(struct io *io, struct io_http *http)
{
    io->driver->http(io, http);
}

/* ---- files: plain calls that wait, only to be made inside io_work ---------------------------- */

enum io_open {
    IO_OPEN_READ = 1,
    IO_OPEN_WRITE = 2,
    IO_OPEN_CREATE = 4,    /* when missing; files 0666, directories 0777, less the umask */
    IO_OPEN_EXCLUSIVE = 8, /* fail with SPATE_EEXIST when it is there */
    IO_OPEN_DIRECTORY = 16,
    IO_OPEN_FOLLOW = 32,  /* follow a symbolic link; without it one is SPATE_ESYMLINK */
    IO_OPEN_PRIVATE = 64, /* creating: 0600, 0700 */
};

enum io_allocate { IO_ALLOCATE_SPARSE, IO_ALLOCATE_FULL };

struct io_fs_driver {
    int (*open_path)(struct io_fs *, const char *path, int flags, struct io_file **out);
    int (*open)(struct io_fs *, struct io_file *dir, const char *name, int flags,
                struct io_file **out);
    void (*close)(struct io_fs *, struct io_file *);
    int64_t (*read)(struct io_fs *, struct io_file *, uint64_t offset, const struct iovec *, int);
    int64_t (*write)(struct io_fs *, struct io_file *, uint64_t offset, const struct iovec *, int);
    int (*sync)(struct io_fs *, struct io_file *);
    int (*allocate)(struct io_fs *, struct io_file *, uint64_t length, enum io_allocate);
    int (*truncate)(struct io_fs *, struct io_file *, uint64_t length);
    int (*stat)(struct io_fs *, struct io_file *, struct io_stat *out);
    int (*stat_at)(struct io_fs *, struct io_file *dir, const char *name, struct io_stat *out);
    int (*rename)(struct io_fs *, struct io_file *dir, const char *from, struct io_file *to_dir,
                  const char *to);
    int (*unlink)(struct io_fs *, struct io_file *dir, const char *name);
    int (*list)(struct io_fs *, struct io_file *dir, uint64_t *cursor, char *name, size_t size);
    int (*space)(struct io_fs *, struct io_file *dir, uint64_t *free_bytes);
    int (*name_max)(struct io_fs *, struct io_file *dir);
    int (*lock)(struct io_fs *, struct io_file *);
    int (*real_path)(struct io_fs *, const char *path, char *out, size_t size);
    int (*fetch)(struct io_fs *, struct io_file *, uint64_t offset, uint64_t length);
    bool (*is_in_memory)(struct io_fs *, struct io_file *, uint64_t offset, uint64_t length);
};

struct io_fs {
    const struct io_fs_driver *driver;
    const char *sqlite_vfs; /* the VFS through which SQLite sees these files; NULL: its default */
};

/* Opens a path as the user gave it, following links. With CREATE | DIRECTORY missing parents are made. */
static inline int io_fs_open_path(struct io_fs *fs, const char *path, int flags,
                                  struct io_file **out)
{
    return fs->driver->open_path(fs, path, flags, out);
}
/* Opens one name below a directory: name holds no '/', and is neither "." nor "..". */
static inline int io_fs_open(struct io_fs *fs, struct io_file *dir, const char *name, int flags,
                             struct io_file **out)
{
    return fs->driver->open(fs, dir, name, flags, out);
}
static inline void io_fs_close(struct io_fs *fs, struct io_file *file)
{
    if (file) {
        fs->driver->close(fs, file);
    }
}
/* Bytes read: fewer than asked only at the end of the file. May be called on one file from several
 * threads, as may write. */
static inline int64_t io_fs_read(struct io_fs *fs, struct io_file *file, uint64_t offset,
                                 const struct iovec *v, int count)
{
    return fs->driver->read(fs, file, offset, v, count);
}
/* Bytes written: all of them, or a failure. */
static inline int64_t io_fs_write(struct io_fs *fs, struct io_file *file, uint64_t offset,
                                  const struct iovec *v, int count)
{
    return fs->driver->write(fs, file, offset, v, count);
}
/* fdatasync of a file, fsync of a directory. After a failure the pages are lost: never trust a retry. */
static inline int io_fs_sync(struct io_fs *fs, struct io_file *file)
{
    return fs->driver->sync(fs, file);
}
/* SPARSE sets the length when the file is shorter; FULL reserves the space as well (fallocate(2)), or
 * SPATE_EUNSUPPORTED. Never shortens. */
static inline int io_fs_allocate(struct io_fs *fs, struct io_file *file, uint64_t length,
                                 enum io_allocate how)
{
    return fs->driver->allocate(fs, file, length, how);
}
static inline int io_fs_truncate(struct io_fs *fs, struct io_file *file, uint64_t length)
{
    return fs->driver->truncate(fs, file, length);
}
static inline int io_fs_stat(struct io_fs *fs, struct io_file *file, struct io_stat *out)
{
    return fs->driver->stat(fs, file, out);
}
/* Does not follow links. SPATE_ENOENT. */
static inline int io_fs_stat_at(struct io_fs *fs, struct io_file *dir, const char *name,
                                struct io_stat *out)
{
    return fs->driver->stat_at(fs, dir, name, out);
}
static inline int io_fs_rename(struct io_fs *fs, struct io_file *dir, const char *from,
                               struct io_file *to_dir, const char *to)
{
    return fs->driver->rename(fs, dir, from, to_dir, to);
}
static inline int io_fs_unlink(struct io_fs *fs, struct io_file *dir, const char *name)
{
    return fs->driver->unlink(fs, dir, name);
}
/* The next name (never "." or ".."): start with *cursor = 0 and keep the directory open. 1: there is
 * one; 0: the end. */
static inline int io_fs_list(struct io_fs *fs, struct io_file *dir, uint64_t *cursor, char *name,
                             size_t size)
{
    return fs->driver->list(fs, dir, cursor, name, size);
}
static inline int io_fs_space(struct io_fs *fs, struct io_file *dir, uint64_t *free_bytes)
{
    return fs->driver->space(fs, dir, free_bytes);
}
/* Longest name in bytes. */
static inline int io_fs_name_max(struct io_fs *fs, struct io_file *dir)
{
    return fs->driver->name_max(fs, dir);
}
/* An exclusive lock that ends with the file or the process; SPATE_ELOCKED when somebody has it. */
static inline int io_fs_lock(struct io_fs *fs, struct io_file *file)
{
    return fs->driver->lock(fs, file);
}

/* The absolute path that path stands for, with links resolved as far as it exists. SPATE_ENAMETOOLONG. */
static inline int io_fs_real_path(struct io_fs *fs, const char *path, char *out, size_t size)
{
    return fs->driver->real_path(fs, path, out, size);
}

/* Brings a stretch of a file into memory and waits for it, so that io_send() need not. SPATE_ESHORT: the file
 * ends before; SPATE_EUNSUPPORTED: parts of this file cannot be sent, only bytes that were read from it. */
static inline int io_fs_fetch(struct io_fs *fs, struct io_file *file, uint64_t offset,
                              uint64_t length)
{
    return fs->driver->fetch(fs, file, offset, length);
}

/* Whether the whole stretch is there already, as after io_fs_fetch(). This alone may be asked on the loop's thread: it
 * waits for no disk. False also when that cannot be known. */
static inline bool io_fs_is_in_memory(struct io_fs *fs, struct io_file *file, uint64_t offset,
                                      uint64_t length)
{
    return fs->driver->is_in_memory(fs, file, offset, length);
}

#endif
