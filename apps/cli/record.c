/* JSON by jansson, in plain ASCII; besides what JSON asks for, '<', '>', '&' and DEL are escaped. They
 * only occur inside strings, so the finished text can be rewritten. */
#include "apps/cli/record.h"

#include <stdlib.h>

enum { RECORD_DIGITS = 13 }; /* milliseconds since 1970, as seconds, until 2286 */

json_t *record_text(const char *text)
{
    static const char replacement[] = "\xef\xbf\xbd";
    struct span rest = span_text(text ? text : "");
    if (!text) {
        return json_null();
    }
    if (text_is_utf8(rest)) {
        return json_string(text);
    }
    char *repaired = malloc(rest.size * (sizeof replacement - 1) + 1);
    if (!repaired) {
        return NULL;
    }
    size_t used = 0;
    while (rest.size > 0) {
        uint32_t c;
        size_t n = text_decode_utf8(rest, &c);
        const void *from = n > 0 ? (const void *)rest.bytes : replacement;
        size_t length = n > 0 ? n : sizeof replacement - 1;
        memcpy(repaired + used, from, length);
        used += length;
        rest = span_slice(rest, n > 0 ? n : 1, SIZE_MAX);
    }
    json_t *string = json_stringn(repaired, used);
    free(repaired);
    return string;
}

json_t *record_number(uint64_t number)
{
    return json_integer(number > INT64_MAX ? INT64_MAX : (json_int_t)number);
}

json_t *record_hex(const uint8_t *bytes, size_t size)
{
    char text[65];
    text_hex(bytes, size > 32 ? 32 : size, text);
    return json_string(text);
}

static bool is_harmful(char c)
{
    return c == '<' || c == '>' || c == '&' || c == 0x7f;
}

char *record_line(json_t *object)
{
    char *plain = json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_PRESERVE_ORDER |
                                         JSON_REAL_PRECISION(RECORD_DIGITS));
    json_decref(object);
    if (!plain) {
        return NULL;
    }
    size_t harmful = 0, length = strlen(plain);
    for (size_t i = 0; i < length; i++) {
        harmful += is_harmful(plain[i]);
    }
    char *line = malloc(length + harmful * 5 + 2);
    char *p = line;
    for (size_t i = 0; line && i < length; i++) {
        if (is_harmful(plain[i])) {
            static const char digits[] = "0123456789abcdef";
            memcpy(p, "\\u00", 4);
            p[4] = digits[(unsigned char)plain[i] >> 4];
            p[5] = digits[plain[i] & 15];
            p += 6;
        } else {
            *p++ = plain[i];
        }
    }
    if (line) {
        *p++ = '\n';
        *p = 0;
    }
    free(plain);
    return line;
}
