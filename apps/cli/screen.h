/* The live view's place on the terminal: some lines above the cursor that are drawn over each time. */
#ifndef CLI_SCREEN_H
#define CLI_SCREEN_H

#include "apps/cli/output.h"
#include "apps/cli/sheet.h"

struct screen {
    unsigned rows;                   /* lines drawn last time */
    uint16_t widths[SHEET_ROWS_MAX]; /* and how wide each is */
};

/* Draws the sheet over what was drawn before, on a terminal that is `columns` wide at this moment. */
void screen_draw(struct screen *, struct output *, const struct sheet *, unsigned columns);
/* Takes the view away; what is written next stands in its place. */
void screen_clear(struct screen *, struct output *, unsigned columns);

#endif
