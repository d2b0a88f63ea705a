/* URLs of trackers and web seeds (RFC 3986), read strictly, since torrents bring them and requests
 * are built from them: no control characters, spaces or other bytes that end a header or a line,
 * plain or percent-encoded; a host is a host name or an address and nothing that only some parsers
 * would take for one. */
#ifndef CODEC_URL_H
#define CODEC_URL_H

#include "base/bytes.h"
#include "spate.h"

/* Views of the text that was parsed; empty when absent. */
struct url {
    struct span scheme;
    struct span userinfo;       /* without the '@', still encoded; a secret */
    struct span host;           /* an address without brackets, or a name, as it stands */
    bool host_is_v6;            /* needs brackets */
    uint16_t port;              /* the scheme's own when not given; 0: neither given nor known */
    struct span path;           /* with its leading '/', still encoded */
    struct span query;          /* without the '?', still encoded */
    struct span path_and_query; /* both, as they stand; what BEP 41 sends */
};

/* An absolute URL with a host. A fragment is left out. SPATE_EURL with the byte offset,
 * SPATE_ELIMIT (LIMIT_URL_BYTES). */
int url_parse(struct url *, struct span text, struct spate_error *);
/* Without regard to case. */
bool url_has_scheme(const struct url *, const char *scheme);
static inline struct span url_path_and_query(const struct url *u)
{
    return u->path_and_query;
}

/* "host:port", "1.2.3.4:80" or "[::1]:80", with a port from 1. *host is without brackets. */
bool url_parse_host_port(struct span text, struct span *host, uint16_t *port);

/* Percent-encodes all but letters, digits and "-._~", and the bytes in keep. Always terminates.
 * False when it did not fit; size 3 * text.size + 1 always does. */
bool url_encode(struct span text, const char *keep, char *out, size_t size);
/* Undoes percent-encoding; out may be the text's own memory. Returns the bytes, or -1 when a '%' is
 * not followed by two hexadecimal digits or when there are more than size bytes. */
int url_decode(struct span text, uint8_t *out, size_t size);

/* A URL for logs, of anything that may be one: userinfo, the values of the query and elements of
 * the path that look like a passkey are "***". Other bytes are kept: escape them for a terminal.
 * Always terminates, cut to size. Returns out. */
const char *url_redact(struct span text, char *out, size_t size);

#endif
