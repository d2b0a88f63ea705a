/* Settings of the library from options. Local addresses: what the user names may be local; what a
 * torrent names may be only when the user's own words are about a local network, or say so. */
#include "apps/cli/network.h"

#include "apps/cli/exit_codes.h"
#include "apps/cli/locality.h"
#include "apps/cli/message.h"
#include "apps/cli/redact.h"

#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

static bool is_local_bind(const char *bind)
{
    /* A word without '.' and ':' is an interface. */
    return bind && (strcmp(bind, "lo") == 0 || (strpbrk(bind, ".:") && locality_is_local(bind)));
}

static bool any_is_local(const struct option_list *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (locality_is_local(list->items[i])) {
            return true;
        }
    }
    return false;
}

void network_fill_settings(struct spate_settings *settings, const struct options *o,
                           enum network_use use, const char *url)
{
    spate_settings_init(settings, sizeof *settings);
    settings->bind = o->bind;
    settings->proxy = o->proxy;
    settings->ca_cert = o->ca_cert;
    settings->user_agent = o->user_agent;
    bool local = o->allow_local || is_local_bind(o->bind);
    switch (use) {
    case NETWORK_FETCH:
        local = local || locality_is_local(url);
        break;
    case NETWORK_SCRAPE:
        local = true;
        break;
    case NETWORK_SESSION:
        local = local || any_is_local(&o->trackers) || any_is_local(&o->peers);
        settings->port = (uint16_t)o->port;
        settings->max_peers = (uint32_t)o->max_peers;
        settings->max_down = o->max_down;
        settings->max_up = o->max_up;
        settings->allocation =
            o->allocation > 0 ? (uint32_t)(o->allocation - 1) : SPATE_ALLOCATE_SPARSE;
        settings->log_level = o->verbose ? SPATE_LOG_DEBUG : SPATE_LOG_INFO;
        break;
    }
    settings->allow_local = local;
}

/* A host follows one of the schemes. What else may be wrong with a URL is for the library to say. */
static bool has_scheme(const char *url, const char *const *schemes)
{
    for (; *schemes; schemes++) {
        size_t length = strlen(*schemes);
        if (strncasecmp(url, *schemes, length) == 0) {
            return url[length] != 0 && url[length] != '/';
        }
    }
    return false;
}

static int check_trackers(const struct options *o, char *text, size_t size)
{
    static const char *const schemes[] = {"udp://", "http://", "https://", NULL};
    char shown[512];
    for (uint32_t i = 0; i < o->trackers.count; i++) {
        const char *url = o->trackers.items[i];
        if (!has_scheme(url, schemes)) {
            snprintf(text, size, "--tracker: '%s' is not a udp, http or https URL",
                     network_show_url(o, url, shown, sizeof shown));
            return EXIT_CODE_USAGE;
        }
    }
    return EXIT_CODE_OK;
}

static int check_proxy(const struct options *o, char *text, size_t size)
{
    static const char *const schemes[] = {"http://",   "https://",   "socks5://", "socks5h://",
                                          "socks4://", "socks4a://", NULL};
    char shown[512];
    if (o->proxy && *o->proxy && strstr(o->proxy, "://") && !has_scheme(o->proxy, schemes)) {
        snprintf(text, size, "--proxy: '%s' is not an http, https, socks5 or socks4 URL",
                 network_show_url(o, o->proxy, shown, sizeof shown));
        return EXIT_CODE_USAGE;
    }
    return EXIT_CODE_OK;
}

int network_check(const struct options *o, char *text, size_t size)
{
    int code = check_trackers(o, text, size);
    code = code == EXIT_CODE_OK ? check_proxy(o, text, size) : code;
    if (code != EXIT_CODE_OK) {
        return code;
    }
    if (o->ca_cert && access(o->ca_cert, R_OK) != 0) {
        snprintf(text, size, "--ca-cert: %s: %s", o->ca_cert, message_errno(errno));
        return EXIT_CODE_USAGE;
    }
    /* A word without '.' and ':' is an interface. It may come back, so this is no fault of the user's. */
    if (o->bind && !strpbrk(o->bind, ".:") && if_nametoindex(o->bind) == 0) {
        snprintf(text, size, "--bind: there is no network interface '%s'", o->bind);
        return EXIT_CODE_NETWORK;
    }
    return EXIT_CODE_OK;
}

const char *network_show_url(const struct options *o, const char *text, char *out, size_t size)
{
    return o->verbose ? text : redact_text(text, out, size);
}

/* Digits that are a number from 1 to 65535. */
static bool is_port(const char *text)
{
    return *text && strlen(text) <= 5 && strspn(text, "0123456789") == strlen(text) &&
           strtoul(text, NULL, 10) - 1 < UINT16_MAX;
}

/* "host:port" or "[v6]:port" cut in two; false when it is neither. */
static bool split(const char *peer, char *host, size_t size, char *port, size_t port_size)
{
    const char *colon = strrchr(peer, ':');
    if (!colon || colon == peer || !is_port(colon + 1)) {
        return false;
    }
    const char *begin = peer;
    size_t length = (size_t)(colon - peer);
    if (begin[0] == '[' && begin[length - 1] == ']' && length > 2) {
        begin++;
        length -= 2;
    } else if (memchr(begin, ':', length)) {
        return false;
    }
    if (length >= size) {
        return false;
    }
    memcpy(host, begin, length);
    host[length] = 0;
    snprintf(port, port_size, "%s", colon + 1);
    return true;
}

static bool add_address(const struct addrinfo *found, struct option_list *peers,
                        struct option_list *owned)
{
    char host[NI_MAXHOST], port[NI_MAXSERV], text[NI_MAXHOST + NI_MAXSERV + 4];
    if (getnameinfo(found->ai_addr, found->ai_addrlen, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        return true;
    }
    snprintf(text, sizeof text, found->ai_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    char *copy = strdup(text);
    if (!copy || !option_list_add(owned, copy)) {
        free(copy);
        return false;
    }
    return option_list_add(peers, copy);
}

bool network_resolve_peers(const struct options *o, struct option_list *peers,
                           struct option_list *owned, char *text, size_t size)
{
    for (uint32_t i = 0; i < o->peers.count; i++) {
        char host[256], port[8];
        const char *peer = o->peers.items[i];
        if (!split(peer, host, sizeof host, port, sizeof port)) {
            snprintf(text, size, "--peer: '%s' is not HOST:PORT or [IPv6]:PORT", peer);
            return false;
        }
        /* The system's resolver does not keep to --bind, so there only addresses will do. */
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                 .ai_flags = AI_NUMERICSERV | (o->bind ? AI_NUMERICHOST : 0)};
        struct addrinfo *found = NULL;
        int failed = getaddrinfo(host, port, &hints, &found);
        if (failed) {
            snprintf(text, size, "--peer: %s: %s%s", host, gai_strerror(failed),
                     o->bind ? " (with --bind it must be an address)" : "");
            return false;
        }
        bool good = true;
        for (const struct addrinfo *a = found; good && a; a = a->ai_next) {
            good = add_address(a, peers, owned);
        }
        freeaddrinfo(found);
        if (!good) {
            snprintf(text, size, "--peer: too many");
            return false;
        }
    }
    return true;
}
