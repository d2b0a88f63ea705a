/* What a spate_metainfo is, for the calls of the public API that take one. */
#ifndef ENGINE_API_METAINFO_H
#define ENGINE_API_METAINFO_H

#include "codec/metainfo.h"

struct spate_metainfo {
    struct metainfo metainfo;
    struct arena names;            /* of paths and texts */
    const char *const *disk_paths; /* one a file, padding NULL; with the torrent's own directory */
    const char **texts; /* one a file of the public API: its path as the torrent says it */
};

#endif
