/* A web server of a few scripted pages, plain or with TLS, on a thread, for the tests of HTTP. A connection that a
 * page has kept is served again when its next request comes. */
#ifndef TESTS_UNIT_IO_WEB_SERVER_H
#define TESTS_UNIT_IO_WEB_SERVER_H

#include "base/addr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct web_server;

/* One connection, with the request that came over it. */
struct web_client {
    struct web_server *server;
    int fd;
    SSL *tls; /* NULL: plain */
    char request[8192];
    char target[2048]; /* what follows GET */
    int served;        /* requests, this one included */
};

struct web_page {
    const char *path; /* the beginning of the request's target */
    /* Sends the answer, if any. True keeps the connection open until the client closes it or the server stops. */
    bool (*answer)(struct web_client *);
};

enum { WEB_KEPT = 128 };

struct web_server {
    const struct web_page *pages; /* ended by a NULL path */
    SSL_CTX *tls;                 /* NULL: plain */
    uint16_t port;
    int fd, stop_pipe[2];
    pthread_t thread;
    struct web_client *kept[WEB_KEPT]; /* of the thread */
    int kept_count;
    pthread_mutex_t lock; /* guards what follows */
    int connections, requests, open;
    size_t sent_bytes;
    char last_request[8192];
    char last_peer[INET_ADDRSTRLEN];
};

/* False when the other side has gone. */
static inline bool web_send(struct web_client *c, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size > 0) {
        ssize_t n = c->tls ? SSL_write(c->tls, at, (int)(size < 16384 ? size : 16384))
                           : send(c->fd, at, size, MSG_NOSIGNAL);
        if (n <= 0) {
            return false;
        }
        pthread_mutex_lock(&c->server->lock);
        c->server->sent_bytes += (size_t)n;
        pthread_mutex_unlock(&c->server->lock);
        at += n;
        size -= (size_t)n;
    }
    return true;
}

static inline bool web_text(struct web_client *c, const char *text)
{
    return web_send(c, text, strlen(text));
}

static inline bool web_read_request(struct web_client *c)
{
    size_t size = 0;
    while (size < sizeof c->request - 1) {
        size_t room = sizeof c->request - 1 - size;
        ssize_t n = c->tls ? SSL_read(c->tls, c->request + size, (int)room)
                           : recv(c->fd, c->request + size, room, 0);
        if (n <= 0) {
            return false;
        }
        size += (size_t)n;
        c->request[size] = 0;
        if (strstr(c->request, "\r\n\r\n")) {
            return sscanf(c->request, "GET %2047s ", c->target) == 1;
        }
    }
    return false;
}

static inline bool web_serve(struct web_client *c)
{
    struct web_server *s = c->server;
    if (!web_read_request(c)) {
        return false;
    }
    c->served++;
    pthread_mutex_lock(&s->lock);
    s->requests++;
    memcpy(s->last_request, c->request, sizeof s->last_request);
    pthread_mutex_unlock(&s->lock);
    for (const struct web_page *page = s->pages; page->path; page++) {
        if (strncmp(page->path, c->target, strlen(page->path)) == 0) {
            return page->answer(c);
        }
    }
    web_text(c, "HTTP/1.1 404 Not Found\r\nContent-Length: 7\r\n\r\nno page");
    return false;
}

static inline void web_close(struct web_client *c)
{
    if (c->tls) {
        SSL_free(c->tls);
    }
    close(c->fd);
    pthread_mutex_lock(&c->server->lock);
    c->server->open--;
    pthread_mutex_unlock(&c->server->lock);
    free(c);
}

static inline void web_accept(struct web_server *s)
{
    struct sockaddr_in from = {0};
    socklen_t size = sizeof from;
    int fd = accept(s->fd, (struct sockaddr *)&from, &size);
    if (fd < 0) {
        return;
    }
    pthread_mutex_lock(&s->lock);
    s->connections++;
    s->open++;
    inet_ntop(AF_INET, &from.sin_addr, s->last_peer, sizeof s->last_peer);
    pthread_mutex_unlock(&s->lock);
    struct web_client *c = calloc(1, sizeof *c);
    c->server = s;
    c->fd = fd;
    if (s->tls) {
        c->tls = SSL_new(s->tls);
        SSL_set_fd(c->tls, c->fd);
    }
    if ((!c->tls || SSL_accept(c->tls) == 1) && web_serve(c) && s->kept_count < WEB_KEPT) {
        s->kept[s->kept_count++] = c;
    } else {
        web_close(c);
    }
}

static inline void *web_main(void *argument)
{
    struct web_server *s = argument;
    sigset_t pipe_only; /* of this thread; the test's own would show what the client raises */
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_only, NULL);
    for (;;) {
        struct pollfd p[2 + WEB_KEPT] = {{.fd = s->fd, .events = POLLIN},
                                         {.fd = s->stop_pipe[0], .events = POLLIN}};
        int kept = s->kept_count;
        for (int i = 0; i < kept; i++) {
            p[2 + i] = (struct pollfd){.fd = s->kept[i]->fd, .events = POLLIN};
        }
        if (poll(p, (nfds_t)(2 + kept), -1) < 0 || p[1].revents) {
            break;
        }
        for (int i = kept - 1; i >= 0; i--) {
            if (p[2 + i].revents && !web_serve(s->kept[i])) {
                web_close(s->kept[i]);
                s->kept[i] = s->kept[--kept];
            }
        }
        s->kept_count = kept;
        if (p[0].revents) {
            web_accept(s);
        }
    }
    for (int i = 0; i < s->kept_count; i++) {
        web_close(s->kept[i]);
    }
    return NULL;
}

static inline void web_server_start(struct web_server *s, const char *ip, SSL_CTX *tls,
                                    const struct web_page *pages)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    bool is_v6 = strchr(ip, ':') != NULL;
    struct sockaddr *at = is_v6 ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4;
    socklen_t size = is_v6 ? sizeof v6 : sizeof v4;
    int one = 1;
    *s = (struct web_server){.pages = pages, .tls = tls};
    pthread_mutex_init(&s->lock, NULL);
    assert_int_equal(inet_pton(at->sa_family, ip, is_v6 ? (void *)&v6.sin6_addr : &v4.sin_addr), 1);
    s->fd = socket(at->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    assert_int_equal(bind(s->fd, at, size), 0);
    assert_int_equal(listen(s->fd, 128), 0);
    assert_int_equal(getsockname(s->fd, at, &size), 0);
    s->port = ntohs(is_v6 ? v6.sin6_port : v4.sin_port);
    assert_int_equal(pipe(s->stop_pipe), 0);
    assert_int_equal(pthread_create(&s->thread, NULL, web_main, s), 0);
}

static inline void web_server_stop(struct web_server *s)
{
    assert_int_equal(write(s->stop_pipe[1], "x", 1), 1);
    pthread_join(s->thread, NULL);
    close(s->fd);
    close(s->stop_pipe[0]);
    close(s->stop_pipe[1]);
    pthread_mutex_destroy(&s->lock);
}

static inline int web_server_connections(struct web_server *s)
{
    pthread_mutex_lock(&s->lock);
    int connections = s->connections;
    pthread_mutex_unlock(&s->lock);
    return connections;
}

static inline int web_server_requests(struct web_server *s)
{
    pthread_mutex_lock(&s->lock);
    int requests = s->requests;
    pthread_mutex_unlock(&s->lock);
    return requests;
}

/* Connections that neither side has closed, as far as the server knows. */
static inline int web_server_open(struct web_server *s)
{
    pthread_mutex_lock(&s->lock);
    int open = s->open;
    pthread_mutex_unlock(&s->lock);
    return open;
}

static inline bool web_server_saw(struct web_server *s, const char *text)
{
    pthread_mutex_lock(&s->lock);
    bool saw = strstr(s->last_request, text) != NULL;
    pthread_mutex_unlock(&s->lock);
    return saw;
}

#endif
