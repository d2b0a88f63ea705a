/* spate scrape: asks the trackers of a torrent how many seeders and leechers they know (BEP 15, 48). */
#include "apps/cli/scrape.h"

#include "apps/cli/exit_codes.h"
#include "apps/cli/message.h"
#include "apps/cli/network.h"
#include "apps/cli/record.h"
#include "apps/cli/rows.h"
#include "apps/cli/source.h"

#include <stdlib.h>

enum { SCRAPE_TIMEOUT_S = 15 };

static const struct option scrape_options[] = {
    ROW('t', LIST, WHAT, trackers, "tracker", "URL",
        "ask this tracker instead of the torrent's own; may be repeated"),
    ROW(0, SECONDS, HOW, timeout_s, "timeout", "TIME",
        "wait so long for each tracker (default 15s)"),
    ROWS_NETWORK,
    ROW(0, FLAG, NETWORK, allow_local, "allow-local", NULL, "URLs may be of the local network",
        .in_config = true),
    ROW_JSON("one JSON object a tracker (see docs/json.md)"),
    ROW_VERBOSE("show URLs with their passkeys"),
    ROWS_GENERAL,
    ROW_END,
};

static const char *count_text(uint32_t count, char *out, size_t size)
{
    if (count == UINT32_MAX) {
        snprintf(out, size, "?");
    } else {
        snprintf(out, size, "%u", count);
    }
    return out;
}

static void put_text(const char *url, const struct spate_scrape *result)
{
    char seeders[16], leechers[16], completed[16];
    printable_put(stdout, url);
    if (result->error != 0) {
        fputs(": ", stdout);
        printable_put(stdout, result->message[0] ? result->message : spate_strerror(result->error));
        fputc('\n', stdout);
        return;
    }
    printf(": %s seeder%s, %s leecher%s, %s completed\n",
           count_text(result->seeders, seeders, sizeof seeders), result->seeders == 1 ? "" : "s",
           count_text(result->leechers, leechers, sizeof leechers),
           result->leechers == 1 ? "" : "s",
           count_text(result->completed, completed, sizeof completed));
}

static json_t *count_json(uint32_t count)
{
    return count == UINT32_MAX ? json_null() : json_integer(count);
}

static void put_json(const char *url, const struct spate_scrape *result)
{
    bool failed = result->error != 0;
    json_t *object = json_object();
    json_object_set_new(object, "url", record_text(url));
    json_object_set_new(object, "error", json_integer(result->error));
    json_object_set_new(object, "message", record_text(result->message));
    json_object_set_new(object, "seeders", failed ? json_null() : count_json(result->seeders));
    json_object_set_new(object, "leechers", failed ? json_null() : count_json(result->leechers));
    json_object_set_new(object, "completed", failed ? json_null() : count_json(result->completed));
    char *line = record_line(object);
    if (line) {
        fputs(line, stdout);
        free(line);
    }
}

/* True when the tracker answered. */
static bool ask(const struct options *options, const char *url, const uint8_t info_hash[20])
{
    struct spate_settings settings;
    struct spate_scrape result = {.size = sizeof result};
    int64_t timeout_s = options->timeout_s > 0 ? options->timeout_s : SCRAPE_TIMEOUT_S;
    timeout_s = timeout_s > 3600 ? 3600 : timeout_s;
    network_fill_settings(&settings, options, NETWORK_SCRAPE, url);
    int failed =
        spate_scrape(&settings, url, info_hash, (int)timeout_s * 1000, NULL, NULL, &result);
    if (failed < 0 && result.error == 0) {
        result.error = failed;
    }
    char shown[2048], message[1024];
    const char *name = network_show_url(options, url, shown, sizeof shown);
    text_copy(result.message, sizeof result.message,
              span_text(network_show_url(options, result.message, message, sizeof message)));
    if (options->json) {
        put_json(name, &result);
    } else {
        put_text(name, &result);
    }
    fflush(stdout);
    return result.error == 0;
}

static int run(const struct options *options)
{
    struct source source;
    char text[512];
    int code = network_check(options, text, sizeof text);
    if (code != EXIT_CODE_OK) {
        message_error("scrape: %s", text);
        return code;
    }
    code = source_open(&source, options->operands.items[0], options);
    if (code != EXIT_CODE_OK) {
        return code;
    }
    bool own = options->trackers.count == 0, answered = false;
    uint32_t count = own ? source.info.tracker_count : options->trackers.count;
    for (uint32_t i = 0; i < count; i++) {
        const char *url =
            own ? spate_metainfo_tracker(source.metainfo, i, NULL) : options->trackers.items[i];
        answered |= url && ask(options, url, source.info.info_hash);
    }
    if (count == 0) {
        message_error("%s: it names no tracker; --tracker does", options->operands.items[0]);
    }
    source_close(&source);
    return answered ? EXIT_CODE_OK : EXIT_CODE_NETWORK;
}

const struct command scrape_command = {
    .name = "scrape",
    .summary = "ask trackers how many seeders a torrent has",
    .usage = "[OPTION]... TORRENT",
    .text = "Asks every tracker of TORRENT (a file, a URL, or '-') how many seeders, "
            "leechers and completed downloads it knows. Exits 0 when one of them answered.",
    .options = scrape_options,
    .examples = "  spate scrape debian.torrent\n"
                "  spate scrape --json --timeout 5s debian.torrent\n",
    .operands_least = 1,
    .operands_most = 1,
    .run = run,
};
