/* spate_fetch: a small file over http or https, on the caller's thread. */
#include "base/limits.h"
#include "engine/blocking.h"

#include <stdlib.h>

enum { HTTP_OK = 200 };

struct fetch {
    struct io_http http;
    int status;
};

static void fetch_on_done(struct io_op *op, int status)
{
    struct fetch *f = list_entry(list_entry(op, struct io_http, op), struct fetch, http);
    f->status = status;
}

/* What the transfer came to; the body is handed over or freed. */
static int conclude(struct fetch *f, int stopped, uint64_t max_bytes, void **bytes, size_t *length,
                    struct spate_error *error)
{
    struct io_http *h = &f->http;
    int status = stopped < 0 && f->status < 0 ? stopped : f->status;
    if (status == SPATE_ELIMIT) {
        error_set(error, status, 0, "longer than %llu bytes", (unsigned long long)max_bytes);
    } else if (status < 0) {
        error_set(error, status, 0, "%s",
                  stopped == 0 && h->error[0] ? h->error : spate_strerror(status));
    } else if (h->http_status != HTTP_OK) {
        status = error_set(error, SPATE_EHTTP, 0, "HTTP status %d", h->http_status);
    } else if (!h->body) {
        status = error_set(error, SPATE_EHTTP, 0, "the answer is empty");
    } else {
        *bytes = h->body;
        *length = h->body_size;
        return 0;
    }
    free(h->body);
    return status;
}

int spate_fetch(const struct spate_settings *settings, const char *url, uint64_t max_bytes,
                int timeout_ms, spate_progress progress, void *user, void **bytes, size_t *length,
                struct spate_error *error)
{
    struct blocking b;
    if (!url || !bytes || !length) {
        return error_set(error, SPATE_EINVAL, 0, "spate_fetch needs a URL and room for the answer");
    }
    *bytes = NULL;
    *length = 0;
    int status = blocking_init(&b, settings, timeout_ms, progress, user, error);
    if (status < 0) {
        return status;
    }
    struct fetch f = {.http = {.op = {.done = fetch_on_done},
                               .url = url,
                               .bind = blocking_bind(&b),
                               .allow_private = b.settings.value.allow_local != 0,
                               .proxy = b.settings.value.proxy,
                               .ca_cert = b.settings.value.ca_cert,
                               .user_agent = b.settings.value.user_agent,
                               .timeout_ns = b.deadline_ns - io_now(b.io),
                               .max_bytes = max_bytes < SIZE_MAX ? (size_t)max_bytes : SIZE_MAX}};
    io_http(b.io, &f.http);
    int stopped = blocking_run(&b, &f.http.op, &f.http.body_size);
    status = conclude(&f, stopped, max_bytes, bytes, length, error);
    blocking_deinit(&b);
    return status;
}
