/* Options of the command line and the config file. Each subcommand has one table of rows, from which
 * parsing, help, completions and the keys of the config file follow. Syntax as getopt_long: --name VALUE,
 * --name=VALUE, -n VALUE, -nVALUE, -abc, and -- ends the options; operands may stand between them. A flag
 * may be given a word: --name=no takes back what the config file said. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Words in the order given. The array is owned, the words are the command line's or the config file's. */
struct option_list {
    const char **items; /* items[count] is NULL once there is one */
    uint32_t count, capacity;
};

/* What was asked for, of all subcommands: each table says which of the fields its rows fill. */
struct options {
    /* any */
    bool help, verbose, quiet, json, no_color, no_config, allow_local;
    const char *config;
    /* what and where */
    struct option_list operands, inputs, files, trackers, peers, web_seeds, on_complete;
    const char *directory, *name, *output, *log, *state_dir;
    bool list, dry_run, overwrite, check, follow_symlinks, sequential, no_seed, force;
    /* network */
    const char *bind, *proxy, *ca_cert, *user_agent;
    uint64_t port, max_peers, max_down, max_up;
    uint64_t allocation; /* 1 + enum spate_allocation, 0: not said */
    /* how long */
    int64_t timeout_s;         /* 0: for ever */
    int64_t seed_time_s;       /* -1: not said */
    uint64_t seed_ratio_milli; /* UINT64_MAX: not said */
    /* create */
    const char *comment;
    uint64_t piece_bytes, workers;
    bool private_torrent, no_date;
    /* The config file's text, into which words of the lists and strings above may point. */
    char *config_text;
    struct option_list owned; /* words made from others, to be freed */
};

enum option_kind {
    OPTION_FLAG,      /* bool */
    OPTION_TEXT,      /* const char * */
    OPTION_FILE,      /* const char *, the name of a file */
    OPTION_DIRECTORY, /* const char *, the name of a directory */
    OPTION_LIST,      /* struct option_list; may be given several times */
    OPTION_COMMAND,   /* struct option_list: every word up to ";" or the end */
    OPTION_BYTES,     /* uint64_t, "5M" */
    OPTION_SECONDS,   /* int64_t, "10m" */
    OPTION_NUMBER,    /* uint64_t at most `most` */
    OPTION_RATIO,     /* uint64_t in thousandths, "1.5" */
    OPTION_CHOICE,    /* uint64_t: 1 + the place in `choices` */
};

enum option_group {
    OPTION_GROUP_WHAT,
    OPTION_GROUP_WHERE,
    OPTION_GROUP_HOW,
    OPTION_GROUP_NETWORK,
    OPTION_GROUP_OUTPUT,
    OPTION_GROUP_GENERAL,
    OPTION_GROUPS,
};

struct option {
    char letter;    /* 0: none */
    bool in_config; /* the config file may set it */
    enum option_kind kind;
    enum option_group group;
    const char *name;     /* without dashes; NULL ends a table */
    const char *argument; /* what the help calls its value; NULL for a flag */
    size_t offset;        /* of its field in struct options */
    uint64_t most;        /* OPTION_NUMBER */
    const char *choices;  /* OPTION_CHOICE: words separated by '|' */
    const char *text;     /* one sentence without a full stop */
};

void options_init(struct options *);
void options_deinit(struct options *);

/* Parses argv[1..argc). False with a sentence in *text (not escaped: it may quote argv). */
bool options_parse(struct options *, const struct option *table, int argc, char *const *argv,
                   char *text, size_t size);
/* Sets one option from a text, as the config file does. False with a sentence in *text. value may be
 * NULL for a flag. Words of OPTION_COMMAND are cut apart in place. */
bool options_set(struct options *, const struct option *, char *value, char *text, size_t size);
/* The row of a name, NULL when there is none. */
const struct option *options_find(const struct option *table, const char *name);
/* Keeps word at the end of the list. False when memory is out or the list is full. */
bool option_list_add(struct option_list *, const char *word);
/* Frees the array, and the words too when they are owned. */
void option_list_free(struct option_list *, bool words);

#endif
