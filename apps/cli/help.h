/* Help that is printed from the tables: the overview, a subcommand, the exit codes. */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include "apps/cli/command.h"

#include <stdio.h>

void help_overview(FILE *, const struct command *const *commands);
void help_command(FILE *, const struct command *);
void help_exit_codes(FILE *);
void help_version(FILE *);

#endif
