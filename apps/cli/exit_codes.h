/* The one table of exit codes: name, number, name for people, what it means. `spate help exit-codes` prints it, and a test
 * compares it with the manual. The numbers are part of the program's interface. */
#ifndef CLI_EXIT_CODES_H
#define CLI_EXIT_CODES_H

#define EXIT_CODE_MAP(X)                                                                           \
    X(OK, 0, "ok",                                                                                 \
      "all that was asked for is done; after get: every wanted byte is verified and synced")       \
    X(FAILED, 1, "failed", "something failed that has no code of its own")                         \
    X(USAGE, 2, "usage", "the command line or the config file was not understood")                 \
    X(SOURCE, 3, "source", "a torrent could not be read, fetched or understood")                   \
    X(TIMEOUT, 4, "timeout", "no verified byte arrived for the time given with --timeout")         \
    X(NETWORK, 5, "network", "the network or a tracker failed, or the port could not be had")      \
    X(DISK, 6, "disk", "a file or directory could not be read or written")                         \
    X(NO_SPACE, 7, "no-space", "the disk is full; what was verified is kept")                      \
    X(IN_THE_WAY, 8, "in-the-way", "a file that is not part of the torrent is in the way")         \
    X(LOCKED, 9, "locked", "another spate process is using the same files")                        \
    X(MISMATCH, 10, "mismatch", "data is missing or does not match its hashes")                    \
    X(COMMAND, 11, "command", "the command of --on-complete failed")                               \
    X(INTERRUPTED, 130, "interrupted", "stopped by Ctrl-C or a signal before it was done")

enum exit_code {
#define EXIT_CODE_ENUM(name, number, word, text) EXIT_CODE_##name = number,
    EXIT_CODE_MAP(EXIT_CODE_ENUM)
#undef EXIT_CODE_ENUM
};

/* The word for a code, e.g. "no-space"; "?" when unknown. */
const char *exit_code_name(int code);
/* What a code means; "" when unknown. */
const char *exit_code_text(int code);
/* The exit code for a failure SPATE_E... of the library; EXIT_CODE_OK for none. */
int exit_code_from_error(int error);
/* The code in the index-th row of the table; -1 past the end. */
int exit_code_at(unsigned index);

#endif
