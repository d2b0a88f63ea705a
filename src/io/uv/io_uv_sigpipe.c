/* Holding SIGPIPE back from one thread for the time of a call. */
#include "io/uv/io_uv_sigpipe.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

static bool is_pending(void)
{
    sigset_t pending;
    return sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
}

void io_uv_sigpipe_hold(struct io_uv_sigpipe *s)
{
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    s->was_pending = is_pending();
    pthread_sigmask(SIG_BLOCK, &pipe, &s->before);
}

void io_uv_sigpipe_release(const struct io_uv_sigpipe *s)
{
    sigset_t pipe;
    const struct timespec at_once = {0};
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    /* One that was pending before is the program's own. */
    if (!s->was_pending && is_pending()) {
        while (sigtimedwait(&pipe, NULL, &at_once) < 0 && errno == EINTR) {
        }
    }
    pthread_sigmask(SIG_SETMASK, &s->before, NULL);
}
