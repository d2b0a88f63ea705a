/* Redaction works on any text: a URL is what stands around "://" up to a blank or a quote. The host stays
 * readable; what is removed is user information before '@', values of the query, and words of the path
 * of at least sixteen letters and digits with a digit among them, as trackers write passkeys. */
#include "apps/cli/redact.h"

#include <stdbool.h>
#include <string.h>

enum { REDACT_KEY_LENGTH = 16 };

static const char redact_stars[] = "***";
static const char url_ends[] = " \t\r\n\"'<>`";

struct target {
    char *out;
    size_t used, size;
};

static void put(struct target *t, const char *text, size_t length)
{
    size_t left = t->size - 1 - t->used;
    length = length < left ? length : left;
    memcpy(t->out + t->used, text, length);
    t->used += length;
}

static bool looks_like_key(const char *word, size_t length)
{
    bool digit = false;
    for (size_t i = 0; i < length; i++) {
        char c = word[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        digit |= c >= '0' && c <= '9';
        if (!letter && !(c >= '0' && c <= '9') && c != '-' && c != '_' && c != '%') {
            return false;
        }
    }
    return digit && length >= REDACT_KEY_LENGTH;
}

/* What follows the host: /words?name=value&name=value#fragment */
static void put_rest(struct target *t, const char *text, size_t length)
{
    bool query = false;
    for (size_t at = 0; at < length;) {
        char c = text[at];
        size_t word = 0;
        query |= c == '?' || c == '#';
        if (strchr("/?&=#;", c)) {
            put(t, text + at, 1);
            at++;
        }
        while (at + word < length && !strchr("/?&=#;", text[at + word])) {
            word++;
        }
        bool secret = query ? c == '=' || (word > 0 && memchr(text + at, '=', word) == NULL &&
                                           looks_like_key(text + at, word))
                            : looks_like_key(text + at, word);
        if (secret && word > 0) {
            put(t, redact_stars, sizeof redact_stars - 1);
        } else {
            put(t, text + at, word);
        }
        at += word;
    }
}

const char *redact_text(const char *text, char *out, size_t size)
{
    struct target t = {.out = out, .size = size};
    while (*text) {
        const char *mark = strstr(text, "://");
        if (!mark) {
            put(&t, text, strlen(text));
            break;
        }
        put(&t, text, (size_t)(mark + 3 - text));
        text = mark + 3;
        size_t length = strcspn(text, url_ends);
        size_t host = strcspn(text, "/?#");
        host = host < length ? host : length;
        const char *at = memrchr(text, '@', host);
        if (at) {
            put(&t, redact_stars, sizeof redact_stars - 1);
            put(&t, at, host - (size_t)(at - text));
        } else {
            put(&t, text, host);
        }
        put_rest(&t, text + host, length - host);
        text += length;
    }
    out[t.used] = 0;
    return out;
}
