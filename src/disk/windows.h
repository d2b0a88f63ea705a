/* Serving without a copy of ours: windows on files, through which io_send() takes what is to be sent as
 * it lies in the page cache. A worker opens the file and brings into memory what will be sent, so that the
 * loop waits for no disk; what was brought in lately is taken to be there still. Of a file that is open the loop
 * may see for itself that all is there, and no worker is troubled.
 *
 * What no window shows (a block that lies in two files, small files, bytes in the part file, a file system
 * that cannot send) is read into memory by whoever serves it.
 *
 * The stores of a session share one table with one maximum; a window in use is never taken from anybody. All
 * calls on the loop's thread. */
#ifndef DISK_WINDOWS_H
#define DISK_WINDOWS_H

#include "disk/store.h"

struct windows;
struct window;

/* limit: windows that are kept. */
int windows_create(uint32_t limit, struct windows **out);
/* NULL is allowed. Its stores are gone. */
void windows_destroy(struct windows *);
/* Those that are kept or in use. */
uint32_t windows_count(const struct windows *);

/* Where the window around the byte at offset of the torrent ends: a range is cut there. */
uint64_t window_end(const struct store *, uint64_t offset);
/* The window of the store that holds the whole range, to be given back by window_put(). NULL: there is none
 * for it, or all are in use. */
struct window *window_get(struct store *, uint64_t offset, uint64_t length);
void window_put(struct window *);
/* Frees all windows of the store; one in use goes when it is put. */
void windows_forget(struct store *);

/* Is the range, as far as anybody knows, in memory? Looks, if nobody does. */
bool window_is_ready(struct window *, uint64_t offset, uint64_t length, int64_t now_ns);
/* Bytes from offset of the torrent on, for io_send(). The window is ready there. */
struct io_part window_part(const struct window *, uint64_t offset, size_t size);
/* The file they come from, as the metainfo numbers it. */
uint32_t window_file(const struct window *);

/* Waits until a range of a window is ready; several may wait for one window, and one job serves all it can.
 * done follows, never from inside the call, with 0, SPATE_EUNSUPPORTED (read it instead), SPATE_ESHORT,
 * SPATE_EIO, and what opening files can say. The caller holds the window until then. */
struct window_wait {
    struct list link; /* the window's */
    void (*done)(struct window_wait *, int status);
    uint64_t offset, length; /* bytes of the torrent */
};
void window_bring(struct window *, struct window_wait *);

#endif
