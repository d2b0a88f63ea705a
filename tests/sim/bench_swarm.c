/* What a swarm of whole sessions costs: one seed and N leechers over equal links until all are complete. They come a
 * tenth of a millisecond apart: of thousands that ask at the very same moment a tracker's socket loses most, and they ask again
 * after 15, 45, 105... seconds, at the same moment too. Prints the processor's time, memory, events and the hash of
 * the event log.
 *   bench_swarm [peers [pieces [piece_bytes [connections [seed]]]]] */
#include "world.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static const int64_t apart_ns = 100000;

/* Of this process, resident. */
static double resident_mb(void)
{
    unsigned long long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f) {
        if (fscanf(f, "%llu %llu", &size, &resident) != 2) {
            resident = 0;
        }
        fclose(f);
    }
    return (double)resident * 4096 / 1e6;
}

static double processor_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* How far it has come, every ten seconds of the world: a large one takes its time. */
static void tell_progress(struct world *w)
{
    int64_t second = io_sim_now(w->sim) / WORLD_SECOND_NS;
    uint64_t bytes = 0;
    int complete = 0;
    if (second % 10 != 0) {
        return;
    }
    for (int i = 0; i < w->peer_count; i++) {
        bytes += world_totals(&w->peers[i]).downloaded_bytes;
        complete += w->peers[i].complete;
    }
    fprintf(stderr, "%lld s: %d complete, %.1f MB, %.1f s of the processor, %.0f MB resident\n",
            (long long)second, complete, (double)bytes / 1e6, processor_s(), resident_mb());
}

static uint64_t number(int argc, char **argv, int index, uint64_t preset)
{
    return index < argc ? strtoull(argv[index], NULL, 10) : preset;
}

int main(int argc, char **argv)
{
    /* What a session takes in advance and hardly uses stays out of huge pages. */
    mallopt(M_MMAP_THRESHOLD, 128 << 10);
    int peers = (int)number(argc, argv, 1, 100);
    uint64_t pieces = number(argc, argv, 2, 1000), piece_bytes = number(argc, argv, 3, 16384);
    uint32_t connections = (uint32_t)number(argc, argv, 4, 30);
    const struct world_file file = {NULL, pieces * piece_bytes};
    const struct world_torrent torrent = {&file, 1, (uint32_t)piece_bytes, WORLD_TRACKER_UDP};
    struct io_sim_link link = io_sim_link_default();
    link.up_bytes_per_s = 2000000;
    link.down_bytes_per_s = 10000000;
    struct world *w = world_create(number(argc, argv, 5, 1));
    w->settings.max_peers = w->settings.max_connections = connections;
    w->on_look = tell_progress;
    w->look_ns = WORLD_SECOND_NS;
    world_set_torrent(w, &torrent);
    double begin_s = processor_s();
    double before_mb = resident_mb();
    for (int i = 0; i <= peers; i++) {
        world_add(w, &link, i == 0);
        io_sim_run_until(w->sim, io_sim_now(w->sim) + apart_ns);
    }
    double added_mb = resident_mb();
    bool done = world_finish(w, 36000 * WORLD_SECOND_NS);
    double took_s = processor_s() - begin_s;
    int64_t last_ns = 0;
    uint64_t wasted = 0;
    for (int i = 0; i <= peers; i++) {
        last_ns = w->peers[i].finished_ns > last_ns ? w->peers[i].finished_ns : last_ns;
        wasted += world_totals(&w->peers[i]).wasted_bytes;
    }
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double used_mb = resident_mb();
    double payload = (double)peers * (double)w->payload_bytes;
    printf("peers %d pieces %llu of %llu: %s, last at %.1f s, wasted %.2f %%\n", peers,
           (unsigned long long)pieces, (unsigned long long)piece_bytes, done ? "done" : "NOT DONE",
           (double)last_ns / 1e9 - 1, 100 * (double)wasted / payload);
    printf("processor %.2f s, %.1f MB/s of payload, %llu events (%.2f a block of 16 KiB)\n", took_s,
           payload / 1e6 / took_s, (unsigned long long)io_sim_events(w->sim),
           (double)io_sim_events(w->sim) / (payload / 16384));
    printf(
        "memory %.0f MB at most; a peer %.0f kB at first, %.0f kB at the end; log hash %016llx\n",
        (double)usage.ru_maxrss / 1e3, (added_mb - before_mb) * 1e3 / (peers + 1),
        (used_mb - before_mb) * 1e3 / (peers + 1), (unsigned long long)io_sim_log_hash(w->sim));
    return done ? 0 : 1;
}
