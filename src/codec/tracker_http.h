/* Messages of HTTP trackers, both sides: URLs and bencoded answers of announces (BEP 3, 7, 21, 23,
 * 24, 31) and scrapes (BEP 48). */
#ifndef CODEC_TRACKER_HTTP_H
#define CODEC_TRACKER_HTTP_H

#include "base/error.h"
#include "codec/tracker.h"

/* ---- the client's requests ------------------------------------------------------------------- */

/* The URL to get: the announce URL, its own query kept, and our parameters behind it. tracker_id
 * may be empty. Terminates out. SPATE_EURL when the announce URL's query sets parameters of ours,
 * or holds bytes that no URL holds; SPATE_ELIMIT when it does not fit. */
int tracker_http_announce_url(struct span announce_url, const struct tracker_announce *,
                              struct span tracker_id, char *out, size_t size);
/* The URL of a scrape. SPATE_EUNSUPPORTED when the last element of the announce URL's path does not
 * begin with "announce": by convention such a tracker has no scrape. */
int tracker_http_scrape_url(struct span announce_url, const uint8_t info_hash[20], char *out,
                            size_t size);

/* ---- the client reads ------------------------------------------------------------------------ */

/* The answer to an announce; writes up to max peers (those that are literal addresses). A refusal
 * is a parsed answer with failure set. SPATE_ETRACKER with *error filled when it is no tracker's
 * answer. */
int tracker_http_parse_answer(struct tracker_answer *, struct span body, struct addr *peers,
                              uint32_t max, struct spate_error *error);
/* The answer to a scrape of one torrent; *failure is empty unless the tracker refused.
 * SPATE_ETRACKER when it is no tracker's answer or does not name the torrent. */
int tracker_http_parse_scrape(struct tracker_counts *, struct span *failure, struct span body,
                              const uint8_t info_hash[20], struct spate_error *error);

/* ---- the server reads ------------------------------------------------------------------------ */

struct tracker_http_request {
    struct tracker_announce announce;
    bool compact;    /* wanted (BEP 23); the default */
    bool no_peer_id; /* in lists that are not compact */
};

/* query: what follows the '?', still escaped. Parameters that are not known are skipped; ip= too,
 * since believing it would aim peers at a victim (BEP 7). SPATE_EINVAL with *error filled: the text
 * is for the client. */
int tracker_http_parse_announce(struct tracker_http_request *, struct span query,
                                struct spate_error *error);
/* The info_hash parameters of a scrape, 20 bytes each into out; returns how many (at most max), or
 * SPATE_EINVAL. Zero: a full scrape is asked for. */
int tracker_http_parse_scrape_query(struct span query, uint8_t *out, uint32_t max,
                                    struct spate_error *error);

/* ---- the server writes: a full writer is left failed ----------------------------------------- */

struct tracker_http_peer {
    struct addr address;
    const uint8_t *peer_id; /* 20 bytes */
};

struct tracker_http_reply {
    uint32_t interval_s, min_interval_s;
    struct tracker_counts counts;
    struct addr external;                  /* the asker's address (BEP 24) */
    const struct tracker_http_peer *peers; /* of external's family */
    uint32_t peer_count;
};

void tracker_http_write_reply(struct writer *, const struct tracker_http_request *,
                              const struct tracker_http_reply *);
void tracker_http_write_failure(struct writer *, const char *text);

struct tracker_http_scraped {
    uint8_t info_hash[20];
    struct tracker_counts counts;
    uint32_t downloaders; /* leechers that are not partial seeds (BEP 21) */
};

/* files: sorted by info-hash without duplicates by this call. */
void tracker_http_write_scrape(struct writer *, struct tracker_http_scraped *files, uint32_t count);

#endif
