/* Where torrents come from: a file, standard input, an http or https URL. */
#ifndef CLI_SOURCE_H
#define CLI_SOURCE_H

#include "apps/cli/options.h"
#include "spate.h"

struct source {
    const char *name; /* as it was given */
    void *bytes;
    size_t size;
    bool fetched; /* bytes belong to spate_free() */
    spate_metainfo *metainfo;
    struct spate_metainfo_info info;
};

/* Reads, fetches and parses. Says what is wrong on stderr; returns an exit code. */
int source_open(struct source *, const char *name, const struct options *);
void source_close(struct source *);

/* Adds the sources that the files of -i name, one a line ('#' begins a comment), to *list. The words are
 * added to *owned, whose items the caller frees. Returns an exit code. */
int source_read_lists(const struct options *, struct option_list *list, struct option_list *owned);

#endif
