/* Messages of UDP trackers, both sides (BEP 15, options of BEP 41): bytes to structs and back.
 * A parser accepts messages that are longer than they need to be, as BEP 15 asks. */
#ifndef CODEC_TRACKER_UDP_H
#define CODEC_TRACKER_UDP_H

#include "codec/tracker.h"

#define TRACKER_UDP_MAGIC UINT64_C(0x41727101980) /* protocol_id of a connect request, BEP 15 */

enum {
    TRACKER_UDP_CONNECT_BYTES = 16,  /* request and answer */
    TRACKER_UDP_ANNOUNCE_BYTES = 98, /* request without options */
    TRACKER_UDP_ANSWER_BYTES = 20,   /* announce answer without peers */
    TRACKER_UDP_HEADER_BYTES = 8,    /* action and transaction id, with which every answer begins */
    TRACKER_UDP_COUNTS_BYTES = 12,   /* of one info-hash in a scrape answer */
};

enum tracker_udp_action {
    TRACKER_UDP_CONNECT = 0,
    TRACKER_UDP_ANNOUNCE = 1,
    TRACKER_UDP_SCRAPE = 2,
    TRACKER_UDP_ERROR = 3, /* answers only */
};

/* ---- the client writes; a full writer is left failed ----------------------------------------- */

void tracker_udp_write_connect(struct writer *, uint32_t transaction_id);
/* url_data: path and query of the tracker's URL (BEP 41); empty writes no option. */
void tracker_udp_write_announce(struct writer *, uint64_t connection_id, uint32_t transaction_id,
                                const struct tracker_announce *, struct span url_data);
/* info_hashes: count times 20 bytes, count <= LIMIT_SCRAPE_HASHES. */
void tracker_udp_write_scrape(struct writer *, uint64_t connection_id, uint32_t transaction_id,
                              const uint8_t *info_hashes, uint32_t count);

/* ---- the client reads ------------------------------------------------------------------------ */

/* Any answer, as far as its action goes. The caller compares transaction_id with its own and action
 * with what it asked. */
struct tracker_udp_answer {
    enum tracker_udp_action action;
    uint32_t transaction_id;
    uint64_t connection_id;         /* CONNECT */
    struct tracker_answer announce; /* ANNOUNCE, but for the peers */
    struct span peers;              /* ANNOUNCE: whole entries of 6 or 18 bytes */
    struct span counts;             /* SCRAPE: whole entries of 12 bytes */
    struct span error;              /* ERROR: its text */
};

/* family is that of the conversation: it says how long a peer is. False: too short or no such
 * action. */
bool tracker_udp_parse_answer(struct tracker_udp_answer *, struct span bytes,
                              enum addr_family family);
/* Writes up to max peers; returns how many. */
uint32_t tracker_udp_peers(const struct tracker_udp_answer *, enum addr_family family,
                           struct addr *out, uint32_t max);
/* The index-th entry of a scrape answer; false when there is none. */
bool tracker_udp_counts(const struct tracker_udp_answer *, uint32_t index,
                        struct tracker_counts *out);

/* ---- the server reads ------------------------------------------------------------------------ */

struct tracker_udp_request {
    enum tracker_udp_action action; /* CONNECT, ANNOUNCE, SCRAPE */
    uint32_t transaction_id;
    uint64_t connection_id;           /* not of CONNECT */
    struct tracker_announce announce; /* ANNOUNCE */
    struct span info_hashes;          /* SCRAPE: 20 bytes each, at most LIMIT_SCRAPE_HASHES */
    struct span options;              /* ANNOUNCE: what follows (BEP 41) */
};

/* False: too short, a connect without the magic, or no such action. */
bool tracker_udp_parse_request(struct tracker_udp_request *, struct span bytes);
/* The URL data of BEP 41 options, its pieces put together; returns its bytes, or 0 when there is
 * none or it does not fit or the options are cut off. */
size_t tracker_udp_url_data(struct span options, char *out, size_t size);

/* ---- the server writes ----------------------------------------------------------------------- */

void tracker_udp_write_connected(struct writer *, uint32_t transaction_id, uint64_t connection_id);
/* The peers follow as compact entries (addr_compact). */
void tracker_udp_write_announced(struct writer *, uint32_t transaction_id, uint32_t interval_s,
                                 uint32_t leechers, uint32_t seeders);
/* The counts follow, one entry an info-hash in the order of the request. */
void tracker_udp_write_scraped(struct writer *, uint32_t transaction_id);
void tracker_udp_write_counts(struct writer *, struct tracker_counts);
void tracker_udp_write_error(struct writer *, uint32_t transaction_id, const char *text);

#endif
