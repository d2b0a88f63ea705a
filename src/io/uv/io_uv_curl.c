/* libcurl's multi interface, driven by our loop: it says which sockets it wants to hear about and when it
 * wants to be called, and is called when that happens. Wherever it may write to a socket, SIGPIPE is held
 * back: OpenSSL cannot be told not to raise it. */
#include "io/uv/io_uv_curl.h"

#include "io/uv/io_uv_sigpipe.h"

#include <stdlib.h>

/* One of libcurl's sockets. */
struct curl_watch {
    struct io_uv_watch watch;
    struct io_uv_curl *curl;
    curl_socket_t fd;
};

static void call(struct io_uv_curl *c, curl_socket_t fd, int events)
{
    struct io_uv_sigpipe held;
    CURLMsg *message;
    int running, left;
    io_uv_sigpipe_hold(&held);
    curl_multi_socket_action(c->multi, fd, events, &running);
    io_uv_sigpipe_release(&held);
    while ((message = curl_multi_info_read(c->multi, &left))) {
        if (message->msg == CURLMSG_DONE) {
            c->done(message->easy_handle, message->data.result);
        }
    }
}

static void curl_on_timer(struct io_op *op, int status)
{
    struct io_uv_curl *c = list_entry(op, struct io_uv_curl, timer);
    if (status == 0) {
        call(c, CURL_SOCKET_TIMEOUT, 0);
    }
}

static int curl_on_timer_wanted(CURLM *multi, long timeout_ms, void *data)
{
    struct io_uv_curl *c = data;
    (void)multi;
    io_uv_loop_forget(c->loop, &c->timer);
    if (timeout_ms >= 0 && !c->loop->ending) {
        int64_t in_ns = (int64_t)timeout_ms * 1000000;
        io_uv_loop_timer(c->loop, &c->timer, io_uv_loop_read_clock(c->loop) + in_ns);
    }
    return 0;
}

static void watch_on_ready(struct io_uv_watch *w, int events)
{
    struct curl_watch *s = list_entry(w, struct curl_watch, watch);
    call(s->curl, s->fd,
         ((events & IO_READABLE) ? CURL_CSELECT_IN : 0) |
             ((events & IO_WRITABLE) ? CURL_CSELECT_OUT : 0));
}

static void watch_on_closed(struct io_uv_watch *w)
{
    free(list_entry(w, struct curl_watch, watch));
}

static int curl_on_socket_wanted(CURL *easy, curl_socket_t fd, int what, void *data, void *known)
{
    struct io_uv_curl *c = data;
    struct curl_watch *s = known;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (s) {
            curl_multi_assign(c->multi, fd, NULL);
            io_uv_watch_close(&s->watch);
        }
        return 0;
    }
    if (!s) {
        s = calloc(1, sizeof *s);
        if (!s || io_uv_watch_init(&s->watch, c->loop, fd) < 0) {
            free(s);
            return 0; /* the request then ends at its deadline */
        }
        s->watch.ready = watch_on_ready;
        s->watch.closed = watch_on_closed;
        s->curl = c;
        s->fd = fd;
        curl_multi_assign(c->multi, fd, s);
    }
    io_uv_watch_want(&s->watch, ((what & CURL_POLL_IN) ? IO_READABLE : 0) |
                                    ((what & CURL_POLL_OUT) ? IO_WRITABLE : 0));
    return 0;
}

void io_uv_curl_init(struct io_uv_curl *c, struct io_uv_loop *loop, void (*done)(CURL *, CURLcode))
{
    c->loop = loop;
    c->multi = NULL;
    c->timer.done = curl_on_timer;
    c->done = done;
}

/* What a multi handle does at its end heeds CURLOPT_NOSIGNAL as the last handle had it that was added with no share of
 * its own. None of the transfers is such a one, so libcurl would change what the program does about SIGPIPE. */
static bool leave_signals_alone(CURLM *multi)
{
    CURL *easy = curl_easy_init();
    bool done = easy && curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
                curl_multi_add_handle(multi, easy) == CURLM_OK &&
                curl_multi_remove_handle(multi, easy) == CURLM_OK;
    curl_easy_cleanup(easy);
    return done;
}

int io_uv_curl_start(struct io_uv_curl *c)
{
    if (c->multi) {
        return 0;
    }
    /* libcurl counts its users and, built as Debian builds it, does so under a lock. */
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return SPATE_ENOMEM;
    }
    c->multi = curl_multi_init();
    if (!c->multi || !leave_signals_alone(c->multi)) {
        curl_multi_cleanup(c->multi); /* NULL is allowed */
        c->multi = NULL;
        curl_global_cleanup();
        return SPATE_ENOMEM;
    }
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, curl_on_socket_wanted);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, curl_on_timer_wanted);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
    return 0;
}

int io_uv_curl_add(struct io_uv_curl *c, CURL *easy)
{
    return curl_multi_add_handle(c->multi, easy) == CURLM_OK ? 0 : SPATE_ENOMEM;
}

void io_uv_curl_remove(struct io_uv_curl *c, CURL *easy)
{
    struct io_uv_sigpipe held;
    io_uv_sigpipe_hold(&held);
    curl_multi_remove_handle(c->multi, easy);
    curl_easy_cleanup(easy);
    io_uv_sigpipe_release(&held);
}

void io_uv_curl_deinit(struct io_uv_curl *c)
{
    if (!c->multi) {
        return;
    }
    struct io_uv_sigpipe held;
    io_uv_sigpipe_hold(&held);
    curl_multi_cleanup(c->multi);
    io_uv_sigpipe_release(&held);
    c->multi = NULL;
    curl_global_cleanup();
}
