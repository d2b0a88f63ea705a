/* The part file. Layout: magic, version, piece count, piece length, total length, file count, then the index
 * (one bit a piece, then one bit a file, in the order of BEP 3), then from the next multiple of 4096 the
 * torrent's bytes. A piece's bit is set before
 * its bytes are written and both are covered by one sync; until then the piece is not durable and is hashed
 * again at the next start, so a torn file is found out by its hashes. */
#include "disk/part_file.h"

#include <stdlib.h>

enum { HEADER_BYTES = 32, DATA_ALIGNMENT = 4096 };
static const uint8_t magic[8] = {'s', 'p', 'a', 't', 'e', 'p', 'r', 't'};
enum { PART_FILE_VERSION = 1 };

int part_file_init(struct part_file *p, const char *path, const struct layout *layout,
                   uint32_t file_count, bool read_only)
{
    *p = (struct part_file){
        .path = path, .layout = layout, .file_count = file_count, .read_only = read_only};
    int rc = pthread_mutex_init(&p->lock, NULL);
    ASSERT(rc == 0);
    return 0;
}

void part_file_deinit(struct part_file *p)
{
    if (p->layout) {
        pthread_mutex_destroy(&p->lock);
        bitset_deinit(&p->pieces);
        bitset_deinit(&p->found);
    }
}

static size_t index_bytes(const struct part_file *p)
{
    return bitset_bytes(p->layout->piece_count) + bitset_bytes(p->file_count);
}

static uint64_t data_offset(const struct part_file *p)
{
    uint64_t end = HEADER_BYTES + index_bytes(p);
    return (end + DATA_ALIGNMENT - 1) / DATA_ALIGNMENT * DATA_ALIGNMENT;
}

static void header_of(const struct part_file *p, uint8_t out[HEADER_BYTES])
{
    memset(out, 0, HEADER_BYTES);
    struct writer w = writer_over(out, HEADER_BYTES);
    writer_bytes(&w, magic, sizeof magic);
    writer_u32(&w, PART_FILE_VERSION);
    writer_u32(&w, p->layout->piece_count);
    writer_u32(&w, p->layout->piece_length);
    writer_u64(&w, p->layout->total_length);
    writer_u32(&w, p->file_count);
}

/* Reads header and index. SPATE_ESHORT: it holds nothing that can be used, be it torn or of another torrent:
 * what was in it is found missing by its hashes. SPATE_ESTATE: another version of spate wrote it. */
static int load(struct part_file *p, struct io_fs *fs)
{
    uint8_t expected[HEADER_BYTES], found[HEADER_BYTES];
    size_t size = index_bytes(p), pieces_size = bitset_bytes(p->layout->piece_count);
    uint8_t *index = malloc(size + 1);
    if (!index) {
        return SPATE_ENOMEM;
    }
    struct iovec v[2] = {{.iov_base = found, .iov_len = HEADER_BYTES},
                         {.iov_base = index, .iov_len = size}};
    int64_t got = io_fs_read(fs, p->file, 0, v, 2);
    header_of(p, expected);
    int rc = 0;
    if (got < 0) {
        rc = (int)got;
    } else if (got >= HEADER_BYTES && memcmp(found, magic, sizeof magic) == 0 &&
               load_be32(found + sizeof magic) != PART_FILE_VERSION) {
        rc = SPATE_ESTATE;
    } else if ((size_t)got < HEADER_BYTES + size || memcmp(expected, found, HEADER_BYTES) != 0 ||
               !bitset_load(&p->pieces, index, pieces_size) ||
               !bitset_load(&p->found, index + pieces_size, size - pieces_size)) {
        rc = SPATE_ESHORT;
    }
    free(index);
    return rc;
}

/* Header and index, in one write. */
static int write_header(struct part_file *p, struct io_fs *fs, const struct bitset *pieces,
                        const uint8_t *files)
{
    uint8_t header[HEADER_BYTES];
    header_of(p, header);
    bitset_empty(&p->found);
    for (uint32_t i = 0; files && i < p->file_count; i++) {
        if (files[i]) {
            bitset_set(&p->found, i);
        }
    }
    struct iovec v[3] = {{.iov_base = header, .iov_len = HEADER_BYTES},
                         {.iov_base = pieces->bytes, .iov_len = bitset_bytes(pieces->count)},
                         {.iov_base = p->found.bytes, .iov_len = bitset_bytes(p->found.count)}};
    p->dirty = p->torn = true;
    int64_t wrote = io_fs_write(fs, p->file, 0, v, 3);
    return wrote < 0 ? (int)wrote : 0;
}

static void forget(struct part_file *p, struct io_fs *fs)
{
    io_fs_close(fs, p->file);
    p->file = NULL;
    bitset_deinit(&p->pieces);
    bitset_deinit(&p->found);
}

/* Caller holds the lock. With create the file is there afterwards. */
static int ensure(struct part_file *p, struct io_fs *fs, bool create)
{
    if (p->file || !p->path || (p->looked && !create)) {
        return 0;
    }
    int flags = IO_OPEN_READ | (p->read_only ? 0 : IO_OPEN_WRITE) |
                (create ? IO_OPEN_CREATE | IO_OPEN_PRIVATE : 0);
    int rc = io_fs_open_path(fs, p->path, flags, &p->file);
    if (rc == SPATE_ENOENT && !create) {
        p->looked = true;
        return 0;
    }
    if (rc < 0) {
        p->file = NULL;
        return rc;
    }
    rc = bitset_init(&p->pieces, p->layout->piece_count);
    if (rc == 0) {
        rc = bitset_init(&p->found, p->file_count);
    }
    if (rc == 0) {
        rc = load(p, fs);
    }
    if (rc == SPATE_ESHORT && create) {
        p->created = true;
        rc = io_fs_truncate(fs, p->file, 0);
        rc = rc == 0 ? write_header(p, fs, &p->pieces, p->files) : rc;
        p->torn = false; /* a file that was made in vain is made again */
    }
    if (rc < 0) {
        forget(p, fs);
        p->looked = rc == SPATE_ESHORT;
        return p->looked ? 0 : rc;
    }
    p->looked = true;
    return 0;
}

int part_file_has(struct part_file *p, struct io_fs *fs, uint32_t piece)
{
    pthread_mutex_lock(&p->lock);
    int rc = ensure(p, fs, false);
    if (rc == 0) {
        rc = p->file && bitset_get(&p->pieces, piece);
    }
    pthread_mutex_unlock(&p->lock);
    return rc;
}

/* The byte of the index that holds the piece's bit. */
static int write_bit(struct part_file *p, struct io_fs *fs, uint32_t piece)
{
    struct iovec v = {.iov_base = p->pieces.bytes + piece / 8, .iov_len = 1};
    p->dirty = true;
    int64_t wrote = io_fs_write(fs, p->file, HEADER_BYTES + piece / 8, &v, 1);
    return wrote < 0 ? (int)wrote : 0;
}

int part_file_claim(struct part_file *p, struct io_fs *fs, uint32_t piece,
                    int (*before)(void *user, struct io_fs *, uint32_t piece), void *user)
{
    pthread_mutex_lock(&p->lock);
    int rc = ensure(p, fs, true);
    if (rc == 0 && p->file && !bitset_get(&p->pieces, piece)) {
        rc = before(user, fs, piece);
        if (rc == 0) {
            bitset_set(&p->pieces, piece);
            rc = write_bit(p, fs, piece);
            if (rc < 0) {
                bitset_clear(&p->pieces, piece);
            }
        }
    }
    pthread_mutex_unlock(&p->lock);
    return rc;
}

int part_file_bring(struct part_file *p, struct io_fs *fs, uint64_t offset, const struct iovec *v,
                    int count)
{
    int64_t wrote = io_fs_write(fs, p->file, data_offset(p) + offset, v, count);
    p->dirty = true;
    return wrote < 0 ? (int)wrote : 0;
}

/* The file is only closed by those who are alone with it. */
static struct io_file *file_of(struct part_file *p)
{
    pthread_mutex_lock(&p->lock);
    struct io_file *file = p->file;
    pthread_mutex_unlock(&p->lock);
    return file;
}

int part_file_read(struct part_file *p, struct io_fs *fs, uint64_t offset, const struct iovec *v,
                   int count, uint64_t length)
{
    struct io_file *file = file_of(p);
    if (!file) {
        return SPATE_ENOENT;
    }
    int64_t got = io_fs_read(fs, file, data_offset(p) + offset, v, count);
    return got < 0 ? (int)got : (uint64_t)got < length ? SPATE_ESHORT : 0;
}

int part_file_write(struct part_file *p, struct io_fs *fs, uint64_t offset, const struct iovec *v,
                    int count)
{
    struct io_file *file = file_of(p);
    if (!file) {
        return 0;
    }
    int64_t wrote = io_fs_write(fs, file, data_offset(p) + offset, v, count);
    pthread_mutex_lock(&p->lock);
    p->dirty = true;
    pthread_mutex_unlock(&p->lock);
    return wrote < 0 ? (int)wrote : 0;
}

static int open_parent(struct part_file *p, struct io_fs *fs, struct io_file **out)
{
    const char *slash = strrchr(p->path, '/');
    char *parent =
        slash ? strndup(p->path, slash == p->path ? 1 : (size_t)(slash - p->path)) : strdup(".");
    if (!parent) {
        return SPATE_ENOMEM;
    }
    int rc = io_fs_open_path(fs, parent, IO_OPEN_READ | IO_OPEN_DIRECTORY, out);
    free(parent);
    return rc;
}

static int sync_parent(struct part_file *p, struct io_fs *fs)
{
    struct io_file *directory;
    int rc = open_parent(p, fs, &directory);
    if (rc == 0) {
        rc = io_fs_sync(fs, directory);
        io_fs_close(fs, directory);
    }
    return rc;
}

/* Its index is empty on the disk already: should it come back after a crash, it holds nothing. */
static int delete_file(struct part_file *p, struct io_fs *fs)
{
    struct io_file *directory;
    int rc = open_parent(p, fs, &directory);
    if (rc == 0) {
        const char *slash = strrchr(p->path, '/');
        rc = io_fs_unlink(fs, directory, slash ? slash + 1 : p->path);
        io_fs_close(fs, directory);
    }
    if (rc == 0 || rc == SPATE_ENOENT) {
        forget(p, fs);
        p->dirty = p->created = p->torn = false;
        rc = 0;
    }
    return rc;
}

uint8_t *part_file_found(struct part_file *p, struct io_fs *fs, int *rc)
{
    pthread_mutex_lock(&p->lock);
    uint8_t *files = NULL;
    *rc = ensure(p, fs, false);
    if (*rc == 0 && p->file) {
        files = calloc(1, (size_t)p->file_count + 1);
        *rc = files ? 0 : SPATE_ENOMEM;
        for (uint32_t i = 0; files && i < p->file_count; i++) {
            files[i] = bitset_get(&p->found, i);
        }
    }
    pthread_mutex_unlock(&p->lock);
    return files;
}

/* The new index is on the disk before it counts here; until then the old one does. */
static int rewrite_index(struct part_file *p, struct io_fs *fs, const uint8_t *files,
                         bool (*keep)(void *user, uint32_t piece), void *user)
{
    struct bitset kept;
    int rc = bitset_init(&kept, p->pieces.count);
    if (rc < 0) {
        return rc;
    }
    uint32_t piece = bitset_next(&p->pieces, 0);
    for (; piece < p->pieces.count; piece = bitset_next(&p->pieces, piece + 1)) {
        if (keep(user, piece)) {
            bitset_set(&kept, piece);
        }
    }
    rc = write_header(p, fs, &kept, files);
    rc = rc == 0 ? io_fs_sync(fs, p->file) : rc;
    if (rc == 0) {
        struct bitset old = p->pieces;
        p->pieces = kept;
        kept = old;
        if (p->pieces.ones == 0) {
            rc = delete_file(p, fs);
        }
    }
    p->torn = rc < 0; /* then the index on the disk is that of a rule that did not come */
    bitset_deinit(&kept);
    return rc;
}

int part_file_change(struct part_file *p, struct io_fs *fs, const uint8_t *files,
                     bool (*keep)(void *user, uint32_t piece), void *user)
{
    pthread_mutex_lock(&p->lock);
    int rc = ensure(p, fs, false);
    if (rc == 0 && p->file && !p->read_only) {
        rc = rewrite_index(p, fs, files, keep, user);
    }
    if (rc == 0) {
        p->files = files;
    }
    pthread_mutex_unlock(&p->lock);
    return rc;
}

void part_file_mark(struct part_file *p)
{
    pthread_mutex_lock(&p->lock);
    if (p->file) {
        p->dirty = p->created = true;
    }
    pthread_mutex_unlock(&p->lock);
}

int part_file_sync(struct part_file *p, struct io_fs *fs)
{
    pthread_mutex_lock(&p->lock);
    bool dirty = p->dirty, created = p->created;
    p->dirty = p->created = false;
    int rc = dirty ? ensure(p, fs, false) : 0;
    if (rc == 0 && p->file && p->torn) {
        rc = write_header(p, fs, &p->pieces, p->files);
        p->torn = rc < 0;
    }
    struct io_file *file = p->file;
    pthread_mutex_unlock(&p->lock);
    if (dirty && rc == 0) {
        rc = file ? io_fs_sync(fs, file) : SPATE_ENOENT;
    }
    if (created && rc == 0) {
        rc = sync_parent(p, fs);
    }
    if (rc < 0) {
        pthread_mutex_lock(&p->lock);
        p->dirty = p->dirty || dirty;
        p->created = p->created || created;
        p->torn = p->torn || (dirty && p->file); /* the index may be among what was lost */
        pthread_mutex_unlock(&p->lock);
    }
    return rc;
}

void part_file_close(struct part_file *p, struct io_fs *fs)
{
    pthread_mutex_lock(&p->lock);
    forget(p, fs);
    p->looked = false;
    pthread_mutex_unlock(&p->lock);
}
