/* The words after ten seconds of silence: no peers, all choked, or what a tracker said. */
#include "apps/cli/reason.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>

struct target {
    char *out;
    size_t used, size;
};

__attribute__((format(printf, 2, 3))) static void say(struct target *t, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    text[text_cut_utf8(span_text(text), sizeof text - 5)] = 0;
    int length =
        snprintf(t->out + t->used, t->size - t->used, "%s%s", t->used > 0 ? "; " : "", text);
    if (length > 0) {
        t->used += (size_t)length;
        t->used = t->used < t->size ? t->used : t->size - 1;
    }
}

static void say_peers(struct target *t, const struct spate_status *s)
{
    if (s->peers == 0 && s->peers_known == 0) {
        if (s->message[0] == 0) {
            say(t, "no peers known");
        }
    } else if (s->peers == 0) {
        say(t, "none of %u known peer%s is connected", s->peers_known,
            s->peers_known == 1 ? "" : "s");
    } else if (s->peers_unchoking == 0) {
        say(t, "%u peer%s connected, none lets us download", s->peers, s->peers == 1 ? "" : "s");
    } else {
        say(t, "%u peer%s connected, %u let%s us download", s->peers, s->peers == 1 ? "" : "s",
            s->peers_unchoking, s->peers_unchoking == 1 ? "s" : "");
    }
}

const char *reason_compose(const struct spate_status *s,
                           const struct spate_tracker_status *trackers, unsigned tracker_count,
                           char *out, size_t size)
{
    struct target t = {.out = out, .size = size};
    char when[32];
    out[0] = 0;
    if (s->message[0]) {
        say(&t, "%s", s->message);
    }
    say_peers(&t, s);
    for (unsigned i = 0; i < tracker_count; i++) {
        if (trackers[i].error != 0 && trackers[i].message[0] &&
            !strstr(s->message, trackers[i].message)) {
            say(&t, "tracker %s says: %s", trackers[i].url, trackers[i].message);
            break;
        }
    }
    if (tracker_count == 0 && !strstr(s->message, "no tracker")) {
        say(&t, "it has no tracker");
    } else if (tracker_count > 0 && s->next_announce_s >= 0) {
        say(&t, "next announce in %s", text_duration(s->next_announce_s, when, sizeof when));
    }
    return out;
}
