/* Bencoding for tests, written as one would say it: {'info': {'length': 5, 'list': [1, 'two', #20, $0]}}.
 * #n is a text of n letters 'h'; $n is argument n, as a text; ~n is argument n, as it stands. */
#ifndef TESTS_UNIT_CODEC_NOTATION_H
#define TESTS_UNIT_CODEC_NOTATION_H

#include "codec/bencode.h"

#include <stdlib.h>

static const char *notation_value(struct bencode_writer *w, const char *p,
                                  const struct span *arguments);

static const char *notation_skip(const char *p)
{
    while (*p == ' ' || *p == ',' || *p == ':' || *p == '\n') {
        p++;
    }
    return p;
}

static const char *notation_members(struct bencode_writer *w, const char *p, char end,
                                    const struct span *arguments)
{
    for (p = notation_skip(p); *p != end; p = notation_skip(p)) {
        p = notation_value(w, p, arguments);
    }
    bencode_write_end(w);
    return p + 1;
}

static const char *notation_value(struct bencode_writer *w, const char *p,
                                  const struct span *arguments)
{
    char *end;
    if (*p == '{') {
        bencode_write_dict(w);
        return notation_members(w, p + 1, '}', arguments);
    }
    if (*p == '[') {
        bencode_write_list(w);
        return notation_members(w, p + 1, ']', arguments);
    }
    if (*p == '\'') {
        size_t size = strcspn(p + 1, "'");
        bencode_write_text(w, span_of(p + 1, size));
        return p + size + 2;
    }
    if (*p == '#') {
        size_t size = strtoul(p + 1, &end, 10);
        char *letters = malloc(size + 1);
        memset(letters, 'h', size + 1);
        bencode_write_text(w, span_of(letters, size));
        free(letters);
        return end;
    }
    if (*p == '$') {
        bencode_write_text(w, arguments[strtoul(p + 1, &end, 10)]);
        return end;
    }
    if (*p == '~') {
        bencode_write_raw(w, arguments[strtoul(p + 1, &end, 10)]);
        return end;
    }
    bencode_write_int(w, strtoll(p, &end, 10));
    return end == p ? p + strlen(p) : end;
}

/* The bytes; free() them. */
static inline struct span notation(const char *text, const struct span *arguments)
{
    size_t room = 4096 + 4 * strlen(text);
    for (const char *p = text; (p = strpbrk(p, "#$~")); p++) {
        unsigned long number = strtoul(p + 1, NULL, 10);
        room += *p == '#' ? number : arguments[number].size;
    }
    struct writer out = writer_over(malloc(room), room);
    struct bencode_writer w = {&out};
    notation_value(&w, text, arguments);
    return out.failed ? span_of(out.bytes, 0) : span_of(out.bytes, out.size);
}

#endif
