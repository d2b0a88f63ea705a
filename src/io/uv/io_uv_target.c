/* URLs of requests: libcurl's parser, so that what is checked here is what is asked for there, and
 * our rules on top. Host names are plain ASCII letters, digits, '-', '_' and '.': names in other
 * scripts must come in their punycode form, so that nobody is fooled by look-alikes. */
#include "io/uv/io_uv_target.h"

#include "base/addr.h"
#include "base/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

static bool has_control(const char *text, bool allow_space)
{
    for (const uint8_t *at = (const uint8_t *)text; *at; at++) {
        if (*at < 0x20 || *at == 0x7f || (*at == ' ' && !allow_space)) {
            return true;
        }
    }
    return false;
}

static int refuse(const char **why, int code, const char *text)
{
    *why = text;
    return code;
}

/* The host without brackets, lower case; false when it is none. */
static bool copy_host(CURLU *url, char out[256], bool *is_literal)
{
    char *text = NULL;
    struct addr literal;
    if (curl_url_get(url, CURLUPART_HOST, &text, 0) != CURLUE_OK) {
        return false;
    }
    size_t size = strlen(text);
    const char *from = text;
    bool bracketed = size > 2 && text[0] == '[' && text[size - 1] == ']';
    if (bracketed) {
        from++;
        size -= 2;
    }
    bool good = size > 0 && size < 256;
    for (size_t i = 0; good && i < size; i++) {
        char c = from[i];
        char lower = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
        bool in_name = (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '.' || c == '_';
        good = in_name || (bracketed && c == ':');
        out[i] = lower;
    }
    if (good) {
        out[size] = 0;
        *is_literal = addr_parse(&literal, span_of(out, size));
        good = !bracketed || *is_literal;
    }
    curl_free(text);
    return good;
}

/* Fills the fields from target->url. */
static int describe(struct io_uv_target *target, const char **why)
{
    char *scheme = NULL, *port = NULL;
    int rc = 0;
    if (curl_url_get(target->url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(target->url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK ||
        (strcasecmp(scheme, "http") != 0 && strcasecmp(scheme, "https") != 0)) {
        rc = refuse(why, SPATE_EURL, "only http and https are supported");
    } else if (!copy_host(target->url, target->host, &target->is_literal)) {
        rc = refuse(why, SPATE_EURL, "the host is not a plain host name or address");
    } else {
        long number = strtol(port, NULL, 10);
        target->is_https = strcasecmp(scheme, "https") == 0;
        target->port = (uint16_t)number;
        if (number <= 0 || number > 65535) {
            rc = refuse(why, SPATE_EURL, "the port is not one");
        }
    }
    curl_free(scheme);
    curl_free(port);
    return rc;
}

/* libcurl takes one to three slashes; which of them begin the path then differs from client to client. */
static bool begins_plainly(const char *url)
{
    const char *after = strncasecmp(url, "http://", 7) == 0    ? url + 7
                        : strncasecmp(url, "https://", 8) == 0 ? url + 8
                                                               : NULL;
    return after && *after != '/';
}

int io_uv_target_parse(struct io_uv_target *out, const char *url, const char **why)
{
    *out = (struct io_uv_target){.url = NULL};
    if (strnlen(url, LIMIT_HTTP_URL_BYTES + 1) > LIMIT_HTTP_URL_BYTES) {
        return refuse(why, SPATE_EURL, "the URL is too long");
    }
    if (has_control(url, false)) {
        return refuse(why, SPATE_EURL, "the URL contains a space or a control character");
    }
    if (!begins_plainly(url)) {
        return refuse(why, SPATE_EURL, "the URL does not begin with http:// or https://");
    }
    out->url = curl_url();
    if (!out->url) {
        return refuse(why, SPATE_ENOMEM, "out of memory");
    }
    int rc = curl_url_set(out->url, CURLUPART_URL, url, CURLU_URLENCODE) == CURLUE_OK
                 ? describe(out, why)
                 : refuse(why, SPATE_EURL, "not a valid URL");
    if (rc < 0) {
        io_uv_target_deinit(out);
    }
    return rc;
}

void io_uv_target_deinit(struct io_uv_target *target)
{
    curl_url_cleanup(target->url);
    target->url = NULL;
}

static bool same_origin(const struct io_uv_target *a, const struct io_uv_target *b)
{
    return a->is_https == b->is_https && a->port == b->port && strcmp(a->host, b->host) == 0;
}

/* Within one origin the user stays signed in; elsewhere nobody is told who it is. */
static void carry_user(const struct io_uv_target *from, const struct io_uv_target *to)
{
    static const CURLUPart parts[] = {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_OPTIONS};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char *text = NULL;
        if (same_origin(from, to)) {
            curl_url_get(from->url, parts[i], &text, 0);
        }
        curl_url_set(to->url, parts[i], text, 0);
        curl_free(text);
    }
}

int io_uv_target_redirect(struct io_uv_target *target, const char *location, const char **why)
{
    struct io_uv_target to = {.url = curl_url_dup(target->url)};
    int rc = 0;
    if (!to.url) {
        return refuse(why, SPATE_ENOMEM, "out of memory");
    }
    if (strnlen(location, LIMIT_HTTP_URL_BYTES + 1) > LIMIT_HTTP_URL_BYTES ||
        has_control(location, true) ||
        curl_url_set(to.url, CURLUPART_URL, location, CURLU_URLENCODE | CURLU_ALLOW_SPACE) !=
            CURLUE_OK) {
        rc = refuse(why, SPATE_EURL, "redirected to something that is not a URL");
    } else {
        rc = describe(&to, why);
    }
    if (rc == 0 && target->is_https && !to.is_https) {
        rc = refuse(why, SPATE_EBLOCKED, "redirected from https to http");
    }
    if (rc < 0) {
        io_uv_target_deinit(&to);
        return rc;
    }
    carry_user(target, &to);
    io_uv_target_deinit(target);
    *target = to;
    return 0;
}

/* ---- proxies --------------------------------------------------------------------------------- */

/* One entry of no_proxy: "*", a host, or a domain with or without its leading dot. */
static bool entry_matches(struct span entry, const char *host)
{
    size_t host_size = strlen(host);
    if (entry.size == 1 && entry.bytes[0] == '*') {
        return true;
    }
    if (entry.size > 0 && entry.bytes[0] == '.') {
        entry = span_slice(entry, 1, SIZE_MAX);
    }
    if (entry.size == 0 || entry.size > host_size ||
        strncasecmp(host + host_size - entry.size, (const char *)entry.bytes, entry.size) != 0) {
        return false;
    }
    return entry.size == host_size || host[host_size - entry.size - 1] == '.';
}

/* Reading is safe as long as the program does not change its environment meanwhile, which is the rule for
 * every program with threads. */
static const char *environment(const char *name)
{
    return getenv(name); /* NOLINT(concurrency-mt-unsafe) */
}

static bool is_exempt(const char *host)
{
    const char *list = environment("no_proxy");
    list = list ? list : environment("NO_PROXY");
    while (list && *list) {
        size_t size = strcspn(list, ", ");
        if (entry_matches(span_of(list, size), host)) {
            return true;
        }
        list += size + strspn(list + size, ", ");
    }
    return false;
}

/* HTTP_PROXY in capitals is what a CGI program gets from a request's "Proxy:" header; nobody heeds
 * it. */
static const char *environment_proxy(bool is_https)
{
    static const char *const names[2][4] = {
        {"http_proxy", "all_proxy", "ALL_PROXY", NULL},
        {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"}};
    for (int i = 0; i < 4 && names[is_https][i]; i++) {
        const char *value = environment(names[is_https][i]);
        if (value && *value) {
            return value;
        }
    }
    return NULL;
}

int io_uv_target_proxy(const struct io_uv_target *target, const char *setting, char **proxy,
                       char host[256], uint16_t *port, const char **why)
{
    const char *text = setting;
    *proxy = NULL;
    if (!text) {
        text = is_exempt(target->host) ? NULL : environment_proxy(target->is_https);
    }
    if (!text || !*text) {
        return 0;
    }
    /* The variants in which the proxy resolves the target's name: it is the proxy that connects to
     * it. */
    static const struct {
        const char *given, *used;
    } schemes[] = {{"http://", "http://"},       {"https://", "https://"},
                   {"socks5h://", "socks5h://"}, {"socks5://", "socks5h://"},
                   {"socks4a://", "socks4a://"}, {"socks4://", "socks4a://"}};
    const char *used = strstr(text, "://") ? NULL : "http://", *rest = text;
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes && !used; i++) {
        if (strncasecmp(text, schemes[i].given, strlen(schemes[i].given)) == 0) {
            used = schemes[i].used;
            rest = text + strlen(schemes[i].given);
        }
    }
    if (!used || strlen(text) > LIMIT_URL_BYTES) {
        return refuse(why, SPATE_EURL, "the proxy's URL is not a valid one");
    }
    size_t size = strlen(used) + strlen(rest) + 1;
    char *out = malloc(size);
    CURLU *url = curl_url();
    char *port_text = NULL;
    bool is_literal;
    int rc = out && url ? 0 : refuse(why, SPATE_ENOMEM, "out of memory");
    if (rc == 0) {
        snprintf(out, size, "%s%s", used, rest);
        if (curl_url_set(url, CURLUPART_URL, out, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK ||
            !copy_host(url, host, &is_literal)) {
            rc = refuse(why, SPATE_EURL, "the proxy's URL is not a valid one");
        }
    }
    if (rc == 0) {
        /* libcurl's defaults */
        *port = strcmp(used, "https://") == 0 ? 443 : 1080;
        if (curl_url_get(url, CURLUPART_PORT, &port_text, 0) == CURLUE_OK) {
            *port = (uint16_t)strtoul(port_text, NULL, 10);
        }
        *proxy = out;
    } else {
        free(out);
    }
    curl_free(port_text);
    curl_url_cleanup(url);
    return rc;
}
