/* TCP sockets, and waiting on any socket. An operation that waits sits in its direction's slot
 * until it is delivered, so that closing finds it even when its result is already known. */
#include "io/uv/io_uv_socket.h"

#include "io/uv/io_uv_files.h"
#include "io/uv/io_uv_net.h"
#include "io/uv/io_uv_sigpipe.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

static int open_spare(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

void io_uv_sockets_init(struct io_uv_sockets *sockets, struct io_uv_loop *loop)
{
    sockets->loop = loop;
    list_init(&sockets->open);
    sockets->spare_fd = open_spare();
}

void io_uv_sockets_close_all(struct io_uv_sockets *sockets)
{
    struct list *link;
    while ((link = list_first(&sockets->open))) {
        io_uv_socket_close(list_entry(link, struct io_socket, link));
    }
}

void io_uv_sockets_deinit(struct io_uv_sockets *sockets)
{
    if (sockets->spare_fd >= 0) {
        close(sockets->spare_fd);
    }
}

/* ---- waiting --------------------------------------------------------------------------------- */

static int connect_result(int fd)
{
    int system_errno = 0;
    socklen_t size = sizeof system_errno;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &system_errno, &size) != 0) {
        system_errno = errno;
    }
    return system_errno ? io_uv_net_error(system_errno) : 0;
}

static void socket_on_ready(struct io_uv_watch *w, int events)
{
    struct io_socket *s = list_entry(w, struct io_socket, watch);
    for (int i = 0; i < 2; i++) {
        struct io_op *op = s->waits[i].op;
        if ((events & (1 << i)) && op && op->kind != IO_UV_OP_DONE) {
            int status = op->kind == IO_UV_OP_CONNECT ? connect_result(s->fd) : 0;
            io_uv_loop_complete(w->loop, op, status);
        }
    }
    io_uv_watch_want(w, w->wanted & ~events);
}

static void socket_on_closed(struct io_uv_watch *w)
{
    free(list_entry(w, struct io_socket, watch));
}

static void wait_for(struct io_socket *s, enum io_ready ready, struct io_op *op, enum io_uv_op kind)
{
    struct io_uv_wait *wait = &s->waits[ready == IO_READABLE ? 0 : 1];
    ASSERT(!wait->op);
    if (io_uv_loop_submit(s->watch.loop, op, kind)) {
        *wait = (struct io_uv_wait){.op = op, .socket = s};
        op->subject = wait;
        io_uv_watch_want(&s->watch, s->watch.wanted | (int)ready);
    }
}

void io_uv_socket_wait(struct io_socket *s, enum io_ready ready, struct io_op *op)
{
    wait_for(s, ready, op, IO_UV_OP_WAIT);
}

void io_uv_socket_cancel(struct io_op *op)
{
    struct io_uv_wait *wait = op->subject;
    struct io_socket *s = wait->socket;
    int ready = wait == &s->waits[0] ? IO_READABLE : IO_WRITABLE;
    wait->op = NULL;
    op->subject = NULL;
    io_uv_watch_want(&s->watch, s->watch.wanted & ~ready);
    io_uv_loop_complete(s->watch.loop, op, SPATE_ECANCELED);
}

/* ---- making and closing ---------------------------------------------------------------------- */

int io_uv_socket_create(struct io_uv_sockets *sockets, int fd, bool borrowed,
                        struct io_socket **out)
{
    *out = NULL;
    struct io_socket *s = calloc(1, sizeof *s);
    int rc = s ? io_uv_watch_init(&s->watch, sockets->loop, fd) : SPATE_ENOMEM;
    if (rc < 0) {
        free(s);
        if (!borrowed) {
            close(fd);
        }
        return rc;
    }
    s->watch.ready = socket_on_ready;
    s->watch.closed = socket_on_closed;
    s->fd = fd;
    s->borrowed = borrowed;
    list_push_back(&sockets->open, &s->link);
    *out = s;
    return 0;
}

void io_uv_socket_close(struct io_socket *s)
{
    for (int i = 0; i < 2; i++) {
        struct io_op *op = s->waits[i].op;
        if (!op) {
            continue;
        }
        op->subject = NULL;
        if (op->kind == IO_UV_OP_DONE) {
            op->status = SPATE_ECANCELED; /* its owner must not touch the socket any more */
        } else {
            io_uv_loop_complete(s->watch.loop, op, SPATE_ECANCELED);
        }
    }
    list_remove(&s->link);
    io_uv_watch_close(&s->watch);
    if (!s->borrowed) {
        close(s->fd);
    }
}

int io_uv_socket_address(struct io_socket *s, struct addr *out)
{
    struct sockaddr_storage sa = {0};
    socklen_t size = sizeof sa;
    *out = (struct addr){.family = ADDR_NONE};
    if (getsockname(s->fd, (struct sockaddr *)&sa, &size) != 0) {
        return io_uv_net_error(errno);
    }
    return io_uv_net_from_sockaddr(out, (struct sockaddr *)&sa) ? 0 : SPATE_EUNSUPPORTED;
}

/* ---- TCP ------------------------------------------------------------------------------------- */

/* A TCP socket that bind allows; -1 on failure, with the code in *rc. */
static int open_stream(enum addr_family family, const struct io_bind *bind, bool listening, int *rc)
{
    int fd, one = 1;
    *rc = io_uv_net_socket(family, SOCK_STREAM, &fd);
    if (*rc < 0) {
        return -1;
    }
    /* Accepted sockets inherit it. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (listening) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    }
    *rc = io_uv_net_restrict(fd, family, bind, listening);
    if (*rc < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int io_uv_socket_listen(struct io_uv_sockets *sockets, const struct io_bind *bind,
                        struct io_socket **out)
{
    int rc;
    *out = NULL;
    if (sockets->loop->ending) {
        return SPATE_ECANCELED;
    }
    enum addr_family family = bind && bind->address.family == ADDR_V6 ? ADDR_V6 : ADDR_V4;
    int fd = open_stream(family, bind, true, &rc);
    if (fd < 0) {
        return rc;
    }
    if (listen(fd, SOMAXCONN) != 0) {
        rc = io_uv_net_error(errno);
        close(fd);
        return rc;
    }
    return io_uv_socket_create(sockets, fd, false, out);
}

int io_uv_socket_connect(struct io_uv_sockets *sockets, const struct io_bind *bind,
                         const struct addr *to, struct io_op *op, struct io_socket **out)
{
    struct sockaddr_storage sa;
    int rc;
    *out = NULL;
    if (sockets->loop->ending) {
        return SPATE_ECANCELED;
    }
    if (to->family == ADDR_NONE || to->port == 0) {
        return SPATE_EINVAL;
    }
    int fd = open_stream((enum addr_family)to->family, bind, false, &rc);
    if (fd < 0) {
        return rc;
    }
    rc = io_uv_socket_create(sockets, fd, false, out);
    if (rc < 0) {
        return rc;
    }
    socklen_t size = io_uv_net_to_sockaddr(to, &sa);
    bool failed = connect(fd, (const struct sockaddr *)&sa, size) != 0;
    int system_errno = failed ? errno : 0;
    wait_for(*out, IO_WRITABLE, op, IO_UV_OP_CONNECT);
    if (!failed || (system_errno != EINPROGRESS && system_errno != EINTR)) {
        io_uv_watch_want(&(*out)->watch, 0);
        io_uv_loop_complete(sockets->loop, op, failed ? io_uv_net_error(system_errno) : 0);
    }
    return 0;
}

/* Descriptors have run out: the waiting connection is taken on the spare one and closed, since a
 * listener that stays readable would keep the loop busy for ever. */
static int refuse(struct io_uv_sockets *sockets, int listener_fd)
{
    int rc = SPATE_EFDS;
    if (sockets->spare_fd >= 0) {
        close(sockets->spare_fd);
        int fd = accept4(listener_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            close(fd);
        } else if (errno == EAGAIN) {
            rc = SPATE_EAGAIN; /* the kernel looks for a descriptor before it looks for a connection
                                */
        }
    }
    sockets->spare_fd = open_spare();
    return rc;
}

int io_uv_socket_accept(struct io_uv_sockets *sockets, struct io_socket *listener,
                        struct io_socket **out, struct addr *peer)
{
    struct sockaddr_storage sa = {0};
    int fd;
    *out = NULL;
    *peer = (struct addr){.family = ADDR_NONE};
    do {
        socklen_t size = sizeof sa;
        fd = accept4(listener->fd, (struct sockaddr *)&sa, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        /* Linux hands over errors of a connection that died while it waited; the next may be fine.
         */
    } while (fd < 0 && (errno == EINTR || errno == ECONNABORTED || errno == EPROTO ||
                        errno == ENETDOWN || errno == EHOSTUNREACH || errno == ENETUNREACH));
    if (fd < 0) {
        return errno == EMFILE || errno == ENFILE ? refuse(sockets, listener->fd)
                                                  : io_uv_net_error(errno);
    }
    io_uv_net_from_sockaddr(peer, (struct sockaddr *)&sa);
    return io_uv_socket_create(sockets, fd, false, out);
}

static int64_t transfer(struct io_socket *s, const struct iovec *v, int count, bool sending,
                        int flags)
{
    struct msghdr message = {.msg_iov = (struct iovec *)v,
                             .msg_iovlen = (size_t)(count > IOV_MAX ? IOV_MAX : count)};
    ssize_t n;
    do {
        n = sending ? sendmsg(s->fd, &message, MSG_NOSIGNAL | flags)
                    : recvmsg(s->fd, &message, flags);
    } while (n < 0 && errno == EINTR);
    return n >= 0 ? n : io_uv_net_error(errno);
}

int64_t io_uv_socket_receive(struct io_socket *s, const struct iovec *v, int count)
{
    return transfer(s, v, count, false, 0);
}

/* ---- sending --------------------------------------------------------------------------------- */

/* The bytes before the next stretch of a file, as many as fit. */
static int64_t send_bytes(struct io_socket *s, const struct io_part *parts, int count, int *taken)
{
    enum { BATCH = 64 };
    struct iovec v[BATCH];
    int n = 0;
    while (n < count && n < BATCH && parts[n].bytes) {
        v[n] =
            (struct iovec){.iov_base = (void *)(uintptr_t)parts[n].bytes, .iov_len = parts[n].size};
        n++;
    }
    *taken = n;
    return transfer(s, v, n, true, n < count ? MSG_MORE : 0);
}

static int64_t send_stretch(struct io_socket *s, const struct io_part *part)
{
    off_t at = (off_t)part->offset;
    ssize_t n;
    do {
        n = sendfile(s->fd, io_uv_file_fd(part->file), &at, part->size);
    } while (n < 0 && errno == EINTR);
    if (n > 0) {
        return n;
    }
    return n == 0 ? SPATE_ESHORT : errno == EIO ? SPATE_EIO : io_uv_net_error(errno);
}

static int64_t send_all(struct io_socket *s, const struct io_part *parts, int count)
{
    int64_t total = 0;
    for (int i = 0; i < count;) {
        int taken = 1;
        int64_t n = parts[i].bytes ? send_bytes(s, parts + i, count - i, &taken)
                                   : send_stretch(s, &parts[i]);
        if (n < 0) {
            return total > 0 ? total : n; /* it will say so again */
        }
        total += n;
        for (; taken > 0; taken--, i++) {
            n -= (int64_t)parts[i].size;
        }
        if (n < 0) {
            break; /* the socket is full, or the file has ended */
        }
    }
    return total;
}

static void set_cork(struct io_socket *s, int on)
{
    setsockopt(s->fd, IPPROTO_TCP, TCP_CORK, &on, sizeof on);
}

int64_t io_uv_socket_send(struct io_socket *s, const struct io_part *parts, int count)
{
    struct io_uv_sigpipe held;
    bool files = false;
    for (int i = 0; i < count && !files; i++) {
        files = !parts[i].bytes;
    }
    if (!files) {
        return send_all(s, parts, count);
    }
    /* sendfile has neither MSG_NOSIGNAL nor MSG_MORE: without the cork each stretch would leave in packets of its own,
     * and wake the other side. */
    io_uv_sigpipe_hold(&held);
    set_cork(s, 1);
    int64_t n = send_all(s, parts, count);
    set_cork(s, 0);
    io_uv_sigpipe_release(&held);
    return n;
}
