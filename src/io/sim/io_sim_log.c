/* Folding events and bytes into numbers. Not cryptographic: nobody here wants to collide. */
#include "io/sim/io_sim_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const uint64_t multiplier = UINT64_C(0x9e3779b97f4a7c15);

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * multiplier;
    return hash ^ (hash >> 29);
}

uint64_t io_sim_log_bytes(uint64_t hash, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    uint64_t lanes[4] = {hash, hash + 1, hash + 2, hash + 3}, words[4];
    size_t left = size;
    for (; left >= sizeof words; left -= sizeof words, at += sizeof words) {
        memcpy(words, at, sizeof words);
        for (int i = 0; i < 4; i++) {
            lanes[i] = mix(lanes[i], words[i]);
        }
    }
    memset(words, 0, sizeof words);
    if (left > 0) {
        memcpy(words, at, left);
    }
    uint64_t out = mix(hash, size);
    for (int i = 0; i < 4; i++) {
        out = mix(out, mix(lanes[i], words[i]));
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
