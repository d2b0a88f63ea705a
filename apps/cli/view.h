/* What a transfer looks like: the live view as lines of a sheet, and the same as one plain line. Pure. */
#ifndef CLI_VIEW_H
#define CLI_VIEW_H

#include "apps/cli/sheet.h"
#include "spate.h"

struct view_item {
    const struct spate_status *status;
    const char *reason; /* why nothing comes, escaped; "" while something does */
    bool settled;       /* nothing more is expected of it */
};

struct view_style {
    unsigned columns, rows; /* of the terminal */
    bool utf8, color;
};

/* Draws all items into the sheet, at most rows - 1 lines. */
void view_render(struct sheet *, const struct view_style *, const struct view_item *items,
                 unsigned count);
/* "name: 58.3 % of 256.0 MiB, ..." in one line without a line feed. Returns out. */
const char *view_line(const struct spate_status *, char *out, size_t size);
/* The progress of a single piece of work: "creating  [####----]  50.0 %  1.0 of 2.0 GiB". */
void view_progress(struct sheet *, const struct view_style *, const char *what, uint64_t done,
                   uint64_t total);
/* "downloading", "checking", ... */
const char *view_state_name(uint32_t state);
/* Tenths of a per cent, rounded down: 1000 only when everything is there. */
unsigned view_permille(uint64_t part, uint64_t whole);

#endif
