/* Help from the tables of subcommands and options, 80 columns wide. */
#include "apps/cli/help.h"

#include "apps/cli/exit_codes.h"
#include "spate.h"

#include <string.h>

enum { HELP_COLUMNS = 80, HELP_INDENT = 28 };

static const char *const group_names[OPTION_GROUPS] = {
    [OPTION_GROUP_WHAT] = "What",     [OPTION_GROUP_WHERE] = "Where",
    [OPTION_GROUP_HOW] = "How",       [OPTION_GROUP_NETWORK] = "Network",
    [OPTION_GROUP_OUTPUT] = "Output", [OPTION_GROUP_GENERAL] = "General",
};

/* Breaks the text at blanks; the first line begins at column `at`, all others at `indent`. */
static void put_wrapped(FILE *file, const char *text, int at, int indent)
{
    if (at > indent) {
        fputc('\n', file);
        at = 0;
    }
    fprintf(file, "%*s", indent - at, "");
    for (int column = indent; *text;) {
        int length = (int)strcspn(text, " ");
        if (column > indent && column + 1 + length > HELP_COLUMNS) {
            fprintf(file, "\n%*s", indent, "");
            column = indent;
        } else if (column > indent) {
            fputc(' ', file);
            column++;
        }
        fprintf(file, "%.*s", length, text);
        column += length;
        text += length;
        text += strspn(text, " ");
    }
    fputc('\n', file);
}

static void put_option(FILE *file, const struct option *option)
{
    int at = option->letter ? fprintf(file, "  -%c, --%s", option->letter, option->name)
                            : fprintf(file, "      --%s", option->name);
    if (option->kind == OPTION_CHOICE) {
        at += fprintf(file, " %s", option->choices);
    } else if (option->argument) {
        at += fprintf(file, " %s", option->argument);
    }
    put_wrapped(file, option->text, at < HELP_INDENT - 1 ? at : HELP_INDENT + 1, HELP_INDENT);
}

void help_command(FILE *file, const struct command *command)
{
    fprintf(file, "Usage: spate %s %s\n\n", command->name, command->usage);
    put_wrapped(file, command->text, 0, 0);
    for (enum option_group group = 0; group < OPTION_GROUPS; group++) {
        bool first = true;
        for (const struct option *o = command->options; o && o->name; o++) {
            if (o->group == group) {
                if (first) {
                    fprintf(file, "\n%s:\n", group_names[group]);
                }
                first = false;
                put_option(file, o);
            }
        }
    }
    if (command->examples) {
        fprintf(file, "\nExamples:\n%s", command->examples);
    }
}

void help_overview(FILE *file, const struct command *const *commands)
{
    fputs("spate downloads, seeds, creates and checks BitTorrent files.\n\n"
          "Usage: spate COMMAND [OPTION]... [ARGUMENT]...\n\nCommands:\n",
          file);
    for (; *commands; commands++) {
        fprintf(file, "  %-12s%s\n", (*commands)->name, (*commands)->summary);
    }
    fputs("  help        explain a command, or the exit codes\n\n"
          "Examples:\n"
          "  spate get debian.torrent\n"
          "  spate get -o ~/iso --max-down 5M https://example.org/debian.torrent\n"
          "  spate seed debian.torrent -d ~/iso\n\n"
          "'spate help COMMAND' (or 'spate COMMAND --help') explains a command,\n"
          "'spate help exit-codes' lists the exit codes, 'spate --version' says what this\n"
          "build can do. The manual: man spate.\n",
          file);
}

void help_exit_codes(FILE *file)
{
    int code;
    for (unsigned i = 0; (code = exit_code_at(i)) >= 0; i++) {
        fprintf(file, "%3d  %-12s %s\n", code, exit_code_name(code), exit_code_text(code));
    }
}

void help_version(FILE *file)
{
    fprintf(file, "spate %s\nfeatures: %s\n", spate_version(), spate_features());
}
