/* Payloads of the extension protocol (BEP 10): the handshake, and the small extensions it
 * announces: lt_donthave (BEP 54) and upload_only (BEP 21). */
#ifndef CODEC_EXT_H
#define CODEC_EXT_H

#include "base/addr.h"
#include "base/limits.h"
#include "spate.h"

/* Our numbers: what others put before messages to us. */
enum { EXT_HANDSHAKE = 0, EXT_UPLOAD_ONLY = 3, EXT_DONT_HAVE = 7 };

struct ext_handshake {
    uint8_t dont_have_id; /* what the sender wants before such messages; 0: does not speak it */
    uint8_t upload_only_id;
    bool upload_only;    /* BEP 21: partial or whole seed */
    uint32_t reqq;       /* requests it will queue; 0: not said */
    uint16_t port;       /* it listens on; 0: not said */
    struct addr your_ip; /* our address as it sees it; ADDR_NONE: not said; port 0 */
    char client[LIMIT_PEER_CLIENT_BYTES]; /* "v", valid UTF-8, "" when not said */
};

/* Writes the bencoded payload; its size, or 0 when it does not fit. Zero fields are left out. */
size_t ext_write_handshake(const struct ext_handshake *, uint8_t *out, size_t capacity);
/* Unknown keys are skipped, fields of the wrong type are ignored; SPATE_EBENCODE when it is no
 * dictionary. */
int ext_parse_handshake(struct span payload, struct ext_handshake *out, struct spate_error *);

#endif
