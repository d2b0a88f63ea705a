/* An HTTP tracker without sockets. */
#include "tracker/http_server.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>

#define QUERY(n) "info_hash=hhhhhhhhhhhhhhhhhhhh&peer_id=pppppppppppppppppppp&port=" n

struct scene {
    struct swarm_table table;
    struct http_server server;
    uint8_t body[HTTP_SERVER_BODY_BYTES];
    struct writer w;
};

static void begin(struct scene *s)
{
    static const uint64_t random[2] = {1, 2};
    struct swarm_table_settings settings;
    swarm_table_settings_init(&settings);
    swarm_table_init(&s->table, &settings, random);
    http_server_init(&s->server, &s->table);
}

static int get(struct scene *s, struct addr from, const char *path, const char *query)
{
    s->w = writer_over(s->body, sizeof s->body);
    return http_server_answer(&s->server, span_text(path), span_text(query), &from, 1, &s->w);
}

static bool body_is(const struct scene *s, const char *text)
{
    return span_equals(span_of(s->body, s->w.size), span_text(text));
}

static struct addr host(void)
{
    return addr_v4((const uint8_t *)"ABCD", 99);
}

static void an_announce_is_answered_in_bencode(void **state)
{
    struct scene s;
    (void)state;
    begin(&s);
    assert_int_equal(get(&s, host(), "/announce", QUERY("1") "&left=0"), 200);
    assert_true(body_is(&s, "d8:completei1e10:downloadedi0e11:external ip4:ABCD10:incompletei0e"
                            "8:intervali1800e12:min intervali900e5:peers0:e"));
    get(&s, host(), "/announce", QUERY("2"));
    static const char expected[] =
        "d8:completei1e10:downloadedi0e11:external ip4:ABCD10:incompletei1e"
        "8:intervali1800e12:min intervali900e5:peers6:ABCD\0\1e";
    assert_true(span_equals(span_of(s.body, s.w.size), span_of(expected, sizeof expected - 1)));
    swarm_table_deinit(&s.table);
}

static void two_hundred_peers_with_their_ids_fit(void **state)
{
    struct scene s;
    uint8_t ip[16] = {0x20, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    (void)state;
    begin(&s);
    for (uint16_t i = 0; i < 300; i++) {
        store_be16(ip + 6, (uint16_t)(0xf000 + i));
        memset(ip + 8, 0xff, 8);
        int status = get(&s, addr_v6(ip, 1), "/announce", QUERY("65535") "&numwant=999&compact=0");
        assert_int_equal(status, 200);
        assert_false(s.w.failed);
    }
    assert_true(s.w.size > 200 * 80);
    swarm_table_deinit(&s.table);
}

static void what_is_wrong_is_said_in_a_failure(void **state)
{
    struct scene s;
    (void)state;
    begin(&s);
    assert_int_equal(get(&s, host(), "/announce", "x=y"), 200);
    assert_true(body_is(&s, "d14:failure reason33:info_hash is missing or not valide"));
    get(&s, host(), "/scrape", "");
    assert_true(body_is(&s, "d14:failure reason44:a scrape must name its torrents by info_hashe"));
    get(&s, host(), "/scrape", "info_hash=short");
    assert_true(body_is(&s, "d14:failure reason33:info_hash is missing or not valide"));
    s.table.settings.max_source_peers = 0;
    get(&s, host(), "/announce", QUERY("1"));
    assert_true(body_is(&s, "d14:failure reason30:too many peers at your addresse"));
    assert_int_equal(s.server.refused, 4);
    swarm_table_deinit(&s.table);
}

static void a_scrape_answers_so_many_torrents_and_no_more(void **state)
{
    (void)state;
    for (int count = LIMIT_SCRAPE_HASHES - 1; count <= (int)LIMIT_SCRAPE_HASHES + 1; count++) {
        struct scene s;
        char query[(LIMIT_SCRAPE_HASHES + 1) * 31 + 1] = "";
        int answered = 0;
        begin(&s);
        for (int i = 0; i < count; i++) {
            size_t used = strlen(query);
            snprintf(query + used, sizeof query - used, "&info_hash=%020d", i);
        }
        assert_int_equal(get(&s, host(), "/scrape", query + 1), 200);
        assert_false(s.w.failed);
        for (size_t at = 0; at + 10 <= s.w.size; at++) {
            answered += memcmp(s.body + at, "8:complete", 10) == 0;
        }
        assert_int_equal(answered,
                         count < (int)LIMIT_SCRAPE_HASHES ? count : (int)LIMIT_SCRAPE_HASHES);
        swarm_table_deinit(&s.table);
    }
}

static void other_paths_are_not_found(void **state)
{
    struct scene s;
    (void)state;
    begin(&s);
    assert_int_equal(get(&s, host(), "/", ""), 404);
    assert_int_equal(get(&s, host(), "/announce/", QUERY("1")), 404);
    assert_int_equal(get(&s, host(), "", QUERY("1")), 404);
    swarm_table_deinit(&s.table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_announce_is_answered_in_bencode),
        cmocka_unit_test(two_hundred_peers_with_their_ids_fit),
        cmocka_unit_test(what_is_wrong_is_said_in_a_failure),
        cmocka_unit_test(a_scrape_answers_so_many_torrents_and_no_more),
        cmocka_unit_test(other_paths_are_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
