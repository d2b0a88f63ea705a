/* SHA-1 and SHA-256 with small states that can be set aside and taken up again: a piece is hashed chunk
 * by chunk as its chunks complete. libcrypto does the work; crypto/sha_reference.c is the truth it is
 * tested against. */
#ifndef CRYPTO_SHA_H
#define CRYPTO_SHA_H

#include "base/bytes.h"

enum { SHA1_BYTES = 20, SHA256_BYTES = 32 };

struct sha1 {
    uint32_t opaque[26]; /* SHA_CTX */
};

void sha1_init(struct sha1 *);
void sha1_update(struct sha1 *, const void *bytes, size_t size);
void sha1_final(struct sha1 *, uint8_t out[SHA1_BYTES]);
void sha1_of(struct span bytes, uint8_t out[SHA1_BYTES]);

struct sha256 {
    uint32_t opaque[30]; /* SHA256_CTX */
};

void sha256_init(struct sha256 *);
void sha256_update(struct sha256 *, const void *bytes, size_t size);
void sha256_final(struct sha256 *, uint8_t out[SHA256_BYTES]);
void sha256_of(struct span bytes, uint8_t out[SHA256_BYTES]);

#endif
