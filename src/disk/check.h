/* Hashing what is on the disk: reads only, in order, with bounded memory, on workers. */
#ifndef DISK_CHECK_H
#define DISK_CHECK_H

#include "disk/store.h"

struct check;

struct check_settings {
    struct io *io;
    struct store *store;
    const struct layout *layout;
    const uint8_t *piece_hashes;
    const struct bitset *pieces; /* which to check; copied; NULL: all */
    uint8_t *digests;  /* NULL: compare with piece_hashes; else 20 bytes a piece, where each piece's
                                   * SHA-1 is put instead. Lives until check_destroy(), and CHECK_DONE before */
    uint32_t parallel; /* jobs at a time; 0: a few */
    void (*on_ready)(void *user); /* an event waits; never called from inside a call */
    void *user;
};

struct check_event {
    enum { CHECK_PIECE, CHECK_DONE } type;
    uint32_t piece;
    bool good;
    int error; /* not good: SPATE_EMISMATCH, SPATE_ESHORT, SPATE_ENOENT, SPATE_EIO... */
    uint32_t file;
};

int check_create(const struct check_settings *, struct check **out);
void check_start(struct check *);
bool check_next(struct check *, struct check_event *);
/* Stops; freed once its operations have completed. */
void check_destroy(struct check *);

#endif
