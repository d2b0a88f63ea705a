/* Payload as a function: what a torrent holds at an offset follows from its id, so that a simulated disk
 * need not keep it, and from a page of it the id and the offset can be told. */
#ifndef IO_SIM_IO_SIM_PAYLOAD_H
#define IO_SIM_IO_SIM_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { IO_SIM_PAYLOADS_MAX = 126 };

struct io_sim_payload_source {
    uint64_t id, length;
};

/* Those that a world's disks look for. */
struct io_sim_payloads {
    struct io_sim_payload_source sources[IO_SIM_PAYLOADS_MAX];
    uint32_t count;
};

/* Where some bytes come from. */
struct io_sim_payload_place {
    uint32_t source;
    uint64_t offset;
};

/* Whether bytes are what the source has there. */
bool io_sim_payload_equals(uint64_t id, uint64_t offset, const uint8_t *bytes, size_t size);
/* Finds the source of at least 16 bytes. */
bool io_sim_payload_find(const struct io_sim_payloads *, const uint8_t *bytes, size_t size,
                         struct io_sim_payload_place *out);

#endif
