/* What all parts of one session share. It knows no torrent and no connection. */
#ifndef ENGINE_ENV_H
#define ENGINE_ENV_H

#include "base/log.h"
#include "base/rate.h"
#include "crypto/chacha.h"
#include "disk/assembly.h"
#include "disk/open_files.h"
#include "disk/resume.h"
#include "disk/windows.h"
#include "engine/announce.h"
#include "engine/bandwidth.h"
#include "engine/settings.h"
#include "engine/timers.h"
#include "engine/turn.h"
#include "proto/peer.h"
#include "swarm/strangers.h"

struct env {
    struct io *io;
    struct log log;
    struct settings settings;
    struct chacha random;
    struct timers timers;
    struct turn turn;
    struct bucket down, up; /* of the whole session */
    struct frames *frames;
    struct open_files *open_files; /* of payload, one maximum for all torrents */
    struct windows *windows;       /* on payload that is served, likewise */
    struct resume *resume;
    struct announce_udp *udp_trackers;
    struct strangers strangers;
    struct peer_scratch *scratch;
    uint8_t peer_id[20];
    uint16_t port;                             /* we listen on; 0: nobody can reach us */
    uint32_t connections;                      /* open or being opened */
    uint64_t next_key;                         /* of connections; never used twice */
    uint64_t upload_bytes;                     /* memory of runs read for peers */
    uint64_t downloaded_bytes, uploaded_bytes; /* payload */
    struct rate down_rate, up_rate;
    struct timer totals_timer;  /* then people see the above as it is */
    uint32_t checks;            /* under way */
    struct list checks_waiting; /* of torrent.check_turn */
};

#endif
