/* A torrent file (BEP 3, 12, 19, 27, 47, 52), read once and kept in one arena.
 *
 * Nothing in it is believed without a check: sizes are summed with overflow in mind and held to the
 * bounds of limits.h, hashes are taken over the original bytes, and where a hybrid says the same
 * thing twice (v1 and v2) both must agree. Names are kept as they came; codec/name.h makes them
 * safe for a disk. */
#ifndef CODEC_METAINFO_H
#define CODEC_METAINFO_H

#include "base/arena.h"
#include "base/bytes.h"
#include "spate.h"

enum metainfo_file_flags { /* BEP 47 */
                           METAINFO_FILE_PAD =
                               1, /* zeroes that align the next file; never on the disk */
                           METAINFO_FILE_EXECUTABLE = 2,
                           METAINFO_FILE_HIDDEN = 4,
                           METAINFO_FILE_SYMLINK = 8,
};

struct metainfo_file {
    const struct span *elements; /* of its path below the torrent's name; a single file: {name} */
    uint32_t element_count;      /* at least 1, but for padding */
    uint32_t flags;              /* enum metainfo_file_flags */
    uint64_t length;             /* bytes; a symbolic link has none */
    uint64_t offset;             /* of its first byte in the torrent */
    const struct span
        *link; /* the target of a symbolic link, from the torrent's root; as it came */
    uint32_t link_count;
    uint32_t index;             /* its number in the public API, which does not count padding;
                                 * UINT32_MAX: padding */
    const uint8_t *pieces_root; /* BEP 52, 32 bytes; NULL: v1 only, or an empty file */
};

struct metainfo_tracker {
    const char *url; /* not empty, no control characters, no spaces; may be of any scheme */
    uint32_t tier;   /* BEP 12; from 0, ascending, without gaps */
};

/* All pointers lead into the arena. The struct may be moved. Texts are UTF-8 without control over
 * what they show: bytes that were none are '?'; NULL when absent. */
struct metainfo {
    struct arena arena;
    struct span bytes;        /* the whole file */
    struct span info;         /* the info dictionary as it stands in it */
    uint8_t info_hash[20];    /* SHA-1 of info; zero unless has_v1 */
    uint8_t info_hash_v2[32]; /* SHA-256 of info; zero unless has_v2 */
    const char *name;
    struct span raw_name; /* as it came */
    const char *comment, *created_by;
    int64_t creation_date; /* seconds since 1970; -1: absent */
    bool has_v1, has_v2;
    bool is_private; /* BEP 27 */
    bool single_file;
    uint32_t piece_length; /* bytes */
    uint32_t piece_count;
    uint64_t total_length;       /* bytes of the piece space, padding included */
    uint64_t listed_length;      /* bytes of all files but padding */
    const uint8_t *piece_hashes; /* 20 bytes a piece; NULL unless has_v1 */
    struct metainfo_file *files; /* in the order of the piece space */
    uint32_t file_count;         /* padding counts */
    const uint32_t *listed;      /* numbers of the files that are no padding: the public API's index
                                  * to ours; metainfo_file.index is the way back */
    uint32_t listed_count;
    struct metainfo_tracker *trackers; /* by tiers; each URL once */
    uint32_t tracker_count;
    const char **web_seeds; /* BEP 19 */
    uint32_t web_seed_count;
};

/* Copies the bytes. What follows the end of the torrent is ignored. SPATE_EBENCODE or
 * SPATE_EMETAINFO with the byte offset, SPATE_ELIMIT, SPATE_EUNSUPPORTED (a later version),
 * SPATE_ENOMEM; then there is nothing to free. */
int metainfo_parse(struct metainfo *, struct span bytes, struct spate_error *);
void metainfo_deinit(struct metainfo *);

/* 0 when it can be downloaded over v1; SPATE_EV2ONLY. */
int metainfo_require_v1(const struct metainfo *, struct spate_error *);

/* Of trackers and web seeds beyond the limits the first are kept. */

#endif
