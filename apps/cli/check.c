/* spate check: reads files and says which of them, and which pieces, are not what the torrent says. */
#include "apps/cli/check.h"

#include "apps/cli/exit_codes.h"
#include "apps/cli/listing.h"
#include "apps/cli/message.h"
#include "apps/cli/progress.h"
#include "apps/cli/record.h"
#include "apps/cli/rows.h"
#include "apps/cli/source.h"
#include "apps/cli/transfer.h"

#include <stdlib.h>

static const struct option check_options[] = {
    ROW('d', DIRECTORY, WHERE, directory, "dir", "DIR",
        "the directory that holds the files (default: the current one)"),
    ROW('O', TEXT, WHERE, name, "name", "NAME",
        "the file or top directory is called NAME instead of what the torrent says"),
    ROW(0, FLAG, WHERE, follow_symlinks, "follow-symlinks", NULL,
        "files below DIR may be symbolic links"),
    ROW(0, NUMBER, HOW, workers, "threads", "N", "hashing threads (default: one per core)",
        .most = 256),
    ROWS_NETWORK,
    ROW(0, FLAG, NETWORK, allow_local, "allow-local", NULL, "URLs may be of the local network",
        .in_config = true),
    ROW_JSON("the result in one JSON object (see docs/json.md)"),
    ROW('q', FLAG, OUTPUT, quiet, "quiet", NULL, "say nothing; the exit code tells",
        .in_config = true),
    ROW_VERBOSE("name the files that are right, too"),
    ROW_NO_COLOR,
    ROWS_GENERAL,
    ROW_END,
};

struct findings {
    const struct source *source;
    struct spate_check_file *files;
    uint8_t *pieces; /* one bit each, set: good */
    size_t pieces_size;
    uint32_t bad_pieces;
};

static const char *state_name(uint32_t state)
{
    static const char *const names[] = {
        [SPATE_CHECK_GOOD] = "good",   [SPATE_CHECK_MISSING] = "missing",
        [SPATE_CHECK_SHORT] = "short", [SPATE_CHECK_LONG] = "long",
        [SPATE_CHECK_WRONG] = "wrong", [SPATE_CHECK_UNREADABLE] = "unreadable",
    };
    return state < sizeof names / sizeof *names ? names[state] : "?";
}

static bool is_good(const struct findings *f, uint32_t piece)
{
    return f->pieces[piece / 8] & (0x80u >> piece % 8);
}

/* The next run of bad pieces from *first on; false when there is none. */
static bool next_bad_run(const struct findings *f, uint32_t *first, uint32_t *last)
{
    uint32_t count = f->source->info.piece_count;
    while (*first < count && is_good(f, *first)) {
        (*first)++;
    }
    if (*first >= count) {
        return false;
    }
    *last = *first;
    while (*last + 1 < count && !is_good(f, *last + 1)) {
        (*last)++;
    }
    return true;
}

/* A file that is right but longer than it should be does no harm to the pieces; it is told, though. */
static bool is_wrong(const struct findings *f)
{
    for (uint32_t i = 0; i < f->source->info.file_count; i++) {
        if (f->files[i].state != SPATE_CHECK_GOOD && f->files[i].state != SPATE_CHECK_LONG) {
            return true;
        }
    }
    return f->bad_pieces > 0;
}

static void put_file(const struct findings *f, uint32_t index)
{
    const struct spate_check_file *found = &f->files[index];
    struct spate_metainfo_file file = {.size = sizeof file};
    char bad[32], whole[32];
    if (spate_metainfo_file(f->source->metainfo, index, &file) < 0) {
        return;
    }
    printf("%-11s", state_name(found->state));
    listing_put_path(&file);
    text_bytes(file.length, whole, sizeof whole);
    if (found->state == SPATE_CHECK_SHORT || found->state == SPATE_CHECK_LONG) {
        printf("  (%llu bytes instead of %llu)", (unsigned long long)found->length_found,
               (unsigned long long)file.length);
    } else if (found->bad_bytes > 0 && found->state != SPATE_CHECK_MISSING) {
        printf("  (%s of %s in bad pieces)", text_bytes(found->bad_bytes, bad, sizeof bad), whole);
    }
    fputc('\n', stdout);
}

static void put_text(const struct findings *f, const struct options *options)
{
    const struct spate_metainfo_info *info = &f->source->info;
    uint32_t good = 0;
    for (uint32_t i = 0; i < info->file_count; i++) {
        good += f->files[i].state == SPATE_CHECK_GOOD;
        if (f->files[i].state != SPATE_CHECK_GOOD || options->verbose) {
            put_file(f, i);
        }
    }
    if (f->bad_pieces > 0) {
        uint32_t first = 0, last;
        fputs("bad pieces", stdout);
        for (const char *comma = ":"; next_bad_run(f, &first, &last);
             first = last + 1, comma = ",") {
            printf(first == last ? "%s %u" : "%s %u-%u", comma, first, last);
        }
        fputc('\n', stdout);
    }
    printf("%u of %u files and %u of %u pieces are right\n", good, info->file_count,
           info->piece_count - f->bad_pieces, info->piece_count);
}

static void put_json(const struct findings *f)
{
    const struct spate_metainfo_info *info = &f->source->info;
    json_t *object = json_object(), *files = json_array(), *runs = json_array();
    json_object_set_new(object, "name", record_text(info->name));
    json_object_set_new(object, "info_hash", record_hex(info->info_hash, sizeof info->info_hash));
    json_object_set_new(object, "good", json_boolean(!is_wrong(f)));
    json_object_set_new(object, "piece_count", json_integer(info->piece_count));
    json_object_set_new(object, "bad_piece_count", json_integer(f->bad_pieces));
    for (uint32_t first = 0, last; next_bad_run(f, &first, &last); first = last + 1) {
        json_array_append_new(runs, json_pack("[i,i]", (int)first, (int)last));
    }
    json_object_set_new(object, "bad_pieces", runs);
    for (uint32_t i = 0; i < info->file_count; i++) {
        struct spate_metainfo_file file = {.size = sizeof file};
        json_t *row = json_object();
        spate_metainfo_file(f->source->metainfo, i, &file);
        json_object_set_new(row, "path", record_text(file.path));
        json_object_set_new(row, "state", json_string(state_name(f->files[i].state)));
        json_object_set_new(row, "length", record_number(file.length));
        json_object_set_new(row, "length_found", record_number(f->files[i].length_found));
        json_object_set_new(row, "bad_bytes", record_number(f->files[i].bad_bytes));
        json_array_append_new(files, row);
    }
    json_object_set_new(object, "files", files);
    char *line = record_line(object);
    if (line) {
        fputs(line, stdout);
        free(line);
    }
}

static int examine(struct findings *f, const struct options *options)
{
    struct progress progress;
    struct spate_error error = {.size = sizeof error};
    struct spate_check check;
    spate_check_init(&check, sizeof check);
    check.flags = options->follow_symlinks ? SPATE_ADD_FOLLOW_SYMLINKS : 0;
    check.save_path = options->directory ? options->directory : ".";
    check.name = options->name;
    check.workers = (uint32_t)options->workers;
    progress_init(&progress, options, "checking");
    check.progress = progress_on_bytes;
    check.user = &progress;
    int bad = spate_check(f->source->metainfo, &check, f->pieces, f->pieces_size, f->files,
                          f->source->info.file_count, &error);
    progress_deinit(&progress);
    if (bad < 0) {
        message_error("check: %s", error.text[0] ? error.text : spate_strerror(bad));
        return exit_code_from_error(bad);
    }
    f->bad_pieces = (uint32_t)bad;
    if (options->json) {
        put_json(f);
    } else if (!options->quiet) {
        put_text(f, options);
    }
    if (fflush(stdout) != 0) {
        message_error("standard output: cannot be written");
        return EXIT_CODE_DISK;
    }
    return is_wrong(f) ? EXIT_CODE_MISMATCH : EXIT_CODE_OK;
}

static int run(const struct options *options)
{
    struct source source;
    int code = transfer_check_place(options, true);
    if (code != EXIT_CODE_OK) {
        return code;
    }
    code = source_open(&source, options->operands.items[0], options);
    if (code != EXIT_CODE_OK) {
        return code;
    }
    struct findings f = {.source = &source, .pieces_size = source.info.piece_count / 8 + 1};
    f.files = calloc(source.info.file_count + 1, sizeof *f.files);
    f.pieces = calloc(f.pieces_size, 1);
    if (f.files && f.pieces) {
        for (uint32_t i = 0; i < source.info.file_count; i++) {
            f.files[i].size = sizeof f.files[i];
        }
        code = examine(&f, options);
    } else {
        message_error("out of memory");
        code = EXIT_CODE_FAILED;
    }
    free(f.files);
    free(f.pieces);
    source_close(&source);
    return code;
}

const struct command check_command = {
    .name = "check",
    .summary = "compare files on the disk with a torrent",
    .usage = "[OPTION]... TORRENT -d DIR",
    .text = "Hashes the files of TORRENT (a file, a URL, or '-') below DIR and says which "
            "files and pieces are missing or wrong. Reads only. Exits 0 when everything is "
            "right and 10 when something is not. Pieces are numbered from 0.",
    .options = check_options,
    .examples = "  spate check debian.torrent -d ~/iso\n"
                "  spate check --quiet album.torrent -d ~/music || echo damaged\n",
    .operands_least = 1,
    .operands_most = 1,
    .run = run,
};
