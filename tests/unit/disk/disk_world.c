#include "disk_world.h"

#include "crypto/sha.h"
#include "io/uv/io_uv.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the port: jobs wait in a queue until the test runs them ---- */

static struct disk_world *world_of(struct io *io)
{
    return list_entry(io, struct disk_world, io);
}

static int64_t world_now(struct io *io)
{
    (void)io;
    return 1000000000;
}

static void world_entropy(struct io *io, void *out, size_t size)
{
    (void)io;
    memset(out, 7, size);
}

static void world_turn_end(struct io *io, struct io_op *op)
{
    op->active = true;
    op->cancelled = false;
    list_push_back(&world_of(io)->ends, &op->link);
}

static void world_work(struct io *io, enum io_pool pool, struct io_op *op)
{
    (void)pool;
    ASSERT(!op->active);
    op->active = true;
    op->cancelled = false;
    list_push_back(&world_of(io)->jobs, &op->link);
}

static void world_cancel(struct io *io, struct io_op *op)
{
    (void)io;
    op->cancelled = true;
}

static const struct io_driver driver = {
    .now = world_now,
    .wall = world_now,
    .entropy = world_entropy,
    .turn_end = world_turn_end,
    .work = world_work,
    .cancel = world_cancel,
};

bool disk_world_step(struct disk_world *w)
{
    struct list *node = list_pop_front(&w->jobs);
    struct io_op *op;
    int status = SPATE_ECANCELED;
    if (node) {
        op = list_entry(node, struct io_op, link);
        if (!op->cancelled) {
            status = op->run(op, &w->fs);
        }
    } else {
        node = list_pop_front(&w->ends);
        if (!node) {
            return false;
        }
        op = list_entry(node, struct io_op, link);
        status = op->cancelled ? SPATE_ECANCELED : 0;
    }
    op->active = false;
    op->done(op, status);
    return true;
}

void disk_world_run(struct disk_world *w)
{
    while (disk_world_step(w)) {
    }
}

/* ---- files: the real ones, with faults ---- */

static struct disk_world *files_of(struct io_fs *fs)
{
    return list_entry(fs, struct disk_world, fs);
}

static int opened(struct disk_world *w, int rc)
{
    if (rc == 0) {
        w->open_now++;
        w->open_peak = w->open_now > w->open_peak ? w->open_now : w->open_peak;
    }
    return rc;
}

static int fs_open_path(struct io_fs *fs, const char *path, int flags, struct io_file **out)
{
    struct disk_world *w = files_of(fs);
    return opened(w, io_fs_open_path(w->real, path, flags, out));
}

static int fs_open(struct io_fs *fs, struct io_file *dir, const char *name, int flags,
                   struct io_file **out)
{
    struct disk_world *w = files_of(fs);
    if (w->fail_open && !(flags & IO_OPEN_DIRECTORY)) {
        return w->fail_open;
    }
    w->opens_for_writing += (flags & (IO_OPEN_WRITE | IO_OPEN_CREATE)) != 0;
    return opened(w, io_fs_open(w->real, dir, name, flags, out));
}

static void fs_close(struct io_fs *fs, struct io_file *file)
{
    files_of(fs)->open_now--;
    io_fs_close(files_of(fs)->real, file);
}

static int64_t fs_read(struct io_fs *fs, struct io_file *file, uint64_t offset,
                       const struct iovec *v, int count)
{
    struct disk_world *w = files_of(fs);
    if (w->fail_read) {
        return w->fail_read;
    }
    int64_t got = io_fs_read(w->real, file, offset, v, count);
    w->read_bytes += got > 0 ? (uint64_t)got : 0;
    return got;
}

static int64_t fs_write(struct io_fs *fs, struct io_file *file, uint64_t offset,
                        const struct iovec *v, int count)
{
    struct disk_world *w = files_of(fs);
    if (w->fail_write && w->written_bytes >= w->fail_write_after) {
        return w->fail_write;
    }
    int64_t wrote = io_fs_write(w->real, file, offset, v, count);
    w->writes++;
    w->written_bytes += wrote > 0 ? (uint64_t)wrote : 0;
    return wrote;
}

static int fs_sync(struct io_fs *fs, struct io_file *file)
{
    struct disk_world *w = files_of(fs);
    struct io_stat st;
    if (w->fail_sync) {
        return w->fail_sync;
    }
    if (io_fs_stat(w->real, file, &st) == 0 && st.type == IO_TYPE_DIRECTORY) {
        w->directory_syncs++;
    } else {
        w->file_syncs++;
    }
    return io_fs_sync(w->real, file);
}

static int fs_allocate(struct io_fs *fs, struct io_file *file, uint64_t length,
                       enum io_allocate how)
{
    struct disk_world *w = files_of(fs);
    if (w->fail_allocate) {
        return w->fail_allocate;
    }
    if (how == IO_ALLOCATE_FULL && w->no_full_allocation) {
        return SPATE_EUNSUPPORTED;
    }
    return io_fs_allocate(w->real, file, length, how);
}

static int fs_truncate(struct io_fs *fs, struct io_file *file, uint64_t length)
{
    return io_fs_truncate(files_of(fs)->real, file, length);
}

static int fs_stat(struct io_fs *fs, struct io_file *file, struct io_stat *out)
{
    return io_fs_stat(files_of(fs)->real, file, out);
}

static int fs_stat_at(struct io_fs *fs, struct io_file *dir, const char *name, struct io_stat *out)
{
    return io_fs_stat_at(files_of(fs)->real, dir, name, out);
}

static int fs_rename(struct io_fs *fs, struct io_file *dir, const char *from,
                     struct io_file *to_dir, const char *to)
{
    return io_fs_rename(files_of(fs)->real, dir, from, to_dir, to);
}

static int fs_unlink(struct io_fs *fs, struct io_file *dir, const char *name)
{
    return io_fs_unlink(files_of(fs)->real, dir, name);
}

static int fs_list(struct io_fs *fs, struct io_file *dir, uint64_t *cursor, char *name, size_t size)
{
    return io_fs_list(files_of(fs)->real, dir, cursor, name, size);
}

static int fs_space(struct io_fs *fs, struct io_file *dir, uint64_t *free_bytes)
{
    struct disk_world *w = files_of(fs);
    if (w->free_bytes != UINT64_MAX) {
        *free_bytes = w->free_bytes;
        return 0;
    }
    return io_fs_space(w->real, dir, free_bytes);
}

static int fs_name_max(struct io_fs *fs, struct io_file *dir)
{
    return io_fs_name_max(files_of(fs)->real, dir);
}

static int fs_lock(struct io_fs *fs, struct io_file *file)
{
    return io_fs_lock(files_of(fs)->real, file);
}

static int fs_real_path(struct io_fs *fs, const char *path, char *out, size_t size)
{
    return io_fs_real_path(files_of(fs)->real, path, out, size);
}

static int fs_fetch(struct io_fs *fs, struct io_file *file, uint64_t offset, uint64_t length)
{
    struct disk_world *w = files_of(fs);
    w->fetches++;
    w->fetched_bytes += length;
    return w->fail_read ? w->fail_read : io_fs_fetch(w->real, file, offset, length);
}

static bool fs_is_in_memory(struct io_fs *fs, struct io_file *file, uint64_t offset,
                            uint64_t length)
{
    const struct disk_world *w = files_of(fs);
    return w->warm && io_fs_is_in_memory(w->real, file, offset, length);
}

static const struct io_fs_driver fs_driver = {
    .open_path = fs_open_path,
    .open = fs_open,
    .close = fs_close,
    .read = fs_read,
    .write = fs_write,
    .sync = fs_sync,
    .allocate = fs_allocate,
    .truncate = fs_truncate,
    .stat = fs_stat,
    .stat_at = fs_stat_at,
    .rename = fs_rename,
    .unlink = fs_unlink,
    .list = fs_list,
    .space = fs_space,
    .name_max = fs_name_max,
    .lock = fs_lock,
    .real_path = fs_real_path,
    .fetch = fs_fetch,
    .is_in_memory = fs_is_in_memory,
};

/* ---- its life ---- */

struct disk_world *disk_world_create(void)
{
    struct disk_world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->io.driver = &driver;
    w->fs.driver = &fs_driver;
    w->free_bytes = UINT64_MAX;
    list_init(&w->jobs);
    list_init(&w->ends);
    assert_int_equal(io_uv_create(&(struct io_uv_settings){.workers = 1}, &w->uv), 0);
    w->real = io_uv_fs(w->uv);
    snprintf(w->path, sizeof w->path, "/tmp/spate-disk-XXXXXX");
    assert_non_null(mkdtemp(w->path));
    return w;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

void disk_world_destroy(struct disk_world *w)
{
    disk_world_run(w);
    assert_int_equal(w->open_now, 0);
    nftw(w->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    io_uv_destroy(w->uv);
    free(w);
}

const char *disk_world_path(struct disk_world *w, const char *name, char out[PATH_MAX])
{
    assert_true(snprintf(out, PATH_MAX, "%.1000s/%s", w->path, name) < PATH_MAX);
    return out;
}

int64_t disk_world_length(struct disk_world *w, const char *name)
{
    char path[PATH_MAX];
    struct stat st;
    return lstat(disk_world_path(w, name, path), &st) == 0 ? (int64_t)st.st_size : -1;
}

bool disk_world_exists(struct disk_world *w, const char *name)
{
    return disk_world_length(w, name) >= 0;
}

void disk_world_put(struct disk_world *w, const char *name, const void *bytes, size_t size)
{
    char path[PATH_MAX];
    FILE *file = fopen(disk_world_path(w, name, path), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

void disk_world_make_directory(struct disk_world *w, const char *name)
{
    char path[PATH_MAX];
    assert_int_equal(mkdir(disk_world_path(w, name, path), 0777), 0);
}

void disk_world_link(struct disk_world *w, const char *target, const char *name)
{
    char path[PATH_MAX];
    assert_int_equal(symlink(target, disk_world_path(w, name, path)), 0);
}

void disk_world_expect(struct disk_world *w, const char *name, const void *bytes, size_t size)
{
    char path[PATH_MAX];
    uint8_t *found = malloc(size + 1);
    assert_non_null(found);
    FILE *file = fopen(disk_world_path(w, name, path), "rb");
    assert_non_null(file);
    assert_int_equal(fread(found, 1, size + 1, file), size);
    fclose(file);
    assert_memory_equal(found, bytes, size);
    free(found);
}

/* ---- a torrent ---- */

void disk_torrent_init(struct disk_torrent *t, const struct disk_file *files, uint32_t count,
                       uint32_t piece_length)
{
    const char **paths = calloc(count, sizeof *paths);
    struct layout_file *placed = calloc(count, sizeof *placed);
    uint64_t total = 0;
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++) {
        paths[i] = files[i].path;
        if (files[i].length > 0) {
            placed[n++] = (struct layout_file){
                .offset = total, .length = files[i].length, .file = i, .pad = !files[i].path};
        }
        total += files[i].length;
    }
    *t = (struct disk_torrent){.paths = paths, .file_count = count};
    t->layout = (struct layout){.piece_length = piece_length,
                                .piece_count = (uint32_t)((total - 1) / piece_length + 1),
                                .total_length = total,
                                .files = placed,
                                .file_count = n};
    for (uint32_t i = 0; i < n; i++) {
        t->layout.has_padding = t->layout.has_padding || placed[i].pad;
    }
    t->bytes = calloc(1, total);
    for (uint32_t i = 0; i < n; i++) {
        for (uint64_t at = placed[i].offset;
             !placed[i].pad && at < placed[i].offset + placed[i].length; at++) {
            t->bytes[at] = (uint8_t)(((at * 2654435761u) >> 13) ^ (at >> 20) ^ at);
        }
    }
    t->piece_hashes = malloc((size_t)t->layout.piece_count * 20);
    for (uint32_t i = 0; i < t->layout.piece_count; i++) {
        sha1_of(span_of(t->bytes + layout_piece_offset(&t->layout, i),
                        layout_piece_length(&t->layout, i)),
                t->piece_hashes + (size_t)i * 20);
    }
}

void disk_torrent_deinit(struct disk_torrent *t)
{
    free((void *)(uintptr_t)t->paths);
    free((void *)(uintptr_t)t->layout.files);
    free(t->bytes);
    free(t->piece_hashes);
}

const uint8_t *disk_torrent_file(const struct disk_torrent *t, uint32_t file, size_t *size)
{
    for (uint32_t i = 0; i < t->layout.file_count; i++) {
        if (t->layout.files[i].file == file) {
            *size = (size_t)t->layout.files[i].length;
            return t->bytes + t->layout.files[i].offset;
        }
    }
    *size = 0;
    return t->bytes;
}

struct store_settings disk_store_settings(struct disk_world *w, const struct disk_torrent *t,
                                          char save_path[PATH_MAX], char part_path[PATH_MAX])
{
    return (struct store_settings){
        .io = &w->io,
        .layout = &t->layout,
        .paths = t->paths,
        .file_count = t->file_count,
        .save_path = disk_world_path(w, "save", save_path),
        .part_path = disk_world_path(w, "parts", part_path),
    };
}

/* ---- waiting ---- */

/* An operation first, so that its address is that of the whole. */
union operation {
    struct store_prepare prepare;
    struct store_look look;
    struct store_sync sync;
    struct store_want want;
    struct store_transfer transfer;
};

struct waited {
    union operation u;
    int status;
    bool done;
};

static void on_done(struct io_op *op, int status)
{
    struct waited *w = (struct waited *)(void *)op;
    w->status = status;
    w->done = true;
}

static int wait_for(struct disk_world *w, struct waited *waited)
{
    while (!waited->done) {
        assert_true(disk_world_step(w));
    }
    return waited->status;
}

int disk_prepare(struct disk_world *w, struct store *s, struct store_prepare *out)
{
    struct waited waited = {.u.prepare.op.done = on_done};
    store_prepare(s, &waited.u.prepare);
    int status = wait_for(w, &waited);
    if (out) {
        *out = waited.u.prepare;
    }
    return status;
}

int disk_look(struct disk_world *w, struct store *s, struct store_look *look)
{
    struct waited waited = {.u.look = {.op.done = on_done, .found = look->found}};
    store_look(s, &waited.u.look);
    int status = wait_for(w, &waited);
    *look = waited.u.look;
    return status;
}

int disk_sync(struct disk_world *w, struct store *s, uint32_t *file)
{
    struct waited waited = {.u.sync.op.done = on_done};
    store_sync(s, &waited.u.sync);
    int status = wait_for(w, &waited);
    if (file) {
        *file = waited.u.sync.file;
    }
    return status;
}

int disk_want(struct disk_world *w, struct store *s, const uint8_t *wanted)
{
    return disk_want_of(w, s, wanted, NULL, NULL);
}

int disk_want_of(struct disk_world *w, struct store *s, const uint8_t *wanted,
                 const struct bitset *ours, uint32_t *file)
{
    struct waited waited = {.u.want = {.op.done = on_done, .wanted = wanted, .ours = ours}};
    store_want(s, &waited.u.want);
    int status = wait_for(w, &waited);
    if (file) {
        *file = waited.u.want.file;
    }
    return status;
}

static int transfer(struct disk_world *w, struct store *s, uint64_t offset, void *bytes,
                    size_t size, uint32_t *file,
                    void (*submit)(struct store *, struct store_transfer *))
{
    /* In two parts, so that cutting parts at file ends is exercised. */
    struct iovec v[2] = {{.iov_base = bytes, .iov_len = size / 3},
                         {.iov_base = (uint8_t *)bytes + size / 3, .iov_len = size - size / 3}};
    struct waited waited = {
        .u.transfer = {
            .op.done = on_done, .offset = offset, .length = size, .iov = v, .iov_count = 2}};
    submit(s, &waited.u.transfer);
    int status = wait_for(w, &waited);
    if (file) {
        *file = waited.u.transfer.file;
    }
    return status;
}

int disk_read(struct disk_world *w, struct store *s, uint64_t offset, void *bytes, size_t size,
              uint32_t *file)
{
    return transfer(w, s, offset, bytes, size, file, store_read);
}

int disk_write(struct disk_world *w, struct store *s, uint64_t offset, const void *bytes,
               size_t size, uint32_t *file)
{
    return transfer(w, s, offset, (void *)(uintptr_t)bytes, size, file, store_write);
}
