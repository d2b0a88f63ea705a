/* Lines for people on stderr, and texts of strangers made harmless for a terminal. */
#include "apps/cli/message.h"

#include "base/text.h"

#include <stdarg.h>

enum { MESSAGE_BYTES = 2048, CHUNK_BYTES = 256, ESCAPED_MAX = 10 };

void message_error(const char *format, ...)
{
    char text[MESSAGE_BYTES], line[MESSAGE_BYTES * 2];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fprintf(stderr, "spate: %s\n", text_escape(span_text(text), line, sizeof line));
}

const char *message_errno(int problem)
{
    const char *text = strerrordesc_np(problem);
    return text ? text : "unknown error";
}

const char *printable_of(struct printable *p, const char *text)
{
    return text_escape(span_text(text), p->text, sizeof p->text);
}

void printable_put(FILE *file, const char *text)
{
    char line[CHUNK_BYTES * ESCAPED_MAX];
    for (struct span rest = span_text(text); rest.size > 0;) {
        size_t size = text_cut_utf8(rest, CHUNK_BYTES);
        size = size > 0 ? size : CHUNK_BYTES;
        fputs(text_escape(span_slice(rest, 0, size), line, sizeof line), file);
        rest = span_slice(rest, size, SIZE_MAX);
    }
}
