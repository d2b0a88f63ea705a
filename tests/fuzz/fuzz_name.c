/* Path names: the input is the paths of a torrent, a zero byte behind each element and two behind each path.
 * Whatever they are, what comes out is safe, unique and no file lies where another's directory is. */
#include "codec/name.h"

#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILES_MAX = 24, DEPTH_MAX = 6 };

struct world {
    struct metainfo m;
    struct metainfo_file files[FILES_MAX];
    struct span elements[FILES_MAX][DEPTH_MAX];
    uint32_t listed[FILES_MAX];
};

static struct span take_element(struct span *rest)
{
    const uint8_t *zero = rest->size ? memchr(rest->bytes, 0, rest->size) : NULL;
    struct span element = zero ? span_of(rest->bytes, (size_t)(zero - rest->bytes)) : *rest;
    *rest = span_slice(*rest, element.size + 1, SIZE_MAX);
    return element;
}

static void fill(struct world *w, struct span rest)
{
    w->m.raw_name = take_element(&rest);
    w->m.files = w->files;
    w->m.listed = w->listed;
    while (rest.size > 0 && w->m.file_count < FILES_MAX) {
        uint32_t i = w->m.file_count++;
        struct metainfo_file *file = &w->files[i];
        do {
            w->elements[i][file->element_count++] = take_element(&rest);
        } while (rest.size > 0 && rest.bytes[0] != 0 && file->element_count < DEPTH_MAX);
        if (rest.size > 0 && rest.bytes[0] == 0) {
            rest = span_slice(rest, 1, SIZE_MAX);
        }
        file->elements = w->elements[i];
        w->listed[w->m.listed_count++] = i;
    }
}

static void check_component(struct span c, uint32_t max)
{
    ASSERT(c.size > 0 && c.size <= max && text_is_utf8(c));
    ASSERT(c.bytes[c.size - 1] != '.' && c.bytes[c.size - 1] != ' ');
    for (size_t i = 0; i < c.size; i++) {
        ASSERT(c.bytes[i] >= 0x20 && c.bytes[i] != 0x7f && c.bytes[i] != '/' && c.bytes[i] != '\\');
    }
}

static void check_path(const char *path, uint32_t max)
{
    for (;;) {
        size_t size = strcspn(path, "/");
        check_component(span_of(path, size), max);
        if (path[size] == 0) {
            return;
        }
        path += size + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = {0};
    const char *const *paths;
    struct arena arena;
    if (size < 2) {
        return 0;
    }
    uint32_t max = data[0] < NAME_BYTES_MIN ? NAME_BYTES_MIN : data[0];
    bool fold_case = data[1] & 1;
    fill(&w, span_of(data + 2, size - 2));
    w.m.single_file = w.m.file_count == 1 && (data[1] & 2);
    arena_init(&arena, 0);
    ASSERT(name_map_build(&w.m, data[1] & 4 ? "a/b" : NULL, max, fold_case, &arena, &paths) == 0);
    for (uint32_t i = 0; i < w.m.file_count; i++) {
        size_t length = strlen(paths[i]);
        check_path(paths[i], max);
        check_path(name_below_root(&w.m, paths[i]), max);
        for (uint32_t j = 0; j < w.m.file_count; j++) {
            ASSERT(i == j || strncmp(paths[i], paths[j], length) != 0 ||
                   (paths[j][length] != 0 && paths[j][length] != '/'));
            /* Letters of ASCII are those that both sides of a comparison agree about. */
            ASSERT(i == j || !fold_case || strcasecmp(paths[i], paths[j]) != 0);
        }
    }
    arena_deinit(&arena);
    return 0;
}
