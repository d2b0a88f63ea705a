/* Paths as text, where no file system has a say. */
#include "io/path.h"

#include "spate.h"

#include <string.h>

int path_append(char *out, size_t size, size_t length, const char *rest)
{
    while (*(rest += strspn(rest, "/"))) {
        size_t element = strcspn(rest, "/");
        if (element == 2 && memcmp(rest, "..", 2) == 0) {
            while (length > 0 && out[--length] != '/') {
            }
        } else if (element != 1 || *rest != '.') {
            if (length + 1 + element >= size) {
                return SPATE_ENAMETOOLONG;
            }
            out[length++] = '/';
            memcpy(out + length, rest, element);
            length += element;
        }
        rest += element;
    }
    if (length == 0) {
        out[length++] = '/';
    }
    if (length >= size) {
        return SPATE_ENAMETOOLONG;
    }
    out[length] = 0;
    return 0;
}
