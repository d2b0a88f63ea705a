/* The bytes of a v1 torrent file (BEP 3, 12, 19, 27) from what stands in it. */
#ifndef CODEC_METAINFO_WRITE_H
#define CODEC_METAINFO_WRITE_H

#include "codec/metainfo.h"

struct metainfo_draft_file {
    const char *path; /* below the torrent's name, '/' between elements; a single file: not used */
    uint64_t length;  /* bytes */
};

/* Pointers are the caller's; NULL texts are left out. */
struct metainfo_draft {
    const char *name;
    bool single_file;                        /* files[0] is the torrent itself */
    bool is_private;                         /* BEP 27 */
    const struct metainfo_draft_file *files; /* in the order of the piece space */
    uint32_t file_count;                     /* at least 1 */
    uint32_t piece_length;                   /* bytes */
    uint32_t piece_count;
    const uint8_t *piece_hashes;             /* 20 bytes a piece */
    const struct metainfo_tracker *trackers; /* tiers ascending */
    uint32_t tracker_count;
    const char *const *web_seeds;
    uint32_t web_seed_count;
    const char *comment, *created_by;
    int64_t creation_date; /* seconds since 1970; -1: left out */
};

/* Bytes that the torrent file will not exceed. */
size_t metainfo_write_bound(const struct metainfo_draft *);
/* Writes the file; out->failed tells that it did not fit. */
void metainfo_write(const struct metainfo_draft *, struct writer *out);

#endif
