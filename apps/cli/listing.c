/* Torrents on show. Everything in them is a stranger's: escaped for the terminal, repaired for JSON. */
#include "apps/cli/listing.h"

#include "apps/cli/exit_codes.h"
#include "apps/cli/message.h"
#include "apps/cli/network.h"
#include "apps/cli/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <time.h>

/* stdout is a pipe or a file as often as a terminal; a full disk must not look like success. */
static int finish(void)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        message_error("standard output: cannot be written");
        return EXIT_CODE_DISK;
    }
    return EXIT_CODE_OK;
}

static bool file_at(const struct source *source, uint32_t index, struct spate_metainfo_file *file)
{
    *file = (struct spate_metainfo_file){.size = sizeof *file};
    return spate_metainfo_file(source->metainfo, index, file) >= 0;
}

void listing_put_path(const struct spate_metainfo_file *file)
{
    printable_put(stdout, file->path);
    if (file->path && file->disk_path && strcmp(file->path, file->disk_path) != 0) {
        fputs("  (stored as ", stdout);
        printable_put(stdout, file->disk_path);
        fputs(")", stdout);
    }
}

static void put_file(uint32_t number, const struct spate_metainfo_file *file, const char *mark)
{
    char size[32];
    printf("%s%6u  %10s  ", mark, number, text_bytes(file->length, size, sizeof size));
    listing_put_path(file);
    if (file->flags & SPATE_FILE_SYMLINK) {
        fputs("  (symbolic link)", stdout);
    }
    if (file->flags & SPATE_FILE_EXECUTABLE) {
        fputs("  (executable)", stdout);
    }
    fputc('\n', stdout);
}

static void put_files(const struct source *source, const uint8_t *wanted)
{
    for (uint32_t i = 0; i < source->info.file_count; i++) {
        struct spate_metainfo_file file;
        if (file_at(source, i, &file)) {
            put_file(i + 1, &file, !wanted ? "" : wanted[i] ? "* " : "  ");
        }
    }
}

int listing_files(const struct source *source, const struct options *options, const uint8_t *wanted)
{
    if (options->json) {
        return listing_json(source, wanted);
    }
    printable_put(stdout, source->info.name ? source->info.name : "");
    char size[32];
    printf(": %u file%s, %s\n", source->info.file_count, source->info.file_count == 1 ? "" : "s",
           text_bytes(source->info.total_bytes, size, sizeof size));
    put_files(source, wanted);
    return finish();
}

int listing_plan(const struct source *source, const struct options *options, const uint8_t *wanted)
{
    if (options->json) {
        return listing_json(source, wanted);
    }
    uint64_t bytes = 0;
    uint32_t files = 0;
    for (uint32_t i = 0; i < source->info.file_count; i++) {
        struct spate_metainfo_file file;
        if ((!wanted || wanted[i]) && file_at(source, i, &file)) {
            bytes += file.length;
            files++;
        }
    }
    const char *directory = options->directory ? options->directory : ".";
    const char *name = options->name ? options->name : source->info.name;
    char hash[41], size[32], total[32];
    text_hex(source->info.info_hash, sizeof source->info.info_hash, hash);
    fputs("would download ", stdout);
    printable_put(stdout, name ? name : "");
    printf(" (info hash %s)\n  %u of %u files, %s of %s, to ", hash, files, source->info.file_count,
           text_bytes(bytes, size, sizeof size),
           text_bytes(source->info.total_bytes, total, sizeof total));
    printable_put(stdout, directory);
    fputc('\n', stdout);
    struct statvfs disk;
    if (statvfs(directory, &disk) == 0) {
        uint64_t room = (uint64_t)disk.f_bavail * disk.f_frsize;
        printf("  %s free there%s\n", text_bytes(room, size, sizeof size),
               room < bytes ? ": not enough for all of it" : "");
    }
    if (wanted) {
        put_files(source, wanted);
    }
    puts("  nothing was written");
    return finish();
}

/* ---- spate show -------------------------------------------------------------------------------- */

static void put_field(const char *name, const char *text)
{
    printf("%-14s", name);
    printable_put(stdout, text);
    fputc('\n', stdout);
}

static void put_trackers(const struct source *source, const struct options *options)
{
    for (uint32_t i = 0; i < source->info.tracker_count; i++) {
        char shown[2048], line[2100];
        uint32_t tier = 0;
        const char *url = spate_metainfo_tracker(source->metainfo, i, &tier);
        if (url) {
            snprintf(line, sizeof line, "tier %u  %s", tier + 1,
                     network_show_url(options, url, shown, sizeof shown));
            put_field(i == 0 ? "Trackers" : "", line);
        }
    }
    for (uint32_t i = 0; i < source->info.web_seed_count; i++) {
        char shown[2048];
        const char *url = spate_metainfo_web_seed(source->metainfo, i);
        if (url) {
            put_field(i == 0 ? "Web seeds" : "",
                      network_show_url(options, url, shown, sizeof shown));
        }
    }
}

static void put_hashes(const struct spate_metainfo_info *info)
{
    char hash[65];
    if (info->flags & SPATE_METAINFO_V1) {
        text_hex(info->info_hash, sizeof info->info_hash, hash);
        put_field("Info hash", hash);
    }
    if (info->flags & SPATE_METAINFO_V2) {
        text_hex(info->info_hash_v2, sizeof info->info_hash_v2, hash);
        put_field("Info hash v2", hash);
    }
}

static void put_times(const struct spate_metainfo_info *info)
{
    struct tm utc;
    time_t date = (time_t)info->creation_date;
    char text[64];
    if (info->creation_date >= 0 && gmtime_r(&date, &utc)) {
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &utc);
        put_field("Created", text);
    }
    if (info->created_by) {
        put_field("Created by", info->created_by);
    }
    if (info->comment) {
        put_field("Comment", info->comment);
    }
}

int listing_show(const struct source *source, const struct options *options, bool files)
{
    const struct spate_metainfo_info *info = &source->info;
    char text[128], size[32];
    put_field("Name", info->name ? info->name : "");
    put_hashes(info);
    snprintf(text, sizeof text, "%s (%llu bytes) in %u file%s",
             text_bytes(info->total_bytes, size, sizeof size),
             (unsigned long long)info->total_bytes, info->file_count,
             info->file_count == 1 ? "" : "s");
    put_field("Size", text);
    snprintf(text, sizeof text, "%u of %s", info->piece_count,
             text_bytes(info->piece_length, size, sizeof size));
    put_field("Pieces", text);
    put_field("Kind", (info->flags & SPATE_METAINFO_V2)
                          ? (info->flags & SPATE_METAINFO_V1) ? "hybrid (v1 and v2)" : "v2"
                          : "v1");
    put_field("Private", (info->flags & SPATE_METAINFO_PRIVATE) ? "yes" : "no");
    put_times(info);
    put_trackers(source, options);
    if (files) {
        fputs("Files\n", stdout);
        put_files(source, NULL);
    }
    return finish();
}

/* ---- JSON -------------------------------------------------------------------------------------- */

static json_t *files_of(const struct source *source, const uint8_t *wanted)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < source->info.file_count; i++) {
        struct spate_metainfo_file file;
        if (!file_at(source, i, &file)) {
            continue;
        }
        json_t *object = json_object();
        json_object_set_new(object, "number", json_integer(i + 1));
        json_object_set_new(object, "path", record_text(file.path));
        json_object_set_new(object, "disk_path", record_text(file.disk_path));
        json_object_set_new(object, "length", record_number(file.length));
        json_object_set_new(object, "offset", record_number(file.offset));
        json_object_set_new(object, "executable", json_boolean(file.flags & SPATE_FILE_EXECUTABLE));
        json_object_set_new(object, "hidden", json_boolean(file.flags & SPATE_FILE_HIDDEN));
        json_object_set_new(object, "symlink", json_boolean(file.flags & SPATE_FILE_SYMLINK));
        if (wanted) {
            json_object_set_new(object, "wanted", json_boolean(wanted[i]));
        }
        json_array_append_new(list, object);
    }
    return list;
}

static json_t *trackers_of(const struct source *source)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < source->info.tracker_count; i++) {
        uint32_t tier = 0;
        const char *url = spate_metainfo_tracker(source->metainfo, i, &tier);
        json_t *object = json_object();
        json_object_set_new(object, "url", record_text(url));
        json_object_set_new(object, "tier", json_integer(tier));
        json_array_append_new(list, object);
    }
    return list;
}

static json_t *web_seeds_of(const struct source *source)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < source->info.web_seed_count; i++) {
        json_array_append_new(list, record_text(spate_metainfo_web_seed(source->metainfo, i)));
    }
    return list;
}

int listing_json(const struct source *source, const uint8_t *wanted)
{
    const struct spate_metainfo_info *info = &source->info;
    json_t *object = json_object();
    json_object_set_new(object, "name", record_text(info->name));
    json_object_set_new(object, "info_hash",
                        (info->flags & SPATE_METAINFO_V1)
                            ? record_hex(info->info_hash, sizeof info->info_hash)
                            : json_null());
    json_object_set_new(object, "info_hash_v2",
                        (info->flags & SPATE_METAINFO_V2)
                            ? record_hex(info->info_hash_v2, sizeof info->info_hash_v2)
                            : json_null());
    json_object_set_new(object, "private", json_boolean(info->flags & SPATE_METAINFO_PRIVATE));
    json_object_set_new(object, "single_file",
                        json_boolean(info->flags & SPATE_METAINFO_SINGLE_FILE));
    json_object_set_new(object, "total_bytes", record_number(info->total_bytes));
    json_object_set_new(object, "piece_length", json_integer(info->piece_length));
    json_object_set_new(object, "piece_count", json_integer(info->piece_count));
    json_object_set_new(object, "comment", record_text(info->comment));
    json_object_set_new(object, "created_by", record_text(info->created_by));
    json_object_set_new(object, "creation_date",
                        info->creation_date < 0 ? json_null() : json_integer(info->creation_date));
    json_object_set_new(object, "trackers", trackers_of(source));
    json_object_set_new(object, "web_seeds", web_seeds_of(source));
    json_object_set_new(object, "files", files_of(source, wanted));
    char *line = record_line(object);
    if (!line) {
        message_error("out of memory");
        return EXIT_CODE_FAILED;
    }
    fputs(line, stdout);
    free(line);
    return finish();
}
