/* Exit codes: the table's texts, and which failure of the library ends the program with which code. */
#include "apps/cli/exit_codes.h"

#include "spate.h"

static const struct row {
    int code;
    const char *word, *text;
} rows[] = {
#define EXIT_CODE_ROW(name, number, word, text) {number, word, text},
    EXIT_CODE_MAP(EXIT_CODE_ROW)
#undef EXIT_CODE_ROW
};

enum { ROWS = sizeof rows / sizeof *rows };

int exit_code_at(unsigned index)
{
    return index < ROWS ? rows[index].code : -1;
}

const char *exit_code_name(int code)
{
    for (unsigned i = 0; i < ROWS; i++) {
        if (rows[i].code == code) {
            return rows[i].word;
        }
    }
    return "?";
}

const char *exit_code_text(int code)
{
    for (unsigned i = 0; i < ROWS; i++) {
        if (rows[i].code == code) {
            return rows[i].text;
        }
    }
    return "";
}

int exit_code_from_error(int error)
{
    switch (error) {
    case SPATE_OK:
        return EXIT_CODE_OK;
    case SPATE_EBENCODE:
    case SPATE_EMETAINFO:
    case SPATE_EMAGNET:
    case SPATE_EURL:
    case SPATE_EV2ONLY:
        return EXIT_CODE_SOURCE;
    case SPATE_ECANCELED:
        return EXIT_CODE_INTERRUPTED;
    case SPATE_EREFUSED:
    case SPATE_ERESET:
    case SPATE_EUNREACHABLE:
    case SPATE_EADDRINUSE:
    case SPATE_EADDRNOTAVAIL:
    case SPATE_EHOST:
    case SPATE_EEOF:
    case SPATE_ENET:
    case SPATE_EHTTP:
    case SPATE_ETLS:
    case SPATE_ETRACKER:
    case SPATE_EBLOCKED:
    case SPATE_ETIMEDOUT:
    case SPATE_EPROTO:
        return EXIT_CODE_NETWORK;
    case SPATE_EROFS:
    case SPATE_EACCES:
    case SPATE_EIO:
    case SPATE_ENAMETOOLONG:
    case SPATE_ENOENT:
    case SPATE_ENOTDIR:
    case SPATE_EISDIR:
    case SPATE_ESYMLINK:
    case SPATE_ESTATE:
        return EXIT_CODE_DISK;
    case SPATE_ENOSPC:
        return EXIT_CODE_NO_SPACE;
    case SPATE_EFOREIGN:
        return EXIT_CODE_IN_THE_WAY;
    case SPATE_ELOCKED:
        return EXIT_CODE_LOCKED;
    case SPATE_ESHORT:
    case SPATE_EMISMATCH:
        return EXIT_CODE_MISMATCH;
    default:
        return EXIT_CODE_FAILED;
    }
}
