/* Resume records as bytes: what was written comes back, and anything else is an error. */
#include "disk/resume.h"

#include "crypto/sha.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { PIECES = 21, FILES = 3, PIECE_BYTES = 65536 };

static char *text(const char *s)
{
    char *copy = strdup(s);
    assert_non_null(copy);
    return copy;
}

static void make(struct resume_record *r)
{
    *r = (struct resume_record){.destination = text("/home/a/b"),
                                .clean = true,
                                .completed_announced = true,
                                .key = 0xdeadbeef,
                                .uploaded_bytes = UINT64_C(1) << 40,
                                .downloaded_bytes = 12345,
                                .partial_count = 2,
                                .file_count = FILES};
    memset(r->info_hash, 0xa5, sizeof r->info_hash);
    assert_int_equal(bitset_init(&r->written, PIECES), 0);
    assert_int_equal(bitset_init(&r->durable, PIECES), 0);
    for (uint32_t i = 0; i < PIECES; i += 2) {
        bitset_set(&r->written, i);
        if (i % 4 == 0) {
            bitset_set(&r->durable, i);
        }
    }
    r->partials = calloc(2, sizeof *r->partials);
    for (uint32_t i = 0; i < 2; i++) {
        r->partials[i].piece = 1 + 2 * i;
        assert_int_equal(bitset_init(&r->partials[i].blocks, 4 - i), 0);
        bitset_set(&r->partials[i].blocks, 1 + i);
    }
    r->files = calloc(FILES, sizeof *r->files);
    for (uint32_t i = 0; i < FILES; i++) {
        r->files[i] = (struct resume_file){.device = 1,
                                           .inode = 100 + i,
                                           .length = 4096 * i,
                                           .modified_ns = -5 + (int64_t)i,
                                           .present = i != 1,
                                           .owned = i == 2,
                                           .path = i == 1 ? NULL : text("t/\xc3\xa4")};
    }
    r->wanted = malloc(FILES);
    memcpy(r->wanted, "\1\0\1", FILES);
}

static void encode(const struct resume_record *r, uint8_t **bytes, size_t *size)
{
    assert_int_equal(resume_record_encode(r, bytes, size), 0);
}

static int decode(const uint8_t *bytes, size_t size, struct resume_record *out)
{
    /* A copy of exactly this size, so that reading beyond it is seen. */
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, bytes, size);
    struct spate_error error = {.size = sizeof error};
    int rc = resume_record_decode(span_of(copy, size), PIECES, FILES, PIECE_BYTES, out, &error);
    assert_true(rc == 0 || (rc == SPATE_ESTATE && error.text[0]));
    free(copy);
    return rc;
}

static void a_record_comes_back_as_it_was(void **state)
{
    (void)state;
    struct resume_record r, back;
    uint8_t *bytes, *again;
    size_t size, again_size;
    make(&r);
    encode(&r, &bytes, &size);
    assert_int_equal(decode(bytes, size, &back), 0);
    assert_string_equal(back.destination, "/home/a/b");
    assert_true(back.clean && back.completed_announced && !back.completed);
    assert_int_equal(back.key, 0xdeadbeef);
    assert_int_equal(back.uploaded_bytes, UINT64_C(1) << 40);
    assert_int_equal(back.written.ones, 11);
    assert_int_equal(back.durable.ones, 6);
    assert_int_equal(back.partial_count, 2);
    assert_int_equal(back.partials[1].piece, 3);
    assert_int_equal(back.partials[1].blocks.count, 3);
    assert_true(bitset_get(&back.partials[1].blocks, 2));
    assert_int_equal(back.files[2].inode, 102);
    assert_int_equal(back.files[0].modified_ns, -5);
    assert_null(back.files[1].path);
    assert_string_equal(back.files[2].path, "t/\xc3\xa4");
    assert_memory_equal(back.wanted, "\1\0\1", 3);
    encode(&back, &again, &again_size);
    assert_int_equal(again_size, size);
    assert_memory_equal(again, bytes, size);
    free(bytes);
    free(again);
    resume_record_deinit(&r);
    resume_record_deinit(&back);
}

static void everything_wanted_stays_everything(void **state)
{
    (void)state;
    struct resume_record r, back;
    uint8_t *bytes;
    size_t size;
    make(&r);
    free(r.wanted);
    r.wanted = NULL;
    encode(&r, &bytes, &size);
    assert_int_equal(decode(bytes, size, &back), 0);
    assert_null(back.wanted);
    free(bytes);
    resume_record_deinit(&r);
    resume_record_deinit(&back);
}

static void no_prefix_is_a_record(void **state)
{
    (void)state;
    struct resume_record r, back;
    uint8_t *bytes;
    size_t size;
    make(&r);
    encode(&r, &bytes, &size);
    for (size_t n = 0; n < size; n++) {
        assert_int_equal(decode(bytes, n, &back), SPATE_ESTATE);
    }
    free(bytes);
    resume_record_deinit(&r);
}

/* Also with a checksum that is right: then whatever decodes must encode to the same bytes. */
static void no_changed_byte_is_half_believed(void **state)
{
    (void)state;
    struct resume_record r, back;
    uint8_t *bytes, *again;
    size_t size, again_size;
    make(&r);
    encode(&r, &bytes, &size);
    for (size_t i = 0; i < size; i++) {
        for (int change = 1; change < 256; change <<= 1) {
            bytes[i] = (uint8_t)(bytes[i] ^ change);
            assert_int_equal(decode(bytes, size, &back), SPATE_ESTATE);
            if (i < size - SHA1_BYTES) {
                uint8_t kept[SHA1_BYTES];
                memcpy(kept, bytes + size - SHA1_BYTES, SHA1_BYTES);
                sha1_of(span_of(bytes, size - SHA1_BYTES), bytes + size - SHA1_BYTES);
                if (decode(bytes, size, &back) == 0) {
                    encode(&back, &again, &again_size);
                    assert_int_equal(again_size, size);
                    assert_memory_equal(again, bytes, size);
                    free(again);
                    resume_record_deinit(&back);
                }
                memcpy(bytes + size - SHA1_BYTES, kept, SHA1_BYTES);
            }
            bytes[i] = (uint8_t)(bytes[i] ^ change);
        }
    }
    free(bytes);
    resume_record_deinit(&r);
}

static void a_record_of_another_torrent_or_version_is_refused(void **state)
{
    (void)state;
    struct resume_record r, back;
    uint8_t *bytes;
    size_t size;
    make(&r);
    encode(&r, &bytes, &size);
    struct span all = span_of(bytes, size);
    assert_int_equal(resume_record_decode(all, PIECES + 1, FILES, PIECE_BYTES, &back, NULL),
                     SPATE_ESTATE);
    assert_int_equal(resume_record_decode(all, PIECES, FILES + 1, PIECE_BYTES, &back, NULL),
                     SPATE_ESTATE);
    assert_int_equal(resume_record_decode(all, PIECES, FILES, 32768, &back, NULL), SPATE_ESTATE);
    bytes[5]++; /* the version */
    sha1_of(span_of(bytes, size - SHA1_BYTES), bytes + size - SHA1_BYTES);
    assert_int_equal(resume_record_decode(all, PIECES, FILES, PIECE_BYTES, &back, NULL),
                     SPATE_ESTATE);
    free(bytes);
    resume_record_deinit(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_comes_back_as_it_was),
        cmocka_unit_test(everything_wanted_stays_everything),
        cmocka_unit_test(no_prefix_is_a_record),
        cmocka_unit_test(no_changed_byte_is_half_believed),
        cmocka_unit_test(a_record_of_another_torrent_or_version_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
