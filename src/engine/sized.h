/* Structs that leave the library begin with their size in bytes, so that a program built against one header runs with
 * a library of another. */
#ifndef ENGINE_SIZED_H
#define ENGINE_SIZED_H

#include "spate.h"

#include <stddef.h>
#include <string.h>

/* Copies all but the leading size, no more than the caller's struct holds, and zeroes the rest of it: fields of a
 * later header. SPATE_EINVAL when there is no struct or its size is not set. */
static inline int sized_copy_out(void *out, const void *from, size_t from_size)
{
    uint32_t size;
    if (!out) {
        return SPATE_EINVAL;
    }
    memcpy(&size, out, sizeof size);
    if (size < sizeof size) {
        return SPATE_EINVAL;
    }
    size_t n = size < from_size ? size : from_size;
    memset((uint8_t *)out + sizeof size, 0, size - sizeof size);
    memcpy((uint8_t *)out + sizeof size, (const uint8_t *)from + sizeof size, n - sizeof size);
    return 0;
}

#endif
