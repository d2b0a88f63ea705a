/* "Did you mean ...?": the nearest of some words to a misspelt one. */
#ifndef CLI_HINT_H
#define CLI_HINT_H

#include <stddef.h>

struct hint {
    const char *word;    /* as it was typed */
    const char *nearest; /* NULL while nothing is near enough */
    size_t distance;
};

void hint_init(struct hint *, const char *word);
/* Considers a candidate, which must stay valid as long as the hint. */
void hint_offer(struct hint *, const char *candidate);

#endif
