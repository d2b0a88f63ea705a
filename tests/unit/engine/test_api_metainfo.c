/* The public calls about torrent files: padding is hidden, sizes of structs are honoured. */
#include "spate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>
#include <string.h>

static const char torrent[] =
    "d8:announce8:http://t13:announce-listll8:http://tel9:udp://u:1ee7:comment2:hi4:infod5:filesl"
    "d6:lengthi10e4:pathl3:oneeed4:attr1:p6:lengthi16374e4:pathl4:.pad5:16374eed4:attr1:x6:"
    "lengthi7e"
    "4:pathl2:..5:a\n\\b.eee4:name6:folder12:piece lengthi16384e6:pieces40:"
    "hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhe8:url-list8:http://we";

static spate_metainfo *parse(void)
{
    spate_metainfo *m = NULL;
    struct spate_error error = {.size = sizeof error};
    if (spate_metainfo_parse(torrent, sizeof torrent - 1, &m, &error)) {
        fail_msg("%s", error.text);
    }
    return m;
}

static void padding_has_no_number(void **state)
{
    (void)state;
    spate_metainfo *m = parse();
    struct spate_metainfo_info info = {.size = sizeof info};
    assert_int_equal(spate_metainfo_info(m, &info), 0);
    assert_int_equal(info.size, sizeof info);
    assert_int_equal(info.flags, SPATE_METAINFO_V1);
    assert_string_equal(info.name, "folder");
    assert_string_equal(info.comment, "hi");
    assert_null(info.created_by);
    assert_int_equal(info.creation_date, -1);
    assert_int_equal(info.total_bytes, 17);
    assert_int_equal(info.piece_count, 2);
    assert_int_equal(info.file_count, 2);
    struct spate_metainfo_file file = {.size = sizeof file};
    assert_int_equal(spate_metainfo_file(m, 0, &file), 0);
    assert_string_equal(file.path, "one");
    assert_string_equal(file.disk_path, "one");
    assert_int_equal(spate_metainfo_file(m, 1, &file), 0);
    assert_string_equal(file.path, "../a\n\\b.");
    assert_string_equal(file.disk_path, "._/a__b_");
    assert_int_equal(file.flags, SPATE_FILE_EXECUTABLE);
    assert_int_equal(file.offset, 16384);
    assert_int_equal(file.length, 7);
    assert_int_equal(spate_metainfo_file(m, 2, &file), SPATE_EINVAL);
    spate_metainfo_free(m);
}

static void trackers_and_web_seeds_are_counted(void **state)
{
    (void)state;
    spate_metainfo *m = parse();
    uint32_t tier = 9;
    assert_string_equal(spate_metainfo_tracker(m, 1, &tier), "udp://u:1");
    assert_int_equal(tier, 1);
    assert_string_equal(spate_metainfo_tracker(m, 0, NULL), "http://t");
    assert_null(spate_metainfo_tracker(m, 2, &tier));
    assert_string_equal(spate_metainfo_web_seed(m, 0), "http://w");
    assert_null(spate_metainfo_web_seed(m, 1));
    spate_metainfo_free(m);
}

static void no_more_is_written_than_the_caller_has(void **state)
{
    (void)state;
    spate_metainfo *m = parse();
    struct {
        struct spate_metainfo_info info;
        unsigned char later[32]; /* fields of a later version */
    } longer;
    memset(&longer, 0x5a, sizeof longer);
    longer.info.size = sizeof longer;
    assert_int_equal(spate_metainfo_info(m, &longer.info), 0);
    assert_int_equal(longer.info.file_count, 2);
    for (size_t i = 0; i < sizeof longer.later; i++) {
        assert_int_equal(longer.later[i], 0);
    }
    struct spate_metainfo_info shorter;
    memset(&shorter, 0x5a, sizeof shorter);
    shorter.size = offsetof(struct spate_metainfo_info, name);
    assert_int_equal(spate_metainfo_info(m, &shorter), 0);
    assert_int_equal(shorter.flags, SPATE_METAINFO_V1);
    assert_int_equal(shorter.file_count, 0x5a5a5a5a);
    shorter.size = 3;
    assert_int_equal(spate_metainfo_info(m, &shorter), SPATE_EINVAL);
    spate_metainfo_free(m);
}

static void a_magnet_link_tells_its_length_first(void **state)
{
    (void)state;
    spate_metainfo *m = parse();
    char link[300];
    int length = spate_metainfo_magnet(m, NULL, 0);
    assert_int_equal(spate_metainfo_magnet(m, link, sizeof link), length);
    assert_int_equal(strlen(link), length);
    assert_memory_equal(link, "magnet:?xt=urn:btih:", 20);
    assert_non_null(
        strstr(link, "&dn=folder&tr=http%3A%2F%2Ft&tr=udp%3A%2F%2Fu%3A1&ws=http%3A%2F%2Fw"));
    spate_metainfo_free(m);
}

static void every_prefix_is_refused_with_its_place(void **state)
{
    (void)state;
    for (size_t size = 0; size < sizeof torrent - 1; size++) {
        spate_metainfo *m = (spate_metainfo *)&m;
        struct spate_error error = {.size = sizeof error};
        assert_int_equal(spate_metainfo_parse(torrent, size, &m, &error), SPATE_EBENCODE);
        assert_null(m);
        assert_true(error.offset <= size);
    }
    spate_metainfo *m;
    assert_int_equal(spate_metainfo_parse(NULL, 5, &m, NULL), SPATE_EINVAL);
    assert_int_equal(spate_metainfo_parse(torrent, 5, NULL, NULL), SPATE_EINVAL);
    spate_metainfo_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(padding_has_no_number),
        cmocka_unit_test(trackers_and_web_seeds_are_counted),
        cmocka_unit_test(no_more_is_written_than_the_caller_has),
        cmocka_unit_test(a_magnet_link_tells_its_length_first),
        cmocka_unit_test(every_prefix_is_refused_with_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
