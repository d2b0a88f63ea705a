/* ChaCha20 (RFC 8439) as a random generator with fast key erasure: the first half of every block becomes
 * the next key, the second half is handed out. */
#include "crypto/chacha.h"

#include <string.h>

static uint32_t rotate_left(uint32_t x, int bits)
{
    return (x << bits) | (x >> (32 - bits));
}

static void quarter_round(uint32_t s[16], int a, int b, int c, int d)
{
    s[a] += s[b];
    s[d] = rotate_left(s[d] ^ s[a], 16);
    s[c] += s[d];
    s[b] = rotate_left(s[b] ^ s[c], 12);
    s[a] += s[b];
    s[d] = rotate_left(s[d] ^ s[a], 8);
    s[c] += s[d];
    s[b] = rotate_left(s[b] ^ s[c], 7);
}

void chacha_block(const uint32_t key[8], uint32_t counter, const uint32_t nonce[3], uint8_t out[64])
{
    uint32_t start[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
    memcpy(start + 4, key, 32);
    start[12] = counter;
    memcpy(start + 13, nonce, 12);
    uint32_t s[16];
    memcpy(s, start, sizeof s);
    for (int i = 0; i < 10; i++) {
        quarter_round(s, 0, 4, 8, 12);
        quarter_round(s, 1, 5, 9, 13);
        quarter_round(s, 2, 6, 10, 14);
        quarter_round(s, 3, 7, 11, 15);
        quarter_round(s, 0, 5, 10, 15);
        quarter_round(s, 1, 6, 11, 12);
        quarter_round(s, 2, 7, 8, 13);
        quarter_round(s, 3, 4, 9, 14);
    }
    for (int i = 0; i < 16; i++) {
        uint32_t word = s[i] + start[i];
        for (int byte = 0; byte < 4; byte++) {
            out[4 * i + byte] = (uint8_t)(word >> (8 * byte));
        }
    }
}

void chacha_init(struct chacha *c, const uint8_t key[32])
{
    *c = (struct chacha){.used = sizeof c->block};
    memcpy(c->key, key, sizeof c->key);
}

static void refill(struct chacha *c)
{
    uint32_t nonce[3] = {0, (uint32_t)(c->counter >> 32), 0};
    chacha_block(c->key, (uint32_t)c->counter, nonce, c->block);
    c->counter++;
    memcpy(c->key, c->block, sizeof c->key);
    memset(c->block, 0, sizeof c->key);
    c->used = sizeof c->key;
}

void chacha_bytes(struct chacha *c, void *out, size_t size)
{
    uint8_t *p = out;
    while (size > 0) {
        if (c->used == sizeof c->block) {
            refill(c);
        }
        size_t n = sizeof c->block - c->used;
        if (n > size) {
            n = size;
        }
        memcpy(p, c->block + c->used, n);
        memset(c->block + c->used, 0, n);
        c->used += n;
        p += n;
        size -= n;
    }
}

uint32_t chacha_u32(struct chacha *c)
{
    uint32_t v;
    chacha_bytes(c, &v, sizeof v);
    return v;
}

uint64_t chacha_u64(struct chacha *c)
{
    uint64_t v;
    chacha_bytes(c, &v, sizeof v);
    return v;
}
