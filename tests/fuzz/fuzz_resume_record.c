/* Resume records: damage is an error, and whatever decodes encodes to the same bytes. The first three bytes choose
 * the torrent's counts; the rest is a record, once as it is and once with a checksum that is right, so that the
 * parser behind the checksum is reached. */
#include "disk/resume.h"

#include "crypto/sha.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct counts {
    uint32_t pieces, files, piece_length;
};

static void decode(struct span bytes, const struct counts *c)
{
    struct resume_record record;
    struct spate_error error = {.size = sizeof error};
    int rc = resume_record_decode(bytes, c->pieces, c->files, c->piece_length, &record, &error);
    if (rc != 0) {
        ASSERT(rc == SPATE_ESTATE && error.text[0]);
        return;
    }
    uint8_t *again;
    size_t again_size;
    ASSERT(record.written.count == c->pieces && record.file_count == c->files);
    ASSERT(resume_record_encode(&record, &again, &again_size) == 0);
    ASSERT(span_equals(bytes, span_of(again, again_size)));
    free(again);
    resume_record_deinit(&record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3) {
        return 0;
    }
    const struct counts c = {
        .pieces = 1u + data[0], .files = data[1], .piece_length = 16384u << (data[2] % 8)};
    data += 3;
    size -= 3;
    decode(span_of(data, size), &c);
    uint8_t *summed = malloc(size + SHA1_BYTES);
    if (summed) {
        memcpy(summed, data, size);
        sha1_of(span_of(data, size), summed + size);
        decode(span_of(summed, size + SHA1_BYTES), &c);
        free(summed);
    }
    return 0;
}
