/* The config file $XDG_CONFIG_HOME/spate/spate.conf. The command line counts more: the file is applied
 * first. */
#include "apps/cli/config.h"

#include "apps/cli/hint.h"
#include "apps/cli/message.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONFIG_BYTES_MAX = 1 << 20, CONFIG_PATH_BYTES = 4096 };

static char *trim(char *text)
{
    text += strspn(text, " \t\r");
    size_t length = strlen(text);
    while (length > 0 && strchr(" \t\r", text[length - 1])) {
        text[--length] = 0;
    }
    return text;
}

/* The row that `key` names in this command's table; sets *known when some command has it. */
static const struct option *find_key(const struct command *command,
                                     const struct command *const *commands, const char *key,
                                     bool *known)
{
    const struct option *option = command->options ? options_find(command->options, key) : NULL;
    *known = option && option->in_config;
    for (; !*known && *commands; commands++) {
        const struct option *other =
            (*commands)->options ? options_find((*commands)->options, key) : NULL;
        *known = other && other->in_config;
    }
    return option && option->in_config ? option : NULL;
}

static const char *nearest_key(const struct command *const *commands, const char *key)
{
    struct hint hint;
    hint_init(&hint, key);
    for (; *commands; commands++) {
        const struct option *option = (*commands)->options;
        for (; option && option->name; option++) {
            if (option->in_config) {
                hint_offer(&hint, option->name);
            }
        }
    }
    return hint.nearest;
}

/* A path that begins with "~/" is one below the home directory: nothing else expands it here. */
static char *expand_home(struct options *o, char *value, const struct option *option, char *message,
                         size_t size)
{
    const char *home = secure_getenv("HOME");
    if ((option->kind != OPTION_DIRECTORY && option->kind != OPTION_FILE) ||
        strncmp(value, "~/", 2) != 0 || !home) {
        return value;
    }
    size_t bytes = strlen(home) + strlen(value);
    char *path = malloc(bytes);
    if (!path || !option_list_add(&o->owned, path)) {
        free(path);
        snprintf(message, size, "out of memory");
        return NULL;
    }
    snprintf(path, bytes, "%s%s", home, value + 1);
    return path;
}

static bool apply_line(struct options *o, const struct command *command,
                       const struct command *const *commands, char *line, char *message,
                       size_t size)
{
    char *value = strchr(line, '=');
    if (value) {
        *value++ = 0;
        value = trim(value);
    }
    char *key = trim(line);
    bool known;
    const struct option *option = find_key(command, commands, key, &known);
    if (!known) {
        const char *nearest = nearest_key(commands, key);
        snprintf(message, size, "unknown option '%s'%s%s%s", key, nearest ? "; did you mean '" : "",
                 nearest ? nearest : "", nearest ? "'?" : "");
        return false;
    }
    if (!option) {
        return true;
    }
    if (value && !(value = expand_home(o, value, option, message, size))) {
        return false;
    }
    return options_set(o, option, value, message, size);
}

bool config_apply(struct options *o, const struct command *command,
                  const struct command *const *commands, char *text, const char *name,
                  char *message, size_t size)
{
    unsigned number = 0;
    for (char *next = text; next && *next;) {
        char *line = next;
        next = strchr(line, '\n');
        if (next) {
            *next++ = 0;
        }
        number++;
        line = trim(line);
        if (*line == 0 || *line == '#' || *line == ';') {
            continue;
        }
        char problem[256];
        if (!apply_line(o, command, commands, line, problem, sizeof problem)) {
            snprintf(message, size, "%s, line %u: %s", name, number, problem);
            return false;
        }
    }
    return true;
}

bool config_user_path(const char *variable, const char *fallback, const char *name, char *out,
                      size_t size)
{
    const char *base = secure_getenv(variable), *home = secure_getenv("HOME");
    int length = -1;
    /* The XDG base directory specification: a relative path there is to be ignored. */
    if (base && base[0] == '/') {
        length = snprintf(out, size, "%s/spate%s%s", base, *name ? "/" : "", name);
    } else if (home && *home) {
        length = snprintf(out, size, "%s/%s/spate%s%s", home, fallback, *name ? "/" : "", name);
    }
    return length >= 0 && (size_t)length < size;
}

bool config_read(struct options *o, const struct command *command,
                 const struct command *const *commands, char *message, size_t size)
{
    char path[CONFIG_PATH_BYTES];
    const char *name = o->config;
    if (!name) {
        if (!config_user_path("XDG_CONFIG_HOME", ".config", "spate.conf", path, sizeof path)) {
            return true;
        }
        name = path;
    }
    FILE *file = fopen(name, "rbe");
    if (!file) {
        if (!o->config && (errno == ENOENT || errno == ENOTDIR)) {
            return true;
        }
        snprintf(message, size, "%s: %s%s", name, message_errno(errno),
                 o->config ? "" : " (--no-config does without it)");
        return false;
    }
    char *text = malloc(CONFIG_BYTES_MAX + 1);
    size_t length = text ? fread(text, 1, CONFIG_BYTES_MAX + 1, file) : 0;
    bool failed = !text || ferror(file);
    fclose(file);
    if (failed || length > CONFIG_BYTES_MAX || memchr(text, 0, length)) {
        snprintf(message, size, "%s: %s", name,
                 failed ? "cannot be read" : "not a config file (too long, or not text)");
        free(text);
        return false;
    }
    text[length] = 0;
    free(o->config_text);
    o->config_text = text;
    return config_apply(o, command, commands, text, name, message, size);
}
