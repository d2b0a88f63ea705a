/* A resume record as bytes: a version, the torrent's counts, what is had, partial pieces, files, and a SHA-1 over
 * all of it. Whatever does not decode exactly is SPATE_ESTATE: never a half-believed record. Integers are
 * big-endian. */
#include "base/limits.h"
#include "crypto/sha.h"
#include "disk/resume.h"

#include <stdlib.h>

enum {
    RECORD_VERSION = 1,
    RECORD_CLEAN = 1,
    RECORD_COMPLETED_ANNOUNCED = 2,
    RECORD_COMPLETED = 4,
    RECORD_WANTED = 8,
    FILE_PRESENT = 1,
    FILE_OWNED = 2,
    FILE_NAMED = 4,
    RECORD_PATH_BYTES_MAX = 65535,
};

static const uint8_t record_magic[4] = {'S', 'P', 'R', 'R'};

void resume_record_deinit(struct resume_record *r)
{
    for (uint32_t i = 0; i < r->partial_count; i++) {
        bitset_deinit(&r->partials[i].blocks);
    }
    for (uint32_t i = 0; r->files && i < r->file_count; i++) {
        free(r->files[i].path);
    }
    bitset_deinit(&r->written);
    bitset_deinit(&r->durable);
    free(r->partials);
    free(r->files);
    free(r->wanted);
    free(r->destination);
    *r = (struct resume_record){0};
}

/* ---- writing ---------------------------------------------------------------------------------- */

static void write_text(struct writer *w, const char *text)
{
    writer_u16(w, (uint16_t)strlen(text));
    writer_text(w, text);
}

static void write_record(struct writer *w, const struct resume_record *r)
{
    uint8_t flags =
        (uint8_t)((r->clean ? RECORD_CLEAN : 0) |
                  (r->completed_announced ? RECORD_COMPLETED_ANNOUNCED : 0) |
                  (r->completed ? RECORD_COMPLETED : 0) | (r->wanted ? RECORD_WANTED : 0));
    writer_bytes(w, record_magic, sizeof record_magic);
    writer_u16(w, RECORD_VERSION);
    writer_u8(w, flags);
    writer_bytes(w, r->info_hash, sizeof r->info_hash);
    write_text(w, r->destination);
    writer_u32(w, r->key);
    writer_u64(w, r->uploaded_bytes);
    writer_u64(w, r->downloaded_bytes);
    writer_u32(w, r->written.count);
    writer_bytes(w, r->written.bytes, bitset_bytes(r->written.count));
    writer_bytes(w, r->durable.bytes, bitset_bytes(r->durable.count));
    writer_u32(w, r->partial_count);
    for (uint32_t i = 0; i < r->partial_count; i++) {
        const struct resume_partial *p = &r->partials[i];
        writer_u32(w, p->piece);
        writer_u32(w, p->blocks.count);
        writer_bytes(w, p->blocks.bytes, bitset_bytes(p->blocks.count));
    }
    writer_u32(w, r->file_count);
    for (uint32_t i = 0; i < r->file_count; i++) {
        const struct resume_file *f = &r->files[i];
        writer_u8(w, (uint8_t)((f->present ? FILE_PRESENT : 0) | (f->owned ? FILE_OWNED : 0) |
                               (f->path ? FILE_NAMED : 0)));
        writer_u64(w, f->device);
        writer_u64(w, f->inode);
        writer_u64(w, f->length);
        writer_u64(w, (uint64_t)f->modified_ns);
        if (f->path) {
            write_text(w, f->path);
        }
    }
    if (r->wanted) {
        writer_bytes(w, r->wanted, r->file_count);
    }
}

/* Bytes that write_record needs; 0 when a path is too long. */
static size_t record_bytes(const struct resume_record *r)
{
    size_t size = 256 + strlen(r->destination) + 2 * bitset_bytes(r->written.count) +
                  (size_t)r->file_count * 64;
    for (uint32_t i = 0; i < r->partial_count; i++) {
        size += 8 + bitset_bytes(r->partials[i].blocks.count);
    }
    for (uint32_t i = 0; i < r->file_count; i++) {
        size_t length = r->files[i].path ? strlen(r->files[i].path) : 0;
        if (length > RECORD_PATH_BYTES_MAX) {
            return 0;
        }
        size += length;
    }
    return strlen(r->destination) > RECORD_PATH_BYTES_MAX ? 0 : size;
}

int resume_record_encode(const struct resume_record *r, uint8_t **bytes, size_t *size)
{
    size_t capacity = record_bytes(r);
    if (capacity == 0 || r->written.count != r->durable.count) {
        return SPATE_EINVAL;
    }
    *bytes = malloc(capacity + SHA1_BYTES);
    if (!*bytes) {
        return SPATE_ENOMEM;
    }
    struct writer w = writer_over(*bytes, capacity);
    write_record(&w, r);
    ASSERT(!w.failed);
    sha1_of(span_of(*bytes, w.size), *bytes + w.size);
    *size = w.size + SHA1_BYTES;
    return 0;
}

/* ---- reading ---------------------------------------------------------------------------------- */

static bool read_text(struct reader *r, char **out)
{
    struct span text = reader_take(r, reader_u16(r));
    if (r->failed || (text.size > 0 && memchr(text.bytes, 0, text.size))) {
        return false;
    }
    *out = malloc(text.size + 1);
    if (!*out) {
        return false;
    }
    if (text.size > 0) {
        memcpy(*out, text.bytes, text.size);
    }
    (*out)[text.size] = 0;
    return true;
}

static bool read_bits(struct reader *r, struct bitset *out, uint32_t count)
{
    struct span bits = reader_take(r, bitset_bytes(count));
    return !r->failed && bitset_init(out, count) == 0 && bitset_load(out, bits.bytes, bits.size);
}

static uint32_t blocks_of(uint32_t piece_length)
{
    return (piece_length + 16383) / 16384;
}

static bool read_partials(struct reader *r, struct resume_record *out, uint32_t piece_length)
{
    uint32_t count = reader_u32(r);
    if (r->failed || count > LIMIT_PARTIAL_PIECES || count > r->rest.size / 8) {
        return false;
    }
    out->partials = calloc(count + 1, sizeof *out->partials);
    if (!out->partials) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct resume_partial *p = &out->partials[i];
        p->piece = reader_u32(r);
        uint32_t blocks = reader_u32(r);
        out->partial_count = i + 1;
        if (r->failed || p->piece >= out->written.count || blocks > blocks_of(piece_length) ||
            !read_bits(r, &p->blocks, blocks)) {
            return false;
        }
    }
    return true;
}

static bool read_files(struct reader *r, struct resume_record *out, uint32_t file_count)
{
    if (reader_u32(r) != file_count || r->failed || file_count > r->rest.size) {
        return false;
    }
    out->files = calloc((size_t)file_count + 1, sizeof *out->files);
    if (!out->files) {
        return false;
    }
    out->file_count = file_count;
    for (uint32_t i = 0; i < file_count; i++) {
        struct resume_file *f = &out->files[i];
        uint8_t flags = reader_u8(r);
        if (flags & ~(FILE_PRESENT | FILE_OWNED | FILE_NAMED)) {
            return false;
        }
        f->present = flags & FILE_PRESENT;
        f->owned = flags & FILE_OWNED;
        f->device = reader_u64(r);
        f->inode = reader_u64(r);
        f->length = reader_u64(r);
        f->modified_ns = (int64_t)reader_u64(r);
        if (r->failed || ((flags & FILE_NAMED) && !read_text(r, &f->path))) {
            return false;
        }
    }
    return true;
}

static bool read_record(struct reader *r, uint32_t piece_count, uint32_t file_count,
                        uint32_t piece_length, struct resume_record *out)
{
    uint8_t flags = reader_u8(r);
    struct span info_hash = reader_take(r, sizeof out->info_hash);
    if (r->failed ||
        (flags & ~(RECORD_CLEAN | RECORD_COMPLETED_ANNOUNCED | RECORD_COMPLETED | RECORD_WANTED))) {
        return false;
    }
    out->clean = flags & RECORD_CLEAN;
    out->completed_announced = flags & RECORD_COMPLETED_ANNOUNCED;
    out->completed = flags & RECORD_COMPLETED;
    memcpy(out->info_hash, info_hash.bytes, sizeof out->info_hash);
    if (!read_text(r, &out->destination)) {
        return false;
    }
    out->key = reader_u32(r);
    out->uploaded_bytes = reader_u64(r);
    out->downloaded_bytes = reader_u64(r);
    if (reader_u32(r) != piece_count || !read_bits(r, &out->written, piece_count) ||
        !read_bits(r, &out->durable, piece_count) || !read_partials(r, out, piece_length) ||
        !read_files(r, out, file_count)) {
        return false;
    }
    if (flags & RECORD_WANTED) {
        struct span wanted = reader_take(r, file_count);
        out->wanted = r->failed ? NULL : malloc((size_t)file_count + 1);
        if (!out->wanted) {
            return false;
        }
        if (file_count > 0) {
            memcpy(out->wanted, wanted.bytes, file_count);
        }
    }
    return !r->failed && r->rest.size == 0;
}

int resume_record_decode(struct span bytes, uint32_t piece_count, uint32_t file_count,
                         uint32_t piece_length, struct resume_record *out,
                         struct spate_error *error)
{
    uint8_t checksum[SHA1_BYTES];
    *out = (struct resume_record){0};
    if (bytes.size < sizeof record_magic + 2 + SHA1_BYTES ||
        memcmp(bytes.bytes, record_magic, sizeof record_magic) != 0) {
        return error_set(error, SPATE_ESTATE, 0, "not a resume record");
    }
    size_t body = bytes.size - SHA1_BYTES;
    sha1_of(span_of(bytes.bytes, body), checksum);
    if (memcmp(checksum, bytes.bytes + body, SHA1_BYTES) != 0) {
        return error_set(error, SPATE_ESTATE, body, "the record's checksum is wrong");
    }
    struct reader r = reader_over(span_of(bytes.bytes + 4, body - 4));
    uint16_t version = reader_u16(&r);
    if (version != RECORD_VERSION) {
        return error_set(error, SPATE_ESTATE, 4, "the record is of version %u, which is unknown",
                         version);
    }
    if (!read_record(&r, piece_count, file_count, piece_length, out)) {
        uint64_t offset = body - r.rest.size;
        resume_record_deinit(out);
        return error_set(error, SPATE_ESTATE, offset, "the record does not fit the torrent");
    }
    return 0;
}
