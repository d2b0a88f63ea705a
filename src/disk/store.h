/* The files of one torrent on a disk: opening them safely, reading, writing and syncing ranges of the
 * torrent. A range is given in torrent bytes and turned into file extents here (codec/layout.h); pad files
 * read as zeroes and are never written; bytes of unwanted files live in one part file.
 *
 * Below the destination every path is walked element by element under directory descriptors; writing
 * follows no symbolic link. All calls are made on the loop's thread; the work happens on workers. */
#ifndef DISK_STORE_H
#define DISK_STORE_H

#include "base/bitset.h"
#include "codec/layout.h"
#include "io/io.h"

struct store;
struct open_files;
struct windows;

struct store_settings {
    struct io *io;
    const struct layout *layout; /* lives as long as the store */
    const char *const
        *paths; /* one a file of the metainfo (NULL: padding, links, what else is never
                                        * on the disk), '/' between safe elements, relative to save_path; live as long as the store */
    uint32_t file_count;
    const char *save_path; /* as the user gave it */
    const char *part_path; /* the part file; NULL: unwanted bytes are dropped with their piece */
    enum io_allocate allocate;
    bool allocate_none;   /* files grow as they are written */
    bool read_only;       /* never write */
    bool follow_symlinks; /* reading may */
    struct open_files
        *open_files; /* shared by the stores of a session (disk/open_files.h); NULL: the
                                        * store keeps up to LIMIT_OPEN_FILES of its own */
    struct windows
        *windows; /* shared by the stores of a session (disk/windows.h); NULL: it has none */
    void (*on_freed)(
        void *user); /* may be NULL: the store is gone, and with it everything that held it
                                        * (assembly, check): layout and paths may go as well */
    void *user;
};

/* Copies the settings. No I/O yet. */
int store_create(const struct store_settings *, struct store **out);
/* Frees it once its last operation has completed and nobody holds it; files are closed on a worker. */
void store_destroy(struct store *);
/* For those who run jobs on a store: it is not freed while it is held. */
void store_hold(struct store *);
void store_release(struct store *);

/* What is there. One a file. */
struct store_file_found {
    enum { STORE_ABSENT, STORE_PRESENT, STORE_NOT_A_FILE } what;
    int error; /* of what is no file: what is in the way, or why it cannot be looked at */
    bool
        in_part; /* the part file has bytes of it, or will: those of pieces that came while it was unwanted */
    struct io_stat stat;
};

/* Looks at every file without changing anything. status: 0, or why the destination cannot be used.
 * found is the caller's array of file_count entries. */
struct store_look {
    struct io_op op;
    struct store *store;
    void (*done)(struct io_op *, int status); /* the store's: op.done while it is under way */
    struct store_file_found *found;
    uint64_t free_bytes;     /* out; of the destination's file system */
    bool destination_exists; /* out */
};
void store_look(struct store *, struct store_look *);

/* Makes the destination and the wanted files ready for writing: directories, lengths, reserved space,
 * zero-length files. Compares free space first (SPATE_ENOSPC before anything is allocated). A longer file
 * is left as it is. On failure `file` names the one concerned, UINT32_MAX: none. */
struct store_prepare {
    struct io_op op;
    struct store *store;
    void (*done)(struct io_op *, int status); /* the store's: op.done while it is under way */
    uint32_t file;                            /* out */
    char text[240];                           /* out; what failed, for people; names unescaped */
};
void store_prepare(struct store *, struct store_prepare *);

/* One read or write of a range of the torrent. iov is the caller's, lent until completion; the caller's
 * lengths add up to length. status: 0, SPATE_ESHORT (reading beyond the end of a file), SPATE_ENOSPC... */
struct store_transfer {
    struct io_op op;
    struct store *store;
    void (*done)(struct io_op *, int status); /* the store's: op.done while it is under way */
    uint64_t offset, length;                  /* bytes of the torrent */
    const struct iovec *iov;
    int iov_count;
    uint32_t file; /* out, on failure: which one; UINT32_MAX: none */
};
void store_read(struct store *, struct store_transfer *);
void store_write(struct store *, struct store_transfer *);
/* The same on the calling worker thread, for jobs that do more than transfer. */
int store_read_now(struct store *, struct io_fs *, uint64_t offset, uint64_t length,
                   const struct iovec *, int iov_count, uint32_t *file);
/* A range was read and found good: whoever wrote it may not have synced it, so the next sync covers its files and
 * the way to them. For the same jobs; nothing for a store that never writes. */
int store_mark_found(struct store *, struct io_fs *, uint64_t offset, uint64_t length);
int store_write_now(struct store *, struct io_fs *, uint64_t offset, uint64_t length,
                    const struct iovec *, int iov_count, uint32_t *file);

/* fdatasync of every file written since the last one, fsync of every directory that gained an entry. Covers
 * exactly the writes that had completed when it was submitted. After a failure nothing since the last good
 * sync may be trusted: the kernel lets go of what it could not store, and no later sync stores it. So every later
 * one fails as well, store_want()'s too, until store_start_over(). */
struct store_sync {
    struct io_op op;
    struct store *store;
    void (*done)(struct io_op *, int status); /* the store's: op.done while it is under way */
    uint32_t file;                            /* out, on failure */
};
void store_sync(struct store *, struct store_sync *);
/* Nothing that was written before and is not known to be durable is believed any more, but read again first. */
void store_start_over(struct store *);

/* wanted: one byte a file. Until the first call the choice is that of the part file an earlier run left.
 * Unwanted files are not created; bytes of a newly wanted file that lie in the part file move into place,
 * and an empty one is made. Takes effect for operations submitted later. status by completion: SPATE_EFOREIGN when
 * a newly wanted file that is not ours is there; then nothing has changed. */
struct store_want {
    struct io_op op;
    struct store *store;
    void (*done)(struct io_op *, int status); /* the store's: op.done while it is under way */
    const uint8_t *wanted;                    /* lent until completion; NULL: everything */
    const struct bitset
        *ours;     /* lent: of the newly wanted files those that may be there; NULL: all of them */
    uint32_t file; /* out, on failure */
    bool sync_failed; /* out: it was a sync that failed, with all that this means */
};
void store_want(struct store *, struct store_want *);

/* Closes every open file (they are opened again when needed). */
void store_close_files(struct store *);

#endif
