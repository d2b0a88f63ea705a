/* The URLs of simulated requests, taken apart. */
#ifndef IO_SIM_IO_SIM_URL_H
#define IO_SIM_IO_SIM_URL_H

#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct io_sim_url {
    bool is_https;
    char host[256]; /* lower case, without brackets */
    uint16_t port;
    char path[LIMIT_HTTP_URL_BYTES + 1]; /* begins with '/', with the query, without the fragment */
};

/* An absolute http or https URL. On failure *why is a text that lives for ever. SPATE_EURL. */
int io_sim_url_parse(struct io_sim_url *, const char *text, const char **why);
/* Where a Location leads from here. SPATE_EURL, SPATE_EBLOCKED (from https to http). */
int io_sim_url_redirect(struct io_sim_url *, const char *location, const char **why);
/* Writes it as text. */
void io_sim_url_format(const struct io_sim_url *, char *out, size_t size);

#endif
