/* From a command line to a running subcommand: config file, options, operands, --help. */
#include "apps/cli/command.h"

#include "apps/cli/config.h"
#include "apps/cli/exit_codes.h"
#include "apps/cli/help.h"
#include "apps/cli/message.h"

#include <stdio.h>
#include <string.h>

static int refuse(const struct command *command, const char *text)
{
    message_error("%s: %s", command->name, text);
    fprintf(stderr, "Try 'spate help %s'.\n", command->name);
    return EXIT_CODE_USAGE;
}

static int check_operands(const struct command *command, const struct options *options)
{
    char text[128];
    if (options->operands.count < command->operands_least && options->inputs.count == 0) {
        snprintf(text, sizeof text, "something is missing: spate %s %.80s", command->name,
                 command->usage);
        return refuse(command, text);
    }
    if (options->operands.count > command->operands_most) {
        snprintf(text, sizeof text, "one thing at a time, not '%.60s' as well",
                 options->operands.items[command->operands_most]);
        return refuse(command, text);
    }
    return EXIT_CODE_OK;
}

static int run_parsed(const struct command *command, const struct options *options)
{
    if (options->help) {
        help_command(stdout, command);
        return EXIT_CODE_OK;
    }
    int code = check_operands(command, options);
    return code == EXIT_CODE_OK ? command->run(options) : code;
}

int command_run(const struct command *command, const struct command *const *commands, int argc,
                char **argv)
{
    if (!command->run) {
        return command->main(argc, argv);
    }
    /* The command line is read twice: once to learn which config file counts, and again over what the
     * file said. */
    char text[512];
    struct options first, options;
    options_init(&first);
    options_init(&options);
    int code = EXIT_CODE_OK;
    if (!options_parse(&first, command->options, argc, argv, text, sizeof text)) {
        code = refuse(command, text);
    } else {
        options.config = first.config;
        if ((!first.no_config && !first.help &&
             !config_read(&options, command, commands, text, sizeof text)) ||
            !options_parse(&options, command->options, argc, argv, text, sizeof text)) {
            code = refuse(command, text);
        } else {
            code = run_parsed(command, &options);
        }
    }
    options_deinit(&first);
    options_deinit(&options);
    return code;
}
