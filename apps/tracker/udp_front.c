/* The UDP socket of a tracker (BEP 15). An answer leaves from the address that was asked. */
#include "apps/tracker/udp_front.h"

#include <stdlib.h>

enum {
    BATCH = 32,   /* datagrams received or sent by one call */
    BATCHES = 16, /* before others get their turn */
};

struct udp_front {
    struct io *io;
    struct udp_server *server;
    struct io_socket *socket;
    struct io_op readable;
    bool destroyed;
    struct io_datagram in[BATCH], out[BATCH];
    uint8_t in_bytes[BATCH][LIMIT_DATAGRAM_BYTES];
    uint8_t out_bytes[BATCH][UDP_SERVER_ANSWER_BYTES];
};

/* Receives and answers one batch; false when nothing was there. */
static bool serve_batch(struct udp_front *f)
{
    for (int i = 0; i < BATCH; i++) {
        f->in[i] = (struct io_datagram){.bytes = f->in_bytes[i], .size = LIMIT_DATAGRAM_BYTES};
    }
    int count = io_udp_receive(f->io, f->socket, f->in, BATCH);
    int answers = 0;
    for (int i = 0; i < count; i++) {
        const struct io_datagram *in = &f->in[i];
        size_t size = udp_server_answer(f->server, &in->peer, span_of(in->bytes, in->size),
                                        in->received_ns, f->out_bytes[answers]);
        if (size > 0) {
            f->out[answers] = (struct io_datagram){.peer = in->peer,
                                                   .local = in->local,
                                                   .interface = in->interface,
                                                   .bytes = f->out_bytes[answers],
                                                   .size = (uint32_t)size};
            answers++;
        }
    }
    /* What the socket does not take is lost, as datagrams are: clients ask again. One that fails
     * must not keep the others from leaving. */
    for (int sent = 0; sent < answers;) {
        int taken = io_udp_send(f->io, f->socket, f->out + sent, answers - sent);
        if (taken == SPATE_EAGAIN) {
            break;
        }
        sent += taken > 0 ? taken : 1;
    }
    return count > 0;
}

static void on_readable(struct io_op *op, int status)
{
    struct udp_front *f = list_entry(op, struct udp_front, readable);
    if (f->destroyed) {
        free(f);
        return;
    }
    for (int i = 0; status == 0 && i < BATCHES && serve_batch(f); i++) {
    }
    io_wait(f->io, f->socket, IO_READABLE, &f->readable);
}

int udp_front_create(struct io *io, struct udp_server *server, const struct addr *address,
                     struct udp_front **out, struct addr *bound)
{
    struct udp_front *f = calloc(1, sizeof *f);
    *out = NULL;
    if (!f) {
        return SPATE_ENOMEM;
    }
    f->io = io;
    f->server = server;
    f->readable.done = on_readable;
    int status = io_udp_open(io, &(struct io_bind){.address = *address}, &f->socket);
    if (status == 0) {
        status = io_socket_address(io, f->socket, bound);
    }
    if (status < 0) {
        io_close(io, f->socket);
        free(f);
        return status;
    }
    io_wait(io, f->socket, IO_READABLE, &f->readable);
    *out = f;
    return 0;
}

void udp_front_destroy(struct udp_front *f)
{
    if (f) {
        f->destroyed = true;
        io_close(f->io, f->socket);
    }
}
