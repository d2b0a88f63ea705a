/* Datagrams of io_uv, in batches. */
#ifndef IO_UV_IO_UV_UDP_H
#define IO_UV_IO_UV_UDP_H

#include "io/uv/io_uv_socket.h"

int io_uv_udp_open(struct io_uv_sockets *, const struct io_bind *, struct io_socket **out);
/* As io_udp_receive(). The entries of d may change places, so that those received come first; their
 * buffers go with them. Runs of datagrams (segment_bytes) arrive only when every buffer has 64 KiB.
 */
int io_uv_udp_receive(struct io_socket *, struct io_datagram *d, int max);
int io_uv_udp_send(struct io_socket *, const struct io_datagram *d, int count);

#endif
