/* The session's memory of whom it dialled in vain. A tracker, or later a peer, can name any
 * address; each of our torrents would dial it (Naoumov and Ross: poisoned indexes as a tool for
 * attacks).
 *
 * Commandments:
 *   - To an address that never completed a handshake with us one attempt in 10 minutes and 3 in an
 *     hour, over all torrents together.
 *   - To an IP address whatever the port 3 in an hour that are under way or got no answer. A port
 *     that refused costs its host one packet each way, and others beside it may serve: those are
 *     not of the 3, but of 20 in an hour altogether. Every other end is like silence.
 *   - What makes a refusal is never forgotten to make room: when the table is full of fresh
 *     attempts, nobody new is dialled.
 *   - Proof is of the IP address; what was proven may be forgotten, which only makes it a
 *     stranger again.
 *   - Who was turned away hears of what lets him try again: torrents often have their peers in
 *     common, and the second need not wait for what the first finds out at once. */
#include "swarm/strangers.h"

#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

/* Within FORGET_NS to one IP address. */
enum {
    SILENT_MAX = 3,    /* that were not refused */
    ATTEMPTS_MAX = 20, /* altogether */
    PORT_MAX = 3,      /* to one port of it */
};

#define NS_PER_S  INT64_C(1000000000)
#define AGAIN_NS  (600 * NS_PER_S)
#define FORGET_NS (3600 * NS_PER_S)

struct attempt {
    int64_t at_ns;
    uint16_t port;
    bool refused;
};

struct stranger {
    struct list node; /* in unproven or proven */
    struct addr ip;   /* without port */
    bool proven;
    bool missed; /* somebody was turned away since those who wait were last told */
    uint32_t attempt_count;
    struct attempt
        *many; /* ATTEMPTS_MAX of them, once one was refused: most hosts need no such memory */
    struct attempt few[SILENT_MAX];
};

static struct addr ip_of(const struct addr *address)
{
    struct addr ip = *address;
    ip.port = 0;
    return ip;
}

void strangers_init(struct strangers *s, const uint64_t seed[2])
{
    *s = (struct strangers){0};
    map_init(&s->by_ip, sizeof(struct addr), seed);
    list_init(&s->waiters);
    list_init(&s->unproven);
    list_init(&s->proven);
}

static void forget(struct strangers *s, struct stranger *stranger)
{
    map_remove(&s->by_ip, &stranger->ip);
    list_remove(&stranger->node);
    if (stranger->proven) {
        s->proven_count--;
    } else {
        s->unproven_count--;
    }
    free(stranger->many);
    free(stranger);
}

void strangers_deinit(struct strangers *s)
{
    list_for_each_safe (node, &s->unproven) {
        forget(s, list_entry(node, struct stranger, node));
    }
    list_for_each_safe (node, &s->proven) {
        forget(s, list_entry(node, struct stranger, node));
    }
    map_deinit(&s->by_ip);
}

static struct stranger *find(const struct strangers *s, const struct addr *address)
{
    struct addr ip = ip_of(address);
    return map_get(&s->by_ip, &ip);
}

static struct stranger *add(struct strangers *s, const struct addr *address)
{
    struct stranger *stranger = calloc(1, sizeof *stranger);
    if (!stranger) {
        return NULL;
    }
    stranger->ip = ip_of(address);
    if (map_put(&s->by_ip, &stranger->ip, stranger)) {
        free(stranger);
        return NULL;
    }
    list_push_back(&s->unproven, &stranger->node);
    s->unproven_count++;
    return stranger;
}

/* The oldest first. */
static struct attempt *attempts_of(struct stranger *stranger)
{
    return stranger->many ? stranger->many : stranger->few;
}

static void forget_old_attempts(struct stranger *stranger, int64_t now_ns)
{
    struct attempt *attempts = attempts_of(stranger);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < stranger->attempt_count; i++) {
        if (now_ns - attempts[i].at_ns < FORGET_NS) {
            attempts[kept++] = attempts[i];
        }
    }
    stranger->attempt_count = kept;
}

static int64_t youngest_ns(struct stranger *stranger)
{
    return stranger->attempt_count ? attempts_of(stranger)[stranger->attempt_count - 1].at_ns
                                   : INT64_MIN / 2;
}

static uint32_t silent_count(struct stranger *stranger)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < stranger->attempt_count; i++) {
        count += !attempts_of(stranger)[i].refused;
    }
    return count;
}

/* When this port of it may be tried again: now, or later. */
static int64_t retry_at_ns(struct stranger *stranger, uint16_t port, int64_t now_ns)
{
    const struct attempt *attempts = attempts_of(stranger);
    int64_t retry_ns = now_ns;
    uint32_t silent = 0, at_port = 0;
    /* From the youngest: the one that makes a maximum full, when it is forgotten. */
    for (uint32_t i = stranger->attempt_count; i-- > 0;) {
        const struct attempt *a = &attempts[i];
        bool is_port = a->port == port;
        silent += !a->refused;
        at_port += is_port;
        bool fills = (!a->refused && silent == SILENT_MAX) || (is_port && at_port == PORT_MAX) ||
                     stranger->attempt_count - i == ATTEMPTS_MAX;
        int64_t pause_ns = fills ? FORGET_NS : is_port ? AGAIN_NS : 0;
        if (a->at_ns + pause_ns > retry_ns) {
            retry_ns = a->at_ns + pause_ns;
        }
    }
    return retry_ns;
}

static void tell_waiters(struct strangers *s, const struct addr *address)
{
    list_for_each_safe (node, &s->waiters) {
        struct strangers_waiter *waiter = list_entry(node, struct strangers_waiter, link);
        waiter->on_allowed(waiter, address);
    }
}

/* The list is in the order of the youngest attempts: the old ones are at its front. */
static void forget_old(struct strangers *s, int64_t now_ns)
{
    struct list *first;
    while ((first = list_first(&s->unproven))) {
        struct stranger *stranger = list_entry(first, struct stranger, node);
        if (now_ns - youngest_ns(stranger) < FORGET_NS) {
            return;
        }
        forget(s, stranger);
    }
}

bool strangers_dial(struct strangers *s, const struct addr *address, int64_t now_ns,
                    int64_t *retry_ns)
{
    struct stranger *stranger = find(s, address);
    if (stranger && stranger->proven) {
        list_remove(&stranger->node);
        list_push_back(&s->proven, &stranger->node);
        return true;
    }
    if (!stranger) {
        forget_old(s, now_ns);
        stranger = s->unproven_count < LIMIT_STRANGERS ? add(s, address) : NULL;
        if (!stranger) {
            *retry_ns = now_ns + AGAIN_NS;
            return false;
        }
    }
    forget_old_attempts(stranger, now_ns);
    *retry_ns = retry_at_ns(stranger, address->port, now_ns);
    if (*retry_ns > now_ns) {
        stranger->missed = true;
        return false;
    }
    attempts_of(stranger)[stranger->attempt_count++] =
        (struct attempt){.at_ns = now_ns, .port = address->port};
    list_remove(&stranger->node);
    list_push_back(&s->unproven, &stranger->node);
    return true;
}

void strangers_undo(struct strangers *s, const struct addr *address)
{
    struct stranger *stranger = find(s, address);
    if (!stranger || stranger->proven || stranger->attempt_count == 0 ||
        attempts_of(stranger)[stranger->attempt_count - 1].port != address->port) {
        return;
    }
    stranger->attempt_count--;
    if (stranger->attempt_count == 0) {
        forget(s, stranger);
        return;
    }
    /* The list is in the order of the youngest attempts: its place is further to the front. */
    int64_t at_ns = youngest_ns(stranger);
    struct list *before = stranger->node.prev;
    while (before != &s->unproven &&
           youngest_ns(list_entry(before, struct stranger, node)) > at_ns) {
        before = before->prev;
    }
    list_remove(&stranger->node);
    list_insert_between(&stranger->node, before, before->next);
}

void strangers_on_refused(struct strangers *s, const struct addr *address)
{
    struct stranger *stranger = find(s, address);
    struct attempt *refused = NULL;
    for (uint32_t i = 0; stranger && !stranger->proven && i < stranger->attempt_count; i++) {
        struct attempt *a = &attempts_of(stranger)[i];
        refused = a->port == address->port && !a->refused ? a : refused;
    }
    if (!refused) {
        return;
    }
    if (!stranger->many) {
        struct attempt *many = calloc(ATTEMPTS_MAX, sizeof *many);
        if (!many) {
            return; /* like silence, then */
        }
        memcpy(many, stranger->few, sizeof stranger->few);
        refused = many + (refused - stranger->few);
        stranger->many = many;
    }
    refused->refused = true;
    if (stranger->missed) {
        stranger->missed = false;
        tell_waiters(s, address);
    }
}

void strangers_wait(struct strangers *s, struct strangers_waiter *waiter)
{
    if (!list_linked(&waiter->link)) {
        list_push_back(&s->waiters, &waiter->link);
    }
}

void strangers_on_proven(struct strangers *s, const struct addr *address)
{
    struct stranger *stranger = find(s, address);
    if (stranger && stranger->proven) {
        return;
    }
    if (!stranger) {
        stranger = add(s, address);
        if (!stranger) {
            return;
        }
    }
    if (s->proven_count == LIMIT_STRANGERS) {
        forget(s, list_entry(list_first(&s->proven), struct stranger, node));
    }
    list_remove(&stranger->node);
    s->unproven_count--;
    stranger->proven = true;
    stranger->attempt_count = 0;
    free(stranger->many);
    stranger->many = NULL;
    list_push_back(&s->proven, &stranger->node);
    s->proven_count++;
    tell_waiters(s, address);
}

bool strangers_is_proven(const struct strangers *s, const struct addr *address)
{
    const struct stranger *stranger = find(s, address);
    return stranger && stranger->proven;
}

bool strangers_is_consistent(const struct strangers *s)
{
    uint32_t unproven = 0, proven = 0;
    int64_t before_ns = INT64_MIN;
    list_for_each (node, &s->unproven) {
        struct stranger *stranger = list_entry(node, struct stranger, node);
        if (stranger->proven || silent_count(stranger) > SILENT_MAX ||
            stranger->attempt_count > (stranger->many ? ATTEMPTS_MAX : SILENT_MAX) ||
            youngest_ns(stranger) < before_ns || find(s, &stranger->ip) != stranger) {
            return false;
        }
        before_ns = youngest_ns(stranger);
        unproven++;
    }
    list_for_each (node, &s->proven) {
        struct stranger *stranger = list_entry(node, struct stranger, node);
        if (!stranger->proven || stranger->attempt_count > 0 ||
            find(s, &stranger->ip) != stranger) {
            return false;
        }
        proven++;
    }
    return unproven == s->unproven_count && proven == s->proven_count &&
           unproven <= LIMIT_STRANGERS && proven <= LIMIT_STRANGERS &&
           unproven + proven == s->by_ip.count;
}
