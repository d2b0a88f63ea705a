/* A library that does what a test tells it: a torrent with some files, and a session that shows one
 * status after another. */
#ifndef TESTS_FAKE_SPATE_H
#define TESTS_FAKE_SPATE_H

#include "spate.h"

enum { FAKE_FILES_MAX = 16, FAKE_STATUSES_MAX = 64 };

struct fake {
    const char *paths[FAKE_FILES_MAX];
    uint64_t lengths[FAKE_FILES_MAX];
    uint32_t file_count;
    /* Each wait for the session but the first goes on to the next status; the last one stays. */
    struct spate_status statuses[FAKE_STATUSES_MAX];
    unsigned status_count, at, steps;
    const char *log;              /* one entry, taken once */
    int add_error;                /* what spate_torrent_add answers */
    void (*on_step)(unsigned at); /* called by each wait */
    /* what was done to it */
    struct spate_add added;
    uint8_t wanted[FAKE_FILES_MAX];
    unsigned paused, closed, peers;
    char peer[64];
    int watched_fd;
};

/* The only one; a test fills it. */
extern struct fake fake;

#endif
