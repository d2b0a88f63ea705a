/* What the parts of the store share: its state, and the way from a file's index to an open file. */
#ifndef DISK_STORE_INTERNAL_H
#define DISK_STORE_INTERNAL_H

#include "base/map.h"
#include "disk/open_files.h"
#include "disk/part_file.h"
#include "disk/store.h"

#include <pthread.h>

/* A directory below the destination: the first depth elements of a file's path. */
struct store_directory {
    uint32_t file, depth;
};

struct store {
    struct store_settings settings; /* save_path and part_path are owned */
    struct open_files *open_files;
    bool owns_open_files;

    /* The loop's. */
    uint32_t holds; /* operations under way, and holders */
    bool destroyed;
    struct io_op close_op; /* closes files; also as the last act */
    struct map windows;    /* of struct window, by the offset in the torrent where it begins */
    bool unsendable;       /* io_send() takes nothing of its files */

    /* Held for reading while bytes are moved, for writing while the rules for moving them change: which
     * files are unwanted, which directory is the destination. */
    pthread_rwlock_t rules;
    struct io_file *destination;
    bool rules_known; /* in_part has been read from the part file of an earlier run */
    uint8_t *in_part; /* one byte a file: its bytes go to the part file; NULL: no file's */
    struct part_file part;

    pthread_mutex_t lock;                /* of what follows */
    struct io_fs *fs;                    /* that of the last job */
    struct bitset dirty;                 /* files written since the last sync */
    struct bitset made;                  /* files opened for writing by us: they stay files */
    struct bitset led;                   /* files to which every directory has been marked once */
    uint32_t last_led;                   /* the last of them; UINT32_MAX: none */
    struct store_directory *directories; /* that gained an entry since the last sync */
    uint32_t directory_count, directory_capacity;
    int sync_failed; /* the code of a sync that failed; later ones fail like it, until store_start_over() */

    pthread_mutex_t sync_lock; /* one sync at a time; guards syncing */
    struct bitset syncing;
};

enum store_mode {
    STORE_FOR_READING,
    STORE_FOR_WRITING, /* created when missing */
};

/* A directory kept open between the files of one job. Zero but for store and fs; ended with store_leave(). */
struct store_walk {
    struct store *store;
    struct io_fs *fs;
    struct io_file *directory; /* NULL: the destination itself */
    const char *prefix;        /* its path below the destination, not terminated */
    size_t prefix_size;
    enum store_mode mode; /* links were followed, or not */
};

/* Takes rules for reading, or for writing, with in_part known. On failure it is not held. */
int store_lock_rules(struct store *, struct io_fs *, bool writing);
/* Opens the destination when it is not open; for writing it is made. Caller holds rules either way. */
int store_open_destination(struct store *, struct io_fs *, enum store_mode);
/* Opens it again and, when it has become another directory, forgets the files opened below the old one.
 * Caller holds rules for writing. */
int store_reopen_destination(struct store *, struct io_fs *, enum store_mode);
/* Goes to the directory of the first depth elements of the file's path; *out is the walk's. */
int store_walk_to(struct store_walk *, uint32_t file, uint32_t depth, enum store_mode,
                  struct io_file **out);
void store_leave(struct store_walk *);
/* Elements of the file's path. */
uint32_t store_depth(const struct store *, uint32_t file);
/* The last element of the file's path. */
const char *store_name(const struct store *, uint32_t file);
/* An open file, referenced: open_files_put() ends that. walk may be NULL. */
int store_acquire(struct store *, struct io_fs *, struct store_walk *walk, uint32_t file,
                  enum store_mode, struct open_file **out);

/* Needs prepared files or part file in the next sync. */
void store_mark_dirty(struct store *, uint32_t file);
/* The directories that lead to a file that is there go into the next sync: an earlier run may have made them, or
 * the file, and not have synced that. Once in the store's life. */
int store_mark_way(struct store *, uint32_t file);
/* Closes everything. Caller holds rules for writing, or is alone. */
void store_close_now(struct store *, struct io_fs *);
/* The whole of store_sync. */
int store_sync_now(struct store *, struct io_fs *, uint32_t *file);

/* The stretches of files that a range of the torrent is made of, one after the other. */
struct store_extents {
    const struct layout *layout;
    uint32_t next;         /* place in layout->files */
    uint64_t offset, left; /* of the torrent */
};
void store_extents_init(struct store_extents *, const struct layout *, uint64_t offset,
                        uint64_t length);
/* False at the end. *offset: of its first byte in the torrent. */
bool store_extents_next(struct store_extents *, struct extent *, uint64_t *offset);

/* 0 when what stands at a file's name may be opened: only files are, and links where they are followed. */
int store_refusal(const struct io_stat *, bool follow);
/* Padding, and what else is never on the disk. */
bool store_is_pad(const struct store *, uint32_t file);
/* Jobs note the file system they run on, for closing when no worker is left to do it. */
void store_note_fs(struct store *, struct io_fs *);

/* The jobs: run(op, fs) of the operations of the same name. */
int store_run_look(struct io_op *, struct io_fs *);
int store_run_prepare(struct io_op *, struct io_fs *);
int store_run_read(struct io_op *, struct io_fs *);
int store_run_write(struct io_op *, struct io_fs *);
int store_run_sync(struct io_op *, struct io_fs *);
int store_run_want(struct io_op *, struct io_fs *);

#endif
