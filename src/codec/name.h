/* Names that strangers chose, made safe for a disk: element by element, so that no text of a torrent is ever
 * taken for a path.
 *
 * A name that is safe already stays as it is. Else: what is not UTF-8, control characters, '/', '\' and
 * characters that reverse the direction of text become '_'; so does a final dot or space (and with it "."
 * and ".."); a name that is empty is "_"; names of devices on Windows get a '_' in front; what is too long
 * is cut at a character, keeps its extension and gets '~' and 8 hexadecimal digits of a hash of its path. */
#ifndef CODEC_NAME_H
#define CODEC_NAME_H

#include "codec/metainfo.h"

enum {
    NAME_BYTES_MIN = 32, /* no file system has shorter names; a smaller name_max counts as this */
    NAME_HASH_BYTES = 4,
};

/* A safe name of at most name_max bytes (NAME_BYTES_MIN to LIMIT_NAME_BYTES) for one element. hash is used
 * when it has to be cut. out has LIMIT_NAME_BYTES + 1 bytes; always terminates; returns the length. */
size_t name_make(struct span element, uint32_t name_max, const uint8_t hash[NAME_HASH_BYTES],
                 char *out);

/* The path of each file of the torrent below the destination, '/' between safe elements; of a torrent of
 * several files they begin with its own directory. NULL for padding. No two are the same, none is a
 * directory of another, and with fold_case that holds also where case does not count. Files that collide are
 * renamed but for the first of them; the same torrent always gets the same paths.
 *
 * name: the torrent's name on the disk, made safe too; NULL: its own. Memory is the arena's; *paths has
 * file_count entries. SPATE_ENOMEM, SPATE_ELIMIT (LIMIT_PATHS_BYTES). */
int name_map_build(const struct metainfo *, const char *name, uint32_t name_max, bool fold_case,
                   struct arena *, const char *const **paths);

/* The part of such a path below the torrent's own directory; the path itself for a single file. */
const char *name_below_root(const struct metainfo *, const char *path);

#endif
