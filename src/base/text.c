/* Text for people and from strangers. */
#include "base/text.h"

#include <stdio.h>

size_t text_decode_utf8(struct span text, uint32_t *code_point)
{
    if (text.size == 0) {
        return 0;
    }
    uint8_t first = text.bytes[0];
    if (first < 0x80) {
        *code_point = first;
        return 1;
    }
    size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    if (first < 0xc2 || first > 0xf4 || text.size < length) {
        return 0;
    }
    uint32_t value = first & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((text.bytes[i] & 0xc0) != 0x80) {
            return 0;
        }
        value = (value << 6) | (text.bytes[i] & 0x3f);
    }
    if (value < least[length] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) {
        return 0;
    }
    *code_point = value;
    return length;
}

bool text_is_utf8(struct span text)
{
    uint32_t code_point;
    for (size_t n; text.size > 0; text = span_slice(text, n, SIZE_MAX)) {
        n = text_decode_utf8(text, &code_point);
        if (n == 0) {
            return false;
        }
    }
    return true;
}

size_t text_cut_utf8(struct span text, size_t limit)
{
    if (text.size <= limit) {
        return text.size;
    }
    size_t cut = limit;
    while (cut > 0 && (text.bytes[cut] & 0xc0) == 0x80) {
        cut--;
    }
    return cut;
}

/* Characters that reorder or hide what follows them on a screen (Unicode bidi controls, zero-width and
 * other format characters), or that break lines. */
static bool is_deceptive(uint32_t c)
{
    return c == 0x61c || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) ||
           (c >= 0xe0000 && c <= 0xe007f);
}

const char *text_escape(struct span text, char *out, size_t size)
{
    size_t used = 0;
    while (text.size > 0) {
        char piece[16];
        uint32_t c = 0;
        size_t n = text_decode_utf8(text, &c);
        int length;
        if (n == 0) {
            n = 1;
            length = snprintf(piece, sizeof piece, "\\x%02x", text.bytes[0]);
        } else if (c < 0x20 || (c >= 0x7f && c < 0xa0)) {
            length = snprintf(piece, sizeof piece, "\\x%02x", (unsigned)c);
        } else if (is_deceptive(c)) {
            length = snprintf(piece, sizeof piece, "\\u{%04x}", (unsigned)c);
        } else {
            memcpy(piece, text.bytes, n);
            length = (int)n;
        }
        if (used + (size_t)length >= size) {
            break;
        }
        memcpy(out + used, piece, (size_t)length);
        used += (size_t)length;
        text = span_slice(text, n, SIZE_MAX);
    }
    out[used] = 0;
    return out;
}

void text_copy(char *out, size_t size, struct span text)
{
    size_t used = 0;
    while (text.size > 0) {
        uint32_t c;
        size_t n = text_decode_utf8(text, &c);
        size_t length = n ? n : 1;
        if (used + length >= size) {
            break;
        }
        if (n == 0 || c == 0) {
            out[used] = '?';
        } else {
            memcpy(out + used, text.bytes, n);
        }
        used += length;
        text = span_slice(text, length, SIZE_MAX);
    }
    out[used] = 0;
}

const char *text_bytes(uint64_t bytes, char *out, size_t size)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1023.95 && unit + 1 < sizeof units / sizeof *units) {
        value /= 1024;
        unit++;
    }
    if (unit == 0) {
        snprintf(out, size, "%u B", (unsigned)bytes);
    } else {
        snprintf(out, size, "%.1f %s", value, units[unit]);
    }
    return out;
}

const char *text_duration(int64_t seconds, char *out, size_t size)
{
    long long s = seconds < 0 ? 0 : seconds;
    if (s < 60) {
        snprintf(out, size, "%llds", s);
    } else if (s < 3600) {
        snprintf(out, size, "%lldm %02llds", s / 60, s % 60);
    } else if (s < 86400) {
        snprintf(out, size, "%lldh %02lldm", s / 3600, s / 60 % 60);
    } else {
        snprintf(out, size, "%lldd %02lldh", s / 86400, s / 3600 % 24);
    }
    return out;
}

bool text_parse_number(const char *text, uint64_t max, uint64_t *number)
{
    uint64_t value = 0;
    if (!*text) {
        return false;
    }
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || __builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value)) {
            return false;
        }
    }
    *number = value;
    return value <= max;
}

/* Digits with an optional decimal point; returns what follows them, NULL when there are none. */
static const char *parse_decimal(const char *text, double *value)
{
    const char *p = text;
    double scale = 1;
    bool point = false, digits = false;
    *value = 0;
    for (; (*p >= '0' && *p <= '9') || (*p == '.' && !point); p++) {
        if (*p == '.') {
            point = true;
            continue;
        }
        digits = true;
        scale = point ? scale / 10 : 1;
        *value = point ? *value + (*p - '0') * scale : *value * 10 + (*p - '0');
    }
    return digits ? p : NULL;
}

bool text_parse_bytes(const char *text, uint64_t *bytes)
{
    static const char letters[] = "kmgtpe";
    double value;
    const char *p = parse_decimal(text, &value);
    if (!p) {
        return false;
    }
    if (*p) {
        const char *letter = strchr(letters, *p | 0x20);
        if (letter && *letter) {
            for (const char *l = letters; l <= letter; l++) {
                value *= 1024;
            }
            p++;
            p += *p == 'i';
        }
        p += *p == 'B';
    }
    if (*p || value > 9e18) {
        return false;
    }
    *bytes = (uint64_t)value;
    return true;
}

bool text_parse_duration(const char *text, int64_t *seconds)
{
    double value;
    const char *p = parse_decimal(text, &value);
    if (!p) {
        return false;
    }
    switch (*p) {
    case 'd':
        value *= 86400;
        break;
    case 'h':
        value *= 3600;
        break;
    case 'm':
        value *= 60;
        break;
    case 's':
    case 0:
        break;
    default:
        return false;
    }
    if ((*p && p[1]) || value > 1e12) {
        return false;
    }
    *seconds = (int64_t)value;
    return true;
}

void text_hex(const uint8_t *bytes, size_t size, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * size] = 0;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool text_parse_hex(struct span text, uint8_t *bytes, size_t size)
{
    if (text.size != 2 * size) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        int high = hex_digit(text.bytes[2 * i]), low = hex_digit(text.bytes[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}
