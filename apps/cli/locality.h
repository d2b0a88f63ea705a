/* Whether an address that the user typed is one of the local network. What the user names may be asked;
 * what a torrent names may not be local unless the user said so. */
#ifndef CLI_LOCALITY_H
#define CLI_LOCALITY_H

#include <stdbool.h>

/* True when a URL, HOST:PORT or an address names, by its looks, this machine or the local network: a
 * private or loopback address, a name without a dot, or one below localhost, local, lan, home.arpa or
 * internal. */
bool locality_is_local(const char *url);

#endif
