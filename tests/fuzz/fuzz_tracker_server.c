/* A whole tracker with small caps, fed with datagrams and queries. Each step is a byte that says what it
 * is and from whom, a length, and the bytes; the connection id is made right when asked to. After each
 * step the table agrees with itself, and no unproven address was sent more than came in its name. */
#include "tracker/http_server.h"
#include "tracker/udp_server.h"

#include "base/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    struct swarm_table table;
    struct udp_server udp;
    struct http_server http;
    int64_t now_ns;
};

static struct addr host(uint8_t number)
{
    uint8_t ip[16] = {0x20, 1, 0, number & 3, 0, 0, 0, number & 1};
    return number & 4 ? addr_v6(ip, 1000) : addr_v4(ip, 1000);
}

static uint64_t connect_from(struct world *w, const struct addr *from)
{
    uint8_t bytes[16], out[UDP_SERVER_ANSWER_BYTES];
    struct writer request = writer_over(bytes, sizeof bytes);
    tracker_udp_write_connect(&request, 1);
    ASSERT(udp_server_answer(&w->udp, from, span_of(bytes, 16), w->now_ns, out) == 16);
    return load_be64(out + 8);
}

static void step_udp(struct world *w, uint8_t kind, struct span input)
{
    uint8_t bytes[256] = {0}, out[UDP_SERVER_ANSWER_BYTES];
    struct addr from = host(kind >> 3);
    bool proven = (kind & 2) && input.size >= 16;
    if (input.size > 0) {
        memcpy(bytes, input.bytes, input.size);
    }
    if (proven) {
        store_be64(bytes, connect_from(w, &from));
    }
    size_t answered = udp_server_answer(&w->udp, &from, span_of(bytes, input.size), w->now_ns, out);
    ASSERT(answered <= sizeof out);
    ASSERT(proven || answered <= input.size);
}

static void step_http(struct world *w, uint8_t kind, struct span input)
{
    static uint8_t bytes[HTTP_SERVER_BODY_BYTES];
    struct addr from = host(kind >> 3);
    struct writer body = writer_over(bytes, sizeof bytes);
    int status = http_server_answer(&w->http, span_text(kind & 2 ? "/announce" : "/scrape"), input,
                                    &from, w->now_ns, &body);
    ASSERT(status == 200 && !body.failed && body.size > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t random[4] = {1, 2, 3, 4};
    struct swarm_table_settings settings;
    struct world w = {.now_ns = 1};
    struct reader r = reader_over(span_of(data, size));
    swarm_table_settings_init(&settings);
    settings.interval_s = 100;
    settings.max_swarms = 3;
    settings.max_peers = 8;
    settings.max_swarm_peers = 4;
    settings.max_source_peers = 3;
    swarm_table_init(&w.table, &settings, random);
    udp_server_init(&w.udp, &w.table, random + 2);
    http_server_init(&w.http, &w.table);
    while (r.rest.size > 1) {
        uint8_t kind = reader_u8(&r);
        uint8_t length = reader_u8(&r);
        struct span input = span_slice(r.rest, 0, length);
        reader_take(&r, input.size);
        if (kind == 0xff) {
            w.now_ns += INT64_C(60) * 1000000000;
        } else if (kind & 1) {
            step_udp(&w, kind, input);
        } else {
            step_http(&w, kind, input);
        }
        ASSERT(swarm_table_is_consistent(&w.table));
    }
    swarm_table_deinit(&w.table);
    return 0;
}
