/* SHA-1 and SHA-256 in plain C: the truth against which every faster way is tested. */
#ifndef CRYPTO_SHA_REFERENCE_H
#define CRYPTO_SHA_REFERENCE_H

#include "base/bytes.h"

void sha1_reference(struct span bytes, uint8_t out[20]);
void sha256_reference(struct span bytes, uint8_t out[32]);

#endif
