/* posix_spawnp(3) with the words of the command as they were given: nothing a torrent says becomes an
 * argument or a word of a shell, it stands in environment variables only. */
#include "apps/cli/hook.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* NAME=value in memory of its own; NULL when memory is out. */
static char *variable(const char *name, const char *value)
{
    size_t size = strlen(name) + strlen(value) + 2;
    char *text = malloc(size);
    if (text) {
        snprintf(text, size, "%s=%s", name, value);
    }
    return text;
}

/* The environment with ours in front; ours[] must live as long as it is used. */
static char **extend_environment(char *const *ours, size_t count)
{
    size_t others = 0;
    while (environ[others]) {
        others++;
    }
    char **all = calloc(count + others + 1, sizeof *all);
    if (!all) {
        return NULL;
    }
    memcpy(all, ours, count * sizeof *all);
    size_t used = count;
    for (size_t i = 0; i < others; i++) {
        bool replaced = false;
        for (size_t j = 0; j < count; j++) {
            size_t name = strcspn(ours[j], "=") + 1;
            replaced |= strncmp(environ[i], ours[j], name) == 0;
        }
        if (!replaced) {
            all[used++] = environ[i];
        }
    }
    return all;
}

/* Signals as any program expects them, nothing on stdin. */
static int prepare(posix_spawnattr_t *attributes, posix_spawn_file_actions_t *actions,
                   bool keep_stdout_clean)
{
    sigset_t none, standard;
    sigemptyset(&none);
    sigemptyset(&standard);
    sigaddset(&standard, SIGPIPE);
    sigaddset(&standard, SIGINT);
    sigaddset(&standard, SIGTERM);
    int failed = posix_spawnattr_setsigmask(attributes, &none);
    failed = failed ? failed : posix_spawnattr_setsigdefault(attributes, &standard);
    failed = failed ? failed
                    : posix_spawnattr_setflags(attributes,
                                               POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    failed =
        failed ? failed
               : posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (!failed && keep_stdout_clean) {
        failed = posix_spawn_file_actions_adddup2(actions, STDERR_FILENO, STDOUT_FILENO);
    }
    return failed;
}

static int spawn(const struct option_list *command, char **environment, bool keep_stdout_clean,
                 pid_t *pid)
{
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    int failed = posix_spawnattr_init(&attributes);
    if (failed) {
        return failed;
    }
    failed = posix_spawn_file_actions_init(&actions);
    if (!failed) {
        failed = prepare(&attributes, &actions, keep_stdout_clean);
        if (!failed) {
            failed = posix_spawnp(pid, command->items[0], &actions, &attributes,
                                  (char *const *)(uintptr_t)command->items, environment);
        }
        posix_spawn_file_actions_destroy(&actions);
    }
    posix_spawnattr_destroy(&attributes);
    return failed;
}

pid_t hook_start(const struct option_list *command, const struct hook_facts *facts)
{
    char *ours[3] = {variable("SPATE_NAME", facts->name), variable("SPATE_DIR", facts->directory),
                     variable("SPATE_INFO_HASH", facts->info_hash)};
    int failed = ENOMEM;
    pid_t pid = -1;
    if (ours[0] && ours[1] && ours[2]) {
        char **environment = extend_environment(ours, 3);
        if (environment) {
            failed = spawn(command, environment, facts->keep_stdout_clean, &pid);
            free(environment);
        }
    }
    for (size_t i = 0; i < 3; i++) {
        free(ours[i]);
    }
    return failed ? -failed : pid;
}

bool hook_has_ended(pid_t pid, int *status)
{
    int raw;
    pid_t ended = waitpid(pid, &raw, WNOHANG);
    if (ended == 0 || (ended < 0 && errno == EINTR)) {
        return false;
    }
    *status = ended < 0 ? 1 : WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
    return true;
}
