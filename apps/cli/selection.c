/* File selection: numbers, ranges and fnmatch(3) patterns, where '*' goes across '/', and a directory
 * stands for all that is in it. */
#include "apps/cli/selection.h"

#include "base/text.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>

struct selection {
    const spate_metainfo *metainfo;
    uint8_t *wanted;
    uint32_t count;
    char *text;
    size_t size;
};

/* "7", "3-5", "3-", "-5". False when the word is no such thing. */
static bool parse_range(const char *word, uint64_t count, uint64_t *first, uint64_t *last)
{
    char low[24], high[24];
    const char *dash = strchr(word, '-');
    size_t length = dash ? (size_t)(dash - word) : strlen(word);
    if (strspn(word, "0123456789-") != strlen(word) || length >= sizeof low ||
        (dash && (strchr(dash + 1, '-') || strlen(dash + 1) >= sizeof high)) ||
        strlen(word) == (dash ? 1u : 0u)) {
        return false;
    }
    snprintf(low, sizeof low, "%.*s", (int)length, word);
    snprintf(high, sizeof high, "%s", dash ? dash + 1 : low);
    *first = 1;
    *last = count;
    return (low[0] == 0 || text_parse_number(low, UINT64_MAX, first)) &&
           (high[0] == 0 || text_parse_number(high, UINT64_MAX, last));
}

static bool mark_range(struct selection *s, const char *word, uint64_t first, uint64_t last)
{
    if (first < 1 || first > last || last > s->count) {
        snprintf(s->text, s->size, "files '%s': there are files 1 to %u", word, s->count);
        return false;
    }
    for (uint64_t i = first; i <= last; i++) {
        s->wanted[i - 1] = 1;
    }
    return true;
}

static uint32_t mark_pattern(struct selection *s, const char *pattern)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        struct spate_metainfo_file file = {.size = sizeof file};
        if (spate_metainfo_file(s->metainfo, i, &file) < 0) {
            continue;
        }
        const char *slash = strrchr(file.path, '/');
        if (fnmatch(pattern, file.path, FNM_LEADING_DIR) == 0 ||
            (slash && fnmatch(pattern, slash + 1, 0) == 0)) {
            s->wanted[i] = 1;
            found++;
        }
    }
    return found;
}

static bool mark(struct selection *s, const char *word)
{
    uint64_t first, last;
    if (parse_range(word, s->count, &first, &last)) {
        return mark_range(s, word, first, last);
    }
    if (mark_pattern(s, word) == 0) {
        snprintf(s->text, s->size, "files '%s': no file of the torrent is called so", word);
        return false;
    }
    return true;
}

/* A word with commas is first taken as it is, since a file's name may have some. */
static bool mark_word(struct selection *s, const char *word)
{
    if (strchr(word, ',') && mark_pattern(s, word) > 0) {
        return true;
    }
    char *copy = strdup(word);
    if (!copy) {
        snprintf(s->text, s->size, "out of memory");
        return false;
    }
    bool good = true;
    for (char *next = copy; good && next;) {
        char *item = next;
        next = strchr(item, ',');
        if (next) {
            *next++ = 0;
        }
        good = *item == 0 || mark(s, item);
    }
    free(copy);
    return good;
}

bool selection_make(const spate_metainfo *metainfo, const struct option_list *words,
                    uint8_t *wanted, uint32_t count, char *text, size_t size)
{
    struct selection s = {metainfo, wanted, count, text, size};
    memset(wanted, 0, count);
    for (uint32_t i = 0; i < words->count; i++) {
        if (!mark_word(&s, words->items[i])) {
            return false;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        if (wanted[i]) {
            return true;
        }
    }
    snprintf(text, size, "files: no file is selected");
    return false;
}
