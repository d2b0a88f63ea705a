/* From options to the library's settings, and how URLs are shown. */
#ifndef CLI_NETWORK_H
#define CLI_NETWORK_H

#include "apps/cli/options.h"
#include "spate.h"

enum network_use {
    NETWORK_SESSION, /* everything */
    NETWORK_FETCH,   /* HTTP to a URL that the user typed */
    NETWORK_SCRAPE,  /* one request to a tracker that the user asks about */
};

/* Strings belong to the options. url is what will be asked, for NETWORK_FETCH and NETWORK_SCRAPE. */
void network_fill_settings(struct spate_settings *, const struct options *, enum network_use,
                           const char *url);
/* Looks at what can be seen to be wrong before anything is asked: --tracker, --proxy, --ca-cert, --bind.
 * An exit code, with a sentence unless it is 0. */
int network_check(const struct options *, char *text, size_t size);
/* The text as it may be shown: with secrets in URLs removed, unless --verbose. Returns out or text. */
const char *network_show_url(const struct options *, const char *text, char *out, size_t size);
/* Replaces each HOST:PORT of --peer that has a name by its addresses. False with a sentence. The words
 * are owned by *owned. */
bool network_resolve_peers(const struct options *, struct option_list *peers,
                           struct option_list *owned, char *text, size_t size);

#endif
