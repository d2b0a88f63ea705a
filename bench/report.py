"""From figures to what people read: medians, ratios, a table, JSON, and the page docs/performance.md."""

import json
import os
import platform
import statistics
import subprocess
import sys
import time

import chart
import rows
from contestants import CONTESTANTS

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MIB = 1 << 20


def brief(row, figures):
    text = []
    if "cpu" in figures:
        text.append("%6.2f s/GiB" % figures["cpu"])
    if "rate" in figures:
        text.append("%6.0f MiB/s" % figures["rate"])
    if "first_piece_ms" in figures:
        text.append("%6.0f ms" % figures["first_piece_ms"])
    if "read_per_sent" in figures:
        text.append("%.3f bytes read per byte sent" % figures["read_per_sent"])
    if "wakeups" in figures:
        text.append("%.2f wake-ups/s, %.1f ms of CPU a minute" % (figures["wakeups"], figures["cpu_ms_per_minute"]))
    return " ".join(text)


# ---- the record -----------------------------------------------------------------------------------


def medians(samples):
    """The median of every figure over the rounds."""
    keys = [key for key in samples[0] if all(key in sample for sample in samples)]
    return {key: statistics.median(sample[key] for sample in samples) for key in keys}


def is_floor(name):
    return name.startswith("floor")


def summarise(row, results):
    """A row of the record: medians and ratios."""
    entries = {name: medians(samples) for name, samples in results.items()}
    floors = [e["cpu"] for name, e in entries.items() if is_floor(name) and "cpu" in e]
    others = [e["cpu"] for name, e in entries.items() if name in rows.OTHERS and "cpu" in e]
    for entry in entries.values():
        if floors and "cpu" in entry:
            entry["to_floor"] = entry["cpu"] / min(floors)
        if others and "cpu" in entry:
            entry["to_best_other"] = entry["cpu"] / min(others)
    return {"name": row.name, "title": row.title, "kind": row.kind, "net": row.net, "base": row.base,
            "entries": entries, "samples": results}


def git(*words):
    try:
        done = subprocess.run(["git", "-C", ROOT, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    except OSError:
        return ""  # measuring needs no git
    return done.stdout.strip()


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    return names[0] if names else platform.machine()


def commit():
    dirty = git("status", "--porcelain", "--untracked-files=no")
    return (git("rev-parse", "--short=12", "HEAD") or "unknown") + (" with changes" if dirty else "")


def settings_of(by_row):
    """What a contestant was given in all rows, and what more in some of them."""
    common = [text for text in next(iter(by_row.values())) if all(text in given for given in by_row.values())]
    more = {}
    for row, given in by_row.items():
        extra = tuple(text for text in given if text not in common)
        if extra:
            more.setdefault(extra, []).append(row)
    return {"all": common, "more": [{"rows": found, "settings": extra} for extra, found in more.items()]}


def make(bench, seconds):
    found = [summarise(row, bench.results[row.name]) for row in bench.rows if row.name in bench.results]
    by_name = {row["name"]: row for row in found}
    for row in found:
        for name, entry in row["entries"].items():
            base = by_name.get(row["base"], {}).get("entries", {}).get(name)
            if base:
                entry["to_base"] = entry["cpu"] / base["cpu"]
    named = {name for row in found for name in row["entries"]}
    return {"commit": bench.commit, "date": time.strftime("%Y-%m-%d"), "command": bench.command,
            "rounds": bench.rounds, "mib": bench.mib, "seconds": round(seconds),
            "machine": "%d x %s, Linux %s" % (os.cpu_count(), processor(), platform.release()),
            "congestion_control": "cubic", "versions": bench.versions,
            "settings": {name: settings_of(bench.settings[name]) for name in CONTESTANTS if name in named},
            "rows": found, "failures": bench.failures, "absent": bench.absent}


# ---- text -----------------------------------------------------------------------------------------


def cell(entry, key, form, scale=1):
    return form % (entry[key] / scale) if key in entry else "-"


def cpu_lines(row):
    """Header and lines of a row that measures CPU per GiB."""
    head = ["", "CPU s/GiB", "user", "system", "x floor", "x best other", "machine s/GiB", "MiB/s", "RssAnon MiB",
            "RSS MiB"]
    if row["base"]:
        head.insert(6, "x " + row["base"])
    lines = [head]
    for name, entry in row["entries"].items():
        line = [name, cell(entry, "cpu", "%.2f"), cell(entry, "user", "%.2f"), cell(entry, "system", "%.2f"),
                cell(entry, "to_floor", "%.2f"), cell(entry, "to_best_other", "%.2f"), cell(entry, "machine", "%.2f"),
                cell(entry, "rate", "%.0f"), cell(entry, "anon_bytes", "%.1f", MIB),
                cell(entry, "rss_bytes", "%.1f", MIB)]
        if row["base"]:
            line.insert(6, cell(entry, "to_base", "%.2f"))
        lines.append(line)
    return lines


def plain_lines(row, *wanted):
    """wanted: heading, key, form and scale of each column."""
    lines = [["", *(column[0] for column in wanted)]]
    for name, entry in row["entries"].items():
        lines.append([name, *(cell(entry, *column[1:]) for column in wanted)])
    return lines


def first_lines(row):
    return plain_lines(row, ("ms to the first piece", "first_piece_ms", "%.0f"),
                       ("ms to the first request", "first_request_ms", "%.0f"))


def cold_lines(row):
    return plain_lines(row, ("bytes read per byte sent", "read_per_sent", "%.3f"), ("CPU s/GiB", "cpu", "%.2f"),
                       ("MiB/s", "rate", "%.0f"), ("RssAnon MiB", "anon_bytes", "%.1f", MIB))


def idle_lines(row):
    return plain_lines(row, ("wake-ups/s", "wakeups", "%.2f"), ("CPU ms a minute", "cpu_ms_per_minute", "%.1f"),
                       ("seconds until all seed", "ready_s", "%.1f"), ("RssAnon MiB", "anon_bytes", "%.1f", MIB))


def calls_lines(row):
    """System calls per block, of the kinds that somebody makes more often than once in two hundred blocks."""
    entries = row["entries"].values()
    kinds = {key for entry in entries for key, value in entry.items() if key.startswith("calls_") and value >= 0.005}
    kinds = sorted(kinds, key=lambda kind: -max(entry.get(kind, 0) for entry in entries))
    return plain_lines(row, *((kind.removeprefix("calls_"), kind, "%.3f") for kind in kinds))


LINES = {"download": cpu_lines, "seed": cpu_lines, "first": first_lines, "cold": cold_lines, "idle": idle_lines}


def filled(lines):
    """Without the columns that say nothing."""
    keep = [i for i in range(len(lines[0])) if i == 0 or any(line[i] != "-" for line in lines[1:])]
    return [[line[i] for i in keep] for line in lines]


def columns(lines):
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        first = line[0].ljust(widths[0])
        yield "  ".join([first] + [text.rjust(width) for text, width in zip(line[1:], widths[1:])])


def settings_lines(record):
    """Contestant and version, rows, settings."""
    for name, given in record["settings"].items():
        version = record["versions"].get(name)
        who = "%s (%s)" % (name, version) if version else name
        if given["all"] or not given["more"]:
            yield who, "every row", "; ".join(given["all"]) or "nothing"
        for extra in given["more"]:
            yield who, ", ".join(extra["rows"]), "; ".join(extra["settings"])


def show(record):
    print("\n%s: commit %s, %s\n%s; %d MiB, %d rounds, medians; TCP congestion control %s; %d s in all\n" % (
        record["command"], record["commit"], record["date"], record["machine"], record["mib"], record["rounds"],
        record["congestion_control"], record["seconds"]))
    for row in record["rows"]:
        print("%s (%s)" % (row["title"], row["name"]))
        for line in columns(filled(LINES[row["kind"]](row))):
            print("    " + line)
        if any("calls_all" in entry for entry in row["entries"].values()):
            print("  System calls per block of 16 KiB")
            for line in columns(filled(calls_lines(row))):
                print("    " + line)
        print()
    print("Aims")
    for line in columns([["", "measured", "aim", ""], *aims(record)]):
        print("    " + line)
    print()
    print("What each was given (PATH, ADDRESS, PORT: of the measurement)")
    for name, where, text in settings_lines(record):
        print("    %s, %s: %s" % (name, where, text))
    for failure in record["failures"]:
        print("FAILED: %(row)s, %(who)s, round %(round)d: %(why)s" % failure)
    sys.stdout.flush()


def save(record, path):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(record, file, indent=1)
        file.write("\n")


# ---- the page -------------------------------------------------------------------------------------

PAGE, CHART = os.path.join(ROOT, "docs", "performance.md"), os.path.join(ROOT, "docs", "performance.svg")
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"


def markdown_table(lines):
    yield "| " + " | ".join(lines[0]) + " |"
    yield "|---" + "|---:" * (len(lines[0]) - 1) + "|"
    for line in lines[1:]:
        strong = "**" if line[0] == "spate" else ""
        yield "| " + " | ".join(strong + text + strong if text else text for text in line) + " |"


def markdown(record):
    yield "`%s` at commit `%s`, %s; %s; %d MiB of payload, medians of %d rounds; TCP congestion control %s." % (
        record["command"], record["commit"], record["date"], record["machine"], record["mib"], record["rounds"],
        record["congestion_control"])
    yield ""
    yield "### Aims"
    yield ""
    yield from markdown_table([["", "measured", "aim", ""], *aims(record)])
    for row in record["rows"]:
        yield ""
        yield "### " + row["title"]
        yield ""
        yield from markdown_table(filled(LINES[row["kind"]](row)))
    yield ""
    yield "### Settings"
    yield ""
    yield "Everything that each program was really given: arguments, lines of its configuration, settings of its"
    yield "session. What is not named is as the program has it by default. PATH, ADDRESS and PORT stand for those of the"
    yield "measurement. The floors and their parts are in bench/floors."
    for who, where, text in settings_lines(record):
        yield ""
        yield "- **%s**, %s: `%s`" % (who, where, text)
    for failure in record["failures"]:
        yield ""
        yield "Not measured: %(row)s, %(who)s, round %(round)d: %(why)s." % failure


def publish(record):
    """Puts the record between the marks of the page, and draws the chart."""
    with open(PAGE, encoding="utf-8") as file:
        page = file.read()
    before, _, rest = page.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        sys.exit("%s has no marks for the figures" % PAGE)
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write("%s%s\n\n%s\n\n%s%s" % (before, BEGIN, "\n".join(markdown(record)), END, after))
    with open(CHART, "w", encoding="utf-8") as file:
        file.write(chart.draw(record))
    print("page: %s, chart: %s" % (PAGE, CHART))


# ---- aims -----------------------------------------------------------------------------------------


def figure(record, row, key, who="spate"):
    for found in record["rows"]:
        if found["name"] == row:
            return found["entries"].get(who, {}).get(key)
    return None


def best_other(record, row, key, best):
    values = [figure(record, row, key, who) for who in rows.OTHERS]
    return best([value for value in values if value], default=None)


def over(one, other):
    return one / other if one and other else None


def aims(record):
    """Lines of: what, measured, aim, whether it is met."""
    def of(row, key):
        return figure(record, row, key)
    anon = of("download", "anon_bytes")
    floor_rate = figure(record, "download", "rate", "floor")
    other_rate = best_other(record, "download", "rate", max)
    other_piece = best_other(record, "first-piece", "first_piece_ms", min)
    wanted = [
        ("CPU of a download, to the floor", of("download", "to_floor"), "<=", 1.2),
        ("CPU of a download, to the best other", of("download", "to_best_other"), "<=", 0.8),
        ("CPU of seeding, to the floor", of("seed", "to_floor"), "<=", 1.2),
        ("CPU of seeding to one that hashes, to the floor", of("seed-hashing", "to_floor"), "<=", 1.2),
        ("CPU of seeding, to the best other", of("seed", "to_best_other"), "<=", 0.4),
        ("rate of a download, to the floor's", over(of("download", "rate"), floor_rate), ">=", 0.8),
        ("rate of a download, to the fastest other's", over(of("download", "rate"), other_rate), ">=", 1.5),
        ("first verified piece, to the best other", over(of("first-piece", "first_piece_ms"), other_piece), "<=", 1.0),
        ("peak RssAnon of a download, MiB", anon and anon / MIB, "<=", 48),
        ("a HAVE before every block, to without", of("download-have", "to_base"), "<=", 1.1),
        ("download from 200 peers, to one", of("download-200", "to_base"), "<=", 1.3),
        ("seeding to 200 peers, to one", of("seed-200", "to_base"), "<=", 1.3),
        ("download of 500 torrents, to one", of("download-500x4", "to_base"), "<=", 1.3),
        ("seeding of 500 torrents, to one", of("seed-500x4", "to_base"), "<=", 1.3),
        ("cold disk, bytes read per byte sent", of("cold-50", "read_per_sent"), "<=", 1.1),
        ("10,000 idle torrents, wake-ups a second", of("idle-10000", "wakeups"), "<=", 1.0),
    ]
    for what, value, how, aim in wanted:
        if value is not None:
            met = value <= aim if how == "<=" else value >= aim
            yield [what, "%.4g" % value, "%s %g" % (how, aim), "met" if met else "not met"]
