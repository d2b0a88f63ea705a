/* The calls of spate.h about torrent files. The public API counts files without padding (BEP 47); the
 * metainfo's `listed` translates. */
#include "engine/api_metainfo.h"

#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"
#include "codec/magnet.h"
#include "codec/name.h"
#include "engine/sized.h"

#include <limits.h>
#include <stdlib.h>

/* The path as the torrent says it, '/' between elements, in UTF-8. NULL when out of memory. */
static const char *say_path(struct arena *arena, const struct metainfo_file *file)
{
    size_t size = 1;
    for (uint32_t i = 0; i < file->element_count; i++) {
        size += file->elements[i].size + 1;
    }
    char *path = arena_allocate(arena, size);
    size_t used = 0;
    for (uint32_t i = 0; i < file->element_count && path; i++) {
        if (i > 0) {
            path[used++] = '/';
        }
        text_copy(path + used, size - used, file->elements[i]);
        used += strlen(path + used);
    }
    return path;
}

static int describe_files(struct spate_metainfo *s)
{
    const struct metainfo *m = &s->metainfo;
    int failed = name_map_build(m, NULL, LIMIT_NAME_BYTES, false, &s->names, &s->disk_paths);
    if (failed) {
        return failed;
    }
    s->texts = arena_array(&s->names, (size_t)m->listed_count + 1, sizeof *s->texts);
    for (uint32_t i = 0; i < m->listed_count; i++) {
        if (!s->texts || !(s->texts[i] = say_path(&s->names, &m->files[m->listed[i]]))) {
            return SPATE_ENOMEM;
        }
    }
    return 0;
}

int spate_metainfo_parse(const void *bytes, size_t size, spate_metainfo **out,
                         struct spate_error *error)
{
    if (!out || (!bytes && size > 0)) {
        return error_set(error, SPATE_EINVAL, 0, "no bytes given");
    }
    *out = NULL;
    struct spate_metainfo *s = calloc(1, sizeof *s);
    if (!s) {
        return error_set(error, SPATE_ENOMEM, 0, "out of memory");
    }
    int failed = metainfo_parse(&s->metainfo, span_of(bytes, size), error);
    if (!failed) {
        failed = describe_files(s);
        if (failed) {
            error_set(error, failed, 0,
                      failed == SPATE_ELIMIT ? "the paths of the files are too long taken together"
                                             : "out of memory");
        }
    }
    if (failed) {
        spate_metainfo_free(s);
        return failed;
    }
    *out = s;
    return 0;
}

void spate_metainfo_free(spate_metainfo *s)
{
    if (s) {
        arena_deinit(&s->names);
        metainfo_deinit(&s->metainfo);
        free(s);
    }
}

int spate_metainfo_info(const spate_metainfo *s, struct spate_metainfo_info *out)
{
    const struct metainfo *m = &s->metainfo;
    struct spate_metainfo_info info = {
        .flags = (m->is_private ? SPATE_METAINFO_PRIVATE : 0u) |
                 (m->has_v1 ? SPATE_METAINFO_V1 : 0u) | (m->has_v2 ? SPATE_METAINFO_V2 : 0u) |
                 (m->single_file ? SPATE_METAINFO_SINGLE_FILE : 0u),
        .name = m->name,
        .comment = m->comment,
        .created_by = m->created_by,
        .creation_date = m->creation_date,
        .total_bytes = m->listed_length,
        .piece_length = m->piece_length,
        .piece_count = m->piece_count,
        .file_count = m->listed_count,
        .tracker_count = m->tracker_count,
        .web_seed_count = m->web_seed_count,
    };
    memcpy(info.info_hash, m->info_hash, sizeof info.info_hash);
    memcpy(info.info_hash_v2, m->info_hash_v2, sizeof info.info_hash_v2);
    return sized_copy_out(out, &info, sizeof info);
}

static uint32_t public_flags(uint32_t flags)
{
    return (flags & METAINFO_FILE_EXECUTABLE ? SPATE_FILE_EXECUTABLE : 0u) |
           (flags & METAINFO_FILE_HIDDEN ? SPATE_FILE_HIDDEN : 0u) |
           (flags & METAINFO_FILE_SYMLINK ? SPATE_FILE_SYMLINK : 0u);
}

int spate_metainfo_file(const spate_metainfo *s, uint32_t index, struct spate_metainfo_file *out)
{
    const struct metainfo *m = &s->metainfo;
    if (index >= m->listed_count) {
        return SPATE_EINVAL;
    }
    const struct metainfo_file *file = &m->files[m->listed[index]];
    const struct spate_metainfo_file row = {
        .flags = public_flags(file->flags),
        .path = s->texts[index],
        .disk_path = name_below_root(m, s->disk_paths[m->listed[index]]),
        .length = file->length,
        .offset = file->offset,
    };
    return sized_copy_out(out, &row, sizeof row);
}

const char *spate_metainfo_tracker(const spate_metainfo *s, uint32_t index, uint32_t *tier)
{
    if (index >= s->metainfo.tracker_count) {
        return NULL;
    }
    if (tier) {
        *tier = s->metainfo.trackers[index].tier;
    }
    return s->metainfo.trackers[index].url;
}

const char *spate_metainfo_web_seed(const spate_metainfo *s, uint32_t index)
{
    return index < s->metainfo.web_seed_count ? s->metainfo.web_seeds[index] : NULL;
}

int spate_metainfo_magnet(const spate_metainfo *s, char *out, size_t size)
{
    const struct metainfo *m = &s->metainfo;
    const char *trackers[LIMIT_TRACKERS];
    for (uint32_t i = 0; i < m->tracker_count; i++) {
        trackers[i] = m->trackers[i].url;
    }
    struct magnet magnet = {.has_v1 = m->has_v1,
                            .has_v2 = m->has_v2,
                            .name = m->name,
                            .trackers = trackers,
                            .tracker_count = m->tracker_count,
                            .web_seeds = m->web_seeds,
                            .web_seed_count = m->web_seed_count};
    memcpy(magnet.info_hash, m->info_hash, sizeof magnet.info_hash);
    memcpy(magnet.info_hash_v2, m->info_hash_v2, sizeof magnet.info_hash_v2);
    size_t length = magnet_write(&magnet, out, size);
    return length > INT_MAX ? SPATE_ELIMIT : (int)length;
}
