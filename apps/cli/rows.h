/* Rows of option tables that several subcommands share. */
#ifndef CLI_ROWS_H
#define CLI_ROWS_H

#include "apps/cli/options.h"

/* What follows the argument is the text, and after it whatever else the row has. */
#define ROW(letter_, kind_, group_, field_, name_, argument_, ...)                                 \
    {                                                                                              \
        .letter = (letter_), .kind = OPTION_##kind_, .group = OPTION_GROUP_##group_,               \
        .offset = offsetof(struct options, field_), .name = (name_), .argument = (argument_),      \
        .text = __VA_ARGS__                                                                        \
    }
#define ROW_END                                                                                    \
    {                                                                                              \
        .name = NULL                                                                               \
    }

#define ROWS_GENERAL                                                                               \
    ROW(0, FILE, GENERAL, config, "config", "FILE", "read this config file instead of the usual"), \
        ROW(0, FLAG, GENERAL, no_config, "no-config", NULL, "read no config file"),                \
        ROW('h', FLAG, GENERAL, help, "help", NULL, "show this help")

#define ROW_JSON(text) ROW(0, FLAG, OUTPUT, json, "json", NULL, text)
#define ROW_QUIET                                                                                  \
    ROW('q', FLAG, OUTPUT, quiet, "quiet", NULL, "say nothing but errors", .in_config = true)
#define ROW_VERBOSE(text) ROW('v', FLAG, OUTPUT, verbose, "verbose", NULL, text, .in_config = true)
#define ROW_NO_COLOR                                                                               \
    ROW(0, FLAG, OUTPUT, no_color, "no-color", NULL,                                               \
        "no colours; the environment variable NO_COLOR says the same", .in_config = true)

/* Whatever speaks HTTP or to a tracker. */
#define ROWS_NETWORK                                                                               \
    ROW(0, TEXT, NETWORK, bind, "bind", "ADDRESS|INTERFACE",                                       \
        "send and receive everything through this address or interface", .in_config = true),       \
        ROW(0, TEXT, NETWORK, proxy, "proxy", "URL",                                               \
            "proxy for HTTP; the usual environment variables count, too", .in_config = true),      \
        ROW(0, FILE, NETWORK, ca_cert, "ca-cert", "FILE",                                          \
            "certificate authorities for HTTPS instead of the system's", .in_config = true),       \
        ROW(0, TEXT, NETWORK, user_agent, "user-agent", "TEXT",                                    \
            "what to call ourselves over HTTP", .in_config = true)

/* Whatever joins a swarm. */
#define ROWS_SWARM                                                                                 \
    ROW(0, NUMBER, NETWORK, port, "port", "N",                                                     \
        "TCP and UDP port to listen on (default: any free one)", .most = 65535,                    \
        .in_config = true),                                                                        \
        ROW(0, BYTES, NETWORK, max_down, "max-down", "RATE",                                       \
            "bytes a second to receive at most, e.g. 800k or 5M", .in_config = true),              \
        ROW(0, BYTES, NETWORK, max_up, "max-up", "RATE", "bytes a second to send at most",         \
            .in_config = true),                                                                    \
        ROW(0, NUMBER, NETWORK, max_peers, "max-peers", "N",                                       \
            "connections per torrent (default 80)", .most = 65535, .in_config = true),             \
        ROW('t', LIST, NETWORK, trackers, "tracker", "URL",                                        \
            "ask this tracker as well; may be repeated", .in_config = true),                       \
        ROW(0, LIST, NETWORK, peers, "peer", "HOST:PORT",                                          \
            "connect to this peer as well; may be repeated"),                                      \
        ROW(0, FLAG, NETWORK, allow_local, "allow-local", NULL,                                    \
            "a torrent's trackers may be on this machine or the local network; so they may when "  \
            "--bind, --tracker or --peer names a local address",                                   \
            .in_config = true),                                                                    \
        ROW(0, DIRECTORY, WHERE, state_dir, "state-dir", "DIR",                                    \
            "where the record of what is verified is kept (default "                               \
            "$XDG_STATE_HOME/spate or ~/.local/state/spate)",                                      \
            .in_config = true)

#define ROW_LOG                                                                                    \
    ROW(0, FILE, OUTPUT, log, "log", "FILE", "append what happens to this file", .in_config = true)

#endif
