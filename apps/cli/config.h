/* The config file: lines of "option = value" with the names of long options. It is read and never
 * written. */
#ifndef CLI_CONFIG_H
#define CLI_CONFIG_H

#include "apps/cli/command.h"

/* Applies the lines of text, which must outlive options and is cut apart in place. Keys that are no
 * option of `command` but of another in `commands` are passed over. name is the file's, for messages.
 * False with a sentence in *message. */
bool config_apply(struct options *, const struct command *command,
                  const struct command *const *commands, char *text, const char *name,
                  char *message, size_t size);

/* Finds, reads and applies the config file: --config FILE, or else the user's, which may be missing. */
bool config_read(struct options *, const struct command *command,
                 const struct command *const *commands, char *message, size_t size);

/* Path of a file of ours below the user's directories: $VARIABLE/spate/name, or else
 * $HOME/fallback/spate/name; the name may be empty. False when neither is known or it does not fit. */
bool config_user_path(const char *variable, const char *fallback, const char *name, char *out,
                      size_t size);

#endif
