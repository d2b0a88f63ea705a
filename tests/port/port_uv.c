/* The suite on the real driver: two hosts are two worlds in this process, at two addresses of loopback,
 * driven from outside as an embedding program does. Names and pages come from servers of the test's own;
 * the network namespace is its own, too. */
#include "port_suite.h"

#include "dns_server.h"
#include "io/uv/io_uv.h"
#include "own_network.h"
#include "web_server.h"

#include <errno.h>
#include <ftw.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { HOSTS = 2, SERVERS = 4, NAMES = 8 };

struct served {
    struct web_server web;
    const struct port_page *pages;
    int count;
};

struct world {
    struct io *io[HOSTS];
    struct dns_server dns;
    struct dns_entry *entries; /* what the name server answers from; NAMES + 1 */
    char *addresses[NAMES];
    struct served servers[SERVERS];
    int server_count;
    char directories[HOSTS][64];
    struct rlimit files; /* as it was before a host starved */
};

static void *uv_world_create(void)
{
    struct world *w = calloc(1, sizeof *w);
    struct io_uv_settings settings = {.workers = 2};
    assert_non_null(w);
    w->entries = calloc(NAMES + 1, sizeof *w->entries);
    assert_non_null(w->entries);
    getrlimit(RLIMIT_NOFILE, &w->files);
    dns_server_start(&w->dns, w->entries);
    settings.dns_servers = w->dns.csv;
    for (int i = 0; i < HOSTS; i++) {
        snprintf(w->directories[i], sizeof w->directories[i], "/tmp/spate-port-XXXXXX");
        assert_non_null(mkdtemp(w->directories[i]));
        assert_int_equal(io_uv_create(&settings, &w->io[i]), 0);
    }
    return w;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

static void uv_world_destroy(void *world)
{
    struct world *w = world;
    setrlimit(RLIMIT_NOFILE, &w->files);
    for (int i = 0; i < HOSTS; i++) {
        io_uv_destroy(w->io[i]);
        /* NOLINTNEXTLINE(concurrency-mt-unsafe): it changes no directory without FTW_CHDIR */
        nftw(w->directories[i], remove_one, 16, FTW_DEPTH | FTW_PHYS);
    }
    for (int i = 0; i < w->server_count; i++) {
        web_server_stop(&w->servers[i].web);
    }
    dns_server_stop(&w->dns);
    for (int i = 0; i < NAMES; i++) {
        free((char *)w->entries[i].name);
        free(w->addresses[i]);
    }
    free(w->entries);
    free(w);
}

static struct io *uv_world_io(void *world, int host)
{
    return ((struct world *)world)->io[host];
}

static void uv_world_advance(void *world)
{
    struct world *w = world;
    struct pollfd p[HOSTS];
    int wait_ms = 5;
    for (int i = 0; i < HOSTS; i++) {
        int timeout_ms = io_uv_timeout_ms(w->io[i]);
        p[i] = (struct pollfd){.fd = io_uv_fd(w->io[i]), .events = POLLIN};
        wait_ms = timeout_ms >= 0 && timeout_ms < wait_ms ? timeout_ms : wait_ms;
    }
    poll(p, HOSTS, wait_ms);
    for (int i = 0; i < HOSTS; i++) {
        io_uv_step(w->io[i]);
    }
}

static struct addr uv_world_address(void *world, int host, enum addr_family family)
{
    static const char *const texts[HOSTS] = {"127.0.0.1", "127.0.0.2"};
    struct addr a;
    (void)world;
    assert_true(addr_parse(&a, span_text(family == ADDR_V6 ? "::1" : texts[host])));
    return a;
}

static void *wake_main(void *io)
{
    io_wake(io);
    return NULL;
}

static void uv_world_wake(void *world, int host)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wake_main, uv_world_io(world, host)), 0);
    pthread_join(thread, NULL);
}

static const char *uv_world_directory(void *world, int host)
{
    return ((struct world *)world)->directories[host];
}

static void uv_world_symlink(void *world, int host, const char *path, const char *target)
{
    (void)world;
    (void)host;
    assert_int_equal(symlink(target, path), 0);
}

static bool answer_page(struct web_client *c)
{
    const struct served *served = list_entry(c->server, struct served, web);
    char head[1024];
    for (int i = 0; i < served->count; i++) {
        const struct port_page *page = &served->pages[i];
        if (strcmp(page->path, c->target) != 0) {
            continue;
        }
        if (page->never) {
            return true;
        }
        const char *body = page->body ? page->body : "";
        snprintf(head, sizeof head,
                 "HTTP/1.1 %d Page\r\nContent-Type: %s\r\n%s%s%sContent-Length: %zu\r\n\r\n",
                 page->status, page->content_type ? page->content_type : "text/plain",
                 page->location ? "Location: " : "", page->location ? page->location : "",
                 page->location ? "\r\n" : "", strlen(body));
        if (web_text(c, head)) {
            web_text(c, body);
        }
        return false;
    }
    web_text(c, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    return false;
}

static uint16_t uv_world_serve(void *world, int host, const struct port_page *pages, int count)
{
    static const struct web_page every[] = {{"", answer_page}, {NULL, NULL}};
    struct world *w = world;
    char ip[ADDR_TEXT_MAX];
    struct addr at = uv_world_address(world, host, ADDR_V4);
    assert_in_range(w->server_count, 0, SERVERS - 1);
    struct served *served = &w->servers[w->server_count++];
    served->pages = pages;
    served->count = count;
    web_server_start(&served->web, addr_format(&at, ip), NULL, every);
    return served->web.port;
}

/* Both hosts live in this process, and so starve together. */
static void uv_world_starve(void *world, int host, bool starved)
{
    struct world *w = world;
    struct rlimit few = w->files;
    (void)host;
    if (starved) {
        int lowest_free = dup(0);
        assert_true(lowest_free >= 0);
        close(lowest_free);
        few.rlim_cur = (rlim_t)lowest_free;
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
}

static void uv_world_set_name(void *world, const char *name, const struct addr *addresses,
                              int count)
{
    struct world *w = world;
    char text[1024] = "", one[ADDR_TEXT_MAX];
    size_t at = 0;
    int i = 0;
    for (int a = 0; a < count; a++) {
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", a ? " " : "",
                               addr_format(&addresses[a], one));
        assert_true(at < sizeof text);
    }
    while (i < NAMES && w->entries[i].name && strcmp(w->entries[i].name, name) != 0) {
        i++;
    }
    assert_in_range(i, 0, NAMES - 1);
    pthread_mutex_lock(&w->dns.lock);
    if (!w->entries[i].name) {
        w->entries[i].name = strdup(name);
    }
    free(w->addresses[i]);
    w->addresses[i] = strdup(text);
    w->entries[i].addresses = count > 0 ? w->addresses[i] : NULL;
    pthread_mutex_unlock(&w->dns.lock);
}

static const struct port_hooks hooks = {
    .create = uv_world_create,
    .destroy = uv_world_destroy,
    .io = uv_world_io,
    .advance = uv_world_advance,
    .address = uv_world_address,
    .wake = uv_world_wake,
    .directory = uv_world_directory,
    .symlink = uv_world_symlink,
    .serve = uv_world_serve,
    .starve = uv_world_starve,
    .set_name = uv_world_set_name,
};

int main(void)
{
    alarm(110); /* a test that hangs is a failure, not a wait */
    return own_network_enter() ? port_suite_run("io_uv", &hooks) : 1;
}
