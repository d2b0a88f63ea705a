/* The port suite on the simulated world. */
#include "port_suite.h"

#include "io/sim/io_sim.h"

#include <stdlib.h>

static const int64_t pause_ns = 5000000;
enum { WEB_PORT = 8080 };

struct sim_world {
    struct io_sim *sim;
    struct io *hosts[2];
    struct addr v4[2], v6[2];
    const struct port_page *pages;
    int page_count;
};

static void *sim_create(void)
{
    struct sim_world *w = calloc(1, sizeof *w);
    if (!w) {
        abort();
    }
    w->sim = io_sim_create(42);
    for (int i = 0; i < 2; i++) {
        const uint8_t v4[4] = {10, 0, 0, (uint8_t)(i + 1)};
        const uint8_t v6[16] = {0xfd, [15] = (uint8_t)(i + 1)};
        w->v4[i] = addr_v4(v4, 0);
        w->v6[i] = addr_v6(v6, 0);
        if (io_sim_host_create(w->sim, i ? "right" : "left", w->v4[i], w->v6[i], &w->hosts[i]) <
            0) {
            abort();
        }
    }
    return w;
}

static void sim_destroy(void *world)
{
    struct sim_world *w = world;
    io_sim_destroy(w->sim);
    free(w);
}

static struct io *sim_io(void *world, int host)
{
    const struct sim_world *w = world;
    return w->hosts[host];
}

static void sim_advance(void *world)
{
    const struct sim_world *w = world;
    if (!io_sim_step(w->sim)) {
        io_sim_run_until(w->sim, io_sim_now(w->sim) + pause_ns);
    }
}

static struct addr sim_address(void *world, int host, enum addr_family family)
{
    const struct sim_world *w = world;
    return family == ADDR_V6 ? w->v6[host] : w->v4[host];
}

static void sim_wake(void *world, int host)
{
    io_wake(sim_io(world, host)); /* there is only one thread */
}

static const char *sim_directory(void *world, int host)
{
    struct io_fs *fs = io_sim_fs(sim_io(world, host));
    struct io_file *dir;
    if (io_fs_open_path(fs, "/home/test", IO_OPEN_DIRECTORY | IO_OPEN_CREATE, &dir) < 0) {
        abort();
    }
    io_fs_close(fs, dir);
    return "/home/test";
}

static void sim_symlink(void *world, int host, const char *path, const char *target)
{
    if (io_sim_symlink(sim_io(world, host), path, target) < 0) {
        abort();
    }
}

static void sim_answer(void *user, const struct io_sim_http_request *request,
                       struct io_sim_http_answer *answer)
{
    const struct sim_world *w = user;
    answer->status = 404;
    for (int i = 0; i < w->page_count; i++) {
        const struct port_page *page = &w->pages[i];
        if (strcmp(page->path, request->path) == 0) {
            answer->status = page->status;
            answer->content_type = page->content_type ? page->content_type : "text/plain";
            answer->location = page->location;
            answer->body = span_text(page->body ? page->body : "");
            answer->never = page->never;
        }
    }
}

static uint16_t sim_serve(void *world, int host, const struct port_page *pages, int count)
{
    struct sim_world *w = world;
    w->pages = pages;
    w->page_count = count;
    io_sim_http_serve(w->hosts[host], WEB_PORT, sim_answer, w);
    return WEB_PORT;
}

static void sim_starve(void *world, int host, bool starved)
{
    struct io *io = sim_io(world, host);
    io_sim_set_max_sockets(io, starved ? io_sim_sockets(io) : UINT32_MAX);
}

static void sim_set_name(void *world, const char *name, const struct addr *addresses, int count)
{
    const struct sim_world *w = world;
    io_sim_set_name(w->sim, name, addresses, count);
}

int main(void)
{
    static const struct port_hooks hooks = {
        .create = sim_create,
        .destroy = sim_destroy,
        .io = sim_io,
        .advance = sim_advance,
        .address = sim_address,
        .wake = sim_wake,
        .directory = sim_directory,
        .symlink = sim_symlink,
        .serve = sim_serve,
        .starve = sim_starve,
        .set_name = sim_set_name,
    };
    return port_suite_run("io_sim", &hooks);
}
