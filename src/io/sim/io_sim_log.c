/* Folding events and bytes into numbers. Not cryptographic: nobody here wants to collide. */
#include "io/sim/io_sim_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

__extension__ typedef unsigned __int128 wide;

static const uint64_t multiplier = UINT64_C(0x9e3779b97f4a7c15);

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * multiplier;
    return hash ^ (hash >> 29);
}

static uint64_t load_64(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

/* Two words at once: the halves of their product, so that every bit of both counts. */
static uint64_t fold(uint64_t a, uint64_t b)
{
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t io_sim_log_bytes(uint64_t hash, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    uint64_t a = hash, b = hash + 1, c = hash + 2, d = hash + 3, out = mix(hash, size);
    size_t left = size;
    /* Four chains side by side, in registers: a multiplication takes longer than a load. */
    for (; left >= 64; left -= 64, at += 64) {
        a = fold(a ^ load_64(at), load_64(at + 8) ^ multiplier);
        b = fold(b ^ load_64(at + 16), load_64(at + 24) ^ multiplier);
        c = fold(c ^ load_64(at + 32), load_64(at + 40) ^ multiplier);
        d = fold(d ^ load_64(at + 48), load_64(at + 56) ^ multiplier);
    }
    if (size >= 64) {
        out = mix(mix(mix(mix(out, a), b), c), d);
    }
    for (; left >= 8; left -= 8, at += 8) {
        out = mix(out, load_64(at));
    }
    if (left > 0) {
        uint64_t word = 0;
        memcpy(&word, at, left);
        out = mix(out, word);
    }
    return out;
}

uint64_t io_sim_log_parts(const struct iovec *v, int count, uint64_t size)
{
    uint64_t hash = 0;
    for (int i = 0; i < count && size > 0; i++) {
        size_t n = v[i].iov_len < size ? v[i].iov_len : (size_t)size;
        hash = io_sim_log_bytes(hash, v[i].iov_base, n);
        size -= n;
    }
    return hash;
}

uint64_t io_sim_log_payload(uint64_t hash, const struct io_sim_payload_place *place, uint64_t size)
{
    return mix(mix(mix(hash, place->source), place->offset), size);
}

static const char *kind_text(enum io_sim_log_kind kind)
{
    static const char *const texts[] = {
#define LOG_TEXT(name, text) text,
        IO_SIM_LOG_MAP(LOG_TEXT)
#undef LOG_TEXT
    };
    return texts[kind];
}

void io_sim_log_add(struct io_sim_log *log, int64_t now_ns, uint32_t host, const char *host_name,
                    enum io_sim_log_kind kind, uint64_t length, int64_t status, uint64_t bytes)
{
    uint64_t hash = mix(log->hash, (uint64_t)now_ns);
    hash = mix(hash, ((uint64_t)host << 8) | (uint64_t)kind);
    hash = mix(hash, length);
    hash = mix(hash, (uint64_t)status);
    log->hash = mix(hash, bytes);
    if (log->line) {
        char text[200];
        snprintf(text, sizeof text,
                 "%" PRId64 ".%09" PRId64 " %s %s length=%" PRIu64 " status=%" PRId64
                 " bytes=%016" PRIx64,
                 now_ns / 1000000000, now_ns % 1000000000, host_name, kind_text(kind), length,
                 status, bytes);
        log->line(log->user, text);
    }
}
