/* The subcommand spate scrape. */
#ifndef CLI_SCRAPE_H
#define CLI_SCRAPE_H

#include "apps/cli/command.h"

extern const struct command scrape_command;

#endif
