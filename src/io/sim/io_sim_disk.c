/* The file calls of the port over a tree in memory. Each asks who may refuse it, does its part, and adds
 * its cost to the job that makes it. Writes take room before they change anything, so that a full disk
 * leaves a file as it was. */
#include "io/sim/io_sim_sqlite.h"
#include "io/sim/io_sim_world.h"

#include <stdlib.h>

static const uint64_t ns_per_s = 1000000000;

static struct io_sim_disk_state *disk_of(struct io_fs *fs)
{
    return &io_sim_view(fs)->host->disk;
}

int64_t io_sim_disk_wall_ns(struct io_fs *fs)
{
    const struct io_sim_host *host = io_sim_view(fs)->host;
    return host->sim->now_ns + host->wall_offset_ns;
}

/* ---- beginning a call ------------------------------------------------------------------------- */

static void ask_path(const struct io_sim_disk_ask *ask, char path[IO_SIM_PATH_MAX])
{
    const char *name = ask->name && ask->name[0] == '/' ? ask->name + 1 : ask->name;
    io_sim_tree_path(ask->file ? ask->file->node : NULL, name, path);
}

/* What a mount that is gone says. */
static int ask_mount(const struct io_sim_disk_state *disk, const struct io_sim_disk_ask *ask)
{
    char path[IO_SIM_PATH_MAX];
    size_t size = strlen(disk->mount_path);
    ask_path(ask, path);
    if (strncmp(path, disk->mount_path, size) != 0 || (path[size] != 0 && path[size] != '/')) {
        return 0;
    }
    if (disk->mount == IO_SIM_MOUNT_FAILING) {
        return SPATE_EIO;
    }
    if (path[size] == 0) {
        return 0;
    }
    char below[IO_SIM_PATH_MAX];
    io_sim_tree_path(ask->file ? ask->file->node : NULL, NULL, below);
    bool from_above = ask->name && strlen(below) <= size;
    return from_above ? SPATE_ENOENT : SPATE_EIO;
}

static bool changes(enum io_sim_disk_kind kind)
{
    return kind == IO_SIM_DISK_WRITE || kind == IO_SIM_DISK_ALLOCATE ||
           kind == IO_SIM_DISK_TRUNCATE || kind == IO_SIM_DISK_RENAME || kind == IO_SIM_DISK_UNLINK;
}

static int64_t ask_rule(struct io_fs *fs, const struct io_sim_disk_ask *ask, uint64_t index,
                        struct io_sim_disk_fault *fault)
{
    struct io_sim_disk_state *disk = disk_of(fs);
    char path[IO_SIM_PATH_MAX];
    ask_path(ask, path);
    struct io_sim_disk_call call = {.host = &io_sim_view(fs)->host->io,
                                    .kind = ask->kind,
                                    .path = path,
                                    .offset = ask->offset,
                                    .length = ask->length,
                                    .index = index,
                                    .fault = fault};
    return disk->rule(disk->rule_user, &call);
}

int64_t io_sim_disk_begin(struct io_fs *fs, const struct io_sim_disk_ask *ask,
                          struct io_sim_disk_fault *fault)
{
    struct io_sim_fs *view = io_sim_view(fs);
    struct io_sim_disk_state *disk = &view->host->disk;
    *fault = (struct io_sim_disk_fault){0};
    if (view->outside) {
        return disk->tree ? 0 : SPATE_EIO;
    }
    if (!disk->dead && disk->calls == disk->crash_at) {
        io_sim_crash(&view->host->io, IO_SIM_CRASH_POWER);
    }
    if (disk->dead) {
        return SPATE_EIO;
    }
    uint64_t index = disk->calls++;
    disk->job_ns += disk->settings.latency_ns;
    if (index >= disk->fail_at && index <= disk->fail_last) {
        return disk->fail_error;
    }
    if (disk->settings.read_only && changes(ask->kind)) {
        return SPATE_EROFS;
    }
    int gone = disk->mount != IO_SIM_MOUNT_THERE ? ask_mount(disk, ask) : 0;
    return gone < 0 || !disk->rule ? gone : ask_rule(fs, ask, index, fault);
}

int io_sim_disk_ask(struct io_fs *fs, enum io_sim_disk_kind kind, const struct io_file *file,
                    const char *name, uint64_t length)
{
    struct io_sim_disk_fault fault;
    const struct io_sim_disk_ask ask = {.kind = kind, .file = file, .name = name, .length = length};
    int64_t rc = io_sim_disk_begin(fs, &ask, &fault);
    return rc < 0 ? (int)rc : 0;
}

void io_sim_disk_charge(struct io_fs *fs, uint64_t bytes)
{
    struct io_sim_fs *view = io_sim_view(fs);
    struct io_sim_disk_state *disk = &view->host->disk;
    if (view->outside || disk->settings.bytes_per_s == 0) {
        return;
    }
    int64_t begin_ns = view->host->sim->now_ns + disk->job_ns;
    int64_t free_ns = disk->free_ns > begin_ns ? disk->free_ns : begin_ns;
    disk->free_ns = free_ns + (int64_t)(bytes * ns_per_s / disk->settings.bytes_per_s);
    disk->job_ns += disk->free_ns - begin_ns;
}

void io_sim_disk_note(struct io_fs *fs, enum io_sim_disk_kind kind, uint64_t length, int64_t status,
                      uint64_t bytes)
{
    if (!io_sim_view(fs)->outside) {
        io_sim_note(io_sim_view(fs)->host, (enum io_sim_log_kind)(IO_SIM_LOG_DISK_OPEN + (int)kind),
                    length, status, bytes);
    }
}

int io_sim_disk_noted(struct io_fs *fs, enum io_sim_disk_kind kind, const char *name, int status)
{
    io_sim_disk_note(fs, kind, 0, status, name ? io_sim_log_bytes(0, name, strlen(name)) : 0);
    return status;
}

void io_sim_disk_settle(struct io_fs *fs, struct io_sim_node *node)
{
    if (io_sim_view(fs)->outside) {
        io_sim_pages_sync(&node->pages);
        node->synced_ns = node->modified_ns;
        io_sim_journal_sync_above(disk_of(fs)->tree, node);
    }
}

/* ---- opening and closing ---------------------------------------------------------------------- */

int io_sim_disk_check_name(const char *name)
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

int io_sim_disk_open_child(struct io_fs *fs, struct io_sim_node *dir, const char *name, int flags,
                           struct io_file **out)
{
    struct io_sim_tree *tree = disk_of(fs)->tree;
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
        if (disk_of(fs)->settings.read_only && !io_sim_view(fs)->outside) {
            return SPATE_EROFS;
        }
        node = io_sim_journal_add(tree, dir, name, type, io_sim_disk_wall_ns(fs));
        io_sim_disk_settle(fs, node);
    }
    return file_create(fs, node, flags, out);
}

static int open_path(struct io_fs *fs, const char *path, int flags, struct io_file **out)
{
    struct io_sim_tree *tree = disk_of(fs)->tree;
    bool make = (flags & IO_OPEN_CREATE) && (flags & IO_OPEN_DIRECTORY);
    char name[IO_SIM_NAME_MAX + 1];
    struct io_sim_node *dir;
    if (path[0] == 0) {
        return SPATE_ENOENT;
    }
    if (make && disk_of(fs)->settings.read_only && !io_sim_view(fs)->outside) {
        make = false;
    }
    int rc = io_sim_tree_parent(tree, path, make, io_sim_disk_wall_ns(fs), &dir, name);
    if (rc < 0) {
        return rc;
    }
    io_sim_disk_settle(fs, dir);
    if (name[0] == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        rc = io_sim_tree_follow(tree, dir, name, &dir);
        return rc < 0 ? rc : file_create(fs, dir, flags, out);
    }
    return io_sim_disk_open_child(fs, dir, name, flags | IO_OPEN_FOLLOW, out);
}

static int disk_open_path(struct io_fs *fs, const char *path, int flags, struct io_file **out)
{
    *out = NULL;
    int rc = io_sim_disk_ask(fs, IO_SIM_DISK_OPEN, NULL, path, 0);
    rc = rc < 0 ? rc : open_path(fs, path, flags, out);
    return io_sim_disk_noted(fs, IO_SIM_DISK_OPEN, path, rc);
}

static int disk_open(struct io_fs *fs, struct io_file *dir, const char *name, int flags,
                     struct io_file **out)
{
    *out = NULL;
    int rc = io_sim_disk_check_name(name);
    if (rc == 0) {
        rc = io_sim_disk_ask(fs, IO_SIM_DISK_OPEN, dir, name, 0);
    }
    if (rc == 0) {
        rc = dir->node->type == IO_TYPE_DIRECTORY
                 ? io_sim_disk_open_child(fs, dir->node, name, flags, out)
                 : SPATE_ENOTDIR;
    }
    return io_sim_disk_noted(fs, IO_SIM_DISK_OPEN, name, rc);
}

static void disk_close(struct io_fs *fs, struct io_file *file)
{
    struct io_sim_node *node = file->node;
    if (node && node->locker == file) {
        node->locker = NULL;
    }
    list_remove(&file->link);
    free(file);
    if (node) {
        io_sim_tree_release(disk_of(fs)->tree, node);
    }
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

static void flip_part(const struct iovec *v, int count, const struct io_sim_disk_fault *fault)
{
    uint64_t at = fault->flip_at;
    for (int i = 0; i < count; i++) {
        if (at < v[i].iov_len) {
            ((uint8_t *)v[i].iov_base)[at] ^= fault->flip;
            return;
        }
        at -= v[i].iov_len;
    }
}

static int64_t read_parts(struct io_fs *fs, struct io_file *file, uint64_t offset,
                          const struct iovec *v, int count, uint64_t asked)
{
    struct io_sim_disk_fault fault;
    const struct io_sim_disk_ask ask = {
        .kind = IO_SIM_DISK_READ, .file = file, .offset = offset, .length = asked};
    int64_t rule = io_sim_disk_begin(fs, &ask, &fault);
    if (rule < 0) {
        return rule;
    }
    const struct io_sim_node *node = file->node;
    if (node->type == IO_TYPE_DIRECTORY || offset > INT64_MAX) {
        return node->type == IO_TYPE_DIRECTORY ? SPATE_EISDIR : SPATE_EINVAL;
    }
    uint64_t there = offset < node->pages.length ? node->pages.length - offset : 0, done = 0;
    there = there < asked ? there : asked;
    if (rule > 0 && (uint64_t)rule < there) {
        there = (uint64_t)rule;
    }
    for (int i = 0; i < count && done < there; i++) {
        size_t n = v[i].iov_len < there - done ? v[i].iov_len : (size_t)(there - done);
        io_sim_pages_read(&node->pages, offset + done, v[i].iov_base, n);
        done += n;
    }
    done = v ? done : there; /* without parts nothing is wanted but that it is in memory */
    if (v && fault.flip && fault.flip_at < done) {
        flip_part(v, count, &fault);
    }
    io_sim_disk_charge(fs, done);
    return (int64_t)done;
}

static int64_t disk_read(struct io_fs *fs, struct io_file *file, uint64_t offset,
                         const struct iovec *v, int count)
{
    uint64_t asked = parts_bytes(v, count);
    int64_t n = read_parts(fs, file, offset, v, count, asked);
    io_sim_disk_note(fs, IO_SIM_DISK_READ, asked, n,
                     n > 0 && !file->is_opaque ? io_sim_log_parts(v, count, (uint64_t)n) : 0);
    return n;
}

static int write_check(struct io_fs *fs, const struct io_file *file, uint64_t offset, uint64_t size)
{
    const struct io_sim_disk_state *disk = disk_of(fs);
    const struct io_sim_node *node = file->node;
    if (offset > INT64_MAX - size) {
        return SPATE_EINVAL;
    }
    if (node->type != IO_TYPE_FILE || !(file->flags & IO_OPEN_WRITE)) {
        return SPATE_EIO;
    }
    uint64_t missing = io_sim_pages_missing(&node->pages, offset, size);
    return missing > 0 && disk->tree->used_pages + missing > io_sim_disk_pages(disk) ? SPATE_ENOSPC
                                                                                     : 0;
}

static void touch(struct io_fs *fs, struct io_sim_node *node)
{
    node->modified_ns = node->changed_ns = io_sim_disk_wall_ns(fs);
    io_sim_tree_count(disk_of(fs)->tree, node);
    io_sim_disk_settle(fs, node);
}

/* The first so many bytes of the parts. */
static void put_parts(struct io_fs *fs, struct io_sim_node *node, uint64_t offset,
                      const struct iovec *v, int count, uint64_t size)
{
    uint64_t done = 0;
    node->pages.durable_only = io_sim_view(fs)->outside;
    for (int i = 0; i < count && done < size; i++) {
        size_t n = v[i].iov_len < size - done ? v[i].iov_len : (size_t)(size - done);
        io_sim_pages_write(&node->pages, offset + done, v[i].iov_base, n);
        done += n;
    }
    node->pages.durable_only = false;
    io_sim_disk_charge(fs, done);
    touch(fs, node);
}

static void flip_on_disk(struct io_sim_node *node, uint64_t offset,
                         const struct io_sim_disk_fault *fault)
{
    uint8_t byte;
    io_sim_pages_read(&node->pages, offset + fault->flip_at, &byte, 1);
    byte ^= fault->flip;
    io_sim_pages_write(&node->pages, offset + fault->flip_at, &byte, 1);
}

static int64_t write_parts(struct io_fs *fs, struct io_file *file, uint64_t offset,
                           const struct iovec *v, int count, uint64_t size)
{
    struct io_sim_disk_fault fault;
    const struct io_sim_disk_ask ask = {
        .kind = IO_SIM_DISK_WRITE, .file = file, .offset = offset, .length = size};
    int64_t rule = io_sim_disk_begin(fs, &ask, &fault);
    int64_t rc = rule < 0 ? rule : write_check(fs, file, offset, size);
    if (rc < 0 || size == 0) {
        return rc;
    }
    bool is_short = rule > 0 && (uint64_t)rule < size;
    put_parts(fs, file->node, offset, v, count, is_short ? (uint64_t)rule : size);
    if (fault.flip && fault.flip_at < (is_short ? (uint64_t)rule : size)) {
        flip_on_disk(file->node, offset, &fault);
    }
    return is_short ? SPATE_ENOSPC : (int64_t)size;
}

static int64_t disk_write(struct io_fs *fs, struct io_file *file, uint64_t offset,
                          const struct iovec *v, int count)
{
    uint64_t size = parts_bytes(v, count);
    int64_t n = write_parts(fs, file, offset, v, count, size);
    io_sim_disk_note(fs, IO_SIM_DISK_WRITE, size, n,
                     n > 0 && !file->is_opaque ? io_sim_log_parts(v, count, (uint64_t)n) : 0);
    return n;
}

/* Pages that could not be stored are no longer dirty, and gone: no later sync stores them. */
static void lose_pages(struct io_sim_disk_state *disk, struct io_sim_node *node)
{
    io_sim_pages_fail_sync(&node->pages, &disk->dice);
    io_sim_tree_count(disk->tree, node);
}

static int disk_sync(struct io_fs *fs, struct io_file *file)
{
    struct io_sim_disk_state *disk = disk_of(fs);
    int rc = io_sim_disk_ask(fs, IO_SIM_DISK_SYNC, file, NULL, 0);
    if (!io_sim_view(fs)->outside && !disk->dead) {
        disk->job_ns += disk->settings.sync_ns;
    }
    if (file->node && file->node->type == IO_TYPE_DIRECTORY) {
        if (rc == 0) {
            io_sim_journal_sync(disk->tree, file->node);
        }
    } else if (file->node && rc == 0) {
        io_sim_pages_sync(&file->node->pages);
        file->node->synced_ns = file->node->modified_ns;
    } else if (file->node) {
        lose_pages(disk, file->node);
    }
    return io_sim_disk_noted(fs, IO_SIM_DISK_SYNC, NULL, rc);
}

static int allocate(struct io_fs *fs, struct io_sim_node *node, uint64_t length,
                    enum io_allocate how)
{
    struct io_sim_disk_state *disk = disk_of(fs);
    if (length > INT64_MAX) {
        return SPATE_EINVAL;
    }
    if (how == IO_ALLOCATE_FULL && length > 0) {
        uint64_t missing = io_sim_pages_missing(&node->pages, 0, length);
        if (disk->tree->used_pages + missing > io_sim_disk_pages(disk)) {
            return SPATE_ENOSPC;
        }
        io_sim_pages_reserve(&node->pages, 0, length);
        io_sim_tree_count(disk->tree, node);
    }
    if (length > node->pages.length) {
        io_sim_pages_set_length(&node->pages, length);
        touch(fs, node);
    }
    return 0;
}

static int disk_allocate(struct io_fs *fs, struct io_file *file, uint64_t length,
                         enum io_allocate how)
{
    int rc = io_sim_disk_ask(fs, IO_SIM_DISK_ALLOCATE, file, NULL, length);
    rc = rc < 0 ? rc : allocate(fs, file->node, length, how);
    io_sim_disk_note(fs, IO_SIM_DISK_ALLOCATE, length, rc, 0);
    return rc;
}

static int disk_truncate(struct io_fs *fs, struct io_file *file, uint64_t length)
{
    int rc = io_sim_disk_ask(fs, IO_SIM_DISK_TRUNCATE, file, NULL, length);
    rc = rc < 0 ? rc : length > INT64_MAX ? SPATE_EINVAL : 0;
    if (rc == 0) {
        struct io_sim_node *node = file->node;
        node->pages.durable_only = io_sim_view(fs)->outside;
        io_sim_pages_set_length(&node->pages, length);
        node->pages.durable_only = false;
        touch(fs, node);
    }
    io_sim_disk_note(fs, IO_SIM_DISK_TRUNCATE, length, rc, 0);
    return rc;
}

/* A call that reads and hands nothing over: silent corruption has nothing to strike. */
static int disk_fetch(struct io_fs *fs, struct io_file *file, uint64_t offset, uint64_t length)
{
    int64_t n = read_parts(fs, file, offset, NULL, 0, length);
    int rc = n < 0 ? (int)n : (uint64_t)n < length ? SPATE_ESHORT : 0;
    io_sim_disk_note(fs, IO_SIM_DISK_READ, length, rc, 0);
    return rc;
}

/* What the page cache holds is not modelled: it is said to have some places of a file and not others, so that those who
 * ask go either way. */
static bool disk_is_in_memory(struct io_fs *fs, struct io_file *file, uint64_t offset,
                              uint64_t length)
{
    (void)fs;
    return file->node && offset + length <= file->node->pages.length &&
           ((offset >> 14 ^ offset >> 16 ^ offset >> 18) & 1) == 0;
}

uint64_t io_sim_disk_peek(const struct io_file *file, uint64_t offset, uint8_t *bytes,
                          uint64_t size, struct io_sim_payload_place *place, bool *is_payload)
{
    const struct io_sim_pages *pages = file->node ? &file->node->pages : NULL;
    uint64_t there = pages && offset < pages->length ? pages->length - offset : 0;
    there = there < size ? there : size;
    *is_payload = there > 0 && there == size && io_sim_pages_find(pages, offset, size, place);
    if (there > 0 && !*is_payload) {
        io_sim_pages_read(pages, offset, bytes, (size_t)there);
    }
    return there;
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
    .stat = io_sim_disk_stat,
    .stat_at = io_sim_disk_stat_at,
    .rename = io_sim_disk_rename,
    .unlink = io_sim_disk_unlink,
    .list = io_sim_disk_list,
    .space = io_sim_disk_space,
    .name_max = io_sim_disk_name_max,
    .lock = io_sim_disk_lock,
    .real_path = io_sim_disk_real_path,
    .fetch = disk_fetch,
    .is_in_memory = disk_is_in_memory,
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

void io_sim_disk_init(struct io_sim_disk_state *disk, struct io_sim_host *host)
{
    struct io_sim_disks *disks = &host->sim->disks;
    disk->settings = io_sim_disk_default();
    disk->device = host->id;
    disk->inside = (struct io_sim_fs){
        .fs = {.driver = &disk_driver, .sqlite_vfs = io_sim_sqlite_name(disks->sqlite)},
        .host = host};
    disk->outside = disk->inside;
    disk->outside.fs.sqlite_vfs = NULL;
    disk->outside.outside = true;
    disk->crash_at = disk->fail_at = UINT64_MAX;
    dice_init(&disk->dice, host->entropy.state ^ UINT64_C(0x6469736b));
    list_init(&disk->files);
    disk->tree = io_sim_take(sizeof *disk->tree);
    io_sim_tree_init(disk->tree, &disks->payloads, host->sim->seed);
}

static void tree_free(struct io_sim_disk_state *disk)
{
    if (disk->tree) {
        io_sim_journal_settle(disk->tree);
        io_sim_tree_deinit(disk->tree);
        free(disk->tree);
        disk->tree = NULL;
    }
}

void io_sim_disk_deinit(struct io_sim_disk_state *disk)
{
    struct list *link;
    while ((link = list_first(&disk->files))) {
        disk_close(&disk->outside.fs, list_entry(link, struct io_file, link));
    }
    tree_free(disk);
    free(disk->mount_path);
}

void io_sim_disk_kill(struct io_sim_disk_state *disk)
{
    disk->dead = true;
    list_for_each (link, &disk->files) {
        struct io_file *file = list_entry(link, struct io_file, link);
        struct io_sim_node *node = file->node;
        file->node = NULL;
        node->locker = NULL;
        node->sqlite = (struct io_sim_sqlite_locks){0};
        io_sim_tree_release(disk->tree, node);
    }
}

static void lose_bytes(struct io_sim_disk_state *disk)
{
    uint32_t style = dice_below(&disk->dice, IO_SIM_LOSE_KINDS);
    bool alike = dice_below(&disk->dice, 2) == 0; /* all files, or each as it happens */
    struct io_sim_node *node = disk->tree->root;
    for (; node; node = io_sim_tree_next(disk->tree, node)) {
        style = alike ? style : dice_below(&disk->dice, IO_SIM_LOSE_KINDS);
        if (!io_sim_pages_are_durable(&node->pages)) {
            io_sim_pages_crash(&node->pages, (enum io_sim_loss)style, &disk->dice);
            if (dice_below(&disk->dice, 2)) {
                node->modified_ns = node->synced_ns;
            }
        }
        io_sim_tree_count(disk->tree, node);
    }
}

void io_sim_disk_lose(struct io_sim_disk_state *disk)
{
    const struct io_sim_host *host = disk->inside.host;
    uint32_t style = dice_below(&disk->dice, IO_SIM_NAMES_LOSE_KINDS);
    io_sim_journal_crash(disk->tree, (enum io_sim_names_loss)style, &disk->dice,
                         host->sim->now_ns + host->wall_offset_ns);
    lose_bytes(disk);
}

void io_sim_disk_take_over(struct io_sim_disk_state *disk, struct io_sim_disk_state *from)
{
    ASSERT(from->dead && from->tree);
    tree_free(disk);
    disk->tree = from->tree;
    from->tree = NULL;
    disk->settings = from->settings;
    disk->device = from->device;
    disk->dice = from->dice;
    disk->rule = from->rule;
    disk->rule_user = from->rule_user;
    disk->mount = from->mount;
    disk->mount_path = from->mount_path;
    from->mount_path = NULL;
}

void io_sim_disks_init(struct io_sim_disks *disks, struct io_sim *sim)
{
    disks->sqlite = io_sim_sqlite_create(sim);
}

void io_sim_disks_deinit(struct io_sim_disks *disks)
{
    io_sim_sqlite_end(disks->sqlite);
}
