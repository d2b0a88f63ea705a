/* URLs (RFC 3986) for trackers (BEP 3, 15, 41) and web seeds (BEP 19). Hosts are taken as they are
 * written: no IDNA, and no numbers that merely count as an IPv4 address in some resolvers ("127.1",
 * "0x7f000001"), because an address check must see what the connection will see. */
#include "codec/url.h"

#include "base/addr.h"
#include "base/error.h"
#include "base/limits.h"

#include <inttypes.h>

enum {
    HOST_NAME_BYTES_MAX = 253, /* RFC 1035, 2.3.4, without the final dot */
    HOST_LABEL_BYTES_MAX = 63,
    /* Shortest path element that may be a passkey; announce paths of known trackers use 32 and
       more. */
    PASSKEY_BYTES_MIN = 16,
};

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(uint8_t c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static int hex_digit(uint8_t c)
{
    if (is_digit(c)) {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int refuse(struct spate_error *error, size_t offset, const char *what)
{
    return error_set(error, SPATE_EURL, offset, "not a valid URL: %s at byte %zu", what, offset);
}

/* The byte that a '%' at i stands for, or -1. */
static int encoded_byte(struct span text, size_t i)
{
    if (text.size - i < 3) {
        return -1;
    }
    int high = hex_digit(text.bytes[i + 1]), low = hex_digit(text.bytes[i + 2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* What may stand nowhere in a URL, because a request or a log line would break at it. */
static int check_bytes(struct span text, struct spate_error *error)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.bytes[i];
        if (c <= 0x20 || c == 0x7f) {
            return refuse(error, i, "a control character or space");
        }
        if (c >= 0x80) {
            return refuse(error, i, "a byte that is not ASCII and not percent-encoded");
        }
        if (strchr("\"<>\\", c)) {
            return refuse(error, i, "a character that no URL has");
        }
        if (c == '%') {
            int byte = encoded_byte(text, i);
            if (byte < 0) {
                return refuse(error, i, "a '%' without two hexadecimal digits");
            }
            if (byte < 0x20 || byte == 0x7f) {
                return refuse(error, i, "an encoded control character");
            }
        }
    }
    return 0;
}

/* The part of *rest before the first of the stops; *rest begins with the stop then, or is empty. */
static struct span take_until(struct span *rest, const char *stops)
{
    struct span taken = *rest;
    for (size_t i = 0; i < rest->size; i++) {
        if (memchr(stops, rest->bytes[i], strlen(stops))) {
            taken.size = i;
            break;
        }
    }
    *rest = span_of(rest->bytes + taken.size, rest->size - taken.size);
    return taken;
}

static bool parse_port(struct span text, uint16_t *port)
{
    uint32_t value = 0;
    if (text.size == 0 || text.size > 5) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (!is_digit(text.bytes[i])) {
            return false;
        }
        value = value * 10 + (uint32_t)(text.bytes[i] - '0');
    }
    *port = (uint16_t)value;
    return value >= 1 && value <= UINT16_MAX;
}

/* Labels of letters, digits, '-' and '_' between dots. A name whose last label is a number is an
 * IPv4 address, and then a plain one. */
static bool is_host_name(struct span host)
{
    size_t label = 0, last_label = 0;
    bool is_number = true;
    if (host.size > 0 && host.bytes[host.size - 1] == '.') {
        host.size--;
    }
    if (host.size == 0 || host.size > HOST_NAME_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < host.size; i++) {
        uint8_t c = host.bytes[i];
        if (c == '.') {
            if (label == 0) {
                return false;
            }
            label = 0;
            last_label = i + 1;
            is_number = true;
            continue;
        }
        if (!is_letter(c) && !is_digit(c) && c != '-' && c != '_') {
            return false;
        }
        is_number = is_number && is_digit(c);
        if (++label > HOST_LABEL_BYTES_MAX) {
            return false;
        }
    }
    struct span last = span_slice(host, last_label, SIZE_MAX);
    bool is_hex = last.size >= 2 && last.bytes[0] == '0' && (last.bytes[1] | 0x20) == 'x';
    struct addr address;
    if (is_number || is_hex) {
        return addr_parse(&address, host) && address.family == ADDR_V4;
    }
    return label > 0;
}

/* A host and what follows it in text: nothing, or ":port". True when the host is right; *port_text
 * is what follows its colon, with bytes NULL when there is no colon. */
static bool split_host(struct span text, struct span *host, bool *is_v6, struct span *port_text)
{
    struct addr address;
    *port_text = (struct span){NULL, 0};
    *is_v6 = text.size > 0 && text.bytes[0] == '[';
    if (*is_v6) {
        struct span inside = span_slice(text, 1, SIZE_MAX);
        *host = take_until(&inside, "]");
        if (inside.size == 0 || !memchr(host->bytes, ':', host->size) ||
            !addr_parse(&address, *host)) {
            return false;
        }
        text = span_slice(inside, 1, SIZE_MAX);
    } else {
        *host = take_until(&text, ":");
        if (!is_host_name(*host)) {
            return false;
        }
    }
    if (text.size > 0) {
        if (text.bytes[0] != ':') {
            return false;
        }
        *port_text = span_of(text.bytes + 1, text.size - 1);
    }
    return true;
}

bool url_parse_host_port(struct span text, struct span *host, uint16_t *port)
{
    bool is_v6;
    struct span port_text;
    return split_host(text, host, &is_v6, &port_text) && port_text.bytes &&
           parse_port(port_text, port);
}

bool url_has_scheme(const struct url *u, const char *scheme)
{
    for (size_t i = 0; i < u->scheme.size; i++) {
        uint8_t c = u->scheme.bytes[i];
        if ((is_letter(c) ? c | 0x20 : c) != (uint8_t)scheme[i]) {
            return false;
        }
    }
    return scheme[u->scheme.size] == 0;
}

static int parse_authority(struct url *u, struct span text, struct span authority,
                           struct spate_error *error)
{
    size_t offset = (size_t)(authority.bytes - text.bytes);
    struct span rest = authority, port_text;
    struct span before = take_until(&rest, "@");
    if (rest.size > 0) {
        u->userinfo = before;
        authority = span_of(rest.bytes + 1, rest.size - 1);
    }
    if (!split_host(authority, &u->host, &u->host_is_v6, &port_text)) {
        return refuse(error, offset, "a host that is no name and no address");
    }
    u->port = url_has_scheme(u, "http") ? 80 : url_has_scheme(u, "https") ? 443 : 0;
    if (port_text.size > 0 && !parse_port(port_text, &u->port)) {
        return refuse(error, (size_t)(port_text.bytes - text.bytes), "a port that is none");
    }
    return 0;
}

int url_parse(struct url *u, struct span text, struct spate_error *error)
{
    *u = (struct url){0};
    if (text.size > LIMIT_URL_BYTES) {
        return error_set(error, SPATE_ELIMIT, LIMIT_URL_BYTES,
                         "a URL of %zu bytes is longer than %u", text.size, LIMIT_URL_BYTES);
    }
    int failed = check_bytes(text, error);
    if (failed) {
        return failed;
    }
    struct span rest = text;
    u->scheme = take_until(&rest, ":");
    for (size_t i = 0; i < u->scheme.size; i++) {
        uint8_t c = u->scheme.bytes[i];
        if (!is_letter(c) && (i == 0 || (!is_digit(c) && !strchr("+-.", c)))) {
            return refuse(error, i, "a scheme that is none");
        }
    }
    if (u->scheme.size == 0 || rest.size < 3 || memcmp(rest.bytes, "://", 3) != 0) {
        return refuse(error, u->scheme.size, "no scheme and \"://\"");
    }
    rest = span_of(rest.bytes + 3, rest.size - 3);
    struct span authority = take_until(&rest, "/?#");
    failed = parse_authority(u, text, authority, error);
    if (failed) {
        return failed;
    }
    u->path_and_query = take_until(&rest, "#");
    rest = u->path_and_query;
    u->path = take_until(&rest, "?");
    u->query = rest.size > 0 ? span_of(rest.bytes + 1, rest.size - 1) : span_of(NULL, 0);
    return 0;
}

bool url_encode(struct span text, const char *keep, char *out, size_t size)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t used = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.bytes[i];
        bool plain = is_letter(c) || is_digit(c) || (c && (strchr("-._~", c) || strchr(keep, c)));
        if (size - used <= (plain ? 1u : 3u)) {
            out[used] = 0;
            return false;
        }
        if (plain) {
            out[used++] = (char)c;
        } else {
            out[used++] = '%';
            out[used++] = digits[c >> 4];
            out[used++] = digits[c & 15];
        }
    }
    out[used] = 0;
    return true;
}

int url_decode(struct span text, uint8_t *out, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < text.size; i++) {
        int byte = text.bytes[i];
        if (byte == '%') {
            byte = encoded_byte(text, i);
            i += 2;
        }
        if (byte < 0 || used == size || used == INT32_MAX) {
            return -1;
        }
        out[used++] = (uint8_t)byte;
    }
    return (int)used;
}

/* ---- for logs -------------------------------------------------------------------------------- */

static void append(char *out, size_t size, size_t *used, struct span text)
{
    size_t room = size - 1 - *used;
    size_t n = text.size < room ? text.size : room;
    if (n > 0) {
        memcpy(out + *used, text.bytes, n);
    }
    *used += n;
    out[*used] = 0;
}

/* Long, with a digit, and made of what keys are made of. */
static bool may_be_passkey(struct span element)
{
    bool digit = false;
    for (size_t i = 0; i < element.size; i++) {
        uint8_t c = element.bytes[i];
        if (!is_letter(c) && !is_digit(c) && c != '-' && c != '_' && c != '%') {
            return false;
        }
        digit = digit || is_digit(c);
    }
    return digit && element.size >= PASSKEY_BYTES_MIN;
}

static void redact_authority(struct span authority, char *out, size_t size, size_t *used)
{
    struct span rest = authority;
    for (size_t i = 0; i < authority.size; i++) {
        if (authority.bytes[i] == '@') {
            rest = span_of(authority.bytes + i, authority.size - i);
        }
    }
    if (rest.size < authority.size || (rest.size > 0 && rest.bytes[0] == '@')) {
        append(out, size, used, span_text("***"));
    }
    append(out, size, used, rest);
}

static void redact_path(struct span path, char *out, size_t size, size_t *used)
{
    while (path.size > 0) {
        append(out, size, used, span_of(path.bytes, 1));
        path = span_of(path.bytes + 1, path.size - 1);
        struct span element = take_until(&path, "/");
        append(out, size, used, may_be_passkey(element) ? span_text("***") : element);
    }
}

/* Keys stay, values go; a value without a key goes too. */
static void redact_query(struct span query, char *out, size_t size, size_t *used)
{
    while (query.size > 0) {
        append(out, size, used, span_of(query.bytes, 1)); /* '?', '&' or '#' */
        query = span_of(query.bytes + 1, query.size - 1);
        struct span value = take_until(&query, "&#");
        struct span key = take_until(&value, "=");
        if (value.size > 0) {
            append(out, size, used, span_of(key.bytes, key.size + 1));
        }
        if (value.size > 1 || (value.size == 0 && key.size > 0)) {
            append(out, size, used, span_text("***"));
        }
    }
}

const char *url_redact(struct span text, char *out, size_t size)
{
    size_t used = 0;
    struct span rest = text;
    struct span scheme = take_until(&rest, ":");
    out[0] = 0;
    if (rest.size >= 3 && memcmp(rest.bytes, "://", 3) == 0) {
        append(out, size, &used, span_of(scheme.bytes, scheme.size + 3));
        rest = span_of(rest.bytes + 3, rest.size - 3);
    } else {
        rest = text;
    }
    redact_authority(take_until(&rest, "/?#"), out, size, &used);
    redact_path(take_until(&rest, "?#"), out, size, &used);
    redact_query(rest, out, size, &used);
    return out;
}
