/* Text for people: escaping what strangers wrote, and numbers with units both ways. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include "base/bytes.h"

/* Writes text so that a terminal shows it and does nothing else: control characters (C0, C1), bytes that
 * are not UTF-8 and bidirectional controls appear as \xNN or \u{NNNN}. Always terminates; cuts at a
 * character boundary. Returns out. */
const char *text_escape(struct span text, char *out, size_t size);
/* True when text is well-formed UTF-8 (no surrogates, no overlong forms, at most U+10FFFF). */
bool text_is_utf8(struct span text);
/* Decodes one character at the front; returns its bytes (1-4), or 0 when it is not valid UTF-8. */
size_t text_decode_utf8(struct span text, uint32_t *code_point);
/* The largest size <= limit at which text can be cut without splitting a character. */
size_t text_cut_utf8(struct span text, size_t limit);
/* Copies text into a fixed array as UTF-8: bad bytes become '?', the end is cut at a character boundary,
 * always terminated. */
void text_copy(char *out, size_t size, struct span text);

/* "1.5 GiB", "512 B". Returns out. */
const char *text_bytes(uint64_t bytes, char *out, size_t size);
/* "1h 02m", "3m 20s", "45s". Returns out. */
const char *text_duration(int64_t seconds, char *out, size_t size);
/* "5M", "1.5G", "800k", "4096", with an optional trailing "iB" or "B"; powers of 1024. False when it is
 * not a size or does not fit. */
bool text_parse_bytes(const char *text, uint64_t *bytes);
/* "90", "90s", "10m", "2h", "1d" in seconds. */
bool text_parse_duration(const char *text, int64_t *seconds);
/* A decimal number and nothing else, at most max. */
bool text_parse_number(const char *text, uint64_t max, uint64_t *number);
/* Lower-case hexadecimal; out has 2 * size + 1 bytes. */
void text_hex(const uint8_t *bytes, size_t size, char *out);
/* Exactly 2 * size hexadecimal digits; false otherwise. */
bool text_parse_hex(struct span text, uint8_t *bytes, size_t size);

#endif
