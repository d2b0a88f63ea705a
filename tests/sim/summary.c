/* Printing and drawing outcomes. */
#include "summary.h"

#include <inttypes.h>

static double seconds(int64_t ns)
{
    return (double)ns / (double)WORLD_SECOND_NS;
}

static double mib(uint64_t bytes)
{
    return (double)bytes / (1 << 20);
}

static double share(uint64_t part, uint64_t whole)
{
    return whole > 0 ? (double)part / (double)whole : 0;
}

double summary_of_bound(const struct outcome *o)
{
    bool known = o->bound_ns > 0 && o->peers > 0 && o->finished == o->peers;
    return known ? seconds(o->finished_ns[OUTCOME_PERCENTILES - 1]) / seconds(o->bound_ns) : 0;
}

/* What goes over the wire beside payload. */
static double overhead(const struct outcome *o)
{
    uint64_t payload = o->totals.uploaded_bytes;
    return o->wire_bytes > payload ? share(o->wire_bytes - payload, payload) : 0;
}

void summary_print(const struct run *r, FILE *out)
{
    const struct outcome *o = r->outcome;
    const struct world_totals *t = &o->totals;
    fprintf(out, "%s, seed %" PRIu64 "\n", r->scenario->name, r->seed);
    fprintf(out, "  torrent      %.2f MiB in %u pieces\n", mib(o->payload_bytes), o->pieces);
    fprintf(out, "  finished     %d of %d", o->finished, o->peers);
    if (o->finished > 0) {
        fprintf(out, ": first %.2f s, 25 %% %.2f, half %.2f, 75 %% %.2f, last %.2f s",
                seconds(o->finished_ns[0]), seconds(o->finished_ns[1]), seconds(o->finished_ns[2]),
                seconds(o->finished_ns[3]), seconds(o->finished_ns[4]));
    }
    fprintf(out, "\n");
    if (summary_of_bound(o) > 0) {
        fprintf(out, "  lower bound  %.2f s: the last took %.3f of it\n", seconds(o->bound_ns),
                summary_of_bound(o));
    }
    fprintf(out, "  payload      %.2f MiB down, %.2f MiB wasted (%.2f %%), %.2f MiB failed\n",
            mib(t->downloaded_bytes), mib(t->wasted_bytes),
            100 * share(t->wasted_bytes, t->downloaded_bytes), mib(t->failed_bytes));
    fprintf(out, "  duplicates   %" PRIu64 " blocks that came twice, or that nobody waited for\n",
            t->wasted_blocks);
    fprintf(out, "  wire         %.2f MiB, %.2f %% beside payload\n", mib(o->wire_bytes),
            100 * overhead(o));
    if (o->fairness_ppm > 0) {
        fprintf(out, "  fairness     %.3f (Jain, of what leechers gave for what they took)\n",
                (double)o->fairness_ppm / 1e6);
    }
    if (o->fault_calls > 0) {
        fprintf(out, "  fault        call %" PRIu64 ", of %" PRIu64 " without it\n", o->fault_index,
                o->fault_calls);
    }
    if (o->recoveries > 0) {
        fprintf(out, "  crashes      %" PRIu64 " recovered from, %.3f ms of processor each\n",
                o->recoveries, (double)o->recovering_ns / (double)o->recoveries / 1e6);
    }
    fprintf(out, "  memory       %.2f MiB at most, all sessions together\n", mib(o->memory_bytes));
    fprintf(out, "  cost         %.3f s of this world, %" PRIu64 " events, %.3f s of processor\n",
            seconds(o->end_ns), o->events, (double)o->cpu_ns / 1e9);
    fprintf(out, "  log hash     %016" PRIx64 "\n", o->log_hash);
    if (o->verdict.checker[0]) {
        fprintf(out, "  FAILED       %s: %s\n", o->verdict.checker, o->verdict.text);
    }
}

static void print_json_text(const char *text, FILE *out)
{
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') {
            fprintf(out, "\\%c", *text);
        } else if ((unsigned char)*text < 0x20) {
            fprintf(out, "\\u%04x", (unsigned)*text);
        } else {
            fputc(*text, out);
        }
    }
    fputc('"', out);
}

void summary_print_json(const struct run *r, FILE *out)
{
    const struct outcome *o = r->outcome;
    fprintf(out, "{\"scenario\":\"%s\",\"seed\":%" PRIu64 ",\"settings\":{", r->scenario->name,
            r->seed);
    for (int i = 0; setting_at(i); i++) {
        const struct setting_row *row = setting_at(i);
        int64_t value;
        memcpy(&value, (const char *)&r->set + row->offset, sizeof value);
        fprintf(out, "%s\"%s\":%" PRId64, i > 0 ? "," : "", row->name, value);
    }
    fprintf(out, "},\"payload_bytes\":%" PRIu64 ",\"peers\":%d,\"finished\":%d,\"finished_s\":[",
            o->payload_bytes, o->peers, o->finished);
    for (int i = 0; i < OUTCOME_PERCENTILES; i++) {
        fprintf(out, "%s%.6f", i > 0 ? "," : "", seconds(o->finished_ns[i]));
    }
    fprintf(out, "],\"bound_s\":%.6f,\"last_of_bound\":%.6f", seconds(o->bound_ns),
            summary_of_bound(o));
    fprintf(out,
            ",\"downloaded_bytes\":%" PRIu64 ",\"uploaded_bytes\":%" PRIu64
            ",\"wasted_bytes\":%" PRIu64 ",\"wasted_blocks\":%" PRIu64 ",\"failed_bytes\":%" PRIu64
            ",\"wire_bytes\":%" PRIu64 ",\"memory_bytes\":%" PRIu64
            ",\"overhead\":%.6f,\"fairness\":%.6f",
            o->totals.downloaded_bytes, o->totals.uploaded_bytes, o->totals.wasted_bytes,
            o->totals.wasted_blocks, o->totals.failed_bytes, o->wire_bytes, o->memory_bytes,
            overhead(o), (double)o->fairness_ppm / 1e6);
    fprintf(out, ",\"virtual_s\":%.6f,\"events\":%" PRIu64 ",\"cpu_s\":%.6f", seconds(o->end_ns),
            o->events, (double)o->cpu_ns / 1e9);
    fprintf(out,
            ",\"fault_index\":%" PRIu64 ",\"fault_calls\":%" PRIu64 ",\"recoveries\":%" PRIu64
            ",\"recovering_s\":%.6f",
            o->fault_index, o->fault_calls, o->recoveries, (double)o->recovering_ns / 1e9);
    fprintf(out, ",\"log_hash\":\"%016" PRIx64 "\",\"failed\":", o->log_hash);
    print_json_text(o->verdict.checker, out);
    fprintf(out, ",\"text\":");
    print_json_text(o->verdict.text, out);
    fprintf(out, "}\n");
}

/* ---- drawing ---------------------------------------------------------------------------------- */

enum { LEFT = 60, TOP = 50, WIDTH = 760, HEIGHT = 380 };

struct drawing {
    FILE *out;
    const struct run *run;
    double end_s;
};

static double x_of(const struct drawing *d, int64_t at_ns)
{
    return LEFT + WIDTH * seconds(at_ns - d->run->curve->points[0].at_ns) / d->end_s;
}

static double y_of(double part)
{
    return TOP + HEIGHT * (1 - part);
}

static double part_of(const struct drawing *d, const struct curve_point *p, int which)
{
    int peers = d->run->outcome->peers;
    return which == 0   ? p->least_ppm / 1e6
           : which == 1 ? p->mean_ppm / 1e6
           : which == 2 ? p->most_ppm / 1e6
                        : share(p->finished, (uint64_t)(peers > 0 ? peers : 1));
}

static void draw_line(const struct drawing *d, int which, const char *colour, const char *name)
{
    const struct curve *c = d->run->curve;
    size_t stride = c->count / (WIDTH * 2) + 1;
    fprintf(d->out, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" points=\"", colour);
    for (size_t i = 0; i < c->count; i += stride) {
        fprintf(d->out, "%.1f,%.1f ", x_of(d, c->points[i].at_ns),
                y_of(part_of(d, &c->points[i], which)));
    }
    fprintf(d->out, "\"/>\n<text x=\"%d\" y=\"%d\" fill=\"%s\">%s</text>\n",
            LEFT + 14 + which * 190, TOP + HEIGHT + 44, colour, name);
}

static void draw_axes(const struct drawing *d)
{
    for (int i = 0; i <= 4; i++) {
        double y = y_of(i / 4.0), x = LEFT + WIDTH * i / 4.0;
        fprintf(d->out,
                "<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\" stroke=\"#ddd\"/>\n"
                "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%d %%</text>\n"
                "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.1f s</text>\n",
                LEFT, y, LEFT + WIDTH, y, LEFT - 6, y + 4, i * 25, x, TOP + HEIGHT + 20,
                d->end_s * i / 4);
    }
}

static void draw_bound(const struct drawing *d)
{
    double x = LEFT + WIDTH * seconds(d->run->outcome->bound_ns) / d->end_s;
    if (d->run->outcome->bound_ns > 0 && x < LEFT + WIDTH) {
        fprintf(d->out,
                "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" stroke=\"#c00\" "
                "stroke-dasharray=\"6 4\"/>\n<text x=\"%.1f\" y=\"%d\" fill=\"#c00\">lower "
                "bound</text>\n",
                x, TOP, x, TOP + HEIGHT, x + 4, TOP + HEIGHT - 6);
    }
}

bool summary_draw(const struct run *r, const char *path)
{
    struct drawing d = {.run = r};
    const struct curve *c = r->curve;
    if (c->count < 2 || !(d.out = fopen(path, "w"))) {
        return false;
    }
    d.end_s = seconds(c->points[c->count - 1].at_ns - c->points[0].at_ns);
    fprintf(d.out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
            "font-family=\"sans-serif\" font-size=\"12\">\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
            "<text x=\"%d\" y=\"26\" font-size=\"16\">%s, seed %" PRIu64 ", %d peers, %.1f MiB"
            "</text>\n",
            LEFT + WIDTH + 40, TOP + HEIGHT + 60, LEFT, r->scenario->name, r->seed,
            r->outcome->peers, mib(r->outcome->payload_bytes));
    draw_axes(&d);
    draw_bound(&d);
    draw_line(&d, 0, "#999", "has least");
    draw_line(&d, 1, "#06c", "average");
    draw_line(&d, 2, "#6a3", "has most");
    draw_line(&d, 3, "#000", "peers complete");
    fprintf(d.out, "</svg>\n");
    bool written = !ferror(d.out);
    return fclose(d.out) == 0 && written;
}
