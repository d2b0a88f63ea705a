/* Every bound of spate in one place. Reaching one is an ordinary error, with a test at n-1, n and n+1.
 * Units end the names; where a protocol or another client gave the number, it is said. */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

#include <stdint.h>

/* A table reads best as one. */
/* clang-format off */

/* ---- torrent files --------------------------------------------------------------------------- */
#define LIMIT_METAINFO_BYTES          (32u << 20)  /* honest ones of 24 MB with 166,067 files are known */
#define LIMIT_BENCODE_DEPTH           100u         /* as libtorrent */
#define LIMIT_BENCODE_TOKENS          8000000u
#define LIMIT_PIECE_BYTES             (1u << 29)
#define LIMIT_PIECES                  0x200000u    /* as libtorrent */
#define LIMIT_TORRENT_BYTES           (UINT64_C(1) << 62)
#define LIMIT_FILES                   1000000u
#define LIMIT_PATH_DEPTH              100u         /* elements of one path */
#define LIMIT_PATH_ELEMENTS           8000000u     /* of all files together */
#define LIMIT_PATHS_BYTES             (64u << 20)  /* of all files together, as the torrent says them */
#define LIMIT_PATH_ELEMENT_BYTES      70000u       /* as the torrent says it; on the disk it is shortened */
#define LIMIT_TRACKERS                256u         /* of one torrent */
#define LIMIT_WEB_SEEDS               256u
#define LIMIT_URL_BYTES               2048u
#define LIMIT_MAGNET_BYTES            16384u
#define LIMIT_MAGNET_PEERS            64u          /* x.pe */

/* ---- peers ----------------------------------------------------------------------------------- */
#define LIMIT_PEER_MESSAGE_BYTES      (1u << 20)   /* longest message but piece and bitfield */
#define LIMIT_PEER_EXT_BYTES          (256u << 10) /* extension message, BEP 10 */
#define LIMIT_PEER_REQUESTS_IN        500u         /* queued from one peer; we say so as reqq */
#define LIMIT_PEER_REQUESTS_OUT       500u         /* ours outstanding at one peer */
#define LIMIT_PEER_REQUEST_BYTES      (128u << 10) /* longest block somebody may ask for */
#define LIMIT_PEER_CONTROL_BYTES      (64u << 10)  /* control messages waiting to leave */
#define LIMIT_PEER_ALLOWED_FAST       64u          /* BEP 6 */
#define LIMIT_PEER_CLIENT_BYTES       64u          /* the name a peer calls itself */
#define LIMIT_PEER_REJECTS            50u          /* in a row, before we stop asking for a while */
#define LIMIT_CONNECTIONS             500u         /* of a session, default */
#define LIMIT_PEERS_PER_TORRENT       80u          /* connected, default */
#define LIMIT_PEERBOOK                3000u        /* known addresses of one torrent */
#define LIMIT_UNNAMED_CONNECTIONS     100u         /* incoming that have not named a torrent yet */
#define LIMIT_UNNAMED_PER_NETWORK     20u          /* of these, from one IPv4 address or IPv6 /64 */
#define LIMIT_CONNECTIONS_PER_IP      4u           /* of one torrent, to or from one address */
#define LIMIT_DIALLING                24u          /* connections of one torrent that are being opened by us */
#define LIMIT_PARTIAL_PIECES          2048u
#define LIMIT_PEERBOOK_BANS           1000u        /* banned IP addresses of one torrent */
#define LIMIT_STRANGERS               16384u       /* session-wide: IP addresses dialled of late */
#define LIMIT_PAROLE_RECORDS          64u          /* failed pieces remembered, of one torrent */
#define LIMIT_PAROLE_BLOCKS           262144u      /* their blocks, 16 bytes of memory each */
#define LIMIT_UPLOAD_SLOTS            100u         /* unchoked peers of one torrent */

/* ---- trackers -------------------------------------------------------------------------------- */
#define LIMIT_TRACKER_BODY_BYTES      (1u << 20)
#define LIMIT_TRACKER_PEERS           2000u        /* taken from one answer */
#define LIMIT_TRACKER_TEXT_BYTES      256u         /* failure and warning texts */
#define LIMIT_TRACKER_CONNECTIONS     64u          /* BEP 15 connection ids kept for their minute */
#define LIMIT_TRACKER_INTERVAL_MIN_S  60
#define LIMIT_TRACKER_INTERVAL_MAX_S  86400
#define LIMIT_HTTP_REDIRECTS          5u
#define LIMIT_HTTP_INFLATE_RATIO      100u         /* decoded bytes per byte received */
#define LIMIT_HTTP_CONCURRENT         50u          /* requests; with idle connections in between */
#define LIMIT_HTTP_IDLE               8u           /* connections kept when no request is left */
#define LIMIT_HTTP_URL_BYTES          8192u        /* of a request or a redirect, with its query */
#define LIMIT_HTTP_HEADER_BYTES       (64u << 10)  /* of one answer, all lines together */
#define LIMIT_RESOLVE_CONCURRENT      32u          /* names asked for at once; more wait their turn */
#define LIMIT_DATAGRAM_BYTES          2048u

/* ---- tracker server -------------------------------------------------------------------------- */
#define LIMIT_SWARMS                  1000000u
#define LIMIT_SWARM_PEERS             100000u      /* of one info-hash */
#define LIMIT_SWARMS_PEERS            2000000u     /* of all info-hashes */
#define LIMIT_SOURCE_PEERS            10000u       /* of one IPv4 address or IPv6 /64 */
#define LIMIT_ANNOUNCE_PEERS          200u         /* in one answer */
#define LIMIT_SCRAPE_HASHES           74u          /* of one request; BEP 15 fits 74 */

/* ---- disk ------------------------------------------------------------------------------------ */
#define LIMIT_FRAME_BYTES             (64u << 20)  /* memory of pieces in flight, default */
#define LIMIT_FRAME_CHUNK_BYTES       (256u << 10)
#define LIMIT_CHECKS                  2u           /* torrents whose files are hashed at a time; more wait */
#define LIMIT_OPEN_FILES              128u         /* of payload, session-wide */
#define LIMIT_WINDOWS                 4096u        /* of 1 MiB on files that are served, session-wide */
#define LIMIT_UPLOAD_RUN_BYTES        (256u << 10) /* of one piece, brought into memory for a peer at once */
#define LIMIT_UPLOAD_BYTES            (64u << 20)  /* read for peers, session-wide; beyond it one run for each */
#define LIMIT_NAME_BYTES              255u         /* of one path element, when the file system does not say */

/* ---- session --------------------------------------------------------------------------------- */
#define LIMIT_TORRENTS                200000u
#define LIMIT_LOG_ENTRIES             1024u
#define LIMIT_WORKERS                 64u          /* threads of one worker pool */
#define LIMIT_COMMANDS                65536u       /* messages to a session that are not yet handled */

/* clang-format on */

#endif
