/* Errors of the world: small negative ints from the one table in spate.h, with a text for people.
 * Errors of ours are ASSERT; errors of a peer are events that end that peer. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "spate.h"

#include <stdarg.h>
#include <stdbool.h>

/* An invariant of our own code, checked in release builds too. Nothing that comes from a peer, tracker,
 * file, disk or clock may reach one. */
#define ASSERT(condition)                                                                          \
    do {                                                                                           \
        if (__builtin_expect(!(condition), 0)) {                                                   \
            error_assert_failed(#condition, __FILE__, __LINE__);                                   \
        }                                                                                          \
    } while (0)

_Noreturn void error_assert_failed(const char *condition, const char *file, int line);

/* Fills *error (when not NULL) and returns code, so that a failure is one line:
 * return error_set(error, SPATE_EBENCODE, offset, "integer with a leading zero"). */
int error_set(struct spate_error *error, int code, uint64_t offset, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The code for an errno value of a system call; never zero. */
int error_from_errno(int system_errno);

/* The name of a code without its prefix, e.g. "ENOSPC"; "?" when unknown. */
const char *error_name(int code);

#endif
