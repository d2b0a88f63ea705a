/* The event log: what every host asks of the port and what it gets, folded into one number as it
 * happens, so that two runs can be compared without keeping either. */
#ifndef IO_SIM_IO_SIM_LOG_H
#define IO_SIM_IO_SIM_LOG_H

#include "io/sim/io_sim_payload.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* What happened. The order of the table is part of every hash. */
#define IO_SIM_LOG_MAP(X)                                                                          \
    X(TIMER, "timer")                                                                              \
    X(TURN_END, "turn-end")                                                                        \
    X(WAIT_WAKE, "wait-wake")                                                                      \
    X(WAKE, "wake")                                                                                \
    X(WAIT, "wait")                                                                                \
    X(CANCEL, "cancel")                                                                            \
    X(DONE, "done")                                                                                \
    X(ENTROPY, "entropy")                                                                          \
    X(LISTEN, "listen")                                                                            \
    X(CONNECT, "connect")                                                                          \
    X(ACCEPT, "accept")                                                                            \
    X(CLOSE, "close")                                                                              \
    X(RECEIVE, "receive")                                                                          \
    X(SEND, "send")                                                                                \
    X(UDP_OPEN, "udp-open")                                                                        \
    X(UDP_RECEIVE, "udp-receive")                                                                  \
    X(UDP_SEND, "udp-send")                                                                        \
    X(WORK, "work")                                                                                \
    X(RESOLVE, "resolve")                                                                          \
    X(HTTP, "http")                                                                                \
    X(DISK_OPEN, "disk-open")                                                                      \
    X(DISK_READ, "disk-read")                                                                      \
    X(DISK_WRITE, "disk-write")                                                                    \
    X(DISK_SYNC, "disk-sync")                                                                      \
    X(DISK_ALLOCATE, "disk-allocate")                                                              \
    X(DISK_TRUNCATE, "disk-truncate")                                                              \
    X(DISK_STAT, "disk-stat")                                                                      \
    X(DISK_RENAME, "disk-rename")                                                                  \
    X(DISK_UNLINK, "disk-unlink")                                                                  \
    X(DISK_LIST, "disk-list")                                                                      \
    X(DISK_SPACE, "disk-space")                                                                    \
    X(DISK_LOCK, "disk-lock")                                                                      \
    X(HOST, "host")                                                                                \
    X(CRASH, "crash")

enum io_sim_log_kind {
#define IO_SIM_LOG_ENUM(name, text) IO_SIM_LOG_##name,
    IO_SIM_LOG_MAP(IO_SIM_LOG_ENUM)
#undef IO_SIM_LOG_ENUM
};

struct io_sim_log {
    uint64_t hash;
    void (*line)(void *user, const char *text); /* NULL: nobody reads along */
    void *user;
};

/* length is what was asked or moved, status what came of it, bytes a hash of what was moved. */
void io_sim_log_add(struct io_sim_log *, int64_t now_ns, uint32_t host, const char *host_name,
                    enum io_sim_log_kind kind, uint64_t length, int64_t status, uint64_t bytes);
/* A hash that is fast over many bytes and the same on every machine of one byte order; chained through
 * `hash`. */
uint64_t io_sim_log_bytes(uint64_t hash, const void *bytes, size_t size);
/* The same for bytes that are payload: where they are from says what they are. */
uint64_t io_sim_log_payload(uint64_t hash, const struct io_sim_payload_place *, uint64_t size);
/* Of the first `size` bytes of some parts. */
uint64_t io_sim_log_parts(const struct iovec *, int count, uint64_t size);

#endif
