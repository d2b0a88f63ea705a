/* The part file of a torrent: bytes of unwanted files that came with the pieces they share with wanted ones.
 * Sparse, with the torrent's own offsets, behind an index of the pieces whose unwanted bytes are here and
 * not in the files themselves, and of the files that were unwanted then. All calls but init and deinit come from
 * workers. */
#ifndef DISK_PART_FILE_H
#define DISK_PART_FILE_H

#include "base/bitset.h"
#include "codec/layout.h"
#include "io/io.h"

#include <pthread.h>

struct part_file {
    pthread_mutex_t lock; /* of everything but path and layout */
    const char *path;     /* lent; NULL: there is no part file, and all it is given is dropped */
    const struct layout *layout;
    uint32_t file_count;
    const uint8_t *files; /* lent: one byte a file, those whose bytes come here; NULL: none */
    bool read_only;
    bool looked;          /* whether it is there is known */
    struct io_file *file; /* NULL while it is not there */
    struct bitset
        pieces; /* whose unwanted bytes are here; without memory while the file is not there */
    struct bitset found; /* the files whose bytes came here, as the index said when it was read */
    bool dirty;          /* something was written since the last sync */
    bool torn;    /* the index on the disk may not be the one here: the next sync writes it */
    bool created; /* its directory gained an entry since the last sync */
};

/* SPATE_ENOMEM. */
int part_file_init(struct part_file *, const char *path, const struct layout *, uint32_t file_count,
                   bool read_only);
void part_file_deinit(struct part_file *);

/* 1: this piece's unwanted bytes are here; 0: they are not; < 0: the file cannot be read. */
int part_file_has(struct part_file *, struct io_fs *, uint32_t piece);
/* From now on they are here. before() is called first, once for each piece, to bring what lies elsewhere
 * with part_file_bring(). */
int part_file_claim(struct part_file *, struct io_fs *, uint32_t piece,
                    int (*before)(void *user, struct io_fs *, uint32_t piece), void *user);
/* Writes like part_file_write(), for before(). */
int part_file_bring(struct part_file *, struct io_fs *, uint64_t offset, const struct iovec *,
                    int count);
/* At offsets of the torrent. Reading holes is reading zeroes; beyond the end is SPATE_ESHORT. */
int part_file_read(struct part_file *, struct io_fs *, uint64_t offset, const struct iovec *,
                   int count, uint64_t length);
int part_file_write(struct part_file *, struct io_fs *, uint64_t offset, const struct iovec *,
                    int count);
/* One byte a file: whose bytes an earlier run left here. NULL: there is no part file, or no memory (then
 * *rc says so). Freed by the caller. */
uint8_t *part_file_found(struct part_file *, struct io_fs *, int *rc);
/* From now on the bytes of these files come here (lent; NULL: of none). Pieces that keep(user, piece) denies
 * are no longer here; without any the file is deleted. All of it is synced; on failure nothing has changed. */
int part_file_change(struct part_file *, struct io_fs *, const uint8_t *files,
                     bool (*keep)(void *user, uint32_t piece), void *user);
/* What is in it is good, and may be unsynced since an earlier run: the next sync covers it and its name. */
void part_file_mark(struct part_file *);
int part_file_sync(struct part_file *, struct io_fs *);
/* It is opened again when needed. */
void part_file_close(struct part_file *, struct io_fs *);

#endif
