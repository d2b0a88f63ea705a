/* spate get: downloads torrents, verifies them, and exits 0 only when every wanted byte is safe. */
#include "apps/cli/get.h"

#include "apps/cli/exit_codes.h"
#include "apps/cli/listing.h"
#include "apps/cli/message.h"
#include "apps/cli/network.h"
#include "apps/cli/rows.h"
#include "apps/cli/selection.h"
#include "apps/cli/transfer.h"

#include <stdlib.h>

static const struct option get_options[] = {
    ROW('i', LIST, WHAT, inputs, "input", "FILE",
        "read more sources from FILE, one a line ('-': standard input)"),
    ROW('f', LIST, WHAT, files, "files", "LIST",
        "only these files: numbers as --list shows them, ranges or patterns, e.g. 1,3-5 or "
        "'*.iso'"),
    ROW('l', FLAG, WHAT, list, "list", NULL, "list the files of the torrent and stop"),
    ROW('n', FLAG, WHAT, dry_run, "dry-run", NULL, "say what would be done and stop"),
    ROW('o', DIRECTORY, WHERE, directory, "output-dir", "DIR",
        "put the files there (default: the current directory)", .in_config = true),
    ROW('O', TEXT, WHERE, name, "output-name", "NAME",
        "call the file or the top directory NAME instead of what the torrent says"),
    ROW(0, FLAG, WHERE, overwrite, "overwrite", NULL,
        "replace files in the way that are not part of the torrent"),
    ROW(0, CHOICE, WHERE, allocation, "file-allocation", "HOW",
        "how space is taken: final length at once, blocks as they are written (sparse, the "
        "default); "
        "all as it is written (none); all before the first byte (full)",
        .choices = "sparse|none|full", .in_config = true),
    ROWS_SWARM,
    ROWS_NETWORK,
    ROW(0, FLAG, HOW, sequential, "sequential", NULL, "pieces in the order of the files",
        .in_config = true),
    ROW(0, FLAG, HOW, check, "check", NULL, "hash what is on the disk whatever the record says"),
    ROW(0, SECONDS, HOW, timeout_s, "timeout", "TIME",
        "give up when no verified byte came for so long, e.g. 10m", .in_config = true),
    ROW(0, RATIO, HOW, seed_ratio_milli, "seed-ratio", "RATIO",
        "when complete, go on seeding until so much was sent per byte", .in_config = true),
    ROW(0, SECONDS, HOW, seed_time_s, "seed-time", "TIME",
        "when complete, go on seeding for so long; with --seed-ratio, what comes first",
        .in_config = true),
    ROW(0, FLAG, HOW, no_seed, "no-seed", NULL,
        "exit when complete, whatever the config file says (the default)"),
    ROW(0, COMMAND, HOW, on_complete, "on-complete", "CMD...",
        "when a torrent is complete run CMD with all words that follow, up to ';' or the end; no "
        "shell; SPATE_NAME, SPATE_DIR and SPATE_INFO_HASH are in its environment",
        .in_config = true),
    ROW_JSON("one event a line in JSON instead of text (see docs/json.md)"),
    ROW_LOG,
    ROW_QUIET,
    ROW_VERBOSE("say more, and show URLs with their passkeys"),
    ROW_NO_COLOR,
    ROWS_GENERAL,
    ROW_END,
};

struct wish {
    struct source source;
    uint8_t *wanted; /* one byte a file; NULL: all of them */
};

static void wish_close(struct wish *wish)
{
    source_close(&wish->source);
    free(wish->wanted);
    wish->wanted = NULL;
}

/* Fills wanted from --files. */
static int select_files(struct wish *wish, const struct options *options)
{
    char text[512];
    uint32_t count = wish->source.info.file_count;
    if (options->files.count == 0) {
        return EXIT_CODE_OK;
    }
    wish->wanted = calloc(count + 1, 1);
    if (!wish->wanted) {
        message_error("out of memory");
        return EXIT_CODE_FAILED;
    }
    if (!selection_make(wish->source.metainfo, &options->files, wish->wanted, count, text,
                        sizeof text)) {
        message_error("%s", text);
        return EXIT_CODE_USAGE;
    }
    return EXIT_CODE_OK;
}

static int open_wish(struct wish *wish, const char *name, const struct options *options)
{
    int code = source_open(&wish->source, name, options);
    if (code == EXIT_CODE_OK) {
        code = select_files(wish, options);
    }
    if (code == EXIT_CODE_OK && options->list) {
        code = listing_files(&wish->source, options, wish->wanted);
    } else if (code == EXIT_CODE_OK && options->dry_run) {
        code = listing_plan(&wish->source, options, wish->wanted);
    }
    if (code != EXIT_CODE_OK) {
        wish_close(wish);
    }
    return code;
}

static uint32_t add_flags(const struct options *options)
{
    return (options->sequential ? SPATE_ADD_SEQUENTIAL : 0u) |
           (options->overwrite ? SPATE_ADD_OVERWRITE : 0u) |
           (options->check ? SPATE_ADD_CHECK : 0u);
}

/* first_error: what went wrong while the sources were opened; the others are fetched nevertheless. */
static int download(const struct wish *wishes, unsigned count, const struct options *options,
                    int first_error)
{
    struct transfer transfer;
    int code = transfer_init(&transfer, options, false, count);
    if (code == EXIT_CODE_OK) {
        transfer_remember(&transfer, first_error);
        for (unsigned i = 0; i < count; i++) {
            const struct wish *wish = &wishes[i];
            transfer_add(&transfer, &wish->source, add_flags(options), wish->wanted,
                         wish->wanted ? wish->source.info.file_count : 0);
        }
        code = transfer_run(&transfer);
    }
    transfer_deinit(&transfer);
    return code;
}

/* Opens every source before the session starts, so that a misspelt name is said at once. */
static int get_sources(const struct options *options, const struct option_list *names)
{
    struct wish *wishes = calloc(names->count, sizeof *wishes);
    if (!wishes) {
        message_error("out of memory");
        return EXIT_CODE_FAILED;
    }
    int code = EXIT_CODE_OK;
    unsigned opened = 0;
    for (uint32_t i = 0; i < names->count; i++) {
        int failed = open_wish(&wishes[opened], names->items[i], options);
        opened += failed == EXIT_CODE_OK;
        code = code == EXIT_CODE_OK ? failed : code;
    }
    if (opened > 0 && !options->list && !options->dry_run) {
        code = download(wishes, opened, options, code);
    }
    for (unsigned i = 0; i < opened; i++) {
        wish_close(&wishes[i]);
    }
    free(wishes);
    return code;
}

static int run(const struct options *given)
{
    struct options options = *given; /* with sources and peers as they are used */
    struct option_list names = {0}, peers = {0}, owned = {0};
    char text[512];
    int code = EXIT_CODE_OK;
    for (uint32_t i = 0; i < given->operands.count; i++) {
        option_list_add(&names, given->operands.items[i]);
    }
    code = source_read_lists(given, &names, &owned);
    if (code == EXIT_CODE_OK && names.count == 0) {
        message_error("get: there is nothing to get");
        code = EXIT_CODE_USAGE;
    } else if (code == EXIT_CODE_OK && names.count > 1 && (given->name || given->files.count > 0)) {
        message_error("get: --output-name and --files are for a single source");
        code = EXIT_CODE_USAGE;
    } else if (code == EXIT_CODE_OK &&
               !network_resolve_peers(given, &peers, &owned, text, sizeof text)) {
        message_error("get: %s", text);
        code = EXIT_CODE_USAGE;
    }
    if (code == EXIT_CODE_OK && (code = network_check(given, text, sizeof text)) != EXIT_CODE_OK) {
        message_error("get: %s", text);
    }
    code = code == EXIT_CODE_OK ? transfer_check_place(given, false) : code;
    if (code == EXIT_CODE_OK) {
        options.peers = peers;
        code = get_sources(&options, &names);
    }
    option_list_free(&names, false);
    option_list_free(&peers, false);
    option_list_free(&owned, true);
    return code;
}

const struct command get_command = {
    .name = "get",
    .summary = "download torrents and verify them",
    .usage = "[OPTION]... SOURCE...",
    .text = "Downloads what each SOURCE describes: a .torrent file, an http or https URL "
            "of one, or '-' for standard input. It continues where it stopped, verifies "
            "every piece, and exits 0 only when every wanted byte is verified and handed "
            "to the disk's sync. Ctrl-C stops cleanly, a second one at once.",
    .options = get_options,
    .examples = "  spate get debian.torrent\n"
                "  spate get -o ~/iso --max-down 5M https://example.org/debian.torrent\n"
                "  spate get --files '*.flac,1' --sequential album.torrent\n"
                "  spate get --seed-ratio 1 --seed-time 2h debian.torrent\n"
                "  spate get debian.torrent --on-complete notify-send done\n",
    .operands_most = UINT32_MAX,
    .operands_least = 1,
    .run = run,
};
