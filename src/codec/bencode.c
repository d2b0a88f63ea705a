/* Bencoding (BEP 3). The reader makes one pass with an explicit stack of open containers, so that
 * input decides neither the depth of our calls nor, ahead of its own bytes, the size of our memory:
 * a token costs at least two bytes of input. The idea of tokens over the caller's buffer is
 * libtorrent's. */
#include "codec/bencode.h"

#include "base/error.h"
#include "base/limits.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* The first capacity of the token array; it doubles when full. */
enum { FIRST_TOKENS = 16 };

struct open_container {
    uint32_t token;
    bool is_dict;
    bool wants_value; /* a key was read */
};

struct parse {
    struct bencode *tree;
    struct span bytes;
    size_t at;
    uint32_t capacity, max_tokens;
    uint32_t depth;
    struct open_container open[LIMIT_BENCODE_DEPTH];
    struct spate_error *error;
};

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static int broken(const struct parse *p, size_t offset, const char *what)
{
    return error_set(p->error, SPATE_EBENCODE, offset, "%s at byte %zu", what, offset);
}

static int ended(const struct parse *p, const char *where)
{
    return error_set(p->error, SPATE_EBENCODE, p->bytes.size, "ends %s at byte %zu", where,
                     p->bytes.size);
}

static int add_token(struct parse *p, size_t offset)
{
    struct bencode *tree = p->tree;
    if (tree->count == p->capacity) {
        if (p->capacity >= p->max_tokens) {
            return error_set(p->error, SPATE_ELIMIT, offset,
                             "more than %" PRIu32 " items at byte %zu", p->max_tokens, offset);
        }
        uint32_t larger = p->capacity ? p->capacity * 2 : FIRST_TOKENS;
        if (larger > p->max_tokens || larger < p->capacity) {
            larger = p->max_tokens;
        }
        struct bencode_token *tokens = realloc(tree->tokens, larger * sizeof *tokens);
        if (!tokens) {
            return error_set(p->error, SPATE_ENOMEM, offset, "out of memory");
        }
        tree->tokens = tokens;
        p->capacity = larger;
    }
    tree->tokens[tree->count++] = (struct bencode_token){.offset = (uint32_t)offset};
    return 0;
}

/* Completes the token: it ends before p->at. */
static void close_token(struct parse *p, uint32_t token)
{
    struct bencode_token *t = &p->tree->tokens[token];
    t->size = (uint32_t)p->at - t->offset;
    t->next = p->tree->count;
}

/* "i", digits with an optional sign, "e". p->at is at the "i". */
static int parse_int(struct parse *p)
{
    size_t start = p->at++;
    const uint8_t *b = p->bytes.bytes;
    bool negative = p->at < p->bytes.size && b[p->at] == '-';
    p->at += negative;
    size_t digits = p->at;
    int64_t value = 0;
    for (; p->at < p->bytes.size && is_digit(b[p->at]); p->at++) {
        /* Downwards, since the smallest number has no positive twin. */
        if (__builtin_mul_overflow(value, (int64_t)10, &value) ||
            __builtin_sub_overflow(value, (int64_t)(b[p->at] - '0'), &value)) {
            return broken(p, start, "integer does not fit in 64 bits");
        }
    }
    if (p->at == p->bytes.size) {
        return ended(p, "inside an integer");
    }
    if (p->at == digits || b[p->at] != 'e') {
        return broken(p, p->at, "integer with a character that is no digit");
    }
    if (b[digits] == '0' && (negative || p->at - digits > 1)) {
        return broken(p, digits, "integer with a leading zero or minus zero");
    }
    if (!negative && value == INT64_MIN) {
        return broken(p, start, "integer does not fit in 64 bits");
    }
    p->at++;
    return 0;
}

/* Length, ":", bytes. p->at is at the first digit. */
static int parse_text(struct parse *p)
{
    size_t start = p->at;
    const uint8_t *b = p->bytes.bytes;
    uint64_t length = 0;
    for (; p->at < p->bytes.size && is_digit(b[p->at]); p->at++) {
        length = length * 10 + (uint64_t)(b[p->at] - '0');
        if (length > p->bytes.size) {
            return broken(p, start, "text is longer than what follows");
        }
    }
    if (p->at == p->bytes.size) {
        return ended(p, "inside the length of a text");
    }
    if (b[p->at] != ':') {
        return broken(p, p->at, "length of a text with a character that is no digit");
    }
    if (b[start] == '0' && p->at - start > 1) {
        return broken(p, start, "length of a text with a leading zero");
    }
    p->at++;
    if (length > p->bytes.size - p->at) {
        return broken(p, start, "text is longer than what follows");
    }
    p->at += (size_t)length;
    return 0;
}

static int open_container(struct parse *p, uint32_t token, bool is_dict)
{
    if (p->depth == LIMIT_BENCODE_DEPTH) {
        return error_set(p->error, SPATE_ELIMIT, p->at, "nested more than %u deep at byte %zu",
                         LIMIT_BENCODE_DEPTH, p->at);
    }
    p->open[p->depth++] = (struct open_container){.token = token, .is_dict = is_dict};
    p->at++;
    return 0;
}

/* One token at p->at, which is inside the input: an integer, a text, or the beginning of a
 * container. */
static int parse_token(struct parse *p)
{
    uint8_t c = p->bytes.bytes[p->at];
    struct open_container *in = p->depth ? &p->open[p->depth - 1] : NULL;
    if (in && in->is_dict && !in->wants_value && !is_digit(c)) {
        return broken(p, p->at, "dictionary key that is no text");
    }
    uint32_t token = p->tree->count;
    int failed = add_token(p, p->at);
    if (failed) {
        return failed;
    }
    if (in && in->is_dict) {
        in->wants_value = !in->wants_value;
    }
    if (c == 'd' || c == 'l') {
        return open_container(p, token, c == 'd');
    }
    if (c != 'i' && !is_digit(c)) {
        return broken(p, p->at, "neither a number, a text, a list nor a dictionary");
    }
    failed = c == 'i' ? parse_int(p) : parse_text(p);
    if (!failed) {
        close_token(p, token);
    }
    return failed;
}

static int parse_item(struct parse *p)
{
    do {
        if (p->at == p->bytes.size) {
            return ended(p, p->depth ? "inside a list or dictionary" : "before anything was said");
        }
        struct open_container *in = p->depth ? &p->open[p->depth - 1] : NULL;
        if (in && p->bytes.bytes[p->at] == 'e') {
            if (in->wants_value) {
                return broken(p, p->at, "dictionary key without a value");
            }
            p->at++;
            close_token(p, in->token);
            p->depth--;
        } else {
            int failed = parse_token(p);
            if (failed) {
                return failed;
            }
        }
    } while (p->depth > 0);
    return 0;
}

int bencode_parse_prefix(struct bencode *tree, struct span bytes, uint32_t max_tokens,
                         size_t *consumed, struct spate_error *error)
{
    *tree = (struct bencode){.bytes = bytes};
    if (bytes.size > INT32_MAX) {
        return error_set(error, SPATE_ELIMIT, 0, "too long: %zu bytes", bytes.size);
    }
    struct parse p = {.tree = tree, .bytes = bytes, .max_tokens = max_tokens, .error = error};
    int failed = parse_item(&p);
    if (failed) {
        bencode_deinit(tree);
        return failed;
    }
    *consumed = p.at;
    return 0;
}

int bencode_parse(struct bencode *tree, struct span bytes, uint32_t max_tokens,
                  struct spate_error *error)
{
    size_t consumed;
    int failed = bencode_parse_prefix(tree, bytes, max_tokens, &consumed, error);
    if (!failed && consumed < bytes.size) {
        bencode_deinit(tree);
        return error_set(error, SPATE_EBENCODE, consumed,
                         "something follows the end of the data at byte %zu", consumed);
    }
    return failed;
}

void bencode_deinit(struct bencode *tree)
{
    free(tree->tokens);
    *tree = (struct bencode){0};
}

/* ---- reading --------------------------------------------------------------------------------- */

static const struct bencode_item absent = {NULL, UINT32_MAX};

static const struct bencode_token *token_of(struct bencode_item item)
{
    return &item.tree->tokens[item.token];
}

struct bencode_item bencode_root(const struct bencode *tree)
{
    return tree->count > 0 ? (struct bencode_item){tree, 0} : absent;
}

enum bencode_type bencode_type(struct bencode_item item)
{
    if (item.token == UINT32_MAX) {
        return BENCODE_ABSENT;
    }
    switch (item.tree->bytes.bytes[token_of(item)->offset]) {
    case 'i':
        return BENCODE_INT;
    case 'l':
        return BENCODE_LIST;
    case 'd':
        return BENCODE_DICT;
    default:
        return BENCODE_TEXT;
    }
}

struct span bencode_raw(struct bencode_item item)
{
    if (item.token == UINT32_MAX) {
        return (struct span){NULL, 0};
    }
    const struct bencode_token *t = token_of(item);
    return span_slice(item.tree->bytes, t->offset, t->size);
}

uint64_t bencode_offset(struct bencode_item item)
{
    return item.token == UINT32_MAX ? 0 : token_of(item)->offset;
}

bool bencode_int(struct bencode_item item, int64_t *out)
{
    if (bencode_type(item) != BENCODE_INT) {
        return false;
    }
    struct span raw = bencode_raw(item);
    bool negative = raw.bytes[1] == '-';
    uint64_t value = 0; /* checked to fit when it was parsed */
    for (size_t i = negative ? 2 : 1; i + 1 < raw.size; i++) {
        value = value * 10 + (uint64_t)(raw.bytes[i] - '0');
    }
    *out = (int64_t)(negative ? 0 - value : value);
    return true;
}

bool bencode_text(struct bencode_item item, struct span *out)
{
    if (bencode_type(item) != BENCODE_TEXT) {
        return false;
    }
    struct span raw = bencode_raw(item);
    size_t colon = 1;
    while (raw.bytes[colon] != ':') {
        colon++;
    }
    *out = span_of(raw.bytes + colon + 1, raw.size - colon - 1);
    return true;
}

static struct bencode_walk walk(struct bencode_item item, enum bencode_type type)
{
    if (bencode_type(item) != type) {
        return (struct bencode_walk){0};
    }
    return (struct bencode_walk){item.tree, item.token + 1, token_of(item)->next};
}

struct bencode_walk bencode_walk_list(struct bencode_item item)
{
    return walk(item, BENCODE_LIST);
}

struct bencode_walk bencode_walk_dict(struct bencode_item item)
{
    return walk(item, BENCODE_DICT);
}

bool bencode_next(struct bencode_walk *w, struct bencode_item *value)
{
    if (w->token >= w->end) {
        return false;
    }
    *value = (struct bencode_item){w->tree, w->token};
    w->token = token_of(*value)->next;
    return true;
}

bool bencode_next_pair(struct bencode_walk *w, struct span *key, struct bencode_item *value)
{
    struct bencode_item text;
    return bencode_next(w, &text) && bencode_text(text, key) && bencode_next(w, value);
}

uint32_t bencode_length(struct bencode_item item)
{
    enum bencode_type type = bencode_type(item);
    struct bencode_walk w = walk(item, type == BENCODE_DICT ? BENCODE_DICT : BENCODE_LIST);
    uint32_t count = 0;
    for (struct bencode_item member; bencode_next(&w, &member);) {
        count++;
    }
    return type == BENCODE_DICT ? count / 2 : count;
}

struct bencode_item bencode_dict_find(struct bencode_item dict, const char *key)
{
    struct bencode_walk w = bencode_walk_dict(dict);
    struct span wanted = span_text(key), name;
    for (struct bencode_item value; bencode_next_pair(&w, &name, &value);) {
        if (span_equals(name, wanted)) {
            return value;
        }
    }
    return absent;
}

bool bencode_find_int(struct bencode_item dict, const char *key, int64_t *out)
{
    return bencode_int(bencode_dict_find(dict, key), out);
}

bool bencode_find_text(struct bencode_item dict, const char *key, struct span *out)
{
    return bencode_text(bencode_dict_find(dict, key), out);
}

static struct bencode_item find_container(struct bencode_item dict, const char *key,
                                          enum bencode_type type)
{
    struct bencode_item value = bencode_dict_find(dict, key);
    return bencode_type(value) == type ? value : absent;
}

struct bencode_item bencode_find_list(struct bencode_item dict, const char *key)
{
    return find_container(dict, key, BENCODE_LIST);
}

struct bencode_item bencode_find_dict(struct bencode_item dict, const char *key)
{
    return find_container(dict, key, BENCODE_DICT);
}

/* ---- writing --------------------------------------------------------------------------------- */

void bencode_write_dict(struct bencode_writer *w)
{
    writer_u8(w->out, 'd');
}

void bencode_write_list(struct bencode_writer *w)
{
    writer_u8(w->out, 'l');
}

void bencode_write_end(struct bencode_writer *w)
{
    writer_u8(w->out, 'e');
}

void bencode_write_int(struct bencode_writer *w, int64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "i%" PRId64 "e", value);
    writer_text(w->out, text);
}

void bencode_write_text(struct bencode_writer *w, struct span text)
{
    char length[32];
    snprintf(length, sizeof length, "%zu:", text.size);
    writer_text(w->out, length);
    writer_span(w->out, text);
}

void bencode_write_key(struct bencode_writer *w, const char *key)
{
    bencode_write_text(w, span_text(key));
}

void bencode_write_raw(struct bencode_writer *w, struct span bencoded)
{
    writer_span(w->out, bencoded);
}
