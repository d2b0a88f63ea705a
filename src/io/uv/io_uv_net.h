/* Socket addresses and sockets for the descriptors of io_uv: every socket that spate, c-ares or
 * libcurl opens comes from here or is restricted here. */
#ifndef IO_UV_IO_UV_NET_H
#define IO_UV_IO_UV_NET_H

#include "io/io.h"

#include <sys/socket.h>

/* Returns the size. addr.family is not ADDR_NONE. */
socklen_t io_uv_net_to_sockaddr(const struct addr *, struct sockaddr_storage *);
/* False when it is neither IPv4 nor IPv6. */
bool io_uv_net_from_sockaddr(struct addr *, const struct sockaddr *);
/* The code for an errno of a socket call. */
int io_uv_net_error(int system_errno);

/* A non-blocking, close-on-exec socket; IPv6 ones are for IPv6 only. type is SOCK_STREAM or
 * SOCK_DGRAM. */
int io_uv_net_socket(enum addr_family, int type, int *fd);
/* Ties a socket to an interface and an address; fails closed: after an error the socket must not be
 * used. bind may be NULL. listening: the address is bound even where the kernel would choose one.
 */
int io_uv_net_restrict(int fd, enum addr_family, const struct io_bind *, bool listening);

#endif
