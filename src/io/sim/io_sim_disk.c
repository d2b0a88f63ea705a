/* The file calls of the port over a tree in memory. Each asks the rule, does its part, and adds its cost
 * to the job that makes it. Writes take room before they change anything, so that a full disk leaves a
 * file as it was. */
#include "io/sim/io_sim_world.h"

#include <stdlib.h>

static const uint64_t ns_per_s = 1000000000;

struct io_file {
    struct list link; /* of io_sim_disk_state.files */
    struct io_sim_node *node;
    int flags;
    /* Where a listing stands, while removals of the directory says that it is still there. */
    struct io_sim_node *listed;
    uint64_t removals;
};

static struct io_sim_fs *view_of(struct io_fs *fs)
{
    return (struct io_sim_fs *)(void *)fs;
}

static struct io_sim_disk_state *disk_of(struct io_fs *fs)
{
    return &view_of(fs)->host->disk;
}

static int64_t wall_of(struct io_fs *fs)
{
    const struct io_sim_host *host = view_of(fs)->host;
    return host->sim->now_ns + host->wall_offset_ns;
}

/* ---- rule, cost, log -------------------------------------------------------------------------- */

static int64_t ask_rule(struct io_fs *fs, enum io_sim_disk_kind kind,
                        const struct io_sim_node *node, const char *below, uint64_t offset,
                        uint64_t length)
{
    struct io_sim_fs *view = view_of(fs);
    struct io_sim_disk_state *disk = &view->host->disk;
    char path[IO_SIM_PATH_MAX];
    if (view->outside) {
        return 0;
    }
    uint64_t index = disk->calls++;
    disk->job_ns += disk->settings.latency_ns;
    if (!disk->rule) {
        return 0;
    }
    io_sim_tree_path(node, below, path);
    struct io_sim_disk_call call = {.host = &view->host->io,
                                    .kind = kind,
                                    .path = path,
                                    .offset = offset,
                                    .length = length,
                                    .index = index};
    return disk->rule(disk->rule_user, &call);
}

/* The disk moves so many bytes, after what it was given before. */
static void charge_bytes(struct io_fs *fs, uint64_t bytes)
{
    struct io_sim_fs *view = view_of(fs);
    struct io_sim_disk_state *disk = &view->host->disk;
    if (view->outside || disk->settings.bytes_per_s == 0) {
        return;
    }
    int64_t begin_ns = view->host->sim->now_ns + disk->job_ns;
    int64_t free_ns = disk->free_ns > begin_ns ? disk->free_ns : begin_ns;
    disk->free_ns = free_ns + (int64_t)(bytes * ns_per_s / disk->settings.bytes_per_s);
    disk->job_ns += disk->free_ns - begin_ns;
}

static void note(struct io_fs *fs, enum io_sim_disk_kind kind, uint64_t length, int64_t status,
                 uint64_t bytes)
{
    if (!view_of(fs)->outside) {
        io_sim_note(view_of(fs)->host, (enum io_sim_log_kind)(IO_SIM_LOG_DISK_OPEN + (int)kind),
                    length, status, bytes);
    }
}

/* Notes a call by the name it is about, and returns its result. */
static int noted(struct io_fs *fs, enum io_sim_disk_kind kind, const char *name, int status)
{
    note(fs, kind, 0, status, name ? io_sim_log_bytes(0, name, strlen(name)) : 0);
    return status;
}

static uint64_t capacity_pages(const struct io_sim_disk_state *disk)
{
    return disk->settings.capacity_bytes / IO_SIM_PAGE_BYTES;
}

/* ---- opening and closing ---------------------------------------------------------------------- */

static int check_name(const char *name)
{
    if (name[0] == 0 || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        return SPATE_EINVAL;
    }
    return strlen(name) > IO_SIM_NAME_MAX ? SPATE_ENAMETOOLONG : 0;
}

static int file_create(struct io_fs *fs, struct io_sim_node *node, int flags, struct io_file **out)
{
    bool wants_directory = (flags & IO_OPEN_DIRECTORY) != 0;
    if (wants_directory != (node->type == IO_TYPE_DIRECTORY)) {
        return wants_directory ? SPATE_ENOTDIR : SPATE_EISDIR;
    }
    struct io_file *file = io_sim_take(sizeof *file);
    file->node = node;
    file->flags = flags;
    node->opens++;
    list_push_back(&disk_of(fs)->files, &file->link);
    *out = file;
    return 0;
}

/* Opens or makes one name of a directory. */
static int open_child(struct io_fs *fs, struct io_sim_node *dir, const char *name, int flags,
                      struct io_file **out)
{
    struct io_sim_tree *tree = &disk_of(fs)->tree;
    struct io_sim_node *node = io_sim_tree_child(tree, dir, name);
    bool create = (flags & IO_OPEN_CREATE) != 0;
    int type = (flags & IO_OPEN_DIRECTORY) ? IO_TYPE_DIRECTORY : IO_TYPE_FILE;
    if (!dir->parent && dir != tree->root) {
        return SPATE_ENOENT; /* the directory itself was removed */
    }
    if (node && create && (flags & IO_OPEN_EXCLUSIVE)) {
        return SPATE_EEXIST;
    }
    if (node && node->type == IO_TYPE_SYMLINK) {
        if (!(flags & IO_OPEN_FOLLOW)) {
            return SPATE_ESYMLINK;
        }
        int rc = io_sim_tree_follow(tree, dir, name, &node);
        if (rc < 0) {
            return rc;
        }
    }
    if (!node) {
        if (!create) {
            return SPATE_ENOENT;
        }
        node = io_sim_tree_add(tree, dir, name, type, wall_of(fs));
    }
    return file_create(fs, node, flags, out);
}

static int disk_open_path(struct io_fs *fs, const char *path, int flags, struct io_file **out)
{
    struct io_sim_tree *tree = &disk_of(fs)->tree;
    bool make = (flags & IO_OPEN_CREATE) && (flags & IO_OPEN_DIRECTORY);
    char name[IO_SIM_NAME_MAX + 1];
    struct io_sim_node *dir;
    *out = NULL;
    int64_t rule = ask_rule(fs, IO_SIM_DISK_OPEN, NULL, path[0] == '/' ? path + 1 : path, 0, 0);
    if (rule < 0) {
        return noted(fs, IO_SIM_DISK_OPEN, path, (int)rule);
    }
    int rc =
        path[0] == 0 ? SPATE_ENOENT : io_sim_tree_parent(tree, path, make, wall_of(fs), &dir, name);
    if (rc == 0 && (name[0] == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)) {
        rc = io_sim_tree_follow(tree, dir, name, &dir);
        rc = rc < 0 ? rc : file_create(fs, dir, flags, out);
    } else if (rc == 0) {
        rc = open_child(fs, dir, name, flags | IO_OPEN_FOLLOW, out);
    }
    return noted(fs, IO_SIM_DISK_OPEN, path, rc);
}

static int disk_open(struct io_fs *fs, struct io_file *dir, const char *name, int flags,
                     struct io_file **out)
{
    *out = NULL;
    int rc = check_name(name);
    if (rc == 0) {
        rc = (int)ask_rule(fs, IO_SIM_DISK_OPEN, dir->node, name, 0, 0);
    }
    if (rc == 0) {
        rc = dir->node->type == IO_TYPE_DIRECTORY ? open_child(fs, dir->node, name, flags, out)
                                                  : SPATE_ENOTDIR;
    }
    return noted(fs, IO_SIM_DISK_OPEN, name, rc);
}

static void disk_close(struct io_fs *fs, struct io_file *file)
{
    struct io_sim_node *node = file->node;
    if (node->locker == file) {
        node->locker = NULL;
    }
    list_remove(&file->link);
    free(file);
    io_sim_tree_release(&disk_of(fs)->tree, node);
}

/* ---- bytes ------------------------------------------------------------------------------------ */

static uint64_t parts_bytes(const struct iovec *v, int count)
{
    uint64_t size = 0;
    for (int i = 0; i < count; i++) {
        size += v[i].iov_len;
    }
    return size;
}

static int64_t disk_read(struct io_fs *fs, struct io_file *file, uint64_t offset,
                         const struct iovec *v, int count)
{
    const struct io_sim_node *node = file->node;
    uint64_t asked = parts_bytes(v, count), done = 0;
    uint64_t there = offset < node->length ? node->length - offset : 0;
    int64_t rule = ask_rule(fs, IO_SIM_DISK_READ, node, NULL, offset, asked);
    rule = node->type == IO_TYPE_DIRECTORY ? SPATE_EISDIR : rule;
    rule = offset > INT64_MAX ? SPATE_EINVAL : rule;
    if (rule < 0) {
        note(fs, IO_SIM_DISK_READ, asked, rule, 0);
        return rule;
    }
    there = there < asked ? there : asked;
    if (rule > 0 && (uint64_t)rule < there) {
        there = (uint64_t)rule;
    }
    for (int i = 0; i < count && done < there; i++) {
        size_t n = v[i].iov_len < there - done ? v[i].iov_len : (size_t)(there - done);
        io_sim_pages_read(&node->pages, offset + done, v[i].iov_base, n);
        done += n;
    }
    charge_bytes(fs, done);
    note(fs, IO_SIM_DISK_READ, asked, (int64_t)done, io_sim_log_parts(v, count, done));
    return (int64_t)done;
}

static int64_t write_check(struct io_fs *fs, struct io_file *file, uint64_t offset, uint64_t size)
{
    const struct io_sim_disk_state *disk = disk_of(fs);
    const struct io_sim_node *node = file->node;
    int64_t rule = ask_rule(fs, IO_SIM_DISK_WRITE, node, NULL, offset, size);
    if (rule < 0) {
        return rule;
    }
    if (offset > INT64_MAX - size) {
        return SPATE_EINVAL;
    }
    if (node->type != IO_TYPE_FILE || !(file->flags & IO_OPEN_WRITE)) {
        return SPATE_EIO;
    }
    uint64_t missing = io_sim_pages_missing(&node->pages, offset, size);
    return disk->tree.used_pages + missing > capacity_pages(disk) ? SPATE_ENOSPC : 0;
}

static int64_t disk_write(struct io_fs *fs, struct io_file *file, uint64_t offset,
                          const struct iovec *v, int count)
{
    struct io_sim_disk_state *disk = disk_of(fs);
    struct io_sim_node *node = file->node;
    uint64_t size = parts_bytes(v, count), done = 0;
    int64_t rc = write_check(fs, file, offset, size);
    if (rc < 0 || size == 0) {
        note(fs, IO_SIM_DISK_WRITE, size, rc, 0);
        return rc;
    }
    uint64_t pages_before = node->pages.count;
    for (int i = 0; i < count; i++) {
        io_sim_pages_write(&node->pages, offset + done, v[i].iov_base, v[i].iov_len);
        done += v[i].iov_len;
    }
    disk->tree.used_pages += node->pages.count - pages_before;
    node->length = node->length > offset + done ? node->length : offset + done;
    node->modified_ns = node->changed_ns = wall_of(fs);
    charge_bytes(fs, done);
    note(fs, IO_SIM_DISK_WRITE, size, (int64_t)done, io_sim_log_parts(v, count, done));
    return (int64_t)done;
}

static int disk_sync(struct io_fs *fs, struct io_file *file)
{
    int64_t rule = ask_rule(fs, IO_SIM_DISK_SYNC, file->node, NULL, 0, 0);
    if (!view_of(fs)->outside) {
        disk_of(fs)->job_ns += disk_of(fs)->settings.sync_ns;
    }
    return noted(fs, IO_SIM_DISK_SYNC, NULL, rule < 0 ? (int)rule : 0);
}

static int disk_allocate(struct io_fs *fs, struct io_file *file, uint64_t length,
                         enum io_allocate how)
{
    struct io_sim_disk_state *disk = disk_of(fs);
    struct io_sim_node *node = file->node;
    int64_t rc = ask_rule(fs, IO_SIM_DISK_ALLOCATE, node, NULL, 0, length);
    if (rc >= 0) {
        rc = length > INT64_MAX ? SPATE_EINVAL : 0;
    }
    if (rc == 0 && how == IO_ALLOCATE_FULL && length > 0) {
        uint64_t missing = io_sim_pages_missing(&node->pages, 0, length);
        if (disk->tree.used_pages + missing > capacity_pages(disk)) {
            rc = SPATE_ENOSPC;
        } else {
            io_sim_pages_reserve(&node->pages, 0, length);
            disk->tree.used_pages += missing;
        }
    }
    if (rc == 0 && length > node->length) {
        node->length = length;
        node->modified_ns = node->changed_ns = wall_of(fs);
    }
    note(fs, IO_SIM_DISK_ALLOCATE, length, rc, 0);
    return (int)rc;
}

static int disk_truncate(struct io_fs *fs, struct io_file *file, uint64_t length)
{
    struct io_sim_node *node = file->node;
    int64_t rc = ask_rule(fs, IO_SIM_DISK_TRUNCATE, node, NULL, 0, length);
    rc = rc < 0 ? rc : length > INT64_MAX ? SPATE_EINVAL : 0;
    if (rc == 0) {
        uint64_t before = node->pages.count;
        if (length < node->length) {
            io_sim_pages_cut(&node->pages, length);
        }
        disk_of(fs)->tree.used_pages -= before - node->pages.count;
        node->length = length;
        node->modified_ns = node->changed_ns = wall_of(fs);
    }
    note(fs, IO_SIM_DISK_TRUNCATE, length, rc, 0);
    return (int)rc;
}

/* ---- names and their properties --------------------------------------------------------------- */

static void describe(const struct io_sim_host *host, const struct io_sim_node *node,
                     struct io_stat *out)
{
    *out = (struct io_stat){
        .device = host->id,
        .inode = node->inode,
        .length = node->type == IO_TYPE_SYMLINK ? strlen(node->target) : node->length,
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

static int disk_stat(struct io_fs *fs, struct io_file *file, struct io_stat *out)
{
    int64_t rule = ask_rule(fs, IO_SIM_DISK_STAT, file->node, NULL, 0, 0);
    if (rule >= 0) {
        describe(view_of(fs)->host, file->node, out);
    }
    return noted(fs, IO_SIM_DISK_STAT, NULL, rule < 0 ? (int)rule : 0);
}

static int disk_stat_at(struct io_fs *fs, struct io_file *dir, const char *name,
                        struct io_stat *out)
{
    int rc = check_name(name);
    if (rc == 0) {
        rc = (int)ask_rule(fs, IO_SIM_DISK_STAT, dir->node, name, 0, 0);
    }
    if (rc == 0) {
        const struct io_sim_node *node = io_sim_tree_child(&disk_of(fs)->tree, dir->node, name);
        if (node) {
            describe(view_of(fs)->host, node, out);
        }
        rc = node ? 0 : SPATE_ENOENT;
    }
    return noted(fs, IO_SIM_DISK_STAT, name, rc);
}

static bool is_below(const struct io_sim_node *node, const struct io_sim_node *dir)
{
    for (; node; node = node->parent) {
        if (node == dir) {
            return true;
        }
    }
    return false;
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

static int disk_rename(struct io_fs *fs, struct io_file *dir, const char *from,
                       struct io_file *to_dir, const char *to)
{
    struct io_sim_tree *tree = &disk_of(fs)->tree;
    int rc = check_name(from);
    rc = rc < 0 ? rc : check_name(to);
    if (rc == 0) {
        rc = (int)ask_rule(fs, IO_SIM_DISK_RENAME, dir->node, from, 0, 0);
    }
    if (rc == 0) {
        struct io_sim_node *node = io_sim_tree_child(tree, dir->node, from);
        struct io_sim_node *old = io_sim_tree_child(tree, to_dir->node, to);
        bool to_is_gone = !to_dir->node->parent && to_dir->node != tree->root;
        rc = !node || to_is_gone            ? SPATE_ENOENT
             : is_below(to_dir->node, node) ? SPATE_EINVAL
                                            : may_replace(node, old);
        if (rc == 0 && node != old) {
            if (old) {
                io_sim_tree_remove(tree, old, wall_of(fs));
            }
            io_sim_tree_move(tree, node, to_dir->node, to, wall_of(fs));
        }
    }
    return noted(fs, IO_SIM_DISK_RENAME, to, rc);
}

static int disk_unlink(struct io_fs *fs, struct io_file *dir, const char *name)
{
    struct io_sim_tree *tree = &disk_of(fs)->tree;
    int rc = check_name(name);
    if (rc == 0) {
        rc = (int)ask_rule(fs, IO_SIM_DISK_UNLINK, dir->node, name, 0, 0);
    }
    if (rc == 0) {
        struct io_sim_node *node = io_sim_tree_child(tree, dir->node, name);
        rc = !node ? SPATE_ENOENT : node->type == IO_TYPE_DIRECTORY ? SPATE_EISDIR : 0;
        if (rc == 0) {
            io_sim_tree_remove(tree, node, wall_of(fs));
        }
    }
    return noted(fs, IO_SIM_DISK_UNLINK, name, rc);
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

static int disk_list(struct io_fs *fs, struct io_file *dir, uint64_t *cursor, char *name,
                     size_t size)
{
    int64_t rule = ask_rule(fs, IO_SIM_DISK_LIST, dir->node, NULL, 0, 0);
    if (rule < 0) {
        return noted(fs, IO_SIM_DISK_LIST, NULL, (int)rule);
    }
    if (dir->removals != dir->node->removals) {
        dir->listed = NULL;
    }
    struct io_sim_node *next = list_next(dir, *cursor);
    if (!next) {
        return noted(fs, IO_SIM_DISK_LIST, NULL, 0);
    }
    dir->listed = next;
    dir->removals = dir->node->removals;
    *cursor = next->place;
    if (strlen(next->name) >= size) {
        return noted(fs, IO_SIM_DISK_LIST, NULL, SPATE_ENAMETOOLONG);
    }
    memcpy(name, next->name, strlen(next->name) + 1);
    return noted(fs, IO_SIM_DISK_LIST, name, 1);
}

static int disk_space(struct io_fs *fs, struct io_file *dir, uint64_t *free_bytes)
{
    const struct io_sim_disk_state *disk = disk_of(fs);
    uint64_t used = disk->tree.used_pages, all = capacity_pages(disk);
    int64_t rule = ask_rule(fs, IO_SIM_DISK_SPACE, dir->node, NULL, 0, 0);
    *free_bytes = used < all ? (all - used) * IO_SIM_PAGE_BYTES : 0;
    note(fs, IO_SIM_DISK_SPACE, *free_bytes, rule, 0);
    return rule < 0 ? (int)rule : 0;
}

static int disk_name_max(struct io_fs *fs, struct io_file *dir)
{
    (void)fs;
    (void)dir;
    return IO_SIM_NAME_MAX;
}

static int disk_lock(struct io_fs *fs, struct io_file *file)
{
    int64_t rule = ask_rule(fs, IO_SIM_DISK_LOCK, file->node, NULL, 0, 0);
    int rc = rule < 0                                           ? (int)rule
             : file->node->locker && file->node->locker != file ? SPATE_ELOCKED
                                                                : 0;
    if (rc == 0) {
        file->node->locker = file;
    }
    return noted(fs, IO_SIM_DISK_LOCK, NULL, rc);
}

static int disk_real_path(struct io_fs *fs, const char *path, char *out, size_t size)
{
    return io_sim_tree_real_path(&disk_of(fs)->tree, path, out, size);
}

static const struct io_fs_driver disk_driver = {
    .open_path = disk_open_path,
    .open = disk_open,
    .close = disk_close,
    .read = disk_read,
    .write = disk_write,
    .sync = disk_sync,
    .allocate = disk_allocate,
    .truncate = disk_truncate,
    .stat = disk_stat,
    .stat_at = disk_stat_at,
    .rename = disk_rename,
    .unlink = disk_unlink,
    .list = disk_list,
    .space = disk_space,
    .name_max = disk_name_max,
    .lock = disk_lock,
    .real_path = disk_real_path,
};

/* ---- the disk --------------------------------------------------------------------------------- */

struct io_sim_disk io_sim_disk_default(void)
{
    return (struct io_sim_disk){
        .capacity_bytes = UINT64_C(1) << 40,
        .latency_ns = 50000,
        .sync_ns = 2000000,
        .bytes_per_s = 500000000,
    };
}

void io_sim_set_disk(struct io *io, const struct io_sim_disk *settings)
{
    io_sim_host_of(io)->disk.settings = *settings;
}

void io_sim_set_disk_rule(struct io *io, io_sim_disk_rule *rule, void *user)
{
    io_sim_host_of(io)->disk.rule = rule;
    io_sim_host_of(io)->disk.rule_user = user;
}

struct io_fs *io_sim_fs(struct io *io)
{
    return &io_sim_host_of(io)->disk.outside.fs;
}

void io_sim_disk_init(struct io_sim_disk_state *disk, struct io_sim_host *host)
{
    disk->settings = io_sim_disk_default();
    disk->inside = (struct io_sim_fs){.fs = {.driver = &disk_driver}, .host = host};
    disk->outside = disk->inside;
    disk->outside.outside = true;
    list_init(&disk->files);
    io_sim_tree_init(&disk->tree, host->sim->seed);
}

void io_sim_disk_deinit(struct io_sim_disk_state *disk)
{
    struct list *link;
    while ((link = list_first(&disk->files))) {
        disk_close(&disk->outside.fs, list_entry(link, struct io_file, link));
    }
    io_sim_tree_deinit(&disk->tree);
}

/* ---- from outside ----------------------------------------------------------------------------- */

/* Opens a file below directories that are made when missing. */
static int open_deep(struct io *io, const char *path, struct io_file **out)
{
    struct io_fs *fs = io_sim_fs(io);
    char name[IO_SIM_NAME_MAX + 1];
    struct io_sim_node *dir;
    *out = NULL;
    int rc = io_sim_tree_parent(&disk_of(fs)->tree, path, true, wall_of(fs), &dir, name);
    if (rc == 0) {
        rc = check_name(name);
    }
    return rc < 0 ? rc
                  : open_child(fs, dir, name,
                               IO_OPEN_READ | IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_FOLLOW, out);
}

int io_sim_file_write(struct io *io, const char *path, struct span bytes)
{
    struct io_fs *fs = io_sim_fs(io);
    struct iovec v = {(void *)(uintptr_t)bytes.bytes, bytes.size};
    struct io_file *file;
    int rc = open_deep(io, path, &file);
    if (rc == 0) {
        rc = disk_truncate(fs, file, 0);
        int64_t n = disk_write(fs, file, 0, &v, 1);
        rc = n < 0 ? (int)n : rc;
        disk_close(fs, file);
    }
    return rc;
}

int io_sim_file_read(struct io *io, const char *path, uint8_t **out, size_t *size)
{
    struct io_fs *fs = io_sim_fs(io);
    struct io_file *file;
    *out = NULL;
    *size = 0;
    int rc = disk_open_path(fs, path, IO_OPEN_READ, &file);
    if (rc < 0) {
        return rc;
    }
    *size = (size_t)file->node->length;
    *out = malloc(*size > 0 ? *size : 1);
    ASSERT(*out);
    struct iovec v = {*out, *size};
    int64_t n = disk_read(fs, file, 0, &v, 1);
    disk_close(fs, file);
    return n < 0 ? (int)n : 0;
}

int io_sim_symlink(struct io *io, const char *path, const char *target)
{
    struct io_fs *fs = io_sim_fs(io);
    struct io_sim_tree *tree = &disk_of(fs)->tree;
    char name[IO_SIM_NAME_MAX + 1];
    struct io_sim_node *dir;
    int rc = io_sim_tree_parent(tree, path, true, wall_of(fs), &dir, name);
    rc = rc < 0 ? rc : check_name(name);
    if (rc == 0 && io_sim_tree_child(tree, dir, name)) {
        rc = SPATE_EEXIST;
    }
    if (rc == 0) {
        struct io_sim_node *node = io_sim_tree_add(tree, dir, name, IO_TYPE_SYMLINK, wall_of(fs));
        node->target = io_sim_take(strlen(target) + 1);
        memcpy(node->target, target, strlen(target));
    }
    return rc;
}
