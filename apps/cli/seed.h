/* The subcommand spate seed. */
#ifndef CLI_SEED_H
#define CLI_SEED_H

#include "apps/cli/command.h"

extern const struct command seed_command;

#endif
