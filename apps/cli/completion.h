/* Completion scripts for shells, made from the tables of subcommands and options. */
#ifndef CLI_COMPLETION_H
#define CLI_COMPLETION_H

#include "apps/cli/command.h"

#include <stdio.h>

/* shell: "bash", "zsh" or "fish". False when it is none of them. */
bool completion_print(FILE *, const char *shell, const struct command *const *commands);

#endif
