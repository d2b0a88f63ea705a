/* Magnet links (BEP 9 "magnet URI format", BEP 53). */
#ifndef CODEC_MAGNET_H
#define CODEC_MAGNET_H

#include "base/arena.h"
#include "spate.h"

struct magnet_range {
    uint32_t first, last; /* files, both included, counted from 0 */
};

/* Pointers lead into the arena. A magnet that is only written may point anywhere and needs no
 * arena. */
struct magnet {
    struct arena arena;
    bool has_v1, has_v2;      /* at least one */
    uint8_t info_hash[20];    /* xt=urn:btih */
    uint8_t info_hash_v2[32]; /* xt=urn:btmh */
    const char *name;         /* dn, valid UTF-8; NULL: none */
    const char **trackers;    /* tr; as in metainfo_tracker.url */
    uint32_t tracker_count;
    const char **web_seeds; /* ws */
    uint32_t web_seed_count;
    const char **peers; /* x.pe: "host:port" */
    uint32_t peer_count;
    const struct magnet_range *ranges; /* so, as it stands; none: every file */
    uint32_t range_count;
};

/* Unknown parameters are skipped; trackers, web seeds and peers that are none are left out, as are
 * those beyond the limits. SPATE_EMAGNET with the byte offset, SPATE_ELIMIT, SPATE_ENOMEM; then
 * there is nothing to free. */
int magnet_parse(struct magnet *, struct span text, struct spate_error *);
void magnet_deinit(struct magnet *);

/* Writes a link, cut to size and always terminated (unless size is 0); returns its length without
 * the final zero, even when it did not fit. */
size_t magnet_write(const struct magnet *, char *out, size_t size);

#endif
