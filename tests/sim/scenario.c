/* What all scenarios share: settings, the making of a world, the bound, the summing up. */
#include "scenario.h"

#include "hostile.h"
#include "memory.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

/* ---- settings --------------------------------------------------------------------------------- */

const struct setting_row *setting_at(int index)
{
    static const struct setting_row rows[] = {
#define SETTING_ROW(name, value, text) {#name, text, value, offsetof(struct settings_of_run, name)},
        SETTING_MAP(SETTING_ROW)
#undef SETTING_ROW
    };
    return index < (int)(sizeof rows / sizeof *rows) ? &rows[index] : NULL;
}

static int64_t *setting_of(struct settings_of_run *s, const struct setting_row *row)
{
    return (int64_t *)(void *)((char *)s + row->offset);
}

static bool set_one(struct settings_of_run *s, const char *text, size_t size, const char **why)
{
    const char *equals = memchr(text, '=', size);
    size_t name = equals ? (size_t)(equals - text) : 0;
    char *end = NULL;
    for (int i = 0; setting_at(i); i++) {
        const struct setting_row *row = setting_at(i);
        if (strlen(row->name) == name && strncmp(row->name, text, name) == 0) {
            *setting_of(s, row) = strtoll(equals + 1, &end, 10);
            *why = "the value is not a number";
            return end == text + size && end != equals + 1;
        }
    }
    *why = equals ? "there is no such setting; --list names them" : "it is not key=value";
    return false;
}

bool settings_set(struct settings_of_run *s, const char *text, const char **why)
{
    bool good = true;
    while (good && *text) {
        size_t size = strcspn(text, " ");
        good = size == 0 || set_one(s, text, size, why);
        text += size + (text[size] == ' ');
    }
    if (good &&
        (s->pieces < 1 || s->piece < 1 || s->files < 1 || s->files > WORLD_FILES_MAX ||
         s->peers < 0 || s->seeds < 0 || s->look < 1 || s->peers + s->seeds > WORLD_PEERS_MAX ||
         s->pieces > 1 << 20 || s->piece > 1 << 24 || s->stranger < -1 ||
         s->stranger >= hostile_behaviour_count)) {
        *why = "a number is out of range";
        good = false;
    }
    return good;
}

void scenario_defaults(const struct scenario *scenario, struct settings_of_run *s)
{
    const char *why;
    for (int i = 0; setting_at(i); i++) {
        *setting_of(s, setting_at(i)) = setting_at(i)->value;
    }
    if (!settings_set(s, scenario->defaults, &why)) {
        fprintf(stderr, "%s: \"%s\": %s\n", scenario->name, scenario->defaults, why);
        abort();
    }
}

/* ---- the tables ------------------------------------------------------------------------------- */

const struct scenario *scenario_at(int index)
{
    const struct scenario *const tables[] = {
        scenarios_of_swarms,    scenarios_of_faults, scenarios_of_disks,  scenarios_of_peers,
        scenarios_of_strangers, scenarios_of_memory, scenarios_of_crashes};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        for (const struct scenario *s = tables[i]; s->name; s++) {
            if (index-- == 0) {
                return s;
            }
        }
    }
    return NULL;
}

const struct scenario *scenario_find(const char *name)
{
    const struct scenario *found = NULL;
    for (int i = 0; scenario_at(i); i++) {
        if (strcmp(scenario_at(i)->name, name) == 0) {
            return scenario_at(i);
        }
        if (strstr(scenario_at(i)->name, name)) {
            if (found) {
                return NULL;
            }
            found = scenario_at(i);
        }
    }
    return found;
}

/* ---- the world of a run ----------------------------------------------------------------------- */

struct io_sim_link run_link(const struct run *r, int64_t up_kb, int64_t down_kb)
{
    struct io_sim_link link = io_sim_link_default();
    link.delay_ns = r->set.delay * 1000000;
    link.jitter_ns = r->set.jitter * 1000000;
    link.loss_ppm = (uint32_t)r->set.loss;
    link.reorder_ppm = (uint32_t)r->set.reorder;
    link.duplicate_ppm = (uint32_t)r->set.duplicate;
    link.up_bytes_per_s = (uint64_t)up_kb * 1000;
    link.down_bytes_per_s = (uint64_t)down_kb * 1000;
    return link;
}

static void set_torrent(struct run *r)
{
    uint64_t total = (uint64_t)r->set.pieces * (uint64_t)r->set.piece;
    uint64_t at = 0, count = (uint64_t)r->set.files;
    /* The last piece is a short one, and files end inside pieces. */
    total -= r->set.pieces > 1 ? (uint64_t)r->set.piece / 3 : 0;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t to = i + 1 == count ? total : total / count * (i + 1) - 7 % (total / count);
        snprintf(r->paths[i], sizeof r->paths[i], "part %u/%u.bin", (unsigned)(i & 1), (unsigned)i);
        r->files[i] = (struct world_file){count > 1 ? r->paths[i] : NULL, to - at};
        at = to;
    }
    const struct world_torrent spec = {r->files, (int)count, (uint32_t)r->set.piece,
                                       (enum world_tracker_kind)r->set.tracker};
    world_set_torrent(r->world, &spec);
}

static void log_line(void *user, const char *text)
{
    struct run *r = user;
    fprintf(r->log, "%s\n", text);
}

static void add_point(struct curve *c, const struct world *w)
{
    struct curve_point point = {.at_ns = io_sim_now(w->sim), .least_ppm = UINT32_MAX};
    uint64_t sum = 0, count = 0;
    for (int i = 0; i < w->peer_count; i++) {
        const struct world_peer *p = &w->peers[i];
        const struct torrent *t = world_torrent(p);
        if (!p->seed && !p->excused) {
            uint64_t ppm = UINT64_C(1000000) * (t ? t->pieces.have.ones : 0) / w->piece_count;
            ppm = p->finished_ns > 0 ? 1000000 : ppm;
            point.least_ppm = ppm < point.least_ppm ? (uint32_t)ppm : point.least_ppm;
            point.most_ppm = ppm > point.most_ppm ? (uint32_t)ppm : point.most_ppm;
            point.finished += p->finished_ns > 0;
            sum += ppm;
            count++;
        }
    }
    if (c->count == c->capacity) {
        size_t capacity = c->capacity ? c->capacity * 2 : 256;
        struct curve_point *points = realloc(c->points, capacity * sizeof *points);
        if (!points) {
            return;
        }
        c->points = points;
        c->capacity = capacity;
    }
    point.mean_ppm = count > 0 ? (uint32_t)(sum / count) : 0;
    c->points[c->count++] = point;
}

struct world *run_begin(struct run *r)
{
    memory_begin();
    r->live_before = memory_use().live;
    struct world *w = world_create(r->seed);
    r->world = w;
    w->user = r;
    w->look_ns = r->set.look * 1000000;
    w->disk.latency_ns = r->set.disk * 1000;
    w->disk.sync_ns = r->set.sync * 1000;
    w->disk.bytes_per_s = (uint64_t)r->set.disk_rate * 1000;
    w->settings.frame_bytes = (uint64_t)r->set.frames << 20;
    w->settings.max_peers = (uint32_t)r->set.connections;
    w->settings.state_dir = r->set.state ? "/var/lib/spate" : NULL;
    if (r->log) {
        io_sim_set_log(w->sim, log_line, r);
    }
    checkers_attach(w);
    set_torrent(r);
    return w;
}

struct world_peer *run_add_seed(struct run *r)
{
    struct io_sim_link link = run_link(r, r->set.seed_up, 0);
    return world_add(r->world, &link, true);
}

struct world_peer *run_add_leecher(struct run *r)
{
    struct io_sim_link link = run_link(r, r->set.up, r->set.down);
    return world_add(r->world, &link, false);
}

void run_populate(struct run *r)
{
    struct world *w = r->world;
    for (int64_t i = 0; i < r->set.seeds + r->set.peers; i++) {
        struct world_peer *p = i < r->set.seeds ? run_add_seed(r) : run_add_leecher(r);
        if (r->set.tracker == WORLD_TRACKER_NONE && w->peer_count > 1) {
            world_introduce(p, p - 1);
        }
    }
}

int64_t run_fault_at_ns(struct run *r, int64_t from_ms, int64_t to_ms)
{
    int64_t at_ms = from_ms + dice_below(&r->dice, (uint32_t)(to_ms - from_ms));
    return (r->set.fault_at > 0 ? r->set.fault_at : at_ms) * 1000000;
}

/* Goes on for a while, and draws. */
uint64_t run_fault_index(struct run *r, uint64_t calls)
{
    uint64_t index = r->set.fault_index >= 0 ? (uint64_t)r->set.fault_index : (r->seed - 1) % calls;
    *r->outcome = (struct outcome){.fault_index = index, .fault_calls = calls};
    return index;
}

static bool go_on(struct run *r, int64_t for_ns)
{
    if (!r->curve) {
        return world_run(r->world, for_ns);
    }
    int64_t until_ns = io_sim_now(r->world->sim) + for_ns;
    while (world_is_well(r->world) && io_sim_now(r->world->sim) < until_ns) {
        world_run(r->world, r->world->look_ns);
        add_point(r->curve, r->world);
    }
    return world_is_well(r->world);
}

bool run_until(struct run *r, int64_t at_ns)
{
    int64_t now_ns = io_sim_now(r->world->sim);
    return at_ns <= now_ns ? world_is_well(r->world) : go_on(r, at_ns - now_ns);
}

bool run_finish(struct run *r)
{
    struct world *w = r->world;
    int64_t until_ns = io_sim_now(w->sim) + r->set.within * WORLD_SECOND_NS;
    while (go_on(r, w->look_ns) && !world_all_complete(w) && io_sim_now(w->sim) < until_ns) {
    }
    if (world_is_well(w) && !world_all_complete(w)) {
        int waiting = 0, one = -1;
        for (int i = 0; i < w->peer_count; i++) {
            const struct world_peer *p = &w->peers[i];
            if (p->session && !p->leaving && !p->excused && !p->complete) {
                one = i;
                waiting++;
            }
        }
        world_complain(w, checker_name(CHECKER_FINISH), "%d peers are not complete, one is %d",
                       waiting, one);
    }
    return world_is_well(w);
}

/* ---- summing up ------------------------------------------------------------------------------- */

/* Every byte leaves an uplink once for each leecher, the seeds' uplinks carry all of it once, nobody is
 * faster than his line; and with equal links a piece spreads by doubling. */
void run_bound(struct run *r)
{
    const struct world *w = r->world;
    double bytes = (double)w->payload_bytes, ups = 0, seed_ups = 0, bound = 0;
    int leechers = 0;
    bool equal = r->set.up == r->set.seed_up && r->set.seeds == 1 && r->set.up > 0;
    for (int i = 0; i < w->peer_count; i++) {
        const struct world_peer *p = &w->peers[i];
        double up = (double)p->link.up_bytes_per_s, down = (double)p->link.down_bytes_per_s;
        if (p->link.up_bytes_per_s == 0) {
            return; /* no limit, no bound */
        }
        equal = equal && p->link.up_bytes_per_s == w->peers[0].link.up_bytes_per_s;
        ups += up;
        seed_ups += p->seed ? up : 0;
        leechers += !p->seed;
        bound = !p->seed && down > 0 && bytes / down > bound ? bytes / down : bound;
    }
    if (leechers == 0 || seed_ups <= 0) {
        return;
    }
    bound = bytes / seed_ups > bound ? bytes / seed_ups : bound;
    bound = leechers * bytes / ups > bound ? leechers * bytes / ups : bound;
    if (equal && bound <= bytes / seed_ups * 1.000001) {
        int doublings = 0;
        for (int n = leechers; n > 1; n /= 2) {
            doublings++;
        }
        bound = bytes / seed_ups * (1 + (double)doublings / (double)w->piece_count);
    }
    r->outcome->bound_ns = (int64_t)(bound * (double)WORLD_SECOND_NS);
}

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void sum_times(struct outcome *o, const struct world *w)
{
    int64_t *times = calloc((size_t)w->peer_count + 1, sizeof *times);
    for (int i = 0; times && i < w->peer_count; i++) {
        const struct world_peer *p = &w->peers[i];
        if (!p->seed && !p->excused) {
            o->peers++;
            if (p->finished_ns > 0) {
                times[o->finished++] = p->finished_ns - p->started_ns;
            }
        }
    }
    if (o->finished > 0) {
        qsort(times, (size_t)o->finished, sizeof *times, by_time);
        for (int i = 0; i < OUTCOME_PERCENTILES; i++) {
            o->finished_ns[i] = times[(o->finished - 1) * i / (OUTCOME_PERCENTILES - 1)];
        }
    }
    free(times);
}

static void sum_bytes(struct outcome *o, struct world *w)
{
    double sum = 0, squares = 0, count = 0;
    for (int i = 0; i < w->peer_count; i++) {
        struct world_peer *p = &w->peers[i];
        const struct world_totals t = world_totals(p);
        o->totals.downloaded_bytes += t.downloaded_bytes;
        o->totals.uploaded_bytes += t.uploaded_bytes;
        o->totals.wasted_bytes += t.wasted_bytes;
        o->totals.failed_bytes += t.failed_bytes;
        o->totals.wasted_blocks += t.wasted_blocks;
        o->wire_bytes += io_sim_traffic(p->io).sent_bytes;
        if (!p->seed && t.downloaded_bytes > 0) {
            double ratio = (double)t.uploaded_bytes / (double)t.downloaded_bytes;
            sum += ratio;
            squares += ratio * ratio;
            count++;
        }
    }
    o->fairness_ppm = squares > 0 ? (uint32_t)(1000000 * sum * sum / (count * squares)) : 0;
    o->payload_bytes = w->payload_bytes;
    o->pieces = w->piece_count;
}

void run_end(struct run *r)
{
    struct world *w = r->world;
    struct outcome *o = r->outcome;
    checkers_at_end(w);
    sum_times(o, w);
    sum_bytes(o, w);
    o->end_ns = io_sim_now(w->sim);
    if (!world_is_well(w) && r->describe) {
        world_describe(w);
    }
    world_end(w);
    o->log_hash = io_sim_log_hash(w->sim);
    o->events = io_sim_events(w->sim);
    o->verdict = w->verdict;
    o->memory_bytes = memory_use().peak_bytes;
    world_free(w);
    r->world = NULL;
    uint64_t live = memory_use().live;
    if (!o->verdict.checker[0] && live != r->live_before) {
        snprintf(o->verdict.checker, sizeof o->verdict.checker, "%s", checker_name(CHECKER_LEAKS));
        snprintf(o->verdict.text, sizeof o->verdict.text,
                 "%" PRIu64 " pieces of memory are in use after the end of the world",
                 live - r->live_before);
    }
}

uint64_t run_cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

void scenario_run(struct run *r)
{
    uint64_t begin_ns = run_cpu_ns();
    const struct settings_of_run set = r->set;
    *r->outcome = (struct outcome){.end_ns = 0};
    /* The seed of a scenario is not the seed of the next: a bug met in one is not met in all. */
    dice_init(&r->dice, r->seed ^ UINT64_C(0x5ca1ab1e));
    r->scenario->play(r);
    r->set =
        set; /* some choose for themselves; who plays it again begins with what was asked for */
    r->outcome->cpu_ns = run_cpu_ns() - begin_ns;
}
