/* spate.h - libspate, a BitTorrent engine: the only public header.
 *
 * A session owns torrents. Handles are opaque: a session is a pointer, a torrent is a number that is
 * never used twice, so a stale one is an error (SPATE_ENOTFOUND) and never a crash.
 *
 * Two modes, chosen in the settings:
 *   driven      the caller's loop drives the session: it waits for spate_session_fd() to become
 *               readable for at most spate_session_timeout_ms(), then calls spate_session_step().
 *               All calls come from that one thread.
 *   own thread  the session runs on a thread of its own. Every call may come from any thread; a call
 *               that changes something is a message, a getter answers from a snapshot. No getter ever
 *               waits for the network or for a disk.
 *
 * The library is a guest: it installs no signal handler, never exits or prints, changes neither umask,
 * directory, locale nor environment, and exports no symbol that does not begin with spate_.
 *
 * ABI: every struct that crosses the boundary begins with its size in bytes. Set it before the call
 * (spate_settings_init and friends do); the library reads and writes no more than that many bytes, so
 * programs built against an older header keep working. Functions that return int return zero (or a
 * count) on success and a negative SPATE_E... code on failure; spate_strerror() names it.
 *
 * Text that comes from torrents, peers and trackers is handed over as it came, as UTF-8 where it was
 * valid: escape it before it reaches a terminal or a page. */
#ifndef SPATE_H
#define SPATE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define SPATE_API __attribute__((visibility("default")))
#else
#define SPATE_API
#endif

#define SPATE_VERSION_MAJOR 0
#define SPATE_VERSION_MINOR 1
#define SPATE_VERSION_PATCH 0

/* ---- errors ---------------------------------------------------------------------------------- */

/* The one table of error codes: name, number, text. Numbers are part of the ABI. */
#define SPATE_ERROR_MAP(X)                                                                         \
    X(ENOMEM, -1, "out of memory")                                                                 \
    X(EINVAL, -2, "invalid argument")                                                              \
    X(EAGAIN, -3, "not ready yet")                                                                 \
    X(ECANCELED, -4, "cancelled")                                                                  \
    X(ENOTFOUND, -5, "no such torrent")                                                            \
    X(EEXIST, -6, "already there")                                                                 \
    X(ELIMIT, -7, "a limit was reached")                                                           \
    X(EBUSY, -8, "busy")                                                                           \
    X(ETIMEDOUT, -9, "timed out")                                                                  \
    X(EUNSUPPORTED, -10, "not supported")                                                          \
    X(EINTERNAL, -11, "internal error, please report it")                                          \
    X(EREFUSED, -20, "connection refused")                                                         \
    X(ERESET, -21, "connection reset")                                                             \
    X(EUNREACHABLE, -22, "host or network unreachable")                                            \
    X(EADDRINUSE, -23, "address already in use")                                                   \
    X(EADDRNOTAVAIL, -24, "address not available here")                                            \
    X(EMSGSIZE, -25, "message too long")                                                           \
    X(EHOST, -26, "host name not found")                                                           \
    X(EFDS, -27, "too many open files or sockets")                                                 \
    X(EEOF, -28, "closed by the other side")                                                       \
    X(ENET, -29, "network error")                                                                  \
    X(EHTTP, -30, "HTTP error")                                                                    \
    X(ETLS, -31, "TLS error")                                                                      \
    X(ETRACKER, -32, "tracker refused the request")                                                \
    X(EBLOCKED, -33, "address not allowed")                                                        \
    X(ENOSPC, -40, "no space left on the disk")                                                    \
    X(EROFS, -41, "read-only file system")                                                         \
    X(EACCES, -42, "permission denied")                                                            \
    X(EIO, -43, "input/output error")                                                              \
    X(ENAMETOOLONG, -44, "file name too long")                                                     \
    X(ENOENT, -45, "no such file or directory")                                                    \
    X(ENOTDIR, -46, "not a directory")                                                             \
    X(EISDIR, -47, "is a directory")                                                               \
    X(EFOREIGN, -48, "a file that is not part of this torrent is in the way")                      \
    X(ELOCKED, -49, "another spate process is using these files")                                  \
    X(ESYMLINK, -50, "a symbolic link is in the way")                                              \
    X(ESTATE, -51, "state database is damaged or of an unknown version")                           \
    X(ESHORT, -52, "file is shorter than it should be")                                            \
    X(EMISMATCH, -53, "data does not match its hash")                                              \
    X(EBENCODE, -60, "not valid bencode")                                                          \
    X(EMETAINFO, -61, "not a valid torrent")                                                       \
    X(EURL, -62, "not a valid URL")                                                                \
    X(EMAGNET, -63, "not a valid magnet link")                                                     \
    X(EV2ONLY, -64, "BitTorrent v2-only torrents are not supported yet")                           \
    X(EPROTO, -65, "protocol error")

enum spate_error_code {
    SPATE_OK = 0,
#define SPATE_ERROR_ENUM(name, number, text) SPATE_##name = number,
    SPATE_ERROR_MAP(SPATE_ERROR_ENUM)
#undef SPATE_ERROR_ENUM
};

/* What went wrong and where. Filled by calls that take one; may be NULL there. */
struct spate_error {
    uint32_t size;   /* sizeof(struct spate_error) */
    int32_t code;    /* SPATE_E..., zero when nothing failed */
    uint64_t offset; /* byte offset in the input, where the failure has one */
    char text[240];  /* one English sentence without a final full stop, UTF-8 */
};

/* The text of a code; never NULL; valid for ever. */
SPATE_API const char *spate_strerror(int code);
/* "0.1.0"; valid for ever. */
SPATE_API const char *spate_version(void);
/* A space-separated list of what this build can do, e.g. "tcp udp-tracker https ipv6". */
SPATE_API const char *spate_features(void);

/* ---- settings -------------------------------------------------------------------------------- */

typedef struct spate_session spate_session;
typedef uint64_t spate_torrent; /* 0 is never a torrent */

enum spate_allocation {
    SPATE_ALLOCATE_SPARSE = 0, /* files get their final length, blocks as they are written */
    SPATE_ALLOCATE_NONE = 1,   /* files grow as they are written */
    SPATE_ALLOCATE_FULL = 2,   /* all space is reserved before the first byte */
};

/* Strings are copied; NULL means the default. Zero means the default for numbers, and "no limit" for
 * rates and counts whose comment says so. */
struct spate_settings {
    uint32_t size;           /* sizeof(struct spate_settings) */
    uint32_t own_thread;     /* 1: run on a thread of its own; 0: driven */
    const char *state_dir;   /* where the state database lives; created 0700. NULL: keep no state */
    const char *bind;        /* an address or an interface name for all traffic. NULL: any */
    uint16_t port;           /* TCP and UDP listening port; 0: any free one */
    uint16_t disable_listen; /* 1: accept no incoming connections */
    uint32_t max_peers;      /* connections per torrent (default 80) */
    uint32_t max_connections; /* connections of the session (default 500) */
    uint64_t max_down;        /* bytes per second, 0: no limit */
    uint64_t max_up;          /* bytes per second, 0: no limit */
    uint64_t frame_bytes;     /* cap of the memory of pieces in flight (default 64 MiB) */
    uint32_t workers;         /* worker threads (default: one per core, at least 2) */
    uint32_t allocation;      /* enum spate_allocation */
    const char *user_agent;   /* for HTTP (default "spate/<version>") */
    const char *proxy;        /* for HTTP; NULL: the usual environment variables */
    const char *ca_cert;      /* file of certificate authorities; NULL: the system's */
    uint32_t allow_local;     /* 1: trackers and peers may name loopback and private addresses */
    uint32_t log_level;       /* enum spate_log_level: the least serious level that is kept */
};

/* Sets the size and every default. */
SPATE_API void spate_settings_init(struct spate_settings *settings, uint32_t size);

/* ---- session --------------------------------------------------------------------------------- */

/* Creates a session; *out is owned by the caller and ended by spate_session_close(). */
SPATE_API int spate_session_create(const struct spate_settings *settings, spate_session **out,
                                   struct spate_error *error);
/* Says goodbye to trackers, records what is on the disk and frees everything; never takes more than
 * two seconds: while a disk keeps a call of ours longer, a thread of the library waits for it and frees
 * what is left. NULL is allowed. */
SPATE_API void spate_session_close(spate_session *session);

/* Driven mode: a descriptor that is readable when spate_session_step() has something to do. In the
 * own-thread mode it is readable while events or log entries wait. Owned by the session. */
SPATE_API int spate_session_fd(spate_session *session);
/* Driven mode: how long to wait at most, in milliseconds; -1: until the descriptor is readable. */
SPATE_API int spate_session_timeout_ms(spate_session *session);
/* Driven mode: does what is due and returns without waiting. */
SPATE_API int spate_session_step(spate_session *session);
/* Waits up to timeout_ms for an event or a log entry; -1: for ever. In driven mode it runs the session
 * meanwhile, and asks the kernel half as often as a loop around spate_session_step() must. 1: there is
 * one; 2: the descriptor of spate_session_watch() is readable, and there may be one; 0: the time is
 * over. */
SPATE_API int spate_session_wait(spate_session *session, int timeout_ms);
/* Has spate_session_wait() return also while fd is readable: a signalfd, a pipe, an epoll descriptor of
 * the caller's. It stays the caller's, is made non-blocking, and must stay open until another takes its
 * place, -1 none, or the session is closed. In the own-thread mode only the thread that waits may call it. */
SPATE_API int spate_session_watch(spate_session *session, int fd);

/* Rates in bytes per second for the whole session; 0: no limit. */
SPATE_API int spate_session_set_limits(spate_session *session, uint64_t max_down, uint64_t max_up);

struct spate_session_stats {
    uint32_t size;
    uint32_t torrents;
    uint32_t connections;
    uint16_t port; /* the port in fact listened on, 0 while there is none */
    uint16_t reserved;
    uint64_t downloaded_bytes; /* payload, since the session was created */
    uint64_t uploaded_bytes;
    uint64_t down_rate; /* bytes per second */
    uint64_t up_rate;
    uint64_t frame_bytes; /* memory of pieces in flight now */
    uint64_t frame_peak_bytes;
};
SPATE_API int spate_session_stats(spate_session *session, struct spate_session_stats *out);

/* ---- torrents -------------------------------------------------------------------------------- */

enum spate_add_flags {
    SPATE_ADD_PAUSED = 1,
    SPATE_ADD_SEQUENTIAL = 2,       /* pieces in file order instead of rarest first */
    SPATE_ADD_OVERWRITE = 4,        /* files in the way that are not part of the torrent may go */
    SPATE_ADD_CHECK = 8,            /* hash everything on the disk whatever the record says */
    SPATE_ADD_FOLLOW_SYMLINKS = 16, /* reading may follow links below the destination */
    SPATE_ADD_SEED_ONLY = 32,       /* never write: missing or wrong data is an error */
};

struct spate_add {
    uint32_t size;
    uint32_t flags;       /* enum spate_add_flags */
    const void *metainfo; /* the bytes of a .torrent file */
    size_t metainfo_size;
    const char *save_path; /* directory; created when missing */
    const char *name;      /* replaces the torrent's own name on the disk; NULL: keep it */
    const uint8_t *wanted; /* one byte a file, 0: not wanted; NULL: everything */
    uint32_t wanted_count;
    uint32_t allocation;         /* 1 + enum spate_allocation; 0: the session's */
    const char *const *trackers; /* in addition to the torrent's own, each a tier of its own */
    uint32_t tracker_count;
    uint32_t max_peers; /* 0: the session's */
    uint64_t max_down;  /* bytes per second, 0: no limit */
    uint64_t max_up;
};
SPATE_API void spate_add_init(struct spate_add *add, uint32_t size);

/* Adds a torrent. What is wrong with the metainfo or the arguments is said at once; what the disk or
 * the network say later is an event and stands in the status. */
SPATE_API int spate_torrent_add(spate_session *session, const struct spate_add *add,
                                spate_torrent *out, struct spate_error *error);
/* Forgets a torrent; files stay. */
SPATE_API int spate_torrent_remove(spate_session *session, spate_torrent torrent);
SPATE_API int spate_torrent_pause(spate_session *session, spate_torrent torrent);
/* Goes on after a pause or after an error. */
SPATE_API int spate_torrent_resume(spate_session *session, spate_torrent torrent);
/* One byte a file, 0: not wanted. */
SPATE_API int spate_torrent_set_wanted(spate_session *session, spate_torrent torrent,
                                       const uint8_t *wanted, uint32_t count);
SPATE_API int spate_torrent_set_limits(spate_session *session, spate_torrent torrent,
                                       uint64_t max_down, uint64_t max_up);
/* address: "1.2.3.4:6881" or "[2001:db8::1]:6881". */
SPATE_API int spate_torrent_add_peer(spate_session *session, spate_torrent torrent,
                                     const char *address);
/* Announces now, as far as the trackers' minimum interval allows. */
SPATE_API int spate_torrent_announce(spate_session *session, spate_torrent torrent);

enum spate_state {
    SPATE_STATE_STARTING = 0, /* reading its record */
    SPATE_STATE_CHECKING = 1,
    SPATE_STATE_DOWNLOADING = 2,
    SPATE_STATE_FINISHING = 3, /* every wanted byte is verified; waiting for the disk's sync */
    SPATE_STATE_SEEDING = 4,   /* every wanted byte is verified and durable */
    SPATE_STATE_PAUSED = 5,
    SPATE_STATE_ERROR =
        6, /* stopped; error and message say why; spate_torrent_resume tries again */
    SPATE_STATE_REMOVED = 7,
};

struct spate_status {
    uint32_t size;
    uint32_t state;           /* enum spate_state */
    int32_t error;            /* SPATE_E... in state ERROR */
    uint32_t private_torrent; /* BEP 27 */
    uint8_t info_hash[20];
    uint32_t file_count;
    char name[256];                  /* UTF-8, cut at a character boundary */
    char message[256];               /* the error, or why nothing is happening */
    uint64_t total_bytes;            /* of all files, pad files not counted */
    uint64_t wanted_bytes;           /* of the wanted files */
    uint64_t verified_bytes;         /* of wanted files: hash verified */
    uint64_t durable_bytes;          /* of wanted files: verified and synced to the disk */
    uint64_t checked_bytes;          /* while checking: how far it is */
    uint64_t downloaded_bytes;       /* payload from the network, this session */
    uint64_t uploaded_bytes;         /* payload, this session */
    uint64_t total_downloaded_bytes; /* over all sessions */
    uint64_t total_uploaded_bytes;
    uint64_t wasted_bytes; /* payload that came twice or unasked */
    uint64_t failed_bytes; /* payload that failed its hash */
    uint64_t down_rate;    /* bytes per second */
    uint64_t up_rate;
    uint32_t piece_length;
    uint32_t piece_count;
    uint32_t pieces_verified;
    uint32_t peers; /* connected */
    uint32_t seeds; /* connected and complete */
    uint32_t peers_known;
    uint32_t peers_unchoking;   /* let us download */
    uint32_t peers_downloading; /* download from us */
    uint32_t
        availability_milli; /* copies of the rarest piece among peers, times 1000, plus share */
    uint32_t banned_peers;
    int64_t eta_s;           /* seconds until complete, -1: unknown */
    int64_t idle_ms;         /* since the last verified byte, -1: none yet */
    int64_t next_announce_s; /* -1: none planned */
};
SPATE_API int spate_torrent_status(spate_session *session, spate_torrent torrent,
                                   struct spate_status *out);

struct spate_file_status {
    uint32_t size;
    uint32_t wanted;
    uint64_t length; /* bytes */
    uint64_t verified_bytes;
};
/* Writes up to max entries, each out->size bytes apart; returns the number of files. */
SPATE_API int spate_torrent_files(spate_session *session, spate_torrent torrent,
                                  struct spate_file_status *out, uint32_t max);
/* One bit a piece, the first piece in the high bit of the first byte (as in BEP 3). Returns the number
 * of pieces; writes no more than size bytes. */
SPATE_API int spate_torrent_pieces(spate_session *session, spate_torrent torrent, uint8_t *bits,
                                   size_t size);

enum spate_peer_flags {
    SPATE_PEER_INCOMING = 1,
    SPATE_PEER_SEED = 2,
    SPATE_PEER_CHOKES_US = 4,
    SPATE_PEER_WE_CHOKE = 8,
    SPATE_PEER_INTERESTED = 16,
    SPATE_PEER_WE_ARE_INTERESTED = 32,
    SPATE_PEER_SNUBBED = 64,
};

struct spate_peer_status {
    uint32_t size;
    uint32_t flags; /* enum spate_peer_flags */
    char address[64];
    char client[64]; /* what the peer calls itself, or its peer id's prefix */
    uint64_t downloaded_bytes;
    uint64_t uploaded_bytes;
    uint64_t down_rate;
    uint64_t up_rate;
    uint32_t pieces;   /* that the peer has */
    uint32_t requests; /* outstanding, ours */
};
SPATE_API int spate_torrent_peers(spate_session *session, spate_torrent torrent,
                                  struct spate_peer_status *out, uint32_t max);

struct spate_tracker_status {
    uint32_t size;
    uint32_t tier;
    char url[256];     /* passkeys are kept: show it with care */
    char message[256]; /* failure or warning text, or what it waits for */
    int32_t error;     /* of the last announce */
    uint32_t seeders;  /* UINT32_MAX: unknown */
    uint32_t leechers;
    uint32_t peers;          /* in the last answer */
    int64_t next_announce_s; /* -1: none planned */
};
SPATE_API int spate_torrent_trackers(spate_session *session, spate_torrent torrent,
                                     struct spate_tracker_status *out, uint32_t max);

/* ---- events ---------------------------------------------------------------------------------- */

enum spate_changed {
    SPATE_CHANGED_STATE = 1,
    SPATE_CHANGED_PROGRESS = 2,
    SPATE_CHANGED_PEERS = 4,
    SPATE_CHANGED_TRACKERS = 8,
    SPATE_CHANGED_FILES = 16,
    SPATE_CHANGED_REMOVED = 32,
};

/* Which aspects of one torrent changed since the last event about it. A torrent is queued at most once,
 * so the queue is bounded by the torrents and loses nothing: read the status for the present state. */
struct spate_event {
    uint32_t size;
    uint32_t changed; /* enum spate_changed */
    spate_torrent torrent;
};
/* 1: *out is filled; 0: none waits. */
SPATE_API int spate_event_next(spate_session *session, struct spate_event *out);

enum spate_log_level {
    SPATE_LOG_NONE = 0,
    SPATE_LOG_ERROR = 1,
    SPATE_LOG_WARNING = 2,
    SPATE_LOG_INFO = 3,
    SPATE_LOG_DEBUG = 4,
};

struct spate_log_entry {
    uint32_t size;
    uint32_t level;        /* enum spate_log_level */
    spate_torrent torrent; /* 0: of the session */
    int64_t time_ns;       /* wall clock, nanoseconds since 1970 UTC */
    uint64_t lost;         /* entries lost before this one because nobody read them */
    char text[360];
};
/* 1: *out is filled; 0: none waits. Log entries live in a ring and may be lost, events never. */
SPATE_API int spate_log_next(spate_session *session, struct spate_log_entry *out);

/* ---- torrent files --------------------------------------------------------------------------- */

typedef struct spate_metainfo spate_metainfo; /* a parsed .torrent file, immutable */

/* Parses a .torrent file; copies what it keeps. *out is freed with spate_metainfo_free(). */
SPATE_API int spate_metainfo_parse(const void *bytes, size_t size, spate_metainfo **out,
                                   struct spate_error *error);
SPATE_API void spate_metainfo_free(spate_metainfo *metainfo);

enum spate_metainfo_flags {
    SPATE_METAINFO_PRIVATE = 1,
    SPATE_METAINFO_V1 = 2,
    SPATE_METAINFO_V2 = 4,
    SPATE_METAINFO_SINGLE_FILE = 8,
};

/* Strings live as long as the metainfo; absent ones are NULL. */
struct spate_metainfo_info {
    uint32_t size;
    uint32_t flags;           /* enum spate_metainfo_flags */
    uint8_t info_hash[20];    /* SHA-1 of the info dictionary (v1) */
    uint8_t info_hash_v2[32]; /* SHA-256 of it, zero unless V2 */
    const char *name;
    const char *comment;
    const char *created_by;
    int64_t creation_date; /* seconds since 1970, -1: absent */
    uint64_t total_bytes;  /* pad files not counted */
    uint32_t piece_length;
    uint32_t piece_count;
    uint32_t file_count; /* pad files not counted */
    uint32_t tracker_count;
    uint32_t web_seed_count;
};
SPATE_API int spate_metainfo_info(const spate_metainfo *metainfo, struct spate_metainfo_info *out);

enum spate_file_flags {
    SPATE_FILE_EXECUTABLE = 1,
    SPATE_FILE_HIDDEN = 2,
    SPATE_FILE_SYMLINK = 4,
};

struct spate_metainfo_file {
    uint32_t size;
    uint32_t flags;   /* enum spate_file_flags (BEP 47) */
    const char *path; /* below the torrent's name, '/' between elements, as the torrent says it */
    const char *disk_path; /* the same, as it will be written: every element made safe */
    uint64_t length;       /* bytes */
    uint64_t offset;       /* of its first byte in the torrent */
};
SPATE_API int spate_metainfo_file(const spate_metainfo *metainfo, uint32_t index,
                                  struct spate_metainfo_file *out);
/* NULL when index is out of range; *tier may be NULL. */
SPATE_API const char *spate_metainfo_tracker(const spate_metainfo *metainfo, uint32_t index,
                                             uint32_t *tier);
SPATE_API const char *spate_metainfo_web_seed(const spate_metainfo *metainfo, uint32_t index);
/* Writes a magnet link (BEP 9) with name and trackers; returns its length without the final zero, even
 * when it did not fit. */
SPATE_API int spate_metainfo_magnet(const spate_metainfo *metainfo, char *out, size_t size);

/* ---- work on the caller's thread --------------------------------------------------------------
 * These calls block the calling thread and touch no session. The progress function, if any, is called
 * now and then on the calling thread; a non-zero answer ends the call with SPATE_ECANCELED. */
typedef int (*spate_progress)(void *user, uint64_t done_bytes, uint64_t total_bytes);

struct spate_create {
    uint32_t size;
    uint32_t private_torrent; /* BEP 27 */
    const char *path;         /* a file or a directory */
    const char *name;         /* NULL: the last element of the path */
    const char *comment;
    const char *created_by; /* NULL: "spate/<version>"; "": leave it out */
    int64_t creation_date;  /* seconds since 1970; 0: now; -1: leave it out */
    uint32_t piece_length;  /* a power of two from 16 KiB; 0: chosen from the size */
    uint32_t workers;       /* hashing threads; 0: one per core */
    const char *const *trackers;
    const uint32_t *tiers; /* one a tracker; NULL: each a tier of its own */
    uint32_t tracker_count;
    uint32_t web_seed_count;
    const char *const *web_seeds; /* BEP 19 */
    spate_progress progress;
    void *user;
};
SPATE_API void spate_create_init(struct spate_create *create, uint32_t size);
/* Hashes files into the bytes of a v1 .torrent file; *bytes is freed with spate_free(). */
SPATE_API int spate_create(const struct spate_create *create, void **bytes, size_t *length,
                           struct spate_error *error);
SPATE_API void spate_free(void *memory);

struct spate_check {
    uint32_t size;
    uint32_t flags; /* SPATE_ADD_FOLLOW_SYMLINKS */
    const char *save_path;
    const char *name; /* as in struct spate_add */
    uint32_t workers;
    uint32_t reserved;
    spate_progress progress;
    void *user;
};
enum spate_check_file_state {
    SPATE_CHECK_GOOD = 0,
    SPATE_CHECK_MISSING = 1,
    SPATE_CHECK_SHORT = 2,
    SPATE_CHECK_LONG = 3, /* right as far as the torrent goes, but more bytes follow */
    SPATE_CHECK_WRONG = 4,
    SPATE_CHECK_UNREADABLE = 5,
};
struct spate_check_file {
    uint32_t size;
    uint32_t state;        /* enum spate_check_file_state */
    uint64_t length_found; /* bytes on the disk */
    uint64_t bad_bytes;    /* bytes of this file in pieces that fail */
};
SPATE_API void spate_check_init(struct spate_check *check, uint32_t size);
/* Reads files and writes nothing. Fills pieces (one bit each, set: good; as in BEP 3; may be NULL) and
 * files (one entry a file, each with its size set; may be NULL). Returns the number of bad pieces. */
SPATE_API int spate_check(const spate_metainfo *metainfo, const struct spate_check *check,
                          uint8_t *pieces, size_t pieces_size, struct spate_check_file *files,
                          uint32_t file_count, struct spate_error *error);

/* Fetches a small file (a .torrent) over http or https; *bytes is freed with spate_free(). Uses proxy,
 * ca_cert, user_agent, bind and allow_local of the settings. */
SPATE_API int spate_fetch(const struct spate_settings *settings, const char *url,
                          uint64_t max_bytes, int timeout_ms, spate_progress progress, void *user,
                          void **bytes, size_t *length, struct spate_error *error);

struct spate_scrape {
    uint32_t size;
    int32_t error; /* SPATE_E... */
    uint32_t seeders;
    uint32_t leechers;
    uint32_t completed;
    char message[256];
};
/* Asks one tracker about one torrent (BEP 15, BEP 48). */
SPATE_API int spate_scrape(const struct spate_settings *settings, const char *tracker_url,
                           const uint8_t info_hash[20], int timeout_ms, spate_progress progress,
                           void *user, struct spate_scrape *out);

#ifdef __cplusplus
}
#endif
#endif
