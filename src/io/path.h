/* Paths as text, where no file system has a say. */
#ifndef IO_PATH_H
#define IO_PATH_H

#include <stddef.h>

/* Appends the elements of rest to the absolute path of length bytes in out ("" stands for the root), where nothing
 * exists below it: "." and ".." are resolved as text, since there is no link that they could follow.
 * SPATE_ENAMETOOLONG. */
int path_append(char *out, size_t size, size_t length, const char *rest);

#endif
