/* As much of RFC 3986 as trackers and web seeds use: scheme, host, port, path with query, and
 * references that are absolute or relative to host, root or folder. Dots in paths are left alone. */
#include "io/sim/io_sim_url.h"

#include "base/addr.h"
#include "base/error.h"
#include "base/text.h"

#include <stdio.h>
#include <strings.h>

static int refuse(const char **why, int code, const char *text)
{
    *why = text;
    return code;
}

static bool copy_host(struct io_sim_url *url, struct span from)
{
    struct addr literal;
    bool bracketed = from.size > 2 && from.bytes[0] == '[' && from.bytes[from.size - 1] == ']';
    if (bracketed) {
        from = span_slice(from, 1, from.size - 2);
    }
    if (from.size == 0 || from.size >= sizeof url->host) {
        return false;
    }
    for (size_t i = 0; i < from.size; i++) {
        char c = (char)from.bytes[i];
        char lower = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
        bool in_name = (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '.' || c == '_';
        if (!in_name && !(bracketed && c == ':')) {
            return false;
        }
        url->host[i] = lower;
    }
    url->host[from.size] = 0;
    return !bracketed || addr_parse(&literal, from);
}

/* "host:port/path" */
static int parse_rest(struct io_sim_url *url, const char *text, const char **why)
{
    size_t size = strcspn(text, "/?#");
    struct span authority = span_of(text, size);
    const char *path = text + size;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '@') {
            authority = span_of(text + i + 1, size - i - 1); /* who asks is of no interest here */
        }
    }
    size_t colon = authority.size;
    while (colon > 0 && authority.bytes[colon - 1] >= '0' && authority.bytes[colon - 1] <= '9') {
        colon--;
    }
    url->port = url->is_https ? 443 : 80;
    if (colon > 0 && colon < authority.size && authority.bytes[colon - 1] == ':') {
        char digits[8] = "";
        uint64_t port = 0;
        struct span number = span_slice(authority, colon, SIZE_MAX);
        memcpy(digits, number.bytes, number.size < 7 ? number.size : 7);
        if (!text_parse_number(digits, UINT16_MAX, &port) || port == 0) {
            return refuse(why, SPATE_EURL, "the port is not one");
        }
        url->port = (uint16_t)port;
        authority.size = colon - 1;
    }
    if (!copy_host(url, authority)) {
        return refuse(why, SPATE_EURL, "the host is not a plain host name or address");
    }
    snprintf(url->path, sizeof url->path, "%s%.*s", path[0] == '/' ? "" : "/",
             (int)strcspn(path, "#"), path);
    return 0;
}

static int check_text(const char *text, const char **why)
{
    size_t size = strnlen(text, LIMIT_HTTP_URL_BYTES);
    if (size == LIMIT_HTTP_URL_BYTES) {
        return refuse(why, SPATE_EURL, "the URL is too long");
    }
    for (size_t i = 0; i < size; i++) {
        if ((uint8_t)text[i] <= 0x20 || text[i] == 0x7f) {
            return refuse(why, SPATE_EURL, "the URL contains a space or a control character");
        }
    }
    return 0;
}

int io_sim_url_parse(struct io_sim_url *url, const char *text, const char **why)
{
    int rc = check_text(text, why);
    if (rc < 0) {
        return rc;
    }
    url->is_https = strncasecmp(text, "https://", 8) == 0;
    if (!url->is_https && strncasecmp(text, "http://", 7) != 0) {
        return refuse(why, SPATE_EURL, "only http and https are supported");
    }
    return parse_rest(url, text + (url->is_https ? 8 : 7), why);
}

int io_sim_url_redirect(struct io_sim_url *url, const char *location, const char **why)
{
    struct io_sim_url to = *url;
    int rc = check_text(location, why);
    if (rc < 0) {
        return rc;
    }
    if (strstr(location, "://") && strcspn(location, "/?#") == strcspn(location, ":") + 1) {
        rc = io_sim_url_parse(&to, location, why);
    } else if (strncmp(location, "//", 2) == 0) {
        rc = parse_rest(&to, location + 2, why);
    } else {
        size_t kept = 0; /* of the path */
        if (location[0] != '/') {
            size_t folder = strcspn(to.path, "?");
            while (folder > 0 && to.path[folder - 1] != '/') {
                folder--;
            }
            kept = folder;
        }
        snprintf(to.path + kept, sizeof to.path - kept, "%.*s", (int)strcspn(location, "#"),
                 location);
    }
    if (rc == 0 && url->is_https && !to.is_https) {
        rc = refuse(why, SPATE_EBLOCKED, "redirected from https to http");
    }
    if (rc == 0) {
        *url = to;
    }
    return rc;
}

void io_sim_url_format(const struct io_sim_url *url, char *out, size_t size)
{
    bool v6 = strchr(url->host, ':') != NULL;
    snprintf(out, size, "%s://%s%s%s:%u%s", url->is_https ? "https" : "http", v6 ? "[" : "",
             url->host, v6 ? "]" : "", url->port, url->path);
}
