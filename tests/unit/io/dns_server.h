/* A name server of a few fixed names, on a thread, for the tests of names and HTTP. */
#ifndef TESTS_UNIT_IO_DNS_SERVER_H
#define TESTS_UNIT_IO_DNS_SERVER_H

#include "base/addr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

struct dns_entry {
    const char *name;
    const char *addresses; /* separated by spaces; NULL: never answer */
};

struct dns_server {
    pthread_mutex_t lock;            /* guards what entries points at */
    const struct dns_entry *entries; /* ended by a NULL name; others do not exist */
    int fd;
    pthread_t thread;
    char csv[32]; /* for io_uv_settings.dns_servers */
    atomic_int asked;
    _Atomic uint32_t last_source; /* IPv4, network order */
};

/* The question's name as text; returns where its type stands, or 0. */
static inline size_t dns_question(const uint8_t *q, size_t size, char *name, size_t name_size)
{
    size_t at = 12, out = 0;
    while (at < size && q[at] != 0) {
        size_t label = q[at++];
        if (at + label >= size || out + label + 2 > name_size) {
            return 0;
        }
        memcpy(name + out, q + at, label);
        out += label;
        name[out++] = '.';
        at += label;
    }
    name[out ? out - 1 : 0] = 0;
    return at + 5 <= size ? at + 1 : 0;
}

/* Writes the answer behind the question; returns its size, or 0 for silence. */
static inline size_t dns_answer(const struct dns_server *s, uint8_t *m, size_t size)
{
    char name[256];
    size_t type_at = dns_question(m, size, name, sizeof name);
    const struct dns_entry *entry = s->entries;
    if (type_at == 0) {
        return 0;
    }
    while (entry->name && strcasecmp(entry->name, name) != 0) {
        entry++;
    }
    if (entry->name && !entry->addresses) {
        return 0;
    }
    size_t at = type_at + 4;
    int answers = 0;
    m[2] = 0x84;
    m[3] = entry->name ? 0 : 3;
    memset(m + 6, 0, 6);
    for (const char *a = entry->name ? entry->addresses : ""; *a;) {
        struct addr address;
        size_t length = strcspn(a, " ");
        if (addr_parse(&address, span_of(a, length)) &&
            m[type_at + 1] == (address.family == ADDR_V4 ? 1 : 28)) {
            uint8_t ip_bytes = address.family == ADDR_V4 ? 4 : 16;
            const uint8_t head[12] = {0xc0, 12, 0, m[type_at + 1], 0, 1, 0, 0, 0, 60, 0, ip_bytes};
            memcpy(m + at, head, 12);
            memcpy(m + at + 12, address.ip, ip_bytes);
            at += 12u + ip_bytes;
            answers++;
        }
        a += length + strspn(a + length, " ");
    }
    m[7] = (uint8_t)answers;
    return at;
}

static inline void *dns_main(void *argument)
{
    struct dns_server *s = argument;
    for (;;) {
        uint8_t m[2048];
        struct sockaddr_in from;
        socklen_t from_size = sizeof from;
        ssize_t n = recvfrom(s->fd, m, 512, 0, (struct sockaddr *)&from, &from_size);
        if (n <= 12) {
            return NULL; /* an empty datagram ends it */
        }
        atomic_fetch_add(&s->asked, 1);
        atomic_store(&s->last_source, from.sin_addr.s_addr);
        pthread_mutex_lock(&s->lock);
        size_t size = dns_answer(s, m, (size_t)n);
        pthread_mutex_unlock(&s->lock);
        if (size > 0) {
            sendto(s->fd, m, size, 0, (struct sockaddr *)&from, from_size);
        }
    }
}

static inline void dns_server_start(struct dns_server *s, const struct dns_entry *entries)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    *s = (struct dns_server){.entries = entries};
    pthread_mutex_init(&s->lock, NULL);
    s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&at, size), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&at, &size), 0);
    snprintf(s->csv, sizeof s->csv, "127.0.0.1:%u", ntohs(at.sin_port));
    assert_int_equal(pthread_create(&s->thread, NULL, dns_main, s), 0);
}

static inline void dns_server_stop(struct dns_server *s)
{
    struct sockaddr_in at;
    socklen_t size = sizeof at;
    getsockname(s->fd, (struct sockaddr *)&at, &size);
    sendto(s->fd, "", 0, 0, (struct sockaddr *)&at, size);
    pthread_join(s->thread, NULL);
    pthread_mutex_destroy(&s->lock);
    close(s->fd);
}

#endif
