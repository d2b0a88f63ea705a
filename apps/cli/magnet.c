/* spate magnet: the magnet link (BEP 9) of a torrent file. */
#include "apps/cli/magnet.h"

#include "apps/cli/exit_codes.h"
#include "apps/cli/message.h"
#include "apps/cli/rows.h"
#include "apps/cli/source.h"

#include <stdlib.h>

static const struct option magnet_options[] = {
    ROWS_NETWORK,
    ROW(0, FLAG, NETWORK, allow_local, "allow-local", NULL, "URLs may be of the local network",
        .in_config = true),
    ROWS_GENERAL,
    ROW_END,
};

static int print(const spate_metainfo *metainfo)
{
    int length = spate_metainfo_magnet(metainfo, NULL, 0);
    char *link = length < 0 ? NULL : malloc((size_t)length + 1);
    if (!link || spate_metainfo_magnet(metainfo, link, (size_t)length + 1) != length) {
        message_error("%s", length < 0 ? spate_strerror(length) : "out of memory");
        free(link);
        return length < 0 ? exit_code_from_error(length) : EXIT_CODE_FAILED;
    }
    printable_put(stdout, link);
    fputc('\n', stdout);
    free(link);
    return fflush(stdout) == 0 ? EXIT_CODE_OK : EXIT_CODE_DISK;
}

static int run(const struct options *options)
{
    struct source source;
    int code = source_open(&source, options->operands.items[0], options);
    if (code == EXIT_CODE_OK) {
        code = print(source.metainfo);
        source_close(&source);
    }
    return code;
}

const struct command magnet_command = {
    .name = "magnet",
    .summary = "print the magnet link of a torrent file",
    .usage = "[OPTION]... TORRENT",
    .text = "Prints a magnet link with the hash, the name and the trackers of TORRENT: a "
            "file, an http or https URL of one, or '-' for standard input. Passkeys in "
            "trackers are part of it.",
    .options = magnet_options,
    .examples = "  spate magnet debian.torrent\n",
    .operands_least = 1,
    .operands_most = 1,
    .run = run,
};
