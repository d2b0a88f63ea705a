/* What is in a torrent, for people and as JSON: --list, --dry-run, and spate show. */
#ifndef CLI_LISTING_H
#define CLI_LISTING_H

#include "apps/cli/source.h"

/* A numbered table of the files; wanted may be NULL. Returns an exit code. */
int listing_files(const struct source *, const struct options *, const uint8_t *wanted);
/* What `spate get` would do: which files, how many bytes, where, and whether there is room. */
int listing_plan(const struct source *, const struct options *, const uint8_t *wanted);
/* Everything, for people. */
int listing_show(const struct source *, const struct options *, bool files);
/* Everything in one JSON object on stdout; wanted may be NULL. */
int listing_json(const struct source *, const uint8_t *wanted);

/* The file's path on stdout, and what it is called on the disk where that is something else. */
void listing_put_path(const struct spate_metainfo_file *);

#endif
