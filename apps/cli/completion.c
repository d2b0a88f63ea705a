/* Completion for bash, zsh and fish. Our own texts only: nothing here comes from outside. */
#include "apps/cli/completion.h"

#include <string.h>

static bool has_value(const struct option *option)
{
    return option->kind != OPTION_FLAG;
}

/* Writes text so that it can stand between single quotes; brackets too get a backslash for zsh. */
static void put_quoted(FILE *file, const char *text, const char *escaped)
{
    for (; *text; text++) {
        if (*text == '\'') {
            fputs("'\\''", file);
        } else {
            if (strchr(escaped, *text)) {
                fputc('\\', file);
            }
            fputc(*text, file);
        }
    }
}

/* The words of a choice, with blanks between them. */
static void put_choices(FILE *file, const char *choices)
{
    for (; *choices; choices++) {
        fputc(*choices == '|' ? ' ' : *choices, file);
    }
}

/* ---- bash -------------------------------------------------------------------------------------- */

static void put_bash_names(FILE *file, const struct command *const *commands)
{
    for (; *commands; commands++) {
        fprintf(file, "%s ", (*commands)->name);
    }
}

/* One arm of `case $command:$previous`. */
static void put_bash_value(FILE *file, const struct command *command, const struct option *option)
{
    fprintf(file, "    %s:--%s", command->name, option->name);
    if (option->letter) {
        fprintf(file, " | %s:-%c", command->name, option->letter);
    }
    fputs(") ", file);
    switch (option->kind) {
    case OPTION_CHOICE:
        fputs("_spate_words '", file);
        put_choices(file, option->choices);
        fputs("'", file);
        break;
    case OPTION_DIRECTORY:
        fputs("_spate_paths -d", file);
        break;
    case OPTION_FILE:
    case OPTION_LIST:
        fputs("_spate_paths -f", file);
        break;
    case OPTION_COMMAND:
        fputs("_spate_paths -c", file);
        break;
    default:
        fputs(":", file);
        break;
    }
    fputs("; return ;;\n", file);
}

static void print_bash(FILE *file, const struct command *const *commands)
{
    fputs("# Completion of spate for bash. Printed by 'spate completion bash'.\n\n"
          "_spate_words()\n{\n"
          "    mapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"${COMP_WORDS[COMP_CWORD]}\")\n}\n\n"
          "_spate_paths()\n{\n"
          "    compopt -o filenames\n"
          "    mapfile -t COMPREPLY < <(compgen \"$1\" -- \"${COMP_WORDS[COMP_CWORD]}\")\n}\n\n"
          "_spate()\n{\n"
          "    local command=${COMP_WORDS[1]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
          "    local current=${COMP_WORDS[COMP_CWORD]}\n"
          "    COMPREPLY=()\n"
          "    if [ \"$COMP_CWORD\" -le 1 ]; then\n        _spate_words '",
          file);
    put_bash_names(file, commands);
    fputs("help completion --help --version'\n        return\n    fi\n"
          "    case $command:$previous in\n    help:*) _spate_words '",
          file);
    put_bash_names(file, commands);
    fputs("exit-codes'; return ;;\n"
          "    completion:*) _spate_words 'bash zsh fish'; return ;;\n",
          file);
    for (const struct command *const *c = commands; *c; c++) {
        for (const struct option *o = (*c)->options; o && o->name; o++) {
            if (has_value(o)) {
                put_bash_value(file, *c, o);
            }
        }
    }
    fputs("    esac\n    case $current in\n    -*)\n        case $command in\n", file);
    for (const struct command *const *c = commands; *c; c++) {
        fprintf(file, "        %s) _spate_words '", (*c)->name);
        for (const struct option *o = (*c)->options; o && o->name; o++) {
            fprintf(file, "%s--%s", o == (*c)->options ? "" : " ", o->name);
        }
        fputs("' ;;\n", file);
    }
    fputs("        esac\n        ;;\n    *) _spate_paths -f ;;\n    esac\n}\n\n"
          "complete -F _spate spate\n",
          file);
}

/* ---- zsh --------------------------------------------------------------------------------------- */

static void put_zsh_value(FILE *file, const struct option *option)
{
    fputc(':', file);
    put_quoted(file, option->argument ? option->argument : option->name, ":");
    fputc(':', file);
    switch (option->kind) {
    case OPTION_CHOICE:
        fputc('(', file);
        put_choices(file, option->choices);
        fputc(')', file);
        break;
    case OPTION_DIRECTORY:
        fputs("_directories", file);
        break;
    case OPTION_FILE:
    case OPTION_LIST:
        fputs("_files", file);
        break;
    case OPTION_COMMAND:
        fputs("_command_names -e", file);
        break;
    default:
        break;
    }
}

static void put_zsh_spec(FILE *file, const struct option *option, bool letter)
{
    fputs(" \\\n            '", file);
    if (option->kind == OPTION_LIST) {
        fputc('*', file);
    }
    if (letter) {
        fprintf(file, "-%c%s", option->letter, has_value(option) ? "+" : "");
    } else {
        fprintf(file, "--%s%s", option->name, has_value(option) ? "=" : "");
    }
    fputc('[', file);
    put_quoted(file, option->text, "[]");
    fputc(']', file);
    if (has_value(option)) {
        put_zsh_value(file, option);
    }
    fputc('\'', file);
}

static void print_zsh(FILE *file, const struct command *const *commands)
{
    fputs("#compdef spate\n# Completion of spate for zsh. Printed by 'spate completion zsh'.\n\n"
          "_spate()\n{\n    local -a commands\n    local state line\n    commands=(\n",
          file);
    for (const struct command *const *c = commands; *c; c++) {
        fprintf(file, "        '%s:", (*c)->name);
        put_quoted(file, (*c)->summary, ":");
        fputs("'\n", file);
    }
    fputs("        'help:explain a command, or the exit codes'\n"
          "        'completion:print a completion script'\n    )\n"
          "    _arguments -C '(- *)--help[show help]' '(- *)--version[show the version]' \\\n"
          "        '1:command:->command' '*::argument:->argument'\n"
          "    case $state in\n    command) _describe command commands ;;\n    argument)\n"
          "        case ${words[1]} in\n",
          file);
    for (const struct command *const *c = commands; *c; c++) {
        fprintf(file, "        %s)\n            _arguments -s", (*c)->name);
        for (const struct option *o = (*c)->options; o && o->name; o++) {
            if (o->letter) {
                put_zsh_spec(file, o, true);
            }
            put_zsh_spec(file, o, false);
        }
        fputs(" \\\n            '*:file:_files'\n            ;;\n", file);
    }
    /* The file is autoloaded as the function _spate, or read by "source". */
    fputs("        help)\n"
          "            commands+=('exit-codes:what the exit codes mean')\n"
          "            _describe command commands\n"
          "            ;;\n"
          "        completion) _values shell bash zsh fish ;;\n"
          "        esac\n        ;;\n    esac\n}\n\n"
          "if [ \"${funcstack[1]}\" = _spate ]; then\n    _spate \"$@\"\n"
          "elif (( $+functions[compdef] )); then\n    compdef _spate spate\nfi\n",
          file);
}

/* ---- fish -------------------------------------------------------------------------------------- */

static void put_fish_option(FILE *file, const struct command *command, const struct option *option)
{
    fprintf(file, "complete -c spate -n '__fish_seen_subcommand_from %s' -l %s", command->name,
            option->name);
    if (option->letter) {
        fprintf(file, " -s %c", option->letter);
    }
    switch (option->kind) {
    case OPTION_FLAG:
        break;
    case OPTION_CHOICE:
        fputs(" -x -a '", file);
        put_choices(file, option->choices);
        fputc('\'', file);
        break;
    case OPTION_DIRECTORY:
        fputs(" -x -a '(__fish_complete_directories)'", file);
        break;
    case OPTION_FILE:
    case OPTION_LIST:
        fputs(" -r", file);
        break;
    case OPTION_COMMAND:
        fputs(" -x -a '(__fish_complete_command)'", file);
        break;
    default:
        fputs(" -x", file);
        break;
    }
    fputs(" -d '", file);
    for (const char *p = option->text; *p; p++) {
        if (*p == '\'' || *p == '\\') {
            fputc('\\', file);
        }
        fputc(*p, file);
    }
    fputs("'\n", file);
}

static void print_fish(FILE *file, const struct command *const *commands)
{
    fputs("# Completion of spate for fish. Printed by 'spate completion fish'.\n\n", file);
    for (const struct command *const *c = commands; *c; c++) {
        fprintf(file, "complete -c spate -n __fish_use_subcommand -f -a %s -d '", (*c)->name);
        put_quoted(file, (*c)->summary, "");
        fputs("'\n", file);
    }
    fputs("complete -c spate -n __fish_use_subcommand -f -a help -d 'explain a command, or the "
          "exit codes'\n"
          "complete -c spate -n __fish_use_subcommand -f -a completion -d 'print a completion "
          "script'\n"
          "complete -c spate -n __fish_use_subcommand -f -l help -d 'show help'\n"
          "complete -c spate -n __fish_use_subcommand -f -l version -d 'show the version'\n"
          "complete -c spate -n '__fish_seen_subcommand_from completion' -f -a 'bash zsh fish'\n"
          "complete -c spate -n '__fish_seen_subcommand_from help' -f -a '",
          file);
    put_bash_names(file, commands);
    fputs("exit-codes'\n", file);
    for (const struct command *const *c = commands; *c; c++) {
        for (const struct option *o = (*c)->options; o && o->name; o++) {
            put_fish_option(file, *c, o);
        }
    }
}

bool completion_print(FILE *file, const char *shell, const struct command *const *commands)
{
    if (strcmp(shell, "bash") == 0) {
        print_bash(file, commands);
    } else if (strcmp(shell, "zsh") == 0) {
        print_zsh(file, commands);
    } else if (strcmp(shell, "fish") == 0) {
        print_fish(file, commands);
    } else {
        return false;
    }
    return true;
}
