/* An internet address with a port, IPv4 or IPv6, as a plain value that can be a map key. */
#ifndef BASE_ADDR_H
#define BASE_ADDR_H

#include "base/bytes.h"

enum addr_family { ADDR_NONE = 0, ADDR_V4 = 4, ADDR_V6 = 6 };

/* No padding and unused bytes zero, so that memcmp and hashing are right. */
struct addr {
    uint8_t ip[16];  /* network order; the first 4 for IPv4, the rest zero */
    uint16_t port;   /* host order */
    uint16_t family; /* enum addr_family */
    uint32_t scope;  /* interface index of a link-local IPv6 address, else 0 */
};

enum { ADDR_TEXT_MAX = 64 };

struct addr addr_v4(const uint8_t ip[4], uint16_t port);
/* A v4-mapped address becomes IPv4. */
struct addr addr_v6(const uint8_t ip[16], uint16_t port);
bool addr_equals(const struct addr *, const struct addr *);
bool addr_same_ip(const struct addr *, const struct addr *);
/* The same IPv4 address, or addresses of one IPv6 /64, which one subscriber has to himself. */
bool addr_same_network(const struct addr *, const struct addr *);
/* "1.2.3.4:80", "[::1]:80"; without a port it is 0. False when text is not exactly an address. */
bool addr_parse(struct addr *, struct span text);
/* Always terminates; returns out. The port is left out when it is 0. */
const char *addr_format(const struct addr *, char out[ADDR_TEXT_MAX]);
/* Bytes of the compact form: 6 or 18 (BEP 23, BEP 7). */
static inline size_t addr_compact_bytes(const struct addr *a)
{
    return a->family == ADDR_V4 ? 6 : 18;
}
void addr_compact(const struct addr *, uint8_t *out);
struct addr addr_from_compact(const uint8_t *bytes, enum addr_family family);

/* Kinds of address, for deciding whom to talk to. */
bool addr_is_any(const struct addr *);      /* 0.0.0.0, :: */
bool addr_is_loopback(const struct addr *); /* 127/8, ::1 */
/* Multicast, broadcast, "this network", reserved: never a peer. */
bool addr_is_special(const struct addr *);
/* RFC 1918, carrier-grade NAT, link-local (with 169.254.169.254), unique local; also inside NAT64
 * (64:ff9b::/96) and 6to4 wrappers. */
bool addr_is_private(const struct addr *);

#endif
