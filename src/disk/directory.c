/* Making directories that outlive a crash. */
#include "disk/directory.h"

#include <stdlib.h>
#include <string.h>

/* Opens the directory that the first size bytes of path name. */
static int open_prefix(struct io_fs *fs, char *path, size_t size, struct io_file **out)
{
    char kept = path[size];
    path[size] = 0;
    int rc = io_fs_open_path(fs, size > 0 ? path : ".", IO_OPEN_READ | IO_OPEN_DIRECTORY, out);
    path[size] = kept;
    return rc;
}

int directory_make(struct io_fs *fs, const char *wanted, int flags, struct io_file **out)
{
    char *path = strdup(wanted);
    *out = NULL;
    if (!path) {
        return SPATE_ENOMEM;
    }
    /* The longest path that is there already. */
    size_t there = strlen(path);
    struct io_file *directory = NULL;
    int rc = SPATE_ENOENT;
    while (rc == SPATE_ENOENT && there > 0) {
        size_t tried = there;
        while (there > 0 && path[there - 1] != '/') {
            there--;
        }
        while (there > 1 && path[there - 1] == '/') {
            there--;
        }
        if (there == tried) {
            break;
        }
        rc = open_prefix(fs, path, there, &directory);
    }
    if (rc == 0) {
        rc = io_fs_open_path(fs, path, IO_OPEN_READ | IO_OPEN_DIRECTORY | IO_OPEN_CREATE | flags,
                             out);
    }
    while (rc == 0) {
        rc = io_fs_sync(fs, directory);
        io_fs_close(fs, directory);
        directory = NULL;
        there += strspn(path + there, "/");
        there += strcspn(path + there, "/");
        if (rc < 0 || path[there + strspn(path + there, "/")] == 0) {
            break;
        }
        rc = open_prefix(fs, path, there, &directory);
    }
    io_fs_close(fs, directory);
    free(path);
    if (rc < 0 && *out) {
        io_fs_close(fs, *out);
        *out = NULL;
    }
    return rc;
}
