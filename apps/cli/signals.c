/* signalfd(2) for Ctrl-C and its like, ended children, a resized terminal, and
 * the way back from Ctrl-Z. SIGPIPE is ignored: writes
 * report a reader that is gone. */
#include "apps/cli/signals.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const int endings[] = {SIGINT, SIGTERM, SIGHUP};

static bool is_ignored(int number)
{
    struct sigaction action;
    return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

bool signals_init(struct signals *s)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set,
              SIGINT); /* even where a shell made background jobs ignore it: kill -INT is meant */
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGWINCH);
    sigaddset(&set, SIGCONT);
    if (!is_ignored(SIGHUP)) { /* nohup */
        sigaddset(&set, SIGHUP);
    }
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    s->fd = -1;
    if (sigaction(SIGPIPE, &ignore, NULL) != 0 || pthread_sigmask(SIG_BLOCK, &set, NULL) != 0) {
        return false;
    }
    s->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return s->fd >= 0;
}

void signals_deinit(struct signals *s)
{
    if (s->fd >= 0) {
        close(s->fd);
        s->fd = -1;
    }
}

int signals_next(struct signals *s)
{
    struct signalfd_siginfo info;
    ssize_t size;
    do {
        size = read(s->fd, &info, sizeof info);
    } while (size < 0 && errno == EINTR);
    return size == (ssize_t)sizeof info ? (int)info.ssi_signo : 0;
}

void signals_release(struct signals *s)
{
    sigset_t set;
    (void)s;
    sigemptyset(&set);
    struct sigaction standard = {.sa_handler = SIG_DFL};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        if (endings[i] == SIGINT || !is_ignored(endings[i])) {
            sigaction(endings[i], &standard, NULL);
        }
        sigaddset(&set, endings[i]);
    }
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}
