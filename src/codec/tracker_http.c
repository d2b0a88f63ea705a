/* Messages of HTTP trackers. Requests are query strings (BEP 3, 7, 23), answers bencoded
 * dictionaries: `peers` as a string of 6-byte entries (BEP 23) or a list of dictionaries, `peers6`
 * as one of 18-byte entries (BEP 7), `external ip` (BEP 24), `failure reason` with `retry in` (BEP
 * 31), and `files` of a scrape (BEP 48). */
#include "codec/tracker_http.h"

#include "codec/bencode.h"
#include "codec/url.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    ANSWER_TOKENS_MAX = 32 * LIMIT_TRACKER_PEERS, /* a peer as a dictionary is eight tokens */
    ESCAPED_MAX = 256, /* bytes of the longest tracker id that is repeated */
    RETRY_MINUTES_MAX = LIMIT_TRACKER_INTERVAL_MAX_S / 60,
};

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

/* ---- the client reads ------------------------------------------------------------------------ */

/* The dictionary that every answer is. Bytes after it are let pass: some servers add a line end. */
static int parse_dict(struct bencode *tree, struct span body, struct spate_error *error)
{
    size_t consumed;
    if (body.size == 0) {
        return error_set(error, SPATE_ETRACKER, 0, "the tracker's answer is empty");
    }
    if (body.bytes[0] == '<') {
        return error_set(error, SPATE_ETRACKER, 0, "a web page answers, not a tracker");
    }
    struct spate_error inner = {.size = sizeof inner};
    if (bencode_parse_prefix(tree, body, ANSWER_TOKENS_MAX, &consumed, &inner) < 0) {
        return error_set(error, SPATE_ETRACKER, inner.offset,
                         "the tracker's answer is not valid: %s", inner.text);
    }
    if (bencode_type(bencode_root(tree)) != BENCODE_DICT) {
        bencode_deinit(tree);
        return error_set(error, SPATE_ETRACKER, 0, "the tracker's answer is no dictionary");
    }
    return 0;
}

static void read_seconds(struct bencode_item dict, const char *key, int64_t *out)
{
    int64_t value;
    if (bencode_find_int(dict, key, &value) && value > 0) {
        *out = value;
    }
}

static void read_count(struct bencode_item dict, const char *key, uint32_t *out)
{
    int64_t value;
    if (bencode_find_int(dict, key, &value) && value >= 0 && value < UINT32_MAX) {
        *out = (uint32_t)value;
    }
}

/* BEP 31: minutes as a number or as text, or "never". */
static int64_t read_retry(struct bencode_item dict)
{
    int64_t minutes = 0;
    struct span text;
    if (bencode_find_text(dict, "retry in", &text)) {
        if (span_equals(text, span_text("never"))) {
            return TRACKER_RETRY_NEVER;
        }
        for (size_t i = 0; i < text.size && minutes <= RETRY_MINUTES_MAX; i++) {
            if (text.bytes[i] < '0' || text.bytes[i] > '9') {
                return 0;
            }
            minutes = minutes * 10 + (text.bytes[i] - '0');
        }
    } else {
        read_seconds(dict, "retry in", &minutes);
    }
    return (minutes < RETRY_MINUTES_MAX ? minutes : RETRY_MINUTES_MAX) * 60;
}

static uint32_t read_compact(struct bencode_item dict, const char *key, enum addr_family family,
                             struct addr *peers, uint32_t count, uint32_t max)
{
    size_t size = family == ADDR_V4 ? 6 : 18;
    struct span text;
    if (bencode_find_text(dict, key, &text)) {
        for (size_t at = 0; text.size - at >= size && count < max; at += size) {
            peers[count++] = addr_from_compact(text.bytes + at, family);
        }
    }
    return count;
}

/* The list of dictionaries of BEP 3. Only literal addresses: a name would have us ask a resolver
 * for whatever a tracker likes. */
static uint32_t read_list(struct bencode_item dict, struct addr *peers, uint32_t count,
                          uint32_t max)
{
    struct bencode_walk walk = bencode_walk_list(bencode_find_list(dict, "peers"));
    struct bencode_item item;
    while (count < max && bencode_next(&walk, &item)) {
        struct span ip;
        int64_t port;
        struct addr a;
        if (bencode_find_text(item, "ip", &ip) && bencode_find_int(item, "port", &port) &&
            port > 0 && port <= UINT16_MAX && addr_parse(&a, ip) && a.port == 0) {
            a.port = (uint16_t)port;
            peers[count++] = a;
        }
    }
    return count;
}

static void read_external(struct bencode_item dict, struct addr *out)
{
    struct span ip;
    if (bencode_find_text(dict, "external ip", &ip)) {
        if (ip.size == 4) {
            *out = addr_v4(ip.bytes, 0);
        } else if (ip.size == 16) {
            *out = addr_v6(ip.bytes, 0);
        }
    }
}

int tracker_http_parse_answer(struct tracker_answer *out, struct span body, struct addr *peers,
                              uint32_t max, struct spate_error *error)
{
    struct bencode tree;
    *out = (struct tracker_answer){.seeders = TRACKER_COUNT_UNKNOWN,
                                   .leechers = TRACKER_COUNT_UNKNOWN};
    int status = parse_dict(&tree, body, error);
    if (status < 0) {
        return status;
    }
    struct bencode_item dict = bencode_root(&tree);
    if (bencode_find_text(dict, "failure reason", &out->failure)) {
        if (out->failure.size == 0) {
            out->failure = span_text("refused without a reason");
        }
        out->retry_s = read_retry(dict);
    }
    bencode_find_text(dict, "warning message", &out->warning);
    bencode_find_text(dict, "tracker id", &out->tracker_id);
    read_seconds(dict, "interval", &out->interval_s);
    read_seconds(dict, "min interval", &out->min_interval_s);
    read_count(dict, "complete", &out->seeders);
    read_count(dict, "incomplete", &out->leechers);
    read_external(dict, &out->external);
    out->peer_count = read_compact(dict, "peers", ADDR_V4, peers, 0, max);
    out->peer_count = read_compact(dict, "peers6", ADDR_V6, peers, out->peer_count, max);
    out->peer_count = read_list(dict, peers, out->peer_count, max);
    bencode_deinit(&tree);
    return 0;
}

int tracker_http_parse_scrape(struct tracker_counts *out, struct span *failure, struct span body,
                              const uint8_t info_hash[20], struct spate_error *error)
{
    struct bencode tree;
    *out = (struct tracker_counts){.seeders = 0};
    *failure = span_of(NULL, 0);
    int status = parse_dict(&tree, body, error);
    if (status < 0) {
        return status;
    }
    struct bencode_item dict = bencode_root(&tree);
    struct bencode_walk walk = bencode_walk_dict(bencode_find_dict(dict, "files"));
    struct span key;
    struct bencode_item counts;
    bool found = false;
    bencode_find_text(dict, "failure reason", failure);
    while (!found && bencode_next_pair(&walk, &key, &counts)) {
        found = span_equals(key, span_of(info_hash, 20));
    }
    if (found) {
        read_count(counts, "complete", &out->seeders);
        read_count(counts, "incomplete", &out->leechers);
        read_count(counts, "downloaded", &out->completed);
    }
    bencode_deinit(&tree);
    return found || failure->size > 0
               ? 0
               : error_set(error, SPATE_ETRACKER, 0, "the tracker does not know this torrent");
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

/* ---- the server writes ----------------------------------------------------------------------- */

static void write_count(struct bencode_writer *b, const char *key, uint32_t value)
{
    bencode_write_key(b, key);
    bencode_write_int(b, value);
}

static void write_compact(struct bencode_writer *b, const struct tracker_http_reply *reply)
{
    uint8_t bytes[LIMIT_ANNOUNCE_PEERS * 18];
    struct writer w = writer_over(bytes, sizeof bytes);
    for (uint32_t i = 0; i < reply->peer_count; i++) {
        uint8_t *room = writer_room(&w, addr_compact_bytes(&reply->external));
        if (room) {
            addr_compact(&reply->peers[i].address, room);
        }
    }
    bencode_write_key(b, reply->external.family == ADDR_V4 ? "peers" : "peers6");
    bencode_write_text(b, span_of(bytes, w.size));
}

static void write_list(struct bencode_writer *b, const struct tracker_http_reply *reply,
                       bool no_peer_id)
{
    bencode_write_key(b, "peers");
    bencode_write_list(b);
    for (uint32_t i = 0; i < reply->peer_count; i++) {
        struct addr ip = reply->peers[i].address;
        char text[ADDR_TEXT_MAX];
        uint16_t port = ip.port;
        ip.port = 0; /* addr_format() then writes the address alone */
        bencode_write_dict(b);
        bencode_write_key(b, "ip");
        bencode_write_text(b, span_text(addr_format(&ip, text)));
        if (!no_peer_id) {
            bencode_write_key(b, "peer id");
            bencode_write_text(b, span_of(reply->peers[i].peer_id, 20));
        }
        write_count(b, "port", port);
        bencode_write_end(b);
    }
    bencode_write_end(b);
}

void tracker_http_write_reply(struct writer *w, const struct tracker_http_request *request,
                              const struct tracker_http_reply *reply)
{
    struct bencode_writer b = {w};
    bencode_write_dict(&b);
    write_count(&b, "complete", reply->counts.seeders);
    write_count(&b, "downloaded", reply->counts.completed);
    bencode_write_key(&b, "external ip");
    bencode_write_text(&b, span_of(reply->external.ip, reply->external.family == ADDR_V4 ? 4 : 16));
    write_count(&b, "incomplete", reply->counts.leechers);
    write_count(&b, "interval", reply->interval_s);
    write_count(&b, "min interval", reply->min_interval_s);
    if (request->compact) {
        write_compact(&b, reply);
    } else {
        write_list(&b, reply, request->no_peer_id);
    }
    bencode_write_end(&b);
}

void tracker_http_write_failure(struct writer *w, const char *text)
{
    struct bencode_writer b = {w};
    bencode_write_dict(&b);
    bencode_write_key(&b, "failure reason");
    bencode_write_text(&b, span_text(text));
    bencode_write_end(&b);
}

static int compare_scraped(const void *a, const void *b)
{
    const struct tracker_http_scraped *x = a, *y = b;
    return memcmp(x->info_hash, y->info_hash, 20);
}

void tracker_http_write_scrape(struct writer *w, struct tracker_http_scraped *files, uint32_t count)
{
    struct bencode_writer b = {w};
    qsort(files, count, sizeof *files, compare_scraped);
    bencode_write_dict(&b);
    bencode_write_key(&b, "files");
    bencode_write_dict(&b);
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0 && compare_scraped(&files[i - 1], &files[i]) == 0) {
            continue;
        }
        bencode_write_text(&b, span_of(files[i].info_hash, 20));
        bencode_write_dict(&b);
        write_count(&b, "complete", files[i].counts.seeders);
        write_count(&b, "downloaded", files[i].counts.completed);
        write_count(&b, "downloaders", files[i].downloaders);
        write_count(&b, "incomplete", files[i].counts.leechers);
        bencode_write_end(&b);
    }
    bencode_write_end(&b);
    bencode_write_end(&b);
}
