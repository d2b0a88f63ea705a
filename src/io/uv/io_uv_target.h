/* Where a request goes: a checked URL, what a redirect makes of it, and the proxy in between. */
#ifndef IO_UV_IO_UV_TARGET_H
#define IO_UV_IO_UV_TARGET_H

#include "base/error.h"

#include <curl/curl.h>

struct io_uv_target {
    CURLU *url;     /* owned */
    char host[256]; /* lower case ASCII, without the brackets of an IPv6 address */
    uint16_t port;
    bool is_https;
    bool is_literal; /* the host is an address */
};

/* http and https only. On failure *out is empty and *why a text without the URL. */
int io_uv_target_parse(struct io_uv_target *out, const char *url, const char **why);
void io_uv_target_deinit(struct io_uv_target *);
/* Moves to where location, an absolute or relative reference, points. Never from https to http;
 * user and password stay behind when scheme, host or port change. On failure the target is as it
 * was. */
int io_uv_target_redirect(struct io_uv_target *, const char *location, const char **why);

/* The proxy for a target: setting ("": none), or, when it is NULL, what the environment says.
 * *proxy is NULL when there is none, else freed with free(); host and port are where it listens. */
int io_uv_target_proxy(const struct io_uv_target *, const char *setting, char **proxy,
                       char host[256], uint16_t *port, const char **why);

#endif
