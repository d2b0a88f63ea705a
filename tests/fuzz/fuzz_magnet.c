/* Magnet links (BEP 9, 53): what parses, written again and parsed again, says the same. */
#include "codec/magnet.h"

#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const char **a, uint32_t a_count, const char **b, uint32_t b_count)
{
    ASSERT(a_count == b_count);
    for (uint32_t i = 0; i < a_count; i++) {
        ASSERT(strcmp(a[i], b[i]) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct magnet m, again;
    struct spate_error error = {.size = sizeof error};
    if (magnet_parse(&m, span_of(data, size), &error)) {
        ASSERT(error.code < 0 && error.offset <= size && error.text[0]);
        return 0;
    }
    ASSERT(m.has_v1 || m.has_v2);
    ASSERT(!m.name || text_is_utf8(span_text(m.name)));
    size_t length = magnet_write(&m, NULL, 0);
    char *text = malloc(length + 1);
    ASSERT(text && magnet_write(&m, text, length + 1) == length && strlen(text) == length);
    if (length <= LIMIT_MAGNET_BYTES) {
        ASSERT(magnet_parse(&again, span_of(text, length), NULL) == 0);
        ASSERT(memcmp(m.info_hash, again.info_hash, sizeof m.info_hash) == 0);
        ASSERT(memcmp(m.info_hash_v2, again.info_hash_v2, sizeof m.info_hash_v2) == 0);
        ASSERT(m.name ? again.name && strcmp(m.name, again.name) == 0 : !again.name);
        check_same(m.trackers, m.tracker_count, again.trackers, again.tracker_count);
        check_same(m.web_seeds, m.web_seed_count, again.web_seeds, again.web_seed_count);
        check_same(m.peers, m.peer_count, again.peers, again.peer_count);
        ASSERT(m.range_count == again.range_count);
        for (uint32_t i = 0; i < m.range_count; i++) {
            ASSERT(m.ranges[i].first == again.ranges[i].first &&
                   m.ranges[i].last == again.ranges[i].last);
        }
        magnet_deinit(&again);
    }
    free(text);
    magnet_deinit(&m);
    return 0;
}
