/* A host and its jobs. */
#include "disk_scene.h"

void disk_scene_open(struct disk_scene *s, uint64_t seed)
{
    const uint8_t ip[4] = {10, 0, 0, 1};
    s->sim = io_sim_create(seed);
    assert_int_equal(io_sim_host_create(s->sim, "host", addr_v4(ip, 0),
                                        (struct addr){.family = ADDR_NONE}, &s->io),
                     0);
}

void disk_scene_close(struct disk_scene *s)
{
    io_sim_destroy(s->sim);
}

struct job {
    struct io_op op;
    int (*body)(struct io_fs *, void *user);
    void *user;
    int status;
};

static int job_run(struct io_op *op, struct io_fs *fs)
{
    struct job *job = list_entry(op, struct job, op);
    return job->body(fs, job->user);
}

static void job_on_done(struct io_op *op, int status)
{
    list_entry(op, struct job, op)->status = status;
}

int disk_scene_work(struct disk_scene *s, int (*body)(struct io_fs *, void *user), void *user)
{
    struct job job = {.op = {.done = job_on_done}, .body = body, .user = user};
    io_work(s->io, IO_POOL_WRITE, &job.op, job_run, 0);
    while (job.op.active) {
        assert_true(io_sim_step(s->sim));
    }
    return job.status;
}

void disk_scene_crash(struct disk_scene *s, enum io_sim_crash how)
{
    io_sim_crash(s->io, how);
    s->io = io_sim_restart(s->io);
}

int disk_write(struct io_fs *fs, const char *path, uint64_t offset, const void *bytes, size_t size,
               bool sync)
{
    struct iovec v = {(void *)(uintptr_t)bytes, size};
    struct io_file *file;
    int rc = io_fs_open_path(fs, path, IO_OPEN_WRITE | IO_OPEN_CREATE, &file);
    if (rc == 0) {
        int64_t n = io_fs_write(fs, file, offset, &v, 1);
        rc = n < 0 ? (int)n : 0;
        rc = rc == 0 && sync ? io_fs_sync(fs, file) : rc;
        io_fs_close(fs, file);
    }
    return rc;
}

int disk_sync_directory(struct io_fs *fs, const char *path)
{
    struct io_file *directory;
    int rc = io_fs_open_path(fs, path, IO_OPEN_DIRECTORY, &directory);
    if (rc == 0) {
        rc = io_fs_sync(fs, directory);
        io_fs_close(fs, directory);
    }
    return rc;
}

int disk_rename(struct io_fs *fs, const char *directory, const char *from, const char *to)
{
    struct io_file *dir;
    int rc = io_fs_open_path(fs, directory, IO_OPEN_DIRECTORY, &dir);
    if (rc == 0) {
        rc = io_fs_rename(fs, dir, from, dir, to);
        io_fs_close(fs, dir);
    }
    return rc;
}

int disk_unlink(struct io_fs *fs, const char *directory, const char *name)
{
    struct io_file *dir;
    int rc = io_fs_open_path(fs, directory, IO_OPEN_DIRECTORY, &dir);
    if (rc == 0) {
        rc = io_fs_unlink(fs, dir, name);
        io_fs_close(fs, dir);
    }
    return rc;
}

int64_t disk_length(struct disk_scene *s, const char *path)
{
    uint8_t *bytes;
    size_t size;
    int rc = io_sim_file_read(s->io, path, &bytes, &size);
    free(bytes);
    return rc < 0 ? -1 : (int64_t)size;
}

int disk_byte(struct disk_scene *s, const char *path, uint64_t offset)
{
    uint8_t *bytes;
    size_t size;
    int byte = -1;
    if (io_sim_file_read(s->io, path, &bytes, &size) == 0 && offset < size) {
        byte = bytes[offset];
    }
    free(bytes);
    return byte;
}
