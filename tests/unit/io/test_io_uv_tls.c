/* TLS: whom a certificate makes trusted, and that nothing else does. */
#include "uv_world.h"

#include "dns_server.h"
#include "own_network.h"
#include "web_server.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

/* ---- certificates -------------------------------------------------------------------------------- */

struct identity {
    X509 *certificate;
    EVP_PKEY *key;
};

static void add_extension(X509 *certificate, X509 *issuer, int which, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, which, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

/* issuer NULL: signed by itself. names: as in subjectAltName; NULL: an authority. */
static struct identity identity_make(const struct identity *issuer, const char *common_name,
                                     const char *names, const char *purpose, long from_s, long to_s)
{
    static long serial; /* of this process, whose main thread makes them all */
    struct identity made = {X509_new(), EVP_EC_gen("P-256")};
    X509_NAME *name = X509_get_subject_name(made.certificate);
    X509_set_version(made.certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made.certificate), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(made.certificate), from_s);
    X509_gmtime_adj(X509_getm_notAfter(made.certificate), to_s);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)common_name, -1, -1,
                               0);
    X509_set_pubkey(made.certificate, made.key);
    X509 *by = issuer ? issuer->certificate : made.certificate;
    X509_set_issuer_name(made.certificate, X509_get_subject_name(by));
    if (names) {
        add_extension(made.certificate, by, NID_subject_alt_name, names);
        add_extension(made.certificate, by, NID_ext_key_usage, purpose);
    } else {
        add_extension(made.certificate, by, NID_basic_constraints, "critical,CA:TRUE");
        add_extension(made.certificate, by, NID_key_usage, "critical,keyCertSign");
    }
    assert_true(X509_sign(made.certificate, issuer ? issuer->key : made.key, EVP_sha256()) > 0);
    return made;
}

static void identity_free(struct identity *identity)
{
    X509_free(identity->certificate);
    EVP_PKEY_free(identity->key);
}

static SSL_CTX *server_context(const struct identity *identity)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    assert_non_null(context);
    assert_int_equal(SSL_CTX_use_certificate(context, identity->certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(context, identity->key), 1);
    return context;
}

/* ---- servers ------------------------------------------------------------------------------------- */

static bool page_plain(struct web_client *c)
{
    web_text(c, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret");
    return false;
}

static bool page_kept(struct web_client *c)
{
    return web_text(c, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret");
}

static bool page_to(struct web_client *c)
{
    char head[3000];
    snprintf(head, sizeof head, "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n",
             c->target + 4);
    web_text(c, head);
    return false;
}

static const struct web_page pages[] = {
    {"/plain", page_plain}, {"/kept", page_kept}, {"/to/", page_to}, {NULL, NULL}};

static const struct dns_entry names[] = {
    {"good.test", "127.0.0.1"}, {"other.test", "127.0.0.1"}, {NULL, NULL}};

enum { GOOD, OTHER_HOST, SELF_SIGNED, EXPIRED, NOT_YET, FOR_CLIENTS, BY_NO_AUTHORITY, KINDS };

static struct {
    struct dns_server dns;
    struct identity authority, stranger, leaf, identities[KINDS];
    SSL_CTX *contexts[KINDS];
    struct web_server servers[KINDS], plain;
    char ca_cert[64];
} net;

static int start(void **state)
{
    const char *usual = "serverAuth";
    const long hour = 3600, year = 365 * 24 * hour;
    (void)state;
    net.authority = identity_make(NULL, "Test Authority", NULL, NULL, -hour, year);
    net.stranger = identity_make(NULL, "Another Authority", NULL, NULL, -hour, year);
    /* signs although it is no authority */
    net.leaf = identity_make(&net.authority, "leaf.test", "DNS:leaf.test", usual, -hour, year);
    net.identities[GOOD] = identity_make(&net.authority, "good.test", "DNS:good.test,IP:127.0.0.1",
                                         usual, -hour, year);
    net.identities[OTHER_HOST] =
        identity_make(&net.authority, "good.test", "DNS:other.test", usual, -hour, year);
    net.identities[SELF_SIGNED] =
        identity_make(NULL, "good.test", "DNS:good.test", usual, -hour, year);
    net.identities[EXPIRED] =
        identity_make(&net.authority, "good.test", "DNS:good.test", usual, -year, -hour);
    net.identities[NOT_YET] =
        identity_make(&net.authority, "good.test", "DNS:good.test", usual, hour, year);
    net.identities[FOR_CLIENTS] =
        identity_make(&net.authority, "good.test", "DNS:good.test", "clientAuth", -hour, year);
    net.identities[BY_NO_AUTHORITY] =
        identity_make(&net.leaf, "good.test", "DNS:good.test", usual, -hour, year);
    snprintf(net.ca_cert, sizeof net.ca_cert, "/tmp/spate-tls-XXXXXX");
    FILE *file = fdopen(mkstemp(net.ca_cert), "w");
    assert_non_null(file);
    PEM_write_X509(file, net.authority.certificate);
    fclose(file);
    dns_server_start(&net.dns, names);
    for (int i = 0; i < KINDS; i++) {
        net.contexts[i] = server_context(&net.identities[i]);
        web_server_start(&net.servers[i], "127.0.0.1", net.contexts[i], pages);
    }
    SSL_CTX_add_extra_chain_cert(net.contexts[BY_NO_AUTHORITY], X509_dup(net.leaf.certificate));
    web_server_start(&net.plain, "127.0.0.1", NULL, pages);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    for (int i = 0; i < KINDS; i++) {
        web_server_stop(&net.servers[i]);
        SSL_CTX_free(net.contexts[i]);
        identity_free(&net.identities[i]);
    }
    web_server_stop(&net.plain);
    dns_server_stop(&net.dns);
    identity_free(&net.authority);
    identity_free(&net.stranger);
    identity_free(&net.leaf);
    return unlink(net.ca_cert);
}

/* ---- promises ------------------------------------------------------------------------------------ */

static int status_of;

static void fetch_on_done(struct io_op *op, int status)
{
    (void)op;
    status_of = status;
}

static int fetch(struct io *io, const char *scheme, const char *host, uint16_t port,
                 const char *path, const char *ca_cert)
{
    char url[300];
    snprintf(url, sizeof url, "%s://%s:%u%s", scheme, host, port, path);
    struct io_http http = {.op.done = fetch_on_done,
                           .url = url,
                           .allow_private = true,
                           .user_agent = "test/1",
                           .proxy = "",
                           .ca_cert = ca_cert,
                           .timeout_ns = INT64_C(60000000000),
                           .max_bytes = 1000};
    io_http(io, &http);
    await(io, &http.op);
    if (status_of == 0) {
        assert_int_equal(http.body_size, 6);
    } else {
        assert_true(http.error[0]);
    }
    free(http.body);
    return status_of;
}

static void the_right_authority_and_host_are_trusted(void **state)
{
    (void)state;
    struct io *io = world_create(net.dns.csv);
    uint16_t port = net.servers[GOOD].port;
    assert_int_equal(fetch(io, "https", "good.test", port, "/plain", net.ca_cert), 0);
    assert_int_equal(fetch(io, "https", "127.0.0.1", port, "/plain", net.ca_cert), 0);
    assert_int_equal(fetch(io, "HTTPS", "Good.Test", port, "/plain", net.ca_cert), 0);
    io_uv_destroy(io);
}

static void nobody_else_is(void **state)
{
    (void)state;
    struct io *io = world_create(net.dns.csv);
    int before = web_server_requests(&net.servers[GOOD]);
    for (int i = GOOD + 1; i < KINDS; i++) {
        int status = fetch(io, "https", "good.test", net.servers[i].port, "/plain", net.ca_cert);
        if (status != SPATE_ETLS) {
            print_error("kind %d\n", i);
        }
        assert_int_equal(status, SPATE_ETLS);
        assert_int_equal(web_server_requests(&net.servers[i]), 0);
    }
    /* the right certificate under another name, or by another authority than those of the system */
    uint16_t port = net.servers[GOOD].port;
    assert_int_equal(fetch(io, "https", "other.test", port, "/plain", net.ca_cert), SPATE_ETLS);
    assert_int_equal(fetch(io, "https", "localhost", port, "/plain", net.ca_cert), SPATE_ETLS);
    assert_int_equal(fetch(io, "https", "good.test", port, "/plain", NULL), SPATE_ETLS);
    assert_int_equal(fetch(io, "https", "good.test", port, "/plain", "/nowhere/ca.pem"),
                     SPATE_ETLS);
    /* a server that does not speak TLS at all */
    assert_true(fetch(io, "http", "good.test", port, "/plain", net.ca_cert) < 0);
    assert_int_equal(web_server_requests(&net.servers[GOOD]), before);
    io_uv_destroy(io);
}

static void a_redirect_may_gain_tls_and_never_lose_it(void **state)
{
    (void)state;
    struct io *io = world_create(net.dns.csv);
    char path[200];
    snprintf(path, sizeof path, "/to/https://good.test:%u/plain", net.servers[GOOD].port);
    assert_int_equal(fetch(io, "http", "good.test", net.plain.port, path, net.ca_cert), 0);
    assert_int_equal(fetch(io, "https", "good.test", net.servers[GOOD].port, path, net.ca_cert), 0);
    snprintf(path, sizeof path, "/to/http://good.test:%u/plain", net.plain.port);
    int before = web_server_connections(&net.plain);
    assert_int_equal(fetch(io, "https", "good.test", net.servers[GOOD].port, path, net.ca_cert),
                     SPATE_EBLOCKED);
    assert_int_equal(web_server_connections(&net.plain), before);
    io_uv_destroy(io);
}

static void a_handshake_that_never_answers_is_left_by_cancelling(void **state)
{
    (void)state;
    struct io *io = world_create(net.dns.csv);
    char url[100];
    /* A plain server waits for the end of a request that is not one. */
    snprintf(url, sizeof url, "https://good.test:%u/", net.plain.port);
    struct io_http http = {.op.done = fetch_on_done,
                           .url = url,
                           .allow_private = true,
                           .user_agent = "test/1",
                           .proxy = "",
                           .ca_cert = net.ca_cert,
                           .max_bytes = 1000};
    int before = web_server_connections(&net.plain);
    io_http(io, &http);
    while (web_server_connections(&net.plain) == before) {
        io_uv_run_once(io, 10);
    }
    io_uv_run_once(io, 20);
    assert_true(http.op.active);
    io_cancel(io, &http.op);
    await(io, &http.op);
    assert_int_equal(status_of, SPATE_ECANCELED);
    io_uv_destroy(io);
}

static void a_kept_connection_is_for_who_trusts_the_same(void **state)
{
    (void)state;
    struct io *io = world_create(net.dns.csv);
    struct web_server *good = &net.servers[GOOD];
    int connections = web_server_connections(good), requests = web_server_requests(good);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(fetch(io, "https", "good.test", good->port, "/kept", net.ca_cert), 0);
    }
    assert_int_equal(web_server_connections(good), connections + 1);
    assert_int_equal(fetch(io, "https", "good.test", good->port, "/kept", NULL), SPATE_ETLS);
    assert_int_equal(fetch(io, "https", "other.test", good->port, "/kept", net.ca_cert),
                     SPATE_ETLS);
    assert_int_equal(web_server_requests(good), requests + 3);
    io_uv_destroy(io);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_right_authority_and_host_are_trusted),
        cmocka_unit_test(nobody_else_is),
        cmocka_unit_test(a_redirect_may_gain_tls_and_never_lose_it),
        cmocka_unit_test(a_handshake_that_never_answers_is_left_by_cancelling),
        cmocka_unit_test(a_kept_connection_is_for_who_trusts_the_same),
    };
    return own_network_enter() ? cmocka_run_group_tests(tests, start, stop) : 1;
}
