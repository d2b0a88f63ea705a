/* Reading torrents, bounded, with sentences that say what to do when it is something else. */
#include "apps/cli/source.h"

#include "apps/cli/exit_codes.h"
#include "apps/cli/message.h"
#include "apps/cli/network.h"
#include "apps/cli/redact.h"
#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { SOURCE_BYTES_MAX = 32 << 20, LIST_BYTES_MAX = 16 << 20, FETCH_TIMEOUT_MS = 60000 };

static bool begins(const char *text, const char *with)
{
    return strncasecmp(text, with, strlen(with)) == 0;
}

static bool is_standard_input(const char *name)
{
    return strcmp(name, "-") == 0;
}

/* Reads all of a file, at most `most` bytes, with a zero behind it. NULL with errno; EFBIG: too long. */
static char *read_all(const char *name, size_t most, size_t *size)
{
    FILE *file = is_standard_input(name) ? stdin : fopen(name, "rbe");
    if (!file) {
        return NULL;
    }
    char *bytes = NULL;
    size_t used = 0, capacity = 0, got;
    int problem = 0;
    do {
        if (used + 1 >= capacity) {
            capacity = capacity ? capacity * 2 : 65536;
            char *larger = realloc(bytes, capacity);
            if (!larger) {
                problem = ENOMEM;
                break;
            }
            bytes = larger;
        }
        errno = 0;
        got = fread(bytes + used, 1, capacity - used - 1, file);
        used += got;
        if (ferror(file)) {
            problem = errno ? errno : EIO;
        } else if (used > most) {
            problem = EFBIG;
        }
    } while (!problem && got > 0);
    if (file != stdin) {
        fclose(file);
    }
    if (problem) {
        free(bytes);
        errno = problem;
        return NULL;
    }
    bytes[used] = 0;
    *size = used;
    return bytes;
}

static int read_file(struct source *s)
{
    s->bytes = read_all(s->name, SOURCE_BYTES_MAX, &s->size);
    if (s->bytes) {
        return EXIT_CODE_OK;
    }
    if (errno == EFBIG) {
        message_error("%s: too long for a torrent file (the limit is 32 MiB)", s->name);
    } else {
        message_error("%s: %s", s->name, message_errno(errno));
    }
    return EXIT_CODE_SOURCE;
}

static int fetch(struct source *s, const struct options *options)
{
    struct spate_settings settings;
    struct spate_error error = {.size = sizeof error};
    char text[1024];
    int code = network_check(options, text, sizeof text);
    if (code != EXIT_CODE_OK) {
        message_error("%s", text);
        return code;
    }
    network_fill_settings(&settings, options, NETWORK_FETCH, s->name);
    bool is_hurried = options->timeout_s > 0 && options->timeout_s * 1000 < FETCH_TIMEOUT_MS;
    int timeout_ms = is_hurried ? (int)options->timeout_s * 1000 : FETCH_TIMEOUT_MS;
    int failed = spate_fetch(&settings, s->name, SOURCE_BYTES_MAX, timeout_ms, NULL, NULL,
                             &s->bytes, &s->size, &error);
    if (failed < 0) {
        char url[1024];
        message_error("%s: %s", network_show_url(options, s->name, url, sizeof url),
                      network_show_url(options, error.text[0] ? error.text : spate_strerror(failed),
                                       text, sizeof text));
        return is_hurried && failed == SPATE_ETIMEDOUT ? EXIT_CODE_TIMEOUT : EXIT_CODE_SOURCE;
    }
    s->fetched = true;
    return EXIT_CODE_OK;
}

/* What people hand over instead of a torrent, by its looks. */
static const char *mistake_in(struct span bytes)
{
    size_t blank = 0;
    while (blank < bytes.size && strchr(" \t\r\n", bytes.bytes[blank]) && bytes.bytes[blank]) {
        blank++;
    }
    bytes = span_slice(bytes, blank, SIZE_MAX);
    if (bytes.size == 0) {
        return "it is empty";
    }
    if (bytes.bytes[0] == '<') {
        return "it is a web page, not a torrent file; perhaps the link needs a login";
    }
    if (bytes.size > 7 && memcmp(bytes.bytes, "magnet:", 7) == 0) {
        return "it holds a magnet link, which this version cannot download";
    }
    return NULL;
}

static int parse(struct source *s, const struct options *options)
{
    struct spate_error error = {.size = sizeof error};
    int failed = spate_metainfo_parse(s->bytes, s->size, &s->metainfo, &error);
    s->info = (struct spate_metainfo_info){.size = sizeof s->info};
    if (failed >= 0) {
        failed = spate_metainfo_info(s->metainfo, &s->info);
    }
    if (failed < 0) {
        char url[1024];
        const char *mistake = mistake_in(span_of(s->bytes, s->size));
        const char *text = error.text[0] ? error.text : spate_strerror(failed);
        bool foreign = !mistake && failed == SPATE_EBENCODE;
        message_error("%s: %s%s", network_show_url(options, s->name, url, sizeof url),
                      foreign ? "this is not a torrent file: " : "", mistake ? mistake : text);
        return EXIT_CODE_SOURCE;
    }
    return EXIT_CODE_OK;
}

int source_open(struct source *s, const char *name, const struct options *options)
{
    *s = (struct source){.name = name};
    int code;
    if (!*name) {
        message_error("an empty word is no torrent");
        return EXIT_CODE_SOURCE;
    }
    if (begins(name, "http://") || begins(name, "https://")) {
        code = fetch(s, options);
    } else if (begins(name, "magnet:")) {
        message_error("magnet links cannot be downloaded in this version; a .torrent file can");
        return EXIT_CODE_SOURCE;
    } else if (strstr(name, "://")) {
        message_error("%s: only http and https can be fetched", name);
        return EXIT_CODE_SOURCE;
    } else {
        code = read_file(s);
    }
    code = code == EXIT_CODE_OK ? parse(s, options) : code;
    if (code != EXIT_CODE_OK) {
        source_close(s);
    }
    return code;
}

void source_close(struct source *s)
{
    spate_metainfo_free(s->metainfo);
    if (s->fetched) {
        spate_free(s->bytes);
    } else {
        free(s->bytes);
    }
    *s = (struct source){0};
}

/* Each line that is not empty and no comment. Blanks around it do not count. */
static bool add_lines(char *text, struct option_list *list, struct option_list *owned)
{
    for (char *next = text; next && *next;) {
        char *line = next;
        next = strchr(line, '\n');
        if (next) {
            *next++ = 0;
        }
        line += strspn(line, " \t\r");
        size_t length = strlen(line);
        while (length > 0 && strchr(" \t\r", line[length - 1])) {
            line[--length] = 0;
        }
        if (length == 0 || *line == '#') {
            continue;
        }
        char *copy = strdup(line);
        if (!copy || !option_list_add(owned, copy)) {
            free(copy);
            return false;
        }
        if (!option_list_add(list, copy)) {
            return false;
        }
    }
    return true;
}

int source_read_lists(const struct options *options, struct option_list *list,
                      struct option_list *owned)
{
    for (uint32_t i = 0; i < options->inputs.count; i++) {
        size_t size;
        char *text = read_all(options->inputs.items[i], LIST_BYTES_MAX, &size);
        if (!text) {
            message_error("%s: %s", options->inputs.items[i], message_errno(errno));
            return EXIT_CODE_SOURCE;
        }
        bool good = add_lines(text, list, owned);
        free(text);
        if (!good) {
            message_error("%s: too many lines", options->inputs.items[i]);
            return EXIT_CODE_SOURCE;
        }
    }
    return EXIT_CODE_OK;
}
