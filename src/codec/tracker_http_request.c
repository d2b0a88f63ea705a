/* Requests to HTTP trackers: query strings (BEP 3, 7, 21, 23, 48), built behind the tracker's own URL by
 * the client and taken apart by the server. */
#include "codec/tracker_http.h"

#include "codec/url.h"

#include <inttypes.h>
#include <stdio.h>

enum { ESCAPED_MAX = 256 }; /* bytes of the longest tracker id that is repeated */

/* ---- query strings --------------------------------------------------------------------------- */

struct parameter {
    struct span name, value; /* still escaped */
};

static struct span split(struct span *rest, uint8_t separator)
{
    struct span head = *rest;
    const uint8_t *at = rest->size ? memchr(rest->bytes, separator, rest->size) : NULL;
    if (at) {
        head.size = (size_t)(at - rest->bytes);
        *rest = span_slice(*rest, head.size + 1, rest->size);
    } else {
        *rest = span_of(NULL, 0);
    }
    return head;
}

/* The next parameter of a query; false at its end. */
static bool next_parameter(struct span *query, struct parameter *out)
{
    while (query->size > 0) {
        out->value = split(query, '&');
        if (out->value.size > 0) {
            out->name = split(&out->value, '=');
            return true;
        }
    }
    return false;
}

/* Bytes that may be anything, such as an info-hash; at most ESCAPED_MAX of them. */
static void write_escaped(struct writer *w, struct span bytes)
{
    char text[3 * ESCAPED_MAX + 1];
    if (url_encode(bytes, "", text, sizeof text)) {
        writer_text(w, text);
    } else {
        w->failed = true;
    }
}

static void write_number(struct writer *w, const char *name, uint64_t value)
{
    char text[64];
    snprintf(text, sizeof text, "&%s=%" PRIu64, name, value);
    writer_text(w, text);
}

/* ---- the client's requests ------------------------------------------------------------------- */

/* The URL without its fragment, checked: no byte that would end a request line. */
static int check_url(struct span *url)
{
    struct span rest = *url;
    *url = split(&rest, '#');
    for (size_t i = 0; i < url->size; i++) {
        if (url->bytes[i] <= ' ' || url->bytes[i] >= 0x7f) {
            return SPATE_EURL;
        }
    }
    return 0;
}

/* A torrent whose tracker URL sets our parameters would have us say things in our own name. */
static bool sets_our_parameters(struct span query)
{
    static const char *const ours[] = {"info_hash",  "peer_id", "port", "uploaded",
                                       "downloaded", "left",    "event"};
    struct parameter p;
    while (next_parameter(&query, &p)) {
        uint8_t name[16];
        int size = url_decode(p.name, name, sizeof name);
        for (size_t i = 0; size > 0 && i < sizeof ours / sizeof *ours; i++) {
            if (span_equals(span_of(name, (size_t)size), span_text(ours[i]))) {
                return true;
            }
        }
    }
    return false;
}

/* Copies the URL and what separates its own query from ours. */
static int begin_query(struct writer *w, struct span url)
{
    struct span query = url;
    int status = check_url(&url);
    if (status < 0) {
        return status;
    }
    query = url;
    bool has_query = split(&query, '?').size < url.size;
    if (sets_our_parameters(query)) {
        return SPATE_EURL;
    }
    writer_span(w, url);
    if (!has_query) {
        writer_u8(w, '?');
    } else if (query.size > 0 && query.bytes[query.size - 1] != '&') {
        writer_u8(w, '&');
    }
    return 0;
}

static int end_query(struct writer *w)
{
    writer_u8(w, 0);
    return w->failed ? SPATE_ELIMIT : (int)w->size - 1;
}

int tracker_http_announce_url(struct span announce_url, const struct tracker_announce *a,
                              struct span tracker_id, char *out, size_t size)
{
    static const char *const events[] = {"", "completed", "started", "stopped", "paused"};
    struct writer w = writer_over(out, size);
    int status = begin_query(&w, announce_url);
    if (status < 0) {
        return status;
    }
    writer_text(&w, "info_hash=");
    write_escaped(&w, span_of(a->info_hash, 20));
    writer_text(&w, "&peer_id=");
    write_escaped(&w, span_of(a->peer_id, 20));
    write_number(&w, "port", a->port);
    write_number(&w, "uploaded", a->uploaded);
    write_number(&w, "downloaded", a->downloaded);
    write_number(&w, "left", a->left);
    char key[16];
    snprintf(key, sizeof key, "&key=%08" PRIX32, a->key);
    writer_text(&w, key);
    if (a->event != TRACKER_EVENT_NONE) {
        writer_text(&w, "&event=");
        writer_text(&w, events[a->event]);
    }
    if (a->want >= 0) {
        write_number(&w, "numwant", (uint64_t)a->want);
    }
    writer_text(&w, "&compact=1&no_peer_id=1");
    if (tracker_id.size > 0) {
        writer_text(&w, "&trackerid=");
        write_escaped(&w, tracker_id);
    }
    return end_query(&w);
}

int tracker_http_scrape_url(struct span announce_url, const uint8_t info_hash[20], char *out,
                            size_t size)
{
    struct url parts;
    if (url_parse(&parts, announce_url, NULL) < 0) {
        return SPATE_EURL;
    }
    size_t last = parts.path.size;
    while (last > 0 && parts.path.bytes[last - 1] != '/') {
        last--;
    }
    size_t word = strlen("announce");
    if (!span_equals(span_slice(parts.path, last, word), span_text("announce"))) {
        return SPATE_EUNSUPPORTED;
    }
    last += (size_t)(parts.path.bytes - announce_url.bytes);
    uint8_t url[LIMIT_URL_BYTES];
    struct writer scrape = writer_over(url, sizeof url);
    writer_span(&scrape, span_slice(announce_url, 0, last));
    writer_text(&scrape, "scrape");
    writer_span(&scrape, span_slice(announce_url, last + word, announce_url.size));
    if (scrape.failed) {
        return SPATE_ELIMIT;
    }
    struct writer w = writer_over(out, size);
    int status = begin_query(&w, span_of(url, scrape.size));
    if (status < 0) {
        return status;
    }
    writer_text(&w, "info_hash=");
    write_escaped(&w, span_of(info_hash, 20));
    return end_query(&w);
}

/* ---- the server reads ------------------------------------------------------------------------ */

static bool parameter_is(const struct parameter *p, const char *name)
{
    return span_equals(p->name, span_text(name));
}

static bool parse_bytes20(const struct parameter *p, uint8_t out[20])
{
    uint8_t bytes[20];
    if (url_decode(p->value, bytes, sizeof bytes) != 20) {
        return false;
    }
    memcpy(out, bytes, 20);
    return true;
}

/* A decimal number; more digits than fit are refused. */
static bool parse_decimal(const struct parameter *p, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < p->value.size; i++) {
        uint8_t c = p->value.bytes[i];
        if (c < '0' || c > '9' || value > (max - (uint64_t)(c - '0')) / 10) {
            return false;
        }
        value = value * 10 + (uint64_t)(c - '0');
    }
    *out = value;
    return p->value.size > 0;
}

static enum tracker_event parse_event(struct span value)
{
    static const struct {
        const char *name;
        enum tracker_event event;
    } events[] = {{"started", TRACKER_EVENT_STARTED},
                  {"stopped", TRACKER_EVENT_STOPPED},
                  {"completed", TRACKER_EVENT_COMPLETED},
                  {"paused", TRACKER_EVENT_PAUSED}};
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        if (span_equals(value, span_text(events[i].name))) {
            return events[i].event;
        }
    }
    return TRACKER_EVENT_NONE;
}

static int refuse_parameter(struct spate_error *error, const char *name)
{
    return error_set(error, SPATE_EINVAL, 0, "%s is missing or not valid", name);
}

int tracker_http_parse_announce(struct tracker_http_request *out, struct span query,
                                struct spate_error *error)
{
    struct tracker_announce *a = &out->announce;
    struct parameter p;
    bool has_hash = false, has_id = false, has_port = false;
    uint64_t number = 0;
    *out = (struct tracker_http_request){
        .announce = {.want = TRACKER_WANT_DEFAULT, .left = UINT64_MAX}, .compact = true};
    while (next_parameter(&query, &p)) {
        if (parameter_is(&p, "info_hash")) {
            has_hash = parse_bytes20(&p, a->info_hash);
        } else if (parameter_is(&p, "peer_id")) {
            has_id = parse_bytes20(&p, a->peer_id);
        } else if (parameter_is(&p, "port")) {
            has_port = parse_decimal(&p, UINT16_MAX, &number);
            a->port = (uint16_t)number;
        } else if (parameter_is(&p, "uploaded")) {
            parse_decimal(&p, UINT64_MAX, &a->uploaded);
        } else if (parameter_is(&p, "downloaded")) {
            parse_decimal(&p, UINT64_MAX, &a->downloaded);
        } else if (parameter_is(&p, "left")) {
            parse_decimal(&p, UINT64_MAX, &a->left);
        } else if (parameter_is(&p, "numwant")) {
            if (parse_decimal(&p, INT32_MAX, &number)) {
                a->want = (int32_t)number;
            }
        } else if (parameter_is(&p, "event")) {
            a->event = parse_event(p.value);
        } else if (parameter_is(&p, "compact")) {
            out->compact = !span_equals(p.value, span_text("0"));
        } else if (parameter_is(&p, "no_peer_id")) {
            out->no_peer_id = span_equals(p.value, span_text("1"));
        }
    }
    return !has_hash   ? refuse_parameter(error, "info_hash")
           : !has_id   ? refuse_parameter(error, "peer_id")
           : !has_port ? refuse_parameter(error, "port")
                       : 0;
}

int tracker_http_parse_scrape_query(struct span query, uint8_t *out, uint32_t max,
                                    struct spate_error *error)
{
    struct parameter p;
    uint32_t count = 0;
    while (next_parameter(&query, &p) && count < max) {
        if (parameter_is(&p, "info_hash")) {
            if (!parse_bytes20(&p, out + (size_t)count * 20)) {
                return refuse_parameter(error, "info_hash");
            }
            count++;
        }
    }
    return (int)count;
}
