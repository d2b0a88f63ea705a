/* What spate remembers: one SQLite database per state directory (journal_mode=DELETE, synchronous=EXTRA),
 * one short transaction at a time, on a worker. Rows are keyed by (info-hash, destination); a lock per row
 * keeps a second process away from the same files. */
#ifndef DISK_RESUME_H
#define DISK_RESUME_H

#include "base/bitset.h"
#include "io/io.h"

struct resume; /* an open state directory */

struct resume_partial {
    uint32_t piece;
    struct bitset blocks; /* that lie on the disk, unverified */
};

struct resume_file {
    uint64_t device, inode, length;
    int64_t modified_ns; /* valid when clean */
    bool present;        /* we knew it */
    bool owned;          /* ours to write: we made it, or found it to be of this torrent */
    char *path;          /* as written, relative to the destination; owned */
};

/* All of it is plain values; resume_record_deinit frees what it owns. */
struct resume_record {
    uint8_t info_hash[20];
    char *destination; /* absolute; owned */
    bool clean;        /* closed properly: modified_ns of the files is to be believed */
    bool completed_announced;
    bool completed; /* was complete when recorded */
    uint32_t key;   /* for trackers */
    uint64_t uploaded_bytes, downloaded_bytes;
    struct bitset written; /* verified and written, maybe not synced: re-hash at start */
    struct bitset durable; /* written and synced */
    struct resume_partial *partials;
    uint32_t partial_count;
    struct resume_file *files; /* one a file of the torrent, pad files too */
    uint32_t file_count;
    uint8_t *wanted; /* one byte a file; NULL: everything */
};
void resume_record_deinit(struct resume_record *);
/* Bytes <-> record; bounded by the torrent's own counts, versioned and checksummed: damage is
 * SPATE_ESTATE, never a half-believed record. *bytes is freed with free(). */
int resume_record_encode(const struct resume_record *, uint8_t **bytes, size_t *size);
int resume_record_decode(struct span bytes, uint32_t piece_count, uint32_t file_count,
                         uint32_t piece_length, struct resume_record *out, struct spate_error *);

/* directory is created 0700. NULL directory: everything is forgotten (for tests and simulations). */
int resume_create(struct io *, const char *directory, struct resume **out);
/* All its operations have completed, but for unlocking. */
void resume_destroy(struct resume *);

/* Takes the lock of (info_hash, destination) and reads its record, if there is one. status: 0 (found says
 * whether; a damaged record is not found, a damaged database is set aside under another name and begins anew,
 * and text says so), SPATE_ELOCKED, SPATE_ESTATE (of an unknown version: nothing is read or written),
 * SPATE_EACCES (somebody else may write to the directory), SPATE_EBUSY, SPATE_ENOSPC, SPATE_EIO... */
struct resume_load {
    struct io_op op;
    struct resume *resume;
    uint8_t info_hash[20];
    const char *destination; /* in; as the user gave it; lent; resolved to an absolute path here */
    uint32_t piece_count, file_count, piece_length; /* in */
    bool found;
    struct resume_record record; /* out; the caller's to deinit. Not found: only its destination */
    void *lock;                  /* out; pass to resume_unlock */
    char text[240];              /* out; on failure, for people */
};
void resume_load(struct resume *, struct resume_load *);
void resume_unlock(struct resume *, void *lock);

/* Replaces the record in one transaction that is on the disk when status is 0. bytes is lent. */
struct resume_save {
    struct io_op op;
    struct resume *resume;
    uint8_t info_hash[20];
    const char *destination; /* in; the record's absolute one */
    uint8_t *bytes;          /* in; from resume_record_encode */
    size_t size;
    bool forget; /* in; delete the row instead */
};
void resume_save(struct resume *, struct resume_save *);

/* Where the part file of a torrent is kept, below the state directory; NULL without a directory. Owned by
 * the caller, freed with free(). */
char *resume_part_path(const struct resume *, const uint8_t info_hash[20], const char *destination);

#endif
