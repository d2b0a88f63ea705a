/* HTTP against a server of the test's own: what may be fetched, from whom, and how much of it. */
#include "uv_world.h"

#include "base/limits.h"
#include "web_net.h"

/* ---- pages ------------------------------------------------------------------------------------- */

static bool page_plain(struct web_client *c)
{
    web_text(c,
             "HTTP/1.1 200 OK\r\nContent-Type: text/x-test; a=b\r\nContent-Length: 5\r\n\r\nhello");
    return false;
}

static bool page_empty(struct web_client *c)
{
    web_text(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    return false;
}

static bool page_until_close(struct web_client *c)
{
    web_text(c, "HTTP/1.0 200 OK\r\n\r\nold style");
    return false;
}

static bool page_chunked(struct web_client *c)
{
    web_text(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
                "chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n");
    return false;
}

static bool page_failure(struct web_client *c)
{
    web_text(c, "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nlate");
    return false;
}

static bool page_silent(struct web_client *c)
{
    (void)c;
    return true;
}

static bool page_half(struct web_client *c)
{
    web_text(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    return true;
}

static bool page_cut(struct web_client *c)
{
    web_text(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    return false;
}

static bool page_nothing(struct web_client *c)
{
    (void)c;
    return false;
}

static bool page_garbage(struct web_client *c)
{
    web_text(c, "SSH-2.0-OpenSSH_9.2\r\n\r\n");
    return false;
}

/* "/size/N": N bytes, announced. */
static bool page_size(struct web_client *c)
{
    static char block[65536];
    char head[128];
    size_t left = (size_t)strtoul(c->target + 6, NULL, 10);
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", left);
    bool there = web_text(c, head);
    while (there && left > 0) {
        size_t size = left < sizeof block ? left : sizeof block;
        there = web_send(c, block, size);
        left -= size;
    }
    return false;
}

static bool page_endless(struct web_client *c)
{
    static char block[65536];
    bool there = web_text(c, "HTTP/1.0 200 OK\r\n\r\n");
    while (there) {
        there = web_send(c, block, sizeof block);
    }
    return false;
}

static bool page_header_flood(struct web_client *c)
{
    bool there = web_text(c, "HTTP/1.1 200 OK\r\n");
    while (there) {
        there =
            web_text(c, "X-Flood: ........................................................\r\n");
    }
    return false;
}

/* "/headers/N": N bytes of status and header lines, with the empty one. */
static bool page_headers(struct web_client *c)
{
    static const char first[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n";
    size_t size = (size_t)strtoul(c->target + 9, NULL, 10), left = size - (sizeof first - 1) - 2;
    bool there = web_text(c, first);
    while (there && left > 0) {
        char line[1200];
        int bytes = left < 1100 ? (int)left : 1000; /* what remains is long enough for a line */
        snprintf(line, sizeof line, "X-Fill: %0*d\r\n", bytes - 10, 0);
        there = web_text(c, line);
        left -= (size_t)bytes;
    }
    return there && web_text(c, "\r\n"); /* and is kept */
}

static bool page_continue_flood(struct web_client *c)
{
    bool there = true;
    while (there) {
        there = web_text(c, "HTTP/1.1 100 Continue\r\n\r\n");
    }
    return false;
}

/* "/to/LOCATION": sends there; LOCATION is taken as it is. */
static bool page_to(struct web_client *c)
{
    char head[3000];
    snprintf(head, sizeof head,
             "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 4\r\n\r\nmove", c->target + 4);
    web_text(c, head);
    return false;
}

/* "/hops/N": N more redirects, relative ones. */
static bool page_hops(struct web_client *c)
{
    char head[200];
    long left = strtol(c->target + 6, NULL, 10);
    if (left == 0) {
        return page_plain(c);
    }
    snprintf(head, sizeof head, "HTTP/1.1 301 Moved\r\nLocation: %ld\r\nContent-Length: 0\r\n\r\n",
             left - 1);
    web_text(c, head);
    return false;
}

static bool page_odd_redirect(struct web_client *c)
{
    web_text(c, "HTTP/1.1 302 Found\r\nLocation: /a\tb\r\nContent-Length: 0\r\n\r\n");
    return false;
}

static bool page_spaced_redirect(struct web_client *c)
{
    web_text(c, "HTTP/1.1 302 Found\r\nLocation: /plain with space\r\nContent-Length: 0\r\n\r\n");
    return false;
}

static bool page_redirect_flood(struct web_client *c)
{
    static char block[65536];
    bool there = web_text(c, "HTTP/1.0 302 Found\r\nLocation: /plain\r\n\r\n");
    while (there) {
        there = web_send(c, block, sizeof block);
    }
    return false;
}

static bool page_not_modified(struct web_client *c)
{
    web_text(c, "HTTP/1.1 304 Not Modified\r\nLocation: /plain\r\n\r\n");
    return false;
}

/* ---- compressed pages, packed by hand ------------------------------------------------------------ */

static uint32_t crc32_of(const uint8_t *bytes, size_t size)
{
    uint32_t crc = ~0u;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes ? bytes[i] : 0;
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1)));
        }
    }
    return ~crc;
}

struct bits {
    uint8_t *bytes;
    size_t count;
};

static void put_bits(struct bits *b, uint32_t value, int count, bool code)
{
    for (int i = 0; i < count; i++) {
        uint32_t bit =
            value >> (code ? count - 1 - i : i) & 1; /* Huffman codes come from the top */
        b->bytes[b->count / 8] = (uint8_t)(b->bytes[b->count / 8] | bit << b->count % 8);
        b->count++;
    }
}

/* gzip of zeroes: runs of 258 (13 bits each, about 158 to 1), with `literals` single ones after each. */
static size_t pack_zeroes(uint8_t *out, size_t runs, int literals)
{
    static const uint8_t head[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3};
    struct bits b = {out + 10, 0};
    size_t size = 1 + runs * (258u + (unsigned)literals);
    memcpy(out, head, 10);
    put_bits(&b, 1, 1, false);   /* last block, */
    put_bits(&b, 1, 2, false);   /* fixed codes */
    put_bits(&b, 0x30, 8, true); /* a zero */
    for (size_t i = 0; i < runs; i++) {
        put_bits(&b, 0xc5, 8, true); /* length 258 */
        put_bits(&b, 0, 5, true);    /* from one byte back */
        for (int k = 0; k < literals; k++) {
            put_bits(&b, 0x30, 8, true);
        }
    }
    put_bits(&b, 0, 7, true); /* the end */
    b.count = (b.count + 7) / 8 * 8;
    put_bits(&b, crc32_of(NULL, size), 32, false);
    put_bits(&b, (uint32_t)size, 32, false);
    return 10 + b.count / 8;
}

/* "/zeroes/LITERALS/MEGABYTES", "/zeroes-chunked/..." */
static bool page_zeroes(struct web_client *c)
{
    static uint8_t packed[1 << 20];
    char head[200];
    char *at = strchr(c->target + 1, '/');
    bool chunked = strncmp(c->target, "/zeroes-chunked", 15) == 0;
    int literals = (int)strtol(at + 1, &at, 10);
    long megabytes = strtol(at + 1, NULL, 10);
    memset(packed, 0, sizeof packed);
    size_t size = pack_zeroes(packed, (size_t)megabytes * 4000, literals);
    if (chunked) {
        snprintf(head, sizeof head,
                 "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "%zx\r\n",
                 size);
    } else {
        snprintf(head, sizeof head,
                 "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n", size);
    }
    if (web_text(c, head) && web_send(c, packed, size) && chunked) {
        web_text(c, "\r\n0\r\n\r\n");
    }
    return false;
}

static bool page_gzip(struct web_client *c)
{
    static const uint8_t packed[] = {0x1f, 0x8b, 8, 0,    0,    0,   0,   0,   0,   3,
                                     1,    5,    0, 0xfa, 0xff, 'h', 'e', 'l', 'l', 'o'};
    uint8_t tail[8] = {0};
    struct bits b = {tail, 0};
    put_bits(&b, crc32_of((const uint8_t *)"hello", 5), 32, false);
    put_bits(&b, 5, 32, false);
    web_text(c, "HTTP/1.0 200 OK\r\nContent-Encoding: gzip\r\n\r\n");
    web_send(c, packed, sizeof packed);
    web_send(c, tail, sizeof tail);
    return false;
}

static bool page_bad_gzip(struct web_client *c)
{
    web_text(c, "HTTP/1.0 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08 this is not");
    return false;
}

static const struct web_page pages[] = {{"/plain", page_plain},
                                        {"/empty", page_empty},
                                        {"/until-close", page_until_close},
                                        {"/chunked", page_chunked},
                                        {"/failure", page_failure},
                                        {"/silent", page_silent},
                                        {"/half", page_half},
                                        {"/cut", page_cut},
                                        {"/nothing", page_nothing},
                                        {"/garbage", page_garbage},
                                        {"/size/", page_size},
                                        {"/endless", page_endless},
                                        {"/header-flood", page_header_flood},
                                        {"/headers/", page_headers},
                                        {"/continue-flood", page_continue_flood},
                                        {"/to/", page_to},
                                        {"/hops/", page_hops},
                                        {"/odd-redirect", page_odd_redirect},
                                        {"/spaced-redirect", page_spaced_redirect},
                                        {"/redirect-flood", page_redirect_flood},
                                        {"/not-modified", page_not_modified},
                                        {"/zeroes", page_zeroes},
                                        {"/gzip", page_gzip},
                                        {"/bad-gzip", page_bad_gzip},
                                        {"http://", page_plain}, /* asked as a proxy */
                                        {NULL, NULL}};

/* ---- the client --------------------------------------------------------------------------------- */

static const struct dns_entry names[] = {
    {"local.test", "127.0.0.1"},
    {"public.test", OWN_NETWORK_PUBLIC},
    {"mixed.test", "127.0.0.1 " OWN_NETWORK_PUBLIC " 10.1.2.3"},
    {"silent.test", NULL},
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
    char url[3000];
};

static void request_on_done(struct io_op *op, int status)
{
    struct request *r = list_entry(op, struct request, http.op);
    r->status = status;
}

/* Where in the format "%u" stands is the port of the server on loopback. */
static struct request *request_new(const char *format)
{
    struct request *r = calloc(1, sizeof *r);
    assert_non_null(r);
    int before = (int)(strstr(format, "%u") ? strstr(format, "%u") - format : 0);
    if (strstr(format, "%u")) {
        snprintf(r->url, sizeof r->url, "%.*s%u%s", before, format, net.local.port,
                 format + before + 2);
    } else {
        snprintf(r->url, sizeof r->url, "%s", format);
    }
    r->status = 1;
    r->http = (struct io_http){.op.done = request_on_done,
                               .url = r->url,
                               .allow_private = true,
                               .user_agent = "test/1",
                               .proxy = "",
                               .timeout_ns = INT64_C(60000000000),
                               .max_bytes = 1 << 20};
    return r;
}

static void request_free(struct request *r)
{
    assert_false(r->http.op.active);
    if (r->status < 0) {
        assert_null(r->http.body);
        assert_true(r->http.error[0]);
        assert_null(strstr(r->http.error, "passkey"));
    }
    free(r->http.body);
    free(r);
}

static void request_run(struct io *io, struct request *r)
{
    io_http(io, &r->http);
    assert_int_equal(r->status, 1); /* not inside the call */
    await(io, &r->http.op);
}

/* Fetches and says how it ended. */
static int outcome(struct io *io, const char *format)
{
    struct request *r = request_new(format);
    request_run(io, r);
    int status = r->status;
    request_free(r);
    return status;
}

static void expect(struct io *io, const char *format, int http_status, const char *body)
{
    struct request *r = request_new(format);
    request_run(io, r);
    if (r->status != 0) {
        print_error("%s: %d %s\n", r->url, r->status, r->http.error);
    }
    assert_int_equal(r->status, 0);
    assert_int_equal(r->http.http_status, http_status);
    assert_int_equal(r->http.body_size, strlen(body));
    if (*body) {
        assert_memory_equal(r->http.body, body, strlen(body));
    }
    request_free(r);
}

/* ---- promises ----------------------------------------------------------------------------------- */

static void an_answer_is_an_answer_whatever_its_status(void **state)
{
    (void)state;
    struct io *io = world_create(net.dns.csv);
    expect(io, "http://127.0.0.1:%u/plain", 200, "hello");
    expect(io, "http://local.test:%u/plain?passkey=1&info_hash=%00%20%ff", 200, "hello");
    assert_true(
        web_server_saw(&net.local, "GET /plain?passkey=1&info_hash=%00%20%ff HTTP/1.1\r\n"));
    assert_true(web_server_saw(&net.local, "User-Agent: test/1\r\n"));
    assert_true(web_server_saw(&net.local, "Host: local.test:"));
    assert_true(web_server_saw(&net.local, "Accept-Encoding: gzip, deflate\r\n"));
    expect(io, "http://localhost:%u/empty", 200, "");
    expect(io, "http://127.0.0.1:%u/until-close", 200, "old style");
    expect(io, "http://127.0.0.1:%u/chunked", 200, "abcdefg");
    expect(io, "http://127.0.0.1:%u/missing", 404, "no page");
    expect(io, "http://127.0.0.1:%u/failure", 503, "late");
    expect(io, "http://127.0.0.1:%u/not-modified", 304, "");
    expect(io, "HTTP://Local.Test:%u/plain", 200, "hello");
    struct request *r = request_new("http://127.0.0.1:%u/plain");
    request_run(io, r);
    assert_string_equal(r->http.content_type, "text/x-test; a=b");
    request_free(r);
    io_uv_destroy(io);
}

static void a_literal_address_of_ipv6_is_reached(void **state)
{
    (void)state;
    struct io *io = world_create(net.dns.csv);
    struct web_server server;
    char url[64];
    web_server_start(&server, "::1", NULL, pages);
    snprintf(url, sizeof url, "http://[::1]:%u/plain", server.port);
    expect(io, url, 200, "hello");
    web_server_stop(&server);
    io_uv_destroy(io);
}

static void what_is_not_http_is_said_to_be_so(void **state)
{
    (void)state;
    struct io *io = world_create(net.dns.csv);
    assert_int_equal(outcome(io, "http://127.0.0.1:%u/nothing"), SPATE_EEOF);
    assert_int_equal(outcome(io, "http://127.0.0.1:%u/cut"), SPATE_EEOF);
    assert_int_equal(outcome(io, "http://127.0.0.1:%u/garbage"), SPATE_EHTTP);
    assert_int_equal(outcome(io, "http://127.0.0.1:1/plain?passkey=2"), SPATE_EREFUSED);
    assert_int_equal(outcome(io, "http://nothing.test/passkey"), SPATE_EHOST);
    io_uv_destroy(io);
}

static void a_bad_url_reaches_nobody(void **state)
{
    (void)state;
    struct io *io = world_create(net.dns.csv);
    int asked = atomic_load(&net.dns.asked), connections = web_server_connections(&net.local);
    const char *bad[] = {"",
                         "passkey",
                         "127.0.0.1/plain",
                         "ftp://127.0.0.1:%u/plain",
                         "file:///etc/passwd",
                         "gopher://127.0.0.1:%u/x",
                         "http://",
                         "http:///plain",
                         "http://127.0.0.1:%u/pl ain",
                         "http://127.0.0.1:%u/\r\nX: y",
                         "http://127.0.0.1:%u/\x7f",
                         "http://local.test\t:%u/",
                         "http://local.test:0/",
                         "http://local.test:65536/",
                         "http://local.test:%ux/",
                         "http://loc%0d%0aal.test/",
                         "http://loc%20al.test/",
                         "http://loc%2fal.test/",
                         "http://\xc3\xb6rtlich.test/",
                         "http://[::1/",
                         "http://[fe80::zz]/"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int status = outcome(io, bad[i]);
        if (status != SPATE_EURL) {
            print_error("%s\n", bad[i]);
        }
        assert_int_equal(status, SPATE_EURL);
    }
    struct request *r = request_new("");
    static char longest[LIMIT_HTTP_URL_BYTES + 2];
    for (size_t size = LIMIT_HTTP_URL_BYTES - 1; size <= LIMIT_HTTP_URL_BYTES + 1; size++) {
        memset(longest, 'x', sizeof longest);
        longest[size] = 0;
        snprintf(r->url, sizeof r->url, "http://127.0.0.1:1/");
        memcpy(longest, r->url, strlen(r->url));
        r->http.url = longest;
        request_run(io, r);
        assert_int_equal(r->status, size <= LIMIT_HTTP_URL_BYTES ? SPATE_EREFUSED : SPATE_EURL);
        r->status = 1;
    }
    r->status = SPATE_EURL;
    request_free(r);
    assert_int_equal(atomic_load(&net.dns.asked), asked);
    assert_int_equal(web_server_connections(&net.local), connections);
    io_uv_destroy(io);
}

static void packed_answers_are_unpacked(void **state)
{
    (void)state;
    struct io *io = world_create(net.dns.csv);
    expect(io, "http://127.0.0.1:%u/gzip", 200, "hello");
    assert_int_equal(outcome(io, "http://127.0.0.1:%u/bad-gzip"), SPATE_EHTTP);
    io_uv_destroy(io);
}

static void a_bomb_is_refused_while_it_unpacks(void **state)
{
    (void)state;
    struct io *io = world_create(net.dns.csv);
    static const struct {
        const char *url;
        size_t max_bytes;
        int status;
    } rows[] = {
        /* about 99 to 1 is honest, about 158 to 1 is not */
        {"http://127.0.0.1:%u/zeroes/1/8", 64 << 20, 0},
        {"http://127.0.0.1:%u/zeroes/0/8", 64 << 20, SPATE_ELIMIT},
        {"http://127.0.0.1:%u/zeroes-chunked/1/8", 64 << 20, 0},
        {"http://127.0.0.1:%u/zeroes-chunked/0/8", 64 << 20, SPATE_ELIMIT},
        {"http://127.0.0.1:%u/zeroes/1/8", 1 << 20, SPATE_ELIMIT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct request *r = request_new(rows[i].url);
        r->http.max_bytes = rows[i].max_bytes;
        request_run(io, r);
        if (r->status != rows[i].status) {
            print_error("%s: %s\n", rows[i].url, r->http.error);
        }
        assert_int_equal(r->status, rows[i].status);
        if (r->status == 0) {
            assert_int_equal(r->http.body_size, 1 + 8 * 4000 * 259);
        }
        request_free(r);
    }
    io_uv_destroy(io);
}

static size_t sent_bytes(void)
{
    pthread_mutex_lock(&net.local.lock);
    size_t sent = net.local.sent_bytes;
    pthread_mutex_unlock(&net.local.lock);
    return sent;
}

static void an_answer_longer_than_the_cap_is_broken_off(void **state)
{
    (void)state;
    struct io *io = world_create(net.dns.csv);
    static const char *const urls[] = {
        "http://127.0.0.1:%u/size/999", "http://127.0.0.1:%u/size/1000",
        "http://127.0.0.1:%u/size/1001", "http://127.0.0.1:%u/size/30000000",
        "http://127.0.0.1:%u/endless"};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct request *r = request_new(urls[i]);
        size_t before = sent_bytes();
        r->http.max_bytes = 1000;
        request_run(io, r);
        assert_int_equal(r->status, i < 2 ? 0 : SPATE_ELIMIT);
        request_free(r);
        /* what sockets buffer, not 30 MB */
        assert_in_range(sent_bytes() - before, 0, 20000000);
    }
    io_uv_destroy(io);
}

static void floods_of_headers_are_broken_off(void **state)
{
    (void)state;
    struct io *io = world_create(net.dns.csv);
    for (uint32_t size = LIMIT_HTTP_HEADER_BYTES - 1; size <= LIMIT_HTTP_HEADER_BYTES + 1; size++) {
        char url[100];
        snprintf(url, sizeof url, "http://127.0.0.1:%%u/headers/%u", size);
        assert_int_equal(outcome(io, url), size > LIMIT_HTTP_HEADER_BYTES ? SPATE_ELIMIT : 0);
    }
    assert_int_equal(outcome(io, "http://127.0.0.1:%u/header-flood"), SPATE_ELIMIT);
    assert_int_equal(outcome(io, "http://127.0.0.1:%u/continue-flood"), SPATE_ELIMIT);
    assert_int_equal(outcome(io, "http://127.0.0.1:%u/redirect-flood"), SPATE_ELIMIT);
    io_uv_destroy(io);
}

static void redirects_are_followed_to_the_limit(void **state)
{
    (void)state;
    struct io *io = world_create(net.dns.csv);
    char url[200];
    snprintf(url, sizeof url, "http://127.0.0.1:%%u/hops/%u", LIMIT_HTTP_REDIRECTS - 1);
    expect(io, url, 200, "hello");
    snprintf(url, sizeof url, "http://127.0.0.1:%%u/hops/%u", LIMIT_HTTP_REDIRECTS);
    expect(io, url, 200, "hello");
    snprintf(url, sizeof url, "http://127.0.0.1:%%u/hops/%u", LIMIT_HTTP_REDIRECTS + 1);
    assert_int_equal(outcome(io, url), SPATE_ELIMIT);
    expect(io, "http://127.0.0.1:%u/to//plain", 200, "hello");
    expect(io, "http://127.0.0.1:%u/spaced-redirect", 200, "hello");
    assert_true(web_server_saw(&net.local, "GET /plain%20with%20space HTTP"));
    snprintf(url, sizeof url, "http://127.0.0.1:%%u/to///local.test:%u/plain", net.local.port);
    expect(io, url, 200, "hello");
    assert_true(web_server_saw(&net.local, "Host: local.test:"));
    io_uv_destroy(io);
}

static void redirects_lead_to_http_only(void **state)
{
    (void)state;
    struct io *io = world_create(net.dns.csv);
    assert_int_equal(outcome(io, "http://127.0.0.1:%u/to/ftp://127.0.0.1/"), SPATE_EURL);
    assert_int_equal(outcome(io, "http://127.0.0.1:%u/to/file:///etc/passwd"), SPATE_EURL);
    assert_int_equal(outcome(io, "http://127.0.0.1:%u/to/dict://127.0.0.1:1/x"), SPATE_EURL);
    assert_int_equal(outcome(io, "http://127.0.0.1:%u/to/http://l%C3%B6cal.test/passkey"),
                     SPATE_EURL);
    assert_int_equal(outcome(io, "http://127.0.0.1:%u/odd-redirect"), SPATE_EURL);
    io_uv_destroy(io);
}

static void who_signs_in_at_one_origin_is_nobody_at_another(void **state)
{
    (void)state;
    struct io *io = world_create(net.dns.csv);
    char url[200];
    expect(io, "http://user:passkey@127.0.0.1:%u/plain", 200, "hello");
    assert_true(web_server_saw(&net.local, "Authorization: Basic"));
    expect(io, "http://user:passkey@127.0.0.1:%u/to//plain", 200, "hello");
    assert_true(web_server_saw(&net.local, "GET /plain HTTP"));
    assert_true(web_server_saw(&net.local, "Authorization: Basic"));
    /* another name for the same server is another origin, */
    snprintf(url, sizeof url, "http://user:passkey@127.0.0.1:%%u/to/http://local.test:%u/plain",
             net.local.port);
    expect(io, url, 200, "hello");
    assert_true(web_server_saw(&net.local, "GET /plain HTTP"));
    assert_false(web_server_saw(&net.local, "Authorization"));
    /* and nobody else decides as whom we come */
    snprintf(url, sizeof url, "http://127.0.0.1:%%u/to/http://me:too@local.test:%u/plain",
             net.local.port);
    expect(io, url, 200, "hello");
    assert_false(web_server_saw(&net.local, "Authorization"));
    io_uv_destroy(io);
}

static int outcome_without_private(struct io *io, const char *format)
{
    struct request *r = request_new(format);
    r->http.allow_private = false;
    request_run(io, r);
    int status = r->status;
    request_free(r);
    return status;
}

static void private_addresses_get_not_one_byte_unless_allowed(void **state)
{
    (void)state;
    struct io *io = world_create(net.dns.csv);
    int before = web_server_connections(&net.local);
    const char *urls[] = {"http://127.0.0.1:%u/plain",
                          "http://localhost:%u/plain",
                          "http://local.test:%u/plain",
                          "http://[::ffff:127.0.0.1]:%u/plain",
                          "http://[::1]:%u/plain",
                          "http://[64:ff9b::7f00:1]:%u/plain",
                          "http://0.0.0.0:%u/plain",
                          "http://[::]:%u/plain",
                          "http://0x7f.1:%u/plain",
                          "http://2130706433:%u/plain",
                          "http://169.254.169.254/latest",
                          "http://10.0.0.1/",
                          "http://100.64.0.1/",
                          "http://[fd00::1]/",
                          "http://[fe80::1]/",
                          "http://224.0.0.1/",
                          "http://255.255.255.255/"};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        int status = outcome_without_private(io, urls[i]);
        if (status != SPATE_EBLOCKED) {
            print_error("%s\n", urls[i]);
        }
        assert_int_equal(status, SPATE_EBLOCKED);
    }
    assert_int_equal(outcome(io, "http://224.0.0.1/"), SPATE_EBLOCKED);
    assert_int_equal(outcome(io, "http://0.0.0.0:%u/plain"), SPATE_EBLOCKED);
    assert_int_equal(web_server_connections(&net.local), before);
    io_uv_destroy(io);
}

static void of_mixed_addresses_only_the_public_ones_are_tried(void **state)
{
    (void)state;
    struct io *io = world_create(net.dns.csv);
    char url[200];
    int before = web_server_connections(&net.local);
    snprintf(url, sizeof url, "http://mixed.test:%u/plain", net.public.port);
    assert_int_equal(outcome_without_private(io, url), 0);
    snprintf(url, sizeof url, "http://mixed.test:%u/plain", net.local.port);
    assert_int_equal(outcome_without_private(io, url), SPATE_EREFUSED);
    assert_int_equal(web_server_connections(&net.local), before);
    io_uv_destroy(io);
}

static void the_public_internet_does_not_lead_into_private_networks(void **state)
{
    (void)state;
    struct io *io = world_create(net.dns.csv);
    char url[300];
    const char *targets[] = {"127.0.0.1", "local.test", "localhost", "[::ffff:127.0.0.1]"};
    int before = web_server_connections(&net.local);
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        /* Private addresses are allowed, as for a tracker that the user added, but not to a stranger. */
        snprintf(url, sizeof url, "http://public.test:%u/to/http://%s:%u/plain", net.public.port,
                 targets[i], net.local.port);
        assert_int_equal(outcome(io, url), SPATE_EBLOCKED);
    }
    assert_int_equal(web_server_connections(&net.local), before);
    /* Out, and then back in: */
    snprintf(url, sizeof url,
             "http://127.0.0.1:%%u/to/http://public.test:%u/to/http://127.0.0.1:%u/",
             net.public.port, net.local.port);
    assert_int_equal(outcome(io, url), SPATE_EBLOCKED);
    assert_int_equal(web_server_connections(&net.local), before + 1);
    /* Within either, it is fine. */
    snprintf(url, sizeof url, "http://public.test:%u/to/http://mixed.test:%u/plain",
             net.public.port, net.public.port);
    expect(io, url, 200, "hello");
    snprintf(url, sizeof url, "http://local.test:%%u/to/http://public.test:%u/plain",
             net.public.port);
    expect(io, url, 200, "hello");
    io_uv_destroy(io);
}

static void silence_ends_by_time_by_cancelling_and_by_the_end(void **state)
{
    (void)state;
    struct io *io = world_create(net.dns.csv);
    const char *urls[] = {"http://127.0.0.1:%u/silent", "http://127.0.0.1:%u/half",
                          "http://silent.test/"};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct request *timed = request_new(urls[i]), *cancelled = request_new(urls[i]);
        int connections = web_server_connections(&net.local);
        timed->http.timeout_ns = 50000000;
        io_http(io, &cancelled->http);
        while (i < 2 && web_server_connections(&net.local) == connections) {
            io_uv_run_once(io, 10);
        }
        request_run(io, timed);
        assert_int_equal(timed->status, SPATE_ETIMEDOUT);
        io_uv_run_once(io, 20);
        assert_int_equal(cancelled->status, 1);
        io_cancel(io, &cancelled->http.op);
        assert_int_equal(cancelled->status, 1);
        await(io, &cancelled->http.op);
        assert_int_equal(cancelled->status, SPATE_ECANCELED);
        request_free(timed);
        request_free(cancelled);
    }
    struct request *left[6];
    for (int i = 0; i < 6; i++) {
        left[i] = request_new(urls[i % 3]);
        io_http(io, &left[i]->http);
        io_uv_run_once(io, 10);
    }
    io_uv_destroy(io);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(left[i]->status, SPATE_ECANCELED);
        request_free(left[i]);
    }
}

static void requests_beyond_the_limit_wait_their_turn(void **state)
{
    (void)state;
    enum { COUNT = LIMIT_HTTP_CONCURRENT + 2 };
    struct io *io = world_create(net.dns.csv);
    struct request *silent[COUNT], *last = request_new("http://127.0.0.1:%u/plain");
    for (int i = 0; i < COUNT; i++) {
        silent[i] = request_new("http://silent.test/");
        io_http(io, &silent[i]->http);
    }
    io_http(io, &last->http);
    for (int i = 0; i < 5; i++) {
        io_uv_run_once(io, 10);
    }
    assert_int_equal(last->status, 1);
    for (int i = 0; i < 3; i++) {
        io_cancel(io, &silent[i]->http.op);
    }
    await(io, &last->http.op);
    assert_int_equal(last->status, 0);
    request_free(last);
    for (int i = 3; i < COUNT; i++) {
        assert_int_equal(silent[i]->status, 1);
    }
    io_uv_destroy(io);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(silent[i]->status, SPATE_ECANCELED);
        request_free(silent[i]);
    }
}

static int outcome_bound(struct io *io, const struct io_bind *bind)
{
    struct request *r = request_new("http://local.test:%u/plain");
    r->http.bind = bind;
    request_run(io, r);
    int status = r->status;
    request_free(r);
    return status;
}

static void requests_leave_from_where_they_are_bound_or_not_at_all(void **state)
{
    (void)state;
    struct io *io = world_create(net.dns.csv);
    struct io_bind from = bind_to("127.0.0.44:6881"), lo = {.interface = "lo"},
                   nowhere = {.interface = "no-such-if0"}, six = bind_to("[::1]:0");
    assert_int_equal(outcome_bound(io, &from), 0);
    pthread_mutex_lock(&net.local.lock);
    assert_string_equal(net.local.last_peer, "127.0.0.44");
    pthread_mutex_unlock(&net.local.lock);
    assert_int_equal(outcome_bound(io, &lo), 0);
    int before = web_server_connections(&net.local);
    assert_true(outcome_bound(io, &nowhere) < 0);
    assert_true(outcome_bound(io, &six) < 0);
    struct request *r = request_new("http://127.0.0.1:%u/plain"); /* no name has to be asked */
    r->http.bind = &nowhere;
    request_run(io, r);
    assert_true(r->status < 0);
    request_free(r);
    assert_int_equal(web_server_connections(&net.local), before);
    io_uv_destroy(io);
}

static int outcome_by_proxy(struct io *io, const char *proxy, const char *url)
{
    struct request *r = request_new(url);
    r->http.proxy = proxy;
    r->http.allow_private = false;
    request_run(io, r);
    int status = r->status;
    request_free(r);
    return status;
}

static void a_proxy_is_asked_and_nobody_else(void **state)
{
    (void)state;
    struct io *io = world_create(net.dns.csv);
    char proxy[64];
    int asked = atomic_load(&net.dns.asked);
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", net.local.port);
    /* The target's name is the proxy's to resolve; the proxy may well be local. */
    assert_int_equal(outcome_by_proxy(io, proxy, "http://elsewhere.test/page"), 0);
    assert_true(web_server_saw(&net.local, "GET http://elsewhere.test/page HTTP"));
    assert_int_equal(atomic_load(&net.dns.asked), asked);
    assert_int_equal(outcome_by_proxy(io, proxy + 7, "http://elsewhere.test/page"), 0);
    snprintf(proxy, sizeof proxy, "http://local.test:%u", net.local.port);
    assert_int_equal(outcome_by_proxy(io, proxy, "http://elsewhere.test/page"), 0);
    assert_true(atomic_load(&net.dns.asked) > asked);
    assert_int_equal(outcome_by_proxy(io, "ftp://127.0.0.1", "http://elsewhere.test/"), SPATE_EURL);
    assert_int_equal(outcome_by_proxy(io, "http://127.0.0.1:1", "http://elsewhere.test/"),
                     SPATE_EREFUSED);

    /* From the environment, with its exceptions. */
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", net.local.port);
    /* NOLINTBEGIN(concurrency-mt-unsafe): the servers' threads do not look at it */
    setenv("http_proxy", proxy, 1);
    assert_int_equal(outcome_by_proxy(io, NULL, "http://elsewhere.test/env"), 0);
    assert_true(web_server_saw(&net.local, "GET http://elsewhere.test/env HTTP"));
    setenv("no_proxy", "foo.test, .test", 1);
    assert_int_equal(outcome_by_proxy(io, NULL, "http://elsewhere.test/env"), SPATE_EHOST);
    setenv("no_proxy", "here.test,lsewhere.test", 1);
    assert_int_equal(outcome_by_proxy(io, NULL, "http://elsewhere.test/env"), 0);
    setenv("no_proxy", "*", 1);
    assert_int_equal(outcome_by_proxy(io, NULL, "http://elsewhere.test/env"), SPATE_EHOST);
    assert_int_equal(outcome_by_proxy(io, "", "http://elsewhere.test/env"), SPATE_EHOST);
    unsetenv("no_proxy");
    unsetenv("http_proxy");
    setenv("HTTP_PROXY", proxy, 1); /* which a request's header could set, in a CGI */
    assert_int_equal(outcome_by_proxy(io, NULL, "http://elsewhere.test/env"), SPATE_EHOST);
    unsetenv("HTTP_PROXY");
    setenv("ALL_PROXY", proxy, 1);
    assert_int_equal(outcome_by_proxy(io, NULL, "http://elsewhere.test/env"), 0);
    unsetenv("ALL_PROXY");
    /* NOLINTEND(concurrency-mt-unsafe) */
    io_uv_destroy(io);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_an_answer_whatever_its_status),
        cmocka_unit_test(a_literal_address_of_ipv6_is_reached),
        cmocka_unit_test(what_is_not_http_is_said_to_be_so),
        cmocka_unit_test(a_bad_url_reaches_nobody),
        cmocka_unit_test(packed_answers_are_unpacked),
        cmocka_unit_test(a_bomb_is_refused_while_it_unpacks),
        cmocka_unit_test(an_answer_longer_than_the_cap_is_broken_off),
        cmocka_unit_test(floods_of_headers_are_broken_off),
        cmocka_unit_test(redirects_are_followed_to_the_limit),
        cmocka_unit_test(redirects_lead_to_http_only),
        cmocka_unit_test(who_signs_in_at_one_origin_is_nobody_at_another),
        cmocka_unit_test(private_addresses_get_not_one_byte_unless_allowed),
        cmocka_unit_test(of_mixed_addresses_only_the_public_ones_are_tried),
        cmocka_unit_test(the_public_internet_does_not_lead_into_private_networks),
        cmocka_unit_test(silence_ends_by_time_by_cancelling_and_by_the_end),
        cmocka_unit_test(requests_beyond_the_limit_wait_their_turn),
        cmocka_unit_test(requests_leave_from_where_they_are_bound_or_not_at_all),
        cmocka_unit_test(a_proxy_is_asked_and_nobody_else),
    };
    return own_network_enter() ? cmocka_run_group_tests(tests, start, stop) : 1;
}
