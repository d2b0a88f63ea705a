/* Sockets of io_uv: raw descriptors watched by libuv. TCP is here; datagrams are in io_uv_udp.h. */
#ifndef IO_UV_IO_UV_SOCKET_H
#define IO_UV_IO_UV_SOCKET_H

#include "io/uv/io_uv_loop.h"

/* Who waits for one direction; until delivery. */
struct io_uv_wait {
    struct io_op *op; /* first: op->subject points here */
    struct io_socket *socket;
};

struct io_socket {
    struct io_uv_watch watch;
    struct io_uv_wait waits[2]; /* for reading; for writing or connecting */
    struct list link;           /* of io_uv_sockets.open */
    int fd;
    bool borrowed; /* closing leaves the descriptor alone */
    /* What io_uv_udp.c has last told the kernel. */
    enum addr_family family;
    bool receives_runs; /* UDP_GRO */
    bool sends_single;  /* the way out knows no UDP_SEGMENT */
    bool dont_fragment;
};

struct io_uv_sockets {
    struct io_uv_loop *loop;
    struct list open;
    int spare_fd; /* given up for a moment when descriptors run out; -1 */
};

void io_uv_sockets_init(struct io_uv_sockets *, struct io_uv_loop *);
/* Closes what its owners have left open; the loop then delivers their operations. */
void io_uv_sockets_close_all(struct io_uv_sockets *);
void io_uv_sockets_deinit(struct io_uv_sockets *);

/* Makes a socket of a descriptor, which is closed on failure unless it is borrowed. */
int io_uv_socket_create(struct io_uv_sockets *, int fd, bool borrowed, struct io_socket **out);
int io_uv_socket_listen(struct io_uv_sockets *, const struct io_bind *, struct io_socket **out);
int io_uv_socket_connect(struct io_uv_sockets *, const struct io_bind *, const struct addr *to,
                         struct io_op *, struct io_socket **out);
int io_uv_socket_accept(struct io_uv_sockets *, struct io_socket *listener, struct io_socket **out,
                        struct addr *peer);
int io_uv_socket_address(struct io_socket *, struct addr *out);
void io_uv_socket_wait(struct io_socket *, enum io_ready, struct io_op *);
int64_t io_uv_socket_receive(struct io_socket *, const struct iovec *, int count);
int64_t io_uv_socket_send(struct io_socket *, const struct io_part *, int count);
void io_uv_socket_close(struct io_socket *);
/* For waits and connects. */
void io_uv_socket_cancel(struct io_op *);

#endif
