/* URLs: the parts of one that parses are views into it that no line or header ends in, put together again
 * they are the same URL, and no secret of it survives redaction. */
#include "codec/url.h"

#include "base/addr.h"
#include "base/error.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_part(struct span part, struct span text)
{
    ASSERT(part.size == 0 ||
           (part.bytes >= text.bytes && part.bytes + part.size <= text.bytes + text.size));
    for (size_t i = 0; i < part.size; i++) {
        ASSERT(part.bytes[i] > ' ' && part.bytes[i] < 0x7f);
    }
}

static void check_parsed(const struct url *u, struct span text)
{
    struct addr address;
    struct span host;
    uint16_t port;
    check_part(u->scheme, text);
    check_part(u->userinfo, text);
    check_part(u->host, text);
    check_part(u->path, text);
    check_part(u->query, text);
    check_part(url_path_and_query(u), text);
    ASSERT(u->host.size > 0 && !memchr(u->host.bytes, '@', u->host.size));
    ASSERT(!u->host_is_v6 || addr_parse(&address, u->host));
    ASSERT(u->path.size == 0 || u->path.bytes[0] == '/');
    ASSERT(!url_has_scheme(u, "http") || u->port > 0);
    char joined[300];
    struct writer w = writer_over(joined, sizeof joined);
    writer_text(&w, u->host_is_v6 ? "[" : "");
    writer_span(&w, u->host);
    writer_text(&w, u->host_is_v6 ? "]:1" : ":1");
    ASSERT(!w.failed && url_parse_host_port(span_of(w.bytes, w.size), &host, &port));
    ASSERT(span_equals(host, u->host) && port == 1);
}

static void check_encoding(struct span text)
{
    size_t room = 3 * text.size + 1;
    char *encoded = malloc(room);
    uint8_t *decoded = malloc(room);
    ASSERT(encoded && decoded);
    ASSERT(url_encode(text, "/", encoded, room));
    ASSERT(url_decode(span_text(encoded), decoded, room) == (int)text.size);
    ASSERT(text.size == 0 || memcmp(decoded, text.bytes, text.size) == 0);
    url_encode(text, "", encoded, text.size / 2 + 1);
    ASSERT(strlen(encoded) <= text.size / 2);
    ASSERT(url_decode(text, decoded, room) <= (int)text.size);
    free(encoded);
    free(decoded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = span_of(data, size), host;
    struct url u;
    struct spate_error error = {.size = sizeof error};
    uint16_t port = 0;
    int failed = url_parse(&u, text, &error);
    ASSERT(!failed || (error.code == failed && error.offset <= size && error.text[0]));
    if (!failed) {
        check_parsed(&u, text);
    }
    ASSERT(!url_parse_host_port(text, &host, &port) || port > 0);
    check_encoding(text);
    size_t room =
        size * 2 + 8; /* "***" for one byte is the most that it grows, after a separator */
    char *redacted = malloc(room);
    ASSERT(redacted && strlen(url_redact(text, redacted, room)) < room);
    ASSERT(failed || u.userinfo.size == 0 || strstr(redacted, "://***@"));
    free(redacted);
    return 0;
}
