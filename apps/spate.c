/* spate: one program, a table of subcommands. */
#include "apps/cli/check.h"
#include "apps/cli/command.h"
#include "apps/cli/completion.h"
#include "apps/cli/create.h"
#include "apps/cli/exit_codes.h"
#include "apps/cli/get.h"
#include "apps/cli/help.h"
#include "apps/cli/hint.h"
#include "apps/cli/magnet.h"
#include "apps/cli/message.h"
#include "apps/cli/rows.h"
#include "apps/cli/scrape.h"
#include "apps/cli/seed.h"
#include "apps/cli/show.h"
#ifdef SPATE_HAS_TRACKER
#include "apps/tracker/tracker_main.h"
#endif

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifdef SPATE_HAS_TRACKER
/* The tracker parses its own arguments; completions are made from these rows, and a test compares them
 * with its help. */
static const struct option tracker_options[] = {
    {.kind = OPTION_TEXT, .name = "udp", .argument = "HOST:PORT", .text = "answer UDP there"},
    {.kind = OPTION_TEXT, .name = "http", .argument = "HOST:PORT", .text = "answer HTTP there"},
    {.kind = OPTION_TEXT, .name = "interval", .argument = "TIME", .text = "between announces"},
    {.kind = OPTION_TEXT, .name = "max-swarms", .argument = "N", .text = "torrents kept at most"},
    {.kind = OPTION_TEXT, .name = "user", .argument = "NAME", .text = "become this user"},
    {.kind = OPTION_FLAG, .name = "quiet", .text = "print nothing but errors"},
    {.kind = OPTION_FLAG, .name = "help", .text = "print the help"},
    ROW_END,
};

static int run_tracker(int argc, char **argv)
{
    char name[] = "spate tracker"; /* stands before its messages */
    argv[0] = name;
    return tracker_main(argc, argv);
}

static const struct command tracker_command = {
    .name = "tracker",
    .summary = "run a tracker",
    .usage = "[OPTION]...",
    .options = tracker_options,
    .main = run_tracker,
};
#endif

static const struct command *const commands[] = {
    &get_command,
    &seed_command,
    &create_command,
    &show_command,
    &check_command,
    &magnet_command,
    &scrape_command,
#ifdef SPATE_HAS_TRACKER
    &tracker_command,
#endif
    NULL,
};

static const struct command *find(const char *name)
{
    for (const struct command *const *c = commands; *c; c++) {
        if (strcmp((*c)->name, name) == 0) {
            return *c;
        }
    }
    return NULL;
}

/* What other programs of this kind take without a command. */
static bool is_source(const char *name)
{
    size_t length = strlen(name), ending = strlen(".torrent");
    return (length > ending && strcmp(name + length - ending, ".torrent") == 0) ||
           strstr(name, "://") != NULL;
}

static int refuse(const char *name)
{
    struct hint hint;
    if (is_source(name)) {
        message_error("'%s' is not a command; 'spate get' downloads it", name);
        return EXIT_CODE_USAGE;
    }
    hint_init(&hint, name);
    for (const struct command *const *c = commands; *c; c++) {
        hint_offer(&hint, (*c)->name);
    }
    hint_offer(&hint, "help");
    hint_offer(&hint, "completion");
    message_error("unknown %s '%s'%s%s%s", name[0] == '-' ? "option" : "command", name,
                  hint.nearest ? "; did you mean '" : "", hint.nearest ? hint.nearest : "",
                  hint.nearest ? "'?" : "");
    fputs("Try 'spate help'.\n", stderr);
    return EXIT_CODE_USAGE;
}

static int help(int argc, char **argv)
{
    if (argc < 2) {
        help_overview(stdout, commands);
    } else if (strcmp(argv[1], "exit-codes") == 0) {
        help_exit_codes(stdout);
    } else {
        const struct command *command = find(argv[1]);
        if (!command) {
            return refuse(argv[1]);
        }
        if (!command->run) {
            char option[] = "--help";
            char *arguments[] = {argv[1], option, NULL};
            return command->main(2, arguments);
        }
        help_command(stdout, command);
    }
    return EXIT_CODE_OK;
}

static int completion(int argc, char **argv)
{
    if (argc != 2 || !completion_print(stdout, argv[1], commands)) {
        message_error("completion: say for which shell: bash, zsh or fish");
        return EXIT_CODE_USAGE;
    }
    return EXIT_CODE_OK;
}

static int dispatch(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    if (argc < 2) {
        help_overview(stderr, commands);
        return EXIT_CODE_USAGE;
    }
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        return help(argc - 1, argv + 1);
    }
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        help_version(stdout);
        return EXIT_CODE_OK;
    }
    if (strcmp(name, "completion") == 0) {
        return completion(argc - 1, argv + 1);
    }
    const struct command *command = find(name);
    return command ? command_run(command, commands, argc - 1, argv + 1) : refuse(name);
}

/* A number of a standard stream that was closed would be given to the next file or socket, and what is meant for
 * the stream would end up there. Each gets one that fails as a closed one does. */
static bool occupy_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 &&
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd) {
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    if (!occupy_standard_streams()) {
        return EXIT_CODE_FAILED;
    }
    int code = dispatch(argc, argv);
    if (fflush(stdout) != 0 && code == EXIT_CODE_OK) {
        message_error("standard output: cannot be written");
        code = EXIT_CODE_DISK;
    }
    return code;
}
