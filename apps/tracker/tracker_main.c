/* spate tracker: options, listeners, and the loop until a signal ends it. Signals are read from a
 * descriptor of the loop, so nothing here runs inside a handler. */
#include "apps/tracker/tracker_main.h"

#include "apps/tracker/http_front.h"
#include "apps/tracker/udp_front.h"
#include "base/text.h"
#include "io/uv/io_uv.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { LISTENERS_MAX = 32 };
/* Of the one table of exit codes, `spate help exit-codes`. */
enum { EXIT_WORK = 1, EXIT_USAGE = 2, EXIT_NETWORK = 5 };

static const char usage[] =
    "Usage: spate tracker [--udp HOST:PORT]... [--http HOST:PORT]...\n"
    "\n"
    "Runs a basic BitTorrent tracker that keeps its swarms in memory, and prints the\n"
    "announce URL of each listener. At least one listener must be given. HOST is an\n"
    "address ([...] around IPv6), a name, or * for all addresses of this machine;\n"
    "port 0 takes any free one. SIGINT and SIGTERM end it.\n"
    "\n"
    "  --udp HOST:PORT    answer UDP announces and scrapes there\n"
    "  --http HOST:PORT   answer HTTP announces and scrapes there\n"
    "  --interval TIME    how often peers are told to announce (30m; from 1m to 1d)\n"
    "  --max-swarms N     torrents kept at most, the most recent ones (1000000)\n"
    "  --user NAME        become this user once all listeners are bound (root only)\n"
    "  --quiet            print nothing but errors\n"
    "  --help             print this\n";

struct listener_spec {
    bool udp;
    const char *text; /* HOST:PORT */
};

struct options {
    struct listener_spec specs[LISTENERS_MAX];
    uint32_t spec_count;
    struct swarm_table_settings table;
    const char *user; /* NULL: stay who we are */
    bool quiet, help;
};

struct program {
    const char *name;
    const struct options *options;
    struct io *io;
    struct swarm_table table;
    struct udp_server udp_server;
    struct http_server http_server;
    struct udp_front *udp[LISTENERS_MAX];
    struct http_front *http[LISTENERS_MAX];
    uint32_t udp_count, http_count;
    int signal_fd;
    struct io_socket *signals;
    struct io_op signalled;
    struct io_resolve resolve;
    int resolve_status;
    bool stopping;
};

/* ---- options ------------------------------------------------------------------------------------
 */

static int complain(const char *name, const char *what, const char *about)
{
    fprintf(stderr, "%s: %s%s%s\n", name, what, about ? ": " : "", about ? about : "");
    return EXIT_USAGE;
}

static int take_option(struct options *o, const char *name, const char *option, const char *value)
{
    uint64_t number;
    int64_t seconds;
    bool udp = strcmp(option, "--udp") == 0;
    if (udp || strcmp(option, "--http") == 0) {
        if (o->spec_count == LISTENERS_MAX) {
            return complain(name, "too many listeners", NULL);
        }
        o->specs[o->spec_count++] = (struct listener_spec){udp, value};
    } else if (strcmp(option, "--interval") == 0) {
        if (!text_parse_duration(value, &seconds) || seconds < LIMIT_TRACKER_INTERVAL_MIN_S ||
            seconds > LIMIT_TRACKER_INTERVAL_MAX_S) {
            return complain(name, "--interval takes a time from 1m to 1d", value);
        }
        o->table.interval_s = (uint32_t)seconds;
    } else if (strcmp(option, "--max-swarms") == 0) {
        if (!text_parse_number(value, UINT32_MAX, &number) || number == 0) {
            return complain(name, "--max-swarms takes a number from 1", value);
        }
        o->table.max_swarms = (uint32_t)number;
    } else if (strcmp(option, "--user") == 0) {
        o->user = value;
    } else {
        return complain(name, "unknown option (--help lists them)", option);
    }
    return 0;
}

static int parse_options(struct options *o, int argc, char **argv)
{
    *o = (struct options){.spec_count = 0};
    swarm_table_settings_init(&o->table);
    for (int i = 1; i < argc; i++) {
        char option[64];
        const char *equals = strchr(argv[i], '=');
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            o->help = true;
            return 0;
        }
        if (strcmp(argv[i], "--quiet") == 0) {
            o->quiet = true;
            continue;
        }
        if (argv[i][0] != '-') {
            return complain(argv[0], "not an option", argv[i]);
        }
        text_copy(option, sizeof option,
                  equals ? span_of(argv[i], (size_t)(equals - argv[i])) : span_text(argv[i]));
        const char *value = equals ? equals + 1 : i + 1 < argc ? argv[++i] : NULL;
        int failed = value ? take_option(o, argv[0], option, value)
                           : complain(argv[0], "an option without its value", option);
        if (failed) {
            return failed;
        }
    }
    return o->spec_count > 0 ? 0 : complain(argv[0], "give at least one --udp or --http", NULL);
}

/* ---- listeners ----------------------------------------------------------------------------------
 */

static void resolve_on_done(struct io_op *op, int status)
{
    list_entry(list_entry(op, struct io_resolve, op), struct program, resolve)->resolve_status =
        status;
}

/* The addresses of HOST:PORT, at most IO_RESOLVE_ADDRESSES; returns how many, or SPATE_E... */
static int find_addresses(struct program *p, const char *text, struct addr *out)
{
    uint64_t port;
    const char *colon = strrchr(text, ':');
    bool bare_v6 = text[0] != '[' && strchr(text, ':') != colon;
    if (!colon || bare_v6 || !text_parse_number(colon + 1, UINT16_MAX, &port)) {
        return SPATE_EINVAL;
    }
    if (addr_parse(&out[0], span_text(text))) {
        return 1;
    }
    struct span host = span_of(text, (size_t)(colon - text));
    if (host.size == 0 || span_equals(host, span_text("*"))) {
        out[0] = addr_v4((const uint8_t[4]){0}, (uint16_t)port);
        out[1] = addr_v6((const uint8_t[16]){0}, (uint16_t)port);
        return 2;
    }
    if (host.size >= sizeof p->resolve.name) {
        return SPATE_EHOST;
    }
    p->resolve = (struct io_resolve){.op = {.done = resolve_on_done}};
    memcpy(p->resolve.name, host.bytes, host.size);
    io_resolve(p->io, &p->resolve);
    while (p->resolve.op.active) {
        io_uv_run_once(p->io, -1);
    }
    for (int i = 0; p->resolve_status == 0 && i < p->resolve.count; i++) {
        out[i] = p->resolve.addresses[i];
        out[i].port = (uint16_t)port;
    }
    return p->resolve_status < 0 ? p->resolve_status : p->resolve.count;
}

static int listen_on(struct program *p, bool udp, const struct addr *address)
{
    struct addr bound;
    char text[ADDR_TEXT_MAX];
    if ((udp ? p->udp_count : p->http_count) == LISTENERS_MAX) {
        return SPATE_ELIMIT;
    }
    int status =
        udp ? udp_front_create(p->io, &p->udp_server, address, &p->udp[p->udp_count], &bound)
            : http_front_create(p->io, &p->http_server, address, &p->http[p->http_count], &bound);
    if (status < 0) {
        return status;
    }
    *(udp ? &p->udp_count : &p->http_count) += 1;
    if (!p->options->quiet) {
        printf("%s://%s/announce\n", udp ? "udp" : "http", addr_format(&bound, text));
    }
    return 0;
}

/* A name or * may mean several addresses, of which this machine need not have all: one is enough.
 */
static int start_listener(struct program *p, const struct listener_spec *spec)
{
    struct addr addresses[IO_RESOLVE_ADDRESSES];
    int count = find_addresses(p, spec->text, addresses);
    int status = count < 0 ? count : SPATE_EHOST;
    bool listens = false;
    for (int i = 0; i < count; i++) {
        int failed = listen_on(p, spec->udp, &addresses[i]);
        status = failed < 0 ? failed : status;
        listens = listens || failed == 0;
    }
    if (!listens) {
        fprintf(stderr, "%s: cannot listen on %s: %s\n", p->name, spec->text,
                status == SPATE_EINVAL ? "not HOST:PORT" : spate_strerror(status));
    }
    return listens ? 0 : status;
}

/* ---- privileges ---------------------------------------------------------------------------------
 */

/* Becomes user with its groups, for good: all three ids of user and group change, in all threads. */
static int become(const struct program *p, const char *user)
{
    errno = 0;
    const struct passwd *entry = getpwnam(user);
    if (!entry) {
        fprintf(stderr, "%s: --user %s: %s\n", p->name, user,
                errno && errno != ENOENT ? strerror(errno) : "there is no such user");
        return SPATE_EINVAL;
    }
    uid_t uid = entry->pw_uid;
    gid_t gid = entry->pw_gid;
    if (geteuid() == 0 ? initgroups(user, gid) != 0 || setresgid(gid, gid, gid) != 0 ||
                             setresuid(uid, uid, uid) != 0
                       : getuid() != uid || geteuid() != uid) {
        fprintf(stderr, "%s: --user %s: %s\n", p->name, user,
                geteuid() == 0 ? strerror(errno) : "only root can become another user");
        return SPATE_EACCES;
    }
    if (uid != 0 && setuid(0) == 0) {
        fprintf(stderr, "%s: --user %s: privileges could be had back\n", p->name, user);
        return SPATE_EACCES;
    }
    return 0;
}

/* ---- the program --------------------------------------------------------------------------------
 */

static void signalled_on_ready(struct io_op *op, int status)
{
    struct program *p = list_entry(op, struct program, signalled);
    struct signalfd_siginfo info;
    (void)status;
    /* Taken from the queue, or it would come once more when the signals are let through again. */
    p->stopping = read(p->signal_fd, &info, sizeof info) > 0 || p->stopping;
    if (!p->stopping) {
        io_wait(p->io, p->signals, IO_READABLE, &p->signalled);
    }
}

/* Blocks the signals before any thread exists, so that all threads inherit it. */
static int watch_signals(struct program *p, sigset_t *before)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &signals, before) != 0) {
        return -1;
    }
    p->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    return p->signal_fd < 0 ? -1 : 0;
}

static void init_servers(struct program *p)
{
    uint64_t random[4];
    io_entropy(p->io, random, sizeof random);
    swarm_table_init(&p->table, &p->options->table, &random[0]);
    udp_server_init(&p->udp_server, &p->table, &random[2]);
    http_server_init(&p->http_server, &p->table);
}

static void print_summary(const struct program *p)
{
    if (!p->options->quiet) {
        printf("%llu UDP and %llu HTTP announces, %llu scrapes, %zu torrents, %zu peers\n",
               (unsigned long long)p->udp_server.announces,
               (unsigned long long)p->http_server.announces,
               (unsigned long long)p->udp_server.scrapes + p->http_server.scrapes,
               p->table.swarms.count, p->table.peers.count);
    }
}

static int serve(struct program *p)
{
    int status = io_uv_adopt(p->io, p->signal_fd, &p->signals);
    int code = status == 0 ? 0 : EXIT_WORK;
    for (uint32_t i = 0; status == 0 && i < p->options->spec_count; i++) {
        status = start_listener(p, &p->options->specs[i]);
        code = status == 0 ? 0 : status == SPATE_EINVAL ? EXIT_USAGE : EXIT_NETWORK;
    }
    if (status == 0 && p->options->user) {
        status = become(p, p->options->user);
        code = status == 0 ? 0 : EXIT_WORK;
    } else if (status == 0 && geteuid() == 0 && !p->options->quiet) {
        fprintf(stderr,
                "%s: warning: it stays root; --user NAME becomes another user once all listeners "
                "are bound\n",
                p->name);
    }
    fflush(stdout);
    if (status == 0) {
        p->signalled.done = signalled_on_ready;
        io_wait(p->io, p->signals, IO_READABLE, &p->signalled);
        while (!p->stopping) {
            io_uv_run_once(p->io, -1);
        }
        print_summary(p);
    }
    for (uint32_t i = 0; i < p->udp_count; i++) {
        udp_front_destroy(p->udp[i]);
    }
    for (uint32_t i = 0; i < p->http_count; i++) {
        http_front_destroy(p->http[i]);
    }
    io_close(p->io, p->signals);
    return code;
}

int tracker_main(int argc, char **argv)
{
    struct options options;
    sigset_t before;
    int status = parse_options(&options, argc, argv);
    if (status != 0) {
        return status;
    }
    if (options.help) {
        fputs(usage, stdout);
        return 0;
    }
    struct program p = {.name = argv[0], .options = &options, .signal_fd = -1};
    if (watch_signals(&p, &before) != 0) {
        perror(argv[0]);
        return EXIT_WORK;
    }
    status = io_uv_create(&(struct io_uv_settings){.workers = 1}, &p.io);
    if (status < 0) {
        fprintf(stderr, "%s: %s\n", argv[0], spate_strerror(status));
        status = EXIT_WORK;
    } else {
        init_servers(&p);
        status = serve(&p);
        io_uv_destroy(p.io);
        swarm_table_deinit(&p.table);
    }
    close(p.signal_fd);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return status;
}
