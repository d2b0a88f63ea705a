/* spate create: makes a torrent file (v1, BEP 3) of a file or a directory. */
#include "apps/cli/create.h"

#include "apps/cli/exit_codes.h"
#include "apps/cli/message.h"
#include "apps/cli/progress.h"
#include "apps/cli/record.h"
#include "apps/cli/rows.h"
#include "base/text.h"
#include "spate.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CREATE_PATH_BYTES = 4096, CREATE_ATTEMPTS = 100 };

static const struct option create_options[] = {
    ROW('o', FILE, WHERE, output, "output", "FILE",
        "the torrent file to write; '-': standard output (default: NAME.torrent here)"),
    ROW(0, FLAG, WHERE, force, "force", NULL, "replace the torrent file if it exists"),
    ROW('t', LIST, WHAT, trackers, "tracker", "URL",
        "announce to this tracker; several URLs with commas between them are one tier, each "
        "further -t "
        "is the next tier"),
    ROW('w', LIST, WHAT, web_seeds, "web-seed", "URL",
        "the files can be had there over HTTP, too (BEP 19); may be repeated"),
    ROW('p', FLAG, WHAT, private_torrent, "private", NULL,
        "only peers from its trackers may be used (BEP 27)"),
    ROW('s', BYTES, WHAT, piece_bytes, "piece-size", "SIZE",
        "a power of two from 16k, e.g. 256k or 1M (default: chosen from the size, 16k to 16M)"),
    ROW('c', TEXT, WHAT, comment, "comment", "TEXT", "a comment for those who look into it"),
    ROW(0, TEXT, WHAT, name, "name", "NAME", "the name in the torrent (default: that of PATH)"),
    ROW(0, FLAG, WHAT, no_date, "no-date", NULL,
        "leave out date and program, so that the same files give the same torrent file"),
    ROW(0, NUMBER, HOW, workers, "threads", "N", "hashing threads (default: one per core)",
        .most = 256),
    ROW_JSON("the result in one JSON object (see docs/json.md)"),
    ROW_QUIET,
    ROW_NO_COLOR,
    ROWS_GENERAL,
    ROW_END,
};

/* ---- writing it ---------------------------------------------------------------------------------- */

static int write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, bytes, size);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            return -1;
        }
        bytes += written;
        size -= (size_t)written;
    }
    return 0;
}

/* A fresh file beside `output`; its name in *name. The process id only avoids collisions, O_EXCL is what
 * makes it ours. */
static int open_beside(const char *output, char *name, size_t size)
{
    for (unsigned i = 0; i < CREATE_ATTEMPTS; i++) {
        int length = snprintf(name, size, "%s.%ld-%u.part", output, (long)getpid(), i);
        if (length < 0 || (size_t)length >= size) {
            errno = ENAMETOOLONG;
            return -1;
        }
        int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (fd >= 0 || errno != EEXIST) {
            return fd;
        }
    }
    return -1;
}

/* Gives the finished file its name: over an existing one only with --force. */
static int put_in_place(const char *part, const char *output, bool force)
{
    if (force) {
        return rename(part, output);
    }
    if (link(part, output) == 0) {
        return unlink(part);
    }
    /* Some file systems have no hard links; there a look must do. */
    if (errno != EEXIST && access(output, F_OK) != 0) {
        return rename(part, output);
    }
    errno = EEXIST;
    return -1;
}

/* A device or a pipe, such as /dev/stdout, is written to and never replaced. */
static bool is_stream(const char *output)
{
    struct stat found;
    return stat(output, &found) == 0 && !S_ISREG(found.st_mode) && !S_ISDIR(found.st_mode);
}

static int write_stream(const char *output, const void *bytes, size_t size)
{
    int fd = open(output, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        return -1;
    }
    int failed = write_all(fd, bytes, size);
    int problem = errno;
    if (close(fd) != 0 && failed == 0) {
        return -1;
    }
    errno = problem;
    return failed;
}

/* The whole file or none of it appears under its name, also when the machine stops meanwhile. */
static int write_file(const char *output, bool force, const void *bytes, size_t size)
{
    char part[CREATE_PATH_BYTES];
    int fd = open_beside(output, part, sizeof part);
    if (fd < 0) {
        return -1;
    }
    int failed = write_all(fd, bytes, size) != 0 || fsync(fd) != 0;
    int problem = errno;
    if (close(fd) != 0 && !failed) {
        failed = 1;
        problem = errno;
    }
    if (!failed && put_in_place(part, output, force) != 0) {
        failed = 1;
        problem = errno;
    }
    if (failed) {
        unlink(part);
        errno = problem;
        return -1;
    }
    return 0;
}

/* Ctrl-C has to wait while there is a half-written file that nobody else would take away. */
static int write_file_undisturbed(const char *output, bool force, const void *bytes, size_t size)
{
    sigset_t endings, before;
    sigemptyset(&endings);
    sigaddset(&endings, SIGINT);
    sigaddset(&endings, SIGTERM);
    sigaddset(&endings, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &endings, &before);
    int failed = write_file(output, force, bytes, size);
    int problem = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = problem;
    return failed;
}

/* Behind a link its target is replaced, as other programs write to it. */
static int write_behind_links(const char *output, bool force, const void *bytes, size_t size)
{
    char *target = force ? realpath(output, NULL) : NULL;
    int failed = write_file_undisturbed(target ? target : output, force, bytes, size);
    int problem = errno;
    free(target);
    errno = problem;
    return failed;
}

static int save(const char *output, const struct options *options, const void *bytes, size_t size)
{
    int failed = strcmp(output, "-") == 0 ? write_all(STDOUT_FILENO, bytes, size)
                 : is_stream(output)      ? write_stream(output, bytes, size)
                                          : write_behind_links(output, options->force, bytes, size);
    if (failed == 0) {
        return EXIT_CODE_OK;
    }
    int problem = errno;
    if (problem == EEXIST) {
        message_error("%s: exists already; --force replaces it", output);
        return EXIT_CODE_IN_THE_WAY;
    }
    message_error("%s: %s", output, message_errno(problem));
    return problem == ENOSPC ? EXIT_CODE_NO_SPACE : EXIT_CODE_DISK;
}

/* ---- saying what it is ------------------------------------------------------------------------- */

static char *magnet_of(const spate_metainfo *metainfo)
{
    int length = spate_metainfo_magnet(metainfo, NULL, 0);
    char *link = length < 0 ? NULL : malloc((size_t)length + 1);
    if (link) {
        spate_metainfo_magnet(metainfo, link, (size_t)length + 1);
    }
    return link;
}

static void put_json(FILE *out, const char *output, const struct spate_metainfo_info *info,
                     const char *magnet)
{
    json_t *object = json_object();
    json_object_set_new(object, "output", record_text(output));
    json_object_set_new(object, "name", record_text(info->name));
    json_object_set_new(object, "info_hash", record_hex(info->info_hash, sizeof info->info_hash));
    json_object_set_new(object, "magnet", record_text(magnet));
    json_object_set_new(object, "total_bytes", record_number(info->total_bytes));
    json_object_set_new(object, "file_count", json_integer(info->file_count));
    json_object_set_new(object, "piece_length", json_integer(info->piece_length));
    json_object_set_new(object, "piece_count", json_integer(info->piece_count));
    char *line = record_line(object);
    if (line) {
        fputs(line, out);
        free(line);
    }
}

static void put_text(FILE *out, const char *output, const struct spate_metainfo_info *info,
                     const char *magnet)
{
    char hash[41], size[32], piece[32];
    text_hex(info->info_hash, sizeof info->info_hash, hash);
    fputs("created    ", out);
    printable_put(out, strcmp(output, "-") == 0 ? "on standard output" : output);
    fprintf(out, "\ncontains   %s in %u file%s, %u pieces of %s\ninfo hash  %s\nmagnet     ",
            text_bytes(info->total_bytes, size, sizeof size), info->file_count,
            info->file_count == 1 ? "" : "s", info->piece_count,
            text_bytes(info->piece_length, piece, sizeof piece), hash);
    printable_put(out, magnet);
    fputc('\n', out);
}

/* The result goes to stdout, or to stderr when stdout carries the torrent. */
static int announce(const char *output, const struct options *options, const void *bytes,
                    size_t size)
{
    FILE *out = strcmp(output, "-") == 0 ? stderr : stdout;
    spate_metainfo *metainfo = NULL;
    struct spate_metainfo_info info = {.size = sizeof info};
    struct spate_error error = {.size = sizeof error};
    int failed = spate_metainfo_parse(bytes, size, &metainfo, &error);
    if (failed < 0 || (failed = spate_metainfo_info(metainfo, &info)) < 0) {
        message_error("%s", error.text[0] ? error.text : spate_strerror(failed));
        spate_metainfo_free(metainfo);
        return EXIT_CODE_FAILED;
    }
    char *magnet = magnet_of(metainfo);
    if (options->json) {
        put_json(out, output, &info, magnet ? magnet : "");
    } else if (!options->quiet) {
        put_text(out, output, &info, magnet ? magnet : "");
    }
    free(magnet);
    spate_metainfo_free(metainfo);
    return fflush(out) == 0 ? EXIT_CODE_OK : EXIT_CODE_DISK;
}

/* ---- trackers: each -t is a tier ------------------------------------------------------------------ */

struct tiers {
    struct option_list urls, owned;
    uint32_t *numbers; /* one a URL */
};

/* Where the first URL of the text ends: at its end, or at a comma with another URL behind it, for a URL may
 * have commas too. */
static size_t url_length(const char *text)
{
    for (const char *comma = strchr(text, ','); comma; comma = strchr(comma + 1, ',')) {
        const char *rest = comma + 1 + strspn(comma + 1, " ");
        size_t scheme = strcspn(rest, ":/,?");
        if (scheme == 0 || strncmp(rest + scheme, "://", 3) == 0) {
            return (size_t)(comma - text);
        }
    }
    return strlen(text);
}

static bool add_tier(struct tiers *tiers, const char *text, uint32_t number)
{
    for (bool more = true; more;) {
        text += strspn(text, " ");
        size_t length = url_length(text);
        char *url = strndup(text, length);
        if (!url || !option_list_add(&tiers->owned, url)) {
            free(url);
            return false;
        }
        uint32_t count = tiers->urls.count + 1;
        uint32_t *numbers = realloc(tiers->numbers, count * sizeof *numbers);
        tiers->numbers = numbers ? numbers : tiers->numbers;
        if (!numbers || !option_list_add(&tiers->urls, url)) {
            return false;
        }
        numbers[count - 1] = number;
        more = text[length] == ',';
        text += length + more;
    }
    return true;
}

static bool tiers_init(struct tiers *tiers, const struct option_list *given)
{
    *tiers = (struct tiers){.numbers = NULL};
    for (uint32_t i = 0; i < given->count; i++) {
        if (!add_tier(tiers, given->items[i], i)) {
            return false;
        }
    }
    return true;
}

static void tiers_deinit(struct tiers *tiers)
{
    option_list_free(&tiers->urls, false);
    option_list_free(&tiers->owned, true);
    free(tiers->numbers);
}

/* ---- making it --------------------------------------------------------------------------------- */

/* NAME.torrent in the current directory; NAME is the last element of the path as it is on the disk. */
static char *default_output(const struct options *options)
{
    const char *path = options->operands.items[0];
    char *whole = options->name ? NULL : realpath(path, NULL);
    const char *slash = whole ? strrchr(whole, '/') : NULL;
    const char *name = options->name ? options->name : slash ? slash + 1 : path;
    size_t size = strlen(name) + sizeof ".torrent";
    char *output = malloc(size);
    if (output) {
        snprintf(output, size, "%s.torrent", name);
    }
    free(whole);
    return output;
}

/* True, with a message, when the torrent file could not be put in its place in the end anyway. */
static bool is_in_the_way(const char *output, const struct options *options)
{
    struct stat found;
    if (strcmp(output, "-") == 0 || is_stream(output) || lstat(output, &found) != 0) {
        return false;
    }
    if (S_ISDIR(found.st_mode)) {
        message_error("%s: is a directory", output);
        return true;
    }
    if (!options->force) {
        message_error("%s: exists already; --force replaces it", output);
    }
    return !options->force;
}

/* Whether it is another name of standard output, such as /dev/stdout. */
static bool is_stdout(const char *output)
{
    struct stat there, here;
    return stat(output, &there) == 0 && fstat(STDOUT_FILENO, &here) == 0 &&
           there.st_dev == here.st_dev && there.st_ino == here.st_ino;
}

static int create(const char *output, const struct options *options, const struct tiers *tiers)
{
    struct spate_error error = {.size = sizeof error};
    struct progress progress;
    struct spate_create create;
    spate_create_init(&create, sizeof create);
    create.path = options->operands.items[0];
    create.name = options->name;
    create.comment = options->comment;
    create.created_by = options->no_date ? "" : NULL;
    create.creation_date = options->no_date ? -1 : 0;
    create.private_torrent = options->private_torrent;
    create.piece_length = (uint32_t)options->piece_bytes;
    create.workers = (uint32_t)options->workers;
    create.trackers = tiers->urls.items;
    create.tiers = tiers->numbers;
    create.tracker_count = tiers->urls.count;
    create.web_seeds = options->web_seeds.items;
    create.web_seed_count = options->web_seeds.count;
    create.progress = progress_on_bytes;
    create.user = &progress;
    void *bytes = NULL;
    size_t size = 0;
    progress_init(&progress, options, "hashing");
    int failed = spate_create(&create, &bytes, &size, &error);
    progress_deinit(&progress);
    if (failed < 0) {
        message_error("create: %s", error.text[0] ? error.text : spate_strerror(failed));
        return failed == SPATE_EINVAL || failed == SPATE_EURL ? EXIT_CODE_USAGE
                                                              : exit_code_from_error(failed);
    }
    int code = save(output, options, bytes, size);
    code = code == EXIT_CODE_OK ? announce(output, options, bytes, size) : code;
    spate_free(bytes);
    return code;
}

static int run(const struct options *options)
{
    uint64_t piece = options->piece_bytes;
    if (piece != 0 && ((piece & (piece - 1)) != 0 || piece < 16384 || piece > 1u << 29)) {
        message_error("create: --piece-size must be a power of two from 16k to 512M");
        return EXIT_CODE_USAGE;
    }
    struct tiers tiers;
    char *name = options->output ? NULL : default_output(options);
    const char *output = options->output ? options->output : name;
    output = output && is_stdout(output) ? "-" : output;
    int code = EXIT_CODE_IN_THE_WAY;
    if (!tiers_init(&tiers, &options->trackers) || !output) {
        message_error("out of memory");
        code = EXIT_CODE_FAILED;
    } else if (!is_in_the_way(output, options)) {
        code = create(output, options, &tiers);
    }
    tiers_deinit(&tiers);
    free(name);
    return code;
}

const struct command create_command = {
    .name = "create",
    .summary = "make a torrent file of a file or a directory",
    .usage = "[OPTION]... PATH",
    .text = "Hashes PATH, writes a torrent file (v1) and prints its info hash and magnet "
            "link. The file appears complete or not at all, and replaces another one only "
            "with --force.",
    .options = create_options,
    .examples = "  spate create album -o album.torrent -t udp://tracker.example:6969/announce\n"
                "  spate create film.mkv --private --piece-size 1M -t https://tracker.example/KEY\n"
                "  spate create album -o - | spate show -\n",
    .operands_least = 1,
    .operands_most = 1,
    .run = run,
};
