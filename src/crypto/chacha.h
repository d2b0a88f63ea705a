/* A generator of random bytes nobody can foresee: ChaCha20 (RFC 8439) under a key from the port, re-keyed
 * from its own output after each block so that what was drawn cannot be recovered later. */
#ifndef CRYPTO_CHACHA_H
#define CRYPTO_CHACHA_H

#include <stddef.h>
#include <stdint.h>

struct chacha {
    uint32_t key[8];
    uint64_t counter;
    uint8_t block[64];
    size_t used; /* bytes of block already handed out */
};

/* key: 32 bytes of entropy. */
void chacha_init(struct chacha *, const uint8_t key[32]);
void chacha_bytes(struct chacha *, void *out, size_t size);
uint32_t chacha_u32(struct chacha *);
uint64_t chacha_u64(struct chacha *);
/* One block of the ChaCha20 function (RFC 8439, 2.3), for its test. */
void chacha_block(const uint32_t key[8], uint32_t counter, const uint32_t nonce[3],
                  uint8_t out[64]);

#endif
