/* Socket addresses, and the one place where sockets are made and bound. */
#include "io/uv/io_uv_net.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

socklen_t io_uv_net_to_sockaddr(const struct addr *a, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    if (a->family == ADDR_V4) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(a->port)};
        memcpy(&in.sin_addr, a->ip, 4);
        memcpy(out, &in, sizeof in);
        return sizeof in;
    }
    struct sockaddr_in6 in6 = {
        .sin6_family = AF_INET6, .sin6_port = htons(a->port), .sin6_scope_id = a->scope};
    memcpy(&in6.sin6_addr, a->ip, 16);
    memcpy(out, &in6, sizeof in6);
    return sizeof in6;
}

bool io_uv_net_from_sockaddr(struct addr *out, const struct sockaddr *sa)
{
    *out = (struct addr){.family = ADDR_NONE};
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof in);
        *out = addr_v4((const uint8_t *)&in.sin_addr, ntohs(in.sin_port));
        return true;
    }
    if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, sa, sizeof in6);
        *out = addr_v6((const uint8_t *)&in6.sin6_addr, ntohs(in6.sin6_port));
        if (out->family == ADDR_V6 && IN6_IS_ADDR_LINKLOCAL(&in6.sin6_addr)) {
            out->scope = in6.sin6_scope_id;
        }
        return true;
    }
    return false;
}

int io_uv_net_error(int system_errno)
{
    int code = error_from_errno(system_errno);
    return code == SPATE_EIO ? SPATE_ENET : code;
}

int io_uv_net_socket(enum addr_family family, int type, int *fd)
{
    int one = 1;
    int domain = family == ADDR_V6 ? AF_INET6 : AF_INET;
    *fd = socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd < 0) {
        return io_uv_net_error(errno);
    }
    if (domain == AF_INET6) {
        setsockopt(*fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    }
    return 0;
}

int io_uv_net_restrict(int fd, enum addr_family family, const struct io_bind *b, bool listening)
{
    struct sockaddr_storage sa;
    struct addr address = {.family = (uint16_t)family};
    if (b && b->interface) {
        /* The kernel takes an empty name as "any interface" and cuts a long one: neither is meant.
         */
        size_t size = strlen(b->interface);
        if (size == 0 || size >= IFNAMSIZ) {
            return SPATE_ENOENT;
        }
        if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, b->interface, (socklen_t)size) != 0) {
            return io_uv_net_error(errno);
        }
    }
    if (b && b->address.family != ADDR_NONE) {
        if (b->address.family != family) {
            return SPATE_EADDRNOTAVAIL;
        }
        address = b->address;
    } else if (b) {
        address.port = b->address.port;
    }
    if (!listening && addr_is_any(&address) && address.port == 0) {
        return 0;
    }
    if (!listening && address.port == 0) {
        /* The port is then chosen with the destination known, so that ports do not run out. */
        int one = 1;
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    }
    socklen_t size = io_uv_net_to_sockaddr(&address, &sa);
    return bind(fd, (const struct sockaddr *)&sa, size) == 0 ? 0 : io_uv_net_error(errno);
}
