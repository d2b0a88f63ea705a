/* The live view: three lines a torrent while there is room, one line each otherwise. */
#include "apps/cli/view.h"

#include <stdio.h>

enum {
    BAR_COLUMNS_MAX = 60,
    BAR_COLUMNS_MIN = 8,
    ITEM_ROWS = 3,
    SHORT_ITEM_COLUMNS = 50, /* for rate, time and enough of a name */
    SMALL_BYTES = 32
};

const char *view_state_name(uint32_t state)
{
    static const char *const names[] = {
        [SPATE_STATE_STARTING] = "starting",
        [SPATE_STATE_CHECKING] = "checking",
        [SPATE_STATE_DOWNLOADING] = "downloading",
        [SPATE_STATE_FINISHING] = "finishing",
        [SPATE_STATE_SEEDING] = "seeding",
        [SPATE_STATE_PAUSED] = "paused",
        [SPATE_STATE_ERROR] = "error",
        [SPATE_STATE_REMOVED] = "removed",
    };
    return state < sizeof names / sizeof *names ? names[state] : "?";
}

unsigned view_permille(uint64_t part, uint64_t whole)
{
    if (part >= whole) {
        return 1000;
    }
    unsigned permille = (unsigned)((double)part / (double)whole * 1000);
    return permille > 999 ? 999 : permille;
}

/* How far it is: of the check, or of the download. */
static void progress_of(const struct spate_status *s, uint64_t *done, uint64_t *whole)
{
    bool checking = s->state == SPATE_STATE_CHECKING;
    *done = checking ? s->checked_bytes : s->verified_bytes;
    *whole = checking ? s->total_bytes : s->wanted_bytes;
}

static void put_bar(struct sheet *sheet, const struct view_style *style, unsigned columns,
                    unsigned permille)
{
    char text[BAR_COLUMNS_MAX * 4];
    unsigned halves = columns * 2 * permille / 1000;
    unsigned full = style->utf8 ? halves / 2 : columns * permille / 1000;
    size_t used = 0;
    for (unsigned i = 0; i < full; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "%s", style->utf8 ? "━" : "#");
    }
    bool half = style->utf8 && halves % 2 == 1;
    if (half) {
        used += (size_t)snprintf(text + used, sizeof text - used, "╸");
    }
    text[used] = 0;
    sheet_put(sheet, permille == 1000 ? SHEET_GREEN : SHEET_CYAN, text);
    used = 0;
    for (unsigned i = full + half; i < columns; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "%s", style->utf8 ? "─" : "-");
    }
    text[used] = 0;
    sheet_put(sheet, SHEET_DIM, text);
}

/* "149.1 of 256.0 MiB" when the units agree, "900.0 KiB of 256.0 MiB" when not. */
static const char *amount(uint64_t done, uint64_t whole, char *out, size_t size)
{
    char a[SMALL_BYTES], b[SMALL_BYTES];
    text_bytes(done, a, sizeof a);
    text_bytes(whole, b, sizeof b);
    const char *unit_a = strchr(a, ' '), *unit_b = strchr(b, ' ');
    if (unit_a && unit_b && strcmp(unit_a, unit_b) == 0) {
        a[unit_a - a] = 0;
    }
    snprintf(out, size, "%s of %s", a, b);
    return out;
}

static void put_bar_line(struct sheet *sheet, const struct view_style *style, uint64_t done,
                         uint64_t whole)
{
    char numbers[96], text[128];
    unsigned permille = view_permille(done, whole);
    snprintf(text, sizeof text, "  %3u.%u %%  %s", permille / 10, permille % 10,
             amount(done, whole, numbers, sizeof numbers));
    /* The numbers come first where there is not room for both; 24 columns hold most of them. */
    unsigned wanted = (unsigned)strlen(text) > 32 ? (unsigned)strlen(text) : 32;
    unsigned left = sheet_left(sheet);
    unsigned columns = left > wanted ? left - wanted : 0;
    columns = columns > BAR_COLUMNS_MAX ? BAR_COLUMNS_MAX : columns;
    if (columns >= BAR_COLUMNS_MIN) {
        put_bar(sheet, style, columns, permille);
        sheet_put(sheet, SHEET_PLAIN, text);
    } else {
        sheet_put(sheet, SHEET_PLAIN, text + 2);
    }
}

static const char *rate(uint64_t bytes, char *out, size_t size)
{
    char number[SMALL_BYTES];
    snprintf(out, size, "%s/s", text_bytes(bytes, number, sizeof number));
    return out;
}

static void put_rates(struct sheet *sheet, const struct view_style *style, uint64_t down,
                      uint64_t up)
{
    char text[SMALL_BYTES * 2];
    sheet_put(sheet, SHEET_PLAIN, style->utf8 ? "↓ " : "down ");
    sheet_put(sheet, SHEET_BOLD, rate(down, text, sizeof text));
    sheet_put(sheet, SHEET_PLAIN, style->utf8 ? "  ↑ " : "  up ");
    sheet_put(sheet, SHEET_PLAIN, rate(up, text, sizeof text));
}

static const char *eta(const struct spate_status *s, char *out, size_t size)
{
    if (s->eta_s < 0) {
        snprintf(out, size, "-");
        return out;
    }
    return text_duration(s->eta_s, out, size);
}

static void put_peers(struct sheet *sheet, const struct spate_status *s)
{
    sheet_format(sheet, SHEET_PLAIN, "  peers %u", s->peers);
    if (s->state == SPATE_STATE_SEEDING) {
        sheet_format(sheet, SHEET_DIM, " (%u downloading, %u known)", s->peers_downloading,
                     s->peers_known);
    } else {
        sheet_format(sheet, SHEET_DIM, " (%u seed%s, %u known)", s->seeds, s->seeds == 1 ? "" : "s",
                     s->peers_known);
        sheet_format(sheet, SHEET_PLAIN, "  avail %u.%02u", s->availability_milli / 1000,
                     s->availability_milli % 1000 / 10);
    }
}

/* Rates, time and peers; while checking, and when all is over, other things matter. */
static void put_numbers_line(struct sheet *sheet, const struct view_style *style,
                             const struct view_item *item)
{
    const struct spate_status *s = item->status;
    char text[SMALL_BYTES];
    switch (s->state) {
    case SPATE_STATE_STARTING:
        sheet_put(sheet, SHEET_DIM, "starting: reading what is known about these files");
        return;
    case SPATE_STATE_CHECKING:
        sheet_put(sheet, SHEET_DIM, "checking what is on the disk");
        return;
    case SPATE_STATE_FINISHING:
        sheet_put(sheet, SHEET_DIM, "everything is verified; waiting for the disk");
        return;
    case SPATE_STATE_ERROR: {
        char message[sizeof s->message * 4];
        sheet_format(sheet, SHEET_RED, "stopped: %s",
                     text_escape(span_text(s->message), message, sizeof message));
        return;
    }
    default:
        break;
    }
    put_rates(sheet, style, s->down_rate, s->up_rate);
    if (s->state == SPATE_STATE_DOWNLOADING) {
        sheet_format(sheet, SHEET_PLAIN, "  ETA %s", eta(s, text, sizeof text));
    } else if (s->state == SPATE_STATE_SEEDING) {
        sheet_format(sheet, SHEET_PLAIN, "  sent %s",
                     text_bytes(s->total_uploaded_bytes, text, sizeof text));
    }
    put_peers(sheet, s);
}

static void put_name(struct sheet *sheet, const struct spate_status *s)
{
    char name[sizeof s->name * 4];
    sheet_put(sheet, SHEET_BOLD, text_escape(span_text(s->name), name, sizeof name));
}

static void put_item(struct sheet *sheet, const struct view_style *style,
                     const struct view_item *item)
{
    uint64_t done, whole;
    progress_of(item->status, &done, &whole);
    put_name(sheet, item->status);
    sheet_end_line(sheet);
    put_bar_line(sheet, style, done, whole);
    sheet_end_line(sheet);
    if (item->reason[0]) {
        sheet_put(sheet, SHEET_YELLOW, item->reason);
    } else {
        put_numbers_line(sheet, style, item);
    }
    sheet_end_line(sheet);
}

static void put_short_item(struct sheet *sheet, const struct view_style *style,
                           const struct view_item *item)
{
    const struct spate_status *s = item->status;
    char text[SMALL_BYTES * 2], left[SMALL_BYTES];
    uint64_t done, whole;
    progress_of(s, &done, &whole);
    unsigned permille = view_permille(done, whole);
    sheet_format(sheet, SHEET_PLAIN, "%3u.%u %%  ", permille / 10, permille % 10);
    /* In few columns, what it is counts more than how fast it is. */
    bool is_wide = sheet_left(sheet) >= SHORT_ITEM_COLUMNS;
    if (is_wide && s->state == SPATE_STATE_DOWNLOADING) {
        sheet_format(sheet, SHEET_PLAIN, "%s%12s  ETA %-8s", style->utf8 ? "↓" : "",
                     rate(s->down_rate, text, sizeof text), eta(s, left, sizeof left));
    } else if (is_wide) {
        sheet_format(sheet, s->state == SPATE_STATE_ERROR ? SHEET_RED : SHEET_DIM, "%-25s",
                     view_state_name(s->state));
    }
    sheet_put(sheet, SHEET_PLAIN, " ");
    put_name(sheet, s);
    sheet_end_line(sheet);
}

static void put_total(struct sheet *sheet, const struct view_style *style,
                      const struct view_item *items, unsigned count, unsigned hidden)
{
    uint64_t down = 0, up = 0;
    unsigned complete = 0;
    for (unsigned i = 0; i < count; i++) {
        down += items[i].status->down_rate;
        up += items[i].status->up_rate;
        complete += items[i].status->state == SPATE_STATE_SEEDING;
    }
    sheet_format(sheet, SHEET_PLAIN, "%u of %u complete  ", complete, count);
    put_rates(sheet, style, down, up);
    if (hidden > 0) {
        sheet_format(sheet, SHEET_DIM, "  (%u more)", hidden);
    }
    sheet_end_line(sheet);
}

void view_render(struct sheet *sheet, const struct view_style *style, const struct view_item *items,
                 unsigned count)
{
    /* The last column stays free (many terminals wrap there), and so does the last row. */
    sheet_init(sheet, style->columns > 1 ? style->columns - 1 : 1, style->color);
    unsigned rows = style->rows > 2 ? style->rows - 1 : 1;
    rows = rows > SHEET_ROWS_MAX ? SHEET_ROWS_MAX : rows;
    unsigned total_row = count > 1 ? 1 : 0;
    if (count * ITEM_ROWS + total_row <= rows) {
        for (unsigned i = 0; i < count; i++) {
            put_item(sheet, style, &items[i]);
        }
        if (total_row) {
            put_total(sheet, style, items, count, 0);
        }
        return;
    }
    /* Those that still move come first. */
    unsigned shown = 0, most = rows - (rows > 1 ? total_row : 0);
    for (int settled = 0; settled <= 1; settled++) {
        for (unsigned i = 0; i < count && shown < most; i++) {
            if (items[i].settled == (settled == 1)) {
                put_short_item(sheet, style, &items[i]);
                shown++;
            }
        }
    }
    if (sheet->rows < rows && total_row) {
        put_total(sheet, style, items, count, count - shown);
    }
}

const char *view_line(const struct spate_status *s, char *out, size_t size)
{
    char name[sizeof s->name * 4], down[SMALL_BYTES * 2], up[SMALL_BYTES * 2],
        whole_text[SMALL_BYTES], left[SMALL_BYTES];
    uint64_t done, whole;
    progress_of(s, &done, &whole);
    unsigned permille = view_permille(done, whole);
    text_escape(span_text(s->name), name, sizeof name);
    int used =
        snprintf(out, size, "%s: %s, %u.%u %% of %s", name, view_state_name(s->state),
                 permille / 10, permille % 10, text_bytes(whole, whole_text, sizeof whole_text));
    if (used < 0 || (size_t)used >= size) {
        return out;
    }
    if (s->state == SPATE_STATE_DOWNLOADING || s->state == SPATE_STATE_SEEDING) {
        int more = snprintf(out + used, size - (size_t)used, ", down %s, up %s, %u peer%s",
                            rate(s->down_rate, down, sizeof down), rate(s->up_rate, up, sizeof up),
                            s->peers, s->peers == 1 ? "" : "s");
        used += more > 0 ? more : 0;
    }
    if (s->state == SPATE_STATE_DOWNLOADING && (size_t)used < size) {
        snprintf(out + used, size - (size_t)used, ", ETA %s, availability %u.%02u",
                 eta(s, left, sizeof left), s->availability_milli / 1000,
                 s->availability_milli % 1000 / 10);
    }
    return out;
}

void view_progress(struct sheet *sheet, const struct view_style *style, const char *what,
                   uint64_t done, uint64_t total)
{
    sheet_init(sheet, style->columns > 1 ? style->columns - 1 : 1, style->color);
    sheet_format(sheet, SHEET_PLAIN, "%s  ", what);
    put_bar_line(sheet, style, done, total);
    sheet_end_line(sheet);
}
