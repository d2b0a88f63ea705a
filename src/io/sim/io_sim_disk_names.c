/* The calls of a simulated disk that are about names and properties. */
#include "io/sim/io_sim_world.h"

#include <stdlib.h>

static struct io_sim_disk_state *disk_of(struct io_fs *fs)
{
    return &io_sim_view(fs)->host->disk;
}

static void describe(const struct io_sim_host *host, const struct io_sim_node *node,
                     struct io_stat *out)
{
    *out = (struct io_stat){
        .device = host->disk.device,
        .inode = node->inode,
        .length = node->type == IO_TYPE_SYMLINK ? strlen(node->target) : node->pages.length,
        .allocated_bytes = node->pages.count * IO_SIM_PAGE_BYTES,
        .modified_ns = node->modified_ns,
        .changed_ns = node->changed_ns,
    };
    switch (node->type) {
    case IO_TYPE_DIRECTORY:
        out->type = IO_TYPE_DIRECTORY;
        break;
    case IO_TYPE_SYMLINK:
        out->type = IO_TYPE_SYMLINK;
        break;
    default:
        out->type = IO_TYPE_FILE;
        break;
    }
}

int io_sim_disk_stat(struct io_fs *fs, struct io_file *file, struct io_stat *out)
{
    int rc = io_sim_disk_ask(fs, IO_SIM_DISK_STAT, file, NULL, 0);
    if (rc == 0) {
        describe(io_sim_view(fs)->host, file->node, out);
    }
    return io_sim_disk_noted(fs, IO_SIM_DISK_STAT, NULL, rc);
}

int io_sim_disk_stat_at(struct io_fs *fs, struct io_file *dir, const char *name,
                        struct io_stat *out)
{
    int rc = io_sim_disk_check_name(name);
    if (rc == 0) {
        rc = io_sim_disk_ask(fs, IO_SIM_DISK_STAT, dir, name, 0);
    }
    if (rc == 0) {
        const struct io_sim_node *node = io_sim_tree_child(disk_of(fs)->tree, dir->node, name);
        if (node) {
            describe(io_sim_view(fs)->host, node, out);
        }
        rc = node ? 0 : SPATE_ENOENT;
    }
    return io_sim_disk_noted(fs, IO_SIM_DISK_STAT, name, rc);
}

/* What rename(2) says of replacing one by the other. */
static int may_replace(const struct io_sim_node *from, const struct io_sim_node *to)
{
    if (!to) {
        return 0;
    }
    if (from->type == IO_TYPE_DIRECTORY && to->type != IO_TYPE_DIRECTORY) {
        return SPATE_ENOTDIR;
    }
    if (from->type != IO_TYPE_DIRECTORY && to->type == IO_TYPE_DIRECTORY) {
        return SPATE_EISDIR;
    }
    return list_empty(&to->children) ? 0 : SPATE_EEXIST;
}

static int rename_node(struct io_fs *fs, struct io_sim_node *dir, const char *from,
                       struct io_sim_node *to_dir, const char *to)
{
    struct io_sim_tree *tree = disk_of(fs)->tree;
    struct io_sim_node *node = io_sim_tree_child(tree, dir, from);
    const struct io_sim_node *old = io_sim_tree_child(tree, to_dir, to);
    if (!node || (!to_dir->parent && to_dir != tree->root)) {
        return SPATE_ENOENT;
    }
    int rc = io_sim_tree_is_below(to_dir, node) ? SPATE_EINVAL : may_replace(node, old);
    if (rc == 0 && node != old) {
        io_sim_journal_rename(tree, node, to_dir, to, io_sim_disk_wall_ns(fs));
        if (io_sim_view(fs)->outside) {
            io_sim_journal_sync(tree, dir);
            io_sim_journal_sync_above(tree, node);
        }
    }
    return rc;
}

int io_sim_disk_rename(struct io_fs *fs, struct io_file *dir, const char *from,
                       struct io_file *to_dir, const char *to)
{
    int rc = io_sim_disk_check_name(from);
    rc = rc < 0 ? rc : io_sim_disk_check_name(to);
    if (rc == 0) {
        rc = io_sim_disk_ask(fs, IO_SIM_DISK_RENAME, dir, from, 0);
    }
    rc = rc < 0 ? rc : rename_node(fs, dir->node, from, to_dir->node, to);
    return io_sim_disk_noted(fs, IO_SIM_DISK_RENAME, to, rc);
}

static int unlink_node(struct io_fs *fs, const struct io_sim_node *dir, const char *name)
{
    struct io_sim_tree *tree = disk_of(fs)->tree;
    struct io_sim_node *node = io_sim_tree_child(tree, dir, name);
    if (!node || node->type == IO_TYPE_DIRECTORY) {
        return node ? SPATE_EISDIR : SPATE_ENOENT;
    }
    io_sim_journal_unlink(tree, node, io_sim_disk_wall_ns(fs));
    if (io_sim_view(fs)->outside) {
        io_sim_journal_sync(tree, dir);
    }
    return 0;
}

int io_sim_disk_unlink(struct io_fs *fs, struct io_file *dir, const char *name)
{
    int rc = io_sim_disk_check_name(name);
    if (rc == 0) {
        rc = io_sim_disk_ask(fs, IO_SIM_DISK_UNLINK, dir, name, 0);
    }
    rc = rc < 0 ? rc : unlink_node(fs, dir->node, name);
    return io_sim_disk_noted(fs, IO_SIM_DISK_UNLINK, name, rc);
}

/* The first child behind cursor. */
static struct io_sim_node *list_next(struct io_file *dir, uint64_t cursor)
{
    struct list *children = &dir->node->children, *link = children->next;
    if (dir->listed && cursor == dir->listed->place && dir->removals == dir->node->removals) {
        link = dir->listed->link.next;
    }
    while (link != children && list_entry(link, struct io_sim_node, link)->place <= cursor) {
        link = link->next;
    }
    return link == children ? NULL : list_entry(link, struct io_sim_node, link);
}

/* A mount that is gone left an empty directory. */
static bool is_gone(struct io_fs *fs, const struct io_sim_node *dir)
{
    const struct io_sim_disk_state *disk = disk_of(fs);
    char path[IO_SIM_PATH_MAX];
    if (disk->mount != IO_SIM_MOUNT_EMPTY || io_sim_view(fs)->outside) {
        return false;
    }
    io_sim_tree_path(dir, NULL, path);
    return strcmp(path, disk->mount_path) == 0;
}

int io_sim_disk_list(struct io_fs *fs, struct io_file *dir, uint64_t *cursor, char *name,
                     size_t size)
{
    int rc = io_sim_disk_ask(fs, IO_SIM_DISK_LIST, dir, NULL, 0);
    if (rc < 0) {
        return io_sim_disk_noted(fs, IO_SIM_DISK_LIST, NULL, rc);
    }
    if (dir->removals != dir->node->removals) {
        dir->listed = NULL;
    }
    struct io_sim_node *next = is_gone(fs, dir->node) ? NULL : list_next(dir, *cursor);
    if (!next) {
        return io_sim_disk_noted(fs, IO_SIM_DISK_LIST, NULL, 0);
    }
    dir->listed = next;
    dir->removals = dir->node->removals;
    *cursor = next->place;
    if (strlen(next->name) >= size) {
        return io_sim_disk_noted(fs, IO_SIM_DISK_LIST, NULL, SPATE_ENAMETOOLONG);
    }
    memcpy(name, next->name, strlen(next->name) + 1);
    return io_sim_disk_noted(fs, IO_SIM_DISK_LIST, name, 1);
}

int io_sim_disk_space(struct io_fs *fs, struct io_file *dir, uint64_t *free_bytes)
{
    const struct io_sim_disk_state *disk = disk_of(fs);
    int rc = io_sim_disk_ask(fs, IO_SIM_DISK_SPACE, dir, NULL, 0);
    *free_bytes = 0;
    if (rc == 0) {
        uint64_t used = disk->tree->used_pages, all = io_sim_disk_pages(disk);
        *free_bytes = used < all ? (all - used) * IO_SIM_PAGE_BYTES : 0;
    }
    io_sim_disk_note(fs, IO_SIM_DISK_SPACE, *free_bytes, rc, 0);
    return rc;
}

int io_sim_disk_name_max(struct io_fs *fs, struct io_file *dir)
{
    (void)fs;
    (void)dir;
    return IO_SIM_NAME_MAX;
}

int io_sim_disk_lock(struct io_fs *fs, struct io_file *file)
{
    int rc = io_sim_disk_ask(fs, IO_SIM_DISK_LOCK, file, NULL, 0);
    if (rc == 0 && file->node->locker && file->node->locker != file) {
        rc = SPATE_ELOCKED;
    }
    if (rc == 0) {
        file->node->locker = file;
    }
    return io_sim_disk_noted(fs, IO_SIM_DISK_LOCK, NULL, rc);
}

int io_sim_disk_real_path(struct io_fs *fs, const char *path, char *out, size_t size)
{
    const struct io_sim_disk_state *disk = disk_of(fs);
    return disk->tree && !(disk->dead && !io_sim_view(fs)->outside)
               ? io_sim_tree_real_path(disk->tree, path, out, size)
               : SPATE_EIO;
}
