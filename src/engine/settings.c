/* The settings of a session. A new one is a field in spate.h and a row here. */
#include "engine/settings.h"

#include "base/limits.h"

#include <stdlib.h>

/* Numbers: where they are, what zero means, and what is allowed. */
static const struct number_row {
    const char *name;
    size_t offset, size;
    uint64_t otherwise, least, most;
} numbers[] = {
#define ROW(field, otherwise, least, most)                                                         \
    {                                                                                              \
#field, offsetof(struct spate_settings, field),                                            \
            sizeof(((struct spate_settings *)0)->field), otherwise, least, most                    \
    }
    ROW(max_peers, LIMIT_PEERS_PER_TORRENT, 1, 65535),
    ROW(max_connections, LIMIT_CONNECTIONS, 1, 65535),
    ROW(frame_bytes, LIMIT_FRAME_BYTES, 4 * LIMIT_FRAME_CHUNK_BYTES, UINT64_C(1) << 40),
    ROW(workers, 0, 0, 256),
    ROW(allocation, SPATE_ALLOCATE_SPARSE, 0, SPATE_ALLOCATE_FULL),
    ROW(log_level, SPATE_LOG_INFO, 0, SPATE_LOG_DEBUG),
#undef ROW
};

/* Strings: copied, NULL stays NULL but for the default. */
static const struct text_row {
    size_t offset;
    const char *otherwise;
} texts[] = {
    {offsetof(struct spate_settings, state_dir), NULL},
    {offsetof(struct spate_settings, bind), NULL},
    {offsetof(struct spate_settings, user_agent), "spate/0.1.0"},
    {offsetof(struct spate_settings, proxy), NULL},
    {offsetof(struct spate_settings, ca_cert), NULL},
};

void spate_settings_init(struct spate_settings *settings, uint32_t size)
{
    memset(settings, 0, size);
    settings->size = size;
}

static int complete_number(struct spate_settings *s, const struct number_row *row,
                           struct spate_error *error)
{
    uint8_t *at = (uint8_t *)s + row->offset;
    uint64_t value = 0;
    if (row->size == 4) {
        uint32_t narrow;
        memcpy(&narrow, at, 4);
        value = narrow;
    } else {
        memcpy(&value, at, 8);
    }
    if (value == 0) {
        value = row->otherwise;
    }
    if (value < row->least || value > row->most) {
        return error_set(error, SPATE_EINVAL, 0, "%s must be from %llu to %llu", row->name,
                         (unsigned long long)row->least, (unsigned long long)row->most);
    }
    if (row->size == 4) {
        uint32_t narrow = (uint32_t)value;
        memcpy(at, &narrow, 4);
    } else {
        memcpy(at, &value, 8);
    }
    return 0;
}

static char **text_at(struct spate_settings *s, size_t offset)
{
    return (char **)(void *)((uint8_t *)s + offset);
}

/* "bind" names an address or an interface. */
static void read_bind(struct settings *s)
{
    s->bind = (struct io_bind){0};
    const char *text = s->value.bind;
    if (text && *text && !addr_parse(&s->bind.address, span_text(text))) {
        s->bind.interface = text;
    }
    s->bind.address.port = 0;
}

int settings_init(struct settings *s, const struct spate_settings *given, struct spate_error *error)
{
    *s = (struct settings){0};
    if (given->size < sizeof given->size || given->size > sizeof s->value * 16) {
        return error_set(error, SPATE_EINVAL, 0, "the settings do not say their size");
    }
    memcpy(&s->value, given, given->size < sizeof s->value ? given->size : sizeof s->value);
    const struct spate_settings before = s->value;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        *text_at(&s->value, texts[i].offset) = NULL;
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct spate_settings copy = before;
        const char *text = *text_at(&copy, texts[i].offset);
        text = text ? text : texts[i].otherwise;
        if (text && !(*text_at(&s->value, texts[i].offset) = strdup(text))) {
            settings_deinit(s);
            return error_set(error, SPATE_ENOMEM, 0, "out of memory");
        }
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        int failed = complete_number(&s->value, &numbers[i], error);
        if (failed) {
            settings_deinit(s);
            return failed;
        }
    }
    read_bind(s);
    return 0;
}

void settings_deinit(struct settings *s)
{
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        free(*text_at(&s->value, texts[i].offset));
        *text_at(&s->value, texts[i].offset) = NULL;
    }
}
