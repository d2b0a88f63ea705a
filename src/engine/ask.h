/* One question to one tracker over one address family, brought to the world: over HTTP one request, over
 * UDP a name and then a conversation. Ends in exactly one result, or is cancelled. */
#ifndef ENGINE_ASK_H
#define ENGINE_ASK_H

#include "codec/url.h"
#include "engine/announce_udp.h"

/* A tracker's address as the torrent or the user gave it. */
struct ask_target {
    const char *url;
    struct url parts;    /* of url */
    struct addr literal; /* the host when it is an address, else ADDR_NONE */
    bool udp;
    bool trusted; /* the user's own, or the settings allow it: may be on a private network */
};

/* Splits url, which must live as long as the target. SPATE_EURL, SPATE_EUNSUPPORTED (not a scheme of
 * trackers), with *error filled. */
int ask_target_init(struct ask_target *, const char *url, bool trusted, struct spate_error *error);

/* Whom a torrent may make us talk to: a trusted tracker may be at any host's address; another not on a
 * private network, and on this machine only under the path /announce, so that no torrent can make us poke
 * at other local services. */
bool ask_target_allows(const struct ask_target *, const struct addr *);
/* The same for HTTP, where the port judges the addresses: io_http.allow_private. */
bool ask_target_allows_private(const struct ask_target *);

struct ask_result {
    int error;                           /* 0: answer is the tracker's answer */
    int64_t retry_s;                     /* with an error: as announcer_on_failure() takes it */
    bool absent;                         /* with an error: the name has no address of this family */
    char text[LIMIT_TRACKER_TEXT_BYTES]; /* failure or warning, for people; "" */
    struct tracker_answer answer;        /* its spans live for the call */
    const struct addr *peers;            /* answer.peer_count; for the call */
    struct addr from;                    /* UDP: the tracker's address, for the next question */
};

struct ask_settings {
    const struct announce_settings
        *world;                      /* io, udp, bind, HTTP settings; lives until the result */
    const struct ask_target *target; /* lives until the result */
    enum addr_family family;
    struct tracker_announce announce;
    struct span tracker_id; /* BEP 3; copied */
    struct addr hint;       /* UDP: where it answered from; skips the name's lookup */
    uint32_t failures;      /* of this tracker before */
    int64_t timeout_ns;     /* HTTP */
    void (*done)(void *user, uint32_t tag,
                 const struct ask_result *); /* the ask ends with the call */
    void *user;
    uint32_t tag;
};

struct ask;

/* Never calls done from inside; NULL when out of memory. */
struct ask *ask_create(const struct ask_settings *);
/* No result will come. */
void ask_cancel(struct ask *);
/* The tracker may have heard the question already. */
bool ask_may_have_arrived(const struct ask *);
/* When ask_wake() must be called; INT64_MAX: not. */
int64_t ask_deadline(const struct ask *);
/* May call done. */
void ask_wake(struct ask *, int64_t now_ns);

#endif
