/* A UDP tracker without sockets (BEP 15). What does not begin with a connect's magic or a good
 * connection id is met with silence. */
#include "tracker/udp_server.h"

#include "base/error.h"

#define SLOT_NS (INT64_C(120) * 1000000000) /* "two minutes", BEP 15 */

void udp_server_init(struct udp_server *s, struct swarm_table *table, const uint64_t key[2])
{
    *s = (struct udp_server){.table = table, .key = {key[0], key[1]}};
}

/* Without the port: an address is what has to be proven, and translators change ports. */
static uint64_t connection_id(const struct udp_server *s, const struct addr *from, int64_t slot)
{
    uint8_t bytes[16 + 2 + 8];
    memcpy(bytes, from->ip, 16);
    store_be16(bytes + 16, from->family);
    store_be64(bytes + 18, (uint64_t)slot);
    return map_siphash(s->key, bytes, sizeof bytes);
}

static bool is_connected(const struct udp_server *s, const struct addr *from, uint64_t id,
                         int64_t now_ns)
{
    int64_t slot = now_ns / SLOT_NS;
    return id == connection_id(s, from, slot) || id == connection_id(s, from, slot - 1);
}

static void answer_announce(struct udp_server *s, const struct addr *from,
                            const struct tracker_udp_request *request, int64_t now_ns,
                            struct writer *w)
{
    struct swarm_peer *peers[LIMIT_ANNOUNCE_PEERS];
    struct swarm_counts counts;
    size_t room = (UDP_SERVER_ANSWER_BYTES - TRACKER_UDP_ANSWER_BYTES) / addr_compact_bytes(from);
    uint32_t max = room < LIMIT_ANNOUNCE_PEERS ? (uint32_t)room : LIMIT_ANNOUNCE_PEERS;
    int count =
        swarm_table_announce(s->table, &request->announce, from, now_ns, peers, max, &counts);
    if (count < 0) {
        s->refused++;
        tracker_udp_write_error(w, request->transaction_id,
                                count == SPATE_ELIMIT ? "too many peers at your address"
                                                      : "the tracker has no memory left");
        return;
    }
    s->announces++;
    tracker_udp_write_announced(w, request->transaction_id, s->table->settings.interval_s,
                                counts.counts.leechers, counts.counts.seeders);
    for (int i = 0; i < count; i++) {
        uint8_t *room_for_peer = writer_room(w, addr_compact_bytes(from));
        if (room_for_peer) {
            addr_compact(&peers[i]->address, room_for_peer);
        }
    }
}

static void answer_scrape(struct udp_server *s, const struct tracker_udp_request *request,
                          int64_t now_ns, struct writer *w)
{
    s->scrapes++;
    tracker_udp_write_scraped(w, request->transaction_id);
    for (size_t at = 0; at < request->info_hashes.size; at += 20) {
        struct swarm_counts counts;
        swarm_table_scrape(s->table, request->info_hashes.bytes + at, now_ns, &counts);
        tracker_udp_write_counts(w, counts.counts);
    }
}

size_t udp_server_answer(struct udp_server *s, const struct addr *from, struct span bytes,
                         int64_t now_ns, uint8_t *out)
{
    struct tracker_udp_request request;
    struct writer w = writer_over(out, UDP_SERVER_ANSWER_BYTES);
    if (!tracker_udp_parse_request(&request, bytes)) {
        s->refused++;
    } else if (request.action == TRACKER_UDP_CONNECT) {
        s->connects++;
        tracker_udp_write_connected(&w, request.transaction_id,
                                    connection_id(s, from, now_ns / SLOT_NS));
    } else if (!is_connected(s, from, request.connection_id, now_ns)) {
        s->refused++;
    } else if (request.action == TRACKER_UDP_ANNOUNCE) {
        answer_announce(s, from, &request, now_ns, &w);
    } else {
        answer_scrape(s, &request, now_ns, &w);
    }
    return w.failed ? 0 : w.size;
}
