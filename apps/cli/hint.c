/* The nearest word by edit distance (insertions, deletions, replacements and swaps of neighbours), and a
 * beginning of a word counts as near. */
#include "apps/cli/hint.h"

#include <stdint.h>
#include <string.h>

enum { HINT_LENGTH_MAX = 40 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Optimal string alignment over three rows; both words are at most HINT_LENGTH_MAX long. */
static size_t edit_distance(const char *a, size_t m, const char *b, size_t n)
{
    size_t rows[3][HINT_LENGTH_MAX + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= n; j++) {
        last[j] = j;
        before[j] = j;
    }
    for (size_t i = 1; i <= m; i++) {
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
            row[j] = least(least(last[j] + 1, row[j - 1] + 1), last[j - 1] + cost);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = least(row[j], before[j - 2] + 1);
            }
        }
        size_t *spare = before;
        before = last;
        last = row;
        row = spare;
    }
    return last[n];
}

void hint_init(struct hint *hint, const char *word)
{
    size_t length = strlen(word);
    *hint = (struct hint){.word = word, .distance = length < 4 ? 2 : length / 3 + 2};
}

void hint_offer(struct hint *hint, const char *candidate)
{
    size_t length = strlen(hint->word), other = strlen(candidate);
    if (length == 0 || length > HINT_LENGTH_MAX || other > HINT_LENGTH_MAX) {
        return;
    }
    size_t distance = edit_distance(hint->word, length, candidate, other);
    if (length >= 2 && strncmp(hint->word, candidate, length) == 0) {
        distance = least(distance, 1);
    }
    if (distance < hint->distance) {
        hint->distance = distance;
        hint->nearest = candidate;
    }
}
