/* Asking again for peers. The first answer of a tracker may name nobody, or only hosts that do not answer, and its
 * interval is half an hour. A torrent that nobody has anything for asks again after a minute of that, then after two,
 * four and so on, where the tracker named a minimum interval, and not before that. */
#include "engine/announce.h"
#include "engine/swarm.h"
#include "engine/torrent.h"

#define NEED_NS            INT64_C(60000000000)
#define NEED_DOUBLINGS_MAX 5

static void on_need_timer(struct timer *timer, int64_t now_ns)
{
    struct torrent *t = list_entry(timer, struct torrent, need_timer);
    (void)now_ns;
    if (t->phase != TORRENT_ACTIVE || t->swarm->seeding) {
        return;
    }
    if (swarm_is_starved(t->swarm)) {
        announce_need(t->announce);
        t->needs += t->needs < NEED_DOUBLINGS_MAX;
    } else {
        t->needs = 0;
    }
    torrent_watch_need(t);
}

void torrent_watch_need(struct torrent *t)
{
    if (!t->swarm->seeding) {
        timer_set(&t->env->timers, &t->need_timer, io_now(t->env->io) + (NEED_NS << t->needs));
    }
}

void torrent_need_init(struct torrent *t)
{
    t->need_timer.fire = on_need_timer;
}
