/* Secrets in URLs: passkeys, tokens and passwords that tracker URLs carry are not for screens and logs. */
#ifndef CLI_REDACT_H
#define CLI_REDACT_H

#include <stddef.h>

/* Copies text; within every URL in it user information, values of the query and long words of the path
 * that look like keys become "***". The end is cut when it does not fit. Returns out. */
const char *redact_text(const char *text, char *out, size_t size);

#endif
