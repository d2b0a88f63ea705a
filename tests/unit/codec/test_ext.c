/* Payloads of BEP 10: what of a stranger's words is kept. */
#include "codec/ext.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

static void the_name_of_a_client_is_cut(void **state)
{
    (void)state;
    /* With its zero byte: one fewer, as many and one more than there is room for. */
    for (size_t room = LIMIT_PEER_CLIENT_BYTES - 1; room <= LIMIT_PEER_CLIENT_BYTES + 1; room++) {
        struct ext_handshake handshake = {.reqq = 1};
        char name[LIMIT_PEER_CLIENT_BYTES + 1], payload[200];
        memset(name, 'n', sizeof name);
        name[room - 1] = 0;
        snprintf(payload, sizeof payload, "d1:v%zu:%se", room - 1, name);
        assert_int_equal(ext_parse_handshake(span_text(payload), &handshake, NULL), 0);
        size_t kept = strlen(handshake.client);
        if (room <= LIMIT_PEER_CLIENT_BYTES) {
            assert_int_equal(kept, room - 1);
        } else {
            assert_in_range(kept, 1, LIMIT_PEER_CLIENT_BYTES - 1);
        }
        assert_memory_equal(handshake.client, name, kept < 50 ? kept : 50);
    }
}

static void a_later_handshake_adds_to_the_first(void **state)
{
    (void)state;
    struct ext_handshake handshake = {.reqq = 1};
    const char *first = "d1:md11:lt_donthavei7ee1:pi6881e4:reqqi250e1:v3:abce";
    assert_int_equal(ext_parse_handshake(span_text(first), &handshake, NULL), 0);
    assert_int_equal(ext_parse_handshake(span_text("d11:upload_onlyi1ee"), &handshake, NULL), 0);
    assert_int_equal(handshake.dont_have_id, 7);
    assert_int_equal(handshake.port, 6881);
    assert_int_equal(handshake.reqq, 250);
    assert_string_equal(handshake.client, "abc");
    assert_true(handshake.upload_only);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_name_of_a_client_is_cut),
        cmocka_unit_test(a_later_handshake_adds_to_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
