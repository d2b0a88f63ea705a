/* A word of payload is its number, mixed by steps of which each can be undone: so the number of a word
 * that is there is found by undoing them, whatever its place in the file. */
#include "io/sim/io_sim_payload.h"

#include "base/error.h"
#include "io/sim/io_sim.h"

#include <string.h>

static const uint64_t first_factor = UINT64_C(0x9e3779b97f4a7c15);
static const uint64_t second_factor = UINT64_C(0xd6e8feb86659fd93);
/* Their inverses modulo 2^64. */
static const uint64_t first_inverse = UINT64_C(0xf1de83e19937733d);
static const uint64_t second_inverse = UINT64_C(0xcfee444d8b59a89b);

enum { WORD_BYTES = 8, BATCH_WORDS = 64 };

static inline uint64_t mix(uint64_t number)
{
    uint64_t z = number * first_factor;
    z ^= z >> 32;
    z *= second_factor;
    return z ^ (z >> 29);
}

static inline uint64_t unmix(uint64_t word)
{
    uint64_t z = word ^ (word >> 29) ^ (word >> 58);
    z *= second_inverse;
    z ^= z >> 32;
    return z * first_inverse;
}

/* The number of the first word: far from those of every other id. */
static inline uint64_t base_of(uint64_t id)
{
    return mix(id + 1);
}

static inline uint64_t load(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

/* Bytes skip .. skip + size of a word. */
static void copy_part(uint64_t number, size_t skip, uint8_t *out, size_t size)
{
    uint64_t word = mix(number);
    memcpy(out, (const uint8_t *)&word + skip, size);
}

void io_sim_payload(uint64_t id, uint64_t offset, void *out, size_t size)
{
    uint8_t *at = out;
    uint64_t number = base_of(id) + offset / WORD_BYTES;
    size_t skip = offset % WORD_BYTES;
    if (skip > 0) {
        size_t n = WORD_BYTES - skip < size ? WORD_BYTES - skip : size;
        copy_part(number++, skip, at, n);
        at += n;
        size -= n;
    }
    for (; size >= WORD_BYTES; size -= WORD_BYTES, at += WORD_BYTES) {
        uint64_t word = mix(number++);
        memcpy(at, &word, sizeof word);
    }
    copy_part(number, 0, at, size);
}

/* Looks at a batch of words before it decides, so that the loop has no branch. */
static bool words_equal(uint64_t number, const uint8_t *bytes, size_t count)
{
    while (count > 0) {
        size_t batch = count < BATCH_WORDS ? count : BATCH_WORDS;
        uint64_t differs = 0;
        for (size_t i = 0; i < batch; i++) {
            differs |= mix(number + i) ^ load(bytes + i * WORD_BYTES);
        }
        if (differs) {
            return false;
        }
        number += batch;
        bytes += batch * WORD_BYTES;
        count -= batch;
    }
    return true;
}

bool io_sim_payload_equals(uint64_t id, uint64_t offset, const uint8_t *bytes, size_t size)
{
    uint64_t number = base_of(id) + offset / WORD_BYTES;
    size_t skip = offset % WORD_BYTES;
    uint8_t edge[WORD_BYTES];
    if (skip > 0) {
        size_t n = WORD_BYTES - skip < size ? WORD_BYTES - skip : size;
        copy_part(number++, skip, edge, n);
        if (memcmp(edge, bytes, n) != 0) {
            return false;
        }
        bytes += n;
        size -= n;
    }
    size_t rest = size % WORD_BYTES;
    copy_part(number + size / WORD_BYTES, 0, edge, rest);
    return words_equal(number, bytes, size / WORD_BYTES) &&
           memcmp(edge, bytes + size - rest, rest) == 0;
}

bool io_sim_payload_find(const struct io_sim_payloads *payloads, const uint8_t *bytes, size_t size,
                         struct io_sim_payload_place *out)
{
    for (size_t skip = 0; skip < WORD_BYTES; skip++) {
        uint64_t number = unmix(load(bytes + skip));
        for (uint32_t i = 0; i < payloads->count; i++) {
            const struct io_sim_payload_source *source = &payloads->sources[i];
            uint64_t index = number - base_of(source->id);
            uint64_t offset = index * WORD_BYTES - skip;
            if (index > source->length / WORD_BYTES || offset > source->length ||
                size > source->length - offset) {
                continue;
            }
            if (io_sim_payload_equals(source->id, offset, bytes, size)) {
                *out = (struct io_sim_payload_place){.source = i, .offset = offset};
                return true;
            }
        }
    }
    return false;
}
