/* What a test does to a simulated disk from outside: settings, failures, and files that it places and
 * looks at. */
#include "io/sim/io_sim_world.h"

#include <stdlib.h>

static struct io_sim_disk_state *disk_of(struct io *io)
{
    return &io_sim_host_of(io)->disk;
}

void io_sim_set_disk(struct io *io, const struct io_sim_disk *settings)
{
    disk_of(io)->settings = *settings;
}

void io_sim_set_disk_rule(struct io *io, io_sim_disk_rule *rule, void *user)
{
    disk_of(io)->rule = rule;
    disk_of(io)->rule_user = user;
}

uint64_t io_sim_disk_calls(const struct io *io)
{
    return ((const struct io_sim_host *)(const void *)io)->disk.calls;
}

void io_sim_set_disk_failure(struct io *io, uint64_t first, uint64_t last, int error)
{
    struct io_sim_disk_state *disk = disk_of(io);
    ASSERT(error < 0);
    disk->fail_at = first;
    disk->fail_last = first == UINT64_MAX ? 0 : last;
    disk->fail_error = error;
}

void io_sim_set_mount(struct io *io, const char *path, enum io_sim_mount mount)
{
    struct io_sim_disk_state *disk = disk_of(io);
    char *copy = strdup(path);
    ASSERT(copy);
    free(disk->mount_path);
    disk->mount_path = copy;
    disk->mount = mount;
}

struct io_fs *io_sim_fs(struct io *io)
{
    return &disk_of(io)->outside.fs;
}

void io_sim_know_payload(struct io_sim *sim, uint64_t id, uint64_t length)
{
    struct io_sim_payloads *payloads = &sim->disks.payloads;
    ASSERT(payloads->count < IO_SIM_PAYLOADS_MAX);
    payloads->sources[payloads->count++] = (struct io_sim_payload_source){id, length};
}

uint64_t io_sim_disk_memory(const struct io *io)
{
    const struct io_sim_tree *tree = ((const struct io_sim_host *)(const void *)io)->disk.tree;
    uint64_t bytes = 0;
    for (struct io_sim_node *node = tree ? tree->root : NULL; node;
         node = io_sim_tree_next(tree, node)) {
        bytes += sizeof *node + io_sim_pages_memory(&node->pages);
    }
    return bytes;
}

void io_sim_disk_settle_all(struct io *io)
{
    struct io_sim_tree *tree = disk_of(io)->tree;
    io_sim_journal_settle(tree);
    for (struct io_sim_node *node = tree->root; node; node = io_sim_tree_next(tree, node)) {
        io_sim_pages_sync(&node->pages);
        node->synced_ns = node->modified_ns;
    }
}

/* ---- files ------------------------------------------------------------------------------------ */

/* The directory of a path's last name, made when missing, and the name. */
static int open_above(struct io *io, const char *path, struct io_sim_node **dir,
                      char name[IO_SIM_NAME_MAX + 1])
{
    struct io_fs *fs = io_sim_fs(io);
    if (!disk_of(io)->tree) {
        return SPATE_EIO;
    }
    int rc = io_sim_tree_parent(disk_of(io)->tree, path, true, io_sim_disk_wall_ns(fs), dir, name);
    if (rc == 0) {
        io_sim_disk_settle(fs, *dir);
        rc = io_sim_disk_check_name(name);
    }
    return rc;
}

/* Opens a file below directories that are made when missing. */
static int open_deep(struct io *io, const char *path, struct io_file **out)
{
    char name[IO_SIM_NAME_MAX + 1];
    struct io_sim_node *dir;
    *out = NULL;
    int rc = open_above(io, path, &dir, name);
    return rc < 0 ? rc
                  : io_sim_disk_open_child(
                        io_sim_fs(io), dir, name,
                        IO_OPEN_READ | IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_FOLLOW, out);
}

int io_sim_file_write(struct io *io, const char *path, struct span bytes)
{
    struct io_fs *fs = io_sim_fs(io);
    struct iovec v = {(void *)(uintptr_t)bytes.bytes, bytes.size};
    struct io_file *file;
    int rc = open_deep(io, path, &file);
    if (rc == 0) {
        rc = io_fs_truncate(fs, file, 0);
        int64_t n = io_fs_write(fs, file, 0, &v, 1);
        rc = n < 0 ? (int)n : rc;
        io_fs_close(fs, file);
    }
    return rc;
}

int io_sim_file_write_payload(struct io *io, const char *path, uint64_t id, uint64_t offset,
                              uint64_t length)
{
    struct io_fs *fs = io_sim_fs(io);
    uint8_t bytes[16 * IO_SIM_PAGE_BYTES];
    struct io_file *file;
    int rc = open_deep(io, path, &file);
    if (rc < 0) {
        return rc;
    }
    rc = io_fs_truncate(fs, file, 0);
    for (uint64_t at = 0; rc == 0 && at < length; at += sizeof bytes) {
        size_t n = length - at < sizeof bytes ? (size_t)(length - at) : sizeof bytes;
        struct iovec v = {bytes, n};
        io_sim_payload(id, offset + at, bytes, n);
        int64_t wrote = io_fs_write(fs, file, at, &v, 1);
        rc = wrote < 0 ? (int)wrote : 0;
    }
    io_fs_close(fs, file);
    return rc;
}

/* A part of a file, or with `all` the whole of it. */
static bool has_payload(struct io *io, const char *path, uint64_t at, uint64_t id, uint64_t offset,
                        uint64_t length, bool all)
{
    struct io_fs *fs = io_sim_fs(io);
    struct io_file *file;
    if (io_fs_open_path(fs, path, IO_OPEN_READ, &file) < 0) {
        return false;
    }
    const struct io_sim_pages *pages = &file->node->pages;
    bool there = all ? pages->length == length : pages->length >= at + length;
    bool equal = there && io_sim_pages_are_payload(pages, at, id, offset, length);
    io_fs_close(fs, file);
    return equal;
}

bool io_sim_file_is_payload(struct io *io, const char *path, uint64_t id, uint64_t offset,
                            uint64_t length)
{
    return has_payload(io, path, 0, id, offset, length, true);
}

bool io_sim_file_has_payload(struct io *io, const char *path, uint64_t at, uint64_t id,
                             uint64_t offset, uint64_t length)
{
    return has_payload(io, path, at, id, offset, length, false);
}

int io_sim_file_read(struct io *io, const char *path, uint8_t **out, size_t *size)
{
    struct io_fs *fs = io_sim_fs(io);
    struct io_file *file;
    *out = NULL;
    *size = 0;
    int rc = io_fs_open_path(fs, path, IO_OPEN_READ, &file);
    if (rc < 0) {
        return rc;
    }
    *size = (size_t)file->node->pages.length;
    *out = malloc(*size > 0 ? *size : 1);
    ASSERT(*out);
    struct iovec v = {*out, *size};
    int64_t n = io_fs_read(fs, file, 0, &v, 1);
    io_fs_close(fs, file);
    return n < 0 ? (int)n : 0;
}

int io_sim_symlink(struct io *io, const char *path, const char *target)
{
    struct io_fs *fs = io_sim_fs(io);
    struct io_sim_tree *tree = disk_of(io)->tree;
    char name[IO_SIM_NAME_MAX + 1];
    struct io_sim_node *dir;
    int rc = open_above(io, path, &dir, name);
    if (rc == 0 && io_sim_tree_child(tree, dir, name)) {
        rc = SPATE_EEXIST;
    }
    if (rc == 0) {
        struct io_sim_node *node =
            io_sim_journal_add(tree, dir, name, IO_TYPE_SYMLINK, io_sim_disk_wall_ns(fs));
        node->target = io_sim_take(strlen(target) + 1);
        memcpy(node->target, target, strlen(target));
        io_sim_disk_settle(fs, node);
    }
    return rc;
}
