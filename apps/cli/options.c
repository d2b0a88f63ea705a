/* The parser of options over a table, for the command line and for single values of the config file. */
#include "apps/cli/options.h"

#include "apps/cli/hint.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIST_MAX = 65536 };

void options_init(struct options *o)
{
    *o = (struct options){.seed_time_s = -1, .seed_ratio_milli = UINT64_MAX};
}

void options_deinit(struct options *o)
{
    struct option_list *lists[] = {&o->operands, &o->inputs,    &o->files,      &o->trackers,
                                   &o->peers,    &o->web_seeds, &o->on_complete};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        option_list_free(lists[i], false);
    }
    option_list_free(&o->owned, true);
    free(o->config_text);
    o->config_text = NULL;
}

bool option_list_add(struct option_list *list, const char *word)
{
    if (list->count >= LIST_MAX) {
        return false;
    }
    if (list->count + 1 >= list->capacity) {
        uint32_t capacity = list->capacity ? list->capacity * 2 : 8;
        const char **items = realloc(list->items, capacity * sizeof *items);
        if (!items) {
            return false;
        }
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = word;
    list->items[list->count] = NULL;
    return true;
}

void option_list_free(struct option_list *list, bool words)
{
    for (uint32_t i = 0; words && i < list->count; i++) {
        free((void *)(uintptr_t)list->items[i]);
    }
    free(list->items);
    *list = (struct option_list){0};
}

const struct option *options_find(const struct option *table, const char *name)
{
    for (; table->name; table++) {
        if (strcmp(table->name, name) == 0) {
            return table;
        }
    }
    return NULL;
}

static const struct option *find_letter(const struct option *table, char letter)
{
    for (; table->name; table++) {
        if (table->letter == letter) {
            return table;
        }
    }
    return NULL;
}

/* ---- values ---------------------------------------------------------------------------------- */

static bool parse_flag(const char *value, bool *flag)
{
    static const char *const yes[] = {"yes", "true", "on", "1"}, *const no[] = {"no", "false",
                                                                                "off", "0"};
    if (!value) {
        *flag = true;
        return true;
    }
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        if (strcmp(value, yes[i]) == 0 || strcmp(value, no[i]) == 0) {
            *flag = strcmp(value, yes[i]) == 0;
            return true;
        }
    }
    return false;
}

/* Thousandths of a decimal number, up to a million. */
static bool parse_ratio(const char *value, uint64_t *milli)
{
    uint64_t whole = 0, part = 0, scale = 1000;
    bool point = false, digits = false;
    for (; *value; value++) {
        if (*value == '.' && !point) {
            point = true;
            continue;
        }
        if (*value < '0' || *value > '9' || whole > 1000000) {
            return false;
        }
        digits = true;
        uint64_t digit = (uint64_t)(*value - '0');
        if (!point) {
            whole = whole * 10 + digit;
        } else if (scale > 1) {
            scale /= 10;
            part += digit * scale;
        }
    }
    *milli = whole * 1000 + part;
    return digits && whole <= 1000000;
}

static bool parse_choice(const char *choices, const char *value, uint64_t *place)
{
    size_t length = strlen(value);
    *place = 1;
    for (const char *word = choices; word; (*place)++) {
        const char *end = strchr(word, '|');
        size_t size = end ? (size_t)(end - word) : strlen(word);
        if (size == length && strncmp(word, value, size) == 0) {
            return true;
        }
        word = end ? end + 1 : NULL;
    }
    return false;
}

/* Cuts a config value into words at blanks. */
static bool split_words(struct option_list *list, char *value)
{
    list->count = 0;
    for (char *p = value; *p;) {
        p += strspn(p, " \t");
        size_t length = strcspn(p, " \t");
        if (length == 0) {
            break;
        }
        bool last = p[length] == 0;
        p[length] = 0;
        if (!option_list_add(list, p)) {
            return false;
        }
        p += last ? length : length + 1;
    }
    return list->count > 0;
}

static const char *expected(const struct option *option)
{
    switch (option->kind) {
    case OPTION_FLAG:
        return "yes or no";
    case OPTION_BYTES:
        return "a size such as 800k, 5M or 1.5G";
    case OPTION_SECONDS:
        return "a time such as 90, 90s, 10m, 2h or 1d";
    case OPTION_RATIO:
        return "a ratio such as 1.5";
    default:
        return "a value";
    }
}

bool options_set(struct options *o, const struct option *option, char *value, char *text,
                 size_t size)
{
    void *field = (char *)o + option->offset;
    bool good = false;
    if (!value && option->kind != OPTION_FLAG) {
        snprintf(text, size, "%s needs %s", option->name, expected(option));
        return false;
    }
    switch (option->kind) {
    case OPTION_FLAG:
        good = parse_flag(value, field);
        break;
    case OPTION_TEXT:
    case OPTION_FILE:
    case OPTION_DIRECTORY:
        *(const char **)field = value;
        good = true;
        break;
    case OPTION_LIST:
        good = option_list_add(field, value);
        break;
    case OPTION_COMMAND:
        good = split_words(field, value);
        break;
    case OPTION_BYTES:
        good = text_parse_bytes(value, field);
        break;
    case OPTION_SECONDS:
        good = text_parse_duration(value, field);
        break;
    case OPTION_NUMBER:
        good = text_parse_number(value, option->most, field);
        if (!good) {
            snprintf(text, size, "%s: '%s' is not a number from 0 to %llu", option->name, value,
                     (unsigned long long)option->most);
            return false;
        }
        break;
    case OPTION_RATIO:
        good = parse_ratio(value, field);
        break;
    case OPTION_CHOICE:
        good = parse_choice(option->choices, value, field);
        if (!good) {
            snprintf(text, size, "%s: '%s' is none of %s", option->name, value, option->choices);
            return false;
        }
        break;
    }
    if (!good) {
        snprintf(text, size, "%s: '%s' is not %s", option->name, value ? value : "",
                 expected(option));
    }
    return good;
}

/* ---- the command line ------------------------------------------------------------------------ */

struct cursor {
    int argc, at; /* argv[at] is the next word */
    char *const *argv;
    char *text;
    size_t size;
};

/* Every word up to ";" or the end; `first`, if any, was given with "=". */
static bool take_command(struct options *o, const struct option *option, struct cursor *c,
                         char *first)
{
    struct option_list *list = (struct option_list *)(void *)((char *)o + option->offset);
    list->count = 0; /* the last one counts */
    bool good = !first || option_list_add(list, first);
    while (good && c->at < c->argc) {
        char *word = c->argv[c->at++];
        if (strcmp(word, ";") == 0) {
            break;
        }
        good = option_list_add(list, word);
    }
    if (!good || list->count == 0) {
        snprintf(c->text, c->size, "--%s needs a command", option->name);
        return false;
    }
    return true;
}

static bool unknown(const struct option *table, const char *name, struct cursor *c)
{
    struct hint hint;
    hint_init(&hint, name);
    for (const struct option *option = table; option->name; option++) {
        hint_offer(&hint, option->name);
    }
    if (hint.nearest) {
        snprintf(c->text, c->size, "unknown option --%s; did you mean --%s?", name, hint.nearest);
    } else {
        snprintf(c->text, c->size, "unknown option --%s", name);
    }
    return false;
}

/* Sets the option with its value: attached (not NULL), or the next word when the kind needs one. */
static bool take(struct options *o, const struct option *option, struct cursor *c, char *value)
{
    if (option->kind == OPTION_COMMAND) {
        return take_command(o, option, c, value);
    }
    if (option->kind != OPTION_FLAG && !value) {
        if (c->at >= c->argc) {
            snprintf(c->text, c->size, "--%s needs %s", option->name,
                     option->argument ? option->argument : "a value");
            return false;
        }
        value = c->argv[c->at++];
    }
    size_t used = (size_t)snprintf(c->text, c->size, "--");
    return options_set(o, option, value, c->text + used, c->size - used);
}

static bool take_long(struct options *o, const struct option *table, struct cursor *c, char *word)
{
    char name[64];
    char *value = strchr(word, '=');
    size_t length = value ? (size_t)(value - word) : strlen(word);
    snprintf(name, sizeof name, "%.*s", (int)(length < sizeof name ? length : sizeof name - 1),
             word);
    const struct option *option = options_find(table, name);
    return option ? take(o, option, c, value ? value + 1 : NULL) : unknown(table, name, c);
}

static bool take_letters(struct options *o, const struct option *table, struct cursor *c,
                         char *letters)
{
    for (char *p = letters; *p; p++) {
        const struct option *option = find_letter(table, *p);
        if (!option) {
            snprintf(c->text, c->size, "unknown option -%c", *p);
            return false;
        }
        bool takes_rest = option->kind != OPTION_FLAG && p[1];
        if (!take(o, option, c, takes_rest ? p + 1 : NULL)) {
            return false;
        }
        if (takes_rest) {
            break;
        }
    }
    return true;
}

bool options_parse(struct options *o, const struct option *table, int argc, char *const *argv,
                   char *text, size_t size)
{
    struct cursor c = {.argc = argc, .at = 1, .argv = argv, .text = text, .size = size};
    bool only_operands = false;
    while (c.at < argc) {
        char *word = argv[c.at++];
        bool good;
        if (only_operands || word[0] != '-' || word[1] == 0) {
            good = option_list_add(&o->operands, word);
            if (!good) {
                snprintf(text, size, "too many operands");
            }
        } else if (strcmp(word, "--") == 0) {
            only_operands = good = true;
        } else if (word[1] == '-') {
            good = take_long(o, table, &c, word + 2);
        } else {
            good = take_letters(o, table, &c, word + 1);
        }
        if (!good) {
            return false;
        }
    }
    text[0] = 0;
    return true;
}
