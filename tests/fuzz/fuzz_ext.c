/* Extension handshakes (BEP 10): whatever parses can be written again and then says the same. */
#include "codec/ext.h"

#include "base/error.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ext_handshake first = {0}, second = {0};
    uint8_t out[1024];
    if (ext_parse_handshake(span_of(data, size), &first, NULL)) {
        return 0;
    }
    ASSERT(text_is_utf8(span_text(first.client)));
    size_t written = ext_write_handshake(&first, out, sizeof out);
    ASSERT(written > 0);
    ASSERT(ext_parse_handshake(span_of(out, written), &second, NULL) == 0);
    ASSERT(second.reqq == first.reqq && second.port == first.port);
    ASSERT(second.upload_only == first.upload_only);
    ASSERT(second.dont_have_id == first.dont_have_id);
    ASSERT(addr_same_ip(&second.your_ip, &first.your_ip));
    return 0;
}
