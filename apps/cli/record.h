/* JSON that any consumer may trust: valid UTF-8 whatever a torrent says, plain ASCII on the line, and
 * none of the characters that a careless page or terminal would obey. */
#ifndef CLI_RECORD_H
#define CLI_RECORD_H

#include "base/text.h"

#include <jansson.h>

/* A string; bytes that are not UTF-8 become U+FFFD. NULL becomes null. */
json_t *record_text(const char *text);
/* A number; what does not fit into 63 bits is cut there. */
json_t *record_number(uint64_t number);
/* Hexadecimal. size is at most 32. */
json_t *record_hex(const uint8_t *bytes, size_t size);
/* One line with its line feed, in memory that the caller frees; NULL when memory is out. Takes over the
 * reference to object. */
char *record_line(json_t *object);

#endif
