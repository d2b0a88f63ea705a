/* The fake library: see fake_spate.h. */
#include "fake_spate.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fake fake;

const char *spate_strerror(int code)
{
    return code == SPATE_ENOSPC ? "no space left on the disk" : "an error";
}

const char *spate_version(void)
{
    return "0.0.0-fake";
}

const char *spate_features(void)
{
    return "tcp fake";
}

void spate_settings_init(struct spate_settings *settings, uint32_t size)
{
    memset(settings, 0, size);
    settings->size = size;
}

int spate_session_create(const struct spate_settings *settings, spate_session **out,
                         struct spate_error *error)
{
    (void)settings;
    (void)error;
    *out = (spate_session *)(void *)&fake;
    return 0;
}

void spate_session_close(spate_session *session)
{
    fake.closed += session != NULL;
}

int spate_session_watch(spate_session *session, int fd)
{
    (void)session;
    fake.watched_fd = fd;
    return 0;
}

/* It never waits: time flies. */
int spate_session_wait(spate_session *session, int timeout_ms)
{
    struct pollfd watched = {.fd = fake.watched_fd, .events = POLLIN};
    (void)session;
    (void)timeout_ms;
    if (fake.on_step) {
        fake.on_step(fake.at);
    }
    if (fake.steps++ > 0 && fake.at + 1 < fake.status_count) {
        fake.at++;
    }
    return poll(&watched, 1, 0) > 0 ? 2 : 0;
}

int spate_session_stats(spate_session *session, struct spate_session_stats *out)
{
    (void)session;
    out->port = 6881;
    return 0;
}

void spate_add_init(struct spate_add *add, uint32_t size)
{
    memset(add, 0, size);
    add->size = size;
}

int spate_torrent_add(spate_session *session, const struct spate_add *add, spate_torrent *out,
                      struct spate_error *error)
{
    (void)session;
    fake.added = *add;
    for (uint32_t i = 0; add->wanted && i < add->wanted_count && i < FAKE_FILES_MAX; i++) {
        fake.wanted[i] = add->wanted[i];
    }
    if (fake.add_error) {
        snprintf(error->text, sizeof error->text, "the fake refuses");
        return fake.add_error;
    }
    *out = 1;
    return 0;
}

int spate_torrent_pause(spate_session *session, spate_torrent torrent)
{
    (void)session;
    fake.paused += torrent == 1;
    return 0;
}

int spate_torrent_add_peer(spate_session *session, spate_torrent torrent, const char *address)
{
    (void)session;
    (void)torrent;
    fake.peers++;
    snprintf(fake.peer, sizeof fake.peer, "%s", address);
    return 0;
}

int spate_torrent_status(spate_session *session, spate_torrent torrent, struct spate_status *out)
{
    (void)session;
    if (torrent != 1 || fake.status_count == 0) {
        return SPATE_ENOTFOUND;
    }
    *out = fake.statuses[fake.at];
    return 0;
}

int spate_torrent_trackers(spate_session *session, spate_torrent torrent,
                           struct spate_tracker_status *out, uint32_t max)
{
    (void)session;
    (void)torrent;
    (void)out;
    (void)max;
    return 0;
}

int spate_event_next(spate_session *session, struct spate_event *out)
{
    static unsigned told;
    (void)session;
    if (told == fake.at) {
        return 0;
    }
    told = fake.at;
    out->torrent = 1;
    out->changed = SPATE_CHANGED_STATE;
    return 1;
}

int spate_log_next(spate_session *session, struct spate_log_entry *out)
{
    (void)session;
    if (!fake.log) {
        return 0;
    }
    out->level = SPATE_LOG_ERROR;
    out->torrent = 1;
    out->time_ns = 0;
    out->lost = 0;
    snprintf(out->text, sizeof out->text, "%s", fake.log);
    fake.log = NULL;
    return 1;
}

int spate_metainfo_parse(const void *bytes, size_t size, spate_metainfo **out,
                         struct spate_error *error)
{
    (void)bytes;
    (void)size;
    (void)error;
    *out = (spate_metainfo *)(void *)&fake;
    return 0;
}

void spate_metainfo_free(spate_metainfo *metainfo)
{
    (void)metainfo;
}

int spate_metainfo_info(const spate_metainfo *metainfo, struct spate_metainfo_info *out)
{
    (void)metainfo;
    out->name = "fake";
    out->file_count = fake.file_count;
    return 0;
}

int spate_metainfo_file(const spate_metainfo *metainfo, uint32_t index,
                        struct spate_metainfo_file *out)
{
    (void)metainfo;
    if (index >= fake.file_count) {
        return SPATE_EINVAL;
    }
    out->path = fake.paths[index];
    out->disk_path = fake.paths[index];
    out->length = fake.lengths[index];
    return 0;
}

void spate_free(void *memory)
{
    free(memory);
}

int spate_fetch(const struct spate_settings *settings, const char *url, uint64_t max_bytes,
                int timeout_ms, spate_progress progress, void *user, void **bytes, size_t *length,
                struct spate_error *error)
{
    (void)settings;
    (void)url;
    (void)max_bytes;
    (void)timeout_ms;
    (void)progress;
    (void)user;
    (void)bytes;
    (void)length;
    (void)error;
    return SPATE_EUNSUPPORTED;
}
