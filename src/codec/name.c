/* Safe names. One element is judged character by character; a whole torrent is made collision-free by
 * sorting its paths, after which those that are equal, or one the directory of the other, stand side by
 * side. All work is linear in the bytes of the paths, but for the sorting. */
#include "codec/name.h"

#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"
#include "crypto/sha.h"

#include <stdlib.h>

enum {
    EXTENSION_BYTES_MAX = 16, /* with its dot */
    TAIL_BYTES = 64,
    MARK_BYTES = 1 + 2 * NAME_HASH_BYTES, /* '~' and the hash */
    /* New names are drawn from a hash over the whole torrent, so nobody can lay out names that collide
     * again and again; a second round is an accident of one in 2^32. */
    ROUNDS_MAX = 8,
};

/* ---- one element ----------------------------------------------------------------------------- */

static bool is_unsafe(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == '/' || c == '\\' ||
           (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

static bool equals_without_case(struct span a, const char *b)
{
    if (a.size != strlen(b)) {
        return false;
    }
    for (size_t i = 0; i < a.size; i++) {
        uint8_t c = a.bytes[i];
        if ((c >= 'a' && c <= 'z' ? c & 0xdf : c) != (uint8_t)b[i]) {
            return false;
        }
    }
    return true;
}

/* Windows takes these for devices, whatever follows their first dot. */
static bool is_device(struct span name)
{
    static const char *const devices[] = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"};
    const uint8_t *dot = memchr(name.bytes, '.', name.size);
    struct span stem = dot ? span_of(name.bytes, (size_t)(dot - name.bytes)) : name;
    while (stem.size > 0 && stem.bytes[stem.size - 1] == ' ') {
        stem.size--;
    }
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
        if (equals_without_case(stem, devices[i])) {
            return true;
        }
    }
    return stem.size == 4 && stem.bytes[3] >= '1' && stem.bytes[3] <= '9' &&
           (equals_without_case(span_slice(stem, 0, 3), "COM") ||
            equals_without_case(span_slice(stem, 0, 3), "LPT"));
}

/* The beginning of the extension (its dot), or the end. */
static size_t extension_of(const char *name, size_t length)
{
    for (size_t i = length; i > 1 && length - i < EXTENSION_BYTES_MAX; i--) {
        if (name[i - 1] == '.') {
            return i - 1;
        }
    }
    return length;
}

/* Puts the mark before the extension, and cuts what is before it so that all of it fits. name has room for
 * name_max + 1 bytes; tail (the last bytes of the full name) is what the extension is taken from. */
static size_t mark(char *name, size_t length, const char *tail, size_t tail_length, size_t name_max,
                   const uint8_t hash[NAME_HASH_BYTES])
{
    size_t dot = extension_of(tail, tail_length);
    size_t extension_length = tail_length - dot;
    char extension[EXTENSION_BYTES_MAX + 1];
    memcpy(extension, tail + dot, extension_length);
    size_t room = name_max - MARK_BYTES - extension_length;
    size_t whole = length - extension_length;
    size_t stem = text_cut_utf8(span_of(name, length), room < whole ? room : whole);
    name[stem] = '~';
    text_hex(hash, NAME_HASH_BYTES, name + stem + 1);
    memcpy(name + stem + MARK_BYTES, extension, extension_length);
    name[stem + MARK_BYTES + extension_length] = 0;
    return stem + MARK_BYTES + extension_length;
}

/* A name as it grows: its first bytes, and its last ones when there are more. */
struct draft {
    char *out;
    char tail[TAIL_BYTES];
    size_t tail_length;
    size_t length; /* of the whole name, which may be more than fits */
};

static void draft_add(struct draft *d, const uint8_t *bytes, size_t n)
{
    if (d->length + n <= LIMIT_NAME_BYTES) {
        memcpy(d->out + d->length, bytes, n);
    }
    if (d->tail_length + n > sizeof d->tail) {
        size_t drop = TAIL_BYTES / 2;
        memmove(d->tail, d->tail + drop, d->tail_length - drop);
        d->tail_length -= drop;
    }
    memcpy(d->tail + d->tail_length, bytes, n);
    d->tail_length += n;
    d->length += n;
}

/* Of a name that will be cut only the tail still matters, from the beginning of a character. A byte that
 * follows three of the kind that continues a character begins one, or stands for itself. */
static struct span skip_to_tail(struct draft *d, struct span element)
{
    if (element.size <= TAIL_BYTES) {
        return element;
    }
    d->tail_length = 0;
    element = span_slice(element, element.size - TAIL_BYTES, SIZE_MAX);
    for (int i = 0; i < 3 && (element.bytes[0] & 0xc0) == 0x80; i++) {
        element = span_slice(element, 1, SIZE_MAX);
    }
    return element;
}

size_t name_make(struct span element, uint32_t name_max, const uint8_t hash[NAME_HASH_BYTES],
                 char *out)
{
    static const uint8_t underscore[] = {'_'};
    struct draft d = {.out = out};
    name_max = name_max < NAME_BYTES_MIN ? NAME_BYTES_MIN : name_max;
    name_max = name_max > LIMIT_NAME_BYTES ? LIMIT_NAME_BYTES : name_max;
    if (element.size == 0 || is_device(element)) {
        draft_add(&d, underscore, 1);
    }
    while (element.size > 0) {
        uint32_t c;
        size_t n = text_decode_utf8(element, &c);
        bool last = element.size == (n ? n : 1);
        if (n == 0 || is_unsafe(c) || (last && (c == '.' || c == ' '))) {
            draft_add(&d, underscore, 1);
        } else {
            draft_add(&d, element.bytes, n);
        }
        element = span_slice(element, n ? n : 1, SIZE_MAX);
        if (d.length > LIMIT_NAME_BYTES) {
            element = skip_to_tail(&d, element);
        }
    }
    if (d.length > name_max) {
        size_t kept = d.length < LIMIT_NAME_BYTES ? d.length : LIMIT_NAME_BYTES;
        return mark(out, kept, d.tail, d.tail_length, name_max, hash);
    }
    out[d.length] = 0;
    return d.length;
}

/* ---- case ------------------------------------------------------------------------------------ */

/* The lower case of the letters of Latin, Greek, Cyrillic and Armenian; others stay. Upper and lower case of
 * all of these take the same number of bytes. */
static uint32_t lower(uint32_t c)
{
    static const struct {
        uint32_t first, last;
        uint32_t distance; /* 0: pairs, the upper one first and even; 1: first and odd */
    } ranges[] = {
        {'A', 'Z', 32},      {0xc0, 0xd6, 32},    {0xd8, 0xde, 32},     {0x100, 0x12f, 0},
        {0x132, 0x137, 0},   {0x139, 0x148, 1},   {0x14a, 0x177, 0},    {0x179, 0x17e, 1},
        {0x386, 0x386, 38},  {0x388, 0x38a, 37},  {0x38c, 0x38c, 64},   {0x38e, 0x38f, 63},
        {0x391, 0x3a1, 32},  {0x3a3, 0x3ab, 32},  {0x400, 0x40f, 80},   {0x410, 0x42f, 32},
        {0x460, 0x481, 0},   {0x48a, 0x4bf, 0},   {0x4d0, 0x52f, 0},    {0x531, 0x556, 48},
        {0x1e00, 0x1e95, 0}, {0x1ea0, 0x1eff, 0}, {0xff21, 0xff3a, 32},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges && c >= ranges[i].first; i++) {
        if (c <= ranges[i].last) {
            uint32_t distance = ranges[i].distance;
            return distance > 1 ? c + distance : c + ((c & 1) == distance);
        }
    }
    return c == 0x3c2 ? 0x3c3 : c; /* the final sigma */
}

/* In place; text is valid UTF-8. */
static void fold(char *text)
{
    struct span rest = span_text(text);
    while (rest.size > 0) {
        uint32_t c;
        size_t n = text_decode_utf8(rest, &c);
        c = lower(c);
        size_t bits = 0;
        for (size_t i = n; i-- > 1; bits += 6) {
            text[i] = (char)(0x80 | ((c >> bits) & 0x3f));
        }
        uint32_t lead = n == 1 ? 0 : 0xf00u >> n;
        text[0] = (char)(uint8_t)((lead & 0xff) | (c >> bits));
        text += n;
        rest = span_slice(rest, n, SIZE_MAX);
    }
}

/* ---- a whole torrent ------------------------------------------------------------------------- */

struct entry {
    char *path;
    char *key;     /* what is compared: the path, or its folded form */
    uint32_t file; /* number in the metainfo */
    bool collides;
};

struct build {
    const struct metainfo *m;
    uint32_t name_max;
    bool fold_case;
    struct arena *arena;
    struct entry *entries;
    uint32_t count;
    char *scratch; /* the longest path there can be */
    uint64_t bytes;
};

/* Adds an element to the path in scratch. prefix has hashed all elements so far, this one included. */
static size_t add_element(const struct build *b, size_t length, struct span element,
                          const struct sha1 *prefix)
{
    uint8_t hash[SHA1_BYTES] = {0};
    if (element.size >= b->name_max) {
        struct sha1 copy = *prefix;
        sha1_final(&copy, hash);
    }
    if (length > 0) {
        b->scratch[length++] = '/';
    }
    return length + name_make(element, b->name_max, hash, b->scratch + length);
}

static void hash_element(struct sha1 *prefix, struct span element)
{
    uint8_t size[4];
    store_be32(size, (uint32_t)element.size);
    sha1_update(prefix, size, sizeof size);
    sha1_update(prefix, element.bytes, element.size);
}

static char *keep(struct build *b, const char *path, size_t length)
{
    return arena_text(b->arena, span_of(path, length));
}

static int set_path(struct build *b, struct entry *e, size_t length)
{
    e->path = e->key = keep(b, b->scratch, length);
    if (b->fold_case && e->path) {
        e->key = keep(b, b->scratch, length);
        if (e->key) {
            fold(e->key);
        }
    }
    return e->path && e->key ? 0 : SPATE_ENOMEM;
}

static int build_path(struct build *b, struct entry *e, struct span root)
{
    const struct metainfo_file *file = &b->m->files[e->file];
    size_t length = 0;
    struct sha1 prefix;
    sha1_init(&prefix);
    hash_element(&prefix, root);
    length = add_element(b, length, root, &prefix);
    b->bytes += root.size;
    for (uint32_t i = 0; i < file->element_count && !b->m->single_file; i++) {
        b->bytes += file->elements[i].size + 1;
        if (b->bytes > LIMIT_PATHS_BYTES) {
            return SPATE_ELIMIT;
        }
        hash_element(&prefix, file->elements[i]);
        length = add_element(b, length, file->elements[i], &prefix);
    }
    return set_path(b, e, length);
}

/* The end of a path comes first, then '/', so that nothing stands between a path and what lies below it. */
static int rank(char c)
{
    return c == 0 ? 0 : c == '/' ? 1 : (uint8_t)c;
}

static int compare(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    size_t i = 0;
    while (a->key[i] && a->key[i] == b->key[i]) {
        i++;
    }
    int order = rank(a->key[i]) - rank(b->key[i]);
    return order ? order : (a->file > b->file) - (a->file < b->file);
}

static bool is_directory_of(const char *path, const char *other)
{
    size_t length = strlen(path);
    return strncmp(path, other, length) == 0 && other[length] == '/';
}

/* Marks those that must be renamed: all but the first of equal paths, and all of them when the path is a
 * directory of another file. Returns how many. Entries are sorted. */
static uint32_t find_collisions(struct build *b)
{
    uint32_t found = 0;
    for (uint32_t i = 0, next; i < b->count; i = next) {
        for (next = i + 1; next < b->count; next++) {
            if (strcmp(b->entries[i].key, b->entries[next].key) != 0) {
                break;
            }
            b->entries[next].collides = true;
            found++;
        }
        if (next < b->count && is_directory_of(b->entries[i].key, b->entries[next].key)) {
            b->entries[i].collides = true;
            found++;
        }
    }
    return found;
}

/* Gives the last element a mark that depends on the whole torrent, the file and the round. */
static int rename_entry(struct build *b, struct entry *e, uint32_t round)
{
    uint8_t number[8], hash[SHA1_BYTES];
    struct sha1 state;
    sha1_init(&state);
    sha1_update(&state, b->m->info_hash, sizeof b->m->info_hash);
    sha1_update(&state, b->m->info_hash_v2, sizeof b->m->info_hash_v2);
    store_be32(number, e->file);
    store_be32(number + 4, round);
    sha1_update(&state, number, sizeof number);
    sha1_final(&state, hash);
    const char *slash = strrchr(e->path, '/');
    size_t start = slash ? (size_t)(slash - e->path) + 1 : 0;
    size_t length = strlen(e->path);
    memcpy(b->scratch, e->path, length + 1);
    char tail[LIMIT_NAME_BYTES + 1];
    memcpy(tail, e->path + start, length - start + 1);
    e->collides = false;
    return set_path(
        b, e,
        start + mark(b->scratch + start, length - start, tail, length - start, b->name_max, hash));
}

static int resolve(struct build *b)
{
    for (uint32_t round = 0; round < ROUNDS_MAX; round++) {
        qsort(b->entries, b->count, sizeof *b->entries, compare);
        if (find_collisions(b) == 0) {
            return 0;
        }
        for (uint32_t i = 0; i < b->count; i++) {
            if (b->entries[i].collides) {
                int failed = rename_entry(b, &b->entries[i], round);
                if (failed) {
                    return failed;
                }
            }
        }
    }
    return SPATE_ELIMIT;
}

static int build_paths(struct build *b, struct span root)
{
    for (uint32_t i = 0; i < b->m->listed_count; i++) {
        struct entry *e = &b->entries[b->count++];
        e->file = b->m->listed[i];
        int failed = build_path(b, e, root);
        if (failed) {
            return failed;
        }
    }
    return resolve(b);
}

int name_map_build(const struct metainfo *m, const char *name, uint32_t name_max, bool fold_case,
                   struct arena *arena, const char *const **paths)
{
    struct build b = {.m = m, .name_max = name_max, .fold_case = fold_case, .arena = arena};
    b.name_max = name_max < NAME_BYTES_MIN ? NAME_BYTES_MIN : name_max;
    b.name_max = b.name_max > LIMIT_NAME_BYTES ? LIMIT_NAME_BYTES : b.name_max;
    b.entries = calloc((size_t)m->listed_count + 1, sizeof *b.entries);
    b.scratch = malloc((LIMIT_PATH_DEPTH + 2) * (LIMIT_NAME_BYTES + 2));
    const char **out = arena_array(arena, (size_t)m->file_count + 1, sizeof *out);
    int failed = SPATE_ENOMEM;
    if (b.entries && b.scratch && out) {
        failed = build_paths(&b, name ? span_text(name) : m->raw_name);
    }
    for (uint32_t i = 0; i < b.count && !failed; i++) {
        out[b.entries[i].file] = b.entries[i].path;
    }
    free(b.scratch);
    free(b.entries);
    if (!failed) {
        *paths = out;
    }
    return failed;
}

const char *name_below_root(const struct metainfo *m, const char *path)
{
    const char *slash = m->single_file ? NULL : strchr(path, '/');
    return slash ? slash + 1 : path;
}
