/* The subcommand spate show. */
#ifndef CLI_SHOW_H
#define CLI_SHOW_H

#include "apps/cli/command.h"

extern const struct command show_command;

#endif
