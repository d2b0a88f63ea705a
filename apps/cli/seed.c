/* spate seed: gives finished files to others, and never writes to them. */
#include "apps/cli/seed.h"

#include "apps/cli/exit_codes.h"
#include "apps/cli/message.h"
#include "apps/cli/network.h"
#include "apps/cli/rows.h"
#include "apps/cli/transfer.h"

#include <stdlib.h>

static const struct option seed_options[] = {
    ROW('d', DIRECTORY, WHERE, directory, "dir", "DIR",
        "the directory that holds the files (default: the current one)"),
    ROW('O', TEXT, WHERE, name, "name", "NAME",
        "the file or top directory is called NAME instead of what the torrent says"),
    ROW(0, FLAG, WHERE, follow_symlinks, "follow-symlinks", NULL,
        "files below DIR may be symbolic links"),
    ROWS_SWARM,
    ROWS_NETWORK,
    ROW(0, FLAG, HOW, check, "check", NULL, "hash the files even if an earlier check is on record"),
    ROW(0, RATIO, HOW, seed_ratio_milli, "seed-ratio", "RATIO",
        "stop when so much was sent per byte (default: seed until stopped)", .in_config = true),
    ROW(0, SECONDS, HOW, seed_time_s, "seed-time", "TIME", "stop after so long", .in_config = true),
    ROW_JSON("one event a line in JSON instead of text (see docs/json.md)"),
    ROW_LOG,
    ROW_QUIET,
    ROW_VERBOSE("say more, and show URLs with their passkeys"),
    ROW_NO_COLOR,
    ROWS_GENERAL,
    ROW_END,
};

/* What cannot be read does not keep the others from being given, but is the exit code. */
static int seed_sources(const struct options *options)
{
    struct transfer transfer;
    uint32_t flags = SPATE_ADD_SEED_ONLY | (options->check ? SPATE_ADD_CHECK : 0u) |
                     (options->follow_symlinks ? SPATE_ADD_FOLLOW_SYMLINKS : 0u);
    uint32_t opened = 0;
    struct source *sources = calloc(options->operands.count, sizeof *sources);
    int first_error = sources ? EXIT_CODE_OK : EXIT_CODE_FAILED;
    for (uint32_t i = 0; sources && i < options->operands.count; i++) {
        int failed = source_open(&sources[opened], options->operands.items[i], options);
        opened += failed == EXIT_CODE_OK;
        first_error = first_error == EXIT_CODE_OK ? failed : first_error;
    }
    int code = first_error;
    if (opened > 0) {
        code = transfer_init(&transfer, options, true, opened);
        if (code == EXIT_CODE_OK) {
            transfer_remember(&transfer, first_error);
            for (uint32_t i = 0; i < opened; i++) {
                transfer_add(&transfer, &sources[i], flags, NULL, 0);
            }
            code = transfer_run(&transfer);
        }
        transfer_deinit(&transfer);
    }
    for (uint32_t i = 0; i < opened; i++) {
        source_close(&sources[i]);
    }
    free(sources);
    return code;
}

static int run(const struct options *given)
{
    struct options options = *given;
    struct option_list peers = {0}, owned = {0};
    char text[512];
    int code = EXIT_CODE_USAGE;
    if (given->operands.count > 1 && given->name) {
        message_error("seed: --name is for a single torrent");
    } else if (!network_resolve_peers(given, &peers, &owned, text, sizeof text)) {
        message_error("seed: %s", text);
    } else if ((code = network_check(given, text, sizeof text)) != EXIT_CODE_OK) {
        message_error("seed: %s", text);
    } else if ((code = transfer_check_place(given, true)) == EXIT_CODE_OK) {
        options.peers = peers;
        code = seed_sources(&options);
    }
    option_list_free(&peers, false);
    option_list_free(&owned, true);
    return code;
}

const struct command seed_command = {
    .name = "seed",
    .summary = "give finished files to others",
    .usage = "[OPTION]... TORRENT... -d DIR",
    .text = "Gives the files of each TORRENT to others until Ctrl-C. What an earlier run "
            "verified is trusted; otherwise the files are checked first. Nothing is "
            "written to them: data that is missing or wrong is an error.",
    .options = seed_options,
    .examples = "  spate seed debian.torrent -d ~/iso\n"
                "  spate seed *.torrent -d /srv/files --max-up 10M --port 6881\n"
                "  spate seed album.torrent -d ~/music --seed-ratio 2\n",
    .operands_least = 1,
    .operands_most = UINT32_MAX,
    .run = run,
};
