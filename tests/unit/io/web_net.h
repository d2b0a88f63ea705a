/* The little internet of the tests of HTTP: a name server, and two web servers with the same pages, one on loopback and
 * one on a public address. It needs own_network_enter(). */
#ifndef TESTS_UNIT_IO_WEB_NET_H
#define TESTS_UNIT_IO_WEB_NET_H

#include "dns_server.h"
#include "own_network.h"
#include "web_server.h"

struct web_net {
    struct dns_server dns;
    struct web_server local, public;
};

static inline void web_net_start(struct web_net *net, const struct dns_entry *names,
                                 const struct web_page *pages)
{
    dns_server_start(&net->dns, names);
    web_server_start(&net->local, "127.0.0.1", NULL, pages);
    web_server_start(&net->public, OWN_NETWORK_PUBLIC, NULL, pages);
}

static inline void web_net_stop(struct web_net *net)
{
    web_server_stop(&net->local);
    web_server_stop(&net->public);
    dns_server_stop(&net->dns);
}

#endif
