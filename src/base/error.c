/* The texts of the error table, and the way from errno to it. */
#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *spate_strerror(int code)
{
    switch (code) {
    case SPATE_OK:
        return "no error";
#define ERROR_TEXT(name, number, text)                                                             \
    case number:                                                                                   \
        return text;
        SPATE_ERROR_MAP(ERROR_TEXT)
#undef ERROR_TEXT
    default:
        return "unknown error";
    }
}

const char *error_name(int code)
{
    switch (code) {
    case SPATE_OK:
        return "OK";
#define ERROR_NAME(name, number, text)                                                             \
    case number:                                                                                   \
        return #name;
        SPATE_ERROR_MAP(ERROR_NAME)
#undef ERROR_NAME
    default:
        return "?";
    }
}

int error_set(struct spate_error *error, int code, uint64_t offset, const char *format, ...)
{
    if (!error) {
        return code;
    }
    error->code = code;
    error->offset = offset;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    return code;
}

int error_from_errno(int system_errno)
{
    switch (system_errno) {
    case ENOMEM:
    case ENOBUFS:
        return SPATE_ENOMEM;
    case EINVAL:
        return SPATE_EINVAL;
    case EAGAIN:
#if EWOULDBLOCK != EAGAIN
    case EWOULDBLOCK:
#endif
    case EINPROGRESS:
        return SPATE_EAGAIN;
    case ECANCELED:
        return SPATE_ECANCELED;
    case EEXIST:
    case ENOTEMPTY:
        return SPATE_EEXIST;
    case EBUSY:
        return SPATE_EBUSY;
    case ETIMEDOUT:
        return SPATE_ETIMEDOUT;
    case ENOSYS:
    case EOPNOTSUPP:
    case EAFNOSUPPORT:
    case EPROTONOSUPPORT:
        return SPATE_EUNSUPPORTED;
    case ECONNREFUSED:
        return SPATE_EREFUSED;
    case ECONNRESET:
    case EPIPE:
    case ECONNABORTED:
        return SPATE_ERESET;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
        return SPATE_EUNREACHABLE;
    case EADDRINUSE:
        return SPATE_EADDRINUSE;
    case EADDRNOTAVAIL:
        return SPATE_EADDRNOTAVAIL;
    case EMSGSIZE:
        return SPATE_EMSGSIZE;
    case EMFILE:
    case ENFILE:
        return SPATE_EFDS;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return SPATE_ENOSPC;
    case EROFS:
        return SPATE_EROFS;
    case EACCES:
    case EPERM:
        return SPATE_EACCES;
    case ENAMETOOLONG:
        return SPATE_ENAMETOOLONG;
    case ENOENT:
    case ENODEV:
        return SPATE_ENOENT;
    case ENOTDIR:
        return SPATE_ENOTDIR;
    case EISDIR:
        return SPATE_EISDIR;
    case ELOOP:
    case EXDEV:
        return SPATE_ESYMLINK;
    default:
        return SPATE_EIO;
    }
}

_Noreturn void error_assert_failed(const char *condition, const char *file, int line)
{
    /* The one place that prints: the process ends here, and a core without a reason helps nobody. */
    fprintf(stderr, "spate: assertion failed: %s (%s:%d)\n", condition, file, line);
    abort();
}
