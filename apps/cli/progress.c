/* A bar on stderr, drawn a few times a second while the library works on this thread. */
#include "apps/cli/progress.h"

#include "apps/cli/terminal.h"
#include "apps/cli/view.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { PROGRESS_PACE_MS = 200 };

void progress_init(struct progress *p, const struct options *options, const char *what)
{
    *p = (struct progress){.what = what};
    output_init(&p->out, STDERR_FILENO);
    p->live = !options->quiet && !options->json && terminal_is_live(STDERR_FILENO);
    p->utf8 = terminal_speaks_utf8();
    p->color = terminal_has_color(STDERR_FILENO, options->no_color);
    p->sheet = p->live ? malloc(sizeof *p->sheet) : NULL;
}

void progress_deinit(struct progress *p)
{
    unsigned columns, rows;
    terminal_size(STDERR_FILENO, &columns, &rows);
    screen_clear(&p->screen, &p->out, columns);
    output_drain(&p->out);
    output_deinit(&p->out);
    free(p->sheet);
    p->sheet = NULL;
}

int progress_on_bytes(void *user, uint64_t done_bytes, uint64_t total_bytes)
{
    struct progress *p = user;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    if (!p->sheet || now_ms - p->drawn_ms < PROGRESS_PACE_MS) {
        return 0;
    }
    p->drawn_ms = now_ms;
    struct view_style style = {.utf8 = p->utf8, .color = p->color};
    terminal_size(STDERR_FILENO, &style.columns, &style.rows);
    view_progress(p->sheet, &style, p->what, done_bytes, total_bytes);
    screen_draw(&p->screen, &p->out, p->sheet, style.columns);
    output_flush(&p->out);
    return 0;
}
