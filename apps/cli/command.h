/* A subcommand of spate: its name, its words for the help, its options and what it does. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include "apps/cli/options.h"

struct command {
    const char *name;
    const char *summary;          /* one line of the overview */
    const char *usage;            /* what follows "spate NAME" in the synopsis */
    const char *text;             /* a paragraph about it, wrapped by the help */
    const struct option *options; /* ended by a row without a name */
    const char *examples;         /* lines, each ending with a line feed */
    uint32_t operands_least, operands_most;
    int (*run)(
        const struct options *); /* returns an exit code; NULL: it parses its own arguments */
    int (*main)(int argc, char **argv); /* where run is NULL */
};

/* Reads config file and command line as the command's table says, answers --help, and runs it.
 * commands is the whole table, ended by NULL: a key of the config file that another subcommand knows is
 * no error. Returns an exit code. */
int command_run(const struct command *, const struct command *const *commands, int argc,
                char **argv);

#endif
