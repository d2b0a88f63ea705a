/* Internet addresses as values. */
#include "base/addr.h"

#include <arpa/inet.h>
#include <stdio.h>

static const uint8_t v4_mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

struct addr addr_v4(const uint8_t ip[4], uint16_t port)
{
    struct addr a = {.port = port, .family = ADDR_V4};
    memcpy(a.ip, ip, 4);
    return a;
}

struct addr addr_v6(const uint8_t ip[16], uint16_t port)
{
    if (memcmp(ip, v4_mapped, sizeof v4_mapped) == 0) {
        return addr_v4(ip + 12, port);
    }
    struct addr a = {.port = port, .family = ADDR_V6};
    memcpy(a.ip, ip, 16);
    return a;
}

bool addr_same_ip(const struct addr *a, const struct addr *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

bool addr_same_network(const struct addr *a, const struct addr *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, a->family == ADDR_V6 ? 8 : 4) == 0;
}

bool addr_equals(const struct addr *a, const struct addr *b)
{
    return addr_same_ip(a, b) && a->port == b->port;
}

/* A decimal port from 0 to 65535, and nothing else. */
static bool parse_port(struct span text, uint16_t *port)
{
    uint32_t value = 0;
    if (text.size == 0 || text.size > 5) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (text.bytes[i] < '0' || text.bytes[i] > '9') {
            return false;
        }
        value = value * 10 + (uint32_t)(text.bytes[i] - '0');
    }
    *port = (uint16_t)value;
    return value <= 65535;
}

static bool parse_ip(struct span text, struct addr *out)
{
    char copy[INET6_ADDRSTRLEN + 1];
    if (text.size == 0 || text.size >= sizeof copy || memchr(text.bytes, 0, text.size)) {
        return false;
    }
    memcpy(copy, text.bytes, text.size);
    copy[text.size] = 0;
    uint8_t ip[16];
    if (inet_pton(AF_INET, copy, ip) == 1) {
        *out = addr_v4(ip, 0);
        return true;
    }
    if (inet_pton(AF_INET6, copy, ip) == 1) {
        *out = addr_v6(ip, 0);
        return true;
    }
    return false;
}

bool addr_parse(struct addr *out, struct span text)
{
    if (parse_ip(text, out)) {
        return true;
    }
    uint16_t port = 0;
    if (text.size > 0 && text.bytes[0] == '[') {
        const uint8_t *close = memchr(text.bytes, ']', text.size);
        if (!close) {
            return false;
        }
        size_t end = (size_t)(close - text.bytes);
        struct span rest = span_slice(text, end + 1, SIZE_MAX);
        bool port_is_right = rest.size == 0 || (rest.bytes[0] == ':' &&
                                                parse_port(span_slice(rest, 1, SIZE_MAX), &port));
        if (!port_is_right || !parse_ip(span_slice(text, 1, end - 1), out)) {
            return false;
        }
    } else {
        const uint8_t *colon = memchr(text.bytes, ':', text.size);
        if (!colon) {
            return false;
        }
        size_t at = (size_t)(colon - text.bytes);
        if (!parse_port(span_slice(text, at + 1, SIZE_MAX), &port) ||
            !parse_ip(span_slice(text, 0, at), out)) {
            return false;
        }
    }
    out->port = port;
    return true;
}

const char *addr_format(const struct addr *a, char out[ADDR_TEXT_MAX])
{
    char ip[INET6_ADDRSTRLEN] = "?";
    if (a->family == ADDR_NONE) {
        snprintf(out, ADDR_TEXT_MAX, "-");
        return out;
    }
    inet_ntop(a->family == ADDR_V4 ? AF_INET : AF_INET6, a->ip, ip, sizeof ip);
    if (a->port == 0) {
        snprintf(out, ADDR_TEXT_MAX, "%s", ip);
    } else {
        snprintf(out, ADDR_TEXT_MAX, a->family == ADDR_V4 ? "%s:%u" : "[%s]:%u", ip, a->port);
    }
    return out;
}

void addr_compact(const struct addr *a, uint8_t *out)
{
    size_t ip_bytes = addr_compact_bytes(a) - 2;
    memcpy(out, a->ip, ip_bytes);
    store_be16(out + ip_bytes, a->port);
}

struct addr addr_from_compact(const uint8_t *bytes, enum addr_family family)
{
    return family == ADDR_V4 ? addr_v4(bytes, load_be16(bytes + 4))
                             : addr_v6(bytes, load_be16(bytes + 16));
}

/* Some IPv6 prefixes carry an IPv4 address, which is then the one that counts. */
static bool embedded_v4(const struct addr *a, struct addr *out)
{
    static const uint8_t nat64[12] = {0, 0x64, 0xff, 0x9b};
    if (a->family != ADDR_V6) {
        return false;
    }
    if (memcmp(a->ip, nat64, sizeof nat64) == 0) {
        *out = addr_v4(a->ip + 12, a->port);
        return true;
    }
    if (a->ip[0] == 0x20 && a->ip[1] == 0x02) {
        *out = addr_v4(a->ip + 2, a->port);
        return true;
    }
    return false;
}

bool addr_is_any(const struct addr *a)
{
    static const uint8_t zero[16];
    return memcmp(a->ip, zero, sizeof zero) == 0;
}

bool addr_is_loopback(const struct addr *a)
{
    static const uint8_t one[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    struct addr inner;
    if (embedded_v4(a, &inner)) {
        return addr_is_loopback(&inner);
    }
    return a->family == ADDR_V4 ? a->ip[0] == 127 : memcmp(a->ip, one, sizeof one) == 0;
}

bool addr_is_special(const struct addr *a)
{
    struct addr inner;
    if (a->family == ADDR_NONE || addr_is_any(a)) {
        return true;
    }
    if (embedded_v4(a, &inner)) {
        return addr_is_special(&inner);
    }
    if (a->family == ADDR_V4) {
        return a->ip[0] == 0 || a->ip[0] >= 224;
    }
    return a->ip[0] == 0xff;
}

bool addr_is_private(const struct addr *a)
{
    struct addr inner;
    if (embedded_v4(a, &inner)) {
        return addr_is_private(&inner);
    }
    const uint8_t *ip = a->ip;
    if (a->family == ADDR_V4) {
        return ip[0] == 10 || (ip[0] == 172 && (ip[1] & 0xf0) == 16) ||
               (ip[0] == 192 && ip[1] == 168) || (ip[0] == 169 && ip[1] == 254) ||
               (ip[0] == 100 && (ip[1] & 0xc0) == 64);
    }
    return (ip[0] & 0xfe) == 0xfc || (ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80);
}
