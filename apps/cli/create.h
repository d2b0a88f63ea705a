/* The subcommand spate create. */
#ifndef CLI_CREATE_H
#define CLI_CREATE_H

#include "apps/cli/command.h"

extern const struct command create_command;

#endif
