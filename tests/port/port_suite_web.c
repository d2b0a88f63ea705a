/* Names and HTTP. */
#include "port_suite_inside.h"

#include <stdio.h>

/* ---- names ------------------------------------------------------------------------------------ */

struct question {
    struct io_resolve resolve;
    struct port_noted *noted;
    int times, status;
};

static void question_on_done(struct io_op *op, int status)
{
    struct question *q = list_entry(op, struct question, resolve.op);
    q->times++;
    q->status = status;
}

static void question_begin(struct port_test *t, struct question *q, const char *name,
                           enum addr_family family)
{
    *q = (struct question){.resolve = {.op.done = question_on_done, .family = family},
                           .status = PORT_PENDING};
    snprintf(q->resolve.name, sizeof q->resolve.name, "%s", name);
    io_resolve(t->io[0], &q->resolve);
    assert_int_equal(q->times, 0); /* not inside the call */
    assert_true(q->resolve.op.active);
}

static int ask(struct port_test *t, struct question *q, const char *name, enum addr_family family)
{
    question_begin(t, q, name, family);
    port_await(t, &q->resolve.op);
    assert_int_equal(q->times, 1);
    if (q->status == 0) {
        assert_true(q->resolve.count > 0);
    }
    return q->status;
}

static struct addr address(const char *text)
{
    struct addr a;
    assert_true(addr_parse(&a, span_text(text)));
    return a;
}

static bool answered(const struct question *q, const char *text)
{
    struct addr wanted = address(text);
    for (int i = 0; i < q->resolve.count; i++) {
        if (addr_equals(&q->resolve.addresses[i], &wanted)) {
            return true;
        }
    }
    return false;
}

static void a_literal_address_resolves_to_itself(void **state)
{
    struct port_test *t = *state;
    struct question q;
    assert_int_equal(ask(t, &q, "192.0.2.7", ADDR_NONE), 0);
    assert_true(q.resolve.count == 1 && answered(&q, "192.0.2.7"));
    assert_int_equal(ask(t, &q, "2001:db8::7", ADDR_V6), 0);
    assert_true(q.resolve.count == 1 && answered(&q, "[2001:db8::7]"));
}

static void a_name_resolves_to_its_addresses_of_the_family_asked_for(void **state)
{
    struct port_test *t = *state;
    struct addr both[2] = {address("192.0.2.1"), address("[2001:db8::1]")};
    struct question q;
    if (!t->hooks->set_name) {
        skip();
    }
    t->hooks->set_name(t->world, "both.example", both, 2);
    t->hooks->set_name(t->world, "four.example", both, 1);
    assert_int_equal(ask(t, &q, "both.example", ADDR_NONE), 0);
    assert_true(q.resolve.count == 2 && answered(&q, "192.0.2.1") && answered(&q, "[2001:db8::1]"));
    assert_int_equal(ask(t, &q, "both.example", ADDR_V4), 0);
    assert_true(q.resolve.count == 1 && answered(&q, "192.0.2.1"));
    assert_int_equal(ask(t, &q, "BOTH.example", ADDR_V6), 0);
    assert_true(q.resolve.count == 1 && answered(&q, "[2001:db8::1]"));
    assert_int_equal(ask(t, &q, "four.example", ADDR_V6), SPATE_EHOST);
    assert_int_equal(ask(t, &q, "nobody.example", ADDR_NONE), SPATE_EHOST);
}

static void a_question_that_nobody_answers_can_be_cancelled(void **state)
{
    struct port_test *t = *state;
    struct question q;
    if (!t->hooks->set_name) {
        skip();
    }
    t->hooks->set_name(t->world, "silent.example", NULL, 0);
    question_begin(t, &q, "silent.example", ADDR_NONE);
    port_pass(t, PORT_SECOND_NS / 10);
    assert_int_equal(q.times, 0);
    io_cancel(t->io[0], &q.resolve.op);
    assert_int_equal(q.times, 0);
    port_await(t, &q.resolve.op);
    assert_int_equal(q.status, SPATE_ECANCELED);
    port_pass(t, PORT_SECOND_NS / 10);
    assert_int_equal(q.times, 1);
}

/* ---- HTTP ------------------------------------------------------------------------------------- */

struct request {
    struct io_http http;
    char url[600];
    int times, status;
};

static void request_on_done(struct io_op *op, int status)
{
    struct request *r = list_entry(op, struct request, http.op);
    r->times++;
    r->status = status;
}

/* The fields that a test does not change. */
static void request_init(struct request *r)
{
    *r = (struct request){.http = {.op.done = request_on_done,
                                   .url = r->url,
                                   .proxy = "",
                                   .allow_private = true,
                                   .user_agent = "suite/1",
                                   .timeout_ns = 20 * PORT_SECOND_NS,
                                   .max_bytes = 100000},
                          .status = PORT_PENDING};
}

static void request_begin(struct port_test *t, struct request *r)
{
    io_http(t->io[0], &r->http);
    assert_int_equal(r->times, 0); /* not inside the call */
    assert_true(r->http.op.active);
}

static void request_run(struct port_test *t, struct request *r)
{
    request_begin(t, r);
    port_await(t, &r->http.op);
    assert_int_equal(r->times, 1);
    if (r->status < 0) {
        assert_null(r->http.body);
        assert_true(r->http.error[0] != 0);
    }
}

static bool body_is(const struct request *r, const char *text)
{
    return r->http.body_size == strlen(text) &&
           memcmp(r->http.body ? r->http.body : (const uint8_t *)"", text, strlen(text)) == 0;
}

/* The world's web server, and how host 0 reaches it. */
static void serve(struct port_test *t, char origin[100])
{
    static const struct port_page pages[] = {
        {.path = "/page?x=1", .status = 200, .content_type = "text/x-test", .body = "the page"},
        {.path = "/empty", .status = 200, .body = ""},
        {.path = "/gone", .status = 410, .body = "gone for good"},
        {.path = "/silent", .never = true},
        {.path = "/root", .status = 302, .location = "/page?x=1", .body = "elsewhere"},
        {.path = "/folder/relative", .status = 301, .location = "more", .body = ""},
        {.path = "/folder/more", .status = 307, .location = "../page?x=1", .body = ""},
        {.path = "/folder/../page?x=1", .status = 200, .body = "the page"},
        {.path = "/round", .status = 302, .location = "/round", .body = ""},
        {.path = "/ftp", .status = 302, .location = "ftp://127.0.0.1/", .body = ""},
        {.path = "/nowhere", .status = 302, .body = "no location"},
        {.path = "/1", .status = 302, .location = "/2", .body = ""},
        {.path = "/2", .status = 302, .location = "/3", .body = ""},
        {.path = "/3", .status = 302, .location = "/4", .body = ""},
        {.path = "/4", .status = 302, .location = "/5", .body = ""},
        {.path = "/5", .status = 302, .location = "/page?x=1", .body = ""},
        {.path = "/0", .status = 302, .location = "/1", .body = ""},
    };
    uint16_t port = t->hooks->serve(t->world, 1, pages, (int)(sizeof pages / sizeof *pages));
    struct addr at = t->hooks->address(t->world, 1, ADDR_V4);
    char text[ADDR_TEXT_MAX];
    at.port = port;
    snprintf(origin, 100, "http://%s", addr_format(&at, text));
}

static void get(struct port_test *t, struct request *r, const char *origin, const char *path)
{
    request_init(r);
    r->http.url = r->url;
    snprintf(r->url, sizeof r->url, "%s%s", origin, path);
    request_run(t, r);
}

static void a_page_comes_with_its_status_and_type(void **state)
{
    struct port_test *t = *state;
    struct request r;
    char origin[100];
    serve(t, origin);
    get(t, &r, origin, "/page?x=1");
    assert_int_equal(r.status, 0);
    assert_int_equal(r.http.http_status, 200);
    assert_string_equal(r.http.content_type, "text/x-test");
    assert_true(body_is(&r, "the page"));
    free(r.http.body);
    get(t, &r, origin, "/empty");
    assert_int_equal(r.status, 0);
    assert_true(body_is(&r, ""));
    free(r.http.body);
}

static void an_answer_that_says_no_is_an_answer(void **state)
{
    struct port_test *t = *state;
    struct request r;
    char origin[100];
    serve(t, origin);
    get(t, &r, origin, "/gone");
    assert_int_equal(r.status, 0);
    assert_int_equal(r.http.http_status, 410);
    assert_true(body_is(&r, "gone for good"));
    free(r.http.body);
    get(t, &r, origin, "/not-there");
    assert_int_equal(r.status, 0);
    assert_int_equal(r.http.http_status, 404);
    free(r.http.body);
}

static void redirects_are_followed_but_not_too_many_and_only_to_http(void **state)
{
    struct port_test *t = *state;
    static const char *const good[] = {"/root", "/folder/relative", "/1"};
    struct request r;
    char origin[100];
    serve(t, origin);
    for (int i = 0; i < 3; i++) {
        get(t, &r, origin, good[i]);
        assert_int_equal(r.status, 0);
        assert_int_equal(r.http.http_status, 200);
        assert_true(body_is(&r, "the page"));
        free(r.http.body);
    }
    get(t, &r, origin, "/0"); /* one more than LIMIT_HTTP_REDIRECTS */
    assert_int_equal(r.status, SPATE_ELIMIT);
    get(t, &r, origin, "/round");
    assert_int_equal(r.status, SPATE_ELIMIT);
    get(t, &r, origin, "/ftp");
    assert_int_equal(r.status, SPATE_EURL);
    get(t, &r, origin, "/nowhere");
    assert_int_equal(r.status, 0);
    assert_int_equal(r.http.http_status, 302);
    assert_true(body_is(&r, "no location"));
    free(r.http.body);
}

static void a_body_longer_than_allowed_is_refused(void **state)
{
    struct port_test *t = *state;
    char origin[100];
    serve(t, origin);
    for (int less = 0; less < 2; less++) {
        struct request r;
        request_init(&r);
        r.http.url = r.url;
        snprintf(r.url, sizeof r.url, "%s/gone", origin);
        r.http.max_bytes = strlen("gone for good") - (size_t)less;
        request_run(t, &r);
        assert_int_equal(r.status, less ? SPATE_ELIMIT : 0);
        free(r.http.body);
    }
}

static void a_request_without_an_answer_times_out(void **state)
{
    struct port_test *t = *state;
    struct request r;
    char origin[100];
    serve(t, origin);
    request_init(&r);
    r.http.url = r.url;
    r.http.timeout_ns = PORT_SECOND_NS / 2;
    snprintf(r.url, sizeof r.url, "%s/silent", origin);
    int64_t begin_ns = io_now(t->io[0]);
    request_run(t, &r);
    assert_int_equal(r.status, SPATE_ETIMEDOUT);
    assert_true(io_now(t->io[0]) >= begin_ns + PORT_SECOND_NS / 2);
}

static void a_request_can_be_cancelled(void **state)
{
    struct port_test *t = *state;
    struct request r;
    char origin[100];
    serve(t, origin);
    request_init(&r);
    r.http.url = r.url;
    snprintf(r.url, sizeof r.url, "%s/silent", origin);
    request_begin(t, &r);
    port_pass(t, PORT_SECOND_NS / 10);
    io_cancel(t->io[0], &r.http.op);
    assert_int_equal(r.times, 0);
    port_await(t, &r.http.op);
    assert_int_equal(r.status, SPATE_ECANCELED);
    assert_null(r.http.body);
    port_pass(t, PORT_SECOND_NS / 10);
    assert_int_equal(r.times, 1);
}

static void private_addresses_are_for_those_who_may(void **state)
{
    struct port_test *t = *state;
    struct request r;
    char origin[100];
    serve(t, origin);
    request_init(&r);
    r.http.url = r.url;
    r.http.allow_private = false;
    snprintf(r.url, sizeof r.url, "%s/page?x=1", origin);
    request_run(t, &r);
    assert_int_equal(r.status, SPATE_EBLOCKED);
}

static void what_is_no_url_is_refused(void **state)
{
    struct port_test *t = *state;
    static const char *const bad[] = {
        "",        "nonsense",    "ftp://127.0.0.1/",        "file:///etc/passwd",
        "http://", "http://a b/", "http://127.0.0.1:99999/", "http://127.0.0.1/\r\nX: y"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct request r;
        get(t, &r, "", bad[i]);
        assert_int_equal(r.status, SPATE_EURL);
    }
}

static void nobody_there_is_a_refused_connection(void **state)
{
    struct port_test *t = *state;
    struct addr at;
    struct request r;
    char origin[100], text[ADDR_TEXT_MAX];
    io_close(t->io[1], port_listen(t, 1, ADDR_V4, &at));
    port_pass(t, PORT_SECOND_NS / 100);
    snprintf(origin, sizeof origin, "http://%s", addr_format(&at, text));
    get(t, &r, origin, "/");
    assert_int_equal(r.status, SPATE_EREFUSED);
}

static void a_named_origin_is_resolved_by_the_port(void **state)
{
    struct port_test *t = *state;
    struct addr at = t->hooks->address(t->world, 1, ADDR_V4);
    struct request r;
    char origin[100], named[100];
    if (!t->hooks->set_name) {
        skip();
    }
    serve(t, origin);
    t->hooks->set_name(t->world, "web.example", &at, 1);
    snprintf(named, sizeof named, "http://web.example%s", strrchr(origin, ':'));
    get(t, &r, named, "/page?x=1");
    assert_int_equal(r.status, 0);
    assert_true(body_is(&r, "the page"));
    free(r.http.body);
    snprintf(named, sizeof named, "http://nobody.example%s", strrchr(origin, ':'));
    get(t, &r, named, "/page?x=1");
    assert_int_equal(r.status, SPATE_EHOST);
}

const struct CMUnitTest *port_suite_web(size_t *count)
{
    static const struct CMUnitTest tests[] = {
        PORT_TEST(a_literal_address_resolves_to_itself),
        PORT_TEST(a_name_resolves_to_its_addresses_of_the_family_asked_for),
        PORT_TEST(a_question_that_nobody_answers_can_be_cancelled),
        PORT_TEST(a_page_comes_with_its_status_and_type),
        PORT_TEST(an_answer_that_says_no_is_an_answer),
        PORT_TEST(redirects_are_followed_but_not_too_many_and_only_to_http),
        PORT_TEST(a_body_longer_than_allowed_is_refused),
        PORT_TEST(a_request_without_an_answer_times_out),
        PORT_TEST(a_request_can_be_cancelled),
        PORT_TEST(private_addresses_are_for_those_who_may),
        PORT_TEST(what_is_no_url_is_refused),
        PORT_TEST(nobody_there_is_a_refused_connection),
        PORT_TEST(a_named_origin_is_resolved_by_the_port),
    };
    *count = sizeof tests / sizeof *tests;
    return tests;
}
