/* The command of --on-complete: one process for each torrent that is complete, started without a shell. */
#ifndef CLI_HOOK_H
#define CLI_HOOK_H

#include "apps/cli/options.h"

#include <sys/types.h>

struct hook_facts {
    const char *name, *directory, *info_hash; /* SPATE_NAME, SPATE_DIR, SPATE_INFO_HASH */
    bool keep_stdout_clean; /* its output goes to stderr, since stdout carries JSON */
};

/* Starts the command; its process id, or a negative errno value. */
pid_t hook_start(const struct option_list *command, const struct hook_facts *);
/* True when the process has ended; *status is its exit status, 128 + the signal that killed it. */
bool hook_has_ended(pid_t pid, int *status);

#endif
