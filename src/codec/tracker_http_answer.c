/* Answers of HTTP trackers: bencoded dictionaries. `peers` as a string of 6-byte entries (BEP 23) or a list
 * of dictionaries (BEP 3), `peers6` as a string of 18-byte entries (BEP 7), `external ip` (BEP 24),
 * `failure reason` with `retry in` (BEP 31), and `files` of a scrape (BEP 48, 21). */
#include "codec/tracker_http.h"

#include "codec/bencode.h"

#include <stdlib.h>

enum {
    ANSWER_TOKENS_MAX = 32 * LIMIT_TRACKER_PEERS, /* a peer as a dictionary is eight tokens */
    RETRY_MINUTES_MAX = LIMIT_TRACKER_INTERVAL_MAX_S / 60,
};

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
