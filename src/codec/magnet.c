/* Magnet links (BEP 9): "magnet:?" and parameters like those of a query. The info-hash is
 * hexadecimal, in old links base32 (RFC 4648); that of v2 is a multihash of SHA-256, "1220" and 64
 * hexadecimal digits. */
#include "codec/magnet.h"

#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"
#include "codec/url.h"

#include <inttypes.h>
#include <stdio.h>

static const char scheme[] = "magnet:?";
static const char v1_topic[] = "urn:btih:", v2_topic[] = "urn:btmh:", sha256_multihash[] = "1220";

enum {
    HEX_BYTES = 40,
    BASE32_BYTES = 32,
};

struct parse {
    struct magnet *m;
    struct span text;
    uint8_t *value; /* room for the longest value, decoded */
    struct magnet_range *ranges;
    struct spate_error *error;
};

static int refuse(const struct parse *p, struct span at, const char *what)
{
    size_t offset = (size_t)(at.bytes - p->text.bytes);
    return error_set(p->error, SPATE_EMAGNET, offset, "not a valid magnet link: %s at byte %zu",
                     what, offset);
}

static int no_memory(const struct parse *p)
{
    return error_set(p->error, SPATE_ENOMEM, 0, "out of memory");
}

static bool starts_with(struct span text, const char *start)
{
    struct span head = span_slice(text, 0, strlen(start));
    if (head.size < strlen(start)) {
        return false;
    }
    for (size_t i = 0; i < head.size; i++) {
        uint8_t c = head.bytes[i];
        if ((c >= 'A' && c <= 'Z' ? c | 0x20 : c) != (uint8_t)start[i]) {
            return false;
        }
    }
    return true;
}

static bool parse_base32(struct span text, uint8_t out[20])
{
    uint32_t bits = 0, count = 0, used = 0;
    if (text.size != BASE32_BYTES) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.bytes[i];
        uint32_t digit;
        if (c >= '2' && c <= '7') {
            digit = c - '2' + 26u;
        } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') {
            digit = (c | 0x20u) - 'a';
        } else {
            return false;
        }
        bits = (bits << 5 | digit) & 0xfff;
        count += 5;
        if (count >= 8) {
            count -= 8;
            out[used++] = (uint8_t)(bits >> count);
        }
    }
    return true;
}

static int parse_v1(struct parse *p, struct span raw, struct span digits)
{
    uint8_t hash[20];
    struct magnet *m = p->m;
    bool good = digits.size == HEX_BYTES ? text_parse_hex(digits, hash, sizeof hash)
                                         : parse_base32(digits, hash);
    if (!good) {
        return refuse(p, raw, "an info-hash that is neither 40 hexadecimal nor 32 base32 digits");
    }
    if (m->has_v1 && memcmp(hash, m->info_hash, sizeof hash) != 0) {
        return refuse(p, raw, "a second info-hash");
    }
    memcpy(m->info_hash, hash, sizeof hash);
    m->has_v1 = true;
    return 0;
}

static int parse_v2(struct parse *p, struct span raw, struct span digits)
{
    uint8_t hash[32];
    struct magnet *m = p->m;
    size_t prefix = strlen(sha256_multihash);
    if (!starts_with(digits, sha256_multihash) ||
        !text_parse_hex(span_slice(digits, prefix, SIZE_MAX), hash, sizeof hash)) {
        return refuse(p, raw, "a v2 info-hash that is not 1220 and 64 hexadecimal digits");
    }
    if (m->has_v2 && memcmp(hash, m->info_hash_v2, sizeof hash) != 0) {
        return refuse(p, raw, "a second v2 info-hash");
    }
    memcpy(m->info_hash_v2, hash, sizeof hash);
    m->has_v2 = true;
    return 0;
}

/* What the link is about; topics of other networks are skipped. */
static int parse_topic(struct parse *p, struct span raw, struct span value)
{
    if (starts_with(value, v1_topic)) {
        return parse_v1(p, raw, span_slice(value, strlen(v1_topic), SIZE_MAX));
    }
    if (starts_with(value, v2_topic)) {
        return parse_v2(p, raw, span_slice(value, strlen(v2_topic), SIZE_MAX));
    }
    return 0;
}

static int parse_name(struct parse *p, struct span value)
{
    if (p->m->name || value.size == 0) {
        return 0;
    }
    char *name = arena_allocate(&p->m->arena, value.size + 1);
    if (!name) {
        return no_memory(p);
    }
    text_copy(name, value.size + 1, value);
    p->m->name = name;
    return 0;
}

/* Adds a text without control characters and spaces to an array of max, if there is room. */
static int add_text(struct parse *p, struct span value, const char **array, uint32_t *count,
                    uint32_t max)
{
    if (*count == max || value.size == 0 || value.size > LIMIT_URL_BYTES || !text_is_utf8(value)) {
        return 0;
    }
    for (size_t i = 0; i < value.size; i++) {
        if (value.bytes[i] <= ' ' || value.bytes[i] == 0x7f) {
            return 0;
        }
    }
    const char *copy = arena_text(&p->m->arena, value);
    if (!copy) {
        return no_memory(p);
    }
    array[(*count)++] = copy;
    return 0;
}

static int add_peer(struct parse *p, struct span value)
{
    struct span host;
    uint16_t port;
    return url_parse_host_port(value, &host, &port)
               ? add_text(p, value, p->m->peers, &p->m->peer_count, LIMIT_MAGNET_PEERS)
               : 0;
}

/* A file's number at the front of *text, which then begins behind it. */
static bool take_number(struct span *text, uint32_t *number)
{
    size_t digits = 0;
    uint64_t value = 0;
    for (; digits < text->size && text->bytes[digits] >= '0' && text->bytes[digits] <= '9';
         digits++) {
        value = value * 10 + (uint64_t)(text->bytes[digits] - '0');
        if (value >= LIMIT_FILES) {
            return false;
        }
    }
    *text = span_slice(*text, digits, SIZE_MAX);
    *number = (uint32_t)value;
    return digits > 0;
}

/* "0,2,4,6-8" (BEP 53). */
static int parse_ranges(struct parse *p, struct span raw, struct span value)
{
    struct magnet *m = p->m;
    while (value.size > 0) {
        struct magnet_range range;
        bool good = take_number(&value, &range.first);
        range.last = range.first;
        if (good && value.size > 0 && value.bytes[0] == '-') {
            value = span_slice(value, 1, SIZE_MAX);
            good = take_number(&value, &range.last) && range.last >= range.first;
        }
        if (good && value.size > 0) {
            good = value.bytes[0] == ',' && value.size > 1;
            value = span_slice(value, 1, SIZE_MAX);
        }
        if (!good) {
            return refuse(p, raw, "a selection of files that is none");
        }
        p->ranges[m->range_count++] = range;
    }
    return 0;
}

/* True when key is name, or name and a number as in "tr.1". */
static bool is_key(struct span key, const char *name)
{
    size_t length = strlen(name);
    if (!starts_with(key, name)) {
        return false;
    }
    for (size_t i = length; i < key.size; i++) {
        bool right = i == length ? key.bytes[i] == '.' : key.bytes[i] >= '0' && key.bytes[i] <= '9';
        if (!right) {
            return false;
        }
    }
    return key.size != length + 1;
}

static int parse_parameter(struct parse *p, struct span key, struct span raw)
{
    struct magnet *m = p->m;
    int size = url_decode(raw, p->value, raw.size);
    if (size < 0) {
        return refuse(p, raw, "a '%' without two hexadecimal digits");
    }
    struct span value = span_of(p->value, (size_t)size);
    if (is_key(key, "xt")) {
        return parse_topic(p, raw, value);
    }
    if (is_key(key, "tr")) {
        return add_text(p, value, m->trackers, &m->tracker_count, LIMIT_TRACKERS);
    }
    if (is_key(key, "ws")) {
        return add_text(p, value, m->web_seeds, &m->web_seed_count, LIMIT_WEB_SEEDS);
    }
    if (is_key(key, "x.pe")) {
        return add_peer(p, value);
    }
    if (is_key(key, "so")) {
        return parse_ranges(p, raw, value);
    }
    return 0;
}

/* Web forms write the spaces of a name as '+'; elsewhere it is a plus. Decoding comes after, so
 * that "%2B" stays one. */
static int parse_display_name(struct parse *p, struct span raw)
{
    for (size_t i = 0; i < raw.size; i++) {
        p->value[i] = raw.bytes[i] == '+' ? ' ' : raw.bytes[i];
    }
    int size = url_decode(span_of(p->value, raw.size), p->value, raw.size);
    if (size < 0) {
        return refuse(p, raw, "a '%' without two hexadecimal digits");
    }
    return parse_name(p, span_of(p->value, (size_t)size));
}

static int parse_parameters(struct parse *p)
{
    struct span rest = span_slice(p->text, strlen(scheme), SIZE_MAX);
    while (rest.size > 0) {
        const uint8_t *end = memchr(rest.bytes, '&', rest.size);
        struct span parameter = end ? span_of(rest.bytes, (size_t)(end - rest.bytes)) : rest;
        rest = span_slice(rest, parameter.size + 1, SIZE_MAX);
        const uint8_t *equals = memchr(parameter.bytes, '=', parameter.size);
        if (!equals) {
            continue;
        }
        struct span key = span_of(parameter.bytes, (size_t)(equals - parameter.bytes));
        struct span raw = span_slice(parameter, key.size + 1, SIZE_MAX);
        int failed = is_key(key, "dn") ? parse_display_name(p, raw) : parse_parameter(p, key, raw);
        if (failed) {
            return failed;
        }
    }
    if (!p->m->has_v1 && !p->m->has_v2) {
        return refuse(p, p->text, "no info-hash of BitTorrent");
    }
    return 0;
}

int magnet_parse(struct magnet *m, struct span text, struct spate_error *error)
{
    *m = (struct magnet){0};
    struct parse p = {.m = m, .text = text, .error = error};
    if (text.size > LIMIT_MAGNET_BYTES) {
        return error_set(error, SPATE_ELIMIT, LIMIT_MAGNET_BYTES,
                         "a magnet link of %zu bytes is longer than %u", text.size,
                         LIMIT_MAGNET_BYTES);
    }
    if (!starts_with(text, scheme)) {
        return refuse(&p, text, "no \"magnet:?\"");
    }
    arena_init(&m->arena, 0);
    m->trackers = arena_array(&m->arena, LIMIT_TRACKERS, sizeof *m->trackers);
    m->web_seeds = arena_array(&m->arena, LIMIT_WEB_SEEDS, sizeof *m->web_seeds);
    m->peers = arena_array(&m->arena, LIMIT_MAGNET_PEERS, sizeof *m->peers);
    /* Each takes a digit and a comma, or the "so=" before it. */
    m->ranges = p.ranges = arena_array(&m->arena, text.size / 2 + 1, sizeof *p.ranges);
    p.value = arena_allocate(&m->arena, text.size + 1);
    int failed = m->trackers && m->web_seeds && m->peers && p.ranges && p.value
                     ? parse_parameters(&p)
                     : no_memory(&p);
    if (failed) {
        magnet_deinit(m);
    }
    return failed;
}

void magnet_deinit(struct magnet *m)
{
    arena_deinit(&m->arena);
    *m = (struct magnet){0};
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Text that may not fit: what does not is only counted. */
struct sink {
    char *out;
    size_t size, length;
};

static void put_byte(struct sink *s, char c)
{
    if (s->length + 1 < s->size) {
        s->out[s->length] = c;
    }
    s->length++;
}

static void put(struct sink *s, const char *text)
{
    for (; *text; text++) {
        put_byte(s, *text);
    }
}

static void put_encoded(struct sink *s, const char *key, const char *value)
{
    char byte[4];
    put(s, key);
    for (; *value; value++) {
        url_encode(span_of(value, 1), "", byte, sizeof byte);
        put(s, byte);
    }
}

static void put_ranges(struct sink *s, const struct magnet *m)
{
    for (uint32_t i = 0; i < m->range_count; i++) {
        char text[32];
        const struct magnet_range *r = &m->ranges[i];
        put(s, i == 0 ? "&so=" : ",");
        if (r->first == r->last) {
            snprintf(text, sizeof text, "%" PRIu32, r->first);
        } else {
            snprintf(text, sizeof text, "%" PRIu32 "-%" PRIu32, r->first, r->last);
        }
        put(s, text);
    }
}

size_t magnet_write(const struct magnet *m, char *out, size_t size)
{
    char hex[65];
    struct sink s = {.out = out, .size = size};
    put(&s, scheme);
    if (m->has_v1) {
        text_hex(m->info_hash, sizeof m->info_hash, hex);
        put(&s, "xt=urn:btih:");
        put(&s, hex);
    }
    if (m->has_v2) {
        text_hex(m->info_hash_v2, sizeof m->info_hash_v2, hex);
        put(&s, m->has_v1 ? "&xt=urn:btmh:1220" : "xt=urn:btmh:1220");
        put(&s, hex);
    }
    if (m->name) {
        put_encoded(&s, "&dn=", m->name);
    }
    for (uint32_t i = 0; i < m->tracker_count; i++) {
        put_encoded(&s, "&tr=", m->trackers[i]);
    }
    for (uint32_t i = 0; i < m->web_seed_count; i++) {
        put_encoded(&s, "&ws=", m->web_seeds[i]);
    }
    for (uint32_t i = 0; i < m->peer_count; i++) {
        put(&s, "&x.pe=");
        put(&s,
            m->peers[i]); /* host, port, brackets and dots: readable as it is, as BEP 9 shows it */
    }
    put_ranges(&s, m);
    if (size > 0) {
        out[s.length < size ? s.length : size - 1] = 0;
    }
    return s.length;
}
