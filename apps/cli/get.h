/* The subcommand spate get. */
#ifndef CLI_GET_H
#define CLI_GET_H

#include "apps/cli/command.h"

extern const struct command get_command;

#endif
