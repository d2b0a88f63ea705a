/* An HTTP tracker without sockets. A peer is at the address that its connection came from; what it
 * says about its address itself is not believed (BEP 7). A scrape must name its torrents: the whole
 * table is nobody's business and as long as it likes. */
#include "tracker/http_server.h"

#include "base/error.h"

enum { OK = 200, NOT_FOUND = 404 };

void http_server_init(struct http_server *s, struct swarm_table *table)
{
    *s = (struct http_server){.table = table};
}

static int refuse(struct http_server *s, struct writer *body, const char *text)
{
    s->refused++;
    tracker_http_write_failure(body, text);
    return OK;
}

static int announce(struct http_server *s, struct span query, const struct addr *from,
                    int64_t now_ns, struct writer *body)
{
    struct spate_error error = {.size = sizeof error};
    struct tracker_http_request request;
    struct swarm_peer *peers[LIMIT_ANNOUNCE_PEERS];
    struct tracker_http_peer entries[LIMIT_ANNOUNCE_PEERS];
    struct swarm_counts counts;
    if (tracker_http_parse_announce(&request, query, &error) < 0) {
        return refuse(s, body, error.text);
    }
    int count = swarm_table_announce(s->table, &request.announce, from, now_ns, peers,
                                     LIMIT_ANNOUNCE_PEERS, &counts);
    if (count < 0) {
        return refuse(s, body,
                      count == SPATE_ELIMIT ? "too many peers at your address"
                                            : "the tracker has no memory left");
    }
    s->announces++;
    for (int i = 0; i < count; i++) {
        entries[i] = (struct tracker_http_peer){peers[i]->address, peers[i]->id};
    }
    uint32_t interval_s = s->table->settings.interval_s;
    tracker_http_write_reply(body, &request,
                             &(struct tracker_http_reply){.interval_s = interval_s,
                                                          .min_interval_s = (interval_s + 1) / 2,
                                                          .counts = counts.counts,
                                                          .external = *from,
                                                          .peers = entries,
                                                          .peer_count = (uint32_t)count});
    return OK;
}

static int scrape(struct http_server *s, struct span query, int64_t now_ns, struct writer *body)
{
    struct spate_error error = {.size = sizeof error};
    uint8_t hashes[LIMIT_SCRAPE_HASHES * 20];
    struct tracker_http_scraped files[LIMIT_SCRAPE_HASHES];
    int count = tracker_http_parse_scrape_query(query, hashes, LIMIT_SCRAPE_HASHES, &error);
    if (count < 0) {
        return refuse(s, body, error.text);
    }
    if (count == 0) {
        return refuse(s, body, "a scrape must name its torrents by info_hash");
    }
    s->scrapes++;
    for (int i = 0; i < count; i++) {
        struct swarm_counts counts;
        memcpy(files[i].info_hash, hashes + i * 20, 20);
        swarm_table_scrape(s->table, files[i].info_hash, now_ns, &counts);
        files[i].counts = counts.counts;
        files[i].downloaders = counts.downloaders;
    }
    tracker_http_write_scrape(body, files, (uint32_t)count);
    return OK;
}

int http_server_answer(struct http_server *s, struct span path, struct span query,
                       const struct addr *from, int64_t now_ns, struct writer *body)
{
    if (span_equals(path, span_text("/announce"))) {
        return announce(s, query, from, now_ns, body);
    }
    if (span_equals(path, span_text("/scrape"))) {
        return scrape(s, query, now_ns, body);
    }
    s->refused++;
    writer_text(body, "there is /announce and /scrape here\n");
    return NOT_FOUND;
}
