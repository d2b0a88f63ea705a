/* Views of bytes, and cursors that read and write big-endian fields without ever leaving them. */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A view of bytes that somebody else owns. */
struct span {
    const uint8_t *bytes;
    size_t size;
};

static inline struct span span_of(const void *bytes, size_t size)
{
    return (struct span){.bytes = (const uint8_t *)bytes, .size = size};
}

static inline struct span span_text(const char *text)
{
    return span_of(text, strlen(text));
}

static inline bool span_equals(struct span a, struct span b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.bytes, b.bytes, a.size) == 0);
}

/* The part of a from offset on, at most size bytes; empty when offset is beyond the end. */
static inline struct span span_slice(struct span a, size_t offset, size_t size)
{
    if (offset >= a.size) {
        return (struct span){a.bytes, 0};
    }
    size_t left = a.size - offset;
    return (struct span){a.bytes + offset, size < left ? size : left};
}

static inline uint16_t load_be16(const uint8_t *p)
{
    return (uint16_t)((p[0] << 8) | p[1]);
}

static inline uint32_t load_be32(const uint8_t *p)
{
    return ((uint32_t)p[0] << 24) | ((uint32_t)p[1] << 16) | ((uint32_t)p[2] << 8) | p[3];
}

static inline uint64_t load_be64(const uint8_t *p)
{
    return ((uint64_t)load_be32(p) << 32) | load_be32(p + 4);
}

static inline void store_be16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void store_be32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

static inline void store_be64(uint8_t *p, uint64_t v)
{
    store_be32(p, (uint32_t)(v >> 32));
    store_be32(p + 4, (uint32_t)v);
}

/* Reads from the front. Past the end it sets `failed`, returns zeroes, and stays failed: a parser reads
 * all fields and asks once. */
struct reader {
    struct span rest;
    bool failed;
};

static inline struct reader reader_over(struct span bytes)
{
    return (struct reader){.rest = bytes};
}

/* The next n bytes, or an empty span when fewer are left. */
static inline struct span reader_take(struct reader *r, size_t n)
{
    if (r->failed || r->rest.size < n) {
        r->failed = true;
        return (struct span){NULL, 0};
    }
    struct span taken = {r->rest.bytes, n};
    r->rest.bytes += n;
    r->rest.size -= n;
    return taken;
}

static inline uint8_t reader_u8(struct reader *r)
{
    struct span s = reader_take(r, 1);
    return s.bytes ? s.bytes[0] : 0;
}

static inline uint16_t reader_u16(struct reader *r)
{
    struct span s = reader_take(r, 2);
    return s.bytes ? load_be16(s.bytes) : 0;
}

static inline uint32_t reader_u32(struct reader *r)
{
    struct span s = reader_take(r, 4);
    return s.bytes ? load_be32(s.bytes) : 0;
}

static inline uint64_t reader_u64(struct reader *r)
{
    struct span s = reader_take(r, 8);
    return s.bytes ? load_be64(s.bytes) : 0;
}

/* Writes into caller's memory. Past the end it sets `failed` and writes nothing more. */
struct writer {
    uint8_t *bytes;
    size_t size; /* written so far */
    size_t capacity;
    bool failed;
};

static inline struct writer writer_over(void *bytes, size_t capacity)
{
    return (struct writer){.bytes = (uint8_t *)bytes, .capacity = capacity};
}

/* Room for n bytes, to be filled by the caller; NULL when there is none. */
static inline uint8_t *writer_room(struct writer *w, size_t n)
{
    if (w->failed || w->capacity - w->size < n) {
        w->failed = true;
        return NULL;
    }
    uint8_t *room = w->bytes + w->size;
    w->size += n;
    return room;
}

static inline void writer_bytes(struct writer *w, const void *bytes, size_t n)
{
    uint8_t *room = writer_room(w, n);
    if (room && n > 0) {
        memcpy(room, bytes, n);
    }
}

static inline void writer_span(struct writer *w, struct span s)
{
    writer_bytes(w, s.bytes, s.size);
}

static inline void writer_text(struct writer *w, const char *text)
{
    writer_bytes(w, text, strlen(text));
}

static inline void writer_u8(struct writer *w, uint8_t v)
{
    writer_bytes(w, &v, 1);
}

static inline void writer_u16(struct writer *w, uint16_t v)
{
    uint8_t *room = writer_room(w, 2);
    if (room) {
        store_be16(room, v);
    }
}

static inline void writer_u32(struct writer *w, uint32_t v)
{
    uint8_t *room = writer_room(w, 4);
    if (room) {
        store_be32(room, v);
    }
}

static inline void writer_u64(struct writer *w, uint64_t v)
{
    uint8_t *room = writer_room(w, 8);
    if (room) {
        store_be64(room, v);
    }
}

#endif
