/* Which files of a torrent are wanted, from words such as "1,3-5" and globs. */
#ifndef CLI_SELECTION_H
#define CLI_SELECTION_H

#include "apps/cli/options.h"
#include "spate.h"

/* Fills wanted (one byte a file). Each word is a number (the first file is 1), a range "3-5", "3-" or
 * "-5", or a pattern for a path, a directory or the last element; commas separate several in one word. False with a
 * sentence in *text (not escaped) when a word is wrong or fits no file. */
bool selection_make(const spate_metainfo *metainfo, const struct option_list *words,
                    uint8_t *wanted, uint32_t count, char *text, size_t size);

#endif
