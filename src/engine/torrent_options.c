/* What the user said when adding a torrent. */
#include "engine/torrent_options.h"

#include "base/error.h"
#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

static int copy_text(const char *text, char **out)
{
    *out = text ? strdup(text) : NULL;
    return text && !*out ? SPATE_ENOMEM : 0;
}

static int copy_all(const struct spate_add *add, struct torrent_options *o)
{
    if (copy_text(add->save_path, &o->save_path) || copy_text(add->name, &o->name)) {
        return SPATE_ENOMEM;
    }
    o->trackers = calloc(add->tracker_count + 1, sizeof *o->trackers);
    if (!o->trackers) {
        return SPATE_ENOMEM;
    }
    for (; o->tracker_count < add->tracker_count; o->tracker_count++) {
        if (copy_text(add->trackers[o->tracker_count], &o->trackers[o->tracker_count])) {
            return SPATE_ENOMEM;
        }
    }
    return 0;
}

int torrent_options_create(const struct spate_add *add, uint32_t allocation,
                           struct torrent_options **out, struct spate_error *error)
{
    if (!add->save_path || !*add->save_path) {
        return error_set(error, SPATE_EINVAL, 0, "no destination given");
    }
    if (add->name && (!*add->name || strchr(add->name, '/') || strcmp(add->name, ".") == 0 ||
                      strcmp(add->name, "..") == 0)) {
        return error_set(error, SPATE_EINVAL, 0, "the name must be one path element");
    }
    if (add->tracker_count > LIMIT_TRACKERS) {
        return error_set(error, SPATE_ELIMIT, 0, "more than %u trackers", LIMIT_TRACKERS);
    }
    struct torrent_options *o = calloc(1, sizeof *o);
    if (!o) {
        return error_set(error, SPATE_ENOMEM, 0, "out of memory");
    }
    o->flags = add->flags;
    o->allocation = add->allocation ? add->allocation - 1 : allocation;
    o->max_peers = add->max_peers;
    o->max_down = add->max_down;
    o->max_up = add->max_up;
    if (copy_all(add, o)) {
        torrent_options_destroy(o);
        return error_set(error, SPATE_ENOMEM, 0, "out of memory");
    }
    *out = o;
    return 0;
}

void torrent_options_destroy(struct torrent_options *o)
{
    if (!o) {
        return;
    }
    for (uint32_t i = 0; i < o->tracker_count; i++) {
        free(o->trackers[i]);
    }
    free(o->trackers);
    free(o->save_path);
    free(o->name);
    free(o);
}
