/* Resolving names: an answer after 20 ms, or none for 15 s, which is then SPATE_ETIMEDOUT. Literal
 * addresses and "localhost" need nobody. */
#include "io/sim/io_sim_names.h"

#include <stdlib.h>

static const int64_t answer_ns = 20000000, silence_ns = INT64_C(15000000000);

struct io_sim_name {
    struct addr addresses[IO_RESOLVE_ADDRESSES];
    int count; /* 0: nobody answers */
};

static uint64_t name_key(const char *name)
{
    static const uint64_t key[2] = {1, 2};
    char lower[256];
    size_t size = strnlen(name, sizeof lower);
    for (size_t i = 0; i < size; i++) {
        lower[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] - 'A' + 'a' : name[i]);
    }
    return map_siphash(key, lower, size);
}

void io_sim_set_name(struct io_sim *sim, const char *name, const struct addr *addresses, int count)
{
    uint64_t key = name_key(name);
    struct io_sim_name *entry = map_get(&sim->names, &key);
    ASSERT(count >= 0 && count <= IO_RESOLVE_ADDRESSES);
    if (!entry) {
        entry = io_sim_take(sizeof *entry);
        ASSERT(map_put(&sim->names, &key, entry) == 0);
    }
    entry->count = count;
    for (int i = 0; i < count; i++) {
        entry->addresses[i] = addresses[i];
        entry->addresses[i].port = 0;
    }
}

void io_sim_names_deinit(struct io_sim *sim)
{
    size_t cursor = 0;
    void *entry;
    while ((entry = map_each(&sim->names, &cursor))) {
        free(entry);
    }
}

/* Those of the wanted family. */
static int choose(const struct addr *from, int from_count, enum addr_family family,
                  struct addr *out, int *count)
{
    *count = 0;
    for (int i = 0; i < from_count; i++) {
        if (family == ADDR_NONE || from[i].family == family) {
            out[(*count)++] = from[i];
        }
    }
    return *count > 0 ? 0 : SPATE_EHOST;
}

int io_sim_names_look_up(struct io_sim_host *host, const char *name, enum addr_family family,
                         struct addr out[IO_RESOLVE_ADDRESSES], int *count, int64_t *delay_ns)
{
    static const uint8_t loopback_v4[4] = {127, 0, 0, 1};
    static const uint8_t loopback_v6[16] = {[15] = 1};
    struct addr found[2];
    uint64_t key = name_key(name);
    const struct io_sim_name *entry = map_get(&host->sim->names, &key);
    *count = 0;
    *delay_ns = 0;
    if (addr_parse(&found[0], span_text(name)) && found[0].port == 0) {
        return choose(found, 1, family, out, count);
    }
    if (strcmp(name, "localhost") == 0) {
        found[0] = addr_v4(loopback_v4, 0);
        found[1] = addr_v6(loopback_v6, 0);
        return choose(found, 2, family, out, count);
    }
    if (!host->is_up || (entry && entry->count == 0)) {
        *delay_ns = silence_ns;
        return SPATE_ETIMEDOUT;
    }
    *delay_ns = answer_ns;
    return entry ? choose(entry->addresses, entry->count, family, out, count) : SPATE_EHOST;
}

void io_sim_names_resolve(struct io_sim_host *host, struct io_resolve *r)
{
    int64_t delay_ns;
    r->name[sizeof r->name - 1] = 0;
    io_sim_names_look_up(host, r->name, r->family, r->addresses, &r->count, &delay_ns);
    r->count = 0;
    io_sim_timer(host, &r->op, host->sim->now_ns + delay_ns, IO_SIM_OP_RESOLVE);
}

int io_sim_names_answer(struct io_sim_host *host, struct io_op *op)
{
    struct io_resolve *r = list_entry(op, struct io_resolve, op);
    int64_t delay_ns;
    return io_sim_names_look_up(host, r->name, r->family, r->addresses, &r->count, &delay_ns);
}
