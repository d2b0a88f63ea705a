/* Connections of HTTP that are kept: for whom, for how long, and for whom never. */
#include "uv_world.h"

#include "base/limits.h"
#include "web_net.h"

#include <dirent.h>
#include <time.h>

/* ---- pages ------------------------------------------------------------------------------------- */

static bool page_kept(struct web_client *c)
{
    return web_text(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
}

/* Says nothing of closing, and does it. */
static bool page_dropped(struct web_client *c)
{
    page_kept(c);
    return false;
}

/* Answers once; the next request over the same connection is read, and the connection closed. */
static bool page_once(struct web_client *c)
{
    return c->served == 1 && page_kept(c);
}

/* Says that it closes; waits for the client to do it. */
static bool page_last(struct web_client *c)
{
    return web_text(c, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello");
}

static bool page_half(struct web_client *c)
{
    return web_text(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
}

/* "/to/LOCATION" */
static bool page_to(struct web_client *c)
{
    char head[3000];
    snprintf(head, sizeof head, "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n",
             c->target + 4);
    return web_text(c, head);
}

static const struct web_page pages[] = {
    {"/kept", page_kept}, {"/dropped", page_dropped}, {"/once", page_once},   {"/last", page_last},
    {"/half", page_half}, {"/to/", page_to},          {"http://", page_kept}, /* asked as a proxy */
    {NULL, NULL}};

/* ---- the client --------------------------------------------------------------------------------- */

static struct dns_entry names[] = {{"moving.test", "127.0.0.1"},
                                   {"local.test", "127.0.0.1"},
                                   {"public.test", OWN_NETWORK_PUBLIC},
                                   {NULL, NULL}};

static struct web_net net;

static int start(void **state)
{
    (void)state;
    web_net_start(&net, names, pages);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    web_net_stop(&net);
    return 0;
}

struct request {
    struct io_http http;
    int status;
    char url[300];
};

static void request_on_done(struct io_op *op, int status)
{
    struct request *r = list_entry(op, struct request, http.op);
    r->status = status;
    free(r->http.body);
}

static void request_init(struct request *r, const char *host, uint16_t port, const char *path)
{
    *r = (struct request){.status = 1};
    snprintf(r->url, sizeof r->url, "http://%s:%u%s", host, port, path);
    r->http = (struct io_http){.op.done = request_on_done,
                               .url = r->url,
                               .allow_private = true,
                               .user_agent = "test/1",
                               .proxy = "",
                               .timeout_ns = INT64_C(60000000000),
                               .max_bytes = 1000};
}

static int request_run(struct io *io, struct request *r)
{
    io_http(io, &r->http);
    await(io, &r->http.op);
    return r->status;
}

/* From the server on loopback, with nothing special about it. */
static void get(struct io *io, const char *path)
{
    struct request r;
    request_init(&r, "127.0.0.1", net.local.port, path);
    assert_int_equal(request_run(io, &r), 0);
    assert_int_equal(r.http.http_status, 200);
}

static void get_bound(struct io *io, const struct io_bind *bind, const char *from)
{
    struct request r;
    request_init(&r, "127.0.0.1", net.local.port, "/kept");
    r.http.bind = bind;
    assert_int_equal(request_run(io, &r), 0);
    pthread_mutex_lock(&net.local.lock);
    assert_string_equal(net.local.last_peer, from);
    pthread_mutex_unlock(&net.local.lock);
}

static void get_by_proxy(struct io *io, const char *proxy, const char *host)
{
    struct request r;
    request_init(&r, host, 80, "/kept");
    r.http.proxy = proxy;
    assert_int_equal(request_run(io, &r), 0);
}

/* Returns when the server holds that many connections, and fails after twenty seconds. */
static void await_open(struct io *io, struct web_server *s, int count)
{
    for (int tries = 0; web_server_open(s) != count; tries++) {
        assert_true(tries < 2000);
        if (io) {
            io_uv_run_once(io, 10);
        } else {
            nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
        }
    }
}

static int count_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    int count = 0;
    assert_non_null(d);
    while (readdir(d)) { /* NOLINT(concurrency-mt-unsafe): nobody else reads this directory */
        count++;
    }
    closedir(d);
    return count;
}

/* ---- promises ----------------------------------------------------------------------------------- */

static void requests_of_one_kind_travel_over_one_connection(void **state)
{
    (void)state;
    struct io *io = world_create(net.dns.csv);
    int connections = web_server_connections(&net.local),
        requests = web_server_requests(&net.local);
    for (int i = 0; i < 5; i++) {
        get(io, "/kept");
    }
    get(io, "/to//kept"); /* a redirect within one host is nothing else */
    assert_int_equal(web_server_connections(&net.local), connections + 1);
    assert_int_equal(web_server_requests(&net.local), requests + 7);
    assert_true(web_server_saw(&net.local, "GET /kept HTTP/1.1\r\n"));
    io_uv_destroy(io);
}

static void another_host_is_another_connection(void **state)
{
    (void)state;
    struct io *io = world_create(net.dns.csv);
    struct request r;
    int connections = web_server_connections(&net.local);
    get(io, "/kept");
    request_init(&r, "local.test", net.local.port, "/kept"); /* at the same address */
    assert_int_equal(request_run(io, &r), 0);
    assert_int_equal(web_server_connections(&net.local), connections + 2);
    io_uv_destroy(io);
}

static void another_bind_is_another_connection(void **state)
{
    (void)state;
    struct io *io = world_create(net.dns.csv);
    struct io_bind bind = bind_to("127.0.0.44:0"), lo = {.interface = "lo"},
                   nowhere = {.interface = "no-such-if0"};
    struct request r;
    int connections = web_server_connections(&net.local);
    get(io, "/kept");
    get_bound(io, &bind, "127.0.0.44");
    get_bound(io, &lo, "127.0.0.1");
    assert_int_equal(web_server_connections(&net.local), connections + 3);
    /* each of them waits for its like */
    get(io, "/kept");
    get_bound(io, &bind, "127.0.0.1");
    get_bound(io, &lo, "127.0.0.1");
    assert_int_equal(web_server_connections(&net.local), connections + 3);
    /* a setting that is changed in its place */
    bind.address = address("127.0.0.45:0");
    get_bound(io, &bind, "127.0.0.45");
    assert_int_equal(web_server_connections(&net.local), connections + 4);
    request_init(&r, "127.0.0.1", net.local.port, "/kept");
    r.http.bind = &nowhere;
    int requests = web_server_requests(&net.local);
    assert_true(request_run(io, &r) < 0);
    assert_int_equal(web_server_requests(&net.local), requests);
    io_uv_destroy(io);
}

static void another_proxy_is_another_connection(void **state)
{
    (void)state;
    struct io *io = world_create(net.dns.csv);
    char proxy[64], user[64], by_name[64];
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", net.local.port);
    snprintf(user, sizeof user, "http://me:too@127.0.0.1:%u", net.local.port);
    snprintf(by_name, sizeof by_name, "http://local.test:%u", net.local.port);
    int connections = web_server_connections(&net.local);
    get(io, "/kept");
    get_by_proxy(io, proxy, "a.test");
    get_by_proxy(io, user, "a.test");
    get_by_proxy(io, by_name, "a.test");
    get_by_proxy(io, proxy, "b.test");
    assert_int_equal(web_server_connections(&net.local), connections + 5);
    get_by_proxy(io, proxy, "a.test");
    get(io, "/kept");
    assert_int_equal(web_server_connections(&net.local), connections + 5);
    io_uv_destroy(io);
}

static void a_kept_connection_leads_nobody_to_an_address_that_is_forbidden(void **state)
{
    (void)state;
    struct io *io = world_create(net.dns.csv);
    struct request r;
    char path[200];
    get(io, "/kept");
    int requests = web_server_requests(&net.local);
    request_init(&r, "127.0.0.1", net.local.port, "/kept");
    r.http.allow_private = false;
    assert_int_equal(request_run(io, &r), SPATE_EBLOCKED);
    /* From the public internet, over a new connection, and over one that was kept. */
    snprintf(path, sizeof path, "/to/http://127.0.0.1:%u/kept", net.local.port);
    int connections = web_server_connections(&net.public);
    for (int i = 0; i < 3; i++) {
        request_init(&r, "public.test", net.public.port, path);
        assert_int_equal(request_run(io, &r), SPATE_EBLOCKED);
        request_init(&r, "public.test", net.public.port, "/kept");
        assert_int_equal(request_run(io, &r), 0);
    }
    assert_in_range(web_server_connections(&net.public), connections + 1, connections + 3);
    assert_int_equal(web_server_requests(&net.local), requests);
    io_uv_destroy(io);
}

static void a_host_that_has_moved_is_not_asked_where_it_was(void **state)
{
    (void)state;
    struct io *io = world_create(net.dns.csv);
    struct request r;
    request_init(&r, "moving.test", net.local.port, "/kept");
    assert_int_equal(request_run(io, &r), 0);
    int requests = web_server_requests(&net.local);
    pthread_mutex_lock(&net.dns.lock);
    names[0].addresses = "127.0.0.7"; /* where nobody listens */
    pthread_mutex_unlock(&net.dns.lock);
    request_init(&r, "moving.test", net.local.port, "/kept");
    assert_int_equal(request_run(io, &r), SPATE_EREFUSED);
    assert_int_equal(web_server_requests(&net.local), requests);
    io_uv_destroy(io);
}

static void a_server_that_closes_a_kept_connection_does_no_harm(void **state)
{
    (void)state;
    struct io *io = world_create(net.dns.csv);
    int connections = web_server_connections(&net.local);
    for (int i = 0; i < 20; i++) {
        get(io, "/dropped"); /* sometimes seen before the next request leaves, sometimes after */
    }
    assert_int_equal(web_server_connections(&net.local), connections + 20);
    get(io, "/kept");
    /* It has read a request when it closes. */
    connections = web_server_connections(&net.local);
    get(io, "/once");
    get(io, "/once");
    assert_in_range(web_server_connections(&net.local), connections + 1, connections + 2);
    get(io, "/kept");
    io_uv_destroy(io);
}

static void who_is_asked_to_close_closes(void **state)
{
    (void)state;
    struct io *io = world_create(net.dns.csv);
    struct request r;
    get(io, "/last");
    await_open(io, &net.local, 0);
    int before = count_descriptors();
    int connections = web_server_connections(&net.local);
    get(io, "/last");
    get(io, "/last");
    assert_int_equal(web_server_connections(&net.local), connections + 2);
    await_open(io, &net.local, 0);
    assert_int_equal(count_descriptors(), before);
    /* Neither is one kept whose answer was broken off. */
    request_init(&r, "127.0.0.1", net.local.port, "/half");
    io_http(io, &r.http);
    await_open(io, &net.local, 1);
    io_cancel(io, &r.http.op);
    await(io, &r.http.op);
    assert_int_equal(r.status, SPATE_ECANCELED);
    await_open(io, &net.local, 0);
    io_uv_destroy(io);
}

static void a_burst_uses_what_it_has_and_leaves_no_more_than_the_limit_for_a_moment(void **state)
{
    (void)state;
    enum { COUNT = 3 * LIMIT_HTTP_CONCURRENT };
    struct io *io = world_create(net.dns.csv);
    static struct request r[COUNT];
    get(io, "/last");
    await_open(io, &net.local, 0);
    int before = count_descriptors();
    int connections = web_server_connections(&net.local);
    for (int i = 0; i < COUNT; i++) {
        request_init(&r[i], "127.0.0.1", net.local.port, "/kept");
        io_http(io, &r[i].http);
    }
    for (int i = 0; i < COUNT; i++) {
        await(io, &r[i].http.op);
        assert_int_equal(r[i].status, 0);
    }
    assert_in_range(web_server_connections(&net.local) - connections, LIMIT_HTTP_IDLE + 1,
                    LIMIT_HTTP_CONCURRENT);
    await_open(io, &net.local, LIMIT_HTTP_IDLE);
    for (int i = 0; i < 10; i++) {
        io_uv_run_once(io, 20);
    }
    assert_int_equal(web_server_open(&net.local), LIMIT_HTTP_IDLE);
    await_open(io, &net.local, 0); /* without any request */
    for (int i = 0; count_descriptors() > before && i < 100; i++) {
        io_uv_run_once(io, 20);
    }
    assert_int_equal(count_descriptors(), before);
    get(io, "/kept");
    io_uv_destroy(io);
}

static void the_end_closes_them(void **state)
{
    (void)state;
    await_open(NULL, &net.local, 0);
    int before = count_descriptors();
    struct io *io = world_create(net.dns.csv);
    get(io, "/kept");
    io_uv_destroy(io);
    await_open(NULL, &net.local, 0);
    assert_int_equal(count_descriptors(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_of_one_kind_travel_over_one_connection),
        cmocka_unit_test(another_host_is_another_connection),
        cmocka_unit_test(another_bind_is_another_connection),
        cmocka_unit_test(another_proxy_is_another_connection),
        cmocka_unit_test(a_kept_connection_leads_nobody_to_an_address_that_is_forbidden),
        cmocka_unit_test(a_host_that_has_moved_is_not_asked_where_it_was),
        cmocka_unit_test(a_server_that_closes_a_kept_connection_does_no_harm),
        cmocka_unit_test(who_is_asked_to_close_closes),
        cmocka_unit_test(a_burst_uses_what_it_has_and_leaves_no_more_than_the_limit_for_a_moment),
        cmocka_unit_test(the_end_closes_them),
    };
    return own_network_enter() ? cmocka_run_group_tests(tests, start, stop) : 1;
}
