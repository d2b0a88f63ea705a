/* The subcommand spate magnet. */
#ifndef CLI_MAGNET_H
#define CLI_MAGNET_H

#include "apps/cli/command.h"

extern const struct command magnet_command;

#endif
