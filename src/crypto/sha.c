/* SHA-1 (FIPS 180-4, 6.1) and SHA-256 (6.2) through libcrypto's low-level calls: they are deprecated in
 * favour of EVP, which allocates for every message and whose state cannot be copied cheaply. */
#define OPENSSL_API_COMPAT 0x10100000L
#include "crypto/sha.h"

#include <openssl/sha.h>

_Static_assert(sizeof(SHA_CTX) <= sizeof(struct sha1), "struct sha1 holds a SHA_CTX");
_Static_assert(sizeof(SHA256_CTX) <= sizeof(struct sha256), "struct sha256 holds a SHA256_CTX");

static SHA_CTX *sha1_context(struct sha1 *s)
{
    return (SHA_CTX *)(void *)s->opaque;
}

void sha1_init(struct sha1 *s)
{
    SHA1_Init(sha1_context(s));
}

void sha1_update(struct sha1 *s, const void *bytes, size_t size)
{
    SHA1_Update(sha1_context(s), bytes, size);
}

void sha1_final(struct sha1 *s, uint8_t out[SHA1_BYTES])
{
    SHA1_Final(out, sha1_context(s));
}

void sha1_of(struct span bytes, uint8_t out[SHA1_BYTES])
{
    struct sha1 s;
    sha1_init(&s);
    sha1_update(&s, bytes.bytes, bytes.size);
    sha1_final(&s, out);
}

static SHA256_CTX *sha256_context(struct sha256 *s)
{
    return (SHA256_CTX *)(void *)s->opaque;
}

void sha256_init(struct sha256 *s)
{
    SHA256_Init(sha256_context(s));
}

void sha256_update(struct sha256 *s, const void *bytes, size_t size)
{
    SHA256_Update(sha256_context(s), bytes, size);
}

void sha256_final(struct sha256 *s, uint8_t out[SHA256_BYTES])
{
    SHA256_Final(out, sha256_context(s));
}

void sha256_of(struct span bytes, uint8_t out[SHA256_BYTES])
{
    struct sha256 s;
    sha256_init(&s);
    sha256_update(&s, bytes.bytes, bytes.size);
    sha256_final(&s, out);
}
