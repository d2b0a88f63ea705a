/* Extension payloads (BEP 10, 21, 54). */
#include "codec/ext.h"

#include "base/error.h"
#include "base/text.h"
#include "codec/bencode.h"

enum { EXT_TOKENS_MAX = 1024 };

size_t ext_write_handshake(const struct ext_handshake *h, uint8_t *out, size_t capacity)
{
    struct writer bytes = writer_over(out, capacity);
    struct bencode_writer w = {.out = &bytes};
    bencode_write_dict(&w);
    bencode_write_key(&w, "m");
    bencode_write_dict(&w);
    if (h->dont_have_id) {
        bencode_write_key(&w, "lt_donthave");
        bencode_write_int(&w, h->dont_have_id);
    }
    if (h->upload_only_id) {
        bencode_write_key(&w, "upload_only");
        bencode_write_int(&w, h->upload_only_id);
    }
    bencode_write_end(&w);
    if (h->port) {
        bencode_write_key(&w, "p");
        bencode_write_int(&w, h->port);
    }
    if (h->reqq) {
        bencode_write_key(&w, "reqq");
        bencode_write_int(&w, h->reqq);
    }
    if (h->upload_only) {
        bencode_write_key(&w, "upload_only");
        bencode_write_int(&w, 1);
    }
    if (h->client[0]) {
        bencode_write_key(&w, "v");
        bencode_write_text(&w, span_text(h->client));
    }
    if (h->your_ip.family) {
        bencode_write_key(&w, "yourip");
        bencode_write_text(&w, span_of(h->your_ip.ip, h->your_ip.family == ADDR_V4 ? 4 : 16));
    }
    bencode_write_end(&w);
    return bytes.failed ? 0 : bytes.size;
}

/* A number in a dictionary, or otherwise when it is absent or out of range. */
static int64_t number(struct bencode_item dict, const char *key, int64_t least, int64_t most,
                      int64_t otherwise)
{
    int64_t value;
    return bencode_find_int(dict, key, &value) && value >= least && value <= most ? value
                                                                                  : otherwise;
}

int ext_parse_handshake(struct span payload, struct ext_handshake *out, struct spate_error *error)
{
    struct bencode tree;
    struct span text;
    size_t consumed;
    int failed = bencode_parse_prefix(&tree, payload, EXT_TOKENS_MAX, &consumed, error);
    if (failed) {
        return failed;
    }
    struct bencode_item root = bencode_root(&tree);
    if (bencode_type(root) != BENCODE_DICT) {
        bencode_deinit(&tree);
        return error_set(error, SPATE_EBENCODE, 0, "extension handshake is not a dictionary");
    }
    /* A later handshake adds to the first (BEP 10): what it does not name stays as it is. */
    struct bencode_item ids = bencode_find_dict(root, "m");
    out->dont_have_id = (uint8_t)number(ids, "lt_donthave", 0, 255, out->dont_have_id);
    out->upload_only_id = (uint8_t)number(ids, "upload_only", 0, 255, out->upload_only_id);
    out->upload_only = number(root, "upload_only", INT64_MIN, INT64_MAX, out->upload_only) != 0;
    out->reqq = (uint32_t)number(root, "reqq", 1, UINT32_MAX, out->reqq);
    out->port = (uint16_t)number(root, "p", 1, 65535, out->port);
    if (bencode_find_text(root, "v", &text)) {
        text_copy(out->client, sizeof out->client, text);
    }
    if (bencode_find_text(root, "yourip", &text) && (text.size == 4 || text.size == 16)) {
        out->your_ip = text.size == 4 ? addr_v4(text.bytes, 0) : addr_v6(text.bytes, 0);
    }
    bencode_deinit(&tree);
    return 0;
}
