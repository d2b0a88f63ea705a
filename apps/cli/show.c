/* spate show: what is in a torrent file. */
#include "apps/cli/show.h"

#include "apps/cli/exit_codes.h"
#include "apps/cli/listing.h"
#include "apps/cli/rows.h"

static const struct option show_options[] = {
    ROW('f', FLAG, WHAT, list, "files", NULL, "list the files, too"),
    ROW_JSON("everything in one JSON object (see docs/json.md)"),
    ROW_VERBOSE("show URLs with their passkeys"),
    ROWS_NETWORK,
    ROW(0, FLAG, NETWORK, allow_local, "allow-local", NULL, "URLs may be of the local network",
        .in_config = true),
    ROWS_GENERAL,
    ROW_END,
};

static int run(const struct options *options)
{
    struct source source;
    int code = source_open(&source, options->operands.items[0], options);
    if (code == EXIT_CODE_OK) {
        code = options->json ? listing_json(&source, NULL)
                             : listing_show(&source, options, options->list);
        source_close(&source);
    }
    return code;
}

const struct command show_command = {
    .name = "show",
    .summary = "say what is in a torrent file",
    .usage = "[OPTION]... TORRENT",
    .text = "Prints name, hashes, size, trackers and more of TORRENT: a file, an http or "
            "https URL of one, or '-' for standard input.",
    .options = show_options,
    .examples = "  spate show debian.torrent\n"
                "  spate show --files album.torrent\n"
                "  spate show --json album.torrent | jq .files\n",
    .operands_least = 1,
    .operands_most = 1,
    .run = run,
};
