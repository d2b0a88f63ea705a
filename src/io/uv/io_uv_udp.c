/* Datagrams: recvmmsg and sendmmsg with everything that control messages carry: our address and
 * interface (IP_PKTINFO), TOS with its ECN bits, and runs of equal datagrams (UDP_GRO,
 * UDP_SEGMENT). */
#include "io/uv/io_uv_udp.h"

#include "io/uv/io_uv_net.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BATCH = 32,          /* datagrams of one system call */
    RUN_BYTES = 65535,   /* what a buffer must hold before the kernel may join datagrams */
    CONTROL_BYTES = 128, /* packet info, TOS and segment size with their headers */
};

union control {
    char bytes[CONTROL_BYTES];
    size_t alignment; /* that of struct cmsghdr */
};

int io_uv_udp_open(struct io_uv_sockets *sockets, const struct io_bind *bind,
                   struct io_socket **out)
{
    int fd, one = 1, probe = IPV6_PMTUDISC_DONT;
    *out = NULL;
    if (sockets->loop->ending) {
        return SPATE_ECANCELED;
    }
    enum addr_family family = bind && bind->address.family == ADDR_V6 ? ADDR_V6 : ADDR_V4;
    int rc = io_uv_net_socket(family, SOCK_DGRAM, &fd);
    if (rc < 0) {
        return rc;
    }
    if (family == ADDR_V6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof one);
        setsockopt(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, &one, sizeof one);
        setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &probe, sizeof probe);
    } else {
        probe = IP_PMTUDISC_DONT;
        setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof one);
        setsockopt(fd, IPPROTO_IP, IP_RECVTOS, &one, sizeof one);
        setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &probe, sizeof probe);
    }
    rc = io_uv_net_restrict(fd, family, bind, true);
    if (rc < 0) {
        close(fd);
        return rc;
    }
    rc = io_uv_socket_create(sockets, fd, false, out);
    if (rc == 0) {
        (*out)->family = family;
    }
    return rc;
}

/* ---- receiving ------------------------------------------------------------------------------- */

/* Lets the kernel join datagrams exactly when every buffer can hold a whole run: a run that does
 * not fit would be cut. */
static void set_receives_runs(struct io_socket *s, const struct io_datagram *d, int count)
{
    bool large = true;
    for (int i = 0; i < count; i++) {
        large = large && d[i].size >= RUN_BYTES;
    }
    if (large != s->receives_runs) {
        int on = large;
        setsockopt(s->fd, IPPROTO_UDP, UDP_GRO, &on, sizeof on);
        s->receives_runs = large;
    }
}

static void read_control(struct msghdr *message, struct io_datagram *d)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            d->local = addr_v4((const uint8_t *)&info.ipi_addr, 0);
            d->interface = (uint32_t)info.ipi_ifindex;
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            d->local = addr_v6((const uint8_t *)&info.ipi6_addr, 0);
            d->interface = info.ipi6_ifindex;
        } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
            d->tos = *CMSG_DATA(c);
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
            int class;
            memcpy(&class, CMSG_DATA(c), sizeof class);
            d->tos = (uint8_t) class;
        } else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
            int segment_bytes;
            memcpy(&segment_bytes, CMSG_DATA(c), sizeof segment_bytes);
            d->segment_bytes = (uint16_t)segment_bytes;
        }
    }
}

/* One system call. Returns how many good datagrams now lead the array, which may be none although
 * some arrived (*arrived says), or SPATE_E... */
static int receive_batch(struct io_socket *s, struct io_datagram *d, int max, int *arrived)
{
    struct mmsghdr messages[BATCH];
    struct sockaddr_storage peers[BATCH];
    struct iovec parts[BATCH];
    union control controls[BATCH];
    int count = max < BATCH ? max : BATCH;
    for (int i = 0; i < count; i++) {
        parts[i] = (struct iovec){.iov_base = d[i].bytes, .iov_len = d[i].size};
        messages[i].msg_len = 0;
        messages[i].msg_hdr = (struct msghdr){.msg_name = &peers[i],
                                              .msg_namelen = sizeof peers[i],
                                              .msg_iov = &parts[i],
                                              .msg_iovlen = 1,
                                              .msg_control = &controls[i],
                                              .msg_controllen = sizeof controls[i]};
    }
    do {
        *arrived = recvmmsg(s->fd, messages, (unsigned)count, 0, NULL);
    } while (*arrived < 0 && errno == EINTR);
    if (*arrived < 0) {
        return io_uv_net_error(errno);
    }
    int64_t received_ns = io_uv_loop_read_clock(s->watch.loop);
    int good = 0;
    for (int i = 0; i < *arrived; i++) {
        struct io_datagram got = d[i];
        if ((messages[i].msg_hdr.msg_flags & MSG_TRUNC) ||
            !io_uv_net_from_sockaddr(&got.peer, (struct sockaddr *)&peers[i])) {
            continue; /* longer than its buffer */
        }
        got.local = (struct addr){.family = ADDR_NONE};
        got.interface = 0;
        got.tos = 0;
        got.segment_bytes = 0;
        got.dont_fragment = false;
        got.size = messages[i].msg_len;
        got.received_ns = received_ns;
        read_control(&messages[i].msg_hdr, &got);
        if (got.segment_bytes >= got.size) {
            got.segment_bytes = 0;
        }
        /* The dropped datagrams' buffers move behind the good ones. */
        d[i] = d[good];
        d[good++] = got;
    }
    return good;
}

int io_uv_udp_receive(struct io_socket *s, struct io_datagram *d, int max)
{
    int good = 0;
    if (max <= 0) {
        return SPATE_EINVAL;
    }
    set_receives_runs(s, d, max);
    while (good < max) {
        int asked = max - good < BATCH ? max - good : BATCH, arrived;
        int n = receive_batch(s, d + good, asked, &arrived);
        if (n < 0) {
            return good > 0 ? good : n;
        }
        good += n;
        if (arrived < asked) {
            /* The queue is empty; asking again would only cost a call. */
            return good > 0 ? good : SPATE_EAGAIN;
        }
    }
    return good;
}

/* ---- sending --------------------------------------------------------------------------------- */

/* Don't-fragment is a state of the socket. PROBE sets the bit and heeds only the interface's limit:
 * what the path carries is measured by whoever asks, and a forged "too big" message changes
 * nothing. */
static void set_dont_fragment(struct io_socket *s, bool on)
{
    if (s->dont_fragment == on) {
        return;
    }
    if (s->family == ADDR_V6) {
        int how = on ? IPV6_PMTUDISC_PROBE : IPV6_PMTUDISC_DONT;
        setsockopt(s->fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &how, sizeof how);
    } else {
        int how = on ? IP_PMTUDISC_PROBE : IP_PMTUDISC_DONT;
        setsockopt(s->fd, IPPROTO_IP, IP_MTU_DISCOVER, &how, sizeof how);
    }
    s->dont_fragment = on;
}

/* Appends one control message; all of ours together fit CONTROL_BYTES. */
static void put_control(struct msghdr *message, union control *room, int level, int type,
                        const void *data, size_t size)
{
    struct cmsghdr header = {.cmsg_len = CMSG_LEN(size), .cmsg_level = level, .cmsg_type = type};
    char *at = room->bytes + message->msg_controllen;
    ASSERT(message->msg_controllen + CMSG_SPACE(size) <= sizeof room->bytes);
    memset(at, 0, CMSG_SPACE(size));
    memcpy(at, &header, sizeof header);
    memcpy(CMSG_DATA((struct cmsghdr *)(void *)at), data, size);
    message->msg_control = room;
    message->msg_controllen += CMSG_SPACE(size);
}

static void write_control(const struct io_socket *s, const struct io_datagram *d, bool as_run,
                          struct msghdr *message, union control *room)
{
    bool v6 = s->family == ADDR_V6;
    if (d->local.family != ADDR_NONE || d->interface != 0) {
        if (v6) {
            struct in6_pktinfo info = {.ipi6_ifindex = d->interface};
            memcpy(&info.ipi6_addr, d->local.ip, 16);
            put_control(message, room, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
        } else {
            struct in_pktinfo info = {.ipi_ifindex = (int)d->interface};
            memcpy(&info.ipi_spec_dst, d->local.ip, 4);
            put_control(message, room, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
        }
    }
    if (d->tos != 0) {
        int tos = d->tos;
        put_control(message, room, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_TCLASS : IP_TOS, &tos,
                    sizeof tos);
    }
    if (as_run) {
        put_control(message, room, IPPROTO_UDP, UDP_SEGMENT, &d->segment_bytes,
                    sizeof d->segment_bytes);
    }
}

static bool is_run(const struct io_datagram *d)
{
    return d->segment_bytes != 0 && d->segment_bytes < d->size;
}

/* Sends datagrams that are alike in don't-fragment with one system call. */
static int send_batch(struct io_socket *s, const struct io_datagram *d, int count)
{
    struct mmsghdr messages[BATCH];
    struct sockaddr_storage peers[BATCH];
    struct iovec parts[BATCH];
    union control controls[BATCH];
    for (int i = 0; i < count; i++) {
        if (d[i].peer.family != s->family || d[i].peer.port == 0 ||
            (d[i].local.family != ADDR_NONE && d[i].local.family != s->family)) {
            if (i == 0) {
                return SPATE_EINVAL;
            }
            count = i;
            break;
        }
        parts[i] = (struct iovec){.iov_base = d[i].bytes, .iov_len = d[i].size};
        messages[i].msg_len = 0;
        messages[i].msg_hdr =
            (struct msghdr){.msg_name = &peers[i],
                            .msg_namelen = io_uv_net_to_sockaddr(&d[i].peer, &peers[i]),
                            .msg_iov = &parts[i],
                            .msg_iovlen = 1};
        write_control(s, &d[i], is_run(&d[i]), &messages[i].msg_hdr, &controls[i]);
    }
    int sent;
    do {
        sent = sendmmsg(s->fd, messages, (unsigned)count, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? io_uv_net_error(errno) : sent;
}

/* A run as single datagrams. It counts as sent when the first has left: datagrams may be lost. */
static int send_split(struct io_socket *s, const struct io_datagram *run)
{
    uint32_t offset = 0;
    while (offset < run->size) {
        struct io_datagram pieces[BATCH];
        int count = 0;
        for (uint32_t at = offset; at < run->size && count < BATCH; at += run->segment_bytes) {
            uint32_t rest = run->size - at;
            pieces[count] = *run;
            pieces[count].bytes = run->bytes + at;
            pieces[count].size = rest < run->segment_bytes ? rest : run->segment_bytes;
            pieces[count++].segment_bytes = 0;
        }
        int sent = send_batch(s, pieces, count);
        if (sent < 0) {
            return offset > 0 ? 1 : sent;
        }
        if (sent < count) {
            return 1;
        }
        offset += (uint32_t)count * run->segment_bytes;
    }
    return 1;
}

int io_uv_udp_send(struct io_socket *s, const struct io_datagram *d, int count)
{
    int sent = 0;
    while (sent < count) {
        int alike = 1, n;
        bool single = s->sends_single && is_run(&d[sent]);
        while (sent + alike < count && alike < BATCH && !single &&
               d[sent + alike].dont_fragment == d[sent].dont_fragment &&
               !(s->sends_single && is_run(&d[sent + alike]))) {
            alike++;
        }
        set_dont_fragment(s, d[sent].dont_fragment);
        n = single ? send_split(s, &d[sent]) : send_batch(s, &d[sent], alike);
        if (!single && is_run(&d[sent]) && n == SPATE_ENET) {
            s->sends_single = true; /* EIO: the device cannot finish checksums */
            continue;
        }
        if (!single && is_run(&d[sent]) && n == SPATE_EINVAL) {
            n = send_split(s, &d[sent]); /* more segments than the kernel takes at once */
            alike = 1;
        }
        if (n < 0) {
            return sent > 0 ? sent : n;
        }
        sent += n;
        if (n < alike) {
            return sent; /* the next call meets the error */
        }
    }
    return sent;
}
