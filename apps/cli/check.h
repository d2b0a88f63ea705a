/* The subcommand spate check. */
#ifndef CLI_CHECK_H
#define CLI_CHECK_H

#include "apps/cli/command.h"

extern const struct command check_command;

#endif
