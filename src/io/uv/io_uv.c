/* The real world: one loop, its sockets, workers, names and HTTP, behind the table of the port. */
#include "io/uv/io_uv.h"

#include "io/uv/io_uv_files.h"
#include "io/uv/io_uv_http.h"
#include "io/uv/io_uv_loop.h"
#include "io/uv/io_uv_names.h"
#include "io/uv/io_uv_socket.h"
#include "io/uv/io_uv_udp.h"
#include "io/uv/io_uv_work.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

struct io_uv {
    struct io_uv_loop loop; /* first: its first member is the port */
    struct io_fs fs;
    struct io_uv_sockets sockets;
    struct io_uv_work work;
    struct io_uv_names names;
    struct io_uv_http http;
};

static struct io_uv *world_of(struct io *io)
{
    return (struct io_uv *)(void *)io;
}

static int64_t uv_port_now(struct io *io)
{
    return world_of(io)->loop.now_ns;
}

static int64_t uv_port_wall(struct io *io)
{
    struct timespec t;
    (void)io;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void uv_port_entropy(struct io *io, void *out, size_t size)
{
    uint8_t *at = out;
    (void)io;
    while (size > 0) {
        ssize_t n = getrandom(at, size, 0);
        /* Keys from anything less than the kernel's generator would be worse than stopping. */
        ASSERT(n > 0 || (n < 0 && errno == EINTR));
        if (n > 0) {
            at += n;
            size -= (size_t)n;
        }
    }
}

static void uv_port_timer(struct io *io, struct io_op *op, int64_t at_ns)
{
    io_uv_loop_timer(&world_of(io)->loop, op, at_ns);
}

static void uv_port_turn_end(struct io *io, struct io_op *op)
{
    io_uv_loop_turn_end(&world_of(io)->loop, op);
}

static void uv_port_wait_wake(struct io *io, struct io_op *op)
{
    io_uv_loop_wait_wake(&world_of(io)->loop, op);
}

static void uv_port_wake(struct io *io)
{
    io_uv_loop_wake(&world_of(io)->loop);
}

static void uv_port_cancel(struct io *io, struct io_op *op)
{
    struct io_uv *world = world_of(io);
    switch ((enum io_uv_op)op->kind) {
    case IO_UV_OP_DONE:
        break;
    case IO_UV_OP_TIMER:
    case IO_UV_OP_TURN_END:
    case IO_UV_OP_WAKE:
        io_uv_loop_cancel(&world->loop, op);
        break;
    case IO_UV_OP_WAIT:
    case IO_UV_OP_CONNECT:
        io_uv_socket_cancel(op);
        break;
    case IO_UV_OP_WORK:
        io_uv_work_cancel(&world->work, op);
        break;
    case IO_UV_OP_RESOLVE:
        io_uv_names_cancel(&world->names, op);
        break;
    case IO_UV_OP_HTTP:
        io_uv_http_cancel(&world->http, op);
        break;
    }
}

static int uv_port_tcp_listen(struct io *io, const struct io_bind *bind, struct io_socket **out)
{
    return io_uv_socket_listen(&world_of(io)->sockets, bind, out);
}

static int uv_port_tcp_connect(struct io *io, const struct io_bind *bind, const struct addr *to,
                               struct io_op *op, struct io_socket **out)
{
    return io_uv_socket_connect(&world_of(io)->sockets, bind, to, op, out);
}

static int uv_port_accept(struct io *io, struct io_socket *listener, struct io_socket **out,
                          struct addr *peer)
{
    return io_uv_socket_accept(&world_of(io)->sockets, listener, out, peer);
}

static int uv_port_udp_open(struct io *io, const struct io_bind *bind, struct io_socket **out)
{
    return io_uv_udp_open(&world_of(io)->sockets, bind, out);
}

static int uv_port_socket_address(struct io *io, struct io_socket *s, struct addr *out)
{
    (void)io;
    return io_uv_socket_address(s, out);
}

static void uv_port_wait(struct io *io, struct io_socket *s, enum io_ready ready, struct io_op *op)
{
    (void)io;
    io_uv_socket_wait(s, ready, op);
}

static int64_t uv_port_receive(struct io *io, struct io_socket *s, const struct iovec *v, int count)
{
    (void)io;
    return io_uv_socket_receive(s, v, count);
}

static int64_t uv_port_send(struct io *io, struct io_socket *s, const struct io_part *parts,
                            int count)
{
    (void)io;
    return io_uv_socket_send(s, parts, count);
}

static int uv_port_udp_receive(struct io *io, struct io_socket *s, struct io_datagram *d, int max)
{
    (void)io;
    return io_uv_udp_receive(s, d, max);
}

static int uv_port_udp_send(struct io *io, struct io_socket *s, const struct io_datagram *d,
                            int count)
{
    (void)io;
    return io_uv_udp_send(s, d, count);
}

static void uv_port_close(struct io *io, struct io_socket *s)
{
    (void)io;
    io_uv_socket_close(s);
}

static void uv_port_work(struct io *io, enum io_pool pool, struct io_op *op)
{
    io_uv_work_submit(&world_of(io)->work, pool, op);
}

static void uv_port_resolve(struct io *io, struct io_resolve *resolve)
{
    io_uv_names_resolve(&world_of(io)->names, resolve);
}

static void uv_port_http(struct io *io, struct io_http *http)
{
    io_uv_http_get(&world_of(io)->http, http);
}

static const struct io_driver uv_port = {
    .now = uv_port_now,
    .wall = uv_port_wall,
    .entropy = uv_port_entropy,
    .timer = uv_port_timer,
    .turn_end = uv_port_turn_end,
    .wait_wake = uv_port_wait_wake,
    .wake = uv_port_wake,
    .cancel = uv_port_cancel,
    .tcp_listen = uv_port_tcp_listen,
    .tcp_connect = uv_port_tcp_connect,
    .accept = uv_port_accept,
    .udp_open = uv_port_udp_open,
    .socket_address = uv_port_socket_address,
    .wait = uv_port_wait,
    .receive = uv_port_receive,
    .send = uv_port_send,
    .udp_receive = uv_port_udp_receive,
    .udp_send = uv_port_udp_send,
    .close = uv_port_close,
    .work = uv_port_work,
    .resolve = uv_port_resolve,
    .http = uv_port_http,
};

int io_uv_create(const struct io_uv_settings *settings, struct io **out)
{
    struct io_uv *world = calloc(1, sizeof *world);
    *out = NULL;
    if (!world) {
        return SPATE_ENOMEM;
    }
    world->loop.io.driver = &uv_port;
    world->fs = io_uv_files();
    int rc = io_uv_loop_init(&world->loop);
    if (rc < 0) {
        free(world);
        return rc;
    }
    rc = io_uv_names_init(&world->names, &world->loop, settings->dns_servers);
    if (rc == 0) {
        rc = io_uv_work_init(&world->work, &world->loop, &world->fs, settings->workers);
    }
    if (rc < 0) {
        io_uv_names_deinit(&world->names);
        io_uv_loop_deinit(&world->loop);
        free(world);
        return rc;
    }
    io_uv_sockets_init(&world->sockets, &world->loop);
    io_uv_http_init(&world->http, &world->loop, &world->names);
    *out = &world->loop.io;
    return 0;
}

void io_uv_destroy(struct io *io)
{
    struct io_uv *world = world_of(io);
    struct io_uv_loop *loop = &world->loop;
    loop->ending = true;
    io_uv_http_cancel_all(&world->http);
    io_uv_names_cancel_all(&world->names);
    io_uv_sockets_close_all(&world->sockets);
    io_uv_work_cancel_all(&world->work);
    io_uv_loop_cancel_all(loop);
    while (loop->active > 0) {
        io_uv_loop_run(loop, -1); /* waits for work that has begun, and for nothing else */
    }
    io_uv_http_deinit(&world->http);
    io_uv_names_deinit(&world->names);
    io_uv_work_deinit(&world->work);
    io_uv_sockets_deinit(&world->sockets);
    io_uv_loop_deinit(loop);
    free(world);
}

int io_uv_fd(struct io *io)
{
    return uv_backend_fd(&world_of(io)->loop.uv);
}

int io_uv_timeout_ms(struct io *io)
{
    return io_uv_loop_timeout_ms(&world_of(io)->loop);
}

void io_uv_step(struct io *io)
{
    io_uv_loop_run(&world_of(io)->loop, 0);
}

void io_uv_run_once(struct io *io, int timeout_ms)
{
    io_uv_loop_run(&world_of(io)->loop, timeout_ms);
}

int io_uv_adopt(struct io *io, int fd, struct io_socket **out)
{
    return io_uv_socket_create(&world_of(io)->sockets, fd, true, out);
}

struct io_fs *io_uv_fs(struct io *io)
{
    return &world_of(io)->fs;
}
