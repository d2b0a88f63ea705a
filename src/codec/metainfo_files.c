/* The files of a v1 torrent: "length" or "files" of the info dictionary (BEP 3), with the
 * attributes of BEP 47. Lists are counted before memory is taken for them, so nothing is allocated
 * by a claimed size. */
#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"
#include "codec/metainfo_build.h"

#include <inttypes.h>

int metainfo_make_room(struct metainfo_build *b, uint64_t files, uint64_t elements)
{
    uint64_t offset = bencode_offset(b->info);
    if (files > LIMIT_FILES) {
        return error_set(b->error, SPATE_ELIMIT, offset, "%" PRIu64 " files are more than %u",
                         files, LIMIT_FILES);
    }
    if (elements > LIMIT_PATH_ELEMENTS) {
        return error_set(b->error, SPATE_ELIMIT, offset,
                         "%" PRIu64 " path elements are more than %u", elements,
                         LIMIT_PATH_ELEMENTS);
    }
    /* In a v2-only torrent a gap may follow each file. */
    b->file_capacity = (uint32_t)files * (b->m->has_v1 ? 1 : 2);
    b->m->files = arena_array(&b->m->arena, b->file_capacity, sizeof *b->m->files);
    b->elements = arena_array(&b->m->arena, elements, sizeof *b->elements);
    b->elements_end = b->elements + elements;
    return b->m->files && b->elements ? 0 : metainfo_no_memory(b);
}

int metainfo_add_file(struct metainfo_build *b, struct bencode_item where,
                      struct metainfo_file file)
{
    struct metainfo *m = b->m;
    ASSERT(m->file_count < b->file_capacity);
    if (file.length > LIMIT_TORRENT_BYTES || m->total_length > LIMIT_TORRENT_BYTES - file.length) {
        return error_set(b->error, SPATE_ELIMIT, bencode_offset(where),
                         "the torrent is longer than %" PRIu64 " bytes", LIMIT_TORRENT_BYTES);
    }
    file.offset = m->total_length;
    m->total_length += file.length;
    m->files[m->file_count++] = file;
    return 0;
}

uint32_t metainfo_flags(struct bencode_item dict)
{
    struct span attr;
    uint32_t flags = 0;
    if (!bencode_find_text(dict, "attr", &attr)) {
        return 0;
    }
    for (size_t i = 0; i < attr.size; i++) {
        switch (attr.bytes[i]) {
        case 'p':
            flags |= METAINFO_FILE_PAD;
            break;
        case 'x':
            flags |= METAINFO_FILE_EXECUTABLE;
            break;
        case 'h':
            flags |= METAINFO_FILE_HIDDEN;
            break;
        case 'l':
            flags |= METAINFO_FILE_SYMLINK;
            break;
        default:
            break;
        }
    }
    return flags;
}

int metainfo_length(const struct metainfo_build *b, struct bencode_item dict, uint32_t flags,
                    uint64_t *length)
{
    int64_t value;
    struct bencode_item item = bencode_dict_find(dict, "length");
    *length = 0;
    if (flags & METAINFO_FILE_SYMLINK) {
        return 0; /* always zero, whether it is said or not (BEP 47) */
    }
    if (!bencode_int(item, &value) || value < 0) {
        return metainfo_refuse(b, bencode_type(item) == BENCODE_ABSENT ? dict : item,
                               "a file without a valid length");
    }
    *length = (uint64_t)value;
    return 0;
}

int metainfo_copy_path(struct metainfo_build *b, struct bencode_item list,
                       const struct span **elements, uint32_t *count)
{
    struct bencode_walk w = bencode_walk_list(list);
    struct span *first = b->elements;
    for (struct bencode_item item; bencode_next(&w, &item);) {
        ASSERT(b->elements < b->elements_end);
        if (!bencode_text(item, b->elements)) {
            return metainfo_refuse(b, item, "a path element that is no text");
        }
        if (b->elements->size > LIMIT_PATH_ELEMENT_BYTES) {
            return error_set(b->error, SPATE_ELIMIT, bencode_offset(item),
                             "a path element is longer than %u bytes", LIMIT_PATH_ELEMENT_BYTES);
        }
        if (b->elements - first == LIMIT_PATH_DEPTH) {
            return error_set(b->error, SPATE_ELIMIT, bencode_offset(item),
                             "a path has more than %u elements", LIMIT_PATH_DEPTH);
        }
        b->elements++;
    }
    *elements = first;
    *count = (uint32_t)(b->elements - first);
    return 0;
}

/* A list of texts that are all valid UTF-8, and not empty. */
static bool is_utf8_path(struct bencode_item list)
{
    struct bencode_walk w = bencode_walk_list(list);
    struct span text;
    uint32_t count = 0;
    for (struct bencode_item item; bencode_next(&w, &item); count++) {
        if (!bencode_text(item, &text) || !text_is_utf8(text)) {
            return false;
        }
    }
    return count > 0;
}

static struct bencode_item path_of(struct bencode_item dict)
{
    struct bencode_item utf8 = bencode_find_list(dict, "path.utf-8");
    return is_utf8_path(utf8) ? utf8 : bencode_find_list(dict, "path");
}

static int read_file(struct metainfo_build *b, struct bencode_item dict)
{
    struct metainfo_file file = {.flags = metainfo_flags(dict)};
    if (bencode_type(dict) != BENCODE_DICT) {
        return metainfo_refuse(b, dict, "a file that is no dictionary");
    }
    int failed = metainfo_length(b, dict, file.flags, &file.length);
    if (!failed) {
        failed = metainfo_copy_path(b, path_of(dict), &file.elements, &file.element_count);
    }
    if (!failed && file.element_count == 0 && !(file.flags & METAINFO_FILE_PAD)) {
        failed = metainfo_refuse(b, dict, "a file without a path");
    }
    if (!failed && (file.flags & METAINFO_FILE_SYMLINK)) {
        failed = metainfo_copy_path(b, bencode_find_list(dict, "symlink path"), &file.link,
                                    &file.link_count);
    }
    return failed ? failed : metainfo_add_file(b, dict, file);
}

static int read_single(struct metainfo_build *b)
{
    /* A torrent of one file that is padding would be a torrent of nothing. */
    struct metainfo_file file = {.flags = metainfo_flags(b->info) & ~(uint32_t)METAINFO_FILE_PAD};
    int failed =
        metainfo_make_room(b, 1, 1 + bencode_length(bencode_find_list(b->info, "symlink path")));
    if (!failed) {
        failed = metainfo_length(b, b->info, file.flags, &file.length);
    }
    if (failed) {
        return failed;
    }
    *b->elements = b->m->raw_name;
    file.elements = b->elements++;
    file.element_count = 1;
    if (file.flags & METAINFO_FILE_SYMLINK) {
        failed = metainfo_copy_path(b, bencode_find_list(b->info, "symlink path"), &file.link,
                                    &file.link_count);
    }
    b->m->single_file = true;
    return failed ? failed : metainfo_add_file(b, b->info, file);
}

int metainfo_read_files(struct metainfo_build *b)
{
    struct bencode_item list = bencode_find_list(b->info, "files");
    if (bencode_type(list) == BENCODE_ABSENT) {
        return read_single(b);
    }
    uint64_t files = 0, elements = 0;
    struct bencode_walk w = bencode_walk_list(list);
    for (struct bencode_item dict; bencode_next(&w, &dict); files++) {
        elements += bencode_length(path_of(dict));
        elements += bencode_length(bencode_find_list(dict, "symlink path"));
    }
    if (files == 0) {
        return metainfo_refuse(b, list, "the torrent has no files");
    }
    int failed = metainfo_make_room(b, files, elements);
    w = bencode_walk_list(list);
    for (struct bencode_item dict; !failed && bencode_next(&w, &dict);) {
        failed = read_file(b, dict);
    }
    return failed;
}
