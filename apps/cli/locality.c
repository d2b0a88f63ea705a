/* Private, loopback and link-local addresses (RFC 1918, 6598, 3927, 4193, 4291) and names that are no
 * public ones (RFC 6761, 6762, 8375). */
#include "apps/cli/locality.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool is_local_ipv4(uint32_t a)
{
    return a >> 24 == 127 || a >> 24 == 10 || a >> 20 == 0xac1 || a >> 16 == 0xc0a8 ||
           a >> 16 == 0xa9fe || a >> 22 == 0x191; /* 100.64.0.0/10 */
}

static bool is_local_name(const char *host)
{
    static const char *const endings[] = {"localhost", "local", "lan", "home.arpa", "internal"};
    size_t length = strlen(host);
    if (!strchr(host, '.')) {
        return true;
    }
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t size = strlen(endings[i]);
        if (length > size && host[length - size - 1] == '.' &&
            strcasecmp(host + length - size, endings[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_local_host(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, host, &v4) == 1) {
        return is_local_ipv4(ntohl(v4.s_addr));
    }
    if (inet_pton(AF_INET6, host, &v6) == 1) {
        if (IN6_IS_ADDR_V4MAPPED(&v6)) {
            return is_local_ipv4((uint32_t)v6.s6_addr[12] << 24 | (uint32_t)v6.s6_addr[13] << 16 |
                                 (uint32_t)v6.s6_addr[14] << 8 | v6.s6_addr[15]);
        }
        return IN6_IS_ADDR_LOOPBACK(&v6) || IN6_IS_ADDR_LINKLOCAL(&v6) ||
               (v6.s6_addr[0] & 0xfe) == 0xfc;
    }
    return *host && is_local_name(host);
}

bool locality_is_local(const char *url)
{
    const char *mark = strstr(url, "://");
    const char *begin = mark ? mark + 3 : url;
    size_t length = strcspn(begin, "/?#");
    const char *at = memrchr(begin, '@', length);
    if (at) {
        length -= (size_t)(at + 1 - begin);
        begin = at + 1;
    }
    char host[256];
    if (length >= sizeof host) {
        return false;
    }
    memcpy(host, begin, length);
    host[length] = 0;
    char *bracket = strchr(host, ']'), *colon = strchr(host, ':');
    if (host[0] == '[' && bracket) {
        *bracket = 0;
        return is_local_host(host + 1);
    }
    if (colon && !strchr(colon + 1, ':')) {
        *colon = 0; /* one colon: a port; more: an IPv6 address */
    }
    return is_local_host(host);
}
